"""Interactions with signs and weights: the logistic loss, biases of users, and weights given as a matrix."""

import json
import re

import numpy as np
import pytest
import scipy.sparse
from helpers import fit, matrix
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions

USER_GROUPS, ITEM_GROUPS = np.arange(200) // 50, np.arange(100) // 25
OWN = USER_GROUPS[:, None] == ITEM_GROUPS


@pytest.fixture(scope="module")
def signed():
    """Users want the items of their own group, and said so of three in ten items; one in four is hard to please."""
    rng = np.random.default_rng(0)
    signs = np.where(OWN, 1, -1)
    signs[::4] = np.where(rng.random((50, 100)) < 0.7, -1, signs[::4])
    return scipy.sparse.csr_array(np.where(rng.random((200, 100)) < 0.3, signs, 0))


@pytest.fixture(scope="module")
def opinions(signed):
    return fit(signed, loss="logistic")


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
@pytest.mark.parametrize(("optimizer", "learning_rate"), [("sgd", 0.1), ("adagrad", 0.3), ("adadelta", 1.0)])
def test_signs_of_interactions_that_were_not_seen_are_foretold(signed, schedule, optimizer, learning_rate):
    model = fit(signed, loss="logistic", schedule=schedule, optimizer=optimizer, learning_rate=learning_rate)
    unseen = signed.toarray() == 0
    easy = np.arange(200) % 4 > 0
    scores = model.score(np.arange(200))
    assert (scores > 0)[easy][(unseen & OWN)[easy]].mean() > 0.95
    assert (scores > 0)[easy][(unseen & ~OWN)[easy]].mean() < 0.05
    assert model.user_biases[easy].mean() > model.user_biases[~easy].mean()
    assert model.history[-1].n_updates == signed.nnz
    assert model.history[-1].auc > 0.9


def test_scores_have_the_biases_of_users_and_items(opinions):
    scores = opinions.user_factors @ opinions.item_factors.T + opinions.item_biases + opinions.user_biases[:, None]
    assert np.ptp(opinions.user_biases) > 0.1
    assert_allclose(opinions.score(np.arange(200)), scores, rtol=1e-4, atol=1e-5)
    ids, listed = opinions.recommend(np.arange(200), N=5)
    assert_allclose(listed, np.take_along_axis(scores, ids, axis=1), rtol=1e-4, atol=1e-5)
    assert_allclose(opinions.recommend(3, N=5)[1], listed[3], rtol=1e-6)


def test_lists_leave_out_what_users_want_and_what_they_do_not_want(signed, opinions):
    ids, _ = opinions.recommend(np.arange(200), N=100)
    for user, row in enumerate(ids):
        assert set(row[row >= 0]) == set(np.flatnonzero(signed.toarray()[user] == 0))


@pytest.mark.parametrize("loss", ["bpr", "warp", "softmax", "k-os-warp"])
def test_losses_over_pairs_have_no_biases_of_users(communities, loss):
    assert fit(communities, loss=loss, iterations=1).user_biases is None


def test_a_users_bias_is_what_is_left_without_anything_else():
    # All likes of user 0 and dislikes of user 1: with no factors to speak of, biases of users alone can tell.
    model = fit(
        matrix([1, 1, 1], [-1, -1, -1]), loss="logistic", item_bias=False, init_scale=1e-6, regularization=1e3 / 1e5
    )
    assert model.user_biases[0] > 1
    assert model.user_biases[1] < -1
    assert_array_equal(model.item_biases, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (matrix([1, 2], [-1, 0]), "user_items must hold +1 for what a user wants and -1 for what the user does not "
         "want with loss='logistic', got 2.0 (1 such entries)"),
        (scipy.sparse.csr_array(([1.0, 0.0], ([0, 1], [0, 1]))), "got 0.0 (1 such entries). Leave out what is not "
         "known, also stored zeros"),
        (scipy.sparse.csr_array(([True, False], ([0, 1], [0, 1]))), "got False (1 such entries)"),
        (matrix([1, np.nan], [-1, 0]), "got nan (1 such entries)"),
        (scipy.sparse.coo_array(([1, -1], ([0, 0], [1, 1]))), "user_items must have one entry for each user and item "
         "with loss='logistic', got 1 duplicates"),
        (scipy.sparse.csr_array((2, 2)), "user_items must contain at least one interaction"),
    ],
)  # fmt: skip
def test_what_is_no_sign_is_refused(data, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(data, loss="logistic")


def test_signs_are_for_the_logistic_loss_only(signed):
    with pytest.raises(ValueError, match=r"user_items must hold values >= 0, got -1\."):
        fit(signed)


def test_one_sign_alone_is_pointed_out(communities):
    with pytest.warns(UserWarning, match=r"user_items has only \+1: with loss='logistic'"):
        fit(communities, loss="logistic", iterations=1)
    log = Interactions.from_arrays(["a", "b"], ["x", "y"], weights=[1.0, 3.0])
    with pytest.warns(UserWarning, match=r"user_items has only \+1"):
        fit(log, loss="logistic", iterations=1)


def test_the_logistic_loss_refuses_what_it_has_no_use_for(signed):
    with pytest.raises(ValueError, match="negatives must be None with loss='logistic', which draws none"):
        BPR(loss="logistic").fit(signed, negatives=signed, show_progress=False)
    for loss in ("logistic", "k-os-warp"):
        with pytest.raises(ValueError, match=f"debias must be None with loss='{loss}', a step of which .* 'context'"):
            BPR(loss=loss, debias="context")
    with pytest.raises(ValueError, match="weights must be a matrix, None or 'ignore' where the values of user_items"):
        BPR(loss="logistic").fit(signed, weights="values", show_progress=False)


def test_a_user_may_have_said_something_about_every_item():
    model = fit(matrix([1, -1], [-1, 1]), loss="logistic", iterations=200)
    assert_array_equal(model.score([0, 1]) > 0, [[True, False], [False, True]])
    assert fit(matrix([1], [-1]), loss="logistic", iterations=3).item_factors.shape == (1, 16)


def test_epochs_with_signs_are_validated(signed):
    held_out = scipy.sparse.csr_array((signed.toarray() == 0) & OWN)
    model = fit(signed, loss="logistic")
    validated = BPR(factors=16, iterations=40, random_state=0, loss="logistic").fit(
        signed, validation=held_out, validate_every=5, metric="ndcg@10", show_progress=False
    )
    assert max(epoch.validation for epoch in validated.history if epoch.validation is not None) > 0.9
    if validated.best_epoch == 39:
        assert_array_equal(validated.user_biases, model.user_biases)
    else:
        assert (validated.user_biases != model.user_biases).any()


def test_fold_in_refuses_a_model_that_compares_no_items(signed, opinions):
    with pytest.raises(ValueError, match="fold_in needs a model with a loss over pairs of items, got one with"):
        opinions.fold_in(abs(signed))


def test_newcomers_can_be_folded_into_a_model_of_k_os_warp(communities):
    model = fit(communities, loss="k-os-warp", learning_rate=0.1)
    folded, trained = (
        (one.recommend(np.arange(200), N=10)[0] // 25 == USER_GROUPS[:, None]).mean()
        for one in (model.fold_in(communities), model)
    )
    assert trained > 0.7  # a quarter by chance; what is left in the own group is the hardest of negatives
    assert folded > trained - 0.02


def test_biases_of_users_and_new_parameters_are_saved(opinions, tmp_path):
    opinions.save(tmp_path / "model.npz")
    loaded = BPR.load(tmp_path / "model.npz")
    assert_array_equal(loaded.user_biases, opinions.user_biases)
    assert_array_equal(loaded.score([0, 7]), opinions.score([0, 7]))
    assert loaded.loss == loaded.settings["loss"] == "logistic"
    with pytest.raises(ValueError, match="read-only"):
        loaded.user_biases[0] = 1


def test_k_os_warp_and_adadelta_come_back_from_a_file(communities, tmp_path):
    given = {"loss": "k-os-warp", "n_positives": 7, "positive_rank": 3}
    given |= {"optimizer": "adadelta", "rho": 0.9, "epsilon": 1e-5}
    fit(communities, iterations=1, **given).save(tmp_path / "model.npz")
    loaded = BPR.load(tmp_path / "model.npz")
    assert {name: getattr(loaded, name) for name in given} == {name: loaded.settings[name] for name in given} == given
    assert loaded.user_biases is None


def test_a_file_from_before_these_parameters_has_their_defaults(communities, tmp_path):
    fit(communities, iterations=1).save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        parts = dict(file)
    header = json.loads(parts["header"].tobytes())
    for name in ("n_positives", "positive_rank", "rho", "epsilon"):
        del header["parameters"][name], header["settings"][name]
    parts["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(tmp_path / "model.npz", **parts)
    loaded = BPR.load(tmp_path / "model.npz")
    assert (loaded.n_positives, loaded.positive_rank, loaded.rho, loaded.epsilon) == (10, 5, 0.95, 1e-6)
    assert loaded.settings["rho"] == 0.95


def test_biases_of_users_that_do_not_fit_are_refused(opinions, signed):
    model = fit(signed, loss="logistic", iterations=1)
    model.user_biases = np.zeros(3, dtype=np.float32)
    with pytest.raises(ValueError, match=r"user_biases must have shape \(200,\), one for each user, got \(3,\)"):
        model.recommend(0)


def test_the_rank_of_a_positive_is_one_of_those_drawn():
    with pytest.raises(ValueError, match="positive_rank must be an integer from 1 to n_positives = 4, got 5"):
        BPR(loss="k-os-warp", n_positives=4)
    BPR(n_positives=4)  # which other losses have no use for


# ---- weights as a matrix ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["bpr", "warp", "softmax", "k-os-warp"])
def test_weights_may_be_a_matrix_of_their_own(communities, loss):
    weights = communities.copy()
    weights.data = np.random.default_rng(0).random(weights.nnz, dtype=np.float32) + 0.5
    models = [
        BPR(factors=8, iterations=3, random_state=0, loss=loss).fit(*data, show_progress=False, **options)
        for data, options in (
            ((communities,), {"weights": weights}),
            ((communities,), {"weights": weights.tocoo()}),
            ((weights,), {"weights": "values"}),
        )
    ]
    for other in models[1:]:
        assert_array_equal(other.item_factors, models[0].item_factors)
    assert (fit(communities, factors=8, iterations=3, loss=loss).item_factors != models[0].item_factors).any()


def test_weights_may_be_interactions_with_the_same_labels():
    users, items = ["a", "a", "b", "c"], ["x", "y", "y", "z"]
    log = Interactions.from_arrays(users, items)
    weighted = Interactions.from_arrays(users, items, weights=[1.0, 5.0, 2.0, 1.0])
    one, other = (
        BPR(factors=4, iterations=5, random_state=0).fit(data, weights=weights, show_progress=False)
        for data, weights in ((log, weighted), (weighted, None))
    )
    assert_array_equal(one.item_factors, other.item_factors)
    with pytest.raises(ValueError, match="weights must have the user labels of user_items in the same order"):
        BPR().fit(log, weights=Interactions.from_arrays(["a", "a", "b", "d"], items, weights=[1.0, 2.0, 3.0, 4.0]))


def test_a_heavier_opinion_counts_for_more():
    signs = scipy.sparse.vstack([matrix([1, -1])] * 2 + [matrix([-1, 1])] * 2, format="csr")
    weights = scipy.sparse.csr_array(np.array([[9.0, 1.0]] * 2 + [[1.0, 1.0]] * 2))
    options = {"loss": "logistic", "factors": 1, "init_scale": 1e-9, "num_threads": 1, "iterations": 20}
    model = BPR(random_state=0, **options).fit(signs, weights=weights, show_progress=False)
    assert model.item_biases[0] > 0.1
    equal = BPR(random_state=0, **options).fit(signs, show_progress=False)
    assert_allclose(equal.item_biases, 0, atol=0.1)
    assert model.user_biases[0] > model.user_biases[2] + 0.1


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (matrix([1, 1], [0, 1]), ValueError, "weights must have a value > 0 exactly where user_items has an entry, got "
         "3 entries, of which 2 are among the 2 of user_items."),
        (matrix([1, 0], [0, 0]), ValueError, "got 1 entries, of which 1 are among the 2"),
        (matrix([0, 1], [1, 0]), ValueError, "got 2 entries, of which 0 are among the 2"),
        (matrix([1, 0], [0, -1]), ValueError, "weights must hold values >= 0, got -1.0"),
        (matrix([1, 0, 0], [0, 1, 0]), ValueError, "weights must have shape (n_users, n_items) = (2, 2), got (2, 3)"),
        (np.eye(2), TypeError, "weights must be None, 'values', 'ignore', a SciPy sparse matrix with the entries of"),
        (3, TypeError, "weights must be None, 'values', 'ignore', a SciPy sparse matrix with the entries of"),
        ("counts", ValueError, "weights must be one of None, 'values', 'ignore', got 'counts'."),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(weights, error, message):
    with pytest.raises(error, match=re.escape(message)):
        BPR().fit(matrix([1, 0], [0, 1]), weights=weights, show_progress=False)


# ---- with features ----------------------------------------------------------------------------------------------


def test_biases_of_users_are_sums_of_those_of_their_features(signed):
    features = scipy.sparse.csr_array(np.column_stack([np.ones(200), np.arange(200) % 4 == 0]))
    model = HybridBPR(factors=16, loss="logistic", random_state=0, iterations=30, learning_rate=0.1, num_threads=2)
    model.fit(signed, user_features=features, show_progress=False)
    assert_allclose(model.user_biases, features @ model.user_feature_biases + model.user_own_biases, atol=1e-5)
    assert model.user_feature_biases[1] < -0.1  # those who are hard to please
    biases, vectors = model.user_representations(features[[0, 1]])
    assert biases[0] < biases[1]
    _, scores = model.recommend(user_features=features[[0, 1]], N=100)
    assert_allclose(np.sort(scores), np.sort(vectors @ model.item_factors.T + model.item_biases + biases[:, None]),
                    rtol=1e-4, atol=1e-5)  # fmt: skip
    more = model.with_users(features[:3])
    assert_allclose(more.user_biases[:200], model.user_biases)
    assert_allclose(more.user_biases[200:], features[:3] @ model.user_feature_biases, atol=1e-6)


def test_training_that_goes_on_keeps_the_biases_of_users(signed, tmp_path):
    features = scipy.sparse.csr_array(np.eye(4)[USER_GROUPS])
    model = HybridBPR(factors=8, loss="logistic", random_state=0, iterations=3)
    model.fit(signed, user_features=features, show_progress=False).save(tmp_path / "model.npz")
    before = model.user_biases.copy()
    model.learning_rate = 1e-6
    model.fit_partial(signed, user_features=features, iterations=1, show_progress=False)
    assert_allclose(model.user_biases, before, atol=1e-3)
    loaded = BPR.load(tmp_path / "model.npz")
    assert_array_equal(loaded.user_biases, before)
    assert loaded.user_own_biases.shape == (200,)
