"""The extension that says where each equation is checked, on a tiny book."""

import io
import json
import re

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

INDEX = """# Book

```{toctree}
good
chapter
bad
api
equations
```
"""
API = """# API

```{eval-rst}
.. py:module:: package
.. py:function:: loss(x)
.. py:class:: Model
.. py:method:: Model.score(x)
```
"""
GOOD = """# Good page

$$ a = b $$ (eq-named)

<!-- eq-named: definition -->

<!-- an ordinary remark -->

$$ c = d $$

$$
e = f
$$ (eq-run)
<!-- eq-run: implemented package.loss package.Model.score
     tests/test_it.py::test_one tests/test_it.py::TestMore::test_two -->

Where {eq}`eq-run` is an equation.
"""
CHAPTER = [
    "# Chapter\n\n$$ g $$ (eq-shown)\n\n<!-- eq-shown: derivation -->",
    "# checks eq-shown numerically\n1",
]
TESTS = """
def helper(): ...
@decorated
def test_one(case): ...
class TestMore:
    def test_two(self): ...
"""
# a page and, in order, the warnings of one mistake after another
MISTAKES = {
    "$$ a $$ (eq-a)": "equation eq-a has no tag",
    "$$ b $$ (eq-b)\n\n<!-- eq-b definition -->": "equation eq-b has no tag",
    "<!-- eq-c: definition -->": "a tag for eq-c, which is no numbered equation of this page",
    "$$ d $$ (eq-d)\n\n<!-- eq-d: guess -->": "eq-d: 'guess' is none of definition, derivation, implemented",
    "$$ e $$ (eq-e)\n\n<!-- eq-e: -->": "eq-e: '' is none of",
    "$$ f $$ (eq-f)\n\n<!-- eq-f: definition -->\n\n<!-- eq-f: definition -->": "two tags for eq-f",
    "$$ g $$ (eq-g)\n\n<!-- eq-g: derivation -->": "no cell of this page has the line '# checks eq-g'",
    "$$ h $$ (eq-h)\n\n<!-- eq-h: implemented package.loss -->":
        "eq-h: 'implemented' needs a function and a test",
    "$$ i $$ (eq-i)\n\n<!-- eq-i: implemented tests/test_it.py::test_one -->": "eq-i: 'implemented' needs",
    "$$ j $$ (eq-j)\n\n<!-- eq-j: implemented package.gone tests/test_it.py::test_one -->":
        "eq-j: 'package.gone' is not on the API page",
    "$$ k $$ (eq-k)\n\n<!-- eq-k: implemented package tests/test_it.py::test_one -->":
        "eq-k: 'package' is not on the API page",
    "$$ l $$ (eq-l)\n\n<!-- eq-l: implemented package.loss tests/gone.py::test_one -->":
        "eq-l: no test 'tests/gone.py::test_one'",
    "$$ m $$ (eq-m)\n\n<!-- eq-m: implemented package.loss tests/test_it.py::test_two -->":
        "eq-m: no test 'tests/test_it.py::test_two'",
    "$$ n $$ (eq-n)\n\n<!-- eq-n: implemented package.loss tests/test_it.py::helper -->":
        "eq-n: no test 'tests/test_it.py::helper'",
    "\\begin{equation}\np\n\\end{equation}": "has no tag",
}  # fmt: skip


def write_book(folder, bad="# Bad page\n"):
    """Write the sources."""
    pages = {"index": INDEX, "api": API, "good": GOOD, "bad": bad,
             "equations": "# Equations\n\n```{equation-index}\n```\n"}  # fmt: skip
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    cells = [
        {"cell_type": "markdown", "id": "text", "metadata": {}, "source": CHAPTER[0]},
        {"cell_type": "code", "id": "code", "metadata": {}, "outputs": [], "execution_count": None,
         "source": CHAPTER[1]},
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}
    (folder / "chapter.ipynb").write_text(json.dumps(notebook | {"nbformat_minor": 5}), encoding="utf-8")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(TESTS, encoding="utf-8")


@pytest.fixture
def book(tmp_path):
    """Return an empty folder for the sources."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def build(folder, parallel=1):
    """Build what has changed; return the warnings."""
    settings = {
        "extensions": ["myst_nb", "book._ext.equations"],
        "myst_enable_extensions": ["amsmath", "dollarmath"],
        "nb_execution_mode": "off",
        "nitpicky": True,
        "numfig": True,
    }
    warnings = io.StringIO()
    with docutils_namespace():
        Sphinx(folder, None, folder.parent / "out", folder.parent / "trees", "html", settings, None, warnings,
               parallel=parallel).build()  # fmt: skip
    return warnings.getvalue()


def soup(folder, name):
    """Return a built page."""
    return BeautifulSoup((folder.parent / "out" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def table(folder):
    """Return the texts of the index."""
    rows = soup(folder, "equations").select("table.equation-index tr")
    return [[words(cell) for cell in row.select("th, td")] for row in rows]


def words(tag):
    """Return the text of an element on one line; folded names stand apart."""
    return re.sub(r"(\d tests?|^test)(?=tests/)", r"\1 ", " ".join(tag.get_text().split()))


TESTS_OF_RUN = "2 tests tests/test_it.py::test_one, tests/test_it.py::TestMore::test_two"
EXPECTED = [
    ["No.", "Equation", "In", "Kind, code and tests"],
    ["(1)", "named", "Good page", "definition"],
    ["(2)", "run", "Good page", f"implemented: package.loss, package.Model.score {TESTS_OF_RUN}"],
    ["(3)", "shown", "Chapter", "derivation, checked by a cell"],
]


@pytest.mark.parametrize("parallel", [1, 2])
def test_lines_and_index(book, parallel):
    write_book(book)
    assert build(book, parallel) == ""
    good, chapter, index = (soup(book, name) for name in ("good", "chapter", "equations"))
    lines = good.select(".equation-tag")
    assert [words(line) for line in lines] == [
        "Definition",
        f"In code: package.loss, package.Model.score · {TESTS_OF_RUN}",
    ]
    assert lines[1].select_one("details > summary").get_text() == "2 tests"
    assert [line.find_previous_sibling("div")["id"] for line in lines] == [
        "equation-eq-named", "equation-eq-run"
    ]  # fmt: skip
    links = [link["href"] for link in lines[1].select("a")]
    assert links == ["api.html#package.loss", "api.html#package.Model.score"]
    assert "<!-- eq-" not in str(good) and "<!-- an ordinary remark -->" in str(good)
    checked = chapter.select_one(".equation-tag a")["href"]
    assert "# checks eq-shown" in chapter.select_one(checked).get_text()
    assert table(book) == EXPECTED
    links = [link["href"] for link in index.select("table a")]
    assert {"good.html#equation-eq-run", "good.html", f"chapter.html{checked}"} <= set(links)
    assert len(index.select("table tbody th")) == 3


def test_every_mistake_warns_with_its_place_until_it_is_repaired(book):
    write_book(book, "# Bad page\n\n" + "\n\n".join(MISTAKES) + "\n")
    first, second = build(book), build(book)
    for warnings in (first, second):
        line = 3
        for source, message in MISTAKES.items():
            lines = range(line, line + source.count("\n") + 1)
            line = lines.stop + 1
            found = re.findall(rf"bad\.md:(\d+): WARNING: .*{re.escape(message)}", warnings)
            assert any(int(place) in lines for place in found), (source, warnings)
        assert "good.md" not in warnings and "chapter.ipynb" not in warnings
    (book / "bad.md").write_text("# Bad page\n", encoding="utf-8")
    assert build(book) == ""
    assert table(book) == EXPECTED


def test_the_index_and_the_warnings_follow_changes_elsewhere(book):
    write_book(book)
    build(book)
    (book / "good.md").write_text(GOOD.replace("eq-named", "eq-renamed"), encoding="utf-8")
    assert build(book) == ""
    assert table(book)[1][1] == "renamed" and len(table(book)) == 4
    (book / "tests" / "test_it.py").write_text(TESTS.replace("test_two", "test_three"), encoding="utf-8")
    assert re.search(r"good\.md:\d+: WARNING: eq-run: no test '.*::test_two'", build(book))
