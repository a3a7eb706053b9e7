"""Products of several queries with several items at once: the inner loop of all scoring.

A tile is TILE queries, a panel PANEL items, both stored factor by factor: tile[f, q] and panel[f, k]. Their products
are summed over the factors in order, in as many vector registers as the instruction set has to spare, and so is the
product of one pair in `sum_in_order`: a pair has the same score, bit for bit, whichever way it is computed.
"""
from libc.stdint cimport int32_t, uint32_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #if defined(__AVX512F__)
    enum { FASTBPR_TILE = 8, FASTBPR_VECTOR = 64 };
    #elif defined(__AVX__)
    enum { FASTBPR_TILE = 4, FASTBPR_VECTOR = 32 };
    #else
    enum { FASTBPR_TILE = 4, FASTBPR_VECTOR = 16 };
    #endif
    enum { FASTBPR_PANEL = 2 * FASTBPR_VECTOR / sizeof(float) };

    #if defined(__AVX__) || defined(__SSE2__) || defined(_M_X64)
    #include <immintrin.h>
    #endif
    static inline uint32_t fastbpr_above(const float *row, float least) {
    #if defined(__AVX512F__)
        __m512 all = _mm512_set1_ps(least);
        return (uint32_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(row), all, _CMP_GT_OQ)
            | (uint32_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(row + 16), all, _CMP_GT_OQ) << 16;
    #elif defined(__AVX__)
        __m256 all = _mm256_set1_ps(least);
        return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(row), all, _CMP_GT_OQ))
            | (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(row + 8), all, _CMP_GT_OQ)) << 8;
    #elif defined(__SSE2__) || defined(_M_X64)
        __m128 all = _mm_set1_ps(least);
        return (uint32_t)_mm_movemask_ps(_mm_cmpgt_ps(_mm_loadu_ps(row), all))
            | (uint32_t)_mm_movemask_ps(_mm_cmpgt_ps(_mm_loadu_ps(row + 4), all)) << 4;
    #else
        uint32_t bits = 0;
        int k;
        for (k = 0; k < FASTBPR_PANEL; k++) bits |= (uint32_t)(row[k] > least) << k;
        return bits;
    #endif
    }

    /* As compilers contract the products of tiles. Written out, since of a plain sum they may make products first. */
    #if defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
    #include <math.h>
    #define FASTBPR_ADD(sum, a, b) fmaf((a), (b), (sum))
    #else
    #define FASTBPR_ADD(sum, a, b) ((sum) + (a) * (b))
    #endif
    static inline void fastbpr_sum_in_order(const float *query, const float *table, ptrdiff_t width, const int32_t *ids,
                                            float *products) {
        const float *row0 = table + ids[0] * width, *row1 = table + ids[1] * width, *row2 = table + ids[2] * width,
                    *row3 = table + ids[3] * width, *row4 = table + ids[4] * width, *row5 = table + ids[5] * width,
                    *row6 = table + ids[6] * width, *row7 = table + ids[7] * width;
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
        ptrdiff_t f;
        for (f = 0; f < width; f++) {
            s0 = FASTBPR_ADD(s0, query[f], row0[f]);
            s1 = FASTBPR_ADD(s1, query[f], row1[f]);
            s2 = FASTBPR_ADD(s2, query[f], row2[f]);
            s3 = FASTBPR_ADD(s3, query[f], row3[f]);
            s4 = FASTBPR_ADD(s4, query[f], row4[f]);
            s5 = FASTBPR_ADD(s5, query[f], row5[f]);
            s6 = FASTBPR_ADD(s6, query[f], row6[f]);
            s7 = FASTBPR_ADD(s7, query[f], row7[f]);
        }
        products[0] = s0; products[1] = s1; products[2] = s2; products[3] = s3;
        products[4] = s4; products[5] = s5; products[6] = s6; products[7] = s7;
    }

    #if defined(__GNUC__)
    #define FASTBPR_LOWEST(bits) __builtin_ctz(bits)
    #else
    #include <intrin.h>
    static int FASTBPR_LOWEST(uint32_t bits) {
        unsigned long index;
        _BitScanForward(&index, bits);
        return (int)index;
    }
    #endif

    #if defined(__GNUC__)
    #include <string.h>
    typedef float fastbpr_vector __attribute__((vector_size(FASTBPR_VECTOR)));
    /* Not inlined: elsewhere, compilers run out of registers and load x and y again for every query. */
    __attribute__((noinline))
    static void fastbpr_multiply(const float *tile, const float *panel, ptrdiff_t width, float *products) {
        fastbpr_vector left[FASTBPR_TILE] = {{0}}, right[FASTBPR_TILE] = {{0}}, x, y;
        ptrdiff_t f;
        int q;
        for (f = 0; f < width; f++, tile += FASTBPR_TILE, panel += FASTBPR_PANEL) {
            memcpy(&x, panel, sizeof x);
            memcpy(&y, panel + FASTBPR_PANEL / 2, sizeof y);
            #pragma GCC unroll 8
            for (q = 0; q < FASTBPR_TILE; q++) {
                left[q] += tile[q] * x;
                right[q] += tile[q] * y;
            }
        }
        #pragma GCC unroll 8
        for (q = 0; q < FASTBPR_TILE; q++) {
            memcpy(products + q * FASTBPR_PANEL, &left[q], sizeof x);
            memcpy(products + q * FASTBPR_PANEL + FASTBPR_PANEL / 2, &right[q], sizeof y);
        }
    }
    #else
    static void fastbpr_multiply(const float *tile, const float *panel, ptrdiff_t width, float *products) {
        ptrdiff_t f;
        int q, k;
        for (k = 0; k < FASTBPR_TILE * FASTBPR_PANEL; k++) products[k] = 0;
        for (f = 0; f < width; f++, tile += FASTBPR_TILE, panel += FASTBPR_PANEL)
            for (q = 0; q < FASTBPR_TILE; q++)
                for (k = 0; k < FASTBPR_PANEL; k++) products[q * FASTBPR_PANEL + k] += tile[q] * panel[k];
    }
    #endif
    """
    enum:
        TILE "FASTBPR_TILE"
        PANEL "FASTBPR_PANEL"
    # products[q, k] = sum over f of tile[f, q] * panel[f, k]
    void multiply "fastbpr_multiply"(const float* tile, const float* panel, Py_ssize_t width,
                                     float* products) noexcept nogil
    # products[j] = query . table[ids[j]] for TOGETHER items
    void sum_in_order "fastbpr_sum_in_order"(const float* query, const float* table, Py_ssize_t width,
                                             const int32_t* ids, float* products) noexcept nogil
    float add_product "FASTBPR_ADD"(float total, float a, float b) noexcept nogil  # total + a * b
    uint32_t above "fastbpr_above"(const float* row, float least) noexcept nogil  # bit k: whether row[k] > least
    int lowest "FASTBPR_LOWEST"(uint32_t bits) noexcept nogil  # the lowest bit that is set; there must be one

cdef enum:
    MAX_TILE = 8    # the largest TILE and PANEL, for arrays on the stack
    MAX_PANEL = 32
    TOGETHER = 8    # pairs whose sums are computed side by side, so that they do not wait for themselves


cdef inline void pack_rows(const float* table, Py_ssize_t width, const int32_t* ids, Py_ssize_t size,
                           Py_ssize_t lanes, float* packed) noexcept nogil:
    """packed[f, k] = table[ids[k], f] for `size` <= lanes rows, zero for the lanes left over."""
    cdef Py_ssize_t f, k
    cdef const float* row
    for k in range(size):
        row = table + ids[k] * width
        for f in range(width):
            packed[f * lanes + k] = row[f]
    for k in range(size, lanes):
        for f in range(width):
            packed[f * lanes + k] = 0
