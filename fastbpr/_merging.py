"""Rows of the same user and item become one interaction, and those of one item get one name."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from fastbpr import _labels, _validation
from fastbpr._labels import MISSING


def merged(users: np.ndarray, items: np.ndarray, weights: np.ndarray | None) -> scipy.sparse.csr_array:
    """Return the canonical matrix of rows, those of the same user and item added up."""
    values = np.ones(len(users), dtype=np.int32) if weights is None else weights  # a float32 cannot count beyond 2**24
    matrix = scipy.sparse.coo_array((values, (users, items))).tocsr()
    matrix.sum_duplicates()
    matrix.data = _validation.check_merged_weights("weights", matrix.data)
    return matrix


def latest(users: np.ndarray, items: np.ndarray, times: np.ndarray, user_items: scipy.sparse.csr_array) -> np.ndarray:
    """Return the latest time of every stored entry of `user_items`, which has the pairs of `users` and `items`."""
    n_users, n_items = user_items.shape
    order = counting_sort(items, n_items)
    order = order[counting_sort(users[order], n_users)]
    users, items = users[order], items[order]
    changes = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return np.maximum.reduceat(times[order], np.flatnonzero(np.append(True, changes)))


def counting_sort(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Return the stable order of codes from 0 to n_codes - 1 in linear time: what SciPy does to turn CSR into CSC."""
    n_rows = len(codes)
    indptr = np.arange(n_rows + 1, dtype=np.int32 if n_rows < 2**31 - 1 else np.int64)
    one_per_row = scipy.sparse.csr_array((np.zeros(n_rows, dtype=np.int8), codes, indptr), shape=(n_rows, n_codes))
    return one_per_row.tocsc().indices


def commonest_names(items: np.ndarray, codes: np.ndarray, names: np.ndarray, n_items: int) -> np.ndarray:
    """Return the name most often seen with each item, the first seen among equals, None for an item without one."""
    named = codes != MISSING
    result = np.full(n_items, None, dtype=object)
    if not named.any():
        return result
    # Pairs of item and name are numbered in first-seen order, so the lowest number is the first seen.
    numbers, pairs = _labels.numbered(items[named].astype(np.int64) * len(names) + codes[named])
    pair_items, pair_names = np.divmod(pairs, len(names))
    best = np.lexsort((-np.bincount(numbers), pair_items))
    winners = best[np.append(True, np.diff(pair_items[best]) != 0)]
    result[pair_items[winners]] = [str(name) for name in names[pair_names[winners]].tolist()]
    return result
