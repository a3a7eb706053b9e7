"""The parts of implicit's `utils` that users of its models need."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _validation

__all__ = ["ParameterWarning", "augment_inner_product_matrix", "check_csr", "check_random_state", "nonzeros"]


class ParameterWarning(Warning):
    """An argument had to be converted first, which takes time and memory."""


def check_csr(user_items: Any) -> Any:
    """Return a sparse matrix in CSR format; warn if it was in another.

    Parameters
    ----------
    user_items : SciPy sparse matrix or array
        Is not changed.

    Returns
    -------
    SciPy sparse matrix or array
        The matrix itself if it is in CSR format, be it a ``csr_matrix`` or a ``csr_array``.

    Raises
    ------
    TypeError
        If it is not a sparse matrix.

    Warns
    -----
    ParameterWarning
        If it had to be converted.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 0], [1, 1]])
    >>> check_csr(user_items) is user_items
    True
    """
    return in_csr(user_items)


def check_random_state(random_state: Any) -> np.random.Generator:
    """Return a generator from a seed, a generator (which is returned as it is), or an older ``RandomState``.

    Parameters
    ----------
    random_state : int, numpy.random.Generator, numpy.random.RandomState, or what `numpy.random.default_rng` takes
        A ``RandomState`` is drawn from once, for a seed. None takes fresh entropy.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError, ValueError
        If NumPy makes no generator of it.

    Examples
    --------
    >>> [int(check_random_state(1).integers(100)) for _ in range(2)]
    [47, 47]
    """
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)


def augment_inner_product_matrix(factors: np.ndarray) -> tuple[float, np.ndarray]:
    """Return vectors with one more coordinate that makes all of them equally long (Bachrach et al., 2014).

    The angle to a query whose own last coordinate is 0 then orders them as the inner product does, so that an index
    for nearest neighbours finds recommendations.

    Parameters
    ----------
    factors : ndarray of shape (n, factors)

    Returns
    -------
    length : float
        The length of the longest vector, which all have now.
    augmented : ndarray of shape (n, factors + 1)

    Raises
    ------
    ValueError
        If there are no vectors.

    Examples
    --------
    >>> length, augmented = augment_inner_product_matrix(np.array([[3.0, 4.0], [3.0, 0.0]]))
    >>> float(length), augmented[:, -1].tolist()
    (5.0, [0.0, 4.0])
    """
    squares = np.einsum("if,if->i", factors, factors)
    longest = squares.max()
    return np.sqrt(longest), np.column_stack([factors, np.sqrt(longest - squares)])


def nonzeros(m: Any, row: int) -> Iterator[tuple[Any, Any]]:
    """Return the entries that are stored in a row, one after another.

    Parameters
    ----------
    m : SciPy sparse matrix or array in CSR format
    row : int

    Returns
    -------
    iterator of (column, value)

    Raises
    ------
    IndexError
        If there is no such row.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> [(int(item), int(value)) for item, value in nonzeros(csr_array([[0, 5, 7]]), 0)]
    [(1, 5), (2, 7)]
    """
    entries = slice(m.indptr[row], m.indptr[row + 1])
    return zip(m.indices[entries], m.data[entries], strict=True)


def as_matrix(matrix: Any) -> scipy.sparse.csr_matrix:
    """Return CSR as the older class, the only one that implicit's models take; arrays are shared."""
    return scipy.sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)


def in_csr(user_items: Any) -> Any:
    """Return what `check_csr` returns, with the warning at the line that called the function that calls this one."""
    matrix = _validation.check_any_sparse("user_items", user_items)
    if matrix.format == "csr":
        return matrix
    warnings.warn(
        f"user_items is converted from {matrix.format.upper()} to CSR. Convert it once: user_items.tocsr().",
        ParameterWarning,
        stacklevel=3,
    )
    return matrix.tocsr()
