"""Vectors of users whom training has not seen, with the items' vectors and biases as they are.

For a user with the items P, and the negatives N, let t_ij = b_j + p . q_j - b_i - p . q_i. The vector is the minimum of

    f(p) = mean over i in P, j in N of softplus(t_ij) + regularization / 2 * |p|^2,    softplus(t) = ln(1 + exp(t)),

which is the loss that training lowers by one triplet at a time (Rendle et al., 2009), with the items fixed. With
s_ij = sigmoid(t_ij) and w_ij = s_ij (1 - s_ij), all means over P x N:

    f'(p)  = mean of s_ij (q_j - q_i) + regularization * p
    f''(p) = mean of w_ij (q_j - q_i) (q_j - q_i)^T + regularization * 1

f is strictly convex for a positive regularization, so Newton's method, with steps halved until f falls far enough, finds
its only minimum from anywhere. N is one sample of items for all users, without those that the user has: a negative that
is drawn anew in each step would keep the method from coming to rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.special

MIN_REGULARIZATION = 1e-4  # without any, the vector of a user whose items can be told from the others is infinite
N_NEGATIVES = 1000
SEED = 0  # of the sample of negatives
BLOCK_SIZE = 2**21  # pairs of a positive and a negative, or entries of all matrices f'', at a time
MAX_STEPS = 30
MAX_HALVINGS = 30
SMALL_GRADIENT = 1e-6
ENOUGH = 1e-4  # of the fall that the gradient promises; Armijo's rule


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
    items, biases = item_factors.astype(np.float64), item_biases.astype(np.float64)
    user_items = scipy.sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=(n_users, n_items))
    for users in blocks(np.diff(indptr), len(negatives), factors):
        problem = problem_of(user_items[users], items, biases, negatives, max(regularization, MIN_REGULARIZATION))
        vectors[users] = minimum(problem)
    return vectors


def blocks(n_positives: np.ndarray, n_negatives: int, factors: int) -> Iterator[np.ndarray]:
    """Divide the users who have items into blocks of about as many each, so that padding them costs little."""
    by_size = np.argsort(n_positives, kind="stable")
    by_size = by_size[n_positives[by_size] > 0]
    while len(by_size):
        largest = np.maximum(n_positives[by_size] * n_negatives, max(n_negatives * factors, factors**2))
        fitting = np.searchsorted(largest * np.arange(1, len(by_size) + 1), BLOCK_SIZE, side="right")
        yield by_size[: max(fitting, 1)]
        by_size = by_size[max(fitting, 1) :]


class Problem(NamedTuple):
    """What is to be minimised for a block of users; positives are padded, and both sides' weights add up to one."""

    positives: np.ndarray  # (n_users, most positives, factors)
    positive_biases: np.ndarray  # (n_users, most positives)
    positive_weights: np.ndarray  # 1 / |P|, 0 where padded
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
        size = max(1, BLOCK_SIZE // max(1, n_users * len(self.negatives)))
        for first in range(0, n_positives, size):
            yield slice(first, first + size)

    def margins(self, vectors: np.ndarray, piece: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return (t_ij, the weight of each pair) of some positives, both (n_users, n_positives, n_negatives)."""
        positive = np.einsum("uif,uf->ui", self.positives[:, piece], vectors) + self.positive_biases[:, piece]
        negative = vectors @ self.negatives.T + self.negative_biases
        weights = self.positive_weights[:, piece, None] * self.negative_weights[:, None, :]
        return negative[:, None, :] - positive[:, :, None], weights

    def values(self, vectors: np.ndarray) -> np.ndarray:
        """Return f of every user, (n_users,)."""
        total = self.regularization / 2 * (vectors**2).sum(axis=1)
        for piece in self.pieces():
            margins, weights = self.margins(vectors, piece)
            total += np.einsum("uij,uij->u", weights, np.logaddexp(0, margins))
        return total

    def derivatives(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (f', f'') of every user, (n_users, factors) and (n_users, factors, factors).

        The pairs are added up over either side first, so that nothing has pairs and factors for axes:
        sum of w_ij (q_j - q_i) (q_j - q_i)^T is the sum of (w_i. q_i - v_i) q_i^T, less the sum of q_i v_i^T, with
        v_i = sum over j of w_ij q_j, and the sum of w_.j q_j q_j^T.
        """
        n_users, factors = vectors.shape
        gradient = self.regularization * vectors
        hessian = np.repeat(self.regularization * np.eye(factors)[None], n_users, axis=0)
        curvature_of_negatives = np.zeros(self.negative_weights.shape)
        for piece in self.pieces():
            margins, weights = self.margins(vectors, piece)
            slopes = scipy.special.expit(margins)
            curvatures = weights * slopes * (1 - slopes)
            slopes *= weights
            positives = self.positives[:, piece]
            gradient += slopes.sum(axis=1) @ self.negatives - np.einsum("ui,uif->uf", slopes.sum(axis=2), positives)
            mixed = curvatures @ self.negatives
            own = curvatures.sum(axis=2)[:, :, None] * positives - mixed
            hessian += positives.transpose(0, 2, 1) @ own - mixed.transpose(0, 2, 1) @ positives
            curvature_of_negatives += curvatures.sum(axis=1)
        hessian += (self.negatives.T * curvature_of_negatives[:, None, :]) @ self.negatives
        return gradient, hessian


def problem_of(
    user_items: scipy.sparse.csr_array,
    item_factors: np.ndarray,
    item_biases: np.ndarray,
    negatives: np.ndarray,
    regularization: float,
) -> Problem:
    """Lay out the positives of users who all have some, and which negatives are theirs."""
    n_positives = np.diff(user_items.indptr)
    padded = np.arange(n_positives.max()) >= n_positives[:, None]
    items = np.zeros(padded.shape, dtype=user_items.indices.dtype)
    items[~padded] = user_items.indices
    allowed = ~user_items[:, negatives].toarray()
    return Problem(
        item_factors[items],
        item_biases[items],
        ~padded / n_positives[:, None],
        item_factors[negatives],
        item_biases[negatives],
        allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1),
        regularization,
    )


def minimum(problem: Problem) -> np.ndarray:
    """Return the vectors, float64 (n_users, factors), at which the values of a problem are least."""
    vectors = np.zeros((len(problem.positives), problem.negatives.shape[1]))
    running = np.arange(len(vectors))
    for _ in range(MAX_STEPS):
        part = problem.of_users(running)
        gradient, hessian = part.derivatives(vectors[running])
        unfinished = np.abs(gradient).max(axis=1) > SMALL_GRADIENT
        running, gradient, hessian = running[unfinished], gradient[unfinished], hessian[unfinished]
        if not len(running):
            break
        step = -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        vectors[running] += step * step_lengths(part.of_users(unfinished), vectors[running], step, gradient)[:, None]
    return vectors


def step_lengths(problem: Problem, vectors: np.ndarray, step: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return how much of every user's step to take: 1, 1/2, 1/4 ..., the first at which the value falls enough."""
    lengths = np.ones(len(vectors))
    before, promised = problem.values(vectors), (step * gradient).sum(axis=1)
    trying = np.arange(len(vectors))
    for _ in range(MAX_HALVINGS):
        after = problem.of_users(trying).values(vectors[trying] + lengths[trying, None] * step[trying])
        trying = trying[~(after <= before[trying] + ENOUGH * lengths[trying] * promised[trying])]
        if not len(trying):
            return lengths
        lengths[trying] /= 2
    lengths[trying] = 0  # rounding hides what is left to gain
    return lengths
