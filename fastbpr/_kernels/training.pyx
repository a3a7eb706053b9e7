"""SGD: draws triplets and applies their updates. The whole training hot path.

The usual recipe, BPR with one uniform negative, fills a `Batch` with triplets (verified negatives: never one of the
user's positives), prefetches rows that are not in cache, and passes it to `train_batch`. Every other recipe makes one
step at a time, by `train_one`. The schedules differ in where positives and negatives come from:

blocked   The buckets of one stage share no user row and no item row, so threads take them in any order without a race
          and with the same result. Negatives come from the bucket's own item block.
hogwild   Chunks of interactions drawn at random, negatives from the whole catalogue. Threads share all rows and take
          no locks; an update lost to a race costs a little accuracy, never memory safety.

Memory layout (made by fastbpr/_tables.py). Row u of `user_table` is p_u in the first floats, then zeros to `width`, a
multiple of LANES. Row i of `item_table` is the same for q_i. Where there is more to know about a row, LANES more floats
follow, laid out in optimizers.pxd: biases, and what Adagrad and Adadelta remember. So what belongs to a row
shares its cache line with nothing that another thread writes. Rows start on 64-byte boundaries.

What every function here trusts: indices are in range; CSR rows and blocks are sorted and without duplicates;
every weight is finite; no other thread holds the tables.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from fastbpr._kernels.batches cimport GROUP, WINDOW, Batch, Model, Sums, model_of, train_batch
from fastbpr._kernels.buckets cimport SLOTS as WAITING_SLOTS
from fastbpr._kernels.buckets cimport Buckets, Scratch, train_one_bucket
from fastbpr._kernels.contexts cimport contexts_of
from fastbpr._kernels.drawing cimport score_items, score_of
from fastbpr._kernels.hogwild cimport CHUNK, Occurrences, train_chunk
from fastbpr._kernels.negatives cimport Pool, Taken, draw_negative, highest_attention
from fastbpr._kernels.random cimport CHUNK_STREAM, stream
from fastbpr._kernels.recipes cimport MOST_CANDIDATES, MOST_NEGATIVES, MOST_POSITIVES, Recipe
from fastbpr._kernels.signs cimport train_signed
from fastbpr._kernels.sources cimport Sources, pool_of, recipe_of, sources_of, take_given
from fastbpr._kernels.steps cimport apply_losses, train_one
from fastbpr._kernels.tasks cimport SPINS, claim, read_counter, set_counter, take_ticket, wait_a_little
from fastbpr._kernels.tetrads cimport apply_tetrad, tetrads_of

cdef enum:
    UPDATES = 16  # that take about as long as giving the CPU away and getting it back

GROUP_SIZE = GROUP
MAX_NEGATIVES = MOST_NEGATIVES
MAX_CANDIDATES = MOST_CANDIDATES
MAX_POSITIVES = MOST_POSITIVES
SLOTS = WAITING_SLOTS


# ---- the blocked schedule ----------------------------------------------------------------------------------------


def train_stages(
    object tables,                       # in/out  users, items, width, item_bias of a `_tables.Tables`
    object negatives,                    # in   a `_negatives.Negatives`
    object step,                         # in   learning_rate, reg_user, reg_positive, reg_negative, reg_bias
    uint64_t key,                        # in   the epoch's key
    Py_ssize_t first_stage,
    Py_ssize_t last_stage,               # stages first_stage .. last_stage - 1 of n_blocks
    const int64_t[:, ::1] bucket_starts,  # in   (n_blocks, n_blocks + 1)
    const int32_t[::1] bucket_users,     # in   (n_interactions,)
    const int32_t[::1] bucket_places,    # in   (n_interactions,)  places of items in their blocks
    const float[::1] bucket_weights,     # in   (n_interactions,), or empty
    const int32_t[::1] bucket_contexts,  # in   (n_interactions,), or empty
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)
    const int32_t[::1] block_items,      # in   (n_items,)
    uint32_t[:, ::1] stamps,             # scratch (num_threads, largest block + one cache line, which is not shared)
    float[:, ::1] rows,                  # scratch (num_threads, two rows)
    int64_t[:, ::1] waiting,             # scratch (num_threads, SLOTS * n_contexts + a cache line), or (.., 0)
    int64_t[:, ::1] counts,              # in/out  (num_threads, one cache line)  see contexts.pxd
    int64_t[:, ::1] progress,            # scratch (n_blocks, one cache line)
    double[:, ::1] losses,               # out  (n_blocks, n_blocks)  sum of losses of each bucket
    int64_t[:, ::1] n_correct,           # out  (n_blocks, n_blocks)  triplets with margin > 0
    int64_t[:, ::1] n_updates,           # out  (n_blocks, n_blocks)
):
    """Train the given stages of one blocked epoch in place.

    In stage s, user block b works with item block (b + s) mod n_blocks, which block b + 1 had in stage s - 1. So a
    bucket waits for two others only: its user block's and its item block's last one. No barrier parts the stages.
    """
    cdef:
        Model model = model_of(tables, step)
        Buckets buckets
        int num_threads = <int>stamps.shape[0]
        int64_t n_finished = 0
    buckets.recipe = recipe_of(negatives, model.n_items)
    buckets.sources = sources_of(negatives)
    buckets.entry_contexts = &bucket_contexts[0] if bucket_contexts.shape[0] else NULL
    if buckets.entry_contexts != NULL:
        buckets.contexts = contexts_of(negatives.contexts, negatives.verify)
        buckets.tetrads = tetrads_of(negatives.contexts)
    buckets.n_blocks = block_starts.shape[0] - 1
    buckets.key = key
    buckets.starts = &bucket_starts[0, 0]
    buckets.users = &bucket_users[0]
    buckets.places = &bucket_places[0]
    buckets.weights = &bucket_weights[0] if bucket_weights.shape[0] else NULL
    buckets.block_starts = &block_starts[0]
    buckets.block_items = &block_items[0]
    buckets.losses = &losses[0, 0]
    buckets.n_correct = &n_correct[0, 0]
    buckets.n_updates = &n_updates[0, 0]
    progress[:] = first_stage
    with nogil, parallel(num_threads=num_threads):
        train_share(&model, &buckets, last_stage, threadid(), stamps, rows, waiting, counts, progress, &n_finished)


cdef void train_share(const Model* model, const Buckets* buckets, Py_ssize_t last_stage, int thread,
                      uint32_t[:, ::1] stamps, float[:, ::1] rows, int64_t[:, ::1] waiting,
                      int64_t[:, ::1] counts, int64_t[:, ::1] progress, int64_t* n_finished) noexcept nogil:
    """One thread's share. progress[b] has block b's next stage that nobody has begun, and its next that is not done.

    A thread has a run of user blocks to itself, so that their rows, and most item blocks, stay in its core's cache.
    Where none of its own can go on for as long as a bucket takes, it takes one of another thread: that may have lost
    its CPU.
    """
    cdef:
        Py_ssize_t n_blocks = buckets.n_blocks
        Py_ssize_t num_threads = stamps.shape[0]
        Py_ssize_t first_own = n_blocks * thread // num_threads
        Py_ssize_t n_own = n_blocks * (thread + 1) // num_threads - first_own
        Py_ssize_t patience = SPINS + buckets.starts[n_blocks * (n_blocks + 1) - 1] // (n_blocks * n_blocks) // UPDATES
        Py_ssize_t k, block, stage, n_waits = 0
        bint has_worked
        Scratch scratch
    scratch.taken = Taken(&stamps[thread, 0], 0, NULL, 0)
    scratch.rows = &rows[thread, 0]
    scratch.waiting = &waiting[thread, 0] if waiting.shape[1] else NULL
    scratch.counts = &counts[thread, 0]
    memset(scratch.taken.stamps, 0, stamps.shape[1] * sizeof(uint32_t))
    if scratch.waiting != NULL:
        memset(scratch.waiting, -1, waiting.shape[1] * sizeof(int64_t))
    while read_counter(n_finished) < n_blocks:
        has_worked = False
        for k in range(n_own if n_waits < patience else n_blocks):
            block = (first_own + k) % n_blocks
            stage = read_counter(&progress[block, 1])
            if (
                stage < last_stage
                and read_counter(&progress[(block + 1) % n_blocks, 1]) >= stage
                and claim(&progress[block, 0], stage)
            ):
                train_one_bucket(model, buckets, block, (block + stage) % n_blocks, &scratch)
                set_counter(&progress[block, 1], stage + 1)
                if stage + 1 == last_stage:
                    take_ticket(n_finished)
                has_worked = True
            if has_worked and k >= n_own - 1:
                break  # perhaps one of its own can go on now
        if not has_worked:
            n_waits += 1
            wait_a_little(n_waits)
        elif k < n_own:
            n_waits = 0  # else it stays ready to take another's: that thread may be away for long


# ---- the hogwild schedule ---------------------------------------------------------------------------------------


def n_chunks_of(int64_t n_interactions):
    """Number of chunks in one hogwild epoch."""
    return (n_interactions + CHUNK - 1) // CHUNK


def train_chunks(
    object tables,                       # in/out  users, items, width, item_bias of a `_tables.Tables`
    object negatives,                    # in   a `_negatives.Negatives`
    object step,                         # in   learning_rate, reg_user, reg_positive, reg_negative, reg_bias
    uint64_t key,                        # in   the epoch's key
    Py_ssize_t first_chunk,
    Py_ssize_t last_chunk,               # chunks first_chunk .. last_chunk - 1
    const int64_t[::1] indptr,           # in   (n_users + 1,)
    const int32_t[::1] indices,          # in   (n_interactions,)
    const int32_t[::1] rows,             # in   (n_interactions,)  the user of each entry
    const float[::1] weights,            # in   (n_interactions,) or (n_occurrences,), or empty
    const int64_t[::1] occurrence_starts,    # in   (n_interactions + 1,), or empty
    const int32_t[::1] occurrence_contexts,  # in   (n_occurrences,), or empty
    double[::1] losses,                  # out  (n_chunks,)
    int64_t[::1] n_correct,              # out  (n_chunks,)
    int64_t[::1] n_updates,              # out  (n_chunks,)
    float[:, ::1] rows_of_threads,       # scratch (num_threads, two rows)
    int64_t[:, ::1] counts,              # in/out  (num_threads, one cache line)  see contexts.pxd
):
    """Train the given chunks of one hogwild epoch in place."""
    cdef:
        Model model = model_of(tables, step)
        Recipe recipe = recipe_of(negatives, model.n_items)
        Sources sources = sources_of(negatives)
        Occurrences occurrences
        int num_threads = <int>rows_of_threads.shape[0]
        const float* weight_of = &weights[0] if weights.shape[0] else NULL
        Py_ssize_t chunk
    occurrences.starts = &occurrence_starts[0] if occurrence_starts.shape[0] else NULL
    if occurrences.starts != NULL:
        occurrences.row_contexts = &occurrence_contexts[0]
        occurrences.contexts = contexts_of(negatives.contexts, negatives.verify)
        occurrences.tetrads = tetrads_of(negatives.contexts)
    with nogil:
        for chunk in prange(first_chunk, last_chunk, schedule="static", num_threads=num_threads):
            train_chunk(&model, &recipe, &sources, &occurrences, chunk, stream(key, CHUNK_STREAM, chunk), indptr,
                        indices, rows, weight_of, &rows_of_threads[threadid(), 0], &counts[threadid(), 0], losses,
                        n_correct, n_updates)


# ---- for tests: the update without the sampler, the sampler without the update -----------------------------------


def apply_triplets(
    object tables,                       # in/out
    object step,
    const int32_t[:, ::1] triplets,      # in   (n_triplets, 3)  user, positive, negative
    const float[::1] weights,            # in   (n_triplets,)
):
    """Apply given triplets in order; return (sum of losses, correctly ordered, updates)."""
    cdef:
        Model model = model_of(tables, step)
        Batch batch
        Sums sums = Sums(0, 0, 0)
        Py_ssize_t k
        int32_t[WINDOW] users
    batch.size = 0
    batch.users = users
    batch.offsets = NULL
    for k in range(triplets.shape[0]):
        users[batch.size] = triplets[k, 0]
        batch.positives[batch.size] = triplets[k, 1]
        batch.negatives[batch.size] = triplets[k, 2]
        batch.order[batch.size] = <int16_t>batch.size
        batch.size += 1
        if batch.size == WINDOW or k == triplets.shape[0] - 1:
            batch.weights = &weights[k + 1 - batch.size]
            train_batch(&model, &batch, &sums)
            batch.size = 0
    return sums.loss, sums.n_correct, sums.n_updates


def make_steps(
    object tables,                       # in/out
    object negatives,                    # in   a `_negatives.Negatives` of all items in one block
    object step,
    uint64_t seed,
    const int32_t[:, ::1] interactions,  # in   (n, 2)  user, positive
    const float[::1] weights,            # in   (n,)
    const int64_t[::1] indptr,           # in   (n_users + 1,)
    const int32_t[::1] indices,          # in   what is no negative of each user, ascending, at least one
):
    """Make the steps of given interactions in order; return (sum of losses, correctly ordered, updates)."""
    cdef:
        Model model = model_of(tables, step)
        Recipe recipe = recipe_of(negatives, model.n_items)
        Sources sources = sources_of(negatives)
        Pool pool = pool_of(&sources, 0, model.n_items, NULL)
        Taken taken = Taken(NULL, 0, NULL, 0)
        Sums sums = Sums(0, 0, 0)
        float[::1] direction = np.empty(model.width, dtype=np.float32)
        uint64_t rng = stream(seed, CHUNK_STREAM, 0)
        Py_ssize_t k
        int32_t user
    for k in range(interactions.shape[0]):
        user = interactions[k, 0]
        taken.positives = &indices[indptr[user]]
        taken.n_positives = indptr[user + 1] - indptr[user]
        take_given(&pool, &sources, user)
        pool.own = taken.positives
        pool.n_own = taken.n_positives
        train_one(&model, &recipe, &pool, &taken, user, interactions[k, 1], weights[k], &rng, &direction[0], &sums)
    return sums.loss, sums.n_correct, sums.n_updates


def apply_steps(
    object tables,                       # in/out
    object negatives,                    # in   a `_negatives.Negatives`; of BPR or softmax
    object step,
    const int32_t[:, ::1] steps,         # in   (n, 2 + n_negatives)  user, positive, negatives
    const float[::1] weights,            # in   (n,)
):
    """Apply steps with given negatives in order; return (sum of losses, correctly ordered, updates)."""
    cdef:
        Model model = model_of(tables, step)
        Recipe recipe = recipe_of(negatives, model.n_items)
        Sums sums = Sums(0, 0, 0)
        float[MOST_NEGATIVES] scores
        float[::1] direction = np.empty(model.width, dtype=np.float32)
        float* row
        Py_ssize_t k
    for k in range(steps.shape[0]):
        row = model.users + steps[k, 0] * model.user_stride
        score_items(&model, row, &steps[k, 2], recipe.n_negatives, scores)
        apply_losses(&model, &recipe, row, steps[k, 1], score_of(&model, row, steps[k, 1]), &steps[k, 2], scores,
                     False, weights[k], &direction[0], &sums)
    return sums.loss, sums.n_correct, sums.n_updates


def apply_signed(
    object tables,                       # in/out
    object negatives,                    # in   a `_negatives.Negatives`
    object step,
    const int32_t[:, ::1] interactions,  # in   (n, 2)  user, item
    const float[::1] weights,            # in   (n,)  with the signs
):
    """Apply steps of the logistic loss in order; return (sum of losses, scores with the right sign, updates)."""
    cdef:
        Model model = model_of(tables, step)
        Recipe recipe = recipe_of(negatives, model.n_items)
        Sums sums = Sums(0, 0, 0)
        float[::1] direction = np.empty(model.width, dtype=np.float32)
        Py_ssize_t k
    for k in range(interactions.shape[0]):
        train_signed(&model, &recipe.optimizer, model.users + interactions[k, 0] * model.user_stride,
                     interactions[k, 1], weights[k], &direction[0], &sums)
    return sums.loss, sums.n_correct, sums.n_updates


def apply_tetrads(
    object tables,                       # in/out
    object negatives,                    # in   a `_negatives.Negatives`
    object step,
    const int32_t[:, ::1] tetrads,       # in   (n, 4)  user and item, other user and other item
    const float[::1] weights,            # in   (n,)
):
    """Apply tetrads in order; return (sum of losses, correctly ordered, updates)."""
    cdef:
        Model model = model_of(tables, step)
        Recipe recipe = recipe_of(negatives, model.n_items)
        Sums sums = Sums(0, 0, 0)
        float[::1] room = np.empty(2 * model.width, dtype=np.float32)
        Py_ssize_t k
    for k in range(tetrads.shape[0]):
        apply_tetrad(&model, &recipe, tetrads[k, 0], tetrads[k, 1], tetrads[k, 2], tetrads[k, 3],
                     weights[k], &room[0], &sums)
    return sums.loss, sums.n_correct, sums.n_updates


def draw_negatives(
    object negatives,                    # in   a `_negatives.Negatives` of all items in one block
    uint64_t seed,
    int32_t n_items,
    const float[::1] user,               # in   (width,)  the user's row
    const int32_t[::1] positives,        # in   ascending, at least one
    int32_t[::1] draws,                  # out
):
    """Fill `draws` with single negatives for one user."""
    cdef:
        Sources sources = sources_of(negatives)
        Pool pool = pool_of(&sources, 0, n_items, NULL)
        Taken taken = Taken(NULL, 0, &positives[0], positives.shape[0])
        uint64_t rng = stream(seed, CHUNK_STREAM, 0)
        float highest = highest_attention(&pool, &user[0]) if pool.orders != NULL else <float>0
        Py_ssize_t k
    for k in range(draws.shape[0]):
        draws[k] = draw_negative(&pool, &taken, &user[0], highest, &rng)
