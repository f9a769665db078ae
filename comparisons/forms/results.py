"""What part of a study's results is looked at, and which rows are behind a figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.http import QueryDict

from alignapp.accounts.models import User
from comparisons.models import Stratum, Study
from comparisons.results import Look
from comparisons.results.pools import pools_of
from comparisons.results.rows import DIVIDED, KINDS, SAID, Asked
from comparisons.statistics.strengths.models import Model

MODELS = [
    ("", "Davidson’s model, where there are ties"),
    (Model.RAO_KUPPER.value, "Rao and Kupper’s model"),
    (Model.HALVES.value, "Half a win for each side"),
]
OF_THE_LOOK = ("stratum", "pool", "ties", "everybody")


class LookForm(forms.Form):
    """Narrowing by the address; what is not understood looks at everything."""

    stratum = forms.ChoiceField(required=False, label="Prompts")
    pool = forms.ChoiceField(required=False, label="Raters")
    ties = forms.ChoiceField(choices=MODELS, required=False)
    everybody = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, study: Study, data: Any) -> None:
        super().__init__(data)
        kinds = study.suites.order_by("stratum").values_list("stratum", flat=True).distinct()
        self.fields["stratum"].choices = [("", "All"), *((kind, Stratum(kind).label) for kind in kinds)]  # type: ignore[attr-defined]
        self.pools = {pool.slug: pool for pool in pools_of(study)}
        choices = [("", "Everybody"), *((pool.slug, pool.name) for pool in self.pools.values())]
        self.fields["pool"].choices = choices  # type: ignore[attr-defined]

    @property
    def look(self) -> Look:
        self.is_valid()
        sent = self.cleaned_data
        model = Model(sent["ties"]) if sent.get("ties") else None
        return Look(stratum=sent.get("stratum", ""), pool=self.pools.get(sent.get("pool", "")), model=model)

    def look_without(self, raters: frozenset[int]) -> Look:
        """The same without these raters, unless the address asks for everybody."""
        look = self.look
        return look if self.cleaned_data.get("everybody") else replace(look, excluded=raters)

    @property
    def asked(self) -> QueryDict:
        """The look as part of an address, for every link that leads to the same part of the study."""
        self.is_valid()
        query = QueryDict(mutable=True)
        query.update({name: self.data[name] for name in OF_THE_LOOK if self.cleaned_data.get(name)})
        return query

    @property
    def offers_something(self) -> bool:
        """Whether there is more than one kind of prompts or a pool to choose."""
        return len(self.fields["stratum"].choices) > 2 or bool(self.pools)  # type: ignore[attr-defined]


class RowsForm(LookForm):
    """A part of the results, and within it the rows behind one figure."""

    policy = forms.ChoiceField(required=False, label="Policy")
    against = forms.ChoiceField(required=False, label="against")
    preferred = forms.ChoiceField(required=False, label="Better was")
    said = forms.ChoiceField(choices=list(SAID.items()), required=False, label="Judgement")
    rater = forms.ChoiceField(required=False, label="By")
    divided = forms.ChoiceField(choices=list(DIVIDED.items()), required=False, label="Items")
    kind = forms.ChoiceField(choices=list(KINDS.items()), required=False, label="Which judgements")
    item = forms.IntegerField(min_value=1, max_value=2**31, required=False, label="Item")
    own = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, study: Study, data: Any) -> None:
        super().__init__(study, data)
        names = study.contenders.values_list("pk", "policy__name")
        people = User.objects.filter(assignments__item__study=study).distinct().order_by("username")
        for name in ("policy", "against", "preferred"):
            self._offer(name, list(names))
        self._offer("rater", list(people.values_list("pk", "username")))

    def _offer(self, name: str, rows: list[tuple[int, str]]) -> None:
        self.fields[name].choices = [("", "Any"), *((str(pk), label) for pk, label in rows)]  # type: ignore[attr-defined]

    @property
    def filters(self) -> list[forms.BoundField]:
        """Everything that is shown, in the order of the page."""
        of_parts = ("stratum", "pool") if self.offers_something else ()
        return [
            self[name] for name in ("policy", "against", "preferred", "said", "rater", "divided", "kind", *of_parts)
        ]

    @property
    def carried(self) -> list[forms.BoundField]:
        """What the address asks for beside the filters, to be sent with them."""
        self.is_valid()
        return [self[name] for name in ("ties", "everybody", "own", "item") if self.cleaned_data.get(name)]

    @property
    def wanted(self) -> Asked:
        self.is_valid()
        sent = self.cleaned_data
        words = {name: sent.get(name, "") for name in ("kind", "said", "divided")}
        rater, one, other, preferred = (
            int(sent.get(name) or 0) or None for name in ("rater", "policy", "against", "preferred")
        )
        own = sent.get("own", False)
        return Asked(**words, rater=rater, one=one, other=other, preferred=preferred, item=sent.get("item"), own=own)
