"""The command line: what each command prints and where, what it refuses and how, and what it leaves behind."""

import io
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse

import fastbpr
from fastbpr import BPR, Interactions, cli
from fastbpr.cli import main
from fastbpr.datasets import simulate_shop

COLUMNS = ["--user", "visitor", "--item", "sku"]
SMALL = ["--factors", "16", "--iterations", "30"]


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(n_users=800, n_items=300, n_clusters=15, clicks_per_user=20, off_taste_share=0.2)


@pytest.fixture(scope="module")
def logs(shop, tmp_path_factory):
    """A folder with the shop's log as a CSV file and as a folder of two Parquet files."""
    folder = tmp_path_factory.mktemp("logs")
    names = shop.item_names[np.searchsorted(shop.item_labels, shop.items)]
    table = pyarrow.table(
        {
            "visitor": shop.users,
            "sku": shop.items.tolist(),
            "session": shop.contexts,
            "time": shop.timestamps,
            "amount": np.full(len(shop.users), 2.0),
            "title": names.tolist(),
        }
    )
    pyarrow.csv.write_csv(table, folder / "clicks.csv")
    (folder / "parts").mkdir()
    half = len(table) // 2
    for name, part in {"a": table.slice(0, half), "b": table.slice(half)}.items():
        pyarrow.parquet.write_table(part, folder / "parts" / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def model_file(logs):
    """A model fitted by the command line."""
    path = logs / "model.npz"
    assert main(["fit", str(logs / "parts"), *COLUMNS, "--item-name", "title", *SMALL, "--quiet", "-o", str(path)]) == 0
    return path


@pytest.fixture
def run(capsys):
    """Run a command line; give its exit code, stdout and stderr."""

    def run(*argv):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in argv])
        except SystemExit as end:  # argparse
            code = end.code
        return code, *capsys.readouterr()

    return run


def assert_refused(result, message):
    """One line on stderr with the message, nothing on stdout, exit code 2."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("fastbpr: error: ")
    assert err.count("\n") == 1
    assert message in err


def table_after(out, header):
    """The table whose header starts with a word, as lists of words."""
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:1] == [header])
    rows = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        rows.append(line.split())
    return rows


def metrics_of(out):
    """The two tables of metrics: user-item and item-item, each a dict of model name to list of numbers."""
    tables = []
    for part in out.split("\n\n"):
        lines = [line.split() for line in part.splitlines()]
        if lines and lines[0][:1] == ["hr@10"]:
            tables.append({line[0]: [float(word) for word in line[1:]] for line in lines[1:]})
    return tables


# ---- fit --------------------------------------------------------------------------------------------------------


def test_fit_reads_csv_and_tells_what_it_read_and_learned(run, logs, tmp_path):
    path = tmp_path / "model.npz"
    code, out, err = run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, "-o", path)
    assert code == 0
    model = BPR.load(path)
    assert (model.factors, model.iterations, len(model.history)) == (16, 30, 30)
    last = model.history[-1]
    assert f"Epoch 30 of 30: loss {last.loss:.4f}, AUC {last.auc:.4f}." in out
    assert f"The model of 800 users and 300 items is in {path}." in out
    assert " rows: " in err
    assert "30/30" in err
    assert "Trained in " in err


def test_quiet_leaves_results_only(run, logs, tmp_path):
    code, out, err = run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, "--quiet", "-o", tmp_path / "model.npz")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2


def test_the_next_command_that_fit_names_works(run, logs, tmp_path):
    path = tmp_path / "my model.npz"
    _, _, err = run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, "-o", path)
    command = shlex.split(err.split("Next: ")[1])
    assert command[:3] == ["fastbpr", "similar", str(path)]
    assert run(*command[1:])[0] == 0


def test_csv_a_folder_of_parquet_and_its_files_give_the_same_model(run, logs, tmp_path):
    sources = {
        "csv": [logs / "clicks.csv"],
        "folder": [logs / "parts"],
        "files": [logs / "parts" / "a.parquet", logs / "parts" / "b.parquet"],
    }
    models = {}
    for name, files in sources.items():
        path = tmp_path / name
        assert run("fit", *files, *COLUMNS, "--factors", 4, "--iterations", 2, "-o", path)[0] == 0
        models[name] = BPR.load(path)
    for name in ("folder", "files"):
        assert np.array_equal(models[name].item_factors, models["csv"].item_factors)
        assert models[name].item_labels.tolist() == models["csv"].item_labels.tolist()


def test_options_reach_the_model(run, logs, tmp_path):
    options = ["--learning-rate", 0.1, "--regularization", 0.02, "--threads", 1, "--seed", 7, "--schedule", "hogwild"]
    run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, *options, "-o", tmp_path / "m.npz")
    model = BPR.load(tmp_path / "m.npz")
    shown = [model.learning_rate, model.regularization, model.num_threads, model.random_state, model.schedule]
    assert shown == [0.1, 0.02, 1, 7, "hogwild"]


def test_without_options_the_model_has_its_own_defaults_and_seed_0(run, logs, tmp_path):
    run("fit", logs / "clicks.csv", *COLUMNS, "--iterations", 1, "-o", tmp_path / "m.npz")
    assert repr(BPR.load(tmp_path / "m.npz")).startswith(repr(BPR(iterations=1, random_state=0)).split(", not")[0])


def test_every_column_is_read(run, logs, tmp_path, monkeypatch):
    seen = []
    fit = BPR.fit
    monkeypatch.setattr(BPR, "fit", lambda model, log, **rest: (seen.append(log), fit(model, log, **rest))[1])
    columns = [*COLUMNS, "--context", "session", "--timestamp", "time", "--weight", "amount", "--item-name", "title"]
    assert run("fit", logs / "clicks.csv", *columns, *SMALL, "-o", tmp_path / "m.npz")[0] == 0
    (log,) = seen
    assert log.contexts is not None
    assert log.timestamps is not None
    assert log.has_weights
    assert log.item_names is not None


@pytest.mark.parametrize("users", [[0, 5, 5, 6, 6], [0.0, 5.0, 5.0, 6.0, None], ["0", "e5", "e5", "f6", "f6"]])
def test_the_missing_user_is_meant_in_the_type_of_the_column(run, tmp_path, users):
    path = tmp_path / "log.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"visitor": users, "sku": [1, 1, 2, 2, 3]}), path)
    code, _, err = run("fit", path, *COLUMNS, "--missing-user", "0", "--iterations", 1, "-o", tmp_path / "m.npz")
    assert code == 0
    assert len(BPR.load(tmp_path / "m.npz").user_labels) == 2
    assert "missing user" in err


def test_bad_rows_are_told_once_even_if_quiet(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("visitor,sku\n1,a\n1,b\n2,a\n,b\n")
    command = [sys.executable, "-m", "fastbpr", "fit", path, *COLUMNS, "--iterations", "1", "-o", tmp_path / "m.npz"]
    for options in ([], ["--quiet"]):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        assert done.stderr.count("missing user") == 1


def test_ctrl_c_saves_what_was_learned_and_says_so(run, logs, tmp_path, monkeypatch, ctrl_c):
    fit = BPR.fit

    def interrupted_fit(model, log, **rest):
        def press_ctrl_c(epoch, *_):
            if epoch == 2:
                ctrl_c()

        return fit(model, log, callback=press_ctrl_c, **rest)

    monkeypatch.setattr(BPR, "fit", interrupted_fit)
    path = tmp_path / "model.npz"
    code, out, err = run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, "-o", path)
    assert code == 130
    assert "Interrupted: saving the model as it is." in err
    assert "Epoch 3 of 30: " in out
    assert len(BPR.load(path).history) == 3


def test_ctrl_c_before_training_saves_nothing(run, logs, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(BPR, "fit", interrupted)
    code, out, err = run("fit", logs / "clicks.csv", *COLUMNS, "--quiet", "-o", tmp_path / "model.npz")
    assert (code, out, err) == (130, "", "fastbpr: interrupted\n")
    assert os.listdir(tmp_path) == []


def test_a_model_that_diverges_is_an_error_and_the_old_file_stays(run, logs, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")
    result = run("fit", logs / "clicks.csv", *COLUMNS, "--learning-rate", 1e20, "--quiet", "-o", path)
    assert_refused(result, "Lower learning_rate")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no such folder/model.npz", "output must be in an existing folder, got"),
        (".", "output must be a file, got the folder"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "demo"])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(run, tmp_path, command, output, message):
    log = ["no such log.csv", *COLUMNS] if command == "fit" else []
    assert_refused(run(command, *log, "-o", tmp_path / output), message)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_device_or_pipe_is_not_replaced_by_a_model(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert_refused(run("demo", "-o", tmp_path / "pipe"), "output must be a file, got the device or pipe")
    assert not (tmp_path / "pipe").is_file()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_without_permission_is_refused(run, tmp_path):
    tmp_path.chmod(0o500)
    assert_refused(run("demo", "-o", tmp_path / "m.npz"), "output must be in a folder that you may write to")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["none.csv"], "path must be an existing file, got 'none.csv'"),
        (["log.txt"], "FILE must be one .csv file, .parquet files or one folder of these, got 'log.txt'."),
        (["log.csv", "log.csv"], "got 'log.csv', 'log.csv'. Join CSV files first"),
        (["log.csv", "log.parquet"], "got 'log.csv', 'log.parquet'."),
        (["folder"], "got the folder 'folder' without any"),
        (["log.parquet", "folder"], "path must be a file, got the folder 'folder'."),
        (["log.parquet"], "path must be a readable Parquet file"),
        (["log.csv"], "got 'visitor'. Did you mean 'vistor'?"),
    ],
)
def test_files_that_are_no_log_are_refused(run, tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    for name in ("log.txt", "log.csv", "log.parquet"):
        (tmp_path / name).write_text("vistor,sku\n1,a\n")
    (tmp_path / "folder").mkdir()
    assert_refused(run("fit", *files, *COLUMNS, "-o", "m.npz"), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--factors", "0"], "factors must be an integer >= 1, got 0"),
        (["--learning-rate", "nan"], "learning_rate must be a finite number > 0, got nan"),
        (["--threads", "-1"], "num_threads must be an integer from 0 to 1024, got -1"),
        (["--seed", "-1"], "seed must be None, an integer >= 0"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_read(run, options, message):
    assert_refused(run("fit", "none.csv", *COLUMNS, "-o", "m.npz", *options), message)
    assert_refused(run("evaluate", "none.csv", *COLUMNS, *options), message)


def test_a_missing_reader_is_named_with_the_command_that_installs_it(run, logs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    result = run("fit", logs / "clicks.csv", *COLUMNS, "-o", tmp_path / "m.npz")
    assert_refused(result, "Install it: pip install 'fastbpr[io]'")


# ---- similar and recommend --------------------------------------------------------------------------------------


def test_similar_items_come_from_the_same_family(run, model_file, shop):
    same = []
    for label in shop.item_labels[::10]:
        code, out, err = run("similar", model_file, label, "-n", 5)
        assert (code, err) == (0, "")
        found = [row[1] for row in table_after(out, "rank")]
        same.append(shop.clusters_of(found) == shop.clusters_of([label]))
    assert np.mean(same) > 0.9  # by chance 0.06


def test_similar_prints_rank_label_cosine_and_name_with_the_item_as_heading(run, model_file):
    model = BPR.load(model_file)
    row = model.item_rows("P0007")
    _, out, _ = run("similar", model_file, "P0007", "-n", 3)
    assert out.splitlines()[0] == f"Most similar to P0007 ({model.item_names[row]}):"
    ids, cosines = model.similar_items(row, N=4)
    expected = [
        [str(rank), model.item_labels[item], f"{cosine:.4f}", *model.item_names[item].split()]
        for rank, item, cosine in zip(range(1, 4), ids[1:], cosines[1:], strict=True)
    ]
    assert table_after(out, "rank") == expected


def test_a_list_longer_than_the_catalogue_ends_with_the_catalogue(run, model_file):
    _, out, _ = run("similar", model_file, "P0007", "-n", 500)
    assert len(table_after(out, "rank")) == 299


def test_an_unknown_item_gets_the_closest_labels_with_titles(run, model_file):
    model = BPR.load(model_file)
    result = run("similar", model_file, "P0012X")
    assert_refused(result, "item label must be a known one, got 'P0012X'. Closest: ")
    assert f"P0012 ({model.item_names[model.item_rows('P0012')]})" in result[2]


def test_an_item_is_found_by_its_title_in_any_case_or_by_a_part_that_only_it_has(run, model_file):
    model = BPR.load(model_file)
    variant, *_, number = model.item_names[5].split()
    only = sum(name.startswith(f"{variant} ") and name.endswith(number) for name in model.item_names) == 1
    texts = [model.item_names[5].upper(), *([model.item_names[5][1:]] if only else [])]
    for text in texts:
        _, out, _ = run("similar", model_file, text)
        assert out.startswith(f"Most similar to {model.item_labels[5]} (")


def test_a_title_that_several_items_have_is_refused_with_a_list_of_them(run, model_file):
    result = run("similar", model_file, "lantern")
    assert_refused(result, "item must be the label or title of one item, got 'lantern': 20 titles have it: P0")
    assert "; and 10 more." in result[2]


def test_a_whole_title_goes_before_titles_that_contain_it(run, tmp_path):
    names = ["mug", "mug, large", "tea"]
    log = Interactions.from_arrays([1, 1, 2, 2], ["a", "b", "b", "c"], item_names=[names[i] for i in (0, 1, 1, 2)])
    BPR(factors=2, iterations=1).fit(log, show_progress=False).save(tmp_path / "m.npz")
    assert run("similar", tmp_path / "m.npz", "Mug")[1].startswith("Most similar to a (mug):")


def test_recommend_lists_what_is_new_to_the_user(run, model_file):
    model = BPR.load(model_file)
    ids, scores = model.recommend(model.user_rows(17), N=4)
    code, out, err = run("recommend", model_file, "17", "-n", 4)
    assert (code, err) == (0, "")
    assert out.startswith("New to user 17, best first:\n")
    rows = table_after(out, "rank")
    assert [row[1] for row in rows] == model.item_labels[ids].tolist()
    assert [row[2] for row in rows] == [f"{score:.4f}" for score in scores]


def test_an_unknown_user_gets_the_closest_labels(run, model_file):
    assert_refused(run("recommend", model_file, "17000"), "user label must be a known one, got 17000. Closest: ")


def test_a_model_of_a_plain_matrix_is_asked_by_row_numbers(run, tmp_path):
    matrix = scipy.sparse.csr_array([[1, 1, 0], [0, 1, 1]])
    BPR(factors=2, iterations=1).fit(matrix, show_progress=False).save(tmp_path / "m.npz")
    code, out, _ = run("similar", tmp_path / "m.npz", "2")
    assert code == 0
    assert sorted(row[1] for row in table_after(out, "rank")) == ["0", "1"]
    assert table_after(run("recommend", tmp_path / "m.npz", "0")[1], "rank")[0][1] == "2"
    assert_refused(run("similar", tmp_path / "m.npz", "x"), "item label must be a known one, got 'x'.")


@pytest.mark.parametrize("command", ["similar", "recommend"])
def test_a_model_file_that_is_none_is_refused(run, tmp_path, command):
    assert_refused(run(command, tmp_path / "none.npz", "1"), "path must be an existing file")
    assert_refused(run(command, tmp_path, "1"), "path must be a file, got the folder")
    (tmp_path / "other.npz").write_text("hello")
    assert_refused(run(command, tmp_path / "other.npz", "1"), "path must be a model written by fastbpr")


@pytest.mark.parametrize("command", ["similar", "recommend"])
def test_the_length_of_a_list_is_at_least_1(run, model_file, command):
    assert_refused(run(command, model_file, "1", "-n", 0), "n must be an integer >= 1, got 0")


def test_titles_are_printed_on_one_line_and_in_any_encoding(tmp_path, monkeypatch):
    names = ["plain", "Größe\n\x1b[31mred", None]
    log = Interactions.from_arrays([1, 1, 2, 2], ["a", "b", "b", "c"], item_names=[names[i] for i in (0, 1, 1, 2)])
    BPR(factors=2, iterations=1).fit(log, show_progress=False).save(tmp_path / "m.npz")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["similar", str(tmp_path / "m.npz"), "a"]) == 0
    assert main(["similar", str(tmp_path / "m.npz"), "b"]) == 0
    text = stdout.buffer.getvalue().decode("ascii")
    assert text.count("Gr\\xf6\\xdfe [31mred") == 2  # in the list of a, and as a heading
    assert "\x1b" not in text


# ---- evaluate ---------------------------------------------------------------------------------------------------


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
        assert list(table) == ["BPR", "popularity", "random"]
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


# ---- demo -------------------------------------------------------------------------------------------------------


def test_the_demo_finds_the_families_and_leaves_a_model(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("demo")
    assert code == 0
    for table in metrics_of(out):
        assert table["BPR"][0] > 2 * table["popularity"][0] > 4 * table["random"][0]
    share, chance = (float(text) for text in re.findall(r"([\d.]+)%", out))
    assert share > 95
    assert chance < 3
    families = {row[1] for row in table_after(out, "item") if len(row) == 7}  # variant family 01 variant family 02 0.9
    neighbours = [row[-3] for row in table_after(out, "item")]
    assert len(neighbours) == 20
    assert set(neighbours) == families
    command = shlex.split(out.split("Next:")[1])
    assert command[:3] == ["fastbpr", "similar", "fastbpr-demo.npz"]
    assert run(*command[1:])[0] == 0


def test_the_demo_needs_no_reader_and_no_encoding(tmp_path):
    code = "import sys; sys.modules['pyarrow'] = None; from fastbpr.cli import main; sys.exit(main())"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "-o", "demo.npz"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["demo.npz"]


# ---- the command itself -----------------------------------------------------------------------------------------


def test_the_module_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "fastbpr", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fastbpr {fastbpr.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fit"], ["no-such-command"], ["fit", "a.csv", "--user", "u", "--factors", "x"]])
def test_arguments_that_cannot_be_parsed_get_a_usage_line_and_exit_code_2(run, argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("usage: fastbpr")


@pytest.mark.parametrize("command", ["demo", "fit", "similar", "recommend", "evaluate"])
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

    monkeypatch.setattr(cli, "simulate_shop", broken)
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


def test_the_log_is_not_overwritten_by_the_model(run, logs):
    log = logs / "clicks.csv"
    kept = log.read_bytes()
    assert_refused(run("fit", log, *COLUMNS, "-o", log), "output must be another file than the log")
    assert log.read_bytes() == kept


def test_labels_that_cannot_be_stored_are_refused_before_training(run, tmp_path, monkeypatch):
    monkeypatch.setattr(BPR, "fit", None)
    table = pyarrow.table({"visitor": [b"a", b"a", b"b"], "sku": ["x", "y", "x"]})
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    result = run("fit", tmp_path / "log.parquet", *COLUMNS, "-o", tmp_path / "m.npz")
    assert result[0] == 2
    assert "error: user_labels must be all numbers or all strings to be saved, got b'a'." in result[2]
