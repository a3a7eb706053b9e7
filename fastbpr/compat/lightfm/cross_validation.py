"""`lightfm.cross_validation`: a random split."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _validation

__all__ = ["random_train_test_split"]


def random_train_test_split(
    interactions: Any, test_percentage: float = 0.2, random_state: int | np.random.RandomState | None = None
) -> tuple[scipy.sparse.coo_matrix, scipy.sparse.coo_matrix]:
    """Divide interactions at random. `fastbpr.splitting` has splits that leave fewer users without training data.

    Parameters
    ----------
    interactions : SciPy sparse matrix of shape (n_users, n_items)
        What to divide, entry by entry. Never changed.
    test_percentage : float, default 0.2
        Share of the entries that go to the test, from 0 to 1.
    random_state : int, numpy.random.RandomState or None, default None
        Seed. The same seed divides the interactions as LightFM does, and weights in the same order alike.

    Returns
    -------
    train, test : coo_matrix of shape (n_users, n_items)
        In random order, with the dtype of `interactions`.

    Raises
    ------
    ValueError
        If `interactions` are not a sparse matrix, or the share or the seed is out of range.
    TypeError
        If the share or the seed is of the wrong kind.

    Examples
    --------
    >>> from scipy.sparse import coo_matrix
    >>> train, test = random_train_test_split(coo_matrix([[1, 1, 0], [0, 1, 1]]), test_percentage=0.25, random_state=0)
    >>> train.nnz, test.nnz
    (3, 1)
    """
    matrix = _validation.check_interactions_to_split(interactions)
    share = _validation.check_test_percentage(test_percentage)
    order = _validation.check_random_state(random_state).permutation(len(matrix.data))
    n_train = math.floor((1.0 - share) * len(order))
    train, test = (
        scipy.sparse.coo_matrix((matrix.data[part], (matrix.row[part], matrix.col[part])), shape=matrix.shape)
        for part in (order[:n_train], order[n_train:])
    )
    return train, test
