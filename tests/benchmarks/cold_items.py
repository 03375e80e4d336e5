"""MovieLens 100K: films that nobody has rated yet, and what id dropout gives; five seeds.

`splits.cold_items` holds a tenth of the films with at least five ratings out of training and of histories
(drawn once, seed 0), in two halves: one to choose on, one for the report. A query is each rating of a cold
film by a person with at least five warm films before it. Warm queries are each person's last warm film; the
cold films compete. Epochs are chosen on the last but one warm film; the rate of id dropout is the one with
the highest HR@10 of the first half in the whole catalogue, among those that lose no more than .01 of HR@10 of
warm films in validation against ids alone. Writes book/results/cold_items.json.

    python tests/benchmarks/cold_items.py          # about 30 minutes on two cores
"""

from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import numpy as np
import torch
from recording import make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import Content
from llmrec_ref.evaluate import rank_targets
from llmrec_ref.features import encode
from llmrec_ref.metrics import METRICS
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.pytorch.sasrec import SASRec
from llmrec_ref.text import item_texts

RATES = [0.0, 0.15, 0.3, 0.45, 0.6, 0.75]  # of id dropout
# item table, rate of id dropout, and whether films that stand nowhere in training are negatives all the same
CARELESS = [("text", 0.0, True), ("both", 0.6, True)]
MODELS = [("id", 0.0, False), ("text", 0.0, False), *(("both", rate, False) for rate in RATES), *CARELESS]
IDS, TEXT = MODELS[:2]
EPOCHS, PATIENCE = 80, 15
DROPOUT = 0.3
MARGIN = 0.01  # of HR@10 of warm films, which a table for new films may cost
RESAMPLES = 2000
SINGLE = ["random", "newest", "genres", "mean of the history", "mean of the last ten"]


@cache
def prepared():
    """Load once a process: dataset, what is held out, Z_I."""
    dataset = datasets.load("ml-100k")
    cold = splits.cold_items(dataset)
    return (
        dataset,
        cold,
        encode(item_texts(dataset, cold.warm.item_ids), Encoder(), progress=False, padding=True),
    )


def train_and_rank(table, rate, negatives, epochs, seed):
    """Train one model; return the ranks of `asked` in validation and test."""
    torch.set_num_threads(1)
    _, cold, z = prepared()
    more = {} if table == "id" else dict(features=z)
    more |= dict(id_dropout=rate) if table == "both" else {}
    model = SASRec(cold.warm.n_items, dropout=DROPOUT, seed=seed, items=table, **more)
    if negatives:
        model.items.note_counts = lambda counts: None  # so that every film passes for one that was seen
    done = train.fit(model, cold.warm, epochs=epochs, patience=PATIENCE, seed=seed, progress=False)
    return dict(
        epochs=done.best_epoch, validation=asked(model, cold, "validation"), test=asked(model, cold, "test")
    )


def asked(score, cold, half):
    """Rank warm films of a half, and its cold ones among themselves and in the whole catalogue."""
    warm, new, items = getattr(cold.warm, half), getattr(cold, half), getattr(cold, f"{half}_items")
    return dict(
        warm=rank_targets(score, warm)[0],
        cold_among_cold=rank_targets(score, new, candidates=items)[0],
        cold_among_all=rank_targets(score, new)[0],
    )


def hits(ranks):
    """HR@10 and NDCG@10 of each query."""
    offsets = np.arange(len(ranks) + 1)
    return {f"{name}@10": METRICS[name](ranks, offsets, 10) for name in ("HR", "NDCG")}


def single(name, seed):
    """Scorers without training: a function of queries."""
    dataset, cold, z = prepared()
    items = dataset.items.set_index("item_id").loc[cold.warm.item_ids[1:].tolist()]
    rng = np.random.default_rng(seed)

    def repeated(row):
        row = np.concatenate([[-np.inf], row]).astype(np.float32)
        return lambda queries: np.tile(row, (len(queries), 1))

    if name == "random":
        return lambda queries: rng.random((len(queries), len(z)), dtype=np.float32)
    if name == "newest":  # of one year in random order
        return repeated(items["release_year"].fillna(0).to_numpy(float) + rng.random(len(items)))
    if name == "genres":
        table = items["genres"].str.get_dummies(" ").to_numpy(np.float32)
        z = np.concatenate([np.zeros_like(table[:1]), table])
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)  # each film counts alike in a mean
    return Content(z, last=10 if name == "mean of the last ten" else None).score


class Judge:
    """Means with intervals over people and seeds, both resampled with replacement."""

    def __init__(self, cold, n_seeds):
        self.users = dict(warm=cold.warm.test.queries.users)
        self.users |= dict.fromkeys(("cold_among_cold", "cold_among_all"), cold.test.queries.users)
        rng, n = np.random.default_rng(0), 1 + max(users.max() for users in self.users.values())
        self.people = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
        self.seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=RESAMPLES) / n_seeds

    def interval(self, question, values):
        """Mean, low and high of float (seeds, queries); 95 %, percentiles."""
        users, n = self.users[question], self.people.shape[1]
        asked = np.bincount(users, minlength=n)
        sums = np.stack([np.bincount(users, row, minlength=n) for row in values])  # (seeds, people)
        drawn = np.einsum("rp,sp,rs->r", self.people, sums, self.seeds, optimize=True) / (self.people @ asked)
        return values.mean(), *np.percentile(drawn, [2.5, 97.5])

    def row(self, ranks, against=None):
        """Metrics of a list of `asked`, one a seed; of another, paired: differences too."""
        row = {}
        for question in self.users:
            own, other = (found and [hits(each[question]) for each in found] for found in (ranks, against))
            for metric in own[0]:
                values = np.stack([each[metric] for each in own])
                pairs = [("", values)]
                if other:
                    pairs.append(("_minus_id", values - np.stack([each[metric] for each in other])))
                for suffix, array in pairs:
                    name = f"{question}_{metric}{suffix}"
                    mean, low, high = map(float, self.interval(question, array))
                    row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        return row


def tail(warm, groups):
    """HR@10 of warm targets by popularity decile of the films: rows, least popular first."""
    counts = np.bincount(np.concatenate(warm.train.queries.histories), minlength=warm.n_items + 1)
    known = np.flatnonzero(counts)
    decile = np.zeros(warm.n_items + 1, int)
    decile[known[np.argsort(counts[known], kind="stable")]] = np.arange(len(known)) * 10 // len(known) + 1
    wanted = decile[np.concatenate(warm.test.targets)]
    rows = []
    for number in range(1, 11):
        here = wanted == number
        row = dict(decile=number, n_targets=int(here.sum()), most_ratings=int(counts[decile == number].max()))
        for name, found in groups.items():
            hit = [(each["warm"][here] < 10).mean() for each in found]
            row[name] = float(np.mean(hit)) if here.any() else 0.0
        rows.append(row)
    return rows


def choose(means):
    """The rate of the highest cold HR@10 among those that lose at most `MARGIN` of warm films against ids."""
    both = {rate: means["both", rate, False] for rate in RATES}
    least = means[IDS]["warm_HR@10"] - MARGIN
    enough = [rate for rate in RATES if both[rate]["warm_HR@10"] >= least]
    return max(enough or RATES, key=lambda rate: both[rate]["cold_among_all_HR@10"])


def main():
    """Train, choose, report and record."""
    parser = make_parser(__doc__, "cold_items")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="fewer, for a try")
    args = parser.parse_args()
    seeds = list(range(args.seeds))
    _, cold, _ = prepared()
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        todo = {model: partial(train_and_rank, *model, args.epochs) for model in MODELS}
        runs = {model: [pool.submit(one, seed) for seed in seeds] for model, one in todo.items()}
        runs = {model: [one.result() for one in found] for model, found in runs.items()}
    choice = {}
    for model, found in runs.items():
        parts = [{question: hits(ranks) for question, ranks in one["validation"].items()} for one in found]
        choice[model] = {
            f"{question}_{metric}": float(np.mean([part[question][metric] for part in parts]))
            for question in parts[0]
            for metric in parts[0][question]
        }
    test = {model: [one["test"] for one in found] for model, found in runs.items()}
    judge = Judge(cold, len(seeds))
    rows = [
        dict(model=name) | judge.row([asked(single(name, seed), cold, "test") for seed in seeds])
        for name in SINGLE
    ]
    keys = ("items", "id_dropout", "unseen_are_negatives")
    for model, found in test.items():
        row = dict(model=f"SASRec, {model[0]}") | dict(zip(keys, model, strict=True))
        row["epochs"] = [one["epochs"] for one in runs[model]]
        rows.append(row | judge.row(found, test[IDS]))
    best = choose(choice)
    record(
        args.name,
        args.out,
        title="MovieLens 100K: films that nobody has rated yet",
        protocol=" ".join(__doc__.split("\n\n")[1].split())
        + " Intervals: 95 % bootstrap over people and seeds, both resampled; differences are paired.",
        seeds=seeds,
        rows=rows,
        settings=dict(dropout=DROPOUT, epochs=args.epochs, patience=PATIENCE, rates=RATES, margin=MARGIN),
        counts=dict(
            cold=[len(cold.validation_items), len(cold.test_items)],
            queries=[len(cold.validation), len(cold.test)],
            warm_queries=len(cold.warm.test),
        ),
        chosen_rate=best,
        choice=[dict(zip(keys, model, strict=True)) | means for model, means in choice.items()],
        tail=tail(cold.warm, dict(id=test[IDS], text=test[TEXT], both=test["both", best, False])),
    )


if __name__ == "__main__":
    main()
