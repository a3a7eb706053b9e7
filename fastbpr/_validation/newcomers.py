"""Items and users that came after training."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr._validation.matrices import check_user_items, describe


def check_item_users(name: str, value: Any, n_users: int) -> scipy.sparse.csr_array:
    """Return who has which new item as canonical CSR, one column for each of a model's users."""
    if not scipy.sparse.issparse(value):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_new_items, n_users) or Interactions, got "
            f"{type(value).__name__}. Wrap it: scipy.sparse.csr_array({name})."
        )
    if value.ndim != 2 or value.shape[1] != n_users:
        hint = f" It looks transposed: try {name}.T." if value.ndim == 2 and value.shape[0] == n_users else ""
        raise ValueError(
            f"{name} must have one row for each new item and one column for each of the model's {n_users} users, in "
            f"their order, got shape {value.shape}.{hint}"
        )
    return check_user_items(name, value, allow_empty=True)


def check_labels_left_out(**given: Any) -> None:
    """Refuse labels and titles beside Interactions, which have their own."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} must be left out with Interactions, which have their own, got {describe(value)}.")


def check_some_new(name: str, labels: np.ndarray, is_new: np.ndarray) -> None:
    """Refuse interactions without an item that the model does not know."""
    if not is_new.any():
        raise ValueError(
            f"{name} must have items that the model does not know, got {len(labels)} of which it knows all. Use "
            "fold_in for other users of known items."
        )


def check_rows_given(name: str, value: Any) -> None:
    """Refuse to compute users anew from nothing."""
    if value is None:
        raise ValueError(
            f"{name} must be given with recalculate_user=True, got None: one row for each entry of userid, what each "
            "user has by now."
        )


def check_one_source_of_users(name: str, value: bool, other: str) -> None:
    """Refuse to compute users both from what they have and from what is known about them."""
    if value:
        raise ValueError(
            f"{name} must be False with {other}, got True: users are computed from what they have or from their "
            "features."
        )
