"""Trending pages, which show the same items to everybody, and the clicks of those who look at them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastbpr.datasets._draws import draw_columns, running_number

CLICKS_PER_VISIT = 8  # mean number of items that a visitor of a page clicks on
SECONDS_PER_CLICK = 60
QUALITY_SPREAD = 0.5  # standard deviation of the logarithm of an item's quality, beside its popularity
TASTE_EFFECT = 2.0  # times as many clicks on items that the visitor likes as on others at the same place


class Pages(NamedTuple):
    """What is on each page."""

    items: np.ndarray  # int64 (n_pages, page_size), from the top down; -1 where a page has fewer
    clusters: np.ndarray | None  # int64 (n_pages,), the family that a page is of; None where pages are of any


class Clicks(NamedTuple):
    """Clicks on pages, visit by visit."""

    users: np.ndarray  # int64 (n_clicks,)
    pages: np.ndarray  # int64 (n_clicks,)
    items: np.ndarray  # int64 (n_clicks,)
    seconds: np.ndarray  # int64 (n_clicks,)


def draw_pages(
    rng: np.random.Generator,
    n_pages: int,
    page_size: int,
    pages_by: str,
    item_clusters: np.ndarray,
    popularity: np.ndarray,
) -> Pages:
    """Put items on pages, those of high quality more often and further up; on "cluster" pages those of one family.

    The largest of the logarithms of qualities plus Gumbel noise are a draw without replacement.
    """
    quality = np.log(popularity) + rng.normal(scale=QUALITY_SPREAD, size=len(popularity))
    noisy = quality + rng.gumbel(size=(n_pages, len(popularity)))
    clusters = None
    if pages_by == "cluster":
        n_clusters = item_clusters.max() + 1
        clusters = rng.permutation(n_clusters)[np.arange(n_pages) % n_clusters]
        noisy[item_clusters != clusters[:, None]] = -np.inf
    items = np.argsort(-noisy, axis=1)[:, :page_size]
    return Pages(np.where(np.take_along_axis(noisy, items, axis=1) > -np.inf, items, -1), clusters)


def draw_clicks(
    rng: np.random.Generator,
    pages: Pages,
    n_clicks: int,
    item_clusters: np.ndarray,
    tastes: np.ndarray,
    taste_shares: np.ndarray,
    off_taste_share: float,
    n_seconds: int,
) -> Clicks:
    """Draw visits of pages, and what visitors click on: what is further up, and a little more what they like.

    Page after page is on show, each for the same part of `n_seconds`. Nobody clicks on an item twice in a visit.
    """
    # Each visit has a click at least, so these are visits enough.
    users = rng.integers(len(tastes), size=n_clicks)
    visited = rng.integers(len(pages.items), size=n_clicks)
    if pages.clusters is not None:
        wanted = tastes[users, draw_columns(rng, taste_shares[users])]
        looked_for = pages_of(rng, pages.clusters, wanted)
        visited = np.where((looked_for < 0) | (rng.random(n_clicks) < off_taste_share), visited, looked_for)
    n_shown = np.count_nonzero(pages.items >= 0, axis=1)
    sizes = np.minimum(1 + rng.poisson(CLICKS_PER_VISIT - 1, size=n_clicks), n_shown[visited])
    ends = np.cumsum(sizes)
    n_visits = np.searchsorted(ends, n_clicks) + 1
    users, visited, sizes = users[:n_visits], visited[:n_visits], sizes[:n_visits]
    sizes[-1] -= ends[n_visits - 1] - n_clicks

    shown = pages.items[visited]
    liked = np.zeros((len(tastes), item_clusters.max() + 1), dtype=bool)
    np.put_along_axis(liked, tastes, taste_shares > 0, axis=1)
    # As above, the largest are a draw without replacement, with weights TASTE_EFFECT / log2(1 + place).
    keys = -np.log(-np.log1p(-rng.random(shown.shape, dtype=np.float32).clip(1e-7)))  # Gumbel
    keys -= np.log(np.log2(np.arange(2, shown.shape[1] + 2, dtype=np.float32)))
    keys[liked[users[:, None], item_clusters[shown]]] += np.log(TASTE_EFFECT)
    keys[shown < 0] = -np.inf
    places = np.argsort(-keys, axis=1)
    clicked = np.arange(shown.shape[1]) < sizes[:, None]

    length = n_seconds // len(pages.items)
    begin = visited * length + rng.integers(length, size=n_visits)
    visits = np.repeat(np.arange(n_visits), sizes)
    return Clicks(
        users=users[visits],
        pages=visited[visits],
        items=np.take_along_axis(shown, places, axis=1)[clicked],
        seconds=begin[visits] + SECONDS_PER_CLICK * running_number(visits),
    )


def pages_of(rng: np.random.Generator, page_clusters: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Draw a page of each of `clusters`, -1 where there is none."""
    n_pages = np.bincount(page_clusters, minlength=clusters.max() + 1)
    first = np.cumsum(n_pages) - n_pages
    chosen = first[clusters] + rng.integers(np.maximum(n_pages[clusters], 1))
    by_cluster = np.argsort(page_clusters, kind="stable")
    return np.where(n_pages[clusters] > 0, by_cluster[np.minimum(chosen, len(page_clusters) - 1)], -1)
