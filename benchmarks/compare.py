"""Training speed of fastbpr and of the peers that are installed, side by side on the same matrix; a Markdown table.

    python benchmarks/compare.py --size small --factors 64 --threads 1 2
    python benchmarks/compare.py --size large --memory

README.md in this folder says what the columns mean.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit warns otherwise; no trainer here uses BLAS

import argparse
import multiprocessing
import platform
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from peers import Fastbpr, installed, version_of
from power_law import SIZES, power_law
from tqdm import tqdm


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count()])
    parser.add_argument("--epochs", type=int, default=4, help="of a fit; the first is a warm-up (default: 4)")
    parser.add_argument("--repetitions", type=int, default=5, help="fits per trainer and thread number (default: 5)")
    parser.add_argument("--only", nargs="+", metavar="PACKAGE", help="leave the other packages out")
    parser.add_argument("--memory", action="store_true", help="measure the peak memory of fastbpr's fit instead")
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("--epochs must be at least 2: the first is a warm-up")
    if not 1 <= min(arguments.threads) <= max(arguments.threads) <= os.cpu_count():
        parser.error(f"--threads must be from 1 to the number of CPUs, {os.cpu_count()}")
    trainers = [t for t in installed() if arguments.only is None or t.package in arguments.only]
    if arguments.memory:
        trainers = [t for t in trainers if isinstance(t, Fastbpr)]
    if not trainers:
        parser.error("nothing to measure: none of these packages is installed")

    threads = list(dict.fromkeys(arguments.threads))
    matrix = power_law(*SIZES[arguments.size])
    print(described(trainers, matrix, arguments))
    if arguments.memory:
        print(memory_table(trainers, arguments.size, arguments.factors, max(threads)))
    else:
        start = time.perf_counter(), cpu_seconds_of_others()
        measured = measure(trainers, matrix, arguments.factors, threads, arguments.epochs, arguments.repetitions)
        seconds, others = time.perf_counter() - start[0], cpu_seconds_of_others() - start[1]
        print(speed_table(trainers, threads, measured, matrix.nnz))
        print(f"\nMeanwhile other processes used {others / seconds:.2f} CPUs. Figures of a busy machine mean little.")


# ---- speed ----------------------------------------------------------------------------------------------------------


def measure(trainers, matrix, factors, threads, n_epochs, n_repetitions):
    """Fit everything in turn, again and again, so that a slow minute of the machine does not hit one trainer alone."""
    data = {trainer.name: trainer.prepare(matrix) for trainer in trainers}
    runs = [(trainer, n) for trainer in trainers for n in threads]
    measured = {(trainer.name, n): [] for trainer, n in runs}
    for trainer, n in tqdm(runs * n_repetitions, leave=False):
        measured[trainer.name, n].append(trainer.fit(data[trainer.name], factors, n_epochs, n))
    return measured


def cost(times):
    """Nanoseconds of wall time per useful update: the median of the epochs after the warm-up."""
    return median(1e9 * seconds / n for seconds, n in zip(times.epochs[1:], times.n_updates[1:], strict=True))


def speed_table(trainers, threads, measured, n_interactions):
    """Ratios are medians over the repetitions of ratios within a repetition."""
    costs = {key: np.array([cost(times) for times in fits]) for key, fits in measured.items()}
    first, fewest = trainers[0].name, threads[0]
    lines = [
        f"| trainer | threads | ns per useful update (min - max) | over {first} | speed-up over {fewest} thread(s) "
        "| useful updates per interaction | fit / (epochs x epoch) |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for n in threads:
        for name in (trainer.name for trainer in trainers):
            own, fits = costs[name, n], measured[name, n]
            useful = median(sum(times.n_updates) / len(times.n_updates) for times in fits) / n_interactions
            whole = median(times.fit / (len(times.epochs) * median(times.epochs[1:])) for times in fits)
            lines.append(
                f"| {name} | {n} | {median(own):.1f} ({own.min():.1f} - {own.max():.1f}) "
                f"| {median(own / costs[first, n]):.2f} | {median(costs[name, fewest] / own):.2f} "
                f"| {useful:.3f} | {whole:.2f} |"
            )
    return "\n".join(lines)


# ---- memory ---------------------------------------------------------------------------------------------------------


def memory_table(trainers, size, factors, num_threads):
    lines = [
        "| trainer | threads | peak above the matrix, MB | of it the model, MB | the rest, bytes per interaction |",
        "|---|---:|---:|---:|---:|",
    ]
    for trainer in trainers:
        # A new process each, so that memory that an earlier fit gave back to the allocator does not hide a need.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            peak, model, n_interactions = process.submit(peak_memory, trainer, size, factors, num_threads).result()
        rest = (peak - model) / n_interactions
        lines.append(f"| {trainer.name} | {num_threads} | {peak / 1e6:.1f} | {model / 1e6:.1f} | {rest:.1f} |")
    return "\n".join(lines)


def peak_memory(trainer, size, factors, num_threads):
    """Return (peak memory of a fit above what was there before, bytes of the model that it makes, n_interactions)."""
    trainer.fit(trainer.prepare(power_law(*SIZES["tiny"])), factors, 1, num_threads)  # imports, threads
    matrix = power_law(*SIZES[size])
    data = trainer.prepare(matrix)
    reset_peak()
    before = memory_status("VmRSS")
    trainer.fit(data, factors, 2, num_threads)
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


# ---- circumstances --------------------------------------------------------------------------------------------------


def described(trainers, matrix, arguments):
    """Say what is measured, on what, with what."""
    versions = {trainer.package: version_of(trainer.package) for trainer in trainers}
    if "fastbpr" in versions:
        import fastbpr

        versions["fastbpr"] += f" ({fastbpr.build_info()['instruction_set']})"
    n_users, n_items = matrix.shape
    lines = [
        f"Machine: {cpu_model()}, {os.cpu_count()} CPUs; {platform.system()} {platform.release()}",
        f"Versions: Python {platform.python_version()}, NumPy {np.__version__}, "
        + ", ".join(f"{package} {version}" for package, version in versions.items()),
        f"Data: {arguments.size}, {n_users:,} users x {n_items:,} items, {matrix.nnz:,} interactions; "
        f"{arguments.factors} factors",
        f"Command: python {shlex.join(sys.argv)}",
        "Negatives: " + "; ".join(f"{trainer.name}: {trainer.negatives}" for trainer in trainers),
    ]
    return "\n".join(f"* {line}" for line in lines) + "\n"


def cpu_seconds_of_others():
    """Return how many seconds of CPU all processes but this one have used; NaN where the system does not say."""
    try:
        user, nice, system = (int(ticks) for ticks in Path("/proc/stat").read_text().split()[1:4])
    except OSError:
        return float("nan")
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - time.process_time()


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
