"""A model in production: newcomers, updates, opening, many threads at once, an index; prints Markdown tables.

    FASTBPR_DATA=folder python benchmarks/serving.py newcomers        # 10,000 users that training has not seen
    FASTBPR_DATA=folder python benchmarks/serving.py partial-fit      # the last 10 % of a log, and the week after
    python benchmarks/serving.py open                                 # 1 million users and items, 128 factors
    FASTBPR_DATA=folder python benchmarks/serving.py concurrent       # 8 threads, 60 seconds, every answer compared
    FASTBPR_DATA=folder python benchmarks/serving.py index            # 1 million items, and those of gowalla
    python benchmarks/serving.py drop-in --tests folder               # implicit's own tests, the import changed
    FASTBPR_DATA=folder python benchmarks/serving.py all --tests folder

What must hold on any machine is asserted: answers that are equal, arrays that are not copied, lists that are as good.
The column *reached* says whether rates and times, which another process on the machine spoils, are as wanted.
FASTBPR_DATA must hold gowalla.npz and online_retail.parquet; the folder of --tests bpr_test.py and
recommender_base_test.py of implicit's source distribution. implicit itself must be installed for the latter.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import collections
import copy
import logging
import mmap
import multiprocessing
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import median

import ann
import numpy as np
import pyarrow.parquet
import scipy.sparse
import storage
from answer import markdown, spread
from measuring import OtherProcesses, machine, memory_status
from newcomers import MODELS, OTHERS, gowalla
from power_law import SIZES, power_law

from fastbpr import BPR, Interactions
from fastbpr.evaluation import evaluate

# ---- newcomers ------------------------------------------------------------------------------------------------------

USERS_PER_SECOND, SHARE_OF_RECALL = 50_000, 0.95  # wanted on two threads; of a model that was trained on them


def newcomers(options):
    """Users whom training has not seen, folded in from half of their items and judged by the other half."""
    whole = gowalla()[0] if options.data == "gowalla" else power_law(*SIZES[options.data])
    held_out = np.sort(np.random.default_rng(1).choice(whole.shape[0], options.users, replace=False))
    given, other = halves(whole[held_out])
    others = without(whole, held_out)
    seen = others + placed(given, held_out, whole.shape)
    rows = []
    for name in options.models:
        make = (MODELS | OTHERS)[name]
        new, trained = (make().fit(matrix, show_progress=False) for matrix in (others, seen))
        speeds, vectors = {}, []
        for num_threads in (1, 2):
            new.num_threads = num_threads
            new.fold_in_users(given[:1])  # what is kept for all
            times = []
            for _ in range(options.repetitions):
                start = time.perf_counter()
                vectors.append(new.fold_in_users(given))
                times.append(time.perf_counter() - start)
            speeds[num_threads] = options.users / median(times)
        assert all((one == vectors[0]).all() for one in vectors)
        folded, retrained = (
            recall(model, rows_of_users, given, other)
            for model, rows_of_users in ((new, vectors[0]), (trained, trained.user_factors[held_out]))
        )
        figures = [f"{speeds[1]:,.0f}", f"{speeds[2]:,.0f}", f"{folded:.4f}", f"{retrained:.4f}"]
        good = folded >= SHARE_OF_RECALL * retrained
        assert good or options.data != "gowalla" or name in OTHERS
        rows.append([name, *figures, f"{folded / retrained:.1%}", told(good and speeds[2] >= USERS_PER_SECOND)])
    wanted = f"users/s on 2 threads (>= {USERS_PER_SECOND:,})"
    columns = ["model", "users/s on 1 thread", wanted, "Recall@20", "trained with them", "share (>= 95 %)", "reached"]
    return f"{options.users:,} users of {options.data}", [(columns, rows)]


def halves(matrix):
    """Return what is given of each user, half of the items and one more if their number is odd, and the rest."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((np.random.default_rng(2).random(matrix.nnz), rows))
    first = np.empty(matrix.nnz, dtype=bool)
    first[order] = (np.arange(matrix.nnz) - matrix.indptr[rows]) % 2 == 0
    return [
        scipy.sparse.csr_array((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape)
        for chosen in (first, ~first)
    ]


def without(matrix, users):
    kept = np.ones(matrix.shape[0], dtype=np.float32)
    kept[users] = 0
    others = scipy.sparse.csr_array(scipy.sparse.diags_array(kept) @ matrix)
    others.eliminate_zeros()
    return others


def placed(matrix, rows, shape):
    """The rows of a matrix at their places in a larger one."""
    one, column = matrix.tocoo().coords
    return scipy.sparse.csr_array((matrix.data, (rows[one], column)), shape=shape)


def recall(model, vectors, given, other):
    answering = model.fold_in(given)
    answering.user_factors = vectors
    return evaluate(answering, given, other, K=20, metrics="recall")["recall@20"]


# ---- partial fits ---------------------------------------------------------------------------------------------------

NEW_SHARE, WEEK = 0.1, np.timedelta64(7, "D")
SHARE_OF_NDCG, TIMES_FASTER = 0.98, 5
REPLAYS = {"partial_fit": {}, "partial_fit, a quarter replayed": {"replay_share": 0.25}}
TRAINERS = {"defaults": BPR, "dynamic negatives": lambda **chosen: BPR(negatives="dynamic", **chosen)} | {
    "preset balanced": lambda **chosen: BPR.preset("balanced", **chosen)
}


def partial_fit(options):
    """The last tenth of a log goes into a model of the rest; lists of the week after, beside those of a new fit."""
    old, new, both, week = retail() if options.data == "gowalla" else generated_log(options.data)
    tables = []
    for name in options.trainers:
        found = collections.defaultdict(list)
        for seed in range(options.seeds):
            before = None
            for what, data in (("no update", old), ("new fit", both)):
                start = time.perf_counter()
                model = TRAINERS[name](random_state=seed).fit(data, show_progress=False)
                found[what].append((time.perf_counter() - start, ndcg(model, both, week)))
                before = before or model
            for what, chosen in REPLAYS.items():
                model = copy.copy(before)
                start = time.perf_counter()
                replay = {"replay": old} | chosen if chosen else {}
                model.partial_fit(new, show_progress=False, **replay)
                found[what].append((time.perf_counter() - start, ndcg(model, both, week)))
        tables.append(compared(name, found))
        assert options.data != "gowalla" or dict(zip(found, tables[-1][1], strict=True))["partial_fit"][-1] != "worse"
    facts = f"{old.n_users:,} users, {old.user_items.nnz:,} interactions, {new.user_items.nnz:,} new, "
    return f"{facts}{week.user_items.nnz:,} in the week after; {options.seeds} seeds", tables


def compared(name, found):
    """Return columns and rows: medians of seconds and of NDCG, and of both beside a new fit of the same seed."""
    rows = []
    for what, values in found.items():
        seconds, metrics = zip(*values, strict=True)
        ratios = [new[0] / this[0] for this, new in zip(values, found["new fit"], strict=True)]
        shares = [this[1] / new[1] for this, new in zip(values, found["new fit"], strict=True)]
        reached = ""
        if what in REPLAYS:
            reached = told(median(ratios) >= TIMES_FASTER) if median(shares) >= SHARE_OF_NDCG else "worse"
        figures = [f"{median(seconds):.2f}", spread(metrics, 4), f"{median(shares):.1%}", f"{median(ratios):.1f}"]
        rows.append([what, *figures, reached])
    return [f"{name}", "s", "NDCG@10", "of a new fit's (>= 98 %)", "times as fast (>= 5)", "reached"], rows


def retail():
    """Return a shop's log before its last week less the last tenth, the tenth, both, and the week; known customers."""
    columns = ["CustomerID", "StockCode", "InvoiceDate"]
    table = pyarrow.parquet.read_table(Path(os.environ["FASTBPR_DATA"], "online_retail.parquet"), columns=columns)
    users, items, times = (table[name].to_numpy() for name in columns)
    return in_time(users[users > 0], items[users > 0].astype(str), times[users > 0].astype("datetime64[s]"))


def generated_log(size):
    """The same of generated interactions, in an order of no meaning, over a year."""
    users, items = power_law(*SIZES[size]).nonzero()
    seconds = np.random.default_rng(3).integers(365 * 86_400, size=len(users))
    return in_time(users, items, np.datetime64("2020-01-01", "s") + seconds)


def in_time(users, items, times):
    order = np.argsort(times, kind="stable")
    users, items, times = users[order], items[order], times[order]
    n = int(np.searchsorted(times, times[-1] - WEEK, side="right"))
    n_old = int((1 - NEW_SHARE) * n)
    parts = (slice(n_old), slice(n_old, n), slice(n), slice(n, None))
    return [Interactions.from_arrays(users[part], items[part]) for part in parts]


def ndcg(model, known, test):
    """Of what users take for the first time, as far as the model has users and items."""
    known, test = (log.aligned_to(model).user_items for log in (known, test))
    return evaluate(model, known, test, K=10, metrics="ndcg")["ndcg@10"]


# ---- opening --------------------------------------------------------------------------------------------------------

OPEN_MILLISECONDS = 50
COPIED = 0.01  # of the file: what may be in memory of its own after it was mapped; a copy of any table is more


def opening(options):
    """Milliseconds until a model is there, and how much of it is memory of its own; read, and mapped."""
    model = storage.fitted(options.rows, options.rows, 128)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "model.npz")
        model.save(path)
        size = path.stat().st_size
        rows = []
        for way in ("read", "mapped"):
            for kept in ("cold", "warm"):
                figures = storage.measured(path, storage.WAYS[way], kept, model, options.repetitions)
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                    own, touched, n_mapped, n_arrays = process.submit(memory_of, path, storage.WAYS[way]).result()
                reached = ""
                if way == "mapped":
                    assert n_mapped == n_arrays
                    assert own < max(COPIED * size, 2e6)
                    reached = told(float(figures[0].replace(",", "")) <= OPEN_MILLISECONDS)
                grown = [f"{own / 1e6:.1f}", f"{touched / 1e6:.1f}", f"{n_mapped} of {n_arrays}"]
                rows.append([way, kept, *figures[:2], *grown, reached])
    facts = f"{options.rows:,} users and {options.rows:,} items with text labels, 128 factors, {size / 1e9:.2f} GB"
    columns = ["way", "file", "open, ms (mapped: <= 50)", "first query, ms", "own memory, MB", "resident, MB"]
    return facts, [([*columns, "arrays in the file's pages", "reached"], rows)]


def memory_of(path, options):
    """Return (growth of memory of its own, of all that is resident, arrays of the mapped file, arrays), once opened."""
    BPR(factors=1).fit(scipy.sparse.csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)  # imports, threads
    before = memory_status("RssAnon"), memory_status("VmRSS")
    model = BPR.load(path, **options)
    grown = memory_status("RssAnon") - before[0], memory_status("VmRSS") - before[1]
    arrays = [model.user_factors, model.item_factors, model.item_biases]
    return *grown, sum(isinstance(owner(array), mmap.mmap) for array in arrays), len(arrays)


def owner(array):
    """Return what has the memory of an array."""
    while True:
        if isinstance(array, memoryview):
            array = array.obj
        elif getattr(array, "base", None) is not None:
            array = array.base
        else:
            return array


# ---- many threads ---------------------------------------------------------------------------------------------------

N_THREADS = 8


def concurrent(options):
    """Mixed calls of many threads on one model; every answer must be the one that was given to a single thread."""
    log = log_of(options.data)
    fitted = BPR(factors=64, iterations=10, random_state=0, num_threads=1).fit(log, show_progress=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.npz")
        fitted.save(path)
        models = {
            "read, kernels with 1 thread": (BPR.load(path), 1),
            "mapped, kernels with 2": (BPR.load(path, mmap=True), 2),
            "mapped, with an index": (BPR.load(path, mmap=True).with_index(similar_users=True, show_progress=False), 1),
        }
        tables = []
        for name, (model, num_threads) in models.items():
            alone = copy.copy(model).set_params(num_threads=1)
            questions = all_questions(alone, log, options.questions)
            expected = {number: answer(alone, *question) for number, question in enumerate(questions)}
            model.set_params(num_threads=num_threads)
            counts, problems = asked_for(options.seconds, model, questions, expected)
            assert not problems, problems[:3]
            kinds = collections.Counter()
            for number, count in counts.items():
                kinds[questions[number][0]] += count
            assert set(kinds) == {kind for kind, _ in questions}
            rows = [[kind, f"{n:,}", 0, 0] for kind, n in sorted(kinds.items())]
            rows.append(["all", f"{sum(kinds.values()):,}", 0, 0])
            tables.append(([name, "calls", "errors", "other answers"], rows))
    return f"{N_THREADS} threads, {options.seconds:g} s each, {log.n_users:,} users x {log.n_items:,} items", tables


def log_of(data):
    """A log with text labels."""
    users, items = (gowalla()[0] if data == "gowalla" else power_law(*SIZES[data])).nonzero()
    return Interactions.from_arrays(np.char.add("user ", users.astype(str)), np.char.add("item ", items.astype(str)))


def all_questions(model, log, n):
    """Return (kind, call of a model) for n questions of every kind, about random users and items."""
    rng, matrix, questions = np.random.default_rng(4), log.user_items, []
    for _ in range(n):
        user, item = (int(rng.integers(n)) for n in matrix.shape)
        users, items = (rng.choice(n, 30, replace=False) for n in matrix.shape)
        mine, theirs = matrix[[user]], matrix[users]
        label = log.item_labels[item]
        neighbour = int(model.similar_items(item, N=2)[0][1])
        questions += {
            "recommend, one": lambda m, u=user: m.recommend(u),
            "recommend, many": lambda m, u=users: m.recommend(u, N=20),
            "recommend, some items": lambda m, u=users, i=items: m.recommend(u, N=5, items=i),
            "recommend, recalculated": lambda m, u=user, h=mine: m.recommend(u, h, recalculate_user=True),
            "recommend, many recalculated": lambda m, u=users, h=theirs: m.recommend(u, h, recalculate_user=True),
            "similar_items, one": lambda m, i=item: m.similar_items(i),
            "similar_items, many": lambda m, i=items: m.similar_items(i, N=20),
            "similar_items, some left out": lambda m, i=item, j=items: m.similar_items(i, filter_items=j),
            "similar_users": lambda m, u=users: m.similar_users(u),
            "predict": lambda m, u=users, i=items: (m.predict(u, i),),
            "score": lambda m, u=user: (m.score(u),),
            "explain": lambda m, i=item, j=neighbour: (repr(m.explain(i, j)),),
            "fold_in_users": lambda m, h=theirs: (m.fold_in_users(h),),
            "item_rows": lambda m, name=label: (m.item_rows(name),),
        }.items()
    return questions


def answer(model, _, call):
    return [np.asarray(part) for part in call(model)]


def asked_for(seconds, model, questions, expected):
    """Return ({number of a question: how often it was asked}, what went wrong) of threads that ask for some seconds."""
    gate, end = threading.Barrier(N_THREADS), time.monotonic() + seconds

    def ask(seed):
        rng, counts, problems = np.random.default_rng(seed), collections.Counter(), []
        gate.wait(timeout=60)
        while time.monotonic() < end or not counts:
            for number in rng.permutation(len(questions)).tolist():
                counts[number] += 1
                try:
                    parts = zip(answer(model, *questions[number]), expected[number], strict=True)
                    if not all(np.array_equal(*pair) for pair in parts):
                        problems.append((questions[number][0], "another answer"))
                except Exception as error:
                    problems.append((questions[number][0], repr(error)))
                if time.monotonic() >= end and len(counts) == len(questions):
                    break
        return counts, problems

    with ThreadPoolExecutor(N_THREADS) as pool:
        results = list(pool.map(ask, range(N_THREADS)))
    return sum((counts for counts, _ in results), collections.Counter()), [one for _, some in results for one in some]


# ---- an index -------------------------------------------------------------------------------------------------------

K, RECALL, TIMES_THE_RATE = 10, 0.95, 20
EFFORTS = (10, 25, 50, 100, 200, 300, 400)


def index(options):
    """Rates of a model with an index beside the exact ones, and the share of the best that it finds."""
    makers = {f"{options.items:,} items in clusters": lambda: ann.clustered(options.items)}
    if options.data == "gowalla":
        makers["gowalla"] = lambda: ann.gowalla(60)
    return f"{ann.FACTORS} factors", [rates(name, make(), options) for name, make in makers.items()]


def rates(name, model, options):
    """Return columns and rows of a model: one row for the exact lists, and one for each effort of the index."""
    rows = []
    for what, more in (("similar_items", {}), ("recommend", {"filter_already_liked_items": False})):
        n = len(model.item_factors if what == "similar_items" else model.user_factors)
        ids = np.random.default_rng(1).choice(n, min(options.queries, n), replace=False)
        chosen = {other: other == what for other in ("similar_items", "recommend")}
        model.num_threads = 2
        start = time.perf_counter()
        served = model.with_index(**chosen, show_progress=False)
        build = time.perf_counter() - start
        exact = speeds(model, what, ids, more)
        rows.append([what, "exact", "", "1.0000", *map(shown, exact), "", ""])
        for effort in EFFORTS:
            served._index.graphs[what].graph.expansion_search = effort
            recall = served.index_recall(K, n_queries=min(options.queries, 1000))[what]
            found = speeds(served, what, ids, more)
            ratios = [one / other for one, other in zip(found, exact, strict=True)]
            reached = told(recall >= RECALL and ratios[1] >= TIMES_THE_RATE)
            times = f"{ratios[1]:.0f}, {ratios[3]:.0f}; {ratios[0]:.1f}, {ratios[2]:.1f}"
            rows.append([what, effort, f"{build:.0f}", f"{recall:.4f}", *map(shown, found), times, reached])
        assert max(float(row[3]) for row in rows if row[0] == what and row[1] != "exact") >= RECALL
    rate = "lists/s {}, {}".format
    columns = [name, "effort", "build on 2 threads, s", f"recall@{K} (>= .95)"]
    columns += [rate(how, some) for some in ("1 thread", "2") for how in ("at once", "one at a time")]
    return [*columns, "times exact, one at a time on 1, 2 threads (>= 20); at once", "reached"], rows


def speeds(model, what, ids, more):
    """Return lists per second at once and one at a time on one thread by CPU time, then on two by wall time."""
    found = ann.speeds_of(model, lambda some: getattr(model, what)(some, N=K, **more), ids)[1]
    return [rate for pair in found for rate in pair]


def shown(rate):
    return f"{rate:,.0f}"


# ---- implicit's own tests -------------------------------------------------------------------------------------------

TESTS = ("bpr_test.py", "recommender_base_test.py")
HERE = ("bpr", "cpu", "evaluation", "gpu", "recommender_base", "utils")  # modules that have their like in fastbpr


def drop_in(options):
    """Run implicit's tests of BPR on fastbpr, from a copy whose imports are other."""
    if options.tests is None:
        raise SystemExit("drop-in needs --tests: the folder `tests` of implicit's source distribution.")
    with tempfile.TemporaryDirectory() as folder:
        for name in TESTS:
            Path(folder, name).write_text(with_our_imports((options.tests / name).read_text()))
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, folder]
        run = subprocess.run(
            [*command, "-o", "python_files=*_test.py", f"--junitxml={report}"], cwd=folder, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert report.exists(), run.stdout + run.stderr
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    bad = {
        f"{case.get('classname')}::{case.get('name')}": part.get("message", "").partition("\n")[0]
        for case in cases
        for part in case
        if part.tag in ("failure", "error")
    }
    assert len(cases) >= 20, run.stdout
    assert not bad, bad
    skipped = sum(part.tag == "skipped" for case in cases for part in case)
    row = [", ".join(TESTS), len(cases) - skipped, len(bad), skipped, told(not bad)]
    return "implicit's tests, the import changed", [(["file", "passed", "failed", "skipped", "reached"], [row])]


def with_our_imports(source):
    """Let imports of implicit's BPR be ours; models that are only asked for to tell them from BPR stay implicit's."""
    modules = "|".join(HERE)
    source = re.sub(rf"^(\s*)from implicit\.({modules})\b", r"\1from fastbpr.compat.implicit.\2", source, flags=re.M)
    return re.sub(r"^(\s*)import implicit$", r"\1from fastbpr.compat import implicit", source, flags=re.M)


# ---------------------------------------------------------------------------------------------------------------------


def told(reached):
    return "yes" if reached else "no"


QUESTIONS = {
    "newcomers": newcomers, "partial-fit": partial_fit, "open": opening, "concurrent": concurrent, "index": index,
    "drop-in": drop_in,
}  # fmt: skip


def parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*QUESTIONS, "all"])
    sizes = [name for name in SIZES if name != "large"]
    parser.add_argument("--data", choices=["gowalla", *sizes], default="gowalla", help="or generated data, for a try")
    parser.add_argument("--users", type=int, default=10_000, help="newcomers")
    parser.add_argument("--models", nargs="+", choices=[*MODELS, *OTHERS], default=list(MODELS), help="of newcomers")
    parser.add_argument("--trainers", nargs="+", choices=list(TRAINERS), default=list(TRAINERS), help="of partial-fit")
    parser.add_argument("--seeds", type=int, default=5, help="of partial-fit")
    parser.add_argument("--rows", type=int, default=1_000_000, help="users, and items, of the model to open")
    parser.add_argument("--folder", type=Path, help="where its file may be (default: the temporary folder)")
    parser.add_argument("--seconds", type=float, default=60, help="of concurrent, for each of three models")
    parser.add_argument("--questions", type=int, default=25, help="of each kind, for concurrent")
    parser.add_argument("--items", type=int, default=1_000_000, help="of the catalogue in clusters, for index")
    parser.add_argument("--queries", type=int, default=2000, help="of index")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--tests", type=Path, help="folder with implicit's tests, for drop-in")
    return parser


def main():
    options = parser().parse_args()
    logging.getLogger("fastbpr").setLevel(logging.ERROR)
    print(machine())
    for what in QUESTIONS if options.what == "all" else [options.what]:
        others = OtherProcesses([])
        facts, tables = QUESTIONS[what](options)
        print(f"\n{what}: {facts}; other processes used {others.n_cpus():.1f} CPUs", flush=True)
        for columns, rows in tables:
            print(f"\n{markdown(columns, rows)}", flush=True)


if __name__ == "__main__":
    main()
