"""How much lists of several models have in common, against sets, and what is refused."""

import math
import re

import numpy as np
import pytest
from helpers import Given, Listing, fit, matrix, neighbours_by_hand, recommended_by_hand
from numpy.testing import assert_array_equal

from fastbpr import BPR, NotFittedError
from fastbpr.baselines import Random
from fastbpr.evaluation import stability


@pytest.mark.parametrize("of", ["items", "users"])
def test_stability_agrees_with_sets(tied, of):
    rng = np.random.default_rng(5)
    models = [Given(rng.integers(9, size=tied.shape), rng.integers(9, size=(tied.shape[1],) * 2)) for _ in range(3)]
    if of == "items":
        lists = [neighbours_by_hand(model.similarities, tied.queries, 6) for model in models]
    else:
        lists = [recommended_by_hand(model.scores, tied.train, 6) for model in models]
    asked = sorted(lists[0])
    values = {
        (a, b): np.array([len({*lists[a][k]} & {*lists[b][k]}) / len({*lists[a][k]} | {*lists[b][k]}) for k in asked])
        for a, b in [(0, 1), (0, 2), (1, 2)]
    }
    result = stability(models, tied.train, K=6, of=of)
    of_queries = np.mean(list(values.values()), axis=0)
    assert result.queries.tolist() == asked
    assert result.values == pytest.approx(of_queries)
    assert (result.mean, result.spread) == pytest.approx((of_queries.mean(), of_queries.std()))
    for (a, b), of_pair in values.items():
        assert result.pairs[a, b] == result.pairs[b, a] == pytest.approx(of_pair.mean())
    assert np.diag(result.pairs).tolist() == [1, 1, 1]


def test_equal_models_have_everything_in_common_and_order_does_not_matter():
    forwards, backwards = ([[9, 3, 2, 0]] * 4, [[9, 2, 3, 0]] * 4)
    result = stability([Given(forwards), Given(backwards)], matrix([1, 0, 0, 0], *[[0, 1, 0, 0]] * 3), 2, of="users")
    assert result.pairs[0, 1] == pytest.approx((1 + 3 * 1) / 4)
    assert str(result).startswith("2 models have 1.000 of their lists in common (Jaccard; 1.000 to 1.000")


def test_empty_lists_have_nothing_to_compare():
    train = matrix([1, 1, 1], [1, 0, 0])
    result = stability([Given([[1, 2, 3]] * 2), Given([[1, 3, 2]] * 2)], train, 1, of="users")
    assert_array_equal(result.values, [np.nan, 0])
    assert (result.mean, result.spread) == (0, 0)
    nothing = stability([Given([[1, 2, 3]] * 2)] * 2, train, of="users", queries=[0])
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.pairs[0, 1])


def test_an_empty_list_has_nothing_in_common_with_another():
    full, empty = Listing([[1, 2], [0, 2], [0, 1]]), Listing(np.full((3, 2), -1))
    assert stability([full, empty], matrix([1, 1, 1]), 1).mean == 0


def test_seeds_of_a_model_that_learned_agree_more_than_chance(communities):
    models = [fit(communities, factors=8, random_state=seed) for seed in range(2)]
    by_chance = [Random(random_state=seed).fit(communities) for seed in range(2)]
    assert stability(models, communities, 20).mean > 0.6
    assert stability(by_chance, communities, 20).mean == pytest.approx(4 / 36, abs=0.03)  # 20 of 99 twice: 4 in common


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ({"models": []}, ValueError, "models must be at least two models fitted to the same data"),
        ({"models": [1]}, ValueError, "in a list, got 1."),
        ({"models": BPR()}, TypeError, "models must be at least two models"),
        ({"models": [BPR(), BPR()]}, NotFittedError, "BPR must be fitted first"),
        ({"of": "item"}, ValueError, "of must be one of 'items', 'users', got 'item'."),
        ({"K": [5, 10]}, TypeError, "K must be an integer >= 1, got [5, 10]."),
        ({"queries": []}, ValueError, "queries must name at least one item, got []."),
        ({"queries": [50]}, IndexError, "queries must be item ids, integers from 0 to 42, got 50."),
        ({"queries": [50], "of": "users", "train": matrix([1] * 43)}, IndexError, "queries must be user ids"),
    ],
)
def test_bad_input_about_seeds_is_named(problem, arguments, error, rule):
    with pytest.raises(error, match=re.escape(rule)):
        stability(**{"models": [problem.model] * 2, "train": problem.train} | arguments)
