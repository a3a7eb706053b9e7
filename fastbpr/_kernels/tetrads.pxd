"""Context tetrads: two users of one context and what each chose there, compared crosswise.

With positives (u, i) and (v, j) of the same context, neither user having the other's item,

    Delta = (p_u - p_v).(q_i - q_j),    loss = softplus(-Delta / 2).

It is s_ui + s_vj - s_uj - s_vi, so whatever a context adds to the scores of all its items, or of one item for all its
users, cancels: what is left is who preferred what (the tetrad logit of Graham 2017; biases cancel, too).
"""
from libc.stdint cimport int32_t, int64_t

from fastbpr._kernels.batches cimport Model, Sums
from fastbpr._kernels.optimizers cimport ROW_SQUARES, move_row
from fastbpr._kernels.pointwise cimport Row, dot, loss_of, pull_of, softplus_of
from fastbpr._kernels.recipes cimport Recipe
from fastbpr._kernels.search cimport contains

cdef struct Tetrads:
    const float* rates            # (n_contexts,)  share of a context's steps that are tetrads; NULL if there are none
    const int64_t* liked_starts   # the training positives, canonical CSR
    const int32_t* liked_items
    const int64_t* row_starts     # hogwild: (n_contexts + 1,)  what happened in each context
    const int32_t* row_users
    const int32_t* row_items
    const float* row_weights      # or NULL


cdef inline Tetrads tetrads_of(object contexts) except *:
    """The arrays of a `_context_arrays.ContextArrays` as plain pointers; the caller keeps them alive."""
    cdef:
        Tetrads own
        const float[::1] rates = contexts.tetrad_rates
        const int64_t[::1] liked_starts = contexts.liked_starts
        const int32_t[::1] liked_items = contexts.liked_items
        const int64_t[::1] row_starts = contexts.row_starts
        const int32_t[::1] row_users = contexts.row_users
        const int32_t[::1] row_items = contexts.row_items
        const float[::1] row_weights = contexts.row_weights
    own.rates = &rates[0] if rates.shape[0] else NULL
    own.liked_starts = &liked_starts[0]
    own.liked_items = &liked_items[0]
    own.row_starts = &row_starts[0] if row_starts.shape[0] else NULL
    own.row_users = &row_users[0] if row_users.shape[0] else NULL
    own.row_items = &row_items[0] if row_items.shape[0] else NULL
    own.row_weights = &row_weights[0] if row_weights.shape[0] else NULL
    return own


cdef inline bint likes(const Tetrads* tetrads, Py_ssize_t user, int32_t item) noexcept nogil:
    """Whether an item is one of the user's positives; the user has at least one."""
    cdef int64_t first = tetrads.liked_starts[user]
    return contains(tetrads.liked_items + first, tetrads.liked_starts[user + 1] - first, item)


cdef inline void apply_width(const Model* model, const Recipe* recipe, Py_ssize_t width, float* p_u, float* q_i,
                             float* p_v, float* q_j, float weight, float* room, Sums* sums) noexcept nogil:
    """Move four rows, all from their values before the step."""
    cdef:
        float* users = room
        float* items = room + width
        float half_delta, pull, rate = model.step.learning_rate
        Py_ssize_t f
    for f in range(width):
        users[f] = p_u[f] - p_v[f]
        items[f] = q_i[f] - q_j[f]
    half_delta = <float>0.5 * dot(users, items, width)
    pull = <float>0.5 * weight * pull_of(half_delta)
    move_row(<Row>p_u, <const Row>items, width, pull, model.step.reg_user, &recipe.optimizer, rate, p_u + width)
    move_row(<Row>p_v, <const Row>items, width, -pull, model.step.reg_user, &recipe.optimizer, rate, p_v + width)
    move_row(<Row>q_i, <const Row>users, width, pull, model.step.reg_positive, &recipe.optimizer, rate,
             q_i + width + ROW_SQUARES)
    move_row(<Row>q_j, <const Row>users, width, -pull, model.step.reg_positive, &recipe.optimizer, rate,
             q_j + width + ROW_SQUARES)
    sums.loss += loss_of(softplus_of(half_delta))
    sums.n_correct += half_delta > 0
    sums.n_updates += 1


cdef inline void apply_tetrad(const Model* model, const Recipe* recipe, Py_ssize_t first_user, Py_ssize_t first_item,
                              Py_ssize_t second_user, Py_ssize_t second_item, float weight, float* room,
                              Sums* sums) noexcept nogil:
    """Make the step of two positives. `room` is for two rows. The usual widths get their own copy of the loops."""
    cdef:
        float* p_u = model.users + first_user * model.user_stride
        float* p_v = model.users + second_user * model.user_stride
        float* q_i = model.items + first_item * model.item_stride
        float* q_j = model.items + second_item * model.item_stride
    if model.width == 64:
        apply_width(model, recipe, 64, p_u, q_i, p_v, q_j, weight, room, sums)
    elif model.width == 32:
        apply_width(model, recipe, 32, p_u, q_i, p_v, q_j, weight, room, sums)
    elif model.width == 128:
        apply_width(model, recipe, 128, p_u, q_i, p_v, q_j, weight, room, sums)
    else:
        apply_width(model, recipe, model.width, p_u, q_i, p_v, q_j, weight, room, sums)


cdef inline bint try_tetrad(const Model* model, const Recipe* recipe, const Tetrads* tetrads, int32_t user,
                            int32_t item, int32_t other_user, int32_t other_item, float weight, float* room,
                            Sums* sums) noexcept nogil:
    """Make the step of two positives; return False if that is none, because one of the users has both items."""
    if (
        user == other_user or item == other_item
        or likes(tetrads, user, other_item) or likes(tetrads, other_user, item)
    ):
        return False
    apply_tetrad(model, recipe, user, item, other_user, other_item, weight, room, sums)
    return True
