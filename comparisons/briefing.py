"""What a rater is told about a study, and which version of it they have read."""

from __future__ import annotations

from dataclasses import dataclass

from alignapp.accounts.models import User
from training.preferences.browsing.differences import Comparison, compared
from training.preferences.records import Message

from .models import Guideline, GuidelineReading


@dataclass(frozen=True, slots=True)
class Briefing:
    """The current guideline of a study, and whether this person has read it."""

    guideline: Guideline
    is_read: bool


# Asked with every item, so by hand.
TOLD = f"""
SELECT g.*, EXISTS (SELECT 1 FROM {GuidelineReading._meta.db_table} r
                    WHERE r.guideline_id = g.id AND r.rater_id = %s) AS is_read
FROM {Guideline._meta.db_table} g WHERE g.study_id = %s ORDER BY g.number DESC LIMIT 1"""


def briefing(study_id: int, rater: User) -> Briefing | None:
    """What the rater is told now; None where nobody wrote anything."""
    for told in Guideline.objects.raw(TOLD, [rater.pk, study_id]):
        return Briefing(told, bool(told.is_read)) if told.text.strip() else None  # type: ignore[attr-defined]
    return None


def mark_read(guideline: Guideline, rater: User) -> None:
    """Remember that this person was shown this version."""
    GuidelineReading.objects.get_or_create(guideline=guideline, rater=rater)


def last_read(study_id: int, rater: User) -> Guideline | None:
    """The latest version that this person has read."""
    return Guideline.objects.filter(study=study_id, readings__rater=rater).order_by("-number").first()


def changes(before: Guideline, now: Guideline) -> Comparison | None:
    """The words that are gone and those that are new; None where marks would not help."""
    found = compared((Message("user", before.text),), (Message("user", now.text),))
    return None if found.note else found
