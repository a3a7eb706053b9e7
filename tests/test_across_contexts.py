"""Leave-one-out across contexts: what the split promises, and the evaluation against ranks counted by hand."""

import re
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from helpers import Given, fit, matrix, ranks_by_hand
from numpy.testing import assert_array_equal

from fastbpr import Interactions
from fastbpr.datasets import simulate_shop
from fastbpr.evaluation import evaluate_across_contexts, evaluate_similar_items
from fastbpr.splitting import leave_one_out, leave_one_out_across_contexts


def random_log(seed=0, n_rows=150):
    """25 users, some of them with one item, with all items from one context, or with rows without a context."""
    rng = np.random.default_rng(seed)
    users = rng.integers(22, size=n_rows)
    contexts = [f"c{number}" if number >= 0 else None for number in rng.integers(-2, 6, size=n_rows)]
    extra = [(22, 1, "c1"), (23, 1, "c1"), (23, 2, "c1"), (23, 3, "c1"), (24, 1, None), (24, 2, None)]
    return Interactions.from_arrays(
        [*users, *(user for user, _, _ in extra)],
        [*rng.integers(15, size=n_rows), *(item for _, item, _ in extra)],
        contexts=[*contexts, *(context for _, _, context in extra)],
        timestamps=rng.integers(100, size=n_rows + len(extra)),
    )


def places_of(log):
    """user -> item -> contexts, by row numbers."""
    places = {}
    users, items = log.user_items.nonzero()
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        places.setdefault(user, {})[item] = set()
    for user, item, context in zip(*(column.tolist() for column in log.contexts[:3]), strict=True):
        if context >= 0:
            places[user][item].add(context)
    return places


def queries_by_hand(log):
    """user -> target -> the user's other items that share no context with it."""
    return {
        user: {
            target: {item for item in items if item != target and not items[item] & items[target]} for target in items
        }
        for user, items in places_of(log).items()
    }


def items_of(part, user):
    return set(part.user_items[[user]].indices.tolist())


@pytest.mark.parametrize("at_once", [2**23, 10])
@pytest.mark.parametrize("seed", range(5))
def test_queries_are_all_items_of_other_contexts_and_nothing_is_lost(seed, at_once, monkeypatch):
    monkeypatch.setattr(sys.modules["fastbpr._visits"], "ENTRIES_AT_ONCE", at_once)
    log = random_log(seed)
    train, queries, test = leave_one_out_across_contexts(log, random_state=seed)
    by_hand = queries_by_hand(log)
    n_without = 0
    for user, of_target in by_hand.items():
        targets = items_of(test, user)
        assert items_of(train, user) == items_of(log, user) - targets
        if not any(of_target.values()):
            n_without += 1
            assert targets == items_of(queries, user) == set()
            continue
        (target,) = targets
        assert items_of(queries, user) == of_target[target] != set()
    assert n_without >= 2  # a user with one item, and one with all items from one context


def test_the_target_is_in_training_in_no_context():
    log = random_log(3)
    train, queries, test = leave_one_out_across_contexts(log, random_state=0)
    targets = set(zip(*test.user_items.nonzero(), strict=True))
    for part in (train, queries):
        rows = set(zip(part.contexts.users.tolist(), part.contexts.items.tolist(), strict=True))
        assert not targets & rows
        assert rows == set(zip(*part.user_items.nonzero(), strict=True))
    assert len(train.contexts.users) + len(test.contexts.users) == len(log.contexts.users)
    for part in (train, queries, test):
        assert part.item_labels is log.item_labels
        assert len(part.timestamps) == part.user_items.nnz


def test_every_eligible_item_is_the_target_equally_often():
    # Item 3 was seen with all others, and has no query; the others have.
    log = Interactions.from_arrays(
        [1] * 6, [0, 1, 2, 3, 3, 3], contexts=["a", "b", "c", "a", "b", "c"]
    )  # fmt: skip
    counts = Counter(
        int(leave_one_out_across_contexts(log, random_state=seed).test.user_items.indices[0]) for seed in range(300)
    )
    assert set(counts) == {0, 1, 2}
    assert min(counts.values()) > 70


def test_a_seed_gives_the_same_split_and_another_seed_another():
    log = random_log(n_rows=400)
    one, again, other = (leave_one_out_across_contexts(log, random_state=seed).test for seed in (1, 1, 2))
    assert_array_equal(one.user_items.toarray(), again.user_items.toarray())
    assert (one.user_items != other.user_items).nnz > 0


def test_without_any_context_in_rows_all_other_items_are_queries():
    log = Interactions.from_arrays([1, 1, 1, 2], [0, 1, 2, 0], contexts=[None] * 4)
    split = leave_one_out_across_contexts(log, random_state=0)
    assert split.test.user_items.nnz == 1
    assert_array_equal(split.queries.user_items.toarray()[0], split.train.user_items.toarray()[0])


def test_the_log_is_not_changed():
    log = random_log()
    before = log.user_items.toarray(), [column.copy() for column in log.contexts[:3]]
    leave_one_out_across_contexts(log, random_state=0)
    assert_array_equal(log.user_items.toarray(), before[0])
    for column, old in zip(log.contexts[:3], before[1], strict=True):
        assert_array_equal(column, old)


@pytest.mark.parametrize(
    ("log", "error", "message"),
    [
        (Interactions.from_arrays([1, 1], [1, 2]), ValueError, "interactions must be Interactions with contexts, got"),
        (matrix([1, 1]), TypeError, "interactions must be Interactions with contexts, got csr_array"),
        (
            Interactions.from_arrays([1, 1, 2], [1, 2, 3], contexts=["a", "a", "b"]),
            ValueError,
            "interactions must have at least 1 user with two items from different contexts to be split, got 0.",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(log, error, message):
    with pytest.raises(error, match=re.escape(message)):
        leave_one_out_across_contexts(log)


def test_a_bad_seed_is_refused():
    with pytest.raises(ValueError, match="random_state must be None, an integer >= 0"):
        leave_one_out_across_contexts(random_log(), random_state=-1)


# ---- evaluation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K", [1, 3])
def test_metrics_are_means_over_pairs_then_users_of_ranks_counted_by_hand(K):
    log = random_log(1)
    train, queries, test = leave_one_out_across_contexts(log, random_state=1)
    scores = np.random.default_rng(0).integers(5, size=(log.n_items, log.n_items)).astype(float)  # with ties
    per_user = []
    for user in range(log.n_users):
        values = []
        for target in items_of(test, user):
            for query in items_of(queries, user):
                others = set(range(log.n_items)) - {query, target}
                (rank,) = ranks_by_hand(scores[query], [target], others)
                values.append([rank <= K, rank <= K, (rank <= K) / np.log2(rank + 1), 1 / rank])
        if values:
            per_user.append(np.mean(values, axis=0))
    found = evaluate_across_contexts(Given(similarities=scores), train, queries, test, K)
    assert list(found) == [f"hr@{K}", f"recall@{K}", f"ndcg@{K}", "mrr"]
    assert list(found.values()) == pytest.approx(np.mean(per_user, axis=0).tolist())


def test_with_all_training_items_as_queries_it_is_the_evaluation_of_similar_items():
    log = random_log(2)
    train, test = leave_one_out(log, random_state=0)
    model = SimpleNamespace(item_factors=np.random.default_rng(0).normal(size=(log.n_items, 4)))
    metrics = ("hr", "mrr", "ndcg@5")
    for similarity in (None, "centred"):
        expected = evaluate_similar_items(model, train, test, 3, metrics, similarity=similarity)
        assert evaluate_across_contexts(model, train, train, test, 3, metrics, similarity=similarity) == expected


def test_plain_leave_one_out_rewards_pages_and_this_does_not():
    shop = simulate_shop(n_users=1500, n_items=300, n_clusters=15, trending_share=0.7, n_pages=15, page_size=12)
    log = shop.interactions()
    across, plain = leave_one_out_across_contexts(log, random_state=0), leave_one_out(log, random_state=0)
    # The oracle has learned from no page; the split's labels are those of the whole log.
    no_page = log.contexts.kinds[log.contexts.contexts] != "trending"
    organic = scipy.sparse.coo_array(
        (np.ones(no_page.sum()), (log.contexts.users[no_page], log.contexts.items[no_page])), shape=log.user_items.shape
    ).tocsr()
    ratios = []
    for split, judge in (
        (across, lambda model: evaluate_across_contexts(model, *across)["ndcg@10"]),
        (plain, lambda model: evaluate_similar_items(model, *plain)["ndcg@10"]),
    ):
        kept = split.train.user_items.astype(bool).multiply(organic.astype(bool))
        oracle = fit(scipy.sparse.csr_array(kept, dtype=np.float32), iterations=60)
        ratios.append(judge(oracle) / judge(fit(split.train.user_items.astype(bool), iterations=60)))
    assert ratios[0] > 1 > ratios[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"queries": matrix([1, 0, 0], [0, 0, 1])}, ValueError, "queries must have shape (n_users, n_items) = (1, 3)"),
        ({"queries": "all"}, TypeError, "queries must be a SciPy sparse matrix"),
        ({"test": matrix([1, 0, 0])}, ValueError, "test must have, for one of the users at least, beside a query an"),
        ({"metrics": "auc"}, ValueError, "metrics must be among hr, recall, ndcg"),
        ({"K": 0}, ValueError, "K must be an integer >= 1, got 0"),
        ({"model": SimpleNamespace()}, TypeError, "model must have item_factors, or a method similarity"),
        ({"similarity": "dot"}, ValueError, "similarity must be one of"),
    ],
)
def test_a_bad_argument_of_the_evaluation_is_named(arguments, error, message):
    good = {
        "model": SimpleNamespace(item_factors=np.eye(3)),
        "train": matrix([1, 1, 0]),
        "queries": matrix([1, 0, 0]),
        "test": matrix([0, 0, 1]),
    }
    assert evaluate_across_contexts(**good)["hr@10"] == 1
    with pytest.raises(error, match=re.escape(message)):
        evaluate_across_contexts(**good | arguments)
