"""Steps with any loss, number of negatives and optimiser, against the reference and numeric derivatives."""

import numpy as np
import pytest
import reference
from helpers import draws_of, negatives_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

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


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta"])
@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("n_negatives", [1, 2, 7])
@pytest.mark.parametrize("factors", [1, 15, 32, 33, 64, 100, 128, 256])
def test_steps_follow_the_formula(training, factors, n_negatives, loss, optimizer):
    n_users, n_items = 5, 11
    model = small_model(n_users, n_items, factors, seed=factors)
    tables = packed(model, sums=optimizer != "sgd")
    moving = reference.OPTIMIZERS[optimizer](model)
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
        reference.apply_step(model, user, positive, negatives, pulls * weight, STRENGTHS, moving)

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


def test_warp_finds_the_same_negatives_as_single_draws_do(training):
    # The steps of one stream: each goes on where the one before stopped, whatever was drawn in vain.
    n_items, n_sampled, rate = 60, 11, 1e-6
    positives = np.arange(20, dtype=np.int32)  # a third of the draws are drawn again
    rng = np.random.default_rng(0)
    scores = np.where(rng.random(n_items) < 0.1, 0.5, -5.0)
    scores[:20] = 1.0
    found = np.zeros(3, dtype=int)
    for seed in range(200):
        model = reference.Model(np.ones((1, 1)), scores[:, None].copy(), np.zeros(n_items))
        tables = packed(model)
        negatives = negatives_of(n_items, tables, loss="warp", n_negatives=n_sampled)
        draws = draws_of(training, negatives, n_items, positives, 3 * n_sampled, seed)
        expected, place = np.zeros(n_items), 0
        for _ in range(3):
            sampled = scores[draws[place : place + n_sampled]] > 0
            if sampled.any():
                expected[0] += reference.warp_pull(n_items, sampled.argmax() + 1)
                expected[draws[place + sampled.argmax()]] -= reference.warp_pull(n_items, sampled.argmax() + 1)
            place += sampled.argmax() + 1 if sampled.any() else n_sampled
        training.make_steps(
            tables, negatives, reference.Strengths(rate, 0, 0, 0, 0), seed, np.zeros((3, 2), dtype=np.int32),
            np.ones(3, dtype=np.float32), np.array([0, 20]), positives,
        )  # fmt: skip
        assert_allclose(tables.unpack()[2] / rate, expected, rtol=2e-3, atol=1e-6)
        found[min(np.count_nonzero(expected), 2)] += 1
    assert found[0] > 3
    assert found[2] > 100


@pytest.mark.parametrize(("n_positives", "rank"), [(1, 1), (6, 1), (6, 3), (6, 6), (10, 5)])
def test_k_os_warp_takes_the_positive_of_its_rank_among_those_drawn(training, n_positives, rank):
    n_own, n = 12, 6000
    scores = np.append(np.linspace(0.4, 1, n_own), 0.9)  # the negative violates beside any of them
    order = np.argsort(-scores[:n_own])
    model = reference.Model(np.ones((1, 1)), scores[:, None].copy(), np.zeros(n_own + 1))
    tables = packed(model)
    recipe = {"loss": "k-os-warp", "n_negatives": 1, "n_positives": n_positives, "positive_rank": rank}
    _, _, n_updates = training.make_steps(
        tables, negatives_of(n_own + 1, tables, **recipe), reference.Strengths(1e-6, 0, 0, 0, 0), 1,
        np.zeros((n, 2), dtype=np.int32), np.ones(n, dtype=np.float32), np.array([0, n_own]),
        np.arange(n_own, dtype=np.int32),
    )  # fmt: skip
    assert n_updates == n
    taken = np.rint(tables.unpack()[2][order] / 1e-6)
    assert taken.sum() == pytest.approx(n, rel=0.01)
    expected = n * reference.chances_of_positives(n_own, n_positives, rank)
    common = expected > 5
    assert stats.chisquare(taken[common] * expected[common].sum() / taken[common].sum(), expected[common]).pvalue > 1e-4
    assert taken[~common].sum() < 30


@pytest.mark.parametrize(("n_own", "taken"), [(1, 0), (2, 0), (3, 1), (4, 1), (7, 3), (9, 4), (10, 4)])
def test_k_os_warp_takes_a_rank_in_proportion_where_there_are_fewer_positives(training, n_own, taken):
    scores = np.append(np.linspace(1, 0.4, n_own), 0.9)
    tables = packed(reference.Model(np.ones((1, 1)), scores[:, None].copy(), np.zeros(n_own + 1)))
    training.make_steps(
        tables, negatives_of(n_own + 1, tables, loss="k-os-warp", n_positives=10, positive_rank=5),
        reference.Strengths(1e-6, 0, 0, 0, 0), 1, np.zeros((20, 2), dtype=np.int32), np.ones(20, dtype=np.float32),
        np.array([0, n_own]), np.arange(n_own, dtype=np.int32),
    )  # fmt: skip
    assert_array_equal(np.flatnonzero(tables.unpack()[2] > 0), [taken])


# ---- interactions with signs ------------------------------------------------------------------------------------


def signed_model(n_users, n_items, factors, seed):
    biases = np.random.default_rng(seed + 1).normal(size=n_users).astype(np.float32).astype(float)
    return reference.SignedModel(*small_model(n_users, n_items, factors, seed), biases)


def packed_signed(model, *, sums):
    return _tables.pack(*(part.astype(np.float32) for part in model[:3]), sums=sums,
                        user_biases=model.user_biases.astype(np.float32))  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta"])
@pytest.mark.parametrize("factors", [1, 15, 32, 64, 100, 128])
def test_steps_with_signs_follow_the_formula(training, factors, optimizer):
    model = signed_model(5, 7, factors, seed=factors)
    tables = packed_signed(model, sums=optimizer != "sgd")
    rng = np.random.default_rng(2)
    interactions = np.column_stack([rng.integers(5, size=80), rng.integers(7, size=80)]).astype(np.int32)
    weights = (rng.random(80) * rng.choice([-1, 1], size=80)).astype(np.float32)
    recipe = negatives_of(7, tables, loss="logistic", optimizer=optimizer, rho=0.9, epsilon=1e-4)
    loss, n_correct, n_updates = training.apply_signed(tables, recipe, STRENGTHS, interactions, weights)
    moving = reference.Adadelta(model, 0.9, 1e-4) if optimizer == "adadelta" else reference.OPTIMIZERS[optimizer](model)
    expected, right = reference.apply_signed(model, interactions, weights.astype(float), STRENGTHS, moving)
    for actual, wanted in zip((*tables.unpack(), tables.user_biases()), model, strict=True):
        assert_allclose(actual, wanted, rtol=5e-4, atol=5e-5)
    assert_allclose(loss, expected, rtol=1e-4)
    assert (n_correct, n_updates) == (right, 80)


@pytest.mark.parametrize("weight", [0.7, -1.3])
def test_a_step_with_a_sign_is_the_negative_gradient_of_its_objective(training, weight):
    model = signed_model(2, 3, 6, seed=3)
    strengths, h = STRENGTHS._replace(learning_rate=1e-3), 1e-6
    tables = packed_signed(model, sums=False)
    training.apply_signed(tables, negatives_of(3, tables, loss="logistic"), strengths,
                          np.array([[1, 2]], dtype=np.int32), np.array([weight], dtype=np.float32))  # fmt: skip
    for part, updated in zip(model, (*tables.unpack(), tables.user_biases()), strict=True):
        for index in np.ndindex(part.shape):
            kept = part[index]
            part[index] = kept + h
            above = reference.signed_objective(model, 1, 2, weight, strengths)
            part[index] = kept - h
            below = reference.signed_objective(model, 1, 2, weight, strengths)
            part[index] = kept
            assert_allclose((updated[index] - kept) / -1e-3, (above - below) / (2 * h), rtol=3e-3, atol=1e-3)


# ---- hard negatives ---------------------------------------------------------------------------------------------


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
