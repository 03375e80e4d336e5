import numpy as np
import pytest

pytest.importorskip("tensorflow")

from llmrec_ref.splits import Queries  # noqa: E402
from llmrec_ref.tensorflow.sasrec import SASRec  # noqa: E402


@pytest.fixture(scope="module", params=[1, 2], ids=["one head", "two heads"])
def model(request):
    """Weights ten times as wide as fresh ones, so that logits differ by units."""
    model = SASRec(30, dim=16, n_heads=request.param, max_len=8)
    for weight in model.trainable_variables:
        if weight.ndim == 2:
            weight.assign(weight * 10)
    return model


def logits_of(model, item_ids):
    return model(np.array(item_ids)).numpy()


def queries(*histories):
    return Queries([np.array(h, np.int64) for h in histories], np.full(len(histories), -1))


def test_logits(model):
    logits = logits_of(model, [[0, 0, 5, 6], [1, 2, 3, 4]])
    assert logits.shape == (2, 4, 31) and logits.dtype == np.float32
    assert (logits[..., 0] == -np.inf).all() and np.isfinite(logits[..., 1:]).all()
    assert logits[..., 1:].std() > 0.5


def test_more_left_padding_changes_nothing(model):
    short = logits_of(model, [[5, 6, 7]])[:, -3:, 1:]
    long = logits_of(model, [[0, 0, 0, 0, 0, 5, 6, 7]])[:, -3:, 1:]
    assert np.abs(short - long).max() <= 1e-5


def test_a_later_item_changes_no_earlier_logit(model):
    one, other = logits_of(model, [[1, 2, 3, 4], [1, 2, 9, 4]])[..., 1:]
    np.testing.assert_allclose(one[:2], other[:2], atol=1e-6)
    assert np.abs(one[2:] - other[2:]).max() > 0.1


def test_attention_by_hand(model):
    layer = model.blocks[0].attention
    x = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    causal = np.tri(5, dtype=bool)
    found = layer(x[None], causal[None, None])[0]
    q, k, v = np.split(x @ layer.qkv.kernel.numpy(), 3, axis=-1)  # fresh biases are 0
    heads = []
    for part in np.split(np.arange(16), layer.n_heads):
        logits = q[:, part] @ k[:, part].T / np.sqrt(len(part)) + np.where(causal, 0, -np.inf)
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        heads.append(weights @ v[:, part])
    expected = np.concatenate(heads, axis=1) @ layer.out.kernel.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logits_are_products_with_the_item_table(model):
    hidden = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    expected = hidden @ model.items.embeddings.numpy().T
    np.testing.assert_allclose(model.logits(hidden)[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-5)


def test_order_matters(model):
    one, other = model.score(queries([1, 2, 3], [2, 1, 3]))[:, 1:]
    assert np.abs(one - other).max() > 1e-3


def test_score_is_the_last_position(model):
    scores = model.score(queries([5, 6, 7], range(1, 30)))
    assert scores.shape == (2, 31) and scores.dtype == np.float32
    assert (scores[:, 0] == -np.inf).all()
    expected = logits_of(model, [[0, 0, 0, 0, 0, 5, 6, 7], range(22, 30)])[:, -1]
    np.testing.assert_allclose(scores[:, 1:], expected[:, 1:], atol=1e-5)


def test_score_knows_many_queries_and_none(model):
    many = [[i % 30 + 1, i % 7 + 1] for i in range(300)]
    scores = model.score(queries(*many))
    np.testing.assert_allclose(scores[299, 1:], model.score(queries(many[299]))[0, 1:], atol=1e-5)
    assert model.score(queries()).shape == (0, 31)


def test_score_has_no_dropout_but_training_has():
    model = SASRec(30, dim=16, max_len=8, dropout=0.5)
    first, again = (model.score(queries([1, 2, 3])) for _ in range(2))
    assert (first[:, 1:] == again[:, 1:]).all()
    first, again = (model(np.array([[1, 2, 3]]), training=True).numpy() for _ in range(2))
    assert (first[..., 1:] != again[..., 1:]).any()


@pytest.mark.parametrize(("history", "word"), [([], "empty"), ([0, 1], "1..30"), ([31], "1..30")])
def test_bad_histories(model, history, word):
    with pytest.raises(ValueError, match=word):
        model.score(queries([1], history))


def test_seed_sets_the_weights():
    weights = [SASRec(30, dim=16, seed=seed).items.embeddings.numpy() for seed in (0, 0, 1)]
    assert (weights[0] == weights[1]).all() and (weights[0] != weights[2]).any()


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="must divide dim=64"):
        SASRec(3, dim=64, n_heads=3)
