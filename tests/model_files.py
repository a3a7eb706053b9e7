"""Model files made by hand, byte by byte: what other versions, machines and hands may have written."""

import io
import json
import warnings
import zipfile

import numpy as np

HEADER = {
    "format": "fastbpr model",
    "version": 1,
    "written_by": "fastbpr 0.1.0",
    "parameters": {"factors": 2, "iterations": 1},
    "history": [[0, 0.5, 0.75, 0.2, 4, 0.1]],
}


def npy(array, *, descr=None, shape=None, order="C", version=b"\x01\x00"):
    """An array as .npy; what its header says may be a lie."""
    array = np.asarray(array)
    text = repr(
        {
            "descr": descr or array.dtype.str,
            "fortran_order": order == "F",
            "shape": array.shape if shape is None else shape,
        }
    )
    text = text[:-1] + ", }" + " " * ((-len(text) - 13) % 64) + "\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode() + array.tobytes(order)


def zipped(members, compression=zipfile.ZIP_STORED):
    """Members, pairs of a name and bytes, as one zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there already
        for name, member in members:
            file.writestr(name, member)
    return content.getvalue()


def old_arrays(byte_order="<"):
    """The arrays of a model of 3 users and 4 items as version 1 had them."""
    text = "añbc".encode()
    arrays = {
        "user_factors": np.arange(6, dtype="f4").reshape(3, 2),
        "item_factors": np.arange(8, dtype="f4").reshape(4, 2) - 4,
        "item_biases": np.array([0, 0.5, 0, -1], dtype="f4"),
        "liked_indptr": np.array([0, 2, 3, 4], dtype="i8"),
        "liked_indices": np.array([0, 1, 1, 3], dtype="i4"),
        "item_labels": np.array([10, 20, 2**40, -3], dtype="i8"),
        "user_labels.text": np.frombuffer(text, dtype="u1"),
        "user_labels.ends": np.array([1, 3, 5], dtype="i8"),  # "a", "ñ", "bc"
        "item_names.text": np.frombuffer(b"onetwo", dtype="u1"),
        "item_names.ends": np.array([3, -1 - 3, 6, 6], dtype="i8"),  # "one", None, "two", ""
    }
    return {name: array.astype(array.dtype.newbyteorder(byte_order)) for name, array in arrays.items()}


def old_file(arrays, fields=HEADER, **replaced):
    """A file of version 1; `replaced` has the bytes of .npy members by name."""
    members = {"header": npy(np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8))}
    members |= {name: npy(array) for name, array in arrays.items()}
    return zipped((f"{name}.npy", member) for name, member in (members | replaced).items())
