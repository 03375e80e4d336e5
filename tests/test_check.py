"""Checkers accept solutions in several styles and reject wrong answers, which stand in tests/exercises."""

import subprocess
import sys
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from llmrec_ref.check import check
from llmrec_ref.exercises import CHAPTERS, checkers

FIRST = [import_module(f"answers_{chapter}") for chapter in CHAPTERS]
MORE = [import_module(f"answers_{chapter}_more") for chapter in CHAPTERS]
EXERCISES = [exercise for chapter in CHAPTERS for exercise in checkers(chapter)]


def collected(modules, name):
    """One dictionary from an exercise's number to what the chapters' modules hold under a name."""
    return {exercise: found for module in modules for exercise, found in getattr(module, name, {}).items()}


SOLUTIONS = collected(FIRST, "SOLUTIONS")
WRONG, FURTHER = collected(FIRST, "WRONG"), collected(MORE, "WRONG")
RIGHT, RAISES = collected(MORE, "RIGHT"), collected(MORE, "RAISES")  # RAISES: wrong because it fails
NUMBERS = [exercise for exercise, answer in SOLUTIONS.items() if isinstance(answer, int | float)]
FUNCTIONS = [exercise for exercise in SOLUTIONS if exercise not in [*NUMBERS, "1.1.6", "2.1.2"]]


OF_NUMBERS = ["1.4.6", "1.4.7", "2.2.4", "2.3.6"]  # functions that are given nothing to change


def pairs(answers):
    return [(exercise, answer) for exercise in answers for answer in answers[exercise]]


def built(answer):
    return answer() if isinstance(answer, type) else answer


def assert_hint(exercise, answer):
    verdict = check(exercise, built(answer))
    assert not verdict
    assert repr(verdict).startswith(f"✗ {exercise} not yet: ")
    assert "raised" not in repr(verdict)  # rejected for what it says, not for an accident
    assert len(repr(verdict).splitlines()) == 1


def test_every_exercise_is_tested_with_many_answers():
    assert SOLUTIONS.keys() == WRONG.keys() == FURTHER.keys() == RIGHT.keys() == set(EXERCISES)
    assert all(len(answers) >= 3 for answers in WRONG.values())
    assert all(len(answers) + len(RAISES.get(exercise, [])) >= 5 for exercise, answers in FURTHER.items())
    assert all(len(answers) >= 2 for answers in RIGHT.values())


@pytest.mark.parametrize("exercise", SOLUTIONS)
def test_solution_is_accepted(exercise):
    verdict = check(exercise, built(SOLUTIONS[exercise]))
    assert verdict, verdict
    assert repr(verdict) == f"✓ {exercise} solved"


@pytest.mark.parametrize(("exercise", "answer"), pairs(RIGHT))
def test_solution_in_another_style_is_accepted(exercise, answer):
    verdict = check(exercise, built(answer))
    assert verdict, verdict


@pytest.mark.parametrize(("exercise", "answer"), pairs(WRONG) + pairs(FURTHER))
def test_wrong_answer_gets_a_hint(exercise, answer):
    assert_hint(exercise, answer)


@pytest.mark.parametrize(("exercise", "answer"), pairs(RAISES))
def test_answer_that_fails_on_some_input_gets_its_exception_as_a_hint(exercise, answer):
    verdict = check(exercise, answer)
    assert not verdict
    assert repr(verdict).startswith(f"✗ {exercise} not yet: your answer raised ")
    assert len(repr(verdict).splitlines()) == 1


@pytest.mark.parametrize("kind", [Fraction, Decimal, np.float64, np.float32, np.array, np.longdouble])
@pytest.mark.parametrize("exercise", NUMBERS)
def test_a_number_of_any_kind_is_accepted(exercise, kind):
    verdict = check(exercise, kind(float(SOLUTIONS[exercise])))
    assert verdict, verdict


@pytest.mark.parametrize(
    "wrong", [None, "0.5", True, float("nan"), float("inf"), -1e300, 1e300, [], {}, 1j, sum]
)
@pytest.mark.parametrize("exercise", NUMBERS)
def test_what_is_no_such_number_gets_a_hint(exercise, wrong):
    assert_hint(exercise, wrong)


def listed(value):
    """The same value without arrays and tuples."""
    if isinstance(value, tuple | list):
        return [listed(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def single(value):
    """The same value with floats in single precision."""
    if isinstance(value, tuple | list):
        return type(value)(single(part) for part in value)
    return np.asarray(value, np.float32) if np.asarray(value).dtype == float else value


@pytest.mark.parametrize("style", [listed, single])
@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_lists_and_single_precision_are_accepted(exercise, style):
    verdict = check(exercise, lambda *given: style(SOLUTIONS[exercise](*given)))
    assert verdict, verdict


@pytest.mark.parametrize("exercise", [exercise for exercise in FUNCTIONS if exercise != "2.5.5"])  # compares
def test_arithmetic_in_single_precision_is_accepted(exercise):
    def answer(*given):
        arrays = [single(part) if isinstance(part, np.ndarray) else part for part in given]
        return single(SOLUTIONS[exercise](*arrays))

    verdict = check(exercise, answer)
    assert verdict, verdict


def spoil(value):
    if isinstance(value, np.ndarray) and value.size:
        value.flat[-1] += 1
    elif isinstance(value, list):
        value.append(1)


@pytest.mark.parametrize("exercise", [exercise for exercise in FUNCTIONS if exercise not in OF_NUMBERS])
def test_answer_that_changes_what_it_was_given_gets_a_hint(exercise):
    def changes(*given):
        value = deepcopy(SOLUTIONS[exercise](*given))
        for argument in given:
            spoil(argument)
        return value

    assert "has changed: work on a copy" in repr(check(exercise, changes))


CONSTANTS = [lambda *given, value=value: value for value in (None, "0.5", 0.0, 1.0, True, np.nan, [], {})]
ECHOES = [lambda *given: given, lambda *given: given[0], lambda *given: given[-1]]


@pytest.mark.parametrize("wrong", [None, 0.5, *CONSTANTS, *ECHOES])
@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_constants_and_echoes_get_a_hint(exercise, wrong):
    assert_hint(exercise, wrong)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_solutions_of_other_exercises_are_refused(exercise):
    others = [other for other in FUNCTIONS if other != exercise]
    assert not [other for other in others if check(exercise, SOLUTIONS[other])]


def test_exception_in_the_answer_becomes_a_hint():
    def unfinished(ranks, k):
        raise NotImplementedError("your code\n  here")

    assert (
        repr(check("1.1.2", unfinished))
        == "✗ 1.1.2 not yet: your answer raised NotImplementedError: your code here"
    )


@pytest.mark.parametrize("exercise", ["9.9.9", "1.1", "1.1.99", "", 1.1, None])
def test_unknown_exercise_names_the_known_ones(exercise):
    with pytest.raises(ValueError, match=r"there is no exercise .*1\.1\.1, 1\.1\.2.*2\.5\.7.*\d\.\d\.\d$"):
        check(exercise, 0)


def test_only_the_chapter_asked_for_is_loaded():
    code = """
import sys
from llmrec_ref.check import check
before = [name for name in sys.modules if name.startswith("llmrec_ref.exercises.")]
check("2.3.1", 0)
print(before, sorted(name for name in sys.modules if name.startswith("llmrec_ref.exercises.")))
"""
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['llmrec_ref.exercises.chapter_2_3', 'llmrec_ref.exercises.tools']"
