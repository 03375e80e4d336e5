"""Training, and run folders, in TensorFlow."""

import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from llmrec_ref import runs
from llmrec_ref.memory import keep_memory
from llmrec_ref.objectives import bind, note_counts
from llmrec_ref.tensorflow import losses
from llmrec_ref.tensorflow.bert4rec import BERT4Rec
from llmrec_ref.tensorflow.gru4rec import GRU4Rec
from llmrec_ref.tensorflow.sasrec import SASRec
from llmrec_ref.tensorflow.weights import (
    dropout_seeds,
    get_state,
    get_weights,
    set_state,
    set_weights,
)
from llmrec_ref.training import Progress, Settings, check_catalogue

# what a run folder may hold
MODELS = {model.__name__: model for model in (GRU4Rec, SASRec, BERT4Rec)}
# of AdamW: PyTorch and Keras add it at different places, so it must not matter
EPSILON = 1e-12


class Trainer(keras.Model):
    """What Keras compiles and fits: a model, and its loss of a batch."""

    def __init__(self, model, batch_loss):
        # a batch and a loss stay as they are, whatever the model computes in
        super().__init__(dtype="float32")
        self.model, self.batch_loss = model, batch_loss
        self.mean_loss = keras.metrics.Mean("loss")

    def call(self, batch, training=None):
        """Loss of a batch; Keras hands ``training`` on to the dropout layers."""
        return self.batch_loss(self.model, batch)

    def train_step(self, batch):
        """Take one step; return the mean loss of the epoch's batches so far."""
        with tf.GradientTape() as tape:
            loss = self(batch, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        # dense: of a row that a batch looks up twice, Keras would square each gradient
        # by itself
        found = [
            g if g is None else tf.convert_to_tensor(g)
            for g in tape.gradient(scaled, variables)
        ]
        self.optimizer.apply(found, variables)
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}


class Epochs(keras.callbacks.Callback):
    """Makes batches and seeds dropout before an epoch; validates and records after."""

    def __init__(self, trained, objective, settings, progress, bar, run):
        super().__init__()
        self.trained, self.objective, self.settings = trained, objective, settings
        self.progress, self.bar, self.run = progress, bar, run

    def on_epoch_begin(self, epoch, logs=None):
        """Shuffle; give each dropout layer its own seed."""
        self.clock = time.perf_counter()
        rng = np.random.default_rng([self.settings.seed, epoch])
        self.batches = self.objective.batches(rng)
        for state in dropout_seeds(self.trained):
            state.assign(rng.integers(2**32, size=2, dtype=np.uint32))
        self.step = epoch * len(self.batches)

    def on_train_batch_begin(self, batch, logs=None):
        """Raise the learning rate in the first steps."""
        self.step += 1
        if self.step <= self.settings.warmup:
            rate = self.settings.lr * self.step / self.settings.warmup
            self.model.optimizer.learning_rate.assign(rate)

    def dataset(self):
        """Return a tf.data.Dataset of the epoch's batches."""
        first = self.objective.batches(np.random.default_rng([self.settings.seed, 0]))
        spec = {
            name: tf.TensorSpec(
                (None, None)[: array.ndim] + array.shape[2:], array.dtype
            )
            for name, array in next(iter(first)).items()
        }
        batches = tf.data.Dataset.from_generator(self.steps, output_signature=spec)
        options = tf.data.Options()
        # an epoch's end may wait a second for the tuning thread
        options.autotune.enabled = False
        return batches.with_options(options).apply(
            tf.data.experimental.assert_cardinality(len(first))
        )

    def steps(self):
        """Yield the epoch's batches, under a bar if it takes long."""
        yield from tqdm(
            self.batches, desc="steps", delay=5, leave=False, disable=self.bar.disable
        )

    def on_epoch_end(self, epoch, logs=None):
        """Record the epoch."""
        seconds = time.perf_counter() - self.clock
        found = self.trained, get_weights(self.trained), logs["loss"], seconds
        self.model.stop_training = self.progress.end_epoch(*found)
        self.bar.set_postfix(self.progress.rows[-1] if self.progress.rows else {})
        self.bar.update()
        self.run.end_epoch(
            self.progress, lambda: get_state(self.trained, self.model.optimizer)
        )


@keep_memory()
def fit(
    model, split, *, objective=None, resume=None, run=None, device="cpu", progress=True,
    measure=None, **settings,
):  # fmt: skip
    """Train a model with AdamW and leave it with the weights of its best epoch.

    Args:
        model: Any ``keras.Model`` that the objective knows, such as `sasrec.SASRec`;
            changed in place. Frozen weights are not touched.
        split: `splits.Split`. With a validation part, the best epoch has the highest
            metric there; else it is the last one. None where the objective has its
            own data; such a training has no run folder.
        objective: From `objectives`, or of your own; default: the model's.
        resume: Run folder of the same model to go on from: the next loss is what it
            would have been.
        run: `runs.Run` to save in after each epoch that is the best so far, or each
            minute.
        device: As TensorFlow names it; build the model under the same ``tf.device``.
        progress: Print the number of targets and a progress bar, and one within an
            epoch of more than five seconds.
        measure: Called with the model after each epoch; the dict of numbers that it
            returns joins the epoch's row of the history.
        **settings: Fields of `training.Settings`.

    Returns:
        `training.History`.

    Raises:
        ValueError: No such device; nothing to train on, or no objective; a setting out
            of its range; ``patience`` without validation; ``resume`` of another model;
            a loss or weight that is not finite; weights of half precision.
        FileNotFoundError: ``resume`` is no run folder with a training state.
        OSError: ``run`` cannot be saved.
    """
    settings = Settings(**settings)
    check_catalogue(model, split)
    objective = bind(objective or getattr(model, "objective", None), split, settings)
    note_counts(model, objective)
    batch_loss = losses.of_objective(objective, settings)
    _check_device(device)
    _check_precision(model)
    optimizer = _optimizer(model, settings)
    start = None if resume is None else _resume(resume, model, split, optimizer)
    done = Progress(objective, settings, get_weights(model), measure, start)
    run = run or runs.NoRun()
    run.begin(model, split, "tensorflow")
    if progress and hasattr(objective, "n_targets"):
        print(f"{objective.n_targets:,} training targets an epoch")

    begin = len(done.rows)
    end = begin if done.over else settings.epochs
    with (
        tf.device(device),
        tqdm(total=end - begin, desc="epochs", disable=not progress) as bar,
    ):
        trainer = Trainer(model, batch_loss)
        # XLA's matrix products are slower on CPUs
        trainer.compile(optimizer, jit_compile=False)
        epochs = Epochs(model, objective, settings, done, bar, run)
        options = dict(callbacks=[epochs], shuffle=False, verbose=0)
        try:
            trainer.fit(epochs.dataset(), initial_epoch=begin, epochs=end, **options)
        finally:  # whatever ended training, the model has its best weights
            state = get_state(model, optimizer)
            set_weights(model, done.best_weights)
    run.end(done, state)
    return done.history(state)


def _optimizer(model, settings):
    """Make AdamW for the weights that are trained."""
    decay = settings.weight_decay
    optimizer = keras.optimizers.AdamW(settings.lr, weight_decay=decay, epsilon=EPSILON)
    if model.compute_dtype == "float16":  # or small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def _resume(folder, model, split, optimizer):
    """Give model and optimiser a run folder's state; return `Progress`'s start."""
    arrays, start = runs.read_resume(folder, model, split, "tensorflow")
    set_state(model, optimizer, arrays)
    return start


def _check_device(device):
    """Raise ValueError where TensorFlow would silently take another device."""
    if not tf.config.list_logical_devices(device.split(":")[0].upper()):
        found = ", ".join(
            sorted({d.device_type for d in tf.config.list_logical_devices()})
        )
        raise ValueError(
            f"TensorFlow has no device {device!r} here: choose one of {found}."
        )


def _check_precision(model):
    """Raise ValueError where steps would be rounded to nothing."""
    half = "float16", "bfloat16"
    if any(weight.dtype in half for weight in model.trainable_variables):
        raise ValueError(
            "half precision is too coarse to train weights in: build the model with "
            "the policy mixed_bfloat16 or mixed_float16."
        )


def save(
    model, split, folder, *, dataset=None, history=None, data=None, metrics=None,
    overwrite=False,
):  # fmt: skip
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
        OSError: It cannot be written, or another training writes it.
        ValueError: The model was made for another split.
    """
    with runs.Run(
        folder, dataset=dataset, data=data, metrics=metrics, overwrite=overwrite
    ) as run:
        run.begin(model, split, "tensorflow")
        run.write(get_weights(model), history)


def load(folder):
    """Read a run folder written by either framework.

    Returns:
        (model, items): ``items`` is a DataFrame with index ``item`` (1..n_items) and
        columns ``item_id`` and ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: It holds another model, is damaged, or was written by another
            version.
    """
    model, weights, items = runs.read_run(folder, MODELS)
    set_weights(model, weights)
    return model, items
