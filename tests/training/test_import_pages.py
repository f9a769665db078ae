"""The pages of an import, through the real views and the function the worker runs."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from tests.factories import make_user
from tests.streams import received
from tests.training.import_material import as_shown, confirm, queued, upload, uploaded_and_imported
from tests.training.preferences.pairs import pair, source_line
from training.models import Dataset, DatasetVersion, ImportJob, ImportState
from training.preferences import importing, store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", tmp_path)
    return tmp_path


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


def many(count: int) -> bytes:
    return b"".join(source_line(f"Question {number}?") for number in range(count))


def lines(*rows: dict) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def sealed() -> DatasetVersion:
    return importing.seal(importing.dataset_named("Islands"), [pair(f"Q{n}?") for n in range(4)], {})


def draft(client: Client, content: bytes, **fields: str) -> ImportJob:
    response = upload(client, content, **fields)
    assert response.status_code == 302, text_of(response)
    return ImportJob.objects.latest("created_at")


BATTLE = {"prompt": "Capital?", "model_a": "x", "model_b": "y", "response_a": "Aro.", "response_b": "Teku."}
RATED = {
    "instruction": "Capital?",
    "completions": [{"response": w, "overall_score": len(w)} for w in ("a", "bb", "ccc")],
}


# --- Access -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["confirm", "cancel", "again", "remove"])
def test_an_annotator_can_change_no_import(client, rita, name):
    job = draft(client, many(1))
    client.force_login(make_user("ann", Role.ANNOTATOR))
    assert client.post(reverse(f"dataset-import-{name}", args=[job.pk])).status_code == 403


# --- From a file to a draft ---------------------------------------------------------------------------------------


def test_an_uploaded_file_becomes_a_version_with_its_page(client, rita):
    job = uploaded_and_imported(client, many(20) + b"not json\n")
    assert job.version is not None
    assert job.version.created_by == rita
    page = text_of(client.get(job.version.get_absolute_url()))
    assert "From the file pairs.jsonl" in page
    assert "21 = 20 accepted + 1 not usable + 0 blank" in page
    assert job.version.sha256 in page


def test_a_packed_file_is_read_as_it_is(client, rita):
    job = uploaded_and_imported(client, gzip.compress(many(20)))
    assert job.accepted == 20


@pytest.mark.parametrize(
    "content, said",
    [(b"", "The file is empty: it holds 0 bytes."), (b"\x1f\x8b\x08\x00", "gzip"), (b"%PDF", "a PDF document")],
)
def test_a_file_that_cannot_be_read_is_refused_at_once_and_leaves_nothing(client, rita, home, content, said):
    response = upload(client, content)
    assert response.status_code == 422
    assert said in text_of(response)
    assert not ImportJob.objects.exists()
    assert not Dataset.objects.exists()
    assert not any(path.is_file() for path in home.rglob("*"))


def test_a_worker_looks_at_a_parquet_file_before_it_is_confirmed(client, rita):
    file = io.BytesIO()
    rows = [{"prompt": f"Q{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), file)
    response = upload(client, gzip.compress(file.getvalue()))
    assert "data-live-url" in client.get(response.url).text
    importing.work()
    job = ImportJob.objects.get()
    confirm(client, job, name="Islands")
    importing.work()
    job.refresh_from_db()
    assert (job.state, job.accepted) == (ImportState.SUCCEEDED, 20)


def test_a_broken_parquet_file_fails_with_its_reason(client, rita):
    response = upload(client, b"PAR1\x00\x00")
    importing.work()
    assert "The Parquet file is damaged or cut off" in text_of(client.get(response.url))
    assert ImportJob.objects.get().state == ImportState.FAILED


def test_a_file_above_the_limit_is_refused_with_both_sizes(client, rita, monkeypatch):
    monkeypatch.setattr(settings, "UPLOAD_LIMIT_BYTES", 100)
    response = upload(client, many(5))
    assert response.status_code == 422
    assert "at most 100 bytes can be uploaded" in text_of(response).replace("\xa0", " ")


def test_the_same_form_sent_twice_makes_one_import(client, rita):
    key = str(uuid4())
    first, second = (upload(client, many(3), key=key) for _ in range(2))
    assert first.url == second.url
    assert ImportJob.objects.count() == Dataset.objects.count() == 1


def test_a_form_without_a_source_says_what_is_missing(client, rita):
    response = client.post(reverse("dataset-new"), {})
    assert response.status_code == 422
    assert "Choose a file, or name where the rows are." in text_of(response)


def test_fields_of_which_one_is_needed_say_so_instead_of_optional(client, rita):
    source = BeautifulSoup(client.get(reverse("dataset-new")).content, "html.parser")
    target = BeautifulSoup(client.get(draft(client, many(3)).get_absolute_url()).content, "html.parser")
    labels = [*source.select("label[for]"), *target.select("label[for]")]
    marks = {label["for"]: label.select_one(".required") for label in labels}
    words = {name: mark.get_text(strip=True) for name, mark in marks.items() if mark}
    assert {words[f"id_{name}"] for name in ("file", "place", "hub")} == {"one of these is needed"}
    assert {words[f"id_{name}"] for name in ("dataset", "name")} == {"one of both is needed"}
    assert words["id_config"] == "optional"


def test_several_sources_at_once_are_refused(client, rita):
    response = upload(client, many(1), place="x.jsonl")
    assert "Several sources are named." in text_of(response)


def test_a_file_in_the_imports_folder_is_read_and_stays(client, rita, home):
    (home / "imports").mkdir()
    file = home / "imports" / "mine.jsonl"
    file.write_bytes(many(4))
    client.post(reverse("dataset-new"), {"place": "mine.jsonl"})
    job = ImportJob.objects.get()
    confirm(client, job)
    importing.work()
    job.refresh_from_db()
    assert (job.state, job.dataset.name, job.accepted) == (ImportState.SUCCEEDED, "mine", 4)
    assert file.exists()


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret.jsonl", "link.jsonl", "nothing.jsonl", ".", "\0"])
def test_a_place_outside_the_allowed_folders_is_refused(client, rita, home, place):
    (home / "imports").mkdir()
    (home / "secret.jsonl").write_bytes(many(1))
    (home / "imports" / "link.jsonl").symlink_to(home / "secret.jsonl")
    response = client.post(reverse("dataset-new"), {"place": place})
    assert response.status_code == 422
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b/c", "~/x", "a b"])
def test_a_hub_name_is_no_path(client, rita, name):
    response = client.post(reverse("dataset-new"), {"hub": name})
    assert response.status_code == 422
    assert "has a name such as owner/name" in text_of(response)


# --- The confirmation ---------------------------------------------------------------------------------------------


def test_a_draft_shows_what_its_first_rows_become_and_what_is_refused(client, rita):
    job = draft(client, many(3) + b"not json\n")
    page = text_of(client.get(job.get_absolute_url()))
    assert "3 of the first 4 rows can be used" in page
    assert "Question 0?" in page
    assert "The row is not JSON" in page


def test_the_proposed_name_is_that_of_the_file(client, rita):
    job = draft(client, many(3))
    assert as_shown(client.get(job.get_absolute_url()))["name"] == "pairs"
    assert confirm(client, job).status_code == 302
    assert ImportJob.objects.get().dataset.name == "pairs"


def test_another_name_leaves_no_dataset_of_the_proposed_one(client, rita):
    uploaded_and_imported(client, many(3))
    assert [dataset.name for dataset in Dataset.objects.all()] == ["Islands"]


def test_a_second_file_becomes_the_next_version_of_the_dataset(client, rita):
    first = uploaded_and_imported(client, many(5))
    uploaded_and_imported(client, many(6), name="", dataset=first.dataset.pk)
    assert list(first.dataset.versions.values_list("number", "rows")) == [(2, 6), (1, 5)]


def test_a_link_to_a_dataset_proposes_it(client, rita):
    version = sealed()
    page = client.get(reverse("dataset-new"), {"dataset": version.dataset.pk})
    into = page.context["form"]["into"].value()
    job = draft(client, many(3), into=into)
    assert as_shown(client.get(job.get_absolute_url()))["dataset"] == str(version.dataset.pk)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"name": ""}, "Name the new dataset, or choose one"),
        ({"held_out": "60"}, "less than or equal to 50"),
        ({"role-chosen": ""}, "Choose the column."),
        ({"role-rejected": "chosen"}, "cannot be both"),
        ({"role-chosen": "nowhere"}, "The source has no such column."),
    ],
)
def test_a_confirmation_that_makes_no_sense_says_why(client, rita, fields, said):
    job = draft(client, many(1))
    response = confirm(client, job, **fields)
    assert response.status_code == 422
    assert said in text_of(response)
    assert ImportJob.objects.get().state == ImportState.DRAFT


def test_a_name_that_is_taken_points_to_the_list(client, rita):
    sealed()
    job = draft(client, many(1))
    assert "There is a dataset of this name." in text_of(confirm(client, job, name="islands"))


def test_the_columns_can_be_changed_and_looked_at_before_the_import(client, rita):
    job = draft(client, lines({"q": "Capital?", "good": "Aro.", "bad": "Teku."}))
    changed = {"role-prompt": "q", "role-chosen": "good", "role-rejected": "bad", "name": "Islands"}
    looked = confirm(client, job, action="preview", **changed)
    assert "All of the first 1 row can be used" in text_of(looked)
    assert ImportJob.objects.get().state == ImportState.DRAFT
    confirm(client, job, **changed)
    importing.work()
    job.refresh_from_db()
    assert job.version is not None
    assert store.page(job.version.path, 0, 1)[0].pair == pair("Capital?", line=1)


def test_battles_are_recognised_and_their_rule_is_chosen(client, rita):
    rows = lines(BATTLE | {"winner": "model_a"}, BATTLE | {"winner": "tie"}, BATTLE | {"winner": "tie (bothbad)"})
    job = uploaded_and_imported(client, rows, ties="half")
    assert job.version is not None
    assert (job.accepted, job.rejected, job.pairs) == (2, 1, 2)
    assert [row.pair.label for row in store.page(job.version.path, 0, 2)] == [1.0, 0.5]


def test_rated_answers_give_several_pairs_of_one_row_and_the_page_says_so(client, rita):
    """Ratings 1, 2, 3; every two that differ by 1 or more: 3-2, 3-1, 2-1."""
    job = uploaded_and_imported(client, lines(RATED), pairing="gap", gap="1")
    assert job.version is not None
    assert (job.accepted, job.pairs, job.version.rows) == (1, 3, 3)
    assert "far enough apart: 1 or more" in text_of(client.get(job.version.get_absolute_url()))


def test_another_format_can_be_tried(client, rita):
    job = draft(client, lines(RATED))
    assert "Several rated answers" in text_of(client.get(job.get_absolute_url()))
    page = client.get(job.get_absolute_url(), {"format": "pairs"})
    assert as_shown(page)["format"] == "pairs"
    assert "0 of the first 1 row can be used" in text_of(page)


def test_confirming_twice_queues_one_import(client, rita):
    job = draft(client, many(3))
    sent = as_shown(client.get(job.get_absolute_url())) | {"action": "import"}
    answers = [client.post(reverse("dataset-import-confirm", args=[job.pk]), sent) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {302}
    importing.work()
    assert DatasetVersion.objects.count() == 1


# --- Progress, cancelling, starting again -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, said",
    [
        (b"hello\n", "Its one row cannot be used. Nothing was imported. Not JSON: 1."),
        (b'{"ask": "a"}\n', "Columns missing: 1."),
        (many(1).replace(b"Aro.", b"Teku."), "Chosen and rejected are the same: 1."),
        (b'{"prompt": "caf\xe9"}\n', "Not valid UTF-8: 1."),
        (b'{"prompt": "' + b"x" * (5 * 1024 * 1024), "Line too long: 1."),
        (b"\n\n", "The file holds no rows"),
    ],
)
def test_a_file_without_usable_rows_ends_with_a_sentence_and_its_rows_for_download(client, rita, content, said):
    job = uploaded_and_imported(client, content)
    assert job.state == ImportState.FAILED
    assert said in text_of(client.get(job.get_absolute_url()))
    assert not DatasetVersion.objects.exists()
    download = client.get(reverse("dataset-import-rejects", args=[job.pk]))
    assert download.status_code == (200 if job.rejected else 404)
    assert not download.streaming or len(received(download).splitlines()) == job.rejected


def test_a_name_whose_import_failed_can_be_used_again(client, rita):
    uploaded_and_imported(client, b"bad\n")
    assert uploaded_and_imported(client, many(3)).state == ImportState.SUCCEEDED
    assert Dataset.objects.count() == 1


def test_the_import_page_polls_until_the_import_has_ended(client, rita):
    job = queued(client, many(3))
    live = reverse("dataset-import-live", args=[job.pk])
    assert live in client.get(job.get_absolute_url()).content.decode()
    assert "waiting for a worker" in text_of(client.get(live))
    assert b"data-live-done" not in client.get(live).content
    importing.work()
    assert b"data-live-done" in client.get(live).content
    assert live not in client.get(job.get_absolute_url()).content.decode()


def test_a_waiting_import_can_be_cancelled_and_started_again(client, rita):
    job = queued(client, many(3))
    client.post(reverse("dataset-import-cancel", args=[job.pk]))
    importing.work()
    assert "No version was made" in text_of(client.get(job.get_absolute_url()))
    client.post(reverse("dataset-import-again", args=[job.pk]))
    assert as_shown(client.get(job.get_absolute_url()))["name"] == "Islands"
    confirm(client, job)
    importing.work()
    job.refresh_from_db()
    assert job.state == ImportState.SUCCEEDED


def test_an_import_without_a_version_can_be_removed_with_all_its_files(client, rita, home):
    job = uploaded_and_imported(client, b"bad\n")
    client.post(reverse("dataset-import-remove", args=[job.pk]))
    assert not ImportJob.objects.exists()
    assert not Dataset.objects.exists()
    assert not any(path.is_file() for path in home.rglob("*"))


def test_a_version_is_never_removed_with_its_import(client, rita):
    job = uploaded_and_imported(client, many(3))
    client.post(reverse("dataset-import-remove", args=[job.pk]))
    assert ImportJob.objects.exists()
    assert DatasetVersion.objects.exists()


def test_the_unusable_rows_are_downloaded_with_line_reason_and_text(client, rita):
    job = uploaded_and_imported(client, many(3) + b"not json\n")
    response = client.get(reverse("dataset-import-rejects", args=[job.pk]))
    row = json.loads(received(response))
    assert (row["line"], row["text"]) == (4, "not json")
    assert response["Content-Disposition"] == 'attachment; filename="islands-unusable-rows.jsonl"'


def test_the_text_of_a_row_cannot_become_markup(client, rita):
    content = b"<script>alert(1)</script>\n" + source_line("<img src=x>", **{"<b>col": "<i>"})
    job = draft(client, content)
    pages = [client.get(job.get_absolute_url()).content]
    confirm(client, job)
    importing.work()
    job.refresh_from_db()
    assert job.version is not None
    pages += [client.get(address).content for address in (job.get_absolute_url(), job.version.get_absolute_url())]
    for page in pages:
        assert b"<script>alert" not in page
        assert b"<img src=x" not in page
        assert b"<b>col" not in page


def test_the_report_leads_to_the_rows_that_the_import_left_out(client, rita):
    job = uploaded_and_imported(client, many(3) + b"bad\n")
    assert job.version is not None
    page = BeautifulSoup(client.get(job.version.get_absolute_url()).content, "html.parser")
    [link] = page.select("#finding-not_imported .actions a")
    assert link["href"] == job.get_absolute_url()
