"""From parameters and data to a fitted model: what `BPR.fit` does once its arguments are checked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _checkpoints, _composition, _labels, _parameters, _presets, _tables, _validation
from fastbpr._checkpoints import Checkpoints, State
from fastbpr._composition import NO_SIDES, Compositions, Sides
from fastbpr._context_arrays import ContextArrays, Debiasing, debiased
from fastbpr._debias import debias_of, described
from fastbpr._early_stopping import Validation, ValidationRules
from fastbpr._factor_model import FactorModel
from fastbpr._negatives import Recipe
from fastbpr._schedules import SCHEDULES, Given, Positives
from fastbpr._threads import effective_threads
from fastbpr._training import Epoch, Training
from fastbpr.errors import TrainingError


def decided(parameters: Mapping[str, Any], matrix: scipy.sparse.csr_array) -> SimpleNamespace:
    """Return parameters with what the training matrix decides in place of ``"auto"``."""
    size = _presets.Size(int(np.count_nonzero(np.diff(matrix.indptr))), matrix.shape[1], matrix.nnz)
    settings = parameters | _presets.decided(parameters, size)
    # NumPy's small integers would overflow in products.
    integers = {name: int(value) for name, value in settings.items() if isinstance(value, np.integer)}
    return SimpleNamespace(**settings | integers)


class Start(NamedTuple):
    """What a fit begins with, in place of what it would draw, for the first users, items and features."""

    factors: tuple[np.ndarray | None, ...] = (None, None, None, None)  # of users, items, and their biases in turn
    components: Mapping[str, np.ndarray] = {}  # what rows are sums of, and sums of an optimiser
    n_epochs: int = 0  # that led there
    liked: tuple[np.ndarray, np.ndarray] | None = None  # (indptr, indices) of what users had before, and keep
    labels: tuple[np.ndarray | None, ...] | None = None  # of data that have none

    @classmethod
    def of(cls, model: FactorModel) -> Start:
        """Return where a model is."""
        factors = (model.user_factors, model.item_factors, model.item_biases, model.user_biases)
        return cls(factors, model._components, model._n_epochs)


NO_START = Start()
NO_CHECKPOINTS = Checkpoints(None, None)


class Fit(NamedTuple):
    """A fit that is ready to run."""

    training: Training
    positives: Positives
    settings: SimpleNamespace
    seed: int
    labels: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]  # of users and items, and titles
    contexts: ContextArrays
    sides: Sides
    n_before: int  # epochs that the start has had
    rules: ValidationRules
    data: Mapping[str, Any]  # checksums, where there are checkpoints
    state: State | None  # that the fit goes on from
    checkpoints: Checkpoints
    liked: tuple[np.ndarray, np.ndarray]  # (indptr, indices) of what `recommend` leaves out

    @classmethod
    def prepared(
        cls,
        settings: SimpleNamespace,
        user_items: Any,
        data: tuple[scipy.sparse.csr_array, np.ndarray | None],  # the matrix of user_items, and its weights
        negatives: Any,
        validation: Any,
        rules: ValidationRules,
        sides: Sides = NO_SIDES,
        start: Start = NO_START,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
        state: State | None = None,
    ) -> Fit:
        """Draw the start, and lay everything out as the kernels want it; with a state, as it was then."""
        matrix, weights = data
        debias = debias_of(settings.debias)
        positives, contexts = debiased(user_items, Positives.of(matrix, weights), matrix, debias)
        given = None
        if negatives is not None:
            unwanted = _validation.check_given_negatives("negatives", negatives, user_items, matrix)
            given = None if unwanted is None else Given(*unwanted)
        num_threads = effective_threads(settings.num_threads)
        recipe = _parameters.recipe_of(settings)
        held_out = None
        if validation is not None:
            known = user_items if hasattr(user_items, "user_items") else matrix  # which has no signs
            held_out = Validation(rules, known, validation, num_threads, recipe.n_draws)
        labels = _labels.labels_of(user_items) if start.labels is None else start.labels
        told = {}
        if state is not None or checkpoints.path is not None:
            checkpoints.prepare(labels)
            told = _checkpoints.data_of(matrix, positives, contexts, given, held_out, sides)
        if state is None:
            seed = _validation.check_seed("random_state", settings.random_state)
        else:
            state.check_data(told, labels)
            shapes = [(n_rows, settings.factors) for n_rows in (positives.n_users, positives.n_items)]
            state.check_sizes(shapes, (settings.factors + 1, positives.n_items))
            seed, start = state.about("seed"), Start(*state.start(), start.liked)
        tables, compositions = starting_tables(settings, recipe, positives, seed, sides, start, num_threads)
        schedule = SCHEDULES[settings.schedule](
            positives, tables, recipe, num_threads, given, contexts, compositions.fewest_slices
        )
        training = Training(_parameters.plan_of(settings), schedule, tables, held_out, compositions)
        settings.debias = described(debias)
        fit = cls(
            training, positives, settings, seed, labels, contexts, sides, start.n_epochs, rules, told, state,
            checkpoints, united(start.liked, positives),
        )  # fmt: skip
        if state is not None:
            fit.go_on(state)
        return fit

    def go_on(self, state: State) -> None:
        """Take up what is not in the tables."""
        validation, ranker = self.training.validation, self.training.schedule.negatives.ranker
        if validation is not None and any(epoch.validation is not None for epoch in state.history):
            best = self.training.tables.like()
            best.take(state.factors(), state.arrays)
            _composition.copy_parts(self.sides, best, state.arrays)
            validation.go_on(state.history, best)
        if ranker is not None:
            ranker.go_on(len(state.history), state.columns())

    def run(
        self,
        model: FactorModel,
        show_progress: bool,
        callback: Callable[[int, float, int, int], bool | None] | None,
    ) -> None:
        """Train; the model has the factors as they are from the start, and as it was before if training diverges."""
        history: list[Epoch] = [] if self.state is None else self.state.history
        n_known = len(history)
        before = dict(model.__dict__)
        self.set_views(model, self.training.tables, history, self.contexts.report())
        try:
            try:
                for epoch, sums in self.training.epochs(self.seed, show_progress, self.n_before, n_known):
                    history.append(epoch)
                    model._compared.clear()  # the factors have moved
                    if self.checkpoints.is_due(len(history)):
                        self.write(model, history)
                    skipped = len(self.positives.indices) - sums.n_updates
                    if callback is not None and callback(epoch.epoch, epoch.seconds, sums.n_correct, skipped):
                        break
                if self.checkpoints.is_due(len(history), last=True):
                    self.write(model, history)
            finally:  # also after Ctrl-C, or an error in the callback: what was learned stays
                self.training.compositions.settle()
                self.training.check_bounded(n_epochs=len(history))
                result = self.training.result()
                of_fit = self.told(result, history, self.report(n_known < len(history)))
                components = of_fit["components"]
                of_fit["components"] = {name: np.array(array, order="C") for name, array in components.items()}
                liked = tuple(array.copy() for array in self.liked)  # the caller's matrix may change
                of_fit["user_biases"] = None if result.user_biases() is None else result.user_biases().copy()
                model._set_fitted(result.unpack(), liked, *self.labels, **of_fit)
        except TrainingError:
            model.__dict__ = before
            raise

    def report(self, has_trained: bool) -> Debiasing | None:
        """Return what was done about contexts in the last epoch, which may have been before the state."""
        if self.state is not None and not has_trained:
            debiasing = self.state.header["debiasing"]
            return debiasing and Debiasing(*debiasing)
        return self.contexts.report(self.training.schedule.counts.sum(axis=0))

    def told(self, tables: _tables.Tables, history: list[Epoch], debiasing: Debiasing | None) -> dict[str, Any]:
        """Return what a model with these tables has beside factors and labels, as views."""
        return {
            "history": history,
            "settings": vars(self.settings),
            "debiasing": debiasing,
            "user_biases": tables.user_biases(),
            "components": components_of(self.sides, tables),
            "n_epochs": self.n_before + len(history),
        }

    def set_views(
        self, model: FactorModel, tables: _tables.Tables, history: list[Epoch], debiasing: Debiasing | None
    ) -> None:
        """Let a model have views of these tables."""
        of_fit = self.told(tables, history, debiasing)
        vars(model).update(_composition.feature_names(self.sides))
        model._set_fitted(tables.views(), self.liked, *self.labels, **of_fit)

    def write(self, model: FactorModel, history: list[Epoch]) -> None:
        """Write a checkpoint."""
        training, result = self.training, self.training.result()
        training.check_bounded(n_epochs=len(history))
        so_far = copy.copy(model)
        self.set_views(so_far, result, history, self.report(has_trained=True))
        arrays = {}
        if result is not training.tables:
            arrays = dict(zip(("user_factors", "item_factors", "item_biases"), training.tables.views(), strict=True))
            arrays |= components_of(self.sides, training.tables)
            if training.tables.user_bias:
                arrays["user_biases"] = training.tables.user_biases()
        ranker = training.schedule.negatives.ranker
        about = {
            "seed": self.seed,
            "n_before": self.n_before,
            "rules": _checkpoints.validated_by(self.rules),
            "data": self.data,
        }
        self.checkpoints.write(so_far, about, arrays | ({} if ranker is None else ranker.seen))


def united(liked: tuple[np.ndarray, np.ndarray] | None, positives: Positives) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of the positives, and of what the first of the users had before."""
    if liked is None:
        return positives.liked()
    indptr, indices = liked
    before = positives.indptr * 0
    before[: len(indptr)], before[len(indptr) :] = indptr, indptr[-1]
    shape = positives.n_users, positives.n_items
    parts = (
        scipy.sparse.csr_array((np.ones(len(ids), dtype=bool), ids, ends), shape=shape)
        for ends, ids in ((before, indices), positives.liked())
    )
    both = scipy.sparse.csr_array(next(parts) + next(parts))
    both.sort_indices()
    return both.indptr.astype(np.int64), both.indices.astype(np.int32)


def components_of(sides: Sides, tables: _tables.Tables) -> dict[str, np.ndarray]:
    """Return views of what a model needs beside its factors to go on."""
    return _composition.named(sides, tables) | tables.sums()


def starting_tables(
    settings: SimpleNamespace,
    recipe: Recipe,
    positives: Positives,
    seed: int,
    sides: Sides,
    start: Start,
    num_threads: int,
) -> tuple[_tables.Tables, Compositions]:
    """Draw the vectors from which training starts, where `start` has none, and compose rows of them."""
    rng = np.random.default_rng(seed)
    users, items = (
        _tables.starting_rows(n_rows, settings.factors, settings.init, settings.init_scale, rng)
        for n_rows in (positives.n_users, positives.n_items)
    )
    users[np.diff(positives.indptr) == 0] = 0  # users that have nothing to learn from stay there
    biases = np.zeros(positives.n_items, dtype=np.float32) if settings.item_bias else None
    user_biases = np.zeros(positives.n_users, dtype=np.float32) if recipe.has_user_biases else None
    tables = _tables.pack(users, items, biases, sums=recipe.keeps_sums, user_biases=user_biases)
    tables.take(start.factors, start.components)
    scale = _tables.DEFAULT_SCALE["normal"] if settings.init_scale is None else settings.init_scale
    return _composition.composed(sides, tables, scale, rng, num_threads, start.components)
