"""Training, and run folders, in TensorFlow."""

import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from llmrec_ref import runs
from llmrec_ref.tensorflow import losses
from llmrec_ref.tensorflow.bert4rec import BERT4Rec
from llmrec_ref.tensorflow.gru4rec import GRU4Rec
from llmrec_ref.tensorflow.sasrec import SASRec
from llmrec_ref.tensorflow.weights import get_weights, set_weights

MODELS = {model.__name__: model for model in (GRU4Rec, SASRec, BERT4Rec)}  # what a run folder may hold
EPSILON = 1e-12  # of AdamW: PyTorch and Keras add it at different places, so it must not matter


class Trainer(keras.Model):
    """What Keras compiles and fits: a model's hidden states, and a loss of these and its item table."""

    def __init__(self, model, loss):
        super().__init__()
        self.model, self.loss_function = model, loss

    def call(self, inputs, training=None):
        """Hidden states float32 (B, L, D) of (item_ids, ...)."""
        return self.model.encode(inputs[0])

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        """Loss of the hidden states ``y_pred``, given targets int64 (B, L) and what else ``x`` holds."""
        hidden, targets, *drawn = (tf.boolean_mask(part, y > 0) for part in (y_pred, y, *x[1:]))  # (N, ...)
        return self.loss_function(hidden, self.model.table, targets, *drawn)


class Epochs(keras.callbacks.Callback):
    """Shuffles the batches and seeds dropout before each epoch; validates and records after it."""

    def __init__(self, trained, rows, batch_size, seed, draw, recorder, bar):
        super().__init__()
        self.trained, self.rows, self.batch_size, self.seed = trained, rows, batch_size, seed
        self.draw, self.recorder, self.bar = draw, recorder, bar

    def on_epoch_begin(self, epoch, logs=None):
        """Shuffle; give each dropout layer its own seed."""
        self.start = time.perf_counter()
        rng = np.random.default_rng([self.seed, epoch])
        self.batches = self.trained.batches(self.rows, self.batch_size, rng)
        for state in self.trained.non_trainable_variables:
            state.assign(rng.integers(2**32, size=2, dtype=np.uint32))
        # their own: the same in both frameworks
        self.negatives_rng = np.random.default_rng([self.seed, epoch, 1])

    def full(self, array):
        """Fill up the last batch with empty rows: Keras weights the batches' losses by their rows."""
        missing = min(self.batch_size, len(self.rows)) - len(array)
        return np.pad(array, ((0, missing), *[(0, 0)] * (array.ndim - 1)))

    def steps(self):
        """Yield the epoch's batches: ((item_ids, ...), targets)."""
        bar = tqdm(self.batches, desc="steps", delay=5, leave=False, disable=self.bar.disable)
        for item_ids, targets in bar:
            drawn = self.draw(targets, self.negatives_rng)
            yield tuple(map(self.full, (item_ids, *drawn))), self.full(targets)

    def dataset(self):
        """Return a tf.data.Dataset of `steps`."""
        ids = tf.TensorSpec((None, None), tf.int64)
        drawn = self.draw(np.zeros((1, 1)), np.random.default_rng(0))
        drawn = [tf.TensorSpec((None, None, part.shape[-1]), part.dtype) for part in drawn]
        batches = tf.data.Dataset.from_generator(self.steps, output_signature=((ids, *drawn), ids))
        options = tf.data.Options()
        options.autotune.enabled = False  # an epoch's end may wait a second for the tuning thread
        batches = batches.with_options(options)
        return batches.apply(tf.data.experimental.assert_cardinality(-(-len(self.rows) // self.batch_size)))

    def on_epoch_end(self, epoch, logs=None):
        """Hand the epoch to the recorder."""
        seconds = time.perf_counter() - self.start
        weights = get_weights(self.trained)
        self.model.stop_training = self.recorder.end_epoch(self.trained, weights, logs["loss"], seconds)
        self.bar.set_postfix(self.recorder.rows[-1])
        self.bar.update()


@runs.keep_memory()
def fit(
    model,
    split,
    *,
    epochs=30,
    lr=1e-3,
    batch_size=64,
    loss="cross_entropy",
    n_negatives=None,
    seed=0,
    weight_decay=0.01,
    warmup=0,
    windows="newest",
    patience=None,
    resume=None,
    device="cpu",
    progress=True,
    measure=None,
):
    """Train a model with AdamW and leave it with the weights of its best epoch.

    Args:
        model: From this folder, such as `sasrec.SASRec`; changed in place.
        split: `splits.Split`. With a validation part, the best epoch has the highest NDCG@10 there; else it
            is the last one.
        epochs: Passes over the training windows, those of a resumed run included.
        lr: Learning rate.
        batch_size: Windows a step.
        loss: One of ``runs.LOSSES``, or a function of hidden states, item table and targets.
        n_negatives: Of each target, for the losses in ``runs.SAMPLED``, which has their defaults: drawn in
            proportion to how often an item is in training for ``"sampled_softmax"``, uniformly for the
            others.
        seed: Of batch order and dropout (the model's own ``seed`` sets its initial weights).
        weight_decay: Of AdamW, on every weight.
        warmup: Steps over which the learning rate rises to ``lr``.
        windows: As in `sequences.training_windows`.
        patience: Stop after so many epochs without a better NDCG@10.
        resume: Run folder of the same model to go on from: the next loss is what it would have been.
        device: As TensorFlow names it; build the model under the same ``tf.device``.
        progress: Print the number of targets and a progress bar, and one within an epoch of more than five
            seconds.
        measure: Called with the model after each epoch; the dict of numbers that it returns joins the epoch's
            row of the history.

    Returns:
        `runs.History`.

    Raises:
        ValueError: No such device or loss; nothing to train on; ``patience`` without validation; ``resume``
            of another model.
        FileNotFoundError: ``resume`` is no run folder with a training state.
    """
    name = getattr(loss, "__name__", loss)
    n_negatives = runs.SAMPLED.get(name) if n_negatives is None else n_negatives
    settings = dict(epochs=epochs, lr=lr, batch_size=batch_size, loss=name, seed=seed)
    settings |= dict(
        n_negatives=n_negatives, weight_decay=weight_decay, warmup=warmup, windows=windows, patience=patience
    )
    runs.check_settings(settings)
    loss_function = runs.choose_loss(losses, loss)
    draw = runs.negative_sampler(loss, n_negatives, split)
    rows = model.windows(split.train.queries.histories, windows)
    if not tf.config.list_logical_devices(device.split(":")[0].upper()):  # TensorFlow would use another one
        found = ", ".join(sorted({d.device_type for d in tf.config.list_logical_devices()}))
        raise ValueError(f"TensorFlow has no device {device!r} here: choose one of {found}.")
    rate = keras.optimizers.schedules.PolynomialDecay(lr / warmup, max(1, warmup - 1), lr) if warmup else lr
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)
    if resume is not None:
        set_state(model, optimizer, runs.read_resume(resume, model, "tensorflow"))
    recorder = runs.Recorder(split, patience, resume, measure)
    n_targets = runs.count_targets(model, rows, batch_size, seed, progress)

    start = len(recorder.rows)
    with tf.device(device), tqdm(total=epochs - start, desc="epochs", disable=not progress) as bar:
        trainer = Trainer(model, loss_function)
        trainer.compile(optimizer, jit_compile=False)  # XLA's matrix products are slower on CPUs
        turns = Epochs(model, rows, batch_size, seed, draw, recorder, bar)
        trainer.fit(
            turns.dataset(), initial_epoch=start, epochs=epochs, callbacks=[turns], shuffle=False, verbose=0
        )

    history = recorder.history(n_targets, settings, get_state(model, optimizer))
    set_weights(model, recorder.best_weights)
    return history


def get_state(model, optimizer):
    """Return weights and AdamW's variables as one dict of arrays, all that the next epoch depends on."""
    moments = {f"optimizer.{i}": np.asarray(variable) for i, variable in enumerate(optimizer.variables)}
    return {f"model.{name}": weight for name, weight in get_weights(model).items()} | moments


def set_state(model, optimizer, arrays):
    """Undo `get_state`."""
    set_weights(model, {name[6:]: array for name, array in arrays.items() if name.startswith("model.")})
    for i, variable in enumerate(optimizer.variables):
        variable.assign(arrays[f"optimizer.{i}"])


def save(model, split, folder, *, dataset=None, history=None, data=None, metrics=None, overwrite=False):
    """Write a run folder: all that is needed to score elsewhere, in either framework.

    Args:
        model: A trained model of this folder.
        split: The split it was trained on (for the item numbers).
        folder: Made if missing.
        dataset: `datasets.Dataset`, for the titles.
        history: What `fit` returned; its state goes to ``resume.safetensors``.
        data: dict for ``config.json``: how the data and the split were made.
        metrics: dict for ``metrics.json``: what the model reached.
        overwrite: Write into a folder that is not empty.

    Raises:
        FileExistsError: ``folder`` is not empty.
    """
    runs.write_run(
        folder, model, get_weights(model), "tensorflow", split, dataset, history, data, metrics, overwrite
    )


def load(folder):
    """Read a run folder written by either framework.

    Returns:
        (model, items): ``items`` is a DataFrame with index ``item`` (1..n_items) and columns ``item_id`` and
        ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: It holds another model, or was written by another version.
    """
    model, weights, items = runs.read_run(folder, MODELS)
    set_weights(model, weights)
    return model, items
