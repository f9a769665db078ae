"""What the results page says of a closed study, against small studies whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons import assignment as assigning
from comparisons.models import Answer, Choice, Contender, Prompt, RaterPool, Stratum, StudyState, Suite
from comparisons.results import Cell, Look, gather, judgements_of
from comparisons.results.pools import Pool, only_pool, partitions, pools_of
from comparisons.studies import move
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, rewrite, take
from tests.factories import make_policy, make_run, make_user

pytestmark = pytest.mark.django_db


def close(study):
    study.state = StudyState.CLOSED
    study.save()
    return study


def two_policies():
    return make_policy(name="base"), make_policy(name="tuned", method="dpo")


def test_a_clear_winner_is_named_first():
    base, tuned = two_policies()
    study = make_study(items=20, policies=[base, tuned], ratings_per_item=2)
    for _ in range(2):
        judge_all(study, make_rater(), prefer(tuned))
    found = gather(close(study))
    assert found.verdict.startswith("tuned is preferred to base in 100 %")
    assert [standing.contender.policy for standing in found.standings] == [tuned, base]
    assert found.corrected
    assert (found.preferences, found.ties, found.both_bad) == (40, 0, 0)


def test_the_matrix_counts_both_sides_ties_and_both_bad():
    """Six items: four for the tuned policy, one tie, one both bad. Rate of tuned: (4 + 0.5) / 5 = 0.9."""
    base, tuned = two_policies()
    study = make_study(items=6, policies=[base, tuned])
    said = {4: "tie", 5: "both_bad"}
    judge_all(study, make_rater(), lambda given: said.get(given.item.position) or prefer(tuned)(given))
    (_, (_, base_cell)), (_, (tuned_cell, _)) = gather(close(study)).matrix
    assert (tuned_cell.rate, tuned_cell.votes, tuned_cell.ties, tuned_cell.both_bad) == (0.9, 5, 1, 1)
    assert base_cell.rate == pytest.approx(0.1)


def test_withdrawn_skipped_and_late_judgements_do_not_count():
    base, tuned = two_policies()
    study = make_study(items=3, policies=[base, tuned])
    alice = make_rater()
    first = take(alice)
    assigning.submit(first, "a", 1)
    assigning.undo(first, 1)
    assigning.submit(first, Choice.SKIP, 3)
    second = take(alice)
    close(study)
    assigning.submit(second, "a", 1)
    found = gather(study)
    assert (found.judgements, found.skipped, found.late) == (0, 1, 1)
    assert found.verdict.startswith("No judgement prefers")
    assert found.standings == []


def test_agreement_is_about_answers_and_not_about_sides():
    """Two raters who see opposite sides and prefer the same policy agree on every item; one tie makes two values."""
    base, tuned = two_policies()
    study = make_study(items=8, policies=[base, tuned], ratings_per_item=2)
    for _ in range(2):
        judge_all(study, make_rater(), lambda given: "tie" if given.item.position == 0 else prefer(tuned)(given))
    assert gather(close(study)).agreement.value == pytest.approx(1.0)


def test_agreement_beyond_chance_is_looked_for_within_each_pair_of_policies():
    """Each of three pairs has two items: on one both raters prefer the older policy, on the other they disagree. So
    Do = 1/2 and, with three votes for one policy and one for the other, De = (16 - 10) / (4 · 3) = 1/2: α = 0."""
    study = make_study(items=6, policies=[make_policy() for _ in range(3)], ratings_per_item=2)

    def older(given):
        return "a" if given.answer_a.contender_id < given.answer_b.contender_id else "b"

    def torn(given):
        return older(given) if given.item.position < 3 else {"a": "b", "b": "a"}[older(given)]

    judge_all(study, make_rater(), older)
    judge_all(study, make_rater(), torn)
    assert gather(close(study)).agreement.value == pytest.approx(0.0)


def test_agreement_of_a_single_rater_is_undefined_and_says_why():
    study = make_study(items=3)
    judge_all(study, make_rater(), lambda _: "a")
    agreement = gather(close(study)).agreement
    assert agreement.value is None
    assert agreement.reason == "no item was judged by two people"


def test_a_rater_who_always_presses_left_shows_in_the_share_of_side_a():
    study = make_study(items=20)
    judge_all(study, make_rater("lefty"), lambda _: "a")
    found = gather(close(study))
    assert found.side_a.value == 1.0
    assert found.side_a.differs_from_half
    assert found.raters[0].name == "lefty"
    assert found.raters[0].side_a.total == 20


def test_each_rater_is_compared_with_the_others_of_the_same_items():
    """Alice and Bob agree on three of four items: 75 % each."""
    base, tuned = two_policies()
    study = make_study(items=4, policies=[base, tuned], ratings_per_item=2)
    judge_all(study, make_rater("alice"), prefer(tuned))
    judge_all(study, make_rater("bob"), lambda given: prefer(base if given.item.position == 0 else tuned)(given))
    rows = gather(close(study)).raters
    assert [(row.name, row.same_as_others.value, row.same_as_others.total) for row in rows] == [
        ("alice", 0.75, 4),
        ("bob", 0.75, 4),
    ]


def test_cost_and_serving_are_what_was_measured():
    """First tokens at 10, 20, 30, 40, 50 ms: median 30, p95 = 40 + 0.8 · 10 = 48. 20 tokens in 0.5 s: 40 a second."""
    run = make_run(user=make_user())
    run.train_seconds, run.tokens, run.peak_memory_bytes = 41.0, 1000, 2**30
    run.save()
    study = make_study(items=5, policies=[make_policy(), make_policy(run=run)])
    contender = study.contenders.last()
    for number, answer in enumerate(Answer.objects.filter(contender=contender).order_by("id"), start=1):
        ended = "length" if number == 5 else "stop"
        measured = {"first_token_seconds": number / 100, "retries": int(number == 3), "finish_reason": ended}
        rewrite(Answer.objects.filter(pk=answer.pk), **measured)
    untrained, cost = gather(close(study)).costs
    assert untrained.run is None
    assert (cost.run.train_seconds, cost.run.peak_memory_bytes) == (41.0, 2**30)
    assert (cost.first_token_ms, cost.first_token_p95_ms) == pytest.approx((30, 48))
    assert (cost.rate_median, cost.answers, cost.cut_off, cost.retries, cost.refused) == (40, 5, 1, 1, 0)


@pytest.mark.parametrize(
    "rate,low,high,lead", [(0.55, 0.45, 0.65, 0), (0.58, 0.51, 0.65, 1), (0.65, 0.55, 0.75, 2), (0.2, 0.1, 0.3, -3)]
)
def test_a_cell_leads_only_when_its_interval_excludes_one_half(rate, low, high, lead):
    assert Cell(Contender(), rate, low, high, 100, 0, 0).lead == lead


def test_gathering_asks_the_database_a_fixed_number_of_times(django_assert_max_num_queries):
    study = make_study(items=30, ratings_per_item=2)
    for _ in range(2):
        judge_all(study, make_rater(), lambda _: "a")
    close(study)
    with django_assert_max_num_queries(12):
        gather(study)


def test_each_kind_of_prompts_has_a_verdict_of_its_own_where_there_are_several():
    base, tuned = two_policies()
    study = make_study(items=8, policies=[base, tuned])
    hard = Suite.objects.create(slug="hard", name="Hard", stratum=Stratum.ADVERSARIAL)
    study.suites.add(hard)
    Prompt.objects.filter(items__position__gte=4).update(suite=hard)
    judge_all(study, make_rater(), lambda given: prefer(base if given.item.position >= 4 else tuned)(given))
    found = gather(close(study))
    assert {(group.key, group.votes) for group in found.strata} == {("other", 4), ("adversarial", 4)}
    assert gather(study, Look(stratum="adversarial")).judgements == 4
    assert gather(study, Look(stratum="adversarial")).standings[0].contender.policy == base


def test_pools_of_raters_are_told_apart():
    base, tuned = two_policies()
    study = make_study(items=6, policies=[base, tuned], ratings_per_item=2)
    pools = [RaterPool.objects.create(slug=name, name=name) for name in ("experts", "others")]
    for pool, policy in zip(pools, (base, tuned), strict=True):
        rater = make_rater()
        pool.members.add(rater)
        judge_all(study, rater, prefer(policy))
    found = gather(close(study))
    assert [(group.key, group.votes) for group in found.pools] == [("experts", 6), ("others", 6)]
    assert gather(study, Look(pool=pools_of(study)[0])).standings[0].contender.policy == base


def test_pairs_that_were_drawn_seldom_weigh_more():
    """Nine items drawn with chance 0.9, one with 0.1: weights 1/0.9 and 1/0.1, with mean 1 over ten votes."""
    study = make_study(items=10)
    study.items.update(propensity=0.9)
    study.items.filter(position=0).update(propensity=0.1)
    judge_all(study, make_rater(), lambda _: "a")
    weights = judgements_of(close(study)).votes(2).weights
    assert weights.max() / weights.min() == pytest.approx(9.0)
    assert weights.mean() == pytest.approx(1.0)


def test_without_those_of_excluded_raters():
    study, alice, bob = make_study(items=4, ratings_per_item=2), make_rater(), make_rater()
    for rater in (alice, bob):
        judge_all(study, rater, lambda _: "a")
    assert len(judgements_of(close(study), Look(excluded=frozenset({alice.pk})))) == 4


def test_how_divided_raters_are_is_counted_item_by_item():
    """Four items: on one the two raters differ, which is 1 bit; on three they agree, 0 bits."""
    base, tuned = two_policies()
    study = make_study(items=4, policies=[base, tuned], ratings_per_item=2)
    judge_all(study, make_rater(), prefer(tuned))
    judge_all(study, make_rater(), lambda given: prefer(base if given.item.position == 0 else tuned)(given))
    items = gather(close(study)).items
    assert (items.items, items.divided, sum(items.counts)) == (4, 1, 4)
    assert (items.counts[0], items.counts[4]) == (3, 1)


def test_pools_of_a_closed_study_are_those_of_its_closing():
    """Alice was an expert when the study was closed; that she has left since, and that the pool is gone, moves
    nothing."""
    study, alice = make_study(items=4), make_rater()
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    pool.members.add(alice)
    judge_all(study, alice, lambda _: "a")
    assert move(study, "close")
    study.refresh_from_db()
    pool.members.clear()
    assert pools_of(study) == [Pool("experts", "Experts", frozenset({alice.pk}))]
    pool.delete()
    assert len(judgements_of(study, Look(pool=pools_of(study)[0]))) == 4


def test_what_several_pools_share_makes_groups_of_its_own():
    """Of three pools two are German and one is French: German is a group of two pools. Skill differs everywhere."""
    people = [make_rater() for _ in range(3)]
    for number, (language, person) in enumerate(zip(("German", "German", "French"), people, strict=True)):
        attributes = {"language": language, "skill": str(number)}
        pool = RaterPool.objects.create(slug=f"pool-{number}", name=f"Pool {number}", attributes=attributes)
        pool.members.add(person)
    found = pools_of(make_study(items=1))
    assert [(pool.slug, len(pool.members)) for pool in found[3:]] == [("language:French", 1), ("language:German", 2)]
    assert [[pool.slug for pool in part] for part in partitions(found)] == [
        ["pool-0", "pool-1", "pool-2"],
        ["language:French", "language:German"],
    ]


def test_raters_of_several_pools_or_none_belong_to_neither_side():
    pools = [Pool("one", "One", frozenset({1, 2})), Pool("other", "Other", frozenset({2, 3}))]
    assert only_pool(np.array([1, 2, 3, 4]), pools).tolist() == [0, -1, 1, -1]
