"""Divides one epoch's work into blocks: items at random, users in fixed ranges, interactions into their buckets.

Items are divided anew for every epoch into blocks of equal size; any two items are as likely as any others to share a
block, so negatives drawn from the block at hand are, over the epochs, uniform over the catalogue. User blocks are
ranges of rows with about the same number of interactions; the order of users inside a block is drawn anew. Bucket
(user block, item block) lists its interactions user by user, so that a user's positives in it are adjacent. Items
are listed by their places in their block, which are what negatives are drawn from.

Everything is a function of the epoch's key and the data; threads only share the work.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

import numpy as np

from fastbpr._kernels.random cimport (
    CONTEXT_STREAM, SHUFFLE_STREAM, USER_STREAM, draw_below, draw_occurrence, stream,
)
from fastbpr._kernels.tasks cimport claim, set_counter, wait_for


cdef struct Work:
    # The arrays of `bucket_interactions`, as the kernels want them.
    const int64_t* indptr
    const int32_t* indices
    const float* weights
    const int64_t* user_starts
    const uint16_t* block_of_item
    const int32_t* place_of_item
    int32_t* user_order
    int32_t* users
    int32_t* places
    float* bucket_weights
    const int64_t* occurrence_starts    # or NULL, as the next two
    const int32_t* occurrence_contexts
    int32_t* contexts
    Py_ssize_t n_blocks


def partition_items(
    uint64_t key,                        # in   the epoch's key
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)  sizes of the blocks, as offsets into block_items
    uint16_t[::1] block_of_item,         # out  (n_items,)
    int32_t[::1] place_of_item,          # out  (n_items,)  from 0 within the block
    int32_t[::1] block_items,            # out  (n_items,)  items of each block, ascending: its places
):
    """Divide the items at random into blocks of the given sizes.

    The caller guarantees block_starts[0] == 0, block_starts[-1] == n_items < 2**31 and at most 2**16 blocks.
    """
    cdef:
        Py_ssize_t n_blocks = block_starts.shape[0] - 1
        Py_ssize_t n_items = block_of_item.shape[0]
        Py_ssize_t block, item, other, place
        uint64_t rng = stream(key, SHUFFLE_STREAM, 0)
        uint16_t label
        int64_t[::1] cursors = block_starts.copy()
    with nogil:
        for block in range(n_blocks):
            for place in range(block_starts[block], block_starts[block + 1]):
                block_of_item[place] = <uint16_t>block
        for item in range(n_items - 1, 0, -1):
            other = draw_below(&rng, <int32_t>(item + 1))
            label = block_of_item[item]
            block_of_item[item] = block_of_item[other]
            block_of_item[other] = label
        for item in range(n_items):
            block = block_of_item[item]
            place_of_item[item] = <int32_t>(cursors[block] - block_starts[block])
            block_items[cursors[block]] = <int32_t>item
            cursors[block] += 1


def bucket_interactions(
    uint64_t key,                        # in   the epoch's key
    const int64_t[::1] indptr,           # in   (n_users + 1,)
    const int32_t[::1] indices,          # in   (n_interactions,)  items of each user, ascending
    const float[::1] weights,            # in   (n_interactions,) or (n_occurrences,), or empty
    const int64_t[::1] user_starts,      # in   (n_blocks + 1,)  the user blocks' ranges of rows
    const uint16_t[::1] block_of_item,   # in   (n_items,)
    const int32_t[::1] place_of_item,    # in   (n_items,)
    int32_t[::1] user_order,             # out  (n_users,)  the order of users in their blocks
    int64_t[:, ::1] bucket_starts,       # out  (n_blocks, n_blocks + 1)  offsets of the buckets of each user block
    int64_t[:, ::1] cursors,             # scratch (n_blocks, n_blocks and a cache line)
    int64_t[:, ::1] progress,            # scratch (n_blocks, one cache line)
    int32_t[::1] bucket_users,           # out  (n_interactions,)
    int32_t[::1] bucket_places,          # out  (n_interactions,)
    float[::1] bucket_weights,           # out  (n_interactions,), or empty
    const int64_t[::1] occurrence_starts,    # in   (n_interactions + 1,), or empty
    const int32_t[::1] occurrence_contexts,  # in   (n_occurrences,)  one or more of each interaction, -1 = none
    int32_t[::1] bucket_contexts,        # out  (n_interactions,), or empty
    int num_threads,
):
    """Sort the interactions into buckets.

    Where an interaction occurred in several contexts, one of them is drawn for this epoch; weights are then those of
    the occurrences.

    The caller guarantees at least one interaction, one canonical CSR matrix, labels of blocks below n_blocks and
    ranges that cover all users.
    """
    cdef:
        Work work
    work.indptr = &indptr[0]
    work.indices = &indices[0]
    work.weights = &weights[0] if weights.shape[0] else NULL
    work.user_starts = &user_starts[0]
    work.block_of_item = &block_of_item[0]
    work.place_of_item = &place_of_item[0]
    work.user_order = &user_order[0]
    work.users = &bucket_users[0]
    work.places = &bucket_places[0]
    work.bucket_weights = &bucket_weights[0] if weights.shape[0] else NULL
    work.occurrence_starts = &occurrence_starts[0] if occurrence_starts.shape[0] else NULL
    work.occurrence_contexts = &occurrence_contexts[0] if occurrence_starts.shape[0] else NULL
    work.contexts = &bucket_contexts[0] if occurrence_starts.shape[0] else NULL
    work.n_blocks = user_starts.shape[0] - 1
    progress[:] = 0
    with nogil, parallel(num_threads=num_threads):
        bucket_share(&work, key, threadid(), num_threads, bucket_starts, cursors, progress)


cdef void bucket_share(const Work* work, uint64_t key, int thread, int num_threads, int64_t[:, ::1] bucket_starts,
                       int64_t[:, ::1] cursors, int64_t[:, ::1] progress) noexcept nogil:
    """One thread's share: its own run of user blocks, the same as in training; then what others have not begun."""
    cdef:
        Py_ssize_t first_own = work.n_blocks * thread // num_threads
        Py_ssize_t k, block
    for k in range(work.n_blocks):
        block = (first_own + k) % work.n_blocks
        if claim(&progress[block, 0], 0):
            shuffle_users(key, block, work.user_starts[block], work.user_starts[block + 1], work.user_order)
            bucket_user_block(work, work.user_starts[block], work.user_starts[block + 1], &bucket_starts[block, 0],
                              &cursors[block, 0], stream(key, CONTEXT_STREAM, block))
            set_counter(&progress[block, 1], 1)
    for block in range(work.n_blocks):
        wait_for(&progress[block, 1], 1)


cdef void shuffle_users(uint64_t key, Py_ssize_t block, Py_ssize_t first, Py_ssize_t last,
                        int32_t* user_order) noexcept nogil:
    """Write the rows first .. last - 1 to their places of `user_order` in random order."""
    cdef Py_ssize_t place, other
    cdef uint64_t rng = stream(key, USER_STREAM, block)
    for place in range(first, last):
        other = first + draw_below(&rng, <int32_t>(place - first + 1))
        user_order[place] = user_order[other]
        user_order[other] = <int32_t>place


cdef void bucket_user_block(const Work* work, Py_ssize_t first_user, Py_ssize_t last_user, int64_t* starts,
                            int64_t* cursors, uint64_t rng) noexcept nogil:
    """Counting sort of one user block's interactions by item block, keeping the order of users.

    `starts` has the offsets of the user block's buckets, `cursors` where the next interaction of each goes.
    """
    cdef:
        Py_ssize_t place, block
        int64_t entry, target, occurrence
        int32_t user, item
    for block in range(work.n_blocks):
        cursors[block] = 0
    for entry in range(work.indptr[first_user], work.indptr[last_user]):
        cursors[work.block_of_item[work.indices[entry]]] += 1
    starts[0] = work.indptr[first_user]
    for block in range(work.n_blocks):
        starts[block + 1] = starts[block] + cursors[block]
        cursors[block] = starts[block]
    for place in range(first_user, last_user):
        user = work.user_order[place]
        for entry in range(work.indptr[user], work.indptr[user + 1]):
            item = work.indices[entry]
            block = work.block_of_item[item]
            target = cursors[block]
            cursors[block] = target + 1
            work.users[target] = user
            work.places[target] = work.place_of_item[item]
            occurrence = entry
            if work.occurrence_starts != NULL:
                occurrence = draw_occurrence(work.occurrence_starts + entry, &rng)
                work.contexts[target] = work.occurrence_contexts[occurrence]
            if work.weights != NULL:
                work.bucket_weights[target] = work.weights[occurrence]


def group_contexts(
    const int64_t[::1] visible_starts,   # in   (n_contexts + 1,)
    const int32_t[::1] visible_items,    # in   (n_visible,)  what each context shows
    const uint16_t[::1] block_of_item,   # in   (n_items,)
    const int32_t[::1] place_of_item,    # in   (n_items,)
    Py_ssize_t n_blocks,
    int64_t[::1] group_starts,           # out  (n_contexts * n_blocks + 1,)
    int32_t[::1] group_places,           # out  (n_visible,)
    int num_threads,
):
    """Sort what every context shows by item block, as places."""
    cdef Py_ssize_t context
    group_starts[0] = 0
    with nogil:
        for context in prange(visible_starts.shape[0] - 1, num_threads=num_threads, schedule="static"):
            group_context(&visible_items[0], visible_starts[context], visible_starts[context + 1], &block_of_item[0],
                          &place_of_item[0], n_blocks, &group_starts[0] + context * n_blocks + 1, &group_places[0])


cdef void group_context(const int32_t* items, int64_t first, int64_t last, const uint16_t* block_of_item,
                        const int32_t* place_of_item, Py_ssize_t n_blocks, int64_t* ends,
                        int32_t* places) noexcept nogil:
    """Counting sort of one context; `ends` are those of its groups, which begin where the one before ends."""
    cdef Py_ssize_t block
    cdef int64_t entry
    for block in range(n_blocks):
        ends[block] = 0
    for entry in range(first, last):
        ends[block_of_item[items[entry]]] += 1
    for block in range(n_blocks):
        ends[block] += ends[block - 1] if block else first
    for entry in range(last - 1, first - 1, -1):  # ends become beginnings ...
        block = block_of_item[items[entry]]
        ends[block] -= 1
        places[ends[block]] = place_of_item[items[entry]]
    for block in range(n_blocks - 1):             # ... and these the ends of the groups before them
        ends[block] = ends[block + 1]
    ends[n_blocks - 1] = last


def alias_tables(
    const double[::1] weights,           # in   (n_items,)  > 0, in any unit
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)
    const int32_t[::1] block_items,      # in   (n_items,)
    uint32_t[::1] shares,                # out  (n_items,)  by block and place
    int32_t[::1] aliases,                # out  (n_items,)
    int num_threads,
):
    """Make the alias table of every block: what `draw_weighted` draws from."""
    cdef Py_ssize_t block
    cdef double[::1] columns = np.empty(weights.shape[0])
    with nogil:
        for block in prange(block_starts.shape[0] - 1, num_threads=num_threads, schedule="static"):
            alias_table(&weights[0], block_starts[block + 1] - block_starts[block],
                        &block_items[0] + block_starts[block], &columns[0] + block_starts[block],
                        &shares[0] + block_starts[block], &aliases[0] + block_starts[block])


cdef void alias_table(const double* weights, Py_ssize_t n, const int32_t* items, double* columns, uint32_t* shares,
                      int32_t* aliases) noexcept nogil:
    """Fill every column of height 1 with at most two places (Walker 1977; Vose 1991), by one sweep without stacks.

    columns[k] is what is still to be placed of place k, with a mean of 1. `low` sweeps over those below 1, `high` over
    the others, each filling up a low one; a high one that falls below 1 behind the sweep is the next to be filled up.
    """
    cdef:
        double total = 0, share
        Py_ssize_t k, low = 0, high = 0, current
    for k in range(n):
        total += weights[items[k]]
    for k in range(n):
        columns[k] = weights[items[k]] * n / total
        shares[k] = 0xFFFFFFFF
        aliases[k] = <int32_t>k
    while low < n and columns[low] >= 1:
        low += 1
    while high < n and columns[high] < 1:
        high += 1
    current = low
    while current < n and high < n:
        share = columns[current] * 4294967296.0
        shares[current] = 0xFFFFFFFF if share >= 4294967295.0 else <uint32_t>share
        aliases[current] = <int32_t>high
        columns[high] -= 1 - columns[current]
        if current == low:
            low += 1
            while low < n and columns[low] >= 1:
                low += 1
        current = low
        if columns[high] < 1:
            if high < low:
                current = high
            high += 1
            while high < n and columns[high] < 1:
                high += 1


def divide_orders(
    const int32_t[:, ::1] orders,        # in   (n_orders, n_items)  items, in any order
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)
    const uint16_t[::1] block_of_item,   # in   (n_items,)
    const int32_t[::1] place_of_item,    # in   (n_items,)
    int32_t[::1] divided,                # out  (n_orders * n_items,)  by block, order and rank: places
    int num_threads,
):
    """Divide orders of all items into orders of every block's places."""
    cdef Py_ssize_t order, n_blocks = block_starts.shape[0] - 1
    cdef int64_t[:, ::1] cursors = np.empty((orders.shape[0], n_blocks + 8), dtype=np.int64)
    with nogil:
        for order in prange(orders.shape[0], num_threads=num_threads, schedule="static"):
            divide_order(&orders[order, 0], orders.shape[1], order, orders.shape[0], n_blocks, &block_starts[0],
                         &block_of_item[0], &place_of_item[0], &cursors[order, 0], &divided[0])


cdef void divide_order(const int32_t* items, Py_ssize_t n_items, Py_ssize_t order, Py_ssize_t n_orders,
                       Py_ssize_t n_blocks, const int64_t* block_starts, const uint16_t* block_of_item,
                       const int32_t* place_of_item, int64_t* cursors, int32_t* divided) noexcept nogil:
    """Divide one order."""
    cdef Py_ssize_t block, rank
    for block in range(n_blocks):
        cursors[block] = block_starts[block] * n_orders + order * (block_starts[block + 1] - block_starts[block])
    for rank in range(n_items):
        block = block_of_item[items[rank]]
        divided[cursors[block]] = place_of_item[items[rank]]
        cursors[block] += 1
