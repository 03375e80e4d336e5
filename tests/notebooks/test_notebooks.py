"""What every saved notebook has to be, checked without running it."""

import json
import re
from decimal import Decimal
from pathlib import Path

import nbformat
import numpy as np
import pytest

from book._ext.recorded import look_up
from nbval_tolerance import IMAGES, tag_value

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.stem: path for path in sorted(ROOT.glob("notebooks/*/*.ipynb"))}
MACHINE = re.compile(r"/(?:home|root|Users|tmp|work|opt|usr|var)/|[A-Z]:\\|\.venv")


@pytest.fixture(scope="module", params=NOTEBOOKS)
def notebook(request):
    return nbformat.read(NOTEBOOKS[request.param], as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell):
    return cell.metadata.get("tags", [])


def texts(cell):
    """What a cell says: its source, and its outputs but for pictures."""
    yield cell.source
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield from (str(value) for mime, value in output.get("data", {}).items() if mime not in IMAGES)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_is_valid_and_names_no_machine(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert "widgets" not in notebook.metadata
    assert not [text for cell in notebook.cells for text in texts(cell) if MACHINE.search(text)]


def test_was_run_once_from_top_to_bottom(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_cells_are_short(code):
    assert not [cell.source for cell in code if len(cell.source.splitlines()) > 25]


def test_outputs_hold_no_error_no_stderr_and_no_widget(code):
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags(cell), cell.source
            assert output.get("name") != "stderr", cell.source
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), cell.source


def test_pictures_have_a_text(notebook, code):
    for cell in code:
        if any(mime in output.get("data", {}) for output in cell.outputs for mime in IMAGES):
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip(), cell.source
    assert not [
        cell.source for cell in notebook.cells if cell.cell_type == "markdown" and "![](" in cell.source
    ]


def test_what_is_not_compared_says_why(code):
    for cell in code:
        assert not re.search(r"^\s*#\s*(NBVAL|PYTEST)_", cell.source, re.MULTILINE), "use tags instead"
        if {"nbval-ignore-output", "nbval-skip"} & set(tags(cell)):
            assert cell.metadata.get("nbval-reason", "").strip(), cell.source


def test_tolerances_are_at_most_three_recorded_standard_deviations(code):
    for cell in code:
        if tolerance := tag_value(cell, "tolerance"):
            assert "tolerance-from" in cell.metadata, cell.source
            name, _, path = cell.metadata["tolerance-from"].partition(":")
            seeds = look_up(json.loads((ROOT / "book" / "results" / f"{name}.json").read_text()), path)
            assert len(seeds) >= 3
            assert float(tolerance) <= 3 * np.std(seeds, ddof=1), cell.source


def test_lists_keep_at_least_half(code):
    assert not [cell.source for cell in code if (tag_value(cell, "overlap") or 1) < Decimal("0.5")]
