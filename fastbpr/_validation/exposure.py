"""Contexts that are looked into, and what is found there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbpr._validation.columns import MAX_LISTED
from fastbpr._validation.lists import check_one_label_per_item
from fastbpr._validation.matrices import describe

HOW_TO_GIVE = "Say in which page, session or basket each row happened: Interactions.from_arrays(..., contexts=...)."


def check_contexts(name: str, value: Any) -> Any:
    """Return the contexts of `Interactions`; refuse what has none."""
    rule = f"{name} must be Interactions with contexts"
    if not hasattr(value, "user_items") or not hasattr(value, "contexts"):
        raise TypeError(f"{rule}, got {type(value).__name__}. {HOW_TO_GIVE}")
    if value.contexts is None:
        raise ValueError(f"{rule}, got some without. {HOW_TO_GIVE}")
    return value.contexts


def check_kinds(name: str, value: Any, kinds: np.ndarray | None) -> list[Any]:
    """Return the kinds of contexts to look at, given as one or several; all must occur in `kinds`."""
    wanted = list(value) if isinstance(value, (list, tuple, set, frozenset, np.ndarray)) else [value]
    known = [] if kinds is None else list(dict.fromkeys(kind for kind in kinds.tolist() if kind is not None))
    listing = ", ".join(map(repr, known[:MAX_LISTED])) + (", ..." if len(known) > MAX_LISTED else "")
    rule = f"{name} must be None, or one or several of the kinds of contexts, {listing or 'of which there are none'}"
    if not wanted:
        raise ValueError(f"{rule}, got none.")
    for kind in wanted:
        if not any(kind is other or kind == other for other in known):
            raise ValueError(f"{rule}, got {describe(kind)}.")
    return wanted


def check_groups(groups: np.ndarray, n_items: int) -> np.ndarray:
    """Return the code of each item's group, negative for none; refuse other items', and groups that say nothing."""
    check_one_label_per_item(len(groups), n_items, name="groups")
    if not (groups >= 0).any():
        raise ValueError("groups must be given for one item at least, got none.")
    return groups


def check_co_exposures(name: str, value: Any, kind: type) -> dict[str, Any]:
    """Return what was measured of each model, by its name."""
    rule = f"{name} must be a mapping from names of models to what co_exposure returned"
    if isinstance(value, kind):
        return {"model": value}
    if not isinstance(value, Mapping):
        raise TypeError(f"{rule}, got {describe(value)}.")
    for label, one in value.items():
        if not isinstance(one, kind):
            raise TypeError(f"{rule}, got {describe(one)} for {label!r}.")
    if not value:
        raise ValueError(f"{rule}, got none.")
    return {str(label): one for label, one in value.items()}


def check_axes(name: str, value: Any, kind: type) -> None:
    """Refuse what cannot be drawn on."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be Axes of matplotlib or None, got {describe(value)}.")
