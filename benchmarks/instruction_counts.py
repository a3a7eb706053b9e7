"""Instructions per piece of work, counted by valgrind: the guard against slower kernels that noise cannot fool.

    python benchmarks/instruction_counts.py            # counts, and fails if one is above its limit

Each kind of work is done few and many times in a process of its own, so that what Python itself does cancels out.
valgrind runs the AVX2 build at most. A count is the same wherever compiler and library versions are; limits leave room
for other compilers, and are to be lowered when a change lowers the counts for good.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from power_law import power_law

LIMITS = {  # instructions per update, per update, and per pair of a query and an item
    "train blocked": 350,
    "train hogwild": 545,
    "recommend": 37,
}
FEW, MANY = 1, 2
DATA = 3_000, 2_000, 60_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", choices=LIMITS, help="only do this work, so many times, and count nothing")
    parser.add_argument("--times", type=int, default=FEW)
    arguments = parser.parse_args()
    if arguments.work:
        print(WORK[arguments.work.partition(" ")[0]](arguments.times, *arguments.work.split()[1:]))
        return
    power_law(*DATA)  # is kept in a file: generating it must not count
    counts = {work: instructions_per_piece(work) for work in LIMITS}
    print("| work | instructions | limit |\n|---|---:|---:|")
    for work, count in counts.items():
        print(f"| {work} | {count:.1f} | {LIMITS[work]} |")
    above = [work for work, count in counts.items() if count > LIMITS[work]]
    if above:
        sys.exit(f"More instructions than allowed: {', '.join(above)}.")


def instructions_per_piece(work):
    (few, pieces), (many, _) = (counted(work, times) for times in (FEW, MANY))
    return (many - few) / ((MANY - FEW) * pieces)


def counted(work, times):
    """Return (instructions of the whole process, pieces of work of doing it once)."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={Path(folder, 'counts')}", sys.executable]
        environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, __file__, "--work", work, "--times", str(times)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or not found:
            sys.exit(f"valgrind failed:\n{done.stderr[-2000:]}")
    return int(found[1]), int(done.stdout)


# ---- the work; each function returns its number of pieces -----------------------------------------------------------


def train(times, schedule):
    from fastbpr import _schedules, _tables
    from fastbpr._negatives import Recipe

    matrix = power_law(*DATA)
    rng = np.random.default_rng(0)
    factors = [rng.normal(0, 0.1, (n, 64)).astype(np.float32) for n in matrix.shape]
    tables = _tables.pack(*factors, np.zeros(matrix.shape[1], dtype=np.float32))
    epoch = _schedules.SCHEDULES[schedule](_schedules.Positives.of(matrix, None), tables, Recipe(), 1)
    for key in range(times):
        *_, sums = epoch.run_epoch(tables, _schedules.Step(0.05, 0.01, 0.01, 0.01, 0.01), key)
    assert sums.n_updates == matrix.nnz
    return matrix.nnz


def vectors():
    """Return queries and items that are like each other in groups, as trained ones are."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 64))
    return ((centres[rng.integers(50, size=n)] + rng.normal(0, 0.7, (n, 64))).astype(np.float32) for n in (2048, 8192))


def recommend(times):
    from fastbpr import _retrieval

    queries, items = vectors()
    for _ in range(times):
        ids, _ = _retrieval.top_k(queries, items, 10, candidates=np.arange(len(items), dtype=np.int32))
    assert (ids >= 0).all()
    return len(queries) * len(items)


WORK = {"train": train, "recommend": recommend}


if __name__ == "__main__":
    main()
