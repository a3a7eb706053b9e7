"""Neighbour lists in which co-exposure counts against a neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _labels, _validation
from fastbpr.exposure import _models
from fastbpr.exposure._rearranging import Rearranged
from fastbpr.exposure._views import Seen, Views, rows_in_log

SMOOTHING = 10.0  # views that are added to both sides of a lift


def reranked(model: Any, log: Any, beta: float = 1.0, depth: int = 200, *, kinds: Any = None) -> Reranked:
    """Return a model whose neighbours have to be more alike the more often they were visible together.

    The `depth` items nearest to an item are put in the order of

        similarity - beta * strength_ij * ln(max(1, lift_ij)),

    where the lift tells how many times as often as by chance the two were visible in one view, that is to a user in a
    context. Neighbours that were never shown together keep their similarity; those that owe it to a page fall behind.
    What is not among the first `depth` cannot come back.

    Parameters
    ----------
    model : BPR, or any object with ``similar_items(itemids, N)``, ``similarity(itemids)`` or ``item_factors``
        As in `fastbpr.evaluation.evaluate_neighbours`. Of the result of `varied`, variety is lost: re-rank first.
    log : Interactions
        With contexts: the log whose contexts are suspected. Is not changed. Matched with the model by item labels, or
        by rows where one of them has none; items that are not in the log were never visible.
    beta : float, default 1.0
        How much a lift counts, >= 0. 0 leaves lists as they are. At 1, a pair that was seen together e = 2.7 times as
        often as by chance loses a whole cosine, and comes after nearly everything that was not.
    depth : int, default 200
        How many neighbours are re-ranked, >= 1. Items after them follow in the model's order.
    kinds : kind, list of kinds or None, default None
        Which contexts count; None stands for those of a strength above 0, and all others have no effect.

    Returns
    -------
    Reranked
        A model with ``similar_items(itemid, N, filter_items, items)``, as `BPR` has it, and ``similarity(itemids)``;
        recommendations, labels and vectors are the given model's. Scores are the values above.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, if the log has no contexts, or if it has no item that the model knows.

    Notes
    -----
    In a view, a user in a context, those items are visible that were shown in the context, and those that *others*
    clicked on there; what a user alone clicked on is that user's choice. With X_ij the sum of the strengths of all
    views in which both i and j were visible, X_i that of views with i, and X that of views in which anything was:

        lift_ij = (X_ij + 10) / (X_i X_j / X + 10).

    10 views are added, so that few of them say little. Lifts do not change if all strengths are, say, 0.2 instead of 1.
    So they count by the strength of the pair, the mean strength of the views in which both were visible.

    Lifts are computed for pairs in lists. That takes, for each list, at most `depth` times the number of contexts that
    its items were visible in, however many items those contexts have, and less where they have few.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from fastbpr import Interactions
    >>> users = [user for user in range(50) for _ in range(2)]
    >>> pages = ["sale"] * 40 + ["mail"] * 40 + [None] * 20
    >>> log = Interactions.from_arrays(users, ["tea", "saw"] * 20 + ["cup", "nail"] * 20 + ["tea", "cup"] * 10,
    ...                                contexts=pages)
    >>> log.item_labels
    array(['tea', 'saw', 'cup', 'nail'], dtype=object)
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.5], [0.0, 1.0]]))
    >>> reranked(model, log).similar_items(0, N=4)[0]  # saw was on the same page as tea
    array([0, 2, 1, 3], dtype=int32)
    """
    model = _models.with_lists(model)
    contexts = _validation.check_contexts("log", log)
    beta = _validation.check_number("beta", beta, minimum=0)
    depth = _validation.check_integer("depth", depth, minimum=1)
    n_items = _models.n_items_of(model, otherwise=log.user_items.shape[1])
    rows = rows_in_log(model, n_items, log)
    seen = Seen.of(contexts, log.user_items.shape[1], kinds)
    return Reranked(model, n_items, depth, beta, rows, CoExposures(seen))


class CoExposures:
    """How much pairs of items of a log were visible together."""

    def __init__(self, seen: Seen) -> None:
        self._views = Views.of(seen, seen.strengths)
        strengths = seen.strengths[:1]
        self._numbers = None
        if (seen.strengths != strengths).any():
            self._numbers = Views.of(seen, np.ones(len(seen.strengths)))
        self._strength = float(strengths[0]) if len(strengths) else 0.0  # if it is one for all

    def penalties(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return strength * ln(max(1, lift)) of each pair of rows of the log; MISSING was never visible."""
        penalties = np.zeros(len(left))
        known = np.flatnonzero((left != _labels.MISSING) & (right != _labels.MISSING))
        views = self._views
        if not views.total:
            return penalties
        together = views.of_pairs(left[known], right[known])
        expected = views.of_item[left[known]] * views.of_item[right[known]] / views.total
        lifts = (together + SMOOTHING) / (expected + SMOOTHING)
        above = lifts > 1
        known = known[above]
        strengths = self._strength
        if self._numbers is not None:
            strengths = together[above] / self._numbers.of_pairs(left[known], right[known])
        penalties[known] = strengths * np.log(lifts[above])
        return penalties


class Reranked(Rearranged):
    """What `reranked` returns."""

    def __init__(
        self, model: Any, n_items: int, depth: int, beta: float, rows: np.ndarray, co_exposures: CoExposures
    ) -> None:
        super().__init__(model, n_items, depth)
        self._beta, self._rows, self._co_exposures = beta, rows, co_exposures

    def _reordered(self, asked: np.ndarray, ids: np.ndarray, scores: np.ndarray, n: int) -> tuple:
        """Subtract what was seen together."""
        present = ids >= 0
        left = np.repeat(self._rows[asked], present.sum(axis=1))
        penalties = np.zeros(ids.shape, dtype=np.float32)
        penalties[present] = self._beta * self._co_exposures.penalties(left, self._rows[ids[present]])
        scores = scores - penalties
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
