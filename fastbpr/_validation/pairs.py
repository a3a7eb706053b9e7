"""Pairs of users and items: those of two lists of ids, and those that are stored in a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import check_same_labels, check_structure


def check_pairs(
    first: str, first_ids: np.ndarray, first_is_one: bool, second: str, second_ids: np.ndarray, second_is_one: bool
) -> None:
    """Refuse different numbers of ids, unless one is single and stands for all."""
    if not first_is_one and not second_is_one and len(first_ids) != len(second_ids):
        raise ValueError(
            f"{second} must have one entry for each entry of {first}, {len(first_ids)}, got {len(second_ids)}. For all "
            "pairs of both, repeat one and tile the other."
        )


def check_stored_pairs(name: str, value: Any, shape: tuple[int, int] | None = None) -> scipy.sparse.csr_array:
    """Return what is stored in users x items as CSR of True, whatever the values are.

    A CSR matrix keeps its order of entries and its duplicates. Index arrays are shared with the caller.
    """
    value = getattr(value, "user_items", value)
    if not scipy.sparse.issparse(value):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_users, n_items), got {type(value).__name__}. Wrap it: "
            f"scipy.sparse.csr_array({name})."
        )
    if value.ndim != 2 or (shape is not None and value.shape != shape):
        expected = "(n_users, n_items)" if shape is None else f"(n_users, n_items) = {shape}"
        hint = f" It looks transposed: try {name}.T." if shape is not None and value.shape == shape[::-1] else ""
        raise ValueError(f"{name} must have shape {expected}, got {value.shape}.{hint}")
    check_structure(name, value)
    csr = value.tocsr()
    nnz = csr.indptr[-1]
    return scipy.sparse.csr_array((np.ones(nnz, dtype=bool), csr.indices[:nnz], csr.indptr), shape=csr.shape)


def check_pairs_to_rank(
    model: Any, test: Any, train: Any, shape: tuple[int, int]
) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array | None]:
    """Return the pairs to rank and those to leave out; refuse rows or columns that mean others than the model's."""
    given = {"test": test} if train is None else {"test": test, "train": train}
    check_same_labels(**given, model=model)
    wanted, *left_out = (check_stored_pairs(name, value, shape) for name, value in given.items())
    return wanted, left_out[0] if left_out else None
