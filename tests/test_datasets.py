"""The simulated shop: its truth is in its log, its seed fixes it, and it refuses what makes no shop."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbpr import BPR
from fastbpr.datasets import MAX_CLUSTERS, simulate_shop

ORGANIC = ("users", "items", "contexts", "timestamps", "context_kinds")
TRUTH = ("item_labels", "item_names", "item_clusters", "user_tastes")
SMALL = {"n_users": 300, "n_items": 120, "n_clusters": 6, "clicks_per_user": 20}


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(n_users=1000, n_items=200, n_clusters=10, clicks_per_user=30, off_taste_share=0.3)


def clicked_clusters(shop):
    return shop.clusters_of(shop.items)


def test_a_seed_gives_one_shop_and_another_seed_another():
    first, again, other = (simulate_shop(n_users=50, n_items=20, n_clusters=4, random_state=s) for s in (3, 3, 4))
    for left, right in zip(first, again, strict=True):
        assert_array_equal(left, right)
    assert first.items[:20].tolist() != other.items[:20].tolist()


def test_every_column_has_one_entry_per_click_and_the_log_is_ordered_by_time(shop):
    assert {len(column) for column in shop[:4]} == {len(shop.users)}
    assert (np.diff(shop.timestamps) >= np.timedelta64(0, "s")).all()


def test_every_user_clicks_and_the_mean_is_as_asked(shop):
    clicks = np.bincount(shop.users)[1:]
    assert len(clicks) == 1000
    assert clicks.min() >= 1
    assert clicks.mean() == pytest.approx(30, rel=0.1)
    assert np.quantile(clicks, 0.99) > 2 * clicks.mean()


def test_families_have_the_same_size_give_or_take_one():
    sizes = np.bincount(simulate_shop(n_users=10, n_items=23, n_clusters=5).item_clusters)
    assert sorted(sizes) == [4, 4, 5, 5, 5]


def test_clicks_follow_tastes_but_for_the_share_that_does_not(shop):
    liked = shop.user_tastes > 0
    on_taste = liked[shop.users - 1, clicked_clusters(shop)].mean()
    by_chance = liked.mean()
    assert on_taste == pytest.approx(0.7 + 0.3 * by_chance, abs=0.03)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_off_taste_share_goes_from_all_taste_to_none(share):
    shop = simulate_shop(n_users=500, n_items=100, n_clusters=10, off_taste_share=share)
    clusters = clicked_clusters(shop)
    liked = shop.user_tastes > 0
    by_chance = (np.bincount(clusters, minlength=10) / len(clusters)) @ liked.T
    expected = 1.0 if share == 0 else by_chance[shop.users - 1].mean()
    assert liked[shop.users - 1, clusters].mean() == pytest.approx(expected, abs=0.01)


def test_users_have_one_to_three_tastes_that_add_up_to_one(shop):
    assert set(np.count_nonzero(shop.user_tastes, axis=1)) == {1, 2, 3}
    assert shop.user_tastes.sum(axis=1) == pytest.approx(np.ones(1000))


def test_a_session_belongs_to_one_user_and_is_about_one_family():
    shop = simulate_shop(n_users=200, n_items=100, n_clusters=10, off_taste_share=0)
    for column in (shop.users, clicked_clusters(shop)):
        assert len(np.unique(np.column_stack([shop.contexts, column]), axis=0)) == len(np.unique(shop.contexts))
    assert len(shop.contexts) / len(np.unique(shop.contexts)) == pytest.approx(5, rel=0.2)


def test_inside_a_family_the_first_item_is_the_most_popular(shop):
    clicks = dict(zip(*np.unique(shop.items, return_counts=True), strict=True))
    ranks = [int(name.split()[-1]) for name in shop.item_names]
    mean_clicks = [
        np.mean([clicks.get(label, 0) for label, r in zip(shop.item_labels, ranks, strict=True) if r == rank])
        for rank in (1, 4, 20)
    ]
    assert mean_clicks[0] > 1.5 * mean_clicks[1] > 3 * mean_clicks[2]


def test_names_are_distinct_and_tell_the_family():
    shop = simulate_shop(n_users=1, n_items=MAX_CLUSTERS, n_clusters=MAX_CLUSTERS)
    assert len(set(shop.item_names)) == MAX_CLUSTERS
    families = {" ".join(name.split()[1:-1]) for name in shop.item_names}
    assert len(families) == MAX_CLUSTERS


def test_interactions_keep_labels_names_and_sessions(shop):
    log = shop.interactions()
    assert log.n_rows == len(shop.users)
    assert log.n_bad_rows == 0
    assert log.n_users == 1000
    names = dict(zip(shop.item_labels, shop.item_names, strict=True))
    assert log.item_names.tolist() == [names[label] for label in log.item_labels]
    assert len(log.contexts.labels) == len(np.unique(shop.contexts))


def test_a_model_finds_the_families(shop):
    log = shop.interactions()
    model = BPR(factors=16, iterations=50, random_state=0).fit(log, show_progress=False)
    families = shop.clusters_of(model.item_labels)
    neighbours = model.similar_items(np.arange(log.n_items), N=6)[0][:, 1:]
    assert np.mean(families[neighbours] == families[:, None]) > 0.9  # by chance 0.095


def test_the_smallest_shop_works():
    shop = simulate_shop(n_users=1, n_items=1, n_clusters=1, clicks_per_user=1)
    assert shop.items.tolist() == ["P0001"] * len(shop.users)


# ---- trending pages ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trending():
    """A shop with half of its clicks on trending pages, and those clicks as (user, item, page) row numbers."""
    shop = simulate_shop(n_users=2000, n_items=200, n_clusters=10, trending_share=0.5, n_pages=20, page_size=12)
    on_page = shop.context_kinds == "trending"
    first = min(shop.shown)
    clicks = np.column_stack([shop.users - 1, np.searchsorted(shop.item_labels, shop.items), shop.contexts - first])[
        on_page
    ]
    return shop, clicks


def assert_same_shop(one, other):
    for name in (*ORGANIC, *TRUTH):
        assert getattr(one, name).dtype == getattr(other, name).dtype
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.shown == other.shown == {}


@pytest.mark.parametrize("pages_by", ["quality", "cluster"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_the_twin_is_the_shop_without_pages_click_by_click(share, pages_by):
    plain = simulate_shop(**SMALL, random_state=5)
    busy = simulate_shop(**SMALL, trending_share=share, pages_by=pages_by, random_state=5)
    assert len(busy.users) > len(plain.users)
    assert_same_shop(busy.twin(), plain)
    assert_same_shop(plain.twin(), plain)


def test_the_log_without_pages_is_what_it_always_was():
    shop = simulate_shop(n_users=50, n_items=20, n_clusters=4, random_state=3)
    assert shop.items[:5].tolist() == ["P0010", "P0011", "P0010", "P0003", "P0007"]
    assert shop.users[:5].tolist() == [18, 18, 18, 18, 31]
    assert set(shop.context_kinds) == {"session"}


@pytest.mark.parametrize("share", [0.0, 0.003, 0.25, 0.5, 0.75, 0.98])
def test_the_trending_share_is_exact_up_to_rounding(share):
    shop = simulate_shop(**SMALL, trending_share=share)
    n_trending = np.count_nonzero(shop.context_kinds == "trending")
    assert abs(n_trending - share * len(shop.users)) <= 1
    assert (np.diff(shop.timestamps) >= np.timedelta64(0, "s")).all()


def test_a_seed_gives_the_same_pages_and_another_seed_others():
    first, again, other = (simulate_shop(**SMALL, trending_share=0.5, random_state=s) for s in (3, 3, 4))
    assert_array_equal(first.items, again.items)
    assert [labels.tolist() for labels in first.shown.values()] == [labels.tolist() for labels in again.shown.values()]
    assert [labels.tolist() for labels in first.shown.values()] != [labels.tolist() for labels in other.shown.values()]


def test_clicks_on_a_page_are_on_what_it_shows_and_numbers_of_pages_are_no_sessions(trending):
    shop, _ = trending
    on_page = shop.context_kinds == "trending"
    for item, page in zip(shop.items[on_page], shop.contexts[on_page], strict=True):
        assert item in shop.shown[page]
    assert set(shop.contexts[~on_page]).isdisjoint(shop.shown)
    assert [len(set(labels)) for labels in shop.shown.values()] == [12] * 20


def test_every_page_is_on_show_for_its_own_time(trending):
    shop, _ = trending
    days = (shop.timestamps - np.datetime64("2025-01-01T00:00:00")) / np.timedelta64(1, "D")
    for place, page in enumerate(shop.shown):
        of_page = days[shop.contexts == page]
        assert 4.5 * place <= of_page.min() < of_page.max() < 4.5 * (place + 1) + 0.02  # twelve clicks take minutes


def test_clicks_fall_from_the_top_of_a_page_to_its_end(trending):
    shop, clicks = trending
    place = {(page, label): n for page, labels in enumerate(shop.shown.values()) for n, label in enumerate(labels)}
    places = [place[page, shop.item_labels[item]] for _, item, page in clicks.tolist()]
    n_clicks = np.bincount(places, minlength=12)
    assert n_clicks[0] > 1.2 * n_clicks[3] > 1.2 * n_clicks[11] > 0


def test_on_a_page_visitors_click_a_little_more_on_what_they_like(trending):
    shop, clicks = trending
    users, items, _ = clicks.T
    liked = shop.user_tastes > 0
    on_taste = liked[users, shop.item_clusters[items]].mean()
    # By chance: the same clicks of other visitors.
    by_chance = liked[np.random.default_rng(0).permutation(users), shop.item_clusters[items]].mean()
    assert 1.1 * by_chance < on_taste < 2 * by_chance


def test_pages_by_quality_have_all_families_and_the_popular_items_more_often():
    shop = simulate_shop(n_users=10, n_items=400, n_clusters=10, trending_share=0.5, n_pages=200)
    shown = np.searchsorted(shop.item_labels, np.concatenate(list(shop.shown.values())))
    of_family = np.bincount(shop.item_clusters[shown])
    assert of_family.min() > 0.7 * of_family.max()
    ranks = np.array([int(name.split()[-1]) for name in shop.item_names])[shown]
    assert np.mean(ranks <= 10) > 2 * np.mean(ranks > 30)


def test_pages_by_cluster_have_one_family_and_visitors_who_like_it():
    shop = simulate_shop(**SMALL, trending_share=0.5, pages_by="cluster", off_taste_share=0.2)
    families = {page: set(shop.clusters_of(labels)) for page, labels in shop.shown.items()}
    assert {len(family) for family in families.values()} == {1}
    assert set.union(*families.values()) == set(range(6))
    on_page = shop.context_kinds == "trending"
    liked = shop.user_tastes[shop.users - 1, shop.clusters_of(shop.items)][on_page] > 0
    by_chance = (shop.user_tastes > 0).mean()
    assert liked.mean() == pytest.approx(0.8 + 0.2 * by_chance, abs=0.05)


def test_a_page_has_what_there_is_to_show():
    by_quality = simulate_shop(n_users=9, n_items=7, n_clusters=2, trending_share=0.5, n_pages=3, page_size=50)
    assert [len(labels) for labels in by_quality.shown.values()] == [7, 7, 7]
    by_cluster = simulate_shop(
        n_users=9, n_items=7, n_clusters=2, trending_share=0.9, n_pages=4, page_size=50, pages_by="cluster"
    )
    assert sorted(len(labels) for labels in by_cluster.shown.values()) == [3, 3, 4, 4]


def test_families_without_a_page_do_not_stop_their_visitors():
    shop = simulate_shop(**SMALL, trending_share=0.5, n_pages=1, pages_by="cluster")
    assert len(shop.shown) == 1
    assert np.count_nonzero(shop.contexts == min(shop.shown)) == len(shop.users) / 2


def test_the_smallest_shop_has_pages_of_one_item():
    shop = simulate_shop(n_users=1, n_items=1, n_clusters=1, clicks_per_user=1, trending_share=0.75, n_pages=1)
    assert shop.items.tolist() == ["P0001"] * len(shop.users)
    assert np.count_nonzero(shop.context_kinds == "trending") == 3 * np.count_nonzero(shop.context_kinds == "session")


def test_interactions_have_kinds_strengths_and_what_was_shown():
    shop = simulate_shop(**SMALL, trending_share=0.5, n_pages=5)
    contexts = shop.interactions().contexts
    kinds = dict(zip(contexts.labels.tolist(), contexts.kinds.tolist(), strict=True))
    assert {page for page, kind in kinds.items() if kind == "trending"} == set(shop.shown)
    assert_array_equal(contexts.strengths, np.where(contexts.kinds == "trending", 1, 0))
    assert_array_equal(np.diff(contexts.shown.indptr), np.where(contexts.kinds == "trending", 24, 0))
    weaker = shop.interactions({"trending": 0.25}).contexts.strengths
    assert_array_equal(weaker, np.where(contexts.kinds == "trending", 0.25, 1))


def test_a_model_finds_pages_where_its_twin_finds_families():
    shop = simulate_shop(n_users=1500, n_items=200, n_clusters=10, trending_share=0.5, page_size=12)
    shares = []
    for one in (shop, shop.twin()):
        model = BPR(factors=16, iterations=50, random_state=0).fit(one.interactions(), show_progress=False)
        families = shop.clusters_of(model.item_labels)
        neighbours = model.similar_items(np.arange(len(families)), N=6)[0][:, 1:]
        shares.append(np.mean(families[neighbours] == families[:, None]))
    assert shares[0] < 0.75 < 0.9 < shares[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"trending_share": 1.0}, ValueError, "trending_share must be a number from 0 to below 1, got 1.0"),
        ({"trending_share": -0.1}, ValueError, "trending_share must be a number from 0 to below 1, got -0.1"),
        ({"trending_share": True}, TypeError, "trending_share must be a number from 0 to below 1, got True"),
        ({"n_pages": 0}, ValueError, "n_pages must be an integer from 1 to 10000, got 0"),
        ({"page_size": 0}, ValueError, "page_size must be an integer >= 1, got 0"),
        ({"pages_by": "taste"}, ValueError, "pages_by must be one of 'quality', 'cluster', got 'taste'"),
        ({"n_users": 0}, ValueError, "n_users must be an integer >= 1, got 0"),
        ({"n_items": 3, "n_clusters": 4}, ValueError, "n_items must be an integer >= 4, got 3"),
        ({"n_clusters": 651}, ValueError, "n_clusters must be an integer from 1 to 650, got 651"),
        ({"clicks_per_user": 2.5}, TypeError, "clicks_per_user must be an integer >= 1, got 2.5"),
        ({"off_taste_share": 1.5}, ValueError, "off_taste_share must be a number from 0 to 1, got 1.5"),
        ({"off_taste_share": float("nan")}, ValueError, "off_taste_share must be a number from 0 to 1, got nan"),
        ({"off_taste_share": "half"}, TypeError, "off_taste_share must be a number from 0 to 1, got 'half'"),
        ({"random_state": -1}, ValueError, "random_state must be None, an integer >= 0"),
    ],
)
def test_a_bad_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        simulate_shop(**arguments)
