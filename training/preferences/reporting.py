"""Making the report on a version: which worker makes it, what became of it, and which one is read meanwhile.

A version whose report is missing is claimed by writing `report_heartbeat_at`, as long as `report_error` is empty. A
claim whose heartbeat is old belongs to a worker that died: the report is tried once more, then given up with a
sentence. Nothing is tried again after an error until a person asks for it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from alignapp import disk
from alignapp.celery import call_workers
from training.config import Method
from training.models import DatasetVersion
from training.preferences import prompt_sets
from training.preferences.checks.findings import Findings
from training.preferences.checks.reference import reference_of_the_base
from training.preferences.checks.refused import rows_not_taken
from training.preferences.records import Conversation
from training.preferences.report import Place, Report, place, places, report_on
from training.preferences.report_settings import base_of, missed_sets, settings_of, with_contents
from training.preferences.survey import ReportSettings

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=60)
SECONDS_BETWEEN_HEARTBEATS = 10.0
SECONDS_BETWEEN_LOOKS = 1.0
SECOND_ATTEMPT = "second attempt: "
DIED_TWICE = (
    "The worker died twice while it made this report, most likely for want of memory. Give the machine more memory "
    "or stop what else runs on it, then try again."
)

UNREADABLE = "The report was made, but what was stored cannot be read. The disk may be failing; try again."


class Unreportable(Exception):
    """The report cannot be made; the message says why and what to do."""


# --- Reading it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """The report on a version that is read: the one that is due, or, until that is made, the last one before it."""

    version: DatasetVersion
    report: Report | None
    place: Place
    due: Place

    @property
    def is_due(self) -> bool:
        """Whether it was made by today's rules and under the settings as they are."""
        return self.report is not None and self.place == self.due

    @property
    def is_awaited(self) -> bool:
        """Whether a worker makes the one that is due, or will."""
        return not self.is_due and not self.version.report_error and self.version.path.is_file()

    @property
    def earlier(self) -> str:
        """What has changed since a report was made that stands in for the one that is due: rules or settings."""
        if self.report is None or self.is_due:
            return ""
        return "rules" if self.place.rules != self.due.rules else "settings"

    @property
    def note(self) -> str:
        """For pages that show something of an earlier report; else empty."""
        if not self.earlier:
            return ""
        new = "The new one could not be made" if self.version.report_error else "A new one is being made"
        by = {"rules": "by earlier rules", "settings": "under earlier settings"}[self.earlier]
        return f"This is from a report on {self.version} {by}. {new}: see the version's page."


def standing(version: DatasetVersion, known: Sequence[prompt_sets.PromptSet] | None = None) -> Standing:
    """Which report on a version is read. None is ever made here: the rules' libraries would stay in the memory of the
    web process, 300 MB of it. Where there is none, `version.report_error` says why, or a worker has yet to make it."""
    due = place(version.path, settings_of(version, known))
    if not version.path.is_file():
        return Standing(version, None, due, due)
    if report := due.read():
        return Standing(version, report, due, due)
    earlier = ((found.read(), found) for found in places(version.path))
    report, found = next(((report, found) for report, found in earlier if report), (None, due))
    return Standing(version, report, found, due)


def report_of(version: DatasetVersion) -> Report | None:
    """The report that is read, with what the import left out, and the reference check of its base as it is today."""
    report = stored_report(version)
    if report is None:
        return None
    found = Findings()
    rows_not_taken(found, version.origin.get("problems", {}), version.origin.get("accepted", 0))
    if report.pairs:
        _look_at_reference(found, version)
    return replace(report, findings=tuple(Findings.in_order([*report.findings, *found])))


def stored_report(version: DatasetVersion) -> Report | None:
    """The report that is read, as a worker left it."""
    return standing(version).report


def place_of(version: DatasetVersion) -> Place:
    """Where the report stands that is read, or would stand."""
    return standing(version).place


def _look_at_reference(found: Findings, version: DatasetVersion) -> None:
    """A check of the base may finish after the report was made: its finding is added when the report is read."""
    base = base_of(version)
    if base is None:
        return
    # Runs know of reports (a launch asks for the verdict), so this module must not need runs to be imported.
    from training.runs.inspections import reference_check

    check = reference_check(Method.CPO, base, version)
    summary = check.summary if check else None
    reference_of_the_base(found, base.name, base.pk, summary, str(check.run.pk) if check else "")


def progress_of(version: DatasetVersion) -> tuple[int, int] | None:
    """Which rule of how many is at work; None before the first."""
    found = re.search(r"(\d+) of (\d+): ", version.report_stage)
    return (int(found[1]), int(found[2])) if found else None


# --- Asking for it ------------------------------------------------------------------------------------------------


def look_at(version: DatasetVersion, chosen: ReportSettings) -> None:
    """Have the report made under these settings, if it is not there already."""
    version.report_settings = with_contents(chosen).model_dump(mode="json")
    version.report_error = ""
    version.save(update_fields=["report_settings", "report_error"])
    transaction.on_commit(lambda: call_workers("training.tasks.work_on_imports"))


def look_at_all_suites(version: DatasetVersion) -> None:
    """Have the report made with the suites that appeared since."""
    chosen = settings_of(version)
    keys = (*chosen.evaluation, *(found.key for found in missed_sets(version)))
    look_at(version, chosen.model_copy(update={"evaluation": keys}))


def try_again(version: DatasetVersion) -> None:
    """Have a report that failed made again."""
    look_at(version, settings_of(version))


# --- Making it ----------------------------------------------------------------------------------------------------


def make_missing() -> None:
    """Make the reports that are missing, one after the other."""
    while make_next():
        pass


def make_next() -> bool:
    """Make the report that is missing most; False when there is none that this worker could make.

    Versions that have none at all come first, the latest of them first: somebody waits to launch. Where an earlier one
    stands in, one at a time is enough: after a change of the rules all are due, and others want workers too.
    """
    known = prompt_sets.available()
    versions = DatasetVersion.objects.filter(report_error="").defer("origin", "recipe").order_by("-pk")
    missing = [version for version in versions if _is_missing(version, known)]
    for old in sorted(missing, key=_stands_in_for):
        # Read again when its turn comes: meanwhile a person may have chosen other settings, or a worker made it.
        version = DatasetVersion.objects.select_related("dataset").filter(pk=old.pk, report_error="").first()
        if version is None or not _is_missing(version, known) or (_stands_in_for(version) and _is_any_made()):
            continue
        if _claim(version):
            _make(version)
            return True
    return False


def _is_missing(version: DatasetVersion, known: list[prompt_sets.PromptSet]) -> bool:
    return version.path.is_file() and not place(version.path, settings_of(version, known)).is_readable


def _stands_in_for(version: DatasetVersion) -> bool:
    """Whether an earlier report can be read until the one that is due is made."""
    return any(found.is_readable for found in places(version.path))


def _is_any_made() -> bool:
    return DatasetVersion.objects.filter(report_heartbeat_at__gt=timezone.now() - STALE_AFTER).exists()


def make_now(version: DatasetVersion) -> Report:
    """The report that is due, made in this process if it is missing; raises Unreportable with the reason when it cannot
    be. Where a worker is making it, this waits for that one."""
    if not version.path.is_file():
        raise Unreportable(f"The sealed file of {version} is not on this machine. Restore it, or import it again.")
    if version.report_error:
        try_again(version)
    while not standing(version).is_due and not version.report_error:
        if _claim(version):
            _make(version)
        else:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            version.refresh_from_db()
    report = report_of(version)
    if report is None or version.report_error:
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
            chosen = _fixed(version)
            targets = _prompts([chosen.target] if chosen.target else [])
            evaluations = _prompts(chosen.evaluation)
            names = {found.key: found.label for found in prompt_sets.available()}
            report_on(version.path, chosen, targets=targets, evaluations=evaluations, names=names, progress=progress)
    except Exception as error:
        log.exception("the report on %s failed", version)
        _release(version, _sentence(error, version.report_stage))
    else:
        _release(version, "" if place(version.path, chosen).read() else UNREADABLE)
        _remove_superseded(version.path, version.sha256)


def _fixed(version: DatasetVersion) -> ReportSettings:
    """The settings, written down: a suite that appears later is not part of this report.

    They are read anew: somebody may have chosen others since the worker found the version.
    """
    with transaction.atomic():
        chosen = settings_of(DatasetVersion.objects.select_for_update().get(pk=version.pk))
        version.report_settings = chosen.model_dump(mode="json")
        version.save(update_fields=["report_settings"])
    return chosen


def _remove_superseded(path: Path, sha256: str) -> None:
    """Remove reports by earlier rules once no version of the same rows needs one to stand in for what is due."""
    due = [place(path, settings_of(twin)) for twin in DatasetVersion.objects.filter(sha256=sha256)]
    if all(found.exists for found in due):
        rules = {found.rules for found in due}
        for found in places(path):
            if found.rules not in rules:
                found.remove()


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
            kind, _, name = key.partition(":")
            raise Unreportable(
                f"The {kind} “{name}” is no longer there. Choose others in the settings of the report."
            ) from error
    return found


def _text(prompt: Conversation) -> str:
    return "\n\n".join(message.content for message in prompt)


def _sentence(error: Exception, stage: str) -> str:
    if isinstance(error, Unreportable):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There was not enough memory for the report ({stage}). Stop what else runs here, then try again."
    if disk.is_full(error):
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
