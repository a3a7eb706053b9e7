"""Co-exposure: what is measured of logs and lists against counting by hand, and cases whose answer is known."""

import math
import re
import sys
import tracemalloc
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import Given, fit
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import Interactions, MissingExtraError, NotFittedError
from fastbpr.baselines import ItemCooccurrence, Random
from fastbpr.bpr import BPR
from fastbpr.datasets import simulate_shop
from fastbpr.exposure import (
    CoExposure,
    co_exposure,
    concentration,
    gluing_contexts,
    plot_co_exposure,
)

KINDS = np.array(["page", "search", "basket"])


def random_log(seed=0, n_rows=400, n_users=25, n_items=18, n_contexts=12, **options):
    """Rows at random, some without a context, with kinds, strengths (baskets have 0) and what was shown."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers(-2, n_contexts, size=n_rows)
    options = {
        "contexts": [f"c{context}" if context >= 0 else None for context in contexts],
        "context_kinds": KINDS[contexts % 3],
        "context_strengths": {"basket": 0, "search": 0.2},
        "shown": {f"c{context}": rng.integers(n_items, size=3) for context in range(0, n_contexts, 2)},
    } | options
    return Interactions.from_arrays(
        rng.integers(n_users, size=n_rows), (n_items * rng.random(n_rows) ** 1.5).astype(int), **options
    )


def rows_of(log):
    return list(zip(*(column.tolist() for column in log.contexts[:3]), strict=True))


def counting_contexts(log, kinds=None):
    """The contexts that count, by hand."""
    users = {}
    for user, _, context in rows_of(log):
        users.setdefault(context, set()).add(user)
    contexts = log.contexts
    return {
        context
        for context, members in users.items()
        if context >= 0
        and len(members) >= 2
        and (contexts.strengths[context] > 0 if kinds is None else contexts.kinds[context] in kinds)
    }


# ---- concentration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [None, ["page"], ["search", "basket"]])
def test_concentration_is_what_counting_by_hand_gives(kinds):
    log = random_log()
    labels, kind_of = log.contexts.labels, log.contexts.kinds
    rows = [(u, c) for u, _, c in rows_of(log) if c >= 0 and (kinds is None or kind_of[c] in kinds)]
    sizes = Counter(context for _, context in rows)
    users = {context: {u for u, c in rows if c == context} for context in sizes}
    found = concentration(log, kinds=kinds)
    assert (found.n_rows, found.n_rows_in_contexts) == (400, len(rows))
    assert found.share_in_contexts == len(rows) / 400
    assert found.n_contexts == len(sizes)
    assert found.n_shared == sum(len(members) >= 2 for members in users.values())
    assert found.share_in_shared == sum(sizes[c] for c in sizes if len(users[c]) >= 2) / 400
    assert found.contexts_of_kind == Counter(kind_of[context] for context in sizes)
    assert found.rows_of_kind == Counter(kind_of[context] for _, context in rows)
    assert sizes[labels.tolist().index(found.largest)] == max(sizes.values())
    assert found.largest_share == max(sizes.values()) / len(rows)
    differences = sum(abs(a - b) for a in sizes.values() for b in sizes.values())  # another form of Gini's index
    assert found.gini == pytest.approx(differences / (2 * (len(sizes) - 1) * len(rows)))
    assert found.effective_contexts == pytest.approx(math.exp(scipy.stats.entropy(list(sizes.values()))))
    assert found.rows_per_visit == pytest.approx(len(rows) / len(set(rows)))
    assert found.median_users == np.median([len(members) for members in users.values()])


def test_equal_contexts_are_not_concentrated_and_one_context_is_all():
    even = Interactions.from_arrays([1, 2, 1, 2], [1, 2, 2, 1], contexts=["a", "a", "b", "b"])
    assert concentration(even)[10:12] == (0.0, pytest.approx(2.0))
    assert concentration(even).contexts_of_kind == {}
    single = Interactions.from_arrays([1, 2], [1, 2], contexts=["a", None])
    found = concentration(single)
    assert (found.n_contexts, found.n_shared, found.gini, found.effective_contexts) == (1, 0, 0.0, 1.0)
    assert "1 context, 0 % in the 0 that" in str(found)
    assert "has 1 user." in str(found)


def test_a_log_whose_rows_have_no_context_has_no_concentration():
    found = concentration(Interactions.from_arrays([1, 2], [1, 2], contexts=[None, None]))
    assert (found.n_contexts, found.share_in_contexts, found.largest) == (0, 0.0, None)
    assert math.isnan(found.gini)
    assert str(found) == "None of 2 rows is in a context."


def test_contexts_of_no_kind_are_told_apart():
    log = Interactions.from_arrays([1, 2, 3], [1, 2, 3], contexts=["a", "a", "b"], context_kinds=["page", None, None])
    assert concentration(log).rows_of_kind == {"page": 2, "of no kind": 1}


# ---- contexts that glue -----------------------------------------------------------------------------------------


def glue_by_hand(log, kinds=None):
    """{context label: (users, items, glued pairs, excess, strongest)}"""
    user_items = log.user_items.toarray() > 0
    activity, popularity = user_items.sum(axis=1), user_items.sum(axis=0)
    same_user = (activity.astype(float) ** 2).sum() / activity.sum() ** 2
    result = {}
    for context in counting_contexts(log, kinds):
        visits = {}
        for user, item, where in rows_of(log):
            if where == context:
                visits.setdefault(user, set()).add(item)
        common = Counter(pair for items in visits.values() for pair in combinations(sorted(items), 2))
        glued = {}
        for (left, right), n_common in common.items():
            expected = float(popularity[left] * popularity[right]) * same_user
            tail = scipy.stats.poisson.sf(n_common - 1, expected)
            if n_common >= 2 and tail <= 0.05:
                glued[left, right] = n_common - expected
        strongest = min(glued, key=lambda pair: (-round(glued[pair], 9), pair), default=None)
        result[log.contexts.labels[context]] = (
            len(visits),
            len(set.union(*visits.values())),
            len(glued),
            pytest.approx(sum(glued.values())),
            None if strongest is None else tuple(log.item_labels[list(strongest)]),
        )
    return result


@pytest.mark.parametrize("kinds", [None, ["page", "basket"]])
@pytest.mark.parametrize("at_once", [2**20, 50, 1])
def test_glued_pairs_are_what_counting_by_hand_gives(kinds, at_once, monkeypatch):
    monkeypatch.setattr(sys.modules["fastbpr.exposure.gluing"], "PAIRS_AT_ONCE", at_once)
    log = random_log(n_rows=300, n_users=60, n_items=40)
    shared = np.repeat(np.arange(6), 2)  # six users who all clicked on two items of one page
    users = np.concatenate([log.user_labels[log.contexts.users], shared])
    items = np.concatenate([log.item_labels[log.contexts.items], np.tile([90, 91], 6)])
    contexts = [None if c < 0 else log.contexts.labels[c] for c in log.contexts.contexts] + ["glue"] * 12
    kinds_of = [None if c < 0 else log.contexts.kinds[c] for c in log.contexts.contexts] + ["page"] * 12
    log = Interactions.from_arrays(
        users, items, contexts=contexts, context_kinds=kinds_of, context_strengths={"basket": 0}
    )
    expected = glue_by_hand(log, kinds)
    found = gluing_contexts(log, n=100, kinds=kinds)
    assert {one.context: (one.n_users, one.n_items, *one[5:]) for one in found} == expected
    assert (found[0].context, found[0].kind, found[0].strength) == ("glue", "page", 1.0)
    assert found[0].strongest == (90, 91)
    excess = [one.excess for one in found]
    assert excess == sorted(excess, reverse=True)
    assert gluing_contexts(log, n=2, kinds=kinds) == found[:2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("at_once", [2**20, 100, 7])
def test_parts_of_a_context_with_many_items_are_added_up(seed, at_once, monkeypatch):
    monkeypatch.setattr(sys.modules["fastbpr.exposure.gluing"], "PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    users, contexts = (200 * rng.random(900) ** 2).astype(int), rng.integers(2, size=900)
    items = rng.integers(100, size=900)
    together = users < 20  # they choose 10 items of their own on each page
    items[together] = 100 + 10 * contexts[together] + rng.integers(10, size=together.sum())
    log = Interactions.from_arrays(users, items, contexts=contexts)
    expected = glue_by_hand(log)
    assert all(10 < n_pairs < 200 for _, _, n_pairs, *_ in expected.values())
    assert {one.context: (one.n_users, one.n_items, *one[5:]) for one in gluing_contexts(log)} == expected


def test_memory_does_not_grow_with_all_pairs_of_a_context_with_many_items(monkeypatch):
    monkeypatch.setattr(sys.modules["fastbpr.exposure.gluing"], "PAIRS_AT_ONCE", 2**16)
    rng = np.random.default_rng(0)
    n_items = 2000
    log = Interactions.from_arrays(
        np.repeat(np.arange(100), 500), rng.integers(n_items, size=50_000), contexts=["page"] * 50_000
    )
    tracemalloc.start()
    gluing_contexts(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n_items**2  # half of what the numbers of common users would take, and no indices


def test_labels_that_are_dates_stay_dates():
    days = np.array(["2024-05-01", "2024-05-01", "2024-05-02"], dtype="datetime64[D]")
    log = Interactions.from_arrays([1, 2, 3], ["a", "b", "c"], contexts=days)
    assert concentration(log).largest == np.datetime64("2024-05-01")
    assert gluing_contexts(log)[0].context == np.datetime64("2024-05-01")
    assert "The largest, 2024-05-01T" in str(concentration(log))


def test_the_table_has_a_line_per_context_and_says_if_there_is_none():
    log = random_log()
    lines = str(gluing_contexts(log, n=3)).splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:4] == ["context", "kind", "strength", "users"]
    alone = Interactions.from_arrays([1, 1, 2], [1, 2, 3], contexts=["a", "a", "b"])
    assert str(gluing_contexts(alone)) == "No context has two users or more."


# ---- co-exposure ------------------------------------------------------------------------------------------------


def co_exposed_by_hand(log, kinds=None, groups=None):
    """Which pairs of items share a context but little else, with loops over users and rows."""
    counting = counting_contexts(log, kinds)
    members = {context: {item for _, item, where in rows_of(log) if where == context} for context in counting}
    if log.contexts.shown is not None:
        for context in counting:
            members[context] |= set(log.contexts.shown[[context]].indices.tolist())
    places = {}  # (user, item) to the contexts of its rows, None for those that do not count
    for user, item, context in rows_of(log):
        places.setdefault((user, item), set()).add(context if context in counting else None)
    n_items = log.n_items
    users_of = [{user for user, other in places if other == item} for item in range(n_items)]
    activity = Counter(user for user, _ in places)
    same_user = sum(count**2 for count in activity.values()) / sum(activity.values()) ** 2
    confined = {pair: next(iter(where)) for pair, where in places.items() if len(where) == 1 and None not in where}
    answer = np.zeros((n_items, n_items), dtype=bool)
    for left in range(n_items):
        for right in range(n_items):
            if not any({left, right} <= items for items in members.values()):
                continue
            if groups is not None:
                answer[left, right] = groups[left] != groups[right]
                continue
            apart, possible = 0, 0
            for user in users_of[left] & users_of[right]:
                one, other = confined.get((user, left)), confined.get((user, right))
                apart += not (one is not None and one == other)
            for user in users_of[left]:
                for another in users_of[right]:
                    one, other = confined.get((user, left)), confined.get((another, right))
                    possible += not (one is not None and one == other)
            answer[left, right] = apart == 0 or scipy.stats.poisson.sf(apart - 1, possible * same_user) > 0.05
    return answer


@pytest.mark.parametrize("kinds", [None, ["page"], ["basket", "search"]])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("grouped", [False, True])
def test_co_exposure_is_what_counting_by_hand_gives(seed, kinds, grouped):
    log = random_log(seed, n_rows=170, n_users=40, n_contexts=9)
    rng = np.random.default_rng(seed)
    n_items = log.n_items
    model = Given(similarities=rng.normal(size=(n_items, n_items)))
    groups = rng.integers(3, size=n_items) if grouped else None
    by_hand = co_exposed_by_hand(log, kinds, groups)
    items = np.arange(n_items)
    found = co_exposure(model, log, K=4, items=items, groups=groups, kinds=kinds)
    scores = np.where(np.eye(n_items, dtype=bool), -np.inf, model.similarities)
    lists = np.argsort(-scores, axis=1)[:, :4]
    assert_allclose(found.per_item, by_hand[items[:, None], lists].mean(axis=1))
    assert 0 < by_hand.mean() < 1
    off_diagonal = by_hand & ~np.eye(n_items, dtype=bool)
    assert found.chance == pytest.approx(off_diagonal.sum() / (n_items * (n_items - 1)))  # few items: exactly
    assert found.ceo == pytest.approx(found.per_item.mean())
    assert found.excess == pytest.approx(found.ceo - found.chance)
    assert (found.n_items, found.list_length) == (n_items, 4)


def test_by_default_items_that_are_in_no_context_are_not_asked():
    log = Interactions.from_arrays([1, 2, 1, 3], ["a", "b", "c", "d"], contexts=["page", "page", None, "other"])
    found = co_exposure(Given(similarities=1 - np.eye(4)), log, K=3)
    assert_array_equal(found.per_item, [1 / 3, 1 / 3, np.nan, np.nan])
    assert (found.ceo, found.n_items) == (pytest.approx(1 / 3), 2)
    assert found.chance == pytest.approx(1 / 3)
    assert found.excess == pytest.approx(0)
    asked = co_exposure(Given(similarities=1 - np.eye(4)), log, K=3, items=[2, 2])
    assert (asked.ceo, asked.chance, asked.n_items) == (0, 0, 1)


def test_what_was_shown_shares_a_context_though_nobody_clicked_on_it():
    columns = {"users": [1, 2, 3, 3], "items": ["a", "a", "b", "c"], "contexts": ["p", "p", None, None]}
    model = Given(similarities=np.array([[9, 2, 1], [1, 9, 0], [1, 0, 9]]))
    assert math.isclose(co_exposure(model, Interactions.from_arrays(**columns), K=1).ceo, 0)
    log = Interactions.from_arrays(**columns, shown={"p": ["a", "b"]})
    assert_array_equal(co_exposure(model, log, K=1).per_item, [1, 1, np.nan])


def test_users_who_had_both_items_apart_clear_a_pair():
    # Items 0 and 1 share page "p", and five users have both at home as well; 0 and 2 share the page only.
    rows = [(user, item, "p") for user in (1, 2, 3) for item in (0, 1, 2)]
    rows += [(user, item, None) for user in range(10, 15) for item in (0, 1)]
    rows += [(user, 3, None) for user in range(20, 60)]
    users, items, contexts = zip(*rows, strict=True)
    log = Interactions.from_arrays(users, items, contexts=contexts)
    similarities = np.array([[9, 2, 1, 0], [2, 9, 1, 0], [2, 1, 9, 0], [0, 0, 0, 9]])
    found = co_exposure(Given(similarities=similarities), log, K=2)
    assert_array_equal(found.per_item, [0.5, 0.5, 1.0, np.nan])


def test_contexts_with_one_user_or_no_strength_do_not_count_unless_their_kind_is_asked_for():
    log = Interactions.from_arrays(
        [1, 1, 2, 3], ["a", "b", "c", "d"], contexts=["mine", "mine", "s", "s"],
        context_kinds=["page", "page", "session", "session"], context_strengths={"session": 0},
    )  # fmt: skip
    model = Given(similarities=1 - np.eye(4))
    found = co_exposure(model, log, K=1)
    assert found.n_items == 0
    assert all(math.isnan(value) for value in (found.ceo, found.chance, found.excess))
    assert np.isnan(found.per_item).all()
    assert "No item is in a context that counts" in str(found)
    assert co_exposure(model, log, K=3, kinds="session").ceo == pytest.approx(1 / 3)


def test_items_without_a_group_neither_ask_nor_answer():
    log = Interactions.from_arrays([1, 2, 3, 4], ["a", "b", "c", "d"], contexts=["p"] * 4)
    model = Given(similarities=np.array([[9, 3, 2, 1], [3, 9, 2, 1], [3, 2, 9, 1], [3, 2, 1, 9]]))
    found = co_exposure(model, log, K=2, groups=["x", None, "y", "y"])
    # a: (b), c of another group; c: a, (b); d: a, (b).
    assert_array_equal(found.per_item, [1, np.nan, 1, 1])
    assert found.n_items == 3
    assert found.chance == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_an_empty_list_is_no_list():
    log = Interactions.from_arrays([1, 2, 3], ["a", "b", "c"], contexts=["p"] * 3)

    def similar_items(ids, N):
        lists = np.where(np.asarray(ids)[:, None] == 0, [[1, -1]], [[-1, -1]])
        return lists, np.zeros(lists.shape)

    found = co_exposure(SimpleNamespace(similar_items=similar_items), log, K=1)
    assert_array_equal(found.per_item, [1, np.nan, np.nan])
    assert (found.ceo, found.n_items) == (1, 1)


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(n_users=1500, n_items=300, n_clusters=15, trending_share=0.6, n_pages=15, page_size=12)


def test_a_model_of_pages_has_excess_and_one_of_its_twin_has_none(shop):
    log = shop.interactions()
    groups = shop.clusters_of(log.item_labels)
    plain, twin = (fit(one.interactions(), iterations=60) for one in (shop, shop.twin()))
    # The twin has the same items in another order, and perhaps not all: matched by labels.
    assert twin.item_labels.tolist() != plain.item_labels.tolist()
    for options in ({}, {"groups": groups}):
        assert co_exposure(plain, log, **options).excess > 0.5
        assert abs(co_exposure(twin, log, **options).excess) < 0.1
    by_lift, by_group = (co_exposure(plain, log, groups=one) for one in (None, groups))
    assert by_lift.ceo == pytest.approx(by_group.ceo, abs=0.1)  # both tell the same
    assert co_exposure(ItemCooccurrence().fit(log), log).excess > 0.5


def test_random_lists_have_no_excess(shop):
    log = shop.interactions()
    found = co_exposure(Random(random_state=3).fit(log), log, K=50)
    assert 0.02 < found.chance < 0.5
    assert abs(found.excess) < 0.01


def test_a_loaded_model_has_the_same_co_exposure(shop, tmp_path):
    log = shop.interactions()
    model = fit(log, iterations=5)
    model.save(tmp_path / "model.npz")
    one, other = (co_exposure(each, log) for each in (model, BPR.load(tmp_path / "model.npz")))
    assert one[:4] == other[:4]
    assert_array_equal(one.per_item, other.per_item)


def test_a_seed_gives_the_same_chance_level_where_others_are_drawn(shop, monkeypatch):
    monkeypatch.setattr(sys.modules["fastbpr.exposure.co_exposure"], "CHANCE_PAIRS", 2000)
    log = shop.interactions()
    model = Random(random_state=0).fit(log)
    chances = [co_exposure(model, log, random_state=seed).chance for seed in (5, 5, 6)]
    assert chances[0] == chances[1] != chances[2]
    monkeypatch.undo()
    assert co_exposure(model, log).chance == pytest.approx(chances[0], abs=0.03)


def test_parts_do_not_change_the_answer(shop, monkeypatch):
    log = shop.interactions()
    model = Random(random_state=0).fit(log)
    whole = co_exposure(model, log)
    monkeypatch.setattr(sys.modules["fastbpr.exposure._pairs"], "ENTRIES_AT_ONCE", 1000)
    assert co_exposure(model, log)[:4] == whole[:4]


@pytest.mark.parametrize("of_a_call", [-(10**6), -30, 2**15])
@pytest.mark.parametrize("at_once", [2**22, 5])
def test_products_of_rows_are_the_same_however_they_are_computed(of_a_call, at_once, monkeypatch):
    module = sys.modules["fastbpr.exposure._pairs"]
    monkeypatch.setattr(module, "ENTRIES_OF_A_CALL", of_a_call)
    monkeypatch.setattr(module, "ENTRIES_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 9, size=(12, 40)) * (
        rng.random((12, 40)) < np.linspace(0, 1, 12)[:, None]
    )  # row 0 is empty
    for left, right in (rng.integers(12, size=(2, 200)), ([11] * 12, np.arange(12)), (np.arange(12), [11] * 12)):
        left, right = np.asarray(left), np.asarray(right)
        found = module.products(scipy.sparse.csr_array(dense.astype(float)), left, right)
        assert_array_equal(found, (dense[left] * dense[right]).sum(axis=1))
    assert len(module.products(scipy.sparse.csr_array(dense.astype(float)), left[:0], right[:0])) == 0


def test_a_neighbour_that_the_log_does_not_know_shares_no_context():
    log = Interactions.from_arrays([1, 2], ["a", "b"], contexts=["p", "p"])
    model = Given(similarities=np.array([[9, 2, 1], [2, 9, 1], [1, 2, 9]]))
    model.item_labels = np.array(["new", "b", "a"], dtype=object)
    found = co_exposure(model, log, K=2)  # a: b, new; b: new, a
    assert_array_equal(found.per_item, [0.5, 0.5])


def test_an_item_that_the_model_does_not_know_has_no_list():
    log = Interactions.from_arrays([1, 2, 3], ["a", "b", "c"], contexts=["p"] * 3)
    model = Given(similarities=np.array([[9, 2], [2, 9]]))
    model.item_labels = np.array(["c", "a"], dtype=object)
    assert_array_equal(co_exposure(model, log, K=1).per_item, [1, np.nan, 1])


def test_a_part_of_a_log_without_rows_counts_no_context():
    log = random_log()
    empty = log._with_matrix(scipy.sparse.csr_array(log.user_items.shape, dtype=np.float32), None)
    assert concentration(empty).n_contexts == 0
    assert gluing_contexts(empty) == ()
    assert co_exposure(Given(similarities=np.eye(log.n_items)), empty).n_items == 0


# ---- a picture --------------------------------------------------------------------------------------------------


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    yield pyplot
    pyplot.close("all")


RESULT = CoExposure(0.85, 0.03, 0.82, 600, np.empty(0), 10)


def test_the_picture_has_three_bars_per_model(pyplot):
    better = RESULT._replace(ceo=0.02, excess=-0.01)
    axes = plot_co_exposure({"plain": RESULT, "context": better})
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[0.85, 0.02], [0.03, 0.03], [0.82, -0.01]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["plain", "context"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["CEO@10", "chance", "excess CEO@10"]


def test_the_picture_is_drawn_where_asked(pyplot):
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot_co_exposure(RESULT, ax=right) is right
    assert len(right.patches) == 3
    assert not left.patches
    different = {"a": RESULT, "b": RESULT._replace(list_length=20)}
    assert plot_co_exposure(different, ax=left).get_legend().get_texts()[0].get_text() == "CEO@K"
    assert figure.axes == [left, right]


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'fastbpr[plot]'")):
        plot_co_exposure(RESULT)


@pytest.mark.parametrize(
    ("results", "error", "message"),
    [
        ({}, ValueError, "results must be a mapping from names of models to what co_exposure returned, got none."),
        ([RESULT], TypeError, "results must be a mapping from names of models to what co_exposure returned, got ["),
        ({"a": 0.5}, TypeError, "returned, got 0.5 for 'a'."),
    ],
)
def test_what_cannot_be_drawn_is_refused(results, error, message):
    with pytest.raises(error, match=re.escape(message)):
        plot_co_exposure(results)


def test_what_cannot_be_drawn_on_is_refused(pyplot):
    with pytest.raises(TypeError, match="ax must be Axes of matplotlib or None, got 'figure'"):
        plot_co_exposure(RESULT, ax="figure")


# ---- bad input --------------------------------------------------------------------------------------------------

LOG = random_log()
MODEL = Given(similarities=np.eye(LOG.n_items))
PLAIN = Interactions.from_arrays([1, 2], [1, 2])


@pytest.mark.parametrize(
    "measure", [concentration, gluing_contexts, lambda log: co_exposure(MODEL, log)], ids=["spread", "glue", "ceo"]
)
@pytest.mark.parametrize(
    ("log", "error", "message"),
    [
        (PLAIN, ValueError, "log must be Interactions with contexts, got some without. Say in which page"),
        (LOG.user_items, TypeError, "log must be Interactions with contexts, got csr_array"),
        (None, TypeError, "log must be Interactions with contexts, got NoneType"),
    ],
)
def test_a_log_without_contexts_is_refused(measure, log, error, message):
    with pytest.raises(error, match=message):
        measure(log)


@pytest.mark.parametrize(
    "measure",
    [concentration, gluing_contexts, lambda log, kinds: co_exposure(MODEL, log, kinds=kinds)],
    ids=["spread", "glue", "ceo"],
)
@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ("slate", "kinds must be None, or one or several of the kinds of contexts, 'page', 'basket', 'search'"),
        (["page", "slate"], "got 'slate'."),
        ([], "got none."),
    ],
)
def test_kinds_that_do_not_occur_are_refused(measure, kinds, message):
    with pytest.raises(ValueError, match=message):
        measure(LOG, kinds=kinds)


def test_kinds_are_refused_where_contexts_have_none():
    log = Interactions.from_arrays([1, 2], [1, 2], contexts=["a", "a"])
    with pytest.raises(ValueError, match="of which there are none, got 'page'"):
        concentration(log, kinds="page")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"K": 0}, ValueError, "K must be an integer >= 1, got 0"),
        ({"K": 2.0}, TypeError, "K must be an integer >= 1, got 2.0"),
        ({"items": []}, ValueError, "items must name at least one item"),
        ({"items": [99]}, IndexError, "items must be item ids, integers from 0 to 17, got 99"),
        ({"items": ["a"]}, TypeError, "items must be item ids"),
        ({"groups": [1, 2]}, ValueError, "groups must have one entry per item, 18, got 2."),
        ({"groups": [None] * 18}, ValueError, "groups must be given for one item at least, got none."),
        ({"groups": 3}, TypeError, "groups must be a one-dimensional array"),
        ({"random_state": -1}, ValueError, "random_state must be None, an integer >= 0"),
        ({"num_threads": -1}, ValueError, "num_threads must be"),
        ({"model": SimpleNamespace()}, TypeError, "model must have item_factors, or a method similarity"),
        ({"model": BPR()}, NotFittedError, "BPR must be fitted first"),
        ({"model": SimpleNamespace(item_factors=np.eye(7))}, ValueError, "got item_factors of 7 items"),
    ],
)
def test_a_bad_argument_of_co_exposure_is_named(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        co_exposure(**{"model": MODEL, "log": LOG} | arguments)


def test_a_model_that_knows_none_of_the_items_is_refused():
    model = Given(similarities=np.eye(2))
    model.item_labels = np.array(["x", "y"], dtype=object)
    with pytest.raises(ValueError, match="log must have items that the model knows, got 18 of which it knows none"):
        co_exposure(model, LOG)


@pytest.mark.parametrize("n", [0, 1.5])
def test_a_bad_number_of_contexts_is_refused(n):
    with pytest.raises((TypeError, ValueError), match="n must be an integer >= 1"):
        gluing_contexts(LOG, n)


def test_views_of_a_page_count_where_it_is_known_what_they_showed():
    # Every view has one user; twelve slates of six items were shown again and again.
    rng = np.random.default_rng(0)
    slates = [rng.choice(60, 6, replace=False) for _ in range(12)]
    users, items, views, shown = [], [], [], {}
    for view in range(1500):
        slate = slates[rng.integers(12)]
        shown[view] = slate.tolist()
        for item in rng.choice(slate, 3, replace=False):
            users.append(view % 500), items.append(int(item)), views.append(view)
    log = Interactions.from_arrays(users, items, contexts=views, shown=shown)
    model = BPR(factors=16, iterations=30, random_state=0).fit(log, show_progress=False)
    found = co_exposure(model, log, K=5, groups=log.item_labels)
    assert found.n_items == log.n_items
    assert found.ceo > 0.6 > 0.3 > found.chance
    assert co_exposure(model, Interactions.from_arrays(users, items, contexts=views), K=5).n_items == 0
