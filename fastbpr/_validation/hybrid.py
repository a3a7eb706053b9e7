"""Features of users and items."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import canonical_csr, check_structure, check_user_items, describe, wide_enough
from fastbpr._validation.values import check_flag

SIDES = ("user", "item")


def check_features(
    name: str, value: Any, *, n_rows: int | None = None, n_features: int | None = None, known: int | None = None
) -> scipy.sparse.csr_array:
    """Return a matrix of features as canonical CSR of float32 that shares nothing it might change.

    It has `n_rows` rows and `n_features` columns where these are given, or at least `known` columns.
    """
    value = getattr(value, "matrix", value)  # a FeatureMatrix
    if not scipy.sparse.issparse(value):
        value = np.asarray(value) if isinstance(value, (np.ndarray, list, tuple)) else value
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"{name} must be a SciPy sparse matrix, an array of numbers or a FeatureMatrix, with one row for each "
                f"{name.partition('_')[0]} and one column for each feature, got {describe(value)}. Encode columns of a "
                "table with fastbpr.features.Features."
            )
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}.")
    if value.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (n_rows, n_features), got shape {value.shape}.")
    if n_rows is not None and value.shape[0] != n_rows:
        hint = f" It looks transposed: try {name}.T." if value.shape[1] == n_rows else ""
        raise ValueError(f"{name} must have one row for each of {n_rows} rows, got shape {value.shape}.{hint}")
    check_columns(name, value.shape, n_features, known)
    if not scipy.sparse.issparse(value):
        value = scipy.sparse.csr_array(wide_enough(value))
    check_structure(name, value)
    csr = canonical_csr(name, value)
    with np.errstate(over="ignore"):
        data = csr.data.astype(np.float32)
    if not np.isfinite(data).all():
        bad = csr.data[~np.isfinite(data)]
        raise ValueError(f"{name} must hold finite values, got {bad[0]} ({len(bad)} such entries). Remove them first.")
    check_sizes(name, data, csr.indices if n_rows is not None else None)
    csr.data = data
    csr.eliminate_zeros()
    return csr


LARGEST = 1e6  # squares of values are added up in single precision


def check_sizes(name: str, values: np.ndarray, columns: np.ndarray | None) -> None:
    """Refuse values that are too large, and, where `columns` says which they are of, columns of tiny values only."""
    sizes = np.abs(values)
    found = sizes.max(initial=0) if (sizes > LARGEST).any() else None
    is_tiny = (sizes > 0) & (sizes < 1 / LARGEST)
    if columns is not None and is_tiny.any():
        too_small = np.setdiff1d(columns[is_tiny], columns[sizes >= 1 / LARGEST])
        found = sizes[np.isin(columns, too_small)].max() if len(too_small) else found
    if found is not None:
        raise ValueError(
            f"{name} must hold values of sizes up to {LARGEST:g}, and in every column some of {1 / LARGEST:g} or more, "
            f"got {found:g}. Scale its columns, for instance to a standard deviation of 1."
        )


def check_columns(name: str, shape: tuple[int, ...], n_features: int | None, known: int | None) -> None:
    """Refuse a number of features that is not the model's."""
    if shape[1] == 0:
        raise ValueError(f"{name} must have at least one column, got shape {shape}. Leave it out instead.")
    if n_features is not None and shape[1] != n_features:
        raise ValueError(
            f"{name} must have one column for each of the model's {n_features} features, in their order, got shape "
            f"{shape}. Encode it as the features of the fit were, for instance by the same Features."
        )
    if known is not None and shape[1] < known:
        raise ValueError(
            f"{name} must have the {known} columns that the model knows, and new ones behind them, got shape {shape}."
        )


def check_shape_of(name: str, value: Any) -> tuple[int, int]:
    """Return the shape of interactions, whose values are checked elsewhere."""
    matrix = getattr(value, "user_items", value)
    if not scipy.sparse.issparse(matrix) or matrix.ndim != 2:
        matrix = check_user_items(name, value)  # which refuses it
    return matrix.shape


def check_rows_named(what: str, features: Any, user_items: Any) -> None:
    """Refuse features whose rows are said to be other users or items than the data's."""
    described, known = getattr(features, "row_labels", None), getattr(user_items, f"{what}_labels", None)
    if described is None or known is None or np.array_equal(described, known):
        return
    raise ValueError(
        f"{what}_features must have the rows of user_items, in the same order, got features of others. Name them: "
        f"features.transform(frame, rows=user_items.{what}_labels); for partial_fit, the model's {what}_labels and "
        "behind them those that are new in user_items."
    )


def names_of_features(features: Any) -> np.ndarray | None:
    """Return a copy of the names that a `FeatureMatrix` has, None for other matrices."""
    names = getattr(features, "feature_names", None)
    return None if names is None else np.array(names, dtype=object)


def check_features_known(what: str, features: Any, known: np.ndarray | None) -> None:
    """Refuse features of other names than a model has learned; there may be more behind these."""
    given = names_of_features(features)
    if known is None or given is None:
        return
    for number, (name, learned) in enumerate(zip(given, known, strict=False)):
        if name != learned:
            raise ValueError(
                f"{what}_features must have the features that the model has learned, in their order, got {name!r} in "
                f"the place of {learned!r} (column {number}). Encode all frames by the Features that were fitted for "
                "the model: transform, not fit."
            )


def warn_of_bare_rows(what: str, matrix: scipy.sparse.csr_array) -> None:
    """Say which rows nothing is known of."""
    n_bare = int(np.count_nonzero(np.diff(matrix.indptr) == 0))
    if n_bare:
        warnings.warn(
            f"{what}_features has {n_bare} of {matrix.shape[0]} rows without any feature that the model knows: their "
            "vectors are zero, and their lists mean nothing.",
            stacklevel=4,
        )


def check_own_vectors(name: str, value: Any) -> dict[str, bool]:
    """Return whether users and items have vectors of their own beside those of their features."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(SIDES, check_flag(name, value))
    if not set(value) <= set(SIDES):
        raise ValueError(f"{name} must be True, False or a mapping with the keys 'user' and 'item', got {value!r}.")
    return {side: check_flag(f"{name}[{side!r}]", value.get(side, True)) for side in SIDES}


def check_rate(name: str, value: Any, *, maximum: float = 1) -> float:
    """Return a number above 0 and up to a maximum."""
    rule = f"{name} must be a number > 0 and <= {maximum:g}, got {value!r}."
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(rule)
    if not 0 < value <= maximum:
        raise ValueError(rule)
    return float(value)


def check_has_features(what: str, known: int | None) -> int:
    """Return the number of a side's features; refuse features where the model has learned none."""
    if known is None:
        raise ValueError(
            f"{what}_features must be left out: the model has learned no {what} features. Give them to fit first."
        )
    return known


def check_either(names: tuple[str, str], values: tuple[Any, Any]) -> None:
    """Refuse both of two arguments, or neither."""
    if (values[0] is None) == (values[1] is None):
        both = "both" if values[0] is not None else "neither"
        raise ValueError(f"{names[0]} or {names[1]} must be given, got {both}. Give one of the two.")


def check_vectors_complete(what: str, has_own: bool, has_features: bool) -> None:
    """Refuse rows that would be made of nothing."""
    if not has_own and not has_features:
        raise ValueError(
            f"own_vectors must be True for {what}s without {what}_features, got False: nothing is left to learn. Give "
            f"{what}_features, or own_vectors={{{what!r}: True}}."
        )


def check_given_features(what: str, value: Any) -> None:
    """Refuse to do without features where they are all that is known."""
    if value is None:
        raise TypeError(f"{what}_features must be given for new {what}s, got None.")


def check_features_continue(what: str, features: Any, known: int | None) -> None:
    """Refuse features that do not go on from those that a model has learned."""
    if features is None and known is not None:
        raise ValueError(
            f"{what}_features must be given again: the model has learned the vectors of {known} {what} features."
        )
    if features is not None and known is None:
        raise ValueError(
            f"{what}_features must be left out: the model was fitted without. Fit anew to begin to use them."
        )


def check_continues(model: Any, user_items: Any) -> None:
    """Refuse data whose first rows and columns are not a model's users and items, in its order."""
    matrix = getattr(user_items, "user_items", user_items)
    for what, n_now in zip(SIDES, getattr(matrix, "shape", ()), strict=False):
        n_known = len(getattr(model, f"{what}_factors"))
        if n_now < n_known:
            raise ValueError(
                f"user_items must have the model's {n_known} {what}s, and new ones behind them, got {n_now}. "
                "Interactions.aligned_to(model) brings a log into the model's order."
            )
        known, now = (getattr(thing, f"{what}_labels", None) for thing in (model, user_items))
        if known is not None and now is not None and not np.array_equal(known, now[:n_known]):
            raise ValueError(
                f"user_items must have the model's {n_known} {what} labels first, in the same order, got others. "
                "Interactions.aligned_to(model) brings a log into the model's order."
            )


def check_same_factors(wanted: int | str, known: int) -> int:
    """Return the length of a model's vectors, with which it must go on."""
    if wanted not in ("auto", known):
        raise ValueError(f"factors must stay {known} to go on with this model, got {wanted!r}. Fit anew to change it.")
    return known
