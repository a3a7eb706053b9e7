"""Parameters by name, copies and pickles of models, and subclasses with parameters of their own."""

import copy
import inspect
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from fastbpr import BPR, HybridBPR, Interactions, ModelFileError
from fastbpr.exposure import Debias

LOG = Interactions.from_arrays(
    np.random.default_rng(0).integers(30, size=400).astype(str), np.random.default_rng(1).integers(20, size=400)
)
GENRES = np.random.default_rng(2).random((20, 3), dtype=np.float32)


class ShopModel(BPR):
    """A model with a parameter of its own."""

    def __init__(self, shop="north", **others):
        self.shop = shop
        super().__init__(**others)


class StrictModel(HybridBPR):
    """A model that looks at its parameter, too."""

    def __init__(self, *, floors=(1, 2), **others):
        self.floors = floors
        super().__init__(**others)

    def _check_parameters(self):
        super()._check_parameters()
        if len(self.floors) == 0:
            raise ValueError("floors must have some, got none.")


CLASSES = [BPR, HybridBPR, ShopModel, StrictModel]
SMALL = {"factors": 8, "iterations": 3, "random_state": 0}


def fitted(model=BPR, **parameters):
    options = {"item_features": GENRES} if issubclass(model, HybridBPR) else {}
    return model(**SMALL | parameters).fit(LOG, show_progress=False, **options)


def same(one, other):
    assert type(one) is type(other)
    assert one.get_params() == other.get_params()
    for name in ("user_factors", "item_factors", "item_biases", "user_labels", "item_labels"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.history, one.settings, one._n_epochs) == (other.history, other.settings, other._n_epochs)
    for what in ("recommend", "similar_items"):
        for mine, others in zip(getattr(one, what)([0, 3]), getattr(other, what)([0, 3]), strict=True):
            assert_array_equal(mine, others)


# ---- by name --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", CLASSES)
def test_parameters_are_what_the_constructor_takes_and_are_kept_untouched(model):
    given = {
        "factors": np.int64(8),
        "regularization": {"user": 0.1},
        "debias": Debias(cap=2),
        "random_state": np.random.default_rng(0),
    }
    parameters = model(**given).get_params()
    assert list(parameters) == list(dict.fromkeys(parameters))
    for name, value in given.items():
        assert parameters[name] is value
    assert set(inspect.signature(BPR).parameters) <= set(parameters)
    assert model(**parameters).get_params() == parameters
    assert model().get_params(deep=False) == model().get_params(deep=True)


@pytest.mark.parametrize("model", CLASSES)
def test_scikit_learn_clones_models(model):
    given = {"factors": 12, "loss": "warp", "regularization": {"user": 0.1}, "random_state": 3}
    given |= {"shop": "south"} if model is ShopModel else {"floors": [4]} if model is StrictModel else {}
    original = fitted(model, **given)
    other = clone(original)
    assert type(other) is model
    assert other.item_factors is None
    assert other.get_params() == original.get_params() == original.get_params() | given


def test_a_copy_has_parameters_of_its_own():
    original = fitted()
    other = clone(original).set_params(factors=4, similarity="centred")
    assert (other.factors, other.similarity) == (4, "centred")
    assert (original.factors, original.similarity) == (8, "cosine")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"loss": "warp", "factor": 3}, ValueError, "parameters must be those of BPR, such as factors, got 'factor'"),
        ({"loss": "warp", "factors": 0}, ValueError, "factors must be an integer >= 1 or 'auto', got 0"),
        ({"loss": "warp", "iterations": "many"}, TypeError, "iterations must be an integer >= 1, got 'many'"),
        ({"loss": "logistic", "debias": "context"}, ValueError, "debias must be None with loss='logistic'"),
    ],
)
def test_a_refused_parameter_changes_nothing(parameters, error, message):
    model = fitted()
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.set_params(**parameters)
    assert vars(model) == before


def test_parameters_that_go_together_may_be_set_together():
    model = BPR(loss="k-os-warp", n_positives=10, positive_rank=9)
    with pytest.raises(ValueError, match="positive_rank"):
        model.set_params(n_positives=3)
    model.set_params(n_positives=3, positive_rank=2)
    assert (model.n_positives, model.positive_rank) == (3, 2)
    assert model.set_params() is model


# ---- copies and pickles ---------------------------------------------------------------------------------------------


def by_joblib(model, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    return joblib.load(tmp_path / "model.joblib")


COPIES = {
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "oldest pickle": lambda model, _: pickle.loads(pickle.dumps(model, protocol=2)),
    "copy": lambda model, _: copy.copy(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "joblib": by_joblib,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("model", CLASSES)
def test_copies_are_equal_and_read_only(model, how, tmp_path):
    original = fitted(model, optimizer="adagrad")
    other = COPIES[how](original, tmp_path)
    same(other, original)
    arrays = [other.user_factors, other.item_factors, other.item_biases, *other._components.values()]
    assert len(arrays) > 4
    assert not any(array.flags.writeable for array in arrays)
    unfitted = COPIES[how](model(**SMALL), tmp_path)
    assert unfitted.item_factors is None
    assert unfitted.get_params() == model(**SMALL).get_params()


@pytest.mark.parametrize("how", COPIES)
def test_mapped_models_can_be_copied(how, tmp_path):
    original = fitted()
    original.save(tmp_path / "model.npz")
    other = COPIES[how](BPR.load(tmp_path / "model.npz", mmap=True), tmp_path)
    if how != "copy":  # which shares the mapped arrays
        (tmp_path / "model.npz").write_bytes(b"")
    same(other, original)
    assert not other.item_factors.flags.writeable


@pytest.mark.parametrize("how", COPIES)
def test_arrays_of_the_user_stay_writable(how, tmp_path):
    model = fitted()
    mine = model.item_factors.copy()
    model.item_factors = mine
    assert COPIES[how](model, tmp_path).item_factors.flags.writeable
    assert mine.flags.writeable


def test_pickles_are_compact():
    model = fitted(factors=256)
    model.similar_items(0)
    model.similar_users(0)
    size = sum(array.nbytes for array in (model.user_factors, model.item_factors))
    assert len(model._compared) == 2
    assert len(pickle.dumps(model)) < 1.5 * size


def test_what_a_copy_computes_is_its_own():
    model = fitted()
    model.similar_items(0)
    other = copy.copy(model)
    other.similar_items(0, similarity="centred")
    assert model._compared["item"][0] == "cosine"


def test_a_copy_goes_on_without_the_original(tmp_path):
    model = fitted(optimizer="adagrad")
    other = pickle.loads(pickle.dumps(model))
    assert_array_equal(
        other.partial_fit(LOG, show_progress=False).item_factors,
        model.partial_fit(LOG, show_progress=False).item_factors,
    )


# ---- subclasses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "own"), [(ShopModel, {"shop": "south"}), (StrictModel, {"floors": [3, 4]})])
def test_subclasses_are_saved_loaded_and_shown(model, own, tmp_path):
    original = fitted(model, **own)
    original.save(tmp_path / "model.npz")
    other = model.load(tmp_path / "model.npz")
    same(other, original)
    name, value = next(iter(own.items()))
    assert getattr(other, name) == value
    assert f"random_state=0, {name}={value!r}), fitted to 30 users" in repr(other)
    with pytest.raises(ModelFileError, match=f"with the parameter '{name}'. Load it with {model.__name__}.load"):
        BPR.load(tmp_path / "model.npz")


def test_subclasses_without_parameters_load_as_their_parents(tmp_path):
    class Plain(BPR):
        pass

    fitted(Plain).save(tmp_path / "model.npz")
    assert type(BPR.load(tmp_path / "model.npz")) is BPR
    assert type(Plain.load(tmp_path / "model.npz")) is Plain
    fitted().save(tmp_path / "model.npz")
    assert ShopModel.load(tmp_path / "model.npz").shop == "north"


def test_what_a_file_would_lose_is_refused(tmp_path):
    model = fitted(ShopModel, shop=object())
    with pytest.raises(TypeError, match="shop must be a number, a text, True, False, None, or a list or mapping"):
        model.save(tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_subclasses_have_presets_checks_and_checkpoints(tmp_path):
    assert ShopModel.preset("fast", shop="east").shop == "east"
    with pytest.raises(ValueError, match="floors must have some"):
        StrictModel(floors=[])
    model = StrictModel(**SMALL)
    with pytest.raises(ValueError, match="floors must have some"):
        model.set_params(floors=[])
    whole = ShopModel(**SMALL).fit(LOG, show_progress=False, checkpoint=tmp_path / "run.npz")
    same(ShopModel(**SMALL).fit(LOG, show_progress=False, resume=tmp_path / "run.npz"), whole)
    with pytest.raises(ValueError, match="shop must be 'north' as in the checkpoint"):
        ShopModel(shop="west", **SMALL).fit(LOG, show_progress=False, resume=tmp_path / "run.npz")
