"""Indexes for approximate lists, and exported lists."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr._validation.files import A
from fastbpr.errors import ModelFileError


def check_some_lists(wanted: Mapping[str, bool]) -> list[str]:
    """Return the names of the lists that an index is wanted for, one at least."""
    names = [name for name, is_wanted in wanted.items() if is_wanted]
    if not names:
        raise ValueError(f"One of {', '.join(wanted)} must be True, got False for all. There is nothing to index.")
    return names


def check_has_index(model: Any, index: Any) -> Any:
    """Return the model's index; refuse a model without."""
    if index is None:
        raise ValueError(
            f"The model must have an index, got {type(model).__name__} without. Build one: model.with_index()."
        )
    return index


def check_index_is_current(name: str, is_current: bool) -> None:
    """Refuse lists of an index for other arrays than the model has now."""
    if not is_current:
        raise ValueError(
            f"{name} must be the array that the index was built from, unchanged and read-only, got another one. Build "
            "an index of what the model has now, with_index(), or do without, without_index()."
        )


def check_index_of_model(path: Any, name: str, is_current: bool) -> None:
    """Refuse the file of an index that was built from another model."""
    if not is_current:
        raise ModelFileError(
            f"path must be an index of this model, but {str(path)!r} was built from another one ({name} has other "
            "vectors). Build it anew: with_index() and save_index()."
        )


def check_graph_of_file(path: Any, name: str, is_whole: bool) -> None:
    """Refuse the file of an index with other vectors than it says, by their number, ids or kind."""
    if not is_whole:
        raise ModelFileError(
            f"path must be {A['index']} as fastbpr writes it, but the graph for {name} in {str(path)!r} is not one of "
            "the model's vectors. Build it anew: with_index() and save_index()."
        )


def check_index_parts(path: Any, header: Mapping[str, Any], arrays: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse the file of an index whose header and graphs do not fit each other."""
    graphs, settings = header.get("graphs"), header.get("settings")
    fits = (
        isinstance(graphs, dict)
        and isinstance(settings, dict)
        and type(settings.get("effort")) is int
        and settings["effort"] > 0
        and 0 < len(graphs) == len(arrays)
        and all(
            name in arrays
            and name in known
            and isinstance(graph, dict)
            and isinstance(graph.get("fingerprint"), str)
            and isinstance(graph.get("similarity"), (str, type(None)))
            and arrays[name].dtype == np.uint8
            and arrays[name].ndim == 1
            for name, graph in graphs.items()
        )
    )
    if not fits:
        raise ModelFileError(f"path must be {A['index']} as fastbpr writes it, but the parts of {str(path)!r} are not.")


def check_export_format(name: str, path: Any) -> str:
    """Return "csv" or "parquet", as the name of a file to be written ends."""
    ending = Path(path).suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise ValueError(f"{name} must end with .parquet or .csv, got {str(path)!r}.")
    return ending[1:]


@contextlib.contextmanager
def exportable(name: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn pyarrow's complaint about labels that its tables do not have into ours."""
    try:
        yield
    except errors as error:
        kind = ValueError if isinstance(error, UnicodeError) else TypeError
        raise kind(
            f"{name} must be real numbers, dates or valid text to be exported, got others ({error}). Convert them."
        ) from error


def check_option_of(option: str, value: Any, what: str, only: str) -> None:
    """Refuse an option that does not go with what is exported."""
    if value is not None and what != only:
        raise ValueError(f"--{option} must be left out with --what {what}, got {value!r}. It is for {only}.")


def check_titles_known(titles: bool, names: np.ndarray | None) -> np.ndarray | None:
    """Return titles if they are wanted; refuse to write those of a model that has none."""
    if titles and names is None:
        raise ValueError("titles must be False for a model without titles of items, got True. Fit with item_name.")
    return names if titles else None
