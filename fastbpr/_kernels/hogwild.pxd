"""One chunk of the hogwild schedule: interactions drawn at random, negatives from the whole catalogue."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint64_t

from fastbpr._kernels.batches cimport WINDOW, Batch, Model, Sums, train_batch
from fastbpr._kernels.contexts cimport (
    IN_CONTEXT, NEGATIVES, TETRADS, Contexts, draw_in_context, enter_context, is_in_context, offset_of,
)
from fastbpr._kernels.losses cimport K_OS_WARP_LOSS
from fastbpr._kernels.negatives cimport Pool, Taken, draw_negative
from fastbpr._kernels.prefetch cimport prefetch, prefetch_row_to_write
from fastbpr._kernels.random cimport draw_below_large, draw_occurrence, draw_word, share_of
from fastbpr._kernels.recipes cimport Recipe
from fastbpr._kernels.sources cimport Sources, pool_of, take_given
from fastbpr._kernels.steps cimport train_one
from fastbpr._kernels.tetrads cimport Tetrads, try_tetrad

cdef enum:
    CHUNK = 4096  # triplets per stream
    SLOTS = 8     # tries to make a tetrad


cdef struct Occurrences:
    # In which contexts interactions occurred; `starts` is NULL where that is not known.
    const int64_t* starts          # (n_interactions + 1,)
    const int32_t* row_contexts    # (n_occurrences,)
    Contexts contexts
    Tetrads tetrads


cdef inline bint pair_up(const Model* model, const Recipe* recipe, const Tetrads* tetrads, int32_t context,
                         int32_t user, int32_t item, float weight, uint64_t* rng, float* room,
                         Sums* sums) noexcept nogil:
    """Make a tetrad, at the context's rate, with something that happened there; return whether there was a step."""
    cdef int64_t partner
    cdef Py_ssize_t _attempt
    if context < 0 or tetrads.rates == NULL or share_of(draw_word(rng)) >= tetrads.rates[context]:
        return False
    for _attempt in range(SLOTS):
        partner = draw_occurrence(tetrads.row_starts + context, rng)
        if try_tetrad(
            model, recipe, tetrads, user, item, tetrads.row_users[partner], tetrads.row_items[partner],
            weight * tetrads.row_weights[partner] if tetrads.row_weights != NULL else weight, room, sums,
        ):
            return True
    return False


cdef inline void train_chunk(
    const Model* model, const Recipe* recipe, const Sources* sources, const Occurrences* occurrences,
    Py_ssize_t chunk, uint64_t rng,
    const int64_t[::1] indptr, const int32_t[::1] indices, const int32_t[::1] rows, const float* weights,
    float* room, int64_t* counts, double[::1] losses, int64_t[::1] n_correct, int64_t[::1] n_updates,
) noexcept nogil:
    """One chunk: interactions drawn with replacement, in batches.

    Every array is entered at random, so each loop over a batch only starts the fetches that the next one needs.
    """
    cdef:
        Batch batch
        Sums sums = Sums(0, 0, 0)
        int64_t remaining = min(<int64_t>CHUNK, indices.shape[0] - <int64_t>chunk * CHUNK)
        int64_t[WINDOW] entries
        int32_t[WINDOW] users
        float[WINDOW] own_weights
        Py_ssize_t k, n
        Pool pool = pool_of(sources, 0, model.n_items, NULL)
        Taken taken = Taken(NULL, 0, NULL, 0)
        int64_t first, last
        int64_t[WINDOW] rows_of_log
        float[WINDOW] offsets
        int32_t context, item
        bint has_contexts = occurrences.starts != NULL
    batch.users = users
    batch.weights = own_weights if weights != NULL or has_contexts else NULL
    batch.offsets = offsets if has_contexts and occurrences.contexts.visible_starts != NULL else NULL
    while remaining > 0:
        n = min(remaining, <int64_t>WINDOW)
        batch.size = 0
        for k in range(n):
            entries[k] = draw_below_large(&rng, indices.shape[0])
            prefetch(&rows[entries[k]])
            prefetch(&indices[entries[k]])
        for k in range(n):
            users[k] = rows[entries[k]]
            batch.positives[k] = indices[entries[k]]
            rows_of_log[k] = draw_occurrence(occurrences.starts + entries[k], &rng) if has_contexts else entries[k]
            own_weights[k] = weights[rows_of_log[k]] if weights != NULL else <float>1
            prefetch(&indptr[users[k]])
            prefetch_row_to_write(model.users + users[k] * model.user_stride, model.width)
            prefetch_row_to_write(model.items + batch.positives[k] * model.item_stride, model.item_stride)
        for k in range(n):
            prefetch(&indices[(indptr[users[k]] + indptr[users[k] + 1]) >> 1])  # where the search for a negative begins
        for k in range(n):
            first = indptr[users[k]] if sources.verify else entries[k]
            last = indptr[users[k] + 1] if sources.verify else entries[k] + 1
            taken.positives = &indices[first]
            taken.n_positives = last - first
            context = -1
            if has_contexts:
                context = occurrences.row_contexts[rows_of_log[k]]
                counts[IN_CONTEXT] += context >= 0
                if pair_up(model, recipe, &occurrences.tetrads, context, users[k], batch.positives[k], own_weights[k],
                           &rng, room, &sums):
                    counts[TETRADS] += 1
                    continue
            if not sources.is_plain:
                take_given(&pool, sources, users[k])
                if has_contexts:
                    enter_context(&pool, &occurrences.contexts, context, 0, users[k])
                if recipe.loss == K_OS_WARP_LOSS:
                    pool.own = &indices[indptr[users[k]]]
                    pool.n_own = indptr[users[k] + 1] - indptr[users[k]]
                    pool.own_weights = weights + indptr[users[k]] if weights != NULL else NULL
                counts[NEGATIVES] += train_one(model, recipe, &pool, &taken, users[k], batch.positives[k],
                                               own_weights[k], &rng, room, &sums)
                continue
            batch.negatives[k] = draw_negative(&pool, &taken, NULL, 0, &rng)
            if has_contexts:
                enter_context(&pool, &occurrences.contexts, context, 0, users[k])
                item = -1
                if batch.negatives[k] >= 0 and is_in_context(&pool, &rng):
                    item = draw_in_context(&pool, batch.positives[k], &rng)
                if item >= 0:
                    counts[NEGATIVES] += 1
                    batch.negatives[k] = item
                else:
                    own_weights[k] *= pool.context_weight
            if batch.offsets != NULL:
                offsets[k] = offset_of(&pool, batch.positives[k]) - offset_of(&pool, batch.negatives[k])
            if batch.negatives[k] >= 0:
                prefetch_row_to_write(model.items + batch.negatives[k] * model.item_stride, model.item_stride)
                batch.order[batch.size] = <int16_t>k
                batch.size += 1
        if sources.is_plain:
            train_batch(model, &batch, &sums)
        remaining -= WINDOW
    losses[chunk] = sums.loss
    n_correct[chunk] = sums.n_correct
    n_updates[chunk] = sums.n_updates
