"""How interactions are divided."""

from __future__ import annotations

import datetime
import math
import numbers
import warnings
from typing import Any

import numpy as np

from fastbpr._validation.matrices import describe

HOW_TO_TIME = "Build Interactions with them: Interactions.from_arrays(users, items, timestamps=...)."


def check_part(name: str, value: Any) -> float:
    """Return a share that is neither nothing nor all as float."""
    rule = f"{name} must be a number between 0 and 1, neither included"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{rule}, got {value!r}.")
    if not 0 < value < 1:
        raise ValueError(f"{rule}, got {value!r}.")
    return float(value)


def check_enough(name: str, n: int, what: str, *, minimum: int) -> None:
    """Refuse what is too little to be divided."""
    if n < minimum:
        raise ValueError(f"{name} must have at least {minimum} {what} to be split, got {n}.")


def check_timestamps(name: str, interactions: Any, *, needed: bool) -> np.ndarray | None:
    """Return the times of the entries, None without; refuse their absence where ``by="time"`` needs them."""
    timestamps = getattr(interactions, "timestamps", None)
    if needed and timestamps is None:
        raise ValueError(
            f"by must be 'random' where {name} have no timestamps, got 'time' and {type(interactions).__name__}. "
            f"{HOW_TO_TIME}"
        )
    return timestamps


def check_timed(name: str, interactions: Any) -> np.ndarray:
    """Return the times of the entries; refuse interactions without."""
    timestamps = getattr(interactions, "timestamps", None)
    if timestamps is None:
        raise ValueError(f"{name} must have timestamps, got {type(interactions).__name__} without. {HOW_TO_TIME}")
    return timestamps


def check_cut(name: str, value: Any, timestamps: np.ndarray) -> Any:
    """Return a moment that some timestamps precede and some do not; there are timestamps."""
    moment = date_of(name, value) if timestamps.dtype.kind == "M" else number_of(name, value)
    earliest, latest = timestamps.min(), timestamps.max()
    if not earliest < moment <= latest:
        raise ValueError(
            f"{name} must be after the earliest timestamp, {earliest}, and not after the latest, {latest}, got "
            f"{describe(value)}."
        )
    return moment


def date_of(name: str, value: Any) -> np.datetime64:
    """Return a date; one with a time zone in UTC, as `Interactions` keep them."""
    rule = f"{name} must be a date, or a text such as '2024-05-31T12:00' without time zone, as timestamps are dates"
    if not isinstance(value, (str, datetime.date, np.datetime64)):
        raise TypeError(f"{rule}, got {describe(value)}.")
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns that it passes over a time zone
        try:
            moment = np.datetime64(value)
        except (ValueError, Warning):
            moment = np.datetime64("NaT")
    if np.isnat(moment):
        raise ValueError(f"{rule}, got {describe(value)}.")
    return moment


def number_of(name: str, value: Any) -> int | float:
    """Return a finite number; an integer stays one, for a float cannot tell large ones apart."""
    rule = f"{name} must be a finite number, as timestamps are numbers"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{rule}, got {describe(value)}.")
    if not math.isfinite(value):
        raise ValueError(f"{rule}, got {describe(value)}.")
    return int(value) if isinstance(value, numbers.Integral) else float(value)
