"""The comparison of notebooks: what passes, what fails, on texts and in nbval itself."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from nbval_tolerance import same


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        ("HR@10 0.195", "HR@10 0.196"),
        ("HR@10 0.195", "HR@10 0.194"),
        ("-0.001", "0.000"),
        ("0.999", "1.000"),
        ("1.2e-05", "1.3e-05"),
        ("2e-05", "3e-05"),
        ("[0.12 0.1 ]", "[0.12 0.11]"),  # NumPy leaves the last zero out
        ("loss  9.99 |", "loss 10.00 |"),
        ("<td>0.195</td>", "<td>0.196</td>"),
        ("It is 0.195.", "It is 0.196."),
    ],
)
def test_one_in_the_last_digit_is_the_same(stored, computed):
    assert same(stored, computed)


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        ("HR@10 0.195", "HR@10 0.197"),
        ("0.195", "0.1965"),
        ("0.1", "0.14"),
        ("0.195 0.100", "0.195 0.102"),
        ("943 users", "944 users"),
        ("1,682 films", "1,683 films"),
        ("-1", "1"),
        ("It ran 12.", "It ran 13."),
        ("torch 2.13.0", "torch 2.14.0"),
        ("0.5s", "0.6s"),
        ("ml-100k", "ml-10k"),
        ("Titanic", "Titanik"),
        ("0.195", "nan"),
        ("0.195", "0"),
        ("a\nb", "a b"),
    ],
)
def test_anything_else_differs(stored, computed):
    assert not same(stored, computed)


def test_a_tolerance_is_for_decimal_numbers_alone():
    assert same("HR 0.195, epoch 12", "HR 0.206, epoch 12", Decimal("0.012"))
    assert not same("HR 0.195, epoch 12", "HR 0.208, epoch 12", Decimal("0.012"))
    assert not same("HR 0.195, epoch 12", "HR 0.195, epoch 13", Decimal("0.012"))


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(**data):
    return new_output("display_data", data={mime.replace("_", "/"): value for mime, value in data.items()})


TABLE = """
class Table:
    __repr__ = lambda self: "0.195"
    _repr_html_ = lambda self: "<td>0.195</td>"

display(Table())
"""
FIGURE = """
from IPython.display import Image

display(Image(b"some pixels", format="png"))
"""
PICTURE = "<IPython.core.display.Image object>"
TAGGED = ["tolerance:0.012"]
LIST = "print(*'abcdefgh', sep=chr(10))"  # of eight entries, overlap:0.5 lets four change

# name: (source, stored outputs, tags, whether nbval is to accept it)
CELLS = {
    "last digit, 1": ("print('HR', 0.195)", [stream("HR 0.196\n")], [], True),
    "last digit, 1.5": ("print('HR', 0.195)", [stream("HR 0.1965\n")], [], False),
    "last digit, 2": ("print('HR', 0.195)", [stream("HR 0.197\n")], [], False),
    "tagged, 0.5": ("print('HR', 0.195)", [stream("HR 0.201\n")], TAGGED, True),
    "tagged, 1.5": ("print('HR', 0.195)", [stream("HR 0.213\n")], TAGGED, False),
    "tagged, integer": ("print(12)", [stream("13\n")], TAGGED, False),
    "integer": ("print(943)", [stream("944\n")], [], False),
    "string": ("print('Titanic')", [stream("Titanik\n")], [], False),
    "table, 1": (
        TABLE,
        [shown(text_plain="0.196", text_html="<td>0.194</td>")],
        [],
        True,
    ),
    "table, text, 2": (
        TABLE,
        [shown(text_plain="0.197", text_html="<td>0.195</td>")],
        [],
        False,
    ),
    "table, html, 2": (
        TABLE,
        [shown(text_plain="0.195", text_html="<td>0.197</td>")],
        [],
        False,
    ),
    "other picture": (FIGURE, [shown(text_plain=PICTURE, image_png="AAAA")], [], True),
    "no picture": (FIGURE, [shown(text_plain=PICTURE)], [], False),
    "lost output": ("pass", [stream("0.195\n")], [], False),
    "progress bar": ("import sys; print('50 %', file=sys.stderr)", [], [], True),
    "hidden value": ("0.195;", [], [], True),
    "overlap, 0.5": (LIST, [stream("z\ny\nc\nd\ne\nf\ng\nh\n")], ["overlap:0.5"], True),
    "overlap, 1": (LIST, [stream("d\nc\nb\na\nw\nx\ny\nz\n")], ["overlap:0.5"], True),
    "overlap, 1.5": (LIST, [stream("a\nb\nu\nv\nw\nx\ny\nz\n")], ["overlap:0.5"], False),
    "overlap, shorter": (LIST, [stream("a\nb\nc\nd\ne\nf\ng\n")], ["overlap:0.5"], False),
    "ignored": ("print(0.195)", [stream("12.5\n")], ["nbval-ignore-output"], True),
    "error": ("1 / 0", [], [], False),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Name of a cell -> PASSED or FAILED, from one run of nbval over all of CELLS."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [
        new_code_cell(source, outputs=outputs, metadata={"tags": tags}, execution_count=1)
        for source, outputs, tags, _ in CELLS.values()
    ]
    nbformat.write(new_notebook(cells=cells), folder / "small.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "nbval_tolerance", "-p", "no:xdist", "--nbval"]
    run = subprocess.run(
        [*command, "--nbval-current-env", "-rA", "--color=no", "--rootdir", folder, folder / "small.ipynb"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    found = {}
    for line in run.stdout.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("PASSED", "FAILED") and "::Cell " in rest:
            found[list(CELLS)[int(rest.split("::Cell ")[1].split()[0])]] = verdict
    assert len(found) == len(CELLS), run.stdout + run.stderr
    return found


@pytest.mark.parametrize("name", CELLS)
def test_nbval_follows_the_rules(verdicts, name):
    assert verdicts[name] == ("PASSED" if CELLS[name][3] else "FAILED")
