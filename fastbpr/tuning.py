"""Finding the parameters that suit some data, on Optuna."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from fastbpr import _early_stopping, _validation
from fastbpr._search_space import SearchSpace
from fastbpr._threads import effective_threads
from fastbpr.bpr import BPR
from fastbpr.errors import TrainingError
from fastbpr.splitting import leave_one_out

__all__ = ["Tuning", "tune"]

STAGES = 10  # of a trial, at whose ends it is measured and compared with others
STARTUP_TRIALS = 5  # that have to be complete before any is given up
WARMUP_STAGES = 2  # of a trial before it can be given up


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What `tune` found; ``print`` shows the table of trials in Markdown, the best first.

    Attributes
    ----------
    best_parameters : dict
        Every parameter of `BPR`, as the best complete trial used them. Those of the first trial if none was completed.
    best_value : float or None
        The metric of that trial on the validation rows, None if none was completed. The best of many values is too good
        to be true: judge the model by interactions that tuning has not seen.
    metric : str
        Its name.
    table : list of dict
        One per trial, in order: ``trial, state, value, epochs, best_epoch, seconds, reason`` and the parameters that
        were searched, None where they did not apply. ``state`` is "complete", "pruned" (given up, ``reason`` says why),
        "failed" (training diverged, or the parameters do not go together) or "interrupted"; ``value`` is the last that
        was measured.
    interrupted : bool
        Whether Ctrl-C ended it.

    Examples
    --------
    >>> print(Tuning({"factors": 32}, 0.25, "mrr", [{"trial": 0, "state": "complete", "value": 0.25}]))
    | trial | state | mrr |
    | --- | --- | --- |
    | 0 | complete | 0.25 |
    """

    best_parameters: dict[str, Any]
    best_value: float | None
    metric: str
    table: list[dict[str, Any]]
    interrupted: bool = False

    def model(self) -> BPR:
        """Return a model with the best parameters, to be fitted to all data.

        Examples
        --------
        >>> Tuning({"factors": 32, "iterations": 50}, 0.2, "ndcg@20", table=[]).model().factors
        32
        """
        return BPR(**self.best_parameters)

    def best_first(self) -> list[dict[str, Any]]:
        """Return the rows of the table: complete trials by their value, then the others in order.

        Examples
        --------
        >>> rows = [{"trial": n, "state": "complete", "value": value} for n, value in enumerate([0.1, 0.3])]
        >>> [row["trial"] for row in Tuning({}, 0.3, "mrr", rows).best_first()]
        [1, 0]
        """
        return sorted(self.table, key=lambda row: -row["value"] if row["state"] == "complete" else float("inf"))

    def __str__(self) -> str:
        rows = self.best_first()
        names = list(rows[0]) if rows else []
        titles = [self.metric if name == "value" else name for name in names]
        lines = [titles, ["---"] * len(names), *([text_of(row[name]) for name in names] for row in rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tune(
    user_items: Any,
    *,
    validation: Any = None,
    minutes: float | None = 10,
    n_trials: int | None = None,
    metric: str = "ndcg@20",
    validation_users: int | None = 2000,
    space: dict[str, Any] | None = None,
    base: BPR | None = None,
    weights: str | None = None,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    show_progress: bool = True,
    num_threads: int = 0,
) -> Tuning:
    """Search the parameters of `BPR` with which lists are best on held-out interactions.

    Trials are fits with different parameters. The first has the settings to start from, so that the result is not worse
    than these on the validation rows; the second those of ``BPR.preset("best")``. The next ones are drawn at random and
    then where the better trials were (a tree-structured Parzen estimator, Bergstra et al., 2011). Each is measured up
    to ten times on its way, and given up if it is below the median of the others at the same share of their epochs. A
    trial is worth what its last epoch is, as that is what fitting again to all data repeats. It needs Optuna: ``pip
    install 'fastbpr[tune]'``.

    Parameters
    ----------
    user_items : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
        What to learn from.
    validation : the same kind and shape, or None, default None
        What to judge by. None holds out one item of every user with two or more: the latest where `user_items` have
        timestamps, else one at random.
    minutes : float or None, default 10
        Stop after this time, > 0, within a trial, too, at the end of an epoch. None for no limit.
    n_trials : int or None, default None
        Stop after so many trials, >= 1. None for no limit.
    metric : str, default "ndcg@20"
        As in `BPR.fit`; the larger the better.
    validation_users : int or None, default 2000
        As in `BPR.fit`. More users tell smaller differences between trials, and take longer.
    space : dict or None, default None
        What to search in place of, or beside, the built-in ranges: by name of a parameter of `BPR`, a list of choices,
        a tuple ``(low, high)`` or ``(low, high, "log")``, or a value that is not searched. A `regularization` that is a
        number is that of users; those of positives, negatives and biases are it times ``positive_multiplier``,
        ``negative_multiplier`` and ``bias_multiplier``, which can be given as well.
    base : BPR or None, default None
        The settings to start from, and of what is not searched. None stands for ``BPR()``. Built-in ranges are widened
        to contain them; where `space` leaves them out, the first trial has other values.
    weights : {None, "values", "ignore"}, default None
        As in `BPR.fit`.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed of the division, the search and the models. The same seed and `n_trials`, with ``minutes=None``, give the
        same trials (with the blocked schedule).
    show_progress : bool, default True
        Show a progress bar of trials with the best value.
    num_threads : int, default 0
        Of each model; trials run one after another.

    Returns
    -------
    Tuning
        ``best_parameters, best_value, table, model()``.

    Raises
    ------
    MissingExtraError
        If Optuna is not installed.
    TypeError, ValueError
        If an argument is not as it must be, before the first trial.
    KeyboardInterrupt
        On Ctrl-C before a trial is complete. Later, Ctrl-C ends the search, and what was found is returned.

    References
    ----------
    * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array(np.kron(np.eye(3), np.ones((10, 8))) * (np.random.default_rng(0).random((30, 24)) < 0.6))
    >>> space = {"factors": [4, 8], "iterations": 10}
    >>> found = tune(user_items, minutes=None, n_trials=3, space=space, random_state=0, show_progress=False)
    >>> len(found.table), found.best_parameters["iterations"]
    (3, 10)
    >>> model = found.model().fit(user_items, show_progress=False)
    """
    minutes, n_trials = _validation.check_budget(minutes, n_trials)
    _validation.check_flag("show_progress", show_progress)
    threads = effective_threads(num_threads)
    if base is not None:
        _validation.check_base("base", base, BPR)
    matrix, _ = _validation.check_training_data(user_items, weights)
    search_space = SearchSpace(decided(BPR() if base is None else base, matrix), space)
    rules = _early_stopping.ValidationRules.checked(None, metric, None, validation_users, is_validated=True)
    if weights is None:
        weights = "values" if getattr(user_items, "has_weights", False) else "ignore"
    optuna = _validation.require("optuna", extra="tune", purpose="Tuning")
    seed = _validation.check_seed("random_state", random_state)
    if validation is None:
        by = "random" if getattr(user_items, "timestamps", None) is None else "time"
        user_items, validation = leave_one_out(user_items, by=by, random_state=seed)
        _validation.check_held_out(
            getattr(validation, "user_items", validation).nnz,
            int(np.count_nonzero(np.diff(matrix.indptr))),
            name="user_items",
            instead=", or give held-out interactions: validation=...",
        )
    seldom = _early_stopping.Validation(rules, user_items, validation, threads).every
    data = Data(user_items, validation, metric, validation_users, weights, seldom)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    with quiet(optuna):
        starts = [search_space.first(), search_space.point_of(decided(BPR.preset("best"), matrix))]
        common = {"random_state": seed, "num_threads": num_threads}
        if base is not None and base.debias is not None:
            common["debias"] = base.debias
        search = Search(optuna, search_space, starts, data, common, deadline)
        search.run(n_trials, show_progress)
    return search.result()


def decided(model: BPR, matrix: Any) -> BPR:
    """Return a model with numbers in place of ``"auto"``."""
    return BPR(**vars(model._decided(matrix)))


@dataclasses.dataclass(frozen=True)
class Data:
    """What models are fitted to and judged by."""

    train: Any
    validation: Any
    metric: str
    validation_users: int | None
    weights: str
    seldom: int  # the number of epochs that are as much work as a validation

    def fit(self, model: BPR, callback: Any) -> None:
        """Fit a model, measured at the end of each stage, or less often where measuring takes longer than training."""
        model.fit(
            self.train, validation=self.validation, metric=self.metric, validation_users=self.validation_users,
            validate_every=max(self.seldom, -(-model.iterations // STAGES)), weights=self.weights,
            show_progress=False, callback=callback,
        )  # fmt: skip


class Search:
    """A search under way."""

    def __init__(
        self,
        optuna: Any,
        space: SearchSpace,
        starts: list[dict[str, Any]],  # the first points to try
        data: Data,
        common: dict[str, Any],
        deadline: float | None,
    ) -> None:
        self.optuna = optuna
        self.space = space
        self.data = data
        self.common = common  # parameters that all models share
        self.deadline = deadline
        self.study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=common["random_state"] % 2**32),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_STAGES),
        )
        for point in starts:
            self.study.enqueue_trial(point)
        self.table: list[dict[str, Any]] = []
        self.parameters: list[dict[str, Any]] = []  # of each trial's model
        self.interrupted = False

    def run(self, n_trials: int | None, show_progress: bool) -> None:
        """Run trial after trial until the budget is used up."""
        with tqdm(total=n_trials, disable=not show_progress, unit="trial") as progress:
            while not self.is_over() and (n_trials is None or len(self.table) < n_trials):
                try:
                    self.run_trial()
                except KeyboardInterrupt:
                    if self.best() is None:
                        raise
                    self.interrupted = True
                    return
                if (best := self.best()) is not None:
                    progress.set_postfix({self.data.metric: f"{best['value']:.4f}"}, refresh=False)
                progress.update()

    def run_trial(self) -> None:
        """Fit one model and write down what came of it."""
        trial, states = self.study.ask(), self.optuna.trial.TrialState
        start, reason, state, stage = time.perf_counter(), "", "complete", 0
        point = self.space.suggest(trial)
        self.parameters.append(self.space.parameters(point) | self.common)
        model, values = None, []

        def observe(epoch: int, *_: Any) -> bool:
            """Tell the pruner of a new value; stop the fit if it is hopeless or the time is over."""
            nonlocal reason, state, stage
            values.append(model.history[-1].validation)
            is_last = epoch + 1 == model.iterations
            if values[-1] is not None and (new_stage := round(STAGES * (epoch + 1) / model.iterations)) > stage:
                stage = new_stage
                trial.report(values[-1], stage)
                if not is_last and trial.should_prune():
                    reason, state = "below the median", "pruned"
            if not is_last and self.is_over():
                reason, state = "time is over", "pruned"
            return state == "pruned"

        try:
            model = BPR(**self.parameters[-1])
        except ValueError as error:  # each value was checked, so it is that they do not go together
            reason, state = str(error), "failed"
        try:
            if model is not None:
                self.data.fit(model, observe)
        except TrainingError as error:
            reason, state = str(error).partition(". ")[0], "failed"
        except KeyboardInterrupt:
            reason, state = "Ctrl-C", "interrupted"
            raise
        finally:
            measured = [value for value in values if value is not None]
            self.table.append(
                {
                    "trial": len(self.table),
                    "state": state,
                    "value": measured[-1] if measured else None,
                    "epochs": len(values),
                    "best_epoch": values.index(max(measured)) if measured else None,
                    "seconds": time.perf_counter() - start,
                    "reason": reason,
                }
                | dict.fromkeys(self.space.searched)
                | point
            )
        if state == "complete":
            self.study.tell(trial, values[-1])
        else:
            self.study.tell(trial, state=states.PRUNED if state == "pruned" else states.FAIL)

    def is_over(self) -> bool:
        """Whether the time is used up."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def best(self) -> dict[str, Any] | None:
        """Return the row of the best complete trial, the first of several."""
        return max(
            (row for row in self.table if row["state"] == "complete"), key=lambda row: row["value"], default=None
        )

    def result(self) -> Tuning:
        """Return what was found."""
        best = self.best()
        parameters = self.parameters[0 if best is None else best["trial"]]
        value = None if best is None else best["value"]
        return Tuning(parameters, value, self.data.metric, self.table, self.interrupted)


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna log warnings only for a while."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def text_of(value: Any) -> str:
    """Return a cell of a Markdown table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value).replace("|", "\\|")
