"""What the report on a version says to a launch: go ahead, do not train with this method, or nobody has looked yet.

A launch that the report speaks against, or that comes before there is a report, needs a reason, which the run keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.config import Method
from training.models import DatasetVersion
from training.preferences import reporting
from training.preferences.checks.findings import Family, Finding
from training.preferences.report import Report, Verdict

# What a run keeps in place of a verdict when there was no report.
UNCHECKED = "unchecked"
# By which family's verdict a method is judged. Demonstrations have no verdict, and an inspection trains nothing.
FAMILIES = {
    Method.DPO: Family.DPO,
    Method.CONTRASTIVE_CPO: Family.DPO,
    Method.SIMPO: Family.DPO,
    Method.CPO: Family.CPO,
    Method.REWARD: Family.RLHF,
    Method.RLHF: Family.RLHF,
}


@dataclass(frozen=True, slots=True)
class DataVerdict:
    """The verdict of a version's report for one method; `report` is None where a worker has yet to make the first one,
    or failed to. `earlier` says what has changed since where it is to be made anew (reporting.Standing)."""

    method: Method
    version: DatasetVersion
    report: Report | None
    earlier: str = ""

    @property
    def verdict(self) -> Verdict | None:
        return self.report.verdict(FAMILIES[self.method]) if self.report else None

    @property
    def forbids(self) -> bool:
        return self.verdict is Verdict.DO_NOT_TRAIN

    @property
    def needs_reason(self) -> bool:
        """Whether a launch has to say why it goes on."""
        return self.forbids or self.verdict is None

    @property
    def problem(self) -> str:
        """Why no worker will make a missing report, in a sentence; empty where one does, or where it is there."""
        if self.report:
            return ""
        gone = "" if self.version.path.is_file() else "Its sealed file is not on this machine."
        return self.version.report_error or gone

    @property
    def is_awaited(self) -> bool:
        """Whether a worker makes the first report, or will."""
        return self.report is None and not self.problem

    @property
    def kept(self) -> str:
        """What a run remembers: the verdict that stood when it was queued, or that there was none."""
        return UNCHECKED if self.verdict is None else self.verdict.value

    @property
    def reasons(self) -> list[Finding]:
        return self.report.reasons(FAMILIES[self.method]) if self.report else []

    @property
    def progress(self) -> tuple[int, int] | None:
        """Which rule of how many is at work on the report that is missing."""
        return reporting.progress_of(self.version)

    @property
    def remedy(self) -> str:
        """What to do instead of giving a reason."""
        if self.report:
            return "Clean the data"
        return "Wait until it is done" if self.is_awaited else "Have it made again on the page of the version"

    @property
    def sentence(self) -> str:
        """What a refusal without a reason says."""
        if self.is_awaited:
            return (
                f"The report on {self.version} is still being made, so nobody has looked for noise, leaks and "
                "contradictions."
            )
        if self.report is None:
            return f"The report on {self.version} could not be made. {self.problem}"
        because = " ".join(finding.sentence for finding in self.reasons[:2])
        return f"The report on {self.version} says do not train with {self.method.label}. {because}"


def data_verdict(method: Method, version: DatasetVersion | None) -> DataVerdict | None:
    """What is known; None where no verdict is asked for. It never waits for a report."""
    if method not in FAMILIES or version is None or version.kind != DatasetVersion.Kind.PREFERENCES:
        return None
    found = reporting.standing(version)
    return DataVerdict(method, version, found.report, found.earlier)
