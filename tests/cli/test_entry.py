"""The command itself: usage, help, exit codes, bugs and closed pipes."""

import os
import subprocess
import sys

import pytest

import fastbpr
from fastbpr._commands import demo


def test_the_module_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "fastbpr", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fastbpr {fastbpr.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fit"], ["no-such-command"], ["fit", "a.csv", "--user", "u", "--factors", "x"]])
def test_arguments_that_cannot_be_parsed_get_a_usage_line_and_exit_code_2(run, argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("usage: fastbpr")


@pytest.mark.parametrize("command", ["demo", "fit", "similar", "recommend", "evaluate", "diagnose", "tune"])
def test_every_command_has_help_with_examples(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"examples:\n  fastbpr {command}" in out


def test_the_help_shows_the_defaults_of_the_model(run):
    out = " ".join(run("fit", "--help")[1].split())
    for option, default in {"length of the vectors": 64, "step size": 0.2, "epochs": 100}.items():
        assert f"{option} (default: {default})" in out


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError])
def test_a_bug_keeps_its_traceback(run, monkeypatch, error):
    def broken(*_, **__):
        raise error("oops")

    monkeypatch.setattr(demo, "simulate_shop", broken)
    with pytest.raises(error, match="oops"):
        run("demo")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_closed_pipe_ends_the_command_without_a_word(model_file):
    command = [sys.executable, "-m", "fastbpr", "similar", str(model_file), "P0001"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
