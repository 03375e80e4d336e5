"""Networks and losses of `toys`, and what tests ask of a framework, in TensorFlow."""

from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import toys
from llmrec_ref.objectives import NextItem
from llmrec_ref.tensorflow import losses, train  # noqa: F401
from llmrec_ref.tensorflow.model import ItemModel, normal

NAME = "tensorflow"

set_seed = keras.utils.set_random_seed


def wide():
    """As PyTorch draws embeddings; made anew each time, so that `set_seed` decides."""
    return keras.initializers.RandomNormal(stddev=1.0)


class Pairs(toys.Pairs):
    def loss(self, model, batch):
        z = model((batch["users"], batch["items"]))
        return ops.mean(tf.nn.sigmoid_cross_entropy_with_logits(batch["labels"], z))


class Towers(toys.Towers):
    def loss(self, model, batch):
        logits = model((batch["left"], batch["right"]))  # (B, B): the other rows are the negatives
        own = tf.range(tf.shape(logits)[0])
        return ops.mean(tf.nn.sparse_softmax_cross_entropy_with_logits(own, logits))


class Slope(toys.Slope):
    def loss(self, model, batch):
        return ops.mean(model(batch["x"])) + ops.mean(batch["shift"])


class Rows(toys.Rows):
    def loss(self, model, batch):
        return ops.mean(ops.sum(model.rows(batch["rows"]) * batch["x"], axis=1))


class Toy(keras.Model):
    def numbers(self, *arrays):
        return np.array(self(arrays))


class PairClassifier(Toy):
    def __init__(self, n_users, n_items, dim=8):
        super().__init__()
        self.config = dict(n_users=n_users, n_items=n_items, dim=dim)
        self.users = layers.Embedding(n_users, dim, embeddings_initializer=wide(), name="users")
        self.items = layers.Embedding(n_items, dim, embeddings_initializer=wide(), name="items")
        self.hidden, self.out = layers.Dense(dim, name="hidden"), layers.Dense(1, name="out")
        self.numbers(np.zeros(1, np.int64), np.zeros(1, np.int64))  # makes the weights

    def call(self, pair):
        users, items = pair
        return self.out(ops.relu(self.hidden(self.users(users) * self.items(items))))[:, 0]  # (B,)


class TwoTowers(Toy):
    def __init__(self, n_left, n_right, dim=8):
        super().__init__()
        self.config = dict(n_left=n_left, n_right=n_right, dim=dim)
        self.left, self.right = layers.Dense(dim, name="left"), layers.Dense(dim, name="right")
        self.numbers(np.zeros((1, n_left), np.float32), np.zeros((1, n_right), np.float32))

    def call(self, pair):
        left, right = (
            ops.normalize(tower(x)) for tower, x in zip((self.left, self.right), pair, strict=True)
        )
        return 10 * left @ ops.transpose(right)  # (B, B)


class Line(Toy):
    def __init__(self, start=(1.0, -2.0)):
        super().__init__()
        self.config = dict(start=list(start))
        self.w = self.add_weight(name="w", shape=(2,))
        self.w.assign(start)

    def call(self, x):
        return ops.tensordot(x, self.w, 1)

    def numbers(self):
        return self.w.numpy()


class Lookup(Toy):
    def __init__(self):
        super().__init__()
        self.rows = layers.Embedding(4, 2, embeddings_initializer="ones", name="rows")
        self(np.zeros(1, np.int64))  # makes the weights

    def call(self, rows):
        return self.rows(rows)


class Bag(ItemModel):
    """A model of the tests' own: the mean of the items so far, and a layer."""

    def __init__(self, n_items, dim=16, max_len=8, seed=0):
        super().__init__()
        self.config = dict(n_items=n_items, dim=dim, max_len=max_len)
        self.objective = NextItem(max_len)
        draw = normal(seed)
        self.items = layers.Embedding(n_items + 1, dim, embeddings_initializer=draw, name="items")
        self.layer = layers.Dense(dim, kernel_initializer=draw, name="layer")
        self(np.zeros((1, max_len), np.int64))  # makes the weights

    def encode(self, item_ids):
        there = ops.cast(item_ids > 0, "float32")[..., None]  # (B, L, 1)
        mean = ops.cumsum(self.items(item_ids) * there, axis=1) / ops.maximum(ops.cumsum(there, axis=1), 1)
        return ops.tanh(self.layer(mean))


def freeze(model, but):
    """Freeze all but one part of a model."""
    for layer in model.layers:
        layer.trainable = layer.name == but


class Asked(keras.Model):
    """Calls a method of a model as training or scoring would."""

    def __init__(self, method):
        super().__init__()
        self.method = method

    def call(self, x, *others, training=None):
        return self.method(x, *others)


def call(model, item_ids, training):
    """Hidden states as NumPy, in the mode asked for."""
    return Asked(model.encode)(np.asarray(item_ids), training=training).numpy()


def batch_loss(model, loss, batch):
    """A loss of one batch of arrays, without dropout."""
    arrays = {name: tf.constant(array) for name, array in batch.items()}
    return float(losses.of_batch(loss)(model, arrays))


def watch(layer, monkeypatch):
    """Return a list to which each call of a layer adds (input, output)."""
    seen, inner = [], layer.call

    def spy(x, *others, **more):
        y = inner(x, *others, **more)
        seen.append((x.numpy(), y.numpy()))
        return y

    monkeypatch.setattr(layer, "call", spy)
    return seen


def ask(layer, x, visible, training):
    """What attention or a block makes of ``x``, whose query sees what is ``visible``."""
    return Asked(layer)(x, visible, training=training).numpy()


def rates(model):
    """The probabilities of all of a model's dropouts."""
    return [layer.rate for layer in model._flatten_layers() if isinstance(layer, layers.Dropout)]


@contextmanager
def computing(precision):
    """While it lasts, models are made that compute in a precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build(name, precision, **config):
    return train.MODELS[name](**config)


def logits(model, *item_ids):
    return model(np.array(item_ids)).numpy()


def value_and_gradients(loss, precision, floats, *others):
    """A loss of floats, as a model of a precision would ask for it, and its gradients."""
    dtype = keras.config.dtype_policy().compute_dtype
    floats = [tf.cast(array, dtype) for array in floats]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        value = loss(*floats, *map(tf.constant, others))
    gradients = tape.gradient(value, floats)
    return value.numpy(), [tf.cast(tf.convert_to_tensor(g), "float64").numpy() for g in gradients]
