"""Recommenders that count instead of learning by gradient: what every other model must beat.

Each has ``fit(split)``, which sees ``split.train`` only and returns self, and ``score(queries)``, which
returns float32 (len(queries), n_items + 1) with column 0 = -inf. All but `Popularity` raise ValueError for an
empty history. None depends on how items are numbered, but for the random start of `ALS`.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from llmrec_ref.splits import check_histories, flatten


class Popularity:
    """The number of times an item was consumed in training; the same for everybody."""

    def fit(self, split):
        """Count the interactions of each item."""
        self.counts = _counts(split)
        return self

    def score(self, queries):
        """Return the counts, once a query."""
        return _as_scores(np.tile(self.counts, (len(queries), 1)))


class Markov:
    """First-order Markov chain: how often an item followed the last one in training.

    Where a pair was never seen the score backs off to popularity, scaled below 1, the smallest count; the
    same term orders items with equal counts. (The chain that FPMC factorises: Rendle, Freudenthaler and
    Schmidt-Thieme, WWW 2010.)
    """

    def fit(self, split):
        """Count pairs of neighbours in the training sequences."""
        items, offsets = flatten(split.train.queries.histories)
        inside = np.ones(len(items), bool)
        inside[offsets[:-1]] = False  # the first item of a sequence follows nothing
        pairs = np.flatnonzero(inside)
        shape = (split.n_items + 1, split.n_items + 1)
        self.follows = sp.csr_array((np.ones(len(pairs)), (items[pairs - 1], items[pairs])), shape=shape)
        counts = _counts(split)
        self.popularity = counts / (counts.max() + 1)
        return self

    def score(self, queries):
        """Return counts after each history's last item, plus scaled popularity."""
        check_histories(queries, len(self.popularity) - 1)
        last = [history[-1] for history in queries.histories]
        return _as_scores(self.follows[last].toarray() + self.popularity)


class ItemKNN:
    r"""Item-based nearest neighbours: each item of the history votes for the items like it.

    .. math:: s_{uj} = \sum_{i \in H_u} \mathrm{sim}(i, j)\, \mathbb{1}[j \in N_k(i)], \qquad
        \mathrm{sim}(i, j) = \frac{c_{ij}}{\sqrt{c_i c_j}}

    with :math:`c_{ij}` the number of users who have both items, repetitions within a history apart
    (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 22(1), 2004). All items that tie with the
    k-th neighbour are kept, so that no numbering decides; an item that shares no user is no neighbour.

    Args:
        k: Number of neighbours of an item.
    """

    def __init__(self, k=50):
        self.k = k

    def fit(self, split):
        """Compute similarities and keep the neighbours."""
        seen = _user_item(split.train.queries, split.n_items)
        similar = (seen.T @ seen).tocoo()
        counts = seen.sum(axis=0)
        rows, columns = similar.coords
        similar.data /= np.sqrt(counts[rows] * counts[columns])
        similar.data[rows == columns] = 0
        self.similar = _keep_nearest(similar.tocsr(), self.k)
        return self

    def score(self, queries):
        """Sum the similarities to the items of each history."""
        n_items = self.similar.shape[0] - 1
        check_histories(queries, n_items)
        return _as_scores((_user_item(queries, n_items) @ self.similar).toarray())


class EASE:
    r"""Linear autoencoder with zero diagonal, in closed form.

    .. math:: B_{ij} = -P_{ij} / P_{jj} \ (i \ne j), \quad B_{jj} = 0, \quad P = (X^\top X + \lambda I)^{-1}

    with X the binary user-item matrix; a score is the history's binary row times B (Steck, Embarrassingly
    shallow autoencoders for sparse data, WWW 2019, doi 10.1145/3308558.3313710, equation 8). B takes
    8 (n_items + 1)² bytes: 1.2 GB for 12,000 items.

    Args:
        l2: The ridge penalty λ.
    """

    def __init__(self, l2=200.0):
        self.l2 = l2

    def fit(self, split):
        """Invert the regularised Gram matrix."""
        seen = _user_item(split.train.queries, split.n_items)
        gram = (seen.T @ seen).toarray(order="F")  # column-major: LAPACK then inverts it in place
        gram[np.diag_indices_from(gram)] += self.l2
        weights = scipy.linalg.inv(gram, overwrite_a=True, assume_a="pos").T  # symmetric; row-major again
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        self.weights = weights
        return self

    def score(self, queries):
        """Multiply the binary histories with the weights."""
        n_items = len(self.weights) - 1
        check_histories(queries, n_items)
        return _as_scores(_user_item(queries, n_items) @ self.weights)


class Ridge:
    r"""A linear taste over given item features for each history, by ridge regression.

    .. math:: s_{uj} = v_j^\top w_u, \qquad
        w_u = \arg\min_w \lVert r_u - V w \rVert^2 + \lambda \lVert w \rVert^2
        = (V^\top V + \lambda I)^{-1} V^\top r_u

    with :math:`r_u` the binary history over all items and V the item features (Hoerl and Kennard, Ridge
    regression, Technometrics 12(1), 1970). It learns from the history alone, so an item that nobody has seen
    can be scored.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding, is not looked at.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not positive.
    """

    def __init__(self, item_features, l2=1.0):
        self.items, self.l2 = _check_features(item_features), _check_positive(l2=l2)

    def fit(self, split):
        """Check that there is a row of features an item."""
        _check_rows(self.items, split.n_items)
        return self

    def score(self, queries):
        """Solve the normal equations of each history; multiply with the features."""
        check_histories(queries, len(self.items) - 1)
        gram = self.items.T @ self.items + self.l2 * np.eye(self.items.shape[1])
        known = _user_item(queries, len(self.items) - 1) @ self.items  # (queries, d): V'r
        return _as_scores(scipy.linalg.solve(gram, known.T, assume_a="pos").T @ self.items.T)


class Bilinear:
    r"""Every pair of a user feature and an item feature has a weight, in closed form.

    .. math:: s_{uj} = z_u^\top W v_j, \qquad
        W = \arg\min_W \lVert R - Z W V^\top \rVert^2 + \lambda \lVert W \rVert^2
        = P \left[ \frac{(P^\top Z^\top R V Q)_{kl}}{a_k b_l + \lambda} \right]_{kl} Q^\top

    with R the binary user-item matrix of training, and the eigendecompositions :math:`Z^\top Z = P
    \operatorname{diag}(a) P^\top` and :math:`V^\top V = Q \operatorname{diag}(b) Q^\top`: ridge regression
    on the Kronecker product of both features, without building it. Both features get a constant 1, so that W
    holds the intercept and the two additive terms as well.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding, is not looked at.
        user_features: Float (n_users, d_u), one row a user number; None: the mean of the features of the
            history's items.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not positive.
    """

    def __init__(self, item_features, user_features=None, l2=1.0):
        self.items = _with_ones(_check_features(item_features))
        self.users = None if user_features is None else np.asarray(user_features, float)
        self.l2 = _check_positive(l2=l2)

    def fit(self, split):
        """Solve for W."""
        _check_rows(self.items, split.n_items)
        users, seen = self._user_features(split.train.queries), _user_item(split.train.queries, split.n_items)
        a, P = np.linalg.eigh(users.T @ users)
        b, Q = np.linalg.eigh(self.items.T @ self.items)
        self.weights = P @ (P.T @ (users.T @ (seen @ self.items)) @ Q / (np.outer(a, b) + self.l2)) @ Q.T
        return self

    def score(self, queries):
        """Multiply user features, W and item features."""
        return _as_scores(self._user_features(queries) @ self.weights @ self.items.T)

    def _user_features(self, queries):
        if self.users is not None:
            return _with_ones(self.users[queries.users])
        check_histories(queries, len(self.items) - 1)
        seen = _user_item(queries, len(self.items) - 1)
        return seen @ self.items / seen.sum(axis=1)[:, None]


class ALS:
    r"""Matrix factorisation for implicit feedback, by alternating least squares.

    .. math:: \min_{X, Y} \sum_{u, i} (1 + \alpha r_{ui}) (r_{ui} - x_u^\top y_i)^2
        + \lambda \left( \lVert X \rVert^2 + \lVert Y \rVert^2 \right)

    with :math:`r_{ui}` 1 where user u has item i and 0 elsewhere. With one side fixed the other is a weighted
    ridge regression a row; a query's row is solved for from its history (Hu, Koren and Volinsky,
    Collaborative filtering for implicit feedback datasets, ICDM 2008, doi 10.1109/ICDM.2008.22, equations 3
    to 5). A half step takes 8 dim² bytes for each user and each item.

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
        _check_positive(dim=dim, l2=l2, iterations=iterations)
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha}: the extra weight of what was seen must be at least 0.")
        self.dim, self.l2, self.alpha, self.iterations, self.seed = dim, l2, alpha, iterations, seed

    def fit(self, split):
        """Alternate between user and item factors."""
        seen = _user_item(split.train.queries, split.n_items)
        self.items = np.random.default_rng(self.seed).normal(0, 0.1, (split.n_items + 1, self.dim))
        self.items[0] = 0
        for _ in range(self.iterations):
            self.items = self._solve(seen.T.tocsr(), self._solve(seen, self.items))
        return self

    def score(self, queries):
        """Solve for each history's factors; multiply with the items'."""
        check_histories(queries, len(self.items) - 1)
        return _as_scores(self._solve(_user_item(queries, len(self.items) - 1), self.items) @ self.items.T)

    def _solve(self, seen, fixed):
        """Factors (rows, dim) of one side, given the binary rows and the other side's factors."""
        outer = (fixed[:, :, None] * fixed[:, None, :]).reshape(len(fixed), -1)
        systems = self.alpha * (seen @ outer).reshape(-1, self.dim, self.dim)
        systems += fixed.T @ fixed + self.l2 * np.eye(self.dim)
        return np.linalg.solve(systems, (1 + self.alpha) * (seen @ fixed)[:, :, None])[:, :, 0]


def _check_features(features):
    features = np.array(features, dtype=float)
    if features.ndim != 2 or not np.isfinite(features[1:]).all():
        raise ValueError(
            f"features must be a finite matrix, a row an item and row 0 for padding, not {features.shape}."
        )
    features[0] = 0
    return features


def _check_rows(features, n_items):
    if len(features) != n_items + 1:
        raise ValueError(
            f"features have {len(features)} rows, but {n_items} items and padding need {n_items + 1}."
        )


def _check_positive(**settings):
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: it must be positive.")
    return value


def _with_ones(features):
    return np.column_stack([features, np.ones(len(features))])


def _counts(split):
    return np.bincount(flatten(split.train.queries.histories)[0], minlength=split.n_items + 1)


def _user_item(queries, n_items):
    """Whether a history holds an item: float64 CSR (len(queries), n_items + 1) of ones."""
    items, offsets = flatten(queries.histories)
    seen = sp.csr_array((np.ones(len(items)), items, offsets), shape=(len(queries), n_items + 1))
    seen.sum_duplicates()
    seen.data[:] = 1
    return seen


def _keep_nearest(similar, k):
    """Drop from each row what is smaller than its k-th largest value, or zero."""
    for start, stop in zip(similar.indptr[:-1], similar.indptr[1:], strict=True):
        row = similar.data[start:stop]
        if len(row) > k:
            row[row < np.partition(row, -k)[-k]] = 0
    similar.eliminate_zeros()
    return similar


def _as_scores(scores):
    # float64 until here: what differs only by the order of summation rounds to the same float32
    scores = scores.astype(np.float32)
    scores[:, 0] = -np.inf
    return scores
