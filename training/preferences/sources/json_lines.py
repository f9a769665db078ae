"""JSON Lines: one object per line, other lines blank."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from training.preferences.records import Refusal
from training.preferences.sources.files import UTF8_MARK, TextSource
from training.preferences.sources.json_text import parse_row
from training.preferences.sources.rows import MIB, SourceRow, too_long


class JsonLines(TextSource):
    """The rows of a JSON Lines file. No more than one line of at most `limit` bytes is held in memory."""

    kind = "jsonl"

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        limit, number = self.limit, 0
        # One byte more than the limit tells a line that fills it from a line that exceeds it.
        while line := self.stream.readline(limit + 1):
            number += 1
            if len(line) > limit and not line.endswith(b"\n"):
                self.rows += 1
                yield self._skip(line, number)
                continue
            if number == 1:
                line = line.removeprefix(UTF8_MARK)
            line = line.strip()
            if line:
                self.rows += 1
                yield parse_row(line, number)
            else:
                self.blank += 1

    def _skip(self, start: builtins.bytes, number: int) -> Refusal:
        size = len(start)
        while chunk := self.stream.readline(MIB):
            size += len(chunk)
            if chunk.endswith(b"\n"):
                break
        return too_long(number, size, self.limit, start, "line")
