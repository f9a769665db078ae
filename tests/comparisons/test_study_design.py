"""The page that designs a study: what it offers, what it refuses and how it says so, what it stores."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from comparisons.design import CutOff, Design, Selection
from comparisons.models import EndpointState, RaterPool, ServedPolicy, ServedState, Study, StudyState, Suite
from comparisons.statistics.exclusion import ExclusionRule
from comparisons.suites import create_suite
from tests.comparisons.rating_factories import make_rater
from tests.comparisons.serving_factories import make_endpoint, make_family, make_suite
from tests.factories import make_user
from training.models import Policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def family() -> list[Policy]:
    """A base and an adapter on it, both served."""
    family = make_family("base", "alpha-1")
    make_endpoint("http://127.0.0.1:1", family)
    return family


def form_of(family: list[Policy], **fields: Any) -> dict[str, Any]:
    """What a browser sends of a form filled in well."""
    values: dict[str, Any] = {
        "wanted": "",
        "name": "Round one",
        "policies": [policy.pk for policy in family],
        "item_limit": 10,
        "ratings_per_item": 2,
        "selection": "balanced",
        "uniform_share": 30,
        "stop_width": "",
        "stop_votes": 30,
        "guideline": "Prefer what is correct.",
        "ties": "on",
        "both_bad": "on",
        "minimum_seconds": 2,
        "sitting_minutes": 45,
        "training_share_right": 70,
        "check_share": 5,
        "attention_items": 10,
        "repeat_share": 5,
        "hourly_pay": 0,
        "temperature": 0.7,
        "max_tokens": 64,
        "cut_off": "any",
        "top_p": 1,
        "seed": 3,
    }
    return values | fields


def send(client: Client, family: list[Policy], **fields: Any) -> Any:
    suite = make_suite("One?", "Two?")
    return client.post(reverse("study-new"), form_of(family, **({"suites": [suite.pk]} | fields)))


def refused(client: Client, family: list[Policy], **fields: Any) -> str:
    """The page that comes back when nothing is stored."""
    answer = send(client, family, **fields)
    assert answer.status_code == 422
    assert not Study.objects.exists()
    return answer.content.decode()


# --- What is stored ---------------------------------------------------------------------------------------------------


def test_a_study_is_made_from_the_form(researcher: Client, family: list[Policy]):
    answer = send(researcher, family)
    study = Study.objects.get()
    assert answer.url == reverse("study", args=["round-one"])
    assert study.sampling == {"temperature": 0.7, "top_p": 1.0, "max_tokens": 64, "seed": 3}
    assert [contender.policy for contender in study.contenders.all()] == family
    assert (study.state, study.item_limit, study.ratings_per_item) == (StudyState.GENERATING, 10, 2)
    assert study.guideline == "Prefer what is correct."


def test_every_choice_of_the_design_is_stored_in_its_own_unit(researcher: Client, family: list[Policy]):
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    send(
        researcher,
        family,
        selection="informed",
        uniform_share=40,
        stop_width=10,
        stop_votes=50,
        strength="on",
        ties="",
        both_bad="",
        reasons="on",
        minimum_seconds=3,
        sitting_minutes=30,
        training_share_right=80,
        check_share=12.5,
        attention_items=7,
        repeat_share=10,
        show_gold_agreement="on",
        own_runs="on",
        hourly_pay=24.5,
        exclude_gold=60,
        exclude_attention=2,
        exclude_consistent=55,
        exclude_seconds=1.5,
        exclude_accuracy=52,
        exclude_side=0.001,
        break_optional="on",
        cut_off="unlike",
        pools=[pool.pk],
    )
    study = Study.objects.get()
    assert study.rules == Design(
        selection=Selection.INFORMED,
        uniform_share=0.4,
        cut_off=CutOff.UNLIKE,
        ties=False,
        both_bad=False,
        strength=True,
        reasons=True,
        minimum_seconds=3,
        sitting_minutes=30,
        training_share_right=0.8,
        check_share=0.125,
        attention_items=7,
        repeat_share=0.1,
        show_gold_agreement=True,
        own_runs=True,
        stop_width=0.1,
        stop_votes=50,
        hourly_pay=24.5,
        break_optional=True,
        exclusion=ExclusionRule(
            gold=0.6, attention=2, consistent=0.55, median_seconds=1.5, accuracy=0.52, side_p=0.001
        ),
    )
    assert list(study.pools.all()) == [pool]


def test_the_form_as_it_comes_makes_a_study_with_the_defaults_it_shows(researcher: Client, family: list[Policy]):
    suite = make_suite("One?")
    page = BeautifulSoup(researcher.get(reverse("study-new"), {"suite": suite.pk}).content, "html.parser")
    shown = filled_in(page)
    assert (shown["repeat_share"], shown["check_share"], shown["training_share_right"]) == (["5"], ["5"], ["70"])
    researcher.post(reverse("study-new"), shown | {"name": "As it comes", "policies": [p.pk for p in family]})
    rules = Study.objects.get().rules
    assert (rules.repeat_share, rules.check_share, rules.training_share_right) == (0.05, 0.05, 0.7)
    assert (rules.minimum_seconds, rules.sitting_minutes, rules.attention_items) == (2, 45, 10)
    assert (rules.stop_width, rules.selection, rules.own_runs) == (None, Selection.BALANCED, False)


def filled_in(page: BeautifulSoup) -> dict[str, list[str]]:
    """What a browser would send of the page's form as it stands."""
    sent: dict[str, list[str]] = {}
    for box in page.select("#study-form input[name], #study-form textarea[name], #study-form select[name]"):
        if box.get("type") in {"checkbox", "radio"}:
            if box.has_attr("checked"):
                sent.setdefault(str(box["name"]), []).append(str(box.get("value", "on")))
            continue
        chosen = [str(option["value"]) for option in box.select("option[selected]")]
        value = box.text.strip() if box.name == "textarea" else box.get("value", "")
        sent.setdefault(str(box["name"]), []).extend(chosen or ([str(value)] if box.name != "select" else ["any"]))
    return sent


CHECK = '{"prompt": "Two and two?", "better": "Four.", "worse": "Five.", "kind": "training"}'


def test_checks_can_be_written_with_the_study(researcher: Client, family: list[Policy]):
    send(researcher, family, checks=f"{CHECK}\n")
    assert Study.objects.get().items.get().kind == "training"


def test_a_line_that_gives_no_check_is_told_and_no_study_is_made(researcher: Client, family: list[Policy]):
    page = refused(researcher, family, checks=f"{CHECK}\nnonsense\n{CHECK.replace('Four.', 'As an AI I cannot.')}")
    assert "Line 2: The row is not JSON" in page
    assert "Line 3: Raters must not see it: an answer speaks of itself as a model" in page
    assert "nonsense" in page


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"name": "Is RLHF better?"}, "must not tell what is compared: one of them names a method"),
        ({"max_tokens": 256}, "The engine holds 256 tokens of prompt and answer together"),
        ({"temperature": -1}, "Ensure this value is greater than or equal to 0."),
        ({"ratings_per_item": 0}, "Ensure this value is greater than or equal to 1."),
        ({"uniform_share": 20}, "Ensure this value is greater than or equal to 30."),
        ({"repeat_share": 30}, "Ensure this value is less than or equal to 20."),
        ({"check_share": 0}, "No check is shown at a share of 0 %"),
        ({"suites": []}, "Choose at least one suite."),
    ],
)
def test_what_would_not_be_fair_or_possible_is_refused_in_words(
    researcher: Client, family: list[Policy], fields: dict[str, Any], told: str
):
    assert told in refused(researcher, family, **fields)


def test_what_was_typed_is_still_there_after_an_error(researcher: Client, family: list[Policy]):
    page = BeautifulSoup(refused(researcher, family, repeat_share="7.5", seed="x", guideline="Mine."), "html.parser")
    shown = filled_in(page)
    assert (shown["repeat_share"], shown["seed"], shown["guideline"]) == (["7.5"], ["x"], ["Mine."])


def test_one_policy_alone_is_refused(researcher: Client, family: list[Policy]):
    assert "A comparison needs at least two policies" in refused(researcher, family[:1])


def test_more_than_twenty_policies_are_refused(researcher: Client):
    crowd = make_family(*(f"policy-{number}" for number in range(21)))
    make_endpoint("http://127.0.0.1:1", crowd)
    assert "A study compares at most 20 policies" in refused(researcher, crowd)


# --- What is offered --------------------------------------------------------------------------------------------------


def test_a_policy_that_cannot_be_served_is_not_offered(researcher: Client):
    family = make_family("base", "alpha-1", "beta-2")
    make_endpoint("http://127.0.0.1:1", family)
    make_suite("One?")
    ServedPolicy.objects.filter(policy=family[2]).update(state=ServedState.FAILED)
    page = researcher.get(reverse("study-new")).content.decode()
    assert "The alpha-1 policy" in page
    assert "The beta-2 policy" not in page


def test_a_policy_whose_engine_is_down_is_offered_and_said_to_be_down(researcher: Client):
    make_endpoint("http://127.0.0.1:1", make_family("base", "alpha-1"), EndpointState.DOWN)
    make_suite("One?")
    assert researcher.get(reverse("study-new")).content.decode().count("not up at the moment") == 2


def test_without_suites_or_policies_the_page_says_what_to_do_first(researcher: Client):
    assert "There is no suite of prompts yet" in researcher.get(reverse("study-new")).content.decode()
    make_suite("One?")
    assert "Fewer than two policies are served" in researcher.get(reverse("study-new")).content.decode()


def test_suites_stand_under_the_kind_of_their_prompts(researcher: Client, family: list[Policy]):
    for name, stratum in [("Easy", "in_distribution"), ("Hard", "adversarial"), ("Harder", "adversarial")]:
        create_suite(name=name, prompts=[[{"role": "user", "content": "Why?"}]], stratum=stratum)
    page = BeautifulSoup(researcher.get(reverse("study-new")).content, "html.parser")
    found = {
        group.p.text: [label.text.strip() for label in group.select("label")]
        for group in page.select("#id_suites [role=group]")
    }
    assert found == {"In distribution": ["Easy (1 prompt)"], "Adversarial": ["Hard (1 prompt)", "Harder (1 prompt)"]}


def test_pools_are_offered_with_their_size(researcher: Client, family: list[Policy]):
    make_suite("One?")
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    pool.members.add(make_rater(), make_rater())
    assert "Experts (2 people)" in researcher.get(reverse("study-new")).content.decode()


# --- The estimate -----------------------------------------------------------------------------------------------------


def estimated(client: Client, family: list[Policy], suite: Suite, **fields: Any) -> str:
    """The estimate alone, as htmx gets it."""
    sent = form_of(family, suites=[suite.pk], check_share=0, attention_items=0, repeat_share=0, **fields)
    answer = client.post(reverse("study-new"), sent, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert not Study.objects.exists()
    return " ".join(BeautifulSoup(answer.content, "html.parser").text.split())


def test_the_estimate_follows_the_form_while_it_is_filled_in(researcher: Client, family: list[Policy]):
    """30 items, rated twice, at 20 s: 20 minutes."""
    suite = make_suite(*(f"Question {number}?" for number in range(50)))
    page = estimated(researcher, family, suite, item_limit=30)
    assert "Ratings 60" in page
    assert "Time 20 min" in page
    assert "30 of 50 possible" in page


def test_the_estimate_tells_what_the_time_costs(researcher: Client, family: list[Policy]):
    """900 ratings at 20 s are 5 h, at 24 an hour 120."""
    suite = make_suite(*(f"Question {number}?" for number in range(450)))
    assert "Pay 120" in estimated(researcher, family, suite, item_limit=450, hourly_pay=24)


def test_the_estimate_comes_before_the_form_is_complete(researcher: Client, family: list[Policy]):
    suite = make_suite("One?", "Two?")
    assert "Ratings 4" in estimated(researcher, family, suite, name="", temperature="x")


def test_the_estimate_tells_the_precision_and_what_another_one_takes(researcher: Client, family: list[Policy]):
    """20 votes: ± 22 points or more. ± 15 takes more than 20 items; they can be taken over by a button."""
    suite = make_suite(*(f"Question {number}?" for number in range(300)))
    page = estimated(researcher, family, suite, item_limit=20, ratings_per_item=1, wanted=15)
    width = re.search(r"Precision ± ([\d.]+) %", page)
    assert width
    assert 20 < float(width[1]) < 30
    taken = re.search(r"± 15 % takes (\d+) items: \d+ ratings", page)
    assert taken
    assert f"Take {taken[1]} items" in page
    assert 20 < int(taken[1]) < 100


def test_a_precision_beyond_the_prompts_asks_for_more_prompts(researcher: Client, family: list[Policy]):
    page = estimated(researcher, family, make_suite("One?", "Two?"), wanted=5)
    assert "and these prompts give 2. Choose more prompts." in page


def test_the_raters_that_count_are_those_of_the_chosen_pools(researcher: Client, family: list[Policy]):
    suite, pool = make_suite("One?", "Two?"), RaterPool.objects.create(slug="experts", name="Experts")
    pool.members.add(make_rater(), make_rater())
    make_rater()
    assert "with 3 raters; it speaks of these people alone" in estimated(researcher, family, suite)
    assert "with 2 raters" in estimated(researcher, family, suite, pools=[pool.pk])


def test_the_rule_that_leaves_raters_out_is_said_in_a_sentence(researcher: Client, family: list[Policy]):
    suite = make_suite("One?", "Two?")
    assert "Nobody is left out." in estimated(researcher, family, suite)
    told = estimated(researcher, family, suite, exclude_attention=2, exclude_gold=60)
    assert "A rater is left out who is right in less than 60 % of at least 10 gold items, or fails 2 or more" in told


def test_the_estimate_says_what_it_still_needs(researcher: Client, family: list[Policy]):
    assert "Choose at least two policies and a suite" in estimated(researcher, [], make_suite("One?"))


def test_without_script_a_button_estimates_and_judges_nothing(researcher: Client, family: list[Policy]):
    suite = make_suite(*(f"Question {number}?" for number in range(50)))
    sent = form_of(family, suites=[suite.pk], name="", repeat_share="12", look="on", reasons="")
    answer = researcher.post(reverse("study-new"), sent)
    page = BeautifulSoup(answer.content, "html.parser")
    assert answer.status_code == 200
    assert not page.select(".errorlist, .notice[data-level=error]")
    shown = filled_in(page)
    assert (shown["repeat_share"], shown["suites"], shown["ties"]) == (["12"], [str(suite.pk)], ["on"])
    assert "reasons" not in shown
    assert "Ratings" in page.select_one("#estimate").text


def test_without_script_a_number_of_items_can_be_taken_over(researcher: Client, family: list[Policy]):
    sent = form_of(family, suites=[make_suite("One?").pk], look="384")
    page = BeautifulSoup(researcher.post(reverse("study-new"), sent).content, "html.parser")
    assert filled_in(page)["item_limit"] == ["384"]
