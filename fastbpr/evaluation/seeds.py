"""How much lists depend on the seed of the model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _lists, _validation
from fastbpr._threads import effective_threads


class Stability(NamedTuple):
    """How much the lists of several models have in common; ``print`` shows it in a line.

    `stability` makes it, and has an example.
    """

    mean: float
    """Mean over queries of the mean Jaccard index over pairs of models, from 0 to 1."""

    spread: float
    """Standard deviation of it over queries."""

    pairs: np.ndarray
    """Mean over queries for each pair of models; float64, shape (n_models, n_models), 1 for a model and itself."""

    queries: np.ndarray
    """Row numbers of the items or users whose lists were compared, ascending."""

    values: np.ndarray
    """Mean over pairs of models for each of the `queries`; float64. NaN where all lists are empty."""

    def __str__(self) -> str:
        least, most = (f(self.pairs[np.triu_indices(len(self.pairs), 1)]) for f in (np.min, np.max))
        return (
            f"{len(self.pairs)} models have {self.mean:.3f} of their lists in common (Jaccard; {least:.3f} to "
            f"{most:.3f} between pairs of models, standard deviation {self.spread:.3f} over {len(self.queries)} lists)"
        )


def stability(
    models: Sequence[Any],
    train: Any,
    K: int = 10,
    of: str = "items",
    *,
    queries: Any = None,
    similarity: str | None = None,
    num_threads: int = 0,
) -> Stability:
    """Compare the lists of models that differ in their seeds only, to tell how much of what is shown is chance.

    Accuracy hardly differs between seeds; single lists do, most of all those of items with few users. ``values`` tells
    whose.

    Parameters
    ----------
    models : sequence of models
        Two or more, fitted to the same data. What they need is what `evaluate_neighbours` needs for items, and what
        `evaluate_lists` needs for users.
    train : SciPy sparse matrix of shape (n_users, n_items) or Interactions
        What the models were fitted to.
    K : int, default 10
        Length of the lists, >= 1.
    of : {"items", "users"}, default "items"
        ``items`` compares each item's K most similar items, the item itself left out; ``users`` compares each user's K
        best items, training items left out.
    queries : array of int or None, default None
        Whose lists; None stands for all items, or users, with training interactions.
    similarity : {"cosine", "centred", "user-space"} or None, default None
        How item factors are compared, as `BPR` describes; a method of the model is not asked then. None stands for the
        model's own choice, and for the cosine where it has none. Only for ``of="items"``.
    num_threads : int, default 0
        0 uses every CPU that the process may use. The result does not depend on it.

    Returns
    -------
    Stability

    Raises
    ------
    NotFittedError
        If a model was not fitted.
    IndexError
        If a query is out of range.
    TypeError, ValueError
        If an argument is not as it must be, or if scores are NaN or of the wrong shape.

    Notes
    -----
    The Jaccard index of two lists is the number of items in both divided by the number of items in either; order does
    not matter. Two lists of 10 that share half of their items have 5 / 15. Antoniak & Mimno ("Evaluating the Stability
    of Embedding-based Word Similarities", TACL 2018) judge neighbours of words so. Pairs of empty lists do not count.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity, Random
    >>> train = csr_array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 1]])
    >>> models = [Popularity().fit(train) for seed in range(3)]
    >>> print(stability(models, train, K=2))
    3 models have 1.000 of their lists in common (Jaccard; 1.000 to 1.000 between pairs of models,
    standard deviation 0.000 over 4 lists)
    >>> models = [Random(random_state=seed).fit(train) for seed in range(3)]
    >>> stability(models, train, K=2).mean < 1
    True
    """
    models = _validation.check_models(models)
    of = _validation.check_choice("of", of, ["items", "users"])
    K = _validation.check_integer("K", K, minimum=1)
    _validation.check_similarity_of(of, similarity)
    num_threads = effective_threads(num_threads)
    for model in models:
        train_items = _validation.check_fitted_to(train, model)
    n_users, n_items = train_items.shape
    if of == "items":
        having = np.unique(train_items.indices)
        asked = _validation.check_asked("queries", queries, having, n_items, what="item")
        lists = [_lists.neighbours(model, train_items.shape, asked, K, num_threads, similarity) for model in models]
    else:
        having = np.flatnonzero(np.diff(train_items.indptr))
        asked = _validation.check_asked("queries", queries, having, n_users, what="user")
        lists = [_lists.recommendations(model, train_items, asked, K, num_threads) for model in models]

    pairs = np.eye(len(models))
    sums, n_compared = np.zeros(len(asked)), np.zeros(len(asked))
    for a, b in itertools.combinations(range(len(models)), 2):
        values = jaccard(lists[a], lists[b])
        defined = ~np.isnan(values)
        pairs[a, b] = pairs[b, a] = values[defined].mean() if defined.any() else np.nan
        sums[defined] += values[defined]
        n_compared += defined
    values = np.divide(sums, n_compared, out=np.full(len(asked), np.nan), where=n_compared > 0)
    defined = values[n_compared > 0]
    mean, spread = (float(defined.mean()), float(defined.std())) if len(defined) else (float("nan"),) * 2
    return Stability(mean, spread, pairs, asked, values)


def jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return items in both lists / items in either for each row, NaN where both are empty; -1 is no item."""
    n_one, n_other = (one >= 0).sum(axis=1), (other >= 0).sum(axis=1)
    both = np.concatenate([np.where(one >= 0, one, -1), np.where(other >= 0, other, -2)], axis=1)
    both.sort(axis=1)
    n_both = ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)).sum(axis=1)
    n_either = n_one + n_other - n_both
    return np.divide(n_both, n_either, out=np.full(len(one), np.nan), where=n_either > 0)
