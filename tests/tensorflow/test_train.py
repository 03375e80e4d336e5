import json

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from llmrec_ref import folders, runs  # noqa: E402
from llmrec_ref.datasets import Dataset  # noqa: E402
from llmrec_ref.evaluate import evaluate  # noqa: E402
from llmrec_ref.objectives import NextItem  # noqa: E402
from llmrec_ref.splits import leave_one_out  # noqa: E402
from llmrec_ref.tensorflow import losses, train, weights  # noqa: E402
from llmrec_ref.tensorflow.model import ItemModel  # noqa: E402
from llmrec_ref.tensorflow.sasrec import SASRec  # noqa: E402

pytestmark = pytest.mark.trains

N_ITEMS = 20


@pytest.fixture(scope="module")
def dataset():
    """40 users who walk the circle of 20 items in steps of 3; item i's own id is "film i"."""
    rng = np.random.default_rng(0)
    walks = [
        (np.arange(n) * 3 + start) % N_ITEMS for n, start in rng.integers((4, 0), (14, 20), size=(40, 2))
    ]
    walks.append(np.arange(N_ITEMS))  # so that every item occurs
    ids = [f"film {i}" for i in np.concatenate(walks)]
    users = np.repeat(np.arange(len(walks)), [len(walk) for walk in walks])
    table = pd.DataFrame(dict(user_id=users, item_id=ids, timestamp=np.arange(len(ids))))
    titles = [f"Film No. {i}" for i in range(N_ITEMS)]
    items = pd.DataFrame(dict(item_id=[f"film {i}" for i in range(N_ITEMS)], title=titles))
    return Dataset("walks", table, items, pd.DataFrame(dict(user_id=np.unique(users))), licence="none")


@pytest.fixture(scope="module")
def split(dataset):
    return leave_one_out(dataset)


def small(**settings):
    return SASRec(**dict(n_items=N_ITEMS, dim=16, n_layers=1, max_len=8) | settings)


def fit(model, split, **settings):
    return train.fit(model, split, **dict(epochs=3, lr=2e-2, batch_size=50, progress=False) | settings)


def test_learns_the_walk(dataset):
    model, split = small(), leave_one_out(dataset, validation=False)
    history = fit(model, split, epochs=60)
    assert history.epochs["loss"].iloc[-1] < 0.5 * history.epochs["loss"].iloc[0]
    assert evaluate(model, split.test, ks=(1,))["HR@1"].item() > 0.9


def test_history(split, capsys):
    model = small()
    history = fit(model, split, progress=True)
    n_targets = sum(min(len(h) - 1, 8) for h in split.train.queries.histories)
    assert history.n_targets == n_targets
    assert f"{n_targets} training targets an epoch" in capsys.readouterr().out
    assert list(history.epochs) == ["epoch", "loss", "val_ndcg", "seconds"]
    assert history.epochs["epoch"].tolist() == [1, 2, 3]
    assert (history.epochs["seconds"] > 0).all()


def test_a_long_epoch_has_a_bar_of_its_own(split, capsys, monkeypatch):
    fit(small(), split, epochs=1, progress=True)
    assert "steps" not in capsys.readouterr().err
    at_once = {"delay": 0, "mininterval": 0}
    monkeypatch.setattr(train, "tqdm", lambda *args, **kwargs: tqdm(*args, **kwargs | at_once))
    fit(small(), split, epochs=1, progress=True)
    assert "steps:" in capsys.readouterr().err
    fit(small(), split, epochs=1, progress=False)
    assert "steps" not in capsys.readouterr().err


def test_all_windows_have_more_targets(split):
    longest = max(map(len, split.train.queries.histories))
    assert longest > 9
    every = fit(small(), split, epochs=1, windows="all")
    assert every.n_targets == sum(len(h) - 1 for h in split.train.queries.histories)
    assert every.n_targets > fit(small(), split, epochs=1).n_targets


def test_first_loss_is_that_of_the_untrained_model(split):
    model = small(dropout=0.0)
    history = fit(small(dropout=0.0), split, epochs=1, lr=0.0, batch_size=100, windows="newest")
    nats = []
    for walk in split.train.queries.histories:
        logits = model(walk[None, -9:-1]).numpy()[0].astype(np.float64)
        log_sum = np.log(np.exp(logits).sum(-1))
        nats += (log_sum - logits[np.arange(len(logits)), walk[-len(logits) :]]).tolist()
    assert history.epochs["loss"].item() == pytest.approx(np.mean(nats), rel=1e-5)


def test_drops_out_in_training(split):
    without, with_dropout, again = (
        fit(small(dropout=p), split, epochs=1, lr=0.0).epochs["loss"].item() for p in (0.0, 0.5, 0.5)
    )
    assert abs(with_dropout - without) > 1e-4 and with_dropout == again


def test_ends_with_the_weights_of_the_best_epoch(split):
    model = small()
    history = fit(model, split, loss=lambda *given: -losses.full_softmax(*given))
    assert history.best_epoch == 1  # it learns to be wrong
    best, *later = history.epochs["val_ndcg"]
    assert max(later) < best
    assert evaluate(model, split.validation, ks=(10,))["NDCG@10"].item() == pytest.approx(best, abs=1e-9)


def test_without_validation_the_last_epoch_is_best(dataset):
    history = fit(small(), leave_one_out(dataset, validation=False))
    assert history.best_epoch == 3 and history.epochs["val_ndcg"].isna().all()


def test_early_stopping(split):
    history = fit(small(), split, epochs=50, lr=0.0, patience=2)
    assert history.best_epoch == 1 and len(history.epochs) == 3


def test_seed_repeats_training_and_another_does_not(split):
    losses_of = [fit(small(), split, seed=seed).epochs["loss"].tolist() for seed in (0, 0, 1)]
    assert losses_of[0] == losses_of[1] != losses_of[2]


class Named(ItemModel):
    """Has frozen weights with the shape, and in a layer with the name, of a random seed."""

    def __init__(self):
        super().__init__()
        self.config, self.objective = dict(n_items=N_ITEMS), NextItem(8)
        self.items = keras.layers.Embedding(N_ITEMS + 1, 2, name="items")
        self.norm = keras.layers.LayerNormalization(name="norm", trainable=False)
        self.frozen = keras.layers.Dense(2, trainable=False, name="seed_generator")
        self.dropouts = [keras.layers.Dropout(0.5) for _ in range(2)]
        self(np.zeros((1, 8), np.int64))

    def encode(self, item_ids):
        return self.dropouts[1](self.norm(self.frozen(self.dropouts[0](self.items(item_ids)))))


def test_seeds_are_written_into_seeds_alone(split):
    model = Named()
    before, seeds = train.get_weights(model), weights.dropout_seeds(model)
    assert len(seeds) == 2 and len(before) == 5
    first = [seed.numpy() for seed in seeds]
    fit(model, split, epochs=1)
    for name, weight in train.get_weights(model).items():
        assert np.array_equal(weight, before[name]) == (name != "items.weight"), name
    assert all((seed.numpy() != old).any() for seed, old in zip(seeds, first, strict=True))
    assert (seeds[0].numpy() != seeds[1].numpy()).any()


@pytest.mark.parametrize("name", train.MODELS)
def test_all_weights_are_saved_and_no_seeds(name):
    model = train.MODELS[name](N_ITEMS, dim=8, n_layers=2, max_len=8)
    expected = len(model.trainable_variables)
    for layer in model.layers[1:]:
        layer.trainable = False
    assert len(model.weights) == expected > len(model.trainable_variables)
    assert len(weights.dropout_seeds(model)) + expected == len(model.variables)
    assert len(weights.dropout_seeds(model)) >= dict(GRU4Rec=3, SASRec=7, BERT4Rec=7)[name]
    found = train.get_weights(model)
    assert len(found) == expected + (2 if name == "GRU4Rec" else 0)  # two biases of a layer are one variable
    assert sum(array.size for array in found.values()) == sum(np.size(variable) for variable in model.weights)


def test_loss_may_be_a_function(split):
    calls = []

    def double(hidden, table, targets):
        calls.append(table.shape[0])
        return 2 * losses.full_softmax(hidden, table, targets)

    twice, once = fit(small(), split, loss=double, epochs=1, lr=0.0), fit(small(), split, epochs=1, lr=0.0)
    assert twice.epochs["loss"].item() == pytest.approx(2 * once.epochs["loss"].item(), rel=1e-5)
    assert calls[0] == N_ITEMS + 1 and twice.settings["loss"] == "double"


def test_resume_goes_on_as_if_never_stopped(split, tmp_path):
    whole = fit(small(dropout=0.3), split, epochs=5)
    model = small(dropout=0.3)
    train.save(model, split, tmp_path, history=fit(model, split, epochs=3))
    resumed = small(dropout=0.3)
    history = fit(resumed, split, epochs=5, resume=tmp_path)
    columns = ["epoch", "loss", "val_ndcg"]
    pd.testing.assert_frame_equal(history.epochs[columns], whole.epochs[columns], rtol=1e-6)
    assert history.best_epoch == whole.best_epoch


def test_bad_requests(dataset, split, tmp_path):
    with pytest.raises(ValueError, match="patience"):
        fit(small(), leave_one_out(dataset, validation=False), patience=1)
    with pytest.raises(ValueError, match="unknown loss 'hinge': choose one of"):
        fit(small(), split, loss="hinge")
    with pytest.raises(ValueError, match="warmup=-1: it must be at least 0"):
        fit(small(), split, warmup=-1)
    with pytest.raises(FileNotFoundError, match="run folder"):
        fit(small(), split, resume=tmp_path)
    model = small()
    train.save(model, split, tmp_path / "no state")
    with pytest.raises(FileNotFoundError, match="history"):
        fit(model, split, resume=tmp_path / "no state")
    train.save(model, split, tmp_path / "run", history=fit(model, split, epochs=1))
    with pytest.raises(ValueError, match="same settings"):
        fit(small(dim=8), split, resume=tmp_path / "run")


def test_run_folder_scores_elsewhere(dataset, split, tmp_path):
    model = small()
    history = fit(model, split)
    made = dict(load=dict(name_or_path="walks"))
    train.save(model, split, tmp_path, dataset=dataset, history=history, data=made, metrics={"HR@10": 0.5})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "save-1"]
    assert sorted(path.name for path in (tmp_path / "save-1").iterdir()) == sorted(folders.FILES)
    loaded, items = train.load(tmp_path)
    np.testing.assert_array_equal(loaded.score(split.test.queries), model.score(split.test.queries))
    assert items["item_id"].tolist() == split.item_ids[1:].tolist() and items.index.tolist()[0] == 1
    assert items["title"][1] == split.item_ids[1].replace("film", "Film No.")
    config = runs.read_config(tmp_path)
    assert config["data"] == made and config["training"]["lr"] == 2e-2 and config["framework"] == "tensorflow"
    metrics = runs.read_metrics(tmp_path)
    assert metrics["HR@10"] == 0.5 and len(metrics["epochs"]) == 3


def test_nothing_is_overwritten_unasked(split, tmp_path):
    one, other = small(seed=0), small(seed=1)
    train.save(one, split, tmp_path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        train.save(other, split, tmp_path)
    np.testing.assert_array_equal(
        train.load(tmp_path)[0].items.embeddings.numpy(), one.items.embeddings.numpy()
    )
    train.save(other, split, tmp_path, overwrite=True)
    np.testing.assert_array_equal(
        train.load(tmp_path)[0].items.embeddings.numpy(), other.items.embeddings.numpy()
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [({"model": "Oracle"}, "Oracle"), ({"format": 99}, "format 99"), ({"dim": 8}, "another model")],
)
def test_foreign_checkpoints(split, tmp_path, change, word):
    train.save(small(), split, tmp_path)
    files = folders.read(tmp_path, "config.json", "items.json", "metrics.json", "model.safetensors")
    config = json.loads(files["config.json"])
    if "dim" in change:
        config["config"] |= change
    else:
        config |= change
    folder = folders.Folder(tmp_path, overwrite=True)
    folder.write(files | {"config.json": json.dumps(config).encode()})
    folder.close()
    with pytest.raises(ValueError, match=word):
        train.load(tmp_path)


def test_no_run_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="run folder"):
        train.load(tmp_path / "nowhere")
