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
from fastbpr._fold_in import BLOCK_SIZE, MIN_REGULARIZATION, SEED, Negatives, columns_of

N_OTHERS = 4000  # interactions in S
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


class Known(NamedTuple):
    """What every new item is fitted to. Rows are (p_u, 1) and (q_j, b_j), or p_u and q_j in a model without biases."""

    users: np.ndarray  # (n_users, width)
    rates: np.ndarray  # (n_users,): how often an item that the user has not is a negative of the user's in an epoch
    negatives: np.ndarray  # (n_negatives, width)
    taken: scipy.sparse.csr_array  # bool (n_users, n_negatives): which of these users have
    others: np.ndarray  # (n_others,): the users of S, ...
    other_rows: np.ndarray  # (n_others, width): ... their rows, ...
    other_scores: np.ndarray  # (n_others,): ... what each gives the item, ...
    other_weights: np.ndarray  # (n_others,): ... and what each counts
    strengths: Mapping[str, float]  # with the keys "positive", "negative" and "bias"
    has_biases: bool

    @classmethod
    def of(
        cls,
        factors: tuple[np.ndarray, np.ndarray, np.ndarray],  # of users and items, and the items' biases
        liked: tuple[np.ndarray, np.ndarray],  # (indptr, indices) of what users have
        negatives: Negatives,
        strengths: Mapping[str, float],
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
        return cls(
            rows,
            n_liked / (shape[1] + 1 - n_liked),
            negative_rows,
            scipy.sparse.csr_array(taken[:, negatives.items]),
            others,
            rows[others],
            np.einsum("nf,nf->n", users[others], items[their_items]) + biases[their_items],
            1 / (shape[1] + 1 - n_liked[others]),
            strengths,
            has_biases,
        )


class OfItem(NamedTuple):
    """What is to be minimised for an item. The weights of both roles add up to one."""

    users: np.ndarray  # (n_users, width): of those who have it
    negatives: np.ndarray  # (n_negatives, width)
    weights: np.ndarray  # (n_users, n_negatives): 0 for what users have
    others: np.ndarray  # (n_others, width)
    other_scores: np.ndarray  # (n_others,)
    other_weights: np.ndarray  # (n_others,): 0 for those who have the item
    regularization: np.ndarray  # (width,)

    @classmethod
    def with_users(cls, users: np.ndarray, known: Known) -> OfItem:
        """Gather, in the type of the factors, who has an item and who has not; users are ascending."""
        weights = (~known.taken[users].toarray()).astype(np.float64)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
        other_weights = np.where(np.isin(known.others, users), 0, known.other_weights)
        as_positive = weights.sum()
        as_negative = max(known.rates.sum() - known.rates[users].sum(), 0) if other_weights.any() else 0.0
        total = max(as_positive + as_negative, TINY)
        strengths = known.strengths
        regularization = np.full(known.users.shape[1], strengths["bias"])
        of_vector = as_positive * strengths["positive"] + as_negative * strengths["negative"]
        regularization[: known.users.shape[1] - known.has_biases] = of_vector / total
        dtype = known.users.dtype
        return cls(
            known.users[users],
            known.negatives,
            (weights / total).astype(dtype),
            known.other_rows,
            known.other_scores,
            (other_weights * (as_negative / total / max(other_weights.sum(), TINY))).astype(dtype),
            np.maximum(regularization, MIN_REGULARIZATION).astype(dtype),
        )

    def derivatives(self, row: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return (f, f', f'') at the row (q, b), or q in a model without biases."""
        losses, slopes = _newton.softplus_and_sigmoid(self.others @ row - self.other_scores)
        value = float(losses @ self.other_weights) + float(self.regularization @ row**2) / 2
        gradient = self.regularization * row + (slopes * self.other_weights) @ self.others
        scaled = np.sqrt(slopes * (1 - slopes) * self.other_weights)[:, None] * self.others
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

    def fold_in(item: int) -> None:
        users = item_users.indices[item_users.indptr[item] : item_users.indptr[item + 1]]
        rows[item] = _newton.minimum(OfItem.with_users(users, known), np.zeros(rows.shape[1], known.users.dtype))
        if len(users) == 0:
            rows[item, :factors] = 0

    _newton.for_each(n_items, num_threads, fold_in)
    biases = rows[:, factors].copy() if known.has_biases else np.zeros(n_items, dtype=np.float32)
    return biases, rows[:, :factors].copy()
