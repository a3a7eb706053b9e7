"""Interactions: labels to rows, what counts as missing or bad, duplicates, and that every source gives the same."""

import datetime
import decimal
import logging
import math
import re
import sys
import time

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr import Interactions, MissingExtraError, UnknownLabelError, _labels, _readers


@pytest.fixture(params=["pyarrow", "numpy"])
def engine(request, monkeypatch):
    """Each of the two ways to factorise; the second is what an installation without pyarrow uses."""
    if request.param == "numpy":
        monkeypatch.setattr(_readers, "pyarrow", None)
    return request.param


def of_users(users, **options):
    """Interactions of these users, one row each, with one item."""
    return Interactions.from_arrays(users, ["item"] * len(users), **options)


def assert_same(actual, expected):
    """Refuse any difference, of dtypes, too."""
    for name in ("user_labels", "item_labels", "item_names", "timestamps"):
        one, other = getattr(actual, name), getattr(expected, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert one.dtype == other.dtype, name
            assert one.tolist() == other.tolist(), name
    for name in ("indptr", "indices", "data"):
        assert_array_equal(getattr(actual.user_items, name), getattr(expected.user_items, name), err_msg=name)
    assert actual.bad_rows == expected.bad_rows
    assert (actual.n_rows, actual.n_merged_rows) == (expected.n_rows, expected.n_merged_rows)
    assert (actual.contexts is None) == (expected.contexts is None)
    if actual.contexts is not None:
        for one, other in zip(actual.contexts, expected.contexts, strict=True):
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist()


# ---- labels -----------------------------------------------------------------------------------------------------

DAY = np.datetime64("2020-01-02", "ns")

LABELS = {
    "a list of strings": (["b", "a", "b"], ["b", "a"], object),
    "a tuple of strings": (("b", "a", "b"), ["b", "a"], object),
    "an array of strings": (np.array(["b", "a", "b"]), ["b", "a"], object),
    "strings with missing ones": (["b", None, float("nan"), pandas.NA, "", "a"], ["b", "a"], object),
    "strings outside Unicode": (["\ud800", "a"], ["\ud800", "a"], object),
    "bytes": ([b"b", b"", b"a"], [b"b", b"a"], object),
    "an array of bytes": (np.array([b"b", b"", b"a"]), [b"b", b"a"], object),
    "a list of integers": ([7, 3, 7], [7, 3], np.int64),
    "integers with None": ([7, None, 2**60 + 1], [7, 2**60 + 1], np.int64),
    "a range": (range(2, 4), [2, 3], np.int64),
    "int8": (np.array([7, -3], dtype=np.int8), [7, -3], np.int64),
    "uint64 that int64 holds": (np.array([7, 3], dtype=np.uint64), [7, 3], np.int64),
    "uint64 that it does not": (np.array([2**63, 3], dtype=np.uint64), [2**63, 3], np.uint64),
    "integers beyond 64 bits": ([2**70, 3], [2**70, 3], object),
    "integers that no type of 64 bits holds": ([2**63, -1], [2**63, -1], object),
    "integers of the other byte order": (np.array([7, 3], dtype=">i4"), [7, 3], np.int64),
    "bools": (np.array([True, False]), [True, False], np.bool_),
    "bools with None": ([True, None, False], [True, False], np.bool_),
    "floats that pandas made of ids": (np.array([17850.0, np.nan, 3.0]), [17850, 3], np.int64),
    "floats": (np.array([0.5, np.nan, 0.0, -0.0]), [0.5, 0.0], np.float64),
    "half floats": (np.array([0.5, 2], dtype=np.float16), [0.5, 2], np.float64),
    "infinity": (np.array([np.inf, 1]), [np.inf, 1], np.float64),
    "integers and floats": ([2, 0.5, 2.0], [2, 0.5], np.float64),
    "integers that a float would round": ([2**60 + 1, 0.5], [2**60 + 1, 0.5], object),
    "tuples": ([("a", 1), ("a", 2), ("a", 1)], [("a", 1), ("a", 2)], object),
    "a mixture": ([1, "1", b"1", None, (1,)], [1, "1", b"1", (1,)], object),
    "strings and a number": (["a", 1.5, "a"], ["a", 1.5], object),
    "dates": (np.array(["2020-01-02", "NaT"], dtype="datetime64[s]"), [DAY], "datetime64[ns]"),
    "a masked array": (np.ma.array([5, 6, 7], mask=[0, 1, 0]), [5, 7], np.int64),
    "a strided array": (np.arange(10)[::-3], [9, 6, 3, 0], np.int64),
    "pandas objects": (pandas.Series(["b", None, "a"], dtype=object), ["b", "a"], object),
    "pandas strings": (pandas.Series(["b", None, "a"], dtype="string"), ["b", "a"], object),
    "pandas integers": (pandas.Series([2**60 + 1, None], dtype="Int64"), [2**60 + 1], np.int64),
    "pandas booleans": (pandas.Series([True, None], dtype="boolean"), [True], np.bool_),
    "pandas categories": (pandas.Categorical(["b", None, "a"], ["a", "b", "c"]), ["b", "a"], object),
    "pandas categories of integers": (pandas.Series([5, 3], dtype="category"), [5, 3], np.int64),
    "a pandas index": (pandas.Index([5, 3], name="user"), [5, 3], np.int64),
    "polars strings": (polars.Series(["b", None, "a"]), ["b", "a"], object),
    "polars integers": (polars.Series([2**60 + 1, None]), [2**60 + 1], np.int64),
    "polars categories": (polars.Series(["b", None, "a"], dtype=polars.Categorical), ["b", "a"], object),
}  # fmt: skip


@pytest.mark.parametrize(("values", "labels", "dtype"), LABELS.values(), ids=LABELS)
def test_labels_are_distinct_values_in_first_seen_order(engine, values, labels, dtype):
    log = of_users(values)
    assert log.user_labels.dtype == dtype
    assert list(log.user_labels) == labels
    assert all(type(label) is str for label in log.user_labels if isinstance(label, str))
    assert_array_equal(log.user_rows(labels), range(len(labels)))


ARROW = {
    "strings": (pyarrow.array(["b", None, "a", ""]), ["b", "a"], object),
    "large strings": (pyarrow.array(["b", "a"], pyarrow.large_string()), ["b", "a"], object),
    "string views": (pyarrow.array(["b", None], getattr(pyarrow, "string_view", pyarrow.string)()), ["b"], object),
    "binary": (pyarrow.array([b"b", None, b""]), [b"b"], object),
    "integers": (pyarrow.array([2**60 + 1, None], pyarrow.int64()), [2**60 + 1], np.int64),
    "uint8": (pyarrow.array([5, 3], pyarrow.uint8()), [5, 3], np.int64),
    "doubles": (pyarrow.array([5.0, None, float("nan"), 3.0]), [5, 3], np.int64),
    "half floats": (pyarrow.array(np.array([0.5, 2], dtype=np.float16)), [0.5, 2.0], np.float32),
    "bools": (pyarrow.array([True, None, False]), [True, False], np.bool_),
    "dates": (pyarrow.array([datetime.date(2020, 1, 2), None]), [DAY], "datetime64[ns]"),
    "decimals": (pyarrow.array([decimal.Decimal("1.5"), None]), [decimal.Decimal("1.5")], object),
    "chunks": (pyarrow.chunked_array([["b", "a"], [], ["a", "c"]]), ["b", "a", "c"], object),
    "dictionaries that differ": (
        pyarrow.chunked_array([pyarrow.array(x).dictionary_encode() for x in (["b", None], ["a", "b"])]),
        ["b", "a"],
        object,
    ),
    "a dictionary with repeats, nulls and unused values": (
        pyarrow.DictionaryArray.from_arrays(pyarrow.array([4, 2, 0, 3], pyarrow.uint8()), ["x", "z", None, "y", "x"]),
        ["x", "y"],
        object,
    ),
    "a dictionary of integers": (pyarrow.array([5, 3, 5]).dictionary_encode(), [5, 3], np.int64),
}


@pytest.mark.parametrize(("values", "labels", "dtype"), ARROW.values(), ids=ARROW)
def test_pyarrow_columns_give_the_same_labels(values, labels, dtype):
    log = of_users(values)
    assert log.user_labels.dtype == dtype
    assert list(log.user_labels) == labels


def test_a_user_or_item_seen_in_bad_rows_only_gets_no_row(engine):
    log = Interactions.from_arrays(["a", "b", "c", "b"], ["x", None, "y", "x"])
    assert_array_equal(log.user_labels, ["a", "c", "b"])
    assert_array_equal(log.item_labels, ["x", "y"])
    assert_array_equal(log.user_items.toarray(), [[1, 0], [0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("users", "missing_user", "labels"),
    [
        (np.array([0.0, 5.0]), 0, [5]),
        ([0, 5], 0.0, [5]),
        ([0, 5, -1], [0, -1], [5]),
        ([0, 5, -1], np.array([0, -1]), [5]),
        ([0, 5], "0", [5]),  # as a command line has it
        (["0", "5"], 0, ["0", "5"]),
        (["guest", "a", "bot"], ["guest", "bot", "nobody"], ["a"]),
        ([0, "guest", "a"], [0, "guest"], ["a"]),
        ([("a", 1), ("a", 2)], ("a", 1), [("a", 2)]),
        (np.array(["1970-01-01", "2020-01-02"], dtype="datetime64[D]"), np.datetime64("1970-01-01"), [DAY]),
    ],
)
def test_missing_user_names_labels_that_stand_for_nobody(engine, users, missing_user, labels):
    log = of_users(users, missing_user=missing_user)
    assert list(log.user_labels) == labels
    assert log.bad_rows == ({"missing user": len(users) - len(labels)} if len(labels) < len(users) else {})


# ---- against a slow twin ----------------------------------------------------------------------------------------


def slow_twin(users, items, times, weights, names):
    """The same by dicts, row by row: (user labels, item labels, {pair: [weight, time]}, {item: name}, n_bad_rows)."""
    user_rows, item_rows, pairs, seen_names, n_bad = {}, {}, {}, {}, 0
    for user, item, moment, weight, name in zip(users, items, times, weights, names, strict=True):
        if user is None or item is None or math.isnan(moment) or not math.isfinite(weight) or weight <= 0:
            n_bad += 1
            continue
        pair = user_rows.setdefault(user, len(user_rows)), item_rows.setdefault(item, len(item_rows))
        total, latest = pairs.get(pair, (0.0, -math.inf))
        pairs[pair] = total + weight, max(latest, moment)
        if name:
            counts = seen_names.setdefault(item, {})
            counts[name] = counts.get(name, 0) + 1
    best_names = {item: max(counts, key=counts.get) for item, counts in seen_names.items()}  # max: the first of equals
    return list(user_rows), list(item_rows), pairs, best_names, n_bad


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["strings", "integers", "mixed"])
def test_interactions_are_what_a_dict_would_make_of_them(engine, seed, kind):
    rng = np.random.default_rng(seed)
    n_rows = [1, 7, 100, 1000, 1000, 3001][seed]
    users = rng.integers(1, 40, n_rows).tolist()
    items = rng.integers(1, 25, n_rows).tolist()
    if kind == "strings":
        users, items = [f"user {user}" for user in users], [f"item {item}" for item in items]
    if kind == "mixed":
        users = [user if user % 2 else (user, "x") for user in users]
    for row in range(1, n_rows, 9):
        users[row] = None
    for row in range(2, n_rows, 11):
        items[row] = None
    times = np.where(rng.random(n_rows) < 0.05, np.nan, rng.integers(0, 1000, n_rows) / 4)
    weights = rng.choice([0.25, 0.5, 1, 3, 0, -1, np.nan, np.inf], n_rows, p=[0.22] * 4 + [0.03] * 4)
    times[0], weights[0] = 1, 1
    names = rng.choice(np.array(["", "one", "two", "three"]), n_rows).tolist()

    log = Interactions.from_arrays(users, items, timestamps=times, weights=weights, item_names=names)
    user_labels, item_labels, pairs, best_names, n_bad = slow_twin(users, items, times, weights, names)

    assert log.user_labels.tolist() == user_labels
    assert log.item_labels.tolist() == item_labels
    assert log.item_names.tolist() == [best_names.get(item) for item in item_labels]
    assert (log.n_rows, log.n_bad_rows, log.n_merged_rows) == (n_rows, n_bad, n_rows - n_bad - len(pairs))
    entries = log.user_items.tocoo()
    assert log.user_items.shape == (len(user_labels), len(item_labels))
    assert list(zip(entries.row.tolist(), entries.col.tolist(), strict=True)) == sorted(pairs)
    assert entries.data.tolist() == [pairs[pair][0] for pair in sorted(pairs)]  # quarters: exact in float32
    assert log.timestamps.tolist() == [pairs[pair][1] for pair in sorted(pairs)]


# ---- the matrix -------------------------------------------------------------------------------------------------


def test_the_matrix_is_canonical_float32_and_counts_rows_without_weights():
    log = Interactions.from_arrays([1, 2, 1, 1], ["a", "b", "b", "a"])
    assert isinstance(log.user_items, scipy.sparse.csr_array)
    assert log.user_items.dtype == np.float32
    assert log.user_items.has_canonical_format
    assert_array_equal(log.user_items.toarray(), [[2, 1], [0, 1]])
    assert not log.has_weights
    assert (log.n_users, log.n_items, log.n_merged_rows) == (2, 2, 1)


def test_weights_add_up_in_double_precision():
    weights = [2.0**24, 1, 1]  # one by one, float32 would lose the ones
    log = Interactions.from_arrays([1] * 3, [1] * 3, weights=weights)
    assert log.has_weights
    assert log.user_items.data == [2**24 + 2]


@pytest.mark.parametrize("weight", [1e39, 1e-60])
def test_weights_that_float32_cannot_hold_are_refused(weight):
    with pytest.raises(ValueError, match=re.escape(f"3e38, got {weight}. Rescale them.")):
        of_users([1, 2], weights=[1.0, weight])


WEIGHTS = {
    "a list": [1, 2.5, None],
    "floats": np.array([1, 2.5, np.nan]),
    "decimals": [decimal.Decimal(1), decimal.Decimal("2.5"), None],
    "pandas": pandas.Series([1, 2.5, None], dtype="Float64"),
    "polars": polars.Series([1.0, 2.5, None]),
    "pyarrow": pyarrow.array([1, 2.5, None]),
    "pyarrow decimals": pyarrow.array([decimal.Decimal("1.0"), decimal.Decimal("2.5"), None]),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_come_in_any_type_of_number(weights):
    log = of_users(["a", "b", "c"], weights=weights)
    assert_array_equal(log.user_items.data, [1, 2.5])
    assert log.bad_rows == {"weight not finite": 1}


def test_no_input_is_changed():
    columns = {
        "users": np.array(["b", "a", ""], dtype=object),
        "items": np.array([2.0, -0.0, np.nan]),
        "timestamps": np.array([3, 1, 2]),
        "weights": np.array([1.0, 2.0, np.inf]),
        "contexts": np.array([5, 5, 6]),
        "item_names": np.array(["x", None, "y"], dtype=object),
    }
    before = {name: column.copy() for name, column in columns.items()}
    for column in columns.values():
        column.flags.writeable = False
    log = Interactions.from_arrays(**columns)
    log.user_items.data[:] = 0
    for name, column in columns.items():
        assert_array_equal(column, before[name])


# ---- timestamps -------------------------------------------------------------------------------------------------

NOON = datetime.datetime(2020, 1, 2, 12)
NOON_IN_BERLIN = datetime.datetime(2020, 1, 2, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))

TIMES = {
    "integers": (np.array([5, 9], dtype=np.int32), np.array([5, 9])),
    "a list of integers": ([5, 9], np.array([5, 9])),
    "a list of floats": ([5.0, 9.5], np.array([5, 9.5])),
    "float32": (np.array([5, 9], dtype=np.float32), np.array([5.0, 9.0])),
    "seconds": (np.array([5, 9], dtype="datetime64[s]"), np.array([5, 9], dtype="datetime64[s]").astype("M8[ns]")),
    "years that overflow": (np.array(["3000", "1000"], dtype="M8[Y]"), np.array(["3000", "1000"], dtype="M8[us]")),
    "datetimes": ([NOON, NOON], np.array([NOON] * 2, dtype="M8[ns]")),
    "datetimes with a zone": ([NOON_IN_BERLIN] * 2, np.array([NOON] * 2, dtype="M8[ns]")),
    "dates": ([datetime.date(2020, 1, 2)] * 2, np.array(["2020-01-02"] * 2, dtype="M8[ns]")),
    "pandas": (pandas.Series([NOON, NOON]), np.array([NOON] * 2, dtype="M8[ns]")),
    "pandas with a zone": (pandas.Series([NOON_IN_BERLIN] * 2), np.array([NOON] * 2, dtype="M8[ns]")),
    "polars": (polars.Series([NOON, NOON]), np.array([NOON] * 2, dtype="M8[ns]")),
}


@pytest.mark.parametrize(("times", "expected"), TIMES.values(), ids=TIMES)
def test_times_are_integers_floats_or_dates_in_one_unit(engine, times, expected):
    log = of_users([1, 2], timestamps=times)
    assert log.timestamps.dtype == expected.dtype
    assert_array_equal(log.timestamps, expected)


@pytest.mark.parametrize(
    "times",
    [
        [2**60 + 1, None],
        pandas.Series([2**60 + 1, None], dtype="Int64"),
        polars.Series([2**60 + 1, None]),
        pyarrow.chunked_array([[2**60 + 1], [None]]),
    ],
    ids=["list", "pandas", "polars", "pyarrow"],
)
def test_a_missing_time_does_not_round_the_others(times):
    log = of_users([1, 2], timestamps=times)
    assert log.timestamps.tolist() == [2**60 + 1]
    assert log.bad_rows == {"missing timestamp": 1}


def test_an_interaction_has_the_latest_of_its_times():
    days = np.array(["2020-01-03", "2020-01-09", "2020-01-01", "2020-01-05"], dtype="datetime64[D]")
    log = Interactions.from_arrays(["a", "b", "b", "a"], ["x", "x", "y", "x"], timestamps=days)
    assert_array_equal(log.user_items.indices, [0, 0, 1])
    assert_array_equal(log.timestamps, days[[3, 1, 2]])


def test_times_with_and_without_a_zone_are_refused():
    with pytest.raises(ValueError, match=re.escape("timestamps must all have a time zone, or none, got 1 of 2")):
        of_users([1, 2], timestamps=[NOON, NOON_IN_BERLIN])


# ---- contexts and names -----------------------------------------------------------------------------------------


def test_contexts_keep_every_good_row_and_only_their_labels(engine):
    log = Interactions.from_arrays(
        ["a", "b", None, "a", "b"], ["x", "x", "y", "x", "y"], contexts=["home", None, "search", "home", "basket"]
    )
    users, items, contexts, labels = log.contexts
    assert_array_equal(users, [0, 1, 0, 1])
    assert_array_equal(items, [0, 0, 0, 1])
    assert_array_equal(contexts, [0, -1, 0, 1])
    assert_array_equal(labels, ["home", "basket"])
    assert {array.dtype for array in log.contexts[:3]} == {np.dtype(np.int32)}


def test_a_part_shares_labels_and_keeps_the_contexts_of_its_pairs():
    log = Interactions.from_arrays(
        ["a", "a", "b", "a"],
        ["x", "y", "x", "x"],
        contexts=[1, 2, 3, 4],
        timestamps=[5, 6, 7, 8],
        item_names=["X", "Y", "X", "X"],
    )
    kept = scipy.sparse.csr_array(np.array([[1, 0], [1, 0]], dtype=np.float32))
    part = log._with_matrix(kept, log.timestamps[[0, 2]])
    assert part.user_labels is log.user_labels
    assert part.item_names is log.item_names
    assert part.user_items is kept
    assert_array_equal(part.timestamps, [8, 7])
    assert_array_equal(part.contexts.contexts, [0, 2, 3])
    assert (part.n_rows, part.n_merged_rows, part.bad_rows) == (3, 1, {})
    assert (log.n_rows, len(log.contexts.users), log.user_items.nnz) == (4, 4, 3)


def test_an_item_has_the_name_most_often_seen_and_the_first_among_equals(engine):
    items = [1, 2, 1, 1, 2, 3, 2, 2]
    names = ["B", "A", "A", "A", "B", None, "B", "A"]
    log = Interactions.from_arrays(["u"] * 8, items, item_names=names)
    assert log.item_names.tolist() == ["A", "A", None]
    assert Interactions.from_arrays(["u"], ["i"], item_names=[""]).item_names.tolist() == [None]
    assert Interactions.from_arrays(["u"], ["i"]).item_names is None


# ---- bad rows ---------------------------------------------------------------------------------------------------

BAD = {
    "users": ["a", None, "a", "a", "a", "a", "a", None],
    "items": ["x", "x", "", "x", "x", "x", "x", None],
    "timestamps": [1.0, 1, 1, np.nan, np.inf, 1, 1, 1],
    "weights": [1, 1, 1, 1, 1, 0, -2, np.nan],
}


def test_every_bad_row_is_counted_once_under_its_first_reason(caplog):
    with caplog.at_level(logging.WARNING, logger="fastbpr"):
        log = Interactions.from_arrays(**BAD)
    assert log.bad_rows == {
        "missing user": 2,
        "missing item": 1,
        "missing timestamp": 1,
        "timestamp not finite": 1,
        "weight negative": 1,
        "weight zero": 1,
    }
    assert (log.n_rows, log.n_bad_rows, log.user_items.nnz) == (8, 7, 1)
    (record,) = caplog.records
    assert record.getMessage().startswith("7 bad rows left out: missing user 2, missing item 1, ")
    assert record.getMessage() in log.summary()


def test_clean_data_is_not_commented_on(caplog):
    log = Interactions.from_arrays(["a", "b"], ["x", "y"], on_bad_rows="raise")
    assert not caplog.records
    assert repr(log) == "Interactions(2 users, 2 items, 2 interactions)"


def test_bad_rows_can_be_refused():
    with pytest.raises(ValueError, match=re.escape("got 7 bad rows of 8 (missing user 2, missing item 1, ")) as error:
        Interactions.from_arrays(**BAD, on_bad_rows="raise")
    assert "the first is row 1, counted from 0. Repair them, or leave them out with" in str(error.value)


@pytest.mark.parametrize(
    ("users", "got"), [([], "no rows"), ([None, ""], "2 bad rows of 2 (missing user 2)")], ids=["none", "all bad"]
)
def test_data_without_a_good_row_are_refused(users, got):
    with pytest.raises(ValueError, match=re.escape(f"The data must have at least one good row, got {got}.")):
        of_users(users)


def test_the_summary_tells_of_a_user_who_is_probably_nobody():
    users = [*range(1, 16), 0, 0, 0, 0, 0]
    log = of_users(users)
    assert log.summary() == (
        "20 rows: 16 interactions of 16 users with 1 item; 4 rows repeated a user and item. User 0 holds 25 % of the "
        "rows; if it stands for unknown visitors, pass missing_user=0."
    )
    assert "stands for" not in of_users(users, missing_user=0).summary()
    assert "pass missing_user='0'" in of_users([str(user) for user in users]).summary()


# ---- looking labels up ------------------------------------------------------------------------------------------


def test_one_label_gives_an_int_and_several_give_int32():
    log = Interactions.from_arrays([30, 10, 20], ["x", "y", "z"])
    assert log.user_rows(10) == 1
    assert type(log.user_rows(np.int16(10))) is int
    assert log.item_rows("z") == 2
    for column in (list, np.array, pandas.Series, polars.Series, pyarrow.array):
        rows = log.user_rows(column([20, 30]))
        assert rows.dtype == np.int32
        assert rows.tolist() == [2, 0]
    assert log.user_rows([20]).tolist() == [2]
    assert log.user_rows([]).tolist() == []


@pytest.mark.parametrize(
    ("known", "text", "label"),
    [
        (np.array([17850, 3]), "17850", 17850),
        (np.array([17850, 3]), " 17850.0", 17850),
        (np.array([17850, 3]), "x", "x"),
        (np.array([2, 0.5]), "2", 2.0),
        (np.array(["17850"], dtype=object), "17850", "17850"),
        (np.array([DAY]), "2020-01-02", DAY),
    ],
)
def test_a_text_is_understood_where_labels_are_numbers_or_dates(known, text, label):
    assert _labels.parse_label(known, text) == label
    if text != "x":
        assert _labels.rows_of(known, text) == 0
        assert _labels.rows_of(known, [text, text]).tolist() == [0, 0]


def test_an_unknown_label_is_answered_with_the_closest_ones():
    log = Interactions.from_arrays(
        [1] * 3,
        ["85123A", "71053", "84406B"],
        item_names=["WHITE HANGING HEART", "WHITE METAL LANTERN", "CUPID HEARTS COAT HANGER"],
    )
    for wanted, closest in {
        "85123B": "85123A (WHITE HANGING HEART)",
        "lantern": "71053 (WHITE METAL LANTERN)",
        "whit metal lantern": "71053 (WHITE METAL LANTERN)",
        71053: "71053 (WHITE METAL LANTERN)",
    }.items():
        with pytest.raises(UnknownLabelError) as error:
            log.item_rows(wanted)
        message = str(error.value)
        assert message.startswith(f"item label must be a known one, got {wanted!r}. Closest: {closest}")
    with pytest.raises(KeyError, match=r"got 'qqq' and 1 more that are unknown\.$"):
        log.item_rows(["71053", "qqq", "zzz"])


def test_a_list_among_wanted_labels_is_refused_by_a_sentence():
    with pytest.raises(TypeError, match=r"labels must be one-dimensional, .* got a list among them"):
        of_users([1]).user_rows([[1]])


def test_suggestions_among_a_million_labels_take_seconds_at_most():
    known = np.array([f"SKU{number:07d}" for number in range(1_000_000)], dtype=object)
    start = time.perf_counter()
    found = _labels.suggestions(known, "SKV0123456")
    assert "SKU0123456" in found
    assert time.perf_counter() - start < 10


# ---- data frames ------------------------------------------------------------------------------------------------

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


# ---- files ------------------------------------------------------------------------------------------------------


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
    assert log.timestamps.tolist() == [DAY.astype(int)]
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


# ---- wrong input ------------------------------------------------------------------------------------------------

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
