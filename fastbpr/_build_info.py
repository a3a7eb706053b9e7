"""What this installation can do."""

from __future__ import annotations

from typing import Any

from fastbpr import _kernels
from fastbpr._kernels import build_info as compiled
from fastbpr._threads import effective_threads
from fastbpr._version import __version__


def build_info() -> dict[str, Any]:
    """Tell how fastbpr was built and what it uses on this machine.

    Returns
    -------
    dict
        ``version``; ``openmp``: whether the kernels can use several threads; ``threads``: how many a fit uses by
        default; ``instruction_set``: the build of the kernels in use; ``instruction_sets``: those that this CPU runs,
        of which the environment variable FASTBPR_SIMD chooses another one.

    Examples
    --------
    >>> build_info()["instruction_set"] in build_info()["instruction_sets"]
    True
    """
    return {
        "version": __version__,
        "openmp": compiled.has_openmp(),
        "threads": effective_threads(0),
        "instruction_set": _kernels.instruction_set,
        "instruction_sets": _kernels.available_instruction_sets(),
    }
