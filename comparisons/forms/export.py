"""The rule by which judgements become pairs, and where the pairs go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from comparisons.export import BothBad, Certainty, Consensus, Disagreement, Form, Rule, Ties
from comparisons.models import Study

CONSENSUS = [
    (Consensus.MAJORITY.value, "The majority: every rater counts the same"),
    (Consensus.DAWID_SKENE.value, "Weighed raters: who often agrees with the consensus counts more (Dawid–Skene)"),
    (Consensus.MACE.value, "Weighed raters: who seldom guesses counts more (MACE)"),
    (Consensus.GLAD.value, "Weighed raters and items: who is able counts more, most on easy items (GLAD)"),
]
TIES = [
    (Ties.IGNORE.value, "A tie is no vote: the other judgements decide"),
    (Ties.HALF.value, "A tie is half a vote for each answer"),
    (Ties.COUNT.value, "As many ties as votes for an answer: the item gives no pair"),
]
DISAGREEMENTS = [
    (Disagreement.MAJORITY.value, "Keep what the majority prefers"),
    (Disagreement.DROP.value, "Leave the item out"),
]
CERTAINTIES = [
    (Certainty.IGNORE.value, "Every pair counts fully"),
    (Certainty.LABEL.value, "Soft label: the chance that the chosen answer is the better one"),
    (Certainty.WEIGHT.value, "Weight: an unsure pair counts less"),
]
BOTH_BAD = [
    (BothBad.DROP.value, "They give no pair"),
    (BothBad.HARD_NEGATIVES.value, "Hard negatives: both are rejected against the best answer to the same prompt"),
]
FORMS = [
    (Form.CONVERSATIONAL.value, "Conversational: lists of messages"),
    (Form.PLAIN.value, "Plain: text"),
]
FOLDER = "folder"
FILE_TYPES = [("jsonl", "JSON Lines"), ("parquet", "Parquet"), (FOLDER, "Hugging Face folder with data card (zip)")]


class RuleForm(forms.Form):
    """How an item's judgements become a pair. Whatever is not sent is as it is by default."""

    minimum = forms.IntegerField(
        min_value=1,
        max_value=1000,
        initial=1,
        label="Fewest judgements",
        help_text="An item with fewer gives no pair. Skips are no judgements.",
    )
    consensus = forms.ChoiceField(
        choices=CONSENSUS,
        initial=Consensus.MAJORITY.value,
        label="Who decides",
        help_text="Adjudications win over votes either way.",
    )
    threshold = forms.FloatField(
        min_value=0.51,
        max_value=1,
        initial=0.8,
        label="Least probability",
        help_text="Where raters are weighed: an answer is chosen if it is better with at least this probability.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    disagreement = forms.ChoiceField(
        choices=DISAGREEMENTS,
        initial=Disagreement.MAJORITY.value,
        label="When raters disagree",
        help_text="Where the majority decides. At least half of the judgements “both bad”: both answers are bad.",
    )
    ties = forms.ChoiceField(
        choices=TIES, initial=Ties.IGNORE.value, help_text="An item that is even after this gives no pair."
    )
    both_bad = forms.ChoiceField(
        choices=BOTH_BAD,
        initial=BothBad.DROP.value,
        label="Items of which both answers are bad",
        help_text="Hard negatives carry the tag hard-negative. The best answer is the clear winner of another item.",
    )
    certainty = forms.ChoiceField(
        choices=CERTAINTIES,
        initial=Certainty.IGNORE.value,
        label="How sure a pair is",
        help_text="The chosen answer’s share of the votes, or of the probability. Every method honours both.",
    )
    margins = forms.BooleanField(
        required=False,
        label="Margins from the strength of preference",
        help_text="The mean strength, against counted as minus. Reward models read it where they are told to.",
    )

    def __init__(self, study: Study, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Without strengths there are no margins to offer."""
        super().__init__(None if data is None else self.defaults() | dict(data.items()), **options)
        if not study.rules.strength:
            del self.fields["margins"]

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """What each field holds unless something else is chosen."""
        return {name: field.initial for name, field in cls.base_fields.items() if field.initial is not None}

    @property
    def rule(self) -> Rule:
        """The rule of a valid form."""
        sent = self.cleaned_data
        return Rule(
            minimum=sent["minimum"],
            consensus=Consensus(sent["consensus"]),
            ties=Ties(sent["ties"]),
            disagreement=Disagreement(sent["disagreement"]),
            threshold=sent["threshold"],
            certainty=Certainty(sent["certainty"]),
            margins=sent.get("margins", False),
            both_bad=BothBad(sent["both_bad"]),
        )


class ExportForm(RuleForm):
    """The rule and the kind of file."""

    form = forms.ChoiceField(
        choices=FORMS,
        initial=Form.CONVERSATIONAL.value,
        label="Form",
        help_text="Both are TRL’s; plain holds one turn. A Hugging Face folder is always conversational.",
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
        required=False, help_text="The new version then holds that version’s rows and these pairs."
    )

    def __init__(self, study: Study, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Only a study on the prompts of a gap can join anything."""
        super().__init__(study, data, **options)
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
