"""How long do lists take: recommendations, similar items, and the ranking of held-out items?"""

import numpy as np
import pytest
from power_law import SIZES, power_law

from fastbpr import BPR
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out

LENGTH = 10
THREADS = [1, 2, 4]


@pytest.fixture(scope="module")
def split():
    return leave_one_out(power_law(*SIZES["small"]), random_state=0)


@pytest.fixture(scope="module")
def fitted(split):
    return BPR(factors=64, iterations=5, random_state=0).fit(split.train, show_progress=False)


@pytest.fixture(params=THREADS)
def model(fitted, request):
    fitted.num_threads = request.param
    return fitted


@pytest.mark.benchmark(group="recommend to 2,000 users")
def test_recommend(benchmark, report_cost, model, split):
    users = np.arange(2000)

    ids, scores = benchmark.pedantic(model.recommend, (users,), {"N": LENGTH}, rounds=7, warmup_rounds=1)

    report_cost(len(users), "list")
    assert ids.shape == scores.shape == (len(users), LENGTH)
    every_score = model.user_factors[users] @ model.item_factors.T + model.item_biases
    every_score[split.train[users].nonzero()] = -np.inf
    assert_best_first(ids, scores, every_score)


@pytest.mark.benchmark(group="similar items to all items")
def test_similar_items(benchmark, report_cost, model):
    items = np.arange(len(model.item_factors))

    ids, scores = benchmark.pedantic(model.similar_items, (items,), {"N": LENGTH}, rounds=7, warmup_rounds=1)

    report_cost(len(items), "list")
    assert ids.shape == scores.shape == (len(items), LENGTH)
    assert (ids[:, 0] == items).all()
    unit = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
    assert_best_first(ids, scores, unit @ unit.T)


@pytest.mark.benchmark(group="evaluate all users")
def test_evaluate(benchmark, report_cost, model, split):
    arguments = {"K": LENGTH, "num_threads": model.num_threads}

    metrics = benchmark.pedantic(evaluate, (model, *split[:2]), arguments, rounds=5, warmup_rounds=1)

    report_cost(split.test.nnz, "user")
    assert 0 < metrics["mrr"] <= metrics["hr@10"] < 1
    assert metrics["recall@10"] == metrics["hr@10"]  # one test item per user


def assert_best_first(ids, scores, every_score):
    """The lists hold the best of all scores, and each score is that of its item."""
    expected = -np.sort(-every_score, axis=1)[:, : ids.shape[1]]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, np.take_along_axis(every_score, ids, axis=1), rtol=1e-4, atol=1e-5)
