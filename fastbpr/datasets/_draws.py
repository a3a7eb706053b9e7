"""Many draws at once."""

from __future__ import annotations

import numpy as np


def draw_columns(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
    """Draw a column number for every row, with the row's probabilities, of which the first is above 0."""
    passed = rng.random(len(shares), dtype=np.float32)[:, None] >= np.cumsum(shares, axis=1)[:, :-1]
    return passed.sum(axis=1)


def draw_items(
    rng: np.random.Generator, clusters: np.ndarray, item_clusters: np.ndarray, popularity: np.ndarray
) -> np.ndarray:
    """Draw an item of each of `clusters`, in proportion to its popularity.

    On a line, family c takes the stretch from c to c + 1 and each of its items a part of it; a draw is a point.
    """
    order = np.argsort(item_clusters, kind="stable")
    ends = np.cumsum(popularity[order])
    last_of_cluster = np.flatnonzero(np.diff(item_clusters[order], append=-1))
    upper = ends[last_of_cluster]
    lower = np.concatenate([[0.0], upper[:-1]])
    of_item = item_clusters[order]
    line = of_item + (ends - lower[of_item]) / (upper - lower)[of_item]
    points = clusters + rng.random(len(clusters), dtype=np.float32).astype(np.float64)  # never rounds up to c + 1
    return order[np.searchsorted(line, points, side="right")]


def running_number(groups: np.ndarray) -> np.ndarray:
    """Number the members of every group from 0, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    numbers = np.empty(len(groups), dtype=np.int64)
    numbers[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return numbers
