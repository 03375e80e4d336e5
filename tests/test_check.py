"""Each checker accepts a solution and rejects plausible wrong answers, which stand in tests/exercises."""

from importlib import import_module

import pytest

from llmrec_ref.check import check
from llmrec_ref.exercises import CHAPTERS, checkers

CHECKERS = {n: c for ch in CHAPTERS for n, c in checkers(ch).items()}

MODULES = [import_module(f"answers_{chapter}") for chapter in CHAPTERS]
SOLUTIONS = {exercise: answer for chapter in MODULES for exercise, answer in chapter.SOLUTIONS.items()}
WRONG = {exercise: answers for chapter in MODULES for exercise, answers in chapter.WRONG.items()}


def built(answer):
    return answer() if isinstance(answer, type) else answer


def test_every_exercise_is_tested_with_three_wrong_answers_or_more():
    assert SOLUTIONS.keys() == WRONG.keys() == CHECKERS.keys()
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize("exercise", SOLUTIONS)
def test_solution_is_accepted(exercise):
    verdict = check(exercise, built(SOLUTIONS[exercise]))
    assert verdict, verdict
    assert repr(verdict) == f"✓ {exercise} solved"


@pytest.mark.parametrize(
    ("exercise", "answer"), [(exercise, answer) for exercise in WRONG for answer in WRONG[exercise]]
)
def test_wrong_answer_gets_a_hint(exercise, answer):
    verdict = check(exercise, built(answer))
    assert not verdict
    assert repr(verdict).startswith(f"✗ {exercise} not yet: ")
    assert "raised" not in repr(verdict)  # rejected for what it says, not for an accident
    assert len(repr(verdict).splitlines()) == 1


def test_exception_in_the_answer_becomes_a_hint():
    def unfinished(ranks, k):
        raise NotImplementedError("your code here")

    assert (
        repr(check("1.1.2", unfinished))
        == "✗ 1.1.2 not yet: your answer raised NotImplementedError: your code here"
    )


@pytest.mark.parametrize("exercise", ["9.9.9", 1.1, None])
def test_unknown_exercise_names_the_known_ones(exercise):
    with pytest.raises(ValueError, match=r"there is no exercise .*1\.1\.1, 1\.1\.2"):
        check(exercise, 0)
