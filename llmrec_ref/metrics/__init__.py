r"""Ranking metrics: pure NumPy functions of ranks; and how scores become ranks.

But for `rank_query` and `rank_queries`, all take the same three arguments and return
one float64 value a query; `evaluate` averages them.

- ``ranks``: int64 (n_targets,), ranks of the targets, 0 = best; distinct in a query.
- ``offsets``: int64 (n_queries + 1,); query q has ``ranks[offsets[q]:offsets[q + 1]]``.
- ``k``: length of the list that is looked at, at least 1.

Every query has at least one target. Anything else raises ValueError, but that the ranks
are distinct is not checked.

Below, a query has the targets Y with ranks :math:`r_y`. With one target HR = Recall,
Precision = HR / k, MAP = MRR, and NDCG = 1 / log2(rank + 2) if rank < k.
"""

from llmrec_ref.metrics.accuracy import (
    METRICS,
    average_precision,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from llmrec_ref.metrics.calibration import expected_calibration_error, temperature
from llmrec_ref.metrics.labels import auc, auc_gain, auc_interval
from llmrec_ref.metrics.ranks import rank_queries, rank_query

# in the order of the API page
__all__ = [
    "rank_query",
    "rank_queries",
    "hit_rate",
    "recall",
    "precision",
    "ndcg",
    "reciprocal_rank",
    "average_precision",
    "METRICS",
    "auc",
    "auc_interval",
    "auc_gain",
    "temperature",
    "expected_calibration_error",
]
