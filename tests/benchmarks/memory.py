"""Peak memory of each loss, forward and backward, in both frameworks.

Writes book/results/memory.json: what was measured, above the memory of hidden states, item table and their
gradients, beside what a formula predicts for the losses that make all logits. Each measurement is two
processes: the most memory ever held by one that runs the loss, less that of one that only holds those arrays.
Both have run the loss on a small catalogue before, so that all code is loaded.

    python tests/benchmarks/memory.py          # eight minutes and 6 GB
"""

import subprocess
import sys

import numpy as np
from recording import make_parser, record
from shared import most_mib

DIM, SMALL = 64, 1000
CHUNK = 128  # as in both losses.py, which are not imported here: that would be measured
LOSSES = ("cross_entropy", "chunked_cross_entropy", "sampled_softmax", "bce", "gbce")
NEGATIVES = 16
# arrays of rows x items that exist at once, where rows are the targets, or the targets of a chunk
COPIES = {
    "pytorch": dict(cross_entropy=3, chunked_cross_entropy=1),
    "tensorflow": dict(cross_entropy=1, chunked_cross_entropy=1 + DIM / CHUNK),
}


def draw(loss, n_targets, n_items):
    """Return what a loss takes beside hidden states, table and targets."""
    negatives = np.random.default_rng(0).integers(1, n_items + 1, (n_targets, NEGATIVES))
    log_counts = np.zeros((n_targets, NEGATIVES), np.float32)
    return dict(sampled_softmax=[negatives, log_counts], bce=[negatives], gbce=[negatives]).get(loss, [])


def run_pytorch(loss, n_targets, n_items, run):
    """Hold the arrays of a training step; compute the gradients if ``run``."""
    import torch

    from llmrec_ref.pytorch import losses

    assert losses.CHUNK == CHUNK
    hidden, table = (torch.randn(n, DIM, requires_grad=True) for n in (n_targets, n_items + 1))
    targets = torch.randint(1, n_items + 1, (n_targets,))
    drawn = [torch.from_numpy(part) for part in draw(loss, n_targets, n_items)]
    if run:
        losses.TRAINING[loss](hidden, table, targets, *drawn).backward()
    else:
        hidden.grad, table.grad = torch.ones_like(hidden), torch.ones_like(table)


def run_tensorflow(loss, n_targets, n_items, run):
    """Hold the arrays of a training step; compute the gradients, in a graph as in training, if ``run``."""
    import tensorflow as tf

    from llmrec_ref.tensorflow import losses

    assert losses.CHUNK == CHUNK

    @tf.function
    def gradients(*given):
        with tf.GradientTape() as tape:
            tape.watch(given[:2])
            value = losses.TRAINING[loss](*given)
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(value, given[:2])]

    hidden, table = (tf.random.normal((n, DIM)) for n in (n_targets, n_items + 1))
    targets = tf.random.uniform((n_targets,), 1, n_items + 1, tf.int64)
    drawn = draw(loss, n_targets, n_items)
    kept = gradients(hidden, table, targets, *drawn) if run else (tf.ones_like(hidden), tf.ones_like(table))
    kept[1].numpy()  # waits until it is there


def peak_mib(framework, *arguments):
    """Return the most memory that a process of its own held, in MiB."""
    command = [sys.executable, __file__, "--child", framework, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[-1])


def child(framework, loss, n_targets, n_items, run):
    """Print the peak memory of this process."""
    work = {"pytorch": run_pytorch, "tensorflow": run_tensorflow}[framework]
    work(loss, int(n_targets), SMALL, True)
    work(loss, int(n_targets), int(n_items), run == "True")
    print(most_mib())


def predict_mib(framework, loss, n_targets, n_items):
    """Return the bytes of the logits that exist at once, in MiB; for a table no wider than a chunk is long.

    PyTorch's full loss holds log-probabilities, and on the way back their gradient and that of the logits;
    its chunked loss makes probabilities in the place of logits. TensorFlow's full loss makes the gradient in
    the place of logits; its chunked loss holds probabilities, and a chunk's share of the table's gradient.
    """
    rows = n_targets if loss == "cross_entropy" else CHUNK
    return COPIES[framework][loss] * rows * (n_items + 1) * 4 / 2**20


def main():
    """Measure everything and record it."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    parser = make_parser(__doc__, "memory")
    parser.add_argument("--targets", type=int, default=2048)
    parser.add_argument("--items", type=int, default=200_000)
    args = parser.parse_args()
    rows, million = [], []
    for framework in COPIES:
        for loss in LOSSES:
            sizes = args.targets, args.items
            peak, held = (peak_mib(framework, loss, *sizes, run) for run in (True, False))
            row = dict(framework=framework, loss=loss)
            rows.append(row | dict(measured_mib=round(peak - held, 1)))
            if loss in COPIES[framework]:
                rows[-1]["predicted_mib"] = round(predict_mib(framework, loss, *sizes), 1)
                million.append(
                    row | dict(predicted_mib=round(predict_mib(framework, loss, args.targets, 10**6)))
                )
            print(rows[-1])
    record(
        args.name,
        args.out,
        title="Memory of each loss, forward and backward",
        protocol=f"most memory held by a process that runs the loss once for {args.targets:,} targets and "
        f"{args.items:,} items of width {DIM}, less that of one that only holds hidden states, item table "
        "and their gradients; TensorFlow in a graph; MiB",
        seeds=[],
        rows=rows,
        million_items=million,
        settings=dict(
            targets=args.targets, items=args.items, dim=DIM, chunk=CHUNK, copies=COPIES, negatives=NEGATIVES
        ),
    )


if __name__ == "__main__":
    main()
