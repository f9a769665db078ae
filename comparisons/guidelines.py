"""What raters are told: versions, each pinned to the judgements that were made under it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from alignapp.accounts.models import User

from .audit import record
from .models import Guideline, Study
from .quarantine import Blinding


class GuidelineRefused(ValueError):
    """A text that raters must not see; the message is a sentence for people."""


def revise(study: Study, text: str, user: User | None) -> Guideline:
    """Make a text the study's guideline from now on; raises GuidelineRefused when it tells what is compared."""
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
