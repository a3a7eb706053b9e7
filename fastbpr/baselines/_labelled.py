"""What every baseline keeps of the interactions that it was fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbpr import _labels


class Labelled:
    """Outside ids and titles by row, as `BPR` has them; None before `fit`, and where it was given a matrix."""

    user_labels: np.ndarray | None = None
    item_labels: np.ndarray | None = None
    item_names: np.ndarray | None = None

    def _keep_labels(self, user_items: Any) -> None:
        """Take the labels of `Interactions`, none of a matrix."""
        self.user_labels, self.item_labels, self.item_names = _labels.labels_of(user_items)
