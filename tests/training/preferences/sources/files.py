"""Small files of rows in every form."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from training.preferences.records import Refusal
from training.preferences.sources import Limits, SourceRow, open_source

ROWS = [
    {"prompt": f"Capital of Pelund {number}?", "chosen": 'It is\n"Aro", é.', "rejected": [{"content": "x"}]}
    for number in range(50)
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def zipped(*names: str, content: bytes = LINES) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
    "zip": lambda content: zipped("rows", content=content),
}


def read(path: Path, content: bytes, name: str = "", **limits: int) -> list[SourceRow | Refusal]:
    """All that a file of this content gives; the counts of its source agree with it."""
    path.write_bytes(content)
    with open_source(path, name=name, limits=Limits(**limits)) as source:
        found = list(source)
        assert source.rows == len(found)
        assert source.bytes == source.bytes_total == len(content)
    return found


def values(found: list[SourceRow | Refusal]) -> list[dict[str, Any]]:
    """The rows' values; none may be refused."""
    assert not [row for row in found if isinstance(row, Refusal)]
    return [row.value for row in found if isinstance(row, SourceRow)]


def refusals(found: list[SourceRow | Refusal]) -> list[Refusal]:
    return [row for row in found if isinstance(row, Refusal)]
