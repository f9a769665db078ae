"""Inspections as runs: which base stands under what is looked at, and which check of a reference there is already."""

from __future__ import annotations

from dataclasses import dataclass

from alignapp.accounts.models import User
from training.config import InspectionConfig, Method
from training.inspections import words
from training.inspections.summary import Summary, read_summary
from training.models import DatasetVersion, Policy, PolicyKind, Run, RunState
from training.runs import queue

# Methods whose page says how the reference ranks the pairs.
CHECKED = {Method.DPO, Method.CPO, Method.CONTRASTIVE_CPO, Method.SIMPO}


def base_of(inspected: Policy) -> Policy:
    """The whole model under an inspection: what it was trained from, or itself where that is nothing."""
    return inspected.base or inspected


def article(policy: Policy) -> str:
    """'an adapter', 'a reward model', 'a whole model'."""
    kinds = {PolicyKind.ADAPTER: "an adapter", PolicyKind.REWARD: "a reward model"}
    return kinds.get(PolicyKind(policy.kind), "a whole model")


def queue_inspection(
    inspected: Policy,
    version: DatasetVersion,
    config: InspectionConfig,
    user: User | None,
    *,
    as_reference: bool = False,
) -> Run:
    """Queue a look at a policy or reward model, or at a whole model as the reference; raises queue.Refused."""
    base = inspected if as_reference else base_of(inspected)
    what = "Reference check" if base == inspected else "Inspection"
    return queue.create(
        method=Method.INSPECTION,
        config=config,
        dataset_version=version,
        base=base,
        inspected=inspected,
        name=f"{what} of {inspected.name} on {version}"[:160],
        user=user,
    )


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """The latest check of a base on a version, finished or not; `summary` is None until it has succeeded."""

    run: Run
    summary: Summary | None
    method: Method

    @property
    def sentence(self) -> str:
        return words.reference_in_short(self.summary, self.method) if self.summary else ""


def reference_check(method: Method, base: Policy | None, version: DatasetVersion | None) -> ReferenceCheck | None:
    """What is known of the base as a reference on this version; one that failed or was cancelled does not count."""
    if method not in CHECKED or base is None or version is None:
        return None
    checks = Run.objects.filter(
        method=Method.INSPECTION, inspected=base, base=base, dataset_version__sha256=version.sha256
    ).exclude(state__in=[RunState.FAILED, RunState.CANCELLED])
    done = checks.filter(state=RunState.SUCCEEDED).order_by("-finished_at").first()
    run = done or checks.order_by("-created_at").first()
    return ReferenceCheck(run, read_summary(run.folder) if done else None, method) if run else None


def is_checkable(method: Method, base: Policy | None, version: DatasetVersion | None) -> bool:
    """Whether a check could be queued for what the launch form holds."""
    has_pairs = version is not None and version.kind == DatasetVersion.Kind.PREFERENCES
    return method in CHECKED and has_pairs and base is not None and base.kind in {PolicyKind.BASE, PolicyKind.FULL}


def latest_of(policy: Policy, most: int) -> list[Run]:
    """Its latest inspections that did not fail."""
    unfinished = [RunState.FAILED, RunState.CANCELLED]
    listed = policy.inspections.exclude(state__in=unfinished).select_related("dataset_version__dataset")
    return list(listed.order_by("-created_at")[:most])
