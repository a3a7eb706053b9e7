"""How lists of similar items depend on what is compared; prints a Markdown table.

    FASTBPR_DATA=folder python benchmarks/similarity.py

Means over three seeds. Of each user the latest item is held out where there are times, else one at random. `agreement`
is by how much more often neighbours share a tag or genre than they do after a permutation of all lists' neighbours;
`popularity` is the mean number of users of a neighbour. Lists are of the 10 nearest of items with a user.
"""

import os
from pathlib import Path

import numpy as np
import scipy.sparse

from fastbpr import BPR, Interactions
from fastbpr.evaluation import evaluate_similar_items
from fastbpr.splitting import leave_one_out

CHOICES = ("cosine", "centred", "user-space")
FOLDER = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEDS = 3


def main():
    print("| data | regularization | similarity | hr@10 | ndcg@10 | mrr | agreement | popularity |")
    print("|---|---:|---|---:|---:|---:|---:|---:|")
    for name, load in {"lastfm_hetrec": lastfm, "online_retail": retail, "ml_latest_small": movielens}.items():
        log, labels = load()
        for regularization in (0.01, 0.03):
            rows = {choice: [] for choice in CHOICES}
            for seed in range(SEEDS):
                train, test = leave_one_out(log, by="random" if log.timestamps is None else "time", random_state=seed)
                model = BPR(regularization=regularization, random_state=seed).fit(train, show_progress=False)
                for choice in CHOICES:
                    rows[choice].append(judged(model, train, test, labels, choice, seed))
            for choice in CHOICES:
                values = " | ".join(f"{value:.4f}" for value in np.mean(rows[choice], axis=0)[:-1])
                print(f"| {name} | {regularization} | {choice} | {values} | {np.mean(rows[choice], axis=0)[-1]:.0f} |",
                      flush=True)  # fmt: skip


def judged(model, train, test, labels, choice, seed):
    """(hr@10, ndcg@10, mrr, agreement above chance, popularity)."""
    metrics = evaluate_similar_items(model, train, test, metrics=["hr", "ndcg", "mrr"], similarity=choice)
    counts = np.bincount(train.user_items.indices, minlength=train.n_items)
    items = np.flatnonzero(counts)
    neighbours = model.similar_items(items, N=11, items=items, similarity=choice)[0][:, 1:]
    agreement = np.nan
    if labels is not None:
        queries, others = np.repeat(items, 10), neighbours.ravel()
        permuted = np.random.default_rng(seed).permutation(others)
        agreement = share_label(labels, queries, others) - share_label(labels, queries, permuted)
    return [*metrics.values(), agreement, counts[neighbours].mean()]


def share_label(labels, some, others):
    """Share of pairs with a label in common, among pairs of which both have labels."""
    known = np.diff(labels.indptr) > 0
    both = known[some] & known[others]
    return (labels[some[both]].multiply(labels[others[both]]).sum(axis=1) > 0).mean()


def lastfm():
    file = np.load(FOLDER / "lastfm_hetrec.npz", allow_pickle=True)
    log = Interactions.from_arrays(file["user"], file["item"])
    tags = (file["tag_item"], file["tag_id"]) if "tag_item" in file.files else None
    return log, None if tags is None else by_row(log, *tags)


def retail():
    columns = {"user": "CustomerID", "item": "StockCode", "timestamp": "InvoiceDate"}
    return Interactions.from_parquet(FOLDER / "online_retail.parquet", missing_user=0, **columns), None


def movielens():
    file = np.load(FOLDER / "ml_latest_small.npz", allow_pickle=True)
    log = Interactions.from_arrays(file["user"], file["item"], timestamps=file["timestamp"])
    genres = [str(text).split("|") for text in file["genres"]]
    items = np.repeat(np.arange(len(genres)), [len(own) for own in genres])
    return log, by_row(log, items, np.unique(np.concatenate(genres), return_inverse=True)[1])


def by_row(log, items, labels):
    """Items x labels matrix in the rows of the log."""
    matrix = scipy.sparse.csr_array((np.ones(len(items), dtype=np.float32), (items, labels)))
    matrix.resize(max(matrix.shape[0], int(log.item_labels.max()) + 1), matrix.shape[1])
    rows = matrix[log.item_labels.astype(int)]
    rows.data[:] = 1
    return rows


if __name__ == "__main__":
    main()
