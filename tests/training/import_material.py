"""What a person does to import a file, through the pages."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from training.models import ImportJob
from training.preferences import importing


def upload(client: Client, content: bytes, **fields: str) -> Any:
    """The first page: the file is sent, and a draft is made of it."""
    return client.post(reverse("dataset-new"), {"file": SimpleUploadedFile("pairs.jsonl", content), **fields})


def as_shown(response: Any) -> dict[str, str]:
    """What a browser would send of the confirmation page's form if nothing were changed."""
    form = BeautifulSoup(response.content, "html.parser").select_one("#confirm-form")
    assert form is not None, response.content.decode()
    sent = {str(field["name"]): str(field.get("value", "")) for field in form.select("input[name]")}
    for field in form.select("select[name]"):
        chosen = field.select_one("option[selected]") or field.select_one("option")
        sent[str(field["name"])] = str(chosen["value"]) if chosen else ""
    return sent


def confirm(client: Client, job: ImportJob, **fields: object) -> Any:
    """The second page: what was recognised is confirmed, except for the fields that are given."""
    shown = as_shown(client.get(job.get_absolute_url()))
    return client.post(reverse("dataset-import-confirm", args=[job.pk]), {**shown, "action": "import", **fields})


def queued(client: Client, content: bytes, **fields: object) -> ImportJob:
    """Both pages, one after the other; the dataset is Islands unless the fields say otherwise."""
    response = upload(client, content)
    assert response.status_code == 302, response.content.decode()
    job = ImportJob.objects.latest("created_at")
    response = confirm(client, job, **{"name": "Islands", **fields})
    assert response.status_code == 302, response.content.decode()
    return job


def uploaded_and_imported(client: Client, content: bytes, **fields: object) -> ImportJob:
    """What a person and a worker do, one after the other."""
    job = queued(client, content, **fields)
    importing.work()
    return ImportJob.objects.get(pk=job.pk)
