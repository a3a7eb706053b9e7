"""Models whose lists of similar items are another model's with the first places in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _ranking, _retrieval, _validation
from fastbpr.exposure import _models

# What such a model has of the one it rearranges.
SHARED = (
    "recommend", "score", "similar_users", "user_rows", "item_rows", "user_labels", "item_labels", "item_names",
    "user_factors", "item_factors", "item_biases", "user_biases", "removed_directions",
    "num_threads",
)  # fmt: skip


class Rearranged:
    """The first `depth` neighbours of another model in another order; those after them follow in their own.

    Scores of what follows are lowered, all in a list by the same, where they would not be below the others.
    """

    def __init__(self, model: Any, n_items: int, depth: int) -> None:
        self._model, self._n_items, self._depth = model, n_items, depth

    def __getattr__(self, name: str) -> Any:
        if name not in SHARED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._model, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in SHARED if hasattr(self._model, name))]

    def _reordered(self, asked: np.ndarray, ids: np.ndarray, scores: np.ndarray, n: int) -> tuple:
        """Return the first n of neighbours (n_asked, at most depth) in another order, with other scores."""
        raise NotImplementedError

    def similar_items(
        self, itemid: Any, N: int = 10, filter_items: Any = None, items: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar items in the new order, the item itself first.

        Parameters
        ----------
        itemid : int or array of int, shape (n,)
            Row number or row numbers, from 0 to n_items - 1.
        N : int, default 10
            Length of the lists, >= 1, the item itself included.
        filter_items, items : array of int or None, default None
            Items to leave out, and the only items to choose from: passed on to the model.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
            1-D for a single `itemid`. Where fewer than N items remain, -1.
        scores : ndarray of float32, same shape
            Descending after the item itself, whose score is the model's. Where fewer than N items remain, -inf.

        Raises
        ------
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If an argument is not as it must be.
        """
        asked, single = _validation.check_ids("itemid", itemid, self._n_items, what="item")
        N = _validation.check_integer("N", N, minimum=1)
        candidates = _validation.check_candidates(
            "items", items, "filter_items", filter_items, self._n_items, what="item"
        )
        choice = {"items": items, "filter_items": filter_items}
        choice = {name: value for name, value in choice.items() if value is not None}
        ids, scores = _retrieval.empty_lists(len(asked), N)
        for part in _retrieval.chunks(len(asked)):
            ids[part], scores[part] = self._lists(asked[part], N, choice, candidates)
        return (ids[0], scores[0]) if single else (ids, scores)

    def similarity(self, itemids: Any) -> np.ndarray:
        """Return how similar all items are to some items: scores that order them as `similar_items` does.

        Parameters
        ----------
        itemids : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            Only comparisons within a row have a meaning.
        """
        asked, single = _validation.check_ids("itemids", itemids, self._n_items, what="item")
        model_scores = _models.scores_of(self._model, self._n_items)
        rows = np.empty((len(asked), self._n_items), dtype=np.float32)
        everything = np.arange(self._n_items, dtype=np.int32)
        for part in _ranking.blocks(len(asked), self._n_items):
            block = model_scores.block(asked[part])
            queries = np.arange(len(block))
            itself = block[queries, asked[part]]
            ids, scores = self._first(asked[part], self._depth + 1, {}, everything)[:2]
            ids, scores = self._reordered(asked[part], ids[:, : self._depth], scores[:, : self._depth], self._depth)
            query, place = np.nonzero(ids >= 0)
            block[queries, asked[part]] = -np.inf
            block[query, ids[query, place]] = -np.inf
            block = lowered(block, scores)
            block[query, ids[query, place]] = scores[query, place]
            block[queries, asked[part]] = itself
            rows[part] = block
        return rows[0] if single else rows

    def _first(self, asked: np.ndarray, n: int, choice: dict[str, Any], candidates: np.ndarray) -> tuple:
        """Return (ids, scores, whether the item itself is listed, its score): n of the model's without the item."""
        ids, scores = _models.listed(self._model, self._n_items, asked, n, choice, candidates)
        is_itself = ids == asked[:, None]
        present = is_itself.any(axis=1)
        own = scores[np.arange(len(asked)), is_itself.argmax(axis=1)]
        ids[is_itself], scores[is_itself] = -1, -np.inf
        order = np.argsort(ids < 0, axis=1, kind="stable")
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1), present, own

    def _lists(self, asked: np.ndarray, n: int, choice: dict[str, Any], candidates: np.ndarray) -> tuple:
        """Return (ids, scores) of n similar items, the item itself first if it is among the candidates."""
        depth = self._depth
        ids, scores, present, own = self._first(asked, max(n, depth + 1), choice, candidates)
        later = ids[:, depth:], scores[:, depth:]
        ids, scores = self._reordered(asked, ids[:, :depth], scores[:, :depth], min(n, depth))
        if n > depth:
            ids = np.concatenate([ids, later[0]], axis=1)
            scores = np.concatenate([scores, lowered(later[1], scores)], axis=1)
        ids, scores = ids[:, :n].copy(), scores[:, :n].copy()
        ids[present, 1:], scores[present, 1:] = ids[present, : n - 1], scores[present, : n - 1]
        ids[present, 0], scores[present, 0] = asked[present], own[present]
        return ids, scores


def lowered(later: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the scores of what follows a list, each row's lowered by the same so that none is above the list's."""
    last = np.where(scores == -np.inf, np.inf, scores).min(axis=1, initial=np.inf).astype(np.float32)
    highest = later.max(axis=1, initial=-np.inf)
    gap = np.subtract(highest, last, out=np.zeros(len(last), dtype=np.float32), where=highest > last)
    return np.minimum(later - gap[:, None], last[:, None])  # rounding may leave one above
