"""Outside ids (labels) to row numbers and back."""

from __future__ import annotations

import difflib
import heapq
import numbers
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _readers, _validation
from fastbpr._readers import MISSING

SUGGESTIONS = 5
MAX_COMPARED = 20_000  # labels that difflib looks at: it is slow


class Factorised(NamedTuple):
    """A column of labels: ``labels[codes]`` where ``codes`` are not MISSING."""

    codes: np.ndarray  # int32 (n_rows,)
    labels: np.ndarray  # (n_labels,) in first-seen order, without repeats; int64 rather than another integer type


# ---- labels to codes --------------------------------------------------------------------------------------------


def factorise(name: str, column: Any) -> Factorised:
    """Number the distinct values of a column in first-seen order; None, NaN, NaT and empty strings are MISSING.

    `column` is what `_readers.as_column` returns. Whole floats become integers, strings become objects of str, and
    dates have one unit, so that the source of a label does not show.
    """
    if not isinstance(column, np.ndarray):
        types, kind = _readers.pyarrow.types, column.type
        if types.is_dictionary(kind):
            inner = factorise(name, _readers.arrow_column(column.dictionary))
            positions = column.indices.cast("int64").fill_null(MISSING).to_numpy()
            return renumbered(take(inner.codes, positions), inner.labels)
        if types.is_large_string(kind) or types.is_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            return encoded_texts(column)
        if types.is_decimal(kind):
            column = _readers.whole_decimals(column)
    values, missing = _readers.plain(column)
    if values.dtype.kind == "O":
        return factorise_objects(name, values)
    codes, labels = numbered(values[~missing] if missing.any() else values)
    if missing.any():
        present = codes
        codes = np.full(len(values), MISSING, dtype=np.int32)
        codes[~missing] = present
    return Factorised(codes, whole_numbers(labels))


def numbered(values: np.ndarray) -> Factorised:
    """Number the distinct values of numbers or dates, none of them missing, in first-seen order."""
    kind = values.dtype
    if kind.kind in "mM":
        values = values.view(np.int64)
    elif kind.kind == "f":
        values = values.astype(np.float64 if kind.itemsize not in (4, 8) else kind, copy=False) + 0  # -0.0 is 0.0
    if _readers.pyarrow is not None and kind.kind != "c":
        encoded = _readers.pyarrow.array(values).dictionary_encode()
        codes, labels = encoded.indices.to_numpy(), encoded.dictionary.to_numpy(zero_copy_only=False)
    else:
        labels, first, codes = np.unique(values, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        codes, labels = rank[codes.reshape(-1)], labels[order]
    return Factorised(codes, labels.view(kind) if kind.kind in "mM" else labels)


def factorise_objects(name: str, values: np.ndarray) -> Factorised:
    """Number the distinct values of objects: strings by pyarrow where it is installed, anything hashable by a dict."""
    pyarrow = _readers.pyarrow
    kinds = set(map(type, values))
    if kinds == {int} and (whole := integers(values.tolist())) is not None:
        codes, labels = numbered(whole)
        return Factorised(codes, whole_numbers(labels))
    if (
        pyarrow is not None
        and str in kinds
        and {kind.__name__ for kind in kinds} <= {"str", "NoneType", "float", "NAType"}
    ):
        try:
            return encoded_texts(pyarrow.array(values, type=pyarrow.large_string(), from_pandas=True))
        except (pyarrow.ArrowException, UnicodeError):  # a float that is a label; half a surrogate pair
            pass
    codes, distinct = _readers.coded_objects(name, values)
    return Factorised(codes, typed_objects(distinct))


def encoded_texts(column: Any) -> Factorised:
    """Number the distinct values of a pyarrow array of strings or bytes."""
    encoded = column.dictionary_encode()
    codes = encoded.indices.fill_null(MISSING).to_numpy().astype(np.int32, copy=False)
    labels = encoded.dictionary.to_numpy(zero_copy_only=False).astype(object, copy=False)
    return dropped(codes, labels, np.fromiter(map(len, labels), dtype=np.int64, count=len(labels)) == 0)


def typed_objects(distinct: list[Any]) -> np.ndarray:
    """Return distinct Python objects as labels: numbers if all are numbers of one kind, else objects."""
    kinds = set(map(type, distinct))
    values = None
    if kinds and kinds <= {bool, np.bool_}:
        values = np.array(distinct)
    elif kinds and all(issubclass(kind, numbers.Integral) and kind is not bool for kind in kinds):
        values = integers(distinct)
    elif kinds and all(issubclass(kind, (numbers.Integral, float, np.floating)) and kind is not bool for kind in kinds):
        values = np.array(distinct)
        values = values if values.tolist() == distinct else None  # an integer was rounded to a float
    if values is not None:
        return whole_numbers(values)
    labels = np.empty(len(distinct), dtype=object)
    labels[:] = list(map(str, distinct)) if kinds <= {str, np.str_} else distinct
    return labels


def integers(values: list[int]) -> np.ndarray | None:
    """Return integers as int64, as uint64 where they must be, or None where neither holds them."""
    for dtype in (np.int64, np.uint64) if min(values, default=0) >= 0 else (np.int64,):  # old NumPy wraps -1 to uint64
        try:
            return np.array(values, dtype=dtype)
        except OverflowError:
            pass
    return None


def whole_numbers(labels: np.ndarray) -> np.ndarray:
    """Return integers, and floats that are all whole (pandas turns ids into floats when some are missing), as int64."""
    if labels.dtype.kind == "f":
        whole = bool((np.isfinite(labels) & (labels == np.round(labels)) & (np.abs(labels) < 2**63)).all())
        return labels.astype(np.int64) if whole else labels
    if labels.dtype.kind == "i" or (labels.dtype.kind == "u" and (not len(labels) or labels.max() < 2**63)):
        return labels.astype(np.int64, copy=False)
    return labels


WHOLE = re.compile(r"(-?[1-9][0-9]*|0)(\.0+)?")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9]|\.0+)?(e[+-][0-9]+)?")  # 1.10 and 1E5 are rather text


def typed_text(column: Factorised) -> Factorised:
    """Give labels that were read as text their type: integers or floats if every one is written so, else text.

    Texts become one label only if they are whole numbers with and without ".0".
    """
    texts = column.labels.tolist()
    stems = [text.partition(".")[0] if WHOLE.fullmatch(text) else text for text in texts]
    values = None
    if all(map(WHOLE.fullmatch, texts)):
        values = integers(list(map(int, stems)))
    elif all(map(DECIMAL.fullmatch, texts)):
        values = np.array(stems, dtype=np.float64)
    if not texts or values is None:
        return column
    codes, labels = factorise("labels", values)
    return Factorised(take(codes, column.codes), labels) if len(labels) == len(set(stems)) else column


# ---- codes to codes ---------------------------------------------------------------------------------------------


def take(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return ``values[codes]`` of numbers from 0 on, MISSING where the code is."""
    return np.append(values, np.int32(MISSING))[codes]  # MISSING is -1: the last place


def dropped(codes: np.ndarray, labels: np.ndarray, unwanted: np.ndarray) -> Factorised:
    """Take some labels out; their rows become MISSING."""
    if not unwanted.any():
        return Factorised(codes, labels)
    new_codes = np.where(unwanted, MISSING, np.cumsum(~unwanted) - 1).astype(np.int32)
    return Factorised(take(new_codes, codes), labels[~unwanted])


def without(column: Factorised, wanted: Any) -> Factorised:
    """Take labels equal to one of `wanted` out of a factorised column; None takes out nothing."""
    unwanted = np.zeros(len(column.labels), dtype=bool)
    if wanted is not None:
        rows, _ = find(column.labels, wanted)
        unwanted[rows[rows != MISSING]] = True
    return dropped(column.codes, column.labels, unwanted)


def renumbered(codes: np.ndarray, labels: np.ndarray) -> Factorised:
    """Number anew by first appearance in `codes`, which name some of the labels; MISSING stays."""
    present = codes[codes != MISSING]
    first = np.full(len(labels), len(present))
    first[present[::-1]] = np.arange(len(present) - 1, -1, -1)  # the last write is the first appearance
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(present))]
    new_codes = np.full(len(labels), MISSING, dtype=np.int32)
    new_codes[order] = np.arange(len(order), dtype=np.int32)
    return Factorised(take(new_codes, codes), labels[order])


def one_row_per_entry(codes: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (codes, row of each) where every entry of lists has a row, and an empty list one that is MISSING.

    `codes` are those of the lists end to end.
    """
    n_rows = np.maximum(lengths, 1)
    result = np.full(int(n_rows.sum()), MISSING, dtype=np.int32)
    result[np.repeat(lengths > 0, n_rows)] = codes
    return result, np.repeat(np.arange(len(lengths)), n_rows)


# ---- of interactions -----------------------------------------------------------------------------------------------


def labels_of(user_items: Any) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return (user_labels, item_labels, item_names) of `Interactions`; None for what they, or a matrix, do not have."""
    return tuple(getattr(user_items, name, None) for name in ("user_labels", "item_labels", "item_names"))


def behind(what: str, known: np.ndarray | None, given: Any, n_new: int) -> np.ndarray | None:
    """Return a model's labels with those of new rows behind them; None for a model without labels."""
    _validation.check_labels_wanted(what, known, given, n_new)
    if known is None:
        return None
    name = f"{what}_labels"
    codes, labels = factorise(name, _readers.as_column(name, given))
    _validation.check_new_labels(what, codes, labels, find(known, labels)[0] != MISSING, n_new)
    return _validation.check_joined_labels(what, known, labels)


# ---- looking up -------------------------------------------------------------------------------------------------


def rows_of(known: np.ndarray, wanted: Any, *, what: str = "item", names: np.ndarray | None = None) -> Any:
    """Return the row numbers of labels: an int for one label, an array of int32 for a list or array of them.

    A text is understood where labels are numbers or dates. A tuple is one label. Raises `UnknownLabelError` with the
    closest known labels.
    """
    rows, labels = find(known, wanted)
    unknown = [labels[place] for place in np.flatnonzero(rows == MISSING)]
    _validation.check_labels_known(what, unknown, lambda label: suggestions(known, str(label), names))
    return rows if several(wanted) else int(rows[0])


def find(known: np.ndarray, wanted: Any) -> tuple[np.ndarray, list[Any]]:
    """Return (row number or MISSING of each label wanted, the labels as a list)."""
    labels = [wanted]
    if several(wanted):  # pyarrow's own scalars equal nothing else
        labels = wanted.to_pylist() if hasattr(wanted, "to_pylist") else list(wanted)
    with _validation.hashable("labels"):
        keys = [lookup_key(known, label) for label in labels]
        values = plain_list(known)
        if len(keys) == 1:  # a look costs less than a dict
            rows = [values.index(keys[0]) if keys[0] in values else MISSING]
        else:
            number = dict(zip(values, range(len(values)), strict=True))
            rows = [number.get(key, MISSING) for key in keys]
    return np.array(rows, dtype=np.int32), labels


def matched(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the row number in `known`, or MISSING, of labels that are distinct in either, as `factorise` has them."""
    if known.dtype == wanted.dtype:
        both = np.concatenate([known, wanted])
        codes = factorise_objects("labels", both).codes if both.dtype.kind == "O" else numbered(both).codes
        rows = codes[len(known) :]  # known ones have their row numbers
        return np.where(rows < len(known), rows, MISSING).astype(np.int32)
    return find(known, wanted)[0]


def several(wanted: Any) -> bool:
    """Whether `wanted` is a list, array, set or column of labels rather than one label."""
    if isinstance(wanted, np.ndarray):
        return wanted.ndim > 0
    return hasattr(wanted, "__len__") and not isinstance(wanted, (str, bytes, tuple))


def plain_list(known: np.ndarray) -> list[Any]:
    """Return labels as Python objects that compare by value; dates as integers."""
    return (known.view(np.int64) if known.dtype.kind in "mM" else known).tolist()


def lookup_key(known: np.ndarray, label: Any) -> Any:
    """Return what stands for a label in `plain_list`."""
    if isinstance(label, np.ndarray) and label.ndim == 0:
        label = label.item()
    if isinstance(label, str):
        label = parse_label(known, label)
    if known.dtype.kind in "mM":
        try:
            return np.asarray(label).astype(known.dtype).view(np.int64).item()
        except (TypeError, ValueError):
            return None
    hash(label)
    return label


def parse_label(known: np.ndarray, text: str) -> Any:
    """Return the label that a text, as of a command line, stands for: a number or a date where labels are such."""
    try:
        if known.dtype.kind in "iu" and (whole := WHOLE.fullmatch(text.strip())):
            return int(whole[1])
        if known.dtype.kind == "f":
            return float(text)
        if known.dtype.kind == "M":
            return np.datetime64(text).astype(known.dtype)
    except ValueError:
        pass
    return text


def suggestions(known: np.ndarray, wanted: str, names: np.ndarray | None = None) -> list[str]:
    """Return up to SUGGESTIONS known labels, with names, close to `wanted`: those that contain it, then by spelling."""
    wanted = wanted.strip().lower()
    if not wanted:
        return []
    labels = [str(label).lower() for label in known.tolist()]
    columns = [labels] if names is None else [labels, [(name or "").lower() for name in names.tolist()]]
    found = []
    for texts in columns:
        containing = (row for row, text in enumerate(texts) if wanted in text)
        found += heapq.nsmallest(SUGGESTIONS, containing, key=length_of(texts))
    for texts in columns:
        if len(dict.fromkeys(found)) < SUGGESTIONS:
            rows = {texts[row]: row for row in reversed(comparable(texts, wanted)) if texts[row]}
            found += [rows[text] for text in difflib.get_close_matches(wanted, rows, n=SUGGESTIONS, cutoff=0.6)]
    return [described(known, names, row) for row in list(dict.fromkeys(found))[:SUGGESTIONS]]


def length_of(texts: list[str]) -> Callable[[int], int]:
    """Return the length of a row's text as a function of the row."""
    return lambda row: len(texts[row])


def comparable(texts: list[str], wanted: str) -> list[int]:
    """Return some MAX_COMPARED rows worth a comparison: all, or those that share the first or the last half.

    One wrong letter leaves one of the halves right. Where too many share a half, those that share more of it.
    """
    if len(texts) <= MAX_COMPARED:
        return list(range(len(texts)))
    sharing = []
    half = max(len(wanted) // 2, 1)
    for part in (lambda text, length: text[:length], lambda text, length: text[-length:]):
        rows = [row for row, text in enumerate(texts) if part(text, half) == part(wanted, half)]
        for length in range(half + 1, len(wanted) + 1):
            if len(rows) <= MAX_COMPARED // 2:
                break
            rows = [row for row in rows if part(texts[row], length) == part(wanted, length)] or rows
        sharing += rows[: MAX_COMPARED // 2]
    return sharing


def described(known: np.ndarray, names: np.ndarray | None, row: int) -> str:
    """Return a label with its name, as a person reads it."""
    return str(known[row]) if names is None or not names[row] else f"{known[row]} ({names[row]})"


def titled(known: np.ndarray | None, names: np.ndarray | None, row: int) -> str:
    """Return an item's label and name on one line, or its row number where there are no labels."""
    return f"item {row}" if known is None else " ".join(described(known, names, row).split())


def plain(labels: np.ndarray, row: int) -> Any:
    """Return one label as a Python object; dates, which Python has in microseconds at best, as NumPy has them."""
    label = labels[row]
    return label.item() if isinstance(label, np.generic) and label.dtype.kind not in "mM" else label
