"""Model files: what comes back, what is refused, and that a failed write loses nothing."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, ModelFileError, _storage


@pytest.fixture(scope="module")
def model(communities):
    users, items = communities.nonzero()
    interactions = Interactions.from_arrays(
        [f"user {u}" for u in users], items * 10, item_names=[f"Größe {i}" if i % 2 else None for i in items]
    )
    return BPR(factors=8, iterations=3, random_state=1, regularization={"user": 0.02}).fit(
        interactions, show_progress=False
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def test_a_model_comes_back_as_it_was(model, path):
    model.save(path)
    loaded = BPR.load(path)
    for name in ("user_factors", "item_factors", "item_biases", "user_labels", "item_labels", "item_names"):
        assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert loaded.history == model.history
    assert repr(loaded) == repr(model)
    assert loaded.regularization == {"user": 0.02}
    assert_array_equal(loaded.recommend(np.arange(200))[0], model.recommend(np.arange(200))[0])
    assert loaded.item_rows(10) == model.item_rows(10)
    with pytest.raises(ValueError, match="read-only"):
        loaded.item_factors[0] = 1


def test_a_model_of_a_plain_matrix_has_no_labels(communities, path):
    BPR(factors=4, iterations=1, random_state=np.random.default_rng(0)).fit(communities, show_progress=False).save(path)
    loaded = BPR.load(path)
    assert loaded.item_labels is None
    assert loaded.random_state is None
    with pytest.raises(ValueError, match=r"must have item labels .* Use row numbers"):
        loaded.item_rows("a")


def test_a_file_has_no_pickle_and_is_plain_npz(model, path):
    model.save(path)
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
        header = json.loads(file["header"].tobytes())
    assert header["format"] == "fastbpr model"
    assert header["version"] == 1


def test_the_path_is_used_as_it_is(model, tmp_path):
    model.save(str(tmp_path / "no ending"))
    assert os.listdir(tmp_path) == ["no ending"]


@pytest.mark.parametrize("labels", [["a", "\ud800", "é\0b", "x" * 1000], [1, -5, 2**60, 7], [0.5, 1e300, -0.25, 3.5]])
def test_labels_come_back_exactly(labels, path):
    interactions = Interactions.from_arrays([label or "z" for label in labels], [1, 2, 3, 4])
    BPR(factors=2, iterations=1).fit(interactions, show_progress=False).save(path)
    loaded = BPR.load(path)
    assert_array_equal(loaded.user_labels, interactions.user_labels)
    assert loaded.user_labels.dtype == interactions.user_labels.dtype


def test_labels_that_need_pickle_are_refused_and_the_old_file_stays(model, path):
    model.save(path)
    kept = path.read_bytes()
    odd = BPR(factors=2, iterations=1)
    odd.fit(Interactions.from_arrays([("a", 1), ("b", 2)], ["x", "y"]), show_progress=False)
    with pytest.raises(TypeError, match=r"user_labels must be all numbers or all strings to be saved, got \('a', 1\)"):
        odd.save(path)
    assert path.read_bytes() == kept
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_write_leaves_the_old_file_and_no_rest(model, path, monkeypatch):
    model.save(path)
    kept = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_storage.np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == kept
    assert os.listdir(path.parent) == [path.name]


def test_a_killed_process_leaves_the_old_file(model, path):
    model.save(path)
    kept = path.read_bytes()
    code = textwrap.dedent(
        f"""
        import os, signal
        from fastbpr import BPR, _storage
        model = BPR.load({str(path)!r})
        _storage.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        model.save({str(path)!r})
        """
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == kept


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_new_file_gets_the_usual_permissions_and_an_old_one_keeps_its_own(model, path):
    previous = os.umask(0o022)
    try:
        model.save(path)
        assert path.stat().st_mode & 0o777 == 0o644
        path.chmod(0o600)
        model.save(path)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(previous)


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        BPR.load(path)


def rewritten(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    change(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


CHANGES = {
    "another format": (lambda h, a: h.update(format="other"), "another kind of file"),
    "a newer version": (lambda h, a: h.update(version=2), "version 2 .*Update fastbpr"),
    "no biases": (lambda h, a: a.pop("item_biases"), "do not fit each other"),
    "fewer items": (lambda h, a: a.update(item_factors=a["item_factors"][:-1]), "do not fit each other"),
    "double precision": (lambda h, a: a.update(item_biases=a["item_biases"].astype(float)), "do not fit each other"),
    "not finite": (lambda h, a: a.update(item_biases=a["item_biases"] * np.nan), "do not fit each other"),
    "liked out of range": (lambda h, a: a.update(liked_indices=a["liked_indices"] + 1000), "do not fit each other"),
    "an unknown parameter": (lambda h, a: h["parameters"].update(wings=2), "of another version"),
    "a bad parameter": (lambda h, a: h["parameters"].update(learning_rate=-1), "of another version"),
    "a short history": (lambda h, a: h.update(history=[[1, 2]]), "of another version"),
    "labels too short": (lambda h, a: a.update({"user_labels.text": a["user_labels.text"][:-1]}), "damaged labels"),
    "too many labels": (lambda h, a: a.update(item_labels=np.arange(500)), "do not fit each other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_edited_file_is_refused(model, path, change):
    model.save(path)
    edit, message = CHANGES[change]
    rewritten(path, edit)
    with pytest.raises(ModelFileError, match=message):
        BPR.load(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(model, path, share):
    model.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match="cannot be read as one"):
        BPR.load(path)


def test_foreign_files_are_refused(path):
    for content in (b"hello", b"PK\x03\x04 broken", b"\x80\x04."):
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            BPR.load(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.txt", "not an array")
    with pytest.raises(ModelFileError):
        BPR.load(path)
    np.savez(path, a=np.arange(3))
    with pytest.raises(ModelFileError):
        BPR.load(path)
    np.savez(path, header=np.array([{}], dtype=object))
    with pytest.raises(ModelFileError):
        BPR.load(path)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_a_link_stays_a_link_and_a_pipe_is_refused(model, path, tmp_path):
    target = tmp_path / "target"
    path.symlink_to(target)
    model.save(path)
    assert path.is_symlink()
    assert BPR.load(target).factors == 8
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="path must be a file, got the device or pipe"):
        model.save(tmp_path / "pipe")


def test_parameters_of_numpy_types_can_be_saved(communities, path):
    model = BPR(factors=np.int64(4), learning_rate=np.float32(0.1), iterations=2, learning_rate_decay="constant")
    model.fit(communities, show_progress=False).save(path)
    assert BPR.load(path).factors == 4


@pytest.mark.parametrize("bad", [3, 3.5, None])
def test_a_path_that_is_none_is_named(model, bad):
    with pytest.raises(TypeError, match="path must be"):
        model.save(bad)
    with pytest.raises(TypeError, match="path must be"):
        BPR.load(bad)
