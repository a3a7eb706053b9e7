"""`fastbpr.compat.implicit.bpr` under implicit's longer name."""

from fastbpr.compat.implicit.bpr import BayesianPersonalizedRanking

__all__ = ["BayesianPersonalizedRanking"]
