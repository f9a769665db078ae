"""Training, gold, attention checks and repeats: who gets them, when, and that they count in no result."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.assignment.giving import _repeatable
from comparisons.checks import outcomes
from comparisons.models import (
    Answer,
    Assignment,
    ExpectedJudgement,
    Item,
    ItemKind,
    Prompt,
    RaterPool,
    Rating,
    Study,
    Verdict,
)
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, read_guidelines, rewrite, take

pytestmark = pytest.mark.django_db


def make_check(study: Study, kind: ItemKind, accepts: str = "first") -> Item:
    """An item of which the right judgement is known: its first answer is better, unless said otherwise."""
    position = 1000 + study.items.count()
    text = f"Check {position}?"
    prompt = Prompt.objects.create(position=position, messages=[{"role": "user", "content": text}], sha256=text)
    first, second = (written_answer(prompt, text) for text in ("Right.", "Wrong."))
    item = study.items.create(prompt=prompt, first=first, second=second, position=position, kind=kind)
    ExpectedJudgement.objects.create(item=item, accepts=[accepts])
    return item


def written_answer(prompt: Prompt, text: str) -> Answer:
    facts = {"finish_reason": "stop", "tokens": 0, "first_token_seconds": 0, "total_seconds": 0, "seed": 0}
    return Answer.objects.create(prompt=prompt, text=text, **facts)


def rightly(assignment: Assignment) -> str:
    return "a" if assignment.first_is_a else "b"


def wrongly(assignment: Assignment) -> str:
    return "b" if assignment.first_is_a else "a"


def test_training_items_come_first_and_count_in_no_result():
    study, rater = make_study(items=2), make_rater()
    training = make_check(study, ItemKind.TRAINING)
    assert take(rater).item == training
    assert judge_all(study, rater, rightly) == 3
    assert Rating.objects.counted().count() == 2


def test_who_fails_the_training_gets_no_live_items():
    study = make_study(items=2, design={"training_share_right": 0.5})
    make_check(study, ItemKind.TRAINING)
    good, bad = make_rater(), make_rater()
    assert judge_all(study, bad, wrongly) == 1
    assert not assigning.is_admitted(study, bad)
    assert judge_all(study, good, rightly) == 3


def test_training_cannot_be_skipped(client: Client):
    make_check(make_study(items=2, design={"training_share_right": 1.0}), ItemKind.TRAINING)
    rater = make_rater()
    training = take(rater)
    assert assigning.submit(training, "skip", 1) == assigning.Outcome.TRAINING_SKIPPED
    assert take(rater) == training
    client.force_login(rater)
    read_guidelines(rater)
    address = reverse("rate-skip", args=[training.token])
    for answer in (
        client.get(address, follow=True),
        client.post(address, {"revision": 1, "reason": "harmful"}, follow=True),
    ):
        assert "Training cannot be skipped." in answer.text
        assert address not in answer.text
    assert not Rating.objects.exists()


def test_training_that_was_skipped_when_that_was_possible_admits_nobody():
    """Of two training items one was judged rightly and one skipped: a half is less than the whole that is wanted."""
    study, rater = make_study(items=2, design={"training_share_right": 1.0}), make_rater()
    for _ in range(2):
        make_check(study, ItemKind.TRAINING)
    assigning.submit(take(rater), rightly(take(rater)), 1)
    Assignment.objects.filter(pk=take(rater).pk).update(state="skipped")
    assert assigning.next_assignment(rater) is None
    assert assigning.studies_with_work(rater) == []
    assert [(one.right, one.count) for one in assigning.failed_trainings(rater)] == [(1, 2)]


def test_nobody_has_failed_while_a_training_item_is_on_their_screen():
    study, rater = make_study(items=2, design={"training_share_right": 1.0}), make_rater()
    make_check(study, ItemKind.TRAINING)
    take(rater)
    assert assigning.is_admitted(study, rater)
    assert assigning.failed_trainings(rater) == []


def test_training_cannot_be_taken_back_after_its_answer_was_seen():
    study, rater = make_study(items=2), make_rater()
    make_check(study, ItemKind.TRAINING)
    assigning.submit(take(rater), "a", 1)
    assert assigning.last_judgement(rater) is None


def test_every_rater_gets_gold_items_once_among_the_others():
    study = make_study(items=40, ratings_per_item=2, design={"check_share": 0.3})
    gold = make_check(study, ItemKind.GOLD)
    for rater in (make_rater(), make_rater()):
        judge_all(study, rater, rightly)
        assert Assignment.objects.filter(item=gold, rater=rater).count() <= 1
    assert Rating.objects.counted().count() == 80


def test_what_is_right_does_not_depend_on_the_sides():
    study, rater = make_study(items=1), make_rater()
    for _ in range(4):
        make_check(study, ItemKind.TRAINING)
    judge_all(study, rater, rightly)
    assert list(outcomes(study, ItemKind.TRAINING, rater=rater)) == [(rater.pk, True)] * 4
    assert not list(outcomes(study, ItemKind.GOLD, rater=rater))


def test_repeats_swap_the_sides_take_no_place_and_count_in_no_result():
    study, rater = make_study(items=60, design={"repeat_share": 0.2}), make_rater()
    judge_all(study, rater, lambda _: "a")
    repeats = list(Assignment.objects.filter(repeats__isnull=False).select_related("repeats"))
    assert repeats
    for repeat in repeats:
        assert repeat.first_is_a is not repeat.repeats.first_is_a
        between = Assignment.objects.filter(rater=rater, id__gt=repeat.repeats_id, id__lt=repeat.pk).count()
        assert between >= 9
    assert Rating.objects.counted().count() == 60
    assert set(study.items.values_list("held", flat=True)) == {1}


def test_an_item_whose_lease_lapsed_does_not_come_again_right_after_it_was_judged():
    """The first item is given at the beginning and judged last: its assignment is the oldest, its judgement the newest.
    Of 14 judgements the first four are far enough back to come again."""
    study, rater = make_study(items=14, ratings_per_item=2), make_rater()
    first = take(rater)
    Assignment.objects.filter(pk=first.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    assigning.expire_leases()
    study.items.filter(pk=first.item_id).update(position=1000)
    judge_all(study, rater, lambda _: "a")
    said = list(Rating.objects.filter(assignment__rater=rater).order_by("id").values_list("assignment", flat=True))
    assert said[-1] == first.pk
    again = _repeatable(study, rater)
    assert again is not None
    assert again.pk == said[0]


def test_progress_does_not_move_its_total_when_a_check_comes():
    """20 comparisons and 30 % checks: 20 · (1 + 0.3 / 0.7) = 28.6, so 29 in all, whatever comes first."""
    study, rater = make_study(items=20, design={"check_share": 0.3}), make_rater()
    for _ in range(9):
        make_check(study, ItemKind.GOLD)
    totals = set()
    for _ in range(10):
        assigning.submit(take(rater), "a", 1)
        totals.add(assigning.progress(study, rater).total)
    assert totals == {29}


@pytest.mark.parametrize("checks, total", [(0, 20), (3, 23), (100, 29)])
def test_progress_expects_no_more_checks_than_there_are(checks: int, total: int):
    """20 comparisons and 30 % checks would come with 8.6 checks, if there were as many."""
    study, rater = make_study(items=20, design={"check_share": 0.3}), make_rater()
    for _ in range(checks):
        make_check(study, ItemKind.GOLD)
    assert assigning.progress(study, rater).total == total


def test_progress_expects_no_repeat_of_what_is_not_far_enough_back():
    """Of 12 comparisons at most two are ten items back; 20 % repeats would be 3. Of 8 none."""
    rater = make_rater()
    for items, total in ((12, 14), (8, 8)):
        study = make_study(items=items, design={"repeat_share": 0.2})
        assert assigning.progress(study, rater).total == total


def test_progress_ends_when_nothing_is_left():
    study, rater = make_study(items=30, design={"check_share": 0.1, "repeat_share": 0.05}), make_rater()
    made = judge_all(study, rater, lambda _: "a")
    progress = assigning.progress(study, rater)
    assert str(progress) == f"{made} of {made}"


def test_only_members_of_the_asked_pools_get_work():
    study, member, other = make_study(items=1), make_rater(), make_rater()
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    pool.members.add(member)
    study.pools.add(pool)
    assert assigning.next_assignment(other) is None
    assert take(member).item.study == study


def test_an_item_fetched_ahead_is_held_but_its_time_begins_when_it_is_shown():
    make_study(items=3)
    rater = make_rater()
    current = take(rater)
    ahead = assigning.fetch_ahead(rater, current)
    assert ahead is not None
    assert ahead.shown_at is None
    assert assigning.fetch_ahead(rater, current) == ahead
    assert take(rater) == current
    Assignment.objects.filter(pk=ahead.pk).update(leased_at=timezone.now() - timedelta(minutes=9))
    assigning.submit(current, "a", 1)
    shown = take(rater)
    assert shown == ahead
    assigning.submit(shown, "a", 1)
    assert Rating.objects.get(assignment=ahead).seconds < 60


def test_nobody_judges_faster_than_answers_can_be_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("comparisons.assignment.judging.MOST_PER_MINUTE", 3)
    make_study(items=6)
    rater = make_rater()
    for _ in range(3):
        assert assigning.submit(take(rater), "a", 1) == assigning.Outcome.SAVED
    assert assigning.submit(take(rater), "a", 1) == assigning.Outcome.TOO_FAST
    assert assigning.submit(take(rater), "skip", 1) == assigning.Outcome.SKIPPED_TOO_FAST
    rewrite(Rating.objects.all(), created_at=timezone.now() - timedelta(seconds=61))
    assert assigning.submit(take(rater), "a", 1) == assigning.Outcome.SAVED


def test_nobody_skips_faster_than_items_can_be_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("comparisons.assignment.judging.MOST_PER_MINUTE", 3)
    make_study(items=6)
    rater = make_rater()
    said = [assigning.submit(take(rater), "skip", 1) for _ in range(5)]
    assert said == [assigning.Outcome.SKIPPED] * 3 + [assigning.Outcome.SKIPPED_TOO_FAST] * 2
    assert Rating.objects.count() == 3


def test_a_judgement_keeps_the_guideline_and_the_strength_it_was_made_with():
    study, rater = make_study(items=2, guideline="Be strict."), make_rater()
    assigning.submit(take(rater), "a", 1, strength=2)
    study.guidelines.create(number=2, text="Be lenient.")
    assigning.submit(take(rater), "a", 1)
    rows = Rating.objects.order_by("id").values_list("guideline__text", "strength")
    assert list(rows) == [("Be strict.", 2), ("Be lenient.", 0)]


def test_what_is_said_of_an_item_does_not_depend_on_the_sides():
    assert Verdict.of("a", True) == Verdict.of("b", False) == Verdict.FIRST
    assert Verdict.of("a", False) == Verdict.SECOND
    assert Verdict.of("tie", True) == Verdict.TIE
    assert Verdict.of("skip", True) is None
