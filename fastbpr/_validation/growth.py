"""Labels and titles of rows that come behind those that a model has."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr._validation.columns import check_column

NUMBERS = set("iuf")


def check_labels_wanted(what: str, known: np.ndarray | None, given: Any, n_new: int) -> None:
    """Refuse labels for a model without, and none for a model with labels."""
    name = f"{what}_labels"
    if known is None and given is not None:
        raise ValueError(f"{name} must be left out: the model has no {what} labels, only row numbers.")
    if known is not None and given is None:
        raise ValueError(f"{name} must be given: the model has labels. Pass one for each of the {n_new} new {what}s.")


def check_new_labels(what: str, codes: np.ndarray, labels: np.ndarray, is_known: np.ndarray, n_new: int) -> None:
    """Refuse other than one label for each new row, missing labels, and those that are there already.

    `codes` number the distinct `labels` of the rows, from 0 on, and `is_known` says which of them the model has.
    """
    name = f"{what}_labels"
    if len(codes) != n_new:
        raise ValueError(f"{name} must have one label for each of {n_new} new {what}s, got {len(codes)}.")
    if (codes < 0).any():
        raise ValueError(f"{name} must have a label for every new {what}, got {np.count_nonzero(codes < 0)} missing.")
    is_twice = is_known | (np.bincount(codes, minlength=len(labels)) > 1)
    if is_twice.any():
        twice = labels[is_twice].tolist()[0]
        raise ValueError(f"{name} must be new and differ from each other, got {twice!r} twice.")


def check_joined_labels(what: str, known: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return labels with new ones behind them, of the same kind: text behind text, numbers behind numbers."""
    if not len(new):
        return known
    kinds, kind = {known.dtype.kind, new.dtype.kind}, str(known.dtype)
    if known.dtype.kind == "O":
        is_text = all(isinstance(label, str) for label in known.tolist())
        bad = [label for label in new.tolist() if is_text and not isinstance(label, str)]
        bad = bad or (new.tolist() if new.dtype.kind in "mM" else [])
        joined, kind = np.concatenate([known, new.astype(object)]), "text" if is_text else kind
    elif len(kinds) == 1 or kinds <= NUMBERS:
        joined = np.concatenate([known, new])
        both = known.tolist() + new.tolist()
        bad = [] if len(kinds) == 1 or joined.tolist() == both else new.tolist()  # what a float cannot hold
    else:
        bad = new.tolist()
    if bad:
        raise TypeError(f"{what}_labels must be of the model's kind of labels, {kind}, got {bad[0]!r}.")
    return joined


def check_new_names(known: np.ndarray | None, given: Any, n_new: int) -> np.ndarray | None:
    """Return a model's titles with new ones behind them; None for a model without titles."""
    if known is None:
        return None
    values = [None] * n_new if given is None else check_column("item_names", given).tolist()
    if len(values) != n_new:
        raise ValueError(f"item_names must have one title for each of {n_new} new items, got {len(values)}.")
    new = np.empty(n_new, dtype=object)
    new[:] = values
    return np.concatenate([known.astype(object), new])
