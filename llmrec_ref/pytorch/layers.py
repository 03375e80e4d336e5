"""Layers that models share: attention, and the block of a Transformer."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import nn

# Shapes: B batch, L length, D width, H heads.


def at_least_float32(x):
    """Cast what is of lower precision: sums would lose their small terms."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact_linear(x, weight, bias):
    """`F.linear` in float32 at least, also under autocast.

    bfloat16 has so few numbers that items would tie.
    """
    device = x.device.type
    known = torch.amp.is_autocast_available(device)
    with torch.autocast(device, enabled=False) if known else nullcontext():
        return F.linear(*map(at_least_float32, (x, weight, bias)))


class Linear(nn.Linear):
    """A linear layer, and what fine-tuning may add to it, ``extra``: see `lora`."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.extra = None

    def forward(self, x):
        """Map (..., n_in) to (..., n_out)."""
        y = super().forward(x)
        return y if self.extra is None else self.extra(x, y)


class Attention(nn.Module):
    """Causal multi-head self-attention that never looks at padding."""

    def __init__(self, dim, n_heads, dropout):
        super().__init__()
        self.n_heads, self.dropout = n_heads, dropout
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)

    def forward(self, x, visible):
        """Map float32 (B, L, D); ``visible`` bool (B, 1, L, L): may query see key?"""
        B, L, D = x.shape
        heads = (B, L, self.n_heads, D // self.n_heads)
        # (B, H, L, D/H)
        q, k, v = (y.view(heads).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        p = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=p)
        return self.out(x.transpose(1, 2).reshape(B, L, D))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, dim, n_heads, dropout):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.attention = Attention(dim, n_heads, dropout)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.inner = Linear(dim, dim)
        self.outer = Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` as in `Attention`."""
        x = x + self.dropout(self.attention(self.norm1(x), visible))
        # (B, L, D)
        return x + self.dropout(self.outer(F.relu(self.inner(self.norm2(x)))))
