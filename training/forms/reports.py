"""The form that says what the report on a version looks at."""

from __future__ import annotations

from typing import Any

from django import forms

from training.models import DatasetVersion
from training.preferences import prompt_sets
from training.preferences.prompt_sets import PromptSet
from training.preferences.report_settings import bases_with_tokenizer, embedding_models, settings_of
from training.preferences.survey import ReportSettings

NONE = [("", "None")]


class ReportSettingsForm(forms.Form):
    """Tokenizer, lengths, prompt sets and models of one version's report."""

    use_required_attribute = False
    tokenizer = forms.ChoiceField(
        required=False,
        label="Tokenizer and chat template",
        help_text="Of a registered model: lengths are counted and answers cut as a run on that model would.",
    )
    max_length = forms.IntegerField(
        min_value=16,
        max_value=1_000_000,
        label="Longest text, in tokens",
        help_text="Prompt and answer together; a run cuts the end off, with the setting of the same name.",
    )
    target = forms.ChoiceField(
        required=False, label="Prompts to cover", help_text="What the data should be about: a suite, or a sample."
    )
    evaluation = forms.MultipleChoiceField(
        required=False,
        label="Prompts that must not occur",
        help_text="Evaluation suites. A result on a suite that was trained on says nothing.",
        widget=forms.CheckboxSelectMultiple,
    )
    embedding_model = forms.ChoiceField(
        required=False,
        label="Model that compares prompts",
        help_text="A registered model, or the folder that EMBEDDING_MODEL names in the environment; without one, words "
        "are compared (TF-IDF and SVD).",
    )
    base = forms.ChoiceField(
        required=False,
        label="Base whose reference check is shown",
        help_text="How many pairs this model ranks wrongly, as its inspection found.",
    )

    def __init__(self, version: DatasetVersion, data: Any = None) -> None:
        super().__init__(data, initial=settings_of(version).model_dump())
        folders = bases_with_tokenizer()
        sets = prompt_sets.available()
        self._offer("tokenizer", [(policy.path, policy.name) for policy in folders])
        self._offer("embedding_model", embedding_models(folders))
        self._offer("base", [(policy.digest, policy.name) for policy in folders])
        self._offer("target", [(found.key, _label(found)) for found in sets])
        self.fields["evaluation"].choices = [(found.key, _label(found)) for found in sets]  # type: ignore[attr-defined]

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = [*NONE, *dict(choices).items()]  # type: ignore[attr-defined]

    @property
    def settings(self) -> ReportSettings:
        """Only after `is_valid`."""
        return ReportSettings.model_validate(self.cleaned_data)


def _label(found: PromptSet) -> str:
    return f"{found.label} ({found.size:,} prompts)"
