"""Starting to fetch memory before it is needed; only a hint, nothing where compilers have no word for it."""

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define FASTBPR_PREFETCH(address) __builtin_prefetch((address), 1, 3)
    #else
    #define FASTBPR_PREFETCH(address) ((void)(address))
    #endif
    """
    void prefetch "FASTBPR_PREFETCH"(const void* address) noexcept nogil


cdef inline void prefetch_row(const float* row, Py_ssize_t width) noexcept nogil:
    """Start fetching all cache lines of a row."""
    cdef Py_ssize_t f
    for f in range(0, width, 16):  # floats per line
        prefetch(row + f)
