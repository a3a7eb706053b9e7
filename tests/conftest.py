"""Fixtures that several test modules share."""

import functools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from helpers import Problem, fit

from fastbpr import _kernels, _readers


@pytest.fixture(params=_kernels.available_instruction_sets())
def kernels(request):
    """(training, scoring) of every build that this machine runs."""
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
