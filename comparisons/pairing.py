"""Items of a study: stored answers put side by side, in a shuffled order, up to the study's limit."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db import transaction
from django.utils import timezone

from .models import Answer, Contender, Item, ItemKind, Prompt, Study, StudyState
from .quarantine import Blinding, reason_to_withhold


class NotWaiting(Exception):
    """The study was closed, or another worker has it: this one must stop."""


def open_study(study: Study) -> None:
    """Make the items and open the study for raters, or fail it when there is nothing to judge; raises NotWaiting."""
    items = make_items(study)
    change = {"state": StudyState.OPEN, "opened_at": timezone.now(), "error": "", "heartbeat_at": None}
    if all(item.quarantine for item in items):
        change |= {"state": StudyState.FAILED, "opened_at": None, "error": nothing_to_judge(items)}
    with transaction.atomic():
        # The update locks the row: of two workers only one makes items.
        if not Study.objects.filter(pk=study.pk, state=StudyState.GENERATING).update(**change):
            raise NotWaiting
        study.items.filter(kind=ItemKind.COMPARISON).delete()
        Item.objects.bulk_create(items, batch_size=500)


def nothing_to_judge(items: Sequence[Item]) -> str:
    reasons = {item.quarantine for item in items}
    return (
        f"All {len(items)} pairs of answers were set aside, so there is nothing to judge. One of the reasons: "
        f"{min(reasons, default='the suite has no prompts')}. Start a study with other policies, another suite or "
        "another temperature."
    )


@dataclass(frozen=True)
class Pairs:
    """Everything that items of one study are made from."""

    study: Study
    prompts: Sequence[Prompt]
    answers: Mapping[tuple[int, int], Answer]  # by contender and prompt
    blinding: Blinding

    @classmethod
    def of(cls, study: Study) -> Pairs:
        prompts = unique(study.prompts)
        rows = Answer.objects.filter(contender__study=study)
        contenders = study.contenders.select_related("policy__run")
        blinding = Blinding.of((contender.policy for contender in contenders), prompts)
        return cls(
            study, prompts, {(row.contender_id, row.prompt_id): row for row in rows if row.contender_id}, blinding
        )

    def items(self, one: Contender, other: Contender, chance: random.Random) -> Iterator[Item]:
        """Items of two contenders, prompts in random order; which answer comes first is drawn for each."""
        for prompt in chance.sample(self.prompts, len(self.prompts)):
            first, second = chance.sample([self.answers[one.pk, prompt.pk], self.answers[other.pk, prompt.pk]], 2)
            reason = reason_to_withhold(prompt, first, second, self.blinding)
            yield Item(study=self.study, prompt=prompt, first=first, second=second, quarantine=reason)


def unique(prompts: Iterable[Prompt]) -> list[Prompt]:
    """The prompts without those that an earlier suite holds too."""
    return list({prompt.sha256: prompt for prompt in reversed(list(prompts))}.values())[::-1]


def make_items(study: Study) -> list[Item]:
    """Unsaved items in the study's shuffled order: usable ones up to the limit, and those set aside on the way.

    Pairs of contenders take turns, each going through the prompts in an order of its own, so that a limit is spread
    evenly over the pairs and over the prompts.
    """
    chance = random.Random(study.seed)
    pairs = Pairs.of(study)
    # Chance of its own for each pair: items are drawn lazily, and one pair's draws must not depend on another's.
    waiting = [pairs.items(*pair, random.Random(chance.random())) for pair in combinations(study.contenders.all(), 2)]
    items: list[Item] = []
    usable = 0
    while waiting and not (study.item_limit and usable >= study.item_limit):
        source = waiting.pop(0)
        if taken := up_to_a_usable_one(source):
            items += taken
            usable += not taken[-1].quarantine
            waiting.append(source)
    chance.shuffle(items)
    for position, item in enumerate(items):
        item.position = position
    return items


def up_to_a_usable_one(source: Iterator[Item]) -> list[Item]:
    """The next usable item and those before it that were set aside; empty when the source is."""
    taken = []
    for item in source:
        taken.append(item)
        if not item.quarantine:
            break
    return taken
