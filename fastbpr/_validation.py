"""Every check of user input: the only module that raises for bad input.

A check takes what the user gave, returns it in the form that the rest of the library works with, and never changes the
user's object. Messages are sentences: *name* must be *rule*, got *value*, and what to do where that is not obvious.
TypeError is for the wrong kind of thing, ValueError for the wrong value.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import math
import numbers
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr.errors import MissingExtraError, ModelFileError, NotFittedError, UnknownLabelError

MAX_ROWS = 2**31 - 1  # users or items: ids are int32 in the kernels
MAX_FACTOR = 1e17  # scores of vectors with ten thousands of such entries still fit in float32


# ---- single values ----------------------------------------------------------------------------------------------


def check_integer(name: str, value: Any, *, minimum: int, maximum: int | None = None) -> int:
    """Return an integer within bounds as int."""
    rule = f"an integer >= {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be {rule}, got {value!r}.")
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name} must be {rule}, got {value!r}.")
    return int(value)


def check_number(name: str, value: Any, *, above: float | None = None, minimum: float | None = None) -> float:
    """Return a finite number within bounds as float."""
    rule = "a finite number" + (f" > {above}" if above is not None else "")
    rule += f" >= {minimum}" if minimum is not None else ""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {rule}, got {value!r}.")
    number = float(value)
    if (
        not math.isfinite(number)
        or (above is not None and number <= above)
        or (minimum is not None and number < minimum)
    ):
        raise ValueError(f"{name} must be {rule}, got {value!r}.")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return True or False as bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return a value that is one of `choices`."""
    choices = list(choices)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listing = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {listing}, got {value!r}.")
    return value


def check_callable(name: str, value: Any) -> None:
    """Refuse what is neither None nor callable."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable or None, got {value!r}.")


def check_not_available(name: str, value: Any) -> None:
    """Refuse to switch on what does not exist yet."""
    if check_flag(name, value):
        raise NotImplementedError(f"{name} must be False: this version of fastbpr cannot do it.")


def check_seed(name: str, value: Any) -> int:
    """Return a seed below 2**64 from None (fresh entropy), an integer, or a NumPy generator (which advances)."""
    if value is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**63))
    if isinstance(value, np.random.RandomState):
        return int(value.randint(2**31 - 1))
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be None, an integer >= 0 or a NumPy Generator, got {value!r}.")
    if value < 0:
        raise ValueError(f"{name} must be None, an integer >= 0 or a NumPy Generator, got {value!r}.")
    return int(np.random.SeedSequence(int(value)).generate_state(1, np.uint64)[0])


def check_strengths(name: str, value: Any, parts: tuple[str, ...], *, default: float) -> dict[str, float]:
    """Return one strength >= 0 per part, from a number for all or a mapping that names some."""
    if isinstance(value, Mapping):
        unknown = [part for part in value if part not in parts]
        if unknown:
            raise ValueError(f"{name} must be a number or a mapping with keys among {', '.join(parts)}, got the key "
                             f"{unknown[0]!r}.")  # fmt: skip
        return {part: check_number(f"{name}[{part!r}]", value.get(part, default), minimum=0) for part in parts}
    return dict.fromkeys(parts, check_number(name, value, minimum=0))


# ---- the environment --------------------------------------------------------------------------------------------


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which command installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.partition('.')[0]}. Install it: pip install 'fastbpr[{extra}]'."
        ) from error


def check_fitted(model: Any, attribute: str = "item_factors") -> None:
    """Refuse a model without what fitting gives it."""
    if getattr(model, attribute) is None:
        raise NotFittedError(f"{type(model).__name__} must be fitted first: call fit(user_items), or load a model.")


# ---- matrices ---------------------------------------------------------------------------------------------------


def check_user_items(
    name: str, value: Any, *, shape: tuple[int, int] | None = None, allow_empty: bool = False
) -> scipy.sparse.csr_array:
    """Return users x items as canonical CSR of float32 without touching the caller's matrix.

    Duplicates are summed, explicit zeros dropped, indices sorted. Arrays are shared with the caller where they are in
    order already, and must not be written to.
    """
    if hasattr(value, "user_items"):  # Interactions
        value = value.user_items
    if not scipy.sparse.issparse(value):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_users, n_items) or Interactions, got "
            f"{type(value).__name__}. Wrap it: scipy.sparse.csr_array({name})."
        )
    if value.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (n_users, n_items), got shape {value.shape}.")
    if max(value.shape) > MAX_ROWS:
        raise ValueError(f"{name} must have at most {MAX_ROWS} users and items, got shape {value.shape}.")
    if shape is not None and value.shape != shape:
        hint = f" It looks transposed: try {name}.T." if value.shape == shape[::-1] else ""
        raise ValueError(f"{name} must have shape (n_users, n_items) = {shape}, got {value.shape}.{hint}")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}.")
    check_stored_values(name, value)
    csr = canonical_csr(name, value)
    csr.data = csr.data.astype(np.float32, copy=False)
    if csr.nnz == 0 and not allow_empty:
        raise ValueError(f"{name} must contain at least one interaction, got an empty matrix of shape {value.shape}.")
    return csr


def check_stored_values(name: str, matrix: Any) -> None:
    """Refuse NaN, infinity and negative values."""
    data = np.asarray(matrix.data) if matrix.format not in ("lil", "dok") else matrix.tocoo().data
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        bad = data[~np.isfinite(data)]
        raise ValueError(f"{name} must hold finite values, got {bad[0]} ({len(bad)} such entries). Remove them first.")
    if data.dtype.kind in "if" and data.size and data.min() < 0:
        raise ValueError(
            f"{name} must hold values >= 0, got {data.min()}. A positive value means an interaction; leave dislikes out."
        )


def canonical_csr(name: str, matrix: Any) -> scipy.sparse.csr_array:
    """Return a sparse matrix as CSR, sorted, without duplicates and zeros; share arrays where possible."""
    shared = matrix.format == "csr"
    csr = scipy.sparse.csr_array(matrix)  # a new object; of a CSR matrix it shares the three arrays
    check_structure(name, csr)
    csr = scipy.sparse.csr_array((csr.data, csr.indices, csr.indptr), shape=csr.shape)  # with flags of its own
    canonical = bool(csr.has_canonical_format)
    if not canonical or not csr.data.all():
        csr = csr.copy() if shared else csr
        csr.sum_duplicates()
        csr.eliminate_zeros()
    return csr


def check_structure(name: str, csr: scipy.sparse.csr_array) -> None:
    """Refuse a CSR matrix whose index arrays do not describe a matrix: a kernel would read out of bounds."""
    indptr, indices = csr.indptr, csr.indices
    n_rows, n_columns = csr.shape
    problem = None
    if len(indptr) != n_rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        problem = "its indptr does not rise from 0 row by row"
    elif indptr[-1] > len(indices) or len(indices) != len(csr.data):
        problem = "its indptr, indices and data have different lengths"
    elif len(indices) and (indices.min() < 0 or indices.max() >= n_columns):
        problem = f"its indices run from {indices.min()} to {indices.max()} with {n_columns} columns"
    if problem:
        raise ValueError(f"{name} must be a valid CSR matrix, but {problem}. Rebuild it from (row, column) pairs.")
    if indptr[-1] < len(indices):
        csr.prune()


def check_training_data(user_items: Any, weights: Any) -> tuple[scipy.sparse.csr_array, np.ndarray | None]:
    """Return the canonical training matrix and its weights, None if every interaction counts the same."""
    check_choice("weights", weights, [None, "values", "ignore"])
    matrix = check_user_items("user_items", user_items)
    n_users, n_items = matrix.shape
    if n_items < 2:
        raise ValueError(f"user_items must have at least 2 items, got shape {matrix.shape}: no negative can be drawn.")
    if matrix.nnz == np.count_nonzero(np.diff(matrix.indptr)) * n_items:
        raise ValueError(
            "user_items must leave some item unobserved for some user, got a matrix in which every user with "
            f"interactions has all {n_items} items: no negative can be drawn."
        )
    if weights is None:
        weights = "values" if getattr(user_items, "has_weights", False) else "ignore"
        if weights == "ignore" and scipy.sparse.issparse(user_items) and matrix.data.min() != matrix.data.max():
            warnings.warn(
                "user_items has different values, and each interaction counts once. Pass weights='values' to use them "
                "as weights, or weights='ignore' to confirm.",
                stacklevel=3,
            )
    return matrix, matrix.data if weights == "values" else None


def check_rows(name: str, value: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of what the queried users have, one row per query."""
    if scipy.sparse.issparse(value) and value.ndim == 2 and value.shape[1] == shape[1] and value.shape[0] != shape[0]:
        raise ValueError(
            f"{name} must have one row for each entry of userid, shape {shape}, got {value.shape}. Pass the rows of "
            f"these users: {name}[userid]."
        )
    matrix = check_user_items(name, value, shape=shape, allow_empty=True)
    return matrix.indptr, matrix.indices.astype(np.int32, copy=False)


# ---- arrays -----------------------------------------------------------------------------------------------------


def check_ids(name: str, value: Any, n_rows: int, *, what: str) -> tuple[np.ndarray, bool]:
    """Return (int32 ids, whether `value` was a single id); every id is a row number from 0 to n_rows - 1."""
    ids = np.asarray(value)
    rule = f"{what} ids, integers from 0 to {n_rows - 1}"
    if ids.dtype.kind not in "iu" and ids.size:
        raise TypeError(
            f"{name} must be {rule}, got {describe(value)}. Ids are row numbers; look labels up with rows_of_{what}s()."
        )
    if ids.ndim > 1:
        raise ValueError(f"{name} must be one id or a 1-D array of ids, got shape {ids.shape}.")
    flat = np.atleast_1d(ids)
    if flat.size and (flat.min() < 0 or flat.max() >= n_rows):
        bad = flat[(flat < 0) | (flat >= n_rows)][0]
        raise IndexError(f"{name} must be {rule}, got {bad}.")
    return flat.astype(np.int32), ids.ndim == 0


def check_candidates(
    only_name: str, only: Any, left_out_name: str, left_out: Any, n_rows: int, *, what: str
) -> np.ndarray:
    """Return the ascending ids to choose from: all, or `only` these, but for those left out."""
    candidates = np.arange(n_rows, dtype=np.int32)
    if only is not None:
        candidates = np.unique(check_ids(only_name, only, n_rows, what=what)[0])
    if left_out is not None:
        candidates = np.setdiff1d(candidates, check_ids(left_out_name, left_out, n_rows, what=what)[0])
    return candidates


def check_labelled(what: str, labels: np.ndarray | None) -> np.ndarray:
    """Refuse to look labels up in a model that has none."""
    if labels is None:
        raise ValueError(
            f"The model must have {what} labels to look one up, but it was fitted to a matrix. Use row numbers, or fit "
            "it to Interactions."
        )
    return labels


def describe(value: Any) -> str:
    """Short description of a value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# ---- splitting and evaluation -----------------------------------------------------------------------------------


def check_entries(name: str, value: Any) -> scipy.sparse.csr_array:
    """Return interactions as canonical CSR with the values as they are, not as float32."""
    check_user_items(name, value)
    return value.user_items if hasattr(value, "user_items") else canonical_csr(name, value)


def check_timestamps(name: str, interactions: Any, *, needed: bool) -> np.ndarray | None:
    """Return the times of the entries, None without; refuse their absence where they are needed."""
    timestamps = getattr(interactions, "timestamps", None)
    if needed and timestamps is None:
        raise ValueError(
            f"by must be 'random' where {name} have no timestamps, got 'time' and {type(interactions).__name__}. "
            "Build Interactions with them: Interactions.from_arrays(users, items, timestamps=...)."
        )
    return timestamps


def check_split(train: Any, test: Any, model: Any) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
    """Return both matrices; refuse them, or a model, whose rows or columns mean other users or items."""
    train_items = check_user_items("train", train, allow_empty=True)
    test_items = check_user_items("test", test, shape=train_items.shape)
    for what in ("user", "item"):
        known = None
        for name, labelled in (("train", train), ("test", test), ("model", model)):
            labels = getattr(labelled, f"{what}_labels", None)
            if labels is None:
                continue
            if known is not None and not np.array_equal(known[1], labels):
                raise ValueError(
                    f"{name} must have the {what} labels of {known[0]} in the same order, got others. Build one "
                    "Interactions of all data, split it, and fit the model to its training part."
                )
            known = known or (name, labels)
    return train_items, test_items


def check_metrics(metrics: Any, K: Any, at_k: Iterable[str], of_all: Iterable[str]) -> list[tuple[str, int | None]]:
    """Return (name, cut-off) of every metric to compute; those `of_all` ranks have no cut-off."""
    at_k, of_all = list(at_k), list(of_all)
    rule = f"among {', '.join(at_k)} (each alone or with its own length, as in '{at_k[0]}@20'), {', '.join(of_all)}"
    cutoffs = [check_integer("K", k, minimum=1) for k in (K if isinstance(K, (Sequence, np.ndarray)) else [K])]
    if not cutoffs:
        raise ValueError(f"K must be an integer >= 1 or several, got {K!r}.")
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be {rule}, got {metrics!r}.")
    chosen: list[tuple[str, int | None]] = []
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        name, at, cutoff = metric.partition("@") if isinstance(metric, str) else ("", "", "")
        if name in of_all and not at:
            chosen.append((name, None))
        elif name in at_k and not at:
            chosen.extend((name, k) for k in cutoffs)
        elif name in at_k and cutoff.isdecimal() and int(cutoff) >= 1:
            chosen.append((name, int(cutoff)))
        else:
            raise ValueError(f"metrics must be {rule}, got {metric!r}.")
    if not chosen:
        raise ValueError(f"metrics must be {rule}, got {metrics!r}.")
    return chosen


def check_evaluated(n_users: int, *, also: str = "") -> None:
    """Refuse to take the mean over no user."""
    if n_users == 0:
        raise ValueError(
            f"test must have, for one of the users at least, {f'beside {also} ' if also else ''}an item that is not "
            "among the user's training items, got none: nobody can be evaluated."
        )


def check_negatives(name: str, value: Any, shape: tuple[int, int], evaluated: np.ndarray) -> np.ndarray:
    """Return ids of candidates, a row per user; the users evaluated must have some."""
    n_users, n_items = shape
    negatives = np.asarray(value)
    rule = f"an array of item ids with one row per user, shape (n_users, m) = ({n_users}, m)"
    if negatives.dtype.kind not in "iu":
        raise TypeError(f"{name} must be {rule}, got {describe(value)}.")
    if negatives.ndim != 2 or len(negatives) != n_users or negatives.shape[1] == 0:
        raise ValueError(
            f"{name} must be {rule}, got shape {negatives.shape}. Fill the rows of users who are not evaluated with -1."
        )
    if negatives.min() < -1 or negatives.max() >= n_items:
        bad = negatives[(negatives < -1) | (negatives >= n_items)][0]
        raise ValueError(f"{name} must hold item ids from 0 to {n_items - 1}, or -1 for none, got {bad}.")
    without = evaluated[(negatives[evaluated] < 0).all(axis=1)]
    if len(without):
        raise ValueError(
            f"{name} must have an item for every evaluated user, got none for user {without[0]} ({len(without)} such "
            "users). Pass users= to leave them out."
        )
    return negatives


def check_method(model: Any, method: str) -> Callable[[np.ndarray], Any]:
    """Return a method of a model that is not recognised by its factors."""
    factors = "item_factors" if method == "similarity" else "user_factors, item_factors and item_biases"
    if not callable(getattr(model, method, None)):
        ids = "itemids" if method == "similarity" else "userids"
        raise TypeError(
            f"model must have {factors}, or a method {method}({ids}) that returns an array of shape (n, n_items), got "
            f"{type(model).__name__}."
        )
    return getattr(model, method)


def check_scores(name: str, value: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return scores that a method gave as an array; refuse NaN, which has no rank."""
    scores = np.asarray(value)
    if scores.shape != shape:
        raise ValueError(f"{name}(ids) must return shape (len(ids), n_items) = {shape}, got shape {scores.shape}.")
    if scores.dtype.kind not in "biuf":
        raise TypeError(f"{name}(ids) must return numbers, got an array of dtype {scores.dtype}.")
    if np.isnan(scores.max()):  # the maximum of anything with NaN is NaN
        raise ValueError(f"{name}(ids) must return scores free of NaN, got {np.isnan(scores).sum()} NaN among them.")
    return scores


def check_factors(model: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (user_factors, item_factors, item_biases) of a fitted model as float32, of the right shapes and finite."""
    check_fitted(model)
    users, items = check_table("model.user_factors", model.user_factors), check_item_factors(model, shape)
    biases = check_table("model.item_biases", model.item_biases, ndim=1)
    if len(users) != shape[0] or users.shape[1] != items.shape[1] or len(biases) != len(items):
        raise ValueError(
            f"model must be fitted to the users and items of train, shape {shape}, got user_factors {users.shape}, "
            f"item_factors {items.shape} and item_biases {biases.shape}."
        )
    return users, items, biases


def check_item_factors(model: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return a fitted model's item factors as float32, one row per item and finite."""
    check_fitted(model)
    items = check_table("model.item_factors", model.item_factors)
    if len(items) != shape[1]:
        hint = " train and test look transposed." if len(items) == shape[0] else ""
        raise ValueError(
            f"model must be fitted to the {shape[1]} items of train, got item_factors of {len(items)} items.{hint}"
        )
    return items


def check_table(name: str, value: Any, *, ndim: int = 2) -> np.ndarray:
    """Return factors or biases as contiguous float32 whose products stay finite."""
    table = np.ascontiguousarray(value, dtype=np.float32)
    if table.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim > 1)}, got shape {table.shape}.")
    fits = np.abs(table) < MAX_FACTOR
    if not fits.all():
        raise ValueError(
            f"{name} must hold finite numbers below {MAX_FACTOR:g} in size, got {table[~fits][0]}: scores would "
            "overflow or be NaN, and have no rank."
        )
    return table


# ---- model files ------------------------------------------------------------------------------------------------


def check_text_labels(name: str, labels: np.ndarray) -> list[str | None]:
    """Return labels that are strings or None, as a list; other objects cannot be stored without pickle."""
    texts = labels.tolist()
    bad = next((text for text in texts if text is not None and not isinstance(text, str)), None)
    if bad is not None:
        raise TypeError(f"{name} must be numbers or strings to be saved, got {bad!r}. Convert the labels to strings.")
    return texts


def check_header(path: Any, header: Any, known_format: str, known_version: int) -> None:
    """Refuse the header of a foreign file or a newer version."""
    if not isinstance(header, dict) or header.get("format") != known_format:
        raise ModelFileError(f"path must be a model written by fastbpr, but {str(path)!r} is another kind of file.")
    if not isinstance(header.get("version"), int) or header["version"] > known_version:
        raise ModelFileError(
            f"path must be a model of format version {known_version} or older, but {str(path)!r} has version "
            f"{header.get('version')!r} ({header.get('written_by')}). Update fastbpr."
        )


def check_model_arrays(path: Any, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Refuse a model whose arrays are missing or do not fit each other: a kernel would read out of bounds."""
    try:
        users, items, biases = (arrays[name] for name in ("user_factors", "item_factors", "item_biases"))
        indptr, indices = arrays["liked_indptr"], arrays["liked_indices"]
        fits = (
            all(array.dtype == np.float32 for array in (users, items, biases))
            and users.ndim == items.ndim == 2
            and users.shape[1] == items.shape[1] == header["parameters"]["factors"]
            and biases.shape == (len(items),)
            and indptr.dtype == np.int64
            and indices.dtype == np.int32
            and indptr.shape == (len(users) + 1,)
            and indptr[0] == 0
            and indptr[-1] == len(indices)
            and bool((np.diff(indptr) >= 0).all())
            and (len(indices) == 0 or (indices.min() >= 0 and indices.max() < len(items)))
            and len(arrays.get("user_labels", users)) == len(users)
            and len(arrays.get("item_labels", items)) == len(items)
            and len(arrays.get("item_names", items)) == len(items)
            and all(np.isfinite(array).all() for array in (users, items, biases))
            and isinstance(header["history"], list)
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        fits = False
    if not fits:
        raise ModelFileError(f"path must be a whole model, but the parts of {str(path)!r} do not fit each other.")


# ---- interactions ---------------------------------------------------------------------------------------------


def check_frame(frame: Any) -> list[Any]:
    """Return the column names of a data frame."""
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # asking it for columns would already compute
        raise TypeError(f"frame must be a DataFrame, got {type(frame).__name__}. Compute it first: frame.collect().")
    names = getattr(frame, "column_names", None)
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None or not hasattr(frame, "__getitem__"):
        raise TypeError(
            f"frame must be a pandas or polars DataFrame or a pyarrow Table, got {type(frame).__name__}. For arrays "
            "use Interactions.from_arrays(users, items)."
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
        raise TypeError(f"{name} must be numbers, got {describe_entries(values)}. Convert them first.")
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
        f"{name} must be dates or numbers below 2**63, got {describe_entries(values)}. Parse text first, for instance "
        "with pandas.to_datetime."
    )


def check_zones(name: str, zoned: list[bool]) -> None:
    """Refuse dates with and without a time zone among each other: their order is not known."""
    if not all(zoned):
        raise ValueError(f"{name} must all have a time zone, or none, got {sum(zoned)} of {len(zoned)} with one.")


def describe_entries(values: np.ndarray) -> str:
    """Short description of the entries of an array for an error message."""
    if values.dtype.kind == "O" and len(values):
        return f"entries such as {describe(values[0])}"
    return f"dtype {values.dtype}"


def check_rows_are_good(on_bad_rows: str, reasons: Mapping[str, np.ndarray], n_good: int) -> None:
    """Refuse bad rows where the user wants that, and data without any good row."""
    counts = counted(reasons)
    listing = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    bad_rows = f"{sum(counts.values()):,} bad rows of {sum(counts.values()) + n_good:,} ({listing})"
    if counts and on_bad_rows == "raise":
        first = min(int(np.argmax(bad)) for bad in reasons.values() if bad.any())
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


# ---- generated data -------------------------------------------------------------------------------------------


def check_share(name: str, value: Any) -> float:
    """Return a number from 0 to 1 as float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number from 0 to 1, got {value!r}.")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}.")
    return float(value)


# ---- the command line -----------------------------------------------------------------------------------------


def check_log_files(files: list[str]) -> str:
    """Return "csv" or "parquet", the format that the names of files, or of a folder, tell."""
    endings = {Path(file).suffix.lower() for file in files if not Path(file).is_dir()}
    if endings <= {".parquet"}:
        return "parquet"
    if endings == {".csv"} and len(files) == 1:
        return "csv"
    hint = " Join CSV files first, or convert them to Parquet." if endings == {".csv"} else ""
    raise ValueError(
        "FILE must be one .csv file, .parquet files or one folder of these, got "
        f"{', '.join(map(repr, map(str, files)))}.{hint}"
    )


def check_by_time(by: str, timestamp: str | None) -> None:
    """Refuse to go by time without a column of times."""
    if by == "time" and timestamp is None:
        raise ValueError("--by must be random without --timestamp, got time. Name the column of times: --timestamp COL.")


def check_output(path: str) -> None:
    """Refuse a file name that cannot be written to, before the work whose result it is for."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"output must be in an existing folder, got {path!r}. Create {str(folder)!r} first.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"output must be a file, got the folder {path!r}.")
    if Path(path).exists() and not Path(path).is_file():  # writing moves a new file into its place
        raise OSError(f"output must be a file, got the device or pipe {path!r}.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"output must be in a folder that you may write to, got {path!r}.")


def check_held_out(n_held_out: int, n_users: int) -> None:
    """Refuse a split that holds nothing out."""
    if n_held_out == 0:
        raise ValueError(f"The log must have users with 2 items or more to hold one out, got {n_users} with 1 item each.")


def check_one_title(text: str, matches: list[str], n_shown: int = 10) -> None:
    """Refuse a title that several items have."""
    if len(matches) > 1:
        listing = "; ".join(matches[:n_shown])
        more = f"; and {len(matches) - n_shown} more" if len(matches) > n_shown else ""
        raise ValueError(f"item must be the label or title of one item, got {text!r}: {len(matches)} titles have it: "
                         f"{listing}{more}.")  # fmt: skip
