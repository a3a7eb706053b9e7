"""What is searched, and how a point of it becomes the parameters of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastbpr import _validation
from fastbpr._negatives import WARP_LOSSES
from fastbpr._parameters import DEFAULT_REGULARIZATION, REGULARISED
from fastbpr._tables import DEFAULT_SCALE
from fastbpr._validation import Range
from fastbpr.bpr import BPR, PARAMETERS

MULTIPLIERS = {f"{part}_multiplier": part for part in REGULARISED if part != "user"}
SPACE = {
    "factors": [32, 64, 128, 256],
    "learning_rate": Range(0.02, 0.6, log=True),
    "regularization": Range(1e-4, 0.2, log=True),  # of users; the others' is this times their multiplier
    "positive_multiplier": Range(0.01, 2.0, log=True),
    "negative_multiplier": Range(0.1, 5.0, log=True),
    "bias_multiplier": Range(0.01, 5.0, log=True),
    "loss": ["bpr", "warp", "softmax"],
    "n_negatives": [1, 2, 4, 8, 16],
    "max_sampled": [5, 10, 20, 50],
    "negatives": ["uniform", "dynamic"],
    "n_candidates": [2, 4, 8, 16, 32, 64],
    "item_bias": [True, False],
    "init_scale": Range(0.01, 0.5, log=True),
    "iterations": Range(25, 400, log=True),
}
# Parameters that mean something with some values of another parameter only.
ONLY_WITH = {
    "n_negatives": ("loss", "softmax"),
    "max_sampled": ("loss", *WARP_LOSSES),
    "n_positives": ("loss", "k-os-warp"),
    "positive_rank": ("loss", "k-os-warp"),
    "rho": ("optimizer", "adadelta"),
    "epsilon": ("optimizer", "adadelta"),
    "n_candidates": ("negatives", "dynamic"),
}
NOT_SEARCHED = ("num_threads", "random_state", "debias")


class SearchSpace:
    """Ranges, choices and fixed values by name, in the order in which they are drawn."""

    def __init__(self, base: BPR, overrides: Any) -> None:
        accepted = [name for name in PARAMETERS if name not in NOT_SEARCHED]
        defaults = BPR()
        examples = {name: getattr(defaults, name) for name in accepted} | dict.fromkeys(MULTIPLIERS, 1.0)
        overrides = _validation.check_space(overrides, examples)
        for name, entry in overrides.items():
            self.check_values(name, entry)
        self.whole = {name for name, example in examples.items() if type(example) is int}
        self.start = {name: getattr(base, name) for name in accepted} | start_of_strengths(base.regularization)
        if self.start["init_scale"] is None:
            init = overrides.get("init", base.init)
            self.start["init_scale"] = DEFAULT_SCALE[init if isinstance(init, str) else base.init]

        searched = {name: widened(entry, self.start[name]) for name, entry in SPACE.items()}
        searched |= overrides
        if isinstance(searched["regularization"], Mapping):
            searched = {name: entry for name, entry in searched.items() if name not in MULTIPLIERS}
        self.searched = {name: entry for name, entry in searched.items() if is_open(entry)}
        fixed = {name: entry for name, entry in searched.items() if not is_open(entry)}
        self.start |= {name: entry[0] if isinstance(entry, list) else entry for name, entry in fixed.items()}

    def check_values(self, name: str, entry: Any) -> None:
        """Let BPR refuse what it does not accept before any time is spent."""
        values = entry[:2] if isinstance(entry, Range) else entry if isinstance(entry, list) else [entry]
        for value in values:
            if name in MULTIPLIERS:
                _validation.check_number(f"space[{name!r}]", value, minimum=0)
            else:
                BPR(**{name: value})

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Draw a point with an Optuna trial."""
        point: dict[str, Any] = {}
        for name, entry in self.searched.items():
            if not self.applies(name, point):
                continue
            if isinstance(entry, list):
                point[name] = trial.suggest_categorical(name, entry)
            elif name in self.whole:
                point[name] = trial.suggest_int(name, entry.low, entry.high, log=entry.log)
            else:
                point[name] = trial.suggest_float(name, entry.low, entry.high, log=entry.log)
        return point

    def applies(self, name: str, point: Mapping[str, Any]) -> bool:
        """Whether a parameter means something beside those drawn so far."""
        if name not in ONLY_WITH:
            return True
        other, *values = ONLY_WITH[name]
        return point.get(other, self.start.get(other)) in values

    def first(self) -> dict[str, Any]:
        """Return the point of the settings to start from, but for what the user's ranges and choices leave out."""
        return {name: self.start[name] for name, entry in self.searched.items() if contains(entry, self.start[name])}

    def point_of(self, model: BPR) -> dict[str, Any]:
        """Return the point of a model's settings, as far as the ranges and choices have them; the rest is drawn."""
        values = {name: getattr(model, name) for name in self.start if hasattr(model, name)}
        values |= start_of_strengths(model.regularization)
        if values["n_candidates"] == 1:  # of one draw the best is that
            values["negatives"] = "uniform"
        point: dict[str, Any] = {}
        for name, entry in self.searched.items():
            if self.applies(name, point) and contains(entry, values.get(name)):
                point[name] = values[name]
        return point

    def parameters(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return what BPR is to be made with."""
        values = self.start | point
        multipliers = {part: values.pop(name) for name, part in MULTIPLIERS.items()}
        strength = values["regularization"]
        if not isinstance(strength, (Mapping, str)) and set(multipliers.values()) != {1.0}:
            parts = {part: strength * multipliers.get(part, 1.0) for part in REGULARISED}
            values["regularization"] = parts
        return values


def start_of_strengths(given: Any) -> dict[str, Any]:
    """Return the strength of users and the others' multipliers; strengths that have none stay together."""
    if not isinstance(given, Mapping):
        return {"regularization": given} | dict.fromkeys(MULTIPLIERS, 1.0)
    strengths = _validation.check_strengths("regularization", given, REGULARISED, default=DEFAULT_REGULARIZATION)
    user = strengths["user"]
    if user == 0:
        return {"regularization": strengths} | dict.fromkeys(MULTIPLIERS, 1.0)
    return {"regularization": user} | {name: strengths[part] / user for name, part in MULTIPLIERS.items()}


def is_open(entry: Any) -> bool:
    """Whether there is something to choose."""
    return isinstance(entry, Range) or (isinstance(entry, list) and len(entry) > 1)


def contains(entry: Any, value: Any) -> bool:
    """Whether a range or a list of choices has a value, which may be none that has an order."""
    if isinstance(entry, Range):
        return isinstance(value, (int, float)) and entry.low <= value <= entry.high
    return value in entry


def widened(entry: Any, value: Any) -> Any:
    """Return a range or choices of ours with the value to start from among them."""
    if isinstance(value, Mapping):  # is kept as it is
        return value
    if contains(entry, value):
        return entry
    if isinstance(entry, list):
        return [*entry, value]
    if value <= 0:  # has no logarithm
        return value
    return Range(min(entry.low, value), max(entry.high, value), entry.log)
