"""Contexts of a log: the pages, sessions or baskets that interactions happened in, and what was shown in them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _readers, _validation
from fastbpr._labels import MISSING, Factorised
from fastbpr._sentences import counted

MAX_KINDS_TOLD = 8  # in a summary


class Contexts(NamedTuple):
    """The good rows of the log with the context each happened in (page, session, basket); duplicates are kept.

    A context has the kind that is first seen with it among good rows, None where no row has one. Parts of a log share
    everything that has an entry per context.
    """

    users: np.ndarray  # int32 (n_good_rows,)
    items: np.ndarray  # int32 (n_good_rows,)
    contexts: np.ndarray  # int32 (n_good_rows,), -1 where the row has none
    labels: np.ndarray  # (n_contexts,)
    weights: np.ndarray | None  # float32 (n_good_rows,), of the rows themselves
    kinds: np.ndarray | None  # object (n_contexts,)
    strengths: np.ndarray  # float32 (n_contexts,), from 0 to 1
    shown: scipy.sparse.csr_array | None  # float32 (n_contexts, n_items), canonical, 1 where the item was shown


class Shown(NamedTuple):
    """Which item was shown in which context, pair by pair, by the labels of whoever told it."""

    contexts: Factorised  # of every pair
    items: Factorised  # of every pair
    of_the_log: bool  # whether the codes of contexts are those of the log's own column


class Unknown(NamedTuple):
    """How much of what was shown the log does not know."""

    items: int
    contexts: int


# ---- making them ------------------------------------------------------------------------------------------------


def of_good_rows(
    users: np.ndarray,
    items: np.ndarray,
    good: np.ndarray,
    labels: Mapping[str, Factorised],
    weights: np.ndarray | None,
    strengths: float | Mapping[Any, float] | None,
) -> Contexts:
    """Return the contexts of good rows, whose users, items and weights these are; what was shown is left for later."""
    contexts = _labels.renumbered(labels["contexts"].codes[good], labels["contexts"].labels)
    column = labels.get("context_kinds")
    kinds = None
    of_context = np.full(len(contexts.labels), MISSING, dtype=np.int32)
    if column is not None:
        of_context = first_seen(contexts, column.codes[good])
        kinds = np.append(column.labels.astype(object), None)[of_context]  # MISSING is -1: the last place
    if weights is not None:
        with np.errstate(under="ignore"):
            weights = weights.astype(np.float32)
    values = strengths_of(of_context, strengths, column)
    return Contexts(users, items, contexts.codes, contexts.labels, weights, kinds, values, None)


def first_seen(contexts: Factorised, codes: np.ndarray) -> np.ndarray:
    """Return the first code of each context that is not MISSING."""
    rows = np.flatnonzero((contexts.codes != MISSING) & (codes != MISSING))[::-1]
    result = np.full(len(contexts.labels), MISSING, dtype=np.int32)
    result[contexts.codes[rows]] = codes[rows]  # the last write is the first row
    return result


def strengths_of(
    kinds: np.ndarray, strengths: float | Mapping[Any, float] | None, column: Factorised | None
) -> np.ndarray:
    """Return the strength of each context from its kind; what is not named has 1."""
    if not isinstance(strengths, Mapping):
        return np.full(len(kinds), 1 if strengths is None else strengths, dtype=np.float32)
    named, _ = _labels.find(column.labels, list(strengths))
    _validation.check_kinds_known("context_strengths", list(strengths), named, column.labels)
    of_kind = np.ones(len(column.labels) + 1, dtype=np.float32)  # one more, for contexts without a kind
    of_kind[named] = list(strengths.values())
    return of_kind[kinds]


def rows_where(contexts: Contexts, kept: np.ndarray) -> Contexts:
    """Return the rows that are kept; labels, and what else each context has, stay."""
    rows = {name: getattr(contexts, name)[kept] for name in ("users", "items", "contexts")}
    weights = None if contexts.weights is None else contexts.weights[kept]
    return contexts._replace(**rows, weights=weights)


def moved(
    contexts: Contexts, users: np.ndarray, items: np.ndarray, kept: np.ndarray, item_rows: np.ndarray, n_items: int
) -> Contexts:
    """Return the rows that are kept with the users and items of another log.

    `item_rows` has the other log's row of each item, MISSING for those it does not have.
    """
    result = rows_where(contexts._replace(users=users, items=items), kept)
    if contexts.shown is None:
        return result
    pairs = contexts.shown.tocoo()
    columns = item_rows[pairs.col]
    known = columns != MISSING
    pairs = (np.ones(np.count_nonzero(known), dtype=np.float32), (pairs.row[known], columns[known]))
    shown = scipy.sparse.coo_array(pairs, shape=(len(contexts.labels), n_items)).tocsr()
    shown.sum_duplicates()
    shown.data[:] = 1
    return result._replace(shown=shown)


# ---- what was shown ---------------------------------------------------------------------------------------------


def shown_in_rows(lists: Any, contexts: Factorised) -> Shown:
    """Return the pairs of a column of lists of item labels, given the column of contexts."""
    flat = _readers.flattened("shown", lists)
    pairs = Factorised(np.repeat(contexts.codes, flat.lengths), contexts.labels)
    return Shown(pairs, _labels.factorise("shown", flat.values), of_the_log=True)


def shown_by_label(shown: Any) -> Shown:
    """Return the pairs of a mapping or a sparse matrix."""
    return shown_in_matrix(shown) if scipy.sparse.issparse(shown) else shown_in_mapping(shown)


def shown_in_mapping(shown: Mapping[Any, Any]) -> Shown:
    """Return the pairs of a mapping from labels of contexts to lists of item labels."""
    keys = _labels.factorise("shown", _readers.as_column("shown", list(shown)))
    lists = [_validation.check_items_shown("shown", context, items) for context, items in shown.items()]
    items = _readers.as_column("shown", list(chain.from_iterable(lists)))
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    pairs = Factorised(np.repeat(keys.codes, lengths), keys.labels)
    return Shown(pairs, _labels.factorise("shown", items), of_the_log=False)


def shown_in_matrix(shown: Any) -> Shown:
    """Return the pairs of a sparse matrix whose row and column numbers are the labels of contexts and items."""
    matrix = _validation.check_shown_matrix("shown", shown).tocoo()
    stored = matrix.data != 0
    return Shown(*(_labels.factorise("shown", ids[stored]) for ids in (matrix.row, matrix.col)), of_the_log=False)


def with_shown(
    contexts: Contexts, shown: Shown, column: np.ndarray, item_labels: np.ndarray
) -> tuple[Contexts, Unknown]:
    """Return contexts with the matrix of what was shown, and how much of it the log does not know.

    `column` has the codes of the log's own column of contexts in the good rows.
    """
    if shown.of_the_log:
        context_rows = np.full(len(shown.contexts.labels) + 1, MISSING, dtype=np.int32)
        context_rows[column] = contexts.contexts  # rows without a context write to the last place, which is not read
        context_rows = context_rows[:-1]
    else:
        context_rows = _labels.matched(contexts.labels, shown.contexts.labels)
    item_rows = _labels.matched(item_labels, shown.items.labels)

    told = (shown.contexts.codes != MISSING) & (shown.items.codes != MISSING)
    rows, columns = shown.contexts.codes[told], shown.items.codes[told]
    unknown = []
    for what, ids, found, labels, known in (
        ("item", columns, item_rows, shown.items.labels, item_labels),
        ("context", rows, context_rows, shown.contexts.labels, contexts.labels),
    ):
        occurs = np.zeros(len(labels), dtype=bool)
        occurs[ids] = True
        _validation.check_shown_known("shown", what, occurs & (found != MISSING), labels[occurs], known)
        unknown.append(int(np.count_nonzero(occurs & (found == MISSING))))
    rows, columns = context_rows[rows], item_rows[columns]
    known_pairs = (rows != MISSING) & (columns != MISSING)
    rows, columns = rows[known_pairs], columns[known_pairs]
    shape = len(contexts.labels), len(item_labels)
    matrix = scipy.sparse.coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.data = np.ones(matrix.nnz, dtype=np.float32)  # shown once or several times: it was shown
    return contexts._replace(shown=matrix), Unknown(*unknown)


# ---- telling of them --------------------------------------------------------------------------------------------


def described(contexts: Contexts, n_unknown_items: int, n_unknown_contexts: int) -> str:
    """Tell how many contexts, of which kinds and strengths, rows have, and what is known of what was shown."""
    occurs = np.zeros(len(contexts.labels) + 1, dtype=bool)
    occurs[contexts.contexts] = True  # MISSING is -1: the last place
    occurs = np.flatnonzero(occurs[:-1])
    sentence = f"{counted('context', len(occurs))}{of_kinds(contexts, occurs)}"
    n_without = int(np.count_nonzero(contexts.contexts == MISSING))
    if n_without:
        sentence += f"; {counted('row', n_without)} without one"
    sentence += "."
    if contexts.shown is not None:
        n_told = int(np.count_nonzero(np.diff(contexts.shown.indptr)[occurs]))
        unknown = {"shown item": n_unknown_items, "context": n_unknown_contexts}
        left_out = " and ".join(counted(noun, count) for noun, count in unknown.items() if count)
        sentence += f" What was shown is known of {n_told:,} of them"
        sentence += f"; {left_out} in no good row left out." if left_out else "."
    return sentence


def of_kinds(contexts: Contexts, rows: np.ndarray) -> str:
    """Return the end of a sentence about some contexts: the kinds they are of, the commonest first, and strengths."""
    if not len(rows):
        return ""
    strengths = contexts.strengths[rows]
    if contexts.kinds is None:
        return f" of strength {strengths[0]:.3g}" if strengths[0] != 1 else ""
    kinds = _labels.factorise("context_kinds", contexts.kinds[rows])
    counts = np.bincount(kinds.codes + 1, minlength=len(kinds.labels) + 1)  # those without a kind come first
    values = np.ones(len(counts), dtype=np.float32)
    values[kinds.codes + 1] = strengths
    names = ["of no kind", *map(str, kinds.labels.tolist())]
    order = [place for place in np.argsort(-counts, kind="stable") if counts[place]]
    told = [f"{counts[place]:,} {names[place]} (strength {values[place]:.3g})" for place in order[:MAX_KINDS_TOLD]]
    if len(order) > MAX_KINDS_TOLD:
        told.append(f"and of {len(order) - MAX_KINDS_TOLD:,} more kinds")
    return f": {', '.join(told)}"
