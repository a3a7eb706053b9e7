"""Columns of arrays, data frames and files, as NumPy or pyarrow arrays."""

from __future__ import annotations

import datetime
import functools
import itertools
import numbers
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _validation

try:
    import pyarrow
except ModuleNotFoundError:  # the extra `io`; NumPy and dicts do the same for arrays and data frames, slower
    pyarrow = None

MISSING = -1  # code of a row without a value

# What a CSV file may hold for no value. "NA" is not among them: it may be a label.
CSV_MISSING = ["", "nan", "NaN", "null", "NULL"]


# ---- data frames and files --------------------------------------------------------------------------------------


def frame_columns(frame: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Take the named columns of a pandas or polars data frame or a pyarrow table; names that are None are left out."""
    known = _validation.check_frame(frame)
    _validation.check_column_names(names, known)
    return {role: frame[name] for role, name in names.items() if name is not None}


def csv_columns(path: str | os.PathLike, names: Mapping[str, str | None]) -> dict[str, Any]:
    """Read the named columns of a CSV file; labels as text."""
    csv = _validation.require("pyarrow.csv", extra="io", purpose="Reading CSV")
    _validation.check_file(path, not_starting_with=b"PAR1", hint="It is a Parquet file: use from_parquet.")
    with _validation.readable(path, "CSV file in UTF-8", pyarrow.ArrowException):
        # Titles may have line breaks; where they cannot, pyarrow reads several parts of the file at once.
        parsing = csv.ParseOptions(newlines_in_values=has_quotes(path))
        with csv.open_csv(path, parse_options=parsing) as reader:
            _validation.check_column_names(names, reader.schema.names)
        text = dict.fromkeys(TEXT_ROLES, pyarrow.string())
        for role in REPEATED_ROLES:
            text[role] = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        table = csv.read_csv(
            path,
            parse_options=parsing,
            convert_options=csv.ConvertOptions(
                include_columns=distinct_names(names),
                column_types={names[role]: text[role] for role in TEXT_ROLES if names[role] is not None},
                null_values=CSV_MISSING,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    columns = {role: table[name] for role, name in names.items() if name is not None}
    return {role: column if role in TEXT_ROLES else parsed(column) for role, column in columns.items()}


def has_quotes(path: str | os.PathLike) -> bool:
    """Whether there may be quotes in a file, in which values can have line breaks."""
    try:
        pyarrow.Codec.detect(path)
    except (ValueError, TypeError):  # not compressed
        with open(path, "rb") as file:
            return any(b'"' in piece for piece in iter(functools.partial(file.read, 2**24), b""))
    return True


TEXT_ROLES = ("user", "item", "context", "context_kind", "item_name")
REPEATED_ROLES = ("context_kind", "item_name")  # texts that are few, and titles long: kept in a dictionary


def parsed(column: Any) -> Any:
    """Return numbers or dates that came as text (with quoted empty fields, or as labels, too) as what they are."""
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not types.is_string(column.type):
        return column
    compute = _validation.require("pyarrow.compute", extra="io", purpose="Reading CSV")
    is_null = compute.is_in(column, value_set=pyarrow.array([*CSV_MISSING, "NA", "N/A"]))
    column = compute.if_else(is_null, pyarrow.scalar(None, pyarrow.string()), column)
    for kind in (pyarrow.int64(), pyarrow.float64(), pyarrow.timestamp("us")):
        try:
            return column.cast(kind)
        except pyarrow.ArrowInvalid:
            pass
    return column


def parquet_columns(paths: Any, names: Mapping[str, str | None]) -> dict[str, Any]:
    """Read the named columns of one Parquet file, several, or a folder of them.

    Titles and kinds of contexts stay dictionary-encoded: they are few. Every piece of a file has a dictionary of its
    own, and to unify them costs more for labels, of which there are many, than to number the texts.
    """
    dataset = _validation.require("pyarrow.dataset", extra="io", purpose="Reading Parquet")
    files = _validation.check_parquet_paths(paths)
    with _validation.readable(paths, "Parquet file", pyarrow.ArrowException, OSError):
        repeated = {names[role] for role in REPEATED_ROLES if names[role]}
        layout = dataset.ParquetFileFormat(dictionary_columns=sorted(repeated))
        source = dataset.dataset(files, format=layout)
        for fragment in source.get_fragments():  # a column that one file lacks would be read as missing values
            _validation.check_column_names(names, fragment.physical_schema.names, source=fragment.path)
        table = source.to_table(columns=distinct_names(names))
    return {role: table[name] for role, name in names.items() if name is not None}


def distinct_names(names: Mapping[str, str | None]) -> list[str]:
    """Return the columns to read; two roles may share one."""
    return list(dict.fromkeys(name for name in names.values() if name is not None))


# ---- columns ----------------------------------------------------------------------------------------------------


def as_column(name: str, values: Any) -> Any:
    """Return a column as a 1-D NumPy array or a pyarrow array, without changing or copying it where possible."""
    column = arrow_column(values)
    if column is not None:
        return column
    if hasattr(values, "to_physical"):  # of polars; NumPy would get integers with nulls as floats, so from pandas
        values = values.to_list()
    elif not isinstance(getattr(values, "dtype", np.dtype(object)), np.dtype):
        values = values.astype(object)
    return _validation.check_column(name, values)


def arrow_column(values: Any) -> Any:
    """Return a pyarrow array, or a data frame's column that becomes one, in one piece; else None."""
    module = type(values).__module__.partition(".")[0]
    if pyarrow is None or module not in ("pyarrow", "polars", "pandas"):
        return None
    if module == "polars" and hasattr(values, "to_arrow"):
        values = values.to_arrow()
    elif module == "pandas" and not isinstance(getattr(values, "dtype", np.dtype(object)), np.dtype):
        try:
            values = pyarrow.array(values, from_pandas=True)
        except pyarrow.ArrowException:  # categories of several kinds, periods, ...
            return None
    if isinstance(values, pyarrow.ChunkedArray):
        types, kind = pyarrow.types, values.type
        if types.is_dictionary(kind):
            values = values.unify_dictionaries()
        elif types.is_string(kind) or types.is_large_string(kind):
            values = values.dictionary_encode()  # one dictionary for all pieces, which may not fit into one array
        elif types.is_list(kind):  # 32-bit ends of lists may not be enough for all pieces
            inner = pyarrow.large_string() if types.is_string(kind.value_type) else kind.value_type
            values = values.cast(pyarrow.large_list(inner))
        values = values.combine_chunks()
    if not isinstance(values, pyarrow.Array):
        return None
    if isinstance(values.type, pyarrow.BaseExtensionType):
        values = values.storage
    return values


def plain(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a column as exact NumPy values and where they are missing; a value at a missing place means nothing.

    None and its kin among objects are left to `coded_objects`.
    """
    if isinstance(column, np.ndarray):
        values, missing = column, np.zeros(len(column), dtype=bool)
    else:
        types, kind = pyarrow.types, column.type
        missing = column.is_null().to_numpy(zero_copy_only=False)
        if types.is_dictionary(kind):
            return plain(column.dictionary_decode())
        if types.is_float16(kind):
            values = column.to_numpy(zero_copy_only=False).astype(np.float32)
        elif types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
            values = column.fill_null(False if types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
        elif types.is_timestamp(kind) or types.is_duration(kind) or types.is_date(kind):
            unit = {"date32[day]": "D", "date64[ms]": "ms"}.get(str(kind)) or kind.unit
            steps = column.cast(pyarrow.int32() if types.is_date32(kind) else pyarrow.int64()).fill_null(0)
            letter = "m" if types.is_duration(kind) else "M"
            values = steps.to_numpy().astype(np.int64).view(f"{letter}8[{unit}]")  # in UTC where there is a zone
        elif types.is_nested(kind):
            values = _validation.check_column("column", column.to_pylist())
        else:
            values = column.to_numpy(zero_copy_only=False).astype(object)
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    if values.dtype.kind in "mM":
        missing = missing | np.isnat(values)
        values = in_one_unit(values)
    if values.dtype.kind in "US":
        values = values.astype(object)
    return values, missing


def in_one_unit(values: np.ndarray) -> np.ndarray:
    """Return dates and durations in nanoseconds, or in microseconds where that overflows: one time is one value."""
    kind = values.dtype.kind
    known = values[~np.isnat(values)]
    fits = True
    if len(known):
        bounds = np.array([known.min(), known.max()]).astype(f"{kind}8[us]").astype(np.int64)
        fits = np.abs(bounds.astype(np.float64)).max() < 2**63 / 1000 - 1
    return values.astype(f"{kind}8[ns]" if fits else f"{kind}8[us]", copy=False)


def coded_objects(name: str, values: np.ndarray) -> tuple[np.ndarray, list[Any]]:
    """Number distinct objects in first-seen order by a dict; missing ones get the code MISSING and no place."""
    rows = values.tolist()
    with _validation.hashable(name):
        distinct = dict.fromkeys(rows)
    present = [value for value in distinct if not is_missing(value)]
    number = dict.fromkeys(distinct, MISSING) | dict(zip(present, range(len(present)), strict=True))
    return np.fromiter(map(number.__getitem__, rows), dtype=np.int32, count=len(rows)), present


def is_missing(value: Any) -> bool:
    """Whether an object stands for no value: None, NaN, NaT, pandas' NA or an empty string."""
    if isinstance(value, (str, bytes)):
        return not value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


# ---- columns of lists -------------------------------------------------------------------------------------------


class Flat(NamedTuple):
    """A column of lists, end to end."""

    lengths: np.ndarray  # int64 (n_rows,), 0 where the list is missing
    values: Any  # what `as_column` returns, of all lists


def holds_lists(column: Any) -> bool:
    """Whether entries are lists or arrays; a tuple is one label."""
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "O" and not {list, np.ndarray}.isdisjoint(map(type, column))
    return is_list_type(column.type)


def is_list_type(kind: Any) -> bool:
    """Whether a type of pyarrow is of lists."""
    types = pyarrow.types
    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")  # the newest last
    return any(getattr(types, test)(kind) for test in tests if hasattr(types, test))


def flattened(name: str, column: Any) -> Flat:
    """Return a column of lists, as `as_column` returns it, end to end."""
    if not isinstance(column, np.ndarray):
        kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
        _validation.check_list_type(name, kind, is_list_type(kind))
        compute = _validation.require("pyarrow.compute", extra="io", purpose="Reading columns of lists")
        if pyarrow.types.is_fixed_size_list(column.type):  # what a missing one hides takes space, too
            column = column.cast(pyarrow.large_list(column.type.value_type))
        lengths = compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        return Flat(lengths.astype(np.int64), as_column(name, column.flatten()))
    _validation.check_list_type(name, column.dtype, column.dtype.kind == "O")
    lists = _validation.check_lists(name, column)
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    arrays = [array for array in lists if len(array)]
    if set(map(type, arrays)) == {np.ndarray} and len({array.dtype for array in arrays}) == 1:
        return Flat(lengths, as_column(name, np.concatenate(arrays)))
    return Flat(lengths, as_column(name, list(itertools.chain.from_iterable(lists))))


# ---- weights and times ------------------------------------------------------------------------------------------


def weights_of(name: str, column: Any) -> np.ndarray:
    """Return a column of weights as float64, NaN where missing."""
    values, missing = quantities(name, column)
    weights = _validation.check_weights(name, values).astype(np.float64)
    weights[missing] = np.nan
    return weights


def times_of(name: str, column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of timestamps as (int64, float64 or datetime64 in one unit, where they are missing)."""
    values, missing = quantities(name, column)
    return _validation.check_times(name, values), missing


def quantities(name: str, column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what `plain` does, with objects turned into numbers or dates where all of them are."""
    if not isinstance(column, np.ndarray) and pyarrow.types.is_decimal(column.type):
        column = column.cast(pyarrow.float64())
    values, missing = plain(column)
    if values.dtype.kind == "O":
        codes, distinct = coded_objects(name, values)
        typed = quantities_of_objects(name, distinct) if distinct else np.zeros(1)
        values, missing = typed[codes], codes == MISSING
    return values, missing


def quantities_of_objects(name: str, distinct: list[Any]) -> np.ndarray:
    """Return Python's numbers or dates as an array of them; anything else as objects."""
    kinds = set(map(type, distinct))
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in kinds):
        zoned = [getattr(date, "tzinfo", None) is not None for date in distinct]
        if any(zoned):
            _validation.check_zones(name, zoned)
            distinct = [date.astimezone(datetime.timezone.utc).replace(tzinfo=None) for date in distinct]
        return in_one_unit(np.array([np.datetime64(date) for date in distinct]))
    if all(issubclass(kind, numbers.Number) for kind in kinds):
        values = np.array(distinct)
        return values.astype(np.float64) if values.dtype.kind == "O" else values
    return _validation.check_column(name, distinct)


def whole_decimals(column: Any) -> Any:
    """Return decimals, as databases export ids, as int64 if all are whole, else as they are."""
    try:
        return column.cast("int64")
    except pyarrow.ArrowInvalid:
        return column
