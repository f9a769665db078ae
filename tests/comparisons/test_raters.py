"""Raters of a study: profiles from rows, and whom the written rule leaves out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from comparisons.models import Assignment, ItemKind, Study, StudyState
from comparisons.raters import left_out, rater_profiles, scatter
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.comparisons.test_checks import make_check, rightly, wrongly
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db

RULE = {"exclusion": {"attention": 2}}


def make_checked(**design: object) -> Study:
    """Ten items of two policies, judged rightly by Alice and wrongly by Bob, with two attention checks."""
    better = make_policy(name="Secret-better-1")
    study = make_study(items=10, policies=[better, make_policy()], ratings_per_item=2, design=design)
    for name in ("alice", "bob"):
        rater = make_rater(name)
        judge_all(study, rater, prefer(better) if name == "alice" else lambda _: "a")
        for _ in range(2):
            check = make_check(study, ItemKind.ATTENTION)
            given = Assignment.objects.create(item=check, rater=rater, first_is_a=True, lease_until="2100-01-01T00:00Z")
            decide = rightly if name == "alice" else wrongly
            given.ratings.create(revision=1, choice=decide(given), seconds=4.0)
            Assignment.objects.filter(pk=given.pk).update(state="done")
    return study


def test_profiles_tell_checks_apart_from_comparisons():
    alice, bob = sorted(rater_profiles(make_checked()), key=lambda row: row.user.username)
    assert alice.profile.attention is not None
    assert bob.profile.attention is not None
    assert (alice.profile.attention.value, bob.profile.attention.value) == (0.0, 1.0)
    assert bob.profile.side_a is not None
    assert (bob.profile.side_a.value, bob.profile.side_a.total) == (1.0, 10)


def test_the_rule_that_was_written_down_leaves_raters_out():
    study = make_checked(**RULE)
    bob = next(row.user for row in rater_profiles(study) if row.user.username == "bob")
    assert left_out(study) == {bob.pk}


def test_without_a_rule_nobody_is_left_out():
    assert left_out(make_checked()) == frozenset()


def test_results_are_shown_with_and_without_them(client: Client):
    study = make_checked(**RULE)
    Study.objects.update(state=StudyState.CLOSED)
    client.force_login(make_user())
    address = reverse("study-results", args=[study.slug])
    page = client.get(address).content.decode()
    assert "1 rater left out" in page
    assert "With everybody:" in page
    assert "left out by the study" not in client.get(f"{address}?everybody=1").content.decode()


def test_the_page_of_raters_names_them_and_no_policy(client: Client):
    study = make_checked(**RULE)
    client.force_login(make_user())
    page = client.get(reverse("study-raters", args=[study.slug])).content.decode()
    assert "failed 2 of 2 attention checks" in page
    assert "left out" in page
    assert "Secret-better" not in page


def test_before_anybody_judged_the_page_says_so(client: Client):
    client.force_login(make_user())
    page = client.get(reverse("study-raters", args=[make_study(items=1).slug])).content.decode()
    assert "Nobody has judged yet" in page


def test_the_picture_shows_those_whose_accuracy_is_known():
    study = make_study(items=6, ratings_per_item=3)
    for _ in range(3):
        judge_all(study, make_rater(), lambda _: "tie")
    assert len(scatter(rater_profiles(study)).dots) == 3
    assert scatter(rater_profiles(make_checked())).dots == []
