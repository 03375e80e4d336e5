"""Seconds of each loss, in both frameworks: an epoch of SASRec on MovieLens 100K, and one step's loss alone.

The loss alone is forward and backward, of as many targets and items as in memory.py. Writes
book/results/loss_speed.json. Nothing else may run meanwhile. The first epoch, in which TensorFlow makes its
graph, does not count, nor does the first of the losses alone. Memory is kept, as `fit` does it.

    python tests/benchmarks/loss_speed.py          # four minutes
"""

import statistics
import time

import tensorflow as tf
import torch
from losses import LINES
from memory import DIM, NEGATIVES, draw
from ml100k import FRAMEWORKS, fit
from recording import make_parser, record

from llmrec_ref import datasets
from llmrec_ref.losses import LOSSES
from llmrec_ref.memory import keep_memory
from llmrec_ref.pytorch.losses import TRAINING as TORCH
from llmrec_ref.tensorflow.losses import TRAINING as KERAS

FULL = [dict(loss="cross_entropy"), dict(loss="chunked_cross_entropy")]


def of_times(seconds):
    """Return what is recorded of a list of seconds."""
    return dict(seconds=statistics.median(seconds), fastest=min(seconds), slowest=max(seconds))


def pytorch_step(loss, n_targets, n_items):
    """Return a function that computes the gradients of the hidden states and of the item table."""
    hidden, table = (torch.randn(n, DIM, requires_grad=True) for n in (n_targets, n_items + 1))
    targets = torch.randint(1, n_items + 1, (n_targets,))
    drawn = [torch.from_numpy(part) for part in draw(loss, n_targets, n_items)]

    def step():
        torch.autograd.grad(TORCH[loss](hidden, table, targets, *drawn), [hidden, table])

    return step


def tensorflow_step(loss, n_targets, n_items):
    """Return a function that computes the gradients of the hidden states and of the item table."""
    hidden, table = (tf.Variable(tf.random.normal((n, DIM))) for n in (n_targets, n_items + 1))
    targets = tf.random.uniform((n_targets,), 1, n_items + 1, tf.int64)
    drawn = draw(loss, n_targets, n_items)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            value = KERAS[loss](hidden, table, targets, *drawn)
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(value, [hidden, table])]

    return lambda: gradients()[1].numpy()  # waits until it is there


def alone(framework, loss, n_targets, n_items, repeats):
    """Return the seconds of a loss, forward and backward."""
    make = {"pytorch": pytorch_step, "tensorflow": tensorflow_step}[framework]
    step, seconds = make(loss, n_targets, n_items), []
    with keep_memory():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main():
    """Measure everything and record it."""
    parser = make_parser(__doc__, "loss_speed")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--targets", type=int, default=2048)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    dataset, rows, large = datasets.load("ml-100k"), [], []
    for framework in FRAMEWORKS:
        for line in FULL + LINES:
            history = fit("SASRec", framework, dataset, False, args.epochs, 0, **line)[2]
            rows.append(dict(framework=framework, **line) | of_times(history.epochs["seconds"].tolist()[1:]))
        for loss in LOSSES:
            seconds = alone(framework, loss, args.targets, args.items, args.repeats)
            large.append(dict(framework=framework, loss=loss) | of_times(seconds))
            print(large[-1])
    record(
        args.name,
        args.out,
        title="Seconds an epoch of SASRec on MovieLens 100K with each loss",
        protocol=f"median, fastest and slowest of {args.epochs - 1} epochs after the first; batches of 64; "
        f"large catalogue: of {args.repeats} times loss and gradients of {args.targets:,} targets and "
        f"{args.items:,} items of width {DIM}, {NEGATIVES} negatives; memory kept",
        seeds=[0],
        rows=rows,
        large=dict(rows=large),
    )


if __name__ == "__main__":
    main()
