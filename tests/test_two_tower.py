"""Two towers: beside their formulas, each other's framework, and a planted pairing; examples; the search."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import berts
from llmrec_ref import parity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.index import Index, Retriever, retrieve
from llmrec_ref.objectives import InBatch
from llmrec_ref.pretrained import Tokenizer
from llmrec_ref.splits import Part, Queries, Split
from llmrec_ref.towers import FeatureInputs, NextItems, TextInputs

pytest.importorskip("faiss")
N, F = 30, 6
TEXTS = ["", *(" ".join(berts.WORDS[5 + (i * k) % 10] for k in range(1, 2 + i % 5)) for i in range(1, N + 1))]


def features(seed=0):
    return np.random.default_rng(seed).normal(size=(N + 1, F))


def queries(n=12, seed=0):
    rng = np.random.default_rng(seed)
    return Queries([rng.integers(1, N + 1, rng.integers(1, 9)) for _ in range(n)], np.arange(n))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    berts.save(path)
    return path


@pytest.fixture(scope="module")
def folder_without_dropout(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    berts.save(path, hidden_dropout_prob=0.0)
    return path


@pytest.fixture
def text_source(folder):
    return TextInputs(Tokenizer(folder), TEXTS, last=3, max_len=12)


def linear(framework, **settings):
    towers = importlib.import_module(f"llmrec_ref.{framework}.two_tower")
    return towers.LinearTowers(F, FeatureInputs(features()), dim=5, **settings)


def text(framework, folder, source):
    towers = importlib.import_module(f"llmrec_ref.{framework}.two_tower")
    bert = importlib.import_module(f"llmrec_ref.{framework}.bert").Bert.load(folder)
    return towers.TextTowers(bert, source)


def split_of(histories, n_items=N):
    nothing = np.empty(0, np.int64)
    train = Part(Queries(histories, np.arange(len(histories))), [nothing] * len(histories))
    none = Part(Queries([], nothing), [])
    return Split(train, none, none, n_items, np.arange(n_items + 1).astype(object))


def batch(source, n=8, seed=0):
    return NextItems(source, split_of(queries(n, seed).histories), per_user=1, seed=seed)[np.arange(n - 2)]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# The vectors


def test_linear_towers_are_their_formula(kit):
    model, z, asked = linear(kit.NAME), features(), queries()
    weights = importlib.import_module(f"llmrec_ref.{kit.NAME}.weights").get_weights(model)
    z[0] = 0
    means = np.stack([z[history].mean(axis=0) for history in asked.histories])
    expected = unit(means @ weights["query.weight"].T), unit(z[1:] @ weights["item.weight"].T)
    np.testing.assert_allclose(model.query_vectors(asked), expected[0], atol=1e-5)
    np.testing.assert_allclose(model.item_vectors()[1:], expected[1], atol=1e-5)
    assert not model.item_vectors()[0].any()
    scores = model.score(asked)
    np.testing.assert_allclose(scores[:, 1:], expected[0] @ expected[1].T, atol=1e-5)
    assert scores.dtype == np.float32 and (scores[:, 0] == -np.inf).all()


def test_text_towers_read_the_newest_items(kit, folder, text_source):
    model, asked = text(kit.NAME, folder, text_source), queries()
    encoder = importlib.import_module(f"llmrec_ref.{kit.NAME}.bert").Encoder(folder, max_len=12)
    written = ["; ".join(TEXTS[item] for item in history[::-1][:3]) for history in asked.histories]
    expected = np.concatenate([encoder([line]) for line in written])
    np.testing.assert_allclose(model.query_vectors(asked), expected, atol=1e-5)
    items = np.concatenate([encoder([line]) for line in TEXTS[1:]])
    np.testing.assert_allclose(model.item_vectors()[1:], items, atol=1e-5)


def test_logits_are_cosines_by_the_temperature(kit):
    model, source = linear(kit.NAME, temperature=0.2), FeatureInputs(features())
    examples = NextItems(source, split_of(queries(8).histories), per_user=1)
    found = examples[np.arange(5)]
    arrays = {name: array for name, array in found.items() if name not in ("items", "log_q")}
    expected = model.query_vectors(examples.queries[:5]) @ model.item_vectors()[found["items"]].T / 0.2
    np.testing.assert_allclose(np.asarray(logits(model, arrays)), expected, atol=1e-5)


def logits(model, arrays):
    if "pytorch" in model.__module__:
        import torch

        with torch.no_grad():
            return model({name: torch.from_numpy(array) for name, array in arrays.items()}).numpy()
    return model(arrays).numpy()


def test_a_temperature_of_zero_is_refused(kit):
    with pytest.raises(ValueError, match="temperature=0: it must be above 0"):
        linear(kit.NAME, temperature=0)


def test_features_of_another_width_are_refused(kit):
    towers = importlib.import_module(f"llmrec_ref.{kit.NAME}.two_tower")
    with pytest.raises(ValueError, match="n_features=4, but the source has 6 features: give 6"):
        towers.LinearTowers(4, FeatureInputs(features()))


def test_what_is_added_after_an_answer_counts_in_the_next(kit, folder, text_source):
    """Graphs of TensorFlow would go on without it."""
    lora, weights = (importlib.import_module(f"llmrec_ref.{kit.NAME}.{name}") for name in ("lora", "weights"))
    model, plain = text(kit.NAME, folder, text_source), text(kit.NAME, folder, text_source)
    asked, rng = queries(), np.random.default_rng(0)
    for rank in (2, 2):  # merged between, so that there are as many weights as before
        before = model.query_vectors(asked), model.item_vectors()
        lora.add_lora(model.bert, rank)
        found = weights.get_weights(model)
        found |= {
            name: rng.normal(0, 0.3, array.shape).astype(np.float32)
            for name, array in found.items()
            if ".extra." in name
        }
        weights.set_weights(model, found)
        after = model.query_vectors(asked), model.item_vectors()
        assert all(np.abs(new - old).max() > 0.1 for new, old in zip(after, before, strict=True))
        lora.merge_lora(model.bert)
        weights.set_weights(plain, weights.get_weights(model))
        np.testing.assert_allclose(plain.query_vectors(asked), after[0], atol=1e-4)
        np.testing.assert_allclose(plain.item_vectors(), after[1], atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "text"])
def test_both_frameworks_agree(folder, text_source, kind):
    """Scores and gradients on the same weights; with the loss's corrections."""
    torch, tf = pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    from llmrec_ref.pytorch import losses as pt_losses
    from llmrec_ref.tensorflow import losses as tf_losses
    from llmrec_ref.tensorflow.weights import get_weights, name_of

    source = FeatureInputs(features()) if kind == "linear" else text_source
    models = [linear(f) if kind == "linear" else text(f, folder, source) for f in ("pytorch", "tensorflow")]
    model, twin = models
    parity.copy_weights(model, twin)
    assert set(get_weights(twin)) == {name for name, _ in model.named_parameters()}
    scores = [each.score(queries())[:, 1:] for each in models]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-4)
    found = batch(source)
    loss = pt_losses.in_batch_loss(model.eval(), {k: torch.from_numpy(v) for k, v in found.items()})
    loss.backward()
    with tf.GradientTape() as tape:
        other = tf_losses.in_batch_loss(twin, {k: tf.constant(v) for k, v in found.items()})
    assert float(other) == pytest.approx(loss.item(), rel=1e-5)
    ours = {name: weight.grad for name, weight in model.named_parameters()}
    for variable, gradient in zip(
        twin.trainable_weights, tape.gradient(other, twin.trainable_weights), strict=True
    ):
        expected = ours[name_of(variable, twin)]
        if expected is None:
            continue
        expected, theirs = expected.numpy(), tf.convert_to_tensor(gradient).numpy()
        theirs = theirs.T if variable.path.endswith("kernel") else theirs
        np.testing.assert_allclose(theirs, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max() + 1e-7)


@pytest.mark.trains
@pytest.mark.parametrize("kind", ["linear", "text"])
def test_both_frameworks_learn_alike(folder_without_dropout, kind):
    """For 50 steps."""
    pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    source = TextInputs(Tokenizer(folder_without_dropout), TEXTS, last=3, max_len=12)
    models = [
        linear(each) if kind == "linear" else text(each, folder_without_dropout, source)
        for each in ("pytorch", "tensorflow")
    ]
    parity.copy_weights(*models)
    curves = []
    for framework, model in zip(("pytorch", "tensorflow"), models, strict=True):
        fit = importlib.import_module(f"llmrec_ref.{framework}.train").fit
        examples = NextItems(model.source, split_of(queries(40).histories), per_user=2)
        done = fit(
            model, None, objective=InBatch(examples, batch_size=16), epochs=10, lr=1e-2, progress=False
        )
        curves.append(done.epochs["loss"])
    np.testing.assert_allclose(*curves, atol=1e-3)
    assert curves[0].iloc[-1] < curves[0].iloc[0] - 0.1


@pytest.mark.trains
def test_towers_learn_a_planted_pairing_and_retrievers_keep_what_they_were_made_of(kit):
    """The next item is the last one's partner, whose features are a rotation of its own."""
    z = features()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(F, F)))
    z[N // 2 + 1 :] = z[1 : N // 2 + 1] @ rotation
    towers = importlib.import_module(f"llmrec_ref.{kit.NAME}.two_tower")
    model = towers.LinearTowers(F, FeatureInputs(z), dim=F)
    pairs = [np.array([item, item + N // 2]) for item in range(1, N // 2 + 1)]
    firsts = Queries([pair[:1] for pair in pairs], np.arange(len(pairs)))
    part = Part(firsts, [pair[1:] for pair in pairs], n_items=N)
    before, asked = Retriever(model), Queries([np.array([1])], np.array([0]))
    objective = InBatch(NextItems(model.source, split_of(pairs * 4)), part, batch_size=10)
    done = kit.train.fit(model, None, objective=objective, epochs=60, lr=3e-2, progress=False)
    assert evaluate(Retriever(model), part, ks=(10,))["HR@10"].item() > 0.9
    best = done.epochs["val_ndcg"].max()
    assert evaluate(model, part, ks=(10,))["NDCG@10"].item() == pytest.approx(best)
    stale = before.model.query_vectors(asked) @ before.vectors.T
    np.testing.assert_array_equal(before.score(asked)[:, 1:], stale[:, 1:])
    assert np.abs(before.vectors - model.item_vectors()).max() > 0.1


# Examples


@given(
    st.lists(st.lists(st.integers(1, N), min_size=1, max_size=9), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 5),
)
def test_an_example_is_a_history_and_what_came_next(histories, per_user, min_history, seed):
    arrays = [np.array(history) for history in histories]
    expected = sum(min(per_user, max(0, len(history) - min_history)) for history in histories)
    make = dict(per_user=per_user, min_history=min_history, seed=seed)
    if not expected:
        with pytest.raises(ValueError, match=f"more than {min_history} items"):
            NextItems(FeatureInputs(features()), split_of(arrays), **make)
        return
    examples = NextItems(FeatureInputs(features()), split_of(arrays), **make)
    assert len(examples) == len(examples.items) == expected
    places = set()
    for history, user, item in zip(
        examples.queries.histories, examples.queries.users, examples.items, strict=True
    ):
        n = len(history)
        assert n >= min_history and histories[user][: n + 1] == [*history, item]
        places.add((user, n))
    assert len(places) == expected  # no place twice
    found = examples[np.arange(expected)]
    shares = np.array([np.mean(examples.items == item) for item in examples.items])
    np.testing.assert_allclose(found["log_q"], np.log(shares), rtol=1e-6)
    np.testing.assert_array_equal(found["items"], examples.items)
    bare = NextItems(FeatureInputs(features()), split_of(arrays), **make, correct=False)
    assert "log_q" not in bare[np.arange(expected)]


def test_a_batch_of_one_is_refused():
    examples = NextItems(FeatureInputs(features()), split_of(queries().histories))
    with pytest.raises(ValueError, match="batch_size=1: an item alone"):
        InBatch(examples, batch_size=1)


# The search


class Fixed:
    """Towers whose vectors are given."""

    def __init__(self, items, users):
        self.items, self.users, self.n_asked = items, users, 0

    def item_vectors(self):
        self.n_asked += 1
        return self.items

    def query_vectors(self, queries):
        return self.users[queries.users]


def fixed(n_items=200, n=20, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    items = unit(rng.normal(size=(n_items + 1, dim))).astype(np.float32)
    items[0] = 0
    return Fixed(items, unit(rng.normal(size=(n, dim))).astype(np.float32))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 20))
def test_flat_is_brute_force(n_items, k, seed):
    model = fixed(n_items, seed=seed)
    k = min(k, n_items)
    items, scores = Index(model.items).search(model.users, k)
    exact = model.users @ model.items[1:].T
    order = np.argsort(-exact, axis=1, kind="stable")
    np.testing.assert_allclose(scores, np.take_along_axis(exact, order, 1)[:, :k], atol=1e-5)
    assert items.dtype == np.int64 and scores.dtype == np.float32
    for row in range(len(items)):
        last = exact[row, order[row, k - 1]]
        sure = set((np.flatnonzero(exact[row] > last + 1e-5) + 1).tolist())  # apart from ties
        assert sure <= set(items[row].tolist()) and len(set(items[row].tolist())) == k


def test_a_graph_finds_nearly_all_and_the_same_each_time():
    model = fixed(2000, 50, dim=8)
    exact, _ = Index(model.items).search(model.users, 20)
    found = [Index(model.items, "hnsw", depth=depth).search(model.users, 20)[0] for depth in (200, 200, 20)]
    recall = [np.mean([np.isin(a, b).mean() for a, b in zip(each, exact, strict=True)]) for each in found]
    assert recall[0] > 0.9 and recall[2] <= recall[0]
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_what_was_seen_is_left_out(kind):
    model = fixed()
    rng = np.random.default_rng(3)
    asked = Queries([rng.integers(1, 201, rng.integers(1, 30)) for _ in range(20)], np.arange(20))
    retriever = Retriever(model, kind, **(dict(depth=256) if kind == "hnsw" else {}))
    found = retrieve(retriever, asked, 10, filter_seen=True)
    exact = model.users @ model.items.T
    for row, history in enumerate(asked.histories):
        assert not np.isin(found[row], history).any() and (found[row] > 0).all()
        scores = exact[row].copy()
        scores[history], scores[0] = -np.inf, -np.inf
        if kind == "flat":
            np.testing.assert_array_equal(found[row], np.argsort(-scores, kind="stable")[:10])


def test_where_too_few_are_left_zeros_follow():
    model = fixed(5, 1)
    asked = Queries([np.array([1, 2, 3])], np.array([0]))
    found = retrieve(model, asked, 4, filter_seen=True)[0]
    assert set(found[:2].tolist()) == {4, 5} and found[2:].tolist() == [0, 0]
    assert len(retrieve(model, asked, 5)[0]) == 5


def test_items_are_encoded_once():
    model = fixed()
    retriever = Retriever(model)
    asked = Queries([np.array([1])] * 20, np.arange(20))
    first = retrieve(retriever, asked, 5)
    np.testing.assert_array_equal(retrieve(retriever, asked, 5), first)
    retriever.score(asked)
    assert model.n_asked == 1


def test_what_no_index_can_do_is_said():
    model = fixed(20)
    index = Index(model.items)
    with pytest.raises(ValueError, match="k=21, but the index holds 20 items"):
        index.search(model.users, 21)
    with pytest.raises(ValueError, match="k=0"):
        index.search(model.users, 0)
    with pytest.raises(ValueError, match="7 numbers, but the items' 8: both towers need the same width"):
        index.search(model.users[:, :7], 3)
    with pytest.raises(ValueError, match="kind='tree'.*flat, hnsw"):
        Index(model.items, "tree")
    with pytest.raises(ValueError, match="finite matrix"):
        Index(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="empty history"):
        retrieve(model, Queries([np.empty(0, np.int64)], np.array([0])), 3)
