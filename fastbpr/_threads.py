"""How many threads a call uses."""

from __future__ import annotations

import math
import os
from pathlib import Path

from fastbpr._kernels import build_info
from fastbpr._validation import check_num_threads

# OpenMP's thread pool does not survive a fork: using it in the child would wait for ever.
_pool_started = False
_pool_lost = False


def _after_fork_in_child() -> None:
    global _pool_lost
    _pool_lost = _pool_started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def effective_threads(num_threads: int = 0) -> int:
    """Return how many threads a fit or query with this `num_threads` uses.

    Parameters
    ----------
    num_threads : int, default 0
        Number of threads, from 0 to 1024. 0 stands for every CPU that the process may use: CPU affinity, cgroup limits
        (as set for containers) and OMP_NUM_THREADS are respected.

    Returns
    -------
    int
        At least 1. Always 1 in a build without OpenMP, and in a process forked from one that had used several threads.

    Raises
    ------
    TypeError, ValueError
        If `num_threads` is not such an integer.

    Examples
    --------
    >>> effective_threads(1)
    1
    """
    num_threads = check_num_threads(num_threads)
    if not build_info.has_openmp() or _pool_lost:
        return 1
    num_threads = num_threads or usable_cpus()
    global _pool_started
    _pool_started |= num_threads > 1
    return num_threads


def usable_cpus() -> int:
    """Return the number of CPUs that the process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [available, cgroup_limit()]
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        limits.append(max(1, int(os.environ["OMP_NUM_THREADS"])))
    return min(limits)


def cgroup_limit(root: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the CPU quota of the process's control group, rounded up; infinity without one."""
    for quota_file, period_file in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = (root / quota_file).read_text().split()
            words += (root / period_file).read_text().split() if period_file else []
            quota, period = int(words[0]), int(words[1])  # "max" is no quota
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return math.ceil(quota / period)
    return math.inf
