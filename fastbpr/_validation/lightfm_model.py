"""Parameters and arguments of `fastbpr.compat.lightfm.LightFM`, refused with the types of exceptions that it raises."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
import scipy.sparse

from fastbpr._validation.lightfm import check_random_state
from fastbpr._validation.matrices import check_structure, describe
from fastbpr._validation.values import check_choice, check_integer, check_known_names, check_number
from fastbpr.errors import LightFMAssertionError, NotFittedError

SCHEDULES = ("adagrad", "adadelta")

# ---- parameters -------------------------------------------------------------------------------------------------


def check_lightfm_parameters(values: Mapping[str, Any], losses: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of a model; what LightFM asserts raises an AssertionError that is a ValueError."""
    asserted(check_integer, "no_components", values["no_components"], minimum=1)
    asserted(check_choice, "learning_schedule", values["learning_schedule"], SCHEDULES)
    asserted(check_choice, "loss", values["loss"], losses)
    asserted(check_number, "rho", values["rho"], above=0)
    if values["rho"] >= 1:
        raise LightFMAssertionError(f"rho must be a number above 0 and below 1, got {values['rho']!r}.")
    for name in ("epsilon", "item_alpha", "user_alpha"):
        asserted(check_number, name, values[name], minimum=0)
    check_number("learning_rate", values["learning_rate"], above=0)
    if isinstance(values["max_sampled"], numbers.Real) and values["max_sampled"] < 1:
        raise ValueError(f"max_sampled must be an integer >= 1, got {values['max_sampled']!r}.")
    check_integer("max_sampled", values["max_sampled"], minimum=1)
    positives = {name: asserted(check_integer, name, values[name], minimum=1) for name in ("k", "n")}
    return {**values, **positives, "random_state": check_random_state(values["random_state"])}


def asserted(check: Callable[..., Any], *arguments: Any, **rules: Any) -> Any:
    """Return what a check returns; what is a ValueError is an AssertionError, too."""
    try:
        return check(*arguments, **rules)
    except ValueError as error:
        raise LightFMAssertionError(str(error)) from None


def check_parameter_names(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse parameters that do not exist, as a ValueError."""
    try:
        check_known_names("params", given, known)
    except TypeError as error:
        raise ValueError(str(error)) from None


# ---- interactions and weights -----------------------------------------------------------------------------------


def check_signed_interactions(value: Any) -> scipy.sparse.coo_matrix:
    """Return interactions as COO, entry by entry as they are stored; the arrays may be the caller's."""
    if not scipy.sparse.issparse(value):
        raise TypeError(f"interactions must be a SciPy sparse matrix, got {type(value).__name__}.")
    if value.ndim != 2 or value.dtype.kind not in "biuf":
        raise ValueError(
            f"interactions must be of real numbers in shape (n_users, n_items), got {value.dtype} in {value.shape}."
        )
    check_structure("interactions", value)
    matrix = value.tocoo()
    check_finite("interactions", matrix.data)
    return matrix


def check_finite(name: str, data: np.ndarray) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(data).all():
        bad = data[~np.isfinite(data)]
        raise ValueError(f"{name} must hold finite values, got {bad[0]} ({len(bad)} such entries). Remove them first.")


def check_sample_weight(value: Any, interactions: scipy.sparse.coo_matrix, loss: str) -> np.ndarray | None:
    """Return the weight of each interaction, None if they all count the same."""
    if value is None:
        return None
    if loss == "warp-kos":
        raise NotImplementedError("sample_weight must be None with loss='warp-kos': it has no weights. Use 'warp'.")
    if not scipy.sparse.issparse(value) or value.format != "coo":
        raise ValueError(f"sample_weight must be a SciPy COO matrix, got {describe_matrix(value)}. Try .tocoo().")
    if value.shape != interactions.shape:
        raise ValueError(f"sample_weight must have the shape of interactions, {interactions.shape}, got {value.shape}.")
    if not (np.array_equal(value.row, interactions.row) and np.array_equal(value.col, interactions.col)):
        raise ValueError(
            "sample_weight must have the entries of interactions in the same order, got others. Build it from the same "
            "rows and columns: coo_matrix((weights, (interactions.row, interactions.col)))."
        )
    weights = np.asarray(value.data)
    check_finite("sample_weight", weights)
    if len(weights) and weights.min() < 0:
        raise ValueError(
            f"sample_weight must hold values >= 0, got {weights.min()}. A dislike is a negative interaction."
        )
    return weights.astype(np.float32)


def describe_matrix(value: Any) -> str:
    """Short description of a matrix for an error message."""
    return f"one in {value.format} format" if scipy.sparse.issparse(value) else describe(value)


# ---- features ---------------------------------------------------------------------------------------------------


def check_lightfm_features(what: str, value: Any, n_rows: int, n_columns: int | None) -> scipy.sparse.csr_array:
    """Return the features of the first `n_rows` rows as CSR of float32, which may share arrays with the caller's.

    There may be more rows. `n_columns` is the number of a fitted model's features, if it is one.
    """
    name = f"{what}_features"
    if not scipy.sparse.issparse(value):
        raise TypeError(f"{name} must be a SciPy sparse matrix, got {describe(value)}. Wrap it: csr_matrix({name}).")
    if value.ndim != 2 or value.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be of real numbers in shape (n_{what}s, n_features), got {value.dtype} in {value.shape}."
        )
    if value.shape[0] < n_rows:
        raise ValueError(f"{name} must have a row for each of {n_rows} {what}s, got shape {value.shape}.")
    if n_columns is not None and value.shape[1] != n_columns:
        raise ValueError(
            f"{name} must have one column for each of the model's {n_columns} {what} features, in their order, got "
            f"shape {value.shape}."
        )
    check_structure(name, value)
    csr = value.tocsr()
    csr = csr if n_rows == csr.shape[0] else csr[:n_rows]
    if csr.dtype != np.float32:
        with np.errstate(over="ignore"):
            csr = csr.astype(np.float32)
    check_finite(name, csr.data)
    return csr


def check_no_features_needed(what: str, n_rows: int, n_columns: int, *, are_rows: bool) -> None:
    """Refuse to do without a feature matrix where the model's columns do not stand for so many rows."""
    if not are_rows:
        raise LightFMAssertionError(
            f"{what}_features must be given, as the model was fitted with them: its {what}_embeddings are those of "
            f"features, not of {what}s."
        )
    if n_rows > n_columns:
        raise LightFMAssertionError(
            f"{what}s must be among the model's {n_columns}, got {n_rows}, or the number {n_rows - 1}. New ones need "
            "features."
        )


def check_same_dimensions(what: str, n_columns: int, known: int) -> None:
    """Refuse to go on with another number of features."""
    if n_columns != known:
        raise ValueError(
            f"{what}_features must have as many columns as the model has learned, {known}, got {n_columns}. Without a "
            f"matrix, each {what} is a column. Call fit to start anew."
        )


# ---- a fitted model ---------------------------------------------------------------------------------------------


def check_lightfm_fitted(model: Any) -> None:
    """Refuse a model without vectors."""
    if model.item_embeddings is None:
        raise NotFittedError("LightFM must be fitted first: call fit(interactions).")


def check_embeddings(
    what: str, embeddings: Any, biases: Any, no_components: int | None, *, finite: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and biases of one side as float32, from a model or wherever they come from.

    Without `finite`, infinity and NaN may be among them: looking for them takes longer than some predictions.
    """
    names = f"{what}_embeddings", f"{what}_biases"
    arrays = []
    for name, value, ndim in zip(names, (embeddings, biases), (2, 1), strict=True):
        array = np.asarray(value)
        if array.dtype.kind not in "iuf" or array.ndim != ndim:
            rule = "shape (n_features, no_components)" if ndim == 2 else "shape (n_features,)"
            raise ValueError(f"{name} must be an array of numbers, {rule}, got {array.dtype} in {array.shape}.")
        array = array.astype(np.float32, copy=False)
        if finite:
            check_finite(name, array)
        arrays.append(array)
    if len(arrays[0]) != len(arrays[1]):
        raise ValueError(f"{names[1]} must have one entry per row of {names[0]}, got {len(arrays[1])}.")
    if no_components is not None and arrays[0].shape[1] != no_components:
        raise ValueError(f"{names[0]} must have no_components = {no_components} columns, got shape {arrays[0].shape}.")
    return arrays[0], arrays[1]


def check_ids_of_pairs(user_ids: Any, item_ids: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return ids of as many users as items; a single user stands for all pairs."""
    users, items = (check_ids_in_order(name, ids) for name, ids in (("user_ids", user_ids), ("item_ids", item_ids)))
    if users.ndim == 0:
        users = np.broadcast_to(users, items.shape)
    if users.ndim != 1 or users.shape != items.shape:
        raise ValueError(
            f"user_ids and item_ids must have the same length, got shapes {users.shape} and {items.shape}. For all "
            "pairs of some users and items, repeat the users and tile the items."
        )
    return users, items


def check_ids_in_order(name: str, value: Any) -> np.ndarray:
    """Return ids as int64, or one as an array without dimensions; none is negative."""
    ids = np.asarray(value)
    if ids.size == 0:
        return ids.astype(np.int64)
    if ids.dtype.kind == "f" and (ids == np.floor(ids)).all():  # as a column of a frame has them after a join
        ids = ids.astype(np.float64).clip(-1, 2.0**31).astype(np.int64)
    if ids.dtype.kind not in "iu" or ids.max() > np.iinfo(np.int32).max or ids.min() < 0:
        raise ValueError(f"{name} must be row numbers, integers from 0 to {2**31 - 1}, got {describe(value)}.")
    return ids.astype(np.int64)


def refuse_divergence(error: Exception) -> NoReturn:
    """Say that training diverged as a ValueError."""
    raise ValueError(f"{error} Or normalise features, or sample_weight.") from error
