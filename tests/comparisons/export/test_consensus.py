"""From all judgements of a study to a decision on every item: who is believed, and that no item is lost."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from comparisons.export import (
    BothBad,
    Certainty,
    Consensus,
    Decision,
    Disagreement,
    Dropped,
    Export,
    Rule,
    Ties,
)
from comparisons.export.consensus import FEW_JUDGEMENTS, few, posteriors
from comparisons.export.judgements import Judgements, judgements_of
from comparisons.models import Verdict
from tests.comparisons.export.material import adjudicate, say, study_with
from tests.comparisons.rating_factories import make_rater

MAJORITY = Rule()
WEIGHED = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.6)


def decisions(study, rule=MAJORITY):
    """What the rule decides, item by item in order."""
    return list(Export(study, rule).agreed.decisions.values())


@pytest.mark.django_db
def test_judgements_are_counted_by_what_they_prefer_whatever_the_side():
    study = study_with([["first", "second", "tie"], ["bad", "skip", ""]])
    say(study.items.get(position=0), make_rater(), "first", first_is_a=False)
    found = judgements_of(study).tallies()
    first, second = study.items.order_by("position")
    assert (found[first.pk].first, found[first.pk].second, found[first.pk].ties) == (2, 1, 1)
    assert (found[second.pk].both_bad, found[second.pk].total) == (1, 1)


@pytest.mark.django_db
def test_an_adjudication_wins_over_all_votes_and_the_latest_over_earlier_ones():
    study = study_with([["first", "first"], ["first", "first"], ["first", "first"], [""]])
    one, two, three, four = study.items.order_by("position")
    adjudicate(one, Verdict.FIRST)
    adjudicate(one, Verdict.SECOND)
    adjudicate(two, Verdict.TIE)
    adjudicate(three, Verdict.BOTH_BAD)
    adjudicate(four, Verdict.FIRST)
    assert decisions(study, Rule(minimum=5)) == [
        Decision(False, 1.0, adjudicated=True),
        Dropped.TIE,
        Dropped.BOTH_BAD,
        Decision(True, 1.0, adjudicated=True),
    ]


@pytest.mark.django_db
def test_a_rater_who_guesses_loses_against_two_who_agree_elsewhere():
    """Twenty items on which two raters agree and the third says the opposite of them half of the time. On the last one
    of the two is missing: one vote each, so the majority is even; weighed, the reliable one is believed."""
    usual = [["first", "first", "second" if number % 2 else "first"] for number in range(20)]
    study = study_with([*usual, ["first", "", "second"]])
    assert decisions(study)[-1] == Dropped.UNDECIDED
    found = decisions(study, WEIGHED)[-1]
    assert isinstance(found, Decision)
    assert found.first_is_chosen


@pytest.mark.django_db
def test_the_side_on_which_an_answer_was_stored_changes_nothing():
    """Items whose first and second are exchanged, with what was said of them, give the exchanged posterior."""
    said = [
        ["first", "first", "second"],
        ["second", "first", "second"],
        ["tie", "first", "bad"],
        ["first", "", "first"],
    ]
    swap = {"first": "second", "second": "first"}
    turned = [[swap.get(word, word) for word in one] if number % 2 else one for number, one in enumerate(said)]
    rule = Rule(consensus=Consensus.DAWID_SKENE)
    here = list(Export(study_with(said), rule).agreed.posteriors.values())
    there = list(Export(study_with(turned), rule).agreed.posteriors.values())
    for number, (one, other) in enumerate(zip(here, there, strict=True)):
        expected = [one[1], one[0], one[2], one[3]] if number % 2 else one
        assert other == pytest.approx(expected, abs=1e-6)


@pytest.mark.django_db
@pytest.mark.parametrize("consensus", [Consensus.DAWID_SKENE, Consensus.MACE, Consensus.GLAD])
def test_one_who_knows_is_believed_against_two_who_guess(consensus):
    """On 40 items two careful raters say what is true; a third and a fourth say anything. On the last item only one
    careful rater judged, against both others."""
    chance = random.Random(3)
    truth = [chance.choice(["first", "second"]) for _ in range(40)]
    said = [[true, true, chance.choice(["first", "second"]), chance.choice(["first", "second"])] for true in truth]
    study = study_with([*said, ["first", "", "second", "second"]])
    assert decisions(study)[-1] == Decision(False, 2 / 3)
    found = decisions(study, Rule(consensus=consensus, threshold=0.51))[-1]
    assert isinstance(found, Decision)
    assert found.first_is_chosen


@pytest.mark.django_db
def test_adjudicated_items_are_known_truth_for_the_weighing():
    """Two raters contradict each other on every item; the adjudications side with the first, so it is believed on the
    item that nobody adjudicated."""
    study = study_with([["first", "second"]] * 12)
    for item in study.items.exclude(position=0):
        adjudicate(item, Verdict.FIRST)
    found = decisions(study, WEIGHED)[0]
    assert isinstance(found, Decision)
    assert found.first_is_chosen


def test_few_judgements_per_rater_are_told_by_the_median():
    assert few(np.array([1, 1, 2, 3]))
    assert not few(np.repeat([1, 2, 3], FEW_JUDGEMENTS + 1))


def test_nothing_was_said_so_nothing_is_believed():
    nothing = np.zeros(0, dtype=np.int64)
    assert posteriors(Judgements(nothing, nothing, nothing), {}) == {}


words = st.lists(st.sampled_from(["first", "second", "tie", "bad", "skip", ""]), min_size=1, max_size=3)


@pytest.mark.django_db
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(words, min_size=1, max_size=6), seed=st.integers(0, 5))
def test_every_item_is_a_pair_or_left_out_for_a_reason_under_every_rule(said, seed):
    study = study_with(said)
    chance = random.Random(seed)
    for item in study.items.all():
        if chance.random() < 0.2:
            adjudicate(item, chance.choice(list(Verdict)))
    study.suites.update(held_for_evaluation=False)
    for rule in chance.sample(ALL_RULES, 8):
        summary = Export(study, rule).summary
        assert summary.items == len(said) == summary.pairs + sum(summary.dropped.values())
        assert all(isinstance(reason, Dropped) for reason in summary.dropped)


ALL_RULES = [
    Rule(minimum, consensus, ties, disagreement, 0.6, certainty, margins, both_bad)
    for minimum, consensus, ties, disagreement, certainty, margins, both_bad in itertools.product(
        (1, 2, 3), Consensus, Ties, Disagreement, Certainty, (False, True), BothBad
    )
]
