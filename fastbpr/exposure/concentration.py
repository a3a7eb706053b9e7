"""How concentrated exposure is: whether a few pages see most of what happens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastbpr import _labels, _validation, _visits
from fastbpr._sentences import counted, number, percent
from fastbpr.interactions import Interactions


class Concentration(NamedTuple):
    """What `concentration` found; ``print`` shows it in sentences. Without rows in contexts, means are NaN."""

    n_rows: int  # good rows of the log
    n_rows_in_contexts: int
    share_in_contexts: float  # of the rows
    n_contexts: int  # that have rows
    n_shared: int  # contexts with at least two users
    share_in_shared: float  # of the rows, that are in these
    contexts_of_kind: dict[str, int]  # number of contexts of each kind; empty if the log has no kinds
    rows_of_kind: dict[str, int]
    largest: Any  # label of the context with most rows
    largest_share: float  # of the rows in contexts, that are in it
    gini: float  # of rows over contexts: 0 if all have the same number, near 1 if one has all
    effective_contexts: float  # exp of the entropy of rows over contexts: n_contexts if all have the same number
    rows_per_visit: float  # mean number of rows of a user in a context
    median_users: float  # of a context

    def sentences(self) -> list[str]:
        """Say it."""
        if not self.n_contexts:
            return [f"None of {counted('row', self.n_rows)} is in a context."]
        told = [
            f"{percent(self.share_in_contexts)} of {counted('row', self.n_rows)} are in "
            f"{counted('context', self.n_contexts)}, {percent(self.share_in_shared)} in the {self.n_shared:,} that "
            "two users or more share."
        ]
        if self.contexts_of_kind:
            parts = [
                f"{kind} {counted('context', self.contexts_of_kind[kind])} with {counted('row', n_rows)}"
                for kind, n_rows in sorted(self.rows_of_kind.items(), key=lambda entry: -entry[1])
            ]
            told.append(f"By kind: {'; '.join(parts)}.")
        median = self.median_users
        told += [
            f"The largest, {self.largest}, has {percent(self.largest_share)} of the rows in contexts. They are spread "
            f"as over {number(self.effective_contexts)} contexts of one size (Gini {self.gini:.2f}).",
            f"A user has {number(self.rows_per_visit)} rows in a context on average, and a context in the middle has "
            f"{counted('user', int(median) if median == int(median) else median)}.",
        ]
        return told

    def __str__(self) -> str:
        return "\n".join(self.sentences())


def concentration(log: Interactions, *, kinds: Any = None) -> Concentration:
    """Measure how much of a log happens in contexts, and in how few of them.

    What is clicked on together in a context that many users share, a trending page, tells what was shown together. The
    more of a log is from a few such contexts, the more of what can be learned from it is about them.

    Parameters
    ----------
    log : Interactions
        With contexts. Is not changed.
    kinds : kind, list of kinds or None, default None
        Which contexts to look at, of any strength; None stands for all.

    Returns
    -------
    Concentration
        A named tuple; ``print`` shows it in sentences.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be, or if the log has no contexts.

    Notes
    -----
    With n_c rows in context c (repeated rows count), C contexts that have rows, and n rows in all of them:

    * ``gini`` = sum of (2 r - C - 1) n_(r) / ((C - 1) n) over r = 1 .. C with n_(1) <= ... <= n_(C), 0 if C = 1;
    * ``effective_contexts`` = exp(- sum of n_c / n ln(n_c / n)), the number of contexts of equal size that are as
      hard to guess (Hill's number of order 1);
    * ``rows_per_visit`` = n / number of different pairs of a user and a context.

    References
    ----------
    Hill, "Diversity and Evenness: A Unifying Notation and Its Consequences", Ecology 54, 1973.

    Examples
    --------
    >>> from fastbpr.datasets import simulate_shop
    >>> log = simulate_shop(n_users=200, n_items=60, n_clusters=5, trending_share=0.5, n_pages=4).interactions()
    >>> found = concentration(log, kinds="trending")
    >>> found.n_contexts, round(found.share_in_contexts, 3)
    (4, 0.5)
    >>> print(found)
    50 % of ... rows are in 4 contexts, 50 % in the 4 that two users or more share.
    By kind: trending 4 contexts with ... rows.
    The largest, ..., has 2... % of the rows in contexts. They are spread as over 4.0 contexts of one size (Gini ...).
    A user has ... rows in a context on average, and a context in the middle has ... users.
    """
    contexts = _validation.check_contexts("log", log)
    chosen = np.ones(len(contexts.labels), dtype=bool) if kinds is None else _visits.of_kinds(contexts, kinds)
    n_rows = len(contexts.users)
    of_context = np.bincount(contexts.contexts[_visits.rows_in(contexts, chosen)], minlength=len(chosen))
    present = np.flatnonzero(of_context)
    n_inside = int(of_context.sum())
    if not n_inside:
        nan = float("nan")
        return Concentration(n_rows, 0, 0.0, 0, 0, 0.0, {}, {}, None, nan, nan, nan, nan, nan)
    users = _visits.users_of(contexts, chosen)
    contexts_of_kind: dict[str, int] = {}
    rows_of_kind: dict[str, int] = {}
    if contexts.kinds is not None:
        for kind, rows in zip(contexts.kinds[present].tolist(), of_context[present].tolist(), strict=True):
            name = "of no kind" if kind is None else str(kind)
            contexts_of_kind[name] = contexts_of_kind.get(name, 0) + 1
            rows_of_kind[name] = rows_of_kind.get(name, 0) + rows
    shares = np.sort(of_context[present]) / n_inside
    places = 2 * np.arange(1, len(shares) + 1) - len(shares) - 1
    largest = int(of_context.argmax())
    return Concentration(
        n_rows=n_rows,
        n_rows_in_contexts=n_inside,
        share_in_contexts=n_inside / n_rows,
        n_contexts=len(present),
        n_shared=int(np.count_nonzero(users >= _visits.MIN_USERS)),
        share_in_shared=float(of_context[users >= _visits.MIN_USERS].sum() / n_rows),
        contexts_of_kind=contexts_of_kind,
        rows_of_kind=rows_of_kind,
        largest=_labels.plain(contexts.labels, largest),
        largest_share=float(of_context[largest] / n_inside),
        gini=float(places @ shares / max(len(shares) - 1, 1)),
        effective_contexts=float(np.exp(-(shares @ np.log(shares)))),
        rows_per_visit=float(n_inside / users.sum()),
        median_users=float(np.median(users[present])),
    )
