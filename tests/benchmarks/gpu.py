"""SASRec on MovieLens 100K in PyTorch, on the processor and on a GPU: speed, and whether both learn the same.

On the GPU in three precisions: float32; float32 whose products round their factors to TF32's 10 bits; and
autocast to bfloat16. Speed is that of the fastest epoch after the first, in training targets a second. The
curves of loss and of validation NDCG@10 are those of the smallest model, for each seed. Writes
book/results/gpu.json.

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
PRECISIONS = ["float32", "TF32", "bfloat16"]  # of the products on the GPU


def fit(split, where, precision, seed, epochs, batch_size, **size):
    """Train one model on a device in a precision; return its history."""
    torch.set_float32_matmul_precision("high" if precision == "TF32" else "highest")
    model = train.SASRec(split.n_items, **size, seed=seed)
    settings = dict(epochs=epochs, batch_size=batch_size, seed=seed, windows="all", progress=False)
    with torch.autocast(torch.device(where).type, torch.bfloat16, enabled=precision == "bfloat16"):
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
    places = [("cpu", "float32"), *((args.device, precision) for precision in PRECISIONS)]
    for where, precision in places:
        about = dict(device=where, precision=precision)
        for size in SIZES:
            history = fit(split, where, precision, 0, 4, **size)
            seconds = history.epochs["seconds"][1:].min()
            rows.append(dict(**about, **size, targets_per_second=history.n_targets / seconds))
        for seed in range(args.seeds):
            epochs = fit(split, where, precision, seed, args.epochs, **SIZES[0]).epochs
            curves.append(dict(**about, seed=seed, **epochs[["loss", "val_ndcg"]].to_dict("list")))
    is_gpu = torch.device(args.device).type == "cuda"
    gpu = torch.cuda.get_device_name() if is_gpu else device()
    record(
        args.name,
        args.out,
        title="SASRec on MovieLens 100K, on the processor and on a GPU",
        protocol=f"PyTorch, {gpu}; targets a second of the fastest of three epochs after the first",
        seeds=list(range(args.seeds)),
        rows=rows,
        curves=curves,
        gpu=gpu,
    )


if __name__ == "__main__":
    main()
