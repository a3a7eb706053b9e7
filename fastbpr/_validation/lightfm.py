"""What callers of `fastbpr.compat.lightfm` give, refused with the types of exceptions that LightFM raises."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import check_structure, describe
from fastbpr._validation.values import MAX_THREADS, check_integer, check_number

# ---- splitting and evaluation -----------------------------------------------------------------------------------


def check_disjoint(test: scipy.sparse.csr_array, train: scipy.sparse.csr_array) -> None:
    """Refuse a test matrix that has entries of the training matrix."""
    n_common = test.multiply(train).nnz
    if n_common:
        raise ValueError(
            f"test_interactions must have no entry that train_interactions have, got {n_common} of them: evaluation "
            "would mislead. Check the split, or pass check_intersections=False."
        )


def check_interactions_to_split(value: Any) -> scipy.sparse.coo_matrix:
    """Return a sparse matrix as COO."""
    if not scipy.sparse.issparse(value):
        raise ValueError(f"interactions must be a SciPy sparse matrix, got {type(value).__name__}.")
    check_structure("interactions", value)
    return value.tocoo()


def check_test_percentage(value: Any) -> float:
    """Return the share of interactions that are for the test."""
    return check_number("test_percentage", value, minimum=0, maximum=1)


def check_random_state(value: Any) -> np.random.RandomState:
    """Return a generator of the kind that LightFM uses, the caller's own or a new one from a seed."""
    if isinstance(value, np.random.RandomState):
        return value
    if value is not None and not isinstance(value, numbers.Integral):
        raise TypeError(f"random_state must be None, an integer or a numpy.random.RandomState, got {value!r}.")
    if value is not None and not 0 <= value < 2**32:
        raise ValueError(f"random_state must be an integer from 0 to {2**32 - 1}, got {value!r}.")
    return np.random.RandomState(value)


def check_ranks_items(model: Any) -> Callable[..., scipy.sparse.csr_matrix]:
    """Return the method by which a model ranks given items."""
    if not callable(getattr(model, "predict_rank", None)):
        raise TypeError(f"model must be a LightFM, or have its method predict_rank, got {type(model).__name__}.")
    return model.predict_rank


def check_at_least_one_thread(value: Any) -> int:
    """Return a number of threads; LightFM knows no 0 that stands for all."""
    return check_integer("num_threads", value, minimum=1, maximum=MAX_THREADS)


# ---- ids and features of a data set -----------------------------------------------------------------------------


def check_interaction(datum: Any) -> tuple[Any, Any, float]:
    """Return (user id, item id, weight)."""
    if len(datum) not in (2, 3):
        raise ValueError(f"data must be of (user id, item id) or (user id, item id, weight), got {describe(datum)}.")
    user, item, weight = (*datum, 1.0)[:3]
    return user, item, check_weight("the weight of an interaction", weight)


def check_weight(name: str, value: Any) -> float:
    """Return a finite number; those of NumPy and others are taken as well."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {describe(value)}.") from None
    if not abs(number) <= float(np.finfo(np.float32).max):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")
    return number


def check_in_mapping(what: str, name: Any, mapping: Mapping[Any, int], *, argument: str) -> int:
    """Return the number of an id or a feature."""
    number = mapping.get(name)
    if number is None:
        raise ValueError(
            f"{what} must be one that the data set was fitted to, got {describe(name)}. Call "
            f"fit_partial({argument}=[...]) to add it."
        )
    return number


def check_features_of_one(what: str, datum: Any) -> tuple[Any, Iterable[tuple[Any, float]]]:
    """Return (id, pairs of a feature and its weight) of a user or an item."""
    if isinstance(datum, str) or len(datum) != 2:
        raise ValueError(f"data must be of ({what} id, features), got {describe(datum)}.")
    entity, features = datum
    if isinstance(features, Mapping):
        return entity, ((name, check_weight("the weight of a feature", value)) for name, value in features.items())
    if isinstance(features, str):
        raise ValueError(f"features of a {what} must be a list or a dict, got the text {features!r}.")
    return entity, ((name, 1.0) for name in features)


def check_all_have_features(what: str, n_without: int) -> None:
    """Refuse to divide rows by their sums where these are nothing."""
    if n_without:
        raise ValueError(
            f"data must have features of every {what} where normalize is True, got {n_without} without. Pass "
            "normalize=False, or the missing ones."
        )
