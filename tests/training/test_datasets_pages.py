"""The pages about datasets, through the real views and the function the worker runs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from tests.factories import make_user, make_version
from tests.streams import completed, received
from tests.training.import_material import uploaded_and_imported
from tests.training.preferences.pairs import assistant, pair, source_line, user
from training.models import Dataset, DatasetVersion, ImportJob
from training.preferences import importing, reporting
from training.preferences.data_card import Card, Section, Table
from training.preferences.records import Message, Pair

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", tmp_path)
    return tmp_path


def sealed(pairs: list[Pair] | None = None, **more) -> DatasetVersion:
    return importing.seal(importing.dataset_named("Islands"), pairs or [pair(f"Q{n}?") for n in range(60)], {}, **more)


def text_of(response) -> str:
    return " ".join(BeautifulSoup(response.content, "html.parser").get_text(" ").split())


def many(count: int) -> bytes:
    return b"".join(source_line(f"Question {number}?") for number in range(count))


# --- Access -------------------------------------------------------------------------------------------------------


def every_address() -> list[str]:
    version = sealed()
    at = [version.dataset.slug, version.number]
    job = ImportJob.objects.create(dataset=version.dataset, filename="pairs.jsonl", upload="uploads/none")
    return [
        reverse("datasets"),
        reverse("dataset-new"),
        reverse("dataset", args=at[:1]),
        *[reverse(name, args=at) for name in ("dataset-version", "dataset-pairs", "dataset-version-download")],
        reverse("dataset-pair", args=[*at, 0]),
        *[reverse(name, args=[job.pk]) for name in ("dataset-import", "dataset-import-live", "dataset-import-rejects")],
    ]


def test_an_annotator_sees_no_dataset_page(client):
    client.force_login(make_user("ann", Role.ANNOTATOR))
    assert {client.get(address).status_code for address in every_address()} == {403}


def test_an_annotator_cannot_cancel_an_import(client):
    client.force_login(make_user("ann", Role.ANNOTATOR))
    job = ImportJob.objects.create(dataset=importing.dataset_named("x"), filename="x", upload="uploads/none")
    assert client.post(reverse("dataset-import-cancel", args=[job.pk])).status_code == 403


def test_without_logging_in_every_dataset_page_leads_to_the_log_in(client):
    assert {client.get(address).status_code for address in every_address()} == {302}


# --- The list -----------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_it_is_for_and_leads_to_the_import(client, rita):
    response = client.get(reverse("datasets"))
    assert "No datasets yet" in text_of(response)
    assert reverse("dataset-new") in response.content.decode()


def test_the_list_shows_the_latest_version_of_each_dataset(client, rita):
    sealed()
    sealed([pair("a"), pair("b")])
    assert "Islands Preference pairs 2 1 v2" in text_of(client.get(reverse("datasets")))


def test_a_name_that_a_failed_import_left_behind_is_no_dataset(client, rita):
    job = uploaded_and_imported(client, b"bad\n")
    shown = text_of(client.get(reverse("datasets")))
    assert "No datasets yet" in shown
    assert "pairs.jsonl Islands Failed" in shown
    again = client.get(reverse("dataset-new") + f"?dataset={job.dataset.pk}")
    assert again.context["form"]["into"].value() == "Islands"


@pytest.mark.parametrize("asked", ["9" * 30, "-1", "x", ""])
def test_a_link_to_a_dataset_that_is_not_there_opens_the_empty_form(client, rita, asked):
    assert client.get(reverse("dataset-new"), {"dataset": asked}).context["form"]["into"].value() == ""


def test_the_list_asks_the_database_equally_often_for_many_datasets(client, rita, django_assert_max_num_queries):
    """Session, user, count, datasets, versions, imports: six, with one to spare."""
    for _ in range(12):
        make_version()
        make_version(dataset=Dataset.objects.first())
    with django_assert_max_num_queries(7):
        client.get(reverse("datasets"))


# --- The version page ---------------------------------------------------------------------------------------------


def test_findings_lead_to_their_rows(client, rita):
    version = sealed([*[pair(f"Q{n}?") for n in range(20)], pair("Q3?")])
    page = client.get(version.get_absolute_url())
    assert "1 row repeats an earlier row exactly." in text_of(page)
    address = reverse("dataset-pairs", args=["islands", 1]) + "?finding=repeats"
    assert address in page.content.decode()
    rows = BeautifulSoup(client.get(address).content, "html.parser").select("tbody tr:not(.group-head)")
    assert len(rows) == 1
    assert "Q3?" in rows[0].get_text()


def test_a_finding_that_was_not_made_has_no_page(client, rita):
    sealed()
    reporting.make_missing()
    assert client.get(reverse("dataset-pairs", args=["islands", 1]) + "?finding=repeats").status_code == 404


def test_pairs_offer_the_preference_methods_and_demonstrations_only_sft(client, rita):
    pairs, demonstrations = sealed(), sealed([pair("a", rejected=None), pair("b", rejected=None)])
    offered = {
        version.pk: [
            link["href"]
            for link in BeautifulSoup(client.get(version.get_absolute_url()).content, "html.parser").select(
                "a[href^='/runs/new/']:not([href*=together])"
            )
        ]
        for version in (pairs, demonstrations)
    }
    assert offered[pairs.pk] == [
        f"{reverse('run-new', args=[method])}?dataset_version={pairs.pk}"
        for method in ("dpo", "cpo", "contrastive_cpo", "simpo", "reward", "rlhf")
    ]
    assert offered[demonstrations.pk] == [f"{reverse('run-new', args=['sft'])}?dataset_version={demonstrations.pk}"]


def test_the_lengths_are_in_the_page_as_picture_and_as_table(client, rita):
    page = BeautifulSoup(
        client.get(sealed([pair("a", "x" * 9, "y"), pair("b", "x", "y")]).get_absolute_url()).content, "html.parser"
    )
    [block] = page.select("#report-charts")
    data = json.loads(block.get_text())
    chosen, rejected = data["charts"]["lengths"]["series"]
    assert [sum(series["y"]) for series in (chosen, rejected)] == [2, 2]
    assert [cell.get_text() for cell in page.select(".chart tbody tr")[-1].select("td")] == ["1", "0"]


def test_lineage_is_shown_both_ways(client, rita):
    parent = sealed()
    child = importing.seal(
        parent.dataset,
        [pair("a"), pair("b")],
        {"kind": "study", "label": "Round one", "url": "/studies/one/", "votes": 12},
        parent=parent,
    )
    page = client.get(child.get_absolute_url())
    assert '<a href="/studies/one/">Round one</a>' in page.content.decode()
    assert "From Round one" in text_of(page)
    assert "Made from Islands v1" in text_of(page)
    assert "Votes 12" in text_of(page)
    assert "Made into Islands v2" in text_of(client.get(parent.get_absolute_url()))


def test_a_version_whose_file_is_gone_says_so_instead_of_breaking(client, rita):
    version = make_version()
    assert "not on this machine" in text_of(client.get(version.get_absolute_url()))
    assert client.get(reverse("dataset-pairs", args=[version.dataset.slug, version.number])).status_code == 404


def test_the_address_of_a_dataset_leads_to_its_latest_version(client, rita):
    sealed()
    latest = sealed([pair("a"), pair("b")])
    assert client.get(reverse("dataset", args=["islands"])).url == latest.get_absolute_url()


def test_a_page_does_not_wait_for_the_report(client, rita, monkeypatch):
    monkeypatch.setattr(reporting, "report_of", reporting.stored_report)
    version = sealed()
    assert "The report is being made" in text_of(client.get(version.get_absolute_url()))
    importing.work()
    assert "The report is being made" not in text_of(client.get(version.get_absolute_url()))


# --- Rows ---------------------------------------------------------------------------------------------------------


def test_rows_are_shown_page_by_page_and_by_split(client, rita):
    version = sealed(held_out_share=0.3)
    address = reverse("dataset-pairs", args=["islands", 1])
    assert "1 to 25 of 60" in text_of(client.get(address))
    assert "51 to 60 of 60" in text_of(client.get(address + "?page=3"))
    assert f"of {version.held_out_rows}" in text_of(client.get(address + "?split=held_out"))
    assert "of 60" in text_of(client.get(address + "?split=nonsense&page=nonsense"))


def test_a_row_is_shown_whole_with_the_other_columns_of_its_source(client, rita):
    conversation = (Message("user", "Hello"), Message("assistant", "Hi."), Message("user", "Capital?"))
    sealed([Pair(conversation, (Message("assistant", "Aro."),), None, extra={"annotator": "kim"}, line=7), pair("b")])
    page = text_of(client.get(reverse("dataset-pair", args=["islands", 1, 0])))
    for part in ("Hello", "Hi.", "Capital?", "Aro.", "annotator kim", "Line 7"):
        assert part in page
    assert client.get(reverse("dataset-pair", args=["islands", 1, 2])).status_code == 404


# --- Downloads ----------------------------------------------------------------------------------------------------


def downloaded(client: Client, **query: str) -> bytes:
    response = client.get(reverse("dataset-version-download", args=["islands", 1]), query)
    assert response.status_code == 200
    return received(response)


def test_json_lines_come_in_trls_two_forms(client, rita):
    sealed([pair("a", weight=2.0, extra={"source": "x"}), pair("b")])
    plain = [json.loads(line) for line in downloaded(client, form="jsonl-plain").splitlines()]
    conversational = [json.loads(line) for line in downloaded(client, form="jsonl").splitlines()]
    assert plain[0] == {"prompt": "a", "chosen": "Aro.", "rejected": "Teku.", "weight": 2.0, "source": "x"}
    assert conversational[1] == {"prompt": [user("b")], "chosen": [assistant("Aro.")], "rejected": [assistant("Teku.")]}


def test_parquet_comes_in_trls_two_forms_and_leaves_no_copy(client, rita, home):
    import pyarrow.parquet as pq

    sealed([pair("a"), pair("b")])
    before = set(home.rglob("*"))
    plain = pq.read_table(io.BytesIO(downloaded(client, form="parquet-plain"))).to_pylist()
    conversational = pq.read_table(io.BytesIO(downloaded(client, form="parquet"))).to_pylist()
    assert [row["prompt"] for row in plain] == ["a", "b"]
    assert conversational[0]["chosen"] == [assistant("Aro.")]
    assert set(home.rglob("*")) == before


def test_demonstrations_are_downloaded_as_prompt_and_completion(client, rita):
    import pyarrow.parquet as pq

    sealed([pair("a", rejected=None), pair("b", rejected=None)])
    table = pq.read_table(io.BytesIO(downloaded(client, form="parquet-plain")))
    assert table.column("completion").to_pylist() == ["Aro.", "Aro."]
    assert "rejected" not in table.column_names


def test_the_two_splits_make_up_the_whole(client, rita):
    sealed()
    parts = [downloaded(client, form="jsonl", split=split).splitlines() for split in ("train", "held_out")]
    assert sorted(parts[0] + parts[1]) == sorted(downloaded(client, form="jsonl").splitlines())
    assert all(parts)


def test_the_sealed_file_is_downloaded_as_it_is(client, rita):
    import hashlib

    version = sealed()
    assert hashlib.sha256(downloaded(client, form="sealed")).hexdigest() == version.sha256


def test_a_folder_holds_a_card_and_both_splits_and_leaves_no_copy(client, rita, home):
    import pyarrow.parquet as pq

    version = sealed()
    before = set(home.rglob("*"))
    with zipfile.ZipFile(io.BytesIO(downloaded(client, form="folder"))) as archive:
        readme = archive.read("islands-v1/README.md").decode()
        sides = [
            pq.read_table(io.BytesIO(archive.read(f"islands-v1/data/{split}.parquet")))
            for split in ("train", "held_out")
        ]
    assert [len(side) for side in sides] == [version.train_rows, version.held_out_rows]
    assert sides[0].column_names[:3] == ["prompt", "chosen", "rejected"]
    assert version.sha256 in readme
    assert set(home.rglob("*")) == before


def test_a_folder_of_demonstrations_holds_completions(client, rita):
    import pyarrow.parquet as pq

    sealed([pair("a", rejected=None), pair("b", rejected=None)])
    with zipfile.ZipFile(io.BytesIO(downloaded(client, form="folder"))) as archive:
        table = pq.read_table(io.BytesIO(archive.read("islands-v1/data/train.parquet")))
    assert table.column_names[:2] == ["prompt", "completion"]


def test_the_card_that_a_version_was_sealed_with_stands_on_its_page_and_in_its_file(client, rita):
    section = Section(title="Rule", text="The <majority> decides.", table=Table(columns=("a",), rows=(("b|c",),)))
    card = Card(title="Ferries", lead="From a study.", sections=(section,))
    version = importing.seal(
        importing.dataset_named("Islands"), [pair("a")], {"kind": "study", "card": card.model_dump(mode="json")}
    )
    page = text_of(client.get(version.get_absolute_url()))
    assert "Data card" in page
    assert "The <majority> decides." in page
    markdown = client.get(reverse("dataset-version-card", args=["islands", 1])).text
    assert "## Rule\n\nThe \\<majority\\> decides.\n\n| a |\n| --- |\n| b\\|c |\n" in markdown


def test_several_turns_have_no_plain_download_and_the_page_says_why(client, rita):
    sealed(
        [Pair((Message("system", "Be brief."), Message("user", "a")), (Message("assistant", "b"),), None), pair("b")]
    )
    response = client.get(
        reverse("dataset-version-download", args=["islands", 1]), {"form": "jsonl-plain"}, follow=True
    )
    assert "1 row holds several turns" in text_of(response)


@pytest.mark.parametrize("query", [{"form": "xlsx"}, {"split": "test"}])
def test_a_download_that_does_not_exist_is_not_found(client, rita, query):
    sealed()
    assert client.get(reverse("dataset-version-download", args=["islands", 1]), query).status_code == 404


def test_what_was_downloaded_can_be_imported_again(client, rita):
    sealed()
    job = uploaded_and_imported(client, downloaded(client, form="jsonl"), name="Again")
    assert job.version is not None
    assert job.version.rows == 60


def test_a_download_is_made_while_it_is_sent():
    """Under ASGI each chunk is asked for only when the one before was taken: two taken, two made."""
    from training.downloads import streamed

    made: list[int] = []

    def chunks():
        for number in range(1000):
            made.append(number)
            yield b"x"

    async def take_two() -> list[bytes]:
        stream = aiter(streamed(chunks(), "name", "text/plain"))
        return [await anext(stream), await anext(stream)]

    assert completed(take_two()) == [b"x", b"x"]
    assert made == [0, 1]
