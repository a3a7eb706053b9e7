"""Scores of single pairs, and ranks of given items among all others."""

import numpy as np
import pytest
import scipy.sparse
from helpers import fit
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, NotFittedError


def ranks_one_by_one(scores, test, train):
    """The definition: how many other items outside of training score at least as high."""
    rows, columns = test.nonzero()
    left_out = np.zeros(scores.shape, dtype=bool) if train is None else train.toarray() > 0
    return [
        sum(scores[u, j] >= scores[u, i] for j in range(scores.shape[1]) if j != i and not left_out[u, j])
        for u, i in zip(rows, columns, strict=True)
    ]


@pytest.fixture
def tied_model(problem):
    """A model whose small integers give many equal scores; with its scores."""
    rng = np.random.default_rng(1)
    model = fit(problem.train, factors=5, iterations=1)
    model.user_factors, model.item_factors = (
        rng.integers(-1, 2, size=rows.shape).astype(np.float32) for rows in (model.user_factors, model.item_factors)
    )
    model.item_biases = rng.integers(-1, 2, size=len(model.item_biases)).astype(np.float32)
    return model, model.user_factors @ model.item_factors.T + model.item_biases


# ---- predict_rank -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("with_train", [False, True])
def test_a_rank_counts_the_other_items_that_score_as_high(problem, tied_model, with_train, num_threads):
    model, scores = tied_model
    model.num_threads = num_threads
    train = problem.train if with_train else None  # some of whose items are test items, too
    ranks = model.predict_rank(problem.test, train)
    assert ranks.dtype == np.float32
    assert_array_equal(ranks.data, ranks_one_by_one(scores, problem.test, train))
    assert_array_equal(ranks.indptr, problem.test.indptr)
    assert_array_equal(ranks.indices, problem.test.indices)


def test_ranks_of_all_items_are_a_permutation_without_ties(model, communities):
    everything = scipy.sparse.csr_array(np.ones(communities.shape))
    ranks = model.predict_rank(everything).toarray()
    assert_array_equal(np.sort(ranks, axis=1), np.tile(np.arange(communities.shape[1]), (len(ranks), 1)))
    assert_array_equal(
        ranks.argmin(axis=1), model.recommend(np.arange(200), N=1, filter_already_liked_items=False)[0][:, 0]
    )


def test_nothing_is_ahead_where_everything_else_is_left_out(model, communities):
    everything = scipy.sparse.csr_array(np.ones(communities.shape))
    assert (model.predict_rank(everything, everything).data == 0).all()


def test_entries_are_ranked_as_they_are_stored(tied_model, problem):
    model, scores = tied_model
    test = scipy.sparse.csr_array(([0.0, 5.0, -1.0], [7, 2, 7], [0, 3] + [3] * (problem.shape[0] - 1)), problem.shape)
    before = test.indices.copy(), test.data.copy()
    ranks = model.predict_rank(test, test)
    assert_array_equal(test.indices, before[0])
    assert_array_equal(test.data, before[1])
    assert_array_equal(ranks.indices, [7, 2, 7])
    others = np.delete(scores[0], [2, 7])
    assert_array_equal(ranks.data, [(others >= scores[0, item]).sum() for item in (7, 2, 7)])


def test_a_stored_zero_of_the_training_matrix_leaves_its_item_out(tied_model, problem):
    model, _ = tied_model
    zeros = scipy.sparse.csr_array(
        (np.zeros(problem.train.nnz), problem.train.indices, problem.train.indptr), problem.shape
    )
    assert_array_equal(
        model.predict_rank(problem.test, zeros).data, model.predict_rank(problem.test, problem.train).data
    )


def test_no_entries_have_no_ranks(model, communities):
    ranks = model.predict_rank(scipy.sparse.coo_array(communities.shape))
    assert (ranks.shape, ranks.nnz) == (communities.shape, 0)


def test_interactions_are_ranked_if_their_labels_are_those_of_the_model():
    log = Interactions.from_arrays(["a", "a", "b", "c"], ["x", "y", "y", "z"])
    model = fit(log, factors=4, iterations=1)
    assert model.predict_rank(log).nnz == 4
    other = Interactions.from_arrays(["a", "b", "c"], ["x", "y", "q"])
    with pytest.raises(ValueError, match="model must have the item labels of test"):
        model.predict_rank(other)


@pytest.mark.parametrize("name", ["test", "train"])
def test_ranks_of_another_shape_are_refused(model, communities, name):
    arguments = {"test": communities, "train": communities} | {name: communities.T}
    with pytest.raises(ValueError, match=rf"{name} must have shape .* It looks transposed: try {name}\.T"):
        model.predict_rank(**arguments)
    with pytest.raises(TypeError, match=f"{name} must be a SciPy sparse matrix"):
        model.predict_rank(**arguments | {name: communities.toarray()})


# ---- predict ----------------------------------------------------------------------------------------------------


def test_a_prediction_is_the_score_of_the_pair(model):
    rng = np.random.default_rng(0)
    users, items = rng.integers(200, size=1000), rng.integers(100, size=1000)
    predictions = model.predict(users, items)
    assert predictions.dtype == np.float32
    assert_array_equal(predictions, model.score(np.arange(200))[users, items])


def test_predictions_have_the_biases_of_users(communities):
    signs = scipy.sparse.coo_array(communities, copy=True)
    signs.data[::3] = -1
    model = fit(signs, loss="logistic", iterations=2, learning_rate=0.05)
    assert model.user_biases.any()
    assert_array_equal(model.predict(7, np.arange(100)), model.score(7))
    assert_array_equal(np.argsort(-model.score(7)), np.argsort(model.predict_rank(row_of(7, model)).toarray()[7]))


def row_of(user, model):
    """All items of one user, to be ranked."""
    shape = len(model.user_factors), len(model.item_factors)
    everything = scipy.sparse.lil_array(shape)
    everything[user] = 1
    return everything


def test_one_user_or_item_stands_for_all_pairs(model):
    assert_array_equal(model.predict(7, np.arange(100)), model.score(7))
    assert_array_equal(model.predict([3, 1], 5), model.score([3, 1])[:, 5])
    assert model.predict(np.int64(7), np.uint8(5)) == model.score(7)[5]
    assert np.ndim(model.predict(7, 5)) == 0


def test_no_pairs_have_no_predictions(model):
    assert model.predict([], []).shape == (0,)
    assert model.predict(3, []).shape == (0,)


def test_bad_pairs_are_refused(model):
    with pytest.raises(ValueError, match="itemid must have one entry for each entry of userid, 2, got 3"):
        model.predict([0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="itemid must have one entry for each entry of userid, 1, got 3"):
        model.predict([0], [0, 1, 2])
    with pytest.raises(IndexError, match="userid must be user ids, integers from 0 to 199, got 200"):
        model.predict(200, [0])
    with pytest.raises(IndexError, match="itemid must be item ids, integers from 0 to 99, got -1"):
        model.predict(0, [-1])


def test_predictions_need_a_fitted_model(communities):
    with pytest.raises(NotFittedError):
        BPR().predict(0, [0])
    with pytest.raises(NotFittedError):
        BPR().predict_rank(communities)
