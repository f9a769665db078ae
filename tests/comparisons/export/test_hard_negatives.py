"""Both-bad answers against the best answer to the same prompt."""

from __future__ import annotations

import pytest

from comparisons.export import BothBad, Certainty, Consensus, Dropped, Export, Rule
from comparisons.models import Answer, Verdict
from tests.comparisons.export.material import adjudicate, say, study_with, three_policies
from tests.comparisons.rating_factories import make_rater, rewrite

pytestmark = pytest.mark.django_db

WANTED = Rule(both_bad=BothBad.HARD_NEGATIVES)


def texts(pairs):
    return [(pair.chosen[0].content, pair.rejected[0].content) for pair in pairs]


def test_both_bad_items_give_no_pair_unless_hard_negatives_are_wanted():
    study = three_policies({(0, 1): "bad", (0, 2): "second", (1, 2): "second"})
    assert list(Export(study, Rule()).hard_negatives()) == []
    assert Export(study, Rule()).summary.dropped == {Dropped.BOTH_BAD: 1}


def test_an_answer_already_judged_against_the_best_gives_none_again():
    """2 won against 0 and against 1: these two pairs are there, and the both-bad item has nothing to add."""
    study = three_policies({(0, 1): "bad", (0, 2): "second", (1, 2): "second"})
    assert list(Export(study, WANTED).hard_negatives()) == []


def test_the_bad_answers_are_rejected_against_the_winner_of_another_item():
    """2 won against 0; the item of 1 and 2 nobody judged. So 1 is new against 2, and 0 is not."""
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    export = Export(study, WANTED)
    [pair] = export.hard_negatives()
    assert texts([pair]) == [("answer 0 of 2", "answer 0 of 1")]
    assert pair.tags == ("hard-negative",)
    assert (pair.extra["item"], pair.extra["won_item"]) == (1, 2)
    assert pair.extra["votes"] == {"chosen": 0, "rejected": 0, "tie": 0, "both_bad": 1}


@pytest.mark.parametrize("preferred", ["first", "second"])
def test_votes_between_both_bad_answers_are_no_votes_on_the_pair_they_are_rejected_in(preferred):
    """Bad by 2 of 3, the third preferring one of the two: nobody compared either answer with the chosen one."""
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    bad = study.items.get(position=0)
    for word in ("bad", preferred):
        say(bad, make_rater(), word)
    [pair] = Export(study, WANTED).hard_negatives()
    assert pair.extra["votes"] == {"chosen": 0, "rejected": 0, "tie": 0, "both_bad": 2}
    assert pair.extra["agreement"] is None
    assert (pair.position, pair.margin) == (0, None)


def test_hard_negatives_come_on_top_of_the_items_pairs():
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    summary = Export(study, WANTED).summary
    assert (summary.items, summary.pairs, summary.hard_negatives, summary.rows) == (3, 1, 1, 2)
    assert summary.dropped == {Dropped.UNJUDGED: 1, Dropped.BOTH_BAD: 1}
    assert len(list(Export(study, WANTED).pairs())) == 2


def test_an_answer_found_bad_itself_is_never_the_best():
    """1 won against 0, but with 2 it was found bad."""
    study = three_policies({(0, 1): "second", (1, 2): "bad"})
    assert list(Export(study, WANTED).hard_negatives()) == []


def test_an_answer_that_lost_as_often_as_it_won_is_no_clear_winner():
    study = three_policies({(0, 1): "first", (0, 2): "second", (1, 2): "bad"})
    assert list(Export(study, WANTED).hard_negatives()) == []


def test_a_prompt_without_a_winner_gives_none():
    study = three_policies({(0, 1): "bad", (0, 2): "tie", (1, 2): "tie"})
    assert list(Export(study, WANTED).hard_negatives()) == []


def test_other_prompts_give_no_chosen_answer():
    """Two policies, two prompts: prompt 0 is both bad, and only prompt 1 has a winner."""
    study = study_with([["bad"], ["first"]])
    assert list(Export(study, WANTED).hard_negatives()) == []


@pytest.mark.parametrize("certainty", [Certainty.LABEL, Certainty.WEIGHT])
def test_a_hard_negative_is_as_sure_as_both_judgements_together(certainty):
    """Both bad by 2 of 3 (the third a tie), the winner 2 : 1: 2/3 · 2/3 + 1/3 · 1/2 = 11/18."""
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    bad, won, _ = study.items.order_by("position")
    for item, words in ((bad, ("bad", "tie")), (won, ("second", "first"))):
        for word in words:
            say(item, make_rater(), word)
    [pair] = Export(study, Rule(both_bad=BothBad.HARD_NEGATIVES, certainty=certainty)).hard_negatives()
    assert (pair.label if certainty == Certainty.LABEL else pair.weight) == pytest.approx(11 / 18)


def test_an_adjudication_decides_what_is_bad_and_what_is_best():
    study = three_policies({(0, 1): "first"})
    bad, won, _ = study.items.order_by("position")
    adjudicate(bad, Verdict.BOTH_BAD)
    adjudicate(won, Verdict.SECOND)
    [pair] = Export(study, WANTED).hard_negatives()
    assert texts([pair]) == [("answer 0 of 2", "answer 0 of 1")]
    assert pair.extra["adjudicated"]


def test_weighed_raters_decide_what_is_bad_too():
    study = three_policies({(0, 1): "bad", (0, 2): "second"}, prompts=4)
    rule = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.51, both_bad=BothBad.HARD_NEGATIVES)
    found = list(Export(study, rule).hard_negatives())
    assert texts(found) == [(f"answer {prompt} of 2", f"answer {prompt} of 1") for prompt in range(4)]


def test_equal_texts_are_no_hard_negative():
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    item = study.items.get(position=0)
    rewrite(Answer.objects.filter(pk=item.second_id), text="answer 0 of 2")
    export = Export(study, WANTED)
    assert export.summary.hard_negatives == 0
    assert list(export.hard_negatives()) == []
