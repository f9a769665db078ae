"""Versions of what raters are told: revising, what changed, how many judgements each had."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from comparisons import assignment as assigning
from comparisons.guidelines import Change, GuidelineRefused, changes, revise, versions
from comparisons.models import Study
from tests.comparisons.rating_factories import make_rater, make_study, take
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user("ada"))
    return client


def page_of(study: Study) -> str:
    return reverse("study-guideline", args=[study.slug])


def test_what_changed_is_told_line_by_line():
    found = changes("Be right.\nBe brief.\nBe kind.", "Be right.\nBe clear.\nBe kind.\nBe safe.")
    assert found == (
        Change("same", ("Be right.",)),
        Change("gone", ("Be brief.",)),
        Change("new", ("Be clear.",)),
        Change("same", ("Be kind.",)),
        Change("new", ("Be safe.",)),
    )


def test_every_version_tells_how_many_judgements_were_made_under_it():
    study, rater = make_study(items=3, guideline="First."), make_rater()
    assigning.submit(take(rater), "a", 1)
    assigning.submit(take(rater), "b", 1)
    revise(study, "Second.", make_user())
    assigning.submit(take(rater), "a", 1)
    found = [(version.guideline.number, version.judgements, len(version.changes)) for version in versions(study)]
    assert found == [(2, 1, 2), (1, 2, 0)]


def test_judgements_that_were_taken_back_or_skipped_do_not_count():
    study, rater = make_study(items=3), make_rater()
    taken_back = take(rater)
    assigning.submit(taken_back, "a", 1)
    assigning.undo(taken_back, 1)
    assigning.submit(taken_back, "skip", 3)
    assert versions(study)[0].judgements == 0


def test_a_text_is_revised_by_the_page(researcher: Client):
    study = make_study(guideline="Be right.")
    assert researcher.post(page_of(study), {"text": "Be right.\r\nBe brief."}).status_code == 302
    page = researcher.get(page_of(study)).content.decode()
    assert "Version 2 is what raters see from now on." in page
    assert "<ins>Be brief.</ins>" in page
    assert study.guidelines.get(number=2).text == "Be right.\nBe brief."
    assert study.audit.get(verb="guideline").actor.username == "ada"


def test_sending_the_same_text_makes_no_version(researcher: Client):
    study = make_study(guideline="Be right.")
    assert (
        "Nothing was changed." in researcher.post(page_of(study), {"text": "Be right."}, follow=True).content.decode()
    )
    assert study.guidelines.count() == 1


@pytest.mark.parametrize(
    "text, told",
    [
        (" ", "The guideline is empty."),
        ("One of them is sparrow-2.", "it names a policy or run (&#x27;sparrow-2&#x27;). Say it without."),
    ],
)
def test_what_raters_must_not_see_is_refused_and_not_lost(researcher: Client, text: str, told: str):
    study = make_study(policies=[make_policy(name="sparrow-2"), make_policy()])
    answer = researcher.post(page_of(study), {"text": text})
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert text.strip() in answer.content.decode()
    assert study.guidelines.count() == 1


def test_a_closed_study_shows_its_versions_and_takes_no_other(researcher: Client):
    study = make_study(state="closed", guideline="Be right.")
    page = researcher.get(page_of(study)).content.decode()
    assert "Be right." in page
    assert "<textarea" not in page
    with pytest.raises(GuidelineRefused, match="The study is closed"):
        revise(study, "Be brief.", None)


def test_researchers_see_the_guideline_as_raters_do(researcher: Client):
    study = make_study(guideline="Be **right**.\n\n| Island | Capital |\n|---|---|\n| Zilmora | Tesk |")
    for address in (page_of(study), study.get_absolute_url()):
        page = BeautifulSoup(researcher.get(address).content, "html.parser")
        assert [cell.text for cell in page.select(".formatted td")] == ["Zilmora", "Tesk"]


def test_text_is_shown_as_text(researcher: Client):
    study = make_study(guideline="<script>alert(1)</script>")
    page = researcher.get(page_of(study)).content.decode()
    assert "<script>alert(1)" not in page


def test_annotators_do_not_get_there(client: Client):
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.get(page_of(make_study())).status_code == 403
