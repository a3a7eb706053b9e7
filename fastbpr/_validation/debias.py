"""What is given against co-exposure bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastbpr._validation.values import check_integer, check_number


def check_debias(debias: Any, most_in_context: float) -> None:
    """Refuse parameters of `Debias` that are not as they must be."""
    check_number("negative_rate", debias.negative_rate, minimum=0, maximum=most_in_context)
    if debias.context_threshold is not None:
        check_number("context_threshold", debias.context_threshold, above=0)
    check_number("bundling_power", debias.bundling_power, minimum=0, maximum=4)
    if debias.cap is not None:
        check_integer("cap", debias.cap, minimum=1)
    check_number("tetrad_share", debias.tetrad_share, minimum=0, maximum=most_in_context)
    check_number("offset", debias.offset, minimum=0, maximum=1)
    check_number("propensity_power", debias.propensity_power, minimum=0, maximum=1)
    check_number("propensity_clip", debias.propensity_clip, minimum=1)


def check_debias_choice(name: str, value: Any, presets: Iterable[str], kind: type) -> None:
    """Refuse what is neither None, nor a preset's name, nor parameters of `kind`."""
    rule = f"None, {', '.join(repr(preset) for preset in presets)} or a fastbpr.exposure.{kind.__name__}"
    if isinstance(value, str) and value not in presets:
        raise ValueError(f"{name} must be {rule}, got {value!r}.")
    if isinstance(value, Mapping):
        known = [field.name for field in dataclasses.fields(kind)]
        unknown = [key for key in value if key not in known]
        if unknown:
            raise ValueError(f"{name} must have only {', '.join(known)} for keys, got {unknown[0]!r}.")
    elif value is not None and not isinstance(value, (str, kind)):
        raise TypeError(f"{name} must be {rule}, got {value!r}.")


def check_propensities(name: str, value: Any, n_items: int) -> np.ndarray:
    """Return propensities as float64."""
    rule = f"numbers > 0 and <= 1 of shape ({n_items},), one for each item of user_items"
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be {rule}, got {array.dtype} values.")
    if array.shape != (n_items,):
        raise ValueError(f"{name} must be {rule}, got shape {array.shape}.")
    array = array.astype(np.float64)
    if not ((array > 0) & (array <= 1)).all():
        place = int(np.flatnonzero(~((array > 0) & (array <= 1)))[0])
        raise ValueError(f"{name} must be {rule}, got {float(array[place])!r} for item {place}.")
    return array


def check_debias_option(debias: str | None, context: str | None) -> None:
    """Refuse the command line's option where no column of contexts is named."""
    if debias is not None and context is None:
        raise ValueError(
            f"context must be given with --debias {debias}, got none. Name the column with the page, slate or session: "
            "--context COL."
        )


def check_same_interactions(name: str, n_in_rows: int, n_stored: int) -> None:
    """Refuse Interactions whose matrix was changed behind the back of their rows."""
    if n_in_rows != n_stored:
        raise ValueError(
            f"{name} must have the same interactions in its matrix and in the rows of its contexts, got {n_stored:,} "
            f"and {n_in_rows:,}. Make a log anew instead of changing its matrix."
        )
