import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from book.stamp_repository import colab_cell, stamp, version_of

ROOT = Path(__file__).resolve().parents[2]
URL = "https://github.com/someone/some-book"
NOTEBOOK = "notebooks/1_part/1_chapter.ipynb"
VERSION = version_of(ROOT)


@pytest.fixture
def tree(tmp_path):
    """Return a copy of the files that are stamped or read, with one notebook."""
    for name in ("_config.yml", "CITATION.cff", "llmrec_ref/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {"tags": ["colab"]}, "outputs": [],
         "execution_count": None, "source": []},
        {"cell_type": "code", "id": "b", "metadata": {}, "outputs": [], "execution_count": None,
         "source": ["REPOSITORY = \"\"  # é"]},
    ]  # fmt: skip
    notebook = tmp_path / NOTEBOOK
    notebook.parent.mkdir(parents=True)
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    stamp(tmp_path, "")
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
    assert "".join(tagged["source"]) == colab_cell(URL, VERSION, "notebooks/1_part")
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


def test_a_missing_version_is_named(tree):
    (tree / "llmrec_ref" / "__init__.py").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="__version__"):
        stamp(tree, URL)


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """Return a function that runs the cell as Colab would, and the list of its commands and folders."""
    done = []
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "chdir", lambda folder: done.append(folder))

    def run(url, fails=None):
        def command(arguments, check):
            done.append(" ".join(arguments))
            if fails and fails in done[-1]:
                raise subprocess.CalledProcessError(1, arguments)
            if "clone" in arguments:
                Path(arguments[-1]).mkdir(parents=True)

        monkeypatch.setattr(subprocess, "run", command)
        cell = colab_cell(url, "1.2.3", "notebooks/1_part").replace("/content", str(tmp_path))
        exec(cell, {})

    return run, done


def test_colab_fetches_the_version_of_the_page_once(colab, tmp_path):
    run, done = colab
    book = f"{tmp_path}/book-v1.2.3"
    run(URL)
    assert done[0] == f"git clone --quiet --depth 1 --branch v1.2.3 {URL} {book}"
    assert done[1] == f"{book}/notebooks/1_part"
    assert [line.split("-m pip install --quiet ")[1] for line in done[2:]] == [
        "--no-deps -r ../../requirements-data.txt", f"--editable {book}"
    ]  # fmt: skip
    first = len(done)
    run(URL)
    assert done[first:] == done[1:first]  # all but the clone, and the same folder
    assert sys.path.count(book) == 1


@pytest.mark.parametrize("fails", ["clone", "requirements-data", "editable"])
def test_colab_stops_after_a_failure(colab, fails):
    run, done = colab
    with pytest.raises(subprocess.CalledProcessError):
        run(URL, fails)
    assert fails in done[-1]


def test_colab_without_an_address_says_what_to_do(colab):
    run, done = colab
    with pytest.raises(SystemExit, match="run the notebook on your own machine with `make lab`"):
        run("")
    assert not done


def test_elsewhere_the_cell_does_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.setattr(subprocess, "run", None)
    exec(colab_cell(URL, "1.2.3", "notebooks/1_part"), {})


def test_the_cell_is_short_and_narrow():
    lines = colab_cell(URL, "10.20.30", "notebooks/1_foundations").splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 88
