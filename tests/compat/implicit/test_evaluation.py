"""Splits and metrics by implicit's definitions, against slow ones."""

import math

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr.compat.implicit import evaluation
from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking

METRICS = {
    "precision": evaluation.precision_at_k,
    "map": evaluation.mean_average_precision_at_k,
    "ndcg": evaluation.ndcg_at_k,
    "auc": evaluation.AUC_at_k,
}


class Listed:
    """A model that gives these lists, and keeps what it was asked."""

    def __init__(self, lists):
        self.lists, self.asked = np.asarray(lists, dtype=np.int32), []

    def recommend(self, userids, user_items, N):
        assert isinstance(userids, np.ndarray)
        assert isinstance(user_items, scipy.sparse.csr_matrix)
        assert user_items.shape[0] == len(userids)
        self.asked.append((userids, user_items))
        return self.lists[userids, :N], None


def by_hand(lists, test, K):
    """The four metrics, place by place."""
    n_items = test.shape[1]
    n_hits, n_findable = 0, 0
    per_user = []
    for ids, row in zip(lists, test.toarray(), strict=True):
        relevant = set(np.flatnonzero(row))
        if not relevant:
            continue
        found, missed, gains, precisions, n_right = 0, 0, 0.0, 0.0, 0.0
        for place, item in enumerate(ids[:K], start=1):
            if item < 0:
                continue
            if item in relevant:
                found += 1
                gains += 1 / math.log2(place + 1)
                precisions += found / place
            else:
                missed += 1
                n_right += found
        findable = min(K, len(relevant))
        others = n_items - len(relevant)
        n_right += (found + len(relevant)) / 2 * (others - missed)
        ideal = sum(1 / math.log2(place + 1) for place in range(1, findable + 1))
        per_user.append((precisions / findable, gains / ideal, n_right / (len(relevant) * others)))
        n_hits, n_findable = n_hits + found, n_findable + findable
    return {"precision": n_hits / n_findable} | dict(
        zip(("map", "ndcg", "auc"), np.mean(per_user, axis=0), strict=True)
    )


@pytest.fixture
def problem():
    """(lists, training part, test part): some lists end early, some users have no test items."""
    rng = np.random.default_rng(0)
    n_users, n_items = 57, 31
    lists = np.stack([rng.permutation(n_items)[:20] for _ in range(n_users)])
    lists[::7, 11:] = -1
    lists[3] = -1
    dense = rng.random((n_users, n_items))
    test = (dense < 0.2) & (np.arange(n_users) % 5 > 0)[:, None]
    return lists, scipy.sparse.csr_array((dense > 0.8) * 1.0), scipy.sparse.csr_array(test * 2.5)


@pytest.mark.parametrize("batch", [1, 13, 1000])
@pytest.mark.parametrize("K", [1, 4, 10, 20])
def test_metrics_are_what_a_slow_computation_gives(problem, monkeypatch, K, batch):
    monkeypatch.setattr(evaluation, "BATCH", batch)
    lists, train, test = problem
    expected = by_hand(lists, test, K)
    found = evaluation.ranking_metrics_at_k(Listed(lists), train, test, K=K, show_progress=False)
    assert found == pytest.approx(expected, rel=1e-12)
    assert list(found) == ["precision", "map", "ndcg", "auc"]
    for name, function in METRICS.items():
        value = function(Listed(lists), train, test, K=K, show_progress=False)
        assert type(value) is float
        assert value == found[name]


def test_precision_is_divided_by_what_could_be_found():
    train = scipy.sparse.csr_matrix((1, 4))
    test = scipy.sparse.csr_matrix([[1, 0, 0, 0]])
    assert evaluation.precision_at_k(Listed([[3, 0, 1, 2]]), train, test, K=4, show_progress=False) == 1


def test_only_users_with_test_items_are_asked_for_with_their_training_rows(problem):
    lists, train, test = problem
    model = Listed(lists)
    evaluation.ndcg_at_k(model, train, test, show_progress=False)
    ((users, rows),) = model.asked
    assert_array_equal(users, np.flatnonzero(test.sum(axis=1)))
    assert (rows != train[users]).nnz == 0


@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
def test_any_format_is_taken_and_not_changed(problem, form):
    lists, train, test = problem
    expected = evaluation.ranking_metrics_at_k(Listed(lists), train, test, show_progress=False)
    given = train.asformat(form), test.asformat(form)
    before = [matrix.copy() for matrix in given]
    assert evaluation.ranking_metrics_at_k(Listed(lists), *given, show_progress=False) == expected
    assert all((one != other).nnz == 0 for one, other in zip(given, before, strict=True))


def test_padding_is_no_hit_and_longer_lists_than_the_catalogue_are_no_error(communities):
    model = BayesianPersonalizedRanking(factors=8, iterations=3, random_state=0)
    train, test = evaluation.leave_k_out_split(communities, random_state=0)
    model.fit(train, show_progress=False)
    longest = evaluation.ranking_metrics_at_k(model, train, test, K=100, show_progress=False)
    beyond = evaluation.ranking_metrics_at_k(model, train, test, K=1000, show_progress=False)
    assert beyond == longest
    assert longest["precision"] == 1


def test_where_all_items_are_test_items_there_is_no_auc():
    train, test = scipy.sparse.csr_matrix((1, 2)), scipy.sparse.csr_matrix([[1, 1]])
    found = evaluation.ranking_metrics_at_k(Listed([[0, 1]]), train, test, K=2, show_progress=False)
    assert math.isnan(found.pop("auc"))
    assert found == {"precision": 1, "map": 1, "ndcg": 1}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"K": 0}, ValueError, "K must be an integer >= 1"),
        ({"test_user_items": scipy.sparse.csr_array((57, 31))}, ValueError, "nobody can be evaluated"),
        ({"test_user_items": scipy.sparse.csr_array((57, 30))}, ValueError, "the shape of train_user_items"),
        ({"train_user_items": np.zeros((57, 31))}, TypeError, "train_user_items must be a SciPy sparse matrix"),
        ({"num_threads": -1}, ValueError, "num_threads"),
        ({"model": Listed(np.zeros((57, 10, 2)))}, ValueError, "ids of integers with 45 rows"),
    ],
)  # fmt: skip
def test_a_bad_argument_of_metrics_is_named(problem, changes, error, message):
    lists, train, test = problem
    arguments = {"model": Listed(lists), "train_user_items": train, "test_user_items": test, "show_progress": False}
    with pytest.raises(error, match=message):
        evaluation.ranking_metrics_at_k(**arguments | changes)


# ---- splits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_random_split_divides_every_interaction(communities, form, dtype):
    ratings = communities.asformat(form).astype(dtype)
    train, test = evaluation.train_test_split(ratings, 0.7, random_state=0)
    assert isinstance(train, scipy.sparse.csr_matrix)
    assert isinstance(test, scipy.sparse.csr_matrix)
    assert train.dtype == test.dtype == dtype
    assert train.shape == test.shape == ratings.shape
    assert (train + test != ratings).nnz == 0
    assert train.multiply(test).nnz == 0
    assert train.nnz / ratings.nnz == pytest.approx(0.7, abs=0.05)


def test_an_integer_seed_gives_implicits_split():
    ratings = scipy.sparse.csr_matrix(np.arange(1, 13).reshape(3, 4))
    train, _ = evaluation.train_test_split(ratings, 0.5, random_state=7)
    assert_array_equal(train.data, np.arange(1, 13)[np.random.default_rng(7).random(12) < 0.5])


@pytest.mark.parametrize("split", [evaluation.train_test_split, evaluation.leave_k_out_split])
def test_a_seed_gives_the_same_split_and_another_seed_another(communities, split):
    for make in (int, np.random.default_rng, np.random.RandomState):
        one, other, another = (split(communities, random_state=make(seed))[1] for seed in (1, 1, 2))
        assert (one != other).nnz == 0
        assert (one != another).nnz > 0


@pytest.mark.parametrize("split", [evaluation.train_test_split, evaluation.leave_k_out_split])
def test_duplicates_are_one_and_the_input_stays_as_it_is(split):
    rows, columns = np.array([0, 0, 0, 1, 0]), np.array([2, 0, 2, 1, 1])
    ratings = scipy.sparse.coo_matrix((np.ones(5), (rows, columns)), shape=(2, 3))
    for seed in range(8):
        train, test = split(ratings, random_state=seed)
        assert train.multiply(test).nnz == 0
        assert (train + test).toarray().tolist() == [[1, 1, 2], [0, 1, 0]]
    assert ratings.nnz == 5
    assert ratings.col is columns or ratings.col.tolist() == columns.tolist()


def test_negative_ratings_are_left_out_of_the_test_part_only():
    ratings = scipy.sparse.csr_matrix(np.tile([1.0, -1.0], (30, 10)))
    train, test = evaluation.train_test_split(ratings, 0.5, random_state=0)
    assert train.data.min() == -1
    assert test.data.min() == 1


@pytest.mark.parametrize("K", [1, 3])
def test_k_are_held_out_of_users_with_more_than_one_beside_them(K):
    dense = np.triu(np.ones((9, 9)))  # user u has 9 - u items
    ratings = scipy.sparse.csr_array(dense * np.arange(1, 10))
    train, test = evaluation.leave_k_out_split(ratings, K=K, random_state=0)
    assert (train + test != ratings).nnz == 0
    n_items = dense.sum(axis=1)
    assert_array_equal(np.diff(test.indptr), np.where(n_items > K + 1, K, 0))
    assert_array_equal(np.diff(train.indptr), n_items - np.diff(test.indptr))


def test_every_item_of_a_user_is_held_out_as_often():
    ratings = scipy.sparse.csr_array(np.ones((6000, 4)))
    _, test = evaluation.leave_k_out_split(ratings, K=2, random_state=0)
    assert np.asarray(test.sum(axis=0)).ravel() == pytest.approx(3000, abs=160)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_a_share_of_the_users_with_interactions_is_for_training_only(share):
    dense = np.ones((120, 6))
    dense[::6] = 0
    train, test = evaluation.leave_k_out_split(scipy.sparse.csr_array(dense), train_only_size=share, random_state=0)
    n_train_only = np.count_nonzero((np.diff(train.indptr) > 0) & (np.diff(test.indptr) == 0))
    assert n_train_only == max(1, int(100 * share))


def test_nobody_with_enough_interactions_means_an_empty_test_part():
    for dense in (np.eye(3), np.zeros((3, 2))):
        train, test = evaluation.leave_k_out_split(scipy.sparse.csr_array(dense), train_only_size=0.5)
        assert test.nnz == 0
        assert_array_equal(train.toarray(), dense)


@pytest.mark.parametrize(
    ("split", "options", "error"),
    [
        (evaluation.leave_k_out_split, {"K": 0}, ValueError),
        (evaluation.leave_k_out_split, {"K": 1.5}, ValueError),
        (evaluation.leave_k_out_split, {"train_only_size": -1.0}, ValueError),
        (evaluation.leave_k_out_split, {"train_only_size": 1.0}, ValueError),
        (evaluation.leave_k_out_split, {}, TypeError),
        (evaluation.train_test_split, {"train_percentage": 80}, ValueError),
        (evaluation.train_test_split, {}, TypeError),
    ],
)
def test_a_bad_argument_of_splits_is_refused_before_the_data(split, options, error):
    with pytest.raises(error, match=f"^{next(iter(options), 'ratings')} must be"):
        split(None, **options)
