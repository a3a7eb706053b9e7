"""Outside ids (labels) to row numbers and back."""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

import numpy as np

from fastbpr.errors import UnknownLabelError

try:
    import pyarrow
except ImportError:  # the extra `io`; NumPy does the same, slower
    pyarrow = None

MISSING = -1  # code of a row without a label
SUGGESTIONS = 5
MAX_COMPARED = 20_000  # labels that difflib looks at: it is slow


class Factorised(NamedTuple):
    """A column of labels: ``labels[codes]`` where ``codes`` are not MISSING."""

    codes: np.ndarray  # int32 (n_rows,)
    labels: np.ndarray  # (n_labels,) in first-seen order, without repeats


def factorise(column: Any) -> Factorised:
    """Number the distinct values of a column in first-seen order; None, NaN and NaT are MISSING.

    `column` is a 1-D NumPy array or a pyarrow array. Whole floats become integers, strings become objects of str.
    """
    if pyarrow is not None and isinstance(column, (pyarrow.Array, pyarrow.ChunkedArray)):
        codes, labels = _factorise_arrow(column)
    elif column.dtype.kind == "O":
        codes, labels = _factorise_objects(column)
    elif pyarrow is not None and column.dtype.kind in "iuf" and column.dtype != np.float16:
        codes, labels = _factorise_arrow(pyarrow.array(np.ascontiguousarray(column), from_pandas=True))
    else:
        codes, labels = _factorise_plain(column)
    labels = whole_numbers(labels)
    if labels.dtype.kind == "U":
        labels = labels.astype(object)
    return Factorised(codes.astype(np.int32, copy=False), labels)


def _factorise_arrow(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """By pyarrow's hash tables."""
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks() if not pyarrow.types.is_dictionary(column.type) else column.unify_dictionaries()
        column = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
    if pyarrow.types.is_dictionary(column.type):
        used = column.indices.dictionary_encode()  # a dictionary may have unused values, in any order
        codes = used.indices.fill_null(MISSING).to_numpy(zero_copy_only=False)
        labels = column.dictionary.take(used.dictionary)
    else:
        encoded = column.dictionary_encode()
        codes = encoded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False)
        labels = encoded.dictionary
    values = labels.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f" and np.isnan(values).any():  # arrow's own floats keep NaN as a value
        return _without(codes, values, np.isnan(values))
    return codes, values


def _factorise_objects(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By a Python dict, for values of any hashable type."""
    values = column.tolist()
    number = {}
    labels = []
    for value in dict.fromkeys(values):
        if is_missing(value):
            number[value] = MISSING
        else:
            number[value] = len(labels)
            labels.append(value)
    codes = np.fromiter(map(number.__getitem__, values), dtype=np.int32, count=len(values))
    return codes, typed_objects(labels)


def _factorise_plain(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By NumPy's sort."""
    labels, first, codes = np.unique(column, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    codes, labels = rank[codes.reshape(-1)], labels[order]
    if labels.dtype.kind in "fcmM":
        return _without(codes, labels, np.isnan(labels) if labels.dtype.kind in "fc" else np.isnat(labels))
    return codes, labels


def _without(codes: np.ndarray, labels: np.ndarray, unwanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take some labels out; their rows become MISSING."""
    if not unwanted.any():
        return codes, labels
    new_codes = np.where(unwanted, MISSING, np.cumsum(~unwanted) - 1).astype(np.int32)
    return np.where(codes == MISSING, MISSING, new_codes[codes]), labels[~unwanted]


def without(column: Factorised, missing: Any) -> Factorised:
    """Take the empty string, and labels equal to one of `missing`, out of a factorised column."""
    unwanted = np.zeros(len(column.labels), dtype=bool)
    for value in ["", *([] if missing is None else np.atleast_1d(np.asarray(missing)).tolist())]:
        text_with_numbers = isinstance(value, str) != (column.labels.dtype.kind == "O")
        if not text_with_numbers:
            unwanted |= np.asarray(column.labels == value, dtype=bool)
    return Factorised(*_without(column.codes, column.labels, unwanted))


def renumbered(codes: np.ndarray, labels: np.ndarray) -> Factorised:
    """Number anew by first appearance in `codes`, which name some of the labels."""
    first = np.full(len(labels), len(codes))
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last write is the first appearance
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(codes))]
    new_codes = np.empty(len(labels), dtype=np.int32)
    new_codes[order] = np.arange(len(order))
    return Factorised(new_codes[codes], labels[order])


def is_missing(value: Any) -> bool:
    """Whether an object stands for no value: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


def typed_objects(values: list[Any]) -> np.ndarray:
    """Return Python objects as an array: of numbers if all are numbers of one kind, else of objects."""
    kinds = set(map(type, values))
    if values and (kinds <= {int} or kinds <= {float, int}):
        try:
            return np.array(values, dtype=np.int64 if kinds == {int} else np.float64)
        except OverflowError:
            pass
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def whole_numbers(labels: np.ndarray) -> np.ndarray:
    """Return floats that are all whole as integers: pandas turns ids into floats when some are missing."""
    whole = labels.dtype.kind == "f" and bool((np.isfinite(labels) & (labels == np.round(labels))).all())
    return labels.astype(np.int64) if whole and (len(labels) == 0 or np.abs(labels).max() < 2**53) else labels


WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0+)?")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")


def typed_text(column: Factorised) -> Factorised:
    """Give labels that were read as text their type: integers or floats if every one is written so, else text."""
    texts = column.labels.tolist()
    for pattern, kind in ((WHOLE, np.int64), (DECIMAL, np.float64)):
        if texts and all(pattern.fullmatch(text) for text in texts):
            numbers = np.array([text.partition(".")[0] if kind is np.int64 else text for text in texts]).astype(kind)
            codes, labels = factorise(numbers)  # "1" and "1.0" are one label
            return Factorised(np.where(column.codes == MISSING, MISSING, codes[column.codes]), labels)
    return column


# ---- looking up -------------------------------------------------------------------------------------------------


def rows_of(known: np.ndarray, wanted: Any, *, what: str, names: np.ndarray | None = None) -> Any:
    """Return the row numbers of labels: an int for one label, int32 for a list or array of them.

    Raises `UnknownLabelError` with the closest known labels.
    """
    if isinstance(wanted, (list, np.ndarray)) and np.ndim(wanted) == 1:
        number = {label: row for row, label in enumerate(known.tolist())}
        unknown = [label for label in wanted if label not in number]
        if unknown:
            raise UnknownLabelError(unknown_message(known, unknown[0], what, names))
        return np.array([number[label] for label in wanted], dtype=np.int32)
    try:
        return known.tolist().index(wanted)
    except ValueError:
        raise UnknownLabelError(unknown_message(known, wanted, what, names)) from None


def parse_label(known: np.ndarray, text: str) -> Any:
    """Return the label that a text, as of a command line, stands for: a number where labels are numbers."""
    if known.dtype.kind in "iuf":
        try:
            return known.dtype.type(text) if known.dtype.kind == "f" else int(text)
        except ValueError:
            return text
    return text


def unknown_message(known: np.ndarray, wanted: Any, what: str, names: np.ndarray | None) -> str:
    """Say that a label is not known, and which ones are close."""
    close = suggestions(known, str(wanted), names)
    hint = f" Closest: {'; '.join(close)}." if close else ""
    return f"{what} label must be a known one, got {wanted!r}.{hint}"


def suggestions(known: np.ndarray, wanted: str, names: np.ndarray | None = None) -> list[str]:
    """Return up to SUGGESTIONS known labels, with names, close to what was wanted: as a part first, then by spelling."""
    wanted = wanted.lower()
    texts = [str(label).lower() for label in known.tolist()]
    titles = [""] * len(texts) if names is None else [str(name or "").lower() for name in names.tolist()]
    found = [row for row, text in enumerate(texts) if wanted in text or wanted in titles[row]]
    if len(found) < SUGGESTIONS:
        candidates = [row for row, text in enumerate(texts) if text[:1] == wanted[:1]][:MAX_COMPARED]
        by_text = {texts[row]: row for row in candidates} | {titles[row]: row for row in range(len(titles))[:MAX_COMPARED]}
        by_text.pop("", None)
        close = difflib.get_close_matches(wanted, by_text, n=SUGGESTIONS, cutoff=0.5)
        found = list(dict.fromkeys([*found, *(by_text[text] for text in close)]))
    return [described(known, names, row) for row in found[:SUGGESTIONS]]


def described(known: np.ndarray, names: np.ndarray | None, row: int) -> str:
    """Return a label with its name, as a person reads it."""
    return str(known[row]) if names is None or not names[row] else f"{known[row]} ({names[row]})"
