"""Strengths, who beats whom, and what is said of each kind of prompts and each pool of raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.models import Contender, Stratum, Study
from comparisons.statistics.strengths.estimate import Strengths, estimate
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.verdicts import place_words, places, until_decided, verdict
from comparisons.statistics.votes import Votes
from comparisons.statistics.win_rates import WinMatrix, WinRates, win_matrix, win_rates

from .judgements import STRATA, Judgements, Said, names_of
from .pools import pools_of


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy's strength (log-odds; 0 is the average of the study) and how often it was preferred, with intervals.

    `place`: the places that the votes leave open, all pairs considered: "1", or "1 to 3".
    """

    contender: Contender
    strength: float
    low: float
    high: float
    rate: float
    rate_low: float
    rate_high: float
    votes: int
    place: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy against another: how often the row's answer was preferred.

    `until`: whether that is decided, or how many more votes it takes.
    """

    opponent: Contender
    rate: float
    low: float
    high: float
    votes: int
    ties: int
    both_bad: int
    until: str = ""

    @property
    def lead(self) -> int:
        """How clearly the row wins, -3 to 3; 0 while the interval holds one half."""
        if self.low <= 0.5 <= self.high:
            return 0
        distance = abs(self.rate - 0.5)
        steps = 3 if distance >= 0.25 else 2 if distance >= 0.1 else 1
        return steps if self.rate > 0.5 else -steps


@dataclass(frozen=True, slots=True)
class Group:
    """What the votes on one kind of prompts, or of one pool, say. `key` is what the page's address calls it."""

    key: str
    label: str
    votes: int
    verdict: str


def strengths_of(votes: Votes, model: Model | None) -> Strengths | None:
    """Strengths, or None without a vote."""
    return estimate(votes, model) if len(votes) else None


def standings(contenders: Sequence[Contender], rates: WinRates, strengths: Strengths) -> list[Standing]:
    """Strongest first."""
    open_places = places(strengths)
    rows = [
        Standing(
            contender,
            float(strengths.theta[i]),
            *strengths.interval(i),
            float(rates.rate[i]),
            float(rates.low[i]),
            float(rates.high[i]),
            int(rates.votes[i]),
            place_words(open_places[i]),
        )
        for i, contender in enumerate(contenders)
        if rates.votes[i]
    ]
    return sorted(rows, key=lambda standing: -standing.strength)


def matrix_rows(
    contenders: Sequence[Contender], matrix: WinMatrix, judgements: Judgements, strengths: Strengths | None
) -> list[tuple[Contender, list[Cell | None]]]:
    """Rows and columns in the study's order; None where nobody compared, and on the diagonal."""
    neither = judgements.where(judgements.said == Said.BOTH_BAD)
    both_bad = np.zeros((len(contenders), len(contenders)), dtype=np.int64)
    np.add.at(both_bad, (neither.a, neither.b), 1)
    both_bad += both_bad.T

    def cell(i: int, j: int) -> Cell | None:
        if i == j or not (matrix.votes[i, j] or both_bad[i, j]):
            return None
        rate, low, high = float(matrix.rate[i, j]), float(matrix.low[i, j]), float(matrix.high[i, j])
        votes, ties, bad = int(matrix.votes[i, j]), int(matrix.ties[i, j]), int(both_bad[i, j])
        until = until_decided(strengths, i, j) if strengths else ""
        return Cell(contenders[j], rate, low, high, votes, ties, bad, until)

    numbers = range(len(contenders))
    return [(contenders[i], [cell(i, j) for j in numbers]) for i in numbers]


def by_stratum(contenders: Sequence[Contender], judgements: Judgements, model: Model | None) -> list[Group]:
    """A verdict for each kind of prompts, where there are several."""
    present = np.unique(judgements.stratum).tolist()
    parts = [(STRATA[code], Stratum(STRATA[code]).label, judgements.stratum == code) for code in present]
    groups = ((key, label, judgements.where(chosen)) for key, label, chosen in parts)
    return [_group(key, label, part, contenders, model) for key, label, part in groups] if len(present) > 1 else []


def by_pool(study: Study, contenders: Sequence[Contender], judgements: Judgements, model: Model | None) -> list[Group]:
    """A verdict of each pool of which somebody judged, where there are several, and of what pools share."""
    parts = ((pool, judgements.where(np.isin(judgements.rater, list(pool.members)))) for pool in pools_of(study))
    found = [_group(pool.slug, pool.name, part, contenders, model) for pool, part in parts if len(part)]
    return found if len(found) > 1 else []


def _group(key: str, label: str, part: Judgements, contenders: Sequence[Contender], model: Model | None) -> Group:
    votes = part.votes(len(contenders))
    told = verdict(strengths_of(votes, model), win_matrix(votes), names_of(contenders))
    return Group(key, label, len(votes), told)


def rates_of(votes: Votes) -> WinRates:
    """How often each policy was preferred."""
    return win_rates(votes)
