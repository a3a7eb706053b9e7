"""The trainers that compare.py runs, each behind the same methods.

`prepare(matrix)` puts a canonical CSR matrix into the form that the library asks for, and is not timed.
`fit(data, factors, iterations, num_threads, rates)` trains from scratch and returns a `Fit`.

A further library is one more class, listed in TRAINERS. Libraries are imported where they are used, so that those that
are missing can be passed over. This file runs in the environments of all of them (see workers.py): it needs nothing but
NumPy, SciPy and the library, and Python 3.8.
"""

import importlib
import os
import tempfile
import time
from typing import NamedTuple

import numpy as np
import scipy.sparse


class Rates(NamedTuple):
    learning_rate: float
    regularization: float


# Where only time is measured, all get the same: the values do not change the time of an update.
SAME = Rates(learning_rate=0.05, regularization=0.01)


class Factors(NamedTuple):
    """What `fastbpr.evaluation.evaluate` takes for a model."""

    user_factors: np.ndarray
    item_factors: np.ndarray
    item_biases: np.ndarray


class Fit(NamedTuple):
    epochs: list  # seconds of each epoch
    n_updates: list  # useful updates of each epoch: skipped draws are none
    seconds: float  # of the whole fit
    factors: Factors


class Trainer:
    """What all have in common.

    Where the quality of the result is measured, a library gets the rates `tuned`, its best in a short search on
    gowalla's validation rows; `compare.py recall --tune` tries all of `tried` for longer. None stands for the library's
    own defaults.
    """

    tuned = None
    tried = tuple(Rates(rate, strength) for strength in (0.001, 0.01) for rate in (0.02, 0.05, 0.1, 0.2))

    def version(self):
        return importlib.import_module(self.package).__version__


class Fastbpr(Trainer):
    package = "fastbpr"
    negatives = "uniform; a positive is redrawn"
    tried = (None,)

    def __init__(self, schedule):
        self.schedule = schedule
        self.name = f"fastbpr {schedule}"

    def version(self):
        import fastbpr

        return f"{fastbpr.__version__} ({fastbpr.build_info()['instruction_set']})"

    def prepare(self, matrix):
        return matrix

    def fit(self, data, factors, iterations, num_threads, rates):
        from fastbpr import BPR

        model = BPR(
            factors=factors, iterations=iterations, num_threads=num_threads, random_state=0, schedule=self.schedule,
            **({} if rates is None else rates._asdict()),
        )  # fmt: skip
        start = time.perf_counter()
        model.fit(data, show_progress=False)
        seconds = time.perf_counter() - start
        epochs, n_updates = [epoch.seconds for epoch in model.history], [epoch.n_updates for epoch in model.history]
        return Fit(epochs, n_updates, seconds, Factors(model.user_factors, model.item_factors, model.item_biases))


class Implicit(Trainer):
    name = package = "implicit"
    negatives = "by popularity; a positive is skipped, and its update lost"
    tuned = Rates(0.1, 0.001)

    def prepare(self, matrix):
        return scipy.sparse.csr_matrix(matrix)

    def fit(self, data, factors, iterations, num_threads, rates):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            factors=factors, iterations=iterations, num_threads=num_threads, random_state=0,
            verify_negative_samples=True, **rates._asdict(),
        )  # fmt: skip
        epochs, n_updates = [], []

        def callback(epoch, elapsed, correct, skipped):
            epochs.append(elapsed)
            n_updates.append(data.nnz - skipped)

        start = time.perf_counter()
        model.fit(data, show_progress=False, callback=callback)
        seconds = time.perf_counter() - start
        items = model.item_factors  # the last column is the bias, and the users' is one
        return Fit(epochs, n_updates, seconds, Factors(model.user_factors[:, :-1], items[:, :-1], items[:, -1]))


class LightFM(Trainer):
    name = package = "lightfm"
    negatives = "by popularity; a positive is redrawn; Adagrad, biases of users too"
    tuned = Rates(0.05, 0)  # its default; not searched for
    tried = tuple(Rates(rate, 0) for rate in (0.02, 0.05, 0.1, 0.2))  # regularisation costs LightFM extra

    def prepare(self, matrix):
        return scipy.sparse.coo_matrix(matrix)

    def fit(self, data, factors, iterations, num_threads, rates):
        from lightfm import LightFM

        epochs = []

        class Timed(LightFM):
            def _run_epoch(self, *args, **kwargs):
                start = time.perf_counter()
                super()._run_epoch(*args, **kwargs)
                epochs.append(time.perf_counter() - start)

        model = Timed(no_components=factors, loss="bpr", learning_rate=rates.learning_rate, random_state=0)
        start = time.perf_counter()
        model.fit(data, epochs=iterations, num_threads=num_threads)
        seconds = time.perf_counter() - start
        fitted = Factors(model.user_embeddings, model.item_embeddings, model.item_biases)
        return Fit(epochs, [data.nnz] * len(epochs), seconds, fitted)


class Cornac(Trainer):
    name = package = "cornac"
    negatives = "uniform; a positive is skipped, and its update lost"
    tuned = Rates(0.1, 0.001)

    def prepare(self, matrix):
        from cornac.data import Dataset

        n_users, n_items = matrix.shape
        users = np.repeat(np.arange(n_users), np.diff(matrix.indptr))
        triples = (users, matrix.indices, matrix.data)
        return Dataset(n_users, n_items, dict(enumerate(range(n_users))), dict(enumerate(range(n_items))), triples)

    def fit(self, data, factors, iterations, num_threads, rates):
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
            k=factors, max_iter=iterations, num_threads=num_threads, learning_rate=rates.learning_rate,
            lambda_reg=rates.regularization,
        )  # fmt: skip
        start = time.perf_counter()
        model.fit(data)
        seconds = time.perf_counter() - start
        return Fit(epochs, n_updates, seconds, Factors(model.u_factors, model.i_factors, model.i_biases))


class Buffalo(Trainer):
    name = package = "buffalo"
    # It looks whether the workers are done every 0.1 seconds, so that is what a shorter epoch takes.
    negatives = "uniform; a positive is redrawn; all of a user in turn; an epoch takes a multiple of 0.1 s"
    tuned = Rates(0.1, 0.01)
    tried = tuple(Rates(rate, strength) for strength in (0.01, 0.03) for rate in (0.05, 0.1))  # its process dies at 0.2

    def prepare(self, matrix):
        from buffalo.data.mm import MatrixMarket, MatrixMarketOptions
        from buffalo.misc import log

        log.set_log_level(log.WARN)
        folder = tempfile.TemporaryDirectory()
        options = MatrixMarketOptions().get_default_option()
        options.input.main = scipy.sparse.csr_matrix(matrix)
        options.data.path = os.path.join(folder.name, "matrix.h5py")
        options.data.tmp_dir = folder.name
        del options.data.validation
        data = MatrixMarket(options)
        data.create()
        data.folder = folder  # is removed with the data
        return data

    def fit(self, data, factors, iterations, num_threads, rates):
        from buffalo.algo.bpr import BPRMF
        from buffalo.algo.options import BPRMFOption

        clock = []

        class Timed(BPRMF):
            def _iterate(self):
                clock.append(time.perf_counter())
                super()._iterate()

            def _finalize_train(self):
                clock.append(time.perf_counter())
                return super()._finalize_train()

        rate, strength = float(rates.learning_rate), float(rates.regularization)
        options = BPRMFOption().get_default_option()
        options.update(
            d=factors, num_iters=iterations, num_workers=num_threads, random_seed=1, lr=rate, reg_u=strength,
            reg_i=strength, reg_j=strength, reg_b=strength, use_bias=True, sampling_power=0.0, verify_neg=True,
            num_negative_samples=1, evaluation_on_learning=False, compute_loss_on_training=False,
        )  # fmt: skip
        model = Timed(options, data=data)
        start = time.perf_counter()
        model.initialize()
        model.train()
        seconds = time.perf_counter() - start
        n_updates = [int(data.get_header()["num_nnz"])] * iterations
        return Fit(np.diff(clock).tolist(), n_updates, seconds, Factors(model.P, model.Q, model.Qb[:, 0]))


# The first one is what the others are compared with.
TRAINERS = [Fastbpr("blocked"), Fastbpr("hogwild"), Implicit(), LightFM(), Cornac(), Buffalo()]
