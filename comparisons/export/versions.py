"""An export sealed as a dataset version, on its own or joined to another, with lineage and data card."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from alignapp.accounts.models import User
from comparisons.models import Study
from training.models import Dataset, DatasetVersion
from training.preferences import reporting
from training.preferences.cleaning.joining import join
from training.preferences.report_settings import own_sets, settings_of
from training.preferences.versions import seal

from .card import card_of
from .pairs import Export


def make_version(export: Export, dataset: Dataset, user: User | None) -> DatasetVersion:
    """Seal the pairs as a new version of the dataset; raises NothingToSeal when the rule makes no pair."""
    return seal(dataset, export.pairs(), _origin(export), user=user)


def join_version(export: Export, parent: DatasetVersion, user: User | None) -> DatasetVersion:
    """A child of `parent` with its rows and the pairs of the study."""
    version = join(parent, export.pairs(), _origin(export), user=user)
    settings = settings_of(version)
    kept = tuple(key for key in settings.evaluation if key not in own_sets(version))
    if kept != settings.evaluation:  # as the parent's report was told
        reporting.look_at(version, settings.model_copy(update={"evaluation": kept}))
    return version


def _prompt_sets(study: Study) -> list[str]:
    """The study's suites, whose prompts are data on purpose; a prompt of those that are held would be a leak."""
    return [f"suite:{slug}" for slug in study.suites.filter(held_for_evaluation=False).values_list("slug", flat=True)]


def _origin(export: Export) -> dict[str, Any]:
    """Where pairs of a study come from, for the version's page."""
    study, summary = export.study, export.summary
    return {
        "kind": "study",
        "label": f"Study “{study.name}”",
        "url": reverse("study-results", args=[study.slug]),
        "slug": study.slug,
        "name": study.name,
        "items": summary.items,
        "ratings": summary.judgements,
        "pairs": summary.pairs,
        "hard_negatives": summary.hard_negatives,
        "rule": str(export.rule),
        "left_out": summary.left_out,
        "prompt_sets": _prompt_sets(study),
        "card": card_of(export).model_dump(mode="json"),
    }
