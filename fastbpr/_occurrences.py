"""In which contexts interactions occurred, what that makes them weigh, and what the contexts show."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastbpr._contexts import MISSING
from fastbpr._debias import Debias


class Occurrences:
    """In which contexts each interaction occurred, in the order of a training matrix; every context once.

    An interaction is a user and an item. Contexts that do not act are none (-1), the others are numbered anew.
    """

    def __init__(self, contexts: Any, n_items: int) -> None:
        acting = acting_of(contexts)
        self.labels = np.flatnonzero(acting)  # the log's number of each context
        numbers = np.append(np.cumsum(acting) - 1, MISSING)  # the last place is that of context -1
        numbers[:-1][~acting] = MISSING
        own = numbers[contexts.contexts].astype(np.int32)
        order = np.lexsort((own, contexts.items, contexts.users))
        users, items, own = contexts.users[order], contexts.items[order], own[order]
        is_new = np.append(True, (users[1:] != users[:-1]) | (items[1:] != items[:-1]))
        is_first = is_new | np.append(True, own[1:] != own[:-1])
        self.users, self.items, self.contexts = users[is_first], items[is_first], own[is_first]
        self.starts = np.append(np.flatnonzero(is_new[is_first]), len(self.users)).astype(np.int64)
        self.n_items, self.n_contexts = n_items, len(self.labels)
        self.strengths = contexts.strengths[self.labels].astype(np.float64)
        self.shown = None if contexts.shown is None else contexts.shown[self.labels]
        # Of those in a context: which, and how many the same user has in the same context.
        self.known = np.flatnonzero(self.contexts != MISSING)
        keys = self.contexts[self.known].astype(np.int64) * (int(self.users.max()) + 1) + self.users[self.known]
        pairs, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
        self.together = counts[which]
        self.n_users = np.bincount(pairs // (int(self.users.max()) + 1), minlength=self.n_contexts)
        self.sizes = np.bincount(self.contexts[self.known], minlength=self.n_contexts)

    def choices(self) -> csr_array:
        """Return the number of users that chose each item in each context."""
        pairs = self.contexts[self.known], self.items[self.known]
        counts = csr_array((np.ones(len(self.known)), pairs), shape=(self.n_contexts, self.n_items))
        counts.sum_duplicates()
        return counts

    # ---- weights ----------------------------------------------------------------------------------------------------

    def context_weights(self, debias: Debias) -> np.ndarray:
        """Return the weight of steps in no context, and in each, as `Debias` describes it."""
        weights = np.ones(self.n_contexts)
        if debias.context_threshold is not None:
            ratio = debias.context_threshold * len(self.contexts) / np.maximum(self.sizes, 1)
            weights *= np.minimum(1, np.sqrt(ratio) + ratio)
        if debias.bundling_power:
            weights *= (1 + self.bundling()) ** -debias.bundling_power
        weights = np.append(1, weights**self.strengths)
        return relative(weights, weights[self.contexts + 1]).astype(np.float32)

    def bundling(self) -> np.ndarray:
        """Return how many more interactions than by chance the user of an interaction has in its context, at least 0.

        By chance, each user's interactions in contexts would be spread over these in proportion to their sizes.
        """
        contexts, users = self.contexts[self.known], self.users[self.known]
        totals = np.bincount(users)[users]
        found, expected = (
            np.bincount(contexts, others - 1, minlength=self.n_contexts) / np.maximum(self.sizes, 1)
            for others in (self.together, totals)
        )
        return np.maximum(found - expected * self.sizes / max(len(self.known), 1), 0)

    def cap_weights(self, cap: int | None) -> np.ndarray | None:
        """Return min(1, cap / n_uc)**strength for every occurrence, n_uc being what the user chose in the context."""
        if cap is None:
            return None
        weights = np.ones(len(self.users))
        weights[self.known] = np.minimum(1, cap / self.together) ** self.strengths[self.contexts[self.known]]
        return relative(weights, weights).astype(np.float32)

    # ---- what contexts show -----------------------------------------------------------------------------------------

    def visible(self, choices: csr_array) -> csr_array:
        """Return the items that each context shows: what is known to have been shown, and what was chosen there."""
        if self.shown is None:
            return choices
        visible = csr_array(choices + self.shown)
        visible.sum_duplicates()
        return visible

    def share_liked(self, visible: csr_array, matrix: csr_array, *, most: int = 4096) -> float:
        """Return which share of what contexts show beside a positive its user has, too; from a sample."""
        sample = self.known
        if len(sample) > most:
            sample = np.random.default_rng(0).choice(sample, most, replace=False)
        n_liked = n_others = 0
        for user, context in zip(self.users[sample], self.contexts[sample], strict=True):
            own = matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]
            there = visible.indices[visible.indptr[context] : visible.indptr[context + 1]]
            n_liked += len(np.intersect1d(own, there, assume_unique=True)) - 1
            n_others += len(there) - 1
        return n_liked / n_others if n_others else 0.0


def acting_of(contexts: Any) -> np.ndarray:
    """Return which contexts can make items alike that are not, shape (n_contexts,).

    They have a strength, and more than one user, or are known to have shown items: what one user alone did together,
    as in a basket, was nobody else's choice of what to show.
    """
    known = contexts.contexts != MISSING
    shape = len(contexts.labels), int(contexts.users.max()) + 1
    pairs = csr_array((np.ones(known.sum()), (contexts.contexts[known], contexts.users[known])), shape=shape)
    pairs.sum_duplicates()
    n_users = np.diff(pairs.indptr)
    acting = n_users > 1
    if contexts.shown is not None:
        acting |= (np.diff(contexts.shown.indptr) > 0) & (n_users > 0)
    return acting & (contexts.strengths > 0)


def why_none_acts(contexts: Any) -> str:
    """Tell what contexts lack, none of which acts."""
    present = np.unique(contexts.contexts[contexts.contexts != MISSING])
    if not len(present):
        return "no interaction is in a context"
    if not (contexts.strengths[present] > 0).any():
        return "all contexts have a strength of 0"
    return "no context with a strength above 0 has several users, or items that are known to have been shown"


def relative(weights: np.ndarray, of_all: np.ndarray) -> np.ndarray:
    """Return weights over the mean of the tenth of all occurrences that weigh most, and 1 at most.

    Little changes where a tenth of them happened outside contexts. Where nearly all happened in contexts, and weigh
    little, there is nothing else to learn from.
    """
    n_heaviest = -(-len(of_all) // 10)
    heaviest = np.partition(of_all, len(of_all) - n_heaviest)[len(of_all) - n_heaviest :]
    return np.minimum(weights / heaviest.mean(), 1)
