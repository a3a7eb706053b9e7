"""What is known of the contexts of a log: kinds, strengths, what was shown, and the rows' own weights."""

import re

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse
from helpers import assert_same
from numpy.testing import assert_array_equal

from fastbpr import Interactions, _readers
from fastbpr.interactions import Contexts
from fastbpr.splitting import leave_one_out

# A trending page that two people saw, a search, and a click from nowhere. Page 30 had no click.
USERS = ["ann", "bob", "ann", "ann", "bob"]
ITEMS = ["cup", "tea", "cup", "pot", "pot"]
PAGES = [10, 10, 20, None, 10]
KINDS = ["trending", "trending", "search", None, "trending"]
SHOWN = {10: ["cup", "tea", "pot", "mug"], 20: ["cup"], 30: ["tea", "jar"]}


def tea_shop(**options):
    return Interactions.from_arrays(USERS, ITEMS, **({"contexts": PAGES} | options))


# ---- rows, kinds and strengths --------------------------------------------------------------------------------------


def test_rows_are_kept_with_their_own_weights_and_repeated_pairs_are_not_merged(engine):
    found = tea_shop(weights=[1, 2, 3, 4, 5.5]).contexts
    assert isinstance(found, Contexts)
    assert_array_equal(found.users, [0, 1, 0, 0, 1])
    assert_array_equal(found.items, [0, 1, 0, 2, 2])
    assert_array_equal(found.contexts, [0, 0, 1, -1, 0])
    assert_array_equal(found.labels, [10, 20])
    assert_array_equal(found.weights, [1, 2, 3, 4, 5.5])
    assert {found.users.dtype, found.items.dtype, found.contexts.dtype} == {np.dtype(np.int32)}
    assert found.weights.dtype == np.float32


def test_what_nobody_said_is_none_and_strengths_are_1():
    found = tea_shop().contexts
    assert (found.weights, found.kinds, found.shown) == (None, None, None)
    assert_array_equal(found.strengths, np.ones(2, dtype=np.float32))
    assert found.strengths.dtype == np.float32


def test_weights_belong_to_the_good_rows_only():
    found = Interactions.from_arrays(["a", "b", "c"], [1, 2, 3], contexts=[1, 1, 1], weights=[2, -1, 3]).contexts
    assert_array_equal(found.weights, [2, 3])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (KINDS, ["trending", "search"]),
        (["search", "trending", None, "home", None], ["search", None]),  # the first counts; none is no kind
        ([None, "trending", "search", None, "search"], ["trending", "search"]),  # the first that is not missing
        ([3, 3, 4, None, 3], [3, 4]),
    ],
)
def test_a_context_has_the_first_kind_seen_with_it(engine, kinds, expected):
    found = tea_shop(context_kinds=kinds).contexts
    assert found.kinds.dtype == object
    assert found.kinds.tolist() == expected


def test_a_bad_row_gives_no_kind():
    log = Interactions.from_arrays([None, "a"], [1, 1], contexts=["p", "p"], context_kinds=["home", "search"])
    assert log.contexts.kinds.tolist() == ["search"]


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        (None, [1, 1]),
        (0.25, [0.25, 0.25]),
        (np.float32(0.25), [0.25, 0.25]),
        (0, [0, 0]),
        ({"search": 0.2}, [1, 0.2]),
        ({"search": 0.2, "trending": 0.5}, [0.5, 0.2]),
        ({}, [1, 1]),
    ],
)
def test_a_strength_is_for_all_or_for_kinds_and_others_have_1(engine, strengths, expected):
    found = tea_shop(context_kinds=KINDS, context_strengths=strengths).contexts.strengths
    assert found.dtype == np.float32
    assert_array_equal(found, np.float32(expected))


def test_a_context_without_a_kind_has_strength_1_beside_named_ones():
    kinds = ["trending", None, None, None, None]
    found = tea_shop(context_kinds=kinds, context_strengths={"trending": 0.5}).contexts
    assert found.kinds.tolist() == ["trending", None]
    assert_array_equal(found.strengths, [0.5, 1])


def test_kinds_that_are_numbers_may_be_named_as_text():
    assert tea_shop(context_kinds=[1, 1, 2, 1, 1], context_strengths={"2": 0.5}).contexts.strengths.tolist() == [1, 0.5]


# ---- what was shown -------------------------------------------------------------------------------------------------


AS_MATRIX = scipy.sparse.coo_array(([1, 2, 0.5, 1, 1], ([10, 10, 10, 20, 30], [1, 1, 3, 7, 1])), shape=(31, 8))


def test_what_was_shown_is_a_canonical_matrix_of_ones(engine):
    log = tea_shop(shown=SHOWN)
    shown = log.contexts.shown
    assert isinstance(shown, scipy.sparse.csr_array)
    assert shown.dtype == np.float32
    assert shown.has_canonical_format
    assert_array_equal(shown.toarray(), [[1, 1, 1], [1, 0, 0]])  # columns: cup, tea, pot
    assert (log.n_shown_unknown, log.n_shown_unknown_contexts) == (2, 1)  # mug and jar; page 30


def test_without_it_nothing_is_unknown():
    assert (tea_shop().n_shown_unknown, tea_shop().n_shown_unknown_contexts) == (0, 0)
    assert (Interactions.from_arrays([1], [1]).n_shown_unknown, Interactions.from_arrays([1], [1]).contexts) == (
        0,
        None,
    )


@pytest.mark.parametrize(
    "listed",
    [
        list, tuple, set, np.array, lambda items: np.array(items, dtype=object), pandas.Series, polars.Series,
        pyarrow.array, lambda items: [*items, None, items[0]],
    ],
)  # fmt: skip
def test_lists_in_a_mapping_may_be_of_any_kind_with_repeated_and_missing_items(listed):
    shown = {page: listed(items) for page, items in SHOWN.items()}
    assert_same(tea_shop(shown=shown), tea_shop(shown=SHOWN))


def test_a_page_without_items_or_without_a_label_is_not_counted():
    log = tea_shop(shown=SHOWN | {40: [], 50: [None], None: ["mug"], float("nan"): ["tin"]})
    assert (log.n_shown_unknown, log.n_shown_unknown_contexts) == (2, 1)


@pytest.mark.parametrize("kind", ["coo", "csr", "csc", "lil", "dok", "bsr"])
def test_the_numbers_of_rows_and_columns_of_a_matrix_are_labels(engine, kind):
    given = AS_MATRIX.asformat(kind)
    before = given.toarray()
    log = Interactions.from_arrays(["a", "a", "b"], [3, 1, 5], contexts=[20, 10, 10], shown=given)
    assert_array_equal(log.contexts.labels, [20, 10])
    assert_array_equal(log.contexts.shown.toarray(), [[0, 0, 0], [1, 1, 0]])  # columns: 3, 1, 5
    assert (log.n_shown_unknown, log.n_shown_unknown_contexts) == (1, 1)  # item 7; page 30
    assert_array_equal(given.toarray(), before)


def test_a_stored_zero_was_not_shown():
    given = scipy.sparse.coo_array(([1, 0], ([1, 1], [1, 2])), shape=(2, 3))
    log = Interactions.from_arrays([1, 1], [1, 2], contexts=[1, 1], shown=given)
    assert_array_equal(log.contexts.shown.toarray(), [[1, 0]])


def test_text_is_understood_where_labels_are_numbers():
    shown = {"10": ["1", "2"], "20": ["2", "9"]}  # as JSON has it
    log = Interactions.from_arrays(["a", "b"], [1, 2], contexts=[10, 20], shown=shown)
    assert_array_equal(log.contexts.shown.toarray(), [[1, 1], [0, 1]])
    assert log.n_shown_unknown == 1


def test_dates_match_whatever_their_unit():
    days = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")
    log = Interactions.from_arrays([1, 2], [1, 2], contexts=days, shown={days.astype("M8[s]")[1]: [1, 2]})
    assert_array_equal(log.contexts.shown.toarray(), [[0, 0], [1, 1]])


def test_random_logs_agree_with_python_sets(engine):
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(1, 40))
        users, items, pages = rng.integers(9, size=n), rng.integers(12, size=n), rng.integers(8, size=n).astype(object)
        pages[rng.random(n) < 0.2] = None
        shown = {page: rng.integers(14, size=rng.integers(6)).tolist() for page in range(10)}
        shown[0].append(int(items[0]))
        pages[0] = 0
        log = Interactions.from_arrays(users, items, contexts=pages, shown=shown)
        labels, known = log.contexts.labels.tolist(), log.item_labels.tolist()
        for row, page in enumerate(labels):
            found = {known[column] for column in log.contexts.shown[[row]].indices}
            assert found == set(shown[page]) & set(known)
        assert log.n_shown_unknown == len(set().union(*shown.values()) - set(known))
        assert log.n_shown_unknown_contexts == len({page for page, seen in shown.items() if seen} - set(labels))


# ---- columns of lists -----------------------------------------------------------------------------------------------


IMPRESSIONS = {
    "user": [7, 7, 8, 9, 8, None],
    "item": [["cup", "tea"], ["tea"], [], None, ["pot", None], ["cup"]],
    "page": ["a", "b", "b", "c", "a", "d"],
    "seen": [["cup", "tea"], ["tea", "mug"], ["pot"], ["tin"], None, ["cup"]],
    "kind": ["x", "y", "y", "x", "x", "x"],
    "time": [1, 2, 3, 4, 5, 6],
    "weight": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
}
COLUMNS = {"context": "page", "context_kind": "kind", "shown": "seen", "timestamp": "time", "weight": "weight"}


def as_arrow(lists, rows=slice(None)):
    columns = {name: values[rows] for name, values in IMPRESSIONS.items()}
    return pyarrow.table(columns | {name: pyarrow.array(columns[name], type=lists) for name in ("item", "seen")})


def in_pieces(lists):
    """Pieces that were not made from one table, one of them without rows."""
    first, last = as_arrow(lists, slice(0, 2)), as_arrow(lists, slice(2, 6))
    return pyarrow.concat_tables([first, first.slice(2), last])


FRAMES = {
    "pyarrow": lambda: as_arrow(pyarrow.list_(pyarrow.string())),
    "pyarrow in pieces": lambda: in_pieces(pyarrow.list_(pyarrow.string())),
    "pyarrow large": lambda: in_pieces(pyarrow.large_list(pyarrow.large_string())),
    "pyarrow dictionaries": lambda: in_pieces(pyarrow.list_(pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))),
    "pandas": lambda: pandas.DataFrame(IMPRESSIONS),
    "pandas of arrays": lambda: pandas.DataFrame(IMPRESSIONS).assign(
        item=[None if items is None else np.array(items, dtype=object) for items in IMPRESSIONS["item"]]
    ),
    "polars": lambda: polars.DataFrame(IMPRESSIONS),
}


@pytest.fixture(params=FRAMES.values(), ids=FRAMES)
def frame(request):
    return request.param()


def exploded():
    """What `IMPRESSIONS` are by hand, one row per item."""
    return Interactions.from_arrays(
        [7, 7, 7, 8, 9, 8, 8, None],
        ["cup", "tea", "tea", None, None, "pot", None, "cup"],
        contexts=["a", "a", "b", "b", "c", "a", "a", "d"],
        context_kinds=["x", "x", "y", "y", "x", "x", "x", "x"],
        context_strengths={"y": 0.5},
        timestamps=[1, 1, 2, 3, 4, 5, 5, 6],
        weights=[1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0],
        shown={"a": ["cup", "tea"], "b": ["tea", "mug", "pot"], "c": ["tin"], "d": ["cup"]},
    )


def test_rows_with_lists_of_items_become_a_row_per_item_and_lists_of_a_context_are_united(frame):
    log = Interactions.from_dataframe(frame, context_strengths={"y": 0.5}, **COLUMNS)
    assert_same(log, exploded())
    assert log.bad_rows == {"missing user": 1, "missing item": 3}
    assert_array_equal(log.contexts.shown.toarray(), [[1, 1, 0], [0, 1, 1]])  # the pot of page b is in a bad row
    assert (log.n_shown_unknown, log.n_shown_unknown_contexts) == (2, 2)  # mug, tin; c, d


@pytest.mark.parametrize("name", ["pandas", "pandas of arrays", "polars"])
def test_lists_in_data_frames_do_not_need_pyarrow(monkeypatch, name):
    frame, expected = FRAMES[name](), exploded()
    monkeypatch.setattr(_readers, "pyarrow", None)
    assert_same(Interactions.from_dataframe(frame, context_strengths={"y": 0.5}, **COLUMNS), expected)


def test_parquet_with_lists_is_what_the_data_frame_is(tmp_path):
    table = FRAMES["pyarrow"]()
    for name, part in {"1": table.slice(0, 3), "2": table.slice(3)}.items():
        pyarrow.parquet.write_table(part, tmp_path / f"{name}.parquet")
    assert_same(Interactions.from_parquet(tmp_path, context_strengths={"y": 0.5}, **COLUMNS), exploded())


@pytest.mark.parametrize("kind", ["list", "large_list", "fixed", "list_view"])
def test_lists_of_numbers_come_in_every_layout_of_pyarrow(kind):
    make = {
        "list": pyarrow.list_,
        "large_list": pyarrow.large_list,
        "fixed": lambda value: pyarrow.list_(value, 2),
        "list_view": getattr(pyarrow, "list_view", None),
    }[kind]
    if make is None:
        pytest.skip("this pyarrow has no list_view")
    clicks = pyarrow.array([[9, 9], [1, 2], None, [2, 3]], type=make(pyarrow.int16())).slice(1)
    log = Interactions.from_dataframe(pyarrow.table({"user": [1, 2, 3], "item": clicks}))
    assert log.item_labels.tolist() == [1, 2, 3]
    assert_array_equal(log.user_items.toarray(), [[1, 1, 0], [0, 1, 1]])
    assert log.bad_rows == {"missing item": 1}


def test_a_column_without_lists_is_as_it_was_and_a_tuple_is_one_label():
    log = Interactions.from_dataframe(pandas.DataFrame({"user": [1, 2], "item": [("a", 1), ("b", 2)]}))
    assert log.item_labels.tolist() == [("a", 1), ("b", 2)]


def test_the_first_bad_row_is_named_as_the_frame_counts():
    frame = pandas.DataFrame({"user": [1, 2, 3], "item": [[1, 2, 3], [4], []]})
    with pytest.raises(ValueError, match=re.escape("1 bad rows of 5 (missing item 1); the first is row 2, counted")):
        Interactions.from_dataframe(frame, on_bad_rows="raise")


@pytest.mark.parametrize("given", [SHOWN, "matrix"])
def test_csv_parquet_and_frames_take_a_mapping_or_a_matrix_and_kinds(tmp_path, given):
    items = [{"cup": 1, "tea": 2, "pot": 3, "mug": 4, "jar": 5}[item] for item in ITEMS]
    numbers = {page: [["", "cup", "tea", "pot", "mug", "jar"].index(item) for item in SHOWN[page]] for page in SHOWN}
    shown = numbers
    if given == "matrix":
        rows, columns = zip(*[(page, item) for page, seen in numbers.items() for item in seen], strict=True)
        shown = scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)))
    table = pyarrow.table({"user": USERS, "item": items, "page": PAGES, "kind": KINDS})
    pyarrow.csv.write_csv(table, tmp_path / "log.csv")
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    options = {"context": "page", "context_kind": "kind", "context_strengths": {"search": 0.2}, "shown": shown}
    expected = Interactions.from_arrays(
        USERS, items, contexts=PAGES, context_kinds=KINDS, context_strengths={"search": 0.2}, shown=numbers
    )
    assert_array_equal(expected.contexts.shown.toarray(), [[1, 1, 1], [1, 0, 0]])
    assert_same(Interactions.from_csv(tmp_path / "log.csv", **options), expected)
    assert_same(Interactions.from_parquet(tmp_path / "log.parquet", **options), expected)
    assert_same(Interactions.from_dataframe(table, **options), expected)


def test_real_impressions_are_read_with_what_was_in_view(data_folder):
    path = data_folder / "ebnerd_behaviors.parquet"
    roles = {
        "user": "user_id", "item": "article_ids_clicked", "context": "impression_id", "shown": "article_ids_inview",
        "timestamp": "impression_time",
    }  # fmt: skip
    log = Interactions.from_parquet(path, **roles)
    rows = pyarrow.parquet.read_table(path).to_pylist()
    clicked = {item for row in rows for item in row["article_ids_clicked"]}
    in_view = {item for row in rows for item in row["article_ids_inview"]}
    assert log.n_rows == sum(len(row["article_ids_clicked"]) for row in rows) == 1047
    assert set(log.item_labels.tolist()) == clicked
    assert log.n_shown_unknown == len(in_view - clicked) == 827
    assert log.n_shown_unknown_contexts == 0
    for number in (0, 500, 1045):
        page = log.contexts.shown[[log.contexts.labels.tolist().index(rows[number]["impression_id"])]]
        assert set(log.item_labels[page.indices]) == set(rows[number]["article_ids_inview"]) & clicked
    frame = pandas.read_parquet(path)
    assert_same(Interactions.from_dataframe(frame, **roles), log)
    train, test = leave_one_out(log, by="time")
    assert len(train.contexts.users) + len(test.contexts.users) == 1047
    assert test.contexts.shown is log.contexts.shown


# ---- the summary ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        ({}, "2 contexts; 1 row without one."),
        ({"context_strengths": 0.2}, "2 contexts of strength 0.2; 1 row without one."),
        ({"contexts": [1, 1, 1, 1, 2]}, "2 contexts."),
        ({"contexts": [None] * 5}, "0 contexts; 5 rows without one."),
        (
            {"contexts": [1, 2, 3, 4, 4], "context_kinds": ["a", "b", "b", None, None], "context_strengths": {"b": 0}},
            "4 contexts: 2 b (strength 0), 1 of no kind (strength 1), 1 a (strength 1).",
        ),
        (
            {"contexts": [1, 2, 3, 4, 5], "shown": {1: ["cup"], 2: ["tea", "pot"]}},
            "5 contexts. What was shown is known of 2 of them.",
        ),
        (
            {"shown": SHOWN},
            "2 contexts; 1 row without one. What was shown is known of 2 of them; 2 shown items and 1 context in no "
            "good row left out.",
        ),
    ],
)
def test_the_summary_tells_of_contexts(options, sentences):
    summary = tea_shop(**options).summary()
    assert summary.split("repeated a user and item. ")[1] == sentences


def test_the_summary_tells_of_a_few_kinds_only():
    log = Interactions.from_arrays([1] * 20, range(20), contexts=range(20), context_kinds=range(20))
    assert "20 contexts: 1 0 (strength 1), 1 1 (strength 1)" in log.summary()
    assert "and of 12 more kinds." in log.summary()


def test_the_summary_of_a_part_tells_of_its_own_contexts():
    log = Interactions.from_arrays(
        ["a", "a", "b"], [1, 2, 1], contexts=["p", "q", "p"], context_kinds=["x", "y", "x"], shown={"p": [1], "q": [2]}
    )
    train, test = leave_one_out(log, random_state=0)
    assert [part.n_rows for part in (train, test)] == [2, 1]
    texts = {part.summary().split("item. ", 1)[1] for part in (train, test)}
    one = {f"1 context: 1 {kind} (strength 1). What was shown is known of 1 of them." for kind in "xy"}
    both = "2 contexts: 1 x (strength 1), 1 y (strength 1). What was shown is known of 2 of them."
    assert texts <= one | {both}
    assert texts & one


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"contexts": None, "shown": SHOWN}, ValueError, "shown must come with contexts, got contexts=None."),
        ({"contexts": None, "context_kinds": KINDS}, ValueError, "context_kinds must come with contexts, got"),
        ({"contexts": None, "context_strengths": 0.2}, ValueError, "context_strengths must come with contexts, got"),
        ({"context_kinds": ["a"]}, ValueError, "context_kinds must have one entry per row, 5 as users have, got 1."),
        ({"context_strengths": 1.5}, ValueError, "context_strengths must be a number from 0 to 1, got 1.5."),
        ({"context_strengths": -0.1}, ValueError, "context_strengths must be a number from 0 to 1, got -0.1."),
        ({"context_strengths": float("nan")}, ValueError, "context_strengths must be a number from 0 to 1, got nan."),
        ({"context_strengths": "all"}, TypeError, "context_strengths must be None, a number from 0 to 1, or a mapping"),
        ({"context_strengths": True}, TypeError, "or a mapping from kinds of contexts to such numbers, got True."),
        ({"context_strengths": [1, 1]}, TypeError, "or a mapping from kinds of contexts to such numbers, got [1, 1]."),
        (
            {"context_strengths": {"search": 0.2}},
            ValueError,
            "context_strengths must be None or a number from 0 to 1 without context_kinds, got a mapping.",
        ),
        (
            {"context_kinds": KINDS, "context_strengths": {"search": 0.2, "serch": 1}},
            ValueError,
            "context_strengths must name kinds that occur, 'trending', 'search', got 'serch'.",
        ),
        (
            {"context_kinds": [None] * 5, "context_strengths": {"search": 0.2}},
            ValueError,
            "context_strengths must name kinds that occur, of which there are none, got 'search'.",
        ),
        (
            {"context_kinds": KINDS, "context_strengths": {"search": 2}},
            ValueError,
            "context_strengths['search'] must be a number from 0 to 1, got 2.",
        ),
        (
            {"context_kinds": KINDS, "context_strengths": {"search": None}},
            TypeError,
            "context_strengths['search'] must be a number from 0 to 1, got None.",
        ),
        (
            {"shown": [["cup"]] * 5},
            TypeError,
            "shown must be a mapping from labels of contexts to lists of item labels",
        ),
        ({"shown": np.eye(3)}, TypeError, "or a SciPy sparse matrix, got ndarray."),
        ({"shown": "seen"}, TypeError, "got 'seen'. A column of lists can be read from Parquet files and data frames."),
        ({"shown": {10: "cup"}}, TypeError, "shown[10] must be a list of item labels, got 'cup'."),
        ({"shown": {10: {"cup": 1}}}, TypeError, "shown[10] must be a list of item labels, got {'cup': 1}."),
        ({"shown": {10: np.array([["cup"]])}}, TypeError, "shown[10] must be a list of item labels, got an array of"),
        ({"shown": {10: [["cup"]]}}, TypeError, "shown must be one-dimensional, of labels such as strings"),
        ({"shown": {}}, ValueError, "shown must have at least one item that was shown, got none."),
        ({"shown": {10: []}}, ValueError, "shown must have at least one item that was shown, got none."),
        (
            {"shown": {10: [1, 2], 20: [3]}},
            ValueError,
            "shown must have item labels that are in the log, got 3 of which none is. The first is 1, and the first of "
            "the log 'cup'. Use the same ids, of the same type.",
        ),
        (
            {"shown": {"home": ["cup"]}},
            ValueError,
            "shown must have context labels that are in the log, got 1 of which none is. The first is 'home', and the "
            "first of the log 10.",
        ),
        (
            {"contexts": [None] * 5, "shown": SHOWN},
            ValueError,
            "shown must have context labels that are in the log, got 3 of which none is. The first is 10. Use",
        ),
        ({"shown": scipy.sparse.csr_array(np.eye(20) * np.nan)}, ValueError, "shown must hold finite values, got nan"),
        ({"shown": scipy.sparse.csr_array(-np.eye(20))}, ValueError, "shown must hold values >= 0, got -1"),
        ({"shown": scipy.sparse.csr_array(np.eye(2) * 1j)}, TypeError, "shown must hold real numbers, got dtype"),
    ],
)
def test_what_cannot_be_is_refused_by_a_sentence(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        tea_shop(**options)


def test_a_broken_matrix_of_what_was_shown_is_refused():
    broken = scipy.sparse.csr_array(np.eye(3))
    broken.indices[1] = 2_000_000_000
    with pytest.raises(ValueError, match="shown must be a valid CSR matrix"):
        tea_shop(shown=broken)


@pytest.mark.parametrize(
    ("changed", "options", "error", "message"),
    [
        ({}, {"context": None}, ValueError, "context_kind must come with context, got context=None."),
        ({}, {"context": None, "context_kind": None}, ValueError, "shown must come with context, got context=None."),
        (
            {},
            {"context_kind": None, "context_strengths": {"y": 1}},
            ValueError,
            "from 0 to 1 without context_kind, got",
        ),
        ({}, {"shown": "sene"}, ValueError, "got 'sene'. Did you mean 'seen'?"),
        ({}, {"shown": 3.5}, TypeError, "or the name of a column of lists of item labels, got float."),
        (
            {"seen": [["cup"], "['tea']"] * 3},
            {},
            TypeError,
            "or None, in every row, got \"['tea']\" in a row.",
        ),
        ({}, {"shown": "time"}, TypeError, "shown must be a column of lists of item labels, got one of int64."),
        ({"seen": [None] * 6}, {}, ValueError, "shown must have at least one item that was shown, got none."),
        ({"item": [["cup"], "tea", [], None, ["a"], []]}, {}, TypeError, "items must have a list of item labels, or"),
        ({"item": [["cup"], 3.5, [], None, ["a"], []]}, {}, TypeError, "got 3.5 in a row. Parse text first"),
        ({"item": [[["cup"]], [], [], [], [], []]}, {}, TypeError, "items must be one-dimensional, of labels such as"),
    ],
)
def test_columns_that_cannot_be_are_refused_by_a_sentence(changed, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Interactions.from_dataframe(pandas.DataFrame(IMPRESSIONS | changed), **(COLUMNS | options))


def test_a_table_without_lists_is_named_by_its_type():
    with pytest.raises(
        TypeError, match=re.escape("shown must be a column of lists of item labels, got one of string.")
    ):
        Interactions.from_dataframe(FRAMES["pyarrow"](), **(COLUMNS | {"shown": "kind"}))


def test_csv_refuses_a_column_of_lists_before_it_is_read():
    with pytest.raises(TypeError, match=r"got 'seen'\. A column of lists can be read from Parquet files"):
        Interactions.from_csv("no such file", context="page", shown="seen")


def test_no_input_is_changed():
    shown = {page: np.array(items) for page, items in SHOWN.items()}
    kinds, strengths = np.array(KINDS, dtype=object), {"search": 0.2}
    for array in (*shown.values(), kinds):
        array.flags.writeable = False
    log = tea_shop(context_kinds=kinds, context_strengths=strengths, shown=shown)
    log.contexts.kinds[:] = "changed"
    assert kinds.tolist() == KINDS
    assert strengths == {"search": 0.2}
    assert list(shown) == list(SHOWN)


def test_a_log_aligned_to_another_keeps_weights_and_what_was_shown():
    log = Interactions.from_arrays(
        ["u", "v", "w"], ["a", "b", "c"], contexts=["p", "p", "q"], weights=[1, 2, 3],
        shown={"p": ["a", "b", "c"], "q": ["c"]},
    )  # fmt: skip
    other = Interactions.from_arrays(["v", "u"], ["c", "a"])
    aligned = log.aligned_to(other)
    assert aligned.contexts.users.tolist() == [1]
    assert aligned.contexts.weights.tolist() == [1]
    assert aligned.contexts.shown.toarray().tolist() == [[1, 1], [1, 0]]
