"""The cross-encoder in both frameworks: beside `transformers`, beside each other, and trained on labels."""

import importlib

import numpy as np
import pytest

import berts
from llmrec_ref import parity, pretrained
from llmrec_ref.metrics import auc
from llmrec_ref.objectives import Labels
from llmrec_ref.runs import Run
from llmrec_ref.text import TextPairs

pytest.importorskip("tokenizers")

SIZES = dict(max_len=16, slot=4)
WORDS = berts.WORDS[5:]  # those that are no special tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights."""
    path = tmp_path_factory.mktemp("bert")
    berts.save(path, head=False)
    return path


@pytest.fixture(scope="module")
def cross(kit):
    return importlib.import_module(f"llmrec_ref.{kit.NAME}.cross_encoder")


@pytest.fixture(scope="module")
def twins():
    for framework in ("torch", "tensorflow"):
        pytest.importorskip(framework)
    return [importlib.import_module(f"llmrec_ref.{name}.cross_encoder") for name in ("pytorch", "tensorflow")]


def set_head(model, seed=0):
    """Give a model a head of which logits are far apart; return its weights."""
    weights = importlib.import_module(model.__module__.replace("cross_encoder", "weights"))
    rng, found = np.random.default_rng(seed), weights.get_weights(model)
    for name in ("head.weight", "head.bias"):
        found[name] = rng.normal(0, 3, found[name].shape).astype(np.float32)
    weights.set_weights(model, found)
    return found


def ask(model, *arrays):
    """Logits of a model of either framework, as NumPy."""
    if "pytorch" in model.__module__:
        torch = pytest.importorskip("torch")
        with torch.no_grad():
            return model(*map(torch.from_numpy, arrays)).numpy()
    return model(*arrays).numpy()


def make_pairs(folder, n=200, labelled=True, seed=0):
    """Is the candidate's word in the query? Half of the time it is; lengths differ."""
    rng = np.random.default_rng(seed)
    queries = [list(rng.choice(WORDS, rng.integers(1, 5), replace=False)) for _ in range(n)]
    labels = np.arange(n) % 2 if labelled else None
    inside = [rng.choice(query) for query in queries]
    outside = [rng.choice([word for word in WORDS if word not in query]) for query in queries]
    candidates = np.where(np.arange(n) % 2, inside, outside)
    rows, tokenizer = np.arange(n), pretrained.Tokenizer(folder)
    return TextPairs(tokenizer, candidates, [" ".join(q) for q in queries], rows, rows, labels, **SIZES)


# What it computes


def test_logits_are_a_layer_on_the_mean_of_the_states_of_transformers(cross, folder):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    bert = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    model = cross.CrossEncoder.load(folder)
    head = set_head(model)
    ids, mask, segments = berts.batch(np.random.default_rng(0), B=40)
    with torch.no_grad():
        hidden = bert(*map(torch.from_numpy, (ids, mask, segments))).last_hidden_state.numpy()
    pooled = np.array([states[there].mean(axis=0) for states, there in zip(hidden, mask, strict=True)])
    expected = pooled @ head["head.weight"][0] + head["head.bias"]
    found = ask(model, ids, mask, segments)
    assert found.shape == (40,) and found.dtype == np.float32 and expected.std() > 1
    assert np.abs(found - expected).max() <= 1e-4


def test_a_fresh_head_is_small_and_its_seed_counts(kit, cross, folder):
    first, again, other = (kit.train.get_weights(cross.CrossEncoder.load(folder, seed=s)) for s in (0, 0, 1))
    read = pretrained.read_weights(folder)
    assert first.keys() == {f"bert.{name}" for name in read} | {"head.weight", "head.bias"}
    for name, array in read.items():
        np.testing.assert_array_equal(first[f"bert.{name}"], array)
    np.testing.assert_array_equal(first["head.weight"], again["head.weight"])
    assert (first["head.weight"] != other["head.weight"]).all() and not first["head.bias"].any()
    wide = kit.train.get_weights(cross.CrossEncoder(cross.Bert(5, 480, 0, 2, 4, 4)))["head.weight"]
    assert wide.std() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_is_on_the_mean_in_training_alone(kit, cross, dropout):
    model = cross.CrossEncoder(cross.Bert(16, 12, 1, 3, 20, 16, dropout=0.0), dropout)
    set_head(model)
    arrays = berts.batch(np.random.default_rng(0), B=100)
    at_rest = ask(model.eval() if kit.NAME == "pytorch" else model, *arrays)
    if kit.NAME == "pytorch":
        trained = ask(model.train(), *arrays)
    else:
        trained = model(*arrays, training=True).numpy()
    assert (np.abs(trained - at_rest).max() > 0.1) == (dropout > 0)


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_scores_are_logits_in_the_order_of_the_pairs(kit, cross, folder, batch_size):
    model, pairs = cross.CrossEncoder.load(folder), make_pairs(folder, 31, labelled=False)
    set_head(model)
    names = ("token_ids", "mask", "segments")
    each = [pairs[np.array([row])] for row in range(31)]
    expected = [ask(model, *(batch[name] for name in names))[0] for batch in each]
    if kit.NAME == "pytorch":
        model.train()
    found = model.score_pairs(pairs, batch_size)
    assert found.dtype == np.float32 and np.std(expected) > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert getattr(model, "training", True)  # PyTorch: as it was


def test_scores_know_what_was_added_to_a_layer(cross, folder):
    """Also after the model has scored before: see `lora`."""
    model, pairs = cross.CrossEncoder.load(folder), make_pairs(folder, 10)
    set_head(model)
    before = model.score_pairs(pairs)
    model.bert.blocks[1].outer.extra = lambda x, y: 2 * y
    assert np.abs(model.score_pairs(pairs) - before).min() > 1e-3


def test_logits_are_float32_in_low_precision(kit, cross, folder):
    """bfloat16 has so few numbers that pairs would tie."""
    arrays = berts.batch(np.random.default_rng(0), B=100)
    precision = dict(pytorch="autocast bfloat16", tensorflow="mixed_bfloat16")[kit.NAME]
    with kit.computing(precision):
        model = cross.CrossEncoder.load(folder)
        set_head(model)
        found = ask(model, *arrays)
    exact = cross.CrossEncoder.load(folder)
    set_head(exact)
    apart = np.abs(found - ask(exact, *arrays))
    assert found.dtype == np.float32 and 1e-4 < apart.max() < 1 and len(np.unique(found)) > 90


# Each other


def test_weights_go_both_ways(twins, folder):
    from llmrec_ref.pytorch.weights import get_weights, set_weights
    from llmrec_ref.tensorflow.weights import get_weights as tf_get_weights

    ours, theirs = (twin.CrossEncoder.load(folder) for twin in twins)
    set_head(ours)
    parity.copy_weights(ours, theirs)
    arrays = berts.batch(np.random.default_rng(1), B=100)
    logits = ask(ours, *arrays)
    assert logits.std() > 1 and np.abs(logits - ask(theirs, *arrays)).max() <= 1e-4

    set_head(theirs, seed=1)
    set_weights(ours, tf_get_weights(theirs))
    for name, array in tf_get_weights(theirs).items():
        np.testing.assert_array_equal(get_weights(ours)[name], array, err_msg=name)
    assert np.abs(ask(ours, *arrays) - ask(theirs, *arrays)).max() <= 1e-4


def test_gradients_agree(twins, folder):
    import tensorflow as tf
    import torch

    from llmrec_ref.pytorch.losses import labels_loss
    from llmrec_ref.tensorflow.losses import labels_loss as tf_labels_loss
    from llmrec_ref.tensorflow.weights import get_weights

    ours, theirs, holder = (each.CrossEncoder.load(folder) for each in (*twins, twins[1]))
    for model in (ours, theirs):
        set_head(model)
    batch = make_pairs(folder, 16)[np.arange(16)]
    labels_loss(ours, {name: torch.from_numpy(array) for name, array in batch.items()}).backward()
    with tf.GradientTape() as tape:
        loss = tf_labels_loss(theirs, batch)
    gradients = map(tf.convert_to_tensor, tape.gradient(loss, theirs.trainable_variables))
    for variable, gradient in zip(holder.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    found = get_weights(holder)
    scale = max(np.abs(gradient).max() for gradient in found.values())
    for name, weight in ours.named_parameters():
        gradient = weight.grad.numpy()
        # where the true gradient is 0, as the keys' bias has it, rounding is all there is
        assert np.abs(gradient - found[name]).max() <= 1e-4 * max(np.abs(gradient).max(), 1e-2 * scale), name


@pytest.mark.trains
def test_loss_curves_agree_for_50_steps(twins, folder):
    from llmrec_ref.pytorch import train
    from llmrec_ref.tensorflow import train as tf_train

    config = pretrained.read_config(folder) | dict(dropout=0.0)
    ours, theirs = (twin.CrossEncoder(twin.Bert(**config), dropout=0.0) for twin in twins)
    parity.copy_weights(ours, theirs)
    pairs = make_pairs(folder, 80)
    settings = dict(objective=Labels(pairs, batch_size=16), epochs=10, lr=1e-2, progress=False)
    first, second = (
        each.fit(model, None, **settings).epochs["loss"].to_numpy()
        for each, model in ((train, ours), (tf_train, theirs))
    )
    assert first[-1] < first[0] - 0.05
    assert np.abs(first - second).max() <= 1e-3


# Trained on labels


@pytest.mark.trains
def test_learns_whether_the_candidate_is_in_the_query(kit, cross, folder):
    """What a bag of the words of both could not tell; the pairs of validation are others."""
    bert = cross.Bert(len(berts.WORDS), 32, 2, 2, 64, 16, dropout=0.0)
    train, held_out = make_pairs(folder, 2000), make_pairs(folder, 400, seed=1)
    model = cross.CrossEncoder(bert, dropout=0.0)
    objective = Labels(train, held_out, batch_size=64)
    settings = dict(objective=objective, epochs=25, lr=3e-3, warmup=20, progress=False)
    history = kit.train.fit(model, None, **settings)
    assert list(history.epochs) == ["epoch", "loss", "val_auc", "seconds"] and history.n_targets == 2000
    found = auc(model.score_pairs(held_out), held_out.labels)
    assert found == history.epochs["val_auc"].max() > 0.9


def test_labels_of_one_class_are_refused(folder):
    pairs, other = make_pairs(folder, 20), make_pairs(folder, 20)
    other.labels[:] = 1
    with pytest.raises(ValueError, match="labels of train must be 0 and 1, some of each: draw negatives"):
        Labels(other, pairs)
    with pytest.raises(ValueError, match="labels of validation"):
        Labels(pairs, other)


def test_fit_says_what_is_missing(kit, cross, folder, tmp_path):
    """Without a split: an item model; without an objective: this one; without items: a run folder."""
    items = kit.Bag(n_items=20)
    with pytest.raises(ValueError, match="pass a split, such as splits.leave_one_out"):
        kit.train.fit(items, None, progress=False)
    model, objective = cross.CrossEncoder.load(folder), Labels(make_pairs(folder, 20))
    with pytest.raises(ValueError, match="pass one, such as objectives.Labels"):
        kit.train.fit(model, None, progress=False)
    with Run(tmp_path / "run") as run, pytest.raises(ValueError, match="train without run="):
        kit.train.fit(model, None, objective=objective, run=run, progress=False)
    assert kit.train.fit(model, None, objective=objective, epochs=1, progress=False).best_epoch == 1
