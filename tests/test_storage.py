"""Model files: what comes back, what is refused, and that a failed write loses nothing."""

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from fastbpr import BPR, HybridBPR, Interactions, ModelFileError, _storage
from fastbpr._commands.models import load


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
    assert header["version"] == 2


def test_every_array_of_a_file_is_aligned_and_described(model, path):
    model.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    described = json.loads(arrays.pop("header").tobytes())["arrays"]
    assert set(described) == set(arrays)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        for name, array in arrays.items():
            entry = {"dtype": array.dtype.str, "shape": list(array.shape), "crc32": file.getinfo(f"{name}.npy").CRC}
            assert described[name] == entry
            assert path.read_bytes().index(array.tobytes()) % 64 == 0


def test_a_model_is_the_same_file_again(model, path, tmp_path):
    model.save(path)
    BPR.load(path).save(tmp_path / "again")
    BPR.load(path, mmap=True).save(tmp_path / "again, mapped")
    assert path.read_bytes() == (tmp_path / "again").read_bytes() == (tmp_path / "again, mapped").read_bytes()


def test_the_path_is_used_as_it_is(model, tmp_path):
    model.save(str(tmp_path / "no ending"))
    assert os.listdir(tmp_path) == ["no ending"]


LABELS = {
    "text": ["a", "\ud800", "\udc00", "é\0b", "x" * 1000, "日本"],
    "ASCII": ["b", "a", "x\n"],
    "integers": [1, -5, 2**60, 7],
    "large integers": np.array([2**63 + 1, 1], dtype=np.uint64),
    "floats": [0.5, 1e300, -0.25, 3.5],
    "dates": np.array(["2024-05-01", "1969-12-31"], dtype="M8[D]"),
    "times": np.array(["2024-05-01T00:00:00.000000001", "1969-12-31"], dtype="M8[ns]"),
    "durations": np.array([5, -1], dtype="m8[s]"),
    "booleans": [True, False],
}


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_exactly(kind, mmap, path):
    labels = LABELS[kind]
    interactions = Interactions.from_arrays(labels, np.arange(len(labels)))
    BPR(factors=2, iterations=1).fit(interactions, show_progress=False).save(path)
    loaded = BPR.load(path, mmap=mmap)
    assert loaded.user_labels.tolist() == interactions.user_labels.tolist()
    assert loaded.user_labels.dtype == interactions.user_labels.dtype


@pytest.mark.parametrize("texts", [[], [""], [None], [None, ""], ["", None, "a", None], ["é", None, "", "b"]])
def test_missing_and_empty_texts_are_told_apart(texts, path):
    labels = np.empty(len(texts), dtype=object)
    labels[:] = texts
    _storage.write(path, {}, {"titles": labels})
    assert _storage.read(path)[1]["titles"].tolist() == texts


def test_arrays_have_any_names_layouts_and_sizes(path):
    table = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {
        "by_columns": np.asfortranarray(table),
        "every other": table[::2, ::-1],
        "big_endian": table.astype(">f4"),
        "three axes": table.reshape(2, 3, 4),
        "one_number": np.array(5.0),
        "nothing": np.zeros((0, 3), dtype=np.int16),
        "many blocks": np.arange(3 * 2**20 + 1),
    }
    _storage.write(path, {}, arrays)
    for mmap in (False, True):
        read = _storage.read(path, mmap=mmap)[1]
        assert list(read) == list(arrays)
        for name, array in arrays.items():
            assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype.newbyteorder("=")
            assert read[name].flags.c_contiguous
    with pytest.raises(TypeError, match="records must be all numbers or all strings to be saved, got dtype"):
        _storage.write(path, {}, {"records": np.zeros(2, dtype="i4,f4")})


# ---- mapped -----------------------------------------------------------------------------------------------------


def test_a_mapped_model_is_the_same_model(model, path):
    model.save(path)
    for mapped in (BPR.load(path, mmap=True), BPR.load(path, mmap=True, verify=True)):
        for name in ("user_factors", "item_factors", "item_biases"):
            assert_array_equal(getattr(mapped, name), getattr(model, name))
            assert getattr(mapped, name).ctypes.data % 64 == 0
            with pytest.raises(ValueError, match="read-only"):
                getattr(mapped, name)[0] = 1
        users = np.arange(200)
        for one, other in zip(mapped.recommend(users), model.recommend(users), strict=True):
            assert_array_equal(one, other)
        assert mapped.item_rows([10, 20]).tolist() == model.item_rows([10, 20]).tolist()
        for name in ("user_labels", "item_names"):
            assert_array_equal(getattr(mapped, name), getattr(model, name))
        assert mapped.explain(0, 1) == model.explain(0, 1)


def test_commands_map_models(model, path):
    model.save(path)
    assert isinstance(load(str(path))._liked, _storage.StoredLikes)
    assert not isinstance(BPR.load(path)._liked, _storage.StoredLikes)


def test_copies_of_a_mapped_model_are_whole(model, path, tmp_path):
    model.save(path)
    mapped = BPR.load(path, mmap=True)
    for other in (pickle.loads(pickle.dumps(mapped)), copy.deepcopy(mapped), copy.copy(mapped)):
        assert_array_equal(other.recommend(3), model.recommend(3))
        assert_array_equal(other.user_labels, model.user_labels)
    other.item_names = None
    assert other.item_names is None
    assert_array_equal(mapped.item_names, model.item_names)


@pytest.mark.skipif(os.name != "posix", reason="Windows does not replace mapped files")
def test_a_mapped_file_may_be_replaced_and_deleted(model, communities, path):
    model.save(path)
    mapped = BPR.load(path, mmap=True)
    lists = model.recommend(np.arange(200))
    BPR(factors=2, iterations=1).fit(communities, show_progress=False).save(path)
    assert_array_equal(mapped.recommend(np.arange(200)), lists)
    mapped.save(path)
    path.unlink()
    assert_array_equal(mapped.recommend(np.arange(200)), lists)
    assert mapped.fit(communities, show_progress=False).item_names is None


def test_values_that_are_not_finite_are_let_pass_only_where_nothing_is_read(model, path):
    model.save(path)
    rewritten(path, lambda h, a: a.update(item_factors=a["item_factors"] * np.nan))
    assert np.isnan(BPR.load(path, mmap=True).item_factors).all()
    for way in ({}, {"mmap": True, "verify": True}):
        with pytest.raises(ModelFileError, match="do not fit each other"):
            BPR.load(path, **way)


@pytest.mark.parametrize("name", ["mmap", "verify"])
def test_switches_are_true_or_false(model, path, name):
    model.save(path)
    with pytest.raises(TypeError, match=f"{name} must be True or False, got 'r'"):
        BPR.load(path, **{name: "r"})


@pytest.fixture(scope="module")
def hybrid(communities):
    genres = csr_array(np.repeat(np.eye(4), 25, axis=0))
    return HybridBPR(factors=8, iterations=2, random_state=0).fit(
        communities, item_features=genres, show_progress=False
    )


def test_a_mapped_model_with_features_is_the_same_model(hybrid, path):
    hybrid.save(path)
    mapped = BPR.load(path, mmap=True)
    assert type(mapped) is HybridBPR
    assert set(mapped._components) == set(hybrid._components) != set()
    for name, array in hybrid._components.items():
        assert_array_equal(mapped._components[name], array)
    for one, other in zip(
        mapped.with_items(np.eye(4)).score([3]), hybrid.with_items(np.eye(4)).score([3]), strict=True
    ):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("item_feature_factors", lambda a: a[:, :-1]),
        ("item_feature_factors", lambda a: a.astype(float)),
        ("item_feature_factors", lambda a: a[0]),
        ("item_feature_biases", lambda a: a[:-1]),
        ("item_own_factors", lambda a: np.zeros((3, 8), dtype=np.float32)),
        ("item_own_biases", lambda a: np.zeros((3,), dtype=np.float32)),
    ],
)
@pytest.mark.parametrize("mmap", [False, True])
def test_vectors_of_features_that_do_not_fit_are_refused(hybrid, path, name, change, mmap):
    hybrid.save(path)
    rewritten(path, lambda h, a: a.update({name: change(a[name])}))
    with pytest.raises(ModelFileError, match="do not fit each other"):
        BPR.load(path, mmap=mmap)


# ---- memory -----------------------------------------------------------------------------------------------------


def test_writing_and_reading_need_no_second_copy(path):
    big = BPR(factors=64, iterations=1)
    users = np.arange(100_000)
    big.fit(csr_array((np.ones(100_000), (users, users % 50_000))), show_progress=False)
    size = big.user_factors.nbytes + big.item_factors.nbytes

    def peak(work):
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1] / size
        finally:
            tracemalloc.stop()

    assert peak(lambda: big.save(path)) < 0.3
    assert 1 < peak(lambda: BPR.load(path)) < 1.3
    assert peak(lambda: BPR.load(path, mmap=True)) < 0.02
    assert peak(lambda: BPR.load(path, mmap=True, verify=True)) < 0.3


# ---- refused ----------------------------------------------------------------------------------------------------


def test_labels_that_need_pickle_are_refused_and_the_old_file_stays(model, path):
    model.save(path)
    kept = path.read_bytes()
    odd = BPR(factors=2, iterations=1)
    odd.fit(Interactions.from_arrays([("a", 1), ("b", 2)], ["x", "y"]), show_progress=False)
    with pytest.raises(TypeError, match=r"user_labels must be all numbers or all strings to be saved, got \('a', 1\)"):
        odd.save(path)
    assert path.read_bytes() == kept
    assert os.listdir(path.parent) == [path.name]


def test_times_without_a_unit_which_cannot_be_loaded_are_not_saved(model, path):
    odd = copy.copy(model)
    odd.item_labels = np.arange(100).astype("m8")
    with pytest.raises(TypeError, match="item_labels must have a unit of time to be saved, got dtype timedelta64"):
        odd.save(path)
    assert not path.exists()


def test_a_failed_write_leaves_the_old_file_and_no_rest(model, path, monkeypatch):
    model.save(path)
    kept = path.read_bytes()

    def full_disk(self, name, array):
        self.file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_storage.Writer, "add", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == kept
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_a_file_system_that_takes_no_more_keeps_the_old_file_and_no_rest(model, path, share):
    model.save(path)
    kept = path.read_bytes()
    code = textwrap.dedent(
        f"""
        import resource
        from fastbpr import BPR
        model = BPR.load({str(path)!r}, mmap=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int({share} * {len(kept)}), -1))
        try:
            model.save({str(path)!r})
        except OSError as error:
            print(error)
        """
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "File too large" in told
    assert str(path) in told
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


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01])
def test_a_process_killed_at_any_time_leaves_a_whole_file(tmp_path, delay):
    """Two models are saved in turn until the end; the file is one or the other."""
    code = textwrap.dedent(
        """
        import numpy as np
        from fastbpr import BPR
        from scipy.sparse import csr_array
        users = np.arange(20_000)
        matrix = csr_array((np.ones(20_000), (users, users % 1000)))
        models = [BPR(factors=16, iterations=n).fit(matrix, show_progress=False) for n in (1, 2)]
        models[0].save("model")
        print("saved", flush=True)
        while True:
            models[1].save("model")
            models[0].save("model")
        """
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "saved\n"
        time.sleep(delay)
        process.kill()
    assert BPR.load(tmp_path / "model").iterations in (1, 2)
    assert all(name == "model" or name.endswith(".part") for name in os.listdir(tmp_path))


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


def test_nobody_else_gets_other_permissions_while_a_file_is_written(model, path, monkeypatch):
    """The umask is one for all threads of a process; and what was private is so from its first byte on."""
    model.save(path)
    path.chmod(0o600)
    modes = []
    add = _storage.Writer.add

    def looked_at(writer, *arguments):
        modes.append(os.fstat(writer.file.fileno()).st_mode & 0o777)
        return add(writer, *arguments)

    def changed(_):
        raise AssertionError("the umask of the process was changed")

    monkeypatch.setattr(_storage.Writer, "add", looked_at)
    monkeypatch.setattr(os, "umask", changed)
    model.save(path)
    model.save(path.with_name("new"))
    assert set(modes[: len(modes) // 2]) == {0o600}


@pytest.mark.parametrize("name", ["n" * 245, "n" * 255, "ñ" * 127, "n" * 221])
def test_the_longest_names_that_a_file_may_have_are_fine(model, tmp_path, name):
    model.save(tmp_path / name)
    model.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        BPR.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("options", [{}, {"mmap": True}])
def test_a_pipe_is_refused_and_not_waited_for(path, options, communities):
    os.mkfifo(path)
    with pytest.raises(OSError, match="path must be a file, got the device or pipe"):
        BPR.load(path, **options)
    with pytest.raises(OSError, match="must be a file, got the device or pipe"):
        BPR().fit(communities, resume=path, show_progress=False)


def rewritten(path, change):
    """Change a file as if it had been written so: with checksums that are right."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    change(header, arrays)
    with open(path, "wb") as file, _storage.Writer(file) as writer:
        _storage.write_described(writer, header, arrays)


CHANGES = {
    "another format": (lambda h, a: h.update(format="other"), "another kind of file"),
    "a newer version": (lambda h, a: h.update(version=3), "version 3 .*Update fastbpr"),
    "no biases": (lambda h, a: a.pop("item_biases"), "do not fit each other"),
    "fewer items": (lambda h, a: a.update(item_factors=a["item_factors"][:-1]), "do not fit each other"),
    "double precision": (lambda h, a: a.update(item_biases=a["item_biases"].astype(float)), "do not fit each other"),
    "not finite": (lambda h, a: a.update(item_biases=a["item_biases"] * np.nan), "do not fit each other"),
    "liked out of range": (lambda h, a: a.update(liked_indices=a["liked_indices"] + 1000), "do not fit each other"),
    "an unknown parameter": (lambda h, a: h["parameters"].update(wings=2), "of another version"),
    "a bad parameter": (lambda h, a: h["parameters"].update(learning_rate=-1), "of another version"),
    "a short history": (lambda h, a: h.update(history=[[1, 2]]), "of another version"),
    "labels too short": (lambda h, a: a.update({"user_labels.text": a["user_labels.text"][:-1]}), "damaged labels"),
    "an end before the last": (
        lambda h, a: a["user_labels.ends"].sort() or a["user_labels.ends"].__setitem__(5, 1),
        "damaged labels",
    ),
    "no ends": (lambda h, a: a.pop("user_labels.ends"), "damaged labels"),
    "no text": (lambda h, a: a.pop("user_labels.text"), "damaged labels"),
    "labels in a table": (lambda h, a: a.update(item_labels=np.zeros((100, 1))), "do not fit each other"),
    "no history": (lambda h, a: h.pop("history"), "do not fit each other"),
    "no parameters": (lambda h, a: h.pop("parameters"), "of another version"),
    "too many labels": (lambda h, a: a.update(item_labels=np.arange(500)), "do not fit each other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_edited_file_is_refused(model, path, change):
    model.save(path)
    edit, message = CHANGES[change]
    rewritten(path, edit)
    for way in ({}, {"mmap": True, "verify": True}):
        with pytest.raises(ModelFileError, match=message):
            BPR.load(path, **way)


def test_a_file_written_anew_by_others_is_told_from_ours(model, path):
    model.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays)  # the same arrays and checksums
    assert BPR.load(path).factors == 8
    arrays["item_factors"][0, 0] += 1
    np.savez(path, **arrays)
    for way in ({}, {"mmap": True}):
        with pytest.raises(ModelFileError, match="item_factors is not what the header says"):
            BPR.load(path, **way)


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
