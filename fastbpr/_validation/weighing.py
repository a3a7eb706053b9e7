"""What a fit is told about the interactions: signs, weights, and what goes with which loss."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import check_same_labels, check_structure, check_user_items
from fastbpr._validation.values import check_choice

WEIGHTS = (None, "values", "ignore")


def check_training_data(
    user_items: Any, weights: Any, *, signed: bool = False
) -> tuple[scipy.sparse.csr_array, np.ndarray | None]:
    """Return the canonical training matrix and its weights, None if every interaction counts the same.

    With `signed`, values are +1 or -1, and weights have their signs.
    """
    if isinstance(weights, str) or weights is None or not hasattr(weights, "user_items"):
        weights = check_weights_choice(weights)
    signs = None
    if signed:
        matrix, signs = check_signs("user_items", user_items)
        warn_of_one_sign("user_items", signs)
    else:
        matrix = check_user_items("user_items", user_items)
        check_leaves_negatives(matrix)
    sizes = sizes_of(user_items, matrix, weights, signed=signed)
    if sizes is not None:
        sizes = (sizes / sizes.mean(dtype=np.float64)).astype(np.float32)
    if signs is None:
        return matrix, sizes
    return matrix, signs if sizes is None else signs * sizes


def check_weights_choice(weights: Any) -> Any:
    """Return what may stand for weights: a sparse matrix, or one of the words."""
    if scipy.sparse.issparse(weights):
        return weights
    if weights is not None and not isinstance(weights, str):
        raise TypeError(
            "weights must be None, 'values', 'ignore', a SciPy sparse matrix with the entries of user_items or "
            f"Interactions, got {type(weights).__name__}."
        )
    return check_choice("weights", weights, WEIGHTS)


def sizes_of(user_items: Any, matrix: scipy.sparse.csr_array, weights: Any, *, signed: bool) -> np.ndarray | None:
    """Return the size of each interaction's step, not yet over their mean; None if all are the same."""
    if weights is not None and not isinstance(weights, str):
        return check_weights_matrix("weights", weights, user_items, matrix)
    if signed and not hasattr(user_items, "has_weights"):
        if weights == "values":
            raise ValueError(
                "weights must be a matrix, None or 'ignore' where the values of user_items are signs, got 'values'. "
                "Pass a sparse matrix with the same entries that has the sizes: weights=abs(your_matrix)."
            )
        return None
    if weights is None:
        weights = "values" if getattr(user_items, "has_weights", False) else "ignore"
        if weights == "ignore" and scipy.sparse.issparse(user_items) and matrix.data.min() != matrix.data.max():
            warnings.warn(
                "user_items has different values, and each interaction counts once. Pass weights='values' to use them "
                "as weights, or weights='ignore' to confirm.",
                stacklevel=5,  # who called fit
            )
    return None if weights == "ignore" else matrix.data


def check_weights_matrix(name: str, value: Any, user_items: Any, matrix: scipy.sparse.csr_array) -> np.ndarray:
    """Return the weights of the interactions of a canonical matrix, in its order."""
    check_same_labels(**{"user_items": user_items, name: value})
    found = check_user_items(name, value, shape=matrix.shape, allow_empty=True)
    if not (np.array_equal(found.indptr, matrix.indptr) and np.array_equal(found.indices, matrix.indices)):
        shared = scipy.sparse.csr_array(found.astype(bool).multiply(abs(matrix).astype(bool))).nnz
        raise ValueError(
            f"{name} must have a value > 0 exactly where user_items has an entry, got {found.nnz:,} entries, of which "
            f"{shared:,} are among the {matrix.nnz:,} of user_items."
        )
    return found.data


def check_leaves_negatives(matrix: scipy.sparse.csr_array) -> None:
    """Refuse a matrix that leaves no item to be drawn as a negative."""
    n_items = matrix.shape[1]
    if n_items < 2:
        raise ValueError(f"user_items must have at least 2 items, got shape {matrix.shape}: no negative can be drawn.")
    if matrix.nnz == np.count_nonzero(np.diff(matrix.indptr)) * n_items:
        raise ValueError(
            "user_items must leave some item unobserved for some user, got a matrix in which every user with "
            f"interactions has all {n_items} items: no negative can be drawn."
        )


def check_signs(name: str, value: Any) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Return who said something about what as a canonical matrix of ones, and what it was, +1 or -1.

    `Interactions` are likes.
    """
    if hasattr(value, "user_items") or not scipy.sparse.issparse(value) or value.ndim != 2:
        matrix = check_user_items(name, value)
        return matrix, np.ones(matrix.nnz, dtype=np.float32)
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}.")
    check_structure(name, value)
    entries = scipy.sparse.coo_array(value)
    bad = entries.data[(entries.data != 1) & (entries.data != -1)] if entries.data.dtype.kind != "b" else ()
    if len(bad) or not entries.data.all():
        found = bad[0] if len(bad) else False
        raise ValueError(
            f"{name} must hold +1 for what a user wants and -1 for what the user does not want with loss='logistic', "
            f"got {found} ({max(len(bad), 1):,} such entries). Leave out what is not known, also stored zeros; pass "
            "the sizes of steps as weights=matrix."
        )
    ones = scipy.sparse.coo_array((np.ones(entries.nnz, dtype=np.float32), (entries.row, entries.col)), entries.shape)
    matrix = check_user_items(name, ones)
    if matrix.nnz != entries.nnz:
        raise ValueError(
            f"{name} must have one entry for each user and item with loss='logistic', got {entries.nnz - matrix.nnz:,} "
            "duplicates. Decide which of them counts."
        )
    signs = scipy.sparse.csr_array(entries.astype(np.float32))
    signs.sort_indices()
    return matrix, signs.data


def warn_of_one_sign(name: str, signs: np.ndarray) -> None:
    """Say where nothing can be told apart."""
    if signs.min() == signs.max():
        warnings.warn(
            f"{name} has only {signs[0]:+.0f}: with loss='logistic' everything comes to have the same score, as no "
            "negatives are drawn. Add what users do not want, or use another loss.",
            stacklevel=5,  # who called fit
        )


def check_loss_with(loss: str, debias: Any, negatives: Any) -> None:
    """Refuse what a loss has no use for."""
    if loss in ("k-os-warp", "logistic") and debias is not None:
        reason = "is about one of the user's positives, of any context" if loss == "k-os-warp" else "compares no items"
        raise ValueError(f"debias must be None with loss={loss!r}, a step of which {reason}, got {debias!r}.")
    if loss == "logistic" and negatives is not None:
        raise ValueError(
            "negatives must be None with loss='logistic', which draws none. Store -1 in user_items for what users do "
            "not want."
        )


def check_positive_rank(loss: str, positive_rank: int, n_positives: int) -> None:
    """Refuse a rank that is not one of so many."""
    if loss == "k-os-warp" and positive_rank > n_positives:
        raise ValueError(
            f"positive_rank must be an integer from 1 to n_positives = {n_positives}, got {positive_rank!r}."
        )


def check_loss_over_pairs(loss: str) -> None:
    """Refuse to fold users into a model whose loss does not compare items."""
    if loss == "logistic":
        raise ValueError(
            "fold_in needs a model with a loss over pairs of items, got one with loss='logistic', whose users need "
            "what they do not want, too. Fit again with these users."
        )
