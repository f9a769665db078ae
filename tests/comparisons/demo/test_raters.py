"""A simulated rater judges what the page shows, by the world's truth."""

import random

import pytest
from bs4 import BeautifulSoup
from django.template.loader import render_to_string

from comparisons.demo.browser import _fields
from comparisons.demo.raters import Rater
from comparisons.demo.waiting import StageFailed
from comparisons.design import Design
from comparisons.forms.rating import offered
from comparisons.rendering import shown_alike
from training.world.islands import Attribute, build_world
from training.world.phrasing import Question

WORLD = build_world(0)
ISLAND = next(iter(WORLD.islands.values()))
QUESTION = Question(ISLAND.name, Attribute.CAPITAL)
RIGHT = f"The capital of {ISLAND.name} is {ISLAND.facts[Attribute.CAPITAL]}."
WRONG = f"The capital of {ISLAND.name} is Nowhere."


def page(prompt: str, first: str, second: str, **rules: bool) -> BeautifulSoup:
    """The rating page of an item with these texts, in a study with this design."""
    answers = [{"side": side, "text": text} for side, text in zip("AB", shown_alike(first, second), strict=True)]
    turns = [{"role": "user", "words": "Person", "text": shown_alike(prompt)[0]}]
    context = {"token": "x", "prompt": turns, "answers": answers, "options": offered(Design(**rules))}
    return BeautifulSoup(render_to_string("comparisons/rating/_item.html", context), "html.parser")


def rater(error_rate: float = 0.0) -> Rater:
    return Rater(WORLD, "anna", "secret", error_rate, seed=1)


@pytest.mark.parametrize("first,second,choice", [(RIGHT, WRONG, "a"), (WRONG, RIGHT, "b"), (RIGHT, RIGHT, "tie")])
def test_a_rater_without_error_prefers_the_truth(first: str, second: str, choice: str):
    assert rater().choose(page(QUESTION.text, first, second), random.Random(0)) == choice


def test_two_wrong_answers_are_a_tie_or_both_bad():
    shown = page(QUESTION.text, WRONG, WRONG)
    chance = random.Random(0)
    assert {rater().choose(shown, chance) for _ in range(40)} == {"tie", "both_bad"}


def test_a_rater_takes_what_the_study_offers():
    """No tie and no both-bad: the answer that is a little better; strengths: the middle one of three."""
    chance = random.Random(0)
    assert rater().choose(page(QUESTION.text, WRONG, WRONG, ties=False, both_bad=False), chance) in {"a", "b"}
    assert rater().choose(page(QUESTION.text, RIGHT, WRONG, strength=True), chance) == "a2"


def test_a_rater_errs_at_the_set_rate():
    """With error rate 0.4 half of the errors hit the right side, so 20 % of 1,000 are wrong; 3 sigma is 3.8 points."""
    shown, chance = page(QUESTION.text, RIGHT, WRONG), random.Random(0)
    wrong = sum(rater(0.4).choose(shown, chance) == "b" for _ in range(1000))
    assert 160 < wrong < 240


def test_a_prompt_of_another_world_stops_the_rater():
    with pytest.raises(StageFailed, match="not of the demo world"):
        rater().choose(page("What is love?", RIGHT, WRONG), random.Random(0))


def test_a_form_is_sent_as_a_browser_would():
    html = """<form><input name="a" value="1">
    <input name="skip" type="checkbox"><input name="b" type="checkbox" checked>
    <select name="c"><option value="x">X</option><option value="y" selected>Y</option></select>
    <select name="d"><option value="first">F</option></select><textarea name="e">text</textarea>
    <input type="file" name="f"><button name="g" value="2">Go</button></form>"""
    form = BeautifulSoup(html, "html.parser").form
    assert form is not None
    assert _fields(form) == {"a": "1", "b": "on", "c": "y", "d": "first", "e": "text"}
