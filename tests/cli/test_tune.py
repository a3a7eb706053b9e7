"""`fastbpr tune`: what it prints and writes, and what it refuses."""

import re

import pytest
from command_line import COLUMNS, assert_refused, table_after

from fastbpr import BPR
from fastbpr._commands import tune as command
from fastbpr.bpr import DEFAULTS
from fastbpr.tuning import Tuning, tune


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A search of small models."""
    space = {"factors": [4, 8], "iterations": (2, 5)}
    base = BPR(factors=8, iterations=4)
    monkeypatch.setattr(command, "tune", lambda log, **options: tune(log, space=space, base=base, **options))


def test_tune_prints_trials_and_parameters_and_writes_a_model_of_everything(run, logs, shop, tmp_path):
    path = tmp_path / "model.npz"
    code, out, err = run("tune", logs / "clicks.csv", *COLUMNS, "--trials", 3, "--metric", "recall@5", "-o", path)
    assert code == 0
    assert "3 trials: 3 complete, 0 pruned, 0 failed." in out
    values = [float(row[0]) for row in table_after(out, "recall@5")]
    assert values == sorted(values, reverse=True)
    model = BPR.load(path)
    assert len(model._liked[1]) == shop.interactions().user_items.nnz
    assert f"factors={model.factors}" in re.search(r"^BPR\((.*)\)$", out, re.MULTILINE)[1]
    assert f"The model of 800 users and 300 items is in {path}." in out
    assert "3/3" in err


def rows_of(*states_and_reasons):
    return [
        {"trial": trial, "state": state, "value": 0.5 if state == "complete" else None, "epochs": 1, "best_epoch": 0,
         "seconds": 0.1, "reason": reason, "factors": 8}
        for trial, (state, reason) in enumerate(states_and_reasons)
    ]  # fmt: skip


def test_why_trials_failed_is_told_by_their_number_and_an_example(capsys):
    diverged = ("failed", "Training diverged after 0 whole epochs with learning_rate=9.0, regularization=0.1")
    parameters = DEFAULTS | {"factors": 8}
    command.print_tuning(Tuning(parameters, 0.5, "mrr", rows_of(("complete", ""), diverged, diverged)))
    assert capsys.readouterr().out.splitlines()[-1] == f"2 trials failed, such as trial 1: {diverged[1]}."
    command.print_tuning(Tuning(parameters, 0.5, "mrr", rows_of(("complete", ""), ("pruned", "below the median"))))
    assert "failed, such as" not in capsys.readouterr().out


@pytest.mark.parametrize(("state", "hint"), [("failed", ""), ("pruned", " Give it more time.")])
def test_more_time_is_the_advice_only_where_time_was_what_was_missing(capsys, state, hint):
    command.print_tuning(Tuning(DEFAULTS, None, "mrr", rows_of((state, "because"))))
    out = capsys.readouterr().out
    assert f"No trial was complete: these are the settings to start from.{hint}\n" in out


def test_quiet_and_without_an_output_there_are_results_only(run, logs):
    code, out, err = run("tune", logs / "clicks.csv", *COLUMNS, "--trials", 1, "--quiet")
    assert (code, err) == (0, "")
    assert "is in" not in out


def test_after_ctrl_c_the_best_so_far_is_fitted_and_saved(run, logs, tmp_path, monkeypatch):
    fit, fits = BPR.fit, []

    def interrupted_once(model, *given, **options):
        fits.append(model)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(model, *given, **options)

    monkeypatch.setattr(BPR, "fit", interrupted_once)
    path = tmp_path / "model.npz"
    code, out, err = run("tune", logs / "clicks.csv", *COLUMNS, "--trials", 5, "--quiet", "-o", path)
    assert code == 130
    assert "2 trials: 1 complete" in out
    assert "Interrupted: going on with the best so far." in err
    assert BPR.load(path).factors == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", 0], "minutes must be a finite number > 0, got 0"),
        (["--trials", 0], "n_trials must be an integer >= 1, got 0"),
        (["--seed", -1], "seed must be None, an integer >= 0"),
        (["-o", "no such folder/model.npz"], "output must be in an existing folder"),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(run, options, message):
    assert_refused(run("tune", "none.csv", *COLUMNS, *options), message)


def test_a_log_of_users_with_one_item_each_is_refused(run, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("visitor,sku\n1,a\n2,a\n3,b\n")
    result = run("tune", path, *COLUMNS, "--quiet")
    assert_refused(result, "The log must have users with 2 items or more to hold one out, got 3 with 1 each. Take a lo")


def test_an_unknown_metric_is_refused(run, logs):
    result = run("tune", logs / "clicks.csv", *COLUMNS, "--metric", "ndcg", "--quiet")
    assert_refused(result, "metric must be one of")
