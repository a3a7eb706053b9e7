"""Columns that describe items or users as the feature matrix of a hybrid model."""

from fastbpr.features._report import ColumnReport, FeatureReport
from fastbpr.features.builder import Features
from fastbpr.features.matrix import FeatureMatrix

__all__ = ["ColumnReport", "FeatureMatrix", "FeatureReport", "Features"]
