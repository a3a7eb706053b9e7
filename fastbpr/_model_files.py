"""Models as files: what is written of a model, and how one comes from it."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastbpr import _storage, _validation
from fastbpr._context_arrays import Debiasing
from fastbpr._debias import described, knows_propensities
from fastbpr._training import Epoch

FITTED_ARRAYS = (
    "user_factors", "item_factors", "item_biases", "user_biases", "user_labels", "item_labels", "item_names",
    "removed_directions", "user_feature_names", "item_feature_names",
)  # fmt: skip
# Vectors and biases that rows are sums of, where there are features (`fastbpr.HybridBPR`), and an optimiser's sums.
COMPONENTS = (
    "user_feature_factors", "user_feature_biases", "user_own_factors", "user_own_biases",
    "item_feature_factors", "item_feature_biases", "item_own_factors", "item_own_biases",
    "user_sums", "item_sums",
)  # fmt: skip
# What files call the kinds of models, special ones last; a kind adds itself.
KINDS: dict[str, type[ModelFiles]] = {}


class ModelFiles:
    """`save` and `load` of `BPR`, which documents the attributes, and pickles and copies of it."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a model is, without what it can compute again, and which arrays are read-only."""
        frozen = [name for name, array in self._arrays() if not array.flags.writeable]
        return vars(self) | {"_compared": {}, "_frozen": frozen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become such a model; arrays from pickles and deep copies can be written to."""
        vars(self).update(state)
        frozen = vars(self).pop("_frozen")
        for name, array in self._arrays():
            if name in frozen:
                array.flags.writeable = False

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the arrays that fitting makes read-only, by name."""
        for name in (*FITTED_ARRAYS, *COMPONENTS):
            array = vars(self)["_components"].get(name) if name in COMPONENTS else vars(self).get(name)
            if isinstance(array, np.ndarray):
                yield name, array

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one file: factors, labels, titles, training positives, parameters and history.

        The file is a .npz without pickle (arrays by name and a JSON header with their checksums, format version 2;
        ``numpy.load`` reads it). Files of version 1 can still be loaded. It is written under another name and then
        moved into place: if writing fails, an older file at `path` stays whole. A killed process may leave a file
        ``.NAME.*.part`` beside it, which may be deleted. An index has a file of its own: `save_index`.

        Parameters
        ----------
        path : str or path
            Used as it is; no ending is added.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If labels are neither numbers nor strings.
        ValueError
            If parameters or arrays were changed so that they do not fit each other.
        OSError
            If the file cannot be written.
        """
        header, arrays = self._contents(path)
        _storage.write(path, header, arrays)
        self._tell_of_index()

    def _contents(self, path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return (header, arrays) of the file that `save` writes."""
        self._check_parameters()
        users, items, biases = _validation.check_tables(self)
        kind = next(kind for kind in reversed(KINDS.values()) if isinstance(self, kind))
        own = {name: value for name, value in self.get_params().items() if name not in kind._parameter_names()}
        _validation.check_storable_parameters(own, {name: _storage.jsonable(value) for name, value in own.items()})
        header = {
            "kind": next(name for name in reversed(KINDS) if isinstance(self, KINDS[name])),
            "class": type(self).__name__,
            "parameters": {name: _storage.jsonable(described(value)) for name, value in self.get_params().items()},
            "settings": {name: _storage.jsonable(value) for name, value in self.settings.items()},
            "history": [list(epoch) for epoch in self.history],
            "debiasing": None if self.debiasing is None else list(self.debiasing),
            "n_epochs": self._n_epochs,
            "knew_propensities": knows_propensities(self.debias),
        }
        arrays = {name: getattr(self, name) for name in FITTED_ARRAYS if getattr(self, name) is not None}
        arrays |= {"user_factors": users, "item_factors": items, "item_biases": biases} | self._components
        if self.user_biases is not None:
            arrays["user_biases"] = _validation.check_user_biases(self, len(users))
        arrays["liked_indptr"], arrays["liked_indices"] = self._liked
        _validation.check_model_arrays(path, header, arrays)
        return header, arrays

    @classmethod
    def load(cls, path: str | os.PathLike, *, mmap: bool = False, verify: bool = False) -> Any:
        """Read a model written by `save`.

        Parameters
        ----------
        path : str or path
        mmap : bool, default False
            Map the file instead of reading it: a model of any size opens at once, pages are read when they are needed,
            and processes that map the same file share them. Names, sizes and the header are checked, the training
            positives at their first use, but no factors. As long as the model is used, the file may be replaced or
            deleted (by `save`; not on Windows) but must not be written over, as ``cp`` does: what has become shorter
            ends the process.
        verify : bool, default False
            With `mmap`, read all of the file once, to compare checksums and look at all values; without, this is always
            done. Checksums find damage, not intent.

        Returns
        -------
        BPR
            Equal to the saved one, but for a `random_state` that was not an integer: that is None.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If the file is not a model, damaged, or of a newer version.
        TypeError
            If an argument is of the wrong kind.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> model = BPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> with TemporaryDirectory() as folder:
        ...     model.save(Path(folder, "model.npz"))
        ...     BPR.load(Path(folder, "model.npz")).item_factors.shape
        (3, 8)
        """
        verify = _validation.check_flag("verify", verify)
        lazily = _validation.check_flag("mmap", mmap) and not verify
        header, arrays = _storage.read(path, mmap=mmap, verify=verify)
        _validation.check_model_arrays(path, header, arrays, look_at_values=not lazily)
        kind = _validation.check_kind(path, header, KINDS)
        cls = cls if issubclass(cls, kind) else kind
        model, fitted = restored(path, header, cls)
        fitted |= {name: arrays.get(name) for name in ("removed_directions", "user_biases")}
        fitted["components"] = {name: arrays[name] for name in COMPONENTS if name in arrays}
        factors = tuple(arrays[name] for name in ("user_factors", "item_factors", "item_biases"))
        labels = [arrays.get(name) for name in ("user_labels", "item_labels", "item_names")]
        liked = arrays["liked_indptr"], arrays["liked_indices"]
        if lazily:
            liked = _storage.StoredLikes(path, *liked, len(arrays["item_factors"]))
        model._set_fitted(factors, liked, *labels, **fitted)
        vars(model).update({name: arrays.get(name) for name in ("user_feature_names", "item_feature_names")})
        if header.get("knew_propensities"):
            logging.getLogger("fastbpr").warning(
                "The model in %s was fitted with known propensities; files do not keep them: give them again to refit.",
                path,
            )
        return model


def restored(path: str | os.PathLike, header: Mapping[str, Any], cls: type) -> tuple[Any, dict[str, Any]]:
    """Return a model with the parameters of a file, not fitted, and what else the header says of its fit."""
    _validation.check_class_has(path, header, cls.__name__, cls._parameter_names())
    problem = "has parameters or a history of another version"
    with _validation.whole_model(path, problem, (TypeError, ValueError, LookupError)):
        model = cls(**header["parameters"])
        decided = copy.copy(model)
        vars(decided).update(header.get("settings", {}))  # older files have none: nothing was left to the data
        decided._check_parameters()
        history = [Epoch(*epoch) for epoch in header["history"]]
        debiasing = header.get("debiasing")
        debiasing = debiasing and Debiasing(*debiasing)
        n_epochs = header.get("n_epochs", len(history))
        _validation.check_history(history, debiasing, n_epochs)
    settings = {name: getattr(decided, name) for name in model._parameter_names()}
    return model, {"history": history, "settings": settings, "debiasing": debiasing, "n_epochs": n_epochs}
