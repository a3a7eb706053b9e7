"""From parameters and data to a fitted model: what `BPR.fit` does once its arguments are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _composition, _labels, _parameters, _presets, _tables, _validation
from fastbpr._composition import NO_SIDES, Compositions, Sides
from fastbpr._context_arrays import ContextArrays, debiased
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

    @classmethod
    def of(cls, model: FactorModel) -> Start:
        """Return where a model is."""
        factors = (model.user_factors, model.item_factors, model.item_biases, model.user_biases)
        return cls(factors, model._components, model._n_epochs)


NO_START = Start()


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
    ) -> Fit:
        """Draw the start, and lay everything out as the kernels want it."""
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
        seed = _validation.check_seed("random_state", settings.random_state)
        tables, compositions = starting_tables(settings, recipe, positives, seed, sides, start, num_threads)
        schedule = SCHEDULES[settings.schedule](
            positives, tables, recipe, num_threads, given, contexts, compositions.fewest_slices
        )
        training = Training(_parameters.plan_of(settings), schedule, tables, held_out, compositions)
        settings.debias = described(debias)
        return cls(training, positives, settings, seed, _labels.labels_of(user_items), contexts, sides, start.n_epochs)

    def run(
        self,
        model: FactorModel,
        show_progress: bool,
        callback: Callable[[int, float, int, int], bool | None] | None,
    ) -> None:
        """Train; the model has the factors as they are from the start, and as it was before if training diverges."""
        history: list[Epoch] = []
        before = dict(model.__dict__)
        tables = self.training.tables
        of_fit = {"history": history, "settings": vars(self.settings), "debiasing": self.contexts.report()}
        of_fit["user_biases"] = tables.user_biases()
        of_fit["components"] = components_of(self.sides, tables)
        model._set_fitted(tables.views(), self.positives.liked(), *self.labels, **of_fit)
        try:
            try:
                for epoch, sums in self.training.epochs(self.seed, show_progress, self.n_before):
                    history.append(epoch)
                    model._compared.clear()  # the factors have moved
                    skipped = len(self.positives.indices) - sums.n_updates
                    if callback is not None and callback(epoch.epoch, epoch.seconds, sums.n_correct, skipped):
                        break
            finally:  # also after Ctrl-C, or an error in the callback: what was learned stays
                self.training.compositions.settle()
                self.training.check_bounded(n_epochs=len(history))
                result = self.training.result()
                components = components_of(self.sides, result)
                of_fit["components"] = {name: np.array(array, order="C") for name, array in components.items()}
                of_fit["n_epochs"] = self.n_before + len(history)
                of_fit["debiasing"] = self.contexts.report(self.training.schedule.counts.sum(axis=0))
                liked = self.positives.liked(copy=True)
                of_fit["user_biases"] = None if result.user_biases() is None else result.user_biases().copy()
                model._set_fitted(result.unpack(), liked, *self.labels, **of_fit)
        except TrainingError:
            model.__dict__ = before
            raise


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
    for drawn, known in zip((users, items, biases, user_biases), start.factors, strict=False):  # biases may be unknown
        if drawn is not None and known is not None:
            drawn[: len(known)] = known
    tables = _tables.pack(users, items, biases, sums=recipe.keeps_sums, user_biases=user_biases)
    for name, sums in tables.sums().items():
        if name in start.components:
            sums[: len(start.components[name])] = start.components[name]
    scale = _tables.DEFAULT_SCALE["normal"] if settings.init_scale is None else settings.init_scale
    return _composition.composed(sides, tables, scale, rng, num_threads, start.components)
