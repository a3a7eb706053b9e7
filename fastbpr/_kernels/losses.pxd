"""Losses over one positive and several negatives: how far each negative is pushed away, and the loss that is reported.

Notation: s_i is the positive's score, s_1 .. s_n those of the negatives. The pull of negative k is minus the derivative
of the loss by s_i - s_k: the update raises the positive by the sum of the pulls and lowers each negative by its own.
"""
from libc.math cimport expf, logf

from fastbpr._kernels.pointwise cimport loss_of, pull_of, softplus_of

cdef enum:
    BPR_LOSS = 0
    WARP_LOSS = 1
    SOFTMAX_LOSS = 2
    K_OS_WARP_LOSS = 3
    LOGISTIC_LOSS = 4  # of one interaction: see signs.pxd


cdef inline float bpr_pulls(float positive, const float* negatives, Py_ssize_t n, float* pulls) noexcept nogil:
    """Mean over the negatives of -ln sigmoid(s_i - s_k) (Rendle et al. 2009)."""
    cdef float share = <float>1 / <float>n, loss = 0
    cdef Py_ssize_t k
    for k in range(n):
        pulls[k] = pull_of(positive - negatives[k]) * share
    for k in range(n):
        loss += loss_of(softplus_of(positive - negatives[k])) * share
    return loss


cdef inline float softmax_pulls(float positive, const float* negatives, Py_ssize_t n, float* pulls) noexcept nogil:
    """-ln of the positive's share of exp(s_i) + exp(s_1) + .. + exp(s_n); a pull is the negative's own share.

    With one negative this is the loss of BPR.
    """
    cdef float highest = positive, total
    cdef Py_ssize_t k
    for k in range(n):
        highest = negatives[k] if negatives[k] > highest else highest
    total = expf(positive - highest)
    for k in range(n):
        pulls[k] = expf(negatives[k] - highest)
        total += pulls[k]
    for k in range(n):
        pulls[k] /= total
    return logf(total) + highest - positive


cdef inline float harmonic(float n) noexcept nogil:
    """1 + 1/2 + .. + 1/n to 0.1 %, by ln(n + 1/2) + gamma + 1 / (24 (n + 1/2)**2)."""
    cdef float shifted = n + <float>0.5
    return logf(shifted) + <float>0.57721566 + <float>1 / (<float>24 * shifted * shifted)


cdef inline float warp_pull(Py_ssize_t n_items, Py_ssize_t n_drawn) noexcept nogil:
    """Weight of a violation found at draw n_drawn (Weston, Bengio & Usunier 2011), at most 1.

    The positive's rank is about (n_items - 1) / n_drawn, and its weight 1 + 1/2 + .. + 1/rank; here over that of the
    last rank, so that learning rates mean for all losses the same.
    """
    cdef float last = <float>(n_items - 1 if n_items > 2 else 1)
    cdef float rank = <float>((n_items - 1) // n_drawn)
    return harmonic(rank if rank > 1 else <float>1) / harmonic(last)
