"""A reader's own file: each kind that people have, and what must become of it."""

import gzip
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_ref import datasets, splits

NOW = 1_700_000_000
HEADER = "user,item,timestamp"
PLAIN = f"{HEADER}\n1,114,{NOW}\n1,107,{NOW + 60}\n2,114,{NOW + 30}\n"
EVENTS = [(1, 114, NOW), (1, 107, NOW + 60), (2, 114, NOW + 30)]


@pytest.fixture
def load(tmp_path):
    def load(content, name="mine.csv", **arguments):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return datasets.load(path, **arguments)

    return load


def events(data):
    return list(data.interactions[["user_id", "item_id", "timestamp"]].itertuples(index=False, name=None))


def noted(data, words):
    return any(words in note for note in data.notes)


@pytest.mark.parametrize(
    ("content", "name", "note"),
    [
        ("\ufeff" + PLAIN, "mine.csv", None),
        (PLAIN.replace("\n", ",\n"), "mine.csv", None),
        (PLAIN.replace(HEADER, " User ID , Item_ID,Time Stamp"), "mine.csv", None),
        (PLAIN.replace(",", ", "), "mine.csv", "Blanks around 6 cells"),
        (PLAIN.replace(",", ";"), "mine.csv", "semicolons"),
        (PLAIN.replace(",", "\t"), "mine.csv", "tabs"),
        (PLAIN.replace(",", "|"), "mine.csv", "bars"),
        (PLAIN.replace("114", "114.0", 1), "mine.csv", "114.0 were read as integers"),
        (PLAIN.replace("1,", "1.0,").replace("2,", "2.0,"), "mine.csv", "1.0 were read as integers"),
        (PLAIN + f"1,114,{NOW}\n", "mine.csv", "1 rows repeat the user, item and time"),
        (PLAIN + HEADER + "\n", "mine.csv", "header stands again in 1 rows"),
        (PLAIN.replace(HEADER, "visitorid,itemid,timestamp"), "mine.csv", None),
        (
            f"1::114::5::{NOW}\n1::107::5::{NOW + 60}\n2::114::4::{NOW + 30}\n",
            "ml1m.dat",
            "There is no header",
        ),
        (f"1\t114\t5\t{NOW}\n1\t107\t5\t{NOW + 60}\n2\t114\t4\t{NOW + 30}\n", "u.data", "There is no header"),
        (
            PLAIN.replace(",", "\t").replace("user\titem", "user_id:token\titem_id:token"),
            "recbole.inter",
            None,
        ),
        (
            "".join(f'{{"user":{u},"item":{i},"timestamp":{t}}}\n' for u, i, t in EVENTS),
            "ok.jsonl",
            None,
        ),
    ],
)
def test_ordinary_oddities_give_the_same_events(load, content, name, note):
    data = load(content, name)
    assert events(data) == EVENTS and data.time_unit == "seconds"
    assert note is None or noted(data, note)
    assert len(data.notes) == 2 + (
        note is not None
    )  # nothing else is claimed: what was read, repeats, and it


def test_lone_quotes_mean_nothing_between_tabs(load):
    rows = "".join(f"u{n}\ti{n}\t{NOW + n}\t{chr(34) * (n in (2, 5))}Heroes\n" for n in range(8))
    data = load("user\titem\ttimestamp\ttitle\n" + rows, "quotes.tsv")
    assert len(data.interactions) == 8 and data.items["title"][2] == '"Heroes'


@pytest.mark.parametrize("end", ['"Heroes', 'Heroes"', '"Heroes"x'])
def test_a_quote_that_swallows_rows_is_refused_with_its_line(load, end):
    titles = ["A", "B", '"Heroes', "C", end, "D"]
    rows = "".join(f"u{n},i{n},{NOW + n},{title}\n" for n, title in enumerate(titles))
    with pytest.raises(ValueError, match="line 4: a quotation mark"):
        load("user,item,timestamp,title\n" + rows)


def test_a_quote_in_the_first_column_that_swallows_a_row_is_refused(load):
    rows = f'A,1,1,{NOW}\n"Heroes\nB,2,2,{NOW}\nC",3,3,{NOW}\n'
    with pytest.raises(ValueError, match="line 3: a quotation mark"):
        load("title,user,item,timestamp\n" + rows)


def test_quotes_may_follow_a_blank(load):
    data = load(f'user, item, timestamp, title\n1, 2, {NOW}, "One, two"\n')
    assert data.items["title"].tolist() == ["One, two"]


def test_a_column_called_title_is_the_title_wherever_it_stands(load):
    assert load(f"text,user,item,timestamp,title\nlong,1,2,{NOW},short\n").items["title"].tolist() == [
        "short"
    ]


def test_the_few_items_with_several_texts_are_called_by_their_id(load):
    rows = [(1, "A"), (2, "B"), (3, "C"), (1, "a")]
    text = f"{HEADER},title\n" + "".join(f"{n},{i},{NOW},{title}\n" for n, (i, title) in enumerate(rows))
    data = load(text)
    assert data.items["title"].tolist() == ["1", "B", "C"] and noted(data, "1 items have several texts")
    assert load(text, columns={"title": "title"}).items["title"].tolist() == ["A", "B", "C"]


def test_floats_too_large_to_be_exact_are_no_ids():
    frame = pd.DataFrame({"user": [1e17, 2.0], "item": [1, 2], "timestamp": NOW})
    with pytest.raises(ValueError, match="user_id holds floats too large"):
        datasets.load(frame)


def test_a_quoted_line_end_is_kept_with_a_note(load):
    data = load(f'user,item,timestamp,title\n1,2,{NOW},"One, two\nthree, four, five, six"\n')
    assert data.items["title"].tolist() == ["One, two\nthree, four, five, six"]
    assert noted(data, "1 quoted cells hold line ends")


def test_huge_ids_stay_exact(load):
    ids = [18446744073709550001, 18446744073709550002]
    data = load(f"{HEADER}\n" + "".join(f"{i},1,{NOW}\n" for i in ids))
    assert data.users["user_id"].tolist() == [str(i) for i in ids]


def test_review_texts_are_no_titles_unless_you_say_so(load):
    text = "title,text,item,user,timestamp\n" + "".join(
        f"Five Stars,says {u},{i},{u},{NOW + i}\n" for u in (1, 2) for i in (7, 8)
    )
    data = load(text)
    assert data.items["title"].tolist() == ["7", "8"]
    assert noted(data, "'title' is the same for all items") and noted(data, "'text' is different within 2")
    assert load(text, columns={"title": "title"}).items["title"].tolist() == ["Five Stars"] * 2
    assert not noted(load(text, columns={"title": None}), "no title")


def days(load, *dates, **arguments):
    rows = "".join(f"1,{n},{date}\n" for n, date in enumerate(dates))
    data = load(HEADER + "\n" + rows, **arguments)
    return pd.to_datetime(data.interactions["timestamp"], unit="s").dt.strftime(
        "%Y-%m-%d %H:%M"
    ).tolist(), data


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("05.01.2024", "02.02.2024"), "2024-01-05 00:00"),
        (("1/2/2024 1:15 PM", "1/3/2024 9:05 AM"), "2024-01-02 13:15"),
        (("1/2/2024 12:15 AM", "1/30/2024 9:05 AM"), "2024-01-02 00:15"),
        (("05/01/2024", "31/01/2024"), "2024-01-05 00:00"),
        (("05/01/2024", "01/31/2024"), "2024-05-01 00:00"),
        (("20231114", "20231115"), "2023-11-14 00:00"),
        (("14 Nov 2023", "02 May 2024"), "2023-11-14 00:00"),
    ],
)
def test_one_format_for_the_whole_column(load, dates, first):
    assert days(load, *dates)[0][0] == first


def test_day_or_month_is_asked_where_orders_differ(load):
    dates = ("05/01/2024", "02/02/2024")
    with pytest.raises(ValueError, match="dayfirst=True or dayfirst=False"):
        days(load, *dates)
    assert days(load, *dates, dayfirst=True)[0][0] == "2024-01-05 00:00"
    assert days(load, *dates, dayfirst=False)[0][0] == "2024-05-01 00:00"


def test_fractions_of_a_second_decide_the_order(load):
    data = load(f"{HEADER}\n1,a,{NOW}.9\n1,b,{NOW}.8\n1,c,{NOW}.7\n")
    assert data.interactions["item_id"].tolist() == ["c", "b", "a"]
    assert noted(data, "Exact times differ") and set(data.interactions["timestamp"]) == {NOW}


@pytest.mark.parametrize(("ticks", "word"), [(10**3, "milli"), (10**6, "micro"), (10**9, "nano")])
def test_other_units_are_recognised(load, ticks, word):
    data = load(f"{HEADER}\n1,a,{NOW * ticks + 5}\n1,b,{NOW * ticks + 2}\n")
    assert events(data) == [(1, "b", NOW), (1, "a", NOW)] and noted(data, f"{word}seconds")


def test_small_numbers_are_an_order_unless_you_say_seconds(load):
    text = f"{HEADER}\n1,a,2\n1,b,1\n"
    assert load(text).time_unit == "steps" and noted(load(text), "an order and nothing more")
    assert load(text, time_unit="s").time_unit == "seconds"
    assert load(PLAIN, time_unit="steps").time_unit == "steps"


def test_mixed_units_are_refused_unless_said(load):
    text = f"{HEADER}\n1,a,{NOW}\n1,b,{NOW}000\n"
    with pytest.raises(ValueError, match='time_unit="s"'):
        load(text)
    assert load(text, time_unit="ms").interactions["timestamp"].tolist() == [NOW // 1000, NOW]


def test_no_header_shows_the_columns_that_read_it(load):
    text = f"A01,B01,5.0,{NOW}\nA02,B01,4.0,{NOW + 1}\n"
    columns = ["user", "item", "rating", "timestamp"]
    with pytest.raises(ValueError, match=r'no header.*columns=\["user", "item", "rating", "timestamp"\]'):
        load(text)
    data = load(text, columns=columns)
    assert events(data) == [("A01", "B01", NOW), ("A02", "B01", NOW + 1)]
    assert data.interactions["rating"].tolist() == [5, 4]


RETAIL = (
    "InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID\n"
    "536365,85123A,6,11/14/2023 22:30,17850.0\nC536366,22423,-1,11/15/2023 22:30,17850.0\n"
)


def test_a_shops_export_needs_one_columns(load):
    with pytest.raises(ValueError, match="user and item and timestamp; it has.*columns=") as error:
        load(RETAIL)
    columns = {"user": "CustomerID", "item": "StockCode", "timestamp": "InvoiceDate"}
    assert all(f'"{role}": "{column}"' in str(error.value) for role, column in columns.items())
    data = load(RETAIL, columns=columns)
    assert data.users["user_id"].tolist() == [17850] and len(data.interactions) == 2
    assert noted(data, "1 rows look like cancellations")


def test_rows_with_gaps_are_refused_or_dropped_with_a_note(load):
    with pytest.raises(ValueError, match=r"2 of 5 rows.*user_id is missing in 1.*drop_missing=True"):
        load(PLAIN + f",1,{NOW}\n1,1,\n")
    data = load(PLAIN + f",1,{NOW}\n1,1,\n", drop_missing=True)
    assert events(data) == EVENTS and noted(data, "2 of 5 rows were dropped")


def test_text_that_is_not_utf8_names_encoding(load):
    content = f"{HEADER}\nAmélie,1,{NOW}\n".encode("latin-1")
    with pytest.raises(ValueError, match='line 2.*encoding="cp1252"'):
        load(content)
    assert load(content, encoding="latin-1").users["user_id"].tolist() == ["Amélie"]


def test_a_broken_archive_is_one_sentence(load):
    with pytest.raises(ValueError, match="mine.csv.gz is a broken gzip archive"):
        load(gzip.compress(PLAIN.encode() * 9)[:-12], "mine.csv.gz")


def test_ids_that_a_spreadsheet_has_rounded_are_noted(load):
    data = load(PLAIN.replace("114", "1.14E+11"))
    assert data.items["item_id"].tolist() == ["1.14E+11", "107"] and noted(
        data, "item_id: 1 ids such as 1.14E+11"
    )
    assert not noted(load(PLAIN.replace("114", "1E5")), "spreadsheet")


@pytest.mark.parametrize("time", [NOW, "2024-05-06"])
def test_a_dayfirst_without_use_is_noted(load, time):
    data = load(f"{HEADER}\n1,2,{time}\n", dayfirst=True)
    assert noted(data, "dayfirst=True has no meaning for these timestamps")
    assert not noted(load(f"{HEADER}\n1,2,05/06/2024\n", dayfirst=True), "has no meaning")


def test_a_time_unit_without_use_is_noted(load):
    assert noted(load(f"{HEADER}\n1,2,2024-05-06\n", time_unit="ms"), "time_unit='ms' has no meaning")


@pytest.mark.parametrize("make", [Decimal, lambda n: str(n).encode(), float, np.int64, str])
def test_ids_of_any_type_become_integers(make):
    frame = pd.DataFrame(EVENTS, columns=["user", "item", "timestamp"])
    frame["user"], frame["item"] = frame["user"].map(make), frame["item"].map(make)
    assert events(datasets.load(frame)) == EVENTS


def test_a_tiny_catalogue_loads(load):
    assert len(load(PLAIN).items) == 2


def test_two_days_of_baskets_name_a_way_on(load):
    rows = "".join(
        f"{u},{i},{NOW + 86400 * (d > 8)}\n" for u in range(9) for d, n in ((0, 12), (9, 2)) for i in range(n)
    )
    data = load(HEADER + "\n" + rows)
    assert data.repeats
    with pytest.raises(ValueError, match='ties="source".*--split leave-one-out'):
        splits.leave_one_out(data)
    with pytest.raises(ValueError, match='ties="source".*--split leave-one-out'):
        splits.global_time(data)
    assert len(splits.leave_one_out(data, ties="source").test) == 9
    evenly = load(HEADER + "\n" + "".join(f"1,{i},{NOW + (i > 4)}\n" for i in range(10)))
    with pytest.raises(ValueError, match="in order, apart and within"):
        splits.global_time(evenly)  # both cuts fall on the second day: no validation
    assert len(splits.global_time(evenly, 0.9, 0.9).test) == 1  # as asked for


def test_zero_is_padding_in_lists(load):
    with pytest.raises(ValueError, match="line 1: 0 is padding"):
        load("1 0 0 5 6\n", "padded.txt")


def test_repeats_can_be_said(load):
    assert noted(load(PLAIN), "0.0% of the events repeat a user-item pair: repeats is False")
    data = load(PLAIN, repeats=True)
    assert data.repeats and noted(data, "repeats is True as you say")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dayfirst": "yes"},
        {"repeats": 2},
        {"drop_missing": None},
        {"time_unit": "hours"},
        {"columns": "user"},
        {"columns": {"who": "user"}},
        {"columns": {"user": "nobody"}},
        {"columns": ["user"]},
        {"columns": {"user": "user", "item": "user"}},
        {"sep": ""},
        {"encoding": "nonsense"},
        {"min_user": 0},
    ],
)
def test_unknown_values_are_one_sentence(load, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) if "columns" not in wrong else "column"):
        load(PLAIN, **wrong)


@pytest.mark.parametrize(
    "given", [{"sep": ","}, {"dayfirst": False}, {"repeats": False}, {"drop_missing": True}]
)
def test_arguments_for_files_are_refused_with_a_named_set(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))}: only for your own files"):
        datasets.load("world", **given)


@pytest.mark.parametrize("time", ["1.70E+12", "1.7E+09", "1.70e12"])
def test_times_that_a_spreadsheet_has_rounded_are_refused(load, time):
    with pytest.raises(ValueError, match=re.escape(f"timestamp '{time}' in data row 2 has been rounded")):
        load(f"{HEADER}\n1,2,{NOW}\n1,3,{time}\n")
    exact = load(f"{HEADER}\n1,2,1.700000123e9\n1,3,{NOW}.5\n")
    assert exact.interactions["timestamp"].tolist() == [1_700_000_123, NOW]


def test_who_has_several_last_events_is_counted(load):
    data = load(PLAIN + f"1,108,{NOW + 60}\n")
    assert noted(data, "1 of 2 users have several events at their last time")
    assert not noted(load(PLAIN + f"1,108,{NOW}\n"), "last time")  # tied, but not last
    assert not noted(load("1 5 6\n2 7\n", "lists.txt"), "last time")


@pytest.mark.parametrize("blank", ["", " ", "\t"])
@pytest.mark.parametrize("column", ["user", "item", "timestamp"])
def test_blank_cells_of_a_frame_are_gaps(blank, column):
    frame = pd.DataFrame(EVENTS, columns=["user", "item", "timestamp"]).astype(object)
    frame.loc[1, column] = blank
    with pytest.raises(ValueError, match="1 of 3 rows lack a value.*drop_missing=True"):
        datasets.load(frame)
    assert events(datasets.load(frame, drop_missing=True)) == [EVENTS[0], EVENTS[2]]


@pytest.mark.parametrize("word", ["NULL", "#N/A", "\\N", "(null)", "NaN"])
def test_words_for_nothing_are_gaps_among_times_and_ids_elsewhere(load, word):
    with pytest.raises(ValueError, match="timestamp is missing in 1"):
        load(PLAIN + f"1,1,{word}\n")
    assert events(load(PLAIN + f"1,1,{word}\n", drop_missing=True)) == EVENTS
    data = load(PLAIN + f"{word},1,{NOW}\n")
    assert word in data.users["user_id"].tolist() and noted(data, f"{word!r} was taken for an id")


def test_further_columns_keep_what_they_say(load):
    data = load(
        f"{HEADER},order,batch,price,code\n1,2,{NOW},9007199254740993,1E5,1.50,007\n"
        f"1,3,{NOW + 1},,12e3,2,010\n"
    ).interactions
    assert data["order"].tolist()[0] == 9007199254740993 and data["order"].isna().tolist() == [False, True]
    assert data["batch"].tolist() == ["1E5", "12e3"] and data["price"].tolist() == [1.5, 2.0]
    assert data["code"].tolist() == ["007", "010"]


def test_repeats_are_judged_by_what_the_filters_keep(load):
    rows = [(u, u % 2, NOW + n) for n, u in enumerate([0, 1, 0, 1])] + [
        (9, n, NOW + n) for n in range(20, 40)
    ]
    text = f"{HEADER}\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    assert not load(text).repeats
    kept = load(text, min_item=2)
    assert kept.repeats and noted(kept, "50.0% of the events repeat") and not noted(kept, "8.3%")
    assert not load(text, min_item=2, repeats=False).repeats


@pytest.mark.parametrize("quantity", ["-1", "-1,5", "-1 pc"])
def test_cancellations_are_noted_however_they_are_written(load, quantity):
    rows = "".join(
        f'{{"user":1,"item":{i},"timestamp":{NOW + i},"quantity":{q}}}\n' for i, q in ((1, 2), (2, -1))
    )
    assert noted(load(rows, "shop.jsonl"), "1 rows look like cancellations")
    frame = pd.DataFrame(EVENTS, columns=["user", "item", "timestamp"])
    assert noted(datasets.load(frame.assign(Quantity=["1", quantity, "3"])), "1 rows look like cancellations")
    decimals = [Decimal(1), Decimal("-2.5"), Decimal(3)]
    assert noted(datasets.load(frame.assign(Quantity=decimals)), "1 rows look like cancellations")


def test_doubles_that_differ_elsewhere_are_counted(load):
    text = f"{HEADER},event\n1,2,{NOW},view\n1,2,{NOW},buy\n1,3,{NOW},view\n1,3,{NOW},view\n"
    data = load(text)
    assert noted(data, "2 rows repeat the user, item and time")
    assert noted(data, "1 of these differ in another column")
    assert data.interactions["event"].tolist() == ["view", "view"]


def test_four_columns_without_header_are_guessed_only_if_times_come_last(load):
    with pytest.raises(ValueError, match="seems to have no header"):
        load(f"1\t114\t{NOW}\t5\n1\t107\t{NOW}\t4\n", "u.data")


def test_quotes_that_join_two_rows_are_refused(load):
    text = 'user,title,item,timestamp\na,x,1,2024-01-01\na,"foo,2,2024-01-01\nb,pipe 6",3,2024-01-02\n'
    with pytest.raises(ValueError, match="line 3: a quotation mark"):
        load(text)
    data = load('user,title,item,timestamp\na,x,1,2024-01-01\na,"foo\npipe 6",3,2024-01-02\n')
    assert data.items["title"].tolist() == ["x", "foo\npipe 6"]


def test_nested_values_are_kept_as_text(load):
    line = f'{{"user":{{"id":1}},"item":[1,2],"timestamp":{NOW},"name":{{"en":"Tea"}}}}\n'
    data = load(line, "nested.jsonl")
    assert events(data) == [('{"id": 1}', "[1, 2]", NOW)] and data.items["title"].tolist() == [
        '{"en": "Tea"}'
    ]
    assert noted(data, "Nested values were kept as text: user, item, name")


def frame_of(times, **columns):
    return pd.DataFrame(dict(user=1, item=range(len(times)), timestamp=times) | columns)


@pytest.mark.parametrize(
    "make",
    [
        lambda days: pd.Categorical(days),
        lambda days: pd.Categorical(days.strftime("%Y-%m-%d")),
        lambda days: days.to_period("D"),
        lambda days: pd.array(days.date, dtype=pd.ArrowDtype(pa.date32())),
        lambda days: pd.array(days, dtype=pd.ArrowDtype(pa.timestamp("us"))),
        lambda days: pd.array(
            [Decimal(int(day.timestamp())) for day in days], pd.ArrowDtype(pa.decimal128(12))
        ),
        lambda days: list(days.date),
    ],
    ids=["category", "category of text", "period", "date32", "timestamp", "decimal", "date"],
)
def test_times_of_any_type_are_read(make):
    days = pd.to_datetime(["2024-05-06", "2024-05-07"])
    data = datasets.load(frame_of(make(days)))
    assert data.interactions["timestamp"].tolist() == [1714953600, 1715040000] and data.time_unit == "seconds"


def test_durations_are_no_times():
    with pytest.raises(ValueError, match="timestamps are durations"):
        datasets.load(frame_of(pd.to_timedelta([1, 2], unit="h")))


def test_arrow_dictionaries_are_what_they_stand_for():
    column = pa.array(["b", "a"]).dictionary_encode()
    frame = frame_of([NOW, NOW + 1], user=pd.arrays.ArrowExtensionArray(column))
    assert datasets.load(frame).users["user_id"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2019-10-01 00:00:05 UTC", "2019-10-01 00:00:05"),
        ("2019-10-01T00:00:05 GMT", "2019-10-01 00:00:05"),
        ("14-Nov-23", "2023-11-14 00:00:00"),
        ("05-May-2023", "2023-05-05 00:00:00"),
        ("05 Nov 2023 10:30 PM", "2023-11-05 22:30:00"),
        ("Nov 5, 2023", "2023-11-05 00:00:00"),
        ("2023-11-14 22:30:07,250", "2023-11-14 22:30:07"),
    ],
)
def test_dates_as_programs_write_them(load, written, read):
    data = load(f'{HEADER}\n1,1,"{written}"\n1,2,"{written}"\n')
    assert pd.to_datetime(data.interactions["timestamp"][0], unit="s") == pd.Timestamp(read)


def test_months_may_be_short_and_long_by_turns(load):
    data = load(f"{HEADER}\n1,1,05-May-2023\n1,2,06-Jun-2023\n1,3,07-July-2023\n")
    assert data.interactions["timestamp"].diff().tolist()[1:] == [32 * 86400, 31 * 86400]


def test_the_last_day_of_all_is_a_date(load):
    data = load(f"{HEADER}\n1,1,9999-12-31\n1,2,2024-01-01\n")
    assert data.interactions["timestamp"].tolist() == [253402214400, 1704067200]


def test_messages_name_the_command_lines_way(load):
    with pytest.raises(ValueError, match="command line: --columns user=customer,timestamp=when"):
        load(f"customer,item,when\n1,2,{NOW}\n")
    with pytest.raises(ValueError, match="command line: --columns 'user,item,timestamp'"):
        load(f"1,2,{NOW}\n")
    with pytest.raises(ValueError, match="four digits"):
        load(f"{HEADER}\n1,2,23-11-14\n")


def test_what_excel_puts_before_the_header(load):
    for sep in ";~":
        assert events(load(f"sep={sep}\r\n" + PLAIN.replace(",", sep))) == EVENTS
    with pytest.raises(ValueError, match="remove lines above the header"):
        load("Report of May\n" + PLAIN)


@pytest.mark.parametrize("name", ["ok.jsonl", "lists.txt", "mine.csv"])
def test_a_mark_of_byte_order_is_no_content(load, name):
    text = {
        "ok.jsonl": f'{{"user":1,"item":114,"timestamp":{NOW}}}\n',
        "lists.txt": "1 114\n",
        "mine.csv": PLAIN,
    }
    for encoding in (None, "utf-8", "utf-8-sig"):
        assert load("\ufeff" + text[name], name, encoding=encoding).interactions["item_id"][0] == 114


def test_columns_and_indexes_of_frames_are_found():
    frame = pd.DataFrame(EVENTS)
    assert events(datasets.load(frame, columns={"user": 0, "item": 1, "timestamp": 2})) == EVENTS
    named = pd.DataFrame(EVENTS, columns=["user", "item", "timestamp"]).set_index("user")
    assert events(datasets.load(named)) == EVENTS


def test_a_name_may_begin_with_a_digit(load):
    assert len(load(f"{HEADER},30d_count\n1,2,{NOW},7\n").interactions) == 1


def test_shipped_sets_have_no_notes():
    assert datasets.load("world").notes == ()
    assert datasets.load("world", min_user=2).notes == ("Filters kept 120,000 of 120,000 events.",)


@given(st.randoms(use_true_random=False), st.sampled_from([",", ";", "\t", "|"]), st.integers(1, 20))
def test_order_of_rows_and_separator_change_nothing(random, sep, n):
    rows = [(u, u * i % 7, NOW + 60 * (u + 3 * i)) for u in range(3) for i in range(n)]
    plain = datasets.load(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    random.shuffle(rows)
    text = HEADER.replace(",", sep) + "\n" + "".join(sep.join(map(str, row)) + "\n" for row in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmrec_ref.datasets.files._text", lambda path, encoding: text)
        frame, _ = datasets.files._read_text("mine.csv", "csv", None, None, None, [])
    shuffled = datasets.load(frame)
    assert sorted(events(shuffled)) == sorted(events(plain))
    one, other = (splits.leave_one_out(data, ties="source") for data in (plain, shuffled))
    ids = [
        {
            d.users["user_id"][u]: s.item_ids[t].tolist()
            for u, t in zip(s.test.queries.users, s.test.targets, strict=True)
        }
        for d, s in ((plain, one), (shuffled, other))
    ]
    assert ids[0] == ids[1]
