"""Vectors and biases for items that training has not seen: their formula, and how good their lists are."""

import numpy as np
import pytest
import scipy.sparse
from helpers import fit, matrix
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions, NotFittedError, _fold_in, _fold_in_items, _growth

STRENGTHS = {"positive": 0.02, "negative": 0.03, "bias": 0.05}
N_ITEMS, OWN = 30, np.array([1, 4, 5])


@pytest.fixture
def state():
    """Factors of 12 users and 30 items, float64, and what users have: all of it for user 5."""
    rng = np.random.default_rng(0)
    rows = rng.random((12, N_ITEMS)) < 0.2
    rows[5] = True
    rows = scipy.sparse.csr_array(rows)
    factors = rng.normal(size=(12, 3)), rng.normal(size=(N_ITEMS, 3)), rng.normal(size=N_ITEMS)
    return factors, (rows.indptr, rows.indices)


def known_of(state, n_candidates=1, has_biases=True):
    (users, items, biases), liked = state
    biases = biases * has_biases
    sample = _fold_in.Negatives.of(items, biases)
    return _fold_in_items.Known.of((users, items, biases), liked, sample, STRENGTHS, n_candidates, has_biases)


def objective(row, own, state):
    """The formula, triplet by triplet, with the whole catalogue for samples."""
    (users, items, biases), (indptr, indices) = state
    vector, bias = row[:3], row[3] if len(row) > 3 else 0
    biases = biases if len(row) > 3 else 0 * biases
    as_positive, as_negative, n_positive, n_negative, weights = 0, 0, 0, 0, 0
    for user in range(len(users)):
        has = indices[indptr[user] : indptr[user + 1]]
        score = users[user] @ vector + bias
        scores = items @ users[user] + biases
        if user in own:
            free = np.setdiff1d(np.arange(N_ITEMS), has)
            if len(free):
                as_positive += np.logaddexp(0, scores[free] - score).mean()
                n_positive += 1
        else:
            chance = 1 / (N_ITEMS + 1 - len(has))
            n_negative += len(has) * chance
            weights += len(has) * chance
            as_negative += np.logaddexp(0, score - scores[has]).sum() * chance
    value = as_positive + as_negative * n_negative / weights
    value += (n_positive * STRENGTHS["positive"] + n_negative * STRENGTHS["negative"]) / 2 * vector @ vector
    total = n_positive + n_negative
    return value / total + STRENGTHS["bias"] / 2 * bias**2


@pytest.mark.parametrize("block_size", [2**20, 1])  # 1: one user at a time
@pytest.mark.parametrize("has_biases", [True, False])
def test_the_value_follows_the_formula(state, monkeypatch, block_size, has_biases):
    monkeypatch.setattr(_fold_in_items, "BLOCK_SIZE", block_size)
    function = _fold_in_items.OfItem.with_users(OWN, known_of(state, has_biases=has_biases))
    row = np.random.default_rng(1).normal(size=3 + has_biases)
    assert_allclose(function.derivatives(row)[0], objective(row, OWN, state))


@pytest.mark.parametrize("block_size", [2**20, 1])
@pytest.mark.parametrize("n_candidates", [1, 2, 8])
def test_both_derivatives_agree_with_differences(state, monkeypatch, block_size, n_candidates):
    monkeypatch.setattr(_fold_in_items, "BLOCK_SIZE", block_size)
    function = _fold_in_items.OfItem.with_users(OWN, known_of(state, n_candidates))
    row, step = np.random.default_rng(1).normal(size=4), 1e-6
    _, gradient, hessian = function.derivatives(row)
    for axis in range(4):
        there, back = (function.derivatives(row + sign * step * np.eye(4)[axis]) for sign in (1, -1))
        assert_allclose(gradient[axis], (there[0] - back[0]) / (2 * step), atol=1e-7)
        assert_allclose(hessian[axis], (there[1] - back[1]) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("n_candidates", [1, 8])
@pytest.mark.parametrize("own", [OWN, np.arange(12), np.array([5])])
def test_a_row_is_the_minimum(state, n_candidates, own):
    known = known_of(state, n_candidates)
    users_of = scipy.sparse.csr_array((np.ones(len(own)), own, [0, len(own)]), shape=(1, 12))
    biases, vectors = _fold_in_items.fold_in_items(users_of, known)
    assert biases.dtype == vectors.dtype == np.float32
    row = np.append(vectors[0], biases[0]).astype(float)
    at_zero, here = (_fold_in_items.OfItem.with_users(own, known).derivatives(at)[1] for at in (0 * row, row))
    assert np.linalg.norm(here) < 1e-3 * max(np.linalg.norm(at_zero), 0.01)


@pytest.mark.parametrize("n_draws", [1, 4])
def test_chances_are_those_of_the_best_of_draws(n_draws):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1, 6))
    taken = np.array([[False, True, False, False, True, False]])
    free = np.flatnonzero(~taken[0])
    draws = free[rng.integers(4, size=(200_000, n_draws))]
    best = draws[np.arange(len(draws)), scores[0, draws].argmax(axis=1)]
    found = np.bincount(best, minlength=6) / len(best)
    assert_allclose(_fold_in_items.chances(scores, taken, n_draws)[0], found, atol=0.005)


def test_a_draw_is_pulled_down_as_often_as_it_is_the_best():
    rng = np.random.default_rng(0)
    sampled = rng.normal(size=(1, 20_000))
    n_candidates, score = 5, np.array([0.3])
    curve = _fold_in_items.OtherLosses.of(score, n_candidates, sampled, np.zeros(sampled.shape, dtype=bool))
    for reached in (-5.0, -1.0, 0.0, 0.7, 2.0, 6.0):
        share = (sampled < reached).mean()
        expected = n_candidates * share ** (n_candidates - 1) / (1 + np.exp(score[0] - reached))
        assert_allclose(curve.at(np.array([reached]))[1], expected, atol=0.01 * n_candidates)


def test_slopes_never_fall():
    sampled = np.random.default_rng(0).normal(size=(1, 50)).round(1)  # with equal scores
    curve = _fold_in_items.OtherLosses.of(np.array([0.3]), 9, sampled, sampled > 2)
    slopes = [curve.at(np.array([score]))[1][0] for score in np.linspace(-4, 6, 999)]
    assert (np.diff(slopes) > -1e-9).all()
    assert slopes[0] == 0 < slopes[-1] < 9


# ---- the model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"negatives": "dynamic"}, {"loss": "warp"}, {"item_bias": False}])
def test_new_items_are_like_their_twins(communities, options):
    model = fit(communities, **options)
    twins = np.array([3, 30, 60, 99])
    more = model.fold_in_items(scipy.sparse.csr_array(communities[:, twins].T))
    assert more.item_factors.shape == (104, 16)
    neighbours = more.similar_items(np.arange(100, 104), N=6)[0][:, 1:]
    assert_array_equal(neighbours // 25, twins[:, None] // 25 * np.ones(5))
    assert np.all(more.item_biases[100:] != 0) == options.get("item_bias", True)
    for name in ("user_factors", "item_factors", "item_biases"):
        assert_array_equal(getattr(more, name)[: len(getattr(model, name))], getattr(model, name))


def test_new_items_are_recommended_to_the_rest_of_their_community_only(communities, model):
    users_of = np.zeros((1, 200), dtype=bool)
    users_of[0, 100:125] = True
    more = model.fold_in_items(scipy.sparse.csr_array(users_of))
    scores = more.score(np.arange(200))[:, 100]
    assert scores[125:150].min() > scores[np.r_[:100, 150:200]].max()
    ids, _ = more.recommend(np.arange(200), N=90)
    has = (ids == 100).any(axis=1)
    assert not has[100:125].any()
    assert has[125:150].all()


def test_the_same_users_give_the_same_bits_among_any_others_and_on_any_number_of_threads(communities):
    model = fit(communities, iterations=5, negatives="dynamic")
    users_of = scipy.sparse.csr_array(communities[:, :70].T)
    rows = []
    for num_threads in (1, 2, 7):
        model.num_threads = num_threads
        rows.append(model.fold_in_items(users_of).item_factors[100:])
    assert_array_equal(rows[0], rows[1])
    assert_array_equal(rows[0], rows[2])
    assert_array_equal(model.fold_in_items(users_of[[50]]).item_factors[100], rows[0][50])


def test_an_item_without_users_is_similar_to_nothing_and_ranks_low(communities, model):
    more = model.fold_in_items(scipy.sparse.csr_array((1, 200)))
    assert_array_equal(more.item_factors[100], 0)
    assert more.item_biases[100] < np.median(model.item_biases)


def test_items_can_be_folded_into_models_of_users_who_have_nothing(model):
    nobody = model.fold_in(scipy.sparse.csr_array((2, 100)))
    more = nobody.fold_in_items(matrix([1, 0], [0, 0]))
    assert_array_equal(more.item_factors[100:], 0)
    assert_array_equal(more.recommend(0, N=102)[0][-1], -1)  # for the one that the user has


def test_no_items_are_no_rows(model):
    assert model.fold_in_items(scipy.sparse.csr_array((0, 200))).item_factors.shape == (100, 16)


def test_users_of_very_popular_items_are_sampled(communities, model, monkeypatch):
    users_of = scipy.sparse.csr_array(np.arange(200)[None] < 50)
    whole = model.fold_in_items(users_of)
    monkeypatch.setattr(_fold_in_items, "N_USERS", 40)
    sampled = model.fold_in_items(users_of)
    one, other = (each.item_factors[100] for each in (whole, sampled))
    assert (one != other).any()
    assert one @ other > 0.98 * np.linalg.norm(one) * np.linalg.norm(other)


def test_a_model_of_more_items_can_be_saved_and_folded_into_again(communities, model, tmp_path):
    users_of = scipy.sparse.csr_array(communities[:, :3].T)
    twice = model.fold_in_items(users_of).fold_in_items(users_of[[0]])
    assert twice.item_factors.shape == (104, 16)
    twice.save(tmp_path / "model.npz")
    loaded = BPR.load(tmp_path / "model.npz")
    assert_array_equal(loaded.recommend(np.arange(200))[0], twice.recommend(np.arange(200))[0])


def test_histories_grow_by_new_items():
    indptr, indices = np.array([0, 2, 2, 3]), np.array([1, 4, 0], dtype=np.int32)
    users_of = matrix([1, 0, 1], [1, 0, 0])
    starts, joined = _growth.with_items((indptr, indices), 5, users_of)
    assert starts.tolist() == [0, 4, 4, 6]
    assert joined.tolist() == [1, 4, 5, 6, 0, 5]
    assert joined.dtype == np.int32


def test_a_model_with_features_goes_on_from_the_vectors_of_new_items(communities):
    groups = scipy.sparse.csr_array(np.repeat(np.eye(4), 25, axis=0))
    model = HybridBPR(factors=8, iterations=20, random_state=0)
    model.fit(communities, item_features=groups, show_progress=False)
    more = model.fold_in_items(scipy.sparse.csr_array(communities[:, [7]].T))
    assert_array_equal(more.item_own_factors[100], more.item_factors[100])
    assert_array_equal(more.item_own_biases[100], more.item_biases[100])
    assert_array_equal(more.item_own_factors[:100], model.item_own_factors)


def labelled_model():
    users = ["ann", "ann", "bob", "bob", "cy", "cy"]
    return fit(Interactions.from_arrays(users, ["tea", "cup", "tea", "cup", "saw", "nail"]), iterations=5)


def test_interactions_are_matched_by_user_labels_and_what_is_known_left_out():
    model = labelled_model()
    log = Interactions.from_arrays(["cy", "eve", "bob", "ann", "cy"], ["bolt", "bolt", "pot", "tea", "pot"])
    more = model.fold_in_items(log)
    assert more.item_labels.tolist() == ["tea", "cup", "saw", "nail", "bolt", "pot"]
    by_rows = model.fold_in_items(matrix([0, 0, 1], [0, 1, 1]), item_labels=["bolt", "pot"])
    assert_array_equal(more.item_factors, by_rows.item_factors)
    assert_array_equal(more.recommend([0, 1, 2], N=6)[0], by_rows.recommend([0, 1, 2], N=6)[0])
    assert not {4, 5} & set(more.recommend(2, N=6)[0])


def test_bad_input_is_named(communities, model):
    with pytest.raises(
        ValueError, match=r"one column for each of the model's 200 users, .* transposed: try item_users"
    ):
        model.fold_in_items(communities)
    with pytest.raises(TypeError, match=r"item_users must be a SciPy sparse matrix .* got ndarray"):
        model.fold_in_items(np.ones((1, 200)))
    with pytest.raises(ValueError, match="item_users must hold finite values, got nan"):
        model.fold_in_items(scipy.sparse.csr_array(np.full((1, 200), np.nan)))
    with pytest.raises(NotFittedError, match="fitted first"):
        BPR().fold_in_items(communities)
    with pytest.raises(ValueError, match="item_labels must be left out: the model has no item labels"):
        model.fold_in_items(scipy.sparse.csr_array((1, 200)), item_labels=["pot"])
    labelled = labelled_model()
    with pytest.raises(ValueError, match="item_labels must be given: the model has labels"):
        labelled.fold_in_items(matrix([0, 0, 1]))
    with pytest.raises(ValueError, match="item_labels must be new and differ from each other, got 'tea' twice"):
        labelled.fold_in_items(matrix([0, 0, 1]), item_labels=["tea"])
    with pytest.raises(ValueError, match="must have items that the model does not know, got 1 of which it knows all"):
        labelled.fold_in_items(Interactions.from_arrays(["ann"], ["saw"]))
    with pytest.raises(ValueError, match="must have users that the model knows, got 1 of which it knows none"):
        labelled.fold_in_items(Interactions.from_arrays(["eve"], ["pot"]))
    with pytest.raises(ValueError, match="item_labels must be left out with Interactions, which have their own"):
        labelled.fold_in_items(Interactions.from_arrays(["ann"], ["pot"]), item_labels=["pot"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"negatives": "dynamic", "n_candidates": 8},
        {"negatives": "dynamic", "n_candidates": 2, "loss": "softmax", "n_negatives": 4, "regularization": 0.03},
    ],
)
def test_held_out_items_of_real_data_have_lists_like_those_of_training(data_folder, options):
    with np.load(data_folder / "ml100k.npz") as data:
        rows = scipy.sparse.csr_array((np.ones(len(data["user"])), (data["user"], data["item"])), dtype=np.float32)
    rows = scipy.sparse.csr_array(rows)
    n_items = rows.shape[1]
    counts = np.bincount(rows.indices, minlength=n_items)
    held_out = np.random.default_rng(0).choice(np.flatnonzero(counts >= 20), 50, replace=False)
    order = np.append(np.setdiff1d(np.arange(n_items), held_out), held_out)
    options = {"factors": 32, "iterations": 30} | options
    trained = fit(rows[:, order], **options)
    folded = fit(rows[:, order[:-50]], **options).fold_in_items(scipy.sparse.csr_array(rows[:, held_out].T))
    lists, known = (
        [m.similar_items(ids, N=11)[0][:, 1:] for m in (trained, folded)]
        for ids in (np.arange(n_items - 50, n_items), np.flatnonzero(counts[order[:-50]] >= 20))
    )
    shared, usual = (
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*both, strict=True)]) for both in (lists, known)
    )
    assert shared > 0.9 * usual > 0.2
