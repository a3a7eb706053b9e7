"""The matrix, timestamps, contexts and names, and what becomes of bad rows."""

import datetime
import decimal
import logging
import re

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse
from helpers import of_users
from numpy.testing import assert_array_equal

from fastbpr import Interactions

# ---- the matrix -----------------------------------------------------------------------------------------------------


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


# ---- timestamps -----------------------------------------------------------------------------------------------------


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


# ---- contexts and names ---------------------------------------------------------------------------------------------


def test_contexts_keep_every_good_row_and_only_their_labels(engine):
    log = Interactions.from_arrays(
        ["a", "b", None, "a", "b"], ["x", "x", "y", "x", "y"], contexts=["home", None, "search", "home", "basket"]
    )
    users, items, contexts, labels = log.contexts[:4]
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


# ---- bad rows -------------------------------------------------------------------------------------------------------


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
