"""The book's models in PyTorch."""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"llmrec_ref.pytorch needs PyTorch: pip install torch ({error})."
    ) from error
