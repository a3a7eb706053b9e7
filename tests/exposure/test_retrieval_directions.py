"""Vectors without their mean, and without the directions of contexts."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import fit
from numpy.testing import assert_allclose, assert_array_equal
from retrieval import cosines, fit_like, log_of, other_items, vectors, views_by_hand

from fastbpr import BPR, Interactions
from fastbpr.datasets import simulate_shop
from fastbpr.errors import ModelFileError, NotFittedError
from fastbpr.evaluation import evaluate_similar_items
from fastbpr.exposure import centred, co_exposure, reranked, varied, without_context_directions


def counted_contexts(log, kinds=None):
    """(strength, number of users, members) of every context that counts, by hand."""
    contexts, found = log.contexts, []
    for context in range(len(contexts.labels)):
        wanted = contexts.strengths[context] > 0 if kinds is None else contexts.kinds[context] in kinds
        inside = contexts.contexts == context
        users = set(contexts.users[inside].tolist())
        shown = set() if contexts.shown is None else set(contexts.shown[[context]].indices.tolist())
        if wanted and users and (len(users) > 1 or shown):
            found.append(
                (contexts.strengths[context], len(users), sorted(shown | set(contexts.items[inside].tolist())))
            )
    return found


def spread_by_hand(log, table, power, kinds=None):
    middle = table.mean(axis=0)
    total = np.zeros((table.shape[1], table.shape[1]))
    for strength, n_users, members in counted_contexts(log, kinds):
        mean = (table[members] - middle).mean(axis=0)
        total += strength**power * n_users * np.outer(mean, mean)
    return total


@pytest.mark.parametrize("kinds", [None, ["trending"], ["search", "session"]])
@pytest.mark.parametrize("n_directions", [1, 3])
def test_directions_are_those_of_context_means(kinds, n_directions):
    log = log_of()
    model = vectors(log.n_items)
    weighted = spread_by_hand(log, model.item_factors, 1, kinds)
    squares, axes = np.linalg.eigh(weighted)
    removed = without_context_directions(model, log, n_directions, kinds=kinds).removed_directions
    assert removed.shape == (n_directions, 6)
    plain = spread_by_hand(log, model.item_factors, 0, kinds)
    for place in range(n_directions):
        axis, square = axes[:, -1 - place], squares[-1 - place]
        share = square / (axis @ plain @ axis)
        assert 0 < share <= 1 + 1e-9
        length = np.linalg.norm(removed[place])
        assert length**2 == pytest.approx(share, rel=1e-4)
        assert abs(removed[place] @ axis) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("similarity", ["cosine", "centred", "user-space"])
def test_what_is_left_is_orthogonal_to_directions_of_strength_1(similarity):
    log = log_of(strengths=1.0)
    model = fit(log, factors=8, similarity=similarity)
    corrected = without_context_directions(model, log, 3)
    removed = corrected.removed_directions
    assert_allclose(removed @ removed.T, np.eye(3), atol=1e-6)
    rest = model.item_factors - model.item_factors @ removed.T @ removed
    assert_allclose(rest @ removed.T, 0, atol=1e-5)
    mapped = {
        "cosine": rest,
        "centred": rest - rest.mean(axis=0),
        "user-space": model.user_factors @ rest.T,
    }[similarity]
    expected = cosines(mapped if similarity != "user-space" else mapped.T)
    ids, scores = corrected.similar_items(np.arange(log.n_items), N=log.n_items)
    assert_allclose(scores, np.take_along_axis(expected, ids, axis=1), atol=2e-5)
    if similarity != "user-space":
        table, _ = corrected._compared_vectors("item", similarity)
        assert_allclose(table @ removed.T, 0, atol=1e-5)


def test_weak_contexts_take_out_a_share():
    log = log_of(strengths=0.25)
    model = vectors(log.n_items)
    removed = without_context_directions(model, log, 1).removed_directions
    axis = removed[0] / np.linalg.norm(removed[0])
    assert removed[0] @ removed[0] == pytest.approx(0.25, rel=1e-5)
    table, _ = without_context_directions(model, log, 1)._compared_vectors("item", "cosine")
    assert_allclose(table @ axis, 0.75 * model.item_factors @ axis, rtol=1e-4, atol=1e-5)


def test_neither_the_model_nor_its_recommendations_change():
    log = log_of()
    model = fit(log)
    before = copy.deepcopy(vars(model))
    own = model.similar_items(np.arange(log.n_items))
    for changed in (without_context_directions(model, log, 4), centred(model)):
        assert type(changed) is BPR
        assert_array_equal(changed.item_factors, model.item_factors)
        for one, other in zip(changed.recommend([0, 1, 2]), model.recommend([0, 1, 2]), strict=True):
            assert_array_equal(one, other)
        assert changed.item_labels is model.item_labels
        assert (changed.similar_items(np.arange(log.n_items))[1] != own[1]).any()
    for one, other in zip(model.similar_items(np.arange(log.n_items)), own, strict=True):
        assert_array_equal(one, other)
    assert model.removed_directions is None
    assert model.similarity == before["similarity"]
    assert_array_equal(model.item_factors, before["item_factors"])


def test_corrected_vectors_are_computed_once():
    log = log_of()
    corrected = without_context_directions(fit(log), log, 2)
    assert corrected._compared_vectors("item", "cosine") is corrected._compared_vectors("item", "cosine")


def test_evaluation_compares_as_lists_do():
    log = log_of()
    corrected = without_context_directions(fit(log), log, 3)
    found = evaluate_similar_items(corrected, log, other_items(log), K=3)
    plain = SimpleNamespace(item_factors=corrected._compared_vectors("item", "cosine")[0])
    assert found == evaluate_similar_items(plain, log, other_items(log), K=3)
    assert found != evaluate_similar_items(fit(log), log, other_items(log), K=3)


def test_removed_directions_are_saved_and_folded_in_and_gone_after_a_fit(tmp_path):
    log = log_of()
    corrected = without_context_directions(fit(log), log, 2)
    corrected.save(tmp_path / "model")
    loaded = BPR.load(tmp_path / "model")
    assert_array_equal(loaded.removed_directions, corrected.removed_directions)
    assert_array_equal(loaded.similar_items([0, 1])[1], corrected.similar_items([0, 1])[1])
    folded = corrected.fold_in(log)
    assert_array_equal(folded.similar_items([0, 1])[1], corrected.similar_items([0, 1])[1])
    assert loaded.fit(log, show_progress=False).removed_directions is None


def test_a_file_whose_directions_do_not_fit_is_refused(tmp_path):
    log = log_of()
    corrected = without_context_directions(fit(log), log, 2)
    for damaged in (np.ones((2, 3), dtype=np.float32), np.full((2, 16), np.nan, dtype=np.float32), np.ones((2, 16))):
        corrected.removed_directions = damaged
        with pytest.raises(ModelFileError, match=r"parts of .* do not fit each other"):
            corrected.save(tmp_path / "model")


def test_directions_that_were_assigned_are_used():
    log = log_of()
    model = fit(log)
    own = model.similar_items(0)[1]
    model.removed_directions = np.eye(16)[:3]
    table = model.item_factors.copy()
    table[:, :3] = 0
    ids, scores = model.similar_items(0)
    assert_allclose(scores, cosines(table)[0, ids], atol=1e-5)
    model.removed_directions = None
    assert_array_equal(model.similar_items(0)[1], own)
    model.removed_directions = np.eye(5)
    with pytest.raises(ValueError, match=re.escape("removed_directions must have the length of item vectors")):
        model.similar_items(0)
    with pytest.raises(ValueError, match=re.escape("removed_directions must have the length of item vectors")):
        evaluate_similar_items(model, log, other_items(log))


def test_an_item_that_lies_in_the_directions_is_like_nothing():
    log = Interactions.from_arrays([1, 2, 1, 2, 1], ["a", "a", "b", "b", "c"], contexts=["p", "p", "q", "q", None])
    model = SimpleNamespace(item_factors=np.array([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    middle = model.item_factors.mean(axis=0)
    corrected = without_context_directions(model, log, 2)
    assert counted_contexts(log)
    assert views_by_hand(log)
    assert_array_equal(corrected.similar_items(0, N=3)[1], [0, 0, 0])
    assert np.linalg.matrix_rank(model.item_factors[:2] - middle) == 2


def test_the_rule_removes_pages_and_leaves_shuffled_contexts_alone():
    shop = simulate_shop(n_users=1000, n_items=300, n_clusters=10, trending_share=0.5, n_pages=6, page_size=12)
    log = shop.interactions()
    model = fit(log, factors=32)
    corrected = without_context_directions(model, log)
    assert len(corrected.removed_directions) == 6
    assert co_exposure(model, log).excess > 0.5
    assert co_exposure(corrected, log).excess < 0.05 * co_exposure(model, log).excess
    pages, on_page = shop.contexts.copy(), shop.context_kinds == "trending"
    pages[on_page] = np.random.default_rng(0).permutation(pages[on_page])
    placebo = Interactions.from_arrays(
        shop.users,
        shop.items,
        contexts=pages,
        context_kinds=shop.context_kinds,
        context_strengths={"session": 0.0},
    )
    left = without_context_directions(model, placebo)
    assert left.removed_directions is None or len(left.removed_directions) == 1  # what all that is trending shares
    assert co_exposure(left, log).excess > 0.9 * co_exposure(model, log).excess


def test_the_rule_removes_half_of_the_factors_at_most():
    rng = np.random.default_rng(0)
    page = rng.integers(8, size=200)
    model = SimpleNamespace(item_factors=10 * np.eye(8)[page] + 0.01 * rng.normal(size=(200, 8)))
    users = np.tile(np.arange(5), 200)
    log = Interactions.from_arrays(users, np.repeat(np.arange(200), 5), contexts=np.repeat(page, 5))
    assert without_context_directions(model, log).removed_directions.shape == (4, 8)
    assert without_context_directions(model, log, 7).removed_directions.shape == (7, 8)
    assert without_context_directions(model, log, 0).removed_directions is None


def test_centred_is_the_similarity_of_that_name():
    log = log_of()
    model = fit(log)
    for one, other in zip(
        centred(model).similar_items(np.arange(9)),
        model.similar_items(np.arange(9), similarity="centred"),
        strict=True,
    ):
        assert_array_equal(one, other)
    plain = vectors(5)
    table = plain.item_factors - plain.item_factors.mean(axis=0)
    ids, scores = centred(plain).similar_items(np.arange(5), N=5)
    assert_allclose(scores, np.take_along_axis(cosines(table), ids, axis=1), atol=1e-6)


def test_plain_objects_become_models_with_copies_of_their_vectors():
    plain = vectors(12)
    plain.item_labels = np.arange(12) * 10
    model = centred(plain)
    assert_allclose(model.score(0), plain.item_factors @ plain.user_factors[0] + plain.item_biases, rtol=1e-5)
    assert model.item_rows([30, 40]).tolist() == [3, 4]
    assert set(model.recommend(0, N=12, filter_already_liked_items=False)[0].tolist()) == set(range(12))
    with pytest.raises(ValueError, match="user_items must be given, got None: this model was made of vectors only"):
        model.recommend(0)
    with pytest.raises(ValueError, match="user_items must be given, got None: this model was made of vectors only"):
        model.explain(0, 1)
    own = model.similar_items(0)[1]
    plain.item_factors[:] = 1
    assert_array_equal(model.similar_items(0)[1], own)
    assert centred(SimpleNamespace(item_factors=np.eye(2))).similar_items(0, N=2)[1] == pytest.approx([1, -1])


def test_the_similarity_of_a_plain_object_is_kept():
    log = log_of()
    plain = vectors(log.n_items)
    plain.similarity = "user-space"
    corrected = without_context_directions(plain, log, 1)
    assert corrected.similarity == "user-space"
    fitted = fit_like(plain)
    fitted.removed_directions = corrected.removed_directions
    assert_array_equal(corrected.similar_items(0)[1], fitted.similar_items(0, similarity="user-space")[1])
    plain.similarity = "euclid"
    with pytest.raises(ValueError, match=r"model.similarity must be one of .*, got 'euclid'"):
        centred(plain)


@pytest.mark.parametrize("n_directions", [-1, 6, 2.5])
def test_a_bad_number_of_directions_is_refused(n_directions):
    log = log_of()
    with pytest.raises((TypeError, ValueError), match="n_directions must be an integer from 0 to 5, got"):
        without_context_directions(vectors(log.n_items), log, n_directions)


@pytest.mark.parametrize("change", [centred, lambda model: without_context_directions(model, log_of())])
def test_models_without_vectors_are_refused(change):
    log = log_of()
    with pytest.raises(TypeError, match="model must have item_factors, got object"):
        change(object())
    with pytest.raises(NotFittedError):
        change(BPR())
    with pytest.raises(ValueError, match=r"model.item_factors must hold finite numbers"):
        change(SimpleNamespace(item_factors=np.full((20, 2), np.inf)))
    for model in (reranked(vectors(log.n_items), log), varied(vectors(log.n_items))):
        with pytest.raises(TypeError, match="model must be a model before its lists are re-ranked or varied, got"):
            change(model)
