"""Names of products, from which people see what is alike."""

from __future__ import annotations

import numpy as np

# ruff: noqa: SIM905 (words are easier to read and change in a text than in a list)
NOUNS = (
    "lantern teapot cushion candle blanket basket mirror vase clock kettle apron bowl broom chair chest curtain "
    "doormat drum easel fan frame globe hammock jug kite ladder lamp mug notebook oven paintbrush pillow plate puzzle "
    "quilt rug saucer scarf shelf spoon stool sundial table toolbox towel trellis tray umbrella whistle wreath"
).split()
PLACES = "garden kitchen travel winter party office picnic nursery beach attic studio cabin".split()
VARIANTS = np.array(
    "red blue green white black silver golden ivory oak bamboo copper glass linen striped dotted floral vintage rustic "
    "small large folding woven painted plain".split()
)
MAX_CLUSTERS = len(NOUNS) * (1 + len(PLACES))  # each family has a name of its own


def product_names(clusters: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Name items such as "red lantern 01": a variant, the family, and the rank by popularity in the family."""
    families = [noun if place is None else f"{place} {noun}" for place in (None, *PLACES) for noun in NOUNS]
    variants = VARIANTS[(5 * clusters + 7 * places) % len(VARIANTS)]
    return np.array(
        [
            f"{variant} {families[cluster]} {place + 1:02d}"
            for variant, cluster, place in zip(variants, clusters.tolist(), places.tolist(), strict=True)
        ]
    )
