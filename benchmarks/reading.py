"""How fast logs are read: CSV and Parquet files with integer and with text ids; a Markdown table.

    python benchmarks/reading.py --rows 50000000 --folder scratch

The files are generated into the folder (about 5 GB for 50 million rows) and removed afterwards.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from answer import markdown
from measuring import machine

from fastbpr import Interactions

N_USERS, N_ITEMS = 1_000_000, 200_000
READERS = {"csv": Interactions.from_csv, "parquet": Interactions.from_parquet}
ROWS_PER_PIECE = 5_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files may be (default: the temporary folder)")
    arguments = parser.parse_args()
    rows = []
    for ids in ("integers", "text"):
        for kind, read in READERS.items():
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                path = Path(folder, f"log.{kind}")
                write(path, kind, ids, arguments.rows)
                seconds = [timed(read, path, arguments.rows) for _ in range(arguments.repetitions)]
                rate = arguments.rows / median(seconds) / 1e6
                rows.append([kind, ids, f"{path.stat().st_size / 1e9:.2f}", f"{median(seconds):.1f}", f"{rate:.1f}"])
    columns = ["file", "ids", "GB", "seconds", "million rows per second"]
    print(f"{machine()}; {arguments.rows:,} rows\n\n{markdown(columns, rows)}")


def timed(read, path, n_rows):
    start = time.perf_counter()
    log = read(path, user="user", item="item")
    seconds = time.perf_counter() - start
    assert log.n_rows == n_rows
    assert log.n_users <= N_USERS
    return seconds


def write(path, kind, ids, n_rows):
    """Write random pairs piece by piece."""
    rng = np.random.default_rng(0)
    labels = {"user": 10_000_000 + np.arange(N_USERS), "item": 500_000 + np.arange(N_ITEMS)}
    if ids == "text":
        labels = {"user": [f"visitor-{n:08x}" for n in labels["user"]], "item": [f"SKU{n}" for n in labels["item"]]}
    labels = {name: pyarrow.array(values) for name, values in labels.items()}
    schema = pyarrow.schema([(name, values.type) for name, values in labels.items()])
    with (pyarrow.csv.CSVWriter if kind == "csv" else pyarrow.parquet.ParquetWriter)(path, schema) as writer:
        for first in range(0, n_rows, ROWS_PER_PIECE):
            size = min(ROWS_PER_PIECE, n_rows - first)
            columns = [values.take(pyarrow.array(rng.integers(len(values), size=size))) for values in labels.values()]
            writer.write_table(pyarrow.table(columns, schema=schema))


if __name__ == "__main__":
    main()
