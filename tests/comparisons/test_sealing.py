"""Judgements sealed by workers: whole or not at all, once, told in words, and never under a long transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from comparisons import campaigns, sealing
from comparisons.campaigns import Stage
from comparisons.export import Export, Rule, Ties, pairs
from comparisons.models import SealingJob, Study, StudyState
from tests.comparisons.campaigns.material import make_campaign, rate, train
from tests.comparisons.export.material import study_with
from tests.comparisons.rating_factories import make_rater
from tests.factories import make_user
from tests.training.preferences.killing import kill_when
from training import jobs
from training.models import Dataset, DatasetVersion, JobState
from training.preferences.sealing import SealedWriter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def study() -> Study:
    return study_with([["first", "second", "first"]] * 12, name="Ferries", slug="ferries")


def asked(study: Study, rule: Rule | None = None, **goes) -> SealingJob:
    return sealing.submit(Export(study, rule or Rule()), None, **(goes or {"dataset": "Rated"}))


def done(job: SealingJob) -> SealingJob:
    sealing.work()
    job.refresh_from_db()
    return job


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "datasets").iterdir())


def test_a_worker_seals_the_pairs_by_the_rule_that_was_sent(study, home):
    job = done(asked(study, Rule(minimum=2, ties=Ties.HALF)))
    assert (job.state, job.rows_done, job.percent) == (JobState.SUCCEEDED, 12, 100)
    version = job.version
    assert (version.dataset.name, version.rows) == ("Rated", 12)
    assert version.origin["rule"] == str(Rule(minimum=2, ties=Ties.HALF))
    entry = study.audit.get(verb="sealed")
    assert (entry.detail["version"], entry.detail["pairs"]) == (str(version), 12)
    assert files(home) == [version.path.name]


def test_workers_are_told_once_the_job_is_there(study, monkeypatch, django_capture_on_commit_callbacks):
    called: list[str] = []
    monkeypatch.setattr(jobs, "call_workers", called.append)
    with django_capture_on_commit_callbacks(execute=True):
        asked(study)
    assert called == [sealing.WORKERS]
    assert sealing.WORKERS in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_what_is_sent_twice_is_one_job_and_one_version(study):
    """At once the same job; afterwards, by the same rule and with the same judgements, the version that is there."""
    first = asked(study)
    assert asked(study, dataset="RATED") == first
    made = done(first).version
    assert done(asked(study)).version == made
    assert DatasetVersion.objects.count() == 1


def test_another_rule_makes_another_version_even_of_the_same_rows(study):
    versions = [done(asked(study, Rule(ties=ties))).version for ties in (Ties.IGNORE, Ties.HALF)]
    assert [version.number for version in versions] == [1, 2]


def test_pairs_join_a_version_as_its_child(study):
    parent = done(asked(study_with([["second"]] * 3))).version
    job = asked(study, parent=parent)
    assert job.rows_total == 15
    version = done(job).version
    assert (version.parent, version.rows, version.dataset) == (parent, 15, parent.dataset)


def test_pairs_join_by_another_rule_as_another_version_even_of_the_same_rows(study):
    parent = done(asked(study_with([["second"]] * 3))).version
    by_rule = {ties: done(asked(study, Rule(ties=ties), parent=parent)).version for ties in (Ties.IGNORE, Ties.HALF)}
    assert {ties: version.origin["rule"] for ties, version in by_rule.items()} == {
        ties: str(Rule(ties=ties)) for ties in by_rule
    }
    assert by_rule[Ties.IGNORE].sha256 == by_rule[Ties.HALF].sha256
    assert done(asked(study, Rule(ties=Ties.HALF), parent=parent)).version == by_rule[Ties.HALF]


def reopened(job: SealingJob) -> None:
    Study.objects.filter(pk=job.study_id).update(state=StudyState.OPEN)


def left_without_judgements(job: SealingJob) -> None:
    SealingJob.objects.filter(pk=job.pk).update(rule=job.rule | {"minimum": 9})


@pytest.mark.parametrize(
    "meanwhile,said",
    [(reopened, "not closed any more"), (left_without_judgements, "makes no pair of the 12 items")],
)
def test_what_became_impossible_is_told_in_a_sentence(study, meanwhile: Callable[[SealingJob], None], said):
    job = asked(study)
    meanwhile(job)
    assert done(job).state == JobState.FAILED
    assert said in job.error
    assert not Dataset.objects.exists()


UNREADABLE = [{"ties": "by lot"}, {"until": 3}, {"threshold": "high", "consensus": "glad"}, {"ties": []}]


@pytest.mark.parametrize("stored", UNREADABLE, ids=str)
def test_a_stored_rule_that_cannot_be_read_ends_its_job_and_no_other(study, stored):
    job, next_one = asked(study), asked(study, dataset="Next")
    SealingJob.objects.filter(pk=job.pk).update(rule=job.rule | stored)
    assert done(job).state == JobState.FAILED
    assert "cannot be read" in job.error
    next_one.refresh_from_db()
    assert next_one.state == JobState.SUCCEEDED


@pytest.mark.parametrize("stored", UNREADABLE, ids=str)
@pytest.mark.parametrize("name", ["sealing", "sealing-live"])
def test_the_page_of_a_job_whose_rule_cannot_be_read_says_so(client, study, name, stored):
    client.force_login(make_user())
    job = asked(study)
    SealingJob.objects.filter(pk=job.pk).update(rule=job.rule | stored)
    response = client.get(reverse(name, args=[job.pk]))
    assert response.status_code == 200
    assert "cannot be read" in response.text


def test_files_in_the_making_that_cannot_be_removed_end_the_job_in_a_sentence(study, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(jobs, "remove_partials", denied)
    job = done(asked(study))
    assert job.state == JobState.FAILED
    assert "Permission denied" in job.error


def test_a_parent_whose_file_is_gone_is_told(study):
    parent = done(asked(study_with([["second"]] * 3))).version
    parent.path.unlink()
    assert "Restore it from a backup" in done(asked(study, parent=parent)).error


@pytest.mark.parametrize("joins", [False, True])
def test_a_full_disk_leaves_neither_row_nor_file(study, home, monkeypatch, joins):
    parent = done(asked(study_with([["second"]] * 3))).version
    before = files(home)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SealedWriter, "finish", full)
    job = done(asked(study, **({"parent": parent} if joins else {"dataset": "Rated"})))
    assert (job.state, job.version) == (JobState.FAILED, None)
    assert "disk is full" in job.error
    assert files(home) == before
    assert DatasetVersion.objects.count() == 1


def test_cancelling_while_rows_are_written_leaves_nothing(study, home, monkeypatch):
    monkeypatch.setattr(jobs, "SECONDS_BETWEEN_HEARTBEATS", 0.0)
    job = asked(study)
    add = SealedWriter.add

    def cancelled_midway(writer, one):
        assert jobs.cancel(SealingJob.objects.get(pk=job.pk)) or writer.rows
        add(writer, one)

    monkeypatch.setattr(SealedWriter, "add", cancelled_midway)
    assert done(job).state == JobState.CANCELLED
    assert files(home) == []
    assert not DatasetVersion.objects.exists()


def test_a_worker_that_counts_items_for_long_is_known_to_live_and_can_be_cancelled(study, monkeypatch):
    """Four portions of three items, read twice: to count what the rule makes, then to write it."""
    monkeypatch.setattr(jobs, "SECONDS_BETWEEN_HEARTBEATS", 0.0)
    monkeypatch.setattr(pairs, "ITEMS_PER_READ", 3)
    beats: list[int] = []
    heartbeat = jobs.heartbeat

    def cancelled_at_the_third(job, **progress):
        beats.append(1)
        if len(beats) == 3:
            jobs.cancel(SealingJob.objects.get(pk=job.pk))
        heartbeat(job, **progress)

    monkeypatch.setattr(jobs, "heartbeat", cancelled_at_the_third)
    job = done(asked(study))
    assert (job.state, job.stage, len(beats)) == (JobState.CANCELLED, "deciding on every item", 3)


def test_a_waiting_job_can_be_cancelled_on_its_page_and_leads_back(client, study):
    client.force_login(make_user())
    job = asked(study)
    page = client.post(reverse("sealing-cancel", args=[job.pk]), follow=True).text
    assert "No version was made" in page
    assert f'href="{reverse("study-make-dataset", args=["ferries"])}">Back to the rule' in page
    assert done(job).state == JobState.CANCELLED


@pytest.mark.parametrize("name", ["sealing", "sealing-live"])
def test_annotators_see_no_job(client, study, name):
    client.force_login(make_rater())
    assert client.get(reverse(name, args=[asked(study).pk])).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_others_write_while_rows_are_sealed(study, monkeypatch):
    """A second connection writes before every row and every heartbeat; SQLite would refuse either beside a lock."""
    monkeypatch.setattr(jobs, "SECONDS_BETWEEN_HEARTBEATS", 0.0)
    monkeypatch.setattr(pairs, "ITEMS_PER_READ", 5)
    add = SealedWriter.add
    written: list[int] = []

    def somebody_writes() -> None:
        Dataset.objects.create(slug=f"other-{len(written)}", name="Other")
        written.append(1)
        connection.close()

    def beside_another(writer, one):
        other = threading.Thread(target=somebody_writes)
        other.start()
        other.join(5)
        add(writer, one)

    monkeypatch.setattr(SealedWriter, "add", beside_another)
    job = done(asked(study))
    assert (job.state, job.error) == (JobState.SUCCEEDED, "")
    assert len(written) == 12


SEAL_SLOWLY = """
from comparisons import sealing
from training.preferences.sealing import SealedWriter
finish = SealedWriter.finish
SealedWriter.finish = lambda writer: (finish(writer), time.sleep(60))
sealing.work()
"""


def a_minute_later() -> None:
    SealingJob.objects.update(heartbeat_at=timezone.now() - jobs.STALE_AFTER - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_before_it_publishes_leaves_no_version_and_the_next_one_makes_it(study, home):
    job = asked(study)
    kill_when(lambda: any(path.stat().st_size for path in home.rglob("*.partial")), SEAL_SLOWLY)
    job.refresh_from_db()
    assert (job.state, DatasetVersion.objects.count()) == (JobState.RUNNING, 0)
    sealing.work()
    assert not DatasetVersion.objects.exists(), "its claim is fresh"
    a_minute_later()
    version = done(job).version
    assert files(home) == [version.path.name]


def work_in_a_thread() -> None:
    sealing.work()
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_version_when_one_is_taken_for_dead(study, home):
    """The first one's claim grows old while it waits to publish; the second one makes the version meanwhile."""
    job = asked(study)
    finish, first = SealedWriter.finish, threading.Event()

    def finish_when_taken_over(writer):
        sealed = finish(writer)
        if not first.is_set():
            first.set()
            a_minute_later()
            other = threading.Thread(target=work_in_a_thread)
            other.start()
            other.join(30)
        return sealed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SealedWriter, "finish", finish_when_taken_over)
        sealing.work()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.SUCCEEDED, "")
    assert DatasetVersion.objects.get() == job.version
    assert files(home) == [job.version.path.name]


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_leaves_a_round_where_it_was(home):
    round = make_campaign().rounds.get()
    campaigns.launch(round, campaigns.plans_of(round), None, "made by a test")
    made = train(round)
    round.refresh_from_db()
    rate(campaigns.start_study(round, None), made[0])
    round.refresh_from_db()
    sealing.submit_round(round, Rule(), None, join=False)
    kill_when(lambda: any(path.stat().st_size for path in home.rglob("*.partial")), SEAL_SLOWLY)
    assert campaigns.stage_of(round) == Stage.SEALING
    assert round.campaign.rounds.count() == 1
    a_minute_later()
    sealing.work()
    round.refresh_from_db()
    assert campaigns.stage_of(round) == Stage.DONE
    assert round.campaign.rounds.get(number=2).data == round.produced
