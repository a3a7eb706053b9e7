"""What features say of bad parameters, frames, columns and matrices."""

import re

import numpy as np
import pandas
import polars
import pytest
import scipy.sparse

from fastbpr import NotFittedError
from fastbpr.features import FeatureMatrix, Features

GOOD = {"item": [1, 2], "c": ["x", "y"], "d": ["a", "b"]}


def refused(kind, sentence):
    return pytest.raises(kind, match=re.escape(sentence))


@pytest.mark.parametrize(
    ("parameters", "kind", "sentence"),
    [
        ({}, ValueError, "Features must have at least one column, got none. Name some by categorical, lists, text,"),
        ({"categorical": 3}, TypeError, "categorical must be the name of a column or a list of names, got 3."),
        (
            {"text": ["a", 3]},
            TypeError,
            "text must be the name of a column or a list of names, each a str, got 3 among",
        ),
        ({"text": {"a"}}, TypeError, "text must be the name of a column or a list of names, got {'a'}."),
        (
            {"embeddings": {"a": 1}},
            TypeError,
            "got a mapping. Give arrays to fit and transform: fit(frame, embeddings=",
        ),
        ({"numeric": {"a": 5}}, TypeError, "got a mapping. For ranges use bins={...}."),
        ({"lists": {"a": 5}}, TypeError, "lists must be names of columns, or a mapping of names to separators, each a"),
        ({"lists": {"a": ""}}, ValueError, "lists['a'] must be a separator such as '|', or None for lists, got ''."),
        ({"lists": ["a", "a"]}, ValueError, "lists must name each column once, got 'a' twice."),
        ({"text": ["a", "a"]}, ValueError, "Each column must be named once, got 'a' twice in text."),
        (
            {"text": "a", "categorical": "a"},
            ValueError,
            "Each column must be named once, got 'a' in categorical and in text. To take it both ways, copy it under",
        ),
        ({"text": "a", "key": 1}, TypeError, "key must be the name of a column, or None where lines are rows, got 1."),
        ({"text": "a", "normalize": "sum"}, ValueError, "normalize must be one of 'ones', 'shares', got 'sum'."),
        ({"text": "a", "min_count": 0}, ValueError, "min_count must be an integer >= 1, got 0."),
        ({"text": "a", "min_count": None}, TypeError, "min_count must be an integer >= 1, got None."),
        (
            {"text": "a", "min_count": {"b": 2}},
            ValueError,
            "min_count must name columns that it can be of ('a'), got 'b'",
        ),
        ({"text": "a", "bins": {"a": 2}}, ValueError, "bins must name columns that it can be of (none here), got 'a'."),
        ({"numeric": "a", "bins": 1}, ValueError, "bins must be an integer from 2 to 1024, got 1."),
        ({"numeric": "a", "bins": {"a": 2.0}}, TypeError, "bins['a'] must be an integer from 2 to 1024, got 2.0."),
        (
            {"text": "a", "weights": 2},
            TypeError,
            "weights must be a mapping of names of columns to numbers > 0, got 2.",
        ),
        ({"text": "a", "weights": {"b": 2}}, ValueError, "weights must name columns that it can be of ('a'), got 'b'."),
        ({"text": "a", "weights": {"a": 0}}, ValueError, "weights['a'] must be a finite number > 0"),
        ({"text": "a", "scale_embeddings": 1}, TypeError, "scale_embeddings must be True or False, got 1."),
    ],
)
def test_a_bad_parameter_is_named(parameters, kind, sentence):
    with refused(kind, sentence):
        Features(**parameters)


@pytest.mark.parametrize(
    ("frame", "kind", "sentence"),
    [
        ({"item": [1]}, ValueError, "each of categorical must be one of the columns 'item', got 'c'."),
        ({"c": [1]}, ValueError, "key must be one of the columns 'c', got 'item'."),
        ({"item": [1], "C": [1]}, ValueError, "must be one of the columns 'item', 'C', got 'c'. Did you mean 'C'?"),
        ({"item": [1, 2], "c": [1]}, ValueError, "c must have one entry per line, 2 as item has, got 1."),
        ({"item": [1], "c": "x"}, TypeError, "c must be a one-dimensional array, list or column, one entry per row"),
        ({"item": [1], "c": np.ones((1, 2))}, ValueError, "c must be a one-dimensional array, list or column"),
        (
            {"item": [1], "c": [["x"]]},
            TypeError,
            "c must have one label per line to be categorical, got lists. Name it",
        ),
        ({"item": [1], "c": [{"x": 1}]}, TypeError, "c must be one-dimensional, of labels such as strings, numbers or"),
        ({"item": [1], "c": [None]}, ValueError, "The columns must have at least one value in enough rows, got none"),
        ({"item": [None], "c": ["x"]}, ValueError, "frame must have a line for one row at least, got none."),
        ({"item": [], "c": []}, ValueError, "frame must have a line for one row at least, got none."),
        (
            [1, 2],
            TypeError,
            "frame must be a pandas or polars DataFrame or a pyarrow Table, got list. For arrays use a",
        ),
        (polars.LazyFrame(GOOD), TypeError, "frame must be a DataFrame, got LazyFrame. Compute it first"),
        (pandas.DataFrame([[1, 2, 3]], columns=["item", "c", "c"]), ValueError, "must name one column, got 'c', the"),
    ],
)
def test_a_bad_frame_is_refused(frame, kind, sentence):
    with refused(kind, sentence):
        Features(categorical="c").fit(frame)


@pytest.mark.parametrize(
    ("columns", "values", "kind", "sentence"),
    [
        ({"lists": "c"}, ["a|b", "c"], TypeError, "c must have a list of labels, or None, in every line, got 'a|b' in "
         "one. If a separator divides texts, name it: lists={'c': '|'}."),
        ({"lists": "c"}, [["a"], "c"], TypeError, "c must have a list of labels, or None, in every line, got 'c' in"),
        ({"lists": "c"}, [["a"], {"c"}], TypeError, "c must have a list of labels, or None, in every line, got {'c'}"),
        ({"lists": "c"}, [["a"], [["c"]]], TypeError, "c must be one-dimensional, of labels such as strings"),
        ({"lists": {"c": "|"}}, [["a"], ["b"]], TypeError, "c must be one-dimensional, of labels"),
        ({"lists": {"c": "|"}}, [1, 2], TypeError, "c must have a text, a str, or None in every line, got 1 in one."),
        ({"text": "c"}, [1, 2], TypeError, "c must have a text, a str, or None in every line, got 1 in one. Make"),
        ({"numeric": "c"}, ["a", "b"], TypeError, "c must be numbers, got entries such as 'a'. Convert them first."),
        ({"embeddings": "c"}, [1.0, 2.0], TypeError, "c must be a column of lists of numbers, or an array of shape (n"),
        ({"embeddings": "c"}, [[1], [1, 2]], ValueError, "c must hold vectors of one length, got 1 and 2."),
        ({"embeddings": "c"}, [None, None], ValueError, "c must have a vector in one row at least, got none."),
        ({"embeddings": "c"}, [[1], ["a"]], TypeError, "c must be numbers, got"),
        ({"embeddings": "c"}, np.array([["a"], ["b"]]), TypeError, "c must hold vectors of numbers, got dtype"),
        ({"embeddings": "c"}, np.ones((2, 0)), ValueError, "c must hold vectors of one dimension at least, got shape"),
        ({"embeddings": "c"}, np.array([[1, 2], [3, np.nan]]), ValueError, "c must hold finite numbers that float32 "
         "can hold, got nan (1 such entries, the first in vector 1). Give None, or a row of zeros"),
        ({"embeddings": "c"}, [[1.0], [None]], ValueError, "c must hold finite numbers that float32 can hold, got nan"),
        ({"embeddings": "c"}, np.array([[1], [1e39]]), ValueError, "c must hold finite numbers that float32 can hold"),
        ({"embeddings": "c"}, np.ones((3, 2)), ValueError, "c must have one entry per line, 2 as item has, got 3."),
    ],
)  # fmt: skip
def test_a_bad_column_is_refused(columns, values, kind, sentence):
    with refused(kind, sentence):
        Features(**columns).fit({"item": [1, 2], "c": values})


def test_a_fit_that_fails_leaves_what_was_learned():
    features = Features(categorical="c").fit(GOOD)
    with refused(ValueError, "The columns must have at least one value"):
        features.fit({"item": [1], "c": [None]})
    assert features.feature_names.tolist() == ["c=x", "c=y"]


@pytest.mark.parametrize(
    ("rows", "kind", "sentence"),
    [
        ([1, 1], ValueError, "rows must be distinct labels, got 1 more than once."),
        ([1, None], ValueError, "rows must have a label for every row, got 1 missing."),
        ("ab", TypeError, "rows must be a one-dimensional array, list or column, one entry per row, got 'ab'."),
        ([["a"], ["b"]], TypeError, "rows must be one-dimensional, of labels"),
        ([0.5, 1.5], ValueError, "rows must be labels such as the column 'item' has, got none that is in both: the "
         "first of rows is 0.5, of the column 1. Use the same type."),
    ],
)  # fmt: skip
def test_bad_rows_are_refused(rows, kind, sentence):
    with refused(kind, sentence):
        Features(categorical="c").fit(GOOD).transform(GOOD, rows)


def test_labels_of_another_type_than_the_keys_are_refused():
    features = Features(categorical="c").fit(GOOD)
    with refused(ValueError, "got none that is in both: the first of rows is '1', of the column 1. Use the same type."):
        features.transform(GOOD, rows=["1", "2"])


def test_rows_of_a_frame_without_key_are_refused():
    with refused(ValueError, "rows must be None where key is None, as lines are rows then, got [1, 2]."):
        Features(categorical="c", key=None).fit_transform(GOOD, rows=[1, 2])


def test_vectors_of_another_length_than_in_fit_are_refused():
    features = Features(embeddings="c").fit({"item": [1], "c": [[1, 2]]})
    with refused(ValueError, "c must hold vectors of length 2, as in fit, got 3."):
        features.transform({"item": [1], "c": [[1, 2, 3]]})


def test_a_weight_too_large_for_its_vectors_is_refused():
    features = Features(embeddings="c", weights={"c": 1e10})
    with refused(ValueError, "matrix must hold finite numbers that float32 can hold, got inf."):
        features.fit_transform({"item": [1], "c": [[1e38]]})


def test_bad_arrays_beside_a_frame_are_refused():
    features = Features(categorical="c", embeddings="image")
    with refused(TypeError, "embeddings must be a mapping of names of columns to arrays of shape (n_lines, size), got"):
        features.fit(GOOD, embeddings=np.ones((2, 2)))
    with refused(ValueError, "embeddings must name columns that it can be of ('image'), got 'c'."):
        features.fit(GOOD, embeddings={"c": np.ones((2, 2))})
    with refused(ValueError, "each of embeddings must be one of the columns 'item', 'c', 'd', got 'image'."):
        features.fit(GOOD)


def test_features_that_are_not_fitted_say_so(tmp_path):
    for use in (lambda features: features.transform(GOOD), lambda features: features.save(tmp_path / "features")):
        with refused(NotFittedError, "Features must be fitted first: call fit(frame), or Features.load(path)."):
            use(Features(categorical="c"))


def test_values_that_a_file_cannot_hold_are_refused(tmp_path):
    features = Features(categorical="c").fit({"item": [1, 2], "c": [("a", 1), ("b", 2)]})
    with refused(TypeError, "c must be all numbers or all strings to be saved, got ('a', 1). Convert them."):
        features.save(tmp_path / "features")


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((np.ones(2), "a"), ValueError, "matrix must have two dimensions (n_rows, n_features), got shape (2,)."),
        (([["a"]], "a"), TypeError, "matrix must hold real numbers, got dtype <U1."),
        (([[np.inf]], "a"), ValueError, "matrix must hold finite numbers that float32 can hold, got inf."),
        (([[1e39]], "a"), ValueError, "matrix must hold finite numbers that float32 can hold, got 1e+39."),
        ((np.ones((2, 2)), ["a"]), ValueError, "feature_names must have one name per feature, 2, got 1."),
        ((np.ones((2, 2)), ["a", 1]), TypeError, "feature_names must be strings, got 1."),
        ((np.ones((2, 2)), 5), TypeError, "feature_names must be a str or a sequence of them, got 5."),
        ((np.ones((2, 2)), "a", [1]), ValueError, "row_labels must have one label per row, 2, got 1."),
        ((np.ones((2, 2)), "a", [1, 1]), ValueError, "row_labels must be distinct labels, got 1 more than once."),
    ],
)
def test_a_bad_matrix_is_refused(arguments, kind, sentence):
    with refused(kind, sentence):
        FeatureMatrix(*arguments)


@pytest.mark.parametrize(
    ("other", "kind", "sentence"),
    [
        (FeatureMatrix(np.ones((3, 1)), "b"), ValueError, "matrices must have the same rows, got 2 and 3."),
        (
            FeatureMatrix(np.ones((2, 1)), "a"),
            ValueError,
            "matrices must have features of different names, got 'a[0]' in",
        ),
        (
            FeatureMatrix(np.ones((2, 1)), "b", ["y", "x"]),
            ValueError,
            "matrices must have the same row labels in the same order, got others. Make them with the same rows=.",
        ),
        (
            scipy.sparse.csr_array(np.ones((2, 1))),
            TypeError,
            "matrices must be a list of FeatureMatrix, got a csr_array.",
        ),
    ],
)
def test_matrices_that_do_not_fit_are_not_put_side_by_side(other, kind, sentence):
    with refused(kind, sentence):
        FeatureMatrix.hstack([FeatureMatrix(np.ones((2, 1)), "a", ["x", "y"]), other])


def test_nothing_is_not_put_side_by_side():
    with refused(ValueError, "matrices must have at least one FeatureMatrix, got none."):
        FeatureMatrix.hstack([])
    with refused(TypeError, "matrices must be a list of FeatureMatrix"):
        FeatureMatrix.hstack(FeatureMatrix(np.ones((2, 1)), "a"))
    with pytest.raises(TypeError, match="unsupported operand"):
        FeatureMatrix(np.ones((2, 1)), "a") + 1
