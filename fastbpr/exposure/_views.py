"""Who could see which items together: views, each of a user to a context.

What is visible to a user in a context is what was shown there, and what others clicked on there. What nobody but the
user clicked on is the user's own choice, and tells nothing of what was on the page.

Of context c let V be the number of users (views), a_i = 1 for an item that was shown or clicked on, and s_i = 1 for one
that was not shown and that a single user clicked on, to whom it does not count as visible. Items i and j are both in

    V a_i a_j - s_i a_j - a_i s_j + t_ij = r_i r_j - s_i s_j / V + t_ij,    r_i = sqrt(V) a_i - s_i / sqrt(V),

views, where t_ij = 1 if both are such items of one and the same user. So the number of views of a pair, over all
contexts, is the sum of three products of sparse rows, one row per item, and no pair is counted that nobody asks for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _validation, _visits
from fastbpr._contexts import Contexts
from fastbpr.exposure._exposure import products


class Seen(NamedTuple):
    """What was visible in the contexts that count, which have a row each."""

    n_views: np.ndarray  # float64 (n_counted,)
    strengths: np.ndarray  # float64 (n_counted,)
    items: scipy.sparse.csr_array  # float64 (n_counted, n_items): 1 for one user's choice, more for what others saw
    visits: _visits.Visits

    @classmethod
    def of(cls, contexts: Contexts, n_items: int, kinds: Any) -> Seen:
        """Look into the contexts of these kinds, or of a strength above 0, in which something was visible to a user."""
        n_users = _visits.users_of(contexts, _visits.looked_at(contexts, kinds))
        counted = n_users >= _visits.MIN_USERS
        if contexts.shown is not None:
            counted |= (n_users > 0) & (np.diff(contexts.shown.indptr) > 0)
        visits = _visits.visits_of(contexts, counted, n_items)
        rows = np.flatnonzero(counted)
        visits = visits._replace(contexts=np.searchsorted(rows, visits.contexts))
        n_visits = len(visits.contexts)
        context_of = (np.ones(n_visits), (visits.contexts, np.arange(n_visits)))
        items = scipy.sparse.csr_array(context_of, shape=(len(rows), n_visits)) @ visits.items
        if contexts.shown is not None:
            items = items + 2 * contexts.shown[rows]
        items = scipy.sparse.csr_array(items)
        items.sort_indices()
        return cls(n_users[rows].astype(float), contexts.strengths[rows].astype(float), items, visits)


class Views(NamedTuple):
    """How many views, weighted by something, items and pairs of items were visible in; tables have a row per item."""

    total: float
    of_item: np.ndarray  # float64 (n_items,)
    visible: scipy.sparse.csr_array  # the r_i of all contexts
    single: scipy.sparse.csr_array  # s_i / sqrt(V)
    own: scipy.sparse.csr_array  # (n_items, n_visits), 1 for s_i of that visit's user

    @classmethod
    def of(cls, seen: Seen, weights: np.ndarray) -> Views:
        """Count the views of each context so many times."""
        items, visits = seen.items, seen.visits
        n_views = np.repeat(seen.n_views, np.diff(items.indptr))
        factors = np.repeat(weights, np.diff(items.indptr))
        is_single = (items.data == 1).astype(float)
        numbers = scipy.sparse.csr_array((factors * (n_views - is_single), items.indices, items.indptr), items.shape)
        visible = np.sqrt(factors) * (np.sqrt(n_views) - is_single / np.sqrt(n_views))
        single = np.sqrt(factors / n_views) * is_single
        clicks = visits.items.tocoo()
        places = visits.contexts[clicks.row]
        own = np.sqrt(weights[places]) * is_single[entries_at(items, places, clicks.col)]
        return cls(
            float(weights @ seen.n_views),
            np.asarray(numbers.sum(axis=0)).ravel(),
            by_item(scipy.sparse.csr_array((visible, items.indices, items.indptr), items.shape)),
            by_item(scipy.sparse.csr_array((single, items.indices, items.indptr), items.shape)),
            by_item(scipy.sparse.csr_array((own, (clicks.row, clicks.col)), shape=clicks.shape)),
        )

    def of_pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the number of views in which both items of each pair were visible."""
        numbers = products(self.visible, left, right)
        if self.single.nnz:
            numbers += products(self.own, left, right) - products(self.single, left, right)
        return numbers


def entries_at(table: scipy.sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the positions of entries, which must be there, of a table with sorted indices."""
    keys = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr)) * table.shape[1] + table.indices
    return np.searchsorted(keys, rows * table.shape[1] + columns)


def by_item(table: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return a table with a row per item, without its zeros."""
    table = scipy.sparse.csr_array(table.T)
    table.eliminate_zeros()
    table.sort_indices()
    return table


def rows_in_log(model: Any, n_items: int, log: Any) -> np.ndarray:
    """Return the row in the log of each of the model's items, by labels if both have them, MISSING for none."""
    labels = getattr(model, "item_labels", None)
    if labels is None or getattr(log, "item_labels", None) is None:
        _validation.check_item_labels("model", None, log.user_items.shape[1], model, n_items)
        return np.arange(n_items)
    labels = np.asarray(labels)
    rows = _labels.matched(log.item_labels, labels)
    _validation.check_some_known("log", "item", rows, log.item_labels, labels)
    return rows
