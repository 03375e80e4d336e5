"""Freeze maps, low-rank updates and adapters: beside their formulas, PEFT, and each other's framework."""

import importlib

import numpy as np
import pytest

import berts
import toys
from llmrec_ref import parity, tuning

pytest.importorskip("tokenizers")
D, INNER, BLOCKS = (berts.CONFIG[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
PLACES = ("attention.qkv", "attention.out", "inner", "outer")
SIDES = {"attention.qkv": (D, 3 * D), "attention.out": (D, D), "inner": (D, INNER), "outer": (INNER, D)}
BATCH = berts.batch(np.random.default_rng(1))
EXTENSIONS = {
    "LoRA": lambda lora, model: lora.add_lora(model, 3, layers=PLACES),
    "adapters": lambda lora, model: lora.add_adapters(model, 4),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    berts.save(path)
    return path


@pytest.fixture
def lora(kit):
    return importlib.import_module(f"llmrec_ref.{kit.NAME}.lora")


@pytest.fixture
def load(kit, folder):
    """Return a function that loads the tiny BERT anew."""
    bert = importlib.import_module(f"llmrec_ref.{kit.NAME}.bert").Bert
    return lambda: bert.load(folder)


@pytest.fixture
def weights(kit):
    return importlib.import_module(f"llmrec_ref.{kit.NAME}.weights")


def hidden(model, batch=BATCH):
    """Hidden states of own tokens, as NumPy."""
    if "pytorch" in model.__module__:
        torch = pytest.importorskip("torch")
        with torch.no_grad():
            found = model(*map(torch.from_numpy, batch)).numpy()
    else:
        found = model(*batch).numpy()
    return found[batch[1]]


def trained_names(model):
    """Names of the weights that training moves."""
    if "pytorch" in model.__module__:
        return {name for name, weight in model.named_parameters() if weight.requires_grad}
    from llmrec_ref.tensorflow.weights import name_of

    return {name_of(weight, model) for weight in model.trainable_weights}


def draw(model, weights, seed=0, scale=0.3):
    """Give what was added random weights, so wide that they hide no mistake; return all weights."""
    rng = np.random.default_rng(seed)
    found = weights.get_weights(model)
    for name in sorted(found):
        if ".extra." in name:
            found[name] = rng.normal(0, scale, found[name].shape).astype(np.float32)
    weights.set_weights(model, found)
    return found


@pytest.mark.parametrize("extend", EXTENSIONS.values(), ids=EXTENSIONS)
def test_nothing_changes_at_the_start(lora, load, extend):
    model = load()
    before = hidden(model)
    extend(lora, model)
    np.testing.assert_array_equal(hidden(model), before)


@pytest.mark.parametrize("places", [PLACES[:1], PLACES[1:], PLACES])
@pytest.mark.parametrize("rank", [1, 5, 12])
def test_an_update_has_the_numbers_of_its_formula(lora, load, places, rank):
    model = load()
    lora.add_lora(model, rank, layers=places)
    expected = BLOCKS * sum(rank * sum(SIDES[place]) for place in places)
    assert lora.count_trained(model) == expected
    assert all(".extra." in name for name in trained_names(model))


def test_adapters_have_the_numbers_of_their_formula(lora, load):
    model = load()
    lora.add_adapters(model, 4)
    norms = 2 * D * (2 * BLOCKS + 1)
    assert lora.count_trained(model) == BLOCKS * 2 * (2 * D * 4 + D + 4) + norms
    assert all(".extra." in name or "norm" in name for name in trained_names(model))


def test_the_update_is_its_formula(lora, load, weights):
    """A layer with an update is a layer whose matrix is W + alpha / r B A."""
    model, plain = load(), load()
    lora.add_lora(model, 3, alpha=5, layers=PLACES)
    found = draw(model, weights)
    whole = {name: array for name, array in found.items() if ".extra." not in name}
    for name in [name for name in found if name.endswith(".extra.a")]:
        layer = name.removesuffix(".extra.a")
        whole[f"{layer}.weight"] = whole[f"{layer}.weight"] + 5 / 3 * found[f"{layer}.extra.b"] @ found[name]
    weights.set_weights(plain, whole)
    np.testing.assert_allclose(hidden(model), hidden(plain), atol=2e-5)
    assert np.abs(hidden(plain) - hidden(load())).max() > 0.5


def test_the_adapter_is_its_formula(lora, load, weights):
    """What the first adapter makes of a layer's output, by hand."""
    from scipy.special import erf

    model = load()
    lora.add_adapters(model, 4)
    found = draw(model, weights)
    adapter = model.blocks[0].outer.extra
    y = np.random.default_rng(2).normal(size=(5, D)).astype(np.float32)
    names = [f"blocks.0.outer.extra.{name}" for name in ("down.weight", "down.bias", "up.weight", "up.bias")]
    u, c, v, d = (found[name].astype(float) for name in names)
    inner = y @ u.T + c
    expected = y + inner * (1 + erf(inner / 2**0.5)) / 2 @ v.T + d
    if "pytorch" in model.__module__:
        import torch

        answer = adapter(None, torch.from_numpy(y)).detach().numpy()
    else:
        answer = adapter(y, y).numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_merged_is_unmerged_and_plain(lora, load, weights):
    model = load()
    lora.add_lora(model, 3, alpha=5, layers=PLACES)
    draw(model, weights, scale=0.1)
    before = hidden(model)
    lora.merge_lora(model)
    np.testing.assert_allclose(hidden(model), before, atol=1e-5)
    plain = load()
    weights.set_weights(plain, weights.get_weights(model))
    np.testing.assert_array_equal(hidden(plain), hidden(model))
    with pytest.raises(ValueError, match="no low-rank updates to merge"):
        lora.merge_lora(model)
    lora.add_lora(model, 2)  # and again


def test_graphs_from_before_do_not_add_a_merged_update_again(folder):
    tf = pytest.importorskip("tensorflow")
    from llmrec_ref.tensorflow import lora, weights
    from llmrec_ref.tensorflow.bert import Bert

    model = Bert.load(folder)
    lora.add_lora(model, 3)
    draw(model, weights)
    graph = tf.function(lambda *batch: model(*batch))
    before = graph(*BATCH)
    lora.merge_lora(model)
    np.testing.assert_allclose(graph(*BATCH), before, atol=1e-4)


def test_nothing_changes_at_the_start_in_other_precisions(kit, lora, load):
    """What is added computes in the precision of its layer."""
    if kit.NAME == "pytorch":
        models = [load().double(), load().double()]
    else:
        with kit.computing("mixed_bfloat16"):
            models = [load(), load()]
    expected = hidden(load())
    for model, extend in zip(models, EXTENSIONS.values(), strict=True):
        before = hidden(model)
        extend(lora, model)
        np.testing.assert_array_equal(hidden(model), before)
        assert hidden(model).dtype == before.dtype != expected.dtype


@pytest.mark.parametrize("extend", EXTENSIONS.values(), ids=EXTENSIONS)
def test_a_bert_within_a_model_is_extended_and_the_head_stays_trained(folder, extend):
    """In both frameworks, whose weights go either way."""
    pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    found = {}
    for name in ("pytorch", "tensorflow"):
        bert, lora, weights = (
            importlib.import_module(f"llmrec_ref.{name}.{file}") for file in ("bert", "lora", "weights")
        )
        model = bert.MaskedLM.load(folder)
        extend(lora, model.bert)
        found[name] = model, weights
    (model, weights), (twin, tf_weights) = found.values()
    tf_weights.set_weights(twin, draw(model, weights))
    np.testing.assert_allclose(hidden(twin), hidden(model), atol=1e-4)
    weights.set_weights(model, draw(twin, tf_weights, seed=1))
    np.testing.assert_allclose(hidden(twin), hidden(model), atol=1e-4)
    names = trained_names(model)
    assert names == trained_names(twin)
    assert {name for name in names if not name.startswith("bert.")} == {
        "bias", "head.weight", "head.bias", "head_norm.weight", "head_norm.bias"
    }  # fmt: skip
    assert "bert.blocks.0.attention.out.weight" not in names and any(".extra." in name for name in names)


def test_peft_computes_the_same(folder):
    """The same matrices in PEFT's layers, where the joint layer of queries, keys and values is one layer."""
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    from llmrec_ref.pytorch import lora, weights
    from llmrec_ref.pytorch.bert import Bert

    model, other = Bert.load(folder), Bert.load(folder)
    lora.add_lora(model, 3, alpha=5, layers=("attention.qkv", "outer"))
    found = draw(model, weights)
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["qkv", "outer"])
    other = peft.inject_adapter_in_model(config, other).eval()
    own = {name: weight for name, weight in other.named_parameters() if "lora_" in name}
    assert lora.count_trained(other) == lora.count_trained(model)
    with torch.no_grad():
        for name, weight in own.items():
            layer, _, rest = name.partition(".lora_")
            weight.copy_(torch.from_numpy(found[f"{layer}.extra.{rest[0].lower()}"]))
    arrays = list(map(torch.from_numpy, BATCH))
    theirs = other(*arrays)
    np.testing.assert_allclose(theirs.detach().numpy()[BATCH[1]], hidden(model), atol=1e-5)

    theirs[arrays[1]].square().sum().backward()
    model(*arrays)[arrays[1]].square().sum().backward()
    ours = dict(model.named_parameters())
    for name, weight in own.items():
        layer, _, rest = name.partition(".lora_")
        gradient = ours[f"{layer}.extra.{rest[0].lower()}"].grad.numpy()
        np.testing.assert_allclose(
            weight.grad.numpy(), gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max()
        )


@pytest.mark.parametrize("extend", EXTENSIONS.values(), ids=EXTENSIONS)
def test_both_frameworks_agree(folder, extend):
    """The same names, hidden states and gradients, on the same weights."""
    torch, tf = pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    from llmrec_ref.pytorch import lora, weights
    from llmrec_ref.pytorch.bert import Bert
    from llmrec_ref.tensorflow import lora as tf_lora
    from llmrec_ref.tensorflow.bert import Bert as TFBert
    from llmrec_ref.tensorflow.weights import get_weights, name_of

    model, twin = Bert.load(folder), TFBert.load(folder)
    extend(lora, model)
    extend(tf_lora, twin)
    draw(model, weights)
    parity.copy_weights(model, twin)
    for name, array in get_weights(twin).items():
        np.testing.assert_array_equal(array, weights.get_weights(model)[name])
    np.testing.assert_allclose(hidden(twin), hidden(model), atol=1e-4)
    assert trained_names(model) == trained_names(twin)

    goal = np.random.default_rng(3).normal(size=(*BATCH[0].shape, D)).astype(np.float32)
    (model(*map(torch.from_numpy, BATCH)) * torch.from_numpy(goal * BATCH[1][..., None])).sum().backward()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(twin(*BATCH) * goal * BATCH[1][..., None])
    ours = {name: weight.grad.numpy() for name, weight in model.named_parameters() if weight.requires_grad}
    for variable, gradient in zip(
        twin.trainable_weights, tape.gradient(total, twin.trainable_weights), strict=True
    ):
        theirs = gradient.numpy().T if variable.path.endswith("kernel") else gradient.numpy()
        expected = ours[name_of(variable, twin)]
        np.testing.assert_allclose(theirs, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


class Texts(toys.Toy):
    """Random texts whose mean hidden state should be high."""

    metric = "val_none"

    def __init__(self):
        super().__init__(4, **dict(zip(("token_ids", "mask", "segments"), BATCH, strict=True)))

    def loss(self, model, batch):
        states = model(batch["token_ids"], batch["mask"], batch["segments"])
        return -(states[..., 0].mean() if hasattr(states, "backward") else _mean(states[..., 0]))

    def validate(self, model):
        return None


def _mean(states):
    import tensorflow as tf

    return tf.reduce_mean(states)


@pytest.mark.trains
@pytest.mark.parametrize("extend", EXTENSIONS.values(), ids=EXTENSIONS)
def test_training_moves_what_it_should_and_nothing_else(kit, lora, load, weights, extend):
    model = load()
    extend(lora, model)
    before, trained = weights.get_weights(model), trained_names(model)
    kit.train.fit(model, None, objective=Texts(), epochs=3, lr=1e-2, progress=False)
    for name, array in weights.get_weights(model).items():
        assert np.array_equal(array, before[name]) == (name not in trained), name


def test_a_freeze_map_trains_its_parts_alone(lora, load):
    model = load()
    lora.freeze(model, ["blocks.1.attention", "norm2"])
    names = {f"blocks.1.attention.{layer}.{kind}" for layer in ("qkv", "out") for kind in ("weight", "bias")}
    names |= {f"blocks.{i}.norm2.{kind}" for i in range(BLOCKS) for kind in ("weight", "bias")}
    assert trained_names(model) == names
    assert lora.count_trained(model) == 3 * D * D + 3 * D + D * D + D + BLOCKS * 2 * D
    lora.freeze(model, ["blocks.1"])  # what is frozen stays so
    assert trained_names(model) == {name for name in names if name.startswith("blocks.1")}
    lora.freeze(model)
    assert trained_names(model) == set() and lora.count_trained(model) == 0


def test_parts_are_whole_words():
    names = ["blocks.1.norm1.weight", "blocks.10.norm1.weight", "head.weight"]
    assert tuning.chosen(names, ["blocks.1"]) == [True, False, False]
    assert tuning.chosen(names, ["norm1", "head"]) == [True, True, True]
    assert tuning.chosen(names, []) == [False] * 3
    with pytest.raises(ValueError, match="no part 'blocks.2'.*'head.weight'.*begin with blocks, head"):
        tuning.chosen(names, ["blocks.2"])
    with pytest.raises(TypeError, match="list of parts"):
        tuning.chosen(names, "head")


@pytest.mark.parametrize("rank", [0, -1, 13, 2.0, True, None])
def test_ranks_and_widths_that_cannot_be_are_refused(lora, load, rank):
    model = load()
    for add, what in ((lora.add_lora, "rank"), (lora.add_adapters, "width")):
        with pytest.raises(ValueError, match=f"^{what}={rank!r}: it must be a whole number from 1 to 12"):
            add(model, rank)
    assert lora.count_trained(model) == sum(array.size for array in all_weights(model).values())


def all_weights(model):
    framework = "pytorch" if "pytorch" in model.__module__ else "tensorflow"
    return importlib.import_module(f"llmrec_ref.{framework}.weights").get_weights(model)


def test_unknown_layers_and_second_additions_are_refused(lora, load):
    model = load()
    with pytest.raises(ValueError, match="no part 'query'"):
        lora.add_lora(model, 2, layers=["query"])
    lora.add_lora(model, 2)
    for again in (lambda: lora.add_lora(model, 2), lambda: lora.add_adapters(model, 2)):
        with pytest.raises(ValueError, match="updates or adapters already"):
            again()
    model = load()
    lora.add_adapters(model, 2)
    with pytest.raises(ValueError, match="no low-rank updates"):
        lora.merge_lora(model)


def test_a_model_without_a_place_is_refused(kit, lora):
    for add in (lora.add_lora, lora.add_adapters):
        with pytest.raises(ValueError, match="no `layers.Linear` to add to: take a Bert"):
            add(kit.TwoTowers(8, 6), 1)


def test_the_matrix_a_is_drawn_by_its_seed(lora, load, weights):
    drawn = []
    for seed in (0, 0, 1):
        model = load()
        lora.add_lora(model, 6, layers=("outer",), seed=seed)
        drawn.append(weights.get_weights(model)["blocks.0.outer.extra.a"])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert drawn[0].std() == pytest.approx(INNER**-0.5, rel=0.3)
