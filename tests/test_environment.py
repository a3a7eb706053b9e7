"""Builds, threads and optional parts."""

import os
import subprocess
import sys

import pytest

import fastbpr
from fastbpr import _kernels, _threads, _validation


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_build_info_tells_what_is_in_use():
    info = fastbpr.build_info()
    assert info["version"] == fastbpr.__version__
    assert info["instruction_set"] == _kernels.instruction_set
    assert info["instruction_sets"][-1] == "baseline"
    assert info["threads"] >= 1
    assert isinstance(info["openmp"], bool)


@pytest.mark.parametrize("name", _kernels.available_instruction_sets())
def test_the_environment_chooses_the_build(name):
    done = run("import fastbpr; print(fastbpr.build_info()['instruction_set'])", FASTBPR_SIMD=name)
    assert done.stdout.strip() == name


def test_an_unknown_build_is_named():
    assert "FASTBPR_SIMD must be one of" in run("import fastbpr", FASTBPR_SIMD="sse9").stderr


def test_threads_follow_affinity_and_wishes(monkeypatch):
    assert fastbpr.effective_threads(3) == (3 if fastbpr.build_info()["openmp"] else 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_threads.os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(_threads, "cgroup_limit", lambda: float("inf"))
    assert _threads.usable_cpus() == 6
    monkeypatch.setattr(_threads, "cgroup_limit", lambda: 2)
    assert _threads.usable_cpus() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert _threads.usable_cpus() == 1


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_container_quotas_are_read_from_both_kinds_of_cgroup(tmp_path, files, limit):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert _threads.cgroup_limit(tmp_path) == limit


@pytest.mark.parametrize("bad", [-1, 1.5, True, 1025, 2**40])
def test_a_bad_number_of_threads_is_named(bad):
    with pytest.raises((TypeError, ValueError), match=f"num_threads must be an integer from 0 to 1024, got {bad}"):
        fastbpr.effective_threads(bad)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_answers_instead_of_waiting_for_lost_threads():
    code = """
import os, warnings
import numpy as np, scipy.sparse
from fastbpr import BPR
warnings.simplefilter("ignore")  # newer Pythons warn of fork beside threads
matrix = scipy.sparse.csr_array(np.random.default_rng(0).random((500, 300)) < 0.1, dtype=np.float32)
model = BPR(factors=8, iterations=2, num_threads=2, random_state=0).fit(matrix, show_progress=False)
expected = model.similar_items(np.arange(300))[0]
child = os.fork()
if child == 0:
    again = BPR(factors=8, iterations=2, num_threads=2, random_state=0).fit(matrix, show_progress=False)
    same = (model.similar_items(np.arange(300))[0] == expected).all()
    os._exit(0 if same and (again.item_factors == model.item_factors).all() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    assert run(code).returncode == 0


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(fastbpr.MissingExtraError, match=r"needs pyarrow. Install it: pip install 'fastbpr\[io\]'"):
        _validation.require("pyarrow", extra="io", purpose="Reading Parquet")
