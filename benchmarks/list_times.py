"""How long recommendations, similar items and an evaluation take, beside implicit, with the same factors."""

import time
from functools import partial
from statistics import median

import numpy as np
import pictures
import scipy.sparse
from answer import Answer, described, markdown, spread
from measuring import interleaved
from quality import load

from fastbpr import BPR
from fastbpr.evaluation import evaluate

RECOMMEND = "recommend to all users"
SIMILAR = "similar to all items"
AT_20 = "evaluate at K = 20"
ALL_RANKS = "evaluate, all ranks"


def lists(arguments, trainers):
    train, test, _ = load("gowalla")
    model = BPR(factors=arguments.factors, iterations=arguments.epochs, random_state=0)
    model.fit(train, show_progress=False)
    calls = {"fastbpr": our_lists(model, train, test)}
    if any(trainer.package == "implicit" for trainer in trainers):
        calls["implicit"] = lists_of_implicit(model, train, test)
        check_same(*({task: call(max(arguments.threads)) for task, call in tasks.items()} for tasks in calls.values()))

    def seconds_of(call, num_threads):
        start = time.perf_counter()
        call(num_threads)
        return time.perf_counter() - start

    threads = list(dict.fromkeys(arguments.threads))
    runs = {
        (task, n, library): partial(seconds_of, call, n)
        for n in threads
        for library, tasks in calls.items()
        for task, call in tasks.items()
    }
    measured = {key: np.array(seconds) for key, seconds in interleaved(runs, arguments.repetitions).items()}
    rows = []
    for task in calls["fastbpr"]:
        for n in threads:
            ours = measured[task, n, "fastbpr"]
            row = [task, n, spread(ours, 2)]
            if "implicit" in calls:
                theirs = measured[task, n, "implicit"]
                row += [spread(theirs, 2), f"{median(theirs / ours):.2f}"]
            rows.append(row)
    columns = ["task", "threads", "fastbpr, s (min - max)", "implicit, s (min - max)", "implicit over fastbpr"]
    data = f"{described('gowalla', train, arguments.factors)}; {test.nnz:,} held out"
    table = markdown(columns[: len(rows[0])], rows)
    return Answer("lists", [f"Data: {data}"], table, pictures.lists(measured, data))


def our_lists(model, train, test):
    """Return {task: function of the number of threads}."""
    users, items = (np.arange(n) for n in train.shape)

    def with_threads(method, ids, num_threads):
        model.num_threads = num_threads
        return method(ids, N=10)

    return {
        RECOMMEND: partial(with_threads, model.recommend, users),
        SIMILAR: partial(with_threads, model.similar_items, items),
        AT_20: lambda num_threads: evaluate(
            model, train, test, K=20, metrics=["precision", "map", "ndcg"], num_threads=num_threads
        ),
        ALL_RANKS: lambda num_threads: evaluate(model, train, test, K=20, num_threads=num_threads),
    }


def lists_of_implicit(model, train, test):
    """Return what `our_lists` returns, of a model of implicit that has the same factors."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.evaluation import ranking_metrics_at_k

    train, test = scipy.sparse.csr_matrix(train), scipy.sparse.csr_matrix(test)
    users, items = (np.arange(n) for n in train.shape)
    peer = BayesianPersonalizedRanking(factors=model.factors)
    ones = np.ones((len(users), 1), dtype=np.float32)
    peer.user_factors = np.hstack([model.user_factors, ones])
    peer.item_factors = np.hstack([model.item_factors, model.item_biases[:, None]])

    def with_threads(call, num_threads):
        peer.num_threads = num_threads
        return call()

    def evaluation(num_threads):
        return ranking_metrics_at_k(peer, train, test, K=20, show_progress=False, num_threads=num_threads)

    return {
        RECOMMEND: partial(with_threads, lambda: peer.recommend(users, train[users], N=10)),
        SIMILAR: partial(with_threads, lambda: peer.similar_items(items, N=10)),
        AT_20: evaluation,
        ALL_RANKS: evaluation,  # which cuts its AUC off at K, and has no other metric of all ranks
    }


def check_same(ours, theirs):
    """Both did the work that is timed; implicit's cosines count the bias as one more factor, so those lists differ."""
    np.testing.assert_allclose(ours[RECOMMEND][1], theirs[RECOMMEND][1], rtol=1e-3)
    assert ours[SIMILAR][0].shape == theirs[SIMILAR][0].shape
    for task in (AT_20, ALL_RANKS):
        np.testing.assert_allclose(ours[task]["ndcg@20"], theirs[task]["ndcg"], rtol=1e-3)
