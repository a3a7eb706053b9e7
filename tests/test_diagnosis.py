"""What a diagnosis finds in constructed cases, and its numbers against counting by hand."""

import copy
import json
import math
import re

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import fit, matrix, random_matrix

from fastbpr import BPR, HybridBPR, Interactions, NotFittedError
from fastbpr._findings import neighbours_of, possible_gain, sparsity_of, training_of
from fastbpr._training import Epoch
from fastbpr.baselines import Popularity
from fastbpr.datasets import simulate_shop
from fastbpr.diagnosis import diagnose
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.exposure import co_exposure, concentration
from fastbpr.splitting import leave_one_out


def log_of(user_items, prefix=""):
    users, items = user_items.nonzero()
    return Interactions.from_arrays(
        [f"{prefix}u{user}" for user in users.tolist()], [f"{prefix}i{item}" for item in items.tolist()]
    )


@pytest.fixture(scope="module")
def log(communities):
    return log_of(communities)


@pytest.fixture(scope="module")
def fitted(log):
    return fit(log, iterations=400)


def history(losses, aucs=0.9, rates=0.2):
    columns = np.broadcast_arrays(losses, aucs, rates)
    return [Epoch(number, *map(float, values), 100, 0.1) for number, values in enumerate(zip(*columns, strict=True))]


# ---- training ---------------------------------------------------------------------------------------------------


def test_a_model_that_has_learned_all_it_can_is_converged(fitted, log):
    found = diagnose(fitted, log, refit=False)
    assert found.training.state == "converged"
    assert "  Converged: in the last 40 epochs of 400 the loss fell from" in str(found)
    assert not any("onverged" in advice for advice in found.advice)


def test_a_model_of_one_epoch_is_too_short_to_judge_and_gets_more_epochs(log):
    found = diagnose(fit(log, iterations=1), log, refit=False)
    assert found.training.state == "too short"
    assert found.advice[0] == "Training had not converged: iterations=100."


def test_the_loss_of_the_last_tenth_is_set_against_the_tenth_before():
    found = training_of(history(np.arange(100, 80, -1), aucs=np.arange(20) / 20), iterations=20)
    assert (found.n_last, found.loss_before, found.loss) == (2, np.mean([84, 83]), np.mean([82, 81]))
    assert (found.auc_before, found.auc) == (pytest.approx(16.5 / 20), pytest.approx(18.5 / 20))


@pytest.mark.parametrize(
    ("losses", "state"),
    [
        (np.full(9, 0.1), "too short"),
        (np.full(10, 0.1), "converged"),
        (np.append(np.full(18, 0.1), [0.103, 0.103]), "diverging"),
        (np.append(np.full(18, 0.1), [0.101, 0.101]), "converged"),
        (np.append(np.full(18, 0.1), [0.094, 0.094]), "improving"),
        (0.3 + 1 / np.arange(1, 31), "converged"),  # 1 / 60 of the 0.333 at the end: a gain of 5 %
        (0.05 + 1 / np.arange(1, 31), "improving"),  # 1 / 60 of the 0.083 at the end: a gain of 20 %
    ],
)
def test_the_state_follows_the_curve(losses, state):
    assert training_of(history(losses), iterations=len(losses)).state == state


@pytest.mark.parametrize(("rate", "state"), [(0.0199, "too short"), (0.0201, "converged")])
def test_steps_that_lead_nowhere_are_no_convergence(rate, state):
    assert training_of(history(np.full(50, 0.4), rates=rate), iterations=50).state == state


def test_a_model_that_small_steps_leave_at_popularity_is_told_to_take_larger_ones(log):
    found = diagnose(fit(log, iterations=50, learning_rate=0.01), log, refit=False)
    assert found.advice[0] == ("Training had hardly begun, its steps were so small: learning_rate=0.1 instead of 0.01.")


def test_a_falling_loss_is_no_reason_to_go_on_where_all_pairs_are_in_order():
    losses = np.append(np.full(18, 0.1), [0.05, 0.05])
    assert [training_of(history(losses, aucs=auc), 20).state for auc in (0.99, 1.0)] == ["improving", "converged"]


@pytest.mark.parametrize(
    "rates", [np.full(40, 0.1), 0.1 * (1 - np.arange(40) / 40), np.repeat([0.2, 0.1, 0.05, 0.01], 10)]
)
def test_the_gain_of_twice_the_epochs_is_exact_on_curves_of_the_formula(rates):
    way = np.cumsum(rates)
    noise = (
        0.5 * rates if rates[-1] < rates[0] else 0
    )  # goes away with the learning rate, and is no gain of more epochs
    losses = 0.2 + 0.3 / way + noise
    assert possible_gain(losses, rates) == pytest.approx(0.3 / way[-1] / 2 / losses[-1])


def test_the_gain_is_at_most_everything():
    assert possible_gain(0.001 + 1 / np.arange(1, 21) - 0.049, np.full(20, 0.1)) == 1


def test_twice_the_epochs_of_a_short_fit_lower_the_loss_about_as_estimated(log):
    short, long = (fit(log, iterations=n, learning_rate_decay="constant").history for n in (20, 40))
    actual = 1 - long[-1].loss / short[-1].loss
    assert training_of(short, 20).possible_gain == pytest.approx(actual, rel=0.6)


def test_a_fit_that_was_stopped_is_told_from_a_whole_one():
    found = training_of(history(np.full(30, 0.1)), iterations=100)
    assert found.sentences()[-1] == "It stopped before the 100 epochs that were asked for."


def test_a_model_that_was_stopped_before_its_first_epoch_has_no_history_to_judge(fitted, log):
    model = copy.copy(fitted)
    model.history = []
    assert diagnose(model, log, refit=False).training.sentences() == [
        "Too short to judge, and most likely to learn: 0 epochs with learning rates that add up to 0."
    ]


# ---- neighbours -------------------------------------------------------------------------------------------------


def test_lists_are_counted_as_by_hand():
    user_items = random_matrix(40, 23, 0.2, np.random.default_rng(0)).astype(bool)
    user_items = scipy.sparse.csr_array(scipy.sparse.hstack([user_items, scipy.sparse.csr_array((40, 2), dtype=bool)]))
    model = fit(user_items, factors=3, iterations=3)
    found = neighbours_of(model, 4)
    users = user_items.toarray().sum(axis=0)
    vectors = model.item_factors[:23].astype(float)
    directions = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -2)
    lists = np.argsort(-cosines, axis=1)[:, :4]
    places = [(lists == item).sum() for item in range(23)]
    assert (found.n_items, found.list_length, found.n_hubs) == (23, 4, 1)  # two items nobody has take no part
    assert found.item_popularity == pytest.approx(users[:23].mean())
    assert found.neighbour_popularity == pytest.approx(users[lists].mean())
    assert found.hub_share == pytest.approx(max(places) / (23 * 4))
    assert found.top_share == pytest.approx(max(places) / 23)
    assert found.top_name == f"item {np.argmax(places)}"
    assert found.never_share == pytest.approx(places.count(0) / 23)
    assert found.mean_cosine == pytest.approx(cosines[cosines > -2].mean(), abs=1e-6)
    assert found.norm_popularity == pytest.approx(
        scipy.stats.spearmanr(np.linalg.norm(vectors, axis=1), users[:23])[0], abs=1e-6
    )


def test_norms_that_follow_popularity_are_found_and_do_not_fill_the_lists(fitted, log):
    model = copy.copy(fitted)
    users = np.bincount(log.user_items.indices)
    directions = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
    model.item_factors = (directions * users[:, None]).astype(np.float32)
    found, before = (diagnose(one, log, refit=False).neighbours for one in (model, fitted))
    assert found.norm_popularity > 0.98  # not 1: rounding sets lengths apart where popularity is the same
    assert found.neighbour_popularity == pytest.approx(before.neighbour_popularity, rel=0.01)


def test_popular_items_that_fill_all_lists_are_found_and_the_remedy_is_named():
    """Three of 300 items lie in the middle of all others, and most users have them."""
    rng = np.random.default_rng(0)
    has = rng.random((400, 300)) < 0.02
    has[:, :3] = rng.random((400, 3)) < 0.8
    user_items = scipy.sparse.csr_array(has)
    model = fit(user_items, factors=64, iterations=10)
    vectors = rng.normal(size=(300, 64)) + 1.0
    vectors[:3] = 1.0 + 0.01 * rng.normal(size=(3, 64))
    model.item_factors = vectors.astype(np.float32)
    found = diagnose(model, user_items, refit=False)
    assert found.neighbours.hub_share > 0.2
    assert found.neighbours.top_share > 0.9
    assert found.neighbours.mean_cosine == pytest.approx(0.5, abs=0.05)
    (advice,) = (text for text in found.advice if text.endswith(": try similarity='centred', and compare."))
    assert re.match(
        r"Popular items fill the lists and a few items take \d\d % of their places and all vectors point a similar way",
        advice,
    )


def test_lists_as_long_as_the_catalogue_end_with_it():
    model = fit(matrix([1, 1, 0], [0, 1, 1]), factors=2, iterations=1)
    found = neighbours_of(model, 10)
    assert (found.list_length, found.never_share) == (2, 0)
    assert found.neighbour_popularity == pytest.approx(4 / 3)


def test_one_item_with_users_has_no_list():
    model = fit(matrix([1, 0], [1, 0]), factors=2, iterations=1)
    found = neighbours_of(model, 10)
    assert found.list_length == 0
    assert found.sentences() == ["No two items have users: there are no lists."]


def test_norms_have_no_correlation_with_a_popularity_that_does_not_vary():
    model = fit(matrix([1, 1, 0], [0, 1, 1], [1, 0, 1]), factors=2, iterations=1)
    found = neighbours_of(model, 2)
    assert math.isnan(found.norm_popularity)
    assert "correlation" not in " ".join(found.sentences())


# ---- the log ----------------------------------------------------------------------------------------------------


def test_the_log_of_the_model_has_nothing_unknown(fitted, log):
    found = diagnose(fitted, log, refit=False).overlap
    n = log.user_items.nnz
    assert found == (200, 100, n, 0, 0, n, n)
    assert found.sentences() == [f"The model has learned from exactly the {n:,} interactions of this log."]


def test_the_log_in_another_order_is_the_same_log(fitted, log):
    users, items = log.user_items.nonzero()
    backwards = Interactions.from_arrays(log.user_labels[users[::-1]], log.item_labels[items[::-1]])
    assert backwards.item_labels.tolist() != log.item_labels.tolist()
    assert diagnose(fitted, backwards, refit=False).overlap == diagnose(fitted, log, refit=False).overlap


def test_unknown_labels_and_new_interactions_are_counted_and_said(log):
    model = fit(Interactions.from_arrays(["a", "a", "b", "c"], ["x", "y", "x", "z"]), factors=2, iterations=1)
    other = Interactions.from_arrays(["a", "b", "b", "new"], ["x", "y", "w", "w"])  # (a, x) is known, (b, y) is new
    found = diagnose(model, other, refit=False)
    assert found.overlap == (3, 3, 4, 1, 1, 1, 4)
    assert found.overlap.sentences() == [
        "The model has learned from 25 % of the 4 interactions of this log, and from 3 that are not in it.",
        "It does not know 1 of the 3 items and 1 of the 3 users of this log.",
    ]
    assert found.advice[0] == "The log has 3 interactions that the model has not seen: fit it again, to this log."


def test_a_log_of_which_the_model_knows_nothing_is_refused(fitted, communities):
    message = "interactions must have items that the model knows, got 100 of which it knows none. Their first label"
    with pytest.raises(ValueError, match=message):
        diagnose(fitted, log_of(communities, prefix="other "))


@pytest.mark.parametrize("data", [scipy.sparse.csr_array((200, 99)), np.ones((200, 100)), None])
def test_what_cannot_be_the_log_is_refused(fitted, data):
    with pytest.raises((TypeError, ValueError), match="interactions must"):
        diagnose(fitted, data)


def test_a_matrix_is_told_by_rows(communities, fitted, log):
    by_matrix = diagnose(fit(communities, iterations=100), communities, refit=False)
    by_labels = diagnose(fit(communities, iterations=100), log_of(communities), refit=False)
    assert by_matrix.overlap.sentences() == diagnose(fitted, log, refit=False).overlap.sentences()
    assert by_matrix.sparsity == by_labels.sparsity


def test_the_data_are_counted_without_what_has_no_interactions():
    found = sparsity_of(matrix([1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]))
    assert found == (3, 3, 6, 6 / 9, 2.0, 2.0, 1, 1, 3 / 6)
    assert found.sentences() == [
        "3 users, 3 items, 6 interactions: 67 % of all pairs. "
        "A user in the middle has 2 items, an item in the middle 2 users.",
        "1 user (33 %) has a single item, and 1 item (33 %) a single user.",
        "The most popular 1 % of the items have 50 % of the interactions.",
    ]


# ---- the comparison ---------------------------------------------------------------------------------------------


def test_the_comparison_is_that_of_a_new_model_on_a_split(log):
    model = fit(log, iterations=20, factors=8, random_state=5)
    found = diagnose(model, log, K=5, random_state=3).comparison
    train, test = leave_one_out(log, random_state=3)
    assert found.n_users == test.user_items.nnz
    models = {"model": fit(train, iterations=20, factors=8, random_state=3), "popularity": Popularity().fit(train)}
    for name, one in models.items():
        assert found.recommendations[name] == evaluate(one, train, test, 5, ("hr", "ndcg"))
        assert found.similar_items[name] == evaluate_similar_items(one, train, test, 5, ("hr", "ndcg"))
    assert set(found.recommendations) == {"model", "popularity", "co-occurrence"}
    ours, theirs = (found.recommendations[name]["ndcg@5"] for name in ("model", "popularity"))
    assert found.times("recommendations", "popularity") == ours / theirs > 2  # communities know nothing of popularity


def test_the_sentences_of_the_comparison_have_the_hit_rates(fitted, log):
    found = diagnose(fitted, log)
    share = f"{100 * found.comparison.recommendations['model']['hr@10']:.1f} %"
    text = " ".join(str(found).split())
    assert f"Recommendations to the user: {share}; by popularity alone" in text
    assert "one item of each of 200 users" in text  # all have two or more


def test_without_a_refit_nothing_is_compared_and_nothing_is_said_of_it(fitted, log, monkeypatch):
    monkeypatch.setattr(BPR, "fit", None)
    found = diagnose(fitted, log, refit=False)
    assert found.comparison is None
    assert "better than simple lists" not in str(found)


def test_where_nobody_has_two_items_nothing_can_be_compared():
    log = matrix([1, 0, 0], [0, 1, 0])
    found = diagnose(fit(log, factors=2, iterations=1), log)
    assert found.comparison.n_users == 0
    assert "No user has two items" in str(found)


def test_times_a_baseline_that_finds_nothing():
    log = matrix([1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1])
    found = diagnose(fit(log, factors=2, iterations=1), log).comparison
    none, some = {"ndcg@10": 0.0}, {"ndcg@10": 0.5}
    for ours, theirs, times in ((some, none, math.inf), (none, none, 1.0), (none, some, 0.0)):
        changed = found._replace(recommendations={"model": ours, "popularity": theirs})
        assert changed.times("recommendations", "popularity") == times


# ---- all of it --------------------------------------------------------------------------------------------------


def test_neither_model_nor_log_is_changed(communities):
    generator = np.random.default_rng(0)
    log = communities.copy()
    model = fit(log, iterations=2, random_state=generator)
    before, state = copy.deepcopy(model.__dict__), copy.deepcopy(generator.bit_generator.state)
    diagnose(model, log)
    assert generator.bit_generator.state == state
    assert model.history == before["history"]
    for name in ("user_factors", "item_factors", "item_biases"):
        assert np.array_equal(getattr(model, name), before[name])
    assert (log != communities).nnz == 0


def test_the_same_seed_gives_the_same_diagnosis_of_a_model_without_one(communities):
    model = fit(communities, iterations=2, random_state=None)
    assert diagnose(model, communities) == diagnose(model, communities)


def test_everything_can_be_written_as_json(log):
    found = diagnose(fit(log, iterations=1), log)
    again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert again["training"]["loss"] is None  # NaN: one epoch has no tenth before its last
    assert again["overlap"]["n_items"] == 100
    assert again["advice"] == list(found.advice)
    assert diagnose(fit(log, iterations=1), log, refit=False).as_dict()["comparison"] is None


def test_lines_are_short_and_every_question_has_an_answer(fitted, log):
    text = str(diagnose(fitted, log))
    assert max(map(len, text.splitlines())) <= 100
    headings = [line for line in text.splitlines() if line.endswith("?") and not line.startswith(" ")]
    assert len(headings) == 5
    assert "What to change next\n  " in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"K": 0}, "K must be an integer >= 1, got 0"),
        ({"refit": 1}, "refit must be True or False, got 1"),
        ({"random_state": -1}, "random_state must be an integer >= 0, got -1"),
        ({"show_progress": None}, "show_progress must be True or False, got None"),
    ],
)
def test_bad_options_are_named(fitted, log, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        diagnose(fitted, log, **options)


def test_what_is_no_fitted_model_is_refused(log):
    with pytest.raises(TypeError, match="model must be a BPR, got Popularity"):
        diagnose(Popularity().fit(log), log)
    with pytest.raises(NotFittedError):
        diagnose(BPR(), log)


# ---- contexts ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages():
    """A log, two fifths of its clicks in sessions and the others on five pages, and a model of it."""
    shop = simulate_shop(n_users=400, n_items=100, n_clusters=10, trending_share=0.6, n_pages=5, page_size=10)
    log = shop.interactions()
    return shop, log, fit(log, iterations=60)


def test_neighbours_that_shared_a_page_are_counted_as_co_exposure_does(pages):
    _, log, model = pages
    found = diagnose(model, log, K=7, refit=False, random_state=3)
    measured, spread = co_exposure(model, log, 7, random_state=3), concentration(log)
    assert found.exposure[:4] == (spread.n_contexts, 5, spread.share_in_shared, spread.largest_share)
    assert found.exposure[4:] == (measured.n_items, 7, *measured[:3], None)
    assert found.exposure.excess > 0.3
    text = " ".join(str(found).split())
    assert "60 % of the rows are in contexts (pages, sessions, baskets) that several users share: 5 of " in text
    assert any("fit with debias='context'" in advice for advice in found.advice)


def test_contexts_of_strength_0_and_logs_without_contexts_raise_no_suspicion(pages):
    shop, log, model = pages
    harmless = shop.interactions({"trending": 0, "session": 0})
    found = diagnose(model, harmless, refit=False)
    assert found.exposure.n_items == 0
    assert "no neighbour is suspected" in str(found)
    assert "debias" not in " ".join(found.advice)
    assert found.as_dict()["exposure"]["excess"] is None
    own = diagnose(model, shop.twin().interactions(), refit=False)  # sessions are of one user each
    assert own.exposure.n_shared == 0
    assert "0 % of the rows are in contexts" in str(own)
    assert diagnose(model, log.user_items, refit=False).exposure is None


@pytest.mark.parametrize("own_vectors", [True, {"item": False}])
def test_a_model_with_features_is_compared_without_them(own_vectors):
    log = simulate_shop(n_users=100, n_items=40, n_clusters=4, random_state=0).interactions()
    options = {"factors": 4, "iterations": 2, "random_state": 0}
    model = HybridBPR(own_vectors=own_vectors, **options).fit(log, item_features=np.eye(40), show_progress=False)
    told = " ".join(str(diagnose(model, log)).split())
    assert "A model does not keep its features: the new model learned without them." in told
    plain = BPR(**options).fit(log, show_progress=False)
    assert diagnose(model, log).comparison.recommendations == diagnose(plain, log).comparison.recommendations
    assert "features" not in str(diagnose(plain, log))


def test_a_debiased_model_is_compared_without_debias_on_a_log_without_contexts():
    shop = simulate_shop(n_users=100, n_items=40, n_clusters=4, trending_share=0.5, n_pages=4, random_state=0)
    log = shop.interactions()
    model = BPR(factors=4, iterations=2, debias="context", random_state=0).fit(log, show_progress=False)
    told = str(diagnose(model, log.user_items))
    assert "learned without the model's debias" in " ".join(told.split())
    assert "without the model's debias" not in " ".join(str(diagnose(model, log)).split())
