"""The form that lets an open study have more items or more ratings per item."""

from __future__ import annotations

from django import forms

from alignapp.accounts.models import User
from comparisons.models import Study, StudyKind
from comparisons.studies import ExtensionRefused, extend


class ExtensionForm(forms.Form):
    """What the study has now, to be raised."""

    item_limit = forms.IntegerField(
        label="Items at most",
        min_value=0,
        max_value=1_000_000,
        help_text="0: all that the stored answers give. New items are drawn from those answers; nothing is generated.",
    )
    ratings_per_item = forms.IntegerField(
        label="Ratings per item",
        min_value=1,
        max_value=50,
        help_text="By different people each. Items that have all their ratings are handed out again.",
    )

    def __init__(self, study: Study, data: object = None) -> None:
        super().__init__(
            data,  # type: ignore[arg-type]
            initial={"item_limit": study.item_limit, "ratings_per_item": study.ratings_per_item},
        )
        self.study = study
        if study.kind == StudyKind.ADVERSARIAL:  # its items come from what raters write
            del self.fields["item_limit"]

    def save(self, user: User) -> bool:
        """Extend the study; False, with the reason among the form's errors, if it cannot be."""
        try:
            extend(self.study, user, **self.cleaned_data)
        except ExtensionRefused as refusal:
            self.add_error(None, str(refusal))
            return False
        return True
