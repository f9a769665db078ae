"""Attention items: an answer to its prompt beside the same policy's answer to another prompt.

Both are good text in one voice, so the item looks like everything else; who reads does not prefer the answer to another
question. The other prompt is one of few words in common, lest its answer fit here too; and since it might all the same,
a tie and "both bad" are right as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest

from .models import Contender, Item, ItemKind, Prompt, Study, Verdict
from .pairing import Stored, stored_answers, unique
from .quarantine import Blinding, flaw_of_pair

ACCEPTED = (Verdict.FIRST, Verdict.BOTH_BAD, Verdict.TIE)
TRIED = 32  # prompts, of which the least alike one that may be shown lends its answer


def attention_items(study: Study, number: int) -> list[Item]:
    """Up to `number` unsaved items, policies in turn; the same rows and seed give the same items."""
    contenders = list(study.contenders.select_related("policy__run"))
    prompts = unique(study.prompts)
    answers = stored_answers(study, Blinding.of((contender.policy for contender in contenders), prompts))
    known = set(study.items.filter(kind=ItemKind.ATTENTION).values_list("first", flat=True))
    left = {key: answer for key, answer in answers.items() if answer.pk not in known}
    chance = random.Random(f"{study.seed} attention {len(known)}")
    sources = [_of_contender(study, contender, prompts, answers, left, chance) for contender in contenders]
    turns = chain.from_iterable(zip_longest(*sources))
    found = (item for item in turns if item is not None)
    return [item for _, item in zip(range(number), found, strict=False)]


def _of_contender(
    study: Study,
    contender: Contender,
    prompts: Sequence[Prompt],
    answers: Mapping[tuple[int, int], Stored],
    left: Mapping[tuple[int, int], Stored],
    chance: random.Random,
) -> Iterator[Item]:
    """Items of one contender, in random order, each of its answers at most once as the right one."""
    cut_off = study.rules.cut_off
    for prompt in chance.sample(prompts, len(prompts)):
        own = left.get((contender.pk, prompt.pk))
        tried = chance.sample(prompts, min(TRIED, len(prompts)))
        others = [other for other in tried if other != prompt and (contender.pk, other.pk) in answers]
        for other in sorted(others, key=lambda other: likeness(prompt, other)) if own else ():
            foreign = answers[contender.pk, other.pk]
            if own and not flaw_of_pair(prompt, own.look, foreign.look, cut_off):
                yield Item(prompt=prompt, first_id=own.pk, second_id=foreign.pk, kind=ItemKind.ATTENTION)
                break


def likeness(one: Prompt, other: Prompt) -> float:
    """Jaccard's index of the words of two prompts' last turns."""
    words, others = (set(str(prompt.messages[-1]["content"]).casefold().split()) for prompt in (one, other))
    return len(words & others) / max(1, len(words | others))
