"""How a fit's steps are made, and where the negatives of an epoch come from: what the kernels are told about both."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastbpr._context_arrays import NO_CONTEXTS, ContextArrays, none_of
from fastbpr._kernels import partition, training
from fastbpr._tables import Tables

LOSSES = ("bpr", "warp", "softmax", "k-os-warp", "logistic")  # their numbers in losses.pxd
WARP_LOSSES = ("warp", "k-os-warp")
NEGATIVES = ("uniform", "popularity", "dynamic", "adaptive")
OPTIMIZERS = ("sgd", "adagrad", "adadelta")  # their numbers in optimizers.pxd
MAX_NEGATIVES = training.MAX_NEGATIVES
MAX_CANDIDATES = training.MAX_CANDIDATES
MAX_POSITIVES = training.MAX_POSITIVES

SORTED_PER_UPDATE = 0.25  # numbers that may be sorted for the orders of `adaptive`, for each update of an epoch ...
MOST_EPOCHS = 5  # ... but they are sorted anew after so many epochs at the latest
CURRENT, COMING = "current_columns", "coming_columns"  # what a ranker has seen
LEAST_WEIGHT = 1e-30  # of an item among negatives by popularity, so that extreme powers stay defined


class Recipe(NamedTuple):
    """What a step is; `BPR` documents the parameters."""

    loss: str = "bpr"
    negatives: str = "uniform"
    n_negatives: int = 1
    n_candidates: int = 1
    popularity_power: float = 0.75
    uniform_share: float = 0.0
    adaptive_rank: float = 0.01
    optimizer: str = "sgd"
    given_share: float = 0.0
    verify: bool = True
    n_positives: int = 10
    positive_rank: int = 5
    rho: float = 0.95
    epsilon: float = 1e-6

    @property
    def n_draws(self) -> int:
        """Items that are drawn and scored for a step, or 1 where that is none but the interaction's own."""
        if self.loss == "logistic":
            return 1
        return self.n_negatives * self.n_candidates + (self.n_positives if self.chooses_positives else 0)

    @property
    def n_compared(self) -> int:
        """Draws that one comparison is about: all of a softmax, or those that the best is taken of."""
        return self.n_draws if self.loss == "softmax" else self.n_candidates

    @property
    def keeps_sums(self) -> bool:
        """Whether tables need room for what the optimiser remembers."""
        return self.optimizer != "sgd"

    @property
    def chooses_positives(self) -> bool:
        """Whether a step is about one of several positives of its user."""
        return self.loss == "k-os-warp"

    @property
    def has_user_biases(self) -> bool:
        """Whether users have biases: they cancel in a loss over pairs."""
        return self.loss == "logistic"


class Negatives:
    """The recipe and the arrays that it needs, made anew for each epoch as far as they depend on it."""

    def __init__(
        self,
        recipe: Recipe,
        counts: np.ndarray,
        tables: Tables,
        n_interactions: int,
        contexts: ContextArrays = NO_CONTEXTS,
    ) -> None:
        self.contexts = contexts
        self.loss = LOSSES.index(recipe.loss)
        self.n_negatives = recipe.n_negatives
        self.n_candidates = recipe.n_candidates
        self.n_positives = recipe.n_positives
        self.positive_rank = recipe.positive_rank
        self.optimizer = OPTIMIZERS.index(recipe.optimizer)
        self.rho = recipe.rho
        self.epsilon = recipe.epsilon
        self.n_factors = tables.factors
        self.verify = recipe.verify
        self.is_plain = (
            recipe.loss == "bpr"
            and recipe.negatives in ("uniform", "popularity", "dynamic")
            and recipe.n_negatives == recipe.n_candidates == 1
            and recipe.optimizer == "sgd"
        )
        self.given_starts, self.given_rates = none_of(np.int64), none_of(np.float32)
        self.given_users, self.given_places, self.user_ranks = (none_of(np.int32) for _ in range(3))
        self.weights = popularity_weights(counts, recipe) if recipe.negatives == "popularity" else None
        self.shares, self.aliases = none_of(np.uint32), none_of(np.int32)
        self.corrections = none_of(np.float32)
        if self.weights is not None:
            self.shares = np.empty(len(counts), dtype=np.uint32)
            self.aliases = np.empty(len(counts), dtype=np.int32)
            if recipe.loss == "softmax":
                self.corrections = np.empty(len(counts), dtype=np.float32)
        self.rank_share = recipe.adaptive_rank
        self.ranker = Ranker(tables, n_interactions) if recipe.negatives == "adaptive" else None
        self.orders, self.spreads = none_of(np.int32), none_of(np.float32)

    def take_given(self, starts: np.ndarray, rates: np.ndarray, n_given: int) -> None:
        """Take up what users are known not to want; the schedule fills the arrays in."""
        self.is_plain = False
        self.given_starts, self.given_rates = starts, rates
        self.given_users, self.given_places = np.empty(n_given, dtype=np.int32), np.empty(n_given, dtype=np.int32)
        self.user_ranks = np.empty(len(rates), dtype=np.int32)

    def begin_epoch(
        self,
        tables: Tables,
        block_starts: np.ndarray,
        block_items: np.ndarray,
        block_of_item: np.ndarray,
        place_of_item: np.ndarray,
        num_threads: int,
    ) -> None:
        """Divide what negatives are drawn by among the item blocks."""
        self.contexts.group(block_of_item, place_of_item, num_threads)
        if self.weights is not None:
            partition.alias_tables(self.weights, block_starts, block_items, self.shares, self.aliases, num_threads)
            if len(self.corrections):  # ln(n P(k)) within the block
                means = np.add.reduceat(self.weights[block_items], block_starts[:-1]) / np.diff(block_starts)
                self.corrections[:] = np.log(self.weights / means[block_of_item])
        if self.ranker is not None:
            orders, self.spreads = self.ranker.next(tables)
            if len(self.orders) == 0:
                self.orders = np.empty(orders.size, dtype=np.int32)
            partition.divide_orders(orders, block_starts, block_of_item, place_of_item, self.orders, num_threads)


def popularity_weights(counts: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return each item's probability: (1 - share) n_i**power / sum of n_j**power + share / n_items.

    Items that nobody has count as if one user had them, so that any power is defined.
    """
    logarithms = recipe.popularity_power * np.log(np.maximum(counts, 1))
    powers = np.maximum(np.exp(logarithms - logarithms.max()), LEAST_WEIGHT)
    return (1 - recipe.uniform_share) * powers / powers.sum() + recipe.uniform_share / len(counts)


class Ranker:
    """Orders of the items by every factor, for `adaptive`: made in the background while epochs are trained.

    The orders that an epoch uses are those of the factors some epochs before it, as many as its work needs, so that a
    background thread keeps up. Which epochs these are depends on the sizes alone, so results do not depend on time.
    """

    def __init__(self, tables: Tables, n_interactions: int) -> None:
        n_items = len(tables.items)
        n_sorted = (tables.factors + 1) * n_items
        self.interval = min(MOST_EPOCHS, max(1, round(n_sorted / (SORTED_PER_UPDATE * n_interactions))))
        self.epoch = 0
        self.current: tuple[np.ndarray, np.ndarray] | None = None
        self.coming: Future | None = None
        self.seen: dict[str, np.ndarray] = {}  # the columns that the current and the coming orders are of
        self.worker = ThreadPoolExecutor(1)

    def next(self, tables: Tables) -> tuple[np.ndarray, np.ndarray]:
        """Return (orders, shape (n_orders, n_items); spreads) for the epoch that begins."""
        if self.current is None:
            self.seen[CURRENT] = self.columns(tables)
            self.current = orders_of(self.seen[CURRENT])
        elif self.epoch % self.interval == 0:
            if self.coming is not None:
                self.current, self.seen[CURRENT] = self.coming.result(), self.seen[COMING]
            self.order(self.columns(tables))
        self.epoch += 1
        return self.current

    def order(self, columns: np.ndarray) -> None:
        """Begin to make the orders that come next."""
        self.seen[COMING] = columns
        self.coming = self.worker.submit(orders_of, columns)

    def go_on(self, epoch: int, seen: Mapping[str, np.ndarray]) -> None:
        """Become as another ranker was before an epoch, from what it had seen."""
        self.epoch = epoch
        if CURRENT in seen:
            self.seen[CURRENT] = seen[CURRENT]
            self.current = orders_of(seen[CURRENT])
        if COMING in seen:
            self.order(seen[COMING])

    def columns(self, tables: Tables) -> np.ndarray:
        """Copy the item factors and the biases as columns; biases that do not exist are zeros and have no spread."""
        _, item_factors, item_biases = tables.views()
        return np.concatenate([item_factors.T, item_biases[None]])


def orders_of(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the items by each column, largest first, and the columns' standard deviations."""
    orders = np.empty(columns.shape, dtype=np.int32)
    for order, column in zip(orders, columns, strict=True):
        order[:] = np.argsort(-column, kind="stable")
    return orders, columns.std(axis=1, dtype=np.float64).astype(np.float32)
