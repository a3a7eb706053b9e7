"""What the parameters of `BPR` must be, and what a fit makes of them. Their documentation is in `BPR`."""

from __future__ import annotations

from typing import Any

from fastbpr import _validation
from fastbpr._debias import debias_of
from fastbpr._negatives import (
    LOSSES,
    MAX_CANDIDATES,
    MAX_NEGATIVES,
    MAX_POSITIVES,
    NEGATIVES,
    OPTIMIZERS,
    WARP_LOSSES,
    Recipe,
)
from fastbpr._presets import AUTO
from fastbpr._schedules import SCHEDULES
from fastbpr._similarity import MAPS
from fastbpr._tables import DEFAULT_SCALE
from fastbpr._training import DECAYS, Plan

DEFAULT_REGULARIZATION = 0.01
SMALLEST_EPSILON = 1e-30  # that single precision can divide by
REGULARISED = ("user", "positive", "negative", "bias")


def check_parameters(model: Any) -> None:
    """Refuse parameters that are not as they must be."""
    check = _validation
    check.check_integer("factors", model.factors, minimum=1, other=AUTO)
    check.check_number("learning_rate", model.learning_rate, above=0)
    if not is_auto(model.regularization):
        check.check_strengths("regularization", model.regularization, REGULARISED, default=DEFAULT_REGULARIZATION)
    check.check_seed_kind("random_state", model.random_state)
    check.check_integer("iterations", model.iterations, minimum=1)
    check.check_num_threads(model.num_threads)
    check.check_choice("schedule", model.schedule, SCHEDULES)
    check.check_choice("loss", model.loss, LOSSES)
    check.check_choice("negatives", model.negatives, NEGATIVES)
    check.check_integer("n_negatives", model.n_negatives, minimum=1, maximum=MAX_NEGATIVES)
    check.check_integer("n_candidates", model.n_candidates, minimum=1, maximum=MAX_CANDIDATES, other=AUTO)
    check.check_integer("max_sampled", model.max_sampled, minimum=1, maximum=MAX_NEGATIVES)
    check.check_integer("n_positives", model.n_positives, minimum=1, maximum=MAX_POSITIVES)
    check.check_integer("positive_rank", model.positive_rank, minimum=1, maximum=MAX_POSITIVES)
    check.check_positive_rank(model.loss, model.positive_rank, model.n_positives)
    check.check_number("popularity_power", model.popularity_power)
    check.check_number("uniform_share", model.uniform_share, minimum=0, maximum=1)
    check.check_number("adaptive_rank", model.adaptive_rank, above=0)
    check.check_number("given_share", model.given_share, minimum=0, maximum=1)
    check.check_choice("optimizer", model.optimizer, OPTIMIZERS)
    check.check_number("rho", model.rho, minimum=0, maximum=1)
    check.check_number("epsilon", model.epsilon, minimum=SMALLEST_EPSILON)
    check.check_flag("item_bias", model.item_bias)
    check.check_choice("init", model.init, DEFAULT_SCALE)
    if model.init_scale is not None:
        check.check_number("init_scale", model.init_scale, above=0)
    check.check_choice("learning_rate_decay", model.learning_rate_decay, DECAYS)
    check.check_flag("verify_negative_samples", model.verify_negative_samples)
    check.check_choice("similarity", model.similarity, MAPS)
    debias_of(model.debias)
    check.check_loss_with(model.loss, model.debias, None)


def is_auto(value: Any) -> bool:
    """Whether a parameter is left to the data."""
    return isinstance(value, str) and value == AUTO


def strengths_of(settings: Any) -> dict[str, float]:
    """Return the four regularisation strengths."""
    return _validation.check_strengths(
        "regularization", settings.regularization, REGULARISED, default=DEFAULT_REGULARIZATION
    )


def plan_of(settings: Any) -> Plan:
    """Return what the parameters say about the epochs."""
    strengths = strengths_of(settings)
    return Plan(
        settings.iterations, settings.learning_rate, settings.learning_rate_decay, settings.regularization,
        tuple(strengths[part] for part in REGULARISED),
    )  # fmt: skip


def recipe_of(settings: Any) -> Recipe:
    """Return what the parameters say about a step."""
    return Recipe(
        loss=settings.loss,
        negatives=settings.negatives,
        n_negatives=settings.max_sampled if settings.loss in WARP_LOSSES else settings.n_negatives,
        n_candidates=settings.n_candidates if settings.negatives == "dynamic" else 1,
        popularity_power=float(settings.popularity_power),
        uniform_share=float(settings.uniform_share),
        adaptive_rank=float(settings.adaptive_rank),
        optimizer=settings.optimizer,
        given_share=float(settings.given_share),
        verify=settings.verify_negative_samples,
        n_positives=settings.n_positives,
        positive_rank=settings.positive_rank,
        rho=float(settings.rho),
        epsilon=float(settings.epsilon),
    )
