"""Lists of the best that models give, without scores: recommendations for users, neighbours of items."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _ranking, _retrieval, _validation


def recommendations(
    model: Any, train_items: scipy.sparse.csr_array, users: np.ndarray, n: int, num_threads: int
) -> np.ndarray:
    """Return the n items that a model recommends to each user beside the training items, -1 where fewer remain.

    Lists are no longer than the catalogue, whatever n is.
    """
    n = min(n, train_items.shape[1])
    return _ranking.user_scores(model, train_items.shape, num_threads).best(users, train_items[users], n)


def neighbours(
    model: Any, shape: tuple[int, int], items: np.ndarray, n: int, num_threads: int, similarity: str | None = None
) -> np.ndarray:
    """Return the n neighbours that a model lists for each item, the item itself left out, -1 where fewer remain.

    The model's own `similar_items` is asked if it has one and no `similarity` of vectors is given. Lists are no longer
    than the catalogue, whatever n is.
    """
    n = min(n, max(shape[1] - 1, 1))
    if similarity is not None or not callable(getattr(model, "similar_items", None)):
        itself = scipy.sparse.csr_array(
            (np.ones(len(items), dtype=bool), items, np.arange(len(items) + 1)), shape=(len(items), shape[1])
        )
        return _ranking.item_scores(model, shape, num_threads, similarity).best(items, itself, n)
    if hasattr(model, "item_factors"):
        _validation.check_item_factors(model, shape)
    lists = np.full((len(items), n), -1, dtype=np.int32)
    for part in _retrieval.chunks(len(items)):
        asked = items[part]
        listed = _validation.check_neighbour_lists(model.similar_items(asked, N=n + 1), len(asked), n + 1, shape[1])
        listed = np.where(listed == asked[:, None], -1, listed)
        present_first = np.argsort(listed < 0, axis=1, kind="stable")[:, :n]
        lists[part, : present_first.shape[1]] = np.take_along_axis(listed, present_first, axis=1)
    return lists


def counts(lists: np.ndarray, n_items: int) -> np.ndarray:
    """Return in how many lists every item is."""
    return np.bincount(lists[lists >= 0], minlength=n_items)


def mean_of_means(lists: np.ndarray, values: np.ndarray) -> float:
    """Return the mean over lists that are not empty of the mean of values, of which there is one for each place."""
    present = lists >= 0
    n_present = present.sum(axis=1)
    sums = np.where(present, values, 0).sum(axis=1)
    return _ranking.mean(np.divide(sums, n_present, out=np.full(len(lists), np.nan), where=n_present > 0))
