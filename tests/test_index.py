"""An index on vectors of several shapes, beside both frameworks, and where FAISS is missing."""

import subprocess
import sys

import numpy as np
import pytest

from llmrec_ref.index import Index

pytest.importorskip("faiss")
N, DIM, K, DEPTH = 4000, 128, 20, 20


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def gaussian(rng):
    """No vector is much nearer than another: there is nothing to walk along."""
    return rng.normal(size=(N + 1, DIM)), rng.normal(size=(50, DIM))


def clustered(rng):
    """Vectors in 8 of the dimensions, but for a little noise, and queries among them."""
    plane = rng.normal(size=(8, DIM))
    return [rng.normal(size=(n, 8)) @ plane + 0.1 * rng.normal(size=(n, DIM)) for n in (N + 1, 50)]


def recall(vectors, queries):
    """Share of the exact neighbours that a graph finds."""
    items, queries = unit(vectors), unit(queries)
    exact, found = (Index(items, kind, depth=DEPTH).search(queries, K)[0] for kind in ("flat", "hnsw"))
    return np.mean([np.isin(one, other).mean() for one, other in zip(found, exact, strict=True)])


def test_a_graph_needs_vectors_that_have_neighbours():
    rng = np.random.default_rng(0)
    easy, hard = recall(*clustered(rng)), recall(*gaussian(rng))
    print(f"recall@{K}: {easy:.3f} in 8 dimensions, {hard:.3f} in {DIM}")
    assert easy > 0.9 and hard < easy - 0.1


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_padding_is_never_found(kind):
    """Though its dot product is the largest: all others are negative."""
    vectors = -np.abs(np.random.default_rng(1).normal(size=(51, 4))).astype(np.float32)
    vectors[0] = 0
    items, scores = Index(vectors, kind).search(np.ones((1, 4), np.float32), 50)
    assert sorted(items[0]) == list(range(1, 51)) and (np.diff(scores[0]) <= 0).all()
    np.testing.assert_allclose(scores[0], vectors[items[0]].sum(axis=1), rtol=1e-5)


def test_building_a_graph_leaves_the_number_of_threads():
    import faiss

    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(2)
        Index(np.ones((5, 3)), "hnsw")
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


def test_without_faiss_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="FAISS, which is missing: pip install faiss-cpu"):
        Index(np.ones((5, 3)))


USES = {
    "torch": "torch.ones(300, 300) @ torch.ones(300, 300)",
    "tensorflow": "tensorflow.ones((300, 300)) @ tensorflow.ones((300, 300))",
    "faiss": "Index(z, 'hnsw').search(z[1:9], 5)",
}


@pytest.mark.trains
@pytest.mark.parametrize("order", [list(USES), list(USES)[::-1]], ids=" ".join)
def test_faiss_works_beside_both_frameworks(order):
    """Each brings an OpenMP of its own; all are used after all are imported."""
    for name in ("torch", "tensorflow"):
        pytest.importorskip(name)
    lines = [f"import {name}" for name in order]
    lines += ["import numpy as np", "from llmrec_ref.index import Index"]
    lines += ["z = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)"]
    lines += [USES[name] for name in order] * 2
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
