"""An export as one file, streamed: JSON Lines, Parquet, or a Hugging Face folder in a zip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from training.downloads import chunks_of
from training.preferences import trl
from training.preferences.hub_folder import zipped
from training.preferences.records import Pair
from training.preferences.row_files import CONVERSATION, write_rows
from training.preferences.sealing import as_json
from training.preferences.splits import PromptSplit

from .card import card_of
from .pairs import Export

ANSWERS = ("prompt", "chosen", "rejected")
# Columns beside these: name -> type of DuckDB.
NUMBERS = dict.fromkeys(("weight", "label", "margin"), "DOUBLE")
FACTS = {
    "tags": "VARCHAR[]",
    "study": "VARCHAR",
    "item": "BIGINT",
    "raters": "VARCHAR[]",
    "votes": "STRUCT(chosen BIGINT, rejected BIGINT, tie BIGINT, both_bad BIGINT)",
    "agreement": "DOUBLE",
    "certainty": "DOUBLE",
    "posterior": "DOUBLE",
    "adjudicated": "BOOLEAN",
    "won_item": "BIGINT",
    "guidelines": "BIGINT[]",
    "chosen_policy": "VARCHAR",
    "rejected_policy": "VARCHAR",
    "sampling": "STRUCT(temperature DOUBLE, top_p DOUBLE, max_tokens BIGINT)",
    "seed": "BIGINT",
    "engine": "VARCHAR",
}
AS_SEALED = {
    "split": "VARCHAR",
    **NUMBERS,
    "annotator": "VARCHAR",
    "source": "VARCHAR",
    "position": "TINYINT",
    "at": "VARCHAR",
    "tags": "VARCHAR[]",
    "extra": "VARCHAR",
}


class Form(StrEnum):
    """TRL's two forms of a preference pair."""

    CONVERSATIONAL = "conversational"
    PLAIN = "plain"

    def row(self, pair: Pair) -> dict[str, Any]:
        """The pair's columns, the same in every row: what methods read, then where it comes from."""
        numbers = {"weight": pair.weight, "label": pair.label, "margin": pair.margin, "tags": list(pair.tags)}
        answers = (trl.plain if self is Form.PLAIN else trl.conversational)(pair)
        return {name: answers[name] for name in ANSWERS} | numbers | dict(pair.extra)


def as_json_lines(export: Export, form: Form) -> Iterator[bytes]:
    """One JSON object per pair and line."""
    for pair in export.pairs():
        yield json.dumps(form.row(pair), ensure_ascii=False).encode() + b"\n"


def as_parquet(export: Export, form: Form) -> Iterator[bytes]:
    """The same rows as a Parquet file."""
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as place:
        path = Path(place) / "pairs.parquet"
        write_rows((form.row(pair) for pair in export.pairs()), _columns(form), path)
        yield from chunks_of(path)


def _columns(form: Form) -> dict[str, str]:
    text = "VARCHAR" if form is Form.PLAIN else CONVERSATION
    return {"prompt": text, "chosen": text, "rejected": text, **NUMBERS, **FACTS}


def as_folder(export: Export) -> Iterator[bytes]:
    """The rows and sides that a sealed version would have, as a Hugging Face folder with the data card in a zip."""
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as place:
        path, split = Path(place) / "pairs.parquet", PromptSplit()
        _write_as_sealed(export, split, path)
        if corrected := split.corrected():
            _write_as_sealed(export, corrected, path)
        yield from zipped(path, f"{export.study.slug}-pairs", export.study.name, card_of(export).markdown)


def _write_as_sealed(export: Export, split: PromptSplit, path: Path) -> None:
    """The columns of a sealed version that its readers see."""
    rows = (_as_sealed(pair, split.assign(pair.prompt)) for pair in export.pairs())
    write_rows(rows, dict.fromkeys(ANSWERS, CONVERSATION) | AS_SEALED, path)


def _as_sealed(pair: Pair, split: str) -> dict[str, Any]:
    turns = trl.conversational(pair)
    return {
        **{name: turns[name] for name in ANSWERS},
        "split": split,
        "weight": pair.weight,
        "label": pair.label,
        "margin": pair.margin,
        "annotator": pair.annotator or None,
        "source": pair.source or None,
        "position": pair.position or None,
        "at": pair.at or None,
        "tags": pair.tags,
        "extra": as_json(dict(pair.extra)),
    }
