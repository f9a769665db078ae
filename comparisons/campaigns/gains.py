"""What a round of a campaign gained: how often its policies are preferred to the base and to the best before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.models import Contender, Prompt, Round, Study, StudyState
from comparisons.raters import left_out
from comparisons.results import Judgements, Look, judgements_of
from comparisons.results.standings import strengths_of
from comparisons.statistics.win_rates import win_matrix
from training.models import Policy


@dataclass(frozen=True, slots=True)
class Gain:
    """How often a policy's answer was preferred to the opponent's, ties as halves, with its 95 % interval."""

    policy: Policy
    opponent: Policy
    rate: float
    low: float
    high: float
    votes: int


@dataclass(frozen=True, slots=True)
class RoundGain:
    """The gains of a closed round. `held`: measured on prompts that never become data, and only on those.

    `best`: the strongest of its policies and of the best before, None where nobody preferred anything; `earlier`: the
    best of the round before.
    """

    round: Round
    best: Policy | None
    earlier: Policy | None
    against_base: list[Gain]
    against_best: list[Gain]
    held: bool

    @property
    def all(self) -> list[Gain]:
        return [*self.against_base, *self.against_best]


def gain_of(round: Round, earlier: Policy | None) -> RoundGain | None:
    """What the round gained, None until its study is closed. `earlier`: the best of the round before."""
    study = round.study
    if study is None or study.state != StudyState.CLOSED:
        return None
    contenders = list(study.contenders.select_related("policy__run"))
    judgements, held = measured(study)
    base = round.campaign.base
    made = [c for c in contenders if c.policy not in (base, earlier)]
    return RoundGain(
        round,
        _strongest(contenders, judgements, base),
        earlier,
        _against(contenders, made, base, judgements),
        _against(contenders, made, earlier, judgements) if earlier and earlier != base else [],
        held,
    )


def gains_of(rounds: Sequence[Round]) -> list[RoundGain]:
    """The gains of consecutive rounds, from the first on, as far as their studies are closed."""
    found: list[RoundGain] = []
    for round in rounds:
        gain = gain_of(round, found[-1].best if found else None)
        if gain is None:
            break
        found.append(gain)
    return found


def best_of(round: Round) -> Policy | None:
    """The policy that the round's judgements put first, the base left out; None without such a judgement."""
    if round.study is None or round.study.state != StudyState.CLOSED:
        return None
    contenders = list(round.study.contenders.select_related("policy__run"))
    return _strongest(contenders, measured(round.study)[0], round.campaign.base)


def measured(study: Study) -> tuple[Judgements, bool]:
    """The judgements that a gain is measured by: those on held prompts where there are any, and whether there are."""
    judgements = judgements_of(study, Look(excluded=left_out(study)))
    held = Prompt.objects.filter(suite__studies=study, suite__held_for_evaluation=True).values_list("pk", flat=True)
    chosen = np.isin(judgements.prompt, list(held))
    return (judgements.where(chosen), True) if chosen.any() else (judgements, False)


def _strongest(contenders: Sequence[Contender], judgements: Judgements, base: Policy) -> Policy | None:
    strengths = strengths_of(judgements.votes(len(contenders)), None)
    if strengths is None:
        return None
    order = np.argsort(-strengths.theta).tolist()
    return next((contenders[place].policy for place in order if contenders[place].policy != base), None)


def _against(
    contenders: Sequence[Contender], made: Sequence[Contender], opponent: Policy, judgements: Judgements
) -> list[Gain]:
    """Each of the made policies against one opponent; without a vote between two, nothing is said of them."""
    matrix = win_matrix(judgements.votes(len(contenders)))
    places = {contender.policy_id: place for place, contender in enumerate(contenders)}
    j = places.get(opponent.pk)
    if j is None:
        return []
    found = []
    for contender in made:
        i = places[contender.policy_id]
        if votes := int(matrix.votes[i, j]):
            rate, low, high = (float(part[i, j]) for part in (matrix.rate, matrix.low, matrix.high))
            found.append(Gain(contender.policy, opponent, rate, low, high, votes))
    return found
