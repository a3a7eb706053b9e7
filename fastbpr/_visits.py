"""Visits, each of a user to a context: what was clicked on in them, and what was not in the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr._contexts import Contexts
from fastbpr._parts import parts_of

ENTRIES_AT_ONCE = 2**23
MIN_USERS = 2  # of a context that can show the same items to several


class Visits(NamedTuple):
    """What each user has clicked on in each of some contexts, once however often. Visits of a context are adjacent."""

    contexts: np.ndarray  # int64 (n_visits,), ascending
    users: np.ndarray  # int64 (n_visits,)
    items: scipy.sparse.csr_array  # float64 (n_visits, n_items), 1 for what was clicked on


def looked_at(contexts: Contexts, kinds: Any) -> np.ndarray:
    """Return which contexts are of the chosen kinds, or, without a choice, of a strength above 0."""
    if kinds is None:
        return contexts.strengths > 0
    return of_kinds(contexts, kinds)


def of_kinds(contexts: Contexts, kinds: Any) -> np.ndarray:
    """Return which contexts are of the chosen kinds."""
    wanted = _validation.check_kinds("kinds", kinds, contexts.kinds)
    return np.array([kind in wanted for kind in contexts.kinds.tolist()], dtype=bool)


def shared(contexts: Contexts, chosen: np.ndarray) -> np.ndarray:
    """Return which of the chosen contexts have several users, or one and it is known what was shown.

    The latter are views of a page that others may have seen, too. What one user alone did together, as in a basket,
    was shown by nobody.
    """
    n_users = users_of(contexts, chosen)
    told = contexts.shown is not None and np.diff(contexts.shown.indptr) > 0
    return chosen & ((n_users >= MIN_USERS) | ((n_users > 0) & told))


def users_of(contexts: Contexts, chosen: np.ndarray) -> np.ndarray:
    """Return the number of users of each context, 0 of those that are not chosen."""
    keys, n_users = visit_keys(contexts, np.flatnonzero(rows_in(contexts, chosen)))
    return np.bincount(np.unique(keys) // n_users, minlength=len(chosen))


def visits_of(contexts: Contexts, chosen: np.ndarray, n_items: int) -> Visits:
    """Return the visits of the chosen contexts."""
    rows = np.flatnonzero(rows_in(contexts, chosen))
    keys, n_users = visit_keys(contexts, rows)
    visits, visit_of_row = np.unique(keys, return_inverse=True)
    return Visits(
        visits // n_users, visits % n_users, ones_at(visit_of_row, contexts.items[rows], (len(visits), n_items))
    )


def visit_keys(contexts: Contexts, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (context * n_users + user of some rows, n_users)."""
    n_users = int(contexts.users.max(initial=0)) + 1
    return contexts.contexts[rows].astype(np.int64) * n_users + contexts.users[rows], n_users


def rows_in(contexts: Contexts, chosen: np.ndarray) -> np.ndarray:
    """Return which rows are in the chosen contexts."""
    return np.append(chosen, False)[contexts.contexts]  # no context is -1: the last place


def ones_at(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> scipy.sparse.csr_array:
    """Return a matrix of 1 at some places, however often each is given."""
    matrix = scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


# ---- entries that share a context -------------------------------------------------------------------------------


def entries_of_visits(contexts: Any, matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return which entry of the matrix happened in which visit of a user to a context: entries x visits, of 1."""
    n_users, n_items = matrix.shape
    inside = contexts.contexts >= 0
    users, items, numbers = (column[inside].astype(np.int64) for column in contexts[:3])
    keys = np.repeat(np.arange(n_users), np.diff(matrix.indptr)) * n_items + matrix.indices
    entries = np.searchsorted(keys, users * n_items + items)
    visits, visit_of_row = np.unique(numbers * n_users + users, return_inverse=True)
    pairs = (np.ones(len(entries), dtype=np.int32), (entries, visit_of_row))
    table = scipy.sparse.csr_array(pairs, shape=(matrix.nnz, max(len(visits), 1)))
    table.sum_duplicates()
    table.data[:] = 1
    return table


def has_others(visits: scipy.sparse.csr_array, matrix: scipy.sparse.csr_array) -> np.ndarray:
    """Return of which entries the user has another entry that shares no visit.

    An entry's visits together have at most as many entries as they have one by one, the entry itself counted once. Only
    where that is not below the user's number, and there are several visits, does it take a look at which they are.
    """
    sizes = np.bincount(visits.indices, minlength=visits.shape[1])
    n_visits = np.diff(visits.indptr)
    n_together = visits @ sizes - np.maximum(n_visits - 1, 0)
    n_together[n_visits == 0] = 1
    n_entries = np.repeat(np.diff(matrix.indptr), np.diff(matrix.indptr))
    unclear = np.flatnonzero((n_visits > 1) & (n_together >= n_entries))
    for part, together in entries_together(visits, unclear):
        n_together[unclear[part]] = np.diff(together.indptr)
    return n_together < n_entries


def entries_together(
    visits: scipy.sparse.csr_array, entries: np.ndarray
) -> Iterator[tuple[slice, scipy.sparse.csr_array]]:
    """Yield (part, which entries share a visit with each of this part of `entries`)."""
    of_visit = scipy.sparse.csr_array(visits.T)
    costs = (visits @ np.diff(of_visit.indptr).astype(np.int64))[entries]
    for part in parts_of(costs, ENTRIES_AT_ONCE):
        yield part, visits[entries[part]] @ of_visit
