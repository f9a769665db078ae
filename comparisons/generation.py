"""The answers of a study: generated once, stored, paired into items.

`generate` may be called at any time by any worker: one of them at a time works on a study, each (contender, prompt)
gets one answer, and what a dead worker or a lost engine left undone is done by the next call.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice

from django.db.models import Q
from django.utils import timezone

from .drawing import NotWaiting, open_study
from .models import Answer, Contender, Endpoint, Prompt, ServedPolicy, ServedState, Study, StudyState
from .sampling import Sampling
from .serving.gateway import Question, Reply, Unavailable, answers

log = logging.getLogger(__name__)

# A worker that has not written for this long has died, and another one takes over.
SILENCE = timedelta(seconds=60)
# Questions are read and asked in portions of this size, so that a large study needs little memory.
PORTION = 512
# Replies are stored together: at most so many, and at least so often.
STORE_EVERY = 16
STORE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the rows it is about."""

    contender: Contender
    prompt: Prompt
    seed: int


# --- Generating -------------------------------------------------------------------------------------------------------


def work() -> None:
    """Generate whatever studies wait for answers, the oldest first."""
    for study in Study.objects.filter(state=StudyState.GENERATING).order_by("created_at"):
        generate(study.pk)


def generate(study_id: int) -> None:
    """Bring a study as far towards `open` as the engine allows; returns at once if another worker has it."""
    if not claim(study_id):
        return
    study = Study.objects.get(pk=study_id)
    try:
        store_answers(study)
        open_study(study)
    except Unavailable as reason:
        release(study, str(reason))
    except NotWaiting:
        pass
    except Exception as error:
        log.exception("study %s", study.slug)
        release(study, f"Generating stopped: {error}. Every answer so far is kept.", StudyState.FAILED)
        raise


def claim(study_id: int) -> bool:
    """Take the study unless a living worker has it."""
    silent = Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - SILENCE)
    waiting = Study.objects.filter(silent, pk=study_id, state=StudyState.GENERATING)
    return bool(waiting.update(heartbeat_at=timezone.now()))


def beat(study: Study) -> None:
    """Say that this worker lives; raises NotWaiting when the study is no longer to be generated."""
    waiting = Study.objects.filter(pk=study.pk, state=StudyState.GENERATING)
    if not waiting.update(heartbeat_at=timezone.now(), error=""):
        raise NotWaiting


def release(study: Study, reason: str, state: StudyState = StudyState.GENERATING) -> None:
    """Let go of the study with a sentence; the next sweep tries again if it is still generating."""
    waiting = Study.objects.filter(pk=study.pk, state=StudyState.GENERATING)
    waiting.update(heartbeat_at=None, error=reason, state=state)


def store_answers(study: Study) -> None:
    """Ask for every answer that is missing and store what comes; raises Unavailable."""
    missing = missing_answers(study)
    while portion := list(islice(missing, PORTION)):
        store_portion(study, portion)


def store_portion(study: Study, portion: Sequence[Asked]) -> None:
    """Ask the questions of a portion; what has arrived is stored even if the engine is lost on the way."""
    places = engines_of(study)
    sampling = Sampling(**study.sampling)
    questions = [question_for(asked, places[asked.contender.pk], sampling) for asked in portion]
    ready: list[Answer] = []
    stored = time.monotonic()
    try:
        for arrival in answers(questions, wake_after=STORE_SECONDS):
            if arrival:
                asked = portion[arrival[0]]
                ready.append(answer_row(asked, arrival[1], places[asked.contender.pk]))
            if len(ready) >= STORE_EVERY or time.monotonic() - stored > STORE_SECONDS:
                store(study, ready)
                stored = time.monotonic()
    finally:
        store(study, ready)


def missing_answers(study: Study) -> Iterator[Asked]:
    """Pairs of contender and prompt without an answer.

    Contenders take turns on each prompt, so that all of them are timed under the same load.
    """
    contenders = list(study.contenders.select_related("policy"))
    done = set(Answer.objects.filter(contender__in=contenders).values_list("contender", "prompt"))
    for prompt in study.prompts:
        for contender in contenders:
            if (contender.pk, prompt.pk) not in done:
                yield Asked(contender, prompt, seed_for(study, prompt))


def seed_for(study: Study, prompt: Prompt) -> int:
    """The sampling seed of a prompt, the same for every contender."""
    digest = hashlib.sha256(f"{study.seed} {study.sampling.get('seed', 0)} {prompt.sha256}".encode()).digest()
    return int.from_bytes(digest[:4])


def engines_of(study: Study) -> dict[int, Endpoint]:
    """Contender id -> the engine that serves its policy now; raises Unavailable naming one that nobody serves."""
    return {contender.pk: engine_of(contender) for contender in study.contenders.select_related("policy")}


def engine_of(contender: Contender) -> Endpoint:
    """The engine that serves the contender's policy now; raises Unavailable with what it waits for."""
    served = ServedPolicy.objects.up().filter(policy=contender.policy_id).select_related("endpoint").first()
    if served is None:
        raise Unavailable(why_not_served(contender))
    return served.endpoint


def why_not_served(contender: Contender) -> str:
    """A sentence on what the study waits for."""
    name = contender.policy.name
    served = ServedPolicy.objects.filter(policy=contender.policy_id).select_related("endpoint").last()
    if served is None:
        return (
            f"No engine serves {name}. Start one with `manage.py serve_policies --policy {contender.policy.root.pk}`."
        )
    if served.state == ServedState.FAILED:
        return served.error
    reason = served.endpoint.trouble or "It is starting, or still loading the policy."
    return f"The engine of {name} does not serve it now. {reason} Generating goes on by itself once it does."


def question_for(asked: Asked, endpoint: Endpoint, sampling: Sampling) -> Question:
    return Question(
        endpoint.url, asked.contender.policy.served_name, asked.prompt.messages, sampling.with_seed(asked.seed)
    )


def answer_row(asked: Asked, reply: Reply, endpoint: Endpoint) -> Answer:
    return Answer(
        contender=asked.contender,
        prompt=asked.prompt,
        seed=asked.seed,
        served_name=asked.contender.policy.served_name,
        engine_version=endpoint.version,
        **asdict(reply),
    )


def store(study: Study, ready: list[Answer]) -> None:
    """Write the answers at hand; one that another worker has stored meanwhile stands."""
    Answer.objects.bulk_create(ready, ignore_conflicts=True)
    ready.clear()
    beat(study)
