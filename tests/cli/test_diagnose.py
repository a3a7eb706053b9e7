"""`fastbpr diagnose`: what it prints about a model and a log, and what it refuses."""

import json

import numpy as np
import pytest
from command_line import COLUMNS, SMALL, assert_refused
from helpers import random_matrix

from fastbpr import BPR
from fastbpr.datasets import simulate_shop
from fastbpr.diagnosis import diagnose


def test_diagnose_answers_its_questions_and_shows_progress_on_stderr(run, logs, model_file):
    code, out, err = run("diagnose", model_file, logs / "clicks.csv", *COLUMNS)
    assert code == 0
    model = BPR.load(model_file)
    n = len(model._liked[1])
    assert out.startswith(f"Is this the model's log?\n  The model has learned from exactly the {n:,} interactions of")
    for heading in ("Has training", "What are the lists", "Is the model better", "Is there enough", "What to change"):
        assert f"\n\n{heading}" in out
    assert "Fitting a model like it without one item of each user." in err
    assert "30/30" in err


def test_without_a_refit_and_quiet_there_are_results_only(run, logs, model_file):
    code, out, err = run("diagnose", model_file, logs / "parts", *COLUMNS, "--no-refit", "--quiet")
    assert (code, err) == (0, "")
    assert "Is the model better" not in out


def test_json_has_the_numbers_of_the_python_function(run, logs, model_file):
    options = ["-k", 5, "--seed", 3, "--json", "--quiet"]
    code, out, _ = run("diagnose", model_file, logs / "clicks.csv", *COLUMNS, *options)
    assert code == 0
    found = json.loads(out)
    assert set(found) == {"overlap", "training", "neighbours", "exposure", "comparison", "sparsity", "advice"}
    assert list(found["comparison"]["recommendations"]["model"]) == ["hr@5", "ndcg@5"]
    again = run("diagnose", model_file, logs / "clicks.csv", *COLUMNS, *options)
    assert again[1] == out


def test_contexts_are_asked_whether_neighbours_just_shared_them(run, tmp_path):
    shop = simulate_shop(n_users=400, n_items=100, n_clusters=10, trending_share=0.6, n_pages=5, page_size=10)
    rows = zip(shop.users, shop.items, shop.contexts, shop.context_kinds, strict=True)
    lines = ["visitor,sku,page,kind", *(f"{user},{item},{page},{kind}" for user, item, page, kind in rows)]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    contexts = ["--context", "page", "--context-kind", "kind", "--context-strength", "session=0"]
    model = tmp_path / "m.npz"
    assert run("fit", tmp_path / "log.csv", *COLUMNS, *SMALL, "--quiet", "-o", model)[0] == 0
    _, out, _ = run("diagnose", model, tmp_path / "log.csv", *COLUMNS, *contexts, "--no-refit", "--quiet", "--json")
    found = json.loads(out)
    assert found["exposure"]["n_shared"] == 5
    assert found["exposure"]["excess"] > 0.3
    assert any("debias='context'" in advice for advice in found["advice"])
    _, out, _ = run("diagnose", model, tmp_path / "log.csv", *COLUMNS, *contexts, "--no-refit", "--quiet")
    assert "Are neighbours alike, or did they just share a page?\n  60 % of the rows" in out
    _, out, _ = run("diagnose", model, tmp_path / "log.csv", *COLUMNS, "--no-refit", "--quiet")
    assert "share a page" not in out


def test_another_log_is_told_from_the_models(run, logs, model_file, tmp_path):
    lines = (logs / "clicks.csv").read_text().splitlines()
    (tmp_path / "more.csv").write_text("\n".join([*lines, *(f"new{n},P{n:04},s,1,2,title" for n in range(2))]) + "\n")
    _, out, _ = run("diagnose", model_file, tmp_path / "more.csv", *COLUMNS, "--no-refit")
    assert "2 of the 802 users" in " ".join(out.split())


def test_a_model_of_a_plain_matrix_is_matched_by_row_numbers(run, logs, tmp_path):
    log = random_matrix(30, 8, 0.5, np.random.default_rng(0)).astype(bool)
    users, items = log.nonzero()
    rows = [f"{user},{item}" for user, item in zip(users, items, strict=True)]
    (tmp_path / "log.csv").write_text("\n".join(["visitor,sku", *rows[::-1]]) + "\n")
    model = BPR(factors=4, iterations=5).fit(log, show_progress=False)
    model.save(tmp_path / "m.npz")
    code, out, _ = run("diagnose", tmp_path / "m.npz", tmp_path / "log.csv", *COLUMNS, "--quiet", "--json")
    assert code == 0
    assert json.loads(out)["overlap"] == diagnose(model, log, refit=False).overlap._asdict()


@pytest.mark.parametrize(
    ("options", "message"),
    [(["-k", 0], "k must be an integer >= 1, got 0"), (["--seed", -1], "seed must be an integer >= 0, got -1")],
)
def test_bad_options_are_refused_before_anything_is_read(run, options, message):
    assert_refused(run("diagnose", "none.npz", "none.csv", *COLUMNS, *options), message)


def test_files_that_are_no_model_and_no_log_are_refused(run, logs, model_file, tmp_path):
    assert_refused(run("diagnose", "none.npz", logs / "clicks.csv", *COLUMNS), "path must be an existing file")
    assert_refused(run("diagnose", model_file, "none.csv", *COLUMNS), "path must be an existing file")
    assert_refused(
        run("diagnose", logs / "clicks.csv", model_file, *COLUMNS), "path must be a model written by fastbpr"
    )


def test_a_log_of_other_items_is_refused(run, model_file, tmp_path):
    (tmp_path / "log.csv").write_text("visitor,sku\n1,a\n1,b\n2,a\n")
    result = run("diagnose", model_file, tmp_path / "log.csv", *COLUMNS, "--quiet")
    assert_refused(result, "interactions must have items that the model knows, got 2 of which it knows none.")
