"""`lightfm.evaluation`: one number per user, from the ranks that a model gives to test items.

The functions take the same arguments and see the same ranks: those of all items but the training items, ties against
the model. `fastbpr.evaluation` has more metrics, and comparisons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _validation

__all__ = ["auc_score", "precision_at_k", "recall_at_k", "reciprocal_rank"]


def precision_at_k(
    model: Any,
    test_interactions: Any,
    train_interactions: Any = None,
    k: int = 10,
    user_features: Any = None,
    item_features: Any = None,
    preserve_rows: bool = False,
    num_threads: int = 1,
    check_intersections: bool = True,
) -> np.ndarray:
    """Return the share of the first k places that are test items.

    Parameters
    ----------
    model : LightFM
        A fitted model, or anything with its method `predict_rank`.
    test_interactions : SciPy sparse matrix of shape (n_users, n_items)
        What users should be recommended: what is stored, whatever its value.
    train_interactions : SciPy sparse matrix of shape (n_users, n_items) or None, default None
        What is left out of the lists.
    k : int, default 10
        Number of places, >= 1.
    user_features, item_features : SciPy sparse matrix or None, default None
        Features of users and items, as the model was fitted with.
    preserve_rows : bool, default False
        Return a number for every user, not only for those with test items.
    num_threads : int, default 1
        Number of threads, >= 1.
    check_intersections : bool, default True
        Refuse test items that are training items, too.

    Returns
    -------
    ndarray of float32, shape (n_users with test items,) or (n_users,)
        From 0 to 1; 0 for users without test items.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as it must be, or the model is not fitted.

    Examples
    --------
    A model that has user 0's test item in the first place, and user 1's in the second:

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> test = csr_matrix([[1, 0, 0], [0, 1, 0]])
    >>> ranks = csr_matrix(([0, 1], test.indices, test.indptr), shape=test.shape)
    >>> model = SimpleNamespace(predict_rank=lambda *_, **__: ranks)
    >>> precision_at_k(model, test, k=1)
    array([1., 0.], dtype=float32)
    """
    k = _validation.check_integer("k", k, minimum=1)
    ranks = ranks_of(model, test_interactions, train_interactions, user_features, item_features, num_threads,
                     check_intersections)  # fmt: skip
    return asked(n_within(ranks, k) / np.float32(k), ranks, preserve_rows)


def recall_at_k(
    model: Any,
    test_interactions: Any,
    train_interactions: Any = None,
    k: int = 10,
    user_features: Any = None,
    item_features: Any = None,
    preserve_rows: bool = False,
    num_threads: int = 1,
    check_intersections: bool = True,
) -> np.ndarray:
    """Return the share of the test items that are among the first k places.

    Parameters are those of `precision_at_k`.

    Returns
    -------
    ndarray of float64, shape (n_users with test items,) or (n_users,)
        From 0 to 1; 0 for users without test items.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as it must be, or the model is not fitted.

    Examples
    --------
    A model that has user 0's test item in the first place, and user 1's in the second:

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> test = csr_matrix([[1, 0, 0], [0, 1, 0]])
    >>> ranks = csr_matrix(([0, 1], test.indices, test.indptr), shape=test.shape)
    >>> model = SimpleNamespace(predict_rank=lambda *_, **__: ranks)
    >>> recall_at_k(model, test, k=2)
    array([1., 1.])
    """
    k = _validation.check_integer("k", k, minimum=1)
    ranks = ranks_of(model, test_interactions, train_interactions, user_features, item_features, num_threads,
                     check_intersections)  # fmt: skip
    n_test = np.diff(ranks.indptr)
    return asked(n_within(ranks, k) / np.maximum(n_test, 1), ranks, preserve_rows)


def auc_score(
    model: Any,
    test_interactions: Any,
    train_interactions: Any = None,
    user_features: Any = None,
    item_features: Any = None,
    preserve_rows: bool = False,
    num_threads: int = 1,
    check_intersections: bool = True,
) -> np.ndarray:
    """Return the share of pairs of a test item and another item in which the test item comes first.

    Parameters are those of `precision_at_k`, without `k`.

    Returns
    -------
    ndarray of float32, shape (n_users with test items,) or (n_users,)
        From 0 to 1; 0.5 for users without pairs. Other items are those in neither matrix; what comes before a test item
        in the list, and is no test item that does, counts as one. Ties count against the test item.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as it must be, or the model is not fitted.

    Examples
    --------
    A model that has user 0's test item in the first place, and user 1's in the second:

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> test = csr_matrix([[1, 0, 0], [0, 1, 0]])
    >>> ranks = csr_matrix(([0, 1], test.indices, test.indptr), shape=test.shape)
    >>> model = SimpleNamespace(predict_rank=lambda *_, **__: ranks)
    >>> auc_score(model, test)
    array([1. , 0.5], dtype=float32)
    """
    ranks = ranks_of(model, test_interactions, train_interactions, user_features, item_features, num_threads,
                     check_intersections)  # fmt: skip
    n_test, n_items = np.diff(ranks.indptr), ranks.shape[1]
    n_others = n_items - n_test
    if train_interactions is not None:
        n_others = n_others - np.diff(_validation.check_stored_pairs("train_interactions", train_interactions).indptr)
    user = np.repeat(np.arange(len(n_test)), n_test)
    ascending = ranks.data[np.lexsort((ranks.data, user))]
    n_test_ahead = np.arange(len(user)) - np.repeat(ranks.indptr[:-1], n_test)
    n_ahead = np.clip(ascending - n_test_ahead, 0, n_others[user])  # ties with test items are no others
    n_others_ahead = np.bincount(user, n_ahead, minlength=len(n_test))
    n_pairs = n_test * n_others
    has_pairs = n_pairs > 0
    auc = np.full(len(n_test), 0.5)
    auc[has_pairs] = 1 - n_others_ahead[has_pairs] / n_pairs[has_pairs]
    return asked(auc.astype(np.float32), ranks, preserve_rows)


def reciprocal_rank(
    model: Any,
    test_interactions: Any,
    train_interactions: Any = None,
    user_features: Any = None,
    item_features: Any = None,
    preserve_rows: bool = False,
    num_threads: int = 1,
    check_intersections: bool = True,
) -> np.ndarray:
    """Return 1 / place of the first test item, places counted from 1.

    Parameters are those of `precision_at_k`, without `k`.

    Returns
    -------
    ndarray of float32, shape (n_users with test items,) or (n_users,)
        From 0 to 1; 0 for users without test items.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as it must be, or the model is not fitted.

    Examples
    --------
    A model that has user 0's test item in the first place, and user 1's in the second:

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> test = csr_matrix([[1, 0, 0], [0, 1, 0]])
    >>> ranks = csr_matrix(([0, 1], test.indices, test.indptr), shape=test.shape)
    >>> model = SimpleNamespace(predict_rank=lambda *_, **__: ranks)
    >>> reciprocal_rank(model, test)
    array([1. , 0.5], dtype=float32)
    """
    ranks = ranks_of(model, test_interactions, train_interactions, user_features, item_features, num_threads,
                     check_intersections)  # fmt: skip
    values = np.zeros(ranks.shape[0], dtype=np.float32)
    some = np.diff(ranks.indptr) > 0
    values[some] = 1 / (1 + np.minimum.reduceat(ranks.data, ranks.indptr[:-1][some])) if some.any() else 0
    return asked(values, ranks, preserve_rows)


def ranks_of(
    model: Any,
    test: Any,
    train: Any,
    user_features: Any,
    item_features: Any,
    num_threads: int,
    check_intersections: bool,
) -> scipy.sparse.csr_matrix:
    """Return the ranks of the test items, from the model; arguments that all metrics have are checked."""
    ranks = _validation.check_ranks_items(model)(
        test,
        train_interactions=train,
        user_features=user_features,
        item_features=item_features,
        num_threads=_validation.check_at_least_one_thread(num_threads),
        check_intersections=_validation.check_flag("check_intersections", check_intersections),
    )
    return ranks


def n_within(ranks: scipy.sparse.csr_matrix, k: int) -> np.ndarray:
    """Return the number of test items among each user's first k."""
    n_before = np.concatenate(([0], np.cumsum(ranks.data < k)))
    return np.diff(n_before[ranks.indptr]).astype(np.float32)


def asked(values: np.ndarray, ranks: scipy.sparse.csr_matrix, preserve_rows: bool) -> np.ndarray:
    """Return the values of all users, or of those with test items."""
    return values if _validation.check_flag("preserve_rows", preserve_rows) else values[np.diff(ranks.indptr) > 0]
