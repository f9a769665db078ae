"""The gateway: timing, retries, errors, bounded concurrency. vLLM itself: test_serving_vllm.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pytest

from comparisons.sampling import REFUSED, Sampling
from comparisons.serving import gateway
from comparisons.serving.gateway import EngineDown, NotServed, Question, Reply, answers
from tests.comparisons.scripted_engine import ScriptedEngine


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine("base")
    yield scripted
    scripted.stop()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway, "FIRST_PAUSE", 0.01)


def question(engine: ScriptedEngine, text: str = "Why?", served_name: str = "base") -> Question:
    return Question(engine.url, served_name, [{"role": "user", "content": text}], Sampling(0.3, 0.9, 16, 5))


def only_answer(asked: Question) -> Reply:
    [(index, reply)] = answers([asked])
    assert index == 0
    return reply


def test_an_answer_is_put_together_and_timed(engine: ScriptedEngine):
    reply = only_answer(question(engine))
    assert (reply.text, reply.finish_reason, reply.tokens, reply.retries) == ("base says: Why?", "stop", 7, 0)
    assert 0 < reply.first_token_seconds <= reply.total_seconds < 5


def test_nul_characters_of_an_answer_become_replacement_characters(engine: ScriptedEngine):
    """The scripted engine repeats the question; PostgreSQL would refuse the answer, and with it the study."""
    assert only_answer(question(engine, "a\0b")).text == "base says: a\N{REPLACEMENT CHARACTER}b"


def test_the_request_carries_the_sampling_that_was_asked_for(engine: ScriptedEngine):
    only_answer(question(engine))
    sent = engine.bodies[0]
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.3, 0.9, 16, 5)


@pytest.mark.parametrize("failure", ["500", "503", "429", "break"])
def test_a_failed_attempt_is_repeated_and_counted(engine: ScriptedEngine, failure: str):
    engine.script = [failure, failure]
    reply = only_answer(question(engine))
    assert (reply.text, reply.retries, reply.error) == ("base says: Why?", 2, "")


def test_a_refused_prompt_is_not_repeated(engine: ScriptedEngine):
    engine.script = ["400"]
    reply = only_answer(question(engine))
    assert (reply.finish_reason, reply.text, reply.error, reply.retries) == (REFUSED, "", "scripted 400", 0)
    assert not engine.asked


def test_a_living_engine_that_keeps_failing_on_a_prompt_does_not_hold_up_the_rest(engine: ScriptedEngine):
    engine.script = ["500"] * gateway.ATTEMPTS
    replies = dict(answers([question(engine, "One"), question(engine, "Two")], concurrency=1))
    assert replies[0].finish_reason == REFUSED
    assert "scripted 500" in replies[0].error
    assert replies[1].text == "base says: Two"


def test_failures_of_an_unhealthy_engine_say_nothing_about_the_prompt(engine: ScriptedEngine):
    engine.healthy = False
    engine.script = ["500"] * gateway.ATTEMPTS
    with pytest.raises(EngineDown, match="does not answer"):
        only_answer(question(engine))


def test_an_engine_that_is_gone_is_named_with_what_to_do(engine: ScriptedEngine):
    asked = question(engine)
    engine.stop()
    with pytest.raises(EngineDown, match=rf"vLLM at {engine.url} does not answer .*serve_policies"):
        only_answer(asked)
    engine.start()


def test_a_policy_the_engine_does_not_know_is_no_answer(engine: ScriptedEngine):
    with pytest.raises(NotServed, match="dpo-1"):
        only_answer(question(engine, served_name="dpo-1"))


def test_no_more_requests_run_at_once_than_allowed(engine: ScriptedEngine):
    replies = list(answers([question(engine, f"Prompt {n}") for n in range(40)], concurrency=4))
    assert sorted(index for index, _ in replies) == list(range(40))
    assert 1 <= engine.most_at_once <= 4


def test_what_the_caller_does_with_a_reply_does_not_lengthen_the_measured_times(engine: ScriptedEngine):
    """Each of eight replies is held for 0.2 s; were requests to wait for that, those in flight would take as long.

    The median, because a busy machine may delay a single answer.
    """
    times = []
    for _, reply in answers([question(engine, f"Prompt {n}") for n in range(8)], concurrency=2):
        time.sleep(0.2)
        times.append(reply.total_seconds)
    assert median(times) < 0.1


def test_a_caller_that_stops_early_stops_the_requests(engine: ScriptedEngine):
    arriving = answers([question(engine, f"Prompt {n}") for n in range(500)], concurrency=2)
    next(arriving)
    arriving.close()  # type: ignore[attr-defined]
    seen = sum(engine.asked.values())
    time.sleep(0.1)
    assert sum(engine.asked.values()) <= seen + 2 < 500


def test_a_waiting_caller_can_be_woken(engine: ScriptedEngine):
    engine.script = ["500"]
    gateway.FIRST_PAUSE = 0.3
    arrivals = list(answers([question(engine)], wake_after=0.05))
    assert arrivals[0] is None
    assert arrivals[-1] is not None
