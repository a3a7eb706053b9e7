"""How good default settings are on public splits, beside popularity; prints a Markdown table.

    FASTBPR_DATA=folder python benchmarks/quality.py

The folder must hold gowalla.npz (the LightGCN split) and ml1m_ncf_loo.npz (the leave-one-out split of the NCF paper).
"""

import os
import time
from pathlib import Path

import numpy as np
import scipy.sparse

from fastbpr import BPR
from fastbpr.baselines import Popularity
from fastbpr.evaluation import evaluate

SHAPES = {"gowalla": (29_858, 40_981), "ml1m_ncf_loo": (6_040, 3_706)}


def main():
    print("| split | model | seconds of fit | result |\n|---|---|---:|---|")
    for name in SHAPES:
        train, test, file = load(name)
        for model in (BPR(random_state=0), Popularity()):
            start = time.perf_counter()
            model.fit(train, **({"show_progress": False} if isinstance(model, BPR) else {}))
            seconds = time.perf_counter() - start
            results = judged(name, model, train, test, file)
            listing = ", ".join(f"{metric} {value:.4f}" for metric, value in results.items())
            print(f"| {name} | {type(model).__name__} | {seconds:.1f} | {listing} |", flush=True)


def load(name):
    """Return (train, test, all arrays of the file)."""
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    file = np.load(folder / f"{name}.npz")
    matrices = (matrix_of(file[f"{part}_user"], file[f"{part}_item"], SHAPES[name]) for part in ("train", "test"))
    return (*matrices, file)


def matrix_of(users, items, shape):
    return scipy.sparse.csr_array((np.ones(len(users), dtype=np.float32), (users, items)), shape=shape)


def judged(name, model, train, test, file):
    """The metrics that results on this split are published with."""
    if name == "gowalla":
        return evaluate(model, train, test, K=20, metrics=["recall", "ndcg"])
    negatives = np.full((train.shape[0], 99), -1)
    negatives[file["test_user"]] = file["test_negatives"]
    options = {"K": 10, "metrics": ["hr", "ndcg"]}
    return evaluate(model, train, test, negatives=negatives, **options) | evaluate(model, train, test, **options)


if __name__ == "__main__":
    main()
