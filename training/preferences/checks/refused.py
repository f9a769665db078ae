"""What an import did not take: said with the report, although those rows are not in the version."""

from __future__ import annotations

from collections.abc import Mapping

from training.preferences.checks.findings import Findings, Level, harms
from training.preferences.records import PROBLEM_LABELS


def rows_not_taken(found: Findings, problems: Mapping[str, int], accepted: int) -> None:
    """How many of the source's rows are not in the version, by reason; nothing where all are."""
    count = sum(problems.values())
    if not count:
        return
    labels = {problem.value: label for problem, label in PROBLEM_LABELS.items()}
    reasons = "; ".join(f"{labels.get(problem, problem)}: {number:,}" for problem, number in problems.items())
    absent = "Not trained on: the rows are not part of the version."
    found.add(
        "not_imported",
        f"Some rows of the source are not in this version. {reasons}.",
        harms=harms(Level.INFO, dpo=absent, cpo=absent, rlhf=absent),
        action="Look at the list of the import where they are more than you expect.",
        threshold="Said from the first row on; never more than this.",
        count=count,
        total=accepted + count,
        is_share=False,
    )
