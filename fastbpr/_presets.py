"""Settings that are decided by the data: what `BPR.preset` leaves to `fit`.

The rules come from validation rows of the public data sets that benchmarks/README.md lists: the presets' settings there
are what won on several of them, not on one.
"""

from __future__ import annotations

from typing import NamedTuple

AUTO = "auto"


class Size(NamedTuple):
    """What the rules look at."""

    n_users: int
    n_items: int
    n_interactions: int

    @property
    def density(self) -> float:
        """Share of the catalogue that a user has, on average."""
        return self.n_interactions / (self.n_users * self.n_items)


def power_of_two(number: float, lowest: int, highest: int) -> int:
    """Return the power of two that is nearest by ratio, within bounds."""
    power = lowest
    while power < highest and power * 2**0.5 < number:
        power *= 2
    return power
