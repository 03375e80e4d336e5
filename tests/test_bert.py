"""BERT in both frameworks: beside its formula in NumPy, and beside `transformers` and keras-hub."""

import importlib
import json
from functools import partial

import numpy as np
import pytest
from scipy.special import erf

import berts
from llmrec_ref import parity, pretrained
from llmrec_ref.runs import check_weights

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights and a masked-LM head."""
    path = tmp_path_factory.mktemp("bert")
    berts.save(path)
    return path


@pytest.fixture(scope="module")
def bert(kit):
    return importlib.import_module(f"llmrec_ref.{kit.NAME}.bert")


def ask(model, *arrays):
    """What a model of either framework answers, as NumPy."""
    if "pytorch" in model.__module__:
        torch = pytest.importorskip("torch")
        with torch.no_grad():
            return model(*map(torch.from_numpy, arrays)).numpy()
    return model(*arrays).numpy()


# The formula


def norm(x, w, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-3) * w[f"{name}.weight"]
        + w[f"{name}.bias"]
    )


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def by_hand(ids, segments, w):
    """Hidden states (L, D) of one text without padding, from weights by Hugging Face's names."""
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][segments]
    x = norm(x + w["embeddings.position_embeddings.weight"][: len(ids)], w, "embeddings.LayerNorm")
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        parts = [linear(x, w, f"{layer}.attention.self.{part}") for part in ("query", "key", "value")]
        heads = []
        for q, k, v in zip(*(np.split(part, 3, axis=-1) for part in parts), strict=True):
            odds = np.exp(q @ k.T / np.sqrt(4))
            heads.append(odds / odds.sum(axis=1, keepdims=True) @ v)
        y = linear(np.concatenate(heads, axis=1), w, f"{layer}.attention.output.dense")
        x = norm(x + y, w, f"{layer}.attention.output.LayerNorm")
        y = linear(gelu(linear(x, w, f"{layer}.intermediate.dense")), w, f"{layer}.output.dense")
        x = norm(x + y, w, f"{layer}.output.LayerNorm")
    return x


def test_hidden_states_are_their_formula(bert, tmp_path):
    weights = {name: w.astype(float) for name, w in berts.save(tmp_path, head=False).items()}
    ids, mask, segments = berts.batch(np.random.default_rng(0))
    found = ask(bert.Bert.load(tmp_path), ids, mask, segments)
    for row, n in enumerate(mask.sum(1)):
        expected = by_hand(ids[row, :n], segments[row, :n], weights)
        np.testing.assert_allclose(found[row, :n], expected, rtol=1e-3, atol=1e-4)


def test_masked_lm_is_its_formula(bert, folder):
    weights = {name.removeprefix("bert."): w.astype(float) for name, w in berts.save(folder).items()}
    ids, mask, segments = berts.batch(np.random.default_rng(1), B=1)
    x, top = by_hand(ids[0], segments[0], weights), "cls.predictions"
    x = norm(gelu(linear(x, weights, f"{top}.transform.dense")), weights, f"{top}.transform.LayerNorm")
    expected = x @ weights["embeddings.word_embeddings.weight"].T + weights[f"{top}.bias"]
    found = ask(bert.MaskedLM.load(folder), ids, mask, segments)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_first_segment_is_the_default(bert, folder):
    model, (ids, mask, _) = bert.Bert.load(folder), berts.batch(np.random.default_rng(2))
    np.testing.assert_array_equal(ask(model, ids, mask), ask(model, ids, mask, np.zeros_like(ids)))


def test_padding_changes_nothing(bert, folder):
    """Nor does what stands in it."""
    model, (ids, mask, segments) = bert.Bert.load(folder), berts.batch(np.random.default_rng(3))
    others = np.where(mask, ids, 1)
    apart = ask(model, ids, mask, segments) - ask(model, others, mask, segments)
    assert np.abs(apart[mask]).max() < 1e-5 and not mask.all()


def test_old_names_of_weights_are_known(bert, folder, tmp_path):
    """``gamma`` and ``beta``, as the first checkpoints have them."""
    weights = berts.save(tmp_path)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, name in old.items():
        weights = {key.replace(new, name): array for key, array in weights.items()}
    berts.save_file(weights, tmp_path / "model.safetensors")
    arrays = berts.batch(np.random.default_rng(4))
    np.testing.assert_array_equal(*(ask(bert.MaskedLM.load(each), *arrays) for each in (folder, tmp_path)))


def test_dropout_is_off_but_in_training(kit, bert, folder):
    model, arrays = bert.Bert.load(folder), berts.batch(np.random.default_rng(5))
    np.testing.assert_array_equal(ask(model, *arrays), ask(model, *arrays))
    if kit.NAME == "pytorch":
        assert np.abs(ask(model.train(), *arrays) - ask(model, *arrays)).max() > 0.1
    else:
        assert np.abs(model(*arrays, training=True) - ask(model, *arrays)).max() > 0.1


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_on_embeddings_and_on_both_branches(kit, bert, monkeypatch, training):
    model = bert.Bert(16, 64, 1, 2, 64, 16, dropout=0.25)
    ids, mask = np.random.default_rng(0).integers(1, 16, (50, 10)), np.ones((50, 10), bool)
    block = model.blocks[0]
    seen = {name: kit.watch(getattr(block, name), monkeypatch) for name in ("norm1", "norm2")}
    (whole,) = [kit.watch(block, monkeypatch)]
    if kit.NAME == "pytorch":
        ask(model.train(training), ids, mask)
    else:
        model(ids, mask, training=training)
    (first, normed), (second, _), (entered, _) = seen["norm1"][-1], seen["norm2"][-1], whole[-1]
    for dropped in (entered, first - entered, second - normed):
        assert np.mean(dropped == 0) == pytest.approx(0.25 if training else 0, abs=0.02)


def test_fresh_weights_are_drawn_as_documented(kit, bert):
    weights = kit.train.get_weights(bert.MaskedLM(bert.Bert(500, 48, 2, 4, 96, 64)))
    for name, array in weights.items():
        if array.ndim == 2 and array.size > 500:
            assert array.std() == pytest.approx(0.02, rel=0.1), name
        elif array.ndim == 1:
            assert (array == ("bias" not in name)).all(), name


def test_mean_pool_leaves_padding_out(kit, bert):
    hidden = np.array([[[1, 2], [3, 6], [100, 100]]], dtype=np.float32)
    found = ask(bert.mean_pool, hidden, np.array([[True, True, False]]))
    np.testing.assert_array_equal(found, [[2, 4]])


# Each other


@pytest.fixture(scope="module")
def twins(folder):
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    return [importlib.import_module(f"llmrec_ref.{name}.bert").MaskedLM for name in ("pytorch", "tensorflow")]


def test_weights_go_from_pytorch_to_tensorflow(twins, folder):
    from llmrec_ref.pytorch.bert import Bert
    from llmrec_ref.tensorflow.bert import Bert as TFBert

    sizes = pretrained.read_config(folder)
    ours, theirs = twins[0].load(folder), twins[1](TFBert(**sizes), sizes["epsilon"])
    assert isinstance(ours.bert, Bert)
    parity.copy_weights(ours, theirs)
    arrays = berts.batch(np.random.default_rng(6))
    assert np.abs(ask(ours, *arrays) - ask(theirs, *arrays)).max() <= 1e-4


def test_gradients_agree(twins, folder):
    """Of a masked-LM loss, for all weights: encoder and head."""
    import tensorflow as tf
    import torch
    import torch.nn.functional as F

    from llmrec_ref.tensorflow.weights import get_weights

    ours, theirs, holder = (each.load(folder) for each in (*twins, twins[1]))
    ids, mask, segments = berts.batch(np.random.default_rng(7))
    logits = ours(*map(torch.from_numpy, (ids, mask, segments)))
    F.cross_entropy(logits[mask], torch.from_numpy(ids[mask])).backward()
    with tf.GradientTape() as tape:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[mask], theirs(ids, mask, segments)[mask])
        loss = tf.reduce_mean(each)
    gradients = map(tf.convert_to_tensor, tape.gradient(loss, theirs.trainable_variables))
    for variable, gradient in zip(holder.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    found = get_weights(holder)
    scale = max(np.abs(gradient).max() for gradient in found.values())
    for name, weight in ours.named_parameters():
        gradient = weight.grad.numpy()
        # where the true gradient is 0, as the keys' bias has it, rounding is all there is
        assert np.abs(gradient - found[name]).max() <= 1e-4 * max(np.abs(gradient).max(), 1e-2 * scale), name


# transformers and keras-hub


@pytest.fixture(scope="module")
def minilm():
    """MiniLM's folder, and its tokens of 100 random texts."""
    try:
        folder = pretrained.find()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    tokenizer = pretrained.Tokenizer(folder)
    texts = berts.random_texts(tokenizer.backend.get_vocab())
    return folder, texts, *tokenizer(texts, 128)


@pytest.fixture(scope="module")
def reference(minilm):
    """Hidden states of the 100 texts by `transformers`."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder, _, *arrays = minilm
    with torch.no_grad():
        ids, mask = map(torch.from_numpy, arrays)
        return transformers.AutoModel.from_pretrained(folder)(ids, mask).last_hidden_state.numpy()


def test_tokens_are_those_of_transformers(minilm):
    folder, texts, ids, mask = minilm
    tokenizer = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(folder)
    expected = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="np")
    np.testing.assert_array_equal(ids, expected["input_ids"])
    np.testing.assert_array_equal(mask, expected["attention_mask"])
    assert 0.2 < mask.mean() < 0.9


def test_hidden_states_are_those_of_transformers(kit, bert, minilm, reference):
    _, _, ids, mask = minilm
    apart = np.abs(ask(bert.Bert.load(), ids, mask) - reference)[mask].max()
    print(f"{kit.NAME}: {apart:.1e}")
    assert apart <= {"pytorch": 1e-5, "tensorflow": 1e-4}[kit.NAME]
    assert reference[mask].std() > 0.2


def test_hidden_states_are_those_of_keras_hub(minilm):
    """Loaded by keras-hub's own converter; its GELU, an approximation by tanh, exchanged for the exact."""
    pytest.importorskip("tensorflow")
    keras_hub = pytest.importorskip("keras_hub")
    import keras
    from keras_hub.src.utils.transformers import convert_bert
    from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader

    from llmrec_ref.tensorflow.bert import Bert

    folder, _, ids, mask = minilm
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    theirs = keras_hub.models.BertBackbone(**convert_bert.convert_backbone_config(config))
    with SafetensorLoader(str(folder)) as loader:
        convert_bert.convert_weights(theirs, loader, config)
    arrays = dict(token_ids=ids, padding_mask=mask.astype(int), segment_ids=np.zeros_like(ids))
    ours, exact = Bert.load()(ids, mask).numpy(), partial(keras.activations.gelu, approximate=False)
    apart = [np.abs(theirs(arrays)["sequence_output"].numpy() - ours)[mask].max()]
    for i in range(config["num_hidden_layers"]):
        theirs.get_layer(f"transformer_layer_{i}")._feedforward_intermediate_dense.activation = exact
    apart.append(np.abs(theirs(arrays)["sequence_output"].numpy() - ours)[mask].max())
    print(f"tanh {apart[0]:.1e}, erf {apart[1]:.1e}")
    assert apart[1] <= 5e-4 < apart[0]


def test_masked_lm_is_that_of_transformers(bert, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = {key: value for key, value in berts.CONFIG.items() if key != "model_type"}
    theirs = transformers.BertForMaskedLM(transformers.BertConfig(**config)).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(0, 0.6)
    theirs.save_pretrained(tmp_path)
    ids, mask, segments = berts.batch(np.random.default_rng(8))
    with torch.no_grad():
        expected = theirs(*map(torch.from_numpy, (ids, mask, segments))).logits.numpy()
    found = ask(bert.MaskedLM.load(tmp_path), ids, mask, segments)
    assert np.abs(found - expected)[mask].max() <= 1e-4 and expected.std() > 1


def test_encoder_makes_mean_vectors_of_length_1(bert, minilm, reference):
    _, texts, _, mask = minilm
    encoder = bert.Encoder()
    expected = np.array([states[there].mean(axis=0) for states, there in zip(reference, mask, strict=True)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = encoder(texts)
    assert found.dtype == np.float32 and found.shape == (100, encoder.dim) == (100, 384)
    assert np.abs(found - expected).max() <= 1e-5


def test_key_names_weights_length_and_framework(kit, bert, folder, tmp_path):
    berts.save(tmp_path, seed=1)
    keys = {bert.Encoder(each, length).key for each in (folder, tmp_path) for length in (8, 16)}
    assert len(keys) == 4
    assert bert.Encoder(folder, 8).key in keys
    assert all(kit.NAME in key for key in keys)


def test_weights_of_other_sizes_are_refused(bert, tmp_path):
    berts.save(tmp_path, num_hidden_layers=3)
    with pytest.raises(ValueError, match="first difference: blocks.2"):
        bert.Bert.load(tmp_path)


def test_a_head_that_is_not_there_is_refused(bert, tmp_path):
    berts.save(tmp_path, head=False)
    with pytest.raises(ValueError, match="no masked-LM head: choose"):
        bert.MaskedLM.load(tmp_path)


def test_weights_have_the_names_of_the_model(kit, bert, folder):
    for model, head in ((bert.Bert, False), (bert.MaskedLM, True)):
        check_weights(pretrained.read_weights(folder, head), kit.train.get_weights(model.load(folder)))
