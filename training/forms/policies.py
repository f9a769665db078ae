"""Registering a model that runs can start from."""

from __future__ import annotations

import os

from django import forms

from alignapp.accounts.models import User
from training.models import Policy
from training.policies import UnusableModel, register_base


def hub_is_reachable() -> bool:
    """Whether a name may be given in place of a folder."""
    return os.environ.get("HF_HUB_OFFLINE") != "1"


class PolicyForm(forms.Form):
    """Name and location of a model; `save` looks at the files and may put its reason on the form."""

    use_required_attribute = False
    name = forms.CharField(
        max_length=160,
        help_text="How lists and charts call it.",
        error_messages={"required": "Give the model a name."},
    )
    location = forms.CharField(
        max_length=500,
        label="Folder or hub name",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
        error_messages={"required": "Give the folder that holds the model."},
    )

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        folder = "A folder on this machine with config.json, safetensors, tokenizer and chat template"
        hub = "or a name on the hub, such as Qwen/Qwen2.5-0.5B-Instruct"
        only = "HF_HUB_OFFLINE is set, so names on the hub are not fetched"
        self.fields["location"].help_text = f"{folder}, {hub}." if hub_is_reachable() else f"{folder}. {only}."

    def save(self, user: User) -> Policy | None:
        """Register the model; None when it is unusable, with the reason at the field."""
        try:
            return register_base(self.cleaned_data["name"], self.cleaned_data["location"], user)
        except UnusableModel as reason:
            self.add_error("location", str(reason))
            return None
