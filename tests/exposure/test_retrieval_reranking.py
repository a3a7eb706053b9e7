"""Lists re-ranked by co-exposure, against views counted one by one."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import Given, fit
from numpy.testing import assert_allclose, assert_array_equal
from retrieval import cosines, fit_like, log_of, other_items, penalties_by_hand, vectors, views_by_hand

from fastbpr import BPR, Interactions
from fastbpr.baselines import ItemCooccurrence
from fastbpr.errors import NotFittedError
from fastbpr.evaluation import evaluate, evaluate_neighbours, evaluate_similar_items, stability
from fastbpr.exposure import _views, centred, co_exposure, reranked, varied, without_context_directions
from fastbpr.exposure._views import Seen, Views


def reranked_by_hand(similarities, penalties, beta, depth):
    """Each item's list and scores, the item itself first; what follows the first `depth` only by its order."""
    lists = []
    for item, row in enumerate(similarities):
        others = sorted((other for other in range(len(row)) if other != item), key=lambda other: -row[other])
        scores = {other: row[other] - beta * penalties[item, other] for other in others[:depth]}
        lists.append(([item, *sorted(scores, key=lambda other: -scores[other]), *others[depth:]], scores))
    return lists


@pytest.mark.parametrize("with_shown", [True, False])
@pytest.mark.parametrize("kinds", [None, "trending", ["search", "session"]])
def test_views_are_counted_as_they_are_one_by_one(monkeypatch, with_shown, kinds):
    log = log_of(with_shown=with_shown)
    views = views_by_hand(log, [kinds] if isinstance(kinds, str) else kinds)
    seen = Seen.of(log.contexts, log.n_items, kinds)
    monkeypatch.setattr(_views, "ENTRIES_AT_ONCE", 40)
    left, right = (part.ravel() for part in np.indices((log.n_items, log.n_items)))
    for weights, of_view in ((seen.strengths, lambda strength: strength), (np.ones(len(seen.strengths)), lambda _: 1)):
        counted = Views.of(seen, weights)
        expected = np.zeros((log.n_items, log.n_items))
        for strength, visible in views:
            expected[np.ix_(sorted(visible), sorted(visible))] += of_view(strength)
        assert_allclose(counted.of_item, np.diag(expected), atol=1e-9)
        assert_allclose(counted.total, sum(of_view(strength) for strength, _ in views))
        different = left != right
        pairs = counted.of_pairs(left[different], right[different])
        assert_allclose(pairs, expected.ravel()[different], atol=1e-9)
        alone = [counted.of_pairs(left[[pair]], right[[pair]])[0] for pair in range(1, 19)]  # in another way
        assert_allclose(alone, expected[0, 1:19], atol=1e-9)


@pytest.mark.parametrize("with_shown", [True, False])
@pytest.mark.parametrize("kinds", [None, ["trending"], ["search"]])
@pytest.mark.parametrize(("beta", "depth"), [(1.0, 200), (0.3, 5), (4.0, 1)])
def test_lists_are_those_made_by_hand(with_shown, kinds, beta, depth):
    log = log_of(with_shown=with_shown)
    model = vectors(log.n_items)
    penalties = penalties_by_hand(log, kinds)
    assert (penalties > 0).any()
    rearranged = reranked(model, log, beta, depth, kinds=kinds)
    ids, scores = rearranged.similar_items(np.arange(log.n_items), N=log.n_items)
    for item, (expected, values) in enumerate(reranked_by_hand(cosines(model.item_factors), penalties, beta, depth)):
        assert ids[item].tolist() == expected
        for place in range(1, min(depth, log.n_items - 1) + 1):
            assert scores[item, place] == pytest.approx(values[expected[place]], abs=1e-5)
        assert (np.diff(scores[item, 1:]) <= 0).all()


def test_a_pair_of_one_page_falls_behind_by_its_strength():
    # 40 users saw tea and saw on one page, 40 others cup and nail on another.
    users = [user for user in range(80) for _ in range(2)]
    items = ["tea", "saw"] * 40 + ["cup", "nail"] * 40
    lift = (40 + 10) / (40 * 40 / 80 + 10)
    model = SimpleNamespace(item_factors=np.ones((4, 2)))
    for strength in (1, 0.2):
        pages = ["one"] * 80 + ["two"] * 80
        log = Interactions.from_arrays(users, items, contexts=pages, context_strengths=float(strength))
        scores = reranked(model, log).similar_items(0, N=4)[1]
        if strength == 1:
            assert_allclose(scores, [1, 1, 1, 1 - np.log(lift)], rtol=1e-6)
        else:
            smoothed = (8 + 10) / (8 * 8 / 16 + 10)
            assert_allclose(scores, [1, 1, 1, 1 - 0.2 * np.log(smoothed)], rtol=1e-6)


def test_own_choices_of_single_users_are_no_co_exposure():
    users = [user for user in range(30) for _ in range(2)]
    log = Interactions.from_arrays(users, ["tea", "cup"] * 30, contexts=users)
    model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert_array_equal(reranked(model, log).similar_items(0, N=2)[1], fit_like(model).similar_items(0, N=2)[1])


@pytest.mark.parametrize("depth", [1, 3, 200])
@pytest.mark.parametrize("N", [1, 2, 7, 20, 25])
def test_without_beta_or_diversity_lists_are_the_models_own_bit_for_bit(depth, N):
    log = log_of()
    model = fit_like(vectors(log.n_items))
    expected = model.similar_items(np.arange(log.n_items), N=N)
    for other in (reranked(model, log, 0, depth), varied(model, 0, depth), varied(reranked(model, log, 0), 0, depth)):
        for actual, own in zip(other.similar_items(np.arange(log.n_items), N=N), expected, strict=True):
            assert actual.dtype == own.dtype
            assert_array_equal(actual, own)
        assert_array_equal(other.similar_items(3, N=N)[0], expected[0][3])


@pytest.mark.parametrize(
    "choice",
    [{"filter_items": [2, 3, 4]}, {"items": [1, 5, 6, 7]}, {"items": [5, 6], "filter_items": [6]}, {"items": [0]}],
)
@pytest.mark.parametrize("depth", [2, 200])
def test_candidates_are_chosen_before_lists_are_rearranged(choice, depth):
    log = log_of()
    model = fit_like(vectors(log.n_items))
    everything = set(choice.get("items", range(log.n_items))) - set(choice.get("filter_items", []))
    for other in (reranked(model, log, 2.0, depth), varied(model, 0.5, depth)):
        for query in range(8):
            ids, scores = other.similar_items(query, N=log.n_items, **choice)
            own = model.similar_items(query, N=log.n_items, **choice)[0]
            assert set(ids[ids >= 0].tolist()) == everything
            assert (ids[0] == query) == (query in everything)
            assert_array_equal(ids < 0, own < 0)
            assert_array_equal(scores == -np.inf, ids < 0)
            first = int(query in everything)
            assert set(ids[first : first + depth].tolist()) == set(own[first : first + depth].tolist())


def test_longer_lists_begin_with_the_shorter_ones():
    log = log_of()
    for other in (reranked(vectors(log.n_items), log, depth=4), varied(vectors(log.n_items), depth=4)):
        longest = other.similar_items(np.arange(20), N=20)
        for N in (1, 3, 5, 6, 12):
            for part, whole in zip(other.similar_items(np.arange(20), N=N), longest, strict=True):
                assert_array_equal(part, whole[:, :N])


@pytest.mark.parametrize("depth", [3, 200])
def test_similarity_orders_items_as_lists_do(depth):
    log = log_of()
    for model in (vectors(log.n_items), ItemCooccurrence().fit(log), fit(log, similarity="centred")):
        for other in (reranked(model, log, 0.5, depth), varied(model, 0.4, depth)):
            rows = other.similarity(np.arange(log.n_items))
            ids, scores = other.similar_items(np.arange(log.n_items), N=log.n_items)
            listed = np.take_along_axis(rows, ids, axis=1)
            assert (np.diff(listed[:, 1:]) <= 0).all()
            assert_array_equal(listed[:, 1 : depth + 1], scores[:, 1 : depth + 1])
            assert_array_equal(other.similarity(4), rows[4])


def test_all_of_them_together_go_where_lists_go():
    log = log_of()
    model = fit(log)
    together = varied(reranked(without_context_directions(model, log, 2), log), diversity=0.2)
    few = varied(reranked(centred(model), log, depth=2), depth=2)
    for other in (together, few):
        assert evaluate_neighbours(other, log, K=3)["coverage@3"] > 0
        assert co_exposure(other, log, K=3).n_items > 0
        assert other.item_labels is model.item_labels
        assert_array_equal(copy.deepcopy(other).similar_items([0, 1])[0], other.similar_items([0, 1])[0])
        assert other.item_rows(5) == model.item_rows(5)
        assert_array_equal(other.recommend(0)[0], model.recommend(0)[0])
        assert_array_equal(other.score([0, 1]), model.score([0, 1]))
    assert stability([model, few], log, K=3).mean < 1
    assert stability([together, together], log, K=3).mean == 1
    assert stability([model, together], log, K=3, of="users").mean == 1
    metrics = ["ndcg@5", "mrr"]
    expected = evaluate(model, log.user_items, other_items(log), metrics=metrics)
    assert evaluate(together, log.user_items, other_items(log), metrics=metrics) == expected
    assert "recommend" in dir(together)
    assert not hasattr(together, "explain")
    assert not hasattr(together, "_anything")


def test_a_given_similarity_compares_the_vectors_without_the_directions():
    log = log_of()
    corrected = without_context_directions(fit(log), log, 3)
    found = evaluate_similar_items(reranked(corrected, log), log, other_items(log), similarity="cosine")
    assert found == evaluate_similar_items(corrected, log, other_items(log))


def test_evaluation_judges_the_rearranged_lists():
    log = log_of()
    other = reranked(vectors(log.n_items), log, depth=5)
    test = other_items(log)
    by_rows = evaluate_similar_items(Given(similarities=other.similarity(np.arange(log.n_items))), log, test)
    assert evaluate_similar_items(other, log, test) == by_rows
    assert by_rows != evaluate_similar_items(vectors(log.n_items), log, test)


class OnlyLists:
    """Lists of another library's model: without the item itself in some, and shorter than asked for."""

    def __init__(self, similarities, longest):
        self.similarities, self.longest = similarities, longest

    def similar_items(self, itemids, N):
        rows = self.similarities[itemids].copy()
        rows[np.arange(len(rows))[::2], itemids[::2]] = -np.inf
        ids = np.argsort(-rows, axis=1, kind="stable")[:, : min(N, self.longest)]
        return ids, np.take_along_axis(rows, ids, axis=1)


@pytest.mark.parametrize("longest", [4, 15])
def test_models_that_only_list_can_be_re_ranked(longest):
    log = log_of()
    model = OnlyLists(cosines(vectors(log.n_items).item_factors), longest)
    other = reranked(model, log, depth=3)
    ids, scores = other.similar_items(np.arange(log.n_items), N=20)
    assert ids.shape == (log.n_items, 20)
    assert (ids[1::2, 0] == np.arange(log.n_items)[1::2]).all()
    assert (ids[::2, 0] != np.arange(log.n_items)[::2]).all()
    assert_array_equal(ids[:, longest:], -1)
    assert (scores[:, longest:] == -np.inf).all()
    with pytest.raises(TypeError, match=re.escape("similarity(itemids)")):
        other.similarity(0)
    with pytest.raises(TypeError, match=re.escape("to tell how similar two neighbours are, got OnlyLists")):
        varied(other)


def test_models_that_compare_by_a_method_can_be_rearranged():
    log = log_of()
    model = ItemCooccurrence().fit(log)
    rows = model.similarity(np.arange(log.n_items))
    penalties = penalties_by_hand(log)
    ids = reranked(model, log, beta=0.7).similar_items(np.arange(log.n_items), N=6)[0]
    for item, row in enumerate(rows):
        scores = row - 0.7 * penalties[item]
        scores[item] = np.inf
        assert_allclose(scores[ids[item]], -np.sort(-scores)[:6], atol=1e-6)
    ids = reranked(model, log).similar_items(0, N=4, items=[3, 4])[0]
    assert sorted(ids[:2].tolist()) == [3, 4]
    assert ids[2:].tolist() == [-1, -1]


def test_logs_are_matched_by_labels():
    log = log_of()
    model = fit(log)
    order = np.random.default_rng(3).permutation(len(log.contexts.users))
    contexts = log.contexts
    again = Interactions.from_arrays(
        contexts.users[order],
        np.append(log.item_labels, 777)[contexts.items[order]],
        contexts=[None if c < 0 else contexts.labels[c] for c in contexts.contexts[order]],
        context_kinds=[None if c < 0 else contexts.kinds[c] for c in contexts.contexts[order]],
        context_strengths={"trending": 1.0, "search": 0.25, "session": 0.0},
        shown={contexts.labels[c]: log.item_labels[contexts.shown[[c]].indices] for c in range(len(contexts.labels))},
    )
    assert again.item_labels.tolist() != log.item_labels.tolist()
    for change in (reranked, without_context_directions):
        one, other = change(model, log), change(model, again)
        for a, b in zip(one.similar_items(np.arange(20)), other.similar_items(np.arange(20)), strict=True):
            assert_allclose(a, b, atol=1e-5)


def test_items_that_the_log_does_not_have_were_never_visible():
    log = log_of()
    model = fit(log)
    some = log.contexts.items >= 5
    part = Interactions.from_arrays(
        log.user_labels[log.contexts.users[some]],
        log.item_labels[log.contexts.items[some]],
        contexts=log.contexts.contexts[some] + 1,
    )
    assert part.n_items == log.n_items - 5
    ids, scores = reranked(model, part).similar_items(np.arange(log.n_items), N=log.n_items)
    own = dict(zip(*(part.tolist() for part in model.similar_items(2, N=log.n_items)), strict=True))
    assert_array_equal(scores[2], [own[item] for item in ids[2].tolist()])
    for item in range(5, log.n_items):
        own = dict(zip(*(part.tolist() for part in model.similar_items(item, N=log.n_items)), strict=True))
        unseen = ids[item] < 5
        assert_array_equal(scores[item][unseen], [own[other] for other in ids[item][unseen].tolist()])


@pytest.mark.parametrize("contexts", [[None] * 4, ["a", "a", "b", "c"]])
def test_without_contexts_that_count_nothing_changes(contexts):
    log = Interactions.from_arrays([1, 1, 2, 3], ["tea", "cup", "saw", "tea"], contexts=contexts)
    model = vectors(3)
    own = fit_like(model).similar_items([0, 1, 2], N=3)
    for other in (
        reranked(model, log),
        without_context_directions(model, log),
        without_context_directions(model, log, 2),
    ):
        for one, expected in zip(other.similar_items([0, 1, 2], N=3), own, strict=True):
            assert_array_equal(one, expected)
    assert without_context_directions(model, log).removed_directions is None


def test_a_single_item_has_itself_as_its_list():
    log = Interactions.from_arrays([1, 2], ["tea", "tea"], contexts=[1, 1])
    model = vectors(1)
    for other in (reranked(model, log), varied(model), varied(reranked(without_context_directions(model, log), log))):
        ids, _ = other.similar_items(0, N=3)
        assert ids.tolist() == [0, -1, -1]
        assert other.similarity([0]).shape == (1, 1)
        assert other.similar_items([], N=3)[0].shape == (0, 3)


def test_a_page_with_thousands_of_items_costs_no_more_than_its_pairs():
    n_items, n_users = 4000, 60
    rng = np.random.default_rng(0)
    items = np.concatenate([np.arange(n_items), rng.integers(n_items, size=n_users)])
    users = np.concatenate([np.zeros(n_items, dtype=int), np.arange(n_users)])
    shown = {"everything": np.arange(n_items)}
    log = Interactions.from_arrays(users, items, contexts=["everything"] * len(users), shown=shown)
    other = reranked(vectors(n_items), log, depth=20)
    assert_array_equal(other.similar_items([0, 5])[0], fit_like(vectors(n_items)).similar_items([0, 5])[0])  # lift 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"beta": -1}, ValueError, "beta must be a finite number >= 0, got -1"),
        ({"beta": "much"}, TypeError, "beta must be a finite number >= 0, got 'much'"),
        ({"depth": 0}, ValueError, "depth must be an integer >= 1, got 0"),
        ({"kinds": "shop"}, ValueError, "kinds must be None, or one or several of the kinds of contexts"),
    ],
)
def test_a_bad_argument_is_named(arguments, error, message):
    log = log_of()
    with pytest.raises(error, match=re.escape(message)):
        reranked(vectors(log.n_items), log, **arguments)


@pytest.mark.parametrize("change", [reranked, without_context_directions])
def test_logs_that_do_not_fit_are_refused(change):
    log = log_of()
    with pytest.raises(TypeError, match="log must be Interactions with contexts, got csr_array"):
        change(vectors(log.n_items), log.user_items)
    with pytest.raises(ValueError, match="log must be Interactions with contexts, got some without"):
        change(vectors(2), Interactions.from_arrays([1, 1], [1, 2]))
    with pytest.raises(ValueError, match="model must have the 20 items of the log, or labels to match them by"):
        change(vectors(19), log)
    foreign = Interactions.from_arrays([1, 1, 2], ["x", "y", "x"], contexts=[1, 1, 1])
    with pytest.raises(ValueError, match="log must have items that the model knows, got 2 of which it knows none"):
        change(fit(log), foreign)


@pytest.mark.parametrize("change", [lambda model, log: reranked(model, log), lambda model, log: varied(model)])
def test_models_without_lists_are_refused(change):
    log = log_of()
    with pytest.raises(TypeError, match=re.escape("or a method similar_items(itemids, N) or similarity(itemids), got")):
        change(object(), log)
    with pytest.raises(NotFittedError):
        change(BPR(), log)
    with pytest.raises(ValueError, match=re.escape("model.similarity(ids) must return shape (len(ids), n_items)")):
        change(SimpleNamespace(similarity=lambda ids: np.zeros(3)), log)


def test_bad_questions_are_refused():
    log = log_of()
    other = reranked(vectors(log.n_items), log)
    with pytest.raises(IndexError, match="itemid must be item ids, integers from 0 to 19, got 20"):
        other.similar_items(20)
    with pytest.raises(IndexError, match="itemids must be item ids, integers from 0 to 19, got -1"):
        other.similarity([-1])
    with pytest.raises(ValueError, match="N must be an integer >= 1, got 0"):
        other.similar_items(0, N=0)
    with pytest.raises(IndexError, match="filter_items must be item ids"):
        other.similar_items(0, filter_items=[50])
