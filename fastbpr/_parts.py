"""Work in parts that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def parts_of(sizes: np.ndarray, at_once: int) -> Iterator[slice]:
    """Divide things of these sizes into runs of about `at_once` together; each has one thing at least."""
    numbers = np.cumsum(sizes, dtype=np.int64) // at_once
    bounds = np.append(np.flatnonzero(np.diff(numbers, prepend=-1)), len(sizes))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield slice(first, last)
