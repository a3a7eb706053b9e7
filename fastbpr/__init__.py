"""Related items and recommendations from logs of views, clicks and purchases."""

from fastbpr._build_info import build_info
from fastbpr._threads import effective_threads
from fastbpr._version import __version__
from fastbpr.bpr import BPR
from fastbpr.errors import (
    LightFMAssertionError,
    MissingExtraError,
    ModelFileError,
    NotFittedError,
    TrainingError,
    UnknownLabelError,
)
from fastbpr.hybrid import HybridBPR
from fastbpr.interactions import Interactions

__all__ = [
    "BPR",
    "HybridBPR",
    "Interactions",
    "LightFMAssertionError",
    "MissingExtraError",
    "ModelFileError",
    "NotFittedError",
    "TrainingError",
    "UnknownLabelError",
    "__version__",
    "build_info",
    "effective_threads",
]
