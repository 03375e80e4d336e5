"""Item tables of ids, text and both: what they hold, what a cold item gets, twins of two frameworks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toys
from llmrec_ref.items import check_features, check_tables
from llmrec_ref.losses import LOSSES, SAMPLED
from llmrec_ref.objectives import bind, note_counts
from llmrec_ref.training import Settings

V, F, D = 21, 6, 8
SIZES = dict(n_items=V - 1, dim=D, n_layers=1, max_len=8, dropout=0.0)
TABLES = ["text", "both"]
COLD = [3, 7]


def features(seed=0, rows=V, width=F):
    """Z_I of unit length, with row 0 for padding."""
    z = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    z[0] = 0
    return z


def build(kit, items, id_dropout=0.0, **more):
    rate = dict(id_dropout=id_dropout) if items == "both" else {}
    return kit.train.MODELS["SASRec"](**SIZES, items=items, features=features(), **rate, **more)


def table(model):
    found = model.table
    return (found.detach() if hasattr(found, "detach") else found).numpy()


def widened(kit, model, by=10):
    """The same model with weights so wide that fresh zeros and small numbers cannot hide."""
    rng = np.random.default_rng(1)
    weights = kit.train.get_weights(model)
    frozen = ("items.features", "items.counts")
    new = {
        key: w if key in frozen else (by * w + 0.1 * rng.normal(size=w.shape)).astype(w.dtype)
        for key, w in weights.items()
    }
    kit.train.set_weights(model, new)
    return new


@pytest.fixture(scope="module")
def split():
    """Walkers on a circle of 20, without two items that nobody has met."""
    whole = toys.walks()
    for history in whole.train.queries.histories:
        history[np.isin(history, COLD)] = 1
    return whole


def test_the_table_by_its_formula(kit):
    model = build(kit, "both")
    counts = np.arange(V) % 4
    model.items.note_counts(counts)
    w = widened(kit, model)
    text = features() @ w["items.adapter.weight"].T + w["items.adapter.bias"]
    expected = text + np.where(counts[:, None] > 0, w["items.ids.weight"], 0)
    np.testing.assert_allclose(table(model), expected, rtol=1e-4, atol=1e-5)


def test_text_alone_is_an_adapter(kit):
    model = build(kit, "text")
    w = widened(kit, model)
    expected = features() @ w["items.adapter.weight"].T + w["items.adapter.bias"]
    np.testing.assert_allclose(table(model), expected, rtol=1e-4, atol=1e-5)
    assert not any(name.startswith("items.ids") for name in w)


def test_input_and_output_are_the_same_table(kit, monkeypatch):
    model = build(kit, "both")
    widened(kit, model)
    rows = table(model)
    seen = kit.watch(model.items, monkeypatch)
    kit.call(model, np.array([[0, 5, 9]]), training=False)
    np.testing.assert_allclose(seen[0][1][0], rows[[0, 5, 9]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_id_rows_are_left_out_in_training_alone(kit, monkeypatch, training):
    rate, n = 0.3, 4000
    z = features(rows=n + 1)
    model = kit.train.MODELS["SASRec"](
        **SIZES | dict(n_items=n, max_len=n), items="both", features=z, id_dropout=rate
    )
    w = widened(kit, model)
    seen = kit.watch(model.items, monkeypatch)
    kit.call(model, np.arange(1, n + 1)[None], training)
    text = z @ w["items.adapter.weight"].T + w["items.adapter.bias"]
    beside = (seen[0][1][0] - text[1:]) / w["items.ids.weight"][1:]  # 1 where kept, else 0
    share = np.median(beside, axis=1).round(2)
    assert set(share) == ({0.0, 1.0} if training else {1.0})  # whole rows, not scaled up
    assert np.mean(share == 0) == pytest.approx(rate * training, abs=0.03)


@pytest.mark.trains
def test_a_cold_item_has_no_id_row(kit, split):
    """Whatever its id row holds; ``fit`` finds out which items are cold."""
    model = build(kit, "both", id_dropout=0.3)
    before = kit.train.get_weights(model)["items.ids.weight"][COLD]
    kit.train.fit(model, split, epochs=3, lr=1e-2, progress=False)
    weights = kit.train.get_weights(model)
    expected = np.bincount(np.concatenate(split.train.queries.histories), minlength=V)
    np.testing.assert_array_equal(weights["items.counts"], expected)
    np.testing.assert_array_equal(np.flatnonzero(expected[1:] == 0) + 1, COLD)
    scores = model.score(split.train.queries)
    weights["items.ids.weight"][COLD] += 100
    kit.train.set_weights(model, weights)
    np.testing.assert_array_equal(model.score(split.train.queries), scores)
    assert np.abs(weights["items.ids.weight"][COLD] - 100 - before).max() < 1e-3  # decay alone
    weights["items.ids.weight"][COLD[0] + 1] += 1
    kit.train.set_weights(model, weights)
    beside = COLD[0] + 1
    changed = model.score(split.train.queries)[:, beside] - scores[:, beside]
    assert np.abs(changed).min() > 0


@pytest.mark.trains
@pytest.mark.parametrize("items", TABLES)
@pytest.mark.parametrize("loss", list(LOSSES))
def test_an_unseen_item_is_no_negative(kit, split, items, loss):
    """What its text says changes nothing in training; what any other's says does."""
    model, found = build(kit, items), []
    n_negatives = 50 if loss in SAMPLED else None
    objective = bind(model.objective, split, Settings(loss=loss, n_negatives=n_negatives))
    batch = next(iter(objective.batches(np.random.default_rng([0, 0]))))
    objective.counts[COLD[0] + 1] = 1  # seen once is seen
    note_counts(model, objective)
    start = widened(kit, model)
    for changed in (None, *COLD, COLD[0] + 1):
        weights = start | {"items.features": start["items.features"].copy()}
        if changed is not None:
            weights["items.features"][changed] += 5
        kit.train.set_weights(model, weights)
        found.append(kit.batch_loss(model, loss, batch))
    assert 0.1 < found[0] < 100  # no target is closed
    np.testing.assert_allclose(found[1:3], found[0], rtol=1e-6)
    assert abs(found[3] - found[0]) > 1e-3


@pytest.mark.trains
@pytest.mark.parametrize("items", TABLES)
def test_a_model_learns_and_comes_back_from_its_folder(kit, split, tmp_path, items):
    model = build(kit, items, id_dropout=0.2)
    history = kit.train.fit(model, split, epochs=20, lr=2e-2, batch_size=20, progress=False)
    assert history.epochs["loss"].iloc[-1] < 0.8 * history.epochs["loss"].iloc[0]
    np.testing.assert_array_equal(kit.train.get_weights(model)["items.features"], features())
    kit.train.save(model, split, tmp_path, history=history)
    loaded = kit.train.load(tmp_path)[0]
    assert loaded.config == model.config
    np.testing.assert_array_equal(loaded.score(split.train.queries), model.score(split.train.queries))
    again = build(kit, items, id_dropout=0.2)
    resumed = kit.train.fit(again, split, epochs=22, lr=2e-2, batch_size=20, resume=tmp_path, progress=False)
    through = kit.train.fit(
        build(kit, items, id_dropout=0.2), split, epochs=22, lr=2e-2, batch_size=20, progress=False
    )
    np.testing.assert_allclose(resumed.epochs["loss"], through.epochs["loss"], rtol=1e-6)


def test_the_table_of_ids_is_as_it_was(kit):
    """Neither config nor weights know of the others, so that older run folders load."""
    model = kit.train.MODELS["SASRec"](**SIZES, items="id")
    assert model.config == SIZES | dict(n_heads=1)
    names = [name for name in kit.train.get_weights(model) if name.startswith("items")]
    assert names == ["items.weight"]


@pytest.fixture(scope="module")
def kits():
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    import toys_pytorch
    import toys_tensorflow

    return toys_pytorch, toys_tensorflow


@pytest.fixture(scope="module", params=TABLES)
def items(request):
    return request.param


@pytest.fixture(scope="module")
def twins(kits, items, split):
    from llmrec_ref import parity

    models = [build(kit, items, seed=seed) for seed, kit in enumerate(kits)]
    kits[0].train.fit(models[0], split, epochs=60, lr=2e-2, batch_size=20, progress=False)
    parity.copy_weights(*models)
    return models


@pytest.mark.trains
def test_twins_logits_agree(twins, split):
    ours, theirs = (model.score(split.train.queries)[:, 1:] for model in twins)
    assert ours.std() >= 1
    assert np.abs(ours - theirs).max() <= 1e-4


@pytest.mark.trains
def test_twins_gradients_agree(kits, items, twins, split):
    import tensorflow as tf
    import torch

    pytorch, tensorflow = twins
    pairs = pytorch.objective.batches(
        pytorch.objective.windows(split.train.queries.histories), 64, np.random.default_rng(0)
    )
    batch = dict(zip(("item_ids", "targets"), pairs[0], strict=True))
    pytorch.zero_grad()
    losses = [kit.losses.of_batch("cross_entropy") for kit in kits]
    losses[0](pytorch.eval(), {name: torch.from_numpy(array) for name, array in batch.items()}).backward()
    with tf.GradientTape() as tape:
        value = losses[1](tensorflow, {name: tf.constant(array) for name, array in batch.items()})
    found = map(tf.convert_to_tensor, tape.gradient(value, tensorflow.trainable_variables))
    holder = build(kits[1], items)
    for variable, gradient in zip(holder.trainable_variables, found, strict=True):
        variable.assign(gradient)
    theirs = kits[1].train.get_weights(holder)
    for key, weight in pytorch.named_parameters():
        ours = weight.grad.numpy()
        assert np.abs(ours - theirs[key]).max() <= 1e-4 * np.abs(ours).max(), key


@pytest.mark.trains
def test_each_loads_the_folder_of_the_other(kits, twins, split, tmp_path):
    for kit, other, model in zip(kits, kits[::-1], twins, strict=True):
        kit.train.save(model, split, tmp_path / kit.NAME)
        scores = other.train.load(tmp_path / kit.NAME)[0].score(split.train.queries)
        assert np.abs(scores[:, 1:] - model.score(split.train.queries)[:, 1:]).max() <= 1e-4


@pytest.mark.trains
def test_twins_curves_of_50_steps_agree(kits, items, split):
    from llmrec_ref import parity

    models = [build(kit, items) for kit in kits]
    parity.copy_weights(*models)
    curves = [
        kit.train.fit(model, split, epochs=25, lr=2e-3, batch_size=20, progress=False).epochs["loss"]
        for kit, model in zip(kits, models, strict=True)
    ]
    assert curves[0].iloc[-1] < curves[0].iloc[0] - 0.05
    assert np.abs(curves[0] - curves[1]).max() <= 1e-3


BAD = {
    "another number of rows": (features(rows=V - 1), "split.item_ids"),
    "one axis": (features()[:, 0], "split.item_ids"),
    "float64": (features().astype(float), "np.asarray"),
    "a list": (features().tolist(), "np.asarray"),
    "NaN": (np.where(np.arange(V)[:, None] == 4, np.float32(np.nan), features()), "row 4"),
    "infinity": (np.where(np.arange(V)[:, None] == 2, np.float32(np.inf), features()), "row 2"),
    "padding": (np.ones((V, F), np.float32), "row 0"),
    "no column": (0, "column"),
    "nothing": (None, "Z_I"),
}


@pytest.mark.parametrize("items", TABLES)
@pytest.mark.parametrize("bad", BAD)
def test_bad_features_are_refused_in_a_sentence(kit, items, bad):
    z, remedy = BAD[bad]
    with pytest.raises(ValueError, match=remedy) as error:
        kit.train.MODELS["SASRec"](**SIZES, items=items, features=z)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(items="ids"), "choose one of id, text, both"),
        (dict(features=features()), "takes no features"),
        (dict(items="text", features=features(), id_dropout=0.5), 'items="both"'),
        (dict(items="both", features=features(), id_dropout=1.0), "below 1"),
        (dict(items="both", features=features(), id_dropout=-0.1), "at least 0"),
    ],
)
def test_tables_that_cannot_be_built(kit, arguments, message):
    with pytest.raises(ValueError, match=message):
        kit.train.MODELS["SASRec"](**SIZES, **arguments)


@given(n_items=st.integers(1, 30), width=st.integers(1, 9), rate=st.floats(0, 0.99), data=st.data())
def test_what_fits_is_taken_and_one_bad_number_is_found(n_items, width, rate, data):
    z = features(rows=n_items + 1, width=width)
    found = check_tables("both", z, rate, n_items)
    assert found == dict(items="both", features=width, id_dropout=rate)
    assert check_tables("both", width, rate, n_items) == found
    row, column = data.draw(st.integers(0, n_items)), data.draw(st.integers(0, width - 1))
    z[row, column] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.raises(ValueError, match=f"first in row {row}:"):
        check_features(z, n_items)
