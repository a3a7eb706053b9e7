"""What implicit's models have in common."""

from __future__ import annotations

import abc
import warnings
from typing import Any

import numpy as np

from fastbpr.errors import TrainingError

__all__ = ["ModelFitError", "RecommenderBase"]


class ModelFitError(TrainingError):
    """Training left the finite numbers; the message says what to change."""


class RecommenderBase(abc.ABC):
    """The methods of a recommender, for ``isinstance`` and for models of your own."""

    @abc.abstractmethod
    def fit(self, user_items: Any, show_progress: bool = True, callback: Any = None) -> None:
        """Learn from a sparse matrix of shape (n_users, n_items)."""

    @abc.abstractmethod
    def recommend(
        self,
        userid: Any,
        user_items: Any,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (ids, scores) of the items that users would like next."""

    @abc.abstractmethod
    def similar_users(
        self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (ids, scores) of the most similar users."""

    @abc.abstractmethod
    def similar_items(
        self,
        itemid: Any,
        N: int = 10,
        recalculate_item: bool = False,
        item_users: Any = None,
        filter_items: Any = None,
        items: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (ids, scores) of the most similar items."""

    @abc.abstractmethod
    def save(self, fileobj_or_path: Any) -> None:
        """Write the model to a .npz file."""

    @classmethod
    @abc.abstractmethod
    def load(cls, fileobj_or_path: Any) -> RecommenderBase:
        """Read a model that was saved."""

    def rank_items(
        self, userid: Any, user_items: Any, selected_items: Any, recalculate_user: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `recommend` returns with ``items=selected_items``, liked ones among them. Deprecated.

        The lists have at most 10 places, as in implicit: pass ``N`` to `recommend` instead.
        """
        warnings.warn(
            "rank_items is deprecated: use recommend(userid, user_items, items=...).", DeprecationWarning, stacklevel=2
        )
        return self.recommend(
            userid,
            user_items,
            filter_already_liked_items=False,
            recalculate_user=recalculate_user,
            items=selected_items,
        )
