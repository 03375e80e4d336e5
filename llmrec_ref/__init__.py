"""llmrec_ref: the reference package of the book *LLM Tokens for Recommenders*."""

__version__ = "0.1.0"
