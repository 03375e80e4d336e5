"""What a training step of SASRec spends its time on, and what share of the machine's rate it reaches.

Writes book/results/step.json, on MovieLens 100K: for each framework and loss the seconds of an epoch, the
floating-point operations of its matrix products (counted by PyTorch's FlopCounterMode; the same in both
frameworks), and the rate as a share of what one large matrix product reaches. Then single changes: PyTorch
with bf16, with its encoder compiled (which needs a C++ compiler), and with its memory kept between steps, as
``fit`` does on Linux and all other runs here do not; TensorFlow without its own allocator, which keeps memory
too. The parts of a step come from each framework's own profiler. Each measurement is a process of its own.
Nothing else may run meanwhile.

    python tests/benchmarks/step.py          # seven minutes
"""

import os
import statistics
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import numpy as np
from ml100k import workers
from recording import make_parser, record
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, MAX_LEN, most_mib

from llmrec_ref import datasets, splits

SIZES = dict(dim=DIM, n_layers=LAYERS, n_heads=HEADS, max_len=MAX_LEN, dropout=DROPOUT)
RUNS = [
    dict(framework="pytorch", loss="cross_entropy"),
    dict(framework="pytorch", loss="chunked_cross_entropy"),
    dict(framework="tensorflow", loss="cross_entropy"),
    dict(framework="tensorflow", loss="chunked_cross_entropy"),
    dict(framework="pytorch", loss="cross_entropy", change="bf16"),
    dict(framework="pytorch", loss="cross_entropy", change="compiled encoder"),
    dict(framework="pytorch", loss="cross_entropy", change="memory kept"),
    dict(framework="tensorflow", loss="cross_entropy", change="memory given back"),
]
PARTS = {  # of a step: operations of PyTorch, of TensorFlow
    "matrix products": {"mm", "addmm", "addmm_", "bmm", "baddbmm", "MatMul", "BatchMatMulV2"},
    "dropout's random numbers": {"bernoulli_", "StatelessRandomUniformV2"},
    "exponentials and loss": {
        "_log_softmax", "_log_softmax_backward_data", "nll_loss_forward", "nll_loss_backward", "exp_", "amax",
        "sub_", "div_", "SparseSoftmaxCrossEntropyWithLogits", "Softmax", "Max", "ArgMax", "Log",
    },
    "copies and gathers": {
        "copy_", "index", "index_put_", "cat", "fill_", "Transpose", "GatherV2", "GatherNd", "ResourceGather",
        "ConcatV2", "Split", "StridedSlice", "BroadcastTo", "TensorListConcatV2", "TensorListSplit",
    },
    "optimiser": {"_fused_adamw_", "adamw"},
}  # fmt: skip


def setting(framework, loss, change=None):
    """Return the training module, the split, a model and the arguments of a ``fit``."""
    train = import_module(f"llmrec_ref.{framework}.train")
    split = splits.leave_one_out(datasets.load("ml-100k"), validation=False)
    model = train.SASRec(split.n_items, **SIZES)
    if change == "compiled encoder":
        import torch

        model.encode = torch.compile(model.encode)
    return train, split, model, dict(batch_size=BATCH_SIZE, loss=loss, progress=False)


def measure(n_epochs, framework, loss, change=None):
    """Train; return seconds an epoch after the first, the kernel's share of the time, and peak memory."""
    train, split, model, arguments = setting(framework, loss, change)
    context = nullcontext()
    if change == "bf16":
        import torch

        context = torch.autocast("cpu", torch.bfloat16)
    fit = train.fit if change == "memory kept" else train.fit.__wrapped__
    marks = []
    with context:
        history = fit(
            model, split, epochs=n_epochs, measure=lambda _: marks.append(os.times()[:2]) or {}, **arguments
        )
    seconds = history.epochs["seconds"].tolist()[1:]
    user, kernel = np.subtract(marks[-1], marks[0])
    found = dict(seconds=statistics.median(seconds), fastest=min(seconds), slowest=max(seconds))
    return found | dict(kernel_share=kernel / (user + kernel), peak_mib=most_mib())


def count_flops():
    """Return the floating-point operations of an epoch's matrix products and the number of targets."""
    from torch.utils.flop_counter import FlopCounterMode

    train, split, model, arguments = setting("pytorch", "cross_entropy")
    with FlopCounterMode(display=False) as counter:
        history = train.fit(model, split, epochs=1, **arguments)
    return counter.get_total_flops(), history.n_targets


def product_rate(framework, size=2048, repeats=20):
    """Return the best rate of a square float32 matrix product, in operations a second."""
    square = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    if framework == "pytorch":
        import torch

        square = torch.from_numpy(square)
    else:
        import tensorflow as tf

        square = tf.constant(square)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        square @ square
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def profile(framework, loss):
    """Return the share of each of `PARTS`, and of the rest, in an epoch after the first."""
    train, split, model, arguments = setting(framework, loss)
    train.fit(model, split, epochs=1, **arguments)
    traced = {"pytorch": trace_pytorch, "tensorflow": trace_tensorflow}[framework]
    spent = traced(lambda: train.fit(model, split, epochs=1, **arguments))
    parts = {name: sum(spent.get(key, 0) for key in keys) for name, keys in PARTS.items()}
    total = sum(spent.values())
    return {name: part / total for name, part in parts.items()} | {"rest": 1 - sum(parts.values()) / total}


def trace_pytorch(run):
    """Return the time of each operation, without those that it calls."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        run()
    return {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in profiler.key_averages()}


def trace_tensorflow(run):
    """Return the time of each operation; all that belongs to the optimiser under its name."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = XSpace.FromString(file.read_bytes())
    spent = Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            name, _, operation = names[event.metadata_id].partition(":")  # "scope/name:Operation"
            if operation.isidentifier():  # other events hold operations: a step, a function
                spent["adamw" if name.startswith("adamw/") else operation] += event.duration_ps
    return spent


def alone(function, *arguments, **more):
    """Call a function in a process of its own, on all cores."""
    with workers(threads=os.cpu_count()) as pool:
        return pool.submit(function, *arguments, **more).result()


def main():
    """Measure everything and record it."""
    parser = make_parser(__doc__, "step")
    parser.add_argument("--epochs", type=int, default=9)
    args = parser.parse_args()
    flops, n_targets = alone(count_flops)
    rates = {framework: alone(product_rate, framework) for framework in ("pytorch", "tensorflow")}
    rows = []
    for run in RUNS:
        os.environ["TF_CPU_ALLOCATOR_USE_BFC"] = str(run.get("change") != "memory given back").lower()
        found = alone(measure, args.epochs, **run)
        rate = flops / found["seconds"]
        rows.append(run | found | dict(rate=rate, share=rate / rates[run["framework"]]))
    record(
        args.name,
        args.out,
        title="SASRec's training step on MovieLens 100K",
        protocol=f"{SIZES}, batches of {BATCH_SIZE}; seconds: median of {args.epochs - 1} epochs after the "
        "first; share: of the rate of a product of two float32 matrices of 2,048 x 2,048, best of 20",
        seeds=[0],
        rows=rows,
        flops=flops,
        n_targets=n_targets,
        rates=rates,
        parts=[run | alone(profile, **run) for run in RUNS if "change" not in run],
    )


if __name__ == "__main__":
    main()
