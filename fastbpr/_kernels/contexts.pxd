"""What contexts (pages, slates, sessions) change in a step: where its negative comes from, its weight, its margin.

An interaction in a context competes, at a rate of its context, with an item of that context: both were there to be
seen, so that the user's choice between them says nothing about who is shown what. Otherwise it competes with any item,
at the context's weight. Margins may be offset by how often items are chosen in the context. `_context_arrays` makes the
arrays.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t

from fastbpr._kernels.negatives cimport Pool
from fastbpr._kernels.random cimport draw_below, draw_word, share_of
from fastbpr._kernels.search cimport contains

cdef enum:
    CONTEXT_TRIES = 8  # draws from a context, before its items are taken to be the user's own
    IN_CONTEXT = 0     # places of a thread's counts: entries in contexts ...
    NEGATIVES = 1      # ... those with negatives of their context ...
    TETRADS = 2        # ... and tetrads

cdef struct Contexts:
    # What a fit knows of its contexts. `group_starts` is NULL where there are none, `visible_starts` without offsets.
    const int64_t* group_starts     # (n_contexts * n_blocks + 1,)  offsets by context and item block
    const int32_t* group_places     # (n_visible,)  places, in their blocks, of the items that a context shows
    const float* rates              # of context -1 (none), 0, 1 ..: how often a negative is one of them
    const float* weights            # the same, of a step whose negative is not
    const int64_t* liked_starts     # the training positives, canonical CSR; NULL if they may be negatives
    const int32_t* liked_items
    const int64_t* visible_starts   # (n_contexts + 1,)
    const int32_t* visible_items    # (n_visible,)  ascending in each context
    const float* visible_offsets    # (n_visible,)
    const float* other_offsets      # (n_contexts,)  of the items that are not there
    Py_ssize_t n_blocks


cdef inline void enter_context(Pool* pool, const Contexts* contexts, int32_t context, Py_ssize_t block,
                               Py_ssize_t user) noexcept nogil:
    """Point the pool at what the context shows of the item block; a context of -1 is none."""
    cdef const int64_t* starts
    pool.context_weight = contexts.weights[context]
    pool.context_rate = contexts.rates[context]
    pool.n_in_context = 0
    pool.offset_items = NULL
    if context < 0:
        return
    starts = contexts.group_starts + context * contexts.n_blocks + block
    pool.in_context = contexts.group_places + starts[0]
    pool.n_in_context = starts[1] - starts[0]
    pool.n_visible = contexts.group_starts[(context + 1) * contexts.n_blocks] - starts[-block]
    pool.n_liked = 0
    if contexts.liked_starts != NULL:
        pool.liked = contexts.liked_items + contexts.liked_starts[user]
        pool.n_liked = contexts.liked_starts[user + 1] - contexts.liked_starts[user]
    if contexts.visible_starts != NULL:
        pool.offset_items = contexts.visible_items + contexts.visible_starts[context]
        pool.n_offsets = contexts.visible_starts[context + 1] - contexts.visible_starts[context]
        pool.offsets = contexts.visible_offsets + contexts.visible_starts[context]
        pool.other_offset = contexts.other_offsets[context]


cdef inline bint is_in_context(const Pool* pool, uint64_t* rng) noexcept nogil:
    """Whether a step is to take its negatives from the context. Takes a random number only where there is a choice."""
    return pool.n_in_context > 1 and share_of(draw_word(rng)) < pool.context_rate


cdef inline int32_t draw_in_context(const Pool* pool, int32_t positive, uint64_t* rng) noexcept nogil:
    """A uniform item among those of the context and block that the user has not chosen; -1 if some draws find none.

    The positive is one of them: where it comes up, the last takes its place.
    """
    cdef Py_ssize_t _attempt, last = pool.n_in_context - 1
    cdef int32_t item
    for _attempt in range(CONTEXT_TRIES if last > 0 else 0):
        item = in_context_at(pool, draw_below(rng, <int32_t>last))
        item = in_context_at(pool, last) if item == positive else item
        if pool.n_liked == 0 or not contains(pool.liked, pool.n_liked, item):
            return item
    return -1


cdef inline int32_t in_context_at(const Pool* pool, Py_ssize_t number) noexcept nogil:
    """The item of that number among those of the context and block."""
    cdef int32_t place = pool.in_context[number]
    return pool.items[place] if pool.items != NULL else place


cdef inline float offset_of(const Pool* pool, int32_t item) noexcept nogil:
    """What the context adds to an item's score."""
    cdef const int32_t* items = pool.offset_items
    cdef Py_ssize_t half, size = pool.n_offsets
    if items == NULL:
        return 0
    while size > 1:
        half = size >> 1
        items += half if items[half] <= item else 0
        size -= half
    return pool.offsets[items - pool.offset_items] if size and items[0] == item else pool.other_offset


cdef inline Contexts contexts_of(object contexts, bint verify) except *:
    """The arrays of a `_context_arrays.ContextArrays` as plain pointers; the caller keeps them alive."""
    cdef:
        Contexts own
        const int64_t[::1] group_starts = contexts.group_starts
        const int32_t[::1] group_places = contexts.group_places
        const float[::1] rates = contexts.rates
        const float[::1] weights = contexts.weights
        const int64_t[::1] visible_starts = contexts.visible_starts
        const int64_t[::1] liked_starts = contexts.liked_starts
        const int32_t[::1] liked_items = contexts.liked_items
        const int32_t[::1] visible_items = contexts.visible_items
        const float[::1] visible_offsets = contexts.visible_offsets
        const float[::1] other_offsets = contexts.other_offsets
    own.group_starts = &group_starts[0] if group_starts.shape[0] else NULL
    own.group_places = &group_places[0] if group_places.shape[0] else NULL
    own.rates = &rates[1]
    own.weights = &weights[1]
    own.liked_starts = &liked_starts[0] if verify else NULL
    own.liked_items = &liked_items[0]
    own.visible_starts = &visible_starts[0] if visible_offsets.shape[0] else NULL
    own.visible_items = &visible_items[0] if visible_offsets.shape[0] else NULL
    own.visible_offsets = &visible_offsets[0] if visible_offsets.shape[0] else NULL
    own.other_offsets = &other_offsets[0] if other_offsets.shape[0] else NULL
    own.n_blocks = contexts.n_blocks
    return own
