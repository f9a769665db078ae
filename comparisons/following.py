"""Everything the page of a study's raters shows: each of them, all together, and one beside another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .models import Rating, Study
from .raters import ENOUGH_RATERS, RaterProfile, Scatter, judgements_of, labels_of, rater_profiles, scatter
from .remembered import remembered
from .statistics.aggregation.mace import mace
from .statistics.agreement import Agreement, between_raters, cohen_kappa
from .statistics.raters import Judgements, Profile, overall
from .statistics.shares import Share, share

MOST_PAIRS = 40
"""Pairs of raters that are shown, those first that judged the most in common."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How somebody's counted judgements came about, as their browser said; None where it said nothing.

    `to_the_end`: both answers were read to the end; `away`: the page was out of sight meanwhile. `strengths`: of the
    preferences that say how much, slightly, clearly and by far.
    """

    to_the_end: Share | None
    away: Share | None
    strengths: tuple[Share | None, ...]


@dataclass(frozen=True, slots=True)
class RaterPair:
    """Two people who judged the same items: how often they said the same, and κ, which takes off what chance gives."""

    one: str
    other: str
    alike: Share
    kappa: Agreement


@dataclass(frozen=True, slots=True)
class Detail:
    """What is known of one rater beyond the first table; `knows`: MACE's share of items on which they do not guess."""

    row: RaterProfile
    reading: Reading
    knows: float | None


@dataclass(frozen=True, slots=True)
class Followed:
    """Everything the page shows; `unshown` pairs of raters judged fewer items in common than those that are shown."""

    rows: list[RaterProfile]
    details: list[Detail]
    everybody: Profile
    pairs: list[RaterPair]
    unshown: int
    scatter: Scatter


def follow(study: Study) -> Followed:
    """Read the study's judgements once, and ask everything of them."""
    judgements = judgements_of(study)
    rows = rater_profiles(study, judgements)
    pairs, found = rater_pairs(judgements, {row.user.pk: row.user.username for row in rows})
    knows, reading = _knows(judgements), readings(study)
    details = [Detail(row, reading[row.user.pk], knows.get(row.user.pk)) for row in rows]
    return Followed(rows, details, overall(judgements), pairs, found - len(pairs), scatter(rows))


def rater_pairs(judgements: Judgements, names: dict[int, str]) -> tuple[list[RaterPair], int]:
    """Pairs of raters who judged the same, MOST_PAIRS at most, and how many pairs there are."""
    plain = judgements.of(judgements.plain)
    found = between_raters(plain.item, plain.rater, plain.said)
    ones, others = np.nonzero(np.triu(found.units, k=1))
    order = np.argsort(-found.units[ones, others], kind="stable")[:MOST_PAIRS]
    rows = []
    for one, other in zip(ones[order].tolist(), others[order].tolist(), strict=True):
        value, low, high = (float(column[one, other]) for column in (found.share, found.low, found.high))
        alike = Share(value, low, high, int(found.units[one, other]))
        ids = int(found.raters[one]), int(found.raters[other])
        rows.append(RaterPair(names[ids[0]], names[ids[1]], alike, cohen_kappa(*_in_common(plain, *ids))))
    return rows, len(ones)


def _in_common(plain: Judgements, one: int, other: int) -> tuple[Any, Any]:
    """What each said of the items that both judged, in the same order."""
    first, second = (plain.of(plain.rater == rater) for rater in (one, other))
    _, here, there = np.intersect1d(first.item, second.item, assume_unique=True, return_indices=True)
    return first.said[here], second.said[there]


def _knows(judgements: Judgements) -> dict[int, float]:
    """Rater -> competence by MACE, with as many raters as accuracy by consensus takes."""
    labels = labels_of(judgements)
    if len(labels.rater_ids) < ENOUGH_RATERS:
        return {}
    columns = labels.item, labels.rater, labels.label
    found = remembered("competence", columns, (), lambda: mace(labels, symmetric=True).competence)
    return dict(zip(labels.rater_ids.tolist(), found.tolist(), strict=True))


def readings(study: Study) -> defaultdict[int, Reading]:
    """Rater -> how their counted judgements came about."""
    rows = Rating.objects.counted().filter(assignment__item__study=study)
    said: defaultdict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for rater, strength, reading in rows.values_list("assignment__rater", "strength", "reading").iterator():
        said[rater].append((strength, reading))
    return defaultdict(lambda: _reading([]), {rater: _reading(own) for rater, own in said.items()})


def _reading(said: Sequence[tuple[int, dict[str, Any]]]) -> Reading:
    ends = [reading["scrolled"] for _, reading in said if "scrolled" in reading]
    away = [reading["hidden_seconds"] > 0 for _, reading in said if "hidden_seconds" in reading]
    strengths = [strength for strength, _ in said if strength]
    return Reading(
        to_the_end=share(sum(ends), len(ends)),
        away=share(sum(away), len(away)),
        strengths=tuple(share(strengths.count(one), len(strengths)) for one in (1, 2, 3)),
    )
