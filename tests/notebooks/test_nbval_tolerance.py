"""The comparison of notebooks: what passes, what fails, on texts and in nbval itself."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from nbval_tolerance import overlap, same, tag_errors


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
        ("pytorch 6.41", "pytorch 6.42"),  # a row of a table, not a version
        ("tensorflow 6.41", "tensorflow 6.42"),
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
        ("torch 2.13", "torch 2.14"),
        ("numpy==2.4", "numpy==2.5"),
        ("{'keras': '3.15'}", "{'keras': '3.16'}"),
        ('"2.13"', '"2.14"'),
        ("Figure 2.1", "Figure 2.2"),
        ("see equation 1.2", "see equation 1.3"),
        ("chapter II.5", "chapter II.6"),
        ("exercise 2.4.1", "exercise 2.4.2"),
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


def test_a_tolerance_is_not_for_versions_and_figure_numbers():
    for text, other in (("Figure 2.1", "Figure 2.2"), ("torch 2.13", "torch 2.14"), ("'2.13'", "'2.14'")):
        assert same(f"{text}: 0.1", f"{text}: 0.2", Decimal(1))
        assert not same(f"{text}: 0.1", f"{other}: 0.1", Decimal(1))


@pytest.mark.parametrize(
    ("stored", "computed", "flips"),
    [("0.01", "-0.01", True), ("-0.01", "0.01", True), ("-0.01", "-0.02", False), ("0.01", "-0.00", False)],
)
def test_same_sign(stored, computed, flips):
    assert same(stored, computed, Decimal("0.05"))
    assert same(stored, computed, Decimal("0.05"), same_sign=True) != flips


@pytest.mark.parametrize(
    ("stored", "computed", "header", "agrees"),
    [
        ("a a b b", "a a b b", 0, True),  # itself
        ("a a a b", "a c a b", 0, True),  # two of three
        ("a a a a", "a x y z", 0, False),  # one of four, and not one of one
        ("a b c d", "b a x y", 0, True),
        ("a b c d", "a x y z", 0, False),
        ("top a b c", "top a x y", 0, True),
        ("top a b c", "top a x y", 1, False),  # a header is no entry
        ("top a b", "pot a b", 1, False),
        ("a b", "a b c", 0, False),
    ],
)
def test_overlap_counts_distinct_entries(stored, computed, header, agrees):
    stored, computed = stored.replace(" ", "\n"), computed.replace(" ", "\n")
    assert overlap(stored, computed, Decimal("0.5"), header) == agrees


@pytest.mark.parametrize(
    "tag", ["tolerance:0.012", "tolerance:.5", "overlap:0.5", "header:1", "same-sign", "pytorch"]
)
def test_tags(tag):
    assert not tag_errors(new_code_cell(metadata={"tags": [tag]}))


@pytest.mark.parametrize(
    "tag",
    ["tolerance=0.012", "tolerence:0.012", "tolerance:", "tolerance: 0.1", "tolerance:1 %", "overlap:half",
     "headers:1", "header:a", "same-sign:yes"],
)  # fmt: skip
def test_misspelt_tags(tag):
    (error,) = tag_errors(new_code_cell(metadata={"tags": [tag]}))
    assert error.startswith(repr(tag))


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
    "tagged, sign": ("print(0.001)", [stream("-0.001\n")], TAGGED, True),
    "tagged, same sign": ("print(0.001)", [stream("-0.001\n")], [*TAGGED, "same-sign"], False),
    "misspelt tag": ("print(0.195)", [stream("0.195\n")], ["tolerance=0.012"], False),
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
    "header": ("print('ahi')", [stream("ahi\n")], ["overlap:0.5", "header:1"], True),
    "other header": (LIST, [stream("z\nb\nc\nd\ne\nf\ng\nh\n")], ["overlap:0.5", "header:1"], False),
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
