"""What every saved notebook has to be, checked without running it."""

import copy
import json
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell

from book.stamp_repository import colab_cell, version_of
from execute import run
from nbval_tolerance import IMAGES, tag_errors, tag_value
from spread import RECORD, cell_key, complaints

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.stem: path for path in sorted(ROOT.glob("notebooks/*/*.ipynb"))}
TAGS = set(
    "colab pytorch tensorflow tolerance same-sign overlap header nbval-ignore-output nbval-skip "
    "raises-exception hide-cell hide-input hide-output remove-cell remove-input remove-output".split()
)
MACHINE = re.compile(r"/(?:home|root|Users|tmp|work|opt|usr|var)/|[A-Z]:\\|\.venv")


@pytest.fixture(scope="module", params=NOTEBOOKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(name):
    return nbformat.read(NOTEBOOKS[name], as_version=4)


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


def test_jupyterlab_saves_it_as_it_was(notebook):
    """JupyterLab writes its Python into what it opens; the hook of ``make lab`` takes that out again."""
    config = SimpleNamespace(FileContentsManager=SimpleNamespace())
    exec((ROOT / "jupyter_lab_config.py").read_text(encoding="utf-8"), {"c": config})
    opened = copy.deepcopy(notebook)
    opened.metadata.kernelspec["display_name"] = "Python 3 (ipykernel)"
    opened.metadata.language_info |= {"version": "3.99", "file_extension": ".py"}
    config.FileContentsManager.pre_save_hook(model={"type": "notebook", "content": opened}, path="")
    assert opened == notebook


@pytest.mark.trains
def test_runs_from_another_folder(tmp_path):
    """A notebook finds its records, its data and the style of its figures wherever it lies."""
    run(nbformat.read(NOTEBOOKS["5_against_the_field"], as_version=4), tmp_path / "copy.ipynb")


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


def test_code_of_figures_is_collapsed(code):
    assert not [cell.source for cell in code if "plt." in cell.source and "hide-input" not in tags(cell)]


def test_what_is_not_compared_says_why(code):
    for cell in code:
        assert not re.search(r"^\s*#\s*(NBVAL|PYTEST)_", cell.source, re.MULTILINE), "use tags instead"
        if {"nbval-ignore-output", "nbval-skip"} & set(tags(cell)):
            assert cell.metadata.get("nbval-reason", "").strip(), cell.source


def test_tags_are_known(code):
    assert not [
        (tag, cell.source) for cell in code for tag in tags(cell) if tag.partition(":")[0] not in TAGS
    ]
    assert not [error for cell in code for error in tag_errors(cell)]


def test_tags_agree_with_what_varied(name, code):
    rows = json.loads(RECORD.read_text(encoding="utf-8"))["rows"]
    assert all(row["runs"] >= 5 for row in rows if row["trained"])
    assert name in [row["notebook"] for row in rows]
    varied = {cell["cell"]: cell for row in rows if row["notebook"] == name for cell in row["cells"]}
    found = {cell.source: complaints(cell, varied.get(cell_key(cell))) for cell in code}
    assert not {source: wrong for source, wrong in found.items() if wrong}


def test_the_cell_for_colab_is_as_stamped(name, code):
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    (cell,) = [cell for cell in code if "colab" in tags(cell)]
    folder = NOTEBOOKS[name].parent.relative_to(ROOT).as_posix()
    assert cell.source == colab_cell(url, version_of(ROOT), folder)


NUMBER = {"sd": 0.002}  # needs 0.012


@pytest.mark.parametrize(
    ("tags", "varied", "fine"),
    [
        (["tolerance:0.012"], {"numbers": [NUMBER]}, True),
        (["tolerance:0.036"], {"numbers": [NUMBER]}, True),
        (["tolerance:0.011"], {"numbers": [NUMBER]}, False),  # narrow: fails on some machine
        (["tolerance:0.037"], {"numbers": [NUMBER]}, False),  # wide: checks nothing
        (["tolerance:0.012"], {}, False),
        ([], {"numbers": [NUMBER]}, False),
        (["nbval-ignore-output"], {"numbers": [NUMBER]}, True),
        (["overlap:0.5"], {"overlap": 0.6}, True),
        (["overlap:0.7"], {"overlap": 0.6}, False),
        ([], {"overlap": 0.6}, False),
        ([], {"failed": {"AssertionError: assert low > 0": 1}}, False),
        ([], {}, True),
    ],
)
def test_complaints(tags, varied, fine):
    cell = new_code_cell(metadata={"tags": tags, "tolerance-from": "spread"})
    assert bool(complaints(cell, {"numbers": [], "failed": {}} | varied)) != fine


def test_a_tolerance_says_where_it_is_from():
    cell = new_code_cell(metadata={"tags": ["tolerance:0.012"], "tolerance-from": "ml100k:HR@10_seeds"})
    assert complaints(cell, {"numbers": [NUMBER], "failed": {}})


def test_lists_keep_at_least_half(code):
    assert not [cell.source for cell in code if (tag_value(cell, "overlap") or 1) < Decimal("0.5")]
