"""Forms that add checks to a study: lines, items of an earlier study, the study's own answers."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile

from alignapp.accounts.models import User
from alignapp.uploads import UploadField
from comparisons.authoring import ChecksRefused, Made, from_answers, from_lines, from_study
from comparisons.check_lines import LINE, lines_of
from comparisons.design import MOST_ATTENTION
from comparisons.models import ItemKind, Study, StudyKind, StudyState
from training.preferences.formats import UnreadableFile

from .suites import FILE_LIMIT_BYTES, PASTE_LIMIT


class ChecksForm(forms.Form):
    """A way to make checks for a study."""

    way = ""

    def __init__(self, study: Study, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(data, files, prefix=self.way, **kwargs)
        self.study = study

    def make(self, user: User) -> Made:
        """Make the checks in this form's way; every way has its own."""
        raise NotImplementedError

    def again(self, made: Made | None) -> ChecksForm:
        """The form for the next attempt: as it was sent while nothing was made, else a fresh one."""
        return self if made is None or not made.count else type(self)(self.study)

    def save(self, user: User) -> Made | None:
        """Make the checks; None, with the reason among the form's errors, when none could be made."""
        try:
            made = self.make(user)
        except (ChecksRefused, UnreadableFile) as refusal:
            self.add_error(None, str(refusal))
            return None
        if not made.count:
            self.add_error(None, "No line gives a check. What is wrong with each stands below.")
        return made


class LinesForm(ChecksForm):
    """Checks that a person wrote, pasted or from a file."""

    way = "lines"
    either_of: ClassVar = ("text", "file")
    text = forms.CharField(
        required=False,
        max_length=PASTE_LIMIT,
        label="Lines",
        help_text=f"JSON, one check a line: {LINE} Kind is gold, training or attention; without it, gold. "
        "The explanation is shown after a training item.",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"}),
    )
    file = UploadField(
        required=False,
        label="Or a file of such lines",
        error_messages={"empty": "The file is empty: it holds 0 bytes. Choose the file that holds the checks."},
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.ndjson,.json"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and bool(cleaned["file"]) == bool(cleaned["text"]):
            raise forms.ValidationError("Either paste lines or choose a file, not both and not neither.")
        file: UploadedFile[Any] | None = cleaned.get("file")
        if file and (file.size or 0) > FILE_LIMIT_BYTES:
            raise forms.ValidationError("The file is larger than 32 MB. Checks are few; take fewer lines.")
        return cleaned

    def again(self, made: Made | None) -> ChecksForm:
        """Lines that gave no check stay in the field, to be mended."""
        if made is None or not made.count:
            return self
        wrong = {line.line for line in made.rejected}
        lines = enumerate(self.cleaned_data["text"].split("\n"), start=1)
        return LinesForm(self.study, initial={"text": "\n".join(line for number, line in lines if number in wrong)})

    def make(self, user: User) -> Made:
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        source = cast(BinaryIO, file.file) if file else lines_of(self.cleaned_data["text"])
        return from_lines(self.study, source, user)


class EarlierStudyForm(ChecksForm):
    """Checks from items on which the raters of a closed study agreed."""

    way = "earlier"
    earlier = forms.ModelChoiceField(
        Study.objects.none(),
        label="Closed study",
        empty_label="Choose a study",
        help_text="Its items and answers are copied into this one.",
    )
    number = forms.IntegerField(min_value=1, max_value=500, initial=20, label="How many, at most")
    kind = forms.ChoiceField(
        choices=[(ItemKind.GOLD, "Gold, hidden among the others"), (ItemKind.TRAINING, "Training, before live items")],
        label="Use them as",
    )

    def __init__(self, study: Study, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(study, data, files, **kwargs)
        closed = Study.objects.filter(state=StudyState.CLOSED, kind=StudyKind.SUITES).exclude(pk=study.pk)
        self.fields["earlier"].queryset = closed  # type: ignore[attr-defined]

    def make(self, user: User) -> Made:
        sent = self.cleaned_data
        return from_study(self.study, sent["earlier"], ItemKind(sent["kind"]), sent["number"], user)


class AnswersForm(ChecksForm):
    """Attention items from the study's own answers."""

    way = "answers"
    number = forms.IntegerField(min_value=1, max_value=MOST_ATTENTION, initial=10, label="How many, at most")

    def make(self, user: User) -> Made:
        return from_answers(self.study, self.cleaned_data["number"], user)


WAYS: tuple[type[ChecksForm], ...] = (LinesForm, EarlierStudyForm, AnswersForm)
