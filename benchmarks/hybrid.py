"""Features and cold start beside LightFM: time, and how good lists are; prints Markdown tables.

    FASTBPR_DATA=folder python benchmarks/hybrid.py speed [--repetitions 3]   # the same epochs, in turns
    FASTBPR_DATA=folder python benchmarks/hybrid.py cold  [--seeds 3]         # items and users that are new
    FASTBPR_DATA=folder python benchmarks/hybrid.py ranks                     # predict_rank
    FASTBPR_DATA=folder python benchmarks/hybrid.py threads                   # cost of features; same bits?
    FASTBPR_DATA=folder python benchmarks/hybrid.py neighbours                # of new products, by their descriptions

The folder must hold gowalla.npz, ml_latest_small.npz, ml100k.npz, lastfm_hetrec.npz and online_retail.parquet.
LightFM is the package lightfm-next.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import scipy.sparse
from answer import markdown
from measuring import interleaved, machine

from fastbpr import HybridBPR, Interactions
from fastbpr.evaluation import evaluate
from fastbpr.features import Features
from fastbpr.splitting import leave_one_out

FACTORS = 64
K = 10
# Chosen on other random divisions of the same data than those that the tables show.
SETTINGS = {
    "warp": {"loss": "warp", "learning_rate": 0.05},
    "softmax": {"loss": "softmax", "n_negatives": 8, "learning_rate": 0.1},
}
EPOCHS = 40
NEW_SHARE = 0.2  # of items or users that are wholly held out
FEWEST = 3  # rows with a word or a tag, for it to be a feature


class Data(NamedTuple):
    log: scipy.sparse.csr_array  # users x items
    item_features: scipy.sparse.csr_array | None
    user_features: scipy.sparse.csr_array | None = None
    item_names: np.ndarray | None = None


# ---- data -----------------------------------------------------------------------------------------------------------


def folder():
    return Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def matrix_of(users, items, shape):
    matrix = scipy.sparse.coo_array((np.ones(len(users), dtype=np.float32), (users, items)), shape=shape).tocsr()
    matrix.data[:] = 1
    return matrix


def ml_latest_small():
    file = np.load(folder() / "ml_latest_small.npz")
    log = matrix_of(file["user"], file["item"], (610, 9742))
    genres = Features(lists={"genres": "|"}, key=None).fit_transform({"genres": file["genres"]})
    return Data(log, genres.matrix, item_names=file["title"])


def ml100k():
    file = np.load(folder() / "ml100k.npz")
    log = matrix_of(file["user"], file["item"], (943, 1682))
    demographics = Features(categorical=["gender", "occupation", "age"], key=None).fit_transform(
        {"gender": file["user_gender"], "occupation": file["user_occupation"], "age": file["user_age"] // 10}
    )
    genres = scipy.sparse.csr_array(file["item_genres"].astype(np.float32))
    return Data(log, genres, demographics.matrix)


def lastfm_hetrec():
    file = np.load(folder() / "lastfm_hetrec.npz")
    log = matrix_of(file["user"], file["item"], (1892, 17632))
    known = file["tag_item"] >= 0
    tags = matrix_of(file["tag_item"][known], file["tag_id"][known], (17632, file["tag_id"].max() + 1))
    frequent = np.bincount(tags.indices, minlength=tags.shape[1]) >= FEWEST
    return Data(log, scipy.sparse.csr_array(tags[:, np.flatnonzero(frequent)]), item_names=file["artist_name"])


def online_retail():
    log = Interactions.from_parquet(
        folder() / "online_retail.parquet", user="CustomerID", item="StockCode", item_name="Description", missing_user=0
    )
    names = np.array([name or "" for name in log.item_names])
    words = Features(text="description", min_count=FEWEST, key=None).fit_transform({"description": names})
    return Data(log.user_items.astype(bool).astype(np.float32), words.matrix, item_names=names)


DATA = {
    "ml_latest_small, genres": ml_latest_small,
    "lastfm_hetrec, tags": lastfm_hetrec,
    "online_retail, words": online_retail,
}


def shares(features):
    """Rows that add up to 1, as LightFM's own data set makes them."""
    totals = np.asarray(features.sum(axis=1)).ravel()
    return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / np.where(totals > 0, totals, 1)) @ features)


# ---- trainers -------------------------------------------------------------------------------------------------------


class Vectors(NamedTuple):
    user_factors: np.ndarray
    item_factors: np.ndarray
    item_biases: np.ndarray
    model: object
    seconds: float

    def score(self, users):
        return self.user_factors[users] @ self.item_factors.T + self.item_biases


def ours(train, user_features, item_features, epochs, num_threads, seed, *, unseen=False, **settings):
    """Rows of all users and items, new ones by their features; training has columns for them, unless unseen."""
    model = HybridBPR(FACTORS, iterations=epochs, num_threads=num_threads, random_state=seed, **settings)
    known, seen, seen_features = np.arange(train.shape[1]), train, item_features
    if unseen:
        known = np.flatnonzero(np.bincount(train.indices, minlength=train.shape[1]))
        seen, seen_features = train[:, known], item_features[known]
    start = time.perf_counter()
    model.fit(seen, user_features=user_features, item_features=seen_features, show_progress=False)
    seconds = time.perf_counter() - start
    users = model.user_factors.copy()
    items, biases = np.empty((train.shape[1], FACTORS), np.float32), np.empty(train.shape[1], np.float32)
    items[known], biases[known] = model.item_factors, model.item_biases
    if item_features is not None:
        new = np.flatnonzero(np.bincount(train.indices, minlength=train.shape[1]) == 0)
        biases[new], items[new] = model.item_representations(item_features[new])
    if user_features is not None:
        new = np.flatnonzero(np.diff(train.indptr) == 0)
        users[new] = model.user_representations(user_features[new])[1]
    return Vectors(users, items, biases, model, seconds)


def theirs(train, user_features, item_features, epochs, num_threads, seed, *, own=True, **settings):
    """The same of LightFM: features behind a column for every row that is its own."""
    from lightfm import LightFM

    is_new = [np.diff(train.indptr) == 0, np.bincount(train.indices, minlength=train.shape[1]) == 0]
    given, represented = [], []
    for features, new in zip((user_features, item_features), is_new, strict=True):
        if features is None:
            given.append(None)
            represented.append(None)
            continue
        one_each = scipy.sparse.identity(len(new)) if own else scipy.sparse.csr_matrix((len(new), 0))
        without_new = scipy.sparse.diags((~new).astype(float)) if own else one_each
        for parts, into in ((one_each, given), (without_new, represented)):
            into.append(narrow(scipy.sparse.hstack([parts, features])))
    model = LightFM(no_components=FACTORS, random_state=seed, **settings)
    start = time.perf_counter()
    model.fit(narrow(train, "coo"), *given, epochs=epochs, num_threads=num_threads)
    seconds = time.perf_counter() - start
    _, users = model.get_user_representations(represented[0])
    biases, items = model.get_item_representations(represented[1])
    return Vectors(users, items, biases, model, seconds)


def narrow(matrix, format="csr"):
    """As LightFM wants it: 32 bits for indices and values."""
    matrix = scipy.sparse.coo_matrix(matrix)
    row, col = matrix.row.astype(np.int32), matrix.col.astype(np.int32)
    matrix = scipy.sparse.coo_matrix((matrix.data.astype(np.float32), (row, col)), shape=matrix.shape)
    if format == "csr":
        matrix = matrix.tocsr()
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix


# ---- speed ----------------------------------------------------------------------------------------------------------


class Race(NamedTuple):
    name: str
    train: scipy.sparse.csr_array
    test: scipy.sparse.csr_array
    user_features: scipy.sparse.csr_array | None
    item_features: scipy.sparse.csr_array | None
    epochs: int
    metric: str
    K: int
    ours: dict
    theirs: dict
    threads: tuple


def races():
    file = np.load(folder() / "gowalla.npz")
    parts = [matrix_of(file[f"{part}_user"], file[f"{part}_item"], (29_858, 40_981)) for part in ("train", "test")]
    warp = {"loss": "warp", "learning_rate": 0.1, "regularization": 0.02, "init_scale": 0.03}
    plain = {"loss": "bpr", "learning_rate": 0.2}
    yield Race("gowalla, ids, WARP", *parts, None, None, 20, "recall", 20, warp, {"loss": "warp"}, (1, 2))
    yield Race("gowalla, ids, BPR", *parts, None, None, 20, "recall", 20, plain, {"loss": "bpr"}, (1, 2))
    for name, make in (
        ("ml_latest_small, genres, WARP", ml_latest_small),
        ("ml100k, genres and demographics, WARP", ml100k),
    ):
        data = make()
        train, test = leave_one_out(data.log, random_state=0)
        sides = [None if side is None else shares(side) for side in (data.user_features, data.item_features)]
        warp = {"loss": "warp", "learning_rate": 0.2, "regularization": 0.03}
        yield Race(name, train, test, *sides, EPOCHS, "ndcg", K, warp, {"loss": "warp"}, (2,))


def speed(arguments):
    rows = []
    for race in races():
        for num_threads in race.threads:
            args = (race.train, race.user_features, race.item_features, race.epochs, num_threads, 0)
            runs = {
                "fastbpr": lambda args=args, race=race: ours(*args, **race.ours),
                "LightFM": lambda args=args, race=race: theirs(*args, **race.theirs),
            }
            fits = interleaved(runs, arguments.repetitions)
            seconds = {name: median(fit.seconds for fit in results) for name, results in fits.items()}
            metric = f"{race.metric}@{race.K}"
            quality = {
                name: median(
                    evaluate(fit, race.train, race.test, K=race.K, metrics=[race.metric])[metric] for fit in results
                )
                for name, results in fits.items()
            }
            rows.append([
                race.name, num_threads, f"{seconds['fastbpr']:.2f} s", f"{seconds['LightFM']:.2f} s",
                f"**{seconds['LightFM'] / seconds['fastbpr']:.1f}**", metric,
                f"{quality['fastbpr']:.4f}", f"{quality['LightFM']:.4f}",
            ])  # fmt: skip
    header = ["data, features, loss", "threads", "fastbpr", "LightFM", "times faster", "metric", "fastbpr", "LightFM"]
    print(markdown(header, rows))


# ---- what is new ----------------------------------------------------------------------------------------------------


def judged(scores, wanted):
    """(HR@K, NDCG@K) of the users who have something among the new items, which alone are ranked."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    hits = np.take_along_axis(wanted, best, axis=1)
    discounts = 1 / np.log2(np.arange(2, K + 2))
    ideal = np.cumsum(discounts)[np.minimum(wanted.sum(axis=1), K) - 1]
    return hits.any(axis=1).mean(), ((hits * discounts).sum(axis=1) / ideal).mean()


def popularity_of_kind(train, features):
    """Score of a new item: the mean number of users of the known items that have a feature, over its features."""
    users = np.bincount(train.indices, minlength=train.shape[1]).astype(float)
    known = users > 0
    counts = features[known].astype(bool).sum(axis=0)
    means = (features[known].astype(bool).T @ users[known]) / np.maximum(counts, 1)
    n_features = np.maximum(np.diff(features.indptr), 1)
    return (features.astype(bool) @ means) / n_features


def new_items(data, features, seed, epochs):
    """Metrics by name, for a random part of the items that nobody has in training."""
    is_new = np.zeros(data.log.shape[1], dtype=bool)
    is_new[np.random.default_rng(seed).permutation(len(is_new))[: int(NEW_SHARE * len(is_new))]] = True
    train = without(data.log, columns=is_new)
    test = data.log[:, np.flatnonzero(is_new)]
    users = np.flatnonzero(np.diff(test.indptr))
    wanted = test[users].toarray() > 0
    found = {}
    for name, fit in trainers():
        vectors = fit(train, None, features, epochs, 2, seed)
        found[name] = judged(vectors.score(users)[:, is_new], wanted)
    popularity = popularity_of_kind(train, features)[is_new]
    found["popularity by features"] = judged(np.broadcast_to(popularity, wanted.shape), wanted)
    return found


def new_users(data, features, seed, epochs):
    """Metrics by name, for a random part of the users, of whom nothing is known but features."""
    is_new = np.zeros(data.log.shape[0], dtype=bool)
    is_new[np.random.default_rng(seed).permutation(len(is_new))[: int(NEW_SHARE * len(is_new))]] = True
    train = without(data.log, rows=is_new)
    users = np.flatnonzero(is_new)
    wanted = data.log[users].toarray() > 0
    found = {}
    for name, fit in trainers(hidden_users=0.5):
        vectors = fit(train, features, None, epochs, 2, seed)
        found[name] = judged(vectors.score(users), wanted)
    popularity = np.bincount(train.indices, minlength=train.shape[1])
    found["popularity"] = judged(np.broadcast_to(popularity, wanted.shape), wanted)
    return found


def trainers(**more):
    """(name, function) of everything that is compared."""
    for name, settings in SETTINGS.items():
        yield f"fastbpr, {name}", lambda *args, settings=settings: ours(*args, **settings, **more)
    if not more:
        unseen = SETTINGS["softmax"] | {"unseen": True}
        yield "fastbpr, softmax, new items unseen", lambda *args: ours(*args, **unseen)
    for own in (True, False):
        name = "LightFM, WARP" + ("" if own else ", without own vectors")
        yield name, lambda *args, own=own: theirs(*args, loss="warp", own=own)


def without(matrix, rows=None, columns=None):
    matrix = matrix.tocoo()
    kept = ~(rows[matrix.row] if rows is not None else columns[matrix.col])
    return matrix_of(matrix.row[kept], matrix.col[kept], matrix.shape)


def cold(arguments):
    rows = []
    for name, make in DATA.items():
        data = make()
        for form, features in (("shares", shares(data.item_features)), ("ones", data.item_features)):
            rows += table(f"{name}, {form}", new_items, data, features, arguments)
    data = ml100k()
    rows += table("ml100k, new users by demographics", new_users, data, data.user_features, arguments)
    print(markdown(["data, features", "", f"HR@{K}", f"NDCG@{K}"], rows))


def table(title, measure, data, features, arguments):
    results = [measure(data, features, seed, EPOCHS) for seed in range(100, 100 + arguments.seeds)]
    rows = []
    for name in results[0]:
        hit_rate, ndcg = np.mean([result[name] for result in results], axis=0)
        rows.append([title, name, f"{hit_rate:.4f}", f"{ndcg:.4f}"])
        print(*rows[-1], flush=True)
    return rows


# ---- ranks, threads, neighbours -------------------------------------------------------------------------------------


def ranks(arguments):
    rows = []
    for race in list(races())[::2][:2]:
        args = (race.train, race.user_features, race.item_features, 3, 2, 0)
        mine, other = ours(*args, **race.ours), theirs(*args, **race.theirs)
        test, train = (narrow(matrix) for matrix in (race.test, race.train))
        own = None if race.item_features is None else narrow(
            scipy.sparse.hstack([scipy.sparse.identity(race.train.shape[1]), race.item_features])
        )  # fmt: skip
        runs = {
            "fastbpr": lambda mine=mine, race=race: timed(mine.model.predict_rank, race.test, race.train),
            "LightFM": lambda other=other, test=test, train=train, own=own: timed(
                other.model.predict_rank, test, train, item_features=own, num_threads=2
            ),
        }
        seconds = {name: median(values) for name, values in interleaved(runs, arguments.repetitions).items()}
        shown = [f"{seconds[name]:.3f} s" for name in ("fastbpr", "LightFM")]
        factor = f"**{seconds['LightFM'] / seconds['fastbpr']:.1f}**"
        rows.append([race.name.partition(",")[0], f"{race.test.nnz:,}", *shown, factor])
    print(markdown(["data", "ranks", "fastbpr", "LightFM", "times faster"], rows))


def timed(function, *args, **options):
    start = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - start


def threads(arguments):
    rows = []
    for name, make in ({"": None, "ml100k, genres and demographics": ml100k} | DATA).items():
        data = (make or ml100k)()
        sides = (data.user_features, data.item_features) if make else (None, None)
        fits = {}
        for n in (1, 2):
            fits[n] = [ours(data.log, *sides, 10, n, 0, loss="bpr") for _ in range(arguments.repetitions)]
        cost = {n: median(fit.seconds for fit in results) / (10 * data.log.nnz) * 1e9 for n, results in fits.items()}
        same = all(
            np.array_equal(one.item_factors, other.item_factors) for one, other in zip(fits[1], fits[2], strict=True)
        )
        rows.append([name or "ml100k, ids only", f"{cost[1]:.0f}", f"{cost[2]:.0f}", "yes" if same else "NO"])
    print(markdown(["data, features", "ns per update, 1 thread", "2 threads", "same bits"], rows))


def neighbours(arguments):
    data = online_retail()
    rng = np.random.default_rng(1)
    counts = np.bincount(data.log.indices, minlength=data.log.shape[1])
    chosen = rng.permutation(np.flatnonzero(counts >= 100))[:8]
    is_new = np.isin(np.arange(len(counts)), chosen)
    train = without(data.log, columns=is_new)
    model = ours(train, None, data.item_features, EPOCHS, 2, 0, **SETTINGS["softmax"]).model
    found, _ = model.similar_items(item_features=data.item_features[chosen], N=4, items=np.flatnonzero(~is_new))
    rows = [
        [data.item_names[item], ", ".join(data.item_names[others])] for item, others in zip(chosen, found, strict=True)
    ]
    print(markdown(["a new product", "its neighbours"], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"speed": speed, "cold": cold, "ranks": ranks, "threads": threads, "neighbours": neighbours}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(machine())
    commands[arguments.command](arguments)


if __name__ == "__main__":
    main()
