"""How fast models are saved, opened and first asked: read, mapped, and mapped after a look at everything; a table.

    python benchmarks/storage.py --gigabytes 1 --folder scratch

The file is written into the folder and removed afterwards. Cold means that the system has the file in memory no longer
(Linux only), as after a restart. A query is one user's ten best; the first one of a mapped model reads what it needs.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from answer import markdown
from measuring import machine

from fastbpr import BPR, Interactions

FACTORS = 64
ITEMS_SHARE = 0.1  # of all rows
INTERACTIONS_PER_USER = 4
WAYS = {"read": {}, "mapped": {"mmap": True}, "mapped, verified": {"mmap": True, "verify": True}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the file may be (default: the temporary folder)")
    arguments = parser.parse_args()
    n_rows = int(arguments.gigabytes * 1e9) // (4 * FACTORS)
    n_items = int(n_rows * ITEMS_SHARE)
    model = fitted(n_rows - n_items, n_items, FACTORS)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "model.npz")
        saved = median(seconds(lambda: model.save(path))[0] for _ in range(arguments.repetitions))
        size = path.stat().st_size
        rows = [
            [way, kept, *measured(path, options, kept, model, arguments.repetitions)]
            for way, options in WAYS.items()
            for kept in ("cold", "warm")
        ]
    n_users, n_items = len(model.user_factors), len(model.item_factors)
    print(
        f"{machine()}; {n_users:,} users and {n_items:,} items with text labels, {FACTORS} factors, a file of "
        f"{size / 1e9:.2f} GB, saved in {saved:.1f} s\n"
    )
    columns = ["way", "file", "open, ms", "first query, ms", "next query, ms", "first label, ms"]
    print(markdown(columns, rows))


def fitted(n_users, n_items, factors):
    """A model with text labels."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), INTERACTIONS_PER_USER)
    items = rng.integers(n_items, size=len(users))
    items[:n_items] = np.arange(n_items)
    user_names = np.array([f"visitor-{user:08x}" for user in range(n_users)], dtype=object)
    item_names = np.array([f"SKU{item}" for item in range(n_items)], dtype=object)
    log = Interactions.from_arrays(user_names[users], item_names[items])
    return BPR(factors=factors, iterations=1, random_state=0).fit(log, show_progress=False)


def measured(path, options, kept, model, n_repetitions):
    """Return the medians, in milliseconds, of opening and of what is asked first; assert that answers are right."""
    times = []
    user, label = len(model.user_factors) // 2, model.item_labels[-1]
    expected = model.recommend(user)[0].tolist()
    for _ in range(n_repetitions):
        if kept == "cold":
            forget(path)
        open_time, loaded = seconds(lambda: BPR.load(path, **options))
        first, (ids, _) = seconds(lambda loaded=loaded: loaded.recommend(user))
        following, _ = seconds(lambda loaded=loaded: loaded.recommend(user + 1))
        looking_up, row = seconds(lambda loaded=loaded: loaded.item_rows(label))
        assert ids.tolist() == expected
        assert row == len(model.item_factors) - 1
        times.append([open_time, first, following, looking_up])
    return [f"{1000 * median(column):,.1f}" for column in zip(*times, strict=True)]


def forget(path):
    """Let the system drop a file from memory."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
