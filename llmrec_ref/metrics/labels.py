"""Measures of scores against labels, yes or no."""

import numpy as np
from scipy.stats import rankdata


def auc(scores, labels):
    """Area under the ROC curve: how often a yes has more than a no.

    Args:
        scores: Float (n,); a tie counts half.
        labels: (n,), 0 or 1, some of each.

    Returns:
        float64 in [0, 1].
    """
    yes = np.asarray(labels) == 1
    n_yes, n_no = yes.sum(), (~yes).sum()
    return (rankdata(scores)[yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no)
