"""Recommenders that need no framework: what every other model must beat.

Each has ``fit(split)``, which sees ``split.train`` only and returns self, and
``score(queries)``, which returns float32 (len(queries), n_items + 1) with column 0 =
-inf. All raise ValueError for an empty history, but `Popularity`, and `Bilinear` where
it knows the users. None depends on how items are numbered, but for the random start of
`ALS` and the draws of `PairMLP`, which alone trains by gradient descent (and needs
scikit-learn). The equations of the linear scorers are functions: `ridge`,
`bilinear_ridge`, `als_step`; what texts can reach at best: `text.best_recall`. Features
of labelled pairs are functions too: `behaviour`, `same_words`, `closeness`.
"""

from llmrec_ref.baselines.als import ALS, als_step
from llmrec_ref.baselines.content import Content
from llmrec_ref.baselines.counting import ItemKNN, Markov, PersonalFrequency, Popularity
from llmrec_ref.baselines.linear import EASE, Bilinear, Ridge, bilinear_ridge, ridge
from llmrec_ref.baselines.mixture import Mixture, Rerank
from llmrec_ref.baselines.pair_features import behaviour, closeness, same_words
from llmrec_ref.baselines.pair_mlp import PairMLP

# in the order of the API page
__all__ = [
    "Popularity",
    "Markov",
    "PersonalFrequency",
    "ItemKNN",
    "EASE",
    "Ridge",
    "Bilinear",
    "ALS",
    "Content",
    "PairMLP",
    "Mixture",
    "Rerank",
    "behaviour",
    "same_words",
    "closeness",
    "ridge",
    "bilinear_ridge",
    "als_step",
]
