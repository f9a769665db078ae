"""Making a study: what would be unfair is refused, the rest is stored and its answers are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.models import Policy

from .models import Contender, Study, Suite
from .quarantine import Blinding
from .sampling import Sampling
from .slugs import free_slug


class StudyRefused(ValueError):
    """A study that could not give a fair comparison; the message is a sentence for people."""


def create_study(
    *,
    name: str,
    suite: Suite,
    policies: Sequence[Policy],
    sampling: Mapping[str, Any],
    item_limit: int = 0,
    ratings_per_item: int = 1,
    guideline: str = "",
    seed: int = 0,
    user: User | None = None,
) -> Study:
    """Store the study and ask the workers for its answers; raises StudyRefused with a sentence."""
    refuse_unfair(suite, policies, f"{name}\n{guideline}")
    with transaction.atomic():
        study = Study.objects.create(
            slug=free_slug(Study, name),
            name=name,
            suite=suite,
            sampling=asdict(Sampling(**sampling)),
            item_limit=item_limit,
            ratings_per_item=ratings_per_item,
            guideline=guideline,
            seed=seed,
            created_by=user,
        )
        Contender.objects.bulk_create(Contender(study=study, policy=policy) for policy in policies)
        transaction.on_commit(lambda: call_workers("comparisons.tasks.work_on_studies"))
    return study


def refuse_unfair(suite: Suite, policies: Sequence[Policy], shown: str) -> None:
    """Raise StudyRefused for too few policies, no prompts, or a text for raters that names a policy."""
    if len({policy.pk for policy in policies}) < 2:
        raise StudyRefused("A comparison needs at least two different policies. Choose another one.")
    prompts = list(suite.prompts.all())
    if not prompts:
        raise StudyRefused(f"The suite {suite.name} has no prompts. Choose another one.")
    if betrayal := Blinding.of(policies, prompts).betrayal(shown):
        raise StudyRefused(f"Raters see the name and the guideline, and it {betrayal}. Say it without.")
