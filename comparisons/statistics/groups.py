"""Whether groups of votes, such as strata of prompts or pools of raters, disagree about policies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from .strengths.clusters import clusters_of
from .strengths.evidence import weigh
from .strengths.models import Model
from .strengths.simultaneous import critical_values
from .votes import Ints, Votes


@dataclass(frozen=True, slots=True)
class Disagreement:
    """By how much the gap between policies `one` and `other` is larger in group `here` than in `there`, in log-odds.

    `low` and `high` are its 95 % interval alone; `certain`: an interval that holds for all pairs of policies and groups
    at once excludes 0.
    """

    one: int
    other: int
    here: int
    there: int
    value: float
    low: float
    high: float
    certain: bool


def disagreements(votes: Votes, group: Ints, model: Model | None = None) -> list[Disagreement]:
    """(θi - θj in one group) - (θi - θj in another) for all pairs of policies and of groups, the surest first.

    One model with a strength for every policy in every group and one tie parameter; raters and prompts that stand in
    several groups tie the groups' errors together, which clustering of the whole takes into account.
    """
    groups = clusters_of(group)
    names = np.unique(group)
    apart = replace(
        votes,
        left=groups.code * votes.policies + votes.left,
        right=groups.code * votes.policies + votes.right,
        policies=groups.count * votes.policies,
    )
    evidence = weigh(apart, model)
    pairs = [(i, j) for i in range(votes.policies) for j in range(i + 1, votes.policies)]
    crossings = [
        (i, j, here, there)
        for here in range(groups.count)
        for there in range(here + 1, groups.count)
        for i, j in pairs
        if all(evidence.comparable[of * votes.policies + i, of * votes.policies + j] for of in (here, there))
    ]
    if not crossings:
        return []
    contrasts = np.zeros((len(crossings), evidence.size))
    for row, (i, j, here, there) in zip(contrasts, crossings, strict=True):
        row[here * votes.policies + i] = row[there * votes.policies + j] = 1.0
        row[here * votes.policies + j] = row[there * votes.policies + i] = -1.0
    value, errors = contrasts @ evidence.found.parameters, evidence.errors(contrasts)
    spread = -stdtrit(errors.freedom, 0.025) * errors.error
    critical = critical_values(evidence.own_covariance(contrasts), errors.freedom)
    ratio = np.abs(value) / errors.error
    found = [
        Disagreement(
            i, j, int(names[here]), int(names[there]), float(value[row]), float(value[row] - spread[row]),
            float(value[row] + spread[row]), bool(ratio[row] > critical[row]),
        )
        for row, (i, j, here, there) in enumerate(crossings)
    ]  # fmt: skip
    return [found[row] for row in np.argsort(-ratio / critical)]
