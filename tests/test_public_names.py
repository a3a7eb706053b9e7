"""What modules offer: the names that they list, and what the README uses of them."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

MODULES = [
    "fastbpr",
    "fastbpr.baselines",
    "fastbpr.compat.implicit.bpr",
    "fastbpr.compat.implicit.evaluation",
    "fastbpr.compat.implicit.utils",
    "fastbpr.compat.lightfm",
    "fastbpr.compat.lightfm.cross_validation",
    "fastbpr.compat.lightfm.data",
    "fastbpr.compat.lightfm.evaluation",
    "fastbpr.diagnosis",
    "fastbpr.errors",
    "fastbpr.evaluation",
    "fastbpr.export",
    "fastbpr.features",
    "fastbpr.interactions",
    "fastbpr.splitting",
    "fastbpr.tuning",
]
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def public(module):
    """Public names of a module, and what they are."""
    module = importlib.import_module(module)
    return {name: getattr(module, name) for name in module.__all__}


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_listed_once_and_documented(module):
    names = importlib.import_module(module).__all__
    assert list(names) == sorted(set(names))
    for name, thing in public(module).items():
        assert isinstance(thing, str) or inspect.getdoc(thing), name


def test_every_exception_is_public_and_at_hand_at_the_top():
    raised = {name for name, thing in vars(importlib.import_module("fastbpr.errors")).items() if inspect.isclass(thing)}
    assert set(public("fastbpr.errors")) == raised <= set(public("fastbpr"))


FUNCTIONS = [
    (f"{module}.{name}", function)
    for module in MODULES
    if module not in ("fastbpr", "fastbpr.errors", "fastbpr.interactions")
    for name, thing in public(module).items()
    for function in ([thing] if inspect.isfunction(thing) else vars(thing).values() if inspect.isclass(thing) else [])
    if inspect.isfunction(function) and not function.__name__.startswith("_")
]


@pytest.mark.parametrize("function", [function for _, function in FUNCTIONS], ids=[name for name, _ in FUNCTIONS])
def test_a_public_function_shows_an_example_and_one_that_takes_arguments_names_its_errors(function):
    text = inspect.getdoc(function)
    assert ">>> " in text
    if set(inspect.signature(function).parameters) - {"self"}:
        assert "Raises\n------" in text


def test_the_readme_uses_public_names_only():
    used = {
        (module, name.strip())
        for module, names in re.findall(r"from (fastbpr[.\w]*) import ([\w, ]+)", README)
        for name in names.split(",")
    }
    used |= set(re.findall(r"\b(fastbpr\.[a-z]+)\.(\w+)", README))
    assert len(used) > 5
    for module, name in used:
        listed = getattr(importlib.import_module(module), "__all__", None)
        assert hasattr(importlib.import_module(module), name) if listed is None else name in listed, (module, name)
