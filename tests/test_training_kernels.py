"""The training kernels against the reference, numeric derivatives and distributions; every build of them."""

import math

import numpy as np
import pytest
import reference
from helpers import draws_of, negatives_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from fastbpr import _tables
from fastbpr._kernels import partition

STRENGTHS = reference.Strengths(learning_rate=0.1, reg_user=0.01, reg_positive=0.02, reg_negative=0.03, reg_bias=0.04)
AWKWARD_SIZES = [1, 7, 8, 15, 16, 17, 33, 64, 100, 128, 200]


def random_triplets(n, n_users, n_items, seed):
    rng = np.random.default_rng(seed)
    positive = rng.integers(n_items, size=n)
    negative = (positive + rng.integers(1, n_items, size=n)) % n_items
    return np.column_stack([rng.integers(n_users, size=n), positive, negative]).astype(np.int32)


def apply_with_kernel(training, model, triplets, strengths, weights=None, item_bias=True):
    tables = _tables.pack(*(part.astype(np.float32) for part in model[:2]), model[2] if item_bias else None)
    weights = np.ones(len(triplets)) if weights is None else weights
    sums = training.apply_triplets(tables, strengths, triplets, weights.astype(np.float32))
    return tables, sums


@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("factors", AWKWARD_SIZES)
def test_updates_follow_the_formula(training, factors, item_bias):
    model = reference.random_model(n_users=4, n_items=6, factors=factors, seed=factors)
    model = reference.Model(model.user_factors / 3, model.item_factors / 3, model.item_biases * item_bias)
    triplets = random_triplets(300, 4, 6, seed=1)
    weights = np.random.default_rng(2).random(300)

    tables, (loss, n_correct, n_updates) = apply_with_kernel(training, model, triplets, STRENGTHS, weights, item_bias)
    expected_loss, expected_correct = reference.apply_triplets(
        model, triplets, STRENGTHS, weights=weights.astype(np.float32), item_bias=item_bias, group=training.GROUP_SIZE
    )

    for actual, expected in zip(tables.unpack(), model, strict=True):
        assert_allclose(actual, expected, rtol=2e-4, atol=2e-5)
    assert_allclose(loss, expected_loss, rtol=1e-5)
    assert n_updates == 300
    assert abs(n_correct - expected_correct) <= 1  # a margin of nearly zero may round to the other side


@pytest.mark.parametrize("factors", [1, 7, 33, 64])
def test_padding_stays_zero(training, factors):
    model = reference.random_model(4, 6, factors, seed=0)
    tables, _ = apply_with_kernel(training, model, random_triplets(200, 4, 6, seed=1), STRENGTHS)
    width = tables.users.shape[1]
    assert not tables.users[:, factors:].any()
    assert not tables.items[:, factors:width].any()
    assert not tables.items[:, width + 1 :].any()


def test_update_is_the_negative_gradient_of_the_objective(training):
    model = reference.random_model(1, 2, 5, seed=3)
    triplet, weight, h = (0, 0, 1), 0.7, 1e-6
    strengths = STRENGTHS._replace(learning_rate=1e-3)
    tables, _ = apply_with_kernel(training, model, np.array([triplet], dtype=np.int32), strengths, np.array([weight]))
    for part, updated in zip(model, tables.unpack(), strict=True):
        for index in np.ndindex(part.shape):
            kept = part[index]
            part[index] = kept + h
            above = reference.objective(model, *triplet, strengths, weight)
            part[index] = kept - h
            below = reference.objective(model, *triplet, strengths, weight)
            part[index] = kept
            gradient = (above - below) / (2 * h)
            assert_allclose((updated[index] - kept) / -1e-3, gradient, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(
    "margin", [-1e30, -1e9, -200.0, -60.0, -24.0, -23.0, -15.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 8.0, 30.0, 100.0, 200.0]
)
def test_loss_and_pull_are_right_at_any_margin(training, margin):
    model = reference.Model(np.ones((1, 1)), np.array([[margin], [0.0]]), np.zeros(2))
    strengths = reference.Strengths(0.5, 0, 0, 0, 0)
    tables, (loss, n_correct, n_updates) = apply_with_kernel(
        training, model, np.array([[0, 0, 1]], dtype=np.int32), strengths
    )
    pull = 1 / (1 + math.exp(min(margin, 700)))
    assert n_updates == 1
    assert_allclose(loss, -math.log(1 / (1 + math.exp(min(-margin, 700))) + 1e-10), rtol=1e-5, atol=1e-7)
    assert_allclose(tables.unpack()[2][0], 0.5 * pull, rtol=1e-5, atol=1e-30)
    assert n_correct == (margin > 0)


def test_negatives_are_uniform_over_the_items_that_are_not_positives(training):
    positives = [2, 8, 20]
    draws = draws_of(training, negatives_of(22), 22, positives, 100_000, seed=1)
    allowed = np.setdiff1d(np.arange(22), positives)
    counts = np.bincount(draws, minlength=22)
    assert counts.sum() == counts[allowed].sum() == len(draws)
    assert stats.chisquare(counts[allowed]).pvalue > 1e-3


@pytest.mark.parametrize("missing", [[0, 500, 999], [0], [999], [1, 2, 3]])
def test_negatives_are_uniform_for_a_user_with_nearly_everything(training, missing):
    positives = np.setdiff1d(np.arange(1000), missing).astype(np.int32)
    draws = draws_of(training, negatives_of(1000), 1000, positives, 30_000, seed=2)
    values, counts = np.unique(draws, return_counts=True)
    assert_array_equal(values, missing)
    assert len(missing) == 1 or stats.chisquare(counts).pvalue > 1e-3


def test_a_user_with_everything_has_no_negative(training):
    everything = np.arange(7, dtype=np.int32)
    draws = draws_of(training, negatives_of(7), 7, everything, 5, seed=3)
    assert_array_equal(draws, -1)


def partitioned(key, n_items, n_blocks):
    starts = np.arange(n_blocks + 1, dtype=np.int64) * n_items // n_blocks
    block_of_item = np.empty(n_items, dtype=np.uint16)
    place_of_item = np.empty(n_items, dtype=np.int32)
    block_items = np.empty(n_items, dtype=np.int32)
    partition.partition_items(key, starts, block_of_item, place_of_item, block_items)
    assert_array_equal(block_items[starts[block_of_item] + place_of_item], np.arange(n_items))
    return starts, block_of_item, block_items


def test_a_partition_has_every_item_once_in_blocks_of_equal_size():
    starts, block_of_item, block_items = partitioned(5, n_items=103, n_blocks=4)
    assert_array_equal(np.sort(block_items), np.arange(103))
    assert set(np.bincount(block_of_item)) == {25, 26}
    for block in range(4):
        items = block_items[starts[block] : starts[block + 1]]
        assert_array_equal(items, np.flatnonzero(block_of_item == block))


def test_any_two_items_are_equally_likely_to_share_a_block():
    n_items, n_blocks, n_epochs = 12, 3, 4000
    together = np.zeros((n_items, n_items))
    for key in range(n_epochs):
        _, block_of_item, _ = partitioned(key, n_items, n_blocks)
        together += block_of_item[:, None] == block_of_item
    pairs = together[np.triu_indices(n_items, k=1)]
    expected = n_epochs * (n_items / n_blocks - 1) / (n_items - 1)
    spread = np.sqrt(expected * (1 - expected / n_epochs))
    assert np.abs(pairs - expected).max() < 4.5 * spread


def test_a_partition_depends_on_its_key_alone():
    assert_array_equal(partitioned(1, 50, 5)[1], partitioned(1, 50, 5)[1])
    assert (partitioned(1, 50, 5)[1] != partitioned(2, 50, 5)[1]).any()


def test_streams_of_epochs_and_purposes_are_all_different():
    # The partition of items, the order of users and the triplets must not use the same words, in any two epochs.
    from fastbpr._training import epoch_key

    draws = {tuple(partitioned(epoch_key(7, epoch), 64, 8)[1]) for epoch in range(200)}
    assert len(draws) == 200
    golden = 0x9E3779B97F4A7C15
    keys = [epoch_key(7, epoch) for epoch in range(200)]
    shifted = {(key + purpose * golden) % 2**64 for key in keys for purpose in range(8)}
    assert len(shifted) == 200 * 8
