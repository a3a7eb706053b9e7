"""Vectors for users whom training has not seen: their formula, and how good their lists are."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
import scipy.optimize
import scipy.sparse
import scipy.special
from helpers import fit, matrix
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions, NotFittedError, _fold_in, _newton
from fastbpr.evaluation import evaluate
from fastbpr.exposure import centred
from fastbpr.splitting import hold_out_users

REGULARIZATION = 0.03


@pytest.fixture
def items():
    """Factors and biases of 12 items, float64."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3)), rng.normal(size=12)


@pytest.fixture
def user_items():
    """Users with 1, 3 and 5 items; the negatives below are partly theirs."""
    rows = np.zeros((3, 12), dtype=bool)
    rows[0, 4] = rows[1, [0, 5, 11]] = rows[2, [1, 2, 3, 8, 9]] = True
    return scipy.sparse.csr_array(rows)


NEGATIVES = np.array([1, 4, 5, 6, 7, 10])


def objective(vector, own, negatives, items, regularization, draws=1):
    """The formula, item by item."""
    factors, biases = items
    scores = factors @ vector + biases
    others = np.array([j for j in negatives if j not in own])
    level = np.log(draws) + scipy.special.logsumexp(scores[others]) - np.log(len(others))
    return np.mean([np.logaddexp(0, level - scores[i]) for i in own]) + regularization / 2 * vector @ vector


def least(own, negatives, items, regularization, draws=1):
    """The minimum by a general method."""
    arguments = own, negatives, items, regularization, draws
    found = scipy.optimize.minimize(objective, np.zeros(items[0].shape[1]), args=arguments, options={"gtol": 1e-7})
    return found.x


def folded(rows, items, regularization=REGULARIZATION, n_negatives=1000, draws=1, num_threads=1):
    compared = _fold_in.Compared.of(_fold_in.Negatives.of(*items, n_negatives))
    return _fold_in.fold_in_users(*items, rows.indptr, rows.indices, regularization, compared, draws, num_threads)


def random_items(n_items, factors, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_items, factors)).astype(np.float32), rng.normal(size=n_items).astype(np.float32)


@pytest.fixture
def kernel(kernels, monkeypatch):
    """Each build of the kernel, in the place of the one at hand."""
    monkeypatch.setattr(_fold_in, "newcomers", kernels[3])


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("factors", [1, 15, 16, 17, 64])
@pytest.mark.parametrize(("n_items", "draws"), [(2, 1), (31, 8), (300, 1), (300, 27.2), (1500, 1), (1500, 64)])
def test_the_kernel_takes_the_steps_of_its_twin(n_items, draws, factors):
    """In single and double precision, the last steps may differ: near is what both come to rest by."""
    items = random_items(n_items, factors)
    n_own = [1, 1, 2, 7, 40]
    rng = np.random.default_rng(5)
    own = [np.sort(rng.choice(n_items, min(n, n_items - 1), replace=False)) for n in n_own]
    compared = _fold_in.Compared.of(_fold_in.Negatives.of(*items))
    indptr = np.append(0, np.cumsum([len(row) for row in own]))
    vectors = _fold_in.fold_in_users(*items, indptr, np.concatenate(own), REGULARIZATION, compared, draws)
    for row, vector in zip(own, vectors, strict=True):
        twin = reference.fold_in_user(row, *items, compared, REGULARIZATION, draws, _fold_in.N_FIRST, _fold_in.NEAR)
        assert_allclose(vector, twin, rtol=1e-3, atol=1e-3 * np.abs(twin).max())


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("draws", [1, 64])
@pytest.mark.parametrize("factors", [3, 64])
def test_the_gradient_vanishes_where_the_kernel_comes_to_rest_late(factors, draws, monkeypatch):
    monkeypatch.setattr(_fold_in, "NEAR", 1e-9)
    items = random_items(60, factors)
    rows = scipy.sparse.csr_array(np.random.default_rng(4).random((4, 60)) < 0.2)
    exact = tuple(array.astype(float) for array in items)
    for user, vector in enumerate(folded(rows, items, draws=draws).astype(float)):
        own = rows[[user]].indices

        def value(vector, own=own):
            return objective(vector, own, range(60), exact, REGULARIZATION, draws)

        assert np.abs(scipy.optimize.approx_fprime(vector, value, 1e-6)).max() < 1e-4
        assert np.abs(scipy.optimize.approx_fprime(0 * vector, value, 1e-6)).max() > 1e-2


def test_softplus_and_its_slope_neither_overflow_nor_lose_small_values():
    value, slope = _newton.softplus_and_sigmoid(np.array([-1000.0, -20.0, 0.0, 20.0, 1000.0]))
    assert_allclose(value, [0, np.exp(-20), np.log(2), 20, 1000], rtol=1e-6)
    assert_allclose(slope, [0, np.exp(-20), 0.5, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("draws", [1, 8, 256])
@pytest.mark.parametrize("regularization", [1.0, REGULARIZATION, 1e-3, 0.0])
@pytest.mark.usefixtures("kernel")
def test_a_vectors_loss_is_within_five_percent_of_the_least(items, user_items, regularization, draws):
    vectors = folded(user_items, items, regularization, draws=draws)
    assert vectors.dtype == np.float32
    at_least = max(regularization, _fold_in.MIN_REGULARIZATION)
    for user in range(3):
        own = user_items[[user]].indices
        arguments = own, range(12), items, at_least, draws
        value = objective(vectors[user].astype(float), *arguments)
        assert value <= 1.05 * objective(least(*arguments), *arguments)
        assert value < objective(np.zeros(3), *arguments)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("scale", [10.0, 100.0])
def test_steps_that_overshoot_are_shortened(items, user_items, scale):
    """With scores so far apart the function is all but made of flat pieces, and its edges are not looked for."""
    large = items[0] * scale, items[1] * scale
    vectors = folded(user_items, large, 1e-3)
    for user in range(3):
        arguments = user_items[[user]].indices, range(12), large, 1e-3
        best, at_zero = (objective(vector, *arguments) for vector in (least(*arguments), np.zeros(3)))
        assert objective(vectors[user].astype(float), *arguments) - best < 0.6 * (at_zero - best)


def test_single_precision_finds_the_same_minimum(items, user_items):
    single = tuple(array.astype(np.float32) for array in items)
    assert_allclose(folded(user_items, single), folded(user_items, items), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("num_threads", [1, 2, 7])
def test_a_vector_has_the_same_bits_whoever_else_is_folded_in_and_on_any_number_of_threads(num_threads):
    items, rng = random_items(1500, 9), np.random.default_rng(3)
    rows = scipy.sparse.csr_array(rng.random((150, 1500)) < rng.random((150, 1)))
    together = folded(rows, items, num_threads=num_threads)
    for user in range(0, 150, 7):
        assert_array_equal(folded(rows[[user]], items)[0], together[user])


def test_users_with_very_many_items_are_fitted_to_some_at_equal_distances(kernels):
    most = kernels[3].MAX_ITEMS
    items = random_items(3 * most, 5)
    many = np.arange(0, 3 * most, 2)[: most + most // 4]
    some = many[np.arange(most) * len(many) // most]
    rows = scipy.sparse.csr_array((np.ones(len(many)), many, [0, len(many)]), shape=(1, 3 * most))
    vector = folded(rows, items)[0].astype(float)
    negatives = _fold_in.Negatives.of(*items).items
    exact = tuple(array.astype(float) for array in items)

    def value(vector):
        positives, others = exact[0][some] @ vector + exact[1][some], np.setdiff1d(negatives, many)
        level = scipy.special.logsumexp(exact[0][others] @ vector + exact[1][others]) - np.log(len(others))
        return np.logaddexp(0, level - positives).mean() + REGULARIZATION / 2 * vector @ vector

    found = scipy.optimize.minimize(value, np.zeros(5), options={"gtol": 1e-5})
    assert value(vector) <= 1.02 * found.fun


def test_users_who_have_all_that_first_steps_look_at_are_compared_with_the_rest():
    items = random_items(1500, 4)
    compared = _fold_in.Compared.of(_fold_in.Negatives.of(*items))
    first = np.zeros(1500, dtype=bool)
    first[compared.sampled[compared.places < _fold_in.N_FIRST]] = True
    vector = folded(scipy.sparse.csr_array(first[None]), items)[0]
    assert np.isfinite(vector).all()
    assert (vector != 0).all()


def test_users_who_have_the_whole_sample_get_zeros():
    items = random_items(1500, 4)
    have = np.zeros((1, 1500), dtype=bool)
    have[0, _fold_in.Negatives.of(*items).items] = True
    assert_array_equal(folded(scipy.sparse.csr_array(have), items), 0)


def test_a_catalogue_of_one_item_gives_zeros():
    assert_array_equal(folded(scipy.sparse.csr_array([[True], [False]]), random_items(1, 4)), 0)


def test_users_without_items_or_with_all_of_them_get_zeros(items):
    rows = np.ones((3, 12), dtype=bool)
    rows[0], rows[1, 1:] = False, False
    vectors = folded(scipy.sparse.csr_array(rows), items)
    assert_array_equal(vectors[[0, 2]], 0)
    assert (vectors[1] != 0).all()


def test_no_users_are_no_vectors(items):
    assert folded(scipy.sparse.csr_array((0, 12), dtype=bool), items).shape == (0, 3)


@pytest.mark.parametrize("regularization", [0.01, 1e-3, 0.0])
def test_lists_of_users_with_one_item_or_all_but_one_are_finite_and_fit(communities, regularization):
    """With little regularization, vectors become long before the next item is as good as one's own."""
    model = fit(communities, iterations=20, regularization=regularization)
    one = model.fold_in_users(scipy.sparse.csr_array(np.eye(100)))
    scores = one @ model.item_factors.T + model.item_biases
    assert (np.argsort(-scores, axis=1)[:, :25] == np.arange(100)[:, None]).any(axis=1).mean() > 0.95
    but_one = model.fold_in_users(scipy.sparse.csr_array(1 - np.eye(100)))
    assert np.isfinite(but_one).all()
    scores = but_one @ model.item_factors.T + model.item_biases
    assert (scores.argmin(axis=1) == np.arange(100)).mean() > 0.95


@pytest.mark.parametrize("bias", [-10.0, 10.0])
def test_an_item_that_nobody_else_has_still_leads_its_users_list(items, bias):
    factors, biases = items
    biases = biases.copy()
    biases[3] = bias
    rows = scipy.sparse.csr_array(np.eye(12)[[3]])
    vector = folded(rows, (factors, biases), 1e-3)[0]
    assert (factors @ vector + biases).argmax() == 3


def test_a_sample_of_negatives_comes_near_all_of_them(monkeypatch):
    monkeypatch.setattr(_fold_in, "NEAR", 1e-6)
    rng = np.random.default_rng(4)
    items = rng.normal(size=(3000, 4)), rng.normal(size=3000)
    rows = scipy.sparse.csr_array(rng.random((5, 3000)) < 0.01)
    sampled, whole = (folded(rows, items, n_negatives=n) for n in (1000, 3000))
    assert (np.linalg.norm(sampled - whole, axis=1) < 0.3 * np.linalg.norm(whole, axis=1)).all()
    assert (sampled != whole).any()


# ---- the model ------------------------------------------------------------------------------------------------------


def test_newcomers_get_items_of_their_own_community(communities, model):
    newcomers = scipy.sparse.csr_array(communities[[0, 60, 120, 180]])
    ids, _ = model.fold_in(newcomers).recommend([0, 1, 2, 3], N=5)
    assert_array_equal(ids // 25, np.arange(4)[:, None] * np.ones(5))


def test_what_newcomers_have_is_not_recommended(communities, model):
    have = communities[[7, 8]]
    ids, _ = model.fold_in(have).recommend([0, 1], N=50)
    for row in range(2):
        assert not set(ids[row]) & set(have[[row]].indices)


def test_a_model_is_not_changed_and_shares_its_items(communities, model):
    before = {name: getattr(model, name).copy() for name in ("user_factors", "item_factors", "item_biases")}
    other = model.fold_in(communities[:3])
    assert (len(other.user_factors), len(model.user_factors)) == (3, 200)
    for name, array in before.items():
        assert_array_equal(getattr(model, name), array)
    assert np.shares_memory(other.item_factors, model.item_factors)
    assert other.history == model.history


def test_assigned_arrays_stay_writable():
    model = fit(matrix([1, 1, 0], [0, 1, 1]), iterations=1)
    model.item_factors = model.item_factors.copy()
    model.fold_in(matrix([1, 0, 0]))
    assert model.item_factors.flags.writeable


def test_the_regularization_of_users_is_the_models(communities):
    strong = fit(communities, iterations=2, regularization={"user": 10.0})
    weak = fit(communities, iterations=2, regularization={"user": 0.01})
    weak.item_factors, weak.item_biases = strong.item_factors, strong.item_biases
    norms = [np.linalg.norm(one.fold_in(communities[:5]).user_factors) for one in (strong, weak)]
    assert norms[0] < norms[1] / 2


def test_values_and_repeated_entries_do_not_matter(communities, model):
    rows = communities[:2].tocoo()
    twice = scipy.sparse.coo_array(
        (np.full(2 * rows.nnz, 7.5), (np.tile(rows.row, 2), np.tile(rows.col, 2))), shape=rows.shape
    )
    assert_array_equal(model.fold_in(twice).user_factors, model.fold_in(rows).user_factors)


def test_the_same_call_gives_the_same_vectors_and_the_callers_matrix_stays(communities, model):
    rows = communities[:9].copy()
    before = rows.copy()
    assert_array_equal(model.fold_in(rows).user_factors, model.fold_in(rows).user_factors)
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(rows, name), getattr(before, name))


def test_what_newcomers_have_stays_when_the_callers_matrix_changes(communities, model):
    rows = scipy.sparse.csr_array(communities[:3], dtype=np.float32, copy=True)
    rows.sort_indices()
    other = model.fold_in(rows)
    before = other.recommend([0, 1, 2])[0]
    rows.indices[:] = 0
    assert_array_equal(other.recommend([0, 1, 2])[0], before)


def test_vectors_alone_are_those_of_the_model_of_newcomers(communities, model):
    rows = communities[:70]
    vectors = model.fold_in_users(rows)
    assert vectors.dtype == np.float32
    assert_array_equal(vectors, model.fold_in(rows).user_factors)


def test_what_is_kept_for_newcomers_goes_with_the_items_arrays(communities):
    model = fit(communities, iterations=3)
    rows = communities[:3]
    before = model.fold_in_users(rows)
    assert model._compared_with() is model._compared_with()
    model.item_factors = -model.item_factors
    assert_allclose(model.fold_in_users(rows), -before, rtol=1e-3, atol=1e-4)
    model.item_factors[:] = 0  # an assigned array may be written to
    assert_array_equal(model.fold_in_users(rows), 0)
    model.fit(communities, show_progress=False)
    assert_array_equal(model.fold_in_users(rows), before)  # of the same seed
    model.item_biases = np.full(100, np.nan, dtype=np.float32)
    with pytest.raises(ValueError, match="item_biases must hold finite"):
        model.fold_in_users(rows)


# ---- recommend ------------------------------------------------------------------------------------------------------


def test_recalculated_users_get_the_lists_of_newcomers(communities, model):
    rows = communities[[3, 60, 199]]
    expected = model.fold_in(rows).recommend([0, 1, 2], N=7)
    for userids in ([3, 60, 199], [0, 10**6, 5]):  # which need not be users of the model
        actual = model.recommend(userids, rows, N=7, recalculate_user=True)
        for one, other in zip(actual, expected, strict=True):
            assert_array_equal(one, other)
    assert_array_equal(model.recommend(10**6, rows[[1]], N=7, recalculate_user=True)[0], expected[0][1])


def test_recalculated_users_may_be_recommended_what_they_have(communities, model):
    row = communities[[3]]
    ids, _ = model.recommend(0, row, N=5, recalculate_user=True, filter_already_liked_items=False)
    assert set(ids) & set(row.indices)


def test_users_of_a_model_with_features_are_recalculated_too(communities):
    groups = scipy.sparse.csr_array(np.repeat(np.eye(4), 25, axis=0))
    model = HybridBPR(factors=8, iterations=20, random_state=0)
    model.fit(communities, item_features=groups, show_progress=False)
    ids, _ = model.recommend([0, 1], communities[[10, 190]], N=5, recalculate_user=True)
    assert_array_equal(ids // 25, [[0] * 5, [3] * 5])
    model.fit(communities, user_features=np.eye(200), show_progress=False)
    with pytest.raises(ValueError, match="recalculate_user must be False with user_features, got True"):
        model.recommend(user_features=np.eye(200)[:1], user_items=communities[[0]], recalculate_user=True)


def test_users_are_not_recalculated_from_nothing_or_by_models_without_a_fit(communities, model):
    with pytest.raises(ValueError, match="user_items must be given with recalculate_user=True, got None"):
        model.recommend(0, recalculate_user=True)
    with pytest.raises(ValueError, match=r"one row for each entry of userid, shape \(2, 100\), got \(3, 100\)"):
        model.recommend([0, 1], communities[:3], recalculate_user=True)
    with pytest.raises(IndexError, match="userid must be user ids"):
        model.recommend(-1, communities[:1], recalculate_user=True)
    with pytest.raises(TypeError, match="recalculate_user must be"):
        model.recommend(0, communities[:1], recalculate_user=1)
    vectors = SimpleNamespace(
        **{name: getattr(model, name) for name in ("user_factors", "item_factors", "item_biases")}
    )
    with pytest.raises(NotImplementedError, match="recalculate_user must be False"):
        centred(vectors).recommend(0, communities[:1], recalculate_user=True)


# ---- labels and input -----------------------------------------------------------------------------------------------


def test_a_subclass_stays_one(communities):
    class Special(BPR):
        pass

    model = Special(factors=4, iterations=1).fit(communities, show_progress=False)
    assert type(model.fold_in(communities[:1])) is Special


def test_a_folded_in_model_can_be_saved(communities, model, tmp_path):
    other = model.fold_in(communities[:3])
    other.save(tmp_path / "model.npz")
    loaded = BPR.load(tmp_path / "model.npz")
    assert_array_equal(loaded.recommend([0, 1, 2])[0], other.recommend([0, 1, 2])[0])


def labelled_model():
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob", "cy"], ["tea", "cup", "saw", "nail", "saw"])
    return fit(log, iterations=5)


def test_interactions_are_matched_by_item_labels_and_unknown_items_left_out():
    model = labelled_model()
    new = Interactions.from_arrays(["eve", "eve", "fay", "gus"], ["nail", "kite", "tea", "kite"])
    other = model.fold_in(new)
    assert other.user_labels.tolist() == ["eve", "fay", "gus"]
    assert other.item_labels.tolist() == ["tea", "cup", "saw", "nail"]
    by_columns = model.fold_in(matrix([0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]))
    assert_array_equal(other.user_factors, by_columns.user_factors)
    assert_array_equal(other.user_factors[2], 0)
    assert 3 not in other.recommend(0, N=4)[0]


def test_interactions_with_the_models_items_in_another_order_are_matched_too():
    model = labelled_model()
    new = Interactions.from_arrays(["eve", "eve", "fay", "fay"], ["nail", "saw", "cup", "tea"])
    by_columns = model.fold_in(matrix([0, 0, 1, 1], [1, 1, 0, 0]))
    assert_allclose(model.fold_in(new).user_factors, by_columns.user_factors, rtol=1e-6)


def test_bad_input_is_named(communities, model):
    with pytest.raises(ValueError, match="one column for each of the model's 100 items, in their order, got"):
        model.fold_in(communities[:, :99])
    with pytest.raises(TypeError, match=r"user_items must be a SciPy sparse matrix .* got ndarray"):
        model.fold_in(np.ones((1, 100)))
    with pytest.raises(ValueError, match="user_items must hold finite values, got nan"):
        model.fold_in(scipy.sparse.csr_array(np.full((1, 100), np.nan)))
    with pytest.raises(NotFittedError, match="fitted first"):
        BPR().fold_in(communities)
    with pytest.raises(ValueError, match="must have items that the model knows, got 1 of which it knows none"):
        labelled_model().fold_in(Interactions.from_arrays(["eve"], ["kite"]))


def test_held_out_users_of_real_data_get_lists_nearly_as_good_as_if_trained(data_folder):
    with np.load(data_folder / "ml_latest_small.npz") as data:
        log = Interactions.from_arrays(data["user"], data["item"])
    split = hold_out_users(log, share=0.2, random_state=0)
    options = {"factors": 32, "iterations": 40}
    new_to_training = fit(split.train, **options).fold_in(split.fold_in)
    trained = fit(scipy.sparse.csr_array(split.train.user_items + split.fold_in.user_items), **options)
    recall, possible = (
        evaluate(model, split.fold_in, split.test, metrics="recall@20")["recall@20"]
        for model in (new_to_training, trained)
    )
    assert possible > 0.15
    assert recall > 0.85 * possible


@pytest.mark.parametrize("name", ["balanced", "best"])
def test_users_folded_in_again_keep_their_lists_with_hard_negatives(communities, name):
    model = BPR.preset(name, factors=16, random_state=0).fit(communities, show_progress=False)
    folded = model.fold_in(communities)
    own = np.arange(200)[:, None] // 50
    assert (folded.recommend(np.arange(200), N=5)[0] // 25 == own).mean() > 0.95
    assert folded.settings == model.settings
    assert folded.settings is not model.settings


@pytest.mark.parametrize(
    ("options", "draws"),
    [
        ({}, 1),
        ({"negatives": "popularity"}, 1),
        ({"negatives": "adaptive"}, 1),
        ({"negatives": "dynamic", "n_candidates": 64}, 64),
        ({"loss": "softmax", "n_negatives": 8}, 8),
        ({"loss": "softmax", "n_negatives": 8, "negatives": "dynamic", "n_candidates": 32}, 256),
        ({"loss": "warp", "max_sampled": 10}, 27.18),
    ],
)
def test_newcomers_meet_as_many_negatives_as_training_draws(communities, options, draws, monkeypatch):
    model = fit(communities, iterations=1, **options)
    asked = []

    def fold_in_users(*arguments):
        asked.append(arguments[6])
        return found(*arguments)

    found = _fold_in.fold_in_users
    monkeypatch.setattr(_fold_in, "fold_in_users", fold_in_users)
    model.fold_in_users(communities[:2])
    assert asked == [pytest.approx(draws, rel=1e-3)]


def test_more_items_are_compared_with_where_draws_are_many():
    items = random_items(2000, 4)
    n_sampled = [len(_fold_in.Compared.for_draws(*items, draws).sampled) for draws in (1, 8, 9)]
    assert n_sampled == [800, 800, 1600]
