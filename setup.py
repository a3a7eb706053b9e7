"""Extension modules and compiler flags; everything else is in pyproject.toml.

Environment switches, read at build time:

FASTBPR_OPENMP=0   build without OpenMP (one thread); the only way to do so
FASTBPR_DEBUG=1    check array bounds in the kernels (slow; for development)
LIBOMP_PREFIX      where libomp is installed on macOS, if not under Homebrew
"""

import os
import platform
import subprocess
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("FASTBPR_DEBUG", "0") != "0"
OPENMP = os.environ.get("FASTBPR_OPENMP", "1") != "0"
MSVC = sys.platform == "win32"

# Built once: no floating-point loops worth a wider instruction set.
PLAIN_MODULES = ["build_info", "partition"]
# Built once per instruction set; fastbpr/_kernels/__init__.py picks one at import.
VECTOR_MODULES = ["training", "scoring", "composition", "newcomers"]


def instruction_sets():
    """Map the suffix of each build of the vector modules to its compiler flags."""
    builds = {"": []}
    archs = os.environ.get("ARCHFLAGS", platform.machine())
    if not any(name in archs for name in ("x86_64", "AMD64")) or "arm64" in archs:
        return builds
    if MSVC:
        return builds | {"_avx2": ["/arch:AVX2"], "_avx512": ["/arch:AVX512"]}
    avx2 = ["-mavx2", "-mfma", "-mbmi2"]
    avx512 = [*avx2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
    return builds | {"_avx2": avx2, "_avx512": avx512}


def openmp_flags():
    """Compiler and linker flags that turn OpenMP on."""
    if not OPENMP:
        return [], []
    if MSVC:
        return ["/openmp"], []
    if sys.platform == "darwin":
        prefix = os.environ.get("LIBOMP_PREFIX")
        if not prefix:
            brew = subprocess.run(["brew", "--prefix", "libomp"], capture_output=True, text=True, check=False)
            prefix = brew.stdout.strip() or "/usr/local"
        return ["-Xpreprocessor", "-fopenmp", f"-I{prefix}/include"], [f"-L{prefix}/lib", "-lomp"]
    return ["-fopenmp"], ["-fopenmp"]


def extension(module, suffix="", flags=()):
    """One build of one kernel module."""
    compile_openmp, link_openmp = openmp_flags()
    optimise = ["/O2"] if MSVC else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
    return Extension(
        f"fastbpr._kernels.{module}{suffix}",
        [f"fastbpr/_kernels/{module}.pyx"],
        extra_compile_args=[*optimise, *compile_openmp, *flags],
        extra_link_args=link_openmp,
    )


def cythonized():
    """Generated C goes to build/, one folder per instruction set, so that builds do not overwrite each other."""
    directives = {
        "language_level": 3,
        "boundscheck": DEBUG,
        "wraparound": False,
        "initializedcheck": DEBUG,
        "cdivision": True,
        # By reading all of it, and by tests/test_many_threads.py with the global lock; no free-threaded interpreter was
        # at hand. Kernels have no state at module level, write only to arrays that are their call's own, and count what
        # threads share by atomic operations. What models keep in Python (compared vectors, decoded labels) is put in
        # its place whole, by one assignment, and computed twice at worst. A fit changes its own model only, which
        # nobody but its callback may ask meanwhile.
        "freethreading_compatible": True,
        "embedsignature": False,
    }
    plain = [extension(module) for module in PLAIN_MODULES]
    modules = cythonize(plain, build_dir="build/cython", compiler_directives=directives)
    for suffix, flags in instruction_sets().items():
        variants = [extension(module, suffix, flags) for module in VECTOR_MODULES]
        modules += cythonize(variants, build_dir=f"build/cython{suffix}", compiler_directives=directives)
    return modules


setup(ext_modules=cythonized())
