"""Answers to what raters write: two policies reply, and both replies become an item at once.

`answer_turns` may be called at any time by any worker: each waiting turn is claimed by one of them, and a turn whose
worker died, or whose engine was away, is taken up by the next call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from .assignment.leases import lease
from .generation import Asked, answer_row, engine_of, question_for, seed_for
from .models import Answer, Endpoint, Study, StudyState, Turn, TurnState
from .quarantine import IDENTICAL, Blinding, reason_to_withhold
from .sampling import Sampling
from .serving.gateway import Question, Unavailable, answers

# A worker that holds a turn for longer than an answer may take has died.
SILENCE = timedelta(minutes=16)
AT_ONCE = 16  # turns that one call answers together


@dataclass(frozen=True, slots=True)
class Pending:
    """A claimed turn with the two questions it asks and the engines that were chosen for them."""

    turn: Turn
    asked: tuple[Asked, Asked]
    engines: tuple[Endpoint, Endpoint]

    @property
    def questions(self) -> list[Question]:
        sampling = Sampling(**self.turn.conversation.study.sampling)
        return [question_for(asked, engine, sampling) for asked, engine in zip(self.asked, self.engines, strict=True)]


def answer_turns() -> int:
    """Answer the turns that wait; returns how many were taken up."""
    claimed = [turn for turn in _waiting()[:AT_ONCE] if _claim(turn)]
    try:
        _reply([pending for turn in claimed if (pending := _prepared(turn))])
    finally:
        Turn.objects.filter(pk__in=[turn.pk for turn in claimed], state=TurnState.WAITING).update(heartbeat_at=None)
    return len(claimed)


def _waiting() -> QuerySet[Turn]:
    related = ("prompt", "conversation__study", "conversation__one__policy", "conversation__other__policy")
    return Turn.objects.filter(_free(), state=TurnState.WAITING).select_related(*related).order_by("id")


def _free() -> Q:
    return Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - SILENCE)


def _claim(turn: Turn) -> bool:
    waiting = Turn.objects.filter(_free(), pk=turn.pk, state=TurnState.WAITING)
    return bool(waiting.update(heartbeat_at=timezone.now()))


def _prepared(turn: Turn) -> Pending | None:
    """The turn's questions; None, with the reason on the turn, while an engine is away."""
    conversation = turn.conversation
    contenders = conversation.one, conversation.other
    try:
        one, other = (engine_of(contender) for contender in contenders)
    except Unavailable as reason:
        _note(turn, str(reason))
        return None
    seed = seed_for(conversation.study, turn.prompt)
    asked = Asked(contenders[0], turn.prompt, seed), Asked(contenders[1], turn.prompt, seed)
    return Pending(turn, asked, (one, other))


def _reply(pending: Sequence[Pending]) -> None:
    """Ask everything at once; each turn is settled when both of its answers are there."""
    ready: dict[int, dict[int, Answer]] = {}
    questions = [question for one in pending for question in one.questions]
    try:
        for index, reply in answers(questions):
            mine = pending[index // 2]
            rows = ready.setdefault(mine.turn.pk, {})
            rows[index % 2] = answer_row(mine.asked[index % 2], reply, mine.engines[index % 2])
            if len(rows) == 2:
                settle(mine.turn, rows[0], rows[1])
    except Unavailable as reason:
        for one in pending:
            _note(one.turn, str(reason))


def _note(turn: Turn, reason: str) -> None:
    """Say why a turn still waits; researchers see it, its writer does not."""
    Turn.objects.filter(pk=turn.pk, state=TurnState.WAITING).update(reason=reason[:200])


def settle(turn: Turn, one: Answer, other: Answer) -> None:
    """Store both answers and, if they can be shown blind, the item that the writer judges next."""
    study = turn.conversation.study
    contenders = study.contenders.select_related("policy__run")
    blinding = Blinding.of((contender.policy for contender in contenders), [turn.prompt])
    reason = reason_to_withhold(turn.prompt, one, other, blinding, study.rules.cut_off)
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        if not Turn.objects.filter(pk=turn.pk, state=TurnState.WAITING).exists():
            return  # another worker was quicker
        one.save()
        other.save()
        last = study.items.aggregate(last=Max("position"))["last"]
        item = study.items.create(
            prompt=turn.prompt,
            first=one,
            second=other,
            position=0 if last is None else last + 1,
            quarantine=reason,
            propensity=turn.conversation.propensity,
        )
        turn.item, turn.reason, turn.answered_at = item, reason, timezone.now()
        turn.state = TurnState.WITHHELD if reason else TurnState.ANSWERED
        # There is nothing to judge, but the conversation can go on from what both said.
        turn.kept = one if reason == IDENTICAL else None
        turn.save(update_fields=["item", "reason", "answered_at", "state", "kept"])
        if not reason and study.state == StudyState.OPEN:
            lease(item.pk, turn.conversation.writer, item.pair)
