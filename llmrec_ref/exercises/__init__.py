"""The exercises' checkers, one module a chapter.

A checker is a generator: given the reader's answer it yields pairs ``(passed, hint)``, easiest
property first. `llmrec_ref.check.check` stops at the first that does not hold and shows its hint.
"""

from importlib import import_module

CHAPTERS = ["1_1", "1_2", "1_3", "1_4", "2_1", "2_2", "2_3", "2_4", "2_5"]
CHECKERS = {
    exercise: checker
    for chapter in CHAPTERS
    for exercise, checker in import_module(f"llmrec_ref.exercises.chapter_{chapter}").CHECKERS.items()
}
