"""Models that learn nothing about anybody: what a result must beat to mean something."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _validation

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Popularity:
    """Recommends what most users have.

    The score of an item is the number of users who have it, the same for every user; as a list of similar items, too,
    it gives the most popular ones.

    Attributes
    ----------
    item_counts : ndarray of float32, shape (n_items,)
        Number of users who have the item; how often, or with what weight, does not matter.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> model = Popularity().fit(csr_array([[1, 1, 0], [1, 0, 0]]))
    >>> model.score([0, 1])
    array([[2., 1., 0.],
           [2., 1., 0.]], dtype=float32)
    """

    def __init__(self) -> None:
        self.n_users: int | None = None
        self.item_counts: np.ndarray | None = None

    def fit(self, user_items: Any) -> Popularity:
        """Count the users of every item.

        Parameters
        ----------
        user_items : SciPy sparse matrix of shape (n_users, n_items) or Interactions

        Returns
        -------
        Popularity
            The model itself.
        """
        matrix = _validation.check_user_items("user_items", user_items)
        self.n_users, n_items = matrix.shape
        self.item_counts = np.bincount(matrix.indices, minlength=n_items).astype(np.float32)
        return self

    def score(self, userids: Any) -> np.ndarray:
        """Return the scores of all items for some users.

        Parameters
        ----------
        userids : int or array of int, shape (n,)
            Row numbers, from 0 to n_users - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            A read-only view of `item_counts`.
        """
        _validation.check_fitted(self, "item_counts")
        return self._counts_for("userids", userids, self.n_users, "user")

    def similarity(self, itemids: Any) -> np.ndarray:
        """Return the popularity of all items, whatever they are compared with.

        Parameters
        ----------
        itemids : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            A read-only view of `item_counts`.
        """
        _validation.check_fitted(self, "item_counts")
        return self._counts_for("itemids", itemids, len(self.item_counts), "item")

    def _counts_for(self, name: str, ids: Any, n_rows: int, what: str) -> np.ndarray:
        """Repeat the counts for every id."""
        ids, single = _validation.check_ids(name, ids, n_rows, what=what)
        return self.item_counts if single else np.broadcast_to(self.item_counts, (len(ids), len(self.item_counts)))


class Random:
    """Recommends anything.

    Scores are uniform from 0 to 1 and independent for every user and item. They are computed, not stored: those of a
    user are the same in whatever batch the user is asked for.

    Parameters
    ----------
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed. Models fitted with the same one to matrices of the same shape give the same scores. A generator is drawn
        from once per fit.

    Notes
    -----
    With n_items items, row u's score of item i is draw number ``u * n_items + i`` of the SplitMix64 generator (Steele,
    Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), cut to its upper 24 bits. Users are
    rows 0 to n_users - 1; in `similarity`, items are the rows after them.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> model = Random(random_state=0).fit(csr_array([[1, 1, 0], [1, 0, 0]]))
    >>> bool((model.score([0, 1])[1] == model.score(1)).all())
    True
    """

    def __init__(self, random_state: int | np.random.Generator | np.random.RandomState | None = None) -> None:
        self.random_state = random_state
        self.seed: int | None = None
        self.n_users: int | None = None
        self.n_items: int | None = None

    def fit(self, user_items: Any) -> Random:
        """Take note of the shape, and draw the seed.

        Parameters
        ----------
        user_items : SciPy sparse matrix of shape (n_users, n_items) or Interactions

        Returns
        -------
        Random
            The model itself.
        """
        self.n_users, self.n_items = _validation.check_user_items("user_items", user_items).shape
        self.seed = _validation.check_seed("random_state", self.random_state)
        return self

    def score(self, userids: Any) -> np.ndarray:
        """Return the scores of all items for some users.

        Parameters
        ----------
        userids : int or array of int, shape (n,)
            Row numbers, from 0 to n_users - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            At least 0 and below 1.
        """
        _validation.check_fitted(self, "seed")
        users, single = _validation.check_ids("userids", userids, self.n_users, what="user")
        scores = self._draws(users.astype(np.uint64))
        return scores[0] if single else scores

    def similarity(self, itemids: Any) -> np.ndarray:
        """Return how similar all items are said to be to some items.

        Parameters
        ----------
        itemids : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            At least 0 and below 1.
        """
        _validation.check_fitted(self, "seed")
        items, single = _validation.check_ids("itemids", itemids, self.n_items, what="item")
        scores = self._draws(items.astype(np.uint64) + np.uint64(self.n_users))
        return scores[0] if single else scores

    def _draws(self, rows: np.ndarray) -> np.ndarray:
        """Return SplitMix64's draws number row * n_items + item as fractions of 2**24, shape (n_rows, n_items)."""
        number = rows[:, None] * np.uint64(self.n_items) + np.arange(self.n_items, dtype=np.uint64)
        word = np.uint64(self.seed) + (number + np.uint64(1)) * GOLDEN  # arrays of uint64 wrap around
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
        return (word >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


class ItemCooccurrence:
    """Cosine of the items' columns of users; stands in for the real one."""

    def __init__(self) -> None:
        self.user_items = self.cosines = None

    def fit(self, user_items: Any) -> ItemCooccurrence:
        """Count who has what together."""
        matrix = _validation.check_user_items("user_items", user_items)
        matrix = matrix.astype(bool).astype(np.float32)
        counts = np.asarray(matrix.sum(axis=0)).ravel()
        scale = np.divide(1, np.sqrt(counts), out=np.zeros_like(counts), where=counts > 0)
        self.user_items = matrix
        columns = matrix.multiply(scale[None, :]).tocsr()
        self.cosines = (columns.T @ columns).tolil()
        self.cosines.setdiag(0)
        self.cosines = self.cosines.tocsr()
        return self

    def score(self, userids: Any) -> np.ndarray:
        """Sum of the cosines with what users have."""
        return (self.user_items[np.atleast_1d(userids)] @ self.cosines).toarray()

    def similarity(self, itemids: Any) -> np.ndarray:
        """Cosines with all items."""
        return self.cosines[np.atleast_1d(itemids)].toarray()
