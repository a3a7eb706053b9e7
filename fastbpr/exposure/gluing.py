"""Contexts that glue items together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _validation, _visits
from fastbpr._contexts import Contexts
from fastbpr._parts import parts_of
from fastbpr.exposure import _chance
from fastbpr.interactions import Interactions

PAIRS_AT_ONCE = 2**20  # pairs of items with common users: 80 MB
MIN_COMMON = 2  # users who have two items from one context, to be more than an accident


class GluingContext(NamedTuple):
    """A context and what it does to pairs of items."""

    context: Any  # label
    kind: Any  # None if it has none
    strength: float
    n_users: int
    n_items: int  # that were clicked on there
    n_pairs: int  # pairs of items that it glues together
    excess: float  # sum of their common users there, beyond chance
    strongest: tuple[Any, Any] | None  # labels of the pair with the largest excess; None if it glues none


class GluingContexts(tuple):
    """Contexts, those that glue most first; ``print`` shows a table."""

    def __str__(self) -> str:
        if not self:
            return "No context has two users or more."
        header = ("context", "kind", "strength", "users", "items", "glued pairs", "excess", "most glued")
        rows = [
            (
                str(one.context),
                "" if one.kind is None else str(one.kind),
                f"{one.strength:.3g}",
                f"{one.n_users:,}",
                f"{one.n_items:,}",
                f"{one.n_pairs:,}",
                f"{one.excess:,.0f}",
                "" if one.strongest is None else " + ".join(map(str, one.strongest)),
            )
            for one in self
        ]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        texts = {0, 1, len(header) - 1}  # columns of them; the others are numbers
        lines = [
            "  ".join(
                cell.ljust(width) if place in texts else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (header, *rows)
        ]
        return "\n".join(lines)


def gluing_contexts(log: Interactions, n: int = 10, *, kinds: Any = None) -> GluingContexts:
    """Find the contexts that glue items together: in which pairs of items get more common users than by chance.

    Two items glued by a page seem alike to whoever counts common users, or learns from them, and all the more so the
    more they got their users there. Whether they are alike nevertheless, as two items on a page of search results are,
    the log does not tell: look at the most glued pair, and give the kind of context a strength that says so.

    Parameters
    ----------
    log : Interactions
        With contexts. Is not changed.
    n : int, default 10
        How many contexts to return, >= 1; fewer if there are not as many with two users or more.
    kinds : kind, list of kinds or None, default None
        Which contexts to look at, of any strength; None stands for those of a strength above 0.

    Returns
    -------
    GluingContexts
        A tuple of named tuples ``context, kind, strength, n_users, n_items, n_pairs, excess, strongest``, those with
        the largest excess first; ``print`` shows a table.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or if the log has no contexts.

    Notes
    -----
    With x_cij users who clicked on both i and j in context c, and n_i users who have item i anywhere, chance gives i
    and j, in the whole log,

        e_ij = n_i n_j s,  with s = sum over users of a_u^2 / (sum over users of a_u)^2

    common users, where a_u is the number of items of user u: s is the probability that two interactions are of the same
    user if users are drawn in proportion to a_u. A context glues a pair if x_cij >= 2 and a Poisson number of mean e_ij
    reaches x_cij with a probability of at most 5 %: if this context alone gives the pair more common users than chance
    gives it in the whole log. Then ``n_pairs`` is the number of such pairs, and ``excess`` their sum of x_cij - e_ij.

    Time grows with the number of pairs of items that users clicked on in the same context; memory does not.

    Examples
    --------
    Ann and Bob both bought tea and a cup at the sale, and 40 others something else each.

    >>> users = ["ann", "ann", "bob", "bob", "cy", *range(40)]
    >>> items = ["tea", "cup", "tea", "cup", "jam", *["pan"] * 40]
    >>> contexts = ["sale"] * 4 + ["mail"] * 2 + [None] * 39
    >>> print(gluing_contexts(Interactions.from_arrays(users, items, contexts=contexts)))
    context  kind  strength  users  items  glued pairs  excess  most glued
    sale                  1      2      2            1       2  tea + cup
    mail                  1      2      2            0       0
    """
    contexts = _validation.check_contexts("log", log)
    n = _validation.check_integer("n", n, minimum=1)
    counted = _visits.shared(contexts, _visits.looked_at(contexts, kinds))
    user_items = log.user_items
    item_users = np.bincount(user_items.indices, minlength=log.n_items).astype(float)
    share = _chance.same_user_share(user_items)
    visits = _visits.visits_of(contexts, counted, log.n_items)
    n_contexts = len(counted)
    n_pairs, excess = np.zeros(n_contexts, dtype=np.int64), np.zeros(n_contexts)
    largest = np.zeros(n_contexts)  # of what pairs are beyond chance
    strongest: dict[int, tuple[int, int]] = {}
    for of_pair, left, right, n_common in pairs_in_contexts(visits):
        expected = share * item_users[left] * item_users[right]
        glued = _chance.beyond_chance(n_common, expected)
        of_pair, left, right, beyond = of_pair[glued], left[glued], right[glued], (n_common - expected)[glued]
        n_pairs += np.bincount(of_pair, minlength=n_contexts)
        excess += np.bincount(of_pair, weights=beyond, minlength=n_contexts)
        before = largest.copy()
        np.maximum.at(largest, of_pair, beyond)
        best = np.flatnonzero((beyond == largest[of_pair]) & (beyond > before[of_pair]))
        best = best[np.lexsort((right[best], left[best], of_pair[best]))]
        first = best[np.diff(of_pair[best], prepend=-1) > 0]
        strongest |= {int(of_pair[k]): (int(left[k]), int(right[k])) for k in first}
    users = np.bincount(visits.contexts, minlength=n_contexts)
    items = items_of(visits, n_contexts)
    rows = np.flatnonzero(counted)
    rows = rows[np.lexsort((rows, -users[rows], -excess[rows]))][:n]
    return GluingContexts(
        described(log, contexts, row, users[row], items[row], n_pairs[row], excess[row], strongest.get(row))
        for row in rows.tolist()
    )


def described(
    log: Interactions,
    contexts: Contexts,
    row: int,
    n_users: int,
    n_items: int,
    n_pairs: int,
    excess: float,
    pair: tuple[int, int] | None,
) -> GluingContext:
    """Return what was found of one context, with labels for rows."""
    return GluingContext(
        context=_labels.plain(contexts.labels, row),
        kind=None if contexts.kinds is None else contexts.kinds[row],
        strength=float(contexts.strengths[row]),
        n_users=int(n_users),
        n_items=int(n_items),
        n_pairs=int(n_pairs),
        excess=float(excess),
        strongest=None if pair is None else tuple(_labels.plain(log.item_labels, item) for item in pair),
    )


def items_of(visits: _visits.Visits, n_contexts: int) -> np.ndarray:
    """Return how many different items were clicked on in each context."""
    n_items = visits.items.shape[1]
    context_of_entry = np.repeat(visits.contexts, np.diff(visits.items.indptr))
    return np.bincount(np.unique(context_of_entry * n_items + visits.items.indices) // n_items, minlength=n_contexts)


def pairs_in_contexts(
    visits: _visits.Visits,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (context, first item, second item, number of users who clicked on both there, two at least).

    In the matrix of visits and places, which are items of one context, two columns have a row in common only if they
    are of the same context; so their products count common users inside contexts. They are computed for some contexts
    at a time, and of a large one for some places at a time, in ascending order.
    """
    n_items = visits.items.shape[1]
    sizes = np.diff(visits.items.indptr).astype(np.int64)
    starts = np.flatnonzero(np.diff(visits.contexts, prepend=-1))  # of contexts
    costs = np.add.reduceat(sizes**2, starts) if len(starts) else sizes
    bounds = np.append(starts, len(sizes))
    for some in parts_of(costs, PAIRS_AT_ONCE):
        visit = slice(bounds[some.start], bounds[some.stop])
        items, contexts = visits.items[visit], visits.contexts[visit]
        keys = np.repeat(contexts, np.diff(items.indptr)) * n_items + items.indices
        places, numbers = np.unique(keys, return_inverse=True)
        ones = np.ones(len(numbers), dtype=np.int32)
        of_visit = scipy.sparse.csr_array((ones, numbers, items.indptr), shape=(items.shape[0], len(places)))
        of_place = scipy.sparse.csr_array(of_visit.T)
        context_of = places // n_items
        n_places = np.bincount(context_of)[context_of]  # of the context: a place has pairs with no more
        for part in parts_of(np.minimum(of_place @ sizes[visit], n_places), PAIRS_AT_ONCE):
            common = (of_place[part] @ of_visit).tocoo()
            first = common.row + part.start
            several = (common.col > first) & (common.data >= MIN_COMMON)
            left, right = places[first[several]], places[common.col[several]]
            yield left // n_items, left % n_items, right % n_items, common.data[several]
