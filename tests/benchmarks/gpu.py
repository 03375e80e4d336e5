"""SASRec on MovieLens 100K in PyTorch, on the processor and on a GPU: speed, and whether both learn the same.

Speed is that of the fastest epoch after the first, in training targets a second. The curves of loss and of
validation NDCG@10 are those of the smallest model, for each seed. Writes book/results/gpu.json.

    python tests/benchmarks/gpu.py          # a few minutes, most of them on the processor
"""

import torch
from recording import device, make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.pytorch import train

SIZES = [  # of the model, and windows a step
    dict(dim=64, n_layers=2, batch_size=64),
    dict(dim=64, n_layers=2, batch_size=512),
    dict(dim=256, n_layers=4, batch_size=512),
]


def fit(split, where, seed, epochs, batch_size, **size):
    """Train one model on a device; return its history."""
    model = train.SASRec(split.n_items, **size, seed=seed)
    settings = dict(epochs=epochs, batch_size=batch_size, seed=seed, windows="all", progress=False)
    return train.fit(model, split, device=where, **settings)


def main():
    """Train everywhere and record it."""
    parser = make_parser(__doc__, "gpu")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cuda", help="the GPU, as PyTorch names it")
    args = parser.parse_args()
    split = splits.leave_one_out(datasets.load("ml-100k"))
    rows, curves = [], []
    for where in ("cpu", args.device):
        for size in SIZES:
            history = fit(split, where, 0, 4, **size)
            seconds = history.epochs["seconds"][1:].min()
            rows.append(dict(device=where, **size, targets_per_second=history.n_targets / seconds))
        for seed in range(args.seeds):
            epochs = fit(split, where, seed, args.epochs, **SIZES[0]).epochs
            curves.append(dict(device=where, seed=seed, **epochs[["loss", "val_ndcg"]].to_dict("list")))
    is_gpu = torch.device(args.device).type == "cuda"
    gpu = torch.cuda.get_device_name() if is_gpu else device()
    record(
        args.name,
        args.out,
        title="SASRec on MovieLens 100K, on the processor and on a GPU",
        protocol=f"PyTorch, float32, {gpu}; targets a second of the fastest of three epochs after the first",
        seeds=list(range(args.seeds)),
        rows=rows,
        curves=curves,
        gpu=gpu,
    )


if __name__ == "__main__":
    main()
