"""One chunk of the hogwild schedule: interactions drawn at random, negatives from the whole catalogue."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint64_t

from fastbpr._kernels.batches cimport WINDOW, Batch, Model, Sums, train_batch
from fastbpr._kernels.negatives cimport Pool, Taken, draw_free
from fastbpr._kernels.prefetch cimport prefetch, prefetch_row_to_write
from fastbpr._kernels.random cimport draw_below_large
from fastbpr._kernels.sources cimport Sources, pool_of, take_given
from fastbpr._kernels.steps cimport Recipe, train_one

cdef enum:
    CHUNK = 4096  # triplets per stream


cdef inline void train_chunk(
    const Model* model, const Recipe* recipe, const Sources* sources, Py_ssize_t chunk, uint64_t rng,
    const int64_t[::1] indptr, const int32_t[::1] indices, const int32_t[::1] rows, const float* weights,
    float* direction, double[::1] losses, int64_t[::1] n_correct, int64_t[::1] n_updates,
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
    batch.users = users
    batch.weights = own_weights if weights != NULL else NULL
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
            if weights != NULL:
                own_weights[k] = weights[entries[k]]
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
            if not sources.is_plain:
                take_given(&pool, sources, users[k])
                train_one(model, recipe, &pool, &taken, users[k], batch.positives[k],
                          own_weights[k] if weights != NULL else <float>1, &rng, direction, &sums)
                continue
            batch.negatives[k] = draw_free(model.n_items, &taken, &rng)
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
