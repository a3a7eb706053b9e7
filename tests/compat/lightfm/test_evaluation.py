"""`fastbpr.compat.lightfm.evaluation` against the metrics computed user by user from scores."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from fastbpr import _predictions, _retrieval, _validation
from fastbpr.compat.lightfm import evaluation

METRICS = [evaluation.precision_at_k, evaluation.recall_at_k, evaluation.auc_score, evaluation.reciprocal_rank]


class Ranker:
    """Ranks as LightFM does, by given scores."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, dtype=np.float32)

    def predict_rank(self, test_interactions, train_interactions=None, *, check_intersections, num_threads, **_):
        matrices = [
            _validation.check_stored_pairs("interactions", matrix)
            for matrix in (test_interactions, train_interactions)
            if matrix is not None
        ]
        if check_intersections and train_interactions is not None:
            _validation.check_disjoint(*matrices)
        identity = np.eye(self.scores.shape[1], dtype=np.float32)
        items = _retrieval.Items.of(identity, _retrieval.NOTHING, _retrieval.NOTHING)
        return scipy.sparse.csr_matrix(_predictions.ranks(self.scores, items, *matrices, num_threads=num_threads))


@pytest.fixture(scope="module")
def data():
    """(model, train, test): nothing in common, no ties; user 3 has no test items."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=(10, 60), p=[0.8, 0.1, 0.1])
    train, test = (
        scipy.sparse.csr_matrix(kind == 1),
        scipy.sparse.coo_matrix((kind == 2) & (np.arange(10) != 3)[:, None]),
    )
    return Ranker(rng.normal(size=kind.shape)), train, test


def by_hand(data, metric, with_train):
    """One value per user with test items: metric(places of test items from 1, is_test in order)."""
    model, train, test = data
    values = []
    for user, scores in enumerate(model.scores):
        left_out = train.toarray()[user] if with_train else np.zeros(len(scores), dtype=bool)
        is_test = test.toarray()[user].astype(bool)
        order = [item for item in np.argsort(-scores) if not left_out[item]]
        if is_test.any():
            values.append(metric(np.array([is_test[item] for item in order]), scores[order]))
    return values


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("with_train", [False, True])
@pytest.mark.parametrize("k", [1, 5, 10, 100])
def test_precision_and_recall_count_test_items_in_the_first_places(data, k, with_train, num_threads):
    model, train, test = data
    options = {"train_interactions": train if with_train else None, "k": k, "num_threads": num_threads}
    precision = evaluation.precision_at_k(model, test, **options)
    recall = evaluation.recall_at_k(model, test, **options)
    assert_allclose(precision, by_hand(data, lambda is_test, _: is_test[:k].sum() / k, with_train), rtol=1e-6)
    assert_allclose(recall, by_hand(data, lambda is_test, _: is_test[:k].sum() / is_test.sum(), with_train))


@pytest.mark.parametrize("with_train", [False, True])
def test_auc_is_that_of_scikit_learn(data, with_train):
    model, train, test = data
    auc = evaluation.auc_score(model, test, train if with_train else None, num_threads=2)
    assert_allclose(auc, by_hand(data, roc_auc_score, with_train), rtol=1e-6)


def test_reciprocal_rank_is_that_of_the_first_test_item(data):
    model, train, test = data
    values = evaluation.reciprocal_rank(model, test, train_interactions=train)
    assert_allclose(values, by_hand(data, lambda is_test, _: 1 / (1 + is_test.argmax()), True), rtol=1e-6)


@pytest.mark.parametrize(("metric", "empty"), list(zip(METRICS, [0, 0, 0.5, 0], strict=True)))
def test_preserve_rows_adds_users_without_test_items(data, metric, empty):
    model, _, test = data
    values, of_all = metric(model, test), metric(model, test, preserve_rows=True)
    assert (len(values), len(of_all)) == (9, 10)
    assert_array_equal(np.delete(of_all, 3), values)
    assert of_all[3] == empty


@pytest.mark.parametrize("metric", METRICS)
def test_a_single_user_has_one_value(metric):
    assert metric(Ranker([[3, 2, 1]]), scipy.sparse.csr_matrix([[1, 0, 0]])).shape == (1,)


@pytest.mark.parametrize("metric", METRICS)
def test_nobody_has_no_values(metric):
    nothing = scipy.sparse.csr_matrix((2, 3))
    model = Ranker(np.zeros((2, 3)))
    assert metric(model, nothing).shape == (0,)
    assert metric(model, nothing, preserve_rows=True).shape == (2,)


@pytest.mark.parametrize(
    ("scores", "auc"),
    [([4, 3, 2, 1], 1), ([1, 2, 3, 4], 0), ([4, 1, 3, 2], 0.5), ([1, 1, 1, 1], 0)],
    ids=["best", "worst", "between", "ties"],
)
def test_known_auc(scores, auc):
    assert evaluation.auc_score(Ranker([scores]), scipy.sparse.csr_matrix([[1, 1, 0, 0]])) == [np.float32(auc)]


def test_auc_is_a_half_where_there_is_nothing_else_to_rank():
    everything = scipy.sparse.csr_matrix([[1, 1, 1]])
    assert evaluation.auc_score(Ranker([[3, 2, 1]]), everything) == [0.5]


@pytest.mark.parametrize("metric", METRICS)
def test_test_items_in_training_are_refused_unless_allowed(data, metric):
    model, _, test = data
    with pytest.raises(ValueError, match="test_interactions must have no entry that train_interactions have"):
        metric(model, test, train_interactions=test)
    metric(model, test, train_interactions=test, check_intersections=False)


@pytest.mark.parametrize("metric", METRICS)
def test_bad_arguments_are_refused(data, metric):
    model, _, test = data
    with pytest.raises(ValueError, match="num_threads must be an integer from 1 to 1024, got 0"):
        metric(model, test, num_threads=0)
    with pytest.raises(TypeError, match="preserve_rows must be True or False"):
        metric(model, test, preserve_rows=None)
    with pytest.raises(TypeError, match="model must be a LightFM, or have its method predict_rank, got object"):
        metric(object(), test)


@pytest.mark.parametrize("metric", METRICS[:2])
def test_k_is_at_least_one(data, metric):
    with pytest.raises(ValueError, match="k must be an integer >= 1, got 0"):
        metric(data[0], data[2], k=0)
