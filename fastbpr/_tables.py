"""The factor tables in the memory layout that the training kernels want."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

LANES = 16  # floats per 64-byte cache line; must equal LANES of the kernels
USER_BIAS = 4  # place in a user's line of extras; must equal that of the kernels
N_SUMS = 4  # of a row and its bias, that an optimiser keeps: in an item's line behind the bias, in a user's first
DEFAULT_SCALE = {"normal": 0.1, "xavier": 1.0}  # of the starting vectors, by kind


class Tables(NamedTuple):
    """Padded, 64-byte aligned rows; `training.pyx` describes the layout."""

    users: np.ndarray  # (n_users, width), and a cache line for extras where there are any
    items: np.ndarray  # (n_items, width), and a cache line for extras where there are any
    factors: int
    width: int  # of the factors with their padding
    item_bias: bool
    user_bias: bool = False
    keeps_sums: bool = False  # of an optimiser
    components: tuple[np.ndarray, ...] = ()  # tables of vectors that rows are sums of, laid out as these rows

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return all tables."""
        return (self.users, self.items, *self.components)

    def like(self) -> Tables:
        """Return tables of the same shapes, with zeros in them."""
        users, items, *components = (np.zeros_like(array) for array in self.arrays())
        return self._replace(users=users, items=items, components=tuple(components))

    def views(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (user_factors, item_factors, item_biases) as views; biases are zeros if there are none."""
        biases = self.items[:, self.width] if self.item_bias else np.zeros(len(self.items), dtype=np.float32)
        return self.users[:, : self.factors], self.items[:, : self.factors], biases

    def user_biases(self) -> np.ndarray | None:
        """Return the users' biases as a view, None if there are none."""
        return self.users[:, self.width + USER_BIAS] if self.user_bias else None

    def sums(self) -> dict[str, np.ndarray]:
        """Return views of what the optimiser remembers of users and items; nothing, if it does not."""
        if not self.keeps_sums:
            return {}
        user_sums = self.users[:, self.width : self.width + N_SUMS]
        return {"user_sums": user_sums, "item_sums": self.items[:, self.width + 1 : self.width + 1 + N_SUMS]}

    def take(self, factors: Sequence[np.ndarray | None], sums: Mapping[str, np.ndarray]) -> None:
        """Write what is known of the first users, items, biases of items and of users, and an optimiser's sums."""
        named = self.sums()
        known_sums = [(named[name], sums[name]) for name in named if name in sums]
        for table, known in [*zip((*self.views(), self.user_biases()), factors, strict=False), *known_sums]:
            if table is not None and known is not None:
                table[: len(known)] = known

    def unpack(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return copies of the `views`, each compact."""
        user_factors, item_factors, item_biases = self.views()
        return user_factors.copy(order="C"), item_factors.copy(order="C"), item_biases.copy()


def pack(
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    item_biases: np.ndarray | None,
    *,
    sums: bool = False,
    user_biases: np.ndarray | None = None,
) -> Tables:
    """Copy compact arrays into tables: without biases where they are None; if asked, with room for optimisers' sums."""
    factors = user_factors.shape[1]
    width = -(-factors // LANES) * LANES
    item_bias = item_biases is not None
    user_bias = user_biases is not None
    users = aligned_zeros(len(user_factors), width + LANES * (user_bias or sums))
    items = aligned_zeros(len(item_factors), width + LANES * (item_bias or sums))
    users[:, :factors] = user_factors
    items[:, :factors] = item_factors
    if item_bias:
        items[:, width] = item_biases
    if user_bias:
        users[:, width + USER_BIAS] = user_biases
    return Tables(users, items, factors, width, item_bias, user_bias, sums)


def starting_rows(
    n_rows: int, factors: int, init: str, init_scale: float | None, rng: np.random.Generator
) -> np.ndarray:
    """Draw the vectors from which training starts; `BPR` documents the kinds."""
    scale = DEFAULT_SCALE[init] if init_scale is None else init_scale
    if init == "normal":
        rows = rng.standard_normal((n_rows, factors), dtype=np.float32)
        rows *= np.float32(scale)
        return rows
    bound = math.sqrt(6 / (n_rows + factors)) * scale
    rows = rng.random((n_rows, factors), dtype=np.float32)
    return (rows * 2 - 1) * np.float32(bound)


def aligned_zeros(n_rows: int, stride: int) -> np.ndarray:
    """Zeros of float32, shape (n_rows, stride), that start on a cache line."""
    raw = np.zeros(n_rows * stride + LANES, dtype=np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + n_rows * stride].reshape(n_rows, stride)
