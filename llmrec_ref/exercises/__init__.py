"""The exercises' checkers, one module a chapter, loaded when asked for.

A checker is a generator: given the reader's answer it yields pairs ``(passed, hint)``, easiest
property first. `llmrec_ref.check.check` stops at the first that does not hold and shows its hint.
"""

from importlib import import_module

CHAPTERS = ["1_1", "1_2", "1_3", "1_4", "2_1", "2_2", "2_3", "2_4", "2_5", "3_1", "3_2", "3_3"]


def checkers(chapter):
    """Return a chapter's checkers by the exercises' numbers; loads no other chapter."""
    return import_module(f"llmrec_ref.exercises.chapter_{chapter}").CHECKERS


def find_checker(exercise):
    """Return the checker of an exercise, such as ``"1.1.3"``; loads its chapter only.

    Raises:
        ValueError: If there is no such exercise; names those that exist.
    """
    chapter = "_".join(str(exercise).split(".")[:2])
    if chapter in CHAPTERS and exercise in checkers(chapter):
        return checkers(chapter)[exercise]
    known = ", ".join(name for chapter in CHAPTERS for name in checkers(chapter))
    raise ValueError(f"there is no exercise {exercise!r}; choose one of {known}")
