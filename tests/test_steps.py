"""Steps with any loss, number of negatives and optimiser, against the reference and numeric derivatives."""

import numpy as np
import pytest
import reference
from helpers import negatives_of
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import _tables

STRENGTHS = reference.Strengths(learning_rate=0.1, reg_user=0.01, reg_positive=0.02, reg_negative=0.03, reg_bias=0.04)


def small_model(n_users, n_items, factors, seed):
    model = reference.random_model(n_users, n_items, factors, seed)
    return reference.Model(*(part / 3 for part in model))


def packed(model, *, sums=False, item_bias=True):
    parts = [part.astype(np.float32) for part in model]
    return _tables.pack(*parts[:2], parts[2] if item_bias else None, sums=sums)


def random_steps(n, n_users, n_items, n_negatives, seed):
    rng = np.random.default_rng(seed)
    positive = rng.integers(n_items, size=(n, 1))
    negatives = (positive + rng.integers(1, n_items, size=(n, n_negatives))) % n_items
    return np.hstack([rng.integers(n_users, size=(n, 1)), positive, negatives]).astype(np.int32)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("n_negatives", [1, 2, 7])
@pytest.mark.parametrize("factors", [1, 15, 32, 33, 64, 100, 128, 256])
def test_steps_follow_the_formula(training, factors, n_negatives, loss, optimizer):
    n_users, n_items = 5, 11
    model = small_model(n_users, n_items, factors, seed=factors)
    tables = packed(model, sums=optimizer != "sgd")
    adagrad = reference.Adagrad(model) if optimizer == "adagrad" else None
    recipe = {"loss": loss, "optimizer": optimizer, "n_negatives": n_negatives}
    steps = random_steps(60, n_users, n_items, n_negatives, seed=1)
    weights = np.random.default_rng(2).random(60).astype(np.float32)

    loss_sum, _, n_updates = training.apply_steps(
        tables, negatives_of(n_items, tables, **recipe), STRENGTHS, steps, weights
    )
    expected = 0.0
    for (user, positive, *negatives), weight in zip(steps, weights, strict=True):
        scores = model.item_factors @ model.user_factors[user] + model.item_biases
        pulls, one_loss = reference.pulls_and_loss(loss, scores[positive], scores[negatives])
        expected += one_loss
        reference.apply_step(model, user, positive, negatives, pulls * weight, STRENGTHS, adagrad)

    for actual, wanted in zip(tables.unpack(), model, strict=True):
        assert_allclose(actual, wanted, rtol=5e-4, atol=5e-5)
    assert_allclose(loss_sum, expected, rtol=1e-4)
    assert n_updates == 60


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_a_step_is_the_negative_gradient_of_its_objective(training, loss):
    model = small_model(1, 5, 6, seed=3)
    rate, h, weight, negatives = 1e-3, 1e-6, 0.7, [1, 3, 4]
    strengths = STRENGTHS._replace(learning_rate=rate)

    def objective():
        scores = model.item_factors @ model.user_factors[0] + model.item_biases
        if loss == "bpr":
            value = -np.log(reference.sigmoid(scores[0] - scores[negatives])).mean()
        else:
            value = np.log(np.exp(scores[[0, *negatives]]).sum()) - scores[0]
        squares, biases = (model.item_factors**2).sum(axis=1), model.item_biases**2
        penalty = strengths.reg_user * (model.user_factors[0] ** 2).sum() + strengths.reg_positive * squares[0]
        penalty += strengths.reg_negative * squares[negatives].mean()
        penalty += strengths.reg_bias * (biases[0] + biases[negatives].mean())
        return weight * value + penalty / 2

    tables = packed(model)
    recipe = negatives_of(5, tables, loss=loss, n_negatives=3)
    training.apply_steps(tables, recipe, strengths, np.array([[0, 0, *negatives]], dtype=np.int32),
                         np.array([weight], dtype=np.float32))  # fmt: skip
    for part, updated in zip(model, tables.unpack(), strict=True):
        for index in np.ndindex(part.shape):
            kept = part[index]
            part[index] = kept + h
            above = objective()
            part[index] = kept - h
            below = objective()
            part[index] = kept
            assert_allclose((updated[index] - kept) / -rate, (above - below) / (2 * h), rtol=3e-3, atol=1e-3)


def test_popular_negatives_are_corrected_in_the_softmax(training):
    counts = np.array([8.0, 4, 2, 1, 1])
    model = small_model(1, 5, 4, seed=1)
    tables = packed(model)
    negatives = negatives_of(5, tables, counts, loss="softmax", n_negatives=2, negatives="popularity",
                             popularity_power=1.0)  # fmt: skip
    scores = model.item_factors @ model.user_factors[0] + model.item_biases
    corrections = np.log(5 * counts / counts.sum())
    pulls, loss = reference.pulls_and_loss("softmax", scores[0], scores[[1, 3]], corrections[[1, 3]])
    steps = np.array([[0, 0, 1, 3]], dtype=np.int32)
    actual, *_ = training.apply_steps(tables, negatives, STRENGTHS, steps, np.ones(1, dtype=np.float32))
    reference.apply_step(model, 0, 0, [1, 3], pulls, STRENGTHS)
    assert_allclose(actual, loss, rtol=1e-5)
    assert_allclose(tables.unpack()[1], model.item_factors, rtol=1e-4, atol=1e-6)


def made(training, model, strengths, **recipe):
    """One step for user 0 and item 0, which has an item of its own to draw from: the others are all free."""
    tables = packed(model)
    n_items = len(model.item_factors)
    sums = training.make_steps(
        tables, negatives_of(n_items, tables, **recipe), strengths, 5, np.zeros((1, 2), dtype=np.int32),
        np.ones(1, dtype=np.float32), np.array([0, 1]), np.zeros(1, dtype=np.int32),
    )  # fmt: skip
    return tables.unpack(), sums


@pytest.mark.parametrize("n_items", [2, 60])
def test_warp_weighs_the_first_violator_by_its_estimated_rank(training, n_items):
    # Item 1 violates, all others are far below: the number of draws decides the pull, and is what the seed says.
    model = reference.Model(np.ones((1, 1)), np.full((n_items, 1), -5.0), np.zeros(n_items))
    model.item_factors[:2] = [[1.0], [0.5]]
    strengths = reference.Strengths(1e-3, 0, 0, 0, 0)
    (_, items, biases), (loss, n_correct, n_updates) = made(
        training, model, strengths, loss="warp", n_negatives=400 if n_items > 2 else 1
    )
    pull = biases[0] / 1e-3
    possible = [reference.warp_pull(n_items, n) for n in range(1, 401)]
    nearest = min(possible, key=lambda value: abs(value - pull))
    assert_allclose(pull, nearest, rtol=2e-3)
    assert_allclose(biases[1], -biases[0], rtol=1e-5)
    assert_array_equal(biases[2:], 0)
    assert_allclose(loss, pull * 0.5, rtol=1e-3)
    assert (n_correct, n_updates) == (1, 1)
    assert_allclose(items[0, 0], 1 + 1e-3 * pull, rtol=1e-5)


def test_warp_leaves_a_model_alone_that_has_no_violator(training):
    model = reference.Model(np.ones((1, 1)), np.array([[3.0], [1.0], [0.0]]), np.zeros(3))
    (users, items, biases), sums = made(training, model, STRENGTHS, loss="warp", n_negatives=50)
    assert_array_equal(items, model.item_factors)
    assert_array_equal(users, model.user_factors)
    assert_array_equal(biases, 0)
    assert sums == (0, 1, 1)


def test_warp_draws_as_often_as_its_rank_estimate_says(training):
    # One of 50 free items violates: the number of draws is geometric, and its mean with at most 400 draws about 50.
    model = reference.Model(np.ones((1, 1)), np.full((51, 1), -5.0), np.zeros(51))
    model.item_factors[:2] = [[1.0], [0.5]]
    pull_of = {round(reference.warp_pull(51, n), 3): n for n in range(26, 0, -1)}
    counts = np.zeros(27)
    tables = packed(model)
    negatives = negatives_of(51, tables, loss="warp", n_negatives=25)
    strengths = reference.Strengths(1e-3, 0, 0, 0, 0)
    for seed in range(4000):
        tables.items[:, tables.width] = 0
        tables.users[:], tables.items[:, 0] = 0, model.item_factors[:, 0]
        tables.users[0, 0] = 1
        training.make_steps(tables, negatives, strengths, seed, np.zeros((1, 2), dtype=np.int32),
                            np.ones(1, dtype=np.float32), np.array([0, 1]), np.zeros(1, dtype=np.int32))  # fmt: skip
        pull = round(float(tables.unpack()[2][0]) / 1e-3, 3)
        first = min(pull_of, key=lambda known: abs(known - pull)) if pull else None
        counts[pull_of[first] if pull else 26] += 1
    # Draws that share a rank estimate cannot be told apart: compare the first three and the misses.
    chance = 1 / 50
    expected = [4000 * chance * (1 - chance) ** (n - 1) for n in (1, 2, 3)]
    assert_allclose(counts[1:4], expected, atol=4 * np.sqrt(expected[0]))
    missed = 4000 * (1 - chance) ** 25
    assert_allclose(counts[26], missed, atol=4 * np.sqrt(missed * (1 - missed / 4000)))


def test_dynamic_takes_the_best_of_its_candidates(training):
    # With very many candidates of few items the best one is always among them.
    scores = np.array([0.0, 1.0, 5.0, 3.0, 2.0])
    model = reference.Model(np.ones((1, 1)), scores[:, None].copy(), np.zeros(5))
    (_, items, biases), _ = made(
        training, model, reference.Strengths(1e-3, 0, 0, 0, 0), negatives="dynamic", n_candidates=200
    )
    assert_array_equal(np.flatnonzero(biases), [0, 2])
    assert items[2, 0] < 5


@pytest.mark.parametrize("recipe", [{"loss": "warp", "n_negatives": 5}, {"loss": "softmax", "n_negatives": 3}, {}])
def test_a_user_with_every_item_is_passed_over(training, recipe):
    model = small_model(1, 4, 3, seed=0)
    tables = packed(model)
    sums = training.make_steps(
        tables, negatives_of(4, tables, **recipe), STRENGTHS, 1, np.zeros((1, 2), dtype=np.int32),
        np.ones(1, dtype=np.float32), np.array([0, 4]), np.arange(4, dtype=np.int32),
    )  # fmt: skip
    assert sums == (0, 0, 0)
    assert_allclose(tables.unpack()[1], model.item_factors, rtol=1e-6)
