"""Vectors of new users, with the items as they are: the minimum of a convex function, by conjugate gradients.

For a user with items P, and N of the sample that the user has not, let s_i = b_i + p . q_i, and

    f(p)   = mean over i in P of softplus(l - s_i) + regularization / 2 * |p|^2,
    l      = ln(draws * mean over j in N of exp(s_j))
    f'(p)  = mean over i in P of c_i (m - q_i) + regularization * p
    f''(p) = mean over i in P of c_i (1 - c_i) (m - q_i) (m - q_i)^T + c V + regularization

with the chances c_i = sigmoid(l - s_i) that negatives are preferred, their mean c, and the mean m and the covariance V
of the sample, in which j has the share exp(s_j) / (sum over N of exp).

Vectors are turned into the basis in which the covariance of the sample is diagonal, `spread`. There, about

    f''(p) = diag(c spread + w variance of P) + w d d^T + regularization,    d = mean of P - mean of the sample,

with w the mean of c_i (1 - c_i), has an inverse at hand (Sherman & Morrison). Directions are conjugate by Polak &
Ribiere, from gradients through this inverse; a step's length is Newton's. Where a step has gone so far past the least
value along its direction that the function rises, the secant leads back. The first steps, which are long, look at a
part of the sample only.

Layout: rows have `width` floats, a multiple of LANES, zero behind the factors. The sample is there twice, by rows and
by columns, of n_places places, a multiple of LANES; those behind the sample are never compared with.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport logf, sqrtf
from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memcpy, memset

from fastbpr._kernels.pointwise cimport LANES, Row, dot, exp_float, pull_of, softplus_of, sum_lanes
from fastbpr._kernels.prefetch cimport prefetch_row

cdef enum:
    MOST_STEPS = 200  # of which four to ten are taken, and some twenty with hundreds of draws
    MOST_FETCHED = 64  # items whose vectors are fetched before they are needed
    MOST_ITEMS = 4000  # of a user; so many, at equal distances, stand for more

cdef float BARRED = -1e30  # the score of what the user has
cdef float LONGEST = 16  # that scores move in a step, root mean square: far off, curvatures say nothing
cdef float SHORTEST = 0.1  # of a step to which a secant shortens it: what is flat here and steep there misleads it
cdef float FAR = 3e38  # a value that is not known
cdef float LEAST_CURVATURE = 1e-37  # by which one can divide

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
    float draws

cdef struct User:
    Py_ssize_t n_items      # |P|
    Py_ssize_t n_places     # places at hand: all or the first
    Py_ssize_t n_free       # |N|
    float regularization
    float chance            # c
    float curvature         # w
    float value             # f
    float* items            # (n_items, width), in the basis
    float* bars             # (n_places,): 0, or BARRED for what the user has
    float* scores           # (n_items,): s_i
    float* chances          # (n_items,): c_i / |P|
    float* moves            # (n_items,): direction . q_i
    float* other_scores     # (n_places,): the same of the sample
    float* other_chances    # (n_places,): c times the shares
    float* other_moves
    float* room             # (n_places,)
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


cdef inline float sum_of(const float* numbers, Py_ssize_t n) noexcept nogil:
    """The sum of n numbers, a multiple of LANES."""
    cdef float[LANES] lanes
    cdef Py_ssize_t k, group
    for k in range(LANES):
        lanes[k] = 0
    for group in range(n // LANES):
        for k in range(LANES):
            lanes[k] += numbers[group * LANES + k]
    return sum_lanes(lanes)


cdef inline float highest_of(const float* numbers, Py_ssize_t n) noexcept nogil:
    """The largest of n numbers, a multiple of LANES."""
    cdef float[LANES] lanes
    cdef float highest
    cdef Py_ssize_t k, group
    for k in range(LANES):
        lanes[k] = numbers[k]
    for group in range(1, n // LANES):
        for k in range(LANES):
            lanes[k] = numbers[group * LANES + k] if numbers[group * LANES + k] > lanes[k] else lanes[k]
    highest = lanes[0]
    for k in range(1, LANES):
        highest = lanes[k] if lanes[k] > highest else highest
    return highest


cdef void compare(User* user, const Sample* sample) noexcept nogil:
    """Fill the chances of both sides, their mean, the curvature and the value."""
    cdef Row others = <Row>user.other_chances
    cdef Row scores = <Row>user.other_scores
    cdef float highest = highest_of(user.other_scores, user.n_places), total, level, chance
    cdef float share = <float>1 / <float>user.n_items
    cdef Py_ssize_t i, j
    for j in range(user.n_places):
        others[j] = exp_float(scores[j] - highest) if scores[j] > BARRED / 2 else <float>0
    total = sum_of(user.other_chances, user.n_places)
    level = highest + logf(sample.draws * total / <float>user.n_free)
    user.chance = user.curvature = user.value = 0
    for i in range(user.n_items):
        chance = pull_of(user.scores[i] - level)
        user.chances[i] = share * chance
        user.chance += share * chance
        user.curvature += share * chance * (<float>1 - chance)
        user.value += share * softplus_of(user.scores[i] - level)
    user.value += user.regularization / 2 * dot(user.vector, user.vector, sample.width)
    for j in range(user.n_places):
        others[j] *= user.chance / total


# ---- steps -----------------------------------------------------------------------------------------------------------


cdef void find_gradient(User* user, const Sample* sample) noexcept nogil:
    """f' from the chances of both sides."""
    cdef Row gradient = <Row>user.gradient
    cdef Py_ssize_t f, width = sample.width
    memset(gradient, 0, width * sizeof(float))
    add_rows(gradient, user.chances, <const Row>user.items, user.n_items, width, width)
    for f in range(width):
        gradient[f] = user.regularization * user.vector[f] - gradient[f]
    add_rows(gradient, user.other_chances, <const Row>sample.rows, user.n_places, width, width)


cdef void scale_gradient(User* user, const Sample* sample) noexcept nogil:
    """The gradient through the inverse of what is about f''."""
    cdef Row scaled = <Row>user.scaled
    cdef Row gradient = <Row>user.gradient
    cdef Row apart = <Row>user.apart
    cdef Row variance = <Row>user.variance
    cdef const float* spread = sample.spread
    cdef float weight = 0, along = 0
    cdef Py_ssize_t f
    for f in range(sample.width):
        scaled[f] = <float>1 / (user.chance * spread[f] + user.curvature * variance[f] + user.regularization)
    for f in range(sample.width):
        weight += apart[f] * scaled[f] * apart[f]
        along += apart[f] * scaled[f] * gradient[f]
    along *= user.curvature / (1 + user.curvature * weight)
    for f in range(sample.width):
        scaled[f] *= gradient[f] - along * apart[f]


cdef float length_of_step(User* user, const Sample* sample, float slope) noexcept nogil:
    """Newton's length of a step along the direction, in which the function has this slope; fill the moves of scores."""
    cdef Row others = <Row>user.other_moves
    cdef Row squared = <Row>user.room
    cdef float mean = 0, curvature, squares, most, length, chance
    cdef Py_ssize_t i, j, n = user.n_places
    memset(others, 0, n * sizeof(float))
    add_rows(others, user.direction, <const Row>sample.columns, sample.width, sample.n_places, n)
    if user.chance > 0:
        mean = dot(user.other_chances, user.other_moves, n) / user.chance
    for j in range(n):
        squared[j] = (others[j] - mean) * (others[j] - mean)
    curvature = dot(user.other_chances, user.room, n)
    squares = dot(user.other_moves, user.other_moves, n)
    for i in range(user.n_items):
        user.moves[i] = dot(user.direction, user.items + i * sample.width, sample.width)
        chance = user.chances[i] * <float>user.n_items
        curvature += user.chances[i] * (<float>1 - chance) * (user.moves[i] - mean) * (user.moves[i] - mean)
        squares += user.moves[i] * user.moves[i]
    curvature += user.regularization * dot(user.direction, user.direction, sample.width)
    if curvature < LEAST_CURVATURE:
        return 0
    length = -slope / curvature
    most = LONGEST * LONGEST * <float>(n + user.n_items)
    return length if length * length * squares <= most else sqrtf(most / squares)


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
    """Go on with so many places of the sample: their scores, and how many of them the user has not."""
    cdef Row scores = <Row>user.other_scores
    cdef Row bars = <Row>user.bars
    cdef Py_ssize_t j
    user.n_places = n_places
    memcpy(scores, sample.biases, n_places * sizeof(float))
    add_rows(scores, user.vector, <const Row>sample.columns, sample.width, sample.n_places, n_places)
    for j in range(n_places):
        scores[j] = scores[j] + bars[j]
    user.n_free = n_free(user, n_places)


cdef inline Py_ssize_t n_free(const User* user, Py_ssize_t n_places) noexcept nogil:
    """How many of the first places the user has not."""
    cdef Py_ssize_t j, n = 0
    for j in range(n_places):
        n += user.bars[j] == 0
    return n


cdef int descend(User* user, const Sample* sample, float near) noexcept nogil:
    """Make steps until the last two gained, and the next promises, no more than a share `near` of the value.

    Where that is so of a part of the sample, one step with all of it may do. Return how often the function was looked
    at. Along a direction, `slope` is that of the last place from which it was chosen, and `length` how far it has been
    gone.
    """
    cdef:
        Py_ssize_t width = sample.width, f
        float slope = 0, length = 0, promised, last_promised = 0, conjugate, ahead, shorter, enough
        float last_value = FAR, value_before = FAR  # where the last step began, and the one before
        bint is_new = False  # all of the sample was not looked at before
        int step
    for step in range(MOST_STEPS):
        compare(user, sample)
        find_gradient(user, sample)
        if slope < 0:
            ahead = dot(user.gradient, user.direction, width)
            if ahead > -slope / 2:
                shorter = slope / (slope - ahead)
                shorter = length * (shorter if shorter > SHORTEST else SHORTEST)
                move(user, width, shorter - length)
                length = shorter
                continue
        scale_gradient(user, sample)
        promised = dot(user.gradient, user.scaled, width)
        enough = near * user.value
        if promised <= 0 or (promised / 2 <= enough and value_before - user.value <= enough):
            if user.n_places == sample.n_places:
                return step
            look_at(user, sample, sample.n_places)
            slope = last_promised = 0
            value_before, is_new = FAR, True
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
        value_before = user.value if is_new else last_value
        last_promised, last_value, is_new = promised, user.value, False
        length = length_of_step(user, sample, slope)
        move(user, width, length)
    return MOST_STEPS


# ---- users -----------------------------------------------------------------------------------------------------------


def room_for(Py_ssize_t n_items, Py_ssize_t n_places, Py_ssize_t width):
    """Return how many floats a thread needs for users with so many items at most, a multiple of LANES."""
    cdef Py_ssize_t size = min(n_items, MOST_ITEMS) * (width + 3) + 5 * n_places + 7 * width
    return (size + LANES - 1) // LANES * LANES


cdef inline User lay_out(float* room, Py_ssize_t n_items, const Sample* sample, float regularization) noexcept nogil:
    """Give a user room, of which zeros are expected nowhere."""
    cdef User user
    cdef Py_ssize_t width = sample.width, n_places = sample.n_places
    user.n_items = n_items
    user.n_places = 0
    user.n_free = 0
    user.regularization = regularization
    user.chance = user.curvature = user.value = 0
    user.vector = room
    user.gradient = user.vector + width
    user.last_gradient = user.gradient + width
    user.scaled = user.last_gradient + width
    user.direction = user.scaled + width
    user.apart = user.direction + width
    user.variance = user.apart + width
    user.bars = user.variance + width
    user.other_scores = user.bars + n_places
    user.other_chances = user.other_scores + n_places
    user.other_moves = user.other_chances + n_places
    user.room = user.other_moves + n_places
    user.items = user.room + n_places
    user.scores = user.items + n_items * width
    user.chances = user.scores + n_items
    user.moves = user.chances + n_items
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
        user.bars[i] = 0 if i < n_sampled else BARRED
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
            user.bars[places[low]] = BARRED


cdef inline Sample sample_of(const float[:, ::1] rows, const float[:, ::1] columns, const float[::1] biases,
                             const float[::1] mean, const float[::1] spread, const float[:, ::1] basis,
                             Py_ssize_t n_first, float draws) noexcept nogil:
    """The sample, by its arrays."""
    cdef Sample sample
    sample.rows, sample.columns, sample.biases = &rows[0, 0], &columns[0, 0], &biases[0]
    sample.mean, sample.spread, sample.basis = &mean[0], &spread[0], &basis[0, 0]
    sample.n_places, sample.n_first, sample.width = rows.shape[0], n_first, rows.shape[1]
    sample.draws = draws
    return sample


cdef int fold_in(const Sample* sample, const int32_t* items, Py_ssize_t n_listed, const int32_t* sampled,
                 const int16_t* places, Py_ssize_t n_sampled, const float* vectors, const float* biases,
                 Py_ssize_t factors, float regularization, float near, float* room, float* vector) noexcept nogil:
    """Write a user's vector, unless there is nothing to compare; return the number of steps."""
    cdef User user
    cdef int n_steps
    cdef Py_ssize_t f
    if n_listed == 0:
        return 0
    user = lay_out(room, n_listed if n_listed < MOST_ITEMS else MOST_ITEMS, sample, regularization)
    leave_out(&user, sample, items, n_listed, sampled, places, n_sampled)
    if n_free(&user, sample.n_places) == 0:
        return 0
    gather(&user, sample, items, n_listed, vectors, biases, factors)
    memset(user.vector, 0, sample.width * sizeof(float))
    memset(user.direction, 0, sample.width * sizeof(float))
    look_at(&user, sample, sample.n_first if n_free(&user, sample.n_first) > 0 else sample.n_places)
    n_steps = descend(&user, sample, near)
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
    float draws,                       # positive
    float regularization,              # positive
    float near,
    float[:, ::1] room,                # scratch (num_threads, room_for(longest list, n_places, width))
    float[:, ::1] vectors,             # out  (n_users, factors)  zeros before
    int32_t[::1] n_steps,              # out  (n_users,)
):
    """Find the vectors of users; none of them has a part in that of another."""
    cdef:
        Sample sample = sample_of(rows, columns, biases, mean, spread, basis, n_first, draws)
        Py_ssize_t user, n_users = vectors.shape[0], factors = item_factors.shape[1]
        int num_threads = <int>room.shape[0]
    with nogil:
        for user in prange(n_users, schedule="dynamic", chunksize=16, num_threads=num_threads):
            n_steps[user] = fold_in(
                &sample, &indices[0] + indptr[user], indptr[user + 1] - indptr[user], &sampled[0], &places[0],
                sampled.shape[0], &item_factors[0, 0], &item_biases[0], factors, regularization, near,
                &room[threadid(), 0], &vectors[user, 0],
            )
