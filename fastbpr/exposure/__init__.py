"""Items that were shown together: how to tell whether neighbours are alike, or just shared a page."""

from fastbpr.exposure.co_exposure import CoExposure, co_exposure
from fastbpr.exposure.concentration import Concentration, concentration
from fastbpr.exposure.gluing import GluingContext, GluingContexts, gluing_contexts
from fastbpr.exposure.plot import plot_co_exposure

__all__ = [
    "CoExposure",
    "Concentration",
    "GluingContext",
    "GluingContexts",
    "co_exposure",
    "concentration",
    "gluing_contexts",
    "plot_co_exposure",
]
