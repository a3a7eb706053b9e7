"""One step of any kind: a positive and its negatives, drawn, scored, weighed by a loss, and applied by an optimiser.

This is the general way. The usual one, BPR with one uniform negative by SGD, goes through `batches.pxd`, which does
the same updates for many triplets at a time.

A step draws `n_negatives` negatives; each is the highest-scored of `n_candidates` draws. The rows move along the
gradient of

    weight * loss(s_i, s_1 .. s_n) + (reg_user |p|^2 + reg_positive |q_i|^2 + reg_negative / n * sum of |q_k|^2) / 2,

all from their values before the step (a negative that was drawn twice moves twice). Penalties of negatives are shared
out, so that more negatives do not mean more shrinking.
"""
from libc.math cimport sqrtf
from libc.stdint cimport int32_t, uint32_t, uint64_t

from fastbpr._kernels.batches cimport Model, Sums
from fastbpr._kernels.contexts cimport draw_in_context, is_in_context, offset_of
from fastbpr._kernels.losses cimport SOFTMAX_LOSS, WARP_LOSS, bpr_pulls, softmax_pulls, warp_pull
from fastbpr._kernels.negatives cimport Pool, Taken, draw_negative, draw_uniform, highest_attention
from fastbpr._kernels.pointwise cimport LANES, Row, dot, sum_lanes
from fastbpr._kernels.random cimport draw_below, draw_word, share_of

cdef enum:
    MOST_NEGATIVES = 1024   # of a step
    MOST_CANDIDATES = 1024  # of a negative
    ROW_SQUARES = 1         # place of Adagrad's sums in an item's line of extras, the bias being at 0; a user's line
    BIAS_SQUARES = 2        # has those of its row at 0

cdef extern from *:
    """
    #define FASTBPR_FIRST_SQUARES 0.1f
    """
    const float FIRST_SQUARES "FASTBPR_FIRST_SQUARES"  # what Adagrad's sums start from

cdef struct Recipe:
    # How steps are made in one fit.
    int loss
    Py_ssize_t n_negatives
    Py_ssize_t n_candidates
    bint adagrad
    float n_factors           # without padding
    const float* corrections  # (n_items,)  subtracted from negatives' scores in the softmax; or NULL


cdef inline float score_of(const Model* model, const float* user, Py_ssize_t item) noexcept nogil:
    """p . q + b."""
    cdef const float* row = model.items + item * model.item_stride
    cdef float score = dot(user, row, model.width)
    return score + row[model.width] if model.item_bias else score


cdef inline void score_width(const Model* model, Py_ssize_t width, const float* user, const int32_t* items,
                             Py_ssize_t n, float* scores) noexcept nogil:
    """Scores of n items for one user."""
    cdef Py_ssize_t k
    cdef Py_ssize_t stride = model.item_stride
    cdef const float* table = model.items
    for k in range(n):
        scores[k] = dot(user, table + items[k] * stride, width)
    if model.item_bias:
        for k in range(n):
            scores[k] += table[items[k] * stride + width]


cdef inline void score_items(const Model* model, const float* user, const int32_t* items, Py_ssize_t n,
                             float* scores) noexcept nogil:
    """Scores of n items for one user. The usual widths get their own unrolled copy of the loop."""
    if model.width == 64:
        score_width(model, 64, user, items, n, scores)
    elif model.width == 32:
        score_width(model, 32, user, items, n, scores)
    elif model.width == 128:
        score_width(model, 128, user, items, n, scores)
    elif model.width == 256:
        score_width(model, 256, user, items, n, scores)
    else:
        score_width(model, model.width, user, items, n, scores)


# ---- negatives --------------------------------------------------------------------------------------------------


cdef inline int32_t item_at(const Pool* pool, int32_t place) noexcept nogil:
    """The item of a place."""
    return pool.items[place] if pool.items != NULL else place


cdef inline int32_t a_given_item(const Pool* pool, uint64_t* rng) noexcept nogil:
    """One of the items that the user is known not to want."""
    return item_at(pool, pool.given[draw_below(rng, <uint32_t>pool.n_given)])


cdef inline bint draw_items(const Pool* pool, const Taken* taken, const float* user, float highest, Py_ssize_t n,
                            int32_t positive, uint64_t* rng, int32_t* items) noexcept nogil:
    """n items by the pool's distribution, or of the context in which the positive, if any, was chosen.

    False if no place is free.
    """
    cdef Py_ssize_t k
    cdef int32_t place
    if positive >= 0:
        for k in range(n):
            items[k] = draw_in_context(pool, positive, rng)
            if items[k] < 0:
                return False
        return True
    if pool.shares == NULL and pool.orders == NULL:
        return draw_uniform(pool, taken, n, rng, items)
    for k in range(n):
        place = draw_negative(pool, taken, user, highest, rng)
        if place < 0:
            return False
        items[k] = item_at(pool, place)
    return True


cdef inline bint draw_scored(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                             const float* user, float highest, Py_ssize_t n, int32_t positive, uint64_t* rng,
                             int32_t* items, float* scores) noexcept nogil:
    """n negatives and their scores: each one that was given for the user, or the best of some draws.

    All are of the context in which the positive, if any, was chosen. False if no place is free.
    """
    cdef:
        int32_t[MOST_CANDIDATES] candidates
        float[MOST_CANDIDATES] candidate_scores
        Py_ssize_t k, m, best
    if recipe.n_candidates == 1:
        if not draw_items(pool, taken, user, highest, n, positive, rng, items):
            return False
        for k in range(n if pool.n_given and positive < 0 else 0):
            if share_of(draw_word(rng)) < pool.given_rate:
                items[k] = a_given_item(pool, rng)
        score_items(model, user, items, n, scores)
        return True
    for k in range(n):
        if pool.n_given and positive < 0 and share_of(draw_word(rng)) < pool.given_rate:
            items[k] = a_given_item(pool, rng)
            scores[k] = score_of(model, user, items[k])
            continue
        if not draw_items(pool, taken, user, highest, recipe.n_candidates, positive, rng, candidates):
            return False
        score_items(model, user, candidates, recipe.n_candidates, candidate_scores)
        best = 0
        for m in range(1, recipe.n_candidates):
            best = m if candidate_scores[m] > candidate_scores[best] else best
        items[k] = candidates[best]
        scores[k] = candidate_scores[best]
    return True


# ---- optimisers -------------------------------------------------------------------------------------------------


cdef inline float size_of_step(const float* row, const float* direction, Py_ssize_t width, float coefficient,
                               float penalty, const Recipe* recipe, float learning_rate,
                               float* squares) noexcept nogil:
    """SGD: the learning rate. Adagrad: the learning rate over the root of the row's squared gradients so far.

    With the gradient g = coefficient * direction - penalty * row, the mean of g**2 over the factors is added up, one
    number for a row (Duchi, Hazan & Singer 2011; for rows as in Chin et al. 2015).
    """
    cdef float[LANES] lanes
    cdef float gradient
    cdef Py_ssize_t group, f, k
    if not recipe.adagrad:
        return learning_rate
    for k in range(LANES):
        lanes[k] = 0
    for group in range(width // LANES):
        f = group * LANES
        for k in range(LANES):
            gradient = coefficient * direction[f + k] - penalty * row[f + k]
            lanes[k] += gradient * gradient
    squares[0] += sum_lanes(lanes) / recipe.n_factors
    return learning_rate / sqrtf(squares[0] + FIRST_SQUARES)


cdef inline void move_row(Row row, const Row direction, Py_ssize_t width, float coefficient, float penalty,
                          const Recipe* recipe, float learning_rate, float* squares) noexcept nogil:
    """row += step * (coefficient * direction - penalty * row)."""
    cdef float step = size_of_step(<const float*>row, <const float*>direction, width, coefficient, penalty, recipe,
                                   learning_rate, squares)
    cdef float keep = <float>1 - step * penalty
    cdef Py_ssize_t f
    coefficient *= step
    for f in range(width):
        row[f] = keep * row[f] + coefficient * direction[f]


cdef inline void move_bias(float* bias, float gradient, float penalty, const Recipe* recipe, float learning_rate,
                           float* squares) noexcept nogil:
    """b += step * (gradient - penalty * b)."""
    cdef float step = learning_rate
    gradient -= penalty * bias[0]
    if recipe.adagrad:
        squares[0] += gradient * gradient
        step /= sqrtf(squares[0] + FIRST_SQUARES)
    bias[0] += step * gradient


cdef inline void move_item(const Model* model, const Recipe* recipe, Py_ssize_t width, Py_ssize_t item,
                           const float* user, float pull, float penalty, float bias_penalty) noexcept nogil:
    """Raise an item's score for the user, by a negative pull lower it. Its line of extras has bias and squares."""
    cdef float* row = model.items + item * model.item_stride
    cdef float* extras = row + width
    move_row(<Row>row, <const Row>user, width, pull, penalty, recipe, model.step.learning_rate, extras + ROW_SQUARES)
    if model.item_bias:
        move_bias(extras, pull, bias_penalty, recipe, model.step.learning_rate, extras + BIAS_SQUARES)


cdef inline void apply_width(const Model* model, const Recipe* recipe, Py_ssize_t width, float* user,
                             Py_ssize_t positive, const int32_t* negatives, const float* pulls, Py_ssize_t n,
                             float* direction) noexcept nogil:
    """Move the rows of one step. `direction` is room for a row."""
    cdef const float* row = model.items + positive * model.item_stride
    cdef float total = 0, share = <float>1 / <float>n
    cdef Py_ssize_t k, f
    for k in range(n):
        total += pulls[k]
    for f in range(width):
        direction[f] = total * row[f]
    for k in range(n):
        row = model.items + negatives[k] * model.item_stride
        for f in range(width):
            direction[f] -= pulls[k] * row[f]
    move_item(model, recipe, width, positive, user, total, model.step.reg_positive, model.step.reg_bias)
    for k in range(n):
        move_item(model, recipe, width, negatives[k], user, -pulls[k], model.step.reg_negative * share,
                  model.step.reg_bias * share)
    move_row(<Row>user, <const Row>direction, width, 1, model.step.reg_user, recipe, model.step.learning_rate,
             user + width)


cdef inline void apply_step(const Model* model, const Recipe* recipe, float* user, Py_ssize_t positive,
                            const int32_t* negatives, const float* pulls, Py_ssize_t n,
                            float* direction) noexcept nogil:
    """Move the rows of one step. The usual widths get their own unrolled copy of the loops."""
    if model.width == 64:
        apply_width(model, recipe, 64, user, positive, negatives, pulls, n, direction)
    elif model.width == 32:
        apply_width(model, recipe, 32, user, positive, negatives, pulls, n, direction)
    elif model.width == 128:
        apply_width(model, recipe, 128, user, positive, negatives, pulls, n, direction)
    elif model.width == 256:
        apply_width(model, recipe, 256, user, positive, negatives, pulls, n, direction)
    else:
        apply_width(model, recipe, model.width, user, positive, negatives, pulls, n, direction)


# ---- steps ------------------------------------------------------------------------------------------------------


cdef inline float find_violator(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                                const float* user, float highest, float positive_score, int32_t positive,
                                uint64_t* rng, int32_t* negative, float* pull, bint* is_correct) noexcept nogil:
    """WARP: draw until a negative's score is above the positive's less 1, at most n_negatives times.

    Return the loss, pull * (1 - margin), which is 0 where none was found (then negative is -1), or -1 if no place is
    free.
    """
    cdef Py_ssize_t k
    cdef float score
    negative[0] = -1
    for k in range(recipe.n_negatives):
        if not draw_scored(model, recipe, pool, taken, user, highest, 1, positive, rng, negative, &score):
            return -1
        score += offset_of(pool, negative[0])
        if k == 0:
            is_correct[0] = positive_score > score
        if score > positive_score - 1:
            pull[0] = warp_pull(pool.n_visible if positive >= 0 else model.n_items, k + 1)
            return pull[0] * (<float>1 - positive_score + score)
    negative[0] = -1
    return 0


cdef inline void apply_losses(const Model* model, const Recipe* recipe, float* row, int32_t positive,
                              float positive_score, const int32_t* negatives, float* scores, bint in_context,
                              float weight, float* direction, Sums* sums) noexcept nogil:
    """BPR and softmax: weigh the negatives, which have these scores, and move the rows."""
    cdef float[MOST_NEGATIVES] pulls
    cdef Py_ssize_t k, n = recipe.n_negatives
    sums.n_correct += positive_score > scores[0]
    sums.n_updates += 1
    if recipe.loss == SOFTMAX_LOSS:
        if recipe.corrections != NULL and not in_context:  # there, negatives are uniform
            for k in range(n):
                scores[k] -= recipe.corrections[negatives[k]]
        sums.loss += softmax_pulls(positive_score, scores, n, pulls)
    else:
        sums.loss += bpr_pulls(positive_score, scores, n, pulls)
    for k in range(n):
        pulls[k] *= weight
    apply_step(model, recipe, row, positive, negatives, pulls, n, direction)


cdef inline bint train_one(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken,
                           Py_ssize_t user, int32_t positive, float weight, uint64_t* rng, float* direction,
                           Sums* sums) noexcept nogil:
    """Make one step for a positive, with negatives of its context or with others; none, if there is no negative.

    Return whether they were of the context.
    """
    cdef float* row = model.users + user * model.user_stride
    cdef float positive_score = score_of(model, row, positive) + offset_of(pool, positive)
    cdef float highest = highest_attention(pool, row) if pool.orders != NULL else <float>0
    if is_in_context(pool, rng) and make_step(model, recipe, pool, taken, row, highest, positive, positive_score,
                                              True, weight, rng, direction, sums):
        return True
    make_step(model, recipe, pool, taken, row, highest, positive, positive_score, False,
              weight * pool.context_weight, rng, direction, sums)
    return False


cdef inline bint make_step(const Model* model, const Recipe* recipe, const Pool* pool, const Taken* taken, float* row,
                           float highest, int32_t positive, float positive_score, bint in_context, float weight,
                           uint64_t* rng, float* direction, Sums* sums) noexcept nogil:
    """Make one step for a positive that has this score; return False if there is no negative."""
    cdef:
        int32_t[MOST_NEGATIVES] negatives
        float[MOST_NEGATIVES] scores
        float loss, pull = 0
        bint is_correct = False
        Py_ssize_t k
    if recipe.loss == WARP_LOSS:
        loss = find_violator(model, recipe, pool, taken, row, highest, positive_score,
                             positive if in_context else -1, rng, negatives, &pull, &is_correct)
        if loss < 0:
            return False
        sums.loss += loss
        sums.n_correct += is_correct
        sums.n_updates += 1
        if negatives[0] >= 0:
            pull *= weight
            apply_step(model, recipe, row, positive, negatives, &pull, 1, direction)
        return True
    if not draw_scored(model, recipe, pool, taken, row, highest, recipe.n_negatives, positive if in_context else -1,
                       rng, negatives, scores):
        return False
    for k in range(recipe.n_negatives if pool.offset_items != NULL else 0):
        scores[k] += offset_of(pool, negatives[k])
    apply_losses(model, recipe, row, positive, positive_score, negatives, scores, in_context, weight, direction, sums)
    return True
