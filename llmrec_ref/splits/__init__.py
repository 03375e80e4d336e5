"""Who may see what: splits of a data set into training, validation and test."""

from llmrec_ref.splits.cold import ColdItems, cold_items, cold_users
from llmrec_ref.splits.cuts import global_time, leave_one_out
from llmrec_ref.splits.pairs import (
    LabelledPairs,
    PairSplit,
    buy_or_not,
    like_or_not,
    products_only,
)
from llmrec_ref.splits.parts import (
    Part,
    Queries,
    Split,
    check_histories,
    flatten,
    train_only,
)
from llmrec_ref.splits.reports import by_novelty, leakage_report

# in the order of the API page
__all__ = [
    "Queries",
    "Part",
    "Split",
    "train_only",
    "leave_one_out",
    "global_time",
    "ColdItems",
    "cold_items",
    "cold_users",
    "LabelledPairs",
    "PairSplit",
    "buy_or_not",
    "like_or_not",
    "products_only",
    "by_novelty",
    "leakage_report",
    "check_histories",
    "flatten",
]
