"""Splits at random, in time, by folds and by users: what is in which part, and what they leave alone."""

import datetime
from itertools import chain

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import fit, matrix
from numpy.testing import assert_array_equal

from fastbpr import Interactions
from fastbpr.evaluation import evaluate
from fastbpr.splitting import hold_out, hold_out_users, k_fold, latest_of_each_user, split_by_time


@pytest.fixture(scope="module")
def user_items():
    """200 users with 0 to 20 of 40 items and values of their own; user 0 has none, user 1 has one."""
    rng = np.random.default_rng(0)
    dense = rng.random((200, 40)) * (rng.random((200, 40)) < rng.random((200, 1)) / 2)
    dense[:2] = 0
    dense[1, 7] = 0.1
    return scipy.sparse.csr_array(dense)


@pytest.fixture(scope="module")
def log():
    """60 users, 30 items, weights, contexts and all that can be known of them, names, and times, many of them equal."""
    rng = np.random.default_rng(1)
    items = rng.integers(30, size=500)
    contexts = rng.integers(100, size=500)
    return Interactions.from_arrays(
        rng.integers(60, size=500),
        items,
        timestamps=rng.integers(50, size=500),
        weights=rng.random(500) + 0.5,
        contexts=contexts,
        context_kinds=np.array(["page", "basket", "search"])[contexts % 3],
        context_strengths={"basket": 0, "search": 0.2},
        shown={context: rng.integers(35, size=12) for context in range(110)},
        item_names=[f"name of {item}" for item in items],
    )


def parts_of(split):
    """The parts of a split, without the users."""
    return [part for part in split if not isinstance(part, np.ndarray)]


RANDOM = {
    "hold_out": lambda data, seed: parts_of(hold_out(data, random_state=seed)),
    "k_fold": lambda data, seed: parts_of(k_fold(data, 3, random_state=seed)[1]),
    "hold_out_users": lambda data, seed: parts_of(hold_out_users(data, 0.3, random_state=seed)),
}
IN_TIME = {
    "split_by_time": lambda data, seed: parts_of(split_by_time(data)),
    "latest_of_each_user": lambda data, seed: parts_of(latest_of_each_user(data)),
    "hold_out_users by time": lambda data, seed: parts_of(hold_out_users(data, 0.3, by="time", random_state=seed)),
}
random_splits = pytest.mark.parametrize("divide", RANDOM.values(), ids=RANDOM)
all_splits = pytest.mark.parametrize("divide", (RANDOM | IN_TIME).values(), ids=RANDOM | IN_TIME)


# ---- what holds for all ---------------------------------------------------------------------------------------------


@all_splits
def test_every_interaction_is_in_one_part_with_its_value_and_time(log, divide):
    shape = log.user_items.shape
    found = np.zeros(shape, dtype=int)
    values, times = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=int)
    for part in divide(log, 0):
        entries = part.user_items.nonzero()
        found[entries] += 1
        values[entries] = part.user_items.data
        times[entries] = part.timestamps
    entries = log.user_items.nonzero()
    assert_array_equal(found, log.user_items.toarray() != 0)
    assert_array_equal(values, log.user_items.toarray())
    assert_array_equal(times[entries], log.timestamps)


@all_splits
def test_interactions_keep_labels_names_shape_and_the_contexts_of_what_they_have(log, divide):
    parts = divide(log, 0)
    for part in parts:
        assert isinstance(part, Interactions)
        assert part.user_items.shape == log.user_items.shape
        assert part.has_weights
        for name in ("user_labels", "item_labels", "item_names"):
            assert_array_equal(getattr(part, name), getattr(log, name))
        assert (part.user_items[part.contexts.users, part.contexts.items] > 0).all()
        for name in ("labels", "kinds", "strengths", "shown"):  # of all contexts, as labels are of all users
            assert getattr(part.contexts, name) is getattr(log.contexts, name)
    assert sum(len(part.contexts.users) for part in parts) == len(log.contexts.users)
    columns = ("users", "items", "contexts", "weights")
    rows = [zip(*(getattr(part.contexts, name).tolist() for name in columns), strict=True) for part in parts]
    assert sorted(chain.from_iterable(rows)) == sorted(
        zip(*(getattr(log.contexts, name).tolist() for name in columns), strict=True)
    )


@all_splits
def test_interactions_are_not_changed(log, divide):
    *rows, shown = log.contexts
    arrays = log.user_items.data, log.user_items.indices, log.user_items.indptr, log.timestamps, *rows, shown.data
    before = [array.copy() for array in arrays]
    for part in divide(log, 0):
        part.user_items.data[:] = -1
        part.timestamps[:] = -1
    for array, copy in zip(arrays, before, strict=True):
        assert_array_equal(array, copy)


@random_splits
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.coo_array, scipy.sparse.lil_array])
def test_a_matrix_is_divided_into_its_own_kind_and_not_changed(user_items, divide, kind):
    given = kind(user_items)
    parts = divide(given, 0)
    assert [type(part) for part in parts] == [kind] * len(parts)
    assert_array_equal(sum(part.toarray() for part in parts), user_items.toarray())
    assert sum(part.nnz for part in parts) == user_items.nnz
    assert_array_equal(given.toarray(), user_items.toarray())


@random_splits
def test_a_seed_gives_the_same_parts_again_in_any_layout_and_another_seed_others(user_items, divide):
    first, again, other = divide(user_items, 3), divide(user_items.tocoo(), 3), divide(user_items, 4)
    for one, same, another in zip(first, again, other, strict=True):
        assert_array_equal(one.toarray(), same.toarray())
        assert (one.toarray() != another.toarray()).any()


@random_splits
def test_repeated_entries_are_one_item(divide):
    repeated = scipy.sparse.coo_array(([1, 2, 4, 8, 1, 1], ([0, 0, 0, 0, 1, 1], [2, 0, 2, 1, 0, 1])), shape=(2, 3))
    parts = divide(repeated, 0)
    assert_array_equal(sum(part.toarray() for part in parts), [[2, 8, 5], [1, 1, 0]])
    assert sum(part.nnz for part in parts) == 5


@pytest.mark.parametrize("divide", IN_TIME.values(), ids=IN_TIME)
def test_without_timestamps_nothing_is_divided_in_time(user_items, divide):
    for without in (user_items, Interactions.from_arrays(["ann", "ann"], ["tea", "cup"])):
        with pytest.raises(ValueError, match=r"(must have timestamps|have no timestamps), got .* Build Interactions"):
            divide(without, 0)


@random_splits
def test_what_is_no_sparse_matrix_is_refused(user_items, divide):
    with pytest.raises(TypeError, match=r"interactions must be a SciPy sparse matrix .* got ndarray"):
        divide(user_items.toarray(), 0)
    with pytest.raises(TypeError, match="random_state must be None, an integer >= 0 or a NumPy Generator, got 'seed'"):
        divide(user_items, "seed")


@pytest.mark.parametrize("divide", [hold_out, split_by_time, latest_of_each_user, hold_out_users])
@pytest.mark.parametrize(
    ("share", "error"),
    [
        (0, ValueError),
        (1, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        ("half", TypeError),
        (True, TypeError),
    ],
)
def test_a_share_is_neither_nothing_nor_all(log, divide, share, error):
    with pytest.raises(error, match=f"share must be a number between 0 and 1, neither included, got {share!r}"):
        divide(log, share=share)


# ---- hold_out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "share", "n_test"), [(10, 0.2, 2), (10, 0.29, 3), (2, 0.01, 1), (2, 0.99, 1), (7, 0.999, 6), (100, 0.29, 29)]
)
def test_the_share_of_interactions_is_exact(n, share, n_test):
    split = hold_out(scipy.sparse.csr_array(np.ones((1, n))), share, random_state=0)
    assert (split.train.nnz, split.test.nnz) == (n - n_test, n_test)


def test_every_interaction_is_held_out_equally_often():
    ten = scipy.sparse.csr_array(np.ones((2, 5)))
    n_taken = sum(hold_out(ten, 0.3, random_state=seed).test.toarray() for seed in range(400))
    assert n_taken.sum() == 1200
    assert scipy.stats.chisquare(n_taken.ravel()).pvalue > 0.001


def test_one_interaction_cannot_be_divided():
    with pytest.raises(ValueError, match="interactions must have at least 2 interactions to be split, got 1"):
        hold_out(matrix([0, 1]))


# ---- split_by_time --------------------------------------------------------------------------------------------------


def timed(*times, kind=int):
    """Interactions of two users at these times, each with a new item."""
    users = [f"user {number % 2}" for number in range(len(times))]
    return Interactions.from_arrays(users, range(len(times)), timestamps=np.array(times).astype(kind))


def times_of(split):
    return sorted(split.train.timestamps.tolist()), sorted(split.test.timestamps.tolist())


def test_nothing_in_training_is_as_late_as_anything_in_the_test_part(log):
    train, test = split_by_time(log, share=0.3)
    assert train.timestamps.max() < test.timestamps.min()
    assert abs(test.user_items.nnz - 0.3 * log.user_items.nnz) <= np.unique(log.timestamps, return_counts=True)[1].max()


@pytest.mark.parametrize(
    ("share", "test"),
    [
        (0.2, [4]),  # 1 of 5
        (0.45, [4]),  # 2.25 of 5: 1 is nearer than 4
        (0.5, [4]),  # 2.5 is as far from 1 as from 4: the later cut
        (0.55, [3, 3, 3, 4]),
        (0.99, [3, 3, 3, 4]),  # something stays in training
    ],
)
def test_equal_times_stay_together_and_the_nearest_cut_is_taken(share, test):
    split = split_by_time(timed(3, 1, 3, 4, 3), share=share)
    assert times_of(split)[1] == test


@pytest.mark.parametrize(("cut", "n_test"), [(2, 3), (2.5, 2), (3, 2), (np.int64(4), 1)])
def test_what_came_at_the_cut_or_later_is_for_testing(cut, n_test):
    assert len(split_by_time(timed(3, 1, 2, 4), cut=cut).test.timestamps) == n_test


def test_large_integers_are_compared_exactly():
    assert times_of(split_by_time(timed(2**60, 2**60 + 1), cut=2**60 + 1)) == ([2**60], [2**60 + 1])


@pytest.mark.parametrize(
    "cut",
    [
        "2024-05-02",
        "2024-05-02T00:00",
        datetime.date(2024, 5, 2),
        datetime.datetime(2024, 5, 2),
        datetime.datetime(2024, 5, 2, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        np.datetime64("2024-05-02", "s"),
    ],
)
def test_dates_are_cut_at_dates(cut):
    split = split_by_time(timed("2024-05-01", "2024-05-02", "2024-05-03", kind="datetime64[s]"), cut=cut)
    assert [len(part.timestamps) for part in split] == [1, 2]


def test_dates_are_cut_by_share():
    split = split_by_time(timed("2024-05-01", "2024-05-02", "2024-05-03", kind="datetime64[s]"), share=0.6)
    assert [len(part.timestamps) for part in split] == [1, 2]


@pytest.mark.parametrize(
    ("kind", "cut", "error", "message"),
    [
        (int, 1, ValueError, "cut must be after the earliest timestamp, 1, and not after the latest, 4, got 1"),
        (int, 5, ValueError, "cut must be after the earliest timestamp, 1, and not after the latest, 4, got 5"),
        (float, "2024", TypeError, "cut must be a finite number, as timestamps are numbers, got '2024'"),
        (int, float("nan"), ValueError, "cut must be a finite number"),
        ("datetime64[D]", 3, TypeError, "cut must be a date, .* as timestamps are dates, got 3"),
        ("datetime64[D]", "soon", ValueError, "cut must be a date, .* got 'soon'"),
        ("datetime64[D]", "1970-01-03T00:00Z", ValueError, "cut must be a date, .* without time zone"),
        ("datetime64[D]", "NaT", ValueError, "cut must be a date, "),
        ("datetime64[D]", "2024-01-01", ValueError, "cut must be after the earliest timestamp, 1970-01-02"),
    ],
)
def test_a_cut_is_of_the_kind_of_the_times_and_among_them(kind, cut, error, message):
    with pytest.raises(error, match=message):
        split_by_time(timed(3, 1, 2, 4, kind=kind), cut=cut)


def test_one_moment_cannot_be_cut():
    with pytest.raises(ValueError, match="interactions must have at least 2 different timestamps to be split, got 1"):
        split_by_time(timed(3, 3, 3))


# ---- latest_of_each_user --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_the_latest_agree_with_a_loop_over_users(log, share):
    train, test = latest_of_each_user(log, share)
    for user in range(log.n_users):
        entries = slice(*log.user_items.indptr[user : user + 2])
        items, times = log.user_items.indices[entries], log.timestamps[entries]
        n_test = min(max(round(share * len(items)), 1), len(items) - 1)
        by_time = [item for _, item in sorted(zip(times, items, strict=True))]
        assert sorted(test.user_items[[user]].indices) == sorted(by_time[len(items) - n_test :])
        assert train.user_items[[user]].nnz == len(items) - n_test


def test_users_with_a_single_item_keep_it():
    log = Interactions.from_arrays(["ann", "bob", "bob"], ["tea", "tea", "cup"], timestamps=[3, 1, 2])
    split = latest_of_each_user(log, 0.9)
    assert_array_equal(split.test.user_items.toarray(), [[0, 0], [0, 1]])
    assert split.n_single_item_users == 1


# ---- k_fold ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_every_interaction_is_tested_in_one_fold(user_items, n_folds):
    folds = k_fold(user_items, n_folds, random_state=0)
    sizes = [fold.test.nnz for fold in folds]
    assert len(folds) == n_folds
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == user_items.nnz
    assert_array_equal(sum(fold.test.toarray() for fold in folds), user_items.toarray())
    for fold in folds:
        assert_array_equal((fold.train + fold.test).toarray(), user_items.toarray())
        assert fold.train.multiply(fold.test).nnz == 0


def test_there_may_be_as_many_folds_as_interactions_and_no_more():
    three = matrix([1, 1, 0], [0, 0, 1])
    assert [fold.test.nnz for fold in k_fold(three, 3)] == [1, 1, 1]
    with pytest.raises(ValueError, match="interactions must have at least 4 interactions to be split, got 3"):
        k_fold(three, 4)


@pytest.mark.parametrize(("n_folds", "error"), [(1, ValueError), (0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_there_are_two_folds_at_least(user_items, n_folds, error):
    with pytest.raises(error, match=f"n_folds must be an integer >= 2, got {n_folds!r}"):
        k_fold(user_items, n_folds)


# ---- hold_out_users -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("fold_in", [0.01, 0.8, 0.99])
def test_held_out_users_are_absent_from_training_and_have_both_other_parts(user_items, share, fold_in):
    train, known, test, users = hold_out_users(user_items, share, fold_in=fold_in, random_state=0)
    n_items = np.diff(user_items.indptr)
    n_candidates = np.count_nonzero(n_items >= 2)
    assert len(users) == max(round(share * n_candidates), 1)
    assert (np.diff(users) > 0).all()
    others = np.setdiff1d(np.arange(200), users)
    assert_array_equal(np.diff(train.indptr)[users], 0)
    assert_array_equal(train[others].toarray(), user_items[others].toarray())
    assert_array_equal(np.diff(known.indptr)[others] + np.diff(test.indptr)[others], 0)
    expected = np.clip(np.round(fold_in * n_items[users]), 1, n_items[users] - 1)
    assert_array_equal(np.diff(known.indptr)[users], expected)
    assert_array_equal(np.diff(test.indptr)[users], n_items[users] - expected)


def test_users_with_one_item_are_never_held_out():
    log = matrix([1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0])
    for seed in range(20):
        assert hold_out_users(log, 0.9, random_state=seed).users.tolist() == [1]


def test_someone_stays_in_training():
    split = hold_out_users(matrix([1, 1, 0], [0, 1, 1]), 0.99, random_state=0)
    assert len(split.users) == 1
    assert split.train.nnz == 2


def test_every_user_is_held_out_equally_often_and_every_item_tested_equally_often():
    users, items = np.zeros(6), np.zeros(5)
    for seed in range(600):
        split = hold_out_users(scipy.sparse.csr_array(np.ones((6, 5))), 0.2, fold_in=0.8, random_state=seed)
        users[split.users] += 1
        items[split.test.indices] += 1
    assert scipy.stats.chisquare(users).pvalue > 0.001
    assert scipy.stats.chisquare(items).pvalue > 0.001


def test_by_time_the_latest_items_are_tested(log):
    split = hold_out_users(log, 0.5, fold_in=0.6, by="time", random_state=0)
    for user in split.users:
        known, tested = (
            part.timestamps[slice(*part.user_items.indptr[user : user + 2])] for part in (split.fold_in, split.test)
        )
        assert known.max() <= tested.min()


def test_too_few_users_cannot_be_held_out():
    with pytest.raises(ValueError, match="interactions must have at least 2 users with items to be split, got 1"):
        hold_out_users(matrix([1, 1], [0, 0]))
    with pytest.raises(ValueError, match="at least 1 user with two items to be split, got 0"):
        hold_out_users(matrix([1, 0], [0, 1]))


def test_bad_arguments_of_hold_out_users_are_named(user_items):
    with pytest.raises(ValueError, match="by must be one of 'random', 'time', got 'latest'"):
        hold_out_users(user_items, by="latest")
    with pytest.raises(ValueError, match="fold_in must be a number between 0 and 1, neither included, got 1"):
        hold_out_users(user_items, fold_in=1)


# ---- with evaluate --------------------------------------------------------------------------------------------------


def test_held_out_users_are_those_that_are_evaluated(communities):
    split = hold_out_users(communities, 0.2, random_state=0)
    model = fit(split.train)
    metrics = evaluate(model.fold_in(split.fold_in), split.fold_in, split.test, metrics="hr@24")
    assert metrics == evaluate(
        model.fold_in(split.fold_in), split.fold_in, split.test, metrics="hr@24", users=split.users
    )
    assert metrics["hr@24"] > 0.95  # a community has 25 items


def test_users_and_items_that_training_never_saw_are_evaluated_and_can_be_left_out():
    users, items = ["ann", "ann", "bob", "bob", "cy"], ["tea", "cup", "tea", "pot", "pot"]
    train, test = split_by_time(Interactions.from_arrays(users, items, timestamps=[1, 1, 1, 2, 2]), cut=2)
    model = fit(train)
    assert_array_equal(model.user_factors[2], 0)  # cy is new; and so is the pot, which is ranked last of 2 and of 3
    assert evaluate(model, train, test, metrics="mrr") == {"mrr": pytest.approx((1 / 2 + 1 / 3) / 2)}
    known = np.flatnonzero(np.diff(train.user_items.indptr))
    assert evaluate(model, train, test, metrics="mrr", users=known) == {"mrr": 1 / 2}
