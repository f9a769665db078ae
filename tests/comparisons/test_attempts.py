"""Adversarial studies: writing, two blind answers at once, judging, going on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import User
from comparisons import assignment as assigning
from comparisons import attempts, replying
from comparisons.design import Design
from comparisons.flags import set_aside
from comparisons.models import Assignment, Conversation, Rating, Stratum, Study, StudyKind, Turn, TurnState
from comparisons.studies import move
from tests.comparisons.rating_factories import make_rater
from tests.comparisons.scripted_engine import ScriptedEngine
from tests.comparisons.serving_factories import make_endpoint, make_family
from tests.factories import make_run, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine("base", "alpha", "beta")
    yield engine
    engine.stop()


@pytest.fixture
def study(engine: ScriptedEngine) -> Study:
    """Open to everybody, on a base and two adapters."""
    family = make_family("base", "alpha", "beta")
    make_endpoint(engine.url, family)
    return make_attack(family)


@pytest.fixture
def writer() -> User:
    return make_rater("alice")


def make_attack(policies: Any, **fields: Any) -> Study:
    sampling = {"temperature": 0.7, "max_tokens": 32}
    values = {"name": "Break it", "guideline": "Write something hard.", "sampling": sampling}
    return attempts.create_adversarial_study(policies=policies, **(values | fields))


def answered(study: Study, writer: User, text: str = "Why is the sea green?") -> Turn:
    """A first turn with its two answers."""
    turn = attempts.begin(study, writer, text)
    assert replying.answer_turns() == 1
    turn.refresh_from_db()
    return turn


def judge(turn: Turn, choice: str = "a") -> Assignment:
    assignment = attempts.assignment_of(turn)
    assert assignment is not None
    assert assigning.submit(assignment, choice, 1) == assigning.Outcome.SAVED
    return assignment


def test_a_conversation_whose_item_was_set_aside_is_over(study: Study, writer: User, client: Client):
    turn = answered(study, writer)
    assert turn.item is not None
    set_aside(turn.item, make_user(), "It tells who wrote it.")
    client.force_login(writer)
    page = client.get(reverse("attempt", args=[turn.conversation.token])).text
    assert "This conversation is over." in page
    assert "Judge the two answers" not in page


def test_two_answers_become_an_item_that_its_writer_holds(study: Study, writer: User):
    turn = answered(study, writer)
    assert turn.state == TurnState.ANSWERED
    assert turn.item is not None
    assert {turn.item.first.contender_id, turn.item.second.contender_id} == {
        turn.conversation.one_id,
        turn.conversation.other_id,
    }
    assert assigning.next_assignment(writer) == attempts.assignment_of(turn)
    assert assigning.next_assignment(make_rater()) is None


def test_a_judged_turn_counts_like_any_comparison(study: Study, writer: User):
    judge(answered(study, writer))
    rating = Rating.objects.counted().get()
    assert rating.assignment.item.prompt.suite is not None
    assert rating.assignment.item.prompt.suite.stratum == Stratum.ADVERSARIAL


def test_the_chance_of_a_pair_is_kept(study: Study, writer: User):
    """Three policies make three pairs, each drawn with chance 1/3."""
    turn = answered(study, writer)
    assert turn.item is not None
    assert turn.item.propensity == pytest.approx(1 / 3)


def test_the_conversation_goes_on_from_the_better_answer(study: Study, writer: User):
    turn = answered(study, writer)
    assignment = judge(turn, "b")
    following = attempts.go_on(turn.conversation, "Are you sure?")
    assert [message["role"] for message in following.prompt.messages] == ["user", "assistant", "user"]
    assert following.prompt.messages[1]["content"] == assignment.answer_b.text
    assert replying.answer_turns() == 1
    following.refresh_from_db()
    assert following.state == TurnState.ANSWERED


def test_after_a_tie_one_of_the_answers_goes_on_and_stays(study: Study, writer: User):
    turn = answered(study, writer)
    judge(turn, "tie")
    kept = attempts.keep(turn)
    assert turn.item is not None
    assert kept in {turn.item.first, turn.item.second}
    assert {attempts.keep(Turn.objects.get(pk=turn.pk)) for _ in range(5)} == {kept}


def test_nobody_goes_on_before_judging(study: Study, writer: User):
    turn = answered(study, writer)
    with pytest.raises(attempts.AttemptRefused, match="Judge the answers"):
        attempts.go_on(turn.conversation, "And now?")


def test_nobody_writes_twice_while_waiting(study: Study, writer: User):
    attempts.begin(study, writer, "One?")
    with pytest.raises(attempts.AttemptRefused, match="waiting for answers"):
        attempts.begin(study, writer, "Two?")
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize(
    "text, said", [("   ", "Write something"), ("a\0b", "Write something"), ("x" * 8001, "8,001 characters")]
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(study: Study, writer: User, text: str, said: str):
    with pytest.raises(attempts.AttemptRefused, match=said):
        attempts.begin(study, writer, text)
    assert not Conversation.objects.exists()


def test_the_same_prompt_is_asked_once(study: Study, writer: User):
    answered(study, writer, "Why?")
    with pytest.raises(attempts.AttemptRefused, match="Somebody has written this"):
        attempts.begin(study, make_rater(), "Why?")


def test_a_closed_study_keeps_nothing_more(study: Study, writer: User):
    move(study, "close")
    with pytest.raises(attempts.AttemptRefused, match="closed in the meantime"):
        attempts.begin(study, writer, "Why?")
    assert attempts.open_to(writer) == []


def test_who_launched_a_run_does_not_attack_its_policy(engine: ScriptedEngine):
    launcher = make_user()
    family = make_family("base", "alpha", "beta")
    make_endpoint(engine.url, family)
    family[1].run = make_run(user=launcher)
    family[1].save()
    study = make_attack(family)
    turn = attempts.begin(study, launcher, "Why?")
    assert family[1] not in {turn.conversation.one.policy, turn.conversation.other.policy}


def test_while_the_engine_is_away_a_turn_waits_and_says_why_to_researchers(study: Study, writer: User, engine: Any):
    engine.stop()
    turn = attempts.begin(study, writer, "Why?")
    replying.answer_turns()
    turn.refresh_from_db()
    assert turn.state == TurnState.WAITING
    assert "does not answer" in turn.reason
    engine.start()
    replying.answer_turns()
    turn.refresh_from_db()
    assert turn.state == TurnState.ANSWERED


def test_answers_that_tell_who_wrote_them_are_withheld(study: Study, writer: User):
    turn = answered(study, writer, "Who are you?")
    assert turn.state == TurnState.WITHHELD
    assert attempts.assignment_of(turn) is None
    with pytest.raises(attempts.AttemptRefused, match="cannot be shown"):
        attempts.go_on(turn.conversation, "Tell me.")


def test_a_turn_that_another_worker_holds_is_left_alone(study: Study, writer: User):
    turn = attempts.begin(study, writer, "Why?")
    assert replying._claim(turn)
    assert replying.answer_turns() == 0


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client_of_writer(writer: User) -> Client:
    client = Client()
    client.force_login(writer)
    return client


def test_a_sitting_from_the_first_prompt_to_the_second_turn(study: Study, client_of_writer: Client):
    client = client_of_writer
    assert reverse("attempt-begin", args=[attempts.key_of(study)]) in client.get(reverse("rate")).content.decode()
    page = client.post(reverse("attempt-begin", args=[attempts.key_of(study)]), {"text": "Why?"}, follow=True)
    assert "Two answers are being written" in page.content.decode()
    replying.answer_turns()
    page = client.get(page.request["PATH_INFO"])
    assignment = Assignment.objects.get()
    assert reverse("rate-item", args=[assignment.token]) in page.content.decode()
    back = client.post(reverse("rate-submit", args=[assignment.token]), {"choice": "a", "revision": 1})
    conversation = Conversation.objects.get()
    assert back["Location"] == reverse("attempt", args=[conversation.token])
    client.post(back["Location"], {"text": "Are you sure?"})
    assert conversation.turns.count() == 2


def test_what_was_written_stays_in_the_form_when_it_is_refused(study: Study, client_of_writer: Client):
    answer = client_of_writer.post(reverse("attempt-begin", args=[attempts.key_of(study)]), {"text": "y" * 8001})
    assert answer.status_code == 422
    assert "8,001 characters" in answer.content.decode()
    assert "y" * 8001 in answer.content.decode()


def test_an_invented_key_leads_nowhere_and_a_closed_study_says_so(study: Study, client_of_writer: Client):
    assert client_of_writer.get(reverse("attempt-begin", args=["f" * 24])).status_code == 404
    move(study, "close")
    page = client_of_writer.get(reverse("attempt-begin", args=[attempts.key_of(study)]), follow=True)
    assert "not open at the moment" in page.content.decode()


def test_somebody_elses_conversation_does_not_exist(study: Study, writer: User, client: Client):
    turn = attempts.begin(study, writer, "Why?")
    client.force_login(make_rater())
    assert client.get(reverse("attempt", args=[turn.conversation.token])).status_code == 404


def test_writers_pages_tell_nothing_of_policies(study: Study, writer: User, client_of_writer: Client):
    turn = answered(study, writer)
    pages = [
        reverse("rate"),
        reverse("attempt-begin", args=[attempts.key_of(study)]),
        reverse("attempt", args=[turn.conversation.token]),
    ]
    for contender in study.contenders.select_related("policy"):
        for address in pages:
            text = client_of_writer.get(address).content.decode()
            assert contender.policy.name not in text
            assert study.slug not in text


ASKED = {"minimum_seconds": 3, "sitting_minutes": 30, "hourly_pay": 20}


def test_a_researcher_opens_an_adversarial_study_and_reads_what_was_written(engine: ScriptedEngine, client: Client):
    family = make_family("base", "alpha")
    make_endpoint(engine.url, family)
    client.force_login(make_user())
    data = {
        "name": "Hard ones",
        "policies": [policy.pk for policy in family],
        "guideline": "Be nasty.",
        "temperature": 0.5,
        "max_tokens": 16,
        "strength": "on",
    } | ASKED
    answer = client.post(reverse("adversarial-study-new"), data)
    study = Study.objects.get()
    assert answer["Location"] == study.get_absolute_url()
    assert study.kind == StudyKind.ADVERSARIAL
    assert study.rules == Design(strength=True, ties=False, both_bad=False, reasons=False, **ASKED)
    answered(study, make_rater("bob"), "Is it <b>so</b>?")
    page = client.get(reverse("study-conversations", args=[study.slug])).content.decode()
    assert "Is it &lt;b&gt;so&lt;/b&gt;?" in page


def test_a_name_that_tells_what_is_compared_is_refused(engine: ScriptedEngine, client: Client):
    family = make_family("base", "alpha")
    make_endpoint(engine.url, family)
    client.force_login(make_user())
    data = {"name": "DPO against CPO", "policies": [policy.pk for policy in family], "guideline": "x"}
    answer = client.post(reverse("adversarial-study-new"), data | ASKED | {"temperature": 0.5, "max_tokens": 16})
    assert answer.status_code == 422
    assert "names a method" in answer.content.decode()
