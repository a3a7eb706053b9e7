"""Features: what is learned of a frame's columns, and how frames become feature matrices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _storage, _validation
from fastbpr.features._encoders import Bins, Embeddings, Encoder, Indicators, Standardised
from fastbpr.features._lines import Lines
from fastbpr.features._report import FeatureReport
from fastbpr.features.matrix import FeatureMatrix

KINDS = ("categorical", "lists", "text", "numeric", "embeddings")
OF_INDICATORS = KINDS[:3]


class Features:
    """Turns columns that describe items, or users, into a matrix of features.

    `fit` learns which features there are, `transform` gives the matrix of any frame with the same columns, for the rows
    that you name. In a model with features, the vector of a row is the sum of its features' vectors, each times its
    value in this matrix.

    A frame is a pandas or polars DataFrame, a pyarrow Table, or a mapping of names to arrays or lists of one length. It
    has lines, in any order; the column `key` says of which row each is. Several lines of one row are merged: the row
    has all of their values, each once, and the mean of their numbers and vectors. So a table with a line for every tag
    of an item works as one with lists of tags.

    Parameters
    ----------
    categorical : str or sequence of str, default ()
        Columns of labels: numbers, strings, dates or any hashable values. One feature for each value.
    lists : str, sequence of str, or mapping of str to separator, default ()
        Columns of lists of labels, one feature for each distinct entry; or of texts with a separator, as in
        ``{"genres": "|"}`` for "Action|Comedy", without blanks around the parts.
    text : str or sequence of str, default ()
        Columns of texts, one feature for each lower-cased word. A word is a run of letters and digits, with apostrophes
        inside: "Women's T-Shirt, 2 pcs" has "women's", "t", "shirt", "2" and "pcs". How often it occurs in a row does
        not matter. Words are neither stemmed nor left out for being common.
    numeric : str or sequence of str, default ()
        Columns of numbers, one feature for each: the number minus the mean, over the standard deviation, both over the
        rows of `fit`; 0 where it is missing. Or indicators of ranges, see `bins`.
    embeddings : str or sequence of str, default ()
        Columns of vectors of one length, one feature for each dimension: lists in a frame, or arrays of shape
        (n_lines, size), in a mapping or beside the frame, see `fit`. A row without a vector has zeros.
    key : str or None, default "item"
        Column with the label of the row that a line is of. None for frames whose lines are the rows, in order.
    bins : int from 2 to 1024, mapping of str to int, or None, default None
        Numeric columns, all or those named, become indicators of as many ranges, between quantiles of the rows of
        `fit`; fewer where quantiles are equal. Ranges have their lower end.
    min_count : int >= 1 or mapping of str to int, default 1
        Values, entries and words that fewer rows of `fit` have are no features. For all columns or those named.
    normalize : {"ones", "shares"}, default "ones"
        What indicators are worth: 1 each, or, with "shares", so much that those of one column add up to 1 in each row,
        1/3 for each of three genres, so that rows with many do not have longer vectors. New items were found better
        with "ones" on all data we measured (genres, tags, words of descriptions).
    weights : mapping of str to float > 0, default None
        What all features of a column are multiplied by, 1 if it is not named.
    scale_embeddings : bool, default False
        Whether each column of vectors is divided by their mean norm in `fit`, so that it weighs about as much as an
        indicator.

    Attributes
    ----------
    feature_names : ndarray of object, shape (n_features,), or None
        Of the columns of the matrix: columns of the frame by kind, in the order of the parameters above; their values
        in the order in which `fit` saw them. None before `fit`.
    n_features : int
        0 before `fit`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not as it must be, no column is named, or one is named twice.

    Examples
    --------
    >>> items = {
    ...     "item": ["tea", "cup", "saw"],
    ...     "category": ["food", "ware", "tool"],
    ...     "genres": ["hot|green", "hot", None],
    ...     "price": [2.0, 4.0, 6.0],
    ... }
    >>> features = Features(categorical="category", lists={"genres": "|"}, numeric="price")
    >>> matrix = features.fit_transform(items, rows=["cup", "tea", "saw", "hat"])
    >>> matrix.feature_names.tolist()
    ['category=food', 'category=ware', 'category=tool', 'genres=hot', 'genres=green', 'price']
    >>> matrix.toarray().round(2)
    array([[ 0.  ,  1.  ,  0.  ,  1.  ,  0.  ,  0.  ],
           [ 1.  ,  0.  ,  0.  ,  1.  ,  1.  , -1.22],
           [ 0.  ,  0.  ,  1.  ,  0.  ,  0.  ,  1.22],
           [ 0.  ,  0.  ,  0.  ,  0.  ,  0.  ,  0.  ]], dtype=float32)
    >>> print(matrix.report)
    4 rows with 6 features from 3 lines; 1 row without a line.
      category: categorical, 3 features.
      genres: lists, 2 features; 1 row without a value.
      price: numeric, 1 feature.

    An item that comes later is encoded with what was learned; what is unknown is left out and reported:

    >>> later = features.transform({"item": ["mug"], "category": ["ware"], "genres": ["hot|new"], "price": [None]})
    >>> later.toarray()
    array([[0., 1., 0., 1., 0., 0.]], dtype=float32)
    >>> later.report.columns["genres"].unseen
    [('new', 1)]
    """

    feature_names: np.ndarray | None

    def __init__(
        self,
        *,
        categorical: str | Iterable[str] = (),
        lists: str | Iterable[str] | Mapping[str, str | None] = (),
        text: str | Iterable[str] = (),
        numeric: str | Iterable[str] = (),
        embeddings: str | Iterable[str] = (),
        key: str | None = "item",
        bins: int | Mapping[str, int] | None = None,
        min_count: int | Mapping[str, int] = 1,
        normalize: str = "ones",
        weights: Mapping[str, float] | None = None,
        scale_embeddings: bool = False,
    ) -> None:
        self.lists = _validation.check_separators(lists)
        names = {"categorical": categorical, "lists": list(self.lists), "text": text, "numeric": numeric}
        names["embeddings"] = embeddings
        names = {kind: _validation.check_columns_of_kind(kind, names[kind]) for kind in KINDS}
        self.categorical, _, self.text, self.numeric, self.embeddings = names.values()
        self._kinds = _validation.check_kinds_distinct(names)
        self.key = _validation.check_key(key)
        self.bins = _validation.check_by_column("bins", bins, self.numeric, minimum=2, maximum=1024)
        indicators = [name for kind in OF_INDICATORS for name in names[kind]]
        self.min_count = _validation.check_by_column("min_count", min_count, indicators, minimum=1)
        self.normalize = _validation.check_choice("normalize", normalize, ["ones", "shares"])
        self.weights = _validation.check_column_weights(weights, list(self._kinds))
        self.scale_embeddings = _validation.check_flag("scale_embeddings", scale_embeddings)
        self._encoders: list[Encoder] = []
        self.feature_names = None

    @property
    def n_features(self) -> int:
        """Number of features, 0 before `fit`."""
        return 0 if self.feature_names is None else len(self.feature_names)

    def fit(self, frame: Any, rows: Any = None, *, embeddings: Mapping[str, Any] | None = None) -> Features:
        """Learn which features there are.

        Parameters
        ----------
        frame : DataFrame, Table or mapping
            With the columns named at construction, and the key.
        rows : array-like of labels, or None, default None
            Learn from the lines of these rows only, such as ``log.item_labels``: a feature that no item of the log has
            is none that a model can learn. None for all lines.
        embeddings : mapping of str to array of float, shape (n_lines, size), or None, default None
            Vectors that are not in the frame, by the name of their column, in the order of its lines.

        Returns
        -------
        Features
            This object.

        Raises
        ------
        TypeError, ValueError
            If a column is missing, of another length or kind, or no value becomes a feature.

        Examples
        --------
        >>> Features(text="title").fit({"item": [1, 2], "title": ["Red tea", "tea CUP"]}).feature_names.tolist()
        ['title=red', 'title=tea', 'title=cup']
        """
        self._learn(self._lines(frame, rows, embeddings))
        return self

    def transform(self, frame: Any, rows: Any = None, *, embeddings: Mapping[str, Any] | None = None) -> FeatureMatrix:
        """Return the features of rows.

        Parameters
        ----------
        frame : DataFrame, Table or mapping
            With the columns named at construction, and the key.
        rows : array-like of distinct labels, or None, default None
            The rows of the matrix, such as ``log.item_labels``. A row without a line in the frame is empty and is
            counted in the report. None for the labels of the frame, in first-seen order.
        embeddings : mapping of str to array of float, shape (n_lines, size), or None, default None
            Vectors that are not in the frame, by the name of their column, in the order of its lines.

        Returns
        -------
        FeatureMatrix
            Values that `fit` did not see are left out; ``.report`` tells which.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If a column is missing or of another length or kind, or labels of rows and lines are of different types.

        Examples
        --------
        >>> features = Features(categorical="kind").fit({"item": [1, 2], "kind": ["tea", "cup"]})
        >>> features.transform({"item": [2, 3], "kind": ["cup", "saw"]}, rows=[1, 2, 3]).toarray()
        array([[0., 0.],
               [0., 1.],
               [0., 0.]], dtype=float32)
        """
        _validation.check_features_fitted(self)
        return self._encoded(self._lines(frame, rows, embeddings))

    def fit_transform(
        self, frame: Any, rows: Any = None, *, embeddings: Mapping[str, Any] | None = None
    ) -> FeatureMatrix:
        """Do both: ``fit(frame, rows).transform(frame, rows)``.

        Parameters
        ----------
        frame : DataFrame, Table or mapping
        rows : array-like of distinct labels, or None, default None
            The rows of the matrix. Nothing is learned from lines of others.
        embeddings : mapping of str to array of float, shape (n_lines, size), or None, default None

        Returns
        -------
        FeatureMatrix

        Raises
        ------
        TypeError, ValueError
            As `fit` and `transform` do.

        Examples
        --------
        >>> people = {"user": ["ann", "bob", "eve"], "age": [20, 40, 60]}
        >>> Features(numeric="age", bins=2, key="user").fit_transform(people).feature_names.tolist()
        ['age < 40', 'age >= 40']
        """
        lines = self._lines(frame, rows, embeddings)
        self._learn(lines)
        return self._encoded(lines)

    def _lines(self, frame: Any, rows: Any, embeddings: Any) -> Lines:
        """Read the columns of a frame."""
        return Lines.of(frame, self.key, self._kinds, rows, embeddings)

    def _learn(self, lines: Lines) -> None:
        """Learn from lines; what was learned before stays if that fails."""
        encoders = [self._learned(name, kind, lines) for name, kind in self._kinds.items()]
        names = feature_names_of(encoders)
        _validation.check_some_features(len(names), int(lines.has_line.sum()))
        self._encoders, self.feature_names = encoders, names

    def _learned(self, name: str, kind: str, lines: Lines) -> Encoder:
        """Learn from one column."""
        if kind == "embeddings":
            return Embeddings.learned(name, lines, scaled=self.scale_embeddings)
        if kind == "numeric":
            n_bins = by_column(self.bins, name)
            return Standardised.learned(name, lines) if n_bins is None else Bins.learned(name, lines, n_bins)
        min_count = by_column(self.min_count, name) or 1
        return Indicators.learned(name, kind, lines, self.lists.get(name), min_count)

    def _encoded(self, lines: Lines) -> FeatureMatrix:
        """Return the matrix of lines."""
        blocks = [encoder.encoded(lines) for encoder in self._encoders]
        matrices = []
        for encoder, block in zip(self._encoders, blocks, strict=True):
            matrix = block.matrix
            if self.normalize == "shares" and isinstance(encoder, (Indicators, Bins)):
                counts = np.diff(matrix.indptr)
                matrix.data /= np.repeat(counts, counts).astype(np.float32)
            if encoder.name in self.weights:
                with np.errstate(over="ignore", under="ignore"):  # what is infinite then, the matrix refuses
                    matrix.data *= np.float32(self.weights[encoder.name])
            matrices.append(matrix)
        report = FeatureReport(
            lines.n_rows,
            self.n_features,
            len(lines.rows),
            np.flatnonzero(~lines.has_line).astype(np.int32),
            lines.n_without_key,
            lines.n_of_others,
            lines.n_merged,
            {encoder.name: block.report for encoder, block in zip(self._encoders, blocks, strict=True)},
        )
        matrix = scipy.sparse.hstack(matrices, format="csr", dtype=np.float32)
        return FeatureMatrix(matrix, self.feature_names.copy(), lines.row_labels, report)

    # ---- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> None:
        """Write what was learned to one file, without pickle, so that later items can be encoded elsewhere.

        Parameters
        ----------
        path : str or path
            Used as it is; no ending is added. A file that is there is replaced when the new one is complete.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If the values of a column are neither all numbers, all dates nor all strings.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> features = Features(categorical="kind").fit({"item": [1, 2], "kind": ["tea", "cup"]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     features.save(os.path.join(folder, "features.npz"))
        ...     Features.load(os.path.join(folder, "features.npz"))
        Features(categorical=['kind']), fitted: 2 features
        """
        _validation.check_features_fitted(self)
        states = [encoder.state() for encoder in self._encoders]
        header = {
            "parameters": {name: getattr(self, name) for name in PARAMETERS},
            "columns": [
                {"class": type(encoder).__name__, "name": encoder.name, **state}
                for encoder, (state, _) in zip(self._encoders, states, strict=True)
            ],
        }
        arrays = {f"{name}_{number}": array for number, (_, own) in enumerate(states) for name, array in own.items()}
        for encoder, (_, own) in zip(self._encoders, states, strict=True):
            for array in own.values():
                _validation.check_storable(encoder.name, array)
        _storage.write(path, header, arrays, kind="features")

    @classmethod
    def load(cls, path: str | os.PathLike) -> Features:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Features
            Fitted; its `transform` gives what that of the saved one did.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If the file is not one of features, damaged, or of a newer version.

        Examples
        --------
        >>> import os, tempfile
        >>> features = Features(numeric="price").fit({"item": [1, 2], "price": [3.0, 5.0]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     features.save(os.path.join(folder, "features.npz"))
        ...     loaded = Features.load(os.path.join(folder, "features.npz"))
        >>> loaded.transform({"item": ["new"], "price": [6.0]}).toarray()
        array([[2.]], dtype=float32)
        """
        header, arrays = _storage.read(path, kind="features")
        with _validation.whole_model(path, "has columns of another version", DAMAGED, kind="features"):
            features = cls(**header["parameters"])
            columns = header["columns"]
            _validation.check_stored_columns([column["name"] for column in columns], list(features._kinds))
            encoders = []
            for number, state in enumerate(columns):
                own = {"vocabulary": arrays[f"vocabulary_{number}"]} if f"vocabulary_{number}" in arrays else {}
                encoders.append(features._restored(state, own))
            features._encoders, features.feature_names = encoders, feature_names_of(encoders)
        return features

    def _restored(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> Encoder:
        """Return what was learned of one column, from a file."""
        name = state["name"]
        if state["class"] == "Indicators":
            return Indicators.restored(name, self._kinds[name], self.lists.get(name), state, arrays)
        return {"Bins": Bins, "Standardised": Standardised, "Embeddings": Embeddings}[state["class"]].restored(
            name, state
        )

    def __repr__(self) -> str:
        shown = [f"{kind}={getattr(self, kind)!r}" for kind in KINDS if getattr(self, kind)]
        shown += [f"{name}={getattr(self, name)!r}" for name, value in DEFAULTS.items() if getattr(self, name) != value]
        fitted = "not fitted" if self.feature_names is None else f"fitted: {self.n_features:,} features"
        return f"Features({', '.join(shown)}), {fitted}"


DEFAULTS = {
    "key": "item", "bins": None, "min_count": 1, "normalize": "ones", "weights": {}, "scale_embeddings": False,
}  # fmt: skip
PARAMETERS = (*KINDS, *DEFAULTS)
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def by_column(value: Any, name: str) -> Any:
    """Return what a parameter says of one column: a number for all, or a mapping that names some."""
    return value.get(name) if isinstance(value, Mapping) else value


def feature_names_of(encoders: list[Encoder]) -> np.ndarray:
    """Return the names of all features, in order."""
    names = [name for encoder in encoders for name in encoder.names()]
    result = np.empty(len(names), dtype=object)
    result[:] = names
    return result
