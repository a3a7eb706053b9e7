"""Users and items that came after training: what a model makes of them without training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from fastbpr import _fold_in, _fold_in_items, _growth, _parameters, _validation
from fastbpr._factor_model import FactorModel
from fastbpr._negatives import Recipe
from fastbpr._schedules import Positives
from fastbpr._threads import effective_threads

Self = TypeVar("Self", bound="Newcomers")


class Newcomers(FactorModel):
    """What `BPR` does with users and items whom training has not seen."""

    def fold_in(self, user_items: Any) -> Self:
        """Return a model of other users and the same items, from what these users have, without training.

        The items' vectors and biases stay as they are. Each user's vector comes near the least value (within a few
        percent of it, but where vectors are long and it is about 0, as after ``warp`` with a high learning rate) of a
        bound of the loss that training lowers: with ``n`` negatives in a step, which all count (``softmax``) or of
        which the best does, the mean over the items i that the user has (of 4,000 at most) of
        ``ln(1 + n * mean(exp(s_j - s_i)))``, plus half the users' regularization (of 0.0001 at least) times the squared
        length of the vector. Here s are scores, and j goes through a sample of 800 items that the user has not, or of
        1,600 for an ``n`` over 8; ``warp`` and ``k-os-warp`` count as 2.7 times `max_sampled` negatives. The sample is
        the same for all users and in every call, so the same items give the same vector, bit for bit, whoever else is
        folded in and on any number of threads.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n, n_items)
            What each of n users has; they may be users of this model or not. What is stored and not zero counts, once,
            whatever its value. `Interactions` are matched with a model fitted to `Interactions` by item labels, and
            items that the model does not know are left out. Never changed.

        Returns
        -------
        BPR
            A model of this class, with these parameters, items and history, and with n users, whose labels are those of
            `user_items`. `recommend` leaves out what they have in `user_items`. A user without known items, or
            with all of the sample, gets a vector of zeros: lists by biases alone. This model is not changed.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `user_items` is not as it must be, or has no item that the model knows, or if factors are not finite.

        Examples
        --------
        Trained on two kinds of users, the model meets a third user, who has item 0.

        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> newcomer = model.fold_in(csr_array([[1, 0, 0, 0]]))
        >>> newcomer.recommend(0, N=1)[0]
        array([1], dtype=int32)
        """
        _, items, _ = _validation.check_tables(self, finite=True)
        matrix = _fold_in.items_of(user_items, self.item_labels, len(items))
        liked = Positives.of(matrix, None).liked(copy=True)
        users = self._vectors_of_users(*liked)
        return _growth.with_only(self, "user", None, users, liked, getattr(user_items, "user_labels", None))

    def fold_in_users(self, user_items: Any) -> np.ndarray:
        """Return the vectors of other users from what these users have, without training: those of `fold_in`.

        What is the same for all users is computed in the first call and kept for as long as the items' vectors and
        biases are the same read-only arrays, so that a service may ask for one user at a time.

        Parameters
        ----------
        user_items : Interactions, or SciPy sparse matrix or array of shape (n, n_items)
            What each of n users has, as in `fold_in`.

        Returns
        -------
        ndarray of float32, shape (n, factors)
            Scores are their products with ``item_factors``, plus ``item_biases``. Zeros for a user without known items.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `fold_in`.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> model.fold_in_users(csr_array([[1, 0, 0, 0], [0, 0, 1, 0]])).shape
        (2, 8)
        """
        n_items = len(_validation.check_vectors(self, "item_factors"))
        matrix = _fold_in.items_of(user_items, self.item_labels, n_items)
        return self._vectors_of_users(matrix.indptr, matrix.indices)

    def fold_in_items(self, item_users: Any, item_labels: Any = None, item_names: Any = None) -> Self:
        """Return a model with new items behind those that it has, from the users who have them, without training.

        The users' vectors, and the items that the model knows, stay as they are. Each new item's vector and bias are
        those with which the loss that training lowers is least: as an item of its users (of 4,000 at most), against a
        sample of 1,000 items, and as a negative of 4,000 interactions of other users, which count for as much as draws
        would choose the item in an epoch, with training's regularization for either role. ``dynamic`` negatives are the
        best of `n_candidates` here, too. Other negatives count as uniform, and whatever the loss, that of ``bpr`` is
        lowered; for ``softmax``, against the best of all the negatives drawn at a time. The same users give the same
        vector, bit for bit, whatever other items are folded in and on any number of threads.

        The more users an item has, the more its lists are those that training would give.

        Parameters
        ----------
        item_users : SciPy sparse matrix or array of shape (n, n_users), or Interactions
            Who has each of n new items, users of this model in its order. What is stored and not zero counts, once,
            whatever its value. `Interactions` are matched by user labels, if the model has them: users that it does not
            know, and items that it does, are left out. Never changed.
        item_labels : sequence of n labels, or None, default None
            Labels of the new items, needed if the model has labels, but for `Interactions`, which have them.
        item_names : sequence of n titles, or None, default None
            Titles, if the model has them. `Interactions` have them.

        Returns
        -------
        BPR
            A new model; this one is not changed. It has no index for lists of items: build it anew, where there was
            one. Rows of the new items follow the others, in the order given, and `recommend` leaves them out for the
            users who have them. An item without known users gets a vector of zeros, which is similar to nothing, and a
            bias below those of most items.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If an argument is not as it must be, if no user or no item of `Interactions` is left, or if factors are not
            finite.

        Examples
        --------
        Trained on two kinds of users, the model meets a new item, which a user of the first kind has.

        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> more = model.fold_in_items(csr_array([[1, 0, 0]]))
        >>> more.recommend(1, N=1)[0]
        array([4], dtype=int32)
        """
        factors = _validation.check_tables(self, finite=True)
        liked = _validation.check_likes_known(self._liked)
        users_of, item_labels, item_names = _fold_in_items.users_of(self, item_users, item_labels, item_names)
        negatives, n_draws = self._compared_with()[1], self._recipe().n_compared
        known = _fold_in_items.Known.of(
            factors, liked, negatives, self._strengths(), n_draws, self.settings["item_bias"]
        )
        rows = _fold_in_items.fold_in_items(users_of, known, effective_threads(self.num_threads))
        return _growth.with_rows(
            self, "item", *rows, item_labels, item_names, labelled=True, own=rows, users_of=users_of
        )

    def _vectors_of_users(self, indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the vectors of users who have these items, ascending."""
        (items, biases), _, compared = self._compared_with()
        draws, strength = _fold_in.draws_of(self._recipe()), self._strengths()["user"]
        threads = effective_threads(self.num_threads)
        return _fold_in.fold_in_users(items, biases, indptr, indices, strength, compared, draws, threads)

    def _recipe(self) -> Recipe:
        """Return what a step of training was."""
        return _parameters.recipe_of(SimpleNamespace(**self.settings))

    def _strengths(self) -> dict[str, float]:
        """Return the strengths of regularization in training, which must have compared items."""
        _validation.check_loss_over_pairs(self.settings["loss"])
        return _parameters.strengths_of(SimpleNamespace(**self.settings))

    def _compared_with(self) -> tuple[tuple[np.ndarray, np.ndarray], _fold_in.Negatives, _fold_in.Compared]:
        """Return the items' (vectors, biases), and what newcomers are compared with.

        Kept for as long as these arrays are the same and read-only, as `_compared_vectors` keeps its vectors.
        """
        arrays = _validation.check_vectors(self, "item_factors"), _validation.check_vectors(self, "item_biases", ndim=1)
        kept = self._compared.get("newcomers")
        if kept is None or any(
            one is not other or one.flags.writeable for one, other in zip(arrays, kept[0], strict=True)
        ):
            tables = _validation.check_tables(self, finite=True)[1:]
            negatives = _fold_in.Negatives.of(*tables)
            compared = _fold_in.Compared.for_draws(*tables, _fold_in.draws_of(self._recipe()))
            kept = self._compared["newcomers"] = (arrays, negatives, compared)
        return kept
