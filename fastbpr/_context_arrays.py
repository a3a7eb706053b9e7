"""What a fit is told about contexts: which negatives compete there, what steps weigh, how margins are offset.

`Debias` documents the methods; this makes the arrays that the kernels take.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastbpr import _validation
from fastbpr._debias import MOST_IN_CONTEXT, Debias
from fastbpr._kernels import partition
from fastbpr._occurrences import Occurrences, why_none_acts
from fastbpr._sentences import counted

FEWEST_BLOCKS = 4  # so that some work for threads is left
REACHED = 0.9  # share of the wanted steps in contexts that blocks must leave possible
PARTNERS = 4  # entries of a context in a bucket from which on a tetrad finds a partner
N_COUNTS = 8  # of a thread, a cache line: entries in contexts, negatives of the context, tetrads


def none_of(dtype: type) -> np.ndarray:
    """Return an empty array: what the kernels take for what a fit has no use for."""
    return np.empty(0, dtype=dtype)


class Debiasing(NamedTuple):
    """What a fit with ``debias`` did."""

    n_contexts: int  # that have a strength, and more than one user or known items
    share: float  # of the interactions that occurred in them; an interaction in n contexts counts as n
    mean_weight: float  # of a step in one of these contexts with a usual negative, over that of other steps
    n_blocks: int  # that users, and items, were divided into
    negatives: float = 0.0  # share of the last epoch's steps in these contexts that had negatives of their context
    tetrads: float = 0.0  # share of the last epoch's steps in these contexts that were tetrads

    def sentence(self) -> str:
        """Tell what was done."""
        if not self.n_contexts:
            return (
                "Debias had nothing to do: no context has a strength above 0, and several users or items known to have "
                "been shown."
            )
        return (
            f"Debias: {counted('context', self.n_contexts)} with {self.share:.0%} of the interactions. Steps there "
            f"weigh {self.mean_weight:.2g} of others on average; {self.negatives:.0%} had negatives of their context, "
            f"{self.tetrads:.0%} were tetrads."
        )


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
        self.wanted = none_of(np.float64)  # (n_contexts,)  how often negatives are to be of the context
        self.visible_starts, self.visible_items = none_of(np.int64), none_of(np.int32)
        self.visible_offsets, self.other_offsets = none_of(np.float32), none_of(np.float32)
        self.liked_starts, self.liked_items = none_of(np.int64), none_of(np.int32)
        self.row_starts, self.row_users, self.row_items = none_of(np.int64), none_of(np.int32), none_of(np.int32)
        self.row_weights = none_of(np.float32)
        self.group_starts, self.group_places = none_of(np.int64), none_of(np.int32)
        self.n_blocks = 1

    def report(self, counts: np.ndarray | None = None) -> Debiasing | None:
        """Return what was done, from the kernels' counts of an epoch."""
        return None

    def told_by(self) -> tuple[np.ndarray, ...]:
        """Return arrays that differ where contexts do, or what a fit is to do about them."""
        return (
            self.occurrence_starts, self.occurrence_contexts, self.weights, self.wanted, self.visible_starts,
            self.visible_items, self.tetrad_rates, self.row_weights,
        )  # fmt: skip

    def blocks(self, most: int) -> int:
        """Return the number of blocks, up to `most`, with which contexts have their effect."""
        return most

    def divide(self, n_blocks: int) -> None:
        """Take the number of blocks."""

    def group(self, block_of_item: np.ndarray, place_of_item: np.ndarray, num_threads: int) -> None:
        """Sort what contexts show by the epoch's item blocks."""


NO_CONTEXTS = ContextArrays()


class KnownContexts(ContextArrays):
    """The arrays for a log with contexts that act.

    Parameters are the training positives (canonical CSR), where they occurred, and the methods.
    """

    exist = True

    def __init__(self, matrix: csr_array, occurrences: Occurrences, debias: Debias) -> None:
        super().__init__()
        self.liked_starts = matrix.indptr.astype(np.int64, copy=False)
        self.liked_items = matrix.indices.astype(np.int32, copy=False)
        self.occurrence_starts, self.occurrence_contexts = occurrences.starts, occurrences.contexts
        self.sizes = occurrences.sizes
        self.weights = occurrences.context_weights(debias)
        self.step_weights = occurrences.cap_weights(debias.cap)
        choices = occurrences.choices()
        visible = occurrences.visible(choices)
        self.visible_starts, self.visible_items = visible.indptr.astype(np.int64), visible.indices.astype(np.int32)
        n_visible = np.diff(self.visible_starts)
        self.wanted = np.where(n_visible > 1, debias.negative_rate * occurrences.strengths, 0)
        self.n_others = (n_visible - 1) * (1 - occurrences.share_liked(visible, matrix))  # that the user has not
        if debias.tetrad_share:
            pairs = (occurrences.n_users > 1) & (np.diff(choices.indptr) > 1)
            self.tetrad_rates = np.where(pairs, debias.tetrad_share * occurrences.strengths, 0).astype(np.float32)
            self.in_contexts = occurrences.known[
                np.argsort(occurrences.contexts[occurrences.known], kind="stable")
            ]  # occurrences, context by context
            self.row_starts = np.append(0, np.cumsum(self.sizes)).astype(np.int64)
            self.row_users = occurrences.users[self.in_contexts]
            self.row_items = occurrences.items[self.in_contexts]
        if debias.offset:
            strengths = occurrences.strengths * debias.offset
            self.visible_offsets, self.other_offsets = offsets_of(choices, visible, strengths)

    def take_weights(self, weights: np.ndarray) -> None:
        """Take the weights of all occurrences, which tetrads need of their partners."""
        if len(self.tetrad_rates) and len(weights):
            self.row_weights = weights[self.in_contexts]

    def report(self, counts: np.ndarray | None = None) -> Debiasing:
        """Return what was done, from the kernels' counts of an epoch."""
        weights = self.weights[self.occurrence_contexts + 1]
        if self.step_weights is not None:
            weights = weights * self.step_weights
        inside = self.occurrence_contexts >= 0
        usual = weights[~inside].mean() if not inside.all() else 1.0
        n_entries, *done = counts[:3] if counts is not None else (0, 0, 0)
        shares = (count / max(n_entries, 1) for count in done)
        return Debiasing(
            len(self.sizes), float(inside.mean()), float(weights[inside].mean() / usual), self.n_blocks,
            *map(float, shares),
        )  # fmt: skip

    def weights_of_interactions(self) -> np.ndarray:
        """Return the mean weight over the occurrences of each interaction."""
        weights = self.weights[self.occurrence_contexts + 1]
        if self.step_weights is not None:
            weights = weights * self.step_weights
        starts = self.occurrence_starts
        return (np.add.reduceat(weights, starts[:-1]) / np.diff(starts)).astype(np.float32)

    # ---- blocks -----------------------------------------------------------------------------------------------------

    def blocks(self, most: int) -> int:
        """Return the largest number up to `most` with which contexts have their effect; FEWEST_BLOCKS, if `most` is.

        An item of a context can be a negative where it shares a block with the positive; two interactions of a context
        make a tetrad where they share a bucket.
        """
        if not self.exist:
            return most
        enough, too_many = min(most, FEWEST_BLOCKS), most + 1
        while too_many - enough > 1:  # the more blocks, the less is possible
            middle = (enough + too_many) // 2
            if self.possible(middle) >= REACHED:
                enough = middle
            else:
                too_many = middle
        return enough

    def possible(self, n_blocks: int) -> float:
        """Return which share of the wanted steps in contexts so many blocks leave possible."""
        weights, parts = self.sizes * self.wanted, [1.0]
        if weights.any():
            parts.append((weights * np.minimum(1, MOST_IN_CONTEXT / self.rates_in(n_blocks))).sum() / weights.sum())
        if len(self.tetrad_rates):
            weights = self.sizes * self.tetrad_rates
            beside = self.n_others / n_blocks  # other items of the context in the block
            found = np.minimum(1, self.sizes / (PARTNERS * n_blocks**2)) * beside / (1 + beside)
            most = self.n_others / (1 + self.n_others)
            parts.append((weights * found).sum() / (weights * most).sum() if weights.any() else 1.0)
        return float(min(parts))

    def rates_in(self, n_blocks: int) -> np.ndarray:
        """Return how often negatives must be of the context where it has any in the block: the wanted rate over reach.

        An interaction finds one of n others in its block with probability 1 - (1 - 1 / n_blocks)**n.
        """
        reach = 1 - (1 - 1 / n_blocks) ** self.n_others if n_blocks > 1 else np.ones(len(self.n_others))
        return self.wanted / np.where(reach > 0, reach, 1) + 1e-12

    def divide(self, n_blocks: int) -> None:
        """Take the number of blocks."""
        self.n_blocks = n_blocks
        if not self.exist:
            return
        rates = np.minimum(self.rates_in(n_blocks), MOST_IN_CONTEXT)
        self.rates = np.append(0, np.where(self.wanted > 0, rates, 0)).astype(np.float32)
        self.group_starts = np.empty(len(self.sizes) * n_blocks + 1, dtype=np.int64)
        self.group_places = np.empty(len(self.visible_items), dtype=np.int32)

    def group(self, block_of_item: np.ndarray, place_of_item: np.ndarray, num_threads: int) -> None:
        """Sort what contexts show by the epoch's item blocks."""
        if self.exist:
            partition.group_contexts(
                self.visible_starts, self.visible_items, block_of_item, place_of_item, self.n_blocks,
                self.group_starts, self.group_places, num_threads,
            )  # fmt: skip


class WeightsOnly(KnownContexts):
    """Contexts that the kernels need not know, because nothing but the weights of interactions comes from them."""

    exist = False

    def __init__(self, matrix: csr_array, occurrences: Occurrences, debias: Debias) -> None:
        super().__init__(matrix, occurrences, debias)
        self.by_interaction = self.weights_of_interactions()
        self.told = super().report()
        self.occurrence_starts, self.tetrad_rates = none_of(np.int64), none_of(np.float32)

    def report(self, counts: np.ndarray | None = None) -> Debiasing:
        """Return what was done."""
        return self.told._replace(n_blocks=self.n_blocks)


class NothingActs(ContextArrays):
    """Contexts of which none can make items alike."""

    def divide(self, n_blocks: int) -> None:
        """Take the number of blocks."""
        self.n_blocks = n_blocks

    def report(self, counts: np.ndarray | None = None) -> Debiasing:
        """Return that there was nothing to do."""
        return Debiasing(0, 0.0, 1.0, self.n_blocks)


def offsets_of(choices: csr_array, visible: csr_array, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factor * ln e_ci for the visible items and for the others of each context.

    e_ci = (n_ci + 1) / (n_c + n_items), n_ci of the n_c choices in the context being of item i.
    """
    rows = np.repeat(np.arange(len(factors)), np.diff(visible.indptr))
    total = choices.sum(axis=1) + choices.shape[1]
    counts = np.asarray(choices[rows, visible.indices]).ravel()
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
        if by_item is None:
            logging.getLogger("fastbpr").warning("debias changes nothing: all its methods are off.")
        return positives._replace(weights=weights), NO_CONTEXTS
    occurrences = Occurrences(_validation.check_contexts("user_items", log), matrix.shape[1])
    _validation.check_same_interactions("user_items", len(occurrences.starts) - 1, matrix.nnz)
    if occurrences.n_contexts == 0:
        logging.getLogger("fastbpr").warning("debias does nothing about contexts: %s.", why_none_acts(log.contexts))
        return positives._replace(weights=weights), NothingActs()
    if not debias.changes_steps:
        contexts = WeightsOnly(matrix, occurrences, debias)
        return positives._replace(weights=multiplied(contexts.by_interaction, weights)), contexts
    contexts = KnownContexts(matrix, occurrences, debias)
    if len(weights):
        weights = np.repeat(weights, np.diff(contexts.occurrence_starts))
    if contexts.step_weights is not None:
        weights = multiplied(contexts.step_weights, weights)
    contexts.take_weights(weights)
    return positives._replace(weights=weights), contexts


def multiplied(weights: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the products with other weights, of which there may be none."""
    return weights * others if len(others) else weights


def propensity_weights(counts: np.ndarray, debias: Debias) -> np.ndarray | None:
    """Return min(1 / theta_i, clip) for every item, or None where nothing is known or asked of propensities."""
    if debias.propensities is not None:
        theta = _validation.check_propensities("propensities", debias.propensities, len(counts))
    elif debias.propensity_power:
        theta = (np.maximum(counts, 1) / counts.max()) ** debias.propensity_power
    else:
        return None
    return np.minimum(1 / theta, debias.propensity_clip)
