"""Scores of single pairs, and the ranks of given items among all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _retrieval, _validation
from fastbpr._threads import effective_threads


class Predictions:
    """The part of a model of vectors that answers for given pairs of users and items."""

    num_threads: int
    user_biases: np.ndarray | None

    def predict(self, userid: Any, itemid: Any) -> np.ndarray:
        """Return the scores of pairs of a user and an item.

        Parameters
        ----------
        userid : int or array of int, shape (n,)
            Row numbers, from 0 to n_users - 1. A single one stands for all pairs.
        itemid : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1. A single one stands for all pairs.

        Returns
        -------
        ndarray of float32, shape (n,), or float32
            ``p_u . q_i + b_i``, the same numbers, bit for bit, as those of `score`; with the user's bias, where the
            model has one. A single number for a single pair.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If an argument is not as it must be, or if there are different numbers of users and items.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> own, other = model.predict(2, [3, 0])
        >>> bool(own > other)
        True
        """
        users, items, biases = _validation.check_tables(self)
        userids, one_user = _validation.check_ids("userid", userid, len(users), what="user")
        itemids, one_item = _validation.check_ids("itemid", itemid, len(items), what="item")
        _validation.check_pairs("userid", userids, one_user, "itemid", itemids, one_item)
        userids, itemids = np.broadcast_arrays(userids, itemids)
        catalogue = _retrieval.Items.of(items, _retrieval.NOTHING, biases)
        user_biases = None if self.user_biases is None else _validation.check_user_biases(self, len(users))
        scores = scores_of_pairs(users, catalogue, userids, itemids, user_biases, effective_threads(self.num_threads))
        return scores[0] if one_user and one_item else scores

    def predict_rank(self, test: Any, train: Any = None) -> scipy.sparse.csr_array:
        """Return the places that items have in the users' lists of all items, the best being 0.

        Parameters
        ----------
        test : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
            The pairs to rank: what is stored, whatever its value. Never changed.
        train : Interactions, SciPy sparse matrix or array of shape (n_users, n_items), or None, default None
            What is left out of the lists: what is stored, whatever its value. An item that is in `test`, too, is ranked
            among the others. None leaves out nothing.

        Returns
        -------
        csr_array of float32, shape (n_users, n_items)
            The same entries as `test`. The value is the number of other items, not in `train`, with the same score or
            a higher one: ties count against the item.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as it must be.

        Examples
        --------
        The item that user 0 lacks is the best of what is not in the training data, and the third of all.

        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> test = csr_array(([1], ([0], [2])), shape=(4, 4))
        >>> model.predict_rank(test, train=user_items).data, model.predict_rank(test).data
        (array([0.], dtype=float32), array([2.], dtype=float32))
        """
        users, items, biases = _validation.check_tables(self)
        shape = len(users), len(items)
        wanted, left_out = _validation.check_pairs_to_rank(self, test, train, shape)
        catalogue = _retrieval.Items.of(items, _retrieval.NOTHING, biases)
        return ranks(users, catalogue, wanted, left_out, num_threads=effective_threads(self.num_threads))


def scores_of_pairs(
    users: np.ndarray,
    items: _retrieval.Items,
    userids: np.ndarray,
    itemids: np.ndarray,
    user_biases: np.ndarray | None,
    num_threads: int,
) -> np.ndarray:
    """Return the score of every pair; ids are of equal number and in range."""
    if (userids[1:] < userids[:-1]).any():
        order = np.argsort(userids, kind="stable")
        userids, itemids = userids[order], itemids[order]
    else:
        order = slice(None)
    firsts = np.flatnonzero(np.append(True, userids[1:] != userids[:-1])[: len(userids)])
    queries = users[userids[firsts]].astype(np.float32, copy=False)
    pairs = np.append(firsts, len(userids)).astype(np.int64), itemids.astype(np.int32, copy=False)
    in_order = _retrieval.score_pairs(queries, items, pairs, num_threads)
    if user_biases is not None:
        in_order += user_biases[userids]
    scores = np.empty_like(in_order)
    scores[order] = in_order
    return scores


def ranks(
    users: np.ndarray,
    items: _retrieval.Items,
    test: scipy.sparse.csr_array,
    train: scipy.sparse.csr_array | None = None,
    *,
    num_threads: int,
) -> scipy.sparse.csr_array:
    """Return test's entries with their ranks; both matrices say by what is stored which pairs are meant."""
    asked = np.flatnonzero(np.diff(test.indptr))
    wanted = test[asked]
    left_out = scipy.sparse.csr_array(wanted.shape, dtype=bool) if train is None else train[asked]
    common = wanted.multiply(left_out)
    if common.nnz:  # the kernel can only rank what is a candidate
        left_out = scipy.sparse.csr_array(left_out > wanted)
    n_ahead = np.empty(wanted.nnz, dtype=np.int64)
    for part in _retrieval.chunks(len(asked)):
        entries = slice(wanted.indptr[part.start], wanted.indptr[part.stop])
        queries = users[asked[part]].astype(np.float32, copy=False)
        targets = index_arrays(wanted[part])
        n_ahead[entries] = _retrieval.count_ahead(
            queries, items, index_arrays(left_out[part]), targets, targets_compete=True, num_threads=num_threads
        )
        if common.nnz:
            scores = _retrieval.score_pairs(queries, items, targets, num_threads)
            n_ahead[entries] -= competing(scores, targets, common[part])
    data = n_ahead.astype(np.float32)
    return scipy.sparse.csr_array((data, test.indices.copy(), test.indptr.copy()), shape=test.shape)


def competing(scores: np.ndarray, targets: tuple[np.ndarray, np.ndarray], common: scipy.sparse.csr_array) -> np.ndarray:
    """Return for each target how many others of the query's `common` items, which are targets, score as high."""
    indptr, ids = targets
    query = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    pair = np.ravel_multi_index((query, ids), common.shape)
    is_common = np.isin(pair, np.ravel_multi_index(common.nonzero(), common.shape))
    counts = np.zeros(len(ids), dtype=bool)
    counts[np.unique(pair, return_index=True)[1]] = True  # what is stored twice is one item
    order = np.lexsort((-scores, query))
    n_so_far = np.concatenate(([0], np.cumsum((is_common & counts)[order])))
    same = (query[order][1:] == query[order][:-1]) & (scores[order][1:] == scores[order][:-1])
    last_equal = np.flatnonzero(np.append(~same, True))  # the ends of runs of equal scores
    end = last_equal[np.searchsorted(last_equal, np.arange(len(ids)))] + 1
    n_ahead = np.empty(len(ids), dtype=np.int64)
    n_ahead[order] = n_so_far[end] - n_so_far[indptr[query[order]]]
    return n_ahead - is_common


def index_arrays(csr: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) in the dtypes of the kernels."""
    return csr.indptr.astype(np.int64, copy=False), csr.indices.astype(np.int32, copy=False)
