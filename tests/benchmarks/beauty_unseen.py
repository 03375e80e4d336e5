"""Amazon Beauty: test targets that never occur in training, and what leaving them out is worth.

A model of item numbers cannot know an item that it never saw in training. Some published evaluations leave
such targets out. Counted for both trainings of beauty.py, on all but the last two items of each person and,
refitted, on all but the last; Markov and EASE are measured on all targets and on those that remain. Writes
book/results/beauty_unseen.json.

    python tests/benchmarks/beauty_unseen.py          # a minute
"""

from dataclasses import replace

import numpy as np
from beauty import EASE_L2
from ml100k import METRICS
from recording import make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, Markov
from llmrec_ref.evaluate import evaluate, rank_targets

PROTOCOL = (
    "the split of beauty.py; a target is unseen if its item is in no training history; hits: unseen targets "
    "in the first ten; factor: all targets over those seen, by which a mean grows when misses are left out"
)


def unseen_targets(split):
    """Return bool (queries,): whether the test target is in no training history."""
    known = splits.flatten(split.train.queries.histories)[0]
    return ~np.isin(np.concatenate(split.test.targets), known)


def measure(model, split, unseen):
    """Return HR@10 and NDCG@10 on all targets and on the seen ones, and the hits among the others."""
    kept = np.flatnonzero(~unseen)
    queries, targets = split.test.queries, split.test.targets
    part = replace(split.test, queries=queries[kept], targets=[targets[i] for i in kept])
    ranks, _ = rank_targets(model, split.test)
    row = evaluate(model, split.test, ks=(10,))[METRICS].iloc[0].to_dict()
    row |= evaluate(model, part, ks=(10,))[METRICS].iloc[0].add_suffix(" seen targets").to_dict()
    return row | dict(hits=int((ranks[unseen] < 10).sum()))


def main():
    """Count and record."""
    parser = make_parser(__doc__, "beauty_unseen")
    parser.add_argument("--data", default="beauty", help="a name or a path for datasets.load")
    args = parser.parse_args()
    rows = []
    for refit in (False, True):
        split = splits.leave_one_out(datasets.load(args.data), validation=not refit)
        unseen = unseen_targets(split)
        n, n_unseen = len(unseen), int(unseen.sum())
        for model in (Markov(), EASE(EASE_L2)):
            counts = dict(refit=refit, targets=n, unseen=n_unseen, factor=n / (n - n_unseen))
            rows.append(counts | dict(name=type(model).__name__) | measure(model.fit(split), split, unseen))
    record(
        args.name,
        args.out,
        title="Amazon Beauty: targets unseen in training",
        protocol=PROTOCOL,
        seeds=[],
        rows=rows,
    )


if __name__ == "__main__":
    main()
