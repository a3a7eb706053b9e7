"""Neighbours that share a page with their item, but little else."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _labels, _lists, _ranking, _readers, _validation
from fastbpr._sentences import percent
from fastbpr._threads import effective_threads
from fastbpr.exposure._pairs import PairEvidence
from fastbpr.interactions import Interactions

CHANCE_PAIRS = 2**18  # of items and random others: the chance level is known to within 0.001


class CoExposure(NamedTuple):
    """What `co_exposure` found; ``print`` shows it in sentences."""

    ceo: float  # CEO@K: mean share of neighbours that share a context with the item but little else
    chance: float  # the same of random items
    excess: float  # ceo - chance
    n_items: int  # that have lists
    per_item: np.ndarray  # float64 (n_items of the log,), share of each item's neighbours; NaN where it has no list
    list_length: int  # K

    def sentences(self) -> list[str]:
        """Say it."""
        if not self.n_items:
            return ["No item is in a context that counts: none can share one."]
        return [
            f"Of the {self.list_length} most similar items of {self.n_items:,} items, {percent(self.ceo)} share a "
            f"context with the item but little else; of random items {percent(self.chance)} do."
        ]

    def __str__(self) -> str:
        return " ".join(self.sentences())


def co_exposure(
    model: Any,
    log: Interactions,
    K: int = 10,
    *,
    items: Any = None,
    groups: Any = None,
    kinds: Any = None,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    num_threads: int = 0,
) -> CoExposure:
    """Measure how many neighbours are there because they shared a page with the item, not because they are alike.

    Who looks at a trending page clicks on several of its items. To a model that looks like items that go together. So
    some neighbours share a context with their item, and have little else in common with it: their share is CEO@K, the
    share of co-exposure-only neighbours. Some of that is chance, as items from the same page may be neighbours for any
    reason. So the same share of random items is taken off: excess CEO@K is about 0 for lists that do not care about
    contexts, and may be below.

    Parameters
    ----------
    model : BPR, or any object with ``similar_items(itemids, N)``, ``similarity(itemids)`` or ``item_factors``
        As in `fastbpr.evaluation.evaluate_neighbours`. A model with item labels that are not the log's is matched with
        it by labels: an item that it does not know has no list, and a neighbour that the log does not know shares no
        context. Any other has one row for each of the log's items.
    log : Interactions
        With contexts: the log whose contexts are suspected, whether or not the model has learned from all of it. Is not
        changed.
    K : int, default 10
        Length of the lists without the item itself, >= 1.
    items : array of int or None, default None
        Row numbers, in the log, of the items whose lists are looked at. None stands for all items that were clicked on
        or shown in a context that counts: others cannot share one.
    groups : array of labels, shape (n_items,), or None, default None
        The category of each of the log's items (None, NaN and "" for none), if categories tell what is alike. Items
        without one are not asked, and passed over in others' lists.
    kinds : kind, list of kinds or None, default None
        Which contexts count, of any strength; None stands for those of a strength above 0. Contexts with a single user
        never count.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default 0
        Seed of the random items.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    CoExposure
        A named tuple ``ceo, chance, excess, n_items, per_item, list_length``; ``print`` shows it in sentences. NaN
        where there is nothing to be the mean of.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    IndexError
        If an item id is out of range.
    TypeError, ValueError
        If an argument is not as it must be, if the log has no contexts, or if what the model returns is not as it must
        be.

    Notes
    -----
    Items i and j share a context if there is one that counts in which both were clicked on, by whomever, or shown.

    With `groups`, they have little else in common if their groups differ. Without, if no more users have both *apart*
    than by chance. Let n_i be the number of users with item i and d_ij the number of users with both i and j, without
    those whose clicks on either are all in one and the same context that counts. Let m_ic be the number of users whose
    clicks on i are all in context c. If the users of interactions were drawn independently, in proportion to their
    number of items a_u, the expected value of d_ij would be

        e_ij = (n_i n_j - sum over c of m_ic m_jc) s,  with s = sum of a_u^2 / (sum of a_u)^2.

    d_ij is chance if a Poisson number of mean e_ij reaches it with a probability of more than 5 %. So a lift
    d_ij / e_ij up to 1 is always chance, and so is more where numbers are small: one common user where e_ij is 0.06,
    three where it is 1. Clicks in no context that counts are everybody's own.

    A list's share is that of its neighbours; ``ceo`` is the mean over all lists that are not empty. ``chance`` is the
    same of items with users, other than i and drawn at random with the same probability, about 262,144 for all lists
    together; of all of them where there are no more.

    References
    ----------
    The null model of independent users of different activity is that of Smith & Linden, "Two Decades of Recommender
    Systems at Amazon.com", IEEE Internet Computing 21(3), 2017, to first order.

    Examples
    --------
    >>> from fastbpr import BPR
    >>> from fastbpr.datasets import simulate_shop
    >>> shop = simulate_shop(n_users=1000, n_items=150, n_clusters=10, trending_share=0.7, n_pages=10, page_size=12)
    >>> log, twin = shop.interactions(), shop.twin().interactions()
    >>> model, oracle = (BPR(factors=16, random_state=0).fit(one, show_progress=False) for one in (log, twin))
    >>> found = co_exposure(model, log)
    >>> found.excess > 0.4
    True
    >>> abs(co_exposure(oracle, log).excess) < 0.1
    True
    >>> print(found)
    Of the 10 most similar items of ... items, ... % share a context with the item but little else; ...
    """
    contexts = _validation.check_contexts("log", log)
    K = _validation.check_integer("K", K, minimum=1)
    n_items = log.n_items
    codes = None if groups is None else group_codes(groups, n_items)
    seed = _validation.check_seed("random_state", random_state)
    evidence = PairEvidence.of(contexts, log.user_items, kinds)
    asked = np.flatnonzero(np.diff(evidence.members.indptr))
    if items is not None:
        asked = _validation.check_asked("items", items, asked, n_items, what="item")
    lists = lists_in_log(model, log, asked, K, effective_threads(num_threads))
    return measured(evidence, asked, lists, codes, np.random.default_rng(seed))


def group_codes(groups: Any, n_items: int) -> np.ndarray:
    """Return the code of each item's group, negative for none."""
    codes = _labels.factorise("groups", _readers.as_column("groups", groups)).codes
    return _validation.check_groups(codes, n_items)


def lists_in_log(model: Any, log: Interactions, asked: np.ndarray, n: int, num_threads: int) -> np.ndarray:
    """Return the n neighbours of each item asked for as rows of the log: -1 for none, -2 for what it does not know."""
    labels = getattr(model, "item_labels", None)
    if labels is None or np.array_equal(labels, log.item_labels):
        return _lists.neighbours(model, log.user_items.shape, asked, n, num_threads)
    n_model = len(labels)
    rows = _labels.matched(labels, log.item_labels)  # in the model, of the log's items
    _validation.check_some_known("log", "item", rows, log.item_labels, labels)
    in_log = np.full(n_model + 1, -2, dtype=np.int64)
    in_log[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    in_log[-1] = -1
    known = rows[asked] >= 0
    lists = np.full((len(asked), n), -1, dtype=np.int64)
    n_users = len(getattr(model, "user_factors", log.user_items.indptr[1:]))
    lists[known] = in_log[_lists.neighbours(model, (n_users, n_model), rows[asked[known]], n, num_threads)]
    return lists


def measured(
    evidence: PairEvidence, asked: np.ndarray, lists: np.ndarray, codes: np.ndarray | None, rng: np.random.Generator
) -> CoExposure:
    """Compare lists with random ones."""
    n_items = evidence.members.shape[0]
    per_item = np.full(n_items, math.nan)
    shares = only_shared(evidence, asked, lists, codes)
    per_item[asked] = shares
    listed = asked[~np.isnan(shares)]
    if not len(listed):
        return CoExposure(math.nan, math.nan, math.nan, 0, per_item, lists.shape[1])
    others = np.flatnonzero(np.diff(evidence.users.indptr))
    random = only_shared(evidence, listed, random_lists(listed, others, rng), codes)
    ceo, chance = _ranking.mean(shares), _ranking.mean(random)
    return CoExposure(ceo, chance, ceo - chance, len(listed), per_item, lists.shape[1])


def random_lists(items: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return lists of other items drawn at random, or all of them if those are no more; -1 for the item itself."""
    n_each = -(-CHANCE_PAIRS // len(items))
    if n_each >= len(others):
        lists = np.tile(others, (len(items), 1))
    else:
        lists = others[rng.integers(len(others), size=(len(items), n_each))]
    return np.where(lists == items[:, None], -1, lists)


def only_shared(evidence: PairEvidence, items: np.ndarray, lists: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """Return the share of each list that shares a context but little else, NaN of an empty one; -1 is no neighbour."""
    present = lists != -1
    if codes is not None:
        present &= (codes[items] >= 0)[:, None] & (codes[lists] >= 0) & (lists >= 0)
    known = present & (lists >= 0)
    answer = np.zeros(lists.shape)
    answer[known] = evidence.only_shared(np.repeat(items, known.sum(axis=1)), lists[known], codes)
    n_present = present.sum(axis=1)
    return np.divide(answer.sum(axis=1), n_present, out=np.full(len(items), math.nan), where=n_present > 0)
