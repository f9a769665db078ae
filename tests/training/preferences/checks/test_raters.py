"""Agreement of raters and those who stand apart, with the arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.preferences.checks.examining import examined, found_by
from tests.training.preferences.pairs import pair
from training.preferences.checks.findings import Level
from training.preferences.checks.raters import raters


def vote(prompt: str, rater: str, *, up: bool = True, **more):
    chosen, rejected = ("good", "bad") if up else ("bad", "good")
    return pair(prompt, chosen, rejected, annotator=rater, **more)


def test_disagreement_is_counted_over_pairs_of_votes(tmp_path):
    """80 pairs both agree on, 20 on which two differ: a = 0.8, wrong (1 - √0.6) / 2 = 11.3 %."""
    pairs = [v for n in range(100) for v in (vote(f"p{n}", "ann"), vote(f"p{n}", "bob", up=n < 80))]
    found = found_by(raters, pairs, tmp_path)["rater_agreement"]
    assert "agree on 80.0 %" in found.sentence
    assert "11.3 %" in found.sentence
    assert (found.count, found.total, found.level) == (40, 200, Level.WARNING)
    assert found.rows[:2] == (160, 161)


def test_three_votes_are_three_pairs_of_votes(tmp_path):
    """Two against one: of the pairs of votes one of three agrees."""
    pairs = [v for n in range(50) for v in (vote(f"p{n}", "a"), vote(f"p{n}", "b"), vote(f"p{n}", "c", up=False))]
    found = found_by(raters, pairs, tmp_path)
    assert "agree on 33.3 %" in found["rater_agreement"].sentence
    assert found["rater_agreement"].level is Level.ERROR


def test_raters_who_agree_are_no_cause_for_concern(tmp_path):
    pairs = [vote(f"p{n}", rater) for n in range(50) for rater in ("ann", "bob")]
    found = found_by(raters, pairs, tmp_path)
    assert set(found) == {"rater_agreement"}
    assert found["rater_agreement"].level is Level.INFO


def test_without_a_second_rater_nothing_is_said(tmp_path):
    """Repeats of one rater, or of nobody in particular, are no second opinion."""
    same = [vote("p", "ann"), vote("p", "ann", up=False)]
    nobody = [pair("q", "good", "bad"), pair("q", "bad", "good")]
    assert found_by(raters, [*same, *nobody], tmp_path) == {}


def test_a_label_below_one_half_is_a_vote_for_the_rejected_answer(tmp_path):
    pairs = [v for n in range(20) for v in (vote(f"p{n}", "ann"), vote(f"p{n}", "bob", up=False, label=0.1))]
    assert "agree on 100.0 %" in found_by(raters, pairs, tmp_path)["rater_agreement"].sentence


def test_an_annotator_against_all_others_stands_apart(tmp_path):
    """On 60 prompts three say one thing and dan the other: dan contradicts 60 of 60 majorities, the rest none."""
    others = [vote(f"p{n}", rater) for n in range(60) for rater in ("ann", "bob", "cem")]
    found = found_by(raters, [*others, *[vote(f"p{n}", "dan", up=False) for n in range(60)]], tmp_path)
    apart = found["annotators_apart"]
    assert apart.sentence.startswith("dan contradicts")
    assert (apart.count, apart.total, apart.rows[0]) == (60, 60, 180)
    assert [bar["share"] for bar in apart.picture["bars"]] == [1.0, 0.0, 0.0, 0.0]
    assert "sources_apart" not in found


def test_a_source_against_the_others_stands_apart(tmp_path):
    sides = [("web", True), ("shop", True), ("bulk", False)]
    pairs = [
        pair(f"p{n}", *(("good", "bad") if up else ("bad", "good")), source=source)
        for n in range(60)
        for source, up in sides
    ]
    assert found_by(raters, pairs, tmp_path)["sources_apart"].sentence.startswith("bulk contradicts")


def test_of_two_raters_who_disagree_neither_stands_apart(tmp_path):
    pairs = [v for n in range(60) for v in (vote(f"p{n}", "ann"), vote(f"p{n}", "bob", up=False))]
    assert set(found_by(raters, pairs, tmp_path)) == {"rater_agreement"}


def test_a_careless_rater_is_found_by_pairs_of_two_votes_each(tmp_path):
    """Every pair has two votes; dan's 90 are against his partner's, on 30 pairs with each of the three others."""
    others = ("ann", "bob", "cem")
    with_dan = [v for n in range(90) for v in (vote(f"d{n}", others[n % 3]), vote(f"d{n}", "dan", up=False))]
    rest = [vote(f"p{n}", others[(n + k) % 3]) for n in range(180) for k in (0, 1)]
    assert found_by(raters, [*with_dan, *rest], tmp_path)["annotators_apart"].sentence.startswith("dan contradicts")


def test_who_votes_three_times_is_one_voice(tmp_path):
    """ann says it three times, bob and cem the other: two voices against one, so ann contradicts the majority."""
    three = [vote(f"p{n}", "ann") for n in range(40) for _ in range(3)]
    two = [vote(f"p{n}", rater, up=False) for n in range(40) for rater in ("bob", "cem")]
    assert found_by(raters, [*three, *two], tmp_path)["annotators_apart"].sentence.startswith("ann contradicts")


def test_a_label_is_as_doubtful_as_the_share_of_the_other_raters_against_it(tmp_path):
    """ann, bob, cem against dan: of ann's three others one is against her, of dan's all three. eve said both ways and
    is half against everybody: (1 + ½) / 4 of each of the first three, 3½ / 4 of dan. One rater alone has no score."""
    three = [vote("p", rater) for rater in ("ann", "bob", "cem")]
    survey = examined(raters, [*three, vote("p", "dan", up=False), vote("alone", "ann")], tmp_path)
    assert survey.scores["disagreement"][:4].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert np.isnan(survey.scores["disagreement"][4])
    both = [vote("p", "eve"), vote("p", "eve", up=False)]
    survey = examined(raters, [*three, vote("p", "dan", up=False), *both], tmp_path)
    assert survey.scores["disagreement"][:4].tolist() == pytest.approx([0.375, 0.375, 0.375, 0.875])


def test_the_share_against_the_majority_is_shown_by_annotator_and_source_when_nobody_stands_apart(tmp_path):
    pairs = [
        vote(f"p{n}", rater, up=rater != "bob" or n > 5, source=f"{rater}'s")
        for n in range(60)
        for rater in ("ann", "bob", "cem")
    ]
    found = found_by(raters, pairs, tmp_path)["rater_agreement"]
    assert found.level is Level.INFO
    of, bars = found.picture["of"], found.picture["bars"]
    assert (of, [(bar["label"], bar["share"]) for bar in bars]) == ("annotator", [("bob", 0.1), ("ann", 0), ("cem", 0)])
    [beside] = found.picture["beside"]
    assert beside["bars"][0]["filter"] == {"source": "bob's"}
