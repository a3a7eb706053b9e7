"""Why an item is in another's list: every number against counting by hand, and what the sentences make of them."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import fit, matrix, random_matrix
from numpy.testing import assert_allclose

from fastbpr import BPR, Interactions, NotFittedError, UnknownLabelError

LOG = [  # user, item, context
    ("ann", "tea", "monday"),
    ("ann", "cup", "monday"),
    ("ann", "cup", "friday"),
    ("bob", "tea", "tuesday"),
    ("bob", "cup", "friday"),
    ("cat", "tea", "friday"),
    ("cat", "cup", None),
    ("dan", "tea", None),
    ("dan", "cup", None),
    ("eve", "tea", "friday"),
    ("eve", "cup", "friday"),
    ("eve", "saw", "monday"),
    ("fay", "saw", "friday"),
    ("gus", "saw", "friday"),
    ("gus", "tin", "friday"),
]


def log_of(rows, **options):
    users, items, contexts = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, contexts=contexts, **options)


@pytest.fixture
def log():
    return log_of(LOG)


@pytest.fixture
def model(log):
    return fit(log, factors=4, iterations=5)


def explained(model, item, neighbour, *rest):
    return model.explain(model.item_rows(item), model.item_rows(neighbour), *rest)


@pytest.mark.parametrize("given", [False, True])
def test_every_number_is_what_counting_by_hand_gives(given):
    user_items = random_matrix(30, 12, 0.3, np.random.default_rng(0))
    user_items.data[:] = 1
    model = fit(user_items, factors=3, iterations=5)
    counted_in = user_items
    if given:
        counted_in = random_matrix(30, 12, 0.2, np.random.default_rng(1))
    has = counted_in.toarray() > 0
    n_users = has.any(axis=1).sum()
    vectors = model.item_factors.astype(float)
    norms = [math.sqrt(sum(vector**2)) for vector in vectors]
    for item in range(12):
        cosines = [vectors[item] @ vectors[other] / norms[item] / norms[other] for other in range(12)]
        for neighbour in set(range(12)) - {item}:
            found = model.explain(item, neighbour, counted_in if given else None)
            n_item, n_neighbour = has[:, item].sum(), has[:, neighbour].sum()
            n_shared = (has[:, item] & has[:, neighbour]).sum()
            assert (found.item.n_users, found.neighbour.n_users, found.shared_users) == (n_item, n_neighbour, n_shared)
            assert found.item.percentile == pytest.approx(100 * np.mean([n_item > n for n in has.sum(axis=0)]))
            assert found.expected_shared_users == pytest.approx(n_item * n_neighbour / n_users)
            assert found.lift == pytest.approx(n_shared * n_users / (n_item * n_neighbour))
            assert found.cooccurrence_cosine == pytest.approx(n_shared / math.sqrt(n_item * n_neighbour))
            assert found.similarity == pytest.approx(cosines[neighbour], abs=1e-5)
            assert found.rank == sum(cosines[other] > cosines[neighbour] for other in set(range(12)) - {item}) + 1
            assert_allclose([found.item.norm, found.neighbour.norm], [norms[item], norms[neighbour]], rtol=1e-6)
            assert found.median_norm == pytest.approx(np.median(norms))
            assert (found.shared_contexts, found.same_context_share) == (None, None)


def test_the_rank_is_the_place_in_the_list_of_similar_items_even_with_ties(model):
    model.item_factors = np.ones((4, 2), dtype=np.float32)
    ids, _ = model.similar_items(1, N=4)
    assert [model.explain(1, neighbour).rank for neighbour in ids[1:]] == [1, 2, 3]


def test_contexts_count_where_one_user_met_both(model, log):
    found = explained(model, "tea", "cup", log)
    assert found.shared_users == 5
    assert (
        found.shared_contexts == 2
    )  # Monday of Ann and Friday of Eve; Bob and Cat met them apart, Dan nobody knows where
    assert found.same_context_share == 2 / 5


def test_two_users_in_one_context_are_no_meeting_of_one_user(log):
    rows = [("ann", "tea", "home"), ("bob", "cup", "home"), ("ann", "cup", "other"), ("bob", "saw", "home")]
    model = fit(log_of(rows), factors=2, iterations=1)
    found = explained(model, "tea", "cup", log_of(rows))
    assert (found.shared_users, found.shared_contexts, found.same_context_share) == (1, 0, 0.0)


def test_a_log_in_another_order_with_other_users_and_items_is_matched_by_labels(model, log):
    others = [("zoe", "new", "monday"), ("zoe", "tea", "monday")]
    found = explained(model, "tea", "cup", log_of([*others, *LOG[::-1]]))
    expected = explained(model, "tea", "cup", log)
    assert found.item == expected.item._replace(n_users=6, percentile=80.0)  # Zoe has tea, too
    assert found.shared_users == expected.shared_users
    assert found.same_context_share == expected.same_context_share
    assert found.expected_shared_users == 6 * 5 / 8


def test_a_log_is_told_by_rows_where_the_model_has_no_labels(log):
    model = fit(log.user_items.astype(bool), factors=2, iterations=1)
    found = model.explain(0, 1, log)
    assert found.item.name == "item 0"
    assert found.same_context_share == 2 / 5


def test_names_have_titles_where_the_log_had_them():
    log = log_of(LOG, item_names=[f"fine\n {item}" for _, item, _ in LOG])
    found = explained(fit(log, factors=2, iterations=1), "tea", "cup")
    assert found.item.name == "tea (fine tea)"
    assert "in the list of tea (fine tea), " in str(found)


def test_items_that_nobody_has_are_explained_without_a_warning():
    model = fit(matrix([1, 1, 0, 0], [1, 0, 0, 0]), factors=2, iterations=1)
    found = model.explain(2, 3)
    assert (found.shared_users, found.expected_shared_users, found.cooccurrence_cosine) == (0, 0.0, 0.0)
    assert math.isnan(found.lift)
    assert "0 users have both: none of the 0 who have the item and none of the 0 who have the neighbour." in str(found)
    assert math.isnan(model.explain(0, 2).lift)


def test_the_sentences_have_the_numbers(model, log):
    text = str(explained(model, "tea", "cup", log))
    for part in (
        r"cup is number \d of 3 in the list of tea, with a similarity of -?\d\.\d\d\.",
        r"5 users have both: 100 % of the 5 who have the item and 100 % of the 5 who have the neighbour\.",
        r"By chance it would be 3\.6: the two are together 1\.4 times as often as that \(co-occurrence cosine 1\.",
        r"40 % of the users who have both met them in the same context, in 2 contexts\.",
        r"The item is more popular than 50 % of all items, the neighbour than 50 %\.",
    ):
        assert re.search(part, text), part


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"shared_users": 0, "lift": 0.0}, "So nobody has both: what brings them near each other"),
        ({"shared_users": 4, "lift": 9.0}, "So few users have both: it may be luck"),
        ({"shared_users": 50, "lift": 1.9}, "is not much more likely than others to have the other: what brings"),
        ({"shared_users": 50, "lift": 2.0}, "is likely to have the other, too: that is why"),
        (
            {"shared_users": 50, "lift": 9.0, "rank": 101},
            "is likely to have the other, too, and many items are nearer.",
        ),
    ],
)
def test_the_last_sentence_gives_the_reason(model, numbers, reason):
    found = explained(model, "tea", "cup")._replace(**numbers)
    assert reason in str(found).splitlines()[-1]


def test_popularity_is_a_reason_only_for_popular_neighbours(model):
    found = explained(model, "tea", "cup")._replace(shared_users=50, lift=1.0)
    for percentile, said in ((94.0, False), (95.0, True)):
        neighbour = found.neighbour._replace(percentile=percentile)
        assert ("and the neighbour's popularity." in str(found._replace(neighbour=neighbour))) is said


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 0), ValueError, "neighbour must be another item than item, got 0 for both"),
        ((0, 4), IndexError, "neighbour must be item ids, integers from 0 to 3, got 4"),
        ((-1, 0), IndexError, "item must be item ids, integers from 0 to 3, got -1"),
        (("tea", 1), TypeError, "Ids are row numbers; look labels up with item_rows"),
        (([0, 1], 2), ValueError, "item must be one id, got 2 of them"),
        ((0, 1, "log"), TypeError, "user_items must be a SciPy sparse matrix"),
        ((0, 1, matrix([1, 1, 0, 0])), ValueError, "user_items must have shape (n_users, n_items) = (7, 4)"),
        ((0, 1, SimpleNamespace(user_items=matrix([1, 1]))), ValueError, "user_items must have shape"),
    ],
)
def test_bad_arguments_are_named(model, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        model.explain(*arguments)


def test_an_item_that_the_log_does_not_have_is_named(model):
    with pytest.raises(UnknownLabelError, match="item label must be a known one, got 'tin'"):
        explained(model, "tea", "tin", log_of(LOG[:-1]))


def test_nothing_is_explained_before_fit():
    with pytest.raises(NotFittedError):
        BPR().explain(0, 1)
