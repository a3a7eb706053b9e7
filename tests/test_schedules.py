"""The two schedules: what an epoch covers, the distribution of its triplets, and what threads may not change."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from scipy import stats

from fastbpr import _schedules, _tables
from fastbpr._negatives import Recipe

FROZEN = _schedules.Step(0.0, 0.0, 0.0, 0.0, 0.0)


def power_law(n_users, n_items, density, seed=0):
    rng = np.random.default_rng(seed)
    chance = density * n_items / (1 + np.arange(n_items)) ** 0.7
    dense = rng.random((n_users, n_items)) < chance / chance.mean() * density
    return scipy.sparse.csr_array(rng.permutation(dense, axis=1), dtype=np.float32)


def prepared(matrix, schedule, *, factors=8, num_threads=1, weights=None, item_bias=True, seed=0, given=None, **recipe):
    positives = _schedules.Positives.of(scipy.sparse.csr_array(matrix), weights)
    rng = np.random.default_rng(seed)
    tables = _tables.pack(
        rng.normal(0, 0.1, (matrix.shape[0], factors)).astype(np.float32),
        rng.normal(0, 0.1, (matrix.shape[1], factors)).astype(np.float32),
        np.zeros(matrix.shape[1], dtype=np.float32) if item_bias else None,
        sums=Recipe(**recipe).keeps_sums,
        user_biases=np.zeros(matrix.shape[0], dtype=np.float32) if Recipe(**recipe).has_user_biases else None,
    )
    return tables, _schedules.SCHEDULES[schedule](positives, tables, Recipe(**recipe), num_threads, given)


def last(sums):
    return list(sums)[-1]


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
@pytest.mark.parametrize("shape", [(3, 5), (1, 50), (700, 300), (301, 1003)])
def test_an_epoch_is_as_many_updates_as_interactions(schedule, shape):
    matrix = power_law(*shape, density=0.1)
    if matrix.nnz == 0:
        matrix = scipy.sparse.csr_array(([1.0], ([0], [0])), shape=shape)
    tables, epoch = prepared(matrix, schedule)
    assert last(epoch.run_epoch(tables, FROZEN, 1)).n_updates == matrix.nnz


def test_a_blocked_epoch_visits_every_interaction_once():
    # With weights of zero a visit only shrinks the rows of its user and positive, each by the same known factor.
    matrix = power_law(400, 700, density=0.05)
    tables, epoch = prepared(matrix, "blocked", factors=1, item_bias=False, weights=np.zeros_like(matrix.data))
    assert len(epoch.user_starts) > 3  # several blocks, or this shows nothing
    tables.users[:, 0] = tables.items[:, 0] = 1
    step = _schedules.Step(1e-3, reg_user=1.0, reg_positive=1.0, reg_negative=0.0, reg_bias=0.0)
    last(epoch.run_epoch(tables, step, 1))
    for table, n_interactions in ((tables.users, np.diff(matrix.indptr)), (tables.items, matrix.sum(axis=0))):
        visits = np.log(table[:, 0].astype(float)) / np.log1p(-1e-3)
        assert_array_equal(np.round(visits), n_interactions)


def test_buckets_hold_what_their_blocks_say():
    matrix = power_law(400, 700, density=0.05)
    tables, epoch = prepared(matrix, "blocked")
    for _ in epoch.run_epoch(tables, FROZEN, 7):
        pass
    n_blocks = len(epoch.user_starts) - 1
    for block in range(n_blocks):
        for item_block in range(n_blocks):
            bucket = slice(*epoch.bucket_starts[block, item_block : item_block + 2])
            users, places = epoch.bucket_users[bucket], epoch.bucket_places[bucket]
            items = epoch.block_items[epoch.block_starts[item_block] + places]
            assert ((users >= epoch.user_starts[block]) & (users < epoch.user_starts[block + 1])).all()
            assert (epoch.block_of_item[items] == item_block).all()
            for user in np.unique(users):
                own = np.flatnonzero(users == user)
                assert own[-1] - own[0] == len(own) - 1  # adjacent
                assert (np.diff(items[own]) > 0).all()  # ascending


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_over_the_epochs_negatives_are_uniform_over_what_a_user_does_not_have(schedule):
    # From a model of zeros a tiny step moves a bias by half the rate per visit, so biases count visits. All users have
    # the same 20 of 200 items; each of the other 180 must be drawn equally often.
    matrix = np.zeros((1, 200))
    matrix[0, ::10] = 1
    matrix = scipy.sparse.csr_array(np.repeat(matrix, 200, axis=0), dtype=np.float32)
    tables, epoch = prepared(matrix, schedule)
    step = _schedules.Step(1e-4, 0.0, 0.0, 0.0, 0.0)
    n_epochs = 500
    draws = np.empty((n_epochs, 180))
    for number in range(n_epochs):
        tables.users[:] = 0
        tables.items[:] = 0
        assert last(epoch.run_epoch(tables, step, number * 1_000_003)).n_updates == 4000
        visits = tables.unpack()[2] / 0.5e-4
        assert visits[::10].sum() == pytest.approx(4000, rel=0.01)
        draws[number] = -np.delete(visits, np.s_[::10])
    expected = 4000 / 180
    z = (draws.mean(axis=0) - expected) / (draws.std(axis=0) / np.sqrt(n_epochs))
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("n_positives", [15, 16, 17, 33, 60, 119])
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_a_positive_is_never_drawn_as_a_negative(schedule, n_positives):
    # Rows of negatives shrink and no others do; all users have the same positives.
    dense = np.zeros((150, 120))
    dense[:, :n_positives] = 1
    matrix = scipy.sparse.csr_array(dense, dtype=np.float32)
    tables, epoch = prepared(matrix, schedule, factors=1, item_bias=False, weights=np.zeros_like(matrix.data))
    tables.items[:, 0] = 1
    step = _schedules.Step(1e-3, reg_user=0.0, reg_positive=0.0, reg_negative=1.0, reg_bias=0.0)
    for key in range(5):
        last(epoch.run_epoch(tables, step, key))
    assert (tables.items[:n_positives, 0] == 1).all()
    assert (tables.items[n_positives:, 0] < 1).all()


def test_hogwild_draws_interactions_uniformly():
    matrix = scipy.sparse.csr_array(np.eye(300, 400, dtype=np.float32))
    tables, epoch = prepared(matrix, "hogwild", factors=1, item_bias=False, weights=np.zeros(300, dtype=np.float32))
    step = _schedules.Step(1e-4, reg_user=1.0, reg_positive=0.0, reg_negative=0.0, reg_bias=0.0)
    counts = np.zeros(300)
    for key in range(200):
        tables.users[:, 0] = 1
        last(epoch.run_epoch(tables, step, key))
        counts += np.round(np.log(tables.users[:, 0].astype(float)) / np.log1p(-1e-4))
    assert counts.sum() == 200 * 300
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("factors", [7, 64])
def test_blocked_results_are_the_same_bits_on_any_number_of_threads(factors, item_bias):
    matrix = power_law(1500, 900, density=0.03)
    step = _schedules.Step(0.05, 0.01, 0.02, 0.003, 0.04)
    results = []
    for num_threads in (1, 2, 3, 8):
        tables, epoch = prepared(
            matrix, "blocked", factors=factors, num_threads=num_threads, weights=matrix.data * 0.5, item_bias=item_bias
        )
        assert len(epoch.user_starts) > 8
        sums = [last(epoch.run_epoch(tables, step, key)) for key in range(3)]
        results.append((*tables.unpack(), np.array(sums)))
    for other in results[1:]:
        for actual, expected in zip(other, results[0], strict=True):
            assert_array_equal(actual, expected)


@pytest.mark.parametrize("num_threads", [2, 5, 64])
def test_more_threads_than_blocks_change_nothing(num_threads):
    matrix = power_law(300, 130, density=0.2)
    step = _schedules.Step(0.05, 0.01, 0.01, 0.01, 0.01)
    results = []
    for n in (1, num_threads):
        tables, epoch = prepared(matrix, "blocked", num_threads=n)
        assert len(epoch.user_starts) == 3  # two blocks
        sums = last(epoch.run_epoch(tables, step, 3))
        results.append((*tables.unpack(), np.array(sums)))
    for actual, expected in zip(*results, strict=True):
        assert_array_equal(actual, expected)


def test_a_team_that_is_smaller_than_asked_does_the_same():
    program = (
        "from scipy.sparse import random; from fastbpr import BPR;"
        "matrix = random(1500, 900, density=0.03, random_state=0, format='csr');"
        "model = BPR(factors=8, iterations=2, num_threads=8, random_state=0).fit(matrix, show_progress=False);"
        "print(model.item_factors.sum(), model.user_factors.sum())"
    )
    outputs = []
    for limit in ("1", "8"):
        environment = os.environ | {"OMP_THREAD_LIMIT": limit}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]


def test_the_number_of_blocks_is_limited_by_small_data():
    tiny = _schedules.Positives.of(power_law(5, 6, 0.5), None)
    assert _schedules.number_of_blocks(tiny, 320) == 1


@pytest.mark.parametrize(
    ("n_interactions", "n_blocks"), [(750_000, 32), (17_500_000, 32), (100_000_000, 78), (1_000_000_000, 247)]
)
def test_large_data_have_more_blocks(n_interactions, n_blocks):
    positives = _schedules.Positives(np.empty(1_000_001), range(n_interactions), np.empty(0), n_items=20_000)
    assert _schedules.number_of_blocks(positives, 320) == n_blocks


def test_user_ranges_cover_all_users_and_balance_interactions():
    matrix = power_law(1000, 500, density=0.05)
    starts = _schedules.balanced_ranges(matrix.indptr, 8)
    assert starts[0] == 0
    assert starts[-1] == 1000
    sizes = np.diff(matrix.indptr[starts])
    assert sizes.sum() == matrix.nnz
    assert sizes.max() < 1.3 * sizes.mean()


def test_one_heavy_user_among_empty_ones_is_no_problem():
    matrix = scipy.sparse.csr_array((np.ones(4000), (np.full(4000, 5), np.arange(4000) * 2)), shape=(200, 9000))
    tables, epoch = prepared(matrix, "blocked", num_threads=2)
    assert last(epoch.run_epoch(tables, FROZEN, 1)).n_updates == 4000


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_a_user_with_all_items_is_passed_over_and_the_others_learn(schedule):
    dense = np.zeros((3, 40))
    dense[0] = 1
    dense[1, :7] = 1
    tables, epoch = prepared(scipy.sparse.csr_array(dense, dtype=np.float32), schedule)
    n_updates = [last(epoch.run_epoch(tables, FROZEN, key)).n_updates for key in range(20)]
    assert np.mean(n_updates) == pytest.approx(7, abs=2)


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_without_verification_positives_can_be_negatives_but_never_the_same_item(schedule):
    # Only one item is no positive; without verification all others are drawn as well, and no update is lost.
    dense = np.ones((30, 12))
    dense[:, 3] = 0
    matrix = scipy.sparse.csr_array(dense, dtype=np.float32)
    tables, epoch = prepared(matrix, schedule, verify=False)
    tables.users[:] = 0
    tables.items[:] = 0
    for _ in epoch.run_epoch(tables, _schedules.Step(1e-3, 0.0, 0.0, 0.0, 0.0), 5):
        pass
    biases = tables.unpack()[2]
    # As a verified negative item 3 would take all 330 falls; now it takes about a twelfth.
    assert -60 < biases[3] / 0.5e-3 < -10


def test_slices_cover_all_parts_in_order():
    for n_parts, n_updates in [(1, 10), (32, 10), (32, 40_000_000), (7, 10**9)]:
        bounds = list(_schedules.slices(n_parts, n_updates))
        assert bounds[0][0] == 0
        assert bounds[-1][1] == n_parts
        assert all(first[1] == second[0] for first, second in pairwise(bounds))
