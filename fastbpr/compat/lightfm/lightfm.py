"""`lightfm.LightFM`: its parameters and methods; `fastbpr.HybridBPR` learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _predictions, _retrieval, _validation
from fastbpr._threads import effective_threads
from fastbpr.compat.lightfm import _training

__all__ = ["LightFM"]

STATE_WORDS = 624  # of the state of a RandomState: drawing so many changes all of it


class LightFM:
    """LightFM's model of users, items and their features (Kula, 2015), trained by `fastbpr.HybridBPR`.

    The score of user u and item i is ``p_u . q_i + b_u + b_i``. A vector or bias is the sum of the embeddings or biases
    of the features of the user or item, times their values in the feature matrix. Without such a matrix each row is
    its own only feature; a matrix that `fastbpr.compat.lightfm.data.Dataset` builds gives rows both.

    Parameters
    ----------
    no_components : int, default 10
        Length of the vectors, >= 1.
    k : int, default 5
        For ``warp-kos``: a step is about the k-th best of the positives drawn, >= 1. At most `n` counts.
    n : int, default 10
        For ``warp-kos``: number of positives drawn for a step, >= 1.
    learning_schedule : {"adagrad", "adadelta"}, default "adagrad"
        How steps are scaled: `fastbpr.BPR` describes it as `optimizer`.
    loss : {"logistic", "bpr", "warp", "warp-kos"}, default "logistic"
        ``logistic`` learns from what is stored only, positive or negative, so it needs both; the others rank positives
        above what is not stored. `fastbpr.BPR` has the formulas.
    learning_rate : float, default 0.05
        Step size, > 0, of ``adagrad``.
    rho : float, default 0.95
        Of ``adadelta``: how much of its means is kept in a step, above 0 and below 1.
    epsilon : float, default 1e-6
        Of ``adadelta``: what is added to its means, >= 0.
    item_alpha, user_alpha : float, default 0.0
        L2 strength >= 0 for items and users.
    max_sampled : int, default 10
        Draws for ``warp`` and ``warp-kos``, >= 1.
    random_state : int, numpy.random.RandomState or None, default None
        Seed; kept as a RandomState, which every fit advances.

    Attributes
    ----------
    item_embeddings, user_embeddings : ndarray of float32, shape (n_features, no_components), or None
        One row for each column of the feature matrix, or for each item or user if there was none. None before `fit`.
        Other arrays may be assigned; `fit_partial` goes on from them.
    item_biases, user_biases : ndarray of float32, shape (n_features,), or None
        The users' are zero but for ``logistic``: in a loss that compares items for one user they cancel.

    Notes
    -----
    A seed gives the same model, bit for bit, on any number of threads. Numbers differ from LightFM's. What else does:

    * Interactions, weights and features are never changed.
    * Ids that the model does not have are refused, and so is leaving out a feature matrix that it was fitted with.
    * Weights count in relation to their mean. An entry that is stored twice counts twice (for ``warp-kos``, once), and
      for ``logistic`` a positive and a negative cancel.
    * A row's own column of a feature matrix learns as fast as without features, so that features cost nothing for known
      rows; `fastbpr.HybridBPR` can leave more to the features, for rows that are new.
    * ``learning_rate``, ``item_alpha`` and ``user_alpha`` are translated so that an epoch learns, and shrinks, about as
      much as in LightFM.
    * ``bpr`` draws negatives uniformly, LightFM by their popularity; at most 1024 draws or positives make a step.
    * For the losses other than ``logistic``, entries that are not positive are left out.
    * A user without interactions has no vector of their own: only features tell anything about them.

    Examples
    --------
    >>> from scipy.sparse import coo_matrix
    >>> interactions = coo_matrix([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    >>> model = LightFM(loss="warp", random_state=0).fit(interactions, epochs=30)
    >>> own, other = model.predict(0, [1, 2])
    >>> bool(own > other)
    True
    """

    def __init__(
        self,
        no_components: int = 10,
        k: int = 5,
        n: int = 10,
        learning_schedule: str = "adagrad",
        loss: str = "logistic",
        learning_rate: float = 0.05,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        item_alpha: float = 0.0,
        user_alpha: float = 0.0,
        max_sampled: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        given = {
            "loss": loss, "learning_schedule": learning_schedule, "no_components": no_components,
            "learning_rate": learning_rate, "k": k, "n": n, "rho": rho, "epsilon": epsilon, "max_sampled": max_sampled,
            "item_alpha": item_alpha, "user_alpha": user_alpha, "random_state": random_state,
        }  # fmt: skip
        vars(self).update(_validation.check_lightfm_parameters(given, _training.LOSSES))
        self._forget()

    def _forget(self) -> None:
        self.item_embeddings = self.item_biases = None
        self.user_embeddings = self.user_biases = None
        self._are_rows = {"user": True, "item": True}  # whether an embedding is that of a row
        self._memory = _training.Memory()

    @classmethod
    def from_arrays(
        cls, item_embeddings: Any, item_biases: Any, user_embeddings: Any, user_biases: Any, **parameters: Any
    ) -> LightFM:
        """Return a model with given vectors and biases, such as those of a model that LightFM trained.

        Parameters
        ----------
        item_embeddings, user_embeddings : array of float, shape (n_features, no_components)
            The attributes of that name.
        item_biases, user_biases : array of float, shape (n_features,)
            The attributes of that name.
        **parameters
            Of `LightFM`, such as those that `get_params` gives; `no_components` is that of the arrays.

        Returns
        -------
        LightFM
            It predicts as the model that had the arrays, and `fit_partial` goes on from them.

        Raises
        ------
        ValueError, TypeError
            If arrays or parameters are not as they must be.

        Examples
        --------
        >>> theirs = LightFM(loss="bpr").fit(scipy.sparse.coo_matrix([[1, 0], [0, 1]]))
        >>> arrays = theirs.item_embeddings, theirs.item_biases, theirs.user_embeddings, theirs.user_biases
        >>> ours = LightFM.from_arrays(*arrays, **theirs.get_params())
        >>> bool((ours.predict(0, [0, 1]) == theirs.predict(0, [0, 1])).all())
        True
        """
        items = _validation.check_embeddings("item", item_embeddings, item_biases, None)
        width = items[0].shape[1]
        users = _validation.check_embeddings("user", user_embeddings, user_biases, width)
        model = cls(**parameters | {"no_components": width})
        model.item_embeddings, model.item_biases = (array.copy() for array in items)
        model.user_embeddings, model.user_biases = (array.copy() for array in users)
        return model

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        interactions: Any,
        user_features: Any = None,
        item_features: Any = None,
        sample_weight: Any = None,
        epochs: int = 1,
        num_threads: int = 1,
        verbose: bool = False,
    ) -> LightFM:
        """Learn from scratch.

        Parameters
        ----------
        interactions : SciPy sparse matrix of shape (n_users, n_items)
            What is stored and greater than 0 is a positive, whatever its value; for ``logistic``, anything else that is
            stored is a negative. Never changed.
        user_features, item_features : SciPy sparse matrix of shape (n_rows, n_features), or None, default None
            Values of features; there may be more rows than `interactions` have. None makes every row its own feature.
        sample_weight : coo_matrix of shape (n_users, n_items), or None, default None
            Weights >= 0, with the row and column numbers of `interactions` in the same order. Not for ``warp-kos``.
        epochs : int, default 1
            Number of passes over the interactions, >= 0.
        num_threads : int, default 1
            Number of threads, >= 1.
        verbose : bool, default False
            Show a progress bar.

        Returns
        -------
        LightFM
            This model, fitted.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as it must be, or training diverges. A fitted model stays as it was.
        NotImplementedError
            If there are weights for ``warp-kos``.

        Examples
        --------
        >>> interactions = scipy.sparse.coo_matrix([[1, 1, 0], [0, 1, 1]])
        >>> LightFM(loss="bpr").fit(interactions, epochs=2).item_embeddings.shape
        (3, 10)
        """
        before = dict(vars(self))
        self._forget()
        try:
            return self.fit_partial(
                interactions, user_features, item_features, sample_weight, epochs, num_threads, verbose
            )
        except BaseException:
            vars(self).update(before)
            raise

    def fit_partial(
        self,
        interactions: Any,
        user_features: Any = None,
        item_features: Any = None,
        sample_weight: Any = None,
        epochs: int = 1,
        num_threads: int = 1,
        verbose: bool = False,
    ) -> LightFM:
        """Go on learning from where the model is; from scratch, if it has not been fitted.

        Parameters are those of `fit`. Feature matrices must have as many columns as before; without them, there must be
        as many users and items.

        Raises
        ------
        ValueError, TypeError, NotImplementedError
            As `fit`.

        Examples
        --------
        >>> interactions = scipy.sparse.coo_matrix([[1, 1, 0], [0, 1, 1]])
        >>> model = LightFM(loss="bpr")
        >>> for _ in range(3):
        ...     model = model.fit_partial(interactions)
        """
        parameters = _validation.check_lightfm_parameters(self.get_params(), _training.LOSSES)
        epochs = _validation.check_integer("epochs", epochs, minimum=0)
        num_threads = _validation.check_at_least_one_thread(num_threads)
        _validation.check_flag("verbose", verbose)
        matrix = _validation.check_signed_interactions(interactions)
        weights = _validation.check_sample_weight(sample_weight, matrix, self.loss)
        sides = {
            what: _training.Side.of(what, features, n_rows)
            for what, features, n_rows in zip(
                ("user", "item"), (user_features, item_features), matrix.shape, strict=True
            )
        }
        words = self.random_state.randint(2**32, size=STATE_WORDS, dtype=np.uint32)
        seed = int(np.random.SeedSequence(words.tolist()).generate_state(1, np.uint64)[0] >> 1)
        data = _training.TrainingData.of(matrix, weights, self.loss)
        arrays = self._start(sides, data, seed)
        if epochs and data.can_teach(self.loss):
            arrays, self._memory = _training.trained(
                parameters, data, sides, arrays, self._memory, n_epochs=epochs, seed=seed, num_threads=num_threads,
                verbose=verbose,
            )  # fmt: skip
        for what, (embeddings, biases) in arrays.items():
            setattr(self, f"{what}_embeddings", embeddings)
            setattr(self, f"{what}_biases", biases)
            self._are_rows[what] = sides[what].columns.are_rows
        return self

    def _start(self, sides: dict[str, _training.Side], data: _training.TrainingData, seed: int) -> _training.Arrays:
        """Return the embeddings and biases of both sides with which training begins."""
        if self.item_embeddings is None:
            rng = np.random.default_rng(seed)
            arrays = {what: _training.drawn(side, self.no_components, rng) for what, side in sides.items()}
            own = sides["user"].columns.own
            arrays["user"][0][own[data.silent_users()] if len(own) else own] = 0
            return arrays
        arrays = {what: self._arrays(what, finite=True) for what in sides}
        for what, side in sides.items():
            _validation.check_same_dimensions(what, side.columns.n_columns, len(arrays[what][0]))
        return arrays

    # ---- predictions ------------------------------------------------------------------------------------------------

    def predict(
        self, user_ids: Any, item_ids: Any, item_features: Any = None, user_features: Any = None, num_threads: int = 1
    ) -> np.ndarray:
        """Return the scores of pairs of a user and an item.

        Parameters
        ----------
        user_ids : int or array of int, shape (n,)
            Row numbers. A single one stands for all pairs.
        item_ids : array of int, shape (n,)
            Row numbers.
        item_features, user_features : SciPy sparse matrix of shape (n_rows, n_features), or None, default None
            Needed if the model was fitted with such. Rows may be others than those of the fit.
        num_threads : int, default 1
            Number of threads, >= 1.

        Returns
        -------
        ndarray of float32, shape (n,)

        Raises
        ------
        NotFittedError
            Before `fit`. It is a ValueError.
        ValueError, TypeError
            If an argument is not as it must be, or an id is out of range.

        Examples
        --------
        >>> model = LightFM(loss="bpr").fit(scipy.sparse.coo_matrix([[1, 1, 0], [0, 1, 1]]))
        >>> model.predict([0, 0, 1], [0, 1, 2]).shape
        (3,)
        """
        _validation.check_lightfm_fitted(self)
        num_threads = _validation.check_at_least_one_thread(num_threads)
        pairs = _validation.check_ids_of_pairs(user_ids, item_ids)
        if not len(pairs[0]):
            return np.empty(0, dtype=np.float32)
        sides = zip(("user", "item"), pairs, (user_features, item_features), strict=True)
        (user_biases, users, user_places), (item_biases, items, item_places) = (self._rows_of(*side) for side in sides)
        catalogue = _retrieval.Items.of(items, _retrieval.NOTHING, item_biases)
        return _predictions.scores_of_pairs(
            users, catalogue, user_places, item_places, user_biases, effective_threads(num_threads)
        )

    def predict_rank(
        self,
        test_interactions: Any,
        train_interactions: Any = None,
        item_features: Any = None,
        user_features: Any = None,
        num_threads: int = 1,
        check_intersections: bool = True,
    ) -> scipy.sparse.csr_matrix:
        """Return the places that items have in the users' lists of all items, the best being 0.

        Parameters
        ----------
        test_interactions : SciPy sparse matrix of shape (n_users, n_items)
            The pairs to rank: what is stored, whatever its value.
        train_interactions : SciPy sparse matrix of shape (n_users, n_items) or None, default None
            What is left out of the lists.
        item_features, user_features : SciPy sparse matrix of shape (n_rows, n_features), or None, default None
            Needed if the model was fitted with such.
        num_threads : int, default 1
            Number of threads, >= 1.
        check_intersections : bool, default True
            Refuse test items that are training items, too.

        Returns
        -------
        csr_matrix of float32, shape (n_users, n_items)
            The entries of `test_interactions`; the value is the number of other items, not in `train_interactions`,
            with the same score or a higher one.

        Raises
        ------
        NotFittedError
            Before `fit`. It is a ValueError.
        ValueError, TypeError
            If an argument is not as it must be.

        Examples
        --------
        >>> interactions = scipy.sparse.csr_matrix([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = LightFM(loss="warp", random_state=0).fit(interactions, epochs=30)
        >>> model.predict_rank(interactions).max()
        np.float32(1.0)
        """
        _validation.check_lightfm_fitted(self)
        num_threads = _validation.check_at_least_one_thread(num_threads)
        test = _validation.check_stored_pairs("test_interactions", test_interactions)
        train = None
        if train_interactions is not None:
            train = _validation.check_stored_pairs("train_interactions", train_interactions, test.shape)
            if _validation.check_flag("check_intersections", check_intersections):
                _validation.check_disjoint(test, train)
        _, users = self._rows("user", user_features, test.shape[0])
        item_biases, items = self._rows("item", item_features, test.shape[1])
        catalogue = _retrieval.Items.of(items, _retrieval.NOTHING, item_biases)
        ranks = _predictions.ranks(users, catalogue, test, train, num_threads=effective_threads(num_threads))
        return scipy.sparse.csr_matrix(ranks)

    def get_item_representations(self, features: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the biases and vectors of items.

        Parameters
        ----------
        features : SciPy sparse matrix of shape (n_items, n_item_features), or None, default None
            None stands for the identity: `item_biases` and `item_embeddings` themselves.

        Returns
        -------
        item_biases : ndarray of float32, shape (n_items,)
        item_embeddings : ndarray of float32, shape (n_items, no_components)

        Raises
        ------
        NotFittedError
            Before `fit`. It is a ValueError.
        ValueError, TypeError
            If features are not as they must be.

        Examples
        --------
        >>> model = LightFM(loss="bpr").fit(scipy.sparse.coo_matrix([[1, 1, 0], [0, 1, 1]]))
        >>> biases, embeddings = model.get_item_representations(scipy.sparse.identity(3))
        >>> bool((embeddings == model.item_embeddings).all())
        True
        """
        return self._representations("item", features)

    def get_user_representations(self, features: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the biases and vectors of users, as `get_item_representations` does those of items.

        Parameters
        ----------
        features : SciPy sparse matrix of shape (n_users, n_user_features), or None, default None

        Returns
        -------
        user_biases : ndarray of float32, shape (n_users,)
        user_embeddings : ndarray of float32, shape (n_users, no_components)

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `get_item_representations`.

        Examples
        --------
        >>> model = LightFM(loss="bpr").fit(scipy.sparse.coo_matrix([[1, 1, 0], [0, 1, 1]]))
        >>> model.get_user_representations()[1].shape
        (2, 10)
        """
        return self._representations("user", features)

    def _representations(self, what: str, features: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return (biases, vectors) of rows of features, or of the features themselves."""
        _validation.check_lightfm_fitted(self)
        if features is None:
            return getattr(self, f"{what}_biases"), getattr(self, f"{what}_embeddings")
        return self._rows(what, features, getattr(features, "shape", (0,))[0])

    def _rows(self, what: str, features: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (biases, vectors) of the first rows."""
        embeddings, biases = self._arrays(what)
        if features is None:
            _validation.check_no_features_needed(what, n_rows, len(embeddings), are_rows=self._are_rows[what])
            return biases[:n_rows], embeddings[:n_rows]
        matrix = _validation.check_lightfm_features(what, features, n_rows, len(embeddings))
        return matrix @ biases, matrix @ embeddings

    def _rows_of(self, what: str, ids: np.ndarray, features: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (biases, vectors) of rows among which are those with the ids, and where these are among them."""
        n_rows = int(ids.max()) + 1
        if features is None or (n_rows <= len(ids) and ids[0] != ids[-1]):  # else it may be a single row
            return (*self._rows(what, features, n_rows), ids)
        known, places = np.unique(ids, return_inverse=True)
        embeddings, biases = self._arrays(what)
        some = _validation.check_lightfm_features(what, features, n_rows, len(embeddings))[known]
        return some @ biases, some @ embeddings, places

    def _arrays(self, what: str, *, finite: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return (embeddings, biases) of one side, which may have been assigned."""
        embeddings, biases = getattr(self, f"{what}_embeddings"), getattr(self, f"{what}_biases")
        return _validation.check_embeddings(what, embeddings, biases, self.no_components, finite=finite)

    # ---- parameters -------------------------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool, default True
            Makes no difference: no parameter has parameters.

        Returns
        -------
        dict

        Raises
        ------
        TypeError
            If `deep` is not True or False.

        Examples
        --------
        >>> LightFM(loss="warp").get_params()["loss"]
        'warp'
        """
        _validation.check_flag("deep", deep)
        return {name: getattr(self, name) for name in PARAMETERS}

    def set_params(self, **params: Any) -> LightFM:
        """Set some parameters.

        Parameters
        ----------
        **params
            As in the constructor.

        Returns
        -------
        LightFM
            This model.

        Raises
        ------
        ValueError, TypeError
            If there is no such parameter, or a value is not as it must be. Nothing is set then.

        Examples
        --------
        >>> LightFM().set_params(loss="bpr", no_components=30).no_components
        30
        """
        known = self.get_params()
        _validation.check_parameter_names(params, known)
        vars(self).update(_validation.check_lightfm_parameters(known | params, _training.LOSSES))
        return self


PARAMETERS = (
    "loss", "learning_schedule", "no_components", "learning_rate", "k", "n", "rho", "epsilon", "max_sampled",
    "item_alpha", "user_alpha", "random_state",
)  # fmt: skip
