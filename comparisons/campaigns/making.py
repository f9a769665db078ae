"""Making a campaign: what stays the same from round to round, and the first round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from alignapp.accounts.models import User
from comparisons.creation import refuse_unfair_text
from comparisons.design import Design
from comparisons.models import Campaign, Suite
from comparisons.slugs import free_slug
from training.config import Method
from training.launching.budgets import Budget
from training.launching.together import Recipe
from training.models import DatasetVersion, Policy

from .steps import CampaignRefused


def create_campaign(
    *,
    name: str,
    base: Policy,
    data: DatasetVersion,
    recipes: Mapping[Method, Recipe],
    budget: Budget,
    suites: Sequence[Suite],
    rating: Mapping[str, Any],
    description: str = "",
    user: User | None = None,
) -> Campaign:
    """Store a campaign and its first round; raises StudyRefused or CampaignRefused with a sentence.

    `rating`: the arguments of create_study beside name, suites, policies and user.
    """
    refuse_unfair_text([base], suites, f"{name}\n{rating.get('guideline', '')}")
    if all(suite.held_for_evaluation for suite in suites):
        raise CampaignRefused(
            "All these suites are held for evaluation, so no round would give data for the next one. Choose one more "
            "that is not."
        )
    with transaction.atomic():
        campaign = Campaign.objects.create(
            slug=free_slug(Campaign, name),
            name=name,
            description=description,
            base=base,
            launches=[{"method": method.value, "config": dict(recipe)} for method, recipe in recipes.items()],
            budget=budget.model_dump(mode="json"),
            rating=_stored(rating),
            created_by=user,
        )
        campaign.suites.set(suites)
        campaign.rounds.create(number=1, data=data)
    return campaign


def _stored(rating: Mapping[str, Any]) -> dict[str, Any]:
    design: Design = rating.get("design") or Design()
    pools = [pool.pk for pool in rating.get("pools", ())]
    return {**rating, "design": design.model_dump(mode="json"), "pools": pools}
