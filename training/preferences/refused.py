"""The list of rows that could not be used: written beside an import, read for its page, downloaded as it is.

One JSON object a line: `line` (of the source), `problem` (records.Problem), `reason`, `text`.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO
from uuid import uuid4

from training.preferences.records import Problem, Refusal


class RefusedRows:
    """Writes the list; as a context manager it leaves nothing behind unless published."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.partial = path.with_name(f".{path.stem}-{uuid4().hex}.partial")
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = self.partial.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None, "leaving what was never entered"
        try:
            self._file.close()
        finally:
            self.partial.unlink(missing_ok=True)

    def add(self, refusal: Refusal) -> None:
        assert self._file is not None, "adding outside of the with block"
        row = {
            "line": refusal.line,
            "problem": refusal.problem,
            "reason": refusal.reason,
            "text": refusal.text,
        }
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.count += 1

    def publish(self) -> None:
        """Puts the list in its place; an import without refused rows has none."""
        if self.count and self._file is not None:
            self._file.close()
            os.replace(self.partial, self.path)


def read_refused(path: Path, limit: int) -> list[Refusal]:
    """The first `limit` rows of the list; none when there is no list."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, limit)]
    return [Refusal(row["line"], Problem(row["problem"]), row["reason"], row["text"]) for row in rows]
