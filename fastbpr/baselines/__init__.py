"""Models that need no training by gradients: what a result must beat to mean something.

`Popularity` and `Random` learn nothing about anybody. `ItemCooccurrence` counts who has what together, and `EASE`
solves for the best weights from item to item: both are strong, and hard to beat where there is little data.
"""

from fastbpr.baselines._cooccurrence import ItemCooccurrence
from fastbpr.baselines._ease import EASE
from fastbpr.baselines._popularity import Popularity
from fastbpr.baselines._random import Random

__all__ = ["EASE", "ItemCooccurrence", "Popularity", "Random"]
