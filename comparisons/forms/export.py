"""The rule by which judgements become pairs, and where the pairs go."""

from __future__ import annotations

from typing import Any

from django import forms

from comparisons.export import Disagreement, Form, Rule, Ties
from comparisons.models import Study

TIES = [
    (Ties.IGNORE.value, "A tie is no vote: the other judgements decide"),
    (Ties.HALF.value, "A tie is half a vote for each answer"),
]
DISAGREEMENTS = [
    (Disagreement.MAJORITY.value, "Keep what the majority prefers"),
    (Disagreement.WEIGHT.value, "Keep it, weighted by the share of votes"),
    (Disagreement.DROP.value, "Leave the item out"),
]
FORMS = [
    (Form.CONVERSATIONAL.value, "Conversational: lists of messages"),
    (Form.PLAIN.value, "Plain: text"),
]
FILE_TYPES = [("jsonl", "JSON Lines"), ("parquet", "Parquet")]


class RuleForm(forms.Form):
    """How an item's judgements become a pair. Both-bad items never give one."""

    minimum = forms.IntegerField(
        min_value=1,
        max_value=1000,
        initial=1,
        label="Fewest judgements",
        help_text="An item with fewer gives no pair. Skips are no judgements.",
    )
    ties = forms.ChoiceField(
        choices=TIES, initial=Ties.IGNORE.value, help_text="An item that is even after this gives no pair."
    )
    disagreement = forms.ChoiceField(
        choices=DISAGREEMENTS,
        initial=Disagreement.MAJORITY.value,
        label="When raters disagree",
        help_text="An item of which at least half of the judgements say “both bad” gives no pair either way.",
    )

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """What each field holds unless something else is chosen."""
        return {name: field.initial for name, field in cls.base_fields.items()}

    @property
    def rule(self) -> Rule:
        """The rule of a valid form."""
        sent = self.cleaned_data
        return Rule(sent["minimum"], Ties(sent["ties"]), Disagreement(sent["disagreement"]))


class ExportForm(RuleForm):
    """The rule and the kind of file."""

    form = forms.ChoiceField(
        choices=FORMS,
        initial=Form.CONVERSATIONAL.value,
        label="Form",
        help_text="Both are TRL's; plain holds one turn.",
    )
    type = forms.ChoiceField(choices=FILE_TYPES, initial="jsonl", label="File")


class MakeDatasetForm(RuleForm):
    """The rule and the dataset that gets a new version."""

    dataset = forms.CharField(
        max_length=120,
        label="Dataset",
        help_text="A new name makes a dataset; the name of one that exists adds a version to it.",
    )
    join = forms.BooleanField(
        required=False, help_text="The new version then holds that version's rows and these pairs."
    )

    def __init__(self, study: Study, data: Any = None) -> None:
        """Only a study on the prompts of a gap can join anything."""
        super().__init__(data)
        fills = study.fills
        if fills is None:
            del self.fields["join"]
        else:
            self.fields["join"].label = f"Join {fills}, which lacks these prompts"
            self.fields["dataset"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("join") and not cleaned.get("dataset"):
            self.add_error("dataset", "Name a dataset, or join the version that lacks these prompts.")
        return cleaned
