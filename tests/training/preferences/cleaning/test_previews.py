"""What a recipe would do to a large version: found out by a worker, kept, and the same as on a small one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.factories import make_user
from tests.training.preferences.pairs import pair
from training import jobs
from training.models import CleaningJob, CleaningKind, DatasetVersion, JobState
from training.preferences import reporting, tags
from training.preferences.cleaning import making, previews
from training.preferences.cleaning.previews import Preview
from training.preferences.cleaning.recipes import BadRecipe, Drop, Flip, Merge, Recipe, Soften, Weight
from training.preferences.filters import Bounds, Filter
from training.preferences.versions import dataset_named, seal

pytestmark = pytest.mark.django_db
STEPS = (
    Flip(rows=Filter(rows=(1, 2, 3))),
    Soften(rows=Filter(annotator="ann"), value=0.75),
    Merge(),
    Weight(rows=Filter(text="q5"), value=0.5),
    Drop(rows=Filter(rows=(1, 7))),
)
RECIPE = Recipe(steps=STEPS)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def version() -> DatasetVersion:
    """Twelve rows; the last two repeat the first two."""
    pairs = [pair(f"Q{n % 10}?", annotator=("ann", "bob")[n % 2], position=1) for n in range(12)]
    return seal(dataset_named("Islands"), pairs, {})


@pytest.fixture
def large(version: DatasetVersion, monkeypatch: pytest.MonkeyPatch) -> DatasetVersion:
    monkeypatch.setattr(making, "ROWS_AT_ONCE", 5)
    return version


def waiting(found: Preview | CleaningJob) -> CleaningJob:
    assert isinstance(found, CleaningJob)
    return found


def known(found: Preview | CleaningJob) -> Preview:
    assert isinstance(found, Preview)
    return found


def files(version: DatasetVersion) -> list[str]:
    return sorted(file.name for file in version.path.parent.glob("*.preview-*"))


def test_a_worker_finds_out_what_a_page_would(version: DatasetVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of every step, and every row that it touches with both of its sides."""
    at_once = known(making.look_at(version, RECIPE, None))
    monkeypatch.setattr(making, "ROWS_AT_ONCE", 5)
    waiting(making.look_at(version, RECIPE, None))
    making.work()
    kept = known(making.look_at(version, RECIPE, None))
    assert (kept.before, kept.after) == (at_once.before, at_once.after)
    assert (kept.removed, kept.changed) == (at_once.removed, at_once.changed)
    assert kept.removed > 0
    for one, other in zip(kept.effects, at_once.effects, strict=True):
        assert (one.number, one.step) == (other.number, other.step)
        assert (one.about, one.removed, one.changed) == (other.about, other.removed, other.changed)
        assert len(one.examples) == len(other.examples) > 0
        assert list(one.examples[:]) == list(other.examples[:])
        assert one.examples[len(one.examples) - 1] == other.examples[len(other.examples) - 1]


def test_a_version_of_few_long_rows_is_not_waited_for(version: DatasetVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "BYTES_AT_ONCE", 100)
    assert waiting(making.look_at(version, RECIPE, None)).kind == CleaningKind.PREVIEW


def test_asked_again_it_is_not_found_out_again(large: DatasetVersion) -> None:
    assert waiting(making.look_at(large, RECIPE, None)) == waiting(making.look_at(large, RECIPE, None))
    making.work()
    known(making.look_at(large, RECIPE, None))
    assert CleaningJob.objects.count() == 1


def test_a_preview_makes_no_version_and_the_recipe_is_applied_apart(large: DatasetVersion) -> None:
    waiting(making.look_at(large, RECIPE, None))
    making.submit(large, RECIPE, None)
    making.work()
    assert {(job.kind, job.state) for job in CleaningJob.objects.all()} == {
        (CleaningKind.PREVIEW, JobState.SUCCEEDED),
        (CleaningKind.VERSION, JobState.SUCCEEDED),
    }
    assert large.children.count() == 1


def test_another_tag_is_another_preview(large: DatasetVersion) -> None:
    recipe = Recipe(steps=(Drop(rows=Filter(tag="odd")),))
    tags.put(large, [1], "odd", None)
    waiting(making.look_at(large, recipe, None))
    making.work()
    assert known(making.look_at(large, recipe, None)).removed == 1
    tags.put(large, [2], "odd", None)
    waiting(making.look_at(large, recipe, None))
    making.work()
    assert known(making.look_at(large, recipe, None)).removed == 2


def test_what_is_wrong_with_a_recipe_is_said(large: DatasetVersion) -> None:
    reporting.make_now(large)
    wrong = Recipe(steps=(Drop(rows=Filter(bounds=(Bounds(score="unheard", low=0.0),))),))
    waiting(making.look_at(large, wrong, None))
    making.work()
    with pytest.raises(BadRecipe, match="no score unheard"):
        making.look_at(large, wrong, None)


def test_a_preview_that_failed_is_tried_again_after_a_while(
    large: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(previews, "write", full)
        waiting(making.look_at(large, RECIPE, None))
        making.work()
    with pytest.raises(BadRecipe, match="disk is full"):
        making.look_at(large, RECIPE, None)
    CleaningJob.objects.update(created_at=CleaningJob.objects.get().created_at - making.TRIED_AGAIN_AFTER)
    waiting(making.look_at(large, RECIPE, None))
    making.work()
    known(making.look_at(large, RECIPE, None))
    assert not list(large.path.parent.glob(".*"))


def test_nobody_waits_for_what_the_same_person_asked_before(large: DatasetVersion) -> None:
    rita, otto = make_user("rita"), make_user("otto")
    first = waiting(making.look_at(large, RECIPE, rita))
    others = waiting(making.look_at(large, Recipe(steps=STEPS[:1]), otto))
    second = waiting(making.look_at(large, Recipe(steps=STEPS[:2]), rita))
    states = [CleaningJob.objects.get(pk=job.pk).state for job in (first, others, second)]
    assert states == [JobState.CANCELLED, JobState.QUEUED, JobState.QUEUED]


def test_a_preview_whose_file_is_gone_is_found_out_again(large: DatasetVersion) -> None:
    waiting(making.look_at(large, RECIPE, None))
    making.work()
    for name in files(large):
        (large.path.parent / name).unlink()
    waiting(making.look_at(large, RECIPE, None))


def test_previews_of_yesterday_go_with_the_next_one(large: DatasetVersion) -> None:
    waiting(making.look_at(large, RECIPE, None))
    making.work()
    [old] = files(large)
    long_ago = time.time() - 2 * making.PREVIEWS_KEPT.total_seconds()
    os.utime(large.path.parent / old, (long_ago, long_ago))
    CleaningJob.objects.update(created_at=CleaningJob.objects.get().created_at - 2 * making.PREVIEWS_KEPT)
    waiting(making.look_at(large, Recipe(steps=STEPS[:1]), None))
    making.work()
    assert old not in files(large)
    assert len(files(large)) == CleaningJob.objects.count() == 1


def test_a_preview_can_be_given_up_while_it_is_found_out(large: DatasetVersion) -> None:
    job = waiting(making.look_at(large, RECIPE, None))
    assert jobs.claim(CleaningJob, job.pk) is not None
    assert jobs.cancel(job)
    CleaningJob.objects.update(heartbeat_at="2026-01-01T00:00Z")
    making.work()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert files(large) == []
