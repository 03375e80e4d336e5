"""The list of careless changes in tests/mutations.py fits today's package; its script is run on demand."""

import runpy
import shlex
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).with_name("mutations.py")))
MUTATIONS = SCRIPT["MUTATIONS"]


def test_each_changed_text_occurs_once_in_its_file():
    assert len(MUTATIONS) >= 70 and len(set(MUTATIONS)) == len(MUTATIONS)
    assert SCRIPT["not_once"]() == []
    assert all(old != new for _, old, new, _ in MUTATIONS)


def test_a_change_to_one_framework_has_tests_that_need_no_other():
    for file, _, _, tests in MUTATIONS:
        path, *words = shlex.split(tests)
        assert Path(SCRIPT["ROOT"], path).is_file() and "parity" not in path
        for framework in {"pytorch", "tensorflow"} & set(file.split("/")):
            assert f"/{framework}/" in path or words[1].startswith(f"{framework} and ")
