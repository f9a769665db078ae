"""What the votes say, in sentences.

That one policy is ahead of another is told only where an interval that holds for all pairs at once excludes that they
are equal; where it does not, the sentence says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from .planning import more_votes
from .shares import percent
from .strengths.clusters import FEWEST
from .strengths.estimate import Strengths
from .win_rates import WinMatrix

CLOSE = 0.2
"""Policies whose chance to win is known this well, and who cannot be told apart, are close: 40 to 60 % at most."""


def leaders(strengths: Strengths) -> tuple[int, list[int]]:
    """The strongest policy and those that the votes cannot tell from it."""
    best = int(np.argmax(strengths.theta))
    others = (j for j in range(len(strengths.theta)) if j != best)
    return best, [j for j in others if not strengths.decided(best, j)]


def places(strengths: Strengths) -> list[tuple[int, int]]:
    """Best and worst place of each policy that the votes allow, from 1: behind those that are surely better, ahead of
    those that are surely worse. With 95 % chance all true places lie within."""
    count = len(strengths.theta)
    found = []
    for i in range(count):
        sure = [strengths.simultaneous(i, j) for j in range(count) if j != i]
        found.append((1 + sum(gap.high < 0 for gap in sure), count - sum(gap.low > 0 for gap in sure)))
    return found


def place_words(place: tuple[int, int]) -> str:
    """ "1", or "1 to 3" where the votes leave it open."""
    low, high = place
    return f"{low}" if low == high else f"{low} to {high}"


def verdict(strengths: Strengths | None, matrix: WinMatrix, names: Sequence[str]) -> str:
    """Who won, in a sentence or two; or that the votes cannot tell yet, and about how many more might."""
    if strengths is None:
        return "No judgement prefers an answer, so there is nothing to compare yet."
    if not strengths.connected:
        return "Some policies were never compared, not even through others, so there is no common ranking."
    told = _two_way(strengths, matrix, names) if len(names) == 2 else _ranking(strengths, matrix, names)
    best, rivals = leaders(strengths)
    return f"{told} {_more(strengths, best, rivals)}" if rivals else told


def scope(strengths: Strengths) -> str:
    """Of whom the intervals speak."""
    if strengths.by_rater and strengths.by_prompt:
        return "The intervals speak of other raters and other prompts like these."
    few = [] if strengths.by_rater else [_counted(strengths.raters, "rater")]
    few += [] if strengths.by_prompt else [_counted(strengths.prompts, "prompt")]
    told = f"The intervals speak of {listed(few)} alone"
    if not (strengths.by_rater or strengths.by_prompt):
        return f"{told}; with {FEWEST} or more of each they speak of others too."
    sampled, short = ("prompts", "raters") if strengths.by_prompt else ("raters", "prompts")
    return f"{told}, and of other {sampled} like these; with {FEWEST} {short} or more they speak of others too."


def until_decided(strengths: Strengths, i: int, j: int) -> str:
    """Whether the votes tell two policies apart, all pairs considered, or about how many more of the study would."""
    if strengths.decided(i, j):
        return "decided"
    more = more_votes(strengths, i, j)
    if more is None:
        return "hardly ever decided" if close(strengths, i, j) else "level so far, of too few votes to say more"
    return f"about {rounded(more):,} more votes would decide it"


def close(strengths: Strengths, i: int, j: int) -> bool:
    """Whether the votes say that two policies win about as often against each other."""
    chance = strengths.win_probability(i, j)
    return chance.high - chance.low <= CLOSE


def _two_way(strengths: Strengths, matrix: WinMatrix, names: Sequence[str]) -> str:
    best, rivals = leaders(strengths)
    chance = strengths.win_probability(best, 1 - best)
    interval = f"[{100 * chance.low:.0f}, {100 * chance.high:.0f}]"
    figures = f"{percent(float(matrix.rate[best, 1 - best]))} {interval} of {int(matrix.votes[0, 1]):,} comparisons"
    if rivals:
        preferred = "each" if matrix.rate[best, 1 - best] == 0.5 else names[best]
        return f"The votes cannot tell {names[0]} from {names[1]} yet: {preferred} is preferred in {figures}."
    return f"{names[best]} is preferred to {names[1 - best]} in {figures}."


def _ranking(strengths: Strengths, matrix: WinMatrix, names: Sequence[str]) -> str:
    best, rivals = leaders(strengths)
    beaten = [j for j in range(len(names)) if j not in {best, *rivals}]
    if not rivals:
        return f"{names[best]} is preferred to every other policy: {_rates(matrix, best, beaten, names)}."
    told = f"{names[best]} leads, but the votes cannot tell it from {listed([names[j] for j in rivals])} yet."
    return f"{told} It is preferred to {_rates(matrix, best, beaten, names)}." if beaten else told


def _rates(matrix: WinMatrix, best: int, others: Sequence[int], names: Sequence[str]) -> str:
    direct = [j for j in others if matrix.votes[best, j]]
    rates = [f"{names[j]} ({percent(float(matrix.rate[best, j]))} of {int(matrix.votes[best, j]):,})" for j in direct]
    return listed(rates + [f"{names[j]} (through others)" for j in others if j not in direct])


def _more(strengths: Strengths, best: int, rivals: Sequence[int]) -> str:
    """How far the nearest rival is from being told apart."""
    nearest = max(rivals, key=lambda j: float(strengths.theta[j]))
    more = more_votes(strengths, best, nearest)
    if more is None and not close(strengths, best, nearest):
        return "They are level so far, but these are too few votes to say that they are close."
    if more is None:
        return "They are so close that more votes will hardly tell them apart."
    return f"If it stays so, about {rounded(more):,} more votes like these would decide it."


def rounded(number: int) -> int:
    """Two leading digits: an estimate should not look like a count."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return ceil(number / step) * step


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _counted(number: int, noun: str) -> str:
    return f"this {noun}" if number == 1 else f"these {number} {noun}s"
