"""Lets the API reference document ``llmrec_ref.tensorflow`` where Keras is not installed.

autodoc puts stand-ins in place of absent packages (``autodoc_mock_imports``), but the package asks Keras
which backend it runs on, and a stand-in has no answer.
"""

import sys
from types import SimpleNamespace

from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock


def setup(app: Sphinx) -> dict[str, bool]:
    """Put a stand-in for Keras in place that answers ``"tensorflow"``."""
    with mock(["keras"]):
        import keras
    keras.backend = SimpleNamespace(backend=lambda: "tensorflow")
    sys.modules["keras"] = keras
    return {"parallel_read_safe": True, "parallel_write_safe": True}
