"""Who waits for whom while people judge, on PostgreSQL (tests/test_postgresql.py runs this); SQLite has one writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from django.db import connection, transaction

from comparisons import assignment as assigning
from comparisons import studies
from comparisons.assignment import Outcome
from comparisons.assignment.leases import locked, stand_still
from comparisons.models import Assignment, Study
from tests.comparisons.rating_factories import make_rater, make_study, take

pytestmark = pytest.mark.django_db(transaction=True)
A_WHILE = 0.5  # seconds: what waits for a lock is not over by then
LONG = 20


@pytest.fixture
def study() -> Study:
    return make_study(items=4)


@pytest.fixture
def held(study: Study) -> Assignment:
    return take(make_rater())


@pytest.fixture
def meanwhile() -> Iterator[Callable[..., Future]]:
    """Lets something happen in a thread with a connection of its own."""
    pool = ThreadPoolExecutor(1)

    def start(act: Callable[..., object], *given: object) -> Future:
        def run() -> object:
            try:
                return act(*given)
            finally:
                connection.close()

        return pool.submit(run)

    yield start
    pool.shutdown()


def waits(future: Future) -> bool:
    return not wait([future], A_WHILE).done


def test_a_judgement_does_not_wait_for_somebody_who_is_given_an_item(study, held, meanwhile):
    with transaction.atomic():
        locked(study.pk)
        assert meanwhile(assigning.submit, held, "a", 1).result(LONG) == Outcome.SAVED


def test_a_skip_waits_because_it_frees_a_place(study, held, meanwhile):
    with transaction.atomic():
        locked(study.pk)
        skip = meanwhile(assigning.submit, held, "skip", 1)
        assert waits(skip)
    assert skip.result(LONG) == Outcome.SKIPPED
    assert study.items.get(pk=held.item_id).held == 0


def test_closing_waits_for_a_judgement_on_its_way(study, held, meanwhile):
    with transaction.atomic():
        stand_still(held)
        closing = meanwhile(studies.move, study, "close")
        assert waits(closing)
        assert assigning.submit(held, "a", 1) == Outcome.SAVED
    assert closing.result(LONG)


def test_a_judgement_that_waited_for_the_closing_is_late(study, held, meanwhile):
    with transaction.atomic():
        assert studies.move(study, "close")
        judgement = meanwhile(assigning.submit, held, "a", 1)
        assert waits(judgement)
    assert judgement.result(LONG) == Outcome.CLOSED


def test_a_judgement_that_waited_for_the_end_of_its_lease_is_kept_and_takes_the_place_again(study, held, meanwhile):
    with transaction.atomic():
        Assignment.objects.filter(pk=held.pk).update(state="expired")
        study.items.filter(pk=held.item_id).update(held=0)
        judgement = meanwhile(assigning.submit, held, "a", 1)
        assert waits(judgement)
    assert judgement.result(LONG) == Outcome.SAVED
    assert study.items.get(pk=held.item_id).held == 1


def test_the_same_judgement_sent_twice_at_once_is_stored_once(held, meanwhile):
    with transaction.atomic():
        stand_still(held)
        again = meanwhile(assigning.submit, Assignment.objects.get(pk=held.pk), "a", 1)
        assert waits(again)
        assert assigning.submit(held, "a", 1) == Outcome.SAVED
    assert again.result(LONG) == Outcome.REPEATED
    assert held.ratings.count() == 1
