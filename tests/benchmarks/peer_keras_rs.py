"""Train keras-rs' nearest to SASRec and print what peers.py asks for.

    python peer_keras_rs.py EPOCHS SEED DATA

It runs in an environment of its own. keras-rs has no class SASRec, but an example, "Sequential retrieval
using SASRec" (keras.io/keras_rs/examples/sas_rec), of whose parts this is made. Kept are its

- loss: binary cross-entropy of each target and one negative, drawn once, before training, from what the
  person has not seen;
- layout: a person's first items, padded on the right to the full length, in batches never shuffled;
- model: item and position embeddings, pre-norm decoder blocks as wide inside as outside, a last norm, and
  scores from the item embeddings;
- optimiser: Adam with a learning rate of 0.001 and beta_2 of 0.98.

Three things differ. Keras runs on TensorFlow, which we compare with (the example: on JAX). The example
declares an L2 penalty of its embeddings, but its `compute_loss` leaves out `self.losses`, so the penalty
never reaches the gradients; here there is none. And the example asks at a wrong position: its mask is true at
items, but its search for the last item inverts the mask and so counts the padding; nor does it show the model
more than a person's first items. Here the model is shown the newest items and asked at the last of them.
"""

import json
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
import keras_hub
import keras_rs
import numpy as np
from keras import ops
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, LR, MAX_LEN, installed, most_mib


class Model(keras.Model):
    """Hidden states (B, L, D) of items (B, L), which are numbered from 1 and padded with 0."""

    def __init__(self, n_items):
        super().__init__()
        glorot = dict(kernel_initializer="glorot_uniform", activation="relu", layer_norm_epsilon=1e-5)
        self.items = keras_hub.layers.ReversibleEmbedding(
            n_items + 1, DIM, embeddings_initializer="glorot_uniform"
        )
        self.positions = keras_hub.layers.PositionEmbedding(MAX_LEN, initializer="glorot_uniform")
        self.dropout = keras.layers.Dropout(DROPOUT)
        self.blocks = [
            keras_hub.layers.TransformerDecoder(DIM, HEADS, DROPOUT, normalize_first=True, **glorot)
            for _ in range(LAYERS)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-8)

    def call(self, item_ids, training=None):
        x = self.items(item_ids)
        x = self.dropout(x + self.positions(x))
        for block in self.blocks:
            x = block(x, decoder_padding_mask=item_ids > 0)
        return self.norm(x)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        """Mean over the targets ``y[..., 0]`` and their negatives ``y[..., 1]``; 0 = none."""
        logits = ops.sum(self.items(y) * y_pred[:, :, None], axis=-1)  # (B, L, 2)
        labels = ops.broadcast_to(ops.convert_to_tensor([1.0, 0.0]), ops.shape(logits))
        valid = ops.cast(y > 0, logits.dtype)
        values = ops.binary_crossentropy(labels, logits, from_logits=True)
        return ops.sum(values * valid) / ops.sum(valid)


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def pad_right(rows):
    """Lay lists into int32 (n, MAX_LEN), each cut after MAX_LEN items."""
    return np.array([(row + [0] * MAX_LEN)[:MAX_LEN] for row in rows], np.int32)


def training_arrays(histories, n_items, rng):
    """Return the inputs int32 (n, L), and targets and their negatives int32 (n, L, 2)."""
    inputs, targets = (pad_right(rows) for rows in zip(*[(h[:-1], h[1:]) for h in histories], strict=True))
    negatives = np.zeros_like(targets)
    for row, history in enumerate(histories):
        unseen = np.setdiff1d(np.arange(1, n_items + 1), history)
        valid = targets[row] > 0
        negatives[row, valid] = rng.choice(unseen, valid.sum())
    return inputs, np.stack([targets, negatives], axis=-1)


def best_ten(model, histories, n_items):
    """Return the ten best unseen items of each person."""
    hidden = model.predict(pad_right([history[-MAX_LEN:] for history in histories]), verbose=0)
    last = [min(len(history), MAX_LEN) - 1 for history in histories]
    retrieval = keras_rs.layers.BruteForceRetrieval(
        model.items.embeddings, k=n_items + 1, return_scores=False
    )
    ranked = ops.convert_to_numpy(retrieval(hidden[np.arange(len(last)), last]))
    pairs = zip(ranked.tolist(), histories, strict=True)
    return [[item for item in row if item not in {0, *history}][:10] for row, history in pairs]


def main(epochs, seed, data):
    """Train; print one line of JSON, with the ten best of each person."""
    keras.utils.set_random_seed(int(seed))
    with open(data, encoding="utf-8") as file:
        histories, n_items = map(json.load(file).get, ("histories", "n_items"))
    inputs, targets = training_arrays(histories, n_items, np.random.default_rng(int(seed)))
    model, clock = Model(n_items), Clock()
    model.compile(optimizer=keras.optimizers.Adam(LR, beta_2=0.98))
    held = most_mib()
    options = dict(batch_size=BATCH_SIZE, epochs=int(epochs), shuffle=False, callbacks=[clock], verbose=0)
    model.fit(inputs, targets, **options)
    found = dict(seconds=clock.seconds, n_targets=int((targets[..., 0] > 0).sum()))
    found |= dict(lists=best_ten(model, histories, n_items), held=held, peak=most_mib())
    versions = installed(["keras-rs", "keras-hub", "keras", "tensorflow-cpu", "numpy"])
    print(json.dumps(found | dict(versions=versions)))


if __name__ == "__main__":
    main(*sys.argv[1:])
