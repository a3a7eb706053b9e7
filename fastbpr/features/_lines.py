"""The lines of a frame: which row of the matrix each is of, and what its columns hold for every row.

A line is one of the frame's, a row one of the matrix: several lines may be of the same row, and some of none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _readers, _validation
from fastbpr._labels import MISSING

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # letters and digits of any script, with apostrophes inside: women's


class Lines(NamedTuple):
    """The columns of a frame, and the row of each line."""

    columns: dict[str, Any]  # what `as_column` returns, or an array of shape (n_lines, size)
    rows: np.ndarray  # int32 (n_lines,), MISSING for a line of no row
    row_labels: np.ndarray | None  # (n_rows,), None where there is no key
    has_line: np.ndarray  # bool (n_rows,)
    n_without_key: int
    n_of_others: int  # lines with a key that is none of the rows'
    readings: dict[str, Any]  # what columns hold for rows, once that was asked for

    @classmethod
    def of(cls, frame: Any, key: str | None, kinds: Mapping[str, str], rows: Any, arrays: Any) -> Lines:
        """Read the columns that `kinds` names from a frame, or from `arrays` beside it."""
        known = _validation.check_feature_frame(frame)
        arrays = _validation.check_embedding_arrays(arrays, kinds)
        for name, kind in {**kinds, **({} if key is None else {key: "key"})}.items():
            if name not in arrays:
                _validation.check_column_names({kind if kind == "key" else f"each of {kind}": name}, known)
        columns = {
            name: vectors_or_column(name, arrays[name] if name in arrays else frame[name], kind)
            for name, kind in kinds.items()
        }
        keys = None if key is None else _labels.factorise(key, _readers.as_column(key, frame[key]))
        lengths = {name: len(column) for name, column in columns.items()}
        n_lines = _validation.check_line_counts(lengths if keys is None else {key: len(keys.codes)} | lengths)
        wanted = _validation.check_rows_to_have(rows, has_key=key is not None)
        if keys is None:
            every = np.arange(n_lines, dtype=np.int32)
            return cls(columns, every, None, np.ones(n_lines, dtype=bool), 0, 0, {})
        n_without_key = int((keys.codes == MISSING).sum())
        if wanted is None:
            row_labels, line_rows = keys.labels, keys.codes
        else:
            row_labels = distinct_labels("rows", wanted)
            places = _labels.matched(row_labels, keys.labels)
            _validation.check_keys_alike(key, keys.labels, row_labels, n_known=int((places != MISSING).sum()))
            line_rows = _labels.take(places, keys.codes)
        present = line_rows[line_rows != MISSING]
        has_line = np.zeros(len(row_labels), dtype=bool)
        has_line[present] = True
        n_of_others = n_lines - n_without_key - len(present)
        return cls(columns, line_rows, row_labels, has_line, n_without_key, n_of_others, {})

    def read(self, name: str, reading: Callable[..., Any], *options: Any) -> Any:
        """Return what a column holds for rows, by one of the functions below; the second time from memory."""
        if name not in self.readings:
            self.readings[name] = reading(name, self, *options)
        return self.readings[name]

    @property
    def n_rows(self) -> int:
        """Number of rows, those without a line included."""
        return len(self.has_line)

    @property
    def n_merged(self) -> int:
        """Number of lines that repeat the key of an earlier one."""
        return int((self.rows != MISSING).sum() - self.has_line.sum())


def distinct_labels(name: str, rows: Any) -> np.ndarray:
    """Return the labels of rows, each once and none missing."""
    column = _labels.factorise(name, _readers.as_column(name, rows))
    _validation.check_distinct_rows(name, column.codes, column.labels)
    return column.labels


def vectors_or_column(name: str, values: Any, kind: str) -> Any:
    """Return a column; one of vectors may be an array of two dimensions."""
    if kind == "embeddings" and getattr(values, "ndim", 1) == 2:
        return _validation.check_vector_array(name, values)
    return _readers.as_column(name, values)


# ---- columns of indicators ------------------------------------------------------------------------------------------


class Values(NamedTuple):
    """Which row has which value: 1 where it does, however often."""

    matrix: scipy.sparse.csr_array  # float32 (n_rows, n_values), canonical
    labels: np.ndarray  # (n_values,) in first-seen order of the lines that have a row


def values_of(name: str, lines: Lines, kind: str, separator: str | None) -> Values:
    """Return the values of a column: labels, entries of lists, parts between separators, or words."""
    column = lines.columns[name]
    if kind == "categorical":
        _validation.check_single_values(name, has_lists=_readers.holds_lists(column))
        codes, labels = _labels.factorise(name, column)
        rows = lines.rows
    elif kind == "text":
        codes, labels, owners = parts_of(name, column, words)
        rows = lines.rows[owners]
    elif separator is not None:
        codes, labels, owners = parts_of(name, column, divided_by(separator), separator=separator)
        rows = lines.rows[owners]
    else:
        has_lists = _readers.holds_lists(column)
        has_lists = _validation.check_list_column(name, column, distinct_of(name, column), has_lists=has_lists)
        lengths, entries = entries_of(name, column, has_lists=has_lists)
        codes, labels = _labels.factorise(name, entries)
        rows = np.repeat(lines.rows, lengths)
    kept = (rows != MISSING) & (codes != MISSING)
    codes, labels = _labels.renumbered(codes[kept], labels)
    matrix = scipy.sparse.coo_array(
        (np.ones(len(codes), dtype=np.float32), (rows[kept], codes)), shape=(lines.n_rows, len(labels))
    ).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return Values(matrix, labels)


def distinct_of(name: str, column: Any) -> Callable[[], np.ndarray]:
    """Return what gives the distinct labels of a column: only where there are no lists, which have none."""
    return lambda: _labels.factorise(name, column).labels


def entries_of(name: str, column: Any, *, has_lists: bool) -> _readers.Flat:
    """Return a column of lists end to end; one in which all are missing may be of any type."""
    if has_lists:
        return _readers.flattened(name, column)
    return _readers.Flat(np.zeros(len(column), dtype=np.int64), np.zeros(0))


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text."""
    return WORD.findall(text.lower())


def divided_by(separator: str) -> Callable[[str], list[str]]:
    """Return what divides a text at a separator, without blanks around the parts and without empty ones."""
    return lambda text: [part for part in map(str.strip, text.split(separator)) if part]


def parts_of(
    name: str, column: Any, divide: Callable[[str], list[str]], separator: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (codes, labels, line of each code) of the parts of texts; each distinct text is divided once."""
    codes, texts = _labels.factorise(name, column)
    divided = list(map(divide, _validation.check_texts(name, texts, separator)))
    lengths = np.fromiter(map(len, divided), dtype=np.int64, count=len(divided))
    numbers: dict[str, int] = {}
    flat = np.fromiter(
        (numbers.setdefault(part, len(numbers)) for parts in divided for part in parts),
        dtype=np.int32,
        count=int(lengths.sum()),
    )
    labels = np.empty(len(numbers), dtype=object)
    labels[:] = list(numbers)
    lines = np.flatnonzero(codes != MISSING)
    own = codes[lines]
    repeats = lengths[own]
    # Entry j of a line stands at the start of its text plus j, j being what is left of a running number.
    starts = (np.cumsum(lengths) - lengths)[own]
    places = (
        np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats) + np.repeat(starts, repeats)
    )
    return flat[places], labels, np.repeat(lines, repeats)


# ---- columns of numbers ---------------------------------------------------------------------------------------------


def numbers_of(name: str, lines: Lines) -> np.ndarray:
    """Return the number of every row as float64, NaN where it has none; of several lines their mean."""
    values, missing = _readers.quantities(name, lines.columns[name])
    values = _validation.check_weights(name, values).astype(np.float64)
    kept = (lines.rows != MISSING) & ~missing & np.isfinite(values)
    rows, values = lines.rows[kept], values[kept]
    counts = np.bincount(rows, minlength=lines.n_rows)
    first = np.full(lines.n_rows, np.nan)
    first[rows[::-1]] = values[::-1]
    deviations = values / counts[rows] - first[rows] / counts[rows]  # 0 where lines repeat a number: it stays as it is
    return first + np.bincount(rows, deviations, minlength=lines.n_rows)


class Vectors(NamedTuple):
    """The vectors of the rows that have one."""

    rows: np.ndarray  # ascending
    values: np.ndarray  # float32 (n, size)


def vectors_of(name: str, lines: Lines, size: int | None = None) -> Vectors:
    """Return the vectors of rows, of several lines their mean; `size` is what they must have, if that is known."""
    column = lines.columns[name]
    if getattr(column, "ndim", 1) == 2:
        given, values = np.arange(len(column)), column
    else:
        has_lists = _readers.holds_lists(column)
        has_lists = _validation.check_vector_column(name, distinct_of(name, column), has_lists=has_lists)
        lengths, entries = entries_of(name, column, has_lists=has_lists)
        given = np.flatnonzero(lengths)
        numbers, missing = _readers.quantities(name, entries)
        width = _validation.check_vector_lengths(name, lengths[given])
        values = np.where(missing, np.nan, _validation.check_weights(name, numbers)).reshape(-1, width)
    values = _validation.check_vectors_finite(name, values, size)
    own = lines.rows[given]
    kept = own != MISSING
    own, values = own[kept], values[kept]
    rows, place, counts = np.unique(own, return_inverse=True, return_counts=True)
    means = scipy.sparse.csr_array((1 / counts[place], (place, np.arange(len(own)))), shape=(len(rows), len(own)))
    if len(rows) == len(own):
        return Vectors(rows, values[np.argsort(own)])
    return Vectors(rows, (means @ values).astype(np.float32))
