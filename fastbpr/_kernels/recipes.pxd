"""How steps are made in one fit."""
from libc.stdint cimport int32_t

from fastbpr._kernels.optimizers cimport Optimizer

cdef enum:
    MOST_NEGATIVES = 1024   # of a step
    MOST_CANDIDATES = 1024  # of a negative
    MOST_POSITIVES = 1024   # that are scored to choose one

cdef struct Recipe:
    int loss
    Py_ssize_t n_negatives
    Py_ssize_t n_candidates
    Py_ssize_t n_positives    # k-OS WARP: so many are drawn ...
    Py_ssize_t positive_rank  # ... and this is the rank of the one that is taken
    Optimizer optimizer
    const float* corrections  # (n_items,)  subtracted from negatives' scores in the softmax; or NULL
    float[MOST_NEGATIVES] pulls  # WARP: of a violator found at each draw
