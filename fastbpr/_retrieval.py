"""Drives the top-K kernel: candidates, exclusions, batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastbpr._kernels import scoring
from fastbpr._tables import LANES

MAX_BLOCK = 256  # queries that share a pass over the items; more gain nothing, and would leave threads idle

NOTHING = np.empty(0, dtype=np.float32)
SMALLEST_NORM = 1e-15  # its square, and products with it, are still normal numbers


def top_k(
    queries: np.ndarray,
    table: np.ndarray,
    n: int,
    *,
    candidates: np.ndarray,
    excluded: Sequence[np.ndarray] | None = None,
    scale: np.ndarray = NOTHING,
    offset: np.ndarray = NOTHING,
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids, scores), both (n_queries, n), best first; the kernel's docstring has the rules.

    `candidates` and each query's `excluded` are ascending ids.
    """
    n_queries = len(queries)
    ids = np.empty((n_queries, n), dtype=np.int32)
    scores = np.empty((n_queries, n), dtype=np.float32)
    indptr, indices = joined(excluded, n_queries)
    tile = scoring.TILE_ROWS
    block = min(MAX_BLOCK, -(-n_queries // (tile * num_threads)) * tile)
    scratch = np.empty((num_threads, LANES * table.shape[1]), dtype=np.float32)
    table, offset = np.ascontiguousarray(table), np.ascontiguousarray(offset)  # views, while a fit is running
    scoring.top_k(
        padded(queries, tile), table, scale, offset, candidates, indptr, indices,
        ids, scores, max(block, tile), scratch, num_threads,
    )  # fmt: skip
    return ids, scores


def score_block(
    queries: np.ndarray,
    table: np.ndarray,
    *,
    scale: np.ndarray = NOTHING,
    offset: np.ndarray = NOTHING,
    num_threads: int = 1,
) -> np.ndarray:
    """Return the scores of all rows of `table` for every query, shape (n_queries, len(table))."""
    scores = np.empty((len(queries), len(table)), dtype=np.float32)
    scratch = np.empty((num_threads, LANES * table.shape[1]), dtype=np.float32)
    candidates = np.arange(len(table), dtype=np.int32)
    table, offset = np.ascontiguousarray(table), np.ascontiguousarray(offset)
    scoring.score_block(
        padded(queries, scoring.TILE_ROWS), table, scale, offset, candidates, scores, scratch, num_threads,
    )  # fmt: skip
    return scores


def padded(queries: np.ndarray, multiple: int) -> np.ndarray:
    """Return the queries with zero rows added up to a multiple of `multiple`."""
    n_rows = -(-len(queries) // multiple) * multiple
    result = np.zeros((n_rows, queries.shape[1]), dtype=np.float32)
    result[: len(queries)] = queries
    return result


def joined(lists: Sequence[np.ndarray] | None, n_lists: int) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate lists of ids into (indptr int64, indices int32), with one more id so that there is an address."""
    if lists is None:
        return np.zeros(n_lists + 1, dtype=np.int64), np.zeros(1, dtype=np.int32)
    indptr = np.zeros(n_lists + 1, dtype=np.int64)
    np.cumsum([len(ids) for ids in lists], out=indptr[1:])
    return indptr, np.concatenate([*lists, np.zeros(1, dtype=np.int32)], dtype=np.int32)


def inverse_norms(rows: np.ndarray) -> np.ndarray:
    """Return 1 / |row| for every row, 0 for rows so near zero that they have no direction in float32."""
    norms = np.sqrt(np.einsum("if,if->i", rows, rows, dtype=np.float64))
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > SMALLEST_NORM).astype(np.float32)
