"""Tables of lists for other programs: neighbours of all items, recommendations for all users, as Parquet or CSV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from fastbpr import _storage, _validation
from fastbpr._blocks import slices

__all__ = ["neighbours", "recommendations"]

ROWS = 2**19  # of a table at once, a row group of a Parquet file
MANY_QUERIES = 2**13  # from so many at once on, lists take no less time each


def neighbours(
    model: Any,
    path: str | os.PathLike,
    *,
    K: int = 10,
    items: Any = None,
    filter_items: Any = None,
    titles: bool = False,
    similarity: str | None = None,
    show_progress: bool = True,
) -> int:
    """Write the most similar items of every item to a file, best first, the item itself left out.

    Columns: ``label`` and ``neighbour`` (labels, or row numbers for a model without), ``rank`` (int32, from 1),
    ``score`` (float32); with `titles` also ``title`` and ``neighbour_title``. Needs pyarrow:
    ``pip install 'fastbpr[io]'``.

    The table is written as it is made, so that memory does not grow with it, under another name, which is replaced at
    the end: whatever stops the writing leaves an older file at `path` whole. A model with an index (`BPR.with_index`)
    finds its lists there.

    Parameters
    ----------
    model : BPR
        Fitted.
    path : str or path
        Ends with ``.parquet`` or ``.csv``.
    K : int, default 10
        Neighbours of each item, >= 1; fewer where the catalogue has no more.
    items : array of int or None, default None
        Rows of the items whose neighbours are written, in ascending order. None stands for all.
    filter_items : array of int or None, default None
        Rows of items that no list is to have.
    titles : bool, default False
        Write the items' titles, too.
    similarity : {"cosine", "centred", "user-space"} or None, default None
        How items are compared. None stands for the model's own choice.
    show_progress : bool, default True
        Show a progress bar on stderr.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    NotFittedError
        Before `fit`.
    MissingExtraError
        Without pyarrow.
    IndexError
        If an id is out of range.
    TypeError, ValueError
        If an argument is not as it must be.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas
    >>> from fastbpr import BPR, Interactions
    >>> users = ["ann", "ann", "bob", "bob", "cat", "cat", "dan", "dan"]
    >>> log = Interactions.from_arrays(users, ["tea", "cup", "tea", "cup", "saw", "nail", "saw", "nail"])
    >>> model = BPR(factors=8, random_state=0).fit(log, show_progress=False)
    >>> with TemporaryDirectory() as folder:
    ...     n_rows = neighbours(model, Path(folder, "neighbours.parquet"), K=1, show_progress=False)
    ...     table = pandas.read_parquet(Path(folder, "neighbours.parquet"))
    >>> table[["label", "neighbour", "rank"]].values.tolist()
    [['tea', 'cup', 1], ['cup', 'tea', 1], ['saw', 'nail', 1], ['nail', 'saw', 1]]
    """
    n_items = len(_validation.check_vectors(model, "item_factors"))
    K = min(_validation.check_integer("K", K, minimum=1), max(n_items - 1, 1))
    ids = _validation.check_asked("items", items, np.arange(n_items, dtype=np.int32), n_items, what="item")
    options = {} if similarity is None else {"similarity": similarity}

    def lists(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, scores = model.similar_items(some, N=K + 1, filter_items=filter_items, **options)
        first = found[:, :1] == some[:, None]  # 1, after the item itself, or 0 where it is filtered
        return tuple(np.take_along_axis(part, first + np.arange(K), axis=1) for part in (found, scores))

    names = _validation.check_titles_known(_validation.check_flag("titles", titles), model.item_names)
    columns = {"label": ("item", 0), "neighbour": ("item", 1)}
    title_columns = {} if names is None else {"title": 0, "neighbour_title": 1}
    return write(model, path, ids, lists, columns, title_columns, K, show_progress=show_progress)


def recommendations(
    model: Any,
    path: str | os.PathLike,
    *,
    K: int = 10,
    users: Any = None,
    filter_items: Any = None,
    titles: bool = False,
    filter_already_liked_items: bool = True,
    show_progress: bool = True,
) -> int:
    """Write the items that every user would like next to a file, best first.

    Columns: ``user`` and ``item`` (labels, or row numbers for a model without), ``rank`` (int32, from 1), ``score``
    (float32); with `titles` also ``title``. The rest is as with `neighbours`.

    Parameters
    ----------
    model : BPR
        Fitted.
    path : str or path
        Ends with ``.parquet`` or ``.csv``.
    K : int, default 10
        Items for each user, >= 1; fewer where no more remain.
    users : array of int or None, default None
        Rows of the users whose lists are written, in ascending order. None stands for all.
    filter_items : array of int or None, default None
        Rows of items that no list is to have.
    titles : bool, default False
        Write the items' titles, too.
    filter_already_liked_items : bool, default True
        Leave out what the user had in training.
    show_progress : bool, default True
        Show a progress bar on stderr.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    NotFittedError
        Before `fit`.
    MissingExtraError
        Without pyarrow.
    IndexError
        If an id is out of range.
    TypeError, ValueError
        If an argument is not as it must be.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from scipy.sparse import csr_array
    >>> from fastbpr import BPR
    >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
    >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
    >>> with TemporaryDirectory() as folder:
    ...     n_rows = recommendations(model, Path(folder, "lists.csv"), users=[0], show_progress=False)
    ...     print(*Path(folder, "lists.csv").read_text().splitlines(), sep="; ")
    "user","item","rank","score"; 0,2,1,...; 0,3,2,...
    """
    n_users, n_items = len(_validation.check_vectors(model, "user_factors")), len(model.item_factors)
    K = min(_validation.check_integer("K", K, minimum=1), n_items)
    ids = _validation.check_asked("users", users, np.arange(n_users, dtype=np.int32), n_users, what="user")
    filtered = _validation.check_flag("filter_already_liked_items", filter_already_liked_items)

    def lists(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return model.recommend(some, N=K, filter_already_liked_items=filtered, filter_items=filter_items)

    names = _validation.check_titles_known(_validation.check_flag("titles", titles), model.item_names)
    columns = {"user": ("user", 0), "item": ("item", 1)}
    return write(
        model, path, ids, lists, columns, {} if names is None else {"title": 1}, K, show_progress=show_progress
    )


def write(
    model: Any,
    path: str | os.PathLike,
    ids: np.ndarray,
    lists: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    label_columns: dict[str, tuple[str, int]],
    title_columns: dict[str, int],
    n: int,
    *,
    show_progress: bool,
) -> int:
    """Write lists of n for `ids`, and return the number of rows.

    `label_columns` have (what is labelled, 0 for the query or 1 for what is listed), `title_columns` the latter.
    """
    _validation.check_flag("show_progress", show_progress)
    _validation.check_path("path", path)
    kind = _validation.check_export_format("path", path)
    pyarrow = _validation.require("pyarrow", extra="io", purpose="Writing tables")
    labels = {what: arrow_labels(pyarrow, model, what) for what in dict(label_columns.values())}
    names = arrow_column(pyarrow, "item_names", model.item_names) if title_columns else None
    fields = [(column, labels[what].type) for column, (what, _) in label_columns.items()]
    fields += [("rank", pyarrow.int32()), ("score", pyarrow.float32())]
    schema = pyarrow.schema([*fields, *((column, names.type) for column in title_columns)])
    n_rows = 0
    with (
        _storage.replacing(path) as file,
        table_writer(kind, file, schema) as writer,
        tqdm(total=len(ids), desc="Lists", unit=" lists", disable=not show_progress) as progress,
    ):
        for part in slices(len(ids), min(max(ROWS // n, 1), MANY_QUERIES)):
            found, scores = lists(ids[part])
            present = found >= 0
            sides = np.repeat(ids[part], present.sum(axis=1)), found[present]
            ranks = np.broadcast_to(np.arange(1, found.shape[1] + 1, dtype=np.int32), found.shape)[present]
            arrays = [labels[what].take(pyarrow.array(sides[side])) for what, side in label_columns.values()]
            arrays += [pyarrow.array(ranks), pyarrow.array(scores[present])]
            arrays += [names.take(pyarrow.array(sides[side])) for side in title_columns.values()]
            writer.write_table(pyarrow.table(arrays, schema=schema))
            n_rows += len(ranks)
            progress.update(len(found))
    return n_rows


@contextlib.contextmanager
def table_writer(kind: str, file: BinaryIO, schema: Any) -> Iterator[Any]:
    """Open what writes tables into a file."""
    if kind == "csv":
        module = _validation.require("pyarrow.csv", extra="io", purpose="Writing CSV")
        writer = module.CSVWriter(file, schema)
    else:
        module = _validation.require("pyarrow.parquet", extra="io", purpose="Writing Parquet")
        writer = module.ParquetWriter(file, schema)
    with writer:
        yield writer


def arrow_labels(pyarrow: Any, model: Any, what: str) -> Any:
    """Return labels of users or items as pyarrow has them; row numbers for a model without."""
    labels = getattr(model, f"{what}_labels")
    if labels is None:
        labels = np.arange(len(getattr(model, f"{what}_factors")))
    return arrow_column(pyarrow, f"{what}_labels", labels)


def arrow_column(pyarrow: Any, name: str, values: np.ndarray) -> Any:
    """Return labels or titles as pyarrow has them."""
    with _validation.exportable(name, (pyarrow.ArrowException, UnicodeError)):
        return pyarrow.array(values, pyarrow.string() if values.dtype.kind in "OUS" else None)
