"""Models with an index: what it finds, what it leaves to the exact way, how it is kept, and when it is refused."""

import copy
import logging
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from helpers import fit
from numpy.testing import assert_array_equal

from fastbpr import BPR, HybridBPR, MissingExtraError, ModelFileError, NotFittedError, _approximate, _graphs, _retrieval
from fastbpr.exposure import centred

N_USERS, N_ITEMS = 500, 2000


@pytest.fixture(scope="module")
def user_items():
    return scipy.sparse.csr_array(np.random.default_rng(0).random((N_USERS, N_ITEMS)) < 0.02, dtype=np.float32)


@pytest.fixture(scope="module")
def exact(user_items):
    return fit(user_items, iterations=10)


@pytest.fixture(scope="module")
def served(exact):
    return exact.with_index(similar_users=True, effort=300, show_progress=False)


@pytest.fixture
def looked_up(monkeypatch):
    """How many queries the graph was asked, in a list."""
    asked = []

    def nearest(graph, queries, *arguments):
        asked.append(len(queries))
        return found(graph, queries, *arguments)

    found = _graphs.nearest
    monkeypatch.setattr(_graphs, "nearest", nearest)
    return asked


def share_of_same(found, expected):
    return np.mean([len(np.intersect1d(*pair)) / len(pair[1]) for pair in zip(found, expected, strict=True)])


# ---- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["similar_items", "recommend", "similar_users"])
def test_lists_of_an_index_are_nearly_the_exact_ones(exact, served, looked_up, name):
    ids = np.arange(200)
    found, scores = getattr(served, name)(ids, N=10)
    expected, best = getattr(exact, name)(ids, N=10)
    assert sum(looked_up) >= len(ids)
    assert share_of_same(found, expected) > 0.95
    assert (found.dtype, found.shape, scores.dtype, scores.shape) == (np.int32, (200, 10), np.float32, (200, 10))
    same = (found == expected).all(axis=1)
    assert same.mean() > 0.8
    assert_array_equal(scores[same], best[same])  # to the bit


def test_a_single_query_has_flat_lists_with_the_item_itself_first(exact, served):
    ids, scores = served.similar_items(5, N=4)
    assert ids.shape == scores.shape == (4,)
    assert (ids[0], scores[0]) == (5, 1)
    assert_array_equal(ids, exact.similar_items(5, N=4)[0])
    assert (np.diff(scores) <= 0).all()


def test_scores_are_those_of_the_model_and_fall(exact, served):
    ids, scores = served.recommend(np.arange(50), N=8, filter_already_liked_items=False)
    assert_array_equal(scores, np.take_along_axis(exact.score(np.arange(50)), ids, axis=1))
    assert (np.diff(scores, axis=1) <= 0).all()


def test_what_users_have_and_what_is_filtered_is_left_out(exact, served, user_items, looked_up):
    users = np.arange(N_USERS)
    filtered = np.unique(exact.recommend(users, N=5)[0])[:40]
    ids, _ = served.recommend(users, N=10, filter_items=filtered)
    assert looked_up
    assert not np.isin(ids, filtered).any()
    assert user_items.toarray()[users[:, None], ids].sum() == 0
    assert share_of_same(ids, exact.recommend(users, N=10, filter_items=filtered)[0]) > 0.95


def test_what_users_have_can_be_given(served, user_items):
    favourites = served.recommend([0, 1], N=5, filter_already_liked_items=False)[0]
    rows = scipy.sparse.csr_array((np.ones(10), (np.repeat([0, 1], 5), favourites.ravel())), shape=(2, N_ITEMS))
    ids, _ = served.recommend([0, 1], user_items=rows, N=10)
    assert not any(np.isin(*pair).any() for pair in zip(ids, favourites, strict=True))


def test_where_few_of_what_is_fetched_remain_more_is_fetched(exact, served, looked_up):
    best = exact.recommend(0, N=60, filter_already_liked_items=False)[0]
    ids, _ = served.recommend(0, N=10, filter_items=best[:35], filter_already_liked_items=False)
    assert looked_up == [1, 1]
    assert share_of_same([ids], [best[35:45]]) >= 0.9


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("similar_items", {"items": np.arange(100, 160)}),
        ("recommend", {"items": np.arange(100, 160)}),
        ("similar_items", {"N": N_ITEMS + 5}),
        ("recommend", {"N": N_ITEMS + 5}),
        ("similar_items", {"filter_items": np.arange(N_ITEMS - 5), "N": 10}),
        ("recommend", {"filter_items": np.arange(N_ITEMS - 5), "N": 10}),
        ("similar_items", {"similarity": "centred"}),
    ],
)
def test_what_an_index_cannot_serve_is_exact_padding_included(exact, served, name, options):
    for ids in (3, np.arange(20)):
        for found, expected in zip(
            getattr(served, name)(ids, **options), getattr(exact, name)(ids, **options), strict=True
        ):
            assert_array_equal(found, expected)


def test_other_items_than_a_few_are_chosen_from_too(exact, served):
    even = np.arange(0, N_ITEMS, 2)
    ids, _ = served.similar_items(np.arange(50), N=5, items=even)
    assert (ids % 2 == 0).all()
    assert share_of_same(ids, exact.similar_items(np.arange(50), N=5, items=even)[0]) > 0.95


def test_no_queries_have_no_lists(served):
    assert served.similar_items([], N=3)[0].shape == served.recommend([], N=3)[0].shape == (0, 3)


def test_vectors_of_zeros_have_the_exact_list(exact):
    items = exact.item_factors.copy()
    items[[4, 9]] = 0
    model = with_items(exact, items)
    served = model.with_index(recommend=False, show_progress=False)
    for found, expected in zip(served.similar_items([4, 9, 5]), model.similar_items([4, 9, 5]), strict=True):
        assert_array_equal(found, expected)


def test_a_query_for_which_a_graph_finds_too_few_is_answered_exactly(exact, served, monkeypatch):
    def nearest(graph, queries, n, num_threads):
        ids, counts = found(graph, queries, n, num_threads)
        ids[0], counts[0] = 0, 2
        return ids, counts

    found = _graphs.nearest
    monkeypatch.setattr(_graphs, "nearest", nearest)
    asked = []
    exactly = _retrieval.top_k
    monkeypatch.setattr(
        _retrieval,
        "top_k",
        lambda queries, *rest, **named: asked.append(len(queries)) or exactly(queries, *rest, **named),
    )
    ids, _ = served.similar_items([1, 2])
    assert 1 in asked
    assert_array_equal(ids[0], exact.similar_items(1)[0])


def test_a_graph_tells_how_many_it_finds():
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    items = items_of(rows, scale=_retrieval.inverse_norms(rows))
    graph = _graphs.built(items, connections=4, build_effort=10, effort=20, num_threads=1)
    for n_queries in (1, 2, 50):
        ids, counts = _graphs.nearest(graph, rows[:n_queries], 60, 1)
        assert ids.shape == (n_queries, 60)
        assert counts.tolist() == [50] * n_queries
        assert_array_equal(np.sort(ids[:, :50]), np.tile(np.arange(50), (n_queries, 1)))
        assert not ids[:, 50:].any()


@pytest.mark.parametrize("mean", [0, -7])
@pytest.mark.parametrize("spread", [0.01, 3])
@pytest.mark.parametrize("size", [1e-9, 1, 1e6])
def test_products_are_found_whatever_the_biases_and_sizes(mean, spread, size):
    rng = np.random.default_rng(0)
    rows, biases = size * rng.standard_normal((2000, 9)), size * rng.normal(mean, spread, 2000)
    items = items_of(rows.astype(np.float32), offset=biases.astype(np.float32))
    queries = rng.standard_normal((40, 9)).astype(np.float32)
    graph = _graphs.built(items, connections=16, build_effort=200, effort=300, num_threads=1)
    ids, scores = _approximate.top_k(graph, queries, items, 10, None, 1)
    products = queries @ items.table.T + items.offset
    assert share_of_same(ids, np.argsort(-products, axis=1)[:, :10]) > 0.97
    assert_array_equal(scores.argmax(axis=1), 0)


def test_equal_scores_are_ordered_by_id():
    rows = np.repeat(np.eye(4, dtype=np.float32), 500, axis=0) + 0.0
    rows[::100] *= 2
    items = items_of(rows)
    found = np.array([[7, 3, 5, 600, 1]], dtype=np.int32)
    ids, scores = _approximate.ordered(rows[:1], items, found, found != 5, 4, 1)
    assert ids.tolist() == [[1, 3, 7, 600]]
    assert scores.tolist() == [[2, 2, 2, 0]]


def items_of(rows, *, scale=_retrieval.NOTHING, offset=_retrieval.NOTHING):
    return _retrieval.Items.of(rows, scale, offset)


def with_items(model, items):
    other = copy.copy(model)
    other.item_factors = items
    return other


# ---- models, threads ------------------------------------------------------------------------------------------------


def test_the_model_itself_stays_exact(exact, served, looked_up):
    exact.similar_items(0)
    served.without_index().similar_items(0)
    centred(served).similar_items(0)
    assert looked_up == []
    assert type(served) is BPR
    assert served.item_factors is exact.item_factors


def test_one_kind_of_list_can_be_left_out(exact, looked_up):
    served = exact.with_index(recommend=False, show_progress=False)
    served.recommend(0)
    assert looked_up == []
    assert set(served.index_recall(n_queries=20)) == {"similar_items"}


def test_many_threads_can_ask_at_once(served):
    alone = [served.similar_items(item, N=10)[0] for item in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda item: served.similar_items(item, N=10)[0], range(200)))
    assert_array_equal(together, alone)


def test_new_users_are_served_by_the_same_index(served, user_items, looked_up):
    newcomers = served.fold_in(user_items[:20])
    ids, _ = newcomers.recommend(np.arange(20), N=10)
    assert looked_up
    assert share_of_same(ids, newcomers.without_index().recommend(np.arange(20), N=10)[0]) > 0.95


def test_of_an_index_remains_what_other_rows_leave_as_it_was(exact, served, user_items, looked_up):
    users = served.fold_in(user_items[:20])
    assert_array_equal(users.similar_users(0, N=3)[0], exact.fold_in(user_items[:20]).similar_users(0, N=3)[0])
    assert looked_up == []
    assert set(users.index_recall(n_queries=20)) == {"similar_items", "recommend"}
    items = served.fold_in_items(scipy.sparse.csr_array(user_items[:, :3].T))
    assert set(items.index_recall(n_queries=20)) == {"similar_users"}
    items.similar_items(N_ITEMS, N=3)
    items.recommend(0, N=3)


def test_an_index_goes_with_new_users_where_items_are_compared_by_them(user_items):
    model = fit(user_items, iterations=3, similarity="user-space")
    served = model.with_index(recommend=False, show_progress=False)
    users = served.fold_in(user_items[:20])
    assert_array_equal(users.similar_items(0)[0], model.fold_in(user_items[:20]).similar_items(0)[0])
    with pytest.raises(ValueError, match="must have an index"):
        users.index_recall()


def test_items_that_an_index_does_not_have_are_compared_exactly(user_items, looked_up):
    features = scipy.sparse.csr_array(np.random.default_rng(0).random((N_ITEMS, 12)), dtype=np.float32)
    model = HybridBPR(factors=16, iterations=2, random_state=0)
    served = model.fit(user_items, item_features=features, show_progress=False).with_index(show_progress=False)
    assert type(served) is HybridBPR
    assert_array_equal(
        served.similar_items(item_features=features[:3])[0], model.similar_items(item_features=features[:3])[0]
    )
    assert looked_up == []
    served.similar_items(0)
    assert looked_up == [1]


def test_recall_is_measured_against_the_exact_lists(exact, served):
    recalls = served.index_recall(K=10, n_queries=150)
    assert set(recalls) == {"similar_items", "recommend", "similar_users"}
    assert all(0.95 < recall <= 1 for recall in recalls.values())
    poor = exact.with_index(connections=4, build_effort=4, effort=1, show_progress=False).index_recall(n_queries=150)
    assert poor["similar_items"] < recalls["similar_items"]
    rng = np.random.default_rng(1)
    ids = rng.choice(N_ITEMS, 100, replace=False)
    found, expected = (model.similar_items(ids, N=11)[0][:, 1:] for model in (served, exact))
    measured = served.index_recall(K=10, n_queries=100, random_state=np.random.default_rng(1))["similar_items"]
    assert measured == pytest.approx(share_of_same(found, expected), abs=0.02)


# ---- stale indexes --------------------------------------------------------------------------------------------------


def renewed(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("attribute", "refused", "goes_on"),
    [
        ("item_factors", ("similar_items", "recommend"), ()),
        ("item_biases", ("recommend",), ("similar_items",)),
        ("user_factors", ("similar_users",), ("recommend", "similar_items")),
    ],
)
def test_an_index_of_other_arrays_is_refused(served, attribute, refused, goes_on):
    model = copy.copy(served)
    setattr(model, attribute, renewed(getattr(model, attribute)))
    for name in refused:
        with pytest.raises(ValueError, match=f"{attribute} must be the array that the index was built from"):
            getattr(model, name)(0)
        getattr(model.without_index(), name)(0)
    for name in goes_on:
        getattr(model, name)(0)


def test_an_index_is_refused_when_its_array_can_be_written_to(exact):
    model = with_items(exact, exact.item_factors.copy())
    served = model.with_index(recommend=False, show_progress=False)
    model.item_factors[:] = 0  # is the caller's own
    served.similar_items(0)
    served.item_factors.flags.writeable = True
    with pytest.raises(ValueError, match="item_factors must be the array"):
        served.similar_items(0)


def test_an_index_is_refused_after_another_fit(exact, user_items):
    served = exact.with_index(recommend=False, show_progress=False)
    other = copy.copy(served).fit(user_items, show_progress=False)
    with pytest.raises(ValueError, match="with_index"):
        other.similar_items(0)
    served.similar_items(0)


def test_the_users_matter_where_items_are_compared_by_them(user_items):
    served = fit(user_items, iterations=3, similarity="user-space").with_index(recommend=False, show_progress=False)
    served.similar_items(0)
    served.user_factors = renewed(served.user_factors)
    with pytest.raises(ValueError, match="user_factors must be the array"):
        served.similar_items(0)


# ---- files ----------------------------------------------------------------------------------------------------------


def test_a_saved_index_serves_the_loaded_model(served, tmp_path):
    served.save(tmp_path / "model.npz")
    served.save_index(tmp_path / "model.index")
    for mmap in (False, True):
        loaded = BPR.load(tmp_path / "model.npz", mmap=mmap).with_saved_index(tmp_path / "model.index")
        for name in ("similar_items", "recommend", "similar_users"):
            for found, expected in zip(getattr(loaded, name)([1, 7]), getattr(served, name)([1, 7]), strict=True):
                assert_array_equal(found, expected)


def test_a_saved_index_can_be_searched_with_other_effort(exact, tmp_path):
    exact.with_index(recommend=False, connections=4, effort=1, show_progress=False).save_index(tmp_path / "index")
    recalls = [
        exact.with_saved_index(tmp_path / "index", effort=effort).index_recall(n_queries=200)["similar_items"]
        for effort in (None, 400)
    ]
    assert recalls[0] < recalls[1]


def test_saving_the_model_tells_that_the_index_is_not_in_it(exact, tmp_path, caplog):
    served = exact.with_index(recommend=False, show_progress=False)
    with caplog.at_level(logging.WARNING, logger="fastbpr"):
        served.save(tmp_path / "model.npz")
        assert "save_index(path)" in caplog.text
        caplog.clear()
        served.save_index(tmp_path / "model.index")
        served.save(tmp_path / "model.npz")
        exact.save(tmp_path / "model.npz")
        exact.with_saved_index(tmp_path / "model.index").save(tmp_path / "model.npz")
        assert caplog.text == ""


def test_saving_tells_that_the_file_of_an_index_is_not_for_other_users(exact, user_items, tmp_path, caplog):
    served = exact.with_index(recommend=False, similar_users=True, show_progress=False)
    served.save_index(tmp_path / "index")
    with caplog.at_level(logging.WARNING, logger="fastbpr"):
        users = served.fold_in(user_items[:3])
        users.save(tmp_path / "model.npz")
        assert "save_index(path)" in caplog.text
    users.save_index(tmp_path / "index")
    BPR.load(tmp_path / "model.npz").with_saved_index(tmp_path / "index")


def test_the_index_of_another_model_is_refused(exact, served, user_items, tmp_path):
    served.save_index(tmp_path / "index")
    with pytest.raises(ModelFileError, match=r"path must be an index of this model, but .* built from another one"):
        fit(user_items, iterations=2).with_saved_index(tmp_path / "index")
    biased = copy.copy(exact)
    biased.item_biases = exact.item_biases + 1
    with pytest.raises(ModelFileError, match=r"built from another one \(recommend"):
        biased.with_saved_index(tmp_path / "index")


def test_other_and_damaged_files_are_refused(exact, served, tmp_path):
    exact.save(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match="path must be an index written by fastbpr"):
        exact.with_saved_index(tmp_path / "model.npz")
    served.save_index(tmp_path / "index")
    with pytest.raises(ModelFileError, match="path must be a model written by fastbpr"):
        BPR.load(tmp_path / "index")
    content = bytearray((tmp_path / "index").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "index").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        exact.with_saved_index(tmp_path / "index")


@pytest.mark.parametrize(
    ("name", "n_rows", "renamed"),
    [("similar_items", 50, None), ("similar_items", N_ITEMS, 10**9), ("recommend", N_ITEMS, None)],
    ids=["few", "other ids", "cosines for products"],
)
def test_a_file_with_the_graph_of_other_rows_is_refused(exact, served, tmp_path, name, n_rows, renamed):
    """Its checksums and fingerprint are right, as whoever makes such a file can compute them."""
    rows = exact.item_factors[:n_rows]
    items = items_of(rows, scale=1 / np.linalg.norm(rows, axis=1))
    graph = _graphs.built(items, connections=8, build_effort=20, effort=20, num_threads=1)
    if renamed is not None:
        graph.rename(7, renamed)
    graphs = served._index.graphs
    made = copy.copy(served)
    made._index = served._index._replace(graphs=graphs | {name: graphs[name]._replace(graph=graph)})
    made.save_index(tmp_path / "index")
    with pytest.raises(ModelFileError, match=f"the graph for {name} in .* is not one of the model's vectors"):
        exact.with_saved_index(tmp_path / "index")


def test_an_index_of_other_arrays_is_not_saved(served, tmp_path):
    model = copy.copy(served)
    model.item_biases = renewed(model.item_biases)
    with pytest.raises(ValueError, match="item_biases must be the array"):
        model.save_index(tmp_path / "index")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_served_model_are_served(served, copied, looked_up):
    other = copied(served)
    assert_array_equal(other.similar_items([3, 4])[0], served.similar_items([3, 4])[0])
    assert looked_up == [2, 2]


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"connections": 1}, ValueError, "connections must be an integer from 2 to 512, got 1"),
        ({"build_effort": 0}, ValueError, "build_effort must be an integer >= 1, got 0"),
        ({"effort": 1.5}, TypeError, "effort must be an integer >= 1, got 1.5"),
        ({"recommend": 1}, TypeError, "recommend must be True or False, got 1"),
        ({"recommend": False, "similar_items": False}, ValueError, "must be True, got False for all"),
    ],
)
def test_bad_settings_are_named(exact, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        exact.with_index(show_progress=False, **options)


def test_models_without_vectors_or_index_are_refused(exact, tmp_path):
    with pytest.raises(NotFittedError):
        BPR().with_index()
    for call in (exact.index_recall, lambda: exact.save_index(tmp_path / "index")):
        with pytest.raises(ValueError, match="The model must have an index, got BPR without"):
            call()
    items = exact.item_factors.copy()
    items[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        with_items(exact, items).with_index(show_progress=False)


def test_without_the_library_the_extra_is_named(exact, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtraError, match=r"An index needs usearch. Install it: pip install 'fastbpr\[ann\]'"):
        exact.with_index()
