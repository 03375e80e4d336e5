"""Vectors of items, computed once and searched by queries' vectors: exactly, or nearly and faster."""

import numpy as np

from llmrec_ref.splits import check_histories

KINDS = ("flat", "hnsw")


class Index:
    """Finds the items whose vectors have the largest dot product with a query's.

    ``"flat"`` compares with all: exact. ``"hnsw"`` walks a graph in which near vectors are neighbours (Malkov
    and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small
    world graphs", IEEE TPAMI 42(4), 2020, arXiv:1603.09320), and may miss some. Both are FAISS' (Johnson,
    Douze and Jegou, "Billion-scale similarity search with GPUs", IEEE Transactions on Big Data 7(3), 2021,
    arXiv:1702.08734).

    Args:
        vectors: Z_I, float32 (n_items + 1, D); row 0, padding, is never found.
        kind: ``"flat"`` or ``"hnsw"``.
        links: Neighbours of a vector in the graph.
        depth: How many candidates a search keeps in view: more find more, and take longer.

    Raises:
        ValueError: An unknown kind, or vectors that are no finite matrix.
        ImportError: FAISS is not installed.
    """

    def __init__(self, vectors, kind="flat", links=32, depth=64):
        vectors = _matrix(vectors)
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r}: choose one of {', '.join(KINDS)}.")
        faiss = _faiss()
        self.n_items, self.dim = len(vectors) - 1, vectors.shape[1]
        if kind == "flat":
            self.index = faiss.IndexFlatIP(self.dim)
        else:
            self.index = faiss.IndexHNSWFlat(self.dim, links, faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efSearch = depth
        n_threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # several would build another graph each time
        self.index.add(vectors[1:])
        faiss.omp_set_num_threads(n_threads)

    def search(self, vectors, k):
        """Find the nearest items of each query.

        Args:
            vectors: Z_U, float32 (n, D).
            k: How many, at most all.

        Returns:
            ``(items, scores)``: int64 and float32 (n, k), best first. Where ``"hnsw"`` reaches fewer, the
            rest is 0 with -inf.

        Raises:
            ValueError: k is below 1 or above the number of items, or the vectors have another width.
        """
        vectors = _matrix(vectors)
        if vectors.shape[1] != self.dim:
            raise ValueError(
                f"The queries' vectors have {vectors.shape[1]} numbers, but the items' {self.dim}: both "
                "towers need the same width."
            )
        if not 1 <= k <= self.n_items:
            raise ValueError(f"k={k}, but the index holds {self.n_items:,} items: ask for 1 to as many.")
        scores, places = self.index.search(vectors, k)
        return places + 1, np.where(places < 0, -np.inf, scores).astype(np.float32)


class Retriever:
    """Two towers with Z_I as it is now: a recommender that reads no item when it is asked.

    Train the towers further, and it answers as before: make a new one.

    Args:
        model: Has ``item_vectors()`` and ``query_vectors(queries)``, as a `TwoTower`.
        kind: As in `Index`.
        **options: The others of `Index`.
    """

    def __init__(self, model, kind="flat", **options):
        self.model, self.vectors = model, model.item_vectors()
        self.kind, self.options, self.index = kind, options, None

    def score(self, queries):
        """Score every item: cosines float32 (len(queries), n_items + 1), column 0 = -inf."""
        scores = self.model.query_vectors(queries) @ self.vectors.T
        scores[:, 0] = -np.inf
        return scores

    def search(self, queries, k, filter_seen=False):
        """Find the k nearest items of each query by an `Index`, which is built at the first call.

        Args:
            queries: `Queries`.
            k: How many.
            filter_seen: Leave out what a history holds: so many more are asked for.

        Returns:
            int64 (n, k), item numbers, best first; 0 where fewer are left.

        Raises:
            ValueError: As in `Index.search`, of an empty history, or of an unknown item.
        """
        check_histories(queries, len(self.vectors) - 1)
        self.index = self.index or Index(self.vectors, self.kind, **self.options)
        longest = max(len(np.unique(history)) for history in queries.histories) if filter_seen else 0
        wanted = max(k, min(k + longest, self.index.n_items))
        items, _ = self.index.search(self.model.query_vectors(queries), wanted)
        if not filter_seen:
            return items
        found = np.zeros((len(queries), k), np.int64)
        for row, history in enumerate(queries.histories):
            left = items[row][~np.isin(items[row], history)][:k]
            found[row, : len(left)] = left
        return found


def retrieve(model, queries, k, filter_seen=False):
    """Find the k nearest items of each query: `Retriever.search` of a model, or of a `Retriever`.

    Args:
        model: A `TwoTower`, whose Z_I is made in this call; or a `Retriever`, which has it.
        queries: `Queries`.
        k: How many.
        filter_seen: As in `Retriever.search`.

    Returns:
        int64 (n, k), item numbers, best first; 0 where fewer are left.

    Raises:
        ValueError, ImportError: As in `Index` and `Retriever.search`.
    """
    retriever = model if isinstance(model, Retriever) else Retriever(model)
    return retriever.search(queries, k, filter_seen)


def _matrix(vectors):
    """Return vectors as float32 (n, D) that FAISS can read, or refuse them."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"Vectors must be a finite matrix, not {vectors.shape}: look for NaN or infinity.")
    return vectors


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise ImportError("an index needs FAISS, which is missing: pip install faiss-cpu") from error
    return faiss
