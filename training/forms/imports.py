"""The forms of an import: where the rows are, and how they become pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from pydantic import ValidationError as MappingError

from alignapp.accounts.models import User
from alignapp.uploads import UploadField
from training.models import Dataset, ImportJob
from training.preferences import drafts
from training.preferences.formats import ROLES, Format, Mapping, Pairing, Role, Ties
from training.preferences.formats.roles import FACTS, GAP
from training.preferences.names import plain_name
from training.preferences.reading import HubAddress
from training.preferences.sources import UnreadableFile
from training.preferences.splits import DEFAULT_SHARE
from training.preferences.versions import dataset_named

# owner/name, or a bare name: what the hub takes, and never a path of this machine.
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


class SourceForm(forms.Form):
    """One file, place or data set."""

    either_of: ClassVar = ("file", "place", "hub")

    file = UploadField(
        label="A file",
        required=False,
        help_text="JSON Lines, JSON, CSV or Parquet, packed or not.",
        error_messages={"empty": "The file is empty: it holds 0 bytes. Choose the file that holds the rows."},
    )
    place = forms.CharField(
        max_length=400,
        required=False,
        label="Or a file or folder on this machine",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    hub = forms.CharField(
        max_length=200,
        required=False,
        label="Or a Hugging Face data set",
        help_text="Its name, such as owner/name. It is fetched over the network by a worker.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    config = forms.CharField(max_length=100, required=False, label="Configuration", help_text="Where it has several.")
    split = forms.CharField(max_length=100, required=False, label="Split", help_text="Such as train.")
    key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    into = forms.CharField(max_length=120, widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["place"].help_text = f"Within {' or '.join(str(root) for root in drafts.roots())}."

    @staticmethod
    def prefilled(dataset: str) -> dict[str, Any]:
        """A fresh key, and the dataset that a link asks for."""
        found = Dataset.objects.filter(pk=int(dataset)).first() if dataset.isdecimal() else None
        return {"key": uuid4(), "into": found.name if found else ""}

    def clean_file(self) -> UploadedFile[Any] | None:
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        limit = settings.UPLOAD_LIMIT_BYTES
        if file and file.size is not None and file.size > limit:
            raise ValidationError(
                f"The file holds {filesizeformat(file.size)}; at most {filesizeformat(limit)} can be uploaded. "
                "Split it, or import it on the server with manage.py import_pairs."
            )
        return file

    def clean_hub(self) -> str:
        name: str = self.cleaned_data["hub"].strip()
        if name and not HUB_NAME.fullmatch(name):
            raise ValidationError("A data set has a name such as owner/name. Name folders in the field above.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        named = [name for name in ("file", "place", "hub") if cleaned.get(name)]
        if not named and not self.errors:
            self.add_error("file", "Choose a file, or name where the rows are.")
        if len(named) > 1:
            self.add_error(None, "Several sources are named. Import them one after the other.")
        return cleaned

    def draft(self, user: User) -> ImportJob | None:
        """The draft of the named source, or None with the reason among the form's errors."""
        data = self.cleaned_data
        key: UUID | None = data["key"]
        if key and (made := ImportJob.objects.filter(pk=key).first()):
            return made  # The same form was sent twice.
        known = {"key": key, "into": data["into"]}
        field = next(name for name in ("file", "place", "hub") if data[name])
        try:
            if field == "file":
                return drafts.from_upload(data["file"], user, **known)
            address = HubAddress(name=data[field], split=data["split"].strip(), config=data["config"].strip())
            return (drafts.from_place if field == "place" else drafts.from_hub)(address, user, **known)
        except (UnreadableFile, drafts.NotAllowed) as error:
            self.add_error(field, str(error))
        except OSError as error:
            self.add_error(field, drafts.sentence(error))
        return None


class ConfirmForm(forms.Form):
    """How the rows of a draft become pairs, and of which dataset."""

    either_of: ClassVar = ("dataset", "name")

    dataset = forms.ModelChoiceField(
        Dataset.objects.with_versions(),
        required=False,
        empty_label="A new dataset",
        help_text="The rows become its next version; earlier versions stay as they are.",
    )
    name = forms.CharField(
        max_length=120,
        required=False,
        label="Name of the new dataset",
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
    pairing = forms.ChoiceField(
        choices=[(rule.value, rule.label) for rule in Pairing],
        label="Which answers become pairs",
        help_text="The difference of two ratings is kept as the pair's margin. Answers rated alike give no pair.",
    )
    gap = forms.FloatField(
        min_value=0,
        label="Least difference",
        help_text="Only for the rule about ratings that are far enough apart.",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    ties = forms.ChoiceField(
        choices=[(rule.value, rule.label) for rule in Ties],
        label="Ties",
        help_text="Where both answers were judged bad, the row never gives a pair.",
    )

    def __init__(
        self, job: ImportJob, mapping: Mapping, columns: Iterable[str], keys: Iterable[str], sent: Any = None
    ) -> None:
        """`columns` are those of the sample, `keys` those of its answers (several rated answers per prompt)."""
        super().__init__(sent, initial=_initial(job, mapping))
        self.format = mapping.format
        choices = {False: list(columns), True: list(keys)}
        for role in ROLES[mapping.format]:
            self.fields[f"role-{role.name}"] = _role_field(role, choices[role.inside], mapping.columns.get(role.name))
        for name in {"pairing", "gap", "ties"} - set(RULES.get(mapping.format, ())):
            del self.fields[name]

    @property
    def roles(self) -> list[forms.BoundField]:
        """The columns that the format itself reads."""
        return [self[f"role-{role.name}"] for role in ROLES[self.format] if role not in _facts(self.format)]

    @property
    def facts(self) -> list[forms.BoundField]:
        """The optional columns."""
        return [self[f"role-{role.name}"] for role in _facts(self.format)]

    @property
    def rules(self) -> list[forms.BoundField]:
        return [self[name] for name in RULES.get(self.format, ())]

    @property
    def target(self) -> list[forms.BoundField]:
        return [self[name] for name in ("dataset", "name", "held_out")]

    def clean_name(self) -> str:
        name = plain_name(self.cleaned_data["name"])
        if not self.cleaned_data.get("dataset") and Dataset.objects.with_versions().filter(name__iexact=name).exists():
            raise ValidationError("There is a dataset of this name. Choose it in the list to add a version to it.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("dataset") and not cleaned.get("name") and "name" not in self.errors:
            self.add_error("name", "Name the new dataset, or choose one that is there.")
        columns = {
            role.name: column
            for role in ROLES[self.format]
            if (column := cleaned.get(f"role-{role.name}", "")) or not role.required
        }
        try:
            cleaned["mapping"] = Mapping.model_validate(
                {"format": self.format, "columns": {role: column for role, column in columns.items() if column}}
                | {name: cleaned[name] for name in RULES.get(self.format, ()) if name in cleaned}
            )
        except MappingError as error:
            for problem in error.errors():
                self.add_error(None, f"{problem['msg'].removeprefix('Value error, ')}.".capitalize())
        return cleaned

    @property
    def mapping(self) -> Mapping | None:
        """What was chosen, as far as it makes sense."""
        mapping: Mapping | None = self.cleaned_data.get("mapping")
        return mapping

    def chosen_dataset(self, user: User) -> Dataset:
        """The dataset that was chosen, or the new one."""
        return self.cleaned_data["dataset"] or dataset_named(self.cleaned_data["name"], user)

    @property
    def held_out_share(self) -> float:
        return float(self.cleaned_data["held_out"]) / 100


RULES: dict[Format, tuple[str, ...]] = {Format.RATED: ("pairing", "gap"), Format.BATTLES: ("ties",)}


def _facts(format: Format) -> tuple[Role, ...]:
    return tuple(role for role in ROLES[format] if role in (*FACTS, *GAP))


def _initial(job: ImportJob, mapping: Mapping) -> dict[str, Any]:
    has_versions = job.dataset.versions.exists()
    roles = {f"role-{role}": column for role, column in mapping.columns.items()}
    return roles | {
        "dataset": job.dataset if has_versions else None,
        "name": "" if has_versions else job.dataset.name,
        "held_out": round(100 * job.held_out_share, 2),
        "pairing": mapping.pairing,
        "gap": mapping.gap,
        "ties": mapping.ties,
    }


def _role_field(role: Role, columns: list[str], chosen: str | None) -> forms.ChoiceField:
    """A choice among the columns; one that the sample lacks can be kept, because later rows may have it."""
    choices = [("", "Not used"), *((column, column) for column in columns)]
    if chosen and chosen not in columns:
        choices.append((chosen, f"{chosen} (not in the first rows)"))
    return forms.ChoiceField(
        choices=choices,
        required=role.required,
        label=role.label,
        error_messages={"required": "Choose the column.", "invalid_choice": "The source has no such column."},
    )
