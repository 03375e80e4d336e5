"""What peers.py shares with its processes: standard library only, for the peers' environments lack ours."""

import resource
import sys
from importlib.metadata import PackageNotFoundError, version

DIM, LAYERS, HEADS, MAX_LEN, DROPOUT = 64, 2, 1, 50, 0.2
BATCH_SIZE, LR = 128, 1e-3


def most_mib():
    """Return the most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def installed(packages):
    """Return the versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
