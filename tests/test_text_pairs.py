"""Pairs of texts as BERT's input: beside the pair encoding of `tokenizers`, and by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import berts
from llmrec_ref.pretrained import Tokenizer
from llmrec_ref.splits import Queries
from llmrec_ref.text import PairScorer, TextPairs

pytest.importorskip("tokenizers")

SENTENCES = st.lists(st.sampled_from("the toy storys godfather , milk wine".split()), max_size=9).map(
    " ".join
)
PAIRS = st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    berts.save(folder, max_position_embeddings=60)
    return Tokenizer(folder)


def make(tokenizer, pairs, labels=None, **sizes):
    """Each pair has texts of its own."""
    rows = np.arange(len(pairs))
    return TextPairs(tokenizer, *zip(*pairs, strict=True), rows, rows, labels, **sizes)


def witness(tokenizer, candidate, query):
    """Numbers and segments of a whole pair by `tokenizers`, which knows how BERT lays pairs out."""
    from tokenizers import Tokenizer, processors

    backend = Tokenizer.from_str(tokenizer.backend.to_str())
    ends = [(name, backend.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    backend.post_processor = processors.BertProcessing(*ends)
    backend.no_truncation()
    backend.no_padding()
    found = backend.encode(candidate, query)
    return found.ids, found.type_ids


@given(PAIRS)
def test_whole_pairs_are_those_of_tokenizers(tokenizer, pairs):
    # so long that nothing is cut
    found = make(tokenizer, pairs, max_len=60, slot=20)[np.arange(len(pairs))]
    for row, pair in enumerate(pairs):
        there = found["mask"][row]
        ids, segments = witness(tokenizer, *pair)
        assert found["token_ids"][row, there].tolist() == ids
        assert found["segments"][row, there].tolist() == segments


@given(PAIRS, st.integers(5, 16), st.integers(1, 12), st.integers(0, 9))
def test_the_candidate_is_never_cut_for_the_query(tokenizer, pairs, max_len, slot, seed):
    slot = min(slot, max_len - 4)
    examples = make(tokenizer, pairs, max_len=max_len, slot=slot)
    rows = np.random.default_rng(seed).permutation(len(pairs))
    found = examples[rows]
    assert [len(array) for array in found.values()] == [len(pairs)] * 3
    assert found["token_ids"].shape[1] == examples.lengths.max() <= max_len
    cls, sep, padding = (berts.WORDS.index(name) for name in ("[CLS]", "[SEP]", "[PAD]"))
    for line, row in enumerate(rows):
        first, second = (tokenizer.numbers([text])[0].tolist() for text in pairs[row])
        first = first[:slot]
        second = second[: max_len - len(first) - 3]  # the end goes
        ids = [cls, *first, sep, *second, sep]
        n = examples.lengths[row]
        assert found["token_ids"][line, :n].tolist() == ids
        assert (found["token_ids"][line, n:] == padding).all()
        assert found["mask"][line].sum() == n and found["mask"][line, :n].all()
        assert found["segments"][line, :n].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1)


def test_a_long_text_keeps_its_beginning(tokenizer):
    """The newest events, as `user_texts` writes them first; and the slot is the candidate's alone."""
    examples = make(tokenizer, [("toy story toy story", "milk the toy god god")], max_len=8, slot=2)
    found = tokenizer.tokens(examples[np.array([0])]["token_ids"][0])
    assert found == ["[CLS]", "toy", "story", "[SEP]", "milk", "the", "toy", "[SEP]"]


def test_batches_are_as_long_as_their_longest(tokenizer):
    pairs = [("toy", "milk"), ("toy", "the toy story milk milk"), ("toy", "")]
    examples = make(tokenizer, pairs, [1, 0, 1], max_len=16, slot=4)
    assert examples.lengths.tolist() == [5, 9, 4] and len(examples) == 3
    found = examples[np.array([2, 0])]
    assert found["token_ids"].shape == (2, 5)
    dtypes = dict(token_ids="int64", mask="bool", segments="int64", labels="float32")
    assert {name: array.dtype for name, array in found.items()} == dtypes
    assert found["labels"].tolist() == [1, 1] and examples.labels.tolist() == [1, 0, 1]
    assert "labels" not in make(tokenizer, pairs)[np.array([0])]


def test_texts_are_found_by_their_rows_and_tokenised_once(tokenizer, monkeypatch):
    texts, seen = ["toy", "milk", "god", "story"], []
    numbers = Tokenizer.numbers
    monkeypatch.setattr(Tokenizer, "numbers", lambda self, t: seen.append(list(t)) or numbers(self, t))
    sizes = dict(max_len=9, slot=3)
    examples = TextPairs(tokenizer, texts, texts[::-1], np.array([3, 1, 3]), np.array([0, 0, 2]), **sizes)
    assert seen == [["milk", "story"], ["story", "milk"]]
    found = [" ".join(tokenizer.tokens(row)) for row in examples[np.arange(3)]["token_ids"]]
    pairs = [("story", "story"), ("milk", "story"), ("story", "milk")]
    assert found == [f"[CLS] {candidate} [SEP] {query} [SEP]" for candidate, query in pairs]


@pytest.mark.parametrize("sizes", [dict(max_len=61), dict(max_len=9, slot=6), dict(max_len=9, slot=0)])
def test_sizes_that_leave_no_room_are_refused(tokenizer, sizes):
    with pytest.raises(ValueError, match="at most 60"):
        make(tokenizer, [("toy", "milk")], **dict(slot=3) | sizes)


@pytest.mark.parametrize("numbers", [(2, 3, 3), (3, 2, 3), (3, 3, 2)])
def test_parts_of_other_lengths_are_refused(tokenizer, numbers):
    first, second, labels = map(np.zeros, numbers)
    with pytest.raises(ValueError, match="give as many"):
        TextPairs(tokenizer, ["toy"], ["toy"], first.astype(int), second.astype(int), labels, 9, 3)


def test_a_scorer_asks_for_each_candidate_of_each_query(tokenizer):
    """By a model that counts the candidate's words in the query's text."""

    class Counts:
        def score_pairs(self, pairs):
            found, scores = pairs[np.arange(len(pairs))], []
            for ids, segments in zip(found["token_ids"], found["segments"], strict=True):
                candidate = [number for number in ids[segments == 0] if number > 4]
                scores.append(sum((ids[segments == 1] == number).sum() for number in candidate))
            return np.array(scores, np.float32)

    words = ["", "toy", "milk", "god"]
    queries = Queries([np.array([1, 1, 2]), np.array([3])], np.arange(2))

    def write(asked):
        return [" ".join(words[item] for item in history) for history in asked.histories]

    scorer = PairScorer(Counts(), tokenizer, words, write, max_len=9, slot=3)
    found = scorer.score_candidates(queries, np.array([[2, 1, 3], [3, 2, 1]]))
    assert found.tolist() == [[1, 2, 0], [1, 0, 0]]
