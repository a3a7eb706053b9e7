"""Accuracy of neighbour lists on pairs of items that a user met in different contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastbpr import _ranking, _validation
from fastbpr._threads import effective_threads
from fastbpr.evaluation.similar_items import means_over_pairs, pair_weights, values_of_pairs


def evaluate_across_contexts(
    model: Any,
    train: Any,
    queries: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ("hr", "recall", "ndcg", "mrr"),
    *,
    similarity: str | None = None,
    num_threads: int = 0,
) -> dict[str, float]:
    """Look for every user's target among the neighbours of items that the user met in other contexts.

    It is `evaluate_similar_items` with the queries of `fastbpr.splitting.leave_one_out_across_contexts` in place of all
    of a user's training items. Neighbours that only shared a page with the item help to find what was clicked on next
    to it, which is not asked here. Compare models by both: what takes co-exposure out of a model should not lower this
    one, and may lower the other.

    Parameters
    ----------
    model : BPR, any object with ``item_factors``, or one with a method ``similarity(itemids)``
        As in `evaluate_similar_items`.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    queries : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        Items of each user to look from. Values do not matter.
    test : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        Items of each user to look for. Those that the user has in training are left out.
    K : int or sequence of int, default 10
        Length of the list that is judged, >= 1.
    metrics : str or sequence of str, default ("hr", "recall", "ndcg", "mrr")
        As in `evaluate_similar_items`. With one item to be found, ``recall@K`` is ``hr@K``.
    similarity : {"cosine", "centred", "user-space"} or None, default None
        As in `evaluate_similar_items`.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"hr@10": 0.11, "recall@10": 0.11, "ndcg@10": 0.06, "mrr": 0.05}``, in the order asked for: means over
        each user's pairs of a query and a target, then over the users who have any.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, if similarities are NaN or of the wrong shape, or if no user can be
        evaluated.

    Examples
    --------
    Of what user 0 has, item 0 is on another page than item 2 is, and item 2 is its second neighbour.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [2.0, 0.1], [1.0, 1.0]]))
    >>> train, queries, test = csr_array([[1, 1, 0]]), csr_array([[1, 0, 0]]), csr_array([[0, 0, 1]])
    >>> evaluate_across_contexts(model, train, queries, test, K=1, metrics=["hr", "mrr"])
    {'hr@1': 0.0, 'mrr': 0.5}
    """
    chosen = _validation.check_metrics(metrics, K, ("hr", "recall", "ndcg"), ("mrr",))
    train_items, test_items = _validation.check_split(train, test, model)
    _, query_items = _validation.check_split(train, queries, names=("train", "queries"))
    weights = pair_weights(query_items, _ranking.new_items(test_items, train_items))
    _validation.check_evaluated(weights.nnz, also="a query")
    num_threads = effective_threads(num_threads)
    return means_over_pairs(
        values_of_pairs(model, train_items.shape, weights, chosen, similarity, num_threads), weights
    )
