"""Pairs of texts, as a BERT reads them together."""

import numpy as np


class TextPairs:
    """Examples for a network that reads a candidate and a query together.

    A pair is ``[CLS] candidate [SEP] query [SEP]``. The candidate comes first and has a
    slot of its own: however long the query is, it is never cut to make room. The query
    is cut at its end, so that of a text of `user_texts`, which is newest first, the
    oldest events go. Segments are 0 up to the first ``[SEP]``, then 1 (Devlin et al.,
    BERT, NAACL 2019, section 3.1). Each text is tokenised once.

    Args:
        tokenizer: A `pretrained.Tokenizer`.
        candidates: Sequence of str.
        queries: Sequence of str.
        candidate_rows: int64 (n,), which of the candidates a pair has.
        query_rows: int64 (n,), which of the queries.
        labels: float (n,), 0 or 1; None: unknown.
        max_len: Tokens of a pair, the three special ones included.
        slot: Tokens that are kept of a candidate.

    Attributes:
        labels: float32 (n,), or None.
        lengths: int64 (n,), tokens of each pair.

    Raises:
        ValueError: ``slot`` is below 1 or leaves the query no token, ``max_len`` is
            above the model's positions, or the rows are not as many as the labels.
    """

    def __init__(
        self,
        tokenizer,
        candidates,
        queries,
        candidate_rows,
        query_rows,
        labels=None,
        max_len=48,
        slot=16,
    ):
        if not 1 <= slot <= max_len - 4 or max_len > tokenizer.longest:
            raise ValueError(
                f"slot={slot}, max_len={max_len}: a slot has 1 to max_len - 4 tokens, "
                f"and max_len is at most {tokenizer.longest}, the model's positions."
            )
        self.labels = None if labels is None else np.asarray(labels, dtype=np.float32)
        parts = (candidate_rows, query_rows, labels)
        if len({len(part) for part in parts if part is not None}) > 1:
            raise ValueError(
                "A pair has a candidate, a query and a label: give as many."
            )
        ends = [tokenizer.backend.token_to_id(name) for name in ("[CLS]", "[SEP]")]
        self.start, self.end = np.array(ends[:1]), np.array(ends[1:])
        self.padding = tokenizer.backend.token_to_id("[PAD]")
        numbers, self.candidate_rows = _numbers(tokenizer, candidates, candidate_rows)
        self.candidates = [candidate[:slot] for candidate in numbers]
        self.queries, self.query_rows = _numbers(tokenizer, queries, query_rows)
        first = np.array([len(each) for each in self.candidates], np.int64)
        second = np.array([len(each) for each in self.queries], np.int64)
        whole = first[self.candidate_rows] + second[self.query_rows] + 3
        self.lengths, self.max_len = np.minimum(whole, max_len), max_len

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, rows):
        """Return pairs as arrays, padded right to the longest of them.

        Args:
            rows: int64 (B,).

        Returns:
            dict of ``token_ids`` int64 (B, L), ``mask`` bool (B, L), true where there
            is a token, ``segments`` int64 (B, L) and, where known, ``labels`` float32
            (B,).
        """
        shape = len(rows), self.lengths[rows].max()
        token_ids, segments = np.full(shape, self.padding), np.zeros(shape, np.int64)
        for line, row in enumerate(rows):
            candidate = self.candidates[self.candidate_rows[row]]
            query = self.queries[self.query_rows[row]]
            first = len(candidate) + 2
            query = query[: self.max_len - first - 1]
            both = self.start, candidate, self.end, query, self.end
            token_ids[line, : self.lengths[row]] = np.concatenate(both)
            segments[line, first : self.lengths[row]] = 1
        mask = np.arange(shape[1]) < self.lengths[rows][:, None]
        found = dict(token_ids=token_ids, mask=mask, segments=segments)
        return found if self.labels is None else found | {"labels": self.labels[rows]}


def _numbers(tokenizer, texts, rows):
    """Tokenise the texts that stand in some rows; number the rows anew."""
    used, places = np.unique(rows, return_inverse=True)
    return tokenizer.numbers([texts[row] for row in used]), places


class PairScorer:
    """A network on pairs of texts, as what `baselines.Rerank` asks about candidates.

    Args:
        model: Has ``score_pairs(TextPairs)``, such as a `CrossEncoder`.
        tokenizer: As in `TextPairs`.
        item_texts: Sequence of str, one an item number: `text.item_texts`.
        write: Function of `Queries` that returns a text a query, as `text.user_texts`
            with its other arguments does.
        max_len: As in `TextPairs`.
        slot: As in `TextPairs`.
    """

    def __init__(self, model, tokenizer, item_texts, write, max_len=48, slot=16):
        self.model, self.tokenizer = model, tokenizer
        self.item_texts, self.write = item_texts, write
        self.sizes = dict(max_len=max_len, slot=slot)

    def score_candidates(self, queries, candidates):
        """Score some items for each query: float32 (n, k) of int64 (n, k)."""
        n, k = candidates.shape
        rows = candidates.ravel(), np.repeat(np.arange(n), k)
        texts = self.item_texts, self.write(queries)
        pairs = TextPairs(self.tokenizer, *texts, *rows, **self.sizes)
        return self.model.score_pairs(pairs).reshape(n, k)
