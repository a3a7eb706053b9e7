"""What is in lists: coverage, popularity, hubs, labels, and how much of it is chance; each against plain loops."""

import collections
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import Given, Problem, fit, matrix
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, NotFittedError, _lists, _ranking
from fastbpr.baselines import Popularity, Random
from fastbpr.evaluation import compare, evaluate, evaluate_lists, evaluate_neighbours, stability


def best_by_hand(scores, n, left_out):
    """Ids of the n best, the smaller first among equal ones."""
    return sorted(set(range(len(scores))) - set(left_out), key=lambda item: (-scores[item], item))[:n]


def recommended_by_hand(scores, train, n):
    train = train.toarray() > 0
    return {
        user: best_by_hand(scores[user], n, np.flatnonzero(train[user]))
        for user in range(len(train))
        if any(train[user])
    }


def neighbours_by_hand(similarities, queries, n):
    return {query: best_by_hand(similarities[query], n, [query]) for query in queries}


@pytest.fixture(params=[3, 10**6], ids=["ties", "no ties"])
def tied(request):
    """A problem with scores and similarities; item 7 is nobody's, user 9 lacks two items, user 4 all."""
    problem = Problem()
    train = problem.train.toarray()
    train[9], train[9, [2, 7]] = 1, 0
    train[:, 7], train[4] = 0, 0
    problem.train = scipy.sparse.csr_array(train)
    rng = np.random.default_rng(0)
    n_users, n_items = problem.shape
    problem.scores = rng.integers(-request.param, request.param, size=(n_users, n_items)) / 2
    problem.similarities = rng.integers(-request.param, request.param, size=(n_items, n_items)) / 2
    problem.popularity = (train > 0).sum(axis=0)
    problem.queries = np.flatnonzero(problem.popularity)
    problem.given = Given(problem.scores, problem.similarities)
    return problem


# ---- recommendations ------------------------------------------------------------------------------------------------


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


# ---- neighbours -----------------------------------------------------------------------------------------------------


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


# ---- whose lists of neighbours --------------------------------------------------------------------------------------


def test_item_factors_a_similarity_and_a_method_that_lists_give_the_same(communities):
    model = fit(communities, factors=8)
    labels = np.arange(100) // 25
    by_method = evaluate_neighbours(model, communities, 7, labels=labels)
    by_factors = evaluate_neighbours(SimpleNamespace(item_factors=model.item_factors), communities, 7, labels=labels)
    assert by_method == by_factors
    assert by_method["agreement@7"] > 0.9
    assert by_method["agreement@7 (chance)"] == pytest.approx(24 / 99, abs=0.02)


class Listing:
    """A model that only lists neighbours."""

    def __init__(self, ids, scores=None):
        self.ids = np.asarray(ids)
        self.scores = np.ones(self.ids.shape) if scores is None else np.asarray(scores)

    def similar_items(self, itemids, N):
        return self.ids[itemids], self.scores[itemids]


def test_the_item_itself_is_left_out_wherever_it_is_listed():
    ids = [[0, 1, 2], [2, 1, 3], [3, 0, 1], [1, -1, -1]]
    lists = _lists.neighbours(Listing(ids), (5, 4), np.arange(4), 2, 1)
    assert_array_equal(lists, [[1, 2], [2, 3], [3, 0], [1, -1]])


def test_short_lists_are_filled_up_with_nothing():
    lists = _lists.neighbours(Listing([[0, 1], [1, -1]]), (5, 9), np.arange(2), 4, 1)
    assert_array_equal(lists, [[1, -1, -1, -1], [-1, -1, -1, -1]])


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


# ---- seeds ----------------------------------------------------------------------------------------------------------


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
