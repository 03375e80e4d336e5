"""What the README shows works: its Python runs, and the commands, files and links it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.trains
def test_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    exec("\n".join(blocks), {})
    assert "NDCG@10" in capsys.readouterr().out


def test_make_targets_exist():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"book", "test"} <= named <= set(targets)


def test_files_exist():
    named = re.findall(r"\]\(((?!https:)[^)]+)\)", README) + re.findall(r"-[cfr] ([\w.-]+\.\w+)", README)
    assert len(named) > 5
    assert not [path for path in named if not (ROOT / path).exists()]
