"""From judgements to pairs: each rule by itself, what is dropped, the files, and the sealed version."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

from comparisons.export import (
    Decision,
    Disagreement,
    Dropped,
    Form,
    Rule,
    Ties,
    as_json_lines,
    as_parquet,
    make_dataset_version,
    outcomes,
    pairs,
    summarise,
)
from comparisons.models import Answer, StudyState
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.factories import make_policy, make_user
from training.models import Dataset
from training.preferences.formats import read_line
from training.preferences.records import Pair
from training.preferences.store import read_pairs


def rated(items=4, policies=None, raters=1):
    """A closed study in which the second policy is always preferred, and its two policies."""
    policies = policies or [make_policy(name="base"), make_policy(name="tuned")]
    study = make_study(items=items, policies=policies, ratings_per_item=raters)
    for _ in range(raters):
        judge_all(study, make_rater(), prefer(policies[1]))
    study.state = StudyState.CLOSED
    study.save()
    return study


@pytest.mark.parametrize(
    "rule,counts,expected",
    [
        (Rule(), (0, 0, 0, 0), Dropped.UNJUDGED),
        (Rule(minimum=3), (2, 0, 0, 0), Dropped.TOO_FEW),
        (Rule(), (1, 0, 0, 1), Dropped.BOTH_BAD),
        (Rule(), (2, 0, 0, 1), Decision(True, 1.0, 1.0)),
        (Rule(), (0, 0, 2, 0), Dropped.UNDECIDED),
        (Rule(), (1, 1, 0, 0), Dropped.UNDECIDED),
        (Rule(), (1, 2, 0, 0), Decision(False, 2 / 3, 1.0)),
        (Rule(disagreement=Disagreement.WEIGHT), (3, 1, 0, 0), Decision(True, 0.75, 0.75)),
        (Rule(disagreement=Disagreement.DROP), (3, 1, 0, 0), Dropped.DISAGREEMENT),
        (Rule(disagreement=Disagreement.DROP), (3, 0, 1, 0), Decision(True, 1.0, 1.0)),
        (Rule(ties=Ties.HALF, disagreement=Disagreement.DROP), (3, 0, 1, 0), Dropped.DISAGREEMENT),
        (Rule(ties=Ties.HALF, disagreement=Disagreement.WEIGHT), (1, 0, 1, 0), Decision(True, 0.75, 0.75)),
    ],
)
def test_the_rule_decides_as_it_is_written(rule, counts, expected):
    """Counts are (first, second, ties, both bad). With half ties 1 : 0 and one tie is 1.5 : 0.5, so 0.75."""
    assert rule.decide(*counts) == expected


@pytest.mark.django_db
def test_every_item_is_a_pair_or_dropped_for_a_reason():
    """Two raters: (a, tie) is a pair, (both bad, tie) is half both bad, (tie, tie) is even, (a, tie) is a pair, and
    (a, skip) has one judgement."""
    study = make_study(items=5, ratings_per_item=2)
    judge_all(study, make_rater(), lambda given: ["a", "both_bad", "tie", "a", "a"][given.item.position])
    judge_all(study, make_rater(), lambda given: "skip" if given.item.position == 4 else "tie")
    found = summarise(study, Rule(minimum=2))
    assert found.items == 5 == found.pairs + sum(found.dropped.values())
    assert found.pairs == 2
    assert found.dropped == {Dropped.TOO_FEW: 1, Dropped.BOTH_BAD: 1, Dropped.UNDECIDED: 1}


@pytest.mark.django_db
def test_the_preferred_answer_is_chosen_whatever_side_it_stood_on():
    study = rated(items=12)
    tuned = study.contenders.last()
    for pair in pairs(study, Rule()):
        assert Answer.objects.filter(contender=tuned, text=pair.chosen[0].content).exists()
        assert pair.extra["chosen_policy"] == tuned.policy.served_name
        assert (pair.extra["raters"], pair.extra["agreement"]) == (1, 1.0)


@pytest.mark.django_db
def test_equal_and_empty_answers_give_no_pair():
    study = rated(items=3)
    item = study.items.first()
    Answer.objects.filter(pk__in=[item.first_id, item.second_id]).update(text="the same")
    Answer.objects.filter(pk=study.items.last().first_id).update(text="  ")
    assert summarise(study, Rule()).dropped == {Dropped.UNUSABLE: 2}


@pytest.mark.django_db
def test_quarantined_items_are_no_part_of_an_export():
    study = rated(items=3)
    study.items.filter(position=0).update(quarantine="Names a policy.")
    assert summarise(study, Rule()).items == 2


@pytest.mark.django_db
@pytest.mark.parametrize("form", list(Form))
def test_json_lines_come_back_through_the_importer(form):
    study = rated()
    lines = b"".join(as_json_lines(study, Rule(), form)).splitlines()
    back = [read_line(line, number) for number, line in enumerate(lines, start=1)]
    assert all(isinstance(pair, Pair) for pair in back)
    assert [pair.chosen for pair in back] == [pair.chosen for pair in pairs(study, Rule())]


@pytest.mark.django_db
@pytest.mark.parametrize("form", list(Form))
def test_parquet_holds_the_same_rows_as_json_lines(form, monkeypatch):
    monkeypatch.setattr("comparisons.export.ROWS_PER_CHUNK", 3)
    study = rated(items=8)
    chunks = list(as_parquet(study, Rule(), form))
    table = pq.read_table(io.BytesIO(b"".join(chunks)))
    lines = b"".join(as_json_lines(study, Rule(), form)).splitlines()
    assert table.to_pylist() == [json.loads(line) for line in lines]
    assert len(chunks) == 4  # three row groups and the footer: sent as they are made


@pytest.mark.django_db
def test_a_dataset_version_knows_where_it_came_from():
    study = rated(items=6, raters=2)
    dataset = Dataset.objects.create(slug="rated", name="Rated")
    version = make_dataset_version(study, Rule(minimum=2), dataset, make_user())
    assert version.rows == 6
    assert version.origin["kind"] == "study"
    assert (version.origin["slug"], version.origin["ratings"]) == (study.slug, 12)
    assert version.origin["rule"] == (
        "At least 2 judgements; a tie is no vote; the majority decides; both-bad items give no pair."
    )
    assert version.origin["left_out"] == "nothing"
    assert [pair.chosen for pair in read_pairs(version.path)] == [pair.chosen for pair in pairs(study, Rule())]


@pytest.mark.django_db
def test_weights_reach_the_sealed_version():
    """Three raters, one of whom always disagrees: agreement and weight 2/3."""
    base, tuned = make_policy(), make_policy()
    study = make_study(items=3, policies=[base, tuned], ratings_per_item=3)
    for policy in (tuned, tuned, base):
        judge_all(study, make_rater(), prefer(policy))
    dataset = Dataset.objects.create(slug="weighted", name="Weighted")
    version = make_dataset_version(study, Rule(disagreement=Disagreement.WEIGHT), dataset, None)
    assert [pair.weight for pair in read_pairs(version.path)] == pytest.approx([2 / 3] * 3)


@pytest.mark.django_db
def test_reading_a_study_for_export_asks_a_fixed_number_of_times(django_assert_max_num_queries):
    study = rated(items=30)
    with django_assert_max_num_queries(5):
        assert len(list(outcomes(study, Rule()))) == 30
