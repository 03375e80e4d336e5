import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_ref.metrics import METRICS

# a few queries, each with a set of distinct ranks
RANKS = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), min_size=1, max_size=6)
K = st.integers(1, 20)


def arrays(ranks):
    return np.array(sum(ranks, []), np.int64), np.cumsum([0] + [len(one) for one in ranks])


def test_an_example_done_by_hand():
    # targets at places 4, 1 and 12 of a list of 5; a second query misses
    values = {name: metric(*arrays([[3, 0, 11], [7]]), 5) for name, metric in METRICS.items()}
    discount = 1 / np.log2([2, 3, 4, 5])
    expected = {
        "HR": 1,
        "Recall": 2 / 3,
        "Precision": 2 / 5,
        "NDCG": (discount[0] + discount[3]) / discount[:3].sum(),
        "MRR": 1,
        "MAP": (1 / 1 + 2 / 4) / 3,
    }
    for name, value in values.items():
        assert value == pytest.approx([expected[name], 0]), name


@given(RANKS, K)
def test_metrics_lie_between_0_and_1(ranks, k):
    for name, metric in METRICS.items():
        values = metric(*arrays(ranks), k)
        assert values.shape == (len(ranks),) and values.dtype == np.float64
        assert ((values >= 0) & (values <= 1 + 1e-12)).all(), name


@given(RANKS, K)
def test_metrics_do_not_fall_with_k(ranks, k):
    # Precision divides by k and NDCG's ideal grows with it: with one target only NDCG is monotone
    for name in ("HR", "Recall", "MRR", "MAP"):
        assert (METRICS[name](*arrays(ranks), k) <= METRICS[name](*arrays(ranks), k + 1)).all(), name
    one = arrays([few[:1] for few in ranks])
    assert (METRICS["NDCG"](*one, k) <= METRICS["NDCG"](*one, k + 1)).all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=10), K)
def test_one_target(ranks, k):
    values = {name: metric(*arrays([[rank] for rank in ranks]), k) for name, metric in METRICS.items()}
    ranks = np.array(ranks)
    assert (values["HR"] == (ranks < k)).all() and (values["HR"] == values["Recall"]).all()
    assert values["Precision"] == pytest.approx(values["HR"] / k)
    assert values["MAP"] == pytest.approx(values["MRR"])
    assert values["MRR"] == pytest.approx((ranks < k) / (ranks + 1))
    assert values["NDCG"] == pytest.approx((ranks < k) / np.log2(ranks + 2))


@given(st.integers(1, 8), K)
def test_a_perfect_list_reaches_1(n_targets, k):
    values = {name: metric(*arrays([list(range(n_targets))]), k)[0] for name, metric in METRICS.items()}
    assert values["HR"] == values["MRR"] == 1 and values["NDCG"] == pytest.approx(1)
    assert values["Recall"] == values["MAP"] == min(k, n_targets) / n_targets


def test_agreement_with_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    names = {"HR": "Success", "Recall": "R", "Precision": "P", "NDCG": "nDCG", "MRR": "RR", "MAP": "AP"}
    pairs = [(name, k) for name in METRICS for k in (1, 5, 10)]
    theirs = {(name, k): ir_measures.parse_measure(f"{names[name]}@{k}") for name, k in pairs}
    generator = np.random.default_rng(0)
    ranks, run, relevant = [], [], []
    for query in range(1000):
        n_items = generator.integers(12, 40)
        ranks.append(generator.permutation(n_items)[: generator.integers(1, 12)].tolist())
        run += [ir_measures.ScoredDoc(f"{query}", f"{rank}", -float(rank)) for rank in range(n_items)]
        relevant += [ir_measures.Qrel(f"{query}", f"{rank}", 1) for rank in ranks[-1]]
    expected = {name: np.full(1000, np.nan) for name in theirs}
    by_measure = {measure: name for name, measure in theirs.items()}
    for found in ir_measures.iter_calc(list(theirs.values()), relevant, run):
        expected[by_measure[found.measure]][int(found.query_id)] = found.value
    for (name, k), values in expected.items():
        assert np.abs(METRICS[name](*arrays(ranks), k) - values).max() <= 1e-9, (name, k)


@pytest.mark.parametrize("metric", METRICS.values())
@pytest.mark.parametrize(
    "ranks, offsets, k, message",
    [
        ([0], [0, 1], 0, "k=0 .* at least 1"),
        ([0], [0, 1], 2.0, "k=2.0 .* whole number"),
        ([0], [0, 1], None, "k=None"),
        ([-1], [0, 1], 5, "from 0, the best"),
        ([0.0], [0, 1], 5, "whole numbers"),
        ([[0]], [0, 1], 5, "1-D"),
        (["0"], [0, 1], 5, "whole numbers"),
        ([0], 1, 5, "offsets must be a 1-D"),
        ([0], [0.0, 1.0], 5, "offsets must be .* whole numbers"),
        ([0], [0], 5, "one more than there are queries"),
        ([0, 1], [1, 2], 5, "run from 1 to 2, but must run from 0 to 2"),
        ([0, 1], [0, 1], 5, "run from 0 to 1, but must run from 0 to 2"),
        ([0, 1], [0, 3], 5, "run from 0 to 3"),
        ([0, 1], [0, 0, 2], 5, "no target"),
        ([0, 1], [0, 2, 1, 2], 5, "no target, or offsets fall"),
    ],
)
def test_bad_input_is_refused(metric, ranks, offsets, k, message):
    with pytest.raises(ValueError, match=message) as error:
        metric(np.array(ranks), np.array(offsets), k)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("metric", METRICS.values())
def test_lists_will_do(metric):
    assert (metric([3, 0, 11, 7], [0, 3, 4], 5) == metric(*arrays([[3, 0, 11], [7]]), np.int64(5))).all()


def test_two_users_done_by_hand():
    # the chapter on ranking: targets at places 1, 4 and 12, and at place 5
    values = {name: metric([0, 3, 11, 4], [0, 3, 4], 10) for name, metric in METRICS.items()}
    assert values["HR"].tolist() == [1, 1]
    assert values["Recall"].tolist() == [2 / 3, 1]
    assert values["Precision"].tolist() == [0.2, 0.1]
    assert values["MRR"].tolist() == [1, 0.2]
    assert values["MAP"].tolist() == [0.5, 0.2]
    assert values["NDCG"] == pytest.approx(
        [(1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 0.5), 1 / np.log2(6)]
    )
