"""Neighbour lists with variety."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _ranking, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._parts import parts_of
from fastbpr.exposure import _models
from fastbpr.exposure._rearranging import Rearranged

NUMBERS_AT_ONCE = 2**22  # coordinates of vectors, or similarities


def varied(model: Any, diversity: float = 0.3, depth: int = 200) -> Varied:
    """Return a model whose lists have variety: what is like a neighbour that is listed already has to wait.

    From the `depth` items j nearest to item i, the list takes one after the other, always the one with the largest

        (1 - diversity) * s_ij - diversity * max(0, largest cosine of j and an item taken before),

    maximal marginal relevance (Carbonell & Goldstein, 1998), where s_ij is what the model gives j in the list of i.

    Parameters
    ----------
    model : BPR, or any object with ``item_factors`` or ``similarity(itemids)``
        As in `fastbpr.evaluation.evaluate_neighbours`, perhaps with ``similar_items(itemids, N)``. Where it compares in
        another way than by cosine, or by ``similarity``, that takes the cosine's place. Of what `reranked` returns, the
        scores are the s_ij, and the cosines are those of the model that was re-ranked.
    diversity : float, default 0.3
        From 0 to 1: how much variety counts. 0 leaves lists as they are.
    depth : int, default 200
        How many neighbours to choose from, >= 1. Longer lists go on with the items after them, in the model's order.

    Returns
    -------
    Varied
        A model with ``similar_items(itemid, N, filter_items, items)``, as `BPR` has it, and ``similarity(itemids)``;
        recommendations, labels and vectors are the given model's. Scores are the values above.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, or if the model cannot compare items beside listing them.

    Notes
    -----
    A list of N costs N * depth * factors multiplications, beside the model's own of `depth`; without vectors, N rows of
    similarities. So ``similarity``, which needs the whole order, costs depth**2 * factors, and metrics that look at the
    first places are cheaper by ``similar_items``. Equal values are taken in the model's order. Cosines below 0 count as
    0, so that values fall from place to place.

    References
    ----------
    Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
    SIGIR 1998.

    Examples
    --------
    Items 1 and 2 are nearest to item 0, and nearly the same.

    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [1.0, 0.3], [1.0, 0.31], [1.0, -0.5]]))
    >>> varied(model, diversity=0.5).similar_items(0, N=4)[0]
    array([0, 1, 3, 2], dtype=int32)
    """
    model = _models.with_lists(model)
    diversity = _validation.check_share("diversity", diversity)
    depth = _validation.check_integer("depth", depth, minimum=1)
    base = model
    while isinstance(base, Rearranged):
        base = base._model
    _validation.check_compares_pairs(base)
    return Varied(model, _models.n_items_of(model), depth, diversity, base)


class Varied(Rearranged):
    """What `varied` returns."""

    def __init__(self, model: Any, n_items: int, depth: int, diversity: float, base: Any) -> None:
        super().__init__(model, n_items, depth)
        self._diversity, self._base = diversity, base

    def _reordered(self, asked: np.ndarray, ids: np.ndarray, scores: np.ndarray, n: int) -> tuple:
        """Choose one item after the other for some queries at a time."""
        vectors = compared = None
        if isinstance(self._base, FactorModel):
            vectors = self._base._compared_vectors("item", self._base.similarity)
        elif isinstance(compared := _models.scores_of(self._base, self._n_items), _ranking.VectorScores):
            vectors = compared.items.table, compared.items.scale
        n = min(n, ids.shape[1])
        chosen = np.full((len(ids), n), -1, dtype=np.int32), np.full((len(ids), n), -np.inf, dtype=np.float32)
        cost = self._n_items if vectors is None else ids.shape[1] * vectors[0].shape[1]
        for part in parts_of(np.full(len(ids), cost), NUMBERS_AT_ONCE):
            near = ByVectors(*vectors, ids[part]) if vectors is not None else ByRows(compared, ids[part])
            chosen[0][part], chosen[1][part] = self._chosen(ids[part], scores[part], n, near)
        return chosen

    def _chosen(self, ids: np.ndarray, scores: np.ndarray, n: int, near: ByVectors | ByRows) -> tuple:
        """Return the first n in the new order, and their values."""
        queries = np.arange(len(ids))
        free = ids >= 0
        relevance = (1 - self._diversity) * np.where(free, scores, np.float32(0))
        likeness = np.zeros(ids.shape, dtype=np.float32)
        new_ids, new_scores = np.empty((len(ids), n), dtype=np.int32), np.empty((len(ids), n), dtype=np.float32)
        for place in range(n):
            values = np.where(free, relevance - self._diversity * likeness, np.float32(-np.inf))
            best = values.argmax(axis=1)
            new_scores[:, place] = values[queries, best]
            new_ids[:, place] = np.where(free[queries, best], ids[queries, best], -1)
            free[queries, best] = False
            if self._diversity and place < n - 1:
                np.maximum(likeness, near.to(best), out=likeness)
        return new_ids, new_scores


class ByVectors:
    """Cosines of one candidate of each query and the query's others, by their vectors."""

    def __init__(self, table: np.ndarray, scale: np.ndarray, ids: np.ndarray) -> None:
        self.vectors = table[ids] * scale[ids][:, :, None]

    def to(self, places: np.ndarray) -> np.ndarray:
        """Return the cosines of all with the one at each query's place."""
        chosen = self.vectors[np.arange(len(places)), places]
        return np.einsum("qdf,qf->qd", self.vectors, chosen)


class ByRows:
    """Similarities of one candidate of each query and the query's others, by a method of the model."""

    def __init__(self, scores: _ranking.MethodScores, ids: np.ndarray) -> None:
        self.scores, self.ids = scores, np.maximum(ids, 0)

    def to(self, places: np.ndarray) -> np.ndarray:
        """Return the similarities of all to the one at each query's place."""
        chosen = self.ids[np.arange(len(places)), places]
        return np.take_along_axis(self.scores.block(chosen), self.ids, axis=1)
