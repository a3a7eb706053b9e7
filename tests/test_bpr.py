"""The model's training through its public face: learning, promises of the seed, input, stopping."""

import copy
import threading
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse
from helpers import fit, share_in_own_community
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, TrainingError

# ---- learning -------------------------------------------------------------------------------------------------------


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
    losses = []
    rng = np.random.default_rng(0)
    start = reference.Model(model.user_factors, model.item_factors, model.item_biases)
    liked = communities.toarray() > 0
    for u, i in zip(users, items, strict=True):
        j = rng.choice(np.flatnonzero(~liked[u]))
        losses.append(reference.loss_of(reference.margin(start, u, i, j)))
    assert model.history[0].loss == pytest.approx(np.mean(losses), rel=0.1)


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


# ---- what a seed promises -------------------------------------------------------------------------------------------


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


# ---- what counts as input -------------------------------------------------------------------------------------------


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


# ---- stopping -------------------------------------------------------------------------------------------------------


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
    timer = threading.Timer(0.05, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        model.fit(matrix, show_progress=False, callback=lambda epoch, *_: timer.start() if epoch == 0 else None)
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


def test_given_negatives_fall_below_what_nobody_judged(communities):
    # Every user dislikes three items of the own community: they leave the lists.
    dense = np.zeros(communities.shape)
    own = communities.toarray().astype(bool)
    for user in range(200):
        group = np.arange(25) + user // 50 * 25
        dense[user, group[~own[user, group]][:3]] = 1
    disliked = scipy.sparse.csr_array(dense)
    lists = {}
    for name, negatives in (("plain", None), ("given", disliked)):
        model = BPR(factors=16, iterations=60, given_share=0.5, random_state=0)
        model.fit(communities, negatives=negatives, show_progress=False)
        ids, _ = model.recommend(np.arange(200), N=5)
        lists[name] = np.take_along_axis(dense, ids, axis=1).mean()
    assert lists["plain"] > 0.1
    assert lists["given"] < 0.2 * lists["plain"]


def test_a_step_decay_halves_the_rate_after_every_quarter(communities):
    model = fit(communities, iterations=8, learning_rate=0.4, learning_rate_decay="step")
    assert [epoch.learning_rate for epoch in model.history] == [0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05]
