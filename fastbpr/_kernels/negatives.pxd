"""Drawing negatives: items that are none of the user's positives, from one of several distributions.

Negatives are drawn among the places of a `Pool`: the item block at hand, or (hogwild) all items, each at the place of
its number. A draw that is taken, because it is one of the user's positives, is repeated; after MAX_TRIES vain draws
it is uniform over what is free.
"""
from libc.math cimport expf, log1pf
from libc.stdint cimport int32_t, uint32_t, uint64_t

from fastbpr._kernels.random cimport draw_below, draw_word, scale_bits, share_of
from fastbpr._kernels.search cimport contains

cdef enum:
    MAX_REDRAWS = 16  # of a uniform place, before those that are free are counted out instead
    MAX_TRIES = 64    # of any other draw

cdef struct Taken:
    # What is no negative: the places with the newest stamp, or, where there are no stamps, some sorted places.
    uint32_t* stamps  # (n_places,), or NULL
    uint32_t newest
    const int32_t* positives
    Py_ssize_t n_positives

cdef struct Pool:
    # Where negatives come from. At most one of `shares` and `orders` is not NULL; uniform if neither is.
    Py_ssize_t n_places
    const int32_t* items      # (n_places,), or NULL: places are items
    const uint32_t* shares    # (n_places,)  alias table: a place is kept if 32 random bits are below its share ...
    const int32_t* aliases    # (n_places,)  ... else this is taken
    const int32_t* orders     # (n_orders, n_places)  places by a factor's value, largest first; the bias comes last
    const float* spreads      # (n_orders,)  standard deviations of the factors and the bias over the items
    Py_ssize_t n_orders
    float mean_rank           # of the geometric distribution of ranks in an order
    const int32_t* given      # (n_given,)  places that the user at hand is known not to want
    Py_ssize_t n_given
    float given_rate          # how often one of these is the negative
    const int32_t* own        # (n_own,)  places of the positives of the user at hand; for k-OS WARP only
    const float* own_weights  # (n_own,), or NULL
    Py_ssize_t n_own
    const int32_t* in_context  # (n_in_context,)  places of the items that the context at hand shows
    Py_ssize_t n_in_context
    Py_ssize_t n_visible      # the same of all blocks
    const int32_t* liked      # (n_liked,)  items that the user has chosen anywhere; none if they may be negatives
    Py_ssize_t n_liked
    float context_rate        # how often a step has its negatives among them
    float context_weight      # of a step that has not
    const int32_t* offset_items  # (n_offsets,)  ascending: items with an offset in this context; NULL without offsets
    const float* offsets      # (n_offsets,)
    Py_ssize_t n_offsets
    float other_offset        # of every other item


cdef inline bint is_taken(const Taken* taken, int32_t place) noexcept nogil:
    """Whether a place is one of the user's positives."""
    if taken.stamps != NULL:
        return taken.stamps[place] == taken.newest
    return contains(taken.positives, taken.n_positives, place)


cdef inline int32_t count_out(Py_ssize_t n_places, const int32_t* positives, Py_ssize_t n_positives,
                              uint64_t* rng) noexcept nogil:
    """A uniform place that is none of the positives, or -1 if there is none: by counting past them."""
    cdef int32_t place
    cdef Py_ssize_t k
    if n_positives == n_places:
        return -1
    place = <int32_t>draw_below(rng, <uint32_t>(n_places - n_positives))
    for k in range(n_positives):
        if positives[k] > place:
            break
        place += 1
    return place


cdef inline int32_t count_out_stamped(Py_ssize_t n_places, const Taken* taken, uint64_t* rng) noexcept nogil:
    """A uniform place without the newest stamp, or -1 if there is none."""
    cdef Py_ssize_t place, rank, n_free = 0
    for place in range(n_places):
        n_free += taken.stamps[place] != taken.newest
    if n_free == 0:
        return -1
    rank = draw_below(rng, <uint32_t>n_free)
    for place in range(n_places):
        if taken.stamps[place] != taken.newest:
            if rank == 0:
                return <int32_t>place
            rank -= 1
    return -1


cdef inline int32_t draw_free(Py_ssize_t n_places, const Taken* taken, uint64_t* rng) noexcept nogil:
    """A uniform place that is not taken, or -1 if there is none."""
    cdef Py_ssize_t _attempt
    cdef int32_t place
    for _attempt in range(MAX_REDRAWS):
        place = <int32_t>draw_below(rng, <uint32_t>n_places)
        if not is_taken(taken, place):
            return place
    if taken.stamps != NULL:
        return count_out_stamped(n_places, taken, rng)
    return count_out(n_places, taken.positives, taken.n_positives, rng)


cdef inline int32_t draw_weighted(const Pool* pool, uint64_t* rng) noexcept nogil:
    """A place by its weight (Walker's alias method): a uniform one, or the one that shares its column."""
    cdef uint64_t word = draw_word(rng)
    cdef int32_t place = <int32_t>scale_bits(word >> 32, <uint32_t>pool.n_places)
    return place if (word & <uint64_t>0xFFFFFFFF) < pool.shares[place] else pool.aliases[place]


cdef inline float attention(const Pool* pool, const float* user, Py_ssize_t order) noexcept nogil:
    """|p_uf| times the spread of factor f; the bias is a factor for which every user has 1."""
    cdef float value = user[order] if user != NULL and order < pool.n_orders - 1 else <float>1
    return (value if value > 0 else -value) * pool.spreads[order]


cdef inline float highest_attention(const Pool* pool, const float* user) noexcept nogil:
    """The largest of the user's `attention`s."""
    cdef float value, highest = 0
    cdef Py_ssize_t order
    for order in range(pool.n_orders):
        value = attention(pool, user, order)
        highest = value if value > highest else highest
    return highest


cdef inline Py_ssize_t draw_order(const Pool* pool, const float* user, float highest, uint64_t* rng) noexcept nogil:
    """An order by its `attention`: by rejection, and where one order stands out, by counting through."""
    cdef Py_ssize_t order, _attempt
    cdef float total = 0, level
    for _attempt in range(MAX_REDRAWS):
        order = draw_below(rng, <uint32_t>pool.n_orders)
        if share_of(draw_word(rng)) * highest <= attention(pool, user, order):
            return order
    for order in range(pool.n_orders):
        total += attention(pool, user, order)
    level = share_of(draw_word(rng)) * total
    for order in range(pool.n_orders - 1):
        level -= attention(pool, user, order)
        if level < 0:
            return order
    return pool.n_orders - 1


cdef inline int32_t draw_adaptive(const Pool* pool, const float* user, float highest, uint64_t* rng) noexcept nogil:
    """A place that scores high for the user (Rendle & Freudenthaler, WSDM 2014).

    A factor is drawn by its `attention`, a rank r below n_places with probability proportional to exp(-r / mean_rank):
    by the inverse of its distribution. The place has this rank in the factor's order, from the end of the order that
    the user likes.
    """
    cdef Py_ssize_t order = draw_order(pool, user, highest, rng)
    cdef float within = <float>1 - expf(-<float>pool.n_places / pool.mean_rank)
    cdef Py_ssize_t rank = <Py_ssize_t>(-pool.mean_rank * log1pf(-share_of(draw_word(rng)) * within))
    rank = rank if rank < pool.n_places else pool.n_places - 1
    if order < pool.n_orders - 1 and user[order] < 0:
        rank = pool.n_places - 1 - rank
    return pool.orders[order * pool.n_places + rank]


cdef inline int32_t draw_negative(const Pool* pool, const Taken* taken, const float* user, float highest,
                                  uint64_t* rng) noexcept nogil:
    """A place that is not taken, by the pool's distribution, or -1 if every place is."""
    cdef Py_ssize_t _attempt
    cdef int32_t place
    if pool.shares != NULL or pool.orders != NULL:
        for _attempt in range(MAX_TRIES):
            if pool.shares != NULL:
                place = draw_weighted(pool, rng)
            else:
                place = draw_adaptive(pool, user, highest, rng)
            if not is_taken(taken, place):
                return place
    return draw_free(pool.n_places, taken, rng)


cdef inline bint draw_uniform(const Pool* pool, const Taken* taken, Py_ssize_t n, uint64_t* rng,
                              int32_t* items) noexcept nogil:
    """The items of n uniform places that are not taken, two from a word; False if every place is taken."""
    cdef uint64_t word = 0
    cdef Py_ssize_t k
    cdef int32_t place
    for k in range(n):
        word = word << 32 if k & 1 else draw_word(rng)
        place = <int32_t>scale_bits(word >> 32, <uint32_t>pool.n_places)
        if is_taken(taken, place):
            place = draw_free(pool.n_places, taken, rng)
            if place < 0:
                return False
        items[k] = pool.items[place] if pool.items != NULL else place
    return True
