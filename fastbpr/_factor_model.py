"""What every model of user and item vectors can do once it has them: scores, lists, labels."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from fastbpr import _explanation, _labels, _retrieval, _similarity, _validation
from fastbpr._indexes import Indexed
from fastbpr._predictions import Predictions
from fastbpr._storage import StoredLabels
from fastbpr._threads import effective_threads

Kind = TypeVar("Kind", bound="FactorModel")


class Labels:
    """An attribute for labels; those still in a file, `StoredLabels`, are decoded when they are first asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        if model is None:
            return self
        labels = vars(model).get(self.name)
        if isinstance(labels, StoredLabels):
            labels = vars(model)[self.name] = labels.decoded()
        return labels

    def __set__(self, model: Any, labels: Any) -> None:
        vars(model)[self.name] = labels


class FactorModel(Indexed, Predictions):
    """Vectors and biases, and the lists that follow from them. `BPR` documents the attributes."""

    user_labels, item_labels, item_names = Labels(), Labels(), Labels()
    user_feature_names, item_feature_names = Labels(), Labels()  # of a model with features

    num_threads: int
    similarity: str

    def _set_fitted(
        self,
        factors: tuple[np.ndarray, np.ndarray, np.ndarray] | tuple[None, None, None] = (None, None, None),
        liked: Sequence[np.ndarray] | None = None,
        user_labels: np.ndarray | None = None,
        item_labels: np.ndarray | None = None,
        item_names: np.ndarray | None = None,
        *,
        history: list | None = None,
        settings: dict[str, Any] | None = None,
        debiasing: tuple | None = None,
        removed_directions: np.ndarray | None = None,
        user_biases: np.ndarray | None = None,
        components: dict[str, np.ndarray] | None = None,
        n_epochs: int = 0,
    ) -> None:
        """Set every fitted attribute, in one place."""
        components = components or {}
        for array in (*factors, removed_directions, user_biases, *components.values()):
            if array is not None:
                array.flags.writeable = False
        self.user_factors, self.item_factors, self.item_biases = factors
        self.user_biases = user_biases
        self.history = history
        self.settings = settings
        self.debiasing = debiasing
        self.user_labels = user_labels
        self.item_labels = item_labels
        self.item_names = item_names
        self.removed_directions = removed_directions
        self._n_epochs = n_epochs  # that led to the factors, of all fits that went on from one another
        self._components = components  # by name: what rows are sums of, if they are, and an optimiser's sums
        self._liked = liked  # (indptr, indices) of the training positives: what `recommend` leaves out
        self._compared: dict[str, tuple] = {}  # kept by `_compared_vectors`

    # ---- lists ------------------------------------------------------------------------------------------------------

    def recommend(
        self,
        userid: Any,
        user_items: Any = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the items that users would like next, best first.

        The score is ``p_u . q_i + b_i``. It orders items for one user; between users it means nothing. With biases of
        users (``loss="logistic"``) it is ``p_u . q_i + b_i + b_u``, the logarithm of the odds that the user wants it.

        Parameters
        ----------
        userid : int or array of int, shape (n,)
            Row number or row numbers, from 0 to n_users - 1.
        user_items : SciPy sparse matrix of shape (n, n_items) or None, default None
            What each of these users has already, one row per entry of `userid`. None stands for the training data.
        N : int, default 10
            Length of the lists, >= 1.
        filter_already_liked_items : bool, default True
            Leave out what the user has already.
        filter_items : array of int or None, default None
            Items to leave out for everybody.
        recalculate_user : bool, default False
            Compute the users' vectors from `user_items`, as `BPR.fold_in_users` does, in place of those of training.
            `userid` then only says how many users there are, and may be any numbers >= 0.
        items : array of int or None, default None
            The only items to choose from.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
            1-D for a single `userid`. Equal scores are ordered by id. Where fewer than N items remain, -1.
        scores : ndarray of float32, same shape
            Where fewer than N items remain, -inf.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If an argument is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> model.recommend(0, N=3)[0]
        array([ 2,  3, -1], dtype=int32)
        """
        user_factors, item_factors, item_biases = _validation.check_tables(self)
        n_users, n_items = len(user_factors), len(item_factors)
        recalculate = _validation.check_flag("recalculate_user", recalculate_user)
        n_rows = _validation.MAX_ROWS if recalculate else n_users
        users, single = _validation.check_ids("userid", userid, n_rows, what="user")
        N = _validation.check_integer("N", N, minimum=1)
        if recalculate:
            _validation.check_rows_given("user_items", user_items)
            rows_of_users = _validation.check_rows("user_items", user_items, (len(users), n_items))
            vectors = self._vectors_of_users(*rows_of_users)
        else:
            vectors = user_factors[users]
        liked = None
        if _validation.check_flag("filter_already_liked_items", filter_already_liked_items):
            if user_items is None:
                indptr, indices = _validation.check_likes_known(self._liked)
                rows = users
            else:
                indptr, indices = _validation.check_rows("user_items", user_items, (len(users), n_items))
                rows = range(len(users))
            liked = [indices[indptr[row] : indptr[row + 1]] for row in rows]
        ids, scores = self._top_k(
            "recommend",
            None,
            vectors,
            item_factors,
            N,
            candidates=_validation.check_candidates("items", items, "filter_items", filter_items, n_items, what="item"),
            excluded=liked,
            offset=item_biases,
            num_threads=effective_threads(self.num_threads),
        )
        if self.user_biases is not None:
            scores += _validation.check_user_biases(self, n_users)[users, None]
        return (ids[0], scores[0]) if single else (ids, scores)

    def _vectors_of_users(self, indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the vectors of users who have these items; refused by models that have no settings of a fit."""
        _validation.check_not_available("recalculate_user", True)

    def similar_items(
        self,
        itemid: Any,
        N: int = 10,
        filter_items: Any = None,
        items: Any = None,
        *,
        similarity: str | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar items by their vectors (the bias takes no part), the item itself first.

        Parameters
        ----------
        itemid : int or array of int, shape (n,)
            Row number or row numbers, from 0 to n_items - 1.
        N : int, default 10
            Length of the lists, >= 1, the item itself included.
        filter_items : array of int or None, default None
            Items to leave out; the item itself, too, if it is among them.
        items : array of int or None, default None
            The only items to choose from; the item itself is in its list only if it is among them.
        similarity : {"cosine", "centred", "user-space"} or None, default None
            How vectors are compared, as `BPR` describes. None stands for the model's own choice.

        Returns
        -------
        ids : ndarray of int32, shape (N,) or (n, N)
            1-D for a single `itemid`. Equal scores are ordered by id. Where fewer than N items remain, -1.
        scores : ndarray of float32, same shape
            Cosines of the vectors compared, from -1 to 1; 0 for one of zeros. Where fewer than N items remain, -inf.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        TypeError, ValueError
            If an argument is not as it must be.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> ids, cosines = model.similar_items([0, 3], N=2)
        >>> ids
        array([[0, 1],
               [3, 2]], dtype=int32)
        """
        if similarity is None:
            similarity = self.similarity
        _validation.check_choice("similarity", similarity, _similarity.MAPS)
        return self._similar("item", itemid, N, filter_items, items, similarity)

    def similar_users(
        self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the most similar users by cosine of their vectors, whatever the model's `similarity`, the user first.

        Parameters, results and errors are those of `similar_items`, with users for items, without `similarity`.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
        >>> model = BPR(factors=8, random_state=0).fit(user_items, show_progress=False)
        >>> model.similar_users(1, N=2)[0]
        array([1, 0], dtype=int32)
        """
        return self._similar("user", userid, N, filter_users, users, "cosine")

    def _similar(
        self,
        what: str,
        query: Any,
        n: int,
        left_out: Any,
        only: Any,
        similarity: str,
        *,
        num_threads: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours within the users' or the items' vectors; the query first, if it is a candidate.

        `num_threads` takes the place of the model's own, where given.
        """
        rows = _validation.check_vectors(self, f"{what}_factors")
        ids, single = _validation.check_ids(f"{what}id", query, len(rows), what=what)
        n = _validation.check_integer("N", n, minimum=1)
        candidates = _validation.check_candidates(f"{what}s", only, f"filter_{what}s", left_out, len(rows), what=what)
        rows, scale = self._compared_vectors(what, similarity)
        neighbours, cosines = self._top_k(
            f"similar_{what}s",
            similarity,
            rows[ids] * scale[ids, None],
            rows,
            n,
            candidates=candidates,
            excluded=ids[:, None],
            scale=scale,
            num_threads=effective_threads(self.num_threads if num_threads is None else num_threads),
        )
        itself = _retrieval.is_among(ids, candidates)
        neighbours[itself, 1:], cosines[itself, 1:] = neighbours[itself, :-1], cosines[itself, :-1]
        neighbours[itself, 0], cosines[itself, 0] = ids[itself], scale[ids[itself]] > 0
        return (neighbours[0], cosines[0]) if single else (neighbours, cosines)

    def _compared_vectors(self, what: str, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        """(vectors, 1 / lengths) whose cosine is the similarity of users or items.

        Kept, of the latest choice, for as long as the arrays they were computed from are the same and read-only.
        """
        rows = _validation.check_vectors(self, f"{what}_factors")
        others = _validation.check_tables(self)[0] if similarity == "user-space" else None
        removed = _validation.check_removed_directions(self, rows.shape[1]) if what == "item" else None
        sources = [array for array in (rows, others, removed) if array is not None]
        known, known_sources, compared = self._compared.get(what, (None, [], None))
        same = known == similarity and len(sources) == len(known_sources)
        same = same and all(map(operator.is_, sources, known_sources))
        if not same or any(array.flags.writeable for array in sources):
            compared = _similarity.compared_vectors(rows, others, similarity, removed)
            self._compared[what] = (similarity, sources, compared)
        return compared

    def score(self, userids: Any) -> np.ndarray:
        """Return the scores of all items for some users.

        Parameters
        ----------
        userids : int or array of int, shape (n,)
            Row numbers, from 0 to n_users - 1.

        Returns
        -------
        ndarray of float32, shape (n_items,) or (n, n_items)
            ``p_u . q_i + b_i``, and ``b_u`` where the model has biases of users.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> model = BPR(factors=8).fit(csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False)
        >>> model.score([0, 1]).shape
        (2, 3)
        """
        user_factors, item_factors, item_biases = _validation.check_tables(self)
        users, single = _validation.check_ids("userids", userids, len(user_factors), what="user")
        scores = _retrieval.score_block(
            user_factors[users],
            item_factors,
            offset=item_biases,
            num_threads=effective_threads(self.num_threads),
        )
        if self.user_biases is not None:
            scores += _validation.check_user_biases(self, len(user_factors))[users, None]
        return scores[0] if single else scores

    def explain(self, item: Any, neighbour: Any, user_items: Any = None) -> _explanation.Explanation:
        """Tell why one item is in another item's list: who has both, how that compares with chance, and more.

        Parameters
        ----------
        item : int
            Row number of the item whose list it is, from 0 to n_items - 1.
        neighbour : int
            Row number of another item, wherever it is in the list.
        user_items : Interactions, SciPy sparse matrix of shape (n_users, n_items) or None, default None
            Where to count users, and contexts if `Interactions` have them. None stands for the training positives,
            which a model keeps, without contexts. `Interactions` are matched with the model by item labels and may
            have other rows or users; a matrix, or a model without labels, must have the model's rows and columns.

        Returns
        -------
        Explanation
            Named numbers, documented there; ``print`` shows them in sentences.

        Raises
        ------
        NotFittedError
            Before `fit`.
        IndexError
            If an id is out of range.
        UnknownLabelError
            If `user_items` do not have one of the items.
        TypeError, ValueError
            If an argument is not as it must be, if both items are the same, or if factors are not finite.

        Examples
        --------
        >>> from fastbpr import BPR, Interactions
        >>> users = ["ann", "ann", "bob", "bob", "cat", "cat", "dan", "dan"]
        >>> log = Interactions.from_arrays(users, ["tea", "cup", "tea", "cup", "tea", "saw", "saw", "nail"])
        >>> model = BPR(factors=8, random_state=0).fit(log, show_progress=False)
        >>> explanation = model.explain(model.item_rows("tea"), model.item_rows("cup"))
        >>> explanation.shared_users, explanation.expected_shared_users
        (2, 1.5)
        >>> print(explanation)
        cup is number 1 of 3 in the list of tea, with a similarity of ...
        2 users have both: 67 % of the 3 who have the item and 100 % of the 2 who have the neighbour.
        By chance it would be 1.5: the two are together 1.3 times as often as that (co-occurrence cosine 0.82).
        The item is more popular than 75 % of all items, the neighbour than 25 %...
        """
        return _explanation.explain(self, item, neighbour, user_items)

    def _compared_otherwise(self: Kind, **attributes: Any) -> Kind:
        """Return a model with the same arrays that compares items in another way; this one is not changed."""
        other = self.without_index()
        other._compared = {}
        for value in attributes.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False  # so that what follows from it is kept
        vars(other).update(attributes)
        return other

    # ---- labels -----------------------------------------------------------------------------------------------------

    def user_rows(self, labels: Any) -> Any:
        """Return the row numbers of user labels: an int for one label, an array for a list of them.

        Raises `UnknownLabelError`, with the closest known labels, if a label is not known.
        """
        _validation.check_fitted(self)
        return _labels.rows_of(_validation.check_labelled("user", self.user_labels), labels, what="user")

    def item_rows(self, labels: Any) -> Any:
        """Return the row numbers of item labels: an int for one label, an array for a list of them.

        Raises `UnknownLabelError`, with the closest known labels and titles, if a label is not known.
        """
        _validation.check_fitted(self)
        known = _validation.check_labelled("item", self.item_labels)
        return _labels.rows_of(known, labels, what="item", names=self.item_names)
