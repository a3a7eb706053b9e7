"""Graphs for approximate search (HNSW; Malkov & Yashunin, 2020) by the library voyager: built, asked, kept as bytes.

A graph orders vectors by their cosine with a query, or by their inner product with it, a bias included. Products are
turned into cosines: with one more coordinate, sqrt(longest**2 - |v|**2), all vectors are equally long, and queries have
0 there (Bachrach et al., 2014).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from tqdm import tqdm

from fastbpr import _retrieval, _validation
from fastbpr._blocks import slices

BLOCK = 2**13  # vectors that are added between two looks at the clock
SEED = 1


def library() -> Any:
    """Return the module, or say how to install it."""
    return _validation.require("voyager", extra="ann", purpose="An index")


def built(
    items: _retrieval.Items, *, connections: int, build_effort: int, num_threads: int, progress: tqdm | None = None
) -> Any:
    """Return a graph of all rows, with their scales and offsets, where there are any.

    With one thread the same rows give the same graph.
    """
    voyager = library()
    longest = squared_length_of_longest(items) if has_bias(items) else 0.0
    graph = voyager.Index(
        voyager.Space.Cosine,
        n_dimensions(items),
        M=connections,
        ef_construction=build_effort,
        random_seed=SEED,
        max_elements=len(items.table),
    )
    for part in slices(len(items.table), BLOCK):
        ids = range(part.start, part.stop)
        graph.add_items(vectors(items, part, longest), ids=list(ids), num_threads=num_threads)
        if progress is not None:
            progress.update(len(ids))
    return graph


def squared_length_of_longest(items: _retrieval.Items) -> float:
    """Return the largest squared length of a row with its bias."""
    return float((_retrieval.lengths(items.table) ** 2 + items.offset.astype(np.float64) ** 2).max())


def has_bias(items: _retrieval.Items) -> bool:
    """Whether products with a bias are wanted, not cosines."""
    return len(items.offset) > 0


def n_dimensions(items: _retrieval.Items) -> int:
    """Return the length of the vectors in a graph: with the bias, and what makes all equally long."""
    return items.table.shape[1] + 2 * has_bias(items)


def vectors(items: _retrieval.Items, part: slice, longest: float) -> np.ndarray:
    """Return some rows as they are in a graph."""
    rows = items.table[part]
    if not has_bias(items):
        return rows * items.scale[part, None] if len(items.scale) else rows
    rows = np.column_stack([rows, items.offset[part]])
    rest = np.sqrt(np.maximum(longest - _retrieval.lengths(rows) ** 2, 0))
    return np.column_stack([rows, rest.astype(np.float32)])


def as_queries(queries: np.ndarray, items: _retrieval.Items) -> np.ndarray:
    """Return queries as a graph wants them."""
    if not has_bias(items):
        return queries
    ends = np.tile(np.array([1, 0], dtype=np.float32), (len(queries), 1))
    return np.hstack([queries, ends])


def nearest(graph: Any, queries: np.ndarray, n: int, effort: int, num_threads: int) -> np.ndarray | None:
    """Return the ids of the n nearest, as far as they are found, or None where there are too few for a query."""
    try:
        ids, _ = graph.query(queries, k=n, num_threads=num_threads, query_ef=max(effort, n))
    except library().RecallError:  # the graph falls into parts, as where many vectors are equal
        return None
    return ids.astype(np.int32)


def as_bytes(graph: Any) -> np.ndarray:
    """Return a graph as it is stored."""
    return np.frombuffer(graph.as_bytes(), dtype=np.uint8)


def from_bytes(content: np.ndarray) -> Any:
    """Return a graph that `as_bytes` stored; the bytes must be those that it wrote."""
    return library().Index.load(io.BytesIO(content))
