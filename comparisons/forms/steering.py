"""Forms that change an open study: who rates, and an item that nobody should see any more."""

from __future__ import annotations

from django import forms

from alignapp.accounts.models import User
from comparisons.flags import SettingAsideRefused, set_aside
from comparisons.models import BY_HAND, Item, RaterPool, Study
from comparisons.people import PoolsRefused, ask_pools
from comparisons.quarantine import MOST_LETTERS

from .fields import PoolChoices, pools_with_people


class StudyPoolsForm(forms.Form):
    """The pools that a study asks."""

    pools = PoolChoices(
        RaterPool.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: every annotator. Who is asked no more keeps what they judged, and gets no new items.",
    )

    def __init__(self, study: Study, data: object = None) -> None:
        super().__init__(data, initial={"pools": list(study.pools.all())})  # type: ignore[arg-type]
        self.fields["pools"].queryset = pools_with_people()  # type: ignore[attr-defined]
        self.study = study

    def save(self, user: User) -> bool:
        """Ask these pools; False, with the reason among the form's errors, if the study is over."""
        try:
            ask_pools(self.study, self.cleaned_data["pools"], user)
        except PoolsRefused as refusal:
            self.add_error(None, str(refusal))
            return False
        return True


class SetAsideForm(forms.Form):
    """Why nobody should see an item any more."""

    reason = forms.CharField(
        max_length=MOST_LETTERS - len(BY_HAND),
        help_text="Shown to researchers beside the item and kept in the audit.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def save(self, item: Item, user: User) -> bool:
        """Set the item aside; False, with the reason among the form's errors, if that cannot be."""
        try:
            set_aside(item, user, self.cleaned_data["reason"])
        except SettingAsideRefused as refusal:
            self.add_error(None, str(refusal))
            return False
        return True
