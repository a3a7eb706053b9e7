"""Options about contexts: what they read, that every command that reads a log has them, and what they refuse."""

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from command_line import COLUMNS, assert_refused

from fastbpr import BPR
from fastbpr._commands import diagnose, evaluate, fit, tune
from fastbpr.datasets import simulate_shop

PAGES = ["--context", "page", "--context-kind", "kind", "--shown", "inview"]


@pytest.fixture
def pages(tmp_path):
    """Impressions in a Parquet file, and without what was shown in a CSV file."""
    rows = [(user, user % 4, (user + 1) % 5) for user in range(12)]
    table = pyarrow.table(
        {
            "visitor": [user for user, _, _ in rows],
            "sku": [[first, second] for _, first, second in rows],
            "page": [user % 3 for user, _, _ in rows],
            "kind": [["trending", "search", "2=1"][user % 3] for user, _, _ in rows],
            "inview": [[0, 1, 2, 9]] * len(rows),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "pages.parquet")
    clicks = table.drop_columns(["sku", "inview"]).append_column("sku", pyarrow.array([row[1] for row in rows]))
    pyarrow.csv.write_csv(clicks, tmp_path / "clicks.csv")
    return tmp_path


@pytest.fixture
def read(run, monkeypatch):
    """Run a command up to its log, and return that."""

    class Read(Exception):
        pass

    def read(command, *options):
        logs = []
        original = command.read_log

        def keep(arguments):
            logs.append(original(arguments))
            raise KeyboardInterrupt

        monkeypatch.setattr(command, "read_log", keep)
        assert run(command.__name__.rpartition(".")[2], *options)[0] == 130
        return logs[0]

    return read


@pytest.mark.parametrize("command", [fit, evaluate, tune, diagnose])
def test_every_command_that_reads_a_log_reads_kinds_strengths_and_what_was_shown(run, pages, read, command):
    log = pages / "pages.parquet"
    rest = ["-o", pages / "m.npz"] if command is fit else []
    files = [log]
    if command is diagnose:
        assert run("fit", log, *COLUMNS, "--iterations", 1, "-o", pages / "m.npz", "--quiet")[0] == 0
        files = [pages / "m.npz", log]
    strengths = ["--context-strength", "search=0.25", "--context-strength", "2=1=0"]
    found = read(command, *files, *COLUMNS, *PAGES, *strengths, *rest)
    assert found.n_rows == 24
    assert found.contexts.kinds.tolist() == ["trending", "search", "2=1"]
    assert found.contexts.strengths.tolist() == [1, 0.25, 0]
    assert found.contexts.shown.sum(axis=1).tolist() == [3, 3, 3]
    assert found.n_shown_unknown == 1


def test_a_bare_number_is_for_all_and_the_summary_tells(run, pages):
    options = [*COLUMNS, "--context", "page", "--context-strength", 0.5, "--iterations", 1, "-o", pages / "m.npz"]
    code, _, err = run("fit", pages / "clicks.csv", *options)
    assert code == 0
    assert "3 contexts of strength 0.5." in err


@pytest.mark.parametrize(
    "texts", [["two"], ["search="], ["1.5"], ["nan"], ["search=-1"], ["0.5", "0.5"], ["0.5", "a=1"], ["a=1", "a=1"]]
)
def test_strengths_that_cannot_be_are_refused_before_anything_is_read(run, texts):
    options = [word for text in texts for word in ("--context-strength", text)]
    result = run("fit", "none.csv", *COLUMNS, "--context", "page", "--context-kind", "kind", *options, "-o", "m.npz")
    assert_refused(result, "context-strength must be one number from 0 to 1 for all contexts, or KIND=NUMBER, once for")
    assert f"got {', '.join(texts)}." in result[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shown", "inview"], "shown must come with context, got context=None."),
        (["--context-strength", "0.5"], "context_strengths must come with context, got context=None."),
        (["--context", "page", "--context-strength", "search=0.5"], "without context_kind, got a mapping."),
        (["--context", "page", "--shown", "inview"], "A column of lists can be read from Parquet files"),
    ],
)
def test_options_without_what_they_need_are_refused_before_anything_is_read(run, options, message):
    assert_refused(run("fit", "none.csv", *COLUMNS, *options, "-o", "m.npz"), message)


def test_a_kind_that_does_not_occur_is_refused_with_those_that_do(run, pages):
    options = ["--context", "page", "--context-kind", "kind", "--context-strength", "serch=1"]
    result = run("fit", pages / "clicks.csv", *COLUMNS, *options, "-o", pages / "m.npz")
    assert_refused(result, "must name kinds that occur, 'trending', 'search', '2=1', got 'serch'.")


def test_fit_does_something_against_co_exposure_and_tells_what(run, tmp_path):
    shop = simulate_shop(n_users=200, n_items=60, n_clusters=4, trending_share=0.5, n_pages=4, random_state=0)
    lines = zip(
        shop.users.tolist(), shop.items.tolist(), shop.contexts.tolist(), shop.context_kinds.tolist(), strict=True
    )
    text = "\n".join(["user,item,page,kind", *(",".join(map(str, line)) for line in lines)])
    (tmp_path / "log.csv").write_text(text)
    columns = ["--user", "user", "--item", "item", "--context", "page", "--context-kind", "kind"]
    command = ["fit", str(tmp_path / "log.csv"), *columns, "--context-strength", "session=0", "--iterations", "2"]
    code, out, _ = run(*command, "--debias", "context", "-o", str(tmp_path / "model.npz"))
    assert code == 0
    assert "Debias: 4 contexts with " in out
    assert BPR.load(tmp_path / "model.npz").debias == "context"
    code, out, _ = run(*command, "-o", str(tmp_path / "model.npz"))
    assert "Debias" not in out


def test_debias_without_contexts_is_refused_before_anything_is_read(run, tmp_path):
    code, _, error = run(
        "fit", str(tmp_path / "log.csv"), "--user", "u", "--item", "i", "--debias", "context", "-o", "model.npz"
    )
    assert code == 2
    assert "context must be given with --debias context, got none." in error
