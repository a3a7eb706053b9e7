"""Models whose lists are to be put in another order."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_has_item_factors(model: Any) -> None:
    """Refuse a model without vectors."""
    if not hasattr(model, "item_factors"):
        raise TypeError(
            f"model must have item_factors, got {type(model).__name__}. Lists without vectors can be re-ranked: "
            "fastbpr.exposure.reranked(model, log)."
        )


def check_compares_items(model: Any) -> None:
    """Refuse what neither lists nor compares items."""
    if not hasattr(model, "item_factors"):
        raise TypeError(
            "model must have item_factors, or a method similar_items(itemids, N) or similarity(itemids), got "
            f"{type(model).__name__}."
        )


def check_compares_pairs(model: Any) -> None:
    """Refuse a model that lists items, but cannot tell how similar any two are."""
    if not hasattr(model, "item_factors") and not callable(getattr(model, "similarity", None)):
        raise TypeError(
            "model must have item_factors, or a method similarity(itemids), to tell how similar two neighbours are, "
            f"got {type(model).__name__}."
        )


def check_not_rearranged(name: str, value: Any, kind: type) -> None:
    """Refuse a model whose lists are in another order already, as that would be lost."""
    if isinstance(value, kind):
        raise TypeError(
            f"{name} must be a model before its lists are re-ranked or varied, got {type(value).__name__}. Change its "
            "vectors first: varied(reranked(without_context_directions(model, log), log))."
        )


def check_same_items(name: str, model: Any, n_items: int, n_of_log: int) -> None:
    """Refuse a model without labels whose items cannot be the log's."""
    if n_items != n_of_log:
        raise ValueError(
            f"{name} must have the {n_of_log} items of the log, or labels to match them by, got "
            f"{type(model).__name__} with {n_items} items and without labels. Fit it to Interactions."
        )


def check_first_similarities(answer: Any) -> int:
    """Return the number of items that a model's similarity([0]) is about."""
    shape = np.shape(answer)
    if len(shape) != 2 or shape[0] != 1 or not shape[1]:
        raise ValueError(f"model.similarity(ids) must return shape (len(ids), n_items), got shape {shape} for one id.")
    return shape[1]
