"""Which columns of a LightFM feature matrix are features that rows share, and which are a row's own.

LightFM knows nothing but columns: rows get vectors of their own from an identity matrix among them, scaled or not.
`fastbpr.HybridBPR` has own vectors apart. With the weight w_i of row i's own column, and the rest of the matrix F,

    vector of row i  =  own vector of row i + F_i . features  =  w_i * embedding of its column + F_i . embeddings,

so that own vectors divided by their weights, and the features' vectors, are the embeddings of all columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse


class Columns(NamedTuple):
    """The columns of a feature matrix."""

    n_columns: int
    own: np.ndarray  # (n_rows,) the column of each row alone, or (0,) if there is not one for every row
    weights: np.ndarray  # the same shape, float32: the values in these columns
    shared: np.ndarray  # the other columns that have entries, or one without; the others that have none are nobody's

    @classmethod
    def identity(cls, n_rows: int) -> Columns:
        """Return the columns that are meant where no matrix is given: one for each row."""
        own = np.arange(n_rows)
        return cls(n_rows, own, np.ones(n_rows, dtype=np.float32), own[:0])

    @classmethod
    def of(cls, features: scipy.sparse.csr_array) -> Columns:
        """Tell the columns of a canonical matrix apart; of several that only one row has, the first is its own."""
        n_rows, n_columns = features.shape
        n_entries = np.bincount(features.indices, minlength=n_columns)
        row = np.repeat(np.arange(n_rows), np.diff(features.indptr))
        alone = np.flatnonzero(n_entries[features.indices] == 1)
        owners, first = np.unique(row[alone], return_index=True)
        places = alone[first] if len(owners) == n_rows else alone[:0]
        own = features.indices[places]
        is_shared = n_entries > 0
        is_shared[own] = False
        if not len(own) and not is_shared.any():  # rows must be made of something, be it nothing
            is_shared[:1] = True
        return cls(n_columns, own, features.data[places], np.flatnonzero(is_shared))

    @property
    def are_rows(self) -> bool:
        """Whether column i stands for row i, so that embeddings are the vectors of the rows."""
        return self.n_columns == len(self.own) and bool(
            (self.own == np.arange(self.n_columns)).all() and (self.weights == 1).all()
        )

    def apart(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (features' vectors, rows' own vectors) that these embeddings, or biases, of the columns make."""
        return embeddings[self.shared], scaled(embeddings[self.own], self.weights)

    def put_together(self, features: np.ndarray, own: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """Return embeddings, or biases, of all columns; those of columns that nobody has are as before."""
        result = embeddings.copy()
        result[self.shared] = features
        result[self.own] = scaled(own, 1 / self.weights)
        return result


def scaled(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return rows, or single numbers, times weights."""
    return rows * weights.reshape(-1, *[1] * (rows.ndim - 1))
