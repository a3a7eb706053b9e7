"""Sparse matrices of interactions, and ids of their rows and columns."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.sparse

MAX_ROWS = 2**31 - 1  # users or items: ids are int32 in the kernels


def check_user_items(
    name: str, value: Any, *, shape: tuple[int, int] | None = None, allow_empty: bool = False
) -> scipy.sparse.csr_array:
    """Return users x items as canonical CSR of float32 without touching the caller's matrix.

    Duplicates are summed, explicit zeros dropped, indices sorted. Arrays are shared with the caller where they are in
    order already, and must not be written to.
    """
    if hasattr(value, "user_items"):  # Interactions
        value = value.user_items
    if not scipy.sparse.issparse(value):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_users, n_items) or Interactions, got "
            f"{type(value).__name__}. Wrap it: scipy.sparse.csr_array({name})."
        )
    if value.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (n_users, n_items), got shape {value.shape}.")
    if max(value.shape) > MAX_ROWS:
        raise ValueError(f"{name} must have at most {MAX_ROWS} users and items, got shape {value.shape}.")
    if shape is not None and value.shape != shape:
        hint = f" It looks transposed: try {name}.T." if value.shape == shape[::-1] else ""
        raise ValueError(f"{name} must have shape (n_users, n_items) = {shape}, got {value.shape}.{hint}")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}.")
    check_structure(name, value)
    check_stored_values(name, value)
    csr = canonical_csr(name, value)
    csr.data = check_single_precision(name, csr.data)
    if csr.nnz == 0 and not allow_empty:
        raise ValueError(f"{name} must contain at least one interaction, got an empty matrix of shape {value.shape}.")
    return csr


def check_stored_values(name: str, matrix: Any) -> None:
    """Refuse NaN, infinity and negative values."""
    data = np.asarray(matrix.data) if matrix.format not in ("lil", "dok") else matrix.tocoo().data
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        bad = data[~np.isfinite(data)]
        raise ValueError(f"{name} must hold finite values, got {bad[0]} ({len(bad)} such entries). Remove them first.")
    if data.dtype.kind in "if" and data.size and data.min() < 0:
        raise ValueError(
            f"{name} must hold values >= 0, got {data.min()}. "
            + (
                "Store 1 for what a user does not want."
                if name == "negatives"
                else "A value means an interaction; leave dislikes out."
            )
        )


def check_single_precision(name: str, data: np.ndarray) -> np.ndarray:
    """Return positive values as float32; refuse those that it cannot hold."""
    limits = np.finfo(np.float32)
    if data.dtype != np.float32 and data.size and not limits.tiny <= data.min() <= data.max() <= limits.max:
        bad = data.min() if data.min() < limits.tiny else data.max()
        raise ValueError(f"{name} must hold values from {limits.tiny:.2g} to {limits.max:.2g}, got {bad}. Scale them.")
    return data.astype(np.float32, copy=False)


def wide_enough(array: np.ndarray) -> np.ndarray:
    """Return an array of a type that SciPy's matrices have: half precision, usual for embeddings, is none."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def canonical_csr(name: str, matrix: Any) -> scipy.sparse.csr_array:
    """Return a sparse matrix as CSR, sorted, without duplicates and zeros; share arrays where possible."""
    shared = matrix.format == "csr"
    if not shared or not matrix.has_canonical_format:
        matrix = with_wide_integers(matrix)
    csr = scipy.sparse.csr_array(matrix)  # a new object; of a CSR matrix it shares the three arrays
    check_structure(name, csr)
    nnz = csr.indptr[-1]
    csr = scipy.sparse.csr_array((csr.data[:nnz], csr.indices[:nnz], csr.indptr), shape=csr.shape)  # with its own flags
    canonical = bool(csr.has_canonical_format)
    if not canonical or not csr.data.all():
        csr = csr.copy() if shared else csr
        csr.sum_duplicates()
        csr.eliminate_zeros()
    return csr


def with_wide_integers(matrix: Any) -> Any:
    """Return integers as int64, so that adding up duplicates does not overflow."""
    if matrix.dtype.kind not in "biu" or matrix.dtype == np.uint64:
        return matrix
    if matrix.format == "coo":  # whose own astype adds up first, in older versions of SciPy
        return scipy.sparse.coo_array((matrix.data.astype(np.int64), (matrix.row, matrix.col)), shape=matrix.shape)
    return matrix.astype(np.int64)


def check_structure(name: str, matrix: Any) -> None:
    """Refuse a matrix whose index arrays point outside it: SciPy's conversions and our kernels do not look."""
    problem = None
    if matrix.format in ("csr", "csc", "bsr"):
        problem = problem_of_compressed(matrix)
    elif matrix.format == "coo":
        for ids, size in zip((matrix.row, matrix.col), matrix.shape, strict=True):
            if len(ids) != len(matrix.data):
                problem = "its coordinates and data have different lengths"
            elif len(ids) and (ids.min() < 0 or ids.max() >= size):
                problem = f"its coordinates run from {ids.min()} to {ids.max()} where {size} is the size"
    if problem:
        raise ValueError(
            f"{name} must be a valid {matrix.format.upper()} matrix, but {problem}. "
            "Rebuild it from (row, column) pairs."
        )


def problem_of_compressed(matrix: Any) -> str | None:
    """What is wrong with the index arrays of a CSR, CSC or BSR matrix, if anything is."""
    indptr, indices = matrix.indptr, matrix.indices
    n_rows, n_columns = matrix.shape if matrix.format != "csc" else matrix.shape[::-1]
    if matrix.format == "bsr":
        n_rows, n_columns = n_rows // matrix.blocksize[0], n_columns // matrix.blocksize[1]
    if len(indptr) != n_rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        return "its indptr does not rise from 0 step by step"
    if indptr[-1] > len(indices) or len(indices) != len(matrix.data):
        return "its indptr, indices and data have different lengths"
    used = indices[: indptr[-1]]
    if len(used) and (used.min() < 0 or used.max() >= n_columns):
        return f"its indices run from {used.min()} to {used.max()} where {n_columns} is the size"
    return None


def check_given_negatives(
    name: str, value: Any, user_items: Any, positives: scipy.sparse.csr_array
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (indptr, indices) of what users are known not to want, without their positives; None if that is nothing.

    Indices are int32 and ascending.
    """
    check_same_labels(**{"user_items": user_items, name: value})
    matrix = check_user_items(name, value, shape=positives.shape, allow_empty=True)
    unwanted = scipy.sparse.csr_array(matrix.astype(bool) > positives.astype(bool))
    unwanted.sort_indices()
    if unwanted.nnz == 0:
        return None
    return unwanted.indptr.astype(np.int64), unwanted.indices.astype(np.int32)


def check_same_labels(**labelled: Any) -> None:
    """Refuse things whose rows or columns mean different users or items, as far as they have labels."""
    for what in ("user", "item"):
        known = None
        for name, thing in labelled.items():
            labels = getattr(thing, f"{what}_labels", None)
            if labels is None:
                continue
            if known is not None and not np.array_equal(known[1], labels):
                raise ValueError(
                    f"{name} must have the {what} labels of {known[0]} in the same order, got others. Build one "
                    "Interactions of all data, split it, and fit the model to its training part."
                )
            known = known or (name, labels)


def check_catalogue(name: str, n_items: int, max_items: int) -> None:
    """Refuse more items than a matrix of all their pairs is allowed for."""
    if n_items > max_items:
        raise ValueError(
            f"{name} must have at most max_items = {max_items:,} items, got {n_items:,}: memory grows with the square "
            "of their number, time with the third power. Leave rare items out, or raise max_items."
        )


def check_solved(name: str, value: float, solved: bool) -> None:
    """Refuse a regularization that did not make equations solvable."""
    if not solved:
        raise ValueError(
            f"{name} must be large enough to tell items with the same users apart in double precision, got {value!r}. "
            "Try 1 or more."
        )


def check_rows(name: str, value: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of what the queried users have, one row per query."""
    if scipy.sparse.issparse(value) and value.ndim == 2 and value.shape[1] == shape[1] and value.shape[0] != shape[0]:
        raise ValueError(
            f"{name} must have one row for each entry of userid, shape {shape}, got {value.shape}. Pass the rows of "
            f"these users: {name}[userid]."
        )
    matrix = check_user_items(name, value, shape=shape, allow_empty=True)
    return matrix.indptr, matrix.indices.astype(np.int32, copy=False)


def check_rows_of_items(name: str, value: Any, n_items: int) -> scipy.sparse.csr_array:
    """Return rows of any number, and of any users, whose columns are a model's items."""
    matrix = check_user_items(name, value, allow_empty=True)
    if matrix.shape[1] != n_items:
        raise ValueError(
            f"{name} must have one column for each of the model's {n_items} items, in their order, got shape "
            f"{matrix.shape}. Interactions are matched by labels if the model was fitted to Interactions, too."
        )
    return matrix


def check_ids(name: str, value: Any, n_rows: int, *, what: str) -> tuple[np.ndarray, bool]:
    """Return (int32 ids, whether `value` was a single id); every id is a row number from 0 to n_rows - 1."""
    ids = np.asarray(value)
    rule = f"{what} ids, integers from 0 to {n_rows - 1}"
    if ids.dtype.kind not in "iu" and ids.size:
        raise TypeError(
            f"{name} must be {rule}, got {describe(value)}. Ids are row numbers; look labels up with {what}_rows()."
        )
    if ids.ndim > 1:
        raise ValueError(f"{name} must be one id or a 1-D array of ids, got shape {ids.shape}.")
    flat = np.atleast_1d(ids)
    if flat.size and (flat.min() < 0 or flat.max() >= n_rows):
        bad = flat[(flat < 0) | (flat >= n_rows)][0]
        raise IndexError(f"{name} must be {rule}, got {bad}.")
    return flat.astype(np.int32), ids.ndim == 0


def check_id(name: str, value: Any, n_rows: int, *, what: str) -> int:
    """Return one row number from 0 to n_rows - 1 as int."""
    ids, single = check_ids(name, value, n_rows, what=what)
    if not single:
        raise ValueError(f"{name} must be one id, got {len(ids)} of them. Ask for one at a time.")
    return int(ids[0])


def check_other_item(name: str, item: int, other: int) -> None:
    """Refuse an item where another one is wanted."""
    if item == other:
        raise ValueError(f"{name} must be another item than item, got {other} for both.")


def check_candidates(
    only_name: str, only: Any, left_out_name: str, left_out: Any, n_rows: int, *, what: str
) -> np.ndarray:
    """Return the ascending ids to choose from: all, or `only` these, but for those left out."""
    candidates = all_ids(n_rows)
    if only is not None:
        candidates = np.unique(check_ids(only_name, only, n_rows, what=what)[0])
    if left_out is not None:
        candidates = np.setdiff1d(candidates, check_ids(left_out_name, left_out, n_rows, what=what)[0])
    return candidates


@functools.lru_cache(maxsize=4)
def all_ids(n_rows: int) -> np.ndarray:
    """Return all row numbers, read-only: for one query it takes as long to make them as to look in an index."""
    ids = np.arange(n_rows, dtype=np.int32)
    ids.flags.writeable = False
    return ids


def check_labelled(what: str, labels: np.ndarray | None) -> np.ndarray:
    """Refuse to look labels up in a model that has none."""
    if labels is None:
        raise ValueError(
            f"The model must have {what} labels to look one up, but it was fitted to a matrix. Use row numbers, or fit "
            "it to Interactions."
        )
    return labels


def check_has_labels(name: str, value: Any) -> None:
    """Refuse what does not say which users and items its rows are."""
    sides = ("user_labels", "item_labels")
    if not all(hasattr(value, side) for side in sides):
        raise TypeError(
            f"{name} must be Interactions, or a model that was fitted to Interactions, got {type(value).__name__}."
        )
    if any(getattr(value, side) is None for side in sides):
        raise ValueError(
            f"{name} must have user and item labels, got {type(value).__name__} without. Fit the model to Interactions "
            "first."
        )


def describe(value: Any) -> str:
    """Short description of a value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
