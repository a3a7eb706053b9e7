"""Items that were shown together: whether neighbours are alike or just shared a page, and what to do about it."""

from fastbpr._debias import DEBIAS_PRESETS, Debias
from fastbpr.exposure.co_exposure import CoExposure, co_exposure
from fastbpr.exposure.concentration import Concentration, concentration
from fastbpr.exposure.directions import centred, without_context_directions
from fastbpr.exposure.gluing import GluingContext, GluingContexts, gluing_contexts
from fastbpr.exposure.plot import plot_co_exposure
from fastbpr.exposure.reranking import Reranked, reranked
from fastbpr.exposure.variety import Varied, varied

__all__ = [
    "DEBIAS_PRESETS",
    "CoExposure",
    "Concentration",
    "Debias",
    "GluingContext",
    "GluingContexts",
    "Reranked",
    "Varied",
    "centred",
    "co_exposure",
    "concentration",
    "gluing_contexts",
    "plot_co_exposure",
    "reranked",
    "varied",
    "without_context_directions",
]
