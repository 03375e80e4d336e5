"""What chapter II.4 says of BERT4Rec on MovieLens 100K, seed by seed, in PyTorch.

Writes book/results/bert4rec_claims.json. Two settings: ``live`` is what the chapter trains itself, ``long``
is what ml100k.json records. In each, of one seed: BERT4Rec; the same model asked without its mask; BERT4Rec
trained with another film hidden wherever the newest would be, so with as many targets; SASRec. All share
the seed's split, the first two trainings also initial weights and batches: differences are taken seed by
seed.

    python tests/benchmarks/bert4rec_claims.py          # after ml100k.py; about 15 minutes on one core
"""

import json
from functools import partial

import numpy as np
import torch
from ml100k import BATCH_SIZE, METRICS, RATES, workers
from recording import ROOT, make_parser, record, t_interval
from scipy.special import log_softmax
from scipy.stats import rankdata

from llmrec_ref import datasets, splits
from llmrec_ref.evaluate import evaluate
from llmrec_ref.objectives import Cloze, NextItem
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert4rec import BERT4Rec
from llmrec_ref.pytorch.sasrec import SASRec

LIVE = dict(sizes=dict(max_len=20, dropout=0.1), lr=4e-3, epochs=dict(BERT4Rec=20, SASRec=20))
PEOPLE = 100  # whose histories fill the model, for attention and effects
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the other films, hidden too
PROTOCOL = (
    "last film of each of 943 people, ranked among all 1,682; trained on all but that, for the epochs of the "
    "chapter (live) or of ml100k.json (long); intervals are 95 % t-intervals over seeds; a difference is "
    "taken within a seed"
)


class NeverTheNewest(Cloze):
    """Cloze that never asks for the newest film: another one is hidden in its place."""

    def batches(self, windows, batch_size, rng):
        """Make the batches of `Cloze` and exchange what is hidden."""
        batches = super().batches(windows, batch_size, rng)
        draw = np.random.default_rng(0)  # its own, so that the batches stay those of BERT4Rec
        for inputs, targets in batches:
            for row in np.flatnonzero(targets[:, -1]):
                seen = np.flatnonzero((inputs[row] > 0) & (targets[row] == 0))
                inputs[row, -1], targets[row, -1] = targets[row, -1], 0
                if len(seen):  # else all were hidden: none is left to exchange with
                    other = draw.choice(seen)
                    inputs[row, other], targets[row, other] = self.mask, inputs[row, other]
        return batches


class Counted:
    """An objective that counts the targets of all batches it makes."""

    def __init__(self, objective):
        self.objective, self.windows, self.n_targets = objective, objective.windows, 0

    def batches(self, windows, batch_size, rng):
        """Make an epoch's batches and count."""
        batches = self.objective.batches(windows, batch_size, rng)
        self.n_targets += sum(int((targets > 0).sum()) for _, targets in batches)
        return batches


def without_mask(model):
    """Return a copy of the model whose answer is read off the newest film."""
    careless = type(model)(**model.config)
    careless.load_state_dict(model.state_dict())
    careless.objective = NextItem(model.config["max_len"])
    return careless


def loss_of(logits, targets):
    """Return -ln p of each target, (B,), for logits (B, n_items + 1)."""
    return -log_softmax(logits[:, 1:].astype(float), axis=1)[np.arange(len(targets)), targets - 1]


def quality(model, split):
    """Return a model's metrics and loss on the last film, and the least loss that a temperature gives it."""
    logits, targets = model.score(split.test.queries), np.concatenate(split.test.targets)
    scaled = [loss_of(logits * scale, targets).mean() for scale in np.arange(0.1, 1.55, 0.05)]
    found = evaluate(lambda queries: model.score(queries), split.test)[METRICS].iloc[0].to_dict()
    return found | dict(nats=loss_of(logits, targets).mean(), nats_scaled=min(scaled))


@torch.no_grad()
def last_logits(model, inputs):
    """Return float32 (B, n_items + 1), read off the last place of int64 (B, L)."""
    states = [model.eval().encode(part)[:, -1] for part in torch.from_numpy(inputs).split(500)]
    return model.logits(torch.cat(states)).numpy()


def hiding_more(model, split):
    """Return the loss on the last film when a share of the others is hidden too."""
    rng, found = np.random.default_rng(0), {}
    question = model.objective.question(split.test.queries.histories)
    targets = np.concatenate(split.test.targets)
    for share in SHARES:
        hidden = (rng.random(question.shape) < share) & (question > 0)
        logits = last_logits(model, np.where(hidden, split.n_items + 1, question))
        found[f"nats with {share:.2f} hidden"] = loss_of(logits, targets).mean()
    return found


@torch.no_grad()
def mask_competes(model, split):
    """Return the share of people with the mask among their first ten and hundred, if its row took part."""
    states = model.encode(torch.from_numpy(model.objective.question(split.test.queries.histories)))[:, -1]
    whole = (states @ model.items.weight.T)[:, 1:]
    ahead = (whole[:, :-1] > whole[:, -1:]).sum(dim=1).numpy()
    return {f"mask in first {k}": float((ahead < k).mean()) for k in (10, 100)}


@torch.no_grad()
def attention_weights(model, inputs):
    """Return the last token's weights, (layers, B, L), of a model with one head."""
    found = []

    def look(layer, given, output):
        x, visible = given
        q, k, _ = layer.qkv(x).chunk(3, dim=-1)
        logits = q @ k.mT / q.shape[-1] ** 0.5
        found.append(logits.masked_fill(~visible[:, 0], -torch.inf).softmax(dim=-1)[:, -1])

    hooks = [block.attention.register_forward_hook(look) for block in model.blocks]
    model.eval().encode(torch.from_numpy(inputs))
    for hook in hooks:
        hook.remove()
    return torch.stack(found).numpy()


def effects(model, questions):
    """Return what hiding each film does to the first item's log-probability, (B, L - 1)."""
    L, mask = questions.shape[1], questions[0, -1]
    hidden = np.where(np.eye(L, dtype=bool)[:-1], mask, questions[:, None])  # (B, L - 1, L)
    best = last_logits(model, questions).argmax(axis=1)
    whole = -loss_of(last_logits(model, questions), best)
    without = -loss_of(last_logits(model, hidden.reshape(-1, L)), np.repeat(best, L - 1))
    return whole[:, None] - without.reshape(len(questions), L - 1)


def rank_correlation(a, b):
    """Return Spearman's correlation of each row of a with the same row of b, (B,)."""
    a, b = (rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def explanation(model, split):
    """Return how well attention, and recency alone, order the films by the size of their effect."""
    length = model.config["max_len"] - 1
    full = [history for history in split.test.queries.histories if len(history) >= length][:PEOPLE]
    questions = model.objective.question(full)
    size, layers = np.abs(effects(model, questions)), attention_weights(model, questions)[:, :, :-1]
    guesses = {"layer 1": layers[0], "layer 2": layers[1], "both layers": layers.mean(axis=0)}
    guesses["recency"] = np.broadcast_to(np.arange(float(length)), size.shape)
    found = {}
    for name, guess in guesses.items():
        found[f"correlation of {name}"] = rank_correlation(guess, size).mean()
        found[f"{name} names the largest"] = (guess.argmax(axis=1) == size.argmax(axis=1)).mean()
    for name in ("layer 1", "both layers"):
        found[f"{name} minus recency"] = found[f"correlation of {name}"] - found["correlation of recency"]
    return found


def minus(a, b):
    """Return the differences of what two dicts share."""
    return {key: a[key] - b[key] for key in a if key in b}


def run(dataset, setting, seed):
    """Train and measure one seed; return {subject: {measure: number}}."""
    split = splits.leave_one_out(dataset, validation=False, seed=seed)
    found, models = {}, {"BERT4Rec": BERT4Rec, "never the newest": BERT4Rec, "SASRec": SASRec}
    for name, kind in models.items():
        model = kind(split.n_items, **setting["sizes"], seed=seed)
        own = model.objective
        objective = Counted(NeverTheNewest(**vars(own)) if name == "never the newest" else own)
        epochs, lr = setting["epochs"][kind.__name__], setting["lr"]
        options = dict(lr=lr, batch_size=BATCH_SIZE, seed=seed, progress=False)
        history = train.fit(model, split, objective=objective, epochs=epochs, **options)
        found[name] = quality(model, split) | dict(training_nats=history.epochs["loss"].iloc[-1])
        if name != "SASRec":
            found[name] |= dict(n_targets=objective.n_targets)
            found[f"{name} without mask"] = quality(without_mask(model), split)
        if name == "BERT4Rec":
            found[name] |= hiding_more(model, split) | mask_competes(model, split)
            found[name] |= explanation(model, split)
    for a, b in (
        ("BERT4Rec without mask", "BERT4Rec"),
        ("never the newest without mask", "never the newest"),
        ("never the newest", "BERT4Rec"),
        ("SASRec", "BERT4Rec"),
    ):
        found[f"{a} minus {b}"] = minus(found[a], found[b])
    return found


def tidy(name, runs):
    """Return a row for each subject and measure, of one setting's runs."""
    rows = []
    for subject, measures in runs[0].items():
        for measure in measures:
            values = [float(each[subject][measure]) for each in runs]
            row = dict(setting=name, subject=subject, measure=measure)
            row |= zip(("value", "value_low", "value_high"), t_interval(values), strict=True)
            rows.append(
                row | dict(value_seeds=values, above_0=sum(value > 0 for value in values), n=len(runs))
            )
    return rows


def main():
    """Run everything; record what is there after each setting."""
    parser = make_parser(__doc__, "bert4rec_claims")
    parser.add_argument("--epochs", type=int, help="for each model: a try, no measurement")
    parser.add_argument("--seeds", type=int, default=8, help="live")
    parser.add_argument("--long-seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, help="at a time; as many as there are cores if not said")
    args = parser.parse_args()
    full = json.loads((ROOT / "book" / "results" / "ml100k.json").read_text(encoding="utf-8"))["settings"]
    chosen = {name: full["epochs"][name] for name in ("BERT4Rec", "SASRec")}
    settings = dict(live=LIVE, long=dict(sizes={}, lr=RATES["BERT4Rec"], epochs=chosen))
    if args.epochs:
        settings = {
            name: setting | dict(epochs=dict.fromkeys(chosen, args.epochs))
            for name, setting in settings.items()
        }
    dataset, rows = datasets.load("ml-100k"), []
    seeds = dict(live=list(range(args.seeds)), long=list(range(args.long_seeds)))
    with workers(processes=args.processes) as pool:
        for name, setting in settings.items():
            rows += tidy(name, list(pool.map(partial(run, dataset, setting), seeds[name])))
            record(
                args.name,
                args.out,
                title="What BERT4Rec's chapter claims, seed by seed",
                protocol=PROTOCOL,
                seeds=seeds["live"],
                rows=rows,
                settings=settings | dict(seeds=seeds, people=PEOPLE, batch_size=BATCH_SIZE),
            )


if __name__ == "__main__":
    main()
