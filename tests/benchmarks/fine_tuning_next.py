"""MovieLens 100K: films that nobody has rated, by MiniLM fine-tuned in full, in part, in low rank, or not.

`splits.cold_items`: the network makes a vector of a text of a person's eight newest warm titles, and one of
each film's text, and learns by in-batch softmax with logQ, temperature .05, which film came next: two
examples a person, drawn from the warm training histories, batches of 24, one epoch. HR@10 among the 67 cold
films of the test half, on all its queries. For each method the learning rate is the one with the highest
HR@10 of seed 0 on 1,500 queries of the validation half. Frozen: the vectors as they come. Training and
scoring in bfloat16 autocast. Intervals of the mean over seeds: 95 % bootstrap over people; over seeds:
t-intervals. Writes book/results/fine_tuning_next.json.

    python tests/benchmarks/fine_tuning_next.py       # about 25 minutes on one core
"""

import numpy as np
import torch
import torch.nn.functional as F
from fine_tuning import RATES, WARMUP, extend, sentences
from recording import make_parser, record, t_interval
from torch import nn

from llmrec_ref import datasets, splits
from llmrec_ref.evaluate import bootstrap, rank_targets
from llmrec_ref.objectives import InBatch
from llmrec_ref.pretrained import Tokenizer, find
from llmrec_ref.pytorch import train
from llmrec_ref.pytorch.bert import Bert, mean_pool
from llmrec_ref.pytorch.lora import count_trained
from llmrec_ref.splits import Queries
from llmrec_ref.text import Template, item_texts, user_texts
from llmrec_ref.text.templates import FILMS

RATES |= {"full": (3e-5, 1e-4, 3e-4)}
LAST, MAX_LEN, BATCH, A_PERSON, TEMPERATURE, N_VALIDATION = 8, 48, 24, 2, 0.05, 1500
WATCHED = Template(item=FILMS.item, before="", nobody="Films")


class Towers(nn.Module):
    """One BERT for both sides; logits are cosines by a temperature."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def vectors(self, token_ids, mask):
        """Vectors of length 1, float32 (B, D)."""
        return F.normalize(mean_pool(self.bert(token_ids, mask), mask).float())

    def forward(self, queries, queries_mask, films, films_mask):
        """Logits (B, B)."""
        return self.vectors(queries, queries_mask) @ self.vectors(films, films_mask).T / TEMPERATURE


class Examples:
    """A text of what a person had watched, and the film that came next."""

    def __init__(self, study, split, seed):
        rng, histories, users, times = np.random.default_rng([seed, 7]), [], [], []
        found = study.events(split)
        self.items = []
        for user, (items, moments) in enumerate(found):
            for place in rng.permutation(np.arange(5, len(items)))[:A_PERSON]:
                histories.append(items[: np.searchsorted(moments, moments[place])])
                if not len(histories[-1]):
                    histories.pop()
                    continue
                users.append(user), times.append(moments[place]), self.items.append(items[place])
        self.items = np.array(self.items)
        self.texts = study.write(Queries(histories, np.array(users), np.array(times)))
        counts = np.bincount(self.items, minlength=split.n_items + 1)
        self.log_q = np.log(np.maximum(counts, 1) / len(self.items)).astype(np.float32)
        self.study = study

    def __len__(self):
        return len(self.items)

    def __getitem__(self, rows):
        queries = self.study.tokenizer([self.texts[row] for row in rows], MAX_LEN)
        films = self.study.tokenizer([self.study.films[item] for item in self.items[rows]], MAX_LEN)
        arrays = dict(
            zip(("queries", "queries_mask", "films", "films_mask"), (*queries, *films), strict=True)
        )
        return arrays | dict(items=self.items[rows], log_q=self.log_q[self.items[rows]])


class Study:
    """The films held out, and everything as texts."""

    def __init__(self):
        self.dataset = datasets.load("ml-100k")
        self.cold = splits.cold_items(self.dataset)
        self.item_ids = self.cold.warm.item_ids
        self.films, self.tokenizer = item_texts(self.dataset, self.item_ids), Tokenizer(find())
        rows = np.sort(np.random.default_rng(0).permutation(len(self.cold.validation))[:N_VALIDATION])
        validation = self.cold.validation
        chosen = splits.Part(
            validation.queries[rows], [validation.targets[row] for row in rows], n_items=validation.n_items
        )
        self.parts = {
            "validation": (chosen, self.cold.validation_items),
            "test": (self.cold.test, self.cold.test_items),
        }
        self.asked = {name: self.write(part.queries) for name, (part, _) in self.parts.items()}

    def events(self, split):
        """Items and times of each person's warm training history."""
        table = self.dataset.interactions
        users = self.dataset.users["user_id"].to_numpy()
        number = {item: n for n, item in enumerate(self.item_ids)}
        cold = {*self.cold.validation_items, *self.cold.test_items}
        histories = dict(zip(split.train.queries.users, split.train.queries.histories, strict=True))
        grouped = table.sort_values("timestamp", kind="stable").groupby("user_id")
        for user, name in enumerate(users):
            rows = grouped.get_group(name)
            items = np.array([number[item] for item in rows["item_id"]])
            warm = np.array([item not in cold for item in items])
            n = len(histories.get(user, []))
            assert np.array_equal(items[warm][:n], histories.get(user, items[:0]))
            yield items[warm][:n], rows["timestamp"].to_numpy()[warm][:n]

    def write(self, queries):
        """The newest titles of each query."""
        return user_texts(self.dataset, queries, self.item_ids, WATCHED, last=LAST, ties="source")

    @torch.no_grad()
    def ranks(self, model, name):
        """Ranks of the targets among the cold films of a half."""
        part, items = self.parts[name]
        model.eval()
        torch.clear_autocast_cache()
        z = np.zeros((part.n_items + 1, 384), np.float32)
        z[items] = self.encode(model, [self.films[item] for item in items])
        users = self.encode(model, self.asked[name])
        row = {id(history): n for n, history in enumerate(part.queries.histories)}

        def score(queries):
            return users[[row[id(history)] for history in queries.histories]] @ z.T

        return rank_targets(score, part, candidates=items)[0]

    def encode(self, model, texts):
        """Vectors of texts, like lengths together."""
        order, found = np.argsort([len(text) for text in texts]), np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            arrays = map(torch.from_numpy, self.tokenizer([texts[row] for row in rows], MAX_LEN))
            found[rows] = model.vectors(*arrays).numpy()
        return found


def fine_tune(study, method, lr, seed):
    """Train for an epoch; return the model and the training loss."""
    bert = Bert.load()
    extend(bert, method, seed)
    model = Towers(bert)
    examples = Examples(study, study.cold.warm, seed)
    done = train.fit(
        model, None, objective=InBatch(examples, batch_size=BATCH), epochs=1, lr=lr, seed=seed, warmup=WARMUP,
        progress=False,
    )  # fmt: skip
    return model, float(done.epochs["loss"].iloc[-1])


def row_of(study, name, ranks, **more):
    """HR@10 in test: mean over seeds, with intervals over people and over seeds."""
    hits = np.stack([each < 10 for each in ranks]).astype(float)
    low, high = bootstrap(hits.mean(axis=0), study.parts["test"][0].queries.users)
    seeds = hits.mean(axis=1).tolist()
    row = dict(name=name, hr=float(hits.mean()), low=float(low), high=float(high), hr_seeds=seeds)
    return row | dict(zip(("hr_mean", "hr_low", "hr_high"), t_interval(seeds), strict=True)) | more


def main():
    """Choose rates, train seeds and record."""
    parser = make_parser(__doc__, "fine_tuning_next")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=list(RATES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with torch.autocast("cpu", torch.bfloat16):
        study, rows, tried = Study(), [], []
        frozen = Towers(Bert.load())
        value = float((study.ranks(frozen, "validation") < 10).mean())
        before = sentences(frozen.bert)
        rows.append(
            row_of(study, "frozen", [study.ranks(frozen, "test")], n_trained=0, validation=value, **before)
        )
        print(rows[-1], flush=True)
        for method in args.methods:
            runs, values = {}, {}
            for lr in RATES[method]:
                runs[lr], loss = fine_tune(study, method, lr, 0)
                values[lr] = float((study.ranks(runs[lr], "validation") < 10).mean())
                tried.append(dict(name=method, lr=lr, validation=values[lr], loss=loss))
                print(tried[-1], flush=True)
            best = max(values, key=values.get)
            models = [runs[best], *(fine_tune(study, method, best, seed)[0] for seed in range(1, args.seeds))]
            after = [sentences(model.bert) for model in models]
            more = {key: float(np.mean([each[key] for each in after])) for key in before}
            more |= dict(lr=best, n_trained=count_trained(models[0]), validation=values[best])
            rows.append(row_of(study, method, [study.ranks(model, "test") for model in models], **more))
            print(rows[-1], flush=True)
    record(
        args.name,
        args.out,
        title="MovieLens 100K: films that nobody has rated, by fine-tuned MiniLM",
        protocol=" ".join(__doc__.split("\n\n")[1].split()),
        seeds=list(range(args.seeds)),
        rows=rows,
        tried=tried,
        settings=dict(
            last=LAST,
            max_len=MAX_LEN,
            batch_size=BATCH,
            a_person=A_PERSON,
            temperature=TEMPERATURE,
            warmup=WARMUP,
        ),
        counts=dict(queries=len(study.parts["test"][0]), films=len(study.parts["test"][1])),
    )


if __name__ == "__main__":
    main()
