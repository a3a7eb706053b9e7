"""How far a row or a bias moves along its gradient: by SGD, Adagrad or Adadelta, and what the latter two remember.

The sums that they keep are in a row's line of extras, one for the row and one for its bias: of an item

    bias, row's squares, bias's squares, row's updates, bias's updates

and of a user

    row's squares, bias's squares, row's updates, bias's updates, bias.
"""
from libc.math cimport sqrtf

from fastbpr._kernels.batches cimport Model
from fastbpr._kernels.pointwise cimport LANES, Row, sum_lanes

cdef enum:
    SGD = 0
    ADAGRAD = 1
    ADADELTA = 2
    ROW_SQUARES = 1         # places in an item's line of extras, the bias being at 0
    BIAS_SQUARES = 2
    USER_ROW_SQUARES = 0    # places in a user's
    USER_BIAS_SQUARES = 1
    USER_BIAS = 4
    TO_UPDATES = 2          # from squares to the squared updates of the same row or bias

cdef extern from *:
    """
    #define FASTBPR_FIRST_SQUARES 0.1f
    """
    const float FIRST_SQUARES "FASTBPR_FIRST_SQUARES"  # what Adagrad's sums start from

cdef struct Optimizer:
    int kind
    float rho        # of Adadelta
    float epsilon    # of Adadelta
    float n_factors  # without padding


cdef inline float adadelta_size(float square, float* squares, const Optimizer* optimizer) noexcept nogil:
    """sqrt((E[u**2] + epsilon) / (E[g**2] + epsilon)) for a mean squared gradient (Zeiler 2012).

    E[x] is rho times what it was before and 1 - rho times the new x. An update u is this size times g; that of the
    step at hand counts from the next one on.
    """
    cdef float* updates = squares + TO_UPDATES
    cdef float rest = <float>1 - optimizer.rho
    cdef float ratio
    squares[0] = optimizer.rho * squares[0] + rest * square
    ratio = (updates[0] + optimizer.epsilon) / (squares[0] + optimizer.epsilon)
    updates[0] = optimizer.rho * updates[0] + rest * ratio * square
    return sqrtf(ratio)


cdef inline float size_of_step(const float* row, const float* direction, Py_ssize_t width, float coefficient,
                               float penalty, const Optimizer* optimizer, float learning_rate,
                               float* squares) noexcept nogil:
    """The learning rate, times what the optimiser makes of the row's gradients so far.

    With the gradient g = coefficient * direction - penalty * row, it is the mean of g**2 over the factors that counts,
    one number for a row. Adagrad divides by the root of their sum (Duchi, Hazan & Singer 2011; for rows as in Chin et
    al. 2015).
    """
    cdef float[LANES] lanes
    cdef float gradient
    cdef Py_ssize_t group, f, k
    if optimizer.kind == SGD:
        return learning_rate
    for k in range(LANES):
        lanes[k] = 0
    for group in range(width // LANES):
        f = group * LANES
        for k in range(LANES):
            gradient = coefficient * direction[f + k] - penalty * row[f + k]
            lanes[k] += gradient * gradient
    if optimizer.kind == ADADELTA:
        return learning_rate * adadelta_size(sum_lanes(lanes) / optimizer.n_factors, squares, optimizer)
    squares[0] += sum_lanes(lanes) / optimizer.n_factors
    return learning_rate / sqrtf(squares[0] + FIRST_SQUARES)


cdef inline void move_row(Row row, const Row direction, Py_ssize_t width, float coefficient, float penalty,
                          const Optimizer* optimizer, float learning_rate, float* squares) noexcept nogil:
    """row += step * (coefficient * direction - penalty * row)."""
    cdef float step = size_of_step(<const float*>row, <const float*>direction, width, coefficient, penalty, optimizer,
                                   learning_rate, squares)
    cdef float keep = <float>1 - step * penalty
    cdef Py_ssize_t f
    coefficient *= step
    for f in range(width):
        row[f] = keep * row[f] + coefficient * direction[f]


cdef inline void move_bias(float* bias, float gradient, float penalty, const Optimizer* optimizer, float learning_rate,
                           float* squares) noexcept nogil:
    """b += step * (gradient - penalty * b)."""
    cdef float step = learning_rate
    gradient -= penalty * bias[0]
    if optimizer.kind == ADAGRAD:
        squares[0] += gradient * gradient
        step /= sqrtf(squares[0] + FIRST_SQUARES)
    elif optimizer.kind == ADADELTA:
        step *= adadelta_size(gradient * gradient, squares, optimizer)
    bias[0] += step * gradient


cdef inline void move_item(const Model* model, const Optimizer* optimizer, Py_ssize_t width, Py_ssize_t item,
                           const float* user, float pull, float penalty, float bias_penalty) noexcept nogil:
    """Raise an item's score for the user, by a negative pull lower it."""
    cdef float* row = model.items + item * model.item_stride
    cdef float* extras = row + width
    move_row(<Row>row, <const Row>user, width, pull, penalty, optimizer, model.step.learning_rate,
             extras + ROW_SQUARES)
    if model.item_bias:
        move_bias(extras, pull, bias_penalty, optimizer, model.step.learning_rate, extras + BIAS_SQUARES)


cdef inline void move_user(const Model* model, const Optimizer* optimizer, Py_ssize_t width, float* user,
                           const float* direction, float coefficient) noexcept nogil:
    """Move a user's row along a direction."""
    move_row(<Row>user, <const Row>direction, width, coefficient, model.step.reg_user, optimizer,
             model.step.learning_rate, user + width + USER_ROW_SQUARES)
