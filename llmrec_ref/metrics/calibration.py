"""Whether probabilities of yes mean what they say."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit


def temperature(logits, labels):
    r"""What to divide logits by, so that they become probabilities one can trust.

    The T that minimises the mean of :math:`-y \ln p - (1 - y) \ln(1 - p)`, where
    :math:`p = \sigma(z / T)` (Guo, Pleiss, Sun and Weinberger, "On Calibration of
    Modern Neural Networks", ICML 2017, section 4.2, for two classes). In a = 1 / T the
    loss is convex, so T is where its slope, the mean of :math:`(p - y) z`, is 0. The
    order of the logits stays as it is.

    Args:
        logits: Float (n,), of examples that nothing was trained on.
        labels: (n,), 0 or 1.

    Returns:
        float > 0.

    Raises:
        ValueError: There are no logits, or one is not finite. No T is best: the larger
            the better, as the logits' signs are wrong more than right, or the smaller
            the better, as they are never wrong.
    """
    z, y = np.asarray(logits, dtype=float), np.asarray(labels, dtype=float)
    if not (len(z) and np.isfinite(z).all()):
        raise ValueError("The logits must be finite, one at least: see what made them.")

    def slope(a):
        return ((expit(a * z) - y) * z).mean()

    if slope(0) >= 0:
        raise ValueError(
            "No temperature is best: the logits are wrong more than right; train more."
        )
    if not (z * (1 - 2 * y) > 0).any():
        raise ValueError(
            "No temperature is best: no logit is wrong; take more examples."
        )
    high = 1 / np.abs(z).max()
    while slope(high) < 0:
        high *= 2
    return 1 / brentq(slope, 0, high)


def expected_calibration_error(probabilities, labels, bins=10):
    r"""How far the shares of yes are from what was said: 0 is perfect.

    .. math:: \sum_b \frac{n_b}{n} \, |\bar p_b - \bar y_b|

    over bins of equal width, each with its upper bound (Guo et al., ICML 2017, equation
    3, there of the confidence in the likelier class).

    Args:
        probabilities: Float (n,) in [0, 1], of yes.
        labels: (n,), 0 or 1.
        bins: Their number.

    Returns:
        float in [0, 1].
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    sums = np.bincount(np.searchsorted(edges, p), weights=p - y)  # n_b (p_b - y_b)
    return float(np.abs(sums).sum() / len(p))
