"""The book's models in TensorFlow, as Keras 3 layers."""

try:
    import keras
    import tensorflow  # noqa: F401
except ImportError as error:
    raise ImportError(
        "llmrec_ref.tensorflow needs Keras on TensorFlow: pip install keras tensorflow, and let the "
        f"environment variable KERAS_BACKEND be tensorflow or unset ({error})."
    ) from error

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on {keras.backend.backend()!r}: set the environment variable KERAS_BACKEND=tensorflow "
        "before Keras is first imported (in a notebook, restart the kernel)."
    )
