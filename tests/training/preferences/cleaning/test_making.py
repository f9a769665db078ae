"""Cleaning with the database: children that appear whole or not at all, once, and with their tags and diffs."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.training.preferences.pairs import pair
from training import jobs
from training.models import CleaningJob, DatasetVersion, JobState, PairTag
from training.preferences import reporting, store
from training.preferences.cleaning import applying, diffs, making
from training.preferences.cleaning.joining import join
from training.preferences.cleaning.recipes import Drop, Flip, Recipe, Soften
from training.preferences.filters import Filter
from training.preferences.sealing import NothingToSeal
from training.preferences.versions import dataset_named, seal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]
SOFTEN = Recipe(steps=(Soften(value=0.8),))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


def version(count: int = 12, **more) -> DatasetVersion:
    return seal(dataset_named("Islands"), [pair(f"Q{n}?", line=n + 1) for n in range(count)], {}, **more)


def files() -> list[str]:
    return sorted(path.name for path in (Path(settings.HOME) / "datasets").iterdir())


def drop(*rows: int) -> Recipe:
    return Recipe(steps=(Drop(rows=Filter(rows=rows)),))


def made(parent: DatasetVersion, recipe: Recipe) -> CleaningJob:
    """The job of a recipe when a worker has dealt with it."""
    job = making.submit(parent, recipe, None)
    making.work()
    job.refresh_from_db()
    return job


def test_a_recipe_makes_the_next_version_and_leaves_the_parent_as_it_was():
    parent = version()
    before = parent.path.read_bytes()
    child = made(parent, drop(3, 4)).version
    assert (child.number, child.parent, child.rows) == (2, parent, 10)
    assert child.recipe == drop(3, 4).stored()
    assert child.origin["kind"] == "cleaning"
    assert (child.origin["rows_removed"], child.origin["rows_changed"]) == (2, 0)
    assert diffs.counts(diffs.place(child.path, parent.sha256)) == {("removed", 1): 2}
    assert parent.path.read_bytes() == before


def test_the_new_version_has_a_report_without_what_was_cleaned():
    parent = seal(dataset_named("Islands"), [pair(str(n % 6)) for n in range(12)], {})
    reporting.make_missing()
    parent.refresh_from_db()
    assert reporting.report_of(parent).finding("repeats").count == 6
    child = made(parent, Recipe(steps=(Drop(rows=Filter(finding="repeats")),))).version
    assert child is not None
    assert reporting.report_of(child).finding("repeats") is None
    assert child.rows == 6


def test_the_same_recipe_again_gives_the_version_that_is_there():
    parent = version()
    first = made(parent, SOFTEN)
    second = made(parent, SOFTEN)
    assert (first.pk != second.pk, first.version) == (True, second.version)
    assert parent.dataset.versions.count() == 2


def test_two_recipes_that_leave_the_same_rows_give_one_version():
    parent = version()
    first = made(parent, drop(3, 4))
    two_steps = Recipe(steps=(*drop(3).steps, *drop(4).steps))
    assert made(parent, two_steps).version == first.version


@pytest.mark.parametrize("lost", ["file", "diff"])
def test_the_same_recipe_again_brings_back_what_of_the_version_is_missing(lost):
    parent = version()
    child = made(parent, SOFTEN).version
    before = files()
    {"file": child.path, "diff": diffs.place(child.path, parent.sha256)}[lost].unlink()
    assert made(parent, SOFTEN).version == child
    assert files() == before


def test_a_recipe_that_changes_nothing_or_leaves_nothing_is_refused():
    parent = version()
    recipes = {"changes nothing": Recipe(steps=(Flip(), Flip())), "leaves no row": Recipe(steps=(Drop(),))}
    for said, recipe in recipes.items():
        job = made(parent, recipe)
        assert (job.state, job.version) == (JobState.FAILED, None)
        assert said in job.error
    assert files() == [parent.path.name]


def test_tags_that_people_put_on_rows_stay_on_them():
    parent = version()
    for row in (2, 3, 7):
        PairTag.objects.create(version=parent, row=row, tag="odd")
    child = made(parent, drop(3)).version
    assert list(child.pair_tags.order_by("row").values_list("row", "tag")) == [(2, "odd"), (6, "odd")]


def test_rows_can_be_chosen_by_a_tag_or_by_words():
    parent = version()
    PairTag.objects.create(version=parent, row=2, tag="odd")
    by_tag = making.preview(parent, Recipe(steps=(Drop(rows=Filter(tag="odd")),)))
    by_word = making.preview(parent, Recipe(steps=(Drop(rows=Filter(text="q7")),)))
    assert by_tag.effects[0].rows.tolist() == [2]
    assert by_word.effects[0].rows.tolist() == [7]


def test_a_recipe_waits_for_a_worker(monkeypatch, django_capture_on_commit_callbacks):
    called: list[str] = []
    monkeypatch.setattr(jobs, "call_workers", called.append)
    with django_capture_on_commit_callbacks(execute=True):
        job = making.submit(version(), SOFTEN, None)
    assert (job.state, called) == (JobState.QUEUED, ["training.tasks.work_on_cleanings"])
    making.work()
    job.refresh_from_db()
    assert (job.state, job.version.rows, job.rows_done) == (JobState.SUCCEEDED, 12, 12)


def test_a_waiting_cleaning_can_be_cancelled():
    job = making.submit(version(), SOFTEN, None)
    assert jobs.cancel(job)
    making.work()
    job.refresh_from_db()
    assert (job.state, job.version) == (JobState.CANCELLED, None)


def test_a_cleaning_cancelled_while_it_writes_leaves_no_file(monkeypatch):
    parent = version()
    write = applying.write_child

    def cancelled_midway(path, plan, writer, done):
        CleaningJob.objects.update(cancel_requested=True)
        write(path, plan, writer, done)

    monkeypatch.setattr(making, "write_child", cancelled_midway)
    job = made(parent, SOFTEN)
    assert (job.state, job.version) == (JobState.CANCELLED, None)
    assert files() == [parent.path.name]


def test_a_full_disk_is_said_and_leaves_no_file(monkeypatch):
    parent = version()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diffs, "write_plan", full)
    job = made(parent, SOFTEN)
    assert job.state == JobState.FAILED
    assert "disk is full" in job.error
    assert files() == [parent.path.name]
    assert parent.dataset.versions.count() == 1


def test_a_missing_file_is_a_sentence():
    parent = version()
    parent.path.unlink()
    assert "not on this machine" in made(parent, SOFTEN).error


def test_a_join_adds_rows_and_keeps_every_prompt_on_its_side(home):
    parent = seal(dataset_named("Islands"), [pair(f"Q{n}?") for n in range(40)], {}, held_out_share=0.5)
    sides = {row.pair.prompt: row.split for row in store.page(parent.path, 0, 40)}
    new = [pair(f"Q{n}?", "New.", "Old.", source="study") for n in range(40)]
    child = join(parent, new, {"kind": "study", "label": "Study"})
    rows = store.page(child.path, 0, 80)
    assert (child.parent, child.rows, child.origin["rows_added"]) == (parent, 80, 40)
    assert all(row.split == sides[row.pair.prompt] for row in rows)
    assert [row.pair for row in rows[:40]] == [row.pair for row in store.page(parent.path, 0, 40)]
    said = diffs.Differences(diffs.place(child.path, parent.sha256), 40)[0:40]
    assert [(d.change, d.parent_row, d.child_row) for d in said] == [("added", None, 40 + n) for n in range(40)]


def test_the_same_join_again_gives_the_version_that_is_there():
    parent = version()
    first = join(parent, [pair("New?")], {})
    assert join(parent, [pair("New?")], {}) == first


@pytest.mark.parametrize("lost", ["file", "diff"])
def test_the_same_join_again_brings_back_what_of_the_version_is_missing(lost):
    parent = version()
    child = join(parent, [pair("New?")], {})
    before = files()
    {"file": child.path, "diff": diffs.place(child.path, parent.sha256)}[lost].unlink()
    assert join(parent, [pair("New?")], {}) == child
    assert files() == before


def test_a_join_of_nothing_is_refused():
    parent = version()
    with pytest.raises(NothingToSeal):
        join(parent, [], {})
    assert files() == [parent.path.name]


def test_a_recipe_that_waits_already_is_one_job():
    parent = version()
    assert making.submit(parent, SOFTEN, None) == making.submit(parent, SOFTEN, None)
    making.work()
    assert parent.dataset.versions.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_midway_leaves_nothing_and_the_next_one_makes_the_version(monkeypatch):
    """The child process dies while it writes rows, as by the kernel's hand; a minute later the job is taken up."""
    parent = version()
    job = making.submit(parent, SOFTEN, None)
    connection.close()
    process = os.fork()
    if not process:
        write = applying.write_child

        def die(path, plan, writer, done):
            write(path, plan, writer, done)
            os._exit(9)

        monkeypatch.setattr(making, "write_child", die)
        making.work()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    job.refresh_from_db()
    assert (job.state, parent.dataset.versions.count()) == (JobState.RUNNING, 1)
    assert [name for name in files() if not name.startswith(".")] == [parent.path.name]
    CleaningJob.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    making.work()
    job.refresh_from_db()
    assert (job.state, job.version.rows) == (JobState.SUCCEEDED, 12)
    assert not [name for name in files() if name.endswith(".partial")]
