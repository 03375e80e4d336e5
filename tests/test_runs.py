import platform

import numpy as np
import pytest

from llmrec_ref.runs import check_settings, keep_memory, negative_sampler
from llmrec_ref.splits import Part, Queries, Split

SETTINGS = dict(epochs=1, lr=1e-3, warmup=0, n_negatives=None)


@pytest.fixture
def split():
    """Item 1 is in training six times, items 2 and 3 three times each, items 4 and 5 never."""
    histories = [np.array([1, 2, 1, 3])] * 3
    train = Part(Queries(histories, np.arange(3)), [np.empty(0, np.int64)] * 3)
    none = Part(Queries([], np.empty(0, np.int64)), [])
    return Split(train, none, none, 5, np.arange(6).astype(object))


@pytest.mark.parametrize("loss", ["cross_entropy", "chunked_cross_entropy", lambda *given: 0])
def test_full_losses_take_no_negatives(split, loss):
    assert negative_sampler(loss, 4, split)(np.ones((2, 3)), np.random.default_rng(0)) == ()


@pytest.mark.parametrize("loss", ["bce", "gbce"])
def test_binary_losses_take_uniform_negatives_of_each_targets_own(split, loss):
    draw = negative_sampler(loss, 1000, split)
    (negatives,) = draw(np.ones((2, 3)), np.random.default_rng(0))
    assert negatives.shape == (2, 3, 1000) and negatives.dtype == np.int64
    assert (negatives[0, 0] != negatives[0, 1]).any()
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.02)
    np.testing.assert_array_equal(negatives, draw(np.ones((2, 3)), np.random.default_rng(0))[0])


def test_sampled_softmax_takes_negatives_by_popularity_and_their_log_counts(split):
    draw = negative_sampler("sampled_softmax", 1000, split)
    negatives, log_counts = draw(np.ones((2, 3)), np.random.default_rng(0))
    assert negatives.shape == log_counts.shape == (2, 3, 1000)
    shares = np.bincount(negatives.ravel(), minlength=6) / negatives.size
    np.testing.assert_allclose(shares, [0, 0.5, 0.25, 0.25, 0, 0], atol=0.02)
    np.testing.assert_allclose(log_counts, np.log(np.array([0, 500, 250, 250])[negatives]), rtol=1e-6)


@pytest.mark.parametrize("wrong", [dict(epochs=0), dict(lr=-1e-3), dict(warmup=-1), dict(n_negatives=0)])
def test_settings_out_of_range_are_refused(wrong):
    check_settings(SETTINGS)
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*: it must be at least"):
        check_settings(SETTINGS | wrong)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_kept_memory_is_not_fetched_anew():
    import resource  # not on Windows

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(2**24, np.float32)  # 64 MiB, freed at once
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with keep_memory():
        faults()
        kept = faults()
    assert 4 * kept < faults()
