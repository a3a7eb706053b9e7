"""Who could see which items together: views, each of a user to a context.

What is visible to a user in a context is what was shown there, and what others clicked on there. What nobody but the
user clicked on is the user's own choice, and tells nothing of what was on the page.

Of context c let V be the number of users (views), a_i = 1 for an item that was shown or clicked on, and s_i = 1 for one
that was not shown and that a single user clicked on, to whom it does not count as visible. Items i and j are both in

    V a_i a_j - s_i a_j - a_i s_j + t_ij = r_i r_j - s_i s_j / V + t_ij,    r_i = sqrt(V) a_i - s_i / sqrt(V),

views, where t_ij = 1 if both are such items of one and the same user. So the number of views of a pair, over all
contexts, is the sum of three products of sparse rows, one row per item. They are computed for the pairs asked for, one
by one, which takes as long as rows are, or, for an item in many contexts with few items, for all others at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _validation, _visits
from fastbpr._contexts import Contexts
from fastbpr._parts import parts_of
from fastbpr.exposure._pairs import products

ENTRIES_AT_ONCE = 2**22


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


class Table(NamedTuple):
    """Numbers of items in contexts or visits, whose rows are multiplied with each other."""

    by_item: scipy.sparse.csr_array  # (n_items, n_contexts)
    by_context: scipy.sparse.csr_array  # its transpose
    costs: np.ndarray  # int64 (n_items,), of multiplying an item's row with all others at once

    @classmethod
    def of(cls, by_context: scipy.sparse.csr_array) -> Table:
        """Take a table with a row per context, and leave its zeros out."""
        by_context = by_context.copy()  # whose indices may be another table's, too
        by_context.eliminate_zeros()
        by_item = scipy.sparse.csr_array(by_context.T)
        by_item.sort_indices()
        sizes = np.append(0, np.cumsum(np.diff(by_context.indptr)[by_item.indices], dtype=np.int64))
        return cls(by_item, by_context, np.diff(sizes[by_item.indptr]))

    def products(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the product of two items' rows for each pair of different items."""
        sizes = np.diff(self.by_item.indptr)
        in_pairs = np.bincount(left, weights=sizes[left] + sizes[right], minlength=len(sizes))
        in_rows = self.costs < in_pairs
        results = np.empty(len(left))
        one_by_one = np.flatnonzero(~in_rows[left])
        results[one_by_one] = products(self.by_item, left[one_by_one], right[one_by_one])
        items = np.flatnonzero(in_rows)
        order = np.argsort(left, kind="stable")
        for part in parts_of(self.costs[items], ENTRIES_AT_ONCE):
            several = items[part]
            pairs = order[pairs_of(left[order], several)]
            block = self.by_item[several] @ self.by_context
            block.sort_indices()
            entries, present = entries_at(block, np.searchsorted(several, left[pairs]), right[pairs])
            results[pairs] = np.where(present, np.append(block.data, 0)[entries], 0)
        return results


def pairs_of(ordered: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the positions of some ascending items in an ascending array in which each may be many times."""
    first, last = (np.searchsorted(ordered, items, side) for side in ("left", "right"))
    counts = last - first
    return np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


class Views(NamedTuple):
    """How many views, weighted by something, items and pairs of items were visible in; tables have a row per item."""

    total: float
    of_item: np.ndarray  # float64 (n_items,)
    visible: Table  # the r_i of all contexts
    single: Table  # s_i / sqrt(V)
    own: Table  # (n_items, n_visits), 1 for s_i of that visit's user

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
        own = np.sqrt(weights[places]) * is_single[entries_at(items, places, clicks.col)[0]]
        return cls(
            float(weights @ seen.n_views),
            np.asarray(numbers.sum(axis=0)).ravel(),
            Table.of(scipy.sparse.csr_array((visible, items.indices, items.indptr), items.shape)),
            Table.of(scipy.sparse.csr_array((single, items.indices, items.indptr), items.shape)),
            Table.of(scipy.sparse.csr_array((own, (clicks.row, clicks.col)), shape=clicks.shape)),
        )

    def of_pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the number of views in which both items of each pair were visible."""
        numbers = self.visible.products(left, right)
        if self.single.by_item.nnz:
            numbers += self.own.products(left, right) - self.single.products(left, right)
        return numbers


def entries_at(table: scipy.sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (the positions of entries of a table with sorted indices, whether they are there)."""
    keys = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr)) * table.shape[1] + table.indices
    wanted = rows * table.shape[1] + columns
    places = np.searchsorted(keys, wanted)
    return places, np.append(keys, -1)[places] == wanted


def rows_in_log(model: Any, n_items: int, log: Any) -> np.ndarray:
    """Return the row in the log of each of the model's items, by labels if both have them, MISSING for none."""
    labels = getattr(model, "item_labels", None)
    if labels is None or getattr(log, "item_labels", None) is None:
        _validation.check_same_items("model", model, n_items, log.user_items.shape[1])
        return np.arange(n_items)
    labels = np.asarray(labels)
    rows = _labels.matched(log.item_labels, labels)
    _validation.check_some_known("log", "item", rows, log.item_labels, labels)
    return rows
