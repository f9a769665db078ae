"""manage.py report_on_version SLUG NUMBER [--json]: the report on a sealed version, made now if it is missing."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.models import DatasetVersion
from training.preferences import prompt_sets, reporting
from training.preferences.checks.findings import Family, Finding
from training.preferences.report import Report, Verdict
from training.preferences.report_settings import bases_with_tokenizer, settings_of

MISSED_SHOWN = 12
INDENT = " " * 9


class Command(BaseCommand):
    help = "Say what the report on a dataset version found: verdicts, then findings, the worst first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="of the dataset, as in its address")
        parser.add_argument("number", type=int, help="of the version")
        parser.add_argument("--json", action="store_true", help="the whole report, as the page's download has it")
        parser.add_argument("--target", metavar="SET", help="prompts to cover, by key or name; empty for none")
        parser.add_argument("--tokenizer", metavar="NAME", help="of a registered base, or its folder; empty for none")
        parser.add_argument(
            "--evaluation",
            metavar="SET",
            action="append",
            help="prompts that must not occur, by key or name; again for each further set, once empty for none",
        )

    def handle(self, *args: Any, slug: str, number: int, json: bool, **options: Any) -> None:
        version = DatasetVersion.objects.select_related("dataset").filter(dataset__slug=slug, number=number).first()
        if version is None:
            raise CommandError(f"There is no version {number} of a dataset called {slug}.")
        if changes := _changes(options):
            reporting.look_at(version, settings_of(version).model_copy(update=changes))
        try:
            report = reporting.make_now(version)
        except reporting.Unreportable as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(report.to_json() if json else in_words(version, report))


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """What the options change about the settings of the version's report; they stay changed, as on its page."""
    changes: dict[str, Any] = {}
    if options["target"] is not None:
        changes["target"] = options["target"] and _set(options["target"])
    if options["evaluation"] is not None:
        changes["evaluation"] = tuple(_set(name) for name in options["evaluation"] if name)
    if options["tokenizer"] is not None:
        changes["tokenizer"] = options["tokenizer"] and _tokenizer(options["tokenizer"])
    return changes


def _set(name: str) -> str:
    """The key of a prompt set."""
    known = prompt_sets.available()
    found = [one.key for one in known if name in (one.key, one.label)]
    if len(found) != 1:
        there = ", ".join(f"{one.key} ({one.label})" for one in known) or "none"
        raise CommandError(f"{len(found) or 'No'} prompt sets are called {name!r}. There are: {there}.")
    return found[0]


def _tokenizer(name: str) -> str:
    """The folder of a registered base."""
    bases = bases_with_tokenizer()
    found = next((base.path for base in bases if name in (base.name, base.path)), None)
    if found is None:
        there = ", ".join(base.name for base in bases) or "none"
        raise CommandError(f"No registered base with a tokenizer is called {name!r}. There are: {there}.")
    return found


def in_words(version: DatasetVersion, report: Report) -> str:
    """The report as lines of text."""
    facts = f"{version}: {report.rows:,} rows, {report.pairs:,} pairs, {report.prompts:,} different prompts"
    verdicts = [_verdict(report, family) for family in Family]
    findings = [line for finding in report.findings for line in _finding(finding)]
    return "\n".join([facts, "", *verdicts, "", *findings, *_means(report)])


def _verdict(report: Report, family: Family) -> str:
    because = ", ".join(finding.rule for finding in report.reasons(family))
    verdict: Verdict = report.verdict(family)
    return f"{family.label:<16} {verdict.label}{f': {because}' if because else ''}"


def _finding(finding: Finding) -> Iterator[str]:
    """A finding as the page has it: how many, why, from where on, and what to do."""
    yield f"{finding.level.upper():<8} {finding.rule}: {finding.sentence}"
    if finding.total:
        share = f", {'estimated ' if finding.is_estimate else ''}{finding.percent}" if finding.percent else ""
        yield f"{INDENT}{finding.count:,} of {finding.total:,}{share}"
    for family, harm in finding.harms.items():
        yield f"{INDENT}{family.label} ({harm.level}): {harm.why}"
    yield from (f"{INDENT}{line}" for line in (finding.threshold, *_missed(finding), finding.action) if line)


def _missed(finding: Finding) -> Iterator[str]:
    """The topics that the data misses, the most missed first."""
    picture = finding.picture or {}
    topics = [topic for topic in picture.get("topics", ()) if topic["uncovered"]]
    for topic in topics[:MISSED_SHOWN]:
        words = ", ".join(topic["words"][:4]) or "without common words"
        yield f"- {words}: {topic['target']:,} target prompts, {topic['data']:,} in the data"
    if len(topics) > MISSED_SHOWN:
        yield f"- and {len(topics) - MISSED_SHOWN} more"


def _means(report: Report) -> Iterator[str]:
    """By which means the report was made."""
    for name, note in (report.notes or {}).items():
        yield f"{name.replace('_', ' ').capitalize()}: {note}"
