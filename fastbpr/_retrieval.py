"""Drives the scoring kernels: candidates, exclusions, bounds, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from fastbpr._blocks import slices
from fastbpr._kernels import scoring

# From so many queries and candidates on, bounds pay.
MANY_QUERIES, MANY_CANDIDATES = 128, 2048
BLOCK = 64  # queries that share a pass over the bounds
CHUNK = 2**15  # queries that are clustered together: time grows with the square, memory in proportion
PRODUCTS_PER_THREAD = 2**18  # of single numbers, that are worth a thread: some ten microseconds

NOTHING = np.empty(0, dtype=np.float32)
SMALLEST_NORM = 1e-15  # its square, and products with it, are still normal numbers


# ---- lists of the best ------------------------------------------------------------------------------------------


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
    """Return (ids, scores), both (n_queries, n), best first; the kernels' docstring has the rules.

    `candidates` and each query's `excluded` are ascending ids. The result is the same, bit for bit, whichever way it is
    found.
    """
    items = Items.of(table, scale, offset, candidates)
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    lists = empty_lists(len(queries), n)
    for part in chunks(len(queries)):
        left_out = joined(None if excluded is None else excluded[part], len(queries[part]))
        for array, found in zip(lists, top_k_of_chunk(queries[part], items, n, left_out, num_threads), strict=True):
            array[part] = found
    return lists


def top_k_of_chunk(
    queries: np.ndarray, items: Items, n: int, excluded: tuple[np.ndarray, np.ndarray], num_threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """`top_k` in the way that takes less time."""
    if len(queries) >= MANY_QUERIES and len(items.candidates) >= MANY_CANDIDATES:
        axes = principal_axes(items)
        if axes is not None:
            floors = floors_of(queries, items, n, excluded, num_threads)
            return search(queries, items, n, excluded, floors, axes, num_threads)
    lists = empty_lists(len(queries), n)
    n_products = len(queries) * len(items.candidates) * queries.shape[1]
    num_threads = threads_worth(len(queries), n_products, num_threads)
    scoring.top_k_of_few(queries, *items, *excluded, *lists, num_threads)
    return lists


def threads_worth(n_queries: int, n_products: int, num_threads: int) -> int:
    """Return how many threads have something to do, where a query has one: others are only waited for.

    On a machine that is busy, waiting for a thread that has no CPU takes longer than most queries.
    """
    return max(1, min(num_threads, n_queries, n_products // PRODUCTS_PER_THREAD))


def chunks(n_queries: int) -> Iterator[slice]:
    """Divide queries into chunks."""
    return slices(n_queries, CHUNK)


class Items(NamedTuple):
    """What queries are compared with, as the kernels want it."""

    table: np.ndarray  # (n_items, factors)
    scale: np.ndarray  # (n_items,), or empty for 1
    offset: np.ndarray  # (n_items,), or empty for 0
    candidates: np.ndarray  # (n_candidates,)

    @classmethod
    def of(
        cls, table: np.ndarray, scale: np.ndarray, offset: np.ndarray, candidates: np.ndarray | None = None
    ) -> Items:
        """Take any arrays; views, while a fit is running. Without candidates all rows are."""
        table, scale, offset = (np.ascontiguousarray(array, dtype=np.float32) for array in (table, scale, offset))
        return cls(table, scale, offset, everything(table) if candidates is None else np.ascontiguousarray(candidates))

    def of_candidates(self, step: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rows, scales (n, 1) and offsets of every `step`-th candidate."""
        some = self.candidates[::step]
        rows = self.table if len(some) == len(self.table) else self.table[some]
        scale = self.scale[some, None] if len(self.scale) else np.ones((len(some), 1), dtype=np.float32)
        offset = self.offset[some] if len(self.offset) else np.zeros(len(some), dtype=np.float32)
        return rows, scale, offset

    def sample(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return `of_candidates` for a sample, and of how many candidates it has one."""
        step = -(-len(self.candidates) // SAMPLE)
        return *self.of_candidates(step), step


# ---- bounds, and what to try first ------------------------------------------------------------------------------

SAMPLE = 2048  # candidates that stand for all where bounds are chosen
COST_OF_SCORE = 40.0  # of scoring a candidate, per factor, in multiples of what a place of its bound costs


def floors_of(
    queries: np.ndarray, items: Items, n: int, excluded: tuple[np.ndarray, np.ndarray], num_threads: int
) -> np.ndarray:
    """Return for every query a score that its n-th best candidate reaches: of what is best for similar queries."""
    floors = np.full(len(queries), -np.inf, dtype=np.float32)
    if not floors_pay(n, len(items.candidates)):
        return floors
    centres, centre_of = clustered(queries, -(-len(queries) // BLOCK), num_threads)
    nowhere = np.full(len(centres), -np.inf, dtype=np.float32)
    nothing = joined(None, len(centres))
    identity = np.eye(queries.shape[1], dtype=np.float32)
    pilots, _ = search(centres, items, n_pilots(n), nothing, nowhere, identity, num_threads, head=len(identity))
    pilots.sort(axis=1)
    complete = pilots[:, 0] >= 0  # scores of -inf are no results, and NaN is none
    pilots[~complete] = 0
    lists = empty_lists(len(queries), n)
    scoring.least_scores(pilots, centre_of, queries, *items[:3], *excluded, *lists, floors, num_threads)
    floors[~complete[centre_of]] = -np.inf
    return floors


def n_pilots(n: int) -> int:
    """Return how many candidates are tried to find out what the n-th best scores at least."""
    return 4 * (n + 10)


def floors_pay(n: int, n_candidates: int) -> bool:
    """Whether trying pilots costs less than it saves."""
    return n_pilots(n) * BLOCK <= n_candidates


def search(
    queries: np.ndarray,
    items: Items,
    n: int,
    excluded: tuple[np.ndarray, np.ndarray],
    floors: np.ndarray,
    axes: np.ndarray,
    num_threads: int,
    head: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return lists (ids, scores) of what reaches the floor; most is ruled out by an upper bound of its score."""
    bounds = upper_bounds(queries, items, axes, head or cheapest_head(queries, items, axes, n), num_threads)
    lists = empty_lists(len(queries), n)
    waiting = np.empty((len(queries), 1 + scoring.PAIRS_TOGETHER), dtype=np.int32)
    scoring.top_k_of_many(*bounds, floors, queries, *items, *excluded, *lists, waiting, BLOCK, num_threads)
    return lists


def clustered(queries: np.ndarray, n_clusters: int, num_threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (centres of clusters, the cluster of each query): the nearest, by cosine, of a sample of queries."""
    some = queries[:: -(-len(queries) // n_clusters)]
    scale = inverse_norms(some)
    nearest = [
        score_block(queries[part], some, scale=scale, num_threads=num_threads).argmax(axis=1)
        for part in slices(len(queries), SAMPLE)
    ]
    _, cluster = np.unique(np.concatenate(nearest), return_inverse=True)
    membership = scipy.sparse.csr_array((np.ones(len(queries), np.float32), (cluster, np.arange(len(queries)))))
    return (membership @ queries) / np.bincount(cluster)[:, None].astype(np.float32), cluster.astype(np.int32)


def principal_axes(items: Items) -> np.ndarray | None:
    """Return the axes along which the items are longest, the longest first: the rows of an orthogonal matrix.

    None where vectors are so long that there is no telling.
    """
    rows, scale, *_ = items.sample()
    rows = np.ascontiguousarray((rows * scale).T)
    with np.errstate(over="ignore", invalid="ignore"):
        gram = score_block(rows, rows).astype(np.float64)
    if not np.isfinite(gram).all():
        return None
    return np.ascontiguousarray(np.linalg.eigh(gram)[1].T[::-1], dtype=np.float32)


def cheapest_head(queries: np.ndarray, items: Items, axes: np.ndarray, n: int) -> int:
    """Return along how many axes bounds make search for the n best cheapest, by looking at samples.

    Candidates whose bound is above the score of the n-th best must be scored.
    """
    rows, scale, offset, step = items.sample()
    some = score_block(queries[:: -(-len(queries) // BLOCK)], axes)
    rows = score_block(rows, axes) * scale
    nth = min(max(1, round(n / step)), len(rows))
    least = np.partition(score_block(some, rows, offset=offset), -nth, axis=1)[:, -nth, None]
    costs = {}
    for head in [*range(8, len(axes), 8), len(axes)]:
        bounds = score_block(some[:, :head], rows[:, :head], offset=offset)
        bounds += np.outer(lengths(some[:, head:]), lengths(rows[:, head:]))
        costs[head] = head + 2 + COST_OF_SCORE * len(axes) * (bounds >= least).mean()
    return min(costs, key=costs.__getitem__)


def upper_bounds(
    queries: np.ndarray, items: Items, axes: np.ndarray, head: int, num_threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (tiles, panels, slack): products that are no less than the scores, less the slack for rounding.

    A vector's coordinates along the first axes are its head, the others the rest. By Cauchy and Schwarz,
    p . q <= head(p) . head(q) + |rest(p)| |rest(q)|. The offset is one more product. Scales must not be negative.
    """
    rows, scale, offset = items.of_candidates()
    bound_queries = beheaded(queries, axes, head, num_threads)
    bound_items = beheaded(rows, axes, head, num_threads) * scale
    bound_queries[:, -1], bound_items[:, -1] = 1, offset
    # A sum of m products is off by at most m + 1 roundings of the product of the vectors' lengths; a rotated vector,
    # whose coordinates are such sums, by the square root of its number of places as much.
    roundings = (len(axes) + 8) * (2 + 2 * len(axes) ** 0.5) * np.finfo(np.float32).eps
    longest = (lengths(rows) * scale[:, 0]).max()
    slack = roundings * (lengths(queries) * longest + np.abs(offset).max()) + SMALLEST_NORM
    return (
        packed(bound_queries, scoring.TILE_ROWS, num_threads),
        packed(bound_items, scoring.PANEL_ROWS, num_threads),
        slack.astype(np.float32),
    )


def beheaded(rows: np.ndarray, axes: np.ndarray, head: int, num_threads: int) -> np.ndarray:
    """Return the rotated rows' heads, the lengths of their rests and one free place."""
    result = np.zeros((len(rows), head + 2), dtype=np.float32)
    for part in chunks(len(rows)):
        rotated = score_block(rows[part], axes, num_threads=num_threads)
        result[part, :head] = rotated[:, :head]
        result[part, head] = lengths(rotated[:, head:])  # not from the rows' lengths: rounding would count as its root
    return result


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return the Euclidean lengths of rows, in double precision."""
    return np.sqrt(np.einsum("if,if->i", rows, rows, dtype=np.float64))


# ---- all scores, and ranks --------------------------------------------------------------------------------------


def score_block(
    queries: np.ndarray,
    table: np.ndarray,
    *,
    scale: np.ndarray = NOTHING,
    offset: np.ndarray = NOTHING,
    num_threads: int = 1,
) -> np.ndarray:
    """Return the scores of all rows of `table` for every query, shape (n_queries, len(table))."""
    items = Items.of(table, scale, offset)
    scores = np.empty((len(queries), len(table)), dtype=np.float32)
    scratch = np.empty((num_threads, scoring.PANEL_ROWS * table.shape[1]), dtype=np.float32)
    scoring.score_block(packed(queries, scoring.TILE_ROWS, num_threads), *items, scores, scratch, num_threads)
    return scores


def score_pairs(
    queries: np.ndarray, items: Items, pairs: tuple[np.ndarray, np.ndarray], num_threads: int
) -> np.ndarray:
    """Return the scores of some items for each query; pairs are (indptr, indices)."""
    scores = np.empty(len(pairs[1]), dtype=np.float32)
    num_threads = threads_worth(len(queries), len(scores) * queries.shape[1], num_threads)
    scoring.score_pairs(np.ascontiguousarray(queries), *items[:3], *pairs, scores, num_threads)
    return scores


def count_ahead(
    queries: np.ndarray,
    items: Items,
    excluded: tuple[np.ndarray, np.ndarray],
    targets: tuple[np.ndarray, np.ndarray],
    *,
    targets_compete: bool,
    num_threads: int = 1,
) -> np.ndarray:
    """Return for each target how many candidates score at least as high; (indptr, indices) are by query."""
    n_ahead = np.empty(len(targets[1]), dtype=np.int64)
    n_tiles = -(-len(queries) // scoring.TILE_ROWS)
    num_threads = min(num_threads, n_tiles)
    scratch = np.empty((num_threads, scoring.TILE_ROWS * len(items.table)), dtype=np.float32)
    scoring.rank_by_factors(
        packed(queries, scoring.TILE_ROWS, num_threads), packed(items.table, scoring.PANEL_ROWS, num_threads), *items,
        *excluded, *targets, targets_compete, n_ahead, scratch, num_threads,
    )  # fmt: skip
    return n_ahead


# ---- arrays for the kernels -------------------------------------------------------------------------------------


def empty_lists(n_queries: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids, scores) to be filled in."""
    return np.empty((n_queries, n), dtype=np.int32), np.empty((n_queries, n), dtype=np.float32)


def everything(table: np.ndarray) -> np.ndarray:
    """Return all row numbers of a table."""
    return np.arange(len(table), dtype=np.int32)


def is_among(ids: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return which ids are among others, which are looked up, not gone through."""
    place = np.searchsorted(ascending, ids)
    among = place < len(ascending)
    among[among] = ascending[place[among]] == ids[among]
    return among


def packed(rows: np.ndarray, lanes: int, num_threads: int) -> np.ndarray:
    """Return rows in groups of `lanes` that are stored factor by factor: (n_groups, factors, lanes)."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    groups = np.empty((-(-len(rows) // lanes), rows.shape[1], lanes), dtype=np.float32)
    if len(rows):
        scoring.pack(rows, everything(rows), groups, num_threads)
    return groups


def joined(lists: Sequence[np.ndarray] | None, n_lists: int) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate lists of ids into (indptr int64, indices int32)."""
    if lists is None:
        return np.zeros(n_lists + 1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    indptr = np.zeros(n_lists + 1, dtype=np.int64)
    np.cumsum([len(ids) for ids in lists], out=indptr[1:])
    return indptr, np.concatenate([*lists, np.zeros(0, dtype=np.int32)], dtype=np.int32)


def inverse_norms(rows: np.ndarray) -> np.ndarray:
    """Return 1 / |row| for every row, 0 for rows so near zero that they have no direction in float32."""
    norms = lengths(rows)
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > SMALLEST_NORM).astype(np.float32)
