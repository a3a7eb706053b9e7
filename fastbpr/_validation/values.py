"""Single values, and what the environment must offer."""

from __future__ import annotations

import difflib
import importlib
import math
import numbers
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from fastbpr.errors import MissingExtraError, NotFittedError

MAX_THREADS = 1024


def check_integer(
    name: str, value: Any, *, minimum: int, maximum: int | None = None, other: str | None = None
) -> int | str:
    """Return an integer within bounds as int; or a word that stands for one, where there is such a word."""
    if other is not None and isinstance(value, str) and value == other:
        return value
    rule = f"an integer >= {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    rule += f" or {other!r}" if other is not None else ""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be {rule}, got {value!r}.")
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name} must be {rule}, got {value!r}.")
    return int(value)


def check_num_threads(value: Any) -> int:
    """Return a number of threads; far too many would end the process when OpenMP cannot start them."""
    return check_integer("num_threads", value, minimum=0, maximum=MAX_THREADS)


def check_number(
    name: str, value: Any, *, above: float | None = None, minimum: float | None = None, maximum: float | None = None
) -> float:
    """Return a finite number within bounds as float."""
    rule = "a finite number" + (f" > {above}" if above is not None else "")
    rule += f" >= {minimum}" if minimum is not None else ""
    rule += f" and <= {maximum}" if maximum is not None else ""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {rule}, got {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # an integer that is too large for one
        number = math.inf
    if (
        not math.isfinite(number)
        or (above is not None and number <= above)
        or (minimum is not None and number < minimum)
        or (maximum is not None and number > maximum)
    ):
        raise ValueError(f"{name} must be {rule}, got {value!r}.")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return True or False as bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return a value that is one of `choices`."""
    choices = list(choices)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listing = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {listing}, got {value!r}.")
    return value


def check_instance(name: str, value: Any, kind: type) -> None:
    """Refuse what is not of a class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}.")


def check_known_names(name: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keyword arguments that do not exist, with those that are alike."""
    for word in given:
        if word not in known:
            alike = difflib.get_close_matches(word, list(known), n=2) or list(known)
            raise TypeError(f"{name} must be among {', '.join(alike)}, got {word!r}.")


def check_parameters_exist(model: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse parameters that a model does not have; scikit-learn has a ValueError for them."""
    for name in given:
        if name not in known:
            alike = difflib.get_close_matches(name, list(known), n=2) or list(known)
            raise ValueError(f"parameters must be those of {model}, such as {', '.join(alike)}, got {name!r}.")


def check_callable(name: str, value: Any) -> None:
    """Refuse what is neither None nor callable."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable or None, got {value!r}.")


def check_not_available(name: str, value: Any) -> None:
    """Refuse to switch on what a model cannot do."""
    if check_flag(name, value):
        raise NotImplementedError(f"{name} must be False: a model that fastbpr has not fitted cannot do it.")


def check_seed_kind(name: str, value: Any) -> None:
    """Refuse what `check_seed` refuses, without drawing from a generator."""
    if value is not None and not isinstance(value, (np.random.Generator, np.random.RandomState)):
        check_seed(name, value)


def check_seed(name: str, value: Any) -> int:
    """Return a seed below 2**64 from None (fresh entropy), an integer, or a NumPy generator (which advances)."""
    if value is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**63))
    if isinstance(value, np.random.RandomState):
        return int(value.randint(2**31 - 1))
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be None, an integer >= 0 or a NumPy Generator, got {value!r}.")
    if value < 0:
        raise ValueError(f"{name} must be None, an integer >= 0 or a NumPy Generator, got {value!r}.")
    return int(np.random.SeedSequence(int(value)).generate_state(1, np.uint64)[0])


def check_strengths(name: str, value: Any, parts: tuple[str, ...], *, default: float) -> dict[str, float]:
    """Return one strength >= 0 per part, from a number for all or a mapping that names some."""
    if isinstance(value, Mapping):
        unknown = [part for part in value if part not in parts]
        if unknown:
            raise ValueError(f"{name} must be a number or a mapping with keys among {', '.join(parts)}, got the key "
                             f"{unknown[0]!r}.")  # fmt: skip
        return {part: check_number(f"{name}[{part!r}]", value.get(part, default), minimum=0) for part in parts}
    return dict.fromkeys(parts, check_number(name, value, minimum=0))


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which command installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.partition('.')[0]}. Install it: pip install 'fastbpr[{extra}]'."
        ) from error


def check_fitted(model: Any, attribute: str = "item_factors") -> None:
    """Refuse a model without what fitting gives it."""
    if getattr(model, attribute) is None:
        raise NotFittedError(f"{type(model).__name__} must be fitted first: call fit(user_items), or load a model.")
