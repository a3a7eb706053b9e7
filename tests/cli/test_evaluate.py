"""`fastbpr evaluate`: what its numbers say, and what it refuses."""

import re

import pytest
from command_line import COLUMNS, SMALL, assert_refused, metrics_of


@pytest.mark.parametrize("by", ["random", "time"])
def test_evaluate_shows_that_bpr_beats_popularity_and_popularity_beats_chance(run, logs, by):
    options = ["--by", by, "--timestamp", "time", "--factors", 16, "--iterations", 50]
    code, out, _ = run("evaluate", logs / "clicks.csv", *COLUMNS, *options)
    assert code == 0
    how = {"random": "the item drawn at random", "time": "the latest item"}[by]
    n_evaluated, n_single = (int(text) for text in re.findall(r"^Users .*: (\d+)\.$", out, flags=re.MULTILINE))
    assert f"Users evaluated, each by {how}: " in out
    assert n_single + n_evaluated == 800
    for table in metrics_of(out):
        assert list(table) == ["BPR", "co-occurrence", "popularity", "random"]
        assert table["BPR"][0] > 1.2 * table["popularity"][0] > 1.2 * table["random"][0]
    assert len(metrics_of(out)) == 2


def test_evaluate_gives_the_same_numbers_again(run, logs):
    command = ["evaluate", logs / "parts", *COLUMNS, *SMALL, "-k", 5]
    first, again = run(*command), run(*command, "--threads", 1)
    assert first[1] == again[1]
    assert "hr@5" in first[1]


def test_evaluate_by_time_needs_the_column_of_times(run):
    assert_refused(run("evaluate", "none.csv", *COLUMNS, "--by", "time"), "Name the column of times: --timestamp COL.")


def test_evaluate_needs_a_user_with_two_items(run, tmp_path):
    (tmp_path / "log.csv").write_text("visitor,sku\n1,a\n2,b\n")
    result = run("evaluate", tmp_path / "log.csv", *COLUMNS, "--quiet")
    assert_refused(result, "users with 2 items or more to hold one out, got 2 with 1 each.")


def test_evaluate_refuses_lists_without_length(run):
    assert_refused(run("evaluate", "none.csv", *COLUMNS, "-k", 0), "k must be an integer >= 1, got 0")
