"""Accuracy of neighbour lists on interactions that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _ranking, _validation
from fastbpr._threads import effective_threads
from fastbpr.evaluation.tiers import Tiers, only_columns


def evaluate_similar_items(
    model: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ("hr", "mrr", "ndcg"),
    *,
    tiers: bool | Sequence[float] = False,
    similarity: str | None = None,
    num_threads: int = 0,
) -> dict[str, float]:
    """Look for every user's test items among the neighbours of the user's training items, and return mean metrics.

    It judges lists of similar items as `evaluate` judges recommendations. Each pair of a training item and a test item
    of one user asks: how early does the test item come in the list of the items most similar to the training item? The
    candidates are all items but the training item itself; the user's other items are among them, as they would be on
    a page of related items. The result is the mean over each user's pairs, then over the users who have any. Test items
    that the user has in training, too, are left out. Candidates that are as similar as the test item are ranked ahead
    of it.

    Users want many things, and a list has `K` places for all who look at the item: expect values well below those of
    `evaluate`, and compare models with each other.

    Parameters
    ----------
    model : BPR, any object with ``item_factors``, or one with a method ``similarity(itemids)``
        Item factors, shape (n_items, factors), are compared as `BPR.similar_items` does. A method ``similarity``
        takes an array of n row numbers and returns how similar all items are to these, shape (n, n_items), the higher
        the more similar and never NaN; only comparisons within a row count.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    test : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What was held out, as by `fastbpr.splitting.leave_one_out`. Values do not matter.
    K : int or sequence of int, default 10
        Length of the list that is judged, >= 1.
    metrics : str or sequence of str, default ("hr", "mrr", "ndcg")
        With the test item at this rank, from 1: ``hr@K`` is 1 if rank <= K, else 0; ``mrr`` is 1 / rank; ``ndcg@K`` is
        1 / log2(rank + 1) if rank <= K, else 0. They are those of `evaluate` with one relevant item.
    tiers : bool or sequence of float, default False
        True adds every metric for popular, middling and rare test items apart, as ``"hr@10 (tail)"``; `evaluate`
        describes the tiers. The mean is then over each user's pairs with a test item of the tier. All other items
        compete with it.
    similarity : {"cosine", "centred", "user-space"} or None, default None
        How item factors are compared, as `BPR` describes; a method of the model is not asked then. None stands for the
        model's own choice, and for the cosine where it has none.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"hr@10": 0.11, "mrr": 0.05}``, in the order asked for.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, if similarities are NaN or of the wrong shape, or if no user can be
        evaluated.

    Examples
    --------
    Item 1 points the way item 0 does and item 2 another way, so the first neighbour of item 0 is item 1.

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_array
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]]))
    >>> train, test = csr_array([[1, 0, 0], [1, 0, 0]]), csr_array([[0, 1, 0], [0, 0, 1]])
    >>> evaluate_similar_items(model, train, test, K=1)
    {'hr@1': 0.5, 'mrr': 0.75, 'ndcg@1': 0.5}
    """
    chosen = _validation.check_metrics(metrics, K, ("hr", "ndcg"), ("mrr",))
    shares = _validation.check_tiers(tiers)
    train_items, test_items = _validation.check_split(train, test, model)
    num_threads = effective_threads(num_threads)
    relevant = _ranking.new_items(test_items, train_items)
    weights = pair_weights(train_items, relevant)
    _validation.check_evaluated(weights.nnz, also="a training item")
    values = values_of_pairs(model, train_items.shape, weights, chosen, similarity, num_threads)
    results = means_over_pairs(values, weights)
    if shares is None:
        return results
    item_tiers = Tiers.of(train_items, shares)
    parts = []
    for tier, tier_name in enumerate(item_tiers.names):
        in_tier = item_tiers.of_item == tier
        # The pairs with these items are in the same order in both matrices.
        parts.append((tier_name, in_tier[weights.indices], pair_weights(train_items, only_columns(relevant, in_tier))))
    for metric, of_pairs in values.items():
        for tier_name, pairs, of_tier in parts:
            mean = float(of_tier.data @ of_pairs[pairs]) if of_tier.nnz else float("nan")
            results[_ranking.label(*metric, [tier_name])] = mean
    return results


def values_of_pairs(
    model: Any,
    shape: tuple[int, int],
    weights: scipy.sparse.csr_array,
    chosen: list[tuple[str, int | None]],
    similarity: str | None,
    num_threads: int,
) -> dict[tuple[str, int | None], np.ndarray]:
    """Return each metric's value for every stored pair of a query and a target item."""
    scores = _ranking.item_scores(model, shape, num_threads, similarity)
    itself = scipy.sparse.csr_array(scipy.sparse.identity(shape[1], dtype=bool, format="csr"))
    queries = np.flatnonzero(np.diff(weights.indptr))
    n_ahead = scores.count_ahead(
        queries, itself[queries], weights[queries], targets_compete=True, longest=_ranking.longest_of(chosen)
    )
    ranking = _ranking.Ranking(np.arange(weights.nnz + 1), n_ahead + 1, np.full(weights.nnz, shape[1]))
    return {(name, cutoff): _ranking.per_query(ranking, name, cutoff) for name, cutoff in chosen}


def means_over_pairs(
    values: dict[tuple[str, int | None], np.ndarray], weights: scipy.sparse.csr_array
) -> dict[str, float]:
    """Return the weighted sum of each metric's values, by its label."""
    return {_ranking.label(*metric): float(weights.data @ of_pairs) for metric, of_pairs in values.items()}


def pair_weights(train: scipy.sparse.csr_array, relevant: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return what each pair of a training and a relevant item counts in the mean over users of the mean over pairs.

    With n users, user u counts 1 / (n * n_pairs_u) for each pair. Adding up the users of a pair is a matrix product, in
    which every pair of items is there once, whoever shares it.
    """
    n_pairs = np.diff(train.indptr).astype(float) * np.diff(relevant.indptr)
    n_users = np.count_nonzero(n_pairs)
    per_user = np.divide(1, n_pairs * n_users, out=np.zeros_like(n_pairs), where=n_pairs > 0)
    shares = scipy.sparse.csr_array(
        (np.repeat(per_user, np.diff(relevant.indptr)), relevant.indices, relevant.indptr), shape=relevant.shape
    )
    weights = scipy.sparse.csr_array(train.astype(bool).astype(float).T @ shares)
    weights.sort_indices()
    return weights
