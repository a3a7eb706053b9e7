"""What a fit that goes on from a model may be given."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr._validation.hybrid import SIDES


def check_no_rows_without_labels(model: Any, user_items: Any) -> None:
    """Refuse new rows that nobody could name, in a model whose rows have labels."""
    for what, n_now in zip(SIDES, getattr(user_items, "shape", ()), strict=False):
        labels = getattr(model, f"{what}_labels")
        if labels is not None and n_now > len(labels):
            raise ValueError(
                f"user_items must be Interactions to bring new {what}s to a model that has labels, got a matrix with "
                f"{n_now - len(labels)} more {what}s than the model."
            )


def check_nothing_to_replay(replay: Any) -> None:
    """Refuse old data for a model that has learned nothing."""
    if replay is not None:
        raise ValueError("replay must be None for a model that has not been fitted. Give all data as user_items.")


def check_replay(debias: Any, weights: Any) -> None:
    """Refuse what old data cannot be mixed in with."""
    if debias is not None:
        raise ValueError(
            f"debias must be None with replay, in which interactions lose their contexts, got {debias!r}. Fit again "
            "with all data."
        )
    if weights is not None and not isinstance(weights, str):
        raise ValueError(
            f"weights must be None, 'values' or 'ignore' with replay, got {type(weights).__name__}. Make Interactions "
            "with weights."
        )


def check_replay_found(*labels: np.ndarray | None) -> None:
    """Refuse old data with labels for a model without, in whose rows they cannot be found."""
    if any(part is None for part in labels):
        raise TypeError(
            "replay must be a SciPy sparse matrix with the rows and columns of user_items for a model without labels, "
            "got Interactions. Pass a matrix, or fit the model to Interactions."
        )


def check_biases_go_on(item_bias: bool, known: np.ndarray) -> None:
    """Refuse to go on without biases that a model has learned: its lists would be others at once."""
    if not item_bias and known.any():
        raise ValueError("item_bias must stay True to go on with this model, got False. Fit anew to change it.")


def check_both_have_weights(new: Any, old: Any, weights: Any) -> None:
    """Refuse to mix weights with counts, or to leave out those of one side, before anybody has said so."""
    has_weights = [getattr(data, "has_weights", False) for data in (new, old)]
    if weights is None and has_weights[0] != has_weights[1]:
        raise ValueError(
            f"replay must have {'weights' if has_weights[0] else 'no weights'}, as user_items, got "
            f"{type(old).__name__} {'without' if has_weights[0] else 'with weights'}. Make both with weights, or pass "
            "weights='ignore' to count every interaction once, weights='values' to take the values as they are."
        )


def check_replay_fits(old: tuple[int, int], new: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of the data; refuse old data with rows that it has not."""
    if old[0] > new[0] or old[1] > new[1]:
        raise ValueError(f"replay must have no users or items beyond those of user_items, {new}, got shape {old}.")
    return new
