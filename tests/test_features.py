"""Vectors of texts: order, cache and refusals, with an encoder of the tests' own."""

import numpy as np
import pytest

from llmrec_ref.features import encode

TEXTS = ["milk", "toy story", "a", "milk", "the godfather part two", "toy story"]


class Counter:
    """Encodes a text as its length and its first letter, and notes what it was asked."""

    dim = 2

    def __init__(self, key="first weights"):
        self.key, self.batches = key, []

    def __call__(self, texts):
        self.batches.append(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float64)


@pytest.fixture(name="encoder")
def _encoder():
    return Counter()


def expected(texts):
    return np.array([[len(text), ord(text[0])] if text else [0, 0] for text in texts], dtype=np.float32)


def test_rows_are_in_the_order_of_the_texts(encoder):
    found = encode(TEXTS, encoder, progress=False)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected(TEXTS))


def test_each_text_once_and_sorted_by_length(encoder):
    encode(TEXTS, encoder, batch_size=3, progress=False)
    assert encoder.batches == [["the godfather part two", "toy story", "milk"], ["a"]]


def test_no_texts(encoder):
    assert encode([], encoder).shape == (0, 2) and not encoder.batches


def test_padding_is_zeros_and_not_encoded(encoder):
    texts = ["", *TEXTS]
    np.testing.assert_array_equal(encode(texts, encoder, padding=True, progress=False), expected(texts))
    assert "" not in sum(encoder.batches, [])


@pytest.mark.parametrize("texts", [["milk", ""], ["milk", " \n"], ["", "milk"]])
def test_an_empty_text_is_refused(encoder, texts):
    row = [text.strip() for text in texts].index("")
    with pytest.raises(ValueError, match=f"text {row} is empty: leave it out, or say"):
        encode(texts, encoder)
    assert not encoder.batches


def test_an_empty_text_beside_padding_is_refused(encoder):
    with pytest.raises(ValueError, match="text 2 is empty"):
        encode(["", "milk", ""], encoder, padding=True)


@pytest.mark.parametrize("texts", [["milk"], [" ", "milk"], []])
def test_padding_that_is_not_there_is_refused(encoder, texts):
    with pytest.raises(ValueError, match='padding=True needs ""'):
        encode(texts, encoder, padding=True)


@pytest.mark.parametrize(
    ("texts", "words"), [("milk", "a list of texts"), (["milk", np.nan], "text 1 is nan")]
)
def test_what_is_no_list_of_texts_is_refused(encoder, texts, words):
    with pytest.raises(TypeError, match=words):
        encode(texts, encoder)


def test_vectors_that_are_not_finite_are_refused(encoder, tmp_path):
    encoder_of_nan = type(
        "Broken", (Counter,), {"__call__": lambda self, texts: np.full((len(texts), 2), np.nan)}
    )
    with pytest.raises(ValueError, match="not finite: its weights are damaged"):
        encode(TEXTS, encoder_of_nan(), cache=tmp_path, progress=False)
    np.testing.assert_array_equal(encode(TEXTS, encoder, cache=tmp_path, progress=False), expected(TEXTS))


def test_vectors_of_another_width_are_refused(encoder):
    encoder.dim = 3
    with pytest.raises(ValueError, match=r"the encoder made \(4, 2\), not \(4, 3\)"):
        encode(TEXTS, encoder, progress=False)


# The cache


def test_what_the_cache_holds_is_not_encoded_again(tmp_path, encoder):
    cache = tmp_path / "new" / "folder"
    encode(TEXTS, encoder, cache=cache, progress=False)
    again = Counter()
    np.testing.assert_array_equal(
        encode(["beer", *TEXTS], again, cache=cache, progress=False), expected(["beer", *TEXTS])
    )
    assert again.batches == [["beer"]]
    last = Counter()
    encode(["beer", "milk"], last, cache=cache, progress=False)
    assert not last.batches


def test_a_text_that_changed_is_encoded(tmp_path, encoder):
    encode(TEXTS, encoder, cache=tmp_path, progress=False)
    encode(["Milk"], encoder, cache=tmp_path, progress=False)
    assert encoder.batches[-1] == ["Milk"]


def test_other_weights_do_not_read_these_vectors(tmp_path, encoder):
    encode(TEXTS, encoder, cache=tmp_path, progress=False)
    other = Counter("other weights")
    encode(TEXTS, other, cache=tmp_path, progress=False)
    assert len(sum(other.batches, [])) == 4 and len(list(tmp_path.iterdir())) == 2


def test_a_file_of_other_weights_is_refused(tmp_path, encoder):
    encode(TEXTS, encoder, cache=tmp_path, progress=False)
    (mine,) = tmp_path.iterdir()
    encode(TEXTS, Counter("other weights"), cache=tmp_path, progress=False)
    (other,) = set(tmp_path.iterdir()) - {mine}
    mine.replace(other)
    with pytest.raises(ValueError, match="holds vectors of other weights: delete it"):
        encode(TEXTS, Counter("other weights"), cache=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "changed", "no cache"])
def test_a_damaged_cache_is_refused(tmp_path, encoder, damage):
    encode(TEXTS, encoder, cache=tmp_path, progress=False)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    path.write_bytes({"cut": whole[:-3], "changed": changed, "no cache": b"vectors"}[damage])
    with pytest.raises(ValueError, match="is damaged: delete it, and its texts are encoded again"):
        encode(TEXTS, Counter(), cache=tmp_path)


def test_what_was_encoded_before_an_interruption_is_kept(tmp_path, encoder):
    class Interrupted(Counter):
        def __call__(self, texts):
            if self.batches:
                raise KeyboardInterrupt
            return super().__call__(texts)

    with pytest.raises(KeyboardInterrupt):
        encode(TEXTS, Interrupted(), cache=tmp_path, batch_size=1, progress=False)
    encode(TEXTS, encoder, cache=tmp_path, batch_size=1, progress=False)
    assert encoder.batches == [["toy story"], ["milk"], ["a"]]


def test_a_cache_that_cannot_be_written_says_so(tmp_path, encoder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written .* name another cache"):
        encode(TEXTS, encoder, cache=tmp_path / "file", progress=False)


def test_no_file_is_left_over(tmp_path, encoder):
    encode(TEXTS, encoder, cache=tmp_path, progress=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
