"""The model with features: what it learns, and lists for users and items that training has not seen."""

import re

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions
from fastbpr.errors import NotFittedError, TrainingError
from fastbpr.features import FeatureMatrix, Features


def kinds(n_items=100):
    """One indicator for each community of 25 items."""
    return scipy.sparse.csr_array(np.eye(4, dtype=np.float32)[np.arange(n_items) // 25])


def fit(user_items, **options):
    features = {name: options.pop(name) for name in ("user_features", "item_features") if name in options}
    parameters = {"factors": 16, "iterations": 20, "random_state": 0, "num_threads": 2} | options
    return HybridBPR(**parameters).fit(user_items, **features, show_progress=False)


@pytest.fixture(scope="module")
def user_kinds(communities):
    return scipy.sparse.csr_array(np.eye(4, dtype=np.float32)[np.arange(communities.shape[0]) // 50])


@pytest.fixture(scope="module")
def model(communities, user_kinds):
    return fit(communities, item_features=kinds(), user_features=user_kinds)


# ---- training ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["bpr", "warp", "softmax"])
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_without_features_it_is_bpr_bit_for_bit(communities, loss, optimizer):
    parameters = {"factors": 16, "iterations": 3, "random_state": 0, "loss": loss, "optimizer": optimizer}
    plain = BPR(**parameters).fit(communities, show_progress=False)
    hybrid = HybridBPR(**parameters).fit(communities, show_progress=False)
    for name in ("user_factors", "item_factors", "item_biases"):
        assert_array_equal(getattr(hybrid, name), getattr(plain, name))
    assert hybrid.item_feature_factors is hybrid.item_own_factors is hybrid.user_own_factors is None


@pytest.mark.parametrize("options", [{}, {"loss": "warp"}, {"optimizer": "adagrad"}, {"own_vectors": False}])
@pytest.mark.parametrize("num_threads", [2, 3, 7])
def test_the_number_of_threads_changes_nothing(num_threads, options):
    rng = np.random.default_rng(0)
    user_items = scipy.sparse.csr_array(rng.random((900, 700)) < 0.05)
    features = {"user_features": rng.random((900, 40)) < 0.2, "item_features": rng.normal(size=(700, 50))}
    one, more = (
        fit(user_items, factors=33, iterations=2, num_threads=n, **features, **options) for n in (1, num_threads)
    )
    for name in ("user_factors", "item_factors", "item_biases", "user_feature_factors", "item_feature_factors"):
        assert_array_equal(getattr(one, name), getattr(more, name))


@pytest.mark.parametrize("own_vectors", [True, False, {"user": False}])
@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("schedule", ["blocked", "hogwild"])
def test_rows_are_the_sums_of_their_parts(communities, user_kinds, own_vectors, item_bias, schedule):
    model = fit(
        communities, item_features=kinds(), user_features=user_kinds, own_vectors=own_vectors, item_bias=item_bias,
        schedule=schedule, iterations=3,
    )  # fmt: skip
    for side, features in (("user", user_kinds), ("item", kinds())):
        own = own_vectors if isinstance(own_vectors, bool) else own_vectors.get(side, True)
        expected = features @ getattr(model, f"{side}_feature_factors")
        expected = expected + (getattr(model, f"{side}_own_factors") if own else 0)
        assert_allclose(getattr(model, f"{side}_factors"), expected, rtol=1e-4, atol=1e-5)
        assert len(getattr(model, f"{side}_own_factors")) == (len(expected) if own else 0)
    biases = kinds() @ model.item_feature_biases + (model.item_own_biases if own else 0)
    assert_allclose(model.item_biases, biases, rtol=1e-4, atol=1e-5)
    assert bool(model.item_biases.any()) == item_bias


def test_the_unit_of_features_changes_nothing(communities):
    one, other = (fit(communities, item_features=kinds() * unit, iterations=3) for unit in (1, 64))
    assert_array_equal(one.item_factors, other.item_factors)


def test_the_best_epoch_is_kept_with_all_its_parts(communities):
    rng = np.random.default_rng(0)
    held_out = scipy.sparse.csr_array(communities.multiply(rng.random(communities.shape) < 0.2))
    train = scipy.sparse.csr_array(communities - held_out)
    model = HybridBPR(factors=16, iterations=12, random_state=0, learning_rate=0.5)
    model.fit(train, item_features=kinds(), validation=held_out, validate_every=1, show_progress=False)
    assert_allclose(model.item_factors, kinds() @ model.item_feature_factors + model.item_own_factors, atol=1e-5)
    shorter = HybridBPR(
        factors=16, iterations=12, random_state=0, learning_rate=0.5,
    ).fit(
        train, item_features=kinds(), show_progress=False, callback=lambda epoch, *_: epoch == model.best_epoch
    )  # fmt: skip
    assert_array_equal(shorter.item_factors, model.item_factors)


def test_after_ctrl_c_rows_are_the_sums_of_their_parts(communities, ctrl_c):
    model = HybridBPR(factors=16, iterations=50, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(communities, item_features=kinds(), show_progress=False, callback=lambda *_: ctrl_c())
    assert_allclose(model.item_factors, kinds() @ model.item_feature_factors + model.item_own_factors, atol=1e-5)


def test_a_fit_that_diverges_leaves_the_model_as_it_was(communities, model):
    before = model.item_factors
    model.learning_rate, model.loss = 1e6, "bpr"
    with pytest.raises(TrainingError):
        model.fit(communities, item_features=kinds(), show_progress=False)
    model.learning_rate = 0.2
    assert model.item_factors is before


def test_given_matrices_are_not_changed(communities):
    features = scipy.sparse.csr_array(([1.0, 0.0, 2.0], [2, 1, 2], [0, 3, *[3] * 99]), shape=(100, 3))
    arrays = [array.copy() for array in (features.data, features.indices, features.indptr)]
    fit(communities, item_features=features, iterations=1)
    for now, before in zip((features.data, features.indices, features.indptr), arrays, strict=True):
        assert_array_equal(now, before)


# ---- what is new ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["bpr", "warp", "softmax"])
@pytest.mark.parametrize("as_array", [np.asarray, scipy.sparse.csc_matrix, scipy.sparse.coo_array])
def test_new_items_are_recommended_to_those_who_like_their_kind(communities, loss, as_array):
    is_new = np.arange(100) % 25 >= 20
    seen = communities.toarray() * ~is_new
    model = fit(scipy.sparse.csr_array(seen), item_features=as_array(kinds().toarray()), loss=loss, learning_rate=0.1)
    biases, vectors = model.item_representations(kinds())
    scores = model.user_factors @ vectors[is_new].T + biases[is_new]
    liked = np.repeat(np.arange(4), 50)[:, None] == np.flatnonzero(is_new) // 25
    assert scores[liked].min() > scores[~liked].max()


def test_neighbours_of_a_new_item_are_of_its_kind(model):
    ids, cosines = model.similar_items(item_features=np.eye(4), N=25)
    assert_array_equal(np.sort(ids), np.arange(100).reshape(4, 25))
    assert (np.diff(cosines) <= 0).all()


def test_new_users_get_what_their_kind_likes(model):
    ids, _ = model.recommend(user_features=np.eye(4), N=25)
    assert_array_equal(np.sort(ids), np.arange(100).reshape(4, 25))
    seen = scipy.sparse.csr_array(np.eye(4, 100))
    ids, _ = model.recommend(user_features=np.eye(4), user_items=seen, N=99)
    assert not (ids == np.arange(4)[:, None]).any()


def test_dense_embeddings_are_projected(communities):
    rng = np.random.default_rng(0)
    embeddings = np.eye(4)[np.arange(100) // 25] @ rng.normal(size=(4, 30)) + rng.normal(size=(100, 30)) / 2
    is_new = np.arange(100) % 25 >= 20
    model = fit(scipy.sparse.csr_array(communities.toarray() * ~is_new), item_features=embeddings, iterations=40)
    ids, _ = model.similar_items(item_features=embeddings[is_new], items=np.flatnonzero(~is_new), N=5)
    assert (ids // 25 == np.flatnonzero(is_new)[:, None] // 25).mean() > 0.9


def test_representations_are_sums_of_features(model):
    biases, vectors = model.item_representations([[2, 0, 0, 1]])
    assert_allclose(vectors[0], 2 * model.item_feature_factors[0] + model.item_feature_factors[3], rtol=1e-5)
    assert_allclose(biases[0], 2 * model.item_feature_biases[0] + model.item_feature_biases[3], rtol=1e-5)
    assert_array_equal(model.item_representations()[1], model.item_factors)
    assert not model.user_representations([[1, 0, 0, 0]])[0].any()


def test_pairs_and_ranks_of_rows_known_by_features(model):
    biases, vectors = model.item_representations(np.eye(4))
    _, users = model.user_representations(np.eye(4)[::-1])
    scores = users @ vectors.T + biases
    given = {"user_features": np.eye(4)[::-1], "item_features": np.eye(4)}
    assert_allclose(model.predict([0, 3, 1], [1, 2, 1], **given), scores[[0, 3, 1], [1, 2, 1]], rtol=1e-5)
    ranks = model.predict_rank(scipy.sparse.csr_array(np.ones((4, 4))), **given)
    assert_array_equal(ranks.toarray(), (-scores).argsort(axis=1).argsort(axis=1))
    assert_allclose(model.predict(3, [5, 6], item_features=kinds()), model.user_factors[3] @ vectors[0] + biases[0])


def test_a_model_with_more_items_lists_them(model):
    more = model.with_items(kinds()[:1])
    assert len(more.item_factors) == len(more.item_own_factors) == 101
    assert len(model.item_factors) == 100
    assert 100 in more.recommend(0, N=40, items=[100, 99])[0]
    assert more.similar_items(100, N=2)[0][0] == 100
    liked = model.recommend(3, N=100)[0]
    assert_array_equal(np.sort(more.recommend(3, N=101)[0]), np.sort([*liked, 100]))


def test_a_model_with_more_rows_has_had_the_epochs_of_the_model(model):
    """Random numbers of epochs to come follow from how many there were."""
    assert model.with_items(kinds()[:1]).with_users([[0, 1, 0, 0]])._n_epochs == model._n_epochs == 20


def test_a_model_with_more_users_knows_what_the_others_have(model):
    more = model.with_users([[0, 1, 0, 0]])
    assert_array_equal(more.recommend(7)[0], model.recommend(7)[0])
    assert set(more.recommend(200, N=25)[0].tolist()) == set(range(25, 50))


def test_labels_go_on_with_new_rows():
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    model = fit(log, item_features=np.eye(3), user_features=np.eye(2), factors=4, iterations=1)
    more = model.with_items([[1, 0, 0]], ["jug"]).with_users([[1, 0]], ["cat"])
    assert more.item_labels.tolist() == ["tea", "cup", "pot", "jug"]
    assert more.user_rows("cat") == 2
    with pytest.raises(ValueError, match="item_labels must be new and differ from each other, got 'cup' twice"):
        model.with_items([[1, 0, 0]], ["cup"])
    with pytest.raises(ValueError, match="item_labels must be given"):
        model.with_items([[1, 0, 0]])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([5], TypeError, "item_labels must be of the model's kind of labels, text, got 5"),
        ([["x"]], TypeError, "item_labels must be one-dimensional, of labels such as .* got a list among them"),
        (7, TypeError, "item_labels must be a one-dimensional array, list or column, .* got 7"),
        ("x", TypeError, "item_labels must be a one-dimensional array, list or column, .* got 'x'"),
        ([None], ValueError, "item_labels must have a label for every new item, got 1 missing"),
        ([float("nan")], ValueError, "item_labels must have a label for every new item, got 1 missing"),
        (["x", "y"], ValueError, "item_labels must have one label for each of 1 new items, got 2"),
    ],
)
def test_labels_of_new_rows_are_looked_at(labels, error, message):
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    model = fit(log, item_features=np.eye(3), factors=4, iterations=1)
    with pytest.raises(error, match=message):
        model.with_items([[1, 0, 0]], labels)
    with pytest.raises(error, match=message):
        model.fold_in_items(scipy.sparse.csr_array(np.ones((1, 2))), labels)


def test_labels_that_are_numbers_stay_numbers():
    log = Interactions.from_arrays([7, 7, 8, 8], [10, 20, 20, 30])
    model = fit(log, item_features=np.eye(3), factors=4, iterations=1)
    assert model.with_items([[1, 0, 0]], [40]).item_labels.tolist() == [10, 20, 30, 40]
    with pytest.raises(TypeError, match="item_labels must be of the model's kind of labels, int64, got 'x'"):
        model.with_items([[1, 0, 0]], ["x"])


# ---- going on ---------------------------------------------------------------------------------------------------


def test_learning_goes_on_from_where_the_model_is(communities, user_kinds):
    model = fit(communities, item_features=kinds(), user_features=user_kinds, iterations=5)
    before, n_before = model.item_factors.copy(), model.item_own_factors
    model.fit_partial(communities, item_features=kinds(), user_features=user_kinds, iterations=1, show_progress=False)
    moved = np.linalg.norm(model.item_factors - before) / np.linalg.norm(before)
    assert 0 < moved < 0.5
    assert len(model.history) == 1
    assert len(n_before) == len(model.item_own_factors)


def test_steps_of_one_epoch_do_not_repeat_themselves(communities):
    model = HybridBPR(factors=4, random_state=0, learning_rate=1e-6, init_scale=1)
    losses = [model.fit_partial(communities, iterations=1, show_progress=False).history[0].loss for _ in range(3)]
    assert len(set(losses)) == 3


def test_the_first_call_fits(communities):
    first = HybridBPR(factors=8, random_state=3, iterations=4)
    first.fit_partial(communities, item_features=kinds(), show_progress=False)
    again = HybridBPR(factors=8, random_state=3, iterations=4).fit(
        communities, item_features=kinds(), show_progress=False
    )
    assert_array_equal(first.item_factors, again.item_factors)


def test_new_rows_and_features_follow_the_known_ones(communities, user_kinds):
    few = scipy.sparse.csr_array(communities[:, :80])
    model = fit(few, item_features=kinds()[:80, :], user_features=user_kinds, iterations=20)
    wider = scipy.sparse.hstack([kinds(), scipy.sparse.csr_array(np.arange(100)[:, None] % 2)])
    model.fit_partial(communities, item_features=wider, user_features=user_kinds, iterations=1, show_progress=False)
    assert model.item_factors.shape == (100, 16)
    assert model.item_feature_factors.shape == (5, 16)


def test_what_does_not_go_on_is_refused(communities, user_kinds):
    model = fit(communities, item_features=kinds(), iterations=1)
    bad = [
        ({"item_features": kinds()[:, :3]}, "item_features must have the 4 columns that the model knows"),
        ({}, "item_features must be given again: the model has learned the vectors of 4 item features"),
        ({"item_features": kinds(), "user_features": user_kinds}, "user_features must be left out: the model was"),
        ({"item_features": kinds(), "iterations": 0}, "iterations must be an integer >= 1, got 0"),
    ]
    for options, message in bad:
        with pytest.raises(ValueError, match=re.escape(message)):
            model.fit_partial(communities, show_progress=False, **options)
    with pytest.raises(ValueError, match=re.escape("user_items must have the model's 100 items, and new ones behind")):
        model.fit_partial(communities[:, :50], item_features=kinds()[:50], show_progress=False)
    model.factors = 8
    with pytest.raises(ValueError, match="factors must stay 16 to go on with this model, got 8"):
        model.fit_partial(communities, item_features=kinds(), show_progress=False)


@pytest.mark.parametrize("loss", ["warp", "k-os-warp", "logistic"])
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta"])
def test_every_loss_and_optimiser_learns_with_features_and_goes_on_from_a_file(
    communities, user_kinds, tmp_path, loss, optimizer
):
    user_items = communities.copy()
    if loss == "logistic":
        disliked = np.random.default_rng(0).random(communities.shape) < 0.2
        signs = np.where(communities.toarray() > 0, 1, -1.0 * disliked)
        user_items = scipy.sparse.csr_array(signs.astype(np.float32))
    features = {"user_features": user_kinds, "item_features": kinds(), "show_progress": False}
    parameters = {"loss": loss, "optimizer": optimizer, "learning_rate": 1 if optimizer == "adadelta" else 0.05}
    model = HybridBPR(factors=16, iterations=20, random_state=0, **parameters).fit(user_items, **features)
    ids, _ = model.recommend(user_features=np.eye(4), N=25)
    assert (ids // 25 == np.arange(4)[:, None]).mean() > 0.95
    biases, vectors = model.user_representations()
    assert_allclose(vectors, user_kinds @ model.user_feature_factors + model.user_own_factors, rtol=1e-4, atol=1e-5)
    if loss == "logistic":
        assert_allclose(biases, user_kinds @ model.user_feature_biases + model.user_own_biases, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.npz")
    loaded = HybridBPR.load(tmp_path / "model.npz")
    for each in (model, loaded):
        each.fit_partial(user_items, iterations=1, **features)
    assert_array_equal(loaded.item_factors, model.item_factors)


# ---- files ------------------------------------------------------------------------------------------------------


def test_a_file_has_all_parts(model, tmp_path):
    model.save(tmp_path / "model.npz")
    for kind in (BPR, HybridBPR):
        loaded = kind.load(tmp_path / "model.npz")
        assert type(loaded) is HybridBPR
        assert (loaded.hidden_items, loaded.own_vectors) == (0.5, True)
        for name in ("item_factors", "user_feature_factors", "item_feature_biases", "item_own_biases"):
            assert_array_equal(getattr(loaded, name), getattr(model, name))
        assert_array_equal(
            loaded.similar_items(item_features=np.eye(4))[0], model.similar_items(item_features=np.eye(4))[0]
        )


def test_a_plain_model_is_loaded_as_what_it_is(communities, tmp_path):
    BPR(factors=4, iterations=1).fit(communities, show_progress=False).save(tmp_path / "plain.npz")
    assert type(BPR.load(tmp_path / "plain.npz")) is BPR


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"own_vectors": "yes"}, "own_vectors must be True or False, got 'yes'"),
        ({"own_vectors": {"items": True}}, "own_vectors must be True, False or a mapping with the keys"),
        ({"item_own_rate": 0}, "item_own_rate must be a number > 0 and <= 1, got 0"),
        ({"feature_rate": 1.5}, "feature_rate must be a number > 0 and <= 1, got 1.5"),
        ({"hidden_items": 1}, "hidden_items must be a number from 0 to below 1, got 1"),
        ({"lerning_rate": 1}, "parameters must be among learning_rate"),
    ],
)
def test_a_bad_parameter_is_named(parameters, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        HybridBPR(**parameters)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("genres", "item_features must be a SciPy sparse matrix, an array of numbers or a FeatureMatrix"),
        (np.ones(100), "item_features must have two dimensions (n_rows, n_features), got shape (100,)"),
        (
            np.ones((4, 100)),
            "item_features must have one row for each of 100 rows, got shape (4, 100). It looks transp",
        ),
        (np.full((100, 2), np.nan), "item_features must hold finite values, got nan"),
        (np.full((100, 2), 1e9), "item_features must hold values of sizes up to 1e+06, and in every column"),
        (np.full((100, 2), [1, 1e-9]), "some of 1e-06 or more, got 1e-09. Scale its columns"),
        (np.full((100, 2), 1e300), "item_features must hold finite values, got 1e+300"),
        (np.full((100, 2), "a"), "item_features must hold real numbers, got dtype <U1"),
        (np.ones((100, 0)), "item_features must have at least one column, got shape (100, 0)"),
    ],
)
def test_bad_features_are_named(communities, features, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        fit(communities, item_features=features)


def test_what_partial_fit_wants_of_features_is_told():
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    later = Interactions.from_arrays(["bob", "eve"], ["mug", "cup"])
    features = Features(categorical="kind")
    table = {"item": ["pot", "cup", "tea", "mug"], "kind": ["ware", "ware", "food", "ware"]}
    model = fit(log, item_features=features.fit_transform(table, rows=log.item_labels), iterations=1)
    with pytest.raises(ValueError, match="for partial_fit, the model's item_labels and behind them those that are new"):
        model.partial_fit(later, item_features=features.transform(table, rows=later.item_labels), show_progress=False)
    rows = [*model.item_labels, "mug"]
    model.partial_fit(later, item_features=features.transform(table, rows=rows), show_progress=False)
    assert model.item_labels.tolist() == rows


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta"])
def test_features_that_no_row_has_are_learned_nothing_of(communities, optimizer):
    model = fit(communities, item_features=np.zeros((100, 3)), optimizer=optimizer, iterations=2)
    assert not model.item_feature_factors.any()
    assert_array_equal(model.item_factors, model.item_own_factors)


@pytest.mark.parametrize("call", ["fit", "fit_partial"])
@pytest.mark.parametrize("word", ["item_feature", "start"])
def test_a_word_that_fit_does_not_know_is_named(communities, call, word):
    with pytest.raises(TypeError, match=f"options must be among .*, got {word!r}"):
        getattr(HybridBPR(), call)(communities, **{word: kinds()})


def test_embeddings_of_half_precision_are_taken_as_they_are(communities):
    vectors = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float16)
    half, single = (fit(communities, item_features=given, iterations=2) for given in (vectors, np.float32(vectors)))
    assert_array_equal(half.item_factors, single.item_factors)
    assert_array_equal(FeatureMatrix(vectors, "text").toarray(), vectors)


def test_numbers_that_are_nearly_the_mean_are_like_others(communities):
    prices = np.append(np.linspace(-1, 1, 99), 1e-9)
    features = Features(numeric="price", key=None)
    nearly, exactly = (features.fit_transform({"price": np.append(prices[:99], last)}) for last in (1e-9, 0))
    assert 0 < abs(nearly.matrix.data).min() < 1e-6
    model = fit(communities, item_features=nearly, iterations=5)
    assert_allclose(model.item_factors, fit(communities, item_features=exactly, iterations=5).item_factors, atol=1e-5)
    assert model.similar_items(item_features=nearly.matrix[[99]], N=3)[0].shape == (1, 3)


def test_features_of_more_rows_are_told_how_to_be_named():
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    table = {"item": ["tea", "cup", "pot", "mug"], "kind": ["food", "ware", "ware", "ware"]}
    with pytest.raises(ValueError, match=r"Name them: features.transform\(frame, rows=user_items.item_labels\)"):
        fit(log, item_features=Features(categorical="kind").fit_transform(table), iterations=1)


def test_features_of_other_rows_are_refused():
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    table = {"item": ["pot", "cup", "tea"], "kind": ["ware", "ware", "food"]}
    features = Features(categorical="kind")
    with pytest.raises(ValueError, match="item_features must have the rows of user_items, in the same order, got"):
        fit(log, item_features=features.fit_transform(table), iterations=1)
    model = fit(log, item_features=features.fit_transform(table, rows=log.item_labels), iterations=1, factors=4)
    assert model.with_items(features.transform({"item": ["mug"], "kind": ["ware"]}), ["mug"]).item_rows("mug") == 3


def test_features_that_were_fitted_anew_are_refused(tmp_path):
    table = {"item": ["tea", "cup", "pot"], "kind": ["food", "ware", "ware"]}
    log = Interactions.from_arrays(["ann", "ann", "bob", "bob"], ["tea", "cup", "cup", "pot"])
    first = Features(categorical="kind")
    model = fit(log, item_features=first.fit_transform(table), iterations=1, factors=4)
    model.save(tmp_path / "model.npz")
    anew = Features(categorical="kind").fit({name: column[::-1] for name, column in table.items()})
    mug = {"item": ["mug"], "kind": ["ware"]}
    for each in (model, BPR.load(tmp_path / "model.npz"), BPR.load(tmp_path / "model.npz", mmap=True)):
        assert each.item_feature_names.tolist() == ["kind=food", "kind=ware"]
        assert each.similar_items(item_features=first.transform(mug), N=2)[0].shape == (1, 2)
        with pytest.raises(ValueError, match="got 'kind=ware' in the place of 'kind=food'"):
            each.similar_items(item_features=anew.transform(mug))
        with pytest.raises(ValueError, match="got 'kind=ware' in the place of 'kind=food'"):
            each.fit_partial(log, item_features=anew.transform(table, rows=log.item_labels), show_progress=False)


def test_rows_of_which_nothing_is_known_are_told(model):
    with pytest.warns(UserWarning, match="item_features has 1 of 2 rows without any feature that the model knows"):
        model.similar_items(item_features=[[1, 0, 0, 0], [0, 0, 0, 0]], N=3)


def test_rows_cannot_be_made_of_nothing(communities):
    with pytest.raises(ValueError, match="own_vectors must be True for users without user_features, got False"):
        fit(communities, item_features=kinds(), own_vectors=False)


def test_questions_by_features_need_features(model, communities):
    plain = fit(communities, iterations=1)
    with pytest.raises(ValueError, match="item_features must be left out: the model has learned no item features"):
        plain.similar_items(item_features=np.eye(4))
    with pytest.raises(ValueError, match="itemid or item_features must be given, got neither"):
        model.similar_items()
    with pytest.raises(ValueError, match="userid or user_features must be given, got both"):
        model.recommend(0, user_features=np.eye(4))
    with pytest.raises(ValueError, match="item_features must have one column for each of the model's 4 features"):
        model.similar_items(item_features=np.eye(3))
    with pytest.raises(NotFittedError):
        HybridBPR().similar_items(item_features=np.eye(3))
