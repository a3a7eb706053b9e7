"""Model files that are damaged, made up or old: refused in words or read right, and never a crash."""

import contextlib
import json
import pickle
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from model_files import HEADER, npy, old_arrays, old_file, zipped
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions, ModelFileError, _npz

ARRAYS = ("user_factors", "item_factors", "item_biases", "user_labels", "item_labels", "item_names")
WAYS = {"read": {}, "mapped": {"mmap": True}, "verified": {"mmap": True, "verify": True}}


@pytest.fixture(scope="module")
def model():
    users, items = np.random.default_rng(0).integers(0, [[9], [7]], size=(2, 40))
    names = [f"Größe {item}" if item % 2 else None for item in items]
    log = Interactions.from_arrays([f"user {user}" for user in users], items * 10, item_names=names)
    return BPR(factors=3, iterations=2, num_threads=1, random_state=1).fit(log, show_progress=False)


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.npz"
    model.save(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def is_equal(one, other):
    return (
        all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)
        and all(map(np.array_equal, one._liked, other._liked))
        and (one.history, one.settings, repr(one)) == (other.history, other.settings, repr(other))
    )


def use(model):
    """Ask a model everything that looks at its arrays."""
    n_users, n_items = len(model.user_factors), len(model.item_factors)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ask in (
            lambda: model.recommend(np.arange(n_users), N=3),
            lambda: model.similar_items(np.arange(n_items), N=3),
            lambda: model.similar_items(0, similarity="user-space"),
            lambda: model.similar_users(0),
            lambda: model.score(0),
            lambda: model.explain(0, 1),
            lambda: model.user_rows("user 1"),
            lambda: model.item_rows(10),
            lambda: model.item_names,
        ):
            with contextlib.suppress(ValueError, KeyError):  # factors that are not finite, unknown labels
                ask()


def stored_bytes(path):
    """Positions in a file that hold arrays, headers and the header of the model."""
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            content = file.read(info)
            start = path.read_bytes().index(content)
            yield from range(start, start + len(content))


# ---- damage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_file_cut_off_anywhere_is_refused(whole, path, way):
    for size in (*range(0, len(whole), 100), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match="cannot be read as one"):
            BPR.load(path, **WAYS[way])


@pytest.mark.parametrize("way", ["read", "verified"])
def test_a_changed_byte_is_found_or_makes_no_difference(model, whole, path, way):
    path.write_bytes(whole)
    stored = set(stored_bytes(path))
    assert len(stored) > len(whole) / 3
    rng = np.random.default_rng(0)
    for place in range(way == "read", len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            loaded = BPR.load(path, **WAYS[way])
        except ModelFileError:
            continue
        assert place not in stored
        assert is_equal(loaded, model)


def test_a_changed_byte_of_a_mapped_file_never_leads_out_of_the_arrays(whole, path):
    rng = np.random.default_rng(1)
    n_loaded = 0
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            loaded = BPR.load(path, mmap=True)
        except ModelFileError:
            continue
        use(loaded)
        n_loaded += 1
    assert n_loaded > len(whole) / 50


@pytest.mark.parametrize("way", WAYS)
def test_changed_values_of_training_positives_are_found_before_use(model, whole, path, way):
    for array in model._liked:
        place = whole.index(array.tobytes()) + 4 * (array.itemsize == 8) + 3  # the highest byte of the first
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            BPR.load(path, **WAYS[way]).recommend(0)
    if way == "mapped":
        BPR.load(path, mmap=True).similar_items(0)


def test_damaged_labels_of_a_mapped_file_are_found_at_first_use(whole, path):
    labels = b"user 1"
    path.write_bytes(whole.replace(labels, b"user \xff"))
    mapped = BPR.load(path, mmap=True)
    assert len(mapped.recommend([0, 1])[0]) == 2
    with pytest.raises(ModelFileError, match="has damaged labels"):
        mapped.user_rows("user 2")


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError("Unable to allocate 5 GiB")])
def test_what_is_wrong_with_the_machine_is_not_blamed_on_the_file(whole, path, monkeypatch, error):
    def fails(*_):
        raise error

    path.write_bytes(whole)
    monkeypatch.setattr(_npz.Reader, "fill", fails)
    with pytest.raises(type(error), match=str(error.args[-1])):
        BPR.load(path)


# ---- made up ----------------------------------------------------------------------------------------------------

HUGE = 2**62


def with_header(**changes):
    return old_file(old_arrays(), HEADER | changes)


def raw_header(text):
    return old_file(old_arrays(), header=npy(np.frombuffer(text, dtype=np.uint8)))


def lying(name, **lies):
    return old_file(old_arrays(), **{name: npy(old_arrays()[name], **lies)})


def repeated():
    members = [(f"{name}.npy", npy(array)) for name, array in old_arrays().items()]
    header = ("header.npy", npy(np.frombuffer(json.dumps(HEADER).encode(), dtype=np.uint8)))
    return zipped([header, *members, members[0]])


def bomb():
    zeros = np.zeros(2**24, dtype=np.uint8)
    header = npy(np.frombuffer(json.dumps(HEADER).encode(), dtype=np.uint8))
    return zipped([("header.npy", header), ("zeros.npy", npy(zeros))], zipfile.ZIP_DEFLATED)


def overlapping():
    """A file in which the directory has one member a thousand times."""
    content = zipped([(f"{number:04}.npy", npy(np.zeros(2**10 * (number == 0)))) for number in range(1000)])
    one = content.index(b"PK\x01\x02")
    size = 46 + len("0000.npy")
    entry, end = content[one : one + size], content[-22:]
    names = [f"{number:04}.npy".encode() for number in range(1000)]
    return content[:one] + b"".join(entry[:46] + name for name in names) + end


MADE_UP = {
    "an absurd shape": (lambda: lying("user_factors", shape=(HUGE, 2)), "user_factors has not the size of its shape"),
    "a shape whose product wraps around": (lambda: lying("user_factors", shape=(HUGE, 4)), "the size of its shape"),
    "an absurd empty shape": (lambda: lying("user_factors", shape=(10**18, 0)), "the size of its shape"),
    "a negative shape": (lambda: lying("user_factors", shape=(-3, -2)), "no array of plain numbers"),
    "one more row than there is": (lambda: lying("user_factors", shape=(4, 2)), "the size of its shape"),
    "objects": (lambda: lying("user_factors", descr="|O"), "no array of plain numbers"),
    "records": (lambda: lying("user_factors", descr=[("a", "<f4")]), "no array of plain numbers"),
    "strings": (lambda: lying("item_labels", descr="<U2"), "no array of plain numbers"),
    "numbers of one machine": (lambda: lying("item_labels", descr="<f16"), "no array of plain numbers"),
    "another dtype": (lambda: lying("user_factors", descr="<i4"), "do not fit each other"),
    "a unit that is none": (lambda: lying("item_labels", descr="<M8[xyz]"), "cannot be read as one"),
    "another .npy version": (lambda: lying("user_factors", version=b"\x09\x00"), "user_factors is no array"),
    "a name twice": (repeated, "is there twice"),
    "a bomb": (bomb, "is compressed or encrypted"),
    "a member that counts a thousand times": (overlapping, "is larger than the file"),
    "no header": (lambda: zipped([("a.npy", npy(np.arange(3)))]), "header is missing"),
    "a header of nothing but brackets": (lambda: raw_header(b"[" * 10**6), "cannot be read as one"),
    "a header that is no text": (lambda: raw_header(b"\xff\xfe"), "cannot be read as one"),
    "a header that is no mapping": (lambda: raw_header(b"[1, 2]"), "another kind of file"),
    "an older version than the first": (lambda: with_header(version=0), "has version 0"),
    "a version that is no number": (lambda: with_header(version="2"), "has version '2'"),
    "a newer version": (lambda: with_header(version=3, written_by="fastbpr 9"), r"version 3 \(fastbpr 9\). Update"),
    "a new version without arrays": (lambda: with_header(version=2), "cannot be read as one"),
    "a new version with other arrays": (lambda: with_header(version=2, arrays={}), "is not what the header says"),
    "no parameters": (lambda: old_file(old_arrays(), {**HEADER, "parameters": None}), "of another version"),
    "a history of numbers": (lambda: with_header(history=[1, 2]), "of another version"),
    "a history of texts": (lambda: with_header(history=[list("abcdef")]), "of another version"),
    "epochs that are no number": (lambda: with_header(n_epochs="x"), "of another version"),
    "fewer epochs than none": (lambda: with_header(n_epochs=-5), "of another version"),
    "a report of texts": (lambda: with_header(debiasing=list("abcd")), "of another version"),
    "a setting that no parameter has": (lambda: with_header(settings={"regularization": "zzz"}), "of another version"),
    "settings that are none": (lambda: with_header(settings=[1]), "of another version"),
    "text that is no bytes": (lambda: lying("user_labels.text", descr="|i1"), "damaged labels"),
    "ends that are no integers": (lambda: lying("user_labels.ends", descr="<f8"), "damaged labels"),
    "no items": (
        lambda: old_file(old_arrays() | {"item_factors": np.zeros((0, 2), "f4"), "item_biases": np.zeros(0, "f4")}),
        "do not fit each other",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MADE_UP)
def test_a_made_up_file_is_refused_without_much_memory(path, kind, way):
    make, message = MADE_UP[kind]
    path.write_bytes(make())
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=message):
            BPR.load(path, **WAYS[way]).user_rows("a")
        assert tracemalloc.get_traced_memory()[1] < 1e6 + 4 * path.stat().st_size
    finally:
        tracemalloc.stop()


class Payload:
    """An object whose unpickling leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["header", "user_factors", "item_labels"])
def test_no_code_in_a_file_is_run(path, tmp_path, name, way):
    content = pickle.dumps(np.array([Payload(tmp_path / "trace")], dtype=object))
    member = npy(np.frombuffer(content, dtype=np.uint8), descr="|O", shape=(1,))
    path.write_bytes(old_file(old_arrays(), **{name: member}))
    with pytest.raises(ModelFileError):
        BPR.load(path, **WAYS[way])
    assert not (tmp_path / "trace").exists()
    pickle.loads(content)
    assert (tmp_path / "trace").exists()


# ---- old files, and those of other machines ---------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_file_of_version_1_is_still_read(path, way, byte_order):
    path.write_bytes(old_file(old_arrays(byte_order)))
    loaded = BPR.load(path, **WAYS[way])
    for name in ("user_factors", "item_factors", "item_biases", "item_labels"):
        array = getattr(loaded, name)
        assert_array_equal(array, old_arrays()[name])
        assert array.dtype.isnative
        assert array.flags.c_contiguous
    assert loaded.user_labels.tolist() == ["a", "ñ", "bc"]
    assert loaded.item_names.tolist() == ["one", None, "two", ""]
    assert loaded.item_labels.tolist() == [10, 20, 2**40, -3]
    assert_array_equal(loaded.recommend(0)[0][:2], [3, 2])
    assert loaded.history[0].loss == 0.5


@pytest.mark.parametrize("way", WAYS)
def test_factors_that_version_1_stored_by_columns_are_read(path, way):
    factors = old_arrays()["user_factors"]
    path.write_bytes(old_file(old_arrays(), user_factors=npy(factors, order="F")))
    loaded = BPR.load(path, **WAYS[way])
    assert_array_equal(loaded.user_factors, factors)
    assert loaded.user_factors.flags.c_contiguous
