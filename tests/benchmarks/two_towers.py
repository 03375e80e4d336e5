"""Two towers on films and groceries, and what an index costs.

Films: `splits.cold_items` of MovieLens 100K. One MiniLM makes vectors of a text of the eight newest titles,
and of each film's text; it is trained by in-batch softmax, with logQ and without, on one example a person
and epoch (24 a step, learning rate 1e-4, temperature .05, bfloat16 autocast), at most five epochs, of which
the best has the highest NDCG@10 of 1,500 queries of the validation half among its cold films. HR@10 of the
test half among its 67 films and in the whole catalogue, and of the last warm film. Groceries: Complete
Journey's products with 100 purchases, `splits.global_time`; a matrix for each side on MiniLM's vectors as
they are; Recall@50 of all targets, epochs chosen on validation. Intervals: t-intervals over seeds. Index:
vectors of the products' texts, asked with the mean vectors of households; one thread. Writes
book/results/two_towers.json.

    python tests/benchmarks/two_towers.py        # about 30 minutes on one core
"""

import time
from pathlib import Path

import faiss
import numpy as np
import torch
from recording import make_parser, record, t_interval

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import Popularity
from llmrec_ref.baselines.shared import history_means
from llmrec_ref.evaluate import evaluate
from llmrec_ref.features import encode
from llmrec_ref.index import Index, Retriever
from llmrec_ref.objectives import InBatch
from llmrec_ref.pretrained import Tokenizer, find
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert import Bert, Encoder
from llmrec_ref.pytorch.two_tower import LinearTowers, TextTowers
from llmrec_ref.splits import Part
from llmrec_ref.text import item_texts, item_words
from llmrec_ref.towers import FeatureInputs, NextItems, TextInputs

BATCH, EPOCHS, LR, N_VALIDATION = 24, 5, 1e-4, 1500
K, N_QUERIES = 50, 300


class Films:
    """What is held out, and texts."""

    def __init__(self):
        dataset = datasets.load("ml-100k")
        self.cold = splits.cold_items(dataset)
        ids = self.cold.warm.item_ids
        titles = item_words(dataset)["title"].loc[ids[1:].tolist()].tolist()
        self.source = TextInputs(Tokenizer(find()), item_texts(dataset, ids), ["", *titles])
        rows = np.sort(np.random.default_rng(0).permutation(len(self.cold.validation))[:N_VALIDATION])
        part = self.cold.validation
        self.validation = Part(part.queries[rows], [part.targets[row] for row in rows], n_items=part.n_items)

    def ask(self, model):
        """HR@10 of the cold test half among itself and in the catalogue, and of warm films."""
        fixed, cold = Retriever(model), self.cold
        questions = {
            "cold_among_cold": (cold.test, cold.test_items),
            "cold_among_all": (cold.test, None),
            "warm": (cold.warm.test, None),
        }
        return {
            name: evaluate(fixed, part, ks=(10,), candidates=items)["HR@10"].item()
            for name, (part, items) in questions.items()
        }

    def train(self, correct, seed, epochs):
        """Train from MiniLM's weights; return what `ask` finds, and the history."""
        model = TextTowers(Bert.load(), self.source)
        examples = NextItems(
            self.source, self.cold.warm, per_user=1, min_history=5, seed=seed, correct=correct
        )
        items = self.cold.validation_items
        objective = InBatch(examples, self.validation, BATCH, candidates=items)
        done = train.fit(
            model, None, objective=objective, epochs=epochs, lr=LR, seed=seed, warmup=10, progress=False
        )
        return self.ask(model), done


def over_seeds(found):
    """Means and t-intervals of dicts of numbers, one a seed."""
    row = {}
    for name in found[0]:
        values = [each[name] for each in found]
        row |= zip((name, f"{name}_low", f"{name}_high"), t_interval(values), strict=True)
        row[f"{name}_seeds"] = values
    return row


def films(seeds, epochs):
    """Rows of the film task."""
    rows = []
    with torch.autocast("cpu", torch.bfloat16):
        study = Films()
        as_it_is = study.ask(TextTowers(Bert.load(), study.source))
        rows.append(dict(data="films", name="MiniLM as it is") | over_seeds([as_it_is]))
        print(rows[-1], flush=True)
        for correct in (True, False):
            runs = [study.train(correct, seed, epochs) for seed in seeds]
            more = dict(
                best_epochs=[done.best_epoch for _, done in runs],
                validation=[done.epochs["val_ndcg"].tolist() for _, done in runs],
                seconds_a_step=min(done.epochs["seconds"].min() for _, done in runs) / -(-943 // BATCH),
            )
            name = "tuned, with logQ" if correct else "tuned, without logQ"
            rows.append(dict(data="films", name=name) | over_seeds([found for found, _ in runs]) | more)
            print(rows[-1], flush=True)
    cold = study.cold
    return rows, dict(films=len(cold.test_items), queries=len(cold.test), warm=len(cold.warm.test))


def groceries(seeds, epochs, cache):
    """Rows of the grocery task."""
    dataset = datasets.load("complete-journey", min_item=100)
    split = splits.global_time(dataset)
    vectors = encode(item_texts(dataset, split.item_ids), Encoder(), cache, padding=True)
    source = FeatureInputs(vectors)

    def recall(model):
        return evaluate(model, split.test, ks=(K,), filter_seen=False)[f"Recall@{K}"].item()

    rows = [dict(data="groceries", name="Popularity", recall=recall(Popularity().fit(split)))]
    for correct in (True, False):
        found = []
        for seed in seeds:
            model = LinearTowers(vectors.shape[1], source, dim=64, seed=seed)
            examples = NextItems(source, split, per_user=20, min_history=5, seed=seed, correct=correct)
            train.fit(
                model, None, objective=InBatch(examples, split.validation, 256), epochs=epochs, lr=3e-3,
                seed=seed, progress=False,
            )  # fmt: skip
            found.append(dict(recall=recall(Retriever(model))))
        name = "linear towers, with logQ" if correct else "linear towers, without logQ"
        rows.append(dict(data="groceries", name=name) | over_seeds(found))
        print(rows[-1], flush=True)
    return rows, dict(products=split.n_items, households=len(split.test))


def unit(rows):
    """Rows of length 1, float32."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def timed(search, queries):
    """What a search finds for one query at a time, and milliseconds each."""
    found, clock = [], time.perf_counter()
    for query in queries:
        found.append(search(query[None]))
    return np.concatenate(found), 1000 * (time.perf_counter() - clock) / len(queries)


def overlap(found, exact):
    """Recall@k of lists, beside the exact ones."""
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(found, exact, strict=True)]))


def indexes(vectors, queries, name, graph=True):
    """Rows of brute force, flat, HNSW at three depths and IVF, on unit vectors (row 0 padding)."""

    def brute(query):
        return np.argsort(-(query @ vectors[1:].T), axis=1, kind="stable")[:, :K] + 1

    exact, ms = timed(brute, queries)
    rows = [dict(vectors=name, n=len(vectors) - 1, index="NumPy", recall=1.0, ms=ms)]
    flat = Index(vectors)
    found, ms = timed(lambda query: flat.search(query, K)[0], queries)
    rows.append(dict(vectors=name, n=len(vectors) - 1, index="flat", recall=overlap(found, exact), ms=ms))
    for depth in (64, 128, 256) if graph else ():
        clock = time.perf_counter()
        hnsw = Index(vectors, "hnsw", depth=depth)
        seconds = time.perf_counter() - clock
        found, ms = timed(lambda query, hnsw=hnsw: hnsw.search(query, K)[0], queries)
        row = dict(vectors=name, n=len(vectors) - 1, index="HNSW", depth=depth, seconds=seconds)
        rows.append(row | dict(recall=overlap(found, exact), ms=ms))
    lists = int(4 * len(vectors) ** 0.5)
    clock = time.perf_counter()
    ivf = faiss.index_factory(vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    ivf.train(vectors[1 :: max(1, len(vectors) // (40 * lists))])
    ivf.add(vectors[1:])
    seconds = time.perf_counter() - clock
    for probes in (4, 16):
        ivf.nprobe = probes
        found, ms = timed(lambda query: ivf.search(query, K)[1] + 1, queries)
        row = dict(vectors=name, n=len(vectors) - 1, index=f"IVF{lists}", probes=probes, seconds=seconds)
        rows.append(row | dict(recall=overlap(found, exact), ms=ms))
    for row in rows:
        print(row, flush=True)
    return rows


def search(cache, million):
    """Rows of all indexes, on real vectors, on Gaussians and on mixtures of real ones."""
    faiss.omp_set_num_threads(1)
    dataset = datasets.load("complete-journey")
    split = splits.buy_or_not(dataset)
    vectors = encode(item_texts(dataset, split.item_ids), Encoder(), cache, padding=True)
    distinct = np.unique(vectors[1:], axis=0)
    rng = np.random.default_rng(0)
    asked = split.test.queries[np.sort(rng.permutation(len(split.test.queries))[:N_QUERIES])]
    queries = unit(history_means(asked, vectors))
    pad = np.zeros((1, vectors.shape[1]), np.float32)
    rows = indexes(np.concatenate([pad, unit(distinct)]), queries, "products' texts")
    noise = np.concatenate([pad, unit(rng.normal(size=distinct.shape))])
    rows += indexes(noise, unit(rng.normal(size=queries.shape)), "Gaussian")
    if million:
        one, other = distinct[rng.integers(0, len(distinct), (2, 1_000_000))]
        share = rng.random((1_000_000, 1), dtype=np.float32)
        mixed = np.concatenate([pad, unit(share * one + (1 - share) * other)])
        rows += indexes(mixed, queries[:50], "mixtures of products' texts", graph=False)
    return rows


def main():
    """Measure and record."""
    parser = make_parser(__doc__, "two_towers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="fewer, for a try")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the texts' vectors")
    parser.add_argument("--million", action="store_true", help="a million vectors too (3 GB)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    seeds = list(range(args.seeds))
    index = search(args.cache, args.million)
    shop, shop_counts = groceries(seeds, 2 * args.epochs, args.cache)
    rows, counts = films(seeds, args.epochs)
    record(
        args.name,
        args.out,
        title="Two towers: films that nobody has rated, groceries, and an index",
        protocol=" ".join(__doc__.split("\n\n")[1].split()),
        seeds=seeds,
        rows=[*rows, *shop],
        counts=counts | shop_counts,
        index=index,
    )


if __name__ == "__main__":
    main()
