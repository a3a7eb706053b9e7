"""Vectors of users whom training has not seen, with the items' vectors and biases as they are.

For a user with the items P, and the negatives N, let s_i = b_i + p . q_i. The vector comes near the minimum of

    f(p) = mean over i in P of ln(1 + draws * mean over j in N of exp(s_j - s_i)) + regularization / 2 * |p|^2,

which is strictly convex for a positive regularization. With `draws` negatives in a step of training, it lies above the
mean of training's own loss: of that of a softmax, ln(1 + the sum over the draws of exp(s_j - s_i)), as the logarithm is
concave; and of that of the best of the draws (Rendle et al., 2009, for one of them), as the sum has it among others.
Unlike these, it needs one exp for each item, not for each pair or set of items.

N is one sample of items for all users, without those that the user has: negatives drawn anew for each step would keep
steps from coming to rest, and others for each user would cost more. Where draws are many, what counts are the few best
of the sample, which therefore is larger. `_kernels/newcomers.pyx` takes the steps.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _alignment, _labels, _validation
from fastbpr._kernels import newcomers
from fastbpr._negatives import WARP_LOSSES, Recipe
from fastbpr._tables import LANES, aligned_zeros

MIN_REGULARIZATION = 1e-4  # without any, the vector of a user whose items can be told from the others is infinite
N_NEGATIVES = 1000  # that items are compared with, and ...
N_COMPARED = 800  # ... users, of whom there are more; ...
N_COMPARED_HARD = 1600  # ... where draws are more than ...
HARD = 8
N_FIRST = 128  # of these, that first steps look at
NEAR = 0.1  # what the last two steps may have gained, and a next one promise, relative to the value
SHARE = 32  # users that are worth a thread
SEED = 0  # of the sample of negatives


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


def draws_of(recipe: Recipe) -> float:
    """Return of how many uniform negatives a step of training takes all, or the best, about.

    Those of ``adaptive`` are the best by one factor only: with one draw, lists are better than with more.
    """
    if recipe.loss in WARP_LOSSES:  # they draw until one is good enough, and then weigh the step by how soon that was
        return math.e * recipe.n_negatives
    return recipe.n_compared


class Negatives(NamedTuple):
    """The sample of items that all newcomers are compared with."""

    items: np.ndarray  # ascending
    vectors: np.ndarray  # (n_negatives, factors)
    biases: np.ndarray  # (n_negatives,)

    @classmethod
    def of(cls, item_factors: np.ndarray, item_biases: np.ndarray, n_negatives: int = N_NEGATIVES) -> Negatives:
        """Draw the sample: the same ones for as many items."""
        n_items = len(item_factors)
        rng = np.random.default_rng(SEED)
        items = np.sort(rng.choice(n_items, min(n_negatives, n_items), replace=False))
        return cls(items, item_factors[items], item_biases[items])


class Compared(NamedTuple):
    """The sample as the kernel wants it, which is described there."""

    sampled: np.ndarray  # int32 (n_sampled,): items, ascending
    places: np.ndarray  # int16 (n_sampled,): where they are, in an order that makes of the first ones a sample, too
    rows: np.ndarray  # float32 (n_places, width)
    columns: np.ndarray  # float32 (width, n_places)
    biases: np.ndarray  # float32 (n_places,)
    mean: np.ndarray  # float32 (width,)
    spread: np.ndarray  # float32 (width,)
    basis: np.ndarray  # float32 (width, width)

    @classmethod
    def for_draws(cls, item_factors: np.ndarray, item_biases: np.ndarray, draws: float) -> Compared:
        """Draw a sample that does for so many draws."""
        return cls.of(Negatives.of(item_factors, item_biases, N_COMPARED if draws <= HARD else N_COMPARED_HARD))

    @classmethod
    def of(cls, negatives: Negatives) -> Compared:
        """Lay the sample out, in the basis in which its covariance is diagonal."""
        n_sampled, factors = negatives.vectors.shape
        n_places, width = (-(-n // LANES) * LANES for n in (n_sampled, factors))
        places = np.random.default_rng(SEED).permutation(n_sampled).astype(np.int16)
        vectors = negatives.vectors.astype(np.float64)
        mean = vectors.mean(axis=0)
        spread, basis = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / n_sampled)
        rows = np.zeros((n_places, width), dtype=np.float32)
        rows[places, :factors] = vectors @ basis
        biases = np.zeros(n_places, dtype=np.float32)
        biases[places] = negatives.biases
        return cls(
            negatives.items.astype(np.int32),
            places,
            rows,
            np.ascontiguousarray(rows.T),
            biases,
            padded(mean @ basis, width),
            padded(np.maximum(spread, 0), width),
            padded(basis, width, width),
        )


def padded(array: np.ndarray, *shape: int) -> np.ndarray:
    """Return an array in single precision, with zeros behind what it holds."""
    result = np.zeros(shape, dtype=np.float32)
    result[tuple(map(slice, array.shape))] = array
    return result


def fold_in_users(
    item_factors: np.ndarray,  # (n_items, factors)
    item_biases: np.ndarray,  # (n_items,)
    indptr: np.ndarray,  # (n_users + 1,)
    indices: np.ndarray,  # the items that each user has, ascending
    regularization: float,
    compared: Compared,
    draws: float = 1,
    num_threads: int = 1,
) -> np.ndarray:
    """Return the users' vectors, float32 (n_users, factors); zero for those with no item, or with every negative."""
    n_users = len(indptr) - 1
    vectors = np.zeros((n_users, item_factors.shape[1]), dtype=np.float32)
    if n_users == 0 or len(indices) == 0:
        return vectors
    n_places, width = compared.rows.shape
    size = newcomers.room_for(int(np.diff(indptr).max()), n_places, width)
    newcomers.fold_in_users(
        np.asarray(indptr, dtype=np.int64),
        np.asarray(indices, dtype=np.int32),
        np.ascontiguousarray(item_factors, dtype=np.float32),
        np.ascontiguousarray(item_biases, dtype=np.float32),
        *compared,
        min(N_FIRST, n_places),
        draws,
        max(regularization, MIN_REGULARIZATION),
        NEAR,
        aligned_zeros(max(1, min(num_threads, n_users // SHARE)), size),
        vectors,
        np.zeros(n_users, dtype=np.int32),
    )
    return vectors
