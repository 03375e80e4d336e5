"""Writes a recorded result: figures with everything needed to make them again."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
from scipy import stats
from shared import installed

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "book" / "results"
PACKAGES = (
    "numpy", "scipy", "pandas", "torch", "tensorflow-cpu", "tensorflow", "keras",
    "tokenizers", "transformers", "keras-hub",
)  # fmt: skip


def make_parser(description, name):
    """Return an argument parser that already knows where the record goes.

    Args:
        description: Of the script.
        name: Of the record, if the command gives no other; None where the script decides.
    """
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--name", default=name, help="of the file in book/results")
    found.add_argument("--out", type=Path, default=RESULTS, help="another folder than book/results: a try")
    return found


def record(name, folder, *, title, protocol, seeds, rows, **more):
    """Write a JSON file.

    Args:
        name: Of the file.
        folder: Of the file, `RESULTS` but for a try.
        title: Of the table.
        protocol: What was measured and how, in a sentence.
        seeds: List of the seeds behind each mean; empty where nothing is random.
        rows: List of dicts, one a line of the table.
        **more: Further keys, such as the settings that were tried.
    """
    script = Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix()
    command = " ".join(["python", script, *sys.argv[1:]])
    command = re.sub(r"--([\w-]+)[ =]/\S+", placeholder, command)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    result = dict(
        title=title,
        command=command,
        commit=commit.stdout.strip(),
        date=date.today().isoformat(),
        device=device(),
        versions={"python": platform.python_version()} | installed(PACKAGES),
        seeds=seeds,
        protocol=protocol,
        rows=rows,
        **more,
    )
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def placeholder(option):
    """Return ``--data DATA`` for the match of ``--data /home/me/Beauty.txt``, a path of one machine."""
    return f"--{option[1]} {option[1].upper().replace('-', '_')}"


def t_interval(values):
    """Return mean, low and high: a 95 % t-interval over seeds, of no width where all agree."""
    if np.ptp(values) == 0:
        return (float(values[0]),) * 3
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return float(np.mean(values)), float(low), float(high)


def device():
    """Name the number of cores and the processor."""
    info = Path("/proc/cpuinfo")  # Linux; elsewhere platform knows
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {(names or [platform.processor()])[0]}"
