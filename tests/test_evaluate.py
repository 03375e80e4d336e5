from dataclasses import replace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from tqdm import tqdm

from llmrec_ref import evaluate as module
from llmrec_ref.evaluate import bootstrap, evaluate, rank_targets
from llmrec_ref.metrics import METRICS
from llmrec_ref.splits import Part, Queries, train_only


def make_part(histories, targets, **kwargs):
    histories, targets = ([np.array(one, np.int64) for one in many] for many in (histories, targets))
    return Part(Queries(histories, np.arange(len(histories))), targets, **kwargs)


def scorer(table):
    """A recommender that looks the query's row up in a table, which nobody may change."""
    table = np.asarray(table, np.float32)
    table.flags.writeable = False
    return lambda queries: table[queries.users]


@st.composite
def cases(draw):
    """A part and scores with many ties and infinities."""
    n_items, n_queries = draw(st.integers(2, 9)), draw(st.integers(1, 6))
    items = st.lists(st.integers(1, n_items), max_size=6)
    histories = [draw(items) for _ in range(n_queries)]
    most = draw(st.sampled_from([1, 4]))
    targets = [
        draw(st.lists(st.integers(1, n_items), min_size=1, max_size=most, unique=True)) for _ in histories
    ]
    values = st.lists(st.sampled_from([-np.inf, -1, 0, 1, 2.5, np.inf]), min_size=n_items, max_size=n_items)
    table = np.array([[np.inf, *draw(values)] for _ in histories])
    part = make_part(histories, targets, repeats=draw(st.booleans()), n_items=n_items)
    return part, table, draw(st.sampled_from([None, True, False]))


def slow_ranks(part, table, filter_seen):
    """The definition, one target at a time; tied targets of a query count each other once."""
    if filter_seen is None:
        filter_seen = not part.repeats
    result = []
    for scores, history, targets in zip(table, part.queries.histories, part.targets, strict=True):
        eligible = [item for item in range(1, len(scores)) if not (filter_seen and item in history)]
        targets = [target for target in targets if target in eligible]
        ranks = []
        for place, target in enumerate(targets):
            higher = sum(scores[item] > scores[target] for item in eligible)
            tied = sum(scores[item] == scores[target] for item in eligible if item not in targets)
            earlier = sum(scores[item] == scores[target] for item in targets[:place])
            ranks.append(higher + tied + earlier)
        result.append(ranks)
    return result


@given(cases(), st.sampled_from([1, 80, 10**6]))
def test_ranks_are_those_of_the_definition(case, slice_bytes):
    part, table, filter_seen = case
    assume(any(slow_ranks(part, table, filter_seen)))
    with mock.patch.object(module, "SLICE_BYTES", slice_bytes):
        ranks, offsets = rank_targets(scorer(table), part, filter_seen)
    assert ranks.dtype == offsets.dtype == np.int64
    found = [ranks[start:end].tolist() for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    assert found == slow_ranks(part, table, filter_seen)
    assert all(len(set(one)) == len(one) for one in found)


@given(cases(), st.randoms(use_true_random=False))
def test_numbers_of_items_do_not_matter(case, random):
    part, table, filter_seen = case
    assume(any(slow_ranks(part, table, filter_seen)))
    order = np.array(
        [0, *random.sample(range(1, part.n_items + 1), part.n_items)]
    )  # old number -> new number
    renumbered = np.empty_like(table)
    renumbered[:, order] = table
    histories = [order[history] for history in part.queries.histories]
    other = make_part(histories, [order[targets] for targets in part.targets], repeats=part.repeats)
    ks = (1, 2)
    one = evaluate(scorer(table), part, ks, filter_seen)
    assert one.equals(evaluate(scorer(renumbered), other, ks, filter_seen))


def test_agreement_with_ir_measures_when_scores_tie():
    ir_measures = pytest.importorskip("ir_measures")
    names = {"HR": "Success", "Recall": "R", "Precision": "P", "NDCG": "nDCG", "MRR": "RR", "MAP": "AP"}
    generator = np.random.default_rng(0)
    n_queries, n_items = 300, 30
    table = generator.integers(0, 12, (n_queries, n_items + 1)).astype(np.float32)
    targets = [generator.permutation(n_items)[: generator.integers(1, 9)] + 1 for _ in table]
    part = make_part([[]] * n_queries, targets, n_items=n_items)
    run, relevant = [], []
    for query in range(n_queries):
        # trec_eval orders ties by name, the last in the alphabet first: so the misses
        called = {
            item: ("hit" if item in targets[query] else "miss") + str(item) for item in range(1, n_items + 1)
        }
        run += [ir_measures.ScoredDoc(str(query), called[i], float(table[query, i])) for i in called]
        relevant += [ir_measures.Qrel(str(query), called[i], 1) for i in targets[query]]
    found = evaluate(scorer(table), part, ks=(5, 10)).iloc[0]
    for name in (
        "HR",
        "Recall",
        "Precision",
        "NDCG",
        "MAP",
    ):  # its RR@k comes from a library with another tie rule
        for k in (5, 10):
            measure = ir_measures.parse_measure(f"{names[name]}@{k}")
            assert found[f"{name}@{k}"] == pytest.approx(
                ir_measures.calc_aggregate([measure], relevant, run)[measure]
            )


def test_a_constant_scorer_finds_nothing():
    part = make_part([[1, 2]] * 3, [[3], [4, 5], [6]], n_items=20)
    for filter_seen in (True, False):
        row = evaluate(scorer(np.zeros((3, 21))), part, filter_seen=filter_seen)
        assert (row.drop(columns="n_queries") == 0).all(axis=None)
        assert row["n_queries"][0] == 3


@given(cases())
def test_under_the_filter_a_scorer_that_repeats_the_history_is_worth_a_constant_one(case):
    part, _, _ = case
    repeats, constant = np.zeros((2, len(part), part.n_items + 1))
    for row, history in enumerate(part.queries.histories):
        np.add.at(repeats[row], history, 1)
    assume(any(slow_ranks(part, constant, True)))
    one, other = (evaluate(scorer(table), part, (1, 2), True, ci=True) for table in (repeats, constant))
    pd.testing.assert_frame_equal(one, other)


@given(cases())
def test_one_row_for_everybody_is_ranked_like_a_matrix(case):
    part, table, filter_seen = case
    assume(any(slow_ranks(part, table, filter_seen)))
    row = table[:1].astype(np.float32)
    same = rank_targets(lambda queries: np.repeat(row, len(queries), axis=0), part, filter_seen)
    found = rank_targets(lambda queries: np.broadcast_to(row, (len(queries), row.size)), part, filter_seen)
    assert all(map(np.array_equal, found, same))


def test_the_filter_drops_seen_targets_and_counts_them():
    part = make_part([[1, 2], [3, 3], [1]], [[2, 4], [3], [2]], n_items=4)
    table = np.tile([0, 4, 3, 2, 1], (3, 1))
    ranks, offsets = rank_targets(scorer(table), part)
    assert (ranks.tolist(), offsets.tolist()) == ([1, 0], [0, 1, 1, 2])
    row = evaluate(scorer(table), part, ks=(1,), ci=True).loc[0]
    assert row[["HR@1", "n_queries", "n_dropped"]].tolist() == [0.5, 2, 2]
    values = bootstrap(np.array([0.0, 1.0]))
    assert row[["HR@1_low", "HR@1_high"]].tolist() == values.tolist()
    everything = evaluate(scorer(table), part, ks=(1,), filter_seen=False).loc[0]
    assert everything[["n_queries", "n_dropped"]].tolist() == [3, 0]
    with pytest.raises(ValueError, match="filter_seen=False"):
        evaluate(scorer(table), make_part([[1], [2]], [[1], [2]], n_items=4))


def test_a_progress_bar_shows_once_it_takes_long(capsys):
    part = make_part([[1]] * 600, [[2]] * 600, n_items=4)
    evaluate(scorer(np.zeros((600, 5))), part, ks=(1,))
    assert capsys.readouterr().err == ""
    with mock.patch.object(module, "tqdm", lambda **kwargs: tqdm(**kwargs | {"delay": 0, "mininterval": 0})):
        evaluate(scorer(np.zeros((600, 5))), part, ks=(1,))
    out, err = capsys.readouterr()
    assert out == "" and "512/600" in err


def test_columns_and_values():
    table = [[9, 0, 1, 2, 3, 4], [9, 4, 3, 2, 1, 0]]
    part = make_part([[5], [5]], [[4], [3, 1]], n_items=5)
    row = evaluate(scorer(table), part, ks=(1, 2))
    assert row.shape == (1, 14)
    assert list(row) == [f"{name}@{k}" for k in (1, 2) for name in METRICS] + ["n_queries", "n_dropped"]
    # query 0: item 5 is filtered, 4 is best; query 1: of its targets 1 is best, 2 comes between
    assert row.loc[0, ["HR@1", "Recall@1", "Precision@1", "MRR@1", "MAP@1"]].tolist() == [1, 0.75, 1, 1, 0.75]
    assert row.loc[0, ["HR@2", "Recall@2", "Precision@2"]].tolist() == [1, 0.75, 0.5]
    assert evaluate(scorer(table), part, ks=(1,), filter_seen=False)["HR@1"][0] == 0.5
    assert evaluate(scorer(table), replace(part, repeats=True), ks=(1,))["HR@1"][0] == 0.5


def test_a_recommender_or_its_score_and_an_unknown_catalogue():
    class Model:
        score = staticmethod(scorer([[0, 3, 2, 1, 0, 0, 0]]))

    part = make_part([[3]], [[2]])
    assert rank_targets(Model(), part)[0].tolist() == rank_targets(Model.score, part)[0].tolist() == [1]


def test_score_is_called_in_slices():
    sizes = []

    def score(queries):
        sizes.append(len(queries))
        return np.zeros((len(queries), 1001), np.float32)

    rank_targets(score, make_part([[1]] * 600, [[2]] * 600, n_items=1000))
    assert sizes == [256, 256, 88]
    sizes.clear()
    with mock.patch.object(module, "SLICE_BYTES", 400 * 4 * 1001):
        rank_targets(score, make_part([[1]] * 20, [[2]] * 20, n_items=1000))
    assert sizes == [20]
    sizes.clear()
    with mock.patch.object(module, "SLICE_BYTES", 8 * 4 * 1001):
        rank_targets(score, make_part([[1]] * 20, [[2]] * 20, n_items=1000))
    assert sizes == [8, 8, 4]


PART = make_part([[1], [2]], [[2], [3]], n_items=4)


@pytest.mark.parametrize(
    "table, message",
    [
        (np.array([[0, 1, 2, 3, np.nan]] * 2, np.float32), "NaN"),
        (np.zeros((2, 4), np.float32), r"\(2, 5\)"),
        (np.zeros((2, 6), np.float32), r"\(2, 5\)"),
        (np.zeros((1, 5), np.float32), r"\(2, 5\)"),
        (np.zeros(5, np.float32), r"\(2, 5\)"),
        (np.zeros((2, 5), np.int64), "float32.*ndarray of int64"),
        ([[0.0] * 5] * 2, "NumPy array.*list"),
        (None, "NumPy array.*NoneType"),
    ],
)
@pytest.mark.parametrize("n_items", [4, None])
def test_bad_scores_are_refused(table, message, n_items):
    if n_items is None and np.shape(table) == (2, 6):
        return  # nothing says that the catalogue has but four items
    part = replace(make_part([[1], [2]], [[2], [4]]), n_items=n_items)
    with pytest.raises(ValueError, match=message):
        rank_targets(lambda queries: table, part)


@pytest.mark.parametrize("ks", [(0,), (1, 5), (2.0,), (1.5,), ("3",)])
def test_bad_ks_are_refused(ks):
    with pytest.raises(ValueError, match="from 1 to 4"):
        evaluate(scorer(np.zeros((2, 5))), PART, ks=ks)


@pytest.mark.parametrize(
    "part, message",
    [
        (make_part([], []), "no queries"),
        (make_part([[1], [1]], [[2], []]), "no target"),
        (make_part([[1]], [[0]]), "1..1"),
        (make_part([[-1]], [[2]]), "1..2"),
        (make_part([[1]], [[5]], n_items=4), "1..4"),
    ],
)
def test_bad_parts_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        rank_targets(scorer(np.zeros((2, 5))), part)


def test_bootstrap_intervals():
    n = 400
    table = np.zeros((n, 5), np.float32)
    table[: n // 4, 1] = 1  # the target is found for one user in four
    part = make_part([[]] * n, [[1]] * n, n_items=4)
    row = evaluate(scorer(table), part, ks=(1, 4), ci=True).loc[0]
    assert list(row.index[:4]) == ["HR@1", "HR@1_low", "HR@1_high", "Recall@1"]
    half = 1.96 * np.sqrt(0.25 * 0.75 / n)  # the binomial's interval
    assert row["HR@1"] == 0.25
    assert row["HR@1_low"] == pytest.approx(0.25 - half, abs=0.006)
    assert row["HR@1_high"] == pytest.approx(0.25 + half, abs=0.006)
    assert row["HR@4_low"] == row["HR@4"] == row["HR@4_high"] == 1
    assert row.equals(evaluate(scorer(table), part, ks=(1, 4), ci=True).loc[0])


@pytest.mark.parametrize("n", [30, 943])
def test_bootstrap_agrees_with_scipy(n):
    generator = np.random.default_rng(n)
    values = generator.choice([0, 0.3, 1], size=n, p=[0.7, 0.2, 0.1]) + generator.normal(0, 0.05, n)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=generator)
    # an end of 1,000 resamples varies by about 0.08 standard errors: four times that is allowed
    assert bootstrap(values) == pytest.approx(list(theirs.confidence_interval), abs=0.35 * stats.sem(values))


def test_bootstrap_of_three_values_is_that_of_all_27_resamples():
    values = np.array([0.0, 0.0, 1.0])
    # their means are 0, 1/3, 2/3 and 1, with the chances 8/27, 12/27, 6/27 and 1/27
    assert bootstrap(values).tolist() == [0, 1]


def test_bootstrap_of_columns_is_that_of_each():
    values = np.random.default_rng(0).random((50, 3))
    together = bootstrap(values)
    assert together.shape == (2, 3)
    for column in range(3):
        assert together[:, column] == pytest.approx(bootstrap(values[:, column]))
    assert bootstrap(values[:, 0].tolist()).shape == (2,)


def test_paired_bootstrap_knows_a_constant_difference():
    values = np.random.default_rng(0).random(40)
    assert bootstrap(values + 0.25 - values) == pytest.approx([0.25, 0.25])
    # moved and stretched values move and stretch the interval, and a change of sign swaps its ends
    low, high = bootstrap(values)
    assert bootstrap(3 - 2 * values) == pytest.approx([3 - 2 * high, 3 - 2 * low])


@pytest.mark.parametrize("values", [[], np.empty((0, 2)), [0.5, np.nan], [[0.5, 0.1], [np.inf, 0.2]]])
def test_bootstrap_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="finite"):
        bootstrap(values)


def test_what_is_no_part_or_no_list_is_told():
    with pytest.raises(ValueError, match=r"ks=10: pass a sequence of list lengths, such as \(10,\)"):
        evaluate(scorer(np.zeros((2, 5))), PART, ks=10)
    with pytest.raises(ValueError, match="evaluate takes a part, such as split.test, not a Split"):
        evaluate(scorer(np.zeros((2, 5))), train_only([np.array([1, 2])], 4))
