"""manage.py report_on_version SLUG NUMBER [--json]: the report on a sealed version, made now if it is missing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.models import DatasetVersion
from training.preferences import reporting
from training.preferences.checks.findings import Family, Finding
from training.preferences.report import Report, Verdict


class Command(BaseCommand):
    help = "Say what the report on a dataset version found: verdicts, then findings, the worst first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="of the dataset, as in its address")
        parser.add_argument("number", type=int, help="of the version")
        parser.add_argument("--json", action="store_true", help="the whole report, as the page's download has it")

    def handle(self, *args: Any, slug: str, number: int, json: bool, **options: Any) -> None:
        version = DatasetVersion.objects.select_related("dataset").filter(dataset__slug=slug, number=number).first()
        if version is None:
            raise CommandError(f"There is no version {number} of a dataset called {slug}.")
        try:
            report = reporting.make_now(version)
        except reporting.Unreportable as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(report.to_json() if json else in_words(version, report))


def in_words(version: DatasetVersion, report: Report) -> str:
    """The report as lines of text."""
    facts = f"{version}: {report.rows:,} rows, {report.pairs:,} pairs, {report.prompts:,} different prompts"
    verdicts = [_verdict(report, family) for family in Family]
    return "\n".join([facts, "", *verdicts, "", *(_finding(finding) for finding in report.findings)])


def _verdict(report: Report, family: Family) -> str:
    because = ", ".join(finding.rule for finding in report.reasons(family))
    verdict: Verdict = report.verdict(family)
    return f"{family.label:<16} {verdict.label}{f': {because}' if because else ''}"


def _finding(finding: Finding) -> str:
    share = f" {finding.percent}" if finding.percent else ""
    return f"{finding.level.upper():<8} {finding.rule}: {finding.sentence}{share}\n         {finding.action}"
