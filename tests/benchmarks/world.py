"""A model on the generated world, beside its exact entropy floor: three seeds, both frameworks.

Writes book/results/world.json for SASRec and world_gru4rec.json for GRU4Rec.

    python tests/benchmarks/world.py                    # about 12 minutes on two cores
    python tests/benchmarks/world.py --model GRU4Rec
"""

import numpy as np
import torch
from recording import make_parser, record, t_interval

from llmrec_ref.pytorch import losses as torch_losses
from llmrec_ref.pytorch import train as torch_train
from llmrec_ref.splits import train_only
from llmrec_ref.tensorflow import losses as tf_losses
from llmrec_ref.tensorflow import train as tf_train
from llmrec_ref.world import make_world

FRAMEWORKS = {"pytorch": torch_train, "tensorflow": tf_train}
MODELS = {
    "SASRec": dict(dim=64, n_layers=2, n_heads=1, dropout=0.0),
    "GRU4Rec": dict(dim=64, n_layers=1, dropout=0.0),
}
STAGES = [dict(lr=2e-3, epochs=4), dict(lr=2e-4, epochs=2)]  # steps ten times smaller end the wandering
LENGTH = 30


def held_out_loss(framework, sequences):
    """Return a function of a model: its loss on the sequences, nats a target."""

    @torch.no_grad()
    def pytorch(model):
        inputs, targets = torch.from_numpy(sequences[:, :-1]), torch.from_numpy(sequences[:, 1:])
        return {"held_out": torch_losses.cross_entropy(model(inputs), targets).item()}

    def tensorflow(model):
        logits = model(sequences[:, :-1], training=False)
        return {"held_out": float(tf_losses.cross_entropy(logits, sequences[:, 1:]))}

    return {"pytorch": pytorch, "tensorflow": tensorflow}[framework]


def run(name, framework, split, held_out, seed):
    """Train one model; return its loss on the held-out sequences after each epoch."""
    train = FRAMEWORKS[framework]
    model = train.MODELS[name](split.n_items, max_len=LENGTH - 1, seed=seed, **MODELS[name])
    measure, curve = held_out_loss(framework, held_out), []
    for number, stage in enumerate(STAGES):
        history = train.fit(model, split, batch_size=128, seed=seed + 100 * number, measure=measure, **stage)
        curve += history.epochs["held_out"].tolist()
    return curve


def main():
    """Run everything and record it."""
    parser = make_parser(__doc__, None)
    parser.add_argument("--model", default="SASRec", choices=MODELS)
    parser.add_argument("--users", type=int, default=40_000, help="fewer: a try, no measurement")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    world, seeds = make_world(seed=0), list(range(args.seeds))
    split = train_only(world.sample(args.users, LENGTH, seed=0), n_items=len(world.start[0]))
    held_out = world.sample(2000, LENGTH, seed=1)
    floor, rows, curves = world.floor(held_out), [], {}
    for framework in FRAMEWORKS:
        curves[framework] = [run(args.model, framework, split, held_out, seed) for seed in seeds]
        above = [curve[-1] - floor for curve in curves[framework]]
        names = ("above_floor", "above_floor_low", "above_floor_high")
        row = dict(model=args.model, framework=framework) | dict(zip(names, t_interval(above), strict=True))
        rows.append(row | dict(above_floor_seeds=above, nats=np.mean(above) + floor))
    record(
        args.name or {"SASRec": "world", "GRU4Rec": "world_gru4rec"}[args.model],
        args.out,
        title=f"{args.model} above the entropy floor of the generated world",
        protocol=f"{args.users:,} sequences of {LENGTH} items train, 2,000 others are scored at every "
        "position but the first; nats a target; intervals are 95 % t-intervals over seeds",
        seeds=seeds,
        rows=rows,
        settings=MODELS[args.model] | dict(batch_size=128, stages=STAGES),
        floor=floor,
        curves=curves,
    )


if __name__ == "__main__":
    main()
