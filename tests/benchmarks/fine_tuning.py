"""MovieLens 100K: like or not, by MiniLM fine-tuned in full, in part, in low rank, with adapters, or frozen.

Pairs of `splits.like_or_not`, parts by time; a cross-encoder reads `[CLS] film [SEP] newest ratings [SEP]`,
48 tokens, one epoch in batches of 32. For each method the learning rate is the one with the highest AUC of
seed 0 in validation. Frozen: logistic regression on the mean of the hidden states of the same input, and on
(z_u, z_i, z_u * z_i), the penalty chosen on validation. Training and scoring in bfloat16 autocast; seconds
a step and memory are of float32, one thread. Intervals of the seeds' mean score: 95 % bootstrap over
people; over seeds: t-intervals. Writes book/results/fine_tuning.json.

    python tests/benchmarks/fine_tuning.py       # about 30 minutes on one core
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from recording import make_parser, record, t_interval
from sklearn.linear_model import LogisticRegression

from llmrec_ref import datasets, splits
from llmrec_ref.features import encode
from llmrec_ref.metrics import auc, auc_interval
from llmrec_ref.objectives import Labels
from llmrec_ref.pretrained import Tokenizer, find
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert import Encoder, mean_pool
from llmrec_ref.pytorch.cross_encoder import CrossEncoder
from llmrec_ref.pytorch.lora import add_adapters, add_lora, freeze
from llmrec_ref.text import OPINIONS, TextPairs, item_texts, user_texts

RATES = {
    "full": (1e-5, 3e-5, 1e-4),
    "last layer": (3e-5, 1e-4, 3e-4),
    "LoRA 2": (3e-4, 1e-3, 3e-3),
    "LoRA 8": (3e-4, 1e-3, 3e-3),
    "LoRA 32": (3e-4, 1e-3, 3e-3),
    "adapters 16": (3e-4, 1e-3, 3e-3),
}
PENALTIES = 10.0 ** np.arange(-4, 3)
MAX_LEN, SLOT, LAST = 48, 16, 12
BATCH, WARMUP = 32, 10
# Sentences that mean the same, in pairs; those of different pairs have nothing to do with each other.
PARAPHRASES = [
    ("The train to the coast was late again.", "Once more the coastal train did not come on time."),
    ("She planted three apple trees behind the house.", "Behind her home she put in a trio of apple trees."),
    ("The court postponed its decision until March.", "Judges will not rule before March."),
    ("Water boils at a lower temperature on a mountain.", "High up, water needs less heat to boil."),
    ("He repaired the bicycle with a piece of wire.", "With a bit of wire he mended the bike."),
    ("The orchestra tuned its instruments.", "The musicians made sure that they were in tune."),
    ("Prices of wheat fell after the harvest.", "Once the crop was in, wheat became cheaper."),
    ("My neighbour keeps bees on the roof.", "There are beehives on top of the house next door."),
    ("The goalkeeper saved the penalty.", "The penalty was stopped by the keeper."),
    ("Their passports had expired in spring.", "Since spring their passports were no longer valid."),
    ("The bakery sells out before nine o'clock.", "By nine in the morning the baker has nothing left."),
    ("A storm tore the roof off the barn.", "The barn lost its roof in a gale."),
    ("The vaccine must be kept below five degrees.", "Store the vaccine colder than five degrees."),
    ("They painted the kitchen yellow.", "The kitchen is yellow now: they have painted it."),
    ("The river froze for the first time in years.", "After many years there was ice on the river again."),
    ("Our printer has run out of ink.", "There is no ink left in the printer."),
]


class Study:
    """The pairs as the network reads them, and as two texts apart."""

    def __init__(self, dataset, n_train=None):
        self.pairs = splits.like_or_not(dataset)
        films = item_texts(dataset, self.pairs.item_ids)
        tokenizer = Tokenizer(find())
        self.texts, self.parts, self.people = films, {}, {}
        for name in ("train", "validation", "test"):
            part = getattr(self.pairs, name)
            if name == "train" and n_train:
                part = part[np.random.default_rng(0).permutation(len(part))[:n_train]]
            people = user_texts(dataset, part.queries, self.pairs.item_ids, OPINIONS, last=LAST)
            self.people[name] = part, people
            sizes = dict(max_len=MAX_LEN, slot=SLOT)
            self.parts[name] = TextPairs(
                tokenizer, films, people, part.items, part.rows, part.labels, **sizes
            )

    def labels(self, name):
        """0 and 1 of a part."""
        return self.parts[name].labels


def extend(bert, method, seed):
    """Leave those weights of a BERT trained that a method trains."""
    kind, _, size = method.partition(" ")
    if kind == "LoRA":
        add_lora(bert, int(size), seed=seed)
    elif kind == "adapters":
        add_adapters(bert, int(size), seed=seed)
    elif kind == "last":
        freeze(bert, ["blocks.5"])


def prepare(method, seed):
    """Return a fresh cross-encoder of which a method trains some weights, and the head."""
    model = CrossEncoder.load(seed=seed)
    extend(model.bert, method, seed)
    return model


def fine_tune(study, method, lr, seed):
    """Train for an epoch; return scores of validation and test, the model, and the training loss."""
    model = prepare(method, seed)
    objective = Labels(study.parts["train"], batch_size=BATCH)
    with torch.autocast("cpu", torch.bfloat16):
        done = train.fit(
            model, None, objective=objective, epochs=1, lr=lr, seed=seed, warmup=WARMUP, progress=False
        )
        scores = {name: model.score_pairs(study.parts[name]) for name in ("validation", "test")}
    return scores, model, float(done.epochs["loss"].iloc[-1])


@torch.no_grad()
def sentences(bert):
    """How alike unrelated sentences are, and how often a sentence's nearest is its paraphrase."""
    tokenizer = Tokenizer(find())
    texts = [text for pair in PARAPHRASES for text in pair]
    token_ids, mask = map(torch.from_numpy, tokenizer(texts))
    z = F.normalize(mean_pool(bert.eval()(token_ids, mask), mask)).numpy()
    cosine, pair = z @ z.T, np.arange(len(texts)) // 2
    itself, together = np.eye(len(texts), dtype=bool), pair[:, None] == pair
    nearest = np.where(itself, -2, cosine).argmax(axis=1)
    return dict(
        unrelated=float(cosine[~together].mean()),
        paraphrases=float(cosine[together & ~itself].mean()),
        nearest_is_paraphrase=float((pair[nearest] == pair).mean()),
    )


def frozen_inputs(study):
    """Features of each part without training: of the pair read together, and of two texts apart."""
    model, encoder = CrossEncoder.load().eval(), Encoder()
    z_i = encode(study.texts, encoder, padding=True, progress=False)
    found = {"read together": {}, "two vectors": {}}
    for name, (part, people) in study.people.items():
        pooled = []
        with torch.no_grad():
            for start in range(0, len(part), 64):
                batch = study.parts[name][np.arange(start, min(start + 64, len(part)))]
                arrays = (torch.from_numpy(batch[key]) for key in ("token_ids", "mask", "segments"))
                token_ids, mask, segments = arrays
                pooled.append(mean_pool(model.bert(token_ids, mask, segments), mask).numpy())
        found["read together"][name] = np.concatenate(pooled)
        u, i = encode(people, encoder, progress=False)[part.rows], z_i[part.items]
        found["two vectors"][name] = np.hstack([u, i, u * i])
    return found


def logistic(study, inputs):
    """Choose the penalty on validation; return scores of validation and test, and the penalty."""
    # MiniLM has a dead dimension: dividing by its deviation would make noise of it
    centre, spread = inputs["train"].mean(0), np.maximum(inputs["train"].std(0), 1e-6)
    scaled = {name: (array - centre) / spread for name, array in inputs.items()}
    tried = {}
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(scaled["train"], study.labels("train"))
        scores = {name: model.decision_function(scaled[name]) for name in ("validation", "test")}
        tried[penalty] = auc(scores["validation"], study.labels("validation")), scores
    best = max(tried, key=lambda penalty: tried[penalty][0])
    return tried[best][1], float(best)


def means(dataset, study):
    """Item mean, and with the person's, of ratings before the 80 % quantile; shrunk, as counts are small."""
    table = dataset.interactions.sort_values("timestamp", kind="stable")
    table = table[table["timestamp"] < table["timestamp"].quantile(0.8)]
    liked = (table["rating"] > 3).astype(float)
    overall = liked.mean()
    sums = (liked - overall).groupby(table["item_id"]).agg(["sum", "size"])
    item = sums["sum"] / (sums["size"] + 10)
    of_item = item.reindex(study.pairs.item_ids[1:].tolist()).fillna(0).to_numpy()
    of_item = np.concatenate([[0], of_item])
    scores = {"item mean": {}, "item and person mean": {}}
    for name in ("validation", "test"):
        part, _ = study.people[name]
        person = []
        for history, ratings in zip(part.queries.histories, part.ratings, strict=True):
            rest = (np.asarray(ratings) > 3) - overall - of_item[history]
            person.append(rest.sum() / (len(history) + 10))
        scores["item mean"][name] = of_item[part.items]
        scores["item and person mean"][name] = of_item[part.items] + np.array(person)[part.rows]
    return scores


def row_of(study, name, scores, **more):
    """AUC of the mean score over seeds, with its interval over people; of each seed; of validation."""
    part, _ = study.people["test"]
    labels, users = study.labels("test"), part.queries.users[part.rows]
    mean = np.mean([each["test"] for each in scores], axis=0)
    low, high = auc_interval(mean, labels, users)
    seeds = [float(auc(each["test"], labels)) for each in scores]
    row = dict(
        name=name, auc_of_mean=float(auc(mean, labels)), low=float(low), high=float(high), auc_seeds=seeds
    )
    row |= zip(("auc", "auc_low", "auc_high"), t_interval(seeds), strict=True)
    chosen = [float(auc(each["validation"], study.labels("validation"))) for each in scores]
    return row | dict(validation=float(np.mean(chosen))) | more


def measure(method, steps):
    """Seconds a step and peak memory of a method, in a process of its own."""
    command = [sys.executable, __file__, "--measure", method, "--steps", str(steps)]
    return json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )


def measure_here(method, steps):
    """Train some steps on random tokens; print a JSON line."""
    model, rng = prepare(method, 0), np.random.default_rng(0)
    batch = dict(
        token_ids=torch.from_numpy(rng.integers(1000, 20000, (BATCH, MAX_LEN))),
        mask=torch.ones(BATCH, MAX_LEN, dtype=torch.bool),
        segments=torch.from_numpy(np.tile(np.arange(MAX_LEN) >= SLOT, (BATCH, 1)).astype(np.int64)),
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    seconds = []
    for _ in range(steps):
        clock = time.perf_counter()
        loss = model.train()(**batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - clock)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    count = sum(weight.numel() for weight in trained)
    print(json.dumps(dict(seconds_a_step=float(np.median(seconds)), gigabytes=gigabytes, n_trained=count)))


def main():
    """Choose rates, train seeds, measure and record."""
    parser = make_parser(__doc__, "fine_tuning")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, help="fewer for training: a try")
    parser.add_argument("--methods", nargs="*", default=list(RATES))
    parser.add_argument("--measure", help="time one method, and nothing else")
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.measure:
        return measure_here(args.measure, args.steps)
    dataset = datasets.load("ml-100k")
    study = Study(dataset, args.pairs)
    costs = {method: measure(method, args.steps) for method in args.methods}
    rows, tried = [], []
    rows += [row_of(study, name, [scores], n_trained=0) for name, scores in means(dataset, study).items()]
    before = sentences(CrossEncoder.load().bert)
    for name, inputs in frozen_inputs(study).items():
        scores, penalty = logistic(study, inputs)
        count = inputs["train"].shape[1] + 1
        rows.append(row_of(study, f"frozen, {name}", [scores], n_trained=count, lr=penalty, **before))
    for method in args.methods:
        runs, values = {}, {}
        for lr in RATES[method]:
            runs[lr] = fine_tune(study, method, lr, 0)
            values[lr] = float(auc(runs[lr][0]["validation"], study.labels("validation")))
            tried.append(dict(name=method, lr=lr, validation=values[lr], loss=runs[lr][2]))
            print(tried[-1], flush=True)
        best = max(values, key=values.get)
        chosen = [runs[best], *(fine_tune(study, method, best, seed) for seed in range(1, args.seeds))]
        after = [sentences(model.bert) for _, model, _ in chosen]
        forgotten = {key: float(np.mean([each[key] for each in after])) for key in before}
        rows.append(row_of(study, method, [run[0] for run in chosen], lr=best, **costs[method], **forgotten))
        print(rows[-1], flush=True)
    record(
        args.name,
        args.out,
        title="MovieLens 100K: like or not, by fine-tuned MiniLM",
        protocol=" ".join(__doc__.split("\n\n")[1].split()),
        seeds=list(range(args.seeds)),
        rows=rows,
        tried=tried,
        sizes={name: len(part) for name, part in study.parts.items()},
        likes={name: float(study.labels(name).mean()) for name in study.parts},
        settings=dict(max_len=MAX_LEN, slot=SLOT, last=LAST, batch_size=BATCH, epochs=1, warmup=WARMUP),
    )


if __name__ == "__main__":
    main()
