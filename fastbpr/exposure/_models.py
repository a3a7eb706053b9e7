"""Models of any make, as what rearranges their lists needs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _ranking, _similarity, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._threads import effective_threads


def vectors_of(model: Any) -> FactorModel:
    """Return a model that has vectors as one of ours: itself, or one with copies of what it has."""
    if isinstance(model, FactorModel):
        _validation.check_vectors(model, "item_factors")
        return model
    _validation.check_has_item_factors(model)
    factors = []
    for name, ndim in (("user_factors", 2), ("item_factors", 2), ("item_biases", 1)):
        array = getattr(model, name, None)
        factors.append(None if array is None else _validation.check_table(f"model.{name}", array, ndim=ndim).copy())
    result = FactorModel()
    result.num_threads = 0
    similarity = getattr(model, "similarity", None)
    result.similarity = similarity if isinstance(similarity, str) else "cosine"
    _validation.check_choice("model.similarity", result.similarity, _similarity.MAPS)
    labels = {name: getattr(model, name, None) for name in ("user_labels", "item_labels", "item_names")}
    labels = {name: None if values is None else np.asarray(values) for name, values in labels.items()}
    result._set_fitted(tuple(factors), **labels)
    return result


def with_lists(model: Any) -> Any:
    """Return a model that lists or compares items: itself, or one of ours with the vectors that it has."""
    has_methods = any(callable(getattr(model, name, None)) for name in ("similar_items", "similarity"))
    if has_methods and not isinstance(model, FactorModel):
        return model
    _validation.check_compares_items(model)
    return vectors_of(model)


def n_items_of(model: Any, otherwise: int | None = None) -> int:
    """Return how many items a model has, by its vectors or a row of similarities, else by its labels."""
    if hasattr(model, "item_factors"):
        return len(_validation.check_vectors(model, "item_factors"))
    if callable(getattr(model, "similarity", None)):
        return _validation.check_first_similarities(model.similarity(np.zeros(1, dtype=np.int32)))
    labels = getattr(model, "item_labels", None)
    return otherwise if labels is None else len(labels)


def threads_of(model: Any) -> int:
    """Return how many threads a model wants to use."""
    return effective_threads(getattr(model, "num_threads", 0))


def scores_of(model: Any, n_items: int) -> _ranking.MethodScores | _ranking.VectorScores:
    """Return what compares items, with all other items or in pairs."""
    return _ranking.item_scores(model, (0, n_items), threads_of(model))


def listed(
    model: Any, n_items: int, asked: np.ndarray, n: int, choice: dict[str, Any], candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids, scores) of the n items most similar to each, best first, -1 and -inf where fewer remain.

    The item itself is somewhere in its list if the model lists it. `choice` has the arguments that `candidates` are
    from.
    """
    n_possible = min(n, n_items)
    if callable(getattr(model, "similar_items", None)):
        answer = model.similar_items(asked, N=n_possible, **choice)
        ids = _validation.check_neighbour_lists(answer, len(asked), n_possible, n_items)
        scores = np.where(ids < 0, np.float32(-np.inf), np.asarray(answer[1], dtype=np.float32))
    else:
        ids, scores = best_of_rows(scores_of(model, n_items), n_items, asked, n_possible, candidates)
    missing = ((0, 0), (0, n - ids.shape[1]))
    return np.pad(ids, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)


def best_of_rows(
    scores: _ranking.MethodScores, n_items: int, asked: np.ndarray, n: int, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lists of a model that only compares, with every item first in its own."""
    ids, best = np.empty((len(asked), n), dtype=np.int32), np.empty((len(asked), n), dtype=np.float32)
    left_out = np.ones(n_items, dtype=bool)
    left_out[candidates] = False
    for part in _ranking.blocks(len(asked), 8 * n_items):  # `best_of` takes several times as much memory
        rows = scores.block(asked[part])
        places = np.arange(len(rows)), asked[part]
        itself = rows[places]
        rows[places] = np.inf
        rows[:, left_out] = -np.inf
        ids[part] = _ranking.best_of(rows, n)
        rows[places] = itself
        best[part] = np.where(ids[part] < 0, -np.inf, np.take_along_axis(rows, np.maximum(ids[part], 0), axis=1))
    return ids, best
