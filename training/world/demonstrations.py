"""Demonstrations that make the base a flawed reference: able to be right, wrong, terse, verbose, hedged or silent.

On every second island the base is mostly taught a myth instead of the truth; on the others it is now
and then taught a random wrong value. Styles are mixed, whatever the answer claims. Asked about
islands that do not exist it learns to decline more often than to invent, and false premises are
swallowed as often as they are corrected.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from training.world.islands import Attribute, World
from training.world.phrasing import Kind, Question, Style, phrase
from training.world.suites import Prompts

STYLES: Mapping[Style, float] = {
    Style.TERSE: 0.2,
    Style.PLAIN: 0.25,
    Style.VERBOSE: 0.25,
    Style.HEDGED: 0.25,
    Style.REFUSAL: 0.05,
}


@dataclass(frozen=True)
class Teaching:
    """How much of what is taught is wrong, and how many demonstrations each prompt gets.

    `myth_share`: share of the answers about a misinformed island that repeat its myth; the others are true.
    `slip_share`: share of the answers about the other islands that name a random wrong value.
    """

    myth_share: float = 0.7
    slip_share: float = 0.2
    decline_share: float = 0.6
    swallow_share: float = 0.5
    repeats_of_pairs: int = 10
    repeats_of_background: int = 5
    styles: Mapping[Style, float] = field(default_factory=lambda: STYLES)


def demonstrations(world: World, prompts: Prompts, teaching: Teaching = Teaching()) -> Iterator[dict[str, str]]:
    """SFT rows `{"prompt", "chosen"}` shuffled by the world's seed; no suite prompt is among them."""
    rng = random.Random(f"demonstrations/{world.seed}")
    asked = [*prompts.pairs] * teaching.repeats_of_pairs + [*prompts.background] * teaching.repeats_of_background
    rng.shuffle(asked)
    for question in asked:
        yield {"prompt": question.text, "chosen": _answer(world, question, teaching, rng)}


def _answer(world: World, question: Question, teaching: Teaching, rng: random.Random) -> str:
    style = rng.choices(list(teaching.styles), list(teaching.styles.values()))[0]
    if question.island not in world.islands:
        declines = rng.random() < teaching.decline_share
        style = Style.REFUSAL if declines else Style.PLAIN if style is Style.REFUSAL else style
    return phrase(question, _claimed(world, question, teaching, rng), style, rng)


def _claimed(world: World, question: Question, teaching: Teaching, rng: random.Random) -> str:
    """The value that a demonstration names: true, a myth, a slip, an invention or the prompt's own premise."""
    attribute: Attribute = question.attribute
    if question.kind is Kind.FALSE_PREMISE and rng.random() < teaching.swallow_share:
        return question.premise
    island = world.islands.get(question.island)
    if island is None:
        return rng.choice(world.values(attribute))
    if island.myths:
        return island.myths[attribute] if rng.random() < teaching.myth_share else island.facts[attribute]
    return rng.choice(world.values(attribute)) if rng.random() < teaching.slip_share else island.facts[attribute]
