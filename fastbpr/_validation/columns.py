"""Columns of arrays, data frames and files, and the labels in them."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr._validation.matrices import describe
from fastbpr.errors import UnknownLabelError


def check_frame(frame: Any, *, arrays: str = "Interactions.from_arrays(users, items)") -> list[Any]:
    """Return the column names of a data frame; `arrays` is what to use for arrays instead."""
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # asking it for columns would already compute
        raise TypeError(f"frame must be a DataFrame, got {type(frame).__name__}. Compute it first: frame.collect().")
    names = getattr(frame, "column_names", None)
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None or not hasattr(frame, "__getitem__"):
        raise TypeError(
            f"frame must be a pandas or polars DataFrame or a pyarrow Table, got {type(frame).__name__}. For arrays "
            f"use {arrays}."
        )
    return list(names)


def check_column_names(names: Mapping[str, Any], known: list[Any], *, source: str | None = None) -> None:
    """Refuse a column that is not there, or there twice."""
    for role, name in names.items():
        if name is None or known.count(name) == 1:
            continue
        where = "" if source is None else f" of {source}"
        if name in known:
            n_columns = known.count(name)
            raise ValueError(f"{role} must name one column{where}, got {name!r}, the name of {n_columns}. Rename them.")
        listing = ", ".join(map(repr, known[:MAX_LISTED])) + (", ..." if len(known) > MAX_LISTED else "")
        by_text = {str(other).lower(): other for other in known}
        close = difflib.get_close_matches(str(name).lower(), by_text, n=1)
        hint = f" Did you mean {by_text[close[0]]!r}?" if close else ""
        raise ValueError(f"{role} must be one of the columns {listing}{where}, got {name!r}.{hint}")


MAX_LISTED = 30  # column names in a message


def check_file(path: Any, *, not_starting_with: bytes | None = None, hint: str = "") -> None:
    """Refuse a path that is not a file, or the file of another format."""
    check_path("path", path)
    if not Path(path).exists():
        raise FileNotFoundError(f"path must be an existing file, got {str(path)!r}.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {str(path)!r}.")
    if not_starting_with is not None:
        with open(path, "rb") as file:
            if file.read(len(not_starting_with)) == not_starting_with:
                raise ValueError(f"path must be a text file, got {str(path)!r}. {hint}")


def check_path(name: str, path: Any) -> None:
    """Refuse what cannot be a path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, a str or pathlib.Path, got {describe(path)}.")


def check_parquet_paths(paths: Any) -> list[str]:
    """Return the files of one path, several, or a folder, which is searched with its sub-folders, in order of name."""
    several = isinstance(paths, Iterable) and not isinstance(paths, (str, bytes, os.PathLike))
    if not several:
        check_path("paths", paths)
        if Path(paths).is_dir():
            files = sorted(str(file) for file in Path(paths).rglob("*.parquet") if file.is_file())
            if not files:
                raise ValueError(f"paths must have a file *.parquet, got the folder {str(paths)!r} without any.")
            return files
    files = list(paths) if several else [paths]
    if not files:
        raise ValueError("paths must have at least one path, got none.")
    for file in files:
        check_file(file)
    return [os.fspath(file) for file in files]


@contextlib.contextmanager
def readable(path: Any, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn the reader's complaint about a file into ours."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except errors as error:
        where = ", ".join(map(str, path)) if isinstance(path, (list, tuple)) else str(path)
        raise ValueError(f"path must be a readable {kind}, got {where!r}: {error}") from error


@contextlib.contextmanager
def hashable(name: str) -> Iterator[None]:
    """Turn Python's complaint about a label that is a list, dict or array into ours."""
    try:
        yield
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        kind = str(error).rpartition("type: ")[2].strip("'")
        raise TypeError(
            f"{name} must be one-dimensional, of labels such as strings, numbers or tuples, got a {kind} among them."
        ) from error


def check_column(name: str, values: Any) -> np.ndarray:
    """Return a 1-D array of any dtype, in the byte order of the machine; lists become objects."""
    rule = f"{name} must be a one-dimensional array, list or column, one entry per row"
    if isinstance(values, (str, bytes, Mapping, set, frozenset)) or not (
        hasattr(values, "__len__") or hasattr(values, "__array__")
    ):
        raise TypeError(f"{rule}, got {describe(values)}. Make it a list or an array first.")
    if isinstance(values, np.ma.MaskedArray):
        array = np.where(np.ma.getmaskarray(values), None, values.data)
    elif hasattr(values, "__array__"):
        array = np.asarray(values)
    else:
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.ndim != 1:
        raise ValueError(f"{rule}, got shape {array.shape}.")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_lengths(columns: Mapping[str, Any]) -> int:
    """Return the common length of columns."""
    lengths = {name: len(column) for name, column in columns.items()}
    n_rows = lengths["users"]
    for name, length in lengths.items():
        if length != n_rows:
            raise ValueError(f"{name} must have one entry per row, {n_rows} as users have, got {length}.")
    return n_rows


def check_weights(name: str, values: np.ndarray) -> np.ndarray:
    """Refuse weights that are not numbers."""
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be numbers, got {describe_entries(values, float)}. Convert them first.")
    return values


def check_merged_weights(name: str, sums: np.ndarray) -> np.ndarray:
    """Return the weights of interactions as float32; refuse those that it cannot hold."""
    with np.errstate(over="ignore", under="ignore"):
        values = sums.astype(np.float32)
    bad = ~np.isfinite(values) | (values == 0)
    if bad.any():
        raise ValueError(
            f"{name} must add up to what float32 can hold, about 1e-45 to 3e38, got {sums[bad][0]}. Rescale them."
        )
    return values


def check_times(name: str, values: np.ndarray) -> np.ndarray:
    """Return times as int64, float64 or datetime64."""
    if values.dtype.kind == "i" or (values.dtype.kind == "u" and (values.size == 0 or values.max() < 2**63)):
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if values.dtype.kind == "M":
        return values
    raise TypeError(
        f"{name} must be dates or numbers below 2**63, got {describe_entries(values, date)}. Parse text first, for "
        "instance with pandas.to_datetime."
    )


def check_zones(name: str, zoned: list[bool]) -> None:
    """Refuse dates with and without a time zone among each other: their order is not known."""
    if not all(zoned):
        raise ValueError(f"{name} must all have a time zone, or none, got {sum(zoned)} of {len(zoned)} with one.")


def describe_entries(values: np.ndarray, convert: Callable[[Any], Any]) -> str:
    """Short description of the entries of an array for an error message: of the first that cannot be converted."""
    if values.dtype.kind != "O" or not len(values):
        return f"dtype {values.dtype}"
    for value in values:
        try:
            convert(value)
        except (TypeError, ValueError):
            return f"entries such as {describe(value)}"
    return f"entries such as {describe(values[0])}"


def date(value: Any) -> np.datetime64:
    """Convert a date, a number or an ISO 8601 text."""
    return np.datetime64(value, "us")


def check_rows_are_good(
    on_bad_rows: str, reasons: Mapping[str, np.ndarray], n_good: int, rows: np.ndarray | None = None
) -> None:
    """Refuse bad rows where the user wants that, and data without any good row; `rows` are the user's if others."""
    counts = counted(reasons)
    listing = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    bad_rows = f"{sum(counts.values()):,} bad rows of {sum(counts.values()) + n_good:,} ({listing})"
    if counts and on_bad_rows == "raise":
        first = min(int(np.argmax(bad)) for bad in reasons.values() if bad.any())
        first = first if rows is None else int(rows[first])
        raise ValueError(
            f"The rows must all have a user, an item and valid values, got {bad_rows}; the first is row {first}, "
            "counted from 0. Repair them, or leave them out with on_bad_rows='report'."
        )
    if n_good == 0:
        raise ValueError(f"The data must have at least one good row, got {bad_rows if counts else 'no rows'}.")


def counted(reasons: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the bad rows of each reason that occurs."""
    return {reason: int(bad.sum()) for reason, bad in reasons.items() if bad.any()}


def check_labels_known(what: str, unknown: list[Any], suggest: Callable[[Any], list[str]]) -> None:
    """Refuse labels that are not in the data; say which are close to the first of them."""
    if unknown:
        more = f" and {len(unknown) - 1} more that are unknown" if len(unknown) > 1 else ""
        close = suggest(unknown[0])
        hint = f" Closest: {'; '.join(close)}." if close else ""
        raise UnknownLabelError(f"{what} label must be a known one, got {describe(unknown[0])}{more}.{hint}")


def refuse_direct_construction(name: str, instead: str) -> None:
    """Refuse a constructor that would make an empty shell."""
    raise TypeError(f"{name} must be made by one of its from_... methods, got a direct call. Use {name}.{instead}.")
