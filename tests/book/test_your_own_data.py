"""The page "Your own data" does what it says: its Python and its commands run on a reader's CSV."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llmrec_ref import runs
from llmrec_ref.__main__ import main

pytestmark = pytest.mark.trains

PAGE = Path(__file__).resolve().parents[2] / "book" / "your_own_data.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Enter an empty folder with the page's ``my.csv``, and the same as ``shop.csv`` with other names."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    items = ["B07XJ8", "B01N5I", *(f"item {i}" for i in range(28))]
    rows = [(user, item) for user in ("ann", *range(40)) for item in rng.permutation(items)[:8]]
    table = pd.DataFrame(rows, columns=["user", "item"])
    table["timestamp"] = 1_700_000_000 + 60 * np.arange(len(table))
    table["text"] = "Title of " + table["item"]
    table.to_csv("my.csv", index=False)
    other = {"user": "CustomerID", "item": "SKU", "timestamp": "UnixTime"}
    table.rename(columns=other).to_csv("shop.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_python_of_the_page_runs(folder, capsys, framework):
    pytest.importorskip("torch" if framework == "pytorch" else "tensorflow")
    other = "tensorflow" if framework == "pytorch" else "pytorch"
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    chosen = [block for block in blocks if f"llmrec_ref.{other}" not in block]
    assert len(chosen) == len(blocks) - 1
    exec("\n".join(chosen).replace("epochs=30", "epochs=2"), {})
    printed = capsys.readouterr().out
    assert "repeats is False as you say" in printed  # the notes
    assert "Popularity" in printed and "Title of" in printed
    assert runs.read_config(folder / "my-run")["framework"] == framework


def test_commands_of_the_page_run(folder, capsys):
    pytest.importorskip("torch")
    commands = re.findall(
        r"^python -m llmrec_ref (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert len(commands) == 4
    for command in commands:
        extra = ["--epochs", "2"] if command.startswith("train") else []
        assert main([*shlex.split(command), *extra]) == 0
    assert capsys.readouterr().out.count("Title of") == 20
