"""Checkpoints of a fit: where they go, and whether one is of this fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr._validation.files import check_output, whole_model
from fastbpr._validation.values import check_instance, check_integer
from fastbpr.errors import ModelFileError

OTHER_DATA = "Pass what the interrupted fit was given, or fit anew without resume."
OTHER_SETTINGS = "Set it back to go on, or fit anew without resume."


def check_checkpoint(checkpoint: Any, every: Any, resume: Any) -> str | None:
    """Refuse arguments about checkpoints that cannot be followed; return the file to go on from, or None."""
    if checkpoint is None:
        if every is not None:
            raise ValueError(f"every must come with checkpoint, got {every!r} without. Name a file: checkpoint='path'.")
        if resume is True:
            raise ValueError(
                "resume must be a path, or True together with checkpoint, got True without. Name the file."
            )
    else:
        check_file_name("checkpoint", checkpoint)
        check_output("checkpoint", os.path.realpath(checkpoint))
    if every is not None:
        check_integer("every", every, minimum=1)
    if resume is None or resume is False:
        return None
    if resume is True:
        return os.fspath(checkpoint) if Path(checkpoint).exists() else None
    check_file_name("resume", resume, other=" or True")
    return os.fspath(resume)


def check_file_name(name: str, value: Any, other: str = "") -> None:
    """Refuse what names no file."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path (a string or an os.PathLike){other}, got {value!r}.")


def check_is_checkpoint(path: Any, header: Mapping[str, Any]) -> None:
    """Refuse a file that does not say how the fit it was written by goes on; a model that was just saved does not."""
    if "checkpoint" not in header:
        raise ModelFileError(
            f"resume must be a checkpoint, written by fit(checkpoint=...), but {os.fspath(path)!r} is a model that was "
            "saved, without what training needs to go on. BPR.load reads it."
        )
    problem = "does not say how training goes on: it is damaged or of another version"
    with whole_model(path, problem, (TypeError, ValueError, KeyError), kind="checkpoint"):
        about = header["checkpoint"]
        check_instance("checkpoint", about, dict)
        check_integer("seed", about["seed"], minimum=0, maximum=2**64 - 1)
        check_integer("n_before", about["n_before"], minimum=0)
        for name in ("rules", "data"):
            check_instance(name, about[name], dict)


def check_same_kind(path: Any, kind: type, model: Any) -> None:
    """Refuse a checkpoint of another kind of model."""
    if not issubclass(type(model), kind):
        raise ValueError(
            f"resume must be a checkpoint of a {type(model).__name__}, but {os.fspath(path)!r} is one of a "
            f"{kind.__name__}."
        )


def check_same_settings(path: Any, now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings than those of the checkpoint."""
    for name in [*now, *(name for name in before if name not in now)]:
        values = now.get(name), before.get(name)
        if values[0] != values[1]:
            raise ValueError(
                f"{name} must be {values[1]!r} as in the checkpoint {os.fspath(path)!r}, got {values[0]!r}. "
                f"{OTHER_SETTINGS}"
            )


def check_same_seed(path: Any, now: int, before: int) -> None:
    """Refuse to go on with another seed than that of the checkpoint."""
    if now != before:
        raise ValueError(
            f"random_state must be the one of the checkpoint {os.fspath(path)!r}, got another. {OTHER_SETTINGS}"
        )


def check_same_data(path: Any, now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Refuse to go on with other data than those of the checkpoint; compared are sizes and checksums, by argument."""
    for name, found in now.items():
        if found != before.get(name):
            got = "none" if found is None else "others" if before.get(name) is not None else "some"
            was = "left out" if before.get(name) is None else "the same"
            raise ValueError(
                f"{name} must be {was} as in the fit that wrote the checkpoint {os.fspath(path)!r}, got {got}. "
                f"{OTHER_DATA}"
            )


def check_same_labels_as_before(path: Any, what: str, now: np.ndarray | None, before: np.ndarray | None) -> None:
    """Refuse to go on with other users or items."""
    if (now is None) != (before is None) or (now is not None and not np.array_equal(now, before)):
        raise ValueError(
            f"user_items must have the {what} labels of the checkpoint {os.fspath(path)!r}, in the same order, got "
            f"others. {OTHER_DATA}"
        )


def check_state_fits(fits: bool) -> None:
    """Refuse arrays of a state that are not of the sizes that the fit needs."""
    if not fits:
        raise ValueError("The arrays of a checkpoint must be of the sizes of the fit.")
