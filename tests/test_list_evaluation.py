"""What is in lists of recommendations: coverage, popularity, and lists from scores; each against plain loops."""

import collections
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from helpers import Given, Listing, best_by_hand, fit, matrix, recommended_by_hand
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, NotFittedError, _ranking
from fastbpr.baselines import Popularity, Random
from fastbpr.evaluation import compare, evaluate, evaluate_lists, evaluate_neighbours, stability


@pytest.mark.parametrize("K", [1, 5, 60])
def test_lists_agree_with_loops(tied, K):
    n_items = tied.shape[1]
    lists = [items for items in recommended_by_hand(tied.scores, tied.train, K).values() if items]
    counts = collections.Counter(item for items in lists for item in items)
    amounts = sorted(counts[item] for item in range(n_items))
    differences = sum(abs(one - other) for one in amounts for other in amounts)
    less = [(tied.popularity < n).sum() + (tied.popularity == n).sum() / 2 for n in tied.popularity]
    n_users = np.count_nonzero(tied.train.sum(axis=1))
    expected = {
        f"coverage@{K}": len(counts) / n_items,
        f"gini@{K}": differences / (2 * (n_items - 1) * sum(amounts)),  # half the relative mean difference
        f"popularity@{K}": np.mean([np.mean([tied.popularity[item] for item in items]) for items in lists]),
        f"popularity_percentile@{K}": np.mean(
            [np.mean([100 * less[item] / n_items for item in items]) for items in lists]
        ),
        f"novelty@{K}": np.mean(
            [np.mean([-math.log2(max(tied.popularity[item], 1) / n_users) for item in items]) for items in lists]
        ),
    }
    actual = evaluate_lists(tied.given, tied.train, K)
    assert list(actual) == list(expected)
    assert actual == pytest.approx(expected)


def test_factors_and_their_scores_give_the_same_lists(problem):
    assert evaluate_lists(problem.model, problem.train, [3, 50]) == evaluate_lists(
        Given(problem.scores), problem.train, [3, 50]
    )


def test_a_bpr_has_the_lists_that_it_recommends(communities):
    model = fit(communities, factors=8)
    listed = model.recommend(np.arange(200), N=7)[0]
    result = evaluate_lists(model, communities, 7, metrics=["coverage", "popularity"])
    popularity = np.bincount(communities.indices)
    assert result["coverage@7"] == len(np.unique(listed)) / 100
    assert result["popularity@7"] == pytest.approx(popularity[listed].mean())


def test_gini_is_0_for_equal_shares_and_1_for_a_single_item():
    train = matrix([0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1])
    one, equal = [[5, 1, 1, 9]] * 3, [[5, 1, 1, 9], [1, 5, 1, 9], [1, 1, 5, 9]]
    assert evaluate_lists(Given(one), train, 1, metrics="gini") == {"gini@1": 1}
    # Item 3 is in no list: one of four has nothing, three have a third each.
    assert evaluate_lists(Given(equal), train, 1, metrics="gini") == {"gini@1": pytest.approx(1 / 3)}
    assert evaluate_lists(Given(equal), train, 3, metrics=["gini", "coverage"])["coverage@3"] == 0.75
    train = scipy.sparse.csr_array(np.eye(4))  # everybody lacks another item: all four are listed three times
    assert evaluate_lists(Given(np.ones((4, 4))), train, 3, metrics="gini") == {"gini@3": 0}


def test_novelty_counts_halvings_and_an_item_that_nobody_has_as_one_that_one_user_has():
    train = matrix([1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0])  # four users have something
    scores = np.tile([3, 2, 1, 9], (5, 1))
    # Item 3 first for all: 2 bits. Then items 2, 1, 0 and 0, of 2, 1, 2 and 2 of 4 users: 1, 2, 1 and 1 bit.
    assert evaluate_lists(Given(scores), train, [1, 2], metrics="novelty") == {
        "novelty@1": 2,
        "novelty@2": (2 + 5 / 4) / 2,
    }


def test_random_lists_are_of_average_popularity_and_cover_everything():
    rng = np.random.default_rng(0)
    train = scipy.sparse.csr_array(rng.random((2000, 80)) < rng.random(80) ** 3 * 0.2, dtype=float)
    by_chance = evaluate_lists(Random(random_state=0).fit(train), train)
    popular = evaluate_lists(Popularity().fit(train), train)
    assert by_chance["coverage@10"] == 1
    assert by_chance["popularity_percentile@10"] == pytest.approx(50, abs=3)
    assert by_chance["gini@10"] < 0.1 < 0.7 < popular["gini@10"]
    assert popular["popularity_percentile@10"] > 85
    assert popular["novelty@10"] < by_chance["novelty@10"]


def test_one_user_with_everything_has_no_list_and_nothing_to_say():
    result = evaluate_lists(Given([[1, 2]]), matrix([1, 1]))
    assert result.pop("coverage@10") == 0
    assert all(math.isnan(value) for value in result.values())


def test_the_only_item_of_a_catalogue_is_shared_equally():
    assert evaluate_lists(Given([[1], [1]]), matrix([1], [0]), users=[1], metrics=["gini", "coverage"]) == {
        "gini@10": 0,
        "coverage@10": 1,
    }


def test_lists_of_named_users_count_once_each(tied):
    some = evaluate_lists(tied.given, tied.train, users=[3, 11, 3], metrics=["coverage", "popularity"])
    lists = recommended_by_hand(tied.scores, tied.train, 10)
    assert some["coverage@10"] == len({*lists[3], *lists[11]}) / tied.shape[1]
    assert some["popularity@10"] == pytest.approx(np.mean(tied.popularity[[*lists[3], *lists[11]]]))


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ({"users": []}, ValueError, "users must name at least one user, got []."),
        ({"users": [61]}, IndexError, "users must be user ids, integers from 0 to 60, got 61."),
        ({"K": 0}, ValueError, "K must be an integer >= 1, got 0."),
        ({"metrics": "hr"}, ValueError, "metrics must be among coverage, gini, popularity, popularity_percentile, "
         "novelty (each alone or with its own length, as in 'coverage@20'), got 'hr'."),
        ({"train": matrix([0, 0])}, ValueError, "train must contain at least one interaction"),
        ({"model": BPR()}, NotFittedError, "BPR must be fitted first"),
        ({"model": object()}, TypeError, "model must have user_factors"),
        ({"model": Given(np.full((61, 43), np.nan))}, ValueError, "must return scores free of NaN"),
        ({"model": Given(np.ones((61, 42)))}, ValueError, "must return shape (len(ids), n_items)"),
    ],
)  # fmt: skip
def test_bad_input_about_lists_is_named(problem, arguments, error, rule):
    with pytest.raises(error, match=re.escape(rule)):
        evaluate_lists(**{"model": problem.model, "train": problem.train} | arguments)


def test_models_of_other_labels_are_refused():
    train = Interactions.from_arrays(["ann", "bob"], ["tea", "cup"])
    model = SimpleNamespace(score=None, item_labels=np.array(["cup", "tea"]))
    for function in (evaluate_lists, evaluate_neighbours, lambda model, train: stability([model] * 2, train)):
        with pytest.raises(ValueError, match="model must have the item labels of train in the same order, got others"):
            function(model, train)


# ---- lists from scores ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 9, 12])
def test_the_best_of_scores_are_those_of_a_sorted_list(n):
    rng = np.random.default_rng(n)
    scores = rng.integers(-3, 3, size=(200, 9)).astype(np.float32) * np.float32(1e-3)
    scores[rng.random(scores.shape) < 0.2] *= -0.0
    scores[rng.random(scores.shape) < 0.1] = np.inf
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    expected = np.full((200, n), -1)
    for row, of_row in zip(expected, scores, strict=True):
        best = best_by_hand(of_row, n, np.flatnonzero(of_row == -np.inf))
        row[: len(best)] = best
    assert_array_equal(_ranking.best_of(scores, n), expected)


def test_threads_and_blocks_do_not_change_lists(tied, monkeypatch):
    def results(num_threads):
        return [
            evaluate_lists(tied.given, tied.train, num_threads=num_threads),
            evaluate_neighbours(tied.given, tied.train, labels=np.arange(43) % 4, num_threads=num_threads),
            evaluate_neighbours(tied.model, tied.train, labels=np.arange(43) % 4, num_threads=num_threads),
        ]

    expected = results(1)
    for block_size in (1, 43 * 8 * 7):
        monkeypatch.setattr(_ranking, "BLOCK_SIZE", block_size)
        assert results(2) == expected


# ---- lists of every kind --------------------------------------------------------------------------------------------


def renamed(results, K):
    """The same results by names without their length."""
    return {name.replace(f"@{K}", ""): value for name, value in results.items()}


@pytest.mark.parametrize("who", ["given", "model", "BPR"])
def test_lists_much_longer_than_the_catalogue_say_the_same_as_lists_of_all_of_it(tied, who):
    train, labels, absurd = tied.train, np.arange(43) % 4, 10**9
    model = fit(train, factors=4, iterations=2) if who == "BPR" else getattr(tied, who)
    neighbours = [renamed(evaluate_neighbours(model, train, K, labels=labels), K) for K in (42, absurd)]
    assert neighbours[0] == neighbours[1]
    lists = [renamed(evaluate_lists(model, train, K), K) for K in (43, absurd)]
    assert lists[0] == lists[1]
    for of in ("items", "users"):
        known, absurdly = (stability([model, Popularity().fit(train)], train, K, of) for K in (43, absurd))
        assert (known.mean, known.spread) == (absurdly.mean, absurdly.spread)
    accuracy = [renamed(evaluate(model, train, tied.test, K, ["hr", "ndcg", "map"]), K) for K in (43, absurd)]
    assert accuracy[0] == accuracy[1]
    compared = [compare(model, model, train, tied.test, K, "ndcg", n_samples=9).metrics for K in (43, absurd)]
    assert renamed(compared[0], 43) == renamed(compared[1], absurd)


def test_a_catalogue_of_one_item_has_no_neighbours():
    for model in (Given(similarities=[[1]]), Listing([[0]]), SimpleNamespace(item_factors=np.ones((1, 2)))):
        assert evaluate_neighbours(model, matrix([1]), 10**9, metrics="coverage") == {"coverage@1000000000": 0}


def test_no_list_function_changes_what_it_is_given(tied):
    labels = np.arange(43) % 4
    tags = scipy.sparse.csr_array((np.arange(1.0, 44), (np.arange(43), labels)))
    arrays = [tied.given.scores, tied.given.similarities, tied.train.data, tied.train.indices, labels, tags.data]
    copies = [array.copy() for array in arrays]
    evaluate_lists(tied.given, tied.train)
    for known in (labels, tags):
        evaluate_neighbours(tied.given, tied.train, labels=known)
    stability([tied.given] * 2, tied.train)
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)
