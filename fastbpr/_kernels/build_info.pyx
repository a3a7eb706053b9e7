"""What this build can do and what this CPU offers: OpenMP and instruction sets."""

cdef extern from *:
    """
    #if defined(_OPENMP)
    #define FASTBPR_OPENMP 1
    #else
    #define FASTBPR_OPENMP 0
    #endif

    #if defined(_MSC_VER) && defined(_M_X64)
    #include <immintrin.h>
    #include <intrin.h>
    static int fastbpr_has(int wide) {
        int leaf1[4], leaf7[4];
        unsigned long long state;
        __cpuid(leaf1, 1);
        __cpuidex(leaf7, 7, 0);
        if (!(leaf1[2] & (1 << 27))) return 0;                       /* OSXSAVE */
        state = _xgetbv(0);
        if ((state & 0x6) != 0x6 || !(leaf1[2] & (1 << 12)) || !(leaf7[1] & (1 << 5))
            || !(leaf7[1] & (1 << 8))) return 0;                     /* FMA, AVX2, BMI2 */
        if (!wide) return 1;
        return (state & 0xe6) == 0xe6 && (leaf7[1] & (1 << 16)) && (leaf7[1] & (1 << 17))
            && (leaf7[1] & (1 << 30)) && (leaf7[1] & (1u << 31));    /* F, DQ, BW, VL */
    }
    #elif defined(__x86_64__)
    static int fastbpr_has(int wide) {
        __builtin_cpu_init();
        if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
              && __builtin_cpu_supports("bmi2"))) return 0;
        if (!wide) return 1;
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int fastbpr_has(int wide) { (void)wide; return 0; }
    #endif
    """
    int FASTBPR_OPENMP
    int fastbpr_has(int wide)


def has_openmp():
    """Tell whether the kernels were compiled with OpenMP."""
    return FASTBPR_OPENMP == 1


def supported_instruction_sets():
    """Names of the instruction sets this CPU and operating system run, widest first."""
    names = []
    if fastbpr_has(1):
        names.append("avx512")
    if fastbpr_has(0):
        names.append("avx2")
    names.append("baseline")
    return names
