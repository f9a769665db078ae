"""Items on which raters disagree: found, decided blind, written down."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from comparisons import adjudication
from comparisons.models import Adjudication, Answer, Rating, Study, Verdict
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite
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


def test_the_entropy_of_what_was_said_is_told_in_bits():
    """Three against one: -(3/4) log2(3/4) - (1/4) log2(1/4) = 0.811."""
    assert adjudication.disputes(make_disputed())[0].bits == pytest.approx(0.811, abs=5e-4)


def test_a_decision_that_is_sent_twice_is_stored_once():
    study, user = make_disputed(), make_user()
    item = adjudication.disputes(study)[0].item
    first = adjudication.decide(item, user, "tie", "Alike.")
    assert adjudication.decide(item, user, "tie", "Alike.") == first
    assert study.audit.filter(verb="adjudicated").count() == 1


def test_a_decision_of_somebody_else_stands_unless_it_is_replaced():
    study, one, other = make_disputed(), make_user("one"), make_user("other")
    item = adjudication.disputes(study)[0].item
    first = adjudication.decide(item, one, "tie")
    with pytest.raises(adjudication.AdjudicationRefused, match="one has decided this item meanwhile"):
        adjudication.decide(item, other, "both_bad")
    second = adjudication.decide(item, other, "both_bad", "No.", replaces=first.pk)
    assert adjudication.decide(item, other, "both_bad", "No.", replaces=first.pk) == second
    assert list(Adjudication.objects.values_list("verdict", flat=True)) == ["tie", "both_bad"]
    assert adjudication.latest(Adjudication.objects.all()) == {item.pk: second}
    assert study.audit.last().detail == {"number": item.number, "verdict": "both_bad", "instead_of": "tie"}


def test_nothing_is_decided_when_the_study_is_closed():
    study, user = make_disputed(), make_user()
    item = adjudication.disputes(study)[0].item
    Study.objects.update(state="closed")
    with pytest.raises(adjudication.AdjudicationRefused, match="The study is closed"):
        adjudication.decide(item, user, "a")
    study.refresh_from_db()
    assert adjudication.next_dispute(study, user) is None


def test_an_item_on_which_raters_agree_is_not_decided():
    study = make_study(items=1, ratings_per_item=2)
    for _ in range(2):
        judge_all(study, make_rater(), lambda _: "tie")
    with pytest.raises(adjudication.AdjudicationRefused, match="do not disagree"):
        adjudication.decide(study.items.get(), make_user(), "a")


def test_nobody_decides_about_what_they_judged_themselves():
    study = make_disputed()
    judge = Rating.objects.first().assignment.rater
    assert adjudication.next_dispute(study, judge) is None
    with pytest.raises(adjudication.AdjudicationRefused, match="judged or skipped this item yourself"):
        adjudication.decide(adjudication.disputes(study)[0].item, judge, "a")


def test_an_item_can_be_passed_on_and_comes_again_after_the_last():
    study, user = make_disputed(), make_user()
    one, other = (dispute.item.number for dispute in adjudication.open_disputes(study, user))
    following = [adjudication.next_dispute(study, user, after=number) for number in (None, one, other)]
    assert [dispute.item.number for dispute in following] == [one, other, one]
    adjudication.decide(following[0].item, user, "a")
    assert adjudication.next_dispute(study, user, after=one).item.number == other


def test_how_the_votes_fell_is_not_shown_to_those_who_are_to_decide(client: Client):
    study, user = make_disputed(), make_user()
    client.force_login(user)
    address = reverse("study-disagreements", args=[study.slug])
    assert "3 one, 1 the other" not in client.get(address).text
    adjudication.decide(adjudication.disputes(study)[0].item, user, "tie", "Both are right.")
    page = client.get(address).text
    assert page.count("3 one, 1 the other") == 1
    assert '<q dir="auto">Both are right.</q>' in page
    assert "Decide 1 item" in page


def test_the_rows_tell_who_decided_and_why(client: Client):
    study, user = make_disputed(), make_user("judith")
    item = study.items.get(position=1)
    choice = "a" if adjudication.first_is_a(item, user) else "b"
    adjudication.decide(item, user, choice, "Both are right.")
    Study.objects.update(state="closed")
    client.force_login(user)
    page = client.get(reverse("study-rows", args=[study.slug]), {"item": "2"}).text
    assert "Item 2<" in page
    assert "Item 1<" not in page
    assert '<span class="badge">Alpha-secret-1</span> <span class="small muted">judith, ' in page
    assert "Both are right." in page
    assert "?item=2" in client.get(reverse("study-disagreements", args=[study.slug])).text


def test_an_item_can_be_asked_for_by_its_number_and_decided_anew(client: Client):
    study, user = make_disputed(), make_user()
    item = study.items.get(position=1)
    first = adjudication.decide(item, user, "tie")
    client.force_login(user)
    address = reverse("study-adjudicate", args=[study.slug])
    page = client.get(address, {"item": "2"}).text
    assert "Decide item 2" in page
    assert f'name="replaces" value="{first.pk}"' in page
    client.post(address, {"item": 2, "choice": "both_bad", "note": "", "replaces": first.pk})
    assert Adjudication.objects.last().verdict == "both_bad"


def test_who_may_not_decide_is_told_why(client: Client):
    study = make_disputed()
    client.force_login(make_user())
    Study.objects.update(state="closed")
    answer = client.get(reverse("study-adjudicate", args=[study.slug]), {"item": "2"}, follow=True)
    assert "The study is closed. Items are decided before results can be seen" in answer.text


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
        number = next(one.item.number for one in adjudication.disputes(study) if one.decided is None)
        client.post(address, {"item": number, "choice": "b", "note": "Clear."})
    assert Adjudication.objects.count() == 2
    assert client.get(address)["Location"] == reverse("study-disagreements", args=[study.slug])
    assert "secret" not in client.get(reverse("study-disagreements", args=[study.slug])).content.decode()


def test_a_decision_that_cannot_be_read_stores_nothing(client: Client):
    study = make_disputed()
    client.force_login(make_user())
    answer = client.post(reverse("study-adjudicate", args=[study.slug]), {"item": 1, "choice": "skip"})
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
    rewrite(Answer.objects.all(), text="**Seven** <script>alert(1)</script>")
    client.force_login(make_user())
    page = client.get(reverse("study-adjudicate", args=[study.slug])).text
    assert page.count("<strong>Seven</strong>") == 2
    assert "<script>alert(1)" not in page
