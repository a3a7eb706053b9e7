"""Threads that share tasks, and wait for each other without holding on to the CPU.

A parallel loop of OpenMP ends in a barrier at which threads spin for milliseconds; where other programs want the CPU,
a thread that has lost it makes all the others spin, stage after stage. Here threads take what can be done, wait only
for what their task needs, and give the CPU away while they wait.
"""
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(_MSC_VER)
      #include <intrin.h>
      __declspec(dllimport) int __stdcall SwitchToThread(void);
      #define FASTBPR_TAKE(counter) _InterlockedExchangeAdd64((volatile long long *)(counter), 1)
      #define FASTBPR_LOAD(counter) _InterlockedOr64((volatile long long *)(counter), 0)
      #define FASTBPR_CLAIM(counter, value) \
        (_InterlockedCompareExchange64((volatile long long *)(counter), (value) + 1, (value)) == (value))
      #define FASTBPR_STORE(counter, value) ((void)_InterlockedExchange64((volatile long long *)(counter), (value)))
      #define FASTBPR_SPIN() ((void)0)
      #define FASTBPR_YIELD() ((void)SwitchToThread())
    #else
      #include <sched.h>
      #define FASTBPR_TAKE(counter) __atomic_fetch_add((counter), 1, __ATOMIC_ACQ_REL)
      #define FASTBPR_LOAD(counter) __atomic_load_n((counter), __ATOMIC_ACQUIRE)
      #define FASTBPR_CLAIM(counter, value) __sync_bool_compare_and_swap((counter), (value), (value) + 1)
      #define FASTBPR_STORE(counter, value) __atomic_store_n((counter), (value), __ATOMIC_RELEASE)
      #if defined(__x86_64__) || defined(__i386__)
        #define FASTBPR_SPIN() __builtin_ia32_pause()
      #else
        #define FASTBPR_SPIN() ((void)0)
      #endif
      #define FASTBPR_YIELD() ((void)sched_yield())
    #endif
    """
    int64_t take_ticket "FASTBPR_TAKE"(int64_t* counter) noexcept nogil  # returns the count before, adds one
    bint claim "FASTBPR_CLAIM"(int64_t* counter, int64_t value) noexcept nogil  # add one if it has this value
    int64_t read_counter "FASTBPR_LOAD"(const int64_t* counter) noexcept nogil
    void set_counter "FASTBPR_STORE"(int64_t* counter, int64_t value) noexcept nogil
    void spin "FASTBPR_SPIN"() noexcept nogil
    void give_way "FASTBPR_YIELD"() noexcept nogil

cdef enum:
    SPINS = 100  # before a waiting thread gives the CPU away; about a microsecond


cdef inline void wait_a_little(Py_ssize_t n_waits) noexcept nogil:
    """Spin, or give the CPU away after many waits in a row."""
    if n_waits < SPINS:
        spin()
    else:
        give_way()


cdef inline void wait_for(const int64_t* counter, int64_t value) noexcept nogil:
    """Return when the counter has reached a value; what its setter wrote before is visible then."""
    cdef Py_ssize_t n_waits = 0
    while read_counter(counter) < value:
        n_waits += 1
        wait_a_little(n_waits)
