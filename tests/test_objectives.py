import numpy as np
import pytest

from llmrec_ref.evaluate import evaluate
from llmrec_ref.objectives import Cloze, NextItem, Ranking, negative_sampler
from llmrec_ref.splits import Part, Queries, Split
from llmrec_ref.training import Settings

MASK = 1_000_000
CAUSAL, BIDIRECTIONAL = NextItem(6), Cloze(6, MASK, 0.01)


@pytest.mark.parametrize("n", [2, 5, 6, 9])
def test_a_model_is_asked_as_it_was_trained(n):
    """The question lays items where training laid them: the same items before the same last position."""
    history, rng = np.arange(1, n + 1), np.random.default_rng(0)

    ((item_ids, targets),) = CAUSAL.batches(CAUSAL.windows([history], "newest"), 1, rng)
    question = CAUSAL.question([history[:-1]])
    assert question[0, -item_ids.shape[1] :].tolist() == item_ids[0].tolist()
    assert not question[0, : -item_ids.shape[1]].any()
    assert targets[0, -1] == n

    windows = BIDIRECTIONAL.windows([history], "newest")
    assert all(len(window) <= 6 for window in windows)
    for _ in range(100):  # until the newest item alone is hidden
        ((item_ids, targets),) = BIDIRECTIONAL.batches(windows, 1, rng)
        if np.flatnonzero(targets[0]).tolist() == [item_ids.shape[1] - 1]:
            break
    question = BIDIRECTIONAL.question([history[:-1]])
    assert question[0, -item_ids.shape[1] :].tolist() == item_ids[0].tolist()
    assert not question[0, : -item_ids.shape[1]].any()
    assert targets[0, -1] == n and question[0, -1] == MASK


def test_questions_keep_the_newest_items():
    histories = [np.arange(1, 10), np.array([7])]
    assert CAUSAL.question(histories).tolist() == [[4, 5, 6, 7, 8, 9], [0, 0, 0, 0, 0, 7]]
    assert BIDIRECTIONAL.question(histories).tolist() == [[5, 6, 7, 8, 9, MASK], [0, 0, 0, 0, 7, MASK]]
    assert CAUSAL.question([]).shape == BIDIRECTIONAL.question([]).shape == (0, 6)


@pytest.mark.parametrize("model", [CAUSAL, BIDIRECTIONAL])
def test_all_windows_of_a_model_hold_all_items(model):
    windows = model.windows([np.arange(1, 30)], "all")
    assert set(np.concatenate(windows)) == set(range(1, 30))


@pytest.fixture
def split():
    """Item 1 is in training six times, items 2 and 3 three times each, items 4 and 5 never."""
    histories = [np.array([1, 2, 1, 3])] * 3
    train = Part(Queries(histories, np.arange(3)), [np.empty(0, np.int64)] * 3)
    none = Part(Queries([], np.empty(0, np.int64)), [])
    return Split(train, none, none, 5, np.arange(6).astype(object))


@pytest.mark.parametrize(
    ("loss", "n"), [("cross_entropy", 4), ("chunked_cross_entropy", 4), ("of_the_reader", None)]
)
def test_full_losses_take_no_negatives(split, loss, n):
    assert negative_sampler(loss, n, split)(np.ones((2, 3)), np.random.default_rng(0)) == {}


@pytest.mark.parametrize("loss", ["bce", "gbce", "of_the_reader"])
def test_binary_losses_and_the_readers_take_uniform_negatives_of_each_targets_own(split, loss):
    draw = negative_sampler(loss, 1000, split)
    drawn = draw(np.ones((2, 3)), np.random.default_rng(0))
    assert list(drawn) == ["negatives"]
    negatives = drawn["negatives"]
    assert negatives.shape == (2, 3, 1000) and negatives.dtype == np.int64
    assert (negatives[0, 0] != negatives[0, 1]).any()
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.02)
    np.testing.assert_array_equal(negatives, draw(np.ones((2, 3)), np.random.default_rng(0))["negatives"])


def test_sampled_softmax_takes_negatives_by_popularity_and_their_log_counts(split):
    draw = negative_sampler("sampled_softmax", 1000, split)
    drawn = draw(np.ones((2, 3)), np.random.default_rng(0))
    assert list(drawn) == ["negatives", "log_counts"]
    negatives, log_counts = drawn.values()
    assert negatives.shape == log_counts.shape == (2, 3, 1000)
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.5, 0.25, 0.25, 0, 0], atol=0.02)
    np.testing.assert_allclose(log_counts, np.log(np.array([0, 500, 250, 250])[negatives]), rtol=1e-6)


@pytest.mark.parametrize("n_items", [6, 30])
def test_validation_asks_for_the_first_ten_or_all(n_items):
    rng = np.random.default_rng(0)
    histories = [rng.permutation(n_items)[:4] + 1 for _ in range(40)]

    def part(cut):
        queries = Queries([history[:cut] for history in histories], np.arange(40))
        return Part(queries, [history[[cut]] for history in histories], n_items=n_items)

    split = Split(part(2), part(2), part(3), n_items, np.arange(n_items + 1).astype(object))
    scores = rng.random(n_items + 1)

    def model(queries):
        return np.tile(scores, (len(queries), 1))

    found, k = Ranking(CAUSAL, split, Settings()).validate(model), min(10, n_items)
    assert found == evaluate(model, split.validation, ks=[k])[f"NDCG@{k}"].item()
    assert found != evaluate(model, split.test, ks=[k])[f"NDCG@{k}"].item()
