"""Feature matrices: what columns become, of which rows, what is reported, and what files keep."""

import json
import math
import os

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, Interactions, ModelFileError
from fastbpr.features import FeatureMatrix, Features

ITEMS = {
    "item": ["tea", "cup", "saw", "hat"],
    "category": ["food", "ware", "tool", None],
    "genres": [["hot", "green"], ["hot"], [], None],
    "title": ["Green TEA, green", "A cup", "", None],
    "price": [2.0, 4.0, None, 9.0],
    "image": [[1.0, 0.0], None, [0.0, 2.0], [3.0, 4.0]],
}
ALL = {
    "categorical": "category",
    "lists": "genres",
    "text": "title",
    "numeric": "price",
    "embeddings": "image",
    "normalize": "shares",
}
FRAMES = {
    "mapping": dict,
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
    "pyarrow": pyarrow.table,
}


def one(values, rows=None, **columns):
    """The dense matrix of one column "c" of items 0, 1, ..."""
    frame = {"item": np.arange(len(values)), "c": values}
    return Features(**{"normalize": "shares"} | columns).fit_transform(frame, rows).toarray()


# ---- kinds of columns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_kind_of_column_of_every_kind_of_frame(frame):
    matrix = Features(**ALL).fit_transform(frame(ITEMS))
    names = ["category=food", "category=ware", "category=tool", "genres=hot", "genres=green"]
    names += ["title=green", "title=tea", "title=a", "title=cup", "price", "image[0]", "image[1]"]
    assert matrix.feature_names.tolist() == names
    assert matrix.row_labels.tolist() == ITEMS["item"]
    mean, deviation = 5, math.sqrt((9 + 1 + 16) / 3)
    expected = [
        [1, 0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0, (2 - mean) / deviation, 1, 0],
        [0, 1, 0, 1, 0, 0, 0, 0.5, 0.5, (4 - mean) / deviation, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, (9 - mean) / deviation, 3, 4],
    ]
    assert_allclose(matrix.toarray(), expected, rtol=1e-6)
    assert {name: column.n_missing for name, column in matrix.report.columns.items()} == {
        "category": 1, "genres": 2, "title": 2, "price": 1, "image": 1,
    }  # fmt: skip


def test_a_matrix_is_canonical_csr_of_float32():
    matrix = Features(**ALL).fit_transform(ITEMS).matrix
    assert type(matrix) is scipy.sparse.csr_array
    assert matrix.dtype == np.float32
    assert matrix.indices.dtype == matrix.indptr.dtype == np.int32
    assert matrix.has_canonical_format
    assert matrix.data.all()


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([3, 1, 3], ["c=3", "c=1"]),
        ([3.0, np.nan, 1.0], ["c=3", "c=1"]),
        ([0.5, 1.0, 0.5], ["c=0.5", "c=1.0"]),
        ([True, False, True], ["c=True", "c=False"]),
        (np.array(["2020-01-02", "2019-01-01"], dtype="datetime64[D]"), ["c=2020-01-02", "c=2019-01-01"]),
        (np.array([36, 25], dtype="timedelta64[h]"), ["c=129600000000000 nanoseconds", "c=90000000000000 nanoseconds"]),
        ([("a", 1), ("a", 2)], ["c=('a', 1)", "c=('a', 2)"]),
        (["b", "", "a"], ["c=b", "c=a"]),
    ],
)
def test_categories_are_labels_of_any_type_in_first_seen_order(engine, values, names):
    features = Features(categorical="c").fit({"item": np.arange(len(values)), "c": values})
    assert features.feature_names.tolist() == names


def test_a_separator_divides_texts_without_blanks_and_empty_parts(engine):
    matrix = Features(normalize="shares", lists={"c": "|"}).fit_transform(
        {"item": [1, 2, 3], "c": ["a | b||a", "|", "b"]}
    )
    assert matrix.feature_names.tolist() == ["c=a", "c=b"]
    assert_array_equal(matrix.toarray(), [[0.5, 0.5], [0, 0], [0, 1]])
    assert matrix.report.columns["c"].n_missing == 1


def test_words_are_lower_cased_runs_of_letters_and_digits(engine):
    texts = ["Women's T-Shirt, 2 pcs", "GRÜNE Vögel_und 茶", "'quoted'"]
    features = Features(normalize="shares", text="c").fit({"item": [1, 2, 3], "c": texts})
    words = ["women's", "t", "shirt", "2", "pcs", "grüne", "vögel", "und", "茶", "quoted"]
    assert features.feature_names.tolist() == [f"c={word}" for word in words]


def test_a_column_of_lists_may_be_missing_altogether():
    for nothing in ([None, None], np.array([np.nan, np.nan]), pyarrow.nulls(2), [[], []]):
        frame = {"item": [1, 2], "c": nothing, "d": ["x", "y"]}
        matrix = Features(normalize="shares", lists="c", categorical="d").fit_transform(frame)
        assert matrix.report.columns["c"].n_missing == 2
        assert matrix.shape == (2, 2)


def test_the_key_may_be_a_feature():
    assert_array_equal(Features(categorical="item").fit_transform({"item": [7, 5]}).toarray(), np.eye(2))


def test_min_count_counts_rows_of_all_columns_or_those_named():
    frame = {"item": [1, 1, 2, 3], "c": ["a", "a", "b", "b"], "d": ["x", "x", "x", "y"]}
    both = Features(categorical=["c", "d"], min_count=2)
    assert both.fit(frame).feature_names.tolist() == ["c=b", "d=x"]
    named = Features(categorical=["c", "d"], min_count={"c": 2})
    assert named.fit(frame).feature_names.tolist() == ["c=b", "d=x", "d=y"]


def test_indicators_are_ones_unless_they_are_to_be_shares():
    frame = {"item": [0, 1], "c": [["a", "b", "a"], ["b"]]}
    assert_array_equal(Features(lists="c").fit_transform(frame).toarray(), [[1, 1], [0, 1]])


def test_weights_multiply_all_features_of_a_column():
    matrix = Features(**ALL, weights={"genres": 2, "image": 0.5, "price": 3}).fit_transform(ITEMS).toarray()
    plain = Features(**ALL).fit_transform(ITEMS).toarray()
    assert_allclose(matrix, plain * [1, 1, 1, 2, 2, 1, 1, 1, 1, 3, 0.5, 0.5], rtol=1e-6)


# ---- numbers --------------------------------------------------------------------------------------------------------


def test_numbers_have_mean_0_and_deviation_1_with_the_statistics_of_fit():
    rng = np.random.default_rng(0)
    features = Features(numeric="c")
    values = one(rng.normal(50, 9, 1000), numeric="c")
    assert abs(values.mean()) < 1e-6
    assert values.std() == pytest.approx(1, rel=1e-5)
    features.fit({"item": [1, 2], "c": [10, 20]})
    assert_array_equal(features.transform({"item": [8, 9], "c": [20, 30]}).toarray(), [[1], [3]])


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1.5e308])
def test_numbers_near_the_ends_of_float64_are_standardised(scale):
    assert_allclose(one([-scale, scale, np.nan], numeric="c"), [[-1], [1], [0]], rtol=1e-6)


def test_a_number_that_is_infinite_is_missing():
    matrix = Features(numeric="c").fit_transform({"item": [1, 2, 3], "c": [1, 3, math.inf]})
    assert_array_equal(matrix.toarray(), [[-1], [1], [0]])
    assert matrix.report.columns["c"].n_missing == 1


def test_a_constant_number_is_0_also_where_it_changes_later():
    features = Features(numeric="c", categorical="d")
    matrix = features.fit_transform({"item": [1, 2], "c": [0.1, 0.1], "d": ["x", "x"]})
    assert matrix.report.columns["c"].constant == ["c"]
    assert matrix.report.columns["d"].constant == ["d=x"]
    assert "1 feature the same in all rows of fit: c" in str(matrix.report)
    assert features.transform({"item": [3], "c": [7], "d": ["x"]}).toarray().tolist() == [[1, 0]]


def test_bins_hold_as_many_rows_each_and_their_lower_ends():
    values = np.random.default_rng(0).permutation(100)
    matrix = one(values, numeric="c", bins=4)
    assert_array_equal(matrix.sum(axis=0), [25, 25, 25, 25])
    features = Features(numeric="c", bins=2).fit({"item": [1, 2, 3, 4], "c": [1, 2, 3, 4]})
    assert features.feature_names.tolist() == ["c < 3", "c >= 3"]
    later = features.transform({"item": [1, 2, 3, 4], "c": [-9, 3, 99, None]})
    assert_array_equal(later.toarray(), [[1, 0], [0, 1], [0, 1], [0, 0]])


def test_bins_between_equal_quantiles_are_one():
    features = Features(numeric="c", bins=10).fit({"item": np.arange(6), "c": [0, 0, 0, 0, 0, 7]})
    assert features.feature_names.tolist() == ["c < 7", "c >= 7"]
    features = Features(numeric="c", bins=4).fit({"item": np.arange(6), "c": [0, 0, 0, 1, 2, 3]})
    assert features.feature_names.tolist() == ["c < 1", "1 <= c < 2", "c >= 2"]
    constant = Features(numeric="c", bins=10).fit_transform({"item": [1, 2], "c": [5, 5]})
    assert constant.report.columns["c"].constant == constant.feature_names.tolist() == ["c known"]


def test_bins_are_for_the_columns_named():
    frame = {"item": [1, 2], "c": [1.0, 2.0], "d": [1.0, 2.0]}
    assert Features(numeric=["c", "d"], bins={"d": 2}).fit(frame).feature_names.tolist() == ["c", "d < 2", "d >= 2"]


# ---- vectors --------------------------------------------------------------------------------------------------------


VECTORS = [[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "values",
    [
        VECTORS,
        np.array(VECTORS),
        np.array(VECTORS, dtype=np.float16),
        list(np.array(VECTORS)),
        polars.Series(VECTORS),
        polars.Series(VECTORS, dtype=polars.Array(polars.Float32, 2)),
        pyarrow.array(VECTORS, pyarrow.list_(pyarrow.float32(), 2)),
        pandas.Series(VECTORS),
    ],
    ids=["lists", "array", "half floats", "arrays", "polars lists", "polars arrays", "pyarrow", "pandas"],
)
def test_vectors_are_taken_as_they_are(values):
    assert_array_equal(one(values, embeddings="c"), VECTORS)
    beside = Features(embeddings="c").fit_transform({"item": [2, 1, 0]}, [0, 1, 2], embeddings={"c": values})
    assert_array_equal(beside.toarray(), VECTORS[::-1])


def test_scaled_vectors_have_norm_1_on_average_with_the_scale_of_fit():
    features = Features(embeddings="c", scale_embeddings=True)
    matrix = features.fit_transform({"item": [1, 2, 3], "c": VECTORS})
    assert np.linalg.norm(matrix.toarray(), axis=1).mean() == pytest.approx(1)
    assert_allclose(features.transform({"item": [9], "c": [[8, 0]]}).toarray(), [[3, 0]], rtol=1e-6)


def test_rows_without_a_vector_have_zeros_and_are_counted():
    matrix = Features(embeddings="c").fit_transform({"item": [1, 2], "c": [None, [1, 2]]})
    assert_array_equal(matrix.toarray(), [[0, 0], [1, 2]])
    later = Features(embeddings="c").fit({"item": [1], "c": [[1, 2]]}).transform({"item": [3], "c": [None]})
    assert_array_equal(later.toarray(), [[0, 0]])
    assert matrix.report.columns["c"].n_missing == later.report.columns["c"].n_missing == 1


# ---- rows and lines -------------------------------------------------------------------------------------------------


def test_rows_are_those_asked_for_in_their_order_and_empty_without_a_line(engine):
    matrix = Features(categorical="c").fit_transform({"item": [5, 9, 7], "c": ["x", "y", "z"]}, rows=[7, 1, 5])
    assert matrix.feature_names.tolist() == ["c=x", "c=z"]  # nothing is learned from lines of other rows
    assert_array_equal(matrix.toarray(), [[0, 1], [0, 0], [1, 0]])
    assert matrix.report.rows_without_line.tolist() == [1]
    assert matrix.report.n_rows_without_line == matrix.report.n_lines_of_others == 1
    assert repr(matrix) == "FeatureMatrix(3 rows, 2 features, 2 entries; 1 row without a line)"


def test_rows_of_a_log_are_found_by_label():
    for users in (["b", "a", "c"], [20, 10, 30], np.array(["2020-01-02", "2020-01-01", "2020-01-03"], "M8[D]")):
        log = Interactions.from_arrays(users, ["item"] * 3)
        frame = {"user": users[::-1], "c": ["third", "second", "first"]}
        matrix = Features(categorical="c", key="user").fit_transform(frame, rows=log.user_labels)
        assert matrix.report.n_rows_without_line == 0
        assert matrix.feature_names[matrix.matrix.indices].tolist() == ["c=first", "c=second", "c=third"]


def test_the_order_of_lines_changes_the_order_of_features_only():
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"item": rng.integers(0, 20, 99), "c": rng.integers(0, 9, 99), "d": rng.normal(size=99)})
    features = [Features(categorical="c", numeric="d") for _ in range(2)]
    one, other = (
        builder.fit_transform(lines, rows=np.arange(20))
        for builder, lines in zip(features, (frame, frame.sample(frac=1, random_state=1)), strict=True)
    )
    order = [other.feature_names.tolist().index(name) for name in one.feature_names]
    assert_allclose(one.toarray(), other.toarray()[:, order], atol=1e-6)


def test_lines_of_one_row_are_merged():
    frame = {
        "item": [1, 2, 1, 1],
        "tag": ["a", "a", "b", "a"],
        "price": [1.0, 5.0, None, 3.0],
        "image": [[1, 1], [2, 2], [3, 5], None],
    }
    matrix = Features(normalize="shares", categorical="tag", numeric="price", embeddings="image").fit_transform(frame)
    assert_allclose(matrix.toarray(), [[0.5, 0.5, -1, 2, 3], [1, 0, 1, 2, 2]], rtol=1e-6)
    assert matrix.report.n_lines_merged == 2
    assert matrix.report.columns["tag"].n_several == 1


def test_a_number_that_lines_repeat_stays_exactly_what_it_is():
    frame = {"item": [1] * 3 + [2] * 7 + [3] * 11, "c": [0.1] * 10 + [0.7] * 11}
    features = Features(numeric="c", bins=2).fit(frame)
    assert_array_equal(
        features.transform({"item": [1, 2], "c": [0.7, np.nextafter(0.7, 0)]}).toarray(), np.eye(2)[::-1]
    )


def test_a_line_without_a_key_is_left_out_and_counted():
    matrix = Features(categorical="c").fit_transform({"item": ["a", None, ""], "c": ["x", "y", "z"]})
    assert matrix.feature_names.tolist() == ["c=x"]
    assert matrix.report.n_lines_without_key == 2


def test_without_a_key_lines_are_rows():
    matrix = Features(categorical="c", key=None).fit_transform({"c": np.array(["b", "a", "b"])})
    assert matrix.row_labels is None
    assert_array_equal(matrix.toarray(), [[1, 0], [0, 1], [1, 0]])


def test_unseen_values_are_left_out_and_reported_with_those_in_most_rows_first(engine):
    features = Features(normalize="shares", lists="c").fit({"item": [1], "c": [["a", "b"]]})
    matrix = features.transform({"item": [1, 2, 3], "c": [["a", "y", "z"], ["z"], ["b", "a"]]})
    assert_array_equal(matrix.toarray(), [[1, 0], [0, 0], [0.5, 0.5]])
    report = matrix.report.columns["c"]
    assert (report.n_unseen, report.n_rows_unseen, report.unseen) == (2, 2, [("z", 2), ("y", 1)])
    assert "2 values in 2 rows left out, unknown from fit or too rare there: 'z' (2), 'y' (1)." in str(matrix.report)


def test_values_of_another_type_are_found_where_they_mean_the_same():
    features = Features(categorical="c").fit({"item": [1, 2], "c": [5, 3]})
    for values in (["3", "5.0"], [3.0, 5.0], np.array([3, 5], np.uint8)):
        assert_array_equal(features.transform({"item": [1, 2], "c": values}).toarray(), [[0, 1], [1, 0]])


def test_fit_transform_is_fit_and_transform():
    matrix = Features(**ALL).fit_transform(ITEMS, rows=["saw", "new", "cup"])
    twice = Features(**ALL).fit(ITEMS, rows=["saw", "new", "cup"]).transform(ITEMS, rows=["saw", "new", "cup"])
    assert_array_equal(matrix.toarray(), twice.toarray())
    assert_array_equal(matrix.feature_names, twice.feature_names)
    assert str(matrix.report) == str(twice.report)


def test_a_frame_without_lines_gives_empty_rows():
    features = Features(**ALL).fit(ITEMS)
    matrix = features.transform({name: [] for name in ITEMS}, rows=["new"])
    assert matrix.shape == (1, features.n_features)
    assert matrix.matrix.nnz == 0
    assert matrix.report.n_rows_without_line == 1


def test_inputs_are_never_modified():
    frame = {name: pandas.Series(column) for name, column in ITEMS.items()}
    frame["image"] = np.ones((4, 2), dtype=np.float32)
    vectors = frame["image"].copy()
    Features(**ALL, scale_embeddings=True, weights={"image": 9}).fit_transform(frame)
    assert_array_equal(frame["image"], vectors)
    assert frame["genres"].tolist() == ITEMS["genres"]


# ---- against a slow twin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_indicators_are_what_dicts_would_make_of_them(engine, seed):
    rng = np.random.default_rng(seed)
    n_lines = [1, 10, 300, 3001][seed]
    items = rng.integers(0, 50, n_lines).tolist()
    lists = [[f"v{value}" for value in rng.zipf(1.5, rng.integers(0, 5)) % 40] for _ in range(n_lines)]
    lists[0] = ["v1"]
    rows = [items[0], *(row for row in rng.permutation(60).tolist() if row != items[0])][:40]

    seen, own = {}, {row: {} for row in rows}
    for item, values in zip(items, lists, strict=True):
        if item in own:
            for value in values:
                own[item][value] = seen.setdefault(value, set()).add(item)
    names = [value for value, holders in seen.items() if len(holders) >= 1 + (seed > 1)]
    expected = np.zeros((len(rows), len(names)))
    for place, row in enumerate(rows):
        known = [value for value in own[row] if value in names]
        for value in known:
            expected[place, names.index(value)] = 1 / len(known)

    for column, kind in ((lists, "c"), (["+".join(values) for values in lists], {"c": "+"})):
        matrix = Features(normalize="shares", lists=kind, min_count=1 + (seed > 1)).fit_transform(
            {"item": items, "c": column}, rows
        )
        assert matrix.feature_names.tolist() == [f"c={name}" for name in names]
        assert_allclose(matrix.toarray(), expected, rtol=1e-6)
    texts = [" ".join(values) for values in lists]
    matrix = Features(normalize="shares", text="c", min_count=1 + (seed > 1)).fit_transform(
        {"item": items, "c": texts}, rows
    )
    assert_allclose(matrix.toarray(), expected, rtol=1e-6)


# ---- matrices side by side ------------------------------------------------------------------------------------------


def test_matrices_side_by_side_have_all_features_and_one_report():
    rows = ["a", "b", "c"]
    one = Features(categorical="c").fit_transform({"item": ["a"], "c": ["x"]}, rows)
    other = Features(categorical="d").fit_transform({"item": ["b", "a"], "d": ["y", "y"]}, rows)
    both = one + other
    assert_array_equal(both.toarray(), np.hstack([one.toarray(), other.toarray()]))
    assert both.feature_names.tolist() == ["c=x", "d=y"]
    assert both.row_labels.tolist() == rows
    assert both.report.rows_without_line.tolist() == [2]
    assert (both.report.n_lines, both.report.n_features, list(both.report.columns)) == (3, 2, ["c", "d"])


def test_plain_matrices_join_those_of_a_frame():
    built = Features(categorical="c").fit_transform({"item": [1, 2], "c": ["x", "y"]})
    for plain in (np.ones((2, 1)), scipy.sparse.coo_matrix(np.ones((2, 1))), [[1], [1]]):
        both = FeatureMatrix.hstack([FeatureMatrix(plain, "image"), built])
        assert_array_equal(both.toarray(), [[1, 1, 0], [1, 0, 1]])
        assert both.matrix.dtype == np.float32
        assert both.row_labels.tolist() == [1, 2]
        assert both.report.n_features == 2


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["b", "Größe", "\ud800"],
        [5, -3, 7],
        [2**63, 1, 2],
        [0.5, 1.25, 3],
        [True, False, True],
        np.array(["2020-01-02", "2019-01-01", "2018-05-05"], dtype="datetime64[D]"),
    ],
    ids=["texts", "integers", "large integers", "floats", "bools", "dates"],
)
def test_loaded_features_encode_as_the_saved_ones_did(tmp_path, values):
    frame = {name: column[:3] for name, column in ITEMS.items()} | {"other": values, "age": [1.5, 2.1, 7.7]}
    options = ALL | {"categorical": ["category", "other"], "numeric": ["price", "age"]}
    features = Features(**options, bins={"age": 3}, weights={"other": 2}, scale_embeddings=True, min_count={"title": 1})
    features.fit(frame)
    features.save(tmp_path / "features")
    loaded = Features.load(tmp_path / "features")
    assert os.listdir(tmp_path) == ["features"]
    assert repr(loaded) == repr(features)
    assert_array_equal(loaded.feature_names, features.feature_names)
    one, other = (builder.transform(frame) for builder in (features, loaded))
    assert_array_equal(one.toarray(), other.toarray())
    assert str(one.report) == str(other.report)


def test_a_column_without_values_is_loaded_as_such(tmp_path):
    features = Features(categorical=["c", "d"]).fit({"item": [1], "c": [None], "d": ["x"]})
    features.save(tmp_path / "features")
    assert Features.load(tmp_path / "features").feature_names.tolist() == ["d=x"]


def test_a_file_has_no_pickle(tmp_path):
    Features(**ALL).fit(ITEMS).save(tmp_path / "features.npz")
    with np.load(tmp_path / "features.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
        assert json.loads(file["header"].tobytes())["format"] == "fastbpr features"


def test_files_of_features_and_of_models_are_told_apart(tmp_path, model):
    Features(**ALL).fit(ITEMS).save(tmp_path / "features")
    model.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"path must be a model written by fastbpr, but .* another kind of file"):
        BPR.load(tmp_path / "features")
    with pytest.raises(
        ModelFileError, match=r"path must be a file of features written by fastbpr, but .* another kind"
    ):
        Features.load(tmp_path / "model")


@pytest.mark.parametrize("damage", ["cut", "vocabulary", "columns", "version"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "features.npz"
    Features(**ALL).fit(ITEMS).save(path)
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files}
    header = json.loads(parts["header"].tobytes())
    if damage == "vocabulary":
        del parts["vocabulary_1.text"], parts["vocabulary_1.ends"]
    if damage == "columns":
        header["columns"].pop()
    if damage == "version":
        header["version"] = 99
    parts["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, **parts)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="path must be a file of features"):
        Features.load(path)


# ---- real data ------------------------------------------------------------------------------------------------------


def test_genres_and_titles_of_films(data_folder):
    with np.load(data_folder / "ml_latest_small.npz") as data:
        films = {name: data[name] for name in ("movieId", "title", "genres")}
        log = Interactions.from_arrays(data["user"], films["movieId"][data["item"]])
    features = Features(normalize="shares", lists={"genres": "|"}, text="title", key="movieId", min_count={"title": 5})
    matrix = features.fit_transform(films, rows=log.item_labels)
    assert matrix.report.n_rows_without_line == 0
    row = log.item_rows(1)
    named = set(matrix.feature_names[matrix.matrix[[row]].indices])
    genres = {f"genres={genre}" for genre in ("Adventure", "Animation", "Children", "Comedy", "Fantasy")}
    assert named == genres | {"title=toy", "title=story", "title=1995"}
    assert matrix.matrix[[row]].sum() == pytest.approx(2)


def test_descriptions_of_products_are_merged_from_lines_of_invoices(data_folder):
    lines = pandas.read_parquet(
        data_folder / "online_retail.parquet", columns=["StockCode", "Description", "UnitPrice"]
    )
    matrix = Features(
        normalize="shares", text="Description", numeric="UnitPrice", bins=5, key="StockCode"
    ).fit_transform(lines)
    assert matrix.report.n_lines_merged == len(lines) - lines["StockCode"].nunique()
    row = matrix.row_labels.tolist().index("22423")
    words = set(matrix.feature_names[matrix.matrix[[row]].indices])
    assert {"Description=regency", "Description=cakestand"} <= words
