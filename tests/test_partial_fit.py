"""Models that go on learning from new data, of users and items that they know and of new ones."""

import copy

import numpy as np
import pytest
import scipy.sparse
from helpers import share_in_own_community
from numpy.testing import assert_array_equal

from fastbpr import BPR, HybridBPR, Interactions
from fastbpr._continuation import with_replay
from fastbpr.evaluation import evaluate


def log_of(seed, n, users=40, items=30, kind=str, **options):
    rng = np.random.default_rng(seed)
    labels = [[kind(label) for label in rng.integers(most, size=n)] for most in (users, items)]
    return Interactions.from_arrays(*labels, **options)


OLD = log_of(0, 300)
NEW = log_of(1, 60, users=60, items=45)
PARAMETERS = {"factors": 8, "iterations": 8, "random_state": 0, "num_threads": 2}


def fitted(model=BPR, log=OLD, **parameters):
    return model(**PARAMETERS | parameters).fit(log, show_progress=False)


def pairs(model, log=None):
    """Labels of (user, item) that a model takes for liked, or that a log has."""
    indptr, indices = model._liked if log is None else (log.user_items.indptr, log.user_items.indices)
    labels = model if log is None else log
    users = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return set(zip(labels.user_labels[users].tolist(), labels.item_labels[indices].tolist(), strict=True))


def same(one, other):
    for name in ("user_factors", "item_factors", "item_biases"):
        assert_array_equal(getattr(one, name), getattr(other, name))


def test_known_labels_keep_their_rows_and_new_ones_follow_as_they_are_first_seen(tmp_path):
    model = fitted()
    expected = {}
    for what in ("user", "item"):
        before, new = (getattr(thing, f"{what}_labels").tolist() for thing in (OLD, NEW))
        expected[what] = before + [label for label in new if label not in before]
        assert len(expected[what]) > len(before)
    model.partial_fit(NEW, show_progress=False)
    model.save(tmp_path / "model.npz")
    for known in (model, BPR.load(tmp_path / "model.npz")):
        assert known.user_labels.tolist() == expected["user"]
        assert known.item_labels.tolist() == expected["item"]
        assert known.user_factors.shape == (len(expected["user"]), 8)


@pytest.mark.parametrize("replay", [None, OLD])
def test_what_users_had_before_and_have_now_is_left_out(replay):
    model = fitted().partial_fit(NEW, replay=replay, show_progress=False)
    assert pairs(model) == pairs(model, OLD) | pairs(model, NEW)
    lists = model.recommend(np.arange(len(model.user_labels)), N=len(model.item_labels))[0]
    for user, ids in enumerate(lists):
        listed = {(model.user_labels[user], model.item_labels[item]) for item in ids[ids >= 0]}
        assert not listed & pairs(model)
        assert len(listed) == len(model.item_labels) - sum(
            label == model.user_labels[user] for label, _ in pairs(model)
        )


def test_rows_that_are_not_in_the_new_data_stay_as_they_were():
    model = fitted()
    before = model.user_factors.copy()
    absent = ~np.isin(model.user_labels, NEW.user_labels)
    model.partial_fit(NEW, show_progress=False)
    assert absent.any()
    assert_array_equal(model.user_factors[: len(before)][absent], before[absent])
    assert (model.user_factors[: len(before)][~absent] != before[~absent]).any(axis=1).all()


def test_a_user_is_replayed_as_a_whole_and_always_if_there_is_something_new():
    model = fitted()
    labels = model
    data = NEW.aligned_to(model)
    for share in (0.3, 1.0):
        mixed, weights = with_replay(model, data, labels, OLD, share, None, [1, 2])
        assert weights == "ignore"
        n_replayed = 0
        for user in range(OLD.n_users):
            old, new, now = (set(log.user_items[[user]].indices.tolist()) for log in (OLD, data, mixed))
            assert now in (old | new, set())
            assert not new or now
            n_replayed += not new and bool(now)
        n_others = (np.diff(data.user_items.indptr) == 0).sum()
        assert n_replayed == n_others if share == 1 else 0 < n_replayed < n_others


def test_the_new_value_counts_where_both_have_one():
    matrix = scipy.sparse.csr_array(np.array([[1, -1, 0], [0, 1, 1]], dtype=np.float32))
    newer = scipy.sparse.csr_array(np.array([[-1, 0, 1], [0, 0, 0]], dtype=np.float32))
    model = BPR(**PARAMETERS, loss="logistic").fit(matrix, show_progress=False)
    mixed, _ = with_replay(model, newer, model, matrix, 1.0, None, [0, 0])
    assert_array_equal(mixed.toarray(), [[-1, -1, 1], [0, 1, 1]])
    assert model.partial_fit(newer, replay=matrix, show_progress=False).user_biases.shape == (2,)


def test_weights_go_with_their_interactions():
    weighted = [log_of(seed, 200, weights=np.arange(1, 201)) for seed in (3, 4)]
    model = fitted(log=weighted[0])
    mixed, weights = with_replay(model, weighted[1].aligned_to(model), model, weighted[0], 1.0, None, [0, 0])
    newer, older = (log.aligned_to(model).user_items.toarray() for log in weighted[::-1])
    assert weights == "values"
    assert_array_equal(mixed.user_items.toarray(), np.where(newer > 0, newer, older))
    ignored, weights = with_replay(model, weighted[1].aligned_to(model), model, weighted[0], 1.0, "ignore", [0, 0])
    assert weights == "ignore"
    assert set(ignored.user_items.data.tolist()) == {1}


def test_weights_are_found_by_label():
    users, items = NEW.user_labels[NEW.user_items.nonzero()[0]], NEW.item_labels[NEW.user_items.indices]
    sizes = 1 + np.arange(len(users)) % 7
    log, weights = (
        Interactions.from_arrays(users[order], items[order], weights=sizes[order])
        for order in (np.arange(len(users)), np.arange(len(users))[::-1])
    )
    one, other = (fitted().partial_fit(log, weights=given, show_progress=False) for given in ("values", weights))
    same(one, other)


@pytest.mark.parametrize(("new", "old"), [(True, False), (False, True)])
def test_weights_are_not_mixed_with_counts_in_silence(new, old):
    logs = [log_of(seed, 90, weights=np.full(90, 0.25) if has else None) for seed, has in ((3, new), (4, old))]
    model = fitted(log=logs[1])
    message = f"replay must have {'weights' if new else 'no weights'}, as user_items, got Interactions with"
    with pytest.raises(ValueError, match=message):
        model.partial_fit(logs[0], replay=logs[1], show_progress=False)
    for weights in ("ignore", "values"):
        model.partial_fit(logs[0], replay=logs[1], weights=weights, show_progress=False)


def test_replaying_keeps_what_old_users_are_recommended(communities):
    """Of two kinds of items, the new data has one only, liked by all kinds of users."""
    users, items = communities.shape
    rng = np.random.default_rng(0)
    newer = scipy.sparse.csr_array((rng.random(communities.shape) < 0.2) * (np.arange(users) % 2 == 0)[:, None] * 1.0)
    model = BPR(factors=16, random_state=0, iterations=40, num_threads=2).fit(communities, show_progress=False)
    kept = {}
    for name, options in (("alone", {}), ("replayed", {"replay": communities, "replay_share": 1.0})):
        other = BPR(factors=16, random_state=0, iterations=40, num_threads=2).fit(communities, show_progress=False)
        other.partial_fit(newer, iterations=40, learning_rate=0.2, show_progress=False, **options)
        kept[name] = share_in_own_community(other.similar_items(np.arange(items), N=10)[0])
    before = share_in_own_community(model.similar_items(np.arange(items), N=10)[0])
    assert kept["alone"] < kept["replayed"] - 0.1
    assert kept["replayed"] > before - 0.35


def test_partial_fits_are_the_same_bits_on_any_number_of_threads():
    one, two = (
        fitted(num_threads=n).partial_fit(NEW, replay=OLD, replay_share=0.5, show_progress=False) for n in (1, 2)
    )
    same(one, two)


def test_another_call_draws_other_users_to_replay():
    model = fitted()
    first, second = (with_replay(model, NEW.aligned_to(model), model, OLD, 0.5, None, [9, n])[0] for n in (0, 8))
    assert pairs(model, first) != pairs(model, second)


def test_epochs_and_learning_rates_are_a_part_of_the_models():
    model = fitted(iterations=40, learning_rate=0.4).partial_fit(NEW, show_progress=False)
    assert [round(epoch.learning_rate, 9) for epoch in model.history] == [0.1, 0.08, 0.06, 0.04, 0.02]
    assert (model.iterations, model.learning_rate) == (40, 0.4)
    model.partial_fit(NEW, iterations=2, learning_rate=0.3, show_progress=False)
    assert [epoch.learning_rate for epoch in model.history] == [0.3, 0.15]
    assert model._n_epochs == 40 + 5 + 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "warp"},
        {"negatives": "adaptive"},
        {"optimizer": "adagrad"},
        {"loss": "softmax", "optimizer": "adadelta"},
    ],
)
def test_models_of_every_kind_go_on(parameters):
    model = fitted(**parameters).partial_fit(NEW, replay=OLD, show_progress=False)
    assert np.isfinite(model.item_factors).all()
    assert len(model.history) == 1


@pytest.mark.parametrize(
    "parameters", [{"optimizer": "adagrad"}, {"loss": "softmax", "optimizer": "adadelta", "learning_rate": 1.0}]
)
def test_what_an_optimiser_remembers_goes_on(parameters):
    model = fitted(**parameters)
    before = model._components["user_sums"].copy()
    absent = ~np.isin(model.user_labels, NEW.user_labels)
    model.partial_fit(NEW, show_progress=False)
    assert before[absent].any(axis=1).all()
    after = model._components["user_sums"]
    assert_array_equal(after[: len(before)][absent], before[absent])
    if parameters["optimizer"] == "adagrad":  # which only adds to them, first of all to those that were there
        assert (after[: len(before)] >= before).all()
        assert len(model._components["item_sums"]) == len(model.item_factors)


def test_a_matrix_may_bring_rows_to_a_model_without_labels():
    rng = np.random.default_rng(0)
    old, new = (scipy.sparse.csr_array((rng.random(shape) < 0.2) * 1.0) for shape in ((30, 20), (35, 24)))
    model = BPR(**PARAMETERS).fit(old, show_progress=False)
    model.partial_fit(new, replay=old, show_progress=False)
    assert (len(model.user_factors), len(model.item_factors), model.user_labels) == (35, 24, None)


def test_a_matrix_with_the_models_rows_leaves_its_labels():
    model = fitted()
    model.partial_fit(OLD.user_items.astype(bool), show_progress=False)
    assert_array_equal(model.user_labels, OLD.user_labels)
    assert_array_equal(model.item_labels, OLD.item_labels)


def test_titles_grow_with_the_items():
    old = Interactions.from_arrays([1, 2, 2], [7, 7, 8], item_names=["tea", "tea", "cup"])
    model = fitted(log=old)
    model.partial_fit(Interactions.from_arrays([3, 3], [9, 7], item_names=["saw", "other"]), show_progress=False)
    assert model.item_labels.tolist() == [7, 8, 9]
    assert model.item_names.tolist() == ["tea", "cup", "saw"]


def test_a_copy_that_goes_on_leaves_the_model_as_it_was():
    model = fitted(optimizer="adagrad")
    before = {name: array.copy() for name, array in model._arrays()}
    liked, history = pairs(model), list(model.history)
    other = copy.copy(model).partial_fit(NEW, replay=OLD, show_progress=False)
    assert len(other.user_factors) > len(model.user_factors)
    for name, array in model._arrays():
        assert_array_equal(array, before[name])
    assert (pairs(model), model.history) == (liked, history)


def test_before_a_fit_it_is_one():
    fresh = BPR(**PARAMETERS).partial_fit(OLD, show_progress=False)
    same(fresh, fitted())


def test_validation_and_negatives_are_found_by_label():
    later = log_of(5, 100, users=60, items=45)
    model = fitted().partial_fit(
        NEW, replay=OLD, replay_share=1, validation=later, negatives=log_of(6, 50), iterations=4, show_progress=False
    )
    test = later.aligned_to(model)
    train = NEW.aligned_to(model).user_items + OLD.aligned_to(model).user_items
    value = evaluate(model, train, test.user_items, K=20, metrics="ndcg@20")["ndcg@20"]
    assert max(epoch.validation for epoch in model.history) == pytest.approx(value)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ([1.5, 2.0, 3.5], [4.0, 5.0, 2.0], "f"),
        ([1, 2, 3], [2.5, 2.0], "f"),
        ([1, 2, 3], [4.0, 2.0], "i"),
        (["a", "b", "c"], ["d", "a"], "O"),
        ([("a", 1), ("b", 2), ("b", 3)], [("c", 4), ("a", 1)], "O"),
    ],
)
def test_labels_of_the_same_kind_come_behind_each_other(old, new, kind):
    model = fitted(log=Interactions.from_arrays(old, np.arange(len(old))))
    model.partial_fit(Interactions.from_arrays(new, np.arange(len(new))), show_progress=False)
    assert model.user_labels.dtype.kind == kind
    expected = Interactions.from_arrays([*old, *new], np.arange(len(old) + len(new))).user_labels
    assert_array_equal(model.user_labels, expected)
    assert [model.user_rows(label) for label in expected[:2].tolist()] == [0, 1]


def test_integers_that_no_float_holds_stay_apart_from_floats():
    model = fitted(log=Interactions.from_arrays([2**53 + 1, 2, 2], [0, 1, 2]))
    with pytest.raises(TypeError, match=r"user_labels must be of the model's kind of labels, int64, got 0\.5"):
        model.partial_fit(Interactions.from_arrays([0.5, 2], [0, 1]), show_progress=False)


@pytest.mark.parametrize("name", ["validation", "negatives"])
def test_they_are_found_by_label_too_where_the_data_come_as_a_matrix(name):
    rng = np.random.default_rng(7)
    other = Interactions.from_arrays(
        np.append(OLD.user_labels[::-1], rng.choice(OLD.user_labels, 100)),
        np.append(np.resize(OLD.item_labels[::-1], OLD.n_users), rng.choice(OLD.item_labels, 100)),
    )
    assert other.user_items.shape == OLD.user_items.shape
    labelled, plain = (
        fitted().partial_fit(data, weights="ignore", show_progress=False, **{name: other})
        for data in (OLD, OLD.user_items)
    )
    same(plain, labelled)
    assert [epoch.validation for epoch in plain.history] == [epoch.validation for epoch in labelled.history]


def test_features_go_on_with_rows_of_all(tmp_path):
    rng = np.random.default_rng(0)
    genres = scipy.sparse.random_array((60, 7), density=0.4, rng=rng, dtype=np.float32, format="csr")
    model = HybridBPR(**PARAMETERS).fit(OLD, item_features=genres[: OLD.n_items], show_progress=False)
    n_items = OLD.n_items + (~np.isin(NEW.item_labels, OLD.item_labels)).sum()
    before = model.item_feature_factors.copy()
    model.partial_fit(NEW, replay=OLD, item_features=genres[:n_items], show_progress=False)
    assert len(model.item_factors) == len(model.item_own_factors) == n_items
    assert (model.item_feature_factors != before).any()
    with pytest.raises(ValueError, match="item_features must be given again"):
        model.partial_fit(NEW, show_progress=False)
    with pytest.raises(ValueError, match="item_features must have one row for each of"):
        model.partial_fit(NEW, item_features=genres[: n_items - 1], show_progress=False)


def test_an_interrupted_partial_fit_goes_on_to_the_same_bits(tmp_path):
    path = tmp_path / "run.npz"
    options = {"replay": OLD, "iterations": 6, "show_progress": False}

    def killed(epoch, *_):
        if epoch == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fitted(optimizer="adagrad").partial_fit(NEW, checkpoint=path, every=1, callback=killed, **options)
    resumed = fitted(optimizer="adagrad").partial_fit(NEW, resume=path, **options)
    expected = fitted(optimizer="adagrad").partial_fit(NEW, **options)
    same(resumed, expected)
    assert pairs(resumed) == pairs(expected) == pairs(BPR.load(path).partial_fit(NEW, show_progress=False))


EYE = scipy.sparse.eye_array


@pytest.mark.parametrize(
    ("model", "data", "options", "error", "message"),
    [
        (
            "labelled",
            scipy.sparse.eye_array(100),
            {},
            ValueError,
            "user_items must be Interactions to bring new users to",
        ),
        ("labelled", EYE(4), {}, ValueError, "user_items must have the model's 40 users"),
        ("labelled", log_of(0, 20, kind=int), {}, TypeError, "user_labels must be of the model's kind of labels"),
        ("plain", NEW, {}, ValueError, "The model must have user labels"),
        ("labelled", NEW, {"replay_share": 0}, ValueError, "replay_share must be a number > 0 and <= 1, got 0"),
        ("labelled", NEW, {"iterations": 0}, ValueError, "iterations must be an integer >= 1, got 0"),
        ("labelled", NEW, {"learning_rate": 0}, ValueError, "learning_rate must be a finite number > 0, got 0"),
        (
            "labelled",
            NEW,
            {"replay": OLD, "weights": NEW},
            ValueError,
            "weights must be None, 'values' or 'ignore'",
        ),
        ("labelled", NEW, {"replay": 3}, TypeError, "replay must be a SciPy sparse matrix"),
        (
            "labelled",
            NEW,
            {"replay": EYE(99)},
            ValueError,
            "replay must have no users or items beyond",
        ),
        (
            "plain",
            OLD.user_items.astype(bool),
            {"replay": OLD},
            TypeError,
            "replay must be a SciPy sparse matrix .* for a model without labels, got Interactions",
        ),
        ("biased", NEW, {}, ValueError, "item_bias must stay True to go on with this model, got False"),
        ("labelled", NEW, {"foo": 1}, TypeError, "options must be among .*, got 'foo'"),
        ("unfitted", NEW, {"foo": 1}, TypeError, "options must be among .*, got 'foo'"),
        ("labelled", NEW, {"start": None}, TypeError, "options must be among .*, got 'start'"),
        ("labelled", NEW, {"item_features": EYE(30)}, TypeError, "options must be among .*, got 'item_features'"),
        ("unfitted", NEW, {"replay": OLD}, ValueError, "replay must be None for a model that has not been fitted"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(model, data, options, error, message):
    model = {
        "labelled": fitted,
        "plain": lambda: fitted(log=OLD.user_items.astype(bool)),
        "unfitted": lambda: BPR(**PARAMETERS),
        "biased": lambda: fitted().set_params(item_bias=False),
    }[model]()
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.partial_fit(data, show_progress=False, **options)
    assert all(vars(model)[name] is value for name, value in before.items())


def test_contexts_are_not_replayed():
    pages = Interactions.from_arrays([1, 1, 2, 2], list("abab"), contexts=["p", "q", "p", "q"])
    model = BPR(**PARAMETERS, debias="context").fit(
        Interactions.from_arrays([1, 1, 2, 3], list("abca"), contexts=["p", "p", "p", "q"]), show_progress=False
    )
    with pytest.raises(ValueError, match="debias must be None with replay"):
        model.partial_fit(pages, replay=pages, show_progress=False)
    assert len(model.partial_fit(pages, show_progress=False).history) == 1
