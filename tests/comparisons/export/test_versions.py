"""Exports sealed as dataset versions: their rows, lineage, data card, and what their report looks at."""

from __future__ import annotations

import pytest

from comparisons.export import BothBad, Certainty, Consensus, Export, Rule, join_version, make_version
from comparisons.models import Study, Suite
from tests.comparisons.export.material import study_with, three_policies
from tests.comparisons.rating_factories import make_prompt
from tests.factories import make_user
from training.models import Dataset
from training.preferences import reporting
from training.preferences.report_settings import missed_sets, settings_of
from training.preferences.sealing import NothingToSeal
from training.preferences.store import read_pairs

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    return Dataset.objects.create(slug="rated", name="Rated")


def test_a_version_holds_the_pairs_and_knows_where_it_came_from(dataset):
    study = study_with([["first", "first"]] * 6)
    export = Export(study, Rule(minimum=2))
    version = make_version(export, dataset, make_user())
    assert version.rows == 6
    assert version.origin["kind"] == "study"
    assert (version.origin["slug"], version.origin["ratings"]) == (study.slug, 12)
    assert version.origin["rule"] == str(Rule(minimum=2))
    assert version.origin["left_out"] == "nothing"
    sealed = list(read_pairs(version.path))
    assert [pair.chosen for pair in sealed] == [pair.chosen for pair in export.pairs()]
    assert sealed[0].extra == next(export.pairs()).extra


def test_labels_weights_margins_and_tags_reach_the_sealed_version(dataset):
    study = three_policies({(0, 1): "bad", (0, 2): "second"})
    for certainty in (Certainty.LABEL, Certainty.WEIGHT):
        rule = Rule(certainty=certainty, both_bad=BothBad.HARD_NEGATIVES)
        made = list(Export(study, rule).pairs())
        sealed = list(read_pairs(make_version(Export(study, rule), dataset, None).path))
        for one, other in zip(sealed, made, strict=True):
            facts = [(pair.label, pair.weight, pair.margin, pair.tags, pair.source) for pair in (one, other)]
            assert facts[0] == facts[1]


def test_a_rule_that_leaves_nothing_seals_nothing(dataset):
    with pytest.raises(NothingToSeal):
        make_version(Export(study_with([["first"]]), Rule(minimum=2)), dataset, None)
    assert not dataset.versions.exists()


def test_pairs_join_a_version_as_its_child(dataset):
    parent = make_version(Export(study_with([["first"]] * 5), Rule()), dataset, None)
    child = join_version(Export(study_with([["second"]] * 3), Rule()), parent, None)
    assert (child.parent, child.rows) == (parent, 8)
    assert child.origin["card"]["sections"]


def test_the_childs_report_does_not_look_for_the_studys_prompts_even_where_its_parents_was_told_to(dataset):
    parent = make_version(Export(study_with([["first"]] * 5), Rule()), dataset, None)
    study = study_with([["second"]] * 3)
    reporting.look_at(parent, settings_of(parent))
    parent.refresh_from_db()
    assert f"suite:{study.suites.get().slug}" in settings_of(parent).evaluation
    child = join_version(Export(study, Rule()), parent, None)
    assert settings_of(child).evaluation == ()
    assert missed_sets(child) == []


def test_the_report_does_not_call_a_studys_own_prompts_leaked_but_looks_for_all_other_suites(dataset):
    study = study_with([["first"]] * 4)
    held = Suite.objects.create(slug="held", name="Held", held_for_evaluation=True)
    make_prompt(held, 0, "Something else?")
    version = make_version(Export(study, Rule()), dataset, None)
    assert settings_of(version).evaluation == ("suite:held",)


def mostly_alike() -> Study:
    """Two raters who say the same of eight items of ten: single votes are wrong in (1 - √0.6) / 2 = 0.113, and labels
    that two votes agree on in 0.113² / 0.8 = 0.016."""
    return study_with([["first", "first"]] * 8 + [["first", "second"]] * 2)


def test_a_version_carries_how_often_its_labels_are_wrong_and_the_smoothing_that_answers_to_it(dataset):
    origin = make_version(Export(mostly_alike(), Rule()), dataset, None).origin
    assert origin["label_smoothing"] == 0.02
    assert origin["wrong_labels"].startswith("2 % [")


def test_labels_that_say_how_sure_they_are_ask_for_no_smoothing(dataset):
    origin = make_version(Export(mostly_alike(), Rule(certainty=Certainty.LABEL)), dataset, None).origin
    assert "label_smoothing" not in origin
    assert "wrong_labels" in origin


def test_labels_that_nobody_judged_twice_tell_no_smoothing(dataset):
    assert "wrong_labels" not in make_version(Export(study_with([["first"]] * 5), Rule()), dataset, None).origin


def test_where_raters_are_weighed_their_posterior_tells_how_often_labels_are_wrong(dataset):
    rule = Rule(consensus=Consensus.DAWID_SKENE, threshold=0.5)
    export = Export(study_with([["first", "first", "second"]] * 6 + [["second", "second", "first"]] * 6), rule)
    assert export.wrong_labels is not None
    assert 0 <= export.wrong_labels.low <= export.wrong_labels.value <= 0.5
    assert export.wrong_labels.items == export.summary.pairs


def test_a_joined_version_offers_no_smoothing_since_nobody_knows_of_its_other_labels(dataset):
    parent = make_version(Export(study_with([["first"]] * 5), Rule()), dataset, None)
    child = join_version(Export(mostly_alike(), Rule()), parent, None)
    assert "label_smoothing" not in child.origin
    assert "wrong_labels" in child.origin
