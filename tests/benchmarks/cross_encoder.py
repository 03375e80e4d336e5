"""Complete Journey: does MiniLM, fine-tuned on pairs of texts, know which new product a household buys?

Pairs of the slice "new" of `splits.buy_or_not`; fixed draws of training, validation and test. The network
reads `[CLS] product [SEP] household [SEP]`, 48 tokens: a product is its type and category, a household the
types of the products that it bought last, newest first ("newest"); or of those, among all that it ever
bought, whose MiniLM vectors are nearest to the product asked about ("nearest"): then it sees what the
largest cosine sees. One epoch, batches of 32, bfloat16 autocast. The learning rate has the highest AUC in
validation, after training on a third of the pairs. On the test: AUC beside the largest cosine, 95 %
bootstrap over households; threshold, precision and recall; temperature and calibration error; the products
of week 51 that are new to their household, ranked among the first 20 of the popularity of 28 days;
thresholds, curves, calibration and ranking are of the first seed. Last, the proof that the code learns:
does the product's type stand in the text of the household? Writes book/results/cross_encoder.json.

    python tests/benchmarks/cross_encoder.py     # about half an hour on one core
"""

from pathlib import Path

import numpy as np
import torch
from buy_or_not import Recent
from recording import make_parser, record, t_interval
from scipy.special import expit
from sklearn.metrics import classification_report, log_loss, precision_recall_curve

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import Content, Rerank, closeness
from llmrec_ref.evaluate import evaluate
from llmrec_ref.features import encode
from llmrec_ref.metrics import auc, auc_gain, auc_interval, expected_calibration_error, temperature
from llmrec_ref.objectives import Labels
from llmrec_ref.pretrained import Tokenizer, find
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.pytorch.cross_encoder import CrossEncoder
from llmrec_ref.pytorch.losses import labels_loss
from llmrec_ref.text import PairScorer, Template, TextPairs, item_texts, user_texts

RATES = (1e-5, 3e-5, 1e-4)
PARTS = ("train", "validation", "test")
BATCH, LAST, FIRST = 32, 12, 20
STEPS = 56  # of the proof
WORDS = Template(
    item=("{product_type}", ", {product_category}"), event=("{product_type}",), before="", nobody="bought"
)
TYPES = Template(item=WORDS.event)
SIZES = dict(max_len=48, slot=16)


class Watched(Labels):
    """Labels, and the loss of each step."""

    def __init__(self, train):
        super().__init__(train, batch_size=BATCH)
        self.losses = []

    def loss(self, model, batch):
        """Keep the loss."""
        value = labels_loss(model, batch)
        self.losses.append(value.item())
        return value


class Study:
    """Fixed draws of pairs, and how a network reads them."""

    def __init__(self, sizes, cache=None):
        self.dataset = splits.products_only(datasets.load("complete-journey"))
        self.split, self.pairs = splits.buy_or_not(self.dataset), {}
        self.tokenizer, ids = Tokenizer(find()), self.split.item_ids
        self.products, self.types = (item_texts(self.dataset, ids, each) for each in (WORDS, TYPES))
        self.vectors = encode(item_texts(self.dataset, ids), Encoder(), cache, padding=True)
        for seed, name in enumerate(PARTS):
            part = getattr(self.split, name)
            drawn = np.random.default_rng(seed).permutation(np.flatnonzero(part.slices == "new"))
            self.pairs[name] = part[drawn[: sizes[name]]]
        self.cosine = closeness(self.pairs["test"], self.vectors)["nearest"].to_numpy()

    def write(self, queries):
        """Households as texts, the newest product first."""
        return user_texts(self.dataset, queries, self.split.item_ids, WORDS, last=LAST)

    def read(self, reading, name, n=None):
        """Return the first n pairs of a part, which are in an order drawn at random, as `TextPairs`."""
        pairs = self.pairs[name][:n]
        if reading == "newest":
            asked, rows = np.unique(pairs.rows, return_inverse=True)
            texts = self.write(pairs.queries[asked])
        else:
            rows, texts = np.arange(len(pairs)), self.nearest(pairs)
        return self.lay_out(texts, pairs.items, rows, pairs.labels)

    def lay_out(self, texts, items, rows, labels):
        """Return `TextPairs` of products and households."""
        return TextPairs(self.tokenizer, self.products, texts, items, rows, labels, **SIZES)

    def nearest(self, pairs):
        """Write for each pair the types of what the household bought that is most like the product."""
        texts = []
        for row, item in zip(pairs.rows, pairs.items, strict=True):
            bought = np.unique(pairs.queries.histories[row])
            order = bought[np.argsort(-self.vectors[bought] @ self.vectors[item], kind="stable")]
            types = list(dict.fromkeys(self.types[other] for other in order[:200]))
            texts.append(f"{WORDS.nobody}. {'; '.join(types[:LAST])}.")
        return texts

    def in_text(self, name, n, seed):
        """Pairs for the proof: half of the products are of a type in the first three of the text."""
        rng, queries = np.random.default_rng(seed), getattr(self.split, name).queries
        queries = queries[rng.permutation(len(queries))[:n]]
        texts = self.write(queries)
        shown = [text.partition(". ")[2].rstrip(".").split("; ") for text in texts]
        items = np.array([rng.choice(self.known(queries, row, shown[row][:3])) for row in range(len(texts))])
        # a no: what stands in the text of another household, and not in this one's
        labels = (np.arange(len(texts)) % 2).astype(np.float32)
        drawn = rng.permutation(items)
        for row in np.flatnonzero(labels == 0):
            others = (item for item in rng.permutation(drawn) if self.types[item] not in shown[row])
            items[row] = next(others)
        return self.lay_out(texts, items, np.arange(len(texts)), labels)

    def known(self, queries, row, types):
        """The items of a history that are of some types."""
        newest = queries.histories[row][-LAST:]
        return [item for item in newest if self.types[item] in types]


def fine_tune(pairs, lr, seed):
    """Train for an epoch; return the model and the loss of each step."""
    model, objective = CrossEncoder.load(seed=seed), Watched(pairs)
    settings = dict(epochs=1, lr=lr, seed=seed, warmup=10, progress=False)
    train.fit(model, None, objective=objective, **settings)
    return model, objective.losses


def choose(pairs, held_out):
    """Return AUC in validation by learning rate."""
    found = {}
    for lr in RATES:
        found[lr] = float(auc(fine_tune(pairs, lr, 0)[0].score_pairs(held_out), held_out.labels))
        print(f"lr {lr:g}: {found[lr]:.3f}", flush=True)
    return found


def report(scores, labels):
    """Precision, recall, F1 and accuracy at thresholds that validation chose, and the curves."""
    p = {name: expit(scores[name]) for name in scores}
    precision, recall, thresholds = precision_recall_curve(labels["validation"], p["validation"])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    order = np.argsort(-p["validation"], kind="stable")
    yes = labels["validation"][order]
    right = np.cumsum(yes) + (yes == 0).sum() - np.cumsum(1 - yes)
    chosen = {
        "half": 0.5,
        "best F1": float(thresholds[f1[:-1].argmax()]),
        "best accuracy": float(p["validation"][order][right.argmax()]),
    }
    rows = []
    for name, threshold in chosen.items():
        found = classification_report(
            labels["test"], p["test"] >= threshold, output_dict=True, zero_division=0
        )
        row = dict(threshold=name, value=threshold, accuracy=found["accuracy"])
        for label in ("0.0", "1.0"):
            kind = "yes" if label == "1.0" else "no"
            row |= {f"{kind} {key}": found[label][key] for key in ("precision", "recall", "f1-score")}
        rows.append(row | {"share yes": float(np.mean(p["test"] >= threshold))})
    return rows


def curve(scores, labels, points=50):
    """Precision at recalls from 1 / points to 1."""
    precision, recall, _ = precision_recall_curve(labels, scores)
    recalls = np.arange(1, points + 1) / points
    places = len(recall) - 1 - np.searchsorted(recall[::-1], recalls)
    return [[float(r), float(p)] for r, p in zip(recalls, precision[places], strict=True)]


def calibrate(scores, labels):
    """Calibration error and nats of the test, before and after the temperature of validation."""
    found = []
    t = float(temperature(scores["validation"], labels["validation"]))
    for name, divisor in (("before", 1.0), ("after", t)):
        p = expit(scores["test"].astype(float) / divisor)
        error = expected_calibration_error(p, labels["test"])
        nats = float(log_loss(labels["test"], p))
        found.append(dict(when=name, temperature=divisor, ece=error, nats=nats))
    return found


def measure(study, reading, seeds, n_tune):
    """Train and test one way of reading: rows, what else is recorded, and the first seed's model."""
    rates = choose(study.read(reading, "train", n_tune), study.read(reading, "validation", 2000))
    pairs = {name: study.read(reading, name) for name in PARTS}
    labels = {name: pairs[name].labels for name in PARTS}
    lr, users = max(rates, key=rates.get), study.pairs["test"].users
    rows, more = [], dict(rates={str(rate): value for rate, value in rates.items()}, losses=[])
    for seed in reversed(range(seeds)):  # the first is looked at below
        model, losses = fine_tune(pairs["train"], lr, seed)
        scores = {name: model.score_pairs(pairs[name]) for name in PARTS[1:]}
        row = dict(name=f"cross-encoder, {reading}", seed=seed, lr=lr)
        row["auc"], row["validation"] = (
            float(auc(scores[name], labels[name])) for name in ("test", "validation")
        )
        row["low"], row["high"] = map(float, auc_interval(scores["test"], labels["test"], users))
        gain = map(float, auc_gain(scores["test"], study.cosine, labels["test"], users))
        rows.append(row | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True)))
        print(rows[-1], flush=True)
        more["losses"].append([float(np.mean(part)) for part in np.array_split(losses, min(15, len(losses)))])
    mean = [float(value) for value in t_interval([row["auc"] for row in rows])]
    more["mean"] = dict(zip(("auc", "low", "high"), mean, strict=True))
    more["report"], more["calibration"] = report(scores, labels), calibrate(scores, labels)
    more["curve"] = curve(scores["test"], labels["test"])
    return rows[::-1], more, model


def rank(study, model, n):
    """Rank new products of the test week: popularity, and its first twenty by other models."""
    week = study.split.ranking
    part, _ = splits.by_novelty(week.test)
    kept = np.sort(np.random.default_rng(0).permutation(len(part))[:n])
    part = splits.Part(part.queries[kept], [part.targets[row] for row in kept], part.repeats, part.n_items)
    first = Recent(study.dataset, study.split.item_ids)
    reader = PairScorer(model, study.tokenizer, study.products, study.write, **SIZES)
    cosine = Content(study.vectors, None).fit(week)
    models = {"popularity of 28 days": first}
    for name, second in (("cross-encoder", reader), ("MiniLM cosine", cosine)):
        models[f"popularity, then {name}"] = Rerank(first, second, FIRST, filter_seen=True)
    rows = []
    for name, each in models.items():
        found = evaluate(each, part, ks=(10, FIRST), filter_seen=True, ci=True).iloc[0]
        columns = ("HR@10", "HR@10_low", "HR@10_high", "NDCG@10", f"Recall@{FIRST}", "n_queries")
        rows.append(dict(name=name) | {column: float(found[column]) for column in columns})
        print(rows[-1], flush=True)
    return rows


def prove(study, seeds, n_test):
    """AUC of "is its type in the text?" after 56 steps, for each seed."""
    held_out = study.in_text("validation", n_test, 0), study.in_text("test", n_test, 0)
    pairs = study.in_text("train", STEPS * BATCH, 0)
    rates = choose(pairs, held_out[0])
    lr, values = max(rates, key=rates.get), []
    for seed in range(seeds):
        model, losses = fine_tune(pairs, lr, seed)
        values.append(float(auc(model.score_pairs(held_out[1]), held_out[1].labels)))
        print("proof", values[-1], flush=True)
    mean = dict(zip(("auc", "low", "high"), map(float, t_interval(values)), strict=True))
    rates = {str(rate): value for rate, value in rates.items()}
    return mean | dict(seeds=values, steps=len(losses), lr=lr, rates=rates, n_test=len(held_out[1]))


@torch.autocast("cpu", torch.bfloat16)
def main():
    """Measure and record."""
    parser = make_parser(__doc__, "cross_encoder")
    for name, default in (("train", 12_000), ("validation", 5_000), ("test", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help="pairs")
    parser.add_argument("--households", type=int, default=300, help="whose products are ranked")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="a folder that keeps the texts' vectors")
    args = parser.parse_args()
    study = Study({name: getattr(args, name) for name in PARTS}, args.cache)
    proof = prove(study, args.seeds, min(1000, args.validation))
    rows, more, model = measure(study, "newest", args.seeds, args.train // 3)
    ranking = rank(study, model, args.households)
    nearest, more_nearest, _ = measure(study, "nearest", 1, args.train // 3)
    labels, users = study.pairs["test"].labels, study.pairs["test"].users
    low, high = map(float, auc_interval(study.cosine, labels, users))
    cosine = dict(name="largest cosine", auc=float(auc(study.cosine, labels)), low=low, high=high)
    record(
        args.name,
        args.out,
        title="Complete Journey: a cross-encoder on new products",
        protocol=" ".join(__doc__.split("\n\n")[1].split()),
        seeds=list(range(args.seeds)),
        rows=[cosine, *rows, *nearest],
        newest=more,
        nearest=more_nearest,
        cosine_curve=curve(study.cosine, labels),
        ranking=ranking,
        proof=proof,
        sizes={name: len(pairs) for name, pairs in study.pairs.items()},
        n_households=len(np.unique(users)),
        example=[
            study.products[study.pairs["test"].items[0]],
            study.write(study.pairs["test"].queries[[0]])[0],
        ],
    )


if __name__ == "__main__":
    main()
