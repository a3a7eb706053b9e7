"""Validation during a fit: what is measured, which epoch is kept, when training stops."""

import numpy as np
import pytest
import scipy.sparse
from helpers import matrix, random_matrix
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, TrainingError, _early_stopping
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out

METRICS = ["hr@3", "recall@10", "precision@5", "ndcg@20", "map@7", "mrr", "auc"]
FACTORS = ("user_factors", "item_factors", "item_biases")


@pytest.fixture(scope="module")
def split():
    """Random interactions: there is little to learn, so that the best epoch is an early one."""
    interactions = random_matrix(300, 90, 0.08, np.random.default_rng(0)) > 0
    return leave_one_out(scipy.sparse.csr_array(interactions.astype(np.float32)), random_state=0)


def model_of(**parameters):
    settings = {"factors": 12, "learning_rate": 0.3, "iterations": 30, "random_state": 0, "num_threads": 1}
    return BPR(**settings | parameters)


def fit(split, *, train=None, parameters=None, **options):
    train = split.train if train is None else train
    options = {"validation": split.test, "show_progress": False} | options
    return model_of(**parameters or {}).fit(train, **options)


def values(model):
    return [epoch.validation for epoch in model.history]


def assert_same_factors(one, other):
    for name in FACTORS:
        assert_array_equal(getattr(one, name), getattr(other, name))


# ---- what is measured -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_of_an_epoch_is_what_evaluate_says_of_the_model_at_that_time(split, metric):
    expected = []
    model = model_of(iterations=4)

    def ask(*_):
        expected.append(evaluate(model, *split, metrics=metric)[metric])

    model.fit(split.train, validation=split.test, metric=metric, validate_every=1, show_progress=False, callback=ask)
    assert values(model) == expected
    assert len(set(expected)) > 1


def test_a_sample_of_users_has_the_value_that_evaluate_gives_these_users(split):
    with_test = np.flatnonzero(np.diff(split.test.indptr))
    users = _early_stopping.sampled(with_test, 40)
    assert len(set(users)) == 40
    model = fit(split, parameters={"iterations": 1}, validation_users=40)
    assert values(model) == [evaluate(model, *split, metrics="ndcg@20", users=users)["ndcg@20"]]
    assert values(model) != values(fit(split, parameters={"iterations": 1}, validation_users=None))


def test_held_out_interactions_that_are_in_training_too_do_not_count(split):
    overlapping = scipy.sparse.csr_array(split.test + split.train)
    assert values(fit(split, validation=overlapping)) == values(fit(split))


def test_a_catalogue_that_is_searched_by_bounds_is_measured_exactly():
    rng = np.random.default_rng(1)
    whole = scipy.sparse.csr_array((random_matrix(400, 3000, 0.01, rng) > 0).astype(np.float32))
    train, test = leave_one_out(whole, random_state=0)
    model = model_of(iterations=2).fit(train, validation=test, validate_every=2, show_progress=False)
    assert values(model) == [None, evaluate(model, train, test, metrics="ndcg@20")["ndcg@20"]]


# ---- how often ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "measured"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [2, 5, 6]), (7, [6]), (50, [6])])
def test_every_so_many_epochs_and_the_last_are_measured(split, every, measured):
    model = fit(split, parameters={"iterations": 7}, validate_every=every)
    assert [epoch.epoch for epoch in model.history if epoch.validation is not None] == measured


@pytest.mark.parametrize(("n_interactions", "every"), [(100_000_000, 1), (3_200_000, 1), (800_000, 4), (1, 3_200_000)])
def test_the_larger_a_validation_beside_an_epoch_the_rarer_it_is(n_interactions, every):
    assert _early_stopping.epochs_between(2_000, 40_000, n_interactions) == every


# ---- what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [None, 4])
@pytest.mark.parametrize(
    "parameters", [{}, {"item_bias": False}, {"factors": 16, "learning_rate": 0.05, "learning_rate_decay": "constant"}]
)
def test_the_factors_are_those_of_the_best_epoch_as_they_are_without_validation(split, patience, parameters):
    model = fit(split, parameters=parameters, patience=patience)
    best = model.best_epoch
    assert 0 < best < len(model.history) - 1
    assert model.history[best].validation == max(values(model))
    assert evaluate(model, *split, metrics="ndcg@20")["ndcg@20"] == max(values(model))
    stopped = model_of(**parameters).fit(split.train, show_progress=False, callback=lambda epoch, *_: epoch == best)
    assert_same_factors(model, stopped)
    assert [epoch[:5] for epoch in model.history[: best + 1]] == [epoch[:5] for epoch in stopped.history]


def test_of_equal_epochs_the_first_is_kept():
    train, held_out = matrix([1, 1, 0], [0, 1, 1]), matrix([0, 0, 1], [0, 0, 0])  # nothing else can be recommended
    model = model_of(iterations=5).fit(train, validation=held_out, metric="mrr", show_progress=False)
    assert values(model) == [1] * 5
    assert model.best_epoch == 0


def test_without_validation_there_is_no_best_epoch(split):
    assert BPR().best_epoch is None
    model = fit(split, validation=None)
    assert model.best_epoch is None
    assert values(model) == [None] * 30


def test_a_model_that_is_stopped_by_its_callback_keeps_the_best_so_far(split):
    model = fit(split, validate_every=2, callback=lambda epoch, *_: epoch == 4)
    assert [value is None for value in values(model)] == [True, False, True, False, True]
    best = model.best_epoch
    assert_same_factors(model, fit(split, validation=None, callback=lambda epoch, *_: epoch == best))
    unmeasured = fit(split, validate_every=9, callback=lambda epoch, *_: epoch == 4)
    assert unmeasured.best_epoch is None
    assert_same_factors(unmeasured, fit(split, validation=None, callback=lambda epoch, *_: epoch == 4))


def test_an_error_in_the_callback_and_ctrl_c_keep_the_best_so_far(split, ctrl_c):
    def interrupt(epoch, *_):
        if epoch == 20:
            ctrl_c()

    model = model_of()
    with pytest.raises(KeyboardInterrupt):
        model.fit(split.train, validation=split.test, show_progress=False, callback=interrupt)
    assert len(model.history) == 21
    best = model.best_epoch
    assert best < 20
    assert_same_factors(model, fit(split, validation=None, callback=lambda epoch, *_: epoch == best))


def test_ctrl_c_while_the_best_is_copied_keeps_one_epoch_whole(split, monkeypatch):
    copyto, copies = np.copyto, []

    def interrupted(target, source):
        copies.append(target)
        if len(copies) == 4:  # the items of the second epoch, whose users are copied already
            raise KeyboardInterrupt
        copyto(target, source)

    monkeypatch.setattr(_early_stopping.np, "copyto", interrupted)
    model = model_of(learning_rate=0.05)
    with pytest.raises(KeyboardInterrupt):
        model.fit(split.train, validation=split.test, show_progress=False)
    n = len(model.history)
    stopped = fit(split, validation=None, parameters={"learning_rate": 0.05}, callback=lambda epoch, *_: epoch == n)
    assert_same_factors(model, stopped)


def test_a_fit_that_runs_away_is_an_error_and_leaves_the_model_as_it_was(split):
    model = fit(split)
    kept, best = model.item_factors, model.best_epoch
    model.learning_rate = 1e20
    with pytest.raises(TrainingError, match="Training diverged after 0 whole epochs"):
        model.fit(split.train, validation=split.test, show_progress=False)
    assert model.item_factors is kept
    assert model.best_epoch == best


def test_a_saved_and_loaded_model_knows_its_best_epoch(split, tmp_path):
    model = fit(split, validate_every=4)
    model.save(tmp_path / "model")
    loaded = BPR.load(tmp_path / "model")
    assert loaded.history == model.history
    assert loaded.best_epoch == model.best_epoch
    assert_same_factors(loaded, model)


def test_the_history_of_a_file_from_before_validation_is_read(split, tmp_path):
    model = fit(split, validation=None)
    model.history = [epoch[:6] for epoch in model.history]
    model.save(tmp_path / "model")
    loaded = BPR.load(tmp_path / "model")
    assert values(loaded) == [None] * 30
    assert loaded.best_epoch is None


# ---- when it stops --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patience", "every"), [(1, 1), (3, 1), (2, 3)])
def test_training_stops_after_so_many_validations_without_a_new_best(split, patience, every):
    found = [value for value in values(fit(split, validate_every=every)) if value is not None]
    best, waited, n = -1, 0, 0
    for value in found:
        n += 1
        best, waited = (value, 0) if value > best else (best, waited + 1)
        if waited == patience:
            break
    assert n < len(found)
    model = fit(split, patience=patience, validate_every=every)
    assert [value for value in values(model) if value is not None] == found[:n]
    assert len(model.history) == n * every


@pytest.mark.parametrize("options", [{}, {"patience": 3}])
def test_one_and_two_threads_keep_the_same_factors(split, options):
    one, two = (fit(split, parameters={"num_threads": n}, **options) for n in (1, 2))
    assert values(one) == values(two)
    assert_same_factors(one, two)


def test_progress_shows_the_validation(split, capsys):
    fit(split, metric="recall@5", show_progress=True)
    assert "recall@5=0." in capsys.readouterr().err


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": 0}, ValueError, "patience must be an integer >= 1, got 0"),
        ({"patience": 1.5}, TypeError, "patience must be an integer >= 1, got 1.5"),
        ({"validate_every": 0}, ValueError, "validate_every must be an integer >= 1, got 0"),
        ({"validation_users": 0}, ValueError, "validation_users must be an integer >= 1, got 0"),
        ({"metric": "ndcg"}, ValueError, "metric must be one of hr@K, .* with a number >= 1 for K.* got 'ndcg'"),
        ({"metric": "ndcg@0"}, ValueError, "got 'ndcg@0'"),
        ({"metric": "mrr@5"}, ValueError, "got 'mrr@5'"),
        ({"metric": ["mrr"]}, TypeError, r"metric must be one of .*, got \['mrr'\]"),
        ({"validation": None, "patience": 3}, ValueError, "patience must be None without validation, got 3. Pass"),
        ({"validation": None, "validate_every": 3}, ValueError, "validate_every must be None without validation"),
        ({"validation": matrix([1, 0])}, ValueError, r"validation must have shape \(n_users, n_items\) = \(300, 90\)"),
        ({"validation": np.ones((300, 90))}, TypeError, "validation must be a SciPy sparse matrix"),
        (
            {"validation": scipy.sparse.csr_array((300, 90))},
            ValueError,
            "validation must contain at least one interaction",
        ),
        (
            {"validation": "train"},
            ValueError,
            "validation must have, for one of the users at least, an item that is not among the user's training items",
        ),
    ],
)
def test_bad_input_is_named_before_anything_is_drawn(split, options, error, message):
    if isinstance(options.get("validation"), str):
        options = {"validation": split.train}
    generator = np.random.default_rng(0)
    model = model_of(random_state=generator)
    with pytest.raises(error, match=message):
        model.fit(split.train, **{"validation": split.test, "show_progress": False} | options)
    assert generator.random() == np.random.default_rng(0).random()
    assert model.item_factors is None


def test_held_out_interactions_with_other_labels_are_refused():
    train = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "cup", "saw"])
    other = Interactions.from_arrays(["ann", "ann", "cat"], ["tea", "cup", "saw"])
    with pytest.raises(ValueError, match="validation must have the user labels of user_items in the same order"):
        BPR().fit(train, validation=other, show_progress=False)


def test_auc_without_a_pair_to_order_is_refused():
    train, held_out = matrix([1, 1, 0], [0, 1, 0]), matrix([0, 0, 1], [0, 0, 0])
    with pytest.raises(ValueError, match="metric must not be 'auc' where every candidate is held out"):
        BPR().fit(train, validation=held_out, metric="auc", show_progress=False)
