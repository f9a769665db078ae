"""Pages that turn judgements into files and dataset versions."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from django.test import AsyncClient
from django.urls import reverse

from alignapp.asgi import application
from comparisons import assignment as assigning
from comparisons import sealing
from comparisons.models import Prompt, SealingJob, Study, StudyState
from comparisons.views import export as exporting
from tests.comparisons.export.material import study_with
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, take
from tests.factories import make_policy, make_user
from tests.streams import completed
from training.models import Dataset, DatasetVersion

pytestmark = pytest.mark.django_db
PAGES = ["study-export", "study-make-dataset"]


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


@pytest.fixture
def study():
    """Closed: eight items, six for the tuned policy, one tie, one both bad."""
    base, tuned = make_policy(name="Base"), make_policy(name="Tuned", method="dpo")
    study = make_study(items=8, policies=[base, tuned], name="Ferries", slug="ferries")
    said = {0: "tie", 1: "both_bad"}
    judge_all(study, make_rater("alice"), lambda given: said.get(given.item.position) or prefer(tuned)(given))
    study.state = StudyState.CLOSED
    study.save()
    return study


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


def words_of(response, selector):
    return " ".join(page_of(response).select_one(selector).text.split())


def made(client, response):
    """The version that a worker makes of what was sent, and to which the page of the job leads."""
    waiting = client.get(response.url)
    assert "waiting for a worker" in waiting.text
    assert not page_of(waiting).select("[data-live-done]")
    sealing.work()
    job = SealingJob.objects.get(pk=response.url.strip("/").rpartition("/")[2])
    assert job.version, job.error
    [link] = page_of(client.get(response.url)).select("#sealing-state .actions a.primary")
    assert link["href"] == job.version.get_absolute_url()
    return job.version


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_told_before_the_study_is_closed(client, researcher, name):
    study = make_study(items=4)
    given = take(make_rater())
    assigning.submit(given, "a", 1)
    page = client.get(reverse(name, args=[study.slug])).text
    assert "Results are shown when the study is closed" in page
    assert "1 of 4 judgements are in" in page
    assert given.answer_a.text not in page


@pytest.mark.parametrize("name", PAGES)
def test_annotators_are_refused(client, study, name):
    client.force_login(make_rater("bob"))
    assert client.get(reverse(name, args=[study.slug])).status_code == 403


def test_the_export_form_streams_a_file(client, researcher, study):
    url = reverse("study-export", args=["ferries"])
    assert "Download" in client.get(url).text
    assert not client.get(url).streaming
    response = client.get(url, {"form": "plain"})
    assert response["Content-Disposition"] == 'attachment; filename="ferries-pairs.jsonl"'
    rows = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert len(rows) == 6
    assert rows[0]["chosen"] == "answer 2 of 1"


@pytest.mark.django_db(transaction=True)
def test_the_export_streams_under_asgi_too(researcher, study):
    async def download():
        client = AsyncClient()
        await client.aforce_login(researcher)
        response: Any = await client.get(reverse("study-export", args=["ferries"]), {"type": "parquet"})
        assert response.is_async
        return b"".join([chunk async for chunk in response])

    assert pq.read_table(io.BytesIO(completed(download()))).num_rows == 6


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.django_db(transaction=True)
def test_an_export_that_is_given_up_ends_in_the_thread_that_makes_it(client, researcher, study, monkeypatch, waits):
    """The reader goes away after the first chunk, as a closed browser does; no garbage is collected meanwhile."""
    threads: list[int] = []
    ended = threading.Event()

    def endless(*_) -> Iterator[bytes]:
        try:
            while True:
                threads.append(threading.get_ident())
                yield str(Study.objects.count()).encode()
        finally:
            threads.append(threading.get_ident())
            ended.set()

    monkeypatch.setattr(exporting, "as_json_lines", endless)

    async def give_up() -> bool:
        cookie = client.cookies["sessionid"].OutputString().encode()
        begun = asyncio.Event()
        scope = scope_of(reverse("study-export", args=["ferries"]), b"form=plain", cookie)
        await application(scope, *reader(begun, waits=waits))
        return await asyncio.to_thread(ended.wait, 10)

    gc.disable()
    try:
        assert completed(give_up())
    finally:
        gc.enable()
    assert len(threads) > 1
    assert len(set(threads)) == 1


def scope_of(path: str, query: bytes, cookie: bytes) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"cookie", cookie)]
    told = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers}
    return {**told, "http_version": "1.1", "scheme": "http"}


def reader(begun: asyncio.Event, *, waits: bool) -> tuple[Any, Any]:
    """What an ASGI server hands over, of a reader that goes away; one that `waits` takes the first chunk alone."""
    sent = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if message := next(sent, None):
            return message
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            begun.set()
            await asyncio.sleep(3600 if waits else 0)

    return receive, send


def test_a_rule_that_leaves_nothing_says_why(client, researcher, study):
    response = client.get(reverse("study-export", args=["ferries"]), {"minimum": "5"})
    assert response.status_code == 422
    assert "This rule makes no pair of the 8 items" in response.text


def test_conversations_are_refused_in_the_plain_form(client, researcher, study):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far?"}]
    Prompt.objects.filter(suite__studies=study).update(messages=turns)
    url = reverse("study-export", args=["ferries"])
    assert client.get(url, {"form": "plain"}).status_code == 422
    assert client.get(url, {"form": "conversational"}).status_code == 200


def test_making_a_dataset_counts_first_and_seals_on_sending(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    counts = words_of(client.get(url), "aside")
    assert counts.startswith("With this rule 6 pairs of 8 items")
    assert "Both answers are bad 1" in counts
    assert "At least 1 judgement; a tie is no vote;" in counts
    assert not DatasetVersion.objects.exists()
    rule = {"minimum": 1, "ties": "ignore", "disagreement": "majority", "dataset": "Ferries, judged"}
    assert client.post(url, rule | {"action": "count"}).status_code == 200
    assert not DatasetVersion.objects.exists()
    response = client.post(url, rule | {"action": "make"})
    assert not DatasetVersion.objects.exists()
    version = made(client, response)
    assert (version.dataset.name, version.rows, version.created_by) == ("Ferries, judged", 6, researcher)
    assert version.origin["url"] == reverse("study-results", args=["ferries"])


def test_the_name_of_an_existing_dataset_adds_a_version(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    rule = {"minimum": 1, "ties": "ignore", "disagreement": "majority", "dataset": "Ferries"}
    for share in ("ignore", "half"):
        made(client, client.post(url, rule | {"ties": share}))
    assert Dataset.objects.count() == 1
    assert sorted(DatasetVersion.objects.values_list("number", flat=True)) == [1, 2]


def test_a_bad_rule_seals_nothing(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    response = client.post(url, {"minimum": 0, "ties": "?", "disagreement": "majority", "dataset": ""})
    assert response.status_code == 422
    assert "Nothing was saved yet" in response.text
    assert not Dataset.objects.exists()


def test_what_is_not_sent_is_as_it_is_by_default(client, researcher, study):
    version = made(client, client.post(reverse("study-make-dataset", args=["ferries"]), {"dataset": "Ferries"}))
    assert version.origin["rule"].startswith("At least 1 judgement; a tie is no vote; the majority")


def test_counting_on_the_export_page_downloads_nothing(client, researcher, study):
    response = client.get(reverse("study-export", args=["ferries"]), {"minimum": "1", "action": "count"})
    assert words_of(response, "aside").startswith("With this rule 6 pairs of 8 items")


def test_the_folder_is_a_zip_with_the_card_and_holds_conversations_whatever_the_form(client, researcher, study):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far?"}]
    Prompt.objects.filter(suite__studies=study).update(messages=turns)
    response = client.get(reverse("study-export", args=["ferries"]), {"type": "folder", "form": "plain"})
    assert response["Content-Disposition"] == 'attachment; filename="ferries-pairs.zip"'
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert archive.namelist() == ["ferries-pairs/README.md", "ferries-pairs/data/train.parquet"]


def test_margins_are_offered_where_raters_were_asked_how_much_better(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    assert page_of(client.get(url)).select_one("[name=margins]") is None
    study.design["strength"] = True
    study.save()
    assert page_of(client.get(url)).select_one("[name=margins]") is not None


@pytest.mark.parametrize(
    "sent", [{"consensus": "dawid_skene", "threshold": "0.5"}, {"threshold": "nan"}, {"certainty": "?"}]
)
def test_a_rule_that_makes_no_sense_is_refused(client, researcher, study, sent):
    response = client.post(reverse("study-make-dataset", args=["ferries"]), {"dataset": "Ferries"} | sent)
    assert response.status_code == 422
    assert not DatasetVersion.objects.exists()


def test_weighed_raters_and_soft_labels_reach_the_version(client, researcher):
    study = study_with([["first", "first"]] * 8, slug="ferries")
    sent = {"dataset": "Ferries", "consensus": "dawid_skene", "threshold": "0.6", "certainty": "label"}
    version = made(client, client.post(reverse("study-make-dataset", args=[study.slug]), sent))
    assert "with a probability of 0.60 or more; the label is the certainty" in version.origin["rule"]
