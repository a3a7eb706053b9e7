"""One model asked by many threads at once, and several models fitted at once."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions
from fastbpr.compat.implicit import _vectors
from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking

N_USERS, N_ITEMS, N_THREADS = 400, 700, 16


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    users, items = rng.integers(N_USERS, size=9000).astype(str), rng.integers(N_ITEMS, size=9000).astype(str)
    return Interactions.from_arrays(users, items, item_names=np.char.add("title ", items))


@pytest.fixture(scope="module")
def saved(log, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.npz"
    BPR(factors=24, iterations=5, random_state=0, num_threads=2).fit(log, show_progress=False).save(path)
    return path


def ask(model, number):
    """Return answers of every kind; which come first, and which similarity, depends on the number."""
    rng = np.random.default_rng(number)
    users, items = rng.integers(N_USERS - 50, size=5), rng.integers(N_ITEMS - 50, size=5)
    questions = [
        lambda: model.recommend(users, N=7)[0],
        lambda: model.recommend(np.arange(200), N=3)[1],
        lambda: model.similar_items(items, N=9)[1],
        lambda: model.similar_items(items, N=9, similarity=("centred", "user-space")[number % 2])[0],
        lambda: model.similar_users(users, N=9)[0],
        lambda: model.score(users),
        lambda: model.item_rows(model.item_labels[items].tolist()),
        lambda: model.user_rows(str(model.user_labels[users[0]])),
        lambda: model.item_names[items],
        lambda: model.fold_in(model_matrix(model, users)).user_factors,
    ]
    answers = {place: np.asarray(questions[place]()) for place in rng.permutation(len(questions)).tolist()}
    return [answers[place] for place in range(len(questions))]


def model_matrix(model, users):
    """What some users have, as a matrix."""
    indptr, indices = model._liked
    data = np.ones(len(indices), dtype=np.float32)
    whole = scipy.sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, len(model.item_factors)))
    return whole[users]


def at_once(task, numbers):
    """Return task(number) for each, begun by all threads at the same moment."""
    gate = threading.Barrier(N_THREADS)

    def wait_and_do(number):
        gate.wait(timeout=60)
        return task(number)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(wait_and_do, numbers))


def assert_answers(actual, expected):
    for mine, others in zip(actual, expected, strict=True):
        for one, other in zip(mine, others, strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize("num_threads", [1, 0, 3])
@pytest.mark.parametrize("mmap", [False, True])
def test_sixteen_threads_get_the_answers_of_one(saved, mmap, num_threads):
    numbers = range(2 * N_THREADS)
    expected = [ask(BPR.load(saved), number) for number in numbers]
    for _ in range(2):  # every time nothing has been looked at, decoded or computed
        model = BPR.load(saved, mmap=mmap).set_params(num_threads=num_threads)
        assert_answers(at_once(lambda number, model=model: ask(model, number), numbers), expected)


def test_a_model_with_features_is_asked_by_many(log):
    genres = np.random.default_rng(1).random((log.n_items, 5), dtype=np.float32)
    model = HybridBPR(factors=8, iterations=2, random_state=0).fit(log, item_features=genres, show_progress=False)

    def ask_about_new(number):
        new = genres[number : number + 3] + 0.1
        return [*model.similar_items(item_features=new, N=5), *model.item_representations(new)]

    expected = [ask_about_new(number) for number in range(N_THREADS)]
    assert_answers(at_once(ask_about_new, range(N_THREADS)), expected)


def test_a_model_with_an_index_is_asked_by_many(saved):
    pytest.importorskip("usearch")
    model = BPR.load(saved).with_index(similar_users=True, show_progress=False)

    def ask_index(number):
        rng = np.random.default_rng(number)
        users, items = rng.integers(N_USERS, size=5), rng.integers(N_ITEMS, size=5)
        return [
            *model.recommend(users, N=7),
            *model.similar_items(items, N=9),
            *model.similar_items(items, N=9, filter_items=items),
            *model.similar_users(users, N=9),
        ]

    numbers = range(2 * N_THREADS)
    expected = [ask_index(number) for number in numbers]
    assert_answers(at_once(ask_index, numbers), expected)


@pytest.mark.parametrize("work_for_threads", [0, 2**40])
def test_a_model_with_implicits_interface_is_asked_by_many(log, saved, monkeypatch, work_for_threads):
    monkeypatch.setattr(_vectors, "WORK_FOR_THREADS", work_for_threads)

    def ask_as_implicit(model, number):
        rng = np.random.default_rng(number)
        users, items = rng.integers(N_USERS - 50, size=5), rng.integers(N_ITEMS - 50, size=5)
        rows = log.user_items[users]
        questions = [
            lambda: model.recommend(users, rows, N=7)[0],
            lambda: model.recommend(users, rows, N=3, items=items)[1],
            lambda: model.similar_items(items, N=9)[1],
            lambda: model.similar_items(int(items[0]), N=9, filter_items=items)[0],
            lambda: model.similar_users(users, N=9)[0],
        ]
        answers = {place: questions[place]() for place in rng.permutation(len(questions)).tolist()}
        return [answers[place] for place in range(len(questions))]

    numbers = range(2 * N_THREADS)
    expected = [ask_as_implicit(BayesianPersonalizedRanking.load(saved), number) for number in numbers]
    for _ in range(10):  # every time nothing is kept yet
        model = BayesianPersonalizedRanking.load(saved)
        assert_answers(at_once(lambda number, model=model: ask_as_implicit(model, number), numbers), expected)


@pytest.mark.parametrize("parameters", [{}, {"negatives": "adaptive"}, {"loss": "warp", "num_threads": 3}])
def test_one_model_is_asked_while_others_are_fitted(log, saved, parameters):
    def fitted(seed):
        parts = {"factors": 16, "iterations": 6, "random_state": seed, "num_threads": 2} | parameters
        return BPR(**parts).fit(log, show_progress=False)

    alone = [fitted(seed) for seed in range(3)]
    expected = [ask(BPR.load(saved), number) for number in range(20)]
    model = BPR.load(saved, mmap=True)
    with ThreadPoolExecutor(6) as pool:
        fits = [pool.submit(fitted, seed) for seed in range(3)]
        answers = [pool.submit(ask, model, number) for number in range(20)]
        assert_answers([answer.result() for answer in answers], expected)
        for fit, one in zip(fits, alone, strict=True):
            assert_array_equal(fit.result().item_factors, one.item_factors)
            assert_array_equal(fit.result().user_factors, one.user_factors)


def test_others_may_run_python_while_a_kernel_works(saved):
    model = BPR.load(saved).set_params(num_threads=1)
    users = np.tile(np.arange(len(model.user_factors)), 50)
    done = threading.Event()

    def work():
        for _ in range(3):
            model.recommend(users, N=100, filter_already_liked_items=False)
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    n_turns = 0
    while not done.is_set():
        time.sleep(0.001)  # a turn gives the lock away, and takes it again
        n_turns += 1
    worker.join()
    assert n_turns > 20


@pytest.mark.parametrize("limits", [{"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}, {"OMP_THREAD_LIMIT": "3"}])
def test_fewer_threads_than_asked_for_do_not_wait_for_the_others(limits):
    script = """
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np
        from scipy.sparse import csr_array
        from fastbpr import BPR
        user_items = csr_array(np.random.default_rng(0).random((600, 500)) < 0.05)
        def fitted(n):
            return BPR(factors=8, iterations=3, random_state=0, num_threads=n).fit(user_items, show_progress=False)
        with ThreadPoolExecutor(4) as pool:
            models = list(pool.map(fitted, [1, 4, 4, 2]))
        assert all((model.item_factors == models[0].item_factors).all() for model in models)
        print(models[0].recommend(np.arange(300))[0].shape)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=os.environ | limits, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert run.stdout == "(300, 10)\n", run.stderr
