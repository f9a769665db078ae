"""How each rater of a study judges, and whom the study's written rule leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db.models.functions import Length

from alignapp.accounts.models import User

from .models import ItemKind, Rating, Study, Verdict
from .remembered import remembered
from .statistics.aggregation.dawid_skene import dawid_skene
from .statistics.aggregation.labels import Labels
from .statistics.exclusion import ExclusionRule, exclude, suspicious
from .statistics.raters import (
    ATTENTION,
    BOTH_BAD,
    FIRST,
    GOLD,
    NO_CHECK,
    SECOND,
    TIE,
    Judgements,
    Profile,
    profiles,
    shares_right,
)
from .statistics.shares import Share

SAID = {Verdict.FIRST: FIRST, Verdict.SECOND: SECOND, Verdict.TIE: TIE, Verdict.BOTH_BAD: BOTH_BAD}
CHECKS = {ItemKind.COMPARISON.value: NO_CHECK, ItemKind.GOLD.value: GOLD, ItemKind.ATTENTION.value: ATTENTION}
ENOUGH_RATERS = 3
"""With fewer, a consensus of raters says nothing of any of them."""


@dataclass(frozen=True, slots=True)
class RaterProfile:
    """One person with their profile, what is suspicious in it, and whether the study's rule leaves them out."""

    user: User
    profile: Profile
    suspicions: list[str]
    excluded: bool


def rater_profiles(study: Study, judgements: Judgements | None = None) -> list[RaterProfile]:
    """Everybody who judged in the study, the busiest first; `judgements` if they were read already."""
    judgements = judgements_of(study) if judgements is None else judgements
    found = profiles(judgements, accuracy=_by_consensus(judgements))
    people = User.objects.in_bulk([profile.rater for profile in found])
    rule = study.rules.exclusion
    rows = [
        RaterProfile(people[profile.rater], profile, suspicious(profile), rule.excludes(profile))
        for profile in found
        if profile.rater is not None
    ]
    return sorted(rows, key=lambda row: (-row.profile.judgements, row.user.username))


def left_out(study: Study) -> frozenset[int]:
    """Ids of the raters whom the study's rule leaves out of its results."""
    rule = study.rules.exclusion
    if rule == ExclusionRule():
        return frozenset()
    judgements = judgements_of(study)
    accuracy = _by_consensus(judgements) if rule.accuracy is not None else {}
    return frozenset(exclude(profiles(judgements, accuracy=accuracy), rule))


def _by_consensus(judgements: Judgements) -> dict[int, Share]:
    """Each rater's accuracy by Dawid and Skene, from plain comparisons; empty with too few raters."""
    labels = labels_of(judgements)
    if len(labels.rater_ids) < ENOUGH_RATERS:
        return {}
    columns = labels.item, labels.rater, labels.label, labels.rater_ids
    found = remembered("accuracy", columns, (), lambda: dawid_skene(labels, symmetric=True).accuracy)
    return shares_right(labels.rater_ids, found)


def labels_of(judgements: Judgements) -> Labels:
    """Plain comparisons as labels: one answer, the other, tie, both bad."""
    plain = judgements.of(judgements.plain)
    return Labels.of(plain.item, plain.rater, plain.said, 4)


def judgements_of(study: Study) -> Judgements:
    """Everything that was judged in time, checks and repeats included, training left out, in the order it came."""
    rows = Rating.objects.judged().filter(assignment__item__study=study, assignment__item__kind__in=CHECKS)
    columns = rows.order_by("id").values_list(
        "assignment",
        "assignment__repeats",
        "assignment__rater",
        "assignment__item",
        "choice",
        "assignment__first_is_a",
        "seconds",
        "created_at",
        Length("assignment__item__first__text"),
        Length("assignment__item__second__text"),
        "assignment__item__kind",
        "assignment__item__expected__accepts",
    )
    place: dict[int, int] = {}
    table: list[tuple[object, ...]] = []
    for assignment, repeats, rater, item, choice, first_is_a, seconds, at, first, second, kind, accepts in columns:
        verdict = Verdict.of(choice, first_is_a)
        if verdict is None:
            continue
        place[assignment] = len(table)
        before = place.get(repeats, -1) if repeats else -1
        right = verdict in (accepts or [])
        said = SAID[verdict], first_is_a, seconds, at.timestamp(), max(1, first), max(1, second)
        table.append((rater, item, *said, CHECKS[kind], right, before))
    return _as_columns(table)


def _as_columns(table: list[tuple[object, ...]]) -> Judgements:
    kinds = (np.int64, np.int64, np.int64, bool, float, float, float, float, np.int64, bool, np.int64)
    columns = list(zip(*table, strict=True)) or [()] * len(kinds)
    return Judgements(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


# --- A picture --------------------------------------------------------------------------------------------------------


WIDTH, HEIGHT = 300, 200


@dataclass(frozen=True, slots=True)
class Dot:
    """One rater in the picture, which is WIDTH by HEIGHT; `x` from the left, `y` from the top."""

    row: RaterProfile
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """Median seconds (across) against accuracy by consensus (up); `slowest` is the right edge in seconds."""

    dots: list[Dot]
    slowest: float


def scatter(rows: list[RaterProfile]) -> Scatter:
    """The raters of whom both are known."""
    known = [row for row in rows if row.profile.accuracy and row.profile.median_seconds is not None]
    slowest = max((row.profile.median_seconds or 0.0 for row in known), default=0.0) * 1.1 or 1.0
    return Scatter([_dot(row, slowest) for row in known], slowest)


def _dot(row: RaterProfile, slowest: float) -> Dot:
    assert row.profile.accuracy
    return Dot(row, WIDTH * (row.profile.median_seconds or 0.0) / slowest, HEIGHT * (1 - row.profile.accuracy.value))
