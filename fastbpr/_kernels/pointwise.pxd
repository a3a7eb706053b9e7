"""The maths of one triplet: the functions that loops call and that can be checked by eye.

Notation: a triplet is (user u, positive i, negative j), p a user's row, q an item's row, b an item's bias, and

    margin  x = p_u . (q_i - q_j) + b_i - b_j
    pull    sigmoid(-x), how far the triplet is from being satisfied
    loss    -ln(sigmoid(x) + 1e-10)

Rows are padded with zeros to a multiple of LANES floats; `width` is the padded length. Zeros stay zero under the
update. Sums run in LANES separate lanes that are then added as a tree, so that the compiler may use vector registers
of any length without being allowed to reorder floating-point additions.
"""
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(_MSC_VER)
    typedef float * __restrict fastbpr_row;
    #else
    typedef float * __restrict__ fastbpr_row;
    #endif
    """
    ctypedef float* Row "fastbpr_row"  # a row that nothing else in the call overlaps

cdef enum:
    LANES = 16

cdef struct Step:
    # What one update needs besides its rows.
    float learning_rate
    float reg_user
    float reg_positive
    float reg_negative
    float reg_bias


cdef inline float exp_float(float x) noexcept nogil:
    """exp(x) to 2e-7 relative, x clamped to [-87, 87]; plain arithmetic, so that loops over it vectorise.

    x = n ln 2 + r with |r| <= ln(2) / 2; exp(r) by its Taylor polynomial of degree 6; 2**n by its bit pattern.
    """
    cdef float shifted, n, r, power
    cdef uint32_t bits
    if x > 87.0:
        x = 87.0
    if x < -87.0:
        x = -87.0
    shifted = x * <float>1.44269504 + <float>12582912.0  # adding 1.5 * 2**23 leaves the nearest integer in the low bits
    n = shifted - <float>12582912.0
    memcpy(&bits, &shifted, 4)
    bits = (bits + 127) << 23
    memcpy(&power, &bits, 4)
    r = x - n * <float>0.693359375 + n * <float>2.12194440e-4
    r = 1 + r * (1 + r * (<float>0.5 + r * (<float>0.16666667 + r * (<float>0.041666667 + r * (
        <float>0.0083333333 + r * <float>0.0013888889)))))
    return r * power


cdef inline float pull_of(float margin) noexcept nogil:
    """sigmoid(-margin)."""
    return <float>1.0 / (<float>1.0 + exp_float(margin))


cdef inline float log1p_exp_negative(float x) noexcept nogil:
    """ln(1 + exp(-x)) for x >= 0, by the series of 2 atanh(t / (2 + t)) with t = exp(-x)."""
    cdef float t = exp_float(-x)
    cdef float z = t / (t + <float>2.0)
    cdef float s = z * z
    return 2 * z * (1 + s * (<float>0.33333333 + s * (<float>0.2 + s * (<float>0.14285714 + s * (
        <float>0.11111111 + s * <float>0.09090909)))))


cdef inline float loss_of(float margin) noexcept nogil:
    """-ln(sigmoid(margin) + 1e-10), without overflow or cancellation.

    With s = softplus(-margin) = -ln(sigmoid(margin)) and c = -ln(1e-10), it is min(s, c) - ln(1 + exp(-|s - c|)).
    """
    cdef float size = margin if margin > 0 else -margin
    cdef float softplus = log1p_exp_negative(size) + (0 if margin > 0 else size)
    cdef float above = softplus - <float>23.0258509
    return (<float>23.0258509 if above > 0 else softplus) - log1p_exp_negative(above if above > 0 else -above)


cdef inline float sum_lanes(float* lanes) noexcept nogil:
    """Sum of LANES floats, as a tree."""
    cdef Py_ssize_t k
    for k in range(8):
        lanes[k] += lanes[k + 8]
    for k in range(4):
        lanes[k] += lanes[k + 4]
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])


cdef inline float preference(const float* user, const float* positive, const float* negative,
                             Py_ssize_t width) noexcept nogil:
    """p_u . (q_i - q_j), the margin without the biases."""
    cdef float[LANES] lanes
    cdef Py_ssize_t group, f, k
    for k in range(LANES):
        lanes[k] = 0
    for group in range(width // LANES):
        f = group * LANES
        for k in range(LANES):
            lanes[k] += user[f + k] * (positive[f + k] - negative[f + k])
    return sum_lanes(lanes)


cdef inline void update_rows(Row user, Row positive, Row negative, Py_ssize_t width, float gradient,
                             const Step* step) noexcept nogil:
    """Move the three rows along the gradient of the loss, all from their values before the step:

    p_u += lr * ( gradient * (q_i - q_j) - reg_user     * p_u)
    q_i += lr * ( gradient * p_u         - reg_positive * q_i)
    q_j += lr * (-gradient * p_u         - reg_negative * q_j)
    """
    cdef:
        float rate = step.learning_rate * gradient
        float keep_user = 1 - step.learning_rate * step.reg_user
        float keep_positive = 1 - step.learning_rate * step.reg_positive
        float keep_negative = 1 - step.learning_rate * step.reg_negative
        float p, q_i, q_j
        Py_ssize_t f
    for f in range(width):
        p = user[f]
        q_i = positive[f]
        q_j = negative[f]
        user[f] = keep_user * p + rate * (q_i - q_j)
        positive[f] = keep_positive * q_i + rate * p
        negative[f] = keep_negative * q_j - rate * p


cdef inline void update_biases(Row positive, Row negative, float gradient, const Step* step) noexcept nogil:
    """b_i += lr * (gradient - reg_bias * b_i); b_j += lr * (-gradient - reg_bias * b_j)."""
    cdef float rate = step.learning_rate * gradient
    cdef float keep = 1 - step.learning_rate * step.reg_bias
    positive[0] = keep * positive[0] + rate
    negative[0] = keep * negative[0] - rate
