"""Rows of training: one module per noun."""

from .cleaning import CleaningJob, CleaningKind
from .jobs import Job, JobState
from .policies import Policy, PolicyKind
from .preferences import (
    Dataset,
    DatasetVersion,
    ImportJob,
    ImportSource,
    ImportState,
    PairTag,
    PromptSample,
    SavedRecipe,
)
from .runs import Run, RunEvent, RunMetric, RunSample, RunState

__all__ = [
    "CleaningJob",
    "CleaningKind",
    "Dataset",
    "DatasetVersion",
    "ImportJob",
    "ImportSource",
    "ImportState",
    "Job",
    "JobState",
    "PairTag",
    "Policy",
    "PolicyKind",
    "PromptSample",
    "Run",
    "RunEvent",
    "RunMetric",
    "RunSample",
    "RunState",
    "SavedRecipe",
]
