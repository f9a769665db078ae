"""The pairs of an export: what is chosen, what each says of itself, labels, weights and margins."""

from __future__ import annotations

import pytest

from comparisons.export import Certainty, Consensus, Dropped, Export, Rule
from comparisons.models import Answer
from tests.comparisons.export.material import say, study_with
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite
from tests.factories import make_policy

pytestmark = pytest.mark.django_db
MAJORITY = Rule()


def pairs(study, rule=MAJORITY):
    return list(Export(study, rule).pairs())


def test_the_preferred_answer_is_chosen_whatever_side_it_stood_on():
    base, tuned = make_policy(), make_policy()
    study = make_study(items=12, policies=[base, tuned])
    judge_all(study, make_rater(), prefer(tuned))
    for pair in pairs(study):
        assert Answer.objects.filter(contender__policy=tuned, text=pair.chosen[0].content).exists()
        assert pair.extra["chosen_policy"] == tuned.served_name


def test_equal_and_empty_answers_give_no_pair():
    study = study_with([["first"]] * 3)
    item = study.items.first()
    rewrite(Answer.objects.filter(pk__in=[item.first_id, item.second_id]), text="the same")
    rewrite(Answer.objects.filter(pk=study.items.last().first_id), text="  ")
    assert Export(study, Rule()).summary.dropped == {Dropped.UNUSABLE: 2}


def test_quarantined_items_are_no_part_of_an_export():
    study = study_with([["first"]] * 3)
    study.items.filter(position=0).update(quarantine="Names a policy.")
    summary = Export(study, Rule()).summary
    assert (summary.items, summary.judgements) == (2, 2)


def test_checks_training_and_repeats_are_no_part_of_an_export():
    study = study_with([["first"], ["first"], ["first"]])
    study.items.filter(position=0).update(kind="gold")
    repeated = study.items.get(position=1).assignments.get()
    again = say(study.items.get(position=1), make_rater(), "second").assignment
    type(again).objects.filter(pk=again.pk).update(repeats=repeated)
    export = Export(study, Rule())
    assert (export.summary.items, export.summary.pairs, export.summary.judgements) == (2, 2, 2)
    assert next(export.pairs()).extra["votes"] == {"chosen": 1, "rejected": 0, "tie": 0, "both_bad": 0}


def test_a_pair_says_where_it_comes_from():
    study = study_with([["first", "second", "first", "tie", "bad"]], sampling={"temperature": 0.5, "max_tokens": 9})
    rewrite(Answer.objects.all(), seed=77)
    study.guidelines.create(number=2, text="Another text.")
    del study.current_guideline
    say(study.items.get(), make_rater(), "first")
    [pair] = pairs(study)
    first, second = study.items.get().first, study.items.get().second
    raters = pair.extra.pop("raters")
    assert pair.extra == {
        "study": study.slug,
        "item": 1,
        "votes": {"chosen": 3, "rejected": 1, "tie": 1, "both_bad": 1},
        "agreement": 0.75,
        "certainty": 0.75,
        "posterior": None,
        "adjudicated": False,
        "won_item": None,
        "guidelines": [1, 2],
        "chosen_policy": first.served_name,
        "rejected_policy": second.served_name,
        "sampling": {"temperature": 0.5, "top_p": None, "max_tokens": 9},
        "seed": 77,
        "engine": "0.32.0",
    }
    assert len(raters) == 6
    assert pair.source == study.slug
    assert pair.at.endswith("+00:00")


def test_raters_go_by_pseudonyms_that_differ_from_study_to_study_and_never_change():
    one, other = make_study(items=2), make_study(items=1)
    alice = make_rater("alice")
    for study in (one, other):
        for item in study.items.all():
            say(item, alice, "first")
    names = [pair.extra["raters"] for pair in pairs(one)]
    assert names[0] == names[1] == pairs(one)[0].extra["raters"]
    assert names[0] != pairs(other)[0].extra["raters"]
    assert "alice" not in str(pairs(one))


def test_one_raters_pair_knows_who_and_on_which_side():
    study = study_with([[""], [""]])
    rater = make_rater()
    for item, first_is_a in zip(study.items.order_by("position"), (True, False), strict=True):
        say(item, rater, "first", first_is_a=first_is_a)
    left, right = pairs(study)
    assert (left.position, right.position) == (1, 2)
    assert left.annotator == left.extra["raters"][0]


def test_a_pair_of_several_raters_has_no_annotator_and_a_side_only_where_all_saw_the_same():
    study = study_with([["first", "first"], ["first"]])
    say(study.items.get(position=1), make_rater(), "first", first_is_a=False)
    same, mixed = pairs(study)
    assert (same.annotator, same.position, mixed.position) == ("", 1, 0)


@pytest.mark.parametrize(
    "certainty,label,weight", [(Certainty.IGNORE, 1, 1), (Certainty.LABEL, 2 / 3, 1), (Certainty.WEIGHT, 1, 2 / 3)]
)
def test_the_share_of_votes_becomes_label_or_weight(certainty, label, weight):
    """Three raters, one of whom disagrees: 2/3."""
    [pair] = pairs(study_with([["second", "first", "second"]]), Rule(certainty=certainty))
    assert (pair.label, pair.weight) == (pytest.approx(label), pytest.approx(weight))


def test_the_posterior_becomes_the_label_where_raters_are_weighed():
    study = study_with([["first", "first", "second"]] * 6)
    rule = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.6, certainty=Certainty.LABEL)
    for pair in pairs(study, rule):
        assert 0.6 <= pair.extra["posterior"] <= pair.label < 1


@pytest.mark.parametrize(
    "said,margin",
    [
        ([("first", 3), ("first", 2), ("second", 1)], 4 / 3),
        ([("first", 1), ("first", 1), ("second", 3)], 0.0),
        ([("first", 2), ("tie", 0)], 2.0),
        ([("first", 0)], None),
    ],
)
def test_margins_are_the_mean_strength_with_dissent_as_minus(said, margin):
    """(3 + 2 - 1) / 3 = 4/3; (1 + 1 - 3) / 3 is below 0; a tie has no strength; nobody said how much: no margin."""
    study = study_with([[""]])
    for word, strength in said:
        say(study.items.get(), make_rater(), word, strength=strength)
    [pair] = pairs(study, Rule(margins=True))
    assert pair.margin == (None if margin is None else pytest.approx(margin))
    assert pairs(study)[0].margin is None


def test_prompts_of_several_turns_stay_whole():
    study = study_with([["first"]])
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far?"}]
    type(study.items.get().prompt).objects.update(messages=turns)
    [pair] = pairs(study)
    assert [(turn.role, turn.content) for turn in pair.prompt] == [("system", "Be brief."), ("user", "How far?")]
    assert Export(study, Rule()).summary.several_turns == 1


def test_reading_a_study_for_export_asks_a_fixed_number_of_times(django_assert_max_num_queries):
    study = study_with([["first", "second", "first"]] * 20)
    with django_assert_max_num_queries(9):
        assert len(list(Export(study, Rule()).outcomes())) == 20
