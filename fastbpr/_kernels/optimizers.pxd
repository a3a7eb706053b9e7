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


cdef inline float size_of_step(float square, const Optimizer* optimizer, float learning_rate,
                               float* squares) noexcept nogil:
    """What Adagrad or Adadelta make of the learning rate, with the mean of the squared gradient of a row.

    There is one number for a row. Adagrad divides by the root of the sum (Duchi, Hazan & Singer 2011; for rows as in
    Chin et al. 2015).
    """
    if optimizer.kind == ADADELTA:
        return learning_rate * adadelta_size(square, squares, optimizer)
    squares[0] += square
    return learning_rate / sqrtf(squares[0] + FIRST_SQUARES)


cdef inline float mean_square(const float* row, const float* direction, Py_ssize_t width, float coefficient,
                              float penalty, float n_factors) noexcept nogil:
    """The mean over the factors of g**2, g = coefficient * direction - penalty * row being the gradient."""
    cdef float[LANES] lanes
    cdef float gradient
    cdef Py_ssize_t group, f, k
    for k in range(LANES):
        lanes[k] = 0
    for group in range(width // LANES):
        f = group * LANES
        for k in range(LANES):
            gradient = coefficient * direction[f + k] - penalty * row[f + k]
            lanes[k] += gradient * gradient
    return sum_lanes(lanes) / n_factors


cdef inline void move_row(Row row, const Row direction, Py_ssize_t width, float coefficient, float penalty,
                          const Optimizer* optimizer, float learning_rate, float* squares) noexcept nogil:
    """row += step * (coefficient * direction - penalty * row)."""
    cdef float keep, step = learning_rate
    cdef Py_ssize_t f
    if optimizer.kind != SGD:
        step = size_of_step(mean_square(<const float*>row, <const float*>direction, width, coefficient, penalty,
                                        optimizer.n_factors), optimizer, learning_rate, squares)
    keep = <float>1 - step * penalty
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


cdef inline void move_user(const Model* model, const Optimizer* optimizer, Py_ssize_t width, Row user,
                           const Row gradient) noexcept nogil:
    """Move a user's row; the gradient is that of the loss, without the penalty."""
    cdef float keep, step = model.step.learning_rate, penalty = model.step.reg_user
    cdef Py_ssize_t f
    if optimizer.kind != SGD:
        step = size_of_step(mean_square(<const float*>user, <const float*>gradient, width, 1, penalty,
                                        optimizer.n_factors), optimizer, step, <float*>user + width + USER_ROW_SQUARES)
    keep = <float>1 - step * penalty
    for f in range(width):
        user[f] = keep * user[f] + step * gradient[f]
