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
