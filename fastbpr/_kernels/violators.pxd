"""WARP: which positive a step is about, and the first of the negatives drawn for it that scores too high."""
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint32_t, uint64_t

from fastbpr._kernels.batches cimport Model
from fastbpr._kernels.contexts cimport offset_of
from fastbpr._kernels.drawing cimport draw_scored, item_at, score_items
from fastbpr._kernels.losses cimport warp_pull
from fastbpr._kernels.negatives cimport Pool, Taken, draw_free, is_taken
from fastbpr._kernels.prefetch cimport prefetch_row
from fastbpr._kernels.random cimport draw_below, position_at, scale_bits, word_at
from fastbpr._kernels.recipes cimport MOST_POSITIVES, Recipe

cdef enum:
    TOGETHER = 4  # negatives that are drawn and scored before the first of them is looked at


cdef inline void prefetch_candidates(const Model* model, const Pool* pool, uint64_t rng, Py_ssize_t first,
                                     Py_ssize_t last) noexcept nogil:
    """Start fetching the rows of what draws first .. last - 1 from this state will give, if no place is taken."""
    cdef Py_ssize_t k
    cdef int32_t place
    for k in range(first, last):
        place = <int32_t>scale_bits(word_at(rng, k + 1) >> 32, <uint32_t>pool.n_places)
        prefetch_row(model.items + item_at(pool, place) * model.item_stride, model.item_stride)


cdef inline Py_ssize_t choose_positive(const Model* model, const Recipe* recipe, const Pool* pool, const float* user,
                                       uint64_t* rng, float* score) noexcept nogil:
    """k-OS WARP: which of the user's positives at hand is taken (Weston, Yee & Weiss 2013), and its score.

    n_positives are drawn with replacement, or all are taken where there are no more, and scored. It is the one whose
    rank is positive_rank of n_positives; of n, which are fewer, positive_rank * n / n_positives, rounded up.
    """
    cdef:
        int32_t[MOST_POSITIVES] numbers
        int32_t[MOST_POSITIVES] items
        float[MOST_POSITIVES] scores
        Py_ssize_t n = min(recipe.n_positives, pool.n_own)
        Py_ssize_t rank = (recipe.positive_rank * n + recipe.n_positives - 1) // recipe.n_positives
        Py_ssize_t k, best = 0
    for k in range(n):
        numbers[k] = <int32_t>k if n == pool.n_own else <int32_t>draw_below(rng, <uint32_t>pool.n_own)
        items[k] = item_at(pool, pool.own[numbers[k]])
    score_items(model, user, items, n, scores)
    while rank > 0:
        best = 0
        for k in range(1, n):
            best = k if scores[k] > scores[best] else best
        score[0] = scores[best]
        scores[best] = -INFINITY
        rank -= 1
    return numbers[best]


cdef inline float find_violator(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                                const float* user, float highest, float positive_score, int32_t positive,
                                uint64_t* rng, int32_t* negative, float* pull, bint* is_correct) noexcept nogil:
    """Draw until a negative's score is above the positive's less 1, at most n_negatives times.

    Return the loss, pull * (1 - margin), which is 0 where none was found (then negative is -1), or -1 if no place is
    free.
    """
    cdef Py_ssize_t k
    cdef float score
    if (
        recipe.n_candidates == 1 and positive < 0 and pool.n_given == 0
        and pool.shares == NULL and pool.orders == NULL and pool.offset_items == NULL
    ):
        return find_uniform_violator(model, recipe, pool, taken, user, positive_score, rng, negative, pull, is_correct)
    negative[0] = -1
    for k in range(recipe.n_negatives):
        if not draw_scored(model, recipe, pool, taken, user, highest, 1, positive, rng, negative, &score):
            return -1
        score += offset_of(pool, negative[0])
        if k == 0:
            is_correct[0] = positive_score > score
        if score > positive_score - 1:
            pull[0] = warp_pull(pool.n_visible, k + 1) if positive >= 0 else recipe.pulls[k]
            return pull[0] * (<float>1 - positive_score + score)
    negative[0] = -1
    return 0


cdef inline float find_uniform_violator(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                                        const float* user, float positive_score, uint64_t* rng, int32_t* negative,
                                        float* pull, bint* is_correct) noexcept nogil:
    """The same for uniform negatives: some are drawn and scored at a time, so that none waits for another.

    Random numbers are counted, so those that were drawn in vain are given back: the result is that of single draws.
    Where a place is taken, what is drawn instead ends the group.
    """
    cdef:
        int32_t[TOGETHER] items
        float[TOGETHER] scores
        Py_ssize_t n_drawn = 0, n, n_free, k
        uint64_t ahead
    while n_drawn < recipe.n_negatives:
        n = min(<Py_ssize_t>TOGETHER, recipe.n_negatives - n_drawn)
        n_free = n
        for k in range(n):
            items[k] = <int32_t>scale_bits(word_at(rng[0], k + 1) >> 32, <uint32_t>pool.n_places)
        for k in range(n):
            if is_taken(taken, items[k]):
                n_free = k
                break
        ahead = position_at(rng[0], n)
        if n_free < n:
            ahead = position_at(rng[0], n_free + 1)
            items[n_free] = draw_free(pool.n_places, taken, &ahead)
            if items[n_free] < 0:
                negative[0] = -1
                return -1
            n = n_free + 1
        prefetch_candidates(model, pool, ahead, TOGETHER, 2 * TOGETHER)  # perhaps of the next step
        for k in range(n):
            items[k] = item_at(pool, items[k])
        score_items(model, user, items, n, scores)
        if n_drawn == 0:
            is_correct[0] = positive_score > scores[0]
        for k in range(n):
            if scores[k] > positive_score - 1:
                rng[0] = position_at(rng[0], k + 1) if k < n_free else ahead
                prefetch_candidates(model, pool, rng[0], 0, 2 * TOGETHER)
                negative[0] = items[k]
                pull[0] = recipe.pulls[n_drawn + k]
                return pull[0] * (<float>1 - positive_score + scores[k])
        rng[0] = ahead
        n_drawn += n
    negative[0] = -1
    return 0
