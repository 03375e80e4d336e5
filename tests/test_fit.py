"""What `fit` does in either framework; each test runs in those that are installed."""

import functools

import numpy as np
import pandas as pd
import pytest

import toys
from llmrec_ref import runs
from llmrec_ref.evaluate import evaluate
from llmrec_ref.objectives import Ranking
from llmrec_ref.training import Settings

pytestmark = pytest.mark.trains


@pytest.fixture(autouse=True)
def _seed(kit):
    """So that the toys' first weights do not depend on the tests before."""
    kit.set_seed(0)


COLUMNS = ["epoch", "loss", "val_ndcg"]


@pytest.fixture(scope="module")
def split():
    return toys.walks()


@pytest.fixture
def fit(kit):
    def fit(model, split, **settings):
        return kit.train.fit(
            model, split, **dict(epochs=3, lr=2e-2, batch_size=10, progress=False) | settings
        )

    return fit


def small(kit, name="Bag", **settings):
    """A bag of items is trained fastest, where the model does not matter."""
    more = {} if name == "Bag" else {"n_layers": 1}
    return (kit.train.MODELS | {"Bag": kit.Bag})[name](
        **dict(n_items=20, dim=16, max_len=8) | more | settings
    )


def ranking(kit, split, name="Bag", **settings):
    """The objective of a model on the split."""
    return Ranking(small(kit, name).objective, split, Settings(**dict(batch_size=10) | settings))


def each_epoch(kit, found):
    """A ``measure`` that keeps the weights after each epoch."""

    def measure(model):
        found.append(kit.train.get_weights(model))
        return {}

    return measure


def assert_same(found, expected):
    """The same arrays, to the bit."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# Three objectives that are no item model's


def toy(kit, name):
    """An objective and its network, always with the same weights."""
    kit.set_seed(0)
    objective = getattr(kit, name)()
    network = dict(Pairs=kit.PairClassifier, Towers=kit.TwoTowers)[name]
    return objective, network(**objective.sizes)


@pytest.mark.parametrize(
    ("name", "column", "least"), [("Pairs", "val_auc", 0.9), ("Towers", "val_hits", 0.7)]
)
def test_other_objectives_are_trained(kit, fit, split, name, column, least, capsys):
    objective, model = toy(kit, name)
    before = objective.validate(model)
    history = fit(model, split, objective=objective, epochs=12, progress=True)
    assert list(history.epochs) == ["epoch", "loss", column, "seconds"]
    assert history.epochs["loss"].iloc[-1] < 0.5 * history.epochs["loss"].iloc[0]
    best = history.epochs[column].max()
    assert best == history.epochs[column][history.best_epoch - 1] == objective.validate(model)
    assert best > max(least, before)
    assert history.n_targets is None and "targets" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Pairs", "Towers"])
def test_other_objectives_resume_save_and_load(kit, fit, split, tmp_path, monkeypatch, name):
    objective, model = toy(kit, name)
    start = kit.train.get_weights(model)
    whole = fit(model, split, objective=objective, epochs=4)
    _, stopped = toy(kit, name)
    kit.train.set_weights(stopped, start)
    history = fit(stopped, split, objective=objective, epochs=2)
    kit.train.save(stopped, split, tmp_path, history=history)
    resumed = fit(toy(kit, name)[1], split, objective=objective, epochs=4, resume=tmp_path)
    columns = ["epoch", "loss", objective.metric]
    pd.testing.assert_frame_equal(resumed.epochs[columns], whole.epochs[columns], rtol=1e-5)

    monkeypatch.setitem(kit.train.MODELS, type(stopped).__name__, type(stopped))
    loaded = kit.train.load(tmp_path)[0]
    assert_same(kit.train.get_weights(loaded), kit.train.get_weights(stopped))
    assert objective.validate(loaded) == objective.validate(stopped)


def test_other_objectives_stop_early(kit, fit, split):
    objective = kit.Slope(np.ones((4, 2)), values=[0.1, 0.3, 0.2, 0.25, 0.3, 0.9])
    history = fit(kit.Line(), split, objective=objective, epochs=6, patience=3)
    assert history.best_epoch == 2 and len(history.epochs) == 5  # no better is not better


@pytest.mark.parametrize("name", ["GRU4Rec", "SASRec", "BERT4Rec"])
def test_frozen_weights_are_not_touched(kit, fit, split, tmp_path, name):
    """At ``dim=2`` a normalisation has the shape of a random seed."""
    model = small(kit, name, dim=2, dropout=0.5)
    kit.freeze(model, but="items")
    before = kit.train.get_weights(model)
    during = []
    history = fit(model, split, measure=each_epoch(kit, during))
    for weights in (*during, kit.train.get_weights(model)):
        assert {key for key in before if (weights[key] != before[key]).any()} == {"items.weight"}

    state = {key[6:] for key in history.state if key.startswith("model.")}
    assert state == before.keys()
    kit.train.save(model, split, tmp_path, history=history)
    assert_same(kit.train.get_weights(kit.train.load(tmp_path)[0]), kit.train.get_weights(model))

    resumed = small(kit, name, dim=2, dropout=0.5, seed=1)
    kit.freeze(resumed, but="items")
    later = fit(resumed, split, epochs=5, resume=tmp_path)
    frozen = before.keys() - {"items.weight"}
    after = kit.train.get_weights(resumed)
    assert_same({key: after[key] for key in frozen}, {key: before[key] for key in frozen})
    assert (later.state["model.items.weight"] != history.state["model.items.weight"]).any()


def test_a_frozen_model_drops_out(kit, fit, split):
    losses = []
    for dropout in (0.0, 0.5):
        model = small(kit, "SASRec", dropout=dropout)
        kit.freeze(model, but="items")
        losses.append(fit(model, split, lr=0.0, batch_size=99).epochs["loss"].round(5))
    assert losses[0].nunique() == 1 and losses[1].nunique() == 3


# AdamW by hand


def slope(kit, n=6, seed=0, **settings):
    """Gradients of either sign."""
    return kit.Slope(np.random.default_rng(seed).normal(size=(n, 2)), **settings)


def path(kit, fit, objective, epochs, **settings):
    """Weights after each epoch, and all the batches that were trained on."""
    found = []
    fit(kit.Line(), None, objective=objective, epochs=epochs, measure=each_epoch(kit, found), **settings)
    batches = [batch for epoch in objective.given[-epochs:] for batch in epoch]
    return np.array([weights["w"] for weights in found]), batches


@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.5])
def test_steps_are_those_of_adamw(kit, fit, weight_decay):
    settings = dict(lr=0.1, weight_decay=weight_decay)
    found, batches = path(kit, fit, slope(kit, batch_size=3), 4, **settings)
    expected = toys.adamw([1, -2], batches, **settings)
    np.testing.assert_allclose(found, expected[1::2], rtol=1e-5)
    default = toys.adamw([1, -2], batches, lr=0.1)
    assert (np.abs(found - default[1::2]).max() > 1e-3) == (weight_decay != 0.01)


def test_the_default_weight_decay_is_documented(kit, fit):
    found, batches = path(kit, fit, slope(kit), 3, lr=0.1)
    np.testing.assert_allclose(found, toys.adamw([1, -2], batches, 0.1, weight_decay=0.01), rtol=1e-5)


@pytest.mark.parametrize("warmup", [0, 1, 4, 7, 99])
def test_warm_up_is_exact_at_each_step(kit, fit, warmup):
    """With a gradient that never changes, a step of AdamW is as long as the learning rate."""
    objective = kit.Slope(np.ones((4, 2)))  # one step an epoch
    found, _ = path(kit, fit, objective, 6, lr=0.1, weight_decay=0.0, warmup=warmup)
    steps = -np.diff(found[:, 0], prepend=1.0)
    rates = 0.1 * np.minimum(1, np.arange(1, 7) / max(1, warmup))
    np.testing.assert_allclose(steps, rates, rtol=2e-5)


def test_warm_up_counts_steps_not_epochs(kit, fit):
    settings = dict(lr=0.1, weight_decay=0.2, warmup=5)
    found, batches = path(kit, fit, slope(kit, n=9, batch_size=3), 3, **settings)
    np.testing.assert_allclose(found, toys.adamw([1, -2], batches, **settings)[2::3], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "rates"),
    [
        ({}, [0.04, 0.06, 0.08, 0.1, 0.1]),
        (dict(lr=0.2), [0.04, 0.12, 0.16, 0.2, 0.2]),
        (dict(warmup=0), [0.04, 0.1, 0.1, 0.1, 0.1]),
        (dict(lr=0.3, warmup=6), [0.04, 0.15, 0.2, 0.25, 0.3]),
    ],
)
def test_resume_goes_on_with_the_warm_up_and_takes_new_settings(kit, fit, split, tmp_path, change, rates):
    settings = dict(lr=0.1, weight_decay=0.0, warmup=5)
    model, objective = kit.Line(), kit.Slope(np.ones((4, 2)))
    history = fit(model, split, objective=objective, epochs=2, **settings)
    kit.train.save(model, split, tmp_path, history=history)
    found = [kit.train.get_weights(model)]
    settings |= change
    resumed = fit(
        kit.Line(), split, objective=objective, epochs=6, resume=tmp_path, measure=each_epoch(kit, found),
        **settings,
    )  # fmt: skip
    steps = -np.diff([weights["w"][0] for weights in found])
    np.testing.assert_allclose(steps, rates[1:], rtol=2e-5)
    assert resumed.settings["lr"] == settings["lr"] and resumed.settings["warmup"] == settings["warmup"]


def test_rows_that_a_batch_looks_up_twice_have_one_gradient(kit, fit):
    """Their gradients are summed before they are squared."""
    objective, found = kit.Rows(), []
    fit(kit.Lookup(), None, objective=objective, lr=0.1, measure=each_epoch(kit, found))
    batches = [dict(x=objective.slopes(batch)) for epoch in objective.given[-3:] for batch in epoch]
    expected = toys.adamw(np.ones((4, 2)), batches, lr=0.1)[1::2]
    for weights, rows in zip(found, expected, strict=True):
        np.testing.assert_allclose(weights["rows.weight"], rows, rtol=1e-4)


# What differs between epochs, and what does not


@pytest.mark.parametrize(("name", "loss"), [("Bag", "bce"), ("Bag", "sampled_softmax"), ("BERT4Rec", "gbce")])
def test_batches_and_negatives_differ_between_epochs(kit, fit, split, tmp_path, name, loss):
    settings = dict(loss=loss, n_negatives=5, seed=3)
    one, again = (toys.Watched(ranking(kit, split, name, **settings)) for _ in range(2))
    fit(small(kit, name), split, objective=one, **settings)
    model = small(kit, name)
    history = fit(model, split, objective=again, **settings | dict(epochs=2))
    kit.train.save(model, split, tmp_path, history=history)
    fit(small(kit, name), split, objective=again, resume=tmp_path, **settings)

    # TensorFlow asks once more, for the shapes
    first, second, third = one.given[-3:]
    for key in first[0]:
        drawn = [np.concatenate([batch[key].ravel() for batch in epoch]) for epoch in (first, second, third)]
        shares = [np.mean(drawn[i] != drawn[j]) for i, j in ((0, 1), (1, 2), (0, 2))]
        assert min(shares) > 0.2, key
    there = [
        np.sort(np.concatenate([batch["targets"].ravel() for batch in epoch])) for epoch in (first, second)
    ]
    assert name == "BERT4Rec" or (there[0] == there[1]).all()  # the same targets in another order
    # the third epoch is the same whether training was stopped before it or not
    for ours, theirs in zip(third, again.given[-1], strict=True):
        assert_same(ours, theirs)


def test_the_loss_does_not_change_the_batches(kit, fit, split):
    given = []
    for loss in ("cross_entropy", "bce"):
        watched = toys.Watched(ranking(kit, split, loss=loss))
        fit(small(kit), split, objective=watched, loss=loss, epochs=2)
        given.append(watched.given[-1])
    for ours, theirs in zip(*given, strict=True):
        assert_same(ours, {key: theirs[key] for key in ours})


@pytest.mark.parametrize("name", ["GRU4Rec", "SASRec"])
def test_dropout_differs_between_epochs_and_with_the_seed(kit, fit, split, name):
    """Without learning, and with the same batches, nothing else differs between epochs."""
    same = toys.Watched(ranking(kit, split, name), same=True)
    first, other = (
        fit(small(kit, name, dropout=0.5), split, objective=same, lr=0.0, seed=seed).epochs["loss"].round(5)
        for seed in (0, 1)
    )
    assert first.nunique() == 3 and not set(first) & set(other)
    without = fit(small(kit, name, dropout=0.0), split, objective=same, lr=0.0).epochs["loss"].round(5)
    assert without.nunique() == 1


# The best weights and the last ones


def test_the_state_is_of_the_last_epoch_and_the_model_of_the_best(kit, fit, split, tmp_path):
    values = [0.5, 0.1, 0.4, 0.2, 0.3]

    def train(model, values, **settings):
        return fit(model, split, objective=toys.Watched(ranking(kit, split), values), **settings)

    epochs, model, resumed = [], small(kit), small(kit, seed=1)
    whole = train(small(kit), values, epochs=5, measure=each_epoch(kit, epochs))
    history = train(model, values, epochs=3)
    assert whole.best_epoch == history.best_epoch == 1
    assert_same(kit.train.get_weights(model), epochs[0])
    assert_same({key: history.state[f"model.{key}"] for key in epochs[2]}, epochs[2])
    assert all((epochs[0][key] != epochs[2][key]).any() for key in epochs[0])

    kit.train.save(model, split, tmp_path, history=history)
    history = train(resumed, values[3:], epochs=5, resume=tmp_path)
    pd.testing.assert_frame_equal(history.epochs[COLUMNS], whole.epochs[COLUMNS], rtol=1e-5)
    assert history.best_epoch == 1
    assert_same(kit.train.get_weights(resumed), epochs[0])
    assert_same({key: history.state[f"model.{key}"] for key in epochs[4]}, epochs[4])


def test_resume_finds_a_better_epoch(kit, fit, split, tmp_path):
    values = [0.1, 0.5, 0.2, 0.4, 0.6, 0.3]
    model, epochs = kit.Line(), []
    history = fit(model, split, objective=slope(kit, values=values), measure=each_epoch(kit, epochs))
    assert history.best_epoch == 2
    kit.train.save(model, split, tmp_path, history=history)
    resumed = kit.Line()
    objective = slope(kit, values=values[3:])
    history = fit(
        resumed, split, objective=objective, epochs=6, resume=tmp_path, measure=each_epoch(kit, epochs)
    )
    assert history.best_epoch == 5 and history.epochs["val_depth"].tolist() == values
    assert_same(kit.train.get_weights(resumed), epochs[4])


def test_a_finished_run_is_resumed_without_training(kit, fit, split, tmp_path):
    model = small(kit)
    history = fit(model, split)
    kit.train.save(model, split, tmp_path, history=history)
    resumed = small(kit, seed=1)
    again = fit(resumed, split, epochs=2, resume=tmp_path)
    pd.testing.assert_frame_equal(again.epochs[COLUMNS], history.epochs[COLUMNS], rtol=1e-9)
    assert_same(kit.train.get_weights(resumed), kit.train.get_weights(model))
    assert_same(again.state, history.state)
    assert not getattr(resumed, "training", False)  # PyTorch: no dropout from here on


def test_measures_join_the_rows(kit, fit, split):
    history = fit(
        small(kit), split, measure=lambda model: {"hr": evaluate(model, split.validation)["HR@1"].item()}
    )
    assert list(history.epochs) == ["epoch", "loss", "val_ndcg", "seconds", "hr"]
    assert history.epochs["hr"].between(0, 1).all()


def test_the_model_is_measured_and_validated_as_it_scores(kit, fit, split):
    """In PyTorch, without dropout."""
    modes = []

    def note(model):
        modes.append(getattr(model, "training", False))
        return {}

    objective = ranking(kit, split, "SASRec")
    objective.validate = lambda model: len(note(model))
    fit(small(kit, "SASRec"), split, objective=objective, epochs=2, measure=note)
    assert modes == [False] * 4


def test_the_loss_of_an_epoch_is_the_mean_of_its_batches(kit, fit):
    """Without learning; the last batch is a small one."""
    objective = slope(kit, n=9, batch_size=4)
    history = fit(kit.Line(), None, objective=objective, lr=0.0, weight_decay=0.0)
    expected = [np.mean([batch["x"].mean(0) @ [1, -2] for batch in epoch]) for epoch in objective.given[-3:]]
    np.testing.assert_allclose(history.epochs["loss"], expected, rtol=1e-4, atol=1e-6)


# Divergence


def assert_diverges(kit, fit, match, good, model, split, **settings):
    """Training stops with a sentence, and the model has the weights of epoch ``good``."""
    epochs = [kit.train.get_weights(model)]
    with pytest.raises(ValueError, match=match) as caught:
        fit(model, split, measure=each_epoch(kit, epochs), epochs=9, **settings)
    assert "\n" not in str(caught.value)
    assert_same(kit.train.get_weights(model), epochs[good])
    assert all(np.isfinite(weight).all() for weight in kit.train.get_weights(model).values())
    return len(epochs) - 1


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("values", [None, [0.2, 0.1, 0.3]])
def test_a_loss_that_is_not_finite_stops_training(kit, fit, split, poison, values):
    objective = slope(kit, batch_size=2, poisoned=2, poison=poison, values=values)
    good = 1 if values else 2  # the best of two epochs, or the last one
    match = f"diverged: in epoch 3 the loss is not finite. The model has the weights of epoch {good};"
    assert assert_diverges(kit, fit, match, good, kit.Line(), split, objective=objective) == 2


@pytest.mark.parametrize("values", [None, [0.2, 0.1, 0.3]])
def test_a_weight_that_is_not_finite_stops_training(kit, fit, split, values):
    """Its loss is that of the step before, and finite."""
    objective = kit.Slope(np.full((3, 2), 0.01), values=values)
    model = kit.Line(start=[3.31e38, -3.3e38])  # below the largest float32, 3.4e38
    match = "diverged: in epoch 2 the weight w is not finite. The model has the weights of epoch 1;"
    settings = dict(objective=objective, lr=6e36, weight_decay=0.0)
    assert assert_diverges(kit, fit, match, 1, model, split, **settings) == 1


def test_divergence_at_once_leaves_the_weights_of_before(kit, fit, split):
    objective = slope(kit, poisoned=0)
    assert (
        assert_diverges(kit, fit, "in epoch 1 the loss .* before", 0, kit.Line(), split, objective=objective)
        == 0
    )


@pytest.mark.parametrize(
    ("name", "lr", "validation"),
    [("Bag", 1e6, True), ("SASRec", 1e20, True), ("SASRec", 1e20, False), ("GRU4Rec", 1e5, True)],
)
def test_item_models_diverge_or_stay_finite(kit, fit, name, validation, lr):
    """However large the steps: a sentence, and weights that score."""
    model, split = small(kit, name), toys.walks(validation=validation)
    try:
        fit(model, split, lr=lr, epochs=4)
    except ValueError as error:
        assert "training diverged" in str(error) or "score returned NaN" in str(error)
    else:
        assert lr < 1e20
    assert all(np.isfinite(weight).all() for weight in kit.train.get_weights(model).values())
    assert np.isfinite(model.score(split.train.queries)[:, 1:]).all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, ValueError])
def test_what_interrupts_training_is_passed_on_and_leaves_the_best_weights(kit, fit, split, error):
    objective = slope(kit, values=[0.1, 0.3, 0.2])
    validate, epochs, model = objective.validate, [], kit.Line()

    def interrupted(model):
        if len(objective.seen) == 3:
            raise error
        return validate(model)

    objective.validate = interrupted
    with pytest.raises(error):
        fit(model, split, objective=objective, epochs=9, measure=each_epoch(kit, epochs))
    assert_same(kit.train.get_weights(model), epochs[1])


def test_resumed_training_that_diverges_keeps_the_best_weights(kit, fit, split, tmp_path):
    model = kit.Line()
    history = fit(model, split, objective=slope(kit), epochs=2)
    kit.train.save(model, split, tmp_path, history=history)
    resumed = kit.Line()
    with pytest.raises(ValueError, match="in epoch 4 the loss is not finite. .* epoch 3"):
        fit(resumed, split, objective=slope(kit, poisoned=3), epochs=9, resume=tmp_path)
    assert (resumed.numbers() != model.numbers()).all() and np.isfinite(resumed.numbers()).all()
    with pytest.raises(ValueError, match="in epoch 3 the loss is not finite. .* epoch 2"):
        fit(resumed, split, objective=slope(kit, poisoned=2), epochs=9, resume=tmp_path)
    np.testing.assert_array_equal(resumed.numbers(), model.numbers())


# Losses of the reader's


def with_negatives(kit, seen):
    def mine(hidden, table, targets, negatives):
        seen.append(tuple(negatives.shape))
        return kit.losses.gbce(hidden, table, targets, negatives, t=0.5)

    return mine


def test_a_function_with_negatives_gets_them(kit, fit, split):
    seen = []
    history = fit(small(kit), split, loss=with_negatives(kit, seen), n_negatives=7, epochs=1)
    assert seen[0][1] == 7
    assert history.settings["loss"] == "mine" and history.settings["n_negatives"] == 7


@pytest.mark.parametrize(("name", "n"), [("gbce", 16), ("bce", 1), ("sampled_softmax", 16)])
def test_a_partial_gets_what_its_function_does(kit, fit, split, tmp_path, name, n):
    function = getattr(kit.losses, name)
    loss = functools.partial(function, t=0.3) if name == "gbce" else functools.partial(function)
    settings = dict(epochs=1, lr=0.0)
    named = fit(small(kit), split, loss=name, **settings)
    model = small(kit)
    history = fit(model, split, loss=functools.partial(loss), **settings)
    assert history.settings == named.settings and history.settings["n_negatives"] == n
    same = history.epochs["loss"].item() == pytest.approx(named.epochs["loss"].item(), rel=1e-6)
    assert same == (name != "gbce")
    kit.train.save(model, split, tmp_path, history=history)
    assert runs.read_config(tmp_path)["training"]["loss"] == name


def test_a_partial_with_another_number_of_negatives(kit, fit, split):
    seen = []
    loss = functools.partial(functools.partial(with_negatives(kit, seen)))
    history = fit(small(kit), split, loss=loss, n_negatives=3, epochs=1)
    assert seen[0][1] == 3 and history.settings["loss"] == "mine"


def test_an_object_may_be_a_loss(kit, fit, split, tmp_path):
    class Half:
        def __init__(self):
            self.names = (name for name in "ab")  # cannot be copied

        def __call__(self, *given):
            return 0.5 * kit.losses.full_softmax(*given)

    model = small(kit)
    history = fit(model, split, loss=Half(), epochs=1)
    kit.train.save(model, split, tmp_path, history=history)
    assert runs.read_config(tmp_path)["training"]["loss"] == "Half"


# What fit leaves alone, and what it refuses


def test_numpys_generator_is_left_alone(kit, fit, split):
    before = np.random.get_state()[1].copy()
    fit(small(kit, "GRU4Rec", dropout=0.5), split, loss="bce", epochs=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_settings_are_left_alone(kit, fit, split):
    model = small(kit)
    config = dict(model.config)
    history = fit(model, split, epochs=2, seed=5, warmup=3)
    assert model.config == config
    assert history.settings == Settings(epochs=2, lr=2e-2, batch_size=10, seed=5, warmup=3).as_dict()


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        (dict(epoch=3), TypeError, "'epoch'"),
        (dict(n_epochs=3), TypeError, "'n_epochs'"),
        (dict(epochs=2.5), ValueError, "epochs=2.5: it must be a whole number"),
        (dict(epochs=True), ValueError, "epochs=True: it must be a whole number"),
        (dict(seed=-1), ValueError, "seed=-1: it must be at least 0"),
        (dict(lr="0.1"), ValueError, "lr='0.1': it must be a number"),
        (dict(loss="hinge"), ValueError, "unknown loss 'hinge'"),
    ],
)
def test_wrong_settings_are_refused_before_training(kit, fit, split, settings, error, match):
    model = small(kit)
    before = kit.train.get_weights(model)
    with pytest.raises(error, match=match):
        fit(model, split, **settings)
    assert_same(kit.train.get_weights(model), before)


def test_an_objective_that_is_bound_already(kit, fit, split):
    one = fit(small(kit), split, objective=ranking(kit, split))
    other = fit(small(kit), split)
    pd.testing.assert_frame_equal(one.epochs[COLUMNS], other.epochs[COLUMNS])
