"""A model that knows what most users have."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr.baselines._labelled import Labelled


class Popularity(Labelled):
    """Recommends what most users have.

    The score of an item is the number of users who have it, the same for every user; as a list of similar items, too,
    it gives the most popular ones.

    Attributes
    ----------
    item_counts : ndarray of float32, shape (n_items,)
        Number of users who have the item; how often, or with what weight, does not matter.
    user_labels, item_labels, item_names : ndarray or None
        Outside ids and titles by row, as in `BPR`, when fitted to `Interactions`.

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

        Raises
        ------
        TypeError, ValueError
            If `user_items` is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> Popularity().fit(csr_array([[1, 1, 0], [1, 0, 0]])).item_counts
        array([2., 1., 0.], dtype=float32)
        """
        matrix = _validation.check_user_items("user_items", user_items)
        self.n_users, n_items = matrix.shape
        self.item_counts = np.bincount(matrix.indices, minlength=n_items).astype(np.float32)
        self.item_counts.flags.writeable = False
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
            A read-only view of `item_counts`.

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
        >>> Popularity().fit(csr_array([[1, 1, 0], [1, 0, 0]])).score(1)
        array([2., 1., 0.], dtype=float32)
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
        >>> Popularity().fit(csr_array([[1, 1, 0], [1, 0, 0]])).similarity([2])
        array([[2., 1., 0.]], dtype=float32)
        """
        _validation.check_fitted(self, "item_counts")
        return self._counts_for("itemids", itemids, len(self.item_counts), "item")

    def _counts_for(self, name: str, ids: Any, n_rows: int, what: str) -> np.ndarray:
        """Repeat the counts for every id."""
        ids, single = _validation.check_ids(name, ids, n_rows, what=what)
        return self.item_counts if single else np.broadcast_to(self.item_counts, (len(ids), len(self.item_counts)))
