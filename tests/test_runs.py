import json
import shutil
import threading
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from llmrec_ref import folders, runs
from llmrec_ref.datasets import Dataset
from llmrec_ref.runs import Run
from llmrec_ref.splits import leave_one_out
from llmrec_ref.training import History, Progress, Settings

N_ITEMS = 20
ALL = set(folders.FILES)


class Toy:
    """A model of items, as far as a run folder knows one."""

    objective = "of items"

    def __init__(self, **config):
        self.config = config


@pytest.fixture(scope="module")
def dataset():
    """40 users who walk the circle of 20 items in steps of 3."""
    rows = [(user, f"film {(3 * day + user) % N_ITEMS}", day) for user in range(40) for day in range(8)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": [f"film {i}" for i in range(N_ITEMS)]})
    items["title"] = "The " + items["item_id"]
    return Dataset("walks", events, items, events[["user_id"]].drop_duplicates(), licence="none")


@pytest.fixture(scope="module")
def split(dataset):
    return leave_one_out(dataset)


def history(n_epochs=2):
    epochs = pd.DataFrame(dict(epoch=range(1, n_epochs + 1), loss=1.5, val_ndcg=0.25))
    state = {"model.weight": np.full(3, n_epochs, np.float32), "optimizer.0": np.ones(1, np.float32)}
    return History(epochs, n_epochs, 99, Settings(epochs=9).as_dict(), state)


def write(folder, split, weight=1.0, told=None, size=4, **options):
    """Save a toy's run."""
    with Run(folder, **options) as run:
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        run.write({"weight": np.full(size, weight, np.float32)}, told)


def weight(folder):
    """Read a toy's run; return its one number."""
    weights = runs.read_run(folder, {"Toy": Toy})[1]
    return np.unique(weights["weight"]).item()


def make_old(folder):
    """Turn a run folder into one of format 1: files in the folder itself, and no fingerprint."""
    (save,) = folder.glob("save-*")
    for file in save.iterdir():
        file.rename(folder / file.name)
    save.rmdir()
    (folder / "run.json").unlink()
    config = json.loads((folder / "config.json").read_text()) | {"format": 1}
    del config["fingerprint"]
    (folder / "config.json").write_text(json.dumps(config))


def test_a_save_holds_all_and_takes_the_place_of_the_one_before(split, dataset, tmp_path):
    with Run(tmp_path / "run", dataset=dataset, data={"from": "here"}, metrics={"HR@10": 0.5}) as run:
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        for value in (1, 2):
            run.write({"weight": np.full(4, value, np.float32)}, history(value))
            assert weight(tmp_path / "run") == value
        run.add_metrics(test=[1, 2])
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.json", "save-3"}
    assert {path.name for path in (tmp_path / "run" / "save-3").iterdir()} == ALL
    model, weights, items = runs.read_run(tmp_path / "run", {"Toy": Toy})
    assert model.config == {"n_items": N_ITEMS} and weights["weight"].tolist() == [2, 2, 2, 2]
    assert items["item_id"].tolist() == split.item_ids[1:].tolist()
    assert items["title"][1] == f"The {split.item_ids[1]}"
    config, metrics = runs.read_config(tmp_path / "run"), runs.read_metrics(tmp_path / "run")
    assert (config["data"], config["training"]["epochs"]) == ({"from": "here"}, 9)
    assert (metrics["HR@10"], metrics["test"], len(metrics["epochs"])) == (0.5, [1, 2], 2)


def test_a_full_disk_leaves_the_run_of_before(split, tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    write(tmp_path, split, 1, history())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be saved .*; what was saved before stays whole"):
            write(tmp_path, split, 2, size=10_000, overwrite=True)
        with pytest.raises(OSError, match="cannot be saved"):
            write(tmp_path / "new", split, 2, size=10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not (tmp_path / "new").exists()


def test_a_save_that_fails_at_any_file_leaves_the_run_of_before_whole(split, tmp_path, monkeypatch):
    def full(file, fsync=folders.os.fsync):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        fsync(file)

    write(tmp_path, split, 1, history())
    monkeypatch.setattr(folders.os, "fsync", full)
    for n_files in range(6):  # five, and run.json last
        left = n_files
        with pytest.raises(OSError, match="cannot be saved"):
            write(tmp_path, split, 2, history(), overwrite=True)
        assert weight(tmp_path) == 1 and len(list(tmp_path.iterdir())) == 2
    left = 6
    write(tmp_path, split, 2, history(), overwrite=True)
    assert weight(tmp_path) == 2


def test_a_folder_is_written_by_one_at_a_time(split, tmp_path):
    with Run(tmp_path / "run") as run:
        with pytest.raises(BlockingIOError, match="another training writes .*: choose another folder"):
            Run(tmp_path / "run", overwrite=True)
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        run.write({"weight": np.ones(4, np.float32)})
    write(tmp_path / "run", split, 2, overwrite=True)
    assert weight(tmp_path / "run") == 2


def test_windows_locks_by_other_means(tmp_path, monkeypatch):
    def locking(file, mode, n_bytes):
        if locked:
            raise PermissionError
        locked.append(file)

    locked = []
    monkeypatch.setattr(folders, "fcntl", None)
    monkeypatch.setattr(folders, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2), raising=False)
    with Run(tmp_path / "run"), pytest.raises(BlockingIOError):
        Run(tmp_path / "run")


def test_a_folder_that_cannot_be_written_is_found_out_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OSError, match="cannot be written .*: choose another folder"):
            Run(folder)


def test_a_run_without_a_save_leaves_nothing(tmp_path):
    with Run(tmp_path / "run"):
        assert (tmp_path / "run").exists()
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with Run(tmp_path / "mine"):
        pass
    assert not list((tmp_path / "mine").iterdir())


def test_what_looks_like_a_save_is_not_taken_for_one(tmp_path):
    (tmp_path / "save-1").mkdir()  # of a game
    (tmp_path / "save-1" / "knight.txt").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        Run(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["save-1", "knight.txt"]


def test_what_a_killed_process_left_counts_for_nothing(split, tmp_path):
    (tmp_path / "lock").touch()
    (tmp_path / "run.json.new").touch()
    (tmp_path / "save-1").mkdir()
    (tmp_path / "save-1" / "config.json").touch()
    with pytest.raises(FileNotFoundError, match="not a run folder, or nothing was saved"):
        runs.read_config(tmp_path)
    write(tmp_path, split)  # without overwrite
    assert weight(tmp_path) == 1 and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("old", [False, True])
def test_overwriting_leaves_nothing_stale_and_what_is_no_run(split, tmp_path, old):
    write(tmp_path, split, 1, history())
    (tmp_path / "diary.txt").write_text("dear diary")
    if old:
        make_old(tmp_path)
    with pytest.raises(FileExistsError, match="not empty: choose another folder, or pass overwrite=True"):
        write(tmp_path, split, 2)
    with Run(tmp_path, overwrite=True):
        assert weight(tmp_path) == 1  # until the first save
    assert weight(tmp_path) == 1
    write(tmp_path, split, 2, overwrite=True)
    assert weight(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} - {"save-1", "save-2"} == {"run.json", "diary.txt"}
    assert {path.name for path in tmp_path.glob("*/*")} == ALL - {"resume.safetensors"}
    with pytest.raises(FileNotFoundError, match="no resume.safetensors: save the run with history=history"):
        runs.read_resume(tmp_path, Toy(n_items=N_ITEMS), split, "pytorch")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def edit(path):
    path.write_text(path.read_text().replace('"n_items": 20', '"n_items": 10'))


def reorder(path):
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))


def remove(path):
    path.unlink()


def garble(path):
    path.write_text("{")


DAMAGES = [
    ("model.safetensors", truncate, "not as it was saved"),
    ("config.json", edit, "not as it was saved"),
    ("config.json", garble, "not as it was saved"),
    ("items.json", reorder, "not as it was saved"),
    ("items.json", remove, "missing"),
    ("model.safetensors", remove, "missing"),
    ("../run.json", garble, "cannot be read"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES)
def test_damage_is_told_in_one_sentence(split, tmp_path, name, damage, message):
    write(tmp_path, split, 1, history())
    damage(tmp_path / "save-1" / name)
    with pytest.raises(ValueError, match=f"damaged, its {name.split('/')[-1]} .*{message}.*train") as error:
        runs.read_run(tmp_path, {"Toy": Toy})
    assert "\n" not in str(error.value)
    write(tmp_path, split, 2, overwrite=True)  # and can be mended
    assert weight(tmp_path) == 2


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES[:6])
def test_damage_of_an_old_run_too(split, tmp_path, name, damage, message):
    write(tmp_path, split, 1, history())
    make_old(tmp_path)
    damage(tmp_path / name)
    if damage is reorder:  # the split tells
        with pytest.raises(ValueError, match="other items, or on other item numbers"):
            runs.check_split(tmp_path, split)
    else:
        with pytest.raises(ValueError, match="damaged"):
            runs.read_run(tmp_path, {"Toy": Toy})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(format=3), "run format 3, but this version of llmrec_ref reads up to 2"),
        (dict(format=None), "run format None"),
        (dict(model="Oracle"), "holds a Oracle; only Toy can be loaded here"),
    ],
)
def test_what_this_version_cannot_read(split, tmp_path, change, message):
    with Run(tmp_path) as run:
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        run.config |= change
        run.write({"weight": np.ones(4, np.float32)})
    with pytest.raises(ValueError, match=message):
        runs.read_run(tmp_path, {"Toy": Toy})


def test_an_old_run_loads_and_goes_on(split, tmp_path):
    write(tmp_path, split, 1, history())
    make_old(tmp_path)
    assert weight(tmp_path) == 1
    runs.check_split(tmp_path, split)
    arrays, (rows, best_epoch, weights) = runs.read_resume(tmp_path, Toy(n_items=N_ITEMS), split, "pytorch")
    assert arrays["model.weight"].tolist() == [2, 2, 2] and weights["weight"].tolist() == [1, 1, 1, 1]
    assert (len(rows), best_epoch) == (2, 2)


def test_a_run_knows_its_split(split, dataset, tmp_path):
    write(tmp_path, split, 1, history())
    runs.check_split(tmp_path, leave_one_out(dataset))
    one = replace(split.test, targets=[target % N_ITEMS + 1 for target in split.test.targets])
    fewer = replace(split.train, queries=split.train.queries[1:], targets=split.train.targets[1:])
    for other, what in (
        (leave_one_out(dataset, seed=1), "other item numbers"),
        (leave_one_out(dataset, validation=False), "another split"),
        (replace(split, test=one), "other events"),
        (replace(split, train=fewer), "other events"),
        (replace(split, test=replace(split.test, repeats=True)), "other events"),
    ):
        with pytest.raises(ValueError, match=f"trained on other .*{what}|trained on {what}"):
            runs.check_split(tmp_path, other)
        with pytest.raises(ValueError, match="trained on other"):
            runs.read_resume(tmp_path, Toy(n_items=N_ITEMS), other, "pytorch")


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_fingerprint_is_of_all_that_a_split_holds(split, name):
    part, prints = getattr(split, name), [runs.fingerprint(split)]
    queries, n = part.queries, len(part)
    times = np.zeros(n, np.int64) if queries.times is None else queries.times + 1
    for changed in (
        replace(part, queries=replace(queries, histories=[history[::-1] for history in queries.histories])),
        replace(part, queries=replace(queries, users=queries.users[::-1])),
        replace(part, queries=replace(queries, times=times)),
        replace(part, targets=[np.array([1])] * n),
        replace(part, repeats=True),
    ):
        prints.append(runs.fingerprint(replace(split, **{name: changed})))
    prints.append(runs.fingerprint(replace(split, item_ids=split.item_ids[[0, *range(N_ITEMS, 0, -1)]])))
    assert len(set(prints)) == 7
    assert runs.fingerprint(replace(split, **{name: replace(part, n_left_out=9)})) == prints[0]


def test_resume_is_for_the_same_model_and_framework(split, tmp_path):
    write(tmp_path, split, 1, history())
    for model, framework in ((Toy(n_items=N_ITEMS, dim=2), "pytorch"), (Toy(n_items=N_ITEMS), "tensorflow")):
        with pytest.raises(ValueError, match="build the model with the same settings and framework"):
            runs.read_resume(tmp_path, model, split, framework)


def test_a_model_for_another_catalogue_is_refused(split, tmp_path):
    with Run(tmp_path / "run") as run:
        with pytest.raises(
            ValueError, match="the model has 19 items, but the split 20: build the model with"
        ):
            run.begin(Toy(n_items=N_ITEMS - 1), split, "pytorch")


def test_when_is_saved(split, tmp_path, monkeypatch):
    values = iter([0.1, 0.2, 0.15, 0.16, 0.3])
    objective = SimpleNamespace(metric="val_ndcg", validate=lambda model: next(values), n_targets=9)
    done = Progress(objective, Settings(epochs=9), {"weight": np.zeros(1, np.float32)})
    saved, now = [], [0.0]
    monkeypatch.setattr(runs.time, "monotonic", lambda: now[0])
    with Run(tmp_path / "run") as run:
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        for epoch in range(1, 6):
            now[0] += 100 if epoch == 4 else 1
            done.end_epoch(None, {"weight": np.full(1, epoch, np.float32)}, 1.0, 1.0)
            run.end_epoch(done, lambda: {"state": np.ones(1, np.float32)})
            report = runs.read_metrics(tmp_path / "run")
            saved.append((len(report["epochs"]), weight(tmp_path / "run")))
        # improved, improved, no, a minute has passed, improved; always with the best weights
        assert saved == [(1, 1), (2, 2), (2, 2), (4, 2), (5, 5)]
        done.end_epoch(None, {"weight": np.full(1, np.nan, np.float32)}, 1.0, 1.0)
        now[0] += 100
        run.end_epoch(done, lambda: {"state": np.ones(1, np.float32)})
        run.end(done, {"state": np.ones(1, np.float32)})
    assert len(runs.read_metrics(tmp_path / "run")["epochs"]) == 5 and weight(tmp_path / "run") == 5


def test_the_last_epoch_is_saved_though_no_better(split, tmp_path):
    values = iter([0.2, 0.1])
    objective = SimpleNamespace(metric="val_ndcg", validate=lambda model: next(values), n_targets=9)
    done = Progress(objective, Settings(epochs=2), {"weight": np.zeros(1, np.float32)})
    with Run(tmp_path) as run:
        run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
        for epoch in (1, 2):
            done.end_epoch(None, {"weight": np.full(1, epoch, np.float32)}, 1.0, 1.0)
            run.end_epoch(done, lambda: {"state": np.ones(1, np.float32)})
        run.end(done, {"state": np.ones(1, np.float32)})
    assert len(runs.read_metrics(tmp_path)["epochs"]) == 2 and weight(tmp_path) == 1


@pytest.mark.parametrize(
    "found", [{}, {"a": 1.0}, {"a": 1.0, "b": np.ones(3)}, {"a": 1.0, "b": np.ones(2), "c": 1.0}]
)
def test_weights_of_another_model_are_refused(found):
    expected = {"a": np.array(2.0), "b": np.zeros(2)}
    runs.check_weights({"a": np.array(1.0), "b": np.ones(2)}, expected)
    for pair in ((found, expected), (expected, found)):
        with pytest.raises(ValueError, match="belong to another model .first difference: [abc]"):
            runs.check_weights(*pair)


def test_a_run_can_be_read_while_it_is_written(split, tmp_path):
    def save():
        with Run(tmp_path, overwrite=True) as run:
            run.begin(Toy(n_items=N_ITEMS), split, "pytorch")
            for value in range(20):
                run.write({"weight": np.full(1000, value, np.float32)})

    write(tmp_path, split)
    writer = threading.Thread(target=save)
    writer.start()
    while writer.is_alive():
        assert weight(tmp_path) in range(20)  # one number, so of one save
    writer.join()
    assert weight(tmp_path) == 19


@pytest.fixture(params=["pytorch", "tensorflow"])
def framework(request):
    pytest.importorskip({"pytorch": "torch"}.get(request.param, request.param))
    train = import_module(f"llmrec_ref.{request.param}.train")

    def fit(split, run=None, seed=0, **settings):
        model = train.MODELS["SASRec"](split.n_items, dim=4, n_layers=1, max_len=5, seed=seed)
        options = dict(epochs=2, lr=0.01, progress=False) | settings
        return model, train.fit(model, split, run=run, **options)

    return SimpleNamespace(name=request.param, train=train, fit=fit)


def losses(history):
    return history.epochs["loss"].tolist()


@pytest.mark.trains
def test_training_saves_as_it_goes_and_goes_on(framework, split, tmp_path, monkeypatch):
    with Run(tmp_path / "run") as run:
        model, told = framework.fit(split, run)
    assert [row["loss"] for row in runs.read_metrics(tmp_path / "run")["epochs"]] == losses(told)
    loaded, _ = framework.train.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.score(split.test.queries), model.score(split.test.queries))
    whole = losses(framework.fit(split, epochs=4)[1])
    with Run(tmp_path / "run", overwrite=True) as run:
        _, told = framework.fit(split, run, epochs=4, resume=tmp_path / "run")
    assert losses(told) == pytest.approx(whole, rel=1e-6)
    for changed in (dict(lr=0.5), dict(warmup=50)):  # new settings hold
        other = losses(framework.fit(split, epochs=4, resume=tmp_path / "run", **changed)[1])
        assert other == losses(told)  # all epochs are done
        _, more = framework.fit(split, epochs=6, resume=tmp_path / "run", **changed)
        _, same = framework.fit(split, epochs=6, resume=tmp_path / "run")
        assert abs(losses(more)[-1] / losses(same)[-1] - 1) > 1e-4


@pytest.mark.trains
def test_each_better_epoch_is_saved_as_it_goes(framework, dataset, tmp_path):
    """Without validation the last epoch is the best."""
    saved = []

    def measure(model):
        if list(tmp_path.glob("run.json")):
            saved.append(len(runs.read_metrics(tmp_path)["epochs"]))
        return {}

    with Run(tmp_path) as run:
        framework.fit(leave_one_out(dataset, validation=False), run, epochs=3, measure=measure)
    assert saved == [1, 2] and len(runs.read_metrics(tmp_path)["epochs"]) == 3
    loaded, _ = framework.train.load(tmp_path)
    assert not getattr(loaded, "training", False)  # in PyTorch, whether dropout is on


@pytest.mark.trains
def test_a_finished_run_has_nothing_left_to_do(framework, split, tmp_path):
    with Run(tmp_path / "run") as run:
        _, told = framework.fit(split, run, epochs=9, lr=0.0, patience=1)
    assert len(told.epochs) == 2
    model, again = framework.fit(split, epochs=9, lr=0.0, patience=1, resume=tmp_path / "run", seed=1)
    assert losses(again) == losses(told)
    assert not getattr(model, "training", False)  # in PyTorch, whether dropout is on
    scores = framework.train.load(tmp_path / "run")[0].score(split.test.queries)
    np.testing.assert_array_equal(model.score(split.test.queries), scores)


@pytest.mark.trains
def test_nothing_broken_is_saved(framework, split, tmp_path):
    with Run(tmp_path / "run") as run:
        framework.fit(split, run)
    with Run(tmp_path / "run", overwrite=True) as run, pytest.raises(ValueError, match="diverged"):
        framework.fit(split, run, epochs=4, resume=tmp_path / "run", lr=1e30)
    model, _ = framework.train.load(tmp_path / "run")
    assert np.isfinite(model.score(split.test.queries)[:, 1:]).all()
    assert len(framework.fit(split, epochs=3, resume=tmp_path / "run")[1].epochs) == 3


@pytest.mark.trains
def test_training_refuses_a_split_that_is_not_the_models_or_the_runs(framework, split, dataset, tmp_path):
    model, told = framework.fit(split)
    framework.train.save(model, split, tmp_path, history=told)
    with pytest.raises(ValueError, match="other item numbers"):
        framework.fit(leave_one_out(dataset, seed=1), resume=tmp_path)
    smaller = framework.train.MODELS["SASRec"](N_ITEMS - 1, dim=4, n_layers=1, max_len=5)
    for refused in (framework.train.fit, lambda *given: framework.train.save(*given, tmp_path / "other")):
        with pytest.raises(ValueError, match="the model has 19 items, but the split 20"):
            refused(smaller, split)
    assert not (tmp_path / "other").exists()


@pytest.mark.trains
def test_each_framework_loads_the_others_run(split, tmp_path):
    frameworks = [
        pytest.importorskip(f"llmrec_ref.{name}.train", exc_type=ImportError)
        for name in ("pytorch", "tensorflow")
    ]
    for train in frameworks:
        model = train.MODELS["SASRec"](N_ITEMS, dim=4, n_layers=1, max_len=5)
        train.save(model, split, tmp_path / train.__name__)
        for other in frameworks:
            scores = other.load(tmp_path / train.__name__)[0].score(split.test.queries)
            np.testing.assert_allclose(scores, model.score(split.test.queries), atol=1e-5)


def test_a_copy_of_a_run_is_a_run(split, tmp_path):
    write(tmp_path / "run", split)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert weight(tmp_path / "copy") == 1
