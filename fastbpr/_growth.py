"""Models with more rows, or other rows, than training has seen."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np
import scipy.sparse

from fastbpr import _indexes, _labels, _validation
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
    own: tuple[np.ndarray, np.ndarray] | None = None,
    users_of: scipy.sparse.csr_array | None = None,
) -> Kind:
    """Return a model with more users or items behind those that it has, without interactions unless these are given.

    Where the model has labels, the new ones are as given; with `labelled` off, for a model that answers one call, they
    are left out. `own` are the biases and vectors that rows have beside those of features, None for zeros; `users_of`,
    of shape (n_new_items, n_users), says who has which new item.
    """
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
        all_labels[f"{what}_labels"] = _labels.behind(what, known, labels, len(vectors))
        if what == "item":
            all_labels["item_names"] = _validation.check_new_names(model.item_names, names, len(vectors))
    else:
        all_labels |= dict.fromkeys([f"{what}_labels", *(["item_names"] if what == "item" else [])])
    liked = model._liked
    if what == "user" and liked is not None:
        liked = (np.concatenate([liked[0], np.full(len(vectors), liked[0][-1])]), liked[1])
    if users_of is not None and liked is not None:
        liked = with_items(liked, len(model.item_factors), users_of)
    components = dict(model._components)
    own = (np.zeros_like(biases), np.zeros_like(vectors)) if own is None else own
    more = {f"{what}_own_biases": own[0], f"{what}_own_factors": own[1]}
    for name in (*more, f"{what}_sums"):
        if len(components.get(name, ())):
            known = components[name]
            new = more.get(name, np.zeros((len(vectors), *known.shape[1:])))
            components[name] = np.concatenate([known, new.astype(known.dtype)])
    return copied(model, (*factors, user_biases), liked, all_labels, components)


def with_items(
    liked: tuple[np.ndarray, np.ndarray], n_items: int, users_of: scipy.sparse.csr_array
) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of what users have, with new items behind the `n_items` known ones."""
    indptr, indices = liked
    new = users_of.T.tocsr()
    new.sort_indices()
    n_known, n_new = np.diff(indptr), np.diff(new.indptr)
    joined = np.empty(len(indices) + new.nnz, dtype=indices.dtype)
    is_new = np.repeat(np.tile([False, True], len(n_known)), np.stack([n_known, n_new], axis=1).ravel())
    joined[~is_new], joined[is_new] = indices, new.indices + n_items
    return (indptr + np.concatenate([[0], np.cumsum(n_new)])).astype(indptr.dtype), joined


def with_only(
    model: Kind,
    what: str,
    biases: np.ndarray | None,
    vectors: np.ndarray,
    liked: tuple[np.ndarray, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
) -> Kind:
    """Return a model of other users, or of other items; the other side stays. None stands for no interactions."""
    factors = [*_validation.check_tables(model), model.user_biases]
    if what == "user":
        factors[0], factors[3] = vectors, None if model.user_biases is None else biases
    else:
        factors[1], factors[2] = vectors, biases
    if liked is None:
        liked = (np.zeros(len(factors[0]) + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
    all_labels = {"user_labels": model.user_labels, "item_labels": model.item_labels, "item_names": model.item_names}
    all_labels |= {name: None for name in all_labels if name.startswith(what)} | {f"{what}_labels": labels}
    components = {name: array for name, array in model._components.items() if not name.startswith(what)}
    return copied(model, tuple(factors), liked, all_labels, components)


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
    other._index = _indexes.of_same_arrays(other, model._index)
    return other
