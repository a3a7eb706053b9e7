"""From LightFM's parameters and matrices to a fit of `fastbpr.HybridBPR`, and back to embeddings of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr.compat.lightfm._own_columns import Columns
from fastbpr.errors import TrainingError
from fastbpr.hybrid import HybridBPR

LOSSES = {"logistic": "logistic", "bpr": "bpr", "warp": "warp", "warp-kos": "k-os-warp"}  # LightFM's names, and ours
START_SIZE = 12**-0.5  # standard deviation of what LightFM starts from, times the number of components

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]  # (embeddings, biases) of the columns, of "user" and "item"


class Side(NamedTuple):
    """The features of users or of items."""

    features: scipy.sparse.csr_array | None  # None for the identity
    columns: Columns

    @classmethod
    def of(cls, what: str, features: Any, n_rows: int) -> Side:
        """Check a matrix, and tell its columns apart."""
        if features is None:
            return cls(None, Columns.identity(n_rows))
        matrix = _validation.check_lightfm_features(what, features, n_rows, None)
        return cls(matrix, Columns.of(matrix))

    def rows(self, array: np.ndarray) -> np.ndarray:
        """Return the vectors, or biases, of the rows, from those of the columns."""
        return array if self.features is None else self.features @ array

    def shared(self) -> scipy.sparse.csr_array | None:
        """Return the part of the matrix that is no row's own; None if that is all of it."""
        has_shared = len(self.columns.shared) or not len(self.columns.own)
        return self.features[:, self.columns.shared] if has_shared else None


class TrainingData(NamedTuple):
    """What there is to learn from: canonical matrices of users and items."""

    positives: scipy.sparse.csr_array
    negatives: scipy.sparse.csr_array  # for the logistic loss only
    weights: scipy.sparse.csr_array | None  # of both; None if all count the same

    @classmethod
    def of(cls, interactions: scipy.sparse.coo_matrix, weights: np.ndarray | None, loss: str) -> TrainingData:
        """Divide interactions by their signs. Weights of an entry that is stored twice add up."""
        weight = np.ones(len(interactions.data), dtype=np.float32) if weights is None else weights
        counts = (weight > 0) & ((interactions.data > 0) | (loss == "logistic"))
        positives, negatives = (
            matrix_of(interactions, counts & signs, weight) for signs in (interactions.data > 0, interactions.data <= 0)
        )
        everything = positives + negatives
        differ = everything.nnz > 0 and everything.data.min() != everything.data.max()
        return cls(positives, negatives, everything if differ and loss != "warp-kos" else None)

    def can_teach(self, loss: str) -> bool:
        """Whether there is anything to learn from: for a loss that ranks, a user who lacks an item."""
        if loss == "logistic":
            return self.positives.nnz + self.negatives.nnz > 0
        n_positives, n_items = np.diff(self.positives.indptr), self.positives.shape[1]
        return bool(((n_positives > 0) & (n_positives < n_items)).any())


def matrix_of(interactions: scipy.sparse.coo_matrix, chosen: np.ndarray, weight: np.ndarray) -> scipy.sparse.csr_array:
    """Return the weights of the chosen interactions."""
    rows, columns = interactions.row[chosen], interactions.col[chosen]
    matrix = scipy.sparse.csr_array((weight[chosen], (rows, columns)), shape=interactions.shape)
    matrix.sum_duplicates()
    return matrix


def drawn(n_rows: int, no_components: int, rng: np.random.Generator) -> np.ndarray:
    """Draw embeddings to start from."""
    scale = np.float32(START_SIZE / no_components)
    return rng.standard_normal((n_rows, no_components), dtype=np.float32) * scale


def trained(
    parameters: Mapping[str, Any],
    data: TrainingData,
    sides: Mapping[str, Side],
    arrays: Arrays,
    epochs_before: int,
    epochs: int,
    seed: int,
    num_threads: int,
    verbose: bool,
) -> Arrays:
    """Return what training makes of the arrays."""
    # Optimisers remember how far rows have moved, and popular rows move less. Where rows are nothing but their features,
    # that makes popular ones count for too little among those that share a feature.
    rows_have_own = all(len(side.columns.own) for side in sides.values())
    model = HybridBPR(
        parameters["no_components"],
        parameters["learning_rate"],
        {
            "user": parameters["user_alpha"],
            "positive": parameters["item_alpha"],
            "negative": parameters["item_alpha"],
            "bias": parameters["item_alpha"],
        },
        num_threads=num_threads,
        random_state=seed,
        loss=LOSSES[parameters["loss"]],
        optimizer=parameters["learning_schedule"] if rows_have_own else "sgd",
        max_sampled=parameters["max_sampled"],
        learning_rate_decay="constant",
        own_vectors={what: len(side.columns.own) > 0 for what, side in sides.items()},
        # To LightFM a row's own column is a column like others: it follows training at once, and is never left out.
        item_own_rate=1,
        user_own_rate=1,
        hidden_items=0,
    )
    shared = {what: side.shared() for what, side in sides.items()}
    begin(model, sides, arrays, epochs_before)
    options = {f"{what}_features": matrix for what, matrix in shared.items()}
    try:
        model.fit_partial(data.positives, iterations=epochs, weights="ignore", show_progress=verbose, **options)
    except TrainingError as error:
        _validation.refuse_divergence(error)
    return {what: result_of(model, what, side, *arrays[what]) for what, side in sides.items()}


def begin(model: HybridBPR, sides: Mapping[str, Side], arrays: Arrays, n_epochs: int) -> None:
    """Put a model where training is to go on."""
    components = {}
    for what, side in sides.items():
        if side.shared() is None:
            continue
        embeddings, biases = arrays[what]
        components[f"{what}_feature_factors"], components[f"{what}_own_factors"] = side.columns.apart(embeddings)
        if what == "item":
            components["item_feature_biases"], components["item_own_biases"] = side.columns.apart(biases)
    users, (items, item_biases) = sides["user"].rows(arrays["user"][0]), map(sides["item"].rows, arrays["item"])
    factors = tuple(np.array(array, dtype=np.float32, order="C") for array in (users, items, item_biases))
    model._set_fitted(factors, components=components, n_epochs=n_epochs)


def result_of(
    model: HybridBPR, what: str, side: Side, embeddings: np.ndarray, biases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and biases of all columns of one side after training."""
    columns = side.columns
    has_parts = side.shared() is not None
    parts = [getattr(model, f"{what}_{part}_factors") for part in ("feature", "own")] if has_parts else None
    if parts is None:
        parts = [embeddings[:0], getattr(model, f"{what}_factors")]
    embeddings = columns.put_together(*parts, embeddings)
    if what == "user":
        return embeddings, biases
    if has_parts:
        return embeddings, columns.put_together(model.item_feature_biases, model.item_own_biases, biases)
    return embeddings, columns.put_together(biases[:0], model.item_biases, biases)
