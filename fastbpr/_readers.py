"""Columns of arrays, data frames and files, as NumPy or pyarrow arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastbpr import _validation

# What a CSV file may hold for no value. "NA" is not among them: it may be a label.
CSV_MISSING = ["", "nan", "NaN", "null", "NULL"]


def frame_columns(frame: Any, names: Mapping[str, str | None]) -> dict[str, Any]:
    """Take the named columns of a pandas or polars data frame or a pyarrow table; names that are None are left out."""
    known = _validation.check_frame(frame)
    _validation.check_column_names(names, known)
    return {role: frame[name] for role, name in names.items() if name is not None}


def csv_columns(path: str | os.PathLike, names: Mapping[str, str | None]) -> dict[str, Any]:
    """Read the named columns of a CSV file; labels as text, dictionary-encoded."""
    pyarrow = _validation.require("pyarrow", extra="io", purpose="Reading CSV")
    csv = _validation.require("pyarrow.csv", extra="io", purpose="Reading CSV")
    _validation.check_file(path)
    with _validation.readable(path, "CSV", pyarrow.ArrowInvalid), csv.open_csv(path) as reader:
        _validation.check_column_names(names, reader.schema.names)
        text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        types = {names[role]: text for role in ("user", "item", "context", "item_name") if names[role] is not None}
        if names["weight"] is not None:
            types[names["weight"]] = pyarrow.float64()
        table = csv.read_csv(
            path,
            convert_options=csv.ConvertOptions(
                include_columns=list(dict.fromkeys(name for name in names.values() if name is not None)),
                column_types=types,
                null_values=CSV_MISSING,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    return {role: table[name] for role, name in names.items() if name is not None}


def parquet_columns(paths: Any, names: Mapping[str, str | None]) -> dict[str, Any]:
    """Read the named columns of one Parquet file, several, or a folder of them."""
    pyarrow = _validation.require("pyarrow", extra="io", purpose="Reading Parquet")
    dataset = _validation.require("pyarrow.dataset", extra="io", purpose="Reading Parquet")
    several = isinstance(paths, Iterable) and not isinstance(paths, (str, bytes, os.PathLike))
    paths = [os.fspath(path) for path in paths] if several else os.fspath(paths)
    for path in paths if several else [paths]:
        _validation.check_file(path, folder=not several)
    with _validation.readable(paths, "Parquet", pyarrow.ArrowInvalid):
        source = dataset.dataset(paths, format="parquet")
        _validation.check_column_names(names, source.schema.names)
        table = source.to_table(columns=list(dict.fromkeys(name for name in names.values() if name is not None)))
    return {role: table[name] for role, name in names.items() if name is not None}


def as_column(name: str, values: Any) -> Any:
    """Return a column as a 1-D NumPy array or a pyarrow array, without changing or copying it where possible."""
    arrow = _arrow_of(values)
    if arrow is not None:
        return arrow
    return _validation.check_column(name, values)


def _arrow_of(values: Any) -> Any:
    """The values as a pyarrow array, if they are one or are a data frame's column that becomes one; else None."""
    module = type(values).__module__.partition(".")[0]
    if module not in ("pyarrow", "polars", "pandas"):
        return None
    try:
        import pyarrow
    except ImportError:
        return None
    if isinstance(values, (pyarrow.Array, pyarrow.ChunkedArray)):
        return values
    if module == "polars":
        return values.to_arrow()
    if module == "pandas" and values.dtype != object:
        try:
            return pyarrow.array(values, from_pandas=True)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
            return None  # as a column of objects
    return None


def numbers(name: str, column: Any) -> np.ndarray:
    """Return a column of weights as float64, NaN where missing."""
    if not isinstance(column, np.ndarray):
        column = column.to_numpy(zero_copy_only=False) if hasattr(column, "type") else np.asarray(column)
    return _validation.check_numbers(name, column)


def times(name: str, column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of timestamps as (int64, float64 or datetime64 in one unit, where they are missing)."""
    if not isinstance(column, np.ndarray):
        column = _arrow_times(column)
    column = _validation.check_times(name, column)
    if column.dtype.kind == "M":
        in_nanoseconds = column.astype("datetime64[ns]")
        fits = (in_nanoseconds.astype(column.dtype) == column) | np.isnat(column)
        return (in_nanoseconds if fits.all() else column.astype("datetime64[us]")), np.isnat(column)
    return column, np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)


def _arrow_times(column: Any) -> np.ndarray:
    """Arrow timestamps as datetime64, in UTC where they have a zone; other types as NumPy has them."""
    import pyarrow

    if pyarrow.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pyarrow.timestamp(column.type.unit))
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pyarrow.Array) else column.to_numpy()
