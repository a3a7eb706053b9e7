"""Conversions that implicit's users call themselves."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from fastbpr.compat.implicit.utils import (
    ParameterWarning,
    augment_inner_product_matrix,
    check_csr,
    check_random_state,
    nonzeros,
)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_csr_is_returned_as_it_is(kind):
    matrix = kind(np.eye(3))
    assert check_csr(matrix) is matrix


def test_another_format_is_converted_with_a_warning():
    with pytest.warns(ParameterWarning, match="from COO to CSR") as caught:
        converted = check_csr(scipy.sparse.coo_array(np.eye(3)))
    assert converted.format == "csr"
    assert caught[0].filename == __file__
    with pytest.raises(TypeError, match="user_items must be a SciPy sparse matrix"):
        check_csr(np.eye(3))


def test_seeds_become_generators_and_generators_stay():
    rng = np.random.default_rng(0)
    assert check_random_state(rng) is rng
    for make in (int, np.random.RandomState, np.random.SeedSequence):
        one, other = (check_random_state(make(5)).random() for _ in range(2))
        assert one == other
    state = np.random.RandomState(5)
    assert check_random_state(state).random() != check_random_state(state).random()


def test_augmented_vectors_are_equally_long_and_ordered_by_the_inner_product():
    rng = np.random.default_rng(0)
    factors, query = rng.normal(size=(50, 4)), rng.normal(size=4)
    length, augmented = augment_inner_product_matrix(factors)
    assert_allclose(np.linalg.norm(augmented, axis=1), length)
    assert_allclose(augmented @ [*query, 0], factors @ query)


def test_entries_of_a_row_are_columns_and_values():
    matrix = scipy.sparse.csr_matrix([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    assert list(nonzeros(matrix, 0)) == [(0, 1.0), (2, 2.0)]
    assert not list(nonzeros(matrix, 1))
    with pytest.raises(IndexError):
        nonzeros(matrix, 2)
