"""What part of a study's results is looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from comparisons.models import RaterPool, Stratum, Study
from comparisons.results import Look
from comparisons.statistics.strengths.models import Model

MODELS = [
    ("", "Davidson’s model, where there are ties"),
    (Model.RAO_KUPPER.value, "Rao and Kupper’s model"),
    (Model.HALVES.value, "Half a win for each side"),
]


class LookForm(forms.Form):
    """Narrowing by the address; what is not understood looks at everything."""

    stratum = forms.ChoiceField(required=False, label="Prompts")
    pool = forms.ModelChoiceField(
        RaterPool.objects.none(), required=False, to_field_name="slug", label="Raters", empty_label="Everybody"
    )
    ties = forms.ChoiceField(choices=MODELS, required=False)
    everybody = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, study: Study, data: Any) -> None:
        super().__init__(data)
        kinds = study.suites.order_by("stratum").values_list("stratum", flat=True).distinct()
        self.fields["stratum"].choices = [("", "All"), *((kind, Stratum(kind).label) for kind in kinds)]  # type: ignore[attr-defined]
        pools = study.pools.all() if study.pools.exists() else RaterPool.objects.all()
        self.fields["pool"].queryset = pools  # type: ignore[attr-defined]

    @property
    def look(self) -> Look:
        self.is_valid()
        sent = self.cleaned_data
        model = Model(sent["ties"]) if sent.get("ties") else None
        return Look(stratum=sent.get("stratum", ""), pool=sent.get("pool"), model=model)

    def look_without(self, raters: frozenset[int]) -> Look:
        """The same without these raters, unless the address asks for everybody."""
        look = self.look
        return look if self.cleaned_data.get("everybody") else replace(look, excluded=raters)

    @property
    def offers_something(self) -> bool:
        """Whether there is more than one kind of prompts or a pool to choose."""
        return len(self.fields["stratum"].choices) > 2 or self.fields["pool"].queryset.exists()  # type: ignore[attr-defined]
