"""Vectors of new users, with the items as they are: the minimum of a convex function, by conjugate gradients.

For a user with items P, and N of the sample that the user has not, let t_ij = b_j + p . q_j - b_i - p . q_i, and

    f(p)  = mean over i in P, j in N of softplus(t_ij) + regularization / 2 * |p|^2
    f'(p) = mean of s_ij (q_j - q_i) + regularization * p,    s_ij = sigmoid(t_ij)

With w_ij = s_ij (1 - s_ij), all that is wanted of pairs is S_i, S_j, W_i and W_j, the sums of s and w over the other
side. With e_j = exp(b_j + p . q_j - c) and e_i = exp(b_i + p . q_i - c), s_ij = (e_j / e_i) / (1 + e_j / e_i):
exponentials of scores, and a division for two pairs.

Vectors are turned into the basis in which the covariance of the sample is diagonal, `spread`. There, about

    f''(p) = w (diag(spread + variance of P) + d d^T) + regularization,    d = mean of P - mean of the sample,

with w the mean of w_ij, has an inverse at hand (Sherman & Morrison). Directions are conjugate by Polak & Ribiere, from
gradients through this inverse; a step's length is Newton's, with w_ij taken for W_i W_j / (sum of w). Where a step has
gone so far past the least value that the function rises, the secant leads back. The first steps, which are long, look
at a part of the sample only.

Layout: rows have `width` floats, a multiple of LANES, zero behind the factors. The sample is there twice, by rows and
by columns, of n_places places, a multiple of LANES; those behind the sample are never compared with.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport sqrtf
from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memcpy, memset

from fastbpr._kernels.pointwise cimport LANES, Row, dot, exp_float, sum_lanes
from fastbpr._kernels.prefetch cimport prefetch_row

cdef enum:
    MOST_STEPS = 100  # of which five to eight are taken
    MOST_FETCHED = 64  # items whose vectors are fetched before they are needed
    MOST_ITEMS = 4000  # of a user; so many, at equal distances, stand for more

cdef float MOST_ODDS = 1e18  # beyond, s is 1 in single precision
cdef float WIDEST = 40  # scores that are further apart have no common c
cdef float LONGEST = 16  # that scores move in a step, root mean square: far off, curvatures say nothing

MAX_ITEMS = MOST_ITEMS

cdef struct Sample:
    const float* rows       # (n_places, width)
    const float* columns    # (width, n_places)
    const float* biases     # (n_places,)
    const float* mean       # (width,)
    const float* spread     # (width,)
    const float* basis      # (width, width): a vector times it is the vector in the basis
    Py_ssize_t n_places
    Py_ssize_t n_first      # the part that the first steps look at
    Py_ssize_t width

cdef struct User:
    Py_ssize_t n_items      # |P|
    Py_ssize_t n_places     # places at hand: all or the first
    float n_pairs
    float regularization
    float* items            # (n_items, width), in the basis
    float* free             # (n_places,): 1, or 0 for what the user has
    float* scores           # (n_items,): b_i + p . q_i
    float* slopes           # (n_items,): S_i
    float* curvatures       # (n_items,): W_i
    float* moves            # (n_items,): direction . q_i
    float* other_scores     # (n_places,): the same of the sample
    float* other_slopes
    float* other_curvatures
    float* other_moves
    float* odds             # (n_places,): e_j
    float* vector           # (width,): p, in the basis
    float* gradient
    float* last_gradient
    float* scaled           # the gradient through the inverse
    float* direction
    float* apart            # d
    float* variance         # of P


# ---- sums ------------------------------------------------------------------------------------------------------------


cdef inline void add_rows(Row total, const float* factors, const Row rows, Py_ssize_t n_rows, Py_ssize_t stride,
                          Py_ssize_t width) noexcept nogil:
    """total += the sum of factors[k] * rows[k], eight rows at a time."""
    cdef Py_ssize_t first, f, k
    cdef float a, b, c, d, e, g, h, i
    cdef const float* row
    for first in range(0, n_rows - n_rows % 8, 8):
        row = rows + first * stride
        a, b, c, d = factors[first], factors[first + 1], factors[first + 2], factors[first + 3]
        e, g, h, i = factors[first + 4], factors[first + 5], factors[first + 6], factors[first + 7]
        for f in range(width):
            total[f] += (
                (a * row[f] + b * row[f + stride]) + (c * row[f + 2 * stride] + d * row[f + 3 * stride])
            ) + (
                (e * row[f + 4 * stride] + g * row[f + 5 * stride])
                + (h * row[f + 6 * stride] + i * row[f + 7 * stride])
            )
    for k in range(n_rows - n_rows % 8, n_rows):
        row = rows + k * stride
        a = factors[k]
        for f in range(width):
            total[f] += a * row[f]


cdef inline void add_pairs(Row odds, Row slopes, Row curvatures, float one, float other, float* sums,
                           Py_ssize_t n) noexcept nogil:
    """Add s and w of two items and all places: to the places' sums, and to those of the items, in `sums`.

    With x = odds_j / e_i, s = x r and w = s r, where r = 1 / (1 + x); both r are from one division.
    """
    cdef float[LANES] first_slopes, first_curvatures, second_slopes, second_curvatures
    cdef float x, y, share, r, q
    cdef Py_ssize_t group, k, j
    for k in range(LANES):
        first_slopes[k] = first_curvatures[k] = second_slopes[k] = second_curvatures[k] = 0
    for group in range(n // LANES):
        for k in range(LANES):
            j = group * LANES + k
            x = odds[j] * one
            y = odds[j] * other
            x = x if x < MOST_ODDS else MOST_ODDS
            y = y if y < MOST_ODDS else MOST_ODDS
            share = <float>1 / ((<float>1 + x) * (<float>1 + y))
            r = share * (<float>1 + y)
            q = share * (<float>1 + x)
            x *= r
            y *= q
            r *= x
            q *= y
            first_slopes[k] += x
            first_curvatures[k] += r
            second_slopes[k] += y
            second_curvatures[k] += q
            slopes[j] += x + y
            curvatures[j] += r + q
    sums[0] = sum_lanes(first_slopes)
    sums[1] = sum_lanes(first_curvatures)
    sums[2] = sum_lanes(second_slopes)
    sums[3] = sum_lanes(second_curvatures)


cdef inline void odds_against(const User* user, float level) noexcept nogil:
    """odds_j = exp(score_j - level), 0 for what the user has."""
    cdef Row odds = <Row>user.odds
    cdef Row scores = <Row>user.other_scores
    cdef Row free = <Row>user.free
    cdef Py_ssize_t j
    for j in range(user.n_places):
        odds[j] = free[j] * exp_float(scores[j] - level)


cdef void compare(User* user) noexcept nogil:
    """Fill the slopes and curvatures of both sides."""
    cdef float[4] sums
    cdef float level = 0, one, other
    cdef Py_ssize_t i, second, n = user.n_items
    cdef bint is_wide = False
    memset(user.other_slopes, 0, user.n_places * sizeof(float))
    memset(user.other_curvatures, 0, user.n_places * sizeof(float))
    for i in range(n):
        level += user.scores[i]
    level /= <float>n
    for i in range(n):
        is_wide = is_wide or user.scores[i] - level > WIDEST or level - user.scores[i] > WIDEST
    if not is_wide:
        odds_against(user, level)
    i = 0
    while i < n:
        second = i + 1 if i + 1 < n and not is_wide else i
        one, other = exp_float(level - user.scores[i]), exp_float(level - user.scores[second])
        if is_wide:
            odds_against(user, user.scores[i])
            one = 1
        if second == i:
            other = 0
        add_pairs(<Row>user.odds, <Row>user.other_slopes, <Row>user.other_curvatures, one, other, sums, user.n_places)
        user.slopes[i], user.curvatures[i] = sums[0], sums[1]
        if second > i:
            user.slopes[second], user.curvatures[second] = sums[2], sums[3]
        i = second + 1


cdef inline float sum_of(const float* numbers, Py_ssize_t n) noexcept nogil:
    """Sum, in order."""
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(n):
        total += numbers[k]
    return total


# ---- steps -----------------------------------------------------------------------------------------------------------


cdef void find_gradient(User* user, const Sample* sample) noexcept nogil:
    """f' from the slopes of both sides."""
    cdef Row gradient = <Row>user.gradient
    cdef float scale = <float>1 / user.n_pairs
    cdef Py_ssize_t f, width = sample.width
    memset(gradient, 0, width * sizeof(float))
    add_rows(gradient, user.slopes, <const Row>user.items, user.n_items, width, width)
    for f in range(width):
        gradient[f] = -gradient[f]
    add_rows(gradient, user.other_slopes, <const Row>sample.rows, user.n_places, width, width)
    for f in range(width):
        gradient[f] = gradient[f] * scale + user.regularization * user.vector[f]


cdef void scale_gradient(User* user, const Sample* sample, float curvature) noexcept nogil:
    """The gradient through the inverse of what is about f''."""
    cdef Row scaled = <Row>user.scaled
    cdef Row gradient = <Row>user.gradient
    cdef Row apart = <Row>user.apart
    cdef Row variance = <Row>user.variance
    cdef const float* spread = sample.spread
    cdef float weight = 0, along = 0
    cdef Py_ssize_t f
    for f in range(sample.width):
        scaled[f] = <float>1 / (curvature * (spread[f] + variance[f]) + user.regularization)
    for f in range(sample.width):
        weight += apart[f] * scaled[f] * apart[f]
        along += apart[f] * scaled[f] * gradient[f]
    along *= curvature / (1 + curvature * weight)
    for f in range(sample.width):
        scaled[f] *= gradient[f] - along * apart[f]


cdef float length_of_step(User* user, const Sample* sample, float slope) noexcept nogil:
    """Newton's length of a step along the direction, in which the function has this slope; fill the moves of scores."""
    cdef float total = 0, own = 0, others = 0, squares = 0, length
    cdef Py_ssize_t i, j, n = user.n_places
    memset(user.other_moves, 0, n * sizeof(float))
    add_rows(<Row>user.other_moves, user.direction, <const Row>sample.columns, sample.width, sample.n_places, n)
    for i in range(user.n_items):
        user.moves[i] = dot(user.direction, user.items + i * sample.width, sample.width)
        total += user.curvatures[i]
        own += user.curvatures[i] * user.moves[i]
        squares += user.curvatures[i] * user.moves[i] * user.moves[i]
    others = dot(user.other_curvatures, user.other_moves, n)
    for j in range(n):
        user.odds[j] = user.other_moves[j] * user.other_moves[j]  # odds are room until the next comparison
    squares += dot(user.other_curvatures, user.odds, n)
    if total > 0:
        squares -= 2 * own * (others / total)
    squares = squares if squares > 0 else <float>0
    squares = squares / user.n_pairs + user.regularization * dot(user.direction, user.direction, sample.width)
    length = -slope / squares
    squares = dot(user.other_moves, user.other_moves, n)
    for i in range(user.n_items):
        squares += user.moves[i] * user.moves[i]
    total = LONGEST * LONGEST * <float>(n + user.n_items)
    return length if length * length * squares <= total else sqrtf(total / squares)


cdef inline void move(User* user, Py_ssize_t width, float length) noexcept nogil:
    """Take a step along the direction."""
    cdef Row vector = <Row>user.vector
    cdef Row direction = <Row>user.direction
    cdef Row other_scores = <Row>user.other_scores
    cdef Row other_moves = <Row>user.other_moves
    cdef Py_ssize_t k
    for k in range(width):
        vector[k] += length * direction[k]
    for k in range(user.n_items):
        user.scores[k] += length * user.moves[k]
    for k in range(user.n_places):
        other_scores[k] += length * other_moves[k]


cdef void look_at(User* user, const Sample* sample, Py_ssize_t n_places) noexcept nogil:
    """Go on with so many places of the sample: their scores, and the number of pairs."""
    user.n_places = n_places
    memcpy(user.other_scores, sample.biases, n_places * sizeof(float))
    add_rows(<Row>user.other_scores, user.vector, <const Row>sample.columns, sample.width, sample.n_places, n_places)
    user.n_pairs = <float>user.n_items * sum_of(user.free, n_places)


cdef int descend(User* user, const Sample* sample, float near, float near_first) noexcept nogil:
    """Make steps, one at least, until the next promises no more than a share `near` of the value; return their number.

    The value is not computed: it is at least the mean of s plus the penalty, as softplus(t) >= sigmoid(t).
    """
    cdef:
        Py_ssize_t width = sample.width, f
        float slope = 0, length = 0, promised, last_promised = 0, conjugate, ahead, value
        int step
    for step in range(MOST_STEPS):
        compare(user)
        find_gradient(user, sample)
        if slope < 0:
            ahead = dot(user.gradient, user.direction, width)
            if ahead > -slope / 2:
                conjugate = length * (slope / (slope - ahead))
                move(user, width, conjugate - length)
                length = conjugate
                continue
        scale_gradient(user, sample, sum_of(user.curvatures, user.n_items) / user.n_pairs)
        promised = dot(user.gradient, user.scaled, width)
        value = sum_of(user.slopes, user.n_items) / user.n_pairs
        value += user.regularization / 2 * dot(user.vector, user.vector, width)
        value *= near if user.n_places == sample.n_places else near_first
        if promised <= 0 or (step > 0 and promised / 2 <= value):
            if user.n_places == sample.n_places:
                return step
            look_at(user, sample, sample.n_places)
            slope = last_promised = 0
            continue
        conjugate = 0
        if last_promised > 0:
            conjugate = (promised - dot(user.scaled, user.last_gradient, width)) / last_promised
            conjugate = conjugate if conjugate > 0 else <float>0
        for f in range(width):
            user.direction[f] = conjugate * user.direction[f] - user.scaled[f]
        slope = dot(user.gradient, user.direction, width)
        if slope >= 0:
            for f in range(width):
                user.direction[f] = -user.scaled[f]
            slope = -promised
        memcpy(user.last_gradient, user.gradient, width * sizeof(float))
        last_promised = promised
        length = length_of_step(user, sample, slope)
        move(user, width, length)
    return MOST_STEPS


# ---- users -----------------------------------------------------------------------------------------------------------


def room_for(Py_ssize_t n_items, Py_ssize_t n_places, Py_ssize_t width):
    """Return how many floats a thread needs for users with so many items at most, a multiple of LANES."""
    cdef Py_ssize_t size = min(n_items, MOST_ITEMS) * (width + 4) + 6 * n_places + 7 * width
    return (size + LANES - 1) // LANES * LANES


cdef inline User lay_out(float* room, Py_ssize_t n_items, const Sample* sample, float regularization) noexcept nogil:
    """Give a user room, of which zeros are expected nowhere."""
    cdef User user
    cdef Py_ssize_t width = sample.width, n_places = sample.n_places
    user.n_items = n_items
    user.n_places = 0
    user.n_pairs = 0
    user.regularization = regularization
    user.vector = room
    user.gradient = user.vector + width
    user.last_gradient = user.gradient + width
    user.scaled = user.last_gradient + width
    user.direction = user.scaled + width
    user.apart = user.direction + width
    user.variance = user.apart + width
    user.free = user.variance + width
    user.other_scores = user.free + n_places
    user.other_slopes = user.other_scores + n_places
    user.other_curvatures = user.other_slopes + n_places
    user.other_moves = user.other_curvatures + n_places
    user.odds = user.other_moves + n_places
    user.items = user.odds + n_places
    user.scores = user.items + n_items * width
    user.slopes = user.scores + n_items
    user.curvatures = user.slopes + n_items
    user.moves = user.curvatures + n_items
    return user


cdef void gather(User* user, const Sample* sample, const int32_t* items, Py_ssize_t n_listed, const float* vectors,
                 const float* biases, Py_ssize_t factors) noexcept nogil:
    """Turn the vectors of a user's items into the basis, and find their mean and variance."""
    cdef Row row
    cdef Row mean = <Row>user.apart
    cdef Row variance = <Row>user.variance
    cdef float share = <float>1 / <float>user.n_items
    cdef Py_ssize_t i, f, width = sample.width
    cdef int32_t item
    memset(mean, 0, width * sizeof(float))
    memset(variance, 0, width * sizeof(float))
    memset(user.items, 0, user.n_items * width * sizeof(float))
    for i in range(user.n_items if user.n_items < MOST_FETCHED else MOST_FETCHED):
        prefetch_row(vectors + <Py_ssize_t>items[i * n_listed // user.n_items] * factors, factors)
    for i in range(user.n_items):
        item = items[i * n_listed // user.n_items]
        row = <Row>(user.items + i * width)
        add_rows(row, vectors + <Py_ssize_t>item * factors, <const Row>sample.basis, factors, width, width)
        user.scores[i] = biases[item]
        for f in range(width):
            mean[f] += share * row[f]
    for i in range(user.n_items):
        row = <Row>(user.items + i * width)
        for f in range(width):
            variance[f] += share * (row[f] - mean[f]) * (row[f] - mean[f])
    for f in range(width):
        mean[f] -= sample.mean[f]


cdef inline void leave_out(User* user, const Sample* sample, const int32_t* items, Py_ssize_t n_listed,
                           const int32_t* sampled, const int16_t* places, Py_ssize_t n_sampled) noexcept nogil:
    """Mark the places of what the user has, and those behind the sample. Both lists of items are ascending."""
    cdef Py_ssize_t i, low, high, middle
    for i in range(sample.n_places):
        user.free[i] = i < n_sampled
    low = 0
    for i in range(n_listed):
        high = n_sampled
        while low < high:
            middle = (low + high) // 2
            if sampled[middle] < items[i]:
                low = middle + 1
            else:
                high = middle
        if low < n_sampled and sampled[low] == items[i]:
            user.free[places[low]] = 0


cdef inline Sample sample_of(const float[:, ::1] rows, const float[:, ::1] columns, const float[::1] biases,
                             const float[::1] mean, const float[::1] spread, const float[:, ::1] basis,
                             Py_ssize_t n_first) noexcept nogil:
    """The sample, by its arrays."""
    cdef Sample sample
    sample.rows, sample.columns, sample.biases = &rows[0, 0], &columns[0, 0], &biases[0]
    sample.mean, sample.spread, sample.basis = &mean[0], &spread[0], &basis[0, 0]
    sample.n_places, sample.n_first, sample.width = rows.shape[0], n_first, rows.shape[1]
    return sample


cdef int fold_in(const Sample* sample, const int32_t* items, Py_ssize_t n_listed, const int32_t* sampled,
                 const int16_t* places, Py_ssize_t n_sampled, const float* vectors, const float* biases,
                 Py_ssize_t factors, float regularization, float near, float near_first, float* room,
                 float* vector) noexcept nogil:
    """Write a user's vector, unless there is nothing to compare; return the number of steps."""
    cdef User user
    cdef int n_steps
    cdef Py_ssize_t f
    if n_listed == 0:
        return 0
    user = lay_out(room, n_listed if n_listed < MOST_ITEMS else MOST_ITEMS, sample, regularization)
    leave_out(&user, sample, items, n_listed, sampled, places, n_sampled)
    if sum_of(user.free, sample.n_places) == 0:
        return 0
    gather(&user, sample, items, n_listed, vectors, biases, factors)
    memset(user.vector, 0, sample.width * sizeof(float))
    memset(user.direction, 0, sample.width * sizeof(float))
    look_at(&user, sample, sample.n_first if sum_of(user.free, sample.n_first) > 0 else sample.n_places)
    n_steps = descend(&user, sample, near, near_first)
    for f in range(factors):
        vector[f] = dot(sample.basis + f * sample.width, user.vector, sample.width)
    return n_steps


def fold_in_users(
    const int64_t[::1] indptr,         # in   (n_users + 1,)
    const int32_t[::1] indices,        # in   what users have, ascending for each, or one number without a meaning
    const float[:, ::1] item_factors,  # in   (n_items, factors)
    const float[::1] item_biases,      # in   (n_items,)
    const int32_t[::1] sampled,        # in   (n_sampled,)  items, ascending
    const int16_t[::1] places,         # in   (n_sampled,)  their places, below n_sampled
    const float[:, ::1] rows,          # in   (n_places, width)  the sample's vectors in the basis, by place
    const float[:, ::1] columns,       # in   (width, n_places)  the same
    const float[::1] biases,           # in   (n_places,)
    const float[::1] mean,             # in   (width,)  of the sample, in the basis
    const float[::1] spread,           # in   (width,)  its variance along each axis of the basis
    const float[:, ::1] basis,         # in   (width, width)  a vector times it is the vector in the basis
    Py_ssize_t n_first,                # places that first steps look at, a multiple of LANES
    float regularization,              # positive
    float near,
    float near_first,
    float[:, ::1] room,                # scratch (num_threads, room_for(longest list, n_places, width))
    float[:, ::1] vectors,             # out  (n_users, factors)  zeros before
    int32_t[::1] n_steps,              # out  (n_users,)
):
    """Find the vectors of users; none of them has a part in that of another."""
    cdef:
        Sample sample = sample_of(rows, columns, biases, mean, spread, basis, n_first)
        Py_ssize_t user, n_users = vectors.shape[0], factors = item_factors.shape[1]
        int num_threads = <int>room.shape[0]
    with nogil:
        for user in prange(n_users, schedule="dynamic", chunksize=16, num_threads=num_threads):
            n_steps[user] = fold_in(
                &sample, &indices[0] + indptr[user], indptr[user + 1] - indptr[user], &sampled[0], &places[0],
                sampled.shape[0], &item_factors[0, 0], &item_biases[0], factors, regularization, near, near_first,
                &room[threadid(), 0], &vectors[user, 0],
            )
