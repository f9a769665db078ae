"""Rows as a Parquet file, written by DuckDB: for the web process, which does without Arrow.

Rows go through JSON Lines beside the file, so that neither they nor the file are ever whole in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from training.preferences import store

CONVERSATION = "STRUCT(role VARCHAR, content VARCHAR)[]"
LEAST_OBJECT = 1024 * 1024


def write_rows(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], target: Path) -> None:
    """Writes rows of JSON values under these columns (name -> type of DuckDB), in order; what a row lacks is null."""
    lines = target.with_suffix(".jsonl")
    try:
        longest = _write_lines(rows, lines)
        types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        form = f"format = 'newline_delimited', columns = {{{types}}}, maximum_object_size = ?"
        with store.connection(target) as database:
            values = [str(lines), longest + LEAST_OBJECT]
            store.write_found(database, f"SELECT * FROM read_json(?, {form})", values, target)
    finally:
        lines.unlink(missing_ok=True)


def _write_lines(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Returns the bytes of the longest line."""
    longest = 0
    with path.open("wb") as file:
        for row in rows:
            longest = max(longest, file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"))
    return longest
