"""How much notebooks vary from machine to machine: ``python tests/notebooks/spread.py [NOTEBOOK ...]``.

Runs them again and again, each time with training that rounds differently (`jitter`), and compares with the
saved outputs. What varied goes to spread.json beside this file, by cell: each decimal number with mean,
standard deviation and range (the saved one included), how much of a list stays, other text that changed, and
how often each assertion failed. A notebook without training runs once, for its time; the seconds of each go
to book/results/times.json. Notebooks that were not run keep what is recorded.

A cell needs a tolerance of 6 times the largest standard deviation among its numbers, rounded up to two
digits: about four standard deviations of the difference between two machines. ``--write-tags`` writes it.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import deepcopy
from datetime import date
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell
from tqdm import tqdm

from execute import AT_A_TIME, ONE_THREAD, run
from nbval_tolerance import common, header, parts, tag_value

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_suffix(".json")
TIMES = ROOT / "book" / "results" / "times.json"
PROTOCOL = (
    "one run is the saved one, the others train from weights multiplied by 1 + 1e-6 noise; "
    "two notebooks at a time, one thread each"
)
TIMED = ("notebook", "seconds", "date", "device")
PARTS = "I II III IV V VI VII VIII IX X".split()
IN_CELL = re.compile(r"-+> *\d+ (.*)")  # the line of a traceback that IPython points at


def cell_key(cell) -> str:
    """Return what names a cell wherever it stands: a hash of its source."""
    return hashlib.sha256(cell.source.encode()).hexdigest()[:12]


def need(cell: dict) -> Decimal | None:
    """Return the tolerance that a recorded cell needs, None if no number of it varied."""
    largest = max((Decimal(str(number["sd"])) for number in cell["numbers"]), default=0)
    return Context(prec=2, rounding=ROUND_CEILING).create_decimal(6 * largest).normalize() or None


def complaints(cell, recorded: dict | None) -> list[str]:
    """Return what is wrong with a cell's tags, given what of it varied; None if nothing did."""
    recorded = recorded or {"numbers": [], "failed": {}}
    tolerance, needed, share = tag_value(cell, "tolerance"), need(recorded), tag_value(cell, "overlap")
    ignored = "nbval-ignore-output" in cell.metadata.get("tags", [])
    found = [f"failed in {times} runs: {line}" for line, times in recorded["failed"].items()]
    if tolerance and cell.metadata.get("tolerance-from") != "spread":
        found.append('its tolerance has no "tolerance-from": "spread"')
    if tolerance and not needed:
        found.append("no number of it was seen to vary: it needs no tolerance, or make spread has to run")
    elif needed and not ignored and not needed <= (tolerance or 0) <= 3 * needed:
        found.append(f"its tolerance is {tolerance}; its numbers need {needed} to {3 * needed}")
    if "overlap" in recorded and not ignored and not share:
        found.append("its text changes: print less, or tag a list with overlap")
    elif share and share > recorded.get("overlap", 1):
        found.append(f"overlap:{share} is more than the {recorded['overlap']} that stayed in some run")
    return found


def text(cell) -> str:
    """Return what a cell prints and shows, tables once."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        kinds = [kind for kind in ("text/plain", "text/markdown", "text/latex") if kind in data]
        found += [output.text] if "text" in output else [data[kind] for kind in kinds]
    return "\n".join(found)


def failure(cell) -> str | None:
    """Return the line of a cell that raised an error, None if none did."""
    for output in cell.outputs:
        if output.output_type == "error":
            plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))
            line = IN_CELL.search(plain)
            return f"{output.ename}: {line[1].strip() if line else output.evalue[:200]}"


def compare(saved, others: list) -> dict | None:
    """Return the record of a cell, given its other runs; None if nothing varied."""
    failed = Counter(filter(None, map(failure, others)))
    if "raises-exception" in saved.metadata.get("tags", []):
        failed.clear()
    ran = [text(cell) for cell in others if not failure(cell)]
    if "time" in saved.metadata.get("nbval-reason", ""):
        ran = []
    found = dict(cell=cell_key(saved), starts=saved.source.splitlines()[0][:80], numbers=[], failed=failed)
    words = parts(text(saved))[::2]
    alike = [parts(other) for other in [text(saved), *ran] if parts(other)[::2] == words]
    for i, numbers in enumerate(zip(*(split[1::2] for split in alike), strict=True)):
        values = np.array(numbers, float)
        if values.min() < values.max():
            line = "".join(words[: i + 1]).split("\n")[-1].strip()
            figures = {
                "mean": values.mean(),
                "sd": values.std(ddof=1),
                "min": values.min(),
                "max": values.max(),
            }
            number = {"at": i, "line": line[-24:]} | {key: round(float(v), 6) for key, v in figures.items()}
            found["numbers"].append(number | {"sign flips": bool(values.min() < 0 < values.max())})
    other = [each for each in ran if parts(each)[::2] != words]
    if other:
        found["other text"] = len(other)
        found["overlap"] = round(float(min(common(text(saved), each, header(saved)) for each in other)), 3)
        lines = zip(text(saved).splitlines(), other[0].splitlines(), strict=False)
        found["example"] = next(([a, b] for a, b in lines if parts(a)[::2] != parts(b)[::2]), ["", ""])
    return found if failed or found["numbers"] or other else None


def run_shaken(path: Path, seed: int):
    """Run a notebook in shaken training; return its code cells, the models trained, the seconds."""
    notebook = nbformat.read(path, as_version=4)
    first = f"import sys\nsys.path.append({str(RECORD.parent)!r})\nimport jitter\njitter.start({seed})"
    last = "import jitter\nprint(len(jitter.trained))"
    notebook.cells = [new_code_cell(first), *notebook.cells, new_code_cell(last)]
    seconds = run(notebook, path, allow_errors=True)
    start, *cells, end = (cell for cell in notebook.cells if cell.cell_type == "code")
    if failure(start) or failure(end):
        raise RuntimeError(f"{path} cannot be shaken: {failure(start) or failure(end)}")
    return cells, int(end.outputs[0].text), seconds


def measure(paths: list, n: int) -> dict:
    """Return the records of notebooks by name: one run each, and n where a model was trained."""
    runs = {path: [] for path in paths}
    with ThreadPoolExecutor(AT_A_TIME) as pool, tqdm(total=len(paths), desc="runs") as bar:
        jobs = {pool.submit(run_shaken, path, 1): path for path in paths}
        while jobs:
            job = next(as_completed(jobs))
            path = jobs.pop(job)
            runs[path].append(job.result())
            if len(runs[path]) == 1 and job.result()[1]:
                jobs |= {pool.submit(run_shaken, path, seed): path for seed in range(2, n + 1)}
                bar.total += n - 1
            bar.update()
    return {path.stem: summary(path, *zip(*found, strict=True)) for path, found in runs.items()}


def summary(path: Path, cells, trained, seconds) -> dict:
    """Return the record of a notebook."""
    saved = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    varied = (compare(cell, others) for cell, *others in zip(saved, *cells, strict=True) if trained[0])
    return dict(
        notebook=path.stem,
        runs=len(cells),
        trained=trained[0],
        date=date.today().isoformat(),
        device=device(),
        seconds=round(float(np.median(seconds)), 1),
        cells=list(filter(None, varied)),
    )


def show(row: dict) -> None:
    """Print the record of a notebook."""
    print(f"\n{row['notebook']}: {row['runs']} runs, {row['trained']} models, {row['seconds']:.0f} s each")
    for cell in row["cells"]:
        print(f"  {cell['cell']}  {cell['starts']}")
        if need(cell):
            print(f"    tolerance:{need(cell)}")
        for number in cell["numbers"]:
            flips = ", SIGN FLIPS" if number["sign flips"] else ""
            spread = f"{number['mean']:.4g} ± {number['sd']:.2g} [{number['min']:g}, {number['max']:g}]"
            print(f"      {number['line']!r} {spread}{flips}")
        if "overlap" in cell:
            was, became = cell["example"]
            print(f"    other text in {cell['other text']} runs, lines in common {cell['overlap']:.0%}")
            print(f"      {was!r}\n      {became!r}")
        for line, times in cell["failed"].items():
            print(f"    FAILED {times} of {row['runs']}: {line}")


def write_tags(path: Path, row: dict) -> None:
    """Give each cell of a notebook the tolerance that it needs, and take away those that none needs."""
    notebook = nbformat.read(path, as_version=4)
    before = deepcopy(notebook)
    needs = {cell["cell"]: need(cell) for cell in row["cells"]}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "nbval-ignore-output" not in cell.metadata.get("tags", []):
            kept = [tag for tag in cell.metadata.get("tags", []) if not tag.startswith("tolerance:")]
            cell.metadata.pop("tolerance-from", None)
            if tolerance := needs.get(cell_key(cell)):
                kept.append(f"tolerance:{tolerance:f}")
                cell.metadata["tolerance-from"] = "spread"
            if kept or "tags" in cell.metadata:
                cell.metadata["tags"] = kept
    if notebook != before:
        nbformat.write(notebook, path)


def merged(path: Path, rows: list) -> list:
    """Return the rows of a record, those of the same notebooks replaced."""
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    found = {row["notebook"]: row for row in [*old, *rows]}
    return [found[path.stem] for path in all_notebooks() if path.stem in found]


def chapter(path: Path) -> str:
    """Return what the book calls a notebook, II.4 for 2_item_tokens/4_bert4rec.ipynb."""
    part, number = (part.split("_")[0] for part in path.parts[-2:])
    if path.parts[-2].endswith("_appendix"):
        return f"appendix {number}"
    return f"{PARTS[int(part) - 1]}.{number}"


def all_notebooks() -> list:
    """Return the notebooks in the order of the book."""
    return sorted(ROOT.glob("notebooks/*/*.ipynb"))


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--write-tags", action="store_true", help="set the tags tolerance: in the notebooks")
    args = parser.parse_args()
    paths = [path.resolve() for path in args.notebooks] or all_notebooks()
    os.environ.update(ONE_THREAD)
    found = measure(paths, args.runs)
    for path in paths:
        show(found[path.stem])
        if args.write_tags:
            write_tags(path, found[path.stem])
    rows = list(found.values())
    how = dict(protocol=PROTOCOL, seeds=[])
    record("spread", RECORD.parent, title="What varies", rows=merged(RECORD, rows), **how)
    times = [dict(chapter=chapter(path)) | {key: found[path.stem][key] for key in TIMED} for path in paths]
    record("times", TIMES.parent, title="Seconds to run each chapter", rows=merged(TIMES, times), **how)


if __name__ == "__main__":
    sys.path.append(str(ROOT / "tests" / "benchmarks"))
    from recording import device, record

    main()
