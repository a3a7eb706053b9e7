"""One step of any kind: a positive and its negatives, drawn, scored, weighed by a loss, and applied by an optimiser.

This is the general way. The usual one, BPR with one uniform negative by SGD, goes through `batches.pxd`, which does
the same updates for many triplets at a time.

A step draws `n_negatives` negatives; each is the highest-scored of `n_candidates` draws. The rows move along the
gradient of

    weight * loss(s_i, s_1 .. s_n) + (reg_user |p|^2 + reg_positive |q_i|^2 + reg_negative / n * sum of |q_k|^2) / 2,

all from their values before the step (a negative that was drawn twice moves twice). Penalties of negatives are shared
out, so that more negatives do not mean more shrinking.
"""
from libc.stdint cimport int32_t, uint64_t

from fastbpr._kernels.batches cimport Model, Sums
from fastbpr._kernels.contexts cimport is_in_context, offset_of
from fastbpr._kernels.drawing cimport draw_scored, item_at, score_of
from fastbpr._kernels.losses cimport (
    K_OS_WARP_LOSS, LOGISTIC_LOSS, SOFTMAX_LOSS, WARP_LOSS, bpr_pulls, softmax_pulls,
)
from fastbpr._kernels.negatives cimport Pool, Taken, highest_attention
from fastbpr._kernels.optimizers cimport move_item, move_user
from fastbpr._kernels.recipes cimport MOST_NEGATIVES, Recipe
from fastbpr._kernels.signs cimport train_signed
from fastbpr._kernels.violators cimport choose_positive, find_violator

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
    move_item(model, &recipe.optimizer, width, positive, user, total, model.step.reg_positive, model.step.reg_bias)
    for k in range(n):
        move_item(model, &recipe.optimizer, width, negatives[k], user, -pulls[k], model.step.reg_negative * share,
                  model.step.reg_bias * share)
    move_user(model, &recipe.optimizer, width, user, direction, 1)


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

    Return whether they were of the context. By k-OS WARP the step is about one of the user's positives at hand, and has
    its weight.
    """
    cdef float* row = model.users + user * model.user_stride
    cdef float positive_score = 0
    cdef Py_ssize_t number
    cdef float highest
    if recipe.loss == LOGISTIC_LOSS:
        train_signed(model, &recipe.optimizer, row, positive, weight, direction, sums)
        return False
    if recipe.loss == K_OS_WARP_LOSS:
        number = choose_positive(model, recipe, pool, row, rng, &positive_score)
        positive = item_at(pool, pool.own[number])
        weight = pool.own_weights[number] if pool.own_weights != NULL else <float>1
    else:
        positive_score = score_of(model, row, positive) + offset_of(pool, positive)
    highest = highest_attention(pool, row) if pool.orders != NULL else <float>0
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
    if recipe.loss == WARP_LOSS or recipe.loss == K_OS_WARP_LOSS:
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
