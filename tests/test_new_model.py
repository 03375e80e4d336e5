"""Adding a model is a class in two files, and a line in each registry."""

import numpy as np
import pandas as pd
import pytest

import toys

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def split():
    return toys.walks()


def train(kit, monkeypatch, split, folder):
    """Train, save and load the tests' own model; the registry's line is all that it needs."""
    monkeypatch.setitem(kit.train.MODELS, "Bag", kit.Bag)
    model = kit.Bag(20)
    history = kit.train.fit(model, split, epochs=25, lr=2e-2, batch_size=20, progress=False)
    kit.train.save(model, split, folder, history=history)
    return model, history


def test_a_new_model_is_trained_saved_and_loaded(kit, monkeypatch, split, tmp_path):
    model, history = train(kit, monkeypatch, split, tmp_path)
    assert history.epochs["loss"].iloc[-1] < 0.7 * history.epochs["loss"].iloc[0]
    assert history.epochs["val_ndcg"].max() > 0.5
    loaded, items = kit.train.load(tmp_path)
    assert type(loaded) is kit.Bag and len(items) == 20
    np.testing.assert_array_equal(loaded.score(split.train.queries), model.score(split.train.queries))
    resumed = kit.train.fit(kit.Bag(20), split, epochs=26, resume=tmp_path, progress=False)
    pd.testing.assert_frame_equal(resumed.epochs[:25], history.epochs)


def test_without_the_line_a_new_model_is_not_loaded(kit, monkeypatch, split, tmp_path):
    kit.train.save(kit.Bag(20), split, tmp_path)
    with pytest.raises(ValueError, match="Bag; only GRU4Rec, SASRec, BERT4Rec can be loaded"):
        kit.train.load(tmp_path)


def test_the_twins_of_a_new_model_agree(monkeypatch, split, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    import toys_pytorch
    import toys_tensorflow
    from llmrec_ref import parity

    kits = toys_pytorch, toys_tensorflow
    models = [train(kit, monkeypatch, split, tmp_path / kit.NAME)[0] for kit in kits]
    for model, other, kit in zip(models, models[::-1], kits[::-1], strict=True):
        loaded = kit.train.load(tmp_path / ("pytorch" if model is models[0] else "tensorflow"))[0]
        assert type(loaded) is type(other)
        scores = model.score(split.train.queries)[:, 1:]
        assert scores.std() >= 1
        np.testing.assert_allclose(loaded.score(split.train.queries)[:, 1:], scores, atol=1e-4)
    parity.copy_weights(*models)
    ours, theirs = (model.score(split.train.queries)[:, 1:] for model in models)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    start = [kit.Bag(20) for kit in kits]
    parity.copy_weights(*start)
    curves = [
        kit.train.fit(model, split, epochs=25, lr=3e-3, batch_size=20, progress=False).epochs["loss"]
        for kit, model in zip(kits, start, strict=True)
    ]
    assert np.abs(curves[0] - curves[1]).max() <= 1e-3
