"""Making a study: what would be unfair is refused, the rest is stored and its answers are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.models import Policy

from .audit import record
from .design import Design
from .models import Contender, Prompt, RaterPool, Study, Suite
from .quarantine import Blinding
from .sampling import Sampling
from .slugs import free_slug

MOST_POLICIES = 20


class StudyRefused(ValueError):
    """A study that could not give a fair comparison; the message is a sentence for people."""


def create_study(
    *,
    name: str,
    suites: Sequence[Suite],
    policies: Sequence[Policy],
    sampling: Mapping[str, Any],
    item_limit: int = 0,
    ratings_per_item: int = 1,
    guideline: str = "",
    design: Design | None = None,
    pools: Sequence[RaterPool] = (),
    seed: int = 0,
    user: User | None = None,
) -> Study:
    """Store the study and ask the workers for its answers; raises StudyRefused with a sentence."""
    refuse_unfair(suites, policies, f"{name}\n{guideline}")
    with transaction.atomic():
        study = Study.objects.create(
            slug=free_slug(Study, name),
            name=name,
            sampling=asdict(Sampling(**sampling)),
            item_limit=item_limit,
            ratings_per_item=ratings_per_item,
            design=(design or Design()).model_dump(mode="json"),
            seed=seed,
            created_by=user,
        )
        study.suites.set(suites)
        study.pools.set(pools)
        Contender.objects.bulk_create(Contender(study=study, policy=policy) for policy in policies)
        if guideline:
            study.guidelines.create(number=1, text=guideline, created_by=user)
        record(study, user, "created", design=study.design, policies=[policy.pk for policy in policies])
        transaction.on_commit(lambda: call_workers("comparisons.tasks.work_on_studies"))
    return study


def refuse_unfair(suites: Sequence[Suite], policies: Sequence[Policy], shown: str) -> None:
    """Raise StudyRefused for too few or too many policies, no prompts, or a text for raters that names a policy."""
    refuse_unfair_policies(policies)
    refuse_unfair_text(policies, suites, shown)


def refuse_unfair_text(policies: Sequence[Policy], suites: Sequence[Suite], shown: str) -> None:
    """Raise StudyRefused for no prompts, or for a text for raters that names a policy."""
    prompts = list(Prompt.objects.filter(suite__in=suites))
    if not prompts:
        named = ", ".join(suite.name for suite in suites) or "No suite"
        raise StudyRefused(f"{named}: there is no prompt in it. Choose another suite.")
    if betrayal := Blinding.of(policies, prompts).betrayal(shown):
        raise StudyRefused(f"The name and the guideline must not tell what is compared: one of them {betrayal}.")


def refuse_unfair_policies(policies: Sequence[Policy]) -> None:
    """Raise StudyRefused for fewer than two different policies, or for more than a study can tell apart."""
    if len({policy.pk for policy in policies}) < 2:
        raise StudyRefused("A comparison needs at least two different policies. Choose another one.")
    if len(policies) > MOST_POLICIES:
        raise StudyRefused(f"A study compares at most {MOST_POLICIES} policies. Leave some out.")
