"""What a rater sends: a judgement, or a skip with its reason."""

from __future__ import annotations

from django import forms

from comparisons.models import Choice

JUDGEMENTS = [(choice.value, choice.label) for choice in (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD)]
REASONS = [
    ("correct", "correct"),
    ("complete", "complete"),
    ("clear", "clear"),
    ("safe", "safe"),
    ("length", "length"),
]
SKIP_REASONS = [
    ("not_my_field", "I do not know enough to judge"),
    ("prompt_unclear", "The prompt makes no sense"),
    ("answer_broken", "An answer is cut off or broken"),
    ("not_blind", "An answer tells which system wrote it"),
    ("harmful", "I do not want to read this"),
]


class SentForm(forms.Form):
    """What every form about an item carries: the number that this judgement will have."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class RatingForm(SentForm):
    """One of the four judgements, with optional reasons and words."""

    choice = forms.ChoiceField(choices=JUDGEMENTS)
    reasons = forms.MultipleChoiceField(choices=REASONS, required=False)
    note = forms.CharField(max_length=2000, required=False)


class SkipForm(SentForm):
    """Why the item cannot be judged by this person."""

    reason = forms.ChoiceField(choices=SKIP_REASONS)


class UndoForm(SentForm):
    """The judgement to take back."""
