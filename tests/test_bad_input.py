"""What a model says of bad parameters, matrices, ids and assigned arrays."""

import copy
import re

import numpy as np
import pytest
import scipy.sparse
from helpers import fit
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, Interactions, NotFittedError
from fastbpr.diagnosis import diagnose


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("factors", 0, "an integer >= 1 or 'auto'"),
        ("factors", 2.5, "an integer >= 1 or 'auto'"),
        ("factors", True, "an integer >= 1 or 'auto'"),
        ("learning_rate", 0, "a finite number > 0"),
        ("learning_rate", float("nan"), "a finite number > 0"),
        ("learning_rate", "fast", "a finite number > 0"),
        ("regularization", -0.1, "a finite number >= 0"),
        ("regularization", float("inf"), "a finite number >= 0"),
        ("iterations", 0, "an integer >= 1"),
        ("num_threads", -1, "an integer from 0 to 1024"),
        ("schedule", "random", "one of 'blocked', 'hogwild'"),
        ("loss", "hinge", "one of 'bpr', 'warp', 'softmax', 'k-os-warp', 'logistic'"),
        ("negatives", "popular", "one of 'uniform', 'popularity', 'dynamic', 'adaptive'"),
        ("n_negatives", 0, "an integer from 1 to 1024"),
        ("n_candidates", 1025, "an integer from 1 to 1024 or 'auto'"),
        ("max_sampled", 2.0, "an integer from 1 to 1024"),
        ("popularity_power", float("inf"), "a finite number"),
        ("uniform_share", 1.5, "a finite number >= 0 and <= 1"),
        ("adaptive_rank", 0, "a finite number > 0"),
        ("given_share", -0.1, "a finite number >= 0 and <= 1"),
        ("optimizer", "adam", "one of 'sgd', 'adagrad', 'adadelta'"),
        ("rho", 1.5, "a finite number >= 0 and <= 1"),
        ("epsilon", 0.0, "a finite number >= 1e-30"),
        ("n_positives", 0, "an integer from 1 to 1024"),
        ("positive_rank", 1025, "an integer from 1 to 1024"),
        ("item_bias", 1, "True or False"),
        ("init", "zeros", "one of 'normal', 'xavier'"),
        ("init_scale", 0.0, "a finite number > 0"),
        ("learning_rate_decay", "cosine", "one of 'constant', 'linear', 'step'"),
        ("verify_negative_samples", None, "True or False"),
        ("debias", "contexts", "None, 'context', 'context-strong' or a fastbpr.exposure.Debias"),
    ],
)
def test_a_bad_parameter_is_named_with_its_rule(name, value, rule):
    with pytest.raises((TypeError, ValueError), match=re.escape(f"{name} must be {rule}, got {value!r}")):
        BPR(**{name: value})


def test_a_parameter_that_turns_bad_is_named_at_fit(communities):
    model = BPR()
    model.iterations = -3
    with pytest.raises(ValueError, match="iterations must be an integer >= 1, got -3"):
        model.fit(communities)


def test_bad_regularization_keys_and_values_are_named():
    with pytest.raises(ValueError, match="the key 'item'"):
        BPR(regularization={"item": 0.1})
    with pytest.raises(ValueError, match=r"regularization\['user'\] must be a finite number >= 0, got -1"):
        BPR(regularization={"user": -1})


@pytest.mark.parametrize("seed", [-1, 1.5, True, "seven"])
def test_a_bad_seed_is_named(seed):
    with pytest.raises((TypeError, ValueError), match="random_state must be None, an integer >= 0"):
        BPR(random_state=seed)


def sparse(dense, dtype=np.float32):
    return scipy.sparse.csr_array(np.array(dense, dtype=dtype))


@pytest.mark.parametrize(
    ("user_items", "error", "message"),
    [
        (np.eye(3), TypeError, "must be a SciPy sparse matrix .* got ndarray. Wrap it: scipy.sparse.csr_array"),
        ([[1, 0]], TypeError, "got list"),
        (sparse(np.zeros((3, 4))), ValueError, r"at least one interaction, got an empty matrix of shape \(3, 4\)"),
        (sparse([[1], [1]]), ValueError, r"at least 2 items, got shape \(2, 1\)"),
        (sparse([[1, 1], [0, 0]]), ValueError, "must leave some item unobserved"),
        (sparse([[1, np.nan, 0]]), ValueError, "must hold finite values, got nan"),
        (sparse([[1, -np.inf, 0]]), ValueError, "must hold finite values, got -inf"),
        (sparse([[1, -2, 0]]), ValueError, "must hold values >= 0, got -2"),
        (sparse([[1, 0]], dtype=complex), TypeError, "must hold real numbers, got dtype complex"),
    ],
)
def test_a_bad_matrix_is_named_with_what_to_do(user_items, error, message):
    with pytest.raises(error, match=f"user_items {message}" if message[0] == "m" else message):
        BPR().fit(user_items, show_progress=False)


BROKEN = [(kind, what) for kind in ("csr", "csc", "bsr", "coo") for what in ("negative index", "index too large")]
BROKEN += [(kind, "falling indptr") for kind in ("csr", "csc", "bsr")]


@pytest.mark.parametrize(("kind", "what"), BROKEN)
def test_a_broken_matrix_is_refused_before_anything_reads_out_of_bounds(communities, kind, what):
    broken = communities.asformat(kind, copy=True)
    if kind == "coo":
        broken.col[3] = -1 if what == "negative index" else 50_000_000
    elif what == "falling indptr":
        broken.indptr[5] = broken.indptr[4] - 1
    else:
        broken.indices[3] = -1 if what == "negative index" else 50_000_000
    with pytest.raises(ValueError, match=f"user_items must be a valid {kind.upper()} matrix"):
        BPR().fit(broken, show_progress=False)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool])
def test_counts_of_repeated_pairs_do_not_overflow(dtype):
    users, items = np.repeat([0, 1], 256), np.repeat([0, 1], 256)
    matrix = scipy.sparse.coo_array((np.ones(512, dtype=dtype), (users, items)), shape=(2, 4))
    model = fit(matrix, iterations=1)
    assert model.history[0].n_updates == 2
    assert model.history[0].loss > 0.5


@pytest.mark.parametrize("value", [1e300, 1e-300])
def test_values_that_single_precision_cannot_hold_are_named(value):
    with pytest.raises(ValueError, match=r"user_items must hold values from .* Scale them"):
        BPR().fit(scipy.sparse.csr_array([[value, 1.0, 0.0]]), show_progress=False)


def test_all_questions_may_be_asked_in_a_callback_and_see_the_factors_of_that_moment(communities):
    def ask(*_):
        unit = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
        ids, cosines = model.similar_items(3, N=5)
        assert_allclose(cosines, unit[ids] @ unit[3], atol=1e-5)
        assert_allclose(
            model.score(2), model.item_factors @ model.user_factors[2] + model.item_biases, rtol=1e-4, atol=1e-5
        )
        assert model.recommend([0, 1])[0].shape == (2, 10)

    model = BPR(factors=7, iterations=4, random_state=0)
    model.fit(communities, show_progress=False, callback=ask)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("item_factors", np.zeros((4000, 16), dtype=np.float32)),
        ("item_factors", np.zeros((100, 64), dtype=np.float32)),
        ("item_biases", np.zeros(99, dtype=np.float32)),
        ("user_factors", np.zeros(200, dtype=np.float32)),
        ("user_factors", "many"),
    ],
)
def test_assigned_arrays_that_do_not_fit_are_refused_before_a_kernel_sees_them(model, name, value):
    changed = copy.copy(model)
    setattr(changed, name, value)
    for ask in (changed.recommend, changed.score):
        with pytest.raises(ValueError, match=r"_factors|_biases"):
            ask([0, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", ["user_factors", "item_factors", "item_biases"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda model, log: model.fold_in(log),
        lambda model, log: diagnose(model, log, refit=False),
    ],
    ids=["fold_in", "diagnose"],
)
def test_assigned_values_that_are_not_finite_are_refused_where_an_answer_follows_from_all_of_them(
    communities, model, ask, name, value
):
    changed = copy.copy(model)
    array = getattr(model, name).astype(np.float64)
    array.flat[-1] = value
    setattr(changed, name, array)
    with pytest.raises(ValueError, match=f"{name} must hold finite numbers below 1e\\+17 in size, got"):
        ask(changed, communities)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("similarity", "name"), [("cosine", "item_factors"), ("centred", "item_factors"), ("user-space", "user_factors")]
)
def test_nothing_is_explained_by_vectors_that_are_not_finite(model, similarity, name, value):
    changed = copy.copy(model)
    changed.similarity = similarity
    array = getattr(model, name).copy()
    array[3, 0] = value
    setattr(changed, name, array)
    with pytest.raises(ValueError, match=f"{name} must hold finite numbers"):
        changed.explain(0, 1)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_assigned_arrays_of_any_order_and_precision_are_used(model, order, dtype):
    changed = copy.copy(model)
    changed.item_factors = np.asarray(model.item_factors, order=order, dtype=dtype)
    changed.user_factors = np.asarray(model.user_factors, order=order, dtype=dtype)
    assert_array_equal(changed.recommend([0, 7])[0], model.recommend([0, 7])[0])
    assert_array_equal(changed.similar_items([0, 7])[0], model.similar_items([0, 7])[0])


def test_one_user_and_one_interaction_are_enough():
    model = fit(sparse([[0, 1, 0]]), iterations=3)
    assert model.recommend(0, N=1)[0] in (0, 2)


def test_questions_before_the_fit_are_refused(communities):
    for ask in (
        lambda model: model.recommend(0),
        lambda model: model.similar_items(0),
        lambda model: model.similar_users(0),
        lambda model: model.score(0),
        lambda model: model.save("never"),
        lambda model: model.item_rows("a"),
    ):
        with pytest.raises(NotFittedError, match="BPR must be fitted first: call fit"):
            ask(BPR())


@pytest.mark.parametrize("bad", [-1, 100, [0, 100], np.int64(2**40), np.array([2**33])])
def test_ids_out_of_range_are_named(model, bad):
    with pytest.raises(IndexError, match="itemid must be item ids, integers from 0 to 99, got"):
        model.similar_items(bad)


@pytest.mark.parametrize("bad", [1.0, "A", [1.5], None, [True]])
def test_ids_that_are_no_integers_are_named(model, bad):
    with pytest.raises(TypeError, match="itemid must be item ids, integers from 0 to 99, got"):
        model.similar_items(bad)


@pytest.mark.parametrize("n", [0, -3, 2.0, None])
def test_a_bad_n_is_named(model, n):
    with pytest.raises((TypeError, ValueError), match="N must be an integer >= 1, got"):
        model.recommend(0, N=n)


def test_rows_that_do_not_fit_the_users_are_named(communities, model):
    with pytest.raises(ValueError, match=r"one row for each entry of userid.*user_items\[userid\]"):
        model.recommend([0, 1], communities)
    with pytest.raises(ValueError, match=r"It looks transposed: try user_items.T"):
        model.recommend([0, 1], scipy.sparse.csr_array((100, 2)))


def test_a_callback_that_cannot_be_called_is_named(communities):
    with pytest.raises(TypeError, match="callback must be callable or None, got 3"):
        BPR().fit(communities, callback=3)


@pytest.mark.parametrize(
    ("negatives", "problem"),
    [
        (scipy.sparse.csr_array((3, 4)), "negatives must have shape"),
        (scipy.sparse.csr_array(np.full((200, 100), -1.0)), "negatives must hold values >= 0"),
        (np.ones((200, 100)), "negatives must be a SciPy sparse matrix"),
    ],
)
def test_bad_given_negatives_are_named(communities, negatives, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        BPR(iterations=1).fit(communities, negatives=negatives, show_progress=False)


def test_given_negatives_of_other_items_are_refused():
    log = Interactions.from_arrays(["a", "a", "b"], ["x", "y", "z"])
    other = Interactions.from_arrays(["a", "a", "b"], ["x", "y", "w"])
    with pytest.raises(ValueError, match="negatives must have the item labels of user_items in the same order"):
        BPR(iterations=1).fit(log, negatives=other, show_progress=False)
