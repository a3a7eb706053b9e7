"""The maths of one triplet: the functions that loops call and that can be checked by eye.

Notation: a triplet is (user u, positive i, negative j), p a user's row, q an item's row, b an item's bias, and

    margin  x = p_u . (q_i - q_j) + b_i - b_j
    pull    sigmoid(-x), how far the triplet is from being satisfied
    loss    -ln(sigmoid(x) + 1e-10)

Rows are padded with zeros to a multiple of LANES floats; `width` is the padded length. Zeros stay zero under the
update. Sums run in LANES separate lanes that are then added as a tree, so that the compiler may use vector registers
of any length without being allowed to reorder floating-point additions.

Constants are cast to float: Cython would write 1 + x as 1.0 + x, which C computes in double.
"""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(_MSC_VER)
    typedef float * __restrict fastbpr_row;
    #else
    typedef float * __restrict__ fastbpr_row;
    #endif

    /* The halves of 16 lanes are added, then those of the 8, the 4 and the 2. Compilers turn the plain loops into 15
       additions of single floats; where vectors can be written, it is 4 additions. */
    #if defined(__clang__) || __GNUC__ >= 12
    #include <string.h>
    typedef float fastbpr_16 __attribute__((vector_size(64)));
    typedef float fastbpr_8 __attribute__((vector_size(32)));
    typedef float fastbpr_4 __attribute__((vector_size(16)));
    static inline float fastbpr_sum_lanes(const float *lanes) {
        fastbpr_16 a;
        memcpy(&a, lanes, sizeof a);
        fastbpr_8 b = __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7)
                    + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15);
        fastbpr_4 c = __builtin_shufflevector(b, b, 0, 1, 2, 3) + __builtin_shufflevector(b, b, 4, 5, 6, 7);
        c += __builtin_shufflevector(c, c, 2, 3, 0, 1);
        return c[0] + c[1];
    }
    #else
    static float fastbpr_sum_lanes(const float *lanes) {
        float sums[16];
        int half, k;
        for (k = 0; k < 16; k++) sums[k] = lanes[k];
        for (half = 8; half > 0; half /= 2)
            for (k = 0; k < half; k++) sums[k] += sums[k + half];
        return sums[0];
    }
    #endif
    """
    ctypedef float* Row "fastbpr_row"  # a row that nothing else in the call overlaps
    float sum_lanes "fastbpr_sum_lanes"(const float* lanes) noexcept nogil  # of LANES floats

cdef enum:
    LANES = 16
    NEAR = 6  # softplus below which the 1e-10 in the loss cannot be seen

cdef struct Step:
    # What an update needs besides its rows. keep_x is what is left of a row of kind x after its penalty:
    # 1 - learning_rate * reg_x.
    float learning_rate
    float reg_user
    float reg_positive
    float reg_negative
    float reg_bias
    float keep_user
    float keep_positive
    float keep_negative
    float keep_bias


cdef inline float exp_float(float x) noexcept nogil:
    """exp(x) to 2e-7 relative, x clamped to [-87, 87]; plain arithmetic, so that loops over it vectorise.

    x = n ln 2 + r with |r| <= ln(2) / 2; exp(r) by its Taylor polynomial of degree 6; 2**n by its bit pattern.
    """
    cdef float shifted, n, r, power
    cdef uint32_t bits
    x = x if x < 87 else <float>87
    x = x if x > -87 else <float>-87
    # Adding 1.5 * 2**23 leaves the nearest integer in the low bits.
    shifted = x * <float>1.44269504 + <float>12582912
    n = shifted - <float>12582912
    memcpy(&bits, &shifted, 4)
    bits = (bits + 127) << 23
    memcpy(&power, &bits, 4)
    r = x - n * <float>0.693359375 + n * <float>2.12194440e-4
    r = <float>1 + r * (<float>1 + r * (<float>0.5 + r * (<float>0.16666667 + r * (<float>0.041666667 + r * (
        <float>0.0083333333 + r * <float>0.0013888889)))))
    return r * power


cdef inline float pull_of(float margin) noexcept nogil:
    """sigmoid(-margin)."""
    return <float>1 / (<float>1 + exp_float(margin))


cdef inline float log1p_exp_negative(float x) noexcept nogil:
    """ln(1 + exp(-x)) for x >= 0 to 4e-7 relative, by the best polynomial of degree 8 in t = exp(-x) that is 0 at 0."""
    cdef float t = exp_float(-x)
    return t * (<float>0.999999806 + t * (<float>-0.49997405 + t * (<float>0.332754733 + t * (
        <float>-0.244954242 + t * (<float>0.177451313 + t * (<float>-0.107680099 + t * (
            <float>0.0440884589 + t * <float>-0.00853887366)))))))


cdef inline float softplus_of(float margin) noexcept nogil:
    """-ln(sigmoid(margin)), without overflow or cancellation."""
    cdef float size = margin if margin > 0 else -margin
    return log1p_exp_negative(size) + (<float>0 if margin > 0 else size)


cdef inline float loss_of(float softplus) noexcept nogil:
    """-ln(sigmoid(margin) + 1e-10) from s = -ln(sigmoid(margin)); equal to it in float where s < NEAR.

    With c = -ln(1e-10) it is min(s, c) - ln(1 + exp(-|s - c|)).
    """
    cdef float above = softplus - <float>23.0258509
    return (<float>23.0258509 if above > 0 else softplus) - log1p_exp_negative(above if above > 0 else -above)


cdef inline float dot(const float* one, const float* other, Py_ssize_t width) noexcept nogil:
    """Sum of products."""
    cdef float[LANES] lanes
    cdef Py_ssize_t group, f, k
    for k in range(LANES):
        lanes[k] = 0
    for group in range(width // LANES):
        f = group * LANES
        for k in range(LANES):
            lanes[k] += one[f + k] * other[f + k]
    return sum_lanes(lanes)


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


cdef inline void update_rows(Row user, Row positive, Row negative, Py_ssize_t width, float rate,
                             const Step* step) noexcept nogil:
    """Move the three rows along the gradient of the loss, all from their values before the step.

    With g = weight * pull and rate = lr * g,

        p_u += lr * ( g * (q_i - q_j) - reg_user     * p_u)
        q_i += lr * ( g * p_u         - reg_positive * q_i)
        q_j += lr * (-g * p_u         - reg_negative * q_j)
    """
    cdef float p, q_i, q_j
    cdef Py_ssize_t f
    for f in range(width):
        p = user[f]
        q_i = positive[f]
        q_j = negative[f]
        user[f] = step.keep_user * p + rate * (q_i - q_j)
        positive[f] = step.keep_positive * q_i + rate * p
        negative[f] = step.keep_negative * q_j - rate * p


cdef inline void update_biases(float* positive, float* negative, float rate, const Step* step) noexcept nogil:
    """b_i += lr * (g - reg_bias * b_i); b_j += lr * (-g - reg_bias * b_j)."""
    positive[0] = step.keep_bias * positive[0] + rate
    negative[0] = step.keep_bias * negative[0] - rate
