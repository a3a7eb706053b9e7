"""The loop over epochs: seeds, learning rates, progress, when to stop, and factors that run away."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from fastbpr._composition import NOTHING_COMPOSED, Compositions
from fastbpr._early_stopping import Validation
from fastbpr._schedules import BlockedSchedule, EpochSums, HogwildSchedule, Step
from fastbpr._tables import Tables
from fastbpr.errors import TrainingError

DECAYS = ("constant", "linear", "step")
RUNAWAY = 1000.0  # vectors of useful models have entries of a few units at most


class Epoch(NamedTuple):
    """One line of a fit's history."""

    epoch: int  # from 0
    loss: float  # mean of the loss over the epoch's updates, each before its own; for one negative and BPR it is
    # -ln(sigmoid(margin) + 1e-10)
    auc: float  # share of the updates whose first negative, as it was drawn, scored below the positive
    learning_rate: float
    n_updates: int
    seconds: float  # of training, without validation
    validation: float | None = None  # the metric on held-out interactions after the epoch, None where not measured


class Plan(NamedTuple):
    """What a fit is asked to do, from the model's parameters."""

    iterations: int
    learning_rate: float
    decay: str
    regularization: float | Mapping[str, float]  # as the user gave it, for messages
    strengths: tuple[float, ...]  # in the order of `Step`

    def step(self, number: int) -> Step:
        """Return what epoch `number` uses."""
        learning_rate = float(self.learning_rate)
        if self.decay == "linear":
            learning_rate *= 1 - number / self.iterations
        elif self.decay == "step":
            learning_rate *= 0.5 ** (4 * number // self.iterations)
        return Step(learning_rate, *self.strengths)


class Training:
    """A fit under way; it changes the tables in place."""

    def __init__(
        self,
        plan: Plan,
        schedule: BlockedSchedule | HogwildSchedule,
        tables: Tables,
        validation: Validation | None = None,
        compositions: Compositions = NOTHING_COMPOSED,
    ) -> None:
        self.plan = plan
        self.schedule = schedule
        self.tables = tables
        self.validation = validation
        self.compositions = compositions

    def epochs(
        self, seed: int, show_progress: bool, n_before: int = 0, first: int = 0
    ) -> Iterator[tuple[Epoch, EpochSums]]:
        """Train epoch by epoch from number `first`, to the last or until validation has seen enough.

        Epoch 0 continues the random streams of `n_before` earlier ones.
        """
        validation, shown = self.validation, {}
        with tqdm(total=self.plan.iterations, initial=first, disable=not show_progress, unit="epoch") as progress:
            for number in range(first, self.plan.iterations):
                if validation is not None and validation.has_seen_enough:
                    break
                start = time.perf_counter()
                step = self.plan.step(number)
                sums = self.run_epoch(step, epoch_key(seed, n_before + number))
                n_updates = max(sums.n_updates, 1)
                loss, auc = sums.loss / n_updates, sums.n_correct / n_updates
                # A fit that runs away was seen to order pairs worse than guessing; all of it is looked at in the end.
                if not loss < math.log(2):
                    self.check_bounded(n_epochs=number)
                seconds = time.perf_counter() - start
                value = None
                if validation is not None and validation.is_due(number, self.plan.iterations):
                    self.check_bounded(n_epochs=number)
                    value = validation.measure(self.tables)
                    shown = {f"validation {validation.label}": f"{value:.4f}"}
                progress.set_postfix(loss=f"{loss:.4f}", auc=f"{auc:.4f}", **shown, refresh=False)
                progress.update()
                yield Epoch(number, loss, auc, step.learning_rate, sums.n_updates, seconds, value), sums

    def run_epoch(self, step: Step, key: int) -> EpochSums:
        """Train one epoch. Between its slices Python handles Ctrl-C, and composed rows are made anew."""
        n_slices = len(self.schedule.slices)
        self.compositions.begin((key, 0))
        for part, so_far in enumerate(self.schedule.run_epoch(self.tables, step, key), start=1):
            sums = so_far
            self.compositions.end()
            if part < n_slices:
                self.compositions.begin((key, part))
        self.compositions.settle()
        return sums

    def result(self) -> Tables:
        """Return the tables to keep: of the best epoch where some were validated, else as they are."""
        best = None if self.validation is None else self.validation.best
        return self.tables if best is None else best

    def check_bounded(self, *, n_epochs: int) -> None:
        """Refuse factors that have run away. NaN is not below the bound either."""
        parts = [*self.tables.views(), self.tables.user_biases()]
        if not all(-RUNAWAY < part.min() <= part.max() < RUNAWAY for part in parts if part is not None):
            raise TrainingError(
                f"Training diverged after {n_epochs} whole epochs with "
                f"learning_rate={self.plan.learning_rate!r}, regularization={self.plan.regularization!r}. "
                f"Lower learning_rate (try {self.plan.learning_rate / 10:g}); with weights, make the large ones "
                "smaller, for instance by numpy.log1p. The model is as it was before fit."
            )


def epoch_key(seed: int, epoch: int) -> int:
    """Key of one epoch's random streams."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
