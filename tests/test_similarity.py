"""What lists of similar items compare: three choices against their formulas."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import Given, Problem
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR
from fastbpr.evaluation import evaluate_neighbours, evaluate_similar_items, stability

CHOICES = ["cosine", "centred", "user-space"]


def vectors(model, choice):
    users, items = model.user_factors.astype(float), model.item_factors.astype(float)
    return {"cosine": items, "centred": items - items.mean(axis=0), "user-space": items @ users.T}[choice]


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def with_factors(model, **arrays):
    changed = copy.deepcopy(model)
    for name, array in arrays.items():
        setattr(changed, name, np.asarray(array, dtype=np.float32))
    return changed


@pytest.mark.parametrize("choice", CHOICES)
def test_lists_follow_the_formula_by_parameter_and_by_call(model, choice):
    expected = cosines(vectors(model, choice))
    ids, scores = model.similar_items(np.arange(100), N=100, similarity=choice)
    assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), atol=1e-5)
    own = copy.copy(model)
    own.similarity = choice
    assert_array_equal(own.similar_items(np.arange(100), N=100)[1], scores)
    assert_array_equal(own.similar_users(3)[1], model.similar_users(3)[1])


@pytest.mark.parametrize("choice", CHOICES)
def test_the_models_own_choice_is_judged_unless_another_is_given(problem, choice):
    similarities = Given(None, cosines(vectors(problem.model, choice)))
    expected = evaluate_similar_items(similarities, problem.train, problem.test)
    assert evaluate_similar_items(problem.model, problem.train, problem.test, similarity=choice) == pytest.approx(
        expected
    )
    problem.model.similarity = choice
    assert evaluate_similar_items(problem.model, problem.train, problem.test) == pytest.approx(expected)


@pytest.mark.parametrize("choice", CHOICES)
def test_lists_of_the_given_similarity_are_described_and_compared(problem, choice):
    model, other = problem.model, Problem(seed=1).model
    by_hand, others = (Given(None, cosines(vectors(one, choice))) for one in (model, other))
    expected = evaluate_neighbours(by_hand, problem.train, K=5)
    assert evaluate_neighbours(model, problem.train, K=5, similarity=choice) == pytest.approx(expected)
    expected = stability([by_hand, others], problem.train, K=5).values
    assert_array_equal(stability([model, other], problem.train, K=5, similarity=choice).values, expected)


def test_a_given_similarity_goes_before_the_models_own_choice_and_method(communities, model):
    given = evaluate_neighbours(model, communities, similarity="user-space")
    own = copy.copy(model)
    own.similarity = "user-space"
    assert given == evaluate_neighbours(own, communities) != evaluate_neighbours(model, communities)
    assert evaluate_neighbours(own, communities, similarity="cosine") == evaluate_neighbours(model, communities)


def test_a_similarity_does_not_belong_to_lists_of_users(problem):
    with pytest.raises(ValueError, match=r"similarity must be None for of='users', got 'cosine'"):
        stability([problem.model] * 2, problem.train, of="users", similarity="cosine")


def test_user_space_does_not_depend_on_how_factors_are_scaled_and_mixed(model):
    mix = np.random.default_rng(0).normal(size=(16, 16)) + 4 * np.eye(16)
    mixed = with_factors(
        model, item_factors=model.item_factors @ mix, user_factors=model.user_factors @ np.linalg.inv(mix).T
    )
    for choice, same in (("user-space", True), ("cosine", False)):
        one, other = (
            np.take_along_axis(scores, np.argsort(ids, axis=1), axis=1)
            for ids, scores in (m.similar_items(np.arange(100), N=100, similarity=choice) for m in (model, mixed))
        )
        assert np.allclose(one, other, atol=1e-4) == same


@pytest.mark.parametrize("choice", CHOICES)
def test_vectors_of_zeros_and_equal_vectors_have_no_nan(model, choice):
    zeros = with_factors(model, item_factors=np.zeros((100, 16)))
    assert_array_equal(zeros.similar_items(4, N=3, similarity=choice)[1], [0, 0, 0])
    equal = with_factors(model, item_factors=np.full((100, 16), 0.1))
    expected = 0 if choice == "centred" else 1
    assert_allclose(equal.similar_items(4, N=3, similarity=choice)[1], expected, atol=1e-5)
    single = with_factors(model, item_factors=np.ones((1, 16)), item_biases=[0])
    assert single.similar_items(0, N=2, similarity=choice)[0].tolist() == [0, -1]


def test_new_user_factors_are_used_at_once(model):
    changed = copy.deepcopy(model)
    before = changed.similar_items(0, N=100, similarity="user-space")[1]
    changed.user_factors = changed.user_factors * np.linspace(0.1, 3, 16, dtype=np.float32)
    after = changed.similar_items(0, N=100, similarity="user-space")[1]
    assert np.abs(after - before).max() > 0.01


def test_the_choice_is_saved_and_older_files_have_the_cosine(model, tmp_path, monkeypatch):
    own = copy.copy(model)
    own.similarity = "user-space"
    own.save(tmp_path / "model.npz")
    assert BPR.load(tmp_path / "model.npz").similarity == "user-space"
    names = tuple(name for name in BPR._parameter_names() if name != "similarity")
    monkeypatch.setattr(BPR, "_parameter_names", classmethod(lambda cls: names))
    own.save(tmp_path / "older.npz")
    assert BPR.load(tmp_path / "older.npz").similarity == "cosine"


def test_an_unknown_choice_is_refused(model, problem):
    rule = "similarity must be one of 'cosine', 'centred', 'user-space', got 'dot'"
    for ask in (
        lambda: BPR(similarity="dot"),
        lambda: model.similar_items(0, similarity="dot"),
        lambda: evaluate_similar_items(problem.model, problem.train, problem.test, similarity="dot"),
        lambda: evaluate_neighbours(problem.model, problem.train, similarity="dot"),
        lambda: stability([problem.model] * 2, problem.train, similarity="dot"),
    ):
        with pytest.raises(ValueError, match=rule):
            ask()


def test_what_cannot_be_compared_in_user_space_says_so(problem):
    bare = SimpleNamespace(item_factors=problem.model.item_factors)
    with pytest.raises(TypeError, match="model must have user_factors to compare items in user space"):
        evaluate_similar_items(bare, problem.train, problem.test, similarity="user-space")
    with pytest.raises(TypeError, match="model must have item_factors to be judged by a given similarity"):
        evaluate_similar_items(Given(None, None), problem.train, problem.test, similarity="cosine")
