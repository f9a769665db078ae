"""What an adjudicator sends."""

from __future__ import annotations

from django import forms

from .rating import JUDGEMENTS


class AdjudicationForm(forms.Form):
    """One of the four decisions about an item, with optional words."""

    item = forms.IntegerField(min_value=1)  # its number
    replaces = forms.IntegerField(min_value=1, required=False)  # the decision that stands, if one does
    choice = forms.ChoiceField(choices=JUDGEMENTS)
    note = forms.CharField(max_length=2000, required=False)
