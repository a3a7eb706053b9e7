"""The model through its public face: learning, promises of the seed, lists, interruption, bad input."""

import copy
import pickle
import re
import threading
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, NotFittedError, TrainingError


def fit(user_items, **parameters):
    parameters = {"factors": 16, "iterations": 40, "random_state": 0, "num_threads": 2} | parameters
    return BPR(**parameters).fit(user_items, show_progress=False)


@pytest.fixture(scope="module")
def model(communities):
    return fit(communities)


def share_in_own_community(ids):
    """How many neighbours of each of the 100 items lie in its own group of 25, the item itself left out."""
    return (ids[:, 1:] // 25 == np.arange(len(ids))[:, None] // 25).mean()


# ---- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("init", ["normal", "xavier"])
@pytest.mark.parametrize("num_threads", [1, 2, 7])
def test_neighbours_come_from_the_same_community(communities, schedule, item_bias, init, num_threads):
    model = fit(communities, schedule=schedule, item_bias=item_bias, init=init, num_threads=num_threads)
    ids, _ = model.similar_items(np.arange(100), N=6)
    assert share_in_own_community(ids) > 0.95


def test_loss_falls_and_auc_rises(model):
    first, final = model.history[0], model.history[-1]
    assert first.loss == pytest.approx(np.log(2), abs=0.05)
    assert final.loss < 0.3 * first.loss
    assert final.auc > 0.95
    assert final.n_updates == first.n_updates
    assert [epoch.epoch for epoch in model.history] == list(range(40))


def test_linear_decay_ends_near_zero_and_constant_stays(communities):
    rates = [epoch.learning_rate for epoch in fit(communities, iterations=4, learning_rate=0.2).history]
    assert_allclose(rates, [0.2, 0.15, 0.1, 0.05])
    rates = [e.learning_rate for e in fit(communities, iterations=3, learning_rate_decay="constant").history]
    assert_allclose(rates, [0.2] * 3)


def test_first_epoch_loss_is_what_the_reference_says_of_the_start(communities):
    model = fit(communities, learning_rate=1e-9, iterations=1, factors=8, init_scale=1.0)
    users, items = communities.nonzero()
    margins = []
    rng = np.random.default_rng(0)
    start = reference.Model(model.user_factors, model.item_factors, model.item_biases)
    liked = communities.toarray() > 0
    for u, i in zip(users, items, strict=True):
        j = rng.choice(np.flatnonzero(~liked[u]))
        margins.append(reference.loss(start, u, i, j))
    assert model.history[0].loss == pytest.approx(np.mean(margins), rel=0.1)


def test_normal_and_xavier_starts_have_the_documented_spread():
    matrix = scipy.sparse.csr_array(np.eye(2000, 3000, dtype=np.float32))
    for init, spreads in [("normal", (0.1, 0.1)), ("xavier", (np.sqrt(2 / 2032), np.sqrt(2 / 3032)))]:
        model = fit(matrix, factors=32, init=init, learning_rate=1e-9, iterations=1)
        assert model.user_factors.std() == pytest.approx(spreads[0], rel=0.02)
        assert model.item_factors.std() == pytest.approx(spreads[1], rel=0.02)
    assert fit(matrix, init_scale=0.5, learning_rate=1e-9, iterations=1).item_factors.std() == pytest.approx(
        0.5, rel=0.02
    )


def test_each_regularisation_shrinks_its_own_rows(communities):
    plain = fit(communities, regularization=0.0)
    norms = [np.linalg.norm(plain.user_factors), np.linalg.norm(plain.item_factors), np.abs(plain.item_biases).sum()]
    for part, position in [("user", 0), ("positive", 1), ("negative", 1), ("bias", 2)]:
        others = dict.fromkeys(("user", "positive", "negative", "bias"), 0.0)
        model = fit(communities, regularization=others | {part: 1.0})
        changed = [
            np.linalg.norm(model.user_factors),
            np.linalg.norm(model.item_factors),
            np.abs(model.item_biases).sum(),
        ]
        assert changed[position] < 0.8 * norms[position]


def test_without_item_bias_the_biases_are_zeros(communities):
    assert not fit(communities, item_bias=False).item_biases.any()
    assert fit(communities).item_biases.any()


def test_users_and_items_without_interactions_are_no_problem(communities):
    padded = scipy.sparse.csr_array(
        (communities.data, communities.indices, np.append(communities.indptr, [communities.nnz] * 3)), shape=(203, 140)
    )
    model = fit(padded)
    assert not model.user_factors[200:].any()
    ids, _ = model.recommend([0, 202], N=5)
    assert (ids[0] < 25).all()  # of the user's community
    assert_array_equal(ids[1], np.argsort(-model.item_biases, kind="stable")[:5])


# ---- what a seed promises ----------------------------------------------------------------------------------------


def test_blocked_factors_are_the_same_bits_on_1_2_3_and_8_threads():
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.csr_array(rng.random((2000, 1500)) < 0.02, dtype=np.float32)
    models = [fit(matrix, num_threads=n, factors=20, iterations=3) for n in (1, 2, 3, 8)]
    for other in models[1:]:
        assert_array_equal(other.user_factors, models[0].user_factors)
        assert_array_equal(other.item_factors, models[0].item_factors)
        assert_array_equal(other.item_biases, models[0].item_biases)
        assert [epoch[:5] for epoch in other.history] == [epoch[:5] for epoch in models[0].history]


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_a_seed_repeats_and_another_seed_differs(communities, schedule):
    first, again, other = (fit(communities, schedule=schedule, num_threads=1, random_state=s) for s in (1, 1, 2))
    assert_array_equal(first.item_factors, again.item_factors)
    assert (first.item_factors != other.item_factors).any()


def test_no_seed_means_fresh_randomness(communities):
    first, second = (fit(communities, iterations=1, random_state=None) for _ in range(2))
    assert (first.item_factors != second.item_factors).any()


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_generators_are_accepted_as_seeds(communities, make):
    first, second = (fit(communities, iterations=1, random_state=make(3)) for _ in range(2))
    assert_array_equal(first.item_factors, second.item_factors)


def test_a_second_fit_starts_afresh(communities, model):
    again = fit(communities, iterations=3)
    again.iterations = 40
    again.fit(communities, show_progress=False)
    assert_array_equal(again.item_factors, model.item_factors)


# ---- what counts as input ----------------------------------------------------------------------------------------


def with_wide_indices(matrix):
    wide = scipy.sparse.csr_array(matrix, copy=True)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    return wide


def unsorted_with_duplicates(matrix):
    coo = matrix.tocoo()
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(coo.nnz), 2))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(coo.row[order], minlength=matrix.shape[0]))])
    order = order[np.argsort(coo.row[order], kind="stable")]
    return scipy.sparse.csr_array((np.ones(len(order)), coo.col[order], indptr), shape=matrix.shape)


def with_explicit_zeros(matrix):
    coo = matrix.tocoo()
    rows, columns = np.append(coo.row, [0, 7]), np.append(coo.col, [99, 3])
    return scipy.sparse.csr_array((np.append(coo.data, [0, 0]), (rows, columns)), shape=matrix.shape)


def read_only(matrix):
    matrix = matrix.copy()
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


FORMS = {
    "csr_matrix": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_array,
    "coo": scipy.sparse.coo_array,
    "lil": scipy.sparse.lil_array,
    "dok": scipy.sparse.dok_array,
    "bool": lambda m: m.astype(bool),
    "int64": lambda m: m.astype(np.int64),
    "float64": lambda m: m.astype(np.float64),
    "wide indices": with_wide_indices,
    "unsorted with duplicates": unsorted_with_duplicates,
    "explicit zeros": with_explicit_zeros,
    "read-only": read_only,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_matrix_gives_the_same_model_and_stays_as_it_was(communities, form):
    given = FORMS[form](communities)
    kept = copy.deepcopy(given)
    expected = fit(communities, iterations=2)
    assert_array_equal(fit(given, iterations=2).item_factors, expected.item_factors)
    assert type(given) is type(kept)
    assert given.dtype == kept.dtype
    for name in ("data", "indices", "indptr", "row", "col"):
        if isinstance(getattr(kept, name, None), np.ndarray) and getattr(kept, name).dtype != object:
            assert_array_equal(getattr(given, name), getattr(kept, name))


def test_changing_the_matrix_after_the_fit_changes_no_answer(communities):
    matrix = communities.copy()
    model = fit(matrix, iterations=2)
    expected = model.recommend(np.arange(200))[0]
    matrix.indices[:] = 0
    assert_array_equal(model.recommend(np.arange(200))[0], expected)


def test_weights_multiply_the_update(communities):
    # One tiny step per interaction: a bias rises by half the step times the interaction's weight over the mean weight.
    weighted = communities.copy()
    heavy = weighted.indices < 50
    weighted.data[heavy] = 3
    small = {"iterations": 1, "learning_rate": 1e-4, "regularization": 0, "factors": 4, "random_state": 0}
    biases = BPR(**small).fit(weighted, weights="values", show_progress=False).item_biases
    expected = 0.5e-4 * (weighted.data[heavy].sum() - weighted.data[~heavy].sum()) / 50 / weighted.data.mean()
    assert biases[:50].mean() - biases[50:].mean() == pytest.approx(expected, rel=0.4)
    plain = BPR(**small).fit(weighted, weights="ignore", show_progress=False).item_biases
    assert_array_equal(plain, BPR(**small).fit(communities, show_progress=False).item_biases)
    assert (plain != biases).any()


def test_weights_count_in_relation_to_their_mean(communities):
    plain = fit(communities, iterations=2)
    for factor in (0.01, 64):
        model = BPR(factors=16, iterations=2, random_state=0, num_threads=2)
        model.fit(communities * np.float32(factor), weights="values", show_progress=False)
        assert_allclose(model.item_factors, plain.item_factors, atol=1e-4)


def test_runaway_factors_are_an_error_before_they_leave_the_finite_numbers(communities):
    model = BPR(learning_rate=50.0, iterations=3, random_state=0)
    with pytest.raises(TrainingError, match=r"Training diverged after 0 whole epochs with learning_rate=50.0"):
        model.fit(communities, show_progress=False)
    assert model.item_factors is None


def test_a_changed_model_is_saved_whole_or_not_at_all(communities, tmp_path):
    model = fit(communities, iterations=1)
    model.factors = 99
    model.item_factors = model.item_factors.astype(float)
    model.save(tmp_path / "model")
    assert_array_equal(BPR.load(tmp_path / "model").recommend(3)[0], model.recommend(3)[0])
    model.user_factors = model.user_factors[:-1]
    with pytest.raises(ValueError, match="do not fit each other"):
        model.save(tmp_path / "other")
    model.iterations = "abc"
    with pytest.raises(TypeError, match="iterations must be an integer"):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_different_values_that_are_not_used_are_warned_of(communities):
    counts = communities.copy()
    counts.data[0] = 5
    with pytest.warns(UserWarning, match="weights='values'"):
        fit(counts, iterations=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BPR(iterations=1).fit(counts, weights="ignore", show_progress=False)


# ---- stopping ---------------------------------------------------------------------------------------------------


def test_a_callback_sees_each_epoch_and_can_stop(communities):
    seen = []

    def stop_at_third(epoch, elapsed, correct, skipped):
        seen.append((epoch, correct, skipped, model.history[-1].loss, model.item_factors.copy()))
        assert elapsed > 0
        return epoch == 2

    model = BPR(iterations=10, random_state=0)
    model.fit(communities, show_progress=False, callback=stop_at_third)
    assert [epoch for epoch, *_ in seen] == [0, 1, 2]
    assert len(model.history) == 3
    assert all(0 < correct <= communities.nnz and skipped == 0 for _, correct, skipped, *_ in seen)
    assert_array_equal(seen[-1][-1], model.item_factors)
    assert model.recommend(0)[0].shape == (10,)


def test_an_error_in_a_callback_leaves_a_usable_model(communities):
    model = BPR(iterations=5)
    with pytest.raises(ZeroDivisionError):
        model.fit(communities, show_progress=False, callback=lambda *_: 1 / 0)
    assert len(model.history) == 1
    assert model.similar_items(0)[0][0] == 0


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_ctrl_c_stops_within_the_epoch_and_leaves_a_usable_model(schedule, ctrl_c):
    rng = np.random.default_rng(0)
    n = 12_000_000
    users, items = rng.integers(60_000, size=n), rng.integers(4_000, size=n)
    matrix = scipy.sparse.coo_array((np.ones(n, dtype=np.float32), (users, items)), shape=(60_000, 4_000)).tocsr()
    matrix.data[:] = 1
    model = BPR(factors=16, iterations=60, schedule=schedule)
    timer = threading.Timer(0.7, ctrl_c)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(matrix, show_progress=False)
    timer.join()
    assert np.isfinite(model.item_factors).all()
    assert len(model.history) < 60
    assert (model.similar_items([0, 1], N=3)[0][:, 0] == [0, 1]).all()


def test_the_gil_is_free_while_an_epoch_runs(communities):
    # Another thread must get on while fit is in the kernel: a fit of one long epoch is interleaved with its ticks.
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    matrix = scipy.sparse.csr_array(np.random.default_rng(0).random((4000, 600)) < 0.4, dtype=np.float32)
    thread = threading.Thread(target=tick)
    thread.start()
    before = len(ticks)
    BPR(factors=128, iterations=2, num_threads=1).fit(matrix, show_progress=False)
    during = len(ticks) - before
    done.set()
    thread.join()
    assert during > 20


def test_divergence_is_an_error_that_says_what_to_do_and_keeps_the_old_model(communities):
    model = fit(communities, iterations=2)
    kept = model.item_factors
    model.learning_rate = 1e20
    with pytest.raises(TrainingError, match=r"Lower learning_rate \(try 1e\+19\)"):
        model.fit(communities, show_progress=False)
    assert model.item_factors is kept
    assert len(model.history) == 2


def test_progress_shows_loss_and_auc(communities, capsys):
    BPR(iterations=3).fit(communities)
    shown = capsys.readouterr().err
    assert "loss=" in shown
    assert "auc=" in shown


# ---- lists ------------------------------------------------------------------------------------------------------


def test_recommend_is_exact_and_leaves_out_what_users_have(communities, model):
    scores = model.score(np.arange(200))
    assert_allclose(scores, model.user_factors @ model.item_factors.T + model.item_biases, rtol=1e-4, atol=1e-5)
    ids, best = model.recommend(np.arange(200), N=7)
    for user in range(200):
        liked = communities.indices[communities.indptr[user] : communities.indptr[user + 1]]
        expected_ids, expected_scores = reference.top_k(scores[user], 7, range(100), liked)
        assert_array_equal(ids[user], expected_ids)
        assert_array_equal(best[user], expected_scores.astype(np.float32))


def test_recommend_takes_filters_and_candidates(model):
    assert 3 not in model.recommend(0, N=100, filter_items=[3, 4])[0]
    ids, scores = model.recommend(0, N=4, items=[50, 60], filter_already_liked_items=False)
    assert set(ids[:2]) == {50, 60}
    assert_array_equal(ids[2:], [-1, -1])
    assert np.isneginf(scores[2:]).all()
    everything = model.recommend(0, N=100, filter_already_liked_items=False)[0]
    assert_array_equal(np.sort(everything), np.arange(100))


def test_recommend_uses_the_given_rows_instead_of_the_training_data(communities, model):
    nothing = scipy.sparse.csr_array((2, 100), dtype=np.float32)
    ids, _ = model.recommend([0, 1], nothing, N=100)
    assert (ids >= 0).all()
    some = scipy.sparse.csr_array(([1.0], ([1], [7])), shape=(2, 100))
    ids, _ = model.recommend([0, 1], some, N=100)
    assert 7 in ids[0]
    assert 7 not in ids[1]
    assert_array_equal(model.recommend(5, communities[[5]])[0], model.recommend(5)[0])


def test_similar_items_are_the_cosine_neighbours_with_the_item_itself_first(model):
    unit = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    ids, scores = model.similar_items(np.arange(100), N=8)
    for item in range(100):
        others, _ = reference.top_k(cosines[item], 7, range(100), [item])
        assert ids[item, 0] == item
        assert scores[item, 0] == 1
        assert_allclose(cosines[item, ids[item, 1:]], cosines[item, others], atol=1e-6)
        assert_allclose(scores[item], cosines[item, ids[item]], atol=1e-6)


def test_similar_users_are_neighbours_of_the_same_community(model):
    ids, _ = model.similar_users(np.arange(200), N=11)
    assert_array_equal(ids[:, 0], np.arange(200))
    assert (ids[:, 1:] // 50 == np.arange(200)[:, None] // 50).mean() > 0.9


def test_similar_items_takes_filters_and_candidates(model):
    ids, _ = model.similar_items(3, N=100, filter_items=[5, 6])
    assert not np.isin([5, 6], ids).any()
    assert ids[0] == 3
    assert 3 not in model.similar_items(3, filter_items=[3])[0]
    assert_array_equal(np.sort(model.similar_items(3, N=3, items=[9, 2])[0]), [-1, 2, 9])
    assert_array_equal(model.similar_items(3, N=2, items=[3, 3])[0], [3, -1])
    assert 8 not in model.similar_users(3, N=200, filter_users=[8])[0]


def test_n_larger_than_the_catalogue_is_padded(model):
    ids, scores = model.similar_items([0, 1], N=130)
    assert ids.shape == scores.shape == (2, 130)
    assert (ids[:, 100:] == -1).all()
    assert np.isneginf(scores[:, 100:]).all()
    assert_array_equal(np.sort(ids[:, :100], axis=1), np.tile(np.arange(100), (2, 1)))


def test_single_ids_give_one_dimension_and_arrays_two(model):
    for method in (model.recommend, model.similar_items, model.similar_users):
        for single in (3, np.int64(3), np.array(3), np.uint8(3)):
            ids, scores = method(single, N=5)
            assert ids.shape == scores.shape == (5,)
            assert ids.dtype == np.int32
            assert scores.dtype == np.float32
        for batch in ([3], (3,), np.array([3]), np.array([[3, 0]]).T[:1, 0]):
            assert method(batch, N=5)[0].shape == (1, 5)
        assert method([], N=5)[0].shape == (0, 5)
    assert model.score(3).shape == (100,)
    assert model.score([3, 4]).shape == (2, 100)


def test_an_item_without_a_direction_has_cosine_zero(communities, model):
    changed = copy.deepcopy(model)
    factors = model.item_factors.copy()
    factors[4] = 0
    changed.item_factors = factors
    ids, scores = changed.similar_items(4, N=3)
    assert ids[0] == 4
    assert_array_equal(scores, [0, 0, 0])


def test_new_factors_are_used_at_once(model):
    changed = copy.deepcopy(model)
    changed.similar_items(0)
    changed.item_factors = np.ascontiguousarray(model.item_factors[::-1])
    assert_array_equal(changed.similar_items(99, N=100)[0], 99 - model.similar_items(0, N=100)[0])


def test_fitted_arrays_are_read_only_and_compact(model):
    for array in (model.user_factors, model.item_factors, model.item_biases):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_queries_from_many_threads_get_the_answers_of_one(model):
    expected = [model.similar_items(i)[0] for i in range(100)]
    wrong = []

    def ask(offset):
        for k in range(100):
            item = (k + offset) % 100
            if not np.array_equal(model.similar_items(item)[0], expected[item]):
                wrong.append(item)

    threads = [threading.Thread(target=ask, args=[13 * k]) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_can_be_copied_and_pickled(model):
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(twin.recommend(4)[0], model.recommend(4)[0])


def test_repr_tells_what_the_model_is(model):
    assert "not fitted" in repr(BPR())
    assert "200 users and 100 items" in repr(model)


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("factors", 0, "an integer >= 1"),
        ("factors", 2.5, "an integer >= 1"),
        ("factors", True, "an integer >= 1"),
        ("learning_rate", 0, "a finite number > 0"),
        ("learning_rate", float("nan"), "a finite number > 0"),
        ("learning_rate", "fast", "a finite number > 0"),
        ("regularization", -0.1, "a finite number >= 0"),
        ("regularization", float("inf"), "a finite number >= 0"),
        ("iterations", 0, "an integer >= 1"),
        ("num_threads", -1, "an integer from 0 to 1024"),
        ("schedule", "random", "one of 'blocked', 'hogwild'"),
        ("negatives", "popular", "one of 'uniform'"),
        ("item_bias", 1, "True or False"),
        ("init", "zeros", "one of 'normal', 'xavier'"),
        ("init_scale", 0.0, "a finite number > 0"),
        ("learning_rate_decay", "step", "one of 'constant', 'linear'"),
        ("verify_negative_samples", None, "True or False"),
        ("debias", "context", "one of None"),
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


@pytest.mark.parametrize("what", ["negative index", "index too large", "falling indptr"])
@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo"])
def test_a_broken_matrix_is_refused_before_anything_reads_out_of_bounds(communities, kind, what):
    broken = communities.asformat(kind, copy=True)
    if kind == "coo":
        if what == "falling indptr":
            pytest.skip("COO has no indptr")
        broken.coords[1][3] = -1 if what == "negative index" else 50_000_000
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


def test_recalculating_users_is_refused_for_now(model):
    with pytest.raises(NotImplementedError, match="recalculate_user must be False"):
        model.recommend(0, recalculate_user=True)
