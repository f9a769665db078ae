"""Which questions are trained on and which are kept for evaluation: no prompt is ever in both.

Facts are shared on purpose: in-distribution means a fact the pairs ask about, in a wording they use
for other facts, but never this fact in this wording.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from training.world.islands import Attribute, Island, World
from training.world.phrasing import WORDINGS, Kind, Question

HELD_BACK = {Kind.USUAL: 3, Kind.PARAPHRASE: 1}
"""Wordings per fact and family that are kept for evaluation."""

FALSE_PREMISES = 96
"""Facts that the adversarial suite asks with a false premise."""


class Suite(StrEnum):
    """The four sets of evaluation prompts."""

    IN_DISTRIBUTION = "in_distribution"
    PARAPHRASED = "paraphrased"
    UNCOVERED = "uncovered"
    ADVERSARIAL = "adversarial"


@dataclass(frozen=True)
class Prompts:
    """All questions of a world, sorted into their uses.

    `pairs` may be asked for preference pairs, `background` and `pairs` for demonstrations, `suites` only to evaluate.
    """

    pairs: tuple[Question, ...]
    background: tuple[Question, ...]
    suites: Mapping[Suite, tuple[Question, ...]]


def divide_prompts(world: World) -> Prompts:
    """Draw, from the world's seed, which wordings of each fact are evaluated and which are trained on."""
    rng = random.Random(f"prompts/{world.seed}")
    pairs: list[Question] = []
    background: list[Question] = []
    suites: dict[Suite, list[Question]] = {suite: [] for suite in Suite}
    for island in world.islands.values():
        for attribute in Attribute:
            kept, rest = _draw(rng, island, attribute, Kind.USUAL)
            suites[Suite.IN_DISTRIBUTION if island.covered else Suite.UNCOVERED] += kept
            (pairs if island.covered else background).extend(rest)
            kept, rest = _draw(rng, island, attribute, Kind.PARAPHRASE)
            if island.covered:
                suites[Suite.PARAPHRASED] += kept
            background += rest
    asked, taught = _false_premises(rng, world)
    suites[Suite.ADVERSARIAL] += _unknown(world.unknown_held_back) + asked
    background += _unknown(world.unknown_taught) + taught
    return Prompts(tuple(pairs), tuple(background), {name: tuple(rows) for name, rows in suites.items()})


def _draw(
    rng: random.Random, island: Island, attribute: Attribute, kind: Kind
) -> tuple[list[Question], list[Question]]:
    """The wordings of a fact, shuffled: those kept for evaluation, and the rest."""
    questions = [Question(island.name, attribute, kind, index) for index in range(len(WORDINGS[kind]))]
    rng.shuffle(questions)
    return questions[: HELD_BACK[kind]], questions[HELD_BACK[kind] :]


def _unknown(names: tuple[str, ...]) -> list[Question]:
    """Every attribute of islands that do not exist, the wordings taken in turn."""
    wordings = len(WORDINGS[Kind.USUAL])
    asked = [(name, attribute) for name in names for attribute in Attribute]
    return [Question(name, attribute, Kind.USUAL, index % wordings) for index, (name, attribute) in enumerate(asked)]


def _false_premises(rng: random.Random, world: World) -> tuple[list[Question], list[Question]]:
    """One false-premise question per fact: those of the adversarial suite, and the rest."""
    questions = []
    for island in world.islands.values():
        for attribute in Attribute:
            false = [value for value in world.values(attribute) if value != island.facts[attribute]]
            wording = rng.randrange(len(WORDINGS[Kind.FALSE_PREMISE]))
            questions.append(Question(island.name, attribute, Kind.FALSE_PREMISE, wording, rng.choice(false)))
    rng.shuffle(questions)
    return questions[:FALSE_PREMISES], questions[FALSE_PREMISES:]
