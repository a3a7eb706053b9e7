"""The simulated shop: its truth is in its log, its seed fixes it, and it refuses what makes no shop."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbpr import BPR
from fastbpr.datasets import MAX_CLUSTERS, simulate_shop


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


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
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
