"""Files and pairs becoming dataset versions: counted, cancellable, restartable, and never half made."""

from __future__ import annotations

import errno
import json
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.training.preferences.killing import kill_when
from tests.training.preferences.pairs import pair, source_line
from training.jobs import LostClaim
from training.models import Dataset, DatasetVersion, ImportJob, ImportState
from training.preferences import drafts, import_queue, importing, store
from training.preferences.formats import Mapping
from training.preferences.records import Message, Pair, RowProblem
from training.preferences.refused import read_refused
from training.preferences.report import place
from training.preferences.sealing import NothingToSeal, SealedWriter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    """A data folder of the test's own, so that leftovers show."""
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


def files(home: Path) -> set[str]:
    """All files below the data folder, hidden ones too."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def kept(job: ImportJob) -> set[str]:
    """What stays of an import that gave no version, so that it can be started again."""
    return {f"uploads/{job.pk}.upload", f"uploads/{job.pk}.sample.jsonl"}


def queued(content: bytes, share: float = 0.1) -> ImportJob:
    """An upload as a person confirms it, read as it was recognised."""
    job = drafts.from_upload(SimpleUploadedFile("pairs.jsonl", content), None)
    assert drafts.confirm(job, Mapping.model_validate(job.mapping), importing.dataset_named("Islands"), share)
    return job


def imported(content: bytes) -> ImportJob:
    job = queued(content)
    importing.run_import(job.pk)
    job.refresh_from_db()
    return job


def many(count: int) -> bytes:
    return b"".join(source_line(f"Question {number}?") for number in range(count))


# --- A file that can be used --------------------------------------------------------------------------------------


def test_a_file_becomes_a_version():
    job = imported(many(20) + b"\nnot json\n")
    assert job.state == ImportState.SUCCEEDED
    assert job.version is not None
    version = job.version
    assert (version.number, version.rows, version.kind) == (1, 20, "preferences")
    assert version.train_rows + version.held_out_rows == 20
    assert (job.accepted, job.rejected, job.pairs, job.bytes_read) == (20, 1, 20, job.bytes_total)
    assert store.page(version.path, 3, 1)[0].pair == pair("Question 3?", line=4)


def test_the_origin_says_what_became_of_every_line():
    """22 lines = 1 blank + 20 accepted + 1 refused."""
    version = imported(many(20) + b"\nnot json\n").version
    assert version is not None
    assert {key: version.origin[key] for key in ("kind", "label", "lines", "blank", "accepted", "rejected")} == {
        "kind": "upload",
        "label": "pairs.jsonl",
        "lines": 22,
        "blank": 1,
        "accepted": 20,
        "rejected": 1,
    }
    assert version.origin["problems"] == {"not_json": 1}


def test_refused_rows_are_listed_with_line_reason_and_text():
    job = imported(many(2) + b"not json\n" + source_line("")[:-1])
    first, second = [json.loads(line) for line in job.rejects_path.read_text().splitlines()]
    assert (first["line"], first["text"]) == (3, "not json")
    assert (second["line"], second["reason"]) == (4, "prompt is empty.")
    assert [row.problem.value for row in read_refused(job.rejects_path, 10)] == ["not_json", "empty_text"]


def test_an_import_without_refused_rows_leaves_no_list(home):
    job = imported(many(3))
    assert job.version is not None
    assert files(home) == {f"datasets/{job.version.sha256}.parquet"}


def test_the_same_file_twice_makes_two_versions_of_one_digest():
    first, second = imported(many(5)).version, imported(many(5)).version
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)
    assert first.sha256 == second.sha256


def without_controls(line: bytes) -> bytes:
    """Bytes that a text may hold, valid UTF-8 or not: a file of control characters is refused as a whole."""
    return bytes(byte for byte in line if byte >= 32)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=30).map(without_controls) | st.just(source_line().rstrip()), min_size=1))
def test_accepted_and_refused_rows_are_all_rows(lines):
    """The law of conservation, through database and files: version rows + listed rows + blank lines = lines."""
    content = b"x\n" + b"\n".join(lines) + b"\n"
    job = imported(content)
    listed = len(job.rejects_path.read_bytes().splitlines())
    sealed = job.version.rows if job.version else 0
    blank = sum(not line.strip() for line in content.split(b"\n")[:-1])
    assert (job.accepted, job.rejected) == (sealed, listed)
    assert sealed + listed + blank == content.count(b"\n")


# --- A file that cannot -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, said",
    [
        (b"hello\nworld\n", "None of the 2 rows can be used. Nothing was imported. Not JSON: 2."),
        (
            b'{"ask": "a", "reply": "b"}\n',
            "Its one row cannot be used. Nothing was imported. Columns missing: 1.",
        ),
        (b"\n \n\n", "The file holds no rows: its 3 lines are blank."),
        (b"caf\xe9\n", "Not valid UTF-8: 1."),
    ],
)
def test_a_file_without_a_usable_row_fails_with_a_sentence_and_makes_no_version(home, content, said):
    job = imported(content)
    assert job.state == ImportState.FAILED
    assert said in job.error
    assert not DatasetVersion.objects.exists()
    assert files(home) <= {f"rejects/{job.pk}.jsonl", *kept(job)}


def test_the_list_of_refused_rows_stays_when_the_import_fails():
    job = imported(b"hello\nworld\n")
    assert [row.line for row in read_refused(job.rejects_path, 10)] == [1, 2]
    assert (job.accepted, job.rejected) == (0, 2)


def test_reading_stops_where_it_is_hopeless(monkeypatch):
    monkeypatch.setattr(importing, "HOPELESS_AFTER", 10)
    job = imported(b"x\n" * 50 + many(5))
    assert "first 10 rows" in job.error
    assert job.rejected == 10


def test_an_upload_that_is_gone_fails_with_a_sentence(home):
    job = queued(many(2))
    (home / job.upload).unlink()
    importing.run_import(job.pk)
    job.refresh_from_db()
    assert job.state == ImportState.FAILED
    assert "no longer there" in job.error


@pytest.mark.parametrize("step", ["add", "finish", "publish"])
def test_a_full_disk_leaves_no_version_and_no_file(home, monkeypatch, step):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SealedWriter, step, full)
    job = imported(many(3) + b"bad\n")
    assert job.state == ImportState.FAILED
    assert "disk is full" in job.error
    assert not DatasetVersion.objects.exists()
    assert files(home) - {f"rejects/{job.pk}.jsonl"} == kept(job)


def test_an_unexpected_error_ends_the_import_as_failed(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(SealedWriter, "add", broken)
    job = imported(many(3))
    assert job.state == ImportState.FAILED
    assert "unexpected error (RuntimeError)" in job.error


# --- Progress, cancelling, restarting -----------------------------------------------------------------------------


def test_progress_is_written_while_reading(monkeypatch):
    monkeypatch.setattr(importing, "SECONDS_BETWEEN_HEARTBEATS", 0)
    job = queued(many(3))
    seen: list[int] = []
    original = import_queue.heartbeat

    def watched(job: ImportJob, **progress: int) -> None:
        original(job, **progress)
        seen.append(ImportJob.objects.get(pk=job.pk).accepted)

    monkeypatch.setattr(import_queue, "heartbeat", watched)
    importing.run_import(job.pk)
    assert seen[:3] == [1, 2, 3]


def test_a_waiting_import_is_cancelled_at_once(home):
    job = queued(many(3))
    assert drafts.cancel(job)
    importing.run_import(job.pk)
    job.refresh_from_db()
    assert job.state == ImportState.CANCELLED
    assert files(home) == kept(job)


def test_a_running_import_stops_when_asked_and_leaves_nothing(home):
    job = queued(many(3))
    ImportJob.objects.filter(pk=job.pk).update(cancel_requested=True)
    importing.run_import(job.pk)
    job.refresh_from_db()
    assert job.state == ImportState.CANCELLED
    assert files(home) == kept(job)


def test_a_finished_import_cannot_be_cancelled():
    job = imported(many(3))
    assert not drafts.cancel(job)
    job.refresh_from_db()
    assert job.state == ImportState.SUCCEEDED


def test_a_finished_import_is_not_run_again():
    job = imported(many(3))
    importing.run_import(job.pk)
    assert DatasetVersion.objects.count() == 1


def test_a_fresh_claim_is_not_taken_over():
    job = queued(many(3))
    assert import_queue.claim(job.pk) is not None
    assert import_queue.claim(job.pk) is None


def abandoned(content: bytes) -> ImportJob:
    """A job whose worker was killed two minutes ago, with what it left on the disk."""
    job = queued(content)
    long_ago = timezone.now() - timedelta(minutes=2)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportState.RUNNING, heartbeat_at=long_ago, accepted=1)
    for left in (f"datasets/.import-{job.pk}-1.partial", f"rejects/.{job.pk}-1.partial"):
        path = settings.HOME / left
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    job.refresh_from_db()
    return job


def test_an_import_whose_worker_died_is_run_from_the_start_without_its_leftovers(home):
    job = abandoned(many(3) + b"bad\n")
    importing.work()
    job.refresh_from_db()
    assert (job.state, job.accepted, job.rejected) == (ImportState.SUCCEEDED, 3, 1)
    assert not any(".partial" in name for name in files(home))


def test_a_worker_that_lost_its_claim_changes_nothing(home):
    job = abandoned(many(3))
    slow_worker = ImportJob.objects.get(pk=job.pk)
    assert import_queue.claim(job.pk) is not None
    with pytest.raises(LostClaim):
        importing._import(slow_worker, None)
    job.refresh_from_db()
    assert job.state == ImportState.RUNNING
    assert not DatasetVersion.objects.exists()


WORKER = """
from training.preferences import importing
importing.SECONDS_BETWEEN_HEARTBEATS = 0.05
importing.run_import(sys.argv[2])
"""


@pytest.mark.django_db(transaction=True)
def test_an_import_whose_worker_process_is_killed_is_taken_up_again_by_itself(home):
    """A real process with a real SIGKILL in the middle of the file; the next worker finds the job a minute later."""
    job = queued(many(150_000))
    kill_when(lambda: bool(ImportJob.objects.get(pk=job.pk).accepted), WORKER, str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.version) == (ImportState.RUNNING, None)
    assert any(".partial" in name for name in files(home))
    ImportJob.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    importing.run_import(job.pk)
    job.refresh_from_db()
    assert job.version is not None
    assert (job.state, job.accepted, job.version.rows) == (ImportState.SUCCEEDED, 150_000, 150_000)
    assert files(home) == {f"datasets/{job.version.sha256}.parquet"}


@pytest.mark.django_db(transaction=True)
def test_two_workers_run_each_import_once():
    jobs = [queued(many(5)) for _ in range(4)]
    workers = [threading.Thread(target=importing.work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {ImportJob.objects.get(pk=job.pk).state for job in jobs} == {ImportState.SUCCEEDED}
    assert sorted(DatasetVersion.objects.values_list("number", flat=True)) == [1, 2, 3, 4]


# --- Drafts and what is swept away --------------------------------------------------------------------------------


def a_draft(content: bytes = b"") -> ImportJob:
    return drafts.from_upload(SimpleUploadedFile("pairs.jsonl", content or many(3)), None)


def test_a_draft_is_not_imported_before_it_is_confirmed():
    job = a_draft()
    importing.work()
    job.refresh_from_db()
    assert job.state == ImportState.DRAFT


def test_a_draft_is_confirmed_once():
    job = a_draft()
    mapping = Mapping.model_validate(job.mapping)
    assert [drafts.confirm(job, mapping, job.dataset, 0.1) for _ in range(2)] == [True, False]


def test_a_cancelled_draft_starts_again_as_a_draft():
    job = a_draft()
    assert drafts.cancel(job)
    assert drafts.start_again(job)
    assert (job.state, bool(job.mapping)) == (ImportState.DRAFT, True)


def test_an_import_from_the_command_line_starts_again_with_a_look_by_a_worker(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"bad\n")
    job = importing.import_file(path, importing.dataset_named("Mine"))
    path.write_bytes(many(3))
    assert drafts.start_again(job)
    importing.work()
    job.refresh_from_db()
    assert (job.state, len(drafts.sample_of(job).rows)) == (ImportState.DRAFT, 3)


def test_what_is_gone_cannot_start_again(home):
    job = imported(b"bad\n")
    (home / job.upload).unlink()
    assert not drafts.start_again(job)


def test_a_draft_left_alone_is_swept_after_a_week_with_its_files_and_its_empty_dataset(home):
    job = a_draft()
    drafts.sweep()
    assert ImportJob.objects.exists()
    ImportJob.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(days=8))
    drafts.sweep()
    assert not ImportJob.objects.exists()
    assert not Dataset.objects.exists()
    assert files(home) == set()


def test_the_upload_of_a_failed_import_is_swept_after_a_week_and_the_list_of_its_rows_stays(home):
    job = imported(b"bad\n")
    ImportJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=8))
    drafts.sweep()
    assert files(home) == {f"rejects/{job.pk}.jsonl"}


def test_what_a_killed_web_process_left_is_swept_and_an_upload_that_waits_is_not(home):
    waiting = queued(many(3))
    (home / "uploads" / "tmp1.upload.jsonl").write_bytes(b"half")
    long_ago = (timezone.now() - timedelta(days=8)).timestamp()
    for path in (home / "uploads").iterdir():
        os.utime(path, (long_ago, long_ago))
    drafts.sweep()
    assert files(home) == kept(waiting)


# --- Pairs made by the program ------------------------------------------------------------------------------------


def test_pairs_are_sealed_with_their_origin_and_parent():
    dataset = importing.dataset_named("Islands")
    first = importing.seal(dataset, [pair("a"), pair("b")], {"kind": "study", "label": "Round one"})
    second = importing.seal(dataset, iter([pair("a"), pair("c")]), {"kind": "study"}, parent=first)
    assert (second.number, second.parent) == (2, first)
    assert first.origin["label"] == "Round one"
    assert first.path.is_file()


def test_a_pair_that_no_method_could_use_stops_the_sealing(home):
    bad = Pair((Message("user", "a"),), (Message("assistant", ""),), None)
    with pytest.raises(RowProblem, match="chosen is empty"):
        importing.seal(importing.dataset_named("Islands"), [pair(), bad], {})
    assert files(home) == set()


def test_no_pairs_make_no_version():
    with pytest.raises(NothingToSeal):
        importing.seal(importing.dataset_named("Islands"), [], {})
    assert not DatasetVersion.objects.exists()


def test_missing_reports_are_made_by_the_worker():
    version = importing.seal(importing.dataset_named("Islands"), [pair("a"), pair("b")], {})
    importing.work()
    assert place(version.path).exists


@pytest.mark.parametrize(
    "name, slug", [("Islands, v1", "islands-v1"), ("Новые", "dataset"), ("new", "new-2"), ("Imports", "imports-2")]
)
def test_a_dataset_gets_a_slug_that_can_stand_in_an_address(name, slug):
    assert importing.dataset_named(name).slug == slug


def test_names_that_give_the_same_slug_stay_apart():
    assert [importing.dataset_named(name).slug for name in ("A b", "A-b", "a B ")] == ["a-b", "a-b-2", "a-b"]
    assert Dataset.objects.count() == 2


# --- The command --------------------------------------------------------------------------------------------------


def test_the_command_imports_a_file_and_leaves_it_where_it_is(tmp_path, capsys):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(many(5) + b"bad\n")
    call_command("import_pairs", path, dataset="Mine")
    version = DatasetVersion.objects.get()
    output = capsys.readouterr()
    assert "Mine v1: " in output.out
    assert version.sha256 in output.out
    assert "could not be used: 1," in output.err
    assert path.exists()


def test_the_command_recognises_a_format_and_takes_columns_and_rules(tmp_path, capsys):
    """Ratings 1, 5, 3 and every two that differ by 2 or more: 5-1, 5-3, 3-1."""
    path = tmp_path / "rated.jsonl"
    path.write_text(json.dumps({"ask": "Capital?", "responses": ["a", "b", "c"], "ratings": [1, 5, 3]}) + "\n")
    call_command("import_pairs", path, dataset="Mine", map=[("prompt", "ask")], pairing="gap", gap=2.0)
    assert DatasetVersion.objects.get().rows == 3
    assert "far enough apart: 2 or more" in capsys.readouterr().out


def test_the_command_refuses_a_mapping_that_makes_no_sense(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(many(2))
    with pytest.raises(CommandError, match="cannot be both"):
        call_command("import_pairs", path, dataset="Mine", map=[("rejected", "chosen")])


def test_the_command_ends_with_the_reason_when_nothing_could_be_imported(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"bad\n")
    with pytest.raises(CommandError, match="cannot be used"):
        call_command("import_pairs", path, dataset="Mine")


def test_the_command_names_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_pairs", tmp_path / "nothing.jsonl", dataset="Mine")
