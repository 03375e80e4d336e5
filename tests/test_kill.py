"""A training that is stopped or killed at a random moment leaves a run that is whole, or none."""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from llmrec_ref import runs
from llmrec_ref.folders import Folder

pytestmark = [
    pytest.mark.trains,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="its worker forks"),
]

EPOCHS = 12
KILLS = {"pytorch": 27, "tensorflow": 3}


class Worker:
    """Starts commands in children of a process that has imported a framework."""

    def __init__(self, framework, folder):
        self.framework, self.folder = framework, folder
        self.data = folder / "walks.csv"
        rows = [(user, (3 * user + 7 * day) % 20, day) for user in range(40) for day in range(6 + user % 4)]
        self.data.write_text("user,item,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
        command = [sys.executable, str(Path(__file__).with_name("kill_worker.py")), framework]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        one = dict.fromkeys(["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"], "1")
        self.process = subprocess.Popen(
            command, env=os.environ | one | {"PYTHONPATH": os.pathsep.join(sys.path)}, **pipes
        )

    def train(self, *options, kill=(0, 0, 0), run=""):
        """Train; return the exit code and stderr's lines.

        ``kill`` is a signal, after how many saves in ``run`` it is sent, and how many seconds later.
        """
        log, (number, saves, seconds) = self.folder / "log.txt", kill
        question = [str(log), ["train", *map(str, options)], number, str(run), saves, seconds]
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline()), log.read_text().splitlines()

    def start(self, run, **kill):
        """Train from the start."""
        sizes = ("--dim", 4, "--layers", 1, "--max-len", 5, "--lr", 0.01, "--split", "leave-one-out")
        options = ("--framework", self.framework, "--data", self.data, "--out", run, "--epochs", EPOCHS)
        return self.train(*options, *sizes, run=run, **kill)


@pytest.fixture(params=KILLS)
def worker(request, tmp_path):
    pytest.importorskip({"pytorch": "torch"}.get(request.param, request.param))
    made = Worker(request.param, tmp_path)
    yield made
    made.process.stdin.close()
    assert made.process.wait(timeout=60) == 0


def losses(run):
    return [row["loss"] for row in runs.read_metrics(run)["epochs"]]


def test_a_killed_training_is_whole_or_absent_and_goes_on(worker):
    load = import_module(f"llmrec_ref.{worker.framework}.train").load
    code, log = worker.start(worker.folder / "whole")
    assert code == 0, log
    expected, rng, epochs = losses(worker.folder / "whole"), np.random.default_rng(0), []
    for trial in range(KILLS[worker.framework]):
        number = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[trial % 3]
        run = worker.folder / f"run-{trial}"
        code, log = worker.start(run, kill=(number, int(rng.integers(EPOCHS)), rng.uniform(0, 0.05)))
        assert code in (0, -number if number == signal.SIGKILL else 128 + number), log
        try:
            load(run)
        except FileNotFoundError:
            assert number == signal.SIGKILL or not run.exists()
            Folder(run).close()  # it can be taken
            continue
        done = losses(run)
        epochs.append(len(done))
        assert done == pytest.approx(expected[: len(done)], rel=1e-6)
        if number != signal.SIGKILL:
            assert len(list(run.iterdir())) == 2  # the save, and the file that points to it
            assert code == 0 or log[-1] == f"stopped: go on with python -m llmrec_ref train --resume {run}"
        code, log = worker.train("--resume", run, "--epochs", min(EPOCHS, len(done) + 1))
        assert code == 0, log
        assert losses(run) == pytest.approx(expected[: len(done) + 1], rel=1e-6)
    print("epochs saved:", epochs)
    assert len(set(epochs)) > KILLS[worker.framework] / 6  # neither all before training nor all after it
