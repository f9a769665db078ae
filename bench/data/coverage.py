"""The topic that the data misses: is a hole that was cut into the demo world's pairs the first uncovered topic?

Two kinds of holes, each in several worlds. A chain of islands that no pair asks about, in the same words as all other
questions: only the islands' names tell. And a kind of question (capitals, exports …) taken out of the pairs. The
target are the questions of the world's evaluation suites. In a world without a hole nothing may be found.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Report
from training.preferences.checks.coverage import topics_of_the_prompts
from training.preferences.records import Message, Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey
from training.world.islands import UNCOVERED_CHAIN, Attribute, World, build_world
from training.world.phrasing import Question
from training.world.suites import Suite, divide_prompts

SEEDS = range(5)
PURE = 0.9
"""Share of the first topic's target prompts that must belong to the hole."""


@dataclass(frozen=True)
class Trial:
    """Questions of the pairs and of the target, and which of the latter belong to the hole."""

    asked: Sequence[Question]
    target: Sequence[Question]
    is_hole: Callable[[Question], bool]


def measure(report: Report) -> None:
    """Add a row for each kind of hole, for how much of the holes is found, and for worlds without one."""
    for name, trials in (("chain of islands", _chains()), ("kind of question", _kinds())):
        outcomes = [_outcome(trial) for trial in trials]
        first = sum(purity >= PURE for purity, _ in outcomes) / len(outcomes)
        found = min(share for _, share in outcomes)
        print(f"{name}: first in {first:.0%} of {len(outcomes)}, at least {found:.0%} of a hole found", flush=True)
        report.add(f"hole ({name}) is the top uncovered topic", "share of trials", first, must="1", ok=first == 1)
        report.add(f"hole ({name}): found of it, worst trial", "share", found, must="reported", ok=True)
    false = sum(_picture(trial)["uncovered"] > 0 for trial in _whole()) / len(SEEDS)
    report.add("no hole: worlds with an uncovered topic", "share of trials", false, must="0", ok=false == 0)


def _chains() -> Iterator[Trial]:
    for seed in SEEDS:
        world = build_world(seed)
        prompts = divide_prompts(world)
        target = [*prompts.suites[Suite.IN_DISTRIBUTION], *prompts.suites[Suite.UNCOVERED]]
        yield Trial(prompts.pairs, target, _of_the_uncovered_chain(world))


def _of_the_uncovered_chain(world: World) -> Callable[[Question], bool]:
    return lambda question: world.islands[question.island].chain == UNCOVERED_CHAIN


def _kinds() -> Iterator[Trial]:
    for seed in SEEDS:
        prompts = divide_prompts(build_world(seed))
        for kind in Attribute:
            asked = [question for question in prompts.pairs if question.attribute is not kind]
            yield Trial(asked, prompts.suites[Suite.IN_DISTRIBUTION], _about(kind))


def _about(kind: Attribute) -> Callable[[Question], bool]:
    return lambda question: question.attribute is kind


def _whole() -> Iterator[Trial]:
    for seed in SEEDS:
        prompts = divide_prompts(build_world(seed))
        yield Trial(prompts.pairs, prompts.suites[Suite.IN_DISTRIBUTION], lambda _: False)


def _outcome(trial: Trial) -> tuple[float, float]:
    """How much of the first topic is the hole's (0 when it is not uncovered), and how much of the hole is uncovered."""
    topics = _picture(trial)["topics"]
    hole = {place for place, question in enumerate(trial.target) if trial.is_hole(question)}
    first = topics[0]
    purity = len(hole.intersection(first["places"])) / len(first["places"]) if first["uncovered"] else 0.0
    uncovered = {place for topic in topics if topic["uncovered"] for place in topic["places"]}
    return purity, len(hole & uncovered) / len(hole)


def _picture(trial: Trial) -> dict[str, Any]:
    """The rule's picture, and how many of its topics are uncovered."""
    pairs = [
        Pair((Message("user", question.text),), (Message("assistant", "yes"),), (Message("assistant", "no"),))
        for question in trial.asked
    ]
    with tempfile.TemporaryDirectory(prefix="bench-coverage-") as folder:
        sealed = seal_pairs(pairs, Path(folder), PromptSplit())
        with survey(sealed.path, targets={"suite:target": [question.text for question in trial.target]}) as subject:
            topics_of_the_prompts(subject)
            [found] = list(subject.found)
    picture = dict(found.picture or {})
    return picture | {"uncovered": sum(topic["uncovered"] for topic in picture["topics"])}
