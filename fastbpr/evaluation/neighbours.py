"""What is in lists of similar items: hubs, popularity, and whether items of one kind are found together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _labels, _lists, _ranking, _readers, _validation
from fastbpr._blocks import slices
from fastbpr._threads import effective_threads

NEIGHBOUR_METRICS = ("coverage", "hubness", "largest_hub", "orphans", "popularity_ratio", "symmetry", "agreement")
PAIRS_AT_ONCE = 2**18
ROUNDING = 1e-12  # what is left of products of rows that have no tag in common


def evaluate_neighbours(
    model: Any,
    train: Any,
    K: int | Sequence[int] = 10,
    *,
    labels: Any = None,
    items: Any = None,
    metrics: str | Sequence[str] | None = None,
    similarity: str | None = None,
    num_threads: int = 0,
) -> dict[str, float]:
    """Describe the lists of the K items most similar to each item, without test interactions.

    In spaces of many dimensions some vectors, hubs, are near to everything, and many near to nothing: a few items are
    then shown on all pages of related items and many on none. And neighbours that are just as popular as each other,
    or shown together, need not be of one kind: `labels` judge that.

    Parameters
    ----------
    model : BPR, or any object with ``similar_items(itemids, N)``, ``similarity(itemids)`` or ``item_factors``
        What a model has first in this order makes the lists. ``similar_items`` takes an array of n row numbers and
        returns ids and scores, both (n, N) or narrower, best first, with -1 where there are fewer; the item itself may
        be among them, and is left out. ``similarity`` and ``item_factors`` are those of `evaluate_similar_items`.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the model was fitted to.
    K : int or sequence of int, default 10
        Length of the lists without the item itself, >= 1.
    labels : array of shape (n_items,), SciPy sparse matrix of shape (n_items, n_tags), or None, default None
        What is known about items from elsewhere: one category for each (numbers or strings; None, NaN and "" for
        none), or weights >= 0 of tags (a row without entries for none).
    items : array of int or None, default None
        Whose lists; an item given twice counts once. None stands for all items with training users. Neighbours may be
        any items.
    metrics : str or sequence of str or None, default None
        Any of ``coverage``, ``hubness``, ``largest_hub``, ``orphans``, ``popularity_ratio``, ``symmetry``,
        ``agreement``, also with a length of its own, as in ``"symmetry@20"``. None stands for all, without
        ``agreement`` if there are no labels.
    similarity : {"cosine", "centred", "user-space"} or None, default None
        How item factors are compared, as `BPR` describes; a method of the model is not asked then. None stands for the
        model's own choice, and for the cosine where it has none.
    num_threads : int, default 0
        0 uses every CPU that the process may use; a model's own methods decide for themselves. The result does not
        depend on it.

    Returns
    -------
    dict of str to float
        Such as ``{"coverage@10": 0.81, "hubness@10": 2.3}``, in the order asked for. ``agreement`` has three:
        ``"agreement@10"``, ``"agreement@10 (chance)"`` and ``"agreement@10 (lift)"``.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    IndexError
        If an item id is out of range.
    TypeError, ValueError
        If an argument is not as it must be, or if what the model returns is.

    Notes
    -----
    Let N_i be the number of lists that item i is in, and n_i the number of users who have it in training.

    * ``coverage@K``: share of all items with N_i > 0.
    * ``hubness@K``: skewness of N, the mean of (N_i - mean)^3 over the cube of the standard deviation, over all items
      (Radovanovic, Nanopoulos & Ivanovic, 2010). 0 is symmetric; the higher, the more the lists are full of hubs. 0
      also if all N_i are equal.
    * ``largest_hub@K``: the largest N_i.
    * ``orphans@K``: share of the items with training users that have N_i = 0 (anti-hubs).
    * ``popularity_ratio@K``: how many times as popular as the item its neighbours are: the geometric mean of
      (1 + n_neighbour) / (1 + n_item) over each list, then over the lists. 1 if they are as popular.
    * ``symmetry@K``: of the neighbours that were asked for lists themselves, the share in whose list the item is, over
      all lists together.
    * ``agreement@K``: how alike the labels of an item and of its neighbours are, mean over each list, then over the
      lists. With categories, 1 if they are the same, else 0; with tags, the cosine of their rows. Items without labels
      neither ask nor answer: their lists do not count, and they are passed over in those of others.
      ``(chance)`` is the agreement that is expected if the neighbours that count change places at random within and
      between lists, but never into an item's own: what lists get that show the same items equally often and know
      nothing. ``(lift)`` is agreement / chance.

    Whatever has nothing to be the mean of is NaN. With `items`, the lists of these items are the only ones, and N is
    what they make it.

    References
    ----------
    Radovanovic, Nanopoulos & Ivanovic, "Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data", JMLR 2010.

    Examples
    --------
    Items 0 and 1 point one way, items 2 and 3 another.

    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_array
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0]]))
    >>> train = csr_array([[1, 1, 0, 0], [0, 0, 1, 1]])
    >>> evaluate_neighbours(model, train, K=1, labels=["tea", "tea", "cup", "cup"], metrics=["symmetry", "agreement"])
    {'symmetry@1': 1.0, 'agreement@1': 1.0, 'agreement@1 (chance)': 0.33..., 'agreement@1 (lift)': 3.0}
    """
    if metrics is None:
        metrics = [name for name in NEIGHBOUR_METRICS if name != "agreement" or labels is not None]
    chosen = _validation.check_metrics(metrics, K, NEIGHBOUR_METRICS, ())
    _validation.check_labels_given(labels, asked=any(name == "agreement" for name, _ in chosen))
    train_items = _validation.check_fitted_to(train, model)
    n_items = train_items.shape[1]
    popularity = np.bincount(train_items.indices, minlength=n_items)
    queries = _validation.check_asked("items", items, np.flatnonzero(popularity), n_items, what="item")
    tags = None if labels is None else unit_rows(labels, n_items)
    longest = max(cutoff for _, cutoff in chosen)
    ids = _lists.neighbours(model, train_items.shape, queries, longest, effective_threads(num_threads), similarity)
    results = {}
    for name, cutoff in chosen:
        near = Neighbours(queries, ids[:, :cutoff], popularity)
        if name != "agreement":
            results[_ranking.label(name, cutoff)] = METRICS[name](near)
            continue
        observed, chance = agreement(near, tags)
        results[_ranking.label(name, cutoff)] = observed
        results[_ranking.label(name, cutoff, ["chance"])] = chance
        results[_ranking.label(name, cutoff, ["lift"])] = observed / chance if chance else float("nan")
    return results


class Neighbours(NamedTuple):
    """Lists of neighbours, and how popular all items are."""

    queries: np.ndarray  # (n_queries,)  ascending
    ids: np.ndarray  # (n_queries, K)  -1 where there are fewer
    popularity: np.ndarray  # (n_items,)  number of training users

    def counts(self) -> np.ndarray:
        """Return in how many lists each item is."""
        return _lists.counts(self.ids, len(self.popularity))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (query, neighbour) of every place that is not empty, list by list."""
        present = self.ids >= 0
        return np.repeat(self.queries, present.sum(axis=1)), self.ids[present]


def coverage(near: Neighbours) -> float:
    """Share of the items that are in some list."""
    return float((near.counts() > 0).mean())


def hubness(near: Neighbours) -> float:
    """Skewness of how often items are in lists."""
    deviations = near.counts() - near.counts().mean()
    variance = (deviations**2).mean()
    return float((deviations**3).mean() / variance**1.5) if variance > 0 else 0.0


def largest_hub(near: Neighbours) -> float:
    """In how many lists the most frequent item is."""
    return float(near.counts().max())


def orphans(near: Neighbours) -> float:
    """Share of the items that somebody has that are in no list."""
    return float((near.counts()[near.popularity > 0] == 0).mean())


def popularity_ratio(near: Neighbours) -> float:
    """Geometric mean of the ratio of a neighbour's and the item's popularity, both plus 1."""
    logs = np.log(1 + near.popularity)
    return float(np.exp(_lists.mean_of_means(near.ids, logs[near.ids] - logs[near.queries, None])))


def symmetry(near: Neighbours) -> float:
    """Share of pairs that are pairs the other way round, too, where both have lists."""
    n_items = len(near.popularity)
    query, neighbour = near.pairs()
    asked = np.isin(neighbour, near.queries)
    query, neighbour = query[asked].astype(np.int64), neighbour[asked].astype(np.int64)
    return _ranking.mean(np.isin(query * n_items + neighbour, neighbour * n_items + query).astype(float))


METRICS = {
    function.__name__: function for function in (coverage, hubness, largest_hub, orphans, popularity_ratio, symmetry)
}


# ---- labels -----------------------------------------------------------------------------------------------------


def unit_rows(labels: Any, n_items: int) -> scipy.sparse.csr_array:
    """Return labels as items x tags with rows of length 1, or empty ones: a product of rows is how alike they are."""
    if scipy.sparse.issparse(labels):
        tags = _validation.check_tags(labels, n_items)
    else:
        codes = _labels.factorise("labels", _readers.as_column("labels", labels)).codes
        _validation.check_one_label_per_item(len(codes), n_items)
        known = np.flatnonzero(codes >= 0)
        tags = scipy.sparse.csr_array(
            (np.ones(len(known)), (known, codes[known])), shape=(n_items, max(codes.max(initial=0) + 1, 1))
        )
    n_tags = np.diff(tags.indptr)
    _validation.check_some_labels(np.count_nonzero(n_tags))
    labelled = np.flatnonzero(n_tags)
    starts = tags.indptr[labelled]
    data = tags.data / np.repeat(np.maximum.reduceat(tags.data, starts), n_tags[labelled])  # squares stay in range
    data /= np.repeat(np.sqrt(np.add.reduceat(data**2, starts)), n_tags[labelled])
    return scipy.sparse.csr_array((data, tags.indices, tags.indptr), shape=tags.shape)


def agreement(near: Neighbours, tags: scipy.sparse.csr_array) -> tuple[float, float]:
    """Return (how alike items and their neighbours are, how alike they would be by chance)."""
    labelled = np.diff(tags.indptr) > 0
    lists = np.where(labelled[near.ids] & (near.ids >= 0), near.ids, -1)
    asking = labelled[near.queries] & (lists >= 0).any(axis=1)
    near = Neighbours(near.queries[asking], lists[asking], near.popularity)
    if len(near.queries) == 0:
        return float("nan"), float("nan")
    query, neighbour = near.pairs()
    alike = [
        tags[query[part]].multiply(tags[neighbour[part]]).sum(axis=1) for part in slices(len(query), PAIRS_AT_ONCE)
    ]
    values = np.zeros(lists[asking].shape)
    values[near.ids >= 0] = np.concatenate(alike)
    # An item is exactly like itself; the places that it has in others' lists are none that it could fill itself.
    counts = near.counts().astype(float)
    of_itself = counts[near.queries]
    expected = (tags[near.queries] @ (tags.T @ counts) - of_itself) / (counts.sum() - of_itself)
    expected[expected < ROUNDING] = 0
    return _lists.mean_of_means(near.ids, values), float(expected.mean())
