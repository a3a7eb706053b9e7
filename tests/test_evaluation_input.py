"""What evaluation says of bad input; the baselines."""

import re

import numpy as np
import pytest
import scipy.sparse
from helpers import Given, matrix
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, Interactions, NotFittedError
from fastbpr.baselines import Popularity, Random
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.splitting import leave_one_out

# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [evaluate, evaluate_similar_items])
def test_nan_is_no_score(problem, function):
    bad = np.zeros((61, 43))
    bad[17, 5] = np.nan
    with pytest.raises(ValueError, match=r"must return scores free of NaN, got 1 NaN among them"):
        function(Given(bad, bad), problem.train, problem.test)
    for value in (np.nan, np.inf, -1e20):
        problem.model.item_factors[3, 1] = value
        with pytest.raises(ValueError, match=r"model\.item_factors must hold finite numbers .* no rank"):
            function(problem.model, problem.train, problem.test)


def test_scores_of_the_wrong_shape_or_kind_are_refused(problem):
    with pytest.raises(ValueError, match=re.escape("model.score(ids) must return shape (len(ids), n_items) = ")):
        evaluate(Given(problem.scores[:, :-1]), problem.train, problem.test)
    with pytest.raises(TypeError, match=re.escape("model.score(ids) must return numbers, got an array of dtype <U3.")):
        evaluate(Given(np.full(problem.shape, "bad")), problem.train, problem.test)


def test_a_model_must_be_able_to_score(problem):
    with pytest.raises(TypeError, match=r"model must have user_factors, .* or a method score\(userids\) .* got object"):
        evaluate(object(), problem.train, problem.test)
    with pytest.raises(TypeError, match=r"model must have item_factors, or a method similarity\(itemids\)"):
        evaluate_similar_items(None, problem.train, problem.test)


@pytest.mark.parametrize("model", [BPR(), Popularity(), Random()], ids=lambda model: type(model).__name__)
def test_an_unfitted_model_says_so(problem, model):
    for function in (evaluate, evaluate_similar_items):
        with pytest.raises(NotFittedError, match=f"{type(model).__name__} must be fitted first"):
            function(model, problem.train, problem.test)


def test_transposed_matrices_are_recognised(problem):
    with pytest.raises(ValueError, match=r"test must have shape \(n_users, n_items\) = \(61, 43\), .* try test.T"):
        evaluate(problem.model, problem.train, problem.test.T)
    for function in (evaluate, evaluate_similar_items):
        with pytest.raises(ValueError, match=r"item_factors of 43 items\. train and test look transposed"):
            function(problem.model, problem.train.T, problem.test.T)


def test_a_model_of_other_users_is_refused(problem):
    problem.model.user_factors = problem.model.user_factors[1:]
    with pytest.raises(ValueError, match=r"model must be fitted to the users and items of train, shape \(61, 43\)"):
        evaluate(problem.model, problem.train, problem.test)


def test_parts_with_other_labels_are_refused():
    train = Interactions.from_arrays(["ann", "bob"], ["tea", "cup"])
    test = Interactions.from_arrays(["ann", "bob"], ["cup", "tea"])  # column 0 is another item
    with pytest.raises(ValueError, match="test must have the item labels of train in the same order, got others"):
        evaluate(Given(np.ones((2, 2))), train, test)


def test_somebody_must_have_something_to_find(problem):
    with pytest.raises(ValueError, match="an item that is not among the user's training items, got none"):
        evaluate(problem.model, problem.train, problem.train)
    with pytest.raises(ValueError, match="nobody can be evaluated"):
        evaluate(problem.model, problem.train, problem.test, users=[0])
    with pytest.raises(ValueError, match="test must contain at least one interaction"):
        evaluate(problem.model, problem.train, problem.test * 0)


@pytest.mark.parametrize("metrics", ["accuracy", "hr@", "hr@0", "hr@ten", "mrr@10", "", ["hr", "HR@10"], [10], []])
def test_an_unknown_metric_gets_the_known_ones_listed(problem, metrics):
    known = (
        "metrics must be among hr, recall, precision, ndcg, map (each alone or with its own length, as in 'hr@20'), "
    )
    with pytest.raises(ValueError, match=re.escape(known + "mrr, auc, got ") + ".*"):
        evaluate(problem.model, problem.train, problem.test, metrics=metrics)


def test_similar_items_know_three_metrics(problem):
    with pytest.raises(ValueError, match=r"metrics must be among hr, ndcg .*, mrr, got 'auc'"):
        evaluate_similar_items(problem.model, problem.train, problem.test, metrics=["auc"])


@pytest.mark.parametrize("K", [0, 1.5, True, "10", None, [10, 0], []])
def test_a_length_is_a_positive_integer(problem, K):
    with pytest.raises((TypeError, ValueError), match=r"K must be an integer >= 1.*, got"):
        evaluate(problem.model, problem.train, problem.test, K=K, metrics=["hr"])


def test_a_metric_may_set_a_length_of_its_own(problem):
    result = evaluate(problem.model, problem.train, problem.test, K=(5, 10), metrics=["hr", "ndcg@20", "mrr"])
    assert list(result) == ["hr@5", "hr@10", "ndcg@20", "mrr"]
    assert all(type(value) is float for value in result.values())


@pytest.mark.parametrize(
    ("negatives", "error", "rule"),
    [
        (np.zeros((61, 9)), TypeError, "got an array of dtype float64"),
        (np.zeros((12, 9), dtype=int), ValueError, "shape (n_users, m) = (61, m), got shape (12, 9)"),
        (np.zeros(61, dtype=int), ValueError, "got shape (61,)"),
        (np.full((61, 2), 43), ValueError, "item ids from 0 to 42, or -1 for none, got 43"),
        (np.full((61, 2), -2), ValueError, "item ids from 0 to 42, or -1 for none, got -2"),
        (np.full((61, 2), -1), ValueError, "an item for every evaluated user, got none for user 1"),
    ],
)
def test_negatives_have_a_row_of_items_for_every_user(problem, negatives, error, rule):
    with pytest.raises(error, match=f"negatives must .*{re.escape(rule)}"):
        evaluate(problem.model, problem.train, problem.test, negatives=negatives)


# ---- baselines ------------------------------------------------------------------------------------------------------


def test_popularity_counts_users_and_not_weights():
    model = Popularity().fit(matrix([5, 1, 0], [5, 0, 0]))
    assert_array_equal(model.score([1, 0]), [[2, 1, 0], [2, 1, 0]])
    assert_array_equal(model.score(0), [2, 1, 0])
    assert_array_equal(model.similarity([2]), [[2, 1, 0]])


def test_random_scores_of_a_user_do_not_depend_on_the_batch(problem):
    model = Random(random_state=1).fit(problem.train)
    everybody = model.score(np.arange(61))
    assert_array_equal(model.score([7, 60, 7]), everybody[[7, 60, 7]])
    assert_array_equal(model.score(7), everybody[7])
    assert_array_equal(Random(random_state=1).fit(problem.test).score([3]), everybody[[3]])
    assert (Random(random_state=2).fit(problem.train).score([3]) != everybody[3]).any()
    assert not np.isin(model.similarity([0]), everybody).all()


def test_random_scores_are_the_splitmix64_sequence():
    model = Random().fit(matrix([1, 1], [1, 0]))
    model.seed = 1234567
    words = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
    ]  # published for this seed
    assert_array_equal(model.score([0, 1]).ravel(), np.array([word >> 40 for word in words]) / 2**24)


def test_random_scores_are_uniform_and_independent():
    model = Random(random_state=0).fit(scipy.sparse.csr_array(np.ones((300, 400))))
    scores = model.score(np.arange(300))
    assert 0 <= scores.min() < 0.001
    assert 0.999 < scores.max() < 1
    assert_allclose(scores.mean(), 0.5, atol=0.005)
    assert_allclose(np.corrcoef(scores)[np.triu_indices(300, 1)].std(), 400**-0.5, rtol=0.05)
    assert_allclose(np.corrcoef(scores.T)[np.triu_indices(400, 1)].std(), 300**-0.5, rtol=0.05)


def test_random_is_as_good_as_chance():
    rng = np.random.default_rng(0)
    wanted = rng.integers(100, size=5000)
    test = scipy.sparse.csr_array((np.ones(5000), (np.arange(5000), wanted)), shape=(5000, 100))
    train = scipy.sparse.csr_array((5000, 100))
    result = evaluate(Random(random_state=0).fit(test), train, test, metrics=["hr", "auc"])
    assert result == pytest.approx({"hr@10": 0.1, "auc": 0.5}, abs=0.015)


def test_a_model_that_has_collapsed_to_zero_gets_no_credit():
    rng = np.random.default_rng(0)
    train = scipy.sparse.csr_array(rng.random((60, 40)) < 0.2, dtype=np.float32)
    split = leave_one_out(train, random_state=0)
    model = BPR(factors=4, iterations=1, random_state=0).fit(split.train, show_progress=False)
    model.item_factors = model.item_factors * np.float32(1e-42)
    results = evaluate_similar_items(model, split.train, split.test, K=10)
    assert results["hr@10"] == 0
    assert results["mrr"] == pytest.approx(1 / 39)


def test_a_score_method_of_ones_own_is_used():
    class Constant(BPR):
        def score(self, userids):
            return np.ones((len(userids), 40))

    rng = np.random.default_rng(0)
    split = leave_one_out(scipy.sparse.csr_array(rng.random((60, 40)) < 0.2, dtype=np.float32), random_state=0)
    model = Constant(factors=4, iterations=1).fit(split.train, show_progress=False)
    assert evaluate(model, split.train, split.test)["auc"] == 0
