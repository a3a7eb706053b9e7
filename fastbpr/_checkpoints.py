"""Checkpoints: model files, written in the course of a fit, that also say how to go on to the same bits.

A checkpoint is a model as the fit would leave it if it stopped there (`BPR.load` reads it), and

    checkpoint (in the header)       the seed, epochs before this fit, how it is validated, checksums of all data
    checkpoint_NAME                  the tables under training, where the model's are those of an earlier, better epoch
    checkpoint_current_columns, ..   what the orders of `adaptive` negatives are made of

All else follows: streams of random numbers from the seed and an epoch's number, what validation has seen from the
history, rows that are sums from their parts.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _storage, _validation
from fastbpr._model_files import restored
from fastbpr._training import Epoch

PREFIX = "checkpoint_"
FACTORS = ("user_factors", "item_factors", "item_biases", "user_biases")
LABELS = ("user_labels", "item_labels", "item_names")
# Nothing of a fit with the blocked schedule depends on them, but for the seed, which is looked at by itself.
NOT_COMPARED = ("num_threads", "similarity", "random_state")
ARGUMENTS = {"every": "validate_every", "n_users": "validation_users"}  # where rules have other names
WORK_PER_WRITING = 9  # seconds of training, at least, for each that the last checkpoint took


class State(NamedTuple):
    """Where a fit was: what a checkpoint says, beside the model that it is."""

    path: str
    header: Mapping[str, Any]
    arrays: Mapping[str, Any]

    @classmethod
    def read(cls, path: str, model: Any, kinds: Mapping[str, type]) -> State:
        """Read a checkpoint of a model of this kind."""
        header, arrays = _storage.read(path)
        _validation.check_model_arrays(path, header, arrays)
        _validation.check_is_checkpoint(path, header)
        _validation.check_same_kind(path, _validation.check_kind(path, header, kinds), model)
        _, of_fit = restored(path, header, type(model))
        settings = {name: comparable(value) for name, value in of_fit["settings"].items()}
        return cls(path, header | {"settings": settings}, arrays)

    def about(self, name: str) -> Any:
        """Return what the header says of the fit."""
        return self.header["checkpoint"][name]

    @property
    def history(self) -> list[Epoch]:
        """The epochs so far."""
        return [Epoch(*epoch) for epoch in self.header["history"]]

    def factors(self, prefix: str = "") -> tuple[np.ndarray | None, ...]:
        """Return factors and biases, in the order in which a fit takes them."""
        return tuple(self.arrays.get(prefix + name) for name in FACTORS)

    def start(self) -> tuple[tuple[np.ndarray | None, ...], dict[str, np.ndarray], int]:
        """Return (factors and biases, other arrays by name, epochs before this fit): where training goes on."""
        is_apart = PREFIX + FACTORS[0] in self.arrays
        parts = self.arrays
        if is_apart:
            parts = {name.removeprefix(PREFIX): array for name, array in parts.items() if name.startswith(PREFIX)}
        return self.factors(PREFIX if is_apart else ""), dict(parts), self.about("n_before")

    def columns(self) -> dict[str, np.ndarray]:
        """Return what the orders of `adaptive` negatives are made of."""
        return {name.removeprefix(PREFIX): array for name, array in self.arrays.items() if name.endswith("_columns")}

    def check_settings(self, settings: Mapping[str, Any], rules: NamedTuple) -> None:
        """Refuse to go on with other parameters, or another validation."""
        now = {name: comparable(value) for name, value in settings.items() if name not in NOT_COMPARED}
        before = {name: value for name, value in self.header["settings"].items() if name not in NOT_COMPARED}
        now |= validated_by(rules)
        _validation.check_same_settings(self.path, now, before | self.about("rules"))
        if isinstance(settings["random_state"], (int, np.integer)):
            seed = _validation.check_seed("random_state", settings["random_state"])
            _validation.check_same_seed(self.path, seed, self.about("seed"))

    def check_data(self, data: Mapping[str, Any], labels: Iterable[np.ndarray | None]) -> None:
        """Refuse to go on with other data."""
        _validation.check_same_data(self.path, data, self.about("data"))
        for what, now in zip(("user", "item"), labels, strict=False):
            _validation.check_same_labels_as_before(self.path, what, now, self.arrays.get(f"{what}_labels"))

    def check_sizes(self, shapes: Iterable[tuple[int, int]], n_columns: tuple[int, int]) -> None:
        """Refuse arrays that are not of the sizes of the fit's tables; checksums of data make it unlikely."""
        problem = "has a state of training that does not fit it"
        with _validation.whole_model(self.path, problem, (TypeError, ValueError, LookupError)):
            factors, *_ = self.start()
            for array, shape in zip(factors, shapes, strict=False):
                _validation.check_state_fits(array.shape == shape)
            for columns in self.columns().values():
                _validation.check_state_fits(columns.shape == n_columns and columns.dtype == np.float32)


class Checkpoints:
    """Writes the checkpoints of a fit; without a path, none."""

    def __init__(self, path: str | os.PathLike | None, every: int | None, state: State | None = None) -> None:
        self.path = None if path is None else os.path.abspath(path)  # the working folder may change in the meantime
        self.every = every
        self.n_written = -1  # epochs in the file
        if path is not None and state is not None and os.path.realpath(path) == os.path.realpath(state.path):
            self.n_written = len(state.history)
        self.last, self.seconds = time.perf_counter(), 0.0
        self.labels: dict[str, dict[str, np.ndarray]] = {}

    def prepare(self, labels: Iterable[np.ndarray | None]) -> None:
        """Encode labels once, and refuse those that no file can hold before anything is trained.

        What a killed process left of checkpoints of this name, each as large as a whole one, goes when it is resumed.
        """
        if self.path is not None:
            if self.n_written >= 0:
                _storage.remove_parts(self.path)
            for name, array in zip(LABELS, labels, strict=True):
                if array is not None:
                    self.labels[name] = dict(_storage.parts_of(name, array))

    def is_due(self, n_epochs: int, *, last: bool = False) -> bool:
        """Whether to write after so many epochs."""
        if self.path is None or n_epochs == self.n_written:
            return False
        if last or self.every is not None:
            return last or n_epochs % self.every == 0
        return time.perf_counter() - self.last >= WORK_PER_WRITING * self.seconds

    def write(self, model: Any, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a model, and what a fit needs to go on from there."""
        begin = time.perf_counter()
        header, of_model = model._contents(self.path)
        of_model |= {PREFIX + name: array for name, array in arrays.items()}
        for name, parts in self.labels.items():
            del of_model[name]
            of_model |= parts
        _storage.write(self.path, header | {"checkpoint": about}, of_model)
        self.n_written = len(header["history"])
        self.last = time.perf_counter()
        self.seconds = self.last - begin


def validated_by(rules: NamedTuple) -> dict[str, Any]:
    """Return the arguments of `fit` that say how it is validated."""
    return {ARGUMENTS.get(name, name): comparable(value) for name, value in rules._asdict().items()}


def comparable(value: Any) -> Any:
    """Return a setting as it comes back from a file."""
    return _storage.jsonable(value)


def checksum(*arrays: np.ndarray | tuple[int, ...] | None) -> str:
    """Return sizes and the CRC-32 of arrays, by which other data are told."""
    crc, sizes = 0, []
    for array in arrays:
        part = np.ascontiguousarray(array)
        crc = zlib.crc32(part.reshape(-1).view(np.uint8), crc)
        sizes.append(str(part.size))
    return f"{crc:08x}:{','.join(sizes)}"


def data_of(matrix: Any, positives: Any, contexts: Any, given: Any, held_out: Any, sides: Any) -> dict[str, Any]:
    """Return checksums of all that a fit learns from, by the argument that it comes from; None where there is none."""
    validation = None
    if held_out is not None:
        wanted, liked = held_out.wanted, held_out.liked
        validation = checksum(held_out.users, wanted.indptr, wanted.indices, liked.indptr, liked.indices)
    features = [None if side is None else checksum(*of_matrix(side.features)) for side in sides]
    return {
        "user_items": checksum(matrix.shape, positives.indptr, positives.indices),
        "contexts": checksum(*contexts.told_by()) if len(contexts.weights) else None,
        "weights": checksum(positives.weights) if len(positives.weights) else None,
        "negatives": None if given is None else checksum(given.indptr, given.indices),
        "validation": validation,
        "user_features": features[0],
        "item_features": features[1],
    }


def of_matrix(matrix: Any) -> tuple[Any, ...]:
    """Return what a sparse matrix is."""
    return matrix.shape, matrix.indptr, matrix.indices, matrix.data
