"""Making the report on a version: what it looks at, which worker makes it, and what became of it.

A version whose report is missing is claimed by writing `report_heartbeat_at`, as long as `report_error` is empty. A
claim whose heartbeat is old belongs to a worker that died: the report is tried once more, then given up with a
sentence. Nothing is tried again after an error until a person asks for it.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, connection
from django.utils import timezone
from pydantic import ValidationError

from alignapp.celery import call_workers
from training.config import Method
from training.models import DatasetVersion, Policy, PolicyKind
from training.preferences import prompt_sets
from training.preferences.checks.findings import Findings
from training.preferences.checks.reference import reference_of_the_base
from training.preferences.records import Conversation
from training.preferences.report import Place, Report, place, remove_partials, report_on, stored
from training.preferences.survey import ReportSettings

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=60)
SECONDS_BETWEEN_HEARTBEATS = 10.0
SECOND_ATTEMPT = "second attempt: "
DIED_TWICE = (
    "The worker died twice while it made this report, most likely for want of memory. Give the machine more memory "
    "or stop what else runs on it, then try again."
)


class Unreportable(Exception):
    """The report cannot be made; the message says why and what to do."""


# --- What a report looks at ---------------------------------------------------------------------------------------


def settings_of(version: DatasetVersion) -> ReportSettings:
    """What the report on a version looks at: as chosen, or, until it is first made, as by default."""
    try:
        return ReportSettings.model_validate(version.report_settings) if version.report_settings else default_settings()
    except ValidationError:
        return default_settings()  # chosen under an earlier form


def default_settings() -> ReportSettings:
    """Every suite must not occur in the data; lengths are those of the base that was registered last."""
    suites = tuple(found.key for found in prompt_sets.available() if found.key.startswith("suite:"))
    base = next(iter(bases_with_tokenizer()), None)
    if base is None:
        return ReportSettings(evaluation=suites)
    return ReportSettings(evaluation=suites, tokenizer=base.path, base=base.digest)


def bases_with_tokenizer() -> list[Policy]:
    """Registered whole models whose folder holds a tokenizer that can be read without them; the latest first."""
    whole = Policy.objects.filter(kind__in=[PolicyKind.BASE, PolicyKind.FULL])
    return [policy for policy in whole if (Path(policy.path) / "tokenizer.json").is_file()]


def missed_sets(version: DatasetVersion) -> list[prompt_sets.PromptSet]:
    """Suites that appeared after the settings of a report were fixed; none before that."""
    if not version.report_settings:
        return []
    looked_at = set(settings_of(version).evaluation)
    return [s for s in prompt_sets.available() if s.key.startswith("suite:") and s.key not in looked_at and s.size]


def place_of(version: DatasetVersion) -> Place:
    """Where the report on a version under its settings stands, or would stand."""
    return place(version.path, settings_of(version))


# --- Reading it ---------------------------------------------------------------------------------------------------


def report_of(version: DatasetVersion) -> Report | None:
    """The report with the reference check of its base as it stands today.

    None when a worker has yet to make it, or failed to (`version.report_error` says why). It is never made here: the
    rules' libraries would stay in the memory of the web process, 300 MB of it.
    """
    report = stored_report(version)
    return report and _with_reference(report, version)


def stored_report(version: DatasetVersion) -> Report | None:
    """The report as a worker left it; None where there is none that can be read."""
    return stored(version.path, settings_of(version)) if version.path.is_file() else None


def _with_reference(report: Report, version: DatasetVersion) -> Report:
    """A check of the base may finish after the report was made: its finding is added when the report is read."""
    base = Policy.objects.filter(digest=settings_of(version).base).first() if settings_of(version).base else None
    if base is None or not report.pairs:
        return report
    # Runs know of reports (a launch asks for the verdict), so this module must not need runs to be imported.
    from training.runs.inspections import reference_check

    check = reference_check(Method.CPO, base, version)
    found = Findings()
    summary = check.summary if check else None
    reference_of_the_base(found, base.name, base.pk, summary, str(check.run.pk) if check else "")
    order = Findings.in_order([*report.findings, *found])
    return replace(report, findings=tuple(order))


def progress_of(version: DatasetVersion) -> tuple[int, int] | None:
    """Which rule of how many is at work; None before the first."""
    found = re.search(r"(\d+) of (\d+): ", version.report_stage)
    return (int(found[1]), int(found[2])) if found else None


# --- Asking for it ------------------------------------------------------------------------------------------------


def look_at(version: DatasetVersion, settings: ReportSettings) -> None:
    """Have the report made under these settings, if it is not there already."""
    version.report_settings = settings.model_dump(mode="json")
    version.report_error = ""
    version.save(update_fields=["report_settings", "report_error"])
    call_workers("training.tasks.work_on_imports")


def look_at_all_suites(version: DatasetVersion) -> None:
    """Have the report made with the suites that appeared since."""
    settings = settings_of(version)
    keys = (*settings.evaluation, *(found.key for found in missed_sets(version)))
    look_at(version, settings.model_copy(update={"evaluation": keys}))


def try_again(version: DatasetVersion) -> None:
    """Have a report that failed made again."""
    look_at(version, settings_of(version))


# --- Making it ----------------------------------------------------------------------------------------------------


def make_missing() -> None:
    """Make the reports that are missing, one after the other."""
    for key in list(DatasetVersion.objects.filter(report_error="").order_by("pk").values_list("pk", flat=True)):
        # Read when its turn comes: while others were made a person may have chosen other settings, or removed it.
        version = DatasetVersion.objects.select_related("dataset").filter(pk=key, report_error="").first()
        if version and version.path.is_file() and stored_report(version) is None and _claim(version):
            if version.report_stage == SECOND_ATTEMPT:
                remove_partials(version.path)
            _make(version)


def make_now(version: DatasetVersion) -> Report:
    """The report, made in this process if it is missing; raises Unreportable with the reason when it cannot be."""
    if not version.path.is_file():
        raise Unreportable(f"The sealed file of {version} is not on this machine. Restore it, or import it again.")
    if stored_report(version) is None:
        version.report_error = ""
        _make(version)
    report = report_of(version)
    if report is None:
        raise Unreportable(version.report_error)
    return report


def _claim(version: DatasetVersion) -> bool:
    """Take a report that nobody makes, or whose worker died; False when it is taken, or has to be given up."""
    before, now = version.report_heartbeat_at, timezone.now()
    if before is not None and before > now - STALE_AFTER:
        return False
    if before is not None and version.report_stage.startswith(SECOND_ATTEMPT):
        _release(version, DIED_TWICE)
        return False
    stage = SECOND_ATTEMPT if before is not None else "starting"
    unchanged = DatasetVersion.objects.filter(pk=version.pk, report_error="", report_heartbeat_at=before)
    version.report_stage, version.report_heartbeat_at = stage, now
    return unchanged.update(report_heartbeat_at=now, report_stage=stage) == 1


def _make(version: DatasetVersion) -> None:
    """Make a report and release its version, whatever happens."""
    again = SECOND_ATTEMPT if version.report_stage.startswith(SECOND_ATTEMPT) else ""

    def progress(stage: str) -> None:
        version.report_stage = f"{again}{stage}"[:120]
        DatasetVersion.objects.filter(pk=version.pk).update(report_stage=version.report_stage)

    try:
        with _beating(version.pk):
            settings = _fixed(version)
            targets = _prompts([settings.target] if settings.target else [])
            evaluations = _prompts(settings.evaluation)
            report_on(version.path, settings, targets=targets, evaluations=evaluations, progress=progress)
    except Exception as error:
        log.exception("the report on %s failed", version)
        _release(version, _sentence(error, version.report_stage))
    else:
        _release(version)


def _fixed(version: DatasetVersion) -> ReportSettings:
    """The settings, written down: a suite that appears later is not part of this report."""
    settings = settings_of(version)
    version.report_settings = settings.model_dump(mode="json")
    version.save(update_fields=["report_settings"])
    return settings


def _release(version: DatasetVersion, error: str = "") -> None:
    version.report_error, version.report_stage, version.report_heartbeat_at = error, "", None
    version.save(update_fields=["report_error", "report_stage", "report_heartbeat_at"])


def _prompts(keys: tuple[str, ...] | list[str]) -> dict[str, list[str]]:
    """The prompts of prompt sets as plain text, as Survey.texts gives those of the version."""
    found: dict[str, list[str]] = {}
    for key in keys:
        try:
            found[key] = [_text(prompt) for prompt in prompt_sets.prompts(key)]
        except (KeyError, OSError) as error:
            raise Unreportable(
                f"The prompt set {key} is no longer there. Choose others in the settings of the report."
            ) from error
    return found


def _text(prompt: Conversation) -> str:
    return "\n\n".join(message.content for message in prompt)


def _sentence(error: Exception, stage: str) -> str:
    if isinstance(error, Unreportable):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There was not enough memory for the report ({stage}). Stop what else runs here, then try again."
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full, so the report could not be kept. Make room and try again."
    kind = type(error).__name__
    return f"The report stopped on an unexpected error ({kind}; {stage}). The worker's log has the details."


@contextmanager
def _beating(version_id: int) -> Iterator[None]:
    """Keep a claim alive while a rule works for minutes."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(SECONDS_BETWEEN_HEARTBEATS):
            try:
                DatasetVersion.objects.filter(pk=version_id).update(report_heartbeat_at=timezone.now())
            except DatabaseError as error:
                log.warning("the heartbeat of the report on version %s was not written: %s", version_id, error)
            finally:
                connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
