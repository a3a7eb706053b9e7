"""`fastbpr.compat.lightfm.data.Dataset`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr.compat.lightfm.data import Dataset


def of_two(**options):
    dataset = Dataset(**options)
    dataset.fit(["ann", "bob"], ["tea", "mug", "pot"], user_features=["young"], item_features=["hot", "blue"])
    return dataset


def test_every_id_is_a_feature_by_default():
    dataset = of_two()
    assert dataset.interactions_shape() == (2, 3)
    assert dataset.user_features_shape() == (2, 3)
    assert dataset.item_features_shape() == (3, 5)
    assert dataset.model_dimensions() == (3, 5)
    assert_array_equal(dataset.build_user_features([]).toarray(), np.eye(2, 3))
    assert_array_equal(dataset.build_item_features([]).toarray(), np.eye(3, 5))


def test_without_identity_features_there_are_only_the_given_ones():
    dataset = of_two(user_identity_features=False, item_identity_features=False)
    assert dataset.model_dimensions() == (1, 2)
    assert dataset.build_user_features([], normalize=False).nnz == 0
    nothing = Dataset(item_identity_features=False)
    nothing.fit(range(10), range(100))
    assert nothing.item_features_shape() == (100, 0)
    assert nothing.build_item_features([], normalize=False).shape == (100, 0)


def test_mappings_number_in_the_order_of_arrival():
    users, user_features, items, item_features = of_two().mapping()
    assert users == {"ann": 0, "bob": 1}
    assert user_features == {"ann": 0, "bob": 1, "young": 2}
    assert items == {"tea": 0, "mug": 1, "pot": 2}
    assert item_features == {"tea": 0, "mug": 1, "pot": 2, "hot": 3, "blue": 4}


def test_fit_partial_adds_behind_what_is_known():
    dataset = of_two()
    dataset.fit_partial(users=["bob", "cat"], item_features=["blue", "red"])
    users, user_features, items, item_features = dataset.mapping()
    assert users == {"ann": 0, "bob": 1, "cat": 2}
    assert user_features == {"ann": 0, "bob": 1, "young": 2, "cat": 3}
    assert len(items) == 3
    assert item_features["red"] == 5
    assert_array_equal(dataset.build_user_features([]).toarray()[2], [0, 0, 0, 1])


def test_fit_forgets_what_was_known():
    dataset = of_two()
    dataset.fit([1], [2])
    assert dataset.mapping() == ({1: 0}, {1: 0}, {2: 0}, {2: 0})


def test_interactions_and_weights_are_in_the_order_of_the_data():
    data = [("bob", "pot"), ("ann", "tea", 2.5), ("bob", "pot", 0.5)]
    interactions, weights = of_two().build_interactions(iter(data))
    for matrix, dtype in ((interactions, np.int32), (weights, np.float32)):
        assert (matrix.format, matrix.shape, matrix.dtype) == ("coo", (2, 3), dtype)
        assert_array_equal(matrix.row, [1, 0, 1])
        assert_array_equal(matrix.col, [2, 0, 2])
    assert_array_equal(interactions.data, [1, 1, 1])
    assert_array_equal(weights.data, np.float32([1, 2.5, 0.5]))


def test_no_data_are_no_interactions():
    interactions, weights = of_two().build_interactions([])
    assert interactions.shape == weights.shape == (2, 3)
    assert interactions.nnz == weights.nnz == 0


def test_rows_of_features_sum_to_one():
    dataset = of_two()
    features = dataset.build_item_features([("tea", ["hot"]), ("pot", {"hot": 1, "blue": 6})])
    assert (features.format, features.dtype) == ("csr", np.float32)
    assert_allclose(features.toarray(), [[0.5, 0, 0, 0.5, 0], [0, 1, 0, 0, 0], [0, 0, 1 / 8, 1 / 8, 6 / 8]])


def test_negative_weights_count_by_their_size():
    dataset = of_two(user_identity_features=False)
    dataset.fit_partial(user_features=["old"])
    features = dataset.build_user_features([("ann", {"young": 1, "old": -3}), ("bob", ["old"])])
    assert_allclose(features.toarray(), [[0.25, -0.75], [0, 1]])


def test_features_that_come_twice_add_up():
    features = of_two().build_user_features([("ann", ["young"]), ("ann", {"young": 2.0})], normalize=False)
    assert_array_equal(features.toarray(), [[1, 0, 3], [0, 1, 0]])


def test_a_row_without_features_cannot_be_normalized():
    dataset = of_two(user_identity_features=False)
    with pytest.raises(ValueError, match="data must have features of every user where normalize is True, got 1"):
        dataset.build_user_features([("ann", ["young"])])
    assert dataset.build_user_features([("ann", ["young"])], normalize=False).nnz == 1


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (("cat", "tea"), r"user id must be one that the data set was fitted to, got 'cat'. Call fit_partial\(users="),
        (("ann", "cup"), r"item id must be one that the data set was fitted to, got 'cup'. Call fit_partial\(items="),
        (("ann",), "data must be of"),
        (("ann", "tea", 1, 2), "data must be of"),
        (("ann", "tea", float("nan")), "the weight of an interaction must be a finite number, got nan"),
        (("ann", "tea", 1e39), "the weight of an interaction must be a finite number"),
    ],
)
def test_bad_interactions_are_refused(datum, message):
    with pytest.raises(ValueError, match=message):
        of_two().build_interactions([("ann", "tea"), datum])


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (("cat", ["young"]), "user id must be one"),
        (("ann", ["old"]), r"user feature must be one .* got 'old'. Call fit_partial\(user_features="),
        (("ann", ["young"], 1), "data must be of"),
        ("an", "data must be of"),
        (("ann", "young"), "features of a user must be a list or a dict, got the text 'young'"),
        (("ann", {"young": float("inf")}), "the weight of a feature must be a finite number"),
    ],
)
def test_bad_features_are_refused(datum, message):
    with pytest.raises(ValueError, match=message):
        of_two().build_user_features([datum])


def test_a_weight_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="the weight of an interaction must be a number, got 'much'"):
        of_two().build_interactions([("ann", "tea", "much")])
