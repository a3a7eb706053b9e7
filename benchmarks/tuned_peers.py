"""The libraries that peer_quality.py tunes, each with what is searched.

A further library is one more class, listed in LIBRARIES. Libraries are imported where they are used, so that those that
are missing can be passed over.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from peers import Cornac, Factors

from fastbpr import BPR
from fastbpr.errors import TrainingError

NUM_THREADS = 2


class Library:
    """What all have in common.

    `start()` returns the library's defaults, as near as the space has them; `space(trial)` the parameters of a trial,
    within what a careful user would search.
    `fit(train, parameters, seed)` returns what `fastbpr.evaluation.evaluate` takes.
    """

    random = True  # whether the result depends on a seed


class Fastbpr(Library):
    name = package = "fastbpr"

    def start(self):
        return {
            "factors": 64, "learning_rate": 0.1, "regularization": 0.1, "iterations": 80, "init_scale": 0.05,
            "loss": "softmax", "n_negatives": 8, "negatives": "dynamic", "n_candidates": 16,
        }  # fmt: skip

    def space(self, trial):
        parameters = {
            "factors": trial.suggest_categorical("factors", [32, 64, 128]),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.5, log=True),
            "regularization": trial.suggest_float("regularization", 0.001, 0.1, log=True),
            "iterations": trial.suggest_int("iterations", 20, 300, log=True),
            "init_scale": trial.suggest_float("init_scale", 0.01, 0.3, log=True),
            "loss": trial.suggest_categorical("loss", ["bpr", "softmax", "warp"]),
            "negatives": trial.suggest_categorical("negatives", ["uniform", "dynamic"]),
        }
        if parameters["loss"] == "softmax":
            parameters["n_negatives"] = trial.suggest_categorical("n_negatives", [8, 16, 32])
        if parameters["negatives"] == "dynamic":
            parameters["n_candidates"] = trial.suggest_categorical("n_candidates", [2, 4, 8, 16])
        return parameters

    def fit(self, train, parameters, seed):
        model = BPR(**parameters, num_threads=NUM_THREADS, random_state=seed)
        return model.fit(train, show_progress=False)


class Implicit(Library):
    name, package = "implicit BPR", "implicit"

    def start(self):
        return {"factors": 100, "learning_rate": 0.01, "regularization": 0.01, "iterations": 100}

    def space(self, trial):
        return {
            "factors": trial.suggest_int("factors", 16, 128, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.003, 0.3, log=True),
            "regularization": trial.suggest_float("regularization", 0.0001, 0.1, log=True),
            "iterations": trial.suggest_int("iterations", 20, 300, log=True),
        }

    def fit(self, train, parameters, seed):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            **parameters, verify_negative_samples=True, num_threads=NUM_THREADS, random_state=seed
        )
        model.fit(scipy.sparse.csr_matrix(train), show_progress=False)
        items = model.item_factors  # the last column is the bias, and the users' is one
        return finite(model.user_factors[:, :-1], items[:, :-1], items[:, -1])


class LightFM(Library):
    name, package = "LightFM WARP", "lightfm"

    def start(self):
        return {
            "no_components": 16, "learning_rate": 0.05, "item_alpha": 1e-7, "user_alpha": 1e-7, "max_sampled": 10,
            "epochs": 20,
        }  # fmt: skip

    def space(self, trial):
        return {
            "no_components": trial.suggest_int("no_components", 16, 128, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
            "item_alpha": trial.suggest_float("item_alpha", 1e-7, 1e-3, log=True),
            "user_alpha": trial.suggest_float("user_alpha", 1e-7, 1e-3, log=True),
            "max_sampled": trial.suggest_int("max_sampled", 5, 50, log=True),
            "epochs": trial.suggest_int("epochs", 5, 150, log=True),
        }

    def fit(self, train, parameters, seed):
        from lightfm import LightFM

        parameters = dict(parameters)
        epochs = parameters.pop("epochs")
        model = LightFM(loss="warp", learning_schedule="adagrad", random_state=seed, **parameters)
        try:
            model.fit(scipy.sparse.coo_matrix(train), epochs=epochs, num_threads=NUM_THREADS)
        except ValueError as error:
            if "finite" in str(error):
                raise TrainingError(str(error)) from error
            raise
        return finite(model.user_embeddings, model.item_embeddings, model.item_biases)


class CornacBPR(Library):
    name, package = "cornac BPR", "cornac"

    def start(self):
        return {"k": 16, "learning_rate": 0.001, "lambda_reg": 0.01, "max_iter": 100}

    def space(self, trial):
        return {
            "k": trial.suggest_int("k", 16, 128, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.001, 0.3, log=True),
            "lambda_reg": trial.suggest_float("lambda_reg", 0.0001, 0.1, log=True),
            "max_iter": trial.suggest_int("max_iter", 20, 300, log=True),
        }

    def fit(self, train, parameters, seed):
        from cornac.models import BPR as CornacModel

        model = CornacModel(**parameters, seed=seed)  # with a seed it uses one thread
        model.fit(Cornac().prepare(train))
        return finite(model.u_factors, model.i_factors, model.i_biases)


class Ease(Library):
    """EASE^R (Steck, 2019): an item's score is a weighted sum of the user's items, without itself, by least squares.

    Where there are fewer users than items, (X'X + r I)^-1 is better taken through the users' (X X' + r I)^-1.
    """

    name, package, random = "EASE^R", "numpy", False

    def start(self):
        return {"regularization": 500.0}

    def space(self, trial):
        return {"regularization": trial.suggest_float("regularization", 1, 10_000, log=True)}

    def fit(self, train, parameters, seed):
        X = train.toarray().astype(np.float64)
        strength = parameters["regularization"]
        gram = X @ X.T
        gram[np.diag_indices_from(gram)] += strength
        XP = scipy.linalg.cho_solve(scipy.linalg.cho_factor(gram), X)  # P = (X'X + strength I)^-1, items x items
        diagonal = (1 - np.einsum("ui,ui->i", X, XP)) / strength  # of P
        return Scores((X - XP / diagonal).astype(np.float32))


class Scores(NamedTuple):
    table: np.ndarray  # (n_users, n_items)

    def score(self, userids):
        return self.table[userids]


def finite(*arrays):
    """Return the factors of a model that may have diverged without a word."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise TrainingError("factors are not finite")
    return Factors(*arrays)


LIBRARIES = [Fastbpr(), Implicit(), LightFM(), CornacBPR(), Ease()]
