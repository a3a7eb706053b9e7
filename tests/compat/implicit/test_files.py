"""Model files: implicit's, fastbpr's, and those of the class that stands between them."""

import errno
import io
import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from fastbpr import BPR, ModelFileError, NotFittedError
from fastbpr._npz import Reader
from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking

# The names and types that implicit 0.7.3 writes, and that its `load` sets as attributes.
IMPLICITS = {
    "regularization": 0.02, "factors": 4, "learning_rate": 0.05, "verify_negative_samples": False, "num_threads": 1,
    "iterations": 7, "dtype": "float32", "random_state": 42,
}  # fmt: skip


def tables(dtype=np.float32):
    rng = np.random.default_rng(0)
    return {"user_factors": rng.random((3, 5)).astype(dtype), "item_factors": rng.random((6, 5)).astype(dtype)}


def fitted(communities, **parameters):
    model = BayesianPersonalizedRanking(factors=8, iterations=3, random_state=0, **parameters)
    model.fit(communities, show_progress=False)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_of_implicit_is_read(tmp_path, dtype):
    np.savez(tmp_path / "model.npz", **IMPLICITS | {"dtype": dtype} | tables(dtype))
    for source in (tmp_path / "model.npz", str(tmp_path / "model"), tmp_path / "model"):
        model = BayesianPersonalizedRanking.load(source)
        for name, value in IMPLICITS.items():
            assert getattr(model, name) == (np.dtype(dtype) if name == "dtype" else value)
        for name, table in tables(dtype).items():
            assert_array_equal(getattr(model, name), table)
            assert getattr(model, name).dtype == dtype
        assert model.similar_items(2, N=1)[0] == [2]


def test_what_is_written_has_implicits_names_and_needs_no_pickle(communities, tmp_path):
    fitted(communities).save(tmp_path / "model")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    assert set(parts) == set(IMPLICITS) | {"user_factors", "item_factors", "n_epochs"}
    assert parts["user_factors"].shape == (200, 9)
    assert [str(parts["dtype"]), parts["factors"].item(), parts["random_state"].item()] == ["float32", 8, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_is_the_same_after_saving_and_loading(communities, tmp_path, dtype):
    model = fitted(communities, dtype=dtype)
    model.save(tmp_path / "model.npz")
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    for loaded in (model.load(tmp_path / "model.npz"), BayesianPersonalizedRanking.load(file)):
        assert loaded.item_factors.dtype == dtype
        for ask in (lambda model: model.similar_items(3), lambda model: model.recommend(3, communities[[3]])):
            for one, other in zip(ask(model), ask(loaded), strict=True):
                assert_array_equal(one, other)
        with pytest.raises(ValueError, match="read-only"):
            loaded.item_factors[0] = 0


def test_an_unfitted_model_is_the_same_after_saving_and_loading(tmp_path):
    model = BayesianPersonalizedRanking(5, 0.1, 0.2, np.float64, 3, 1, False, 9)
    model.save(tmp_path / "model.npz")
    assert vars(BayesianPersonalizedRanking.load(tmp_path / "model.npz")) == vars(model)


def test_a_loaded_model_goes_on_as_the_saved_one(communities, tmp_path):
    model = fitted(communities)
    model.save(tmp_path / "model")
    loaded = BayesianPersonalizedRanking.load(tmp_path / "model")
    for each in (model, loaded):
        each.fit(communities, show_progress=False)
    assert_array_equal(loaded.item_factors, model.item_factors)
    assert_array_equal(loaded.user_factors, model.user_factors)


def test_implicit_reads_what_is_written(communities, tmp_path):
    implicits = pytest.importorskip("implicit.cpu.bpr").BayesianPersonalizedRanking
    model = fitted(communities)
    model.save(tmp_path / "model")
    theirs = implicits.load(str(tmp_path / "model"))
    assert_array_equal(theirs.item_factors, model.item_factors)
    assert_array_equal(theirs.similar_items(3)[0], model.similar_items(3)[0])
    theirs.save(str(tmp_path / "theirs"))
    assert_array_equal(BayesianPersonalizedRanking.load(tmp_path / "theirs").user_factors, model.user_factors)


def test_what_is_saved_is_what_is_loaded_whatever_else_has_the_name(tmp_path):
    BPR(factors=4).fit(three_of_three(), show_progress=False).save(tmp_path / "two")
    (tmp_path / "shop").mkdir()
    for name in ("two", "shop"):
        BayesianPersonalizedRanking(factors=7).save(tmp_path / name)
        assert BayesianPersonalizedRanking.load(tmp_path / name).factors == 7
        assert BayesianPersonalizedRanking.load(str(tmp_path / name)).factors == 7
    (tmp_path / "two.npz").unlink()
    assert BayesianPersonalizedRanking.load(tmp_path / "two").factors == 4
    (tmp_path / "shop.npz").unlink()
    with pytest.raises(FileNotFoundError):
        BayesianPersonalizedRanking.load(tmp_path / "shop")


def three_of_three():
    return scipy.sparse.csr_array(np.eye(3))


@pytest.mark.parametrize("random_state", [[3], [1, 2], np.array([5, 6])])
def test_a_seed_of_several_numbers_is_saved(tmp_path, random_state):
    BayesianPersonalizedRanking(random_state=random_state).save(tmp_path / "model.npz")
    assert_array_equal(BayesianPersonalizedRanking.load(tmp_path / "model.npz").random_state, random_state)


@pytest.mark.parametrize("random_state", [None, np.random.default_rng(0), np.random.RandomState(0)])
def test_a_seed_that_is_no_number_is_not_saved(tmp_path, random_state):
    BayesianPersonalizedRanking(random_state=random_state).save(tmp_path / "model.npz")
    assert BayesianPersonalizedRanking.load(tmp_path / "model.npz").random_state is None


def test_a_fastbpr_file_is_read_and_one_is_written(communities, tmp_path):
    original = BPR(factors=8, iterations=3, learning_rate=0.07, random_state=1).fit(communities, show_progress=False)
    original.save(tmp_path / "one")
    model = BayesianPersonalizedRanking.load(tmp_path / "one")
    assert (model.factors, model.learning_rate, model.iterations, model.random_state) == (8, 0.07, 3, 1)
    assert_array_equal(model.item_factors[:, :-1], original.item_factors)
    assert_array_equal(model.item_factors[:, -1], original.item_biases)
    ids, _ = model.recommend([0, 1], communities[[0, 1]])
    assert_array_equal(ids, original.recommend([0, 1])[0])

    model.to_fastbpr(communities).save(tmp_path / "two")
    again = BPR.load(tmp_path / "two")
    assert_array_equal(again.item_factors, original.item_factors)
    for ask in (lambda model: model.similar_items(3), lambda model: model.recommend(3)):
        for one, other in zip(ask(again), ask(original), strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize(
    "parameters",
    [{"loss": "softmax", "n_negatives": 4}, {"negatives": "dynamic", "regularization": {"positive": 0.001}}],
)
def test_a_model_of_fastbpr_is_what_it_was_after_there_and_back(communities, tmp_path, parameters):
    original = BPR(factors=8, iterations=2, random_state=1, similarity="centred", **parameters)
    original.fit(communities, show_progress=False).save(tmp_path / "model")
    model = BayesianPersonalizedRanking.load(tmp_path / "model")
    back = pickle.loads(pickle.dumps(model)).to_fastbpr(communities)
    assert back.get_params() == original.get_params()
    assert back.settings == original.settings
    for ask in (lambda model: model.similar_items(3), lambda model: model.recommend(3)):
        for one, other in zip(ask(back), ask(original), strict=True):
            assert_array_equal(one, other)
    new_user = original.fold_in(communities[[0]]).user_factors
    assert_array_equal(back.fold_in(communities[[0]]).user_factors, new_user)

    model.fit(communities, show_progress=False)
    assert model.to_fastbpr().settings["loss"] == "bpr"
    assert model.to_fastbpr().similarity == "cosine"


def test_directions_that_were_removed_stay_removed(communities):
    original = BPR(factors=8, iterations=2, random_state=1).fit(communities, show_progress=False)
    directions = np.eye(8, dtype=np.float32)[:1]
    other = original._compared_otherwise(removed_directions=directions)
    back = BayesianPersonalizedRanking.from_fastbpr(other).to_fastbpr()
    assert_array_equal(back.similar_items(3)[0], other.similar_items(3)[0])
    assert_array_equal(back.removed_directions, directions)


def test_a_model_with_biases_of_users_is_not_converted(communities, tmp_path):
    signs = communities.copy()
    signs.data[::3] = -1
    original = BPR(factors=8, iterations=2, loss="logistic").fit(signs, show_progress=False)
    original.save(tmp_path / "model")
    for convert in (
        lambda: BayesianPersonalizedRanking.from_fastbpr(original),
        lambda: BayesianPersonalizedRanking.load(tmp_path / "model"),
    ):
        with pytest.raises(ValueError, match="must have no biases of users"):
            convert()


def test_without_the_training_data_the_fastbpr_model_leaves_nothing_out(communities):
    model = fitted(communities).to_fastbpr()
    assert np.sort(model.recommend(0, N=100)[0]).tolist() == list(range(100))
    with pytest.raises(ValueError, match=r"user_items must have shape \(n_users, n_items\) = \(200, 100\)"):
        fitted(communities).to_fastbpr(communities[:9])
    with pytest.raises(NotFittedError):
        BayesianPersonalizedRanking().to_fastbpr()


def test_only_fastbpr_models_are_converted():
    with pytest.raises(TypeError, match="model must be a BPR, got str"):
        BayesianPersonalizedRanking.from_fastbpr("model")


BROKEN = {
    "without the bias": {"factors": 5},
    "one without the other": {"item_factors": None},
    "of other widths": {"item_factors": np.zeros((6, 4), dtype=np.float32)},
    "integers": {"user_factors": np.zeros((3, 5), dtype=int)},
    "without a number of factors": {"factors": None},
    "a parameter out of range": {"learning_rate": -1.0},
    "a parameter that is an array": {"iterations": np.zeros(3)},
    "another dtype": {"dtype": "float16"},
    "a dtype that is none": {"dtype": "f4, ("},
    "a dtype that is a number": {"dtype": 4},
    "not a number": {"item_factors": np.full((6, 5), np.nan, dtype=np.float32)},
    "infinite": {"user_factors": np.full((3, 5), np.inf, dtype=np.float64)},
    "a number of epochs below 0": {"n_epochs": -1},
    "without a learning rate": {"learning_rate": None},
    "objects": {"iterations": np.array(None)},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused(tmp_path, changes):
    parts = IMPLICITS | tables() | changes
    np.savez(tmp_path / "model.npz", **{name: part for name, part in parts.items() if part is not None})
    with pytest.raises(ModelFileError, match="path must be a model"):
        BayesianPersonalizedRanking.load(tmp_path / "model.npz")


def foreign(path):
    np.savez(path, a=np.zeros(3))


def sparse_matrix(path):
    scipy.sparse.save_npz(path, three_of_three())


def another_class_of_implicit(path):
    np.savez(path, factors=4, regularization=0.1, alpha=1.0, iterations=3, dtype="float32", random_state=1)


def compressed(path):
    np.savez_compressed(path, **IMPLICITS | {"user_factors": np.zeros((10**6, 5), dtype=np.float32)})


def declares_a_tebi_row(path):
    np.savez(path, **IMPLICITS | tables())
    content = path.read_bytes()
    assert content.count(b"(6, 5), }                    ") == 1
    path.write_bytes(content.replace(b"(6, 5), }                    ", b"(1099511627776, 5), }        "))


def cut_short(path):
    np.savez(path, **IMPLICITS | tables())
    path.write_bytes(path.read_bytes()[:-300])


def edited(path):
    np.savez(path, **IMPLICITS | tables())
    content = bytearray(path.read_bytes())
    place = content.index(tables()["item_factors"].tobytes())
    content[place] ^= 1
    path.write_bytes(content)


def pickled(path):
    np.savez(path, **IMPLICITS | tables() | {"random_state": np.array([Trap()], dtype=object)})


def empty(path):
    path.write_bytes(b"")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("code of a file was executed",)


@pytest.mark.parametrize(
    "write",
    [foreign, sparse_matrix, another_class_of_implicit, compressed, declares_a_tebi_row, cut_short, edited, pickled,
     empty],
)  # fmt: skip
def test_what_is_no_such_model_is_refused_before_memory_is_taken_for_it(tmp_path, write):
    path = tmp_path / "model.npz"
    write(path)
    for source in (path, io.BytesIO(path.read_bytes())):
        tracemalloc.start()
        with pytest.raises(ModelFileError, match="path must be a model of implicit's BPR, or one written by fastbpr"):
            BayesianPersonalizedRanking.load(source)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20


def test_a_fastbpr_file_is_read_once_and_by_its_path(communities, tmp_path, monkeypatch):
    path = tmp_path / "model"
    BPR(factors=8, iterations=1).fit(communities, show_progress=False).save(path)
    with path.open("rb") as file, pytest.raises(ModelFileError, match="Pass its path"):
        BayesianPersonalizedRanking.load(file)
    names = []
    read = Reader.array
    monkeypatch.setattr(
        Reader, "array", lambda self, entry, **how: names.append(entry.name) or read(self, entry, **how)
    )
    BayesianPersonalizedRanking.load(path)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": 9}, r"user_factors must be an array of finite numbers.*\(n, 10\) for factors=9"),
        ({"item_factors": None}, "item_factors must be given"),
        ({"item_factors": np.full((100, 9), np.nan)}, "item_factors must be an array of finite numbers"),
        ({"iterations": -1}, "iterations must be an integer >= 0"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(communities, tmp_path, changes, message):
    model = fitted(communities)
    vars(model).update(changes)
    with pytest.raises(ValueError, match=message):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(ModelFileError, match="damaged or of another kind"):
        BayesianPersonalizedRanking.load(tmp_path / "text.npz")
    with pytest.raises(ModelFileError, match="damaged or of another kind"):
        BayesianPersonalizedRanking.load(io.StringIO("no bytes"))
    with pytest.raises(FileNotFoundError):
        BayesianPersonalizedRanking.load(tmp_path / "nothing")
    for use in (BayesianPersonalizedRanking.load, BayesianPersonalizedRanking().save):
        with pytest.raises(TypeError, match="fileobj_or_path must be a path"):
            use(3)


def test_a_save_that_fails_leaves_the_older_file(communities, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = fitted(communities)
    model.save(path)
    before = path.read_bytes()

    def fails(file, **parts):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="full"):
        model.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("name", [b"n_epochs", b"random_state", b"factors"])
def test_a_name_that_was_changed_in_the_directory_is_noticed(communities, name):
    file = io.BytesIO()
    fitted(communities).save(file)
    content = bytearray(file.getvalue())
    content[content.rfind(name)] ^= 1
    with pytest.raises(ModelFileError):
        BayesianPersonalizedRanking.load(io.BytesIO(content))
