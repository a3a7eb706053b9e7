"""The trainers that compare.py runs, each behind the same two methods.

`prepare(matrix)` puts a canonical CSR matrix into the form that the library asks for, and is not timed.
`fit(data, factors, iterations, num_threads)` trains from scratch and returns `Times`.

A further library is one more class, listed in TRAINERS. Libraries are imported where they are used, so that those that
are missing can be passed over. Learning rate and regularisation are the same wherever the library has them; they do not
change the time of an update.
"""

import importlib
import importlib.util
import time
from typing import NamedTuple

import numpy as np
import scipy.sparse

LEARNING_RATE = 0.05
REGULARIZATION = 0.01


class Times(NamedTuple):
    epochs: list  # seconds of each epoch
    n_updates: list  # useful updates of each epoch: skipped draws are none
    fit: float  # seconds of the whole fit


class Fastbpr:
    package = "fastbpr"
    negatives = "uniform; a positive is redrawn"

    def __init__(self, schedule):
        self.schedule = schedule
        self.name = f"fastbpr {schedule}"

    def prepare(self, matrix):
        return matrix

    def fit(self, data, factors, iterations, num_threads):
        from fastbpr import BPR

        model = BPR(
            factors=factors, learning_rate=LEARNING_RATE, regularization=REGULARIZATION, iterations=iterations,
            num_threads=num_threads, random_state=0, schedule=self.schedule,
        )  # fmt: skip
        start = time.perf_counter()
        model.fit(data, show_progress=False)
        fit = time.perf_counter() - start
        return Times([epoch.seconds for epoch in model.history], [epoch.n_updates for epoch in model.history], fit)


class Implicit:
    name = package = "implicit"
    negatives = "by popularity; a positive is skipped, and its update lost"

    def prepare(self, matrix):
        return scipy.sparse.csr_matrix(matrix)

    def fit(self, data, factors, iterations, num_threads):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            factors=factors, learning_rate=LEARNING_RATE, regularization=REGULARIZATION, iterations=iterations,
            num_threads=num_threads, random_state=0, verify_negative_samples=True,
        )  # fmt: skip
        epochs, n_updates = [], []

        def callback(epoch, elapsed, correct, skipped):
            epochs.append(elapsed)
            n_updates.append(data.nnz - skipped)

        start = time.perf_counter()
        model.fit(data, show_progress=False, callback=callback)
        return Times(epochs, n_updates, time.perf_counter() - start)


class LightFM:
    name = package = "lightfm"
    negatives = "by popularity; a positive is redrawn; Adagrad, biases of users too"

    def prepare(self, matrix):
        return scipy.sparse.coo_matrix(matrix)

    def fit(self, data, factors, iterations, num_threads):
        from lightfm import LightFM

        epochs = []

        class Timed(LightFM):
            def _run_epoch(self, *args, **kwargs):
                start = time.perf_counter()
                super()._run_epoch(*args, **kwargs)
                epochs.append(time.perf_counter() - start)

        # Without regularisation, which costs LightFM extra.
        model = Timed(no_components=factors, loss="bpr", learning_rate=LEARNING_RATE, random_state=0)
        start = time.perf_counter()
        model.fit(data, epochs=iterations, num_threads=num_threads)
        return Times(epochs, [data.nnz] * len(epochs), time.perf_counter() - start)


class Cornac:
    name = package = "cornac"
    negatives = "uniform; a positive is skipped, and its update lost"

    def prepare(self, matrix):
        from cornac.data import Dataset

        n_users, n_items = matrix.shape
        users = np.repeat(np.arange(n_users), np.diff(matrix.indptr))
        triples = (users, matrix.indices, matrix.data)
        return Dataset(n_users, n_items, dict(enumerate(range(n_users))), dict(enumerate(range(n_items))), triples)

    def fit(self, data, factors, iterations, num_threads):
        from cornac.models import BPR

        epochs, n_updates = [], []

        class Timed(BPR):
            def _fit_sgd(self, *args):
                start = time.perf_counter()
                correct, skipped = super()._fit_sgd(*args)
                epochs.append(time.perf_counter() - start)
                n_updates.append(data.num_ratings - skipped)
                return correct, skipped

        # Without a seed: with one, cornac uses one thread whatever num_threads says.
        model = Timed(
            k=factors, max_iter=iterations, learning_rate=LEARNING_RATE, lambda_reg=REGULARIZATION,
            num_threads=num_threads,
        )  # fmt: skip
        start = time.perf_counter()
        model.fit(data)
        return Times(epochs, n_updates, time.perf_counter() - start)


TRAINERS = [Fastbpr("blocked"), Fastbpr("hogwild"), Implicit(), LightFM(), Cornac()]


def installed():
    """Return the trainers whose library is there; the first one is what the others are compared with."""
    return [trainer for trainer in TRAINERS if importlib.util.find_spec(trainer.package)]


def version_of(package):
    return importlib.import_module(package).__version__
