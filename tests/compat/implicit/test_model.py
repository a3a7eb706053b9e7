"""Training with implicit's interface: shapes, seeds, callbacks, second fits, and what cannot be trained."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from fastbpr import NotFittedError, TrainingError
from fastbpr.compat import implicit
from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking
from fastbpr.compat.implicit.recommender_base import ModelFitError, RecommenderBase
from fastbpr.compat.implicit.utils import ParameterWarning


def fitted(user_items, **parameters):
    parameters = {
        "factors": 8,
        "iterations": 20,
        "learning_rate": 0.1,
        "random_state": 0,
        "num_threads": 2,
    } | parameters
    model = BayesianPersonalizedRanking(**parameters)
    model.fit(user_items, show_progress=False)
    return model


def test_every_path_of_implicit_leads_to_the_same_class():
    assert implicit.bpr.BayesianPersonalizedRanking is BayesianPersonalizedRanking
    assert implicit.cpu.bpr.BayesianPersonalizedRanking is BayesianPersonalizedRanking
    assert issubclass(BayesianPersonalizedRanking, implicit.recommender_base.RecommenderBase)
    assert not implicit.gpu.HAS_CUDA


def test_parameters_are_implicits_in_its_order():
    model = BayesianPersonalizedRanking(7, 0.1, 0.2, np.float64, 3, 2, False, 5)
    assert vars(model).items() >= {
        "factors": 7, "learning_rate": 0.1, "regularization": 0.2, "dtype": np.dtype("float64"), "iterations": 3,
        "num_threads": 2, "verify_negative_samples": False, "random_state": 5,
    }.items()  # fmt: skip
    model = BayesianPersonalizedRanking()
    assert (model.factors, model.learning_rate, model.regularization, model.iterations) == (100, 0.01, 0.01, 100)
    assert (model.num_threads, model.verify_negative_samples, model.random_state) == (0, True, None)


@pytest.mark.parametrize("use_gpu", [True, False])
def test_a_flag_where_implicits_function_has_use_gpu_is_not_taken_for_a_number_of_threads(use_gpu):
    with pytest.raises(TypeError, match="num_threads must be an integer"):
        BayesianPersonalizedRanking(7, 0.1, 0.2, np.float64, 3, use_gpu)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_last_column_is_the_bias_of_items_and_one_for_users(communities, dtype):
    model = fitted(communities, dtype=dtype)
    assert model.user_factors.shape == (200, 9)
    assert model.item_factors.shape == (100, 9)
    assert model.user_factors.dtype == model.item_factors.dtype == dtype
    assert (model.user_factors[:, -1] == 1).all()
    engine = model.to_fastbpr()
    assert_allclose(model.user_factors @ model.item_factors.T, engine.score(np.arange(200)), rtol=1e-4, atol=1e-5)
    assert_array_equal(model.item_factors[:, -1], engine.item_biases)


def test_it_learns_with_the_defaults(communities):
    model = BayesianPersonalizedRanking(random_state=0)
    assert model.fit(communities, show_progress=False) is None
    ids, _ = model.similar_items(np.arange(100), N=11)
    assert (ids[:, 1:] // 25 == np.arange(100)[:, None] // 25).mean() > 0.99


def test_a_seed_gives_the_same_factors_on_any_number_of_threads(communities):
    one, other = fitted(communities, num_threads=1), fitted(communities, num_threads=3)
    assert_array_equal(one.item_factors, other.item_factors)
    assert (fitted(communities, random_state=1).item_factors != one.item_factors).any()


@pytest.mark.parametrize(
    "make", [np.random.default_rng, np.random.RandomState, np.random.SeedSequence, np.random.PCG64, lambda seed: [seed]]
)
def test_every_kind_of_seed_is_taken_and_repeats(communities, make):
    one, other = (fitted(communities, random_state=make(3), iterations=2) for _ in range(2))
    assert_array_equal(one.user_factors, other.user_factors)


def test_a_generator_goes_on_from_fit_to_fit(communities):
    rng = np.random.default_rng(0)
    one, other = (fitted(communities, random_state=rng, iterations=2) for _ in range(2))
    assert (one.user_factors != other.user_factors).any()


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_a_matrix_out_of_order_is_not_changed_and_gives_the_same(communities, kind):
    shuffled = kind(communities)
    for start, end in zip(shuffled.indptr[:-1], shuffled.indptr[1:], strict=True):
        shuffled.indices[start:end] = shuffled.indices[start:end][::-1].copy()
    shuffled.has_sorted_indices = False
    before = shuffled.indices.copy()
    assert_array_equal(fitted(shuffled).item_factors, fitted(communities).item_factors)
    assert_array_equal(shuffled.indices, before)
    assert shuffled.data.dtype == np.float32


def test_what_is_stored_and_not_zero_counts_whatever_its_value(communities):
    values = communities.copy()
    values.data = np.resize([3.0, -1.0, 0.5, 1e300, np.nan], values.nnz)
    assert_array_equal(fitted(values).item_factors, fitted(communities).item_factors)
    with_zeros = scipy.sparse.csr_matrix(np.ones(communities.shape))
    with_zeros.data = communities.toarray().ravel()
    assert_array_equal(fitted(with_zeros).item_factors, fitted(communities).item_factors)


@pytest.mark.parametrize("form", ["coo", "lil", "csc", "dok", "bsr"])
def test_another_format_is_converted_with_a_warning_at_the_callers_line(communities, form):
    model = BayesianPersonalizedRanking(factors=8, iterations=20, learning_rate=0.1, random_state=0, num_threads=2)
    with pytest.warns(ParameterWarning, match=form.upper()) as caught:
        model.fit(communities.asformat(form), show_progress=False)
    assert caught[0].filename == __file__
    assert_array_equal(model.item_factors, fitted(communities).item_factors)


def test_the_callback_sees_the_model_of_each_epoch_and_cannot_stop_it_by_its_answer(communities):
    model = BayesianPersonalizedRanking(factors=8, iterations=4, random_state=0)
    seen = []

    def callback(epoch, elapsed, correct, skipped):
        assert elapsed > 0
        assert 0 <= correct <= communities.nnz - skipped
        seen.append((epoch, model.item_factors.copy(), model.similar_items(0, N=100)[1]))
        return True

    model.fit(communities, show_progress=False, callback=callback)
    assert [epoch for epoch, *_ in seen] == [0, 1, 2, 3]
    assert_array_equal(seen[-1][1], model.item_factors)
    assert (seen[0][1] != seen[1][1]).any()
    assert (seen[0][2] != seen[1][2]).any()


def test_an_error_in_the_callback_stops_and_leaves_what_was_learned(communities):
    model = BayesianPersonalizedRanking(factors=8, iterations=4, random_state=0)

    def stop(epoch, *_):
        if epoch == 1:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.fit(communities, show_progress=False, callback=stop)
    assert_array_equal(model.item_factors, fitted(communities, iterations=2, learning_rate=0.01).item_factors)


def test_a_second_fit_goes_on_from_the_first(communities):
    twice = fitted(communities, iterations=5, learning_rate=0.05)
    twice.fit(communities, show_progress=False)
    assert_array_equal(twice.item_factors, fitted(communities, iterations=10, learning_rate=0.05).item_factors)


def test_a_model_whose_factors_are_taken_away_starts_anew(communities):
    model = fitted(communities)
    first = model.item_factors
    model.user_factors = model.item_factors = None
    model.fit(communities, show_progress=False)
    assert_array_equal(model.item_factors, first)


@pytest.mark.parametrize("side", ["user_factors", "item_factors"])
def test_given_factors_are_where_training_starts(communities, side):
    model = BayesianPersonalizedRanking(factors=8, iterations=1, learning_rate=1e-6, random_state=0)
    rows = communities.shape[side == "item_factors"]
    given = np.random.default_rng(0).normal(size=(rows, 9)).astype(np.float32)
    given[:, -1] = 1
    setattr(model, side, given)
    model.fit(communities, show_progress=False)
    assert_allclose(getattr(model, side), given, atol=1e-4)
    assert_array_equal(given[:, -1], 1)


@pytest.mark.parametrize("shape", [(201, 100), (200, 101), (100, 100)])
def test_a_second_fit_refuses_a_matrix_of_another_shape(communities, shape):
    model = fitted(communities)
    before = model.item_factors
    with pytest.raises(ValueError, match="Make a new model"):
        model.fit(scipy.sparse.csr_array(np.eye(*shape)), show_progress=False)
    assert model.item_factors is before
    model.user_factors = model.item_factors = None
    model.fit(scipy.sparse.csr_array(np.eye(*shape)), show_progress=False)
    assert len(model.user_factors) == shape[0]


UNTRAINABLE = {
    "no interactions": np.zeros((3, 4)),
    "one item": np.ones((3, 1)),
    "all of everything": np.ones((3, 4)),
    "one user has all, the others nothing": [[1, 1, 1], [0, 0, 0]],
}


@pytest.mark.parametrize("dense", UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_where_there_is_nothing_to_compare_factors_stay_as_they_start(dense):
    model, calls = BayesianPersonalizedRanking(factors=5, iterations=3), []
    model.fit(scipy.sparse.csr_matrix(dense), show_progress=False, callback=lambda *call: calls.append(call))
    dense = np.asarray(dense)
    assert calls == [(epoch, 0.0, 0, np.count_nonzero(dense)) for epoch in range(3)]
    assert (model.user_factors[:, :-1].any(axis=1) == dense.any(axis=1)).all()
    assert (model.item_factors.any(axis=1) == dense.any(axis=0)).all()
    assert (model.user_factors[:, -1] == 1).all()
    assert model.item_factors.shape == (dense.shape[1], 6)


def test_a_single_interaction_is_enough():
    model = fitted(scipy.sparse.csr_matrix([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    assert model.recommend(1, None, N=1, filter_already_liked_items=False)[0] == [1]


def test_no_iterations_leave_the_start(communities):
    before = fitted(communities)
    model = BayesianPersonalizedRanking(factors=8, iterations=0, random_state=0)
    model.fit(communities, show_progress=False)
    assert np.abs(model.item_factors).max() < 0.5 < np.abs(before.item_factors).max()


def test_an_item_without_users_comes_last_and_a_user_without_items_gets_the_popular(communities):
    dense = communities.toarray()
    dense[:, 7], dense[9] = 0, 0
    model = fitted(scipy.sparse.csr_array(dense))
    assert (model.user_factors[9, :-1] == 0).all()
    ids, _ = model.recommend(9, None, N=100, filter_already_liked_items=False)
    assert_array_equal(ids, np.argsort(-model.item_factors[:, -1], kind="stable"))
    assert ids[-1] == 7


def test_divergence_is_a_model_fit_error_and_leaves_the_model_as_it_was(communities):
    model = fitted(communities)
    before = model.item_factors
    model.learning_rate = 1e6
    with pytest.raises(ModelFitError, match="Lower learning_rate") as caught:
        model.fit(communities, show_progress=False, callback=lambda *_: None)
    assert isinstance(caught.value, TrainingError)
    assert model.item_factors is before


def test_fitted_arrays_are_read_only_also_after_pickling(communities):
    for model in (fitted(communities), pickle.loads(pickle.dumps(fitted(communities)))):
        with pytest.raises(ValueError, match="read-only"):
            model.item_factors[0, 0] = 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_assigned_arrays_stay_the_callers_after_a_copy(communities, duplicate):
    model, mine = fitted(communities), np.ones((100, 9), dtype=np.float32)
    model.item_factors = mine
    copied = duplicate(model)
    assert mine.flags.writeable
    assert copied.item_factors.flags.writeable
    assert not copied.user_factors.flags.writeable


def test_pickled_models_answer_as_before(communities):
    model = fitted(communities)
    model.similar_items(0)
    copied = pickle.loads(pickle.dumps(model))
    for one, other in zip(model.similar_items([3, 4]), copied.similar_items([3, 4]), strict=True):
        assert_array_equal(one, other)
    assert vars(pickle.loads(pickle.dumps(BayesianPersonalizedRanking(7)))) == vars(BayesianPersonalizedRanking(7))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"factors": 0}, ValueError, "factors must be an integer >= 1, got 0."),
        ({"factors": "auto"}, TypeError, "factors must be an integer >= 1, got 'auto'."),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number > 0, got 0."),
        ({"regularization": -1}, ValueError, "regularization must be a finite number >= 0, got -1."),
        ({"regularization": {"user": 1}}, TypeError, "regularization must be a finite number >= 0, got {'user': 1}."),
        ({"iterations": -1}, ValueError, "iterations must be an integer >= 0, got -1."),
        ({"num_threads": -1}, ValueError, "num_threads must be an integer from 0 to 1024, got -1."),
        ({"dtype": np.float16}, ValueError, "dtype must be one of float32, float64, got float16."),
        ({"use_gpu": True}, ValueError, "use_gpu must be False, got True: fastbpr trains on CPUs."),
    ],
)
def test_a_bad_parameter_is_named(parameters, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        BayesianPersonalizedRanking(**parameters)


def test_scikit_learn_clones_models(communities):
    given = {"factors": 8, "iterations": 3, "dtype": np.dtype("float64"), "random_state": 4, "learning_rate": 0.1}
    original = fitted(communities, **given)
    other = clone(original)
    assert other.item_factors is None
    assert other.get_params() == original.get_params() == original.get_params() | given
    assert set(other.get_params()) == set(inspect.signature(BayesianPersonalizedRanking).parameters)
    other.fit(communities, show_progress=False)
    assert_array_equal(other.item_factors, original.item_factors)


def test_parameters_are_changed_all_or_none(communities):
    model = fitted(communities)
    assert model.set_params(num_threads=1, dtype="float64", factors=9) is model
    assert (model.num_threads, model.dtype, model.factors) == (1, np.dtype("float64"), 9)
    assert model.similar_items(0)[1].dtype == np.float64
    before = model.get_params()
    for changes, message in (
        ({"iterations": 7, "dtype": np.float16}, "dtype must be one of"),
        ({"iterations": 7, "use_gpu": True}, "use_gpu must be False"),
        ({"iterations": 7, "learning_rate": 0}, "learning_rate must be"),
        ({"iterations": 7, "negatives": "uniform"}, "parameters must be those of BayesianPersonalizedRanking"),
    ):
        with pytest.raises(ValueError, match=message):
            model.set_params(**changes)
        assert model.get_params() == before


@pytest.mark.parametrize("random_state", ["a", -1, 0.5])
def test_a_bad_seed_is_refused_by_numpy(communities, random_state):
    with pytest.raises((TypeError, ValueError)):
        fitted(communities, random_state=random_state)


@pytest.mark.parametrize("value", [np.eye(3), [[1, 0]], None])
def test_what_is_no_sparse_matrix_is_refused(value):
    with pytest.raises(TypeError, match="user_items must be a SciPy sparse matrix"):
        BayesianPersonalizedRanking().fit(value)


def test_a_model_that_was_not_fitted_says_so():
    model = BayesianPersonalizedRanking()
    for ask in (lambda: model.recommend(0, None), lambda: model.similar_items(0), lambda: model.similar_users(0)):
        with pytest.raises(NotFittedError, match="BayesianPersonalizedRanking must be fitted first"):
            ask()


def test_a_model_of_ones_own_inherits_the_deprecated_method():
    class Constant(RecommenderBase):
        def recommend(self, userid, user_items, **options):
            return userid, options

        fit = similar_items = similar_users = save = load = None

    with pytest.warns(DeprecationWarning, match="rank_items"):
        assert Constant().rank_items(1, None, [2]) == (
            1, {"filter_already_liked_items": False, "recalculate_user": False, "items": [2]},
        )  # fmt: skip
    with pytest.raises(TypeError, match="abstract"):
        RecommenderBase()
