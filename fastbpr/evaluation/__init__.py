"""How good a model's lists are, how sure that is, and what else there is to know about them."""

from fastbpr.evaluation.across_contexts import evaluate_across_contexts
from fastbpr.evaluation.comparison import Comparison, MetricDifference, compare, confidence_interval
from fastbpr.evaluation.lists import evaluate_lists
from fastbpr.evaluation.neighbours import evaluate_neighbours
from fastbpr.evaluation.recommendations import ALL_METRICS, UserValues, evaluate, evaluate_per_user
from fastbpr.evaluation.seeds import Stability, stability
from fastbpr.evaluation.similar_items import evaluate_similar_items

__all__ = [
    "ALL_METRICS",
    "Comparison",
    "MetricDifference",
    "Stability",
    "UserValues",
    "compare",
    "confidence_interval",
    "evaluate",
    "evaluate_across_contexts",
    "evaluate_lists",
    "evaluate_neighbours",
    "evaluate_per_user",
    "evaluate_similar_items",
    "stability",
]
