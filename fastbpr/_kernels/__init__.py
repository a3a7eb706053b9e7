"""The compiled kernels, in the widest build that this CPU runs.

`training`, `scoring`, `composition` and `newcomers` are compiled once per instruction set. The choice is made here, at
import, and can be overridden by the environment variable FASTBPR_SIMD (avx512, avx2 or baseline), for instance to
compare the builds.
"""

import importlib
import importlib.util
import os

try:
    from fastbpr._kernels import build_info
except ImportError as error:
    raise ImportError(
        "fastbpr's compiled modules are not here. If this is a checkout of its sources, install it first "
        "(pip install -e .), or work in another folder than the checkout."
    ) from error

_SUFFIXES = {"avx512": "_avx512", "avx2": "_avx2", "baseline": ""}
_MODULES = ("training", "scoring", "composition", "newcomers")


def _built(name: str) -> bool:
    return importlib.util.find_spec(f"fastbpr._kernels.training{_SUFFIXES[name]}") is not None


def available_instruction_sets() -> list[str]:
    """Names of the builds that are installed and that this CPU runs, widest first."""
    return [name for name in build_info.supported_instruction_sets() if _built(name)]


def load(name: str):
    """Return the modules (training, scoring, composition, newcomers) of one build."""
    suffix = _SUFFIXES[name]
    return tuple(importlib.import_module(f"fastbpr._kernels.{module}{suffix}") for module in _MODULES)


def _choose() -> str:
    available = available_instruction_sets()
    wanted = os.environ.get("FASTBPR_SIMD", available[0])
    if wanted not in available:
        raise ImportError(
            f"FASTBPR_SIMD must be one of {', '.join(available)} on this machine, got {wanted!r}. "
            "Unset it to let fastbpr choose."
        )
    return wanted


instruction_set = _choose()
training, scoring, composition, newcomers = load(instruction_set)
