"""Metrics, and models that are evaluated on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import canonical_csr, check_same_labels, check_user_items, describe
from fastbpr._validation.values import check_fitted, check_integer

MAX_FACTOR = 1e17  # scores of vectors with ten thousands of such entries still fit in float32


def check_entries(name: str, value: Any) -> scipy.sparse.csr_array:
    """Return interactions as canonical CSR with the values as they are, not as float32.

    Their dtype is that of `value`, unless it cannot hold the sums of duplicates.
    """
    check_user_items(name, value)
    if hasattr(value, "user_items"):
        return value.user_items
    entries = canonical_csr(name, value)
    as_given = entries.data.astype(value.dtype, copy=False)
    if as_given.dtype == bool or np.array_equal(as_given, entries.data):
        entries.data = as_given
    return entries


def check_split(
    train: Any, test: Any, model: Any = None, *, names: tuple[str, str] = ("train", "test")
) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """Return both matrices; refuse them, or a model, whose rows or columns mean other users or items."""
    check_same_labels(**{names[0]: train, names[1]: test, "model": model})
    train_items = check_user_items(names[0], train, allow_empty=True)
    test_items = check_user_items(names[1], test, shape=train_items.shape)
    return train_items, test_items


def check_fitted_to(train: Any, model: Any) -> scipy.sparse.csr_array:
    """Return the matrix that a model was fitted to; refuse one whose rows or columns mean other users or items."""
    train_items = check_user_items("train", train)
    check_same_labels(train=train, model=model)
    return train_items


def check_some_known(
    name: str, what: str, rows: np.ndarray, labels: np.ndarray, known: np.ndarray, *, knower: str = "the model"
) -> None:
    """Refuse data of which a model, or another log, knows nothing; unknown labels have negative rows."""
    if (rows < 0).all():
        examples = ", ".join(describe(values.tolist()[0]) for values in (labels, known))
        raise ValueError(
            f"{name} must have {what}s that {knower} knows, got {len(labels)} of which it knows none. Their first "
            f"label and that of {knower}: {examples}. Read the log as it was read for {knower}, from the same columns."
        )


def check_metrics(metrics: Any, K: Any, at_k: Iterable[str], of_all: Iterable[str]) -> list[tuple[str, int | None]]:
    """Return (name, cut-off) of every metric to compute; those `of_all` ranks have no cut-off."""
    at_k, of_all = list(at_k), list(of_all)
    rule = f"among {', '.join(at_k)} (each alone or with its own length, as in '{at_k[0]}@20')"
    rule += "".join(f", {name}" for name in of_all)
    cutoffs = [check_integer("K", k, minimum=1) for k in (K if isinstance(K, (Sequence, np.ndarray)) else [K])]
    if not cutoffs:
        raise ValueError(f"K must be an integer >= 1 or several, got {K!r}.")
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be {rule}, got {metrics!r}.")
    chosen: list[tuple[str, int | None]] = []
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        name, at, cutoff = metric.partition("@") if isinstance(metric, str) else ("", "", "")
        if name in of_all and not at:
            chosen.append((name, None))
        elif name in at_k and not at:
            chosen.extend((name, k) for k in cutoffs)
        elif name in at_k and cutoff.isdecimal() and int(cutoff) >= 1:
            chosen.append((name, int(cutoff)))
        else:
            raise ValueError(f"metrics must be {rule}, got {metric!r}.")
    if not chosen:
        raise ValueError(f"metrics must be {rule}, got {metrics!r}.")
    return chosen


def check_metric(metric: Any, at_k: Iterable[str], of_all: Iterable[str]) -> tuple[str, int | None]:
    """Return (name, cut-off) of one metric that is named in full."""
    at_k, of_all = list(at_k), list(of_all)
    rule = f"metric must be one of {', '.join(f'{name}@K' for name in at_k)}, with a number >= 1 for K, or of "
    rule += f"{', '.join(of_all)}, got {metric!r}."
    if not isinstance(metric, str):
        raise TypeError(rule)
    name, at, cutoff = metric.partition("@")
    if name in of_all and not at:
        return name, None
    if name in at_k and cutoff.isdecimal() and int(cutoff) >= 1:
        return name, int(cutoff)
    raise ValueError(rule)


def check_unused(*, instead: str = "Pass held-out interactions: validation=...", **values: Any) -> None:
    """Refuse settings of validation where there is none."""
    for name, value in values.items():
        if value is not None:
            raise ValueError(f"{name} must be None without validation, got {value!r}. {instead}")


def check_pairs_to_order(metric: str, n_others: np.ndarray) -> None:
    """Refuse a metric of pairs where no user has a pair."""
    if metric == "auc" and not n_others.any():
        raise ValueError("metric must not be 'auc' where every candidate is held out, got 'auc': it has no value.")


def check_evaluated(n_users: int, *, name: str = "test", also: str = "") -> None:
    """Refuse to take the mean over no user."""
    if n_users == 0:
        raise ValueError(
            f"{name} must have, for one of the users at least, {f'beside {also} ' if also else ''}an item that is not "
            "among the user's training items, got none: nobody can be evaluated."
        )


def check_negatives(name: str, value: Any, shape: tuple[int, int], evaluated: np.ndarray) -> np.ndarray:
    """Return ids of candidates, a row per user; the users evaluated must have some."""
    n_users, n_items = shape
    negatives = np.asarray(value)
    rule = f"an array of item ids with one row per user, shape (n_users, m) = ({n_users}, m)"
    if negatives.dtype.kind not in "iu":
        raise TypeError(f"{name} must be {rule}, got {describe(value)}.")
    if negatives.ndim != 2 or len(negatives) != n_users or negatives.shape[1] == 0:
        raise ValueError(
            f"{name} must be {rule}, got shape {negatives.shape}. Fill the rows of users who are not evaluated with -1."
        )
    if negatives.min() < -1 or negatives.max() >= n_items:
        bad = negatives[(negatives < -1) | (negatives >= n_items)][0]
        raise ValueError(f"{name} must hold item ids from 0 to {n_items - 1}, or -1 for none, got {bad}.")
    without = evaluated[(negatives[evaluated] < 0).all(axis=1)]
    if len(without):
        raise ValueError(
            f"{name} must have an item for every evaluated user, got none for user {without[0]} ({len(without)} such "
            "users). Pass users= to leave them out."
        )
    return negatives


def check_method(model: Any, method: str) -> Callable[[np.ndarray], Any]:
    """Return a method of a model that is not recognised by its factors."""
    factors = "item_factors" if method == "similarity" else "user_factors, item_factors and item_biases"
    if not callable(getattr(model, method, None)):
        ids = "itemids" if method == "similarity" else "userids"
        raise TypeError(
            f"model must have {factors}, or a method {method}({ids}) that returns an array of shape (n, n_items), got "
            f"{type(model).__name__}."
        )
    return getattr(model, method)


def check_scores(name: str, value: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return scores that a method gave as an array; refuse NaN, which has no rank."""
    scores = np.asarray(value)
    if scores.shape != shape:
        raise ValueError(f"{name}(ids) must return shape (len(ids), n_items) = {shape}, got shape {scores.shape}.")
    if scores.dtype.kind not in "biuf":
        raise TypeError(f"{name}(ids) must return numbers, got an array of dtype {scores.dtype}.")
    if np.isnan(scores.max()):  # the maximum of anything with NaN is NaN
        raise ValueError(f"{name}(ids) must return scores free of NaN, got {np.isnan(scores).sum()} NaN among them.")
    return scores


def check_tables(model: Any, *, finite: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (user_factors, item_factors, item_biases) of a model, even where assigned, as a kernel may see them."""
    users, items = (check_vectors(model, name, finite=finite) for name in ("user_factors", "item_factors"))
    biases = check_vectors(model, "item_biases", ndim=1, finite=finite)
    if users.shape[1] != items.shape[1] or len(biases) != len(items):
        raise ValueError(
            "user_factors, item_factors and item_biases must fit each other, got shapes "
            f"{users.shape}, {items.shape} and {biases.shape}."
        )
    return users, items, biases


def check_user_biases(model: Any, n_users: int) -> np.ndarray:
    """Return the biases of a model's users, even where assigned."""
    biases = check_vectors(model, "user_biases", ndim=1)
    if len(biases) != n_users:
        raise ValueError(f"user_biases must have shape ({n_users},), one for each user, got {biases.shape}.")
    return biases


def check_removed_directions(model: Any, factors: int) -> np.ndarray | None:
    """Return the directions that a model leaves out where it compares items, None if there are none."""
    if getattr(model, "removed_directions", None) is None:
        return None
    directions = check_vectors(model, "removed_directions")
    if directions.shape[1] != factors:
        raise ValueError(
            f"removed_directions must have the length of item vectors, shape (n, {factors}), got shape "
            f"{directions.shape}. Assign None to remove none."
        )
    return directions


def check_likes_known(liked: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Refuse to go by the training positives of a model that was made of vectors only."""
    if liked is None:
        raise ValueError(
            "user_items must be given, got None: this model was made of vectors only, and does not know what users "
            "have."
        )
    return liked


def check_vectors(model: Any, name: str, *, ndim: int = 2, finite: bool = False) -> np.ndarray:
    """Return one of a fitted model's arrays as float32; to be quick, look at its values only if they must be finite."""
    check_fitted(model)
    value = getattr(model, name)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != ndim or 0 in value.shape[1:]:
        shape = getattr(value, "shape", "none")
        raise ValueError(f"{name} must be an array of numbers with {ndim} axes, got {describe(value)}, shape {shape}.")
    return check_table(name, value, ndim=ndim) if finite else value.astype(np.float32, copy=False)


def check_factors(model: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (user_factors, item_factors, item_biases) of a fitted model as float32, of the right shapes and finite."""
    check_fitted(model)
    users, items = check_table("model.user_factors", model.user_factors), check_item_factors(model, shape)
    biases = check_table("model.item_biases", model.item_biases, ndim=1)
    if len(users) != shape[0] or users.shape[1] != items.shape[1] or len(biases) != len(items):
        raise ValueError(
            f"model must be fitted to the users and items of train, shape {shape}, got user_factors {users.shape}, "
            f"item_factors {items.shape} and item_biases {biases.shape}."
        )
    return users, items, biases


def check_item_factors(model: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return a fitted model's item factors as float32, one row per item and finite."""
    if not hasattr(model, "item_factors"):
        raise TypeError(f"model must have item_factors to be judged by a given similarity, got {type(model).__name__}.")
    check_fitted(model)
    items = check_table("model.item_factors", model.item_factors)
    if len(items) != shape[1]:
        hint = " train and test look transposed." if len(items) == shape[0] else ""
        raise ValueError(
            f"model must be fitted to the {shape[1]} items of train, got item_factors of {len(items)} items.{hint}"
        )
    return items


def check_user_space(model: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (user_factors, item_factors) of a model whose items are compared by the users' scores."""
    items = check_item_factors(model, shape)
    if not hasattr(model, "user_factors"):
        raise TypeError(
            f"model must have user_factors to compare items in user space, got {type(model).__name__}. Choose "
            "similarity='cosine' or 'centred'."
        )
    users = check_table("model.user_factors", model.user_factors)
    if users.shape[1] != items.shape[1]:
        raise ValueError(
            f"model must have user_factors and item_factors of one length, got shapes {users.shape} and {items.shape}."
        )
    return users, items


def check_table(name: str, value: Any, *, ndim: int = 2) -> np.ndarray:
    """Return factors or biases as contiguous float32 whose products stay finite."""
    with np.errstate(over="ignore"):  # infinity is refused below
        table = np.ascontiguousarray(value, dtype=np.float32)
    if table.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim > 1)}, got shape {table.shape}.")
    fits = np.abs(table) < MAX_FACTOR
    if not fits.all():
        raise ValueError(
            f"{name} must hold finite numbers below {MAX_FACTOR:g} in size, got {table[~fits][0]}: scores would "
            "overflow or be NaN, and have no rank."
        )
    return table
