"""Models with more rows, or other rows, than training has seen."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from fastbpr import _validation
from fastbpr._factor_model import FactorModel

Kind = TypeVar("Kind", bound=FactorModel)


def with_rows(
    model: Kind,
    what: str,
    biases: np.ndarray,
    vectors: np.ndarray,
    labels: Any = None,
    names: Any = None,
    *,
    labelled: bool = False,
) -> Kind:
    """Return a model with more users or items behind those that it has, without any interactions.

    Where the model has labels, the new ones are as given; with `labelled` off, for a model that answers one call, they
    are left out.
    """
    if what == "item":
        model = model.without_index()  # which does not have them
    factors = [model.user_factors, model.item_factors, model.item_biases]
    user_biases = model.user_biases
    side = ("user", "item").index(what)
    factors[side] = np.concatenate([factors[side], vectors])
    if what == "item":
        factors[2] = np.concatenate([factors[2], biases])
    elif user_biases is not None:
        user_biases = np.concatenate([user_biases, biases])
    all_labels = {"user_labels": model.user_labels, "item_labels": model.item_labels, "item_names": model.item_names}
    if labelled:
        known = all_labels[f"{what}_labels"]
        all_labels[f"{what}_labels"] = _validation.check_new_labels(what, known, labels, len(vectors))
        if what == "item":
            all_labels["item_names"] = _validation.check_new_names(model.item_names, names, len(vectors))
    else:
        all_labels |= dict.fromkeys([f"{what}_labels", *(["item_names"] if what == "item" else [])])
    liked = model._liked
    if what == "user" and liked is not None:
        liked = (np.concatenate([liked[0], np.full(len(vectors), liked[0][-1])]), liked[1])
    components = dict(model._components)
    for name in (f"{what}_own_factors", f"{what}_own_biases", f"{what}_sums"):
        if len(components.get(name, ())):
            own = components[name]
            components[name] = np.concatenate([own, np.zeros((len(vectors), *own.shape[1:]), dtype=own.dtype)])
    return copied(model, (*factors, user_biases), liked, all_labels, components)


def with_users_only(model: Kind, biases: np.ndarray, vectors: np.ndarray) -> Kind:
    """Return a model of other users, who have no interactions, and the same items."""
    factors = (vectors, model.item_factors, model.item_biases, None if model.user_biases is None else biases)
    liked = (np.zeros(len(vectors) + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
    labels = {"user_labels": None, "item_labels": model.item_labels, "item_names": model.item_names}
    components = {name: array for name, array in model._components.items() if name.startswith("item")}
    return copied(model, factors, liked, labels, components)


def copied(model: Kind, factors: tuple, liked: tuple | None, labels: dict[str, Any], components: dict) -> Kind:
    """Return a model with the parameters and history of another, and these rows. Arrays of the other stay its own."""
    other = copy.copy(model)
    fitted = {"history": list(model.history or []), "settings": dict(model.settings or {})}
    fitted |= {name: getattr(model, name) for name in ("debiasing", "removed_directions")}
    fitted["n_epochs"] = model._n_epochs
    *factors, user_biases = (None if array is None else array.view() for array in factors)
    fitted["user_biases"] = user_biases
    components = {name: array.view() for name, array in components.items()}
    other._set_fitted(tuple(factors), liked, *labels.values(), components=components, **fitted)
    return other
