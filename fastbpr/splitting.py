"""Dividing interactions into what a model learns from and what it is judged by.

A model in use has learned from the past and is judged by what comes next, by people who are partly new. The closer a
split is to that, the lower and the more honest its figures:

* `split_by_time`: one moment for everybody, as on the day a model goes live. The closest to production.
* `latest_of_each_user`, and `leave_one_out` by time: every user has a future to be judged by, but each a moment of
  their own, so what others did later tells of it: of trends, and of items that were not there yet.
* `hold_out`, `k_fold`, and `leave_one_out` at random: a model learns from the user's own future, too. They use the data
  well, need no timestamps, and compare models with each other; their figures are too good.
* `leave_one_out_across_contexts`: a test that neighbours do not pass by having shared a page with the item.
* `hold_out_users`: people whom training has never seen, for `BPR.fold_in`. Its ``by`` decides as above.

Every function returns parts of the type, shape, labels and values of its input, which is not changed, and the same
parts again for the same seed. Several interactions of a user with an item are one, and move together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation, _visits

__all__ = [
    "Split",
    "UserSplit",
    "hold_out",
    "hold_out_users",
    "k_fold",
    "latest_of_each_user",
    "leave_one_out",
    "split_by_time",
]


class Split(NamedTuple):
    """Interactions to learn from and interactions to be judged by, of one shape; unpacks into the two.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> split = leave_one_out(csr_array([[1, 1, 1, 0], [1, 0, 0, 1]]), random_state=0)
    >>> split.train.nnz, split.test.nnz
    (3, 2)
    >>> train, test = split
    """

    train: Any
    test: Any

    @property
    def n_single_item_users(self) -> int:
        """Number of users who have one item only, which stayed in `train`. Users without items are not counted.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> leave_one_out(csr_array([[0, 0, 1], [1, 0, 1], [0, 0, 0]]), random_state=0).n_single_item_users
        1
        """
        return int(np.count_nonzero((items_per_user(self.train) == 1) & (items_per_user(self.test) == 0)))


class CrossContextSplit(NamedTuple):
    """Interactions to learn from, and pairs to be judged by: of each user, queries and a target of other contexts."""

    train: Any
    queries: Any  # a part of train
    test: Any


class UserSplit(NamedTuple):
    """Users to learn from, and for users held out what is known of them and what they are judged by; of one shape.

    `hold_out_users` makes it, and has an example.
    """

    train: Any
    fold_in: Any
    test: Any
    users: np.ndarray  # int32, ascending: the rows that are empty in `train`


def leave_one_out(
    interactions: Any,
    by: str = "random",
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> Split:
    """Hold one item of every user with two items or more out for testing.

    Users with a single item keep it in training: there is nothing to learn about them otherwise.
    ``split.n_single_item_users`` counts them. Holding out the latest item is closer to what a model is for, and harder,
    than holding out one at random, which lets the model learn from the future.

    Parameters
    ----------
    interactions : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        Is not changed. Several interactions of a user with an item are one: they are moved together.
    by : {"random", "time"}, default "random"
        ``random`` takes each of a user's items with the same probability. ``time`` takes the item whose latest
        interaction is the user's latest, and of several at that time the one with the largest item row number; it needs
        Interactions with timestamps.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed of ``random``; the same seed gives the same split.

    Returns
    -------
    Split
        ``train, test``, both of the type, shape and labels of `interactions` and with its values.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or if ``by="time"`` has no timestamps to go by.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 1, 0, 1]])
    >>> split = leave_one_out(user_items, random_state=0)
    >>> train, test = split
    >>> test.sum(axis=1)
    array([1, 0, 1])
    >>> split.n_single_item_users
    1
    """
    return leave_one_out_of_some(interactions, None, by, random_state)


def leave_one_out_of_some(interactions: Any, share: float | None, by: str, random_state: Any) -> Split:
    """Hold one item out as `leave_one_out` does, of a share of the users it would take, at least 1; None for all."""
    _validation.check_choice("by", by, ["random", "time"])
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timestamps("interactions", interactions, needed=by == "time")
    is_drawn = by == "random" or share is not None
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state)) if is_drawn else None
    n_items = np.diff(matrix.indptr)
    users = np.flatnonzero(n_items >= 2)
    if by == "random":
        places = matrix.indptr[users] + rng.integers(n_items[users])
    if share is None or not len(users):
        chosen = np.arange(len(users))
    else:
        chosen = rng.choice(len(users), max(round(share * len(users)), 1), replace=False)
    if by == "random":
        in_test = np.zeros(matrix.nnz, dtype=bool)
        in_test[places[chosen]] = True
    else:
        n_last = np.zeros(len(n_items), dtype=np.int64)
        n_last[users[chosen]] = 1
        in_test = last_of_each_user(timestamps, matrix.indptr, n_last)
    return parts(in_test, matrix, interactions, timestamps)


def leave_one_out_across_contexts(
    interactions: Any,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> CrossContextSplit:
    """Hold one item of every user out, to be found from those of the user's other items that share no context with it.

    Plain leave-one-out rewards neighbours that were on the same page: they are what the user has clicked on next to
    the item that is held out. Here a user's query and target come from different contexts (pages, sessions, baskets),
    so what finds one from the other is something else. `fastbpr.evaluation.evaluate_across_contexts` judges a model.

    Parameters
    ----------
    interactions : Interactions
        With contexts, of any kind and strength. Is not changed. A row without a context shares none with any other.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        The same seed gives the same split.

    Returns
    -------
    CrossContextSplit
        ``train, queries, test``. Each user has at most one item, the target, in ``test``: any that some other item of
        the user has no context in common with, in that user's rows, each with the same probability. ``queries`` are all
        these other items. ``train`` is everything but the targets, which it does not have in any context; users without
        a target keep all in it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, if there are no contexts, or if no user has two items from different ones.

    Examples
    --------
    >>> from fastbpr import Interactions
    >>> log = Interactions.from_arrays(["ann"] * 3, ["tea", "cup", "pot"], contexts=["monday", "monday", "friday"])
    >>> train, queries, test = leave_one_out_across_contexts(log, random_state=0)
    >>> test.item_labels[test.user_items.indices], queries.item_labels[queries.user_items.indices]
    (array(['pot'], dtype=object), array(['tea', 'cup'], dtype=object))
    """
    contexts = _validation.check_contexts("interactions", interactions)
    matrix, timestamps = interactions.user_items, interactions.timestamps
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
    visits = _visits.entries_of_visits(contexts, matrix)
    eligible = np.flatnonzero(_visits.has_others(visits, matrix))
    _validation.check_enough("interactions", len(eligible), "user with two items from different contexts", minimum=1)

    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    shuffled = rng.permutation(eligible)
    targets = np.sort(shuffled[np.unique(users[shuffled], return_index=True)[1]])  # the first of each user
    in_test = np.zeros(matrix.nnz, dtype=bool)
    in_test[targets] = True
    in_queries = np.isin(users, users[targets]) & ~in_test
    in_queries[np.concatenate([together.indices for _, together in _visits.entries_together(visits, targets)])] = False
    chosen = (~in_test, in_queries, in_test)
    return CrossContextSplit(*(entries_where(part, matrix, interactions, timestamps) for part in chosen))


def hold_out(
    interactions: Any,
    share: float = 0.2,
    *,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> Split:
    """Hold a share of all interactions out for testing, each with the same probability.

    The simplest split, and the most flattering: the model learns from what came after the test items. Users with many
    items have many in the test part; users with few may have none, or none to learn from. `evaluate` judges the latter,
    too: see `split_by_time`.

    Parameters
    ----------
    interactions : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        At least two interactions.
    share : float, default 0.2
        Between 0 and 1. Of n interactions ``round(share * n)`` are held out, but at least 1 and at most n - 1.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        The same seed gives the same split.

    Returns
    -------
    Split
        ``train, test``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> train, test = hold_out(csr_array([[1, 1, 1, 0], [1, 0, 0, 1]]), share=0.4, random_state=0)
    >>> train.nnz, test.nnz
    (3, 2)
    """
    share = _validation.check_part("share", share)
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timestamps("interactions", interactions, needed=False)
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
    _validation.check_enough("interactions", matrix.nnz, "interactions", minimum=2)
    in_test = np.zeros(matrix.nnz, dtype=bool)
    in_test[rng.permutation(matrix.nnz)[: sizes_of(share, matrix.nnz)]] = True
    return parts(in_test, matrix, interactions, timestamps)


def split_by_time(interactions: Any, *, share: float = 0.2, cut: Any = None) -> Split:
    """Cut at one moment for everybody: what came then or later is for testing.

    This is what happens to a model in use, and so the split whose figures to believe. The test part has users and items
    that training has never seen, and `evaluate` does not leave them out: a user without training items is judged by a
    list of the items with the highest biases (a `BPR` vector of such a user is zero), and an item without training
    interactions is one of the relevant items, and next to never found. To judge only users whom the model knows, pass
    ``users=numpy.flatnonzero(numpy.diff(train.user_items.indptr))``.

    Parameters
    ----------
    interactions : Interactions
        With timestamps, at least two of them different. Of repeated interactions the latest counts.
    share : float, default 0.2
        Between 0 and 1: how much of all interactions to hold out. Interactions at the same time stay together, so the
        moment is the one that comes closest, the later of two that come as close.
    cut : number, date, ISO 8601 text or None, default None
        The moment itself, of the kind of the timestamps; `share` then does not matter. There must be interactions
        before it, and at it or later.

    Returns
    -------
    Split
        ``train, test``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or without timestamps.

    Examples
    --------
    >>> from fastbpr import Interactions
    >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "cup", "cup", "tea"]
    >>> log = Interactions.from_arrays(users, items, timestamps=[1, 2, 3, 3])
    >>> split_by_time(log, share=0.5).test.timestamps
    array([3, 3])
    >>> split_by_time(log, cut=2).test.timestamps
    array([2, 3, 3])
    """
    share = _validation.check_part("share", share)
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timed("interactions", interactions)
    moment = moment_of(share, timestamps) if cut is None else _validation.check_cut("cut", cut, timestamps)
    return parts(timestamps >= moment, matrix, interactions, timestamps)


def latest_of_each_user(interactions: Any, share: float = 0.2) -> Split:
    """Hold the latest share of every user's own items out for testing.

    Every user with two items or more is judged, by their own future. But each user's future begins at another moment,
    so the model learns from what others did after it; `split_by_time` does not have that.

    Parameters
    ----------
    interactions : Interactions
        With timestamps. Of repeated interactions the latest counts.
    share : float, default 0.2
        Between 0 and 1. Of a user's n items ``round(share * n)`` are held out, but at least 1 and at most n - 1; users
        with a single item keep it. Of items at the same time those with the larger row numbers are held out first.

    Returns
    -------
    Split
        ``train, test``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or without timestamps.

    Examples
    --------
    >>> from fastbpr import Interactions
    >>> log = Interactions.from_arrays(["ann", "ann", "ann", "bob"], ["a", "b", "c", "a"], timestamps=[9, 7, 8, 1])
    >>> latest_of_each_user(log, share=0.4).test.timestamps
    array([9])
    """
    share = _validation.check_part("share", share)
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timed("interactions", interactions)
    in_test = last_of_each_user(timestamps, matrix.indptr, sizes_of(share, np.diff(matrix.indptr)))
    return parts(in_test, matrix, interactions, timestamps)


def k_fold(
    interactions: Any,
    n_folds: int = 5,
    *,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> list[Split]:
    """Divide all interactions at random into folds, each of which is the test part of one split.

    Means over the folds vary less than the figures of one `hold_out`, of which they have all faults.

    Parameters
    ----------
    interactions : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        At least as many interactions as folds.
    n_folds : int, default 5
        Number of folds, >= 2. Their sizes differ by one at most.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        The same seed gives the same folds.

    Returns
    -------
    list of Split
        ``train, test`` of every fold.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> folds = k_fold(csr_array([[1, 1, 1, 0], [1, 0, 0, 1]]), n_folds=2, random_state=0)
    >>> [(train.nnz, test.nnz) for train, test in folds]
    [(2, 3), (3, 2)]
    """
    n_folds = _validation.check_integer("n_folds", n_folds, minimum=2)
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timestamps("interactions", interactions, needed=False)
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
    _validation.check_enough("interactions", matrix.nnz, "interactions", minimum=n_folds)
    fold_of_entry = rng.permutation(matrix.nnz) % n_folds
    return [parts(fold_of_entry == fold, matrix, interactions, timestamps) for fold in range(n_folds)]


def hold_out_users(
    interactions: Any,
    share: float = 0.1,
    *,
    fold_in: float = 0.8,
    by: str = "random",
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> UserSplit:
    """Hold users out altogether, to judge how well a model serves people who came after its training.

    Their rows are empty in ``train``. ``fold_in`` has a part of their items, from which a model makes their vectors
    without training, and ``test`` the others. All parts have all rows, so that row numbers mean the same everywhere;
    `evaluate` judges the users who have test items, that is, those held out:
    ``evaluate(model.fold_in(split.fold_in), split.fold_in, split.test)`` with a model fitted to ``split.train``.

    Parameters
    ----------
    interactions : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        At least two users with items, one of them with two.
    share : float, default 0.1
        Between 0 and 1. Of n users with two items or more ``round(share * n)`` are held out, but at least 1, and never
        all who have items. Each has the same probability.
    fold_in : float, default 0.8
        Between 0 and 1. Of a held-out user's n items ``round(fold_in * n)`` are in ``fold_in``, but at least 1 and at
        most n - 1.
    by : {"random", "time"}, default "random"
        Which of a user's items are in ``test``: any, or the latest, which needs Interactions with timestamps and is
        closer to production. Of items at the same time those with the larger row numbers.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        The same seed gives the same split.

    Returns
    -------
    UserSplit
        ``train, fold_in, test, users``; ``users`` are the row numbers of those held out, ascending.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or if ``by="time"`` has no timestamps to go by.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 1, 1, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
    >>> split = hold_out_users(user_items, share=0.3, random_state=0)
    >>> split.users
    array([2], dtype=int32)
    >>> split.train.sum(axis=1), split.fold_in.sum(axis=1), split.test.sum(axis=1)
    (array([3, 2, 0]), array([0, 0, 2]), array([0, 0, 1]))
    """
    share, fold_in = _validation.check_part("share", share), _validation.check_part("fold_in", fold_in)
    _validation.check_choice("by", by, ["random", "time"])
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timestamps("interactions", interactions, needed=by == "time")
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
    n_items = np.diff(matrix.indptr)
    candidates, n_users = np.flatnonzero(n_items >= 2), int(np.count_nonzero(n_items))
    _validation.check_enough("interactions", n_users, "users with items", minimum=2)
    _validation.check_enough("interactions", len(candidates), "user with two items", minimum=1)
    n_held_out = min(max(round(share * len(candidates)), 1), len(candidates), n_users - 1)
    users = np.sort(rng.choice(candidates, n_held_out, replace=False)).astype(np.int32)

    held_out = np.zeros(len(n_items), dtype=bool)
    held_out[users] = True
    of_held_out = np.repeat(held_out, n_items)
    keys = timestamps if by == "time" else rng.random(matrix.nnz)
    in_test = last_of_each_user(keys, matrix.indptr, np.where(held_out, n_items - sizes_of(fold_in, n_items), 0))
    chosen = (~of_held_out, of_held_out & ~in_test, in_test)
    return UserSplit(*(entries_where(part, matrix, interactions, timestamps) for part in chosen), users)


def sizes_of(share: float, n: Any) -> Any:
    """Return the share of n as a whole number that leaves one at least on either side; 0 where n is below two."""
    return np.clip(np.round(share * n), 1, np.maximum(n - 1, 1)).astype(np.int64) * (n >= 2)


def moment_of(share: float, timestamps: np.ndarray) -> Any:
    """Return the moment from which on there is about a share of all timestamps; never the first."""
    moments, n_at = np.unique(timestamps, return_counts=True)
    _validation.check_enough("interactions", len(moments), "different timestamps", minimum=2)
    n_from = np.cumsum(n_at[::-1])  # latest moment first, so that the later of two equally good ones is found
    return moments[::-1][np.argmin(np.abs(n_from[:-1] - share * len(timestamps)))]


def last_of_each_user(keys: np.ndarray, indptr: np.ndarray, n_last: np.ndarray) -> np.ndarray:
    """Return which entries are among their user's last n by keys; of equal keys those with larger items are later."""
    user_of_entry = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    by_key = np.lexsort((keys, user_of_entry))  # stable: entries of the same key stay ordered by item
    chosen = np.zeros(len(keys), dtype=bool)
    chosen[by_key] = np.arange(len(keys)) >= np.repeat(indptr[1:] - n_last, np.diff(indptr))
    return chosen


def parts(in_test: np.ndarray, matrix: scipy.sparse.csr_array, interactions: Any, timestamps: Any) -> Split:
    """Return both parts in the type of `interactions`."""
    return Split(
        entries_where(~in_test, matrix, interactions, timestamps),
        entries_where(in_test, matrix, interactions, timestamps),
    )


def entries_where(
    chosen: np.ndarray, matrix: scipy.sparse.csr_array, interactions: Any, timestamps: np.ndarray | None
) -> Any:
    """Return the chosen entries of the matrix in the type of `interactions`."""
    n_before = np.concatenate([[0], np.cumsum(chosen)])
    part = scipy.sparse.csr_array(
        (matrix.data[chosen], matrix.indices[chosen], n_before[matrix.indptr]), shape=matrix.shape
    )
    if hasattr(interactions, "user_items"):
        return interactions._with_matrix(part, None if timestamps is None else timestamps[chosen])
    return type(interactions)(part)


def items_per_user(interactions: Any) -> np.ndarray:
    """Return the number of items of each user."""
    return np.diff(scipy.sparse.csr_array(getattr(interactions, "user_items", interactions)).indptr)
