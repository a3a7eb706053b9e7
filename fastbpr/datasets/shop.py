"""A shop whose visitors' tastes are known, and what trending pages do to its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _validation
from fastbpr.datasets._draws import draw_columns, draw_items, running_number
from fastbpr.datasets._names import MAX_CLUSTERS, product_names
from fastbpr.datasets._pages import draw_clicks, draw_pages
from fastbpr.interactions import Interactions

MAX_TASTES = 3  # families that a user is drawn to
CLICKS_PER_SESSION = 5  # mean
SECONDS = 90 * 24 * 3600  # of three months
MAX_PAGES = 10_000
START = np.datetime64("2025-01-01T00:00:00")
POPULARITY_SKEW = 0.8  # inside a family, the item of rank r is clicked in proportion to r ** -POPULARITY_SKEW
SESSION, TRENDING = "session", "trending"
STRENGTHS = {TRENDING: 1.0, SESSION: 0.0}  # a session is the visitor's own choice, nobody's page


class Shop(NamedTuple):
    """A simulated shop: the log of its clicks, one entry per row, and the truth behind it."""

    users: np.ndarray  # int64 (n_clicks,), label of the user
    items: np.ndarray  # str (n_clicks,), label of the item
    contexts: np.ndarray  # int64 (n_clicks,), number of the session, or of the page after all sessions' numbers
    timestamps: np.ndarray  # datetime64[s] (n_clicks,), ascending
    item_labels: np.ndarray  # str (n_items,), ascending
    item_names: np.ndarray  # str (n_items,), such as "red lantern 01"
    item_clusters: np.ndarray  # int64 (n_items,), the family of each item
    user_tastes: np.ndarray  # float64 (n_users, n_clusters), rows add up to 1; user labels are the row numbers from 1
    context_kinds: np.ndarray  # str (n_clicks,), "session" or "trending"
    shown: dict[int, np.ndarray]  # number of each trending page to the labels of its items, from the top down

    def interactions(self, strengths: Mapping[str, float] | None = None) -> Interactions:
        """Return the log as `Interactions`, with sessions, pages, timestamps and names.

        `strengths` of the kinds "trending" and "session" are 1 and 0 if None: a session is the visitor's own choice.
        """
        strengths = STRENGTHS if strengths is None else strengths
        return Interactions.from_arrays(
            self.users,
            self.items,
            contexts=self.contexts,
            context_kinds=self.context_kinds,
            context_strengths={kind: value for kind, value in strengths.items() if kind != TRENDING or self.shown},
            shown=self.shown or None,
            timestamps=self.timestamps,
            item_names=self.item_names[np.searchsorted(self.item_labels, self.items)],
        )

    def twin(self) -> Shop:
        """Return the same shop without the clicks on trending pages: what visitors did by themselves."""
        organic = self.context_kinds != TRENDING
        columns = ("users", "items", "contexts", "timestamps", "context_kinds")
        return self._replace(**{name: getattr(self, name)[organic] for name in columns}, shown={})

    def clusters_of(self, labels: Any) -> np.ndarray:
        """Return the families of items, by known labels."""
        return self.item_clusters[np.searchsorted(self.item_labels, np.asarray(labels, dtype=str))]


def simulate_shop(
    n_users: int = 6000,
    n_items: int = 1500,
    n_clusters: int = 40,
    clicks_per_user: int = 40,
    *,
    off_taste_share: float = 0.5,
    trending_share: float = 0.0,
    n_pages: int = 40,
    page_size: int = 24,
    pages_by: str = "quality",
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> Shop:
    """Simulate the clicks of a shop in which it is known which items are alike.

    Items belong to families (clusters) and users have tastes for one to three of them. A visit, or session, is
    about one taste: each of its clicks is on an item of that family or, with probability `off_taste_share`, on an
    item of any family. Some families and, inside each, some items are more popular than others.

    On top of that there may be trending pages, one after the other, which show the same items to everybody. Their
    visitors click on what is at the top, and only a little more on what they like. Whoever counts what is clicked on
    together, or learns from it, finds pages then, not families. The other clicks are the same, one by one, whatever
    the share of these: ``shop.twin()`` is the log that an oracle would make, which knows which clicks to distrust.

    Parameters
    ----------
    n_users : int, default 6000
        At least 1.
    n_items : int, default 1500
        At least `n_clusters`. Families have the same size, give or take an item.
    n_clusters : int, default 40
        Number of families, from 1 to 650.
    clicks_per_user : int, default 40
        Mean number of clicks, at least 1. Every user has at least one; a few have several times the mean.
    off_taste_share : float, default 0.5
        Share of clicks in sessions, from 0 to 1, that have nothing to do with the user's tastes.
    trending_share : float, default 0.0
        Share of all clicks, from 0 to below 1, that are on trending pages. They come in addition to those of sessions.
    n_pages : int, default 40
        Number of trending pages, from 1 to 10,000. Each is on show for the same part of three months.
    page_size : int, default 24
        Number of items on a page, at least 1; fewer where there are not as many to show.
    pages_by : {"quality", "cluster"}, default "quality"
        What is on a page: any items, popular ones more often, or items of one family. The latter is like a page of
        search results, to which visitors come by their tastes (but for `off_taste_share` of them): clicked together
        there means alike.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default 0
        Seed; the same seed gives the same shop.

    Returns
    -------
    Shop
        A named tuple of arrays, described there; ``shop.interactions()`` is what a model is fitted to.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> shop = simulate_shop(n_users=100, n_items=20, n_clusters=4, random_state=1)
    >>> shop.interactions().n_items
    20
    >>> print(shop.item_labels[0], shop.item_names[0], sep=": ")
    P0001: red lantern 01

    Three more clicks on trending pages for each click in a session:

    >>> busy = simulate_shop(n_users=100, n_items=20, n_clusters=4, trending_share=0.75, random_state=1)
    >>> len(busy.users) / len(shop.users)
    4.0
    >>> bool((busy.twin().items == shop.items).all())
    True
    """
    n_users = _validation.check_integer("n_users", n_users, minimum=1)
    n_clusters = _validation.check_integer("n_clusters", n_clusters, minimum=1, maximum=MAX_CLUSTERS)
    n_items = _validation.check_integer("n_items", n_items, minimum=n_clusters)
    clicks_per_user = _validation.check_integer("clicks_per_user", clicks_per_user, minimum=1)
    off_taste_share = _validation.check_share("off_taste_share", off_taste_share)
    trending_share = _validation.check_share("trending_share", trending_share, below=True)
    n_pages = _validation.check_integer("n_pages", n_pages, minimum=1, maximum=MAX_PAGES)
    page_size = _validation.check_integer("page_size", page_size, minimum=1)
    _validation.check_choice("pages_by", pages_by, ["quality", "cluster"])
    seed = _validation.check_seed("random_state", random_state)
    rng = np.random.default_rng(seed)

    item_clusters = rng.permutation(np.arange(n_items) % n_clusters)
    place_in_cluster = running_number(item_clusters)
    cluster_shares = rng.dirichlet(np.full(n_clusters, 5.0))
    tastes, taste_shares = draw_tastes(rng, n_users, cluster_shares)

    # One entry per click, user by user and session by session.
    activity = rng.gamma(2.0, (clicks_per_user - 1) / 2.0, size=n_users)
    users = np.repeat(np.arange(n_users), 1 + rng.poisson(activity))
    starts = (np.diff(users, prepend=-1) > 0) | (rng.random(len(users)) < 1 / CLICKS_PER_SESSION)
    sessions = np.cumsum(starts) - 1
    session_users = users[starts]
    chosen = draw_columns(rng, taste_shares[session_users])
    clusters = tastes[session_users, chosen][sessions]
    off_taste = rng.random(len(users)) < off_taste_share
    clusters[off_taste] = rng.choice(n_clusters, size=np.count_nonzero(off_taste), p=cluster_shares)
    popularity = (place_in_cluster + 1.0) ** -POPULARITY_SKEW
    items = draw_items(rng, clusters, item_clusters, popularity)

    begin = rng.integers(SECONDS, size=len(session_users))
    seconds = np.cumsum(rng.integers(10, 180, size=len(users)))  # between clicks
    seconds += (begin - seconds[starts])[sessions]

    item_labels = np.char.add("P", np.char.zfill(np.arange(1, n_items + 1).astype(str), max(4, len(str(n_items)))))
    user_tastes = np.zeros((n_users, n_clusters))
    np.put_along_axis(user_tastes, tastes, taste_shares, axis=1)
    shown = {}
    n_organic = len(users)
    n_trending = round(n_organic * trending_share / (1 - trending_share))
    if n_trending:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))  # leaves what is above as it was
        pages = draw_pages(rng, n_pages, page_size, pages_by, item_clusters, popularity)
        clicks = draw_clicks(rng, pages, n_trending, item_clusters, tastes, taste_shares, off_taste_share, SECONDS)
        first = len(session_users)
        shown = {first + page + 1: item_labels[row[row >= 0]] for page, row in enumerate(pages.items)}
        users, items = np.concatenate([users, clicks.users]), np.concatenate([items, clicks.items])
        sessions = np.concatenate([sessions, first + clicks.pages])
        seconds = np.concatenate([seconds, clicks.seconds])
    by_time = np.argsort(seconds, kind="stable")
    return Shop(
        users=users[by_time] + 1,
        items=item_labels[items[by_time]],
        contexts=sessions[by_time] + 1,
        timestamps=START + seconds[by_time].astype("timedelta64[s]"),
        item_labels=item_labels,
        item_names=product_names(item_clusters, place_in_cluster),
        item_clusters=item_clusters,
        user_tastes=user_tastes,
        context_kinds=np.where(by_time < n_organic, SESSION, TRENDING),
        shown=shown,
    )


def draw_tastes(rng: np.random.Generator, n_users: int, cluster_shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the families that each user may like and the share of each, zero for those beyond the user's tastes.

    Both have shape (n_users, n_tastes). Popular families are liked more often: the largest of the logarithms plus
    Gumbel noise are a draw without replacement.
    """
    n_tastes = min(MAX_TASTES, len(cluster_shares))
    noisy = np.log(cluster_shares) + rng.gumbel(size=(n_users, len(cluster_shares)))
    tastes = np.argsort(-noisy, axis=1)[:, :n_tastes]
    liked = np.arange(n_tastes) < rng.integers(1, n_tastes + 1, size=n_users)[:, None]
    shares = rng.gamma(2.0, size=(n_users, n_tastes)) * liked
    return tastes, shares / shares.sum(axis=1, keepdims=True)
