"""How many votes a question takes: before a study starts, and while it runs.

Before: the variance of a pair's win rate over n votes, every item a prompt of its own judged by k raters, R raters in
all, is v · ((1 - r - q) / n + r / R + q k / n), with v = p (1 - p) - t/4 for win rate p and share t of ties, r the part
of the variance that is the rater's (votes of one rater on one pair correlate by r) and q the part that is the prompt's.
The rater's part does not shrink with votes, only with raters. With fewer than FEWEST raters intervals speak of these
alone, and it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from .strengths.clusters import FEWEST, clusters_of
from .strengths.estimate import Strengths
from .votes import Floats, Ints, Votes, sums_by

POWER = 0.8
"""Chance of finding a difference that is there."""
MOST = 100_000
"""More votes than this per pair is as good as never."""


class Pairs(StrEnum):
    """How pairs are chosen: drawn evenly, dealt evenly, or by expected information."""

    UNIFORM = "uniform"
    BALANCED = "balanced"
    INFORMED = "informed"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is assumed of a study that has not started. `rater_part` and `prompt_part` are r and q above.

    The defaults of both are cautious guesses for open chat; `parts(votes)` measures them on a study that is over.
    `price` is per hour of rating, in any currency.
    """

    policies: int = 2
    per_item: int = 3
    raters: int = 10
    ties: float = 0.2
    win_rate: float = 0.5
    rater_part: float = 0.02
    prompt_part: float = 0.1
    seconds: float = 45.0
    price: float = 0.0
    pairs: Pairs = Pairs.BALANCED

    @property
    def pair_count(self) -> int:
        return self.policies * (self.policies - 1) // 2

    @property
    def sampled_part(self) -> float:
        """r, or 0 where the raters are no sample."""
        return self.rater_part if self.raters >= FEWEST else 0.0

    @property
    def vote_variance(self) -> float:
        """v: of a single vote, a tie as half a win."""
        return self.win_rate * (1 - self.win_rate) - self.ties / 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a wanted precision takes, all pairs together; `votes` is None where no number of votes reaches it.

    `needed_raters`: with fewer, the precision cannot be reached in what is said of other raters like these.
    `design_effect`: how many times as many votes as if all were independent.
    """

    votes: int | None
    votes_per_pair: int | None
    items: int | None
    hours: float | None
    money: float | None
    design_effect: float | None
    needed_raters: int


def plan_for_half_width(reach: float, given: Assumptions) -> Plan:
    """Votes for which the 95 % interval of every pair's win rate is ± reach."""
    if reach <= 0:
        raise ValueError("The wanted precision must be above 0.")
    needed = _least_raters(reach, given)
    count = _least_votes(reach, given)
    if count is None:
        return Plan(None, None, None, None, None, None, needed)
    independent = given.vote_variance * (_quantile(np.inf) / reach) ** 2
    mean = _dealt(count, given)
    total = given.per_item * ceil(mean / given.per_item) * given.pair_count
    hours = total * given.seconds / 3600
    items = total // given.per_item
    return Plan(total, count, items, hours, hours * given.price, count / max(1.0, independent), needed)


def expected_reach(votes: float, given: Assumptions) -> float:
    """Half-width of the interval of a pair's win rate after so many votes of the pair.

    Student's t stands for few raters: its freedom is Satterthwaite's, of raters' means beside everything else.
    """
    by_rater = given.vote_variance * given.sampled_part / min(given.raters, max(votes, 1))
    rest = 1 - given.rater_part - given.prompt_part + given.prompt_part * given.per_item
    by_vote = given.vote_variance * rest / votes
    prompts = max(2.0, votes / given.per_item)
    spread = by_rater**2 / max(1, given.raters - 1) + by_vote**2 / (prompts - 1)
    freedom = max(1.0, (by_rater + by_vote) ** 2 / spread)
    return _quantile(freedom) * sqrt(by_rater + by_vote)


def _least_votes(reach: float, given: Assumptions) -> int | None:
    """The fewest votes of a pair with which the reach is met, by bisection; None beyond MOST."""
    low, high = 1, MOST
    if expected_reach(high, given) > reach:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if expected_reach(middle, given) <= reach else (middle + 1, high)
    return low


def _least_raters(reach: float, given: Assumptions) -> int:
    """The fewest raters, FEWEST or more, with whom endless votes would meet the reach for other raters too."""
    least = FEWEST
    while _quantile(least - 1) * sqrt(given.vote_variance * given.rater_part / least) > reach:
        least += 1
    return least


def _quantile(freedom: float) -> float:
    """How many errors wide half a 95 % interval is."""
    return float(-stdtrit(freedom, 0.025))


def _dealt(votes: int, given: Assumptions) -> int:
    """Votes per pair on average so that every pair gets `votes`; drawn evenly, the unluckiest pair gets fewer.

    The count of a pair is nearly Poisson: mean - z · sqrt(mean) ≥ votes, z so that with 90 % chance all pairs meet it.
    """
    if given.pairs is not Pairs.UNIFORM or given.pair_count == 1:
        return votes
    z = float(ndtri(1 - 0.1 / given.pair_count))
    return ceil(((z + sqrt(z * z + 4 * votes)) / 2) ** 2)


# --- Measured on votes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parts:
    """Of the variance of votes on one pair: the rater's part, the prompt's part; and the share of ties."""

    rater: float
    prompt: float
    ties: float


def parts(votes: Votes) -> Parts:
    """Intraclass correlations by moments: mean product of the deviations of two votes that share a rater but no prompt,
    or a prompt but no rater, over the mean square; votes of one pair of policies. 0 where nothing can be compared."""
    first = votes.left < votes.right
    pair = np.where(first, votes.left * votes.policies + votes.right, votes.right * votes.policies + votes.left)
    pair = clusters_of(pair).code
    score = np.where(first, votes.score, 1 - votes.score)
    size = np.bincount(pair).astype(float)
    off = score - (sums_by(pair, score, len(size)) / size)[pair]
    square = float((off**2).mean()) if len(off) else 0.0
    rater, prompt = clusters_of(votes.rater), clusters_of(votes.prompt)
    same_both = _products(off, (pair * rater.count + rater.code) * prompt.count + prompt.code)
    found = [_products(off, pair * way.count + way.code) for way in (rater, prompt)]
    shares = [
        float(np.clip((total - same_both[0]) / (pairs - same_both[1]) / square, 0, 1))
        if square and pairs > same_both[1]
        else 0.0
        for total, pairs in found
    ]
    return Parts(shares[0], shares[1], float((votes.score == 0.5).mean()) if len(votes) else 0.0)


def _products(off: Floats, code: Ints) -> tuple[float, float]:
    """Sum of off_u · off_v over ordered pairs u ≠ v with the same code, and the number of such pairs."""
    way = clusters_of(code)
    size = np.bincount(way.code).astype(float)
    return float((sums_by(way.code, off, way.count) ** 2).sum() - (off**2).sum()), float((size * (size - 1)).sum())


# --- While a study runs -----------------------------------------------------------------------------------------------


def votes_to_decide(difference: float, error: float, votes: int, critical: float) -> int | None:
    """About how many more votes let the interval of a difference exclude 0, with 80 % chance, if the difference is so.

    A standard error shrinks with the root of the votes, if raters and prompts grow with them:
    n = votes · ((critical + z.80) · error / difference)². None where the difference is so small that n is over MOST.
    """
    if abs(difference) < 1e-9:
        return None
    needed = votes * ((critical + float(ndtri(POWER))) * error / difference) ** 2
    return max(1, ceil(needed - votes)) if needed <= MOST else None


def more_votes(strengths: Strengths, i: int, j: int) -> int | None:
    """How many more votes of the study, spread as so far, would tell i from j; 0 if told, None if hardly ever.

    The critical value is that of many raters and prompts at the level which all pairs together demand today.
    """
    if strengths.decided(i, j):
        return 0
    if not strengths.comparable[i, j]:
        return None
    tail = stdtr(strengths.gap_freedom[i, j], -strengths.critical[i, j])
    gap = strengths.difference(i, j).value
    return votes_to_decide(gap, float(strengths.gap_error[i, j]), strengths.votes, float(-ndtri(tail)))


@dataclass(frozen=True, slots=True)
class WidePair:
    """A pair whose interval is still wider than the stop rule allows, in shares of wins (0.1 is ten points)."""

    one: int
    other: int
    width: float


def wide_pairs(strengths: Strengths, width: float) -> list[WidePair]:
    """Pairs whose 95 % interval of the chance of winning is not narrower than `width`, the widest first.

    The stop rule holds when none is left. Stopping at a width does not look at who is ahead, so intervals stay honest
    (Chow & Robbins 1965); stopping when a pair is decided would not.
    """
    count = len(strengths.theta)
    found = []
    for i in range(count):
        for j in range(i + 1, count):
            chance = strengths.win_probability(i, j)
            if not chance.high - chance.low < width:
                found.append(WidePair(i, j, chance.high - chance.low))
    return sorted(found, key=lambda pair: -pair.width)
