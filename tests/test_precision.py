"""Scores, losses and training in bfloat16, float16 and float64, against float32."""

from functools import cache

import numpy as np
import pytest

import toys
from llmrec_ref import losses as reference
from llmrec_ref.losses import LOSSES

N_ITEMS = 20
MODELS = ["GRU4Rec", "SASRec", "BERT4Rec"]
# what a number may be off: of one rounding, a few times 2**-9, 2**-12 and 2**-24 (histories are float32)
ROUNDING = dict(bfloat16=2e-2, float16=3e-3, float64=1e-5)

AUTOCAST = [("pytorch", "autocast bfloat16"), ("pytorch", "autocast float16")]
MIXED = [("tensorflow", "mixed_bfloat16"), ("tensorflow", "mixed_float16")]
WEIGHTS = [("pytorch", "bfloat16"), ("pytorch", "float16")]
DOUBLE = [("pytorch", "float64"), ("tensorflow", "float64")]
REFUSED = [*WEIGHTS, AUTOCAST[1], ("tensorflow", "bfloat16"), ("tensorflow", "float16")]


def of(*cases):
    return pytest.mark.parametrize(("kit", "precision"), cases, indirect=["kit"])


@pytest.fixture(autouse=True)
def tolerance(kit, precision):
    """Compute in the precision; what rounding may change."""
    with kit.computing(precision):
        yield ROUNDING[precision.split()[-1].removeprefix("mixed_")]


def small(kit, name, precision):
    return kit.build(name, precision, n_items=N_ITEMS, dim=16, n_layers=1, max_len=8, dropout=0.0)


@cache
def weights(kit, name):
    """Weights so wide that logits differ; a GRU's own are, and wider ones make it chaotic."""
    with kit.computing("float32"):
        found = kit.train.get_weights(small(kit, name, "float32"))
    return {
        key: array * np.float32(6 if array.ndim == 2 and "recurrent" not in key else 1)
        for key, array in found.items()
    }


def wide(kit, name, precision, **changes):
    model = small(kit, name, precision)
    kit.train.set_weights(model, weights(kit, name) | changes)
    return model


@cache
def plain_scores(kit, name):
    with kit.computing("float32"):
        return wide(kit, name, "float32").score(toys.walks().train.queries)


@of(*AUTOCAST, *WEIGHTS, *MIXED, DOUBLE[0])
@pytest.mark.parametrize("name", MODELS)
def test_scores(kit, precision, name, tolerance):
    queries, expected = toys.walks().train.queries, plain_scores(kit, name)
    model = small(kit, name, precision)
    model.score(queries)
    kit.train.set_weights(model, weights(kit, name))  # autocast might keep what they were
    found = model.score(queries)
    assert found.dtype == np.float32 and (found[:, 0] == -np.inf).all()
    found, expected = found[:, 1:], expected[:, 1:]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5 * tolerance * expected.std())
    assert all(len(set(row)) == N_ITEMS for row in found)  # ties rank last


@of(*AUTOCAST, *WEIGHTS, *MIXED)
@pytest.mark.parametrize("name", MODELS)
def test_masks(kit, precision, name):
    model = wide(kit, name, precision)
    padded = [0, 0, 0, 5, 6, 7]
    found = kit.logits(model, padded)[0, 3:]
    assert found.dtype == np.float32 and (found[:, 0] == -np.inf).all() and np.isfinite(found[:, 1:]).all()
    table = weights(kit, name)["items.weight"].copy()
    table[0] = 1000
    loud = wide(kit, name, precision, **{"items.weight": table})
    np.testing.assert_array_equal(kit.logits(loud, padded)[0, 3:], found)
    if name != "BERT4Rec":
        one, other = kit.logits(model, [1, 2, 3, 4], [1, 2, 9, 4])
        np.testing.assert_array_equal(one[:2], other[:2])


@of(*AUTOCAST, *WEIGHTS, *MIXED, *DOUBLE)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(kit, precision, loss, tolerance):
    """Hidden states and items are exact in any precision; padding is louder than all items."""
    rng = np.random.default_rng(0)
    N, D, V, k = 1000, 6, 31, 12
    hidden, table = (rng.integers(-8, 9, shape) / 8 for shape in ((N, D), (V, D)))
    hidden[:, 0] = table[0] = 8
    targets, negatives = rng.integers(1, V, N), rng.integers(1, V, (N, k))
    negatives[::2, 0] = targets[::2]
    log_counts = np.log(rng.uniform(0.1, 3, (N, k))).astype(np.float32)
    drawn = dict(sampled_softmax=(negatives, log_counts), bce=(negatives,), gbce=(negatives,)).get(loss, ())
    value, gradients = kit.value_and_gradients(
        kit.losses.TRAINING[loss], precision, (hidden, table), targets, *drawn
    )
    if drawn:
        expected = getattr(reference, loss)(hidden, table, targets, *drawn)
    else:
        logits = np.column_stack([np.full(N, -np.inf), hidden @ table[1:].T])
        expected, slope = reference.cross_entropy(logits, targets)
        exact = slope @ table, slope.T @ hidden
        for ours, theirs in zip(gradients, exact, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())
    assert value.dtype == ("float64" if precision == "float64" else "float32")
    assert value == pytest.approx(expected, rel=tolerance / 10)
    assert np.isfinite(gradients[0]).all() and (gradients[1][0] == 0).all()


@of(*AUTOCAST, *WEIGHTS, *MIXED)
def test_sums_are_not_rounded(kit, precision):
    """All products are exact, but not 1 + 2**-12, nor sums of logarithms."""
    hidden, table = np.ones((1, 2)), np.array([[8, 8], [1, 2**-12], [0.5, 0], [-1.25, 0]])
    drawn = np.array([1]), np.array([[2, 3, 1]])
    found, _ = kit.value_and_gradients(kit.losses.gbce, precision, (hidden, table), *drawn)
    assert found == pytest.approx(reference.gbce(hidden, table, *drawn), rel=1e-6)


@of(*AUTOCAST, *WEIGHTS, *MIXED, *DOUBLE)
def test_losses_of_logits(kit, precision, tolerance):
    rng = np.random.default_rng(0)
    logits, labels, valid = rng.normal(size=(500, 9)), rng.random((500, 9)), rng.random((500, 9)) < 0.7
    found, _ = kit.value_and_gradients(kit.losses.binary_cross_entropy, precision, (logits, labels), valid)
    assert found.dtype == ("float64" if precision == "float64" else "float32")
    expected, _ = reference.binary_cross_entropy(logits, labels, valid)
    assert found == pytest.approx(expected, rel=tolerance / 10)
    logits[:, 0], targets = -np.inf, rng.integers(0, 9, 500)
    found, _ = kit.value_and_gradients(kit.losses.cross_entropy, precision, (logits,), targets)
    assert found.dtype == ("float64" if precision == "float64" else "float32")
    assert found == pytest.approx(reference.cross_entropy(logits, targets)[0], rel=tolerance / 10)


def fit(kit, model, epochs=3, **settings):
    return kit.train.fit(
        model, toys.walks(validation=False), epochs=epochs, lr=1e-2, batch_size=20, progress=False, **settings
    )


@cache
def trained(kit, name, precision, loss):
    with kit.computing(precision):
        return fit(kit, wide(kit, name, precision), loss=loss)


@pytest.mark.trains
@of(AUTOCAST[0], *MIXED, DOUBLE[0])
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("GRU4Rec", "cross_entropy"),
        ("SASRec", "chunked_cross_entropy"),
        ("GRU4Rec", "sampled_softmax"),
        ("BERT4Rec", "gbce"),
    ],
)
def test_fit(kit, precision, name, loss, tolerance):
    found, expected = (trained(kit, name, p, loss).epochs["loss"] for p in (precision, "float32"))
    assert expected.iloc[-1] < 0.99 * expected.iloc[0]
    np.testing.assert_allclose(found, expected, rtol=tolerance / 4)


@pytest.mark.trains
@of(AUTOCAST[0], MIXED[1])
def test_a_resumed_run_goes_on_alike(kit, precision, tmp_path):
    model = wide(kit, "GRU4Rec", precision)
    kit.train.save(model, toys.walks(validation=False), tmp_path, history=fit(kit, model, 2))
    resumed = fit(kit, small(kit, "GRU4Rec", precision), resume=tmp_path)
    whole = trained(kit, "GRU4Rec", precision, "cross_entropy")
    assert resumed.epochs["loss"].tolist() == whole.epochs["loss"].tolist()
    for name, array in whole.state.items():
        np.testing.assert_array_equal(resumed.state[name], array)


@pytest.mark.trains
@of(MIXED[1])
def test_a_model_keeps_the_precision_it_was_made_in(kit, precision):
    with kit.computing("float32"):
        model = wide(kit, "GRU4Rec", "float32")
    found, expected = fit(kit, model), trained(kit, "GRU4Rec", "float32", "cross_entropy")
    assert found.epochs["loss"].tolist() == expected.epochs["loss"].tolist()
    assert found.state.keys() == expected.state.keys()


@pytest.mark.trains
@of(MIXED[1])
def test_small_gradients_are_no_zeros(kit, precision):
    from llmrec_ref.tensorflow.layers import at_least_float32

    class Faint(kit.Slope):
        def loss(self, model, batch):
            return 1e-8 * at_least_float32(model(batch["x"])[0])  # 1e-8 is 0 in float16

    line = kit.Line()
    kit.train.fit(line, None, objective=Faint([[1.0, -1.0]]), epochs=3, lr=1e-2, progress=False)
    np.testing.assert_allclose(line.numbers(), [0.97, -1.97], atol=2e-3)  # a step is about lr


@of(*REFUSED)
def test_half_precision_is_refused(kit, precision):
    with pytest.raises(ValueError, match="small gradients|too coarse"):
        fit(kit, small(kit, "GRU4Rec", precision))


@of(*WEIGHTS)
def test_weights_of_half_precision_are_saved(kit, precision, tmp_path):
    model, split = wide(kit, "SASRec", precision), toys.walks()
    kit.train.save(model, split, tmp_path)
    for name, array in kit.train.get_weights(kit.train.load(tmp_path)[0]).items():
        np.testing.assert_array_equal(array, kit.train.get_weights(model)[name])
