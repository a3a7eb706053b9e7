"""Feature matrices: rows with labels, features with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr._sentences import counted
from fastbpr.features import _lines, _report
from fastbpr.features._report import FeatureReport


class FeatureMatrix:
    """A sparse matrix of features with the names of its columns and the labels of its rows.

    `Features.transform` makes them, and so does this class from a matrix that you have, such as vectors of images.
    ``a + b`` puts two side by side.

    Parameters
    ----------
    matrix : SciPy sparse matrix or array-like of finite numbers, shape (n_rows, n_features)
        Never changed; a CSR array of float32 in canonical form is shared.
    feature_names : sequence of str, length n_features, or str
        A single one gets numbers: "image" names "image[0]", "image[1]" and so on.
    row_labels : array-like, shape (n_rows,), or None, default None
    report : FeatureReport or None, default None

    Attributes
    ----------
    matrix : scipy.sparse.csr_array of float32, shape (n_rows, n_features)
        Canonical: sorted, without duplicates or zeros.
    shape : (int, int)
    feature_names : ndarray of object, shape (n_features,)
        Each a str, such as "category=shoes" for an indicator, or the name of a numeric column.
    row_labels : ndarray, shape (n_rows,), or None
    report : FeatureReport or None
        What became of the frame's lines and values; ``print(matrix.report)`` shows it as text.

    Raises
    ------
    TypeError, ValueError
        If the matrix is not one of finite numbers, or names or labels do not fit it.

    Examples
    --------
    >>> images = FeatureMatrix([[0.5, 0.0], [0.25, 1.0]], "image", row_labels=["tea", "cup"])
    >>> images
    FeatureMatrix(2 rows, 2 features, 3 entries)
    >>> images.feature_names
    array(['image[0]', 'image[1]'], dtype=object)
    """

    def __init__(
        self,
        matrix: Any,
        feature_names: str | Sequence[str],
        row_labels: Any = None,
        report: FeatureReport | None = None,
    ) -> None:
        self.matrix = _validation.check_feature_matrix("matrix", matrix)
        n_rows, n_features = self.matrix.shape
        self.feature_names = _validation.check_feature_names(feature_names, n_features)
        labels = None if row_labels is None else _lines.distinct_labels("row_labels", row_labels)
        self.row_labels = None if labels is None else _validation.check_row_count(labels, n_rows)
        self.report = report

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.matrix.shape

    def toarray(self) -> np.ndarray:
        """Return the matrix as a dense array of float32.

        Examples
        --------
        >>> FeatureMatrix([[0.5, 0.0]], "image").toarray()
        array([[0.5, 0. ]], dtype=float32)
        """
        return self.matrix.toarray()

    @classmethod
    def hstack(cls, matrices: Sequence[FeatureMatrix]) -> FeatureMatrix:
        """Put matrices of the same rows side by side; ``a + b`` does it with two.

        Parameters
        ----------
        matrices : sequence of FeatureMatrix
            At least one. Those with row labels must have the same ones, in the same order.

        Returns
        -------
        FeatureMatrix
            With all their features, in order. Its report tells of all lines that they were made of, and of the rows
            that have none in any.

        Raises
        ------
        TypeError, ValueError
            If they are not matrices of the same rows, or two have a feature of the same name.

        Examples
        --------
        >>> from fastbpr.features import Features
        >>> images = FeatureMatrix([[0.5], [0.25]], "image", row_labels=["tea", "cup"])
        >>> kinds = Features(categorical="kind").fit_transform({"item": ["cup", "tea"], "kind": ["ware", "food"]},
        ...                                                    rows=images.row_labels)
        >>> FeatureMatrix.hstack([images, kinds]).toarray()
        array([[0.5 , 0.  , 1.  ],
               [0.25, 1.  , 0.  ]], dtype=float32)
        >>> (images + kinds).feature_names.tolist()
        ['image[0]', 'kind=ware', 'kind=food']
        """
        matrices = _validation.check_stack(matrices, cls)
        names = np.concatenate([part.feature_names for part in matrices])
        labels = next((part.row_labels for part in matrices if part.row_labels is not None), None)
        report = _report.stacked([part.report for part in matrices])
        return cls(scipy.sparse.hstack([part.matrix for part in matrices], format="csr"), names, labels, report)

    def __add__(self, other: Any) -> FeatureMatrix:
        if not isinstance(other, FeatureMatrix):
            return NotImplemented
        return self.hstack([self, other])

    def __repr__(self) -> str:
        counts = {"row": self.shape[0], "feature": self.shape[1]}
        text = ", ".join(counted(noun, count) for noun, count in counts.items())
        text += f", {self.matrix.nnz:,} {'entry' if self.matrix.nnz == 1 else 'entries'}"
        if self.report is not None and self.report.n_rows_without_line:
            text += f"; {counted('row', self.report.n_rows_without_line)} without a line"
        return f"FeatureMatrix({text})"
