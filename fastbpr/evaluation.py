"""How good a model's lists are, measured on interactions that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _ranking, _validation
from fastbpr._threads import effective_threads

ALL_METRICS = ("hr", "recall", "precision", "ndcg", "map", "mrr", "auc")


def evaluate(
    model: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ALL_METRICS,
    negatives: np.ndarray | None = None,
    *,
    users: Any = None,
    num_threads: int = 0,
) -> dict[str, float]:
    """Rank every user's test items among all items that are new to the user, and return the means of metrics.

    The candidates of a user are all items but the user's training items. The relevant ones are the user's test items;
    a test item that is a training item, too, cannot be recommended and is left out. Users with a relevant item are
    evaluated, and every mean is over these users. A candidate that is not relevant and scores the same as a relevant
    one is ranked ahead of it, so ties (a model that gives every item one score, say) never look like skill.

    Parameters
    ----------
    model : BPR, or any object with a method ``score(userids)``
        ``score`` takes an array of n row numbers and returns the scores of all items, shape (n, n_items), the higher
        the better and never NaN; they are compared as float32.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    test : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What was held out. Values do not matter.
    K : int or sequence of int, default 10
        Length of the list that is judged, >= 1. Several lengths cost next to nothing more.
    metrics : str or sequence of str, default all of them
        Any of ``hr``, ``recall``, ``precision``, ``ndcg``, ``map``, which look at the first `K` items (``"ndcg@20"``
        sets a length of its own), and ``mrr``, ``auc``, which look at the whole list.
    negatives : array of int, shape (n_users, m), or None, default None
        Rank relevant items against these items only: row u has those of user u, with -1 where there are fewer than m.
        An item given twice counts once; one that is among the user's test items does not compete; a training item
        does. Results on samples are not comparable with results on all items, and can order models differently
        (Krichene & Rendle, 2020), so the names say it: ``"hr@10 (99 negatives)"``.
    users : array of int or None, default None
        The only users to evaluate. None stands for all.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"hr@10": 0.71, "mrr": 0.36}``, in the order asked for.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, if scores are NaN or of the wrong shape, or if no user can be evaluated.

    Notes
    -----
    For one user let R be the number of relevant items, and rank_1 < ... < rank_R their ranks in the list of all
    candidates, best first, from 1:

    * ``hr@K`` = 1 if rank_1 <= K, else 0 (He et al., 2017).
    * ``recall@K`` = #{r : rank_r <= K} / R.
    * ``precision@K`` = #{r : rank_r <= K} / K.
    * ``ndcg@K`` = DCG / IDCG, with DCG = sum of 1 / log2(rank_r + 1) over rank_r <= K and IDCG = sum of
      1 / log2(r + 1) over r <= min(K, R) (Jarvelin & Kekalainen, 2002).
    * ``map@K`` = sum of r / rank_r over rank_r <= K, divided by R (as trec_eval does; some divide by min(K, R)).
    * ``mrr`` = 1 / rank_1 (Voorhees, 1999).
    * ``auc`` = share of the pairs of a relevant and another candidate in which the relevant one scores higher
      (Rendle et al., 2009, section 3.1). Users all of whose candidates are relevant have no such pair and do not count.

    References
    ----------
    * He et al., "Neural Collaborative Filtering", WWW 2017.
    * Jarvelin & Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002.
    * Krichene & Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.
    * Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    * Voorhees, "The TREC-8 Question Answering Track Report", 1999.

    Examples
    --------
    Three users have item 0 and one has item 1. Among what is new to user 0, item 1 is the most popular; item 3, which
    user 1 wants, shares the last place with item 2 and is ranked behind it.

    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity
    >>> train = csr_array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    >>> test = csr_array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    >>> evaluate(Popularity().fit(train), train, test, K=1, metrics=["hr", "recall@2", "mrr"])
    {'hr@1': 0.5, 'recall@2': 1.0, 'mrr': 0.75}
    """
    chosen = _validation.check_metrics(metrics, K, _ranking.METRICS_AT_K, _ranking.METRICS_OF_ALL)
    train_items, test_items = _validation.check_split(train, test, model)
    n_users, n_items = train_items.shape
    num_threads = effective_threads(num_threads)
    relevant = new_items(test_items, train_items)
    evaluated = np.flatnonzero(np.diff(relevant.indptr))
    if users is not None:
        evaluated = np.intersect1d(evaluated, _validation.check_ids("users", users, n_users, what="user")[0])
    _validation.check_evaluated(len(evaluated))
    if negatives is not None:
        negatives = _validation.check_negatives("negatives", negatives, train_items.shape, evaluated)
    scores = _ranking.user_scores(model, train_items.shape, num_threads)
    liked, wanted = train_items[evaluated], relevant[evaluated]

    if negatives is None:
        n_ahead = scores.count_ahead(evaluated, liked, wanted, targets_compete=False, longest=longest_of(chosen))
        n_others = n_items - np.diff(liked.indptr) - np.diff(wanted.indptr)
    else:
        counts = [
            sampled_ahead(scores.block(evaluated[part]), negatives[evaluated[part]], test_items[evaluated[part]],
                          wanted[part], num_threads)
            for part in _ranking.blocks(len(evaluated), n_items)
        ]  # fmt: skip
        n_ahead, n_others = (np.concatenate(parts) for parts in zip(*counts, strict=True))

    ranking = _ranking.Ranking.from_counts(wanted.indptr, n_ahead, n_others)
    suffix = "" if negatives is None else f" ({negatives.shape[1]} negatives)"
    return {label(name, cutoff) + suffix: mean(_ranking.per_query(ranking, name, cutoff)) for name, cutoff in chosen}


def evaluate_similar_items(
    model: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ("hr", "mrr", "ndcg"),
    *,
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
    train_items, test_items = _validation.check_split(train, test, model)
    n_items = train_items.shape[1]
    num_threads = effective_threads(num_threads)
    weights = pair_weights(train_items, new_items(test_items, train_items))
    scores = _ranking.item_scores(model, train_items.shape, num_threads, similarity)

    itself = scipy.sparse.csr_array(scipy.sparse.identity(n_items, dtype=bool, format="csr"))
    queries = np.flatnonzero(np.diff(weights.indptr))
    n_ahead = scores.count_ahead(
        queries, itself[queries], weights[queries], targets_compete=True, longest=longest_of(chosen)
    )
    ranking = _ranking.Ranking(np.arange(weights.nnz + 1), n_ahead + 1, np.full(weights.nnz, n_items))
    return {
        label(name, cutoff): float(weights.data @ _ranking.per_query(ranking, name, cutoff)) for name, cutoff in chosen
    }


def longest_of(chosen: list[tuple[str, int | None]]) -> int | None:
    """Return the rank beyond which ranks make no difference to the chosen metrics, None if all do."""
    cutoffs = [cutoff for _, cutoff in chosen]
    return None if None in cutoffs else max(cutoffs)


def sampled_ahead(
    scores: np.ndarray,
    given: np.ndarray,
    own: scipy.sparse.csr_array,
    wanted: scipy.sparse.csr_array,
    num_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_ahead, n_others) of a block of scores where only the given items compete with the wanted ones."""
    n_others = _ranking.mask_all_but(scores, given, own, wanted)
    nothing = scipy.sparse.csr_array(scores.shape)
    return _ranking.count_ahead(scores, nothing, wanted, False, num_threads), n_others


def new_items(test: scipy.sparse.csr_array, train: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return which test items are no training items of the same user, as bool."""
    return scipy.sparse.csr_array(test.astype(bool) > train.astype(bool))


def pair_weights(train: scipy.sparse.csr_array, relevant: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return what each pair of a training and a relevant item counts in the mean over users of the mean over pairs.

    With n users, user u counts 1 / (n * n_pairs_u) for each pair. Adding up the users of a pair is a matrix product, in
    which every pair of items is there once, whoever shares it.
    """
    n_pairs = np.diff(train.indptr).astype(float) * np.diff(relevant.indptr)
    n_users = np.count_nonzero(n_pairs)
    _validation.check_evaluated(n_users, also="a training item")
    per_user = np.divide(1, n_pairs * n_users, out=np.zeros_like(n_pairs), where=n_pairs > 0)
    shares = scipy.sparse.csr_array(
        (np.repeat(per_user, np.diff(relevant.indptr)), relevant.indices, relevant.indptr), shape=relevant.shape
    )
    weights = scipy.sparse.csr_array(train.astype(bool).astype(float).T @ shares)
    weights.sort_indices()
    return weights


def label(name: str, cutoff: int | None) -> str:
    """Return the name of a result."""
    return name if cutoff is None else f"{name}@{cutoff}"


def mean(values: np.ndarray) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean()) if values.size else float("nan")
