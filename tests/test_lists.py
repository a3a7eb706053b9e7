"""The lists a model answers with: exact, filtered, padded, the same from everywhere."""

import copy
import pickle
import threading

import numpy as np
import pytest
import reference
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR


def test_recommend_is_exact_and_leaves_out_what_users_have(communities, model):
    scores = model.score(np.arange(200))
    assert_allclose(scores, model.user_factors @ model.item_factors.T + model.item_biases, rtol=1e-4, atol=1e-5)
    ids, best = model.recommend(np.arange(200), N=7)
    for user in range(200):
        liked = communities.indices[communities.indptr[user] : communities.indptr[user + 1]]
        expected_ids, expected_scores = reference.top_k(scores[user], 7, range(100), liked)
        assert_array_equal(ids[user], expected_ids)
        assert_array_equal(best[user], expected_scores.astype(np.float32))


def test_recommend_takes_filters_and_candidates(model):
    assert 3 not in model.recommend(0, N=100, filter_items=[3, 4])[0]
    ids, scores = model.recommend(0, N=4, items=[50, 60], filter_already_liked_items=False)
    assert set(ids[:2]) == {50, 60}
    assert_array_equal(ids[2:], [-1, -1])
    assert np.isneginf(scores[2:]).all()
    everything = model.recommend(0, N=100, filter_already_liked_items=False)[0]
    assert_array_equal(np.sort(everything), np.arange(100))


def test_recommend_uses_the_given_rows_instead_of_the_training_data(communities, model):
    nothing = scipy.sparse.csr_array((2, 100), dtype=np.float32)
    ids, _ = model.recommend([0, 1], nothing, N=100)
    assert (ids >= 0).all()
    some = scipy.sparse.csr_array(([1.0], ([1], [7])), shape=(2, 100))
    ids, _ = model.recommend([0, 1], some, N=100)
    assert 7 in ids[0]
    assert 7 not in ids[1]
    assert_array_equal(model.recommend(5, communities[[5]])[0], model.recommend(5)[0])


def test_similar_items_are_the_cosine_neighbours_with_the_item_itself_first(model):
    unit = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    ids, scores = model.similar_items(np.arange(100), N=8)
    for item in range(100):
        others, _ = reference.top_k(cosines[item], 7, range(100), [item])
        assert ids[item, 0] == item
        assert scores[item, 0] == 1
        assert_allclose(cosines[item, ids[item, 1:]], cosines[item, others], atol=1e-6)
        assert_allclose(scores[item], cosines[item, ids[item]], atol=1e-6)


def test_similar_users_are_neighbours_of_the_same_community(model):
    ids, _ = model.similar_users(np.arange(200), N=11)
    assert_array_equal(ids[:, 0], np.arange(200))
    assert (ids[:, 1:] // 50 == np.arange(200)[:, None] // 50).mean() > 0.9


def test_similar_items_takes_filters_and_candidates(model):
    ids, _ = model.similar_items(3, N=100, filter_items=[5, 6])
    assert not np.isin([5, 6], ids).any()
    assert ids[0] == 3
    assert 3 not in model.similar_items(3, filter_items=[3])[0]
    assert_array_equal(np.sort(model.similar_items(3, N=3, items=[9, 2])[0]), [-1, 2, 9])
    assert_array_equal(model.similar_items(3, N=2, items=[3, 3])[0], [3, -1])
    assert 8 not in model.similar_users(3, N=200, filter_users=[8])[0]


def test_n_larger_than_the_catalogue_is_padded(model):
    ids, scores = model.similar_items([0, 1], N=130)
    assert ids.shape == scores.shape == (2, 130)
    assert (ids[:, 100:] == -1).all()
    assert np.isneginf(scores[:, 100:]).all()
    assert_array_equal(np.sort(ids[:, :100], axis=1), np.tile(np.arange(100), (2, 1)))


def test_single_ids_give_one_dimension_and_arrays_two(model):
    for method in (model.recommend, model.similar_items, model.similar_users):
        for single in (3, np.int64(3), np.array(3), np.uint8(3)):
            ids, scores = method(single, N=5)
            assert ids.shape == scores.shape == (5,)
            assert ids.dtype == np.int32
            assert scores.dtype == np.float32
        for batch in ([3], (3,), np.array([3]), np.array([[3, 0]]).T[:1, 0]):
            assert method(batch, N=5)[0].shape == (1, 5)
        assert method([], N=5)[0].shape == (0, 5)
    assert model.score(3).shape == (100,)
    assert model.score([3, 4]).shape == (2, 100)


def test_an_item_without_a_direction_has_cosine_zero(communities, model):
    changed = copy.deepcopy(model)
    factors = model.item_factors.copy()
    factors[4] = 0
    changed.item_factors = factors
    ids, scores = changed.similar_items(4, N=3)
    assert ids[0] == 4
    assert_array_equal(scores, [0, 0, 0])


def test_new_factors_are_used_at_once(model):
    changed = copy.deepcopy(model)
    changed.similar_items(0)
    changed.item_factors = np.ascontiguousarray(model.item_factors[::-1])
    assert_array_equal(changed.similar_items(99, N=100)[0], 99 - model.similar_items(0, N=100)[0])


def test_fitted_arrays_are_read_only_and_compact(model):
    for array in (model.user_factors, model.item_factors, model.item_biases):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_queries_from_many_threads_get_the_answers_of_one(model):
    expected = [model.similar_items(i)[0] for i in range(100)]
    wrong = []

    def ask(offset):
        for k in range(100):
            item = (k + offset) % 100
            if not np.array_equal(model.similar_items(item)[0], expected[item]):
                wrong.append(item)

    threads = [threading.Thread(target=ask, args=[13 * k]) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_can_be_copied_and_pickled(model):
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(twin.recommend(4)[0], model.recommend(4)[0])


def test_repr_tells_what_the_model_is(model):
    assert "not fitted" in repr(BPR())
    assert "200 users and 100 items" in repr(model)
