"""How items are compared: each choice maps their vectors, and the cosine of what comes out is the similarity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastbpr import _retrieval
from fastbpr._blocks import slices

CHUNK = 2**14  # vectors in double precision at once
ROUNDING = 4 * np.finfo(np.float32).eps  # what is left of a vector, as a share, where nothing should be


def as_they_are(items: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Return q_i."""
    return items


def centred(items: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Return q_i - mean of all q, without what every item's vector has in common."""
    return items - items.mean(axis=0, dtype=np.float64).astype(np.float32)


def in_user_space(items: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Return R q_i with R'R = P'P, so that products of two are those of the items' scores (P q_i).(P q_j).

    R is the symmetric square root, which unlike a Cholesky factor exists when users span fewer dimensions, too.
    """
    gram = np.zeros((users.shape[1], users.shape[1]))
    for block in slices(len(users), CHUNK):
        part = users[block].astype(np.float64)
        gram += part.T @ part
    squares, axes = np.linalg.eigh(gram)
    root = axes * np.sqrt(np.maximum(squares, 0)) @ axes.T
    mapped = np.empty(items.shape, dtype=np.float32)
    for block in slices(len(items), CHUNK):
        mapped[block] = items[block].astype(np.float64) @ root
    return mapped


MAPS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cosine": as_they_are,
    "centred": centred,
    "user-space": in_user_space,
}


def without(items: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return q_i - D'D q_i, where D has the directions as rows: what is left of one of length 1 is orthogonal to it.

    Of a shorter one, of length sqrt(s), the share s is taken out.
    """
    rest = np.empty(items.shape, dtype=np.float32)
    directions = directions.astype(np.float64)
    for first in range(0, len(items), CHUNK):
        part = items[first : first + CHUNK].astype(np.float64)
        rest[first : first + CHUNK] = part - (part @ directions.T) @ directions
    rest[_retrieval.lengths(rest) <= ROUNDING * _retrieval.lengths(items)] = 0
    return rest


def compared_vectors(
    items: np.ndarray, users: np.ndarray | None, choice: str, removed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (mapped vectors of all items, without the directions `removed`; 1 / their lengths with 0 for none).

    Rounding leaves a rest where mapping ends at zero, as the mean of equal vectors does: what is as small as that
    beside the vector itself has no direction.
    """
    if removed is not None:
        items = without(items, removed)
    mapped = MAPS[choice](items, users)
    scale = _retrieval.inverse_norms(mapped)
    if choice == "centred":
        scale[_retrieval.lengths(mapped) <= ROUNDING * _retrieval.lengths(items)] = 0
    return mapped, scale
