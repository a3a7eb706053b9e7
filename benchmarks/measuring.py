"""Measuring on a machine that has other things to do: in turn, again and again, and with an eye on the others."""

import multiprocessing
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from peers import SAME
from power_law import SIZES, power_law
from tqdm import tqdm
from workers import Remote, own_cpu_seconds


def interleaved(runs, n_repetitions):
    """Call everything in turn, again and again, so that a slow minute of the machine does not hit one of them alone.

    `runs` has functions, and the result the list of what each returned.
    """
    results = {key: [] for key in runs}
    for key in tqdm(list(runs) * n_repetitions, leave=False):
        results[key].append(runs[key]())
    return results


def cost(fit):
    """Nanoseconds of wall time per useful update: the median of the epochs after the first, which is a warm-up."""
    return median(1e9 * seconds / n for seconds, n in zip(fit.epochs[1:], fit.n_updates[1:], strict=True))


class OtherProcesses:
    """How many CPUs other processes use from now on."""

    def __init__(self, trainers):
        self.workers = [trainer for trainer in trainers if isinstance(trainer, Remote)]
        self.start = time.perf_counter(), self.cpu_seconds()

    def n_cpus(self):
        used = (self.cpu_seconds() - self.start[1]) / (time.perf_counter() - self.start[0])
        return max(used, 0.0)  # the system counts in coarse steps

    def cpu_seconds(self):
        """Return how much CPU all processes but ours have used; NaN where the system does not say."""
        try:
            user, nice, system = (int(ticks) for ticks in Path("/proc/stat").read_text().split()[1:4])
        except OSError:
            return float("nan")
        ours = own_cpu_seconds() + sum(worker.cpu_seconds() for worker in self.workers)
        return (user + nice + system) / os.sysconf("SC_CLK_TCK") - ours


def machine():
    return f"{cpu_model()}, {os.cpu_count()} CPUs; {platform.system()} {platform.release()}"


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


# ---- memory ---------------------------------------------------------------------------------------------------------


def peak_memory(trainer, size, factors, num_threads):
    """Return (peak memory of a fit above what was there before, bytes of the model that it makes, n_interactions).

    A new process each, so that memory that an earlier fit gave back to the allocator does not hide a need.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(peak_memory_here, trainer, size, factors, num_threads).result()


def peak_memory_here(trainer, size, factors, num_threads):
    trainer.fit(trainer.prepare(power_law(*SIZES["tiny"])), factors, 1, num_threads, SAME)  # imports, threads
    matrix = power_law(*SIZES[size])
    data = trainer.prepare(matrix)
    reset_peak()
    before = memory_status("VmRSS")
    trainer.fit(data, factors, 2, num_threads, SAME)
    model = 4 * (sum(matrix.shape) * factors + matrix.shape[1])
    return memory_status("VmHWM") - before, model, matrix.nnz


def reset_peak():
    """Let the peak begin anew; where that is not allowed an older, perhaps higher peak stays."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        print(f"The peak includes that of loading the matrix: {error}", file=sys.stderr)


def memory_status(field):
    """Return a figure of Linux's report on this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))
