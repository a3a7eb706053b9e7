"""Which library finds approximate lists best, and from which size of the catalogue on an index pays; tables.

    python benchmarks/ann.py --data gowalla --only voyager faiss usearch hnswlib
    python benchmarks/ann.py --data clustered --items 300000 --only voyager faiss usearch --tasks similar
    python benchmarks/ann.py --sizes 10000 40000 100000 300000

All libraries build the same kind of graph, HNSW, with the same settings, of the same vectors; the effort of a search,
`ef`, is varied. Recall is the share of the exact ten best that is found. Queries per second are by CPU time on one
thread, which other processes on the machine do not change much, and by wall time on two. Each library runs in a process
of its own, so that its memory can be told. Libraries that are not installed are left out.

With `--sizes`, models with an index (`BPR.with_index`) are compared with exact ones, all on one thread: queries one at
a time, as a server has them, and all at once.
"""

import argparse
import importlib.util
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from answer import markdown
from measuring import machine, memory_status

from fastbpr import BPR

K = 10
CONNECTIONS, BUILD_EFFORT = 16, 200
EFFORTS = (20, 50, 100, 200, 400)
FACTORS = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=["gowalla", "clustered"], default="clustered")
    parser.add_argument("--items", type=int, default=300_000, help="of the clustered catalogue")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=60, help="of the model of gowalla")
    parser.add_argument("--only", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--sizes", nargs="+", type=int, help="clustered catalogues to compare models on")
    arguments = parser.parse_args()
    if arguments.sizes:
        print(f"{machine()}; clustered, {FACTORS} factors, K = {K}, by CPU time\n", flush=True)
        print(markdown(COLUMNS_OF_SIZES, [row for n in arguments.sizes for row in rows_of_size(n, arguments.queries)]))
        return
    model = gowalla(arguments.epochs) if arguments.data == "gowalla" else clustered(arguments.items)
    n_items = len(model.item_factors)
    print(f"{machine()}; {arguments.data}, {n_items:,} x {model.item_factors.shape[1]}, K = {K}\n", flush=True)
    for task in arguments.tasks:
        vectors, queries, expected, exact = TASKS[task](model, arguments.queries)
        rows = [["fastbpr, exact", "", "", "", "1.0000", *exact]]
        for name in arguments.only:
            if importlib.util.find_spec(LIBRARIES[name].module) is None:
                continue
            for space in ("cosine",) if task == "similar" else ("ip", "augmented"):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                    rows += process.submit(measured, name, space, vectors, queries, expected).result()
        columns = ["library", "build, CPU s", "memory, MB", "ef", "recall@10", "queries/s, 1 thread", "2 threads"]
        print(f"{task}:\n\n{markdown(columns, rows)}\n", flush=True)


# ---- what is asked --------------------------------------------------------------------------------------------------


def gowalla(epochs):
    from quality import load

    return BPR(factors=FACTORS, iterations=epochs, random_state=0).fit(load("gowalla")[0], show_progress=False)


def clustered(n_items, n_users=10_000, seed=0):
    """A model whose items lie in clusters of about 100, along axes of falling importance, with lengths that differ."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, FACTORS + 1, dtype=np.float32) ** -0.4
    centres = rng.standard_normal((max(n_items // 100, 1), FACTORS), dtype=np.float32)

    def drawn(n):
        rows = centres[rng.integers(len(centres), size=n)]
        rows += 0.7 * rng.standard_normal((n, FACTORS), dtype=np.float32)
        return rows * spectrum * rng.lognormal(0, 0.3, (n, 1)).astype(np.float32)

    model = BPR(factors=FACTORS)
    biases = rng.normal(0, 0.5, n_items).astype(np.float32)
    nothing = np.zeros(n_users + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    model._set_fitted((drawn(n_users), drawn(n_items), biases), nothing, history=[], settings={})
    return model


def similar(model, n_queries):
    ids = np.random.default_rng(1).choice(len(model.item_factors), n_queries, replace=False)
    rows, scale = model._compared_vectors("item", "cosine")
    vectors = rows * scale[:, None]
    lists, speeds = exact_speed(model, lambda some: model.similar_items(some, N=K), ids)
    return vectors, vectors[ids], lists, speeds


def recommend(model, n_queries):
    ids = np.random.default_rng(1).choice(len(model.user_factors), n_queries, replace=False)
    vectors = np.hstack([model.item_factors, model.item_biases[:, None]])
    queries = np.hstack([model.user_factors[ids], np.ones((n_queries, 1), dtype=np.float32)])
    lists, speeds = exact_speed(model, lambda some: model.recommend(some, N=K, filter_already_liked_items=False), ids)
    return vectors, queries, lists, speeds


TASKS = {"similar": similar, "recommend": recommend}


def exact_speed(model, call, ids):
    """Return the exact lists and [speed on one thread, on two], asked all at once; one at a time in brackets."""
    lists, speeds = speeds_of(model, call, ids)
    return lists, [f"{at_once:,.0f} ({alone:,.0f})" for at_once, alone in speeds]


def speeds_of(model, call, ids):
    """Return the lists and [(queries per second at once, one at a time) on one thread, on two]."""
    speeds = []
    for num_threads, clock in ((1, time.process_time), (2, time.perf_counter)):
        model.num_threads = num_threads
        call(ids[:200])
        start = clock()
        lists = call(ids)[0]
        at_once = len(ids) / (clock() - start)
        start = clock()
        for one in ids[:50]:
            call(int(one))
        speeds.append((at_once, min(len(ids), 50) / (clock() - start)))
    return lists, speeds


# ---- from which size on an index pays -------------------------------------------------------------------------------

COLUMNS_OF_SIZES = [
    "items", "lists", "effort", "build, s", "recall@10", "exact, ms", "index, ms", "exact, at once, ms",
    "index, at once, ms",
]  # fmt: skip


def rows_of_size(n_items, n_queries):
    """Milliseconds for a query, of a model without index and with one."""
    model = clustered(n_items)
    model.num_threads = 1
    ids = np.random.default_rng(1).choice(min(n_items, len(model.user_factors)), n_queries, replace=False)
    for name in ("similar_items", "recommend"):
        start = time.process_time()
        chosen = {other: other == name for other in ("similar_items", "recommend")}
        served = model.with_index(**chosen, show_progress=False)
        seconds = time.process_time() - start
        for effort in (50, 100, 400):
            served._index.graphs[name].graph.expansion_search = effort
            recall = served.index_recall(K, n_queries=500)[name]
            alone = [milliseconds(getattr(one, name), list(map(int, ids[:100]))) for one in (model, served)]
            at_once = [milliseconds(getattr(one, name), [ids]) / len(ids) for one in (model, served)]
            times = [f"{ms:.2g}" for ms in (*alone, *at_once)]
            yield [f"{n_items:,}", name, effort, f"{seconds:.0f}", f"{recall:.3f}", *times]


def milliseconds(call, queries):
    """CPU time of a query, after a first one."""
    call(queries[0], N=K)
    start = time.process_time()
    for query in queries:
        call(query, N=K)
    return 1000 * (time.process_time() - start) / len(queries)


# ---- what is compared -----------------------------------------------------------------------------------------------


def measured(name, space, vectors, queries, expected):
    """Return the rows of a library: one for each effort of search."""
    if space == "augmented":
        vectors, queries = augmented(vectors, queries)
    before = memory_status("VmRSS")
    library = LIBRARIES[name]()
    start = time.process_time()
    library.build(vectors, "ip" if space == "ip" else "cosine")
    seconds = time.process_time() - start
    size = memory_status("VmRSS") - before
    rows = []
    for effort in EFFORTS:
        speeds = []
        for num_threads, clock in ((1, time.process_time), (2, time.perf_counter)):
            library.search(queries[:100], effort, num_threads)
            start = clock()
            found = library.search(queries, effort, num_threads)
            speeds.append(f"{len(queries) / (clock() - start):,.0f}")
        recall = np.mean([len(np.intersect1d(*pair)) / K for pair in zip(found, expected, strict=True)])
        rows.append([f"{name}, {space}", f"{seconds:.1f}", f"{size / 1e6:.0f}", effort, f"{recall:.4f}", *speeds])
    return rows


def augmented(vectors, queries):
    """Return vectors of equal length whose cosine with queries orders them by product (Bachrach et al., 2014)."""
    squares = np.einsum("if,if->i", vectors, vectors)
    rest = np.sqrt(np.maximum(squares.max() - squares, 0))
    return np.hstack([vectors, rest[:, None]]), np.hstack([queries, np.zeros((len(queries), 1), dtype=np.float32)])


class Voyager:
    module = "voyager"

    def build(self, vectors, space):
        import voyager

        kind = voyager.Space.Cosine if space == "cosine" else voyager.Space.InnerProduct
        self.index = voyager.Index(kind, vectors.shape[1], CONNECTIONS, BUILD_EFFORT, max_elements=len(vectors))
        self.index.add_items(vectors, num_threads=1)

    def search(self, queries, effort, num_threads):
        return self.index.query(queries, K, num_threads=num_threads, query_ef=effort)[0]


class Hnswlib:
    module = "hnswlib"

    def build(self, vectors, space):
        import hnswlib

        self.index = hnswlib.Index(space=space, dim=vectors.shape[1])
        self.index.init_index(max_elements=len(vectors), ef_construction=BUILD_EFFORT, M=CONNECTIONS)
        self.index.add_items(vectors, num_threads=1)

    def search(self, queries, effort, num_threads):
        self.index.set_ef(effort)
        return self.index.knn_query(queries, k=K, num_threads=num_threads)[0]


class Faiss:
    module = "faiss"

    def build(self, vectors, space):
        import faiss

        faiss.omp_set_num_threads(1)
        self.is_cosine = space == "cosine"
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], CONNECTIONS, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = BUILD_EFFORT
        self.index.add(self.normalised(vectors))

    def search(self, queries, effort, num_threads):
        import faiss

        faiss.omp_set_num_threads(num_threads)
        return self.index.search(self.normalised(queries), K, params=faiss.SearchParametersHNSW(efSearch=effort))[1]

    def normalised(self, rows):
        if self.is_cosine:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        return np.ascontiguousarray(rows, dtype=np.float32)


class Usearch:
    module = "usearch"

    def build(self, vectors, space):
        from usearch.index import Index

        self.index = Index(
            ndim=vectors.shape[1], metric="cos" if space == "cosine" else "ip", dtype="f32",
            connectivity=CONNECTIONS, expansion_add=BUILD_EFFORT,
        )  # fmt: skip
        self.index.add(np.arange(len(vectors)), vectors, threads=1)

    def search(self, queries, effort, num_threads):
        self.index.expansion_search = effort
        return self.index.search(queries, K, threads=num_threads).keys.astype(np.int64)


LIBRARIES = {"voyager": Voyager, "faiss": Faiss, "usearch": Usearch, "hnswlib": Hnswlib}

if __name__ == "__main__":
    main()
