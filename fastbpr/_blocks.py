"""Dividing rows into blocks, so that what is computed of one block fits in memory."""

from __future__ import annotations

from collections.abc import Iterator


def slices(n: int, size: int) -> Iterator[slice]:
    """Divide 0 .. n - 1 into slices of `size`, 1 at least; the last ends at n."""
    size = max(size, 1)
    return (slice(first, min(first + size, n)) for first in range(0, n, size))
