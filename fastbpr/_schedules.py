"""The two orders in which an epoch goes through the interactions; each owns its work arrays and drives its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastbpr._kernels import partition, training
from fastbpr._tables import LANES, Tables

# An epoch runs in slices of about this many updates; between slices Python may handle signals such as Ctrl-C.
UPDATES_PER_SLICE = 1_000_000


class Positives(NamedTuple):
    """The training matrix as the kernels want it: canonical CSR, weights empty if all are one."""

    indptr: np.ndarray  # int64 (n_users + 1,)
    indices: np.ndarray  # int32 (n_interactions,)
    weights: np.ndarray  # float32 (n_interactions,) or (0,)
    n_items: int

    @classmethod
    def of(cls, matrix: csr_array, weights: np.ndarray | None) -> Positives:
        """Take the arrays of a canonical CSR matrix, sharing what has the right type already."""
        return cls(
            matrix.indptr.astype(np.int64, copy=False),
            matrix.indices.astype(np.int32, copy=False),
            np.empty(0, dtype=np.float32) if weights is None else weights,
            matrix.shape[1],
        )

    @property
    def n_users(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def liked(self, *, copy: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return (indptr, indices); a copy does not change when the caller's matrix does."""
        return (self.indptr.copy(), self.indices.copy()) if copy else (self.indptr, self.indices)


class Step(NamedTuple):
    """Learning rate and regularisation strengths of one epoch."""

    learning_rate: float
    reg_user: float
    reg_positive: float
    reg_negative: float
    reg_bias: float


class EpochSums(NamedTuple):
    """What an epoch did."""

    loss: float  # sum over updates
    n_correct: int
    n_updates: int


class BlockedSchedule:
    """Disjoint blocks: the same result on any number of threads.

    The number of blocks depends on the data alone. Enough blocks that an item block stays in a core's cache and that
    many threads find work; few enough that a block still offers a choice of negatives and a bucket is worth visiting.
    """

    def __init__(self, positives: Positives, tables: Tables, verify: bool, num_threads: int) -> None:
        self.positives = positives
        self.verify = verify
        self.num_threads = num_threads
        n_blocks = number_of_blocks(positives, tables.items.strides[0])
        n_interactions = len(positives.indices)
        self.block_starts = np.arange(n_blocks + 1, dtype=np.int64) * positives.n_items // n_blocks
        self.user_starts = balanced_ranges(positives.indptr, n_blocks)
        self.block_of_item = np.empty(positives.n_items, dtype=np.uint16)
        self.place_of_item = np.empty(positives.n_items, dtype=np.int32)
        self.block_items = np.empty(positives.n_items, dtype=np.int32)
        self.user_order = np.empty(positives.n_users, dtype=np.int32)
        self.bucket_starts = np.empty((n_blocks, n_blocks + 1), dtype=np.int64)
        self.cursors = np.empty((n_blocks, n_blocks + LANES), dtype=np.int64)  # threads must not share a line
        self.bucket_users = np.empty(n_interactions, dtype=np.int32)
        self.bucket_places = np.empty(n_interactions, dtype=np.int32)
        self.bucket_weights = np.empty(len(positives.weights), dtype=np.float32)
        largest_block = int(np.diff(self.block_starts).max())
        self.stamps = np.empty((min(num_threads, n_blocks), largest_block + LANES), dtype=np.uint32)
        self.progress = np.empty((n_blocks, 8), dtype=np.int64)
        self.losses = np.zeros((n_blocks, n_blocks))
        self.n_correct = np.zeros((n_blocks, n_blocks), dtype=np.int64)
        self.n_updates = np.zeros((n_blocks, n_blocks), dtype=np.int64)

    def run_epoch(self, tables: Tables, step: Step, key: int) -> Iterator[EpochSums]:
        """Train one epoch; yield after each slice what the epoch did so far."""
        partition.partition_items(key, self.block_starts, self.block_of_item, self.place_of_item, self.block_items)
        partition.bucket_interactions(
            key, self.positives.indptr, self.positives.indices, self.positives.weights, self.user_starts,
            self.block_of_item, self.place_of_item, self.user_order, self.bucket_starts, self.cursors, self.progress,
            self.bucket_users, self.bucket_places, self.bucket_weights, self.num_threads,
        )  # fmt: skip
        for sums in (self.losses, self.n_correct, self.n_updates):
            sums[:] = 0
        for first, last in slices(len(self.user_starts) - 1, len(self.bucket_users)):
            training.train_stages(
                tables.users, tables.items, tables.item_bias, self.verify, step, key, first, last,
                self.bucket_starts, self.bucket_users, self.bucket_places, self.bucket_weights,
                self.block_starts, self.block_items, self.stamps, self.progress,
                self.losses, self.n_correct, self.n_updates,
            )  # fmt: skip
            yield EpochSums(float(self.losses.sum()), int(self.n_correct.sum()), int(self.n_updates.sum()))


class HogwildSchedule:
    """Random interactions, lock-free: the classic. Reproducible on one thread only."""

    def __init__(self, positives: Positives, tables: Tables, verify: bool, num_threads: int) -> None:
        self.positives = positives
        self.verify = verify
        self.num_threads = num_threads
        n_chunks = training.n_chunks_of(len(positives.indices))
        users = np.arange(positives.n_users, dtype=np.int32)
        self.rows = np.repeat(users, np.diff(positives.indptr))
        self.losses = np.zeros(n_chunks)
        self.n_correct = np.zeros(n_chunks, dtype=np.int64)
        self.n_updates = np.zeros(n_chunks, dtype=np.int64)

    def run_epoch(self, tables: Tables, step: Step, key: int) -> Iterator[EpochSums]:
        """Train one epoch; yield after each slice what the epoch did so far."""
        for sums in (self.losses, self.n_correct, self.n_updates):
            sums[:] = 0
        for first, last in slices(len(self.losses), len(self.rows)):
            training.train_chunks(
                tables.users, tables.items, tables.item_bias, self.verify, step, key, first, last,
                self.positives.indptr, self.positives.indices, self.rows, self.positives.weights,
                self.losses, self.n_correct, self.n_updates, self.num_threads,
            )  # fmt: skip
            yield EpochSums(float(self.losses.sum()), int(self.n_correct.sum()), int(self.n_updates.sum()))


SCHEDULES = {"blocked": BlockedSchedule, "hogwild": HogwildSchedule}

BLOCK_BYTES = 384 * 1024  # of item rows per block: they stay in a core's L2 cache beside the user rows
PARALLEL_BLOCKS = 32  # in a simulation (benchmarks/many_cores.py) they keep 16 threads busy
BUCKET_UPDATES = 2**14  # of a bucket from which on more blocks, for more threads, cost a single one nothing
MIN_BLOCK_ITEMS = 64  # so that a block offers a choice of negatives
MIN_BUCKET_INTERACTIONS = 512  # so that a bucket is worth visiting


def number_of_blocks(positives: Positives, item_row_bytes: int) -> int:
    """Choose the number of user blocks, and of item blocks, from the data alone."""
    n_interactions = len(positives.indices)
    wanted = max(
        PARALLEL_BLOCKS,
        positives.n_items * item_row_bytes // BLOCK_BYTES,
        int((n_interactions / BUCKET_UPDATES) ** 0.5),
    )
    limits = (
        positives.n_items // MIN_BLOCK_ITEMS,
        positives.n_users,
        int((n_interactions / MIN_BUCKET_INTERACTIONS) ** 0.5),
        2**16 - 1,
    )
    return max(1, min(wanted, *limits))


def balanced_ranges(indptr: np.ndarray, n_ranges: int) -> np.ndarray:
    """Cut the rows of a CSR matrix into ranges with about the same number of entries; return n_ranges + 1 offsets."""
    targets = np.arange(n_ranges + 1) * (indptr[-1] / n_ranges)
    starts = np.searchsorted(indptr, targets).astype(np.int64)
    starts[0], starts[-1] = 0, len(indptr) - 1
    return starts


def slices(n_parts: int, n_updates: int) -> Iterator[tuple[int, int]]:
    """Cut the parts of an epoch into contiguous runs of about UPDATES_PER_SLICE updates."""
    n_slices = max(1, min(n_parts, n_updates // UPDATES_PER_SLICE))
    bounds = [part * n_parts // n_slices for part in range(n_slices + 1)]
    return pairwise(bounds)
