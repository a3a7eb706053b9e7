"""Vectors and biases of items that training has not seen, with the users' vectors and the known items as they are.

Training meets an item in two roles. Each of its users U is drawn with it once an epoch, against a negative j. And in
each of the other users' triplets (u, i) it is the negative once in as many draws as there are items that u has not:
c times an epoch, if c is the sum over these users of n_u / (n_items + 1 - n_u), where n_u is how many items u has. With
the score s_u = p_u . q + b of the item, and s_uj of known ones, its vector and bias are the minimum of

    f(q, b) = sum over u in U of mean over j in N_u of softplus(s_uj - s_u)
            + c * mean over (u, i) in S of softplus(s_u - s_ui)
            + (|U| * positive + c * negative) / 2 * |q|^2 + (|U| + c) * bias / 2 * b^2,

with the three strengths that training regularises items by. N_u is the sample of items that users are folded in with,
without those that u has; S is a sample of interactions, without those of U, that count 1 / (n_items + 1 - n_u) each.
Both are the same in every call. f is divided by |U| + c, which keeps its size.

Where the negative is the best of M draws, the first mean gives each j of the sample the probability that it is the best
of M of them. The item itself, being a draw, is the negative if M - 1 others score less, so training pulls it down by

    M F_u(s_u)^(M - 1) sigmoid(s_u - s_ui),    F_u(s) = share of N_u that scores below s,

which never falls as s_u rises: it is the slope of a convex function, and that takes the place of the second softplus.

Scores are linear in (q, b): with rows a_u = (p_u, 1), f' is a sum of slopes times a_u, and f'' one of curvatures times
a_u a_u^T.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _alignment, _labels, _newton, _validation
from fastbpr._blocks import slices
from fastbpr._fold_in import MIN_REGULARIZATION, SEED, Negatives, columns_of

N_OTHERS = 4000  # interactions in S
N_USERS = 4000  # of an item with more, so many stand for all
N_LEVELS = 32  # at which slopes of the best of several draws are computed; they are interpolated in between
BLOCK_SIZE = 2**18  # pairs of a positive and a negative at a time
NEAR_WITH_BENDS = 1e-7  # in place of `_newton.NEAR`: slopes bend at the levels, and steps across do not lead as near
NARROW = 1e-6  # the least distance of scores at two levels
TINY = 1e-30  # in place of sums of nothing


def users_of(model: Any, item_users: Any, labels: Any, names: Any) -> tuple[scipy.sparse.csr_array, Any, Any]:
    """Return who has which new item, canonical, and the items' labels and titles."""
    n_users = len(model.user_factors)
    if not hasattr(item_users, "user_items"):
        return _validation.check_item_users("item_users", item_users, n_users), labels, names
    _validation.check_labels_left_out(item_labels=labels, item_names=names)
    matrix = _validation.check_user_items("item_users", item_users, allow_empty=True).T.tocsr()
    if model.user_labels is None or model.item_labels is None:
        return _validation.check_item_users("item_users", matrix, n_users), None, None
    is_new = _alignment.known_rows(item_users.item_labels, model.item_labels) == _labels.MISSING
    _validation.check_some_new("item_users", item_users.item_labels, is_new)
    matrix = columns_of("item_users", "user", matrix[is_new], item_users.user_labels, model.user_labels)
    names = item_users.item_names
    return matrix, item_users.item_labels[is_new], None if names is None else names[is_new]


class OtherLosses(NamedTuple):
    """What a score of the item costs against each interaction in S, the item being the best of some draws."""

    scores: np.ndarray  # (n_others,): what each user gives the item of S
    n_candidates: int
    levels: np.ndarray  # (n_others, n_levels + 1), ascending: scores at which F_u^(M - 1) is about 0, 1/n_levels, .. 1
    slopes: np.ndarray  # (n_others, n_levels + 1): there
    values: np.ndarray  # (n_others, n_levels + 1): areas below the slopes, which are straight lines in between

    @classmethod
    def of(cls, scores: np.ndarray, n_candidates: int, sampled: np.ndarray, taken: np.ndarray) -> OtherLosses:
        """Draw the curves; `sampled` are scores of a sample of items, (n_others, n_negatives), some of them taken."""
        if n_candidates == 1:
            return cls(scores, 1, *np.empty((3, len(scores), 0), dtype=scores.dtype))
        n_taken = taken.sum(axis=1, keepdims=True)
        highest = np.maximum(sampled.shape[1] - n_taken - 1, 1)  # rank of those not taken
        powers = np.linspace(0, 1, N_LEVELS + 1)
        ranks = np.ceil(powers ** (1 / (n_candidates - 1)) * highest).astype(np.int64)
        ordered = np.sort(np.where(taken, -np.inf, sampled), axis=1)
        levels = np.take_along_axis(ordered, np.minimum(n_taken + ranks, sampled.shape[1] - 1), axis=1)
        levels[~np.isfinite(levels)] = 0  # of users who have all of the sample
        shares = (ranks / highest) ** (n_candidates - 1)  # at the ranks that there are
        slopes = n_candidates * shares * _newton.softplus_and_sigmoid(levels - scores[:, None])[1]
        areas = (slopes[:, 1:] + slopes[:, :-1]) / 2 * np.maximum(np.diff(levels, axis=1), NARROW)
        values = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(areas, axis=1)], axis=1)
        return cls(scores, n_candidates, levels, slopes.astype(scores.dtype), values.astype(scores.dtype))

    def at(self, reached: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the losses, their slopes and their curvatures at these scores of the item, each of (n_others,)."""
        losses, slopes = _newton.softplus_and_sigmoid(reached - self.scores)
        curvatures = slopes * (1 - slopes)
        if self.n_candidates == 1:
            return losses, slopes, curvatures
        n_below = (self.levels < reached[:, None]).sum(axis=1)
        left = np.clip(n_below - 1, 0, self.levels.shape[1] - 2)
        rows = np.arange(len(reached))
        start, stop = self.slopes[rows, left], self.slopes[rows, left + 1]
        width = np.maximum(self.levels[rows, left + 1] - self.levels[rows, left], NARROW)
        ahead = np.clip(reached - self.levels[rows, left], 0, width)
        steepness = (stop - start) / width
        last = _newton.softplus_and_sigmoid(self.levels[:, -1] - self.scores)[0]
        beyond = n_below == self.levels.shape[1]
        return (
            np.where(
                beyond,
                self.values[:, -1] + self.n_candidates * (losses - last),
                self.values[rows, left] + (start + steepness / 2 * ahead) * ahead,
            ),
            np.where(beyond, self.n_candidates * slopes, start + steepness * ahead),
            np.where(beyond, self.n_candidates * curvatures, np.where(n_below == 0, 0, steepness)),
        )


class Known(NamedTuple):
    """What every new item is fitted to. Rows are (p_u, 1) and (q_j, b_j), or p_u and q_j in a model without biases."""

    users: np.ndarray  # (n_users, width)
    rates: np.ndarray  # (n_users,): how often an item that the user has not is a negative of the user's in an epoch
    negatives: np.ndarray  # (n_negatives, width)
    taken: scipy.sparse.csr_array  # bool (n_users, n_negatives): which of these users have
    others: np.ndarray  # (n_others,): the users of S, ...
    other_rows: np.ndarray  # (n_others, width): ... their rows, ...
    other_losses: OtherLosses  # ... what a score costs there, ...
    other_weights: np.ndarray  # (n_others,): ... and what each counts
    strengths: Mapping[str, float]  # with the keys "positive", "negative" and "bias"
    n_candidates: int
    has_biases: bool

    @classmethod
    def of(
        cls,
        factors: tuple[np.ndarray, np.ndarray, np.ndarray],  # of users and items, and the items' biases
        liked: tuple[np.ndarray, np.ndarray],  # (indptr, indices) of what users have
        negatives: Negatives,
        strengths: Mapping[str, float],
        n_candidates: int,
        has_biases: bool,
    ) -> Known:
        """Lay a model out, and draw S."""
        users, items, biases = factors
        indptr, indices = liked
        n_liked, shape = np.diff(indptr), (len(users), len(items))
        rows, negative_rows = users, negatives.vectors
        if has_biases:
            rows = np.concatenate([users, np.ones((len(users), 1), dtype=users.dtype)], axis=1)
            negative_rows = np.concatenate([negative_rows, negatives.biases[:, None]], axis=1)
        drawn = np.random.default_rng(SEED).choice(len(indices), min(N_OTHERS, len(indices)), replace=False)
        others, their_items = np.searchsorted(indptr, drawn, side="right") - 1, indices[drawn]
        taken = scipy.sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=shape)
        taken = scipy.sparse.csr_array(taken[:, negatives.items])
        scores = np.einsum("nf,nf->n", users[others], items[their_items]) + biases[their_items]
        sampled = rows[others] @ negative_rows.T
        return cls(
            rows,
            n_liked / (shape[1] + 1 - n_liked),
            negative_rows,
            taken,
            others,
            rows[others],
            OtherLosses.of(scores, n_candidates, sampled, taken[others].toarray()),
            1 / (shape[1] + 1 - n_liked[others]),
            strengths,
            n_candidates,
            has_biases,
        )


def chances(scores: np.ndarray, taken: np.ndarray, n_draws: int) -> np.ndarray:
    """Return how likely each item of a sample is the best of some draws of those not taken: all (n_users, n_items)."""
    free = ~taken
    n_free = np.maximum(free.sum(axis=1, keepdims=True), 1)
    if n_draws == 1:
        return free / n_free
    order = np.argsort(np.where(taken, -np.inf, scores), axis=1, kind="stable")
    ranks = np.arange(scores.shape[1]) - taken.sum(axis=1, keepdims=True)  # from 0; below for those taken
    by_rank = np.where(ranks < 0, 0, ((ranks + 1) / n_free) ** n_draws - (np.maximum(ranks, 0) / n_free) ** n_draws)
    result = np.empty(scores.shape)
    np.put_along_axis(result, order, by_rank, axis=1)
    return result


class OfItem(NamedTuple):
    """What is to be minimised for an item. The weights of both roles add up to one."""

    users: np.ndarray  # (n_users, width): of those who have it
    negatives: np.ndarray  # (n_negatives, width)
    weights: np.ndarray  # (n_users, n_negatives): 0 for what users have
    others: np.ndarray  # (n_others, width)
    other_losses: OtherLosses
    other_weights: np.ndarray  # (n_others,): 0 for those who have the item
    regularization: np.ndarray  # (width,)

    @classmethod
    def with_users(cls, users: np.ndarray, known: Known) -> OfItem:
        """Gather, in the type of the factors, who has an item and who has not; users are ascending."""
        other_weights = np.where(np.isin(known.others, users), 0, known.other_weights)
        chosen = users
        if len(users) > N_USERS:
            chosen = np.sort(np.random.default_rng(SEED).choice(users, N_USERS, replace=False))
        weights = chances(known.users[chosen] @ known.negatives.T, known.taken[chosen].toarray(), known.n_candidates)
        weights *= len(users) / max(len(chosen), 1)
        as_positive = weights.sum()
        as_negative = max(known.rates.sum() - known.rates[users].sum(), 0) if other_weights.any() else 0.0
        total = max(as_positive + as_negative, TINY)
        strengths = known.strengths
        regularization = np.full(known.users.shape[1], strengths["bias"])
        of_vector = as_positive * strengths["positive"] + as_negative * strengths["negative"]
        regularization[: known.users.shape[1] - known.has_biases] = of_vector / total
        dtype = known.users.dtype
        return cls(
            known.users[chosen],
            known.negatives,
            (weights / total).astype(dtype),
            known.other_rows,
            known.other_losses,
            (other_weights * (as_negative / total / max(other_weights.sum(), TINY))).astype(dtype),
            np.maximum(regularization, MIN_REGULARIZATION).astype(dtype),
        )

    def derivatives(self, row: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return (f, f', f'') at the row (q, b), or q in a model without biases."""
        losses, slopes, curvatures = self.other_losses.at(self.others @ row)
        value = float(losses @ self.other_weights) + float(self.regularization @ row**2) / 2
        gradient = self.regularization * row + (slopes * self.other_weights) @ self.others
        scaled = np.sqrt(curvatures * self.other_weights)[:, None] * self.others
        hessian = scaled.T @ scaled
        for piece in slices(len(self.users), BLOCK_SIZE // len(self.negatives)):
            users, weights = self.users[piece], self.weights[piece]
            margins = users @ self.negatives.T - (users @ row)[:, None]
            losses, slopes = _newton.softplus_and_sigmoid(margins)
            value += float((losses * weights).sum())
            curvatures = (slopes * (1 - slopes) * weights).sum(axis=1)
            gradient -= (slopes * weights).sum(axis=1) @ users
            scaled = np.sqrt(curvatures)[:, None] * users
            hessian += scaled.T @ scaled
        hessian.flat[:: len(row) + 1] += self.regularization
        return value, gradient, hessian


def fold_in_items(
    item_users: scipy.sparse.csr_array,  # (n_items, n_users): who has which new item, canonical
    known: Known,
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the items' biases and vectors, float32 (n_items,) and (n_items, factors).

    An item without users has a vector of zeros, and the bias of one that is drawn as a negative only.
    """
    n_items = item_users.shape[0]
    rows = np.zeros((n_items, known.users.shape[1]), dtype=np.float32)
    factors = known.users.shape[1] - known.has_biases
    near = _newton.NEAR if known.n_candidates == 1 else NEAR_WITH_BENDS

    def fold_in(item: int) -> None:
        users = item_users.indices[item_users.indptr[item] : item_users.indptr[item + 1]]
        rows[item] = _newton.minimum(OfItem.with_users(users, known), np.zeros(rows.shape[1], known.users.dtype), near)
        if len(users) == 0:
            rows[item, :factors] = 0

    _newton.for_each(n_items, num_threads, fold_in)
    biases = rows[:, factors].copy() if known.has_biases else np.zeros(n_items, dtype=np.float32)
    return biases, rows[:, :factors].copy()
