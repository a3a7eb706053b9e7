"""Metrics by hand, against other libraries and against plain loops; candidates, ties, given negatives."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import sklearn.metrics
from helpers import Given, Problem, matrix, random_matrix, ranks_by_hand
from numpy.testing import assert_array_equal

from fastbpr import BPR, _ranking
from fastbpr.baselines import Popularity
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.splitting import leave_one_out

# ---- definitions ----------------------------------------------------------------------------------------------------


# The only user has item 0 in training. The other seven in the order of their scores: 3, 1, 7, 2, 5, 4, 6.
SCORES = [[9.0, 0.6, 0.4, 0.7, 0.2, 0.3, 0.1, 0.5]]
TRAIN = matrix([1, 0, 0, 0, 0, 0, 0, 0])
TEST = matrix([0, 1, 1, 0, 1, 0, 0, 0])  # items 1, 2 and 4: ranks 2, 4 and 6
LOG2 = math.log2


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("hr@1", 0),
        ("hr@2", 1),
        ("recall@1", 0),
        ("recall@4", 2 / 3),
        ("recall@7", 1),
        ("precision@4", 2 / 4),
        ("precision@100", 3 / 100),
        ("ndcg@1", 0),
        ("ndcg@2", (1 / LOG2(3)) / (1 + 1 / LOG2(3))),
        ("ndcg@5", (1 / LOG2(3) + 1 / LOG2(5)) / (1 + 1 / LOG2(3) + 1 / LOG2(4))),
        ("map@1", 0),
        ("map@4", (1 / 2 + 2 / 4) / 3),
        ("map@6", (1 / 2 + 2 / 4 + 3 / 6) / 3),
        ("mrr", 1 / 2),
        ("auc", 1 - (1 + 2 + 3) / (3 * 4)),
    ],
)
def test_metrics_of_ranks_2_4_and_6_of_7(metric, value):
    assert evaluate(Given(SCORES), TRAIN, TEST, metrics=metric) == {metric: pytest.approx(value)}


def test_metrics_with_one_relevant_item_are_those_of_its_rank():
    train, test = matrix([0, 0, 0, 0]), matrix([0, 0, 1, 0])
    result = evaluate(Given([[0.9, 0.8, 0.7, 0.6]]), train, test, K=3)
    expected = {
        "hr@3": 1,
        "recall@3": 1,
        "precision@3": 1 / 3,
        "ndcg@3": 0.5,
        "map@3": 1 / 3,
        "mrr": 1 / 3,
        "auc": 1 / 3,
    }
    assert result == pytest.approx(expected)


def test_results_are_means_over_users_with_relevant_items():
    train = matrix([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])
    test = matrix([0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0])
    scores = [[0, 3, 2, 1], [2, 0, 3, 1], [1, 1, 1, 1]]  # ranks 1 and 3; nothing to find for user 2
    result = evaluate(Given(scores), train, test, K=[1, 3], metrics=["hr", "mrr"])
    assert result == {"hr@1": 0.5, "hr@3": 1.0, "mrr": pytest.approx(2 / 3)}


@pytest.fixture
def ranx(monkeypatch):
    """ranx as plain Python: compiling it takes half a minute, and the data is small."""
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    import ranx

    return ranx


def test_metrics_equal_those_of_ranx(ranx, problem):
    qrels, run = {}, {}
    for user, relevant, others in problem.users():
        qrels[f"u{user}"] = {f"i{item}": 1 for item in relevant}
        run[f"u{user}"] = {f"i{item}": float(problem.scores[user, item]) for item in [*relevant, *others]}
    theirs = {"hr": "hit_rate", "recall": "recall", "precision": "precision", "ndcg": "ndcg", "map": "map"}
    names = {f"{ours}@{k}": f"{name}@{k}" for ours, name in theirs.items() for k in (1, 3, 10)} | {"mrr": "mrr"}
    expected = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(names.values()))
    actual = evaluate(problem.model, problem.train, problem.test, metrics=list(names))
    assert actual == pytest.approx({name: expected[names[name]] for name in names}, abs=1e-9)


def test_auc_and_ndcg_equal_those_of_scikit_learn(problem):
    auc, ndcg = [], []
    for user, relevant, others in problem.users():
        truth = np.isin([*relevant, *others], relevant)
        scores = problem.scores[user, [*relevant, *others]]
        auc.append(sklearn.metrics.roc_auc_score(truth, scores))
        ndcg.append(sklearn.metrics.ndcg_score([truth], [scores], k=5))
    result = evaluate(problem.model, problem.train, problem.test, K=5, metrics=["auc", "ndcg"])
    assert result == pytest.approx({"auc": np.mean(auc), "ndcg@5": np.mean(ndcg)})


# ---- candidates -----------------------------------------------------------------------------------------------------


def test_training_items_are_no_candidates():
    train, test = matrix([1, 1, 0, 0]), matrix([0, 0, 1, 0])
    assert evaluate(Given([[9, 8, 2, 1]]), train, test, metrics=["mrr", "auc"]) == {"mrr": 1, "auc": 1}


def test_a_test_item_that_is_in_training_too_is_not_relevant():
    train = matrix([1, 0, 0, 0], [0, 1, 0, 0])
    test = matrix([1, 0, 0, 1], [0, 1, 0, 0])  # user 1 has no other test item, and is not evaluated
    result = evaluate(Given([[9, 3, 2, 1], [0, 0, 0, 0]]), train, test, K=3)
    assert (result["mrr"], result["recall@3"], result["auc"]) == (pytest.approx(1 / 3), 1, 0)


def test_the_users_to_evaluate_can_be_named():
    train = matrix([0, 0, 0], [0, 0, 0], [0, 0, 0])
    test = matrix([1, 0, 0], [0, 1, 0], [0, 0, 1])
    model = Given([[1, 2, 3]] * 3)  # ranks 3, 2 and 1
    assert evaluate(model, train, test, metrics="mrr", users=[2, 1, 2]) == {"mrr": 0.75}
    with pytest.raises(IndexError, match="users must be user ids, integers from 0 to 2, got 3"):
        evaluate(model, train, test, users=[3])


def test_a_user_without_other_candidates_has_no_auc():
    train, test = matrix([1, 0], [0, 0]), matrix([0, 1], [0, 1])
    assert evaluate(Given([[1, 2], [1, 2]]), train, test, metrics="auc") == {"auc": 1}
    assert math.isnan(evaluate(Given([[1, 2], [1, 2]]), train, test, metrics="auc", users=[0])["auc"])


def test_training_may_be_empty():
    assert evaluate(Given([[1, 2]]), matrix([0, 0]), matrix([0, 1]), metrics="mrr") == {"mrr": 1}


# ---- ties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, -1.0, 1e30, -np.inf, np.inf])
def test_a_constant_score_finds_nothing(constant):
    rng = np.random.default_rng(0)
    test = scipy.sparse.csr_array((rng.random((20, 30)) < 0.2).astype(float))
    train = scipy.sparse.csr_array((rng.random((20, 30)) < 0.2).astype(float))
    result = evaluate(Given(np.full((20, 30), constant)), train, test, K=10)
    assert {name: result.pop(name) for name in ("hr@10", "recall@10", "ndcg@10", "map@10", "auc")} == pytest.approx(
        {"hr@10": 0, "recall@10": 0, "ndcg@10": 0, "map@10": 0, "auc": 0}
    )
    assert 0 < result["mrr"] < 0.1


def test_equal_scores_of_relevant_items_do_not_hurt_each_other():
    train, test = matrix([0, 0, 0, 0]), matrix([1, 1, 0, 0])
    result = evaluate(Given([[5, 5, 1, 1]]), train, test, K=2)
    assert set(result.values()) == {1}


def test_scores_that_differ_in_double_precision_only_are_ties():
    train, test = matrix([0, 0]), matrix([0, 1])
    assert evaluate(Given([[1.0, 1.0 + 1e-12]]), train, test, metrics="mrr") == {"mrr": 0.5}


def test_items_a_model_rules_out_with_minus_infinity_stay_behind_all_others():
    train, test = matrix([1, 0, 0, 0]), matrix([0, 1, 0, 0])
    assert evaluate(Given([[0, -np.inf, 0, -np.inf]]), train, test, metrics="mrr") == {"mrr": pytest.approx(1 / 3)}


@pytest.mark.parametrize("n_levels", [1, 2, 4])
def test_ranks_with_ties_agree_with_a_sorted_list(n_levels):
    problem = Problem(seed=n_levels)
    scores = np.random.default_rng(n_levels).integers(n_levels, size=problem.shape)
    ranks = [ranks_by_hand(scores[user], relevant, others) for user, relevant, others in problem.users()]
    expected = {
        "mrr": np.mean([1 / min(of_user) for of_user in ranks]),
        "recall@10": np.mean([np.mean(np.array(of_user) <= 10) for of_user in ranks]),
    }
    assert evaluate(Given(scores), problem.train, problem.test, metrics=["mrr", "recall"]) == pytest.approx(expected)


# ---- given negatives ------------------------------------------------------------------------------------------------


def test_given_negatives_are_the_only_competitors_and_the_name_says_so():
    train, test = matrix([0, 0, 0, 0, 0]), matrix([0, 0, 1, 0, 0])
    result = evaluate(Given([[5, 4, 3, 2, 1]]), train, test, K=1, metrics=["hr", "mrr", "auc"], negatives=[[1, 3, 4]])
    assert result == {"hr@1 (3 negatives)": 0, "mrr (3 negatives)": 0.5, "auc (3 negatives)": pytest.approx(2 / 3)}


def test_a_negative_that_is_the_users_own_test_item_does_not_compete():
    train, test = matrix([1, 0, 0, 0]), matrix([1, 0, 1, 0])
    scores = Given([[9, 1, 5, 1]])
    for defect in (2, 0):  # relevant itself; in test, but in training, too
        result = evaluate(scores, train, test, metrics=["mrr", "auc"], negatives=np.array([[1, defect]]))
        assert result == {"mrr (2 negatives)": 1, "auc (2 negatives)": 1}


def test_a_negative_that_is_a_training_item_competes():
    result = evaluate(Given([[9, 5]]), matrix([1, 0]), matrix([0, 1]), metrics="mrr", negatives=[[0]])
    assert result == {"mrr (1 negatives)": 0.5}


def test_a_negative_given_twice_counts_once_and_padding_not_at_all():
    train, test = matrix([0, 0, 0, 0]), matrix([0, 1, 0, 0])
    result = evaluate(Given([[3, 2, 1, 9]]), train, test, metrics=["mrr", "auc"], negatives=[[0, 0, 2, -1]])
    assert result == {"mrr (4 negatives)": 0.5, "auc (4 negatives)": 0.5}


def test_ranks_among_negatives_agree_with_a_sorted_list(problem):
    reciprocal_ranks = []
    for user, relevant, _ in problem.users():
        own = problem.test[[user]].indices
        others = set(problem.negatives[user].tolist()) - {-1} - set(own.tolist())
        reciprocal_ranks.append(1 / min(ranks_by_hand(problem.scores[user], relevant, others)))
    result = evaluate(problem.model, problem.train, problem.test, metrics="mrr", negatives=problem.negatives)
    assert result == {"mrr (9 negatives)": pytest.approx(np.mean(reciprocal_ranks))}


def test_rows_of_users_who_are_not_evaluated_may_be_empty():
    train, test = matrix([0, 0, 0], [0, 0, 0]), matrix([0, 0, 0], [0, 1, 0])
    negatives = np.array([[-1, -1], [0, 2]])
    assert evaluate(Given([[0, 0, 0], [1, 2, 3]]), train, test, metrics="mrr", negatives=negatives)


def test_the_published_negatives_of_movielens_give_the_same_as_a_loop(data_folder):
    data = np.load(data_folder / "ml1m_ncf_loo.npz")
    shape = (6040, 3706)
    train, test = (
        scipy.sparse.csr_array(
            (np.ones(len(data[f"{part}_user"])), (data[f"{part}_user"], data[f"{part}_item"])), shape
        )
        for part in ("train", "test")
    )
    negatives, wanted = data["test_negatives"], test.indices
    assert (negatives == wanted[:, None]).sum() == 156
    scores = np.bincount(train.indices, minlength=3706)
    n_ahead = ((scores[negatives] >= scores[wanted, None]) & (negatives != wanted[:, None])).sum(axis=1)
    n_repeated = sum(len(row) != len(set(row)) for row in negatives.tolist())
    result = evaluate(Popularity().fit(train), train, test, metrics=["hr", "mrr"], negatives=negatives)
    assert n_repeated == 0
    assert result["hr@10 (99 negatives)"] == pytest.approx(np.mean(n_ahead < 10))
    assert result["mrr (99 negatives)"] == pytest.approx(np.mean(1 / (n_ahead + 1)))


# ---- how it is computed ---------------------------------------------------------------------------------------------


def test_a_factor_model_and_its_scores_given_by_a_method_get_the_same(problem):
    by_factors = evaluate(problem.model, problem.train, problem.test)
    assert evaluate(Given(problem.scores), problem.train, problem.test) == pytest.approx(by_factors)


@pytest.mark.parametrize("negatives", [False, True])
def test_threads_and_blocks_do_not_change_the_result(problem, negatives, monkeypatch):
    arguments = {"negatives": problem.negatives if negatives else None}
    expected = evaluate(problem.model, problem.train, problem.test, num_threads=1, **arguments)
    similar = evaluate_similar_items(problem.model, problem.train, problem.test, num_threads=1)
    for block_size in (1, 43 * 7, 2**24):
        monkeypatch.setattr(_ranking, "BLOCK_SIZE", block_size)
        for num_threads in (2, 3):
            assert (
                evaluate(problem.model, problem.train, problem.test, num_threads=num_threads, **arguments) == expected
            )
            assert (
                evaluate_similar_items(problem.model, problem.train, problem.test, num_threads=num_threads) == similar
            )


def test_nothing_that_is_passed_in_is_changed(problem):
    model = Given(problem.scores, problem.model.item_factors @ problem.model.item_factors.T)
    arrays = [model.scores, model.similarities, problem.negatives, problem.train.data, problem.test.data]
    copies = [array.copy() for array in arrays]
    evaluate(model, problem.train, problem.test)
    evaluate(model, problem.train, problem.test, negatives=problem.negatives)
    evaluate_similar_items(model, problem.train, problem.test)
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)


def test_values_layout_and_index_type_of_matrices_do_not_matter(problem):
    expected = evaluate(problem.model, problem.train, problem.test)
    train, test = problem.train * 7, problem.test.tocsc()
    train.indices, train.indptr = train.indices.astype(np.int64), train.indptr.astype(np.int64)
    assert evaluate(problem.model, train, test) == expected
    assert evaluate(problem.model, train.tocoo(), test.astype(bool)) == expected


def test_a_fitted_bpr_is_evaluated_as_its_lists_are(communities):
    train, test = leave_one_out(communities, random_state=0)
    model = BPR(factors=8, iterations=20, random_state=0).fit(train, show_progress=False)
    listed = model.recommend(np.arange(200), N=10)[0]
    found = (listed == test.indices[:, None]).any(axis=1).mean()
    assert evaluate(model, train, test, metrics="hr") == {"hr@10": pytest.approx(found)}
    assert found > evaluate(Popularity().fit(train), train, test, metrics="hr")["hr@10"] + 0.2


# ---- similar items --------------------------------------------------------------------------------------------------


def similar_items_by_loops(similarities, problem):
    """Means over users of the means over pairs, one list at a time."""
    of_users = []
    for user, relevant, _ in problem.users():
        ranks = []
        for query in problem.train[[user]].indices:
            for target in relevant:
                others = [item for item in range(problem.shape[1]) if item not in (query, target)]
                ranks.append(1 + sum(similarities[query, item] >= similarities[query, target] for item in others))
        if ranks:
            ranks = np.array(ranks)
            gains = np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)
            of_users.append([np.mean(ranks <= 10), np.mean(1 / ranks), np.mean(gains)])
    return dict(zip(["hr@10", "mrr", "ndcg@10"], np.mean(of_users, axis=0), strict=True))


def test_neighbours_by_cosine_agree_with_loops(problem):
    factors = problem.model.item_factors.astype(float)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    expected = similar_items_by_loops(unit @ unit.T, problem)
    actual = evaluate_similar_items(problem.model, problem.train, problem.test)
    assert list(actual) == ["hr@10", "mrr", "ndcg@10"]
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("n_levels", [1, 3])
def test_neighbours_by_a_method_agree_with_loops_and_ties_count_against_the_target(problem, n_levels):
    n_items = problem.shape[1]
    similarities = np.random.default_rng(0).integers(n_levels, size=(n_items, n_items))
    expected = similar_items_by_loops(similarities, problem)
    actual = evaluate_similar_items(Given(similarities=similarities), problem.train, problem.test)
    assert actual == pytest.approx(expected)
    if n_levels == 1:
        assert actual == pytest.approx({"hr@10": 0, "mrr": 1 / (n_items - 1), "ndcg@10": 0})


def test_the_query_item_is_no_candidate_and_the_users_other_items_are():
    train, test = matrix([1, 1, 0, 0]), matrix([0, 0, 1, 0])
    # Item 2 comes behind item 1 for item 0 and first for item 1, each item being closest to itself.
    similarities = [[9, 3, 2, 1], [0, 9, 2, 1], [0, 0, 9, 0], [0, 0, 0, 9]]
    result = evaluate_similar_items(Given(similarities=similarities), train, test, K=[1, 2])
    assert result == pytest.approx(
        {"hr@1": 0.5, "hr@2": 1, "mrr": 0.75, "ndcg@1": 0.5, "ndcg@2": (1 + 1 / math.log2(3)) / 2}
    )


def test_an_item_without_a_vector_has_every_other_item_ahead():
    model = SimpleNamespace(item_factors=np.array([[0.0, 0], [1, 0], [0, 1]]))
    train, test = matrix([1, 0, 0], [0, 1, 0]), matrix([0, 1, 0], [1, 0, 0])
    assert evaluate_similar_items(model, train, test, metrics="mrr") == {"mrr": 0.5}


def test_neighbours_of_a_bpr_are_those_it_lists(communities):
    model = BPR(factors=8, iterations=5, random_state=0).fit(communities, show_progress=False)
    train = scipy.sparse.csr_array(np.eye(100, dtype=np.float32))  # user i has item i and wants the next one
    test = scipy.sparse.csr_array(np.roll(np.eye(100, dtype=np.float32), 1, axis=1))
    listed = model.similar_items(np.arange(100), N=11)[0][:, 1:]
    found = (listed == (np.arange(100)[:, None] + 1) % 100).any(axis=1).mean()
    assert evaluate_similar_items(model, train, test, metrics="hr") == {"hr@10": pytest.approx(found)}


def test_similar_items_need_a_user_with_items_in_both_parts():
    with pytest.raises(
        ValueError, match="test must have, for one of the users at least, beside a training item an item"
    ):
        evaluate_similar_items(Given(similarities=np.eye(2)), matrix([0, 0]), matrix([1, 1]))


# ---- ranks from lists of the best -----------------------------------------------------------------------------------


def integer_model(n_users, n_items, n_kinds, seed):
    """Vectors of small integers, of which many are equal: scores are exact, and ties are everywhere."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(-9, 10, size=(n_kinds, 4)).astype(np.float32)
    return SimpleNamespace(
        user_factors=rng.integers(-9, 10, size=(n_users, 4)).astype(np.float32),
        item_factors=kinds[rng.integers(n_kinds, size=n_items)],
        item_biases=rng.integers(0, 2, size=n_items).astype(np.float32),
    )


@pytest.mark.parametrize("n_kinds", [2, 300, 20_000])
@pytest.mark.parametrize("K", [1, 5, 20])
def test_metrics_of_lists_are_those_of_all_ranks(K, n_kinds):
    n_users, n_items = 300, 20_000
    model = integer_model(n_users, n_items, n_kinds, seed=K)
    rng = np.random.default_rng(n_kinds)
    train = random_matrix(n_users, n_items, 0.001, rng)
    scores = model.user_factors @ model.item_factors.T + model.item_biases
    best = np.argsort(-scores, axis=1)[:, [0, 2, 7, 25]]
    test = scipy.sparse.csr_array((np.ones(best.size), (np.repeat(np.arange(n_users), 4), best.ravel())), train.shape)
    metrics = ["hr", "recall", "precision", "ndcg", "map"]

    from_lists = evaluate(model, train, test, K=K, metrics=metrics)
    from_ranks = evaluate(model, train, test, K=K, metrics=[*metrics, "mrr"])
    of_method = evaluate(Given(scores), train, test, K=K, metrics=metrics)

    assert from_lists == {name: from_ranks[name] for name in from_lists} == of_method
    assert from_lists[f"hr@{K}"] > 0 or n_kinds < 20_000


def test_a_model_whose_lists_have_no_test_item_is_evaluated_all_the_same():
    n_users, n_items = 200, 20_000
    model = SimpleNamespace(
        user_factors=np.ones((n_users, 1)), item_factors=np.arange(n_items)[::-1, None], item_biases=np.zeros(n_items)
    )
    train = matrix([0] * n_items)[np.zeros(n_users, dtype=int)]
    test = scipy.sparse.csr_array((np.ones(n_users), (np.arange(n_users), np.full(n_users, 15_000))), train.shape)
    assert evaluate(model, train, test, K=10, metrics=["hr", "ndcg"]) == {"hr@10": 0, "ndcg@10": 0}


def test_similar_items_from_lists_are_those_of_all_ranks():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(900, 8)).astype(np.float32)[rng.integers(900, size=20_000)]
    train, test = (random_matrix(500, 20_000, 0.0005, rng) for _ in "ab")
    model = SimpleNamespace(item_factors=table)
    from_lists = evaluate_similar_items(model, train, test, K=40, metrics=["hr", "ndcg"])
    from_ranks = evaluate_similar_items(model, train, test, K=40, metrics=["hr", "ndcg", "mrr"])
    assert from_lists == {name: pytest.approx(from_ranks[name]) for name in from_lists}
    assert from_lists["hr@40"] > 0
