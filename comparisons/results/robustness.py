"""What would change a study's result: equal style, a few votes, single raters or prompts, other groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.models import Answer, Contender, Study
from comparisons.remembered import columns_of, digest_of, remembered
from comparisons.statistics.controlled import Controlled, controlled
from comparisons.statistics.fragility import (
    Kind,
    first_place,
    fragility_words,
    leave_one_out,
    leave_one_out_words,
)
from comparisons.statistics.strengths.estimate import Interval, Strengths
from comparisons.statistics.style import FEATURES, Style, style_differences, style_of
from comparisons.statistics.votes import Floats, Ints, Votes

from .disagreeing import between_groups
from .judgements import EVERYTHING, Judgements, Look, Said, judgements_of, names_of
from .noise import WrongLabels, wrong_labels
from .pools import pools_of
from .settling import Settled, settled

LENGTH = FEATURES.index("length")


@dataclass(frozen=True, slots=True)
class AtEqualStyle:
    """One policy with all features of style held equal: strength, how far that moved it, rate before and now.

    `equally_long`: its strength with length alone held equal.
    """

    contender: Contender
    strength: Interval
    equally_long: Interval
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
    """Everything the page shows; empty where nobody voted. `effects` are of features in which some answers differ."""

    standings: list[AtEqualStyle]
    effects: list[Effect]
    carried_by: list[str]
    single: list[str]
    disagreements: list[str]
    votes: int
    settled: Settled | None = None
    wrong_labels: WrongLabels | None = None


NOTHING = Robustness([], [], [], [], [], 0)


@dataclass(frozen=True, slots=True)
class Question:
    """What would change the result of a study, or of the part that is looked at; `digest` names what it depends on."""

    study: Study
    look: Look
    contenders: list[Contender]
    judgements: Judgements
    digest: str

    @classmethod
    def of(cls, study: Study, look: Look = EVERYTHING) -> Question:
        contenders = list(study.contenders.select_related("policy__run"))
        judgements = judgements_of(study, look)
        also = (look.model, names_of(contenders), pools_of(study), look.pool)
        digest = digest_of("robustness", columns_of(judgements), also)
        return cls(study, look, contenders, judgements, digest)

    def answer(self) -> Robustness:
        """Refits the strengths some 300 times."""
        return _answer(self.study, self.look, self.contenders, self.judgements)


def robustness(study: Study, look: Look = EVERYTHING) -> Robustness:
    """The answer, remembered."""
    question = Question.of(study, look)
    return remembered("robustness", (), (question.digest,), question.answer)


def _answer(study: Study, look: Look, contenders: Sequence[Contender], judgements: Judgements) -> Robustness:
    cast = judgements.where(judgements.said != Said.BOTH_BAD)
    votes, names = judgements.votes(len(contenders)), names_of(contenders)
    if not len(votes):
        return NOTHING
    differences = _differences(study, contenders, cast)
    varied = np.flatnonzero(differences.any(axis=0)).tolist()
    equal = controlled(votes, differences[:, varied or [LENGTH]], look.model)
    equally_long = controlled(votes, differences[:, [LENGTH]], look.model)
    return Robustness(
        standings=_standings(contenders, equal, equally_long),
        effects=[Effect(FEATURES[number], value) for number, value in zip(varied, equal.effects, strict=False)],
        carried_by=list(_carried_by(votes, names, look)),
        single=[
            leave_one_out_words(leave_one_out(votes, kind, look.model), names) for kind in (Kind.RATER, Kind.PROMPT)
        ],
        disagreements=list(between_groups(study, votes, cast, names, look)),
        votes=len(votes),
        settled=settled(judgements, contenders),
        wrong_labels=wrong_labels(judgements),
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


def _standings(contenders: Sequence[Contender], equal: Controlled, equally_long: Controlled) -> list[AtEqualStyle]:
    rows = [
        AtEqualStyle(
            contender,
            _strength(equal.strengths, i),
            _strength(equally_long.strengths, i),
            equal.moves[i],
            equal.plain_rates[i],
            equal.rates[i],
        )
        for i, contender in enumerate(contenders)
    ]
    return sorted(rows, key=lambda row: -row.strength.value)


def _strength(strengths: Strengths, policy: int) -> Interval:
    return Interval(float(strengths.theta[policy]), *strengths.interval(policy))


def _carried_by(votes: Votes, names: Sequence[str], look: Look) -> Iterator[str]:
    """How few votes, raters and prompts carry the first place, in sentences."""
    for kind in Kind:
        if found := first_place(votes, kind, look.model):
            yield fragility_words(found, names)
