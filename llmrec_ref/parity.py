"""Equal weights in two frameworks."""


def copy_weights(pytorch_model, tensorflow_model):
    """Copy a PyTorch model's weights into its TensorFlow twin.

    Needs both frameworks. The mapping is the one of run folders: `tensorflow.weights`.

    Args:
        pytorch_model: From ``llmrec_ref.pytorch``.
        tensorflow_model: Of the same class and settings, from ``llmrec_ref.tensorflow``.

    Raises:
        ValueError: The two have different weights.
    """
    from llmrec_ref.pytorch.train import get_weights
    from llmrec_ref.tensorflow.weights import set_weights

    set_weights(tensorflow_model, get_weights(pytorch_model))
