"""How good the lists are on public splits: presets, settings of our own, and what each choice contributes.

    FASTBPR_DATA=folder python benchmarks/quality.py results  [--seeds 5]     # the table of benchmarks/README.md
    FASTBPR_DATA=folder python benchmarks/quality.py ablation [--seeds 3]     # one change at a time, validation rows
    FASTBPR_DATA=folder python benchmarks/quality.py defaults [--seeds 3]     # defaults and presets against tuned

The folder must hold gowalla.npz (the LightGCN split), ml1m_ncf_loo.npz (the leave-one-out split of the NCF paper),
ml_latest_small.npz and lastfm_hetrec.npz. `results` alone looks at the published test rows; the others look at rows
held out of the training rows. Tables are printed in Markdown.
"""

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import BPR, Interactions
from fastbpr.baselines import EASE, ItemCooccurrence, Popularity
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out

SHAPES = {"gowalla": (29_858, 40_981), "ml1m_ncf_loo": (6_040, 3_706)}

# Found on validation rows; see the README beside this file.
PLAIN = {
    "factors": 512, "learning_rate": 0.2, "regularization": 0.003, "init_scale": 0.03, "iterations": 200,
    "item_bias": False,
}  # fmt: skip
DENSE = {
    "loss": "softmax", "n_negatives": 16, "factors": 192, "learning_rate": 0.03, "iterations": 100,
    "regularization": {"user": 0.04, "positive": 0.02, "negative": 0.08, "bias": 0.02},
}  # fmt: skip
RESULTS = {
    "gowalla": {
        "preset best": lambda: BPR.preset("best"),
        "plain BPR, uniform negatives, tuned": lambda: BPR(**PLAIN),
        "preset balanced": lambda: BPR.preset("balanced"),
        "preset fast": lambda: BPR.preset("fast"),
        "defaults": lambda: BPR(),
        "popularity": Popularity,
        "item co-occurrence": ItemCooccurrence,
    },
    "ml1m_ncf_loo": {
        "preset best": lambda: BPR.preset("best"),
        "softmax, tuned": lambda: BPR(**DENSE),
        "preset balanced": lambda: BPR.preset("balanced"),
        "preset fast": lambda: BPR.preset("fast"),
        "defaults": lambda: BPR(),
        "popularity": Popularity,
        "item co-occurrence": ItemCooccurrence,
        "EASE^R": EASE,
    },
}


class Split(NamedTuple):
    train: object
    test: object
    negatives: np.ndarray | None
    K: int
    metrics: tuple


# ---- data -------------------------------------------------------------------------------------------------------


def load(name):
    """Return (train, test, all arrays of the file)."""
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    file = np.load(folder / f"{name}.npz")
    if name not in SHAPES:
        return None, None, file
    matrices = (matrix_of(file[f"{part}_user"], file[f"{part}_item"], SHAPES[name]) for part in ("train", "test"))
    return (*matrices, file)


def matrix_of(users, items, shape):
    return scipy.sparse.csr_array((np.ones(len(users), dtype=np.float32), (users, items)), shape=shape)


def published(name):
    """The split as results on it are published."""
    train, test, file = load(name)
    if name == "gowalla":
        return Split(train, test, None, 20, ("recall", "ndcg"))
    negatives = np.full((train.shape[0], 99), -1)
    negatives[file["test_user"]] = file["test_negatives"]
    return Split(train, test, negatives, 10, ("hr", "ndcg"))


def held_out(name):
    """A split of the training rows alone; of the smaller sets, of all but the latest (or one) item of each user."""
    if name == "gowalla":
        train, _, file = load(name)
        valid = file["train_is_lightgcnpp_valid"].astype(bool)
        users, items = file["train_user"], file["train_item"]
        parts = (matrix_of(users[rows], items[rows], train.shape) for rows in (~valid, valid))
        return Split(*parts, None, 20, ("recall", "ndcg"))
    if name == "ml1m_ncf_loo":
        return Split(*leave_one_out(load(name)[0], random_state=0), None, 10, ("hr", "ndcg"))
    file = load(name)[2]
    by = "time" if "timestamp" in file else "random"
    log = Interactions.from_arrays(file["user"], file["item"], timestamps=file["timestamp"] if by == "time" else None)
    train, _ = leave_one_out(log, by=by, random_state=0)
    return Split(*leave_one_out(train, by=by, random_state=1), None, 10, ("hr", "ndcg"))


# ---- tables -----------------------------------------------------------------------------------------------------


def judged(model, split):
    """The split's metrics, against its negatives where it has some, and on the full catalogue."""
    options = {"K": split.K, "metrics": list(split.metrics)}
    results = {}
    if split.negatives is not None:
        results = evaluate(model, split.train, split.test, negatives=split.negatives, **options)
    return results | evaluate(model, split.train, split.test, **options)


def measured(make, split, n_seeds):
    """(seconds of each fit, metrics of each fit) over the seeds; one fit of what has no seed."""
    seconds, results = [], []
    for seed in range(n_seeds):
        model = make()
        options = {}
        if isinstance(model, BPR):
            model.random_state, options = seed, {"show_progress": False}
        start = time.perf_counter()
        model.fit(split.train, **options)
        seconds.append(time.perf_counter() - start)
        results.append(judged(model, split))
        if not options:
            break
    return seconds, results


def row(cells):
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def shown(values):
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def table(title, rows, split, n_seeds):
    """Print one split's table: mean and standard deviation over seeds, and the median time of a fit."""
    heading = None
    for label, make in rows.items():
        seconds, results = measured(make, split, n_seeds)
        if heading is None:
            heading = [title, *results[0], "seconds of fit"]
            row(heading)
            row(["---", *["---:"] * (len(heading) - 1)])
        row([label, *(shown([one[name] for one in results]) for name in results[0]), f"{np.median(seconds):.1f}"])
    print()


def changes(base):
    """One change to a setting at a time."""
    strengths = dict.fromkeys(("user", "positive", "negative", "bias"), base["regularization"])
    listed = {
        "as it is": {},
        "no item bias": {"item_bias": False},
        "penalty of positives a tenth": {"regularization": strengths | {"positive": base["regularization"] / 10}},
        "penalty of negatives a tenth": {"regularization": strengths | {"negative": base["regularization"] / 10}},
        "penalty of users a tenth": {"regularization": strengths | {"user": base["regularization"] / 10}},
        "popular negatives (power 0.5)": {"negatives": "popularity", "popularity_power": 0.5},
        "popular negatives (power 1)": {"negatives": "popularity", "popularity_power": 1.0},
        "dynamic negatives, best of 4": {"negatives": "dynamic", "n_candidates": 4},
        "dynamic negatives, best of 16": {"negatives": "dynamic", "n_candidates": 16},
        "dynamic negatives, best of 16, penalty x 3": {
            "negatives": "dynamic", "n_candidates": 16, "regularization": 3 * base["regularization"],
        },
        "adaptive negatives (rank 0.01)": {"negatives": "adaptive", "adaptive_rank": 0.01},
        "adaptive negatives (rank 0.1)": {"negatives": "adaptive", "adaptive_rank": 0.1},
        "softmax over 16 negatives, penalty x 3": {
            "loss": "softmax", "n_negatives": 16, "regularization": 3 * base["regularization"], "learning_rate": 0.1,
        },
        "WARP, penalty x 3, rate 0.05": {
            "loss": "warp", "regularization": 3 * base["regularization"], "learning_rate": 0.05,
        },
        "Adagrad": {"optimizer": "adagrad"},
        "constant learning rate 0.05": {"learning_rate_decay": "constant", "learning_rate": 0.05},
        "step decay": {"learning_rate_decay": "step"},
        "start a third as large": {"init_scale": 0.03},
        "start three times as large": {"init_scale": 0.3},
        "Xavier start": {"init": "xavier"},
        "Hogwild, two threads": {"schedule": "hogwild", "num_threads": 2},
    }  # fmt: skip
    return {label: (lambda change=change: BPR(**base | change)) for label, change in listed.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["results", "ablation", "defaults"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=None, help="names of data sets; default: all")
    arguments = parser.parse_args()
    if arguments.what == "results":
        for name in arguments.data or RESULTS:
            table(name, RESULTS[name], published(name), arguments.seeds)
    elif arguments.what == "ablation":
        base = {"factors": 64, "learning_rate": 0.2, "regularization": 0.01, "iterations": 60}
        for name in arguments.data or ("gowalla", "ml1m_ncf_loo"):
            table(f"{name}, validation rows", changes(base), held_out(name), arguments.seeds)
    else:
        rows = {"defaults": BPR} | {
            f"preset {name}": (lambda name=name: BPR.preset(name)) for name in ("fast", "balanced", "best")
        }
        for name in arguments.data or ("gowalla", "ml1m_ncf_loo", "ml_latest_small", "lastfm_hetrec"):
            table(f"{name}, validation rows", rows, held_out(name), arguments.seeds)


if __name__ == "__main__":
    main()
