"""Generated logs whose truth is known: for a first look, and for tests that need an answer to compare with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastbpr import _validation
from fastbpr.interactions import Interactions

MAX_TASTES = 3  # families that a user is drawn to
CLICKS_PER_SESSION = 5  # mean
DAYS = 90
POPULARITY_SKEW = 0.8  # inside a family, the item of rank r is clicked in proportion to r ** -POPULARITY_SKEW

# ruff: noqa: SIM905 (words are easier to read and change in a text than in a list)
NOUNS = (
    "lantern teapot cushion candle blanket basket mirror vase clock kettle apron bowl broom chair chest curtain "
    "doormat drum easel fan frame globe hammock jug kite ladder lamp mug notebook oven paintbrush pillow plate puzzle "
    "quilt rug saucer scarf shelf spoon stool sundial table toolbox towel trellis tray umbrella whistle wreath"
).split()
PLACES = "garden kitchen travel winter party office picnic nursery beach attic studio cabin".split()
VARIANTS = np.array(
    "red blue green white black silver golden ivory oak bamboo copper glass linen striped dotted floral vintage rustic "
    "small large folding woven painted plain".split()
)
MAX_CLUSTERS = len(NOUNS) * (1 + len(PLACES))  # each family has a name of its own


class Shop(NamedTuple):
    """A simulated shop: the log of its clicks, one entry per row, and the truth behind it."""

    users: np.ndarray  # int64 (n_clicks,), label of the user
    items: np.ndarray  # str (n_clicks,), label of the item
    contexts: np.ndarray  # int64 (n_clicks,), number of the session
    timestamps: np.ndarray  # datetime64[s] (n_clicks,), ascending
    item_labels: np.ndarray  # str (n_items,), ascending
    item_names: np.ndarray  # str (n_items,), such as "red lantern 01"
    item_clusters: np.ndarray  # int64 (n_items,), the family of each item
    user_tastes: np.ndarray  # float64 (n_users, n_clusters), rows add up to 1; user labels are the row numbers from 1

    def interactions(self) -> Interactions:
        """Return the log as `Interactions`, with sessions, timestamps and names."""
        return Interactions.from_arrays(
            self.users,
            self.items,
            contexts=self.contexts,
            timestamps=self.timestamps,
            item_names=self.item_names[np.searchsorted(self.item_labels, self.items)],
        )

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
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> Shop:
    """Simulate the clicks of a shop in which it is known which items are alike.

    Items belong to families (clusters) and users have tastes for one to three of them. A visit, or session, is
    about one taste: each of its clicks is on an item of that family or, with probability `off_taste_share`, on an
    item of any family. Some families and, inside each, some items are more popular than others.

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
        Share of clicks, from 0 to 1, that have nothing to do with the user's tastes.
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
    """
    n_users = _validation.check_integer("n_users", n_users, minimum=1)
    n_clusters = _validation.check_integer("n_clusters", n_clusters, minimum=1, maximum=MAX_CLUSTERS)
    n_items = _validation.check_integer("n_items", n_items, minimum=n_clusters)
    clicks_per_user = _validation.check_integer("clicks_per_user", clicks_per_user, minimum=1)
    off_taste_share = _validation.check_share("off_taste_share", off_taste_share)
    rng = np.random.default_rng(_validation.check_seed("random_state", random_state))

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
    items = draw_items(rng, clusters, item_clusters, (place_in_cluster + 1.0) ** -POPULARITY_SKEW)

    begin = rng.integers(DAYS * 24 * 3600, size=len(session_users))
    seconds = np.cumsum(rng.integers(10, 180, size=len(users)))  # between clicks
    seconds += (begin - seconds[starts])[sessions]
    by_time = np.argsort(seconds, kind="stable")

    item_labels = np.char.add("P", np.char.zfill(np.arange(1, n_items + 1).astype(str), max(4, len(str(n_items)))))
    user_tastes = np.zeros((n_users, n_clusters))
    np.put_along_axis(user_tastes, tastes, taste_shares, axis=1)
    return Shop(
        users=users[by_time] + 1,
        items=item_labels[items[by_time]],
        contexts=sessions[by_time] + 1,
        timestamps=np.datetime64("2025-01-01T00:00:00") + seconds[by_time].astype("timedelta64[s]"),
        item_labels=item_labels,
        item_names=product_names(item_clusters, place_in_cluster),
        item_clusters=item_clusters,
        user_tastes=user_tastes,
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


def draw_columns(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
    """Draw a column number for every row, with the row's probabilities, of which the first is above 0."""
    passed = rng.random(len(shares), dtype=np.float32)[:, None] >= np.cumsum(shares, axis=1)[:, :-1]
    return passed.sum(axis=1)


def draw_items(
    rng: np.random.Generator, clusters: np.ndarray, item_clusters: np.ndarray, popularity: np.ndarray
) -> np.ndarray:
    """Draw an item of each of `clusters`, in proportion to its popularity.

    On a line, family c takes the stretch from c to c + 1 and each of its items a part of it; a draw is a point.
    """
    order = np.argsort(item_clusters, kind="stable")
    ends = np.cumsum(popularity[order])
    last_of_cluster = np.flatnonzero(np.diff(item_clusters[order], append=-1))
    upper = ends[last_of_cluster]
    lower = np.concatenate([[0.0], upper[:-1]])
    of_item = item_clusters[order]
    line = of_item + (ends - lower[of_item]) / (upper - lower)[of_item]
    points = clusters + rng.random(len(clusters), dtype=np.float32).astype(np.float64)  # never rounds up to c + 1
    return order[np.searchsorted(line, points, side="right")]


def running_number(groups: np.ndarray) -> np.ndarray:
    """Number the members of every group from 0, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    numbers = np.empty(len(groups), dtype=np.int64)
    numbers[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return numbers


def product_names(clusters: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Name items such as "red lantern 01": a variant, the family, and the rank by popularity in the family."""
    families = [noun if place is None else f"{place} {noun}" for place in (None, *PLACES) for noun in NOUNS]
    variants = VARIANTS[(5 * clusters + 7 * places) % len(VARIANTS)]
    return np.array(
        [
            f"{variant} {families[cluster]} {place + 1:02d}"
            for variant, cluster, place in zip(variants, clusters.tolist(), places.tolist(), strict=True)
        ]
    )
