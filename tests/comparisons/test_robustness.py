"""What would change a study's result, against studies whose answer is known."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from comparisons.models import Answer, RaterPool, Rating, Study, StudyState
from comparisons.results.robustness import robustness
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    """Raters prefer the longer answer, whoever wrote it: Long's on 30 of 40 items, Short's on the other ten."""
    short, long = make_policy(name="Short"), make_policy(name="Long")
    study = make_study(items=40, policies=[short, long], ratings_per_item=2)
    odd = [item.pk for item in study.items.all() if item.position % 4 == 3]
    rewrite(Answer.objects.filter(contender__policy=long), tokens=200)
    rewrite(Answer.objects.filter(contender__policy=short, prompt__items__in=odd), tokens=2000)
    for _ in range(2):
        judge_all(study, make_rater(), lambda given: prefer(short if given.item_id in odd else long)(given))
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    return study


def test_style_takes_over_what_it_explains(study: Study):
    """Length explains every vote, so at equal style part of Long's 75 % is gone."""
    found = robustness(study)
    long = next(row for row in found.standings if row.contender.policy.name == "Long")
    assert long.plain_rate.value == pytest.approx(0.75, abs=0.01)
    assert long.move.value < 0
    assert long.rate.value < 0.7
    assert next(effect for effect in found.effects if effect.feature == "length").value.value > 0


def test_length_alone_is_held_equal_beside_style(study: Study):
    """Answers differ in length only, so both ways of holding it equal say the same, and no other feature is told."""
    found = robustness(study)
    for row in found.standings:
        assert row.equally_long == pytest.approx(row.strength)
    assert [effect.feature for effect in found.effects] == ["length"]


def test_where_answers_look_alike_no_feature_is_told(client: Client):
    study = make_study(items=4)
    judge_all(study, make_rater(), lambda _: "a")
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    assert robustness(study).effects == []
    client.force_login(make_user())
    assert "Answers look alike." in client.get(reverse("study-robustness", args=[study.slug])).content.decode()


def test_the_same_judgements_are_asked_once(study: Study, monkeypatch: pytest.MonkeyPatch):
    found = robustness(study)
    monkeypatch.setattr("comparisons.results.robustness.controlled", None)
    assert robustness(study) == found
    judgement = Rating.objects.filter(choice="a")[0]
    rewrite(Rating.objects.filter(pk=judgement.pk), choice="b")
    with pytest.raises(TypeError):
        robustness(study)


def test_pools_that_surely_disagree_are_named():
    """Both experts prefer One on 20 of 24 items, both others prefer Other."""
    one, other = make_policy(name="One"), make_policy(name="Other")
    study = make_study(items=24, policies=[one, other], ratings_per_item=4)
    experts, others = (RaterPool.objects.create(slug=name.lower(), name=name) for name in ("Experts", "Others"))
    for number in range(4):
        rater, pool = make_rater(), experts if number < 2 else others
        pool.members.add(rater)
        judge_all(study, rater, _mostly(one if number < 2 else other, other if number < 2 else one))
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    told = "One stands better against Other with raters of “Experts” than with those of “Others”."
    assert told in robustness(study).disagreements


def _mostly(policy, but):
    """Prefers the policy on five of six items."""
    return lambda given: prefer(but if given.item.position % 6 == 0 else policy)(given)


def test_how_often_labels_would_be_wrong_is_told_by_both_ways(study: Study, client: Client):
    """Both raters of every item agree, so no label is wrong."""
    client.force_login(make_user())
    page = " ".join(client.get(reverse("study-robustness", args=[study.slug])).content.decode().split())
    assert re.search(r"As labels for training, about 0 % \[0 %, \d+ %\] of what most votes say, and 0 %", page)
    results = " ".join(client.get(reverse("study-results", args=[study.slug])).content.decode().split())
    assert "As labels for training, about" in results


def test_how_many_votes_carry_the_first_place_is_told(study: Study):
    """60 of 80 votes are for Long: without 41 of them the other is ahead, 20 against 19."""
    sentences = robustness(study).carried_by
    assert any("Without 41 votes of 80" in sentence for sentence in sentences), sentences


def test_a_study_without_votes_has_nothing_to_ask():
    study = make_study(items=2)
    judge_all(study, make_rater(), lambda _: "both_bad")
    assert robustness(study).votes == 0


def test_the_page_is_shut_while_the_study_runs_and_tells_afterwards(study: Study, client: Client):
    client.force_login(make_user())
    address = reverse("study-robustness", args=[study.slug])
    assert "At equal style" in client.get(address).content.decode()
    Study.objects.update(state=StudyState.OPEN)
    assert "Results are shown when the study is closed" in client.get(address).content.decode()


def test_every_way_of_settling_says_the_same_where_raters_agree(study: Study):
    """Both raters of each item agree: Long wins 30 of its 40 items, whoever is believed."""
    found = robustness(study).settled
    assert found is not None
    assert {contender.policy.name: shares for contender, shares in found.rows} == {
        "Short": [0.25] * 4,
        "Long": [0.75] * 4,
    }
    assert (found.items, found.otherwise, found.undecided) == (40, [0] * 4, [0] * 4)


def test_an_item_with_as_many_votes_for_either_is_undecided_by_most_votes_alone():
    """Of 21 items each judged twice, two raters agree on 20; on the last, one of them stands against a newcomer who
    contradicted the other on five. Most votes leave the last undecided; ties count as halves, bad items as none."""
    one, other = make_policy(name="One"), make_policy(name="Other")
    study = make_study(items=21, policies=[one, other], ratings_per_item=3)
    last = study.items.order_by("-position").values_list("pk", flat=True)[0]
    judge_all(study, make_rater(), prefer(one))
    judge_all(study, make_rater(), lambda given: "skip" if given.item_id == last else prefer(one)(given))
    judge_all(study, make_rater(), prefer(other))
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    found = robustness(study).settled
    assert found is not None
    assert found.undecided[0] == 1
    assert found.undecided[1:] == [0, 0, 0]
    assert {contender.policy.name: shares[1] for contender, shares in found.rows} == {"One": 1, "Other": 0}


def test_items_that_one_rater_judged_are_not_settled():
    """Of 8 items two raters judge all but the last two, which one alone judges: 6 remain, all won by One.

    Other wins the last two, and no share knows of it.
    """
    one, other = make_policy(name="One"), make_policy(name="Other")
    study = make_study(items=8, policies=[one, other], ratings_per_item=2)
    alone = set(study.items.order_by("-position").values_list("pk", flat=True)[:2])
    judge_all(study, make_rater(), lambda given: prefer(other if given.item_id in alone else one)(given))
    judge_all(study, make_rater(), lambda given: "skip" if given.item_id in alone else prefer(one)(given))
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    found = robustness(study).settled
    assert found is not None
    assert found.items == 6
    assert {contender.policy.name: shares[0] for contender, shares in found.rows} == {"One": 1, "Other": 0}


def test_the_page_calls_the_column_of_most_votes_so(study: Study, client: Client):
    """At a tie there is no majority, and the export's rule of the majority treats ties by a setting of its own."""
    client.force_login(make_user())
    page = client.get(reverse("study-robustness", args=[study.slug])).content.decode()
    assert '<th scope="col" class="num">Most votes</th>' in page
    assert "Of 40 items: unlike most votes" in page
    assert "ajority" not in page


def test_one_judgement_an_item_leaves_nothing_to_settle():
    study = make_study(items=3)
    judge_all(study, make_rater(), lambda _: "a")
    assert robustness(study).settled is None
