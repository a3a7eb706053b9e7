"""Items that nobody has yet, among those of a fit."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.metrics import roc_auc_score

from fastbpr.compat.lightfm import LightFM


@pytest.mark.parametrize("loss", ["bpr", "warp"])
def test_an_item_that_nobody_has_is_ranked_by_its_features(communities, loss):
    is_new = np.arange(100) % 25 >= 20
    seen = scipy.sparse.csr_matrix(communities.toarray() * ~is_new)
    kinds = np.eye(4)[np.arange(100) // 25]
    features = scipy.sparse.csr_matrix(np.hstack([np.eye(100), kinds]) / 2)
    model = LightFM(16, loss=loss, random_state=0).fit(seen, item_features=features, epochs=20)
    scores = np.array([model.predict(user, np.flatnonzero(is_new), item_features=features) for user in range(200)])
    own_kind = np.arange(200)[:, None] // 50 == np.flatnonzero(is_new) // 25
    assert roc_auc_score(own_kind.ravel(), scores.ravel()) > 0.95


def test_its_own_column_stays_as_it_was(communities):
    seen = scipy.sparse.csr_matrix(communities.toarray() * (np.arange(100) > 2))
    kinds = np.eye(4)[np.arange(100) // 25]
    features = scipy.sparse.csr_matrix(np.hstack([np.eye(100), kinds]))
    model = LightFM(16, loss="bpr", random_state=0).fit(seen, item_features=features, epochs=1)
    before = model.item_embeddings.copy(), model.item_biases.copy()
    model.fit_partial(seen, item_features=features, epochs=2)
    for now, then in zip((model.item_embeddings, model.item_biases), before, strict=True):
        assert_array_equal(now[:3], then[:3])
        assert (now[3:] != then[3:]).any()


@pytest.mark.parametrize("loss", ["logistic", "bpr", "warp", "warp-kos"])
def test_items_without_any_feature_have_a_score_of_nothing(communities, loss):
    nothing = scipy.sparse.csr_matrix((100, 3))
    model = LightFM(16, loss=loss, random_state=0).fit(communities, item_features=nothing)
    before = model.item_embeddings.copy()
    model.fit_partial(communities, item_features=nothing, epochs=2)
    assert_array_equal(model.item_embeddings, before)
    assert len(set(model.predict(0, np.arange(100), item_features=nothing))) == 1
