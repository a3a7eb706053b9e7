"""Model files of implicit, as `fastbpr.compat.implicit` writes and reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr._validation.files import is_finite
from fastbpr._validation.implicit import FLOATS
from fastbpr._validation.matrices import describe
from fastbpr._validation.values import check_integer
from fastbpr.errors import ModelFileError


def check_storable_factors(tables: dict[str, Any], factors: int) -> None:
    """Refuse to write factors that could not be read again."""
    for name, table in tables.items():
        if table is None and any(other is not None for other in tables.values()):
            raise ValueError(
                f"{name} must be given to save the model, as the other vectors are, got None. Fit it first."
            )
        if table is not None and not is_whole_table(table, factors):
            raise ValueError(
                f"{name} must be an array of finite numbers, dtype {' or '.join(FLOATS)}, shape (n, {factors + 1}) for "
                f"factors={factors}, to be saved, got {describe(table)}, shape {np.shape(table)}."
            )


def is_whole_table(table: Any, factors: int) -> bool:
    """Whether an array has vectors with one more column, and nothing else."""
    return (
        isinstance(table, np.ndarray)
        and table.dtype.name in FLOATS
        and table.ndim == 2
        and table.shape[1] == factors + 1
        and is_finite(table)
    )


def check_saved_factors(path: Any, tables: dict[str, np.ndarray], factors: Any) -> None:
    """Refuse a file whose factors, if it has any, are not finite vectors of users and items with a last column each."""
    whole = all(is_whole_table(table, factors) for table in tables.values())
    if len(tables) == 1 or not whole:
        raise ModelFileError(
            f"path must be a model of implicit's BPR, but {str(path)!r} has no factors of users and items that are "
            f"finite and fit each other and factors={factors!r}."
        )


def check_saved_parameters(parameters: dict[str, Any]) -> None:
    """Refuse what the model's constructor would take but no model of implicit's has."""
    check_integer("factors", parameters["factors"], minimum=1)
    check_integer("n_epochs", parameters["n_epochs"], minimum=0)
    if parameters["dtype"] not in FLOATS:
        raise ValueError(f"dtype must be one of {', '.join(FLOATS)}, got {parameters['dtype']!r}.")


def check_read_by_path(source: Any, is_path: bool) -> None:
    """Refuse to read a file of `fastbpr.BPR` that is open already."""
    if not is_path:
        raise ModelFileError(
            "fileobj_or_path must be a path where the file is one that fastbpr.BPR wrote, got the open file "
            f"{describe(source)}. Pass its path."
        )


def check_no_user_biases(name: str, biases: Any) -> None:
    """Refuse a model whose scores have a part that implicit's models cannot have."""
    if biases is not None:
        raise ValueError(
            f"{name} must have no biases of users, which implicit's models cannot have, got one with them: its scores "
            "would be others. Fit it with another loss than 'logistic'."
        )
