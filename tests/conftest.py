"""Fixtures that several test modules share."""

import functools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from helpers import Given, Problem, fit

from fastbpr import _kernels, _readers


@pytest.fixture(params=_kernels.available_instruction_sets())
def kernels(request):
    """(training, scoring, composition) of every build that this machine runs."""
    return _kernels.load(request.param)


@pytest.fixture
def training(kernels):
    return kernels[0]


@pytest.fixture
def scoring(kernels):
    return kernels[1]


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}; set FASTBPR_DATA")
    return folder


@pytest.fixture(scope="session")
def communities():
    """Four communities of 50 users and 25 items; users interact with their own community's items only."""
    rng = np.random.default_rng(0)
    block = rng.random((50, 25)) < 0.4
    groups = [scipy.sparse.coo_array(np.roll(block, shift, axis=1)) for shift in range(4)]
    return scipy.sparse.csr_array(scipy.sparse.block_diag(groups), dtype=np.float32)


@pytest.fixture
def ctrl_c():
    """Ctrl-C works as at a terminal, also where whoever started the tests has it ignored."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield functools.partial(signal.raise_signal, signal.SIGINT)
    signal.signal(signal.SIGINT, previous)


@pytest.fixture(scope="session")
def model(communities):
    """A model that has learned the communities."""
    return fit(communities)


@pytest.fixture(params=["pyarrow", "numpy"])
def engine(request, monkeypatch):
    """Each of the two ways to factorise; the second is what an installation without pyarrow uses."""
    if request.param == "numpy":
        monkeypatch.setattr(_readers, "pyarrow", None)
    return request.param


@pytest.fixture
def problem():
    return Problem()


@pytest.fixture(params=[3, 10**6], ids=["ties", "no ties"])
def tied(request):
    """A problem with scores and similarities; item 7 is nobody's, user 9 lacks two items, user 4 all."""
    problem = Problem()
    train = problem.train.toarray()
    train[9], train[9, [2, 7]] = 1, 0
    train[:, 7], train[4] = 0, 0
    problem.train = scipy.sparse.csr_array(train)
    rng = np.random.default_rng(0)
    n_users, n_items = problem.shape
    problem.scores = rng.integers(-request.param, request.param, size=(n_users, n_items)) / 2
    problem.similarities = rng.integers(-request.param, request.param, size=(n_items, n_items)) / 2
    problem.popularity = (train > 0).sum(axis=0)
    problem.queries = np.flatnonzero(problem.popularity)
    problem.given = Given(problem.scores, problem.similarities)
    return problem
