"""Scores, and the negatives of a step: how many draws each takes, and the best of them."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from fastbpr._kernels.batches cimport Model
from fastbpr._kernels.contexts cimport draw_in_context
from fastbpr._kernels.negatives cimport Pool, Taken, draw_negative, draw_uniform
from fastbpr._kernels.pointwise cimport dot
from fastbpr._kernels.random cimport draw_below, draw_word, share_of
from fastbpr._kernels.recipes cimport MOST_CANDIDATES, Recipe


cdef inline float score_of(const Model* model, const float* user, Py_ssize_t item) noexcept nogil:
    """p . q + b."""
    cdef const float* row = model.items + item * model.item_stride
    cdef float score = dot(user, row, model.width)
    return score + row[model.width] if model.item_bias else score


cdef inline void score_width(const Model* model, Py_ssize_t width, const float* user, const int32_t* items,
                             Py_ssize_t n, float* scores) noexcept nogil:
    """Scores of n items for one user."""
    cdef Py_ssize_t k
    cdef Py_ssize_t stride = model.item_stride
    cdef const float* table = model.items
    for k in range(n):
        scores[k] = dot(user, table + items[k] * stride, width)
    if model.item_bias:
        for k in range(n):
            scores[k] += table[items[k] * stride + width]


cdef inline void score_items(const Model* model, const float* user, const int32_t* items, Py_ssize_t n,
                             float* scores) noexcept nogil:
    """Scores of n items for one user. The usual widths get their own unrolled copy of the loop."""
    if model.width == 64:
        score_width(model, 64, user, items, n, scores)
    elif model.width == 32:
        score_width(model, 32, user, items, n, scores)
    elif model.width == 128:
        score_width(model, 128, user, items, n, scores)
    elif model.width == 256:
        score_width(model, 256, user, items, n, scores)
    else:
        score_width(model, model.width, user, items, n, scores)


# ---- negatives --------------------------------------------------------------------------------------------------


cdef inline int32_t item_at(const Pool* pool, int32_t place) noexcept nogil:
    """The item of a place."""
    return pool.items[place] if pool.items != NULL else place


cdef inline int32_t a_given_item(const Pool* pool, uint64_t* rng) noexcept nogil:
    """One of the items that the user is known not to want."""
    return item_at(pool, pool.given[draw_below(rng, <uint32_t>pool.n_given)])


cdef inline bint draw_items(const Pool* pool, const Taken* taken, const float* user, float highest, Py_ssize_t n,
                            int32_t positive, uint64_t* rng, int32_t* items) noexcept nogil:
    """n items by the pool's distribution, or of the context in which the positive, if any, was chosen.

    False if no place is free.
    """
    cdef Py_ssize_t k
    cdef int32_t place
    if positive >= 0:
        for k in range(n):
            items[k] = draw_in_context(pool, positive, rng)
            if items[k] < 0:
                return False
        return True
    if pool.shares == NULL and pool.orders == NULL:
        return draw_uniform(pool, taken, n, rng, items)
    for k in range(n):
        place = draw_negative(pool, taken, user, highest, rng)
        if place < 0:
            return False
        items[k] = item_at(pool, place)
    return True


cdef inline bint draw_scored(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                             const float* user, float highest, Py_ssize_t n, int32_t positive, uint64_t* rng,
                             int32_t* items, float* scores) noexcept nogil:
    """n negatives and their scores: each one that was given for the user, or the best of some draws.

    All are of the context in which the positive, if any, was chosen. False if no place is free.
    """
    cdef:
        int32_t[MOST_CANDIDATES] candidates
        float[MOST_CANDIDATES] candidate_scores
        Py_ssize_t k, m, best
    if recipe.n_candidates == 1:
        if not draw_items(pool, taken, user, highest, n, positive, rng, items):
            return False
        for k in range(n if pool.n_given and positive < 0 else 0):
            if share_of(draw_word(rng)) < pool.given_rate:
                items[k] = a_given_item(pool, rng)
        score_items(model, user, items, n, scores)
        return True
    for k in range(n):
        if pool.n_given and positive < 0 and share_of(draw_word(rng)) < pool.given_rate:
            items[k] = a_given_item(pool, rng)
            scores[k] = score_of(model, user, items[k])
            continue
        if not draw_items(pool, taken, user, highest, recipe.n_candidates, positive, rng, candidates):
            return False
        score_items(model, user, candidates, recipe.n_candidates, candidate_scores)
        best = 0
        for m in range(1, recipe.n_candidates):
            best = m if candidate_scores[m] > candidate_scores[best] else best
        items[k] = candidates[best]
        scores[k] = candidate_scores[best]
    return True
