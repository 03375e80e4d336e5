"""Linear scorers in closed form: EASE, Ridge, Bilinear, and their equations."""

import numpy as np
import scipy.linalg

from llmrec_ref.baselines.shared import (
    as_scores,
    check_positive,
    check_rows,
    check_shape,
    feature_table,
    finite_matrix,
    user_item,
)
from llmrec_ref.splits import check_histories


class EASE:
    r"""Linear autoencoder with zero diagonal, in closed form.

    .. math:: W_{ij} = -P_{ij} / P_{jj} \ (i \ne j), \quad W_{jj} = 0, \qquad
        P = (R^\top R + \lambda I)^{-1}

    with R the binary user-item matrix; a score is the history's binary row times W
    (Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, doi
    10.1145/3308558.3313710, equation 8). W takes 8 (n_items + 1)² bytes: 1.2 GB for
    12,000 items.

    Args:
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: A penalty that is not positive.
    """

    def __init__(self, l2=200.0):
        check_positive(l2=l2)
        self.l2 = l2

    def fit(self, split):
        """Invert the regularised Gram matrix."""
        seen = user_item(split.train.queries, split.n_items)
        gram = (seen.T @ seen).toarray(order="F")  # by columns: inverted in place
        gram[np.diag_indices_from(gram)] += self.l2
        inverse = scipy.linalg.inv(gram, overwrite_a=True, assume_a="pos")
        weights = inverse.T  # the same, as it is symmetric, but by rows
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        self.weights = weights
        return self

    def score(self, queries):
        """Multiply the binary histories with the weights."""
        n_items = len(self.weights) - 1
        check_histories(queries, n_items)
        return as_scores(user_item(queries, n_items) @ self.weights)


class Ridge:
    r"""A linear taste over given item features for each history, by ridge regression.

    .. math:: s_{ui} = g_i^\top w_u, \qquad
        w_u = \arg\min_w \lVert r_u - G w \rVert^2 + \lambda \lVert w \rVert^2

    with :math:`r_u` the binary history over all items and :math:`g_i`, a row of G, the
    features of an item. It learns from the history alone, so an item that nobody has
    seen can be scored.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding,
            is not looked at.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not
            positive.
    """

    def __init__(self, item_features, l2=1.0):
        check_positive(l2=l2)
        self.items, self.l2 = feature_table(item_features), l2

    def fit(self, split):
        """Check that there is a row of features an item."""
        check_rows(self.items, split.n_items)
        return self

    def score(self, queries):
        """Solve for the taste of each history; multiply with the features."""
        n_items = len(self.items) - 1
        check_histories(queries, n_items)
        seen = user_item(queries, n_items)
        tastes = ridge(self.items, seen.T, self.l2)  # (d, queries)
        return as_scores((self.items @ tastes).T)


class Bilinear:
    r"""A weight for each pair of a user and an item feature: see `bilinear_ridge`.

    .. math:: s_{ui} = f_u^\top W g_i, \qquad
        W = \arg\min_W \lVert R - F W G^\top \rVert^2 + \lambda \lVert W \rVert^2

    with R the binary user-item matrix of training, and :math:`f_u` and :math:`g_i`,
    rows of F and G, the features of a user and of an item. Both get a constant 1 as
    well, so that W holds an intercept and additive terms.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding,
            is not looked at.
        user_features: Float (n_users, d_u), one row a user number; None: the mean of
            the features of the history's items.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not
            positive.
    """

    def __init__(self, item_features, user_features=None, l2=1.0):
        check_positive(l2=l2)
        self.items, self.l2 = _with_ones(feature_table(item_features)), l2
        self.items[0] = 0  # padding is no item without features: it is none at all
        self.users = None
        if user_features is not None:
            self.users = _with_ones(finite_matrix(user_features))

    def fit(self, split):
        """Solve for W."""
        check_rows(self.items, split.n_items)
        users = self._user_features(split.train.queries)
        seen = user_item(split.train.queries, split.n_items)
        self.weights = bilinear_ridge(users, self.items, seen, self.l2)
        return self

    def score(self, queries):
        """Multiply user features, W and item features."""
        return as_scores(self._user_features(queries) @ self.weights @ self.items.T)

    def _user_features(self, queries):
        if self.users is None:
            check_histories(queries, len(self.items) - 1)
            seen = user_item(queries, len(self.items) - 1)
            return seen @ self.items / seen.sum(axis=1)[:, None]
        n_users = len(self.users)
        unknown = np.flatnonzero((queries.users < 0) | (queries.users >= n_users))
        if len(unknown):
            row = unknown[0]
            raise ValueError(
                f"Query {row} is of user {queries.users[row]}, but user_features has "
                f"rows 0..{n_users - 1}: leave user_features out to score by history."
            )
        return self.users[queries.users]


def ridge(features, targets, l2):
    r"""Ridge regression by its normal equations.

    .. math:: (X^\top X + \lambda I)\, w = X^\top y

    (Hoerl and Kennard, Ridge regression, Technometrics 12(1), 1970, doi
    10.1080/00401706.1970.10488634.)

    Args:
        features: X, float (n, d).
        targets: y, float (n,), or (n, m) for m regressions on the same features; dense
            or sparse.
        l2: The penalty λ > 0.

    Returns:
        w, float64 (d,) or (d, m).

    Raises:
        ValueError: Features that are no finite matrix, targets of another length, or a
            penalty that is not positive.
    """
    features = finite_matrix(features)
    check_positive(l2=l2)
    check_shape("targets", np.shape(targets)[:1], features.shape[:1])
    gram = features.T @ features + l2 * np.eye(features.shape[1])
    return scipy.linalg.solve(gram, features.T @ targets, assume_a="pos")


def bilinear_ridge(users, items, scores, l2):
    r"""The weights of a bilinear score: ridge regression on all products of features.

    .. math:: W = \arg\min_W \lVert R - F W G^\top \rVert^2 + \lambda \lVert W \rVert^2
        = P \left[
            \frac{(P^\top F^\top R\, G\, Q)_{kl}}{a_k b_l + \lambda}
        \right]_{kl} Q^\top

    with the eigendecompositions :math:`F^\top F = P \operatorname{diag}(a) P^\top` and
    :math:`G^\top G = Q \operatorname{diag}(b) Q^\top`. The products, the Kronecker
    product of F and G, are never formed.

    Args:
        users: F, float (m, d_u).
        items: G, float (n, d).
        scores: R, float (m, n), dense or sparse.
        l2: The penalty λ > 0.

    Returns:
        W, float64 (d_u, d).

    Raises:
        ValueError: Features that are no finite matrix, scores of another shape, or a
            penalty that is not positive.
    """
    users, items = finite_matrix(users), finite_matrix(items)
    check_positive(l2=l2)
    check_shape("scores", np.shape(scores), (len(users), len(items)))
    a, P = np.linalg.eigh(users.T @ users)
    b, Q = np.linalg.eigh(items.T @ items)
    return P @ (P.T @ (users.T @ (scores @ items)) @ Q / (np.outer(a, b) + l2)) @ Q.T


def _with_ones(features):
    return np.column_stack([features, np.ones(len(features))])
