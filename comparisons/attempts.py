"""Adversarial studies: people write prompts meant to make policies fail, and judge the two answers they get.

begin ──> turn (waiting) ──replying.py──> item, leased to its writer ──judged on the rating page──> go_on ──> next turn

A turn is a prompt of the study's own suite, so that what raters wrote is judged, counted and exported like everything
else. Which two policies answer is drawn once per conversation and hidden from the writer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.models import DatasetVersion, Policy

from .audit import record
from .creation import StudyRefused, refuse_unfair_policies
from .design import Design
from .models import (
    Answer,
    Assignment,
    AssignmentState,
    Choice,
    Contender,
    Conversation,
    Prompt,
    RaterPool,
    Rating,
    Stratum,
    Study,
    StudyKind,
    StudyState,
    Suite,
    Turn,
    TurnState,
)
from .quarantine import Blinding
from .sampling import Sampling
from .slugs import free_slug
from .suites import digest_of

MAX_CHARACTERS = 8_000
MAX_TURNS = 10
_chance = random.SystemRandom()


class AttemptRefused(ValueError):
    """What was written cannot be asked; the message is a sentence for its writer and names no policy."""


# --- The study --------------------------------------------------------------------------------------------------------


def create_adversarial_study(
    *,
    name: str,
    policies: Sequence[Policy],
    sampling: Mapping[str, Any],
    guideline: str,
    design: Design | None = None,
    pools: Sequence[RaterPool] = (),
    seed: int = 0,
    fills: DatasetVersion | None = None,
    user: User | None = None,
) -> Study:
    """Store a study that raters write the prompts of, open at once; its pairs will be offered to join `fills`.

    Raises StudyRefused with a sentence.
    """
    refuse_unfair_policies(policies)
    if betrayal := Blinding.of(policies, []).betrayal(f"{name}\n{guideline}"):
        raise StudyRefused(f"The name and the guideline must not tell what is compared: one of them {betrayal}.")
    with transaction.atomic():
        study = Study.objects.create(
            slug=free_slug(Study, name),
            name=name,
            kind=StudyKind.ADVERSARIAL,
            state=StudyState.OPEN,
            opened_at=timezone.now(),
            sampling=asdict(Sampling(**sampling)),
            design=(design or Design()).model_dump(mode="json"),
            seed=seed,
            created_by=user,
        )
        study.suites.add(_own_suite(name, user, fills))
        study.pools.set(pools)
        Contender.objects.bulk_create(Contender(study=study, policy=policy) for policy in policies)
        study.guidelines.create(number=1, text=guideline, created_by=user)
        record(study, user, "created", design=study.design, policies=[policy.pk for policy in policies])
    return study


def _own_suite(name: str, user: User | None, fills: DatasetVersion | None) -> Suite:
    label = f"{name[:100]} (written)"
    return Suite.objects.create(
        slug=free_slug(Suite, label),
        name=label,
        stratum=Stratum.ADVERSARIAL,
        description=f"Written by raters of the study “{name}” to make policies fail. It grows while the study is open.",
        fills=fills,
        created_by=user,
    )


def open_to(writer: User) -> list[Study]:
    """Adversarial studies in which this person may write now, the longest open first."""
    studies = Study.objects.open_to(writer).filter(kind=StudyKind.ADVERSARIAL).order_by("opened_at", "id")
    return [study for study in studies if _pairs(study, writer)]


def key_of(study: Study) -> str:
    """A name for the study in writers' addresses; it says nothing of it and cannot be guessed."""
    return salted_hmac("comparisons.attempts", str(study.pk)).hexdigest()[:24]


def study_of(key: str) -> Study | None:
    """The study with this key, whatever its state."""
    studies = Study.objects.filter(kind=StudyKind.ADVERSARIAL)
    return next((study for study in studies if constant_time_compare(key_of(study), key)), None)


def _pairs(study: Study, writer: User) -> list[tuple[Contender, Contender]]:
    """The pairs of contenders that may answer this person: none of a run they launched, unless the study allows it."""
    contenders = study.contenders.order_by("id")
    if not study.rules.own_runs:
        contenders = contenders.exclude(policy__run__created_by=writer)
    return list(combinations(contenders, 2))


# --- Writing ----------------------------------------------------------------------------------------------------------


def begin(study: Study, writer: User, text: str) -> Turn:
    """Ask a first prompt of two contenders that are drawn for it; raises AttemptRefused."""
    pairs = _pairs(study, writer)
    if not pairs:
        raise AttemptRefused("This task is not open to you at the moment. Nothing was kept.")
    one, other = _chance.sample(_chance.choice(pairs), 2)
    with transaction.atomic():
        # PROTECT on the study: a conversation without a turn is rolled back with the refusal.
        conversation = Conversation.objects.create(
            study=study, writer=writer, one=one, other=other, propensity=1 / len(pairs)
        )
        return _ask(conversation, [], text)


def go_on(conversation: Conversation, text: str) -> Turn:
    """Reply to the answer that was kept; raises AttemptRefused while the last turn is not judged, or at the end."""
    last = last_turn(conversation)
    if last.state == TurnState.WAITING:
        raise AttemptRefused("The answers to what you wrote before are still being written. Wait a moment.")
    if last.number >= MAX_TURNS:
        raise AttemptRefused(f"A conversation has at most {MAX_TURNS} turns. Begin another one.")
    kept = keep(last)
    if kept is None and last.state == TurnState.WITHHELD:
        raise AttemptRefused("The answers to what you wrote before cannot be shown. Begin another conversation.")
    if kept is None:
        raise AttemptRefused("Judge the answers to what you wrote before first; then go on.")
    with transaction.atomic():
        return _ask(conversation, [*last.prompt.messages, {"role": "assistant", "content": kept.text}], text)


def last_turn(conversation: Conversation) -> Turn:
    turn = conversation.turns.select_related("prompt", "item", "kept").order_by("-number").first()
    assert turn is not None  # a conversation is stored with its first turn
    return turn


def keep(turn: Turn) -> Answer | None:
    """The answer that the conversation goes on from: the better one; drawn where none is. None before the judgement."""
    if turn.kept is None and turn.item is not None and (rating := judgement_of(turn)):
        answers = {Choice.A: rating.assignment.answer_a, Choice.B: rating.assignment.answer_b}
        drawn = _chance.choice([turn.item.first, turn.item.second])
        turn.kept = answers.get(Choice(rating.choice), drawn)
        Turn.objects.filter(pk=turn.pk, kept=None).update(kept=turn.kept)
        turn.refresh_from_db()
    return turn.kept


def judgement_of(turn: Turn) -> Rating | None:
    """What the writer said of the turn's answers, if they have."""
    own = Rating.objects.standing().filter(assignment__item=turn.item, assignment__rater=turn.conversation.writer)
    own = own.filter(assignment__state__in=[AssignmentState.DONE, AssignmentState.LATE])
    return own.select_related("assignment__item__first", "assignment__item__second").first()


def _ask(conversation: Conversation, before: list[dict[str, str]], text: str) -> Turn:
    """Store a turn for the workers; the caller holds a transaction."""
    study = Study.objects.select_for_update(no_key=True).get(pk=conversation.study_id)
    if study.state != StudyState.OPEN:
        raise AttemptRefused("The task was closed in the meantime; what you wrote was not kept.")
    text = _usable(text)
    if Turn.objects.filter(conversation__writer=conversation.writer, state=TurnState.WAITING).exists():
        raise AttemptRefused("You are waiting for answers already. Judge those first.")
    messages = [*before, {"role": "user", "content": text}]
    turn = conversation.turns.create(
        number=conversation.turns.count() + 1, text=text, prompt=_prompt(study.suites.get(), messages)
    )
    transaction.on_commit(lambda: call_workers("comparisons.tasks.answer_turns"))
    return turn


def _usable(text: str) -> str:
    text = text.strip().replace("\r\n", "\n")
    if not text or "\0" in text:
        raise AttemptRefused("Write something first.")
    if len(text) > MAX_CHARACTERS:
        raise AttemptRefused(
            f"What you wrote holds {len(text):,} characters; at most {MAX_CHARACTERS:,} are asked. Shorten it."
        )
    return text


def _prompt(suite: Suite, messages: list[dict[str, str]]) -> Prompt:
    """A new prompt at the end of the suite; raises AttemptRefused for one that it holds already."""
    digest = digest_of(messages)
    if suite.prompts.filter(sha256=digest).exists():
        raise AttemptRefused("Somebody has written this already. Write something else.")
    position = (suite.prompts.aggregate(last=Max("position"))["last"] or 0) + 1
    return suite.prompts.create(position=position, messages=messages, sha256=digest)


def conversation_of(assignment: Assignment) -> Conversation | None:
    """The conversation that this person's judgement belongs to, where they wrote its prompt themselves."""
    turns = Turn.objects.filter(item=assignment.item_id, conversation__writer=assignment.rater_id)
    turn = turns.select_related("conversation").first()
    return turn.conversation if turn else None


def assignment_of(turn: Turn) -> Assignment | None:
    """The writer's place at the turn's item; None where there is none, or the item was set aside meanwhile."""
    if turn.item is None or turn.item.quarantine:
        return None
    return Assignment.objects.filter(item=turn.item, rater=turn.conversation.writer).first()
