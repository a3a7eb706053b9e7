"""How many users have two items, for all pairs, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse

from fastbpr._blocks import slices

BLOCK_SIZE = 2**22  # pairs of items, or scores, in memory at once


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Divide rows into blocks of at most `BLOCK_SIZE` values."""
    return slices(n_rows, BLOCK_SIZE // max(n_columns, 1))


def ones_of(matrix: scipy.sparse.csr_array, dtype: type) -> scipy.sparse.csr_array:
    """Return a copy in which every entry is 1."""
    return scipy.sparse.csr_array(
        (np.ones(matrix.nnz, dtype=dtype), matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape
    )


def shared_users(user_items: scipy.sparse.csr_array) -> Iterator[tuple[slice, scipy.sparse.csr_array]]:
    """Yield (block of items, how many users they share with every item), the item itself included."""
    users_have = ones_of(user_items, np.int32)
    had_by = scipy.sparse.csr_array(users_have.T)
    n_items = user_items.shape[1]
    for part in blocks(n_items, n_items):
        yield part, scipy.sparse.csr_array(had_by[part] @ users_have)
