"""Logistic loss: one step for an interaction that says whether a user wants an item or not, without any negative.

With the score s = p_u . q_i + b_i + b_u and the sign y, +1 or -1, the rows and biases move along the gradient of

    |weight| * -ln sigmoid(y s) + (reg_user |p|^2 + reg |q_i|^2 + reg_bias (b_i^2 + b_u^2)) / 2,

all from their values before the step; reg is that of positives or of negatives, by the sign. The weight has the sign y.
"""
from libc.stdint cimport int32_t

from fastbpr._kernels.batches cimport Model, Sums
from fastbpr._kernels.drawing cimport score_of
from fastbpr._kernels.optimizers cimport USER_BIAS, USER_BIAS_SQUARES, Optimizer, move_bias, move_item, move_user
from fastbpr._kernels.pointwise cimport loss_of, pull_of, softplus_of


cdef inline void apply_width(const Model* model, const Optimizer* optimizer, Py_ssize_t width, float* user,
                             Py_ssize_t item, float pull, float penalty, float* direction) noexcept nogil:
    """Move the rows and biases of one step. `direction` is room for a row."""
    cdef const float* row = model.items + item * model.item_stride
    cdef float* extras = user + width
    cdef Py_ssize_t f
    for f in range(width):
        direction[f] = row[f]
    move_item(model, optimizer, width, item, user, pull, penalty, model.step.reg_bias)
    move_user(model, optimizer, width, user, direction, pull)
    if model.user_bias:
        move_bias(extras + USER_BIAS, pull, model.step.reg_bias, optimizer, model.step.learning_rate,
                  extras + USER_BIAS_SQUARES)


cdef inline void train_signed(const Model* model, const Optimizer* optimizer, float* user, int32_t item, float weight,
                              float* direction, Sums* sums) noexcept nogil:
    """Make one step. The usual widths get their own unrolled copy of the loops."""
    cdef float margin = score_of(model, user, item) + (user[model.width + USER_BIAS] if model.user_bias else <float>0)
    cdef float penalty = model.step.reg_positive, pull
    if weight < 0:
        margin = -margin
        penalty = model.step.reg_negative
    pull = weight * pull_of(margin)
    sums.loss += loss_of(softplus_of(margin))
    sums.n_correct += margin > 0
    sums.n_updates += 1
    if model.width == 64:
        apply_width(model, optimizer, 64, user, item, pull, penalty, direction)
    elif model.width == 32:
        apply_width(model, optimizer, 32, user, item, pull, penalty, direction)
    elif model.width == 128:
        apply_width(model, optimizer, 128, user, item, pull, penalty, direction)
    else:
        apply_width(model, optimizer, model.width, user, item, pull, penalty, direction)
