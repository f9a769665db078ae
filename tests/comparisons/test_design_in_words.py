"""What a study fixed beforehand stands on its page and, in full, in its audit."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from comparisons.audit import record
from comparisons.design_in_words import design_in_words
from comparisons.models import RaterPool, StudyKind
from comparisons.pace import BREAK
from tests.comparisons.rating_factories import make_study
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


def test_every_choice_of_the_design_is_told():
    study = make_study(
        items=1,
        design={
            "selection": "informed",
            "uniform_share": 0.4,
            "ties": False,
            "strength": True,
            "reasons": False,
            "minimum_seconds": 3,
            "sitting_minutes": 45,
            "break_optional": True,
            "training_share_right": 0.7,
            "check_share": 0.05,
            "attention_items": 12,
            "repeat_share": 0.1,
            "show_gold_agreement": True,
            "own_runs": True,
            "stop_width": 0.1,
            "stop_votes": 1500,
            "exclusion": {"attention": 3},
            "hourly_pay": 12.5,
        },
    )
    study.pools.add(RaterPool.objects.create(slug="experts", name="Experts"))
    minutes = int(BREAK.total_seconds() / 60)
    assert design_in_words(study) == [
        ("Who rates", "Experts"),
        ("Own runs", "people may judge them"),
        ("Pay", "12.50 per hour"),
        ("Sitting", f"45 min, then a break of {minutes} min, if they like"),
        ("Besides A and B", "both bad"),
        ("How much better", "asked"),
        ("Reasons", "not offered"),
        ("Shortest reading time", "3 s"),
        (
            "Which policies meet",
            "By expected information: pairs of which a vote tells most come more often; 40 % of the later ones evenly",
        ),
        ("Answers cut off", "Set the pair aside"),
        ("Gold and attention items", "5 % of what a rater sees, 12 attention items made of the answers"),
        ("Repeats", "10 %, sides swapped"),
        ("Training", "70 % right before other items come, if there are training items"),
        ("Own agreement with gold", "shown to raters"),
        (
            "Stop rule",
            "pauses when every interval of a win rate is narrower than 10 %, after 1,500 votes of each pair",
        ),
        ("Chat template", "each policy that of its base (2 bases)"),
        ("Left out of results", "A rater is left out who fails 3 or more attention checks."),
    ]


def test_a_design_without_any_of_it_is_told_too():
    told = dict(design_in_words(make_study(items=1)))
    assert told["Who rates"] == "every annotator"
    assert told["Besides A and B"] == "tie and both bad"
    assert told["Shortest reading time"] == "none"
    assert told["Stop rule"] == "none: the items end the study"
    assert told["Left out of results"] == "Nobody is left out."


def test_a_study_of_written_prompts_tells_nothing_of_what_it_cannot_have():
    told = dict(design_in_words(make_study(items=1, kind=StudyKind.ADVERSARIAL)))
    assert told.keys().isdisjoint({"Which policies meet", "Stop rule", "Repeats", "Training"})


@pytest.mark.parametrize("state", ["generating", "open", "paused", "closed"])
def test_the_page_of_a_study_shows_its_design(client: Client, state: str):
    client.force_login(make_user())
    study = make_study(items=1, state=state, design={"sitting_minutes": 33})
    page = client.get(study.get_absolute_url()).text
    assert "33 min, then a break of" in page
    assert "Left out of results" in page


def test_the_audit_keeps_the_whole_design(client: Client):
    client.force_login(make_user())
    study = make_study(items=1, design={"hourly_pay": 12.5, "exclusion": {"attention": 3}})
    record(study, None, "created", design=study.design, policies=[4, 5])
    page = client.get(reverse("study-audit", args=[study.slug])).text
    assert "policies: 4 (gone), 5 (gone)" in page
    for name in study.design:
        assert f"<dt>{name.replace('_', ' ')}</dt>" in page
    assert "<dd>12.5</dd>" in page
    assert "attention 3" in page


def test_policies_of_several_bases_are_said_to_have_chat_templates_of_their_own():
    base = make_policy()
    one = make_study(policies=[base, make_policy("adapter", base=base)])
    several = make_study(policies=[make_policy(), make_policy()])
    said = [dict(design_in_words(study))["Chat template"] for study in (one, several)]
    assert said == ["of the one base of all policies", "each policy that of its base (2 bases)"]
