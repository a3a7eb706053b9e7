"""Scores of blocks of queries, the ranks of test items in them, and the metrics that follow from the ranks.

A query is a user (of whom the test items are wanted) or an item (of which they should be neighbours). Scores are
compared as float32. Ranks start at 1. Ties never count in the model's favour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _retrieval, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._kernels import scoring

Scorer = Callable[[np.ndarray], np.ndarray]  # ids of queries -> float32 scores (n_queries, n_items) to be written to

BLOCK_SIZE = 2**24  # scores in memory at once: 64 MB
LOWEST = np.finfo(np.float32).min


# ---- scores -----------------------------------------------------------------------------------------------------


def user_scorer(model: Any, shape: tuple[int, int], num_threads: int) -> Scorer:
    """Return what scores all items for users: the model's own `score` if it has one, else its factors."""
    has_factors = all(hasattr(model, name) for name in ("user_factors", "item_factors", "item_biases"))
    own_score = getattr(getattr(model, "score", None), "__func__", None) is not FactorModel.score
    if not has_factors or (own_score and callable(getattr(model, "score", None))):
        return method_scorer(model, "score", shape)
    users, items, biases = _validation.check_factors(model, shape)

    def score(ids: np.ndarray) -> np.ndarray:
        return _retrieval.score_block(users[ids], items, offset=biases, num_threads=num_threads)

    return score


def item_scorer(model: Any, shape: tuple[int, int], num_threads: int) -> Scorer:
    """Return what compares items with all items: the model's own `similarity` if it has one, else its factors."""
    if not hasattr(model, "item_factors") or callable(getattr(model, "similarity", None)):
        return method_scorer(model, "similarity", shape)
    items = _validation.check_item_factors(model, shape)
    scale = _retrieval.inverse_norms(items)

    def cosine(ids: np.ndarray) -> np.ndarray:
        return _retrieval.score_block(items[ids] * scale[ids, None], items, scale=scale, num_threads=num_threads)

    return cosine


def method_scorer(model: Any, method: str, shape: tuple[int, int]) -> Scorer:
    """Return what asks a method of the model and checks its answer."""
    ask = _validation.check_method(model, method)

    def score(ids: np.ndarray) -> np.ndarray:
        answer = _validation.check_scores(f"model.{method}", ask(ids), (len(ids), shape[1]))
        scores = np.empty(answer.shape, dtype=np.float32)  # the answer may be the model's own array
        with np.errstate(over="ignore"):
            np.maximum(answer, LOWEST, out=scores)  # -inf is for what is no candidate
        return scores

    return score


# ---- ranks ------------------------------------------------------------------------------------------------------


def blocks(queries: np.ndarray, n_items: int) -> Iterator[np.ndarray]:
    """Divide queries into blocks whose scores fit in memory."""
    n_rows = max(1, BLOCK_SIZE // n_items)
    for first in range(0, len(queries), n_rows):
        yield queries[first : first + n_rows]


def count_ahead(
    scores: np.ndarray,
    excluded: scipy.sparse.csr_array,
    targets: scipy.sparse.csr_array,
    *,
    targets_compete: bool,
    num_threads: int,
) -> np.ndarray:
    """Return for each target how many candidates score at least as high; row q of both matrices belongs to query q."""
    n_ahead = np.empty(targets.nnz, dtype=np.int64)
    scoring.rank_targets(scores, *index_arrays(excluded), *index_arrays(targets), targets_compete, n_ahead, num_threads)
    return n_ahead


def index_arrays(csr: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) in the dtypes of the kernels."""
    return csr.indptr.astype(np.int64, copy=False), csr.indices.astype(np.int32, copy=False)


def mask_all_but(
    scores: np.ndarray, given: np.ndarray, own: scipy.sparse.csr_array, relevant: scipy.sparse.csr_array
) -> np.ndarray:
    """Leave as candidates what is given, but for the user's own test items, and the relevant ones; count the first."""
    n_queries, n_items = scores.shape
    candidate = np.zeros((n_queries, n_items + 1), dtype=bool)  # padding, -1, falls into the last column
    candidate[np.arange(n_queries)[:, None], given] = True
    candidate = candidate[:, :-1]
    candidate[own.nonzero()] = False
    n_others = candidate.sum(axis=1)
    candidate[relevant.nonzero()] = True
    scores[~candidate] = -np.inf
    return n_others


class Ranking(NamedTuple):
    """Where the relevant items of every query came."""

    indptr: np.ndarray  # (n_queries + 1,)  a query's part of `ranks`, never empty
    ranks: np.ndarray  # (indptr[-1],)  ascending within a query
    n_others: np.ndarray  # (n_queries,)  candidates that are not relevant

    @classmethod
    def from_counts(cls, indptr: np.ndarray, n_ahead: np.ndarray, n_others: np.ndarray) -> Ranking:
        """Rank relevant items that have so many non-relevant candidates ahead: the r-th best comes at n_ahead + r."""
        query = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        ranking = cls(indptr, n_ahead[np.lexsort((n_ahead, query))], n_others)
        return ranking._replace(ranks=ranking.ranks + ranking.places())

    def n_relevant(self) -> np.ndarray:
        """Return the number of relevant items of each query."""
        return np.diff(self.indptr)

    def places(self) -> np.ndarray:
        """Return r for each query's r-th best relevant item, from 1."""
        return np.arange(1, len(self.ranks) + 1) - np.repeat(self.indptr[:-1], self.n_relevant())

    def first(self) -> np.ndarray:
        """Return each query's best rank."""
        return self.ranks[self.indptr[:-1]]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of one value per relevant item over each query."""
        return np.add.reduceat(values, self.indptr[:-1])


# ---- metrics of each query; `evaluate` has the formulas and their sources ---------------------------------------


def hit_rate(ranking: Ranking, K: int) -> np.ndarray:
    """1 if some relevant item has a rank <= K, else 0."""
    return (ranking.first() <= K).astype(float)


def recall(ranking: Ranking, K: int) -> np.ndarray:
    """Relevant items with a rank <= K / relevant items."""
    return ranking.sums((ranking.ranks <= K).astype(float)) / ranking.n_relevant()


def precision(ranking: Ranking, K: int) -> np.ndarray:
    """Relevant items with a rank <= K / K."""
    return ranking.sums((ranking.ranks <= K).astype(float)) / K


def ndcg(ranking: Ranking, K: int) -> np.ndarray:
    """Sum of 1 / log2(rank + 1) over ranks <= K / the same sum with the relevant items at ranks 1, 2, 3 ..."""
    gains = ranking.sums(np.where(ranking.ranks <= K, 1 / np.log2(ranking.ranks + 1), 0))
    ideal_gains = ranking.sums(np.where(ranking.places() <= K, 1 / np.log2(ranking.places() + 1), 0))
    return gains / ideal_gains


def average_precision(ranking: Ranking, K: int) -> np.ndarray:
    """Sum of r / (rank of the r-th relevant item) over ranks <= K / relevant items."""
    return ranking.sums(np.where(ranking.ranks <= K, ranking.places() / ranking.ranks, 0)) / ranking.n_relevant()


def reciprocal_rank(ranking: Ranking) -> np.ndarray:
    """1 / rank of the first relevant item."""
    return 1 / ranking.first()


def auc(ranking: Ranking) -> np.ndarray:
    """Share of pairs of a relevant item and another candidate in the right order, for queries that have such pairs."""
    n_wrong = ranking.sums(ranking.ranks - ranking.places())
    n_pairs = ranking.n_relevant() * ranking.n_others
    return 1 - n_wrong[n_pairs > 0] / n_pairs[n_pairs > 0]


METRICS_AT_K = {"hr": hit_rate, "recall": recall, "precision": precision, "ndcg": ndcg, "map": average_precision}
METRICS_OF_ALL = {"mrr": reciprocal_rank, "auc": auc}


def per_query(ranking: Ranking, name: str, K: int | None) -> np.ndarray:
    """Return one metric's value for each query."""
    return METRICS_OF_ALL[name](ranking) if K is None else METRICS_AT_K[name](ranking, K)
