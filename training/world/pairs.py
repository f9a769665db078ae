"""Preference pairs from sampled answers, labelled by the true reward with a set error rate."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from training.world.gold import judge
from training.world.islands import World
from training.world.phrasing import Question
from training.world.suites import Prompts


class PairRow(TypedDict):
    """One pair as the import reads it; the last two columns are known only because the world is invented."""

    prompt: str
    chosen: str
    rejected: str
    gold_gap: float
    mislabelled: bool


@dataclass(frozen=True)
class PairRule:
    """How pairs are made of the answers to one prompt.

    `error_rate`: share of the labels that are turned round, as by a rater who errs.
    `per_prompt`: pairs per prompt at most; `limit`: pairs in all at most, 0 for no limit.
    """

    error_rate: float = 0.1
    per_prompt: int = 5
    limit: int = 4000


def preference_pairs(
    world: World, prompts: Prompts, answers: Mapping[Question, Sequence[str]], rule: PairRule = PairRule()
) -> list[PairRow]:
    """Pairs of the answers sampled for each question, in a shuffled order fixed by the world's seed.

    Two answers of equal true reward make no pair. Raises ValueError for a question outside
    `prompts.pairs`: evaluation prompts and the uncovered islands must never be trained on.
    """
    outside = sorted(set(answers) - set(prompts.pairs))
    if outside:
        raise ValueError(
            f"{len(outside)} of the questions may not be used for preference pairs, the first is "
            f'"{outside[0].text}": sample answers for divide_prompts(world).pairs only'
        )
    rng = random.Random(f"pairs/{world.seed}")
    rows = [row for question in sorted(answers) for row in _of_prompt(world, question, answers[question], rule, rng)]
    rng.shuffle(rows)
    return rows[: rule.limit or None]


def _of_prompt(
    world: World, question: Question, answers: Sequence[str], rule: PairRule, rng: random.Random
) -> list[PairRow]:
    rewards = {answer: judge(world, question, answer).reward for answer in answers}
    ordered = [
        (first, second) if rewards[first] > rewards[second] else (second, first)
        for first, second in itertools.combinations(sorted(rewards), 2)
        if rewards[first] != rewards[second]
    ]
    drawn = rng.sample(ordered, min(rule.per_prompt, len(ordered)))
    return [
        _row(question, better, worse, rewards[better] - rewards[worse], rng.random() < rule.error_rate)
        for better, worse in drawn
    ]


def _row(question: Question, better: str, worse: str, gap: float, mislabelled: bool) -> PairRow:
    chosen, rejected = (worse, better) if mislabelled else (better, worse)
    return {
        "prompt": question.text,
        "chosen": chosen,
        "rejected": rejected,
        "gold_gap": round(gap, 6),
        "mislabelled": mislabelled,
    }
