"""Metrics of popular and of rare items apart; values of single users."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from helpers import Given, Problem, matrix, ranks_by_hand
from numpy.testing import assert_array_equal

from fastbpr.evaluation import ALL_METRICS, evaluate, evaluate_per_user, evaluate_similar_items
from fastbpr.evaluation.tiers import Tiers

NAMES = ("head", "middle", "tail")


def tiers_by_hand(train, shares):
    """The tier of each item, by adding up interactions item by item in exact integers."""
    counts = (train.toarray() > 0).sum(axis=0).tolist()
    tier_of, n_before = {}, 0
    for item in sorted(range(len(counts)), key=lambda item: (-counts[item], item)):
        ends = [sum(shares[: k + 1]) for k in range(len(shares) - 1)]
        tier_of[item] = sum(n_before * 1000 >= round(1000 * end * sum(counts)) for end in ends)
        n_before += counts[item]
    return [tier_of[item] for item in range(len(counts))]


# ---- which items ----------------------------------------------------------------------------------------------------


def test_each_tier_has_its_share_of_the_interactions():
    train = matrix([1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0])  # 3, 2, 1, 1 and 0 users; 7 in all
    # Before the items come 0, 3, 5, 6 and 7 interactions; the tiers end at 7 / 3 and 14 / 3.
    assert Tiers.of(train, (1 / 3, 1 / 3, 1 / 3)).of_item.tolist() == [0, 1, 2, 2, 2]
    assert Tiers.of(train, (0.8, 0.2))[1].tolist() == [0, 0, 0, 1, 1]


def test_an_item_that_starts_where_a_tier_ends_belongs_to_the_next():
    train = matrix([1, 1, 1, 1, 1, 1])  # all as popular: by row number, two in each third
    assert Tiers.of(train, (1 / 3, 1 / 3, 1 / 3)).of_item.tolist() == [0, 0, 1, 1, 2, 2]
    for n_items in (3, 33, 999, 3 * 2**15):
        thirds = Tiers.of(scipy.sparse.csr_array(np.ones((1, n_items))), (1 / 3, 1 / 3, 1 / 3)).of_item
        assert np.bincount(thirds).tolist() == [n_items // 3] * 3


def test_one_item_that_has_everything_is_the_head():
    assert Tiers.of(matrix([0, 1, 0], [0, 1, 0]), (1 / 3, 1 / 3, 1 / 3)).of_item.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("shares", "names"),
    [
        ((0.2, 0.8), ("head", "tail")),
        ([0.25] * 4, ("tier 1 of 4", "tier 2 of 4", "tier 3 of 4", "tier 4 of 4")),
        (np.array([0.5, 0.3, 0.2]), NAMES),
    ],
)
def test_tiers_are_named_and_follow_the_definition(problem, shares, names):
    item_tiers = Tiers.of(problem.train, tuple(shares))
    assert item_tiers.of_item.tolist() == tiers_by_hand(problem.train, list(shares))
    result = evaluate(problem.model, problem.train, problem.test, metrics="mrr", tiers=shares)
    assert list(result) == ["mrr", *(f"mrr ({name})" for name in names)]


# ---- their metrics --------------------------------------------------------------------------------------------------


def test_other_relevant_items_of_the_user_do_not_compete():
    train = matrix([0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0])  # item 0: 3 users, item 1: 1, others: none
    test = matrix([1, 0, 1, 0], *[[0, 0, 0, 0]] * 3)
    scores = [[4, 3, 2, 1]] * 4  # item 2 comes third, but behind item 1 only of what is not relevant
    result = evaluate(Given(scores), train, test, K=2, metrics=["recall", "mrr", "auc"], tiers=(0.5, 0.5))
    assert result == {
        "recall@2": 0.5,
        "mrr": 1,
        "auc": 0.75,
        "recall@2 (head)": 1,
        "recall@2 (tail)": 1,
        "mrr (head)": 1,
        "mrr (tail)": 0.5,
        "auc (head)": 1,
        "auc (tail)": 0.5,
    }


@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_tiers_agree_with_sorted_lists(seed):
    problem = Problem(seed=seed)
    scores = np.random.default_rng(seed).integers(12, size=problem.shape)  # with ties
    tier_of = tiers_by_hand(problem.train, [1 / 3] * 3)
    expected = {}
    for tier, name in enumerate(NAMES):
        ranks = [
            ranks_by_hand(scores[user], [item for item in relevant if tier_of[item] == tier], others)
            for user, relevant, others in problem.users()
        ]
        ranks = [np.array(of_user) for of_user in ranks if of_user]
        expected[f"recall@5 ({name})"] = np.mean([(of_user <= 5).mean() for of_user in ranks])
        expected[f"mrr ({name})"] = np.mean([1 / of_user.min() for of_user in ranks])
    result = evaluate(Given(scores), problem.train, problem.test, K=5, metrics=["recall", "mrr"], tiers=True)
    assert {name: result[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("negatives", [False, True])
def test_tiers_leave_the_metrics_of_all_items_as_they_are(problem, negatives):
    arguments = {"negatives": problem.negatives} if negatives else {}
    plain = evaluate(problem.model, problem.train, problem.test, **arguments)
    with_tiers = evaluate(problem.model, problem.train, problem.test, tiers=True, **arguments)
    assert list(with_tiers.items())[: len(plain)] == list(plain.items())
    assert len(with_tiers) == 4 * len(plain)
    similar = evaluate_similar_items(problem.model, problem.train, problem.test)
    with_tiers = evaluate_similar_items(problem.model, problem.train, problem.test, tiers=True)
    assert list(with_tiers.items())[: len(similar)] == list(similar.items())


def test_names_of_sampled_metrics_still_say_so(problem):
    result = evaluate(
        problem.model, problem.train, problem.test, metrics="hr", negatives=problem.negatives, tiers=(0.5, 0.5)
    )
    assert list(result) == ["hr@10 (9 negatives)", "hr@10 (9 negatives, head)", "hr@10 (9 negatives, tail)"]


def test_a_tier_that_nobody_wants_has_no_value():
    train, test = matrix([1, 0, 0], [1, 0, 0]), matrix([0, 1, 0], [0, 0, 0])
    result = evaluate(Given([[1, 2, 3]] * 2), train, test, tiers=(0.5, 0.5))
    similar = evaluate_similar_items(Given(similarities=np.eye(3)), train, test, tiers=(0.5, 0.5))
    assert {name for name, value in result.items() if math.isnan(value)} == {
        f"{name} (head)" for name in evaluate(Given([[1, 2, 3]] * 2), train, test)
    }
    assert math.isnan(similar["hr@10 (head)"])
    assert similar["hr@10 (tail)"] == 1


def test_lists_full_of_popular_test_items_do_not_hide_rare_ones():
    """Where ranks come from lists of the best, these must be long enough for what is left without the popular items."""
    n_users, n_items = 400, 20_000
    first = np.arange(n_items)[::-1, None].astype(np.float32)  # item 0 is the best for everybody
    model = SimpleNamespace(user_factors=np.ones((n_users, 1)), item_factors=first, item_biases=np.zeros(n_items))
    train, test = np.zeros((2, n_users, n_items), dtype=bool)
    train[:200, :8] = True  # the best eight items are popular
    test[200:, :9] = True
    train, test = scipy.sparse.csr_array(train), scipy.sparse.csr_array(test)
    by_factors = evaluate(model, train, test, K=5, metrics=["hr", "recall"], tiers=(0.5, 0.5))
    by_method = Given(np.tile(first.T, (n_users, 1)))
    assert by_factors == evaluate(by_method, train, test, K=5, metrics=["hr", "recall"], tiers=(0.5, 0.5))
    assert by_factors["hr@5"] == 1
    assert by_factors["recall@5 (tail)"] == 1  # items 4 to 8, which come fifth to ninth, and first without the others


@pytest.mark.parametrize("n_levels", [3, 1000])
def test_neighbours_of_tiers_agree_with_loops(problem, n_levels):
    n_items = problem.shape[1]
    similarities = np.random.default_rng(0).integers(n_levels, size=(n_items, n_items))
    tier_of = tiers_by_hand(problem.train, [1 / 3] * 3)
    expected = {}
    for tier, name in enumerate(NAMES):
        of_users = []
        for user, relevant, _ in problem.users():
            ranks = [
                1 + sum(similarities[query, item] >= similarities[query, target] for item in range(n_items)
                        if item not in (query, target))
                for query in problem.train[[user]].indices for target in relevant if tier_of[target] == tier
            ]  # fmt: skip
            if ranks:
                of_users.append([np.mean(np.array(ranks) <= 4), np.mean(1 / np.array(ranks))])
        expected[f"hr@4 ({name})"], expected[f"mrr ({name})"] = np.mean(of_users, axis=0)
    result = evaluate_similar_items(
        Given(similarities=similarities), problem.train, problem.test, K=4, metrics=["hr", "mrr"], tiers=True
    )
    assert {name: result[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("function", [evaluate, evaluate_similar_items])
@pytest.mark.parametrize(
    ("tiers", "error"),
    [
        ("head", TypeError),
        (3, TypeError),
        (None, TypeError),
        ([0.5, "0.5"], TypeError),
        ([1.0], ValueError),
        ([], ValueError),
        ([0.5, 0.6], ValueError),
        ([0.0, 1.0], ValueError),
        ([1.5, -0.5], ValueError),
        ([0.5, np.nan], ValueError),
    ],
)
def test_tiers_are_shares_of_everything(problem, function, tiers, error):
    with pytest.raises(error, match="tiers must be"):
        function(problem.model, problem.train, problem.test, tiers=tiers)


# ---- single users ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("negatives", [False, True])
def test_means_over_users_are_what_evaluate_says(problem, negatives):
    arguments = {"negatives": problem.negatives} if negatives else {}
    users, values = evaluate_per_user(problem.model, problem.train, problem.test, K=[3, 10], **arguments)
    assert users.tolist() == [user for user, _, _ in problem.users()]
    assert all(of_metric.shape == users.shape for of_metric in values.values())
    means = {name: float(of_metric.mean()) for name, of_metric in values.items()}
    assert means == evaluate(problem.model, problem.train, problem.test, K=[3, 10], **arguments)


def test_values_of_a_user_are_those_of_evaluating_the_user_alone(problem):
    users, values = evaluate_per_user(problem.model, problem.train, problem.test)
    for k in (0, 7, -1):
        alone = evaluate(problem.model, problem.train, problem.test, users=[users[k]])
        assert {name: of_metric[k] for name, of_metric in values.items()} == alone


def test_only_the_users_asked_for_have_values(problem):
    users, values = evaluate_per_user(problem.model, problem.train, problem.test, users=[8, 5, 6, 8], metrics="hr")
    assert_array_equal(users, [6, 8])  # user 5 has no test items
    assert len(values["hr@10"]) == 2


def test_a_user_without_other_candidates_has_auc_nan_and_all_other_values():
    values = evaluate_per_user(Given([[1, 2], [1, 2]]), matrix([1, 0], [0, 0]), matrix([0, 1], [0, 1])).values
    assert_array_equal(values["auc"], [np.nan, 1])
    assert all(np.isfinite(values[name]).all() for name in values if name != "auc")
    assert len(values) == len(ALL_METRICS)


def test_bad_input_is_refused_as_by_evaluate(problem):
    with pytest.raises(ValueError, match="metrics must be among hr"):
        evaluate_per_user(problem.model, problem.train, problem.test, metrics="clicks")
    bad = np.zeros((61, 43))
    bad[17, 5] = np.nan
    with pytest.raises(ValueError, match=re.escape("must return scores free of NaN, got 1 NaN")):
        evaluate_per_user(Given(bad), problem.train, problem.test)
