"""What raters are told: versions, each pinned to the judgements that were made under it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db import transaction
from django.db.models import Count, Max

from alignapp.accounts.models import User

from .audit import record
from .models import Guideline, Rating, Study, StudyState
from .quarantine import Blinding
from .rendering import Shown, shown_alike


class GuidelineRefused(ValueError):
    """A text that raters must not see; the message is a sentence for people."""


def revise(study: Study, text: str, user: User | None) -> Guideline:
    """Make a text the study's guideline from now on; raises GuidelineRefused when it tells what is compared."""
    if not text.strip():
        raise GuidelineRefused("The guideline is empty. Raters need to know what to look at.")
    if study.state == StudyState.CLOSED:
        raise GuidelineRefused("The study is closed, so nobody would read another version.")
    policies = [contender.policy for contender in study.contenders.select_related("policy__run")]
    if betrayal := Blinding.of(policies, list(study.prompts)).betrayal(text):
        raise GuidelineRefused(f"Raters see the guideline, and it {betrayal}. Say it without.")
    with transaction.atomic():
        Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        if study.guideline == text:
            assert study.current_guideline
            return study.current_guideline
        number = (study.guidelines.aggregate(latest=Max("number"))["latest"] or 0) + 1
        guideline = study.guidelines.create(number=number, text=text, created_by=user)
        record(study, user, "guideline", number=number)
    study.__dict__.pop("current_guideline", None)
    return guideline


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of lines of a version: "same", "new", or "gone" where only the version before had them."""

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version, the judgements made under it, and what it changed of the one before; nothing in the first."""

    guideline: Guideline
    judgements: int
    changes: tuple[Change, ...]

    @property
    def shown(self) -> Shown:
        """The text as raters see it."""
        return shown_alike(self.guideline.text)[0]


def versions(study: Study) -> list[Version]:
    """All versions, the latest first. Judgements count that stand and came in time, of whatever kind of item."""
    found = list(study.guidelines.select_related("created_by").order_by("number"))
    made = Rating.objects.judged().filter(guideline__study=study).order_by().values_list("guideline")
    counted = dict(made.annotate(Count("pk")))
    before = [None, *found[:-1]]
    return [
        Version(one, counted.get(one.pk, 0), changes(earlier.text, one.text) if earlier else ())
        for earlier, one in reversed(list(zip(before, found, strict=True)))
    ]


def changes(before: str, after: str) -> tuple[Change, ...]:
    """What became of the lines of a text, in order."""
    old, new = before.splitlines(), after.splitlines()
    found = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Change("same", tuple(new[k:m])))
            continue
        found += [Change(name, tuple(lines)) for name, lines in (("gone", old[i:j]), ("new", new[k:m])) if lines]
    return tuple(found)
