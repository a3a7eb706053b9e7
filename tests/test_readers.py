"""Data frames and files give what arrays give; what is said of wrong ones."""

import datetime
import re
import sys

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from helpers import assert_same, of_users
from numpy.testing import assert_array_equal

from fastbpr import Interactions, MissingExtraError, _readers

# ---- data frames ----------------------------------------------------------------------------------------------------


COLUMNS = {
    "visitor": [7.0, None, 8.0, 7.0, 7.0],
    "sku": ["b", "a", "a", "b", None],
    "page": ["p", "q", None, "p", "p"],
    "day": [datetime.datetime(2020, 1, day) for day in (1, 2, 3, 4, 5)],
    "amount": [1.0, 2.0, 0.5, 0.25, 1.0],
    "title": ["Bee", "Ant", "Ant", None, "Bee"],
}
ROLES = {
    "user": "visitor", "item": "sku", "context": "page", "timestamp": "day", "weight": "amount", "item_name": "title"
}  # fmt: skip


def from_lists():
    users, items, contexts, timestamps, weights, item_names = COLUMNS.values()
    return Interactions.from_arrays(
        users, items, contexts=contexts, timestamps=timestamps, weights=weights, item_names=item_names
    )


FRAMES = {
    "pandas": lambda: pandas.DataFrame(COLUMNS),
    "pandas nullable": lambda: pandas.DataFrame(COLUMNS).convert_dtypes(),
    "polars": lambda: polars.DataFrame(COLUMNS),
    "pyarrow": lambda: pyarrow.table(COLUMNS),
    "pyarrow dictionaries": lambda: pyarrow.table(COLUMNS | {"sku": pyarrow.array(COLUMNS["sku"]).dictionary_encode()}),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_data_frame_gives_what_lists_give(frame):
    log = Interactions.from_dataframe(frame(), **ROLES)
    assert_same(log, from_lists())
    assert log.user_labels.tolist() == [7, 8]
    assert log.item_labels.tolist() == ["b", "a"]
    assert log.bad_rows == {"missing user": 1, "missing item": 1}


@pytest.mark.parametrize("name", ["pandas", "pandas nullable", "polars"])
def test_data_frames_do_not_need_pyarrow(monkeypatch, name):
    frame, expected = FRAMES[name](), from_lists()
    monkeypatch.setattr(_readers, "pyarrow", None)
    assert_same(Interactions.from_dataframe(frame, **ROLES), expected)


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def csv_of(tmp_path):
    """A function from text to the path of a CSV file with it."""

    def write(text):
        path = tmp_path / "log.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_csv_and_parquet_of_the_same_rows_are_the_same(tmp_path):
    table = pyarrow.table(COLUMNS)
    pyarrow.csv.write_csv(table, tmp_path / "log.csv")
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    assert_same(Interactions.from_csv(tmp_path / "log.csv", **ROLES), from_lists())
    assert_same(Interactions.from_parquet(str(tmp_path / "log.parquet"), **ROLES), from_lists())


def test_a_real_log_is_the_same_from_parquet_and_from_csv(tmp_path, data_folder):
    path = data_folder / "online_retail.parquet"
    roles = {
        "user": "CustomerID", "item": "StockCode", "context": "InvoiceNo", "timestamp": "InvoiceDate",
        "item_name": "Description", "missing_user": 0,
    }  # fmt: skip
    log = Interactions.from_parquet(path, **roles)
    assert (log.n_users, log.n_items) == (4339, 3665)  # 3,940 items with those that only unknown visitors bought
    assert (log.n_rows, log.bad_rows) == (531_282, {"missing user": 133_358})
    assert (log.user_labels.dtype, log.user_labels[0]) == (np.int64, 17850)
    assert log.item_names[log.item_rows("85123A")] == "WHITE HANGING HEART T-LIGHT HOLDER"
    assert log.user_items.sum() == 531_282 - 133_358 == len(log.contexts.users)

    table = pyarrow.parquet.read_table(path)
    pyarrow.csv.write_csv(table, tmp_path / "log.csv")
    assert_same(Interactions.from_csv(tmp_path / "log.csv", **roles), log)
    assert_same(Interactions.from_dataframe(table, **roles), log)
    frame = table.replace_schema_metadata().to_pandas()  # the file's metadata have pandas turn its dates into text
    assert_same(Interactions.from_dataframe(frame, **roles), log)


@pytest.mark.parametrize(
    ("texts", "labels", "dtype"),
    [
        (["17850", "3"], [17850, 3], np.int64),
        (["17850.0", "17850", "3.00"], [17850, 3], np.int64),
        (["-1", "0"], [-1, 0], np.int64),
        (["18446744073709551615", "3"], [2**64 - 1, 3], np.uint64),
        (["18446744073709551616", "3"], ["18446744073709551616", "3"], object),
        (["1.5", "2", "1e-7"], [1.5, 2, 1e-7], np.float64),
        (["1e+20", "0.5"], [1e20, 0.5], np.float64),
        (["007", "7"], ["007", "7"], object),
        (["1.10", "1.1"], ["1.10", "1.1"], object),
        (["1E5", "100000"], ["1E5", "100000"], object),
        (["0.10000000000000001", "0.1"], ["0.10000000000000001", "0.1"], object),
        (["1_000", "1"], ["1_000", "1"], object),
        (["NA", "1"], ["NA", "1"], object),
        (['"NaN"', "1"], ["NaN", "1"], object),
        (["nan", "NaN", "null", "NULL", '""', "7"], [7], np.int64),
    ],
)
def test_csv_labels_are_numbers_only_if_no_two_texts_become_one(csv_of, texts, labels, dtype):
    log = Interactions.from_csv(csv_of("user,item\n" + "".join(f"{text},x\n" for text in texts)))
    assert log.user_labels.dtype == dtype
    assert log.user_labels.tolist() == labels


def test_quoted_empty_fields_of_a_csv_are_missing_everywhere(csv_of):
    path = csv_of('user,item,weight,time\n"1","a","2","5"\n"1","b","","5"\n"1","c","1",""\n"","d","1","5"\n')
    log = Interactions.from_csv(path, weight="weight", timestamp="time")
    assert log.bad_rows == {"missing user": 1, "missing timestamp": 1, "weight not finite": 1}
    assert (log.user_items.data.tolist(), log.timestamps.tolist()) == ([2], [5])


def test_csv_fields_may_have_line_ends(csv_of):
    path = csv_of("user,item,title\n" + '1,a,"two\nlines, ""quoted"""\n' * 100_000)  # several of pyarrow's blocks
    log = Interactions.from_csv(path, item_name="title")
    assert log.item_names.tolist() == ['two\nlines, "quoted"']
    assert log.n_rows == 100_000


def test_two_roles_may_share_a_column(csv_of):
    path = csv_of("user,item,time\n1,a,2020-01-02\n")
    log = Interactions.from_csv(path, timestamp="time", context="time", item_name="item")
    assert log.timestamps.tolist() == [np.datetime64("2020-01-02", "ns").astype(int)]
    assert log.contexts.labels.tolist() == ["2020-01-02"]
    assert log.item_names.tolist() == ["a"]


def test_parquet_is_read_from_one_file_several_or_a_folder(tmp_path):
    first = pyarrow.table({"user": pyarrow.array([1, 2], pyarrow.int64()), "item": ["a", "b"]})
    codes = pyarrow.array(["c"]).dictionary_encode()
    second = pyarrow.table({"user": pyarrow.array([2], pyarrow.int32()), "item": codes})
    folder = tmp_path / "log"
    (folder / "more").mkdir(parents=True)
    paths = [folder / "0.parquet", folder / "more" / "1.parquet"]
    for table, path in zip([first, second], paths, strict=True):
        pyarrow.parquet.write_table(table, path)
    (folder / "_SUCCESS").touch()
    log = Interactions.from_parquet(paths)
    assert_array_equal(log.user_items.toarray(), [[1, 0, 0], [0, 1, 1]])
    assert_same(Interactions.from_parquet(folder), log)
    assert Interactions.from_parquet(paths[0]).n_rows == 2


def test_a_file_without_a_column_that_others_have_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"user": [1], "item": [1]}), tmp_path / "a.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"user": [1], "sku": [1]}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"item must be one of the columns 'user', 'sku' of .*b\.parquet, got 'item'"):
        Interactions.from_parquet(tmp_path)


def test_files_need_pyarrow_and_say_so(csv_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'fastbpr[io]'")):
        Interactions.from_csv(csv_of("user,item\n1,2\n"))


# ---- wrong input ----------------------------------------------------------------------------------------------------


RULE = "users must be a one-dimensional array, list or column, one entry per row, got "


@pytest.mark.parametrize(
    ("users", "error", "message"),
    [
        ((x for x in "ab"), TypeError, RULE + "<generator object"),
        (iter(["a"]), TypeError, RULE + "<list_iterator object"),
        ("ab", TypeError, RULE + "'ab'. Make it a list"),
        ({"a": 1}, TypeError, RULE + "{'a': 1}"),
        (np.ones((2, 2)), ValueError, RULE + "shape (2, 2)."),
        (np.array(3), ValueError, RULE + "shape ()."),
        (pandas.DataFrame({"a": [1, 2]}), ValueError, RULE + "shape (2, 1)."),
        ([[1, 2], [3, 4]], TypeError, "of labels such as strings, numbers or tuples, got a list among them."),
        (pyarrow.array([[1], [2]]), TypeError, "users must be one-dimensional, of labels such as strings"),
        ([1, 2, 3], ValueError, "items must have one entry per row, 3 as users have, got 2."),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(users, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Interactions.from_arrays(users, [1, 2])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": ["1", "2"]}, TypeError, "weights must be numbers, got entries such as '1'. Convert them first."),
        ({"weights": np.array(["1", "2"])}, TypeError, "weights must be numbers, got entries such as '1'."),
        ({"timestamps": ["2020", "x"]}, TypeError, "timestamps must be dates or numbers below 2**63, got entries such"),
        ({"timestamps": [True, False]}, TypeError, "timestamps must be dates or numbers below 2**63, got dtype bool."),
        ({"timestamps": np.array([2**63, 1], dtype=np.uint64)}, TypeError, "numbers below 2**63, got dtype uint64."),
        ({"on_bad_rows": "drop"}, ValueError, "on_bad_rows must be one of 'report', 'raise', got 'drop'."),
        ({"contexts": [1]}, ValueError, "contexts must have one entry per row, 2 as users have, got 1."),
    ],
)
def test_options_of_the_wrong_kind_are_refused(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Interactions.from_arrays([1, 2], [1, 2], **options)


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (pandas.DataFrame({"User": [1], "item": [2]}), ValueError, "'item', got 'user'. Did you mean 'User'?"),
        (pandas.DataFrame([[1, 2, 3]], columns=["user", "user", "item"]), ValueError, "got 'user', the name of 2."),
        (polars.LazyFrame({"user": [1], "item": [2]}), TypeError, "got LazyFrame. Compute it first: frame.collect()."),
        ({"user": [1], "item": [2]}, TypeError, "must be a pandas or polars DataFrame or a pyarrow Table, got dict."),
    ],
)  # fmt: skip
def test_frames_of_the_wrong_kind_are_refused(frame, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Interactions.from_dataframe(frame)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "path must be a readable CSV file in UTF-8, got"),
        ("user,item\n1,2,3\n", "path must be a readable CSV file in UTF-8, got"),
        ("user,item\n1,caf\xe9\n".encode("latin1"), "invalid UTF8"),
        ("user;item\n1;2\n", "user must be one of the columns 'user;item', got 'user'."),
        ("user,item,time\n1,2,12/1/2010 8:26\n", "got entries such as '12/1/2010 8:26'. Parse text first"),
        (b"PAR1\x00", "It is a Parquet file: use from_parquet."),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_by_a_sentence(csv_of, text, message):
    options = {"timestamp": "time"} if b"time" in (text if isinstance(text, bytes) else text.encode()) else {}
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        Interactions.from_csv(csv_of(text), **options)


def test_paths_that_cannot_be_read_are_refused_by_a_sentence(tmp_path, csv_of):
    for read in (Interactions.from_csv, Interactions.from_parquet):
        with pytest.raises(FileNotFoundError, match=r"path must be an existing file, got '.*nothing'"):
            read(tmp_path / "nothing")
        with pytest.raises(TypeError, match=r"must be a path, a str or pathlib\.Path, got 3"):
            read(3)
    with pytest.raises(IsADirectoryError, match="path must be a file, got the folder"):
        Interactions.from_csv(tmp_path)
    with pytest.raises(ValueError, match=r"paths must have a file \*\.parquet, got the folder .* without any"):
        Interactions.from_parquet(tmp_path)
    with pytest.raises(ValueError, match="paths must have at least one path, got none"):
        Interactions.from_parquet([])
    with pytest.raises(ValueError, match=r"path must be a readable Parquet file, got '.*log\.csv'"):
        Interactions.from_parquet(csv_of("user,item\n1,2\n"))


def test_a_missing_user_that_nobody_is_is_told():
    assert "No row has the user that missing_user names." in of_users([1, 2], missing_user=99).summary()
    assert "No row has" not in of_users([1, 99], missing_user=99).summary()


@pytest.mark.parametrize(
    ("column", "options", "bad"),
    [
        ("1,-2,x,3", {"weight": "value"}, "'x'"),
        ("2020-01-01,2020-13-01,2020-01-02", {"timestamp": "value"}, "'2020-13-01'"),
    ],
)
def test_the_entry_that_is_wrong_is_the_one_that_is_named(csv_of, column, options, bad):
    rows = "".join(f"{row},{row},{value}\n" for row, value in enumerate(column.split(",")))
    with pytest.raises(TypeError, match=f"got entries such as {bad}"):
        Interactions.from_csv(csv_of("user,item,value\n" + rows), **options)
