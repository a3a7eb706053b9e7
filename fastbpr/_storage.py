"""Model files and files of features: one .npz (a zip of .npy arrays), no pickle, written atomically.

Layout, format version 2. Every array is little-endian, in C order, not compressed, and at a multiple of 64 bytes. Files
of features have a header, too, and a vocabulary for each column of labels; models:

    user_factors, item_factors   float32 (n_users, factors), (n_items, factors)
    item_biases                  float32 (n_items,)
    user_biases                  float32 (n_users,), where the loss has some
    user_sums, item_sums         float32 (n_rows, 4), where an optimiser remembers some
    liked_indptr, liked_indices  int64, int32: the training positives, CSR
    NAME                         other arrays: numeric labels, as they are; or
    NAME.text, NAME.ends         string labels: UTF-8 bytes end to end, and where each ends (-1 - end for a missing one)
    header                       the last: a JSON text, {"format", "version", "written_by", "arrays", "parameters", ..};
                                 "arrays" has for each name {"dtype", "shape", "crc32"}: the CRC-32 of its zip member

The header's own checksum and the sizes of all members are compared whenever a file is opened, the other checksums when
data is read. Version 1 had no "arrays", and its arrays began anywhere: they are read, not mapped.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastbpr import _validation
from fastbpr._npz import Entry, Reader, Writer
from fastbpr._text_labels import TextLabels
from fastbpr._version import __version__

VERSION = 2
PART = ".part"  # how the names of files end that are being written
TOKEN_BYTES = 4  # of chance in such a name, in hexadecimal
LONGEST = 220  # bytes of a file's name that go into it; file systems take 255, of which others are for the rest
DAMAGED = "cannot be read as one: it is damaged or of another kind"
# What NumPy, zipfile and json raise for files that are cut short, edited or of another kind. OSError and MemoryError
# are about the machine: no more is read or allocated than the file has.
UNREADABLE = (
    ValueError, TypeError, AttributeError, LookupError, EOFError, ArithmeticError, RuntimeError, SyntaxError,
    struct.error, zipfile.BadZipFile,
)  # fmt: skip


# ---- writing ----------------------------------------------------------------------------------------------------


def write(
    path: str | os.PathLike, header: dict[str, Any], arrays: dict[str, np.ndarray], *, kind: str = "model"
) -> None:
    """Write a model file, or another kind; whatever stops the writing leaves an older file at `path` whole."""
    first = {"format": f"fastbpr {kind}", "version": VERSION, "written_by": f"fastbpr {__version__}"}
    with replacing(path) as file, Writer(file) as writer:
        write_described(writer, first | header, arrays)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of the one at `path` when all is written; an error leaves that as it is.

    A process that is killed leaves a file .NAME.*.part beside it, which may be deleted.
    """
    _validation.check_path("path", path)
    path = Path(os.path.realpath(path))  # a link stays a link
    _validation.check_output("path", str(path))
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    temporary = path.with_name(f"{first_part(path.name)}{secrets.token_hex(TOKEN_BYTES)}{PART}")
    opener = functools.partial(os.open, mode=0o666 if mode is None else mode)
    try:
        with open(temporary, "xb", opener=opener) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)  # with what the umask took
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # "No space left on device" alone does not say where
        raise
    sync_folder(path.parent)


def write_described(writer: Writer, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write arrays, then the header that describes them."""
    described = {}
    for whole_name, whole in arrays.items():
        for name, array in parts_of(whole_name, whole):
            crc = writer.add(name, array)
            dtype = array.dtype.newbyteorder("<").str
            described[name] = {"dtype": dtype, "shape": list(array.shape), "crc32": crc}
    text = json.dumps({**header, "arrays": described})
    writer.add("header", np.frombuffer(text.encode(), dtype=np.uint8))


def parts_of(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield an array as it is stored, with names: text as bytes and ends."""
    if array.dtype.kind in "OUS":
        labels = TextLabels.of(name, array)
        yield from ((f"{name}.{field}", part) for field, part in labels._asdict().items())
    else:
        _validation.check_storable(name, array)
        yield name, array


def first_part(name: str) -> str:
    """Return what the names of files that are to become `name` begin with; a very long name is shortened for it."""
    encoded = os.fsencode(name)
    if len(encoded) > LONGEST:
        name = f"{encoded[:LONGEST].decode(errors='ignore')}~{zlib.crc32(encoded):08x}"
    return f".{name}."


def remove_parts(path: str | os.PathLike) -> None:
    """Delete what killed processes have left of files that were to become `path`."""
    path = Path(os.path.realpath(path))
    part = re.compile(rf"{re.escape(first_part(path.name))}[0-9a-f]{{{2 * TOKEN_BYTES}}}{re.escape(PART)}")
    for name in os.listdir(path.parent):
        if part.fullmatch(name):
            with contextlib.suppress(OSError):
                os.unlink(path.with_name(name))


def sync_folder(folder: Path) -> None:
    """Let a new name in a folder outlast a power failure, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# ---- reading ----------------------------------------------------------------------------------------------------


def read(
    path: str | os.PathLike, *, kind: str = "model", mmap: bool = False, verify: bool = False
) -> tuple[dict[str, Any], dict[str, np.ndarray | StoredLabels]]:
    """Read a model file, or another kind, into (header, arrays); refuse anything else with a `ModelFileError`.

    With `mmap` arrays are mapped and text is not decoded before it is needed: it comes as `StoredLabels`.
    """
    _validation.check_path("path", path)
    _validation.check_no_device("path", path)
    with _validation.whole_model(path, DAMAGED, UNREADABLE, kind=kind), open(path, "rb") as file:
        reader = Reader(path, file, mapped=mmap, kind=kind)
        header = json.loads(reader.array(reader.entry("header"), verify=True).tobytes())
        _validation.check_header(path, header, VERSION, kind=kind)
        entries = {name: reader.entry(name) for name in reader.members if name != "header"}
        if header["version"] > 1:
            for name in {**entries, **header["arrays"]}:
                same = header["arrays"].get(name) == (described(entries[name]) if name in entries else None)
                reader.require(same, name, "is not what the header says")
        arrays = {name: reader.array(entry, verify=verify) for name, entry in entries.items()}
        return header, with_labels(path, arrays, kind, lazily=mmap and not verify)


def described(entry: Entry) -> dict[str, Any]:
    """Return what the header must have of an array."""
    order = {"fortran_order": True} if entry.fortran_order else {}  # which is never written
    return {"dtype": entry.dtype.str, "shape": list(entry.shape), "crc32": entry.crc, **order}


def with_labels(
    path: str | os.PathLike, stored: dict[str, np.ndarray], kind: str, *, lazily: bool
) -> dict[str, np.ndarray | StoredLabels]:
    """Put labels that are text together; all else stays as it is."""
    arrays: dict[str, Any] = {name: array for name, array in stored.items() if "." not in name}
    for name in {name.rpartition(".")[0]: None for name in stored if "." in name}:
        with _validation.whole_model(path, "has damaged labels", (KeyError, ValueError), kind=kind):
            text, ends = stored[f"{name}.text"], stored[f"{name}.ends"]
            _validation.check_text_parts(text, ends)
            labels = TextLabels(text, ends)
            arrays[name] = StoredLabels(path, labels) if lazily else labels.decoded()
    return arrays


class StoredLabels:
    """Labels of a mapped file that are decoded when they are needed."""

    def __init__(self, path: str | os.PathLike, labels: TextLabels) -> None:
        self.path, self.labels = path, labels

    def __len__(self) -> int:
        return len(self.labels.ends)

    def decoded(self) -> np.ndarray:
        """Return the labels; refuse damaged ones."""
        with _validation.whole_model(self.path, "has damaged labels", (ValueError,)):
            return self.labels.decoded()


class StoredLikes(Sequence):
    """(indptr, indices) of a mapped file, looked at when they are first used: no kernel sees an id out of range."""

    def __init__(self, path: str | os.PathLike, indptr: np.ndarray, indices: np.ndarray, n_items: int) -> None:
        self.path, self.pair, self.n_items = path, (indptr, indices), n_items
        self.is_checked = False

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: Any) -> Any:
        if not self.is_checked:
            _validation.check_liked(self.path, *self.pair, self.n_items)
            self.is_checked = True
        return self.pair[place]


def jsonable(value: Any) -> Any:
    """Return a parameter as JSON can hold it; what it cannot hold, such as a generator, as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {key: jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else None
