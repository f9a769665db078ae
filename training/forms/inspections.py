"""The form of an inspection: what to look at, on which pairs, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import BoundField
from pydantic import ValidationError

from alignapp.accounts.models import User
from training.config import InspectionConfig, Method
from training.forms.settings import VersionChoice, initial_of, setting_field
from training.launching import config_fields
from training.models import DatasetVersion, Policy, PolicyKind, Run
from training.runs import inspections


class InspectedChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Policies and reward models, and what an inspection of each shows."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {SHOWS[inspections.base_of(obj).pk == obj.pk, obj.kind == PolicyKind.REWARD]}"


SHOWS = {
    (True, False): "check as a reference",
    (False, False): "implicit reward",
    (False, True): "reward model",
}


class InspectionForm(forms.Form):
    """What to look at and on which pairs. After `is_valid`, `config` is set."""

    use_required_attribute = False
    inspected = InspectedChoice(
        queryset=Policy.objects.none(),
        label="What to inspect",
        empty_label="Choose a policy or a reward model",
        help_text="A base is checked as a reference; a policy by its implicit reward, the log-ratio to its base.",
        error_messages={
            "required": "Choose what to look at.",
            "invalid_choice": "There is no such policy with weights. Choose one of the list.",
        },
    )
    dataset_version = VersionChoice(
        queryset=DatasetVersion.objects.filter(kind=DatasetVersion.Kind.PREFERENCES).select_related("dataset"),
        label="Dataset version",
        empty_label="Choose a version",
        help_text="Held-out pairs come first. Pairs that were trained on flatter what was trained.",
        error_messages={
            "required": "Choose the pairs to rank.",
            "invalid_choice": "There is no such version with pairs: demonstrations have no rejected answers to rank.",
        },
    )
    as_reference = forms.BooleanField(
        required=False,
        label="Check as a reference",
        help_text="A whole model that was trained here can also be the base of the next run: rank by its own "
        "log-probabilities then.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        with_weights = Policy.objects.exclude(kind=PolicyKind.UNTRAINED).select_related("base")
        self.fields["inspected"].queryset = with_weights  # type: ignore[attr-defined]
        self.all_settings = config_fields.settings_of(Method.INSPECTION)
        for setting in self.all_settings:
            self.fields[setting.path] = setting_field(setting)
            self.fields[setting.path].initial = initial_of(setting)
        self.config: InspectionConfig | None = None

    def clean(self) -> dict[str, Any]:
        """Validate the settings with the configuration class, then whether the choice can be a reference."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        values = {s.path: cleaned.get(s.path) for s in self.all_settings if cleaned.get(s.path) not in ("", None)}
        try:
            self.config = InspectionConfig.model_validate(values)
        except ValidationError as error:
            for path, sentence in config_fields.faults(error, Method.INSPECTION).items():
                self.add_error(path if path in self.fields else None, sentence)
        inspected = cleaned.get("inspected")
        if inspected and cleaned.get("as_reference") and inspected.root != inspected:
            self.add_error(
                "as_reference",
                f"{inspected.name} is {inspections.article(inspected)}, and only a whole model can be a reference. "
                f"Choose {inspected.root.name} for that.",
            )
        return cleaned

    def save(self, user: User) -> Run:
        """Queue the inspection; raises queue.Refused."""
        if self.config is None:
            raise ValueError("only a valid form can be saved")
        sent = self.cleaned_data
        return inspections.queue_inspection(
            sent["inspected"], sent["dataset_version"], self.config, user, as_reference=sent["as_reference"]
        )

    @property
    def choices(self) -> list[BoundField]:
        return [self[name] for name in ("inspected", "dataset_version", "rows", "as_reference")]

    @property
    def advanced(self) -> list[BoundField]:
        return [self[setting.path] for setting in self.all_settings if setting.path != "rows"]


def prefilled(query: Mapping[str, str]) -> dict[str, Any]:
    """Values of the form from a link; lengths and precision as the policy was trained, its data where none is named.

    A link that names the inspected policy as the base too asks for a check as a reference.
    """
    names = [
        "inspected",
        "dataset_version",
        *(setting.path for setting in config_fields.settings_of(Method.INSPECTION)),
    ]
    values: dict[str, Any] = {name: query[name] for name in names if name in query}
    key = query.get("inspected", "")
    policy = Policy.objects.filter(pk=key).select_related("run").first() if key.isdigit() else None
    if policy is None:
        return values
    values["as_reference"] = policy.base_id is not None and query.get("base") == key
    if policy.run is None:
        return values
    own = {name: policy.run.config[name] for name in ("max_length", "precision") if name in policy.run.config}
    return {"dataset_version": policy.run.dataset_version_id} | own | values


class CheckForm(forms.Form):
    """What a launch form sends when its reference is to be checked first; its other settings are left alone."""

    base = forms.ModelChoiceField(
        queryset=Policy.objects.filter(kind__in=[PolicyKind.BASE, PolicyKind.FULL]),
        error_messages={"required": "Choose the base to check.", "invalid_choice": "There is no such whole model."},
    )
    dataset_version = forms.ModelChoiceField(
        queryset=DatasetVersion.objects.select_related("dataset"),
        error_messages={"required": "Choose the pairs to check it on.", "invalid_choice": "There is no such version."},
    )

    def save(self, user: User) -> Run:
        """Queue the check; raises queue.Refused."""
        base, version = self.cleaned_data["base"], self.cleaned_data["dataset_version"]
        return inspections.queue_inspection(base, version, self._config(), user, as_reference=True)

    def _config(self) -> InspectionConfig:
        """Length and precision of the run to come, whose log-probabilities are then computed once; defaults if odd."""
        sent = {name: self.data.get(name) for name in ("max_length", "precision", "tokens_per_pass")}
        try:
            return InspectionConfig.model_validate({name: value for name, value in sent.items() if value})
        except ValidationError:
            return InspectionConfig()

    @property
    def chosen(self) -> dict[str, str]:
        """The same choice for the form of an inspection."""
        names = {"inspected": "base", "dataset_version": "dataset_version"}
        return {name: str(self.data[sent]) for name, sent in names.items() if self.data.get(sent)}
