"""Each model again in NumPy, from its weights and in float64: either framework must compute the same."""

import numpy as np
import pytest
from scipy.special import erf, expit

from llmrec_ref.splits import Queries

MODELS = ["GRU4Rec", "SASRec", "BERT4Rec"]
N_ITEMS, D, L = 30, 16, 8


def build(kit, name, **settings):
    heads = {} if name == "GRU4Rec" else {"n_heads": 2}
    return kit.train.MODELS[name](**dict(n_items=N_ITEMS, dim=D, n_layers=2, max_len=L) | heads | settings)


def norm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def attention(x, weights, name, causal):
    q, k, v = (np.split(y, 2, axis=-1) for y in np.split(linear(x, weights, f"{name}.qkv"), 3, axis=-1))
    heads = []
    for head in range(2):
        odds = np.exp(q[head] @ k[head].T / np.sqrt(D / 2)) * (np.tri(len(x)) if causal else 1)
        heads.append(odds / odds.sum(axis=1, keepdims=True) @ v[head])
    return linear(np.concatenate(heads, axis=1), weights, f"{name}.out")


def transformer(items, weights, causal):
    x = weights["items.weight"][items] + weights["positions.weight"][np.arange(len(items))[::-1]]
    for block in ("blocks.0", "blocks.1"):
        x = x + attention(norm(x, weights, f"{block}.norm1"), weights, f"{block}.attention", causal)
        inner = np.maximum(linear(norm(x, weights, f"{block}.norm2"), weights, f"{block}.inner"), 0)
        x = x + linear(inner, weights, f"{block}.outer")
    return norm(x, weights, "norm")


def sasrec(items, weights):
    return transformer(items, weights, causal=True)


def bert4rec(items, weights):
    z = linear(transformer(items, weights, causal=False), weights, "head")
    return norm(z * (1 + erf(z / np.sqrt(2))) / 2, weights, "head_norm")


def gru4rec(items, weights):
    x = weights["items.weight"][items]
    for layer in ("recurrent.0", "recurrent.1"):
        (w, u), (b, c) = (
            [weights[f"{layer}.{kind}_{of}_l0"] for of in ("ih", "hh")] for kind in ("weight", "bias")
        )
        h, states = np.zeros(D), []
        for row in x:
            (r, z, new), (r_h, z_h, new_h) = np.split(w @ row + b, 3), np.split(u @ h + c, 3)
            update = expit(z + z_h)
            h = update * h + (1 - update) * np.tanh(new + expit(r + r_h) * new_h)
            states.append(h)
        x = np.array(states)
    return x


@pytest.mark.parametrize("n", [1, 5, L])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_its_formula(kit, name, n):
    model, rng = build(kit, name), np.random.default_rng(0)
    shapes = {key: array.shape for key, array in kit.train.get_weights(model).items()}
    weights = {key: rng.normal(0, 0.5, shape).astype(np.float32) for key, shape in shapes.items()}
    kit.train.set_weights(model, weights)
    items = rng.integers(1, N_ITEMS + 1 + (name == "BERT4Rec"), n)
    found = kit.call(model, [[*[0] * (L - n), *items]], False)[0, L - n :]
    formula = dict(GRU4Rec=gru4rec, SASRec=sasrec, BERT4Rec=bert4rec)[name]
    expected = formula(items, {key: array.astype(float) for key, array in weights.items()})
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_fresh_weights_are_drawn_as_documented(kit, name):
    weights = kit.train.get_weights(build(kit, name, dim=32))
    matrices = {key: array for key, array in weights.items() if array.ndim == 2}
    for key, array in matrices.items():
        wide = 32**-0.5 if key.startswith("recurrent") else 0.02
        assert array.std() == pytest.approx(wide, rel=0.15) and abs(array.mean()) < 0.15 * wide, key
    assert len({np.sort(array, axis=None).tobytes() for array in matrices.values()}) == len(matrices)
    for key in weights.keys() - matrices.keys():
        assert (weights[key] == ("bias" not in key)).all(), key


def test_the_objective_has_the_models_mask_probability(kit):
    objective = build(kit, "BERT4Rec", mask_probability=0.9).objective
    assert vars(objective) == dict(max_len=L, mask=N_ITEMS + 1, mask_probability=0.9)


@pytest.mark.parametrize("name", MODELS)
def test_score_leaves_the_mode_as_it_was(kit, name):
    """In PyTorch, whether dropout is on."""
    model = build(kit, name)
    for training in (True, False):
        kit.call(model, [[1, 2]], training)
        model.score(Queries([np.array([1, 2])], np.array([-1])))
        assert getattr(model, "training", training) == training
