"""Who gets which item, on which side, how often; what becomes of leases and judgements."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.assignment import Outcome
from comparisons.models import Assignment, AssignmentState, Choice, Rating, StudyState
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite, take
from tests.factories import make_policy, make_run, make_user

pytestmark = pytest.mark.django_db


def test_every_item_gets_exactly_the_ratings_it_should():
    study = make_study(items=5, ratings_per_item=2)
    counts = [judge_all(study, make_rater(), lambda _: "a") for _ in range(4)]
    assert counts == [5, 5, 0, 0]
    assert set(Counter(Rating.objects.values_list("assignment__item", flat=True)).values()) == {2}


def test_items_come_in_the_order_of_the_study():
    study, rater = make_study(items=4), make_rater()
    judge_all(study, rater, lambda _: "tie")
    assert list(Assignment.objects.order_by("id").values_list("item__position", flat=True)) == [0, 1, 2, 3]


def test_items_with_fewer_judgements_come_first():
    study = make_study(items=3, ratings_per_item=2)
    alice, bob = make_rater(), make_rater()
    assigning.submit(take(alice), "a", 1)
    assert take(bob).item.position == 1
    assert study.items.count() == 3


def test_an_unfinished_item_comes_back_with_the_same_sides():
    make_study(items=6)
    alice = make_rater()
    first = take(alice)
    assert take(alice) == first
    assert take(alice).first_is_a == first.first_is_a


def test_a_lapsed_lease_returns_the_item_to_others():
    make_study(items=1)
    alice, bob = make_rater(), make_rater()
    take(alice)
    assert assigning.next_assignment(bob) is None
    Assignment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert take(bob).item.position == 0
    assert Assignment.objects.get(rater=alice).state == AssignmentState.EXPIRED


def test_a_rater_who_comes_back_gets_a_lapsed_item_on_the_same_sides():
    make_study(items=1)
    alice = make_rater()
    before = take(alice)
    assert assigning.expire_leases(timezone.now() + timedelta(hours=2)) == 1
    after = take(alice)
    assert (after.pk, after.token, after.first_is_a) == (before.pk, before.token, before.first_is_a)


def test_a_judgement_after_the_lease_counts_when_a_place_is_free():
    make_study(items=1)
    assignment = take(make_rater())
    assigning.expire_leases(timezone.now() + timedelta(hours=2))
    assert assigning.submit(assignment, "a", 1) == Outcome.SAVED
    assert Rating.objects.counted().count() == 1


def test_a_judgement_that_comes_too_late_is_kept_but_not_counted():
    make_study(items=1)
    alice, bob = make_rater(), make_rater()
    late = take(alice)
    assigning.expire_leases(timezone.now() + timedelta(hours=2))
    assigning.submit(take(bob), "b", 1)
    assert assigning.submit(late, "a", 1) == Outcome.LATE
    assert assigning.submit(late, "a", 1) == Outcome.LATE
    assert Rating.objects.count() == 2
    assert [rating.assignment.rater for rating in Rating.objects.counted()] == [bob]


def test_the_same_judgement_sent_often_is_stored_once():
    make_study()
    assignment = take(make_rater())
    outcomes = [assigning.submit(assignment, "a", 1) for _ in range(5)]
    assert outcomes == [Outcome.SAVED] + [Outcome.REPEATED] * 4
    assert Rating.objects.count() == 1


def test_another_judgement_from_an_old_page_changes_nothing():
    make_study()
    assignment = take(make_rater())
    assigning.submit(assignment, "a", 1)
    assert assigning.submit(assignment, "b", 1) == Outcome.ALREADY_JUDGED
    assert Rating.objects.get().choice == Choice.A


@pytest.mark.parametrize("first, places", [("a", 1), ("a", 2), (Choice.SKIP, 2)])
def test_a_judgement_that_stands_is_replaced_only_through_undo(first: str, places: int):
    make_study(ratings_per_item=places)
    assignment = take(make_rater())
    assigning.submit(assignment, first, 1)
    before = Assignment.objects.get().state
    assert assigning.submit(assignment, "b", 2) == Outcome.OUTDATED
    assert (Rating.objects.get().choice, Assignment.objects.get().state) == (first, before)


def test_a_revision_out_of_line_is_outdated():
    make_study()
    assert assigning.submit(take(make_rater()), "a", 7) == Outcome.OUTDATED
    assert not Rating.objects.exists()


def test_a_skip_returns_the_item_to_others_but_not_to_the_rater():
    make_study(items=1)
    alice, bob = make_rater(), make_rater()
    assigning.submit(take(alice), Choice.SKIP, 1, reasons=["not_my_field"])
    assert assigning.next_assignment(alice) is None
    assert take(bob).item.position == 0
    assert Rating.objects.get().reasons == ["not_my_field"]


def test_undo_withdraws_and_opens_the_item_again():
    make_study()
    alice = make_rater()
    assignment = take(alice)
    assigning.submit(assignment, "a", 1)
    assert assigning.undo(assignment, 1) == Outcome.UNDONE
    assert not Rating.objects.counted().exists()
    assert take(alice) == assignment
    assert assigning.submit(assignment, "b", 3) == Outcome.SAVED
    assert [rating.choice for rating in Rating.objects.order_by("revision")] == ["a", "withdrawn", "b"]
    assert Rating.objects.counted().get().choice == "b"


def test_undo_sent_twice_takes_back_one_judgement():
    make_study()
    alice = make_rater()
    first = take(alice)
    assigning.submit(first, "a", 1)
    second = take(alice)
    assigning.submit(second, "a", 1)
    assert [assigning.undo(second, 1), assigning.undo(second, 1)] == [Outcome.UNDONE, Outcome.UNDONE]
    assert Rating.objects.counted().get().assignment == first


def test_the_page_before_an_undo_is_outdated():
    make_study()
    assignment = take(make_rater())
    assigning.submit(assignment, "a", 1)
    assigning.undo(assignment, 1)
    assert assigning.submit(assignment, "a", 1) == Outcome.OUTDATED


def test_only_the_latest_judgement_can_be_undone_and_only_for_a_while():
    make_study()
    alice = make_rater()
    first = take(alice)
    assigning.submit(first, "a", 1)
    second = take(alice)
    assigning.submit(second, "a", 1)
    assert assigning.undo(first, 1) == Outcome.NOTHING_TO_UNDO
    rewrite(Rating.objects.all(), created_at=timezone.now() - assigning.UNDO_TIME - timedelta(seconds=1))
    assert assigning.undo(second, 1) == Outcome.NOTHING_TO_UNDO
    assert Rating.objects.counted().count() == 2


def test_a_skip_cannot_be_undone_when_others_took_the_item():
    make_study(items=1)
    alice, bob = make_rater(), make_rater()
    skipped = take(alice)
    assigning.submit(skipped, Choice.SKIP, 1)
    assigning.submit(take(bob), "a", 1)
    assert assigning.undo(skipped, 1) == Outcome.NOTHING_TO_UNDO


def test_a_judgement_for_a_closed_study_is_kept_but_not_counted():
    study = make_study()
    assignment = take(make_rater())
    study.state = StudyState.CLOSED
    study.save()
    assert assigning.submit(assignment, "a", 1) == Outcome.CLOSED
    assert Rating.objects.count() == 1
    assert not Rating.objects.counted().exists()


def test_a_paused_study_gives_nothing_out_but_takes_what_is_on_the_screen():
    study = make_study()
    alice = make_rater()
    assignment = take(alice)
    study.state = StudyState.PAUSED
    study.save()
    assert assigning.next_assignment(alice) is None
    assert not assigning.resume(assignment)
    assert assigning.submit(assignment, "a", 1) == Outcome.SAVED


def test_quarantined_items_are_never_given_out():
    study = make_study(items=2)
    study.items.filter(position=0).update(quarantine="Names a policy.")
    assert judge_all(study, make_rater(), lambda _: "a") == 1


def test_nobody_judges_answers_of_a_run_they_launched():
    researcher, other = make_user(), make_user()
    tuned = make_policy(run=make_run(user=researcher))
    study = make_study(items=3, policies=[make_policy(), tuned])
    assert assigning.next_assignment(researcher) is None
    assert judge_all(study, other, lambda _: "a") == 3


def test_the_minimum_reading_time_holds_on_the_server(monkeypatch):
    monkeypatch.setattr("comparisons.assignment.judging.READING_SECONDS", 5)
    make_study()
    assignment = take(make_rater())
    assert assigning.submit(assignment, "a", 1) == Outcome.TOO_EARLY
    Assignment.objects.update(shown_at=timezone.now() - timedelta(seconds=6))
    assert assigning.submit(assignment, "a", 1) == Outcome.SAVED
    assert 6 <= Rating.objects.get().seconds < 8


def test_showing_an_item_renews_its_lease():
    make_study()
    assignment = take(make_rater())
    Assignment.objects.update(lease_until=timezone.now() + timedelta(seconds=5))
    assert assigning.resume(assignment)
    assert assignment.lease_until > timezone.now() + timedelta(minutes=20)


def test_sides_are_balanced_in_every_block_for_a_rater_and_a_pair():
    """40 items of one pair: 10 blocks of 4, each with the same policy twice on side A, so exactly 20 of 40."""
    study, rater = make_study(items=40), make_rater()
    judge_all(study, rater, lambda _: "a")
    sides = list(Assignment.objects.order_by("id").values_list("first_is_a", flat=True))
    assert [sum(sides[start : start + 4]) for start in range(0, 40, 4)] == [2] * 10


def test_sides_are_drawn_and_not_alternated():
    """A block of four has six orders: each of 3,000 blocks: 500 times, give or take 4 · sqrt(3000·1/6·5/6) = 82."""
    chance = random.Random(5)
    blocks: Counter[tuple[bool, ...]] = Counter()
    for _ in range(3000):
        block: list[bool] = []
        while len(block) < 4:
            block.append(assigning.draw_in_block(block, chance))
        blocks[tuple(block)] += 1
    assert len(blocks) == 6
    assert all(abs(count - 500) < 82 for count in blocks.values())


def test_balance_looks_at_policies_and_not_at_the_order_in_an_item():
    """Items that hold the same pair turned round count as the same pair."""
    study, rater = make_study(items=8), make_rater()
    for item in study.items.filter(position__in=[1, 3, 4, 6]):
        item.first, item.second = item.second, item.first
        item.save()
    judge_all(study, rater, lambda _: "a")
    one = study.contenders.first()
    assert sum(a.answer_a.contender_id == one.pk for a in Assignment.objects.select_related("item")) == 4


def test_progress_tells_what_is_judged_and_what_waits():
    study, rater = make_study(items=5), make_rater()
    assigning.submit(take(rater), "a", 1)
    take(rater)
    progress = assigning.progress(study, rater)
    assert (progress.judged, progress.waiting, progress.total) == (1, 4, 5)


def test_the_time_left_is_told_once_the_pace_is_known():
    """Five judgements of 30, 30, 30, 30 and 3,000 seconds (a break): the median, 30 s, times 20 items is 10 minutes."""
    study, rater = make_study(items=25), make_rater()
    for seconds in (3000, 30, 30, 30):
        assigning.submit(take(rater), "a", 1)
        rewrite(Rating.objects.filter(pk=Rating.objects.latest("pk").pk), seconds=seconds)
    assert assigning.progress(study, rater).minutes_left is None
    assigning.submit(take(rater), "a", 1)
    rewrite(Rating.objects.filter(pk=Rating.objects.latest("pk").pk), seconds=30)
    assert assigning.progress(study, rater).minutes_left == 10


def test_an_older_study_is_finished_before_a_newer_one_begins():
    older, newer = make_study(items=2), make_study(items=2)
    rater, order = make_rater(), []
    while assignment := assigning.next_assignment(rater):
        order.append(assignment.item.study)
        assigning.submit(assignment, "a", 1)
    assert order == [older, older, newer, newer]
