"""Popular, middling and rare items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

NAMES = {2: ("head", "tail"), 3: ("head", "middle", "tail")}
ROUNDING = 1e-6  # of shares of interactions, which are whole numbers


class Tiers(NamedTuple):
    """Which tier every item belongs to; `evaluate` has the definition."""

    names: tuple[str, ...]
    of_item: np.ndarray  # (n_items,)  number of the tier, 0 for the most popular

    @classmethod
    def of(cls, train_items: scipy.sparse.csr_array, shares: Sequence[float]) -> Tiers:
        """Divide items so that each tier has its share of the interactions."""
        n_users = np.bincount(train_items.indices, minlength=train_items.shape[1])
        by_popularity = np.argsort(-n_users, kind="stable")
        n_before = np.cumsum(n_users[by_popularity]) - n_users[by_popularity]
        ends = np.cumsum(shares)[:-1] * train_items.nnz - ROUNDING
        of_item = np.empty(len(n_users), dtype=np.int64)
        of_item[by_popularity] = np.searchsorted(ends, n_before, side="right")
        names = NAMES.get(len(shares)) or tuple(f"tier {tier} of {len(shares)}" for tier in range(1, len(shares) + 1))
        return cls(names, of_item)


def only_columns(csr: scipy.sparse.csr_array, chosen: np.ndarray) -> scipy.sparse.csr_array:
    """Return the entries of chosen columns (a flag for each) in a matrix of the same shape."""
    keep = chosen[csr.indices]
    indptr = np.concatenate([[0], np.cumsum(keep)])[csr.indptr]
    return scipy.sparse.csr_array((csr.data[keep], csr.indices[keep], indptr), shape=csr.shape)
