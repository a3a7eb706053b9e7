"""Lists that models give, what is known about the items in them, and what is asked about results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import canonical_csr, check_ids, check_stored_values, check_structure, describe
from fastbpr._validation.values import check_number

# ---- results of evaluation --------------------------------------------------------------------------------------


def check_tiers(value: Any) -> tuple[float, ...] | None:
    """Return the share of each tier, None for no tiers."""
    if isinstance(value, (bool, np.bool_)):
        return (1 / 3, 1 / 3, 1 / 3) if value else None
    rule = "True, False or at least two shares > 0 of the interactions that add up to 1, such as (0.2, 0.3, 0.5)"
    if isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"tiers must be {rule}, got {value!r}.")
    shares = tuple(check_number("each of tiers", share, above=0) for share in value)
    if len(shares) < 2 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"tiers must be {rule}, got {value!r}.")
    return shares


def check_level(value: Any) -> float:
    """Return the confidence level of an interval."""
    level = check_number("level", value)
    if not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, such as 0.95, got {value!r}.")
    return level


def check_values(name: str, value: Any) -> np.ndarray:
    """Return one number per user as float64; refuse NaN, which has no mean."""
    values = np.asarray(value)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, one per user, got {describe(value)}.")
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} must be an array of numbers, one per user, got shape {values.shape}.")
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)]
        raise ValueError(
            f"{name} must hold finite numbers, got {bad[0]} ({len(bad)} such entries). Leave these users out: "
            f"{name}[numpy.isfinite({name})]."
        )
    return values.astype(float)


def check_some_values(name: str, n_users: int) -> None:
    """Refuse to compare models by a metric that no user has."""
    if n_users == 0:
        raise ValueError(f"metrics must be defined for one of the users at least, got {name!r}, which has no value.")


# ---- lists ------------------------------------------------------------------------------------------------------


def check_asked(name: str, value: Any, everybody: np.ndarray, n_rows: int, *, what: str) -> np.ndarray:
    """Return the ascending ids of the queries: the given ones, or everybody; refuse to ask for none."""
    if value is not None:
        everybody = np.unique(check_ids(name, value, n_rows, what=what)[0])
    if len(everybody) == 0:
        raise ValueError(f"{name} must name at least one {what}, got {describe(value)}.")
    return everybody


def check_neighbour_lists(answer: Any, n_queries: int, n: int, n_items: int) -> np.ndarray:
    """Return the ids of neighbours that a model's own method listed, shape (n_queries, at most n)."""
    name, rule = (
        "model.similar_items(ids, N)",
        f"a pair (ids, scores), both of shape (len(ids), N) = ({n_queries}, {n})",
    )
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError(f"{name} must return {rule}, got {describe(answer)}.")
    ids, scores = (np.asarray(part) for part in answer)
    if ids.dtype.kind not in "iu" or scores.dtype.kind not in "biuf":
        raise TypeError(f"{name} must return {rule}, got dtypes {ids.dtype} and {scores.dtype}.")
    if ids.ndim != 2 or len(ids) != n_queries or not 1 <= ids.shape[1] <= n or scores.shape != ids.shape:
        raise ValueError(f"{name} must return {rule}, got shapes {ids.shape} and {scores.shape}.")
    if ids.min() < -1 or ids.max() >= n_items:
        bad = ids[(ids < -1) | (ids >= n_items)][0]
        raise ValueError(f"{name} must return ids from 0 to {n_items - 1}, or -1 for none, got {bad}.")
    if np.isnan(scores[ids >= 0]).any():
        raise ValueError(
            f"{name} must return scores free of NaN, got {np.isnan(scores[ids >= 0]).sum()} NaN among them."
        )
    ordered = np.sort(ids, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if repeated.any():
        raise ValueError(f"{name} must list an item once, got item {ordered[:, 1:][repeated][0]} twice in one list.")
    return ids


def check_similarity_of(of: str, similarity: Any) -> None:
    """Refuse a similarity of items for lists of users."""
    if of != "items" and similarity is not None:
        raise ValueError(f"similarity must be None for of={of!r}, got {similarity!r}: it changes lists of items only.")


def check_models(value: Any) -> list[Any]:
    """Return two models or more."""
    rule = "at least two models fitted to the same data with different seeds, in a list"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"models must be {rule}, got {describe(value)}.")
    if len(value) < 2:
        raise ValueError(f"models must be {rule}, got {len(value)}.")
    return list(value)


# ---- labels of items --------------------------------------------------------------------------------------------


def check_tags(value: Any, n_items: int) -> scipy.sparse.csr_array:
    """Return a matrix of items and tags as canonical CSR of float64."""
    if value.ndim != 2 or value.shape[0] != n_items:
        raise ValueError(f"labels must have one row per item, shape ({n_items}, n_tags), got shape {value.shape}.")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"labels must hold real numbers, got dtype {value.dtype}.")
    check_structure("labels", value)
    check_stored_values("labels", value)
    return canonical_csr("labels", value).astype(float)


def check_one_label_per_item(n_labels: int, n_items: int, *, name: str = "labels") -> None:
    """Refuse labels of other items."""
    if n_labels != n_items:
        hint = " Several tags per item are a sparse matrix, shape (n_items, n_tags)." if name == "labels" else ""
        raise ValueError(f"{name} must have one entry per item, {n_items}, got {n_labels}.{hint}")


def check_some_labels(n_labelled: int) -> None:
    """Refuse labels that say nothing."""
    if n_labelled == 0:
        raise ValueError("labels must be given for one item at least, got none.")


def check_labels_given(labels: Any, *, asked: bool) -> None:
    """Refuse to judge by labels without labels."""
    if asked and labels is None:
        raise ValueError("labels must be given for the metric 'agreement', got None.")
