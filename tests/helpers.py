"""Small things that several test modules use."""

from types import SimpleNamespace

import numpy as np
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, _tables
from fastbpr._negatives import Negatives, Recipe


def fit(user_items, **parameters):
    parameters = {"factors": 16, "iterations": 40, "random_state": 0, "num_threads": 2} | parameters
    return BPR(**parameters).fit(user_items, show_progress=False)


def share_in_own_community(ids):
    """How many neighbours of each of the 100 items lie in its own group of 25, the item itself left out."""
    return (ids[:, 1:] // 25 == np.arange(len(ids))[:, None] // 25).mean()


def of_users(users, **options):
    """Interactions of these users, one row each, with one item."""
    return Interactions.from_arrays(users, ["item"] * len(users), **options)


def assert_same(actual, expected):
    """Refuse any difference, of dtypes, too."""
    for name in ("user_labels", "item_labels", "item_names", "timestamps"):
        one, other = getattr(actual, name), getattr(expected, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert one.dtype == other.dtype, name
            assert one.tolist() == other.tolist(), name
    for name in ("indptr", "indices", "data"):
        assert_array_equal(getattr(actual.user_items, name), getattr(expected.user_items, name), err_msg=name)
    assert actual.bad_rows == expected.bad_rows
    assert (actual.n_rows, actual.n_merged_rows) == (expected.n_rows, expected.n_merged_rows)
    assert (actual.contexts is None) == (expected.contexts is None)
    if actual.contexts is not None:
        for name in actual.contexts._fields:
            one, other = getattr(actual.contexts, name), getattr(expected.contexts, name)
            assert type(one) is type(other), name
            if one is not None:
                assert one.dtype == other.dtype, name
                one, other = (part.toarray() if name == "shown" else part for part in (one, other))
                assert one.tolist() == other.tolist(), name
    unknown = [(log.n_shown_unknown, log.n_shown_unknown_contexts) for log in (actual, expected)]
    assert unknown[0] == unknown[1]


def random_matrix(n_rows, n_columns, density, rng):
    """Entries at random places, each with its own value."""
    return scipy.sparse.csr_array(scipy.sparse.random(n_rows, n_columns, density, random_state=rng))


class Given:
    """A model with given scores of items for users, and for items."""

    def __init__(self, scores=None, similarities=None):
        self.scores, self.similarities = np.asarray(scores), np.asarray(similarities)

    def score(self, userids):
        return self.scores[userids]

    def similarity(self, itemids):
        return self.similarities[itemids]


class Problem:
    """Random interactions, some test items in training, too, some users without test items, and a model."""

    def __init__(self, n_users=61, n_items=43, factors=5, seed=0):
        rng = np.random.default_rng(seed)
        self.shape = n_users, n_items
        self.train = scipy.sparse.csr_array((rng.random(self.shape) < 0.2).astype(np.float32))
        test = rng.random(self.shape) < 0.15
        test[::5] = False
        self.test = scipy.sparse.csr_array(test.astype(np.float32))
        self.negatives = rng.integers(-1, n_items, size=(n_users, 9))
        self.model = SimpleNamespace(
            user_factors=rng.normal(size=(n_users, factors)).astype(np.float32),
            item_factors=rng.normal(size=(n_items, factors)).astype(np.float32),
            item_biases=rng.normal(size=n_items).astype(np.float32),
        )
        self.scores = self.model.user_factors @ self.model.item_factors.T + self.model.item_biases

    def users(self):
        """(user, relevant items, other candidates) of everybody who can be evaluated."""
        for user in range(self.shape[0]):
            train, test = (set(matrix[[user]].indices.tolist()) for matrix in (self.train, self.test))
            if test - train:
                yield user, sorted(test - train), sorted(set(range(self.shape[1])) - train - test)


def matrix(*rows):
    return scipy.sparse.csr_array(np.array(rows, dtype=np.float32))


def ranks_by_hand(scores, relevant, others):
    """Ranks of relevant items in a list in which others come first among equal scores."""
    ordered = sorted([*relevant, *others], key=lambda item: (-scores[item], item in relevant))
    return [rank for rank, item in enumerate(ordered, start=1) if item in relevant]


def negatives_of(n_items, tables=None, counts=None, **recipe):
    """What the kernels need to draw from all items as one block; items have the given counts."""
    if tables is None:
        tables = _tables.pack(np.zeros((1, 1), np.float32), np.zeros((n_items, 1), np.float32), None)
    counts = np.ones(n_items) if counts is None else np.asarray(counts)
    negatives = Negatives(Recipe(**recipe), counts, tables, n_interactions=1)
    items = np.arange(n_items, dtype=np.int32)
    negatives.begin_epoch(tables, np.array([0, n_items]), items, np.zeros(n_items, dtype=np.uint16), items, 1)
    return negatives


def draws_of(training, negatives, n_items, positives, n, seed, user=(0.0,)):
    """Single negatives for a user with these positives, drawn by the kernel."""
    draws = np.empty(n, dtype=np.int32)
    user = np.array(user, dtype=np.float32)
    training.draw_negatives(negatives, seed, n_items, user, np.array(positives, dtype=np.int32), draws)
    return draws


def best_by_hand(scores, n, left_out):
    """Ids of the n best, the smaller first among equal ones."""
    return sorted(set(range(len(scores))) - set(left_out), key=lambda item: (-scores[item], item))[:n]


def recommended_by_hand(scores, train, n):
    train = train.toarray() > 0
    return {
        user: best_by_hand(scores[user], n, np.flatnonzero(train[user]))
        for user in range(len(train))
        if any(train[user])
    }


def neighbours_by_hand(similarities, queries, n):
    return {query: best_by_hand(similarities[query], n, [query]) for query in queries}


class Listing:
    """A model that only lists neighbours."""

    def __init__(self, ids, scores=None):
        self.ids = np.asarray(ids)
        self.scores = np.ones(self.ids.shape) if scores is None else np.asarray(scores)

    def similar_items(self, itemids, N):
        return self.ids[itemids], self.scores[itemids]
