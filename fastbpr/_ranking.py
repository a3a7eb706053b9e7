"""Scores of blocks of queries, the ranks of test items in them, and the metrics that follow from the ranks.

A query is a user (of whom the test items are wanted) or an item (of which they should be neighbours). Scores are
compared as float32. Ranks start at 1. Ties never count in the model's favour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _retrieval, _similarity, _validation
from fastbpr._blocks import slices
from fastbpr._factor_model import FactorModel
from fastbpr._kernels import scoring

BLOCK_SIZE = 2**24  # scores in memory at once: 64 MB
LOWEST = np.finfo(np.float32).min


# ---- scores -----------------------------------------------------------------------------------------------------


class MethodScores:
    """Scores that a method of the model gives."""

    def __init__(self, model: Any, method: str, shape: tuple[int, int], num_threads: int) -> None:
        self.ask = _validation.check_method(model, method)
        self.name = f"model.{method}"
        self.n_items = shape[1]
        self.num_threads = num_threads

    def block(self, ids: np.ndarray) -> np.ndarray:
        """Return the scores of all items for some queries, to be written to; the answer is checked."""
        answer = _validation.check_scores(self.name, self.ask(ids), (len(ids), self.n_items))
        scores = np.empty(answer.shape, dtype=np.float32)  # the answer may be the model's own array
        with np.errstate(over="ignore"):
            np.maximum(answer, LOWEST, out=scores)  # -inf is for what is no candidate
        return scores

    def count_ahead(
        self,
        ids: np.ndarray,
        excluded: scipy.sparse.csr_array,
        targets: scipy.sparse.csr_array,
        *,
        targets_compete: bool,
        longest: int | None = None,  # makes no difference: every rank costs the same
    ) -> np.ndarray:
        """Count as `count_ahead` does; row k of both matrices belongs to query ids[k]."""
        parts = [
            count_ahead(self.block(ids[part]), excluded[part], targets[part], targets_compete, self.num_threads)
            for part in blocks(len(ids), self.n_items)
        ]
        return np.concatenate(parts)

    def best(self, ids: np.ndarray, excluded: scipy.sparse.csr_array, n: int) -> np.ndarray:
        """Return the n best items of some queries, the smaller id first where scores are equal, -1 where fewer remain.

        Row k of `excluded` belongs to query ids[k].
        """
        lists = [np.empty((0, n), dtype=np.int32)]
        for part in blocks(len(ids), 8 * self.n_items):  # `best_of` takes several times as much memory
            scores = self.block(ids[part])
            scores[query_of(excluded[part]), excluded[part].indices] = -np.inf
            lists.append(best_of(scores, n))
        return np.concatenate(lists)


class VectorScores(NamedTuple):
    """Scores that are products of vectors, as `scoring.pyx` defines them."""

    queries: np.ndarray
    items: _retrieval.Items
    num_threads: int

    def block(self, ids: np.ndarray) -> np.ndarray:
        """Return the scores of all items for some queries, to be written to."""
        table, scale, offset, _ = self.items
        return _retrieval.score_block(
            self.queries[ids], table, scale=scale, offset=offset, num_threads=self.num_threads
        )

    def count_ahead(
        self,
        ids: np.ndarray,
        excluded: scipy.sparse.csr_array,
        targets: scipy.sparse.csr_array,
        *,
        targets_compete: bool,
        longest: int | None = None,
    ) -> np.ndarray:
        """Count as `count_ahead` does; with `longest`, ranks beyond it are only known to be beyond it."""
        n_ahead = np.full(targets.nnz, len(self.items.table))
        for part in _retrieval.chunks(len(ids)):
            entries = slice(targets.indptr[part.start], targets.indptr[part.stop])
            queries, left_out, wanted = self.queries[ids[part]], excluded[part], targets[part]
            undecided = np.arange(len(queries))
            if longest is not None and self.lists_pay(longest + 1, len(queries)):
                undecided = self.count_in_lists(queries, left_out, wanted, targets_compete, longest, n_ahead[entries])
            if len(undecided):
                rows = wanted[undecided]
                n_ahead[entries][entries_of(wanted, undecided)] = _retrieval.count_ahead(
                    queries[undecided], self.items, index_arrays(left_out[undecided]), index_arrays(rows),
                    targets_compete=targets_compete, num_threads=self.num_threads,
                )  # fmt: skip
        return n_ahead

    def best(self, ids: np.ndarray, excluded: scipy.sparse.csr_array, n: int) -> np.ndarray:
        """Return the n best items of some queries as the `best` above does."""
        table, scale, offset, candidates = self.items
        indptr, indices = index_arrays(excluded)
        return _retrieval.top_k(
            self.queries[ids], table, n, candidates=candidates, excluded=np.split(indices, indptr[1:-1]), scale=scale,
            offset=offset, num_threads=self.num_threads,
        )[0]  # fmt: skip

    def lists_pay(self, n: int, n_queries: int) -> bool:
        """Whether lists of the n best take less time than ranking everything."""
        return n_queries >= _retrieval.MANY_QUERIES and _retrieval.floors_pay(n, len(self.items.table))

    def count_in_lists(
        self,
        queries: np.ndarray,
        excluded: scipy.sparse.csr_array,
        targets: scipy.sparse.csr_array,
        targets_compete: bool,
        longest: int,
        n_ahead: np.ndarray,
    ) -> np.ndarray:
        """Write n_ahead of the targets that are in the queries' lists of the best; return the undecided queries."""
        axes = _retrieval.principal_axes(self.items)
        if axes is None:
            return np.arange(len(queries))
        left_out, wanted, n = index_arrays(excluded), index_arrays(targets), longest + 1
        floors = _retrieval.floors_of(queries, self.items, n, left_out, self.num_threads)
        scores = _retrieval.score_pairs(queries, self.items, wanted, self.num_threads)
        # The other queries' targets have n candidates ahead of them.
        some = np.unique(query_of(targets)[scores >= floors[query_of(targets)]])
        if not len(some):
            return some
        lists = _retrieval.search(
            queries[some], self.items, n, index_arrays(excluded[some]), floors[some], axes, self.num_threads
        )
        found, counts, unclear = ahead_in_lists(*lists, targets[some], targets_compete)
        n_ahead[entries_of(targets, some)[found]] = counts
        return some[unclear]


def user_scores(model: Any, shape: tuple[int, int], num_threads: int) -> MethodScores | VectorScores:
    """Return what scores items for users: the model's own `score` if it has one, else its factors."""
    has_factors = all(hasattr(model, name) for name in ("user_factors", "item_factors", "item_biases"))
    own_score = getattr(getattr(model, "score", None), "__func__", None) is not FactorModel.score
    if not has_factors or (own_score and callable(getattr(model, "score", None))):
        return MethodScores(model, "score", shape, num_threads)
    users, items, biases = _validation.check_factors(model, shape)
    return VectorScores(users, _retrieval.Items.of(items, _retrieval.NOTHING, biases), num_threads)


def item_scores(
    model: Any, shape: tuple[int, int], num_threads: int, similarity: str | None = None
) -> MethodScores | VectorScores:
    """Return what compares items with items: the model's own method `similarity` if it has one, else its factors.

    How factors are compared is the argument, or else the model's attribute of that name, or else by cosine.
    """
    own = getattr(model, "similarity", None)
    if similarity is None and (not hasattr(model, "item_factors") or callable(own)):
        return MethodScores(model, "similarity", shape, num_threads)
    choice = similarity if similarity is not None else "cosine" if own is None else own
    _validation.check_choice("similarity" if similarity is not None else "model.similarity", choice, _similarity.MAPS)
    if choice == "user-space":
        users, items = _validation.check_user_space(model, shape)
    else:
        users, items = None, _validation.check_item_factors(model, shape)
    removed = _validation.check_removed_directions(model, items.shape[1])
    rows, scale = _similarity.compared_vectors(items, users, choice, removed)
    return VectorScores(rows * scale[:, None], _retrieval.Items.of(rows, scale, _retrieval.NOTHING), num_threads)


def best_of(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the columns of each row's n best scores, the smaller first where equal, -1 where fewer are above -inf."""
    n_columns = scores.shape[1]
    bits = (scores + np.float32(0)).view(np.int32)  # the sum makes -0 the 0 that it equals
    ordered = np.where(bits < 0, bits ^ np.int32(2**31 - 1), bits).astype(np.int64)  # in the order of the scores
    keys = ordered * 2**32 + np.arange(n_columns)[::-1]  # all different in a row
    if n < n_columns:
        keys = np.partition(keys, n_columns - n, axis=1)[:, n_columns - n :]
    best = (n_columns - 1 - np.sort(keys, axis=1)[:, ::-1] % 2**32).astype(np.int32)
    best[np.take_along_axis(scores, best, axis=1) == -np.inf] = -1
    return np.pad(best, ((0, 0), (0, n - best.shape[1])), constant_values=-1)


# ---- ranks ------------------------------------------------------------------------------------------------------


def blocks(n_queries: int, n_items: int) -> Iterator[slice]:
    """Divide queries into blocks whose scores fit in memory."""
    return slices(n_queries, BLOCK_SIZE // n_items)


def count_ahead(
    scores: np.ndarray,
    excluded: scipy.sparse.csr_array,
    targets: scipy.sparse.csr_array,
    targets_compete: bool,
    num_threads: int,
) -> np.ndarray:
    """Return for each target how many candidates score at least as high; row q of both matrices belongs to query q."""
    n_ahead = np.empty(targets.nnz, dtype=np.int64)
    scoring.rank_targets(scores, *index_arrays(excluded), *index_arrays(targets), targets_compete, n_ahead, num_threads)
    return n_ahead


def ahead_in_lists(
    ids: np.ndarray, scores: np.ndarray, targets: scipy.sparse.csr_array, targets_compete: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (the targets that are in the queries' lists of the best, as entries; n_ahead of each; undecided queries).

    What is not in a list has all of it ahead. A target that scores the same as the last one listed may have more than
    the list tells ahead of it: then its query is undecided.
    """
    n_queries, length = ids.shape
    wanted = query_of(targets) * targets.shape[1] + targets.indices
    listed = np.arange(n_queries, dtype=np.int64)[:, None] * targets.shape[1] + np.maximum(ids, 0)
    entry = np.minimum(np.searchsorted(wanted, listed), len(wanted) - 1)
    is_target = (wanted[entry] == listed) & (ids >= 0)
    last_equal = np.tile(np.arange(length), (n_queries, 1))  # the last place with the same score
    for place in range(length - 2, -1, -1):
        equal = scores[:, place] == scores[:, place + 1]
        last_equal[equal, place] = last_equal[equal, place + 1]
    n_competing = np.cumsum((ids >= 0) if targets_compete else (ids >= 0) & ~is_target, axis=1)
    n_ahead = np.take_along_axis(n_competing, last_equal, axis=1) - targets_compete
    ties_last = is_target & (last_equal == length - 1)
    ties_last[:, -1] = False  # it is out of reach in any case
    return entry[is_target], n_ahead[is_target], np.flatnonzero(ties_last.any(axis=1))


def query_of(csr: scipy.sparse.csr_array) -> np.ndarray:
    """Return the row of every entry, as int64."""
    return np.repeat(np.arange(csr.shape[0], dtype=np.int64), np.diff(csr.indptr))


def entries_of(csr: scipy.sparse.csr_array, rows: np.ndarray) -> np.ndarray:
    """Return the positions of some rows' entries among all entries."""
    starts, sizes = csr.indptr[rows].astype(np.int64), np.diff(csr.indptr)[rows].astype(np.int64)
    return np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())


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


def new_items(test: scipy.sparse.csr_array, train: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return which test items are no training items of the same user, as bool."""
    return scipy.sparse.csr_array(test.astype(bool) > train.astype(bool))


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
    """Share of pairs of a relevant item and another candidate in the right order, NaN of a query without any."""
    n_wrong = ranking.sums(ranking.ranks - ranking.places())
    n_pairs = ranking.n_relevant() * ranking.n_others
    return 1 - np.divide(n_wrong, n_pairs, out=np.full(len(n_pairs), np.nan), where=n_pairs > 0)


METRICS_AT_K = {"hr": hit_rate, "recall": recall, "precision": precision, "ndcg": ndcg, "map": average_precision}
METRICS_OF_ALL = {"mrr": reciprocal_rank, "auc": auc}


def per_query(ranking: Ranking, name: str, K: int | None) -> np.ndarray:
    """Return one metric's value for each query."""
    return METRICS_OF_ALL[name](ranking) if K is None else METRICS_AT_K[name](ranking, K)


# ---- what is asked for, and results -----------------------------------------------------------------------------


def longest_of(chosen: list[tuple[str, int | None]]) -> int | None:
    """Return the rank beyond which ranks make no difference to the chosen metrics, None if all do."""
    cutoffs = [cutoff for _, cutoff in chosen]
    return None if None in cutoffs else max(cutoffs)


def label(name: str, cutoff: int | None, notes: Sequence[str] = ()) -> str:
    """Return the name of a result."""
    return name + (f"@{cutoff}" if cutoff is not None else "") + (f" ({', '.join(notes)})" if notes else "")


def mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN, NaN of nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
