"""Users, items and events as texts: templates, guards, truncation, and what equal texts cost."""

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmrec_ref import datasets, splits, text
from llmrec_ref.datasets import Dataset
from llmrec_ref.evaluate import evaluate
from llmrec_ref.splits import Part, Queries
from llmrec_ref.text.guards import _names

FEW = settings(max_examples=40)
PLAIN = text.Template(item=("{title}",), user=("aged {age}",), event=("{title}",))
WORDS = st.sampled_from(["Heat", "Kids", "Alien", "Toy Story", "Big Night", "Big", "Dead Heat"])


@pytest.fixture(scope="module")
def films():
    return datasets.load("ml-100k")


@pytest.fixture(scope="module")
def groceries():
    return datasets.load("complete-journey")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Godfather, The (1972)", "The Godfather (1972)"),
        ("Misérables, Les", "Les Misérables"),
        ("Postino, Il", "Il Postino"),
        ("Boot, Das", "Das Boot"),
        ("Enfer, L'", "L'Enfer"),
        ("Big Blue, The (Grand bleu, Le)", "The Big Blue (Le Grand bleu)"),
        ("Star Maker, The (Uomo delle stelle, L')", "The Star Maker (L'Uomo delle stelle)"),
        ("Fille seule, La (A Single Girl)", "La Fille seule (A Single Girl)"),
        ("Die xue shuang xiong (Killer, The)", "Die xue shuang xiong (The Killer)"),
        ("Blue Angel, The (Blaue Engel, Der) (1930)", "The Blue Angel (Der Blaue Engel) (1930)"),
        ("Convent, The (Convento, O)", "The Convent (O Convento)"),
        ("Man, a Plan, The", "The Man, a Plan"),
        ("Paris, Texas", "Paris, Texas"),
        ("I, Worst of All (Yo, la peor de todas)", "I, Worst of All (Yo, la peor de todas)"),
        ("Sex, Lies, and Videotape", "Sex, Lies, and Videotape"),
        ("To Have, or Not", "To Have, or Not"),
        ("Kiss Me, Guido", "Kiss Me, Guido"),
        ("Theatre", "Theatre"),
        ("", ""),
    ],
)
def test_titles_are_put_in_order(title, expected):
    assert text.title_in_order(title) == expected
    assert text.title_in_order(expected) == expected


def test_every_film_keeps_its_words_and_no_article_is_left_behind(films):
    for title in films.items.title:
        found = text.title_in_order(title)
        assert sorted(re.findall(r"\w+", found)) == sorted(re.findall(r"\w+", title))
        assert not re.search(r", (The|A|An|La|Le|Les|Das|Der|Die|Il|L'|O)( \(|\)|$)", found)


def test_films_in_words(films):
    split = splits.leave_one_out(films)
    found = dict(zip(split.item_ids, text.item_texts(films, split.item_ids), strict=True))
    assert found[127] == "The Godfather (1972), action, crime, drama"
    assert found[None] == ""
    assert found[267] == "film without a description"
    assert len(found) == 1683 and all(found[item] for item in films.items.item_id)


def test_products_in_words(groceries):
    split = splits.global_time(groceries)
    texts = text.item_texts(groceries, split.item_ids)
    found = dict(zip(split.item_ids, texts, strict=True))
    assert found[880000] == "tomato paste, vegetables - shelf stable, grocery, national brand, 6 oz"
    described = groceries.items[groceries.items.department.notna()].item_id
    assert len(described) == 92_331
    assert len({found[item] for item in described}) == 20_707
    wordless = groceries.items[groceries.items.department.isna()].item_id
    assert len(wordless) == 17 and {found[item] for item in wordless} == {"product without a description"}
    assert text.distinct_texts(texts).loc[0, ["items", "distinct"]].tolist() == [92_348, 20_708]


def test_people_and_households_in_words(films, groceries):
    people = text.user_words(films)
    assert text.fill(text.TEMPLATES["ml-100k"].user, people.loc[1]) == "A man of 24, technician"
    assert text.fill(text.TEMPLATES["ml-100k"].user, people.loc[2]) == "A woman of 53"  # occupation: other
    households = text.user_words(groceries)
    described = [text.fill(text.TEMPLATES["complete-journey"].user, row) for _, row in households.iterrows()]
    assert sum(map(bool, described)) == 801
    assert described[0] == "household of 2, 2 adults no kids, age 65+, income 35-49k, homeowner, married"


@given(st.integers(0, 2**32))
def test_moments_in_words_agree_with_pandas(time):
    moment = pd.Timestamp(time, unit="s")
    assert text.moment_words(time) == {"weekday": moment.day_name(), "hour": str(moment.hour)}
    assert text.moment_words(time, "steps") == {}


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.sets(st.sampled_from(["a", "b", "c"])))
def test_a_part_is_left_out_where_a_column_is_missing(columns, gaps):
    row = {name: None if name in gaps else name.upper() for name in "abc"}
    parts = tuple(f"<{{{name}}}>" for name in columns)
    assert text.fill(parts, row) == "".join(f"<{name.upper()}>" for name in columns if name not in gaps)
    assert text.fill(("{a}{b}",), row) == ("" if gaps & {"a", "b"} else "AB")


@pytest.mark.parametrize(
    "column",
    "item_id user_id basket_id store_id maker_id ItemID userId id ID item user movieid Product_ID".split(),
)
@pytest.mark.parametrize("where", ["item", "user", "event", "heading"])
def test_ids_are_refused(column, where):
    with pytest.raises(ValueError, match="holds ids"):
        text.Template(**{"item": ("{title}",), where: ("{title}", f" no. {{{column}}}")})


@pytest.mark.parametrize("column", "paid grid title release_year genres madrid week identity".split())
def test_words_are_no_ids(column):
    assert text.Template(item=(f"{{{column}}}",)).item


@pytest.mark.parametrize("part", ["{title", "{}", "{0}", "{title.upper}", "{a[0]}"])
def test_parts_that_cannot_be_read_are_refused(part):
    with pytest.raises(ValueError, match="^(A|The) part"):
        text.Template(item=(part,))
    with pytest.raises(ValueError, match="tuple of parts"):
        text.Template(item="{title}")


def own(**columns):
    """A reader's own data: three people, five items, with events of their own columns."""
    table = pd.DataFrame(
        {
            "user": ["ann", "ann", "ann", "ann", "bob", "bob", "bob", "cy"],
            "item": ["a", "b", "c", "d", "b", "c", "e", "a"],
            "timestamp": np.array([1, 2, 3, 4, 2, 3, 3, 5]) * 86_400 * 365 * 20,
            "title": ["Lamp", "Chair", "Desk", "Lamp", "Chair", "Desk", None, "Lamp"],
            "channel": ["web", "shop", None, "web", "web", "web", "shop", "web"],
        }
        | columns
    )
    return datasets.load(table, time_unit="s")


def test_a_readers_own_columns():
    dataset = own()
    split = splits.leave_one_out(dataset)
    found = dict(zip(split.item_ids, text.item_texts(dataset, split.item_ids), strict=True))
    # an item without a title is called by its id, which is no word
    assert found == {
        None: "",
        "a": "Lamp",
        "b": "Chair",
        "c": "Desk",
        "d": "Lamp",
        "e": "item without a description",
    }
    template = replace(text.OWN, event=("{title}", " ({channel})"), before="Bought: ")
    texts = text.user_texts(dataset, split.test.queries, split.item_ids, template, ties="source")
    nobody = "a person of whom nothing is known"
    assert texts == [
        f"{nobody}. Bought: Desk; Chair (shop); Lamp (web).",
        f"{nobody}. Bought: Desk (web); Chair (web).",
    ]
    with pytest.raises(ValueError, match="asks for 'brand', but the columns are: title"):
        text.item_texts(dataset, split.item_ids, replace(text.OWN, item=("{brand}",)))
    with pytest.raises(ValueError, match="has no item 'zzz'"):
        text.item_texts(dataset, np.array([None, "zzz"], object))


def test_steps_have_no_weekday():
    dataset = datasets.load(
        pd.DataFrame({"user": [1, 1], "item": [1, 2], "timestamp": [1, 2], "title": ["a", "b"]})
    )
    queries = Queries([np.array([1])], np.array([0]), np.array([9]))
    ids = np.array([None, 1, 2], object)
    assert dataset.time_unit == "steps"
    with pytest.raises(ValueError, match="asks for 'weekday'"):
        text.user_texts(dataset, queries, ids, replace(text.OWN, event=("{weekday}",)))


EVENT = st.tuples(st.integers(0, 9), WORDS)


def rows(events):
    return [dict(timestamp=time, title=title) for time, title in sorted(events, key=lambda event: event[0])]


@given(st.lists(EVENT, max_size=6), st.integers(0, 10), st.sampled_from([None, "source"]))
def test_no_event_of_the_future_or_the_moment_itself(events, time, ties):
    late = any(moment > time or (moment == time and ties is None) for moment, _ in events)
    if late:
        with pytest.raises(ValueError, match="before"):
            text.user_text({"age": "9"}, rows(events), time, PLAIN, ties=ties)
    else:
        found = text.user_text({"age": "9"}, rows(events), time, PLAIN, ties=ties)
        titles = "; ".join(row["title"] for row in rows(events)[::-1])
        assert found == (f"aged 9. {PLAIN.before}{titles}." if events else "aged 9.")
        assert found == text.user_text(
            {"age": "9"}, pd.DataFrame(rows(events), columns=["timestamp", "title"]), time, PLAIN, ties=ties
        )


def test_events_out_of_order_are_refused():
    with pytest.raises(ValueError, match="oldest first"):
        text.user_text({"age": "9"}, rows([(1, "Heat"), (2, "Big")])[::-1], 9, PLAIN)
    with pytest.raises(ValueError, match="unknown"):
        text.user_text({"age": "9"}, [], 9, PLAIN, ties="random")


@given(st.lists(EVENT, max_size=8, unique_by=lambda event: event[0]), st.integers(0, 40))
def test_truncation_drops_the_oldest_and_nothing_more(events, budget):
    def count(words):
        return len(words.split())

    def write(kept):
        return text.user_text({"age": "9"}, kept, 10, PLAIN)

    def within():
        return text.user_text({"age": "9"}, rows(events), 10, PLAIN, budget=budget, count=count)

    choices = [write(rows(events)[start:]) for start in range(len(events) + 1)]  # most events first
    fitting = [each for each in choices if count(each) <= budget]
    if fitting:
        assert within() == fitting[0]
    else:
        with pytest.raises(ValueError, match="before any event, more than the budget"):
            within()


def test_a_budget_needs_a_counter():
    with pytest.raises(ValueError, match="count="):
        text.user_text({"age": "9"}, rows([(1, "Heat")]), 9, PLAIN, budget=5)


@given(st.lists(EVENT, max_size=5), st.lists(WORDS, max_size=5), WORDS)
def test_a_target_is_named_only_by_an_equal_title_before(events, knowing, target):
    """The column ``hint`` of an event may know the future; whole words count, as plain code finds them."""
    template = replace(PLAIN, event=("{title}", ", hint: {hint}"))
    events = rows(events)
    for row, hint in zip(events, [*knowing, *[None] * 5], strict=False):
        row["hint"] = hint
    wanted = target.split()

    def says(words):
        words = words.replace(",", " ").replace(":", " , ").split()
        runs = [words[start : start + len(wanted)] for start in range(len(words))]
        return wanted in runs

    def whole(words):
        return says(words) if len(wanted) > 1 else words == target

    leaks = any(row["hint"] and whole(row["hint"]) and not whole(row["title"]) for row in events)
    if leaks:
        with pytest.raises(ValueError, match=f"target '{target}'"):
            text.user_text({"age": "9"}, events, 10, template, targets=[target])
    else:
        assert text.user_text({"age": "9"}, events, 10, template, targets=[target, ""])


def test_a_profile_that_knows_the_target_is_refused():
    template = replace(PLAIN, user=("likes {best}",))
    for best in ("Toy Story", "Alien, Toy Story", "old Toy Story"):
        with pytest.raises(ValueError, match="Toy Story"):
            text.user_text({"best": best}, rows([(1, "Toy Story")]), 9, template, targets=["Toy Story"])
    for best in ("Toy Storys", "toy story"):
        text.user_text({"best": best}, [], 9, template, targets=["Toy Story"])


@pytest.mark.parametrize(
    ("words", "title", "expected"),
    [
        ("2 adults no kids, age 45-54", "kids", False),
        ("2 adults, kids, age 45-54", "kids", True),
        ("next: Heat", "Heat", True),
        ("Heat", "Heat", True),
        ("Heat (1995)", "Heat", True),
        ("Dead Heat", "Heat", False),
        ("Toy Story 2", "Toy Story", True),
        ("What's New (C++)", "New (C++)", True),
    ],
)
def test_one_word_counts_where_it_stands_alone(words, title, expected):
    assert _names(words, title) == expected


def slow_events(dataset, user, n):
    """The user's first n events in stable order of time, newest first."""
    events = dataset.interactions[dataset.interactions.user_id == dataset.users.user_id[user]]
    return events.sort_values("timestamp", kind="stable")[:n][::-1].to_dict("records")


def test_films_of_people_are_those_of_the_split(films):
    split = splits.leave_one_out(films)
    with pytest.raises(ValueError, match="shares the prediction time"):
        text.user_texts(films, split.test.queries, split.item_ids)
    arguments = films, split.test.queries, split.item_ids
    texts = text.user_texts(*arguments, last=3, ties="source", targets=split.test.targets)
    titles = films.items.set_index("item_id").apply(
        lambda row: f"{text.title_in_order(row.title)} ({row.release_year})", axis=1
    )
    titles[267] = "film without a description"
    for user in range(0, 943, 31):
        n = len(split.test.queries.histories[user])
        shown = [titles[event["item_id"]] for event in slow_events(films, user, n)[:3]]
        assert texts[user].endswith(f"Watched, newest first: {'; '.join(shown)}.")


def test_opinions_are_those_of_the_ratings(films):
    split = splits.leave_one_out(films)
    queries = split.test.queries[:40]
    texts = text.user_texts(films, queries, split.item_ids, text.OPINIONS, last=9, ties="source")
    titles = text.item_words(films)["title"]
    for user, found in enumerate(texts):
        shown = slow_events(films, user, len(queries.histories[user]))[:9]
        opinions = ["liked" if event["rating"] > 3 else "disliked" for event in shown]
        pairs = zip(opinions, shown, strict=True)
        expected = "; ".join(f"{opinion} {titles[event['item_id']]}" for opinion, event in pairs)
        assert found == f"A viewer. Newest first: {expected}."


def test_baskets_of_households(groceries):
    split = splits.global_time(groceries)
    part = replace(split.test, queries=split.test.queries[:40], targets=split.test.targets[:40])
    texts = text.user_texts(groceries, part.queries, split.item_ids, last=8, targets=part.targets)
    titles = text.item_words(groceries)["title"]
    for query, found in enumerate(texts):
        user = part.queries.users[query]
        before = slow_events(groceries, user, len(part.queries.histories[query]))
        usual = pd.Series([event["store_id"] for event in before]).mode().min()
        expected, last = [], None
        for event in before[:8]:
            name = titles[event["item_id"]]
            if event["timestamp"] == last:
                expected[-1] += f"; {name}"
            else:
                moment = pd.Timestamp(event["timestamp"], unit="s")
                store = "the usual" if event["store_id"] == usual else "another"
                expected.append(f"{moment.day_name()}, {moment.hour} h, {store} store: {name}")
            last = event["timestamp"]
        assert found.endswith(f". Bought, newest first: {'. '.join(expected)}.")


def test_cold_queries_find_their_events_among_all(films):
    cold = splits.cold_items(films)
    queries, ids = cold.test.queries[::97], cold.warm.item_ids
    template = replace(text.TEMPLATES["ml-100k"], event=("{title}",))
    texts = text.user_texts(
        films, queries, ids, template, last=5, ties="source", targets=cold.test.targets[::97]
    )
    titles = text.item_words(films)["title"]
    for found, history in zip(texts, queries.histories, strict=True):
        assert found.endswith(f": {'; '.join(titles[ids[history[::-1][:5]]])}.")


def test_equal_titles_before_may_be_described_in_full(films):
    """Some films have double entries: one was seen, the other is the target."""
    split = splits.leave_one_out(films)
    template = replace(text.TEMPLATES["ml-100k"], event=("{item_text}",))
    arguments = films, split.test.queries, split.item_ids, template
    texts = text.user_texts(*arguments, last=None, ties="source", targets=split.test.targets)
    items = text.item_texts(films, split.item_ids, template)
    named = [items[target[0]] in found for target, found in zip(split.test.targets, texts, strict=True)]
    assert 0 < sum(named) < 10


def test_what_cannot_be_looked_up_is_refused(films):
    split = splits.leave_one_out(films)
    one = split.test.queries[:1]
    for queries, words in (
        (Queries(one.histories, np.array([-1]), one.times), "unknown user"),
        (Queries(one.histories, one.users), "no prediction time"),
        (Queries([one.histories[0][::-1]], one.users, one.times), "not among its user's events"),
    ):
        with pytest.raises(ValueError, match=words):
            text.user_texts(films, queries, split.item_ids)


def test_nobody_has_a_text_too():
    queries = Queries([np.empty(0, np.int64)], np.array([0]), np.array([9]))
    dataset = own()
    ids = np.array([None, "a", "b", "c", "d", "e"], object)
    assert text.user_texts(dataset, queries, ids) == ["a person of whom nothing is known."]


@st.composite
def catalogues(draw):
    """Texts with doubles, and one query."""
    n = draw(st.integers(2, 5))
    texts = ["", *(draw(st.sampled_from("abc")) for _ in range(n))]
    numbers = st.integers(1, n)
    targets = draw(st.lists(numbers, min_size=1, max_size=3, unique=True))
    history = draw(st.lists(numbers, max_size=2))
    repeats = draw(st.booleans())
    assume(repeats or set(targets) - set(history))
    queries = Queries([np.array(history, np.int64)], np.arange(1))
    return texts, Part(queries, [np.array(targets)], repeats, n), draw(st.integers(1, n))


def slow_best_recall(texts, eligible, targets, k):
    """Every order of the texts, and for each the mean over every order of the items within a text."""
    best = 0
    for order in permutations(sorted({texts[item] for item in eligible})):
        found = []
        for items in permutations(eligible):
            if [texts[item] for item in items] == [t for t in order for item in eligible if texts[item] == t]:
                found.append(len(set(items[:k]) & set(targets)) / len(targets))
        best = max(best, np.mean(found))
    return best


@FEW
@given(catalogues())
def test_best_recall_is_that_of_every_order_by_brute_force(case):
    texts, part, k = case
    seen = [] if part.repeats else part.queries.histories[0].tolist()
    eligible = [item for item in range(1, len(texts)) if item not in seen]
    targets = [item for item in part.targets[0].tolist() if item not in seen]
    assert text.best_recall(texts, part, k) == pytest.approx(slow_best_recall(texts, eligible, targets, k))
    candidates = sorted(set(targets) | set(eligible[::2]))
    found = text.best_recall(texts, part, k, candidates=candidates)
    assert found == pytest.approx(slow_best_recall(texts, candidates, targets, k))


@FEW
@given(catalogues(), st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_no_ranking_by_text_passes_the_bound(case, values):
    texts, part, k = case
    value = dict(zip("abc", values, strict=True))
    scores = np.array([0, *(value[t] for t in texts[1:])], np.float32)
    row = evaluate(lambda queries: np.tile(scores, (len(queries), 1)), part, ks=(k,)).loc[0]
    assert row[f"Recall@{k}"] <= text.best_recall(texts, part, k) + 1e-9
    distinct = [str(item) for item in range(len(texts))]
    targets = set(part.targets[0].tolist()) - (
        set() if part.repeats else set(part.queries.histories[0].tolist())
    )
    assert text.best_recall(distinct, part, k) == pytest.approx(min(k, len(targets)) / len(targets))


def test_best_recall_by_hand_and_its_errors():
    part = Part(Queries([np.array([5])], np.arange(1)), [np.array([1, 4])], n_items=5)
    texts = ["", "milk", "milk", "milk", "bread", "eggs"]
    # bread for sure, then one of three milks
    assert [text.best_recall(texts, part, k) for k in (1, 2, 4)] == pytest.approx([1 / 2, (1 + 1 / 3) / 2, 1])
    with pytest.raises(ValueError, match="own split"):
        text.best_recall(texts[:-1], part, 1)
    seen = Part(Queries([np.array([1])], np.arange(1)), [np.array([1])], n_items=5)
    with pytest.raises(ValueError, match="No target is left"):
        text.best_recall(texts, seen, 1)
    assert text.best_recall(texts, seen, 1, filter_seen=False) == pytest.approx(1 / 3)


@given(st.lists(WORDS, min_size=1))
def test_distinct_texts_are_counted(texts):
    row = text.distinct_texts(["", *texts]).loc[0]
    counts = {each: texts.count(each) for each in texts}
    assert (row["items"], row["distinct"]) == (len(texts), len(counts))
    assert row["alone"] == sum(n == 1 for n in counts.values())
    assert row["largest"] == max(counts.values()) == counts[row["text"]]


def test_no_items_have_no_texts():
    with pytest.raises(ValueError, match="no item"):
        text.distinct_texts([""])


def test_a_dataset_of_another_name_takes_a_title():
    assert text.template_of(Dataset("mine", None, None, None, "ours")) is text.OWN
