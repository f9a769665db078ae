"""Where kinds of prompts, or pools of raters, surely disagree about two policies, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from comparisons.models import Stratum, Study
from comparisons.statistics.groups import Disagreement, disagreements
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.votes import Ints, Votes

from .judgements import STRATA, Judgements, Look
from .pools import only_pool, partitions, pools_of

MOST = 6
"""Sentences about each way of telling groups apart, the surest first."""


def between_groups(study: Study, votes: Votes, cast: Judgements, names: Sequence[str], look: Look) -> Iterator[str]:
    """Of votes and the judgements they are: between strata, between pools, and between what pools share.

    Raters of several pools, or of none, belong to no side.
    """
    for one, better, worse in _certain(votes, cast.stratum, look.model):
        yield f"{_told(one, names)} on “{_label(better)}” than on “{_label(worse)}” prompts."
    for pools in partitions(pools_of(study)) if look.pool is None else []:
        place = only_pool(cast.rater, pools)
        for one, better, worse in _certain(votes.where(place >= 0), place[place >= 0], look.model):
            here, there = pools[better].name, pools[worse].name
            yield f"{_told(one, names)} with raters of “{here}” than with those of “{there}”."


def _certain(votes: Votes, group: Ints, model: Model | None) -> Iterator[tuple[Disagreement, int, int]]:
    """The surest disagreements with the group in which the first policy stands better, and the one in which worse."""
    if len(np.unique(group)) < 2:
        return
    for one in [found for found in disagreements(votes, group, model) if found.certain][:MOST]:
        yield (one, one.here, one.there) if one.value > 0 else (one, one.there, one.here)


def _told(one: Disagreement, names: Sequence[str]) -> str:
    return f"{names[one.one]} stands better against {names[one.other]}"


def _label(stratum: int) -> str:
    return Stratum(STRATA[stratum]).label.lower()
