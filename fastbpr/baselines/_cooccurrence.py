"""A model that counts who has what together."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr.baselines._counts import blocks, ones_of, shared_users
from fastbpr.baselines._labelled import Labelled


class ItemCooccurrence(Labelled):
    """Recommends what others have together with what a user has: item-based nearest neighbours.

    With n_i users who have item i and n_ij who have both i and j, the similarity of two different items is

        s_ij = n_ij / (sqrt(n_i n_j) + shrinkage),

    which without shrinkage is the cosine of their columns of users. An item's similarity to itself counts as 0, so
    that it does not vouch for itself. The score of item j for a user is the sum of s_ij over the user's items i.

    Parameters
    ----------
    shrinkage : float, default 0.0
        Makes similarities that rest on few users smaller, >= 0: two items with one and the same user have the cosine 1
        and, with a shrinkage of 10, the similarity 1 / 11.
    n_neighbours : int or None, default None
        Keep the so many most similar items of each item, >= 1, and take all others' similarities for 0; of equal ones,
        those with lower row numbers. None keeps all of them.

    Attributes
    ----------
    similarities : SciPy CSR array of float32, shape (n_items, n_items)
        s_ij, where it is not 0. Row i has the neighbours of item i, and without `n_neighbours` is column i, too. It
        takes 8 to 12 bytes for each pair of items that have a user in common, which for catalogues of a hundred
        thousand items is much, unless there are `n_neighbours`.
    user_labels, item_labels, item_names : ndarray or None
        Outside ids and titles by row, as in `BPR`, when fitted to `Interactions`.

    References
    ----------
    * Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001.
    * Deshpande & Karypis, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 2004: sums over neighbour lists.
    * Ferrari Dacrema et al., "Are We Really Making Much Progress?", RecSys 2019, section 3.2: this shrinkage.

    Examples
    --------
    Two of the three users of item 0 have item 1, and one of them item 2.

    >>> from scipy.sparse import csr_array
    >>> model = ItemCooccurrence().fit(csr_array([[1, 1, 0], [1, 1, 1], [1, 0, 0]]))
    >>> model.similarity(0).round(3)
    array([0.   , 0.816, 0.577], dtype=float32)
    >>> model.score(2).round(3)
    array([0.   , 0.816, 0.577], dtype=float32)
    """

    def __init__(self, shrinkage: float = 0.0, n_neighbours: int | None = None) -> None:
        self.shrinkage = shrinkage
        self.n_neighbours = n_neighbours
        self._check_parameters()
        self.similarities: scipy.sparse.csr_array | None = None
        self._user_items: scipy.sparse.csr_array | None = None

    def _check_parameters(self) -> None:
        _validation.check_number("shrinkage", self.shrinkage, minimum=0)
        if self.n_neighbours is not None:
            _validation.check_integer("n_neighbours", self.n_neighbours, minimum=1)

    def fit(self, user_items: Any) -> ItemCooccurrence:
        """Count the users of every pair of items.

        Parameters
        ----------
        user_items : SciPy sparse matrix of shape (n_users, n_items) or Interactions
            What is stored and not zero counts, whatever its value.

        Returns
        -------
        ItemCooccurrence
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or `user_items` is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> ItemCooccurrence().fit(csr_array([[1, 1, 0], [1, 1, 1], [1, 0, 0]])).similarities.shape
        (3, 3)
        """
        self._check_parameters()
        matrix = _validation.check_user_items("user_items", user_items)
        roots = np.sqrt(np.bincount(matrix.indices, minlength=matrix.shape[1]))
        rows = [self._similar(part, counts, roots) for part, counts in shared_users(matrix)]
        self.similarities = scipy.sparse.csr_array(scipy.sparse.vstack(rows, format="csr"))
        self._user_items = ones_of(matrix, np.float32)
        self._keep_labels(user_items)
        return self

    def _similar(self, part: slice, counts: scipy.sparse.csr_array, roots: np.ndarray) -> scipy.sparse.csr_array:
        """Turn the counts of a block of items into similarities; `roots` are the square roots of all n_i."""
        item = np.repeat(np.arange(part.start, part.stop), np.diff(counts.indptr))
        different = item != counts.indices
        item, other, shared = item[different], counts.indices[different], counts.data[different]
        values = (shared / (roots[item] * roots[other] + self.shrinkage)).astype(np.float32)
        if self.n_neighbours is not None:
            order = np.lexsort((other, -values, item))
            place = np.arange(len(order)) - np.searchsorted(item, item)  # in the list of its item
            kept = order[place < self.n_neighbours]
            item, other, values = item[kept], other[kept], values[kept]
        similar = scipy.sparse.csr_array((values, (item - part.start, other)), shape=counts.shape)
        similar.sort_indices()
        return similar

    def score(self, userids: Any) -> np.ndarray:
        """Return the scores of all items for some users.

        Parameters
        ----------
        userids : int or array of int, shape (n,)
            Row numbers, from 0 to n_users - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            Sums of the similarities to what the user has in the training data, >= 0.

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
        >>> model = ItemCooccurrence().fit(csr_array([[1, 1, 0], [1, 1, 1], [1, 0, 0]]))
        >>> model.score([0, 2]).round(3)
        array([[0.816, 0.816, 1.284],
               [0.   , 0.816, 0.577]], dtype=float32)
        """
        _validation.check_fitted(self, "similarities")
        users, single = _validation.check_ids("userids", userids, self._user_items.shape[0], what="user")
        scores = np.empty((len(users), self._user_items.shape[1]), dtype=np.float32)
        for part in blocks(*scores.shape):
            scores[part] = (self._user_items[users[part]] @ self.similarities).toarray()
        return scores[0] if single else scores

    def similarity(self, itemids: Any) -> np.ndarray:
        """Return how similar all items are to some items.

        Parameters
        ----------
        itemids : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            Rows of `similarities`, from 0 to 1; 0 for the item itself.

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
        >>> model = ItemCooccurrence().fit(csr_array([[1, 1, 0], [1, 1, 1], [1, 0, 0]]))
        >>> model.similarity([1]).round(3)
        array([[0.816, 0.   , 0.707]], dtype=float32)
        """
        _validation.check_fitted(self, "similarities")
        items, single = _validation.check_ids("itemids", itemids, self.similarities.shape[0], what="item")
        similar = self.similarities[items].toarray()
        return similar[0] if single else similar
