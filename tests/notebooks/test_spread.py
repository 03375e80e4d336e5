"""What `make spread` records and writes, on cells made by hand; and that it reaches what ``fit`` trains."""

import sys
from importlib import import_module

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import jitter
from llmrec_ref.datasets import load
from llmrec_ref.splits import leave_one_out
from spread import cell_key, compare, need, write_tags


def cell(text, tags=(), source="show()"):
    outputs = [new_output("stream", name="stdout", text=text)]
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


def failed():
    error = new_output("error", ename="AssertionError", evalue="", traceback=["----> 3 assert low > 0"])
    return new_code_cell("show()", outputs=[error])


def test_what_does_not_vary_is_not_recorded():
    assert compare(cell("HR 0.195\n"), [cell("HR 0.195\n")] * 3) is None


def test_numbers():
    found = compare(cell("HR 0.1 loss 0.5\n"), [cell("HR -0.1 loss 0.5\n"), cell("HR 0.3 loss 0.5\n")])
    (number,) = found["numbers"]
    assert number["line"] == "HR" and number["sign flips"]
    assert (number["mean"], number["sd"], number["min"], number["max"]) == (0.1, 0.2, -0.1, 0.3)
    assert str(need(found)) == "1.2"


def test_lists_and_failures():
    found = compare(cell("top\na\nb\n", ["header:1"]), [cell("top\na\nc\n"), cell("top\na\nb\n"), failed()])
    assert found["other text"] == 1 and found["overlap"] == round(1 / 2, 3)
    assert found["failed"] == {"AssertionError: assert low > 0": 1}
    assert need(found) is None


def test_tags_are_set_changed_and_taken_away(tmp_path):
    path = tmp_path / "small.ipynb"
    cells = [
        cell("0.1", source="a"),
        cell("0.1", ["tolerance:9", "pytorch"], "b"),
        cell("1", ["tolerance:9"]),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    varied = [{"cell": cell_key(each), "numbers": [{"sd": 0.002}]} for each in cells[:2]]
    write_tags(path, {"cells": varied})
    written = nbformat.read(path, as_version=4).cells
    assert [each.metadata.tags for each in written] == [
        ["tolerance:0.012"],
        ["pytorch", "tolerance:0.012"],
        [],
    ]
    assert [each.metadata.get("tolerance-from") for each in written] == ["spread", "spread", None]


@pytest.fixture(name="fresh", params=["pytorch", "tensorflow"])
def _fresh(request, monkeypatch):
    """The name of a training module that is not imported yet, as in a new kernel."""
    pytest.importorskip({"pytorch": "torch"}.get(request.param, request.param))
    name = f"llmrec_ref.{request.param}.train"
    package = import_module(name.rpartition(".")[0])
    monkeypatch.setattr(package, "train", import_module(name))  # what is changed below is given back
    for each in jitter.TRAIN:
        monkeypatch.delitem(sys.modules, each, raising=False)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    monkeypatch.setattr(jitter, "trained", [])
    return name


@pytest.mark.trains
def test_what_fit_trains_is_shaken(fresh):
    split = leave_one_out(load("world"), validation=False)

    def weights():
        train = import_module(fresh)
        fit = train.fit  # as after "from llmrec_ref.pytorch.train import fit"
        model = train.SASRec(split.n_items, dim=8, n_layers=1, max_len=5)
        fit(model, split, epochs=1, lr=1e-9, weight_decay=0, progress=False)
        return np.concatenate([weight.ravel() for weight in train.get_weights(model).values()])

    before = weights()
    del sys.modules[fresh]
    jitter.start(seed=1)
    change = np.abs(weights() - before).max()
    # unshaken it is 0; the noise depends on names, which Keras counts up in a process
    assert 1e-8 < change < 1e-4 and jitter.trained == ["SASRec"]


def test_a_fit_that_a_cell_may_already_have_is_refused(fresh):
    import_module(fresh)
    with pytest.raises(RuntimeError, match="train is imported"):
        jitter.start(seed=1)
