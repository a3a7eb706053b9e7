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
PARTS = ("feature", "own")  # of what rows are composed of
SUMS = ("user_sums", "item_sums")
# What the learning rate is to be multiplied with to learn as much in an epoch as LightFM does: for some losses, and
# where rows are nothing but their features.
RATES = {"bpr": 2, "warp": 1.25}
RATE_OF_FEATURES = 3
RATE_OF_ADADELTA = {"warp": 0.4, "warp-kos": 0.2}  # in place of these, as Adadelta's steps do not become shorter
STRONGEST = 0.15  # shrinking of a row in a step; Adagrad's first steps are three times as long
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
        matrix = scipy.sparse.csr_array(_validation.check_lightfm_features(what, features, n_rows, None), copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
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


class Memory(NamedTuple):
    """What a model knows of its training, beside what training has made of the arrays."""

    n_epochs: int = 0
    sums: Mapping[str, np.ndarray] = {}  # what the optimiser remembers of rows, by name

    def of_rows(self, shape: tuple[int, int]) -> Memory:
        """Return it without what is about other rows."""
        same = all(len(array) == n for array, n in zip(self.sums.values(), shape, strict=False))
        return self if same else Memory(self.n_epochs)


def trained(
    parameters: Mapping[str, Any],
    data: TrainingData,
    sides: Mapping[str, Side],
    arrays: Arrays,
    memory: Memory,
    *,
    n_epochs: int,
    seed: int,
    num_threads: int,
    verbose: bool,
) -> tuple[Arrays, Memory]:
    """Return what training makes of the arrays and of what is remembered."""
    has_own = {what: len(side.columns.own) > 0 for what, side in sides.items()}
    model = HybridBPR(
        **translated(parameters, data.signs.shape, rows_are_features=not all(has_own.values())),
        own_vectors=has_own,
        num_threads=num_threads,
        random_state=seed,
    )
    begin(model, sides, arrays, memory.of_rows(data.signs.shape))
    options = {f"{what}_features": side.shared() for what, side in sides.items()}
    weights = "ignore" if data.weights is None else data.weights
    with warnings.catch_warnings():
        # Only positives are said to teach the logistic loss nothing. LightFM's users are used to that.
        warnings.filterwarnings("ignore", "user_items has only", UserWarning)
        try:
            model.fit_partial(data.signs, iterations=n_epochs, weights=weights, show_progress=verbose, **options)
        except TrainingError as error:
            _validation.refuse_divergence(error)
    sums = {name: model._components[name] for name in SUMS if name in model._components}
    results = {what: result_of(model, what, side, *arrays[what]) for what, side in sides.items()}
    leave_unseen(results["item"], arrays["item"], sides["item"], data.signs)
    return results, Memory(memory.n_epochs + n_epochs, sums)


def translated(parameters: Mapping[str, Any], shape: tuple[int, int], *, rows_are_features: bool) -> dict[str, Any]:
    """Return LightFM's parameters as those of `HybridBPR`."""
    n_users, n_items = shape
    loss, optimizer = parameters["loss"], parameters["learning_schedule"]
    factor = RATES.get(loss, 1) * (RATE_OF_FEATURES if rows_are_features else 1)
    if optimizer == "adadelta" and loss in RATE_OF_ADADELTA:
        factor = RATE_OF_ADADELTA[loss] * (RATE_OF_FEATURES if rows_are_features else 1)
    rate = factor * (parameters["learning_rate"] if optimizer == "adagrad" else 1.0)
    # LightFM shrinks all rows in every step, we those that it touches: one user, and one item or a pair of them.
    strengths = {"user": parameters["user_alpha"] * n_users}
    item = parameters["item_alpha"] * n_items / (1 if loss == "logistic" else 2)
    strengths |= dict.fromkeys(("positive", "negative", "bias"), item)
    given = {
        "factors": parameters["no_components"],
        "loss": LOSSES[loss],
        "learning_rate": rate,
        "learning_rate_decay": "constant",
        "regularization": {part: min(value / factor, STRONGEST / rate) for part, value in strengths.items()},
        "optimizer": optimizer,
        "max_sampled": min(parameters["max_sampled"], LARGEST_NUMBER),
        # To LightFM a row's own column is a column like others: it follows training at once, and is never left out.
        "item_own_rate": 1,
        "user_own_rate": 1,
        "hidden_items": 0,
        "feature_rate": 1 if rows_are_features else 0.5,
    }
    if optimizer == "adadelta":
        given |= {"rho": parameters["rho"], "epsilon": max(parameters["epsilon"], SMALLEST_EPSILON)}
    if loss == "warp-kos":
        n = min(parameters["n"], LARGEST_NUMBER)
        given |= {"n_positives": n, "positive_rank": min(parameters["k"], n)}
    return given


def begin(model: HybridBPR, sides: Mapping[str, Side], arrays: Arrays, memory: Memory) -> None:
    """Put a model where training is to go on."""
    components = dict(memory.sums)
    for what, side in sides.items():
        if side.shared() is not None:
            for kind, array in zip(("factors", "biases"), arrays[what], strict=True):
                parts = side.columns.apart(array)
                components |= {f"{what}_{part}_{kind}": rows for part, rows in zip(PARTS, parts, strict=True)}
    (users, user_biases), (items, item_biases) = (
        [np.array(side.rows(array), dtype=np.float32, order="C") for array in arrays[what]]
        for what, side in sides.items()
    )
    model._set_fitted(
        (users, items, item_biases),
        user_biases=user_biases if model.loss == "logistic" else None,
        components=components,
        n_epochs=memory.n_epochs,
    )


def leave_unseen(
    results: tuple[np.ndarray, np.ndarray],
    before: tuple[np.ndarray, np.ndarray],
    items: Side,
    signs: scipy.sparse.csr_array,
) -> None:
    """Put the own columns of items that nobody has back to where they were.

    LightFM never draws them as negatives. Here they are, and learn that nobody wants them: their features, which are
    all that is known of them, would not count.
    """
    if items.shared() is None or not len(items.columns.own):
        return
    unseen = items.columns.own[np.bincount(signs.indices, minlength=signs.shape[1]) == 0]
    for array, old in zip(results, before, strict=True):
        array[unseen] = old[unseen]


def result_of(
    model: HybridBPR, what: str, side: Side, embeddings: np.ndarray, biases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and biases of all columns of one side after training, from what they were before."""
    has_parts = side.shared() is not None
    arrays = {}
    for kind, before in (("factors", embeddings), ("biases", biases)):
        composed = getattr(model, f"{what}_{kind}")
        if composed is None:  # biases of users, which cancel
            arrays[kind] = before
        elif has_parts:
            arrays[kind] = side.columns.put_together(*(model._components[f"{what}_{p}_{kind}"] for p in PARTS), before)
        else:
            arrays[kind] = side.columns.put_together(before[:0], composed, before)
    return arrays["factors"], arrays["biases"]
