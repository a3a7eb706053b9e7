"""Lists from vectors whose last column is the bias for items, and 1 for users."""

from __future__ import annotations

import itertools
import operator
import warnings
from typing import Any

import numpy as np

from fastbpr import _retrieval, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._threads import effective_threads
from fastbpr.compat.implicit import utils
from fastbpr.compat.implicit.recommender_base import RecommenderBase

ZERO_NORM = 1e-10  # what implicit takes for the length of a vector of zeros
WORK_FOR_THREADS = 2**24  # products, a few milliseconds: starting threads may take longer than less than that


class MatrixFactorizationBase(RecommenderBase):
    """Vectors of users and items, and lists that follow from them; `BayesianPersonalizedRanking` has the details."""

    user_factors: np.ndarray | None
    item_factors: np.ndarray | None
    dtype: np.dtype
    num_threads: int

    # ---- lists ------------------------------------------------------------------------------------------------------

    def recommend(
        self,
        userid: Any,
        user_items: Any,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the items that users would like next, best first.

        Parameters
        ----------
        userid : int or array of int, shape (n,)
            Row number or row numbers, from 0 to n_users - 1.
        user_items : SciPy sparse matrix or array in CSR format, shape (n, n_items)
            What each of these users has already, one row per entry of `userid`: all that is stored, whatever its value.
            Not looked at, and may be None, without `filter_already_liked_items`.
        N : int, default 10
            Length of the lists, >= 1; the number of `items` if that is smaller.
        filter_already_liked_items : bool, default True
            Leave out what the user has already.
        filter_items : array of int or None, default None
            Items to leave out for everybody.
        recalculate_user : bool, default False
            Must be False, as for BPR in implicit. ``to_fastbpr().fold_in(user_items)`` does it.
        items : array of int or None, default None
            The only items to choose from, each once. Cannot be combined with `filter_items`.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
            1-D for a single `userid`. Equal scores are ordered by id. Where fewer than N items remain, -1; but with
            `items`, what the user has of them comes last, as in implicit.
        scores : ndarray of the model's dtype, same shape
            The product of the two vectors. For items that come last and for -1, the smallest number of the dtype.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        NotImplementedError
            With `recalculate_user`.
        TypeError, ValueError
            If an argument is not as it must be, or `user_items` are not in CSR format.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
        >>> model = BayesianPersonalizedRanking(factors=8, random_state=0)
        >>> model.fit(user_items, show_progress=False)
        >>> ids, scores = model.recommend(0, user_items[[0]], N=3)
        >>> ids
        array([ 2,  3, -1], dtype=int32)
        """
        _validation.check_flag("filter_already_liked_items", filter_already_liked_items)
        if recalculate_user:
            self.recalculate_user(userid, _validation.check_in_csr("user_items", user_items))
        _validation.check_not_both("items", items, "filter_items", filter_items)
        lists = self._lists()
        users, single = _validation.check_ids("userid", userid, len(lists.user_factors), what="user")
        N = _validation.check_integer("N", N, minimum=1)
        n_items = len(lists.item_factors)
        candidates = _validation.check_candidates("items", items, "filter_items", filter_items, n_items, what="item")
        liked = None
        if filter_already_liked_items:
            indptr, indices = _validation.check_rows_asked("user_items", user_items, (len(users), n_items))
            liked = [indices[start:end] for start, end in itertools.pairwise(indptr.tolist())]
        N = N if items is None else min(N, len(candidates))
        if N == 0:
            empty = np.empty((len(users), 0))
            return self._as_asked(empty.astype(np.int32), empty, single)
        ids, scores = _retrieval.top_k(
            lists.user_factors[users],
            lists.item_factors,
            N,
            candidates=candidates,
            excluded=liked,
            num_threads=effective_threads(self._threads_for(len(users), lists)),
        )
        if items is not None and liked is not None:
            add_left_out(ids, liked, candidates)
        return self._as_asked(ids, scores, single)

    def similar_users(
        self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar users by the cosine of their whole vectors, the user first.

        Parameters, results and errors are those of `similar_items`, with users for items.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
        >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
        >>> model.fit(csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]), show_progress=False)
        >>> model.similar_users(1, N=2)[0]
        array([1, 0], dtype=int32)
        """
        _validation.check_fitted(self)
        _validation.check_not_both("users", users, "filter_users", filter_users)
        return self._neighbours("user", userid, N, filter_users, users)

    def similar_items(
        self,
        itemid: Any,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: Any = None,
        filter_items: Any = None,
        items: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar items by the cosine of their whole vectors, the item itself first.

        Whole vectors have the bias as their last column, as in implicit: items are similar, too, for being alike in
        popularity. `fastbpr.BPR`, and so ``to_fastbpr().similar_items(...)``, leaves the bias out.

        Parameters
        ----------
        itemid : int or array of int, shape (n,)
            Row number or row numbers, from 0 to n_items - 1.
        N : int, default 10
            Length of the lists, >= 1, the item itself included.
        recalculate_item : bool, default False
            Must be False, as for BPR in implicit.
        item_users : object, default None
            Not looked at without `recalculate_item`.
        filter_items : array of int or None, default None
            Items to leave out; the item itself, too, if it is among them.
        items : array of int or None, default None
            The only items to choose from; the item itself is in its list only if it is among them. Cannot be combined
            with `filter_items`.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
            1-D for a single `itemid`. Equal scores are ordered by id. Where fewer than N items remain, -1.
        scores : ndarray of the model's dtype, same shape
            Cosines, from -1 to 1; 0 for a vector of zeros. For -1, the smallest number of the dtype.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        NotImplementedError
            With `recalculate_item`.
        TypeError, ValueError
            If an argument is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
        >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
        >>> model.fit(csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]), show_progress=False)
        >>> ids, cosines = model.similar_items([0, 3], N=2)
        >>> ids
        array([[0, 1],
               [3, 2]], dtype=int32)
        """
        _validation.check_fitted(self)
        _validation.check_not_recalculated("recalculate_item", recalculate_item, RECALCULATE_ITEM)
        _validation.check_not_both("items", items, "filter_items", filter_items)
        return self._neighbours("item", itemid, N, filter_items, items)

    def _neighbours(self, what: str, query: Any, n: int, left_out: Any, only: Any) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours within the users' or the items' whole vectors."""
        lists = self._lists()
        num_threads = self._threads_for(np.size(query), lists)
        ids, scores = lists._similar(
            what, np.atleast_1d(query), n, left_out, only, lists.similarity, num_threads=num_threads
        )
        return self._as_asked(ids, scores, np.ndim(query) == 0)

    def _as_asked(self, ids: np.ndarray, scores: np.ndarray, single: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return lists with implicit's smallest scores, in the model's dtype, 1-D for a single query."""
        scores = scores.astype(self.dtype)
        scores[np.isneginf(scores)] = np.finfo(self.dtype).min
        return (ids[0], scores[0]) if single else (ids, scores)

    def _lists(self) -> WholeVectors:
        """Return what makes lists of the vectors, kept for as long as they are the same and read-only.

        Many threads may be here at once: each works with what it has found or made, whatever others keep meanwhile.
        """
        kept, sources = self._kept, _validation.check_whole_vectors(self)
        frozen = not any(array.flags.writeable for array in sources)
        if frozen and kept is not None and all(map(operator.is_, sources, kept.sources)):
            return kept
        lists = WholeVectors(sources)
        self._kept = lists if frozen else None
        return lists

    def _threads_for(self, n_queries: int, lists: WholeVectors) -> int:
        """Return how many threads are worth starting for so many lists."""
        return self.num_threads if n_queries * lists.item_factors.size > WORK_FOR_THREADS else 1

    # ---- what implicit has beside lists -----------------------------------------------------------------------------

    @property
    def user_norms(self) -> np.ndarray:
        """Lengths of the users' vectors, shape (n_users,); 1e-10 for one of zeros."""
        return norms(_validation.check_whole_vectors(self)[0])

    @property
    def item_norms(self) -> np.ndarray:
        """Lengths of the items' vectors, shape (n_items,); 1e-10 for one of zeros."""
        return norms(_validation.check_whole_vectors(self)[1])

    def recalculate_user(self, userid: Any, user_items: Any) -> np.ndarray:
        """Raise NotImplementedError, as implicit's BPR does; ``to_fastbpr().fold_in(user_items)`` does it."""
        return _validation.check_not_recalculated("recalculate_user", True, RECALCULATE_USER)

    def recalculate_item(self, itemid: Any, item_users: Any) -> np.ndarray:
        """Raise NotImplementedError, as implicit's BPR does."""
        return _validation.check_not_recalculated("recalculate_item", True, RECALCULATE_ITEM)

    def to_gpu(self) -> None:
        """Raise ValueError, as implicit does where it has been built without CUDA."""
        _validation.check_no_gpu("use_gpu", True)

    def recommend_all(
        self,
        user_items: Any,
        N: int = 10,
        recalculate_user: bool = False,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        users_items_offset: int = 0,
    ) -> np.ndarray:
        """Return the ids that `recommend` returns for users `users_items_offset` and the next. Deprecated.

        One user for each row of `user_items`, which are in CSR format.
        """
        warnings.warn(
            "recommend_all is deprecated: use recommend(userids, user_items).", DeprecationWarning, stacklevel=2
        )
        users = users_items_offset + np.arange(utils.in_csr(user_items).shape[0])
        return self.recommend(users, user_items, N, filter_already_liked_items, filter_items, recalculate_user)[0]


RECALCULATE_USER = "Give new users vectors by to_fastbpr().fold_in(user_items)."
RECALCULATE_ITEM = "Fit again to learn about new items."


class WholeVectors(FactorModel):
    """Vectors whose bias is one of their columns, and no other."""

    similarity = "cosine"

    def __init__(self, sources: tuple[np.ndarray, np.ndarray]) -> None:
        self.sources = sources
        users, items = (np.ascontiguousarray(table, dtype=np.float32) for table in sources)
        self._set_fitted((users.view(), items.view(), np.zeros(len(items), dtype=np.float32)))


def norms(factors: np.ndarray) -> np.ndarray:
    """Return the lengths of vectors as implicit has them, never 0."""
    lengths = np.linalg.norm(factors, axis=-1)
    lengths[lengths == 0] = ZERO_NORM
    return lengths


def add_left_out(ids: np.ndarray, liked: list[np.ndarray], items: np.ndarray) -> None:
    """Put what users have of the items where their lists have -1."""
    for row in np.flatnonzero(ids[:, -1] < 0):
        left_out = np.intersect1d(items, liked[row])
        n_missing = np.count_nonzero(ids[row] < 0)
        ids[row, -n_missing:] = left_out[:n_missing]
