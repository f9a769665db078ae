"""An export as one file, streamed: JSON Lines, Parquet, or a Hugging Face folder in a zip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from training.downloads import Outlet
from training.preferences import trl
from training.preferences.hub_folder import zipped
from training.preferences.records import Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import DEFAULT_SHARE, PromptSplit

from .card import card_of
from .pairs import Export

ROWS_PER_GROUP = 500


class Form(StrEnum):
    """TRL's two forms of a preference pair."""

    CONVERSATIONAL = "conversational"
    PLAIN = "plain"

    def row(self, pair: Pair) -> dict[str, Any]:
        """The pair's columns, the same in every row: what methods read, then where it comes from."""
        numbers = {"weight": pair.weight, "label": pair.label, "margin": pair.margin, "tags": list(pair.tags)}
        answers = (trl.plain if self is Form.PLAIN else trl.conversational)(pair)
        return {name: answers[name] for name in ("prompt", "chosen", "rejected")} | numbers | dict(pair.extra)


def as_json_lines(export: Export, form: Form) -> Iterator[bytes]:
    """One JSON object per pair and line."""
    for pair in export.pairs():
        yield json.dumps(form.row(pair), ensure_ascii=False).encode() + b"\n"


def as_parquet(export: Export, form: Form) -> Iterator[bytes]:
    """The same rows as a Parquet file, written and sent a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    outlet = Outlet()
    with pq.ParquetWriter(pa.PythonFile(outlet, mode="w"), _schema(form), compression="zstd") as writer:
        for rows in _chunks(form.row(pair) for pair in export.pairs()):
            writer.write_table(pa.Table.from_pylist(rows, schema=_schema(form)))
            yield outlet.take()
    yield outlet.take()


def as_folder(export: Export) -> Iterator[bytes]:
    """The rows and sides that a sealed version would have, as a Hugging Face folder with the data card in a zip."""
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as place:
        sealed = seal_pairs(export.pairs(), Path(place), PromptSplit(DEFAULT_SHARE))
        yield from zipped(sealed.path, f"{export.study.slug}-pairs", export.study.name, card_of(export).markdown)


def _schema(form: Form) -> Any:
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    text = pa.string() if form is Form.PLAIN else turns
    votes = pa.struct([(name, pa.int64()) for name in ("chosen", "rejected", "tie", "both_bad")])
    sampling = pa.struct([("temperature", pa.float64()), ("top_p", pa.float64()), ("max_tokens", pa.int64())])
    numbers = [(name, pa.float64()) for name in ("weight", "label", "margin")]
    strings = pa.list_(pa.string())
    facts = [
        ("tags", strings),
        ("study", pa.string()),
        ("item", pa.int64()),
        ("raters", strings),
        ("votes", votes),
        ("agreement", pa.float64()),
        ("certainty", pa.float64()),
        ("posterior", pa.float64()),
        ("adjudicated", pa.bool_()),
        ("won_item", pa.int64()),
        ("guidelines", pa.list_(pa.int64())),
        ("chosen_policy", pa.string()),
        ("rejected_policy", pa.string()),
        ("sampling", sampling),
        ("seed", pa.int64()),
        ("engine", pa.string()),
    ]
    return pa.schema([("prompt", text), ("chosen", text), ("rejected", text), *numbers, *facts])


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_PER_GROUP:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
