"""The recorded results in book/results: each says how it was made, and holds finite numbers."""

import json
import math
import re
from datetime import date
from pathlib import Path

import pytest

RESULTS = sorted((Path(__file__).parents[1] / "book" / "results").glob("*.json"))
KEYS = {"title", "command", "commit", "date", "device", "versions", "seeds", "protocol", "rows"}


@pytest.fixture(params=RESULTS, ids=lambda path: path.stem)
def result(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def numbers(value):
    """All numbers in a nest of lists and dicts."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield value


def test_there_are_results():
    assert RESULTS


def test_says_how_it_was_made(result):
    assert set(result) >= KEYS
    for key in ("title", "command", "device", "versions", "protocol"):
        assert result[key], key
    assert re.fullmatch(r"[0-9a-f]{7,40}", result["commit"])
    assert date.fromisoformat(result["date"]) <= date.today()
    assert "python" in result["versions"]
    assert all(isinstance(seed, int) for seed in result["seeds"])
    assert not re.search(r"/(?:home|root|Users|tmp|work)/", json.dumps(result))


def test_command_names_a_file_that_exists(result):
    script = re.search(r"\S+\.py", result["command"])
    assert script is None or (RESULTS[0].parents[2] / script[0]).is_file()


def test_rows_are_tidy_and_finite(result):
    assert result["rows"]
    assert all(isinstance(row, dict) and row for row in result["rows"])
    found = list(numbers(result["rows"]))
    assert found
    assert all(map(math.isfinite, found))
