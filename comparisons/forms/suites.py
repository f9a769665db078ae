"""The form that makes a prompt suite from pasted lines or a file."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from alignapp.accounts.models import User
from alignapp.uploads import UploadField
from comparisons.cluster_prompts import NoPrompts, draw_prompts, topics_of
from comparisons.models import Stratum, Suite
from comparisons.suites import MAX_PROMPTS, UnusableSuite, create_suite, read_pasted, read_prompts
from training.models import DatasetVersion
from training.preferences.formats import UnreadableFile

FILE_LIMIT_BYTES = 32 * 1024 * 1024
PASTE_LIMIT = 500_000


class NamedSuiteForm(forms.Form):
    """What every suite is given, wherever its prompts come from."""

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

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Suite.objects.filter(name__iexact=name).exists():
            raise ValidationError("There is a suite of this name already. Give this one another name.")
        return name

    @property
    def given(self) -> dict[str, Any]:
        """What create_suite takes beside prompts."""
        return {name: self.cleaned_data[name] for name in ("name", "stratum", "description", "held_for_evaluation")}


class SuiteForm(NamedSuiteForm):
    """Prompts that are pasted, or read from a file."""

    either_of: ClassVar = ("prompts", "file")

    prompts = forms.CharField(
        required=False,
        max_length=PASTE_LIMIT,
        help_text="One per line.",
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        error_messages={"max_length": f"At most {PASTE_LIMIT:,} characters can be pasted. Upload a file instead."},
    )
    pasted_as = forms.ChoiceField(
        required=False,
        choices=[("text", "Each line is a prompt"), ("json", "Each line is JSON")],
        initial="text",
        label="Pasted lines",
        help_text='JSON holds conversations too: {"messages": [{"role": "user", "content": "…"}, …]}; the last turn is '
        "the user's.",
        widget=forms.RadioSelect,
    )
    file = UploadField(
        required=False,
        label="Or a file",
        help_text="JSON Lines with a prompt (text, or a list of role and content) on each line; a .txt file holds one "
        "prompt per line.",
        error_messages={"empty": "The file is empty: it holds 0 bytes. Choose the file that holds the prompts."},
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.ndjson,.json,.txt"}),
    )

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
            cleaned["read"] = self.read(cleaned["file"], cleaned["prompts"], cleaned["pasted_as"] == "json")
        except (UnusableSuite, UnreadableFile) as problem:
            self.add_error(field, str(problem))
        return cleaned

    @staticmethod
    def read(file: UploadedFile[Any] | None, pasted: str, pasted_json: bool) -> Any:
        if file is None:
            return read_pasted(pasted, json_lines=pasted_json)
        return read_prompts(cast(BinaryIO, file.file), json_lines=not (file.name or "").endswith(".txt"))

    def save(self, user: User) -> Suite:
        """Store the suite; the lines that gave no prompt go with it."""
        prompts, rejected = self.cleaned_data["read"]
        return create_suite(prompts=prompts, rejected=rejected, user=user, **self.given)


class TopicSuiteForm(NamedSuiteForm):
    """Prompts drawn from topics of a dataset version."""

    topics = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="From the map in the report on the version. None chosen: all.",
    )
    number = forms.IntegerField(
        min_value=1,
        max_value=MAX_PROMPTS,
        initial=200,
        label="Prompts",
        help_text="At most so many, drawn by chance; a topic comes as often as it has pairs.",
    )
    held_out = forms.BooleanField(
        required=False,
        initial=True,
        label="Held-out prompts only",
        help_text="Runs on this version were not trained on them. Others tell what was learned by heart.",
    )
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=0, help_text="Fixes which prompts are drawn.")

    def __init__(self, version: DatasetVersion, data: Any = None) -> None:
        first = {"name": f"{version}"[:120], "stratum": Stratum.IN_DISTRIBUTION}
        super().__init__(data, initial=first)
        self.version = version
        choices = [(topic.number, str(topic)) for topic in topics_of(version)]
        self.fields["topics"].choices = choices  # type: ignore[attr-defined]

    def save(self, user: User) -> Suite | None:
        """Draw and store; None, with the reason among the form's errors, where nothing can be drawn."""
        sent = self.cleaned_data
        try:
            prompts = draw_prompts(
                self.version, sent["topics"], sent["number"], held_out=sent["held_out"], seed=sent["seed"]
            )
        except NoPrompts as nothing:
            self.add_error(None, str(nothing))
            return None
        given = self.given
        given["description"] = given["description"] or f"Drawn from the prompts of {self.version}."
        return create_suite(prompts=prompts, user=user, **given)
