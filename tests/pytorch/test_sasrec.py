import numpy as np
import pytest

torch = pytest.importorskip("torch")

from llmrec_ref.pytorch.sasrec import SASRec  # noqa: E402


@pytest.fixture(scope="module", params=[1, 2], ids=["one head", "two heads"])
def model(request):
    """Weights ten times as wide as fresh ones, so that logits differ by units."""
    model = SASRec(30, dim=16, n_heads=request.param, max_len=8).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight *= 10
    return model


def test_attention_by_hand(model):
    layer = model.blocks[0].attention
    x = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    causal = np.tri(5, dtype=bool)
    found = layer(torch.from_numpy(x[None]), torch.from_numpy(causal[None, None]))[0].detach()
    q, k, v = np.split(x @ layer.qkv.weight.detach().numpy().T, 3, axis=-1)  # fresh biases are 0
    heads = []
    for part in np.split(np.arange(16), layer.n_heads):
        logits = q[:, part] @ k[:, part].T / np.sqrt(len(part)) + np.where(causal, 0, -np.inf)
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        heads.append(weights @ v[:, part])
    expected = np.concatenate(heads, axis=1) @ layer.out.weight.detach().numpy().T
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logits_are_products_with_the_item_table(model):
    hidden = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    expected = hidden @ model.items.weight.detach().numpy().T
    found = model.logits(torch.from_numpy(hidden)).detach()
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-5)
