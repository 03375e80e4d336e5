"""Memory that stays between training steps: a setting of the whole process."""

import ctypes
import sys
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h


@contextmanager
def keep_memory():
    """Keep freed memory in the process, for the next step (Linux with glibc).

    Else the logits of each step go back to the system, and the next step gets them anew, page by
    page, each page cleared, which can cost a third of its time (``tests/benchmarks/step.py``). The
    setting is the process's: it holds for all threads, and afterwards glibc's defaults hold again,
    whatever they were before.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:  # the default, and the largest values that glibc reaches by itself
        libc.mallopt(M_MMAP_MAX, 2**16)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)
        libc.mallopt(M_TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)
