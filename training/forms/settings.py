"""Settings of a configuration as form fields, and the choice of a dataset version, for every form that queues a run."""

from __future__ import annotations

from typing import Any

from django import forms

from training.launching import config_fields
from training.launching.config_fields import VALUE_LABELS, Setting

TRUE_WORDS = {"true", "1", "on", "yes"}


class SettingField(forms.CharField):
    """A setting as text: the configuration class parses it, and an empty one means the default."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(label=setting.label, help_text=setting.info.description or "", widget=_widget(setting))

    def validate(self, value: Any) -> None:
        """Leave the judgement to the configuration class."""


def _widget(setting: Setting) -> forms.Widget:
    default = config_fields.value_text(setting.default)
    if setting.choices:
        return forms.Select(choices=[(choice, VALUE_LABELS.get(choice, choice)) for choice in setting.choices])
    if setting.lines:
        return forms.Textarea({"rows": 3, "autocomplete": "off", "spellcheck": "false", "class": "mono"})
    mode = "numeric" if isinstance(setting.default, int) else "decimal"
    return forms.TextInput({"inputmode": mode, "autocomplete": "off", "placeholder": default})


def setting_field(setting: Setting) -> forms.Field:
    """The form field of one setting."""
    if isinstance(setting.default, bool):
        return forms.BooleanField(required=False, label=setting.label, help_text=setting.info.description or "")
    return SettingField(setting)


def initial_of(setting: Setting) -> Any:
    """What its field shows at first."""
    return setting.default if isinstance(setting.default, bool) else config_fields.raw_text(setting.default)


class VersionChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Dataset versions by name, kind and size."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} · {obj.get_kind_display().lower()}, {obj.train_rows:,} training rows"
