"""BERTs of the tests' own: a folder as `transformers` saves it, with random weights, and random texts."""

import json

import numpy as np
from safetensors.numpy import save_file

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the toy story ##s god ##father , ( 1995 ) milk".split()
CONFIG = dict(
    model_type="bert", hidden_act="gelu", vocab_size=len(WORDS), hidden_size=12, num_hidden_layers=2,
    num_attention_heads=3, intermediate_size=20, max_position_embeddings=16, type_vocab_size=2,
    layer_norm_eps=1e-3, hidden_dropout_prob=0.1,
)  # fmt: skip


def shapes(head=True):
    """The weights of `CONFIG` by Hugging Face's names."""
    D, inner, V = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
    found = {"embeddings.word_embeddings.weight": (V, D)}
    found |= {
        "embeddings.position_embeddings.weight": (16, D),
        "embeddings.token_type_embeddings.weight": (2, D),
    }
    linears, norms = [], ["embeddings.LayerNorm"]
    for i in range(CONFIG["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        linears += [(f"{layer}.attention.self.{part}", D, D) for part in ("query", "key", "value")]
        linears += [(f"{layer}.attention.output.dense", D, D)]
        linears += [(f"{layer}.intermediate.dense", inner, D), (f"{layer}.output.dense", D, inner)]
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, rows, columns in linears:
        found |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    for name in norms:
        found |= {f"{name}.weight": (D,), f"{name}.bias": (D,)}
    if not head:
        return found
    found = {f"bert.{name}": shape for name, shape in found.items()}
    top = "cls.predictions"
    found |= {
        f"{top}.transform.dense.weight": (D, D),
        f"{top}.transform.dense.bias": (D,),
        f"{top}.bias": (V,),
    }
    return found | {f"{top}.transform.LayerNorm.{kind}": (D,) for kind in ("weight", "bias")}


def save(folder, head=True, seed=0, **changes):
    """Write a folder with random weights, so wide that hidden states hide no mistake; return the weights."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes(head).items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG | changes), encoding="utf-8")
    save_tokenizer(folder)
    return weights


def save_tokenizer(folder, words=WORDS):
    """Write a WordPiece tokenizer of a few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    ends = [(word, words.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))


def batch(rng, B=7, L=11):
    """Token numbers int64 (B, L), mask and segments; padded right, and padding holds any token."""
    lengths = rng.integers(2, L + 1, B)
    lengths[0] = L
    mask = np.arange(L) < lengths[:, None]
    segments = (np.arange(L) >= rng.integers(1, L, (B, 1))).astype(np.int64)
    return rng.integers(0, len(WORDS), (B, L)), mask, segments


def random_texts(vocabulary, n=100, longest=60):
    """Texts of random words and pieces of a vocabulary, of 1 to ``longest`` words."""
    rng = np.random.default_rng(0)
    words = sorted(vocabulary)
    return [" ".join(rng.choice(words, rng.integers(1, longest + 1))) for _ in range(n)]
