"""What is in lists of similar items: hubs, popularity, labels, and how much of it is chance; against plain loops."""

import collections
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import Given, Listing, fit, matrix, neighbours_by_hand
from numpy.testing import assert_array_equal

from fastbpr import BPR, NotFittedError, _lists
from fastbpr.baselines import Popularity
from fastbpr.evaluation import evaluate_neighbours


@pytest.mark.parametrize("K", [1, 5, 60])
def test_neighbour_lists_agree_with_loops(tied, K):
    n_items = tied.shape[1]
    lists = neighbours_by_hand(tied.similarities, tied.queries, K)
    counts = collections.Counter(item for items in lists.values() for item in items)
    frequencies = [counts[item] for item in range(n_items)]
    ratios = [
        np.mean([math.log((1 + tied.popularity[item]) / (1 + tied.popularity[query])) for item in items])
        for query, items in lists.items()
    ]
    pairs = [(query, item) for query, items in lists.items() for item in items if item in lists]
    constant = len(set(frequencies)) == 1
    expected = {
        f"coverage@{K}": len(counts) / n_items,
        f"hubness@{K}": 0 if constant else scipy.stats.skew(frequencies),
        f"largest_hub@{K}": max(frequencies),
        f"orphans@{K}": np.mean([counts[item] == 0 for item in tied.queries]),
        f"popularity_ratio@{K}": math.exp(np.mean(ratios)),
        f"symmetry@{K}": np.mean([query in lists[item] for query, item in pairs]),
    }
    actual = evaluate_neighbours(tied.given, tied.train, K)
    assert list(actual) == list(expected)
    assert actual == pytest.approx(expected)


def cosine(one, other):
    return one @ other / math.sqrt((one @ one) * (other @ other))


def agreement_by_hand(lists, rows):
    """(agreement, chance): chance puts every neighbour that counts into every list but its own."""
    labelled = {item for item in range(len(rows)) if rows[item].any()}
    lists = {query: [item for item in items if item in labelled] for query, items in lists.items() if query in labelled}
    lists = {query: items for query, items in lists.items() if items}
    places = [item for items in lists.values() for item in items]
    observed = [np.mean([cosine(rows[query], rows[item]) for item in items]) for query, items in lists.items()]
    chance = [np.mean([cosine(rows[query], rows[item]) for item in places if item != query]) for query in lists]
    return np.mean(observed), np.mean(chance)


@pytest.mark.parametrize("K", [1, 5, 60])
def test_agreement_with_tags_and_its_chance_agree_with_loops(tied, K, monkeypatch):
    monkeypatch.setattr("fastbpr.evaluation.neighbours.PAIRS_AT_ONCE", 7)
    rng = np.random.default_rng(1)
    rows = rng.integers(1, 9, size=(tied.shape[1], 12)) * (rng.random((tied.shape[1], 12)) < 0.15)
    observed, chance = agreement_by_hand(neighbours_by_hand(tied.similarities, tied.queries, K), rows)
    result = evaluate_neighbours(tied.given, tied.train, K, labels=scipy.sparse.coo_array(rows), metrics="agreement")
    assert (rows.sum(axis=1) == 0).any()
    assert result == {
        f"agreement@{K}": pytest.approx(observed),
        f"agreement@{K} (chance)": pytest.approx(chance),
        f"agreement@{K} (lift)": pytest.approx(observed / chance),
    }


@pytest.mark.parametrize(
    "names", [["tea", "cup", "", "pot"], [3, 5, np.nan, 9], ["a", "b", None, "c"], [True, False, None, "x"]]
)
def test_agreement_with_categories_is_that_of_one_tag_per_item(tied, names):
    codes = np.random.default_rng(2).integers(4, size=tied.shape[1])
    rows = np.eye(4)[codes]
    rows[codes == 2] = 0
    labels = [names[code] for code in codes]
    observed, chance = agreement_by_hand(neighbours_by_hand(tied.similarities, tied.queries, 5), rows)
    for given in (labels, np.array(labels, dtype=object)):
        result = evaluate_neighbours(tied.given, tied.train, 5, labels=given, metrics="agreement")
        assert list(result.values()) == pytest.approx([observed, chance, observed / chance])


def test_chance_is_what_changing_places_at_random_gives(tied):
    """Neighbours are shuffled over all lists again and again; an item that lands in its own list does not count."""
    codes = np.random.default_rng(3).integers(3, size=tied.shape[1])
    result = evaluate_neighbours(tied.given, tied.train, 5, labels=codes, metrics="agreement")
    lists = np.array(list(neighbours_by_hand(tied.similarities, tied.queries, 5).values()))
    rng, means = np.random.default_rng(0), []
    for _ in range(2000):
        shuffled = rng.permutation(lists.ravel()).reshape(lists.shape)
        same = np.ma.array(codes[shuffled] == codes[tied.queries, None], mask=shuffled == tied.queries[:, None])
        means.append(same.mean(axis=1).mean())
    assert result["agreement@5 (chance)"] == pytest.approx(np.mean(means), abs=0.002)


def test_popular_items_of_one_kind_everywhere_are_no_skill(tied):
    """A model that shows everybody the same items agrees as often as chance does."""
    labels = np.where(np.argsort(np.argsort(-tied.popularity)) < 30, "big", "small")
    result = evaluate_neighbours(Popularity().fit(tied.train), tied.train, 5, labels=labels, metrics="agreement")
    assert result["agreement@5 (lift)"] == pytest.approx(1, abs=0.03)
    assert result["agreement@5"] > 0.5


def test_labels_that_no_two_items_share_have_no_lift():
    rows = scipy.sparse.csr_array(np.kron(np.eye(4), [0.1, 0.7, 0.3]))
    result = evaluate_neighbours(
        Given(similarities=np.arange(16).reshape(4, 4)), matrix([1] * 4), 2, labels=rows, metrics="agreement"
    )
    assert (result["agreement@2"], result["agreement@2 (chance)"]) == (0, 0)
    assert math.isnan(result["agreement@2 (lift)"])
    alone = evaluate_neighbours(
        Given(similarities=np.eye(3)), matrix([1] * 3), labels=["a", None, None], metrics="agreement"
    )
    assert all(math.isnan(value) for value in alone.values())


def test_huge_and_tiny_weights_of_tags_have_a_cosine():
    rows = scipy.sparse.csr_array(np.array([[1e200, 1e200], [1e-200, 1e-200], [0, 3.0]]))
    result = evaluate_neighbours(Given(similarities=[[9, 2, 1]] * 3), matrix([1] * 3), 1, labels=rows, items=[0])
    assert result["agreement@1"] == pytest.approx(1)


def test_agreement_is_left_out_without_labels_and_cannot_be_asked_for(problem):
    assert not any("agreement" in name for name in evaluate_neighbours(problem.model, problem.train))
    assert list(evaluate_neighbours(problem.model, problem.train, labels=np.arange(43)))[-1] == "agreement@10 (lift)"
    with pytest.raises(ValueError, match="labels must be given for the metric 'agreement', got None"):
        evaluate_neighbours(problem.model, problem.train, metrics=["coverage", "agreement@5"])


def test_one_item_in_all_lists_is_a_hub_and_the_others_orphans():
    similarities = np.zeros((6, 6))
    similarities[:, 2] = 1
    similarities[2, 3] = 1
    result = evaluate_neighbours(Given(similarities=similarities), matrix([1, 1, 1, 1, 1, 0]), 1)
    assert result["largest_hub@1"] == 4
    assert result["orphans@1"] == 3 / 5  # items 0, 1 and 4; nobody has item 5
    assert result["coverage@1"] == 2 / 6
    assert result["symmetry@1"] == 2 / 5  # 2 -> 3 and 3 -> 2


def test_lists_of_named_items_are_the_only_ones():
    similarities = [[9, 3, 2, 1], [3, 9, 2, 1], [0, 0, 9, 1], [0, 0, 0, 9]]
    result = evaluate_neighbours(
        Given(similarities=similarities), matrix([1] * 4), 2, items=[1, 0, 1], metrics=["coverage", "symmetry"]
    )
    assert result == {"coverage@2": 3 / 4, "symmetry@2": 1}  # item 2, in both lists, has none itself
    assert math.isnan(
        evaluate_neighbours(Given(similarities=similarities), matrix([1] * 4), 1, items=[2], metrics="symmetry")[
            "symmetry@1"
        ]
    )


# ---- whose lists ----------------------------------------------------------------------------------------------------


def test_item_factors_a_similarity_and_a_method_that_lists_give_the_same(communities):
    model = fit(communities, factors=8)
    labels = np.arange(100) // 25
    by_method = evaluate_neighbours(model, communities, 7, labels=labels)
    by_factors = evaluate_neighbours(SimpleNamespace(item_factors=model.item_factors), communities, 7, labels=labels)
    assert by_method == by_factors
    assert by_method["agreement@7"] > 0.9
    assert by_method["agreement@7 (chance)"] == pytest.approx(24 / 99, abs=0.02)


def test_the_item_itself_is_left_out_wherever_it_is_listed():
    ids = [[0, 1, 2], [2, 1, 3], [3, 0, 1], [1, -1, -1]]
    lists = _lists.neighbours(Listing(ids), (5, 4), np.arange(4), 2, 1)
    assert_array_equal(lists, [[1, 2], [2, 3], [3, 0], [1, -1]])


def test_short_lists_are_filled_up_with_nothing():
    lists = _lists.neighbours(Listing([[0, 1], [1, -1]]), (5, 9), np.arange(2), 4, 1)
    assert_array_equal(lists, [[1, -1, -1, -1], [-1, -1, -1, -1]])


@pytest.mark.parametrize(
    ("answer", "error", "rule"),
    [
        (np.zeros((2, 2), dtype=int), TypeError, "a pair (ids, scores)"),
        (([[0.5]] * 2, [[1.0]] * 2), TypeError, "got dtypes float64 and float64"),
        (([[0, 1]], [[1, 1]]), ValueError, "got shapes (1, 2) and (1, 2)"),
        (([[0, 1]] * 2, [[1]] * 2), ValueError, "got shapes (2, 2) and (2, 1)"),
        (([[0, 1, -1]] * 2, [[1, 1, 1]] * 2), ValueError, "got shapes (2, 3)"),
        (([[0, 2]] * 2, [[1, 1]] * 2), ValueError, "ids from 0 to 1, or -1 for none, got 2"),
        (([[0, 1]] * 2, [[1, np.nan]] * 2), ValueError, "scores free of NaN, got 2 NaN among them"),
        (([[1, 1]] * 2, [[1, 1]] * 2), ValueError, "must list an item once, got item 1 twice in one list"),
    ],
)
def test_what_a_method_lists_is_checked(answer, error, rule):
    answer = tuple(map(np.array, answer)) if isinstance(answer, tuple) else answer
    model = SimpleNamespace(similar_items=lambda itemids, N: answer)
    with pytest.raises(error, match=re.escape(rule)):
        evaluate_neighbours(model, matrix([1, 1]), 1)


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ({"items": []}, ValueError, "items must name at least one item, got []."),
        ({"items": [43]}, IndexError, "items must be item ids, integers from 0 to 42, got 43."),
        ({"labels": ["a"] * 42}, ValueError, "labels must have one entry per item, 43, got 42. Several tags"),
        ({"labels": [None] * 43}, ValueError, "labels must be given for one item at least, got none."),
        ({"labels": np.ones((43, 2))}, ValueError, "labels must be a one-dimensional array, list or column"),
        ({"labels": "tea"}, TypeError, "labels must be a one-dimensional array, list or column"),
        ({"labels": scipy.sparse.csr_array((42, 3))}, ValueError, "labels must have one row per item, shape (43, n_t"),
        ({"labels": scipy.sparse.csr_array((43, 3))}, ValueError, "labels must be given for one item at least"),
        ({"labels": scipy.sparse.csr_array(-np.eye(43))}, ValueError, "labels must hold values >= 0, got -1.0"),
        ({"labels": scipy.sparse.csr_array(np.eye(43) * 1j)}, TypeError, "labels must hold real numbers"),
        ({"metrics": "gini"}, ValueError, "metrics must be among coverage, hubness, largest_hub, orphans, "),
        ({"model": BPR()}, NotFittedError, "BPR must be fitted first"),
        ({"model": None}, TypeError, "model must have item_factors, or a method similarity(itemids)"),
        ({"model": Given(similarities=np.full((43, 43), np.nan))}, ValueError, "must return scores free of NaN"),
        ({"train": matrix([0, 0])}, ValueError, "train must contain at least one interaction"),
    ],
)
def test_bad_input_about_neighbours_is_named(problem, arguments, error, rule):
    with pytest.raises(error, match=re.escape(rule)):
        evaluate_neighbours(**{"model": problem.model, "train": problem.train} | arguments)


def test_a_models_vectors_must_be_finite_although_its_own_method_lists(communities):
    model = fit(communities, factors=8, iterations=1)
    model.item_factors = np.where(np.arange(100)[:, None] == 3, np.nan, model.item_factors)
    with pytest.raises(ValueError, match=r"item_factors must hold finite numbers .* no rank"):
        evaluate_neighbours(model, communities)
