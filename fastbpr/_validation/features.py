"""Columns that become features, the frames they are in, and matrices of features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.columns import check_frame, describe_entries
from fastbpr._validation.matrices import canonical_csr, check_structure, describe, wide_enough
from fastbpr._validation.values import check_integer, check_number
from fastbpr.errors import NotFittedError

# ---- parameters -----------------------------------------------------------------------------------------------------


def check_columns_of_kind(kind: str, value: Any) -> list[str]:
    """Return the names of the columns of one kind."""
    rule = f"{kind} must be the name of a column or a list of names"
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        hint = {
            "embeddings": " Give arrays to fit and transform: fit(frame, embeddings={...}).",
            "numeric": " For ranges use bins={...}.",
        }.get(kind, "")
        raise TypeError(f"{rule}, got a mapping.{hint}")
    if isinstance(value, (set, frozenset)) or not isinstance(value, Iterable):
        raise TypeError(f"{rule}, got {describe(value)}.")
    names = list(value)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{rule}, each a str, got {describe(name)} among them.")
    return names


def check_separators(value: Any) -> dict[str, str | None]:
    """Return the separator of each column of lists, None where its entries are lists."""
    if not isinstance(value, Mapping):
        names = check_columns_of_kind("lists", value)
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"lists must name each column once, got {repeated!r} twice.")
        return dict.fromkeys(names)
    for name, separator in value.items():
        if not isinstance(name, str) or not (separator is None or isinstance(separator, str)):
            raise TypeError(
                f"lists must be names of columns, or a mapping of names to separators, each a str or None, got "
                f"{name!r}: {separator!r}."
            )
        if separator == "":
            raise ValueError(f"lists[{name!r}] must be a separator such as '|', or None for lists, got ''.")
    return dict(value)


def check_kinds_distinct(names: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the kind of each column; refuse to take one twice, or none."""
    kinds: dict[str, str] = {}
    for kind, columns in names.items():
        for name in columns:
            if name in kinds:
                both = f"twice in {kind}" if kinds[name] == kind else f"in {kinds[name]} and in {kind}"
                hint = "" if kinds[name] == kind else " To take it both ways, copy it under another name."
                raise ValueError(f"Each column must be named once, got {name!r} {both}.{hint}")
            kinds[name] = kind
    if not kinds:
        raise ValueError(
            f"Features must have at least one column, got none. Name some by {', '.join(list(names)[:-1])} or "
            f"{list(names)[-1]}."
        )
    return kinds


def check_key(value: Any) -> str | None:
    """Return the name of the key column, None for none."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"key must be the name of a column, or None where lines are rows, got {describe(value)}.")
    return value


def check_by_column(
    name: str, value: Any, columns: list[str], *, minimum: int, maximum: int | None = None
) -> int | dict[str, int] | None:
    """Return an integer for all columns, or for some by their names."""
    if value is None and name == "bins":
        return None
    if not isinstance(value, Mapping):
        return check_integer(name, value, minimum=minimum, maximum=maximum)
    check_names_among(name, value, columns)
    return {
        column: check_integer(f"{name}[{column!r}]", number, minimum=minimum, maximum=maximum)
        for column, number in value.items()
    }


def check_column_weights(value: Any, columns: list[str]) -> dict[str, float]:
    """Return the weight of each column that has one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"weights must be a mapping of names of columns to numbers > 0, got {describe(value)}.")
    check_names_among("weights", value, columns)
    return {column: check_number(f"weights[{column!r}]", weight, above=0, maximum=1e30) for column, weight in
            value.items()}  # fmt: skip


def check_names_among(name: str, value: Mapping[Any, Any], columns: list[str]) -> None:
    """Refuse a mapping by column that names others."""
    for column in value:
        if column not in columns:
            listing = ", ".join(map(repr, columns)) if columns else "none here"
            raise ValueError(f"{name} must name columns that it can be of ({listing}), got {column!r}.")


def check_features_fitted(features: Any) -> None:
    """Refuse features that have learned nothing."""
    if features.feature_names is None:
        raise NotFittedError("Features must be fitted first: call fit(frame), or Features.load(path).")


def check_some_features(n_features: int, n_rows: int) -> None:
    """Refuse to learn nothing."""
    if n_rows == 0:
        raise ValueError("frame must have a line for one row at least, got none. Compare the key with rows.")
    if n_features == 0:
        raise ValueError(
            f"The columns must have at least one value in enough rows, got none in {n_rows:,}. Lower min_count, or "
            "look at the columns."
        )


def check_stored_size(name: str, size: int, expected: Any) -> None:
    """Refuse a file with a vocabulary of another size than it says."""
    if size != expected:
        raise ValueError(f"the vocabulary of {name} has {size} entries, not {expected}")


def check_stored_columns(stored: list[Any], columns: list[str]) -> None:
    """Refuse a file whose columns are not those of its parameters."""
    if stored != columns:
        raise ValueError(f"columns {stored} are not {columns}")


# ---- frames ---------------------------------------------------------------------------------------------------------


def check_feature_frame(frame: Any) -> list[Any]:
    """Return the column names of a data frame, or of a mapping of names to columns."""
    if isinstance(frame, Mapping):
        return list(frame)
    return check_frame(frame, arrays="a mapping of names to columns")


def check_embedding_arrays(value: Any, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return arrays of vectors that are given beside a frame, by column."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(
            "embeddings must be a mapping of names of columns to arrays of shape (n_lines, size), got "
            f"{describe(value)}."
        )
    check_names_among("embeddings", value, [name for name, kind in kinds.items() if kind == "embeddings"])
    return dict(value)


def check_line_counts(lengths: Mapping[str, int]) -> int:
    """Return the number of lines that all columns have."""
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise ValueError(f"{name} must have one entry per line, {lengths[first]} as {first} has, got {length}.")
    return lengths[first]


def check_rows_to_have(rows: Any, *, has_key: bool) -> Any:
    """Refuse to name rows of a frame that has no key."""
    if rows is not None and not has_key:
        raise ValueError(f"rows must be None where key is None, as lines are rows then, got {describe(rows)}.")
    return rows


def check_distinct_rows(name: str, codes: np.ndarray, labels: np.ndarray) -> None:
    """Refuse labels of rows of which some are missing or repeated."""
    n_missing = int((codes < 0).sum())
    if n_missing:
        raise ValueError(f"{name} must have a label for every row, got {n_missing} missing.")
    if len(codes) != len(labels):
        repeated = labels.tolist()[np.bincount(codes).argmax()]
        raise ValueError(f"{name} must be distinct labels, got {describe(repeated)} more than once.")


def check_keys_alike(key: str, keys: np.ndarray, rows: np.ndarray, *, n_known: int) -> None:
    """Refuse rows and lines with labels of different types, none of which is found."""
    if n_known == 0 and len(keys) and len(rows) and keys.dtype.kind != rows.dtype.kind:
        raise ValueError(
            f"rows must be labels such as the column {key!r} has, got none that is in both: the first of rows is "
            f"{describe(rows.tolist()[0])}, of the column {describe(keys.tolist()[0])}. Use the same type."
        )


# ---- columns --------------------------------------------------------------------------------------------------------


def check_single_values(name: str, *, has_lists: bool) -> None:
    """Refuse lists in a column of single labels."""
    if has_lists:
        raise TypeError(f"{name} must have one label per line to be categorical, got lists. Name it in lists.")


def check_list_column(name: str, column: Any, distinct: Callable[[], np.ndarray], *, has_lists: bool) -> bool:
    """Return whether a column has lists, False if all are missing; refuse one of anything else, or with others."""
    bad = []
    if not has_lists:
        bad = distinct().tolist()
    elif isinstance(column, np.ndarray):
        others = set(map(type, column)) - {list, np.ndarray}
        others = {kind for kind in others if kind.__name__ not in ("NoneType", "NAType")}
        bad = [value for value in column if type(value) in others and value == value] if others else []
    if bad:
        raise TypeError(
            f"{name} must have a list of labels, or None, in every line, got {describe(bad[0])} in one. If a separator "
            f"divides texts, name it: lists={{{name!r}: '|'}}."
        )
    return has_lists


def check_texts(name: str, labels: np.ndarray, separator: str | None) -> list[str]:
    """Return the distinct texts of a column."""
    texts = labels.tolist()
    bad = next((text for text in texts if not isinstance(text, str)), None)
    if bad is not None:
        hint = "Make it text first." if separator is None else "Leave the separator out for lists."
        raise TypeError(f"{name} must have a text, a str, or None in every line, got {describe(bad)} in one. {hint}")
    return texts


def check_vector_array(name: str, value: Any) -> np.ndarray:
    """Return an array of vectors, one per line."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold vectors of numbers, got {describe_entries(array.reshape(-1), float)}.")
    if array.shape[1] == 0:
        raise ValueError(f"{name} must hold vectors of one dimension at least, got shape {array.shape}.")
    return array


def check_vector_column(name: str, distinct: Callable[[], np.ndarray], *, has_lists: bool) -> bool:
    """Return whether a column has lists, False if all are missing; refuse one of anything else."""
    labels = [] if has_lists else distinct()
    if len(labels):
        raise TypeError(
            f"{name} must be a column of lists of numbers, or an array of shape (n_lines, size), got "
            f"{describe(labels.tolist()[0])} in a line."
        )
    return has_lists


def check_vector_lengths(name: str, lengths: np.ndarray) -> int:
    """Return the length that all vectors have."""
    if len(lengths) and lengths.min() != lengths.max():
        other = lengths[lengths != lengths[0]][0]
        raise ValueError(f"{name} must hold vectors of one length, got {lengths[0]} and {other}.")
    return int(lengths[0]) if len(lengths) else 1


def check_vectors_finite(name: str, values: np.ndarray, size: int | None) -> np.ndarray:
    """Return vectors as float32; refuse those of another size than in fit, and numbers that float32 cannot hold."""
    if size is not None and len(values) and values.shape[1] != size:
        raise ValueError(f"{name} must hold vectors of length {size}, as in fit, got {values.shape[1]}.")
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32, copy=False)
    bad = ~np.isfinite(single)
    if bad.any():
        line = int(np.flatnonzero(bad.any(axis=1))[0])
        raise ValueError(
            f"{name} must hold finite numbers that float32 can hold, got {values[bad][0]} ({int(bad.sum())} such "
            f"entries, the first in vector {line}). Give None, or a row of zeros, where there is no vector."
        )
    return single


def check_some_vectors(name: str, n_vectors: int) -> None:
    """Refuse to learn the size of vectors from none."""
    if n_vectors == 0:
        raise ValueError(f"{name} must have a vector in one row at least, got none.")


# ---- matrices of features -------------------------------------------------------------------------------------------


def check_feature_matrix(name: str, value: Any) -> scipy.sparse.csr_array:
    """Return a matrix of finite numbers as canonical CSR of float32."""
    matrix = value if scipy.sparse.issparse(value) else wide_enough(np.asarray(value))
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {matrix.dtype}.")
    if matrix.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (n_rows, n_features), got shape {matrix.shape}.")
    if scipy.sparse.issparse(matrix):
        check_structure(name, matrix)
    csr = canonical_csr(name, matrix if scipy.sparse.issparse(matrix) else scipy.sparse.csr_array(matrix))
    with np.errstate(over="ignore", under="ignore"):
        data = csr.data.astype(np.float32, copy=False)
    if not np.isfinite(data).all():
        raise ValueError(
            f"{name} must hold finite numbers that float32 can hold, got {csr.data[~np.isfinite(data)][0]}."
        )
    wide = max(csr.nnz, *csr.shape) >= 2**31
    indices, indptr = (part.astype(np.int64 if wide else np.int32, copy=False) for part in (csr.indices, csr.indptr))
    return scipy.sparse.csr_array((data, indices, indptr), shape=csr.shape)


def check_feature_names(value: Any, n_features: int) -> np.ndarray:
    """Return the names of features as an array of str; a single name is numbered."""
    names = [f"{value}[{place}]" for place in range(n_features)] if isinstance(value, str) else value
    if not isinstance(names, (Sequence, np.ndarray)):
        raise TypeError(f"feature_names must be a str or a sequence of them, got {describe(value)}.")
    if len(names) != n_features:
        raise ValueError(f"feature_names must have one name per feature, {n_features}, got {len(names)}.")
    bad = next((name for name in names if not isinstance(name, str)), None)
    if bad is not None:
        raise TypeError(f"feature_names must be strings, got {describe(bad)}.")
    result = np.empty(n_features, dtype=object)
    result[:] = list(map(str, names))
    return result


def check_row_count(labels: np.ndarray, n_rows: int) -> np.ndarray:
    """Return labels of rows, one for each."""
    if len(labels) != n_rows:
        raise ValueError(f"row_labels must have one label per row, {n_rows}, got {len(labels)}.")
    return labels


def check_stack(value: Any, kind: type) -> list[Any]:
    """Return feature matrices that can be put side by side."""
    if isinstance(value, kind) or not isinstance(value, Iterable):
        raise TypeError(f"matrices must be a list of {kind.__name__}, got {describe(value)}.")
    parts = list(value)
    if not parts:
        raise ValueError(f"matrices must have at least one {kind.__name__}, got none.")
    for part in parts:
        if not isinstance(part, kind):
            raise TypeError(
                f"matrices must be a list of {kind.__name__}, got a {type(part).__name__}. Wrap it: "
                f"{kind.__name__}(matrix, 'name')."
            )
        if part.shape[0] != parts[0].shape[0]:
            raise ValueError(f"matrices must have the same rows, got {parts[0].shape[0]:,} and {part.shape[0]:,}.")
    labelled = [part.row_labels for part in parts if part.row_labels is not None]
    for labels in labelled[1:]:
        if labels.tolist() != labelled[0].tolist():
            raise ValueError(
                "matrices must have the same row labels in the same order, got others. Make them with the same rows=."
            )
    seen: set[str] = set()
    for part in parts:
        names = set(part.feature_names.tolist())
        if seen & names:
            raise ValueError(f"matrices must have features of different names, got {min(seen & names)!r} in two.")
        seen |= names
    return parts
