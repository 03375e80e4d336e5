"""Check requirements.txt for each system without owning one: ``make lock-check`` (needs a network).

For each target, the lines whose markers hold there are handed to ``pip install --dry-run --platform``, which
finds out whether a wheel of each exists. (pip alone would read the markers for the machine it runs on.) Then
whatever those wheels require there must stand in the lock, in a version that fits.
"""

import json
import subprocess
import sys
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11.9", "3.12.9", "3.13.9")
LINUX = ["manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{minor}" for minor in range(5, 29))]
TARGETS = {  # pip's platforms, and what the markers' variables are there
    "Linux": ([f"{tag}_x86_64" for tag in LINUX], ("linux", "Linux", "x86_64", "posix")),
    "macOS 14, Apple silicon": (["macosx_14_0_arm64"], ("darwin", "Darwin", "arm64", "posix")),
    "Windows": (["win_amd64"], ("win32", "Windows", "AMD64", "nt")),
}
# The CUDA build of torch on Linux brings its own; the lock takes the CPU build too.
CUDA = ("nvidia-", "cuda-", "triton")


def environment(python, sys_platform, platform_system, platform_machine, os_name):
    """Values of the markers' variables on a target."""
    return default_environment() | dict(
        python_version=python.rpartition(".")[0],
        python_full_version=python,
        sys_platform=sys_platform,
        platform_system=platform_system,
        platform_machine=platform_machine,
        os_name=os_name,
    )


def applies(requirement, env, extra=""):
    """Whether a requirement holds on a target."""
    return requirement.marker is None or requirement.marker.evaluate(env | {"extra": extra})


def dry_run(pins, platforms, python):
    """Return pip's report on installing the pins; raise with pip's last line if one has no wheel."""
    tags = [option for tag in platforms for option in ("--platform", tag)]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--no-deps",
        "--ignore-installed",
    ]
    command += [
        "--only-binary=:all:",
        "--python-version",
        python,
        "--target",
        "unused",
        "--report",
        "-",
        *tags,
    ]
    run = subprocess.run(
        command + [f"{pin.name}{pin.specifier}" for pin in pins], capture_output=True, text=True
    )
    if run.returncode:
        raise SystemExit(run.stderr.strip().splitlines()[-1])
    return json.loads(run.stdout)["install"]


def unmet(report, env):
    """Yield what the reported packages require on a target and the report does not hold."""
    packages = {canonicalize_name(entry["metadata"]["name"]): entry["metadata"] for entry in report}
    todo, seen = [(name, "") for name in packages], set()
    while todo:
        name, extra = todo.pop()
        for requirement in map(Requirement, packages[name].get("requires_dist", [])):
            needed = canonicalize_name(requirement.name)
            if (name, extra, str(requirement)) in seen or not applies(requirement, env, extra):
                continue
            seen.add((name, extra, str(requirement)))
            if needed in packages and requirement.specifier.contains(
                packages[needed]["version"], prereleases=True
            ):
                todo += [(needed, wanted) for wanted in requirement.extras]
            elif not needed.startswith(CUDA):
                yield f"{name} requires {requirement}, the lock has {packages.get(needed, {}).get('version')}"


def main():
    """Check all targets; exit with 1 if one fails."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lock = [Requirement(line) for line in lines if line and not line.startswith("#")]
    failed = False
    for target, (platforms, variables) in TARGETS.items():
        for python in PYTHONS:
            env = environment(python, *variables)
            pins = [pin for pin in lock if applies(pin, env)]
            problems = list(unmet(dry_run(pins, platforms, python), env))
            print(f"{target}, Python {python}: {len(pins)} packages", *problems or ["all well"], sep="\n  ")
            failed |= bool(problems)
    sys.exit(failed)


if __name__ == "__main__":
    main()
