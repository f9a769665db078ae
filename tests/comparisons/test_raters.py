"""Raters of a study: profiles from rows, and whom the written rule leaves out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from comparisons.following import follow, readings
from comparisons.models import Assignment, ItemKind, Rating, Study, StudyState
from comparisons.raters import left_out, rater_profiles, scatter
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite
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


def test_two_raters_who_judged_the_same_stand_beside_each_other_with_cohens_kappa():
    """Alice says first on all ten items; Bob says first on five and second on five: alike 1/2. Chance alone gives
    1 · 1/2 + 0 · 1/2 = 1/2, so κ = 0."""
    better = make_policy()
    study = make_study(items=10, policies=[better, make_policy()], ratings_per_item=2)
    judge_all(study, make_rater("alice"), prefer(better))
    turned = {"a": "b", "b": "a"}
    judge_all(study, make_rater("bob"), lambda given: (
        prefer(better)(given) if given.item.position < 5 else turned[prefer(better)(given)]
    ))  # fmt: skip
    [pair] = follow(study).pairs
    assert {pair.one, pair.other} == {"alice", "bob"}
    assert (pair.alike.value, pair.alike.total) == (0.5, 10)
    assert pair.kappa.value == pytest.approx(0.0)


def test_kappa_that_is_undefined_says_why(client: Client):
    """Alice and Bob say the same of every item, so chance explains all of it."""
    study = make_study(items=4, ratings_per_item=2)
    for name in ("alice", "bob"):
        judge_all(study, make_rater(name), lambda _: "tie")
    client.force_login(make_user())
    page = client.get(reverse("study-raters", args=[study.slug])).content.decode()
    assert "undefined because all judgements are the same" in page


def test_raters_who_share_no_item_make_no_pair():
    study = make_study(items=4)
    judge_all(study, make_rater(), lambda given: "tie" if given.item.position < 2 else "skip")
    judge_all(study, make_rater(), lambda _: "a")
    assert follow(study).pairs == []


def test_how_judgements_came_about_is_told_for_each_rater():
    """Of four judgements three were read to the end and one was left for a while; two say clearly, one by far."""
    study, alice = make_study(items=4, design={"strength": True}), make_rater("alice")
    judge_all(study, alice, lambda _: "a")
    seen = [(True, 0.0, 2), (True, 0.0, 2), (True, 7.0, 3), (False, 0.0, 0)]
    for rating, (scrolled, away, strength) in zip(Rating.objects.order_by("id"), seen, strict=True):
        reading = {"scrolled": scrolled, "hidden_seconds": away}
        rewrite(Rating.objects.filter(pk=rating.pk), reading=reading, strength=strength)
    found = readings(study)[alice.pk]
    assert found.to_the_end is not None
    assert found.away is not None
    assert (found.to_the_end.value, found.away.value) == (0.75, 0.25)
    assert [share.value if share else None for share in found.strengths] == [
        0,
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    ]


def test_every_figure_of_a_rater_is_shown_whether_suspicious_or_not(client: Client):
    """Alice pressed left four times, which is no suspicion yet, but the page says it."""
    study = make_study(items=4)
    judge_all(study, make_rater("alice"), lambda _: "a")
    [row] = follow(study).rows
    assert not any("in a row" in reason for reason in row.suspicions)
    assert row.profile.straight_line == 4
    client.force_login(make_user())
    page = client.get(reverse("study-raters", args=[study.slug])).content.decode()
    for column in ("Longest run of one side", "Same side on repeats", "Bursts", "Most in a minute", "Read to the end"):
        assert column in page


def test_while_a_study_runs_the_page_warns_of_a_side_that_all_prefer(client: Client):
    study = make_study(items=20)
    judge_all(study, make_rater(), lambda _: "a")
    client.force_login(make_user())
    address = reverse("study-raters", args=[study.slug])
    assert "Raters favour a side." in client.get(address).content.decode()
    assert "/rows/" not in client.get(address).content.decode()
    Study.objects.update(state=StudyState.CLOSED)
    assert "/rows/?everybody=1&amp;rater=" in client.get(address).content.decode()
