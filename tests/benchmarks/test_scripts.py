"""Each benchmark script, at toy size, writes a record with the keys that its readers look for.

Sizes without an option are patched, the data are a few people, and what a script would do in processes of its
own, which take seconds to start, happens in this one where nothing but time depends on it.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from losses import LINES
from ml100k import THREADS, workers
from step import product_rate

import berts
from llmrec_ref import datasets
from llmrec_ref.losses import LOSSES
from llmrec_ref.towers import TextInputs

pytestmark = pytest.mark.trains

RECORD = {"title", "command", "commit", "date", "device", "versions", "seeds", "protocol", "rows"}
TEST = {"HR@10", "NDCG@10"}
ENDS = ("low", "high", "seeds")
TABLE = {"model", "framework", "filter_seen", *TEST} | {f"{metric}_{end}" for metric in TEST for end in ENDS}
ABOVE = {"above_floor"} | {f"above_floor_{end}" for end in ENDS}
UNFILTERED = TEST | {f"{metric} unfiltered" for metric in TEST}
PEERS = {name: os.environ.get(name) for name in ("RECTOOLS_PYTHON", "KERAS_RS_PYTHON")}


def one_thread(*_, **__):
    """In the place of a pool of processes."""
    return ThreadPoolExecutor(1)


@pytest.fixture(name="run")
def _run(monkeypatch, tmp_path):
    """Return a function that runs a script, with names of its modules replaced, and returns its record."""
    for name in THREADS:
        monkeypatch.setenv(name, "1")  # scripts set these, so they must be given back

    load = datasets.load

    def load_few(name, **filters):
        dataset = load(name, **filters)
        if name != "ml-100k":
            return dataset
        few = dataset.users["user_id"].head(400)
        return replace(
            dataset,
            interactions=dataset.interactions[dataset.interactions["user_id"].isin(few)],
            users=dataset.users.head(400),
        )

    monkeypatch.setattr(datasets, "load", load_few)

    def run(script, *options, **replaced):
        for name, value in replaced.items():
            monkeypatch.setattr(f"{script}.{name}", value)
        main = import_module(script)
        words = [main.__file__, "--out", str(tmp_path), "--name", "toy", *map(str, options)]
        monkeypatch.setattr("sys.argv", words)
        main.main()
        text = (tmp_path / "toy.json").read_text(encoding="utf-8")
        assert str(tmp_path) not in text  # whose paths are nobody's business
        return json.loads(text)

    return run


@contextmanager
def in_this_process(threads=1):
    with ThreadPoolExecutor(1) as pool:
        yield pool


def call(function, *arguments, **more):
    return function(*arguments, **more)


def test_workers_are_processes_with_so_many_threads(monkeypatch):
    for name in THREADS:
        monkeypatch.setenv(name, "1")
    with workers(threads=2) as pool:
        assert pool.submit(os.getenv, THREADS[0]).result() == "2"
        assert pool.submit(os.getpid).result() != os.getpid()


def check(record, keys, row):
    assert set(record) == RECORD | keys
    assert set(record["rows"][-1]) == row


def test_ml100k(run):
    record = run("ml100k", "--epochs", 1, "--seeds", 2, FRAMEWORKS=["pytorch"], workers=in_this_process)
    check(record, {"settings", "validation"}, TABLE)
    assert record["command"].startswith("python tests/benchmarks/ml100k.py --out OUT --name toy")


def test_bert4rec_wide(run):
    record = run("bert4rec_wide", "--epochs", 1, "--seeds", 2)
    check(record, {"curves"}, {"form", "NDCG@10", "NDCG@10_low", "NDCG@10_high"})


def test_losses(run, monkeypatch):
    monkeypatch.setattr("ml100k.FRAMEWORKS", ["pytorch"])
    record = run("losses", "--epochs", 1, "--seeds", 2, workers=in_this_process)
    check(record, {"settings", "validation"}, TABLE | {"loss", "lr", "epochs"})


def test_bert4rec_claims(run):
    record = run("bert4rec_claims", "--epochs", 1, "--seeds", 2, "--long-seeds", 2)
    value = {"value", *(f"value_{end}" for end in ENDS)}
    check(record, {"settings"}, {"setting", "subject", "measure", "above_0", "n", *value})
    exchanged = dict(subject="never the newest minus BERT4Rec", measure="n_targets")
    rows = [row for row in record["rows"] if row.items() >= exchanged.items()]
    assert [row["setting"] for row in rows] == ["live", "long"]
    assert all(row["value_seeds"] == [0, 0] for row in rows)


def test_cold_items(run):
    small = dict(RATES=[0.0, 0.3], RESAMPLES=20, encode=drawn, ProcessPoolExecutor=one_thread)
    more = [("both", 0.0, False), ("both", 0.3, False), ("text", 0.0, True)]
    small |= dict(MODELS=[("id", 0.0, False), ("text", 0.0, False), *more])
    record = run("cold_items", "--seeds", 2, "--epochs", 1, **small)
    questions = ("warm", "cold_among_cold", "cold_among_all")
    metrics = [
        f"{question}_{metric}{end}" for question in questions for metric in TEST for end in ("", "_minus_id")
    ]
    values = {name + end for name in metrics for end in ("", "_low", "_high")}
    settings = {"model", "items", "id_dropout", "unseen_are_negatives", "epochs"}
    check(record, {"settings", "counts", "chosen_rate", "choice", "tail"}, values | settings)
    same = [row for row in record["rows"] if row.get("items") == "id"]
    assert [row["warm_HR@10_minus_id"] for row in same] == [0]
    n_known = sum(row["n_targets"] for row in record["tail"])  # of films that stand in training
    assert 0.98 * record["counts"]["warm_queries"] < n_known <= record["counts"]["warm_queries"]
    (by_chance,) = [row for row in record["rows"] if row["model"] == "random"]
    assert by_chance["cold_among_cold_HR@10"] == pytest.approx(10 / record["counts"]["cold"][1], abs=0.05)


def test_loss_speed(run):
    small = ("--epochs", 2, "--targets", 8, "--items", 100, "--repeats", 1)
    record = run("loss_speed", *small, FULL=[], LINES=LINES[-1:])
    assert {row["loss"] for row in record["large"]["rows"]} == set(LOSSES)
    check(record, {"large"}, {"framework", "loss", "lr", "n_negatives", "seconds", "fastest", "slowest"})


def test_memory(run):
    record = run("memory", "--targets", 64, "--items", 1000, LOSSES=("chunked_cross_entropy",))
    keys = {"framework", "loss", "measured_mib", "predicted_mib"}
    check(record, {"million_items", "settings"}, keys)


def test_gpu(run):
    size = dict(dim=8, n_layers=1, batch_size=64)
    record = run("gpu", "--device", "cpu", "--epochs", 2, "--seeds", 1, SIZES=[size])
    check(record, {"gpu", "curves"}, {"device", "precision", *size, "targets_per_second"})
    assert {row["precision"] for row in record["rows"]} == {"float32", "TF32", "bfloat16"}


def test_world(run):
    record = run("world", "--users", 128, "--seeds", 2, STAGES=[dict(lr=2e-3, epochs=1)])
    check(record, {"settings", "floor", "curves"}, {"model", "framework", "nats", *ABOVE})


def test_step(run):
    runs = [dict(framework="pytorch", loss="cross_entropy")]
    rate = partial(product_rate, size=256, repeats=2)
    record = run("step", "--epochs", 2, RUNS=runs, alone=call, product_rate=rate)
    keys = {"framework", "loss", "seconds", "fastest", "slowest", "kernel_share", "peak_mib", "rate", "share"}
    check(record, {"flops", "n_targets", "rates", "parts"}, keys)
    shares = [value for part in record["parts"] for value in part.values() if isinstance(value, float)]
    assert len(shares) == 6 and all(0 < share < 1 for share in shares)


@pytest.fixture(name="people")
def _people(tmp_path):
    """Sixty people with eight items each, as a file."""
    rng = np.random.default_rng(0)
    people = [[user, *rng.choice(np.arange(1, 31), 8, replace=False)] for user in range(1, 61)]
    path = tmp_path / "people.txt"
    path.write_text("\n".join(" ".join(map(str, person)) for person in people), encoding="utf-8")
    return path


def test_beauty(run, people, tmp_path):
    work = tmp_path / "work"
    options = ["--data", people, "--work", work, "--epochs", 1, "--seeds", 1]
    record = run("beauty", *options, workers=in_this_process)
    check(
        record, {"settings", "weights", "window_lengths"}, {"name", "refit", "seed", "weights", *UNFILTERED}
    )
    rows = {(row["name"], row["refit"]): set(row) for row in record["rows"]}
    assert rows["base", False] > {"curve", "seconds", *(f"validation {key}" for key in UNFILTERED)}
    assert rows["EASE", True] > {f"{metric} kind to ties" for metric in TEST}


def test_groceries(run):
    record = run("groceries", "--min-item", 2000)
    check(record, set(), {"name", "filter_seen", "n_queries", "n_dropped"} | TEST)
    assert [row["n_dropped"] > 0 for row in record["rows"]] == [False, True] * 6


def drawn(texts, encoder=None, cache=None, progress=True, padding=False):
    """Random vectors, one a text, in place of an encoder's."""
    rows = {text: np.random.default_rng(len(text)).normal(size=8) for text in texts}
    return np.array([rows[text] if text else np.zeros(8) for text in texts], np.float32)


def test_groceries_text(run, monkeypatch):
    monkeypatch.setattr("described.encode", drawn)
    record = run("groceries_text", "--min-item", 2000, encode=drawn)
    row = {"name", "targets", "setting", "HR@10", "Recall@10", "NDCG@10", "n_queries"}
    check(record, {"added", "best_recall", "lists", "cold_households"}, row)
    assert [row["lists"] > 1 for row in record["lists"]] == [False, True, True]
    best = {(row["knows"], row["targets"], row["n_items"]): row["recall"] for row in record["best_recall"]}
    for row in record["rows"]:
        if row["name"] == "cosine":  # which knows texts alone
            key = min(key for key in best if key[:2] == ("texts", row["targets"]))
            assert row["Recall@10"] <= best[key] <= best["items", *key[1:]]
    popular, *others = record["cold_households"]
    assert popular["gain"] == 0 and all(row["n_queries"] == popular["n_queries"] for row in others)


def test_stacking(run, monkeypatch):
    dataset = datasets.load("ml-100k")
    few = dataset.interactions[dataset.interactions["user_id"] <= 50]
    monkeypatch.setattr(datasets, "load", lambda name: replace(dataset, interactions=few))
    record = run("stacking", "--seeds", 2, "--epochs", 1, DIM=4, encode=drawn)
    measured = {"train", "test", *TEST}
    ends = {f"{key}_{end}" for key in measured for end in ENDS}
    check(record, set(), {"first", "folds", *(f"first alone {key}" for key in TEST)} | measured | ends)
    assert [row["folds"] for row in record["rows"]] == [None, 5] * 4


def test_beauty_unseen(run, people):
    record = run("beauty_unseen", "--data", people)
    counts = {"name", "refit", "targets", "unseen", "factor", "hits"}
    check(record, set(), counts | TEST | {f"{metric} seen targets" for metric in TEST})
    assert not any(row["hits"] for row in record["rows"])


@pytest.mark.skipif(not all(PEERS.values()), reason="RECTOOLS_PYTHON and KERAS_RS_PYTHON name no environment")
def test_peers(run):
    pythons = [f"--{name.lower().replace('_', '-')}={python}" for name, python in PEERS.items()]
    record = run("peers", *pythons, "--epochs", 6, "--seeds", 1)
    assert set(record) == RECORD | {"peers"}
    assert {row["library"] for row in record["rows"]} == {"RecTools", "keras-rs", "pytorch", "tensorflow"}
    assert not any(python in record["command"] for python in PEERS.values())


@pytest.mark.skipif(not all(PEERS.values()), reason="RECTOOLS_PYTHON and KERAS_RS_PYTHON name no environment")
def test_peer_speed(run):
    pythons = [f"--{name.lower().replace('_', '-')}={python}" for name, python in PEERS.items()]
    record = run("peer_speed", *pythons, "--epochs", 2, "--rounds", 1)
    keys = {"seconds an epoch", "fastest", "slowest", "targets a second", "times RecTools"}
    check(record, set(), {"library", "loss", *keys})


def test_encode(run):
    pytest.importorskip("transformers")
    pytest.importorskip("keras_hub")
    record = run("encode", "--texts", 4, "--rounds", 1)
    check(
        record,
        set(),
        {
            "framework",
            "library",
            "batches",
            "texts a second",
            "fastest",
            "slowest",
            "share of padding",
        },
    )
    beside = [row for row in record["rows"] if "times the other" in row]
    assert [row["framework"] for row in beside] == ["pytorch", "tensorflow"]
    assert len(record["rows"]) == 8 and all(0 <= row["share of padding"] < 1 for row in record["rows"])


def test_two_towers(run, tmp_path):
    pytest.importorskip("faiss")
    folder = tmp_path / "bert"
    berts.save(folder)
    bert = SimpleNamespace(load=partial(import_module("llmrec_ref.pytorch.bert").Bert.load, folder))
    tiny = dict(Bert=bert, Encoder=lambda: None, encode=drawn, find=lambda: folder)
    tiny |= dict(TextInputs=partial(TextInputs, last=2, max_len=16), N_VALIDATION=20, N_QUERIES=3)
    record = run("two_towers", "--seeds", 2, "--epochs", 1, **tiny)
    ends = {"recall", *(f"recall_{end}" for end in ENDS)}
    check(record, {"counts", "index"}, {"data", "name"} | ends)
    names = [row["name"] for row in record["rows"] if row["data"] == "films"]
    assert names == ["MiniLM as it is", "tuned, with logQ", "tuned, without logQ"]
    assert all(row["recall"] == 1 for row in record["index"] if row["index"] in ("NumPy", "flat"))
