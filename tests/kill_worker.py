"""Runs commands in children that share the framework's import; each saves after every epoch.

    python kill_worker.py FRAMEWORK

A line of JSON in, ``[log file, arguments, signal, run folder, saves, seconds]``: the signal is sent that long
after the folder has seen so many saves. The child's exit code out, negative if a signal killed it.
"""

import json
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from llmrec_ref import runs
from llmrec_ref.__main__ import main

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def child(log, arguments):
    """Run a command; a signal that comes before its own handlers ends it as they would."""
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    sys.stdout = sys.stderr = open(log, "w")
    code = main(arguments)
    sys.stdout.flush()
    os._exit(code)


def lives(process):
    """Whether a child has not yet ended; its exit code stays to be asked for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def last_save(folder):
    """Number of the last save, finished or not; 0 before the first."""
    return max((int(save.name[5:]) for save in Path(folder).glob("save-*")), default=0)


if __name__ == "__main__":
    # the last is what an optimiser of PyTorch imports
    late = ("torch._dynamo",) if sys.argv[1] == "pytorch" else ()
    for module in (f"llmrec_ref.{sys.argv[1]}.train", "llmrec_ref.command_line", *late):
        import_module(module)
    runs.SAVE_AFTER = 0
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for line in sys.stdin:
        log, arguments, number, folder, saves, seconds = json.loads(line)
        process = os.fork() or child(log, arguments)
        if number:
            while lives(process) and last_save(folder) < saves:
                time.sleep(1e-3)
            time.sleep(seconds)
            os.kill(process, number)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
