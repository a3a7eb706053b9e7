"""implicit's splits and metrics, by implicit's definitions: for figures that are to be compared with older ones.

`fastbpr.splitting` and `fastbpr.evaluation` have more of both, by the textbook's definitions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from tqdm.auto import tqdm

from fastbpr import _validation
from fastbpr._blocks import slices
from fastbpr.compat.implicit.utils import as_matrix, check_random_state

__all__ = [
    "AUC_at_k",
    "leave_k_out_split",
    "mean_average_precision_at_k",
    "ndcg_at_k",
    "precision_at_k",
    "ranking_metrics_at_k",
    "train_test_split",
]

BATCH = 1000  # users for whom a model is asked at once


# ---- splits -------------------------------------------------------------------------------------------------------


def train_test_split(
    ratings: Any, train_percentage: float = 0.8, random_state: Any = None
) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """Divide interactions at random, each on its own.

    Parameters
    ----------
    ratings : SciPy sparse matrix or array of shape (n_users, n_items)
        Is not changed. Several entries of one place are added up, and one.
    train_percentage : float, default 0.8
        Probability that an interaction is for training: a share from 0 to 1, in spite of its name.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed; the same seed gives the same split, and for an integer the one that implicit gives.

    Returns
    -------
    train, test : scipy.sparse.csr_matrix of shape (n_users, n_items)
        Of the dtype of `ratings`. Negative values are left out of `test`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> train, test = train_test_split(csr_array([[1, 1, 1, 0], [1, 0, 0, 1]]), random_state=0)
    >>> (train + test).toarray().tolist()
    [[1, 1, 1, 0], [1, 0, 0, 1]]
    """
    train_percentage = _validation.check_share("train_percentage", train_percentage)
    entries = merged(ratings)
    in_train = check_random_state(random_state).random(entries.nnz) < train_percentage
    return part_of(entries, in_train), part_of(entries, ~in_train & (entries.data > 0))


def leave_k_out_split(
    ratings: Any, K: int = 1, train_only_size: float = 0.0, random_state: Any = None
) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """Hold K interactions out of each user who has more than K + 1 of them.

    Parameters
    ----------
    ratings : SciPy sparse matrix or array of shape (n_users, n_items)
        Is not changed. Several entries of one place are added up, and one.
    K : int, default 1
        Number of interactions to hold out, >= 1.
    train_only_size : float, default 0.0
        Share of the users with interactions of whom nothing is held out, from 0 to below 1. At least one user if it is
        above 0.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed; the same seed gives the same split. (In implicit it does not.)

    Returns
    -------
    train, test : scipy.sparse.csr_matrix of shape (n_users, n_items)
        Of the dtype of `ratings`, whose sum they make up.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> train, test = leave_k_out_split(csr_array([[1, 1, 1, 0], [1, 0, 0, 1]]), random_state=0)
    >>> train.sum(axis=1).ravel().tolist(), test.sum(axis=1).ravel().tolist()
    ([[2, 2]], [[1, 0]])
    """
    K = _validation.check_size_of_test(K)
    train_only_size = _validation.check_share("train_only_size", train_only_size, below=True)
    entries = merged(ratings)
    rng = check_random_state(random_state)
    n_entries = np.bincount(entries.row, minlength=entries.shape[0])
    may_test = n_entries > K + 1
    if train_only_size:
        users = np.flatnonzero(n_entries)
        may_test[rng.choice(users, min(max(1, int(len(users) * train_only_size)), len(users)), replace=False)] = False
    # Entries in random order within each user; the first K of a user have a place below K.
    order = np.lexsort((rng.random(entries.nnz), entries.row))
    places = np.empty(entries.nnz, dtype=np.int64)
    places[order] = np.arange(entries.nnz) - np.repeat(np.cumsum(n_entries) - n_entries, n_entries)
    in_test = (places < K) & may_test[entries.row]
    return part_of(entries, ~in_test), part_of(entries, in_test)


def merged(ratings: Any) -> scipy.sparse.coo_array:
    """Return the entries in the order in which they are stored, in new arrays; sorted, where some had to be added."""
    matrix = scipy.sparse.coo_array(_validation.check_any_sparse("ratings", ratings), copy=True)
    n_places = len(np.unique(matrix.row * np.int64(matrix.shape[1]) + matrix.col))
    if n_places < matrix.nnz:
        matrix.has_canonical_format = False
        matrix.sum_duplicates()
    return matrix


def part_of(entries: scipy.sparse.coo_array, chosen: np.ndarray) -> scipy.sparse.csr_matrix:
    """Return some entries as a matrix of the same shape and dtype."""
    coordinates = entries.row[chosen], entries.col[chosen]
    return scipy.sparse.csr_matrix((entries.data[chosen], coordinates), shape=entries.shape, dtype=entries.dtype)


# ---- metrics ------------------------------------------------------------------------------------------------------


def ranking_metrics_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,
    show_progress: bool = True,
    num_threads: int = 1,
) -> dict[str, float]:
    """Return implicit's four metrics of what a model recommends, over the users who have something in the test part.

    For a user with T test items, let m = min(K, T), and let h be the number of hits, test items among the K first:

    * ``precision``: the sum of h over the users / the sum of m. It is no precision: the textbook divides by K, and
      takes the mean over users. It rises with K, as recall does.
    * ``map``: the mean of (the sum over the hits of (hits up to this one / its place)) / m.
    * ``ndcg``: the mean of (the sum over the hits of 1 / log2(place + 1)) / (the same sum over the places 1 .. m).
    * ``auc``: the mean share of pairs of a test item and another that are in the right order, as far as the K places
      tell. What is not among them is put in the middle: it counts as if of the test items without a place each half
      were before. Other items are all but the test items, training items among them.

    Parameters
    ----------
    model : object
        Anything with a method ``recommend(userids, user_items, N=K)`` that returns (ids, scores), each with a row for
        each user. Places with an id of -1 are no recommendations.
    train_user_items : SciPy sparse matrix or array of shape (n_users, n_items)
        What the model is to leave out.
    test_user_items : SciPy sparse matrix or array of shape (n_users, n_items)
        What is stored and not zero is to be found.
    K : int, default 10
        Length of the lists, >= 1.
    show_progress : bool, default True
        Show a progress bar.
    num_threads : int, default 1
        Not used, as in implicit: the model's own `num_threads` is.

    Returns
    -------
    dict
        The values of ``"precision"``, ``"map"``, ``"ndcg"`` and ``"auc"``, from 0 to 1; ``auc`` is NaN where every
        item is a test item.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or if nobody has anything in the test part.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
    >>> train = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(train, show_progress=False)
    >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
    >>> ranking_metrics_at_k(model, train, test, K=1, show_progress=False)
    {'precision': 1.0, 'map': 1.0, 'ndcg': 1.0, 'auc': 1.0}
    """
    K = _validation.check_integer("K", K, minimum=1)
    _validation.check_flag("show_progress", show_progress)
    _validation.check_num_threads(num_threads)
    train = as_matrix(_validation.check_any_sparse("train_user_items", train_user_items).tocsr())
    test = _validation.check_positives("test_user_items", test_user_items)
    _validation.check_same_shape("test_user_items", test.shape, "train_user_items", train.shape)
    users = np.flatnonzero(np.diff(test.indptr)).astype(np.int32)
    _validation.check_some_tested("test_user_items", len(users))
    values = []
    with tqdm(total=len(users), disable=not show_progress, unit="user") as progress:
        for part in slices(len(users), BATCH):
            asked = users[part]
            ids = _validation.check_recommended(model.recommend(asked, train[asked], N=K), len(asked))
            values.append(per_user(ids[:, :K], test[asked], K))
            progress.update(len(asked))
    n_hits, n_findable, average_precision, ndcg, auc = np.concatenate(values, axis=1)
    means = {"map": average_precision.mean(), "ndcg": ndcg.mean(), "auc": auc.mean()}
    return {"precision": float(n_hits.sum() / n_findable.sum())} | {name: float(mean) for name, mean in means.items()}


def per_user(ids: np.ndarray, test: scipy.sparse.csr_array, K: int) -> np.ndarray:
    """Return, for each user, (hits, min(K, test items), average precision, NDCG, AUC), shape (5, n_users)."""
    n_users, n_items = test.shape
    n_places = ids.shape[1]
    n_relevant = np.diff(test.indptr)
    n_findable = np.minimum(K, n_relevant)
    row_starts = np.arange(n_users, dtype=np.int64) * n_items
    relevant = np.repeat(row_starts, n_relevant) + test.indices
    present = (ids >= 0) & (ids < n_items)
    hits = np.isin(row_starts[:, None] + ids, relevant) & present
    n_hits_so_far = np.cumsum(hits, axis=1)
    n_hits = hits.sum(axis=1)
    places = np.arange(1, n_places + 1)
    average_precision = (hits * n_hits_so_far / places).sum(axis=1) / n_findable
    ideal = np.cumsum(1 / np.log2(np.arange(1, K + 1) + 1))[n_findable - 1]
    ndcg = (hits / np.log2(places + 1)).sum(axis=1) / ideal
    misses = present & ~hits
    n_others = n_items - n_relevant
    n_right = (misses * n_hits_so_far).sum(axis=1) + (n_hits + n_relevant) / 2 * (n_others - misses.sum(axis=1))
    n_pairs = n_relevant * n_others
    auc = np.divide(n_right, n_pairs, out=np.full(n_users, np.nan), where=n_pairs > 0)
    return np.stack([n_hits, n_findable, average_precision, ndcg, auc])


def precision_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Return implicit's precision at K: hits over all users / the sum of min(K, test items) over all users.

    This is no precision: the textbook divides by K. It rises with K, as recall does.

    Parameters are those of `ranking_metrics_at_k`, which has the definition.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `ranking_metrics_at_k`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
    >>> train = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(train, show_progress=False)
    >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
    >>> precision_at_k(model, train, test, K=1, show_progress=False)
    1.0
    """
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["precision"]


def mean_average_precision_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Return implicit's MAP at K: mean average precision, each divided by min(K, test items).

    Parameters are those of `ranking_metrics_at_k`, which has the definition.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `ranking_metrics_at_k`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
    >>> train = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(train, show_progress=False)
    >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
    >>> mean_average_precision_at_k(model, train, test, K=1, show_progress=False)
    1.0
    """
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["map"]


def ndcg_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Return implicit's NDCG at K: mean normalised discounted cumulative gain.

    Parameters are those of `ranking_metrics_at_k`, which has the definition.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `ranking_metrics_at_k`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
    >>> train = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(train, show_progress=False)
    >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
    >>> ndcg_at_k(model, train, test, K=1, show_progress=False)
    1.0
    """
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["ndcg"]


def AUC_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Return implicit's AUC at K: mean area under the ROC curve, as far as lists of length K tell.

    Parameters are those of `ranking_metrics_at_k`, which has the definition.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `ranking_metrics_at_k`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
    >>> train = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(train, show_progress=False)
    >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
    >>> AUC_at_k(model, train, test, K=1, show_progress=False)
    1.0
    """
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["auc"]
