"""LightFM's names over the engine of fastbpr: write `fastbpr.compat.lightfm` where an import says `lightfm`.

The same names, arguments, defaults, shapes and types of errors; the numbers that training gives are others. Matrices
that are passed in are never changed, ids are checked, and a seed gives the same model on any number of threads.
"""

from fastbpr.compat.lightfm import cross_validation, data, evaluation
from fastbpr.compat.lightfm.lightfm import LightFM

__all__ = ["LightFM", "cross_validation", "data", "evaluation"]
