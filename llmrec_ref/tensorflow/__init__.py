"""The book's models in TensorFlow, as Keras 3 layers."""

import os

# TensorFlow reads this at its first operation: keep freed memory for the next step.
# Without it a step gives its arrays back to the system and fetches them again, page by
# page, which can cost more than the arithmetic.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

try:
    import keras
    import tensorflow  # noqa: F401
except ImportError as error:
    raise ImportError(
        "llmrec_ref.tensorflow needs Keras on TensorFlow: pip install keras "
        "tensorflow, and let the "
        f"environment variable KERAS_BACKEND be tensorflow or unset ({error})."
    ) from error

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on {keras.backend.backend()!r}: set the environment variable "
        "KERAS_BACKEND=tensorflow "
        "before Keras is first imported (in a notebook, restart the kernel)."
    )
