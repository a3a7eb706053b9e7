"""What training does with contexts: negatives of the same page, weights, caps, tetrads, offsets, propensities."""

import logging
import re

import numpy as np
import pytest
import reference
import scipy.sparse
from helpers import fit, negatives_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from fastbpr import BPR, Interactions, _schedules, _tables
from fastbpr._context_arrays import debiased
from fastbpr._debias import DEBIAS_PRESETS, Debias, debias_of
from fastbpr._kernels import partition
from fastbpr.datasets import simulate_shop
from fastbpr.splitting import leave_one_out

NOTHING = {"negative_rate": 0}
EVERYTHING = Debias(0.4, 1e-3, 0.5, cap=2, tetrad_share=0.3, offset=0.5, propensity_power=0.3)
SMALL_STEP = 1e-6  # learning rate with which scores stay as they were, so that every pull is that of the start


def page_log(n_users=60, n_items=40, n_pages=6, per_page=5, seed=0, **options):
    """Users choose three items on each of two pages, and four items elsewhere."""
    rng = np.random.default_rng(seed)
    pages = [rng.choice(n_items, per_page, replace=False) for _ in range(n_pages)]
    users, items, contexts = [], [], []
    for user in range(n_users):
        for page in rng.choice(n_pages, 2, replace=False):
            users += [user] * 3
            items += rng.choice(pages[page], 3, replace=False).tolist()
            contexts += [f"page {page}"] * 3
        users += [user] * 4
        items += rng.choice(n_items, 4, replace=False).tolist()
        contexts += [None] * 4
    return Interactions.from_arrays(users, items, contexts=contexts, **options)


def arrays_of(log, **methods):
    matrix = log.user_items
    positives = _schedules.Positives.of(matrix, None)
    return debiased(log, positives, matrix, Debias(**(NOTHING | methods)))


def times_negative(log, debias, schedule, n_epochs=40, **parameters):
    """How often each item was a negative, less how often a positive: its bias falls or rises by half the rate.

    Scores stay at zero, so every pull is 1/2.
    """
    model = BPR(
        factors=1, learning_rate=SMALL_STEP, regularization=0, iterations=n_epochs, init_scale=1e-9, random_state=0,
        learning_rate_decay="constant", schedule=schedule, debias=debias, num_threads=2, **parameters,
    )  # fmt: skip
    biases = model.fit(log, show_progress=False).item_biases / (SMALL_STEP / 2)
    return -biases


# ---- what the kernels are told ----------------------------------------------------------------------------------


def test_an_interaction_has_each_of_its_contexts_once_and_those_without_strength_are_none():
    log = Interactions.from_arrays(
        list("uuuuuvvw"), list("aaaabbbb"), contexts=["p", "p", "q", None, "s", None, "p", "q"],
        context_kinds=["page", "page", "page", None, "session", None, "page", None], context_strengths={"session": 0},
    )  # fmt: skip
    _, contexts = arrays_of(log, negative_rate=0.5)
    p, q, _ = range(3)
    assert_array_equal(contexts.occurrence_starts, [0, 3, 4, 6, 7])
    assert sorted(contexts.occurrence_contexts[:3]) == [-1, p, q]  # u, a
    assert contexts.occurrence_contexts[3] == -1  # u, b
    assert sorted(contexts.occurrence_contexts[4:6]) == [-1, p]  # v, b
    assert contexts.occurrence_contexts[6] == q  # w, b


def test_what_others_chose_or_what_was_shown_competes():
    chosen = Interactions.from_arrays(list("uuvw"), list("abcd"), contexts=["p", "p", "p", "q"])
    _, contexts = arrays_of(chosen, negative_rate=0.5)
    assert_array_equal(contexts.visible_items, [0, 1, 2])  # w is alone in q
    assert_allclose(contexts.wanted, [0.5])
    shown = Interactions.from_arrays(
        list("uuvw"), list("abcd"), contexts=["p", "p", "p", "q"], shown={"q": ["a", "d"]}
    )  # fmt: skip
    _, contexts = arrays_of(shown, negative_rate=0.5)
    assert_array_equal(contexts.visible_items, [0, 1, 2, 0, 3])
    assert_allclose(contexts.wanted, [0.5, 0.5])


@pytest.mark.parametrize("debias", [*DEBIAS_PRESETS, Debias(0.5, tetrad_share=0.5, offset=0.5)])
def test_baskets_of_single_users_leave_every_bit_as_it_was(debias):
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(50), 6), rng.integers(0, 30, 300)
    log = Interactions.from_arrays(users, items, contexts=np.arange(300) // 3)
    assert fit(log, debias=debias).debiasing.n_contexts == 0
    assert_array_equal(fit(log, debias=debias).item_factors, fit(log).item_factors)


def test_contexts_with_a_large_share_weigh_less_as_in_word2vec():
    for strength in (1.0, 0.3):
        log = Interactions.from_arrays(
            np.arange(100), ["a", "b"] * 50, contexts=["p"] * 60 + ["q"] * 20 + [None] * 20, context_strengths=strength
        )  # fmt: skip
        _, contexts = arrays_of(log, context_threshold=0.01)
        expected = np.array([(0.01 / 0.6) ** 0.5 + 0.01 / 0.6, (0.01 / 0.2) ** 0.5 + 0.01 / 0.2]) ** strength
        assert_allclose(contexts.weights, [1, *expected], rtol=1e-6)  # first that of no context


def test_where_all_happened_in_contexts_the_usual_weight_is_one():
    log = Interactions.from_arrays(np.arange(100), ["a", "b"] * 50, contexts=["p"] * 80 + ["q"] * 20)
    _, contexts = arrays_of(log, context_threshold=0.01)
    rare, common = 0.05**0.5 + 0.05, 0.0125**0.5 + 0.0125
    assert_allclose(contexts.weights[1:], [common / rare, 1], rtol=1e-6)


def test_bundling_is_what_a_user_does_in_a_context_beyond_chance():
    # Each of 20 users chooses three items on one of two pages: two others more than by oneself, by chance 2 / 2.
    users = np.repeat(np.arange(20), 3)
    log = Interactions.from_arrays(
        [*users, *range(20)], [*(np.arange(60) % 6), *([7] * 20)], contexts=[*(users % 2), *([None] * 20)],
    )  # fmt: skip
    _, contexts = arrays_of(log, bundling_power=1.5)
    assert_allclose(contexts.weights, [1, 2**-1.5, 2**-1.5], rtol=1e-6)


def test_contexts_at_random_keep_their_weight_when_bundles_count_less():
    log = page_log(n_users=800, n_items=200, n_pages=10, per_page=15)
    shuffled = np.random.default_rng(0).permutation(log.contexts.contexts)
    _, bundled = arrays_of(log, bundling_power=2.0)
    log.contexts = log.contexts._replace(contexts=shuffled)
    _, random = arrays_of(log, bundling_power=2.0)
    assert bundled.weights[1:].max() < 0.5
    assert random.weights[1:].min() > 0.8


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_what_was_asked_for_is_what_is_done(schedule):
    shop = simulate_shop(n_users=2000, n_items=600, n_clusters=10, trending_share=0.5, random_state=0)
    done = fit(shop.interactions(), iterations=2, schedule=schedule, debias=Debias(0.5)).debiasing
    assert done.negatives == pytest.approx(0.5, abs=0.07)
    done = fit(shop.interactions(), iterations=2, schedule=schedule, debias=Debias(0, tetrad_share=0.4)).debiasing
    assert 0.2 < done.tetrads < 0.42  # some find no partner who has not the same items
    done = fit(shop.interactions(), iterations=2, schedule=schedule, debias=Debias(0.3), n_negatives=2).debiasing
    assert done.negatives == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_tetrads_weigh_what_their_interactions_do(schedule):
    users = np.arange(400)
    log = Interactions.from_arrays(
        [*users, *users], [*(users % 2), *([2] * 400)], contexts=[*["p"] * 400, *[None] * 400],
        weights=[*[1e-8] * 400, *[1.0] * 400],
    )  # fmt: skip
    plain, tetrads = (
        fit(log, schedule=schedule, debias=Debias(0, tetrad_share=share, cap=100)).item_factors for share in (0, 0.9)
    )
    assert np.linalg.norm(tetrads[:2]) < 2 * np.linalg.norm(plain[:2]) + 0.1


@pytest.mark.parametrize("trending_share", [0.86, 0.94, 0.97])
def test_where_nearly_all_is_on_pages_the_rest_still_counts_more(trending_share):
    shop = simulate_shop(
        n_users=300, n_items=100, n_clusters=5, clicks_per_user=10, trending_share=trending_share, random_state=0
    )  # fmt: skip
    _, contexts = arrays_of(shop.interactions(), bundling_power=1.0)
    assert contexts.weights[1:].mean() < 0.8 * contexts.weights[0]
    assert contexts.weights[0] > 0.9


def test_a_cap_counts_the_choices_of_one_user_in_one_context_together():
    log = Interactions.from_arrays(list("uuuuvv"), list("abcdab"), contexts=["p", "p", "p", None, "p", None])
    positives, _ = arrays_of(log, cap=2)
    assert_allclose(positives.weights, [2 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    positives, contexts = arrays_of(log, cap=2, negative_rate=0.1)  # then the kernels draw the context
    assert contexts.exist
    assert_allclose(positives.weights, [2 / 3, 2 / 3, 2 / 3, 1, 1, 1])


def test_an_interaction_in_several_contexts_has_the_mean_of_their_weights():
    log = Interactions.from_arrays(list("uuuvw"), list("aabab"), contexts=["p", None, "p", "p", None])
    positives, _ = arrays_of(log, cap=1)
    assert_allclose(positives.weights, [0.75, 0.5, 1, 1])


def test_propensities_weigh_rare_items_more_and_are_clipped():
    matrix = scipy.sparse.csr_array(np.repeat([[1, 1, 0], [1, 0, 0], [1, 0, 1]], [16, 47, 1], axis=0))
    positives = _schedules.Positives.of(matrix, None)
    weighed, _ = debiased(None, positives, matrix, Debias(**NOTHING, propensity_power=0.5, propensity_clip=3))
    expected = np.array([1, 2, 3])[matrix.indices]  # counts 64, 16, 1; the root of 1/64 would give 8
    assert_allclose(weighed.weights, expected / expected.mean(), rtol=1e-6)
    known, _ = debiased(None, positives, matrix, Debias(**NOTHING, propensities=[0.5, 0.4, 1.0]))
    expected = np.array([2, 2.5, 1])[matrix.indices]
    assert_allclose(known.weights, expected / expected.mean(), rtol=1e-6)


def test_offsets_are_the_logarithms_of_smoothed_shares():
    log = Interactions.from_arrays(
        list("uvwxyu"), list("aabccd"), contexts=["p", "p", "p", "q", "q", None], context_strengths=0.5
    )  # fmt: skip
    _, contexts = arrays_of(log, offset=0.8)
    assert_allclose(contexts.visible_offsets, 0.4 * np.log(np.array([3 / 7, 2 / 7, 3 / 6])), rtol=1e-6)
    assert_allclose(contexts.other_offsets, 0.4 * np.log(np.array([1 / 7, 1 / 6])), rtol=1e-6)
    log = Interactions.from_arrays(list("uv"), list("ab"), contexts=["p", "p"], shown={"p": ["a", "b"]})
    _, contexts = arrays_of(log, offset=1.0)
    assert_allclose(contexts.visible_offsets, np.log([0.5, 0.5]))


@pytest.mark.parametrize("n_blocks", [1, 2, 5])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_what_contexts_show_is_sorted_by_block(n_blocks, num_threads):
    rng = np.random.default_rng(n_blocks)
    blocks, places = rng.integers(0, n_blocks, 30).astype(np.uint16), rng.integers(0, 99, 30).astype(np.int32)
    lists = [np.sort(rng.choice(30, size, replace=False)).astype(np.int32) for size in (4, 0, 1, 20, 30)]
    starts = np.append(0, np.cumsum([len(items) for items in lists])).astype(np.int64)
    group_starts = np.full(5 * n_blocks + 1, -7, dtype=np.int64)
    group_places = np.full(starts[-1], -7, dtype=np.int32)
    partition.group_contexts(
        starts, np.concatenate(lists), blocks, places, n_blocks, group_starts, group_places, num_threads
    )
    for context, items in enumerate(lists):
        for block in range(n_blocks):
            first, last = group_starts[context * n_blocks + block :][:2]
            assert_array_equal(group_places[first:last], places[items[blocks[items] == block]])


# ---- steps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [1, 7, 16, 33, 64])
def test_a_tetrad_follows_the_formula(training, factors):
    strengths = reference.Strengths(0.1, 0.02, 0.03, 0.05, 0.07)
    expected = reference.random_model(4, 6, factors, seed=0)
    tables = _tables.pack(*(table.astype(np.float32) for table in expected))
    tetrads = np.array([[0, 1, 3, 2], [3, 5, 1, 4], [0, 2, 1, 1]], dtype=np.int32)
    weights = np.array([1.0, 0.3, 2.0], dtype=np.float32)
    loss, n_correct = reference.apply_tetrads(expected, tetrads, weights, strengths)
    sums = training.apply_tetrads(tables, negatives_of(6, tables), strengths, tetrads, weights)
    assert sums == (pytest.approx(loss, rel=1e-5), n_correct, 3)
    for name, actual, table in zip(expected._fields, tables.unpack(), expected, strict=True):
        assert_allclose(actual, table, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_tetrad_goes_down_the_gradient_of_its_objective():
    strengths = reference.Strengths(1e-6, 0.02, 0.03, 0.05, 0.07)
    before, tetrad, step = reference.random_model(3, 4, 5, seed=1), (0, 1, 2, 3), 1e-6
    moved = reference.Model(*(table.copy() for table in before))
    reference.apply_tetrads(moved, [tetrad], [0.7], strengths)
    for name in ("user_factors", "item_factors"):
        table = getattr(before, name)
        for place in np.ndindex(table.shape):
            nudged = [reference.Model(*(part.copy() for part in before)) for _ in range(2)]
            for model, sign in zip(nudged, (1, -1), strict=True):
                getattr(model, name)[place] += sign * step
            up, down = (reference.tetrad_objective(model, tetrad, strengths, 0.7) for model in nudged)
            change = getattr(moved, name)[place] - table[place]
            assert change == pytest.approx(-strengths.learning_rate * (up - down) / (2 * step), abs=1e-14)


@pytest.mark.parametrize("recipe", [{}, {"loss": "softmax", "n_negatives": 2}, {"n_negatives": 3}])
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_negatives_come_from_the_context_at_its_rate(schedule, recipe):
    n_items = 400  # 0 to 9 are on the page; each user has one of them and an item of their own beyond 300
    users = np.repeat(np.arange(90), 2)
    items = np.column_stack([np.arange(90) % 9, 300 + np.arange(90) % 90]).ravel()
    log = Interactions.from_arrays(
        np.append(users, [90] * n_items), np.append(items, np.arange(n_items)),
        contexts=[*(["p", None] * 90), *([None] * n_items)], shown={"p": list(range(10))},
    )  # fmt: skip
    n_epochs, rate = 60, 0.4
    counts = times_negative(log, Debias(rate), schedule, n_epochs, **recipe)[log.item_rows(list(range(n_items)))]
    usual = counts[100:300].mean()  # are never positives but of the last user, who has everything and no negatives
    n_steps = 90 * n_epochs  # of positives on the page
    # Item 9 was shown there and is nobody's positive but the last user's.
    pull = 4 / 3 if "loss" in recipe else 1  # two negatives of a softmax have a third each, over one half
    assert counts[9] - usual == pytest.approx(pull * rate * n_steps / 9, rel=0.2)


def test_a_step_with_negatives_of_the_context_keeps_its_weight():
    # On a page of five items, 40 users choose the first and 10 the second; 50 others choose elsewhere.
    chosen = np.concatenate([np.zeros(40), np.ones(10), 5 + np.arange(50) % 5])
    contexts = ["p"] * 50 + [None] * 50
    log = Interactions.from_arrays(
        np.arange(101).tolist() + [100] * 9, [*chosen, *range(10)],
        contexts=[*contexts, *[None] * 10], shown={"p": [0.0, 1.0, 2.0, 3.0, 4.0]},
    )  # fmt: skip
    n_epochs, threshold, rate = 300, 1e-4, 0.3
    first = log.item_rows(0)
    without, with_some = (
        times_negative(log, Debias(own, threshold), "blocked", n_epochs)[first] for own in (0, rate)
    )  # fmt: skip
    weight = (threshold / (50 / 110)) ** 0.5 + threshold / (50 / 110)
    raised, lowered = rate * 40 * (1 - weight), rate * 10 / 4
    assert with_some - without == pytest.approx(n_epochs * (lowered - raised), rel=0.1)


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
@pytest.mark.parametrize("recipe", [{}, {"n_negatives": 2}])
def test_offsets_enter_the_loss(schedule, recipe):
    log = Interactions.from_arrays([0] * 8 + [1], [0] * 8 + [1], contexts=["p"] * 9)
    for offset in (0.0, 1.0):
        model = fit(
            log, learning_rate=1e-9, init_scale=1e-9, regularization=0, iterations=30, schedule=schedule,
            debias=Debias(0, offset=offset, cap=100), **recipe,
        )  # fmt: skip
        # Every pair counts once: one choice of each item in the context, so the offsets are equal ...
        assert model.history[-1].loss == pytest.approx(np.log(2), abs=1e-6)
    log = Interactions.from_arrays([0, 1, 2, 3], [0, 0, 0, 1], contexts=["p"] * 4)
    model = fit(
        log, learning_rate=1e-9, init_scale=1e-9, regularization=0, iterations=30, schedule=schedule,
        debias=Debias(0, offset=0.5), **recipe,
    )  # fmt: skip
    shift = 0.5 * np.log(4 / 2)  # ... and here (3 + 1) / 6 and (1 + 1) / 6
    expected = 0.75 * np.log1p(np.exp(-shift)) + 0.25 * np.log1p(np.exp(shift))
    assert np.mean([epoch.loss for epoch in model.history]) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_tetrads_are_their_share_of_the_steps(schedule):
    # Users of even and odd numbers choose different items of one page: every pair of them is a tetrad.
    users = np.arange(400)
    log = Interactions.from_arrays(users, users % 2, contexts=["p"] * 400)
    model = fit(
        log, learning_rate=SMALL_STEP, init_scale=1e-9, regularization=0, iterations=20, schedule=schedule,
        learning_rate_decay="constant", debias=Debias(0, tetrad_share=0.4),
    )  # fmt: skip
    # Only triplets move biases: each adds half a step to its positive and takes it from the other item.
    users_of_each = np.abs(model.item_biases).sum()
    assert users_of_each < SMALL_STEP * 20 * 400 * 0.25
    assert sum(epoch.n_updates for epoch in model.history) == 20 * 400


# ---- fits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [{}, {"loss": "softmax", "n_negatives": 3}, {"loss": "warp"}])
def test_the_same_bits_on_any_number_of_threads(recipe):
    log = page_log(n_users=500, n_items=600, n_pages=20, per_page=12)
    models = [fit(log, iterations=3, num_threads=n, debias=EVERYTHING, **recipe) for n in (1, 2, 5)]
    for model in models[1:]:
        assert_array_equal(model.item_factors, models[0].item_factors)
        assert_array_equal(model.user_factors, models[0].user_factors)
        assert model.history == [epoch._replace(seconds=own.seconds) for epoch, own in zip(
            models[0].history, model.history, strict=True)]  # fmt: skip


@pytest.mark.parametrize("recipe", [
    {}, {"n_negatives": 2, "n_candidates": 3, "negatives": "dynamic"}, {"optimizer": "adagrad"},
    {"negatives": "popularity", "loss": "softmax", "n_negatives": 4}, {"negatives": "adaptive"}, {"loss": "warp"},
    {"verify_negative_samples": False}, {"item_bias": False},
])  # fmt: skip
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_all_methods_go_with_all_recipes(schedule, recipe):
    log = page_log()
    model = fit(log, schedule=schedule, debias=EVERYTHING, iterations=20, learning_rate=0.05, **recipe)
    assert np.isfinite(model.item_factors).all()
    losses = [epoch.loss for epoch in model.history]
    if recipe.get("verify_negative_samples", True):  # else some negatives are positives, more of them in contexts
        assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize(("log", "methods", "told"), [
    (page_log(context_strengths=0), {}, "about contexts: all contexts have a strength of 0."),
    (Interactions.from_arrays([1, 1, 2], [1, 2, 3], contexts=[None] * 3), {}, "no interaction is in a context."),
    (Interactions.from_arrays([1, 1, 2], [1, 2, 3], contexts=["a", "a", "b"]), {"cap": 1},
     "no context with a strength above 0 has several users, or items that are known to have been shown."),
    (page_log(), NOTHING, "debias changes nothing: all its methods are off."),
])  # fmt: skip
def test_a_fit_warns_once_where_debias_has_nothing_to_do(log, methods, told, caplog):
    with caplog.at_level(logging.WARNING, "fastbpr"):
        fit(log, debias=Debias(**methods))
    (message,) = caplog.messages
    assert message.endswith(told)


@pytest.mark.parametrize("debias", [None, "context", Debias(**NOTHING, propensity_power=0.5)])
def test_a_fit_does_not_warn_where_debias_acts_or_is_not_asked_for(debias, caplog):
    with caplog.at_level(logging.WARNING, "fastbpr"):
        fit(page_log(), debias=debias)
    assert not caplog.messages


@pytest.mark.parametrize("as_mapping", [False, True])
def test_loading_warns_of_propensities_which_files_do_not_keep(as_mapping, tmp_path, caplog):
    methods = {**NOTHING, "propensities": np.array([0.5, 0.4, 1.0])}
    debias = methods if as_mapping else Debias(**methods)
    model = fit(scipy.sparse.csr_array(np.eye(3)), debias=debias)
    path = tmp_path / "model.npz"
    model.save(path)
    with caplog.at_level(logging.WARNING, "fastbpr"):
        loaded = BPR.load(path)
    (message,) = caplog.messages
    assert str(path) in message
    assert "known propensities; files do not keep them: give them again to refit." in message
    assert debias_of(loaded.debias).propensities is None


@pytest.mark.parametrize("debias", [None, "context", Debias(propensity_power=0.5)])
def test_loading_does_not_warn_of_propensities_that_were_not_given(debias, tmp_path, caplog):
    fit(page_log(), debias=debias).save(tmp_path / "model.npz")
    with caplog.at_level(logging.WARNING, "fastbpr"):
        BPR.load(tmp_path / "model.npz")
    assert not caplog.messages


def test_contexts_of_no_strength_leave_every_bit_as_it_was():
    plain = fit(page_log())
    for name in DEBIAS_PRESETS:
        assert_array_equal(fit(page_log(context_strengths=0), debias=name).item_factors, plain.item_factors)


def test_parts_of_a_log_keep_their_contexts():
    train, _ = leave_one_out(page_log(), random_state=0)
    assert fit(train, debias="context").debiasing.n_contexts == 6


@pytest.mark.parametrize("debias", [EVERYTHING, "context", {"cap": 3}])
def test_files_keep_the_methods(tmp_path, debias):
    model = fit(page_log(), debias=debias, iterations=2)
    model.save(tmp_path / "model")
    loaded = BPR.load(tmp_path / "model")
    assert debias_of(loaded.debias) == debias_of(debias)
    assert loaded.debiasing == model.debiasing
    assert loaded.settings["debias"] == model.settings["debias"] == debias_of(debias).as_dict()


def test_few_choices_in_common_lower_the_number_of_blocks_for_tetrads():
    log = page_log(n_users=2000, n_items=2000, n_pages=400, per_page=20)
    usual = fit(log, iterations=1, debias=Debias(0.3)).debiasing
    tetrads = fit(log, iterations=1, debias=Debias(0.3, tetrad_share=0.4)).debiasing
    assert tetrads.n_blocks < usual.n_blocks


@pytest.mark.parametrize(("log", "n_contexts"), [
    (Interactions.from_arrays(list("uuv"), list("abb"), contexts=[None, None, "p"]), 1),
    (Interactions.from_arrays(list("uu"), list("ab"), contexts=["p", "p"]).user_items, 0),
])  # fmt: skip
def test_logs_that_leave_nothing_to_compare(log, n_contexts):
    if n_contexts:
        assert fit(log, debias="context").debiasing.n_contexts == 0
    else:
        with pytest.raises(ValueError, match=re.escape("user_items must leave some item unobserved")):
            fit(log, debias="context")


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("methods", "message"), [
    ({"negative_rate": 1}, "negative_rate must be a finite number >= 0 and <= 0.95, got 1."),
    ({"tetrad_share": -0.1}, "tetrad_share must be a finite number >= 0 and <= 0.95, got -0.1."),
    ({"bundling_power": 5}, "bundling_power must be a finite number >= 0 and <= 4, got 5."),
    ({"cap": 0}, "cap must be an integer >= 1, got 0."),
    ({"cap": 1.5}, "cap must be an integer >= 1, got 1.5."),
    ({"context_threshold": 0}, "context_threshold must be a finite number > 0, got 0."),
    ({"offset": 2}, "offset must be a finite number >= 0 and <= 1, got 2."),
    ({"propensity_power": float("nan")}, "propensity_power must be a finite number >= 0 and <= 1, got nan."),
    ({"propensity_clip": 0.5}, "propensity_clip must be a finite number >= 1, got 0.5."),
])  # fmt: skip
def test_a_bad_method_is_named(methods, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Debias(**methods)


@pytest.mark.parametrize(("debias", "kind", "message"), [
    ("page", ValueError, "debias must be None, 'context', 'context-strong' or a fastbpr.exposure.Debias, got 'page'."),
    (0.5, TypeError, "debias must be None, 'context', 'context-strong' or a fastbpr.exposure.Debias, got 0.5."),
    ({"caps": 1}, ValueError, "got 'caps'."),
])  # fmt: skip
def test_a_bad_debias_is_named(debias, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        BPR(debias=debias)


@pytest.mark.parametrize(
    ("log", "kind", "given"),
    [
        (Interactions.from_arrays(list("uv"), list("ab")), ValueError, "some without"),
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "csr_array"),
    ],
)
def test_contexts_that_are_missing_are_asked_for(log, kind, given):
    with pytest.raises(kind, match=re.escape(f"user_items must be Interactions with contexts, got {given}.")):
        fit(log, debias="context")


@pytest.mark.parametrize(("propensities", "message"), [
    ([0.5, 0.5], "got shape (2,)"), ([0.5, 0, 1], "got 0.0 for item 1"), ([0.5, 0.1, 1.5], "got 1.5 for item 2"),
    (["a", "b", "c"], "values"), ([0.5, np.nan, 1], "got nan for item 1"),
])  # fmt: skip
def test_bad_propensities_are_named(propensities, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        fit(scipy.sparse.csr_array(np.eye(3)), debias=Debias(**NOTHING, propensities=propensities))


def test_items_of_a_context_are_drawn_evenly():
    n_items, n_epochs = 300, 400
    log = Interactions.from_arrays(
        np.append(np.arange(40), [40] * n_items), np.append(np.zeros(40, int), np.arange(n_items)),
        contexts=["p"] * 40 + [None] * n_items, shown={"p": list(range(12))},
    )  # fmt: skip
    counts = times_negative(log, Debias(0.8), "blocked", n_epochs)[log.item_rows(list(range(1, 12)))]
    assert stats.chisquare(np.round(counts)).pvalue > 1e-4
