"""A generated world: hidden tastes, each a Markov chain; its entropy is known.

On real data nobody knows how good a recommender could be. Here it is known: the sequences come from a process
whose best possible predictor, Bayes' rule, can be computed exactly; a trained model's distance from it is the
model's own.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class World:
    """A mixture of second-order Markov chains: each user draws one taste and keeps it.

    The first item comes from ``start``. The second is drawn as if the item before the first had been any item
    with equal probability; from the third on, the two latest items decide.

    Attributes:
        prior: float64 (n_tastes,), the share of users with each taste.
        start: float64 (n_tastes, n_items), distribution of the first item.
        transition: float64 (n_tastes, n_items, n_items, n_items): taste, item before last, last item, next
            item. The index of an item is its id minus 1.

    Raises:
        ValueError: Shapes that do not fit, or probabilities that are negative or do not sum to one.
    """

    prior: np.ndarray
    start: np.ndarray
    transition: np.ndarray

    def __post_init__(self):
        n_tastes, n_items = np.shape(self.start)
        shapes = {"prior": (n_tastes,), "transition": (n_tastes, n_items, n_items, n_items)}
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} must have the shape {shape}, not {np.shape(getattr(self, name))}.")
        for name in ("prior", "start", "transition"):
            p = np.asarray(getattr(self, name))
            if not (np.all(p >= 0) and np.allclose(p.sum(axis=-1), 1)):
                raise ValueError(f"{name} holds no probabilities: over the last axis they must sum to one.")

    @property
    def second(self):
        """float64 (n_tastes, n_items, n_items): the second item given the first."""
        return self.transition.mean(axis=1)

    def sample(self, n_users, length, seed):
        """Draw sequences.

        Args:
            n_users: Number of sequences.
            length: Items a sequence, at least 2.
            seed: Seed of the draw, or a ``numpy.random.Generator``.

        Returns:
            int64 (n_users, length), item ids 1..n_items, oldest first.

        Raises:
            ValueError: A number of users below 1, or a length below 2.
        """
        if n_users < 1 or length < 2:
            raise ValueError(f"n_users={n_users} must be at least 1 and length={length} at least 2.")
        rng = np.random.default_rng(seed)
        taste = rng.choice(len(self.prior), size=n_users, p=self.prior)
        items = np.empty((n_users, length), dtype=np.int64)
        items[:, 0] = _draw(rng, self.start[taste])
        items[:, 1] = _draw(rng, self.second[taste, items[:, 0]])
        for t in range(2, length):
            items[:, t] = _draw(rng, self.transition[taste, items[:, t - 2], items[:, t - 1]])
        return items + 1

    def bayes_log_probs(self, sequences):
        """Log probability of each item, given those before it, by exact Bayes.

        The predictor filters forward over the tastes z: it mixes the chains' next-item distributions by the
        posterior p(z | x_1..x_{t-1}). Because z never changes, that mixture is a ratio of two evidences,
        p(x_t | x_1..x_{t-1}) = sum_z p(z, x_1..x_t) / sum_z p(z, x_1..x_{t-1}),
        and one cumulative sum of log likelihoods gives it for all t.

        Args:
            sequences: int64 (n_users, length), item ids 1..n_items, oldest first; length at least 2.

        Returns:
            float64 (n_users, length), in nats.
        """
        x = np.asarray(sequences) - 1
        likelihood = np.concatenate(  # (n_tastes, n_users, length): p(x_t | x_1..x_{t-1}, z)
            [
                self.start[:, x[:, :1]],
                self.second[:, x[:, :1], x[:, 1:2]],
                self.transition[:, x[:, :-2], x[:, 1:-1], x[:, 2:]],
            ],
            axis=2,
        )
        joint = np.log(self.prior)[:, None, None] + np.log(likelihood).cumsum(axis=2)
        evidence = np.logaddexp.reduce(joint, axis=0)  # log p(x_1..x_t)
        return np.diff(evidence, axis=1, prepend=0.0)

    def floor(self, sequences):
        """Entropy floor: mean log loss of the Bayes predictor on these sequences.

        The first item of a sequence has no history and is no target.

        Args:
            sequences: int64 (n_users, length), item ids 1..n_items, oldest first.

        Returns:
            Nats per target. In expectation over sequences no predictor is lower.
        """
        return -self.bayes_log_probs(sequences)[:, 1:].mean()


def make_world(seed=0, n_tastes=4, n_items=50, n_genres=10, n_eras=2, n_successors=2, noise=0.05):
    """Plant a world that a model can learn from a few thousand users.

    Every item has a genre and an era. For each taste, genre of the last item and *era* of the item before it,
    a few genres are likely to come next; within a genre, items are drawn by one popularity for all. So there
    are n_tastes * n_genres * n_eras contexts to learn, though a second-order chain over items may have
    n_tastes * n_items ** 2: who finds the genres needs far less data than who counts items.

    Args:
        seed: Seed of the plan.
        n_tastes: Number of hidden tastes, equally frequent.
        n_items: Number of items, shared by all tastes.
        n_genres: Number of genres, of equal size (up to one item).
        n_eras: Number of eras, of equal size (up to one item), independent of genres.
        n_successors: Likely genres a context, weighted by a flat Dirichlet draw.
        noise: Probability of any item at all, uniformly, instead of a likely genre.

    Returns:
        A World with uniform ``prior`` and ``start``.

    Raises:
        ValueError: A count below 1, more genres or eras than items, more successors than genres, or noise
            outside [0, 1].
    """
    if min(n_tastes, n_items, n_genres, n_eras, n_successors) < 1 or max(n_genres, n_eras) > n_items:
        raise ValueError("counts must be at least 1, and there must be an item for each genre and era.")
    if n_successors > n_genres or not 0 <= noise <= 1:
        raise ValueError(f"n_successors={n_successors} of {n_genres} genres, noise={noise}: lower them.")
    rng = np.random.default_rng(seed)
    genre = rng.permutation(n_items) % n_genres
    era = rng.permutation(n_items) % n_eras
    shape = (n_tastes, n_eras, n_genres)
    likely = rng.random((*shape, n_genres)).argsort(axis=-1)[..., :n_successors]
    next_genre = np.zeros((*shape, n_genres))
    np.put_along_axis(next_genre, likely, rng.dirichlet(np.ones(n_successors), size=shape), axis=-1)
    popularity = rng.dirichlet(np.ones(n_items))
    within = popularity / np.bincount(genre, popularity)[genre]
    next_item = (1 - noise) * next_genre[..., genre] * within + noise / n_items
    return World(
        prior=np.full(n_tastes, 1 / n_tastes),
        start=np.full((n_tastes, n_items), 1 / n_items),
        transition=next_item[:, era][:, :, genre],
    )


def _draw(rng, probabilities):
    """Draw one index a row from float64 (rows, n) distributions; int64 (rows,)."""
    cumulative = probabilities.cumsum(axis=1)
    # Scaling by the last column, which rounding leaves near 1, keeps every index below n.
    return (cumulative <= rng.random((len(probabilities), 1)) * cumulative[:, -1:]).sum(axis=1)
