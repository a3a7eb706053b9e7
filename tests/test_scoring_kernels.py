"""Scores, top-K and ranks against plain NumPy; every build of the kernels."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import _retrieval


@pytest.fixture(autouse=True)
def chosen_build(monkeypatch, scoring):
    monkeypatch.setattr(_retrieval, "scoring", scoring)


def random_problem(n_queries, n_items, factors, seed=0):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n_queries, factors)).astype(np.float32)
    table = rng.normal(size=(n_items, factors)).astype(np.float32)
    offset = rng.normal(size=n_items).astype(np.float32)
    scale = rng.random(n_items).astype(np.float32)
    return queries, table, scale, offset


def everything(n_items):
    return np.arange(n_items, dtype=np.int32)


@pytest.mark.parametrize("n_queries", [1, 7, 8, 9, 300])
@pytest.mark.parametrize(("n_items", "factors"), [(1, 1), (15, 3), (16, 8), (17, 33), (500, 64)])
def test_scores_equal_the_matrix_product(n_queries, n_items, factors):
    queries, table, scale, offset = random_problem(n_queries, n_items, factors)
    expected = (queries.astype(float) @ table.T.astype(float)) * scale + offset
    actual = _retrieval.score_block(queries, table, scale=scale, offset=offset, num_threads=2)
    assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [1, 3, 10, 250])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_top_k_is_exact(n, num_threads):
    queries, table, scale, offset = random_problem(n_queries=37, n_items=203, factors=5)
    scores = _retrieval.score_block(queries, table, scale=scale, offset=offset)
    candidates = np.arange(0, 203, 2, dtype=np.int32)
    excluded = [np.arange(start % 7, 203, 3, dtype=np.int32) for start in range(37)]
    ids, best = _retrieval.top_k(
        queries, table, n, candidates=candidates, excluded=excluded, scale=scale, offset=offset, num_threads=num_threads
    )
    for query in range(37):
        expected_ids, expected_scores = reference.top_k(scores[query], n, candidates, excluded[query])
        assert_array_equal(ids[query], expected_ids)
        assert_array_equal(best[query], expected_scores.astype(np.float32))


def test_equal_scores_are_ordered_by_id():
    table = np.tile(np.array([[1.0], [2.0], [1.0]], dtype=np.float32), (30, 1))
    ids, scores = _retrieval.top_k(np.ones((1, 1), dtype=np.float32), table, 40, candidates=everything(90))
    assert_array_equal(ids[0, :30], np.arange(1, 90, 3))
    assert_array_equal(ids[0, 30:], np.setdiff1d(np.arange(90), np.arange(1, 90, 3))[:10])
    assert_array_equal(scores[0], [2.0] * 30 + [1.0] * 10)


def structured_problem(kind, factors, n_queries=300, n_items=6000):
    """What can go wrong where results are ruled out by bounds: equal scores, nothing to rotate, all of one size."""
    rng = np.random.default_rng(factors)
    centres = rng.normal(size=(40, factors))
    queries = centres[rng.integers(40, size=n_queries)] + rng.normal(0, 0.5, size=(n_queries, factors))
    table = centres[rng.integers(40, size=n_items)] + rng.normal(0, 0.5, size=(n_items, factors))
    scale, offset = np.ones(n_items), rng.normal(size=n_items)
    if kind == "duplicates":
        table = table[rng.integers(50, size=n_items)]
        offset[:] = 0.5
    elif kind == "zeros":
        queries[::3] = table[::2] = offset[:] = 0
    elif kind == "all zeros":
        queries[:] = table[:] = offset[:] = 0
    elif kind == "large":
        table *= 300
        offset *= 1e4
    elif kind == "cosine":
        scale, offset = 1 / np.linalg.norm(table, axis=1), np.zeros(n_items)
    elif kind == "line":
        queries[:, 1:] = table[:, 1:] = 0
    elif kind == "short axis":  # queries are long where items are short
        queries[:, :-1] = offset[:] = 0
        table[:, -1] = rng.uniform(0, 3e-4, size=n_items)
    elif kind == "banned":
        offset[rng.random(n_items) < 0.995] = -np.inf
    elif kind == "huge":
        table[17] = 1e20
    return (array.astype(np.float32) for array in (queries, table, scale, offset))


@pytest.mark.parametrize("factors", [1, 9, 33, 64])
@pytest.mark.parametrize(
    "kind", ["plain", "duplicates", "zeros", "all zeros", "large", "cosine", "line", "short axis", "banned", "huge"]
)
def test_bounds_rule_out_no_result(kind, factors):
    # Few queries are compared with everything, many by bounds: both must give the same bits.
    queries, table, scale, offset = structured_problem(kind, factors)
    rng = np.random.default_rng(1)
    excluded = [np.sort(rng.choice(6000, size=rng.integers(40), replace=False)).astype(np.int32) for _ in queries]
    everyone, some, few = everything(6000), everything(6000)[100::2], everything(2100)
    for n, candidates in [(1, everyone), (10, everyone), (7, some), (90, few), (2200, few)]:
        options = {"candidates": candidates, "scale": scale, "offset": offset}
        ids, scores = _retrieval.top_k(queries, table, n, excluded=excluded, num_threads=2, **options)
        for first in range(0, len(queries), 100):
            part = slice(first, first + 100)
            few_ids, few_scores = _retrieval.top_k(queries[part], table, n, excluded=excluded[part], **options)
            assert_array_equal(ids[part], few_ids)
            assert_array_equal(scores[part], few_scores)


def test_bounds_and_floors_spare_most_of_the_scores():
    # Otherwise the test above compares one way with itself.
    queries, table, scale, offset = structured_problem("plain", 64, n_queries=3000, n_items=6000)
    items = _retrieval.Items.of(table, scale, offset)
    exact = _retrieval.score_block(queries, table, scale=scale, offset=offset)
    tenth = np.sort(exact, axis=1)[:, -10]

    floors = _retrieval.floors_of(queries, items, 10, _retrieval.joined(None, len(queries)), 2)
    assert (floors <= tenth).all()
    assert np.mean(exact >= floors[:, None]) < 0.02

    tiles, panels, slack = _retrieval.upper_bounds(queries, items, _retrieval.principal_axes(items), 32, 2)
    rows = [packed.transpose(0, 2, 1).reshape(-1, packed.shape[1]) for packed in (tiles, panels)]
    bounds = (rows[0] @ rows[1].T)[: len(queries), : len(table)] + slack[:, None]
    assert (bounds >= exact).all()
    assert np.mean(bounds >= tenth[:, None]) < 0.1


def test_a_query_gets_the_same_bits_alone_and_in_a_batch():
    queries, table, scale, offset = random_problem(n_queries=300, n_items=1000, factors=50)
    ids, scores = _retrieval.top_k(
        queries, table, 20, candidates=everything(1000), scale=scale, offset=offset, num_threads=2
    )
    for query in (0, 13, 99):
        alone = _retrieval.top_k(
            queries[query : query + 1], table, 20, candidates=everything(1000), scale=scale, offset=offset
        )
        assert_array_equal(alone[0][0], ids[query])
        assert_array_equal(alone[1][0], scores[query])


def test_fewer_candidates_than_asked_are_padded_and_never_invented():
    queries, table, *_ = random_problem(n_queries=2, n_items=6, factors=4)
    ids, scores = _retrieval.top_k(
        queries, table, 5, candidates=np.array([1, 4], dtype=np.int32), excluded=[np.array([4]), np.array([1, 4])]
    )
    assert_array_equal(ids, [[1, -1, -1, -1, -1], [-1] * 5])
    assert np.isneginf(scores[ids == -1]).all()
    assert np.isfinite(scores[0, 0])


def test_no_query_is_no_result():
    _, table, *_ = random_problem(n_queries=1, n_items=6, factors=4)
    ids, scores = _retrieval.top_k(np.empty((0, 4), dtype=np.float32), table, 3, candidates=everything(6))
    assert ids.shape == scores.shape == (0, 3)


def csr(lists):
    return _retrieval.joined([np.array(ids, dtype=np.int32) for ids in lists], len(lists))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_ties_count_against_a_target(scoring, num_threads):
    scores = np.array([[5, 3, 3, 1, 3, 9], [1, 1, 1, 1, 1, 1]], dtype=np.float32)
    excluded, targets = csr([[5], []]), csr([[2, 4], [0]])
    n_ahead = np.empty(3, dtype=np.int64)
    scoring.rank_targets(scores.copy(), *excluded, *targets, True, n_ahead, num_threads)
    assert_array_equal(n_ahead, [3, 3, 5])  # 5, 3 and the other target; all the others
    scoring.rank_targets(scores.copy(), *excluded, *targets, False, n_ahead, num_threads)
    assert_array_equal(n_ahead, [2, 2, 5])  # the other target does not count
