"""What every item-token model must do."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from llmrec_ref.pytorch import train  # noqa: E402
from llmrec_ref.splits import Part, Queries, Split  # noqa: E402

N_ITEMS = 30
CAUSAL = ["GRU4Rec", "SASRec"]


def small(name, **settings):
    return train.MODELS[name](**dict(n_items=N_ITEMS, dim=16, max_len=8) | settings)


@pytest.fixture(scope="module", params=train.MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    """Weights six times as wide as fresh ones, so that logits differ and rounding is not amplified."""
    return widen(small(name, n_layers=2, **({} if name == "GRU4Rec" else {"n_heads": 2})))


def widen(model):
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight *= 6
    return model.eval()


def logits_of(model, *item_ids):
    with torch.no_grad():
        return model(torch.tensor([list(row) for row in item_ids])).numpy()


def item_weights(model):
    return model.items.weight.detach().numpy()


def queries(*histories):
    return Queries([np.array(h, np.int64) for h in histories], np.full(len(histories), -1))


def test_logits(model):
    logits = logits_of(model, [0, 0, 5, 6], [1, 2, 3, 4])
    assert logits.shape == (2, 4, N_ITEMS + 1) and logits.dtype == np.float32  # no column for a mask
    assert (logits[..., 0] == -np.inf).all() and np.isfinite(logits[..., 1:]).all()
    assert logits[..., 1:].std() > 0.1


def test_more_left_padding_changes_nothing(model):
    short = logits_of(model, [5, 6, 7])
    long = logits_of(model, [0, 0, 0, 0, 0, 5, 6, 7])
    np.testing.assert_allclose(short[0, :, 1:], long[0, -3:, 1:], atol=1e-5)
    mixed = logits_of(model, [0, 0, 5, 6, 7], [1, 2, 3, 4, 5])  # nor does what stands beside it
    np.testing.assert_allclose(short[0, :, 1:], mixed[0, -3:, 1:], atol=1e-5)


def test_a_later_item_changes_an_earlier_logit_of_bert4rec_alone(name, model):
    one, other = logits_of(model, [1, 2, 3, 4], [1, 2, 9, 4])[..., 1:]
    if name in CAUSAL:
        np.testing.assert_allclose(one[:2], other[:2], atol=1e-6)
    else:
        assert np.abs(one[1] - other[1]).max() > 1e-3
    assert np.abs(one[3] - other[3]).max() > 1e-3


def test_order_matters(model):
    one, other = model.score(queries([1, 2, 3], [2, 1, 3]))[:, 1:]
    assert np.abs(one - other).max() > 1e-3


def test_items_are_numbers_without_meaning(model):
    """Renumbering the catalogue, and the rows of the item table with it, renumbers the scores."""
    new = np.r_[0, np.random.default_rng(0).permutation(N_ITEMS) + 1]  # item -> its new number
    history = np.array([5, 9, 30, 2])
    before = model.score(queries(history))
    weights = {key: value.copy() for key, value in train.get_weights(model).items()}
    table = weights["items.weight"].copy()
    table[new] = weights["items.weight"][: N_ITEMS + 1]
    other = type(model)(**model.config)
    train.set_weights(other, weights | {"items.weight": table})
    np.testing.assert_allclose(other.score(queries(new[history]))[:, new][:, 1:], before[:, 1:], atol=1e-5)


def test_score_reads_the_last_position_of_the_newest_items(name, model):
    scores = model.score(queries([5, 6, 7], range(1, 30)))
    assert scores.shape == (2, N_ITEMS + 1) and scores.dtype == np.float32
    assert (scores[:, 0] == -np.inf).all()
    rows = [[0, 0, 0, 0, 0, 5, 6, 7], [*range(22, 30)]]
    if name not in CAUSAL:  # the mask takes a place
        rows = [[0, 0, 0, 0, 5, 6, 7, N_ITEMS + 1], [*range(23, 30), N_ITEMS + 1]]
    np.testing.assert_allclose(scores[:, 1:], logits_of(model, *rows)[:, -1, 1:], atol=1e-5)


def test_score_knows_many_queries_and_none(model):
    many = [[i % 30 + 1, i % 7 + 1] for i in range(300)]
    scores = model.score(queries(*many))
    np.testing.assert_allclose(scores[299, 1:], model.score(queries(many[299]))[0, 1:], atol=1e-5)
    assert model.score(queries()).shape == (0, N_ITEMS + 1)


@pytest.mark.parametrize(("history", "word"), [([], "empty"), ([0, 1], "1..30"), ([31], "1..30")])
def test_bad_histories(model, history, word):
    with pytest.raises(ValueError, match=word):
        model.score(queries([1], history))  # 31 is the mask of BERT4Rec


def test_dropout_is_for_training_alone(name):
    model = widen(small(name, dropout=0.5)).train()
    first, again = (model.score(queries([1, 2, 3])) for _ in range(2))
    assert (first == again).all()
    assert model.training  # the mode is left alone
    first, again = (logits_of(model, [1, 2, 3])[..., 1:] for _ in range(2))
    assert (first != again).any()


def test_seed_sets_the_weights(name):
    one, same, other = (item_weights(small(name, seed=seed)) for seed in (0, 0, 1))
    assert (one == same).all() and (one != other).any()
    assert one.std() == pytest.approx(0.02, rel=0.15)


@pytest.mark.trains
def test_learns_a_walk(name):
    """Users walk a circle of ten in steps of 3: the next item follows from the last."""
    walks = [(start + 3 * np.arange(9)) % 10 + 1 for start in range(10)] * 40
    train_part = Part(Queries(walks, np.arange(400)), [np.empty(0, np.int64)] * 400)
    none = Part(Queries([], np.empty(0, np.int64)), [])
    split = Split(train_part, none, none, 10, np.arange(11).astype(object))
    easy = {"mask_probability": 0.2} if name == "BERT4Rec" else {}
    model = small(name, n_items=10, dim=64, n_layers=1, dropout=0.0, **easy)
    train.fit(model, split, epochs=30, lr=3e-3, batch_size=50, progress=False)
    found = model.score(queries(*(walk[:7] for walk in walks[:10]))).argmax(axis=1)
    assert np.mean(found == [walk[7] for walk in walks[:10]]) > 0.9  # HR@1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (dict(n_items=0), "n_items=0"),
        (dict(dim=-1), "dim=-1"),
        (dict(n_layers=0), "n_layers=0"),
        (dict(max_len=0), "max_len=0"),
        (dict(dropout=1.0), "dropout=1.0"),
        (dict(n_heads=3), "must divide dim=16"),
        (dict(mask_probability=1.5), "mask_probability=1.5"),
    ],
)
def test_impossible_settings(name, change, word):
    if not set(change) <= set(small(name).config):
        pytest.skip(f"{name} has no {next(iter(change))}")
    with pytest.raises(ValueError, match=word):
        small(name, **change)
