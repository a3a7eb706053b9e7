"""One bucket of the blocked schedule: each of its interactions gets a negative from the bucket's own item block."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t

from fastbpr._kernels.batches cimport WINDOW, Batch, Model, Sums, train_batch
from fastbpr._kernels.contexts cimport (
    IN_CONTEXT, NEGATIVES, TETRADS, Contexts, draw_in_context, enter_context, offset_of,
)
from fastbpr._kernels.losses cimport K_OS_WARP_LOSS
from fastbpr._kernels.negatives cimport Pool, Taken, draw_negative
from fastbpr._kernels.prefetch cimport prefetch_row_to_write
from fastbpr._kernels.random cimport (
    BUCKET_STREAM, draw_word, position_at, scale_bits, share_of, stream, word_at,
)
from fastbpr._kernels.recipes cimport Recipe
from fastbpr._kernels.sources cimport Sources, pool_of
from fastbpr._kernels.steps cimport train_one
from fastbpr._kernels.tetrads cimport Tetrads, try_tetrad

cdef enum:
    WARM_VISITS = 4   # visits per item of a block from which on its rows stay in cache by themselves
    SPREAD = 79       # odd; entries k and k + 1 of a window are updated 47 triplets apart
    STEPS_AHEAD = 4   # of the step whose rows are being fetched
    SLOTS = 8         # entries of a context that wait to make a tetrad; a power of two

cdef struct Buckets:
    # One epoch's buckets, and where their sums go.
    Recipe recipe
    Sources sources
    Py_ssize_t n_blocks
    uint64_t key
    const int64_t* starts        # (n_blocks, n_blocks + 1)
    const int32_t* users
    const int32_t* places
    const float* weights         # or NULL
    const int32_t* entry_contexts  # or NULL
    Contexts contexts
    Tetrads tetrads
    const int64_t* block_starts
    const int32_t* block_items
    double* losses               # (n_blocks, n_blocks), as the next two
    int64_t* n_correct
    int64_t* n_updates

cdef struct Scratch:
    # A thread's own.
    Taken taken
    float* rows          # room for two rows
    int64_t first_entry  # of the bucket at hand
    int64_t* waiting     # (n_contexts, SLOTS)  entries that a tetrad may be made with; NULL without tetrads
    int64_t* counts      # IN_CONTEXT, NEGATIVES, TETRADS


cdef inline void draw_candidates(uint64_t* rng, uint32_t n_places, int32_t* first, int32_t* second) noexcept nogil:
    """Two uniform places for each entry of a window."""
    cdef Py_ssize_t k
    cdef uint64_t word
    for k in range(WINDOW):
        word = word_at(rng[0], k + 1)
        first[k] = <int32_t>scale_bits(word >> 32, n_places)
        second[k] = <int32_t>scale_bits(word & <uint64_t>0xFFFFFFFF, n_places)
    rng[0] = position_at(rng[0], WINDOW)


cdef inline void draw_weighted_candidates(uint64_t* rng, const Pool* pool, int32_t* first,
                                          int32_t* second) noexcept nogil:
    """Two places for each entry of a window, by their weights: Walker's alias method, without a branch."""
    cdef:
        uint64_t start = rng[0], word
        uint32_t n_places = <uint32_t>pool.n_places
        Py_ssize_t k
        int32_t place
        bint kept
    for k in range(2 * WINDOW):
        word = word_at(start, k + 1)
        place = <int32_t>scale_bits(word >> 32, n_places)
        kept = (word & <uint64_t>0xFFFFFFFF) < pool.shares[place]
        place = pool.aliases[place] ^ ((pool.aliases[place] ^ place) & -kept)
        if k < WINDOW:
            first[k] = place
        else:
            second[k - WINDOW] = place
    rng[0] = position_at(start, 2 * WINDOW)


cdef struct Changes:
    # What contexts make of the entries of a window.
    float[WINDOW] weights
    float[WINDOW] offsets


cdef inline void train_bucket(const Model* model, const Buckets* buckets, Py_ssize_t item_block, Pool* pool,
                              int64_t first_entry, Py_ssize_t size, uint64_t rng, Scratch* scratch,
                              Sums* sums) noexcept nogil:
    """One pass over a bucket in windows: a negative for each interaction, and the updates.

    A user's positives in this block are the run of entries with the same user. Without `verify`, a negative is only
    not the positive itself: every entry is a run.
    """
    cdef:
        Batch batch
        Changes changes
        Taken* taken = &scratch.taken
        const int32_t* users = buckets.users + first_entry
        const int32_t* places = buckets.places + first_entry
        const float* weights = buckets.weights + first_entry if buckets.weights != NULL else NULL
        const int32_t* items = pool.items
        Py_ssize_t n_places = pool.n_places
        int32_t[WINDOW] first
        int32_t[WINDOW] second
        Py_ssize_t n_windows = (size + WINDOW - 1) // WINDOW
        Py_ssize_t window_size = (size + n_windows - 1) // n_windows if size else 0
        Py_ssize_t window, start, entry, end, stop, k, run_end = 0, n_ordered = 0
        bint items_are_cold = size < WARM_VISITS * n_places
        bint verify = buckets.sources.verify
        bint has_contexts = buckets.entry_contexts != NULL
        bint complete
    batch.offsets = changes.offsets if has_contexts and buckets.contexts.visible_starts != NULL else NULL
    for window in range(n_windows):
        start = window * window_size
        end = min(start + window_size, size)
        if pool.shares != NULL:
            draw_weighted_candidates(&rng, pool, first, second)
        else:
            draw_candidates(&rng, <uint32_t>n_places, first, second)
        entry = start
        complete = True
        while entry < end:
            if entry == run_end:
                run_end = mark_run(users, places, entry, size, verify, taken)
                prefetch_row_to_write(model.users + users[entry] * model.width, model.width)
            stop = min(run_end, end)
            complete &= choose(taken, first + (entry - start), second + (entry - start), stop - entry, pool,
                               &rng, batch.negatives + (entry - start))
            entry = stop
        for k in range(end - start):
            batch.positives[k] = items[places[start + k]]
        batch.users = users + start
        batch.weights = weights + start if weights != NULL else NULL
        if has_contexts:
            complete &= enter_contexts(model, buckets, item_block, pool, first_entry + start, end - start,
                                       batch.positives, batch.negatives, &rng, scratch, &changes, sums)
            batch.weights = changes.weights
        if not complete or end - start != n_ordered:
            spread_out(&batch, end - start)
            n_ordered = end - start if complete else 0
        if items_are_cold:
            prefetch_items(model, &batch)
        train_batch(model, &batch, sums)


cdef inline bint enter_contexts(const Model* model, const Buckets* buckets, Py_ssize_t item_block, Pool* pool,
                                int64_t first_entry, Py_ssize_t n, const int32_t* positives, int32_t* negatives,
                                uint64_t* rng, Scratch* scratch, Changes* changes, Sums* sums) noexcept nogil:
    """Let a window's entries compete in their contexts; those that make a tetrad, now, get -1 for a negative.

    Return whether none did. Which entries have a negative of their context is settled for all of them without a
    branch, which would be mispredicted.
    """
    cdef:
        const Contexts* contexts = &buckets.contexts
        const int32_t* own = buckets.entry_contexts + first_entry
        const int32_t* users = buckets.users + first_entry
        const float* weights = buckets.weights + first_entry if buckets.weights != NULL else NULL
        float[WINDOW] rates
        int32_t[WINDOW] is_chosen
        int16_t[WINDOW] chosen
        uint64_t word
        Py_ssize_t k, t, n_chosen = 0, n_in_context = 0
        int32_t item
        bint complete = True
    for k in range(n):
        changes.weights[k] = contexts.weights[own[k]]
        rates[k] = contexts.rates[own[k]]
        n_in_context += own[k] >= 0
    for k in range(n, WINDOW):
        rates[k] = 0
    for k in range(WINDOW // 2):  # two coins of 24 bits from a word
        word = word_at(rng[0], k + 1)
        is_chosen[2 * k] = share_of(word) < rates[2 * k]
        is_chosen[2 * k + 1] = share_of(word << 24) < rates[2 * k + 1]
    rng[0] = position_at(rng[0], WINDOW // 2)
    for k in range(n):
        chosen[n_chosen] = <int16_t>k
        n_chosen += is_chosen[k]
    for t in range(n_chosen):
        k = chosen[t]
        enter_context(pool, contexts, own[k], item_block, users[k])
        item = draw_in_context(pool, positives[k], rng) if negatives[k] >= 0 else -1
        if item >= 0:
            negatives[k] = item
            changes.weights[k] = 1
            scratch.counts[NEGATIVES] += 1
    scratch.counts[IN_CONTEXT] += n_in_context
    if weights != NULL:
        for k in range(n):
            changes.weights[k] *= weights[k]
    if buckets.tetrads.rates != NULL:
        for k in range(n):
            if pair_up(model, buckets, own[k], pool, first_entry + k, rng, scratch, sums):
                negatives[k] = -1
                complete = False
    if contexts.visible_starts != NULL:
        for k in range(n):
            changes.offsets[k] = 0
            if own[k] < 0:
                continue
            enter_context(pool, contexts, own[k], item_block, users[k])
            changes.offsets[k] = offset_of(pool, positives[k]) - offset_of(pool, negatives[k])
    return complete


cdef inline bint pair_up(const Model* model, const Buckets* buckets, int32_t context, const Pool* pool, int64_t entry,
                         uint64_t* rng, Scratch* scratch, Sums* sums) noexcept nogil:
    """Make a tetrad, at the context's rate, with an earlier entry of the bucket that is of the same context.

    Some earlier entries wait, each to be replaced at random. Return whether there was a step.
    """
    cdef:
        int64_t partner
        int64_t* waiting
        uint64_t word
        float weight
        Py_ssize_t k
        bint is_made = False
    if context < 0 or buckets.tetrads.rates == NULL or buckets.tetrads.rates[context] == 0:
        return False
    waiting = scratch.waiting + context * SLOTS
    word = draw_word(rng)
    if share_of(word) < buckets.tetrads.rates[context]:
        for k in range(SLOTS):
            partner = waiting[(k + word) & (SLOTS - 1)]
            if partner < scratch.first_entry or partner >= entry:
                continue  # it is of a bucket before
            weight = buckets.weights[entry] * buckets.weights[partner] if buckets.weights != NULL else <float>1
            if try_tetrad(
                model, &buckets.recipe, &buckets.tetrads, buckets.users[entry], pool.items[buckets.places[entry]],
                buckets.users[partner], pool.items[buckets.places[partner]], weight, scratch.rows, sums,
            ):
                scratch.counts[TETRADS] += 1
                is_made = True
                break
    waiting[(word >> 2) & (SLOTS - 1)] = entry
    return is_made


cdef inline Py_ssize_t mark_run(const int32_t* users, const int32_t* places, Py_ssize_t start, Py_ssize_t size,
                                bint verify, Taken* taken) noexcept nogil:
    """Mark the places of the run that begins at `start`, and return where it ends."""
    cdef Py_ssize_t entry = start + 1
    cdef uint32_t stamp = taken.newest + 1
    taken.newest = stamp
    taken.stamps[places[start]] = stamp
    if verify:
        while entry < size and users[entry] == users[start]:
            taken.stamps[places[entry]] = stamp
            entry += 1
    return entry


cdef inline bint choose(const Taken* taken, const int32_t* first, const int32_t* second, Py_ssize_t size,
                        const Pool* pool, uint64_t* rng, int32_t* negatives) noexcept nogil:
    """The item of the first of two candidates that is not marked, or a redraw, for entries of one run.

    It is -1 where every place is marked; return whether there is none such. Choosing is arithmetic: a branch would be
    mispredicted wherever users have much of the catalogue.
    """
    cdef Taken own = taken[0]
    cdef const int32_t* items = pool.items
    cdef Py_ssize_t k, n_refused = 0
    cdef int32_t place, first_marked
    for k in range(size):
        first_marked = own.stamps[first[k]] == own.newest
        place = first[k] ^ ((first[k] ^ second[k]) & -first_marked)
        n_refused += own.stamps[place] == own.newest
        negatives[k] = items[place]
    if n_refused == 0:
        return True
    for k in range(size):
        if own.stamps[first[k]] == own.newest and own.stamps[second[k]] == own.newest:
            place = draw_negative(pool, taken, NULL, 0, rng)
            negatives[k] = items[place] if place >= 0 else -1
            n_refused = -1 if place < 0 else n_refused
    return n_refused >= 0


cdef inline void spread_out(Batch* batch, Py_ssize_t n) noexcept nogil:
    """Put the first n entries that have a negative in an order in which those of one user are far apart.

    Neighbours of a run would wait for each other's update of the user's row. SPREAD * t modulo WINDOW is a permutation.
    """
    cdef Py_ssize_t t, k, size = 0
    for k in range(n, WINDOW):
        batch.negatives[k] = -1
    for t in range(WINDOW):
        k = (SPREAD * t) & (WINDOW - 1)
        batch.order[size & (WINDOW - 1)] = <int16_t>k  # overwritten by the next if this one does not count
        size += batch.negatives[k] >= 0
    batch.size = size


cdef inline void prefetch_items(const Model* model, const Batch* batch) noexcept nogil:
    """Start fetching the item rows of a batch."""
    cdef Py_ssize_t t, k
    for t in range(batch.size):
        k = batch.order[t]
        prefetch_row_to_write(model.items + batch.positives[k] * model.item_stride, model.item_stride)
        prefetch_row_to_write(model.items + batch.negatives[k] * model.item_stride, model.item_stride)


cdef inline void train_bucket_stepwise(const Model* model, const Buckets* buckets, Py_ssize_t user_block,
                                       Py_ssize_t item_block, Pool* pool, uint64_t rng, Scratch* scratch,
                                       Sums* sums) noexcept nogil:
    """One pass over a bucket, one step for each interaction.

    The bucket of given negatives has its users in the same order, so both are gone through together.
    """
    cdef:
        const Sources* sources = &buckets.sources
        Py_ssize_t bucket = user_block * (buckets.n_blocks + 1) + item_block
        int64_t entry, run_end = buckets.starts[bucket], end = buckets.starts[bucket + 1]
        int64_t given = 0, given_end = 0, own_end = 0
        int32_t user
        int32_t context = -1
    if sources.given_starts != NULL:
        given = sources.given_starts[bucket]
        given_end = sources.given_starts[bucket + 1]
    for entry in range(buckets.starts[bucket], end):
        user = buckets.users[entry]
        if entry + STEPS_AHEAD < end:
            prefetch_row_to_write(
                model.users + buckets.users[entry + STEPS_AHEAD] * model.user_stride, model.user_stride
            )
            prefetch_row_to_write(
                model.items + pool.items[buckets.places[entry + STEPS_AHEAD]] * model.item_stride, model.item_stride
            )
        if entry == run_end:
            run_end = entry + mark_run(buckets.users + entry, buckets.places + entry, 0, end - entry, sources.verify,
                                       &scratch.taken)
            while given < given_end and sources.user_ranks[sources.given_users[given]] < sources.user_ranks[user]:
                given += 1
            pool.given = sources.given_places + given
            pool.n_given = 0
            while given + pool.n_given < given_end and sources.given_users[given + pool.n_given] == user:
                pool.n_given += 1
            if pool.n_given:
                pool.given_rate = sources.given_rates[user]
        if buckets.recipe.loss == K_OS_WARP_LOSS and (pool.own == NULL or entry == own_end):
            own_end = entry + 1
            while own_end < end and buckets.users[own_end] == user:
                own_end += 1
            pool.own = buckets.places + entry
            pool.n_own = own_end - entry
            pool.own_weights = buckets.weights + entry if buckets.weights != NULL else NULL
        if buckets.entry_contexts != NULL:
            context = buckets.entry_contexts[entry]
            scratch.counts[IN_CONTEXT] += context >= 0
            if pair_up(model, buckets, context, pool, entry, &rng, scratch, sums):
                continue
            enter_context(pool, &buckets.contexts, context, item_block, user)
        scratch.counts[NEGATIVES] += train_one(
            model, &buckets.recipe, pool, &scratch.taken, user, pool.items[buckets.places[entry]],
            buckets.weights[entry] if buckets.weights != NULL else <float>1, &rng, scratch.rows, sums,
        )


cdef inline void train_one_bucket(const Model* model, const Buckets* buckets, Py_ssize_t user_block,
                                  Py_ssize_t item_block, Scratch* scratch) noexcept nogil:
    """Find the bucket's arrays, train it and write down its sums."""
    cdef:
        const int64_t* starts = buckets.starts + user_block * (buckets.n_blocks + 1) + item_block
        Py_ssize_t bucket = user_block * buckets.n_blocks + item_block
        int64_t first_item = buckets.block_starts[item_block]
        Py_ssize_t n_places = buckets.block_starts[item_block + 1] - first_item
        Pool pool = pool_of(&buckets.sources, first_item, n_places, buckets.block_items + first_item)
        uint64_t rng = stream(buckets.key, BUCKET_STREAM, bucket)
        Sums sums = Sums(0, 0, 0)
    scratch.first_entry = starts[0]
    if buckets.sources.is_plain:
        train_bucket(model, buckets, item_block, &pool, starts[0], starts[1] - starts[0], rng, scratch, &sums)
    else:
        train_bucket_stepwise(model, buckets, user_block, item_block, &pool, rng, scratch, &sums)
    buckets.losses[bucket] = sums.loss
    buckets.n_correct[bucket] = sums.n_correct
    buckets.n_updates[bucket] = sums.n_updates
