"""Item vectors without what all items have in common, and without the directions of contexts."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _labels, _similarity, _validation
from fastbpr._factor_model import FactorModel
from fastbpr.exposure import _models
from fastbpr.exposure._rearranging import Rearranged
from fastbpr.exposure._views import Seen, rows_in_log

CONTEXTS_AT_ONCE = 2**14
N_RANDOM = 10  # random assignments of vectors to items, which tell how large directions are by chance
MAX_SHARE = 0.5  # of the factors that are removed without being asked for


def centred(model: Any) -> FactorModel:
    """Return a model that compares items by the cosine of their vectors without the mean of all items' vectors.

    What all items have in common, such as being seen by whoever comes, makes no two of them alike. It is
    ``similarity="centred"`` of `BPR` for a model of any make.

    Parameters
    ----------
    model : BPR, or any object with ``item_factors``
        Is not changed. Of other objects than ours, copies are taken of ``item_factors`` and, where there are any, of
        ``user_factors``, ``item_biases``, labels and names.

    Returns
    -------
    model of the same class, or one with `recommend`, `similar_items` and `score` as `BPR` has
        Recommendations are the given model's.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If the model has no vectors, or not as they must be.

    Examples
    --------
    Both items point the same way, but for the half of their vectors that they share.

    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(item_factors=np.array([[1.0, 0.5], [1.0, -0.5]]))
    >>> centred(model).similar_items(0, N=2)[1]
    array([ 1., -1.], dtype=float32)
    """
    _validation.check_not_rearranged("model", model, Rearranged)
    return _models.vectors_of(model)._compared_otherwise(similarity="centred")


def without_context_directions(
    model: Any, log: Any, n_directions: int | None = None, *, kinds: Any = None
) -> FactorModel:
    """Return a model that compares items without the directions along which contexts differ from each other.

    Items that were shown together have been pulled one way by training: each trending page has a direction of its own.
    If these are taken out of the vectors, what is left is what items share beside pages. It needs no training, only the
    log whose contexts are suspected.

    Parameters
    ----------
    model : BPR, or any object with ``item_factors``
        Is not changed. Of other objects than ours, copies are taken of ``item_factors`` and, where there are any, of
        ``user_factors``, ``item_biases``, labels and names.
    log : Interactions
        With contexts. Matched with the model by item labels, or by rows where one of them has none.
    n_directions : int or None, default None
        How many to remove at most, from 0 to factors - 1. None decides by the rule in the Notes.
    kinds : kind, list of kinds or None, default None
        Which contexts count; None stands for those of a strength above 0, and all others have no effect.

    Returns
    -------
    model of the same class, or one with `recommend`, `similar_items` and `score` as `BPR` has
        It compares items in the way the given model does (``similarity``), without the directions, which are its
        ``removed_directions`` (None if there are none), and which `BPR.save` keeps. Recommendations are the given
        model's.

    Raises
    ------
    NotFittedError
        If the model was not fitted.
    TypeError, ValueError
        If an argument is not as it must be, if the log has no contexts, or if it has no item that the model knows.

    Notes
    -----
    For each context c that counts let m_c be the mean of ``q_i - m`` over the items that were shown or clicked on
    there, with m the mean of all items' vectors, V_c its number of users and k_c its strength. Directions are the
    eigenvectors of

        M = sum over c of k_c V_c m_c m_c' / sum over c of k_c V_c,

    those of the largest eigenvalues first. Along direction v, vectors lose the share

        k(v) = sum over c of k_c V_c (m_c . v)^2 / sum over c of V_c (m_c . v)^2

    of their coordinate, the mean strength of the contexts that lie there: everything where all strengths are 1, so that
    what is left is orthogonal to v, and a fifth where they are 0.2. Rows of ``removed_directions`` are
    ``sqrt(k(v)) v``.

    Without `n_directions`, those are removed whose eigenvalue is larger than any that M has if the same vectors belong
    to other items at random (the largest of ten times; parallel analysis, Horn, 1965), and half of the factors at most:
    with contexts that have nothing to do with vectors there are none. Where contexts are many and factors few, taste
    is lost with them: on a simulated shop with 40 trending pages, 64 factors or more did well, 32 did not.

    Contexts with a single user count only if it is known what was shown there.

    References
    ----------
    Horn, "A Rationale and Test for the Number of Factors in Factor Analysis", Psychometrika 30, 1965.

    Examples
    --------
    >>> from fastbpr import BPR
    >>> from fastbpr.datasets import simulate_shop
    >>> from fastbpr.exposure import co_exposure
    >>> shop = simulate_shop(n_users=1000, n_items=150, n_clusters=10, trending_share=0.5, n_pages=6, page_size=12)
    >>> log = shop.interactions()
    >>> model = BPR(factors=32, random_state=0).fit(log, show_progress=False)
    >>> corrected = without_context_directions(model, log)
    >>> corrected.removed_directions.shape
    (6, 32)
    >>> co_exposure(model, log).excess > 0.5, co_exposure(corrected, log).excess < 0.1
    (True, True)
    """
    _validation.check_not_rearranged("model", model, Rearranged)
    model = _models.vectors_of(model)
    vectors = model.item_factors.astype(np.float64)
    n_items, factors = vectors.shape
    contexts = _validation.check_contexts("log", log)
    if n_directions is not None:
        n_directions = _validation.check_integer("n_directions", n_directions, minimum=0, maximum=factors - 1)
    rows = rows_in_log(model, n_items, log)
    seen = Seen.of(contexts, log.user_items.shape[1], kinds)
    known = np.flatnonzero(rows != _labels.MISSING)
    members = seen.items[:, rows[known]].astype(bool).astype(np.float64)
    vectors = vectors[known] - vectors.mean(axis=0)
    return model._compared_otherwise(removed_directions=directions(members, vectors, seen, n_directions))


def directions(
    members: scipy.sparse.csr_array, vectors: np.ndarray, seen: Seen, n_directions: int | None
) -> np.ndarray | None:
    """Return the directions to remove, as rows, each as long as the root of the share that is to be removed."""
    weights = seen.n_views * seen.strengths
    if not weights.any():
        return None
    squares, axes = np.linalg.eigh(spread(members, vectors, weights))
    squares, axes = squares[::-1], axes.T[::-1]
    real = squares > _similarity.ROUNDING * max(squares[0], 0)
    if n_directions is None:
        rng = np.random.default_rng(0)
        random = (vectors[rng.permutation(len(vectors))] for _ in range(N_RANDOM))
        by_chance = max(np.linalg.eigvalsh(spread(members, other, weights))[-1] for other in random)
        real &= squares > by_chance * (1 + _similarity.ROUNDING)
        n_directions = int(MAX_SHARE * len(axes))
    n_directions = min(int(real.sum()), n_directions)
    if not n_directions:
        return None
    axes = axes[:n_directions]
    unweighted = spread(members, vectors, seen.n_views)
    shares = squares[:n_directions] / np.einsum("kf,fg,kg->k", axes, unweighted, axes)
    return (np.sqrt(np.clip(shares, 0, 1))[:, None] * axes).astype(np.float32)


def spread(members: scipy.sparse.csr_array, vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum over contexts of weight * m_c m_c', m_c the mean vector of a context's members."""
    sizes = np.maximum(np.diff(members.indptr), 1)
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for first in range(0, len(weights), CONTEXTS_AT_ONCE):
        part = slice(first, first + CONTEXTS_AT_ONCE)
        means = (members[part] @ vectors) / sizes[part, None]
        total += (means * weights[part, None]).T @ means
    return total
