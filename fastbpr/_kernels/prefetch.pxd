"""Starting to fetch memory before it is needed; only a hint, nothing where compilers have no word for it."""

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define FASTBPR_PREFETCH(address, to_write) __builtin_prefetch((address), (to_write), 3)
    #else
    #define FASTBPR_PREFETCH(address, to_write) ((void)(address))
    #endif
    #define FASTBPR_PREFETCH_TO_READ(address) FASTBPR_PREFETCH(address, 0)
    #define FASTBPR_PREFETCH_TO_WRITE(address) FASTBPR_PREFETCH(address, 1)
    """
    void prefetch "FASTBPR_PREFETCH_TO_READ"(const void* address) noexcept nogil
    void prefetch_to_write "FASTBPR_PREFETCH_TO_WRITE"(const void* address) noexcept nogil


cdef inline void prefetch_row(const float* row, Py_ssize_t width) noexcept nogil:
    """Start fetching all cache lines of a row that will be read."""
    cdef Py_ssize_t f
    for f in range(0, width, 16):  # floats per line
        prefetch(row + f)


cdef inline void prefetch_row_to_write(const float* row, Py_ssize_t width) noexcept nogil:
    """Start fetching all cache lines of a row that will be written."""
    cdef Py_ssize_t f
    for f in range(0, width, 16):  # floats per line
        prefetch_to_write(row + f)
