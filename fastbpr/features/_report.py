"""What became of the lines and values that a feature matrix was made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastbpr._sentences import counted

MAX_EXAMPLES = 5


@dataclass(frozen=True)
class ColumnReport:
    """What became of one column.

    Attributes
    ----------
    kind : {"categorical", "lists", "text", "numeric", "embeddings"}
    n_features : int
        Columns of the matrix that come from it.
    n_missing : int
        Rows that have a line, but no value here. An infinite number is no value.
    n_unseen, n_rows_unseen : int
        Distinct values that are no features, because `fit` did not see them or in too few rows, and rows with any.
        They are left out.
    unseen : list of (value, int)
        Those in most rows, five at most, with the number of rows.
    n_several : int
        Rows with more than one value in a categorical column, which takes several lines.
    constant : list of str
        Features that had the same value in all rows of `fit`, so that nothing can be learned from them.
    """

    kind: str
    n_features: int
    n_missing: int = 0
    n_unseen: int = 0
    n_rows_unseen: int = 0
    unseen: list[tuple[Any, int]] = field(default_factory=list)
    n_several: int = 0
    constant: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.kind}, {counted('feature', self.n_features)}"]
        if self.n_missing:
            parts.append(f"{counted('row', self.n_missing)} without a value")
        if self.n_unseen:
            most = ", ".join(f"{value!r} ({count:,})" for value, count in self.unseen)
            more = f" and {self.n_unseen - len(self.unseen):,} more" if self.n_unseen > len(self.unseen) else ""
            parts.append(
                f"{counted('value', self.n_unseen)} in {counted('row', self.n_rows_unseen)} left out, unknown from fit "
                f"or too rare there: {most}{more}"
            )
        if self.n_several:
            parts.append(f"{counted('row', self.n_several)} with several values")
        if self.constant:
            n_more = len(self.constant) - MAX_EXAMPLES
            some = ", ".join(self.constant[:MAX_EXAMPLES]) + (f" and {n_more:,} more" if n_more > 0 else "")
            parts.append(f"{counted('feature', len(self.constant))} the same in all rows of fit: {some}")
        return "; ".join(parts) + "."


@dataclass(frozen=True)
class FeatureReport:
    """What became of the lines and columns of a frame; as text, an account to read.

    Attributes
    ----------
    n_rows, n_features, n_lines : int
    rows_without_line : ndarray of int32
        Rows of the matrix that no line of the frame was for; they are empty.
    n_lines_without_key, n_lines_of_others, n_lines_merged : int
        Lines with a missing key, and lines whose key is none of the rows', both left out; and lines with the key of an
        earlier one, merged with it.
    columns : dict of str to ColumnReport
        By the name of the column, in the order of the features.
    """

    n_rows: int
    n_features: int
    n_lines: int
    rows_without_line: np.ndarray
    n_lines_without_key: int
    n_lines_of_others: int
    n_lines_merged: int
    columns: dict[str, ColumnReport]

    @property
    def n_rows_without_line(self) -> int:
        """Number of rows that no line was for."""
        return len(self.rows_without_line)

    def __str__(self) -> str:
        facts = [
            f"{counted(noun, count)} {what}"
            for noun, count, what in (
                ("row", self.n_rows_without_line, "without a line"),
                ("line", self.n_lines_without_key, "without a key left out"),
                ("line", self.n_lines_of_others, "of no row left out"),
                ("line", self.n_lines_merged, "merged with an earlier one of the same key"),
            )
            if count
        ]
        head = f"{counted('row', self.n_rows)} with {counted('feature', self.n_features)} from "
        head += counted("line", self.n_lines) + "".join(f"; {fact}" for fact in facts) + "."
        return "\n".join([head, *(f"  {name}: {column}" for name, column in self.columns.items())])

    __repr__ = __str__


def stacked(reports: list[FeatureReport | None]) -> FeatureReport | None:
    """Return the report of matrices side by side: lines are added up, and a row has a line if it has one in any."""
    known = [report for report in reports if report is not None]
    if not known:
        return None
    without = known[0].rows_without_line
    for report in known[1:]:
        without = np.intersect1d(without, report.rows_without_line)
    names = [(name, column) for report in known for name, column in report.columns.items()]
    return FeatureReport(
        known[0].n_rows,
        sum(report.n_features for report in known),
        sum(report.n_lines for report in known),
        without,
        sum(report.n_lines_without_key for report in known),
        sum(report.n_lines_of_others for report in known),
        sum(report.n_lines_merged for report in known),
        dict(names),
    )
