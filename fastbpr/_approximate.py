"""Lists from a graph: what it finds is filtered, scored exactly and ordered as exact lists are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbpr import _graphs, _retrieval

SPARE = 10  # how many more than wanted are fetched at first: some may be left out, and a graph's order is inexact
GROWTH = 4  # how many times more the next time, where too few remained
LARGEST_SHARE = 1 / 20  # of the catalogue: exact search takes no longer than looking at so many in a graph


def top_k(
    graph: Any,
    queries: np.ndarray,
    items: _retrieval.Items,
    n: int,
    excluded: Sequence[np.ndarray] | None,
    num_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `_retrieval.top_k` returns, approximately; exactly for queries that the graph cannot serve."""
    ids, scores = _retrieval.empty_lists(len(queries), n)
    num_threads = max(1, min(num_threads, len(queries)))  # a query has one thread, and others are only waited for
    allowed = allowed_rows(items)
    fetched = n + SPARE
    waiting = np.arange(len(queries))
    exactly = []
    if not _graphs.has_bias(items):  # a query of zeros is as near to everything
        exactly = [np.flatnonzero(~queries.any(axis=1))]
        waiting = np.flatnonzero(queries.any(axis=1)) if len(exactly[0]) else waiting
    while len(waiting) and fetched <= LARGEST_SHARE * len(items.table):
        asked = _graphs.as_queries(queries[waiting], items)
        found, counts = _graphs.nearest(graph, asked, fetched, num_threads)
        keep = np.arange(fetched) < counts[:, None]
        keep &= kept(found, allowed, None if excluded is None else [excluded[query] for query in waiting], items)
        enough = keep.sum(axis=1) >= n
        done = waiting[enough]
        ids[done], scores[done] = ordered(queries[done], items, found[enough], keep[enough], n, num_threads)
        waiting, fetched = waiting[~enough], GROWTH * fetched
    rest = np.concatenate([*exactly, waiting])
    if len(rest):
        left_out = None if excluded is None else [excluded[query] for query in rest]
        ids[rest], scores[rest] = _retrieval.top_k(
            queries[rest], items.table, n, candidates=items.candidates, excluded=left_out, scale=items.scale,
            offset=items.offset, num_threads=num_threads,
        )  # fmt: skip
    return ids, scores


def allowed_rows(items: _retrieval.Items) -> np.ndarray | None:
    """Return which rows are candidates, None for all."""
    if len(items.candidates) == len(items.table):
        return None
    allowed = np.zeros(len(items.table), dtype=bool)
    allowed[items.candidates] = True
    return allowed


def kept(
    found: np.ndarray, allowed: np.ndarray | None, excluded: list[np.ndarray] | None, items: _retrieval.Items
) -> np.ndarray:
    """Return which of the rows found are candidates and not excluded for their query."""
    keep = np.ones(found.shape, dtype=bool) if allowed is None else allowed[found]
    if excluded is not None:
        indptr, indices = _retrieval.joined(excluded, len(found))
        if len(indices):
            query = np.repeat(np.arange(len(found)), np.diff(indptr))
            left_out = query * len(items.table) + indices  # ascending, as ids of a query are
            pairs = np.arange(len(found))[:, None] * len(items.table) + found
            place = np.minimum(np.searchsorted(left_out, pairs), len(left_out) - 1)
            keep &= left_out[place] != pairs
    return keep


def ordered(
    queries: np.ndarray, items: _retrieval.Items, found: np.ndarray, keep: np.ndarray, n: int, num_threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the n best, by exact scores, of what is kept: as many at least; equal scores by id."""
    indptr = np.arange(len(found) + 1, dtype=np.int64) * found.shape[1]
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    scores = _retrieval.score_pairs(queries, items, (indptr, found.ravel()), num_threads).reshape(found.shape)
    scores[~keep] = -np.inf
    best = np.lexsort((found, -scores), axis=1)[:, :n]
    return np.take_along_axis(found, best, axis=1), np.take_along_axis(scores, best, axis=1)
