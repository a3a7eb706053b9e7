"""Scores of many items for many queries: exact top-K, score blocks, and ranks of given targets.

The score of item i for query row p is  (p . q_i) * scale_i + offset_i. With scale 1 and the item biases as offset it
is BPR's score; with unit queries, scale 1 / |q_i| and offset 0 it is the cosine.

All three functions go through `score_tile`, which multiplies TILE queries with a panel: LANES items whose rows were
transposed so that one vector register holds one factor of all of them. Each score is summed over the factors in
order, so a query gets the same score, bit for bit, alone or in a batch, on any number of threads.

Order of results: higher score first; among equal scores the smaller id.

What every function here trusts: ids are in range, ascending and unique; CSR rows are sorted; no score is NaN; `queries`
has a multiple of TILE rows, those past the last query zero; `scratch` has a row per thread.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

from fastbpr._kernels.pointwise cimport Row
from fastbpr._kernels.search cimport contains

cdef enum:
    LANES = 16  # items per panel
    TILE = 8    # queries that share a panel

TILE_ROWS = TILE


cdef void pack_panel(const float[:, ::1] table, const int32_t* ids, Py_ssize_t size, float* panel) noexcept nogil:
    """Transpose the rows of `size` <= LANES items: panel[f, k] = table[ids[k], f], zero for the lanes left over."""
    cdef Py_ssize_t width = table.shape[1]
    cdef Py_ssize_t f, k
    cdef const float* row
    for k in range(size):
        row = &table[ids[k], 0]
        for f in range(width):
            panel[f * LANES + k] = row[f]
    for k in range(size, LANES):
        for f in range(width):
            panel[f * LANES + k] = 0


cdef inline void score_tile(const float* queries, Py_ssize_t width, const float* panel, Row scores) noexcept nogil:
    """scores[q, k] = sum over f of queries[q, f] * panel[f, k], for TILE queries and LANES items.

    Written so that compilers vectorise the loop over items, with the eight sums in registers; for that they must know
    that width > 0.
    """
    cdef Py_ssize_t f, k
    cdef float s0, s1, s2, s3, s4, s5, s6, s7, factor
    if width <= 0:
        return
    for k in range(LANES):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0
        for f in range(width):
            factor = panel[f * LANES + k]
            s0 += queries[f] * factor
            s1 += queries[width + f] * factor
            s2 += queries[2 * width + f] * factor
            s3 += queries[3 * width + f] * factor
            s4 += queries[4 * width + f] * factor
            s5 += queries[5 * width + f] * factor
            s6 += queries[6 * width + f] * factor
            s7 += queries[7 * width + f] * factor
        scores[k] = s0
        scores[LANES + k] = s1
        scores[2 * LANES + k] = s2
        scores[3 * LANES + k] = s3
        scores[4 * LANES + k] = s4
        scores[5 * LANES + k] = s5
        scores[6 * LANES + k] = s6
        scores[7 * LANES + k] = s7


cdef inline void finish_tile(const float[::1] scale, const float[::1] offset, const int32_t* ids, Py_ssize_t size,
                             float* scores) noexcept nogil:
    """Apply the items' scales and offsets (either may be empty) to a tile of scores."""
    cdef float[LANES] factors
    cdef float[LANES] terms
    cdef Py_ssize_t q, k
    for k in range(LANES):
        factors[k] = scale[ids[k]] if k < size and scale.shape[0] else 1
        terms[k] = offset[ids[k]] if k < size and offset.shape[0] else 0
    for q in range(TILE):
        for k in range(LANES):
            scores[q * LANES + k] = scores[q * LANES + k] * factors[k] + terms[k]


# ---- top-K ------------------------------------------------------------------------------------------------------


cdef inline bint is_worse(float score, int32_t item, float other_score, int32_t other_item) noexcept nogil:
    """Whether the first result comes after the second in the order of results."""
    return score < other_score or (score == other_score and item > other_item)


cdef void sift_down(float* scores, int32_t* ids, Py_ssize_t size, float score, int32_t item) noexcept nogil:
    """Put a result in place of the root of a heap that has its worst result at the root."""
    cdef Py_ssize_t hole = 0, child
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and is_worse(scores[child + 1], ids[child + 1], scores[child], ids[child]):
            child += 1
        if not is_worse(scores[child], ids[child], score, item):
            break
        scores[hole] = scores[child]
        ids[hole] = ids[child]
        hole = child
    scores[hole] = score
    ids[hole] = item


cdef void sort_heap(float* scores, int32_t* ids, Py_ssize_t size) noexcept nogil:
    """Turn the heap into a list, best result first."""
    cdef Py_ssize_t last
    cdef float score
    cdef int32_t item
    for last in range(size - 1, 0, -1):
        score, item = scores[last], ids[last]
        scores[last], ids[last] = scores[0], ids[0]
        sift_down(scores, ids, last, score, item)


cdef inline void offer(const float* scores, const int32_t* ids, Py_ssize_t size, const int32_t* excluded,
                       Py_ssize_t n_excluded, float* best_scores, int32_t* best_ids, Py_ssize_t n_best) noexcept nogil:
    """Let one query's scores of a panel into its heap, unless excluded."""
    cdef Py_ssize_t k
    cdef bint any_better = False
    for k in range(LANES):
        any_better |= scores[k] > best_scores[0]
    if not any_better:
        return
    for k in range(size):
        if scores[k] > best_scores[0] and not (n_excluded and contains(excluded, n_excluded, ids[k])):
            sift_down(best_scores, best_ids, n_best, scores[k], ids[k])


def top_k(
    const float[:, ::1] queries,         # in   (n_padded, factors)
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty for 1
    const float[::1] offset,             # in   (n_items,), or empty for 0
    const int32_t[::1] candidates,       # in   (n_candidates,)  the ids to choose from
    const int64_t[::1] excluded_indptr,  # in   (n_queries + 1,)
    const int32_t[::1] excluded,         # in   ids that a query must not get
    int32_t[:, ::1] best_ids,            # out  (n_queries, K)  -1 where fewer than K remain
    float[:, ::1] best_scores,           # out  (n_queries, K)  -inf there
    Py_ssize_t block,                    # queries per unit of work, a multiple of TILE
    float[:, ::1] scratch,               # scratch (num_threads, LANES * factors)
    int num_threads,
):
    """Fill in the K best candidates of every query."""
    cdef Py_ssize_t n_queries = best_ids.shape[0]
    cdef Py_ssize_t unit
    with nogil:
        for unit in prange((n_queries + block - 1) // block, schedule="dynamic", chunksize=1, num_threads=num_threads):
            top_k_block(
                queries, table, scale, offset, candidates, excluded_indptr, excluded, best_ids, best_scores,
                unit * block, min((unit + 1) * block, n_queries), &scratch[threadid(), 0],
            )


cdef void top_k_block(
    const float[:, ::1] queries, const float[:, ::1] table, const float[::1] scale, const float[::1] offset,
    const int32_t[::1] candidates, const int64_t[::1] excluded_indptr, const int32_t[::1] excluded,
    int32_t[:, ::1] best_ids, float[:, ::1] best_scores, Py_ssize_t first_query, Py_ssize_t last_query, float* panel,
) noexcept nogil:
    """`top_k` for some of the queries."""
    cdef:
        float[TILE * LANES] scores
        Py_ssize_t width = table.shape[1], n_best = best_ids.shape[1]
        Py_ssize_t panel_index, tile_index, first, size, tile, query, k
        const int32_t* ids
    for query in range(first_query, last_query):
        for k in range(n_best):
            best_ids[query, k] = -1
            best_scores[query, k] = -INFINITY
    for panel_index in range((candidates.shape[0] + LANES - 1) // LANES):
        first = panel_index * LANES
        size = min(candidates.shape[0] - first, <Py_ssize_t>LANES)
        ids = &candidates[first]
        pack_panel(table, ids, size, panel)
        for tile_index in range((last_query - first_query + TILE - 1) // TILE):
            tile = first_query + tile_index * TILE
            score_tile(&queries[tile, 0], width, panel, <Row>scores)
            finish_tile(scale, offset, ids, size, scores)
            for query in range(tile, min(tile + TILE, last_query)):
                offer(
                    scores + (query - tile) * LANES, ids, size,
                    &excluded[0] + excluded_indptr[query], excluded_indptr[query + 1] - excluded_indptr[query],
                    &best_scores[query, 0], &best_ids[query, 0], n_best,
                )
    for query in range(first_query, last_query):
        sort_heap(&best_scores[query, 0], &best_ids[query, 0], n_best)


# ---- blocks of scores, and ranks in them ------------------------------------------------------------------------


def score_block(
    const float[:, ::1] queries,         # in   (n_padded, factors)
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty for 1
    const float[::1] offset,             # in   (n_items,), or empty for 0
    const int32_t[::1] candidates,       # in   (n_candidates,)
    float[:, ::1] scores,                # out  (n_queries, n_candidates)
    float[:, ::1] scratch,               # scratch (num_threads, LANES * factors)
    int num_threads,
):
    """Fill in the scores of all candidates for all queries."""
    cdef Py_ssize_t panel
    with nogil:
        for panel in prange((candidates.shape[0] + LANES - 1) // LANES, schedule="static", num_threads=num_threads):
            score_panel(queries, table, scale, offset, candidates, scores, panel * LANES, &scratch[threadid(), 0])


cdef void score_panel(
    const float[:, ::1] queries, const float[:, ::1] table, const float[::1] scale, const float[::1] offset,
    const int32_t[::1] candidates, float[:, ::1] scores, Py_ssize_t first, float* panel,
) noexcept nogil:
    """`score_block` for the candidates from `first` on, LANES at most."""
    cdef:
        float[TILE * LANES] tile_scores
        Py_ssize_t width = table.shape[1], n_queries = scores.shape[0]
        Py_ssize_t size = min(candidates.shape[0] - first, <Py_ssize_t>LANES)
        Py_ssize_t tile_index, tile, query, k
    pack_panel(table, &candidates[first], size, panel)
    for tile_index in range((n_queries + TILE - 1) // TILE):
        tile = tile_index * TILE
        score_tile(&queries[tile, 0], width, panel, <Row>tile_scores)
        finish_tile(scale, offset, &candidates[first], size, tile_scores)
        for query in range(tile, min(tile + TILE, n_queries)):
            for k in range(size):
                scores[query, first + k] = tile_scores[(query - tile) * LANES + k]


def rank_targets(
    float[:, ::1] scores,                # in/out  (n_queries, n_items)  left with -inf where masked
    const int64_t[::1] excluded_indptr,  # in   (n_queries + 1,)
    const int32_t[::1] excluded,         # in   ids that are no candidates
    const int64_t[::1] target_indptr,    # in   (n_queries + 1,)
    const int32_t[::1] targets,          # in   ids, none of them excluded
    bint targets_compete,                # in   whether another target ahead counts as ahead
    int64_t[::1] n_ahead,                # out  (n_targets,)
    int num_threads,
):
    """Count, for every target, the other candidates that score at least as high: ties count against the target."""
    cdef Py_ssize_t query
    with nogil:
        for query in prange(scores.shape[0], schedule="dynamic", chunksize=1, num_threads=num_threads):
            rank_targets_of(query, scores, excluded_indptr, excluded, target_indptr, targets, targets_compete, n_ahead)


cdef void rank_targets_of(
    Py_ssize_t query, float[:, ::1] scores, const int64_t[::1] excluded_indptr, const int32_t[::1] excluded,
    const int64_t[::1] target_indptr, const int32_t[::1] targets, bint targets_compete, int64_t[::1] n_ahead,
) noexcept nogil:
    """`rank_targets` for one query."""
    cdef:
        float* row = &scores[query, 0]
        const int32_t* own = &targets[0] + target_indptr[query]
        Py_ssize_t n_own = target_indptr[query + 1] - target_indptr[query]
        int64_t k
        float score
    for k in range(excluded_indptr[query], excluded_indptr[query + 1]):
        row[excluded[k]] = -INFINITY
    for k in range(n_own):
        score = row[own[k]]
        n_ahead[target_indptr[query] + k] = count_at_least(row, scores.shape[1], score) - (
            1 if targets_compete else count_targets(row, own, n_own, score))


cdef int64_t count_at_least(const float* scores, Py_ssize_t size, float threshold) noexcept nogil:
    """Number of scores >= threshold."""
    cdef int32_t count = 0
    cdef Py_ssize_t k
    for k in range(size):
        count += scores[k] >= threshold
    return count


cdef int64_t count_targets(const float* scores, const int32_t* targets, Py_ssize_t size,
                           float threshold) noexcept nogil:
    """Number of targets that score >= threshold."""
    cdef int32_t count = 0
    cdef Py_ssize_t k
    for k in range(size):
        count += scores[targets[k]] >= threshold
    return count
