"""Divides one epoch's work into blocks: items at random, users in fixed ranges, interactions into their buckets.

Items are divided anew for every epoch into blocks of equal size; any two items are as likely as any others to share a
block, so negatives drawn from the block at hand are, over the epochs, uniform over the catalogue. User blocks are
ranges of rows with about the same number of interactions; the order of users inside a block is drawn anew. Bucket
(user block, item block) lists its interactions user by user, so that a user's positives in it are adjacent and sorted.

Everything is a function of the epoch's key and the data; threads only share the work.
"""
from cython.parallel cimport parallel
from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t

from fastbpr._kernels.random cimport SHUFFLE_STREAM, USER_STREAM, draw_below, stream
from fastbpr._kernels.tasks cimport take_ticket, wait_for


def partition_items(
    uint64_t key,                        # in   the epoch's key
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)  sizes of the blocks, as offsets into block_items
    uint16_t[::1] block_of_item,         # out  (n_items,)
    int32_t[::1] block_items,            # out  (n_items,)  items of each block, ascending
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
            block_items[cursors[block]] = <int32_t>item
            cursors[block] += 1


def bucket_interactions(
    uint64_t key,                        # in   the epoch's key
    const int64_t[::1] indptr,           # in   (n_users + 1,)
    const int32_t[::1] indices,          # in   (n_interactions,)  items of each user, ascending
    const float[::1] weights,            # in   (n_interactions,), or empty
    const int64_t[::1] user_starts,      # in   (n_blocks + 1,)  the user blocks' ranges of rows
    const uint16_t[::1] block_of_item,   # in   (n_items,)
    int32_t[::1] user_order,             # out  (n_users,)  the order of users in their blocks
    int64_t[:, ::1] bucket_starts,       # out  (n_blocks, n_blocks + 1)  offsets of the buckets of each user block
    int64_t[:, ::1] cursors,             # scratch (n_blocks, n_blocks)
    int32_t[::1] bucket_users,           # out  (n_interactions,)
    int32_t[::1] bucket_items,           # out  (n_interactions,)
    float[::1] bucket_weights,           # out  as weights
    int num_threads,
):
    """Sort the interactions into buckets.

    The caller guarantees one canonical CSR matrix, labels of blocks below n_blocks and ranges that cover all users.
    """
    cdef bint weighted = weights.shape[0] > 0
    cdef int64_t tickets = 0, n_done = 0
    with nogil, parallel(num_threads=num_threads):
        bucket_tickets(
            &tickets, &n_done, key, indptr, indices, weights, weighted, user_starts, block_of_item, user_order,
            bucket_starts, cursors, bucket_users, bucket_items, bucket_weights,
        )


cdef void bucket_tickets(
    int64_t* tickets, int64_t* n_done, uint64_t key, const int64_t[::1] indptr, const int32_t[::1] indices,
    const float[::1] weights, bint weighted, const int64_t[::1] user_starts, const uint16_t[::1] block_of_item,
    int32_t[::1] user_order, int64_t[:, ::1] bucket_starts, int64_t[:, ::1] cursors,
    int32_t[::1] bucket_users, int32_t[::1] bucket_items, float[::1] bucket_weights,
) noexcept nogil:
    """One thread's share: user blocks, until none is left."""
    cdef Py_ssize_t n_blocks = user_starts.shape[0] - 1
    cdef Py_ssize_t block = take_ticket(tickets)
    while block < n_blocks:
        shuffle_users(key, block, user_starts[block], user_starts[block + 1], user_order)
        bucket_user_block(
            block, user_starts[block], user_starts[block + 1], user_order, indptr, indices, weights, weighted,
            block_of_item, bucket_starts, cursors, bucket_users, bucket_items, bucket_weights,
        )
        take_ticket(n_done)
        block = take_ticket(tickets)
    wait_for(n_done, n_blocks)


cdef void shuffle_users(uint64_t key, Py_ssize_t block, Py_ssize_t first, Py_ssize_t last,
                        int32_t[::1] user_order) noexcept nogil:
    """Write the rows first .. last - 1 to their places of `user_order` in random order."""
    cdef Py_ssize_t place, other
    cdef uint64_t rng = stream(key, USER_STREAM, block)
    for place in range(first, last):
        other = first + draw_below(&rng, <int32_t>(place - first + 1))
        user_order[place] = user_order[other]
        user_order[other] = <int32_t>place


cdef void bucket_user_block(
    Py_ssize_t block, Py_ssize_t first_user, Py_ssize_t last_user, const int32_t[::1] user_order,
    const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] weights, bint weighted,
    const uint16_t[::1] block_of_item, int64_t[:, ::1] bucket_starts, int64_t[:, ::1] cursors,
    int32_t[::1] bucket_users, int32_t[::1] bucket_items, float[::1] bucket_weights,
) noexcept nogil:
    """Counting sort of one user block's interactions by item block, keeping the order of users."""
    cdef:
        Py_ssize_t n_blocks = cursors.shape[1]
        Py_ssize_t place, item_block
        int64_t entry, target, total
        int32_t user
    for item_block in range(n_blocks):
        cursors[block, item_block] = 0
    for entry in range(indptr[first_user], indptr[last_user]):
        cursors[block, block_of_item[indices[entry]]] += 1
    total = indptr[first_user]
    for item_block in range(n_blocks):
        bucket_starts[block, item_block] = total
        total += cursors[block, item_block]
        cursors[block, item_block] = bucket_starts[block, item_block]
    bucket_starts[block, n_blocks] = total
    for place in range(first_user, last_user):
        user = user_order[place]
        for entry in range(indptr[user], indptr[user + 1]):
            item_block = block_of_item[indices[entry]]
            target = cursors[block, item_block]
            cursors[block, item_block] = target + 1
            bucket_users[target] = user
            bucket_items[target] = indices[entry]
            if weighted:
                bucket_weights[target] = weights[entry]
