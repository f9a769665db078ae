"""Rows of training: one module per noun."""

from .policies import Policy, PolicyKind
from .preferences import Dataset, DatasetVersion, ImportJob, ImportState
from .runs import Run, RunEvent, RunMetric, RunSample, RunState

__all__ = [
    "Dataset",
    "DatasetVersion",
    "ImportJob",
    "ImportState",
    "Policy",
    "PolicyKind",
    "Run",
    "RunEvent",
    "RunMetric",
    "RunSample",
    "RunState",
]
