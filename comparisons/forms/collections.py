"""The form that asks for prompts, and the one that annotators write into."""

from __future__ import annotations

from django import forms

from comparisons.collecting import MAX_CHARACTERS

GUIDELINE = (
    "Write what somebody might really ask about this topic. Vary wording, length and difficulty; "
    "one prompt at a time, no answers."
)


class CollectionForm(forms.Form):
    """What is asked for."""

    name = forms.CharField(
        max_length=120, help_text="Annotators see it.", widget=forms.TextInput({"autocomplete": "off"})
    )
    guideline = forms.CharField(
        max_length=5000,
        initial=GUIDELINE,
        help_text="What to write. It must not name a policy.",
        widget=forms.Textarea({"rows": 4}),
    )
    wanted = forms.IntegerField(
        min_value=1,
        max_value=20_000,
        initial=50,
        label="Prompts wanted",
        help_text="How many are enough; you may close the collection earlier or later.",
    )


class WrittenPromptForm(forms.Form):
    """One prompt."""

    text = forms.CharField(
        max_length=MAX_CHARACTERS,
        label="Your prompt",
        widget=forms.Textarea({"rows": 5, "autofocus": True}),
        error_messages={"required": "Write a prompt first."},
    )
