"""Files of arrays (.npz, a zip of .npy): written so that they can be mapped, read without trust in what they say.

Members are stored, not compressed, and padded in the extra field of their zip headers so that the data of every array
begins at a multiple of 64 bytes of the file. `numpy.load` reads such a file like any other.

Nothing is allocated or mapped before what a file declares is known to fit its size, nothing is evaluated, and what is
not plain numbers or dates in a row (or text, where it is asked for) is refused. Files with all of this in order may
still hold any values.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastbpr import _validation
from fastbpr._blocks import slices

ALIGNMENT = 64  # a cache line, and the widest vector registers
BLOCK = 2**22  # bytes that are copied or summed up at once
MAGIC = b"\x93NUMPY\x01\x00"
# What NumPy writes in front of an array, for the kinds of numbers that look the same on every machine; and of text.
NUMBERS = rb"\|b1|\|[iu]1|[<>](?:[iu][248]|f[248]|c8|c16|[mM]8\[\d*[a-zA-Z]+\])"
TEXT = rb"[<>]U[1-9]\d{0,7}"
NPY_HEADER, NPY_HEADER_WITH_TEXT = (
    re.compile(
        rb"\{'descr': '(%s)', 'fortran_order': (True|False), 'shape': \(((?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n"
        % kinds
    )
    for kinds in (NUMBERS, NUMBERS + b"|" + TEXT)
)
UTF_8 = 0x800  # a flag: names are in UTF-8
LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, sizes of the name and of the extra field
EXTRA_FIELD = struct.Struct("<HH")  # kind, size of what follows
PADDING_KIND = 0xD935  # in the list of extra fields: for alignment
ZIP64_FIELD_SIZE = 20  # what zipfile adds to the extra field of members that may be large


# ---- writing ----------------------------------------------------------------------------------------------------


class Writer:
    """Writes arrays one after another into an open file, as a context; no more than a block of one is copied."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def add(self, name: str, array: np.ndarray) -> int:
        """Write an array in C order and little-endian; return its member's CRC-32."""
        info = zipfile.ZipInfo(f"{name}.npy")  # with a fixed date, so that equal models are equal files
        info.extra = padding(self.file.tell() + LOCAL_HEADER.size + len(info.filename) + ZIP64_FIELD_SIZE)
        dtype = little_endian(array.dtype)
        with self.zip.open(info, "w", force_zip64=True) as member:
            header = {"descr": dtype.str, "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(member, header)  # as long as a multiple of 64
            for block in blocks(array):
                member.write(bytes_of(np.ascontiguousarray(block, dtype=dtype)))
        return info.CRC

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        """Write the directory of the members; after an error without raising another."""
        with contextlib.suppress(*[Exception] * (kind is not None)):
            self.zip.close()


def padding(end: int) -> bytes:
    """Return an extra field after which what follows the zip header is aligned, where the header would end at `end`."""
    size = -(end + EXTRA_FIELD.size + 2) % ALIGNMENT
    return EXTRA_FIELD.pack(PADDING_KIND, 2 + size) + struct.pack("<H", ALIGNMENT) + bytes(size)


def little_endian(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which an array is stored."""
    return dtype.newbyteorder("<")


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Divide an array into parts of about a block."""
    rows = np.atleast_1d(array)
    row_size = max(rows.itemsize * int(np.prod(rows.shape[1:])), 1)
    return (rows[part] for part in slices(len(rows), max(BLOCK // row_size, 1)))


def bytes_of(array: np.ndarray) -> memoryview:
    """Return the memory of a contiguous array; dates have no buffers of their own."""
    return memoryview(array.reshape(-1).view(np.uint8))


# ---- reading ----------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """An array in a file, as far as it is known without its data."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    start: int  # of the .npy header
    data: int  # where the data begins
    end: int
    crc: int  # of .npy header and data, as the directory has it


class Reader:
    """Reads or maps the arrays of an open file; refuses what is not as it must be with a `ModelFileError`.

    Arrays of text, of NumPy's own kind, are refused, too, unless `with_text`.
    """

    def __init__(self, path: Any, file: BinaryIO, *, mapped: bool = False, kind: str, with_text: bool = False) -> None:
        self.path, self.file, self.kind = path, file, kind
        self.header = NPY_HEADER_WITH_TEXT if with_text else NPY_HEADER
        self.size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file) as directory:
            infos = directory.infolist()
        self.members = {info.filename.removesuffix(".npy"): info for info in infos}
        self.require(len(self.members) == len(infos), "an array", "is there twice")
        self.require(sum(info.compress_size for info in infos) <= self.size, "what it has", "is larger than the file")
        self.mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if mapped else None
        self.starts = {name: self.start_of(name, info) for name, info in self.members.items()}

    def start_of(self, name: str, info: zipfile.ZipInfo) -> int:
        """Return where an array begins, behind a name of its own, which is the one that the directory has."""
        begin = info.header_offset + LOCAL_HEADER.size
        signature, length, more = LOCAL_HEADER.unpack(self.part(info.header_offset, LOCAL_HEADER.size, name))
        self.require(signature == b"PK\x03\x04", name, "is not where the directory has it")
        encoded = info.orig_filename.encode("utf-8" if info.flag_bits & UTF_8 else "cp437")
        self.require(self.part(begin, length, name) == encoded, name, "has another name in its place")
        return begin + length + more

    def require(self, fits: bool, what: str, problem: str) -> None:
        """Refuse the file unless something fits."""
        _validation.check_file_part(self.path, fits, what, problem, kind=self.kind)

    def entry(self, name: str) -> Entry:
        """Return what is known of an array before its data is looked at."""
        self.require(name in self.members, name, "is missing")
        info = self.members[name]
        stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        self.require(stored and not info.flag_bits & 1, name, "is compressed or encrypted")
        start = self.starts[name]
        end = start + info.file_size
        self.require(end <= self.size, name, "is larger than the file")
        magic, size = struct.unpack("<8sH", self.part(start, 10, name))
        self.require(magic == MAGIC, name, "is no array")
        data = start + 10 + size
        header = self.header.fullmatch(self.part(start + 10, size, name))
        self.require(header is not None, name, "is no array of plain numbers or dates")
        descr, order, shape = header.groups()
        dtype = np.dtype(descr.decode())
        shape = tuple(int(length) for length in shape.split(b",") if length.strip())
        n_bytes = dtype.itemsize
        for length in shape:
            n_bytes *= length
        self.require(data + n_bytes == end and max(shape, default=0) < 2**63, name, "has not the size of its shape")
        return Entry(name, dtype, shape, order == b"True", start, data, end, info.CRC)

    def part(self, start: int, size: int, name: str) -> bytes:
        """Return some bytes of the file, all of them there."""
        self.require(start >= 0 and start + size <= self.size, name, "begins or ends outside the file")
        self.file.seek(start)
        content = self.file.read(size)
        self.require(len(content) == size, name, "ends outside the file")
        return content

    def array(self, entry: Entry, *, verify: bool) -> np.ndarray:
        """Return an array of the machine's byte order in C order, read-only if mapped.

        What cannot be mapped is read: what is not aligned, as older versions wrote it, and what is stored otherwise.
        What is read is compared with its checksum in any case; it costs little then.
        """
        native, count = entry.dtype.newbyteorder("="), (entry.end - entry.data) // entry.dtype.itemsize
        mapped = self.mapping is not None and entry.data % ALIGNMENT == 0 and count > 0
        if mapped and entry.dtype == native and not entry.fortran_order:
            content = memoryview(self.mapping)[entry.data : entry.end]
            array = np.frombuffer(content, dtype=native)
        else:
            mapped, array = False, np.empty(count, dtype=entry.dtype)
            content = bytes_of(array)
        if verify or not mapped:
            crc = zlib.crc32(self.part(entry.start, entry.data - entry.start, entry.name))
            for block in slices(len(content), BLOCK):
                if not mapped:
                    self.fill(content[block], entry.name)
                crc = zlib.crc32(content[block], crc)
            self.require(crc == entry.crc, entry.name, "has not the checksum that it was written with")
        if entry.fortran_order:
            array = array.reshape(entry.shape[::-1]).T
        return np.ascontiguousarray(array, dtype=native).reshape(entry.shape)

    def fill(self, content: memoryview, name: str) -> None:
        """Fill memory with what comes next in the file."""
        done = 0
        while done < len(content):
            size = self.file.readinto(content[done:])
            self.require(bool(size), name, "ends outside the file")
            done += size
