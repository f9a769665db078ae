"""A worker killed while it makes a report or an index: nothing half made counts, and the next one finishes the work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from tests.training.preferences.killing import kill_when
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import browsing, importing, reporting
from training.preferences.browsing import making
from training.preferences.browsing.index import opened
from training.preferences.browsing.layout import being_built, index_path
from training.preferences.reporting import STALE_AFTER

pytestmark = pytest.mark.django_db(transaction=True)

MAKE_REPORTS = """
from training.preferences import report, reporting
{prepare}
reporting.make_missing()
"""
# All three parts are begun, and the second is never written.
STOP_WHILE_WRITING = "report._scores_table = lambda subject: time.sleep(60)"
STOP_WITHIN_RULES = "report.run_checks = lambda s: (s.progress('4 of 18: repeated rows'), time.sleep(60))"
MAKE_INDEXES = """
from training.preferences.browsing import building, making
building.ROWS_PER_BATCH = 20
making.make_missing()
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


def sealed(count: int) -> DatasetVersion:
    pairs = (pair(f"What is {n} plus one?", f"It is {n + 1}.", f"It is {n}.") for n in range(count))
    return importing.seal(importing.dataset_named("Sums"), pairs, {})


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def stage(version: DatasetVersion) -> str:
    return DatasetVersion.objects.get(pk=version.pk).report_stage


def a_minute_later(version: DatasetVersion) -> None:
    long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    DatasetVersion.objects.filter(pk=version.pk).update(report_heartbeat_at=long_ago)


def test_a_report_whose_worker_is_killed_while_a_rule_works_is_made_by_the_next(home):
    version = sealed(200)
    kill_when(lambda: " of 18" in stage(version), MAKE_REPORTS.format(prepare=STOP_WITHIN_RULES))
    assert reporting.standing(version).report is None
    assert not reporting.make_next(), "its claim is fresh"
    a_minute_later(version)
    assert reporting.make_next()
    finished(version, home)


def test_a_report_whose_worker_is_killed_while_it_writes_is_made_by_the_next(home):
    version = sealed(200)

    def is_writing() -> bool:
        return len(list(home.rglob("*.partial"))) == 3

    kill_when(is_writing, MAKE_REPORTS.format(prepare=STOP_WHILE_WRITING))
    assert [name for name in files(home) if not name.endswith(".partial")] == [str(version.path.relative_to(home))]
    assert reporting.standing(version).report is None
    a_minute_later(version)
    assert reporting.make_next()
    finished(version, home)


def finished(version: DatasetVersion, home: Path) -> None:
    version.refresh_from_db()
    standing = reporting.standing(version)
    assert standing.is_due
    assert (version.report_stage, version.report_error, version.report_heartbeat_at) == ("", "", None)
    parts = (version.path, standing.place.report, standing.place.rows, standing.place.scores)
    assert files(home) == {str(path.relative_to(home)) for path in parts}


def test_a_report_of_which_two_workers_die_is_given_up_with_a_sentence(home):
    version = sealed(200)
    for attempt in ("", "second attempt: "):
        kill_when(lambda: " of 18" in stage(version), MAKE_REPORTS.format(prepare=STOP_WITHIN_RULES))
        assert stage(version) == f"{attempt}4 of 18: repeated rows"
        DatasetVersion.objects.filter(pk=version.pk).update(report_stage=attempt or "starting")
        a_minute_later(version)
    assert not reporting.make_next()
    version.refresh_from_db()
    assert "died twice" in version.report_error
    assert files(home) == {str(version.path.relative_to(home))}


def test_an_index_whose_worker_is_killed_is_made_by_the_next(home):
    version = sealed(browsing.ROWS_AT_ONCE + 1)

    def is_in_the_middle() -> bool:
        return (being_built(version.path) or (0, 0))[0] > 0

    kill_when(is_in_the_middle, MAKE_INDEXES)
    assert any(home.rglob("*.partial"))
    assert opened(version.path) is None
    assert being_built(version.path) is None
    making.make_missing()
    index = opened(version.path)
    assert index is not None
    assert index.rows == version.rows
    made = (version.path, index_path(version.path))
    assert files(home) == {str(path.relative_to(home)) for path in made}
