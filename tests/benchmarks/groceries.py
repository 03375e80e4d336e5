"""Complete Journey: what counting reaches where people buy again, with seen items ranked and left out.

Products with at least 100 purchases, split by time; every baseline as it stands, nothing chosen. Writes
book/results/groceries.json.

    python tests/benchmarks/groceries.py          # ten seconds
"""

from ml100k import METRICS
from recording import make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, PersonalFrequency, Popularity
from llmrec_ref.evaluate import evaluate

BASELINES = {
    "Popularity": Popularity(),
    "Markov": Markov(),
    "ItemKNN": ItemKNN(),
    "EASE": EASE(),
    "PersonalFrequency": PersonalFrequency(),
    "PersonalFrequency, half-life 100": PersonalFrequency(half_life=100),
}


def main():
    """Measure and record."""
    parser = make_parser(__doc__, "groceries")
    parser.add_argument("--data", default="complete-journey", help="a name or a path for datasets.load")
    parser.add_argument("--min-item", type=int, default=100, help="purchases that a product needs")
    args = parser.parse_args()
    split = splits.global_time(datasets.load(args.data, min_item=args.min_item))
    rows = []
    for name, baseline in BASELINES.items():
        model = baseline.fit(split)
        for filter_seen in (False, True):
            columns = [*METRICS, "n_queries", "n_dropped"]
            found = evaluate(model, split.test, ks=(10,), filter_seen=filter_seen)[columns]
            rows.append(dict(name=name, filter_seen=filter_seen) | found.to_dict("records")[0])
    record(
        args.name,
        args.out,
        title="Complete Journey: where people buy again",
        protocol=(
            f"products with at least {args.min_item} purchases ({split.n_items:,} of them); global_time, the "
            "test from .9 of all events on; full ranking, ties against the model; the mean over households"
        ),
        seeds=[],
        rows=rows,
    )


if __name__ == "__main__":
    main()
