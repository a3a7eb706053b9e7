"""Why an item is in another item's list, in numbers and in sentences."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _retrieval, _validation
from fastbpr._sentences import counted, number, percent

FEW_SHARED_USERS = 5  # with fewer users who have both, one user more or less is a different story
CHANCE_LIFT = 2.0  # users who have much of everything lift most pairs above 1, so that a lift near it says little
FAR = 100  # the first so many neighbours are what somebody may call a list
VERY_POPULAR = 95.0  # percentile of popularity from which an item comes near many others


class ExplainedItem(NamedTuple):
    """One of the two items of an `Explanation`."""

    row: int  # in the model
    name: str  # label and title where the model has them, else "item" and its row number
    n_users: int  # who have it
    percentile: float  # of all items, how many per cent have fewer users
    norm: float  # length of its vector


class Explanation(NamedTuple):
    """Why one item is a neighbour of another; ``str`` says it in sentences. Made by `BPR.explain`.

    With n_i and n_j users who have the one and the other, n_ij who have both, and n who have anything:

    Attributes
    ----------
    item, neighbour : ExplainedItem
        ``row, name, n_users, percentile, norm`` of each: row number in the model, label and title, number of users,
        per cent of all items that fewer users have (0 to 100), Euclidean length of the vector.
    rank : int
        Place of the neighbour in the item's list, from 1; the item itself does not count.
    n_others : int
        Length of the whole list: the number of items but one.
    similarity : float
        What `BPR.similar_items` gives the neighbour.
    median_norm : float
        Of the vectors of all items, to judge the two norms by.
    shared_users : int
        n_ij.
    expected_shared_users : float
        n_i n_j / n: how many would have both if having one said nothing about having the other.
    lift : float
        n_ij n / (n_i n_j), shared over expected users; NaN where none are expected.
    cooccurrence_cosine : float
        n_ij / sqrt(n_i n_j), from 0 to 1; 0 if an item has no users.
    shared_contexts : int or None
        Number of contexts (pages, sessions, baskets) in which some user met both. None without contexts.
    same_context_share : float or None
        Share of the shared users who met both in one and the same context; NaN without shared users. None without
        contexts.
    """

    item: ExplainedItem
    neighbour: ExplainedItem
    rank: int
    n_others: int
    similarity: float
    median_norm: float
    shared_users: int
    expected_shared_users: float
    lift: float
    cooccurrence_cosine: float
    shared_contexts: int | None
    same_context_share: float | None

    def __str__(self) -> str:
        lines = [self._place(), self._users(), self._chance(), self._contexts(), self._popularity(), self._norms()]
        return "\n".join([line for line in lines if line] + [self._reason()])

    def _place(self) -> str:
        return (
            f"{self.neighbour.name} is number {self.rank:,} of {self.n_others:,} in the list of {self.item.name}, with "
            f"a similarity of {self.similarity:.2f}."
        )

    def _users(self) -> str:
        have = "has" if self.shared_users == 1 else "have"
        shares = [
            f"{percent(self.shared_users / n_users) if n_users else 'none'} of the {n_users:,} who have the {what}"
            for what, n_users in (("item", self.item.n_users), ("neighbour", self.neighbour.n_users))
        ]
        return f"{counted('user', self.shared_users)} {have} both: {shares[0]} and {shares[1]}."

    def _chance(self) -> str:
        if math.isnan(self.lift):
            return ""
        return (
            f"By chance it would be {number(self.expected_shared_users)}: the two are together {number(self.lift)} "
            f"times as often as that (co-occurrence cosine {self.cooccurrence_cosine:.2f})."
        )

    def _contexts(self) -> str:
        if self.shared_contexts is None or not self.shared_users:
            return ""
        return (
            f"{percent(self.same_context_share)} of the users who have both met them in the same context, in "
            f"{counted('context', self.shared_contexts)}."
        )

    def _popularity(self) -> str:
        item, neighbour = (percent(one.percentile / 100) for one in (self.item, self.neighbour))
        return f"The item is more popular than {item} of all items, the neighbour than {neighbour}."

    def _norms(self) -> str:
        return (
            f"Their vectors have the lengths {self.item.norm:.2f} and {self.neighbour.norm:.2f} (median of all items: "
            f"{self.median_norm:.2f})."
        )

    def _reason(self) -> str:
        besides = "what brings them near each other is what else their users have"
        if self.neighbour.percentile >= VERY_POPULAR:
            besides += " and the neighbour's popularity"
        if not self.shared_users:
            fact, consequence = "nobody has both", besides
        elif self.shared_users < FEW_SHARED_USERS:
            fact, consequence = "few users have both", "it may be luck how near they are"
        elif self.lift < CHANCE_LIFT:
            fact, consequence = "who has one is not much more likely than others to have the other", besides
        else:
            fact, consequence = "who has one is likely to have the other, too", "that is why they are near each other"
        return f"So {fact}{', and many items are nearer' if self.rank > FAR else f': {consequence}'}."


def explain(model: Any, item: Any, neighbour: Any, user_items: Any) -> Explanation:
    """Collect the numbers; `BPR.explain` has the rules."""
    vectors = _validation.check_vectors(model, "item_factors", finite=True)
    if model.similarity == "user-space":
        _validation.check_vectors(model, "user_factors", finite=True)
    n_items = len(vectors)
    pair = [
        _validation.check_id(name, row, n_items, what="item")
        for name, row in (("item", item), ("neighbour", neighbour))
    ]
    _validation.check_other_item("neighbour", *pair)
    matrix, columns = evidence(model, pair, user_items)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    users = [users_of(matrix, column) for column in columns]
    n_shared = len(np.intersect1d(*users, assume_unique=True))
    product = float(len(users[0])) * len(users[1])
    expected = product / max(int(np.count_nonzero(np.diff(matrix.indptr))), 1)
    norms = _retrieval.lengths(vectors)
    explained = [
        ExplainedItem(
            row,
            _labels.titled(model.item_labels, model.item_names, row),
            int(counts[column]),
            percentile(counts, column),
            float(norms[row]),
        )
        for row, column in zip(pair, columns, strict=True)
    ]
    ids, similarities = model.similar_items(pair[0], N=n_items)  # the item itself first, at place 0
    rank = int(np.flatnonzero(ids == pair[1])[0])
    contexts = getattr(user_items, "contexts", None)
    n_contexts, n_users_of_contexts = (None, None) if contexts is None else meetings(contexts, *columns)
    return Explanation(
        *explained,
        rank=rank,
        n_others=n_items - 1,
        similarity=float(similarities[rank]),
        median_norm=float(np.median(norms)),
        shared_users=n_shared,
        expected_shared_users=expected,
        lift=n_shared / expected if expected else math.nan,
        cooccurrence_cosine=n_shared / math.sqrt(product) if product else 0.0,
        shared_contexts=n_contexts,
        same_context_share=None if contexts is None else n_users_of_contexts / n_shared if n_shared else math.nan,
    )


def evidence(model: Any, pair: list[int], user_items: Any) -> tuple[scipy.sparse.csr_array, list[int]]:
    """Return who has what, and in which columns the two items are: by their labels where both sides have them."""
    shape = len(model.user_factors), len(model.item_factors)
    if user_items is None:
        indptr, indices = _validation.check_likes_known(model._liked)
        return scipy.sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=shape), pair
    labels = getattr(user_items, "item_labels", None)
    if labels is None or model.item_labels is None:
        return _validation.check_user_items("user_items", user_items, shape=shape), pair
    wanted = model.item_labels[pair]
    columns = _labels.rows_of(labels, wanted, what="item", names=user_items.item_names)
    return _validation.check_user_items("user_items", user_items), columns.tolist()


def users_of(matrix: scipy.sparse.csr_array, column: int) -> np.ndarray:
    """Return the users who have an item, without building the matrix's transpose."""
    return np.searchsorted(matrix.indptr, np.flatnonzero(matrix.indices == column), side="right") - 1


def percentile(counts: np.ndarray, column: int) -> float:
    """Return how many per cent of all items have fewer users than one."""
    return float(100 * np.mean(counts < counts[column]))


def meetings(contexts: Any, one: int, other: int) -> tuple[int, int]:
    """Return in how many contexts a user met both items, and how many users did."""
    n_contexts = max(len(contexts.labels), 1)
    visits = []  # of a context by a user who met the item there, as one number
    for item in (one, other):
        rows = np.flatnonzero((contexts.items == item) & (contexts.contexts != _labels.MISSING))
        visits.append(contexts.users[rows].astype(np.int64) * n_contexts + contexts.contexts[rows])
    users, where = np.divmod(np.intersect1d(*visits), n_contexts)
    return len(np.unique(where)), len(np.unique(users))
