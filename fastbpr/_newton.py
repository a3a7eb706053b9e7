"""Minima of strictly convex functions of one vector, by Newton's method, for many vectors beside each other.

Every vector is found by itself: neither the others that are asked for nor the number of threads change a bit of it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

MAX_STEPS = 100  # of which the method takes five to ten
NEAR = 1e-4  # what is left to gain, relative to the value, from where a whole step leads so near that none is to follow
ENOUGH = 1e-4  # of the fall that the gradient promises; Armijo's rule
ROUNDING = 1e-5  # how exact values are in float32, relative to them
SHARE = 32  # rows that a thread takes at a time


class Function(Protocol):
    """What is minimised."""

    def derivatives(self, vector: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return (f, f', f'') at a vector, of shapes (), (n,) and (n, n)."""


def softplus_and_sigmoid(margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ln(1 + exp(t)) and its slope 1 / (1 + exp(-t)), from exponentials that cannot overflow."""
    total = 1 + np.exp(-np.abs(margins))
    value = np.log(total)
    value += np.maximum(margins, 0)
    slope = np.exp(np.minimum(margins, 0))
    slope /= total
    return value, slope


def minimum(function: Function, start: np.ndarray, near: float = NEAR) -> np.ndarray:
    """Return the vector at which a function is least, of the type of `start`.

    A step is taken where the value falls enough, and a shorter one is tried from the same place where it does not. The
    number of exact digits doubles with each step in the end: the last one, which promises no more than a share `near`
    of the value, is taken without looking at where it leads.
    """
    best, step, value, length, promised = start, np.zeros(len(start)), np.inf, 1.0, 0.0
    for _ in range(MAX_STEPS):
        tried = (best + length * step).astype(start.dtype)
        reached, gradient, hessian = function.derivatives(tried)
        if not reached <= value * (1 + ROUNDING) + ENOUGH * length * promised:
            length /= 4
            continue
        best, value, length = tried, float(reached), min(2 * length, 1.0)
        step = -np.linalg.solve(hessian.astype(np.float64), gradient.astype(np.float64))
        promised = float(step @ gradient)
        if -promised <= near * value:
            return (best + step).astype(start.dtype)
    return best


def for_each(n_rows: int, num_threads: int, row: Callable[[int], None]) -> None:
    """Call a function for every row, some in each thread: NumPy leaves the interpreter to others while it computes."""

    def share(first: int) -> None:
        for number in range(first, min(first + SHARE, n_rows)):
            row(number)

    firsts = range(0, n_rows, SHARE)
    if num_threads == 1 or len(firsts) < 2:
        for first in firsts:
            share(first)
        return
    with ThreadPoolExecutor(min(num_threads, len(firsts))) as workers:
        for _ in workers.map(share, firsts):
            pass
