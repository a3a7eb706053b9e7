"""Vectors of users whom training has not seen, with the items' vectors and biases as they are.

For a user with the items P, and the negatives N, let t_ij = b_j + p . q_j - b_i - p . q_i. The vector is the minimum of

    f(p) = mean over i in P, j in N of softplus(t_ij) + regularization / 2 * |p|^2,    softplus(t) = ln(1 + exp(t)),

which is the loss that training lowers by one triplet at a time (Rendle et al., 2009), with the items fixed. With
s_ij = sigmoid(t_ij) and w_ij = s_ij (1 - s_ij), all means over P x N:

    f'(p)  = mean of s_ij (q_j - q_i) + regularization * p
    f''(p) = mean of w_ij (q_j - q_i) (q_j - q_i)^T + regularization * 1

f is strictly convex for a positive regularization, so Newton's method, with steps shortened until f falls enough,
finds its only minimum from anywhere. N is one sample of items for all users, without those that the user has: negatives
drawn anew for each step would keep the method from coming to rest, and others for each user would cost more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _alignment, _labels, _validation
from fastbpr._blocks import slices

MIN_REGULARIZATION = 1e-4  # without any, the vector of a user whose items can be told from the others is infinite
N_NEGATIVES = 1000
SEED = 0  # of the sample of negatives
BLOCK_SIZE = 2**20  # pairs of a positive and a negative, or entries of any other array, at a time
MAX_STEPS = 100  # of which Newton's method takes five to ten
SMALL = 1e-9  # what is left to gain, relative to the value, when a vector is good enough
ENOUGH = 1e-4  # of the fall that the gradient promises; Armijo's rule
ROUNDING = 1e-5  # how exact values are in float32, relative to them


def items_of(user_items: Any, item_labels: np.ndarray | None, n_items: int) -> scipy.sparse.csr_array:
    """Return who has which of a model's items: by their labels where both sides have them, else by columns."""
    labels = getattr(user_items, "item_labels", None)
    if labels is None or item_labels is None or np.array_equal(labels, item_labels):
        return _validation.check_rows_of_items("user_items", user_items, n_items)
    matrix = _validation.check_user_items("user_items", user_items, allow_empty=True)
    columns = _alignment.known_rows(labels, item_labels)
    _validation.check_some_known("user_items", "item", columns, labels, item_labels)
    known = np.flatnonzero(columns != _labels.MISSING)
    entries = matrix[:, known].tocoo()
    found = scipy.sparse.csr_array(
        (entries.data, (entries.row, columns[known][entries.col])), shape=(matrix.shape[0], n_items)
    )
    found.sort_indices()
    return found


def fold_in_users(
    item_factors: np.ndarray,  # (n_items, factors)
    item_biases: np.ndarray,  # (n_items,)
    indptr: np.ndarray,  # (n_users + 1,)
    indices: np.ndarray,  # the items that each user has, ascending
    regularization: float,
    n_negatives: int = N_NEGATIVES,
) -> np.ndarray:
    """Return the users' vectors, float32 (n_users, factors); zero for those with no item, or with every negative."""
    n_users, (n_items, factors) = len(indptr) - 1, item_factors.shape
    vectors = np.zeros((n_users, factors), dtype=np.float32)
    rng = np.random.default_rng(SEED)
    negatives = np.sort(rng.choice(n_items, min(n_negatives, n_items), replace=False))
    user_items = scipy.sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=(n_users, n_items))
    for users in blocks(np.diff(indptr), len(negatives), factors):
        problem = problem_of(
            user_items[users], item_factors, item_biases, negatives, max(regularization, MIN_REGULARIZATION)
        )
        vectors[users] = minimum(problem)
    return vectors


def blocks(n_positives: np.ndarray, n_negatives: int, factors: int) -> Iterator[np.ndarray]:
    """Divide the users who have items into blocks of about as many each, so that padding them costs little."""
    by_size = np.argsort(n_positives, kind="stable")
    by_size = by_size[n_positives[by_size] > 0]
    while len(by_size):
        largest = np.maximum(n_positives[by_size] * n_negatives, max(n_negatives, factors) * factors)
        n_fitting = np.searchsorted(largest * np.arange(1, len(by_size) + 1), BLOCK_SIZE, side="right")
        n_fitting = max(int(n_fitting), 1)
        yield by_size[:n_fitting]
        by_size = by_size[n_fitting:]


class Problem(NamedTuple):
    """What is to be minimised for a block of users. Positives are padded; the weights of either side add up to one."""

    positives: np.ndarray  # (n_users, most positives, factors)
    positive_biases: np.ndarray  # (n_users, most positives)
    positive_weights: np.ndarray  # (n_users, most positives): 1 / |P|, 0 where padded
    negatives: np.ndarray  # (n_negatives, factors)
    negative_biases: np.ndarray  # (n_negatives,)
    negative_weights: np.ndarray  # (n_users, n_negatives): 1 / |N|, 0 for items that the user has
    regularization: float

    def of_users(self, chosen: np.ndarray) -> Problem:
        """Return the same for some of the users."""
        per_user = ("positives", "positive_biases", "positive_weights", "negative_weights")
        return self._replace(**{name: getattr(self, name)[chosen] for name in per_user})

    def pieces(self) -> Iterator[slice]:
        """Divide the positives, for users who have very many."""
        n_users, n_positives = self.positive_weights.shape
        return slices(n_positives, BLOCK_SIZE // (n_users * len(self.negatives)))

    def derivatives(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (f, f', f'') of every user, of shapes (n_users,), (n_users, factors), (n_users, factors, factors).

        Pairs are added up over one side first, so that no array has axes for both sides and the factors. With
        v_i = sum over j of w_ij q_j, the sum of w_ij (q_j - q_i) (q_j - q_i)^T is that of q_i (w_i. q_i - v_i)^T, less
        that of v_i q_i^T, and that of w_.j q_j q_j^T.
        """
        value = self.regularization / 2 * (vectors**2).sum(axis=1)
        gradient = self.regularization * vectors
        hessian = np.repeat(
            self.regularization * np.eye(vectors.shape[1], dtype=vectors.dtype)[None], len(value), axis=0
        )
        negative_scores = vectors @ self.negatives.T + self.negative_biases
        slopes_of_negatives, curvatures_of_negatives = np.zeros((2, *negative_scores.shape), dtype=vectors.dtype)
        weights = self.negative_weights[:, :, None]
        weighted_negatives = weights * self.negatives
        for piece in self.pieces():
            positives, positive_weights = self.positives[:, piece], self.positive_weights[:, piece]
            positive_scores = (positives @ vectors[:, :, None])[:, :, 0] + self.positive_biases[:, piece]
            losses, slopes = softplus_and_sigmoid(negative_scores[:, None, :] - positive_scores[:, :, None])
            curvatures = slopes * (1 - slopes)

            value += ((losses @ weights)[:, :, 0] * positive_weights).sum(axis=1)
            slopes_of_negatives += (positive_weights[:, None, :] @ slopes)[:, 0]
            gradient -= (((slopes @ weights)[:, :, 0] * positive_weights)[:, None, :] @ positives)[:, 0]
            curvatures_of_negatives += (positive_weights[:, None, :] @ curvatures)[:, 0]
            mixed = positive_weights[:, :, None] * (curvatures @ weighted_negatives)
            own = positive_weights[:, :, None] * (curvatures @ weights) * positives
            hessian += positives.transpose(0, 2, 1) @ (own - mixed) - mixed.transpose(0, 2, 1) @ positives
        gradient += (slopes_of_negatives * self.negative_weights) @ self.negatives
        hessian += weighted_negatives.transpose(0, 2, 1) @ (curvatures_of_negatives[:, :, None] * self.negatives)
        return value, gradient, hessian


def softplus_and_sigmoid(margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ln(1 + exp(t)) and its slope 1 / (1 + exp(-t)), from one exponential that cannot overflow."""
    small = np.exp(-np.abs(margins))
    return np.maximum(margins, 0) + np.log(1 + small), np.where(margins > 0, 1, small) / (1 + small)


def problem_of(
    user_items: scipy.sparse.csr_array,
    item_factors: np.ndarray,
    item_biases: np.ndarray,
    negatives: np.ndarray,
    regularization: float,
) -> Problem:
    """Lay out, in the type of the factors, what users have, at least one item each, and which negatives are theirs."""
    n_positives = np.diff(user_items.indptr)
    present = np.arange(n_positives.max()) < n_positives[:, None]
    items = np.zeros(present.shape, dtype=user_items.indices.dtype)
    items[present] = user_items.indices
    allowed = ~user_items[:, negatives].toarray()
    return Problem(
        item_factors[items],
        item_biases[items],
        (present / n_positives[:, None]).astype(item_factors.dtype),
        item_factors[negatives],
        item_biases[negatives],
        (allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)).astype(item_factors.dtype),
        regularization,
    )


def minimum(problem: Problem) -> np.ndarray:
    """Return the vectors, (n_users, factors), at which the values of a problem are least, by a damped Newton's method.

    Every user goes a step where the value falls enough, and tries a shorter one from the same place where it does not,
    until the next step promises next to nothing.
    """
    best = np.zeros((len(problem.positives), problem.negatives.shape[1]), dtype=problem.negatives.dtype)
    value, lengths, promised = (np.full(len(best), number) for number in (np.inf, 1.0, 0.0))
    steps = np.zeros(best.shape)
    running = np.arange(len(best))
    for _ in range(MAX_STEPS):
        tried = (best[running] + lengths[running, None] * steps[running]).astype(best.dtype)
        reached, gradient, hessian = problem.derivatives(tried)
        fell = reached <= value[running] * (1 + ROUNDING) + ENOUGH * lengths[running] * promised[running]
        users, gradient, hessian = running[fell], gradient[fell].astype(np.float64), hessian[fell].astype(np.float64)
        best[users], value[users], lengths[users] = tried[fell], reached[fell], np.minimum(2 * lengths[users], 1)
        steps[users] = -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        promised[users] = (steps[users] * gradient).sum(axis=1)
        lengths[running[~fell]] /= 4
        finished = np.zeros(len(running), dtype=bool)
        finished[fell] = -promised[users] <= SMALL * value[users]
        if finished.all():
            break
        if finished.any():
            running, problem = running[~finished], problem.of_users(~finished)
    return best
