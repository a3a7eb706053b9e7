"""Model files, and arguments of the command line and the simulator."""

from __future__ import annotations

import contextlib
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr._blocks import slices
from fastbpr._tables import N_SUMS
from fastbpr._validation.values import check_integer
from fastbpr.errors import ModelFileError


def check_text_labels(name: str, labels: np.ndarray) -> list[str | None]:
    """Return labels that are strings or None, as a list; other objects cannot be stored without pickle."""
    texts = labels.tolist()
    if set(map(type, texts)) <= {str, type(None)}:  # in a third of the time
        return texts
    bad = next((text for text in texts if text is not None and not isinstance(text, str)), None)
    if bad is not None:
        raise TypeError(f"{name} must be all numbers or all strings to be saved, got {bad!r}. Convert them.")
    return texts


def check_storable(name: str, labels: np.ndarray) -> None:
    """Refuse labels, or other arrays, that a model file cannot hold."""
    if labels.dtype.kind == "O":
        check_text_labels(name, labels)
    elif labels.dtype.kind not in "biufcmMU" or labels.dtype.char in "gG":
        raise TypeError(f"{name} must be all numbers or all strings to be saved, got dtype {labels.dtype}. Convert it.")
    elif labels.dtype.kind in "mM" and np.datetime_data(labels.dtype)[0] == "generic":
        raise TypeError(f"{name} must have a unit of time to be saved, got dtype {labels.dtype}. Convert it.")


def check_text_parts(text: np.ndarray, ends: np.ndarray) -> None:
    """Refuse arrays that no text labels are stored in."""
    if text.ndim != 1 or text.dtype != np.uint8 or ends.ndim != 1 or ends.dtype != np.int64:
        raise ValueError("Text must be bytes with one axis, and the ends of labels integers.")


def check_ends(fit: bool) -> None:
    """Refuse ends of labels that do not rise to the end of the text."""
    if not fit:
        raise ValueError("The ends of labels must fit their text.")


@contextlib.contextmanager
def whole_model(path: Any, problem: str, errors: tuple[type[Exception], ...], *, kind: str = "model") -> Iterator[None]:
    """Turn what reading a file that is no whole model, or other kind, leads to into a `ModelFileError`."""
    try:
        yield
    except ModelFileError:
        raise
    except errors as error:
        raise ModelFileError(f"path must be {A[kind]} written by fastbpr, but {str(path)!r} {problem}.") from error


A = {
    "model": "a model",
    "implicit": "a model of implicit's BPR, or one",
    "checkpoint": "a checkpoint",
    "features": "a file of features",
    "index": "an index",
}


def check_file_part(path: Any, fits: bool, what: str, problem: str, *, kind: str = "model") -> None:
    """Refuse a file of which a part is not as it must be to be read."""
    if not fits:
        raise ModelFileError(
            f"path must be {A[kind]} written by fastbpr, but {str(path)!r} cannot be read as one: it is damaged or of "
            f"another kind ({what} {problem})."
        )


def check_header(path: Any, header: Any, known_version: int, *, kind: str = "model") -> None:
    """Refuse the header of a foreign file, of another kind or a newer version."""
    if not isinstance(header, dict) or header.get("format") != f"fastbpr {kind}":
        raise ModelFileError(f"path must be {A[kind]} written by fastbpr, but {str(path)!r} is another kind of file.")
    if type(header.get("version")) is not int or not 1 <= header["version"] <= known_version:
        raise ModelFileError(
            f"path must be {A[kind]} of format version {known_version} or older, but {str(path)!r} has version "
            f"{header.get('version')!r} ({header.get('written_by')}). Update fastbpr."
        )


def check_model_arrays(
    path: Any, header: dict[str, Any], arrays: dict[str, Any], *, look_at_values: bool = True
) -> None:
    """Refuse a model whose arrays are missing or do not fit each other: a kernel would read out of bounds.

    Without `look_at_values`, only names, dtypes and shapes are judged, so that nothing is read; `check_liked` must be
    called before the training positives are used.
    """
    try:
        users, items, biases = (arrays[name] for name in ("user_factors", "item_factors", "item_biases"))
        indptr, indices = arrays["liked_indptr"], arrays["liked_indices"]
        removed = arrays.get("removed_directions", items)
        fits = (
            all(array.dtype == np.float32 for array in (users, items, biases, removed))
            and users.ndim == items.ndim == removed.ndim == 2
            and users.shape[1] == items.shape[1] == removed.shape[1] >= 1
            and len(items) >= 1
            and biases.shape == (len(items),)
            and indptr.dtype == np.int64
            and indices.dtype == np.int32
            and indptr.shape == (len(users) + 1,)
            and indices.ndim == 1
            and all(
                len(arrays.get(name, rows)) == len(rows) and getattr(arrays.get(name), "ndim", 1) == 1
                for name, rows in (("user_labels", users), ("item_labels", items), ("item_names", items))
            )
            and components_fit(arrays, "user", users)
            and components_fit(arrays, "item", items)
            and isinstance(header["history"], list)
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        fits = False
    if fits and look_at_values:
        fits = all(is_finite(array) for array in arrays.values() if getattr(array, "dtype", None) == np.float32)
        check_liked(path, indptr, indices, len(items))
    if not fits:
        raise ModelFileError(f"path must be a whole model, but the parts of {str(path)!r} do not fit each other.")


def check_history(history: Iterable[Any], debiasing: Any, n_epochs: Any) -> None:
    """Refuse a history, the report of a debiased fit, or a number of epochs that no fit leaves."""
    check_integer("n_epochs", n_epochs, minimum=0)
    for epoch in history:
        check_integer("epoch", epoch.epoch, minimum=0)
        check_integer("n_updates", epoch.n_updates, minimum=0)
        check_are_numbers("history", epoch if epoch.validation is not None else epoch[:-1])
    check_are_numbers("debiasing", debiasing or ())


def check_are_numbers(name: str, values: Iterable[Any]) -> None:
    """Refuse anything among numbers, finite or not, that is none."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be made of numbers, got {value!r}.")


def components_fit(arrays: dict[str, Any], what: str, rows: np.ndarray) -> bool:
    """Whether biases, an optimiser's sums, and what rows are sums of, as far as there are any, look like such."""
    named = {f"{what}_biases": (len(rows),), f"{what}_sums": (len(rows), N_SUMS)}
    for name, shape in named.items():
        if name in arrays and (arrays[name].dtype != np.float32 or arrays[name].shape != shape):
            return False
    for part in ("feature", "own"):
        vectors, biases = (arrays.get(f"{what}_{part}_{kind}") for kind in ("factors", "biases"))
        if vectors is None and biases is None:
            continue
        if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != rows.shape[1]:
            return False
        if part == "own" and len(vectors) not in (0, len(rows)):
            return False
        if biases is not None and (biases.dtype != np.float32 or biases.shape != (len(vectors),)):
            return False
    return True


def is_finite(array: np.ndarray) -> bool:
    """Whether there is neither NaN nor infinity, without a second array of that size."""
    rows = 2**18 // max(int(np.prod(array.shape[1:])), 1)
    return all(bool(np.isfinite(array[part]).all()) for part in slices(len(array), rows))


def check_liked(path: Any, indptr: np.ndarray, indices: np.ndarray, n_items: int) -> None:
    """Refuse training positives that point outside their arrays or the items."""
    if (
        indptr[0] != 0
        or indptr[-1] != len(indices)
        or (indptr[1:] < indptr[:-1]).any()
        or (len(indices) and (indices.min() < 0 or indices.max() >= n_items))
    ):
        raise ModelFileError(
            f"path must be a whole model, but the parts of {str(path)!r} do not fit each other: training positives are "
            "no items."
        )


def check_kind(path: Any, header: dict[str, Any], kinds: Mapping[str, type]) -> type:
    """Return the class of the model in a file; the first files did not tell, and were all of one kind."""
    kind = header.get("kind", "bpr")
    if kind not in kinds:
        raise ModelFileError(
            f"path must be a model of a known kind ({', '.join(sorted(kinds))}), but {str(path)!r} is a {kind!r}. "
            "Update fastbpr."
        )
    return kinds[kind]


def check_storable_parameters(values: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Refuse a subclass's parameters that a file would lose."""
    for name, value in values.items():
        if stored[name] != (list(value) if isinstance(value, tuple) else value):
            raise TypeError(
                f"{name} must be a number, a text, True, False, None, or a list or mapping of these, to be saved, got "
                f"{value!r}. Convert it, or pickle the model."
            )


def check_class_has(path: Any, header: Mapping[str, Any], name: str, known: tuple[str, ...]) -> None:
    """Refuse to make a model without parameters that a subclass has put into its file."""
    others = [parameter for parameter in header.get("parameters") or () if parameter not in known]
    if others and header.get("class", name) != name:
        raise ModelFileError(
            f"path must be a model of the class {name}, but {str(path)!r} is one of {header['class']}, with the "
            f"parameter {others[0]!r}. Load it with {header['class']}.load."
        )


def check_share(name: str, value: Any, *, below: bool = False) -> float:
    """Return a number from 0 to 1 as float; or, `below` 1, of what is never all."""
    rule = f"{name} must be a number from 0 to {'below ' if below else ''}1, got {value!r}."
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(rule)
    if not 0 <= value <= 1 or (below and value == 1):
        raise ValueError(rule)
    return float(value)


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
        raise ValueError(
            "--by must be random without --timestamp, got time. Name the column of times: --timestamp COL."
        )


def check_output(name: str, path: str, *, inputs: Iterable[str] = ()) -> None:
    """Refuse a file name that cannot be written to, before the work whose result it is for."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{name} must be in an existing folder, got {path!r}. Create {str(folder)!r} first.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{name} must be a file, got the folder {path!r}.")
    check_no_device(name, path)  # writing moves a new file into its place
    if Path(path).exists() and any(Path(file).exists() and Path(file).samefile(path) for file in inputs):
        raise ValueError(f"{name} must be another file than the log, got {path!r}: the log would be lost.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{name} must be in a folder that you may write to, got {path!r}.")


def check_no_device(name: str, path: Any) -> None:
    """Refuse what is there and is neither a file nor a folder: a pipe would be waited for."""
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise OSError(f"{name} must be a file, got the device or pipe {os.fspath(path)!r}.")


def check_held_out(n_held_out: int, n_users: int, *, name: str = "The log", instead: str = "") -> None:
    """Refuse a split that holds nothing out."""
    if n_held_out == 0:
        raise ValueError(
            f"{name} must have users with 2 items or more to hold one out, got {n_users} with 1 each. Take a longer "
            f"period, or a user id that stays the same from visit to visit{instead}."
        )


def check_one_title(text: str, matches: list[str], n_shown: int = 10) -> None:
    """Refuse a title that several items have."""
    if len(matches) > 1:
        listing = "; ".join(matches[:n_shown])
        more = f"; and {len(matches) - n_shown} more" if len(matches) > n_shown else ""
        raise ValueError(f"item must be the label or title of one item, got {text!r}: {len(matches)} titles have it: "
                         f"{listing}{more}.")  # fmt: skip
