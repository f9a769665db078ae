"""Files that people send, where the disk may have no room for them.

Django's own handler raises out of the middle of a request when the disk fills up, and the form is lost with the file.
Here the rest of the file is read and let go; the form says so beside its field and keeps what else was sent.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from alignapp import disk

FULL = "The disk is full, so the file was not kept. Make room, then choose it again."


class UnkeptUpload(UploadedFile):  # type: ignore[type-arg]
    """Stands for a file that the disk had no room for; it holds nothing."""


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes a file to the disk; of one that does not fit nothing stays there."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.is_full = False
        self._unless_full(super().new_file, *args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if not self.is_full:
            self._unless_full(super().receive_data_chunk, raw_data, start)
        return None

    def file_complete(self, file_size: int) -> UploadedFile[Any]:
        kept = None if self.is_full else self._unless_full(super().file_complete, file_size)
        return kept or UnkeptUpload(io.BytesIO(), self.file_name, self.content_type, 0)

    def _unless_full(self, act: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return act(*args, **kwargs)
        except OSError as error:
            if not disk.is_full(error):
                raise
            self.is_full = True
            self._let_go()

    def _let_go(self) -> None:
        """Closing removes the file, and may find the disk full once more."""
        if file := self.__dict__.pop("file", None):
            with suppress(OSError):
                file.close()


class UploadField(forms.FileField):
    """A file; one that the disk had no room for is refused with a sentence."""

    def to_python(self, data: Any) -> Any:
        if isinstance(data, UnkeptUpload):
            raise ValidationError(FULL, code="disk_full")
        return super().to_python(data)
