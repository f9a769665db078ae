"""The page of the map and the pages of samples, through the real views."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role, User
from tests.factories import make_user
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion, PromptSample
from training.preferences import importing, reporting, samples
from training.preferences.coverage import reading
from training.preferences.survey import ReportSettings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]

CASTLES = [f"Describe castle number {n} with its moat" for n in range(60)]
SUMS = [f"What is the integral of polynomial {n} over [0, 1]?" for n in range(60)]
HOSTILE = "<script>alert(1)</script> integral polynomial"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the module: versions of the same prompts share a sealed file, and so the report beside it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", folder)
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", folder)
    return folder


@pytest.fixture
def rita(client: Client) -> User:
    rita = make_user("rita")
    client.force_login(rita)
    return rita


def sealed(prompts: list[str]) -> DatasetVersion:
    return importing.seal(importing.dataset_named("Castles"), [pair(prompt) for prompt in prompts], {})


def sample_of(prompts: list[str]) -> PromptSample:
    file = SimpleUploadedFile("prompts.txt", "\n".join(prompts).encode())
    return samples.store("Production", file.file, json_lines=False)  # type: ignore[arg-type]


def with_a_gap() -> DatasetVersion:
    version = sealed(CASTLES)
    target = f"sample:{sample_of([*CASTLES[:30], *SUMS, HOSTILE]).pk}"
    reporting.look_at(version, ReportSettings(target=target))
    return version


def map_of(version: DatasetVersion) -> str:
    return reverse("dataset-coverage", args=[version.dataset.slug, version.number])


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


def test_the_map_names_the_missed_topics_and_links_to_what_fills_them(client, rita):
    version = with_a_gap()
    page = BeautifulSoup(client.get(map_of(version)).content, "html.parser")
    first = page.select_one(".missed a")
    assert first is not None
    chosen = BeautifulSoup(client.get(map_of(version) + str(first["href"])).content, "html.parser")
    panel = chosen.select_one("#topic")
    number = first["data-topic"]
    assert [link["href"] for link in panel.select(".actions a")] == [
        f"{reverse('gap-study')}?version={version.pk}&cluster={number}",
        f"{reverse('gap-collection')}?version={version.pk}&cluster={number}",
        f"{reverse('gap-attempts')}?version={version.pk}&cluster={number}",
    ]
    assert "none in the data" in text_of(client.get(map_of(version)))


def test_every_topic_of_the_data_links_to_its_rows(client, rita):
    version = with_a_gap()
    page = BeautifulSoup(client.get(map_of(version)).content, "html.parser")
    links = [str(link["href"]) for link in page.select(".topics td a")]
    pairs = reverse("dataset-pairs", args=[version.dataset.slug, version.number])
    assert links
    assert all(link.startswith(f"{pairs}?cluster=") for link in links)
    counted = sum(int(str(link.contents[0])) for link in page.select(".topics td a"))
    assert counted == 60


def test_hostile_prompts_are_shown_as_text(client, rita):
    version = with_a_gap()
    missed = BeautifulSoup(client.get(map_of(version)).content, "html.parser").select(".missed a[data-topic]")
    for link in missed:
        assert b"<script>alert" not in client.get(map_of(version) + str(link["href"])).content


def test_htmx_gets_the_topic_alone(client, rita):
    version = with_a_gap()
    response = client.get(map_of(version) + "?cluster=0", headers={"HX-Request": "true"})
    assert response.content.strip().startswith(b"<section")
    assert b"<svg" not in response.content


@pytest.mark.parametrize("number", ["999", "x", "-1"])
def test_a_topic_that_is_not_there_is_not_found(client, rita, number):
    assert client.get(map_of(with_a_gap()) + f"?cluster={number}").status_code == 404


def test_without_a_target_the_page_asks_for_one(client, rita):
    assert "Choose a target" in text_of(client.get(map_of(sealed(CASTLES))))


def test_a_few_prompts_have_no_map_and_the_page_says_why(client, rita):
    assert "Too few prompts for a map" in text_of(client.get(map_of(sealed(CASTLES[:5]))))


def test_a_report_that_is_not_made_yet_or_failed_is_said(client, rita, monkeypatch):
    monkeypatch.setattr(reporting, "report_of", reporting.stored_report)
    version = sealed(CASTLES[:59])
    assert "still being drawn" in text_of(client.get(map_of(version)))
    DatasetVersion.objects.filter(pk=version.pk).update(report_error="The disk is full.")
    assert "The disk is full." in text_of(client.get(map_of(version)))


def test_a_gap_gives_the_targets_conversations(client, rita):
    version = with_a_gap()
    client.get(map_of(version))
    drawn = reading.picture(version)
    assert drawn is not None
    found = reading.cluster(version, drawn["topics"][0]["number"])
    assert found is not None
    assert {prompt[0].content for prompt in found.target_prompts} <= {*SUMS, HOSTILE}
    assert reading.cluster(version, 999) is None


def test_a_gap_of_a_target_that_is_gone_gives_its_examples(client, rita):
    version = with_a_gap()
    client.get(map_of(version))
    drawn = reading.picture(version)
    assert drawn is not None
    number = drawn["topics"][0]["number"]
    PromptSample.objects.all().delete()
    assert reading.cluster(version, number).target_prompts


# --- Samples ------------------------------------------------------------------------------------------------------


def upload(client: Client, name: str, content: bytes, title: str = "Production"):
    return client.post(reverse("prompt-sample-new"), {"name": title, "file": SimpleUploadedFile(name, content)})


def test_an_uploaded_sample_is_shown_with_the_lines_that_gave_no_prompt(client, rita):
    response = upload(client, "prompts.jsonl", b'{"prompt": "Hi"}\n{"question": "no"}\n')
    sample = PromptSample.objects.get()
    assert response.url == reverse("prompt-sample", args=[sample.pk])
    page = text_of(client.get(response.url))
    assert "Hi" in page
    assert "'question'" in page
    assert "Production" in text_of(client.get(reverse("prompt-samples")))


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.jsonl", b"{broken", "No line gives a prompt"),
        ("a.txt", b"\n\n", "every line is empty"),
        ("a.jsonl", b"", "The file is empty"),
        ("a.jsonl", b"PAR1", "Parquet"),
    ],
)
def test_a_file_without_prompts_is_refused_beside_its_field(client, rita, name, content, said):
    response = upload(client, name, content)
    assert response.status_code == 422
    assert said in text_of(response)


def test_two_samples_cannot_share_a_name(client, rita):
    upload(client, "a.txt", b"one")
    assert upload(client, "b.txt", b"two").status_code == 422


def test_raters_see_none_of_it(client):
    version = sealed(CASTLES[:5])
    sample = sample_of(["a"])
    client.force_login(make_user("anna", role=Role.ANNOTATOR))
    for address in (map_of(version), reverse("prompt-samples"), reverse("prompt-sample", args=[sample.pk])):
        assert client.get(address).status_code == 403
