"""Which columns of a feature matrix are rows' own."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr.compat.lightfm._own_columns import Columns


def columns_of(*rows):
    return Columns.of(scipy.sparse.csr_array(np.array(rows, dtype=np.float32)))


def test_a_scaled_identity_is_the_rows_own():
    columns = columns_of([0.5, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 0.25, 0.75])
    assert_array_equal(columns.own, [0, 1, 2])
    assert_array_equal(columns.weights, np.float32([0.5, 1, 0.25]))
    assert_array_equal(columns.shared, [3])
    assert not columns.are_rows


def test_own_columns_may_be_in_any_order_and_among_others():
    columns = columns_of([1, 0, 2, 0], [1, 3, 0, 0])
    assert_array_equal(columns.own, [2, 1])
    assert_array_equal(columns.weights, np.float32([2, 3]))
    assert_array_equal(columns.shared, [0])  # and nobody has the last one


def test_of_several_columns_of_one_row_the_first_is_its_own():
    columns = columns_of([1, 0, 7], [0, 1, 0])
    assert_array_equal(columns.own, [0, 1])
    assert_array_equal(columns.shared, [2])


def test_without_a_column_for_every_row_all_are_features():
    columns = columns_of([1, 0, 1], [0, 1, 1], [0, 0, 1])
    assert columns.own.shape == columns.weights.shape == (0,)
    assert_array_equal(columns.shared, [0, 1, 2])


@pytest.mark.parametrize("rows", [[[1, 0], [0, 1]], None])
def test_the_identity_stands_for_rows(rows):
    columns = Columns.identity(2) if rows is None else columns_of(*rows)
    assert columns.are_rows
    assert_array_equal(columns.own, [0, 1])
    assert len(columns.shared) == 0


@pytest.mark.parametrize("rows", [[[0, 1], [1, 0]], [[2, 0], [0, 1]], [[1, 0, 0], [0, 1, 0]]])
def test_columns_in_another_order_size_or_number_do_not_stand_for_rows(rows):
    assert not columns_of(*rows).are_rows


@pytest.mark.parametrize("shape", [(5, 3), (5,)])
def test_what_is_taken_apart_is_put_together_again(shape):
    columns = columns_of([0.5, 0, 0, 0.5, 0], [0, 4, 0, 0.25, 0], [0, 0, 3, 0, 0])
    embeddings = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    shared, own = columns.apart(embeddings)
    assert_array_equal(shared, embeddings[[3]])
    assert_allclose(own, (embeddings[:3].T * [0.5, 4, 3]).T)
    again = columns.put_together(shared, own, np.where(np.arange(5) == 4, embeddings.T, 0).T.astype(np.float32))
    assert_allclose(again, embeddings, rtol=1e-6)
