import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("torch")


def test_keras_on_another_backend_is_refused():
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", "import llmrec_ref.tensorflow"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: Keras runs on 'torch': set the environment variable KERAS_BACKEND" in done.stderr
