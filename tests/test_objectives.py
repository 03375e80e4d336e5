import numpy as np
import pytest

from llmrec_ref.objectives import negative_sampler
from llmrec_ref.splits import train_only


@pytest.fixture
def split():
    """Item 1 is in training six times, items 2 and 3 three times each, items 4 and 5 never."""
    return train_only([np.array([1, 2, 1, 3])] * 3, 5)


@pytest.mark.parametrize("loss", ["cross_entropy", "chunked_cross_entropy"])
def test_full_losses_take_no_negatives(split, loss):
    assert negative_sampler(loss, 4, split)(np.ones((2, 3)), np.random.default_rng(0)) == {}


@pytest.mark.parametrize("loss", ["bce", "gbce"])
def test_binary_losses_take_uniform_negatives_of_each_targets_own(split, loss):
    draw = negative_sampler(loss, 1000, split)
    negatives = draw(np.ones((2, 3)), np.random.default_rng(0))["negatives"]
    assert negatives.shape == (2, 3, 1000) and negatives.dtype == np.int64
    assert (negatives[0, 0] != negatives[0, 1]).any()
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.02)
    again = draw(np.ones((2, 3)), np.random.default_rng(0))["negatives"]
    np.testing.assert_array_equal(negatives, again)


def test_sampled_softmax_takes_negatives_by_popularity_and_their_log_counts(split):
    drawn = negative_sampler("sampled_softmax", 1000, split)(np.ones((2, 3)), np.random.default_rng(0))
    negatives, log_counts = drawn["negatives"], drawn["log_counts"]
    assert negatives.shape == log_counts.shape == (2, 3, 1000)
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.5, 0.25, 0.25, 0, 0], atol=0.02)
    np.testing.assert_allclose(log_counts, np.log(np.array([0, 500, 250, 250])[negatives]), rtol=1e-6)
