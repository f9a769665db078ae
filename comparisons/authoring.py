"""Making checks: items of which the right judgement is known, so that they tell how far a rater can be believed.

lines a person wrote ──┐
an earlier study ──────┼──> drafts ──nothing tells what wrote them──> items, ExpectedJudgement apart from them
the study's answers ───┘
Checks share the items' table, so neither page nor address nor place in the order tells them from comparisons.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.db import transaction
from django.db.models import Max

from alignapp.accounts.models import User

from .adjudication import votes_of
from .assignment.leases import locked
from .attention import ACCEPTED, attention_items
from .audit import record
from .check_lines import Draft, read_drafts
from .models import (
    Adjudication,
    Answer,
    ExpectedJudgement,
    Item,
    ItemKind,
    Prompt,
    Study,
    StudyKind,
    StudyState,
    Verdict,
)
from .quarantine import Blinding, Look, flaw_of_pair
from .suites import Rejected, digest_of

AGREEING = 3
"""So many people must have said the same of an item, and nobody else anything, for it to serve as a check."""
FITTING = (StudyState.GENERATING, StudyState.OPEN, StudyState.PAUSED)


class ChecksRefused(ValueError):
    """No check can be made; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an attempt: how many checks, and the lines that gave none."""

    count: int
    rejected: list[Rejected]


# --- Three ways -------------------------------------------------------------------------------------------------------


def from_lines(study: Study, source: BinaryIO, user: User | None) -> Made:
    """Checks that a person wrote, one a line; raises ChecksRefused or UnreadableFile."""
    judge = Judge.of(study)
    drafts, rejected = read_drafts(source, judge.reason_against)
    if drafts:
        _store(study, drafts, user, source="lines")
    return Made(len(drafts), rejected)


def from_study(study: Study, earlier: Study, kind: ItemKind, number: int, user: User | None) -> Made:
    """Checks from items of a closed study on which its raters agreed or somebody decided; raises ChecksRefused.

    Which of them is drawn by the study's seed. They are copied, so that neither study holds on to the other.
    """
    if earlier.state != StudyState.CLOSED:
        raise ChecksRefused(f"“{earlier}” is not closed yet. What its raters say may still change.")
    judge, chance = Judge.of(study), random.Random(f"{study.seed} {earlier.pk} {study.items.count()}")
    drafts = [draft for draft in agreed_items(earlier, kind) if not judge.reason_against(draft)]
    if not drafts:
        raise ChecksRefused(
            f"No item of “{earlier}” can serve: {AGREEING} people must have said the same of it and nobody anything "
            "else, or somebody must have decided it; and it must not be in this study already."
        )
    drafts = chance.sample(drafts, min(number, len(drafts)))
    _store(study, drafts, user, source="study", earlier=earlier.pk)
    return Made(len(drafts), [])


def from_answers(study: Study, number: int, user: User | None) -> Made:
    """Attention items from the study's own answers; raises ChecksRefused."""
    items = attention_items(study, number)
    if not items and study.state == StudyState.GENERATING:
        raise ChecksRefused("Answers are still being generated. Make attention items from them once they are there.")
    if not items:
        raise ChecksRefused("No two answers of one policy make an attention item: the study needs more prompts.")
    _add(study, [(item, ACCEPTED, "") for item in items], user, source="answers")
    return Made(len(items), [])


# --- What may be used -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judge:
    """Decides whether raters of a study may see a draft, by the rules of its comparisons, and each draft once."""

    study: Study
    blinding: Blinding
    known: set[bytes]

    @classmethod
    def of(cls, study: Study) -> Judge:
        policies = [contender.policy for contender in study.contenders.select_related("policy__run")]
        checks = study.items.exclude(kind=ItemKind.COMPARISON).filter(quarantine="")
        rows = checks.values_list("prompt__messages", "first__text", "second__text")
        return cls(study, Blinding.of(policies, list(study.prompts)), {identity(*row) for row in rows})

    def reason_against(self, draft: Draft) -> str:
        """Why raters must not see it, in a sentence; empty: they may. A draft that passes is known from then on."""
        key = identity(draft.messages, draft.first, draft.second)
        if key in self.known:
            return "The same check is there already."
        if betrayal := self.blinding.betrayal(draft.explanation):
            return f"Raters see the explanation, and it {betrayal}. Say it without."
        prompt = Prompt(messages=draft.messages)
        looks = [Look.at(_written(prompt, text), self.blinding) for text in (draft.first, draft.second)]
        if flaw := flaw_of_pair(prompt, looks[0], looks[1], self.study.rules.cut_off):
            return f"Raters must not see it: {flaw[:1].lower()}{flaw[1:]}."
        if not set(draft.accepts) & _sayable(self.study):
            return "Raters of this study cannot say what is right of it."
        self.known.add(key)
        return ""


def identity(messages: object, first: str, second: str) -> bytes:
    """A digest of a prompt and two answers, whatever their order."""
    return hashlib.sha256(json.dumps([messages, sorted((first, second))], sort_keys=True).encode()).digest()


def _sayable(study: Study) -> set[Verdict]:
    rules = study.rules
    said = {Verdict.FIRST, Verdict.SECOND}
    return said | ({Verdict.TIE} if rules.ties else set()) | ({Verdict.BOTH_BAD} if rules.both_bad else set())


def agreed_items(study: Study, kind: ItemKind) -> Iterator[Draft]:
    """Drafts from the comparisons of a study that were decided, or of which everybody said the same."""
    decided = {row.item_id: row for row in Adjudication.objects.filter(item__study=study).order_by("id")}
    agreed = {
        item: (next(iter(said)), sum(said.values()))
        for item, said in votes_of(study).items()
        if len(said) == 1 and sum(said.values()) >= AGREEING
    }
    items = study.items.comparisons().filter(pk__in=decided.keys() | agreed.keys())
    for item in items.select_related("prompt", "first", "second").order_by("position"):
        if row := decided.get(item.pk):
            verdict, why = Verdict(row.verdict), row.note or "A person decided it after others had disagreed."
        else:
            verdict, count = agreed[item.pk]
            why = f"All {count} people who judged it said so."
        yield Draft(kind, item.prompt.messages, item.first.text, item.second.text, (verdict,), why)


# --- Storing ----------------------------------------------------------------------------------------------------------


def _store(study: Study, drafts: Iterable[Draft], user: User | None, **told: object) -> None:
    """Store drafts with prompts and answers of their own."""
    with transaction.atomic():
        rows = []
        for draft in drafts:
            prompt = Prompt.objects.create(position=0, messages=draft.messages, sha256=digest_of(draft.messages))
            first, second = (_written(prompt, text) for text in (draft.first, draft.second))
            first.save()
            second.save()
            item = Item(prompt=prompt, first=first, second=second, kind=draft.kind)
            rows.append((item, draft.accepts, draft.explanation))
        _add(study, rows, user, **told)


def _written(prompt: Prompt, text: str) -> Answer:
    """An answer that no policy of the study gave."""
    return Answer(
        prompt=prompt,
        text=text,
        finish_reason="stop",
        tokens=0,
        first_token_seconds=0.0,
        total_seconds=0.0,
        seed=0,
        served_name="",
        engine_version="",
    )


def _add(study: Study, rows: Sequence[tuple[Item, Sequence[Verdict], str]], user: User | None, **told: object) -> None:
    """Put items behind those that the study has; raises ChecksRefused when it is over."""
    with transaction.atomic():
        current = locked(study.pk)
        if current.kind != StudyKind.SUITES:
            raise ChecksRefused("Raters write the prompts of this study themselves, so nothing can hide among them.")
        if current.state not in FITTING:
            state = current.get_state_display().lower()
            raise ChecksRefused(f"The study is {state}. Checks can be added while answers are generated or rated.")
        last = current.items.aggregate(last=Max("position"))["last"]
        for position, (item, accepts, explanation) in enumerate(rows, 0 if last is None else last + 1):
            item.study, item.position = current, position
            item.save()
            ExpectedJudgement.objects.create(item=item, accepts=[*accepts], explanation=explanation)
        record(study, user, "checks", count=len(rows), **told)


def set_aside(item: Item, user: User) -> None:
    """Show a check to nobody any more; what was said of it counts neither for nor against its raters."""
    with transaction.atomic():
        study = locked(item.study_id)
        Item.objects.filter(pk=item.pk).exclude(kind=ItemKind.COMPARISON).update(quarantine="It was no good check")
        record(study, user, "check set aside", number=item.number)
