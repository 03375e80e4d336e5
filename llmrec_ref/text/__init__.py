"""Users, items and events as sentences, with guards against what gives answers away."""

from llmrec_ref.text.limits import best_recall, distinct_texts
from llmrec_ref.text.pairs import PairScorer, TextPairs
from llmrec_ref.text.prompts import item_texts, user_text, user_texts
from llmrec_ref.text.templates import (
    OPINIONS,
    OWN,
    TEMPLATES,
    Template,
    fill,
    template_of,
)
from llmrec_ref.text.words import (
    item_words,
    moment_words,
    title_in_order,
    user_words,
)

# in the order of the API page
__all__ = [
    "item_texts",
    "user_texts",
    "user_text",
    "Template",
    "TEMPLATES",
    "OWN",
    "OPINIONS",
    "template_of",
    "fill",
    "item_words",
    "user_words",
    "moment_words",
    "title_in_order",
    "distinct_texts",
    "best_recall",
    "TextPairs",
    "PairScorer",
]
