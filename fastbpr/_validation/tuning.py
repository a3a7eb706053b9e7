"""Search spaces and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastbpr._validation.values import check_instance, check_integer, check_number


class Range(NamedTuple):
    """Numbers to search, both ends included."""

    low: float
    high: float
    log: bool


def check_base(name: str, value: Any, kind: type) -> None:
    """Refuse what is no model to start from; one with parameters of its own, too: trials know nothing of features."""
    check_instance(name, value, kind)
    if set(value._parameter_names()) != set(kind._parameter_names()):
        raise TypeError(
            f"{name} must be a {kind.__name__} without parameters of its own, got {type(value).__name__}: trials learn "
            f"from ids alone. Tune a {kind.__name__}, and give what is found to {type(value).__name__}."
        )


def check_budget(minutes: Any, n_trials: Any) -> tuple[float | None, int | None]:
    """Return both; there must be an end."""
    if minutes is None and n_trials is None:
        raise ValueError("minutes or n_trials must be given, got None for both: tuning would not end.")
    return (
        None if minutes is None else check_number("minutes", minutes, above=0),
        None if n_trials is None else check_integer("n_trials", n_trials, minimum=1),
    )


def check_space(space: Any, examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return {name: Range, list of choices, or fixed value}; `examples` have a value of each parameter's type."""
    if space is None:
        return {}
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a mapping of parameter names, got {type(space).__name__}.")
    checked = {}
    for name, entry in space.items():
        if name not in examples:
            raise ValueError(f"space must name parameters among {', '.join(examples)}, got {name!r}.")
        if isinstance(entry, tuple):
            checked[name] = check_range(f"space[{name!r}]", entry, examples[name])
        elif isinstance(entry, list):
            checked[name] = check_choices(f"space[{name!r}]", entry)
        else:
            checked[name] = entry
    return checked


def check_range(name: str, bounds: tuple, example: Any) -> Range:
    """Return (low, high) or (low, high, "log") as a Range, of integers where the parameter is one."""
    if isinstance(example, (bool, str)):
        raise TypeError(f"{name} must be a value or a list of choices, got {bounds!r}: it is no number.")
    if len(bounds) not in (2, 3) or (len(bounds) == 3 and bounds[2] != "log"):
        raise ValueError(f"{name} must be (low, high) or (low, high, 'log'), got {bounds!r}. Choices are a list.")
    log = len(bounds) == 3
    if isinstance(example, int):
        low, high = (check_integer(f"{name}[{place}]", bounds[place], minimum=1) for place in (0, 1))
    else:
        low, high = (check_number(f"{name}[{place}]", bounds[place]) for place in (0, 1))
    if not low < high:
        raise ValueError(f"{name} must have a low end below its high end, got {bounds!r}.")
    if log and low <= 0:
        raise ValueError(f"{name} must have a low end > 0 to be searched by its logarithm, got {bounds!r}.")
    return Range(low, high, log)


def check_choices(name: str, choices: list) -> list:
    """Return choices that a table can hold."""
    if not choices:
        raise ValueError(f"{name} must have at least one choice, got an empty list.")
    for choice in choices:
        if choice is not None and not isinstance(choice, (bool, int, float, str)):
            raise TypeError(f"{name} must have numbers, texts, True, False or None as choices, got {choice!r}.")
    return list(dict.fromkeys(choices))
