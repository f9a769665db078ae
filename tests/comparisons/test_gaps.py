"""From a finding on a version to a study on its prompts, and back: the pairs join the version."""

from __future__ import annotations

from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from comparisons import export, gaps, sealing
from comparisons.models import PromptCollection, Study, StudyKind, StudyState
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.comparisons.serving_factories import make_endpoint, make_family
from tests.factories import make_user
from tests.training.hostile import LONG_WORD, MEGABYTE, OVERRIDE, SCRIPT, assert_harmless
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import browsing, reporting, store
from training.preferences.browsing import making
from training.preferences.filters import Filter
from training.preferences.importing import dataset_named, seal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.HOME = tmp_path


def version_with_a_contradiction() -> DatasetVersion:
    """Ten pairs on ten prompts, and one that says the opposite of the first; with its report."""
    pairs = [pair(f"Prompt {n}?", "good", "evil") for n in range(10)]
    origin = {"kind": "test", "label": "test"}
    version = seal(dataset_named("Islands"), [*pairs, pair("Prompt 0?", "evil", "good")], origin)
    reporting.make_missing()
    version.refresh_from_db()
    return version


def asked(version: DatasetVersion, page: str) -> str:
    return f"{reverse(page)}?version={version.pk}&finding=contradictions"


def test_the_prompts_of_a_finding_are_its_gap_each_once():
    gap = gaps.rows_gap(version_with_a_contradiction(), Filter(finding="contradictions"), "contradictions")
    assert [prompt[-1].content for prompt in gap.prompts] == ["Prompt 0?"]


def test_the_report_offers_a_study_on_rows_whose_labels_are_doubtful(client):
    version = version_with_a_contradiction()
    client.force_login(make_user())
    page = client.get(version.get_absolute_url()).content.decode()
    assert asked(version, "gap-study").replace("&", "&amp;") in page


def test_an_empty_slice_is_no_gap():
    with pytest.raises(gaps.NoGap, match="No prompt"):
        gaps.rows_gap(version_with_a_contradiction(), Filter(text="nowhere"), "nothing")


def test_a_page_for_a_gap_that_is_not_there_goes_back_with_a_sentence(client):
    version = version_with_a_contradiction()
    client.force_login(make_user())
    answer = client.get(f"{reverse('gap-study')}?version={version.pk}&cluster=99", follow=True)
    assert answer.redirect_chain[-1][0] == version.get_absolute_url()
    assert "knows no such topic" in answer.content.decode()


@pytest.mark.parametrize("query", ["", "?version=x", "?version=999999&cluster=0"])
def test_an_address_without_a_gap_is_not_found(client, query):
    client.force_login(make_user())
    assert client.get(reverse("gap-study") + query).status_code == 404


def test_a_collection_for_a_gap_shows_its_prompts_as_examples(client):
    version = version_with_a_contradiction()
    client.force_login(make_user())
    page = client.get(asked(version, "gap-collection")).content.decode()
    assert "Prompt 0?" in page
    sent = {"name": "More like it", "guideline": "Write some.", "wanted": 5}
    client.post(asked(version, "gap-collection"), sent)
    made = PromptCollection.objects.get()
    assert (made.examples, made.fills) == (["Prompt 0?"], version)


def test_pages_of_a_gap_with_hostile_prompts_stay_harmless(client):
    """Prompts with markup, an override of the direction, a megabyte, and a word of 16,000 letters."""
    prompts = [f"{SCRIPT} {OVERRIDE}", MEGABYTE, LONG_WORD]
    pairs = [pair(prompt, *(("good", "evil") if way else ("evil", "good"))) for prompt in prompts for way in (0, 1)]
    version = seal(dataset_named("Islands"), pairs, {"kind": "test", "label": "test"})
    reporting.make_missing()
    version.refresh_from_db()
    make_study(items=1)  # two policies that are served
    client.force_login(make_user())
    assert_harmless(client.get(asked(version, "gap-study")))
    assert_harmless(client.get(asked(version, "gap-collection")))
    assert_harmless(client.get(asked(version, "gap-attempts")))
    sent = {"name": f"{SCRIPT} {OVERRIDE}", "guideline": f"{SCRIPT} {OVERRIDE} {LONG_WORD}"[:2_000], "wanted": 5}
    made = client.post(asked(version, "gap-collection"), sent, follow=True)
    assert_harmless(made)


def test_a_gap_of_a_version_whose_index_is_missing_is_not_waited_for(client, monkeypatch):
    version = version_with_a_contradiction()
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 5)
    client.force_login(make_user())
    answer = client.get(asked(version, "gap-study"), follow=True)
    assert "index of this version&#x27;s rows is still being made" in answer.content.decode()
    making.make_missing()
    assert "Prompt 0?" in client.get(asked(version, "gap-collection")).content.decode()


def judged_gap_study(version: DatasetVersion) -> Study:
    """A closed study of four items on a suite that fills a gap of the version."""
    study = make_study(items=4)
    study.suites.update(fills=version)
    judge_all(study, make_rater(), prefer(study.contenders.order_by("pk")[0].policy))
    study.state = StudyState.CLOSED
    study.save()
    return study


def test_the_pairs_of_a_gap_study_join_the_version_as_its_child():
    version = version_with_a_contradiction()
    child = export.join_version(export.Export(judged_gap_study(version), export.Rule()), version, None)
    assert (child.parent, child.rows) == (version, 11 + 4)
    parents, childs = (list(store.read_pairs(v.path)) for v in (version, child))
    assert [p.chosen for p in childs[:11]] == [p.chosen for p in parents]


def test_the_form_offers_to_join_where_the_study_fills_a_gap(client):
    version = version_with_a_contradiction()
    study = judged_gap_study(version)
    client.force_login(make_user())
    address = reverse("study-make-dataset", args=[study.slug])
    assert f"Join {version}" in client.get(address).content.decode()
    client.post(address, {"minimum": 1, "ties": "ignore", "disagreement": "majority", "join": "on", "dataset": ""})
    sealing.work()
    assert version.children.get().rows == 15


def test_without_joining_a_dataset_must_be_named(client):
    study = judged_gap_study(version_with_a_contradiction())
    client.force_login(make_user())
    sent = {"minimum": 1, "ties": "ignore", "disagreement": "majority", "dataset": ""}
    answer = client.post(reverse("study-make-dataset", args=[study.slug]), sent)
    assert answer.status_code == 422
    assert "Name a dataset" in answer.content.decode()


def test_prompts_of_a_gap_come_by_doubt_each_once(monkeypatch):
    """Rows 0 to 3 with scores 0.1, 0.9, none, 0.5; row 1 asks what row 3 asks."""
    version = seal(dataset_named("Islands"), [pair(prompt) for prompt in ("a?", "b?", "c?", "b?")], {"label": "test"})
    place = reporting.place_of(version)
    noise = pa.array([0.1, 0.9, float("nan"), 0.5], pa.float32())
    pq.write_table(pa.table({"row": [0, 1, 2, 3], "noise": noise}), place.scores)
    gap = gaps.rows_gap(version, Filter(), "selected prompts")
    assert [prompt[-1].content for prompt in gap.prompts] == ["b?", "a?", "c?"]


def test_a_filter_of_the_browser_is_a_gap(client):
    version = version_with_a_contradiction()
    client.force_login(make_user())
    asked_for = urlencode({"version": version.pk, "filter": Filter(text="7").model_dump_json(exclude_defaults=True)})
    page = client.get(f"{reverse('gap-collection')}?{asked_for}").content.decode()
    assert "Prompt 7?" in page
    assert "Prompt 8?" not in page
    assert client.get(f"{reverse('gap-collection')}?version={version.pk}&filter=x").status_code == 404


def test_an_adversarial_study_on_a_gap_is_opened_as_it_is_filled_in_and_its_pairs_may_join(client):
    version = version_with_a_contradiction()
    make_endpoint("http://127.0.0.1:1", make_family("one", "two"))
    client.force_login(make_user())
    address = asked(version, "gap-attempts")
    form = client.get(address).context["form"]
    assert "Prompt 0?" in form["guideline"].value()
    values = {field.name: field.value() for field in form}
    filled = {name: value for name, value in values.items() if value is not None and value is not False}
    made = client.post(address, filled)
    assert made.status_code == 302, made.context["form"].errors
    study = Study.objects.get(kind=StudyKind.ADVERSARIAL)
    assert made["Location"] == study.get_absolute_url()
    assert (study.state, study.fills) == (StudyState.OPEN, version)
