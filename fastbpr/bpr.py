"""The model: parameters, training, and the lists it answers with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse

from fastbpr import _fitting, _parameters, _presets, _validation
from fastbpr._checkpoints import Checkpoints, State
from fastbpr._composition import NO_SIDES, Sides
from fastbpr._continuation import Continuation
from fastbpr._debias import Debias, debias_of, described
from fastbpr._early_stopping import ValidationRules
from fastbpr._fitting import NO_START, Start
from fastbpr._model_files import KINDS, ModelFiles
from fastbpr._model_parameters import ModelParameters
from fastbpr._newcomers import Newcomers


class BPR(Continuation, ModelFiles, ModelParameters, Newcomers):
    """Bayesian Personalized Ranking for implicit feedback (Rendle et al., 2009).

    Learns one vector per user and per item so that items a user interacted with score above items they did not.
    For a triplet of user u, positive item i and negative item j,

        margin = p_u . (q_i - q_j) + b_i - b_j,    loss = -ln sigmoid(margin) + L2 penalties,

    and every update moves the three rows along the gradient, all from their values before the step.

    Parameters
    ----------
    factors : int or "auto", default 64
        Length of each vector, >= 1. Time and memory grow linearly with it. Multiples of 16 waste nothing. ``"auto"``
        takes 64 to 256, the power of two nearest to a quarter of the root of the number of interactions.
    learning_rate : float, default 0.2
        Step size per triplet, > 0. Too high shows as a `TrainingError`.
    regularization : float, mapping or "auto", default 0.01
        L2 strength >= 0, applied to the rows that a triplet touches, so popular items are touched, and shrunk, more
        often. A mapping with any of the keys ``user``, ``positive``, ``negative``, ``bias`` sets them apart; those left
        out keep the default. ``"auto"`` takes 6 over ``n_interactions / sqrt(n_users * n_items)``, at most 0.1, for
        ``softmax``; half of it for other losses with ``dynamic`` negatives, an eighth with others.
    iterations : int, default 100
        Number of epochs, >= 1. An epoch makes as many updates as there are interactions.
    num_threads : int, default 0
        0 uses every CPU that the process may use.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default None
        Seed. Notes say what it promises. A generator is drawn from once per fit.
    schedule : {"blocked", "hogwild"}, default "blocked"
        How an epoch goes through the interactions; see Notes.
    loss : {"bpr", "warp", "softmax", "k-os-warp", "logistic"}, default "bpr"
        What is minimised. With the scores s_i of a positive and s_k of its negatives:

        * ``bpr``: the mean over the negatives of ``-ln sigmoid(s_i - s_k)`` (Rendle et al., 2009).
        * ``warp``: negatives are drawn until one scores above ``s_i - 1``, at most `max_sampled` times. If the N-th
          does, the positive's rank is about ``r = max(1, (n_items - 1) // N)``, and the pair moves with the constant
          pull ``(1 + 1/2 + .. + 1/r) / (1 + 1/2 + .. + 1/(n_items - 1))`` (Weston, Bengio & Usunier, 2011; their
          weight over its largest value, so that learning rates mean the same for all losses).
        * ``softmax``: ``-ln(exp(s_i) / (exp(s_i) + sum of exp(s_k - c_k)))``, of dot products, with the correction
          ``c_k = ln(n_items P(k))`` where negatives are drawn by popularity with probabilities P (Bengio & Senecal,
          2008), else 0. With one uniform negative it is ``bpr``.
        * ``k-os-warp``: `n_positives` of the user's positives are drawn with replacement (all are taken where there are
          no more) and scored; the one with rank `positive_rank` among them is the positive of a step of ``warp``, with
          its own weight (Weston, Yee & Weiss, 2013). Of n, which are fewer, it is the one with rank ``positive_rank *
          n / n_positives``, rounded up. With the hogwild schedule they are all of the user's positives; with the
          blocked schedule those in the block of items at hand, a new random part in each epoch, and there are so few
          blocks, but 4 at least, that users have about `n_positives` in one: fewer threads find work.
        * ``logistic``: ``-ln sigmoid(y (p_u . q_i + b_i + b_u))`` of every stored interaction by itself. Values of the
          matrix are signs, y = +1 for what a user wants and -1 for what the user does not want; others are refused. No
          negatives are drawn. Users have biases, too, `user_biases`, regularised as those of items. An item's row is
          regularised by the strength of ``positive`` or ``negative``, after the sign.
    negatives : {"uniform", "popularity", "dynamic", "adaptive"}, default "uniform"
        How negatives are drawn. What the user has is drawn again; after 64 vain draws, uniformly from the rest.

        * ``uniform``: every item with the same probability.
        * ``popularity``: item j with probability ``(1 - uniform_share) n_j**popularity_power / sum + uniform_share /
          n_items``; n_j is its number of users, at least 1.
        * ``dynamic``: the highest-scored of `n_candidates` uniform draws (Zhang et al., 2013). Lifts the first places
          of lists, the more so the less of the catalogue users have.
        * ``adaptive``: a factor f is drawn with a probability proportional to ``|p_uf|`` times its standard deviation
          over the items (the bias is a factor, too, for which users have 1), and a rank r with one proportional to
          ``exp(-r / (adaptive_rank * n_items))``: the item with this rank in the factor's order, from the end that the
          user likes (Rendle & Freudenthaler, 2014). The orders are made in the background, of factors that are at most
          ten epochs old.

        The blocked schedule draws from the block of items that the positive is in, a new random part of the catalogue
        in each epoch: read the distributions with the block for the catalogue.
    n_negatives : int, default 1
        Negatives for each positive and epoch, from 1 to 1024, for ``bpr`` and ``softmax``.
    n_candidates : int or "auto", default 16
        Draws of which ``dynamic`` takes the best, from 1 to 1024. ``"auto"`` takes 1 to 64, the power of two nearest to
        0.05 over the share of the catalogue that users have; not more than 256 over `n_negatives` for ``softmax``.
    max_sampled : int, default 10
        Draws for ``warp`` and ``k-os-warp``, from 1 to 1024.
    n_positives : int, default 10
        Positives of which ``k-os-warp`` takes one, from 1 to 1024.
    positive_rank : int, default 5
        Which of them, by score, from 1, the best, to `n_positives`. The higher the rank, the more it matters that all
        of a user's positives come early in the list; the lower, that some come first.
    popularity_power : float, default 0.75
        Exponent of ``popularity``: 0 is uniform, below 0 prefers rare items.
    uniform_share : float, default 0.0
        Share of ``popularity`` that is uniform, from 0 to 1.
    adaptive_rank : float, default 0.01
        Mean rank of ``adaptive`` as a share of the catalogue, > 0.
    given_share : float, default 0.5
        Share of a user's negatives that are taken from those given to `fit`, where the user has any, from 0 to 1.
    optimizer : {"sgd", "adagrad", "adadelta"}, default "sgd"
        ``adagrad`` divides the learning rate by the root of 0.1 plus a row's sum of squared gradients (of their mean
        over the factors; Duchi, Hazan & Singer, 2011): one number for each row and each bias, so rare items keep larger
        steps. ``adadelta`` multiplies it by ``sqrt((E[u**2] + epsilon) / (E[g**2] + epsilon))``, with running means of
        the squares of a row's gradients g and of its updates u, without the learning rate, up to the step before
        (Zeiler, 2012); Zeiler has a `learning_rate` of 1.
    rho : float, default 0.95
        Share of its past that a running mean of ``adadelta`` keeps in a step, from 0 to 1.
    epsilon : float, default 1e-6
        What ``adadelta`` adds to the means, > 0 (1e-30 at least); the larger, the larger its first steps.
    item_bias : bool, default True
        Learn one bias per item. It takes up popularity, which then need not bend the vectors.
    init : {"normal", "xavier"}, default "normal"
        How vectors start: from a normal distribution with standard deviation `init_scale`, or uniformly within
        plus or minus ``init_scale * sqrt(6 / (n_rows + factors))``. Xavier's bound shrinks as the table grows, and a
        start near zero is slow to leave. Users without interactions, and biases, start at zero.
    init_scale : float or None, default None
        Size of the start, > 0; None stands for 0.1 (normal) and 1 (xavier).
    learning_rate_decay : {"linear", "constant", "step"}, default "linear"
        ``linear``: epoch e of n, from 0, uses ``learning_rate * (1 - e / n)``. ``step``: half of it after every quarter
        of the epochs.
    verify_negative_samples : bool, default True
        Redraw a negative that is one of the user's positives, so that no update is lost or wrong. Users who have
        every item they could be compared with are passed over. False saves a little time on sparse data.
    similarity : {"cosine", "centred", "user-space"}, default "cosine"
        How `similar_items` compares items; training does not depend on it, and it may be set at any time. ``cosine``:
        the cosine of q_i and q_j. ``centred``: of q_i - m and q_j - m with m the mean of all items' vectors, which
        leaves out what all items have in common. ``user-space``: of P q_i and P q_j, the two items' scores (without
        bias) for all users, q_i' P'P q_j / sqrt(q_i' P'P q_i * q_j' P'P q_j), which stays the same when factors are
        rescaled or mixed in a way that leaves scores as they are.
    debias : None, {"context", "context-strong"} or fastbpr.exposure.Debias, default None
        What training does against co-exposure bias: items that look alike only because they shared a page. Needs
        `Interactions` with contexts. ``"context"`` and ``"context-strong"`` were chosen by measurement: they let what
        a visitor does at once on one page count for less than one interaction, the less the more it is, and more so
        the strong one (`fastbpr.exposure.DEBIAS_PRESETS`). A mapping of `Debias`'s parameters is taken, too.

    Attributes
    ----------
    user_factors : ndarray of float32, shape (n_users, factors)
        Read-only, as all fitted arrays; assign a new array to change one.
    item_factors : ndarray of float32, shape (n_items, factors)
    item_biases : ndarray of float32, shape (n_items,)
        Zeros without `item_bias`.
    user_biases : ndarray of float32, shape (n_users,), or None
        With the loss ``logistic`` only: None for losses over pairs of items, in which it would cancel.
    settings : dict
        The parameters of the last fit, with what the data decided in place of ``"auto"``.
    history : list of Epoch
        Per epoch: ``epoch, loss, auc, learning_rate, n_updates, seconds, validation``; the last is None where there
        was no validation.
    best_epoch : int or None
        The epoch with the best validation, from 0, whose factors these are. None without validation.
    user_labels, item_labels : ndarray or None
        Outside ids by row, when fitted to `Interactions`.
    item_names : ndarray of str or None
        Titles by row, where the `Interactions` had them.
    removed_directions : ndarray of float32, shape (n, factors), or None
        What `fastbpr.exposure.without_context_directions` takes out of item vectors where items are compared. None
        after `fit`.

    Notes
    -----
    With ``schedule="blocked"`` users and items are divided into blocks and threads work on blocks that share no row:
    a seed gives the same factors, bit for bit, on any number of threads (on one machine and installation; another
    instruction set may round differently). Items are divided anew each epoch, and negatives come from the positive's
    block, so that over the epochs they are uniform. With ``schedule="hogwild"`` threads update shared rows without
    locks and models differ slightly from run to run above one thread.

    Updates are applied one after another, but their margins, and so how far each goes, are computed for 32 of them at a
    time, from the vectors before the first: this lets a processor work on several. Lists are as good as without.

    Many threads of a program may query one model at once: the lists are those of one thread, and Python's global lock
    is released while they are made. Each such thread brings `num_threads` threads of its own, so give a server's model
    ``num_threads=1``. No thread may use a model while another fits it, or changes its arrays: fit,
    or go on with, ``copy.copy(model)``, which leaves the model as it is, and put the result in its place.

    A model can be pickled, copied and cloned by scikit-learn. A subclass with parameters of its own takes and stores
    them, unchanged, and hands the others on; the rest follows: ::

        class ShopModel(BPR):
            def __init__(self, shop="north", **others):
                self.shop = shop
                super().__init__(**others)

    Files keep numbers, texts, lists and mappings of them; ``ShopModel.load`` reads what a `ShopModel` has saved.

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
        factors: int | str = 64,
        learning_rate: float = 0.2,
        regularization: float | Mapping[str, float] | str = 0.01,
        iterations: int = 100,
        num_threads: int = 0,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        *,
        schedule: str = "blocked",
        loss: str = "bpr",
        negatives: str = "uniform",
        n_negatives: int = 1,
        n_candidates: int | str = 16,
        max_sampled: int = 10,
        n_positives: int = 10,
        positive_rank: int = 5,
        popularity_power: float = 0.75,
        uniform_share: float = 0.0,
        adaptive_rank: float = 0.01,
        given_share: float = 0.5,
        optimizer: str = "sgd",
        rho: float = 0.95,
        epsilon: float = 1e-6,
        item_bias: bool = True,
        init: str = "normal",
        init_scale: float | None = None,
        learning_rate_decay: str = "linear",
        verify_negative_samples: bool = True,
        similarity: str = "cosine",
        debias: Debias | Mapping[str, Any] | str | None = None,
    ) -> None:
        self.factors = factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.iterations = iterations
        self.num_threads = num_threads
        self.random_state = random_state
        self.schedule = schedule
        self.loss = loss
        self.negatives = negatives
        self.n_negatives = n_negatives
        self.n_candidates = n_candidates
        self.max_sampled = max_sampled
        self.n_positives = n_positives
        self.positive_rank = positive_rank
        self.popularity_power = popularity_power
        self.uniform_share = uniform_share
        self.adaptive_rank = adaptive_rank
        self.given_share = given_share
        self.optimizer = optimizer
        self.rho = rho
        self.epsilon = epsilon
        self.item_bias = item_bias
        self.init = init
        self.init_scale = init_scale
        self.learning_rate_decay = learning_rate_decay
        self.verify_negative_samples = verify_negative_samples
        self.similarity = similarity
        self.debias = debias
        self._check_parameters()
        self._set_fitted()

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> BPR:
        """Return an unfitted model with settings that suit most data.

        What depends on the data is ``"auto"`` and decided by `fit`; ``model.settings`` then tells what it was.

        Parameters
        ----------
        name : {"fast", "balanced", "best"}
            ``fast``: 32 factors, 20 epochs, negatives that are the best of 4: for a first look, and for very large
            data. ``balanced``: 64 factors, 40 epochs, negatives the harder the sparser the data are. ``best``: 64 to
            256 factors, 80 epochs, and a softmax over 8 such negatives.
        **overrides
            Parameters of `BPR` that are to be other than the preset's.

        Returns
        -------
        BPR

        Raises
        ------
        TypeError, ValueError
            If there is no such preset or parameter, or a value is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = BPR.preset("balanced", factors=8, random_state=0)
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model.fit(user_items, show_progress=False).settings["n_candidates"]
        4
        """
        _validation.check_choice("name", name, _presets.PRESETS)
        _validation.check_known_names("overrides", overrides, cls._parameter_names())
        return cls(**_presets.PRESETS[name] | overrides)

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best validation, the first of several, or None without validation."""
        validated = [epoch for epoch in self.history or [] if epoch.validation is not None]
        return max(validated, key=lambda epoch: epoch.validation).epoch if validated else None

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        user_items: Any,
        *,
        validation: Any = None,
        patience: int | None = None,
        metric: str = "ndcg@20",
        validate_every: int | None = None,
        validation_users: int | None = 2000,
        weights: Any = None,
        negatives: Any = None,
        show_progress: bool = True,
        callback: Callable[[int, float, int, int], bool | None] | None = None,
        checkpoint: str | os.PathLike | None = None,
        every: int | None = None,
        resume: str | os.PathLike | bool = False,
    ) -> BPR:
        """Learn the factors from scratch, or go on where an interrupted fit was.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items)
            What is stored and not zero is a positive. Any format and dtype; duplicates count once. Never changed. With
            ``loss="logistic"`` a matrix has +1 for what users want and -1 for what they do not want, and nothing else;
            both are known to `recommend`, which leaves them out. `Interactions` are all +1.
        validation : Interactions, or SciPy sparse matrix or array of shape (n_users, n_items), or None, default None
            Held-out interactions, such as the second part of a `fastbpr.splitting.leave_one_out`, by which epochs are
            compared: the model ends with the factors of the epoch that was best by `metric`, of several the first.
            Entries that are in `user_items`, too, do not count. What was chosen by these interactions looks better on
            them than it is: judge the model by others.
        patience : int or None, default None
            Stop after this many validations in a row, >= 1, without a new best. None trains all `iterations`. The
            learning rate decays over `iterations` in any case: with "linear", a fit that stops early has not come to
            its small steps, and one with that many iterations from the start may be better.
        metric : str, default "ndcg@20"
            One of the metrics of `fastbpr.evaluation.evaluate` with its length: ``hr@K``, ``recall@K``,
            ``precision@K``, ``ndcg@K``, ``map@K``, ``mrr`` or ``auc``. The value is what `evaluate` returns.
        validate_every : int or None, default None
            Number of epochs, >= 1, from one validation to the next; the last of `iterations` is always validated. None
            chooses, by the sizes of the data alone, so many that validation is about as much work as training, or
            less.
        validation_users : int or None, default 2000
            Validate on this many users, >= 1, drawn among those who have something held out, always the same ones. The
            value then has a standard error of s / sqrt(validation_users), s being the metric's standard deviation over
            users, which is 0.5 at most: 0.011 at most for 2000 users. Differences between epochs are more exact than
            that, as the users are the same. None stands for all users.
        weights : None, "values", "ignore", Interactions, or SciPy sparse matrix or array, default None
            What an interaction's update is multiplied with: the values of `user_items` over their mean, nothing, or
            the values, > 0, of a matrix with entries in the same places over their mean. None stands for ``"values"``
            if `user_items` are `Interactions` made with weights, else for ``"ignore"``. Counts are best given as
            logarithms: a few very large weights need a smaller learning rate.
        negatives : Interactions, SciPy sparse matrix or array of shape (n_users, n_items), or None, default None
            What users are known not to want: explicit dislikes, items that were shown and not clicked. A share
            `given_share` of the negatives of users who have any is drawn uniformly from their own. What is among the
            user's positives, too, is one of these and left out. With the blocked schedule a given negative meets only
            positives in its own block, so users with few of them see them less often than asked; the number of blocks
            is lowered for it, to not less than 4.
        show_progress : bool, default True
            Show a progress bar with the loss and training AUC of each epoch, and the last validation.
        callback : callable or None, default None
            Called after each epoch as ``callback(epoch, elapsed, correct, skipped)``, with the epoch's number from 0,
            its seconds, its number of triplets in the right order, and its number of interactions passed over. The
            factors and the history may be read at that time, and must be copied to be kept: training goes on in the
            same arrays. Training stops if it returns True; the model then keeps the best epoch that was validated, if
            any was.
        checkpoint : path or None, default None
            Write the model there in the course of training, before the callback of the epoch, so that a fit that is
            interrupted, even by ``kill -9``, can be resumed. It is a model file like those of `save`, as the model
            would be if training stopped there, with what training needs to go on (with `validation`, a second set of
            factors). It takes the place of the one before when it is whole, and is written once more at the end.
        every : int or None, default None
            Number of epochs, >= 1, from one checkpoint to the next. None writes after every epoch, or, where that is
            more than a tenth of the time, after as many as keep it to that. As an order of size, 10 million
            interactions of 400,000 users and items with 64 factors take 1.4 s for an epoch and 0.5 s for a checkpoint
            of 145 MB, on two cores.
        resume : path or bool, default False
            A checkpoint to go on from, True for `checkpoint` if there is such a file, to what the fit would have come
            to: with the blocked schedule, or one thread, to the same bits. All else must be as in the fit that wrote
            it, but for `num_threads`, `show_progress`, `callback` and where and how often checkpoints are written; a
            generator as `random_state` is not drawn from. A fit that had come to its end, by its `iterations` or by
            `patience`, is not trained again; one that the callback stopped goes on.

        Returns
        -------
        BPR
            This model, fitted.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not as it must be, or not as it was in the fit to resume. A fitted model
            stays as it was.
        FileNotFoundError, ModelFileError
            If there is no checkpoint `resume`, or it is not a whole one.
        OSError
            If a checkpoint cannot be written. The model keeps what it had learned by then.
        TrainingError
            If training diverges. A fitted model stays as it was.
        KeyboardInterrupt
            On Ctrl-C, within a fraction of a second (with very few items, at the end of the epoch). The model keeps
            what it had learned by then, as it does after an error in the callback: the best so far, if validated. A
            checkpoint stays that of the last whole epoch it was written after.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> model = BPR(factors=8, iterations=5, random_state=0)
        >>> model = model.fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False, callback=lambda *_: True)
        >>> len(model.history)
        1

        Item 2 was held out for user 0, who has nothing else to be recommended:

        >>> train, held_out = csr_array([[1, 1, 0], [0, 1, 1]]), csr_array([[0, 0, 1], [0, 0, 0]])
        >>> model = model.fit(train, validation=held_out, metric="mrr", patience=2, show_progress=False)
        >>> model.best_epoch, [epoch.validation for epoch in model.history]
        (0, [1.0, 1.0, 1.0])

        A program that is started again when it was killed goes on where it was:

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     run = {"checkpoint": Path(folder, "run.npz"), "resume": True, "show_progress": False}
        ...     model = model.fit(train, **run)
        """
        return self._train(
            user_items, validation=validation, patience=patience, metric=metric, validate_every=validate_every,
            validation_users=validation_users, weights=weights, negatives=negatives, show_progress=show_progress,
            callback=callback, checkpoint=checkpoint, every=every, resume=resume,
        )  # fmt: skip

    def _train(
        self,
        user_items: Any,
        *,
        validation: Any = None,
        patience: int | None = None,
        metric: str = "ndcg@20",
        validate_every: int | None = None,
        validation_users: int | None = 2000,
        weights: Any = None,
        negatives: Any = None,
        show_progress: bool = True,
        callback: Callable[[int, float, int, int], bool | None] | None = None,
        checkpoint: str | os.PathLike | None = None,
        every: int | None = None,
        resume: str | os.PathLike | bool = False,
        sides: Sides = NO_SIDES,
        start: Start = NO_START,
        overrides: Mapping[str, Any] | None = None,
    ) -> BPR:
        """Learn what rows are composed of, if they are; from the start; with some parameters other than the model's."""
        self._check_parameters()
        _validation.check_flag("show_progress", show_progress)
        _validation.check_callable("callback", callback)
        resumed = _validation.check_checkpoint(checkpoint, every, resume)
        rules = ValidationRules.checked(patience, metric, validate_every, validation_users, validation is not None)
        _validation.check_loss_with(self.loss, self.debias, negatives)
        data = _validation.check_training_data(user_items, weights, signed=self.loss == "logistic")
        settings = self._decided(data[0], overrides)
        state = None
        if resumed is not None:
            state = State.read(resumed, self, KINDS)
            state.check_settings(vars(settings) | {"debias": described(debias_of(settings.debias))}, rules)
        checkpoints = Checkpoints(checkpoint, every, state)
        fit = _fitting.Fit.prepared(
            settings, user_items, data, negatives, validation, rules, sides, start, checkpoints, state
        )
        fit.run(self, show_progress, callback)
        return self

    @classmethod
    def _fit_options(cls) -> tuple[str, ...]:
        """Return the names of what may be given to `fit` beside the data."""
        return tuple(inspect.signature(BPR.fit).parameters)[2:]

    def _check_parameters(self) -> None:
        """Refuse parameters that are not as they must be."""
        _parameters.check_parameters(self)

    def _decided(self, matrix: scipy.sparse.csr_array, overrides: Mapping[str, Any] | None = None) -> SimpleNamespace:
        """Return the parameters with what the training matrix decides in place of ``"auto"``."""
        return _fitting.decided(self.get_params() | (overrides or {}), matrix)

    def __repr__(self) -> str:
        known = next(kind for kind in reversed(KINDS.values()) if isinstance(self, kind))._parameter_names()
        shown = f"{type(self).__name__}({self._shown_parameters(known)})"
        if self.item_factors is None:
            return f"{shown}, not fitted"
        return f"{shown}, fitted to {len(self.user_factors):,} users and {len(self.item_factors):,} items"


DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(BPR).parameters.items()}
PARAMETERS = tuple(DEFAULTS)
KINDS["bpr"] = BPR
