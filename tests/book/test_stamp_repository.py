import json
import shutil
from pathlib import Path

import pytest
import yaml

from book.stamp_repository import stamp

ROOT = Path(__file__).resolve().parents[2]
URL = "https://github.com/someone/some-book"
NOTEBOOK = "notebooks/1_part/1_chapter.ipynb"


@pytest.fixture
def tree(tmp_path):
    """Return a copy of the files that are stamped, with one notebook."""
    for name in ("_config.yml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {"tags": ["colab"]}, "outputs": [],
         "execution_count": None, "source": ["import sys\n", "REPOSITORY = \"\"\n", "print(REPOSITORY)"]},
        {"cell_type": "code", "id": "b", "metadata": {}, "outputs": [], "execution_count": None,
         "source": ["REPOSITORY = \"\"  # é"]},
    ]  # fmt: skip
    notebook = tmp_path / NOTEBOOK
    notebook.parent.mkdir(parents=True)
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return tmp_path


def contents(tree):
    return {path: path.read_text(encoding="utf-8") for path in tree.rglob("*") if path.is_file()}


def test_stamp_sets_everything(tree):
    assert len(stamp(tree, URL + ".git")) == 3
    config = yaml.safe_load((tree / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == URL
    assert config["launch_buttons"]["colab_url"] == "https://colab.research.google.com"
    assert config["html"]["use_edit_page_button"] is True
    assert yaml.safe_load((tree / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"] == URL
    tagged, other = json.loads((tree / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    assert tagged["source"] == ["import sys\n", f'REPOSITORY = "{URL}"\n', "print(REPOSITORY)"]
    assert other["source"] == ['REPOSITORY = ""  # é']


def test_twice_is_once_and_unset_restores_every_byte(tree):
    before = contents(tree)
    stamp(tree, URL)
    assert stamp(tree, URL) == []
    assert contents(tree) != before
    stamp(tree, "")
    assert contents(tree) == before


@pytest.mark.parametrize("url", ["github.com/a/b", "http://github.com/a/b", "https://example.org/a/b",
                                 "https://github.com/a", URL + '" evil', URL + "\n"])  # fmt: skip
def test_other_addresses_are_refused_before_anything_is_written(tree, url):
    before = contents(tree)
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        stamp(tree, url)
    assert contents(tree) == before


def test_a_missing_line_is_named(tree):
    path = tree / "_config.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("  colab_url:", "  other:"), encoding="utf-8")
    with pytest.raises(ValueError, match="colab_url"):
        stamp(tree, URL)
