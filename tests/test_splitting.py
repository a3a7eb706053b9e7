"""What leave_one_out holds out, and what it leaves alone."""

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from numpy.testing import assert_array_equal

from fastbpr import Interactions
from fastbpr.splitting import leave_one_out, leave_one_out_of_some


@pytest.fixture
def user_items():
    """300 users with 0 to 20 of 40 items and values of their own; user 0 has none, user 1 has one."""
    rng = np.random.default_rng(0)
    dense = rng.random((300, 40)) * (rng.random((300, 40)) < rng.random((300, 1)) / 2)
    dense[0] = 0
    dense[1] = 0
    dense[1, 7] = 0.1
    return scipy.sparse.csr_array(dense)


@pytest.fixture
def log():
    """Ann's latest is the pot, Bob's tea and cup come together, Cy has the cup alone, Di came back to the tea."""
    return Interactions.from_arrays(
        ["ann", "ann", "ann", "bob", "bob", "cy", "di", "di", "di"],
        ["tea", "pot", "cup", "tea", "cup", "cup", "tea", "cup", "tea"],
        timestamps=[1, 3, 2, 5, 5, 1, 1, 2, 3],
    )


def held_out(test):
    """The label of each user's item in the test part."""
    users, items = test.user_items.nonzero()
    return dict(zip(test.user_labels[users], test.item_labels[items], strict=True))


def everything_of(interactions):
    """Copies of what a split must not change."""
    return [interactions.data.copy(), interactions.indices.copy(), interactions.indptr.copy()]


def test_every_user_with_two_items_gives_one(user_items):
    train, test = leave_one_out(user_items, random_state=0)
    n_items = np.diff(user_items.indptr)
    assert_array_equal(np.diff(test.indptr), n_items >= 2)
    assert_array_equal(np.diff(train.indptr), n_items - (n_items >= 2))


def test_train_and_test_are_disjoint_and_together_the_whole_with_its_values(user_items):
    train, test = leave_one_out(user_items, random_state=0)
    assert train.multiply(test).nnz == 0
    assert_array_equal((train + test).toarray(), user_items.toarray())
    assert train.dtype == test.dtype == user_items.dtype


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.float64])
@pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_the_parts_have_the_dtype_of_the_values_in_every_format(dtype, form, kind):
    make = getattr(scipy.sparse, f"{form}_{kind}")
    given = make(np.array([[1, 0, 1], [0, 1, 1]], dtype=dtype))
    for part in leave_one_out(given, random_state=0):
        assert type(part) is make
        assert part.dtype == dtype
    assert given.dtype == dtype


@pytest.mark.parametrize(("n_duplicates", "dtype"), [(127, np.int8), (128, np.int64)])
def test_sums_of_duplicates_have_a_wider_dtype_only_where_they_need_it(n_duplicates, dtype):
    users, items = np.zeros(n_duplicates + 1, dtype=int), np.array([0] * n_duplicates + [1])
    given = scipy.sparse.coo_array((np.ones(n_duplicates + 1, dtype=np.int8), (users, items)), shape=(1, 2))
    parts = leave_one_out(given, random_state=0)
    assert {part.dtype for part in parts} == {np.dtype(dtype)}
    assert sum(part.toarray() for part in parts).tolist() == [[n_duplicates, 1]]


def test_flags_given_twice_stay_flags():
    given = scipy.sparse.coo_array((np.ones(3, dtype=bool), ([0, 0, 0], [0, 0, 1])), shape=(1, 2))
    assert sum(part.toarray().astype(int) for part in leave_one_out(given, random_state=0)).tolist() == [[1, 1]]


@pytest.mark.parametrize("share", [1e-9, 0.3, 0.999])
def test_of_a_share_of_users_the_items_held_out_are_those_that_all_users_would_give(user_items, share):
    everybody = leave_one_out(user_items, random_state=0).test
    train, test = leave_one_out_of_some(user_items, share, "random", 0)
    n_users = max(round(share * everybody.nnz), 1)
    assert test.nnz == everybody.multiply(test != 0).nnz == n_users
    assert_array_equal((train + test).toarray(), user_items.toarray())


def test_users_with_a_single_item_are_counted_and_users_without_are_not():
    user_items = scipy.sparse.csr_array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 1]])
    assert leave_one_out(user_items).n_single_item_users == 2


def test_where_all_users_have_a_single_item_the_test_part_is_empty():
    split = leave_one_out(scipy.sparse.csr_array(np.eye(4)))
    assert (split.train.nnz, split.test.nnz, split.n_single_item_users) == (4, 0, 4)


def test_a_random_split_takes_each_of_a_users_items_equally_often():
    users = scipy.sparse.csr_array(np.tile([1, 0, 1, 1, 0, 1, 1], (5000, 1)))
    n_taken = leave_one_out(users, random_state=1).test.sum(axis=0)
    assert_array_equal(n_taken[[1, 4]], 0)
    assert scipy.stats.chisquare(n_taken[[0, 2, 3, 5, 6]]).pvalue > 0.001


def test_a_random_split_is_uniform_over_seeds_for_one_user():
    user = scipy.sparse.csr_array([[1, 1, 1]])
    taken = [leave_one_out(user, random_state=seed).test.indices[0] for seed in range(600)]
    assert scipy.stats.chisquare(np.bincount(taken)).pvalue > 0.001


def test_a_seed_gives_the_same_split_again_and_another_seed_another(user_items):
    first, again, other = (leave_one_out(user_items, random_state=seed).test.indices for seed in (3, 3, 4))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_time_takes_the_latest_and_of_several_the_last_row_number(log):
    split = leave_one_out(log, by="time")
    assert list(log.item_labels) == ["tea", "pot", "cup"]
    assert held_out(split.test) == {"ann": "pot", "bob": "cup", "di": "tea"}
    assert split.n_single_item_users == 1


@pytest.mark.parametrize("kind", [int, float, "datetime64[s]"])
def test_time_agrees_with_a_loop_over_users(kind):
    rng = np.random.default_rng(2)
    users, items, times = rng.integers(50, size=600), rng.integers(30, size=600), rng.integers(40, size=600)
    log = Interactions.from_arrays(users, items, timestamps=times.astype(kind))
    expected = {}
    for user in np.unique(users):
        latest = {}
        for item, time in zip(items[users == user], times[users == user], strict=True):
            latest[item] = max(time, latest.get(item, -1))
        if len(latest) >= 2:
            row_of_item = {item: log.item_rows(item) for item in latest}
            expected[user] = max(latest, key=lambda item: (latest[item], row_of_item[item]))
    assert held_out(leave_one_out(log, by="time").test) == expected


def test_timestamps_stay_with_their_entries(log):
    for part in leave_one_out(log, by="time"):
        times = {
            (log.user_labels[user], log.item_labels[item]): time
            for user, item, time in zip(*log.user_items.nonzero(), log.timestamps, strict=True)
        }
        users, items = part.user_items.nonzero()
        assert len(part.timestamps) == part.user_items.nnz
        for user, item, time in zip(part.user_labels[users], part.item_labels[items], part.timestamps, strict=True):
            assert times[user, item] == time


@pytest.mark.parametrize("by", ["random", "time"])
def test_interactions_stay_interactions_with_their_shape_and_labels(log, by):
    for part in leave_one_out(log, by=by, random_state=0):
        assert isinstance(part, Interactions)
        assert part.user_items.shape == log.user_items.shape
        assert_array_equal(part.user_labels, log.user_labels)
        assert_array_equal(part.item_labels, log.item_labels)


def test_interactions_without_timestamps_can_be_split_at_random():
    split = leave_one_out(Interactions.from_arrays(["ann", "ann"], ["tea", "cup"]), random_state=0)
    assert split.train.user_items.nnz == split.test.user_items.nnz == 1
    assert split.test.timestamps is None


@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok"])
def test_a_matrix_stays_of_its_type(user_items, layout, container):
    kind = getattr(scipy.sparse, f"{layout}_{container}")
    for part in leave_one_out(kind(user_items), random_state=0):
        assert type(part) is kind
        assert part.shape == user_items.shape


def test_the_layout_of_a_matrix_does_not_change_its_split(user_items):
    expected = leave_one_out(user_items, random_state=0).test.toarray()
    assert_array_equal(leave_one_out(user_items.tocoo(), random_state=0).test.toarray(), expected)
    assert_array_equal(leave_one_out(user_items.tocsc(), random_state=0).test.toarray(), expected)


def test_repeated_and_unsorted_entries_are_one_item_each_and_zeros_none():
    user_items = scipy.sparse.csr_array(
        (np.array([1, 2, 4, 0]), np.array([2, 0, 2, 1]), np.array([0, 4])), shape=(1, 3)
    )
    before = everything_of(user_items)
    train, test = leave_one_out(user_items, random_state=0)
    assert_array_equal((train + test).toarray(), [[2, 0, 5]])
    assert train.nnz == test.nnz == 1
    for array, copy in zip(everything_of(user_items), before, strict=True):
        assert_array_equal(array, copy)


def test_the_callers_matrix_is_not_changed_and_shares_no_memory_with_the_parts(user_items):
    before = everything_of(user_items)
    for part in leave_one_out(user_items, random_state=0):
        part.data[:] = -1
        part.indices[:] = 0
    for array, copy in zip(everything_of(user_items), before, strict=True):
        assert_array_equal(array, copy)


def test_a_matrix_has_no_times_to_be_split_by(user_items):
    with pytest.raises(ValueError, match=r"by must be 'random' .* got 'time' and csr_array. Build Interactions"):
        leave_one_out(user_items, by="time")


def test_interactions_without_timestamps_cannot_be_split_by_time():
    with pytest.raises(ValueError, match="by must be 'random' where interactions have no timestamps, got 'time'"):
        leave_one_out(Interactions.from_arrays(["ann", "ann"], ["tea", "cup"]), by="time")


def test_bad_arguments_are_named(user_items):
    with pytest.raises(ValueError, match="by must be one of 'random', 'time', got 'latest'"):
        leave_one_out(user_items, by="latest")
    with pytest.raises(TypeError, match=r"interactions must be a SciPy sparse matrix .* got ndarray"):
        leave_one_out(user_items.toarray())
    with pytest.raises(TypeError, match="random_state must be None, an integer >= 0 or a NumPy Generator, got 'seed'"):
        leave_one_out(user_items, random_state="seed")
