"""What people send onto a disk that is full: the form says so, keeps what else was sent, and no file is left."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.urls import reverse

from tests.factories import make_user
from tests.training.import_material import upload
from tests.training.preferences.pairs import source_line
from training.models import ImportJob, ImportSource, ImportState, PromptSample
from training.preferences import drafts, import_queue, samples
from training.preferences.importing import dataset_named

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings) -> Path:
    settings.HOME = settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    return tmp_path


@pytest.fixture
def rita(client: Client) -> Client:
    client.force_login(make_user("rita"))
    return client


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("step", ["__init__", "write", "seek"])
def test_an_upload_that_does_not_fit_is_refused_beside_its_field(rita, home, settings, monkeypatch, step):
    """The disk is full when the file is opened, while it is written, and when the last of it is."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    monkeypatch.setattr(TemporaryUploadedFile, step, full)
    answer = upload(rita, source_line("Capital?") * 2_000, into="Islands")
    page = BeautifulSoup(answer.content, "html.parser")
    assert answer.status_code == 422
    assert "The disk is full, so the file was not kept." in page.get_text(" ")
    assert [field["value"] for field in page.select("input[name=into]")] == ["Islands"]
    assert (files(home), ImportJob.objects.count()) == ([], 0)


def test_an_upload_that_fits_is_taken(rita, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    assert upload(rita, source_line("Capital?") * 2_000).status_code == 302


@pytest.mark.parametrize("step", ["_write", "os.replace"])
def test_a_sample_that_does_not_fit_is_refused_with_a_sentence(rita, home, monkeypatch, step):
    monkeypatch.setattr(f"training.preferences.samples.{step}", full)
    sent = {"name": "Production", "file": SimpleUploadedFile("prompts.txt", b"Capital?\n")}
    answer = rita.post(reverse("prompt-sample-new"), sent)
    assert answer.status_code == 422
    assert "The disk is full. No prompt was kept." in answer.content.decode()
    assert (files(home), PromptSample.objects.count()) == ([], 0)


def test_a_sample_whose_row_cannot_be_stored_leaves_no_file(home, monkeypatch):
    monkeypatch.setattr(PromptSample, "save", full)
    with pytest.raises(OSError, match="No space"):
        samples.store("Production", io.BytesIO(b"Capital?\n"), json_lines=False)
    assert files(home) == []


def test_a_draft_whose_first_rows_cannot_be_kept_says_that_the_disk_is_full(monkeypatch):
    job = ImportJob.objects.create(
        dataset=dataset_named("Islands"), filename="x", source=ImportSource.HUB, state=ImportState.DRAFT
    )
    monkeypatch.setattr(drafts, "look", full)
    held = import_queue.claim_draft()
    assert held is not None
    drafts.look_in_worker(held)
    job.refresh_from_db()
    assert job.state == ImportState.FAILED
    assert job.error == "The disk is full. Nothing was imported. Make room, then start again."
