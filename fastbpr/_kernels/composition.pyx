"""Rows that are sums of other rows: of their features' vectors, each times its value, and of vectors of their own.

Training moves the composed rows as if they were free. Now and then, what the rows have moved by is handed on to the
vectors that they are made of, and the rows are composed anew:

    row_i     = sum over f of F_if * feature_f + own_i        (without own_i where a row's own vector is hidden)
    change_i  = row_i - row_i as composed
    feature_f += rate_f * sum over i of F_if * change_i
    own_i     += own_rate_i * change_i                        (not where it was hidden)

Every sum has one order, that of the matrix, and one thread: results do not depend on the number of threads.

Layout: all tables have the stride of the composed rows. A row's vector is in the first `width` floats; `bias` is the
place of its bias in the line of extras, or -1 without. Other extras stay as they are. What is trusted: indices are in
range; the transposed matrix is that of the matrix.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset

from fastbpr._kernels.pointwise cimport Row


cdef inline void add_row(Row total, const Row row, float value, Py_ssize_t width, Py_ssize_t bias) noexcept nogil:
    """total += value * row."""
    cdef Py_ssize_t f
    for f in range(width):
        total[f] += value * row[f]
    if bias >= 0:
        total[bias] += value * row[bias]


cdef inline void put_change(Row composed, const Row row, Py_ssize_t width, Py_ssize_t bias) noexcept nogil:
    """Write row - composed in the place of composed."""
    cdef Py_ssize_t f
    for f in range(width):
        composed[f] = row[f] - composed[f]
    if bias >= 0:
        composed[bias] = row[bias] - composed[bias]


def compose(
    const int64_t[::1] indptr,      # in   (n_rows + 1,)
    const int32_t[::1] indices,     # in   (n_values,)
    const float[::1] values,        # in   (n_values,)
    const float[:, ::1] features,   # in   (n_features, stride)
    const float[:, ::1] own,        # in   (n_rows, stride), or (0, stride)
    const uint8_t[::1] hidden,      # in   (n_rows,)  rows without their own vector, or empty
    float[:, ::1] rows,             # out  (n_rows, stride)
    float[:, ::1] composed,         # out  the same, kept to be compared
    Py_ssize_t width,
    Py_ssize_t bias,
    int num_threads,
):
    """Make rows of the vectors that they are sums of."""
    cdef:
        Py_ssize_t n_rows = rows.shape[0], row, k
        bint has_own = own.shape[0] > 0
        const uint8_t* is_hidden = &hidden[0] if hidden.shape[0] else NULL
        float* total
    with nogil:
        for row in prange(n_rows, schedule="static", num_threads=num_threads):
            total = &composed[row, 0]
            memset(total, 0, width * sizeof(float))
            if bias >= 0:
                total[bias] = 0
            for k in range(indptr[row], indptr[row + 1]):
                add_row(<Row>total, <const Row>&features[indices[k], 0], values[k], width, bias)
            if has_own and (is_hidden == NULL or not is_hidden[row]):
                add_row(<Row>total, <const Row>&own[row, 0], 1, width, bias)
            memcpy(&rows[row, 0], total, width * sizeof(float))
            if bias >= 0:
                rows[row, bias] = total[bias]


def hand_on(
    const int64_t[::1] indptr,      # in   (n_features + 1,)  of the transposed matrix
    const int32_t[::1] indices,     # in   (n_values,)  ascending rows of each feature
    const float[::1] values,        # in   (n_values,)
    const float[::1] rates,         # in   (n_features,)
    const float[::1] own_rates,     # in   (n_rows,)
    const uint8_t[::1] hidden,      # in   (n_rows,), or empty
    const float[:, ::1] rows,       # in   (n_rows, stride)  as training has left them
    float[:, ::1] composed,         # in: rows as they were composed, out: their changes
    float[:, ::1] features,         # in/out  (n_features, stride)
    float[:, ::1] own,              # in/out  (n_rows, stride), or (0, stride)
    float[:, ::1] sums,             # scratch (num_threads, stride)
    Py_ssize_t width,
    Py_ssize_t bias,
):
    """Move the vectors that rows are sums of, by what the rows have moved."""
    cdef:
        Py_ssize_t n_rows = rows.shape[0], n_features = features.shape[0], stride = rows.shape[1], row, feature, k
        int num_threads = <int>sums.shape[0]
        bint has_own = own.shape[0] > 0
        const uint8_t* is_hidden = &hidden[0] if hidden.shape[0] else NULL
        float* total
    with nogil, parallel(num_threads=num_threads):
        for row in prange(n_rows, schedule="static"):
            put_change(<Row>&composed[row, 0], <const Row>&rows[row, 0], width, bias)
            if has_own and (is_hidden == NULL or not is_hidden[row]):
                add_row(<Row>&own[row, 0], <const Row>&composed[row, 0], own_rates[row], width, bias)
        total = &sums[threadid(), 0]
        for feature in prange(n_features, schedule="dynamic", chunksize=16):
            memset(total, 0, stride * sizeof(float))
            for k in range(indptr[feature], indptr[feature + 1]):
                add_row(<Row>total, <const Row>&composed[indices[k], 0], values[k], width, bias)
            add_row(<Row>&features[feature, 0], <const Row>total, rates[feature], width, bias)
