"""The exercises' checkers, one module a chapter.

A checker is a generator: given the reader's answer it yields pairs ``(passed, hint)``, easiest
property first. `llmrec_ref.check.check` stops at the first that does not hold and shows its hint.
"""

from llmrec_ref.exercises import (
    chapter_1_1,
    chapter_1_2,
    chapter_1_3,
    chapter_1_4,
    chapter_2_1,
    chapter_2_2,
    chapter_2_3,
    chapter_2_4,
)

CHAPTERS = [
    chapter_1_1,
    chapter_1_2,
    chapter_1_3,
    chapter_1_4,
    chapter_2_1,
    chapter_2_2,
    chapter_2_3,
    chapter_2_4,
]
CHECKERS = {exercise: checker for chapter in CHAPTERS for exercise, checker in chapter.CHECKERS.items()}
