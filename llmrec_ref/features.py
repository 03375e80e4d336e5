"""Vectors of many texts: each distinct text once, kept on disk."""

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm.auto import tqdm


def encode(texts, encoder, cache=None, batch_size=64, progress=True, padding=False):
    """Return the vector of each text.

    Each distinct text is encoded once. Texts of about the same length share a batch, so that little of
    it is padding.

    Args:
        texts: Sequence of strings, none of them empty.
        encoder: Maps a list of strings to float32 (B, D), and has ``dim`` and ``key``: an `Encoder` of
            `pytorch.bert` or `tensorflow.bert`.
        cache: Folder in which vectors are kept, made if missing, or None. It holds a file for each
            ``encoder.key``, so that vectors of other weights are not mistaken for these; a text that changes
            is another text. What was encoded is saved at the end, also of an interrupted call.
        batch_size: Texts that are encoded at once.
        progress: Show a progress bar.
        padding: The first text is ``""`` and stands for padding: its vector is zeros.

    Returns:
        np.float32 (len(texts), D).

    Raises:
        ValueError: A text is empty, or the first is not although ``padding`` is set; a vector is not finite
            or has another width; the cache's file is damaged.
        TypeError: ``texts`` is one string, or holds something else than strings.
    """
    texts = _check(texts, padding)
    digests = {text: sha256(text.encode()).digest() for text in texts}
    known = _read(cache, encoder) if cache else {}
    missing = [text for text, digest in digests.items() if text and digest not in known]
    missing.sort(key=len, reverse=True)  # what needs most memory comes first
    try:
        with tqdm(total=len(missing), unit="text", disable=not progress or not missing) as bar:
            for start in range(0, len(missing), batch_size):
                batch = missing[start : start + batch_size]
                known |= zip(map(digests.get, batch), _encoded(batch, encoder), strict=True)
                bar.update(len(batch))
    finally:
        if cache and missing:
            _write(cache, encoder, known)
    zeros = np.zeros(encoder.dim, np.float32)  # of padding
    rows = [known[digests[text]] if text else zeros for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(texts), encoder.dim)


def _check(texts, padding):
    """Return the texts as a list, or say what is wrong with them."""
    if isinstance(texts, str):
        raise TypeError("give a list of texts, not one text.")
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {row} is {text!r}: give a string for each row.")
        if not text.strip() and not (padding and row == 0):
            raise ValueError(f"text {row} is empty: leave it out, or say in words that nothing is known.")
    if padding and texts[:1] != [""]:
        raise ValueError('padding=True needs "" as the first text: put it before the items.')
    return texts


def _encoded(texts, encoder):
    """Return what the encoder makes of a batch, or say what is wrong with it."""
    vectors = np.asarray(encoder(texts), dtype=np.float32)
    if vectors.shape != (len(texts), encoder.dim):
        raise ValueError(f"the encoder made {vectors.shape}, not {(len(texts), encoder.dim)}: mend its dim.")
    if not np.isfinite(vectors).all():
        raise ValueError("the encoder made numbers that are not finite: its weights are damaged.")
    return vectors


def _path(cache, encoder):
    return Path(cache) / f"{sha256(encoder.key.encode()).hexdigest()[:16]}.safetensors"


def _checksum(digests, vectors):
    return sha256(digests.tobytes() + vectors.tobytes()).hexdigest()


def _read(cache, encoder):
    """Return the vectors that a cache holds for an encoder: dict of (D,) by the text's digest."""
    path = _path(cache, encoder)
    if not path.exists():
        return {}
    damaged = f"{path} is damaged: delete it, and its texts are encoded again."
    try:
        with safe_open(path, "numpy") as file:
            digests, vectors = file.get_tensor("digests"), file.get_tensor("vectors")
            said = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(damaged) from error
    if said.get("encoder") != encoder.key:
        raise ValueError(f"{path} holds vectors of other weights: delete it, or name another cache.")
    if said.get("sha256") != _checksum(digests, vectors):
        raise ValueError(damaged)
    return {digest.tobytes(): vector for digest, vector in zip(digests, vectors, strict=True)}


def _write(cache, encoder, known):
    """Save vectors, whole or not at all."""
    path, digests = _path(cache, encoder), np.frombuffer(b"".join(known), np.uint8).reshape(len(known), 32)
    vectors = np.array(list(known.values()), dtype=np.float32).reshape(len(known), encoder.dim)
    said = {"encoder": encoder.key, "sha256": _checksum(digests, vectors)}
    new = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(save({"digests": digests, "vectors": vectors}, metadata=said))
        os.replace(new, path)
    except OSError as error:
        raise type(error)(f"{cache} cannot be written ({error.strerror}): name another cache.") from error
