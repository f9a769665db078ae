"""What would change a study's result: equal style, a few votes, single raters or prompts, other groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.models import Answer, Contender, Stratum, Study
from comparisons.statistics.controlled import Controlled, controlled
from comparisons.statistics.fragility import (
    Kind,
    first_place,
    fragility_words,
    leave_one_out,
    leave_one_out_words,
)
from comparisons.statistics.groups import disagreements
from comparisons.statistics.strengths.estimate import Interval
from comparisons.statistics.style import FEATURES, Style, style_differences, style_of
from comparisons.statistics.votes import Floats, Ints, Votes

from .judgements import EVERYTHING, STRATA, Judgements, Look, Said, judgements_of, names_of
from .settling import Settled, settled

MOST_DISAGREEMENTS = 6


@dataclass(frozen=True, slots=True)
class AtEqualStyle:
    """One policy with all features of style held equal: strength, how far that moved it, rate before and now."""

    contender: Contender
    strength: Interval
    move: Interval
    plain_rate: Interval
    rate: Interval

    @property
    def moved(self) -> bool:
        """Whether style surely helped or harmed it."""
        return not self.move.low <= 0 <= self.move.high


@dataclass(frozen=True, slots=True)
class Effect:
    """What a feature of style is worth, in log-odds for its usual difference."""

    feature: str
    value: Interval

    @property
    def counts(self) -> bool:
        return not self.value.low <= 0 <= self.value.high


@dataclass(frozen=True, slots=True)
class Robustness:
    """Everything the page shows; empty where nobody voted."""

    standings: list[AtEqualStyle]
    effects: list[Effect]
    carried_by: list[str]
    single: list[str]
    disagreements: list[str]
    votes: int
    settled: Settled | None = None


def robustness(study: Study, look: Look = EVERYTHING) -> Robustness:
    """Ask what would change the result; refits the strengths some hundred times."""
    contenders = list(study.contenders.select_related("policy__run"))
    judgements = judgements_of(study, look)
    cast = judgements.where(judgements.said != Said.BOTH_BAD)
    votes, names = judgements.votes(len(contenders)), names_of(contenders)
    if not len(votes):
        return Robustness([], [], [], [], [], 0)
    equal = controlled(votes, _differences(study, contenders, cast), look.model)
    return Robustness(
        standings=_standings(contenders, equal),
        effects=[Effect(name, value) for name, value in zip(FEATURES, equal.effects, strict=True)],
        carried_by=list(_carried_by(votes, names, look)),
        single=[
            leave_one_out_words(leave_one_out(votes, kind, look.model), names) for kind in (Kind.RATER, Kind.PROMPT)
        ],
        disagreements=_between_strata(votes, cast, names, look),
        votes=len(votes),
        settled=settled(judgements, contenders),
    )


def _differences(study: Study, contenders: Sequence[Contender], cast: Judgements) -> Floats:
    """(n, F): how the left answer of every vote differs from the right one in style."""
    place = {contender.pk: number for number, contender in enumerate(contenders)}
    rows = Answer.objects.filter(contender__study=study, prompt__in=np.unique(cast.prompt).tolist())
    styles = {
        (prompt, place[contender]): style_of(text, tokens or None)
        for prompt, contender, text, tokens in rows.values_list("prompt", "contender", "text", "tokens").iterator()
        if contender
    }

    def of(side: Ints) -> list[Style]:
        return [styles[one] for one in zip(cast.prompt.tolist(), side.tolist(), strict=True)]

    return style_differences(of(cast.a), of(cast.b))


def _standings(contenders: Sequence[Contender], equal: Controlled) -> list[AtEqualStyle]:
    strengths = equal.strengths
    rows = [
        AtEqualStyle(
            contender,
            Interval(float(strengths.theta[i]), *strengths.interval(i)),
            equal.moves[i],
            equal.plain_rates[i],
            equal.rates[i],
        )
        for i, contender in enumerate(contenders)
    ]
    return sorted(rows, key=lambda row: -row.strength.value)


def _carried_by(votes: Votes, names: Sequence[str], look: Look) -> Iterator[str]:
    """How few votes, raters and prompts carry the first place, in sentences."""
    for kind in Kind:
        if found := first_place(votes, kind, look.model):
            yield fragility_words(found, names)


def _between_strata(votes: Votes, cast: Judgements, names: Sequence[str], look: Look) -> list[str]:
    """Where kinds of prompts surely disagree about two policies, in sentences."""
    if len(np.unique(cast.stratum)) < 2:
        return []
    found = [one for one in disagreements(votes, cast.stratum, look.model) if one.certain]
    return [
        f"{names[one.one]} stands better against {names[one.other]} on "
        f"“{_label(one.here if one.value > 0 else one.there)}” than on "
        f"“{_label(one.there if one.value > 0 else one.here)}” prompts."
        for one in found[:MOST_DISAGREEMENTS]
    ]


def _label(stratum: int) -> str:
    return Stratum(STRATA[stratum]).label.lower()
