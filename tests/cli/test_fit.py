"""`fastbpr fit`: what it reads, prints, refuses and leaves behind."""

import os
import shlex
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import COLUMNS, SMALL, assert_refused

from fastbpr import BPR


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


@pytest.mark.parametrize("times", [[], ["--timestamp", "time"]])
def test_validation_holds_an_item_of_a_share_of_users_out_and_keeps_the_best_epoch(
    run, logs, shop, tmp_path, monkeypatch, times
):
    fit, seen = BPR.fit, {}
    monkeypatch.setattr(BPR, "fit", lambda model, log, **rest: (seen.update(rest, log=log), fit(model, log, **rest))[1])
    path = tmp_path / "model.npz"
    options = ["--validation", 0.1, "--patience", 2, "--metric", "recall@10"]
    code, out, _ = run("fit", logs / "clicks.csv", *COLUMNS, *times, *SMALL, *options, "-o", path)
    assert code == 0
    model, held_out = BPR.load(path), seen["validation"]
    everything = shop.interactions().user_items
    n_users = round(0.1 * np.count_nonzero(np.diff(everything.indptr) > 1))
    assert np.diff(held_out.user_items.indptr).max() == 1
    assert held_out.user_items.nnz == n_users
    assert seen["log"].user_items.nnz == everything.nnz - n_users == len(model._liked[1])
    if times:
        latest = [seen["log"].timestamps[slice(*seen["log"].user_items.indptr[user : user + 2])].max()
                  for user in np.flatnonzero(np.diff(held_out.user_items.indptr))]  # fmt: skip
        assert (held_out.timestamps >= latest).all()
    best = model.history[model.best_epoch].validation
    values = [epoch.validation for epoch in model.history if epoch.validation is not None]
    assert best == max(values)
    assert len(model.history) < 30
    epoch, told = model.best_epoch + 1, f"the best by recall@10 of {n_users} held-out items: {best:.4f}."
    assert f"The model is that of epoch {epoch}, {told}" in out


def test_the_whole_log_is_learned_without_validation(run, logs, shop, tmp_path):
    path = tmp_path / "model.npz"
    _, out, _ = run("fit", logs / "clicks.csv", *COLUMNS, "--iterations", 1, "-o", path)
    assert len(BPR.load(path)._liked[1]) == shop.interactions().user_items.nnz
    assert "held-out" not in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--validation", 0], "validation must be a number between 0 and 1, neither included, got 0.0"),
        (["--validation", 1.5], "validation must be a number between 0 and 1, neither included, got 1.5"),
        (["--validation", 0.1, "--patience", 0], "patience must be an integer >= 1, got 0"),
        (["--validation", 0.1, "--metric", "recall"], "metric must be one of hr@K"),
        (
            ["--patience", 3],
            "patience must be None without validation, got 3. Hold some users' items out: --validation",
        ),
        (["--metric", "mrr"], "metric must be None without validation, got 'mrr'. Hold some users' items out"),
    ],
)
def test_bad_options_of_validation_are_refused_before_anything_is_read(run, tmp_path, options, message):
    assert_refused(run("fit", "none.csv", *COLUMNS, *options, "-o", tmp_path / "m.npz"), message)


def test_validation_of_users_with_one_item_each_is_refused(run, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("visitor,sku\n1,a\n2,a\n3,b\n")
    result = run("fit", path, *COLUMNS, "--validation", 0.5, "--quiet", "-o", tmp_path / "m.npz")
    assert_refused(result, "The log must have users with 2 items or more to hold one out, got 3 with 1 each.")


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


def test_options_of_losses_and_optimisers_reach_the_model(run, logs, tmp_path):
    options = ["--loss", "k-os-warp", "--n-positives", 6, "--positive-rank", 2]
    options += ["--optimizer", "adadelta", "--rho", 0.9, "--epsilon", 1e-5]
    run("fit", logs / "clicks.csv", *COLUMNS, *SMALL, *options, "-o", tmp_path / "m.npz")
    model = BPR.load(tmp_path / "m.npz")
    assert (model.loss, model.n_positives, model.positive_rank) == ("k-os-warp", 6, 2)
    assert (model.optimizer, model.rho, model.epsilon) == ("adadelta", 0.9, 1e-5)


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
        (["--factors", "0"], "factors must be an integer >= 1 or 'auto', got 0"),
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


def test_a_preset_and_options_beside_it_make_the_model(run, logs, tmp_path):
    path = tmp_path / "model.npz"
    small = ["--factors", "8", "--iterations", "3"]
    code, *_ = run("fit", logs / "clicks.csv", *COLUMNS, "--preset", "best", *small, "-o", path, "--quiet")
    loaded = BPR.load(path)
    assert code == 0
    assert (loaded.loss, loaded.factors, loaded.iterations) == ("softmax", 8, 3)
    assert loaded.settings["n_candidates"] >= 1
