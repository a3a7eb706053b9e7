"""Graphs for approximate search (HNSW; Malkov & Yashunin, 2020) by the library usearch: built, asked, kept as bytes.

A graph orders vectors by their cosine with a query or by their inner product with it, a bias included. Where products
are wanted, it is built by products, too: turned into cosines of vectors of equal length (Bachrach et al., 2014), which
is done in other places, long vectors crowd out what tells the others apart, and a quarter of the best is missed.

It has its own copy of the vectors, in half precision: a search waits for memory, and what it finds is scored exactly
anyway. That makes it 1.4 to 2 times as fast as single precision, and finds as many of the best.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from fastbpr import _retrieval, _validation
from fastbpr._blocks import slices

BLOCK = 2**13  # vectors that are added between two looks at the clock


def library() -> Any:
    """Return the module, or say how to install it."""
    return _validation.require("usearch.index", extra="ann", purpose="An index")


def built(
    items: _retrieval.Items,
    *,
    connections: int,
    build_effort: int,
    effort: int,
    num_threads: int,
    progress: tqdm | None = None,
) -> Any:
    """Return a graph of all rows, with their scales and offsets, where there are any.

    With one thread the same rows give the same graph.
    """
    graph = library().Index(
        **kind_of(items), connectivity=connections, expansion_add=build_effort, expansion_search=effort
    )
    as_rows = Rows.of(items)
    for part in slices(len(items.table), BLOCK):
        graph.add(np.arange(part.start, part.stop), as_rows.some(part), threads=num_threads)
        if progress is not None:
            progress.update(part.stop - part.start)
    return graph


def kind_of(items: _retrieval.Items) -> dict[str, Any]:
    """Return what a graph of the rows is made for."""
    return {
        "ndim": items.table.shape[1] + has_bias(items),
        "metric": "ip" if has_bias(items) else "cos",
        "dtype": "f16",
    }


def is_of(graph: Any, items: _retrieval.Items) -> bool:
    """Whether a graph may be one of these rows: made for the like of them, and with the ids of all of them."""
    like, n_rows = library().Index(**kind_of(items)), len(items.table)
    kinds = [(one.ndim, one.metric_kind, one.dtype, one.multi) for one in (graph, like)]
    return kinds[0] == kinds[1] and len(graph) == n_rows and np.array_equal(np.sort(graph.keys), np.arange(n_rows))


def has_bias(items: _retrieval.Items) -> bool:
    """Whether products with a bias are wanted, not cosines."""
    return len(items.offset) > 0


class Rows(NamedTuple):
    """Vectors as they are in a graph: in half precision, whose range ends at 65,504, all are within -1 to 1."""

    items: _retrieval.Items
    mean: np.float32  # of the biases: what they have in common orders nothing, and would make neighbours of extremes
    largest: np.float32

    @classmethod
    def of(cls, items: _retrieval.Items) -> Rows:
        """Look for the mean of the biases, and for the largest number."""
        if not has_bias(items):
            return cls(items, np.float32(0), np.float32(1))
        mean = items.offset.mean(dtype=np.float64).astype(np.float32)
        parts = [abs(items.table[part]).max(initial=0) for part in slices(len(items.table), BLOCK)]
        largest = max([abs(items.offset - mean).max(initial=0), *parts])
        return cls(items, mean, np.float32(largest or 1))

    def some(self, part: slice) -> np.ndarray:
        """Return some rows."""
        rows = self.items.table[part]
        if has_bias(self.items):
            return np.column_stack([rows, self.items.offset[part] - self.mean]) / self.largest
        return rows * self.items.scale[part, None]


def as_queries(queries: np.ndarray, items: _retrieval.Items) -> np.ndarray:
    """Return queries, none of them zero for cosines, as a graph wants them; what each finds is the same."""
    if has_bias(items):
        queries = np.hstack([queries, np.ones((len(queries), 1), dtype=np.float32)])
    return queries / abs(queries).max(axis=1, keepdims=True)


def nearest(graph: Any, queries: np.ndarray, n: int, num_threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids of the n nearest, how many of them there are), since a graph may fall into parts; other ids are 0."""
    found = graph.search(queries, n, threads=num_threads)
    if len(queries) == 1:  # which is answered by a flat list, as long as what is found
        ids = np.zeros((1, n), dtype=np.int32)
        ids[0, : len(found.keys)] = found.keys
        return ids, np.array([len(found.keys)])
    counts, ids = found.counts.astype(np.int64), found.keys.astype(np.int32)
    ids[np.arange(n) >= counts[:, None]] = 0
    return ids, counts


def as_bytes(graph: Any) -> np.ndarray:
    """Return a graph as it is stored."""
    return np.frombuffer(graph.save(), dtype=np.uint8)


def from_bytes(content: np.ndarray, effort: int) -> Any:
    """Return a graph that `as_bytes` stored."""
    graph = library().Index.restore(content.tobytes())
    graph.expansion_search = effort
    return graph
