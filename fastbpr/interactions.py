"""Logs of who did what to which item, as the trainer wants them: rows, a sparse matrix, and the labels behind both."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _alignment, _contexts, _labels, _merging, _readers, _validation
from fastbpr._contexts import Contexts
from fastbpr._labels import MISSING, Factorised
from fastbpr._sentences import counted

__all__ = ["Contexts", "Interactions"]

HEAVY_SHARE = 0.1  # of all rows: one user with more of them is rarely a person


class Interactions:
    """Interactions of users with items, their labels, and what became of every row of the log.

    Made by `from_arrays`, `from_dataframe`, `from_csv` or `from_parquet`. Labels may be strings, integers, floats as
    pandas leaves them (whole ones become integers), dates or any hashable objects; they get row numbers in first-seen
    order of the good rows. Rows of the same user and item merge into one interaction; its value is the sum of their
    weights, each 1 if there are none. A row without a user or an item (None, NaN or an empty string), with a weight
    that is not a finite number > 0, or without a timestamp where there are timestamps, is bad: it is left out, counted
    and reported, or refused with ``on_bad_rows="raise"``.

    Attributes
    ----------
    user_items : scipy.sparse.csr_array of float32, shape (n_users, n_items)
        Canonical: sorted, without duplicates or zeros.
    user_labels, item_labels : ndarray
        Label of each row and column. Integers are int64 (uint64 where they must be), strings objects of type str, dates
        datetime64 in nanoseconds (microseconds where those overflow).
    item_names : ndarray of object, shape (n_items,), or None
        The name most often seen with each item, None for an item without one.
    timestamps : ndarray of int64, float64 or datetime64, shape (n_interactions,), or None
        The latest time of each interaction, in the order of ``user_items.indices``. Dates have the unit that labels
        have, and are in UTC where they came with a zone.
    has_weights : bool
        Whether weights were given.
    contexts : Contexts or None
        A tuple with the good rows, repeated ones too, and what is known of the contexts they happened in: ``users``,
        ``items`` and ``contexts`` (-1 for none), int32, and ``weights``, float32 or None, with an entry per row;
        ``labels``, ``kinds``, objects or None, and ``strengths``, float32, with an entry per context; ``shown``, a
        csr_array of float32 of shape (n_contexts, n_items) with 1 where a context showed an item, or None.
    n_shown_unknown, n_shown_unknown_contexts : int
        Items that were shown but are in no good row, so that they are no items of the matrix, and contexts in which
        something was shown but that are in no good row, such as pages without a click. Both are left out.
    n_users, n_items, n_rows, n_bad_rows, n_merged_rows : int
        `n_rows` were read; `n_bad_rows` of them left out; `n_merged_rows` repeated an earlier row's user and item.
    bad_rows : dict of str to int
        Reason to number of rows, among "missing user", "missing item", "missing timestamp", "timestamp not finite",
        "weight not finite", "weight negative" and "weight zero". A row with two reasons is counted under the first.

    Examples
    --------
    >>> log = Interactions.from_arrays(["ann", "bob", "ann", None], ["tea", "tea", "cup", "cup"])
    >>> log
    Interactions(2 users, 2 items, 3 interactions; 1 bad row left out)
    >>> log.user_items.toarray()
    array([[1., 1.],
           [1., 0.]], dtype=float32)
    >>> log.item_labels[log.item_rows("cup")]
    'cup'
    """

    user_items: scipy.sparse.csr_array
    user_labels: np.ndarray
    item_labels: np.ndarray
    item_names: np.ndarray | None
    timestamps: np.ndarray | None
    contexts: Contexts | None
    n_shown_unknown: int
    n_shown_unknown_contexts: int
    has_weights: bool
    n_rows: int
    bad_rows: dict[str, int]
    heaviest_user: tuple[Any, float]  # (label, share of the rows)
    names_missing: bool  # whether missing_user was given
    n_named_missing: int  # rows that it took out

    def __init__(self, *_: Any, **__: Any) -> None:
        _validation.refuse_direct_construction(type(self).__name__, "from_arrays(users, items)")

    # ---- constructors -----------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        users: Any,
        items: Any,
        *,
        contexts: Any = None,
        context_kinds: Any = None,
        context_strengths: float | Mapping[Any, float] | None = None,
        shown: Any = None,
        timestamps: Any = None,
        weights: Any = None,
        item_names: Any = None,
        missing_user: Any = None,
        on_bad_rows: str = "report",
    ) -> Interactions:
        """Make interactions from one array or list per column.

        Parameters
        ----------
        users, items : array-like, shape (n_rows,)
            Labels.
        contexts : array-like, shape (n_rows,), or None, default None
            Label of the page, session or basket the interaction happened in; may be missing.
        context_kinds : array-like, shape (n_rows,), or None, default None
            Label of the kind that the row's context is of, such as "trending" or "search"; may be missing. The first
            that is seen with a context counts.
        context_strengths : float, mapping of kind to float, or None, default None
            From 0 to 1: how much of what happens together in a context is owed to its being shown together. 1 is a page
            composed without regard to likeness, such as trending items; search results, which are alike, have about
            0.2; 0 is somebody's own choice. A number is for all contexts, a mapping for the kinds it names; others
            have 1.
        shown : mapping of context to items, or SciPy sparse matrix, or None, default None
            The items that were shown in each context, clicked or not: a list or array of item labels by context label,
            or a matrix in which row and column *numbers are the labels* of contexts and items, and what is not 0 was
            shown. A text is understood where labels are numbers.
        timestamps : array-like of numbers or dates, shape (n_rows,), or None, default None
        weights : array-like of numbers > 0, shape (n_rows,), or None, default None
        item_names : array-like of str, shape (n_rows,), or None, default None
            Title of the row's item; may be missing.
        missing_user : label, list of labels or None, default None
            User labels that stand for no user, such as 0 for visitors that are not known. A tuple is one label.
        on_bad_rows : {"report", "raise"}, default "report"
            Leave bad rows out and count them, or refuse the data.

        Raises
        ------
        TypeError, ValueError
            If a column is not as it must be, or no good row remains.

        Examples
        --------
        >>> log = Interactions.from_arrays([7, 7, 8, 0], ["a", "a", "b", "b"], weights=[1, 2, 5, 1], missing_user=0)
        >>> log.user_items.toarray()
        array([[3., 0.],
               [0., 5.]], dtype=float32)
        >>> log.bad_rows
        {'missing user': 1}
        """
        given = {"context_kinds": context_kinds, "context_strengths": context_strengths, "shown": shown}
        _validation.check_with_contexts(("contexts", contexts), **given)
        strengths = _validation.check_context_strengths(context_strengths, kinds=("context_kinds", context_kinds))
        _validation.check_shown(shown, column=False)
        columns = {
            "user": users,
            "item": items,
            "context": contexts,
            "context_kind": context_kinds,
            "timestamp": timestamps,
            "weight": weights,
            "item_name": item_names,
        }
        columns = {role: values for role, values in columns.items() if values is not None}
        return cls._from_columns(columns, shown, strengths, missing_user, on_bad_rows)

    @classmethod
    def from_dataframe(
        cls,
        frame: Any,
        user: str = "user",
        item: str = "item",
        context: str | None = None,
        timestamp: str | None = None,
        weight: str | None = None,
        item_name: str | None = None,
        missing_user: Any = None,
        on_bad_rows: str = "report",
        *,
        context_kind: str | None = None,
        context_strengths: float | Mapping[Any, float] | None = None,
        shown: Any = None,
    ) -> Interactions:
        """Make interactions from the named columns of a pandas or polars data frame or a pyarrow table.

        Parameters are the names of columns; what they hold is described at `from_arrays`. `context_strengths` is what
        it is there. `shown` may be that, too, or the name of a column of lists of item labels; those of all rows of a
        context, of bad rows also, are put together. The column `item` may have lists: every item of a row becomes a
        row with the other columns' values, and a row without an item becomes a bad one.

        Examples
        --------
        >>> import pyarrow
        >>> table = pyarrow.table({"visitor": [7.0, None, 8.0], "sku": ["a", "b", "a"]})
        >>> Interactions.from_dataframe(table, user="visitor", item="sku").user_labels
        array([7, 8])

        Of pages with what was shown and clicked there:

        >>> pages = pyarrow.table({"visitor": [7, 8], "page": [1, 2], "clicks": [["a"], ["c", "d"]],
        ...                        "inview": [["a", "b", "c"], ["c", "d"]]})
        >>> log = Interactions.from_dataframe(pages, user="visitor", item="clicks", context="page", shown="inview")
        >>> log.item_labels
        array(['a', 'c', 'd'], dtype=object)
        >>> log.contexts.shown.toarray(), log.n_shown_unknown
        (array([[1., 1., 0.],
               [0., 1., 1.]], dtype=float32), 1)
        """
        names = cls._roles(user, item, context, timestamp, weight, item_name, context_kind)
        rest = cls._of_contexts(names, context_strengths, shown, column=True)
        return cls._from_columns(_readers.frame_columns(frame, names), *rest, missing_user, on_bad_rows, lists=True)

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike,
        user: str = "user",
        item: str = "item",
        context: str | None = None,
        timestamp: str | None = None,
        weight: str | None = None,
        item_name: str | None = None,
        missing_user: Any = None,
        on_bad_rows: str = "report",
        *,
        context_kind: str | None = None,
        context_strengths: float | Mapping[Any, float] | None = None,
        shown: Any = None,
    ) -> Interactions:
        """Make interactions from the named columns of a CSV file with a header; needs the extra ``io``.

        Labels are integers if all of a column's are written as whole numbers ("17850" or "17850.0", but not "007"),
        floats if all are written as numbers, else text. Empty fields, and ``nan``, ``NaN``, ``null`` or ``NULL``
        without quotes, are missing. Timestamps are numbers or ISO 8601 dates.

        Parameters are the names of columns; what they hold is described at `from_arrays`, and so are
        `context_strengths` and `shown`, which a column of a CSV file cannot hold.
        """
        names = cls._roles(user, item, context, timestamp, weight, item_name, context_kind)
        rest = cls._of_contexts(names, context_strengths, shown, column=False)
        return cls._from_columns(_readers.csv_columns(path, names), *rest, missing_user, on_bad_rows, text=True)

    @classmethod
    def from_parquet(
        cls,
        paths: str | os.PathLike | Sequence[str | os.PathLike],
        user: str = "user",
        item: str = "item",
        context: str | None = None,
        timestamp: str | None = None,
        weight: str | None = None,
        item_name: str | None = None,
        missing_user: Any = None,
        on_bad_rows: str = "report",
        *,
        context_kind: str | None = None,
        context_strengths: float | Mapping[Any, float] | None = None,
        shown: Any = None,
    ) -> Interactions:
        """Make interactions from the named columns of a Parquet file, several, or a folder; needs the extra ``io``.

        Parameters, and columns of lists, are those of `from_dataframe`.
        """
        names = cls._roles(user, item, context, timestamp, weight, item_name, context_kind)
        rest = cls._of_contexts(names, context_strengths, shown, column=True)
        return cls._from_columns(_readers.parquet_columns(paths, names), *rest, missing_user, on_bad_rows, lists=True)

    @staticmethod
    def _roles(*names: str | None) -> dict[str, str | None]:
        """Return role to name of column."""
        return dict(zip(ROLES, (*names, None), strict=True))

    @staticmethod
    def _of_contexts(names: dict[str, Any], strengths: Any, shown: Any, *, column: bool) -> tuple[Any, Any]:
        """Check what is said about contexts before anything is read; a column of what was shown joins `names`."""
        kind = names["context_kind"]
        given = {"context_kind": kind, "context_strengths": strengths, "shown": shown}
        _validation.check_with_contexts(("context", names["context"]), **given)
        strengths = _validation.check_context_strengths(strengths, kinds=("context_kind", kind))
        if _validation.check_shown(shown, column=column):
            names["shown"], shown = shown, None
        return shown, strengths

    @classmethod
    def _from_columns(
        cls,
        columns: dict[str, Any],
        shown: Any,
        strengths: Any,
        missing_user: Any,
        on_bad_rows: str,
        *,
        lists: bool = False,
        text: bool = False,
    ) -> Interactions:
        """Make interactions from columns by role; items may be in `lists`, and numbers written as `text`."""
        columns = {ROLES[role]: _readers.as_column(ROLES[role], column) for role, column in columns.items()}
        _validation.check_lengths(columns)
        lengths = rows = None
        if lists and _readers.holds_lists(columns["items"]):
            lengths, columns["items"] = _readers.flattened("items", columns["items"])
        labels = {name: _labels.factorise(name, columns[name]) for name in LABELS if name in columns}
        if text:
            typed = (name for name in labels if name != "item_names")
            labels |= {name: _labels.typed_text(labels[name]) for name in typed}
        if "shown" in columns:
            shown = _contexts.shown_in_rows(columns.pop("shown"), labels["contexts"])
        elif shown is not None:
            shown = _contexts.shown_by_label(shown)
        if lengths is not None:
            codes, rows = _labels.one_row_per_entry(labels["items"].codes, lengths)
            labels = {
                name: column._replace(codes=codes if name == "items" else column.codes[rows])
                for name, column in labels.items()
            }
            columns |= {name: columns[name].take(rows) for name in ("timestamps", "weights") if name in columns}
        return cls._from_factorised(labels, columns, shown, strengths, missing_user, on_bad_rows, rows)

    @classmethod
    def _from_factorised(
        cls,
        labels: dict[str, Factorised],
        columns: dict[str, Any],
        shown: _contexts.Shown | None,
        strengths: Any,
        missing_user: Any,
        on_bad_rows: str,
        source_rows: np.ndarray | None,
    ) -> Interactions:
        """Sort good rows from bad ones and build the matrix; `source_rows` are the user's where they are others."""
        _validation.check_choice("on_bad_rows", on_bad_rows, ["report", "raise"])
        users, items = _labels.without(labels["users"], missing_user), labels["items"]
        weights = times = None
        reasons = {"missing user": users.codes == MISSING, "missing item": items.codes == MISSING}
        if "timestamps" in columns:
            times, reasons["missing timestamp"] = _readers.times_of("timestamps", columns["timestamps"])
            reasons["timestamp not finite"] = np.isinf(times) if times.dtype.kind == "f" else np.zeros(len(times), bool)
        if "weights" in columns:
            weights = _readers.weights_of("weights", columns["weights"])
            reasons |= {
                "weight not finite": ~np.isfinite(weights),
                "weight negative": weights < 0,
                "weight zero": weights == 0,
            }
        good = np.ones(len(users.codes), dtype=bool)
        for reason, bad in reasons.items():
            reasons[reason] = bad & good
            good &= ~bad
        _validation.check_rows_are_good(on_bad_rows, reasons, int(good.sum()), source_rows)

        log = cls.__new__(cls)
        log.n_named_missing = int((users.codes == MISSING).sum() - (labels["users"].codes == MISSING).sum())
        log.names_missing = missing_user is not None
        log.n_rows = len(good)
        log.bad_rows = _validation.counted(reasons)
        log.has_weights = weights is not None
        if log.bad_rows:
            logging.getLogger("fastbpr").warning("%s", log._bad_row_sentence())
        row_users, log.user_labels = _labels.renumbered(users.codes[good], users.labels)
        row_items, log.item_labels = _labels.renumbered(items.codes[good], items.labels)
        counts = np.bincount(row_users)
        log.heaviest_user = (log.user_labels[counts.argmax()], counts.max() / log.n_rows)
        weights = None if weights is None else weights[good]
        log.user_items = _merging.merged(row_users, row_items, weights)
        log.timestamps = None if times is None else _merging.latest(row_users, row_items, times[good], log.user_items)
        log.contexts = log.item_names = None
        log.n_shown_unknown = log.n_shown_unknown_contexts = 0
        if "contexts" in labels:
            log.contexts = _contexts.of_good_rows(row_users, row_items, good, labels, weights, strengths)
        if shown is not None:
            codes = labels["contexts"].codes[good]
            log.contexts, unknown = _contexts.with_shown(log.contexts, shown, codes, log.item_labels)
            log.n_shown_unknown, log.n_shown_unknown_contexts = unknown
        if "item_names" in labels:
            names = labels["item_names"]
            log.item_names = _merging.commonest_names(row_items, names.codes[good], names.labels, log.n_items)
        return log

    # ---- what is in them --------------------------------------------------------------------------------------------

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.user_items.shape[0]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.user_items.shape[1]

    @property
    def n_bad_rows(self) -> int:
        """Number of rows left out."""
        return sum(self.bad_rows.values())

    @property
    def n_merged_rows(self) -> int:
        """Number of good rows that repeated an earlier row's user and item."""
        return self.n_rows - self.n_bad_rows - self.user_items.nnz

    def user_rows(self, labels: Any) -> Any:
        """Return the row numbers of user labels: an int for one label, an array for a list of them.

        Raises `UnknownLabelError`, with the closest known labels, if a label is not known.
        """
        return _labels.rows_of(self.user_labels, labels, what="user")

    def item_rows(self, labels: Any) -> Any:
        """Return the row numbers of item labels: an int for one label, an array for a list of them.

        Raises `UnknownLabelError`, with the closest known labels and titles, if a label is not known.
        """
        return _labels.rows_of(self.item_labels, labels, what="item", names=self.item_names)

    def summary(self) -> str:
        """Tell in sentences what was read and what became of it."""
        sentences = [
            f"{counted('row', self.n_rows)}: {counted('interaction', self.user_items.nnz)} of "
            f"{counted('user', self.n_users)} with {counted('item', self.n_items)}; "
            f"{counted('row', self.n_merged_rows)} repeated a user and item."
        ]
        if self.bad_rows:
            sentences.append(self._bad_row_sentence())
        if self.contexts is not None:
            unknown = self.n_shown_unknown, self.n_shown_unknown_contexts
            sentences.append(_contexts.described(self.contexts, *unknown))
        if self.names_missing and not self.n_named_missing:
            sentences.append("No row has the user that missing_user names.")
        label, share = self.heaviest_user
        if share > HEAVY_SHARE and self.n_users > 1 / HEAVY_SHARE:
            value = repr(label.item() if isinstance(label, (np.integer, np.floating)) else label)
            sentences.append(
                f"User {label} holds {100 * share:.0f} % of the rows; if it stands for unknown visitors, pass "
                f"missing_user={value}."
            )
        return " ".join(sentences)

    def _bad_row_sentence(self) -> str:
        """Tell how many rows were left out, and why."""
        counts = ", ".join(f"{reason} {count:,}" for reason, count in self.bad_rows.items())
        return f"{counted('bad row', self.n_bad_rows)} left out: {counts}."

    def __repr__(self) -> str:
        counts = {"user": self.n_users, "item": self.n_items, "interaction": self.user_items.nnz}
        bad = f"; {counted('bad row', self.n_bad_rows)} left out" if self.bad_rows else ""
        return f"Interactions({', '.join(counted(noun, count) for noun, count in counts.items())}{bad})"

    def _with_matrix(self, user_items: scipy.sparse.csr_array, timestamps: np.ndarray | None) -> Interactions:
        """Return interactions with some of these, for the same users and items."""
        part = Interactions.__new__(Interactions)
        part.__dict__ |= self.__dict__ | {"user_items": user_items, "timestamps": timestamps}
        part.n_rows, part.bad_rows = user_items.nnz, {}
        if self.contexts is not None:
            kept = np.asarray(user_items[self.contexts.users, self.contexts.items]).ravel() != 0
            part.contexts = _contexts.rows_where(self.contexts, kept)
            part.n_rows = int(kept.sum())
        counts = np.diff(user_items.indptr)
        part.heaviest_user = (self.user_labels[counts.argmax()], counts.max() / max(user_items.nnz, 1))
        return part

    def aligned_to(self, other: Any) -> Interactions:
        """Return these interactions with the rows and columns of others, or of a model, found by labels.

        That is what interactions from another file need to be test or validation data of a model: `evaluate` and
        `BPR.fit` compare row numbers.

        Parameters
        ----------
        other : Interactions, or a model fitted to Interactions
            Whose users and items, with their labels and titles, the result has: all of them, in their order.

        Returns
        -------
        Interactions
            Interactions of users or items that `other` does not know are left out and counted in ``bad_rows``, beside
            what was bad before, as "unknown user" (whether or not the item is known) and "unknown item". A row that
            repeats a user and item is still counted as one of its own if there are contexts or no weights.

        Raises
        ------
        TypeError, ValueError
            If `other` has no labels, or if no interaction has a user and an item that `other` knows.

        Examples
        --------
        >>> log = Interactions.from_arrays(["ann", "bob", "bob"], ["tea", "cup", "tea"])
        >>> later = Interactions.from_arrays(["bob", "ann", "eve"], ["saw", "cup", "tea"])
        >>> test = later.aligned_to(log)
        >>> test.user_items.toarray()
        array([[0., 1.],
               [0., 0.]], dtype=float32)
        >>> test.bad_rows
        {'unknown user': 1, 'unknown item': 1}
        """
        return _alignment.aligned(self, other)


ROLES = {
    "user": "users",
    "item": "items",
    "context": "contexts",
    "timestamp": "timestamps",
    "weight": "weights",
    "item_name": "item_names",
    "context_kind": "context_kinds",
    "shown": "shown",
}


LABELS = ("users", "items", "contexts", "context_kinds", "item_names")
