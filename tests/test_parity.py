"""The same weights give the same numbers in both frameworks. Trained weights: fresh ones hide mistakes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import toys_pytorch  # noqa: E402
import toys_tensorflow  # noqa: E402
from llmrec_ref import parity  # noqa: E402
from llmrec_ref.losses import LOSSES  # noqa: E402
from llmrec_ref.objectives import negative_sampler  # noqa: E402
from llmrec_ref.pytorch import losses as torch_losses  # noqa: E402
from llmrec_ref.pytorch import train as torch_train  # noqa: E402
from llmrec_ref.splits import Part, Queries, Split  # noqa: E402
from llmrec_ref.tensorflow import losses as tf_losses  # noqa: E402
from llmrec_ref.tensorflow import train as tf_train  # noqa: E402
from llmrec_ref.tensorflow import weights as tf_weights  # noqa: E402

pytestmark = pytest.mark.trains

SIZES = dict(n_items=60, dim=16, n_layers=2, max_len=16, dropout=0.0)
MORE = {"GRU4Rec": {}, "SASRec": dict(n_heads=2), "BERT4Rec": dict(n_heads=2)}


def fresh(name, **settings):
    """A model in each framework, with equal weights."""
    settings = SIZES | MORE[name] | settings
    pytorch, tensorflow = torch_train.MODELS[name](**settings), tf_train.MODELS[name](**settings, seed=1)
    parity.copy_weights(pytorch, tensorflow)
    return pytorch, tensorflow


@pytest.fixture(scope="module")
def split():
    """60 users, each on a walk of their own step, one item in five at random."""
    rng = np.random.default_rng(0)
    walks = [
        np.where(rng.random(n) < 0.2, rng.integers(60, size=n), (start + step * np.arange(n)) % 60) + 1
        for n, start, step in rng.integers((11, 0, 1), (25, 60, 8), size=(60, 3))
    ]
    train = Part(Queries(walks, np.arange(60)), [np.empty(0, np.int64)] * 60)
    none = Part(Queries([], np.empty(0, np.int64)), [])
    return Split(train, none, none, 60, np.arange(61).astype(object))


@pytest.fixture(scope="module", params=MORE)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def twins(name, split):
    pytorch, tensorflow = fresh(name)
    torch_train.fit(pytorch, split, epochs=90, lr=1e-2, batch_size=64, progress=False)
    parity.copy_weights(pytorch, tensorflow)
    return pytorch.eval(), tensorflow


@pytest.fixture(scope="module")
def batch(twins, split):
    rows = twins[0].objective.windows(split.train.queries.histories, "newest")
    ((item_ids, targets),) = twins[0].objective.batches(rows, 64, np.random.default_rng(0))
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


@pytest.fixture(scope="module")
def holder(name):
    """Holds gradients in the place of weights: names and layouts are mapped alike."""
    return fresh(name)[1]


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree(twins, split, batch, holder, loss):
    pytorch, tensorflow = twins
    item_ids, targets = batch
    drawn = negative_sampler(loss, 20, split)(targets, np.random.default_rng(0)).values()
    pytorch.zero_grad()
    there = targets > 0
    own = [torch.from_numpy(part[there]) for part in drawn]
    hidden, wanted = pytorch.encode(torch.from_numpy(item_ids))[there], torch.from_numpy(targets[there])
    torch_losses.TRAINING[loss](hidden, pytorch.table, wanted, *own).backward()
    with tf.GradientTape() as tape:
        hidden = tf.reshape(tensorflow.encode(item_ids), (-1, SIZES["dim"]))
        drawn = [part.reshape(-1, 20) for part in drawn]
        value = tf_losses.TRAINING[loss](hidden, tensorflow.table, targets.ravel(), *drawn)
    gradients = map(tf.convert_to_tensor, tape.gradient(value, tensorflow.trainable_variables))
    for variable, gradient in zip(holder.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    theirs = tf_weights.get_weights(holder)
    for key, weight in pytorch.named_parameters():
        ours = weight.grad.numpy()
        assert np.abs(ours - theirs[key]).max() <= 1e-4 * np.abs(ours).max(), key


def curves(name, split, **settings):
    """Loss of each epoch in PyTorch and in TensorFlow, from equal weights; two steps an epoch."""
    settings = dict(lr=3e-3, batch_size=32, progress=False) | settings
    return [
        train.fit(model, split, **settings).epochs["loss"].to_numpy()
        for train, model in zip((torch_train, tf_train), fresh(name, n_layers=1), strict=True)
    ]


# every loss of SASRec, and every model; larger steps would amplify the rounding in which any two
# implementations differ
@pytest.mark.parametrize(
    ("name", "loss"),
    [*(("SASRec", loss) for loss in LOSSES), ("GRU4Rec", LOSSES[0]), ("BERT4Rec", LOSSES[0])],
)
def test_loss_curves_agree_for_50_steps(name, split, loss):
    ours, theirs = curves(name, split, epochs=25, loss=loss, n_negatives=20)
    assert ours[-1] < ours[0] - 0.05
    assert np.abs(ours - theirs).max() <= 1e-3


def test_warm_up_is_the_same(split):
    ours, theirs = curves("GRU4Rec", split, epochs=6, lr=3e-2, warmup=8)
    assert np.abs(ours - theirs).max() <= 1e-4
    model = fresh("GRU4Rec", n_layers=1)[0]
    settings = dict(epochs=6, lr=3e-2, batch_size=32, progress=False)
    at_once = torch_train.fit(model, split, **settings).epochs["loss"].to_numpy()
    assert np.abs(ours - at_once).max() > 0.01


def test_each_framework_loads_the_run_folder_of_the_other(twins, split, tmp_path):
    for name, model, save, load in (
        ("a", twins[0], torch_train.save, tf_train.load),
        ("b", twins[1], tf_train.save, torch_train.load),
    ):
        save(model, split, tmp_path / name)
        scores = load(tmp_path / name)[0].score(split.train.queries)
        assert np.abs(scores[:, 1:] - model.score(split.train.queries)[:, 1:]).max() <= 1e-4


def test_resume_stays_within_a_framework(split, tmp_path):
    model, other = fresh("SASRec")
    torch_train.save(model, split, tmp_path, history=torch_train.fit(model, split, epochs=1, progress=False))
    with pytest.raises(ValueError, match="framework"):
        tf_train.fit(other, split, resume=tmp_path, progress=False)


def test_copy_needs_twins():
    for other in (fresh("SASRec", dim=8)[1], fresh("BERT4Rec")[1]):
        with pytest.raises(ValueError, match="another model"):
            parity.copy_weights(fresh("SASRec")[0], other)


@pytest.mark.parametrize(("name", "network"), [("Pairs", "PairClassifier"), ("Towers", "TwoTowers")])
def test_other_objectives_have_the_same_curves(split, name, network):
    ours, theirs = getattr(toys_pytorch, name)(), getattr(toys_tensorflow, name)()
    pytorch, tensorflow = (getattr(kit, network)(**ours.sizes) for kit in (toys_pytorch, toys_tensorflow))
    parity.copy_weights(pytorch, tensorflow)
    settings = dict(epochs=6, lr=1e-2, progress=False)
    columns = ["loss", ours.metric]
    one = torch_train.fit(pytorch, split, objective=ours, **settings).epochs[columns]
    other = tf_train.fit(tensorflow, split, objective=theirs, **settings).epochs[columns]
    assert one["loss"].iloc[-1] < one["loss"].iloc[0]
    np.testing.assert_allclose(one, other, atol=1e-3)
    parity.copy_weights(pytorch, tensorflow)
    np.testing.assert_allclose(
        pytorch.numbers(*ours.held_out[:2]), tensorflow.numbers(*ours.held_out[:2]), atol=1e-4
    )


@pytest.mark.parametrize("loaded", ["pytorch", "tensorflow"])
def test_frozen_weights_go_to_the_other_framework(name, split, tmp_path, loaded):
    """To the bit, from where they were trained, through a copy or a run folder."""
    kits = [toys_pytorch, toys_tensorflow]
    there, here = kits if loaded == "tensorflow" else kits[::-1]
    sizes = SIZES | MORE[name] | dict(dim=2, dropout=0.5)
    model = there.train.MODELS[name](**sizes)
    there.freeze(model, but="items")
    before = there.train.get_weights(model)
    there.train.fit(model, split, epochs=1, lr=1e-2, progress=False)
    weights = there.train.get_weights(model)
    there.train.save(model, split, tmp_path)
    found = [here.train.load(tmp_path)[0]]
    if loaded == "tensorflow":
        found.append(here.train.MODELS[name](**sizes, seed=1))
        here.freeze(found[1], but="items")
        parity.copy_weights(model, found[1])
    for other in found:
        copied = here.train.get_weights(other)
        assert copied.keys() == weights.keys() == before.keys()
        for key, weight in weights.items():
            np.testing.assert_array_equal(copied[key], weight)
            assert key == "items.weight" or (weight == before[key]).all()
