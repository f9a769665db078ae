"""What the report on a version looks at: as chosen, or by default, with what its prompt sets hold today."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from django.conf import settings
from pydantic import ValidationError

from training.models import DatasetVersion, Policy, PolicyKind
from training.preferences import prompt_sets
from training.preferences.prompt_sets import PromptSet
from training.preferences.survey import ReportSettings

MOST_PARENTS = 50


def settings_of(version: DatasetVersion, known: Sequence[PromptSet] | None = None) -> ReportSettings:
    """What the report on a version looks at: as chosen, or, until it is first made, as by default.

    Whoever asks for many versions names the prompt sets that there are.
    """
    known = prompt_sets.available() if known is None else known
    return with_contents(_chosen(version) or _default(known, own_sets(version)), known)


def own_sets(version: DatasetVersion) -> set[str]:
    """Prompt sets that the version, or one that it was made from, took its prompts from on purpose."""
    own: set[str] = set()
    made: DatasetVersion | None = version
    for _ in range(MOST_PARENTS):
        if made is None:
            break
        own |= set(made.origin.get("prompt_sets", ()))
        made = made.parent
    return own


def _chosen(version: DatasetVersion) -> ReportSettings | None:
    try:
        return ReportSettings.model_validate(version.report_settings) if version.report_settings else None
    except ValidationError:
        return None  # chosen under an earlier form


def base_of(version: DatasetVersion) -> Policy | None:
    """The base whose reference check belongs to the report."""
    digest = (_chosen(version) or default_settings()).base
    return Policy.objects.filter(digest=digest).first() if digest else None


def default_settings() -> ReportSettings:
    """Every suite must not occur in the data; lengths are those of the base that was registered last."""
    known = prompt_sets.available()
    return with_contents(_default(known), known)


def _default(known: Sequence[PromptSet], own: Collection[str] = ()) -> ReportSettings:
    suites = tuple(found.key for found in known if found.key.startswith("suite:") and found.key not in own)
    base = next(iter(bases_with_tokenizer()), None)
    if base is None:
        return ReportSettings(evaluation=suites)
    return ReportSettings(evaluation=suites, tokenizer=base.path, base=base.digest)


def with_contents(chosen: ReportSettings, known: Sequence[PromptSet] | None = None) -> ReportSettings:
    """The settings with the digests of their prompt sets; of a set that is gone, the last that was known."""
    known = prompt_sets.available() if known is None else known
    digests = chosen.contents | {found.key: found.digest for found in known}
    named = sorted({chosen.target, *chosen.evaluation} - {""})
    return chosen.model_copy(update={"contents": {key: digests.get(key, "") for key in named}})


def bases_with_tokenizer() -> list[Policy]:
    """Registered whole models whose folder holds a tokenizer that can be read without them; the latest first."""
    whole = Policy.objects.filter(kind__in=[PolicyKind.BASE, PolicyKind.FULL])
    return [policy for policy in whole if (Path(policy.path) / "tokenizer.json").is_file()]


def embedding_models(registered: Sequence[Policy]) -> list[tuple[str, str]]:
    """Folder and name of every model that may embed prompts: the environment's, if it is there, then these."""
    named = Path(settings.EMBEDDING_MODEL)
    own = [(str(named), named.name)] if settings.EMBEDDING_MODEL and (named / "config.json").is_file() else []
    return own + [(policy.path, policy.name) for policy in registered]


def missed_sets(version: DatasetVersion, known: Sequence[PromptSet] | None = None) -> list[PromptSet]:
    """Suites that appeared after the settings of a report were fixed; none before that, and never the version's own."""
    if not version.report_settings:
        return []
    known = prompt_sets.available() if known is None else known
    looked_at = set(settings_of(version, known).evaluation) | own_sets(version)
    return [s for s in known if s.key.startswith("suite:") and s.key not in looked_at and s.size]
