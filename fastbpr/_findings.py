"""What a diagnosis finds: numbers about a model and its data, and the sentences that say them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import scipy.stats

from fastbpr import _alignment, _labels, _ranking, _retrieval, _validation
from fastbpr._debias import debias_of
from fastbpr._exposure_finding import Exposure
from fastbpr._sentences import counted, number, percent
from fastbpr._training import Epoch
from fastbpr.baselines import ItemCooccurrence, Popularity
from fastbpr.bpr import BPR
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.splitting import leave_one_out

# ---- does the log belong to the model? --------------------------------------------------------------------------


class Overlap(NamedTuple):
    """How much of the log the model has learned from."""

    n_users: int  # of the log
    n_items: int
    n_interactions: int
    n_unknown_users: int  # whom the model does not know
    n_unknown_items: int
    n_learned: int  # interactions of the log that are among the model's training positives
    n_training: int  # the model's training positives

    def sentences(self) -> list[str]:
        """Say it."""
        if self.n_learned == self.n_interactions == self.n_training:
            return [f"The model has learned from exactly the {self.n_interactions:,} interactions of this log."]
        told = [
            f"The model has learned from {percent(self.n_learned / self.n_interactions)} of the "
            f"{self.n_interactions:,} interactions of this log, and from "
            f"{self.n_training - self.n_learned:,} that are not in it."
        ]
        if self.n_unknown_users or self.n_unknown_items:
            told.append(
                f"It does not know {self.n_unknown_items:,} of the {self.n_items:,} items and "
                f"{self.n_unknown_users:,} of the {self.n_users:,} users of this log."
            )
        return told


def overlap_of(model: BPR, interactions: Any) -> Overlap:
    """Match a log with a model by labels, or by rows where one of them has none."""
    shape = len(model.user_factors), len(model.item_factors)
    sides = ("user_labels", "item_labels")
    labelled = all(getattr(one, side, None) is not None for one in (model, interactions) for side in sides)
    matrix = _validation.check_user_items("interactions", interactions, shape=None if labelled else shape)
    rows = [np.arange(size) for size in matrix.shape]
    if labelled:
        rows = [_alignment.known_rows(getattr(interactions, side), getattr(model, side)) for side in sides]
        _validation.check_some_known("interactions", "item", rows[1], interactions.item_labels, model.item_labels)
    users, items = rows[0][_ranking.query_of(matrix)], rows[1][matrix.indices]
    known = (users != _labels.MISSING) & (items != _labels.MISSING)
    indptr, indices = model._liked
    liked = scipy.sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=shape)
    seen = scipy.sparse.csr_array((np.ones(known.sum(), dtype=bool), (users[known], items[known])), shape=shape)
    n_unknown = [int(np.count_nonzero(of_side == _labels.MISSING)) for of_side in rows]
    return Overlap(*matrix.shape, matrix.nnz, *n_unknown, n_learned=seen.multiply(liked).nnz, n_training=liked.nnz)


# ---- has training come to an end? -------------------------------------------------------------------------------

MIN_EPOCHS = 10  # the loss of shorter fits was seen to fall by tens of per cent with twice the epochs, on any data
MIN_WAY = 1.0  # sum of learning rates: before, models were seen to rest at popularity, with no trend in their loss
RISE = 0.02  # of the loss from one tenth of the epochs to the next; noise was seen to stay below half a per cent
FAST_FALL = 0.05  # in the last tenth; the learning rate's decay to zero alone was seen to bring 1 to 3 per cent
ALL_IN_ORDER = 0.999  # of the training pairs: a lower loss would not change what is ahead of what
LARGE_GAIN = 0.15  # possible with twice the epochs; below it they were seen to bring 12 % or less


class Training(NamedTuple):
    """How the fit ended: means over its last tenth of epochs and over the tenth before."""

    state: str  # "too short", "diverging", "improving" or "converged"
    n_epochs: int
    iterations: int  # that were asked for
    n_last: int  # epochs in a tenth
    loss_before: float
    loss: float
    auc_before: float
    auc: float
    first_learning_rate: float
    last_learning_rate: float
    way: float  # sum of the learning rates of all epochs: how far vectors can have gone
    possible_gain: float  # share by which twice the epochs might lower the loss, a high estimate; NaN if too short

    def sentences(self) -> list[str]:
        """Say it."""
        if self.state == "too short":
            return [
                f"Too short to judge, and most likely to learn: {counted('epoch', self.n_epochs)} with learning rates "
                f"that add up to {number(self.way)}."
            ]
        verb = "rose" if self.loss > self.loss_before else "fell"
        beginning = {
            "diverging": "Getting worse",
            "improving": "Not converged",
            "converged": "Converged",
        }[self.state]
        told = [
            f"{beginning}: in the last {counted('epoch', self.n_last)} of {self.n_epochs:,} the loss {verb} from "
            f"{self.loss_before:.4f} to {self.loss:.4f}, and the share of training pairs in the right order (AUC) went "
            f"from {100 * self.auc_before:.1f} % to {100 * self.auc:.1f} %."
        ]
        if self.state != "diverging":
            decay = ", without what the decay of the learning rate did"
            told.append(
                f"Twice the epochs might lower the loss by up to {percent(max(self.possible_gain, 0))}, judging by the "
                f"shape of its curve{decay if self.decays else ''}."
            )
        if self.n_epochs < self.iterations:
            told.append(f"It stopped before the {self.iterations:,} epochs that were asked for.")
        return told

    @property
    def decays(self) -> bool:
        """Whether the learning rate went down."""
        return self.last_learning_rate < self.first_learning_rate


def training_of(history: list[Epoch], iterations: int) -> Training:
    """Judge a history."""
    losses, aucs, rates = (np.array([getattr(epoch, name) for epoch in history]) for name in MEASURES)
    n_epochs, n_last = len(history), max(1, len(history) // 10)
    means = [
        float(values[part].mean()) if n_epochs >= 2 * n_last else math.nan
        for values in (losses, aucs)
        for part in (slice(-2 * n_last, -n_last), slice(-n_last, None))
    ]
    loss_before, loss, *_ = means
    way = float(rates.sum())
    was_validated = n_epochs < iterations and any(epoch.validation is not None for epoch in history)
    iterations = n_epochs if was_validated else iterations  # validation had seen enough
    too_short = n_epochs < MIN_EPOCHS or way < MIN_WAY
    gain = math.nan if too_short else possible_gain(losses, rates)
    if too_short:
        state = "too short"
    elif loss > loss_before * (1 + RISE):
        state = "diverging"
    elif (loss < loss_before * (1 - FAST_FALL) or gain > LARGE_GAIN) and means[-1] < ALL_IN_ORDER:
        state = "improving"
    else:
        state = "converged"
    if was_validated and state != "diverging":
        state = "converged"
    first_and_last = (float(rates[0]), float(rates[-1])) if n_epochs else (math.nan, math.nan)
    return Training(state, n_epochs, iterations, n_last, *means, *first_and_last, way, gain)


MEASURES = ("loss", "auc", "learning_rate")


def possible_gain(losses: np.ndarray, rates: np.ndarray) -> float:
    """Estimate by what share of itself the loss might fall if there were twice as many epochs.

    Let t be the sum of learning rates so far, the length of the way. The second half of the curve is fitted by least
    squares with a + b / t + c * rate: b / t is what a longer way still brings, and c * rate, the noise that a large
    step leaves behind, goes away with the learning rate, however short the way was. Twice the way takes half of b / t
    off. Most curves end flatter than b / t: on real logs the estimate was seen to be up to several times too high.
    """
    way = np.cumsum(rates)
    last = slice(len(losses) // 2, None)
    columns = [np.ones_like(way), way[-1] / way]
    if rates[last].min() < rates[last].max():
        columns.append(rates / rates[0])
    (_, still_to_go, *_), *_ = np.linalg.lstsq(np.column_stack(columns)[last], losses[last], rcond=None)
    return float(min(still_to_go / 2 / losses[-1], 1))


# ---- what fills the lists? --------------------------------------------------------------------------------------

HUBS = 0.01  # the share of items, those most often listed, whose part of all lists is measured


class Neighbours(NamedTuple):
    """What the lists of similar items are made of. Items without users take no part."""

    similarity: str  # how items are compared
    list_length: int
    n_items: int
    norm_popularity: (
        float  # Spearman's rank correlation of vectors' lengths and numbers of users; NaN if one is constant
    )
    mean_cosine: float  # of two items drawn at random: 0 if vectors point everywhere, 1 if all point one way
    item_popularity: float  # mean number of users of an item
    neighbour_popularity: float  # mean number of users over all places of all lists
    n_hubs: int  # one in a hundred items
    hub_share: float  # of all places that the n_hubs items most often listed take
    top_name: str  # the item in most lists
    top_share: float  # of lists that it is in
    never_share: float  # of items that are in no list

    def sentences(self) -> list[str]:
        """Say it."""
        if not self.list_length:
            return ["No two items have users: there are no lists."]
        told = [
            f"An item in a list of {self.list_length} has {number(self.neighbour_popularity)} users on average, and an "
            f"item of the catalogue {number(self.item_popularity)}.",
            f"The {counted('item', self.n_hubs)} most often listed, {percent(self.n_hubs / self.n_items)} of all, "
            f"{'takes' if self.n_hubs == 1 else 'take'} {percent(self.hub_share)} of all places; {self.top_name} is in "
            f"{percent(self.top_share)} of the lists.",
            f"{percent(self.never_share)} of the items are in no list.",
            f"Two items drawn at random have a cosine of {self.mean_cosine:.2f} on average (0: unrelated).",
        ]
        if not math.isnan(self.norm_popularity):
            told.append(
                f"Popularity and the length of an item's vector go together with a rank correlation of "
                f"{self.norm_popularity:.2f}. Lengths count in recommendations; similar items compare directions only."
            )
        return told


def neighbours_of(model: BPR, list_length: int) -> Neighbours:
    """Make every item's list and count who is in them."""
    indices = model._liked[1]
    users = np.bincount(indices, minlength=len(model.item_factors))
    items = np.flatnonzero(users)
    length = min(list_length, len(items) - 1)
    vectors = model.item_factors
    directions = vectors[items] * _retrieval.inverse_norms(vectors[items])[:, None]
    similarity = getattr(model, "similarity", "cosine")
    if length < 1:
        return Neighbours(similarity, 0, len(items), *[math.nan] * 4, 0, math.nan, "", math.nan, math.nan)
    lists = model.similar_items(items, N=length + 1, items=items)[0][:, 1:]
    places = np.bincount(lists.ravel(), minlength=len(users))[items]
    n_hubs = max(1, round(HUBS * len(items)))
    top = int(places.argmax())
    return Neighbours(
        similarity=similarity,
        list_length=length,
        n_items=len(items),
        norm_popularity=spearman(_retrieval.lengths(vectors)[items], users[items]),
        mean_cosine=mean_off_diagonal(directions),
        item_popularity=float(users[items].mean()),
        neighbour_popularity=float(users[lists].mean()),
        n_hubs=n_hubs,
        hub_share=float(np.sort(places)[-n_hubs:].sum() / places.sum()),
        top_name=_labels.titled(model.item_labels, model.item_names, int(items[top])),
        top_share=float(places[top] / len(items)),
        never_share=float(np.mean(places == 0)),
    )


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of ranks, equal values sharing theirs; NaN where either does not vary."""
    ranks = np.array([scipy.stats.rankdata(values) for values in (one, other)])
    if (np.ptp(ranks, axis=1) == 0).any():
        return math.nan
    return float(np.corrcoef(ranks)[0, 1])


def mean_off_diagonal(directions: np.ndarray) -> float:
    """Return the mean cosine of two different rows of length 1 or 0, from their sum: no matrix of all pairs."""
    total = directions.sum(axis=0, dtype=np.float64)
    n_rows = len(directions)
    return float((total @ total - np.square(_retrieval.lengths(directions)).sum()) / (n_rows * (n_rows - 1)))


# ---- is it worth it? --------------------------------------------------------------------------------------------

MODEL, POPULARITY, COOCCURRENCE = "model", "popularity", "co-occurrence"
FEW_EVALUATED = 200  # with fewer users a hit rate of 10 % is known to within 2 percentage points at best


class Comparison(NamedTuple):
    """A model with the same parameters, fitted to the log without one item of each user, beside simple lists."""

    n_users: int  # who were evaluated
    list_length: int
    recommendations: dict[str, dict[str, float]]  # name of the model to metrics; empty if nobody can be evaluated
    similar_items: dict[str, dict[str, float]]
    without_debias: bool = False  # the model was fitted with debias, and this log has no contexts
    without_features: bool = False  # the model was fitted with features, which it does not keep

    def times(self, task: str, other: str) -> float:
        """Return by how many times the model's NDCG is that of another, in ``recommendations`` or ``similar_items``."""
        results = getattr(self, task)
        ours, theirs = (results[name][f"ndcg@{self.list_length}"] for name in (MODEL, other))
        return ours / theirs if theirs else math.inf if ours else 1.0

    def sentences(self) -> list[str]:
        """Say it."""
        if not self.n_users:
            return ["No user has two items, so that one could be held out: there is nothing to compare by."]
        told = [
            f"A model with the same parameters has learned anew from this log without one item of each of "
            f"{counted('user', self.n_users)}. How many of these items come among the first {self.list_length}?"
        ]
        for task, title in TASKS.items():
            hits = {name: f"{metrics[f'hr@{self.list_length}']:.1%}" for name, metrics in getattr(self, task).items()}
            hits = {name: share.replace("%", " %") for name, share in hits.items()}
            told.append(
                f"{title}: {hits[MODEL]}; by popularity alone {hits[POPULARITY]}, by co-occurrence "
                f"{hits[COOCCURRENCE]}. "
                f"With early places counting more (NDCG), the model is {self.times(task, POPULARITY):.2f} times as "
                f"good as popularity and {self.times(task, COOCCURRENCE):.2f} times as good as co-occurrence."
            )
        if self.without_debias:
            told.append("This log has no contexts: the new model learned without the model's debias.")
        if self.without_features:
            told.append("A model does not keep its features: the new model learned without them.")
        if self.n_users < FEW_EVALUATED:
            told.append("With so few users, differences of a few percentage points are chance.")
        return told


TASKS = {
    "recommendations": "Recommendations to the user",
    "similar_items": "Items similar to the user's others",
}


def comparison_of(
    model: BPR, interactions: Any, list_length: int, seed: int, num_threads: int, show_progress: bool
) -> Comparison:
    """Split, fit and evaluate."""
    split = leave_one_out(interactions, random_state=seed)
    train, test = split
    n_users = int(getattr(test, "user_items", test).nnz)
    if not n_users:
        return Comparison(0, list_length, {}, {})
    parameters = {name: getattr(model, name) for name in model._parameter_names()}
    debias = debias_of(model.debias)
    without_debias = debias is not None and debias.needs_contexts and getattr(train, "contexts", None) is None
    if without_debias:
        parameters["debias"] = None
    without_features = any(name.endswith("feature_factors") for name in model._components)
    if without_features:
        parameters["own_vectors"] = True
    again = type(model)(**parameters | {"random_state": seed, "num_threads": num_threads})
    weights = None if hasattr(train, "user_items") else "ignore"  # how a plain matrix was meant is not known
    models = {
        MODEL: again.fit(train, weights=weights, show_progress=show_progress),
        POPULARITY: Popularity().fit(train),
        COOCCURRENCE: ItemCooccurrence().fit(train),
    }
    results = [
        {
            name: judge(one, train, test, list_length, ("hr", "ndcg"), num_threads=num_threads)
            for name, one in models.items()
        }
        for judge in (evaluate, evaluate_similar_items)
    ]
    return Comparison(n_users, list_length, *results, without_debias, without_features)


# ---- is there enough to learn from? -----------------------------------------------------------------------------


class Sparsity(NamedTuple):
    """How much the log says about a user and an item. Users and items without interactions are not counted."""

    n_users: int
    n_items: int
    n_interactions: int
    density: float  # share of all pairs of a user and an item that are interactions
    median_items: float  # per user
    median_users: float  # per item
    single_item_users: int  # users with one item
    single_user_items: int  # items with one user
    top_share: float  # of the interactions that are with the most popular 1 % of the items

    def sentences(self) -> list[str]:
        """Say it."""
        medians = [
            int(median) if median == int(median) else median for median in (self.median_items, self.median_users)
        ]
        return [
            f"{counted('user', self.n_users)}, {counted('item', self.n_items)}, "
            f"{counted('interaction', self.n_interactions)}: {percent(self.density)} of all pairs. "
            f"A user in the middle has {counted('item', medians[0])}, an item in the middle "
            f"{counted('user', medians[1])}.",
            f"{counted('user', self.single_item_users)} ({percent(self.single_item_users / self.n_users)}) "
            f"{'has' if self.single_item_users == 1 else 'have'} a single item, and "
            f"{counted('item', self.single_user_items)} ({percent(self.single_user_items / self.n_items)}) a single "
            "user.",
            f"The most popular 1 % of the items have {percent(self.top_share)} of the interactions.",
        ]


def sparsity_of(interactions: Any) -> Sparsity:
    """Count."""
    matrix = _validation.check_user_items("interactions", interactions)
    items_of_users = np.diff(matrix.indptr)
    users_of_items = np.bincount(matrix.indices)
    items_of_users, users_of_items = (np.sort(counts[counts > 0]) for counts in (items_of_users, users_of_items))
    n_users, n_items = len(items_of_users), len(users_of_items)
    n_top = max(1, round(HUBS * n_items))
    return Sparsity(
        n_users=n_users,
        n_items=n_items,
        n_interactions=matrix.nnz,
        density=matrix.nnz / (n_users * n_items),
        median_items=float(np.median(items_of_users)),
        median_users=float(np.median(users_of_items)),
        single_item_users=int(np.count_nonzero(items_of_users == 1)),
        single_user_items=int(np.count_nonzero(users_of_items == 1)),
        top_share=float(users_of_items[-n_top:].sum() / matrix.nnz),
    )


# ---- all of it --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Findings:
    """What advice is derived from."""

    overlap: Overlap
    training: Training
    neighbours: Neighbours
    exposure: Exposure | None  # None without contexts
    comparison: Comparison | None  # None without a refit
    sparsity: Sparsity
