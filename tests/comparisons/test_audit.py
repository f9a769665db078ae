"""The audit only grows; guidelines are versions."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from comparisons import audit_in_words, guidelines, people, studies, suites
from comparisons.audit import record
from comparisons.models import Adjudication, Answer, AppendOnly, AuditEntry, RaterPool, Rating
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


def test_moving_a_study_is_written_down_with_who_did_it():
    study, user = make_study(items=1), make_user()
    studies.move(study, "pause", user)
    entry = study.audit.get()
    assert (entry.verb, entry.actor, entry.detail) == ("pause", user, {"before": "open", "after": "paused"})


def test_a_move_that_is_not_allowed_leaves_no_entry():
    study = make_study(items=1)
    studies.move(study, "reopen", make_user())
    assert not study.audit.exists()


def test_entries_are_neither_changed_nor_deleted():
    study = make_study(items=1)
    studies.move(study, "pause")
    entry = study.audit.get()
    for forbidden in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(verb="x"),
    ):
        with pytest.raises(AppendOnly):
            forbidden()


def test_a_new_guideline_is_a_new_version_and_the_same_text_is_not():
    study, user = make_study(items=1, guideline="One."), make_user()
    assert guidelines.revise(study, "Two.", user).number == 2
    assert guidelines.revise(study, "Two.", user).number == 2
    assert study.guideline == "Two."
    assert [entry.verb for entry in study.audit.all()] == ["guideline"]


def test_a_guideline_that_names_a_policy_is_refused():
    study = make_study(items=1, policies=[make_policy(name="islands-7b"), make_policy()])
    with pytest.raises(guidelines.GuidelineRefused, match="islands-7b"):
        guidelines.revise(study, "Prefer what islands-7b says.", None)


# --- What happens elsewhere and concerns a study ----------------------------------------------------------------------


def test_who_joins_and_leaves_a_pool_stands_in_the_studies_that_ask_it(client: Client):
    study, over = make_study(items=1), make_study(items=1, state="closed")
    anna, berta = make_rater("anna"), make_rater("berta")
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    pool.members.add(anna)
    pool.studies.add(study, over)
    user = make_user()
    client.force_login(user)
    client.post(pool.get_absolute_url(), {"name": "Experts", "members": [berta.pk]})
    entry = study.audit.get()
    told = {"pool": "Experts", "joined": ["berta"], "left": ["anna"]}
    assert (entry.verb, entry.actor, entry.detail) == ("pool changed", user, told)
    client.post(pool.get_absolute_url(), {"name": "Specialists", "members": [berta.pk]})
    assert study.audit.count() == 1
    assert not over.audit.exists()


def test_invitations_deactivations_and_reset_passwords_stand_in_the_studies_that_ask_the_person():
    everybody, theirs, others = (make_study(items=1) for _ in range(3))
    pools = [RaterPool.objects.create(slug=name, name=name) for name in ("one", "two")]
    theirs.pools.add(pools[0])
    others.pools.add(pools[1])
    user = make_user()
    anna = people.invite("anna", "", [pools[0]], user)
    for active in (False, False, True):
        people.set_active(anna, active, user)
    people.reset_access(anna, user)
    verbs = ["rater invited", "rater sent away", "rater let in again", "password reset"]
    for study in (everybody, theirs):
        assert [entry.verb for entry in study.audit.all()] == verbs
        assert {(entry.actor, entry.detail["rater"]) for entry in study.audit.all()} == {(user, "anna")}
    assert not others.audit.exists()


def test_closing_writes_down_whom_the_rule_leaves_out():
    study = make_study(items=4, design={"exclusion": {"median_seconds": 5}}, ratings_per_item=2)
    for name, seconds in (("hasty", 1), ("calm", 60)):
        judge_all(study, make_rater(name), lambda _: "a")
        rewrite(Rating.objects.filter(assignment__rater__username=name), seconds=seconds)
    studies.move(study, "close")
    entry = study.audit.get(verb="left out")
    assert entry.detail["raters"] == ["hasty"]
    assert entry.detail["rule"] == str(study.rules.exclusion)


def test_holding_a_suite_stands_in_its_studies(client: Client):
    study, user = make_study(items=1), make_user()
    suite = study.suites.get()
    for held in (True, True, False):
        suites.hold(suite, held, user)
    told = [(entry.verb, entry.actor, entry.detail) for entry in study.audit.all()]
    assert told == [(verb, user, {"suite": suite.name}) for verb in ("suite held", "suite released")]


def test_exports_and_sealings_are_written_down(client: Client):
    study, user = make_study(items=2, ratings_per_item=1), make_user()
    judge_all(study, make_rater(), lambda _: "a")
    studies.move(study, "close")
    client.force_login(user)
    address = reverse("study-export", args=[study.slug])
    page = client.get(address)
    sent = {name: page.context["form"][name].value() for name in page.context["form"].fields}
    b"".join(client.get(address, {key: value for key, value in sent.items() if value not in (None, False)}))
    entry = study.audit.get(verb="exported")
    assert (entry.actor, entry.detail["rows"]) == (user, 2)
    assert entry.detail["rule"]


# --- The page ---------------------------------------------------------------------------------------------------------


def test_policies_stand_there_by_name_and_lead_to_their_pages_and_by_number_when_they_are_gone(client: Client):
    base = make_policy(name="Islands <base>")
    study = make_study(items=1)
    record(study, make_user(), "created", design={"ties": True}, policies=[base.pk, 987654])
    client.force_login(make_user())
    page = BeautifulSoup(client.get(reverse("study-audit", args=[study.slug])).content, "html.parser")
    told = page.select_one("td .wrap")
    assert told
    assert told.text == "policies: Islands <base>, 987654 (gone)"
    assert [(link.text, link["href"]) for link in told.select("a")] == [(base.name, base.get_absolute_url())]
    assert page.select_one("td dl").get_text(" ", strip=True) == "ties True"


def test_a_page_of_entries_asks_for_the_names_of_all_policies_at_once(client: Client, django_assert_num_queries: Any):
    study = make_study(items=1)
    for _ in range(3):
        record(study, None, "created", policies=[make_policy().pk, make_policy().pk])
    entries = list(study.audit.all())
    with django_assert_num_queries(1):
        assert len(audit_in_words.told(entries)) == 3


# --- Judgements and answers only grow ---------------------------------------------------------------------------------


def test_judgements_decisions_and_stored_answers_are_neither_changed_nor_deleted():
    study = make_study(items=1)
    judge_all(study, make_rater(), lambda _: "a")
    decided = Adjudication.objects.create(item=study.items.get(), adjudicator=make_user(), verdict="tie")
    for rows in (Rating.objects.all(), Answer.objects.all(), Adjudication.objects.filter(pk=decided.pk)):
        row = rows[0]
        for forbidden in (row.save, row.delete, rows.delete, partial(rows.update, pk=1)):
            with pytest.raises(AppendOnly, match="are never changed or deleted"):
                forbidden()
