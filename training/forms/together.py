"""The form that launches several methods on the same data with the same budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django import forms
from pydantic import ValidationError

from alignapp.accounts.models import User
from training.config import Method
from training.forms.runs import BaseChoice, LabelSmoothing
from training.forms.settings import VersionChoice
from training.launching import config_fields, together
from training.launching.budgets import Budget, Equal
from training.launching.presets import LORA, SMALL
from training.launching.together import COMPARABLE, LATEST, TOGETHER, Plan
from training.models import DatasetVersion, Policy, PolicyKind, Run
from training.runs.together import launch

SOURCES = [
    (LATEST, "As in the latest run of each method from this base; where there is none, by the size of the base"),
    (SMALL, "Small model: under about 100 million parameters"),
    (LORA, "LoRA, 1 to 8 billion parameters"),
]
EQUALS = [
    (Equal.ANSWERS.value, "Steps and answers: RLHF learns from as many answers in as many steps, and takes longer"),
    (Equal.TIME.value, "Time: RLHF ends when it has taken about as long as the others"),
]


class BudgetForm(forms.Form):
    """Which methods, whose settings, and what each of them gets."""

    use_required_attribute = False
    methods = forms.MultipleChoiceField(
        choices=[(method.value, method.label) for method in COMPARABLE],
        initial=[method.value for method in TOGETHER],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one method."},
    )
    source = forms.ChoiceField(
        choices=SOURCES,
        initial=LATEST,
        label="Settings",
        help_text="What is shared (lengths, precision, adapter, schedule) is taken from the first method for all.",
    )
    passes = forms.FloatField(
        min_value=0.01,
        max_value=100,
        initial=2,
        label="Passes over the pairs",
        help_text="Together with the batch this gives the optimizer steps of every method.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    batch_size = forms.IntegerField(
        min_value=1, max_value=100_000, initial=32, help_text="Pairs per step; at most as many as there are."
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**32 - 1, initial=0, help_text="Fixes the order of the data, the same for all methods."
    )
    equal = forms.ChoiceField(
        choices=EQUALS, initial=Equal.ANSWERS.value, label="What RLHF shares with the others", widget=forms.RadioSelect
    )

    @property
    def budget(self) -> Budget:
        """Only after `is_valid`."""
        return Budget(**{name: self.cleaned_data[name] for name in Budget.model_fields})

    @property
    def chosen(self) -> list[Method]:
        """The methods in the order in which they are offered."""
        return [method for method in COMPARABLE if method.value in self.cleaned_data["methods"]]


class TogetherForm(BudgetForm):
    """Base, data and budget. `is_valid` sets `plans` as far as base and data are chosen."""

    ticket = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)
    base = BaseChoice(
        queryset=Policy.objects.filter(kind__in=[PolicyKind.BASE, PolicyKind.FULL]),
        label="Base policy",
        empty_label="Choose a model",
        help_text="What every method starts from; it is also the reference.",
        error_messages={"required": "Choose the model to start from."},
    )
    dataset_version = VersionChoice(
        queryset=DatasetVersion.objects.filter(kind=DatasetVersion.Kind.PREFERENCES).select_related("dataset"),
        label="Dataset version",
        empty_label="Choose a version",
        error_messages={"required": "Choose the data to train on.", "invalid_choice": "This version holds no pairs."},
    )
    smooth = forms.BooleanField(
        required=False, label="Smooth labels by as much, for every method but RLHF, whose reward model cannot"
    )
    override_reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Why launch them all the same",
        help_text="Kept with the runs and shown on their pages.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    field_order = ("base", "dataset_version", "methods", "source", "equal", "passes", "batch_size", "seed")

    def __init__(self, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.plans: list[Plan] = []

    @property
    def shown(self) -> list[forms.BoundField]:
        """The fields in their order, but for two that stand where their reasons are told."""
        return [self[name] for name in self.field_order]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self._plan(cleaned["base"], cleaned["dataset_version"])
        if self.needs_reason and not cleaned.get("override_reason"):
            needed = "Say why the runs are to be launched all the same, or look at the data first."
            self.add_error("override_reason", forms.ValidationError(needed, code="required"))
        return cleaned

    def _plan(self, base: Policy, version: DatasetVersion) -> None:
        recipes = together.recipes(self.chosen, base, self.cleaned_data["source"])
        if self.smoothing and self.cleaned_data["smooth"]:
            recipes = together.smoothed(recipes, self.smoothing.value)
        try:
            self.plans = together.plans(recipes, self.budget, base, version)
        except ValidationError as error:
            faults = config_fields.faults(error, self.chosen[0])
            self.add_error("source", f"These settings are none that a run can have: {' '.join(faults.values())}")
        for plan in self.plans:
            if plan.forecast and not plan.forecast.fits:
                self.add_error(None, f"{plan.method.label} needs more memory than there is. Choose a smaller base.")

    @property
    def needs_reason(self) -> bool:
        return any(plan.verdict and plan.verdict.needs_reason for plan in self.plans)

    @property
    def smoothing(self) -> LabelSmoothing | None:
        """What the makers of the chosen pairs know of wrong labels."""
        return LabelSmoothing.advised(getattr(self, "cleaned_data", {}).get("dataset_version"))

    @property
    def equality(self) -> str:
        return together.equality(self.plans, self.budget) if self.plans else ""

    def save(self, user: User) -> list[Run]:
        """Queue the runs; raises queue.Refused, and then none is."""
        sent = self.cleaned_data
        return launch(
            {plan.method: plan.config for plan in self.plans},
            ticket=sent["ticket"] or uuid4(),
            base=sent["base"],
            version=sent["dataset_version"],
            user=user,
            override_reason=sent["override_reason"],
        )
