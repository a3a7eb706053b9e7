"""Lists with implicit's interface, against lists made by hand from the vectors."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import NotFittedError
from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking

N_USERS, N_ITEMS = 23, 41
LEAST = -np.inf  # stands for the smallest number of the dtype


@pytest.fixture(params=[np.float32, np.float64])
def model(request):
    """A model of vectors that nobody trained, one user and one item of zeros among them."""
    rng = np.random.default_rng(0)
    model = BayesianPersonalizedRanking(factors=6, dtype=request.param)
    model.user_factors, model.item_factors = (rng.normal(size=(n, 7)).astype(request.param) for n in (N_USERS, N_ITEMS))
    model.item_factors[5] = 0
    return model


@pytest.fixture(params=[scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def liked(request):
    dense = np.random.default_rng(1).random((N_USERS, N_ITEMS)) < 0.3
    dense[3] = True
    dense[4] = False
    return request.param(dense.astype(np.float32))


def by_hand(scores, n, left_out=(), tail=()):
    """(ids, scores) of the best, then what comes last, then -1."""
    order = [
        item for item in sorted(range(len(scores)), key=lambda item: (-scores[item], item)) if item not in left_out
    ]
    ids = [*order, *tail][:n]
    values = [scores[item] if item in order else LEAST for item in ids]
    return ids + [-1] * (n - len(ids)), values + [LEAST] * (n - len(values))


def assert_list(found, expected, model):
    ids, scores = found
    assert ids.dtype == np.int32
    assert scores.dtype == model.dtype
    assert_array_equal(ids, expected[0])
    values = np.array(expected[1], dtype=float)
    values[values == LEAST] = np.finfo(model.dtype).min
    assert_allclose(scores, values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 10, N_ITEMS + 3])
def test_recommendations_are_the_best_products_without_what_users_have(model, liked, n):
    scores = model.user_factors @ model.item_factors.T
    users = np.arange(N_USERS)[::-1]
    batch = model.recommend(users, liked[users], N=n)
    assert batch[0].shape == batch[1].shape == (N_USERS, n)
    for row, user in enumerate(users):
        has = set(np.flatnonzero(liked[[user]].toarray()))
        assert_list(model.recommend(user, liked[[user]], N=n), by_hand(scores[user], n, has), model)
        assert_list((batch[0][row], batch[1][row]), by_hand(scores[user], n, has), model)


def test_nothing_that_was_left_out_fills_a_list(model, liked):
    ids, scores = model.recommend(3, liked[[3]], N=5)  # who has everything
    assert ids.tolist() == [-1] * 5
    assert (scores == np.finfo(model.dtype).min).all()
    ids, _ = model.recommend([0, 4], liked[[0, 4]], N=50, filter_items=np.arange(0, N_ITEMS, 2))
    assert not np.isin(ids, np.arange(0, N_ITEMS, 2)).any()
    assert (ids[1] >= 0).sum() == N_ITEMS // 2


def test_without_the_filter_user_items_are_not_looked_at(model):
    scores = model.user_factors @ model.item_factors.T
    for user_items in (None, "anything"):
        found = model.recommend(2, user_items, N=8, filter_already_liked_items=False)
        assert_list(found, by_hand(scores[2], 8), model)


@pytest.mark.parametrize("n", [3, 12, 100])
def test_a_choice_of_items_is_ranked_whole_and_what_the_user_has_comes_last(model, liked, n):
    scores = model.user_factors @ model.item_factors.T
    items = [30, 2, 7, 9, 4, 28, 11, 40, 0, 33, 12, 31]
    users = np.array([0, 3, 4, 8])
    found = model.recommend(users, liked[users], N=n, items=items)
    assert found[0].shape == (4, min(n, 12))
    for row, user in enumerate(users):
        has = np.flatnonzero(liked[[user]].toarray())
        tail = sorted(set(items) & set(has))
        expected = by_hand(scores[user], min(n, 12), set(range(N_ITEMS)) - set(items) | set(has), tail)
        assert_list((found[0][row], found[1][row]), expected, model)
    with pytest.warns(DeprecationWarning, match="rank_items"):
        ranked, _ = model.rank_items(0, liked[[0]], items)
    assert ranked.tolist() == by_hand(scores[0], 10, set(range(N_ITEMS)) - set(items))[0]


def test_no_items_to_choose_from_give_empty_lists(model, liked):
    assert model.recommend(0, liked[[0]], items=[])[0].shape == (0,)
    ids, scores = model.recommend([0, 1], liked[[0, 1]], items=np.array([], dtype=int))
    assert ids.shape == scores.shape == (2, 0)


@pytest.mark.parametrize("what", ["user", "item"])
@pytest.mark.parametrize("n", [1, 9, 60])
def test_neighbours_are_by_cosine_of_whole_vectors_the_asked_for_first(model, what, n):
    rows = getattr(model, f"{what}_factors").astype(float)
    lengths = np.linalg.norm(rows, axis=1)
    cosines = rows @ rows.T / np.maximum(np.outer(lengths, lengths), 1e-10)
    similar = getattr(model, f"similar_{what}s")
    asked = np.array([4, 0, len(rows) - 1])
    batch = similar(asked, N=n)
    for row, query in enumerate(asked):
        expected = by_hand(cosines[query], n)
        assert expected[0][0] == query
        assert_list(similar(query, N=n), expected, model)
        assert_list((batch[0][row], batch[1][row]), expected, model)


def test_a_vector_of_zeros_is_similar_to_nothing(model):
    ids, cosines = model.similar_items(5, N=4)
    assert ids[0] == 5
    assert cosines.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("what", ["user", "item"])
def test_neighbours_are_filtered_and_chosen(model, what):
    similar, n_rows = getattr(model, f"similar_{what}s"), len(getattr(model, f"{what}_factors"))
    left_out = np.arange(0, n_rows, 3)
    ids, _ = similar([1, 3], N=n_rows, **{f"filter_{what}s": left_out})
    assert ids[0, 0] == 1
    for row in ids:
        assert sorted(row[row >= 0]) == sorted(set(range(n_rows)) - set(left_out))
    chosen = [9, 2, 14, 3]
    ids, scores = similar([1, 3], N=6, **{f"{what}s": chosen})
    assert ids[1, 0] == 3
    assert (np.sort(ids) == [-1, -1, 2, 3, 9, 14]).all()
    assert (scores[:, 4:] == np.finfo(model.dtype).min).all()
    assert_array_equal(
        similar(1, **{f"{what}s": chosen, f"filter_{what}s": []})[0], similar(1, **{f"{what}s": chosen})[0]
    )


def test_norms_are_lengths_and_never_zero(model):
    assert_allclose(model.user_norms, np.linalg.norm(model.user_factors, axis=1))
    assert model.item_norms[5] == 1e-10


def test_assigned_factors_count_at_once_whether_or_not_they_may_be_written_to(model, liked):
    for writeable in (True, False):
        for scale in (1, -1):
            factors = np.random.default_rng(2).normal(size=(N_ITEMS, 7)).astype(model.dtype) * scale
            factors[:, -1] = 3
            factors.flags.writeable = writeable
            model.item_factors = factors
            best = np.argmax(model.user_factors[0] @ factors.T)
            assert model.recommend(0, liked[[0]], N=1, filter_already_liked_items=False)[0] == [best]
            if writeable:
                factors[7] = 100 * model.user_factors[1]
                assert model.recommend(1, None, N=1, filter_already_liked_items=False)[0] == [7]
                assert model.similar_items(7, N=1)[1] == pytest.approx(1)


def test_kept_lengths_go_with_the_vectors(model):
    for array in (model.user_factors, model.item_factors):
        array.flags.writeable = False
    model.similar_items(0)
    model.item_factors = 2 * model.item_factors
    assert model.similar_items(0, N=2)[1][0] == pytest.approx(1)


def test_what_is_kept_is_not_looked_up_twice(model):
    """Another thread may forget it, or keep something else, between two looks."""
    for array in (model.user_factors, model.item_factors):
        array.flags.writeable = False
    expected = model.similar_items(0)
    looks = iter([vars(model).pop("_kept")])
    model.__class__ = type("LookingOnce", (type(model),), {"_kept": property(lambda _: next(looks))})
    for one, other in zip(model.similar_items(0), expected, strict=True):
        assert_array_equal(one, other)


def test_vectors_that_may_be_written_to_again_are_looked_at_again(model):
    for array in (model.user_factors, model.item_factors):
        array.flags.writeable = False
    model.similar_items(0)
    model.item_factors.flags.writeable = True
    model.item_factors[7] = 1000 * model.item_factors[0]
    assert model.similar_items(0, N=2)[0].tolist() == [0, 7]
    assert model.similar_items(0, N=2)[1][1] == pytest.approx(1)


def test_recalculation_is_not_implemented_as_in_implicit(model, liked):
    with pytest.raises(NotImplementedError, match="fold_in"):
        model.recommend(0, liked[[0]], recalculate_user=True)
    with pytest.raises(ValueError, match="CSR format"):
        model.recommend(0, None, recalculate_user=True)
    with pytest.raises(NotImplementedError, match="fold_in"):
        model.recalculate_user(0, liked[[0]])
    with pytest.raises(NotImplementedError, match="recalculate_item"):
        model.similar_items(0, recalculate_item=True, item_users=liked.T.tocsr()[[0]])
    with pytest.raises(NotImplementedError, match="recalculate_item"):
        model.recalculate_item(0, None)
    assert_array_equal(model.similar_items(0, item_users="anything")[0], model.similar_items(0)[0])


def test_there_is_no_gpu_to_go_to(model):
    with pytest.raises(ValueError, match="fastbpr trains on CPUs"):
        model.to_gpu()


def test_recommend_all_is_deprecated_and_counts_users_from_its_offset(model, liked):
    with pytest.warns(DeprecationWarning, match="recommend_all"):
        ids = model.recommend_all(liked[4:9], N=3, users_items_offset=4)
    assert_array_equal(ids, model.recommend(np.arange(4, 9), liked[4:9], N=3)[0])


@pytest.mark.parametrize("form", ["csc", "coo", "lil"])
def test_rows_in_another_format_are_a_value_error(model, liked, form):
    with pytest.raises(ValueError, match="CSR format"):
        model.recommend(0, liked[[0]].asformat(form))
    with pytest.raises(ValueError, match="CSR format"):
        model.recommend(0, None)


def test_rows_of_any_values_and_order_are_understood_and_not_changed(model):
    row = scipy.sparse.csr_matrix(
        (np.array([1.0, -2.0, 0.0, 1.0]), np.array([9, 3, 20, 9]), np.array([0, 4])), shape=(1, N_ITEMS)
    )
    ids, _ = model.recommend(0, row, N=N_ITEMS)
    assert sorted(set(range(N_ITEMS)) - set(ids)) == [3, 9, 20]
    assert row.indices.tolist() == [9, 3, 20, 9]
    in_order = scipy.sparse.csr_matrix(([1.0, 0.0], [3, 20], [0, 2]), shape=(1, N_ITEMS))
    ids, _ = model.recommend(0, in_order, N=N_ITEMS)
    assert sorted(set(range(N_ITEMS)) - set(ids)) == [3, 20]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda model, liked: model.recommend(0, liked), ValueError, "Pass the rows of these users"),
        (lambda model, liked: model.recommend(0, liked[[0]][:, :9]), ValueError, "one column for each item"),
        (lambda model, liked: model.recommend(N_USERS, liked[[0]]), IndexError, "from 0 to 22, got 23"),
        (lambda model, liked: model.recommend(-1, liked[[0]]), IndexError, "from 0 to 22, got -1"),
        (lambda model, liked: model.recommend(0, liked[[0]], items=[1, N_ITEMS]), IndexError, "items must be"),
        (lambda model, liked: model.recommend(0, liked[[0]], items=[1, -1]), IndexError, "items must be"),
        (lambda model, liked: model.recommend(0, liked[[0]], filter_items=[-1]), IndexError, "filter_items must be"),
        (lambda model, liked: model.recommend(0, liked[[0]], items=[1], filter_items=np.array([2, 3])), ValueError,
         "filter_items must be None where items is given"),
        (lambda model, liked: model.similar_items(0, items=[1], filter_items=np.array([2, 3])), ValueError,
         "filter_items must be None where items is given"),
        (lambda model, liked: model.similar_users(0, users=[1], filter_users=np.array([2, 3])), ValueError,
         "filter_users must be None where users is given"),
        (lambda model, liked: model.similar_items(N_ITEMS), IndexError, "itemid must be"),
        (lambda model, liked: model.similar_items(0, items=[N_ITEMS]), IndexError, "items must be"),
        (lambda model, liked: model.similar_users(0, users=[-1]), IndexError, "users must be"),
        (lambda model, liked: model.recommend(0, liked[[0]], N=0), ValueError, "N must be an integer >= 1"),
        (lambda model, liked: model.recommend("a", liked[[0]]), TypeError, "userid must be"),
    ],
)  # fmt: skip
def test_a_bad_argument_is_named(model, liked, ask, error, message):
    with pytest.raises(error, match=message):
        ask(model, liked)


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        (np.ones((N_USERS, 7)), np.ones((N_ITEMS, 40_000)), "user_factors and item_factors must have as many columns"),
        (np.ones((N_USERS, 40_000)), np.ones((N_ITEMS, 7)), "user_factors and item_factors must have as many columns"),
        (np.ones(N_USERS), np.ones((N_ITEMS, 7)), "user_factors must be an array of numbers with one row for each"),
        (
            np.ones((N_USERS, 7)),
            np.ones((N_ITEMS, 7)).tolist(),
            "item_factors must be an array of numbers with one row",
        ),
        (np.ones((N_USERS, 7)), np.full((N_ITEMS, 7), "x"), "item_factors must be an array of numbers with one row"),
    ],
)
def test_factors_that_do_not_fit_are_refused(model, users, items, message):
    model.user_factors, model.item_factors = users, items
    for call in (
        lambda: model.recommend(0, None, filter_already_liked_items=False),
        lambda: model.similar_items(0),
        lambda: model.similar_users(0),
        lambda: model.item_norms,
        lambda: model.to_fastbpr(),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_lengths_of_vectors_need_a_fit():
    for name in ("user_norms", "item_norms"):
        with pytest.raises(NotFittedError):
            getattr(BayesianPersonalizedRanking(factors=8), name)
