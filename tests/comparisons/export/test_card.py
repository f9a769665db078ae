"""The data card: facts from rows, as Markdown and as JSON, safe whatever people wrote."""

from __future__ import annotations

import pytest

from comparisons.export import BothBad, Consensus, Dropped, Export, Rule, make_version
from comparisons.export.card import card_of
from comparisons.models import RaterPool, Suite, Verdict
from tests.comparisons.export.material import adjudicate, study_with, three_policies
from tests.comparisons.rating_factories import make_rater
from tests.factories import make_run
from training.models import Dataset
from training.preferences import data_card

pytestmark = pytest.mark.django_db


def section(card, title):
    return next(one for one in card.sections if one.title == title)


def facts(card, title):
    return dict(section(card, title).facts)


def test_a_card_counts_what_is_there():
    study = study_with([["first", "second", "first"], ["bad", "bad", "tie"], ["first"]])
    card = card_of(Export(study, Rule(minimum=2)))
    held = facts(card, "What it holds")
    assert (held["Items judged"], held["Pairs"], held["Judgements used"]) == ("3", "1", "7")
    assert section(card, "Rule").text == str(Rule(minimum=2))
    assert section(card, "Rule").table.rows == (
        ("Fewer judgements than the rule asks for", "1"),
        ("Both answers are bad", "1"),
    )
    judged = facts(card, "Who judged")
    assert (judged["Raters"], judged["Judgements per rater"]) == ("3", "2 to 3, median 2")
    names = [policy.policy.served_name for policy in study.contenders.select_related("policy")]
    assert [row[1] for row in section(card, "Policies and sampling").table.rows] == names


def test_a_card_counts_the_pools_of_those_who_judged():
    study = study_with([["first", "first"]])
    pool = RaterPool.objects.create(slug="sailors", name="Sailors")
    pool.members.add(study.items.get().assignments.first().rater, make_rater())
    RaterPool.objects.create(slug="cooks", name="Cooks").members.add(make_rater())
    assert section(card_of(Export(study, Rule())), "Who judged").table.rows == (("Sailors", "1"),)


def test_agreement_has_an_interval_or_a_reason():
    """Items (first, first), (first, second): of two pairs of judgements one is alike, 0.50."""
    alone = facts(card_of(Export(study_with([["first"]]), Rule())), "Agreement")
    assert alone["Krippendorff’s α"] == "undefined because no item was judged by two people"
    study = study_with([["first", "first"], ["first", "second"]])
    said = facts(card_of(Export(study, Rule())), "Agreement")["Alike"]
    assert said == "0.50 [0.00, 1.00], 2 items"


def test_wrong_labels_are_estimated_from_agreement_where_a_majority_decides_and_else_from_the_posterior():
    """Pairs of preferences agree in a = 1/2 of the time at most here, so a single vote is a coin and so is a label."""
    study = study_with([["first", "first", "second"], ["second", "second", "second"]])
    said = facts(card_of(Export(study, Rule())), "Agreement")["Labels the wrong way round"]
    assert "if raters err independently" in said
    weighed = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.51)
    assert "Labels the wrong way round" in facts(card_of(Export(study, weighed)), "Agreement")


def test_raters_whom_the_study_leaves_out_are_counted_with_the_rule():
    study = study_with([["first", "second"], ["first", "second"]], design={"exclusion": {"median_seconds": 60}})
    export = Export(study, Rule())
    judged = facts(card_of(export), "Who judged")["Left out by the study’s rule"]
    assert judged.startswith("2. A rater is left out who takes less than 60 seconds")
    assert export.summary.dropped == {Dropped.EXCLUDED: 2}


def test_every_guideline_that_was_in_force_stands_in_the_card_with_its_judgements():
    study = study_with([["first", "first"]])
    study.guidelines.create(number=2, text="Never used.")
    found = [one for one in card_of(Export(study, Rule())).sections if one.title.startswith("Guideline")]
    assert [(one.title, one.text, one.quote) for one in found] == [
        ("Guideline, version 1", "2 judgements were given under it.", "Prefer the answer that is right.")
    ]


def test_limits_are_named_where_the_facts_show_them():
    study = three_policies({(0, 1): "bad", (0, 2): "second"}, prompts=4)
    rule = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.51, both_bad=BothBad.HARD_NEGATIVES)
    limits = " ".join(section(card_of(Export(study, rule)), "Known limits").points)
    for said in ("No item was judged by two people", "Only 1 person judged", "err independently", "Hard negatives"):
        assert said in limits
    assert "No suite is held for evaluation" in limits
    Suite.objects.create(slug="held", name="Held", held_for_evaluation=True)
    assert "No suite" not in " ".join(section(card_of(Export(study, rule)), "Known limits").points)


def test_adjudicated_items_are_counted():
    study = study_with([["first", "second"], ["first"]])
    adjudicate(study.items.get(position=0), Verdict.FIRST)
    assert facts(card_of(Export(study, Rule())), "Rule") == {"Items adjudicated": "1"}


def test_what_people_wrote_cannot_break_out_of_the_markdown():
    study = study_with([["first"]], name="# Big\n<script>alert(1)</script>", guideline="```\n# Not a heading\n````")
    text = card_of(Export(study, Rule())).markdown
    assert "<script>" not in text
    assert "\\# Big \\<script\\>" in text
    assert "`````text\n```\n# Not a heading\n````\n`````" in text


def test_a_version_shows_its_card_with_what_its_file_holds():
    dataset = Dataset.objects.create(slug="rated", name="Rated")
    export = Export(study_with([["first"]] * 5), Rule())
    version = make_version(export, dataset, None)
    card = data_card.card_of(version)
    assert (card.title, card.sections[0].title) == ("Rated v1", "File")
    assert dict(card.sections[0].facts)["SHA-256 of the sealed file"] == version.sha256
    assert [one.title for one in card.sections[1:]] == [one.title for one in card_of(export).sections]


def test_a_card_says_how_many_judgements_are_of_runs_that_their_raters_launched():
    """One rater launched the run behind the second policy, and two of the three judgements are theirs."""
    study = study_with([["first", "second"], ["first"]], design={"own_runs": True})
    rater = study.items.get(position=0).assignments.first().rater
    policy = study.contenders.last().policy
    policy.run = make_run(user=rater)
    policy.save()
    card = card_of(Export(study, Rule()))
    assert facts(card, "Who judged")["Of answers of runs that they launched"] == "allowed; 2 of 3 judgements"
    assert "may have recognised them" in " ".join(section(card, "Known limits").points)
