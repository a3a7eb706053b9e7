"""What commands do with models: train, read, look rows up."""

from __future__ import annotations

import shlex
import time
from typing import Any

import numpy as np

from fastbpr import _labels, _validation
from fastbpr._commands.printing import note
from fastbpr._threads import effective_threads
from fastbpr.bpr import BPR
from fastbpr.errors import UnknownLabelError
from fastbpr.interactions import Interactions


def train(model: BPR, interactions: Interactions, *, show_progress: bool, **options: Any) -> None:
    """Fit the model, and tell how long it took."""
    start = time.perf_counter()
    model.fit(interactions, show_progress=show_progress, **options)
    if show_progress:
        threads = effective_threads(model.num_threads)
        seconds = time.perf_counter() - start
        note(f"Trained in {seconds:.1f} s on {threads} thread{'s' * (threads > 1)}.")


def load(path: str) -> BPR:
    """Open a model file: mapped, since a command may need little of it."""
    _validation.check_file(path)
    return BPR.load(path, mmap=True)


def labels_of(model: BPR, what: str) -> np.ndarray:
    """Return the labels of a model's users or items; row numbers if it was fitted to a matrix."""
    labels = getattr(model, f"{what}_labels")
    return np.arange(len(getattr(model, f"{what}_factors"))) if labels is None else labels


def item_row(model: BPR, text: str) -> int:
    """Find an item by its label or else by its title, whole or in part."""
    known, names = labels_of(model, "item"), model.item_names
    try:
        return _labels.rows_of(known, _labels.parse_label(known, text), what="item", names=names)
    except UnknownLabelError:
        titles = [] if names is None else [(name or "").casefold() for name in names]
        wanted = text.casefold()
        found = [row for row, title in enumerate(titles) if title == wanted]
        found = found or [row for row, title in enumerate(titles) if wanted in title]
        if not found:
            raise
        _validation.check_one_title(text, [_labels.described(known, names, row) for row in found])
        return found[0]


def busiest_items(log: Interactions) -> np.ndarray:
    """Return item rows, those that most users have first."""
    return np.argsort(-np.bincount(log.user_items.indices, minlength=log.n_items), kind="stable")


def next_command(path: str, label: Any) -> str:
    """Return the command that lists the neighbours of an item."""
    return f"fastbpr similar {shlex.quote(path)} {shlex.quote(str(label))}"
