"""Generated logs whose truth is known: for a first look, and for tests that need an answer to compare with."""

from fastbpr.datasets._names import MAX_CLUSTERS
from fastbpr.datasets.shop import Shop, simulate_shop

__all__ = ["MAX_CLUSTERS", "Shop", "simulate_shop"]
