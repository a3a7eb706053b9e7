"""Intervals of means, and whether one model is better than another."""

import itertools
import re

import numpy as np
import pytest
import scipy.stats
from helpers import Given, matrix

from fastbpr.baselines import Popularity, Random
from fastbpr.evaluation import compare, confidence_interval, evaluate, evaluate_per_user
from fastbpr.evaluation import comparison as comparison_module

# ---- intervals ------------------------------------------------------------------------------------------------------


def test_the_interval_is_that_of_scipys_percentile_bootstrap():
    values = np.random.default_rng(0).exponential(size=80)
    theirs = scipy.stats.bootstrap(
        [values], np.mean, n_resamples=20_000, method="percentile", confidence_level=0.9, random_state=1
    ).confidence_interval
    ours = confidence_interval(values, level=0.9, n_samples=20_000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_the_ends_are_quantiles_of_means_of_users_drawn_with_replacement():
    """Of two users three means are possible: 0 and 1 with 1/4 each, 0.5 with 1/2."""
    assert confidence_interval([0, 1], level=0.9) == (0, 1)
    assert confidence_interval([0, 1], level=0.3) == (0.5, 0.5)


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        low, high = confidence_interval(rng.random(60), level=0.8, n_samples=300, random_state=rng)
        held += low <= 0.5 <= high
    assert 0.72 < held / 300 < 0.86


def test_one_user_or_equal_values_leave_no_width():
    assert confidence_interval([0.25]) == (0.25, 0.25)
    assert confidence_interval([True] * 9) == (1, 1)


def test_more_users_and_a_lower_level_make_intervals_narrower():
    values = np.random.default_rng(0).random(1000)

    def width(*arguments):
        low, high = confidence_interval(*arguments)
        return high - low

    assert width(values) < width(values[:100]) / 2
    assert width(values, 0.5) < width(values, 0.9) < width(values, 0.99)


def test_blocks_do_not_change_the_interval_and_a_seed_repeats_it(monkeypatch):
    values = np.random.default_rng(0).random(101)
    expected = confidence_interval(values, random_state=3)
    p_value = comparison_module.permutation_p_value(values - 0.5, 99, 3)
    for at_once in (1, 1000):
        monkeypatch.setattr(comparison_module, "DRAWS_AT_ONCE", at_once)
        assert confidence_interval(values, random_state=3) == expected
        assert comparison_module.permutation_p_value(values - 0.5, 99, 3) == p_value
    assert confidence_interval(values, random_state=4) != expected


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ({"values": np.zeros(0)}, ValueError, "values must be an array of numbers, one per user, got shape (0,)."),
        (
            {"values": np.zeros((2, 2))},
            ValueError,
            "values must be an array of numbers, one per user, got shape (2, 2)",
        ),
        ({"values": ["a"]}, TypeError, "values must be an array of numbers, one per user, got ['a']."),
        ({"values": [1, np.nan]}, ValueError, "values must hold finite numbers, got nan (1 such entries). Leave these"),
        ({"values": [np.inf]}, ValueError, "values must hold finite numbers, got inf"),
        ({"level": 1}, ValueError, "level must be a number between 0 and 1, such as 0.95, got 1."),
        ({"level": 95}, ValueError, "level must be a number between 0 and 1, such as 0.95, got 95."),
        ({"level": "95%"}, TypeError, "level must be a finite number, got '95%'."),
        ({"n_samples": 0}, ValueError, "n_samples must be an integer >= 1, got 0."),
        ({"random_state": -1}, ValueError, "random_state must be None, an integer >= 0"),
    ],
)
def test_bad_input_is_named(arguments, error, rule):
    with pytest.raises(error, match=re.escape(rule)):
        confidence_interval(**{"values": [0.0, 1.0]} | arguments)


# ---- comparisons ----------------------------------------------------------------------------------------------------


def ranks_model(*ranks, n_items=8):
    """Scores for which item 0 has these ranks."""
    scores = np.zeros((len(ranks), n_items))
    scores[:, 0] = 1
    for user, rank in enumerate(ranks):
        scores[user, 1:rank] = 2
    return Given(scores)


def wants_item_0(n_users, n_items=8):
    return matrix(*[[0] * n_items] * n_users), matrix(*[[1] + [0] * (n_items - 1)] * n_users)


def test_a_comparison_says_what_both_models_got_and_who_gains():
    train, test = wants_item_0(4)
    result = compare(ranks_model(1, 2, 4, 4), ranks_model(1, 1, 2, 8), train, test, metrics="mrr").metrics["mrr"]
    assert result.mean_a == (1 + 1 / 2 + 1 / 4 + 1 / 4) / 4
    assert result.mean_b == (1 + 1 + 1 / 2 + 1 / 8) / 4
    assert result.difference == pytest.approx(result.mean_b - result.mean_a)
    assert (result.better, result.worse, result.same, result.n_users) == (0.5, 0.25, 0.25, 4)
    assert (result.low, result.high) == confidence_interval([0, 1 / 2, 1 / 4, -1 / 8])


def test_the_p_value_is_the_share_of_all_choices_of_signs():
    differences = np.array([0.5, -0.25, 0.25, 1.0, 0.0, 0.125, -0.5, 0.75])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([-1, 1], repeat=len(differences))]
    exact = np.mean(np.array(sums) >= abs(differences.sum()))
    assert comparison_module.permutation_p_value(differences, 40_000, 0) == pytest.approx(exact, abs=0.01)
    theirs = scipy.stats.permutation_test(
        [differences], np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert exact == pytest.approx(theirs.pvalue)


def test_sums_that_differ_by_rounding_only_are_as_extreme():
    """0.1 + 0.2 + 0.3 and its negative are the only choices of signs as extreme: 2 of 8."""
    assert comparison_module.permutation_p_value(np.array([0.1, 0.2, 0.3]), 20_000, 0) == pytest.approx(0.25, abs=0.01)


def test_a_model_is_not_different_from_itself():
    train, test = wants_item_0(4)
    model = ranks_model(1, 2, 4, 4)
    for result in compare(model, model, train, test).metrics.values():
        assert (result.difference, result.low, result.high) == (0, 0, 0)
        assert (result.same, result.p_value) == (1, 1)


def test_exchanging_the_models_turns_the_result_round():
    train, test = wants_item_0(5)
    a, b = ranks_model(1, 2, 4, 4, 3), ranks_model(1, 1, 2, 8, 1)
    there, back = (compare(*pair, train, test, metrics="mrr").metrics["mrr"] for pair in [(a, b), (b, a)])
    assert there.difference == -back.difference
    assert (there.better, there.worse, there.p_value) == (back.worse, back.better, back.p_value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_one_user_proves_nothing():
    train, test = wants_item_0(1)
    result = compare(ranks_model(3), ranks_model(1), train, test, K=1, metrics="hr").metrics["hr@1"]
    assert (result.low, result.high, result.better, result.p_value) == (1, 1, 1, 1)


def test_no_p_value_is_zero():
    train, test = wants_item_0(60)
    result = compare(ranks_model(*[3] * 60), ranks_model(*[1] * 60), train, test, n_samples=99).metrics["ndcg@10"]
    assert result.p_value == 1 / 100


def test_p_values_of_equal_models_are_uniform():
    rng = np.random.default_rng(0)
    p_values = [comparison_module.permutation_p_value(rng.normal(size=25), 200, seed) for seed in range(300)]
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.01


def test_means_are_those_of_evaluate_and_metrics_come_in_the_order_asked_for(problem):
    models = Random(random_state=0).fit(problem.train), problem.model
    metrics = ["mrr", "hr@3", "auc"]
    result = compare(*models, problem.train, problem.test, metrics=metrics, negatives=problem.negatives)
    means = [evaluate(model, problem.train, problem.test, metrics=metrics, negatives=problem.negatives)
             for model in models]  # fmt: skip
    assert {name: (d.mean_a, d.mean_b) for name, d in result.metrics.items()} == {
        name: tuple(of_model[name] for of_model in means) for name in means[0]
    }
    assert list(result.metrics) == ["mrr (9 negatives)", "hr@3 (9 negatives)", "auc (9 negatives)"]


def test_users_without_auc_do_not_count_for_it():
    train, test = matrix([1, 0], [0, 0], [0, 0]), matrix([0, 1], [0, 1], [1, 0])
    models = Given([[1, 2]] * 3), Given([[2, 1]] * 3)
    result = compare(*models, train, test, metrics=["auc", "mrr"]).metrics
    assert (result["auc"].n_users, result["mrr"].n_users) == (2, 3)
    assert (result["auc"].mean_a, result["auc"].mean_b) == (0.5, 0.5)
    with pytest.raises(ValueError, match="metrics must be defined for one of the users at least, got 'auc'"):
        compare(*models, train, test, metrics="auc", users=[0])


def test_a_comparison_prints_a_table(problem):
    a, b = Popularity().fit(problem.train), problem.model
    table = str(compare(a, b, problem.train, problem.test, level=0.9, metrics=["ndcg", "hr"])).splitlines()
    assert len({len(line) for line in table}) == 1
    assert re.match(r"\s+a\s+b\s+b - a\s+0\.9 interval\s+better\s+worse\s+same\s+p\s+users$", table[0])
    values = evaluate_per_user(a, problem.train, problem.test, metrics="ndcg").values["ndcg@10"]
    assert table[1].split()[:2] == ["ndcg@10", f"{values.mean():.4f}"]
    assert table[2].startswith("hr@10 ")


def test_both_models_must_belong_to_the_data(problem):
    with pytest.raises(ValueError, match="must return shape"):
        compare(problem.model, Given(problem.scores[:, 1:]), problem.train, problem.test)
    with pytest.raises(TypeError, match="model must have user_factors"):
        compare(None, problem.model, problem.train, problem.test)
    with pytest.raises(ValueError, match="level must be"):
        compare(problem.model, problem.model, problem.train, problem.test, level=0)
