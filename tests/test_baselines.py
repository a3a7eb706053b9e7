"""Co-occurrence and EASE^R against brute force, and what they refuse."""

import numpy as np
import pytest
from helpers import matrix
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import Interactions, NotFittedError
from fastbpr.baselines import EASE, ItemCooccurrence, Popularity, Random, _counts
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.splitting import leave_one_out


def similarities_by_loops(train, shrinkage):
    has = train.toarray() > 0
    n_items = has.shape[1]
    similar = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            if i != j and (has[:, i] & has[:, j]).any():
                root = np.sqrt(has[:, i].sum() * has[:, j].sum())
                similar[i, j] = (has[:, i] & has[:, j]).sum() / (root + shrinkage)
    return similar


@pytest.mark.parametrize("block_size", [1, 43 * 7, 2**22])
@pytest.mark.parametrize("shrinkage", [0, 3.5])
def test_cooccurrence_agrees_with_loops(problem, shrinkage, block_size, monkeypatch):
    monkeypatch.setattr(_counts, "BLOCK_SIZE", block_size)
    expected = similarities_by_loops(problem.train, shrinkage)
    model = ItemCooccurrence(shrinkage).fit(problem.train * 5)
    assert_allclose(model.similarity(np.arange(43)), expected, rtol=1e-6)
    assert_allclose(model.score(np.arange(61)), problem.train.toarray() @ expected, rtol=1e-5)
    assert_array_equal(model.score(3), model.score([3])[0])


def test_neighbour_lists_keep_the_most_similar_and_of_equal_ones_the_first(problem):
    expected = similarities_by_loops(problem.train, 0).astype(np.float32)
    model = ItemCooccurrence(n_neighbours=4).fit(problem.train)
    for item, similar in enumerate(model.similarity(np.arange(43))):
        kept = np.lexsort((np.arange(43), -expected[item]))[:4]
        assert_array_equal(np.flatnonzero(similar), np.sort(kept))


@pytest.mark.parametrize("block_size", [1, 43 * 7, 2**22])
def test_ease_solves_a_ridge_regression_for_every_item(problem, block_size, monkeypatch):
    monkeypatch.setattr(_counts, "BLOCK_SIZE", block_size)
    has = problem.train.toarray().astype(float)
    model = EASE(regularization=2.5).fit(problem.train * 5)
    for item in range(43):
        others = np.delete(np.arange(43), item)
        weights = np.linalg.solve(has[:, others].T @ has[:, others] + 2.5 * np.eye(42), has[:, others].T @ has[:, item])
        assert_allclose(model.weights[others, item], weights, atol=1e-6)
    assert not model.weights.diagonal().any()
    assert_allclose(model.score(np.arange(61)), has @ model.weights, atol=1e-5)
    assert_array_equal(model.similarity(7), model.weights[7])


@pytest.mark.parametrize("model", [ItemCooccurrence(), EASE(1)], ids=["ItemCooccurrence", "EASE"])
def test_both_are_evaluated_and_know_nothing_of_items_without_users(model, problem):
    model.fit(problem.train)
    for function in (evaluate, evaluate_similar_items):
        assert function(model, problem.train, problem.test)["hr@10"] > 0
    model.fit(matrix([1, 1, 0], [1, 1, 0], [0, 0, 0]))
    assert not model.similarity(2).any()
    assert not model.score(2).any()
    assert model.score([0, 2]).shape == (2, 3)
    assert_array_equal(model.fit(matrix([1])).score(0), [0])
    with pytest.raises(IndexError, match="itemids must be item ids, integers from 0 to 0, got 1"):
        model.similarity(1)


ALL = [Popularity, Random, ItemCooccurrence, EASE]


@pytest.mark.parametrize("kind", ALL)
def test_labels_and_titles_of_interactions_are_kept_and_a_matrix_has_none(kind):
    log = Interactions.from_arrays(["ann", "ann", "bob"], ["t", "c", "t"], item_names=["tea", "cup", "tea"])
    model = kind()
    assert (model.user_labels, model.item_labels, model.item_names) == (None, None, None)
    model.fit(log)
    assert model.user_labels.tolist() == ["ann", "bob"]
    assert model.item_labels.tolist() == ["t", "c"]
    assert model.item_names.tolist() == ["tea", "cup"]
    model.fit(log.user_items)
    assert (model.user_labels, model.item_labels, model.item_names) == (None, None, None)


@pytest.mark.parametrize("kind", ALL)
def test_a_baseline_of_other_labels_is_not_evaluated(kind):
    log = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "cup", "tea"])
    other = Interactions.from_arrays(["ann", "ann", "bob"], ["cup", "tea", "tea"])
    with pytest.raises(ValueError, match="model must have the item labels of train in the same order, got others"):
        evaluate(kind().fit(other), *leave_one_out(log, random_state=0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ItemCooccurrence(shrinkage=-1), "shrinkage must be a finite number >= 0"),
        (lambda: ItemCooccurrence(n_neighbours=0), "n_neighbours must be an integer >= 1"),
        (lambda: EASE(regularization=0), "regularization must be a finite number > 0"),
        (lambda: EASE(max_items=2).fit(matrix([1, 1, 0])), "at most max_items = 2 items, got 3"),
        (lambda: EASE(1e-300).fit(matrix([1, 1, 0])), "regularization must be large enough"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_models_that_were_not_fitted_say_so():
    for model in (ItemCooccurrence(), EASE()):
        with pytest.raises(NotFittedError, match="must be fitted first"):
            model.score(0)
        with pytest.raises(NotFittedError, match="must be fitted first"):
            model.similarity(0)
