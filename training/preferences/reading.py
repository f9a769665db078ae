"""Opens what an import reads: an uploaded file, a file or folder of this machine, or a data set of a hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlencode

from django.conf import settings

from training.config.base import Frozen
from training.models import ImportJob, ImportSource
from training.preferences.formats.recognition import SAMPLE_ROWS, text_of
from training.preferences.records import Refusal
from training.preferences.sources import Source, SourceRow, UnreadableFile, open_source

# A sample ends with so many characters of text, or after so many seconds, also when it holds few rows.
SAMPLE_CHARACTERS = 8 * 1024 * 1024
SAMPLE_SECONDS = 5.0


class HubAddress(Frozen):
    """A data set by name or a folder, with the split and configuration that were asked for."""

    name: str
    split: str = ""
    config: str = ""

    def __str__(self) -> str:
        asked = {key: value for key, value in (("split", self.split), ("config", self.config)) if value}
        return quote(self.name) + (f"?{urlencode(asked)}" if asked else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address that `str` wrote."""
        name, _, query = text.partition("?")
        asked = parse_qs(query)
        return cls(name=unquote(name), **{key: values[0] for key, values in asked.items()})


def opened(job: ImportJob) -> AbstractContextManager[Source]:
    """The rows of the job's source; raises UnreadableFile, or OSError where it is not there."""
    if job.source == ImportSource.HUB:
        address = HubAddress.parse(job.upload)
        if Path(address.name).exists():
            raise UnreadableFile(f"{address.name} is a folder of this machine, not a data set of the hub.")
        return _hub(address)
    path = path_of(job)
    return _hub(HubAddress.parse(job.upload)) if path.is_dir() else open_source(path, name=job.filename)


def _hub(address: HubAddress) -> AbstractContextManager[Source]:
    from training.preferences.sources.hub import open_hub

    return open_hub(address.name, split=address.split, config=address.config)


def first_rows(place: Path | HubAddress) -> list[dict[str, Any]]:
    """The rows at the start of a file, folder or data set of a hub, without those that cannot be read."""
    with _hub(place) if isinstance(place, HubAddress) else open_source(place) as source:
        return [row.value for row in sample(source) if isinstance(row, SourceRow)]


def path_of(job: ImportJob) -> Path:
    """Where the job's file or folder lies; of no meaning for a data set of a hub."""
    if job.source == ImportSource.PLACE:
        return Path(HubAddress.parse(job.upload).name)
    return Path(settings.HOME) / job.upload


def sample(rows: Iterable[SourceRow | Refusal]) -> Iterator[SourceRow | Refusal]:
    """The first rows, as many as are needed to tell the format, and never for long."""
    characters = 0
    end = monotonic() + SAMPLE_SECONDS
    for count, row in enumerate(rows, start=1):
        yield row
        characters += len(row.text if isinstance(row, Refusal) else text_of(row.value))
        if count >= SAMPLE_ROWS or characters >= SAMPLE_CHARACTERS or monotonic() >= end:
            return
