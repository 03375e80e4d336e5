"""Settings and their ranges, and how progress is kept; no framework is needed."""

import functools
import re
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_ref import losses
from llmrec_ref.training import Progress, Settings

FIELDS = {f.name: f for f in fields(Settings)}
WHOLE = [name for name, f in FIELDS.items() if type(f.metadata["least"]) is int]
REAL = [name for name, f in FIELDS.items() if type(f.metadata["least"]) is float]
WORDS = [name for name, f in FIELDS.items() if f.metadata["choices"]]
OPTIONAL = [name for name, f in FIELDS.items() if f.default is None]

# Written down once more on purpose: the least value of each.
LEAST = dict(epochs=1, lr=0, batch_size=1, n_negatives=1, seed=0, weight_decay=0, warmup=0, patience=1)


def test_each_field_is_a_number_or_a_word():
    assert sorted([*WHOLE, *REAL, *WORDS]) == sorted(FIELDS)
    assert set(LEAST) == {*WHOLE, *REAL}
    assert OPTIONAL == ["n_negatives", "patience"]


def test_defaults():
    assert Settings().as_dict() == dict(
        epochs=30, lr=1e-3, batch_size=64, loss="cross_entropy", n_negatives=None, seed=0, weight_decay=0.01,
        warmup=0, windows="newest", patience=None,
    )  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_the_docs_list_each_field(name):
    text = FIELDS[name].metadata["text"]
    assert len(text) > 10
    assert re.search(rf"^        {name}: {re.escape(text)}\.$", Settings.__doc__, re.MULTILINE)
    assert Settings.__doc__.index("Attributes:") < Settings.__doc__.index(f"{name}: ")
    assert Settings.__doc__.index(f"{name}: ") < Settings.__doc__.index("Raises:")


@pytest.mark.parametrize("name", WHOLE)
@given(st.data())
def test_whole_numbers(name, data):
    value = data.draw(st.integers(-5, 10**9) | st.integers(-5, 100).map(np.int64))
    if value >= LEAST[name]:
        assert getattr(Settings(**{name: value}), name) == value
    else:
        with pytest.raises(ValueError, match=f"^{name}={value}: it must be at least {LEAST[name]}\\.$"):
            Settings(**{name: value})


@pytest.mark.parametrize("name", WHOLE)
@given(
    st.floats()
    | st.booleans()
    | st.text()
    | st.just([1])
    | st.floats().map(np.float32)
    | st.just(np.bool_(1))
)
def test_whole_numbers_are_nothing_else(name, value):
    with pytest.raises(ValueError, match=f"^{name}=(.|\\s)*: it must be a whole number"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", REAL)
@given(st.floats(allow_infinity=False) | st.integers(-(10**6), 10**6) | st.floats(width=32).map(np.float32))
def test_real_numbers(name, value):
    if 0 <= value < np.inf:
        assert getattr(Settings(**{name: value}), name) == value
    else:
        with pytest.raises(ValueError, match=f"^{name}=.*: it must be"):
            Settings(**{name: value})


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-9])
def test_real_numbers_are_finite_and_not_negative(name, value):
    with pytest.raises(ValueError, match=f"^{name}=.*: it must be"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", REAL)
@given(st.booleans() | st.text() | st.complex_numbers() | st.just([0.1]) | st.just(np.array([0.1, 0.2])))
def test_real_numbers_are_nothing_else(name, value):
    with pytest.raises(ValueError, match=f"^{name}=(.|\\s)*: it must be a number"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", FIELDS)
def test_none_is_for_what_may_be_left_out(name):
    if name in OPTIONAL:
        assert getattr(Settings(**{name: None}), name) is None
    else:
        with pytest.raises(ValueError, match=name):
            Settings(**{name: None})


@pytest.mark.parametrize(("name", "choices"), [("loss", losses.LOSSES), ("windows", ("newest", "all"))])
def test_words(name, choices):
    for choice in choices:
        assert getattr(Settings(**{name: choice}), name) == choice
    for wrong in ("", "Newest", "cross-entropy", 3, None, True, [choices[0]], choices):
        with pytest.raises(ValueError, match=f"unknown {name} .*: choose one of {', '.join(choices)}\\."):
            Settings(**{name: wrong})


def test_only_a_loss_may_be_a_function():
    assert Settings(loss=print).loss is print
    with pytest.raises(ValueError, match="unknown windows"):
        Settings(windows=print)


@pytest.mark.parametrize("name", ["epoch", "Epochs", "n_epochs", "learning_rate", "batch", "resume", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(TypeError, match=f"'{name}'"):
        Settings(**{name: 1})


def test_settings_go_by_name_and_do_not_change():
    with pytest.raises(TypeError):
        Settings(3)
    with pytest.raises(AttributeError):
        Settings().epochs = 3


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_losses_that_sample_have_a_number_of_negatives(loss):
    expected = dict(sampled_softmax=16, bce=1, gbce=16).get(loss)
    assert Settings(loss=loss).n_negatives == expected
    assert Settings(loss=loss, n_negatives=5).n_negatives == 5


class Callable:
    def __call__(self):
        pass


@pytest.mark.parametrize(
    ("loss", "name", "n"),
    [
        (losses.gbce, "gbce", 16),
        (functools.partial(losses.gbce, t=0.5), "gbce", 16),
        (functools.partial(functools.partial(losses.bce)), "bce", 1),
        (lambda: 0, "<lambda>", None),
        (Callable(), "Callable", None),
        (functools.partial(Callable()), "Callable", None),
    ],
)
def test_functions_are_named(loss, name, n):
    settings = Settings(loss=loss)
    assert settings.loss_name == settings.as_dict()["loss"] == name
    assert settings.n_negatives == settings.as_dict()["n_negatives"] == n
    assert settings.loss is loss


# Progress


class Scored:
    metric, n_targets = "val_score", 12

    def __init__(self, *values):
        self.values = list(values)

    def validate(self, model):
        return self.values[model]


def run(values, losses=None, start=None, weights=None, **settings):
    """Epochs until training should stop; the weights of epoch e are e."""
    objective = Scored(*values)
    progress = Progress(objective, Settings(**settings), {"w": np.zeros(2)}, start=start)
    for epoch in range(len(progress.rows) + 1, len(values) + 1):
        found = {"w": np.full(2, float(epoch))} | (weights or {}).get(epoch, {})
        if progress.end_epoch(epoch - 1, found, (losses or {}).get(epoch, 1.0), 0.5):
            break
    return progress


def test_the_first_of_equals_is_best():
    progress = run([0.1, 0.3, 0.3, 0.2])
    assert progress.best_epoch == 2 and progress.best_weights["w"][0] == 2
    history = progress.history({})
    assert history.epochs["val_score"].tolist() == [0.1, 0.3, 0.3, 0.2]
    assert history.n_targets == 12 and history.best_epoch == 2


def test_negative_values_are_as_good_as_any():
    assert run([-0.5, -0.1, -0.3]).best_epoch == 2


def test_without_validation_the_last_is_best():
    progress = run([None, None, None])
    assert progress.best_epoch == 3 and progress.best_weights["w"][0] == 3
    assert progress.history({}).epochs["val_score"].isna().all()


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 7), (None, 7)])
def test_patience_counts_epochs_since_the_best(patience, epochs):
    assert len(run([0.1, 0.3, 0.2, 0.2, 0.4, 0.1, 0.1], patience=patience).rows) == epochs


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_metric_that_is_not_finite_stops_training(bad):
    progress = run([0.1, 0.05, bad, 0.2])
    assert progress.best_epoch == 1 and len(progress.rows) == 2
    assert "in epoch 3 the val_score is not finite" in progress.problem


def test_progress_goes_on_from_a_run():
    rows = [
        dict(epoch=1, loss=1.0, val_score=0.4, seconds=1.0),
        dict(epoch=2, loss=1.0, val_score=0.2, seconds=1.0),
    ]
    progress = run([0.4, 0.2, 0.3, 0.5], start=(rows, 1, {"w": np.array([7.0, 7.0])}))
    assert progress.best_epoch == 4 and progress.history({}).epochs["epoch"].tolist() == [1, 2, 3, 4]
    progress = run([0.4, 0.2, 0.3], start=(rows[:2], 1, {"w": np.array([7.0, 7.0])}))
    assert progress.best_epoch == 1 and progress.best_weights["w"][0] == 7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("values", [[0.3, 0.2, 0.4, 0.5], [None] * 4])
def test_what_is_not_finite_stops_training(bad, values):
    good = 1 if values[0] else 2
    for progress in (
        run(values, losses={3: bad}),
        run(values, weights={3: {"w": np.array([1, bad])}}),
        run(values, weights={3: {"other": np.array([[bad, 1]], np.float32)}}),
    ):
        assert len(progress.rows) == 2 and progress.best_epoch == good
        with pytest.raises(
            ValueError, match=f"in epoch 3 .* not finite. The model has the weights of epoch {good};"
        ):
            progress.history({})


def test_the_weight_that_is_not_finite_is_named():
    progress = run([0.1, 0.2], weights={2: {"norm.bias": np.array([np.nan])}}, losses={2: np.nan})
    with pytest.raises(ValueError, match="the weight norm.bias is not finite"):
        progress.history({})


def test_divergence_in_the_first_epoch():
    progress = run([0.1], losses={1: np.nan})
    assert progress.best_weights["w"][0] == 0
    with pytest.raises(ValueError, match="in epoch 1 .* The model has the weights it had before;"):
        progress.history({})


def test_what_was_not_finite_from_the_start_is_no_divergence():
    """A mask that a model keeps among its weights, for example."""
    mask = {"mask": np.array([0, -np.inf])}
    progress = Progress(Scored(0.1), Settings(), {"w": np.zeros(2)} | mask)
    assert not progress.end_epoch(0, {"w": np.ones(2)} | mask, 1.0, 0.5)
    assert progress.best_epoch == 1
