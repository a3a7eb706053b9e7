"""What `partial_fit` learns of new data and forgets of old ones, on logs in the order of time; prints Markdown tables.

    FASTBPR_DATA=folder python benchmarks/partial_fits.py [--negatives dynamic] [--seeds 3]

A model is fitted to the first 80 % of a log, less one interaction of each user, and goes on with the next 10 %.

    later   NDCG@20 of the last 10 %, for users and items of the first 80 %
    all     the same with new users and items, as far as the model has them
    old     NDCG@20 of the interactions left out, for users who are not in the next 10 %: what must not be forgotten

The folder must hold ml_latest_small.npz and online_retail.parquet.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import copy
import logging
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import scipy.sparse
from answer import markdown
from measuring import machine

from fastbpr import BPR, Interactions
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out

PARTS = (0.8, 0.9)
K = 20
CHOICES = [  # (replay_share, learning_rate, iterations); None stands for no replay, and for partial_fit's own choice
    (None, None, None),
    (1e-9, None, None),
    (0.25, None, None),
    (1.0, None, None),
    (None, 0.2, 20),
    (0.25, 0.2, 20),
]


def ml_latest_small(folder):
    file = np.load(folder / "ml_latest_small.npz")
    return file["user"], file["item"], file["timestamp"]


def online_retail(folder):
    frame = pyarrow.parquet.read_table(folder / "online_retail.parquet").to_pandas().dropna(subset=["CustomerID"])
    return frame["CustomerID"].to_numpy(), frame["StockCode"].astype(str).to_numpy(), frame["InvoiceDate"].to_numpy()


class Log:
    """A log in three parts, by time, and what of the first is left out."""

    def __init__(self, users, items, times, seed):
        order = np.argsort(times, kind="stable")
        users, items = users[order], items[order]
        ends = [int(part * len(users)) for part in PARTS]
        first, self.second, self.last = (
            Interactions.from_arrays(*part)
            for part in zip(*(np.split(column, ends) for column in (users, items)), strict=True)
        )
        self.first, self.left_out = leave_one_out(first, random_state=seed)
        rows, columns = self.first.user_items.nonzero()
        known = [self.first.user_labels[rows], self.first.item_labels[columns]]
        new = [users[ends[0] : ends[1]], items[ends[0] : ends[1]]]
        self.both = Interactions.from_arrays(*(np.concatenate(columns) for columns in zip(known, new, strict=True)))
        self.absent = self.first.user_labels[~np.isin(self.first.user_labels, self.second.user_labels)]

    def judged(self, model):
        """Return later, all and old."""
        last, left_out = (log.aligned_to(model).user_items for log in (self.last, self.left_out))
        before, first = (log.aligned_to(model) for log in (self.both, self.first))
        known = [np.isin(getattr(model, what), getattr(self.first, what)) for what in ("user_labels", "item_labels")]
        absent = np.isin(model.user_labels, self.absent)
        return [
            ndcg(model, before, only(last, *known)),
            ndcg(model, before, last),
            ndcg(model, first, only(left_out, absent, np.ones(len(model.item_labels)))),
        ]


def only(matrix, users, items):
    rows, columns = (scipy.sparse.diags_array(chosen * 1.0) for chosen in (users, items))
    kept = scipy.sparse.csr_array(rows @ matrix @ columns)
    kept.eliminate_zeros()
    return kept


def ndcg(model, train, test):
    return evaluate(model, train.user_items, test, K=K, metrics=f"ndcg@{K}")[f"ndcg@{K}"]


def measured(log, seed, negatives):
    """Yield (what was done, seconds, later, all, old)."""

    def fitted(data):
        parameters = {"factors": 64, "iterations": 40, "negatives": negatives, "random_state": seed}
        return BPR(**parameters).fit(data, show_progress=False)

    start = time.perf_counter()
    first = fitted(log.first)
    yield "no update", 0.0, *log.judged(first)
    start = time.perf_counter()
    again = fitted(log.both)
    yield "new fit", time.perf_counter() - start, *log.judged(again)
    for share, learning_rate, iterations in CHOICES:
        model = copy.copy(first)
        replay = {} if share is None else {"replay": log.first, "replay_share": share}
        start = time.perf_counter()
        model.partial_fit(log.second, iterations=iterations, learning_rate=learning_rate, show_progress=False, **replay)
        seconds = time.perf_counter() - start
        told = "no replay" if share is None else "their own old data" if share < 0.01 else f"{share:.0%} of others"
        told += "" if iterations is None else f", {iterations} epochs from {learning_rate}"
        yield told, seconds, *log.judged(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--negatives", default="dynamic")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("fastbpr").setLevel(logging.ERROR)
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    print(machine())
    for load in (ml_latest_small, online_retail):
        values = {}
        for seed in range(options.seeds):
            for told, *numbers in measured(Log(*load(folder), seed), seed, options.negatives):
                values.setdefault(told, []).append(numbers)
        columns, rows = [f"{load.__name__}, {options.negatives}", "s", "later", "all", "old"], []
        for told, found in values.items():
            seconds, *metrics = np.mean(found, axis=0)
            rows.append([told, f"{seconds:.1f}", *(f"{metric:.4f}" for metric in metrics)])
        print(f"\n{markdown(columns, rows)}", flush=True)


if __name__ == "__main__":
    main()
