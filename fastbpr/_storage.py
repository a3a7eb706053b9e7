"""Model files and files of features: one .npz (a zip of .npy arrays), no pickle, written atomically.

Layout of models, format version 1; files of features have a header, too, and a vocabulary for each column of labels:

    header                       a JSON text: {"format", "version", "written_by", "parameters", "history", ...}
    user_factors, item_factors   float32 (n_users, factors), (n_items, factors)
    item_biases                  float32 (n_items,)
    liked_indptr, liked_indices  the training positives, CSR
    NAME                         numeric labels, as they are; or
    NAME.text, NAME.ends         string labels: UTF-8 bytes end to end, and where each ends (-1 - end for a missing one)
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr._version import __version__

VERSION = 1
# What NumPy, zipfile and json raise for files that are cut short, edited or of another kind.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, MemoryError)


def write(
    path: str | os.PathLike, header: dict[str, Any], arrays: dict[str, np.ndarray], *, kind: str = "model"
) -> None:
    """Write a model file, or another kind; whatever stops the writing leaves an older file at `path` whole."""
    text = json.dumps(
        {"format": f"fastbpr {kind}", "version": VERSION, "written_by": f"fastbpr {__version__}", **header}
    )
    encoded = {"header": np.frombuffer(text.encode(), dtype=np.uint8)}
    for name, array in arrays.items():
        encoded |= encode_labels(name, array) if array.dtype.kind in "OUS" else {name: array}
    write_arrays(path, encoded)


def write_arrays(path: str | os.PathLike, arrays: dict[str, Any]) -> None:
    """Write a .npz file in one go: under another name first, and then moved into place."""
    _validation.check_path("path", path)
    path = Path(os.path.realpath(path))  # a link stays a link
    _validation.check_output("path", str(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, current_mode(path))
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # "No space left on device" alone does not say where
        raise


def current_mode(path: Path) -> int:
    """Return the permissions of the file at `path`, or those a new file would get."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def read(path: str | os.PathLike, *, kind: str = "model") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a model file, or another kind, into (header, arrays); refuse anything else with a `ModelFileError`."""
    _validation.check_path("path", path)
    with _validation.whole_model(
        path, "cannot be read as one: it is damaged or of another kind", UNREADABLE, kind=kind
    ):
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as parts:
            stored = {name: parts[name] for name in parts.files}
        header = json.loads(stored.pop("header").tobytes())
    _validation.check_header(path, header, VERSION, kind=kind)
    with _validation.whole_model(path, "has damaged labels", (KeyError, ValueError, IndexError), kind=kind):
        arrays = {name: array for name, array in stored.items() if "." not in name}
        for name in {name.partition(".")[0] for name in stored if "." in name}:
            arrays[name] = decode_labels(stored[f"{name}.text"], stored[f"{name}.ends"])
    return header, arrays


def encode_labels(name: str, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Turn an array of str or None into bytes and ends; None gets the complement of its end."""
    texts = _validation.check_text_labels(name, labels)
    encoded = [text.encode(errors="surrogatepass") if text is not None else b"" for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    missing = np.array([text is None for text in texts], dtype=bool)
    return {
        f"{name}.text": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{name}.ends": np.where(missing, -1 - ends, ends),
    }


def decode_labels(text: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Undo `encode_labels`."""
    joined = text.tobytes()
    missing = ends < 0
    ends = np.where(missing, -1 - ends, ends)
    starts = np.concatenate([[0], ends[:-1]])
    if len(ends) and (ends[-1] != len(joined) or (ends < starts).any()):
        raise ValueError("ends do not fit the text")
    labels = np.empty(len(ends), dtype=object)
    parts = (joined[start:end] for start, end in zip(starts, ends, strict=True))
    texts = (part.decode(errors="surrogatepass") for part in parts)
    labels[:] = [None if none else text for text, none in zip(texts, missing, strict=True)]
    return labels


def jsonable(value: Any) -> Any:
    """Return a parameter as JSON can hold it; what it cannot hold, such as a generator, as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {key: jsonable(part) for key, part in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else None
