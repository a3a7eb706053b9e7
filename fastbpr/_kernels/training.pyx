"""BPR by SGD: draws triplets and applies their updates. The whole training hot path.

Both schedules fill a `Batch` with triplets (verified negatives: never one of the user's positives), prefetch rows that
are not in cache, and pass it to `train_batch`, which applies the updates one after another. They differ in where
triplets come from:

blocked   The buckets of one stage share no user row and no item row, so threads take them in any order without a race
          and with the same result. Negatives come from the bucket's own item block.
hogwild   Chunks of interactions drawn at random, negatives from the whole catalogue. Threads share all rows and take
          no locks; an update lost to a race costs a little accuracy, never memory safety.

Memory layout (made by fastbpr/_tables.py). Row u of `user_table` is p_u in the first floats, then zeros to a multiple
of LANES. Row i of `item_table` is the same for q_i; with item_bias, LANES more floats follow, b_i the first of them, so
that a bias shares its cache line with nothing that another thread writes. Rows start on 64-byte boundaries.

What every function here trusts: indices are in range; CSR rows and blocks are sorted and without duplicates;
every weight is finite; no other thread holds the tables.
"""
from cython.parallel cimport parallel, prange
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t

from fastbpr._kernels.pointwise cimport (
    LANES, Row, Step, loss_of, preference, pull_of, update_biases, update_rows,
)
from fastbpr._kernels.random cimport (
    BUCKET_STREAM, CHUNK_STREAM, bias_threshold, draw_below, draw_below_large, is_biased, position_at, scale_word,
    stream, word_at,
)
from fastbpr._kernels.search cimport contains, contains_padded
from fastbpr._kernels.tasks cimport set_counter, take_ticket, wait_for

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define FASTBPR_PREFETCH(address) __builtin_prefetch((address), 1, 3)
    #else
    #define FASTBPR_PREFETCH(address) ((void)(address))
    #endif
    """
    void prefetch "FASTBPR_PREFETCH"(const void* address) noexcept nogil

cdef enum:
    WINDOW = 128      # triplets drawn before their updates; a user's interactions are shuffled inside a window
    MAX_REDRAWS = 16  # of a negative, before the positives are counted out instead
    CHUNK = 4096      # triplets per hogwild stream
    SATISFIED = 100   # margin written where a batch has no triplet
    WARM_VISITS = 4   # visits per item of a block from which on its rows stay in cache by themselves

cdef struct Model:
    float* users
    float* items
    Py_ssize_t user_stride
    Py_ssize_t item_stride
    Py_ssize_t width
    bint item_bias
    Step step

cdef struct Batch:
    # Triplets that are drawn but not yet applied.
    Py_ssize_t size
    int32_t[WINDOW] users
    int32_t[WINDOW] positives
    int32_t[WINDOW] negatives
    float[WINDOW] weights
    float[WINDOW] margins

cdef struct Sums:
    # What a bucket or chunk adds to the epoch's history.
    double loss
    int64_t n_correct
    int64_t n_updates


cdef Model model_of(float[:, ::1] user_table, float[:, ::1] item_table, bint item_bias, step) except *:
    """The tables as plain pointers, with the hyper-parameters of one epoch."""
    cdef Model model
    model.users = &user_table[0, 0]
    model.items = &item_table[0, 0]
    model.user_stride = user_table.shape[1]
    model.item_stride = item_table.shape[1]
    model.width = user_table.shape[1]
    model.item_bias = item_bias
    model.step.learning_rate = step.learning_rate
    model.step.reg_user = step.reg_user
    model.step.reg_positive = step.reg_positive
    model.step.reg_negative = step.reg_negative
    model.step.reg_bias = step.reg_bias
    return model


# ---- updates ----------------------------------------------------------------------------------------------------


cdef inline float apply_triplet(const Model* model, Py_ssize_t width, int32_t user, int32_t positive,
                                int32_t negative, float weight) noexcept nogil:
    """One SGD step on one triplet; returns the margin before it."""
    cdef:
        Row p = <Row>(model.users + user * model.user_stride)
        Row q_i = <Row>(model.items + positive * model.item_stride)
        Row q_j = <Row>(model.items + negative * model.item_stride)
        float margin = preference(p, q_i, q_j, width)
        float gradient
    if model.item_bias:
        margin += q_i[width] - q_j[width]
    gradient = weight * pull_of(margin)
    update_rows(p, q_i, q_j, width, gradient, &model.step)
    if model.item_bias:
        update_biases(<Row>(q_i + width), <Row>(q_j + width), gradient, &model.step)
    return margin


cdef inline void apply_batch(const Model* model, Py_ssize_t width, Batch* batch) noexcept nogil:
    """Apply the triplets of a batch in order and keep their margins; those without a negative are passed over."""
    cdef Py_ssize_t k
    for k in range(batch.size):
        if batch.negatives[k] < 0:
            batch.margins[k] = SATISFIED
            continue
        batch.margins[k] = apply_triplet(model, width, batch.users[k], batch.positives[k], batch.negatives[k],
                                         batch.weights[k])


cdef void train_batch(const Model* model, Batch* batch, Sums* sums) noexcept nogil:
    """Apply a batch and add to `sums`. The usual widths get their own unrolled copy of the loop."""
    cdef Py_ssize_t k
    if model.width == 64:
        apply_batch(model, 64, batch)
    elif model.width == 32:
        apply_batch(model, 32, batch)
    elif model.width == 128:
        apply_batch(model, 128, batch)
    elif model.width == 16:
        apply_batch(model, 16, batch)
    else:
        apply_batch(model, model.width, batch)
    for k in range(batch.size, WINDOW):
        batch.negatives[k] = -1
        batch.margins[k] = SATISFIED
    add_losses(batch, sums)


cdef void add_losses(const Batch* batch, Sums* sums) noexcept nogil:
    """Add a batch's losses, and count its updates and correctly ordered pairs; places without a triplet are neither."""
    cdef float[LANES] lanes
    cdef int32_t[LANES] correct
    cdef int32_t[LANES] updates
    cdef Py_ssize_t group, k
    cdef float margin
    for k in range(LANES):
        lanes[k] = 0
        correct[k] = updates[k] = 0
    for group in range(WINDOW // LANES):
        for k in range(LANES):
            margin = batch.margins[group * LANES + k]
            lanes[k] += loss_of(margin) if batch.negatives[group * LANES + k] >= 0 else 0
            correct[k] += (margin > 0) & (batch.negatives[group * LANES + k] >= 0)
            updates[k] += batch.negatives[group * LANES + k] >= 0
    for k in range(LANES):
        sums.loss += lanes[k]
        sums.n_correct += correct[k]
        sums.n_updates += updates[k]


# ---- negatives --------------------------------------------------------------------------------------------------


cdef int32_t count_out(const int32_t* candidates, Py_ssize_t n_candidates, const int32_t* positives,
                       Py_ssize_t n_positives, uint64_t* rng) noexcept nogil:
    """A uniform candidate that is not a positive, by walking both sorted lists; positives are candidates too."""
    cdef Py_ssize_t rank = draw_below(rng, <int32_t>(n_candidates - n_positives))
    cdef Py_ssize_t k, seen = 0
    for k in range(n_candidates):
        if seen < n_positives and candidates[k] == positives[seen]:
            seen += 1
        elif rank == 0:
            return candidates[k]
        else:
            rank -= 1
    return -1


cdef int32_t draw_negative(const int32_t* candidates, Py_ssize_t n_candidates, const int32_t* positives,
                           Py_ssize_t n_positives, uint64_t* rng) noexcept nogil:
    """A uniform candidate that is not a positive, or -1 if there is none. Positives are among the candidates."""
    cdef Py_ssize_t _attempt
    cdef int32_t negative
    if n_positives == n_candidates:
        return -1
    for _attempt in range(MAX_REDRAWS):
        negative = candidates[draw_below(rng, <uint32_t>n_candidates)]
        if not contains(positives, n_positives, negative):
            return negative
    return count_out(candidates, n_candidates, positives, n_positives, rng)


cdef inline void put_triplet(Batch* batch, Py_ssize_t place, int32_t user, int32_t positive, int32_t negative,
                             float weight) noexcept nogil:
    """Write a triplet into a batch."""
    batch.users[place] = user
    batch.positives[place] = positive
    batch.negatives[place] = negative
    batch.weights[place] = weight


cdef inline void prefetch_row(const float* table, int32_t row, Py_ssize_t stride) noexcept nogil:
    """Start fetching all cache lines of a row."""
    cdef Py_ssize_t line
    for line in range(stride // LANES):
        prefetch(table + row * stride + line * LANES)


# ---- the blocked schedule ---------------------------------------------------------------------------------------


cdef inline void draw_words(uint64_t* rng, uint64_t* words) noexcept nogil:
    """WINDOW words of the stream at once: the same words as one by one, in vector registers."""
    cdef Py_ssize_t k
    for k in range(WINDOW):
        words[k] = word_at(rng[0], k + 1)
    rng[0] = position_at(rng[0], WINDOW)


cdef inline void shuffle(const uint64_t* words, int16_t* order) noexcept nogil:
    """A random permutation of 0 .. WINDOW - 1 from the lower halves of the words."""
    cdef Py_ssize_t k, other
    for k in range(WINDOW):
        other = <Py_ssize_t>(((words[k] & <uint64_t>0xFFFFFFFF) * <uint64_t>(k + 1)) >> 32)
        order[k] = order[other]
        order[other] = <int16_t>k


cdef void train_bucket(const Model* model, const int32_t* users, const int32_t* items, const float* weights,
                       Py_ssize_t size, const int32_t* candidates, Py_ssize_t n_candidates, bint verify,
                       uint64_t rng, Sums* sums) noexcept nogil:
    """One pass over a bucket in windows: draw a negative for each interaction, shuffle the triplets, update.

    A user's positives in this block are the run of entries with the same user. Without `verify`, a negative is only
    not the positive itself: every run is cut to one entry.
    """
    cdef:
        Batch batch
        uint64_t[WINDOW] words
        int16_t[WINDOW] order
        Py_ssize_t window, k, entry
        Py_ssize_t run_start = 0, run_end = 0
        uint32_t bound = <uint32_t>n_candidates
        uint32_t threshold = bias_threshold(bound)
        bint items_are_cold = size < WARM_VISITS * n_candidates
        int32_t negative
    for window in range((size + WINDOW - 1) // WINDOW):
        draw_words(&rng, words)
        shuffle(words, order)
        batch.size = WINDOW
        for k in range(WINDOW):
            entry = window * WINDOW + k
            if entry >= size:
                batch.negatives[order[k]] = -1
                continue
            if entry == run_end:
                run_start = run_end
                run_end += 1
                while verify and run_end < size and users[run_end] == users[run_start]:
                    run_end += 1
                prefetch_row(model.users, users[run_start], model.user_stride)
            negative = candidates[scale_word(words[k], bound)]
            if contains_padded(items + run_start, run_end - run_start, negative) or is_biased(
                words[k], bound, threshold
            ):
                negative = draw_negative(candidates, n_candidates, items + run_start, run_end - run_start, &rng)
            put_triplet(&batch, order[k], users[entry], items[entry], negative,
                        weights[entry] if weights != NULL else 1)
            if items_are_cold:
                prefetch_row(model.items, items[entry], model.item_stride)
                if negative >= 0:
                    prefetch_row(model.items, negative, model.item_stride)
        train_batch(model, &batch, sums)


def train_stages(
    float[:, ::1] user_table,            # in/out
    float[:, ::1] item_table,            # in/out
    bint item_bias,
    bint verify,                         # in   whether a user's positives are no negatives
    object step,                         # in   learning_rate, reg_user, reg_positive, reg_negative, reg_bias
    uint64_t key,                        # in   the epoch's key
    Py_ssize_t first_stage,
    Py_ssize_t last_stage,               # stages first_stage .. last_stage - 1 of n_blocks
    const int64_t[:, ::1] bucket_starts,  # in   (n_blocks, n_blocks + 1)
    const int32_t[::1] bucket_users,     # in   (n_interactions,)
    const int32_t[::1] bucket_items,     # in   (n_interactions + PADDING,)
    const float[::1] bucket_weights,     # in   (n_interactions,), or empty
    const int64_t[::1] block_starts,     # in   (n_blocks + 1,)
    const int32_t[::1] block_items,      # in   (n_items,)
    int64_t[::1] progress,               # scratch (n_blocks,)
    double[:, ::1] losses,               # out  (n_blocks, n_blocks)  sum of losses of each bucket
    int64_t[:, ::1] n_correct,           # out  (n_blocks, n_blocks)  triplets with margin > 0
    int64_t[:, ::1] n_updates,           # out  (n_blocks, n_blocks)
    int num_threads,
):
    """Train the given stages of one blocked epoch in place.

    In stage s, user block b works with item block (b + s) mod n_blocks, which block b + 1 had in stage s - 1. So a
    bucket waits for two others only: its user block's and its item block's last one. No barrier parts the stages.
    """
    cdef:
        Model model = model_of(user_table, item_table, item_bias, step)
        const float* weights = &bucket_weights[0] if bucket_weights.shape[0] else NULL
        int64_t tickets = 0
    progress[:] = first_stage
    with nogil, parallel(num_threads=num_threads):
        train_tickets(
            &tickets, first_stage, last_stage, &model, verify, key, bucket_starts, bucket_users, bucket_items, weights,
            block_starts, block_items, progress, losses, n_correct, n_updates,
        )


cdef void train_tickets(
    int64_t* tickets, Py_ssize_t first_stage, Py_ssize_t last_stage, const Model* model, bint verify, uint64_t key,
    const int64_t[:, ::1] bucket_starts, const int32_t[::1] bucket_users, const int32_t[::1] bucket_items,
    const float* weights, const int64_t[::1] block_starts, const int32_t[::1] block_items, int64_t[::1] progress,
    double[:, ::1] losses, int64_t[:, ::1] n_correct, int64_t[:, ::1] n_updates,
) noexcept nogil:
    """One thread's share: buckets in order of stages, until none is left. progress[b] is block b's next stage."""
    cdef:
        Py_ssize_t n_blocks = block_starts.shape[0] - 1
        Py_ssize_t stage, block
        int64_t ticket = take_ticket(tickets)
    while ticket < (last_stage - first_stage) * n_blocks:
        stage = first_stage + ticket // n_blocks
        block = ticket % n_blocks
        wait_for(&progress[block], stage)
        wait_for(&progress[(block + 1) % n_blocks], stage)
        train_one_bucket(
            model, verify, block, (block + stage) % n_blocks, key, bucket_starts, bucket_users, bucket_items,
            weights, block_starts, block_items, losses, n_correct, n_updates,
        )
        set_counter(&progress[block], stage + 1)
        ticket = take_ticket(tickets)
    for block in range(n_blocks):  # rather here, giving way, than spinning at the end of the parallel region
        wait_for(&progress[block], last_stage)


cdef void train_one_bucket(
    const Model* model, bint verify, Py_ssize_t user_block, Py_ssize_t item_block, uint64_t key,
    const int64_t[:, ::1] bucket_starts, const int32_t[::1] bucket_users, const int32_t[::1] bucket_items,
    const float* weights, const int64_t[::1] block_starts, const int32_t[::1] block_items,
    double[:, ::1] losses, int64_t[:, ::1] n_correct, int64_t[:, ::1] n_updates,
) noexcept nogil:
    """Find the bucket's arrays, train it and write down its sums."""
    cdef:
        int64_t start = bucket_starts[user_block, item_block]
        int64_t size = bucket_starts[user_block, item_block + 1] - start
        uint64_t rng = stream(key, BUCKET_STREAM, user_block * (block_starts.shape[0] - 1) + item_block)
        Sums sums = Sums(0, 0, 0)
    if size > 0:
        train_bucket(
            model, &bucket_users[start], &bucket_items[start], weights + start if weights != NULL else NULL, size,
            &block_items[block_starts[item_block]], block_starts[item_block + 1] - block_starts[item_block],
            verify, rng, &sums,
        )
    losses[user_block, item_block] = sums.loss
    n_correct[user_block, item_block] = sums.n_correct
    n_updates[user_block, item_block] = sums.n_updates


# ---- the hogwild schedule ---------------------------------------------------------------------------------------


def n_chunks_of(int64_t n_interactions):
    """Number of chunks in one hogwild epoch."""
    return (n_interactions + CHUNK - 1) // CHUNK


def train_chunks(
    float[:, ::1] user_table,            # in/out
    float[:, ::1] item_table,            # in/out
    bint item_bias,
    bint verify,                         # in   whether a user's positives are no negatives
    object step,                         # in   learning_rate, reg_user, reg_positive, reg_negative, reg_bias
    uint64_t key,                        # in   the epoch's key
    Py_ssize_t first_chunk,
    Py_ssize_t last_chunk,               # chunks first_chunk .. last_chunk - 1
    const int64_t[::1] indptr,           # in   (n_users + 1,)
    const int32_t[::1] indices,          # in   (n_interactions,)
    const int32_t[::1] rows,             # in   (n_interactions,)  the user of each entry
    const float[::1] weights,            # in   (n_interactions,), or empty
    const int32_t[::1] catalogue,        # in   (n_items,)  0 .. n_items - 1
    double[::1] losses,                  # out  (n_chunks,)
    int64_t[::1] n_correct,              # out  (n_chunks,)
    int64_t[::1] n_updates,              # out  (n_chunks,)
    int num_threads,
):
    """Train the given chunks of one hogwild epoch in place."""
    cdef:
        Model model = model_of(user_table, item_table, item_bias, step)
        const float* weight_of = &weights[0] if weights.shape[0] else NULL
        Py_ssize_t chunk
    with nogil:
        for chunk in prange(first_chunk, last_chunk, schedule="static", num_threads=num_threads):
            train_chunk(&model, verify, chunk, stream(key, CHUNK_STREAM, chunk), indptr, indices, rows, weight_of,
                        catalogue, losses, n_correct, n_updates)


cdef void train_chunk(
    const Model* model, bint verify, Py_ssize_t chunk, uint64_t rng, const int64_t[::1] indptr,
    const int32_t[::1] indices, const int32_t[::1] rows, const float* weights, const int32_t[::1] catalogue,
    double[::1] losses, int64_t[::1] n_correct, int64_t[::1] n_updates,
) noexcept nogil:
    """One chunk: interactions drawn with replacement, in batches.

    Every array is entered at random, so each loop over a batch only starts the fetches that the next one needs.
    """
    cdef:
        Batch batch
        Sums sums = Sums(0, 0, 0)
        int64_t remaining = min(<int64_t>CHUNK, indices.shape[0] - <int64_t>chunk * CHUNK)
        int64_t[WINDOW] entries
        Py_ssize_t k
        int64_t first, last
        int32_t user, negative
    while remaining > 0:
        batch.size = min(remaining, <int64_t>WINDOW)
        for k in range(batch.size):
            entries[k] = draw_below_large(&rng, indices.shape[0])
            prefetch(&rows[entries[k]])
            prefetch(&indices[entries[k]])
        for k in range(batch.size):
            user = rows[entries[k]]
            prefetch(&indptr[user])
            prefetch_row(model.users, user, model.user_stride)
            prefetch_row(model.items, indices[entries[k]], model.item_stride)
        for k in range(batch.size):
            user = rows[entries[k]]
            prefetch(&indices[(indptr[user] + indptr[user + 1]) >> 1])  # where the search for a negative begins
        for k in range(batch.size):
            user = rows[entries[k]]
            first = indptr[user] if verify else entries[k]
            last = indptr[user + 1] if verify else entries[k] + 1
            negative = draw_negative(&catalogue[0], catalogue.shape[0], &indices[first], last - first, &rng)
            put_triplet(&batch, k, user, indices[entries[k]], negative,
                        weights[entries[k]] if weights != NULL else 1)
            if negative >= 0:
                prefetch_row(model.items, negative, model.item_stride)
        train_batch(model, &batch, &sums)
        remaining -= WINDOW
    losses[chunk] = sums.loss
    n_correct[chunk] = sums.n_correct
    n_updates[chunk] = sums.n_updates


# ---- for tests: the update without the sampler, the sampler without the update -----------------------------------


def apply_triplets(
    float[:, ::1] user_table,            # in/out
    float[:, ::1] item_table,            # in/out
    bint item_bias,
    object step,
    const int32_t[:, ::1] triplets,      # in   (n_triplets, 3)  user, positive, negative
    const float[::1] weights,            # in   (n_triplets,)
):
    """Apply given triplets in order; return (sum of losses, correctly ordered, updates)."""
    cdef:
        Model model = model_of(user_table, item_table, item_bias, step)
        Batch batch
        Sums sums = Sums(0, 0, 0)
        Py_ssize_t k
    batch.size = 0
    for k in range(triplets.shape[0]):
        put_triplet(&batch, batch.size, triplets[k, 0], triplets[k, 1], triplets[k, 2], weights[k])
        batch.size += 1
        if batch.size == WINDOW or k == triplets.shape[0] - 1:
            train_batch(&model, &batch, &sums)
            batch.size = 0
    return sums.loss, sums.n_correct, sums.n_updates


def draw_negatives(
    uint64_t seed,
    const int32_t[::1] candidates,       # in   ascending
    const int32_t[::1] positives,        # in   ascending, at least one, all among the candidates
    int32_t[::1] negatives,              # out
):
    """Fill `negatives` with draws of the sampler that both schedules use."""
    cdef uint64_t rng = stream(seed, CHUNK_STREAM, 0)
    cdef Py_ssize_t k
    for k in range(negatives.shape[0]):
        negatives[k] = draw_negative(&candidates[0], candidates.shape[0], &positives[0], positives.shape[0], &rng)
