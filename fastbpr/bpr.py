"""The model: parameters, training, and the lists it answers with."""

from __future__ import annotations

import inspect
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from fastbpr import _similarity, _storage, _tables, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._schedules import SCHEDULES, EpochSums, Positives, Step
from fastbpr._threads import effective_threads
from fastbpr.errors import TrainingError

DEFAULT_REGULARIZATION = 0.01
REGULARISED = ("user", "positive", "negative", "bias")
DEFAULT_SCALE = {"normal": 0.1, "xavier": 1.0}  # init_scale
RUNAWAY = 1000.0  # vectors of useful models have entries of a few units at most
DECAYS = ("constant", "linear")


class Epoch(NamedTuple):
    """One line of a fit's history."""

    epoch: int  # from 0
    loss: float  # mean of -ln(sigmoid(margin) + 1e-10) over the epoch's updates, each before its own update
    auc: float  # share of the epoch's triplets that were in the right order before their update
    learning_rate: float
    n_updates: int
    seconds: float


class BPR(FactorModel):
    """Bayesian Personalized Ranking for implicit feedback (Rendle et al., 2009).

    Learns one vector per user and per item so that items a user interacted with score above items they did not.
    For a triplet of user u, positive item i and negative item j,

        margin = p_u . (q_i - q_j) + b_i - b_j,    loss = -ln sigmoid(margin) + L2 penalties,

    and every update moves the three rows along the gradient, all from their values before the step.

    Parameters
    ----------
    factors : int, default 64
        Length of each vector, >= 1. Time and memory grow linearly with it. Multiples of 16 waste nothing.
    learning_rate : float, default 0.2
        Step size per triplet, > 0. Too high shows as a `TrainingError`.
    regularization : float or mapping, default 0.01
        L2 strength >= 0, applied to the rows that a triplet touches, so popular items are touched, and shrunk, more
        often. A mapping with any of the keys ``user``, ``positive``, ``negative``, ``bias`` sets them apart; those left
        out keep the default.
    iterations : int, default 100
        Number of epochs, >= 1. An epoch makes as many updates as there are interactions.
    num_threads : int, default 0
        0 uses every CPU that the process may use.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed. Notes say what it promises. A generator is drawn from once per fit.
    schedule : {"blocked", "hogwild"}, default "blocked"
        How an epoch goes through the interactions; see Notes.
    negatives : {"uniform"}, default "uniform"
        How negatives are drawn: uniformly from the items that are no positives of the user.
    item_bias : bool, default True
        Learn one bias per item. It takes up popularity, which then need not bend the vectors.
    init : {"normal", "xavier"}, default "normal"
        How vectors start: from a normal distribution with standard deviation `init_scale`, or uniformly within
        plus or minus ``init_scale * sqrt(6 / (n_rows + factors))``. Xavier's bound shrinks as the table grows, and a
        start near zero is slow to leave. Users without interactions, and biases, start at zero.
    init_scale : float or None, default None
        Size of the start, > 0; None stands for 0.1 (normal) and 1 (xavier).
    learning_rate_decay : {"linear", "constant"}, default "linear"
        ``linear``: epoch e of n uses ``learning_rate * (1 - e / n)``.
    verify_negative_samples : bool, default True
        Redraw a negative that is one of the user's positives, so that no update is lost or wrong. Users who have
        every item they could be compared with are passed over. False saves a little time on sparse data.
    similarity : {"cosine", "centred", "user-space"}, default "cosine"
        How `similar_items` compares items; training does not depend on it, and it may be set at any time. ``cosine``:
        the cosine of q_i and q_j. ``centred``: of q_i - m and q_j - m with m the mean of all items' vectors, which
        leaves out what all items have in common. ``user-space``: of P q_i and P q_j, the two items' scores (without
        bias) for all users, q_i' P'P q_j / sqrt(q_i' P'P q_i * q_j' P'P q_j), which stays the same when factors are
        rescaled or mixed in a way that leaves scores as they are.
    debias : None, default None
        Reserved for the mitigation of co-exposure bias.

    Attributes
    ----------
    user_factors : ndarray of float32, shape (n_users, factors)
        Read-only, as all fitted arrays; assign a new array to change one.
    item_factors : ndarray of float32, shape (n_items, factors)
    item_biases : ndarray of float32, shape (n_items,)
        Zeros without `item_bias`.
    history : list of Epoch
        Per epoch: ``epoch, loss, auc, learning_rate, n_updates, seconds``.
    user_labels, item_labels : ndarray or None
        Outside ids by row, when fitted to `Interactions`.
    item_names : ndarray of str or None
        Titles by row, where the `Interactions` had them.

    Notes
    -----
    With ``schedule="blocked"`` users and items are divided into blocks and threads work on blocks that share no row:
    a seed gives the same factors, bit for bit, on any number of threads (on one machine and installation; another
    instruction set may round differently). Items are divided anew each epoch, and negatives come from the positive's
    block, so that over the epochs they are uniform. With ``schedule="hogwild"`` threads update shared rows without
    locks and models differ slightly from run to run above one thread.

    Updates are applied one after another, but their margins, and so how far each goes, are computed for 32 of them at a
    time, from the vectors before the first: this lets a processor work on several. Lists are as good as without.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
    >>> ids, scores = model.similar_items(0, N=2)
    >>> ids
    array([0, 1], dtype=int32)
    """

    def __init__(
        self,
        factors: int = 64,
        learning_rate: float = 0.2,
        regularization: float | Mapping[str, float] = 0.01,
        iterations: int = 100,
        num_threads: int = 0,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        *,
        schedule: str = "blocked",
        negatives: str = "uniform",
        item_bias: bool = True,
        init: str = "normal",
        init_scale: float | None = None,
        learning_rate_decay: str = "linear",
        verify_negative_samples: bool = True,
        similarity: str = "cosine",
        debias: None = None,
    ) -> None:
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.iterations = iterations
        self.num_threads = num_threads
        self.random_state = random_state
        self.schedule = schedule
        self.negatives = negatives
        self.item_bias = item_bias
        self.init = init
        self.init_scale = init_scale
        self.learning_rate_decay = learning_rate_decay
        self.verify_negative_samples = verify_negative_samples
        self.similarity = similarity
        self.debias = debias
        self._check_parameters()
        self._set_fitted()

    def _check_parameters(self) -> None:
        check = _validation
        check.check_integer("factors", self.factors, minimum=1)
        check.check_number("learning_rate", self.learning_rate, above=0)
        check.check_strengths("regularization", self.regularization, REGULARISED, default=DEFAULT_REGULARIZATION)
        check.check_seed_kind("random_state", self.random_state)
        check.check_integer("iterations", self.iterations, minimum=1)
        check.check_num_threads(self.num_threads)
        check.check_choice("schedule", self.schedule, SCHEDULES)
        check.check_choice("negatives", self.negatives, ["uniform"])
        check.check_flag("item_bias", self.item_bias)
        check.check_choice("init", self.init, DEFAULT_SCALE)
        if self.init_scale is not None:
            check.check_number("init_scale", self.init_scale, above=0)
        check.check_choice("learning_rate_decay", self.learning_rate_decay, DECAYS)
        check.check_flag("verify_negative_samples", self.verify_negative_samples)
        check.check_choice("similarity", self.similarity, _similarity.MAPS)
        check.check_choice("debias", self.debias, [None])

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        user_items: Any,
        *,
        weights: str | None = None,
        show_progress: bool = True,
        callback: Callable[[int, float, int, int], bool | None] | None = None,
    ) -> BPR:
        """Learn the factors from scratch.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
            What is stored and not zero is a positive. Any format and dtype; duplicates count once. Never changed.
        weights : {None, "values", "ignore"}, default None
            What an interaction's update is multiplied with: the matrix's values over their mean, or nothing. None
            stands for ``"values"`` if `user_items` are `Interactions` made with weights, else for ``"ignore"``. Counts
            are best given as logarithms: a few very large weights need a smaller learning rate.
        show_progress : bool, default True
            Show a progress bar with the loss and training AUC of each epoch.
        callback : callable or None, default None
            Called after each epoch as ``callback(epoch, elapsed, correct, skipped)``, with the epoch's number from 0,
            its seconds, its number of triplets in the right order, and its number of interactions passed over. The
            factors and the history may be read at that time, and must be copied to be kept: training goes on in the
            same arrays. Training stops if it returns True.

        Returns
        -------
        BPR
            This model, fitted.

        Raises
        ------
        TypeError, ValueError
            If a parameter or `user_items` is not as it must be. A fitted model stays as it was.
        TrainingError
            If training diverges. A fitted model stays as it was.
        KeyboardInterrupt
            On Ctrl-C, within a fraction of a second (with very few items, at the end of the epoch). The model keeps
            what it had learned by then, as it does after an error in the callback.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = BPR(factors=8, iterations=5, random_state=0)
        >>> model = model.fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False, callback=lambda *_: True)
        >>> len(model.history)
        1
        """
        self._check_parameters()
        _validation.check_flag("show_progress", show_progress)
        _validation.check_callable("callback", callback)
        matrix, values = _validation.check_training_data(user_items, weights)
        positives = Positives.of(matrix, values)
        seed = _validation.check_seed("random_state", self.random_state)
        observed = np.diff(positives.indptr) > 0
        tables = self._initial_tables(matrix.shape, observed, np.random.default_rng(seed))
        labels = [getattr(user_items, name, None) for name in ("user_labels", "item_labels", "item_names")]
        history: list[Epoch] = []
        before = dict(self.__dict__)
        self._set_fitted(tables.views(), positives.liked(), history, *labels)
        try:
            try:
                for epoch, sums in self._epochs(positives, tables, seed, show_progress):
                    history.append(epoch)
                    self._compared.clear()  # the factors have moved
                    skipped = len(positives.indices) - sums.n_updates
                    if callback is not None and callback(epoch.epoch, epoch.seconds, sums.n_correct, skipped):
                        break
            finally:  # also after Ctrl-C, or an error in the callback: what was learned stays
                self._check_bounded(tables.users, tables.items, n_epochs=len(history))
                self._set_fitted(tables.unpack(), positives.liked(copy=True), history, *labels)
        except TrainingError:
            self.__dict__ = before
            raise
        return self

    def _initial_tables(self, shape: tuple[int, int], observed: np.ndarray, rng: np.random.Generator) -> _tables.Tables:
        """Draw the starting vectors; users that have nothing to learn from start, and stay, at zero."""
        factors = []
        for n_rows in shape:
            if self.init == "normal":
                rows = rng.standard_normal((n_rows, self.factors), dtype=np.float32)
                rows *= np.float32(DEFAULT_SCALE["normal"] if self.init_scale is None else self.init_scale)
            else:
                bound = math.sqrt(6 / (n_rows + self.factors))
                bound *= DEFAULT_SCALE["xavier"] if self.init_scale is None else self.init_scale
                rows = rng.random((n_rows, self.factors), dtype=np.float32)
                rows = (rows * 2 - 1) * np.float32(bound)
            factors.append(rows)
        factors[0][~observed] = 0
        return _tables.pack(*factors, np.zeros(shape[1], dtype=np.float32) if self.item_bias else None)

    def _epochs(
        self, positives: Positives, tables: _tables.Tables, seed: int, show_progress: bool
    ) -> Iterator[tuple[Epoch, EpochSums]]:
        """Train epoch by epoch."""
        num_threads = effective_threads(self.num_threads)
        schedule = SCHEDULES[self.schedule](positives, tables, self.verify_negative_samples, num_threads)
        strengths = _validation.check_strengths(
            "regularization", self.regularization, REGULARISED, default=DEFAULT_REGULARIZATION
        )
        with tqdm(total=self.iterations, disable=not show_progress, unit="epoch") as progress:
            for number in range(self.iterations):
                start = time.perf_counter()
                learning_rate = float(self.learning_rate)
                if self.learning_rate_decay == "linear":
                    learning_rate *= 1 - number / self.iterations
                step = Step(learning_rate, *(strengths[part] for part in REGULARISED))
                # Between slices of an epoch Python handles Ctrl-C; the last has the sums of all.
                *_, sums = schedule.run_epoch(tables, step, epoch_key(seed, number))
                n_updates = max(sums.n_updates, 1)
                loss, auc = sums.loss / n_updates, sums.n_correct / n_updates
                # A fit that runs away was seen to order pairs worse than guessing; all of it is looked at in the end.
                if not loss < math.log(2):
                    self._check_bounded(tables.users, tables.items, n_epochs=number)
                progress.set_postfix(loss=f"{loss:.4f}", auc=f"{auc:.4f}", refresh=False)
                progress.update()
                seconds = time.perf_counter() - start
                yield Epoch(number, loss, auc, learning_rate, sums.n_updates, seconds), sums

    def _check_bounded(self, *tables: np.ndarray, n_epochs: int) -> None:
        """Refuse factors that have run away. NaN is not below the bound either."""
        if not all(-RUNAWAY < table.min() <= table.max() < RUNAWAY for table in tables):
            raise TrainingError(self._divergence(n_epochs))

    def _divergence(self, n_epochs: int) -> str:
        return (
            f"Training diverged after {n_epochs} whole epochs with "
            f"learning_rate={self.learning_rate!r}, regularization={self.regularization!r}. "
            f"Lower learning_rate (try {self.learning_rate / 10:g}); with weights, make the large ones smaller, for "
            "instance by numpy.log1p. The model is as it was before fit."
        )

    # ---- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one file: factors, labels, titles, training positives, parameters and history.

        The file is a .npz without pickle, written under another name and then moved into place: if writing fails, an
        older file at `path` stays whole.

        Parameters
        ----------
        path : str or path
            Used as it is; no ending is added.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If labels are neither numbers nor strings.
        ValueError
            If parameters or arrays were changed so that they do not fit each other.
        OSError
            If the file cannot be written.
        """
        self._check_parameters()
        users, items, biases = _validation.check_tables(self)
        header = {
            "parameters": {name: _storage.jsonable(getattr(self, name)) for name in PARAMETERS},
            "history": [list(epoch) for epoch in self.history],
        }
        arrays = {name: getattr(self, name) for name in FITTED_ARRAYS if getattr(self, name) is not None}
        arrays |= {"user_factors": users, "item_factors": items, "item_biases": biases}
        arrays["liked_indptr"], arrays["liked_indices"] = self._liked
        _validation.check_model_arrays(path, header, arrays)
        _storage.write(path, header, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> BPR:
        """Read a model written by `save`.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        BPR
            Equal to the saved one, but for a `random_state` that was not an integer: that is None.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If the file is not a model, damaged, or of a newer version.
        """
        header, arrays = _storage.read(path)
        _validation.check_model_arrays(path, header, arrays)
        with _validation.whole_model(path, "has parameters or a history of another version", (TypeError, ValueError)):
            model = cls(**header["parameters"])
            history = [Epoch(*epoch) for epoch in header["history"]]
        factors = tuple(arrays[name] for name in ("user_factors", "item_factors", "item_biases"))
        labels = [arrays.get(name) for name in ("user_labels", "item_labels", "item_names")]
        model._set_fitted(factors, (arrays["liked_indptr"], arrays["liked_indices"]), history, *labels)
        return model

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in PARAMETERS[:6])
        if self.item_factors is None:
            return f"BPR({shown}), not fitted"
        return f"BPR({shown}), fitted to {len(self.user_factors):,} users and {len(self.item_factors):,} items"


PARAMETERS = tuple(name for name in inspect.signature(BPR.__init__).parameters if name != "self")
FITTED_ARRAYS = ("user_factors", "item_factors", "item_biases", "user_labels", "item_labels", "item_names")


def epoch_key(seed: int, epoch: int) -> int:
    """Key of one epoch's random streams."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
