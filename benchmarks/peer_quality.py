"""How good lists are beside those of other libraries, each tuned with the same budget; prints a Markdown table.

    FASTBPR_DATA=folder python benchmarks/peer_quality.py --trials 25

The folder must hold ml_latest_small.npz (every rating is a positive; the latest item of each user is the test item, the
one before it the validation item) and lastfm_hetrec.npz (both are drawn at random). All items that are new to a user
are ranked. Optuna looks, `--trials` times, for the parameters with the best NDCG@10 on the validation items; the first
trial is the library's own defaults, or what it recommends (for fastbpr its preset "best"). With the best, the library
is fitted to all but the test items, with five seeds that the search has not seen. The test items are used for nothing
else.

The libraries are in tuned_peers.py; those that are not installed are passed over.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit asks for it: its own threads call BLAS

import argparse
import importlib.util
import json
import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import NamedTuple

import numpy as np
import optuna
import scipy.sparse
from answer import markdown
from measuring import machine
from tqdm import tqdm
from tuned_peers import LIBRARIES, NUM_THREADS, Fastbpr

from fastbpr import BPR, Interactions
from fastbpr.baselines import Popularity
from fastbpr.errors import TrainingError
from fastbpr.evaluation import evaluate_per_user
from fastbpr.splitting import leave_one_out

TUNING_SEED, TEST_SEEDS = 0, range(1, 6)
METRICS = ["ndcg", "hr"]

# ---- data -----------------------------------------------------------------------------------------------------------


class Data(NamedTuple):
    name: str
    train: scipy.sparse.csr_array  # all but the test items
    test: scipy.sparse.csr_array
    tuning: scipy.sparse.csr_array  # train, without the validation items
    validation: scipy.sparse.csr_array


def load(name):
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    file = np.load(folder / f"{name}.npz")
    timestamps = file.get("timestamp")
    by = "random" if timestamps is None else "time"
    log = Interactions.from_arrays(file["user"], file["item"], timestamps=timestamps)
    train, test = leave_one_out(log, by=by, random_state=0)
    tuning, validation = leave_one_out(train, by=by, random_state=1)
    return Data(name, *(as_ones(part.user_items) for part in (train, test, tuning, validation)))


def as_ones(matrix):
    """Return the matrix with a one for every entry, and the int32 indices that LightFM asks for."""
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return scipy.sparse.csr_array((np.ones(matrix.nnz, np.float32), indices, indptr), shape=matrix.shape)


DATA = ("ml_latest_small", "lastfm_hetrec")

# ---- measuring ------------------------------------------------------------------------------------------------------


def main():
    arguments = command_line().parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    libraries = [library for library in LIBRARIES if arguments.only is None or library.package in arguments.only]
    libraries = [library for library in libraries if importlib.util.find_spec(library.package)]
    results = []
    for data in map(load, arguments.data):
        for measure in measurements(data, libraries, arguments.trials):
            results.append(measure())
            if arguments.save:  # after each: a search may take long
                arguments.save.write_text(json.dumps(results, indent=1))
    print(f"{machine()}; {arguments.trials} trials each; {NUM_THREADS} threads, cornac and EASE^R one")
    print(f"\n{table(results)}")


def measurements(data, libraries, n_trials):
    """Return what is to be called for each row of the table."""
    return [
        *(partial(tuned, data, library, n_trials) for library in libraries),
        partial(judged, data, "fastbpr, defaults", lambda seed: Fastbpr().fit(data.train, {}, seed), TEST_SEEDS),
        partial(judged, data, "fastbpr, preset best", lambda seed: best_preset(data.train, seed), TEST_SEEDS),
        partial(judged, data, "popularity", lambda seed: Popularity().fit(data.train), [0]),
    ]


def tuned(data, library, n_trials):
    """Search, fit with the best and return all figures."""
    start = time.perf_counter()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=TUNING_SEED))
    study.enqueue_trial(library.start())
    with tqdm(total=n_trials, desc=f"{data.name}, {library.name}", leave=False) as bar:
        study.optimize(lambda trial: tried(data, library, trial), n_trials, callbacks=[lambda *_: bar.update()])
    tuning = {
        "parameters": study.best_trial.user_attrs["parameters"],
        "validation": study.best_value,
        "tuning_seconds": time.perf_counter() - start,
        "trials": [trial.user_attrs | {"validation": trial.value} for trial in study.trials],
    }
    seeds = TEST_SEEDS if library.random else [0]
    parameters = tuning["parameters"]
    return judged(data, library.name, lambda seed: library.fit(data.train, parameters, seed), seeds) | tuning


def tried(data, library, trial):
    """Return the validation NDCG@10 of a trial, 0 if training diverges."""
    parameters = library.space(trial)
    trial.set_user_attr("parameters", parameters)
    start = time.perf_counter()
    try:
        model = library.fit(data.tuning, parameters, TUNING_SEED)
        _, values = evaluate_per_user(model, data.tuning, data.validation, K=10, metrics=["ndcg"])
        value = values["ndcg@10"].mean()
    except Exception as error:  # each library has its own for factors that are no longer numbers
        if not isinstance(error, TrainingError) and "NaN" not in str(error):
            raise
        print(f"{library.name}, {parameters}: {error}", file=sys.stderr)
        value = 0.0
    trial.set_user_attr("seconds", time.perf_counter() - start)
    return float(value)


def judged(data, name, fit, seeds):
    """Fit with every seed; return the metrics on the test items, by seed, and NDCG@10 by user."""
    seconds, by_seed = [], []
    for seed in seeds:
        start = time.perf_counter()
        model = fit(seed)
        seconds.append(time.perf_counter() - start)
        by_seed.append(evaluate_per_user(model, data.train, data.test, K=10, metrics=METRICS).values)
    metrics = {f"{metric}@10": [float(values[f"{metric}@10"].mean()) for values in by_seed] for metric in METRICS}
    by_user = np.mean([values["ndcg@10"] for values in by_seed], axis=0)
    return {"data": data.name, "library": name, "fit_seconds": seconds, **metrics, "ndcg_by_user": by_user.tolist()}


def best_preset(train, seed):
    return BPR.preset("best", num_threads=NUM_THREADS, random_state=seed).fit(train, show_progress=False)


# ---- reporting ------------------------------------------------------------------------------------------------------


def table(results):
    columns = [
        "data set, library", "validation NDCG@10", "test NDCG@10", "fastbpr is ahead by", "test HR@10", "s of tuning",
        "s of a fit", "parameters",
    ]  # fmt: skip
    first = {result["data"]: result for result in reversed(results)}
    rows = [row(result, first[result["data"]]) for result in results]
    return (
        f"{markdown(columns, rows)}\n\nBehind +-: the standard deviation over seeds; for what fastbpr is ahead by in"
        " test NDCG@10, half of a 95 % interval, from the differences of users."
    )


def row(result, first):
    ahead = np.subtract(first["ndcg_by_user"], result["ndcg_by_user"])
    half = 1.96 * ahead.std(ddof=1) / np.sqrt(len(ahead))
    parameters = [f"{name} {rounded(value)}" for name, value in result.get("parameters", {}).items()]
    return [
        f"{result['data']}, {result['library']}",
        f"{result['validation']:.4f}" if "validation" in result else "",
        over_seeds(result["ndcg@10"]),
        "" if result is first or first["library"] != "fastbpr" else f"{ahead.mean():+.4f} +- {half:.4f}",
        over_seeds(result["hr@10"]),
        f"{result['tuning_seconds']:.0f}" if "tuning_seconds" in result else "",
        f"{median(result['fit_seconds']):.2f}",
        ", ".join(parameters),
    ]


def rounded(value):
    return f"{value:.3g}" if isinstance(value, float) else value


def over_seeds(values):
    return f"{mean(values):.4f}" + (f" +- {stdev(values):.4f}" if len(values) > 1 else "")


def command_line():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=25, help="parameters that are tried of a library (default: 25)")
    parser.add_argument("--only", nargs="+", choices=[library.package for library in LIBRARIES], metavar="PACKAGE")
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="write all figures there")
    return parser


if __name__ == "__main__":
    main()
