"""Presets, and what the data decide."""

import numpy as np
import pytest
import scipy.sparse
from helpers import matrix

from fastbpr import BPR, _presets
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out


def decided(name, n_users, n_items, n_interactions):
    model = BPR.preset(name)
    parameters = {
        key: getattr(model, key) for key in ("factors", "n_candidates", "regularization", "negatives", "loss")
    }
    parameters["n_negatives"] = model.n_negatives
    return _presets.decided(parameters, _presets.Size(n_users, n_items, n_interactions))


@pytest.mark.parametrize(
    ("n_users", "n_items", "n_interactions", "n_candidates"),
    [(30_000, 40_000, 800_000, 32), (1_900, 17_600, 90_000, 16), (6_000, 3_700, 1_000_000, 1), (100, 10, 900, 1)],
)
def test_the_sparser_the_data_the_harder_the_negatives(n_users, n_items, n_interactions, n_candidates):
    assert decided("best", n_users, n_items, n_interactions)["n_candidates"] == n_candidates


def test_even_the_densest_data_have_four_draws_to_a_positive():
    assert decided("balanced", n_users=100, n_items=50, n_interactions=4000)["n_candidates"] == 4
    assert decided("best", n_users=100, n_items=50, n_interactions=4000)["n_candidates"] == 1  # of 8 negatives


@pytest.mark.parametrize(("n_interactions", "factors"), [(100, 64), (90_000, 64), (200_000, 128), (10_000_000, 256)])
def test_more_interactions_get_more_factors(n_interactions, factors):
    assert decided("best", 10**5, 10**5, n_interactions)["factors"] == factors


def test_regularization_is_weaker_where_there_is_more_to_learn_from():
    assert decided("best", 30_000, 40_000, 800_000)["regularization"] == 0.1
    assert decided("balanced", 30_000, 40_000, 800_000)["regularization"] == 0.05
    assert decided("best", 6_400, 4_900, 1_120_000)["regularization"] == pytest.approx(6 / 200)  # 1,120,000 / 5,600
    uniform = _presets.regularization_for({"loss": "bpr", "negatives": "uniform"}, _presets.Size(100, 100, 1000))
    assert uniform == 0.0125


@pytest.mark.parametrize("name", _presets.PRESETS)
def test_a_preset_fits_and_tells_what_was_decided(communities, name, tmp_path):
    model = BPR.preset(name, random_state=0, num_threads=2).fit(communities, show_progress=False)
    assert (model.similar_items(np.arange(100), N=6)[0][:, 1:] // 25 == np.arange(100)[:, None] // 25).mean() > 0.9
    for key in _presets.DECIDED:
        assert model.settings[key] != "auto"
        if getattr(model, key) != "auto":
            assert model.settings[key] == getattr(model, key)
    assert model.item_factors.shape[1] == model.settings["factors"]
    model.save(tmp_path / "model.npz")
    loaded = BPR.load(tmp_path / "model.npz")
    assert loaded.settings == model.settings
    assert loaded.factors == model.factors


def test_overrides_take_the_place_of_a_presets_settings():
    model = BPR.preset("best", factors=16, regularization={"user": 0.5}, random_state=3)
    assert (model.factors, model.regularization, model.random_state, model.loss) == (16, {"user": 0.5}, 3, "softmax")


def test_unknown_presets_and_parameters_are_named():
    with pytest.raises(ValueError, match="name must be one of 'fast', 'balanced', 'best', got 'slow'"):
        BPR.preset("slow")
    with pytest.raises(TypeError, match="overrides must be among factors, got 'factor'"):
        BPR.preset("best", factor=3)


def test_what_is_decided_is_what_a_fit_with_these_numbers_does(communities):
    automatic = BPR.preset("balanced", factors=8, iterations=3, random_state=0).fit(communities, show_progress=False)
    numbers = {key: automatic.settings[key] for key in ("n_candidates", "regularization")}
    given = BPR.preset("balanced", factors=8, iterations=3, random_state=0, **numbers)
    assert (given.fit(communities, show_progress=False).item_factors == automatic.item_factors).all()


def test_tiny_data_can_be_fitted_by_every_preset():
    for name in _presets.PRESETS:
        model = BPR.preset(name, random_state=0).fit(matrix([1, 0], [0, 1]), show_progress=False)
        assert np.isfinite(model.item_factors).all()


def test_hard_negatives_lift_the_lists_of_a_sparse_catalogue():
    # 40 tastes of 50 items: few of what a user has not are near the taste, and these are what lists are about.
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(2000), 12)
    items = np.where(rng.random(users.size) < 0.8, users % 40 * 50, rng.integers(40, size=users.size) * 50)
    items = items + (50 * rng.random(users.size) ** 2).astype(int)
    log = scipy.sparse.coo_array((np.ones(users.size), (users, items)), shape=(2000, 2000)).tocsr().astype(bool)
    train, test = leave_one_out(log, random_state=0)
    plain, hard = (
        evaluate(model.fit(train, show_progress=False), train, test, K=10, metrics="ndcg")["ndcg@10"]
        for model in (BPR(factors=32, random_state=0), BPR.preset("balanced", factors=32, random_state=0))
    )
    assert hard > 1.05 * plain


def test_small_integer_types_do_not_overflow(communities):
    numbers = {"n_candidates": np.uint8(64), "n_negatives": np.uint8(200), "iterations": np.uint8(100)}
    model = BPR(
        loss="softmax", negatives="dynamic", regularization="auto", learning_rate_decay="step", factors=8, **numbers
    )
    model.fit(communities[:40], show_progress=False, callback=lambda epoch, *_: epoch == 60)
    assert model.settings["regularization"] > 0
    assert model.history[60].learning_rate == 0.05
