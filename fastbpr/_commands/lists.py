"""Ranked lists of items, printed."""

from __future__ import annotations

import numpy as np

from fastbpr._commands.models import labels_of
from fastbpr._commands.printing import print_table
from fastbpr.bpr import BPR


def print_items(model: BPR, rows: np.ndarray, scores: np.ndarray, score_name: str) -> None:
    """Print a ranked list of items; rows of -1, for a list that is too short, are left out."""
    labels, names = labels_of(model, "item"), model.item_names
    found = [(int(row), float(score)) for row, score in zip(rows, scores, strict=True) if row >= 0]
    cells = [[rank, str(labels[row]), score] for rank, (row, score) in enumerate(found, start=1)]
    header = ["rank", "label", score_name]
    if names is not None:
        header.append("name")
        cells = [[*line, names[row] or ""] for line, (row, _) in zip(cells, found, strict=True)]
    print_table(header, cells)
