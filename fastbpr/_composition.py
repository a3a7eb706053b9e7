"""Rows of users or items that are sums: of their features' vectors, and of vectors of their own.

Training moves composed rows as it moves any others. After each of some parts of an epoch, what rows have moved by is
handed on to the vectors that they are made of, and rows are composed anew (`_kernels/composition.pyx`). So every recipe
of steps works with features, at its usual speed, and with the same bits on any number of threads.

How far. Let D be the diagonal of the features' rates. A change of all rows by C moves their features by D F'C, and the
rows, in turn, by F D F'C: that must not be further than the change itself. With

    D_f = feature_rate / (b * sum over i of |F_if| * sum over g of |F_ig|)

the largest eigenvalue of F D F' is at most feature_rate for b = 1 (by Gershgorin's circles; b is what the eigenvalue of
the rest is found to be, less than 1 where values have both signs). A factor that all values share changes nothing.
A vector of a row's own moves by own_rate times its row's change: the less, the more is left to the features. In a part,
a share `hidden` of the rows goes without its own vector, so that features learn to do without, as they must for rows
that are new (Volkovs, Yu & Poutanen, 2017, "DropoutNet").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _tables
from fastbpr._kernels import composition

PARTS = 8  # of an epoch; rows are composed anew after each
POWER_STEPS = 20  # of the power method, which approaches eigenvalues from below ...
POWER_MARGIN = 1.1  # ... and is given as much for what is left
SMALL_WORK = 2**22  # numbers to be added up from which on a second thread saves more than waiting for it may cost
NAMES = {"users": ("user_feature", "user_own"), "items": ("item_feature", "item_own")}  # of a model's attributes
NO_ROWS_HIDDEN = np.empty(0, dtype=np.uint8)


class Side(NamedTuple):
    """How the rows of one side, users or items, are composed."""

    features: scipy.sparse.csr_array  # float32 (n_rows, n_features), canonical
    has_own: bool  # whether rows have vectors of their own, too
    own_rate: float
    feature_rate: float
    hidden: float  # share of the rows that go without their own vector in a part of an epoch
    names: np.ndarray | None = None  # of the features, if they have some


class Sides(NamedTuple):
    """Users and items; None where rows are as training moves them."""

    users: Side | None = None
    items: Side | None = None


NO_SIDES = Sides()


class Composition:
    """The rows of one side, and the vectors that they are sums of: all change in place."""

    def __init__(
        self,
        side: Side,
        rows: np.ndarray,  # (n_rows, stride)
        features: np.ndarray,  # (n_features, stride)
        own: np.ndarray,  # (n_rows, stride), or (0, stride)
        places: tuple[int, int],  # width of the vectors, and where the bias is: -1 without
        stream: int,  # of the random numbers: each side has its own
        num_threads: int,
        sums: np.ndarray | None = None,  # (n_rows, N_SUMS)  of an optimiser
    ) -> None:
        matrix = side.features
        transposed = scipy.sparse.csr_array(matrix.T.tocsr())
        transposed.sort_indices()
        self.matrix, self.transposed = arrays_of(matrix), arrays_of(transposed)
        self.rates = feature_rates(matrix, side.feature_rate)
        self.is_described = np.diff(matrix.indptr) > 0  # rows without features have nothing but their own vector
        self.own_rates = np.where(self.is_described, side.own_rate, 1).astype(np.float32)
        self.hidden_share = side.hidden if side.has_own else 0.0
        self.rows, self.features, self.own = rows, features, own
        self.composed = np.empty_like(rows)
        self.width, self.bias = places
        self.stream = stream
        work = (matrix.nnz + len(rows)) * self.width
        self.num_threads = 1 if work < SMALL_WORK else num_threads
        self.sums = np.empty((self.num_threads, rows.shape[1]), dtype=np.float32)
        self.sums_of_steps = sums
        self.hidden = NO_ROWS_HIDDEN
        self.is_composed = False

    def compose(self, key: tuple[int, ...] | None) -> None:
        """Make the rows; with a key, some of them without their own vectors."""
        self.hidden = NO_ROWS_HIDDEN
        if key is not None and self.hidden_share:
            hidden = (
                np.random.default_rng([*key, self.stream]).random(len(self.rows), dtype=np.float32) < self.hidden_share
            )
            self.hidden = (hidden & self.is_described).view(np.uint8)
        composition.compose(
            *self.matrix, self.features, self.own, self.hidden, self.rows, self.composed, self.width, self.bias,
            self.num_threads,
        )  # fmt: skip
        self.is_composed = True

    def hand_on(self) -> None:
        """Move what the rows are made of by what training has moved the rows."""
        if not self.is_composed:  # Ctrl-C came in between
            return
        self.is_composed = False
        composition.hand_on(
            *self.transposed, self.rates, self.own_rates, self.hidden, self.rows, self.composed, self.features,
            self.own, self.sums, self.width, self.bias,
        )  # fmt: skip
        # A feature moves by the changes of all its rows: their steps have one size.
        if self.sums_of_steps is not None and self.is_described.any():
            self.sums_of_steps[self.is_described] = self.sums_of_steps[self.is_described].mean(axis=0)


class Compositions:
    """The sides that are composed, none or one or both, in the course of a fit."""

    def __init__(self, compositions: Sequence[Composition] = ()) -> None:
        self.compositions = compositions

    @property
    def fewest_slices(self) -> int:
        """Parts into which an epoch is to be cut at least."""
        return PARTS if self.compositions else 1

    def begin(self, key: tuple[int, ...]) -> None:
        """Make the rows for a part of an epoch."""
        for side in self.compositions:
            side.compose(key)

    def end(self) -> None:
        """Hand on what a part of an epoch has changed."""
        for side in self.compositions:
            side.hand_on()

    def settle(self) -> None:
        """Hand on what is left, and make whole rows: as they are used after training."""
        self.end()
        for side in self.compositions:
            side.compose(None)


NOTHING_COMPOSED = Compositions()


def feature_rates(matrix: scipy.sparse.csr_array, feature_rate: float) -> np.ndarray:
    """Return the rate of each feature, float32; 0 where no row has it."""
    sizes = abs(matrix).astype(np.float64)
    circles = sizes.T @ sizes.sum(axis=1)  # sum over i of |F_if| * sum over g of |F_ig|
    inverses = np.divide(1, circles, out=np.zeros_like(circles), where=circles > 0)
    if matrix.nnz and matrix.data.min() < 0:
        inverses /= largest_eigenvalue(matrix.astype(np.float64), inverses)
    return (feature_rate * inverses).astype(np.float32)


def largest_eigenvalue(matrix: scipy.sparse.csr_array, scales: np.ndarray) -> float:
    """Return about the largest eigenvalue of F'F * scales, at most 1, by the power method."""
    vector = np.random.default_rng(0).standard_normal(matrix.shape[1]) * (scales > 0)
    value = 1.0
    for _ in range(POWER_STEPS):
        vector /= np.linalg.norm(vector)
        image = scales * (matrix.T @ (matrix @ vector))
        value, vector = float(np.linalg.norm(image)), image
    return min(1.0, POWER_MARGIN * value)


def arrays_of(matrix: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (indptr, indices, values) as the kernels want them."""
    return (
        matrix.indptr.astype(np.int64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float32, copy=False),
    )


# ---- from data to what a fit needs ------------------------------------------------------------------------------


def composed(
    sides: Sides,
    tables: _tables.Tables,
    scale: float,
    rng: np.random.Generator,
    num_threads: int,
    start: Mapping[str, np.ndarray],
) -> tuple[_tables.Tables, Compositions]:
    """Return tables whose rows are sums, and what keeps them so; they begin as in `start`, by name, or as drawn."""
    compositions, components = [], []
    sums = dict(zip(("users", "items"), tables.sums().values(), strict=False))
    for stream, (what, side) in enumerate(sides._asdict().items()):
        if side is None:
            continue
        rows = getattr(tables, what)
        bias = place_of_bias(tables, what)
        features = starting_features(side, tables.factors, scale, rows.shape[1], rng)
        own = starting_own(side, rows)
        for name, table in zip(NAMES[what], (features, own), strict=True):
            put(start, name, table, tables.factors, bias)
        compositions.append(
            Composition(side, rows, features, own, (tables.width, bias), stream, num_threads, sums.get(what))
        )
        components += [features, own]
    result = Compositions(compositions)
    result.settle()
    return tables._replace(components=tuple(components)), result


def place_of_bias(tables: _tables.Tables, what: str) -> int:
    """Return where the bias of users or items is in their rows, -1 without."""
    if what == "items":
        return tables.width if tables.item_bias else -1
    return tables.width + _tables.USER_BIAS if tables.user_bias else -1


def starting_features(side: Side, factors: int, scale: float, stride: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the features' vectors so that rows have about this standard deviation; biases are zero.

    So are the vectors of features that no row has: they would stay as they are drawn.
    """
    squares = side.features.multiply(side.features).sum(axis=1)
    typical = float(np.sqrt(squares[squares > 0].mean())) if (squares > 0).any() else 1.0
    table = _tables.aligned_zeros(side.features.shape[1], stride)
    table[:, :factors] = rng.standard_normal((len(table), factors), dtype=np.float32) * np.float32(scale / typical)
    table[np.bincount(side.features.indices, minlength=len(table)) == 0] = 0
    return table


def starting_own(side: Side, rows: np.ndarray) -> np.ndarray:
    """Return the rows' own vectors: zero, but as the rows were drawn where they have no features."""
    if not side.has_own:
        return _tables.aligned_zeros(0, rows.shape[1])
    own = _tables.aligned_zeros(*rows.shape)
    bare = np.diff(side.features.indptr) == 0
    own[bare] = rows[bare]
    return own


def put(start: Mapping[str, np.ndarray], name: str, table: np.ndarray, factors: int, bias: int) -> None:
    """Write what a model has of these vectors into the first rows of a table."""
    if start.get(f"{name}_factors") is not None:
        vectors = start[f"{name}_factors"]
        table[: len(vectors), :factors] = vectors
        if bias >= 0 and start.get(f"{name}_biases") is not None:
            table[: len(vectors), bias] = start[f"{name}_biases"]


def copy_parts(sides: Sides, tables: _tables.Tables, parts: Mapping[str, np.ndarray]) -> None:
    """Write what rows are made of, by the names of a model's attributes, into tables of the same sizes."""
    for name, view in named(sides, tables).items():
        view[...] = parts[name]


def feature_names(sides: Sides) -> dict[str, np.ndarray | None]:
    """Return the features' names, by the names of a model's attributes."""
    users, items = (None if side is None else side.names for side in sides)
    return {"user_feature_names": users, "item_feature_names": items}


def named(sides: Sides, tables: _tables.Tables) -> dict[str, np.ndarray]:
    """Return views of the vectors and biases that rows are made of, by the names of a model's attributes."""
    found = {}
    components = iter(tables.components)
    for what, side in sides._asdict().items():
        for name in NAMES[what] if side is not None else ():
            table, bias = next(components), place_of_bias(tables, what)
            found[f"{name}_factors"] = table[:, : tables.factors]
            if bias >= 0:
                found[f"{name}_biases"] = table[:, bias]
            elif what == "items":
                found[f"{name}_biases"] = np.zeros(len(table), dtype=np.float32)
    return found
