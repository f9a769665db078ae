"""The rule on one item: each choice by itself, and what holds under all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparisons.export import BothBad, Certainty, Consensus, Decision, Disagreement, Dropped, Rule, Tally, Ties

WEIGHING = (
    "raters are weighed by how often they agree with the consensus (Dawid–Skene), and an answer is chosen where it is "
    "better with a probability of 0.90 or more"
)
WEIGHED = Rule(consensus=Consensus.DAWID_SKENE)


@pytest.mark.parametrize(
    "rule,counts,expected",
    [
        (Rule(), (0, 0, 0, 0), Dropped.UNJUDGED),
        (Rule(minimum=3), (2, 0, 0, 0), Dropped.TOO_FEW),
        (Rule(), (1, 0, 0, 1), Dropped.BOTH_BAD),
        (Rule(), (2, 0, 0, 1), Decision(True, 1.0)),
        (Rule(), (0, 0, 2, 0), Dropped.TIE),
        (Rule(), (1, 1, 0, 0), Dropped.UNDECIDED),
        (Rule(), (1, 2, 0, 0), Decision(False, 2 / 3)),
        (Rule(), (1, 0, 4, 0), Decision(True, 1.0)),
        (Rule(disagreement=Disagreement.DROP), (3, 1, 0, 0), Dropped.DISAGREEMENT),
        (Rule(disagreement=Disagreement.DROP), (3, 0, 1, 0), Decision(True, 1.0)),
        (Rule(ties=Ties.HALF, disagreement=Disagreement.DROP), (3, 0, 1, 0), Dropped.DISAGREEMENT),
        (Rule(ties=Ties.HALF), (1, 0, 1, 0), Decision(True, 0.75)),
        (Rule(ties=Ties.COUNT), (1, 0, 1, 0), Dropped.TIE),
        (Rule(ties=Ties.COUNT), (2, 0, 1, 0), Decision(True, 5 / 6)),
        (Rule(ties=Ties.COUNT), (1, 1, 0, 0), Dropped.UNDECIDED),
    ],
)
def test_the_majority_decides_as_it_is_written(rule, counts, expected):
    """Counts are (first, second, ties, both bad). With half ties 1 : 0 and one tie is 1.5 : 0.5, so 0.75; 2 : 0 and one
    tie is 2.5 : 0.5, so 5/6."""
    assert rule.decide(Tally(*counts)) == expected


@pytest.mark.parametrize(
    "rule,posterior,expected",
    [
        (WEIGHED, (0.9, 0.05, 0.05, 0.0), Decision(True, 0.9 / 0.95, 0.9)),
        (WEIGHED, (0.1, 0.85, 0.05, 0.0), Decision(False, 0.85 / 0.95, 0.85)),
        (WEIGHED, (0.7, 0.3, 0.0, 0.0), Dropped.UNSURE),
        (WEIGHED, (0.3, 0.3, 0.4, 0.0), Dropped.TIE),
        (WEIGHED, (0.3, 0.2, 0.1, 0.4), Dropped.BOTH_BAD),
        (Rule(consensus=Consensus.DAWID_SKENE, threshold=0.7), (0.7, 0.3, 0.0, 0.0), Decision(True, 0.7, 0.7)),
        (Rule(consensus=Consensus.DAWID_SKENE, ties=Ties.HALF), (0.8, 0.1, 0.1, 0.0), Decision(True, 0.85, 0.8)),
    ],
)
def test_a_posterior_decides_from_the_threshold_on(rule, posterior, expected):
    """A tie that is half a vote: (0.8 + 0.05) / 1 = 0.85. Both-bad chances are no part of the certainty."""
    found = rule.decide(Tally(first=3), posterior)
    if isinstance(expected, Decision):
        assert (found.first_is_chosen, found.posterior) == (expected.first_is_chosen, expected.posterior)
        assert found.certainty == pytest.approx(expected.certainty)
    else:
        assert found == expected


def test_the_minimum_holds_where_raters_are_weighed_too():
    assert Rule(minimum=2, consensus=Consensus.DAWID_SKENE).decide(Tally(first=1), (1, 0, 0, 0)) == Dropped.TOO_FEW


def test_weighing_raters_without_a_posterior_is_refused():
    with pytest.raises(ValueError, match="needs a posterior"):
        WEIGHED.decide(Tally(first=1))


majorities = st.builds(
    Rule,
    minimum=st.integers(1, 4),
    ties=st.sampled_from(Ties),
    disagreement=st.sampled_from(Disagreement),
    certainty=st.sampled_from(Certainty),
    both_bad=st.sampled_from(BothBad),
)
votes = st.integers(0, 5)


@given(rule=majorities, counts=st.tuples(votes, votes, votes, votes))
def test_exchanging_the_answers_exchanges_the_decision(rule, counts):
    first, second, ties, both_bad = counts
    here, there = rule.decide(Tally(*counts)), rule.decide(Tally(second, first, ties, both_bad))
    if isinstance(here, Decision):
        assert there == Decision(not here.first_is_chosen, here.certainty)
        assert 0.5 < here.certainty <= 1
    else:
        assert here == there


@pytest.mark.parametrize(
    "rule,parts",
    [
        (
            Rule(minimum=2),
            ["At least 2 judgements", "a tie is no vote", "the majority decides", "both-bad items give no pair"],
        ),
        (
            Rule(1, Consensus.DAWID_SKENE, Ties.HALF, threshold=0.9, certainty=Certainty.LABEL, margins=True),
            [
                "At least 1 judgement",
                "a tie is half a vote for each answer",
                WEIGHING,
                "the label is the certainty",
                "the margin is the mean strength",
                "both-bad items give no pair",
            ],
        ),
        (
            Rule(1, ties=Ties.COUNT, disagreement=Disagreement.DROP, both_bad=BothBad.HARD_NEGATIVES),
            [
                "At least 1 judgement",
                "an item with as many ties as votes for an answer gives no pair",
                "items on which raters disagree are left out",
                "answers of both-bad items are rejected against the best answer to the same prompt",
            ],
        ),
    ],
)
def test_a_rule_is_told_in_a_sentence(rule, parts):
    assert str(rule) == "; ".join([*parts, "adjudications win over votes"]) + "."
