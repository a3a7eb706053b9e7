"""A model that solves for the best weights from item to item."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from fastbpr import _validation
from fastbpr.baselines._counts import blocks, ones_of, shared_users
from fastbpr.baselines._labelled import Labelled


class EASE(Labelled):
    """EASE^R, an autoencoder without a hidden layer (Steck, 2019), for catalogues that are not large.

    With X the users x items matrix of zeros and ones, it finds the matrix of weights that best predicts what users have
    from what else they have,

        B = argmin |X - X B|^2 + regularization * |B|^2,    B_jj = 0,

    in closed form: B_ij = -P_ij / P_jj for i != j with P = (X'X + regularization * I)^-1. The score of item j for a
    user is the sum of B_ij over the user's items i. Weights may be negative: an item can speak against another.

    Parameters
    ----------
    regularization : float, default 300.0
        L2 strength, > 0. Twice or half the best value does nearly as well.
    max_items : int, default 20_000
        Refuse larger catalogues, >= 1: time grows with the third power of the number of items (20,000 take minutes),
        and memory with the square: 12 bytes a pair of items while fitting (20,000 take 5 GB), 4 when fitted.

    Attributes
    ----------
    weights : ndarray of float32, shape (n_items, n_items)
        B; read-only. Row i has what having item i adds to the score of every item.
    user_labels, item_labels, item_names : ndarray or None
        Outside ids and titles by row, as in `BPR`, when fitted to `Interactions`.

    References
    ----------
    * Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

    Examples
    --------
    Whoever has item 1 has item 0, so item 1 speaks for item 0.

    >>> from scipy.sparse import csr_array
    >>> model = EASE(regularization=1).fit(csr_array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]]))
    >>> model.similarity(1).round(3)
    array([0.667, 0.   , 0.   ], dtype=float32)
    """

    def __init__(self, regularization: float = 300.0, max_items: int = 20_000) -> None:
        self.regularization = regularization
        self.max_items = max_items
        self._check_parameters()
        self.weights: np.ndarray | None = None
        self._user_items: scipy.sparse.csr_array | None = None

    def _check_parameters(self) -> None:
        _validation.check_number("regularization", self.regularization, above=0)
        _validation.check_integer("max_items", self.max_items, minimum=1)

    def fit(self, user_items: Any) -> EASE:
        """Solve for the weights.

        Parameters
        ----------
        user_items : SciPy sparse matrix of shape (n_users, n_items) or Interactions
            What is stored and not zero counts, whatever its value.

        Returns
        -------
        EASE
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or `user_items` is not as it must be, if there are more than `max_items` items, or if
            `regularization` is so small that the equations cannot be solved in double precision.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> EASE(regularization=1).fit(csr_array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]])).weights.shape
        (3, 3)
        """
        self._check_parameters()
        matrix = _validation.check_user_items("user_items", user_items)
        n_items = matrix.shape[1]
        _validation.check_catalogue("user_items", n_items, self.max_items)
        gram = np.empty((n_items, n_items))
        for part, counts in shared_users(matrix):
            gram[part] = counts.toarray()
        gram[np.diag_indices(n_items)] += self.regularization
        inverse, solved = inverted(gram)
        _validation.check_solved("regularization", self.regularization, solved)
        diagonal = np.diag(inverse).copy()
        weights = np.empty((n_items, n_items), dtype=np.float32)
        for part in blocks(n_items, n_items):
            weights[part] = 0 - inverse[part] / diagonal  # never -0.0
        np.fill_diagonal(weights, 0)
        weights.flags.writeable = False
        self.weights = weights
        self._user_items = ones_of(matrix, np.float32)
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
            Sums of the weights from what the user has in the training data.

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
        >>> model = EASE(regularization=1).fit(csr_array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]]))
        >>> model.score([2]).round(3)
        array([[0. , 0.5, 0. ]], dtype=float32)
        """
        _validation.check_fitted(self, "weights")
        users, single = _validation.check_ids("userids", userids, self._user_items.shape[0], what="user")
        scores = self._user_items[users] @ self.weights
        return scores[0] if single else scores

    def similarity(self, itemids: Any) -> np.ndarray:
        """Return what having some items adds to the score of every item.

        Parameters
        ----------
        itemids : int or array of int, shape (n,)
            Row numbers, from 0 to n_items - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            Rows of `weights`: the scores for somebody who has this item only; 0 for the item itself.

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
        >>> model = EASE(regularization=1).fit(csr_array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]]))
        >>> model.similarity([0, 1]).round(3)
        array([[0.   , 0.5  , 0.   ],
               [0.667, 0.   , 0.   ]], dtype=float32)
        """
        _validation.check_fitted(self, "weights")
        items, single = _validation.check_ids("itemids", itemids, len(self.weights), what="item")
        return self.weights[items[0]] if single else self.weights[items]


def inverted(matrix: np.ndarray) -> tuple[np.ndarray, bool]:
    """Invert a symmetric positive definite matrix in its own memory; also return whether it worked."""
    factor, failed = scipy.linalg.lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)  # .T is in Fortran's order
    if failed:
        return factor, False
    inverse, failed = scipy.linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    for part in blocks(*inverse.shape):  # only the lower triangle is there
        inverse[part, part.stop :] = inverse[part.stop :, part].T
        inverse[part, part] = np.tril(inverse[part, part]) + np.tril(inverse[part, part], -1).T
    return inverse, not failed
