"""The two orders in which an epoch goes through the interactions; each owns its work arrays and drives its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastbpr._context_arrays import N_COUNTS, NO_CONTEXTS, ContextArrays
from fastbpr._kernels import partition, training
from fastbpr._negatives import Negatives, Recipe
from fastbpr._tables import LANES, Tables

# An epoch runs in slices of about this many updates; between slices Python may handle signals such as Ctrl-C.
UPDATES_PER_SLICE = 1_000_000

NO_WEIGHTS = np.empty(0, dtype=np.float32)


class Positives(NamedTuple):
    """The training matrix as the kernels want it: canonical CSR, weights empty if all are one."""

    indptr: np.ndarray  # int64 (n_users + 1,)
    indices: np.ndarray  # int32 (n_interactions,)
    weights: np.ndarray  # float32 (n_interactions,), with contexts (n_occurrences,), or (0,)
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

    def counts(self) -> np.ndarray:
        """Return the number of users of each item."""
        return np.bincount(self.indices, minlength=self.n_items)

    def liked(self, *, copy: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return (indptr, indices); a copy does not change when the caller's matrix does."""
        return (self.indptr.copy(), self.indices.copy()) if copy else (self.indptr, self.indices)


class Given(NamedTuple):
    """What users are known not to want, as canonical CSR; none of it is a positive."""

    indptr: np.ndarray  # int64 (n_users + 1,)
    indices: np.ndarray  # int32 (n_given,), n_given >= 1
    weights: np.ndarray = NO_WEIGHTS

    def rates(self, share: float, n_blocks: int) -> np.ndarray:
        """Return how often a user's negative must be a given one, in blocks that have one, for `share` of all to be.

        A user's n given negatives are in a share 1 - (1 - 1/n_blocks)**n of the blocks, and only there can be drawn.
        """
        reach = 1 - (1 - 1 / n_blocks) ** np.diff(self.indptr)
        return np.minimum(1, share / np.where(reach > 0, reach, np.inf)).astype(np.float32)


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

    def __init__(
        self,
        positives: Positives,
        tables: Tables,
        recipe: Recipe,
        num_threads: int,
        given: Given | None = None,
        contexts: ContextArrays = NO_CONTEXTS,
        fewest_slices: int = 1,
    ) -> None:
        self.positives = positives
        self.contexts = contexts
        self.negatives = Negatives(recipe, positives.counts(), tables, len(positives.indices), contexts)
        self.num_threads = num_threads
        n_blocks = contexts.blocks(number_of_blocks(positives, tables.items.strides[0]))
        if given is not None:
            n_blocks = blocks_for_given(positives, given, recipe.given_share, n_blocks)
        if recipe.chooses_positives:
            n_blocks = blocks_for_choice(positives, recipe.n_positives, n_blocks)
        contexts.divide(n_blocks)
        n_interactions = len(positives.indices)
        self.slices = slices(n_blocks, n_interactions * work_of(recipe, tables.width), fewest_slices)
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
        self.bucket_weights = np.empty(n_interactions if len(positives.weights) else 0, dtype=np.float32)
        self.bucket_contexts = np.empty(n_interactions if contexts.exist else 0, dtype=np.int32)
        largest_block = int(np.diff(self.block_starts).max())
        self.rows = np.empty((min(num_threads, n_blocks), 2 * tables.width + LANES), dtype=np.float32)
        n_waiting = training.SLOTS * len(contexts.tetrad_rates)
        self.waiting = np.empty((len(self.rows), n_waiting + LANES if n_waiting else 0), dtype=np.int64)
        self.counts = np.zeros((len(self.rows), N_COUNTS), dtype=np.int64)
        self.stamps = np.empty((min(num_threads, n_blocks), largest_block + LANES), dtype=np.uint32)
        self.progress = np.empty((n_blocks, 8), dtype=np.int64)
        self.losses = np.zeros((n_blocks, n_blocks))
        self.n_correct = np.zeros((n_blocks, n_blocks), dtype=np.int64)
        self.n_updates = np.zeros((n_blocks, n_blocks), dtype=np.int64)
        self.given = None
        if given is not None:
            self.given = given
            self.given_starts = np.empty((n_blocks, n_blocks + 1), dtype=np.int64)
            self.negatives.take_given(
                self.given_starts.reshape(-1), given.rates(recipe.given_share, n_blocks), len(given.indices)
            )

    def run_epoch(self, tables: Tables, step: Step, key: int) -> Iterator[EpochSums]:
        """Train one epoch; yield after each slice what the epoch did so far."""
        partition.partition_items(key, self.block_starts, self.block_of_item, self.place_of_item, self.block_items)
        self.bucket(
            key, self.positives, self.bucket_starts, self.bucket_users, self.bucket_places, self.bucket_weights,
            self.contexts, self.bucket_contexts,
        )  # fmt: skip
        negatives = self.negatives
        if self.given is not None:
            self.bucket(key, self.given, self.given_starts, negatives.given_users, negatives.given_places, NO_WEIGHTS)
            negatives.user_ranks[self.user_order] = np.arange(len(self.user_order), dtype=np.int32)
        negatives.begin_epoch(
            tables, self.block_starts, self.block_items, self.block_of_item, self.place_of_item, self.num_threads
        )
        for sums in (self.losses, self.n_correct, self.n_updates, self.counts):
            sums[:] = 0
        for first, last in self.slices:
            training.train_stages(
                tables, negatives, step, key, first, last,
                self.bucket_starts, self.bucket_users, self.bucket_places, self.bucket_weights, self.bucket_contexts,
                self.block_starts, self.block_items, self.stamps, self.rows, self.waiting, self.counts, self.progress,
                self.losses, self.n_correct, self.n_updates,
            )  # fmt: skip
            yield EpochSums(float(self.losses.sum()), int(self.n_correct.sum()), int(self.n_updates.sum()))

    def bucket(
        self,
        key: int,
        entries: Positives | Given,
        starts: np.ndarray,
        users: np.ndarray,
        places: np.ndarray,
        weights: np.ndarray,
        contexts: ContextArrays = NO_CONTEXTS,
        bucket_contexts: np.ndarray = NO_CONTEXTS.occurrence_contexts,
    ) -> None:
        """Sort a CSR matrix's entries into buckets; the order of users is the same for all with one key."""
        partition.bucket_interactions(
            key, entries.indptr, entries.indices, entries.weights, self.user_starts,
            self.block_of_item, self.place_of_item, self.user_order, starts, self.cursors, self.progress,
            users, places, weights, contexts.occurrence_starts, contexts.occurrence_contexts, bucket_contexts,
            self.num_threads,
        )  # fmt: skip


class HogwildSchedule:
    """Random interactions, lock-free: the classic. Reproducible on one thread only."""

    def __init__(
        self,
        positives: Positives,
        tables: Tables,
        recipe: Recipe,
        num_threads: int,
        given: Given | None = None,
        contexts: ContextArrays = NO_CONTEXTS,
        fewest_slices: int = 1,
    ) -> None:
        self.positives = positives
        self.contexts = contexts
        contexts.divide(1)
        self.negatives = Negatives(recipe, positives.counts(), tables, len(positives.indices), contexts)
        if given is not None:
            self.negatives.take_given(given.indptr, given.rates(recipe.given_share, 1), len(given.indices))
            self.negatives.given_places[:] = given.indices
        self.num_threads = num_threads
        # To the sources of negatives all items are one block, each at the place of its number.
        self.all_items = np.arange(positives.n_items, dtype=np.int32)
        self.one_block = np.array([0, positives.n_items], dtype=np.int64)
        self.room = np.empty((num_threads, 2 * tables.width + LANES), dtype=np.float32)
        self.counts = np.zeros((num_threads, N_COUNTS), dtype=np.int64)
        n_chunks = training.n_chunks_of(len(positives.indices))
        self.slices = slices(n_chunks, len(positives.indices) * work_of(recipe, tables.width), fewest_slices)
        users = np.arange(positives.n_users, dtype=np.int32)
        self.rows = np.repeat(users, np.diff(positives.indptr))
        self.losses = np.zeros(n_chunks)
        self.n_correct = np.zeros(n_chunks, dtype=np.int64)
        self.n_updates = np.zeros(n_chunks, dtype=np.int64)

    def run_epoch(self, tables: Tables, step: Step, key: int) -> Iterator[EpochSums]:
        """Train one epoch; yield after each slice what the epoch did so far."""
        self.negatives.begin_epoch(
            tables, self.one_block, self.all_items, np.zeros(len(self.all_items), dtype=np.uint16), self.all_items,
            self.num_threads,
        )  # fmt: skip
        for sums in (self.losses, self.n_correct, self.n_updates, self.counts):
            sums[:] = 0
        for first, last in self.slices:
            training.train_chunks(
                tables, self.negatives, step, key, first, last,
                self.positives.indptr, self.positives.indices, self.rows, self.positives.weights,
                self.contexts.occurrence_starts, self.contexts.occurrence_contexts,
                self.losses, self.n_correct, self.n_updates, self.room, self.counts,
            )  # fmt: skip
            yield EpochSums(float(self.losses.sum()), int(self.n_correct.sum()), int(self.n_updates.sum()))


SCHEDULES = {"blocked": BlockedSchedule, "hogwild": HogwildSchedule}

BLOCK_BYTES = 384 * 1024  # of item rows per block: they stay in a core's L2 cache beside the user rows
PARALLEL_BLOCKS = 32  # in a simulation (benchmarks/many_cores.py) they keep 16 threads busy
BUCKET_UPDATES = 2**14  # of a bucket from which on more blocks, for more threads, cost a single one nothing
FEWEST_BLOCKS = 4  # that other wishes may bring it down to: some work for threads is left
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


def blocks_for_given(positives: Positives, given: Given, share: float, most: int) -> int:
    """Return the largest number of blocks up to `most` with which given negatives come up as asked.

    It is FEWEST_BLOCKS or more, if `most` is.

    A given negative is in one block of all, and can meet its user's positives of this block only.
    """
    n_positives, n_given = np.diff(positives.indptr), np.diff(given.indptr)
    concerned = n_given > 0
    for n_blocks in range(most, FEWEST_BLOCKS, -1):
        reach = 1 - (1 - 1 / n_blocks) ** n_given[concerned]
        if np.average(reach, weights=n_positives[concerned] + 1e-9) >= share:
            return n_blocks
    return min(most, FEWEST_BLOCKS)


def blocks_for_choice(positives: Positives, n_positives: int, most: int) -> int:
    """Return the largest number of blocks up to `most` in which a step has so many of its user's positives at hand.

    That is on average over the interactions, each with its own positive and a share of the others of its user. It is
    FEWEST_BLOCKS or more, if `most` is.
    """
    sizes = np.diff(positives.indptr).astype(np.float64)
    n_others = (sizes**2).sum() / sizes.sum() - 1
    return min(most, max(FEWEST_BLOCKS, int(n_others / max(n_positives - 1, 1e-9))))


def balanced_ranges(indptr: np.ndarray, n_ranges: int) -> np.ndarray:
    """Cut the rows of a CSR matrix into ranges with about the same number of entries; return n_ranges + 1 offsets."""
    targets = np.arange(n_ranges + 1) * (indptr[-1] / n_ranges)
    starts = np.searchsorted(indptr, targets).astype(np.int64)
    starts[0], starts[-1] = 0, len(indptr) - 1
    return starts


def work_of(recipe: Recipe, width: int) -> int:
    """Return about how many usual updates, of one negative and 64 factors, a step takes the time of."""
    return max(1, recipe.n_draws * width // 1024)


def slices(n_parts: int, n_updates: int, fewest: int = 1) -> list[tuple[int, int]]:
    """Cut the parts of an epoch into contiguous runs of about UPDATES_PER_SLICE updates, `fewest` of them if it can."""
    n_slices = max(1, min(n_parts, max(fewest, n_updates // UPDATES_PER_SLICE)))
    bounds = [part * n_parts // n_slices for part in range(n_slices + 1)]
    return list(pairwise(bounds))
