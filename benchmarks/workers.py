"""Trainers in processes of other Python interpreters, for libraries that cannot share an environment with the rest.

`Remote` has the methods of a trainer of peers.py. It starts `python workers.py NAME` with the other interpreter, in
which `serve` answers: one line of JSON for each line of JSON, arrays in .npz files whose paths are in the lines. Like
peers.py this file needs nothing but NumPy, SciPy and Python 3.8 there.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import traceback

import numpy as np
import scipy.sparse
from peers import TRAINERS, Factors, Fit, Rates


class PeerDied(RuntimeError):
    """A library took its process with it."""


class Remote:
    """A trainer whose library is in another environment. It keeps the matrix that was prepared last."""

    def __init__(self, trainer, python):
        self.name, self.package, self.negatives = trainer.name, trainer.package, trainer.negatives
        self.tuned, self.tried = trainer.tuned, trainer.tried
        self.folder = tempfile.TemporaryDirectory()
        self.arrays = os.path.join(self.folder.name, "arrays.npz")
        self.process = subprocess.Popen(
            [python, os.path.abspath(__file__), self.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.found = self.receive()

    def version(self):
        return "{version} (Python {python}, NumPy {numpy})".format(**self.found)

    def prepare(self, matrix):
        np.savez(self.arrays, indptr=matrix.indptr, indices=matrix.indices, shape=matrix.shape)
        self.ask("prepare")

    def fit(self, data, factors, iterations, num_threads, rates):
        arguments = {"factors": factors, "iterations": iterations, "num_threads": num_threads, "rates": rates}
        answer = self.ask("fit", **arguments)
        with np.load(self.arrays) as arrays:
            return Fit(factors=Factors(**arrays), **answer)

    def cpu_seconds(self):
        return self.ask("cpu_seconds") if self.process.poll() is None else 0.0

    def ask(self, method, **arguments):
        if self.process.poll() is not None:
            raise PeerDied(f"The process of {self.name} has ended.")
        request = {"method": method, "arrays": self.arrays, "arguments": arguments}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerDied(f"The process of {self.name} has ended.") from error
        return self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise PeerDied(f"The process of {self.name} ended with code {self.process.wait()}.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name} failed in its own process:\n{answer['error']}")
        return answer["result"]


def serve(name):
    """Answer the requests on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    trainer = next(trainer for trainer in TRAINERS if trainer.name == name)
    data = None

    def answer(request):
        nonlocal data
        if request["method"] == "cpu_seconds":
            return own_cpu_seconds()
        if request["method"] == "prepare":
            data = None  # frees the one before
            with np.load(request["arrays"]) as file:
                ones = np.ones(len(file["indices"]), dtype=np.float32)
                parts = (ones, file["indices"], file["indptr"])
                data = trainer.prepare(scipy.sparse.csr_matrix(parts, shape=tuple(file["shape"])))
            return None
        arguments = request["arguments"]
        arguments["rates"] = arguments["rates"] and Rates(*arguments["rates"])
        fit = trainer.fit(data, **arguments)
        np.savez(request["arrays"], **fit.factors._asdict())
        return {"epochs": fit.epochs, "n_updates": fit.n_updates, "seconds": fit.seconds}

    def send(make, *arguments):
        try:
            line = {"result": make(*arguments)}
        except Exception:
            line = {"error": traceback.format_exc()}
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    send(lambda: {"version": trainer.version(), "python": platform.python_version(), "numpy": np.__version__})
    for line in sys.stdin:
        send(answer, json.loads(line))


def own_cpu_seconds():
    """Return how much CPU this process and those that it has started and seen the end of have used."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    serve(sys.argv[1])
