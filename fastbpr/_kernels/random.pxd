"""Counter-based random numbers: every draw is a pure function of its stream's key and its position.

A stream is one 64-bit word. Draw number n of stream `key` is mix(key + n * GOLDEN), the SplitMix64 generator
(Steele, Lea & Flood 2014). Streams are keyed by what is being done (seed, epoch, bucket), never by the thread that
does it, so results do not depend on the number of threads.

Compatibility guarantee: none across versions; within a version, the same on every platform.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    SHUFFLE_STREAM = 1
    BUCKET_STREAM = 2
    USER_STREAM = 3
    CHUNK_STREAM = 4
    CONTEXT_STREAM = 5


cdef inline uint64_t mix(uint64_t word) noexcept nogil:
    """SplitMix64's finaliser: a bijection of 64-bit words that scatters neighbours."""
    word = (word ^ (word >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    word = (word ^ (word >> 27)) * <uint64_t>0x94D049BB133111EB
    return word ^ (word >> 31)


cdef inline uint64_t stream(uint64_t key, uint64_t purpose, uint64_t index) noexcept nogil:
    """Start of the stream that `key` (of an epoch) gives to part `index` of one purpose."""
    return mix(mix(key + purpose * <uint64_t>0x9E3779B97F4A7C15) + index * <uint64_t>0xD1342543DE82EF95)


cdef inline uint64_t position_at(uint64_t state, uint64_t steps) noexcept nogil:
    """The stream's word after so many draws."""
    return state + steps * <uint64_t>0x9E3779B97F4A7C15


cdef inline uint64_t word_at(uint64_t state, uint64_t steps) noexcept nogil:
    """What draw number `steps` from here will give."""
    return mix(position_at(state, steps))


cdef inline uint64_t draw_word(uint64_t* state) noexcept nogil:
    """64 uniform bits; advances the stream by one."""
    state[0] = position_at(state[0], 1)
    return mix(state[0])


cdef inline uint32_t scale_bits(uint64_t bits, uint32_t bound) noexcept nogil:
    """32 random bits scaled to 0 .. bound - 1; no value's chance is off by more than bound / 2**32 of it."""
    return <uint32_t>((bits * bound) >> 32)


cdef inline uint32_t draw_below(uint64_t* state, uint32_t bound) noexcept nogil:
    """Uniform integer in 0 .. bound - 1, bound >= 1, exactly: words that would favour some are drawn again.

    These are words whose product with the bound has a lower half below 2**32 mod bound (Lemire 2019).
    """
    cdef uint64_t word = draw_word(state)
    if <uint32_t>((word >> 32) * bound) < bound:  # the division is rarely needed
        while <uint32_t>((word >> 32) * bound) < (0 - bound) % bound:
            word = draw_word(state)
    return scale_bits(word >> 32, bound)


cdef inline uint64_t draw_below_large(uint64_t* state, uint64_t bound) noexcept nogil:
    """Uniform integer in 0 .. bound - 1 for any bound below 2**40; its bias, bound / 2**53, cannot be seen."""
    return <uint64_t>(<double>(draw_word(state) >> 11) * (1.0 / 9007199254740992.0) * <double>bound)


cdef inline float share_of(uint64_t word) noexcept nogil:
    """A word as a uniform number of [0, 1), a multiple of 2**-24."""
    return <float>(word >> 40) * <float>5.9604644775390625e-8


cdef inline int64_t draw_occurrence(const int64_t* starts, uint64_t* state) noexcept nogil:
    """One of starts[0] .. starts[1] - 1; takes a random number only where there is a choice."""
    if starts[1] - starts[0] == 1:
        return starts[0]
    return starts[0] + draw_below(state, <uint32_t>(starts[1] - starts[0]))
