"""The form that makes a prompt suite from pasted lines or a file."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from alignapp.accounts.models import User
from comparisons.models import Stratum, Suite
from comparisons.suites import UnusableSuite, create_suite, read_pasted, read_prompts
from training.preferences.formats import UnreadableFile

FILE_LIMIT_BYTES = 32 * 1024 * 1024
PASTE_LIMIT = 500_000


class SuiteForm(forms.Form):
    """A name, and prompts from one of two places."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    stratum = forms.ChoiceField(
        choices=Stratum.choices,
        initial=Stratum.OTHER,
        label="Kind of prompts",
        help_text="How they relate to what the policies were trained on; results are told apart by it.",
    )
    description = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    held_for_evaluation = forms.BooleanField(
        required=False,
        label="Hold it for evaluation",
        help_text="Its prompts then never become training data, also where another suite holds them too.",
    )
    prompts = forms.CharField(
        required=False,
        max_length=PASTE_LIMIT,
        help_text="One prompt per line.",
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        error_messages={"max_length": f"At most {PASTE_LIMIT:,} characters can be pasted. Upload a file instead."},
    )
    file = forms.FileField(
        required=False,
        label="Or a file",
        help_text="JSON Lines with a prompt (text, or a list of role and content) on each line; a .txt file holds one "
        "prompt per line.",
        error_messages={"empty": "The file is empty: it holds 0 bytes. Choose the file that holds the prompts."},
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.ndjson,.json,.txt"}),
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Suite.objects.filter(name__iexact=name).exists():
            raise ValidationError("There is a suite of this name already. Give this one another name.")
        return name

    def clean_file(self) -> UploadedFile[Any] | None:
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        if file and file.size and file.size > FILE_LIMIT_BYTES:
            size, limit = filesizeformat(file.size), filesizeformat(FILE_LIMIT_BYTES)
            raise ValidationError(f"The file holds {size}; a suite is read from at most {limit}. Take fewer prompts.")
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "file" in self.errors or "prompts" in self.errors:
            return cleaned
        if bool(cleaned["file"]) == bool(cleaned["prompts"]):
            raise ValidationError("Either paste prompts or choose a file, not both and not neither.")
        field = "file" if cleaned["file"] else "prompts"
        try:
            cleaned["read"] = self.read(cleaned["file"], cleaned["prompts"])
        except (UnusableSuite, UnreadableFile) as problem:
            self.add_error(field, str(problem))
        return cleaned

    @staticmethod
    def read(file: UploadedFile[Any] | None, pasted: str) -> Any:
        if file is None:
            return read_pasted(pasted)
        return read_prompts(cast(BinaryIO, file.file), json_lines=not (file.name or "").endswith(".txt"))

    def save(self, user: User) -> Suite:
        """Store the suite; the lines that gave no prompt go with it."""
        prompts, rejected = self.cleaned_data["read"]
        values = {name: self.cleaned_data[name] for name in ("name", "stratum", "description", "held_for_evaluation")}
        return create_suite(prompts=prompts, rejected=rejected, user=user, **values)
