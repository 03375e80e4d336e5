"""What two towers read: queries and items as arrays, by themselves and in batches (NumPy)."""

import numpy as np

from llmrec_ref.baselines.shared import feature_table, history_means
from llmrec_ref.splits import Queries


class TextInputs:
    """Queries and items as texts, for towers of BERTs.

    The text of a query is those of the newest items of its history, newest first, so that a text that is too
    long loses its oldest ones.

    Args:
        tokenizer: A `pretrained.Tokenizer`.
        item_texts: Sequence of str, one an item number: `text.item_texts`.
        event_texts: What stands for an item in a history, such as its title alone; default: ``item_texts``.
        last: How many of the newest items are written.
        max_len: Tokens of a text that are read.
    """

    def __init__(self, tokenizer, item_texts, event_texts=None, last=8, max_len=48):
        self.tokenizer, self.item_texts = tokenizer, item_texts
        self.event_texts = item_texts if event_texts is None else event_texts
        self.n_items, self.last, self.max_len = len(item_texts) - 1, last, max_len

    def queries(self, queries):
        """``token_ids`` int64 (B, L) and ``mask`` bool (B, L), padded right."""
        newest = [history[::-1][: self.last] for history in queries.histories]
        return self._tokens(["; ".join(self.event_texts[item] for item in items) for items in newest])

    def items(self, items):
        """The same of item numbers int64 (B,)."""
        return self._tokens([self.item_texts[item] for item in items])

    def _tokens(self, texts):
        return dict(zip(("token_ids", "mask"), self.tokenizer(texts, self.max_len), strict=True))


class FeatureInputs:
    """Queries and items as given features, for linear towers: a query is the mean of its history.

    Args:
        features: Z_I, float (n_items + 1, F), row 0 padding.

    Raises:
        ValueError: Features that are no finite matrix.
    """

    def __init__(self, features):
        self.table = feature_table(features)
        self.n_items = len(self.table) - 1

    def queries(self, queries):
        """``features`` float32 (B, F)."""
        return dict(features=history_means(queries, self.table).astype(np.float32))

    def items(self, items):
        """The same of item numbers int64 (B,)."""
        return dict(features=self.table[items].astype(np.float32))


class NextItems:
    """Examples for `objectives.InBatch`: a history, and the item that came next.

    Args:
        inputs: `TextInputs` or `FeatureInputs`.
        split: `Split`; its training histories are cut at places drawn by seed.
        per_user: How many places of each history.
        min_history: Items before a place.
        seed: Of the draw.
        correct: Whether batches hold ``log_q``, the logarithm of the share of each item among the examples,
            which is how often it is a negative.

    Attributes:
        items: int64 (n,), the items that came next.

    Raises:
        ValueError: No history has more than ``min_history`` items.
    """

    def __init__(self, inputs, split, per_user=2, min_history=1, seed=0, correct=True):
        rng, train = np.random.default_rng(seed), split.train.queries
        rows, places = [], []
        for row, history in enumerate(train.histories):
            drawn = rng.permutation(np.arange(min_history, len(history)))[:per_user]
            rows += [row] * len(drawn)
            places += drawn.tolist()
        if not rows:
            raise ValueError(f"No history has more than {min_history} items: lower min_history.")
        histories = [train.histories[row][:place] for row, place in zip(rows, places, strict=True)]
        self.queries, self.inputs = Queries(histories, train.users[rows]), inputs
        pairs = zip(rows, places, strict=True)
        self.items = np.array([train.histories[row][place] for row, place in pairs])
        counts = np.bincount(self.items, minlength=split.n_items + 1)
        shares = np.maximum(counts, 1) / len(self.items)
        self.log_q = np.log(shares).astype(np.float32) if correct else None

    def __len__(self):
        return len(self.items)

    def __getitem__(self, rows):
        """Return a batch: each tower's arrays, named ``query_...`` and ``item_...``, and ``items``."""
        items = self.items[rows]
        sides = {"query": self.inputs.queries(self.queries[rows]), "item": self.inputs.items(items)}
        named = {f"{side}_{name}": array for side, found in sides.items() for name, array in found.items()}
        more = {} if self.log_q is None else {"log_q": self.log_q[items]}
        return named | {"items": items} | more


def side(inputs, name):
    """Return the arrays of one tower of a batch, without the tower's name."""
    return {
        key.removeprefix(f"{name}_"): array for key, array in inputs.items() if key.startswith(f"{name}_")
    }


def by_length(queries):
    """Return the rows of queries, those with short histories first: int64 (n,)."""
    return np.argsort([len(history) for history in queries.histories], kind="stable")


def check_width(n_features, source):
    """Raise ValueError where a `FeatureInputs` has another number of features than ``n_features``."""
    found = source.table.shape[1]
    if found != n_features:
        raise ValueError(
            f"n_features={n_features}, but the source has {found} features: give {found}, the width of both "
            "towers' inputs."
        )
