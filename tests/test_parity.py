"""The same weights give the same numbers in both frameworks. Trained weights: fresh ones hide mistakes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from llmrec_ref import parity  # noqa: E402
from llmrec_ref.pytorch import losses as torch_losses  # noqa: E402
from llmrec_ref.pytorch import sasrec as torch_sasrec  # noqa: E402
from llmrec_ref.pytorch import train as torch_train  # noqa: E402
from llmrec_ref.sequences import training_batches, training_windows  # noqa: E402
from llmrec_ref.splits import Part, Queries, Split  # noqa: E402
from llmrec_ref.tensorflow import losses as tf_losses  # noqa: E402
from llmrec_ref.tensorflow import sasrec as tf_sasrec  # noqa: E402
from llmrec_ref.tensorflow import train as tf_train  # noqa: E402
from llmrec_ref.tensorflow import weights as tf_weights  # noqa: E402

SIZES = dict(n_items=60, dim=16, n_heads=2, max_len=16, dropout=0.0)


@pytest.fixture(scope="module")
def split():
    """60 users, each on a walk of their own step, one item in five at random."""
    rng = np.random.default_rng(0)
    walks = [
        np.where(rng.random(n) < 0.2, rng.integers(60, size=n), (start + step * np.arange(n)) % 60) + 1
        for n, start, step in rng.integers((3, 0, 1), (25, 60, 8), size=(60, 3))
    ]
    train = Part(Queries(walks, np.arange(60)), [np.empty(0, np.int64)] * 60)
    none = Part(Queries([], np.empty(0, np.int64)), [])
    return Split(train, none, none, 60, np.arange(61).astype(object))


@pytest.fixture(scope="module")
def twins(split):
    pytorch = torch_sasrec.SASRec(**SIZES)
    torch_train.fit(pytorch, split, epochs=40, lr=1e-2, batch_size=64, progress=False)
    tensorflow = tf_sasrec.SASRec(**SIZES, seed=1)
    parity.copy_weights(pytorch, tensorflow)
    return pytorch.eval(), tensorflow


@pytest.fixture(scope="module")
def batch(split):
    rows = training_windows(split.train.queries.histories, SIZES["max_len"])
    ((item_ids, targets),) = training_batches(rows, SIZES["max_len"], 64, np.random.default_rng(0))
    return item_ids, targets


def test_logits_agree(twins, batch):
    ours, theirs = (
        twins[0](torch.from_numpy(batch[0])).detach().numpy()[batch[0] > 0],
        twins[1](batch[0]).numpy()[batch[0] > 0],
    )
    assert (ours[:, 0] == -np.inf).all() and (theirs[:, 0] == -np.inf).all()
    assert ours[:, 1:].std() >= 1
    assert np.abs(ours[:, 1:] - theirs[:, 1:]).max() <= 1e-4


def test_scores_and_top_10_agree(twins, split):
    ours, theirs = (model.score(split.train.queries) for model in twins)
    assert np.abs(ours[:, 1:] - theirs[:, 1:]).max() <= 1e-4
    order = np.argsort(-ours, axis=1)[:, :11]
    gaps = -np.diff(np.take_along_axis(ours, order, 1), axis=1)
    clear = (gaps > 2e-4).all(1)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(np.argsort(-theirs, axis=1)[clear, :10], order[clear, :10])


def test_gradients_agree(twins, batch):
    pytorch, tensorflow = twins
    item_ids, targets = batch
    pytorch.zero_grad()
    torch_losses.cross_entropy(pytorch(torch.from_numpy(item_ids)), torch.from_numpy(targets)).backward()
    with tf.GradientTape() as tape:
        loss = tf_losses.cross_entropy(tensorflow(item_ids), targets)
    gradients = map(tf.convert_to_tensor, tape.gradient(loss, tensorflow.trainable_variables))
    gradient_model = tf_sasrec.SASRec(**SIZES)  # holds gradients in the place of weights: the same mapping
    for variable, gradient in zip(gradient_model.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    theirs = tf_weights.get_weights(gradient_model)
    for name, weight in pytorch.named_parameters():
        ours = weight.grad.numpy()
        assert np.abs(ours - theirs[name]).max() <= 1e-4 * np.abs(ours).max(), name


def test_loss_curves_agree_for_50_steps(split):
    pytorch, tensorflow = torch_sasrec.SASRec(**SIZES), tf_sasrec.SASRec(**SIZES, seed=1)
    parity.copy_weights(pytorch, tensorflow)
    # two steps an epoch; larger steps would amplify the rounding in which any two implementations differ
    settings = dict(epochs=25, lr=3e-3, batch_size=32, progress=False)
    ours = torch_train.fit(pytorch, split, **settings).epochs["loss"]
    theirs = tf_train.fit(tensorflow, split, **settings).epochs["loss"]
    assert ours.iloc[-1] < 0.9 * ours.iloc[0]
    assert (ours - theirs).abs().max() <= 1e-3


def test_each_framework_loads_the_run_folder_of_the_other(twins, split, tmp_path):
    for name, model, save, load in (
        ("a", twins[0], torch_train.save, tf_train.load),
        ("b", twins[1], tf_train.save, torch_train.load),
    ):
        save(model, split, tmp_path / name)
        scores = load(tmp_path / name)[0].score(split.train.queries)
        assert np.abs(scores[:, 1:] - model.score(split.train.queries)[:, 1:]).max() <= 1e-4


def test_resume_stays_within_a_framework(split, tmp_path):
    model = torch_sasrec.SASRec(**SIZES)
    torch_train.save(model, split, tmp_path, history=torch_train.fit(model, split, epochs=1, progress=False))
    with pytest.raises(ValueError, match="framework"):
        tf_train.fit(tf_sasrec.SASRec(**SIZES), split, resume=tmp_path, progress=False)


def test_copy_needs_twins(twins):
    with pytest.raises(ValueError, match="another model"):
        parity.copy_weights(twins[0], tf_sasrec.SASRec(**SIZES | {"dim": 8}))
