"""Where negatives come from: the distributions of the samplers, and what the schedules make of them."""

import numpy as np
import pytest
import scipy.sparse
from helpers import draws_of, negatives_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from test_schedules import FROZEN, last, power_law, prepared

from fastbpr import _schedules, _tables
from fastbpr._negatives import Recipe

RECIPES = {
    "several": {"n_negatives": 3},
    "popularity": {"negatives": "popularity", "popularity_power": 0.5, "uniform_share": 0.2},
    "dynamic": {"negatives": "dynamic", "n_candidates": 5},
    "adaptive": {"negatives": "adaptive", "adaptive_rank": 0.05},
    "warp": {"loss": "warp", "n_negatives": 8},
    "warp of the best": {"loss": "warp", "n_negatives": 4, "negatives": "dynamic", "n_candidates": 3},
    "softmax": {"loss": "softmax", "n_negatives": 6},
    "softmax of the popular": {"loss": "softmax", "n_negatives": 6, "negatives": "popularity"},
    "adagrad": {"optimizer": "adagrad"},
    "adadelta": {"optimizer": "adadelta"},
    "k-os-warp": {"loss": "k-os-warp", "n_negatives": 8, "n_positives": 4, "positive_rank": 2},
    "adaptive by adagrad": {"negatives": "adaptive", "optimizer": "adagrad", "loss": "softmax", "n_negatives": 2},
}


@pytest.mark.parametrize("uniform_share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("power", [-1.0, -0.4, 0.0, 0.75, 1.0, 2.0])
def test_popularity_is_drawn_to_its_power(training, power, uniform_share):
    counts = np.array([100, 1, 40, 7, 3, 3, 0, 250, 60, 12, 1, 30])
    positives = [3, 7]
    negatives = negatives_of(
        12, counts=counts, negatives="popularity", popularity_power=power, uniform_share=uniform_share
    )
    draws = draws_of(training, negatives, 12, positives, 60_000, seed=3)
    powers = np.maximum(counts, 1.0) ** power
    expected = (1 - uniform_share) * powers / powers.sum() + uniform_share / 12
    expected[positives] = 0
    expected *= len(draws) / expected.sum()
    drawn = np.bincount(draws, minlength=12)
    assert drawn[positives].sum() == 0
    allowed = expected > 0
    assert stats.chisquare(drawn[allowed], expected[allowed]).pvalue > 1e-4


@pytest.mark.parametrize("n_items", [1, 2, 3, 17, 1000])
def test_an_alias_table_holds_exactly_the_weights(n_items):
    weights = np.random.default_rng(n_items).random(n_items) ** 8 + 1e-6
    negatives = negatives_of(n_items, counts=np.ones(n_items), negatives="popularity")
    negatives.weights = weights / weights.sum()
    items = np.arange(n_items, dtype=np.int32)
    negatives.begin_epoch(None, np.array([0, n_items]), items, items * 0, items, 1)
    shares = (negatives.shares.astype(float) + 1) / 2**32
    mass = shares.copy()
    np.add.at(mass, negatives.aliases, 1 - shares)
    assert_allclose(mass / n_items, negatives.weights, atol=1e-8)


@pytest.mark.parametrize("mean_rank", [3.0, 40.0, 4000.0])
@pytest.mark.parametrize("spreads", [(1.0, 0.5, 0.3), (0.02, 0.01, 1.0), (1.0, 0.5, None)])
def test_adaptive_draws_factors_by_attention_and_ranks_geometrically(training, spreads, mean_rank):
    n_items = 40
    rng = np.random.default_rng(0)
    factors = (rng.normal(size=(n_items, 2)) * spreads[:2]).astype(np.float32)
    biases = (rng.normal(size=n_items) * (spreads[2] or 0)).astype(np.float32)
    tables = _tables.pack(np.zeros((1, 2), np.float32), factors, None if spreads[2] is None else biases)
    negatives = negatives_of(n_items, tables, negatives="adaptive", adaptive_rank=mean_rank / n_items)
    user, positives = np.array([-0.8, 0.6]), [5, 6]
    draws = draws_of(training, negatives, n_items, positives, 100_000, 7, np.pad(user, (0, tables.width - 2)))

    columns = np.column_stack([factors, biases])
    attention = np.abs([*user, 1]) * columns.std(axis=0)
    geometric = np.exp(-np.arange(n_items) / mean_rank)
    expected = np.zeros(n_items)
    for column, sign, chance in zip(columns.T, [-1, 1, 1], attention / attention.sum(), strict=True):
        expected[np.argsort(-sign * column, kind="stable")] += chance * geometric / geometric.sum()
    expected[positives] = 0
    expected *= len(draws) / expected.sum()
    drawn = np.bincount(draws, minlength=n_items)
    assert drawn[positives].sum() == 0
    rare = np.flatnonzero((expected > 0) & (expected <= 20))  # of which too few are drawn to judge each
    groups = np.arange(n_items)
    groups[rare] = rare[0] if len(rare) else 0
    drawn, expected = np.bincount(groups, drawn), np.bincount(groups, expected)
    assert stats.chisquare(drawn[expected > 0], expected[expected > 0]).pvalue > 1e-4


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_makes_a_step_for_every_interaction_and_never_draws_a_positive(schedule, recipe):
    # Only rows of negatives shrink; all users have the same positives.
    dense = np.zeros((150, 120))
    dense[:, :33] = 1
    matrix = scipy.sparse.csr_array(dense, dtype=np.float32)
    tables, epoch = prepared(matrix, schedule, factors=1, item_bias=False, weights=np.zeros_like(matrix.data), **recipe)
    tables.items[:, 0] = 1
    step = _schedules.Step(1e-3, reg_user=0.0, reg_positive=0.0, reg_negative=1.0, reg_bias=0.0)
    for key in range(3):
        assert last(epoch.run_epoch(tables, step, key)).n_updates == matrix.nnz
    assert (tables.items[:33, 0] == 1).all()
    assert (tables.items[33:, 0] < 1).sum() > 60


UNVERIFIED = {
    "logistic": {"loss": "logistic", "optimizer": "adadelta"},  # draws none
    "k-os-warp, unverified": {"loss": "k-os-warp", "n_negatives": 5, "verify": False},
}


@pytest.mark.parametrize("recipe", (RECIPES | UNVERIFIED).values(), ids=RECIPES | UNVERIFIED)
def test_every_recipe_gives_the_same_bits_on_any_number_of_threads(recipe):
    matrix = power_law(900, 700, density=0.03)
    given = _schedules.Given(np.arange(901, dtype=np.int64), np.zeros(900, dtype=np.int32))
    step = _schedules.Step(0.05, 0.01, 0.02, 0.003, 0.04)
    for own_given in (None, given):
        results = []
        for num_threads in (1, 3, 8):
            tables, epoch = prepared(matrix, "blocked", num_threads=num_threads, given=own_given,
                                     weights=matrix.data * 0.5, **recipe, given_share=0.3)  # fmt: skip
            assert len(epoch.user_starts) > 4
            sums = [last(epoch.run_epoch(tables, step, key)) for key in range(4)]
            results.append((*tables.unpack(), np.array(sums)))
        for other in results[1:]:
            for actual, expected in zip(other, results[0], strict=True):
                assert_array_equal(actual, expected)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_learns(communities, recipe):
    tables, epoch = prepared(communities, "blocked", factors=16, **recipe)
    rate = {"adagrad": 0.3, "adadelta": 1.0}.get(recipe.get("optimizer"), 0.1)
    for key in range(60):
        last(epoch.run_epoch(tables, _schedules.Step(rate, 0.01, 0.01, 0.01, 0.01), key))
    users, items, biases = tables.unpack()
    best = np.argsort(-(users @ items.T + biases), axis=1)[:, :10]
    own = best // 25 == (np.arange(200) // 50)[:, None]
    assert own.mean() > 0.95


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_blocks_do_not_change_what_popularity_draws_by_much(schedule):
    # From a model of zeros, biases count visits. Items are one in four popular, by a factor of 4.
    n_items = 400
    dense = np.zeros((200, n_items))
    rng = np.random.default_rng(0)
    for user in range(200):
        dense[user, rng.choice(n_items, 12, replace=False, p=np.tile([4, 1, 1, 1], 100) / 700)] = 1
    matrix = scipy.sparse.csr_array(dense, dtype=np.float32)
    tables, epoch = prepared(matrix, schedule, negatives="popularity", popularity_power=1.0)
    drawn = np.zeros(n_items)
    for number in range(150):
        tables.users[:] = 0
        tables.items[:] = 0
        last(epoch.run_epoch(tables, _schedules.Step(1e-4, 0.0, 0.0, 0.0, 0.0), number * 1_000_003))
        drawn += tables.unpack()[2] / -0.5e-4
    drawn += np.asarray(matrix.sum(axis=0)) * 150  # visits as positives count the other way
    counts = np.asarray(matrix.sum(axis=0))
    free = ((1 - dense) * counts / np.maximum((1 - dense) @ counts, 1)[:, None]).sum(axis=0) * 12 * 150
    groups = [drawn[counts >= 10].sum() / free[counts >= 10].sum(), drawn[counts < 10].sum() / free[counts < 10].sum()]
    assert_allclose(groups, 1, atol=0.06)


def given_log(n_users=200, n_items=300, n_given=8):
    dense = np.zeros((n_users, n_items))
    dense[:, :40] = 1
    given = _schedules.Given(
        np.arange(n_users + 1, dtype=np.int64) * n_given,
        np.tile(np.arange(100, 100 + n_given, dtype=np.int32), n_users),
    )
    return scipy.sparse.csr_array(dense, dtype=np.float32), given


@pytest.mark.parametrize("recipe", [{}, {"negatives": "dynamic", "n_candidates": 2}, {"negatives": "popularity"}])
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_given_negatives_come_up_as_often_as_asked(schedule, recipe):
    matrix, given = given_log()
    tables, epoch = prepared(matrix, schedule, factors=1, item_bias=False, weights=np.zeros_like(matrix.data),
                             given=given, given_share=0.4, **recipe)  # fmt: skip
    step = _schedules.Step(1e-5, reg_user=0.0, reg_positive=0.0, reg_negative=1.0, reg_bias=0.0)
    visits = np.zeros(300)
    for key in range(30):
        tables.items[:, 0] = 1
        last(epoch.run_epoch(tables, step, key))
        visits += np.log(tables.items[:, 0].astype(float)) / np.log1p(-1e-5)
    by_chance = 0.6 * 8 / 260
    assert visits[:40].sum() == 0
    assert visits[100:108].sum() / visits.sum() == pytest.approx(0.4 + by_chance, abs=0.03)


def test_few_given_negatives_mean_fewer_blocks_but_not_too_few():
    matrix, given = given_log(n_users=4000, n_items=3000, n_given=1)
    positives = _schedules.Positives.of(matrix, None)
    assert _schedules.blocks_for_given(positives, given, 0.5, 32) == _schedules.FEWEST_BLOCKS
    assert _schedules.blocks_for_given(positives, given, 0.1, 32) == 10
    assert _schedules.blocks_for_given(positives, given, 0.0, 100) == 100
    assert _schedules.blocks_for_given(positives, given, 0.5, 2) == 2
    _, many = given_log(n_users=4000, n_items=3000, n_given=100)
    assert _schedules.blocks_for_given(positives, many, 0.5, 32) == 32


def test_users_without_given_negatives_draw_as_ever():
    matrix, _ = given_log()
    indptr = np.zeros(201, dtype=np.int64)
    indptr[101:] = 1  # user 100 alone has one
    given = _schedules.Given(indptr, np.array([299], dtype=np.int32))
    tables, epoch = prepared(matrix, "blocked", factors=1, item_bias=False, weights=np.zeros_like(matrix.data),
                             given=given, given_share=1.0)  # fmt: skip
    tables.items[:, 0] = 1
    step = _schedules.Step(1e-5, reg_user=0.0, reg_positive=0.0, reg_negative=1.0, reg_bias=0.0)
    assert last(epoch.run_epoch(tables, step, 1)).n_updates == matrix.nnz
    visits = np.log(tables.items[40:, 0].astype(float)) / np.log1p(-1e-5)
    assert visits.sum() == pytest.approx(matrix.nnz, rel=0.01)
    assert visits[:-1].max() < 80  # 31 each on average


def test_frozen_factors_stay_as_they_are_under_any_recipe():
    matrix = power_law(100, 150, density=0.05)
    for recipe in RECIPES.values():
        tables, epoch = prepared(matrix, "blocked", **recipe)
        before = [part.copy() for part in tables.unpack()]
        last(epoch.run_epoch(tables, FROZEN, 1))
        for actual, expected in zip(tables.unpack(), before, strict=True):
            assert_array_equal(actual, expected)


def test_the_orders_of_adaptive_follow_the_factors():
    # Whatever the sizes, an epoch's orders are of factors at most ten epochs old.
    matrix = power_law(40, 900, density=0.01)
    tables, epoch = prepared(matrix, "blocked", factors=32, negatives="adaptive")
    assert epoch.negatives.ranker.interval == 5
    rng = np.random.default_rng(1)
    orders = []
    for key in range(16):
        last(epoch.run_epoch(tables, FROZEN, key))
        orders.append(epoch.negatives.ranker.current[0].copy())
        tables.items[:, :32] = rng.normal(size=(900, 32))
    assert len({order.tobytes() for order in orders}) == 3
    assert (orders[4] == orders[9]).all()
    assert (orders[9] != orders[10]).any()


@pytest.mark.parametrize("power", [-1000.0, -70.0, 70.0, 1000.0])
@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_extreme_powers_of_popularity_stay_defined(communities, power, loss):
    counts = np.array([1, 50_000, 3, 0])
    weights = negatives_of(4, counts=counts, negatives="popularity", popularity_power=power, loss=loss).weights
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)
    tables, epoch = prepared(communities, "blocked", negatives="popularity", popularity_power=power, loss=loss)
    last(epoch.run_epoch(tables, _schedules.Step(0.05, 0.01, 0.01, 0.01, 0.01), 1))
    assert all(np.isfinite(part).all() for part in tables.unpack())


def test_costly_steps_are_cut_into_more_slices_so_that_ctrl_c_is_heard():
    costly = Recipe(loss="softmax", n_negatives=256, negatives="dynamic", n_candidates=64)
    assert _schedules.work_of(Recipe(), 64) == 1
    assert len(_schedules.slices(32, 100_000 * _schedules.work_of(costly, 64))) == 32


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_single_negatives_by_popularity_are_trained_in_batches_as_uniform_ones_are(communities, schedule):
    _, epoch = prepared(communities, schedule, negatives="popularity")
    assert epoch.negatives.is_plain


def test_one_dynamic_candidate_is_a_uniform_negative(communities):
    _, epoch = prepared(communities, "blocked", negatives="dynamic", n_candidates=1)
    assert epoch.negatives.is_plain


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_k_os_warp_chooses_among_all_positives_at_hand_and_takes_the_weight_of_the_chosen(schedule, verify):
    # Everybody has items 0 to 7 and likes them in this order; only item 2 has a weight. All are in one block.
    dense = np.zeros((30, 60))
    dense[:, :8] = 1
    matrix = scipy.sparse.csr_array(dense, dtype=np.float32)
    weights = (matrix.indices == 2).astype(np.float32)
    for rank, is_moved in ((3, True), (4, False)):
        tables, epoch = prepared(matrix, schedule, factors=1, weights=weights, loss="k-os-warp", n_negatives=1,
                                 n_positives=8, positive_rank=rank, verify=verify)  # fmt: skip
        assert schedule == "hogwild" or len(epoch.user_starts) == 2
        tables.users[:, 0] = tables.items[:, 0] = 1
        tables.items[:8, 0] -= np.arange(8) / 100
        sums = last(epoch.run_epoch(tables, _schedules.Step(1e-7, 0.0, 0.0, 0.0, 0.0), 1))
        assert sums.n_updates == matrix.nnz
        assert_array_equal(np.flatnonzero(tables.unpack()[2] > 0), [2] if is_moved else [])


def test_k_os_warp_has_few_blocks_so_that_users_have_several_positives_in_one():
    positives = _schedules.Positives.of(given_log(n_users=4000, n_items=3000)[0], None)  # 40 each
    assert [_schedules.blocks_for_choice(positives, n, 32) for n in (1, 2, 5, 10, 40)] == [32, 32, 9, 4, 4]
    assert _schedules.blocks_for_choice(positives, 10, 3) == 3
    _, epoch = prepared(given_log(n_users=4000, n_items=3000)[0], "blocked", loss="k-os-warp", n_positives=5)
    assert len(epoch.user_starts) - 1 == 9
