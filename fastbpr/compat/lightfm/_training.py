"""From LightFM's parameters and matrices to a fit of `fastbpr.HybridBPR`, and back to embeddings of columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation
from fastbpr.compat.lightfm._own_columns import Columns
from fastbpr.errors import TrainingError
from fastbpr.hybrid import HybridBPR

LOSSES = {"logistic": "logistic", "bpr": "bpr", "warp": "warp", "warp-kos": "k-os-warp"}  # LightFM's names, and ours
# What the steps of a loss are to be multiplied with to learn as much in an epoch.
RATES = {"bpr": 2, "warp": 1.25}
PLAIN_RATE, LARGEST_PLAIN_RATE = 3, 0.3  # the same of steps that no optimiser scales, and how far that may go
STRONGEST_SHRINKING = 0.15  # of a row in a step; Adagrad's first steps are three times as long
LARGEST_NUMBER = 1024  # of draws for a step; LightFM knows no limit
SMALLEST_EPSILON = 1e-30
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
    """What there is to learn from: canonical matrices of users and items with the same entries."""

    signs: scipy.sparse.csr_array  # 1 for positives and, for the logistic loss, -1 for negatives
    weights: scipy.sparse.csr_array | None  # None if all count the same

    @classmethod
    def of(cls, interactions: scipy.sparse.coo_matrix, weights: np.ndarray | None, loss: str) -> TrainingData:
        """Divide interactions by their signs. What is stored twice adds up; what comes to nothing is left out."""
        signs = np.where(interactions.data > 0, 1, -1 if loss == "logistic" else 0)
        net = signs.astype(np.float32) if weights is None else signs * weights
        matrix = scipy.sparse.csr_array((net, (interactions.row, interactions.col)), shape=interactions.shape)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        sizes = abs(matrix)
        differ = matrix.nnz and sizes.data.min() != sizes.data.max() and loss != "warp-kos"
        matrix.data = np.sign(matrix.data)
        return cls(matrix, sizes if differ else None)

    def can_teach(self, loss: str) -> bool:
        """Whether there is anything to learn from: for a loss that ranks, a user who lacks an item."""
        n_items = self.signs.shape[1]
        n_entries = np.diff(self.signs.indptr)
        return bool(((n_entries > 0) & ((n_entries < n_items) | (loss == "logistic"))).any())

    def silent_users(self) -> np.ndarray:
        """Return the users of whom nothing is known."""
        return np.flatnonzero(np.diff(self.signs.indptr) == 0)


def drawn(side: Side, no_components: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the embeddings of all columns to start from; biases are zero."""
    n_columns = side.columns.n_columns
    embeddings = rng.standard_normal((n_columns, no_components), dtype=np.float32)
    return embeddings * np.float32(START_SIZE / no_components), np.zeros(n_columns, dtype=np.float32)


def trained(
    parameters: Mapping[str, Any],
    data: TrainingData,
    sides: Mapping[str, Side],
    arrays: Arrays,
    progress: tuple[int, int],  # epochs before, and epochs to come
    seed: int,
    num_threads: int,
    verbose: bool,
) -> Arrays:
    """Return what training makes of the arrays."""
    n_before, n_epochs = progress
    has_own = {what: len(side.columns.own) > 0 for what, side in sides.items()}
    model = HybridBPR(
        **translated(parameters, data.signs.shape, rows_are_features=not all(has_own.values())),
        own_vectors=has_own,
        num_threads=num_threads,
        random_state=seed,
    )
    begin(model, sides, arrays, n_before)
    options = {f"{what}_features": side.shared() for what, side in sides.items()}
    weights = "ignore" if data.weights is None else data.weights
    with warnings.catch_warnings():
        # Only positives are said to teach the logistic loss nothing. LightFM's users are used to that.
        warnings.filterwarnings("ignore", "user_items has only", UserWarning)
        try:
            model.fit_partial(data.signs, iterations=n_epochs, weights=weights, show_progress=verbose, **options)
        except TrainingError as error:
            _validation.refuse_divergence(error)
    return {what: result_of(model, what, side, *arrays[what]) for what, side in sides.items()}


def translated(parameters: Mapping[str, Any], shape: tuple[int, int], *, rows_are_features: bool) -> dict[str, Any]:
    """Return LightFM's parameters as those of `HybridBPR`."""
    n_users, n_items = shape
    optimizer = parameters["learning_schedule"]
    # Optimisers remember how far rows have moved, and move popular ones less. Where rows are nothing but features,
    # popular ones would count for too little among those that share one.
    adadelta = optimizer == "adadelta" and not rows_are_features
    factor = RATES.get(parameters["loss"], 1)
    rate = 1.0 if adadelta else parameters["learning_rate"] * factor
    if rows_are_features:
        rate = min(rate * PLAIN_RATE, LARGEST_PLAIN_RATE)
    # LightFM shrinks all rows in every step, we those that it touches: one user, and one item or a pair of them.
    strongest = STRONGEST_SHRINKING / rate
    user = min(parameters["user_alpha"] * n_users / factor, strongest)
    n_touched = 1 if parameters["loss"] == "logistic" else 2
    item = min(parameters["item_alpha"] * n_items / n_touched / factor, strongest)
    given = {
        "factors": parameters["no_components"],
        "loss": LOSSES[parameters["loss"]],
        "learning_rate": rate,
        "learning_rate_decay": "constant",
        "regularization": {"user": user, "positive": item, "negative": item, "bias": item},
        "optimizer": "sgd" if rows_are_features else optimizer,
        "max_sampled": min(parameters["max_sampled"], LARGEST_NUMBER),
        # To LightFM a row's own column is a column like others: it follows training at once, and is never left out.
        "item_own_rate": 1,
        "user_own_rate": 1,
        "hidden_items": 0,
        "feature_rate": 1 if rows_are_features else 0.5,
    }
    if adadelta:
        given |= {"rho": parameters["rho"], "epsilon": max(parameters["epsilon"], SMALLEST_EPSILON)}
    if parameters["loss"] == "warp-kos":
        n = min(parameters["n"], LARGEST_NUMBER)
        given |= {"n_positives": n, "positive_rank": min(parameters["k"], n)}
    return given


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
    (users, user_biases), (items, item_biases) = (
        [np.array(side.rows(array), dtype=np.float32, order="C") for array in arrays[what]]
        for what, side in sides.items()
    )
    fitted = {"user_biases": user_biases} if model.loss == "logistic" else {}
    model._set_fitted((users, items, item_biases), components=components, n_epochs=n_epochs, **fitted)


def result_of(
    model: HybridBPR, what: str, side: Side, embeddings: np.ndarray, biases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and biases of all columns of one side after training, from what they were before."""
    columns = side.columns
    if what == "item":
        composed = model.item_factors, model.item_biases
    else:
        known = getattr(model, "user_biases", None)
        composed = model.user_factors, side.rows(biases) if known is None else known
    parts = []
    for kind, array, rows in zip(("factors", "biases"), (embeddings, biases), composed, strict=True):
        shared, own = columns.apart(array)
        if side.shared() is None:
            own = rows
        elif (what, kind) == ("user", "biases"):  # which features do not have
            own = own + (rows - side.rows(array)) if len(own) else own
        else:
            shared, own = (getattr(model, f"{what}_{part}_{kind}") for part in ("feature", "own"))
        parts.append(columns.put_together(shared, own, array))
    return parts[0], parts[1]
