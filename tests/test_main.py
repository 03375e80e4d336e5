import json
import shutil
import signal
import sys
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from llmrec_ref import commands, datasets, folders, runs
from llmrec_ref.__main__ import main
from llmrec_ref.baselines import Markov, Popularity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.losses import LOSSES
from llmrec_ref.splits import global_time, leave_one_out
from llmrec_ref.training import Settings

pytestmark = pytest.mark.trains

SMALL = ["--epochs", "2", "--dim", "8", "--layers", "1", "--max-len", "10"]


def frame():
    """60 users walk a circle of 30 books, 12 steps each, from a start of their own."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(60):
        for day, book in enumerate((rng.integers(30) + np.arange(12)) % 30):
            rows.append((f"reader-{user}", f"b{book:02}", 1_700_000_000 + 86400 * day + user, f"Book {book}"))
    return pd.DataFrame(rows, columns=["user", "item", "timestamp", "title"])


def losses(run):
    return [row["loss"] for row in runs.read_metrics(run)["epochs"]]


def make_old(run, folder, **data):
    """Write a run as format 1 had it: files in the folder itself, no fingerprint."""
    (save,) = run.glob("save-*")
    shutil.copytree(save, folder)
    config = json.loads((folder / "config.json").read_text()) | {"format": 1}
    del config["fingerprint"]
    config["data"] |= data
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "books.csv"
    frame().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(books):
    """A run folder that the command line has trained in PyTorch."""
    pytest.importorskip("torch")
    folder = books.parent / "run"
    assert main(["train", "--model", "sasrec", "--data", str(books), "--out", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture
def ask(capsys):
    """Run a command that must succeed and return its JSON object."""

    def asked(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return asked


@pytest.fixture
def refused(capsys):
    """Run a command that must fail and return its error."""

    def refusal(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        *told, error = err.splitlines()
        assert not [line for line in told if "error" in line.lower()]  # one line, and no traceback
        return error

    return refusal


def test_train_writes_a_run_folder_and_tests_against_the_baselines(books, ask, tmp_path):
    pytest.importorskip("torch")
    folder = tmp_path / "run"
    told = ask("train", "--data", books, "--out", folder, *SMALL, "--seed", 3, "--lr", 0.01)
    assert None not in folders.read(folder, *folders.FILES).values()
    config = runs.read_config(folder)
    assert (config["config"]["dim"], config["config"]["n_layers"], config["config"]["max_len"]) == (8, 1, 10)
    assert (config["training"]["seed"], config["training"]["lr"]) == (3, 0.01)
    assert told["run"] == str(folder)
    assert [row["model"] for row in told["rows"]] == ["Popularity", "Markov", "ItemKNN", "EASE", "SASRec"]
    assert runs.read_metrics(folder)["test"] == told["rows"]
    split = leave_one_out(datasets.load(books))
    assert told["rows"][0]["HR@10"] == evaluate(Popularity().fit(split), split.test)["HR@10"].item()
    assert told["rows"][1]["HR@10"] == 1  # every walk goes on as others did
    assert [told[fact] for fact in ("split", "filter_seen", "n_queries", "n_dropped")] == [
        "leave-one-out",
        True,
        60,
        0,
    ]


def test_table_is_for_people_and_the_protocol_stands_before_it(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header.split() == ["model", "HR@10", "NDCG@10"]
    assert [row.split()[0] for row in rows[:5]] == ["Popularity", "Markov", "ItemKNN", "EASE", "SASRec"]
    assert rows[-1] == "best NDCG@10: Markov; SASRec loses to it"
    told = err.splitlines()
    assert told[0] == "starting pytorch"
    assert "reading" in told[1] and told[2] == "read: 60 users, 30 items, 720 interactions"
    assert "split: leave-one-out (as in training); 60 users tested, 0 left out" in told
    assert "ranked: all items but those that the person already has; targets dropped for it: 0" in told


def test_intervals_and_the_other_filter_are_shown_on_demand(run, ask):
    row = ask("evaluate", run, "--ci", "--both")["rows"][0]
    assert list(row) == ["model"] + [
        f"{name}@10{end}{label}"
        for label in ("", " seen ranked too")
        for name in ("HR", "NDCG")
        for end in ("", "_low", "_high")
    ]
    assert row["NDCG@10_low"] <= row["NDCG@10"] <= row["NDCG@10_high"]
    split = leave_one_out(datasets.load(run.parent / "books.csv"))
    other = evaluate(Popularity().fit(split), split.test, filter_seen=False)["NDCG@10"].item()
    assert row["NDCG@10 seen ranked too"] == other != row["NDCG@10"]


def test_the_split_can_be_chosen_and_is_remembered(books, ask, tmp_path):
    pytest.importorskip("torch")
    told = ask("train", "--data", books, "--out", tmp_path / "run", *SMALL, "--split", "global-time")
    split = global_time(datasets.load(books))
    assert told["rows"][1]["NDCG@10"] == evaluate(Markov().fit(split), split.test)["NDCG@10"].item()
    assert (told["split"], told["n_queries"]) == ("global-time", len(split.test))
    assert ask("evaluate", tmp_path / "run")["rows"] == told["rows"]


def test_the_reason_for_the_split_is_told(books, tmp_path, capsys):
    pytest.importorskip("torch")
    assert main(["train", "--data", str(books), "--out", str(tmp_path / "run"), *SMALL]) == 0
    assert "split: leave-one-out (people hardly ever repeat an item" in capsys.readouterr().err


def test_a_run_folder_of_before_still_answers(run, ask, tmp_path):
    old = tmp_path / "old"
    make_old(run, old, split=None)
    for arguments in (["evaluate"], ["recommend", "--user", "reader-7"]):
        assert ask(*arguments, old) == ask(*arguments, run)


def test_options_of_the_file_reach_the_loader_and_the_run_folder(books, ask, tmp_path):
    pytest.importorskip("torch")
    table = pd.read_csv(books)
    table.insert(0, "Kunde", table.user.str.replace("reader", "Käufer"))
    table["When"] = pd.to_datetime(table.timestamp, unit="s").dt.strftime("%m/%d/%Y")
    table.loc[0, "Kunde"] = None
    path = tmp_path / "odd.csv"
    table[["Kunde", "item", "When"]].to_csv(path, sep=";", encoding="latin-1", index=False)
    options = ["--sep", ";", "--encoding", "latin-1", "--no-dayfirst", "--repeats", "--drop-missing"]
    options += ["--columns", "user=Kunde,timestamp=When", "--split", "leave-one-out"]
    told = ask("train", "--data", path, "--out", tmp_path / "run", *SMALL, *options)
    assert told["filter_seen"] is False and told["rows"][-2]["model"] == "PersonalFrequency"
    assert ask("evaluate", tmp_path / "run")["rows"] == told["rows"]

    table[["user", "item", "timestamp"]].assign(timestamp=1000 * table.timestamp).to_csv(
        path, header=False, index=False
    )
    options = ["--columns", "user,item,timestamp", "--time-unit", "ms"]
    ask("train", "--data", path, "--out", tmp_path / "run2", *SMALL, *options)
    ask("recommend", tmp_path / "run2", "--user", "reader-7")


def test_what_the_loader_noted_is_told(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    told = capsys.readouterr().err.splitlines()
    notes = datasets.load(run.parent / "books.csv").notes
    assert notes and told[3 : 3 + len(notes)] == list(notes)


def test_a_reason_that_the_reader_gave_is_not_said_of_the_data(books, tmp_path, capsys):
    pytest.importorskip("torch")
    run = ["train", "--data", str(books), "--out", str(tmp_path / "run"), *SMALL, "--repeats"]
    assert main(run) == 0
    assert "split: global-time (repeats, as you say)" in capsys.readouterr().err


def test_both_counts_the_users_of_either_protocol(ask, tmp_path):
    pytest.importorskip("torch")
    rows = [(user, (user + step) % 29, step) for user in range(40) for step in range(12)]
    rows += [(user, user % 29, 12) for user in range(30)]  # their last item is their first again
    path = tmp_path / "again.csv"
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(path, index=False)
    told = ask("train", "--data", path, "--out", tmp_path / "run", *SMALL, "--both")
    assert (told["n_queries"], told["n_dropped"], told["n_queries seen ranked too"]) == (10, 30, 40)


def test_all_who_are_best_are_named(ask, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "one.csv"
    pd.DataFrame({"user": 1, "item": range(8), "timestamp": range(8)}).to_csv(path, index=False)
    told = ask("train", "--data", path, "--out", tmp_path / "run", *SMALL)
    assert told["best NDCG@8"] == "Popularity, Markov, ItemKNN, EASE, SASRec tie"


def test_a_tab_and_no_title_can_be_said(ask, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "tabs.txt"
    frame().to_csv(path, sep="\t", index=False)
    ask("train", "--data", path, "--out", tmp_path / "run", *SMALL, "--sep", "\\t", "--columns", "title=")
    row = ask("recommend", tmp_path / "run", "--user", "reader-7")["rows"][0]
    assert row["title"] == row["item_id"]  # as said, and not the column title


def test_a_large_catalogue_leaves_ease_out_and_says_so(run, capsys, monkeypatch):
    monkeypatch.setattr(commands, "EASE_ITEMS", 29)
    assert main(["evaluate", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "EASE is left out" in err and "EASE" not in out


def test_a_tiny_catalogue_is_tested_up_to_its_size(ask, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "tiny.csv"
    rows = [(user, (user + step) % 7, step) for user in range(40) for step in range(5)]
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(path, index=False)
    told = ask("train", "--data", path, "--out", tmp_path / "run", *SMALL)
    assert list(told["rows"][0]) == ["model", "HR@7", "NDCG@7"]
    assert told["validation NDCG@7"] > 0


def test_evaluate_repeats_what_train_reported(run, ask):
    assert ask("evaluate", run)["rows"] == runs.read_metrics(run)["test"]


def test_refit_trains_on_validation_too_and_is_tested_so(books, run, ask, monkeypatch, tmp_path):
    folder = tmp_path / "refitted"
    monkeypatch.chdir(books.parent)
    told = ask("train", "--data", books.name, "--out", folder, *SMALL, "--refit")
    metrics = {path: runs.read_metrics(path) for path in (run, folder)}
    assert (metrics[run]["n_targets"], metrics[folder]["n_targets"]) == (60 * 9, 60 * 10)
    assert len(metrics[folder]["epochs"]) == told["epochs"]
    monkeypatch.chdir(tmp_path)  # the data are found again from another folder
    assert ask("evaluate", folder)["rows"] == told["rows"]


def test_a_refit_has_as_many_epochs_as_were_best():
    asked, given = [], SimpleNamespace(metrics=None)
    history = SimpleNamespace(best_epoch=2, epochs=pd.DataFrame({"val_ndcg": [0.1, 0.3, 0.2]}))

    def fit(validation, resume, **limits):
        asked.append((validation, resume, limits))
        return "a model", history

    told = commands._fit(fit, dict(refit=True, refitting=False), given, "folder", "NDCG")
    assert asked == [(True, "folder", {}), (False, None, {"epochs": 2, "patience": None})]
    assert told == ("a model", {"epochs": 2, "NDCG": 0.3}) and given.metrics == {"chosen": {"NDCG": 0.3}}


def test_the_seed_is_that_of_the_first_weights_too(books, ask, tmp_path):
    train = pytest.importorskip("llmrec_ref.pytorch.train", exc_type=ImportError)
    ask("train", "--data", books, "--out", tmp_path / "run", *SMALL, "--epochs", 1, "--lr", 0, "--seed", 3)
    model, _ = train.load(tmp_path / "run")
    fresh = train.get_weights(type(model)(**model.config, seed=3))
    assert all((array == fresh[name]).all() for name, array in train.get_weights(model).items())


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_in_one_line_with_its_own_code(run, capsys, monkeypatch, name, code):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    monkeypatch.setattr(commands, "_winner", lambda rows: signal.raise_signal(number))
    assert main(["evaluate", str(run)]) == code
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"
    assert signal.getsignal(number) == before


def test_recommend_to_a_user_shows_titles_of_unread_books(run, ask):
    rows = ask("recommend", run, "--user", "reader-7", "-k", 5)["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    read = frame().query("user == 'reader-7'")["item"].tolist()
    assert not {row["item_id"] for row in rows} & set(read)
    assert all(row["title"] == f"Book {int(row['item_id'][1:])}" for row in rows)
    assert ask("recommend", run, "--history", ", ".join(read), "-k", 5)["rows"] == rows


def test_recommend_from_a_history_needs_the_run_folder_alone(books, run, ask, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    books.rename(tmp_path / "gone.csv")
    try:
        rows = ask("recommend", moved, "--history", 'b03,"b04",  b05', "-k", 40)["rows"]
        # where the data lie now can be said
        user = ("--user", "reader-7", "--data", tmp_path / "gone.csv")
        assert len(ask("recommend", moved, *user)["rows"]) == 10
    finally:
        (tmp_path / "gone.csv").rename(books)
    assert len(rows) == 27
    assert not {"b03", "b04", "b05"} & {row["item_id"] for row in rows}


def test_run_saved_by_a_program_answers_a_history_but_not_a_user(run, ask, refused, tmp_path):
    train = pytest.importorskip("llmrec_ref.pytorch.train", exc_type=ImportError)
    model, _ = train.load(run)
    split = leave_one_out(datasets.load(run.parent / "books.csv"))
    train.save(model, split, tmp_path / "mine")
    told = [row["item_id"] for row in ask("recommend", tmp_path / "mine", "--history", "b03")["rows"]]
    assert told == [row["item_id"] for row in ask("recommend", run, "--history", "b03")["rows"]]
    for arguments in (["evaluate"], ["recommend", "--user", "reader-7"]):
        assert "does not say what data" in refused(*arguments, tmp_path / "mine")


def test_sequences_without_times_and_baskets_are_split_as_they_must_be(ask, tmp_path):
    pytest.importorskip("torch")
    bought = frame().assign(item=np.random.default_rng(0).integers(1, 16, size=60 * 12))
    baskets, sequences = tmp_path / "baskets.parquet", tmp_path / "sequences.txt"
    bought.to_parquet(baskets)
    lines = [
        f"{user} {' '.join(map(str, items))}"
        for user, items in enumerate(bought["item"].to_numpy().reshape(60, 12))
    ]
    sequences.write_text("\n".join(lines))
    expected = {sequences: leave_one_out(datasets.load(sequences), validation=False, ties="source")}
    expected[baskets] = global_time(datasets.load(baskets), validation_from=0.9, test_from=0.9)
    for data, split in expected.items():
        told = ask("train", "--data", data, "--out", tmp_path / data.stem, *SMALL, "--refit")
        metrics = evaluate(Markov().fit(split), split.test, ks=(10,), filter_seen=False)
        assert told["rows"][1]["NDCG@10"] == metrics["NDCG@10"].item() > 0
        assert told["rows"][4]["model"] == "PersonalFrequency"


@pytest.mark.parametrize("model", ["gru4rec", "sasrec", "bert4rec"])
def test_every_model_trains_and_answers(books, ask, tmp_path, model):
    pytest.importorskip("torch")
    told = ask("train", "--model", model, "--data", books, "--out", tmp_path / "run", *SMALL)
    assert told["rows"][-1]["model"].lower() == model
    rows = ask("recommend", tmp_path / "run", "--history", "b03, b04", "-k", 30)["rows"]
    assert len({row["item_id"] for row in rows}) == 28  # all but these two, and no mask


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_and_is_recorded(books, ask, tmp_path, loss):
    pytest.importorskip("torch")
    run = tmp_path / "run"
    options = ["--loss", loss, "--negatives", 7, "--warmup", 2]
    ask("train", "--data", books, "--out", run, *SMALL, *options)
    training = runs.read_config(run)["training"]
    assert (training["loss"], training["n_negatives"], training["warmup"]) == (loss, 7, 2)
    assert len(losses(run)) == 2 and all(0 < value < 10 for value in losses(run))


def test_frameworks_load_each_others_runs(books, run, ask, tmp_path):
    pytest.importorskip("tensorflow")
    folder = tmp_path / "keras"
    ask("train", "--framework", "tensorflow", "--data", books, "--out", folder, *SMALL)
    for trained in (run, folder):
        answers = [
            ask("recommend", trained, "--framework", framework, "--user", "reader-7", "-k", 3)["rows"]
            for framework in ("pytorch", "tensorflow")
        ]
        assert [row["title"] for row in answers[0]] == [row["title"] for row in answers[1]]
        assert [row["score"] for row in answers[0]] == pytest.approx(
            [row["score"] for row in answers[1]], abs=1e-4
        )


def test_the_framework_is_the_runs_own_unless_said(run, refused, monkeypatch):
    def stop(name):
        raise commands.Refusal(name)

    monkeypatch.setattr(commands, "_import_train", stop)
    for command in (["evaluate", run], ["recommend", run, "--user", "reader-7"]):
        assert refused(*command) == "error: pytorch"
        assert refused(*command, "--framework", "tensorflow") == "error: tensorflow"


def test_nothing_is_overwritten_without_being_asked(books, refused, ask, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "books-sasrec-pytorch-0"
    folder.mkdir(parents=True)
    (folder / "diary.txt").write_text("dear diary")
    error = refused("train", "--data", books, *SMALL)
    assert "not empty: choose another folder, or pass overwrite=True (command line: --overwrite)" in error
    assert [path.name for path in folder.iterdir()] == ["diary.txt"]
    ask("train", "--data", books, *SMALL, "--overwrite")
    assert runs.read_config(folder)["model"] == "SASRec"
    assert (folder / "diary.txt").read_text() == "dear diary"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "reader-77"], "unknown user 'reader-77'; known ids close to it: reader-7"),
        (["--history", "b01, b1"], "unknown item 'b1'; known ids close to it: b"),
        (["--history", ""], "the history is empty"),
        ([], "give either --user or --history"),
        (["--user", "reader-7", "--history", "b01"], "give either --user or --history"),
        (["--history", "Bok 3"], "unknown item 'Bok 3'; known ids close to it: none; known titles: Book 3"),
    ],
)
def test_recommend_refuses_in_one_line(run, refused, arguments, message):
    assert refused("recommend", run, *arguments).startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.csv"], "neither a file nor one of the known names"),
        (["--model", "oracle"], "unknown model 'oracle'; choose one of gru4rec, sasrec, bert4rec"),
        (["--min-user", "1000"], "nothing is left of books.csv"),
        (["--device", "nowhere"], "nowhere"),
    ],
)
def test_train_refuses_in_one_line_and_writes_nothing(books, refused, tmp_path, arguments, message):
    pytest.importorskip("torch")
    assert message in refused("train", "--data", books, "--out", tmp_path / "run", *SMALL, *arguments)
    assert not (tmp_path / "run").exists()


def test_missing_framework_names_the_remedy(books, refused, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("llmrec_ref.pytorch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "pip install" in refused("train", "--data", books)


def test_evaluate_refuses_other_data_and_other_folders(books, run, refused, tmp_path):
    assert "not a run folder" in refused("evaluate", tmp_path)
    lines = books.read_text().splitlines()
    user, _, *rest = lines[-1].split(",")
    for changed, what in (
        ("\n".join(lines).replace("b29", "b99"), "other items"),
        ("\n".join([*lines[:-1], ",".join([user, lines[1].split(",")[1], *rest])]), "other events"),
        ("\n".join(lines[:-1]), "other events"),
    ):
        try:
            books.write_text(changed)
            for command in (["evaluate"], ["recommend", "--user", "reader-7"], ["train", "--resume"]):
                assert f"was trained on {what}" in refused(*command, run)
        finally:
            books.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "0"],
        ["--framework", "jax"],
        ["--dim", "wide"],
        ["--columns", "user=a,item"],
        ["--seed", "-1"],
        ["--lr", "fast"],
        ["--loss", "hinge"],
    ],
)
def test_arguments_are_checked_first(books, capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--data", str(books), *arguments])
    assert stopped.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err


def test_every_setting_is_an_option_with_its_own_default(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for field in fields(Settings):
        assert f"--{field.name.removeprefix('n_').replace('_', '-')} " in told
        default = "" if field.default is None else f" (default: {field.default})"
        assert f"{field.metadata['text']}{default}" in told


def test_resume_goes_on_with_the_same_data_and_settings_unless_given_anew(books, ask, tmp_path):
    pytest.importorskip("torch")
    run, options = tmp_path / "run", [*SMALL, "--seed", 3, "--lr", 0.01, "--min-item", 2, "--batch-size", 16]
    whole = ask("train", "--data", books, "--out", tmp_path / "whole", *options, "--epochs", 4)
    ask("train", "--data", books, "--out", run, *options)
    told = ask("train", "--resume", run, "--epochs", 4)
    assert losses(run) == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)
    assert told["rows"] == whole["rows"] == ask("evaluate", run)["rows"] == runs.read_metrics(run)["test"]
    config, other = runs.read_config(run), runs.read_config(tmp_path / "whole")
    assert config == other
    ask("train", "--resume", run, "--epochs", 5, "--lr", 0.5, "--warmup", 3, "--out", tmp_path / "fast")
    training = runs.read_config(tmp_path / "fast")["training"]
    assert training == other["training"] | {"epochs": 5, "lr": 0.5, "warmup": 3}
    assert runs.read_config(run) == other and len(losses(tmp_path / "fast")) == 5


def test_a_refit_goes_on_where_it_was(books, ask, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    run, options = tmp_path / "run", ["--data", books, *SMALL, "--epochs", 4, "--patience", 4, "--refit"]
    whole = ask("train", *options, "--out", tmp_path / "whole")
    whole.pop("seconds"), whole.pop("run")
    write, ended = runs.Run.write, []

    def stop_after(n_saves):
        def write_and_stop(self, *given):
            write(self, *given)
            ended.append(len(losses(run)))
            if len(ended) == n_saves:
                raise OSError("no light")

        monkeypatch.setattr(runs.Run, "write", write_and_stop)
        ended.clear()

    stop_after(1)  # in the first training
    assert main(["train", *map(str, options), "--out", str(run)]) == 2
    assert runs.read_config(run)["data"]["validation"] and len(losses(run)) == 1
    n_first = len(runs.read_metrics(tmp_path / "whole")["epochs"])
    stop_after(100)
    ask("train", "--resume", run)
    n_saves = len(ended)
    shutil.rmtree(run)
    stop_after(n_saves)  # the last but one of the second
    assert main(["train", *map(str, options), "--out", str(run)]) == 2
    assert not runs.read_config(run)["data"]["validation"] and len(losses(run)) < n_first
    stop_after(100)
    told = ask("train", "--resume", run)
    told.pop("seconds"), told.pop("run")
    assert told == whole
    assert losses(run) == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)


def test_resume_refuses_in_one_line(books, run, refused, tmp_path):
    assert "give --data, or a run to go on with" in refused("train")
    assert "not a run folder" in refused("train", "--resume", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert "build the model with the same settings" in refused("train", "--resume", run, "--dim", 16)
    assert "other events, or on another split" in refused("train", "--resume", run, "--split", "global-time")
    assert runs.read_metrics(run)["test"]  # as it was


def test_an_out_that_cannot_be_is_found_out_before_anything_is_read(books, capsys, tmp_path):
    (tmp_path / "file").touch()
    with runs.Run(tmp_path / "taken"):
        for out, message in (("file/run", "cannot be written"), ("taken", "another training writes")):
            assert main(["train", "--data", str(books), "--out", str(tmp_path / out)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("error: ") and message in line


def test_a_full_disk_ends_in_one_line_and_leaves_the_old_run(books, ask, refused, tmp_path):
    pytest.importorskip("torch")
    resource = pytest.importorskip("resource")  # not on Windows
    run = tmp_path / "run"
    before = ask("train", "--data", books, "--out", run, *SMALL)["rows"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        options = ["--dim", 64, "--overwrite"]
        error = refused("train", "--data", books, "--out", run, *SMALL, *options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{run} cannot be saved (File too large); what was saved before stays whole" in error
    assert ask("evaluate", run)["rows"] == before


def test_a_diverged_training_ends_in_one_line_and_leaves_the_last_good_save(run, refused, ask, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert "training diverged" in refused("train", "--resume", copy, "--epochs", 5, "--lr", 1e30)
    assert ask("evaluate", copy)["rows"] == runs.read_metrics(run)["test"]


def test_damage_ends_in_one_line(run, refused, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (weights,) = copy.glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-10])
    for command in (["evaluate"], ["recommend", "--history", "b01"], ["train", "--epochs", 9, "--resume"]):
        assert "damaged, its model.safetensors is not as it was saved" in refused(*command, copy)


def test_a_bug_ends_in_one_line_and_debug_shows_it(run, capsys, monkeypatch):
    def broken(*given, **options):
        raise ValueError("operands could not be broadcast\ntogether")

    monkeypatch.setattr(commands, "_winner", broken)
    assert main(["evaluate", str(run)]) == 1
    out, err = capsys.readouterr()
    what = "(ValueError: operands could not be broadcast together)"
    assert out == "" and err.splitlines()[-1] == (
        f"error: a bug in llmrec_ref; add --debug to see where, and report it {what}"
    )
    with pytest.raises(ValueError, match="operands"):
        main(["evaluate", str(run), "--debug"])
    with pytest.raises(commands.Refusal, match="not a run folder"):
        main(["evaluate", str(run / "no"), "--debug"])


def test_history_takes_titles(run, ask):
    rows = ask("recommend", run, "--history", "book 3, b04")["rows"]
    assert rows == ask("recommend", run, "--history", "b03, b04")["rows"]
