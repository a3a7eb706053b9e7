"""How long is one epoch: in plain Python, in NumPy, in the kernels; by factors, threads and schedule?"""

import math
import random

import baselines
import numpy as np
import pytest
import reference
import scipy.sparse
from power_law import SIZES, power_law

from fastbpr import _schedules, _tables
from fastbpr._negatives import Recipe

STEP = _schedules.Step(learning_rate=0.05, reg_user=0.01, reg_positive=0.01, reg_negative=0.01, reg_bias=0.01)
FACTORS = [16, 64, 256]
BASELINES = {"plain_python": (baselines.update_plain, 3), "numpy": (baselines.update_numpy, 7)}  # update, rounds


@pytest.fixture(scope="module")
def matrix():
    return power_law(*SIZES["small"])


@pytest.fixture(scope="module")
def small_matrix():
    """Few interactions, so that a round of plain Python takes less than a second; in cache, which is in its favour."""
    return power_law(200, 150, 3_000)


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("name", BASELINES)
def test_baseline_epoch(benchmark, report_cost, small_matrix, name, factors):
    benchmark.group = f"one epoch, {factors} factors"
    update, rounds = BASELINES[name]
    interactions = list(zip(*(ids.tolist() for ids in small_matrix.nonzero()), strict=True))

    def fresh_state():
        model = baselines.random_model(*small_matrix.shape, factors)
        if name == "plain_python":
            model = baselines.as_lists(model)
        return (update, model, interactions, STEP, random.Random(0)), {}

    loss, n_updates = benchmark.pedantic(baselines.train_epoch, setup=fresh_state, rounds=rounds, warmup_rounds=1)

    report_cost(n_updates, "update")
    assert n_updates == small_matrix.nnz
    assert 0 < loss < math.log(2)


@pytest.mark.parametrize("num_threads", [1, 2, 4])
@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("schedule", _schedules.SCHEDULES)
def test_kernel_epoch(benchmark, report_cost, matrix, schedule, factors, num_threads):
    benchmark.group = f"one epoch, {factors} factors"
    model = baselines.random_model(*matrix.shape, factors)
    positives = _schedules.Positives.of(matrix, None)
    # Made once, as in a fit; the warm-up round is the first to touch its work arrays.
    epoch = _schedules.SCHEDULES[schedule](positives, _tables.pack(*model), Recipe(), num_threads)

    def fresh_state():
        return (_tables.pack(*model),), {}

    def train(tables):
        *_, sums = epoch.run_epoch(tables, STEP, key=1)
        return sums

    sums = benchmark.pedantic(train, setup=fresh_state, rounds=7, warmup_rounds=1)

    report_cost(sums.n_updates, "update")
    assert sums.n_updates == matrix.nnz
    assert 0 < sums.loss / sums.n_updates < math.log(2)


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_updates_are_those_of_the_reference(name):
    triplets = [(0, 1, 2), (3, 1, 5), (0, 4, 1)]
    step = _schedules.Step(0.1, 0.01, 0.02, 0.03, 0.04)
    expected = reference.random_model(n_users=4, n_items=6, factors=7, seed=0)
    model = baselines.Model(*(array.copy() for array in expected))
    if name == "plain_python":
        model = baselines.as_lists(model)

    expected_loss, _ = reference.apply_triplets(expected, triplets, step)
    loss = sum(BASELINES[name][0](model, *triplet, step) for triplet in triplets)

    assert loss == pytest.approx(expected_loss)
    for actual, array in zip(model, expected, strict=True):
        np.testing.assert_allclose(actual, array, rtol=1e-12)


def test_generated_data_has_the_asked_size_and_is_canonical(matrix):
    n_users, n_items, n_interactions = SIZES["small"]
    assert matrix.shape == (n_users, n_items)
    assert matrix.nnz == pytest.approx(n_interactions, rel=0.03)
    unflagged = scipy.sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert unflagged.has_canonical_format  # SciPy looks, instead of believing
