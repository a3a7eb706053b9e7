"""From LightFM's parameters and matrices to a fit of `fastbpr.HybridBPR`, and back to embeddings of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr.compat.lightfm._own_columns import Columns
from fastbpr.errors import TrainingError
from fastbpr.hybrid import HybridBPR

LOSSES = {"logistic": "logistic", "bpr": "bpr", "warp": "warp", "warp-kos": "k-os-warp"}  # LightFM's names, and ours
START_SIZE = 12**-0.5  # standard deviation of what LightFM starts from, times the number of components

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]  # (embeddings, biases) of the columns, of "user" and "item"


class Side(NamedTuple):
    """The features of users or of items."""

    features: scipy.sparse.csr_array | None  # None for the identity
    columns: Columns

    @classmethod
    def of(cls, what: str, features: Any, n_rows: int) -> Side:
        """Check a matrix, and tell its columns apart."""
        if features is None:
            return cls(None, Columns.identity(n_rows))
        matrix = _validation.check_lightfm_features(what, features, n_rows, None)
        return cls(matrix, Columns.of(matrix))

    def rows(self, array: np.ndarray) -> np.ndarray:
        """Return the vectors, or biases, of the rows, from those of the columns."""
        return array if self.features is None else self.features @ array

    def shared(self) -> scipy.sparse.csr_array | None:
        """Return the part of the matrix that is no row's own; None if that is all of it."""
        has_shared = len(self.columns.shared) or not len(self.columns.own)
        return self.features[:, self.columns.shared] if has_shared else None


class TrainingData(NamedTuple):
    """What there is to learn from."""

    positives: scipy.sparse.csr_array
    negatives: scipy.sparse.csr_array | None  # for the logistic loss only
    weights: scipy.sparse.csr_array | None
    teach_something: bool

    @classmethod
    def of(cls, interactions: scipy.sparse.coo_matrix, weights: np.ndarray | None, loss: str) -> TrainingData:
        """Divide interactions by their signs; entries without weight are left out, weights of duplicates add up."""
