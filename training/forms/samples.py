"""The form that takes a sample of production prompts."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from alignapp import disk
from alignapp.accounts.models import User
from alignapp.uploads import UploadField
from training.models import PromptSample
from training.preferences import samples
from training.preferences.formats import UnreadableFile
from training.preferences.names import plain_name


class SampleForm(forms.Form):
    """A name, and a file of prompts."""

    use_required_attribute = False
    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    file = UploadField(
        help_text="JSON Lines with a prompt (text, or a list of role and content) or messages on each line; a .txt "
        "file holds one prompt per line. Prompts that were asked often should stand there as often.",
        error_messages={
            "empty": "The file is empty: it holds 0 bytes. Choose the file that holds the prompts.",
            "required": "Choose a file.",
        },
        widget=forms.FileInput(attrs={"accept": ".jsonl,.ndjson,.json,.txt"}),
    )

    def clean_name(self) -> str:
        name = plain_name(self.cleaned_data["name"])
        if not name:
            raise ValidationError("A name needs at least one letter.")
        if PromptSample.objects.filter(name__iexact=name).exists():
            raise ValidationError("There is a sample of this name already. Give this one another name.")
        return name

    def clean_file(self) -> UploadedFile[Any]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        limit = settings.UPLOAD_LIMIT_BYTES
        if file.size is not None and file.size > limit:
            size = filesizeformat(file.size)
            raise ValidationError(f"The file holds {size}; at most {filesizeformat(limit)} can be uploaded.")
        return file

    def save(self, user: User) -> PromptSample | None:
        """The stored sample; None, with the reason beside the field, when the file gives none."""
        file = self.cleaned_data["file"]
        json_lines = not (file.name or "").lower().endswith(".txt")
        try:
            return samples.store(self.cleaned_data["name"], cast(BinaryIO, file.file), json_lines=json_lines, user=user)
        except (samples.UnusableSample, UnreadableFile) as problem:
            self.add_error("file", str(problem))
        except OSError as error:
            self.add_error("file", disk.sentence(error, "No prompt was kept", "send the file again"))
        return None
