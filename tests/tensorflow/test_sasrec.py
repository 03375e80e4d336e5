import numpy as np
import pytest

pytest.importorskip("tensorflow")

from llmrec_ref.tensorflow.sasrec import SASRec  # noqa: E402


@pytest.fixture(scope="module", params=[1, 2], ids=["one head", "two heads"])
def model(request):
    """Weights ten times as wide as fresh ones, so that logits differ by units."""
    model = SASRec(30, dim=16, n_heads=request.param, max_len=8)
    for weight in model.trainable_variables:
        if weight.ndim == 2:
            weight.assign(weight * 10)
    return model


def test_attention_by_hand(model):
    layer = model.blocks[0].attention
    x = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    causal = np.tri(5, dtype=bool)
    found = layer(x[None], causal[None, None])[0]
    q, k, v = np.split(x @ layer.qkv.kernel.numpy(), 3, axis=-1)  # fresh biases are 0
    heads = []
    for part in np.split(np.arange(16), layer.n_heads):
        logits = q[:, part] @ k[:, part].T / np.sqrt(len(part)) + np.where(causal, 0, -np.inf)
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        heads.append(weights @ v[:, part])
    expected = np.concatenate(heads, axis=1) @ layer.out.kernel.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logits_are_products_with_the_item_table(model):
    hidden = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    expected = hidden @ model.items.embeddings.numpy().T
    np.testing.assert_allclose(model.logits(hidden)[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-5)
