"""Which pairs of items share a context, and which of these have little else in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _visits
from fastbpr._contexts import Contexts
from fastbpr._parts import parts_of
from fastbpr.exposure import _chance

ENTRIES_AT_ONCE = 2**22
ENTRIES_OF_A_CALL = 2**15  # are multiplied in the time of a few calls of SciPy


class PairEvidence(NamedTuple):
    """What is known about pairs of items, in matrices with a row per item."""

    members: scipy.sparse.csr_array  # (n_items, n_contexts), 1 where the item was clicked on or shown
    users: scipy.sparse.csr_array  # (n_items, n_users), 1 where the user has the item
    confined: scipy.sparse.csr_array  # (n_items, n_visits), 1 where all a user's clicks on the item are in the visit
    confined_users: scipy.sparse.csr_array  # (n_items, n_contexts), number of users whose clicks are all there
    same_user: float  # probability that two interactions are of the same user

    @classmethod
    def of(cls, contexts: Contexts, user_items: scipy.sparse.csr_array, kinds: Any) -> PairEvidence:
        """Look into the contexts that count: of the kinds asked for, or of a strength above 0, with several users."""
        counted = _visits.shared(contexts, _visits.looked_at(contexts, kinds))
        n_items, n_contexts = user_items.shape[1], len(counted)
        visits = _visits.visits_of(contexts, counted, n_items)
        members = _visits.ones_at(
            visits.items.indices, np.repeat(visits.contexts, np.diff(visits.items.indptr)), (n_items, n_contexts)
        )
        if contexts.shown is not None:
            shown = contexts.shown.tocoo()
            of_counted = counted[shown.row] & (shown.data > 0)
            clicked = members.tocoo()
            members = _visits.ones_at(
                np.concatenate([clicked.row, shown.col[of_counted]]),
                np.concatenate([clicked.col, shown.row[of_counted]]),
                (n_items, n_contexts),
            )
        users, items, places = confined_pairs(contexts, counted, n_items)
        keys, visit = np.unique(places.astype(np.int64) * user_items.shape[0] + users, return_inverse=True)
        ones = np.ones(len(items))
        return cls(
            members=members,
            users=scipy.sparse.csr_array(user_items.astype(bool).astype(float).T),
            confined=_visits.ones_at(items, visit, (n_items, max(len(keys), 1))),
            confined_users=scipy.sparse.csr_array((ones, (items, places)), shape=(n_items, n_contexts)),
            same_user=_chance.same_user_share(user_items),
        )

    def only_shared(self, left: np.ndarray, right: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Return which pairs share a context but little else: no group, or, without groups, no users beyond chance."""
        answer = products(self.members, left, right) > 0
        if groups is not None:
            return answer & (groups[left] != groups[right])
        pairs = np.flatnonzero(answer)
        left, right = left[pairs], right[pairs]
        n_common = products(self.users, left, right) - products(self.confined, left, right)
        n_users = np.diff(self.users.indptr).astype(float)
        possible = n_users[left] * n_users[right] - products(self.confined_users, left, right)
        answer[pairs] = ~_chance.beyond_chance(n_common, self.same_user * np.maximum(possible, 0))
        return answer


def confined_pairs(contexts: Contexts, counted: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (user, item, context) of the pairs of a user and an item with all clicks in one context that counts."""
    places = np.where(_visits.rows_in(contexts, counted), contexts.contexts, -1)
    keys = contexts.users.astype(np.int64) * n_items + contexts.items
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    lowest, highest = np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)
    confined = (lowest == highest) & (lowest >= 0)
    pairs = keys[starts][confined]
    return pairs // n_items, pairs % n_items, lowest[confined]


def products(table: scipy.sparse.csr_array, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product of two rows of a table for each pair of rows.

    A row that would be repeated for many pairs, such as that of a popular item that all others are compared with, is
    multiplied as a dense vector with the others.
    """
    results, sizes = np.zeros(len(left)), np.diff(table.indptr).astype(np.int64)
    rest = np.arange(len(left))
    for one, other in ((left, right), (right, left)):
        often = np.bincount(one[rest], minlength=len(sizes)) * sizes > table.shape[1] + ENTRIES_OF_A_CALL
        is_often = often[one[rest]]
        order = rest[is_often]
        order = order[np.argsort(one[order], kind="stable")]
        for pairs in np.split(order, np.flatnonzero(np.diff(one[order])) + 1) if len(order) else ():
            dense = table[one[pairs[:1]]].toarray()[0]
            for part in parts_of(sizes[other[pairs]], ENTRIES_AT_ONCE):
                results[pairs[part]] = table[other[pairs[part]]] @ dense
        rest = rest[~is_often]
    left, right = left[rest], right[rest]
    for part in parts_of(sizes[left] + sizes[right], ENTRIES_AT_ONCE):
        results[rest[part]] = np.asarray(table[left[part]].multiply(table[right[part]]).sum(axis=1)).ravel()
    return results
