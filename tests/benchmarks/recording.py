"""Writes a recorded result: figures with everything needed to make them again."""

import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "scipy", "pandas", "torch", "tensorflow-cpu", "tensorflow", "keras")


def record(name, *, title, protocol, seeds, rows, **more):
    """Write ``book/results/<name>.json``.

    Args:
        name: Of the file.
        title: Of the table.
        protocol: What was measured and how, in a sentence.
        seeds: List of the seeds behind each mean; empty where nothing is random.
        rows: List of dicts, one a line of the table.
        **more: Further keys, such as the settings that were tried.
    """
    script = Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix()
    command = " ".join(["python", script, *sys.argv[1:]])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    result = dict(
        title=title,
        command=command,
        commit=commit.stdout.strip(),
        date=date.today().isoformat(),
        device=device(),
        versions={"python": platform.python_version()} | installed(),
        seeds=seeds,
        protocol=protocol,
        rows=rows,
        **more,
    )
    path = ROOT / "book" / "results" / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")


def t_interval(values):
    """Return mean, low and high: a 95 % t-interval over seeds."""
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return float(np.mean(values)), float(low), float(high)


def device():
    """Name the number of cores and the processor."""
    info = Path("/proc/cpuinfo")  # Linux; elsewhere platform knows
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {(names or [platform.processor()])[0]}"


def installed():
    """Return the versions of the packages that the figures depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
