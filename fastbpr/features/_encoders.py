"""What is learned of one column, and how it turns values into features."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _validation
from fastbpr._labels import MISSING
from fastbpr.features import _lines
from fastbpr.features._lines import Lines
from fastbpr.features._report import MAX_EXAMPLES, ColumnReport


class Block(NamedTuple):
    """The features of one column."""

    matrix: scipy.sparse.csr_array  # float32 (n_rows, n_features)
    report: ColumnReport


class Indicators:
    """One feature for every value of a categorical column, every entry of lists, or every word."""

    def __init__(
        self, name: str, kind: str, separator: str | None, vocabulary: np.ndarray, constant: list[str]
    ) -> None:
        self.name, self.kind, self.separator = name, kind, separator
        self.vocabulary, self.constant = vocabulary, constant

    @classmethod
    def learned(cls, name: str, kind: str, lines: Lines, separator: str | None, min_count: int) -> Indicators:
        """Take the values that are in `min_count` rows at least, in first-seen order."""
        values = lines.read(name, _lines.values_of, kind, separator)
        counts = np.bincount(values.matrix.indices, minlength=len(values.labels))
        encoder = cls(name, kind, separator, values.labels[counts >= min_count], [])
        same = (counts[counts >= min_count] == lines.has_line.sum()) & (lines.has_line.sum() > 1)
        encoder.constant = [feature for feature, is_same in zip(encoder.names(), same, strict=True) if is_same]
        return encoder

    def names(self) -> list[str]:
        """Return the names of the features."""
        values = self.vocabulary
        if values.dtype.kind in "mM":
            days = values.astype(f"{values.dtype.kind}8[D]")
            values = np.array(list(map(str, days if (days == values).all() else values)), dtype=object)
        return [f"{self.name}={value}" for value in values.tolist()]

    def encoded(self, lines: Lines) -> Block:
        """Return 1 where a row has a value, and what became of the others."""
        matrix, labels = lines.read(self.name, _lines.values_of, self.kind, self.separator)
        target = _labels.matched(self.vocabulary, labels) if len(labels) else np.zeros(0, dtype=np.int32)
        columns = np.append(target, np.int32(MISSING))[matrix.indices]
        known = columns != MISSING
        rows = np.repeat(np.arange(lines.n_rows, dtype=np.int32), np.diff(matrix.indptr))
        counts = np.bincount(matrix.indices[~known], minlength=len(labels))
        most = np.argsort(-counts, kind="stable")[: min(MAX_EXAMPLES, np.count_nonzero(counts))]
        report = ColumnReport(
            self.kind,
            len(self.vocabulary),
            n_missing=int(lines.has_line.sum() - np.count_nonzero(np.diff(matrix.indptr))),
            n_unseen=int(np.count_nonzero(counts)),
            n_rows_unseen=len(np.unique(rows[~known])),
            unseen=[(_labels.plain(labels, value), int(counts[value])) for value in most],
            n_several=int((np.diff(matrix.indptr) > 1).sum()) if self.kind == "categorical" else 0,
            constant=self.constant,
        )
        return Block(of_ones(rows[known], columns[known], (lines.n_rows, len(self.vocabulary))), report)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file must hold: (JSON, arrays)."""
        arrays = {"vocabulary": self.vocabulary} if len(self.vocabulary) else {}
        return {"size": len(self.vocabulary), "constant": self.constant}, arrays

    @classmethod
    def restored(
        cls, name: str, kind: str, separator: str | None, state: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> Indicators:
        """Undo `state`."""
        vocabulary = arrays.get("vocabulary", np.zeros(0, dtype=object))
        _validation.check_stored_size(name, len(vocabulary), state["size"])
        return cls(name, kind, separator, vocabulary, state["constant"])


def of_ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> scipy.sparse.csr_array:
    """Return a canonical matrix with ones at these places."""
    matrix = scipy.sparse.coo_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1  # two values of a frame may be one of the vocabulary, as the texts "5" and "5.0" are 5
    return matrix


class Bins:
    """One feature for every range of a number, between quantiles."""

    kind = "numeric"

    def __init__(self, name: str, edges: list[float], constant: list[str]) -> None:
        self.name, self.edges, self.constant = name, edges, constant

    @classmethod
    def learned(cls, name: str, lines: Lines, n_bins: int) -> Bins:
        """Take the quantiles of the rows that have a number as edges; equal ones are one."""
        values = lines.read(name, _lines.numbers_of)
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(name, [], [f"{name} known"])
        quantiles = np.quantile(values, np.arange(1, n_bins) / n_bins, method="higher")
        above = values[values > values.min()]  # no number is below the smallest: the next one is the edge instead
        edges = np.unique(np.maximum(quantiles, above.min())).tolist() if len(above) else []
        encoder = cls(name, edges, [])
        if not edges and len(values) == lines.has_line.sum() > 1:
            encoder.constant = encoder.names()
        return encoder

    def names(self) -> list[str]:
        """Return the names of the features."""
        texts = [f"{edge:.6g}" for edge in self.edges]
        texts = texts if len(set(texts)) == len(texts) else list(map(repr, self.edges))
        if not texts:
            return [f"{self.name} known"]
        between = [f"{low} <= {self.name} < {high}" for low, high in itertools.pairwise(texts)]
        return [f"{self.name} < {texts[0]}", *between, f"{self.name} >= {texts[-1]}"]

    def encoded(self, lines: Lines) -> Block:
        """Return 1 in the range of each row's number."""
        values = lines.read(self.name, _lines.numbers_of)
        rows = np.flatnonzero(~np.isnan(values))
        bins = np.searchsorted(self.edges, values[rows], side="right")
        n_missing = int(lines.has_line.sum()) - len(rows)
        report = ColumnReport(self.kind, len(self.edges) + 1, n_missing, constant=self.constant)
        return Block(of_ones(rows, bins, (lines.n_rows, len(self.edges) + 1)), report)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file must hold: (JSON, arrays)."""
        return {"edges": self.edges, "constant": self.constant}, {}

    @classmethod
    def restored(cls, name: str, state: dict[str, Any]) -> Bins:
        """Undo `state`."""
        return cls(name, [float(edge) for edge in state["edges"]], state["constant"])


class Standardised:
    """One feature: a number with mean 0 and standard deviation 1 in the rows of fit; 0 where it is missing."""

    kind = "numeric"

    def __init__(self, name: str, mean: float, deviation: float) -> None:
        self.name, self.mean, self.deviation = name, mean, deviation

    @classmethod
    def learned(cls, name: str, lines: Lines) -> Standardised:
        """Take mean and standard deviation of the rows that have a number."""
        values = lines.read(name, _lines.numbers_of)
        values = values[~np.isnan(values)]
        if not len(values) or values.min() == values.max():
            return cls(name, float(values[0]) if len(values) else 0.0, 0.0)
        scale = float(np.abs(values).max())  # squares of large numbers, and of tiny ones, have no place in a float
        values = values / scale
        return cls(name, float(values.mean()) * scale, float(values.std()) * scale)

    def names(self) -> list[str]:
        """Return the names of the features."""
        return [self.name]

    def encoded(self, lines: Lines) -> Block:
        """Return standardised numbers; a column that was constant is 0 whatever comes later."""
        values = lines.read(self.name, _lines.numbers_of)
        rows = np.flatnonzero(~np.isnan(values))
        report = ColumnReport(
            self.kind, 1, int(lines.has_line.sum()) - len(rows), constant=[] if self.deviation else [self.name]
        )
        limit = float(np.finfo(np.float32).max)
        with np.errstate(over="ignore"):
            scaled = (values[rows] - self.mean) / self.deviation if self.deviation else np.zeros(len(rows))
        return Block(of_dense(rows, np.clip(scaled, -limit, limit)[:, None], lines.n_rows), report)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file must hold: (JSON, arrays)."""
        return {"mean": self.mean, "deviation": self.deviation}, {}

    @classmethod
    def restored(cls, name: str, state: dict[str, Any]) -> Standardised:
        """Undo `state`."""
        return cls(name, float(state["mean"]), float(state["deviation"]))


class Embeddings:
    """One feature for every dimension of a dense vector, times a scale."""

    kind = "embeddings"

    def __init__(self, name: str, size: int, scale: float, constant: list[str]) -> None:
        self.name, self.size, self.scale, self.constant = name, size, scale, constant

    @classmethod
    def learned(cls, name: str, lines: Lines, *, scaled: bool) -> Embeddings:
        """Take the number of dimensions, and one over the mean norm where vectors are to be `scaled`."""
        rows, values = lines.read(name, _lines.vectors_of)
        _validation.check_some_vectors(name, len(rows))
        scale = 1.0
        if scaled:
            norm = float(np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)).mean())
            scale = 1 / norm if norm > 1e-30 else 1.0  # one over less has no place in a float32
        encoder = cls(name, values.shape[1], scale, [])
        low, high = values.min(axis=0), values.max(axis=0)
        same = (low == high) & ((low == 0) | (len(rows) == lines.has_line.sum() > 1))
        encoder.constant = [feature for feature, is_same in zip(encoder.names(), same, strict=True) if is_same]
        return encoder

    def names(self) -> list[str]:
        """Return the names of the features."""
        return [f"{self.name}[{place}]" for place in range(self.size)]

    def encoded(self, lines: Lines) -> Block:
        """Return the vectors of rows, as they are or scaled."""
        rows, values = lines.read(self.name, _lines.vectors_of, self.size)
        if not len(rows):
            values = np.zeros((0, self.size), dtype=np.float32)
        n_missing = int(lines.has_line.sum()) - len(rows)
        if self.scale != 1:
            values = values * np.float32(self.scale)
        report = ColumnReport(self.kind, self.size, n_missing, constant=self.constant)
        return Block(of_dense(rows, values, lines.n_rows), report)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file must hold: (JSON, arrays)."""
        return {"size": self.size, "scale": self.scale, "constant": self.constant}, {}

    @classmethod
    def restored(cls, name: str, state: dict[str, Any]) -> Embeddings:
        """Undo `state`."""
        return cls(name, int(state["size"]), float(state["scale"]), state["constant"])


def of_dense(rows: np.ndarray, values: np.ndarray, n_rows: int) -> scipy.sparse.csr_array:
    """Return a matrix in which some rows, ascending, have these values; zeros are not stored."""
    size = values.shape[1]
    has_values = np.zeros(n_rows, dtype=np.int64)
    has_values[rows] = size
    indptr = np.append(0, np.cumsum(has_values))
    columns = np.tile(np.arange(size, dtype=np.int32), len(rows))
    data = np.array(values, dtype=np.float32).reshape(-1)  # a copy: zeros are taken out of it
    matrix = scipy.sparse.csr_array((data, columns, indptr), shape=(n_rows, size))
    matrix.eliminate_zeros()
    return matrix


Encoder = Indicators | Bins | Standardised | Embeddings
