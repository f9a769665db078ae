"""What a study would ask for, before it is started: answers, items, judgements, hours, money."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import comb

from .design import Design
from .models import Choice, Rating

SECONDS_PER_RATING = 20.0  # until enough judgements tell
ENOUGH_RATINGS = 20
LATEST = 2000
LONGEST = 300.0
"""Seconds that one judgement counts at most: who took longer was away."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the latest judgements of all studies tell of the next ones. `judgements` 0: too few, and these are guesses.

    `seconds`: their mean. `ties` and `both_bad`: shares of all judgements.
    """

    seconds: float = SECONDS_PER_RATING
    ties: float = 0.0
    both_bad: float = 0.0
    judgements: int = 0


def pace() -> Pace:
    """The pace of the latest judgements, or guesses while there are few."""
    latest = Rating.objects.counted().order_by("-pk").values_list("seconds", "choice")[:LATEST]
    rows = list(latest)
    if len(rows) < ENOUGH_RATINGS:
        return Pace()
    said = Counter(choice for _, choice in rows)
    count = len(rows)
    seconds = sum(min(taken, LONGEST) for taken, _ in rows) / count
    return Pace(seconds, said[Choice.TIE] / count, said[Choice.BOTH_BAD] / count, count)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a study would ask of its raters, before any pair is set aside."""

    policies: int
    prompts: int
    item_limit: int
    ratings_per_item: int
    design: Design
    pace: Pace

    @property
    def pairs(self) -> int:
        return comb(self.policies, 2)

    @property
    def answers(self) -> int:
        return self.policies * self.prompts

    @property
    def possible_items(self) -> int:
        """All pairs of policies on all prompts."""
        return self.pairs * self.prompts

    @property
    def items(self) -> int:
        return min(self.item_limit, self.possible_items) if self.item_limit else self.possible_items

    @property
    def ratings(self) -> int:
        """Judgements of comparisons."""
        return self.items * self.ratings_per_item

    @property
    def ratings_per_pair(self) -> float:
        return self.ratings / self.pairs if self.pairs else 0.0

    @property
    def shown(self) -> int:
        """Everything that raters judge: checks and repeats are on top."""
        return round(self.ratings * (1 + self.design.extra_share))

    @property
    def extra(self) -> int:
        """Checks and repeats."""
        return self.shown - self.ratings

    @property
    def hours(self) -> float:
        return self.shown * self.pace.seconds / 3600

    @property
    def minutes(self) -> int:
        return round(60 * self.hours)

    @property
    def money(self) -> float:
        """In the unit of the pay; 0 where nobody is paid."""
        return self.hours * self.design.hourly_pay
