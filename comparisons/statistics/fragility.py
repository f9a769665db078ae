"""How few votes, raters or prompts carry a result.

The effect of leaving a vote out is, to first order, minus its influence: contrast · inverse information · score
(Broderick, Giordano & Meager 2020, "approximate maximum influence perturbation"). The votes with the largest influence
in favour of a result are left out until it turns; the model is then fitted again without them, and the set is made
larger, from new influences, or smaller, until it is the smallest of these that really turns it. What is reported has
been refitted, so it is never too good; a still smaller set that is not found this way may exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse

from .strengths.clusters import Clusters, clusters_of, pull_of, scores_by_cluster
from .strengths.evidence import Evidence, suitable, weigh, with_half_wins
from .strengths.fitting import Fit, comparisons_of, counted, fit
from .strengths.graph import compared, maximum_exists, reachable
from .strengths.models import Model
from .verdicts import listed
from .votes import Bools, Floats, Ints, Votes

MOST_ROUNDS = 12
TRIED = 3
"""Rivals of the first policy that are tried, those that by first order need the fewest."""
EQUAL = 1e-9
"""Strengths that differ by less, in log-odds, are equal but for rounding."""
EACH = 200
"""So many clusters are left out one by one; of more, those with the largest influence on any pair."""


class Kind(StrEnum):
    """What is left out."""

    VOTE = "vote"
    RATER = "rater"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Fragility:
    """The smallest set found without which `other` is ahead of `ahead`: `removed` of `total` votes, raters or prompts.

    `members`: their places for votes, else their ids; `removed` is None where no set short of all does it.
    """

    kind: Kind
    ahead: int
    other: int
    removed: int | None
    total: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Range of θi - θj (K, K) when each rater, or each prompt, is left out in turn, and how often each policy is first.

    `turning`: ids without whom another policy is first than with all; `linking`: ids without whom some policies are no
    longer comparable, which tells nothing of ranges; `tried`: how many were left out.
    """

    kind: Kind
    low: Floats
    high: Floats
    first: dict[int, int]
    turning: tuple[int, ...]
    linking: tuple[int, ...]
    tried: int


def first_place(votes: Votes, kind: Kind, model: Model | None = None) -> Fragility | None:
    """What it takes for another policy to be first; None where policies are not all comparable."""
    evidence = weigh(votes, model)
    if not evidence.comparable.all():
        return None
    theta = evidence.found.parameters[: votes.policies]
    best, units = int(np.argmax(theta)), _units(votes, kind)
    scores = scores_by_cluster(evidence.pull, units)

    def guess(other: int) -> int:
        return _number(_influence(scores, evidence.found, best, other), float(theta[best] - theta[other]))

    nearest = sorted((j for j in range(votes.policies) if j != best), key=guess)[:TRIED]
    found = [_fragile(votes, evidence, kind, best, other) for other in nearest]
    return min(found, key=lambda one: one.removed if one.removed is not None else len(votes) + 1)


def leave_one_out(votes: Votes, kind: Kind, model: Model | None = None) -> LeaveOneOut:
    """Refit without each rater, or each prompt; of many, without the EACH that matter most to any pair."""
    evidence, units, ids = weigh(votes, model), _units(votes, kind), _ids(votes, kind)
    influence = scores_by_cluster(evidence.pull, units) @ (evidence.gaps() @ evidence.found.inverse).T
    chosen = np.argsort(-np.abs(influence).max(axis=1), kind="stable")[:EACH]
    tried = {int(ids[one]): _without(votes, units.code == one, evidence) for one in chosen}
    fits = {one: found.parameters[: votes.policies] for one, found in tried.items() if found}
    gaps = np.array([np.subtract.outer(theta, theta) for theta in fits.values()])
    if not len(gaps):
        gaps = np.full((1, votes.policies, votes.policies), np.nan)
    best = int(np.argmax(evidence.found.parameters[: votes.policies]))
    leaders = {one: int(np.argmax(theta)) for one, theta in fits.items()}
    return LeaveOneOut(
        kind,
        low=gaps.min(axis=0),
        high=gaps.max(axis=0),
        first=dict(Counter(leaders.values())),
        turning=tuple(one for one, leader in leaders.items() if leader != best),
        linking=tuple(one for one, found in tried.items() if not found),
        tried=len(tried),
    )


def _units(votes: Votes, kind: Kind) -> Clusters:
    if kind is Kind.VOTE:
        return Clusters(np.arange(len(votes)), len(votes))
    return clusters_of(votes.rater if kind is Kind.RATER else votes.prompt)


def _ids(votes: Votes, kind: Kind) -> Ints:
    """What each unit is called: its place for a vote, else its id."""
    if kind is Kind.VOTE:
        return np.arange(len(votes))
    return np.unique(votes.rater if kind is Kind.RATER else votes.prompt)


def _influence(scores: sparse.csr_array, found: Fit, ahead: int, other: int) -> Floats:
    """How much each unit adds to θ_ahead - θ_other, to first order, (units,)."""
    contrast = np.zeros(len(found.parameters))
    contrast[ahead], contrast[other] = 1.0, -1.0
    influence: Floats = scores @ (found.inverse @ contrast)
    return influence


def _number(influence: Floats, gap: float) -> int:
    """The least number of largest influences whose sum exceeds the gap; all that help where that is not enough."""
    helping = np.sort(influence[influence > 0])[::-1]
    return min(int(np.searchsorted(np.cumsum(helping), gap, side="right")) + 1, max(1, len(helping)))


def _fragile(votes: Votes, evidence: Evidence, kind: Kind, ahead: int, other: int) -> Fragility:
    units, ids = _units(votes, kind), _ids(votes, kind)
    order = _turning(votes, evidence, units, ahead, other)
    if order is None:
        return Fragility(kind, ahead, other, None, units.count, ())
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        gap = _gap(_without(votes, _members(units, order[:middle]), evidence), ahead, other)
        low, high = (low, middle) if gap < -EQUAL else (middle + 1, high)
    return Fragility(kind, ahead, other, high, units.count, tuple(int(ids[one]) for one in order[:high]))


def _turning(votes: Votes, evidence: Evidence, units: Clusters, ahead: int, other: int) -> Ints | None:
    """Units in the order in which they are left out until θ_ahead < θ_other; None if that never happens."""
    order, found = np.zeros(0, dtype=np.int64), evidence.found
    for _ in range(MOST_ROUNDS):
        scores = scores_by_cluster(pull_of(comparisons_of(votes), found), units)
        influence = _influence(scores, found, ahead, other)
        influence[order] = 0.0
        number = _number(influence, _gap(found, ahead, other))
        following = np.argsort(-influence, kind="stable")[:number]
        order = np.concatenate([order, following[influence[following] > 0]])
        if len(order) == units.count or not (influence[following] > 0).any():
            return None
        without = _without(votes, _members(units, order), evidence)
        if without is None:
            return None
        if _gap(without, ahead, other) < -EQUAL:
            return order
        found = without
    return None


def _members(units: Clusters, chosen: Ints) -> Bools:
    """Which votes belong to the chosen units, (n,)."""
    inside = np.zeros(units.count, dtype=bool)
    inside[chosen] = True
    return inside[units.code]


def _gap(found: Fit | None, ahead: int, other: int) -> float:
    return float(found.parameters[ahead] - found.parameters[other]) if found else np.inf


def _without(votes: Votes, gone: Bools, evidence: Evidence) -> Fit | None:
    """The fit to what is left, with half wins where needed; None where fewer policies are comparable than before."""
    left = votes.where(~gone)
    rows, model = counted(left), suitable(left, evidence.found.model)
    if not (reachable(compared(rows)) == evidence.comparable).all():
        return None
    needed = evidence.corrected or not maximum_exists(rows, model)
    start = evidence.found.parameters if model is evidence.found.model else None
    return fit(with_half_wins(rows) if needed else rows, model, start=start)


# --- In words ---------------------------------------------------------------------------------------------------------


def fragility_words(found: Fragility, names: Sequence[str]) -> str:
    """How many carry a result, in a sentence."""
    ahead, other, many = names[found.ahead], names[found.other], f"{found.kind}s"
    if found.removed is None:
        return f"However many {many} are left out, {other} does not come before {ahead}."
    share = 100 * found.removed / found.total
    noun = found.kind.value if found.removed == 1 else many
    return f"Without {found.removed:,} {noun} of {found.total:,} ({share:.2g} %) {other} would come before {ahead}."


def leave_one_out_words(found: LeaveOneOut, names: Sequence[str]) -> str:
    """Whether a single rater or prompt decides who is first, in a sentence."""
    tried = f"of the {found.tried:,} {found.kind}s that were left out in turn"
    if found.linking and not found.first:
        return f"Without any one {found.kind} some policies could no longer be compared."
    if not found.turning:
        best = names[max(found.first, key=lambda policy: found.first[policy])]
        return f"{best} is first whichever {found.kind} is left out."
    counts = sorted(found.first.items(), key=lambda one: -one[1])
    told = listed([f"{names[policy]} ({count:,})" for policy, count in counts])
    return f"Who is first hangs on single {found.kind}s: {told} {tried}."
