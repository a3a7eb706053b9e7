"""What `fastbpr.compat.implicit` is given, and must take as implicit takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import check_structure, check_user_items, describe
from fastbpr._validation.values import check_fitted

FLOATS = ("float32", "float64")


def check_positives(name: str, value: Any) -> scipy.sparse.csr_array:
    """Return which entries are stored and not zero, whatever their sign, as canonical CSR of ones."""
    matrix = check_any_sparse(name, value)
    if matrix.format in ("lil", "dok", "dia"):  # which keep values in other ways
        matrix = matrix.tocoo()
    matrix = type(matrix)((matrix.data != 0, *coordinates(matrix)), shape=matrix.shape)
    positives = check_user_items(name, matrix, allow_empty=True)
    positives.data = np.ones(positives.nnz, dtype=np.float32)
    return positives


def coordinates(matrix: Any) -> tuple[Any, ...]:
    """Return what, after the data, a COO, CSR, CSC or BSR matrix is made of."""
    return ((matrix.row, matrix.col),) if matrix.format == "coo" else (matrix.indices, matrix.indptr)


def check_any_sparse(name: str, value: Any) -> Any:
    """Return a sparse matrix of any values; refuse what is none, or has no rows and columns."""
    value = getattr(value, "user_items", value)  # of Interactions
    if not scipy.sparse.issparse(value):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_users, n_items), got {type(value).__name__}. Wrap it: "
            f"scipy.sparse.csr_array({name})."
        )
    if value.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (n_users, n_items), got shape {value.shape}.")
    check_structure(name, value)
    return value


def check_in_csr(name: str, value: Any) -> Any:
    """Return a sparse matrix in CSR format; anything else is a ValueError, as in implicit."""
    value = getattr(value, "user_items", value)
    if getattr(value, "format", None) != "csr":
        raise ValueError(
            f"{name} must be a SciPy sparse matrix in CSR format with the rows of the users asked for, got "
            f"{type(value).__name__}. Convert it once: {name}.tocsr()."
        )
    return check_any_sparse(name, value)


def check_rows_asked(name: str, value: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of what is stored, whatever its value, for each user asked for."""
    rows = check_in_csr(name, value)
    if rows.shape != shape:
        raise ValueError(
            f"{name} must have one row for each user asked for and one column for each item, shape {shape}, got "
            f"{rows.shape}. Pass the rows of these users: {name}[userid]."
        )
    rows = scipy.sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=shape)  # with its own flags
    if not rows.has_canonical_format:
        stored = np.ones(len(rows.data), dtype=bool)
        rows = check_positives(name, scipy.sparse.csr_array((stored, rows.indices, rows.indptr), shape=shape))
    return rows.indptr, rows.indices[: rows.indptr[-1]].astype(np.int32, copy=False)


def check_not_both(name: str, value: Any, other_name: str, other: Any) -> None:
    """Refuse a choice and its opposite at once; an empty list is no choice."""
    if value is not None and other is not None and np.size(other):
        raise ValueError(f"{other_name} must be None where {name} is given, got both. Leave them out of {name}.")


def check_float_type(name: str, value: Any) -> np.dtype:
    """Return a floating-point type of 32 or 64 bits as a dtype."""
    dtype = np.dtype(value)
    if dtype.name not in FLOATS:
        raise ValueError(f"{name} must be one of {', '.join(FLOATS)}, got {dtype.name}.")
    return dtype


def check_no_gpu(name: str, value: Any) -> None:
    """Refuse to train on a GPU."""
    if value:
        raise ValueError(f"{name} must be False, got {value!r}: fastbpr trains on CPUs.")


def check_not_recalculated(name: str, value: Any, instead: str) -> None:
    """Refuse to compute vectors anew; NotImplementedError, as in implicit."""
    if value:
        raise NotImplementedError(f"{name} must be False: this model does not support it. {instead}")


def check_same_size(shape: tuple[int, int], factors: int, known: dict[str, np.ndarray | None]) -> None:
    """Refuse to go on from factors that are of another size than the data or the parameters ask for."""
    wanted = {"user_factors": (shape[0], factors + 1), "item_factors": (shape[1], factors + 1)}
    for name, array in known.items():
        if array is not None and np.shape(array) != wanted[name]:
            raise ValueError(
                f"{name} must have shape {wanted[name]} for user_items of shape {shape} and factors={factors}, got "
                f"{np.shape(array)}: a second fit goes on from the factors of the first. Make a new model, or set "
                "user_factors and item_factors to None."
            )


def check_size_of_test(K: Any) -> int:
    """Return a number of items to hold out; whatever is no positive integer is a ValueError, as in implicit."""
    if isinstance(K, (bool, np.bool_)) or not isinstance(K, (int, np.integer)) or K < 1:
        raise ValueError(f"K must be an integer >= 1, got {K!r}.")
    return int(K)


def check_same_shape(name: str, shape: tuple[int, int], other_name: str, other: tuple[int, int]) -> None:
    """Refuse matrices whose rows or columns cannot mean the same users and items."""
    if shape != other:
        raise ValueError(f"{name} must have the shape of {other_name}, {other}, got {shape}.")


def check_some_tested(name: str, n_users: int) -> None:
    """Refuse to take the mean over no user."""
    if n_users == 0:
        raise ValueError(f"{name} must have an interaction of some user at least, got none: nobody can be evaluated.")


def check_recommended(answer: Any, n_users: int) -> np.ndarray:
    """Return the ids that a model recommends, int64, one row for each user asked for."""
    rule = f"model.recommend must return (ids, scores), ids of integers with {n_users} rows"
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"{rule}, got {type(answer).__name__}.")
    ids = np.asarray(answer[0])
    if ids.ndim != 2 or len(ids) != n_users or ids.dtype.kind not in "iu":
        raise ValueError(f"{rule}, got an array of shape {ids.shape} and dtype {ids.dtype}.")
    return ids.astype(np.int64)


def check_whole_vectors(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a fitted model's user_factors and item_factors, even where assigned; refuse those that do not fit."""
    check_fitted(model)
    users, items = tables = model.user_factors, model.item_factors
    for name, table in zip(("user_factors", "item_factors"), tables, strict=True):
        if not isinstance(table, np.ndarray) or table.dtype.kind not in "fiu" or table.ndim != 2 or table.shape[1] < 2:
            raise ValueError(
                f"{name} must be an array of numbers with one row for each vector and the bias as its last column, got "
                f"{describe(table)}, shape {np.shape(table)}. Assign such an array."
            )
    if users.shape[1] != items.shape[1]:
        raise ValueError(
            "user_factors and item_factors must have as many columns as each other, got shapes "
            f"{users.shape} and {items.shape}. Assign arrays that fit."
        )
    return tables
