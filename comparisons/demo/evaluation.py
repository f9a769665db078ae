"""True reward of what served policies answer: the demo world knows the truth, so quality needs no judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from comparisons.models import Answer, Study
from comparisons.sampling import Sampling
from comparisons.serving.gateway import Question as Asked
from comparisons.serving.gateway import answers
from training.models import Policy
from training.world.gold import judge
from training.world.islands import World
from training.world.phrasing import Question, read_question

from .waiting import StageFailed


@dataclass(frozen=True, slots=True)
class Quality:
    """True rewards of one policy, prompt by prompt, and whether each answer was right."""

    rewards: tuple[float, ...]
    right: tuple[bool, ...]

    @property
    def gold_mean(self) -> float:
        return fmean(self.rewards)

    @property
    def accuracy(self) -> float:
        return fmean(self.right)


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of prompts on which one policy's true reward is higher, ties as half, with a 95 % interval."""

    share: float
    low: float
    high: float


def ask(
    policy: Policy, url: str, questions: Sequence[Question], sampling: Sampling, repeats: int = 1
) -> list[list[str]]:
    """`repeats` answers of the served policy to each question, in the questions' order."""
    asked = [
        Asked(
            url,
            policy.served_name,
            [{"role": "user", "content": question.text}],
            sampling.with_seed(sampling.seed + repeat * len(questions) + index),
        )
        for index, question in enumerate(questions)
        for repeat in range(repeats)
    ]
    texts = [""] * len(asked)
    for index, reply in answers(asked):
        if reply.error:
            raise StageFailed(f"vLLM refused a prompt of {policy.name}: {reply.error}")
        texts[index] = reply.text
    return [texts[start : start + repeats] for start in range(0, len(texts), repeats)]


def measure(world: World, policy: Policy, url: str, questions: Sequence[Question], sampling: Sampling) -> Quality:
    """Let the policy answer every question once and judge the answers by the true reward."""
    answers = ask(policy, url, questions, sampling)
    return _judged(world, [(question.text, texts[0]) for question, texts in zip(questions, answers, strict=True)])


def stored_quality(world: World, study: Study, policy: Policy) -> Quality:
    """The quality of a contender's stored answers, prompt by prompt in the suite's order."""
    answers = Answer.objects.filter(contender__study=study, contender__policy=policy).order_by("prompt__position")
    if refused := answers.exclude(error="").first():
        raise StageFailed(f"vLLM refused a prompt of {policy.name}: {refused.error}")
    return _judged(
        world, [(answer.prompt.messages[-1]["content"], answer.text) for answer in answers.select_related("prompt")]
    )


def _judged(world: World, rows: Sequence[tuple[str, str]]) -> Quality:
    """Judge (prompt, answer) rows; raises StageFailed for a prompt of another world."""
    judged = []
    for prompt, text in rows:
        question = read_question(prompt)
        if question is None:
            raise StageFailed(f"{prompt!r} is no question of the demo world.")
        judged.append(judge(world, question, text))
    return Quality(tuple(row.reward for row in judged), tuple(row.accurate for row in judged))


def win_rate(policy: Quality, base: Quality) -> WinRate:
    """How often the policy beats the base on the same prompt, with the normal interval of the mean score.

    A prompt scores 1 for a higher reward, 1/2 for an equal one, 0 for a lower one; prompts are independent.
    """
    pairs = zip(policy.rewards, base.rewards, strict=True)
    scores = [1.0 if mine > other else 0.5 if mine == other else 0.0 for mine, other in pairs]
    half = 1.96 * stdev(scores) / sqrt(len(scores))
    share = fmean(scores)
    return WinRate(share, share - half, share + half)
