"""Membership in a sorted list."""
from libc.stdint cimport int32_t


cdef inline bint contains(const int32_t* ascending, Py_ssize_t size, int32_t value) noexcept nogil:
    """Whether `value` is among `size` >= 1 sorted values; a binary search without a branch on the data."""
    cdef Py_ssize_t half
    while size > 1:
        half = size >> 1
        ascending += half if ascending[half] <= value else 0
        size -= half
    return ascending[0] == value


cdef enum:
    PADDING = 16  # values that must be readable after the last list for `contains_padded`


cdef inline bint contains_padded(const int32_t* ascending, Py_ssize_t size, int32_t value) noexcept nogil:
    """The same for lists that are mostly short and lie in an array with PADDING more values at its end.

    Up to PADDING values are compared at once, those past the list masked out: no branch to mispredict.
    """
    cdef Py_ssize_t k
    cdef int32_t n = <int32_t>size
    cdef int32_t found = 0
    if size > PADDING:
        return contains(ascending, size, value)
    for k in range(PADDING):
        found |= (ascending[k] == value) & (<int32_t>k < n)
    return found
