"""What a fit is told about contexts: which negatives compete there, what steps weigh, how margins are offset.

`Debias` documents the methods; this makes the arrays that the kernels take.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastbpr import _validation
from fastbpr._debias import MOST_IN_CONTEXT, Debias
from fastbpr._kernels import partition
from fastbpr._sentences import counted

FEWEST_BLOCKS = 4  # so that some work for threads is left
REACHED = 0.9  # share of the wanted steps in contexts that blocks must leave possible
PARTNERS = 2  # entries that a context must have in a bucket, on average, for tetrads to find partners


def none_of(dtype: type) -> np.ndarray:
    """Return an empty array: what the kernels take for what a fit has no use for."""
    return np.empty(0, dtype=dtype)


class Debiasing(NamedTuple):
    """What a fit with ``debias`` did."""

    n_contexts: int  # that have a strength, and more than one user or known items
    share: float  # of the interactions that occurred in them; an interaction in n contexts counts as n
    n_competing: int  # of these contexts, those in which items could be negatives of each other
    n_blocks: int  # that users, and items, were divided into
    reached: float  # share of the steps in contexts that were asked for and that the blocks left possible
    mean_weight: float  # of a step in one of these contexts with a usual negative, over that of other steps

    def sentence(self) -> str:
        """Tell what was done."""
        if not self.n_contexts:
            return (
                "Debias had nothing to do: no context has a strength above 0, and several users or items known to have "
                "been shown."
            )
        told = (
            f"Debias: {counted('context', self.n_contexts)} with {self.share:.0%} of the interactions. Steps there "
            f"weigh {self.mean_weight:.2g} of others on average."
        )
        if self.n_competing:
            told += (
                f" Negatives of the same context in {self.n_competing:,} of them; "
                f"{counted('block', self.n_blocks)} of items leave {self.reached:.0%} of what was asked for possible."
            )
        return told


class ContextArrays:
    """Arrays for the kernels; all are empty where a fit knows of no contexts.

    An interaction is a user and an item; it occurred in one or more contexts, one of which is drawn for every epoch.
    """

    exist = False

    def __init__(self) -> None:
        self.occurrence_starts = none_of(np.int64)  # (n_interactions + 1,)
        self.occurrence_contexts = none_of(np.int32)  # (n_occurrences,)
        # Of context -1, which is none, 0, 1 ..
        self.rates, self.weights = none_of(np.float32), none_of(np.float32)
        self.tetrad_rates = none_of(np.float32)  # (n_contexts,)
        self.visible_starts, self.visible_items = none_of(np.int64), none_of(np.int32)
        self.visible_offsets, self.other_offsets = none_of(np.float32), none_of(np.float32)
        self.liked_starts, self.liked_items = none_of(np.int64), none_of(np.int32)
        self.row_starts, self.row_users, self.row_items = none_of(np.int64), none_of(np.int32), none_of(np.int32)
        self.group_starts, self.group_places = none_of(np.int64), none_of(np.int32)
        self.n_blocks = 1

    def report(self) -> Debiasing | None:
        """Return what was done."""
        return None

    def blocks(self, most: int) -> int:
        """Return the number of blocks, up to `most`, with which contexts have their effect."""
        return most

    def divide(self, n_blocks: int) -> None:
        """Take the number of blocks."""

    def group(self, block_of_item: np.ndarray, place_of_item: np.ndarray, num_threads: int) -> None:
        """Sort what contexts show by the epoch's item blocks."""


NO_CONTEXTS = ContextArrays()


class KnownContexts(ContextArrays):
    """The arrays for a log with contexts.

    Parameters are the training positives (canonical CSR), the log's contexts and the methods.
    """

    exist = True

    def __init__(self, matrix: csr_array, contexts: Any, debias: Debias) -> None:
        super().__init__()
        self.liked_starts = matrix.indptr.astype(np.int64, copy=False)
        self.liked_items = matrix.indices.astype(np.int32, copy=False)
        n_contexts = len(contexts.labels)
        acting = acting_of(contexts)
        occurrences = Occurrences(matrix, contexts, acting)
        self.occurrence_starts, self.occurrence_contexts = occurrences.starts, occurrences.contexts
        choices, n_users, n_choices = occurrences.choices(n_contexts)
        visible = visible_of(choices, contexts.shown)
        self.visible_starts, self.visible_items = visible.indptr.astype(np.int64), visible.indices.astype(np.int32)
        self.n_visible = np.diff(self.visible_starts)
        strengths = np.where(acting, contexts.strengths, 0).astype(np.float64)
        self.wanted = np.where(self.n_visible > 1, debias.negative_rate * strengths, 0)
        self.n_rows = n_choices
        share = n_choices / max(len(self.occurrence_contexts), 1)
        weights = context_weights(share, strengths, debias.context_threshold)
        weights = np.append(1, weights)
        weights = np.minimum(weights / usual(weights[self.occurrence_contexts + 1]), 1)
        self.weights = weights.astype(np.float32)
        if debias.tetrad_share:
            pairs = (n_users > 1) & (np.diff(choices.indptr) > 1)
            self.tetrad_rates = np.where(pairs, debias.tetrad_share * strengths, 0).astype(np.float32)
            order = np.argsort(self.occurrence_contexts, kind="stable")
            order = order[self.occurrence_contexts[order] >= 0]
            self.row_starts = np.append(0, np.cumsum(n_choices)).astype(np.int64)
            self.row_users, self.row_items = occurrences.users[order], occurrences.items[order]
        if debias.offset:
            self.visible_offsets, self.other_offsets = offsets_of(choices, visible, strengths * debias.offset)
        self.step_weights = occurrences.weights(debias.cap, strengths)
        self.report_parts = self.facts(strengths)

    def facts(self, strengths: np.ndarray) -> tuple[int, float, int, float]:
        """Return what is known of a `Debiasing` before training."""
        counts = (strengths > 0) & (self.n_rows > 0)
        concerned = self.occurrence_contexts >= 0
        concerned[concerned] = counts[self.occurrence_contexts[concerned]]
        weights = self.weights[self.occurrence_contexts[concerned] + 1]
        if self.step_weights is not None:
            weights = weights * self.step_weights[concerned]
        mean = float(weights.mean()) if len(weights) else 1.0
        return int(counts.sum()), float(concerned.mean()), int((self.wanted > 0).sum()), mean

    def report(self) -> Debiasing:
        """Return what was done."""
        n_contexts, share, n_competing, mean_weight = self.report_parts
        return Debiasing(n_contexts, share, n_competing, self.n_blocks, self.reached(self.n_blocks), mean_weight)

    @property
    def n_acting(self) -> int:
        """Number of contexts that the methods are about."""
        return self.report_parts[0]

    def withdrawn(self) -> KnownContexts:
        """Return these arrays for kernels that need know no contexts."""
        self.exist, self.occurrence_starts, self.tetrad_rates = False, none_of(np.int64), none_of(np.float32)
        return self

    def weights_of_interactions(self) -> np.ndarray:
        """Return the mean weight over the occurrences of each interaction."""
        weights = self.weights[self.occurrence_contexts + 1]
        if self.step_weights is not None:
            weights = weights * self.step_weights
        starts = self.occurrence_starts
        return (np.add.reduceat(weights, starts[:-1]) / np.diff(starts)).astype(np.float32)

    def blocks(self, most: int) -> int:
        """Return the largest number up to `most` with which contexts have their effect; FEWEST_BLOCKS, if `most` is.

        An item of a context can be a negative where it shares a block with the positive; two interactions of a context
        make a tetrad where they share a bucket.
        """
        for n_blocks in range(most, FEWEST_BLOCKS, -1):
            if self.reached(n_blocks) >= REACHED:
                return n_blocks
        return min(most, FEWEST_BLOCKS)

    def reached(self, n_blocks: int) -> float:
        """Return which share of the wanted steps in contexts so many blocks leave possible."""
        wanted = (self.n_rows * self.wanted).sum()
        possible = (self.n_rows * self.wanted * np.minimum(1, MOST_IN_CONTEXT / self.rates_in(n_blocks))).sum()
        share = possible / wanted if wanted else 1.0
        if len(self.tetrad_rates):
            weights = self.n_rows * self.tetrad_rates
            found = np.minimum(1, self.n_rows / (PARTNERS * n_blocks**2))
            share = min(share, (weights * found).sum() / weights.sum()) if weights.any() else share
        return float(share)

    def rates_in(self, n_blocks: int) -> np.ndarray:
        """Return how often negatives must be of the context where it has any in the block: the wanted rate over reach.

        An interaction finds another of v visible items in its block with probability 1 - (1 - 1 / n_blocks)**(v - 1).
        """
        reach = 1 - (1 - 1 / n_blocks) ** (self.n_visible - 1.0) if n_blocks > 1 else np.ones(len(self.n_visible))
        return self.wanted / np.where(reach > 0, reach, 1) + 1e-12

    def divide(self, n_blocks: int) -> None:
        """Take the number of blocks."""
        self.n_blocks = n_blocks
        rates = np.minimum(self.rates_in(n_blocks), MOST_IN_CONTEXT)
        self.rates = np.append(0, np.where(self.wanted > 0, rates, 0)).astype(np.float32)
        self.group_starts = np.empty(len(self.n_visible) * n_blocks + 1, dtype=np.int64)
        self.group_places = np.empty(len(self.visible_items), dtype=np.int32)

    def group(self, block_of_item: np.ndarray, place_of_item: np.ndarray, num_threads: int) -> None:
        """Sort what contexts show by the epoch's item blocks."""
        if not self.exist:
            return
        partition.group_contexts(
            self.visible_starts, self.visible_items, block_of_item, place_of_item, self.n_blocks,
            self.group_starts, self.group_places, num_threads,
        )  # fmt: skip


def acting_of(contexts: Any) -> np.ndarray:
    """Return which contexts can make items alike that are not, shape (n_contexts,).

    They have a strength, and more than one user, or are known to have shown items: what one user alone did together,
    as in a basket, was nobody else's choice of what to show.
    """
    known = contexts.contexts >= 0
    shape = len(contexts.labels), int(contexts.users.max()) + 1
    pairs = csr_array((np.ones(known.sum()), (contexts.contexts[known], contexts.users[known])), shape=shape)
    pairs.sum_duplicates()
    is_shared = np.diff(pairs.indptr) > 1
    if contexts.shown is not None:
        is_shared |= np.diff(contexts.shown.indptr) > 0
    return is_shared & (contexts.strengths > 0)


class Occurrences:
    """In which contexts each interaction occurred, in the order of a training matrix; every context once.

    Contexts that do not act are none (-1).
    """

    def __init__(self, matrix: csr_array, contexts: Any, acting: np.ndarray) -> None:
        acting = np.append(acting, False)  # the last place is that of context -1
        own = np.where(acting[contexts.contexts], contexts.contexts, np.int32(-1))
        order = np.lexsort((own, contexts.items, contexts.users))
        users, items, own = contexts.users[order], contexts.items[order], own[order]
        is_new = np.append(True, (users[1:] != users[:-1]) | (items[1:] != items[:-1]))
        is_first = is_new | np.append(True, own[1:] != own[:-1])
        self.users, self.items, self.contexts = users[is_first], items[is_first], own[is_first]
        starts = np.flatnonzero(is_new[is_first])
        self.starts = np.append(starts, len(self.users)).astype(np.int64)
        self.n_items = matrix.shape[1]

    def choices(self, n_contexts: int) -> tuple[csr_array, np.ndarray, np.ndarray]:
        """Return (users of each item in each context, users in each context, choices in each context)."""
        known = self.contexts >= 0
        users, items, contexts = self.users[known], self.items[known], self.contexts[known]
        counts = csr_array((np.ones(len(items)), (contexts, items)), shape=(n_contexts, self.n_items))
        counts.sum_duplicates()
        pairs = np.unique(contexts.astype(np.int64) * (int(self.users.max()) + 1) + users)
        n_users = np.bincount(pairs // (int(self.users.max()) + 1), minlength=n_contexts)
        return counts, n_users, np.bincount(contexts, minlength=n_contexts)

    def weights(self, cap: int | None, strengths: np.ndarray) -> np.ndarray | None:
        """Return min(1, cap / n_uc)**strength for every occurrence, n_uc being what the user chose in the context."""
        if cap is None:
            return None
        known = self.contexts >= 0
        keys = self.contexts[known].astype(np.int64) * (int(self.users.max()) + 1) + self.users[known]
        _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        weights = np.ones(len(self.users), dtype=np.float32)
        weights[known] = np.minimum(1, cap / counts[which]) ** strengths[self.contexts[known]]
        return np.minimum(weights / usual(weights), 1).astype(np.float32)


def usual(weights: np.ndarray) -> float:
    """Return what counts as a weight of 1: what nine of ten interactions do not exceed.

    That is 1 where a tenth of them happened outside contexts. Where nearly all happened in contexts, and weigh little,
    there is nothing else to learn from.
    """
    return float(np.quantile(weights, 0.9)) if len(weights) else 1.0


def visible_of(choices: csr_array, shown: csr_array | None) -> csr_array:
    """Return the items that each context shows: what is known to have been shown, and what was chosen there."""
    visible = choices if shown is None else csr_array(choices + shown)
    visible.sum_duplicates()
    return visible


def context_weights(shares: np.ndarray, strengths: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return min(1, sqrt(t / f) + t / f)**strength for contexts with a share f of all interactions.

    The rule by which word2vec keeps frequent words (Mikolov et al. 2013), for contexts.
    """
    if threshold is None:
        return np.ones(len(shares))
    ratio = threshold / np.maximum(shares, 1e-300)
    return np.minimum(1, np.sqrt(ratio) + ratio) ** strengths


def offsets_of(choices: csr_array, visible: csr_array, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factor * ln e_ci for the visible items and for the others of each context.

    e_ci = (n_ci + 1) / (n_c + n_items), n_ci of the n_c choices in the context being of item i.
    """
    n_contexts, n_items = choices.shape
    rows = np.repeat(np.arange(n_contexts), np.diff(visible.indptr))
    chosen = csr_array((np.zeros(visible.nnz), visible.indices, visible.indptr), shape=visible.shape) + choices
    total = choices.sum(axis=1) + n_items
    counts = np.zeros(visible.nnz)
    counts[:] = csr_array(chosen).data if chosen.nnz == visible.nnz else np.asarray(choices[rows, visible.indices])
    visible_offsets = factors[rows] * np.log((counts + 1) / total[rows])
    return visible_offsets.astype(np.float32), (factors * np.log(1 / total)).astype(np.float32)


def debiased(log: Any, positives: Any, matrix: csr_array, debias: Debias | None) -> tuple[Any, ContextArrays]:
    """Return the positives with the weights of their steps, and what the fit is told about contexts."""
    if debias is None:
        return positives, NO_CONTEXTS
    weights = positives.weights
    by_item = propensity_weights(positives.counts(), debias)
    if by_item is not None:
        weights = by_item[positives.indices] * (weights if len(weights) else 1)
        weights = (weights / weights.mean()).astype(np.float32)
    if not debias.needs_contexts:
        return positives._replace(weights=weights), NO_CONTEXTS
    contexts = KnownContexts(matrix, _validation.check_contexts("user_items", log), debias)
    if contexts.n_acting == 0:
        return positives._replace(weights=weights), contexts.withdrawn()
    if not debias.changes_steps:
        by_interaction = contexts.weights_of_interactions() * (weights if len(weights) else np.float32(1))
        return positives._replace(weights=by_interaction), contexts.withdrawn()
    if len(weights):
        weights = np.repeat(weights, np.diff(contexts.occurrence_starts))
    if contexts.step_weights is not None:
        weights = contexts.step_weights * (weights if len(weights) else np.float32(1))
    return positives._replace(weights=weights), contexts


def propensity_weights(counts: np.ndarray, debias: Debias) -> np.ndarray | None:
    """Return min(1 / theta_i, clip) for every item, or None where nothing is known or asked of propensities."""
    if debias.propensities is not None:
        theta = _validation.check_propensities("propensities", debias.propensities, len(counts))
    elif debias.propensity_power:
        theta = (np.maximum(counts, 1) / counts.max()) ** debias.propensity_power
    else:
        return None
    return np.minimum(1 / theta, debias.propensity_clip)
