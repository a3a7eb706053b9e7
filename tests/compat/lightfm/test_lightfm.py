"""`fastbpr.compat.lightfm.LightFM`: what users of LightFM rely on, and LightFM's defects that stay behind."""

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from fastbpr import LightFMAssertionError, NotFittedError
from fastbpr.compat.lightfm import LightFM
from fastbpr.compat.lightfm.data import Dataset
from fastbpr.compat.lightfm.evaluation import auc_score, precision_at_k

LOSSES = ["logistic", "bpr", "warp", "warp-kos"]
N_USERS, N_ITEMS = 60, 40


@pytest.fixture(scope="module")
def groups():
    """Interactions of two groups of users with two groups of items: 1 with the own group's, -1 with the other's."""
    rng = np.random.default_rng(0)
    same = (np.arange(N_USERS)[:, None] % 2) == (np.arange(N_ITEMS) % 2)
    return scipy.sparse.coo_matrix(np.where(same, 1, -1) * (rng.random(same.shape) < 0.4))


@pytest.fixture(scope="module")
def positives(groups):
    return scipy.sparse.coo_matrix(groups.multiply(groups > 0))


@pytest.fixture(scope="module")
def features():
    """(user features, item features): own columns and the group, as `Dataset` builds them."""
    dataset = Dataset()
    dataset.fit(range(N_USERS), range(N_ITEMS), user_features=["u0", "u1"], item_features=["i0", "i1"])
    return (
        dataset.build_user_features((user, [f"u{user % 2}"]) for user in range(N_USERS)),
        dataset.build_item_features((item, [f"i{item % 2}"]) for item in range(N_ITEMS)),
    )


def arrays_of(model):
    return [model.item_embeddings, model.item_biases, model.user_embeddings, model.user_biases]


def scores_of(model, user_features=None, item_features=None):
    """All scores by the definition, from the representations."""
    user_biases, users = model.get_user_representations(user_features)
    item_biases, items = model.get_item_representations(item_features)
    return users @ items.T + user_biases[:, None] + item_biases


# ---- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_schedule", ["adagrad", "adadelta"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_the_groups(groups, positives, loss, learning_schedule):
    model = LightFM(loss=loss, learning_schedule=learning_schedule, random_state=0)
    assert model.fit(groups, epochs=30) is model
    assert model.item_embeddings.shape == (N_ITEMS, 10)
    assert model.user_embeddings.shape == (N_USERS, 10)
    assert {array.dtype for array in arrays_of(model)} == {np.dtype(np.float32)}
    assert auc_score(model, positives).mean() > 0.75  # 0.8 at most: a fifth of all are positives, half of the group


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_with_features_and_own_vectors(groups, positives, features, loss):
    users, items = features
    model = LightFM(loss=loss, random_state=0).fit(groups, user_features=users, item_features=items, epochs=30)
    assert model.item_embeddings.shape == (N_ITEMS + 2, 10)
    assert model.user_embeddings.shape == (N_USERS + 2, 10)
    assert auc_score(model, positives, user_features=users, item_features=items).mean() > 0.75


def test_features_alone_are_learned(groups, positives, features):
    users, items = (matrix[:, -2:] for matrix in features)
    model = LightFM(loss="bpr", random_state=0, learning_rate=0.2)
    model.fit(groups, user_features=users, item_features=items, epochs=60)
    assert model.item_embeddings.shape == (2, 10)
    scores = scores_of(model, users, items)
    own = scores[0, 0::2].min(), scores[1, 1::2].min()
    other = scores[0, 1::2].max(), scores[1, 0::2].max()
    assert own > other


def test_new_items_are_known_by_their_features(positives, features):
    users, items = features
    model = LightFM(loss="warp", random_state=0)
    model.fit(positives, user_features=users, item_features=items, epochs=30)
    new = scipy.sparse.csr_matrix(np.eye(N_ITEMS + 2, dtype=np.float32)[-2:])
    scores = model.predict([0, 0, 1, 1], [0, 1, 0, 1], item_features=new, user_features=users)
    assert scores[0] > scores[1]
    assert scores[3] > scores[2]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_seed_gives_the_same_model_on_any_number_of_threads(groups, features, loss):
    models = [
        LightFM(loss=loss, random_state=np.random.RandomState(5)).fit(
            groups, item_features=features[1], epochs=3, num_threads=num_threads
        )
        for num_threads in (1, 3)
    ]
    for one, other in zip(*map(arrays_of, models), strict=True):
        assert_array_equal(one, other)


def test_every_fit_advances_the_random_state(positives):
    model = LightFM(loss="bpr", random_state=0)
    states = [model.fit_partial(positives).random_state.get_state()[1].copy() for _ in range(2)]
    assert (states[0] != states[1]).any()
    other = LightFM(loss="bpr", random_state=1).fit(positives)
    assert (other.item_embeddings != LightFM(loss="bpr", random_state=0).fit(positives).item_embeddings).any()


@pytest.mark.parametrize("loss", ["bpr", "warp", "warp-kos"])
def test_users_have_no_biases_where_they_cancel(groups, loss):
    assert not LightFM(loss=loss).fit(groups, epochs=5).user_biases.any()


def test_users_have_biases_with_the_logistic_loss(features):
    signs = np.ones((N_USERS, N_ITEMS))
    signs[::2] = -1  # users who want nothing
    model = LightFM(random_state=0).fit(scipy.sparse.coo_matrix(signs), epochs=10)
    assert model.user_biases[::2].max() < 0 < model.user_biases[1::2].min()
    both = LightFM(random_state=0).fit(scipy.sparse.coo_matrix(signs), user_features=features[0], epochs=10)
    biases, _ = both.get_user_representations(features[0])
    assert biases[::2].max() < 0 < biases[1::2].min()


@pytest.mark.parametrize("loss", ["logistic", "bpr", "warp"])
def test_weights_decide_what_is_learned(groups, positives, loss):
    """Each user also has some of the other group's items, as often, but they count for next to nothing."""
    rng = np.random.default_rng(1)
    mixed = scipy.sparse.coo_matrix(abs(groups) if loss != "logistic" else rng.choice([-1, 1], size=groups.shape))
    value = groups.toarray()[mixed.row, mixed.col] if loss != "logistic" else None
    own = (mixed.row % 2 == mixed.col % 2) == (mixed.data > 0)
    assert value is None or (own == (value > 0)).all()
    weights = scipy.sparse.coo_matrix((np.where(own, 1, 1e-6), (mixed.row, mixed.col)), shape=mixed.shape)
    model = LightFM(loss=loss, random_state=0).fit(mixed, sample_weight=weights, epochs=30)
    scores = scores_of(model)
    assert scores[0, 0::2].mean() > scores[0, 1::2].mean() + 0.5
    assert scores[1, 1::2].mean() > scores[1, 0::2].mean() + 0.5


def test_equal_weights_are_no_weights(positives):
    weights = scipy.sparse.coo_matrix((np.full(positives.nnz, 3), (positives.row, positives.col)), positives.shape)
    models = [LightFM(loss="bpr", random_state=0).fit(positives, sample_weight=given) for given in (None, weights)]
    assert_array_equal(models[0].item_embeddings, models[1].item_embeddings)


def test_interactions_without_weight_are_as_if_they_were_not_there(positives):
    weights = scipy.sparse.coo_matrix((np.ones(positives.nnz), (positives.row, positives.col)), positives.shape)
    weights.data[::2] = 0
    half = scipy.sparse.coo_matrix(
        (positives.data[1::2], (positives.row[1::2], positives.col[1::2])), shape=positives.shape
    )
    models = [
        LightFM(loss="warp", random_state=0).fit(positives, sample_weight=weights),
        LightFM(loss="warp", random_state=0).fit(half),
    ]
    assert_array_equal(models[0].item_embeddings, models[1].item_embeddings)


def test_regularization_shrinks(positives):
    sizes = [
        abs(
            getattr(LightFM(loss="bpr", random_state=0, **alpha).fit(positives, epochs=20), f"{what}_embeddings")
        ).mean()
        for what, alpha in [("item", {}), ("item", {"item_alpha": 0.1}), ("user", {}), ("user", {"user_alpha": 0.1})]
    ]
    assert sizes[1] < 0.7 * sizes[0]
    assert sizes[3] < 0.7 * sizes[2]


# ---- on MovieLens, at the thresholds of LightFM's own tests ---------------------------------------------------------


@pytest.fixture(scope="module")
def movielens(data_folder):
    """(training signs, test signs, genres): 1 for four stars and more, -1 for less."""
    data = np.load(data_folder / "ml100k.npz")
    signs = np.where(data["rating"] >= 4, 1, -1)
    users, items = (data[name].astype(np.int32) for name in ("user", "item"))
    test_pairs = data["ua_test_user"].astype(np.int64) * 1682 + data["ua_test_item"]
    is_test = np.isin(users.astype(np.int64) * 1682 + items, test_pairs)
    parts = [
        scipy.sparse.coo_matrix((signs[part], (users[part], items[part])), shape=(943, 1682))
        for part in (~is_test, is_test)
    ]
    return *parts, scipy.sparse.csr_matrix(data["item_genres"])


def likes(signs):
    matrix = signs.tocsr()
    return scipy.sparse.csr_matrix(matrix.multiply(matrix > 0))


@pytest.mark.parametrize(
    ("loss", "precision_in_training", "precision", "auc_in_training", "auc"),
    [
        ("logistic", 0.3, 0.03, 0.79, 0.73),
        ("bpr", 0.45, 0.07, 0.91, 0.87),
        ("warp", 0.45, 0.07, 0.94, 0.9),
        ("warp-kos", 0.44, 0.06, 0.9, 0.87),
    ],
)
def test_lists_are_as_good_as_those_of_lightfm(movielens, loss, precision_in_training, precision, auc_in_training, auc):
    train, test, _ = movielens
    model = LightFM(loss=loss, random_state=10).fit(train, epochs=10)
    assert precision_at_k(model, likes(train)).mean() > precision_in_training
    assert precision_at_k(model, likes(test)).mean() > precision
    assert auc_score(model, likes(train)).mean() > auc_in_training
    assert auc_score(model, likes(test)).mean() > auc


@pytest.mark.parametrize(
    ("with_own", "in_training", "in_test"), [(True, 0.84, 0.75), (False, 0.745, 0.69), (None, 0.84, 0.76)]
)
def test_likes_and_dislikes_are_told_apart(movielens, with_own, in_training, in_test):
    train, test, genres = movielens
    own = [scipy.sparse.identity(genres.shape[0])] if with_own else []
    sides = {} if with_own is None else {"item_features": scipy.sparse.hstack([*own, genres])}
    model = LightFM(random_state=10).fit(train, epochs=10, **sides)
    for signs, least in ((train, in_training), (test, in_test)):
        assert roc_auc_score(signs.data, model.predict(signs.row, signs.col, **sides)) > least


def test_regularization_keeps_from_overfitting(movielens):
    train, test, _ = movielens
    aucs = [
        [roc_auc_score(signs.data, model.predict(signs.row, signs.col)) for signs in (train, test)]
        for alpha in (0, 1e-4)
        for model in [
            LightFM(50, item_alpha=alpha, user_alpha=alpha, random_state=10).fit(train, epochs=30, num_threads=2)
        ]
    ]
    assert aucs[0][0] > 0.99
    assert aucs[0][1] < 0.75 < aucs[1][1]


# ---- what may be learned from -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil", "dok"])
def test_any_sparse_matrix_is_taken_and_none_is_changed(positives, features, form, dtype):
    matrix = scipy.sparse.coo_matrix(positives, dtype=dtype).asformat(form)
    given = [matrix, *(side.astype(np.float64).asformat(form) for side in features)]
    before = [part.copy() for part in given]
    LightFM(loss="warp").fit(given[0], user_features=given[1], item_features=given[2], epochs=2)
    for part, copy in zip(given, before, strict=True):
        assert part.dtype == copy.dtype
        assert (part != copy).nnz == 0
    if form == "csr":
        assert_array_equal(given[0].indices, before[0].indices)


def test_entries_that_are_stored_twice_are_taken(positives):
    twice = scipy.sparse.coo_matrix(
        (
            np.tile(positives.data, 2).astype(np.float64),
            (np.tile(positives.row, 2), np.tile(positives.col, 2)),
        ),
        shape=positives.shape,
    )
    for loss in LOSSES[1:]:
        models = [LightFM(loss=loss, random_state=0).fit(matrix, epochs=2) for matrix in (twice, positives)]
        assert_array_equal(models[0].item_embeddings, models[1].item_embeddings)
    assert twice.nnz == 2 * positives.nnz


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_and_everything_can_be_fitted(loss):
    nothing = scipy.sparse.coo_matrix((10, 20))
    model = LightFM(loss=loss).fit(nothing)
    assert model.predict(3, np.arange(20)).shape == (20,)
    LightFM(loss=loss).fit(scipy.sparse.coo_matrix(np.ones((3, 4))))
    model.fit_partial(scipy.sparse.coo_matrix(np.eye(10, 20)))
    assert all(np.isfinite(array).all() for array in arrays_of(model))


def test_no_epochs_only_draw_the_start(positives):
    model = LightFM(loss="bpr").fit(positives, epochs=0)
    assert model.item_embeddings.shape == (N_ITEMS, 10)
    assert not model.item_biases.any()


def test_features_may_have_more_rows_than_there_are_users(positives, features):
    users, items = features
    few = scipy.sparse.coo_matrix(positives.tocsr()[:50, :30])
    model = LightFM(loss="warp").fit(few, user_features=users, item_features=items)
    assert model.user_embeddings.shape == (N_USERS + 2, 10)
    assert model.predict(N_USERS - 1, [N_ITEMS - 1], user_features=users, item_features=items).shape == (1,)


# ---- going on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_features", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_fit_partial_goes_on_and_fit_starts_anew(groups, positives, features, loss, with_features):
    sides = dict(zip(("user_features", "item_features"), features, strict=True)) if with_features else {}
    model = LightFM(loss=loss, random_state=0)
    scores = [auc_score(model.fit_partial(groups, **sides), positives, **sides).mean() for _ in range(20)]
    assert scores[-1] > max(0.75, scores[0])
    assert auc_score(model.fit_partial(groups, epochs=1, **sides), positives, **sides).mean() > 0.75
    anew = auc_score(model.fit(groups, epochs=1, **sides), positives, **sides).mean()
    assert anew < scores[-1]


def test_fit_partial_goes_on_from_assigned_arrays(positives, features):
    users, items = features
    model = LightFM(loss="bpr", learning_rate=1e-9, random_state=0)
    model.fit(positives, user_features=users, item_features=items)
    wanted = [np.random.default_rng(0).normal(size=array.shape).astype(np.float32) for array in arrays_of(model)]
    wanted[3][:] = 0
    model.item_embeddings, model.item_biases, model.user_embeddings, model.user_biases = wanted
    model.fit_partial(positives, user_features=users, item_features=items)
    for array, expected in zip(arrays_of(model), wanted, strict=True):
        assert_allclose(array, expected, atol=1e-5)


def test_own_columns_may_change_between_fits(positives, features):
    _, items = features
    model = LightFM(loss="bpr", learning_rate=1e-9, random_state=0).fit(positives, item_features=items)
    before = model.item_embeddings.copy()
    other = items.copy()
    other.data *= 3
    model.fit_partial(positives, item_features=other)
    assert_allclose(model.item_embeddings, before, atol=1e-5)
    shuffled = scipy.sparse.csr_matrix(items[:, ::-1])
    model.fit_partial(positives, item_features=shuffled)
    assert_allclose(model.item_embeddings, before, atol=1e-5)


@pytest.mark.parametrize("side", [0, 1])
def test_dimensions_stay_as_they_were(positives, features, side):
    name = ("user_features", "item_features")[side]
    model = LightFM(loss="bpr").fit(positives, **{name: features[side]})
    before = arrays_of(model)
    with pytest.raises(ValueError, match=f"{name} must have as many columns as the model has learned"):
        model.fit_partial(positives)
    with pytest.raises(ValueError, match=f"{name} must have as many columns as the model has learned"):
        model.fit_partial(positives, **{name: features[side][:, :-1]})
    assert all(one is other for one, other in zip(arrays_of(model), before, strict=True))


def test_a_failing_fit_leaves_the_model_as_it_was(positives):
    model = LightFM(loss="bpr").fit(positives)
    before = arrays_of(model)
    with pytest.raises(ValueError, match="interactions must hold finite values"):
        model.fit(positives * np.nan)
    with pytest.raises(ValueError, match=r"Training diverged .* Or normalise features"):
        LightFM(loss="bpr", learning_rate=1e30).fit(positives, epochs=5)
    assert all(one is other for one, other in zip(arrays_of(model), before, strict=True))


def test_arrays_of_another_model_predict_as_it_did(positives):
    model = LightFM(loss="warp", no_components=7, random_state=0).fit(positives, epochs=5)
    same = LightFM.from_arrays(*(array.astype(np.float64) for array in arrays_of(model)), loss="warp")
    assert same.no_components == 7
    assert_array_equal(same.predict(3, np.arange(N_ITEMS)), model.predict(3, np.arange(N_ITEMS)))
    assert auc_score(same.fit_partial(positives, epochs=10), positives).mean() > 0.75


def test_arrays_that_do_not_fit_each_other_are_refused():
    items, users = np.ones((3, 2)), np.ones((4, 2))
    with pytest.raises(ValueError, match="item_biases must have one entry per row of item_embeddings, got 2"):
        LightFM.from_arrays(items, np.ones(2), users, np.ones(4))
    with pytest.raises(ValueError, match="user_embeddings must have no_components = 2 columns, got shape"):
        LightFM.from_arrays(items, np.ones(3), np.ones((4, 3)), np.ones(4))
    with pytest.raises(ValueError, match="item_embeddings must be an array of numbers"):
        LightFM.from_arrays(np.ones(3), np.ones(3), users, np.ones(4))


# ---- predictions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_features", [False, True])
@pytest.mark.parametrize("loss", ["logistic", "warp"])
def test_predictions_are_products_of_representations_and_biases(groups, features, loss, with_features):
    sides = dict(zip(("user_features", "item_features"), features, strict=True)) if with_features else {}
    model = LightFM(loss=loss, random_state=0).fit(groups, epochs=5, **sides)
    expected = scores_of(model, *sides.values())
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
    assert_allclose(model.predict(users, items, **sides), expected.ravel(), rtol=1e-4, atol=1e-6)
    assert_allclose(model.predict(7, list(range(N_ITEMS)), **sides), expected[7], rtol=1e-4, atol=1e-6)
    for number in (np.int64(7), np.array(7)):
        assert_array_equal(model.predict(number, items, num_threads=2, **sides), model.predict(7, items, **sides))


def test_ranks_are_those_of_the_scores(groups, positives):
    model = LightFM(random_state=0).fit(groups, epochs=5)
    everything = scipy.sparse.csr_matrix(np.ones(groups.shape))
    ranks = model.predict_rank(everything, num_threads=2)
    assert (ranks.format, ranks.dtype) == ("csr", np.float32)
    assert isinstance(ranks, scipy.sparse.csr_matrix)
    order = np.argsort(-np.array([model.predict(user, np.arange(N_ITEMS)) for user in range(N_USERS)]), axis=1)
    assert_array_equal(np.argsort(ranks.toarray(), axis=1), order)
    train = positives.tocsr()
    ranks = model.predict_rank(everything, train_interactions=train, check_intersections=False).toarray()
    assert_array_equal(ranks.max(axis=1), N_ITEMS - 1 - train.getnnz(axis=1) + (ranks.max(axis=1) >= 0) * 0)
    assert (model.predict_rank(everything, everything, check_intersections=False).data == 0).all()


def test_ties_count_against_an_item(positives):
    model = LightFM(loss="bpr").fit(positives)
    for name in ("item_embeddings", "item_biases"):
        setattr(model, name, np.zeros_like(getattr(model, name)))
    ranks = model.predict_rank(scipy.sparse.csr_matrix(np.ones(positives.shape)))
    assert (ranks.data == N_ITEMS - 1).all()


def test_a_model_can_be_pickled(groups):
    model = LightFM(random_state=0).fit(groups)
    same = pickle.loads(pickle.dumps(model))
    assert_array_equal(same.predict(0, np.arange(N_ITEMS)), model.predict(0, np.arange(N_ITEMS)))
    assert_array_equal(same.fit_partial(groups).item_biases, model.fit_partial(groups).item_biases)


def test_representations_without_features_are_the_arrays(positives):
    model = LightFM(loss="bpr").fit(positives)
    assert model.get_item_representations() == (model.item_biases, model.item_embeddings)
    assert model.get_user_representations() == (model.user_biases, model.user_embeddings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0, 1, 2]), "user_ids and item_ids must have the same length"),
        ((0, 1), "user_ids and item_ids must have the same length"),
        (([-1], [0]), "user_ids must be row numbers"),
        (([0], [-1]), "item_ids must be row numbers"),
        ((1231241231241231414, [0]), "user_ids must be row numbers"),
        (([0.5], [0]), "user_ids must be row numbers"),
        (([np.nan], [0]), "user_ids must be row numbers"),
        (([0], [1e30]), "item_ids must be row numbers"),
        (([N_USERS], [0]), f"users must be among the model's {N_USERS}, got {N_USERS + 1}, or the number {N_USERS}"),
        (([0], [N_ITEMS]), f"items must be among the model's {N_ITEMS}"),
        (([0], [0], None, None, 0), "num_threads must be an integer from 1 to 1024, got 0"),
    ],
)
def test_bad_pairs_are_refused(positives, arguments, message):
    model = LightFM(loss="bpr").fit(positives)
    with pytest.raises(ValueError, match=message):
        model.predict(*arguments)
    assert model.predict([], []).shape == (0,)


def test_whole_numbers_may_be_floats_as_in_lightfm(positives):
    model = LightFM(loss="bpr").fit(positives)
    assert_array_equal(model.predict([0.0, 2.0], np.float32([3, 1])), model.predict([0, 2], [3, 1]))


def test_a_model_with_features_does_not_predict_without(positives, features):
    model = LightFM(loss="bpr").fit(positives, item_features=features[1])
    with pytest.raises(ValueError, match="item_features must be given, as the model was fitted with them"):
        model.predict(0, [0])
    with pytest.raises(ValueError, match="item_features must be given, as the model was fitted with them"):
        model.predict_rank(positives)
    with pytest.raises(ValueError, match="item_features must have one column for each of the model's 42 item feat"):
        model.predict(0, [0], item_features=features[1][:, :5])
    with pytest.raises(ValueError, match="item_features must have a row for each of 41 items, got shape"):
        model.predict(0, [40], item_features=features[1])


def test_an_identity_matrix_is_no_need_to_give_features(positives):
    model = LightFM(loss="bpr", random_state=0).fit(positives, item_features=scipy.sparse.identity(N_ITEMS))
    plain = LightFM(loss="bpr", random_state=0).fit(positives)
    assert_array_equal(model.predict(0, np.arange(N_ITEMS)), plain.predict(0, np.arange(N_ITEMS)))


def test_test_items_in_training_are_refused(positives):
    model = LightFM(loss="bpr").fit(positives)
    with pytest.raises(ValueError, match="test_interactions must have no entry that train_interactions have"):
        model.predict_rank(positives, train_interactions=positives)
    assert (model.predict_rank(positives, positives, check_intersections=False).data >= 0).all()
    with pytest.raises(ValueError, match="items must be among the model's"):
        model.predict_rank(scipy.sparse.csr_matrix((N_USERS, N_ITEMS + 1)))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("predict", (0, [0])),
        ("predict_rank", (scipy.sparse.csr_matrix((2, 2)),)),
        ("get_item_representations", ()),
        ("get_user_representations", ()),
    ],
)
def test_predictions_need_a_fit(method, arguments):
    with pytest.raises(NotFittedError, match="LightFM must be fitted first") as raised:
        getattr(LightFM(), method)(*arguments)
    assert isinstance(raised.value, ValueError)


# ---- bad input of a fit -----------------------------------------------------------------------------------------


def test_weights_of_other_entries_are_refused(positives):
    ones = np.ones(positives.nnz)
    backwards = scipy.sparse.coo_matrix((ones, (positives.row[::-1], positives.col[::-1])), shape=positives.shape)
    bad = scipy.sparse.coo_matrix((-ones, (positives.row, positives.col)), shape=positives.shape)
    model = LightFM(loss="bpr")
    for weights, message in [
        (scipy.sparse.coo_matrix(positives.shape), "entries of interactions in the same order"),
        (scipy.sparse.coo_matrix((2, 2)), "the shape of interactions"),
        (backwards, "entries of interactions in the same order"),
        (positives.tocsr(), "a SciPy COO matrix, got one in csr format"),
        (ones, "a SciPy COO matrix"),
        (bad, "values >= 0, got -1.0"),
        (bad * np.inf, "finite values, got -inf"),
    ]:
        with pytest.raises(ValueError, match=f"sample_weight must (have|be|hold) ?.*{message}"):
            model.fit(positives, sample_weight=weights)
    with pytest.raises(NotImplementedError, match="sample_weight must be None with loss='warp-kos'"):
        LightFM(loss="warp-kos").fit(positives, sample_weight=np.ones(1))


def test_bad_features_are_refused(positives, features):
    model = LightFM(loss="bpr")
    with pytest.raises(ValueError, match="user_features must have a row for each of 60 users"):
        model.fit(positives, user_features=features[0][:-1])
    with pytest.raises(ValueError, match="item_features must hold finite values, got nan"):
        model.fit(positives, item_features=features[1] * np.nan)
    with pytest.raises(TypeError, match="item_features must be a SciPy sparse matrix"):
        model.fit(positives, item_features=np.eye(N_ITEMS))
    with pytest.raises(TypeError, match="interactions must be a SciPy sparse matrix"):
        model.fit(positives.toarray())
    with pytest.raises(ValueError, match="num_threads must be an integer from 1"):
        model.fit(positives, num_threads=0)
    with pytest.raises(ValueError, match="epochs must be an integer >= 0"):
        model.fit(positives, epochs=-1)
    assert model.item_embeddings is None


# ---- parameters -------------------------------------------------------------------------------------------------


def test_arguments_and_defaults_are_those_of_lightfm():
    """Facts of LightFM 1.17."""
    shown = [f"{name}={p.default!r}" for name, p in inspect.signature(LightFM).parameters.items()]
    assert shown == [
        "no_components=10", "k=5", "n=10", "learning_schedule='adagrad'", "loss='logistic'", "learning_rate=0.05",
        "rho=0.95", "epsilon=1e-06", "item_alpha=0.0", "user_alpha=0.0", "max_sampled=10", "random_state=None",
    ]  # fmt: skip
    for method, names in {
        "fit": "interactions user_features item_features sample_weight epochs num_threads verbose",
        "fit_partial": "interactions user_features item_features sample_weight epochs num_threads verbose",
        "predict": "user_ids item_ids item_features user_features num_threads",
        "predict_rank": "test_interactions train_interactions item_features user_features num_threads "
        "check_intersections",
        "get_item_representations": "features",
        "get_user_representations": "features",
    }.items():
        assert list(inspect.signature(getattr(LightFM, method)).parameters) == ["self", *names.split()]


@pytest.mark.parametrize(
    "parameters",
    [
        {"no_components": 0}, {"no_components": -1}, {"k": 0}, {"n": -1}, {"rho": 0}, {"rho": 1}, {"rho": -0.1},
        {"epsilon": -0.1}, {"item_alpha": -1}, {"user_alpha": -1.0}, {"learning_schedule": "sgd"}, {"loss": "hinge"},
    ],
)  # fmt: skip
def test_what_lightfm_asserts_is_an_assertion_error_and_a_value_error(parameters):
    (name,) = parameters
    for kind in (LightFMAssertionError, AssertionError, ValueError):
        with pytest.raises(kind, match=f"{name} must be"):
            LightFM(**parameters)


@pytest.mark.parametrize(
    "parameters", [{"max_sampled": -1.0}, {"max_sampled": 0}, {"learning_rate": 0}, {"random_state": -1}]
)
def test_other_bad_parameters_are_value_errors(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"{name} must be"):
        LightFM(**parameters)


def test_parameters_can_be_had_and_set():
    model = LightFM(loss="warp", k=3)
    params = model.get_params()
    assert LightFM(**params).get_params() == params
    assert model.set_params(**params) is model
    assert clone(model).get_params()["k"] == 3
    model.set_params(loss="bpr", user_alpha=0.5)
    assert (model.loss, model.user_alpha, model.k) == ("bpr", 0.5, 3)
    with pytest.raises(ValueError, match=r"params must be among .* got 'invalid_param'"):
        model.set_params(loss="warp", invalid_param=666)
    with pytest.raises(ValueError, match="no_components must be an integer >= 1"):
        model.set_params(loss="warp", no_components=0)
    assert model.loss == "bpr"


def test_limits_that_lightfm_does_not_have_do_not_show(positives):
    LightFM(loss="warp-kos", k=20, n=10, max_sampled=5000, epsilon=0, learning_schedule="adadelta").fit(positives)
