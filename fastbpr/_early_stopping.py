"""Validation during a fit: what is measured, how often, which factors are kept, and when it is time to stop."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _ranking, _validation
from fastbpr._tables import Tables

SAMPLE_SEED = 20  # of the users to validate on; not the model's, so that models are compared on the same users
SCORES_PER_UPDATE = 25  # scores, products of two vectors, in the time of an update of three, whatever their length


class ValidationRules(NamedTuple):
    """How a fit is to be validated; `BPR.fit` documents the fields."""

    patience: int | None
    metric: tuple[str, int | None]
    every: int | None
    n_users: int | None

    @classmethod
    def checked(cls, patience: Any, metric: Any, every: Any, n_users: Any, is_validated: bool) -> ValidationRules:
        """Take what the user gave."""
        if not is_validated:
            _validation.check_unused(patience=patience, validate_every=every)
        for name, value in (("patience", patience), ("validate_every", every), ("validation_users", n_users)):
            if value is not None:
                _validation.check_integer(name, value, minimum=1)
        metric = _validation.check_metric(metric, _ranking.METRICS_AT_K, _ranking.METRICS_OF_ALL)
        return cls(patience, metric, every, n_users)


class Validation:
    """Held-out interactions, prepared once, and the best tables seen."""

    def __init__(
        self, rules: ValidationRules, user_items: Any, held_out: Any, num_threads: int, n_draws: int = 1
    ) -> None:
        train, test = _validation.check_split(user_items, held_out, names=("user_items", "validation"))
        relevant = _ranking.new_items(test, train)
        self.users = sampled(np.flatnonzero(np.diff(relevant.indptr)), rules.n_users)
        _validation.check_evaluated(len(self.users), name="validation")
        self.liked, self.wanted = train[self.users], relevant[self.users]
        n_items = train.shape[1]
        self.n_others = n_items - np.diff(self.liked.indptr) - np.diff(self.wanted.indptr)
        self.name, self.cutoff = rules.metric
        _validation.check_pairs_to_order(self.name, self.n_others)
        self.num_threads = num_threads
        self.patience = rules.patience
        self.every = rules.every or epochs_between(len(self.users), n_items, train.nnz * n_draws)
        self.buffer: Tables | None = None
        self.best: Tables | None = None
        self.best_value: float | None = None
        self.n_without_gain = 0

    @property
    def label(self) -> str:
        """Name of the metric."""
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"

    @property
    def has_seen_enough(self) -> bool:
        """Whether the fit should stop."""
        return self.patience is not None and self.n_without_gain >= self.patience

    def is_due(self, epoch: int, iterations: int) -> bool:
        """Whether to measure after this epoch: after every so many, and after the last."""
        return (epoch + 1) % self.every == 0 or epoch + 1 == iterations

    def measure(self, tables: Tables) -> float:
        """Return the metric of the tables as they are; keep them if they are the best."""
        value = self.value(tables)
        if self.count(value):
            self.keep(tables)
        return value

    def go_on(self, history: Sequence[Any], best: Tables) -> None:
        """Take up what validations so far, in a fit's history, came to; their best tables become this object's own."""
        self.buffer = self.best = best
        for epoch in history:
            if epoch.validation is not None:
                self.count(epoch.validation)

    def count(self, value: float) -> bool:
        """Take note of a value; return whether it is the best so far."""
        if self.best_value is not None and not value > self.best_value:
            self.n_without_gain += 1
            return False
        self.best_value, self.n_without_gain = value, 0
        return True

    def keep(self, tables: Tables) -> None:
        """Copy the tables. Ctrl-C in between leaves `best` None, so that the tables themselves are what is kept."""
        self.best = None
        if self.buffer is None:
            self.buffer = tables.like()
        for kept, array in zip(self.buffer.arrays(), tables.arrays(), strict=True):
            np.copyto(kept, array)
        self.best = self.buffer

    def value(self, tables: Tables) -> float:
        """Return the mean of the metric over the users, as `evaluate` does."""
        users, items, biases = tables.views()
        model = SimpleNamespace(user_factors=users[self.users], item_factors=items, item_biases=biases)
        scores = _ranking.user_scores(model, self.wanted.shape, self.num_threads)
        # Every rank is counted: of so few users that takes less time than lists of the best.
        n_ahead = scores.count_ahead(np.arange(len(self.users)), self.liked, self.wanted, targets_compete=False)
        ranking = _ranking.Ranking.from_counts(self.wanted.indptr, n_ahead, self.n_others)
        return _ranking.mean(_ranking.per_query(ranking, self.name, self.cutoff))


def sampled(users: np.ndarray, n: int | None) -> np.ndarray:
    """Return n of the users, always the same ones, in order; all of them where there are not more."""
    if n is None or len(users) <= n:
        return users
    return np.sort(np.random.default_rng(SAMPLE_SEED).choice(users, n, replace=False))


def epochs_between(n_users: int, n_items: int, n_draws: int) -> int:
    """Return after how many epochs, of so many draws of a negative, their work is that of a validation."""
    return max(1, -(-n_users * n_items // (SCORES_PER_UPDATE * n_draws)))
