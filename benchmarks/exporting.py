"""How long a table of neighbours takes, and how much memory beside the model: one line.

python benchmarks/exporting.py --items 300000 --exported 50000
python benchmarks/exporting.py --items 300000 --approximate
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from ann import clustered
from measuring import machine, memory_status, reset_peak

from fastbpr import export


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=300_000)
    parser.add_argument("--exported", type=int, help="so many items' neighbours (default: all)")
    parser.add_argument("--approximate", action="store_true", help="with an index")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    n = arguments.exported or arguments.items
    model = clustered(arguments.items)
    model.item_labels = np.array([f"item {item}" for item in range(arguments.items)], dtype=object)
    model.num_threads = arguments.threads
    before = memory_status("VmRSS")
    if arguments.approximate:
        model = model.with_index(recommend=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "neighbours.parquet")
        export.neighbours(model, path, items=[0])  # imports
        reset_peak()
        index = memory_status("VmRSS") - before
        start = time.process_time()
        n_rows = export.neighbours(model, path, items=np.arange(n))
        seconds = time.process_time() - start
        peak = memory_status("VmHWM") - before
        assert n_rows == 10 * n
        print(
            f"{machine()}; {n:,} lists of 10 in {arguments.items:,} items: {seconds:.0f} s of CPU time, peak memory "
            f"{peak / 1e6:.0f} MB above the model ({index / 1e6:.0f} MB before the first list), file "
            f"{path.stat().st_size / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
