"""Who clicked on what in which context, in matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr._contexts import Contexts

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
    """Return which of the chosen contexts have several users."""
    return chosen & (users_of(contexts, chosen) >= MIN_USERS)


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
