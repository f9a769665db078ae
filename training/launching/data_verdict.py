"""What the report on a version says to a launch: go ahead, or do not train with this method."""

from __future__ import annotations

from dataclasses import dataclass

from training.config import Method
from training.models import DatasetVersion
from training.preferences import reporting
from training.preferences.checks.findings import Family, Finding
from training.preferences.report import Report, Verdict

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
    """The verdict of a version's report for one method; `report` is None while it is not made."""

    method: Method
    version: DatasetVersion
    report: Report | None

    @property
    def verdict(self) -> Verdict | None:
        return self.report.verdict(FAMILIES[self.method]) if self.report else None

    @property
    def forbids(self) -> bool:
        """Whether a launch needs a reason."""
        return self.verdict is Verdict.DO_NOT_TRAIN

    @property
    def reasons(self) -> list[Finding]:
        return self.report.reasons(FAMILIES[self.method]) if self.report else []

    @property
    def sentence(self) -> str:
        """What a refusal without a reason says."""
        because = " ".join(finding.sentence for finding in self.reasons[:2])
        return f"The report on {self.version} says do not train with {self.method.label}. {because}"


def data_verdict(method: Method, version: DatasetVersion | None) -> DataVerdict | None:
    """What is known; None where no verdict is asked for. It never waits for a report."""
    if method not in FAMILIES or version is None or version.kind != DatasetVersion.Kind.PREFERENCES:
        return None
    return DataVerdict(method, version, reporting.stored_report(version))
