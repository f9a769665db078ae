"""The form that revises what raters of a study are told."""

from __future__ import annotations

from django import forms

from alignapp.accounts.models import User
from comparisons.guidelines import GuidelineRefused, revise
from comparisons.models import Guideline, Study


class GuidelineForm(forms.Form):
    """A new version of the guideline."""

    text = forms.CharField(
        max_length=5000,
        label="Guideline",
        help_text="Raters see it from the next item on, and are told that it has changed. It must not name a policy.",
        widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": "The guideline is empty. Raters need to know what to look at."},
    )

    def save(self, study: Study, user: User) -> Guideline | None:
        """Make it the study's guideline; None, with the reason among the form's errors, if raters must not see it."""
        try:
            return revise(study, self.cleaned_data["text"].replace("\r\n", "\n"), user)
        except GuidelineRefused as refusal:
            self.add_error("text", str(refusal))
            return None
