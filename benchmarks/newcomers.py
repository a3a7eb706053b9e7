"""Users and items that came after training, folded in: time, and lists beside those of training; prints Markdown.

    FASTBPR_DATA=folder python benchmarks/newcomers.py times     # per user, for one at a time and many at once
    FASTBPR_DATA=folder python benchmarks/newcomers.py users     # 3,000 users whom training has not seen
    FASTBPR_DATA=folder python benchmarks/newcomers.py items     # 50 items

The folder must hold gowalla.npz. Half of the items of 10,000 users: `serving.py newcomers`.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import scipy.sparse
from answer import markdown
from measuring import machine

from fastbpr import BPR
from fastbpr.evaluation import evaluate

K = 20
N_USERS, N_ITEMS, FEWEST = 3000, 50, 20  # held out; items with so many users at least
MODELS = {
    "uniform negatives": lambda: BPR(factors=64, random_state=0),
    "preset balanced": lambda: BPR.preset("balanced", random_state=0),
}
OTHERS = {
    "16 dynamic candidates": lambda: BPR(factors=64, negatives="dynamic", n_candidates=16, random_state=0),
    "preset best": lambda: BPR.preset("best", random_state=0),
    "warp": lambda: BPR(factors=64, loss="warp", random_state=0),
}


def gowalla():
    """(train, test), users x items."""
    with np.load(Path(os.environ["FASTBPR_DATA"]) / "gowalla.npz") as data:
        users, items = ([data[f"{part}_{side}"] for part in ("train", "test")] for side in ("user", "item"))
        shape = max(map(np.max, users)) + 1, max(map(np.max, items)) + 1
        return [
            scipy.sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
            for rows, columns in zip(users, items, strict=True)
        ]


def times(train, test):
    """Milliseconds per user: wall time, and CPU time of all threads."""
    rows = []
    model = MODELS["uniform negatives"]().fit(train, show_progress=False)
    for n_users, n_calls in ((1, 300), (100, 5), (10_000, 1)):
        for num_threads in (1, 2):
            model.num_threads = num_threads
            parts = [train[n_users * call : n_users * (call + 1)] for call in range(n_calls)]
            model.fold_in_users(parts[0][:1])  # what is kept for all
            wall, cpu = [], []
            for part in parts:
                start, cpu_start = time.perf_counter(), time.process_time()
                vectors = model.fold_in_users(part)
                wall.append(1e3 * (time.perf_counter() - start) / n_users)
                cpu.append(1e3 * (time.process_time() - cpu_start) / n_users)
                assert vectors.shape == (n_users, 64)
            rows.append([n_users, num_threads, f"{median(wall):.2f}", f"{median(cpu):.2f}"])
    return ["users at once", "threads", "ms per user", "CPU ms per user"], rows


def users(train, test):
    """NDCG and recall of users who were trained, and of the same users folded in."""
    held_out = np.sort(np.random.default_rng(1).choice(train.shape[0], N_USERS, replace=False))
    kept = np.ones(train.shape[0], dtype=np.float32)
    kept[held_out] = 0
    others = scipy.sparse.csr_array(scipy.sparse.diags_array(kept) @ train)
    others.eliminate_zeros()
    rows = []
    for name, make in MODELS.items():
        trained = make().fit(train, show_progress=False)
        new = make().fit(others, show_progress=False)
        for what, model, vectors in (
            ("trained", trained, trained.user_factors[held_out]),
            ("trained, then folded in", trained, trained.fold_in_users(train[held_out])),
            ("not seen, folded in", new, new.fold_in_users(train[held_out])),
        ):
            answering = model.fold_in(train[held_out])
            answering.user_factors = vectors
            values = evaluate(answering, train[held_out], test[held_out], K=K, metrics=("ndcg", "recall"))
            rows.append([name, what, *(f"{values[f'{metric}@{K}']:.4f}" for metric in ("ndcg", "recall"))])
    return ["model", "users", f"NDCG@{K}", f"Recall@{K}"], rows


def items(train, test):
    """Ranks in the lists of those who took the items later, and neighbours shared with a model that was trained."""
    rng = np.random.default_rng(1)
    counts = np.bincount(train.indices, minlength=train.shape[1])
    held_out = np.sort(rng.choice(np.flatnonzero(counts >= FEWEST), N_ITEMS, replace=False))
    order = np.append(np.setdiff1d(np.arange(train.shape[1]), held_out), held_out)
    train, test = (scipy.sparse.csr_array(part[:, order]) for part in (train, test))
    new, n_known = np.arange(train.shape[1] - N_ITEMS, train.shape[1]), train.shape[1] - N_ITEMS
    known = rng.choice(np.flatnonzero(counts[order[:n_known]] >= FEWEST), 300, replace=False)
    rows = []
    for name, make in MODELS.items():
        trained = make().fit(train, show_progress=False)
        without = make().fit(scipy.sparse.csr_array(train[:, :n_known]), show_progress=False)
        start = time.process_time()
        folded = without.fold_in_items(scipy.sparse.csr_array(train[:, new].T))
        milliseconds = 1e3 * (time.process_time() - start) / N_ITEMS
        shared = {
            what: np.mean([
                len(set(one) & set(other)) / 10
                for one, other in zip(*(m.similar_items(ids, N=11)[0][:, 1:] for m in (trained, folded)), strict=True)
            ])
            for what, ids in (("new", new), ("known", known))
        }  # fmt: skip
        for what, model in (("trained", trained), ("folded in", folded)):
            ranks = ranks_of(model, train, test, new)
            cost = "" if what == "trained" else f"{milliseconds:.0f}"
            overlap = f"({shared['known']:.2f} of known ones)" if what == "trained" else f"{shared['new']:.2f}"
            figures = (f"{np.median(ranks):.0f}", f"{(ranks < K).mean():.3f}", f"{(ranks < 100).mean():.3f}")
            rows.append([name, what, *figures, overlap, cost])
    return ["model", "items", "median rank", f"HR@{K}", "HR@100", "shared neighbours@10", "CPU ms per item"], rows


def ranks_of(model, train, test, new):
    """Ranks, from 0, of the new items in the lists of those who have them in the test part."""
    takers, taken = test[:, new].tocoo().coords
    scores = model.score(takers)
    own = scores[np.arange(len(takers)), new[taken]]
    scores[train[takers].toarray() > 0] = -np.inf
    return (scores > own[:, None]).sum(axis=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["times", "users", "items"])
    chosen = parser.parse_args().what
    header, rows = {"times": times, "users": users, "items": items}[chosen](*gowalla())
    print(f"{machine()}\n\n{markdown(header, rows)}")
