"""Labels to rows and back, from every kind of column, by either engine."""

import datetime
import decimal
import math
import time

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from helpers import of_users
from numpy.testing import assert_array_equal

from fastbpr import Interactions, UnknownLabelError, _labels

# ---- labels ---------------------------------------------------------------------------------------------------------


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


# ---- against a slow twin --------------------------------------------------------------------------------------------


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


# ---- looking labels up ----------------------------------------------------------------------------------------------


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
