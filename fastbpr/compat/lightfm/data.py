"""`lightfm.data`: from ids and names of features to matrices."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import _validation

__all__ = ["Dataset"]

Numbers = dict[Hashable, int]  # of each id or name, from 0 in the order in which they came


class Side(NamedTuple):
    """The users, or the items: their ids, and the features that describe them."""

    what: str
    has_identity: bool
    ids: Numbers
    features: Numbers

    def add(self, ids: Iterable[Hashable] | None, features: Iterable[Hashable] | None) -> None:
        """Number the ids and features that are new; an id is a feature, too, where each has its own."""
        for name in ids if ids is not None else ():
            self.ids.setdefault(name, len(self.ids))
            if self.has_identity:
                self.features.setdefault(name, len(self.features))
        for name in features if features is not None else ():
            self.features.setdefault(name, len(self.features))

    def shape(self) -> tuple[int, int]:
        """Return the shape of the feature matrix."""
        return len(self.ids), len(self.features)

    def matrix(self, data: Iterable[Any], normalize: bool) -> scipy.sparse.csr_matrix:
        """Return the feature matrix; `Dataset.build_user_features` documents it."""
        rows, columns, weights = [], [], []
        if self.has_identity:
            rows, columns = list(self.ids.values()), [self.features[name] for name in self.ids]
            weights = [1.0] * len(rows)
        for datum in data:
            entity, features = _validation.check_features_of_one(self.what, datum)
            row = _validation.check_in_mapping(f"{self.what} id", entity, self.ids, argument=f"{self.what}s")
            for name, weight in features:
                rows.append(row)
                columns.append(
                    _validation.check_in_mapping(
                        f"{self.what} feature", name, self.features, argument=f"{self.what}_features"
                    )
                )
                weights.append(weight)
        matrix = built(weights, rows, columns, self.shape(), np.float32).tocsr()
        if _validation.check_flag("normalize", normalize):
            sums = np.asarray(abs(matrix).sum(axis=1)).ravel()
            _validation.check_all_have_features(self.what, int((sums == 0).sum()))
            matrix.data /= np.repeat(sums, np.diff(matrix.indptr))
        return matrix


class Dataset:
    """Numbers ids and features, and builds the matrices that `LightFM` learns from.

    Call `fit` with all ids and names of features first; `fastbpr.Interactions` reads logs without that.

    Parameters
    ----------
    user_identity_features : bool, default True
        Give every user a feature of its own, named as the user's id, beside other features.
    item_identity_features : bool, default True
        The same for items.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.fit(["ann", "bob"], ["tea", "mug"], item_features=["hot", "blue"])
    >>> interactions, weights = dataset.build_interactions([("ann", "tea"), ("bob", "mug", 2.0)])
    >>> interactions.shape, weights.data
    ((2, 2), array([1., 2.], dtype=float32))
    >>> dataset.build_item_features([("tea", ["hot"]), ("mug", {"hot": 1, "blue": 2})]).toarray()
    array([[0.5 , 0.  , 0.5 , 0.  ],
           [0.  , 0.25, 0.25, 0.5 ]], dtype=float32)
    """

    def __init__(self, user_identity_features: bool = True, item_identity_features: bool = True) -> None:
        self._user_identity_features = _validation.check_flag("user_identity_features", user_identity_features)
        self._item_identity_features = _validation.check_flag("item_identity_features", item_identity_features)
        self._forget()

    def _forget(self) -> None:
        self._users = Side("user", self._user_identity_features, {}, {})
        self._items = Side("item", self._item_identity_features, {}, {})

    def fit(
        self,
        users: Iterable[Hashable],
        items: Iterable[Hashable],
        user_features: Iterable[Hashable] | None = None,
        item_features: Iterable[Hashable] | None = None,
    ) -> None:
        """Number ids and features, from 0 in their order, and forget older ones.

        Parameters
        ----------
        users, items : iterable of hashable
            Ids. One that comes again keeps its number.
        user_features, item_features : iterable of hashable or None, default None
            Names of features.

        Raises
        ------
        TypeError
            If one is not iterable, or an id or name not hashable.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann", "bob"], ["tea"])
        >>> dataset.interactions_shape()
        (2, 1)
        """
        self._forget()
        self.fit_partial(users, items, user_features, item_features)

    def fit_partial(
        self,
        users: Iterable[Hashable] | None = None,
        items: Iterable[Hashable] | None = None,
        user_features: Iterable[Hashable] | None = None,
        item_features: Iterable[Hashable] | None = None,
    ) -> None:
        """Number ids and features that are new, after those that are known.

        Parameters
        ----------
        users, items : iterable of hashable or None, default None
            Ids.
        user_features, item_features : iterable of hashable or None, default None
            Names of features.

        Raises
        ------
        TypeError
            If one is not iterable, or an id or name not hashable.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann"], ["tea"])
        >>> dataset.fit_partial(users=["bob"])
        >>> dataset.mapping()[0]
        {'ann': 0, 'bob': 1}
        """
        self._users.add(users, user_features)
        self._items.add(items, item_features)

    def mapping(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return the numbers of user ids, user features, item ids and item features, each as a dict.

        Examples
        --------
        >>> dataset = Dataset(item_identity_features=False)
        >>> dataset.fit(["ann"], ["tea"], item_features=["hot"])
        >>> dataset.mapping()
        ({'ann': 0}, {'ann': 0}, {'tea': 0}, {'hot': 0})
        """
        return self._users.ids, self._users.features, self._items.ids, self._items.features

    def interactions_shape(self) -> tuple[int, int]:
        """Return (number of users, number of items).

        Examples
        --------
        >>> Dataset().interactions_shape()
        (0, 0)
        """
        return len(self._users.ids), len(self._items.ids)

    def build_interactions(self, data: Iterable[Any]) -> tuple[scipy.sparse.coo_matrix, scipy.sparse.coo_matrix]:
        """Build the matrix of interactions and that of their weights.

        Parameters
        ----------
        data : iterable of (user id, item id) or (user id, item id, weight)
            Weights are finite numbers; one that is left out is 1.

        Returns
        -------
        interactions : coo_matrix of int32, shape (n_users, n_items)
            Ones, in the order of `data`; what comes twice is stored twice.
        weights : coo_matrix of float32, shape (n_users, n_items)
            The weights, in the same order.

        Raises
        ------
        ValueError
            If an id is not known, a tuple has another length, or a weight is not finite.
        TypeError
            If a weight is no number.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann", "bob"], ["tea", "mug"])
        >>> interactions, weights = dataset.build_interactions([("bob", "tea", 0.5)])
        >>> interactions.toarray()
        array([[0, 0],
               [1, 0]], dtype=int32)
        """
        users, items, weights = [], [], []
        for datum in data:
            user, item, weight = _validation.check_interaction(datum)
            users.append(_validation.check_in_mapping("user id", user, self._users.ids, argument="users"))
            items.append(_validation.check_in_mapping("item id", item, self._items.ids, argument="items"))
            weights.append(weight)
        shape = self.interactions_shape()
        ones = np.ones(len(weights))
        return built(ones, users, items, shape, np.int32), built(weights, users, items, shape, np.float32)

    def user_features_shape(self) -> tuple[int, int]:
        """Return (number of users, number of user features).

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann", "bob"], ["tea"], user_features=["young"])
        >>> dataset.user_features_shape()
        (2, 3)
        """
        return self._users.shape()

    def build_user_features(self, data: Iterable[Any], normalize: bool = True) -> scipy.sparse.csr_matrix:
        """Build the matrix of users and their features.

        Parameters
        ----------
        data : iterable of (user id, features)
            Features are a list of names, or a mapping of names to weights, which are finite numbers. Features that a
            user has twice add up.
        normalize : bool, default True
            Divide each row by the sum of its absolute values.

        Returns
        -------
        csr_matrix of float32, shape (n_users, n_user_features)
            With 1 (before `normalize`) for each user's own feature, where users have one.

        Raises
        ------
        ValueError
            If an id or a feature is not known, something is no such pair, a weight is not finite, or a row that is to
            be normalized has no features.
        TypeError
            If a weight is no number.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann", "bob"], ["tea"], user_features=["young"])
        >>> dataset.build_user_features([("ann", ["young"])]).toarray()
        array([[0.5, 0. , 0.5],
               [0. , 1. , 0. ]], dtype=float32)
        """
        return self._users.matrix(data, normalize)

    def item_features_shape(self) -> tuple[int, int]:
        """Return (number of items, number of item features).

        Examples
        --------
        >>> dataset = Dataset(item_identity_features=False)
        >>> dataset.fit(["ann"], ["tea", "mug"], item_features=["hot"])
        >>> dataset.item_features_shape()
        (2, 1)
        """
        return self._items.shape()

    def build_item_features(self, data: Iterable[Any], normalize: bool = True) -> scipy.sparse.csr_matrix:
        """Build the matrix of items and their features, as `build_user_features` does for users.

        Parameters
        ----------
        data : iterable of (item id, features)
            Features are a list of names, or a mapping of names to weights.
        normalize : bool, default True
            Divide each row by the sum of its absolute values.

        Returns
        -------
        csr_matrix of float32, shape (n_items, n_item_features)

        Raises
        ------
        ValueError, TypeError
            As `build_user_features`.

        Examples
        --------
        >>> dataset = Dataset(item_identity_features=False)
        >>> dataset.fit(["ann"], ["tea", "mug"], item_features=["hot", "blue"])
        >>> dataset.build_item_features([("tea", ["hot"]), ("mug", ["hot", "blue"])], normalize=False).toarray()
        array([[1., 0.],
               [1., 1.]], dtype=float32)
        """
        return self._items.matrix(data, normalize)

    def model_dimensions(self) -> tuple[int, int]:
        """Return (number of user features, number of item features): the rows of a model's embeddings.

        Examples
        --------
        >>> dataset = Dataset()
        >>> dataset.fit(["ann", "bob"], ["tea"], item_features=["hot"])
        >>> dataset.model_dimensions()
        (2, 2)
        """
        return len(self._users.features), len(self._items.features)


def built(values: Any, rows: Any, columns: Any, shape: tuple[int, int], dtype: type) -> scipy.sparse.coo_matrix:
    """Return a matrix from lists of its entries."""
    ids = (np.asarray(places, dtype=np.int32) for places in (rows, columns))
    return scipy.sparse.coo_matrix((np.asarray(values, dtype=dtype), tuple(ids)), shape=shape)
