"""Items on which raters disagree: found, decided blind, written down."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from comparisons import adjudication
from comparisons.models import Adjudication, Answer, Study, Verdict
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.factories import make_policy, make_run, make_user

pytestmark = pytest.mark.django_db


def make_disputed(**fields: object) -> Study:
    """Two items; three raters prefer one policy and a fourth the other, on each."""
    one, other = make_policy(name="Alpha-secret-1"), make_policy(name="Beta-secret-2")
    study = make_study(items=2, policies=[one, other], ratings_per_item=4, **fields)
    for policy in (one, one, one, other):
        judge_all(study, make_rater(), prefer(policy))
    return study


def test_only_items_of_which_different_things_were_said_are_disputed():
    agreed = make_study(items=2, ratings_per_item=2)
    for _ in range(2):
        judge_all(agreed, make_rater(), lambda _: "tie")
    assert adjudication.disputes(agreed) == []
    disputed = adjudication.disputes(make_disputed())
    assert [one.votes for one in disputed] == [((Verdict.FIRST, 3), (Verdict.SECOND, 1))] * 2


def test_a_decision_is_about_the_answer_whatever_its_side():
    study, user = make_disputed(), make_user()
    item = adjudication.disputes(study)[0].item
    decided = adjudication.decide(item, user, "a")
    assert decided.verdict == (Verdict.FIRST if adjudication.first_is_a(item, user) else Verdict.SECOND)
    assert study.audit.get().verb == "adjudicated"


def test_decided_items_come_last_and_are_not_asked_again():
    study, user = make_disputed(), make_user()
    first = adjudication.next_dispute(study, user)
    assert first is not None
    adjudication.decide(first.item, user, "tie")
    assert [one.decided is None for one in adjudication.disputes(study)] == [True, False]
    second = adjudication.next_dispute(study, user)
    assert second is not None
    assert second.item != first.item


def test_nobody_decides_about_a_run_they_launched():
    user = make_user()
    study = make_disputed()
    policy = study.contenders.first().policy
    policy.run = make_run(user=user)
    policy.save()
    assert adjudication.next_dispute(study, user) is None
    with pytest.raises(adjudication.AdjudicationRefused, match="you launched"):
        adjudication.decide(study.items.all()[0], user, "a")


def test_the_page_is_blind_and_goes_from_item_to_item(client: Client):
    study = make_disputed()
    client.force_login(make_user())
    address = reverse("study-adjudicate", args=[study.slug])
    for _ in range(2):
        page = client.get(address).content.decode()
        assert "secret" not in page
        position = next(one.item.position for one in adjudication.disputes(study) if one.decided is None)
        client.post(address, {"item": position, "choice": "b", "note": "Clear."})
    assert Adjudication.objects.count() == 2
    assert client.get(address)["Location"] == reverse("study-disagreements", args=[study.slug])
    assert "secret" not in client.get(reverse("study-disagreements", args=[study.slug])).content.decode()


def test_a_decision_that_cannot_be_read_stores_nothing(client: Client):
    study = make_disputed()
    client.force_login(make_user())
    answer = client.post(reverse("study-adjudicate", args=[study.slug]), {"item": 0, "choice": "skip"})
    assert answer.status_code == 422
    assert not Adjudication.objects.exists()


def test_the_audit_page_shows_who_did_what(client: Client):
    study, user = make_disputed(), make_user("carol")
    client.force_login(user)
    client.post(reverse("study-pause", args=[study.slug]))
    page = client.get(reverse("study-audit", args=[study.slug])).content.decode()
    assert "carol" in page
    assert "pause" in page


@pytest.mark.parametrize("name", ["study-disagreements", "study-adjudicate", "study-audit"])
def test_annotators_do_not_get_in(name: str, client: Client):
    client.force_login(make_rater())
    assert client.get(reverse(name, args=[make_study(items=1).slug])).status_code == 403


def test_texts_are_formatted_as_raters_saw_them_and_no_html_of_theirs_is_obeyed(client: Client):
    study = make_disputed()
    Answer.objects.update(text="**Seven** <script>alert(1)</script>")
    client.force_login(make_user())
    page = client.get(reverse("study-adjudicate", args=[study.slug])).text
    assert page.count("<strong>Seven</strong>") == 2
    assert "<script>alert(1)" not in page
