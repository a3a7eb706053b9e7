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

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _alignment, _labels, _newton, _validation
from fastbpr._blocks import slices

MIN_REGULARIZATION = 1e-4  # without any, the vector of a user whose items can be told from the others is infinite
N_NEGATIVES = 1000
SEED = 0  # of the sample of negatives
BLOCK_SIZE = 2**18  # pairs of a positive and a negative at a time


def items_of(user_items: Any, item_labels: np.ndarray | None, n_items: int) -> scipy.sparse.csr_array:
    """Return who has which of a model's items: by their labels where both sides have them, else by columns."""
    labels = getattr(user_items, "item_labels", None)
    if labels is None or item_labels is None or np.array_equal(labels, item_labels):
        return _validation.check_rows_of_items("user_items", user_items, n_items)
    matrix = _validation.check_user_items("user_items", user_items, allow_empty=True)
    return columns_of("user_items", "item", matrix, labels, item_labels)


def columns_of(
    name: str, what: str, matrix: scipy.sparse.csr_array, labels: np.ndarray, known: np.ndarray
) -> scipy.sparse.csr_array:
    """Return a matrix with the columns of known labels, in their order; those of others are left out."""
    columns = _alignment.known_rows(labels, known)
    _validation.check_some_known(name, what, columns, labels, known)
    kept = np.flatnonzero(columns != _labels.MISSING)
    entries = matrix[:, kept].tocoo()
    found = scipy.sparse.csr_array(
        (entries.data, (entries.row, columns[kept][entries.col])), shape=(matrix.shape[0], len(known))
    )
    found.sort_indices()
    return found


class Negatives(NamedTuple):
    """The sample of items that all newcomers are compared with, and what follows from it for all of them."""

    items: np.ndarray  # ascending
    vectors: np.ndarray  # (n_negatives, factors)
    biases: np.ndarray  # (n_negatives,)
    mean: np.ndarray  # (factors,): of the vectors, and ...
    moment: np.ndarray  # (factors, factors): ... of their products with themselves

    @classmethod
    def of(cls, item_factors: np.ndarray, item_biases: np.ndarray, n_negatives: int = N_NEGATIVES) -> Negatives:
        """Draw the sample: the same ones for as many items."""
        n_items = len(item_factors)
        rng = np.random.default_rng(SEED)
        items = np.sort(rng.choice(n_items, min(n_negatives, n_items), replace=False))
        vectors = item_factors[items]
        return cls(items, vectors, item_biases[items], vectors.mean(axis=0), vectors.T @ vectors / len(vectors))

    def places(self, items: np.ndarray) -> np.ndarray:
        """Return where in the sample some ascending items are, of those that are in it."""
        places = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return places[self.items[places] == items]


class OfUser(NamedTuple):
    """What is to be minimised for a user with one item at least."""

    positives: np.ndarray  # (n_positives, factors)
    positive_biases: np.ndarray  # (n_positives,)
    negatives: np.ndarray  # (n_negatives, factors)
    negative_biases: np.ndarray  # (n_negatives,)
    weights: np.ndarray  # (n_negatives,): 1 / |N|, 0 for items that the user has
    regularization: float

    @classmethod
    def with_items(
        cls,
        items: np.ndarray,  # ascending
        item_factors: np.ndarray,
        item_biases: np.ndarray,
        negatives: Negatives,
        regularization: float,
    ) -> OfUser:
        """Gather, in the type of the factors, what a user has and has not."""
        weights = np.ones(len(negatives.items), dtype=item_factors.dtype)
        weights[negatives.places(items)] = 0
        weights /= max(weights.sum(), 1)
        return cls(
            item_factors[items], item_biases[items], negatives.vectors, negatives.biases, weights, regularization
        )

    def start(self, negatives: Negatives) -> np.ndarray:
        """Return where one Newton step leads from zero, with biases and what the user has of the sample left out."""
        mean = self.positives.mean(axis=0)
        crossed = np.outer(mean, negatives.mean)
        moments = self.positives.T @ self.positives / len(self.positives) + negatives.moment - crossed - crossed.T
        hessian = moments.astype(np.float64) / 4 + self.regularization * np.eye(len(mean))
        return np.linalg.solve(hessian, (mean - negatives.mean) / 2).astype(self.positives.dtype)

    def derivatives(self, vector: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return (f, f', f'').

        Pairs are added up over one side first, so that no array has axes for both sides and the factors. With
        v_i = sum over j of w_ij q_j, the sum of w_ij (q_j - q_i) (q_j - q_i)^T is that of q_i (w_i. q_i / 2 - v_i)^T,
        of the same transposed, and of w_.j q_j q_j^T.
        """
        n_positives = len(self.positives)
        value = self.regularization / 2 * float(vector @ vector)
        gradient = self.regularization * vector
        negative_scores = self.negatives @ vector + self.negative_biases
        positive_scores = self.positives @ vector + self.positive_biases
        weights = self.weights / vector.dtype.type(n_positives)  # of a pair
        slopes_of_negatives, curvatures_of_negatives = np.zeros((2, len(weights)), dtype=vector.dtype)
        hessian = np.zeros((len(vector), len(vector)), dtype=vector.dtype)
        for piece in slices(n_positives, BLOCK_SIZE // len(weights)):
            positives = self.positives[piece]
            losses, slopes = _newton.softplus_and_sigmoid(negative_scores - positive_scores[piece, None])
            curvatures = slopes * (1 - slopes) * weights
            value += float((losses @ weights).sum())
            slopes_of_negatives += slopes.sum(axis=0)
            curvatures_of_negatives += curvatures.sum(axis=0)
            gradient -= (slopes @ weights) @ positives
            half = curvatures.sum(axis=1)[:, None] / 2 * positives - curvatures @ self.negatives
            hessian += positives.T @ half
        gradient += (slopes_of_negatives * weights) @ self.negatives
        scaled = np.sqrt(curvatures_of_negatives)[:, None] * self.negatives
        hessian += hessian.T + scaled.T @ scaled
        hessian.flat[:: len(vector) + 1] += self.regularization
        return value, gradient, hessian


def fold_in_users(
    item_factors: np.ndarray,  # (n_items, factors)
    item_biases: np.ndarray,  # (n_items,)
    indptr: np.ndarray,  # (n_users + 1,)
    indices: np.ndarray,  # the items that each user has, ascending
    regularization: float,
    negatives: Negatives,
    num_threads: int = 1,
) -> np.ndarray:
    """Return the users' vectors, float32 (n_users, factors); zero for those with no item, or with every negative."""
    n_users = len(indptr) - 1
    vectors = np.zeros((n_users, item_factors.shape[1]), dtype=np.float32)
    strength = max(regularization, MIN_REGULARIZATION)

    def fold_in(user: int) -> None:
        items = indices[indptr[user] : indptr[user + 1]]
        if len(items):
            function = OfUser.with_items(items, item_factors, item_biases, negatives, strength)
            if function.weights.any():
                vectors[user] = _newton.minimum(function, function.start(negatives))

    _newton.for_each(n_users, num_threads, fold_in)
    return vectors
