"""Which indexes are to be made, and by whom: a cpu worker, after an import or when somebody opens a large version.

A version that somebody opened is named by an empty hidden file; when its index could not be made the file holds a
sentence that says why, until somebody asks again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from alignapp import disk
from alignapp.celery import call_workers
from training.models import Dataset
from training.preferences.browsing import is_small
from training.preferences.browsing.building import build, lacking_room
from training.preferences.browsing.index import opened
from training.preferences.browsing.layout import being_built

log = logging.getLogger(__name__)
WORK = "training.tasks.index_rows"


@dataclass(frozen=True, slots=True)
class Making:
    """How far the index of a version is: rows done and rows in all, or why it cannot be made."""

    done: int = 0
    rows: int = 0
    problem: str = ""

    @property
    def percent(self) -> int:
        return 100 * self.done // self.rows if self.rows else 0


def how_far(path: Path) -> Making | None:
    """How far the index of a sealed file is; None when it is there."""
    if opened(path) is not None:
        return None
    if running := being_built(path):
        return Making(*running)
    return Making(problem=_problem(path) or lacking_room(path))


def ask_for(path: Path, *, again: bool = False) -> None:
    """Have the index of a sealed file made; once it has failed, only when a person asks again."""
    wanted = _wanted(path)
    try:
        if again or not wanted.exists():
            wanted.write_text("")
    except OSError as error:
        log.warning("the index of %s cannot be asked for: %s", path.name, error)
    call_workers(WORK)


def make_missing() -> None:
    """Make the indexes that were asked for, then that of every dataset's latest version, if it is large."""
    folder = Path(settings.HOME) / "datasets"
    asked = [folder / f"{wanted.name.split('.')[1]}.parquet" for wanted in folder.glob(".*.browse.wanted")]
    latest = (dataset.versions.order_by("-number").first() for dataset in Dataset.objects.all())
    for path in dict.fromkeys([*asked, *(v.path for v in latest if v is not None and not is_small(v))]):
        if not path.is_file():
            _wanted(path).unlink(missing_ok=True)
        elif opened(path) is None and being_built(path) is None and not _problem(path):
            _make(path)


def _make(path: Path) -> None:
    try:
        build(path)
    except Exception as error:
        log.exception("the index of %s was not made", path.name)
        _note(path, _sentence(error))
    else:
        _wanted(path).unlink(missing_ok=True)


def _sentence(error: Exception) -> str:
    if disk.is_full(error):
        return "The disk is full, so the index of these rows could not be kept. Make room and try again."
    if isinstance(error, OSError) and error.errno is None:
        return str(error)
    return f"The index was not made: an unexpected error ({type(error).__name__}). The worker's log has the details."


def _note(path: Path, problem: str) -> None:
    try:
        _wanted(path).write_text(problem)
    except OSError as error:
        log.warning("%s: %s", path.name, error)


def _problem(path: Path) -> str:
    try:
        return _wanted(path).read_text()
    except OSError:
        return ""


def _wanted(path: Path) -> Path:
    return path.with_name(f".{path.stem}.browse.wanted")
