"""MovieLens 100K: films that nobody has rated yet; what id dropout and a calibration give; three seeds.

A tenth of the films with at least five ratings is held out of training and of histories (drawn once, seed
0), in two halves: one to choose on, one for the report. A query is each rating of a cold film by a person
with at least five warm films before it. Warm queries are each person's last warm film; the cold films
compete. Epochs are chosen on the last but one warm film; the calibration, for each rate of id dropout, is
the smallest with which the first half's HR@10 in the whole catalogue reaches AIM; the rate is the one that
then ranks warm films best in validation. Writes book/results/cold_items.json.

    python tests/benchmarks/cold_items.py          # about 40 minutes on two cores
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from recording import make_parser, record

from llmrec_ref import datasets
from llmrec_ref.metrics import METRICS
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.sasrec import SASRec
from llmrec_ref.splits import Part, Queries, Split
from llmrec_ref.splits.events import Events

SHARE, MIN_RATINGS, MIN_HISTORY = 0.1, 5, 5
RATES = [0.0, 0.15, 0.3, 0.45, 0.6]  # of id dropout
SCALES = [scale / 2 for scale in range(25)]  # of the calibration
EPOCHS = [20, 30, 40]
AIM = 0.065  # above the .06 that the report should reach: halves differ
WIDE = 0.5  # Z_I is shortened to this length, so that the text learns no faster than ids
DROPOUT = 0.3
RESAMPLES = 2000
SINGLE = ["random", "newest", "genres", "mean of the history", "mean of the last ten"]


@dataclass
class Protocol:
    """What is trained on and what is asked; see `make_protocol`."""

    choose: Split  # trains on all but the last two warm films, validation asks for the last but one
    report: Split  # trains on all but the last, test asks for it
    halves: list  # the cold films' numbers, in two halves
    parts: list  # a `Part` for each: who rated one of them, after which warm films


def make_protocol(dataset, seed=0):
    """Hold cold films out of everything."""
    events = Events(dataset, seed)
    n = events.n_items
    counts = np.bincount(np.concatenate(events.items), minlength=n + 1)
    eligible = np.flatnonzero(counts >= MIN_RATINGS)
    cold = np.random.default_rng([seed, 1]).permutation(eligible)[: int(SHARE * len(eligible))]
    halves = [np.sort(half) for half in np.array_split(cold, 2)]
    warm = [items[~np.isin(items, cold)] for items in events.items]
    parts = [cold_part(events, half, cold) for half in halves]
    return Protocol(warm_split(warm, 2, events), warm_split(warm, 1, events), halves, parts)


def cold_part(events, half, cold):
    """Ask for each rating of a film of one half: a `Part`, its users in `events` order."""
    histories, users, targets = [], [], []
    for user, items in enumerate(events.items):
        for place in np.flatnonzero(np.isin(items, half)):
            before = items[:place]
            before = before[~np.isin(before, cold)]
            if len(before) >= MIN_HISTORY:
                histories.append(before)
                users.append(user)
                targets.append(items[place : place + 1])
    return Part(Queries(histories, np.array(users)), targets, n_items=events.n_items)


def warm_split(warm, back, events):
    """Train on all but the last ``back`` warm films; ask for the first of these, all with three or more."""
    tested = np.array([user for user, items in enumerate(warm) if len(items) >= 3])
    known = [items[:-back] if len(items) >= 3 else items for items in warm]
    nothing = [np.empty(0, np.int64)] * len(warm)
    train_part = Part(Queries(known, np.arange(len(warm))), nothing, n_items=events.n_items)
    queries = Queries([known[user] for user in tested], tested)
    targets = [warm[user][len(known[user])][None] for user in tested]
    none = Part(queries[:0], [], n_items=events.n_items)
    return Split(
        train_part, none, Part(queries, targets, n_items=events.n_items), events.n_items, events.item_ids
    )


def ranks_of(scores, part, candidates=None):
    """Ranks of a part's targets, 0 = best, ties against the target, seen films left out.

    Args:
        scores: float32 (n, n_items + 1); changed: what is seen becomes -inf.
        part: A `Part` with one target a query.
        candidates: Item numbers to rank among; None: all.
    """
    targets = np.concatenate(part.targets)
    own = scores[np.arange(len(targets)), targets][:, None]
    for row, history in zip(scores, part.queries.histories, strict=True):
        row[history] = -np.inf
    among = scores[:, 1:] if candidates is None else scores[:, candidates]
    return (among >= own).sum(1) - 1


def hits(ranks):
    """HR@10 and NDCG@10 of each query."""
    offsets = np.arange(len(ranks) + 1)
    return {f"{name}@10": METRICS[name](ranks, offsets, 10) for name in ("HR", "NDCG")}


@cache
def prepared(features):
    """Load once a process: dataset, protocol, Z_I."""
    dataset = datasets.load("ml-100k")
    protocol = make_protocol(dataset)
    return dataset, protocol, WIDE * read_features(features, dataset, protocol.report.item_ids)


def read_features(path, dataset, item_ids):
    """Return Z_I by MiniLM, made here or read from a .npy file."""
    if path:
        return np.load(path)
    from llmrec_ref.features import encode
    from llmrec_ref.pytorch.bert import Encoder
    from llmrec_ref.text import item_texts

    return encode(item_texts(dataset, item_ids), Encoder(), padding=True)


def fit(table, rate, split, z, epochs, seed, device, measure=None):
    """Train one model, without validation."""
    more = {} if table == "id" else dict(features=z)
    more |= dict(id_dropout=rate) if table == "both" else {}
    model = SASRec(split.n_items, dropout=DROPOUT, seed=seed, items=table, **more)
    train.fit(model, split, epochs=epochs, seed=seed, device=device, progress=False, measure=measure)
    return model


def choose(table, rate, seed, features, device):
    """Train on the first split; return HR and NDCG of warm films and HR of cold ones by epoch and scale."""
    _, protocol, z = prepared(features)
    rows, epoch = [], 0

    def measure(model):
        nonlocal epoch
        epoch += 1
        if epoch in EPOCHS:
            known, new = (by_scale(model, part) for part in (protocol.choose.test, protocol.parts[0]))
            for scale, ranks in known.items():
                means = {f"warm_{name}": value.mean() for name, value in hits(ranks).items()}
                cold_hits = hits(new[scale])["HR@10"].mean()
                rows.append(dict(epochs=epoch, scale=scale, cold_HR=cold_hits) | means)
        return {}

    fit(table, rate, protocol.choose, z, max(EPOCHS), seed, device, measure)
    return rows


def by_scale(model, part):
    """Ranks of a part's targets for each of `SCALES`; for a table without id rows of 0 alone.

    Cold films stand in no history, so their logits are linear in the scale, and others do not change. (But
    for a film that was known only as somebody's hidden one. The report calibrates anew.)
    """
    scores = model.score(part.queries)
    if not hasattr(model.items, "cold_scale"):
        return {0.0: ranks_of(scores, part)}
    model.items.calibrate(1.0)
    slope = model.score(part.queries)[:, 1:] - scores[:, 1:]
    model.items.calibrate(0.0)
    slope = np.pad(slope, ((0, 0), (1, 0)))
    return {scale: ranks_of(scores + np.float32(scale) * slope, part) for scale in SCALES}


def report(table, rate, epochs, scales, seed, features, device):
    """Train on the second split; return, for each scale, the ranks of `asked`."""
    _, protocol, z = prepared(features)
    model = fit(table, rate, protocol.report, z, epochs, seed, device)
    found = {}
    for scale in scales:
        if table == "both":
            model.items.calibrate(scale)
        found[scale] = asked(model.score, protocol)
    return found


def asked(score, protocol):
    """Rank warm targets, and the second half's among the cold of this half and in the whole catalogue."""
    warm, cold = protocol.report.test, protocol.parts[1]
    return dict(
        warm=ranks_of(score(warm.queries), warm),
        cold_among_cold=ranks_of(score(cold.queries), cold, protocol.halves[1]),
        cold_among_all=ranks_of(score(cold.queries), cold),
    )


def single(name, seed, features):
    """Scorers without training: a function of queries."""
    dataset, protocol, z = prepared(features)
    items = dataset.items.set_index("item_id").loc[protocol.report.item_ids[1:].tolist()]
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
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    last = 10 if name == "mean of the last ten" else None

    def score(queries):
        people = np.stack([z[history[-last:] if last else history].mean(0) for history in queries.histories])
        return (people @ z.T).astype(np.float32)

    return score


class Judge:
    """Means with intervals over people and seeds, both resampled with replacement."""

    def __init__(self, protocol, n_seeds):
        self.users = dict(warm=protocol.report.test.queries.users)
        self.users |= dict.fromkeys(("cold_among_cold", "cold_among_all"), protocol.parts[1].queries.users)
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


def pick(rows):
    """Choose from the rows of all seeds: epochs, scale and what validation said of them."""
    means = {}
    for key in {(row["epochs"], row["scale"]) for row in rows}:
        same = [row for row in rows if (row["epochs"], row["scale"]) == key]
        means[key] = {name: float(np.mean([row[name] for row in same])) for name in same[0]}
    epochs = max(EPOCHS, key=lambda epochs: means[epochs, 0.0]["warm_NDCG@10"])
    curve = [means[key] for key in sorted(means) if key[0] == epochs]
    enough = [row for row in curve if row["cold_HR"] >= AIM] or curve[-1:]
    return dict(epochs=epochs, scale=enough[0]["scale"], validation=enough[0], curve=curve)


def tail(protocol, groups):
    """HR@10 of warm targets by popularity decile of the films: rows, least popular first."""
    counts = np.bincount(np.concatenate(protocol.report.train.queries.histories))
    warm = np.flatnonzero(counts)
    decile = np.zeros(protocol.report.n_items + 1, int)
    decile[warm[np.argsort(counts[warm], kind="stable")]] = np.arange(len(warm)) * 10 // len(warm) + 1
    wanted = decile[np.concatenate(protocol.report.test.targets)]
    rows = []
    for number in range(1, 11):
        here = wanted == number
        row = dict(
            decile=number,
            n_targets=int(here.sum()),
            most_ratings=int(counts[decile[: len(counts)] == number].max()),
        )
        for name, found in groups.items():
            row[name] = (
                float(np.mean([(each["warm"][here] < 10).mean() for each in found])) if here.any() else 0.0
            )
        rows.append(row)
    return rows


def main():
    """Choose, train afresh, report and record."""
    parser = make_parser(__doc__, "cold_items")
    parser.add_argument(
        "--features", type=lambda path: str(Path(path)), help="Z_I as .npy instead of encoding"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    common, seeds = dict(features=args.features, device=args.device), list(range(args.seeds))
    _, protocol, _ = prepared(args.features)
    models = [("id", 0.0), ("text", 0.0), *(("both", rate) for rate in RATES)]
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        tries = {model: [pool.submit(choose, *model, seed, **common) for seed in seeds] for model in models}
        chosen = {model: pick([row for one in runs for row in one.result()]) for model, runs in tries.items()}
        print(
            {model: how["validation"] | dict(epochs=how["epochs"]) for model, how in chosen.items()},
            flush=True,
        )
        runs = {}
        for model, how in chosen.items():
            todo = partial(report, *model, how["epochs"], sorted({0.0, how["scale"]}))
            runs[model] = [pool.submit(todo, seed, **common) for seed in seeds]
        runs = {model: [one.result() for one in futures] for model, futures in runs.items()}
    judge = Judge(protocol, len(seeds))
    plain = {model: [one[0.0] for one in found] for model, found in runs.items()}
    rows = [
        dict(model=name) | judge.row([asked(single(name, s, args.features), protocol) for s in seeds])
        for name in SINGLE
    ]
    for (table, rate), found in runs.items():
        how = chosen[table, rate]
        for scale in sorted({0.0, how["scale"]}):
            row = dict(
                model=f"SASRec, {table}",
                items=table,
                id_dropout=rate,
                calibration=scale,
                epochs=how["epochs"],
            )
            rows.append(row | judge.row([one[scale] for one in found], plain["id", 0.0]))
    best = max(RATES, key=lambda rate: chosen["both", rate]["validation"]["warm_NDCG@10"])
    groups = dict(
        id=plain["id", 0.0],
        text=plain["text", 0.0],
        both=[one[chosen["both", best]["scale"]] for one in runs["both", best]],
    )
    record(
        args.name,
        args.out,
        title="MovieLens 100K: films that nobody has rated yet",
        protocol=" ".join(__doc__.split("\n\n")[1].split()).replace("AIM", f"{AIM}")
        + " Intervals: 95 % bootstrap over people and seeds, both resampled; differences are paired.",
        seeds=seeds,
        rows=rows,
        settings=dict(
            dropout=DROPOUT, epochs=EPOCHS, length_of_Z=WIDE, rates=RATES, calibrations=SCALES, aim=AIM
        ),
        counts=dict(
            cold=[len(half) for half in protocol.halves],
            queries=[len(part) for part in protocol.parts],
            warm_queries=len(protocol.report.test),
        ),
        chosen_rate=best,
        choice=[dict(items=table, id_dropout=rate) | how for (table, rate), how in chosen.items()],
        tail=tail(protocol, groups),
    )


if __name__ == "__main__":
    main()
