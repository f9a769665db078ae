"""An export sealed as a dataset version, on its own or joined to another, with lineage and data card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import transaction
from django.urls import reverse

from alignapp.accounts.models import User
from comparisons.models import Study
from training.models import Dataset, DatasetVersion
from training.preferences import reporting
from training.preferences.cleaning.joining import join
from training.preferences.report_settings import own_sets, settings_of
from training.preferences.sealing import Sealed, SealedWriter
from training.preferences.splits import PromptSplit
from training.preferences.versions import Watch, create_version, folder

from .card import card_of
from .noise import noise_words, smoothing_of
from .pairs import Export


def make_version(export: Export, dataset: Dataset, user: User | None, watch: Watch | None = None) -> DatasetVersion:
    """Seal the pairs as a new version of the dataset; raises NothingToSeal when the rule makes no pair.

    A version that has these rows by the same rule already is the one.
    """
    watch, origin = watch or Watch(), _origin(export)
    with SealedWriter(folder("datasets"), PromptSplit(), watch.name) as writer:
        for pair in export.pairs():
            writer.add(pair)
            watch.done(writer.rows)
        sealed = writer.finish()
        with transaction.atomic():
            version = _twin(dataset, sealed, origin) or create_version(dataset, sealed, origin, user)
            watch.published(version)
            writer.publish(sealed)
    return version


def _twin(dataset: Dataset, sealed: Sealed, origin: dict[str, Any]) -> DatasetVersion | None:
    """To be called in a transaction: two people who make the same at once get one version."""
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    same = {f"origin__{name}": origin[name] for name in ("kind", "slug", "rule")}
    return dataset.versions.filter(sha256=sealed.sha256, parent=None, **same).first()


def join_version(
    export: Export, parent: DatasetVersion, user: User | None, watch: Watch | None = None
) -> DatasetVersion:
    """A child of `parent` with its rows and the pairs of the study; joined before, it is the one there is."""
    watch = watch or Watch("join")

    def published(version: DatasetVersion) -> None:
        _look_as_at_the_parent(version)
        watch.published(version)

    # Of the parent's labels nobody knows how often they are wrong, so no smoothing is offered for all of them.
    origin = {name: value for name, value in _origin(export).items() if name != "label_smoothing"}
    return join(parent, export.pairs(), origin, user=user, watch=replace(watch, published=published))


def _look_as_at_the_parent(version: DatasetVersion) -> None:
    """Its report is told what its parent's was, without the prompts that are data on purpose."""
    settings = settings_of(version)
    kept = tuple(key for key in settings.evaluation if key not in own_sets(version))
    if kept != settings.evaluation:
        reporting.look_at(version, settings.model_copy(update={"evaluation": kept}))


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
        **_smoothing(export),
    }


def _smoothing(export: Export) -> dict[str, Any]:
    """How often labels are wrong, for people, and the label smoothing that training is offered; nothing if unknown."""
    found = export.wrong_labels
    if found is None:
        return {}
    smoothing = smoothing_of(export.rule, found)
    return {"wrong_labels": noise_words(found)} | ({"label_smoothing": smoothing} if smoothing else {})
