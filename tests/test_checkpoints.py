"""Fits that are interrupted and go on: to the same bits, from files that are always whole."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions, ModelFileError, _storage
from fastbpr._model_files import COMPONENTS
from fastbpr._negatives import Ranker

N_USERS, N_ITEMS = 300, 260
FACTORS = ("user_factors", "item_factors", "item_biases", "user_biases")


class Killed(Exception):
    """What stands for the end of the process."""


def killed_after(n_epochs):
    """A callback that ends the fit from without."""

    def callback(epoch, *_):
        if epoch + 1 == n_epochs:
            raise Killed

    return callback


def random_log(seed=0, n=9000, **options):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(N_USERS, size=n), (rng.beta(1, 2, size=n) * N_ITEMS).astype(int)
    return Interactions.from_arrays(users, items, **options)


def contexts(n=9000):
    rng = np.random.default_rng(5)
    pages = rng.integers(40, size=n).astype(object)
    pages[rng.random(n) < 0.5] = None
    return pages


LOG = random_log()
HELD_OUT, OTHERS = (random_log(seed=seed).aligned_to(LOG) for seed in (1, 8))
MATRIX = scipy.sparse.csr_array(LOG.user_items.astype(bool), dtype=np.float32)
SIGNS = scipy.sparse.csr_array(
    (np.where(np.arange(MATRIX.nnz) % 3, 1, -1), MATRIX.indices, MATRIX.indptr), shape=MATRIX.shape
)
GENRES = scipy.sparse.random_array(
    (LOG.n_items, 20), density=0.1, rng=np.random.default_rng(2), dtype=np.float32, format="csr"
)
PLACES = scipy.sparse.random_array(
    (LOG.n_users, 9), density=0.2, rng=np.random.default_rng(3), dtype=np.float32, format="csr"
)
VALIDATED = {"validation": HELD_OUT, "validate_every": 2, "metric": "ndcg@10"}
COUNTS = random_log(weights=1 + np.arange(9000) % 4)
CASES = {
    "plain": ({}, {}),
    "no seed": ({"random_state": None}, {}),
    "step decay": ({"learning_rate_decay": "step"}, {}),
    "weights": ({}, {"user_items": COUNTS, "weights": "values"}),
    "given negatives": ({}, {"negatives": HELD_OUT}),
    "warp, adagrad": ({"loss": "warp", "optimizer": "adagrad"}, {}),
    "softmax, adadelta": ({"loss": "softmax", "n_negatives": 4, "optimizer": "adadelta", "learning_rate": 1.0}, {}),
    "dynamic, no bias": ({"negatives": "dynamic", "item_bias": False}, {}),
    "popularity": ({"negatives": "popularity", "loss": "softmax"}, {}),
    "k-os-warp": ({"loss": "k-os-warp"}, {}),
    "logistic": ({"loss": "logistic"}, {"user_items": SIGNS}),
    "logistic, adagrad, features": (
        {"loss": "logistic", "optimizer": "adagrad", "model": HybridBPR},
        {"user_items": SIGNS, "user_features": PLACES},
    ),
    "adaptive": ({"negatives": "adaptive"}, {}),
    "adaptive, validated": ({"negatives": "adaptive"}, VALIDATED),
    "hogwild": ({"schedule": "hogwild", "num_threads": 1}, {}),
    "debias": (
        {"debias": {"negative_rate": 0.4, "tetrad_share": 0.2, "offset": 0.3, "bundling_power": 1}},
        {"user_items": random_log(contexts=contexts()), "weights": COUNTS},
    ),
    "debias by weights": ({"debias": "context"}, {"user_items": random_log(contexts=contexts())}),
    "validated": ({"learning_rate": 0.4, "regularization": 0.001}, VALIDATED),
    "patience": ({"learning_rate": 0.6, "regularization": 0}, {**VALIDATED, "validate_every": 1, "patience": 3}),
    "features": ({"model": HybridBPR}, {"item_features": GENRES, "user_features": PLACES}),
    "features only, adagrad, validated": (
        {"model": HybridBPR, "own_vectors": {"item": False}, "optimizer": "adagrad", "learning_rate": 0.4},
        {"item_features": GENRES, **VALIDATED},
    ),
}


def model_of(case, **overrides):
    parameters = {"factors": 12, "iterations": 8, "random_state": 3, "num_threads": 2, "model": BPR}
    parameters |= CASES[case][0] | overrides
    return parameters.pop("model")(**parameters)


def fit(model, case, **options):
    options = {"user_items": LOG, "show_progress": False} | CASES[case][1] | options
    return model.fit(options.pop("user_items"), **options)


def assert_same_model(actual, expected):
    for name in FACTORS:
        assert_same_bits(getattr(actual, name), getattr(expected, name), name)
    assert actual._components.keys() == expected._components.keys() <= set(COMPONENTS)
    for name, array in expected._components.items():
        assert_same_bits(actual._components[name], array, name)
    without_seconds = [[epoch._replace(seconds=0) for epoch in model.history] for model in (actual, expected)]
    assert without_seconds[0] == without_seconds[1]
    unlike = {"random_state": None, "num_threads": 0}
    assert actual.settings | unlike == expected.settings | unlike
    for name in ("best_epoch", "debiasing", "_n_epochs"):
        assert getattr(actual, name) == getattr(expected, name), name
    for one, other in zip(actual._liked, expected._liked, strict=True):
        assert_array_equal(one, other)


def assert_same_bits(actual, expected, name):
    assert (actual is None) == (expected is None), name
    if actual is not None:
        assert_array_equal(actual.view(np.int32), expected.view(np.int32), err_msg=name)


@pytest.mark.parametrize("n_epochs", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_interrupted_goes_on_to_the_same_bits(case, n_epochs, tmp_path):
    path = tmp_path / "run.npz"

    def keep(epoch, *_):
        if epoch + 1 == n_epochs:
            shutil.copy(path, tmp_path / "kept.npz")

    whole = fit(model_of(case), case, checkpoint=path, every=1, callback=keep)
    resumed = fit(model_of(case, num_threads=1), case, resume=tmp_path / "kept.npz")
    assert len(BPR.load(tmp_path / "kept.npz").history) == n_epochs < len(resumed.history)
    assert_same_model(resumed, whole)
    if model_of(case).random_state is not None:
        assert_same_model(fit(model_of(case), case), whole)


@pytest.mark.parametrize("interval", [1, 2, 3])
def test_orders_that_are_some_epochs_old_stay_so(interval, tmp_path, monkeypatch):
    begin = Ranker.__init__

    def with_interval(ranker, *arguments):
        begin(ranker, *arguments)
        ranker.interval = interval

    monkeypatch.setattr(Ranker, "__init__", with_interval)
    expected = fit(model_of("adaptive"), "adaptive")
    for n_epochs in range(1, 8):
        path = tmp_path / f"{n_epochs}.npz"
        with pytest.raises(Killed):
            fit(model_of("adaptive"), "adaptive", checkpoint=path, every=1, callback=killed_after(n_epochs))
        assert_same_model(fit(model_of("adaptive"), "adaptive", resume=path), expected)


def test_a_fit_may_be_interrupted_again_and_again(tmp_path):
    case, path = "features only, adagrad, validated", tmp_path / "run.npz"
    for n_epochs in (2, 3, 7):
        with pytest.raises(Killed):
            fit(model_of(case), case, checkpoint=path, every=1, resume=True, callback=killed_after(n_epochs))
    assert_same_model(fit(model_of(case), case, checkpoint=path, resume=True), fit(model_of(case), case))
    assert_same_model(BPR.load(path), fit(model_of(case), case))


def test_a_checkpoint_is_the_model_as_the_fit_would_leave_it(tmp_path):
    path = tmp_path / "run.npz"
    for case in ("validated", "features", "debias"):
        with pytest.raises(Killed):
            fit(model_of(case), case, checkpoint=path, every=1, callback=killed_after(4))
        stopped = fit(model_of(case), case, callback=lambda epoch, *_: epoch == 3)
        assert_same_model(BPR.load(path), stopped)
        assert_array_equal(BPR.load(path).item_labels, stopped.item_labels)
        assert_array_equal(BPR.load(path, mmap=True).recommend([0, 1])[0], stopped.recommend([0, 1])[0])


def test_checkpoints_are_written_as_often_as_asked_and_at_the_end(tmp_path):
    path, seen = tmp_path / "run.npz", []

    def look(*_):
        seen.append(len(BPR.load(path).history) if path.exists() else 0)

    fit(model_of("plain"), "plain", checkpoint=path, every=3, callback=look)
    assert seen == [0, 0, 3, 3, 3, 6, 6, 6]
    assert len(BPR.load(path).history) == 8


def test_a_checkpoint_stays_where_it_was_when_the_working_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def go_elsewhere(*_):
        os.chdir(tmp_path / "elsewhere")

    fit(model_of("plain"), "plain", checkpoint="run.npz", every=1, callback=go_elsewhere)
    assert len(BPR.load(tmp_path / "run.npz").history) == 8
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_fit_that_the_callback_stopped_goes_on(tmp_path):
    path = tmp_path / "run.npz"
    stopped = fit(model_of("plain"), "plain", checkpoint=path, callback=lambda epoch, *_: epoch == 1)
    assert len(stopped.history) == 2
    assert_same_model(fit(model_of("plain"), "plain", resume=path), fit(model_of("plain"), "plain"))


def test_without_a_number_checkpoints_leave_most_of_the_time_to_training(tmp_path, monkeypatch):
    written = []
    write = BPR._contents

    def slowly(model, path):
        written.append(len(model.history))
        time.sleep(0.2)
        return write(model, path)

    monkeypatch.setattr(BPR, "_contents", slowly)
    fit(model_of("plain", iterations=30), "plain", checkpoint=tmp_path / "run.npz")
    assert written == [1, 30]


def test_a_finished_checkpoint_is_the_finished_model_at_once(tmp_path):
    for case in ("patience", "debias", "adaptive, validated"):
        path = tmp_path / f"{case}.npz"
        finished = fit(model_of(case), case, checkpoint=path)
        before = path.stat().st_mtime_ns
        calls = []
        options = {"checkpoint": path, "resume": True, "callback": lambda *_, calls=calls: calls.append(1)}
        resumed = fit(model_of(case), case, **options)
        assert calls == []
        assert path.stat().st_mtime_ns == before
        assert_same_model(resumed, finished)


def test_resuming_does_not_draw_from_a_generator(tmp_path):
    path = tmp_path / "run.npz"
    model = model_of("plain", random_state=np.random.default_rng(7))
    with pytest.raises(Killed):
        fit(model, "plain", checkpoint=path, callback=killed_after(2))
    generator = np.random.default_rng(9)
    resumed = fit(model_of("plain", random_state=generator), "plain", resume=path)
    assert generator.bit_generator.state == np.random.default_rng(9).bit_generator.state
    assert_same_model(resumed, fit(model_of("plain", random_state=np.random.default_rng(7)), "plain"))


def test_a_fit_that_went_on_from_a_model_is_resumed_as_such(tmp_path):
    path, case = tmp_path / "run.npz", "warp, adagrad"
    first = model_of(case, model=HybridBPR)
    fit(first, case)
    first.save(tmp_path / "first.npz")
    options = {"iterations": 6, "show_progress": False}
    with pytest.raises(Killed):
        BPR.load(tmp_path / "first.npz").fit_partial(
            MATRIX, checkpoint=path, every=1, callback=killed_after(4), **options
        )
    resumed = BPR.load(tmp_path / "first.npz").fit_partial(MATRIX, resume=path, **options)
    assert_same_model(resumed, first.fit_partial(MATRIX, **options))


def test_ctrl_c_leaves_the_checkpoint_of_the_last_whole_epoch(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"

    def stop(epoch, *_):
        if epoch == 3:
            raise KeyboardInterrupt

    model = model_of("plain")
    with pytest.raises(KeyboardInterrupt):
        fit(model, "plain", checkpoint=path, every=2, callback=stop)
    assert (len(model.history), len(BPR.load(path).history)) == (4, 4)
    assert_same_model(fit(model_of("plain"), "plain", resume=path), fit(model_of("plain"), "plain"))


# ---- processes that are killed --------------------------------------------------------------------------------------

SCRIPT = """
    import sys
    import numpy as np
    from scipy.sparse import csr_array, random_array
    from fastbpr import HybridBPR
    rng = np.random.default_rng(0)
    user_items = random_array((400, 300), density=0.05, rng=rng, format="csr")
    user_items.data[:] = 1
    genres = random_array((300, 10), density=0.2, rng=rng, format="csr")
    model = HybridBPR(factors=64, iterations=400, random_state=5, num_threads=1, negatives="adaptive")
    print("ready", flush=True)
    model.fit(user_items, item_features=genres, show_progress=False, checkpoint=sys.argv[1], every=1, resume=True)
    model.save(sys.argv[2])
"""


def run(path, out):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path), str(out)], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="processes are not killed by signals")
def test_a_process_may_be_killed_at_any_moment(tmp_path):
    path, out, whole = tmp_path / "run.npz", tmp_path / "resumed.npz", tmp_path / "whole.npz"
    rng = np.random.default_rng()
    reached = 0
    for is_last in (False, False, False, False, True):
        process = run(path, out)
        while is_last and not path.exists() and process.poll() is None:  # a machine may be slow
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if path.exists():  # the first one may have been killed too soon
            n_epochs = len(BPR.load(path, mmap=True, verify=True).history)
            assert n_epochs >= reached
            reached = n_epochs
    for target, checkpoint in ((out, path), (whole, tmp_path / "other.npz")):
        process = run(checkpoint, target)
        process.communicate()
        assert process.returncode == 0
    assert reached > 0
    assert_same_model(BPR.load(out), BPR.load(whole))


def test_what_a_killed_process_left_goes_when_it_is_resumed(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(Killed):
        fit(model_of("plain"), "plain", checkpoint=path, every=1, callback=killed_after(2))
    others = {".run.npz.kept.part", ".run.npz.1.01234567.part", ".other.npz.01234567.part"}
    for name in (*others, ".run.npz.01234567.part", ".run.npz.89abcdef.part"):
        (tmp_path / name).write_bytes(b"half")
    fit(model_of("plain"), "plain", checkpoint=path, resume=True)
    assert set(os.listdir(tmp_path)) == {"run.npz"} | others


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "run.npz"
    with pytest.raises(Killed):
        fit(model_of("validated"), "validated", checkpoint=path, callback=killed_after(3))
    return path


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"factors": 13}, {}, r"factors must be 12 as in the checkpoint '.*', got 13\. Set it back to go on"),
        ({"iterations": 9}, {}, "iterations must be 8 as in the checkpoint"),
        ({"random_state": 4}, {}, "random_state must be the one of the checkpoint"),
        ({"loss": "warp"}, {}, "loss must be 'bpr' as in the checkpoint"),
        ({"debias": {"propensity_power": 0.5, "negative_rate": 0}}, {}, "debias must be None as in the checkpoint"),
        ({}, {"user_items": OTHERS}, "user_items must be the same as in the fit that wrote the checkpoint"),
        ({}, {"validate_every": 3}, "validate_every must be 2 as in the checkpoint"),
        ({}, {"validation": OTHERS}, "validation must be the same as in the fit .*, got others"),
        ({}, {"patience": 3}, "patience must be None as in the checkpoint"),
        ({}, {"negatives": HELD_OUT}, "negatives must be left out as in the fit that wrote .*, got some"),
        ({}, {"user_items": MATRIX}, "user_items must have the user labels of the checkpoint"),
        ({}, {"weights": COUNTS}, "weights must be left out as in the fit"),
    ],
)
def test_another_fit_is_refused(checkpoint, changes, options, message):
    options = options | ({"validation": HELD_OUT.user_items} if options.get("user_items") is MATRIX else {})
    model = model_of("validated", **changes)
    with pytest.raises(ValueError, match=message):
        fit(model, "validated", resume=checkpoint, **options)
    assert model.item_factors is None


def rewritten(path, checkpoint, change):
    """Write a checkpoint anew with another header."""
    header, arrays = _storage.read(checkpoint)
    change(header)
    _storage.write(path, {name: value for name, value in header.items() if name not in OF_FILES}, arrays)


OF_FILES = ("format", "version", "written_by", "arrays")


@pytest.mark.parametrize("name", ["seed", "n_before", "rules", "data", "settings", "history", "checkpoint"])
@pytest.mark.parametrize("value", ["x", -3, [1], None])
def test_a_header_of_something_else_is_refused_in_words(checkpoint, tmp_path, name, value):
    def change(header):
        (header["checkpoint"] if name in header["checkpoint"] else header)[name] = value

    rewritten(tmp_path / "run.npz", checkpoint, change)
    with pytest.raises(ModelFileError, match=r"must be a (checkpoint|model|whole model)\b"):
        fit(model_of("validated"), "validated", resume=tmp_path / "run.npz")


def test_a_checkpoint_from_before_a_parameter_existed_goes_on_with_its_default(checkpoint, tmp_path):
    def change(header):
        for kind in ("parameters", "settings"):
            del header[kind]["rho"]

    rewritten(tmp_path / "run.npz", checkpoint, change)
    resumed = fit(model_of("validated"), "validated", resume=tmp_path / "run.npz")
    assert_same_model(resumed, fit(model_of("validated"), "validated"))
    with pytest.raises(ValueError, match=r"rho must be 0\.95 as in the checkpoint .*, got 0\.9\."):
        fit(model_of("validated", rho=0.9), "validated", resume=tmp_path / "run.npz")


def test_features_must_be_the_same(tmp_path):
    path = tmp_path / "run.npz"
    fit(model_of("features"), "features", checkpoint=path)
    with pytest.raises(ValueError, match="item_features must be the same as in the fit"):
        fit(model_of("features"), "features", resume=path, item_features=GENRES * 2)
    with pytest.raises(ValueError, match=r"resume must be a checkpoint of a BPR, but .* is one of a HybridBPR"):
        fit(model_of("plain"), "plain", resume=path)


def test_a_saved_model_is_no_checkpoint(tmp_path):
    path = tmp_path / "model.npz"
    fit(model_of("plain"), "plain").save(path)
    with pytest.raises(ModelFileError, match="resume must be a checkpoint, written by fit"):
        fit(model_of("plain"), "plain", resume=path)
    with pytest.raises(FileNotFoundError):
        fit(model_of("plain"), "plain", resume=tmp_path / "nothing.npz")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 2}, ValueError, "every must come with checkpoint, got 2 without"),
        ({"checkpoint": "run.npz", "every": 0}, ValueError, "every must be an integer >= 1, got 0"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be a path"),
        ({"checkpoint": "no/such/folder/run.npz"}, FileNotFoundError, "checkpoint must be in an existing folder"),
        ({"resume": True}, ValueError, "resume must be a path, or True together with checkpoint"),
        ({"resume": 3}, TypeError, r"resume must be a path \(a string or an os.PathLike\) or True, got 3"),
    ],
)
def test_arguments_about_checkpoints_are_checked_before_training(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model_of("plain")
    with pytest.raises(error, match=message):
        fit(model, "plain", **options)
    assert model.item_factors is None


def test_labels_that_no_file_can_hold_are_refused_before_training(tmp_path):
    log = Interactions.from_arrays([("a", 1), ("b", 2), ("a", 1)], ["x", "x", "y"])
    model = BPR(factors=4)
    with pytest.raises(TypeError, match="user_labels must be all numbers or all strings to be saved"):
        model.fit(log, show_progress=False, checkpoint=tmp_path / "run.npz")
    assert model.item_factors is None


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"

    def full(epoch, *_):
        if epoch == 1:
            monkeypatch.setattr(os, "fsync", no_space)

    def no_space(*_):
        raise OSError(28, "No space left on device")

    model = model_of("plain")
    with pytest.raises(OSError, match="No space left"):
        fit(model, "plain", checkpoint=path, every=1, callback=full)
    monkeypatch.undo()
    assert (len(model.history), len(BPR.load(path).history)) == (3, 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.npz"]
    assert_same_model(fit(model_of("plain"), "plain", resume=path), fit(model_of("plain"), "plain"))
