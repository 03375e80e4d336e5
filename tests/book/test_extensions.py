"""Our Sphinx extensions on a tiny book."""

import io
import json
import re

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from book._ext import recorded
from book._ext.framework_tabs import tab_sets

RESULT = {
    "title": "A recorded result",
    "command": "python -m something",
    "commit": "0123abc",
    "date": "2026-01-02",
    "device": "a machine",
    "versions": {"torch": "2.0"},
    "seeds": [0, 1],
    "protocol": "leave-one-out",
    "rows": [
        {"model": "A", "framework": None, "filter_seen": True, "HR@10": 0.12345, "n": 7},
        {
            "model": "B",
            "framework": "pytorch",
            "filter_seen": True,
            "HR@10": 0.2,
            "HR@10_low": 0.1,
            "HR@10_high": 0.3,
        },
        {"model": "B", "framework": "pytorch", "filter_seen": False, "HR@10": 0.15},
    ],
}
PAGE = """# Title

Value {recorded}`result:model=B,filter_seen=true/HR@10:.1%` and {recorded}`result:versions/torch`.

```{recorded-table} result
:columns: model as Name, framework, HR@10
:where: filter_seen=true
```
"""


def cell(*tags):
    """Return a code cell as a notebook holds it; its source names its tags."""
    source = f"x = {len(tags)}  # {' '.join(tags)}"
    return {"cell_type": "code", "id": "-".join(tags) or "none", "metadata": {"tags": list(tags)},
            "outputs": [], "execution_count": None, "source": source}  # fmt: skip


def build(folder, page="# Title\n", cells=()):
    """Build a page and a notebook; return the parsed HTML of both, and the warnings."""
    (folder / "book" / "results").mkdir(parents=True)
    (folder / "book" / "results" / "result.json").write_text(json.dumps(RESULT), encoding="utf-8")
    (folder / "index.md").write_text(f"{page}\n```{{toctree}}\nchapter\n```\n", encoding="utf-8")
    text = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": "# Chapter"}
    language = {"language_info": {"name": "python"}}
    notebook = {"cells": [text, *cells], "metadata": language, "nbformat": 4, "nbformat_minor": 5}
    (folder / "chapter.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    settings = {
        "extensions": ["myst_nb", "sphinx_design", "book._ext.framework_tabs", "book._ext.recorded"],
        "nb_execution_mode": "off",
    }
    warnings = io.StringIO()
    with docutils_namespace():
        Sphinx(folder, None, folder / "out", folder / "trees", "html", settings, None, warnings).build()
    pages = [BeautifulSoup((folder / "out" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
             for name in ("index", "chapter")]  # fmt: skip
    return *pages, warnings.getvalue()


def test_tab_sets_group_neighbours():
    def container(tag):
        return nodes.container(nb_element="cell_code", classes=[f"tag_{tag}"])

    tags = ["pytorch", "pytorch", "tensorflow", "pytorch", "tensorflow", "other", "tensorflow"]
    sets = tab_sets([nodes.paragraph(), *map(container, tags)])
    assert [{name: len(cells) for name, cells in found.items()} for found in sets] == [
        {"pytorch": 2, "tensorflow": 1}, {"pytorch": 1, "tensorflow": 1}, {"tensorflow": 1}
    ]  # fmt: skip


def test_notebook_cells_become_synced_tabs(tmp_path):
    cells = [cell("pytorch"), cell("tensorflow"), cell(), cell("tensorflow", "late"), cell("pytorch", "late")]
    _, chapter, warnings = build(tmp_path, cells=cells)
    assert warnings == ""
    sets = chapter.select(".framework-tabs")
    assert [[label["data-sync-id"] for label in found.select("label")] for found in sets] == [
        ["pytorch", "tensorflow"], ["tensorflow", "pytorch"]
    ]  # fmt: skip
    assert {label["data-sync-group"] for label in chapter.select("label.sd-tab-label")} == {"framework"}
    assert "# pytorch" in sets[0].select(".sd-tab-content")[0].get_text()
    assert len(chapter.select(".cell")) == len(cells)


def test_lone_framework_cell_warns_with_its_place(tmp_path):
    _, chapter, warnings = build(tmp_path, cells=[cell("pytorch")])
    assert "chapter.ipynb:20" in warnings
    assert "a pytorch cell has no neighbour in the other framework" in warnings
    assert not chapter.select(".framework-tabs")


def test_recorded_values_and_table(tmp_path):
    index, _, warnings = build(tmp_path, PAGE)
    assert warnings == ""
    assert "Value 20.0% and 2.0." in index.get_text()
    table = [
        [entry.get_text() for entry in row.select("th, td")] for row in index.select("table.recorded tr")
    ]
    assert table == [
        ["Name", "framework", "HR@10"],
        ["A", "–", "0.123"],
        ["B", "pytorch", "0.200 [0.100, 0.300]"],
    ]
    origin = index.select_one(".recorded-origin").get_text()
    for fact in (
        "Recorded",
        "2026-01-02",
        "a machine",
        "0, 1",
        "leave-one-out",
        "0123abc",
        "python -m something",
    ):
        assert fact in origin


MISTAKES = {
    "{recorded}`nothing:date`": "no recorded result book/results/nothing.json",
    "{recorded}`result:nothing`": "no key 'nothing'",
    "{recorded}`result:model=C/HR@10`": "0 rows match 'model=C', not one",
    "{recorded}`result:model=B/HR@10`": "2 rows match 'model=B', not one",
    "{recorded}`result:title/rows`": "no key 'rows'",
    "{recorded}`result:title/model=A/n`": "no rows in 'title/model=A/n'",
    "{recorded}`result:model=A/HR@10:q`": "Unknown format code 'q'",
    "```{recorded-table} nothing\n:columns: model\n```": "no recorded result",
    "```{recorded-table} result\n:columns: model, loss\n```": "no row has a column loss",
    "```{recorded-table} result\n```": "the option 'columns' is needed",
}


def test_what_is_not_recorded_warns_with_its_place(tmp_path):
    _, _, warnings = build(tmp_path, "# Title\n\n" + "\n\n".join(MISTAKES) + "\n")
    line = 3
    for source, message in MISTAKES.items():
        assert re.search(rf"index\.md:{line}: WARNING: .*{re.escape(message)}", warnings), (source, warnings)
        line += source.count("\n") + 2


def test_a_value_may_hold_a_comma():
    row = {"model": "A, wide", "n": 7}
    assert recorded.matches(row, "model=A, wide,n=7") and recorded.matches(row, "n=7, model=A, wide")
    assert not recorded.matches(row, "model=A,n=7") and not recorded.matches(row, "model=A, narrow,n=7")


def test_show():
    shown = [recorded.show(value, ".2f") for value in (None, True, False, 0.126, [1, 2], "text")]
    assert shown == ["–", "yes", "no", "0.13", "1, 2", "text"]
