"""Models as implicit's files (.npz): arrays and parameters by name, the parameters as arrays without dimensions."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np

from fastbpr import BPR, _storage, _validation
from fastbpr._npz import Reader

FACTORS = ("user_factors", "item_factors")
ALWAYS = ("factors", "learning_rate", "regularization", "iterations", "verify_negative_samples")  # in implicit's files
# Parameters that may be missing, and what they are then; the last is only in files that were written here.
AT_TIMES = {"num_threads": 0, "random_state": None, "dtype": "float32", "n_epochs": 0}


class ImplicitFiles:
    """`save` and `load` of `BayesianPersonalizedRanking`, and pickles and copies of it."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a model is, without what it can compute again, and which arrays are read-only."""
        tables = [name for name in FACTORS if isinstance(getattr(self, name), np.ndarray)]
        frozen = [name for name in tables if not getattr(self, name).flags.writeable]
        return vars(self) | {"_kept": None, "_frozen": frozen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become such a model; arrays from pickles and deep copies can be written to."""
        vars(self).update(state)
        for name in vars(self).pop("_frozen"):
            getattr(self, name).flags.writeable = False

    def save(self, fileobj_or_path: Any) -> None:
        """Write the model to a .npz file that implicit's ``BayesianPersonalizedRanking.load`` reads, too.

        Parameters
        ----------
        fileobj_or_path : str, path or binary file
            ``.npz`` is added to a path without it. A file at a path is replaced when the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError, ValueError
            If it is neither a path nor a file, or if parameters or arrays were changed so that they do not fit each
            other.

        Examples
        --------
        >>> import io
        >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
        >>> file = io.BytesIO()
        >>> BayesianPersonalizedRanking(factors=8).save(file)
        >>> BayesianPersonalizedRanking.load(io.BytesIO(file.getvalue())).factors
        8
        """
        self._check_parameters()
        tables = {name: getattr(self, name) for name in FACTORS}
        _validation.check_storable_factors(tables, self.factors)
        parameters = {name: getattr(self, name) for name in (*ALWAYS, "num_threads", "random_state")}
        parts = tables | parameters | {"dtype": self.dtype.name, "n_epochs": self._n_epochs}
        # A generator is no seed to be read again, and NumPy could only pickle it.
        parts = {name: part for name, part in parts.items() if part is not None and np.asarray(part).dtype.kind != "O"}
        if hasattr(fileobj_or_path, "write"):
            np.savez(fileobj_or_path, **parts)
        else:
            _validation.check_path("fileobj_or_path", fileobj_or_path)
            with _storage.replacing(with_ending(fileobj_or_path)) as file:
                np.savez(file, **parts)

    @classmethod
    def load(cls, fileobj_or_path: Any) -> Any:
        """Read a model that was saved by this class, by implicit's BPR, or by `fastbpr.BPR`.

        Nothing is allocated before its size is known to be that of the file, and nothing is evaluated.

        Parameters
        ----------
        fileobj_or_path : str, path or binary file
            ``.npz`` is added to a path without it, as in `save`; only where there is no such file, the path is used as
            it is. A `fastbpr.BPR` is read from a path, and converted as by `from_fastbpr`. An open file must be one
            that can seek.

        Returns
        -------
        BayesianPersonalizedRanking
            Equal to the saved one, but for a `random_state` that was neither numbers nor None: that is None.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If the file is no such model, compressed, or damaged.
        TypeError
            If it is neither a path nor a file.
        ValueError
            If it is a `fastbpr.BPR` that `from_fastbpr` refuses.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
        >>> path = pathlib.Path(tempfile.mkdtemp(), "model.npz")
        >>> BayesianPersonalizedRanking(factors=8).save(path)
        >>> BayesianPersonalizedRanking.load(path).factors
        8
        """
        is_path = not hasattr(fileobj_or_path, "read")
        source = file_at(fileobj_or_path) if is_path else fileobj_or_path
        parts = read_parts(source, is_path)
        if parts is None:
            _validation.check_read_by_path(source, is_path)
            return cls.from_fastbpr(BPR.load(source))
        tables = {name: parts.pop(name) for name in FACTORS if name in parts}
        with _validation.whole_model(source, "has parameters of another kind", _storage.UNREADABLE, kind="implicit"):
            parameters = AT_TIMES | {name: part if part.ndim else part.item() for name, part in parts.items()}
            _validation.check_saved_parameters(parameters)
            n_epochs = parameters.pop("n_epochs")
            model = cls(**parameters)
        _validation.check_saved_factors(source, tables, model.factors)
        for name, table in tables.items():
            table.flags.writeable = False
            setattr(model, name, table)
        model._n_epochs = n_epochs
        return model


def read_parts(source: Any, is_path: bool) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file, which is open or is to be opened; None for one that is fastbpr's own."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_validation.whole_model(source, _storage.DAMAGED, _storage.UNREADABLE, kind="implicit"))
        file = stack.enter_context(open(source, "rb")) if is_path else source
        reader = Reader(source, file, kind="implicit", with_text=True)
        if "header" in reader.members:
            return None
        optional = [name for name in (*FACTORS, *AT_TIMES) if name in reader.members]
        entries = [reader.entry(name) for name in (*ALWAYS, *optional)]
        return {entry.name: reader.array(entry, verify=True) for entry in entries}


def file_at(path: Any) -> str:
    """Return the path of a file: that which `save` makes of this one, or this one where there is none."""
    _validation.check_path("fileobj_or_path", path)
    saved = with_ending(path)
    found = os.fspath(path) if os.path.isfile(path) and not os.path.exists(saved) else saved
    _validation.check_no_device("fileobj_or_path", found)
    return found


def with_ending(path: str | os.PathLike) -> str:
    """Return a path that ends in .npz, as NumPy would make it."""
    path = os.fspath(path)
    return path if path.endswith(".npz") else f"{path}.npz"
