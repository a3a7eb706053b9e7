"""`fastbpr.compat.lightfm.cross_validation`."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr.compat.lightfm.cross_validation import random_train_test_split


@pytest.fixture
def interactions():
    return scipy.sparse.random(40, 30, 0.2, random_state=0, format="csr")


def cells(matrix):
    return set(zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True))


@pytest.mark.parametrize("test_percentage", [0, 0.2, 0.5, 0.8, 1])
def test_the_parts_are_disjoint_and_everything_together(interactions, test_percentage):
    train, test = random_train_test_split(interactions, test_percentage)
    assert train.format == test.format == "coo"
    assert train.shape == test.shape == interactions.shape
    assert train.dtype == test.dtype == interactions.dtype
    assert not cells(train) & cells(test)
    assert cells(train) | cells(test) == cells(interactions.tocoo())
    assert test.nnz == pytest.approx(test_percentage * interactions.nnz, abs=1)


def test_a_seed_gives_the_split_that_it_gave_in_lightfm():
    """A known answer: NumPy promises that RandomState stays as it is."""
    train, test = random_train_test_split(scipy.sparse.coo_matrix(np.ones((1, 10))), 0.3, random_state=0)
    assert train.col.tolist() == [2, 8, 4, 9, 1, 6, 7]
    assert test.col.tolist() == [3, 0, 5]


def test_weights_in_the_same_order_are_split_alike(interactions):
    weights = interactions.copy()
    weights.data = np.arange(weights.nnz) + 1
    parts = random_train_test_split(interactions, random_state=3)
    parts_of_weights = random_train_test_split(weights, random_state=np.random.RandomState(3))
    for part, weighted in zip(parts, parts_of_weights, strict=True):
        assert_array_equal(part.row, weighted.row)
        assert_array_equal(part.col, weighted.col)
        assert weighted.dtype == weights.dtype


def test_the_caller_s_matrix_stays_as_it_was(interactions):
    matrix = interactions.tocoo()
    before = matrix.copy()
    for part in random_train_test_split(matrix, random_state=0):
        part.data[:] = 7
    for name in ("row", "col", "data"):
        assert_array_equal(getattr(matrix, name), getattr(before, name))


def test_bad_arguments_are_refused(interactions):
    with pytest.raises(ValueError, match="interactions must be a SciPy sparse matrix, got ndarray"):
        random_train_test_split(interactions.toarray())
    with pytest.raises(ValueError, match="test_percentage must be a finite number >= 0 and <= 1, got 20"):
        random_train_test_split(interactions, 20)
    with pytest.raises(ValueError, match="random_state must be an integer from 0 to 4294967295, got -1"):
        random_train_test_split(interactions, random_state=-1)
    with pytest.raises(TypeError, match=r"random_state must be None, an integer or a numpy\.random.RandomState"):
        random_train_test_split(interactions, random_state="0")
