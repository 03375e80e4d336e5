"""Recommenders that count instead of learning by gradient: what every other model must beat.

Each has ``fit(split)``, which sees ``split.train`` only and returns self, and ``score(queries)``, which
returns float32 (len(queries), n_items + 1) with column 0 = -inf. All raise ValueError for an empty
history, but `Popularity`, and `Bilinear` where it knows the users. None depends on how items are numbered,
but for the random start of `ALS`. The equations of the linear scorers are functions: `ridge`,
`bilinear_ridge`, `als_step`.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from tqdm import tqdm

from llmrec_ref.splits import check_histories, flatten


class Popularity:
    """The number of times an item was consumed in training; the same for everybody."""

    def fit(self, split):
        """Count the interactions of each item."""
        self.counts = _counts(split)
        return self

    def score(self, queries):
        """Return the counts, once a query: a read-only view that takes no memory."""
        return np.broadcast_to(_as_scores(self.counts[None]), (len(queries), len(self.counts)))


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


class PersonalFrequency:
    r"""How often a person's own history holds an item: what a model must beat where people repeat.

    .. math:: s_{uj} = \sum_{t: x_t = j} w_t + \varepsilon\, p_j, \qquad
        w_t = 2^{-\min((n - t) / h,\, 20)}, \qquad p_j = \frac{c_j}{1 + \max_i c_i}

    with the history :math:`x_1, \dots, x_n`, the half-life h in events, and :math:`c_j` the training count of
    an item. :math:`\varepsilon` is the smallest weight an event can have, :math:`2^{-20}`; without half-life
    all weights and :math:`\varepsilon` are 1. So popularity orders what is counted alike and what is not
    counted at all, always below what is. (Hu, He, Gao and Zhang, Modeling personalized item frequency
    information for next-basket recommendation, SIGIR 2020, arXiv:2006.00556.)

    Args:
        half_life: After so many further events an event counts half; None: all events count alike.

    Raises:
        ValueError: A half-life that is not positive.
    """

    def __init__(self, half_life=None):
        if half_life is not None:
            _check_positive(half_life=half_life)
        self.half_life = half_life

    def fit(self, split):
        """Count the interactions of each item, for what the history does not decide."""
        counts = _counts(split)
        self.popularity = counts / (counts.max() + 1)
        return self

    def score(self, queries):
        """Return weighted counts of each history, plus scaled popularity."""
        check_histories(queries, len(self.popularity) - 1)
        items, offsets = flatten(queries.histories)
        ages = np.repeat(offsets[1:] - 1, np.diff(offsets)) - np.arange(len(items))
        weights = 2.0 ** -np.minimum(ages / (self.half_life or np.inf), 20)
        shape = (len(queries), len(self.popularity))
        counts = sp.csr_array((weights, items, offsets), shape=shape).toarray()
        return _as_scores(counts + self.popularity * (2.0**-20 if self.half_life else 1))


class ItemKNN:
    r"""Item-based nearest neighbours: each item of the history votes for the items like it.

    .. math:: s_{uj} = \sum_{i \in H_u} \mathrm{sim}(i, j)\, \mathbb{1}[j \in N_k(i)], \qquad
        \mathrm{sim}(i, j) = \frac{c_{ij}}{\sqrt{c_i c_j}}

    with :math:`c_{ij}` the number of users who have both items, repetitions within a history apart
    (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 22(1), 2004). All items that tie with the
    k-th neighbour are kept, so that no numbering decides; an item that shares no user is no neighbour.

    Args:
        k: Number of neighbours of an item, at least 1.

    Raises:
        ValueError: ``k`` is below 1.
    """

    def __init__(self, k=50):
        _check_positive(k=k)
        self.k = k

    def fit(self, split):
        """Compute similarities and keep the neighbours."""
        seen = _user_item(split.train.queries, split.n_items)
        users, counts, nearest = seen.T.tocsr(), seen.sum(axis=0), []
        starts = range(0, users.shape[0], 256)  # in slices: all pairs of items may not fit into memory
        for start in tqdm(starts, desc="similar items", delay=5, leave=False):
            similar = (users[start : start + 256] @ seen).tocoo()
            rows, columns = similar.coords[0] + start, similar.coords[1]
            similar.data /= np.sqrt(counts[rows] * counts[columns])
            similar.data[rows == columns] = 0
            nearest.append(_keep_nearest(similar.tocsr(), self.k))
        self.similar = sp.vstack(nearest, format="csr")
        return self

    def score(self, queries):
        """Sum the similarities to the items of each history."""
        n_items = self.similar.shape[0] - 1
        check_histories(queries, n_items)
        return _as_scores((_user_item(queries, n_items) @ self.similar).toarray())


class EASE:
    r"""Linear autoencoder with zero diagonal, in closed form.

    .. math:: W_{ij} = -P_{ij} / P_{jj} \ (i \ne j), \quad W_{jj} = 0, \quad P = (R^\top R + \lambda I)^{-1}

    with R the binary user-item matrix; a score is the history's binary row times W (Steck, Embarrassingly
    shallow autoencoders for sparse data, WWW 2019, doi 10.1145/3308558.3313710, equation 8). W takes
    8 (n_items + 1)² bytes: 1.2 GB for 12,000 items.

    Args:
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: A penalty that is not positive.
    """

    def __init__(self, l2=200.0):
        _check_positive(l2=l2)
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


class Mixture:
    r"""A weighted sum of recommenders that were fitted before, each in standard scores.

    .. math:: s_{uj} = \sum_m w_m \frac{s^{(m)}_{uj} - \mu^{(m)}_u}{\sigma^{(m)}_u}

    with :math:`\mu^{(m)}_u` and :math:`\sigma^{(m)}_u` the mean and the standard deviation of recommender m's
    scores over the catalogue: after that no recommender is louder than another. One that gives all items the
    same score adds nothing.

    Args:
        parts: Recommenders, anything with ``score``; their scores are finite.
        weights: One number a recommender.
    """

    def __init__(self, parts, weights):
        self.parts, self.weights = parts, weights

    def score(self, queries):
        """Add up the standard scores."""
        total = 0.0
        for part, weight in zip(self.parts, self.weights, strict=True):
            scores = part.score(queries)[:, 1:]
            spread = scores.std(axis=1, keepdims=True)
            centred = scores - scores.mean(axis=1, keepdims=True)
            total += weight * centred / np.where(spread > 0, spread, 1)
        return _as_scores(np.pad(total, ((0, 0), (1, 0))))


class Ridge:
    r"""A linear taste over given item features for each history, by ridge regression.

    .. math:: s_{ui} = g_i^\top w_u, \qquad
        w_u = \arg\min_w \lVert r_u - G w \rVert^2 + \lambda \lVert w \rVert^2

    with :math:`r_u` the binary history over all items and :math:`g_i`, a row of G, the features of an item.
    It learns from the history alone, so an item that nobody has seen can be scored.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding, is not looked at.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not positive.
    """

    def __init__(self, item_features, l2=1.0):
        _check_positive(l2=l2)
        self.items, self.l2 = _item_features(item_features), l2

    def fit(self, split):
        """Check that there is a row of features an item."""
        _check_rows(self.items, split.n_items)
        return self

    def score(self, queries):
        """Solve for the taste of each history; multiply with the features."""
        n_items = len(self.items) - 1
        check_histories(queries, n_items)
        return _as_scores((self.items @ ridge(self.items, _user_item(queries, n_items).T, self.l2)).T)


class Bilinear:
    r"""Every pair of a user feature and an item feature has a weight, in closed form: see `bilinear_ridge`.

    .. math:: s_{ui} = f_u^\top W g_i, \qquad
        W = \arg\min_W \lVert R - F W G^\top \rVert^2 + \lambda \lVert W \rVert^2

    with R the binary user-item matrix of training, and :math:`f_u` and :math:`g_i`, rows of F and G, the
    features of a user and of an item. Both get a constant 1 as well, so that W holds an intercept and
    additive terms.

    Args:
        item_features: Float (n_items + 1, d), one row an item number; row 0, padding, is not looked at.
        user_features: Float (n_users, d_u), one row a user number; None: the mean of the features of the
            history's items.
        l2: The ridge penalty λ > 0.

    Raises:
        ValueError: Features that are no finite matrix, or a penalty that is not positive.
    """

    def __init__(self, item_features, user_features=None, l2=1.0):
        _check_positive(l2=l2)
        self.items, self.l2 = _with_ones(_item_features(item_features)), l2
        self.items[0] = 0  # padding is no item without features: it is none at all
        self.users = None if user_features is None else _with_ones(_finite_matrix(user_features))

    def fit(self, split):
        """Solve for W."""
        _check_rows(self.items, split.n_items)
        queries = split.train.queries
        self.weights = bilinear_ridge(
            self._user_features(queries), self.items, _user_item(queries, split.n_items), self.l2
        )
        return self

    def score(self, queries):
        """Multiply user features, W and item features."""
        return _as_scores(self._user_features(queries) @ self.weights @ self.items.T)

    def _user_features(self, queries):
        if self.users is None:
            check_histories(queries, len(self.items) - 1)
            seen = _user_item(queries, len(self.items) - 1)
            return seen @ self.items / seen.sum(axis=1)[:, None]
        unknown = np.flatnonzero((queries.users < 0) | (queries.users >= len(self.users)))
        if len(unknown):
            raise ValueError(
                f"Query {unknown[0]} is of user {queries.users[unknown[0]]}, but user_features has rows "
                f"0..{len(self.users) - 1}: leave user_features out to score by history."
            )
        return self.users[queries.users]


class ALS:
    r"""Matrix factorisation for implicit feedback, by alternating least squares.

    .. math:: \min_{F, G} \sum_{u, i} (1 + \alpha r_{ui}) (r_{ui} - f_u^\top g_i)^2
        + \lambda \left( \lVert F \rVert^2 + \lVert G \rVert^2 \right)

    with :math:`r_{ui}` 1 where user u has item i and 0 elsewhere. With one side fixed the other is
    `als_step`; a query's factors are solved for from its history, known or new (Hu, Koren and Volinsky,
    Collaborative filtering for implicit feedback datasets, ICDM 2008, doi 10.1109/ICDM.2008.22, equation 3).

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
        _check_alpha(alpha)
        self.dim, self.l2, self.alpha, self.iterations, self.seed = dim, l2, alpha, iterations, seed

    def fit(self, split):
        """Alternate between user and item factors."""
        seen = _user_item(split.train.queries, split.n_items)
        self.items = np.random.default_rng(self.seed).normal(0, 0.1, (split.n_items + 1, self.dim))
        self.items[0] = 0
        for _ in range(self.iterations):
            users = als_step(seen, self.items, self.l2, self.alpha)
            self.items = als_step(seen.T, users, self.l2, self.alpha)
        return self

    def score(self, queries):
        """Solve for each history's factors; multiply with the items'."""
        n_items = len(self.items) - 1
        check_histories(queries, n_items)
        users = als_step(_user_item(queries, n_items), self.items, self.l2, self.alpha)
        return _as_scores(users @ self.items.T)


def ridge(features, targets, l2):
    r"""Ridge regression by its normal equations.

    .. math:: (X^\top X + \lambda I)\, w = X^\top y

    (Hoerl and Kennard, Ridge regression, Technometrics 12(1), 1970, doi 10.1080/00401706.1970.10488634.)

    Args:
        features: X, float (n, d).
        targets: y, float (n,), or (n, m) for m regressions on the same features; dense or sparse.
        l2: The penalty λ > 0.

    Returns:
        w, float64 (d,) or (d, m).

    Raises:
        ValueError: Features that are no finite matrix, targets of another length, or a penalty that is not
            positive.
    """
    features = _finite_matrix(features)
    _check_positive(l2=l2)
    _check_shape("targets", np.shape(targets)[:1], features.shape[:1])
    gram = features.T @ features + l2 * np.eye(features.shape[1])
    return scipy.linalg.solve(gram, features.T @ targets, assume_a="pos")


def bilinear_ridge(users, items, scores, l2):
    r"""The weights of a bilinear score: ridge regression on every product of two features.

    .. math:: W = \arg\min_W \lVert R - F W G^\top \rVert^2 + \lambda \lVert W \rVert^2
        = P \left[ \frac{(P^\top F^\top R\, G\, Q)_{kl}}{a_k b_l + \lambda} \right]_{kl} Q^\top

    with the eigendecompositions :math:`F^\top F = P \operatorname{diag}(a) P^\top` and :math:`G^\top G = Q
    \operatorname{diag}(b) Q^\top`. The products, the Kronecker product of F and G, are never formed.

    Args:
        users: F, float (m, d_u).
        items: G, float (n, d).
        scores: R, float (m, n), dense or sparse.
        l2: The penalty λ > 0.

    Returns:
        W, float64 (d_u, d).

    Raises:
        ValueError: Features that are no finite matrix, scores of another shape, or a penalty that is not
            positive.
    """
    users, items = _finite_matrix(users), _finite_matrix(items)
    _check_positive(l2=l2)
    _check_shape("scores", np.shape(scores), (len(users), len(items)))
    a, P = np.linalg.eigh(users.T @ users)
    b, Q = np.linalg.eigh(items.T @ items)
    return P @ (P.T @ (users.T @ (scores @ items)) @ Q / (np.outer(a, b) + l2)) @ Q.T


def als_step(seen, fixed, l2, alpha):
    r"""Half a step of `ALS`: the factors of one side, given the other's; a weighted ridge regression a row.

    .. math:: f_u = \Bigl( G^\top G + \alpha \sum_{i \in H_u} g_i g_i^\top + \lambda I \Bigr)^{-1}
        (1 + \alpha) \sum_{i \in H_u} g_i

    with :math:`H_u` the items of user u (Hu, Koren and Volinsky 2008, equation 4). It takes 8 D² bytes for
    each row of both sides.

    Args:
        seen: The binary matrix R, sparse (m, n); its transpose for the items' half step.
        fixed: G, the other side's factors, float (n, D).
        l2: The penalty λ > 0.
        alpha: α, the extra weight of what was seen, at least 0.

    Returns:
        F, float64 (m, D).

    Raises:
        ValueError: Factors that are no finite matrix or have not a row for each column of ``seen``, or a
            number out of its range.
    """
    fixed = _finite_matrix(fixed)
    _check_positive(l2=l2)
    _check_alpha(alpha)
    _check_shape("factors", fixed.shape[:1], seen.shape[1:])
    dim = fixed.shape[1]
    outer = (fixed[:, :, None] * fixed[:, None, :]).reshape(-1, dim * dim)  # (n, D²): g g'
    systems = fixed.T @ fixed + alpha * (seen @ outer).reshape(-1, dim, dim) + l2 * np.eye(dim)
    return np.linalg.solve(systems, (1 + alpha) * (seen @ fixed)[:, :, None])[:, :, 0]


def _finite_matrix(features):
    features = np.asarray(features, dtype=float)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            f"Features must be a finite matrix, not {features.shape}: look for NaN, infinity or None."
        )
    return features


def _item_features(features):
    features = np.array(features, dtype=float, ndmin=1)  # a copy
    features[:1] = 0  # padding
    return _finite_matrix(features)


def _with_ones(features):
    return np.column_stack([features, np.ones(len(features))])


def _check_rows(features, n_items):
    if len(features) != n_items + 1:
        raise ValueError(
            f"Features have {len(features)} rows, but {n_items} items and padding need {n_items + 1}."
        )


def _check_shape(name, found, expected):
    if found != expected:
        raise ValueError(f"The {name} have the shape {found}, but the other arguments need {expected}.")


def _check_positive(**settings):
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: it must be positive.")


def _check_alpha(alpha):
    if not alpha >= 0:
        raise ValueError(f"alpha={alpha}: the extra weight of what was seen must be at least 0.")


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
