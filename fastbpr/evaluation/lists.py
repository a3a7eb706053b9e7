"""What is in recommendation lists, beyond their accuracy: how much of the catalogue, and how popular it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _lists, _ranking, _validation
from fastbpr._threads import effective_threads

LIST_METRICS = ("coverage", "gini", "popularity", "popularity_percentile", "novelty")


def evaluate_lists(
    model: Any,
    train: Any,
    K: int | Sequence[int] = 10,
    *,
    users: Any = None,
    metrics: str | Sequence[str] = LIST_METRICS,
    num_threads: int = 0,
) -> dict[str, float]:
    """Describe the lists of the K items that a model recommends: how much of the catalogue they show, how known it is.

    A user's list has the items with the highest scores among those that are no training items of the user, the smaller
    row number first where scores are equal, as `BPR.recommend` has. Nothing here says whether users like the lists:
    random ones cover everything. Read the result next to that of `evaluate`.

    Parameters
    ----------
    model : BPR, or any object with a method ``score(userids)``
        As in `evaluate`.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    K : int or sequence of int, default 10
        Length of the lists, >= 1.
    users : array of int or None, default None
        Whose lists; a user given twice counts once. None stands for all users with training items.
    metrics : str or sequence of str, default all of them
        Any of ``coverage``, ``gini``, ``popularity``, ``popularity_percentile``, ``novelty``, also with a length of its
        own, as in ``"coverage@20"``.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"coverage@10": 0.31, "gini@10": 0.92}``, in the order asked for.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    IndexError
        If a user id is out of range.
    TypeError, ValueError
        If an argument is not as it must be, or if scores are NaN or of the wrong shape.

    Notes
    -----
    Let n be the number of items (columns of `train`), m the number of users with training items, n_i the number of
    users who have item i in training, and c_i the number of lists that item i is in.

    * ``coverage@K`` = #{i : c_i > 0} / n, the share of the catalogue that is recommended to somebody.
    * ``gini@K`` = sum of (2 r - n - 1) c_(r) / ((n - 1) sum of c) over r = 1 .. n with c_(1) <= ... <= c_(n): 0 if all
      items are recommended equally often, 1 if a single one is all the time (Shani & Gunawardana, 2011).
    * ``popularity@K``: the mean n_i of the items in a list.
    * ``popularity_percentile@K``: the mean, over the items in a list, of the percentage of items of the catalogue that
      are less popular, plus half of the percentage that is as popular (the item itself included): from 0 to 100, and 50
      for items taken at random.
    * ``novelty@K``: the mean -log2(n_i / m) of the items in a list, in bits (Zhou et al., 2010). It is infinite for an
      item that nobody has; such an item counts as one that a single user has.

    The last three are means over each list, then over the lists. Lists are shorter than K where a user has nearly
    everything; empty ones do not count.

    References
    ----------
    * Shani & Gunawardana, "Evaluating Recommendation Systems", Recommender Systems Handbook 2011, section 8.3.3.
    * Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010.

    Examples
    --------
    The most popular item that is new to them is item 0 for user 2 and item 1 for the others.

    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity
    >>> train = csr_array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]])
    >>> evaluate_lists(Popularity().fit(train), train, K=1, metrics=["coverage", "popularity", "novelty"])
    {'coverage@1': 0.5, 'popularity@1': 1.5, 'novelty@1': 1.60...}
    """
    chosen = _validation.check_metrics(metrics, K, LIST_METRICS, ())
    train_items = _validation.check_fitted_to(train, model)
    having = np.flatnonzero(np.diff(train_items.indptr))
    users = _validation.check_asked("users", users, having, train_items.shape[0], what="user")
    longest = max(cutoff for _, cutoff in chosen)
    ids = _lists.recommendations(model, train_items, users, longest, effective_threads(num_threads))
    popularity = np.bincount(train_items.indices, minlength=train_items.shape[1])
    recommended = Recommended(ids, popularity, len(having))
    return {
        _ranking.label(name, cutoff): METRICS[name](recommended._replace(ids=ids[:, :cutoff]))
        for name, cutoff in chosen
    }


class Recommended(NamedTuple):
    """Lists, and how popular all items are."""

    ids: np.ndarray  # (n_lists, K)  -1 where there are fewer
    popularity: np.ndarray  # (n_items,)  number of training users
    n_users: int  # with training items


def coverage(recommended: Recommended) -> float:
    """Share of the items that are in some list."""
    return float((_lists.counts(recommended.ids, len(recommended.popularity)) > 0).mean())


def gini(recommended: Recommended) -> float:
    """Gini index of how often items are in lists; NaN if all lists are empty, 0 of a single item."""
    n = len(recommended.popularity)
    counts = np.sort(_lists.counts(recommended.ids, n)).astype(float)
    if counts[-1] == 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (max(n - 1, 1) * counts.sum()))


def popularity(recommended: Recommended) -> float:
    """Mean number of training users."""
    return _lists.mean_of_means(recommended.ids, recommended.popularity[recommended.ids])


def popularity_percentile(recommended: Recommended) -> float:
    """Mean percentage of the catalogue that is less popular, items as popular counting half."""
    ordered = np.sort(recommended.popularity)
    n_less, n_up_to = (np.searchsorted(ordered, recommended.popularity, side) for side in ("left", "right"))
    percentiles = 100 * (n_less + n_up_to) / (2 * len(ordered))
    return _lists.mean_of_means(recommended.ids, percentiles[recommended.ids])


def novelty(recommended: Recommended) -> float:
    """Mean number of bits that it tells of a user to have the item."""
    bits = np.log2(recommended.n_users / np.maximum(recommended.popularity, 1))
    return _lists.mean_of_means(recommended.ids, bits[recommended.ids])


METRICS = {function.__name__: function for function in (coverage, gini, popularity, popularity_percentile, novelty)}
