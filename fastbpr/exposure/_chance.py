"""How many users two items have in common by chance."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.special

LEVEL = 0.05  # chance gives as many common users, or more, less often than this: then it is not chance


def same_user_share(user_items: scipy.sparse.csr_array) -> float:
    """Return the probability that two interactions are of the same user, each user drawn by their number of items."""
    activity = np.diff(user_items.indptr).astype(float)
    return float(activity @ activity / max(activity.sum(), 1) ** 2)


def beyond_chance(n_common: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return where numbers of common users are more than Poisson numbers of the expected mean may well be."""
    return (n_common > 0) & (scipy.special.pdtrc(np.maximum(n_common - 1, 0), expected) <= LEVEL)
