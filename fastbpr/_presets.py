"""Settings that the data decide: what ``"auto"`` stands for in a fit, and the presets that make use of it.

The rules come from validation rows of public data sets of very different density; benchmarks/README.md has the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

AUTO = "auto"
DECIDED = ("factors", "n_candidates", "regularization")  # in this order: the last depends on those before it

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "factors": 32,
        "iterations": 20,
        "init_scale": 0.05,
        "negatives": "dynamic",
        "n_candidates": 4,
        "regularization": AUTO,
    },
    "balanced": {
        "factors": 64,
        "iterations": 40,
        "learning_rate": 0.1,
        "init_scale": 0.05,
        "negatives": "dynamic",
        "n_candidates": AUTO,
        "regularization": AUTO,
    },
    "best": {
        "factors": AUTO,
        "iterations": 80,
        "learning_rate": 0.1,
        "init_scale": 0.05,
        "loss": "softmax",
        "n_negatives": 8,
        "negatives": "dynamic",
        "n_candidates": AUTO,
        "regularization": AUTO,
    },
}


class Size(NamedTuple):
    """What the rules look at."""

    n_users: int  # who have anything
    n_items: int
    n_interactions: int

    @property
    def density(self) -> float:
        """Share of the catalogue that a user has, on average."""
        return self.n_interactions / (self.n_users * self.n_items)


def decided(parameters: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """Return the values of the parameters that are ``"auto"``."""
    settings = dict(parameters)
    rules = {"factors": factors_for, "n_candidates": candidates_for, "regularization": regularization_for}
    for name in DECIDED:
        if settings[name] == AUTO:
            settings[name] = rules[name](settings, size)
    return {name: settings[name] for name in DECIDED if parameters[name] == AUTO}


def factors_for(settings: Mapping[str, Any], size: Size) -> int:
    """Return 64 to 256 factors: more where there are more interactions to learn them from."""
    return power_of_two(size.n_interactions**0.5 / 4, 64, 256)


def candidates_for(settings: Mapping[str, Any], size: Size) -> int:
    """Return how many candidates have an item that the user would like among them in about 5 % of the draws.

    What users have stands for what they would like, so that is 0.05 / density. More candidates are harder negatives,
    but where the catalogue is dense the hardest are items that the user has just not come across. A positive is given
    4 draws in all at least, which helped the densest catalogues, too, and 256 at most: beyond that, time grows and
    lists hardly gain.
    """
    if settings["loss"] == "softmax":
        fewest, most = 4 / settings["n_negatives"], 256 / settings["n_negatives"]
    else:
        fewest, most = 4, 64
    return power_of_two(0.05 / size.density, power_of_two(fewest, 1, 4), power_of_two(most, 1, 64))


def regularization_for(settings: Mapping[str, Any], size: Size) -> float:
    """Return 0.1 for a softmax where rows have 60 interactions or fewer, and less in proportion where they have more.

    Half of it suits single dynamic negatives, and an eighth negatives that are no harder than others.
    """
    per_row = size.n_interactions / (size.n_users * size.n_items) ** 0.5
    return round(hardness(settings) * min(0.1, 6 / per_row), 4)


def hardness(settings: Mapping[str, Any]) -> float:
    """Return how strong a regularization suits a loss and its negatives, of that which suits a softmax."""
    return 1 if settings["loss"] == "softmax" else 1 / 2 if settings["negatives"] == "dynamic" else 1 / 8


def power_of_two(number: float, lowest: int, highest: int) -> int:
    """Return the power of two that is nearest by ratio, from `lowest` to `highest`, which are such powers."""
    power = lowest
    while power < highest and power * 2**0.5 < number:
        power *= 2
    return power
