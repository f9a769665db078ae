"""What a study would ask for, before it is started: answers, items, judgements, hours, money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, comb

import numpy as np

from .design import Design
from .models import Rating
from .results import Judgements, Said, judgements_in
from .statistics.planning import Assumptions, Pairs, expected_reach, parts, plan_for_half_width
from .statistics.strengths.clusters import FEWEST

SECONDS_PER_RATING = 20.0  # until enough judgements tell
ENOUGH_RATINGS = 20
ENOUGH_AGAIN = 50  # judgements of items that somebody else judged too
LATEST = 2000
LONGEST = 300.0
"""Seconds that one judgement counts at most: who took longer was away."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What the latest judgements of all studies tell of the next ones. `judgements` 0: too few, and these are guesses.

    `seconds`: their mean. `ties` and `both_bad`: shares of all judgements. `rater_part` and `prompt_part`: of the
    variance of votes (statistics.planning); None where the judgements cannot tell.
    """

    seconds: float = SECONDS_PER_RATING
    ties: float = 0.0
    both_bad: float = 0.0
    judgements: int = 0
    rater_part: float | None = None
    prompt_part: float | None = None


def experience() -> Experience:
    """What the latest judgements tell, or guesses while there are few."""
    latest = judgements_in(Rating.objects.counted().order_by("-pk")[:LATEST])
    count = len(latest)
    if count < ENOUGH_RATINGS:
        return Experience()
    seconds = float(np.minimum(latest.seconds, LONGEST).mean())
    return Experience(
        seconds, latest.count(Said.TIE) / count, latest.count(Said.BOTH_BAD) / count, count, *_parts(latest)
    )


def _parts(latest: Judgements) -> tuple[float | None, float | None]:
    """The rater's and the prompt's part of the variance, where enough raters, or items rated again, tell of them."""
    votes = latest.votes(int(max(latest.a.max(), latest.b.max())) + 1)
    again = len(votes) - len(np.unique(latest.item))
    found = parts(votes)
    raters = len(np.unique(latest.rater))
    return found.rater if raters >= FEWEST else None, found.prompt if again >= ENOUGH_AGAIN else None


@dataclass(frozen=True)
class Estimate:
    """What a study would ask of its raters, before any pair is set aside.

    `raters`: how many may rate. `checks`: gold and attention items that the study begins with.
    """

    policies: int
    prompts: int
    item_limit: int
    ratings_per_item: int
    design: Design
    experience: Experience
    raters: int
    checks: int

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
        """Everything that raters judge, shared out among them: checks, each once a person, and repeats are on top."""
        raters = max(self.ratings_per_item, self.raters)  # nobody judges an item twice
        return round(self.ratings + raters * self.design.extras(self.ratings / raters, self.checks))

    @property
    def extra(self) -> int:
        """Checks and repeats."""
        return self.shown - self.ratings

    @property
    def hours(self) -> float:
        return self.shown * self.experience.seconds / 3600

    @property
    def minutes(self) -> int:
        return round(60 * self.hours)

    @property
    def money(self) -> float:
        """In the unit of the pay; 0 where nobody is paid."""
        return self.hours * self.design.hourly_pay

    @property
    def assumptions(self) -> Assumptions:
        """What is measured, and cautious guesses for the rest."""
        measured = {
            "rater_part": self.experience.rater_part,
            "prompt_part": self.experience.prompt_part,
            "ties": self.experience.ties if self.experience.judgements else None,
        }
        if not self.design.ties:
            measured["ties"] = 0.0
        return Assumptions(
            policies=self.policies,
            per_item=self.ratings_per_item,
            raters=max(1, self.raters),
            pairs=Pairs(self.design.selection.value),
            **{name: value for name, value in measured.items() if value is not None},
        )

    @property
    def speaks_of_others(self) -> bool:
        """Whether there are raters enough to speak of other raters like these."""
        return self.raters >= FEWEST

    @property
    def half_width(self) -> float | None:
        """Of the 95 % interval of a pair's win rate that is to be expected; None where nobody votes."""
        votes = self.ratings_per_pair * (1 - self.experience.both_bad)
        return min(0.5, expected_reach(votes, self.assumptions)) if votes >= 1 else None

    def needed(self, half_width: float) -> Needed:
        """What a wanted half-width takes."""
        plan = plan_for_half_width(half_width, self.assumptions)
        if plan.items is None:
            return Needed(half_width, None, plan.needed_raters)
        items = ceil(plan.items / (1 - self.experience.both_bad)) if self.experience.both_bad < 1 else plan.items
        return Needed(half_width, replace(self, item_limit=items), plan.needed_raters)


@dataclass(frozen=True, slots=True)
class Needed:
    """What a wanted precision takes: the study with as many items; None where no number of items reaches it."""

    half_width: float
    study: Estimate | None
    raters: int

    @property
    def items(self) -> int | None:
        return self.study.item_limit if self.study else None

    @property
    def is_possible(self) -> bool:
        """Whether the chosen prompts give as many items."""
        return self.study is not None and self.study.item_limit <= self.study.possible_items
