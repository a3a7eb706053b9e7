"""A picture of how many neighbours are there because they shared a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr.exposure.co_exposure import CoExposure

BARS = {"ceo": "CEO@{K}", "chance": "chance", "excess": "excess CEO@{K}"}
WIDTH = 0.8  # of the bars of one model together


def plot_co_exposure(results: Mapping[str, CoExposure] | CoExposure, *, ax: Any = None) -> Any:
    """Draw CEO, its chance level and the excess of several models side by side; needs the extra ``plot``.

    Parameters
    ----------
    results : mapping of str to CoExposure, or CoExposure
        What `co_exposure` returned for each model, by the model's name.
    ax : matplotlib.axes.Axes or None, default None
        What to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes.figure.savefig("co_exposure.png")`` saves the picture.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    TypeError, ValueError
        If an argument is not as it must be.

    Examples
    --------
    >>> import numpy as np
    >>> plain = CoExposure(0.85, 0.03, 0.82, 600, np.empty(0), 10)
    >>> better = CoExposure(0.05, 0.03, 0.02, 600, np.empty(0), 10)
    >>> axes = plot_co_exposure({"plain": plain, "context": better})  # doctest: +SKIP
    """
    found = _validation.check_co_exposures("results", results, CoExposure)
    purpose = "Drawing co-exposure"
    if ax is None:
        ax = _validation.require("matplotlib.pyplot", extra="plot", purpose=purpose).subplots()[1]
    _validation.check_axes("ax", ax, _validation.require("matplotlib.axes", extra="plot", purpose=purpose).Axes)
    lengths = {one.list_length for one in found.values()}
    K = lengths.pop() if len(lengths) == 1 else "K"
    places = np.arange(len(found))
    width = WIDTH / len(BARS)
    for number, (name, title) in enumerate(BARS.items()):
        heights = [getattr(one, name) for one in found.values()]
        shift = (number - (len(BARS) - 1) / 2) * width
        ax.bar(places + shift, heights, width, label=title.format(K=K))
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(places, list(found))
    ax.set_ylabel("share of neighbours")
    ax.set_title("Neighbours that share a context but little else")
    ax.legend()
    return ax
