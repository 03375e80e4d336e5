"""The generated world: its Bayes predictor against enumeration, and what was planted in it."""

import dataclasses
import itertools

import numpy as np
import pytest

from llmrec_ref import datasets
from llmrec_ref.world import World, make_world


@pytest.fixture(scope="module")
def world():
    return make_world(seed=0)


@pytest.fixture(scope="module")
def held_out(world):
    return world.sample(n_users=1000, length=30, seed=1)


def small_world(n_tastes=3, n_items=4):
    rng = np.random.default_rng(7)
    return World(
        prior=rng.dirichlet(np.ones(n_tastes)),
        start=rng.dirichlet(np.ones(n_items), size=n_tastes),
        transition=rng.dirichlet(np.ones(n_items), size=(n_tastes, n_items, n_items)),
    )


def probability_by_enumeration(world, sequence):
    """p(sequence), summed over tastes, one factor at a time."""
    total = 0.0
    n_items = world.start.shape[1]
    for taste, p in enumerate(world.prior):
        for t, item in enumerate(sequence):
            if t == 0:
                p *= world.start[taste, item - 1]
            elif t == 1:
                before = world.transition[taste, :, sequence[0] - 1, item - 1]
                p *= sum(before[a] / n_items for a in range(n_items))
            else:
                p *= world.transition[taste, sequence[t - 2] - 1, sequence[t - 1] - 1, item - 1]
        total += p
    return total


def test_bayes_predictor_equals_enumeration_on_four_items():
    world = small_world()
    sequences = np.array(list(itertools.product(range(1, 5), repeat=5)))
    p = {s[:n]: probability_by_enumeration(world, s[:n]) for s in map(tuple, sequences) for n in range(1, 6)}
    p[()] = 1.0
    assert sum(p[tuple(s)] for s in sequences) == pytest.approx(1, abs=1e-12)
    expected = [[np.log(p[s[: t + 1]] / p[s[:t]]) for t in range(5)] for s in map(tuple, sequences)]
    np.testing.assert_allclose(world.bayes_log_probs(sequences), expected, rtol=0, atol=1e-12)


def test_bayes_predictor_equals_step_by_step_filtering(world, held_out):
    sequence = held_out[0] - 1
    posterior, expected = world.prior.copy(), []
    for t, item in enumerate(sequence):
        if t == 0:
            chances = world.start[:, item]
        elif t == 1:
            chances = world.second[:, sequence[0], item]
        else:
            chances = world.transition[:, sequence[t - 2], sequence[t - 1], item]
        expected.append(np.log(posterior @ chances))
        posterior = posterior * chances / (posterior @ chances)
    np.testing.assert_allclose(world.bayes_log_probs(held_out[:1])[0], expected, rtol=0, atol=1e-10)


def test_floor_is_the_entropy_where_all_is_known():
    uniform = World(np.ones(1), np.full((1, 4), 0.25), np.full((1, 4, 4, 4), 0.25))
    assert uniform.floor(uniform.sample(10, 6, seed=0)) == pytest.approx(np.log(4), abs=1e-12)


def test_floor_leaves_the_first_item_out():
    world = small_world()
    sequences = world.sample(50, 4, seed=0)
    assert world.floor(sequences) == pytest.approx(-world.bayes_log_probs(sequences)[:, 1:].mean(), abs=1e-12)


def test_samples_follow_the_stated_distribution():
    world = small_world()
    n = 200_000
    sequences, counts = np.unique(world.sample(n, 3, seed=3), axis=0, return_counts=True)
    p = np.array([probability_by_enumeration(world, tuple(s)) for s in sequences])
    assert len(sequences) == 64
    z = (counts - n * p) / np.sqrt(n * p * (1 - p))
    assert np.abs(z).max() < 4.5


def test_sampling_is_seeded_and_in_range(world):
    first, again, other = (world.sample(20, 12, seed=s) for s in (5, 5, 6))
    assert first.dtype == np.int64 and first.shape == (20, 12)
    assert first.min() >= 1 and first.max() <= 50
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_shapes_and_probabilities_of_the_default_world(world):
    assert world.transition.shape == (4, 50, 50, 50)
    for table in (world.prior, world.start, world.second, world.transition):
        np.testing.assert_allclose(table.sum(axis=-1), 1, atol=1e-12)
        assert (table > 0).all()


def test_every_taste_is_of_second_order_and_has_its_own_chain(world):
    for taste in range(4):
        assert np.abs(world.transition[taste] - world.second[taste]).sum(axis=-1).mean() > 0.3
        for other in range(taste):
            assert np.abs(world.transition[taste] - world.transition[other]).sum(axis=-1).mean() > 0.3


def test_only_knowing_the_taste_beats_the_floor(world):
    alone = [World(np.ones(1), world.start[[z]], world.transition[[z]]) for z in range(4)]
    sequences = [chain.sample(250, 30, seed=z) for z, chain in enumerate(alone)]
    knowing = np.mean([chain.floor(x) for chain, x in zip(alone, sequences, strict=True)])
    floor = world.floor(np.concatenate(sequences))
    assert knowing + 0.01 < floor
    forgetful = World(world.prior, world.start, np.repeat(world.second[:, None], 50, axis=1))
    assert floor + 0.1 < forgetful.floor(np.concatenate(sequences))


def n_gram(train, test, order, weight):
    """Probability of each target by an n-gram: ``order`` items of context, backed off with pseudo-counts."""
    if order < 0:
        return np.full(test[:, 1:].shape, 1 / 50)
    backed_off = n_gram(train, test, order - 1, weight)
    context_counts = np.zeros(51**order, dtype=np.int64)
    counts = np.zeros(51 ** (order + 1), dtype=np.int64)
    np.add.at(context_counts, contexts(train, order), 1)
    np.add.at(counts, contexts(train, order) * 51 + train[:, 1:], 1)
    context = contexts(test, order)
    return (counts[context * 51 + test[:, 1:]] + weight * backed_off) / (context_counts[context] + weight)


def contexts(sequences, order):
    """One number for the ``order`` items before each target; 0 stands before the first item."""
    padded = np.pad(sequences, ((0, 0), (order, 0)))
    codes = np.zeros_like(sequences)
    for back in range(order):
        codes = codes * 51 + padded[:, back + 1 : back + 1 + sequences.shape[1]]
    return codes[:, :-1]


def test_no_n_gram_comes_near_the_floor(world, held_out):
    train = world.sample(n_users=4000, length=30, seed=0)
    losses = [min(-np.log(n_gram(train, held_out, n, w)).mean() for w in (1, 3, 10)) for n in range(4)]
    assert losses[0] > losses[1] > losses[2], "one more item of context helps a unigram and a bigram"
    assert min(losses) > world.floor(held_out) + 0.1


def test_the_data_set_is_the_worlds_sample(world):
    data = datasets.load("world")
    sequences = data.interactions["item_id"].to_numpy().reshape(4000, 30)
    np.testing.assert_array_equal(sequences, world.sample(4000, 30, seed=0))
    assert data.time_unit == "steps" and data.repeats
    assert data.interactions["timestamp"].head(31).tolist() == [*range(30), 0]
    assert data.items["title"].iloc[16] == "Item 17"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(prior=np.array([0.5, 0.6])), "prior holds no probabilities"),
        (dict(prior=np.array([-0.5, 1.5])), "prior holds no probabilities"),
        (dict(start=np.full((2, 3), 0.5)), "start holds no probabilities"),
        (dict(prior=np.ones(1)), r"prior must have the shape \(2,\)"),
    ],
)
def test_a_world_holds_probabilities(change, message):
    world = make_world(n_tastes=2, n_items=3, n_genres=2, n_eras=2, n_successors=1)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(world, **change)


@pytest.mark.parametrize(
    "change", [dict(n_items=-1), dict(n_tastes=0), dict(n_genres=60), dict(n_successors=11), dict(noise=2)]
)
def test_impossible_worlds_are_refused(change):
    with pytest.raises(ValueError, match="must be at least 1|lower them"):
        make_world(**change)


@pytest.mark.parametrize(("n_users", "length"), [(0, 5), (-3, 5), (5, 1)])
def test_impossible_samples_are_refused(world, n_users, length):
    with pytest.raises(ValueError, match="must be at least 1 and length"):
        world.sample(n_users, length, seed=0)
