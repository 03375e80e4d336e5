"""Each place where a model drops out, alone, in either framework.

A dropout at 0.25 leaves a quarter of what passes it at exactly 0, which nothing else does.
"""

import numpy as np
import pytest

RATE = 0.25
TRANSFORMERS = ["SASRec", "BERT4Rec"]
MODELS = ["GRU4Rec", *TRANSFORMERS]
IDS = np.random.default_rng(0).integers(1, 31, (100, 8))


def build(kit, name, dropout=RATE):
    """Weights so wide that what a branch adds is no smaller than what it is added to."""
    model = kit.train.MODELS[name](n_items=30, dim=16, n_layers=2, max_len=8, dropout=dropout)
    weights = kit.train.get_weights(model)
    wide = {key: array * (10 if array.ndim == 2 else 1) for key, array in weights.items()}
    kit.train.set_weights(model, wide)
    return model


def zeros(array):
    return np.mean(array == 0)


def dropped():
    return pytest.approx(RATE, abs=0.03)


def parts(kit, monkeypatch, model, training, i):
    """The input of block ``i``; and of each branch, what it adds, and what it had made."""
    block = model.blocks[i]
    seen = [
        kit.watch(layer, monkeypatch)
        for layer in (block.norm1, block.norm2, block.attention, block.outer, block)
    ]
    kit.call(model, IDS, training)
    (first, _), (second, _), (_, attended), (_, fed), (_, out) = (calls[-1] for calls in seen)
    return first, (second - first, attended), (out - second, fed)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_embeddings(kit, monkeypatch, name, training):
    embedded, _, _ = parts(kit, monkeypatch, build(kit, name), training, 0)
    assert zeros(embedded) == (dropped() if training else 0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("place", ["after attention", "after feed-forward"])
@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_branches_of_a_block(kit, monkeypatch, name, block, place, training):
    _, *branches = parts(kit, monkeypatch, build(kit, name), training, block)
    added, made = branches[place == "after feed-forward"]
    there = np.abs(made) > 1e-3  # with all attention weights of a position dropped out, it has nothing left
    added, made = added[there], made[there]
    keep = np.abs(added) > 1e-4
    assert np.mean(~keep) == (dropped() if training else 0)
    scale = 1 / (1 - RATE) if training else 1
    np.testing.assert_allclose(added[keep], scale * made[keep], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_attention_weights(kit, name, block, training):
    """Where each position sees itself alone, its weight is 1, and dropped out it has nothing left."""
    layer = build(kit, name).blocks[block].attention
    x = np.random.default_rng(0).normal(size=(90, 100, 16)).astype(np.float32)
    itself = np.eye(100, dtype=bool)[None, None]
    found = kit.ask(layer, x, itself, training)  # fresh biases are 0
    assert np.mean((found == 0).all(axis=-1)) == (dropped() if training else 0)
    there = (found != 0).any(axis=-1)
    scale = 1 / (1 - RATE) if training else 1
    np.testing.assert_allclose(
        found[there], scale * kit.ask(layer, x, itself, False)[there], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("place", ["input", "first layer", "second layer"])
def test_gru4rec(kit, monkeypatch, place, training):
    model = build(kit, "GRU4Rec")
    seen = [kit.watch(layer, monkeypatch) for layer in model.recurrent]
    out = kit.call(model, IDS, training)
    found = {"input": seen[0][-1][0], "first layer": seen[1][-1][0], "second layer": out}
    assert zeros(found[place]) == (dropped() if training else 0)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_nothing_is_dropped_out_within_a_branch(kit, monkeypatch, name):
    block = build(kit, name).blocks[0]
    layers = block.norm1, block.attention, block.norm2, block.inner, block.outer
    norm1, attention, norm2, inner, outer = (kit.watch(layer, monkeypatch) for layer in layers)
    x = np.random.default_rng(0).normal(size=(3, 8, 16)).astype(np.float32)
    kit.ask(block, x, np.ones((1, 1, 8, 8), bool), True)
    np.testing.assert_array_equal(attention[0][0], norm1[0][1])
    np.testing.assert_array_equal(inner[0][0], norm2[0][1])
    np.testing.assert_array_equal(outer[0][0], np.maximum(inner[0][1], 0))


@pytest.mark.parametrize("name", MODELS)
def test_all_have_the_models_rate(kit, name):
    for rate in (0.0, 0.1, 0.7):
        assert set(kit.rates(build(kit, name, rate))) == {rate}


@pytest.mark.parametrize("name", MODELS)
def test_a_rate_of_0_changes_nothing(kit, name):
    model = build(kit, name, 0.0)
    np.testing.assert_array_equal(kit.call(model, IDS, True), kit.call(model, IDS, False))


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_dropped_out_twice_alike(kit, name):
    model = build(kit, name)
    one, other = (kit.call(model, IDS, True) for _ in range(2))
    assert (one != other).any(axis=-1).all()
