"""Contexts of interactions: their kinds and strengths, and what was shown in them."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.columns import MAX_LISTED
from fastbpr._validation.files import check_share
from fastbpr._validation.matrices import check_stored_values, check_structure, describe

LISTS = (list, tuple, set, frozenset, np.ndarray)  # what a Python object that holds several labels may be


def check_with_contexts(contexts: tuple[str, Any], **others: Any) -> None:
    """Refuse what says something about contexts where there are none."""
    name, value = contexts
    for other, given in others.items():
        if value is None and given is not None:
            raise ValueError(f"{other} must come with {name}, got {name}=None. Say which context each row belongs to.")


def check_context_strengths(value: Any, *, kinds: tuple[str, Any]) -> float | dict[Any, float] | None:
    """Return None, one strength for all contexts, or one for each kind that is named; `kinds` is (name, column)."""
    name = "context_strengths"
    if isinstance(value, Mapping):
        if kinds[1] is None:
            raise ValueError(
                f"{name} must be None or a number from 0 to 1 without {kinds[0]}, got a mapping. Say which kind each "
                f"row's context is of: {kinds[0]}."
            )
        return {kind: check_share(f"{name}[{kind!r}]", strength) for kind, strength in value.items()}
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name} must be None, a number from 0 to 1, or a mapping from kinds of contexts to such numbers, got "
            f"{describe(value)}."
        )
    return check_share(name, value)


def check_kinds_known(name: str, kinds: list[Any], rows: np.ndarray, known: np.ndarray) -> None:
    """Refuse kinds of contexts that do not occur; unknown ones have negative rows."""
    if (rows < 0).any():
        listing = ", ".join(map(repr, known.tolist()[:MAX_LISTED])) + (", ..." if len(known) > MAX_LISTED else "")
        raise ValueError(
            f"{name} must name kinds that occur, {listing or 'of which there are none'}, got "
            f"{kinds[int(np.argmax(rows < 0))]!r}."
        )


def check_shown(value: Any, *, column: bool) -> bool:
    """Return whether what was shown is said by the name of a column, which it can be where `column` says so."""
    if value is None or scipy.sparse.issparse(value) or isinstance(value, Mapping):
        return False
    rule = "shown must be a mapping from labels of contexts to lists of item labels, or a SciPy sparse matrix"
    if column and isinstance(value, (str, int, tuple)):
        return True
    if column:
        raise TypeError(f"{rule}, or the name of a column of lists of item labels, got {type(value).__name__}.")
    hint = " A column of lists can be read from Parquet files and data frames." if isinstance(value, str) else ""
    raise TypeError(f"{rule}, got {describe(value) if isinstance(value, str) else type(value).__name__}.{hint}")


def check_shown_matrix(name: str, matrix: Any) -> Any:
    """Refuse a sparse matrix that cannot say what was shown."""
    if matrix.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, labels of contexts and of items, got shape {matrix.shape}.")
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {matrix.dtype}.")
    check_structure(name, matrix)
    check_stored_values(name, matrix)
    return matrix


def check_items_shown(name: str, context: Any, items: Any) -> list[Any]:
    """Return the item labels of one context as a list."""
    if hasattr(items, "to_list"):  # of pandas and polars
        items = items.to_list()
    elif hasattr(items, "to_pylist"):
        items = items.to_pylist()
    if not isinstance(items, LISTS) or (isinstance(items, np.ndarray) and items.ndim != 1):
        raise TypeError(f"{name}[{context!r}] must be a list of item labels, got {describe(items)}.")
    return items.tolist() if isinstance(items, np.ndarray) and items.dtype.kind not in "mM" else list(items)


def check_lists(name: str, values: np.ndarray) -> list[Any]:
    """Return a column of objects as lists of labels, those that are missing as empty ones."""
    wrong = {kind for kind in set(map(type, values)) if not issubclass(kind, LISTS) and kind.__name__ not in MISSING}
    for value in values if wrong else ():
        if type(value) in wrong and value == value:  # NaN and its kin are missing
            raise TypeError(
                f"{name} must have a list of item labels, or None, in every row, got {describe(value)} in a row. Parse "
                "text first, and make single labels lists."
            )
    return [value if isinstance(value, LISTS) else () for value in values]


MISSING = ("NoneType", "NAType", "NaTType")


def check_list_type(name: str, kind: Any, is_list: bool) -> None:
    """Refuse a column of a data frame or file that has no lists."""
    if not is_list:
        raise TypeError(f"{name} must be a column of lists of item labels, got one of {kind}.")


def check_shown_known(name: str, what: str, known: np.ndarray, labels: np.ndarray, of_log: np.ndarray) -> None:
    """Refuse labels of what was shown of which the log knows none: they are probably of another type."""
    if not len(labels):
        raise ValueError(f"{name} must have at least one {what} that was shown, got none.")
    if not known.any():
        example = f", and the first of the log {describe(of_log.tolist()[0])}" if len(of_log) else ""
        raise ValueError(
            f"{name} must have {what} labels that are in the log, got {len(labels):,} of which none is. The first is "
            f"{describe(labels.tolist()[0])}{example}. Use the same ids, of the same type."
        )


def check_strength_options(texts: list[str] | None) -> float | dict[str, float] | None:
    """Return what options NUMBER or KIND=NUMBER of a command say: a number for all, or one for each kind named."""
    rule = "context-strength must be one number from 0 to 1 for all contexts, or KIND=NUMBER, once for each kind"
    found: dict[str, float] = {}
    for text in texts or []:
        kind, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if kind in found or ("" in found) or (not kind and found) or not 0 <= value <= 1:
            raise ValueError(f"{rule}, got {', '.join(texts)}.")
        found[kind] = value
    return found.get("", found) if found else None
