"""ALS: matrix factorisation by alternating least squares."""

import numpy as np

from llmrec_ref.baselines.shared import (
    as_scores,
    check_positive,
    check_shape,
    finite_matrix,
    user_item,
)
from llmrec_ref.splits import check_histories


class ALS:
    r"""Matrix factorisation for implicit feedback, by alternating least squares.

    .. math:: \min_{F, G} \sum_{u, i} (1 + \alpha r_{ui}) (r_{ui} - f_u^\top g_i)^2
        + \lambda \left( \lVert F \rVert^2 + \lVert G \rVert^2 \right)

    with :math:`r_{ui}` 1 where user u has item i and 0 elsewhere. With one side fixed
    the other is `als_step`; a query's factors are solved for from its history, known or
    new (Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets,
    ICDM 2008, doi 10.1109/ICDM.2008.22, equation 3).

    Args:
        dim: Width of the factors.
        l2: The ridge penalty λ > 0.
        alpha: Extra weight of what was seen, at least 0.
        iterations: Pairs of half steps.
        seed: Of the first item factors.

    Raises:
        ValueError: A number out of its range.
    """

    def __init__(self, dim=32, l2=1.0, alpha=1.0, iterations=15, seed=0):
        check_positive(dim=dim, l2=l2, iterations=iterations)
        _check_alpha(alpha)
        self.dim, self.l2, self.alpha = dim, l2, alpha
        self.iterations, self.seed = iterations, seed

    def fit(self, split):
        """Alternate between user and item factors."""
        seen = user_item(split.train.queries, split.n_items)
        rng = np.random.default_rng(self.seed)
        self.items = rng.normal(0, 0.1, (split.n_items + 1, self.dim))
        self.items[0] = 0
        for _ in range(self.iterations):
            users = als_step(seen, self.items, self.l2, self.alpha)
            self.items = als_step(seen.T, users, self.l2, self.alpha)
        return self

    def score(self, queries):
        """Solve for each history's factors; multiply with the items'."""
        n_items = len(self.items) - 1
        check_histories(queries, n_items)
        users = als_step(user_item(queries, n_items), self.items, self.l2, self.alpha)
        return as_scores(users @ self.items.T)


def als_step(seen, fixed, l2, alpha):
    r"""Half a step of `ALS`: a weighted ridge regression a row, given the other side.

    .. math:: f_u = \Bigl(
            G^\top G + \alpha \sum_{i \in H_u} g_i g_i^\top + \lambda I
        \Bigr)^{-1} (1 + \alpha) \sum_{i \in H_u} g_i

    with :math:`H_u` the items of user u (Hu, Koren and Volinsky 2008, equation 4). It
    takes 8 D² bytes for each row of both sides.

    Args:
        seen: The binary matrix R, sparse (m, n); its transpose for the items' half
            step.
        fixed: G, the other side's factors, float (n, D).
        l2: The penalty λ > 0.
        alpha: α, the extra weight of what was seen, at least 0.

    Returns:
        F, float64 (m, D).

    Raises:
        ValueError: Factors that are no finite matrix or have not a row for each column
            of ``seen``, or a number out of its range.
    """
    fixed = finite_matrix(fixed)
    check_positive(l2=l2)
    _check_alpha(alpha)
    check_shape("factors", fixed.shape[:1], seen.shape[1:])
    dim = fixed.shape[1]
    outer = fixed[:, :, None] * fixed[:, None, :]  # (n, D, D): g g'
    own = (seen @ outer.reshape(-1, dim * dim)).reshape(-1, dim, dim)  # (m, D, D)
    systems = fixed.T @ fixed + alpha * own + l2 * np.eye(dim)
    return np.linalg.solve(systems, (1 + alpha) * (seen @ fixed)[:, :, None])[:, :, 0]


def _check_alpha(alpha):
    if not alpha >= 0:
        raise ValueError(f"alpha={alpha}: what was seen weighs at least 0 more.")
