"""Dividing interactions into what a model learns from and what it is judged by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation


class Split(NamedTuple):
    """Interactions to learn from and interactions to be judged by, of one shape; unpacks into the two."""

    train: Any
    test: Any

    @property
    def n_single_item_users(self) -> int:
        """Number of users who have one item only, which stayed in `train`. Users without items are not counted."""
        return int(np.count_nonzero((items_per_user(self.train) == 1) & (items_per_user(self.test) == 0)))


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
    _validation.check_choice("by", by, ["random", "time"])
    matrix = _validation.check_entries("interactions", interactions)
    timestamps = _validation.check_timestamps("interactions", interactions, needed=by == "time")

    n_items = np.diff(matrix.indptr)
    users = np.flatnonzero(n_items >= 2)
    if by == "random":
        rng = np.random.default_rng(_validation.check_seed("random_state", random_state))
        held_out = matrix.indptr[users] + rng.integers(n_items[users])
    else:
        user_of_entry = np.repeat(np.arange(len(n_items)), n_items)
        by_time = np.lexsort((timestamps, user_of_entry))  # stable: entries of the same time stay ordered by item
        held_out = by_time[matrix.indptr[users + 1] - 1]
    in_test = np.zeros(matrix.nnz, dtype=bool)
    in_test[held_out] = True
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
