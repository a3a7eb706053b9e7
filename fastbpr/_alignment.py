"""One log's users and items as rows of another log or of a model, found by their labels."""

from __future__ import annotations

import copy
import logging
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _contexts, _labels, _validation
from fastbpr._labels import MISSING
from fastbpr._sentences import counted


def known_rows(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the row that each label has among the known ones, MISSING for those that are not."""
    if np.array_equal(labels, known):  # looking every label up takes longer
        return np.arange(len(known), dtype=np.int32)
    return _labels.find(known, labels)[0]


def aligned(log: Any, other: Any) -> Any:
    """Return `Interactions` with the rows of others or of a model; `Interactions.aligned_to` has the rules."""
    _validation.check_has_labels("other", other)
    rows = {}
    for what in ("user", "item"):
        labels, known = (getattr(one, f"{what}_labels") for one in (log, other))
        rows[what] = known_rows(labels, known)
        _validation.check_some_known("interactions", what, rows[what], labels, known, knower="other")
    read = Rows.of(log)
    users, items = rows["user"][read.users], rows["item"][read.items]
    unknown = {"unknown user": users == MISSING, "unknown item": (users != MISSING) & (items == MISSING)}
    kept = (users != MISSING) & (items != MISSING)
    _validation.check_rows_are_good("report", unknown, int(kept.sum()))
    n_unknown = {reason: int(read.sizes[bad].sum()) for reason, bad in unknown.items() if bad.any()}

    result = copy.copy(log)
    result.user_labels, result.item_labels, result.item_names = _labels.labels_of(other)
    result.bad_rows = log.bad_rows | {reason: log.bad_rows.get(reason, 0) + n for reason, n in n_unknown.items()}
    result.n_rows = int(read.sizes.sum()) + log.n_bad_rows
    shape = len(other.user_labels), len(other.item_labels)
    result.user_items, result.timestamps = moved(log, rows["user"], rows["item"], shape)
    if log.contexts is not None:
        result.contexts = _contexts.moved(log.contexts, users, items, kept, rows["item"], shape[1])
    counts = np.bincount(users[kept], read.sizes[kept])
    result.heaviest_user = (result.user_labels[counts.argmax()], counts.max() / result.n_rows)
    if n_unknown:
        told = ", ".join(f"{reason} {count:,}" for reason, count in n_unknown.items())
        logging.getLogger("fastbpr").warning("%s left out: %s.", counted("row", sum(n_unknown.values())), told)
    return result


class Rows(NamedTuple):
    """The good rows of a log, as far as they are still known."""

    users: np.ndarray
    items: np.ndarray
    sizes: np.ndarray  # for how many rows each of these stands

    @classmethod
    def of(cls, log: Any) -> Rows:
        """Return single rows where there are contexts, else interactions, which stand for what they are made of."""
        if log.contexts is not None:
            users, items = log.contexts.users, log.contexts.items
            return cls(users, items, np.ones(len(users), dtype=np.int64))
        users, items, values = entries_of(log.user_items)
        counts_rows = not log.has_weights and values.sum(dtype=np.float64) == log.n_rows - log.n_bad_rows
        return cls(users, items, (values if counts_rows else np.ones(len(values))).astype(np.int64))


def entries_of(matrix: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (users, items, values) of every entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices, matrix.data


def moved(
    log: Any, user_rows: np.ndarray, item_rows: np.ndarray, shape: tuple[int, int]
) -> tuple[scipy.sparse.csr_array, np.ndarray | None]:
    """Return (matrix, timestamps) of what is known, in its new rows and columns.

    Two labels of the log may be one of the others', as the texts "5" and "5.0" are the number 5: then values are added
    up and the latest time counts.
    """
    users, items, values = entries_of(log.user_items)
    users, items = user_rows[users].astype(np.int64), item_rows[items].astype(np.int64)
    known = np.flatnonzero((users != MISSING) & (items != MISSING))
    pairs, place = np.unique(users[known] * shape[1] + items[known], return_inverse=True)
    users, items = np.divmod(pairs, shape[1])
    values = _validation.check_merged_weights("weights", np.bincount(place, values[known]))
    matrix = scipy.sparse.csr_array((values, (users, items)), shape=shape)
    if log.timestamps is None:
        return matrix, None
    times = log.timestamps[known]
    last = np.cumsum(np.bincount(place)) - 1
    return matrix, times[np.lexsort((times, place))][last]
