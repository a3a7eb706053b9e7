"""Scores of many items for many queries: exact top-K, score blocks, and ranks of given targets.

The score of item i for query row p is  (p . q_i) * scale_i + offset_i. With scale 1 and the item biases as offset it
is BPR's score; with unit queries, scale 1 / |q_i| and offset 0 it is the cosine. The product is summed over the factors
in order (tiles.pxd), so a query gets the same score, bit for bit, alone or in a batch, on any number of threads.

Order of results: higher score first; among equal scores the smaller id.

What every function here trusts: ids are in range, ascending and unique; CSR rows are sorted; no score is NaN; scale and
offset are empty, for 1 and 0, or have a value per item.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint32_t

from fastbpr._kernels.prefetch cimport prefetch_row
from fastbpr._kernels.search cimport contains
from fastbpr._kernels.tiles cimport (
    MAX_PANEL, MAX_TILE, PANEL, TILE, TOGETHER, above, add_product, lowest, multiply, pack_rows, sum_in_order,
)

TILE_ROWS = TILE
PANEL_ROWS = PANEL
PAIRS_TOGETHER = TOGETHER

cdef struct Items:
    # What queries are compared with.
    const float* table   # (n_items, width)
    Py_ssize_t width
    const float* scale   # or NULL for 1
    const float* offset  # or NULL for 0
    const int32_t* candidates
    Py_ssize_t n_candidates

cdef struct Heap:
    # The best results so far, the worst of them at the root.
    float* scores
    int32_t* ids
    Py_ssize_t size

cdef struct Ids:
    # Of one query.
    const int32_t* ids
    Py_ssize_t size


cdef Items items_of(const float[:, ::1] table, const float[::1] scale, const float[::1] offset,
                    const int32_t[::1] candidates) except *:
    """The items as plain pointers."""
    cdef Items items
    items.table = &table[0, 0]
    items.width = table.shape[1]
    items.scale = &scale[0] if scale.shape[0] else NULL
    items.offset = &offset[0] if offset.shape[0] else NULL
    items.candidates = &candidates[0] if candidates.shape[0] else NULL
    items.n_candidates = candidates.shape[0]
    return items


cdef inline float finished(const Items* items, float product, int32_t item) noexcept nogil:
    """An item's score, from its product with the query."""
    cdef float scale = items.scale[item] if items.scale != NULL else 1
    cdef float offset = items.offset[item] if items.offset != NULL else 0
    return add_product(offset, product, scale)


# ---- top-K ------------------------------------------------------------------------------------------------------


cdef inline bint is_worse(float score, int32_t item, float other_score, int32_t other_item) noexcept nogil:
    """Whether the first result comes after the second in the order of results."""
    return score < other_score or (score == other_score and item > other_item)


cdef void sift_down(Heap* heap, Py_ssize_t size, float score, int32_t item) noexcept nogil:
    """Put a result in place of the root of the first `size` of a heap."""
    cdef Py_ssize_t hole = 0, child
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and is_worse(
            heap.scores[child + 1], heap.ids[child + 1], heap.scores[child], heap.ids[child]
        ):
            child += 1
        if not is_worse(heap.scores[child], heap.ids[child], score, item):
            break
        heap.scores[hole] = heap.scores[child]
        heap.ids[hole] = heap.ids[child]
        hole = child
    heap.scores[hole] = score
    heap.ids[hole] = item


cdef inline Heap heap_of(int32_t[:, ::1] best_ids, float[:, ::1] best_scores, Py_ssize_t query) noexcept nogil:
    """A query's row of results."""
    return Heap(&best_scores[query, 0], &best_ids[query, 0], best_ids.shape[1])


cdef Heap empty_heap(int32_t[:, ::1] best_ids, float[:, ::1] best_scores, Py_ssize_t query) noexcept nogil:
    """A query's row of results as a heap without results."""
    cdef Heap heap = heap_of(best_ids, best_scores, query)
    cdef Py_ssize_t k
    for k in range(heap.size):
        heap.ids[k] = -1
        heap.scores[k] = -INFINITY
    return heap


cdef void sort_heap(Heap* heap) noexcept nogil:
    """Turn the heap into a list, best result first."""
    cdef Py_ssize_t last
    cdef float score
    cdef int32_t item
    for last in range(heap.size - 1, 0, -1):
        score, item = heap.scores[last], heap.ids[last]
        heap.scores[last], heap.ids[last] = heap.scores[0], heap.ids[0]
        sift_down(heap, last, score, item)


cdef inline void score_together(const Items* items, const float* query, const int32_t* ids, Py_ssize_t size,
                                float* scores) noexcept nogil:
    """The scores of 1 <= size <= TOGETHER items."""
    cdef int32_t[TOGETHER] filled
    cdef Py_ssize_t j
    for j in range(TOGETHER):
        filled[j] = ids[j] if j < size else ids[0]
    sum_in_order(query, items.table, items.width, filled, scores)
    for j in range(size):
        scores[j] = finished(items, scores[j], ids[j])


cdef void offer(const Items* items, const float* query, const int32_t* ids, Py_ssize_t size, Ids excluded,
                Heap* heap) noexcept nogil:
    """Let `size` <= TOGETHER items, which come after all earlier ones, into a query's heap, unless excluded."""
    cdef float[TOGETHER] scores
    cdef Py_ssize_t j
    score_together(items, query, ids, size, scores)
    for j in range(size):
        if scores[j] > heap.scores[0] and not (excluded.size and contains(excluded.ids, excluded.size, ids[j])):
            sift_down(heap, heap.size, scores[j], ids[j])


cdef inline Ids ids_of(const int64_t[::1] indptr, const int32_t[::1] indices, Py_ssize_t query) noexcept nogil:
    """A query's part of a CSR matrix."""
    cdef const int32_t* first = NULL
    if indices.shape[0]:
        first = &indices[0]
    return Ids(first + indptr[query], indptr[query + 1] - indptr[query])


def top_k_of_few(
    const float[:, ::1] queries,         # in   (n_queries, factors)
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty
    const float[::1] offset,             # in   (n_items,), or empty
    const int32_t[::1] candidates,       # in   (n_candidates,)  the ids to choose from
    const int64_t[::1] excluded_indptr,  # in   (n_queries + 1,)
    const int32_t[::1] excluded,         # in   ids that a query must not get
    int32_t[:, ::1] best_ids,            # out  (n_queries, K)  -1 where fewer than K remain
    float[:, ::1] best_scores,           # out  (n_queries, K)  -inf there
    int num_threads,
):
    """Fill in the K best candidates of every query, by looking at all of them."""
    cdef Items items = items_of(table, scale, offset, candidates)
    cdef Py_ssize_t query
    with nogil:
        for query in prange(best_ids.shape[0], schedule="dynamic", chunksize=1, num_threads=num_threads):
            search_all(&items, &queries[query, 0], ids_of(excluded_indptr, excluded, query),
                       empty_heap(best_ids, best_scores, query))


cdef void search_all(const Items* items, const float* query, Ids excluded, Heap heap) noexcept nogil:
    """`top_k_of_few` for one query."""
    cdef Py_ssize_t group, first
    for group in range((items.n_candidates + TOGETHER - 1) // TOGETHER):
        first = group * TOGETHER
        offer(items, query, items.candidates + first, min(items.n_candidates - first, <Py_ssize_t>TOGETHER), excluded,
              &heap)
    sort_heap(&heap)


def least_scores(
    const int32_t[:, ::1] pilots,        # in   (n_lists, n_pilots)  candidates, ascending
    const int32_t[::1] pilots_of,        # in   (n_queries,)  the list of each query
    const float[:, ::1] queries,         # in   all others as in top_k_of_few
    const float[:, ::1] table,
    const float[::1] scale,
    const float[::1] offset,
    const int64_t[::1] excluded_indptr,
    const int32_t[::1] excluded,
    int32_t[:, ::1] best_ids,
    float[:, ::1] best_scores,
    float[::1] floors,                   # out  (n_queries,)
    int num_threads,
):
    """Fill in the K best pilots of every query and the score of the K-th: the K-th best candidate's is no less."""
    cdef Items items = items_of(table, scale, offset, pilots[0])
    cdef Py_ssize_t query
    with nogil:
        for query in prange(floors.shape[0], schedule="dynamic", chunksize=16, num_threads=num_threads):
            search_pilots(items, &pilots[pilots_of[query], 0], &queries[query, 0],
                          ids_of(excluded_indptr, excluded, query), empty_heap(best_ids, best_scores, query),
                          &floors[query])


cdef void search_pilots(Items items, const int32_t* pilots, const float* query, Ids excluded, Heap heap,
                        float* floor) noexcept nogil:
    """`least_scores` for one query."""
    items.candidates = pilots
    search_all(&items, query, excluded, heap)
    floor[0] = heap.scores[heap.size - 1]


def top_k_of_many(
    const float[:, :, ::1] tiles,        # in   (n_tiles, bound_width, TILE)  of the queries, zeros past the last one
    const float[:, :, ::1] panels,       # in   (n_panels, bound_width, PANEL)  of the candidates, likewise
    const float[::1] slack,              # in   (n_queries,)
    const float[::1] floors,             # in   (n_queries,)  results that score below it may be left out
    const float[:, ::1] queries,         # in   all others as in top_k_of_few
    const float[:, ::1] table,
    const float[::1] scale,
    const float[::1] offset,
    const int32_t[::1] candidates,
    const int64_t[::1] excluded_indptr,
    const int32_t[::1] excluded,
    int32_t[:, ::1] best_ids,
    float[:, ::1] best_scores,
    int32_t[:, ::1] waiting,             # scratch (n_queries, TOGETHER + 1)
    Py_ssize_t block,                    # queries that share a pass over the panels, a multiple of TILE
    int num_threads,
):
    """Fill in the K best candidates of every query, by scoring those that can be among them.

    The product of a query's place in its tile and a candidate's place in its panel is at least their score less the
    query's slack, and costs less than the score. It tells of most candidates that they score below the floor, or below
    the K-th best of those seen already.
    """
    cdef Items items = items_of(table, scale, offset, candidates)
    cdef Py_ssize_t n_queries = best_ids.shape[0]
    cdef Py_ssize_t unit
    with nogil:
        for unit in prange((n_queries + block - 1) // block, schedule="dynamic", chunksize=1, num_threads=num_threads):
            search_block(
                tiles, panels, slack, floors, queries, &items, excluded_indptr, excluded, best_ids, best_scores,
                waiting, unit * block, min((unit + 1) * block, n_queries),
            )


cdef void search_block(
    const float[:, :, ::1] tiles, const float[:, :, ::1] panels, const float[::1] slack, const float[::1] floors,
    const float[:, ::1] queries, const Items* items, const int64_t[::1] excluded_indptr, const int32_t[::1] excluded,
    int32_t[:, ::1] best_ids, float[:, ::1] best_scores, int32_t[:, ::1] waiting, Py_ssize_t first_query,
    Py_ssize_t last_query,
) noexcept nogil:
    """`top_k_of_many` for some of the queries, panel by panel. waiting[query, 0] counts the candidates in the rest."""
    cdef:
        float[MAX_TILE * MAX_PANEL] bounds
        Heap heap
        Py_ssize_t width = tiles.shape[1]
        Py_ssize_t panel, tile, query
        float least
        uint32_t left, existing
        int32_t item
    for query in range(first_query, last_query):
        empty_heap(best_ids, best_scores, query)
        waiting[query, 0] = 0
    for panel in range(panels.shape[0]):
        existing = first_bits(min(items.n_candidates - panel * PANEL, <Py_ssize_t>PANEL))
        for tile in range(first_query // TILE, (last_query + TILE - 1) // TILE):
            multiply(&tiles[tile, 0, 0], &panels[panel, 0, 0], width, bounds)
            for query in range(tile * TILE, min((tile + 1) * TILE, last_query)):
                least = max(best_scores[query, 0], floors[query]) - slack[query]
                left = above(bounds + (query - tile * TILE) * PANEL, least) & existing
                while left:
                    item = items.candidates[panel * PANEL + lowest(left)]
                    waiting[query, 0] += 1
                    waiting[query, waiting[query, 0]] = item
                    prefetch_row(items.table + item * items.width, items.width)
                    left &= left - 1
                    if waiting[query, 0] == TOGETHER:
                        heap = heap_of(best_ids, best_scores, query)
                        offer(items, &queries[query, 0], &waiting[query, 1], TOGETHER,
                              ids_of(excluded_indptr, excluded, query), &heap)
                        waiting[query, 0] = 0
    for query in range(first_query, last_query):
        heap = heap_of(best_ids, best_scores, query)
        if waiting[query, 0]:
            offer(items, &queries[query, 0], &waiting[query, 1], waiting[query, 0],
                  ids_of(excluded_indptr, excluded, query), &heap)
        sort_heap(&heap)


cdef inline uint32_t first_bits(Py_ssize_t n) noexcept nogil:
    """The lowest n of 32 bits, n >= 1."""
    return <uint32_t>0xFFFFFFFF >> (32 - n)


# ---- blocks of scores -------------------------------------------------------------------------------------------


def pack(
    const float[:, ::1] table,           # in   (n_rows, width)
    const int32_t[::1] ids,              # in   (n,)  the rows to pack
    float[:, :, ::1] packed,             # out  (n / lanes rounded up, width, lanes)
    int num_threads,
):
    """Store rows as tiles or panels, depending on the number of lanes."""
    cdef Py_ssize_t lanes = packed.shape[2]
    cdef Py_ssize_t group
    with nogil:
        for group in prange(packed.shape[0], schedule="static", num_threads=num_threads):
            pack_rows(&table[0, 0], table.shape[1], &ids[0] + group * lanes, min(ids.shape[0] - group * lanes, lanes),
                      lanes, &packed[group, 0, 0])


def score_pairs(
    const float[:, ::1] queries,         # in   (n_queries, factors)
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty
    const float[::1] offset,             # in   (n_items,), or empty
    const int64_t[::1] indptr,           # in   (n_queries + 1,)
    const int32_t[::1] ids,              # in   the items of each query
    float[::1] scores,                   # out  as ids
    int num_threads,
):
    """Fill in the scores of some items for each query."""
    cdef Items items = items_of(table, scale, offset, ids)
    cdef Py_ssize_t query
    with nogil:
        for query in prange(queries.shape[0], schedule="dynamic", chunksize=16, num_threads=num_threads):
            score_list(&items, &queries[query, 0], &ids[0] + indptr[query], indptr[query + 1] - indptr[query],
                       &scores[0] + indptr[query])


cdef void score_list(const Items* items, const float* query, const int32_t* ids, Py_ssize_t size,
                     float* scores) noexcept nogil:
    """`score_pairs` for one query."""
    cdef float[TOGETHER] products
    cdef Py_ssize_t group, j, n
    for group in range((size + TOGETHER - 1) // TOGETHER):
        n = min(size - group * TOGETHER, <Py_ssize_t>TOGETHER)
        score_together(items, query, ids + group * TOGETHER, n, products)
        for j in range(n):
            scores[group * TOGETHER + j] = products[j]


cdef inline void score_panel(const Items* items, const float* tile, const float* panel, Py_ssize_t first,
                             Py_ssize_t size, Py_ssize_t n_queries, float* scores, Py_ssize_t stride) noexcept nogil:
    """scores[q * stride + k] for the n_queries first queries of a tile and the `size` items from `first` on."""
    cdef:
        float[MAX_TILE * MAX_PANEL] products
        float[MAX_PANEL] scale
        float[MAX_PANEL] offset
        Py_ssize_t q, k
    for k in range(size):
        scale[k] = items.scale[first + k] if items.scale != NULL else 1
        offset[k] = items.offset[first + k] if items.offset != NULL else 0
    multiply(tile, panel, items.width, products)
    for q in range(n_queries):
        for k in range(size):
            scores[q * stride + k] = add_product(offset[k], products[q * PANEL + k], scale[k])


def score_block(
    const float[:, :, ::1] tiles,        # in   (n_tiles, factors, TILE)  of the queries
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty
    const float[::1] offset,             # in   (n_items,), or empty
    const int32_t[::1] catalogue,        # in   (n_items,)  0 .. n_items - 1
    float[:, ::1] scores,                # out  (n_queries, n_items)
    float[:, ::1] scratch,               # scratch (num_threads, PANEL * factors)
    int num_threads,
):
    """Fill in the scores of all items for all queries."""
    cdef Items items = items_of(table, scale, offset, catalogue)
    cdef Py_ssize_t panel
    with nogil:
        for panel in prange((table.shape[0] + PANEL - 1) // PANEL, schedule="static", num_threads=num_threads):
            score_items(&items, tiles, panel * PANEL, scores, &scratch[threadid(), 0])


cdef void score_items(const Items* items, const float[:, :, ::1] tiles, Py_ssize_t first, float[:, ::1] scores,
                      float* panel) noexcept nogil:
    """`score_block` for the items from `first` on, PANEL at most."""
    cdef Py_ssize_t size = min(items.n_candidates - first, <Py_ssize_t>PANEL)
    cdef Py_ssize_t tile
    pack_rows(items.table, items.width, items.candidates + first, size, PANEL, panel)
    for tile in range(tiles.shape[0]):
        score_panel(items, &tiles[tile, 0, 0], panel, first, size, min(scores.shape[0] - tile * TILE, <Py_ssize_t>TILE),
                    &scores[tile * TILE, first], scores.shape[1])


# ---- ranks ------------------------------------------------------------------------------------------------------


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
            rank_row(&scores[query, 0], scores.shape[1], ids_of(excluded_indptr, excluded, query),
                     ids_of(target_indptr, targets, query), targets_compete, &n_ahead[0] + target_indptr[query])


def rank_by_factors(
    const float[:, :, ::1] tiles,        # in   (n_tiles, factors, TILE)  of the queries
    const float[:, :, ::1] panels,       # in   (n_panels, factors, PANEL)  of the items
    const float[:, ::1] table,           # in   (n_items, factors)
    const float[::1] scale,              # in   (n_items,), or empty
    const float[::1] offset,             # in   (n_items,), or empty
    const int32_t[::1] catalogue,        # in   (n_items,)  0 .. n_items - 1
    const int64_t[::1] excluded_indptr,  # in   all others as in rank_targets
    const int32_t[::1] excluded,
    const int64_t[::1] target_indptr,
    const int32_t[::1] targets,
    bint targets_compete,
    int64_t[::1] n_ahead,
    float[:, ::1] scratch,               # scratch (num_threads, TILE * n_items)
    int num_threads,
):
    """`rank_targets` with the scores of vectors: a tile of queries at a time, so that few are in memory."""
    cdef Items items = items_of(table, scale, offset, catalogue)
    cdef Py_ssize_t tile
    with nogil:
        for tile in prange(tiles.shape[0], schedule="dynamic", chunksize=1, num_threads=num_threads):
            rank_tile(&items, &tiles[tile, 0, 0], panels, tile * TILE, excluded_indptr, excluded, target_indptr,
                      targets, targets_compete, n_ahead, &scratch[threadid(), 0])


cdef void rank_tile(
    const Items* items, const float* tile, const float[:, :, ::1] panels, Py_ssize_t first_query,
    const int64_t[::1] excluded_indptr, const int32_t[::1] excluded, const int64_t[::1] target_indptr,
    const int32_t[::1] targets, bint targets_compete, int64_t[::1] n_ahead, float* scores,
) noexcept nogil:
    """`rank_by_factors` for one tile of queries."""
    cdef Py_ssize_t n_items = items.n_candidates
    cdef Py_ssize_t n_queries = min(target_indptr.shape[0] - 1 - first_query, <Py_ssize_t>TILE)
    cdef Py_ssize_t panel, query
    for panel in range(panels.shape[0]):
        score_panel(items, tile, &panels[panel, 0, 0], panel * PANEL, min(n_items - panel * PANEL, <Py_ssize_t>PANEL),
                    n_queries, scores + panel * PANEL, n_items)
    for query in range(first_query, first_query + n_queries):
        rank_row(scores + (query - first_query) * n_items, n_items, ids_of(excluded_indptr, excluded, query),
                 ids_of(target_indptr, targets, query), targets_compete, &n_ahead[0] + target_indptr[query])


cdef void rank_row(float* scores, Py_ssize_t n_items, Ids excluded, Ids targets, bint targets_compete,
                   int64_t* n_ahead) noexcept nogil:
    """`rank_targets` for one query."""
    cdef Py_ssize_t k
    cdef float score
    for k in range(excluded.size):
        scores[excluded.ids[k]] = -INFINITY
    for k in range(targets.size):
        score = scores[targets.ids[k]]
        n_ahead[k] = count_at_least(scores, n_items, score) - (
            1 if targets_compete else count_targets(scores, targets, score))


cdef int64_t count_at_least(const float* scores, Py_ssize_t size, float threshold) noexcept nogil:
    """Number of scores >= threshold."""
    cdef int32_t count = 0
    cdef Py_ssize_t k
    for k in range(size):
        count += scores[k] >= threshold
    return count


cdef int64_t count_targets(const float* scores, Ids targets, float threshold) noexcept nogil:
    """Number of targets that score >= threshold."""
    cdef int32_t count = 0
    cdef Py_ssize_t k
    for k in range(targets.size):
        count += scores[targets.ids[k]] >= threshold
    return count
