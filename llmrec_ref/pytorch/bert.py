"""BERT: a bidirectional Transformer over the tokens of a text, with pretrained weights.

Devlin, Chang, Lee and Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers
for Language Understanding", NAACL 2019. A text's vector is the mean of its hidden
states: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. Where this differs from the
first:

- No pooler: the layer over the first token that says whether two sentences follow each
  other. MiniLM's was not trained.
- Queries, keys and values come from one matrix of 3 D rows. There from three.
- Fresh weights: normal. There truncated at two standard deviations.
"""

import torch
import torch.nn.functional as F
from torch import nn

from llmrec_ref import pretrained
from llmrec_ref.pytorch.layers import Attention, Linear, exact_linear
from llmrec_ref.pytorch.weights import set_weights

# Shapes: B batch, L length, D width, H heads, V tokens of the vocabulary.


class PostNormBlock(nn.Module):
    """norm(x + attention(x)), then norm(x + feed_forward(x))."""

    def __init__(self, dim, n_heads, inner_dim, epsilon, dropout):
        super().__init__()
        self.attention = Attention(dim, n_heads, dropout)
        self.norm1 = nn.LayerNorm(dim, eps=epsilon)
        self.inner = Linear(dim, inner_dim)
        self.outer = Linear(inner_dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=epsilon)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` bool (B, 1, 1, L)."""
        x = self.norm1(x + self.dropout(self.attention(x, visible)))
        # exact GELU: F.gelu is x times the normal distribution function, by erf
        return self.norm2(x + self.dropout(self.outer(F.gelu(self.inner(x)))))


class Bert(nn.Module):
    """Hidden states of the tokens of texts.

    Args:
        vocab_size: V, tokens of the vocabulary.
        dim: Width D of embeddings and layers.
        n_layers: Blocks.
        n_heads: Attention heads; must divide ``dim``.
        inner_dim: Width of the feed-forward layers.
        max_len: Positions, and so the most tokens of a text.
        n_segments: Kinds of token: 0 for a first sentence, 1 for a second.
        epsilon: Of all normalisations.
        dropout: Probability on embeddings, attention weights and both branches of a
            block.
        seed: Of fresh weights.
    """

    def __init__(
        self,
        vocab_size=30522,
        dim=384,
        n_layers=6,
        n_heads=12,
        inner_dim=1536,
        max_len=512,
        n_segments=2,
        epsilon=1e-12,
        dropout=0.1,
        seed=0,
    ):
        super().__init__()
        self.words = nn.Embedding(vocab_size, dim)
        self.positions = nn.Embedding(max_len, dim)
        self.segments = nn.Embedding(n_segments, dim)
        self.norm = nn.LayerNorm(dim, eps=epsilon)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            PostNormBlock(dim, n_heads, inner_dim, epsilon, dropout)
            for _ in range(n_layers)
        )
        initialise(self, seed)

    @classmethod
    def load(cls, name=pretrained.MINILM):
        """Return a pretrained BERT, without dropout; ``name`` as in `pretrained.find`.

        Raises:
            FileNotFoundError, ValueError, ImportError: As the functions of `pretrained`
                say.
        """
        folder = pretrained.find(name)
        bert = cls(**pretrained.read_config(folder))
        set_weights(bert, pretrained.read_weights(folder))
        return bert.eval()

    def forward(self, token_ids, mask, segments=None):
        """Hidden states float32 (B, L, D).

        Args:
            token_ids: int64 (B, L), L <= max_len, padded right.
            mask: bool (B, L), true where there is a token: one at least in each row.
            segments: int64 (B, L), or None: all of the first kind.
        """
        segments = torch.zeros_like(token_ids) if segments is None else segments
        position = torch.arange(token_ids.shape[1], device=token_ids.device)
        x = self.words(token_ids) + self.positions(position) + self.segments(segments)
        x = self.dropout(self.norm(x))  # (B, L, D)
        visible = mask[:, None, None, :]  # (B, 1, 1, L): all that is no padding
        for block in self.blocks:
            x = block(x, visible)
        return x


class MaskedLM(nn.Module):
    """BERT and its masked-LM head: which token stands, or stood, at a position.

    Args:
        bert: `Bert`. Its table of words makes the logits too.
        epsilon: Of the head's normalisation.
        seed: Of the head's fresh weights.
    """

    def __init__(self, bert, epsilon=1e-12, seed=1):
        super().__init__()
        vocab_size, dim = bert.words.weight.shape
        self.head = nn.Linear(dim, dim)
        self.head_norm = nn.LayerNorm(dim, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        initialise(self, seed)
        self.bert = bert

    @classmethod
    def load(cls, name):
        """Return a pretrained one, without dropout; errors as in `Bert.load`."""
        folder = pretrained.find(name)
        config = pretrained.read_config(folder)
        model = cls(Bert(**config), config["epsilon"])
        set_weights(model, pretrained.read_weights(folder, head=True))
        return model.eval()

    def forward(self, token_ids, mask, segments=None):
        """Logits float32 (B, L, V); arguments as in `Bert.forward`."""
        x = self.head_norm(F.gelu(self.head(self.bert(token_ids, mask, segments))))
        return exact_linear(x, self.bert.words.weight, self.bias)


def initialise(model, seed):
    """Draw all matrices from N(0, 0.02²) and set biases to 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=0.02, generator=generator)
        elif "bias" in name:
            nn.init.zeros_(weight)


def mean_pool(hidden, mask):
    """Mean (B, D) of hidden states (B, L, D) where ``mask`` bool (B, L) is true."""
    weight = mask.to(hidden.dtype)[..., None]  # (B, L, 1)
    return (hidden * weight).sum(1) / weight.sum(1)


class Encoder:
    """Texts to vectors of length 1, by a pretrained BERT.

    Args:
        name: As in `pretrained.find`.
        max_len: Tokens of a text that are read; what comes later is cut off.

    Attributes:
        key: str that names weights, tokenizer, ``max_len`` and framework, for caches.
        dim: Width D of a vector.
    """

    def __init__(self, name=pretrained.MINILM, max_len=128):
        folder = pretrained.find(name)
        self.tokenizer, self.max_len = pretrained.Tokenizer(folder), max_len
        self.bert = Bert.load(folder)
        self.dim = self.bert.words.embedding_dim
        self.key = f"{pretrained.fingerprint(folder)} {max_len} tokens, mean, pytorch"

    @torch.no_grad()
    def __call__(self, texts):
        """Vectors np.float32 (B, D) of a list of texts."""
        device = self.bert.words.weight.device
        arrays = self.tokenizer(texts, self.max_len)
        token_ids, mask = (torch.from_numpy(array).to(device) for array in arrays)
        pooled = mean_pool(self.bert(token_ids, mask), mask)
        return F.normalize(pooled).float().cpu().numpy()
