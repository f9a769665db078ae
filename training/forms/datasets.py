"""The form that takes a file of preference pairs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from alignapp.accounts.models import User
from training.models import Dataset
from training.preferences.formats import UnreadableFile, refuse_foreign
from training.preferences.importing import dataset_named
from training.preferences.splits import DEFAULT_SHARE


class ImportForm(forms.Form):
    """One file, and the dataset whose next version it becomes."""

    file = forms.FileField(
        label="File",
        help_text="JSON Lines in UTF-8, one row per line: prompt, chosen and rejected as text or as lists of role and "
        "content. Rows without rejected are demonstrations. Other columns are kept.",
        error_messages={
            "empty": "The file is empty: it holds 0 bytes. Choose the file that holds the rows.",
            "required": "Choose a file.",
        },
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.with_versions(),
        required=False,
        empty_label="A new dataset",
        help_text="The file becomes the next version of this dataset; earlier versions stay as they are.",
    )
    name = forms.CharField(
        max_length=120,
        required=False,
        label="Name of the new dataset",
        help_text="Only for a new dataset.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    held_out = forms.FloatField(
        min_value=0,
        max_value=50,
        initial=round(100 * DEFAULT_SHARE),
        label="Held out, in %",
        help_text="Share of the prompts that no run trains on, to measure on them. A prompt is never on both sides.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )

    @staticmethod
    def prefilled(dataset: str) -> dict[str, Any]:
        """What a link asks for: the next version of a dataset, or the first one under the name that is still empty."""
        found = Dataset.objects.filter(pk=int(dataset)).first() if dataset.isdecimal() else None
        if found is None or found.versions.exists():
            return {"dataset": found}
        return {"name": found.name}

    def clean_file(self) -> UploadedFile[Any]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        limit = settings.UPLOAD_LIMIT_BYTES
        if file.size is not None and file.size > limit:
            raise ValidationError(
                f"The file holds {filesizeformat(file.size)}; at most {filesizeformat(limit)} can be uploaded. "
                "Split it, or import it on the server with manage.py import_pairs."
            )
        head = file.read(16)
        file.seek(0)
        try:
            refuse_foreign(head)
        except UnreadableFile as error:
            raise ValidationError(str(error)) from error
        return file

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if Dataset.objects.filter(name__iexact=name, versions__isnull=False).exists():
            raise ValidationError("There is a dataset of this name. Choose it in the list to add a version to it.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        dataset, name = cleaned.get("dataset"), cleaned.get("name")
        if dataset and name:
            self.add_error("name", "Either choose a dataset or name a new one, not both.")
        if not dataset and not name and "name" not in self.errors:
            self.add_error("name", "Name the new dataset, or choose one that is there.")
        return cleaned

    def chosen_dataset(self, user: User) -> Dataset:
        """The dataset that was chosen, or the new one."""
        return self.cleaned_data["dataset"] or dataset_named(self.cleaned_data["name"], user)

    @property
    def held_out_share(self) -> float:
        return float(self.cleaned_data["held_out"]) / 100
