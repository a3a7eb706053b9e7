"""A model that knows nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr.baselines._labelled import Labelled

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Random(Labelled):
    """Recommends anything.

    Scores are uniform from 0 to 1 and independent for every user and item. They are computed, not stored: those of a
    user are the same in whatever batch the user is asked for.

    Parameters
    ----------
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed. Models fitted with the same one to matrices of the same shape give the same scores. A generator is drawn
        from once per fit.

    Attributes
    ----------
    user_labels, item_labels, item_names : ndarray or None
        Outside ids and titles by row, as in `BPR`, when fitted to `Interactions`.

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

        Raises
        ------
        TypeError, ValueError
            If `random_state` or `user_items` is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = Random(random_state=0).fit(csr_array([[1, 1, 0], [1, 0, 0]]))
        >>> model.n_users, model.n_items
        (2, 3)
        """
        self.n_users, self.n_items = _validation.check_user_items("user_items", user_items).shape
        self.seed = _validation.check_seed("random_state", self.random_state)
        self._keep_labels(user_items)
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

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If ids are not as they must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> Random(random_state=0).fit(csr_array([[1, 1, 0], [1, 0, 0]])).score([0, 1]).shape
        (2, 3)
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

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If ids are not as they must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> Random(random_state=0).fit(csr_array([[1, 1, 0], [1, 0, 0]])).similarity(2).shape
        (3,)
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
