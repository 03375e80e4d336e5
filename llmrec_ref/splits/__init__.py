"""Who may see what: splits of a data set into training, validation and test."""

from llmrec_ref.splits.cuts import global_time, leave_one_out
from llmrec_ref.splits.parts import (
    Part,
    Queries,
    Split,
    check_histories,
    flatten,
    train_only,
)
from llmrec_ref.splits.reports import by_novelty, leakage_report

__all__ = [
    "Part",
    "Queries",
    "Split",
    "by_novelty",
    "check_histories",
    "flatten",
    "global_time",
    "leakage_report",
    "leave_one_out",
    "train_only",
]
