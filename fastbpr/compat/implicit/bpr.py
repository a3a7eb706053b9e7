"""implicit's BPR: its names, its shapes and its defaults, trained by fastbpr."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastbpr import BPR, _fitting, _parameters, _tables, _validation
from fastbpr._early_stopping import ValidationRules
from fastbpr._fitting import Start
from fastbpr._model_parameters import ModelParameters
from fastbpr._schedules import Positives
from fastbpr.bpr import PARAMETERS
from fastbpr.compat.implicit import utils
from fastbpr.compat.implicit._files import FACTORS, ImplicitFiles
from fastbpr.compat.implicit._vectors import MatrixFactorizationBase
from fastbpr.compat.implicit.recommender_base import ModelFitError
from fastbpr.errors import TrainingError

__all__ = ["BayesianPersonalizedRanking"]

# What implicit has no parameter for. The class's Notes say why it is this.
ENGINE = {
    "learning_rate_decay": "constant", "negatives": "popularity", "popularity_power": 0.25, "init": "normal",
    "init_scale": 0.05,
}  # fmt: skip


class Origin(NamedTuple):
    """What a `fastbpr.BPR` has beside its vectors, and implicit's models have not: for the way back."""

    parameters: dict[str, Any]
    settings: dict[str, Any]
    removed_directions: np.ndarray | None


class BayesianPersonalizedRanking(ImplicitFiles, ModelParameters, MatrixFactorizationBase):
    """Bayesian Personalized Ranking with the interface of implicit 0.7.

    Parameters
    ----------
    factors : int, default 100
        Length of each vector without the bias, >= 1.
    learning_rate : float, default 0.01
        Step size, > 0, the same in every epoch. It is small for 100 epochs, here as in implicit: `fastbpr.BPR` has
        other defaults, which learn more in the same time.
    regularization : float, default 0.01
        L2 strength >= 0.
    dtype : {numpy.float32, numpy.float64}, default numpy.float32
        Of factors and scores. Training and lists compute in single precision in any case.
    iterations : int, default 100
        Number of epochs, >= 0.
    num_threads : int, default 0
        0 uses every CPU that the process may use.
    verify_negative_samples : bool, default True
        Draw a negative anew that is one of the user's positives.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed. The same seed gives the same factors on any number of threads; they are others than implicit's.
    use_gpu : bool, default False
        Must be False.

    Attributes
    ----------
    user_factors : ndarray of `dtype`, shape (n_users, factors + 1)
        The last column is 1. None before `fit`.
    item_factors : ndarray of `dtype`, shape (n_items, factors + 1)
        The last column is the bias. None before `fit`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not as it must be.

    Notes
    -----
    What is not as in implicit 0.7.3, on purpose. In training:

    * It is the blocked schedule of `fastbpr.BPR`: every interaction once per epoch instead of draws with replacement,
      and a negative that is a positive is drawn again instead of skipped, so that an epoch makes as many updates as
      there are interactions.
    * An item is drawn as a negative in proportion to the fourth root of its number of users; in implicit in proportion
      to the number itself.
    * Vectors start from a normal distribution with standard deviation 0.05; implicit starts within plus or minus
      ``0.5 / factors``, from where its small default learning rate takes longer.
    * An item without users learns that nobody has it, from being drawn; in implicit it keeps a vector of zeros, before
      what is disliked.
    * A stored zero is no interaction; in implicit it is one, in spite of what it says.
    * The same seed gives the same factors on any number of threads; they are others than implicit's. `random_state` may
      be a ``RandomState``, and matrices of class ``csr_array`` are taken without a warning. No input is changed;
      implicit sorts the matrix.
    * A second `fit` goes on from the factors of the first, as in implicit, but refuses a matrix of another shape.
    * Training that diverges stops at once, with the model as it was; implicit goes on and leaves NaN.
    * Factors are read-only once fitted or loaded: assign a new array to change one.
    * Parameters are checked at once, and are in the order of ``implicit.cpu.bpr``: the function ``implicit.bpr`` has
      `use_gpu` before `num_threads`. There is no GPU: `use_gpu` and `to_gpu` are refused.
    * With ``dtype=numpy.float64``, computation is in single precision all the same.

    In lists:

    * They end in -1 where less remains than was asked for; implicit fills them with item 0, or with what was to be left
      out. Equal scores are ordered by id, but the item or user asked for is first among its neighbours.
    * With `items`, what the user has comes last, as in implicit, but also what is stored as zero, an item that is named
      twice is listed once, no items give an empty list of recommendations, and ids are int32.
    * Ids count from 0: negative ones, also in `filter_items`, are an IndexError; slices and masks a TypeError.
    * `user_items` must have as many columns as there are items; implicit takes fewer, and more.
    * Before `fit`, methods raise a `NotFittedError`; `recommend_all` works with `users_items_offset`.

    In files, `evaluation` and `utils`:

    * `load` refuses what is no model of this class or damaged, NaN among the factors, and compressed files; `save`
      refuses what it would refuse. A path without .npz is used as it is where there is no file with it.
    * Places with -1 are neither hits nor misses, so metrics are others where lists are longer than what remains. A
      stored zero is nothing to be found. An empty test part, or one of another shape, is a ValueError, and if it has
      everything, ``auc`` is NaN.
    * `leave_k_out_split` gives the same split for the same seed.
    * Other models than BPR, and what only they need, are not there.

    Negatives and start were chosen by measurement, with implicit's defaults: NDCG@10 by the definition of
    `evaluation.ndcg_at_k`, mean of three random splits.

    =============================================  ================  ===============  =======
    start; negatives                               lastfm (hetrec)   ml-latest-small  ml-100k
    =============================================  ================  ===============  =======
    implicit 0.7.3                                 .170              .205             .254
    normal, 0.05; fourth root of popularity        .191              .258             .358
    normal, 0.05; uniform                          .159              .245             .364
    normal, 0.05; popularity                       .179              .185             .199
    implicit's; uniform                            .079              .212             .322
    implicit's; popularity                         .171              .186             .225
    =============================================  ================  ===============  =======

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
    >>> model.fit(user_items, show_progress=False)
    >>> model.item_factors.shape
    (4, 9)
    >>> ids, cosines = model.similar_items(0, N=2)
    >>> ids
    array([0, 1], dtype=int32)
    """

    def __init__(
        self,
        factors: int = 100,
        learning_rate: float = 0.01,
        regularization: float = 0.01,
        dtype: Any = np.float32,
        iterations: int = 100,
        num_threads: int = 0,
        verify_negative_samples: bool = True,
        random_state: Any = None,
        *,
        use_gpu: bool = False,
    ) -> None:
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.dtype = dtype
        self.iterations = iterations
        self.num_threads = num_threads
        self.verify_negative_samples = verify_negative_samples
        self.random_state = random_state
        self.use_gpu = use_gpu
        self.user_factors = None
        self.item_factors = None
        self._n_epochs = 0  # that led to the factors
        self._kept = None  # by `_lists`
        self._origin: Origin | None = None  # of vectors that another class has learned
        self._check_parameters()

    def _check_parameters(self) -> None:
        """Refuse parameters that are not as they must be; a `dtype` by name becomes one."""
        self.dtype = _validation.check_float_type("dtype", self.dtype)
        _validation.check_no_gpu("use_gpu", self.use_gpu)
        self._engine()

    def _engine(self, random_state: np.random.Generator | None = None) -> BPR:
        """Return fastbpr's model with these parameters, which are checked; not fitted."""
        _validation.check_integer("factors", self.factors, minimum=1)
        _validation.check_number("regularization", self.regularization, minimum=0)
        iterations = max(_validation.check_integer("iterations", self.iterations, minimum=0), 1)
        return BPR(
            self.factors, self.learning_rate, self.regularization, iterations, self.num_threads, random_state,
            verify_negative_samples=self.verify_negative_samples, **ENGINE,
        )  # fmt: skip

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        user_items: Any,
        show_progress: bool = True,
        callback: Callable[[int, float, int, int], Any] | None = None,
    ) -> None:
        """Learn the factors; where there are some already, go on from them.

        Parameters
        ----------
        user_items : SciPy sparse matrix or array of shape (n_users, n_items)
            What is stored and not zero is a positive, whatever its value. Never changed. A matrix without any
            interaction, or with nothing to compare them with, leaves the factors as they start.
        show_progress : bool, default True
            Show a progress bar with the loss and training AUC of each epoch.
        callback : callable or None, default None
            Called after each epoch as ``callback(epoch, elapsed, correct, skipped)``, with the epoch's number from 0,
            its seconds, its number of triplets in the right order, and its number of interactions passed over. The
            model has the factors of that time. What it returns is not looked at; raise an exception to stop, and the
            model keeps what it has learned.

        Raises
        ------
        ModelFitError
            If training diverges. The model stays as it was.
        TypeError, ValueError
            If a parameter or an argument is not as it must be, or of another shape than in the first `fit`.

        Warns
        -----
        ParameterWarning
            If `user_items` is not in CSR format.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = BayesianPersonalizedRanking(factors=8, iterations=2, random_state=0)
        >>> model.fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False, callback=lambda epoch, *_: print(epoch))
        0
        1
        """
        _validation.check_flag("show_progress", show_progress)
        _validation.check_callable("callback", callback)
        positives = _validation.check_positives("user_items", utils.in_csr(user_items))
        before = {name: getattr(self, name) for name in FACTORS}
        _validation.check_same_size(positives.shape, self.factors, before)
        engine = self._engine(utils.check_random_state(self.random_state))
        if self.iterations == 0 or not can_learn(positives):
            self._stay_at_start(engine, positives, callback)
            return
        rules = ValidationRules.checked(None, "ndcg@20", None, None, False)
        if self.user_factors is None and self.item_factors is None:
            self._n_epochs = 0
        settings, start = engine._decided(positives), Start(self._factors_apart(), {}, self._n_epochs)
        training = _fitting.Fit.prepared(settings, positives, (positives, None), None, None, rules, start=start)
        if self.item_factors is None:
            training.training.tables.views()[1][per_column(positives) == 0] = 0

        def after_epoch(epoch: int, elapsed: float, correct: int, skipped: int) -> None:
            if callback is not None:
                self._take(engine.user_factors, engine.item_factors, engine.item_biases)
                callback(epoch, elapsed, correct, skipped)

        try:
            training.run(engine, show_progress, after_epoch)
        except TrainingError as error:
            vars(self).update(before)
            raise ModelFitError(str(error)) from error
        finally:  # also after Ctrl-C, or an error in the callback; after divergence the engine is not fitted
            if engine.item_factors is not None:
                self._take(engine.user_factors, engine.item_factors, engine.item_biases)
                self._n_epochs = engine._n_epochs

    def _stay_at_start(self, engine: BPR, positives: scipy.sparse.csr_array, callback: Callable | None) -> None:
        """Fit without learning: every interaction is passed over."""
        drawn = []
        for n_positives in (np.diff(positives.indptr), per_column(positives)):
            rows = _tables.starting_rows(
                len(n_positives), engine.factors, engine.init, engine.init_scale, engine.random_state
            )
            rows[n_positives == 0] = 0
            drawn.append(rows)
        drawn.append(np.zeros(len(drawn[1]), dtype=np.float32))
        known = self._factors_apart()
        self._take(*(new if old is None else old for new, old in zip(drawn, known, strict=True)))
        for epoch in range(self.iterations if callback is not None else 0):
            callback(epoch, 0.0, 0, positives.nnz)

    def _factors_apart(self) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """Return the factors as fastbpr has them: users, items and biases, each None where there are none yet."""
        users, items = self.user_factors, self.item_factors
        biases = None if items is None else items[:, -1]
        return *(None if table is None else table[:, :-1] for table in (users, items)), biases

    def _take(self, users: np.ndarray, items: np.ndarray, biases: np.ndarray) -> None:
        """Set the factors, in implicit's shape."""
        self.user_factors = with_last_column(users, 1, self.dtype)
        self.item_factors = with_last_column(items, biases, self.dtype)
        self._origin = None

    # ---- to and from fastbpr ----------------------------------------------------------------------------------------

    def to_fastbpr(self, user_items: Any = None) -> BPR:
        """Return a `fastbpr.BPR` with these vectors, biases apart: for all that implicit cannot do.

        Its `similar_items` leaves the bias out, its `fold_in` gives new users vectors, and its `save` writes a file
        for ``fastbpr.BPR.load`` and the ``fastbpr`` command. A model that came from a `fastbpr.BPR`, and was not fitted
        since, has the parameters and settings of that, but for `num_threads`; labels, titles and history are lost.

        Parameters
        ----------
        user_items : SciPy sparse matrix or array of shape (n_users, n_items), or None, default None
            What it was fitted to, so that `recommend` leaves it out. None: nothing.

        Returns
        -------
        fastbpr.BPR

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `user_items` is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BayesianPersonalizedRanking(factors=8, learning_rate=0.1, random_state=0)
        >>> model.fit(user_items, show_progress=False)
        >>> model.to_fastbpr().fold_in(csr_array([[1, 0, 0, 0]])).recommend(0, N=1)[0]
        array([1], dtype=int32)
        """
        shape = tuple(len(table) for table in _validation.check_whole_vectors(self))
        if user_items is None:
            user_items = scipy.sparse.csr_array(shape, dtype=np.float32)
        positives = _validation.check_user_items(
            "user_items", _validation.check_positives("user_items", user_items), shape=shape, allow_empty=True
        )
        origin = self._origin or Origin({}, {}, None)
        model = self._engine().set_params(**origin.parameters | {"num_threads": self.num_threads})
        settings = {name: getattr(model, name) for name in PARAMETERS} | origin.settings
        parts = tuple(part.astype(np.float32) for part in self._factors_apart())
        liked = Positives.of(positives, None).liked(copy=True)
        removed = origin.removed_directions
        model._set_fitted(parts, liked, history=[], settings=settings, removed_directions=removed)
        return model

    @classmethod
    def from_fastbpr(cls, model: BPR) -> BayesianPersonalizedRanking:
        """Return a model with implicit's interface from a fitted `fastbpr.BPR`.

        Parameters
        ----------
        model : fastbpr.BPR
            Is not changed. Labels are not taken over, and parameters that implicit does not have only for `to_fastbpr`:
            a further `fit` trains as this class does.

        Returns
        -------
        BayesianPersonalizedRanking

        Raises
        ------
        NotFittedError
            Before it is fitted.
        TypeError
            If it is not a `fastbpr.BPR`.
        ValueError
            If it has biases of users (``loss="logistic"``), without which its scores would be others.

        Examples
        --------
        >>> from fastbpr import BPR
        >>> from scipy.sparse import csr_array
        >>> model = BPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> BayesianPersonalizedRanking.from_fastbpr(model).user_factors.shape
        (2, 9)
        """
        _validation.check_instance("model", model, BPR)
        users, items, biases = _validation.check_tables(model)
        _validation.check_no_user_biases("model", model.user_biases)
        settings = SimpleNamespace(**model.settings)
        converted = cls(
            users.shape[1], settings.learning_rate, _parameters.strengths_of(settings)["user"],
            iterations=settings.iterations, num_threads=settings.num_threads,
            verify_negative_samples=settings.verify_negative_samples, random_state=settings.random_state,
        )  # fmt: skip
        converted._take(users, items, biases)
        known = ({name: part[name] for name in PARAMETERS} for part in (model.get_params(), model.settings))
        converted._origin = Origin(*known, model.removed_directions)
        return converted


def can_learn(positives: scipy.sparse.csr_array) -> bool:
    """Whether some user has an item to be compared with one that the user has not."""
    per_user = np.diff(positives.indptr)
    return bool(((per_user > 0) & (per_user < positives.shape[1])).any())


def per_column(positives: scipy.sparse.csr_array) -> np.ndarray:
    """Return how many users each item has."""
    return np.bincount(positives.indices, minlength=positives.shape[1])


def with_last_column(vectors: np.ndarray, last: Any, dtype: np.dtype) -> np.ndarray:
    """Return vectors with one more column, read-only."""
    table = np.empty((len(vectors), vectors.shape[1] + 1), dtype=dtype)
    table[:, :-1], table[:, -1] = vectors, last
    table.flags.writeable = False
    return table
