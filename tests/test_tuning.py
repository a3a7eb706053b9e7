"""Tuning: the first trial, budgets, failures, seeds, search spaces, tables."""

import sys
import time
import warnings

import numpy as np
import optuna
import pytest
import scipy.sparse
from helpers import matrix

from fastbpr import BPR, HybridBPR, Interactions, tuning
from fastbpr._search_space import MULTIPLIERS, SPACE, SearchSpace, widened
from fastbpr._validation import Range
from fastbpr.datasets import simulate_shop
from fastbpr.errors import MissingExtraError
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out
from fastbpr.tuning import Tuning, tune

SMALL = {"factors": [4, 8, 16], "iterations": (2, 12, "log")}
BASE = BPR(factors=8, iterations=10)
TEXTS = ("trial", "state", "value", "epochs", "best_epoch", "reason")


def search(user_items, **options):
    options = {"minutes": None, "n_trials": 4, "space": SMALL, "base": BASE, "random_state": 0} | options
    return tune(user_items, show_progress=False, num_threads=1, **options)


def without_seconds(found):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found.table]


# ---- what is found --------------------------------------------------------------------------------------------------


def test_the_first_trial_has_the_settings_to_start_from_and_nothing_worse_is_returned(communities):
    split = leave_one_out(communities, random_state=0)
    found = search(split.train, validation=split.test, n_trials=8)
    first = found.table[0]
    assert (first["factors"], first["iterations"], first["learning_rate"]) == (8, 10, 0.2)
    assert found.best_value == max(row["value"] for row in found.table if row["state"] == "complete")
    assert found.best_value >= first["value"]
    expected = BPR(factors=8, iterations=10, init_scale=0.1, num_threads=1)
    expected.random_state = found.best_parameters["random_state"]
    expected.fit(split.train, show_progress=False)
    assert first["value"] == evaluate(expected, *split, metrics="ndcg@20")["ndcg@20"]


def test_a_fit_with_the_best_parameters_has_the_best_value(communities):
    split = leave_one_out(communities, random_state=0)
    found = search(split.train, validation=split.test, metric="recall@5", n_trials=8)
    model = found.model()
    assert model.item_factors is None
    model.fit(split.train, show_progress=False)
    assert evaluate(model, *split, metrics="recall@5")["recall@5"] == found.best_value
    assert len({row["factors"] for row in found.table}) > 1


def test_the_same_seed_gives_the_same_trials_and_another_one_others(communities):
    one, again, other = (search(communities, n_trials=6, random_state=seed) for seed in (1, 1, 2))
    assert without_seconds(one) == without_seconds(again)
    assert one.best_parameters == again.best_parameters
    assert without_seconds(one) != without_seconds(other)


@pytest.mark.parametrize(("timestamps", "by"), [(None, "random"), ([3, 1, 2, 1, 2, 3, 9], "time")])
def test_without_validation_an_item_of_each_user_is_held_out(monkeypatch, timestamps, by):
    log = Interactions.from_arrays(list("aaabbbc"), list("xyzxyzy"), timestamps=timestamps)
    seen = []
    monkeypatch.setattr(
        tuning,
        "leave_one_out",
        lambda *given, **options: (seen.append(options["by"]), leave_one_out(*given, **options))[1],
    )
    search(log, n_trials=1)
    assert seen == [by]


def test_input_and_base_stay_as_they_were(communities):
    kept, before = communities.copy(), dict(BASE.__dict__)
    search(communities)
    assert (communities != kept).nnz == 0
    assert before == BASE.__dict__


def test_values_that_are_not_used_are_warned_of_once(communities):
    counts = communities.copy()
    counts.data[0] = 5
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(counts, n_trials=3)
    assert [warning.category for warning in caught] == [UserWarning]


# ---- ends -----------------------------------------------------------------------------------------------------------


def test_a_trial_is_stopped_when_the_time_is_over(communities):
    start = time.monotonic()
    found = search(communities, minutes=1 / 60, n_trials=None, space={"iterations": 1_000_000})
    assert time.monotonic() - start < 10
    (row,) = found.table
    assert (row["state"], row["reason"]) == ("pruned", "time is over")
    assert row["epochs"] < 1_000_000
    assert found.best_value is None
    assert found.best_parameters["iterations"] == 1_000_000


def test_a_hopeless_trial_is_given_up(communities):
    space = {"learning_rate": [0.2, 1e-6], "iterations": 20}
    found = search(communities, n_trials=25, space=space)
    pruned = [row for row in found.table if row["state"] == "pruned"]
    assert pruned
    assert {row["reason"] for row in pruned} == {"below the median"}
    assert all(row["epochs"] < 20 for row in pruned)
    assert all(row["trial"] >= tuning.STARTUP_TRIALS for row in pruned)


def test_a_trial_that_diverges_is_a_row_with_its_reason(communities):
    found = search(communities, n_trials=8, space={"learning_rate": [0.2, 1e20], "iterations": 3})
    failed = [row for row in found.table if row["state"] == "failed"]
    assert failed
    for row in failed:
        assert row["learning_rate"] == 1e20
        assert row["reason"].startswith("Training diverged after 0 whole epochs")
    assert found.best_parameters["learning_rate"] == 0.2


def test_where_every_trial_diverges_the_settings_to_start_from_are_returned(communities):
    found = search(communities, n_trials=2, space={"learning_rate": 1e20})
    assert [row["state"] for row in found.table] == ["failed", "failed"]
    assert found.best_value is None
    assert found.best_parameters["learning_rate"] == 1e20


@pytest.mark.parametrize("after", [0, 2])
def test_ctrl_c_returns_what_was_found_or_ends_it_where_nothing_was(communities, monkeypatch, after):
    fit, fits = BPR.fit, []

    def interrupted(model, *given, **options):
        if len(fits) == after:
            raise KeyboardInterrupt
        fits.append(model)
        return fit(model, *given, **options)

    monkeypatch.setattr(BPR, "fit", interrupted)
    if after == 0:
        with pytest.raises(KeyboardInterrupt):
            search(communities)
    else:
        found = search(communities)
        assert found.interrupted
        assert [row["state"] for row in found.table] == ["complete", "complete", "interrupted"]
        assert found.best_value is not None


def test_optuna_logs_nothing_and_keeps_its_level(communities, capsys):
    before = optuna.logging.get_verbosity()
    tune(communities, minutes=None, n_trials=2, space=SMALL, base=BASE, random_state=0)
    err = capsys.readouterr().err
    assert "2/2" in err
    assert "ndcg@20=" in err
    assert "Trial" not in err
    assert optuna.logging.get_verbosity() == before


def test_without_optuna_the_command_that_installs_it_is_named(communities, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fastbpr\[tune\]'"):
        search(communities)


# ---- the space ------------------------------------------------------------------------------------------------------


def test_what_bpr_does_not_accept_is_not_searched():
    searched = SearchSpace(BPR(), None).searched
    for name in searched:
        assert name in MULTIPLIERS or hasattr(BPR(), name)
    assert set(searched) <= set(SPACE)


def test_parameters_are_searched_beside_every_value_that_gives_them_a_meaning():
    space = SearchSpace(BPR(), {"loss": ["bpr", "warp", "k-os-warp"], "positive_rank": (1, 10)})
    found = {loss: [space.applies(name, {"loss": loss}) for name in ("max_sampled", "positive_rank")]
             for loss in ("bpr", "warp", "k-os-warp")}  # fmt: skip
    assert found == {"bpr": [False, False], "warp": [True, False], "k-os-warp": [True, True]}


def test_multipliers_set_the_strengths_apart():
    space = SearchSpace(BPR(), None)
    point = {"regularization": 0.1, "positive_multiplier": 0.5, "negative_multiplier": 2.0}
    assert space.parameters(point)["regularization"] == {"user": 0.1, "positive": 0.05, "negative": 0.2, "bias": 0.1}
    assert space.parameters({"regularization": 0.1})["regularization"] == 0.1


@pytest.mark.parametrize("given", [0.03, 0.0, {"user": 0.4, "bias": 0.002}, {"user": 0.0, "positive": 0.5}])
def test_the_start_is_the_base_with_whatever_regularisation(given):
    base = BPR(regularization=given)
    space = SearchSpace(base, None)
    strengths = space.parameters(space.first())["regularization"]
    parts = ("user", "positive", "negative", "bias")
    expected = (
        {part: given.get(part, 0.01) for part in parts} if isinstance(given, dict) else dict.fromkeys(parts, given)
    )
    found = strengths if isinstance(strengths, dict) else dict.fromkeys(parts, strengths)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        (Range(1.0, 2.0, True), 1.5, Range(1.0, 2.0, True)),
        (Range(1.0, 2.0, True), 0.5, Range(0.5, 2.0, True)),
        (Range(1.0, 2.0, True), 0.0, 0.0),
        ([32, 64], 48, [32, 64, 48]),
        ([32, 64], 64, [32, 64]),
    ],
)
def test_built_in_ranges_are_widened_to_contain_the_base(entry, value, expected):
    assert widened(entry, value) == expected


def test_fixed_values_choices_and_ranges_are_kept_to(communities):
    space = {"factors": 4, "iterations": (2, 4), "learning_rate": (0.1, 0.3, "log"), "schedule": ["blocked", "hogwild"]}
    found = search(communities, n_trials=6, space=space)
    assert "factors" not in found.table[0]
    assert found.best_parameters["factors"] == 4
    for row in found.table:
        assert row["iterations"] in (2, 3, 4)
        assert 0.1 <= row["learning_rate"] <= 0.3
        assert row["schedule"] in ("blocked", "hogwild")


def test_a_range_replaces_strengths_of_the_base_that_have_no_multipliers(communities):
    base = BPR(factors=4, iterations=3, regularization={"user": 0.0, "positive": 0.5})
    found = search(communities, n_trials=3, base=base, space={"regularization": (0.01, 0.1)})
    assert all(0.01 <= row["regularization"] <= 0.1 for row in found.table)


def test_a_fixed_mapping_of_strengths_is_not_multiplied(communities):
    strengths = {"user": 0.1, "positive": 0.0, "negative": 0.1, "bias": 0.0}
    found = search(communities, n_trials=2, space=SMALL | {"regularization": strengths})
    assert found.best_parameters["regularization"] == strengths
    assert not set(MULTIPLIERS) & set(found.table[0])


# ---- the table ------------------------------------------------------------------------------------------------------


def test_the_table_is_markdown_with_the_best_complete_trial_first():
    rows = [
        {"trial": 0, "state": "complete", "value": 0.1, "loss": "bpr", "reason": ""},
        {"trial": 1, "state": "pruned", "value": 0.3, "loss": None, "reason": "a|b"},
        {"trial": 2, "state": "complete", "value": 0.25, "loss": "warp", "reason": ""},
    ]
    assert str(Tuning({}, 0.25, "mrr", rows)).splitlines() == [
        "| trial | state | mrr | loss | reason |",
        "| --- | --- | --- | --- | --- |",
        "| 2 | complete | 0.25 | warp |  |",
        "| 0 | complete | 0.1 | bpr |  |",
        "| 1 | pruned | 0.3 |  | a\\|b |",
    ]


def test_every_row_has_the_same_columns(communities):
    found = search(communities, n_trials=5)
    assert len({tuple(row) for row in found.table}) == 1
    assert set(TEXTS) < set(found.table[0])
    assert [row["trial"] for row in found.table] == [0, 1, 2, 3, 4]


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_trials": None}, ValueError, "minutes or n_trials must be given, got None for both"),
        ({"minutes": 0}, ValueError, "minutes must be a finite number > 0, got 0"),
        ({"n_trials": 0}, ValueError, "n_trials must be an integer >= 1, got 0"),
        ({"metric": "ndcg"}, ValueError, "metric must be one of"),
        ({"validation_users": 0}, ValueError, "validation_users must be an integer >= 1"),
        ({"base": {"factors": 3}}, TypeError, "base must be a BPR, got dict"),
        ({"base": HybridBPR()}, TypeError, "base must be a BPR without parameters of its own, got HybridBPR"),
        ({"random_state": -1}, ValueError, "random_state must be None, an integer >= 0"),
        ({"space": [1]}, TypeError, "space must be a mapping of parameter names, got list"),
        ({"space": {"factor": 3}}, ValueError, "space must name parameters among factors, .* got 'factor'"),
        ({"space": {"num_threads": 3}}, ValueError, "got 'num_threads'"),
        ({"space": {"factors": []}}, ValueError, r"space\['factors'\] must have at least one choice"),
        ({"space": {"factors": [0, 8]}}, ValueError, "factors must be an integer >= 1 or 'auto', got 0"),
        ({"space": {"factors": [(8, 9)]}}, TypeError, r"must have numbers, texts, .* got \(8, 9\)"),
        ({"space": {"factors": (8, 9.5)}}, TypeError, r"space\['factors'\]\[1\] must be an integer >= 1, got 9.5"),
        ({"space": {"factors": (8,)}}, ValueError, r"must be \(low, high\) or \(low, high, 'log'\)"),
        ({"space": {"factors": (8, 9, "ln")}}, ValueError, r"must be \(low, high\) or"),
        ({"space": {"learning_rate": (0.2, 0.1)}}, ValueError, "must have a low end below its high end"),
        ({"space": {"regularization": (0, 0.1, "log")}}, ValueError, "must have a low end > 0"),
        ({"space": {"item_bias": (0, 1)}}, TypeError, "must be a value or a list of choices"),
        ({"space": {"schedule": "random"}}, ValueError, "schedule must be one of"),
        ({"space": {"bias_multiplier": -1}}, ValueError, r"space\['bias_multiplier'\] must be a finite number >= 0"),
        ({"validation": matrix([1, 0])}, ValueError, "validation must have shape"),
    ],
)
def test_bad_input_is_named_before_the_first_trial(communities, monkeypatch, options, error, message):
    monkeypatch.setattr(BPR, "fit", None)
    with pytest.raises(error, match=message):
        search(communities, **options)


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
def test_users_with_one_item_each_are_not_enough_to_hold_one_out_and_the_message_says_what_to_do(form):
    with pytest.raises(
        ValueError,
        match=r"user_items must have users with 2 items or more to hold one out, got 3 with 1 each. Take a longer "
        r"period, or a user id .*, or give held-out interactions: validation=\.\.\.",
    ):
        search(form(np.eye(4)[[0, 1, 3]]))


def test_users_with_one_item_each_can_be_judged_by_what_is_given():
    log, later = scipy.sparse.csr_array(np.eye(3)), scipy.sparse.csr_array(np.eye(3)[[1, 2, 0]])
    assert search(log, validation=later, n_trials=1).best_value > 0


def test_a_preset_can_be_what_tuning_starts_from(communities):
    base = BPR.preset("best", factors=8, iterations=5)
    found = tune(communities, minutes=None, n_trials=2, base=base, random_state=0, show_progress=False)
    assert found.table[0]["n_candidates"] == 1
    assert found.table[0]["loss"] == "softmax"


def test_the_second_trial_is_the_best_preset(communities):
    space = {"factors": [8, 64], "iterations": (3, 80)}
    found = tune(communities, minutes=None, n_trials=2, space=space, random_state=0, show_progress=False)
    second = found.table[1]
    assert (second["loss"], second["n_negatives"], second["iterations"]) == ("softmax", 8, 80)
    assert second["negatives"] == "uniform"  # of one candidate, on data as dense as these


def test_what_the_data_decide_may_be_part_of_the_space(communities):
    space = {"regularization": ["auto", 0.01], "factors": 8, "iterations": 5, "n_candidates": "auto"}
    found = tune(communities, minutes=None, n_trials=4, space=space, random_state=0, show_progress=False)
    assert {row["state"] for row in found.table} <= {"complete", "pruned"}


def test_every_trial_and_the_result_have_the_debias_of_the_base():
    shop = simulate_shop(n_users=100, n_items=40, n_clusters=4, trending_share=0.5, n_pages=4, random_state=0)
    space = {"factors": [4], "iterations": [2, 3]}
    found = tune(
        shop.interactions(), minutes=None, n_trials=2, space=space, base=BPR(debias="context"), random_state=0,
        show_progress=False,
    )  # fmt: skip
    model = found.model()
    assert model.debias == "context"
    assert model.fit(shop.interactions(), show_progress=False).debiasing.n_contexts == 4
