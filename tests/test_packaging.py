"""The package: what imports what, and that each part works without the frameworks it does not need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "llmrec_ref"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if path.stem != "__main__"
]
MODULES = [module.removesuffix(".__init__") for module in MODULES]

# A room imports rooms of the rows above its own. Of those in one row, some pairs may import each other.
FRAMEWORKS = {"pytorch", "tensorflow"}
PAIRS = [{"datasets", "world"}, {"check", "exercises"}]
ROWS = [
    {"datasets", "world"},
    {"splits"},
    {"sequences"},
    {"text", "pretrained", "features", "items", "tuning", "index"},
    {"metrics", "losses"},
    {"baselines"},
    {"evaluate", "towers"},
    {"check", "exercises"},
    {"objectives", "training", "memory", "folders"},
    {"runs"},
    FRAMEWORKS,
    {"parity"},
    {"recommend"},
    {"commands"},
    {"command_line"},
    {"__main__"},
]
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}

# Makes packages look as if they were not installed, then imports modules.
IMPORT_WITHOUT = """
import importlib, sys
from importlib.machinery import PathFinder

blocked, modules = set(sys.argv[1].split(",")), sys.argv[2].split(",")
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] in blocked else find(name, *more)
for module in modules:
    importlib.import_module(module)
"""
RUN_HELP = """
import runpy

sys.argv = ["llmrec_ref", "--help"]
runpy.run_module("llmrec_ref", run_name="__main__")
"""


def room(module):
    """``"splits"`` for ``"llmrec_ref.splits"``, ``"pytorch"`` for ``"llmrec_ref.pytorch.sasrec"``."""
    return (module.split(".") + [""])[1]


def imports(path):
    """Names of this package's modules that a file imports, anywhere in it."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("llmrec_ref"))
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join(parents + ([node.module] if node.module else []))
            if origin == "llmrec_ref":
                yield from (f"llmrec_ref.{alias.name}" for alias in node.names)
            elif origin.startswith("llmrec_ref."):
                yield origin


def run_without(blocked, modules, then=""):
    command = [sys.executable, "-c", IMPORT_WITHOUT + then, ",".join(blocked), ",".join(modules)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("blocked", "wanted"),
    [
        ({"torch", "tensorflow", "keras"}, [m for m in MODULES if room(m) not in FRAMEWORKS | {"parity"}]),
        ({"tensorflow", "keras"}, [m for m in MODULES if room(m) == "pytorch"]),
        ({"torch"}, [m for m in MODULES if room(m) == "tensorflow"]),
    ],
    ids=["neither framework", "PyTorch alone", "TensorFlow alone"],
)
def test_imports_without(blocked, wanted):
    run = run_without(blocked, wanted)
    assert run.returncode == 0, run.stderr


def test_what_is_blocked_cannot_be_imported():
    assert "No module named 'torch'" in run_without({"torch"}, ["llmrec_ref.pytorch"]).stderr


def test_command_line_shows_its_help_without_frameworks():
    run = run_without({"torch", "tensorflow", "keras"}, ["llmrec_ref"], then=RUN_HELP)
    assert run.returncode == 0, run.stderr
    assert "recommend" in run.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_only_rooms_above_its_own(path):
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module in imports(path) if here != "__init__" else []:
        there = room(module)
        assert there == here or {here, there} in PAIRS or ROW[there] < ROW[here], f"{here} imports {module}"
