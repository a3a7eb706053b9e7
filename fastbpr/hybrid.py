"""The model with features: a user's or an item's vector is the sum of what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _growth, _validation
from fastbpr._composition import Side, Sides
from fastbpr._fitting import NO_START, Start
from fastbpr._model_files import KINDS
from fastbpr.bpr import BPR

__all__ = ["HybridBPR"]


def component(name: str) -> property:
    """Return an attribute that is None where rows are not composed of it."""
    return property(lambda model: model._components.get(name), doc="Documented in `HybridBPR`.")


class HybridBPR(BPR):
    """BPR with features of users and items, for those that training has not seen (as LightFM; Kula, 2015).

    With the features x_uf of a user, and y_ig of an item,

        p_u = sum over f of x_uf e_f + o_u
        q_i = sum over g of y_ig e_g + o_i,    b_i = sum over g of y_ig b_g + c_i,

    where e_f, e_g and b_g are learned for each feature, and o_u, o_i and c_i for each row. Without features of a side
    its rows are as in `BPR`; without any, so is everything: the same factors, bit for bit, in the same time.

    Parameters
    ----------
    factors, learning_rate, regularization, iterations, num_threads, random_state
        As in `BPR`.
    own_vectors : bool or mapping, default True
        Whether rows with features have a vector of their own, too (o_u; o_i and c_i). A mapping with the keys ``user``
        and ``item`` sets them apart. Rows without any feature need one to be anything. What `fold_in_items` finds for
        an item is such a vector: a model without goes on from the item's features alone, and where an item's features
        are given only after it was folded in, what they say comes on top.
    item_own_rate, user_own_rate : float, defaults 0.1 and 0.3
        From above 0 to 1. How far the own vectors of rows with features follow training, from slowly to at once. The
        lower, the more is left to the features, and learned about items that are new.
    hidden_items, hidden_users : float, defaults 0.5 and 0.0
        From 0 to below 1. Share of the rows with features that go without their own vectors at any time in training,
        other ones again and again, so that features learn to do without (Volkovs, Yu & Poutanen, 2017).
    feature_rate : float, default 0.5
        From above 0 to 1. How far features follow what training wants of the rows that have them.
    **others
        Any other parameter of `BPR`.

    Attributes
    ----------
    user_factors, item_factors, item_biases : ndarray of float32
        Of the rows that were trained: p_u, q_i and b_i.
    user_feature_factors, item_feature_factors : ndarray of float32, shape (n_features, factors), or None
        e_f and e_g; None for a side without features.
    item_feature_biases : ndarray of float32, shape (n_features,), or None
        b_g.
    user_own_factors, item_own_factors : ndarray of float32, shape (n_rows, factors), or None
        o_u and o_i.
    item_own_biases : ndarray of float32, shape (n_items,), or None
        c_i.
    user_feature_biases, user_own_biases : ndarray of float32, or None
        The same of users, where they have biases: for the logistic loss.
    user_feature_names, item_feature_names : ndarray of object, shape (n_features,), or None
        The names of the features, if they came as a `fastbpr.features.FeatureMatrix`. Other features than these are
        refused later on.

    Notes
    -----
    Training moves the sums p_u, q_i and b_i as `BPR` does, in blocks. After every eighth of an epoch (of very small
    data, after the whole of it), what each has moved by is handed on to its features and its own vector, at rates that
    keep this from going too far however many rows share a feature, and do not depend on its unit. With
    ``schedule="blocked"`` results are the same, bit for bit, on any number of threads.

    Regularization shrinks the sums, and with them what they are made of.

    A feature that all rows have is a vector that all have in common, and does no harm. Numeric columns are best given
    with mean 0 and a standard deviation of 1, which `fastbpr.features.Features` sees to.

    Examples
    --------
    Items 0 and 1 are red, 2 and 3 are blue. Item 4 is new, and red.

    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    >>> colours = csr_array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> model = HybridBPR(factors=8, random_state=0)
    >>> model = model.fit(user_items, item_features=colours, show_progress=False)
    >>> sorted(model.similar_items(item_features=csr_array([[1, 0]]), N=2)[0][0].tolist())
    [0, 1]
    """

    def __init__(
        self,
        factors: int | str = 64,
        learning_rate: float = 0.2,
        regularization: float | Mapping[str, float] | str = 0.01,
        iterations: int = 100,
        num_threads: int = 0,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        *,
        own_vectors: bool | Mapping[str, bool] = True,
        item_own_rate: float = 0.1,
        user_own_rate: float = 0.3,
        hidden_items: float = 0.5,
        hidden_users: float = 0.0,
        feature_rate: float = 0.5,
        **others: Any,
    ) -> None:
        self.own_vectors = own_vectors
        self.item_own_rate = item_own_rate
        self.user_own_rate = user_own_rate
        self.hidden_items = hidden_items
        self.hidden_users = hidden_users
        self.feature_rate = feature_rate
        _validation.check_known_names("parameters", others, self._parameter_names())
        super().__init__(factors, learning_rate, regularization, iterations, num_threads, random_state, **others)

    @classmethod
    def _fit_options(cls) -> tuple[str, ...]:
        """Return the names of what may be given to `fit` beside the data."""
        return (*super()._fit_options(), "user_features", "item_features")

    def _check_parameters(self) -> None:
        """Refuse parameters that are not as they must be."""
        super()._check_parameters()
        _validation.check_own_vectors("own_vectors", self.own_vectors)
        for name in ("item_own_rate", "user_own_rate", "feature_rate"):
            _validation.check_rate(name, getattr(self, name))
        for name in ("hidden_items", "hidden_users"):
            _validation.check_share(name, getattr(self, name), below=True)

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self, user_items: Any, *, user_features: Any = None, item_features: Any = None, **options: Any
    ) -> HybridBPR:
        """Learn from scratch.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
            As in `BPR.fit`.
        user_features : matrix of shape (n_users, n_features), or None, default None
            What is known about the users, one row for each, in the order of the rows of `user_items`: a SciPy sparse
            matrix, an ndarray or a `fastbpr.features.FeatureMatrix`. Values may have either sign. A dense array, such
            as embeddings of text or images, is projected by what is learned for its columns. Never changed.
        item_features : matrix of shape (n_items, n_features), or None, default None
            What is known about the items, in the order of the columns of `user_items`.
        **options
            Those of `BPR.fit`.

        Returns
        -------
        HybridBPR
            This model, fitted.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not as it must be. A fitted model stays as it was.
        TrainingError, KeyboardInterrupt
            As `BPR.fit`.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8, iterations=5)
        >>> model.fit(user_items, item_features=genres, show_progress=False).item_feature_factors.shape
        (2, 8)
        """
        self._check_parameters()
        _validation.check_known_names("options", options, self._fit_options())
        sides = self._sides(user_items, user_features, item_features)
        return self._train(user_items, sides=sides, **options)

    def fit_partial(
        self,
        user_items: Any,
        *,
        user_features: Any = None,
        item_features: Any = None,
        iterations: int | None = None,
        **options: Any,
    ) -> HybridBPR:
        """Go on learning from where the model is; from scratch, if it has not been fitted.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
            What to learn from now. Users and items that the model has must come first, in its order; more may follow.
        user_features, item_features : SciPy sparse matrix, ndarray or FeatureMatrix, or None, default None
            As in `fit`, of all rows. New features may follow the known columns.
        iterations : int or None, default None
            Number of epochs, >= 1. None stands for the model's own. The learning rate starts anew and decays over
            these, if it does.
        **options
            Those of `BPR.fit`.

        Returns
        -------
        HybridBPR
            This model. Its history has the epochs of this call.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as it must be, or does not fit what the model has. The model stays as it was.
        TrainingError, KeyboardInterrupt
            As `BPR.fit`.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items = csr_array([[1, 1, 0], [0, 1, 1]])
        >>> model = HybridBPR(factors=8, random_state=0)
        >>> for _ in range(3):
        ...     model = model.fit_partial(user_items, iterations=2, show_progress=False)
        >>> len(model.history)
        2
        """
        self._check_parameters()
        _validation.check_known_names("options", options, self._fit_options())
        overrides = self._overrides(iterations)
        start = NO_START
        if self.item_factors is not None:
            _validation.check_continues(self, user_items)
            start = Start.of(self)
        sides = self._sides_to_go_on(user_items, {"user_features": user_features, "item_features": item_features})
        return self._train(user_items, sides=sides, start=start, overrides=overrides, **options)

    def _sides_to_go_on(self, user_items: Any, options: dict[str, Any]) -> Sides:
        """Return how rows are composed, by features among the options, which it takes out."""
        features = {what: options.pop(f"{what}_features", None) for what in ("user", "item")}
        if self.item_factors is not None:
            for what, given in features.items():
                known = self._components.get(f"{what}_feature_factors")
                _validation.check_features_continue(what, given, None if known is None else len(known))
                _validation.check_features_known(what, given, getattr(self, f"{what}_feature_names"))
        return self._sides(user_items, *features.values(), goes_on=self.item_factors is not None)

    def _sides(self, user_items: Any, user_features: Any, item_features: Any, *, goes_on: bool = False) -> Sides:
        """Return how rows are composed; None for a side without features."""
        n_rows = _validation.check_shape_of("user_items", user_items)
        own = _validation.check_own_vectors("own_vectors", self.own_vectors)
        sides = []
        given = (user_features, item_features)
        rates, hidden = (self.user_own_rate, self.item_own_rate), (self.hidden_users, self.hidden_items)
        for what, n, features, rate, share in zip(("user", "item"), n_rows, given, rates, hidden, strict=True):
            if features is None:
                _validation.check_vectors_complete(what, own[what], False)
                sides.append(None)
                continue
            _validation.check_rows_named(what, features, user_items)
            learned = self._components.get(f"{what}_feature_factors") if goes_on else None
            known = None if learned is None else len(learned)
            matrix = _validation.check_features(f"{what}_features", features, n_rows=n, known=known)
            names = _validation.names_of_features(features)
            sides.append(Side(matrix, own[what], float(rate), float(self.feature_rate), float(share), names))
        return Sides(*sides)

    user_feature_factors = component("user_feature_factors")
    user_feature_biases = component("user_feature_biases")
    user_own_factors = component("user_own_factors")
    user_own_biases = component("user_own_biases")
    item_feature_factors = component("item_feature_factors")
    item_feature_biases = component("item_feature_biases")
    item_own_factors = component("item_own_factors")
    item_own_biases = component("item_own_biases")

    # ---- vectors ----------------------------------------------------------------------------------------------------

    def item_representations(self, item_features: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the biases and vectors of items.

        Parameters
        ----------
        item_features : SciPy sparse matrix, ndarray or FeatureMatrix, shape (n, n_features), or None, default None
            Of any items, new ones, too: their vectors are the sums of their features'. None stands for the items of the
            fit, with their own vectors.

        Returns
        -------
        biases : ndarray of float32, shape (n,)
        vectors : ndarray of float32, shape (n, factors)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If the features are not those that the model has learned.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, item_features=genres, show_progress=False)
        >>> biases, vectors = model.item_representations([[1, 1]])
        >>> vectors.shape
        (1, 8)
        """
        return self._representations("item", item_features)

    def user_representations(self, user_features: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the biases, which are zero but for the logistic loss, and the vectors of users.

        Parameters, results and errors are those of `item_representations`, with users for items.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = HybridBPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> model.user_representations()[1].shape
        (2, 8)
        """
        return self._representations("user", user_features)

    def _representations(self, what: str, features: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return (biases, vectors) of the rows of the fit, or of rows of features."""
        user_factors, item_factors, item_biases = _validation.check_tables(self)
        if features is None:
            vectors = user_factors if what == "user" else item_factors
            biases = item_biases if what == "item" else self.user_biases
            return np.zeros(len(vectors), dtype=np.float32) if biases is None else biases, vectors
        factors = self._components.get(f"{what}_feature_factors")
        n_features = _validation.check_has_features(what, None if factors is None else len(factors))
        matrix = _validation.check_features(f"{what}_features", features, n_features=n_features)
        _validation.check_features_known(what, features, getattr(self, f"{what}_feature_names"))
        _validation.warn_of_bare_rows(what, matrix)
        biases = self._components.get(f"{what}_feature_biases", np.zeros(n_features, dtype=np.float32))
        return (matrix @ biases).astype(np.float32), (matrix @ factors).astype(np.float32)

    def with_items(self, item_features: Any, item_labels: Any = None, item_names: Any = None) -> HybridBPR:
        """Return a model with more items, known only by their features, behind those that it has.

        Parameters
        ----------
        item_features : SciPy sparse matrix, ndarray or FeatureMatrix, shape (n, n_features)
            Of the new items.
        item_labels : sequence of n labels, or None, default None
            Labels of the new items, needed if the model has labels.
        item_names : sequence of n titles, or None, default None
            Titles, if the model has them.

        Returns
        -------
        HybridBPR
            A new model; this one is not changed. The new items' rows follow the others.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `item_representations`, and if labels are not as they must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, item_features=genres, show_progress=False)
        >>> model.with_items([[0, 1]]).item_factors.shape
        (4, 8)
        """
        _validation.check_given_features("item", item_features)
        return _growth.with_rows(
            self, "item", *self._representations("item", item_features), item_labels, item_names, labelled=True
        )

    def with_users(self, user_features: Any, user_labels: Any = None) -> HybridBPR:
        """Return a model with more users, known only by their features, behind those that it has.

        Parameters, result and errors are those of `with_items`, with users for items.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, countries = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, user_features=countries, show_progress=False)
        >>> model.with_users([[0, 1]]).recommend(2, N=1)[0].shape
        (1,)
        """
        _validation.check_given_features("user", user_features)
        return _growth.with_rows(
            self, "user", *self._representations("user", user_features), user_labels, labelled=True
        )

    # ---- lists ------------------------------------------------------------------------------------------------------

    def recommend(
        self,
        userid: Any = None,
        user_items: Any = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: Any = None,
        *,
        user_features: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the items that users would like next, best first: users of the fit, or known by their features.

        Parameters are those of `BPR.recommend`, and

        Parameters
        ----------
        userid : int or array of int, shape (n,), or None, default None
            None if `user_features` are given.
        user_features : SciPy sparse matrix, ndarray or FeatureMatrix, shape (n, n_features), or None, default None
            Users whom training need not have seen, in place of `userid`. What they have already is left out if it is
            given as `user_items`. Not with `recalculate_user`.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
        scores : ndarray of float32, same shape

        Raises
        ------
        NotFittedError, IndexError, TypeError, ValueError
            As `BPR.recommend`, and if the features are not those that the model has learned.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, countries = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, user_features=countries, show_progress=False)
        >>> model.recommend(user_features=[[1, 0]], N=2)[0].shape
        (1, 2)
        """
        _validation.check_either(("userid", "user_features"), (userid, user_features))
        model = self._of(user_features, None)
        if user_features is not None:
            _validation.check_one_source_of_users("recalculate_user", recalculate_user, "user_features")
            userid = np.arange(len(model.user_factors))
            filter_already_liked_items = filter_already_liked_items and user_items is not None
        return super(HybridBPR, model).recommend(
            userid, user_items, N, filter_already_liked_items, filter_items, recalculate_user, items
        )

    def similar_items(
        self,
        itemid: Any = None,
        N: int = 10,
        filter_items: Any = None,
        items: Any = None,
        *,
        similarity: str | None = None,
        item_features: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar items: to items of the fit, or to items known by their features.

        Parameters
        ----------
        itemid : int or array of int, shape (n,), or None, default None
            None if `item_features` are given.
        N, filter_items, items, similarity
            As in `BPR.similar_items`.
        item_features : SciPy sparse matrix, ndarray or FeatureMatrix, shape (n, n_features), or None, default None
            Items whom training need not have seen, in place of `itemid`. Their lists have the model's items only.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
        scores : ndarray of float32, same shape

        Raises
        ------
        NotFittedError, IndexError, TypeError, ValueError
            As `BPR.similar_items`, and if the features are not those that the model has learned.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, item_features=genres, show_progress=False)
        >>> model.similar_items(item_features=[[0, 1]], N=2)[0].shape
        (1, 2)
        """
        _validation.check_either(("itemid", "item_features"), (itemid, item_features))
        if item_features is None:
            return super().similar_items(itemid, N, filter_items, items, similarity=similarity)
        more = _growth.with_rows(self, "item", *self.item_representations(item_features))
        n_known, n_all = len(self.item_factors), len(more.item_factors)
        chosen = _validation.check_candidates("items", items, "filter_items", filter_items, n_known, what="item")
        return super(HybridBPR, more).similar_items(np.arange(n_known, n_all), N, None, chosen, similarity=similarity)

    def predict(self, userid: Any, itemid: Any, *, user_features: Any = None, item_features: Any = None) -> np.ndarray:
        """Return the scores of pairs of a user and an item, of the fit or known by their features.

        Parameters
        ----------
        userid, itemid : int or array of int, shape (n,)
            As in `BPR.predict`: rows of the fit, or, where there are features, rows of these.
        user_features, item_features : matrix of shape (n_rows, n_features), or None, default None
            Users, or items, whom training need not have seen, in place of those of the fit.

        Returns
        -------
        ndarray of float32, shape (n,), or float32

        Raises
        ------
        NotFittedError, IndexError, TypeError, ValueError
            As `BPR.predict`, and if the features are not those that the model has learned.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, item_features=genres, show_progress=False)
        >>> model.predict([0, 1], [0, 0], item_features=[[1, 0]]).shape
        (2,)
        """
        return super(HybridBPR, self._of(user_features, item_features)).predict(userid, itemid)

    def predict_rank(
        self, test: Any, train: Any = None, *, user_features: Any = None, item_features: Any = None
    ) -> scipy.sparse.csr_array:
        """Return the places that items have in the users' lists, the best being 0: of the fit, or by their features.

        Parameters
        ----------
        test, train
            As in `BPR.predict_rank`: rows and columns are those of the fit, or, where there are features, of these.
        user_features, item_features : matrix of shape (n_rows, n_features), or None, default None
            Users, or items, whom training need not have seen, in place of those of the fit.

        Returns
        -------
        csr_array of float32, of the shape of `test`

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `BPR.predict_rank`, and if the features are not those that the model has learned.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items, genres = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[1, 0], [1, 1], [0, 1]])
        >>> model = HybridBPR(factors=8).fit(user_items, item_features=genres, show_progress=False)
        >>> model.predict_rank(csr_array([[1, 0], [0, 1]]), item_features=[[1, 0], [0, 1]]).shape
        (2, 2)
        """
        return super(HybridBPR, self._of(user_features, item_features)).predict_rank(test, train)

    def _of(self, user_features: Any, item_features: Any) -> HybridBPR:
        """Return a model whose users and items are those that the features describe, where they are given."""
        model = self
        for what, features in (("user", user_features), ("item", item_features)):
            if features is not None:
                model = _growth.with_only(model, what, *self._representations(what, features))
        return model


KINDS["hybrid"] = HybridBPR
