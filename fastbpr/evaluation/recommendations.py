"""Accuracy of recommendations on interactions that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _ranking, _validation
from fastbpr._threads import effective_threads
from fastbpr.evaluation.tiers import Tiers, only_columns

ALL_METRICS = ("hr", "recall", "precision", "ndcg", "map", "mrr", "auc")


def evaluate(
    model: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ALL_METRICS,
    negatives: np.ndarray | None = None,
    *,
    users: Any = None,
    tiers: bool | Sequence[float] = False,
    num_threads: int = 0,
) -> dict[str, float]:
    """Rank every user's test items among all items that are new to the user, and return the means of metrics.

    The candidates of a user are all items but the user's training items. The relevant ones are the user's test items;
    a test item that is a training item, too, cannot be recommended and is left out. Users with a relevant item are
    evaluated, and every mean is over these users. A candidate that is not relevant and scores the same as a relevant
    one is ranked ahead of it, so ties (a model that gives every item one score, say) never look like skill.

    Parameters
    ----------
    model : BPR, or any object with a method ``score(userids)``
        ``score`` takes an array of n row numbers and returns the scores of all items, shape (n, n_items), the higher
        the better and never NaN; they are compared as float32.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    test : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What was held out. Values do not matter.
    K : int or sequence of int, default 10
        Length of the list that is judged, >= 1. Several lengths cost next to nothing more.
    metrics : str or sequence of str, default all of them
        Any of ``hr``, ``recall``, ``precision``, ``ndcg``, ``map``, which look at the first `K` items (``"ndcg@20"``
        sets a length of its own), and ``mrr``, ``auc``, which look at the whole list.
    negatives : array of int, shape (n_users, m), or None, default None
        Rank relevant items against these items only: row u has those of user u, with -1 where there are fewer than m.
        An item given twice counts once; one that is among the user's test items does not compete; a training item
        does. Results on samples are not comparable with results on all items, and can order models differently
        (Krichene & Rendle, 2020), so the names say it: ``"hr@10 (99 negatives)"``.
    users : array of int or None, default None
        The only users to evaluate. None stands for all.
    tiers : bool or sequence of float, default False
        True adds every metric for popular, middling and rare items apart, as ``"ndcg@10 (head)"``,
        ``"ndcg@10 (middle)"`` and ``"ndcg@10 (tail)"``, each with a third of the training interactions. Other shares of
        them, which add up to 1, make two tiers (head and tail), three or more. See Notes.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"hr@10": 0.71, "mrr": 0.36}``, in the order asked for.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    IndexError
        If a user id is out of range.
    TypeError, ValueError
        If an argument is not as it must be, if scores are NaN or of the wrong shape, or if no user can be evaluated.

    Notes
    -----
    For one user let R be the number of relevant items, and rank_1 < ... < rank_R their ranks in the list of all
    candidates, best first, from 1:

    * ``hr@K`` = 1 if rank_1 <= K, else 0 (He et al., 2017).
    * ``recall@K`` = #{r : rank_r <= K} / R.
    * ``precision@K`` = #{r : rank_r <= K} / K.
    * ``ndcg@K`` = DCG / IDCG, with DCG = sum of 1 / log2(rank_r + 1) over rank_r <= K and IDCG = sum of
      1 / log2(r + 1) over r <= min(K, R) (Jarvelin & Kekalainen, 2002).
    * ``map@K`` = sum of r / rank_r over rank_r <= K, divided by R (as trec_eval does; some divide by min(K, R)).
    * ``mrr`` = 1 / rank_1 (Voorhees, 1999).
    * ``auc`` = share of the pairs of a relevant and another candidate in which the relevant one scores higher
      (Rendle et al., 2009, section 3.1). Users all of whose candidates are relevant have no such pair and do not count.

    Tiers: items are sorted by their number of training users, most first, and by row number where it is the same. With
    N training interactions in all, an item belongs to the first tier if the items before it have less than share_1 * N
    of them, else to the second if they have less than (share_1 + share_2) * N, and so on; items that nobody has come
    last. A tier's metrics are those above with the test items of the tier as the only relevant ones. The user's other
    test items are no competitors: they are right answers, and are left out as training items are. The mean is over the
    users with a relevant item of the tier, and NaN if there are none.

    References
    ----------
    * He et al., "Neural Collaborative Filtering", WWW 2017.
    * Jarvelin & Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002.
    * Krichene & Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.
    * Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    * Voorhees, "The TREC-8 Question Answering Track Report", 1999.

    Examples
    --------
    Three users have item 0 and one has item 1. Among what is new to user 0, item 1 is the most popular; item 3, which
    user 1 wants, shares the last place with item 2 and is ranked behind it.

    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity
    >>> train = csr_array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    >>> test = csr_array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    >>> evaluate(Popularity().fit(train), train, test, K=1, metrics=["hr", "recall@2", "mrr"])
    {'hr@1': 0.5, 'recall@2': 1.0, 'mrr': 0.75}
    """
    chosen = _validation.check_metrics(metrics, K, _ranking.METRICS_AT_K, _ranking.METRICS_OF_ALL)
    shares = _validation.check_tiers(tiers)
    train_items, test_items = _validation.check_split(train, test, model)
    longest = _ranking.longest_of(chosen)
    found = found_items(model, train_items, test_items, negatives, users, num_threads, longest, in_parts=bool(shares))
    results = found.means(chosen)
    if shares is not None:
        item_tiers = Tiers.of(train_items, shares)
        parts = [
            found.only(item_tiers.of_item == tier, tier_name).means(chosen)
            for tier, tier_name in enumerate(item_tiers.names)
        ]
        for of_metric in zip(*(part.items() for part in parts), strict=True):
            results.update(of_metric)
    return results


class UserValues(NamedTuple):
    """Metrics of single users. `evaluate_per_user` makes it, and has an example."""

    users: np.ndarray
    """Row numbers of the users evaluated, ascending; int64, shape (n,)."""

    values: dict[str, np.ndarray]
    """For every metric the users' values in the order of `users`; float64, shape (n,)."""


def evaluate_per_user(
    model: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ALL_METRICS,
    negatives: np.ndarray | None = None,
    *,
    users: Any = None,
    num_threads: int = 0,
) -> UserValues:
    """Return the values of single users whose means `evaluate` returns.

    It is for looking at who is served well and who is not, and for `confidence_interval`. Parameters are those of
    `evaluate`.

    Returns
    -------
    UserValues
        ``users`` are the users who have something to find, and ``values`` has an array per metric, such as
        ``{"hr@10": array([1., 0., 1.])}``. ``auc`` is NaN for users all of whose candidates are relevant.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    IndexError, TypeError, ValueError
        As in `evaluate`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity
    >>> train = csr_array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    >>> test = csr_array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    >>> users, values = evaluate_per_user(Popularity().fit(train), train, test, K=1, metrics=["hr", "mrr"])
    >>> users
    array([0, 1])
    >>> values
    {'hr@1': array([1., 0.]), 'mrr': array([1. , 0.5])}
    """
    chosen = _validation.check_metrics(metrics, K, _ranking.METRICS_AT_K, _ranking.METRICS_OF_ALL)
    train_items, test_items = _validation.check_split(train, test, model)
    longest = _ranking.longest_of(chosen)
    found = found_items(model, train_items, test_items, negatives, users, num_threads, longest)
    return UserValues(found.users, found.values(chosen))


class Found(NamedTuple):
    """How many candidates are ahead of every relevant item."""

    users: np.ndarray  # (n_users,)  who is evaluated: each has a relevant item
    wanted: scipy.sparse.csr_array  # (n_users, n_items)  the relevant items
    n_ahead: np.ndarray  # (wanted.nnz,)  candidates that are not relevant and score at least as high
    n_others: np.ndarray  # (n_users,)  candidates that are not relevant
    notes: tuple[str, ...]  # what names of results say about them

    def values(self, chosen: list[tuple[str, int | None]]) -> dict[str, np.ndarray]:
        """Return the users' values of metrics."""
        ranking = _ranking.Ranking.from_counts(self.wanted.indptr, self.n_ahead, self.n_others)
        return {
            _ranking.label(name, cutoff, self.notes): _ranking.per_query(ranking, name, cutoff)
            for name, cutoff in chosen
        }

    def means(self, chosen: list[tuple[str, int | None]]) -> dict[str, float]:
        """Return the means of metrics."""
        return {name: _ranking.mean(values) for name, values in self.values(chosen).items()}

    def only(self, chosen: np.ndarray, note: str) -> Found:
        """Return what is left with the chosen items (a flag for each) as the only relevant ones."""
        kept = only_columns(self.wanted, chosen)
        having = np.flatnonzero(np.diff(kept.indptr))
        n_ahead = self.n_ahead[chosen[self.wanted.indices]]
        return Found(self.users[having], kept[having], n_ahead, self.n_others[having], (*self.notes, note))


def found_items(
    model: Any,
    train_items: scipy.sparse.csr_array,
    test_items: scipy.sparse.csr_array,
    negatives: np.ndarray | None,
    users: Any,
    num_threads: int,
    longest: int | None,
    *,
    in_parts: bool = False,
) -> Found:
    """Look for test items as `evaluate` says; counts that lead to ranks beyond `longest` are only known to do so.

    `in_parts` says that they must lead there with a part of the relevant items, too.
    """
    n_users, n_items = train_items.shape
    num_threads = effective_threads(num_threads)
    relevant = _ranking.new_items(test_items, train_items)
    evaluated = np.flatnonzero(np.diff(relevant.indptr))
    if users is not None:
        evaluated = np.intersect1d(evaluated, _validation.check_ids("users", users, n_users, what="user")[0])
    _validation.check_evaluated(len(evaluated))
    if negatives is not None:
        negatives = _validation.check_negatives("negatives", negatives, train_items.shape, evaluated)
    scores = _ranking.user_scores(model, train_items.shape, num_threads)
    liked, wanted = train_items[evaluated], relevant[evaluated]

    if negatives is None:
        if longest is not None and in_parts:
            longest += int(np.diff(wanted.indptr).max())  # a list of the best may be full of other relevant items
        n_ahead = scores.count_ahead(evaluated, liked, wanted, targets_compete=False, longest=longest)
        n_others = n_items - np.diff(liked.indptr) - np.diff(wanted.indptr)
    else:
        counts = [
            sampled_ahead(scores.block(evaluated[part]), negatives[evaluated[part]], test_items[evaluated[part]],
                          wanted[part], num_threads)
            for part in _ranking.blocks(len(evaluated), n_items)
        ]  # fmt: skip
        n_ahead, n_others = (np.concatenate(parts) for parts in zip(*counts, strict=True))
    notes = () if negatives is None else (f"{negatives.shape[1]} negatives",)
    return Found(evaluated, wanted, n_ahead, n_others, notes)


def sampled_ahead(
    scores: np.ndarray,
    given: np.ndarray,
    own: scipy.sparse.csr_array,
    wanted: scipy.sparse.csr_array,
    num_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_ahead, n_others) of a block of scores where only the given items compete with the wanted ones."""
    n_others = _ranking.mask_all_but(scores, given, own, wanted)
    nothing = scipy.sparse.csr_array(scores.shape)
    return _ranking.count_ahead(scores, nothing, wanted, False, num_threads), n_others
