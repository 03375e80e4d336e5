"""Tells a reader, offline, whether an exercise is solved."""

from dataclasses import dataclass

import numpy as np

from llmrec_ref.exercises import find_checker


@dataclass(frozen=True, repr=False)
class Verdict:
    """What `check` thinks of an answer: true if right, and shown as its message."""

    solved: bool
    message: str

    def __bool__(self):
        return self.solved

    def __repr__(self):
        return self.message


def check(exercise, answer):
    """Check an answer to an exercise by properties and brute force, not by a solution.

    Args:
        exercise: The exercise's number, such as ``"1.1.3"``.
        answer: What the exercise asks for: a number, a function or an object.

    Returns:
        Verdict: Shown as one line: solved, or a hint on the first property that does not hold. An
        exception raised by the answer is such a hint too.

    Raises:
        ValueError: If there is no such exercise.
    """
    checker = find_checker(exercise)
    try:
        with np.errstate(all="ignore"):  # a wrong answer need not warn as well
            hint = next((hint for passed, hint in checker(answer) if not passed), None)
    except Exception as error:
        hint = f"your answer raised {type(error).__name__}: {error}"
    if hint is None:
        return Verdict(True, f"✓ {exercise} solved")
    return Verdict(False, f"✗ {exercise} not yet: {' '.join(hint.split())}")
