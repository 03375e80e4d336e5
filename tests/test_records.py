"""Records and the style of figures are found from any working directory."""

import json

import pytest

from llmrec_ref import records


def test_a_record_is_read_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = records.read("ml100k")
    assert found == json.loads((records.FOLDER / "ml100k.json").read_text(encoding="utf-8"))
    line = records.origin(found)
    assert all(found[key] in line for key in ("date", "device", "command"))


def test_a_record_that_is_not_there_is_one_sentence():
    with pytest.raises(FileNotFoundError, match="no record 'nothing'"):
        records.read("nothing")


def test_the_style_is_found_from_any_folder(monkeypatch, tmp_path):
    style = pytest.importorskip("matplotlib.style")
    rc = pytest.importorskip("matplotlib").rc_context
    monkeypatch.chdir(tmp_path)
    with rc():
        style.use("llmrec_ref.book")
