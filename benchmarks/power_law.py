"""Generated interactions whose users and items are as unequal as real ones."""

import os
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse

# (n_users, n_items, n_interactions): to try things out; like MovieLens-1M; between; like MovieLens-20M.
SIZES = {
    "tiny": (600, 400, 10_000),
    "small": (6_040, 3_706, 750_000),
    "medium": (30_000, 10_000, 4_000_000),
    "large": (138_000, 27_000, 17_500_000),
}

# With these, the most popular item has about a third of the users, and a tenth of the items half of the interactions.
ACTIVITY_SPREAD = 1.1  # standard deviation of the logarithm of a user's number of interactions
POPULARITY_OFFSET = 50  # the item of rank r is chosen in proportion to 1 / (r + offset)
DRAWS_PER_CHUNK = 4_000_000  # bounds memory


def power_law(n_users, n_items, n_interactions, seed=0):
    """Return a canonical CSR matrix of ones with about this many entries (within 3 %), at most a tenth of all cells.

    The matrix is kept in a file of the temporary folder, so that the next call is quick.
    """
    cache = Path(tempfile.gettempdir()) / f"fastbpr-power-law-{n_users}-{n_items}-{n_interactions}-{seed}.npz"
    try:
        with np.load(cache) as arrays:
            indptr, indices = arrays["indptr"], arrays["indices"]
    except FileNotFoundError:
        indptr, indices = generate(n_users, n_items, n_interactions, np.random.default_rng(seed))
        unfinished = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(unfinished, indptr=indptr, indices=indices)
        unfinished.replace(cache)
    ones = np.ones(len(indices), dtype=np.float32)
    matrix = scipy.sparse.csr_array((ones, indices, indptr), shape=(n_users, n_items))
    matrix.has_canonical_format = True
    return matrix


def generate(n_users, n_items, n_interactions, rng):
    """Draw each user's items, with repetitions that are then merged; return (indptr, indices), both int32."""
    chances = 1 / (np.arange(n_items) + POPULARITY_OFFSET)
    cumulative = np.cumsum(chances)
    cumulative /= cumulative[-1]
    item_of_rank = rng.permutation(n_items)
    activity = rng.lognormal(sigma=ACTIVITY_SPREAD, size=n_users)
    activity = np.clip(activity * (n_interactions / activity.sum()), 1, n_items / 2)
    n_draws = draws_for(activity, chances / chances.sum())

    n_distinct = np.zeros(n_users + 1, dtype=np.int32)
    indices = []
    chunk_of_user = np.cumsum(n_draws) // DRAWS_PER_CHUNK
    for users in np.split(np.arange(n_users), np.flatnonzero(np.diff(chunk_of_user)) + 1):
        rows = np.repeat(users, n_draws[users])
        ranks = np.searchsorted(cumulative, rng.random(len(rows)), side="right")
        rows, items = np.divmod(np.unique(rows * n_items + item_of_rank[ranks]), n_items)
        n_distinct[users + 1] = np.bincount(rows - users[0], minlength=len(users))
        indices.append(items.astype(np.int32))
    return np.cumsum(n_distinct, dtype=np.int32), np.concatenate(indices)


def draws_for(n_distinct, chances):
    """Return how many draws with repetition give these numbers of distinct items on average."""
    n_draws = np.geomspace(1, 200 * len(chances), 200)
    expected = [np.sum(-np.expm1(n * np.log1p(-chances))) for n in n_draws]
    return np.rint(np.interp(n_distinct, expected, n_draws)).astype(np.int64)
