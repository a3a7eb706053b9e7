"""What tests of rearranged lists share: a log with contexts of all sorts, models, and views counted by hand."""

from types import SimpleNamespace

import numpy as np
import scipy.sparse

from fastbpr import Interactions
from fastbpr.exposure import centred

STRENGTHS = {"trending": 1.0, "search": 0.25, "session": 0.0}


def log_of(seed=0, n_users=9, n_items=20, n_rows=260, with_shown=True, strengths=STRENGTHS):
    """Pages that several users share, contexts of one user with and without shown items, and rows without any."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(n_users, size=n_rows), rng.integers(n_items, size=n_rows)
    items[:n_items] = np.arange(n_items)
    pages = rng.integers(12, size=n_rows)
    users[pages >= 9] = pages[pages >= 9] - 9  # contexts of a single user
    kinds = np.array(["trending", "search", "session"])[pages % 3]
    contexts = np.where(rng.random(n_rows) < 0.1, None, pages.astype(object))
    shown = {page: rng.choice(n_items, size=4, replace=False) for page in (0, 3, 4, 9, 10)} if with_shown else None
    return Interactions.from_arrays(
        users, items, contexts=contexts, context_kinds=kinds, context_strengths=strengths, shown=shown
    )


def views_by_hand(log, kinds=None):
    """(strength, items visible to the user) of every user in every context, contexts of these kinds only."""
    contexts = log.contexts
    rows = list(zip(contexts.users.tolist(), contexts.items.tolist(), contexts.contexts.tolist(), strict=True))
    views = []
    for context in range(len(contexts.labels)):
        strength = float(contexts.strengths[context])
        if strength == 0 if kinds is None else contexts.kinds[context] not in kinds:
            continue
        clicks = {(user, item) for user, item, where in rows if where == context}
        shown = set()
        if contexts.shown is not None:
            shown = set(contexts.shown[[context]].indices.tolist())
        for user in {user for user, _ in clicks}:
            visible = shown | {item for other, item in clicks if other != user}
            if visible:
                views.append((strength, visible))
    return views


def penalties_by_hand(log, kinds=None, smoothing=10):
    """strength_ij * ln(max(1, lift_ij)) of all pairs of the log's items."""
    views = views_by_hand(log, kinds)
    total = sum(strength for strength, _ in views)
    of_item = [sum(strength for strength, visible in views if item in visible) for item in range(log.n_items)]
    penalties = np.zeros((log.n_items, log.n_items))
    for i in range(log.n_items):
        for j in range(log.n_items):
            both = [strength for strength, visible in views if i in visible and j in visible]
            if both and sum(both):
                lift = (sum(both) + smoothing) / (of_item[i] * of_item[j] / total + smoothing)
                penalties[i, j] = sum(both) / len(both) * np.log(max(1, lift))
    return penalties


def vectors(n_items, factors=6, seed=1):
    """A plain object with vectors, as other libraries' models have them."""
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        user_factors=rng.normal(size=(7, factors)),
        item_factors=rng.normal(size=(n_items, factors)),
        item_biases=rng.normal(size=n_items),
    )


def cosines(table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


def fit_like(model):
    """One of our models with these vectors."""
    ours = centred(model)
    ours.similarity = "cosine"
    return ours


def other_items(log):
    """Every second item that users do not have."""
    missing = log.user_items.toarray() == 0
    missing[:, ::2] = False
    return scipy.sparse.csr_array(missing.astype(float))
